"""The values of all methods, compared with backpropagation, autograd, and each other."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from hypothesis import given
from hypothesis import strategies as st

from ch04_numerical_gradient.two_layer_net import TwoLayerNet as SigmoidNet
from ch05_backprop.two_layer_net import TwoLayerNet as ReluNet
from common.functions import cross_entropy_error, softmax, softmax_loss, sum_squared_error
from common.gradient import best_step
from common.gradient_methods import (
    batched_forward_mode,
    central_differences,
    complex_step,
    forward,
    forward_differences,
    forward_mode,
    random_directions,
    reverse_mode,
    structured,
    structured_differences,
)
from common.gradient_methods.forward import directional_derivative
from common.layers import Layer, Pooling, Relu, Sigmoid, SoftmaxWithLoss
from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net_extend import MultiLayerNetExtend
from common.networks import LayerNetwork, Network, SimpleConvNet
from dataset.mnist import load_mnist
from tests.helpers import as_bytes, assert_close, few, frozen, new_labels, seeds

FORWARD = [forward_mode, batched_forward_mode]
EXACT = [complex_step, *FORWARD, reverse_mode]
DIFFERENCES = [central_differences, structured_differences]
NETS = pytest.mark.parametrize("net", [SigmoidNet, ReluNet], ids=["ch04", "ch05"])
LABELS = ["labels", "one-hot", "soft"]


def of(net, methods):
    """Forward mode needs layers, which chapter 4's network doesn't have."""
    return [method for method in methods if net is ReluNet or method not in FORWARD]


def with_random_biases(network, rng, size=0.5):
    for key, param in network.params.items():
        if key.startswith(("b", "gamma")):
            param += (size * rng.normal(size=param.shape)).astype(network.dtype)
    return network


def problem(net, seed=0, sizes=(6, 5, 4), n=7, labels="labels", sparse=0.0, biases=0.5, **options):
    """Return a network, and a mini-batch for it that nobody may write to."""
    rng = np.random.default_rng(seed)
    network = net(*sizes, weight_init_std=0.7, rng=rng, **options)
    with_random_biases(network, rng, biases)
    x = rng.normal(size=(n, sizes[0])) * (rng.random((n, sizes[0])) >= sparse)
    x *= rng.random((n, 1)) >= sparse / 2  # some examples are blank
    return network, frozen(x), new_labels(rng, n, sizes[-1], labels)


def flat(grads):
    return np.concatenate([grad.ravel() for grad in grads.values()])


@st.composite
def problems(draw, nets, decay=0):
    net, seed, n = draw(st.sampled_from(nets)), draw(seeds), draw(st.integers(1, 9))
    labels, sparse = draw(st.sampled_from(LABELS)), draw(st.sampled_from([0, 0.5, 0.8, 1]))
    biases = draw(st.sampled_from([0.0, 0.5]))
    if net is not MultiLayerNet:
        sizes = draw(st.integers(1, 7)), draw(st.integers(1, 6)), draw(st.integers(1, 5))
        return problem(net, seed, sizes, n, labels, sparse, biases)
    sizes = (draw(st.integers(1, 6)), draw(st.lists(st.integers(1, 5), max_size=3)), 3)
    options = {"activation": draw(st.sampled_from(["relu", "sigmoid"]))}
    return problem(
        net, seed, sizes, n, labels, sparse, biases, weight_decay_lambda=decay, **options
    )


# Exact methods


@pytest.mark.parametrize("method", [complex_step, *FORWARD])
@pytest.mark.parametrize("decay", [0, 0.3])
@given(data=st.data())
@few
def test_exact_methods_are_the_gradient(method, decay, data):
    nets = [ReluNet, MultiLayerNet] + [SigmoidNet] * (method is complex_step)
    network, x, t = data.draw(problems(nets, decay))
    grads = method(network, x, t)
    assert_close(grads, network.gradient(x, t), scale=1e-3)
    if isinstance(network, MultiLayerNet):
        network.weight_decay_lambda = 0.0
        without = network.gradient(x, t)
        for key in grads:
            penalty = decay * network.params[key] if key.startswith("W") else 0
            assert_close(grads[key], without[key] + penalty, scale=1.0)


@given(data=st.data())
@few
def test_the_directional_derivative_is_the_gradient_times_the_direction(data):
    network, x, t = data.draw(problems([MultiLayerNet], decay=0.3))
    rng = np.random.default_rng(0)
    direction = {key: rng.normal(size=p.shape) for key, p in network.params.items()}
    parts = flat(network.gradient(x, t)) * flat(direction)
    result = directional_derivative(network, x, t, direction)
    assert_close(result, parts.sum(), scale=np.abs(parts).sum())


def formula_loss(net, params, x, t):
    """The same network once more, as a formula that autograd can differentiate."""
    u = anp.dot(x, params["W1"]) + params["b1"]
    z = 1 / (1 + anp.exp(-u)) if net is SigmoidNet else anp.where(u > 0, u, 0.0)
    scores = anp.dot(z, params["W2"]) + params["b2"]
    log_sum = anp.log(anp.sum(anp.exp(scores), axis=1))
    return anp.mean(log_sum - anp.sum(t * scores, axis=1))


@NETS
@pytest.mark.parametrize("labels", LABELS)
def test_all_methods_agree_with_autograd_also_on_images(net, labels):
    network, x, t = problem(net, labels=labels)
    rows = np.eye(4)[t] if t.ndim == 1 else t
    expected = grad(lambda params: formula_loss(net, params, x, rows))(network.params)
    for images in (x, x.reshape(7, 1, 2, 3)):
        for method in of(net, EXACT):
            assert_close(method(network, images, t), expected)
        for method in DIFFERENCES:
            assert_close(method(network, images, t), expected, 1e-7)
        assert_close(forward_differences(network, images, t), expected, 1e-5)


@NETS
@pytest.mark.parametrize("labels", LABELS)
def test_float32_networks_get_float32_gradients_near_those_of_float64(net, labels):
    precise, x, t = problem(net, labels=labels)
    network = net(6, 5, 4, dtype=np.float32)
    for key, param in network.params.items():
        param[...] = precise.params[key]
        precise.params[key][...] = param
    expected = precise.gradient(x.astype(np.float32), t)
    for methods, tolerance, options in ((EXACT, 1e-5, ()), (DIFFERENCES, 2e-2, (5e-3,))):
        for method in of(net, methods):
            grads = method(network, x.astype(np.float32), t, *options)
            assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}
            assert_close(grads, expected, tolerance)
    directions = [
        random_directions(n, x, t, 1e-2, directions=5, rng=np.random.default_rng(0))
        for n in (network, precise)
    ]
    assert_close(*directions, 1e-3)


@pytest.mark.parametrize(
    ("method", "name", "dtype"),
    [(complex_step, "forward", np.complex64), *((m, "jvp", np.float32) for m in FORWARD)],
)
def test_the_arithmetic_of_float32_networks_is_of_32_bits(monkeypatch, method, name, dtype):
    dtypes, original = set(), getattr(SoftmaxWithLoss, name)

    def recorded(self, x, *arguments):
        dtypes.add(x.dtype)
        return original(self, x, *arguments)

    network, x, t = problem(ReluNet, dtype=np.float32)
    network.loss(x, t)
    monkeypatch.setattr(SoftmaxWithLoss, name, recorded)
    method(network, x, t)
    assert np.dtype(dtype) in dtypes
    assert dtypes <= {np.dtype(dtype), np.dtype(np.float32)}


@pytest.mark.parametrize("method", [complex_step, *FORWARD])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_chosen_weights_get_their_decay_once(method, dtype):
    network, x, t = problem(MultiLayerNet, sizes=(3, [4], 2), weight_decay_lambda=0.3, dtype=dtype)
    expected, entries = network.gradient(x, t), {"W1": [5], "b1": [1], "W2": [0, 7]}
    grads = method(network, x, t, entries=entries)
    assert {grad.dtype for grad in grads.values()} == {np.dtype(dtype)}
    for key, indices in (entries | {"b2": []}).items():
        assert np.flatnonzero(~np.isnan(grads[key])).tolist() == indices
        found, right = grads[key].ravel()[indices], expected[key].ravel()[indices]
        assert_close(found, right, np.finfo(dtype).eps, scale=4.0)


@pytest.mark.parametrize("method", [*DIFFERENCES, complex_step, *FORWARD])
@pytest.mark.parametrize("order", ["Fortran", "strided"])
def test_parameters_may_lie_in_memory_in_any_order(method, order):
    network, x, t = problem(ReluNet)
    W = network.params["W1"]
    network.params["W1"] = (
        np.asfortranarray(W) if order == "Fortran" else np.repeat(W, 2, axis=1)[:, ::2]
    )
    before = as_bytes(network.params)
    assert_close(method(network, x, t), network.gradient(x, t), 1e-7)
    assert as_bytes(network.params) == before


@pytest.mark.parametrize("size", [1, 500, 2000, 2**30])
def test_batched_forward_mode_by_several_batches(monkeypatch, size):
    network, x, t = problem(MultiLayerNet, sizes=(5, [6, 4], 3))
    monkeypatch.setattr(forward, "BATCH_BYTES", size)
    steps = []
    grads = batched_forward_mode(network, x, t, progress=steps.append)
    assert_close(grads, network.gradient(x, t))
    sizes = [param.size for param in network.params.values()]
    assert sum(steps) == sum(sizes)
    if size in (1, 2**30):
        assert steps == ([1] * sum(sizes) if size == 1 else sizes)
    if size == 2000:  # 2000 / (7 examples · 6 units · 8 bytes) = 5 weights of the first layer
        assert steps[:6] == [5] * 6


class Scale(Layer):
    """A reader's own layer with a parameter, y = γ x."""

    def __init__(self, gamma):
        self.gamma = gamma

    def forward(self, x):
        self.x = x
        return self.gamma * x

    def backward(self, dout):
        self.dgamma = (self.x * dout).sum(axis=0)
        return self.gamma * dout

    def jvp(self, dx, dgamma=None):
        terms = [] if dx is None else [self.gamma * dx]
        if dgamma is not None:
            terms.append(self.x * dgamma[..., np.newaxis, :])
        return sum(terms)


@pytest.mark.parametrize("method", EXACT)
def test_a_layer_of_the_readers_own_with_a_parameter(method):
    network, x, t = problem(MultiLayerNet, sizes=(5, [6, 4], 3))
    network.layers["Activation_function1"] = Scale(np.linspace(1, 2, 6))
    grads, expected = method(network, x, t), network.gradient(x, t)
    assert_close({key: grads[key] for key in expected}, expected)
    assert_close(grads["gamma1"], network.numerical_gradient(x, t)["gamma1"], 1e-7)


# The complex step


def conv_net(rng, *, pool_pad=0, pad=0, stride=1, activation=Relu, batch_norm=False, dropout=0.0):
    """Return a small convolutional network, for images of 2 channels and 6 × 6 pixels."""
    network = LayerNetwork((2, 6, 6), rng=rng)
    network.add_convolution(3, 3, pad=pad, stride=stride)
    if batch_norm:
        network.add_batch_normalization()
    network.add(activation())
    channels, size, _ = network.output_shape
    network.add(Pooling(2, 2, stride=2, pad=pool_pad))
    size = (size + 2 * pool_pad - 2) // 2 + 1
    network.output_shape = channels, size, size
    network.add_affine(4)
    if dropout:
        network.add_dropout(dropout)
    network.add(Relu())
    network.add_affine(3)
    return network


def book_net(rng):
    conv = {"filter_num": 2, "filter_size": 3, "pad": 0, "stride": 1}
    return SimpleConvNet((2, 6, 6), conv, 5, 3, weight_init_std=0.5, rng=rng)


def units_that_are_off(rng):
    network = conv_net(rng)
    network.params["b1"] -= 3  # nearly all windows of the pooling see zeros only
    return network


def extended(activation, **options):
    return lambda rng: MultiLayerNetExtend(
        72, [6, 4], 3, activation, weight_decay_lambda=0.1, rng=rng, **options
    )


COMPLEX_NETS = {
    "plain": conv_net,
    "padded pooling": lambda rng: conv_net(rng, pool_pad=1),
    "padded and strided": lambda rng: conv_net(rng, pad=2, stride=2),
    "sigmoid": lambda rng: conv_net(rng, activation=Sigmoid, pool_pad=1),
    "all": lambda rng: conv_net(rng, batch_norm=True, dropout=0.4, pool_pad=1, pad=1),
    "book": book_net,
    "units that are off": units_that_are_off,
    "relu with batch normalization": extended("relu", use_batchnorm=True),
    "sigmoid with dropout": extended("sigmoid", use_dropout=True),
}


@pytest.mark.parametrize("name", COMPLEX_NETS)
@pytest.mark.parametrize("seed", range(3))
def test_the_complex_step_through_layers_of_all_kinds(name, seed):
    rng = np.random.default_rng(seed)
    network = with_random_biases(COMPLEX_NETS[name](rng), rng)
    x, t = frozen(rng.normal(size=(4, 72))), new_labels(rng, 4, 3, LABELS[seed])
    state, before = rng.bit_generator.state, as_bytes(network.state())
    grads = complex_step(network, x, t)
    assert rng.bit_generator.state == state  # each pass had the same dropout, and left no trace
    assert as_bytes(network.state()) == before
    assert_close(grads, network.gradient(x, t), scale=1e-3)


def test_the_complex_step_of_dropout_from_numpys_global_random_numbers():
    network = MultiLayerNetExtend(4, [6], 3, weight_init_std=0.5, use_dropout=True)
    x, t = np.random.default_rng(0).normal(size=(5, 4)), np.array([0, 1, 2, 0, 1])
    np.random.seed(5)
    grads = complex_step(network, x, t)
    assert_close(grads, network.gradient(x, t))  # with the same mask


class PoolingOfPairs(Layer):
    """A layer with another one inside: the larger one of two neighbouring numbers."""

    def __init__(self):
        self.pooling = Pooling(1, 2, stride=2)

    def forward(self, x):
        return self.pooling.forward(x.reshape(len(x), 1, 1, -1)).reshape(len(x), -1)

    def backward(self, dout):
        return self.pooling.backward(dout.reshape(len(dout), 1, 1, -1)).reshape(len(dout), -1)


def test_of_equal_pixels_the_first_one_counts_also_in_a_layer_within_a_layer():
    network = LayerNetwork((2,))
    network.add_affine(4)
    network.add(PoolingOfPairs())
    network.output_shape = (2,)
    network.add_affine(2)
    network.params["W1"][:] = [[1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 0.0, 2.0]]
    network.params["W2"][:] = [[1.0, -1.0], [0.5, 2.0]]
    x, t = np.array([[1.0, 1.0]]), np.array([0])
    grads = complex_step(network, x, t)
    assert_close(grads, network.gradient(x, t))
    assert np.count_nonzero(grads["b1"]) == 2


def test_the_complex_step_is_exact_for_any_tiny_h_and_of_second_order_for_a_large_one():
    network, x, t = problem(SigmoidNet)
    exact, h = network.gradient(x, t), 1e-3
    for tiny in (1e-8, 1e-20, 1e-100, 1e-200):
        assert_close(complex_step(network, x, t, tiny), exact)
    errors = flat(complex_step(network, x, t, h)) - flat(exact)
    # the two errors are of opposite sign: L(w + ih) has −h² where L(w + h) has +h²
    assert_close(errors, flat(exact) - flat(central_differences(network, x, t, h)), 1e-11, scale=1)
    assert np.abs(errors).max() > 1e-9


X = np.random.default_rng(0).normal(size=(5, 3))
T = np.random.default_rng(1).dirichlet(np.ones(3), 5)


@pytest.mark.parametrize(
    ("f", "at", "derivative"),
    [
        (lambda x: np.sum(T * softmax(x)), X, softmax(X) * (T - (T * softmax(X)).sum(1)[:, None])),
        (lambda x: softmax_loss(x, T), X, (softmax(X) - T) / 5),
        (
            lambda x: softmax_loss(x, np.arange(5) % 3),
            X,
            (softmax(X) - np.eye(3)[[0, 1, 2, 0, 1]]) / 5,
        ),
        (lambda y: cross_entropy_error(y, T), softmax(X), -T / softmax(X) / 5),
        (lambda x: sum_squared_error(x, T), X, X - T),
        (lambda x: SoftmaxWithLoss().forward(x, T), X, (softmax(X) - T) / 5),
        (lambda x: SoftmaxWithLoss().forward(x, T), 300 * X, (softmax(300 * X) - T) / 5),
    ],
)
def test_functions_are_analytic(f, at, derivative):
    found = np.empty(at.shape)
    for index in np.ndindex(at.shape):
        moved = at.astype(complex)
        moved[index] += 1e-20j
        value = f(moved)
        found[index] = value.imag / 1e-20
    assert_close(found, derivative, scale=1.0)
    np.testing.assert_allclose(value.real, f(at), rtol=1e-13)


# Finite differences


@NETS
@given(data=st.data(), h=st.sampled_from([1e-3, 1e-4, 1e-5]))
@few
def test_structured_and_central_differences_agree_in_every_weight(net, data, h):
    network, x, t = data.draw(problems([net]))
    if data.draw(st.booleans()):
        x, t = frozen(np.abs(10 * x), np.uint8), t.astype(np.uint8) if t.ndim == 1 else t
    expected = central_differences(network, x, t, h)
    assert_close(structured_differences(network, x, t, h), expected, 1e-9, scale=1.0)


def test_they_agree_where_units_cross_the_kink_of_the_relu_within_h():
    crossings = 0
    for seed in range(40):
        network, x, t = problem(ReluNet, seed)
        rng, params, h = np.random.default_rng(seed), network.params, 10.0 ** -(3 + seed % 3)
        for unit in range(5):  # of some example each unit is within h of its kink
            example = rng.integers(len(x))
            offset = rng.uniform(-h, h) * rng.choice([1, 0.01, 0])
            params["b1"][unit] = offset - x[example] @ params["W1"][:, unit]
        before = x @ params["W1"] + params["b1"]
        crossings += np.count_nonzero((before - h < 0) & (before + h > 0))
        central = central_differences(network, x, t, h)
        assert_close(structured_differences(network, x, t, h), central, 1e-9, scale=1.0)
        # and the difference quotient across a kink isn't the gradient
        assert np.abs(flat(central) - flat(network.gradient(x, t))).max() > 1e-3
    assert crossings >= 200


@pytest.mark.parametrize("sign", [1, -1])
def test_they_agree_where_only_the_largest_inputs_reach_the_kink(sign):
    h = 1e-4
    for seed in range(20):
        network, _, t = problem(ReluNet, seed, n=1)
        x = sign * np.random.default_rng(seed).uniform(0, 5, (1, 6))
        before = np.random.default_rng(seed).uniform(-5 * h, 5 * h, 5)
        network.params["b1"][:] = before - x[0] @ network.params["W1"]
        central = central_differences(network, x, t, h)
        assert_close(structured_differences(network, x, t, h), central, 1e-9, scale=1.0)


class TanhNet(SigmoidNet):
    activation = staticmethod(np.tanh)


@pytest.mark.parametrize("net", [SigmoidNet, ReluNet, TanhNet])
def test_they_agree_on_digits_in_every_weight(net):
    (x, t), _ = load_mnist(source="sample")
    network = net(784, 5, 10, weight_init_std=0.1, rng=np.random.default_rng(0))
    central = central_differences(network, x[:20], t[:20])
    structured = structured_differences(network, x[:20], t[:20])
    assert_close(structured, central, 1e-9, scale=1.0)
    assert np.count_nonzero(central["W1"]) > 1000


@NETS
@pytest.mark.parametrize("sparse", [0, 0.5, 1])
@pytest.mark.parametrize("size", [1, 40])
def test_structured_differences_by_several_blocks(net, monkeypatch, sparse, size):
    network, x, t = problem(net, n=23, sparse=sparse, labels="soft")
    in_one = structured_differences(network, x, t)
    lengths = []
    monkeypatch.setattr(structured, "BLOCK_SIZE", size)
    monkeypatch.setattr(structured, "softmax", lambda s: lengths.append(len(s)) or softmax(s))
    result = structured_differences(network, x, t)
    assert len(lengths) > 1
    assert sum(lengths) == 23
    assert size == 40 or set(lengths) == {1}
    assert_close(result, in_one, 1e-10, scale=1.0)


@NETS
def test_central_differences_are_the_networks_numerical_gradient_bit_for_bit(net):
    network, x, t = problem(net)
    result = central_differences(network, x, t, 1e-3)
    assert as_bytes(result) == as_bytes(network.numerical_gradient(x, t, 1e-3))


class Buffered(SigmoidNet):
    """Its loss is always the same array, with a new value in it."""

    def loss(self, x, t):
        self.value = getattr(self, "value", np.empty(()))
        self.value[...] = super().loss(x, t)
        return self.value


@pytest.mark.parametrize("method", [central_differences, forward_differences, random_directions])
def test_a_loss_that_reuses_its_output(method):
    network, x, t = problem(Buffered)
    usual, *_ = problem(SigmoidNet)
    grads = []
    for net in (network, usual):
        options = {"rng": np.random.default_rng(0)} if method is random_directions else {}
        grads.append(as_bytes(method(net, x, t, **options)))
    assert grads[0] == grads[1]


def gradients_at(network, x, t, step):
    """Return ∂L/∂w of every weight w, by backpropagation, where that weight has moved by `step`."""
    slopes = []
    for key, param in network.params.items():
        for index, before in np.ndenumerate(param.copy()):
            param[index] = before + step
            slopes.append(network.gradient(x, t)[key][index])
            param[index] = before
    return np.array(slopes)


@pytest.mark.parametrize(
    ("method", "order", "atol"),
    [(forward_differences, 1, 0.02), *((method, 2, 0.03) for method in DIFFERENCES)],
)
@pytest.mark.parametrize("seed", range(3))
def test_the_truncation_error_has_its_order_and_its_constant(method, order, atol, seed):
    network, x, t = problem(SigmoidNet, seed)
    exact, delta = flat(network.gradient(x, t)), 1e-3
    up, down = gradients_at(network, x, t, delta), gradients_at(network, x, t, -delta)
    second, third = (up - down) / (2 * delta), (up - 2 * exact + down) / delta**2
    constant = second / 2 if order == 1 else third / 6
    important = np.abs(constant) > 0.1 * np.abs(constant).max()
    assert np.count_nonzero(important) >= 8
    steps = np.array([1e-3, 1e-4, 1e-5] if order == 1 else [1e-2, 3e-3, 1e-3])
    errors = np.array([flat(method(network, x, t, h)) - exact for h in steps])[:, important]
    slopes = np.diff(np.log(np.abs(errors)), axis=0) / np.diff(np.log(steps))[:, None]
    np.testing.assert_allclose(slopes, order, atol=atol)
    middle = 1 if order == 1 else 2  # where rounding doesn't disturb yet
    np.testing.assert_allclose(
        errors[middle] / steps[middle] ** order, constant[important], rtol=0.02
    )


@pytest.mark.parametrize("seed", range(3))
def test_errors_at_the_best_steps_are_those_of_the_packages_table(seed):
    network, x, t = problem(SigmoidNet, seed)

    def largest_error(method, *h):
        return np.abs(flat(method(network, x, t, *h)) - flat(network.gradient(x, t))).max()

    assert 1e-9 < largest_error(forward_differences) < 1e-7
    for method in DIFFERENCES:
        assert 1e-13 < largest_error(method, best_step(2)) < 3e-10
        assert largest_error(method) < 1e-8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_default_step_of_forward_differences_is_the_best_one_for_the_dtype(dtype):
    network, x, t = problem(SigmoidNet, dtype=dtype)
    by_default, given_h = (
        as_bytes(forward_differences(network, x, t, *h)) for h in ((), (best_step(1, dtype),))
    )
    assert by_default == given_h


# Random directions


class LinearLoss(Network):
    """A loss Σ slope · w, whose derivatives don't depend on where it is taken."""

    def __init__(self, slopes):
        super().__init__(1)
        self.slopes = {key: np.array(slope) for key, slope in slopes.items()}
        self.params = {key: np.full_like(slope, 0.5) for key, slope in self.slopes.items()}
        self.moved = []

    def predict(self, x):
        return np.zeros((len(x), 1))

    def loss(self, x, t):
        self.moved.append(flat(self.params) - 0.5)
        return sum(np.sum(self.slopes[key] * param) for key, param in self.params.items())

    def gradient(self, x, t):
        return self.slopes


def estimates(network, x, t, number, directions, seed=0):
    """Return as many independent estimates of the gradient, one per row."""
    rng = np.random.default_rng(seed)
    options = {"directions": directions, "rng": rng}
    return np.array([flat(random_directions(network, x, t, **options)) for _ in range(number)])


ONE = np.zeros((1, 1)), np.array([0])
SLOPES = np.random.default_rng(5).normal(size=8)
STOCHASTIC = {
    "ch04": lambda: problem(SigmoidNet, 1, (3, 3, 2)),
    "ch05": lambda: problem(ReluNet, 1, (2, 2, 3)),
    "linear": lambda: (LinearLoss({"a": SLOPES[:3], "b": SLOPES[3:].reshape(5, 1)}), *ONE),
}


@pytest.mark.parametrize("name", STOCHASTIC)
@pytest.mark.parametrize(("directions", "number"), [(1, 3000), (4, 1000)])
def test_estimates_are_unbiased_and_their_error_is_p_minus_1_over_the_directions(
    name, directions, number
):
    network, x, t = STOCHASTIC[name]()
    exact = flat(network.gradient(x, t))
    sample = estimates(network, x, t, number, directions)
    variance = (np.sum(exact**2) - exact**2) / directions
    assert np.all(np.abs(sample.mean(axis=0) - exact) < 5 * np.sqrt(variance / number) + 1e-9)
    assert np.abs(sample.mean(axis=0) - exact).max() < 0.25 * np.abs(exact).max()
    squares = np.sum((sample - exact) ** 2, axis=1)
    expected = (exact.size - 1) * np.sum(exact**2) / directions
    tolerance = 5 * squares.std() / np.sqrt(number) + 1e-9
    assert abs(squares.mean() - expected) < tolerance < 0.25 * expected


def test_of_two_weights_each_gets_its_derivative_plus_or_minus_the_other():
    sample = estimates(LinearLoss({"w": [3.0, 5.0]}), *ONE, 50, 1)
    assert {tuple(row) for row in sample.round(6).tolist()} == {(8.0, 8.0), (-2.0, 2.0)}
    for shape in ((), (1, 1)):  # and the derivative with respect to an only weight is exact
        network = LinearLoss({"w": np.full(shape, -2.5)})
        np.testing.assert_allclose(estimates(network, *ONE, 5, 3), -2.5, rtol=1e-10)


def test_each_direction_moves_all_weights_by_h_to_both_sides_at_random():
    network = LinearLoss({"a": SLOPES[:3], "b": SLOPES[3:].reshape(5, 1)})
    rng = np.random.default_rng(0)
    random_directions(network, *ONE, 0.125, directions=4000, rng=rng)
    steps = np.array(network.moved)
    np.testing.assert_allclose(np.abs(steps), 0.125, rtol=1e-12)
    np.testing.assert_allclose(steps[::2], -steps[1::2], rtol=1e-12)
    signs = np.sign(steps[::2])  # fair coins, thrown for each weight by itself
    np.testing.assert_allclose(signs.mean(axis=0), 0, atol=5 / np.sqrt(4000))
    np.testing.assert_allclose(signs.T @ signs / 4000, np.eye(8), atol=5 / np.sqrt(4000))


def test_the_estimate_is_the_mean_of_those_of_its_directions():
    network, x, t = problem(ReluNet)
    together = estimates(network, x, t, 1, 6)[0]
    np.testing.assert_allclose(together, estimates(network, x, t, 6, 1).mean(axis=0), rtol=1e-9)


def test_the_generator_decides_or_numpys_global_random_numbers():
    network, x, t = problem(ReluNet)

    def estimate(seed, **options):
        np.random.seed(seed)
        return as_bytes(random_directions(network, x, t, directions=3, **options))

    assert estimate(4) == estimate(4) != estimate(5)
    by_rng = [estimate(s, rng=np.random.default_rng(r)) for s, r in ((1, 7), (2, 7), (1, 8))]
    assert by_rng[0] == by_rng[1] != by_rng[2]
    after = np.random.random()
    np.random.seed(1)
    assert np.random.random() == after  # nobody has drawn from them
