"""Data-parallel gradients are the network's own, in parts; all else is the network's, too."""

import copy
import gc
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from common.layers import Affine, Layer
from common.multi_layer_net import MultiLayerNet
from common.support.errors import DivergenceWarning, NonFiniteError
from common.support.threads import available_cores, limit_threads
from common.trainer import Trainer
from common.training import DataParallel
from tests.common.networks.examples import (
    CLASSES,
    NETWORKS,
    NORMALIZED,
    RANDOM,
    batch,
    build,
    state_of,
)
from tests.common.support.test_threads import blas_threads, needs_a_limit
from tests.helpers import FLOATS, as_bytes, assert_close, frozen, slope

WHOLE = sorted(NETWORKS.keys() - {*RANDOM, *NORMALIZED})  # whose result is the same in parts
SPLIT = sorted({*RANDOM, *NORMALIZED})


class Spy(Layer):
    """Hands on what it gets, and calls the function `look` with x, in whatever thread it is."""

    def __init__(self, look):
        self.look = look

    def __deepcopy__(self, memo):
        return Spy(self.look)

    def forward(self, x):
        self.look(x)
        return x

    def backward(self, dout):
        return dout


def with_spy(look, kind="everything"):
    network = build(kind)
    network.add(Spy(look), "Spy")
    return network


@pytest.fixture
def parallel():
    """DataParallel, closed at the end of the test."""
    made = []

    def make(*args, **kwargs):
        made.append(DataParallel(*args, **kwargs))
        return made[-1]

    yield make
    for each in made:
        each.close()


def results(network, x, t):
    loss, grads = network.loss_and_gradient(x, t)
    return {
        "loss": loss,
        **grads,
        "gradient": np.concatenate([g.ravel() for g in network.gradient(x, t).values()]),
        "objective": network.objective(x, t),
        "predict": network.predict(x),
        "accuracy": network.accuracy(x, t),
        "accuracy by 3": network.accuracy(x, t, 3),
    }


# The same as the network


@FLOATS
@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_are_those_of_the_network(parallel, kind, dtype, workers):
    network = build(kind, dtype=dtype)
    tolerance = 1e-13 if dtype == np.float64 else 1e-5
    in_parts = parallel(network, workers)
    for n in range(1, 10):
        x, t = batch(network, n, seed=n)
        for labels in (t, np.eye(CLASSES)[t]):
            actual, expected = results(in_parts, x, labels), results(network, x, labels)
            assert_close(actual, expected, tolerance, scale=0.01)
            for key, param in network.params.items():
                assert actual[key].dtype == param.dtype


@pytest.mark.parametrize("workers", [2, 3, 8])
@pytest.mark.parametrize("n", [2, 3, 4, 7, 9, 16])
def test_each_worker_gets_its_part(parallel, workers, n):
    seen = []
    network = with_spy(lambda x: seen.append((len(x), x[0, 0], threading.get_ident())))
    x, t = batch(network, n)
    parallel(network, workers).gradient(x, t)
    parts = max(1, min(workers, n // 2))
    sizes = [size for size, _, _ in seen]
    assert sorted(sizes) == sorted(n * (i + 1) // parts - n * i // parts for i in range(parts))
    assert min(sizes) >= 2
    threads = {thread for _, _, thread in seen}
    assert (threading.get_ident() in threads) == (parts == 1)


def test_the_workers_run_at_the_same_time(parallel):
    meeting = threading.Barrier(3)
    network = with_spy(lambda x: meeting.wait(timeout=600), "weight decay")
    in_parts = parallel(network, 3)
    x, t = batch(network, 6)
    in_parts.gradient(x, t)
    in_parts.objective(x, t)
    assert in_parts.predict(x).shape == (6, CLASSES)
    in_parts.accuracy(x, t)


@needs_a_limit
def test_each_worker_uses_one_thread(parallel):
    seen = []
    network = with_spy(lambda x: seen.extend(blas_threads()))
    x, t = batch(network)
    with limit_threads(3):
        parallel(network, 2).gradient(x, t)
        assert set(seen) == {1}
        assert set(blas_threads()) == {3}


def test_by_default_there_is_a_worker_for_each_core():
    network = build("chapter 5")
    assert DataParallel(network).workers == available_cores()


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((SimpleNamespace(params={}),), TypeError, "network must be a Network, got namespace"),
        ((MultiLayerNet,), TypeError, "network must be a Network, got <class"),
        ((build("chapter 5"), 0), ValueError, "workers must be a positive integer, got 0"),
        ((build("chapter 5"), 1.0), ValueError, "workers must be a positive integer, got 1.0"),
    ],
)
def test_bad_arguments(args, error, message):
    with pytest.raises(error, match=message):
        DataParallel(*args)


def test_everything_else_is_the_networks(parallel, tmp_path):
    network = build("everything")
    in_parts = parallel(network, 2)
    x, t = batch(network)
    for name in ("params", "layers", "last_layer", "rng", "dtype", "input_size"):
        assert getattr(in_parts, name) is getattr(network, name)
    assert in_parts.loss(x, t) == network.loss(x, t)
    np.random.seed(0)
    expected = copy.deepcopy(network).predict(x, True)
    np.testing.assert_array_equal(in_parts.predict(x, train_flg=True), expected)
    in_parts.save_params(tmp_path / "params.npz")
    before = as_bytes(network.state())
    for param in network.params.values():
        param += 1
    in_parts.load_params(tmp_path / "params.npz")
    assert as_bytes(in_parts.state()) == before
    in_parts.evaluation_batch = 2
    assert network.evaluation_batch == 2
    in_parts.params = {key: param + 1 for key, param in network.params.items()}
    assert in_parts.params is network.params
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = in_parts.colour


# What is replaced or changed later on


CHANGES = {
    "parameter": lambda network: network.params.update(W1=network.params["W1"] + 0.3),
    "in place": lambda network: np.add(network.params["W1"], 0.3, out=network.params["W1"]),
    "layer": lambda network: network.layers.update(
        Affine2=Affine(*(np.full(shape, 0.3) for shape in ((5, 4), 4)))
    ),
    "number": lambda network: setattr(network, "weight_decay_lambda", 0.5),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_replaced_is_seen_by_the_next_call(parallel, change):
    network = MultiLayerNet(6, [5, 4], CLASSES, weight_decay_lambda=0.1)
    in_parts = parallel(network, 2)
    x, t = batch(network, 6)
    before = results(in_parts, x, t)
    CHANGES[change](network)
    after = results(in_parts, x, t)
    assert_close(after, results(network, x, t), 1e-13, scale=0.01)
    assert any(np.abs(after[key] - before[key]).max() > 1e-3 for key in before if key in "W1 W2 b2")


# Dropout and batch normalization


@pytest.mark.parametrize("kind", SPLIT)
@pytest.mark.parametrize("with_rng", [True, False])
def test_results_are_repeatable(parallel, kind, with_rng):
    runs = []
    for _ in range(2):
        network = build(kind, with_rng=with_rng)  # sets NumPy's global seed, too
        in_parts = parallel(network, 3)
        x, t = batch(network, 9)
        runs.append([as_bytes(in_parts.gradient(x, t)) for _ in range(3)])
        runs[-1].append(state_of(network))
    assert runs[0] == runs[1]
    if kind in RANDOM:
        assert runs[0][0] != runs[0][1] != runs[0][2]


@pytest.mark.parametrize("kind", SPLIT)
def test_gradients_are_those_of_the_objective(parallel, kind):
    in_parts = parallel(build(kind), 2)
    x, t = batch(in_parts, 6)
    rng = np.random.default_rng(2)
    directions = {key: rng.normal(size=p.shape) for key, p in in_parts.params.items()}
    start = {key: param.copy() for key, param in in_parts.params.items()}

    def objective(h):
        for key, param in in_parts.params.items():
            param[...] = start[key] + h * directions[key]
        return in_parts.objective(x, t)

    with in_parts.unchanged():
        grads = in_parts.gradient(x, t)
        expected = sum(np.sum(grads[key] * directions[key]) for key in grads)
        assert slope(objective, 1e-5) == pytest.approx(expected, rel=1e-6)


def test_the_numerical_gradient_is_that_of_the_parts(parallel):
    in_parts = parallel(build("batch norm"), 2)
    x, t = batch(in_parts, 6)
    assert_close(in_parts.numerical_gradient(x, t), in_parts.gradient(x, t), 1e-6, scale=0.01)


def test_each_worker_draws_masks_of_its_own(parallel):
    network, seen = build("dropout"), []
    network.add(Spy(lambda x: seen.append(x.copy())), "Spy")
    x, t = batch(network, 8)
    x = np.concatenate([x[:4]] * 2)  # the same examples for both
    parallel(network, 2).gradient(x, t)
    assert not np.array_equal(*seen)


def test_with_one_worker_the_random_numbers_are_the_networks(parallel):
    results = []
    for wrap in (lambda network: network, lambda network: parallel(network, 1)):
        network = wrap(build("everything"))
        results.append(as_bytes(network.gradient(*batch(network, 8))))
    assert results[0] == results[1]


def test_without_random_layers_no_random_numbers_are_drawn(parallel):
    network = build("batch norm")
    in_parts = parallel(network, 2)
    before = state_of(network)[1:]
    in_parts.gradient(*batch(network))
    assert state_of(network)[1:] == before


class BooksDropout:
    """Draws from NumPy's global random numbers, and has no attribute rng."""

    def forward(self, x, train_flg=True):
        self.mask = np.random.rand(*x.shape) > 0.5 if train_flg else 0.5
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


def test_a_layer_that_draws_global_random_numbers_is_left_to_the_network(parallel):
    grads = []
    for wrap in (lambda network: network, lambda network: parallel(network, 2)):
        network = MultiLayerNet(6, [5], CLASSES, rng=np.random.default_rng(0))
        network.add(BooksDropout(), "Dropout")
        np.random.seed(1)
        grads.append(as_bytes(wrap(network).gradient(*batch(network, 8))))
    assert grads[0] == grads[1]


@pytest.mark.parametrize("kind", NORMALIZED)
def test_running_averages_are_the_mean_of_the_parts(parallel, kind):
    network = build(kind)
    x, t = batch(network, 7)
    alone = []
    for part in (slice(0, 3), slice(3, 7)):
        alone.append(copy.deepcopy(network))
        for layer in alone[-1].layers.values():
            if hasattr(layer, "dropout_ratio"):
                layer.dropout_ratio = 0.0
        alone[-1].gradient(x[part], t[part])
    for layer in network.layers.values():
        if hasattr(layer, "dropout_ratio"):
            layer.dropout_ratio = 0.0
    in_parts = parallel(network, 2)
    in_parts.gradient(x, t)
    first, second = (each.buffers for each in alone)
    expected = {key: 3 / 7 * first[key] + 4 / 7 * second[key] for key in first}
    assert_close(network.buffers, expected, 1e-13)
    in_parts.gradient(x, t)  # goes on from there
    assert as_bytes(network.buffers) != as_bytes(expected)


@pytest.mark.parametrize("kind", SPLIT)
def test_an_interrupted_training_goes_on_bit_for_bit(parallel, kind, tmp_path):
    def trainer(epochs):
        network = build(kind)
        rng = np.random.default_rng(3)
        x, t = batch(network, 20)
        options = {"mini_batch_size": 7, "optimizer": "adam", "shuffle": True, "verbose": False}
        path = tmp_path / "checkpoint.npz"
        in_parts = parallel(network, 2)
        return Trainer(in_parts, x, t, x, t, epochs, **options, rng=rng, checkpoint=path)

    whole = trainer(3)
    whole.train()
    trainer(1).train()
    rest = trainer(3)
    rest.load_checkpoint()
    rest.train()
    assert as_bytes(rest.network.state()) == as_bytes(whole.network.state())
    assert rest.train_loss_list == whole.train_loss_list


# Errors


def nan_in_row_4(x):
    x = np.array(x)
    x.reshape(len(x), -1)[4, 1] = np.nan
    return x


@pytest.mark.parametrize("method", ["gradient", "objective"])
@pytest.mark.parametrize("kind", ["chapter 4", "everything"])
@pytest.mark.parametrize(
    ("spoil_x", "spoil_t"),
    [
        (nan_in_row_4, None),
        (lambda x: x.reshape(len(x), -1)[:, 1:], None),
        (lambda x: x[:4], None),
        (lambda x: x[:0], None),
        (lambda x: 1.0, None),
        (None, lambda t: np.append(t, 0)),
        (None, lambda t: 1),
        (None, lambda t: np.where(np.arange(len(t)) == 4, CLASSES, t)),
        (None, lambda t: np.eye(CLASSES)[t] * 2),
    ],
)
def test_a_refused_call_raises_the_networks_error_and_changes_nothing(
    parallel, method, kind, spoil_x, spoil_t
):
    network = build(kind)
    in_parts = parallel(network, 2)
    x, t = batch(network, 6)
    in_parts.gradient(x, t)
    bad = (x if spoil_x is None else spoil_x(x)), (t if spoil_t is None else spoil_t(t))
    with pytest.raises((TypeError, ValueError)) as expected:
        getattr(copy.deepcopy(network), method)(*bad)
    before = state_of(network)
    with pytest.raises(expected.type) as actual:
        getattr(in_parts, method)(*bad)
    assert str(actual.value) == str(expected.value)
    assert state_of(network) == before
    in_parts.gradient(x, t)


def test_accuracy_names_the_row_of_the_whole(parallel):
    network = build("SimpleConvNet")
    in_parts = parallel(network, 2)
    x, t = batch(network, 6)
    with pytest.raises(NonFiniteError, match=r"x holds 1 NaN .* at index \(4, 0, 0, 1\)"):
        in_parts.accuracy(nan_in_row_4(x), t)


def test_nan_in_a_buffer_is_refused(parallel):
    network = build("batch norm")
    in_parts = parallel(network, 2)
    x, t = batch(network, 6)
    network.layers["BatchNorm1"].running_var[0] = np.nan
    before = state_of(network)
    with pytest.raises(NonFiniteError, match="the buffer running_var1 holds 1 NaN"):
        in_parts.gradient(x, t)
    assert state_of(network) == before


@pytest.mark.parametrize("kind", ["chapter 4", "chapter 5", "everything", "SimpleConvNet"])
def test_parameters_that_have_diverged_give_one_warning_here(parallel, kind):
    network = build(kind)
    in_parts = parallel(network, 2)
    x, t = batch(network, 6)
    network.params["W1"][...] = np.nan
    buffers = as_bytes(network.buffers)
    for method in ("gradient", "objective", "accuracy"):
        with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
            warnings.simplefilter("always")
            result = getattr(in_parts, method)(x, t)
        assert [(w.category, w.filename) for w in caught] == [(DivergenceWarning, __file__)]
        if method == "gradient":
            assert list(result) == list(network.params)
            assert np.isnan(result["W1"]).any()
    assert as_bytes(network.buffers) == buffers


@pytest.mark.parametrize("method", ["gradient", "objective", "predict"])
@pytest.mark.parametrize("error", [RuntimeError, FloatingPointError, KeyboardInterrupt, SystemExit])
def test_an_error_in_a_worker_reaches_the_caller(parallel, error, method):
    raising = []

    def look(x):
        if raising and len(x) == 4:  # the second of two parts
            raise error("in a worker")

    network = with_spy(look)
    in_parts = parallel(network, 2)
    x, t = batch(network, 7)
    in_parts.gradient(x, t)
    before = state_of(network)
    raising.append(True)
    with pytest.raises(error, match="in a worker"):
        getattr(in_parts, method)(*([x] if method == "predict" else [x, t]))
    assert state_of(network) == before
    raising.clear()
    actual = as_bytes(in_parts.gradient(x, t))
    again = with_spy(look)  # the same calls without an error between them
    in_parts = parallel(again, 2)
    in_parts.gradient(x, t)
    assert as_bytes(in_parts.gradient(x, t)) == actual


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
def test_ctrl_c_waits_for_the_workers_and_is_raised(parallel):
    running, struck = set(), []

    def look(x):
        running.add(threading.get_ident())
        if struck and len(x) == 3:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.05)
        running.discard(threading.get_ident())

    network = with_spy(look)
    in_parts = parallel(network, 2)
    x, t = batch(network, 7)
    in_parts.gradient(x, t)
    before = state_of(network)
    struck.append(True)
    # A background job ignores SIGINT, and so would the tests that it runs.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            in_parts.gradient(x, t)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert not running
    assert state_of(network) == before


def test_a_refused_call_waits_for_the_other_workers(parallel):
    running = set()

    def look(x):
        if threading.current_thread() is threading.main_thread() or len(x) == 3:
            raise ValueError("refused")
        running.add(threading.get_ident())
        time.sleep(0.05)
        running.discard(threading.get_ident())

    network = with_spy(look)
    x, t = batch(network, 7)
    with pytest.raises(ValueError, match="refused"):
        parallel(network, 2).gradient(x, t)
    assert not running


def test_errstate_reaches_the_workers(parallel):
    network = build("weight decay")
    in_parts = parallel(network, 2)
    x, t = batch(network, 6)
    x = x * 1e200
    network.params["W1"] *= 1e150
    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
        in_parts.gradient(x, t)


# Threads and copies


def new_threads(before):
    return [thread for thread in threading.enumerate() if thread not in before]


def test_workers_end_when_it_is_closed_and_start_again_when_needed():
    before = threading.enumerate()
    network = build("weight decay")
    x, t = batch(network, 6)
    with DataParallel(network, 2) as in_parts:
        assert not new_threads(before)
        expected = as_bytes(in_parts.gradient(x, t))
        assert 1 <= len(new_threads(before)) <= 2
    assert not new_threads(before)
    assert as_bytes(in_parts.gradient(x, t)) == expected
    in_parts.close()
    in_parts.close()
    assert not new_threads(before)


def test_workers_end_with_the_object():
    before = threading.enumerate()
    network = build("weight decay")
    in_parts = DataParallel(network, 2)
    in_parts.gradient(*batch(network, 6))
    threads = new_threads(before)
    del in_parts
    gc.collect()
    for thread in threads:
        thread.join(timeout=600)
    assert not new_threads(before)


def test_python_ends_without_close():
    program = """
import numpy as np
from common.multi_layer_net import MultiLayerNet
from common.training import DataParallel
network = DataParallel(MultiLayerNet(6, [5], 3), 2)
network.gradient(np.ones((8, 6)), np.zeros(8, int))
print("done")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=600)
    assert (done.stdout.split(), done.stderr, done.returncode) == ([b"done"], b"", 0)


@pytest.mark.parametrize("how", [copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
@pytest.mark.parametrize("kind", ["everything", "weight decay", "SimpleConvNet"])
def test_a_copy_has_its_own_network_and_workers(parallel, how, kind):
    network = build(kind)
    in_parts = parallel(network, 3)
    x, t = batch(network, 6)
    in_parts.gradient(x, t)
    twin = how(in_parts)
    assert type(twin) is DataParallel
    assert twin.workers == 3
    assert twin.network is not network
    np.random.seed(0)
    expected = as_bytes(twin.gradient(x, t))
    np.random.seed(0)
    assert as_bytes(in_parts.gradient(x, t)) == expected
    before = as_bytes(network.state())
    for param in twin.params.values():
        param += 1
    twin.gradient(x, t)
    assert as_bytes(network.state()) == before
    twin.close()
    in_parts.gradient(x, t)


@pytest.mark.parametrize("kind", WHOLE)
def test_arguments_are_not_written_to_and_results_are_the_callers(parallel, kind):
    network = build(kind)
    in_parts = parallel(network, 2)
    x, t = batch(network, 6)  # read-only
    params = {key: frozen(param) for key, param in network.params.items()}
    network.params.update(params)
    first = in_parts.gradient(x, t)
    expected = as_bytes(first)
    for grad in first.values():
        grad[...] = np.nan
    in_parts.predict(x)[...] = np.nan
    assert as_bytes(in_parts.gradient(x, t)) == expected
