import copy
import itertools
import math
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.gradient import numerical_gradient
from common.gradient_methods import gradient_check
from common.layers import Relu, Sigmoid
from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net_extend import MultiLayerNetExtend
from common.networks import DeepConvNet, SimpleConvNet
from common.networks.layer_network import LayerNetwork, activation_layer
from common.optimizer import SGD, Adam, Momentum
from common.support.errors import DivergenceWarning, NonFiniteError
from common.support.random_state import random_state, set_random_state

CONV = {"filter_num": 2, "filter_size": 3, "pad": 0, "stride": 1}
SIX_SMALL = tuple(CONV | {"pad": pad} for pad in (1, 1, 1, 2, 1, 1))
CLASSES = 3


class NormalizedConvNet(LayerNetwork):
    """What a reader may put together: batch normalization of images and of rows, and dropout."""

    def __init__(self, input_dim=(2, 6, 6), **options):
        super().__init__(input_dim, **options)
        self.add_convolution(3, 3, pad=1)
        self.add_batch_normalization()
        self.add(Sigmoid())
        self.add_pooling(2, stride=2)
        self.add_affine(4)
        self.add_batch_normalization()
        self.add(Relu())
        self.add_dropout(0.3)
        self.add_affine(CLASSES)


# Each with the shape of its examples.
NETS = {
    "mlp": (lambda **o: MultiLayerNet(6, [5, 4], CLASSES, **o), (6,)),
    "mlp-sigmoid-decay": (
        lambda **o: MultiLayerNet(6, [5, 4], CLASSES, "sigmoid", "xavier", 0.1, **o),
        (6,),
    ),
    "softmax-regression": (lambda **o: MultiLayerNet(6, [], CLASSES, **o), (6,)),
    "extend": (lambda **o: MultiLayerNetExtend(6, [5, 4], CLASSES, **o), (6,)),
    "dropout": (
        lambda **o: MultiLayerNetExtend(
            6, [5, 4], CLASSES, use_dropout=True, dropout_ration=0.3, **o
        ),
        (6,),
    ),
    "batch-norm": (
        lambda **o: MultiLayerNetExtend(6, [5, 4], CLASSES, "sigmoid", use_batchnorm=True, **o),
        (6,),
    ),
    "both-and-decay": (
        lambda **o: MultiLayerNetExtend(
            6,
            [5, 4],
            CLASSES,
            weight_decay_lambda=0.1,
            use_dropout=True,
            dropout_ration=0.3,
            use_batchnorm=True,
            **o,
        ),
        (6,),
    ),
    "simple-conv": (
        lambda **o: SimpleConvNet((1, 10, 10), CONV, 4, CLASSES, "he", **o),
        (1, 10, 10),
    ),
    "deep-conv": (lambda **o: DeepConvNet((1, 4, 4), SIX_SMALL, 5, CLASSES, 0.3, **o), (1, 4, 4)),
    "readers-own": (NormalizedConvNet, (2, 6, 6)),
}
EACH = pytest.mark.parametrize("kind", NETS)
RANDOM = ("dropout", "both-and-decay", "deep-conv", "readers-own")
AVERAGING = ("batch-norm", "both-and-decay", "readers-own")
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def build(kind, seed=0, dtype=np.float64):
    return NETS[kind][0](rng=np.random.default_rng(seed), dtype=dtype)


def off_the_kinks(network, seed=0):
    """Move all parameters a little: biases of 0 put units whose inputs are all off at a kink."""
    rng = np.random.default_rng(seed)
    for param in network.params.values():
        param += 0.2 * rng.normal(size=param.shape)
    return network


def frozen(array):
    array.setflags(write=False)
    return array


def batch(kind, n=5, seed=1):
    rng = np.random.default_rng(seed)
    return frozen(rng.normal(size=(n, *NETS[kind][1]))), frozen(rng.integers(0, CLASSES, n))


def as_bytes(arrays):
    return {key: (array.dtype, array.tobytes()) for key, array in arrays.items()}


def everything(network):
    """All that a pass could change: parameters, running averages and random numbers."""
    return as_bytes(network.state()), repr(random_state(network.rng)), repr(random_state(None))


def assert_same(actual, expected, rtol=0.0, atol=0.0):
    assert actual.keys() == expected.keys()
    for key, array in expected.items():
        assert actual[key].shape == array.shape
        np.testing.assert_allclose(actual[key], array, rtol, atol, err_msg=key)


# What a network is made of


def test_multi_layer_net():
    network = MultiLayerNet(784, [100, 50], 10)
    assert list(network.layers) == ["Affine1", "Relu1", "Affine2", "Relu2", "Affine3"]
    assert {key: p.shape for key, p in network.params.items()} == {
        "W1": (784, 100),
        "b1": (100,),
        "W2": (100, 50),
        "b2": (50,),
        "W3": (50, 10),
        "b3": (10,),
    }
    assert network.buffers == {}


@pytest.mark.parametrize("net", [MultiLayerNet, MultiLayerNetExtend])
def test_by_default_nothing_is_added(net):
    network = net(4, [3], 2, rng=np.random.default_rng(0))
    assert list(network.layers) == ["Affine1", "Relu1", "Affine2"]
    assert network.weight_decay_lambda == LayerNetwork((4,)).weight_decay_lambda == 0
    assert network.params["W1"].dtype == np.float64
    assert net(500, [400], 2).params["W1"].std() == pytest.approx(math.sqrt(2 / 500), rel=0.02)


def test_a_network_without_hidden_layers_is_one_affine_layer():
    network = MultiLayerNet(4, [], 3)
    assert list(network.layers) == ["Affine1"]
    assert list(network.params) == ["W1", "b1"]


@pytest.mark.parametrize(
    ("use_dropout", "use_batchnorm", "activation"),
    itertools.product([False, True], [False, True], ["relu", "sigmoid"]),
)
def test_multi_layer_net_extend(use_dropout, use_batchnorm, activation):
    network = MultiLayerNetExtend(
        7, [6, 5], 3, activation, use_dropout=use_dropout, use_batchnorm=use_batchnorm
    )
    names, params, buffers = [], [], []
    for number in ("1", "2"):
        names.append("Affine" + number)
        params += ["W" + number, "b" + number]
        if use_batchnorm:
            names.append("BatchNorm" + number)
            params += ["gamma" + number, "beta" + number]
            buffers += ["running_mean" + number, "running_var" + number]
        names.append(activation.capitalize() + number)
        if use_dropout:
            names.append("Dropout" + number)
    assert list(network.layers) == [*names, "Affine3"]
    assert list(network.params) == [*params, "W3", "b3"]
    assert list(network.buffers) == buffers
    sizes = {"1": 6, "2": 5}
    for key, array in network.state().items():
        if key[0] != "W" and key[-1] in sizes:
            assert array.shape == (sizes[key[-1]],)
    if use_batchnorm:
        assert (network.params["gamma1"] == 1).all()
        assert not network.params["beta2"].any()
        assert not network.buffers["running_mean1"].any()
        assert (network.buffers["running_var2"] == 1).all()


def test_the_ratio_of_dropout_is_the_one_given():
    network = MultiLayerNetExtend(4, [5, 5], 3, use_dropout=True, dropout_ration=0.2)
    assert [network.layers[f"Dropout{i}"].dropout_ratio for i in (1, 2)] == [0.2, 0.2]
    network = MultiLayerNetExtend(4, [5], 3, use_dropout=True)
    assert network.layers["Dropout1"].dropout_ratio == 0.5


def test_simple_convnet():
    network = SimpleConvNet()
    assert list(network.layers) == ["Conv1", "Relu1", "Pool1", "Affine1", "Relu2", "Affine2"]
    assert {key: p.shape for key, p in network.params.items()} == {
        "W1": (30, 1, 5, 5),
        "b1": (30,),
        "W2": (30 * 12 * 12, 100),
        "b2": (100,),
        "W3": (100, 10),
        "b3": (10,),
    }
    for key in ("W1", "W2", "W3"):
        assert network.params[key].std() == pytest.approx(0.01, rel=0.15)
    for key in ("b1", "b2", "b3"):
        assert not network.params[key].any()


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
    block = ["Conv{}", "Relu{}", "Conv{}", "Relu{}", "Pool{}"]
    names = [
        name.format(2 * i + (1 if at < 2 else 2) if at < 4 else i + 1)
        for i in range(3)
        for at, name in enumerate(block)
    ]
    tail = ["Affine1", "Relu7", "Dropout1", "Affine2", "Dropout2"]
    assert list(network.layers) == names + tail
    shapes = {key: p.shape for key, p in network.params.items()}
    weights = [
        (16, 1, 3, 3),
        (16, 16, 3, 3),
        (32, 16, 3, 3),
        (32, 32, 3, 3),
        (64, 32, 3, 3),
        (64, 64, 3, 3),
        (64 * 4 * 4, 50),
        (50, 10),
    ]
    assert list(shapes) == [key for i in range(1, 9) for key in (f"W{i}", f"b{i}")]
    assert [shapes[f"W{i}"] for i in range(1, 9)] == weights
    biases = [16, 16, 32, 32, 64, 64, 50, 10]
    assert [shapes[f"b{i}"] for i in range(1, 9)] == [(n,) for n in biases]
    for i in range(2, 9):  # W1 is too small to measure
        W = network.params[f"W{i}"]
        fan_in = math.prod(W.shape[1:]) if W.ndim == 4 else len(W)
        assert W.std() == pytest.approx(math.sqrt(2 / fan_in), rel=0.1)


def test_he_counts_the_inputs_of_a_filter():
    network = SimpleConvNet(
        (3, 10, 10), {"filter_num": 200, "filter_size": 5}, weight_init_std="he"
    )
    assert network.params["W1"].std() == pytest.approx(math.sqrt(2 / 75), rel=0.05)


@EACH
@DTYPES
def test_parameters_have_the_dtype_asked_for(kind, dtype):
    network = build(kind, dtype=dtype)
    assert {array.dtype for array in network.state().values()} == {np.dtype(dtype)}


@EACH
def test_scores_have_a_column_for_each_class(kind):
    network = build(kind)
    x, _ = batch(kind)
    assert network.predict(x).shape == (5, CLASSES)
    assert next(iter(network.layers)) in ("Affine1", "Conv1")


@EACH
def test_convolutional_networks_evaluate_fewer_images_at_once(kind):
    network = build(kind)
    assert network.evaluation_batch == (100 if "Conv1" in network.layers else 1000)


def test_activations_are_found_in_any_case():
    assert type(activation_layer("relu")) is type(activation_layer("ReLU")) is Relu
    assert type(activation_layer("sigmoid")) is type(activation_layer("Sigmoid")) is Sigmoid


# Random numbers


@EACH
def test_the_same_seed_gives_the_same_network(kind):
    one, same, other = build(kind, 0), build(kind, 0), build(kind, 1)
    assert as_bytes(one.params) == as_bytes(same.params)
    assert as_bytes(one.params) != as_bytes(other.params)
    x, t = batch(kind)
    assert_same(one.gradient(x, t), same.gradient(x, t))


@EACH
def test_without_rng_numpys_global_seed_decides(kind):
    x, t = batch(kind)
    results = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        network = NETS[kind][0]()
        results.append(as_bytes(network.params | network.gradient(x, t)))
    assert results[0] == results[1] != results[2]


@EACH
def test_with_rng_numpys_global_state_is_left_alone(kind):
    before = repr(random_state(None))
    build(kind).gradient(*batch(kind))
    assert repr(random_state(None)) == before


# Gradients


@EACH
@pytest.mark.parametrize("seed", [0, 1])
def test_gradients_pass_the_check(kind, seed):
    network = off_the_kinks(build(kind, seed))
    x, t = batch(kind, seed=seed + 10)
    report = gradient_check(network, x, t, max_entries=60, rng=np.random.default_rng(seed))
    assert report.passed, str(report)
    assert {p.name for p in report.parameters} == set(network.params)
    assert sum(p.compared for p in report.parameters) > 0.3 * sum(p.size for p in report.parameters)


@EACH
def test_the_numerical_gradient_agrees(kind):
    """Differences first, then backpropagation: both must see the same dropout."""
    network = off_the_kinks(build(kind, 3))
    x, t = batch(kind, seed=5)
    numerical, backprop = network.numerical_gradient(x, t), network.gradient(x, t)
    assert numerical.keys() == backprop.keys()
    scale = max(np.abs(g).max() for g in backprop.values())
    assert_same(numerical, backprop, rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize("kind", RANDOM)
def test_it_agrees_also_where_numpys_global_numbers_decide(kind):
    np.random.seed(0)
    network = off_the_kinks(NETS[kind][0]())
    x, t = batch(kind, seed=5)
    numerical, backprop = network.numerical_gradient(x, t), network.gradient(x, t)
    another_mask = network.gradient(x, t)
    assert_same(numerical, backprop, rtol=1e-6, atol=1e-6)
    assert as_bytes(another_mask) != as_bytes(backprop)


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    n=st.integers(2, 4),
    activation=st.sampled_from(["relu", "sigmoid"]),
    decay=st.sampled_from([0, 0.3]),
    dropout=st.sampled_from([None, 0.0, 0.4]),
    batchnorm=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_gradients_of_any_fully_connected_network(
    sizes, n, activation, decay, dropout, batchnorm, seed
):
    rng = np.random.default_rng(seed)
    network = MultiLayerNetExtend(
        sizes[0],
        sizes[1:-1],
        sizes[-1],
        activation,
        1.0,
        decay,
        dropout is not None,
        dropout or 0.0,
        batchnorm,
        rng=rng,
    )
    off_the_kinks(network, seed)
    x, t = rng.normal(size=(n, sizes[0])), rng.integers(0, sizes[-1], n)
    state = random_state(rng)
    numerical = network.numerical_gradient(x, t, h=1e-5)
    backprop = network.gradient(x, t)
    set_random_state(rng, state)
    report = gradient_check(network, x, t)
    # A kink within reach of a difference makes that difference wrong, and gradient_check sees that;
    # a whole network of such kinks (few units, all at 0 after normalizing two examples) it leaves.
    wrong = [p for p in report.parameters if p.largest >= report.tolerance]
    assert not wrong, str(report)
    if activation == "sigmoid" and not batchnorm:
        assert_same(numerical, backprop, rtol=1e-5, atol=1e-8)


@EACH
def test_loss_and_gradient_are_those_of_training(kind):
    x, t = batch(kind)
    one, other, third = build(kind), build(kind), build(kind)
    loss, grads = one.loss_and_gradient(x, t)
    assert loss == other.loss(x, t, train_flg=True)
    assert_same(grads, third.gradient(x, t))
    assert everything(one) == everything(other) == everything(third)


@EACH
def test_a_gradient_is_not_overwritten_by_the_next(kind):
    network = build(kind)
    (x, t), (other_x, other_t) = batch(kind), batch(kind, seed=9)
    grads = network.gradient(x, t)
    before = as_bytes(grads)
    other = network.gradient(other_x, other_t)
    network.loss(other_x, other_t)
    assert as_bytes(grads) == before
    assert not any(
        np.shares_memory(grads[key], array)
        for key in grads
        for array in (other[key], network.params[key])
    )


@EACH
def test_the_first_layer_computes_no_gradient_of_its_input(kind):
    network = build(kind)
    network.gradient(*batch(kind))
    first, *others = (layer for layer in network.layers.values() if hasattr(layer, "W"))
    score_gradient = network.last_layer.backward()
    if others:
        assert others[-1].backward(score_gradient[:, : others[-1].b.size]) is not None
        assert all(layer.input_gradient for layer in others)
    assert not first.input_gradient
    shape = first.forward(np.ones((2, *NETS[kind][1]))).shape
    assert first.backward(np.ones(shape)) is None
    assert first.dW.shape == first.W.shape


# What does not change


@EACH
def test_the_gradient_by_the_input_is_that_of_weighted_scores(kind):
    network, (x, t) = off_the_kinks(build(kind)), batch(kind)
    grads = network.gradient(x, t)
    before = everything(network)
    dout = np.random.default_rng(2).normal(size=(len(x), CLASSES))
    numerical = numerical_gradient(lambda x: np.sum(network.predict(x) * dout), x.copy(), h=1e-6)
    np.testing.assert_allclose(network.input_gradient(x, dout), numerical, rtol=1e-5, atol=1e-7)
    assert everything(network) == before
    assert network.gradient(x, t).keys() == grads.keys()  # and training needs it no more
    assert next(iter(network.layers.values())).input_gradient is False


@EACH
def test_the_gradient_by_the_input_has_its_shape_and_dtype(kind):
    network = build(kind, dtype=np.float32)
    x = batch(kind)[0].reshape(5, -1).astype(np.float32)
    gradient = network.input_gradient(x, np.eye(5, CLASSES))
    assert (gradient.shape, gradient.dtype) == (x.shape, np.float32)
    with pytest.raises(ValueError, match=r"dout must have the scores' shape \(5, 3\), got \(3,\)"):
        network.input_gradient(x, np.ones(3))


@EACH
@pytest.mark.parametrize("with_rng", [True, False])
def test_looking_leaves_all_as_it_was(kind, with_rng):
    np.random.seed(3)
    network = NETS[kind][0](rng=np.random.default_rng(3) if with_rng else None)
    x, t = batch(kind, n=3)
    network.gradient(x, t)  # so that running averages aren't those of the beginning
    before = everything(network)
    network.objective(x, t)
    network.numerical_gradient(x, t)
    assert gradient_check(network, x, t, max_entries=5, rng=np.random.default_rng(0))
    network.loss(x, t)
    network.predict(x)
    network.accuracy(x, t)
    with network.unchanged():
        network.gradient(x, t)
    assert everything(network) == before


@pytest.mark.parametrize("kind", RANDOM)
def test_the_objective_is_the_same_at_every_call_and_the_training_loss_is_not(kind):
    network = build(kind)
    x, t = batch(kind)
    assert len({network.objective(x, t) for _ in range(5)}) == 1
    assert len({network.loss(x, t, train_flg=True) for _ in range(5)}) > 1


@EACH
def test_the_objective_is_the_next_loss_in_training(kind):
    network = build(kind)
    x, t = batch(kind)
    assert network.objective(x, t) == network.loss(x, t, train_flg=True)


@pytest.mark.parametrize("kind", [*RANDOM, *AVERAGING])
def test_an_error_in_the_middle_leaves_no_trace(kind):
    network = build(kind)
    x, t = batch(kind)
    before = everything(network)
    for look in (network.objective, network.numerical_gradient):
        with pytest.raises(ValueError, match="labels t must lie between 0 and 2, got 3"):
            look(x, t + 3 - t)
        assert everything(network) == before


def interrupted_after(network, calls):
    right = network.loss

    def loss(x, t, train_flg=False):
        nonlocal calls
        calls -= 1
        if calls < 0:
            raise KeyboardInterrupt
        return right(x, t, train_flg)

    network.loss = loss


@EACH
@pytest.mark.parametrize("calls", [0, 1, 2, 3, 17])
def test_ctrl_c_in_the_middle_leaves_no_trace(kind, calls):
    network = build(kind)
    x, t = batch(kind)
    before = everything(network)
    for look in (network.numerical_gradient, lambda x, t: gradient_check(network, x, t)):
        interrupted_after(network, calls)
        with pytest.raises(KeyboardInterrupt):
            look(x, t)
        del network.loss
        assert everything(network) == before


@pytest.mark.parametrize("kind", AVERAGING)
def test_only_passes_in_training_move_running_averages(kind):
    network = build(kind)
    x, t = batch(kind)
    start = as_bytes(network.buffers)
    for look in (network.predict, lambda x: network.loss(x, t), lambda x: network.accuracy(x, t)):
        look(x)
        assert as_bytes(network.buffers) == start
    seen = [start]
    for train in (
        lambda: network.predict(x, True),
        lambda: network.loss(x, t, train_flg=True),
        lambda: network.gradient(x, t),
        lambda: network.loss_and_gradient(x, t),
    ):
        train()
        assert all(as_bytes(network.buffers)[key] != seen[-1][key] for key in start)
        seen.append(as_bytes(network.buffers))


def test_running_averages_are_those_of_the_layers_input():
    network = build("batch-norm")
    x, _ = batch("batch-norm")
    network.predict(x, True)
    y = x @ network.params["W1"] + network.params["b1"]
    np.testing.assert_allclose(network.buffers["running_mean1"], 0.1 * y.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(
        network.buffers["running_var1"], 0.9 + 0.1 * y.var(axis=0), rtol=1e-12
    )


@EACH
def test_inputs_and_labels_are_not_written_to(kind):
    network = build(kind)
    x, t = batch(kind)  # both read-only
    x_before, t_before = x.tobytes(), t.tobytes()
    network.loss_and_gradient(x, t)
    network.loss_and_gradient(x, frozen(np.eye(CLASSES)[t]))
    network.accuracy(x, t)
    assert x.tobytes() == x_before
    assert t.tobytes() == t_before


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))])
@pytest.mark.parametrize("kind", ["mlp", "both-and-decay", "deep-conv"])
def test_a_copy_has_a_life_of_its_own(kind, make_copy):
    network = build(kind)
    x, t = batch(kind)
    twin = make_copy(network)
    assert everything(twin) == everything(network)
    before = everything(network)
    SGD(0.1).update(twin.params, twin.gradient(x, t))
    assert everything(network) == before
    twin.set_state(network.state())
    set_random_state(twin.rng, random_state(network.rng))
    assert_same(twin.gradient(x, t), network.gradient(x, t))


# Weight decay


def pair_with_decay(decay, **options):
    """Return the same network without and with weight decay."""
    return (
        MultiLayerNetExtend(
            6, [5], 3, weight_decay_lambda=d, rng=np.random.default_rng(0), **options
        )
        for d in (0, decay)
    )


@pytest.mark.parametrize("options", [{}, {"use_batchnorm": True, "use_dropout": True}])
@pytest.mark.parametrize("train_flg", [False, True])
def test_weight_decay_adds_half_lambda_times_the_squares_of_weights_only(options, train_flg):
    plain, decayed = pair_with_decay(0.3, **options)
    x, t = batch("mlp")
    for network in (plain, decayed):
        for param in network.params.values():
            param += 0.5  # biases, gamma and beta too
    squares = sum((p**2).sum() for key, p in plain.params.items() if key in ("W1", "W2"))
    added = decayed.loss(x, t, train_flg) - plain.loss(x, t, train_flg)
    assert added == pytest.approx(0.15 * squares, rel=1e-12)
    assert np.array_equal(decayed.predict(x), plain.predict(x))


@pytest.mark.parametrize("options", [{}, {"use_batchnorm": True, "use_dropout": True}])
def test_weight_decay_adds_lambda_times_w_to_gradients_of_weights_only(options):
    plain, decayed = pair_with_decay(0.3, **options)
    x, t = batch("mlp")
    expected = plain.gradient(x, t)
    for key in ("W1", "W2"):
        expected[key] = expected[key] + 0.3 * plain.params[key]
    assert_same(decayed.gradient(x, t), expected, rtol=1e-14)


def test_weight_decay_looks_at_the_weights_as_they_are_now():
    network = MultiLayerNet(6, [5], 3, weight_decay_lambda=1, rng=np.random.default_rng(0))
    x, t = batch("mlp")
    for key, param in network.params.items():
        network.params[key] = np.zeros_like(param)
    assert network.loss(x, t) == pytest.approx(math.log(3), rel=1e-15)


# Parameters in the dict are what counts


@EACH
def test_parameters_that_were_replaced_are_used(kind):
    network, other = build(kind, 0), build(kind, 1)
    x, t = batch(kind)
    before = network.predict(x)
    for key, param in other.params.items():
        network.params[key] = param.copy()
    assert np.array_equal(network.predict(x), other.predict(x))
    assert not np.array_equal(network.predict(x), before)
    set_random_state(network.rng, random_state(other.rng))
    assert network.objective(x, t) == other.objective(x, t)
    assert_same(network.gradient(x, t), other.gradient(x, t))


@EACH
def test_a_single_replaced_parameter_is_used(kind):
    x, t = batch(kind)
    for key in build(kind).params:
        network = build(kind)
        rng = np.random.default_rng(2)
        network.params[key] = network.params[key] + rng.normal(size=network.params[key].shape)
        # biases before a batch normalization in training have no influence, but in use they have
        assert network.loss(x, t) != build(kind).loss(x, t)


@EACH
@pytest.mark.parametrize("optimizer", [SGD, Momentum, Adam])
def test_an_optimizer_changes_the_network_in_place(kind, optimizer):
    network = build(kind)
    x, t = batch(kind)
    arrays, before = dict(network.params), as_bytes(network.params)
    losses = []
    instance = optimizer(0.02)
    for _ in range(30):
        loss, grads = network.loss_and_gradient(x, t)
        instance.update(network.params, grads)
        losses.append(loss)
    assert all(network.params[key] is array for key, array in arrays.items())
    assert all(as_bytes(network.params)[key] != before[key] for key in arrays)
    assert np.mean(losses[-10:]) < np.mean(losses[:10])


@EACH
def test_a_parameter_of_a_wrong_shape_is_an_error(kind):
    network = build(kind)
    x, t = batch(kind)
    network.params["W1"] = np.zeros((2, 2))
    with pytest.raises(ValueError, match=r"expects|must have shape"):
        network.gradient(x, t)


# Inputs and labels


BOOKS_NETS = {
    "MultiLayerNet": lambda **o: MultiLayerNet(784, [20], 10, **o),
    "MultiLayerNetExtend": lambda **o: MultiLayerNetExtend(
        784, [20], 10, use_dropout=True, use_batchnorm=True, **o
    ),
    "SimpleConvNet": lambda **o: SimpleConvNet(
        conv_param={"filter_num": 3, "filter_size": 5, "pad": 0, "stride": 1}, hidden_size=10, **o
    ),
    "DeepConvNet": lambda **o: DeepConvNet(conv_params=SIX_SMALL[:3] + SIX_SMALL[3:], **o),
}
EACH_OF_THE_BOOK = pytest.mark.parametrize("make", BOOKS_NETS.values(), ids=BOOKS_NETS)


@EACH_OF_THE_BOOK
@pytest.mark.parametrize("shape", [(784,), (28, 28), (1, 784)])
def test_images_may_come_in_any_shape_of_784_pixels(make, shape):
    x, t = np.random.default_rng(0).random((4, 1, 28, 28)), np.array([3, 1, 4, 1])
    one, other = (make(rng=np.random.default_rng(0)) for _ in range(2))
    reshaped = x.reshape(4, *shape)
    assert np.array_equal(one.predict(x), other.predict(reshaped))
    assert one.accuracy(x, t) == other.accuracy(reshaped, t)
    loss, grads = one.loss_and_gradient(x, t)
    other_loss, other_grads = other.loss_and_gradient(reshaped, t)
    assert loss == other_loss
    assert_same(other_grads, grads)


@EACH
@pytest.mark.parametrize("given_dtype", [np.float64, np.float32, np.float16, np.uint8, bool])
def test_float32_stays_float32(kind, given_dtype):
    network = build(kind, dtype=np.float32)
    x, t = batch(kind)
    x = (x * 3).clip(0).astype(given_dtype)
    single = np.dtype(np.float32)
    assert network.predict(x).dtype == network.predict(x, True).dtype == single
    for labels in (t, np.eye(CLASSES)[t], np.eye(CLASSES, dtype=np.uint8)[t]):
        loss, grads = network.loss_and_gradient(x, labels)
        for value in (loss, network.loss(x, labels), network.objective(x, labels)):
            assert value.dtype == single
        assert {g.dtype for g in grads.values()} == {single}
    for optimizer in (Momentum(0.01), Adam(0.01)):
        optimizer.update(network.params, network.gradient(x, t))
    assert {array.dtype for array in network.state().values()} == {single}
    assert 0 <= network.accuracy(x, t) <= 1


@EACH
def test_float32_agrees_with_float64(kind):
    single, double = build(kind, dtype=np.float32), build(kind)
    x, t = batch(kind)
    np.testing.assert_allclose(single.predict(x), double.predict(x), rtol=1e-4, atol=1e-5)
    loss, grads = single.loss_and_gradient(x, t)
    expected, expected_grads = double.loss_and_gradient(x, t)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert_same(grads, expected_grads, rtol=1e-3, atol=1e-4)


@EACH
def test_labels_may_be_numbers_a_column_or_one_hot(kind):
    x, t = batch(kind)
    expected, expected_grads = build(kind).loss_and_gradient(x, t)
    accuracy = build(kind).accuracy(x, t)
    for labels in (
        t[:, np.newaxis],
        t.astype(np.uint8),
        np.eye(CLASSES)[t],
        np.eye(CLASSES, dtype=int)[t],
        np.eye(CLASSES, dtype=bool)[t],
    ):
        loss, grads = build(kind).loss_and_gradient(x, labels)
        assert loss == pytest.approx(expected, rel=1e-14)
        assert_same(grads, expected_grads, rtol=1e-12, atol=1e-15)
        assert build(kind).accuracy(x, labels) == accuracy
        assert build(kind).loss(x, labels) == pytest.approx(build(kind).loss(x, t), rel=1e-14)


def test_lists_are_inputs_and_labels_too():
    network = build("mlp")
    x, t = batch("mlp")
    assert network.loss(x.tolist(), t.tolist()) == network.loss(x, t)
    assert network.accuracy(x.tolist(), t.tolist()) == network.accuracy(x, t)
    assert_same(network.gradient(x.tolist(), t.tolist()), network.gradient(x, t))


@EACH
@DTYPES
def test_a_batch_of_one(kind, dtype):
    network = build(kind, dtype=dtype)
    x, t = batch(kind)
    together = network.predict(x)
    alone = np.concatenate([network.predict(row[np.newaxis]) for row in x])
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-5)
    loss, grads = network.loss_and_gradient(x[:1], t[:1])
    assert math.isfinite(loss)
    assert all(np.isfinite(g).all() for g in grads.values())
    assert network.accuracy(x[:1], t[:1]) in (0, 1)


@EACH
def test_an_empty_batch_is_one_clear_error(kind):
    network = build(kind)
    x, t = batch(kind)
    before = everything(network)
    for call in (
        network.loss,
        network.gradient,
        network.loss_and_gradient,
        network.objective,
        network.accuracy,
        network.numerical_gradient,
        lambda x, t: network.predict(x),
        lambda x, t: network.predict(x, True),
    ):
        with pytest.raises(ValueError, match="the batch is empty: expected at least one"):
            call(x[:0], t[:0])
    assert everything(network) == before


@EACH
def test_inputs_that_do_not_fit_are_refused_by_shape(kind):
    network = build(kind)
    x, t = batch(kind)
    shape = rf"x must be a batch of shape \(N, {x[0].size}\)"
    for method in ("predict", "loss", "gradient", "numerical_gradient", "accuracy"):
        call, labels = getattr(network, method), () if method == "predict" else (t,)
        for bad in (x.reshape(len(x), -1)[:, :-1], x[0].ravel(), np.float64(1)):
            with pytest.raises(ValueError, match=shape):
                call(bad, *labels)
        with pytest.raises(TypeError, match="x must hold real numbers, got complex128"):
            call(x.astype(complex), *labels)


@EACH
@pytest.mark.parametrize(
    ("alter", "error", "message"),
    [
        (lambda t: t[:-1], ValueError, "one label for each of the 5 rows, got 4"),
        (lambda t: t + CLASSES, ValueError, "labels t must lie between 0 and 2, got"),
        (lambda t: t - CLASSES, ValueError, "labels t must lie between 0 and 2, got -"),
        (lambda t: t.astype(float), TypeError, "labels t must be integers, got float64"),
        (lambda t: np.eye(4)[t], ValueError, r"one-hot of shape \(5, 3\), got \(5, 4\)"),
        (lambda t: np.ones((5, 3)), ValueError, "sum to 1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(kind, alter, error, message):
    x, t = batch(kind)
    for method in ("loss", "gradient", "objective", "accuracy"):
        with pytest.raises(error, match=message):
            getattr(build(kind), method)(x, alter(t))


@EACH
def test_what_is_not_finite_is_named(kind):
    network = build(kind)
    x, t = batch(kind)
    bad = x.copy()
    bad.reshape(5, -1)[3, 0] = np.nan
    index = r"\(3, " + ", ".join(["0"] * (x.ndim - 1)) + r"\)"
    calls = (network.loss, network.gradient, network.loss_and_gradient, network.accuracy)
    for call in calls:
        with pytest.raises(NonFiniteError, match=f"x holds 1 NaN or infinite values.* {index}"):
            call(bad, t)
    last = [key for key in network.params if key.startswith("b")][-1]
    network.params[last][0] = np.nan
    for call in calls:
        with pytest.warns(DivergenceWarning, match=f"{last} holds NaN or infinity"):
            call(x, t)


# Evaluation in chunks


@EACH
@DTYPES
def test_accuracy_does_not_depend_on_the_batch_size(kind, dtype):
    network = build(kind, dtype=dtype)
    x, t = batch(kind, n=53)
    network.gradient(x, t)  # gives batch normalization something to use
    expected = np.mean(network.predict(x).argmax(axis=1) == t)
    assert 0 < expected < 1
    for size in (None, 1, 7, 52, 53, 54, 1000):
        assert network.accuracy(x, t, size) == expected
        assert network.accuracy(x, np.eye(CLASSES)[t], size) == expected


def test_the_accuracy_of_a_deep_network_needs_little_memory():
    network = DeepConvNet(rng=np.random.default_rng(0), dtype=np.float32)
    rng = np.random.default_rng(1)
    x, t = rng.random((300, 1, 28, 28), np.float32), rng.integers(0, 10, 300)
    tracemalloc.start()
    try:
        network.accuracy(x, t)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Measured: 32 MB, and 68 MB with all 300 images at once. What 100 of them are between the first
    # two convolutions takes 5 MB, and their windows of 3 × 3 pixels would take nine times that.
    assert peak < 50e6


# Parameters on disk, and in a dict


def trained(kind, seed=0, dtype=np.float64):
    network = build(kind, seed, dtype)
    optimizer = Adam(0.01)
    for n in range(3):
        optimizer.update(network.params, network.gradient(*batch(kind, seed=n)))
    return network


@EACH
@DTYPES
def test_parameters_and_running_averages_come_back_bit_for_bit(tmp_path, kind, dtype):
    path = tmp_path / "params.npz"
    saved, loaded = trained(kind, 0, dtype), build(kind, 1, dtype)
    arrays = dict(loaded.params)
    saved.save_params(path)
    loaded.load_params(path)
    assert as_bytes(loaded.state()) == as_bytes(saved.state())
    assert all(loaded.params[key] is array for key, array in arrays.items())
    x, t = batch(kind)
    assert np.array_equal(loaded.predict(x), saved.predict(x))
    assert loaded.loss(x, t) == saved.loss(x, t)
    with np.load(path, allow_pickle=False) as file:
        assert set(file.files) == {*saved.params, *saved.buffers}


@pytest.mark.parametrize("kind", AVERAGING)
def test_running_averages_are_copied(kind):
    source, target = trained(kind), build(kind, 1)
    target.set_state(source.state())
    before = as_bytes(source.state())
    target.gradient(*batch(kind))
    for buffer in target.buffers.values():
        buffer += 7
    assert as_bytes(source.state()) == before


DIFFERENT = {
    "other widths": (MultiLayerNet(6, [4, 5], 3), "W1 in .* shape"),
    "one layer less": (MultiLayerNet(6, [5], 3), "holds the parameters"),
    "one layer more": (MultiLayerNet(6, [5, 4, 4], 3), "holds the parameters"),
    "other input": (MultiLayerNet(7, [5, 4], 3), r"W1 in .* \(7, 5\).* \(6, 5\)"),
    "other classes": (MultiLayerNet(6, [5, 4], 4), r"W3 in .* \(4, 4\).* \(4, 3\)"),
    "batch norm": (MultiLayerNetExtend(6, [5, 4], 3, use_batchnorm=True), "gamma1"),
    "filters": (SimpleConvNet((1, 10, 10), CONV), r"W1 in .* \(2, 1, 3, 3\).* \(6, 5\)"),
}


@pytest.mark.parametrize("other", DIFFERENT)
def test_parameters_of_a_network_built_otherwise_are_refused(tmp_path, other):
    source, message = DIFFERENT[other]
    source.save_params(tmp_path / "params.npz")
    network = build("mlp")
    before = everything(network)
    with pytest.raises(ValueError, match=message):
        network.load_params(tmp_path / "params.npz")
    assert everything(network) == before


@pytest.mark.parametrize("kind", AVERAGING)
def test_running_averages_that_are_missing_or_of_a_wrong_shape_are_refused(kind):
    network, source = build(kind), trained(kind)
    before = everything(network)
    state = source.state()
    for bad, message in (
        (source.params, "running_mean1"),
        (state | {"running_var1": np.ones(9)}, r"running_var1 in the given dict has shape \(9,\)"),
        (state | {"running_mean2": np.float64(1)}, r"running_mean2 .* shape \(\)"),
        (state | {"running_mean1": np.ones(source.buffers["running_mean1"].shape, int)}, "int64"),
        (state | {"beta1": np.ones((1, *source.params["beta1"].shape))}, "beta1 .* shape"),
    ):
        with pytest.raises(ValueError, match=message):
            network.set_state(bad)
        assert everything(network) == before


# Arguments that make no network


BAD_MULTI_LAYER = {
    "input 0": (
        {"input_size": 0},
        ValueError,
        "sizes of the input must be positive integers, got 0",
    ),
    "input float": ({"input_size": 6.0}, ValueError, r"sizes of the input .* got 6\.0"),
    "input None": ({"input_size": None}, ValueError, "sizes of the input .* got None"),
    "hidden 0": ({"hidden_size_list": [5, 0]}, ValueError, "layer sizes must be .* got 0"),
    "hidden float": ({"hidden_size_list": [5.5]}, ValueError, r"layer sizes .* got 5\.5"),
    "hidden negative": ({"hidden_size_list": [-5]}, ValueError, "layer sizes .* got -5"),
    "output 0": ({"output_size": 0}, ValueError, "layer sizes .* got 0"),
    "activation": ({"activation": "tanh"}, ValueError, "activation must be .* got 'tanh'"),
    "no activation": ({"activation": None}, ValueError, "activation must be .* got None"),
    "word": ({"weight_init_std": "tanh"}, ValueError, "weight_init_std must be .* got 'tanh'"),
    "spread": ({"weight_init_std": -0.1}, ValueError, r"weight_init_std must be .* got -0\.1"),
    "spread NaN": ({"weight_init_std": np.nan}, ValueError, "weight_init_std must be .* got nan"),
    "decay": ({"weight_decay_lambda": -1}, ValueError, "weight_decay_lambda must be .* got -1"),
    "decay NaN": ({"weight_decay_lambda": np.nan}, ValueError, "weight_decay_lambda .* got nan"),
    "decay inf": ({"weight_decay_lambda": np.inf}, ValueError, "weight_decay_lambda .* got inf"),
    "dtype": ({"dtype": int}, TypeError, "floating-point type, got int64"),
}


@pytest.mark.parametrize("net", [MultiLayerNet, MultiLayerNetExtend])
@pytest.mark.parametrize("bad", BAD_MULTI_LAYER)
def test_bad_arguments_of_fully_connected_networks(net, bad):
    arguments, error, message = BAD_MULTI_LAYER[bad]
    with pytest.raises(error, match=message):
        net(**{"input_size": 6, "hidden_size_list": [5], "output_size": 3} | arguments)


@pytest.mark.parametrize("ratio", [1, 1.5, -0.1, np.nan])
def test_bad_ratios_of_dropout(ratio):
    message = rf"dropout_ratio.* must be at least 0 and below 1, got {ratio}"
    with pytest.raises(ValueError, match=message):
        MultiLayerNetExtend(6, [5], 3, use_dropout=True, dropout_ration=ratio)
    with pytest.raises(ValueError, match=message):
        DeepConvNet((1, 4, 4), SIX_SMALL, dropout_ratio=ratio)


BAD_CONV = {
    "no image": ({"input_dim": (10, 10)}, r"images \(C, H, W\) are needed here, not shape"),
    "four sizes": ({"input_dim": (1, 1, 10, 10)}, r"images \(C, H, W\) are needed here"),
    "no pixels": ({"input_dim": (1, 0, 10)}, "sizes of the input must be .* got 0"),
    "half a pixel": ({"input_dim": (1, 10, 9.5)}, r"sizes of the input .* got 9\.5"),
    "too small": ({"input_dim": (1, 2, 10)}, "window of 3 pixels is larger than the image: 2 pix"),
    "too small to pool": ({"input_dim": (1, 3, 3)}, r"window of [23] pixels is larger .* 1 pixels"),
    "hidden": ({"hidden_size": 0}, "layer sizes must be .* got 0"),
    "classes": ({"output_size": -1}, "layer sizes must be .* got -1"),
    "spread": ({"weight_init_std": "normal"}, "weight_init_std must be .* got 'normal'"),
    "filter_num": ({"filter_num": 0}, "filter_num and filter_size must be .* got 0"),
    "filter_size": ({"filter_size": 2.5}, r"filter_num and filter_size must be .* got 2\.5"),
    "large filter": ({"filter_size": 11}, "window of 11 pixels is larger than the image: 10 pix"),
    "pad": ({"pad": -1}, "pad must be a whole number of at least 0, got -1"),
    "stride": ({"stride": 0}, "stride must be a whole number of at least 1, got 0"),
}


@pytest.mark.parametrize("bad", BAD_CONV)
def test_bad_arguments_of_convolutional_networks(bad):
    (arguments, message), conv = BAD_CONV[bad], CONV
    if arguments.keys() <= CONV.keys():
        arguments, conv = {}, CONV | arguments
    with pytest.raises(ValueError, match=message):
        SimpleConvNet(**{"input_dim": (1, 10, 10), "conv_param": conv} | arguments)
    arguments = {k: v for k, v in arguments.items() if k != "weight_init_std"}
    if arguments or conv is not CONV:
        with pytest.raises(ValueError, match=message):
            DeepConvNet(**{"input_dim": (1, 10, 10), "conv_params": [conv, conv]} | arguments)


@pytest.mark.parametrize(
    ("conv", "message"),
    [(CONV | {"filters": 3}, "filters"), ({"filter_num": 3}, "filter_size")],
)
def test_misspelt_or_missing_parameters_of_a_convolution_are_named(conv, message):
    with pytest.raises(TypeError, match=message):
        SimpleConvNet((1, 10, 10), conv)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: MultiLayerNet(6, 5, 3), "hidden_size_list"),
        (lambda: MultiLayerNet(6, [5], 3, weight_init_std=None), "weight_init_std"),
        (lambda: MultiLayerNet(6, [5], 3, weight_decay_lambda=None), "weight_decay_lambda"),
        (lambda: MultiLayerNet(6, [5], 3, weight_decay_lambda="0.1"), "weight_decay_lambda"),
        (lambda: DeepConvNet((1, 8, 8), dropout_ratio=None), "dropout_ratio"),
        (lambda: SimpleConvNet(28), "input_dim"),
        (lambda: DeepConvNet((1, 8, 8), CONV), "conv_params"),
        (lambda: MultiLayerNet(6, [5], 3, rng=0), "rng"),
        (lambda: MultiLayerNet(6, [True], 3), "layer sizes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_arguments_of_a_wrong_type_are_named(make, name):
    with pytest.raises((TypeError, ValueError), match=name):
        make()


def test_a_bad_activation_is_refused_also_where_it_is_not_used():
    with pytest.raises(ValueError, match="activation"):
        MultiLayerNet(6, [], 3, activation="tanh")


@pytest.mark.parametrize("layer", ["add_convolution", "add_pooling"])
def test_images_are_needed_before_a_convolution(layer):
    network = LayerNetwork((4,))
    network.add_affine(9)
    with pytest.raises(ValueError, match=r"images \(C, H, W\) are needed here, not shape \(9,\)"):
        getattr(network, layer)(2, 2)
    assert list(network.layers) == ["Affine1"]


# Against PyTorch


def in_torch(torch, network, x, t):
    """Return loss and gradients of the same network, written with torch.nn.functional."""
    F = torch.nn.functional
    params = {key: torch.tensor(param, requires_grad=True) for key, param in network.params.items()}
    y = torch.tensor(x.astype(network.dtype)).reshape(len(x), *network.input_shape)
    weights, norms = iter(range(1, 99)), iter(range(1, 99))
    for name, layer in network.layers.items():
        kind = name.rstrip("0123456789")
        if kind in ("Affine", "Conv"):
            number = next(weights)
            W, b = params[f"W{number}"], params[f"b{number}"]
        if kind == "Affine":
            y = y.flatten(1) @ W + b
        elif kind == "Conv":
            y = F.conv2d(y, W, b, stride=layer.stride, padding=layer.pad)
        elif kind == "Pool":
            y = F.max_pool2d(y, layer.pool_h, layer.stride)
        elif kind == "BatchNorm":
            number = next(norms)
            gamma, beta = params[f"gamma{number}"], params[f"beta{number}"]
            y = F.batch_norm(y, None, None, gamma, beta, training=True, eps=1e-6)
        elif kind == "Dropout":  # the mask that the NumPy network has drawn
            y = y * torch.tensor(layer.mask)
        else:
            y = {"Relu": torch.relu, "Sigmoid": torch.sigmoid}[kind](y)
    loss = F.cross_entropy(y, torch.tensor(t))
    decay = sum((p**2).sum() for key, p in params.items() if key.startswith("W"))
    loss = loss + network.weight_decay_lambda / 2 * decay
    loss.backward()
    return loss.item(), {key: param.grad.numpy() for key, param in params.items()}


TORCH_NETS = {
    **{kind: (lambda kind=kind, **o: NETS[kind][0](**o), NETS[kind][1]) for kind in NETS},
    "SimpleConvNet": (lambda **o: SimpleConvNet(weight_init_std="he", **o), (1, 28, 28)),
    "SimpleConvNet with pad and stride": (
        lambda **o: SimpleConvNet(
            (3, 13, 12), {"filter_num": 4, "filter_size": 3, "pad": 2, "stride": 2}, 7, **o
        ),
        (3, 13, 12),
    ),
    "DeepConvNet": (DeepConvNet, (1, 28, 28)),
}


@pytest.mark.parametrize("kind", TORCH_NETS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-4)])
def test_loss_and_gradients_are_those_of_torch(kind, dtype, tolerance):
    torch = pytest.importorskip("torch")
    make, shape = TORCH_NETS[kind]
    rng = np.random.default_rng(0)
    network = make(rng=np.random.default_rng(1), dtype=dtype)
    for param in network.params.values():
        param += 0.02 * rng.normal(size=param.shape).astype(dtype)
    x, t = rng.random((6, *shape)), rng.integers(0, CLASSES, 6)
    loss, grads = network.loss_and_gradient(x, t)
    expected, expected_grads = in_torch(torch, network, x, t)
    assert loss == pytest.approx(expected, rel=tolerance)
    largest = max(np.abs(g).max() for g in expected_grads.values())
    for key, g in expected_grads.items():
        # The gradient of a bias before a batch normalization is 0, and rounding all that is left.
        scale = max(np.abs(g).max(), 0.1 * largest)
        np.testing.assert_allclose(grads[key], g, rtol=0, atol=tolerance * scale, err_msg=key)
