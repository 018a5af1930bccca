"""What all methods have in common: form of the result, passes, entries, progress, what is left."""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ch04_numerical_gradient.two_layer_net import TwoLayerNet as SigmoidNet
from ch05_backprop.two_layer_net import TwoLayerNet as ReluNet
from common import gradient_methods
from common.gradient_methods import structured
from common.gradient_methods.methods import METHODS as TABLE
from common.gradient_methods.selection import chosen, count, random_entries, unknown_gradient
from common.layers import Affine, Sigmoid, SoftmaxWithLoss
from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net_extend import MultiLayerNetExtend
from common.networks import SimpleConvNet
from common.support.errors import DivergenceWarning, NonFiniteError
from tests.helpers import as_bytes, few, frozen

KEYS = ["W1", "b1", "W2", "b2"]
METHODS = {name: getattr(gradient_methods, name) for name in gradient_methods.__all__}
del METHODS["gradient_check"]


def random_directions(network, x, t, *step, **options):
    """Random directions, always the same three."""
    options = {"directions": 3, "rng": np.random.default_rng(0)} | options
    return gradient_methods.random_directions(network, x, t, *step, **options)


METHODS["random_directions"] = random_directions
OF_LAYERS = ["forward_mode", "batched_forward_mode"]
WITH_ENTRIES = ["forward_differences", "central_differences", "complex_step", *OF_LAYERS]
WITH_STEP = [
    *("forward_differences", "central_differences", "complex_step", "structured_differences"),
    "random_directions",
]
NET_AND_METHOD = pytest.mark.parametrize(
    ("net", "name"),
    [(ReluNet, name) for name in METHODS]
    + [(SigmoidNet, name) for name in METHODS if name not in OF_LAYERS],
    ids=lambda value: value if isinstance(value, str) else value.__module__[:4],
)


def problem(net=ReluNet, sizes=(4, 3, 2), n=5, **options):
    """Return a network, and a mini-batch for it that nobody may write to."""
    rng = np.random.default_rng(0)
    network = net(*sizes, weight_init_std=0.7, rng=rng, **options)
    for key in ("b1", "b2"):
        network.params[key] += rng.normal(size=network.params[key].shape).astype(network.dtype)
    network.params["b1"][0] = -0.0  # which x + h − h wouldn't leave as it was
    return network, frozen(rng.random((n, sizes[0]))), frozen(rng.integers(0, sizes[2], n))


def conv_net():
    return SimpleConvNet(
        (1, 6, 6), {"filter_num": 2, "filter_size": 3, "pad": 0, "stride": 1}, 3, 3
    )


def extended(**options):
    return lambda: MultiLayerNetExtend(36, [3], 3, **options)


def counted(monkeypatch, cls, name, at=0, late=False):
    """Return a list of the calls of a method; Ctrl-C strikes the `at`-th, before or after it."""
    calls, original = [], getattr(cls, name)

    def counting(*arguments, **options):
        calls.append(name)
        if len(calls) == at and not late:
            raise KeyboardInterrupt
        result = original(*arguments, **options)
        if len(calls) == at:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(cls, name, counting)
    return calls


def test_the_package_and_the_table_name_all_methods():
    assert len(METHODS) == 8
    for name in gradient_methods.__all__:
        assert f"`{name}`" in gradient_methods.__doc__
    assert {method.function.__name__ for method in TABLE.values()} == set(METHODS)
    assert all(method.name == name for name, method in TABLE.items())
    options = {"entries", "progress", "directions"}
    for method in TABLE.values():
        assert method.takes == options & set(inspect.signature(method.function).parameters)


@NET_AND_METHOD
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_gradient_has_the_form_of_params_and_params_are_left_as_they_were(net, name, dtype):
    network, x, t = problem(net, dtype=dtype)
    params, arrays, before = network.params, dict(network.params), as_bytes(network.params)
    grads = METHODS[name](network, x, t)
    assert list(grads) == KEYS
    for key, param in arrays.items():
        assert isinstance(grads[key], np.ndarray)
        assert grads[key].shape == param.shape
        assert grads[key].dtype == dtype
        assert np.isfinite(grads[key]).all()
        assert not np.shares_memory(grads[key], param)
    assert network.params is params
    assert_untouched(network, arrays, before)


def assert_untouched(network, arrays, before):
    assert as_bytes(network.params) == before
    assert all(network.params[key] is array for key, array in arrays.items())
    for key, (layer, attribute) in network.param_owners().items():
        assert getattr(layer, attribute) is arrays[key]


@pytest.mark.parametrize("name", ["complex_step", "central_differences", "random_directions"])
@pytest.mark.parametrize("new", [extended(use_batchnorm=True, use_dropout=True), conv_net])
def test_buffers_and_random_numbers_are_left_as_they_were(name, new):
    np.random.seed(0)
    network, rng = new(), np.random.default_rng(0)
    x, t = rng.random((4, 36)), rng.integers(0, 3, 4)
    arrays, before = dict(network.params), as_bytes(network.params)
    state, random = as_bytes(network.state()), str(np.random.get_state())
    METHODS[name](
        network, x, t, **({} if name == "random_directions" else {"entries": {"W1": [0]}})
    )
    assert_untouched(network, arrays, before)
    assert as_bytes(network.state()) == state
    assert str(np.random.get_state()) == random


@NET_AND_METHOD
def test_a_replaced_layer_and_a_replaced_parameter_count(net, name):
    network, x, t = problem(net)
    other, *_ = problem(net)
    W, b = (np.random.default_rng(1).normal(size=shape) for shape in ((4, 3), 3))
    if net is ReluNet:
        network.layers["Affine1"] = Affine(W, b, input_gradient=False)
    else:
        network.params["W1"], network.params["b1"] = W, b
    other.params["W1"][...], other.params["b1"][...] = W, b
    expected = METHODS[name](other, x, t)
    assert as_bytes(METHODS[name](network, x, t)) == as_bytes(expected)
    assert network.params["W1"] is W


# Passes, entries and progress


@NET_AND_METHOD
@pytest.mark.parametrize("sizes", [(4, 3, 2), (2, 7, 5), (1, 1, 1)])
def test_the_number_of_passes_is_that_of_the_table(monkeypatch, net, name, sizes):
    network, x, t = problem(net, sizes)
    p = count(network.params)
    assert p == (sizes[0] + 1) * sizes[1] + (sizes[1] + 1) * sizes[2]
    objective, loss = (counted(monkeypatch, net, name) for name in ("objective", "loss"))
    predict = counted(monkeypatch, net, "predict")
    forward, backward, jvp = (
        counted(monkeypatch, Affine, name) for name in ("forward", "backward", "jvp")
    )
    end = counted(monkeypatch, SoftmaxWithLoss, "jvp")
    METHODS[name](network, x, t)
    passes = {
        "forward_differences": p + 1,
        "central_differences": 2 * p,
        "complex_step": p,
        "random_directions": 2 * 3,
    }
    assert len(objective) == passes.get(name, 0)
    if name == "reverse_mode":
        assert (len(forward), len(backward)) == (2, 2)  # one call for each of the two layers
    else:
        assert len(loss) == len(predict) == passes.get(name, 1)
        assert not backward
    (method,) = (method for method in TABLE.values() if method.function.__name__ == name)
    if name in passes:
        assert passes[name] == method.passes(p) * (3 if name == "random_directions" else 1)
    assert len(end) == {"forward_mode": p, "batched_forward_mode": 4}.get(name, 0)
    if name == "batched_forward_mode":
        assert len(jvp) == 2  # tangents start behind the layer of their weight


@pytest.mark.parametrize("name", WITH_ENTRIES)
@given(data=st.data())
@few
def test_only_the_chosen_weights_are_asked_about(name, data):
    network, x, t = problem()
    entries = {
        key: data.draw(st.lists(st.integers(0, param.size - 1), max_size=5), label=key)
        for key, param in network.params.items()
        if data.draw(st.booleans())
    }
    kinds = [iter, tuple, np.array, lambda indices: np.array(indices, np.uint8)]
    kind = data.draw(st.sampled_from(kinds))
    given_entries = {key: kind(indices) for key, indices in entries.items()}
    everything = METHODS[name](network, x, t)
    before, steps = as_bytes(network.params), []
    with pytest.MonkeyPatch.context() as patch:
        passes = counted(
            patch,
            SoftmaxWithLoss if name in OF_LAYERS else ReluNet,
            "jvp" if name in OF_LAYERS else "objective",
        )
        some = METHODS[name](
            network, x, t, entries=given_entries, progress=lambda n=1: steps.append(n)
        )
    assert as_bytes(network.params) == before
    number = sum(map(len, entries.values()))
    assert sum(steps) == number
    expected = {
        "forward_differences": number + 1,
        "central_differences": 2 * number,
        "batched_forward_mode": sum(map(bool, entries.values())),
    }
    assert len(passes) == expected.get(name, number)
    assert list(some) == KEYS
    for key, grad in some.items():
        asked = np.zeros(grad.size, bool)
        asked[entries.get(key, [])] = True
        assert np.isnan(grad.ravel()[~asked]).all()
        np.testing.assert_allclose(
            grad.ravel()[asked], everything[key].ravel()[asked], rtol=1e-14, atol=1e-16
        )


@pytest.mark.parametrize("name", [name for name in METHODS if name != "reverse_mode"])
@pytest.mark.parametrize("sizes", [(4, 3, 2), (2, 6, 5)])
@pytest.mark.parametrize("block", [structured.BLOCK_SIZE, 20, 1])
def test_progress_counts_every_weight_once(monkeypatch, name, sizes, block):
    monkeypatch.setattr(structured, "BLOCK_SIZE", block)
    network, x, t = problem(sizes=sizes)
    steps = []
    METHODS[name](network, x, t, progress=lambda *n: steps.append(n))
    if name in ("structured_differences", "batched_forward_mode"):
        assert sum(n for (n,) in steps) == count(network.params)
        assert min(n for (n,) in steps) > 0
    else:
        assert steps == [()] * (3 if name == "random_directions" else count(network.params))


PARAMS = {"a": np.zeros((3, 4)), "b": np.zeros(2, np.float32), "c": np.zeros((1, 6))}


def test_count_chosen_and_the_unknown_gradient():
    assert count(PARAMS) == 20
    as_lists = [(key, list(indices)) for key, indices in chosen(PARAMS, {"c": [5, 0]})]
    assert as_lists == [("a", []), ("b", []), ("c", [5, 0])]
    everything = {key: list(indices) for key, indices in chosen(PARAMS, None)}
    assert everything == {"a": list(range(12)), "b": [0, 1], "c": list(range(6))}
    for key, grad in unknown_gradient(PARAMS).items():
        assert np.isnan(grad).all()
        assert (grad.shape, grad.dtype) == (PARAMS[key].shape, PARAMS[key].dtype)


@given(number=st.integers(0, 30), seed=st.integers(0, 2**32 - 1))
@few
def test_random_entries_are_drawn_without_replacement(number, seed):
    entries = random_entries(PARAMS, number, np.random.default_rng(seed))
    again = random_entries(PARAMS, number, np.random.default_rng(seed))
    assert sum(len(indices) for _, indices in chosen(PARAMS, entries)) == min(number, 20)
    for key, indices in entries.items():
        assert len(set(indices.tolist())) == len(indices)
        assert indices.tolist() == again[key].tolist()


def test_random_entries_are_equally_likely():
    rng, counts = np.random.default_rng(0), {key: np.zeros(p.size) for key, p in PARAMS.items()}
    draws = 4000
    for _ in range(draws):
        for key, indices in random_entries(PARAMS, 5, rng).items():
            counts[key][indices] += 1
    each = np.concatenate(list(counts.values()))
    assert each.sum() == 5 * draws
    deviation = np.sqrt(draws * 0.25 * 0.75)
    assert np.all(np.abs(each - draws / 4) < 5 * deviation)
    assert each.std() > deviation / 3  # and at random, not in turn


# Ctrl-C


@NET_AND_METHOD
@pytest.mark.parametrize("where", ["objective", "loss", "predict", "progress"])
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_nothing_is_left_behind_when_ctrl_c_strikes(net, name, where, late):
    def run(network, x, t, at):
        with pytest.MonkeyPatch.context() as patch:
            if where != "progress":
                calls, options = counted(patch, net, where, at, late), {}
            elif name == "reverse_mode":
                return []
            else:
                patch.setattr(net, "report", lambda self: None, raising=False)
                calls = counted(patch, net, "report", at, late)
                options = {"progress": lambda *_: network.report()}
            METHODS[name](network, x, t, **options)
            return calls

    total = len(run(*problem(net), 0))
    for at in sorted({1, 2, 3, total // 2, total - 1, total} & set(range(1, total + 1))):
        network, x, t = problem(net)
        params, arrays, before = network.params, dict(network.params), as_bytes(network.params)
        with pytest.raises(KeyboardInterrupt):
            run(network, x, t, at)
        assert network.params is params
        assert_untouched(network, arrays, before)
        fresh, *_ = problem(net)
        assert as_bytes(network.gradient(x, t)) == as_bytes(fresh.gradient(x, t))


# Bad input


@pytest.mark.parametrize("name", WITH_STEP)
@pytest.mark.parametrize("h", [0, -1e-4, np.nan, np.inf])
def test_a_step_that_is_no_number_above_0_is_refused(name, h):
    with pytest.raises(ValueError, match=f"step h must be a number above 0, got {h}"):
        METHODS[name](*problem(), h)


BAD_BATCH = {
    "one example": ("x", np.zeros(4), ValueError, r"x must be a batch of shape \(N, 4\)"),
    "wrong width": ("x", np.zeros((5, 3)), ValueError, r"x must be a batch of shape \(N, 4\)"),
    "empty": ("x", np.zeros((0, 4)), ValueError, "batch is empty"),
    "complex": ("x", np.zeros((5, 4), complex), TypeError, "x must hold real numbers"),
    "text": ("x", np.full((5, 4), "a"), TypeError, "x must hold .*numbers"),
    "nan": ("x", np.full((5, 4), np.nan), NonFiniteError, "x holds 20 NaN"),
    "too few": ("t", np.zeros(4, int), ValueError, "one label for each of the 5 rows, got 4"),
    "too large": ("t", np.full(5, 2), ValueError, "between 0 and 1, got 2"),
    "negative": ("t", np.full(5, -1), ValueError, "between 0 and 1, got -1"),
    "floats": ("t", np.zeros(5), TypeError, "must be integers"),
    "classes": ("t", np.eye(3)[[0, 1, 2, 0, 1]], ValueError, r"got \(5, 3\)"),
    "no distribution": ("t", np.ones((5, 2)), ValueError, "sum to 1"),
    "scalar": ("t", np.array(1), ValueError, r"labels of shape \(5,\)"),
}


@NET_AND_METHOD
@pytest.mark.parametrize("bad", BAD_BATCH)
def test_a_batch_that_does_not_fit_is_refused(net, name, bad):
    network, x, t = problem(net)
    argument, value, error, message = BAD_BATCH[bad]
    x, t = (value, t[: len(value)]) if argument == "x" else (x, value)
    arrays, before = dict(network.params), as_bytes(network.params)
    with pytest.raises(error, match=message):
        METHODS[name](network, x, t)
    assert_untouched(network, arrays, before)


@pytest.mark.parametrize("name", WITH_ENTRIES)
@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"W1": [0], "W3": [0]}, r"entries names 'W3'.*W1, b1, W2, b2"),
        ({"W1": [12]}, "entries of W1 must lie between 0 and 11"),
        ({"W1": [0, -1]}, "entries of W1 must lie between 0 and 11"),
        ({"W1": [0], "b2": [2]}, "entries of b2 must lie between 0 and 1"),
    ],
)
def test_weights_that_do_not_exist_are_refused_before_the_work_begins(name, entries, message):
    network, x, t = problem()
    before, done = as_bytes(network.params), []
    with pytest.raises(ValueError, match=message):
        METHODS[name](network, x, t, entries=entries, progress=lambda n=1: done.append(n))
    assert as_bytes(network.params) == before
    assert done == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"directions": 0}, ValueError, "directions must be a positive integer, got 0"),
        ({"directions": 1.5}, ValueError, "directions must be a positive integer, got 1.5"),
        ({"rng": 1}, TypeError, "rng must be a numpy.random.Generator"),
    ],
)
def test_random_directions_refuse_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        random_directions(*problem(), **options)


@NET_AND_METHOD
def test_diverged_parameters_give_a_warning_and_nan(net, name):
    network, x, t = problem(net)
    network.params["W1"][0, 0] = np.nan
    arrays, before = dict(network.params), as_bytes(network.params)
    with pytest.warns(DivergenceWarning, match="W1 holds NaN"):
        grads = METHODS[name](network, x, t)
    assert np.isnan(grads["W1"]).any()
    assert_untouched(network, arrays, before)


class Replaced(ReluNet):
    """Its hidden layer isn't its ``activation``."""

    def __init__(self):
        super().__init__(36, 3, 3, rng=np.random.default_rng(0))
        self.params["W1"] *= 100
        self.layers["Relu1"] = Sigmoid()


@pytest.mark.parametrize(
    ("name", "new", "message"),
    [
        (
            "structured_differences",
            lambda: MultiLayerNet(36, [3], 3),
            "two-layer network.*MultiLay",
        ),
        ("structured_differences", conv_net, "two-layer network.*got a SimpleConvNet with .* W1"),
        ("structured_differences", Replaced, "has a layer been replaced"),
        ("forward_mode", lambda: SigmoidNet(36, 3, 3), "layers and last_layer; got a ch04"),
        ("forward_mode", conv_net, "layer Convolution has no jvp"),
        ("forward_mode", extended(use_batchnorm=True), "BatchNormalization has no jvp"),
        ("batched_forward_mode", extended(use_dropout=True), "layer Dropout has no jvp"),
    ],
)
def test_a_network_of_another_kind_is_refused(name, new, message):
    with pytest.raises(TypeError, match=message):
        METHODS[name](new(), np.ones((2, 36)), np.array([0, 1]))
