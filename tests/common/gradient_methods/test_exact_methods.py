import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from hypothesis import given, settings
from hypothesis import strategies as st

from ch04_numerical_gradient.two_layer_net import TwoLayerNet as SigmoidNet
from ch05_backprop.two_layer_net import TwoLayerNet as ReluNet
from common.gradient_methods import (
    batched_forward_mode,
    central_differences,
    complex_step,
    forward,
    forward_mode,
    reverse_mode,
    structured_differences,
)
from common.gradient_methods.forward import directional_derivative
from common.layers import Pooling, Relu, Sigmoid
from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net_extend import MultiLayerNetExtend
from common.networks import LayerNetwork, SimpleConvNet

few = settings(max_examples=40, deadline=None, database=None)
seeds = st.integers(0, 2**32 - 1)
FORWARD = [forward_mode, batched_forward_mode]
EXACT = [complex_step, *FORWARD, reverse_mode]
NETS = pytest.mark.parametrize("net", [SigmoidNet, ReluNet], ids=["ch04", "ch05"])


def mini_batch(rng, n, inputs, classes, labels="labels", sparse=False):
    """Return examples and labels that nobody may write to."""
    x = rng.normal(size=(n, inputs))
    if sparse:
        x *= rng.random((n, inputs)) < 0.3
    t = rng.integers(0, classes, n)
    if labels == "one-hot":
        t = np.eye(classes)[t]
    elif labels == "soft":
        t = rng.dirichlet(np.ones(classes), n)
    x.setflags(write=False)
    t.setflags(write=False)
    return x, t


def with_random_biases(network, rng):
    for key, param in network.params.items():
        if key.startswith(("b", "gamma")):
            param += 0.5 * rng.normal(size=param.shape)
    return network


@st.composite
def batches(draw, rng, inputs, classes):
    return mini_batch(
        rng,
        draw(st.integers(1, 9)),
        inputs,
        classes,
        draw(st.sampled_from(["labels", "one-hot", "soft"])),
        draw(st.booleans()),
    )


@st.composite
def two_layer_problems(draw, net):
    rng = np.random.default_rng(draw(seeds))
    sizes = draw(st.integers(1, 7)), draw(st.integers(1, 6)), draw(st.integers(1, 5))
    network = net(*sizes, weight_init_std=0.7, rng=rng)
    if draw(st.booleans()):
        with_random_biases(network, rng)
    return network, *draw(batches(rng, sizes[0], sizes[2]))


@st.composite
def multi_layer_problems(draw, decay=0):
    rng = np.random.default_rng(draw(seeds))
    inputs, classes = draw(st.integers(1, 6)), draw(st.integers(2, 5))
    network = MultiLayerNet(
        inputs,
        draw(st.lists(st.integers(1, 5), max_size=3)),
        classes,
        activation=draw(st.sampled_from(["relu", "sigmoid"])),
        weight_decay_lambda=decay,
        rng=rng,
    )
    return with_random_biases(network, rng), *draw(batches(rng, inputs, classes))


def assert_close(actual, expected, tolerance=1e-12):
    """Relative to the largest entry of each parameter."""
    assert list(actual) == list(expected)
    for key, reference in expected.items():
        assert actual[key].shape == reference.shape
        scale = np.abs(reference).max(initial=1e-3)
        np.testing.assert_allclose(
            actual[key], reference, rtol=0, atol=tolerance * scale, err_msg=key
        )


@NETS
@given(data=st.data())
@few
def test_the_complex_step_is_the_gradient(net, data):
    network, x, t = data.draw(two_layer_problems(net))
    assert_close(complex_step(network, x, t), network.gradient(x, t))


@pytest.mark.parametrize("method", FORWARD)
@given(data=st.data())
@few
def test_forward_mode_is_the_gradient(method, data):
    network, x, t = data.draw(two_layer_problems(ReluNet))
    assert_close(method(network, x, t), network.gradient(x, t))


@NETS
def test_reverse_mode_is_the_networks_gradient(net):
    rng = np.random.default_rng(0)
    network = net(6, 5, 4, weight_init_std=0.7, rng=rng)
    x, t = mini_batch(rng, 7, 6, 4)
    assert_close(reverse_mode(network, x, t), network.gradient(x, t), 0)


@pytest.mark.parametrize("method", [complex_step, *FORWARD])
@given(data=st.data())
@few
def test_exact_rungs_on_networks_of_any_depth(method, data):
    network, x, t = data.draw(multi_layer_problems())
    assert_close(method(network, x, t), network.gradient(x, t))


@pytest.mark.parametrize("method", [complex_step, *FORWARD])
@given(data=st.data())
@few
def test_exact_rungs_include_weight_decay(method, data):
    network, x, t = data.draw(multi_layer_problems(decay=0.3))
    grads = method(network, x, t)
    assert_close(grads, network.gradient(x, t))
    network.weight_decay_lambda = 0.0
    without = network.gradient(x, t)
    for key in grads:
        decay = 0.3 * network.params[key] if key.startswith("W") else 0
        np.testing.assert_allclose(grads[key], without[key] + decay, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", [complex_step, *FORWARD])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_chosen_weights_get_their_decay_once_in_the_dtype_of_the_network(method, dtype):
    network = MultiLayerNet(
        3, [4], 2, weight_decay_lambda=0.3, rng=np.random.default_rng(0), dtype=dtype
    )
    x, t = mini_batch(np.random.default_rng(1), 5, 3, 2)
    expected = network.gradient(x, t)
    grads = method(network, x, t, entries={"W1": [5], "b1": [1], "W2": [0, 7]})
    assert {grad.dtype for grad in grads.values()} == {np.dtype(dtype)}
    for key, indices in {"W1": [5], "b1": [1], "W2": [0, 7], "b2": []}.items():
        assert np.flatnonzero(~np.isnan(grads[key])).tolist() == indices
        np.testing.assert_allclose(
            grads[key].flat[indices], expected[key].flat[indices], rtol=0, atol=np.finfo(dtype).eps
        )


@given(data=st.data())
@few
def test_the_directional_derivative_includes_weight_decay(data):
    network, x, t = data.draw(multi_layer_problems(decay=0.3))
    rng = np.random.default_rng(0)
    direction = {key: rng.normal(size=p.shape) for key, p in network.params.items()}
    parts = [network.gradient(x, t)[key] * dw for key, dw in direction.items()]
    expected, scale = sum(part.sum() for part in parts), sum(np.abs(part).sum() for part in parts)
    assert abs(directional_derivative(network, x, t, direction) - expected) <= 1e-12 * scale


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


CONV_NETS = {
    "plain": {},
    "padded pooling": {"pool_pad": 1},
    "padded and strided": {"pad": 2, "stride": 2},
    "sigmoid": {"activation": Sigmoid, "pool_pad": 1},
    "batch normalization": {"batch_norm": True},
    "dropout": {"dropout": 0.4},
    "all": {"batch_norm": True, "dropout": 0.4, "pool_pad": 1, "pad": 1},
}


@pytest.mark.parametrize("name", CONV_NETS)
@pytest.mark.parametrize("seed", range(3))
def test_the_complex_step_through_convolution_and_pooling(name, seed):
    rng = np.random.default_rng(seed)
    network = with_random_biases(conv_net(rng, **CONV_NETS[name]), rng)
    x, t = mini_batch(rng, 4, 72, 3)
    state = rng.bit_generator.state
    grads = complex_step(network, x, t)
    assert rng.bit_generator.state == state  # each pass had the same dropout, and left no trace
    assert {param.dtype for param in network.state().values()} == {np.dtype(float)}
    assert_close(grads, network.gradient(x, t))


def test_the_complex_step_of_the_books_convolutional_network():
    rng = np.random.default_rng(0)
    conv = {"filter_num": 2, "filter_size": 3, "pad": 0, "stride": 1}
    network = SimpleConvNet((1, 6, 6), conv, 5, 3, weight_init_std=0.5, rng=rng)
    x, t = mini_batch(rng, 5, 36, 3)
    assert_close(complex_step(network, x, t), network.gradient(x, t))


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("options", [{"use_batchnorm": True}, {"use_dropout": True}, {}])
@pytest.mark.parametrize("seed", range(3))
def test_the_complex_step_with_batch_normalization_dropout_and_decay(activation, options, seed):
    rng = np.random.default_rng(seed)
    network = MultiLayerNetExtend(
        5, [6, 4], 3, activation, weight_decay_lambda=0.1, rng=rng, **options
    )
    with_random_biases(network, rng)
    x, t = mini_batch(rng, 8, 5, 3, "soft")
    grads = complex_step(network, x, t)
    expected = network.gradient(x, t)
    # In front of batch normalization a bias has no effect: its derivative is rounding only.
    assert_close(grads, expected)
    assert list(grads) == list(network.params)


def test_the_complex_step_of_dropout_from_numpys_global_random_numbers():
    network = MultiLayerNetExtend(4, [6], 3, weight_init_std=0.5, use_dropout=True, rng=None)
    x, t = mini_batch(np.random.default_rng(0), 5, 4, 3)
    np.random.seed(5)
    grads = complex_step(network, x, t)
    following = np.random.random()
    np.random.seed(5)
    assert np.random.random() == following
    np.random.seed(5)
    assert_close(grads, network.gradient(x, t))


class AsImages:
    """A row of two numbers as an image of 1 × 2 pixels."""

    def forward(self, x):
        return x.reshape(len(x), 1, 1, 2)

    def backward(self, dout):
        return dout.reshape(len(dout), 2)


def test_the_complex_step_of_a_pooling_tie_is_the_gradient():
    network = LayerNetwork((2,))
    network.add_affine(2)
    network.add(AsImages())
    network.add(Pooling(1, 2, stride=2))
    network.output_shape = (1,)
    network.add_affine(2)
    network.params["W1"][:] = [[1.0, 0.0], [0.0, 1.0]]
    network.params["W2"][:] = [[1.0, -1.0]]
    x, t = np.array([[1.0, 1.0]]), np.array([0])
    assert_close(complex_step(network, x, t), network.gradient(x, t))


def test_the_complex_step_of_pooling_ties_of_units_that_are_off():
    rng = np.random.default_rng(0)
    network = conv_net(rng)
    network.params["b1"] -= 3  # nearly all windows see zeros only
    x, t = mini_batch(rng, 6, 72, 3)
    grads = network.gradient(x, t)
    out = network.layers["Relu1"].out
    assert 0 < np.count_nonzero(out) < 0.2 * out.size
    assert_close(complex_step(network, x, t), grads)


@pytest.mark.parametrize("h", [1e-8, 1e-20, 1e-100, 1e-200])
def test_the_complex_step_is_exact_for_any_tiny_h(h):
    rng = np.random.default_rng(0)
    network = SigmoidNet(4, 3, 3, weight_init_std=0.7, rng=rng)
    x, t = mini_batch(rng, 5, 4, 3)
    assert_close(complex_step(network, x, t, h), network.gradient(x, t))


def test_the_complex_step_with_a_large_h_is_off_by_a_sixth_of_h_squared_times_the_third():
    rng = np.random.default_rng(0)
    network = SigmoidNet(4, 3, 3, weight_init_std=0.7, rng=rng)
    x, t = mini_batch(rng, 5, 4, 3)
    exact = network.gradient(x, t)
    for key, grads in complex_step(network, x, t, 1e-3).items():
        central = central_differences(network, x, t, 1e-3)[key]
        # the two errors are of opposite sign: L(w + ih) has −h² where L(w + h) has +h²
        np.testing.assert_allclose(grads - exact[key], exact[key] - central, rtol=0, atol=1e-11)
        assert np.abs(grads - exact[key]).max() > 1e-9


@pytest.mark.parametrize("size", [1, 500, 2000, 2**30])
def test_batched_forward_mode_by_several_batches(monkeypatch, size):
    rng = np.random.default_rng(0)
    network = with_random_biases(MultiLayerNet(5, [6, 4], 3, rng=rng), rng)
    x, t = mini_batch(rng, 7, 5, 3)
    monkeypatch.setattr(forward, "BATCH_BYTES", size)
    steps = []
    grads = batched_forward_mode(network, x, t, progress=steps.append)
    assert_close(grads, network.gradient(x, t))
    sizes = [param.size for param in network.params.values()]
    widths = [5, 4, 3]
    assert sum(steps) == sum(sizes)
    if size == 1:
        assert steps == [1] * sum(sizes)
    if size == 2**30:
        assert steps == sizes
    if size == 2000:  # 2000 / (7 examples · 6 units · 8 bytes) = 5 weights of the first layer
        assert steps[:6] == [5] * 6
        assert len(steps) > len(widths)


@pytest.mark.parametrize("method", FORWARD)
def test_forward_mode_takes_images_and_replaced_parameters(method):
    rng = np.random.default_rng(0)
    network = ReluNet(6, 5, 4, weight_init_std=0.7, rng=rng)
    x, t = mini_batch(rng, 7, 6, 4)
    network.loss(x, t)
    network.params["W1"] = rng.normal(size=(6, 5))
    expected = network.gradient(x, t)
    assert_close(method(network, x.reshape(7, 1, 2, 3), t), expected)


def formula_loss(net, params, x, t):
    """The same network once more, as a formula that autograd can differentiate."""
    u = anp.dot(x, params["W1"]) + params["b1"]
    z = 1 / (1 + anp.exp(-u)) if net is SigmoidNet else anp.where(u > 0, u, 0.0)
    scores = anp.dot(z, params["W2"]) + params["b2"]
    log_sum = anp.log(anp.sum(anp.exp(scores), axis=1))
    return anp.mean(log_sum - anp.sum(t * scores, axis=1))


@NETS
@pytest.mark.parametrize("labels", ["labels", "soft"])
def test_all_rungs_agree_with_autograd(net, labels):
    rng = np.random.default_rng(0)
    network = with_random_biases(net(6, 5, 4, weight_init_std=0.7, rng=rng), rng)
    x, t = mini_batch(rng, 9, 6, 4, labels)
    rows = np.eye(4)[t] if t.ndim == 1 else t
    expected = grad(lambda params: formula_loss(net, params, x, rows))(network.params)
    for method in EXACT:
        if net is ReluNet or method not in FORWARD:
            assert_close(method(network, x, t), expected)
    assert_close(structured_differences(network, x, t), expected, 1e-7)
    assert_close(central_differences(network, x, t), expected, 1e-7)


@NETS
@pytest.mark.parametrize("labels", ["labels", "one-hot", "soft"])
def test_float32_networks_get_float32_gradients_near_those_of_float64(net, labels):
    rng = np.random.default_rng(0)
    precise = with_random_biases(net(6, 5, 4, weight_init_std=0.7, rng=rng), rng)
    network = net(6, 5, 4, dtype=np.float32)
    for key, param in network.params.items():
        param[...] = precise.params[key]
        precise.params[key][...] = param
    x, t = mini_batch(rng, 9, 6, 4, labels)
    x = x.astype(np.float32)
    expected = precise.gradient(x, t)
    for method in EXACT:
        if net is ReluNet or method not in FORWARD:
            grads = method(network, x, t)
            assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}
            assert_close(grads, expected, 1e-5)
    for method in (central_differences, structured_differences):
        grads = method(network, x, t, 5e-3)
        assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}
        assert_close(grads, expected, 2e-2)


def dtypes_at_the_loss(monkeypatch, network, method):
    """Return a set, to which the dtype of all that the last layer's `method` gets is added."""
    dtypes, original = set(), getattr(network.last_layer, method)

    def recorded(x, *arguments):
        dtypes.add(x.dtype)
        return original(x, *arguments)

    monkeypatch.setattr(network.last_layer, method, recorded)
    return dtypes


def test_the_complex_step_of_float32_is_computed_in_complex64(monkeypatch):
    network = ReluNet(3, 2, 2, weight_init_std=0.7, dtype=np.float32)
    dtypes = dtypes_at_the_loss(monkeypatch, network, "forward")
    complex_step(network, np.ones((2, 3)), np.eye(2))
    assert dtypes == {np.dtype(np.complex64)}


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(forward_mode),
        batched_forward_mode,
    ],
)
def test_tangents_of_float32_are_float32(monkeypatch, method):
    network = ReluNet(3, 2, 2, weight_init_std=0.7, dtype=np.float32)
    dtypes = dtypes_at_the_loss(monkeypatch, network, "jvp")
    method(network, np.ones((2, 3)), np.eye(2))
    assert dtypes == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    "method",
    [
        central_differences,
        complex_step,
        structured_differences,
        forward_mode,
        batched_forward_mode,
    ],
)
@pytest.mark.parametrize("order", ["Fortran", "strided"])
def test_parameters_may_lie_in_memory_in_any_order(method, order):
    rng = np.random.default_rng(0)
    network = ReluNet(4, 3, 2, weight_init_std=0.7, rng=rng)
    if order == "Fortran":
        network.params["W1"] = np.asfortranarray(network.params["W1"])
    else:
        network.params["W1"] = np.repeat(network.params["W1"], 2, axis=1)[:, ::2]
    x, t = mini_batch(rng, 5, 4, 2)
    before = network.params["W1"].tobytes()
    assert_close(method(network, x, t), network.gradient(x, t), 1e-7)
    assert network.params["W1"].tobytes() == before
