"""What every network promises, those of both chapters included."""

import copy
import pickle

import numpy as np
import pytest

from common.functions import softmax
from common.gradient import best_step, numerical_gradient
from common.gradient_methods import gradient_check
from common.optimizer import SGD, Adam, Momentum
from common.support.random_state import random_state, set_random_state
from tests.common.networks.examples import (
    CLASSES,
    NETWORKS,
    NORMALIZED,
    OF_CHAPTERS,
    RANDOM,
    batch,
    build,
    state_of,
)
from tests.helpers import FLOATS, as_bytes, assert_close, frozen

DECAY = {"weight decay": 0.1, "everything": 0.1}
EACH = pytest.mark.parametrize("kind", NETWORKS)
OF_LAYERS = pytest.mark.parametrize("kind", [k for k in NETWORKS if k not in OF_CHAPTERS])


@EACH
@FLOATS
@pytest.mark.parametrize("given", [np.float64, np.float32, np.float16, np.uint8, bool])
def test_the_dtype_is_that_of_the_network_whatever_is_given(kind, dtype, given):
    network = build(kind, dtype=dtype)
    x, t = batch(network)
    x = frozen((3 * x).clip(0), given)
    for labels in (t, frozen(np.eye(CLASSES)[t]), frozen(np.eye(CLASSES)[t], np.uint8)):
        loss, grads = network.loss_and_gradient(x, labels)
        assert np.ndim(loss) == 0
        assert {key: (g.shape, g.dtype) for key, g in grads.items()} == {
            key: (p.shape, np.dtype(dtype)) for key, p in network.params.items()
        }
        for value in (network.loss(x, labels), network.objective(x, labels)):
            assert value.dtype == dtype
        assert network.accuracy(x, labels) in np.arange(6) / 5
    y = network.predict(x)
    assert (y.shape, y.dtype) == ((5, CLASSES), np.dtype(dtype))
    for optimizer in (Momentum(0.01), Adam(0.01)):
        optimizer.update(network.params, network.gradient(x, t))
    assert {array.dtype for array in network.state().values()} == {np.dtype(dtype)}


@EACH
def test_the_loss_is_the_cross_entropy_of_the_scores_and_the_weight_decay(kind):
    network = build(kind)
    x, t = batch(network)
    y = network.predict(x)
    y = y if kind == "chapter 4" else softmax(y)
    assert_close(y.sum(axis=1), np.ones(5))
    squares = sum((network.params[key] ** 2).sum() for key in network.params if key[0] == "W")
    expected = -np.log(y[np.arange(5), t]).mean() + DECAY.get(kind, 0) / 2 * squares
    assert network.loss(x, t) == pytest.approx(expected, rel=1e-13)


@EACH
def test_gradients_pass_the_check(kind):
    network = build(kind)
    x, t = batch(network)
    report = gradient_check(network, x, t, max_entries=60, rng=np.random.default_rng(0))
    assert report.passed, str(report)
    assert {p.name for p in report.parameters} == set(network.params)


@EACH
@pytest.mark.parametrize("with_rng", [True, False])
def test_the_numerical_gradient_agrees(kind, with_rng):
    """It comes first, then backpropagation: both must see the same dropout."""
    network = build(kind, seed=3, with_rng=with_rng)
    x, t = batch(network, seed=5)
    numerical, backprop = network.numerical_gradient(x, t), network.gradient(x, t)
    assert_close(numerical, backprop, 1e-6, scale=max(np.abs(g).max() for g in backprop.values()))
    again = network.gradient(x, t)
    assert (as_bytes(again) == as_bytes(backprop)) == (kind not in RANDOM)


@EACH
def test_the_numerical_gradient_takes_the_step_it_is_given(kind):
    network = build(kind)
    last = list(network.params)[-1]
    x, t = batch(network)
    for h in (0.5, 2.0**-10):
        b = network.params[last]
        losses = []
        for step in (h, -h):
            network.params[last] = b + step * np.eye(len(b))[1]
            losses.append(network.objective(x, t))
        network.params[last] = b
        expected = (losses[0] - losses[1]) / (2 * h)
        grads = network.numerical_gradient(x, t, h)
        assert grads[last][1] == pytest.approx(expected, rel=1e-9, abs=1e-14 / h)


@EACH
def test_float32_agrees_with_float64(kind):
    single, double = build(kind, dtype=np.float32), build(kind)
    x, t = batch(single)
    assert_close(single.predict(x), double.predict(x), 1e-5)
    h = best_step(2, np.float32)
    numerical = single.numerical_gradient(x, t, h)
    assert {g.dtype for g in numerical.values()} == {np.dtype(np.float32)}
    (loss, grads), (expected, exact) = (n.loss_and_gradient(x, t) for n in (single, double))
    assert loss == pytest.approx(expected, rel=1e-5)
    scale = max(np.abs(g).max() for g in exact.values())
    assert_close(grads, exact, 1e-4, scale)
    if kind == "chapter 4":  # elsewhere such a large step may cross a kink
        assert_close(numerical, exact, 2e-2)


@EACH
def test_labels_may_be_numbers_a_column_one_hot_or_a_list(kind):
    x, t = batch(build(kind))
    (expected, grads), loss = build(kind).loss_and_gradient(x, t), build(kind).loss(x, t)
    accuracy = build(kind).accuracy(x, t)
    one_hot = np.eye(CLASSES)[t]
    dtypes = (np.float64, np.float32, np.float16, int, bool)
    several = [t[:, np.newaxis], t.astype(np.uint8), t.tolist(), one_hot.tolist()]
    for labels in several + [one_hot.astype(dtype) for dtype in dtypes]:
        actual, actual_grads = build(kind).loss_and_gradient(x, labels)
        assert actual == pytest.approx(expected, rel=1e-14)
        assert_close(actual_grads, grads)
        assert build(kind).loss(x, labels) == pytest.approx(loss, rel=1e-14)
        assert build(kind).accuracy(x, labels) == accuracy


@EACH
def test_examples_may_have_any_shape_and_be_a_list(kind):
    x, t = batch(build(kind))
    loss, grads = build(kind).loss_and_gradient(x, t)
    rows = x.reshape(5, -1)
    for given in (x.tolist(), rows, rows.reshape(5, 1, 2, -1), np.asfortranarray(rows)):
        assert np.array_equal(build(kind).predict(given), build(kind).predict(x))
        assert build(kind).accuracy(given, t) == build(kind).accuracy(x, t)
        actual, actual_grads = build(kind).loss_and_gradient(given, t)
        assert actual == loss
        assert as_bytes(actual_grads) == as_bytes(grads)
    numerical = build(kind).numerical_gradient(rows, t)
    assert as_bytes(numerical) == as_bytes(build(kind).numerical_gradient(x, t))


@EACH
@FLOATS
def test_loss_and_gradient_are_those_of_training(kind, dtype):
    one, other, third, fourth = (build(kind, dtype=dtype) for _ in range(4))
    x, t = batch(one)
    loss, grads = one.loss_and_gradient(x, t)
    # These two compute the loss alone in another way, so that its last digits may differ.
    digits = 8 * float(np.finfo(dtype).eps) if kind in ("chapter 4", "symbolic") else 0
    assert loss == pytest.approx(other.objective(x, t), rel=digits, abs=0)
    assert as_bytes(third.gradient(x, t)) == as_bytes(grads)
    if kind not in OF_CHAPTERS:
        assert fourth.loss(x, t, train_flg=True) == loss
        assert state_of(one) == state_of(third) == state_of(fourth)


@EACH
def test_the_objective_is_the_same_at_every_call_and_the_loss_in_training_is_not(kind):
    network = build(kind)
    x, t = batch(network)
    objective = {network.objective(x, t) for _ in range(5)}
    assert len(objective) == 1
    with network.unchanged():
        for _ in range(3):
            network.gradient(x, t)
            with network.unchanged():
                network.gradient(x, t)
            assert network.objective(x, t) in objective
    if kind not in OF_CHAPTERS:
        losses = {network.loss(x, t, train_flg=True) for _ in range(5)}
        assert (len(losses) > 1) == (kind in RANDOM)
        assert network.objective(x, t) == network.loss(x, t, train_flg=True)


@EACH
def test_a_gradient_belongs_to_the_caller(kind):
    network = build(kind)
    (x, t), (other_x, other_t) = batch(network), batch(network, seed=9)
    grads = network.gradient(x, t)
    before = as_bytes(grads)
    other = network.gradient(other_x, other_t)
    network.loss(other_x, other_t)
    assert as_bytes(grads) == before
    for key in grads:
        assert not any(np.shares_memory(grads[key], a) for a in (other[key], network.params[key]))
    network = build(kind)
    network.predict(other_x)[:] = 7
    network.accuracy(other_x, other_t)
    with network.unchanged():
        for g in network.gradient(x, t).values():
            g[:] = 7
    assert as_bytes(network.gradient(x, t)) == before


@EACH
@pytest.mark.parametrize("with_rng", [True, False])
def test_looking_leaves_everything_as_it_was(kind, with_rng):
    network = build(kind, with_rng=with_rng)
    x, t = batch(network, n=3)
    network.gradient(x, t)  # so that running averages aren't those of the beginning
    network.params["W1"].flat[:4] = [-0.0, 5e-324, -1e-310, 1 / 3]
    before, arrays = state_of(network), dict(network.params)
    network.objective(x, t)
    network.numerical_gradient(x, t)
    gradient_check(network, x, t, max_entries=5, rng=np.random.default_rng(0))
    network.loss(x, t)
    network.predict(x)
    network.accuracy(x, t)
    with network.unchanged():
        network.gradient(x, t)
        with network.unchanged():
            network.gradient(x, t)
    assert state_of(network) == before
    assert all(network.params[key] is array for key, array in arrays.items())


@OF_LAYERS
def test_only_passes_in_training_move_running_averages(kind):
    network = build(kind)
    x, t = batch(network)
    seen = [as_bytes(network.buffers)]
    assert bool(seen[0]) == (kind in NORMALIZED)
    for train in (
        lambda: network.predict(x, True),
        lambda: network.loss(x, t, train_flg=True),
        lambda: network.gradient(x, t),
        lambda: network.loss_and_gradient(x, t),
    ):
        train()
        assert all(as_bytes(network.buffers)[key] != seen[-1][key] for key in seen[0])
        seen.append(as_bytes(network.buffers))


@EACH
def test_the_numerical_gradient_takes_two_losses_per_parameter(kind):
    network = build(kind)
    loss, calls = network.loss, []
    network.loss = lambda *args, **options: calls.append(1) or loss(*args, **options)
    network.numerical_gradient(*batch(network))
    assert len(calls) == 2 * sum(param.size for param in network.params.values())


def test_a_progress_bar_may_be_asked_for_where_there_is_no_terminal(capsys):
    network = build("chapter 5")
    network.numerical_gradient(*batch(network), progress=True)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@OF_LAYERS
def test_the_gradient_with_respect_to_the_input_is_that_of_weighted_scores(kind):
    network = build(kind)
    x, t = batch(network)
    network.gradient(x, t)
    before, dout = state_of(network), np.random.default_rng(2).normal(size=(len(x), CLASSES))
    numerical = numerical_gradient(lambda x: np.sum(network.predict(x) * dout), x.copy(), h=1e-6)
    assert_close(network.input_gradient(x, dout), numerical, 1e-5)
    assert state_of(network) == before
    first = next(iter(network.layers.values()))
    assert first.input_gradient is False  # training doesn't need it, and it takes time
    network.gradient(x, t)
    assert first.backward(np.ones(first.out_shape)) is None
    others = [layer for layer in network.layers.values() if layer is not first]
    assert all(layer.input_gradient for layer in others)
    rows = x.reshape(5, -1).astype(np.float32)
    single = build(kind, dtype=np.float32).input_gradient(rows, np.eye(5, CLASSES))
    assert (single.shape, single.dtype) == (rows.shape, np.float32)


@EACH
@FLOATS
def test_accuracy_does_not_depend_on_the_batch_size(kind, dtype):
    network = build(kind, dtype=dtype)
    x, t = batch(network, n=53)
    network.gradient(x, t)
    expected = np.mean(network.predict(x).argmax(axis=1) == t)
    assert 0 < expected < 1
    assert network.evaluation_batch == (100 if "Conv1" in network.layers else 1000)
    for size in (None, 1, 7, 52, 53, 54, 1000):
        assert network.accuracy(x, t, size) == expected
        assert network.accuracy(x, np.eye(CLASSES)[t], size) == expected


@EACH
def test_an_example_alone_gets_the_prediction_it_gets_in_a_batch(kind):
    network = build(kind)
    x, t = batch(network)
    alone = np.concatenate([network.predict(x[n : n + 1]) for n in range(5)])
    assert_close(alone, network.predict(x))
    assert network.accuracy(x[:1], t[:1]) in (0, 1)
    if kind not in NORMALIZED:  # which needs more than one value per feature
        numerical, backprop = (
            f(x[:1], t[:1]) for f in (network.numerical_gradient, network.gradient)
        )
        assert_close(numerical, backprop, 1e-6, scale=1)


# Random numbers, copies, optimizers and files


@EACH
def test_the_seed_decides(kind):
    def run(seed, with_rng):
        np.random.seed(seed)
        network = NETWORKS[kind](rng=np.random.default_rng(seed) if with_rng else None)
        return as_bytes(network.params), as_bytes(network.gradient(*batch(network)))

    for with_rng in (True, False):
        first, same, other = (run(seed, with_rng) for seed in (0, 0, 1))
        assert first == same
        assert first[0]["W1"] != other[0]["W1"]
    before = repr(random_state(None))
    double, single = (
        NETWORKS[kind](rng=np.random.default_rng(0), dtype=dtype) for dtype in (float, np.float32)
    )
    double.gradient(*batch(double))
    assert repr(random_state(None)) == before
    for key, param in double.params.items():
        assert np.array_equal(single.params[key], param.astype(np.float32))


@EACH
@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))])
def test_a_copy_has_a_life_of_its_own(kind, make_copy):
    network = build(kind)
    x, t = batch(network)
    network.gradient(x, t)
    twin = make_copy(network)
    before = state_of(network)
    assert state_of(twin) == before
    SGD(0.1).update(twin.params, twin.gradient(x, t))
    assert as_bytes(twin.params) != before[0]
    assert as_bytes(network.state()) == before[0]
    twin.set_state(network.state())
    twin.params["b1"] = network.params["b1"] = np.ones_like(network.params["b1"])
    set_random_state(twin.rng, random_state(network.rng))
    with network.unchanged():
        expected = as_bytes(network.gradient(x, t))
    assert as_bytes(twin.gradient(x, t)) == expected


@EACH
@pytest.mark.parametrize("optimizer", [SGD, Momentum, Adam])
def test_an_optimizer_changes_the_network_in_place(kind, optimizer):
    network, instance, losses = build(kind), optimizer(0.02), []
    x, t = batch(network)
    arrays, before = dict(network.params), as_bytes(network.params)
    for _ in range(30):
        loss, grads = network.loss_and_gradient(x, t)
        instance.update(network.params, grads)
        losses.append(loss)
    assert all(network.params[key] is array for key, array in arrays.items())
    same = {key for key, array in as_bytes(network.params).items() if array == before[key]}
    # A bias before a batch normalization has no influence, and so a gradient of 0.
    assert same <= ({"b1", "b2"} if kind in NORMALIZED else set())
    assert np.mean(losses[-10:]) < np.mean(losses[:10])


@EACH
@FLOATS
def test_parameters_and_running_averages_come_back_bit_for_bit(tmp_path, kind, dtype):
    saved, loaded = build(kind, 0, dtype), build(kind, 1, dtype)
    x, t = batch(saved)
    SGD(0.1).update(saved.params, saved.gradient(x, t))
    arrays = dict(loaded.params)
    saved.save_params(tmp_path / "params.npz")
    loaded.load_params(tmp_path / "params.npz")
    assert as_bytes(loaded.state()) == as_bytes(saved.state())
    assert all(loaded.params[key] is array for key, array in arrays.items())
    assert np.array_equal(loaded.predict(x), saved.predict(x))
    assert loaded.loss(x, t) == saved.loss(x, t)
    with np.load(tmp_path / "params.npz", allow_pickle=False) as file:
        assert set(file.files) == {*saved.params, *saved.buffers}
    before = as_bytes(saved.state())
    loaded.set_state(saved.state())
    for array in loaded.state().values():
        array += 7
    assert as_bytes(saved.state()) == before
