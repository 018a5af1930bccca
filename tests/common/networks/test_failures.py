"""What a network does when something is wrong: a refused call changes nothing, Ctrl-C is undone."""

import re
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import common
from ch04_numerical_gradient.two_layer_net import TwoLayerNet as Chapter4
from ch05_backprop.two_layer_net import TwoLayerNet as Chapter5
from common.gradient_methods import gradient_check
from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net_extend import MultiLayerNetExtend
from common.networks import DeepConvNet, LayerNetwork, SimpleConvNet
from common.support.errors import DivergenceWarning, NonFiniteError
from tests.common.networks.examples import (
    CLASSES,
    CONV,
    NETWORKS,
    NORMALIZED,
    batch,
    build,
    state_of,
)
from tests.helpers import as_bytes

EACH = pytest.mark.parametrize("kind", NETWORKS)
METHODS = ("loss", "gradient", "loss_and_gradient", "objective", "numerical_gradient", "accuracy")


def with_nan(array, *index):
    array = np.array(array, float)
    array.reshape(len(array), -1)[index or (3, 0)] = np.nan
    return array


def with_inf(array):
    array = with_nan(array)
    array[np.isnan(array)] = -np.inf
    return array


# How to spoil x or t (5 examples, 3 classes), and the error that every method must raise.
BAD_X = [
    (lambda x: x.reshape(5, -1)[:, 1:], ValueError, r"x must be a batch of shape \(N, \d+\), got "),
    (lambda x: x[0].ravel(), ValueError, r"got \(\d+,\); a single example is x\[np.newaxis\]"),
    (lambda x: x[0].ravel()[1:], ValueError, r"x must be a batch .* got \(\d+,\)$"),
    (lambda x: np.float64(1), ValueError, r"x must be a batch .* got \(\)"),
    (lambda x: x[:0], ValueError, "the batch is empty: expected at least one example"),
    (lambda x: x.astype(complex), TypeError, "x must hold real numbers, got complex128"),
    (lambda x: x.astype(str), TypeError, "x must hold numbers, got <U32"),
    (lambda x: x.astype(object), TypeError, "x must hold numbers, got object"),
    (lambda x: np.ma.masked_greater(x, 1), TypeError, "x is a masked array"),
    (with_nan, NonFiniteError, r"x holds 1 NaN or infinite values, the first at index \(3, 0"),
    (with_inf, NonFiniteError, r"x holds 1 NaN or infinite values, the first at index \(3, 0"),
    (lambda x: with_nan(x).astype(np.float32), NonFiniteError, r"x holds 1 NaN .*\(3, 0"),
]
ONE_HOT = np.eye(CLASSES)
BAD_T = [
    (lambda t: t[:-1], ValueError, "one label for each of the 5 rows, got 4"),
    (lambda t: np.append(t, 0), ValueError, "one label for each of the 5 rows, got 6"),
    (lambda t: 1, ValueError, "t must"),
    (lambda t: t + CLASSES, ValueError, "labels t must lie between 0 and 2, got [345]"),
    (lambda t: t - CLASSES, ValueError, "labels t must lie between 0 and 2, got -[321]"),
    (lambda t: t.astype(float), TypeError, "labels t must be integers, got float64"),
    (lambda t: t == 1, TypeError, "labels t must be integers, got bool"),
    (lambda t: t.astype(object), TypeError, "integers or rows of probabilities, got object"),
    (lambda t: t.astype(str), TypeError, "integers or rows of probabilities, got <U21"),
    (lambda t: np.ma.array(t, mask=t > 0), TypeError, "t is a masked array"),
    (lambda t: ONE_HOT[t].astype(complex), TypeError, "rows of probabilities, got complex128"),
    (lambda t: ONE_HOT[t].astype(object), TypeError, "rows of probabilities, got object"),
    (lambda t: np.ma.array(ONE_HOT[t], mask=False), TypeError, "t is a masked array"),
    (lambda t: np.eye(4)[t], ValueError, r"one-hot of shape \(5, 3\), got \(5, 4\)"),
    (lambda t: np.ones((5, 3)), ValueError, "sum to 1; row 0 is"),
    (lambda t: with_nan(ONE_HOT[t]), NonFiniteError, "t holds 1 NaN or infinite values"),
]


def assert_refused(network, x, t, error, words, methods=METHODS):
    before = state_of(network)
    for method in methods:
        with pytest.raises(error, match=words):
            getattr(network, method)(*((x,) if method == "predict" else (x, t)))
        assert state_of(network) == before, method


@EACH
@pytest.mark.parametrize("number", range(len(BAD_X)))
def test_examples_that_do_not_fit_are_refused_and_change_nothing(kind, number):
    spoil, error, words = BAD_X[number]
    network = build(kind, with_rng=number % 2 == 0)
    x, t = batch(network)
    t = t[: len(spoil(x))] if np.ndim(spoil(x)) else t
    methods = METHODS if spoil in (with_nan, with_inf) else ("predict", *METHODS)
    assert_refused(network, spoil(x), t, error, words, methods)


@EACH
@pytest.mark.parametrize("number", range(len(BAD_T)))
def test_labels_that_do_not_fit_are_refused_and_change_nothing(kind, number):
    spoil, error, words = BAD_T[number]
    network = build(kind, with_rng=number % 2 == 0)
    x, t = batch(network)
    assert_refused(network, x, spoil(t), error, words)


@pytest.mark.parametrize("kind", NORMALIZED)
def test_nan_in_a_buffer_is_named(kind):
    for key in build(kind).buffers:
        network = build(kind)
        x, t = batch(network)
        network.buffers[key][1] = np.nan
        words = rf"the buffer {key} holds 1 NaN .* \(1,\)"
        assert_refused(network, x, t, NonFiniteError, words, ("predict", *METHODS))


@pytest.mark.parametrize("kind", NORMALIZED)
def test_a_single_example_cannot_be_normalized_in_training(kind):
    network = build(kind)
    x, t = batch(network, n=1)
    words = "more than one value per feature in training, got 1"
    assert_refused(network, x, t, ValueError, words, METHODS[1:5])
    assert network.accuracy(x, t) in (0, 1)


@pytest.mark.parametrize("kind", ["dropout", "everything", "reader's"])
def test_a_parameter_that_does_not_fit_is_found_out_before_anything_changes(kind):
    network = build(kind)
    x, t = batch(network)
    before = state_of(network)
    W = network.params["W2"]
    network.params["W2"] = np.ones((2, 2))
    assert_refused(network, x, t, ValueError, "x must have 2 numbers per example")
    network.params["W2"] = W
    assert state_of(network) == before


# Ctrl-C


@EACH
@pytest.mark.parametrize("error", [KeyboardInterrupt, ArithmeticError])
def test_an_interrupted_numerical_gradient_leaves_no_trace(kind, error):
    network = build(kind)
    x, t = batch(network)
    loss, before = network.loss, state_of(network)
    arrays = dict(network.params)
    calls = 2 * sum(param.size for param in arrays.values())
    looks = [network.numerical_gradient, lambda x, t: gradient_check(network, x, t)]
    for after in (0, 1, 2, 17, calls - 1):
        for look in looks if after < 17 else looks[:1]:
            left = iter(range(after))

            def interrupted(*args, left=left, **options):
                result = loss(*args, **options)
                if next(left, None) is None:
                    raise error
                return result

            network.loss = interrupted
            with pytest.raises(error):
                look(x, t)
            del network.loss
            assert state_of(network) == before
            assert all(network.params[key] is array for key, array in arrays.items())


FOLDERS = tuple(str(Path(common.__file__).parent / name) for name in ("networks", "layers", "supp"))


def trace_lines(call, at_line):
    """Call `at_line` with each line of the code of networks that is about to be run in `call`."""

    def trace(frame, event, arg):
        if event == "line":
            at_line((frame.f_code.co_filename, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(lambda f, e, a: trace if f.f_code.co_filename.startswith(FOLDERS) else None)
    try:
        return call()
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("with_rng", [True, False])
def test_ctrl_c_at_any_line_of_a_numerical_gradient_leaves_no_trace(with_rng):
    """At the first and at the last time that a line is run; also while a state is restored."""
    network = MultiLayerNetExtend(
        2, [2], 2, use_dropout=True, dropout_ration=0.3, use_batchnorm=True,
        rng=np.random.default_rng(0) if with_rng else None,
    )  # fmt: skip
    x, t = np.random.default_rng(1).normal(size=(4, 2)), np.array([0, 1, 1, 0])
    network.gradient(x, t)
    before, objective = state_of(network), network.objective(x, t)
    lines = Counter()
    trace_lines(lambda: network.numerical_gradient(x, t), lambda line: lines.update([line]))
    assert len(lines) > 100
    for line, times in lines.items():
        for strike in {1, times}:
            seen = Counter()

            def interrupt(here, line=line, strike=strike, seen=seen):
                seen[here] += 1
                if here == line and seen[here] == strike:
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                trace_lines(lambda: network.numerical_gradient(x, t), interrupt)
            assert state_of(network) == before, line
            assert network.objective(x, t) == objective, line


# Parameters that have diverged


def diverged(kind, value):
    network = build(kind)
    last = [key for key in network.params if key[0] == "b" and key[1].isdigit()][-1]
    network.params[last][0] = value
    return network, last


# What a reader may have in another file: functions that call a network, and a network of their own.
READERS_FILE = """
def call(network, method, x, t):
    return getattr(network, method)(x, t)

def network_class(base):
    class Mine(base):
        def loss(self, x, t, *args, **options):
            return super().loss(x, t, *args, **options)
    return Mine
"""


@EACH
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_diverged_parameters_give_nan_and_one_warning_at_the_callers_line(kind, method, value):
    network, key = diverged(kind, value)
    x, t = batch(network)
    readers = {"__name__": "readers_file"}
    exec(compile(READERS_FILE, "readers_file.py", "exec"), readers)
    before, arrays = as_bytes(network.state()), dict(network.params)
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        result = getattr(network, method)(x, t)
        here = sys._getframe().f_lineno - 1
        readers["call"](network, method, x, t)
        network.__class__ = readers["network_class"](type(network))
        getattr(network, method)(x, t)
    places = [(Path(w.filename).name, w.lineno) for w in caught]
    this = Path(__file__).name
    assert places == [(this, here), ("readers_file.py", 3), (this, here + 4)]
    for warning in caught:
        assert warning.category is DivergenceWarning
        assert re.search(
            f"{key} holds NaN or infinity; a smaller learning rate or smaller initial weights may",
            str(warning.message),
        )
    if method == "accuracy":
        assert 0 <= result <= 1
    else:
        for value in result if isinstance(result, tuple) else (result,):
            values = value.values() if isinstance(value, dict) else [value]
            assert not all(np.isfinite(value).all() for value in values)
    assert as_bytes(network.state()) == before  # NaN doesn't get into the running averages
    assert all(network.params[key] is array for key, array in arrays.items())


def test_the_warning_names_the_largest_parameter_where_all_are_finite():
    network = build("weight decay")
    network.params["W2"][0, 0] = -1e300
    words = r"the loss is inf: the largest element of W2 is 1\.0e\+300"
    with np.errstate(over="ignore"), pytest.warns(DivergenceWarning, match=words):
        assert network.loss(*batch(network)) == np.inf


def test_check_loss_returns_what_is_finite():
    network = build("chapter 5")
    assert network.check_loss(1.5) == 1.5
    with pytest.warns(DivergenceWarning, match="the loss is nan: the largest element of W"):
        assert np.isnan(network.check_loss(np.nan))


# Arguments that make no network


def deep(**options):
    return DeepConvNet(**{"input_dim": (1, 10, 10), "conv_params": [CONV, CONV]} | options)


def simple(**options):
    return SimpleConvNet(**{"input_dim": (1, 10, 10), "conv_param": CONV} | options)


def conv(**options):
    return simple(conv_param=CONV | options)


def multi(net=MultiLayerNet, **options):
    return net(**{"input_size": 6, "hidden_size_list": [5], "output_size": 3} | options)


def extend(**options):
    return multi(MultiLayerNetExtend, use_dropout=True, **options)


SIZES = ("input_size", "hidden_size", "output_size")


def after_affine(method):
    network = LayerNetwork((4,))
    network.add_affine(9)
    getattr(network, method)(2, 2)


def each(makes, key, values, error, words):
    """Rows of the table for several networks and values; the value stands for {} in `words`."""
    return [
        (make, {key: value}, error, words.format(re.escape(repr(value))))
        for make in makes
        for value in values
    ]


V, T = ValueError, TypeError
BOTH, DEEP, SIMPLE, CONVOLUTIONAL = (multi, extend), (deep,), (simple,), (simple, deep)
# Function, arguments, error, and its words.
BAD_ARGUMENTS = [
    *each(BOTH, "input_size", (0, 6.0, None, True), V, "^input_size must be .* got {}$"),
    *each(BOTH, "output_size", (0, 2.5), V, "^output_size must be a positive integer, got {}$"),
    *each(BOTH, "hidden_size_list", (5, "55"), T, "^hidden_size_list must be a list .* got {}$"),
    *each(BOTH, "hidden_size_list", ([5, 0],), V, "^each size in hidden_size_list .* got 0$"),
    *each(BOTH, "hidden_size_list", ([5.5], [None]), V, "^each size in hidden_size_list must"),
    *each(BOTH, "activation", ("tanh", None, "", 3), V, "^activation must be .* got {}$"),
    (multi, {"hidden_size_list": [], "activation": "tanh"}, V, "activation must be"),
    *each((multi, simple), "weight_init_std", ("tanh", -0.1, None), V, "^weight_init_std .* {}$"),
    *each(BOTH, "weight_decay_lambda", (-1, np.nan, np.inf), V, "^weight_decay_lambda must .* {}$"),
    *each(BOTH, "weight_decay_lambda", (None, "0.1"), T, "^weight_decay_lambda must be a number"),
    *each((extend,), "dropout_ration", (1.5, -0.1, np.nan), V, "^dropout_ratio must .* got {}$"),
    *each(DEEP, "dropout_ratio", (1.5, -0.1, np.nan), V, "^dropout_ratio must be between .* {}$"),
    *each(DEEP, "dropout_ratio", (None, "0.5"), T, "^dropout_ratio must be a number, got {}$"),
    *each((multi, deep), "rng", (0, np.random), T, "^rng must be a numpy.random.Generator"),
    *each((multi, deep), "dtype", (int, bool, complex, "U3"), T, "^dtype must be a floating-point"),
    *each(CONVOLUTIONAL, "input_dim", ((9, 9), (1, 1, 9, 9)), V, "^images .* needed .* shape {}$"),
    *each(CONVOLUTIONAL, "input_dim", ((1, 0, 9), (1, 9, 9.5)), V, "^each size in input_dim must"),
    *each(CONVOLUTIONAL, "input_dim", ((1, 2, 9), (1, 3, 3)), V, "^a window of [23] pixels is lar"),
    *each(CONVOLUTIONAL, "input_dim", (28,), T, "^input_dim must be a list or a tuple, got 28$"),
    *each(CONVOLUTIONAL, "hidden_size", (0, 2.5), V, "^hidden_size must be .* got {}$"),
    *each(CONVOLUTIONAL, "output_size", (-1, "3"), V, "^output_size must be .* got {}$"),
    *each(DEEP, "conv_params", (CONV, 6), T, "^conv_params must be a list or a tuple, got {}$"),
    *each((conv,), "filter_num", (0, None), V, "^filter_num must be .* got {}$"),
    *each((conv,), "filter_size", (0, 2.5), V, "^filter_size must be .* got {}$"),
    *each((conv,), "filter_size", (11,), V, "^a window of 11 pixels is larger than the image: 10"),
    *each((conv,), "pad", (-1, 0.5), V, "^pad must be an integer of at least 0, got {}$"),
    *each((conv,), "stride", (0, 1.5), V, "^stride must be a positive integer, got {}$"),
    *each((conv,), "filters", (3,), T, "filters"),
    *each(SIMPLE, "conv_param", ({"filter_num": 3},), T, "filter_size"),
    *each((after_affine,), "method", ("add_convolution", "add_pooling"), V, r"^images .* \(9,\)$"),
    *[
        (net, dict(zip(SIZES, sizes, strict=True)), V, "^each layer size must be a positive integ")
        for net in (Chapter4, Chapter5)
        for sizes in ((0, 3, 2), (4, -3, 2), (4, 3.0, 2), (4, 3, None), (True, 3, 2), ("4", 3, 2))
    ],
]


@pytest.mark.parametrize(("make", "arguments", "error", "words"), BAD_ARGUMENTS)
def test_bad_arguments(make, arguments, error, words):
    with pytest.raises(error, match=words):
        make(**arguments)
