"""One source of truth for parameters: what is assigned to ``params`` or to ``layers`` is used."""

import copy
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import pytest

from common.layers import Affine, BatchNormalization, Convolution, Dropout, Layer, Relu, Sigmoid
from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net_extend import MultiLayerNetExtend
from common.optimizer import SGD
from common.support.errors import NonFiniteError
from common.support.random_state import random_state, set_random_state
from tests.common.networks.examples import CLASSES, NETWORKS, batch, build, state_of
from tests.helpers import as_bytes, assert_close

OF_LAYERS = [kind for kind in NETWORKS if kind not in ("chapter 4", "DeepConvNet")]


# Layers that a reader may write


class Scale:
    """Not derived from Layer, with a parameter of its own: y = s x."""

    param_names = ("s",)

    def __init__(self, units=5):
        self.s = np.linspace(0.5, 1.5, units)

    def forward(self, x):
        self.x = x
        return x * self.s

    def backward(self, dout):
        self.ds = (dout * self.x).sum(axis=0)
        return dout * self.s


class Swish(Layer):
    """Derived from Layer, without parameters."""

    def forward(self, x):
        self.x = x
        return x / (1 + np.exp(-x))

    def backward(self, dout):
        p = 1 / (1 + np.exp(-self.x))
        return dout * p * (1 + self.x * (1 - p))


@dataclass
class Gain:
    """Equal to others without being the same; the names of its parameters are not declared."""

    factor: float
    gamma: np.ndarray

    def forward(self, x):
        self.x = x
        return self.factor * self.gamma * x

    def backward(self, dout):
        self.dgamma = (dout * self.factor * self.x).sum(axis=0)
        return dout * self.factor * self.gamma


class BooksDropout:
    """The book's: without an attribute rng, it draws from NumPy's global random numbers."""

    def __init__(self, dropout_ratio=0.5):
        self.dropout_ratio = dropout_ratio

    def forward(self, x, train_flg=True):
        if train_flg:
            self.mask = np.random.rand(*x.shape) > self.dropout_ratio
            return x * self.mask
        return x * (1.0 - self.dropout_ratio)

    def backward(self, dout):
        return dout * self.mask


class Jitter:
    """Draws in every pass, from a source of its own."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        self.factor = 1 + self.rng.random(x.shape)
        return x * self.factor

    def backward(self, dout):
        return dout * self.factor


class Centering:
    """Not derived from Layer, with a running average, as the book's BatchNormalization has it."""

    def __init__(self):
        self.running_mean = np.zeros(5)

    def forward(self, x, train_flg=True):
        if not train_flg:
            return x - self.running_mean
        self.running_mean = 0.9 * self.running_mean + 0.1 * x.mean(axis=0)
        return x - x.mean(axis=0)

    def backward(self, dout):
        return dout - dout.mean(axis=0)


class Noise:
    """Takes `train_flg` by name only, and has a source of random numbers of an older kind."""

    def __init__(self, rng=None):
        self.rng = np.random.RandomState(0) if rng is None else rng

    def forward(self, x, scale=0.5, *, train_flg=False):
        self.factor = scale + (self.rng.uniform(size=x.shape) if train_flg else 0.5)
        return x * self.factor

    def backward(self, dout):
        return dout * self.factor


def assert_consistent(network):
    """All methods see the same parameters, and see them in `params` and in the layers."""
    x, t = batch(network, n=16)
    numerical = network.numerical_gradient(x, t, h=1e-6)
    with network.unchanged():
        backprop = network.gradient(x, t)
    scale = max(np.abs(g).max() for g in backprop.values())
    assert_close(numerical, backprop, 1e-5, scale)
    assert list(backprop) == list(network.params) == list(network.param_owners())
    assert type(network.params) is dict
    for key, (layer, name) in network.param_owners().items():
        assert getattr(layer, name) is network.params[key]


def replace_in_params(network, key, array):
    network.params[key] = array


def replace_in_layer(network, key, array):
    layer, name = network.param_owners()[key]
    setattr(layer, name, array)


def replace_layer(network, key, array):
    owners = network.param_owners()
    old, name = owners[key]
    new = copy.copy(old)
    setattr(new, name, array)
    network.layers[next(k for k, layer in network.layers.items() if layer is old)] = new


def replace_dict(network, key, array):
    network.params = {k: array if k == key else param for k, param in network.params.items()}


WAYS = [replace_in_params, replace_in_layer, replace_layer, replace_dict]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", OF_LAYERS)
def test_a_replaced_parameter_is_used_by_the_next_call_whatever_it_is(kind, way, tmp_path):
    def save(network):
        network.save_params(tmp_path / "params.npz")
        with np.load(tmp_path / "params.npz") as file:
            return as_bytes(file)

    calls = [
        lambda n: n.predict(x).tobytes(),
        lambda n: n.loss(x, t),
        lambda n: n.objective(x, t),
        lambda n: as_bytes(n.gradient(x, t)),
        lambda n: as_bytes(n.loss_and_gradient(x, t)[1]),
        lambda n: as_bytes(n.numerical_gradient(x, t)),
        lambda n: as_bytes(n.state()),
        lambda n: as_bytes({k: getattr(*owner) for k, owner in n.param_owners().items()}),
        save,
    ]
    keys = list(build(kind).params)
    x, t = batch(build(kind))
    for number, call in enumerate(calls):
        key = keys[number % len(keys)]
        expected, network = build(kind), build(kind)
        before = call(build(kind))
        network.predict(x)
        array = expected.params[key] * -0.7 + 0.3
        expected.params[key][...] = array
        way(network, key, array)
        assert call(network) == call(expected) != before
        assert network.params[key] is array
        owner, name = network.param_owners()[key]
        assert getattr(owner, name) is array


@pytest.mark.parametrize("kind", NETWORKS)
def test_all_parameters_at_once(kind):
    network, other = build(kind, 0), build(kind, 1)
    x, t = batch(network)
    network.gradient(x, t)
    for key, param in other.params.items():
        network.params[key] = param.copy()
    network.set_state(network.params | other.buffers)
    set_random_state(network.rng, random_state(other.rng))
    assert np.array_equal(network.predict(x), other.predict(x))
    assert as_bytes(network.gradient(x, t)) == as_bytes(other.gradient(x, t))


@pytest.mark.parametrize("kind", OF_LAYERS)
def test_replaced_in_both_is_one_error_unless_by_the_same_array(kind):
    for key in build(kind).params:
        network = build(kind)
        x, t = batch(network)
        one, other = (np.full_like(network.params[key], value) for value in (0.1, 0.2))
        replace_in_layer(network, key, one)
        network.params[key] = other
        for call in (network.gradient, network.loss, network.accuracy, network.numerical_gradient):
            with pytest.raises(ValueError, match=f"{key} was replaced both in params and in the l"):
                call(x, t)
        layer, name = network._parameters.owners[key]
        assert network.params[key] is other
        assert getattr(layer, name) is one
        for array in (one, other):
            network.params[key] = array
            setattr(layer, name, array)
            network.predict(x)
        network.params[key] = one  # and on one side again
        network.predict(x)
        assert getattr(layer, name) is one


@pytest.mark.parametrize(
    ("key", "layer", "params"),
    [
        ("Activation_function1", Sigmoid, []),
        ("Activation_function1", Swish, []),
        ("Activation_function1", Scale, ["Activation_function1.s"]),
        ("Activation_function1", lambda: Gain(2.0, np.arange(5.0)), ["gamma3"]),
        ("BatchNorm1", lambda: BatchNormalization(np.arange(5.0), np.ones(5)), []),
        ("BatchNorm1", lambda: BatchNormalization(1.0, 0.0), []),
        ("Affine2", lambda: Affine(np.ones((5, 4)) / 5, 0.1), []),
        ("Dropout1", Dropout, []),
        ("Dropout1", lambda: Dropout(1.0, rng=np.random.default_rng(5)), []),
        ("Dropout1", BooksDropout, []),
        ("Dropout1", Noise, []),
        ("Dropout1", lambda: Affine(np.eye(5), np.zeros(5)), ["W4", "b4"]),
    ],
)
def test_any_layer_may_take_the_place_of_another(key, layer, params, tmp_path):
    network, loaded = build("everything"), build("everything", 1)
    x, t = batch(network)
    before = network.loss_and_gradient(x, t)
    for n in (network, loaded):
        n.layers[key] = layer()
        assert_consistent(n)
    assert set(network.params) == {*before[1], *params}
    assert {key[-1] for key in network.buffers} == {"1", "2"}
    start = state_of(network)
    network.numerical_gradient(x, t)
    with pytest.raises(ValueError, match="labels t must lie between"):
        network.gradient(x, t + 3)
    assert state_of(network) == start
    network.predict(x)
    SGD(0.1).update(network.params, network.gradient(x, t))
    network.save_params(tmp_path / "params.npz")
    loaded.gradient(x, t)  # gives running averages that were numbers one element per feature
    loaded.load_params(tmp_path / "params.npz")
    assert as_bytes(loaded.state()) == as_bytes(network.state()) != start[0]
    twin = copy.deepcopy(network)
    assert np.array_equal(loaded.predict(x), network.predict(x))
    assert np.array_equal(twin.predict(x), network.predict(x))
    twin.layers["Affine1"].W = np.ones((6, 5))
    assert_consistent(twin)
    assert (twin.params["W1"] == 1).all()
    assert (network.params["W1"] != 1).all()


def test_a_readers_layer_may_have_running_averages():
    network = build("weight decay")
    x, t = batch(network)
    network.layers["Activation_function1"] = Centering()
    assert_consistent(network)
    assert list(network.buffers) == ["running_mean1"]
    before = state_of(network)
    with pytest.raises(ValueError, match="labels t must lie between"):
        network.gradient(x, t + 3)
    assert state_of(network) == before
    network.gradient(x, t)
    assert network.buffers["running_mean1"].all()


def test_nan_in_x_is_refused_also_by_a_readers_first_layer():
    network = build("chapter 5")
    x, t = batch(network)
    scale = Scale(6)
    scale.input_gradient = False  # which means something only in a layer derived from Layer
    network.layers["Affine1"].input_gradient = True
    network.layers = {"Scale1": scale, **network.layers}
    assert_consistent(network)
    with pytest.raises(NonFiniteError, match="x holds 5 NaN"):
        network.gradient(np.where(np.arange(6) == 1, np.nan, x), t)


def test_dropout_is_switched_by_name_wherever_its_argument_stands():
    network = MultiLayerNet(6, [5], CLASSES, Noise)
    x, _ = batch(network)
    network.predict(x)
    assert network.layers["Activation_function1"].factor == 1
    network.predict(x, train_flg=True)
    assert network.layers["Activation_function1"].factor.shape == (5, 5)


@pytest.mark.parametrize("activation", [Relu, Sigmoid, Swish, Scale, BooksDropout, Noise, Jitter])
@pytest.mark.parametrize("net", [MultiLayerNet, MultiLayerNetExtend])
@pytest.mark.parametrize("with_rng", [True, False])
def test_the_activation_may_be_a_layer_class(net, activation, with_rng):
    network = net(
        6, [5, 5], CLASSES, activation, rng=np.random.default_rng(0) if with_rng else None
    )
    layers = [network.layers[f"Activation_function{i}"] for i in (1, 2)]
    assert [type(layer) for layer in layers] == [activation] * 2
    for param in network.params.values():
        param += 0.1
    assert_consistent(network)


def test_a_dataclass_that_is_equal_to_the_old_layer_is_another_layer():
    network = build("chapter 5")
    x, t = batch(network)
    network.layers["Relu1"] = Gain(2.0, np.ones(5))
    network.gradient(x, t)
    for gamma in (np.ones(5), np.ones(5), 1.0, 1.0):
        new = Gain(2.0, gamma)
        network.layers["Relu1"] = new
        assert_consistent(network)
        assert network.param_owners()["gamma1"][0] is new


def test_a_layer_without_w_takes_w_out_of_params_and_another_brings_it_back():
    network = build("weight decay")
    x, t = batch(network)
    W, b = (network.params[key] for key in ("W2", "b2"))
    network.layers["Affine2"] = Relu()
    network.layers["Affine3"] = Affine(np.ones((5, 3)), np.zeros(3))
    assert_consistent(network)
    assert list(network.params) == ["W1", "b1", "W3", "b3"]
    network.layers["Affine2"] = Convolution(np.ones((1, 1, 1, 1)), np.zeros(1))
    with pytest.raises(ValueError, match="images must have shape"):
        network.gradient(x, t)
    network.layers["Affine2"] = Affine(W, b)
    network.params["W3"] = np.ones((4, 3))
    assert_consistent(network)
    assert list(network.params) == ["W1", "b1", "W2", "b2", "W3", "b3"]


@pytest.mark.parametrize("kind", ["chapter 5", "weight decay", "everything"])
def test_a_new_key_appends_a_layer_and_a_deleted_one_is_gone(kind):
    network = build(kind)
    scores = network.predict(batch(network)[0])
    weights = [key for key in network.params if key[0] == "W"]
    number = len(weights) + 1
    network.layers["Affine9"] = Affine(np.eye(CLASSES)[:, ::-1], np.zeros(CLASSES))
    assert_consistent(network)
    assert list(network.params)[-2:] == [f"W{number}", f"b{number}"]
    assert np.array_equal(network.predict(batch(network)[0]), scores[:, ::-1])
    network.layers["Relu9"] = Sigmoid()
    assert_consistent(network)
    del network.layers["Affine9"], network.layers["Relu9"]
    assert_consistent(network)
    assert np.array_equal(network.predict(batch(network)[0]), scores)
    hidden = next(key for key in network.layers if key.startswith(("Relu", "Activation")))
    del network.layers[hidden]
    assert_consistent(network)


def test_a_deleted_batch_normalization_leaves_its_number_free():
    network, x = build("everything"), batch(build("everything"))[0]
    del network.layers["BatchNorm1"]
    assert_consistent(network)
    expected = ["gamma2", "beta2", "running_mean2", "running_var2"]
    assert [key for key in network.state() if key[0] not in "Wb" or "beta" in key] == expected
    network.layers = OrderedDict(reversed(network.layers.items()))
    with pytest.raises(ValueError, match="x must have"):
        network.predict(x)


def test_a_layer_may_get_another_key():
    network = build("weight decay")
    network.layers["Activation_function1"] = Scale()
    network.predict(batch(network)[0])
    keys = [key.replace("Activation_function", "Mine") for key in network.layers]
    network.layers = dict(zip(keys, network.layers.values(), strict=True))
    assert_consistent(network)
    assert "Mine1.s" in network.params


def test_a_layer_may_be_put_before_the_first():
    network = build("chapter 5")
    network.layers = {"Sigmoid1": Sigmoid(), **network.layers}
    x, t = batch(network)
    assert_close(network.gradient(x, t), network.numerical_gradient(x, t), 1e-6)


def test_all_layers_or_all_parameters_may_be_replaced():
    network, other = build("chapter 5"), build("chapter 5", 1)
    x, t = batch(network)
    network.layers = OrderedDict(other.layers)
    assert as_bytes(network.gradient(x, t)) == as_bytes(other.gradient(x, t))
    assert as_bytes(network.params) == as_bytes(other.params)
    for key, shape in (("W1", (6, 7)), ("b1", (7,)), ("W2", (7, 3))):  # a wider hidden layer
        network.params[key] = np.random.default_rng(0).normal(size=shape)
    assert_consistent(network)


def test_parameters_may_come_with_a_new_layer_as_in_the_books_listings():
    network = build("chapter 5")
    network.params["W3"], network.params["b3"] = np.ones((3, 3)), np.zeros(3)
    network.layers["Affine3"] = Affine(network.params["W3"], network.params["b3"])
    assert_consistent(network)
    network = build("chapter 5")
    network.params["W3"] = np.ones((3, 3))
    network.layers["Affine3"] = Affine(np.zeros((3, 3)), np.zeros(3))
    with pytest.raises(ValueError, match="W3 was replaced both"):
        network.predict(batch(network)[0])


@pytest.mark.parametrize(
    ("key", "value", "shape"), [("b1", [0.1] * 5, (5,)), ("b1", np.arange(5), (5,)), ("b1", 2, ())]
)
@pytest.mark.parametrize("way", [replace_in_params, replace_in_layer])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_list_integers_or_a_number_become_an_array(key, value, shape, way, dtype):
    network = build("chapter 5", dtype=dtype)
    x, t = batch(network)
    way(network, key, value)
    assert network.numerical_gradient(x, t)[key].shape == shape
    SGD(0.1).update(network.params, network.gradient(x, t))
    assert network.gradient(x, t)[key].shape == network.params[key].shape == shape
    for array in (*network.params.values(), network.predict(x)):
        assert array.dtype == dtype
    if dtype == np.float64:
        assert_consistent(network)


@pytest.mark.parametrize("kind", ["weight decay", "everything"])
def test_weight_decay_is_for_w_of_any_layer_and_for_nothing_else(kind):
    class Weird(Scale):
        pass

    network, plain = build(kind), build(kind)
    plain.weight_decay_lambda = 0
    x, t = batch(network)
    for n in (network, plain):
        n.layers["W_like"] = Weird(CLASSES)
        n.layers["Affine9"] = Affine(np.ones((CLASSES, CLASSES)), np.ones(CLASSES))
    weights = [key for key in network.gradient(x, t) if key in ("W1", "W2", "W3", "W4")]
    set_random_state(network.rng, random_state(plain.rng))
    network.set_state(plain.state())
    (loss, grads), (expected, expected_grads) = (
        n.loss_and_gradient(x, t) for n in (network, plain)
    )
    squares = sum((network.params[key] ** 2).sum() for key in weights)
    assert len(weights) == 4
    assert loss - expected == pytest.approx(0.05 * squares, rel=1e-12)
    assert network.loss(x, t) - plain.loss(x, t) == pytest.approx(0.05 * squares, rel=1e-12)
    for key in weights:
        expected_grads[key] = expected_grads[key] + 0.1 * network.params[key]
    assert_close(grads, expected_grads, 1e-13)


@pytest.mark.parametrize(
    ("alter", "error", "words"),
    [
        (lambda n: n.params.update(W9=np.ones(3)), ValueError, "params has W9, which no layer has"),
        (lambda n: n.params.update(b1="x"), TypeError, "b1 must hold numbers, got <U1"),
        (lambda n: n.params.update(b1=None), TypeError, "b1 must hold numbers, got object"),
        (lambda n: n.params.update(b1=np.ma.ones(5)), TypeError, "b1 is a masked array"),
        (lambda n: n.params.update(W1=np.ones((2, 2))), ValueError, "x must have 2 numbers per ex"),
        (lambda n: n.params.update(W1=np.ones(6)), ValueError, r"W must have shape \(D, M\)"),
        (
            lambda n: n.params.update(b2=np.ones(9)),
            ValueError,
            r"b must have shape \(4,\), got \(9",
        ),
        (lambda n: n.params.update(gamma2=np.ones(9)), ValueError, r"gamma must have shape \(4,\)"),
        (
            lambda n: n.layers.update(Dropout2=n.layers["Dropout1"]),
            ValueError,
            "Dropout1 and Dropout2 in layers are the same layer",
        ),
        (
            lambda n: n.layers.update(Affine2=Affine("x", "y")),
            TypeError,
            "W2 must hold numbers, got <U1",
        ),
    ],
)
def test_what_cannot_be_a_parameter_is_one_error_at_every_call(alter, error, words):
    network = build("everything")
    x, t = batch(network)
    network.gradient(x, t)
    before = state_of(network)
    params, layers = dict(network.params), dict(network.layers)
    alter(network)
    for _ in range(2):
        for call in (network.gradient, network.loss, network.objective, network.accuracy):
            with pytest.raises(error, match=words):
                call(x, t)
    network.params, network.layers = params, layers
    for key, (layer, name) in network._parameters.owners.items():
        setattr(layer, name, params[key])
    assert state_of(network) == before


@pytest.mark.parametrize("layer", [Dropout, BooksDropout, lambda: Noise(np.random)])
@pytest.mark.parametrize("kind", ["dropout", "everything"])
def test_a_dropout_without_rng_in_a_network_with_one(kind, layer):
    network = build(kind)
    x, t = batch(network)
    network.layers["Dropout1"] = layer()
    assert_consistent(network)
    with network.unchanged():
        assert len({network.objective(x, t) for _ in range(4)}) == 1
    assert len({network.loss(x, t, train_flg=True) for _ in range(9)}) > 1


@pytest.mark.parametrize("layer", [Dropout, BooksDropout, lambda: Noise(np.random)])
def test_a_new_dropout_draws_nothing_in_a_call_that_is_refused_at_once(layer):
    network = build("weight decay")
    x, t = batch(network)
    network.layers["Activation_function1"] = layer()
    before = repr(random_state(None))
    with pytest.raises(ValueError, match="labels t must lie between"):
        network.gradient(x, t + 3)
    assert repr(random_state(None)) == before
