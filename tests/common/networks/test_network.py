"""What the base class does: check inputs, evaluate in batches, keep parameters in files."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net_extend import MultiLayerNetExtend
from common.networks import DeepConvNet, Network, SimpleConvNet, affine_params
from common.support.errors import NonFiniteError
from tests.common.networks.examples import CONV, NORMALIZED, batch, build, state_of
from tests.helpers import FLOATS, as_bytes, assert_close


class Line(Network):
    """The scores are x W + b, and the loss is their mean square."""

    def __init__(self, input_size=2, classes=3, dtype=np.float64):
        super().__init__(input_size, dtype)
        self.params = affine_params((input_size, classes), 1.0, np.random.default_rng(0), dtype)
        self.params["b1"] += np.arange(classes, dtype=dtype)
        self.batches = []

    def predict(self, x):
        x = self.check_input(x)
        self.batches.append(len(x))
        return x.reshape(len(x), -1) @ self.params["W1"] + self.params["b1"]

    def loss(self, x, t):
        return self.check_loss(np.mean(self.predict(x) ** 2))

    def gradient(self, x, t):
        dY = 2 * self.predict(x) / (len(x) * 3)
        return {"W1": x.T @ dY, "b1": dY.sum(axis=0)}


class Echo(Line):
    """The scores are the input itself."""

    def predict(self, x):
        return self.check_input(x)


def test_a_network_without_layers():
    network, x = Line(), np.random.default_rng(1).normal(size=(5, 2))
    assert_close(network.numerical_gradient(x, None), network.gradient(x, None), 1e-7)
    loss, grads = network.loss_and_gradient(x, None)
    assert loss == network.loss(x, None) == network.objective(x, None)
    assert as_bytes(grads) == as_bytes(network.gradient(x, None))
    assert network.layers == network.buffers == network.param_owners() == {}


def test_a_network_may_draw_random_numbers_itself():
    class Noisy(Line):
        def loss(self, x, t):
            return super().loss(x * self.rng.random(x.shape), t)

    network, x = Noisy(), np.ones((5, 2))
    network.rng = np.random.default_rng(0)
    before = state_of(network)
    with network.unchanged():
        assert network.loss(x, None) != network.loss(x, None)
    network.numerical_gradient(x, None)
    assert state_of(network) == before


@pytest.mark.parametrize("value", [0.5, np.arange(3), None])
def test_a_numerical_gradient_names_the_parameter_that_is_no_array_of_floats(value):
    network = Line()
    network.params["b1"] = value
    with pytest.raises(TypeError, match=r"^b1 must be an array of floating-point numbers, got "):
        network.numerical_gradient(np.ones((1, 2)), None)


# Accuracy

SCORES = np.array([[0.1, 0.7, 0.2], [0.9, 0.0, 0.1], [0.2, 0.3, 0.5], [0.4, 0.3, 0.3]])
LABELS = np.array([1, 0, 1, 2])  # right, right, wrong, wrong


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 1000])
@pytest.mark.parametrize("t", [LABELS, np.eye(3)[LABELS], np.eye(3, dtype=np.uint8)[LABELS]])
def test_accuracy_is_the_fraction_of_right_predictions(t, batch_size):
    assert Echo(3).accuracy(SCORES, t, batch_size) == 0.5


@pytest.mark.parametrize("batch_size", [1, 7, 96, 97, 98])
def test_accuracy_evaluates_as_many_at_once_as_it_is_told(batch_size):
    rng, network = np.random.default_rng(0), Line()
    network.accuracy(rng.normal(size=(97, 2)), rng.integers(0, 3, 97), batch_size)
    assert max(network.batches) == min(batch_size, 97)
    assert sum(network.batches) == 97


@pytest.mark.parametrize("batch_size", [0, -1, 2.0])
def test_accuracy_refuses_a_batch_size_below_1(batch_size):
    with pytest.raises(
        ValueError, match=f"batch_size must be a positive integer, got {batch_size}"
    ):
        Echo(3).accuracy(SCORES, LABELS, batch_size)


@pytest.mark.parametrize("given", [np.array, np.ndarray.tolist])
def test_accuracy_speaks_of_the_whole_input_and_not_of_a_batch(given):
    x = SCORES.copy()
    x[3, 1] = np.nan
    for bad, t, error, words in (
        (given(x), LABELS, NonFiniteError, r"x holds 1 NaN.*\(3, 1\)"),
        (given(SCORES[:, :2]), LABELS, ValueError, r"got \(4, 2\)"),
        (given(SCORES), np.eye(4), ValueError, r"\(4, 3\), got \(4, 4\)"),
        (given(SCORES), LABELS[:3], ValueError, "each of the 4 rows, got 3"),
    ):
        with pytest.raises(error, match=words):
            Echo(3).accuracy(bad, t, batch_size=2)


def peak_memory(network, x, t):
    tracemalloc.start()
    try:
        network.accuracy(x, t)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@FLOATS
@pytest.mark.parametrize("one_hot", [False, True])
def test_accuracy_needs_no_copy_of_the_whole_split(dtype, one_hot):
    x = np.random.default_rng(0).random((20_000, 784), dtype=np.float32)
    t = np.arange(20_000) % 3
    t = np.eye(3, dtype=np.uint8)[t] if one_hot else t
    # A batch of 1000 in float64 is a tenth of x in float32.
    assert peak_memory(Line(784, dtype=dtype), x, t) < 0.2 * x.nbytes


def test_the_accuracy_of_a_deep_network_needs_little_memory():
    network = DeepConvNet(rng=np.random.default_rng(0), dtype=np.float32)
    rng = np.random.default_rng(1)
    x, t = rng.random((300, 1, 28, 28), np.float32), rng.integers(0, 10, 300)
    # Measured: 32 MB, and 68 MB with all 300 images at once. What 100 of them are between the first
    # two convolutions takes 5 MB, and their windows of 3 × 3 pixels would take nine times that.
    assert peak_memory(network, x, t) < 50e6


# Inputs


@pytest.mark.parametrize("given", [np.uint8, np.int64, bool, np.float32, np.float64])
@FLOATS
def test_check_input_gives_the_dtype_of_the_network_and_copies_only_if_it_must(given, dtype):
    x = np.ones((2, 1, 2, 1), given)
    checked = Line(dtype=dtype).check_input(x)
    assert (checked.shape, checked.dtype) == (x.shape, np.dtype(dtype))
    assert (checked is x) == (given == dtype)


def test_check_input_refuses_a_vector_also_where_an_example_is_one_number():
    with pytest.raises(ValueError, match=r"\(N, 1\), got \(5,\)"):
        Line(1).check_input(np.zeros(5))


def test_non_finite_error_is_a_value_error():
    assert issubclass(NonFiniteError, ValueError)


# What save_params and load_params do


@FLOATS
@pytest.mark.parametrize("as_type", [str, Path])
def test_parameters_come_back_from_a_file_bit_for_bit(tmp_path, dtype, as_type):
    path = as_type(tmp_path / "params.npz")
    Path(path).write_bytes(b"old")
    saved, loaded = Line(dtype=dtype), Line(dtype=dtype)
    saved.params["W1"][0] = [-0.0, 1 / 3, np.nan]
    saved.save_params(path)
    loaded.load_params(path)
    assert as_bytes(loaded.params) == as_bytes(saved.params)
    assert [p.name for p in tmp_path.iterdir()] == ["params.npz"]


def test_parameters_are_converted_to_the_dtype_of_the_network(tmp_path):
    double, single = Line(), Line(dtype=np.float32)
    double.params["W1"] /= 3
    double.save_params(tmp_path / "params.npz")
    single.load_params(tmp_path / "params.npz")
    assert single.params["W1"].dtype == np.float32
    assert np.array_equal(single.params["W1"], double.params["W1"].astype(np.float32))


def test_a_failed_save_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch):
    path = tmp_path / "params.npz"
    path.write_bytes(b"old")

    def no_space(self, target):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", no_space)
    with pytest.raises(OSError, match="no space left"):
        Line().save_params(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_set_state_copies_and_names_where_the_parameters_come_from():
    network, new = Line(), {key: 1 + array for key, array in Line().params.items()}
    network.set_state(new)
    expected = as_bytes(new)
    new["W1"][:] = 7
    assert as_bytes(network.params) == expected
    with pytest.raises(ValueError, match=r"the checkpoint holds the parameters W1; .* W1, b1"):
        Line().set_state({"W1": new["W1"]}, "the checkpoint")


OF_OTHERS = {
    "other widths": (MultiLayerNet(6, [4, 5], 3), "W1 in .* shape"),
    "one layer less": (MultiLayerNet(6, [5], 3), "holds the parameters W1, b1, W2, b2; this netw"),
    "one layer more": (MultiLayerNet(6, [5, 4, 4], 3), "holds the parameters"),
    "other input": (MultiLayerNet(7, [5, 4], 3), r"W1 in .* \(7, 5\).* \(6, 5\)"),
    "other classes": (MultiLayerNet(6, [5, 4], 4), r"W3 in .* \(4, 4\).* \(4, 3\)"),
    "batch norm": (MultiLayerNetExtend(6, [5, 4], 3, use_batchnorm=True), "gamma1"),
    "filters": (SimpleConvNet((1, 10, 10), CONV), r"W1 in .* \(2, 1, 3, 3\).* \(6, 5\)"),
}


@pytest.mark.parametrize("other", [*OF_OTHERS, "integers", "no file"])
def test_parameters_of_another_network_are_refused_and_change_nothing(tmp_path, other):
    network, path = build("weight decay"), tmp_path / "params.npz"
    before = state_of(network)
    if other == "no file":
        path.write_bytes(b"no zip file at all")
        words = r"params\.npz is no \.npz file"
    elif other == "integers":
        np.savez(path, **network.params | {"b3": np.ones(3, int)})
        words = r"b3 in .*params\.npz has shape \(3,\) and dtype int64"
    else:
        source, words = OF_OTHERS[other]
        source.save_params(path)
    with pytest.raises(ValueError, match=words):
        network.load_params(path)
    assert state_of(network) == before


@pytest.mark.parametrize("kind", NORMALIZED)
def test_running_averages_that_are_missing_or_of_a_wrong_shape_are_refused(kind):
    network, source = build(kind), build(kind, 1)
    before, state = state_of(network), source.state()
    for bad, words in (
        (source.params, "running_mean1"),
        (state | {"running_var1": np.ones(9)}, r"running_var1 in the given dict has shape \(9,\)"),
        (state | {"running_mean2": np.float64(1)}, r"running_mean2 .* shape \(\)"),
        (state | {"running_mean1": np.ones(source.buffers["running_mean1"].shape, int)}, "int64"),
        (state | {"beta1": np.ones((1, *source.params["beta1"].shape))}, "beta1 .* shape"),
    ):
        with pytest.raises(ValueError, match=words):
            network.set_state(bad)
        assert state_of(network) == before


def test_chapter_4_refuses_the_gradient_of_another_activation():
    network = build("chapter 4")
    network.activation = np.tanh
    x, t = batch(network)
    network.numerical_gradient(x, t)
    with pytest.raises(TypeError, match="this gradient is that of the sigmoid"):
        network.gradient(x, t)
