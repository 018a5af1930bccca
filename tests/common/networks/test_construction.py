"""What the networks are made of: layers, parameters, initial weights, and the book's attributes."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.gradient_methods import gradient_check
from common.layers import Relu, Sigmoid, SoftmaxWithLoss
from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net_extend import MultiLayerNetExtend
from common.networks import DeepConvNet, LayerNetwork, SimpleConvNet, affine_params
from common.networks.layer_network import activation_layer
from tests.common.networks.examples import OF_CHAPTERS, SIX_SMALL, batch, build
from tests.helpers import assert_close, seeds


def numbered(*names):
    """The names with their numbers: each counts its own."""
    counts = {name: itertools.count(1) for name in names}
    return [f"{name}{next(counts[name])}" for name in names]


def assert_made_of(network, layers, shapes):
    """W1, b1, W2, b2, … of the given shapes, with biases that are 0."""
    assert list(network.layers) == numbered(*layers)
    assert list(network.params) == numbered(*["W", "b"] * (len(shapes) // 2))
    assert [param.shape for param in network.params.values()] == shapes
    assert not any(param.any() for key, param in network.params.items() if key[0] == "b")
    assert {param.dtype for param in network.params.values()} == {np.dtype(np.float64)}
    assert type(network.last_layer) is SoftmaxWithLoss
    assert network.buffers == {}


@pytest.mark.parametrize("net", [MultiLayerNet, MultiLayerNetExtend])
def test_fully_connected_networks(net):
    network = net(784, [100, 50], 10)
    names = [*["Affine", "Activation_function"] * 2, "Affine"]
    shapes = [(784, 100), (100,), (100, 50), (50,), (50, 10), (10,)]
    assert_made_of(network, names, shapes)
    assert {type(network.layers[f"Activation_function{i}"]) for i in (1, 2)} == {Relu}
    assert network.weight_decay_lambda == LayerNetwork((4,)).weight_decay_lambda == 0
    assert network.params["W1"].std() == pytest.approx(math.sqrt(2 / 784), rel=0.02)
    # the book's names of arguments and attributes
    network = net(
        input_size=784,
        hidden_size_list=np.array([100, 50]),
        output_size=10,
        activation="sigmoid",
        weight_init_std=0.3,
        weight_decay_lambda=0.5,
    )
    assert (network.input_size, network.output_size, network.hidden_layer_num) == (784, 10, 2)
    assert (network.hidden_size_list, network.weight_decay_lambda) == ([100, 50], 0.5)
    assert type(network.layers["Activation_function2"]) is Sigmoid
    assert network.params["W1"].std() == pytest.approx(0.3, rel=0.02)
    empty = net(4, [], 3)
    assert_made_of(empty, ["Affine"], [(4, 3), (3,)])
    assert empty.hidden_layer_num == 0


@pytest.mark.parametrize("use_dropout", [False, True])
@pytest.mark.parametrize("use_batchnorm", [False, True])
def test_multi_layer_net_extend(use_dropout, use_batchnorm):
    network = MultiLayerNetExtend(
        7, [6, 5], 3, use_dropout=use_dropout, dropout_ration=0.2, use_batchnorm=use_batchnorm
    )
    assert (network.use_dropout, network.use_batchnorm) == (use_dropout, use_batchnorm)
    names = ["Affine", "BatchNorm", "Activation_function", "Dropout"]
    hidden = [name for name, used in zip(names, (1, use_batchnorm, 1, use_dropout)) if used]  # noqa: B905
    assert list(network.layers) == numbered(*hidden * 2, "Affine")
    keys = ["W", "b", "gamma", "beta"] if use_batchnorm else ["W", "b"]
    assert list(network.params) == numbered(*keys * 2, "W", "b")
    buffers = ["running_mean", "running_var"] * 2 if use_batchnorm else []
    assert list(network.buffers) == numbered(*buffers)
    for key, array in network.state().items():
        if key[0] != "W" and key[-1] in "12":
            assert array.shape == ({"1": 6, "2": 5}[key[-1]],)
            assert set(array) == {1.0 if key.startswith(("gamma", "running_var")) else 0.0}
    if use_dropout:
        default = MultiLayerNetExtend(4, [5], 3, use_dropout=True)
        ratios = [n.layers["Dropout1"].dropout_ratio for n in (network, default)]
        assert ratios == [0.2, 0.5]


def test_a_dropout_ratio_of_1_leaves_nothing():
    for network in (
        MultiLayerNetExtend(16, [5], 3, use_dropout=True, dropout_ration=1.0),
        DeepConvNet((1, 4, 4), SIX_SMALL, dropout_ratio=1.0),
    ):
        assert not network.predict(np.ones((2, 16))).any()


def test_simple_convnet():
    network = SimpleConvNet()
    names = ["Conv", "Relu", "Pool", "Affine", "Relu", "Affine"]
    shapes = [(30, 1, 5, 5), (30,), (30 * 12 * 12, 100), (100,), (100, 10), (10,)]
    assert_made_of(network, names, shapes)
    for key in ("W1", "W2", "W3"):
        assert network.params[key].std() == pytest.approx(0.01, rel=0.15)


@pytest.mark.parametrize(
    ("input_dim", "conv_param", "pixels"),
    [
        ((1, 10, 10), {"filter_num": 4, "filter_size": 3}, 4 * 4),
        ((3, 10, 12), {"filter_num": 4, "filter_size": 3, "pad": 1}, 5 * 6),
        ((1, 11, 11), {"filter_num": 4, "filter_size": 3, "stride": 2}, 2 * 2),  # 5 pixels, then 2
        ((1, 9, 9), {"filter_num": 4, "filter_size": 9, "pad": 2, "stride": 2}, 1),
    ],
)
def test_simple_convnet_fits_its_affine_layer_to_the_images(input_dim, conv_param, pixels):
    network = SimpleConvNet(input_dim, conv_param, hidden_size=5)
    assert network.params["W2"].shape == (4 * pixels, 5)
    assert network.predict(np.ones((2, *input_dim))).shape == (2, 10)


def test_deep_convnet():
    network = DeepConvNet(rng=np.random.default_rng(0))
    names = [*["Conv", "Relu", "Conv", "Relu", "Pool"] * 3]
    filters = [(16, 1), (16, 16), (32, 16), (32, 32), (64, 32), (64, 64)]
    weights = [*((*pair, 3, 3) for pair in filters), (64 * 4 * 4, 50), (50, 10)]
    biases = [*((out,) for out, _ in filters), (50,), (10,)]
    shapes = [shape for pair in zip(weights, biases, strict=True) for shape in pair]
    assert_made_of(network, [*names, "Affine", "Relu", "Dropout", "Affine", "Dropout"], shapes)
    for i in range(2, 9):  # W1 is too small to measure
        W = network.params[f"W{i}"]
        fan_in = math.prod(W.shape[1:]) if W.ndim == 4 else len(W)
        assert W.std() == pytest.approx(math.sqrt(2 / fan_in), rel=0.1)


def test_he_counts_the_inputs_of_a_filter():
    network = SimpleConvNet((3, 10, 10), {"filter_num": 200, "filter_size": 5}, 5, 3, "he")
    assert network.params["W1"].std() == pytest.approx(math.sqrt(2 / 75), rel=0.05)


@pytest.mark.parametrize("kind", OF_CHAPTERS)
def test_two_layer_nets(kind):
    network = type(build(kind))(784, 50, 10, rng=np.random.default_rng(0))
    expected = affine_params((784, 50, 10), 0.01, np.random.default_rng(0), np.float64)
    assert_close(network.params, expected, 0)
    assert [p.shape for p in expected.values()] == [(784, 50), (50,), (50, 10), (10,)]
    assert not expected["b1"].any()
    assert not expected["b2"].any()
    assert expected["W1"].std() == pytest.approx(0.01, rel=0.02)
    assert expected["W1"].mean() == pytest.approx(0, abs=2e-4)


def test_activations_are_found_in_any_case():
    assert type(activation_layer("relu")) is type(activation_layer("ReLU")) is Relu
    assert type(activation_layer("sigmoid")) is type(activation_layer("Sigmoid")) is Sigmoid


def test_running_averages_are_those_of_the_layers_input():
    network = build("batch norm")
    x, _ = batch(network)
    network.predict(x, True)
    y = x @ network.params["W1"] + network.params["b1"]
    assert_close(network.buffers["running_mean1"], 0.1 * y.mean(axis=0))
    assert_close(network.buffers["running_var1"], 0.9 + 0.1 * y.var(axis=0))


@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    n=st.integers(2, 4),
    activation=st.sampled_from(["relu", "sigmoid"]),
    decay=st.sampled_from([0, 0.3]),
    use_dropout=st.booleans(),
    use_batchnorm=st.booleans(),
    seed=seeds,
)
def test_gradients_of_any_fully_connected_network(
    sizes, n, activation, decay, use_dropout, use_batchnorm, seed
):
    rng = np.random.default_rng(seed)
    dropout, batchnorm = {"use_dropout": use_dropout}, {"use_batchnorm": use_batchnorm}
    network = MultiLayerNetExtend(
        sizes[0], sizes[1:-1], sizes[-1], activation, 1.0, decay, **dropout, **batchnorm, rng=rng
    )
    for param in network.params.values():
        param += 0.2 * rng.normal(size=param.shape)
    x, t = rng.normal(size=(n, sizes[0])), rng.integers(0, sizes[-1], n)
    report = gradient_check(network, x, t)
    # Near a kink a finite difference is wrong. gradient_check notices that, and leaves it out.
    wrong = [p for p in report.parameters if p.largest >= report.tolerance]
    assert not wrong, str(report)
    if activation == "sigmoid" and not use_batchnorm:
        numerical = network.numerical_gradient(x, t, h=1e-5)
        assert_close(numerical, network.gradient(x, t), 1e-5, scale=1e-3)
