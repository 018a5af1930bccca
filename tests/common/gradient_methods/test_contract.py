import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ch04_numerical_gradient.two_layer_net import TwoLayerNet as SigmoidNet
from ch05_backprop.two_layer_net import TwoLayerNet as ReluNet
from common import gradient_methods
from common.gradient_methods import (
    batched_forward_mode,
    central_differences,
    complex_step,
    forward_differences,
    forward_mode,
    random_directions,
    reverse_mode,
    structured_differences,
)
from common.gradient_methods.selection import chosen, count, random_entries, unknown_gradient
from common.layers import Affine
from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net_extend import MultiLayerNetExtend
from common.networks import SimpleConvNet
from common.support.errors import NonFiniteError

few = settings(max_examples=50, deadline=None, database=None)
KEYS = ["W1", "b1", "W2", "b2"]


def seeded_directions(network, x, t, *step, **options):
    return random_directions(
        network, x, t, *step, directions=3, rng=np.random.default_rng(0), **options
    )


METHODS = {
    "forward_differences": forward_differences,
    "central_differences": central_differences,
    "complex_step": complex_step,
    "structured_differences": structured_differences,
    "forward_mode": forward_mode,
    "batched_forward_mode": batched_forward_mode,
    "random_directions": seeded_directions,
    "reverse_mode": reverse_mode,
}
NEEDS_LAYERS = {"forward_mode", "batched_forward_mode"}
EACH = pytest.mark.parametrize("name", METHODS)
NET_AND_METHOD = pytest.mark.parametrize(
    ("net", "name"),
    [(ReluNet, name) for name in METHODS]
    + [(SigmoidNet, name) for name in METHODS if name not in NEEDS_LAYERS],
    ids=lambda value: value if isinstance(value, str) else value.__module__[:4],
)
WITH_STEP = [
    "forward_differences",
    "central_differences",
    "complex_step",
    "structured_differences",
    "random_directions",
]
WITH_ENTRIES = [
    "forward_differences",
    "central_differences",
    "complex_step",
    "forward_mode",
    "batched_forward_mode",
]
WITH_PROGRESS = [name for name in METHODS if name != "reverse_mode"]


def problem(net=ReluNet, sizes=(4, 3, 2), n=5, **options):
    """Return a network, and a mini-batch for it that nobody may write to."""
    rng = np.random.default_rng(0)
    network = net(*sizes, weight_init_std=0.7, rng=rng, **options)
    for key in ("b1", "b2"):
        network.params[key] += rng.normal(size=network.params[key].shape).astype(network.dtype)
    network.params["b1"][0] = -0.0  # which x + h − h wouldn't leave as it was
    x, t = rng.random((n, sizes[0])), rng.integers(0, sizes[2], n)
    x.setflags(write=False)
    t.setflags(write=False)
    return network, x, t


def counted(monkeypatch, owner, name):
    """Return a list that grows by one with each call of a method."""
    calls, original = [], getattr(owner, name)

    def counting(*arguments, **options):
        calls.append(1)
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, counting)
    return calls


def test_the_package_names_all_methods():
    assert sorted(gradient_methods.__all__) == sorted([*METHODS, "gradient_check"])
    for name in gradient_methods.__all__:
        assert callable(getattr(gradient_methods, name))
        assert f"`{name}`" in gradient_methods.__doc__


@NET_AND_METHOD
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_method_answers_in_the_keys_shapes_and_dtype_of_params(net, name, dtype):
    network, x, t = problem(net, dtype=dtype)
    grads = METHODS[name](network, x, t)
    assert list(grads) == KEYS
    for key, param in network.params.items():
        assert isinstance(grads[key], np.ndarray)
        assert grads[key].shape == param.shape
        assert grads[key].dtype == dtype
        assert np.isfinite(grads[key]).all()
        assert not np.shares_memory(grads[key], param)


# Number of passes


@NET_AND_METHOD
@pytest.mark.parametrize("sizes", [(4, 3, 2), (2, 7, 5), (1, 1, 1)])
def test_the_number_of_passes_is_that_of_the_table(monkeypatch, net, name, sizes):
    network, x, t = problem(net, sizes)
    objective = counted(monkeypatch, network, "objective")
    loss = counted(monkeypatch, network, "loss")
    METHODS[name](network, x, t)
    p = count(network.params)
    assert p == (sizes[0] + 1) * sizes[1] + (sizes[1] + 1) * sizes[2]
    of_objective = {
        "forward_differences": p + 1,
        "central_differences": 2 * p,
        "complex_step": p,
        "random_directions": 2 * 3,
    }
    assert len(objective) == of_objective.get(name, 0)
    # reverse mode on chapter 4's network borrows the layers of chapter 5, and not its loss
    beside = 0 if name == "reverse_mode" and net is SigmoidNet else 1
    assert len(loss) == of_objective.get(name, beside)


def test_forward_mode_pushes_a_tangent_for_each_weight(monkeypatch):
    network, x, t = problem()
    pushes = counted(monkeypatch, network.last_layer, "jvp")
    forward_mode(network, x, t)
    assert len(pushes) == count(network.params)


def test_batched_forward_mode_pushes_many_tangents_at_a_time(monkeypatch):
    network, x, t = problem()
    pushes = counted(monkeypatch, network.last_layer, "jvp")
    batched_forward_mode(network, x, t)
    assert len(pushes) == len(network.params)
    first = counted(monkeypatch, network.layers["Affine1"], "jvp")
    batched_forward_mode(network, x, t)
    assert first == []  # tangents start behind the layer of their weight


@pytest.mark.parametrize("net", [SigmoidNet, ReluNet], ids=["ch04", "ch05"])
@pytest.mark.parametrize("hidden", [1, 3, 30])
def test_the_price_of_reverse_mode_is_2_passes_whatever_the_number_of_weights(
    monkeypatch, net, hidden
):
    network, x, t = problem(net, (4, hidden, 2))
    there, back = (counted(monkeypatch, Affine, name) for name in ("forward", "backward"))
    reverse_mode(network, x, t)
    assert (len(there), len(back)) == (2, 2)  # one call for each of the two layers


def test_structured_differences_go_forward_once_whatever_the_number_of_weights(monkeypatch):
    for hidden in (1, 30):
        network, x, t = problem(sizes=(4, hidden, 2))
        predict = counted(monkeypatch, network, "predict")
        structured_differences(network, x, t)
        assert len(predict) == 1


# Some weights only


def as_bytes(arrays):
    return {key: array.tobytes() for key, array in arrays.items()}


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
    everything = METHODS[name](network, x, t)
    before, steps = as_bytes(network.params), []
    some = METHODS[name](network, x, t, entries=entries, progress=lambda n=1: steps.append(n))
    assert as_bytes(network.params) == before
    assert list(some) == KEYS
    assert sum(steps) == sum(map(len, entries.values()))
    for key, grad in some.items():
        asked = np.zeros(grad.size, bool)
        asked[list(entries.get(key, ()))] = True
        assert np.isnan(grad.ravel()[~asked]).all()
        np.testing.assert_allclose(
            grad.ravel()[asked], everything[key].ravel()[asked], rtol=1e-14, atol=1e-16
        )


@pytest.mark.parametrize("name", WITH_ENTRIES)
@pytest.mark.parametrize(
    "kind", [np.array, iter, set, tuple, lambda indices: np.array(indices, np.uint8)]
)
def test_entries_may_be_any_iterable_of_integers(name, kind):
    network, x, t = problem()
    grads = METHODS[name](network, x, t, entries={"W1": kind([11, 0, 7])})
    assert np.flatnonzero(~np.isnan(grads["W1"])).tolist() == [0, 7, 11]
    assert np.isnan(grads["b2"]).all()


@pytest.mark.parametrize("name", WITH_ENTRIES)
def test_passes_are_made_for_the_chosen_weights_only(monkeypatch, name):
    network, x, t = problem()
    if name in NEEDS_LAYERS:
        passes = counted(monkeypatch, network.last_layer, "jvp")
    else:
        passes = counted(monkeypatch, network, "objective")
    METHODS[name](network, x, t, entries={"W1": [3, 5], "b2": [0]})
    expected = {"forward_differences": 3 + 1, "central_differences": 6, "batched_forward_mode": 2}
    assert len(passes) == expected.get(name, 3)


@pytest.mark.parametrize("name", WITH_ENTRIES)
@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"W3": [0]}, r"entries names 'W3'.*W1, b1, W2, b2"),
        ({"W1": [12]}, "entries of W1 must lie between 0 and 11"),
        ({"W1": [0, -1]}, "entries of W1 must lie between 0 and 11"),
        ({"b2": [2]}, "entries of b2 must lie between 0 and 1"),
    ],
)
def test_weights_that_there_are_not_are_refused(name, entries, message):
    network, x, t = problem()
    before = as_bytes(network.params)
    with pytest.raises(ValueError, match=message):
        METHODS[name](network, x, t, entries=entries)
    assert as_bytes(network.params) == before


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name)
        if name in ("forward_differences", "central_differences", "forward_mode")
        else name
        for name in WITH_ENTRIES
    ],
)
def test_wrong_entries_are_refused_before_the_work_begins(name):
    network, x, t = problem()
    done = []
    with pytest.raises(ValueError, match="entries of b2"):
        METHODS[name](
            network, x, t, entries={"W1": [0], "b2": [99]}, progress=lambda n=1: done.append(n)
        )
    assert done == []


PARAMS = {"a": np.zeros((3, 4)), "b": np.zeros(2), "c": np.zeros((1, 6))}


def test_count_and_chosen():
    assert count(PARAMS) == 20
    assert [(key, list(indices)) for key, indices in chosen(PARAMS, {"c": [5, 0]})] == [
        ("a", []),
        ("b", []),
        ("c", [5, 0]),
    ]
    assert {key: list(indices) for key, indices in chosen(PARAMS, None)} == {
        "a": list(range(12)),
        "b": [0, 1],
        "c": list(range(6)),
    }


def test_the_unknown_gradient_is_nan_in_the_dtype_of_its_parameters():
    grads = unknown_gradient({"a": np.zeros((2, 3), np.float32), "b": np.zeros(())})
    assert grads["a"].dtype == np.float32
    assert [grad.shape for grad in grads.values()] == [(2, 3), ()]
    assert all(np.isnan(grad).all() for grad in grads.values())


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


def test_random_entries_serve_a_method():
    network, x, t = problem()
    entries = random_entries(network.params, 6, np.random.default_rng(1))
    grads, expected = complex_step(network, x, t, entries=entries), network.gradient(x, t)
    known = {key: ~np.isnan(grad) for key, grad in grads.items()}
    assert sum(np.count_nonzero(k) for k in known.values()) == 6
    for key, k in known.items():
        np.testing.assert_allclose(grads[key][k], expected[key][k], rtol=1e-12)


# Progress


@pytest.mark.parametrize("name", WITH_PROGRESS)
@pytest.mark.parametrize("sizes", [(4, 3, 2), (2, 6, 5)])
def test_progress_counts_every_weight(name, sizes):
    network, x, t = problem(sizes=sizes)
    steps = []
    METHODS[name](network, x, t, progress=lambda *n: steps.append(n))
    if name in ("structured_differences", "batched_forward_mode"):
        assert sum(n for (n,) in steps) == count(network.params)
        assert min(n for (n,) in steps) > 0
    else:
        assert steps == [()] * (3 if name == "random_directions" else count(network.params))


@pytest.mark.parametrize("size", [1, 20])
def test_progress_of_structured_differences_by_blocks_counts_no_weight_twice(monkeypatch, size):
    monkeypatch.setattr(gradient_methods.structured, "BLOCK_SIZE", size)
    network, x, t = problem()
    steps = []
    structured_differences(network, x, t, progress=steps.append)
    assert sum(steps) == count(network.params)


# Parameters are left as they were


def assert_untouched(network, arrays, before):
    assert list(network.params) == list(arrays)
    for key, array in arrays.items():
        assert network.params[key] is array
        assert array.tobytes() == before[key]
        assert array.dtype == network.dtype


def assert_layers_hold_params(network):
    number = 0
    for layer in network.layers.values():
        if isinstance(layer, Affine):
            number += 1
            assert layer.W is network.params[f"W{number}"]
            assert layer.b is network.params[f"b{number}"]
            assert layer.x is None or layer.x.dtype == network.dtype


@NET_AND_METHOD
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parameters_are_left_bit_for_bit_as_they_were(net, name, dtype):
    network, x, t = problem(net, dtype=dtype)
    params, arrays, before = network.params, dict(network.params), as_bytes(network.params)
    METHODS[name](network, x, t)
    assert network.params is params
    assert_untouched(network, arrays, before)
    if net is ReluNet:
        assert_layers_hold_params(network)


@pytest.mark.parametrize("name", ["complex_step", "central_differences", "random_directions"])
@pytest.mark.parametrize(
    "new",
    [
        lambda: MultiLayerNetExtend(36, [3], 3, use_batchnorm=True, use_dropout=True),
        lambda: SimpleConvNet(
            (1, 6, 6), {"filter_num": 2, "filter_size": 3, "pad": 0, "stride": 1}, 3, 3
        ),
    ],
    ids=["extended", "convolutional"],
)
def test_layers_of_all_kinds_hold_the_real_parameters_again(name, new):
    network = new()
    rng = np.random.default_rng(0)
    x, t = rng.random((4, 36)), rng.integers(0, 3, 4)
    arrays, before = dict(network.params), as_bytes(network.state())
    options = {"entries": {"W1": [0]}} if name != "random_directions" else {}
    METHODS[name](network, x, t, **options)
    assert_untouched(network, arrays, before)
    assert as_bytes(network.state()) == before  # with the running averages
    held = {
        id(getattr(layer, attribute))
        for layer in network.layers.values()
        for attribute in ("W", "b", "gamma", "beta")
        if hasattr(layer, attribute)
    }
    assert held == {id(array) for array in arrays.values()}


def calls_of(net, name, where):
    """Return how many calls a method makes of a network's method, or of progress."""
    network, x, t = problem(net)
    with pytest.MonkeyPatch.context() as patch:
        if where == "progress":
            if name == "reverse_mode":
                return 0
            calls = []
            METHODS[name](network, x, t, progress=lambda *_: calls.append(1))
        else:
            calls = counted(patch, network, where)
            METHODS[name](network, x, t)
    return len(calls)


class Interruption:
    """A function whose `at`-th call is struck by Ctrl-C, before or after its work."""

    def __init__(self, function, at, late):
        self.function, self.at, self.late, self.calls = function, at, late, 0

    def __call__(self, *arguments, **options):
        self.calls += 1
        if self.calls == self.at and not self.late:
            raise KeyboardInterrupt
        result = self.function(*arguments, **options)
        if self.calls == self.at:
            raise KeyboardInterrupt
        return result


@NET_AND_METHOD
@pytest.mark.parametrize("where", ["objective", "loss", "predict", "progress"])
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_parameters_are_restored_when_ctrl_c_strikes(net, name, where, late):
    total = calls_of(net, name, where)
    for at in sorted({1, 2, 3, total // 2, total - 1, total} & set(range(1, total + 1))):
        network, x, t = problem(net)
        params, arrays, before = network.params, dict(network.params), as_bytes(network.params)
        options = {}
        if where == "progress":
            options["progress"] = Interruption(lambda *_: None, at, late)
        else:
            setattr(network, where, Interruption(getattr(network, where), at, late))
        with pytest.raises(KeyboardInterrupt):
            METHODS[name](network, x, t, **options)
        assert network.params is params
        assert_untouched(network, arrays, before)
        # (complex_step ends with a predict for the layers: if that is struck, they are behind)
        if net is ReluNet and not (where == "predict" and at == total):
            assert_layers_hold_params(network)
        for method in ("objective", "loss", "predict"):
            vars(network).pop(method, None)
        fresh, *_ = problem(net)
        assert as_bytes(network.gradient(x, t)) == as_bytes(fresh.gradient(x, t))


@pytest.mark.parametrize(
    "name",
    [
        *("forward_differences", "central_differences", "forward_mode", "structured_differences"),
        "complex_step",
    ],
)
def test_an_error_of_the_network_is_passed_on_and_parameters_are_restored(name):
    network, x, t = problem()
    arrays, before = dict(network.params), as_bytes(network.params)
    network.params["W1"][0, 0] = np.nan
    before["W1"] = network.params["W1"].tobytes()
    with pytest.raises(NonFiniteError, match="W1 holds NaN"):
        METHODS[name](network, x, t)
    assert_untouched(network, arrays, before)


def test_the_complex_step_leaves_no_complex_number_in_the_layers():
    network, x, t = problem()
    network.loss(x, t)
    complex_step(network, x, t)
    assert network.last_layer.y.dtype == np.float64
    assert not isinstance(network.last_layer.loss, complex)


# Errors


@pytest.mark.parametrize("name", WITH_STEP)
@pytest.mark.parametrize("h", [0, -1e-4, np.nan, np.inf, -np.inf, np.float64(0)])
def test_a_step_that_is_no_number_above_0_is_refused(name, h):
    with pytest.raises(ValueError, match=f"step h must be a number above 0, got {h}"):
        METHODS[name](*problem(), h)


def test_central_differences_refuse_a_step_of_none_or_take_the_best_of_their_order():
    network, x, t = problem(SigmoidNet)
    try:
        grads = central_differences(network, x, t, None)
    except (TypeError, ValueError):
        return
    for key, expected in network.gradient(x, t).items():
        np.testing.assert_allclose(grads[key], expected, rtol=0, atol=3e-10)


BAD_X = {
    "one example": (np.zeros(4), ValueError, r"x must be a batch of shape \(N, 4\)"),
    "wrong width": (np.zeros((5, 3)), ValueError, r"x must be a batch of shape \(N, 4\)"),
    "empty": (np.zeros((0, 4)), ValueError, "batch is empty"),
    "complex": (np.zeros((5, 4), complex), TypeError, "x must hold real numbers"),
    "text": (np.full((5, 4), "a"), TypeError, "x must hold real numbers"),
    "nan": (np.full((5, 4), np.nan), NonFiniteError, "x holds 20 NaN"),
}
BAD_T = {
    "too few": (np.zeros(4, int), ValueError, "one label for each of the 5 rows, got 4"),
    "too large": (np.full(5, 2), ValueError, "between 0 and 1, got 2"),
    "negative": (np.full(5, -1), ValueError, "between 0 and 1, got -1"),
    "floats": (np.zeros(5), TypeError, "must be integers"),
    "classes": (np.eye(3)[[0, 1, 2, 0, 1]], ValueError, r"got \(5, 3\)"),
    "no distribution": (np.ones((5, 2)), ValueError, "sum to 1"),
    "scalar": (np.array(1), ValueError, r"labels of shape \(5,\)"),
}


@NET_AND_METHOD
@pytest.mark.parametrize("bad", BAD_X)
def test_a_batch_that_does_not_fit_is_refused(net, name, bad):
    network, _, t = problem(net)
    x, error, message = BAD_X[bad]
    before = as_bytes(network.params)
    with pytest.raises(error, match=message):
        METHODS[name](network, x, t[: len(x)])
    assert as_bytes(network.params) == before


@NET_AND_METHOD
@pytest.mark.parametrize("bad", BAD_T)
def test_labels_that_do_not_fit_are_refused(net, name, bad):
    network, x, _ = problem(net)
    t, error, message = BAD_T[bad]
    arrays, before = dict(network.params), as_bytes(network.params)
    with pytest.raises(error, match=message):
        METHODS[name](network, x, t)
    assert_untouched(network, arrays, before)


def conv_net():
    return SimpleConvNet((1, 6, 6), {"filter_num": 2, "filter_size": 3, "pad": 0, "stride": 1})


@pytest.mark.parametrize(
    ("new", "came"),
    [
        (lambda: MultiLayerNet(36, [3], 10), "MultiLayerNet"),
        (lambda: MultiLayerNet(36, [3, 3], 10), "MultiLayerNet"),
        (conv_net, "SimpleConvNet"),
    ],
)
def test_structured_differences_need_a_two_layer_network(new, came):
    with pytest.raises(TypeError, match=f"need a two-layer network.*got a {came} with .* W1"):
        structured_differences(new(), np.ones((2, 36)), np.array([0, 1]))


@pytest.mark.parametrize("method", [forward_mode, batched_forward_mode])
def test_forward_mode_needs_a_network_made_of_layers(method):
    with pytest.raises(TypeError, match=r"layers and last_layer; got a ch04.*TwoLayerNet"):
        method(*problem(SigmoidNet))


@pytest.mark.parametrize("method", [forward_mode, batched_forward_mode])
@pytest.mark.parametrize(
    ("new", "layer"),
    [
        (conv_net, "Convolution"),
        (lambda: MultiLayerNetExtend(36, [3], 10, use_batchnorm=True), "BatchNormalization"),
        (lambda: MultiLayerNetExtend(36, [3], 10, use_dropout=True), "Dropout"),
    ],
)
def test_forward_mode_names_a_layer_that_has_no_jvp(method, new, layer):
    with pytest.raises(TypeError, match=f"layer {layer} has no jvp"):
        method(new(), np.ones((2, 36)), np.array([0, 1]))
