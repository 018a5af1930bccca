import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.layers import (
    Affine,
    BatchNormalization,
    Convolution,
    Dropout,
    Pooling,
    Relu,
    Sigmoid,
    SoftmaxWithLoss,
)

torch = pytest.importorskip("torch")
F = torch.nn.functional

few = settings(max_examples=60, deadline=None, database=None)
FLOATS = pytest.mark.parametrize("dtype", [np.float32, np.float64])
TRAIN = pytest.mark.parametrize("train_flg", [True, False], ids=["train", "eval"])
TOLERANCE = {np.float32: 1e-4, np.float64: 1e-10}
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Threads that wait for each other take far longer than arrays as small as these."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def in_torch(function, dout, *arrays):
    """The output, and the gradients with respect to all `arrays`."""
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    y = function(*tensors)
    y.backward(torch.tensor(dout))
    return [y.detach().numpy(), *(t.grad.numpy() for t in tensors)]


def assert_all_close(ref, results, expected, dtype, scale=0.0):
    for result, reference in zip(results, expected, strict=True):
        assert result.dtype == reference.dtype == dtype
        ref.assert_close(result, reference, TOLERANCE[dtype], scale)


@FLOATS
@given(data=st.data())
@few
def test_affine(ref, dtype, data):
    p = data.draw(ref.affines())
    x, W, b, dout = (ref.frozen(a, dtype) for a in (p.x, p.W, p.b, p.dout))
    layer = Affine(W, b)
    results = layer.forward(x), layer.backward(dout), layer.dW, layer.db
    expected = in_torch(lambda x, W, b: F.linear(x.flatten(1), W.T, b), dout, x, W, b)
    # Sums of float32 products of both signs may be much smaller than the products.
    assert_all_close(ref, results, expected, dtype, scale=1 if dtype == np.float32 else 0)


@FLOATS
@pytest.mark.parametrize("layer", [Relu, Sigmoid])
@given(data=st.data(), shape=shapes)
@few
def test_activations(ref, dtype, layer, data, shape):
    rng = np.random.default_rng(data.draw(ref.seeds))
    x = ref.frozen(
        np.round(rng.normal(0, 3, shape) * 2) / 2, dtype
    )  # with ReLU's kink now and then
    dout = ref.normal(rng, shape, dtype)
    instance = layer()
    results = instance.forward(x), instance.backward(dout)
    expected = in_torch({Relu: torch.relu, Sigmoid: torch.sigmoid}[layer], dout, x)
    assert_all_close(ref, results, expected, dtype)


@FLOATS
@pytest.mark.parametrize("one_hot", [False, True], ids=["labels", "one_hot"])
@given(data=st.data(), dout=st.sampled_from([1.0, -0.5, 3.0]))
@few
def test_softmax_with_loss(ref, dtype, one_hot, data, dout):
    p = data.draw(ref.classifications())
    x = ref.frozen(p.x, dtype)
    t = np.eye(x.shape[1], dtype=dtype)[p.t] if one_hot else np.array(p.t)
    layer = SoftmaxWithLoss()
    results = layer.forward(x, ref.frozen(t)), layer.backward(dout)
    expected = in_torch(lambda x: F.cross_entropy(x, torch.tensor(t)), dtype(dout), x)
    assert_all_close(ref, results, expected, dtype, scale=1)


@FLOATS
@pytest.mark.parametrize("input_gradient", [True, False])
@given(data=st.data())
@few
def test_convolution(ref, dtype, input_gradient, data):
    p = data.draw(ref.convolutions())
    x, W, b, dout = (ref.frozen(a, dtype) for a in (p.x, p.W, p.b, p.dout))
    layer = Convolution(W, b, p.stride, p.pad, input_gradient=input_gradient)
    results = [layer.forward(x), layer.backward(dout), layer.dW, layer.db]
    expected = in_torch(
        lambda x, W, b: F.conv2d(x, W, b, stride=p.stride, padding=p.pad), dout, x, W, b
    )
    if not input_gradient:
        assert results.pop(1) is None
        expected.pop(1)
    assert_all_close(ref, results, expected, dtype, scale=1 if dtype == np.float32 else 0)


@FLOATS
@pytest.mark.parametrize("ties", [False, True])
@given(data=st.data())
@few
def test_pooling(ref, dtype, ties, data):
    p = data.draw(ref.poolings(ref.few_integers if ties else ref.distinct))
    x, dout = ref.frozen(p.x, dtype), ref.frozen(p.dout, dtype)
    pool_h, pool_w, stride, pad = p.arguments
    layer = Pooling(*p.arguments)
    results = layer.forward(x), layer.backward(dout)

    def max_pool(x):
        if pad <= min(pool_h, pool_w) / 2:  # all that torch allows
            return F.max_pool2d(x, (pool_h, pool_w), stride, pad)
        return F.max_pool2d(F.pad(x, [pad] * 4, value=-np.inf), (pool_h, pool_w), stride)

    assert_all_close(ref, results, in_torch(max_pool, dout, x), dtype, scale=1)


@FLOATS
@TRAIN
@given(data=st.data())
@few
def test_batch_normalization(ref, dtype, train_flg, data):
    p = data.draw(ref.batch_normalizations(smallest=2))  # with less torch refuses to train
    x, gamma, beta, dout = (ref.frozen(a, dtype) for a in (p.x, p.gamma, p.beta, p.dout))
    mean, var = ref.frozen(p.running_mean, dtype), ref.frozen(p.running_var, dtype)
    layer = BatchNormalization(gamma, beta, p.momentum, mean, var)
    y, dx = layer.forward(x, train_flg), layer.backward(dout)

    torch_mean, torch_var = torch.tensor(mean), torch.tensor(var)
    expected_y, expected_dx, *expected = in_torch(
        lambda x, gamma, beta: F.batch_norm(
            x, torch_mean, torch_var, gamma, beta, train_flg, 1 - p.momentum, 1e-6
        ),
        dout,
        x,
        gamma,
        beta,
    )
    assert_all_close(ref, [y, layer.dgamma, layer.dbeta], [expected_y, *expected], dtype, scale=1)
    # With two numbers a feature ∂L/∂X all but vanishes: a difference of terms of γ ∂L/∂Y / σ.
    variance = x.swapaxes(0, 1).reshape(len(gamma), -1).var(axis=1) if train_flg else var
    scale = np.abs(gamma / np.sqrt(variance)).max() * np.abs(dout).max()
    assert_all_close(ref, [dx], [expected_dx], dtype, scale)

    kept = p.momentum * p.running_var
    n = x.size // len(gamma)
    biased = (n - 1) / n if train_flg else 1
    ref.assert_close(layer.running_mean, torch_mean.numpy(), TOLERANCE[dtype])
    expected = kept + (torch_var.numpy() - kept) * biased if train_flg else var
    ref.assert_close(layer.running_var, expected, TOLERANCE[dtype])
    assert layer.running_mean.dtype == layer.running_var.dtype == dtype


@FLOATS
@TRAIN
@pytest.mark.parametrize("inverted", [False, True], ids=["book", "inverted"])
@given(data=st.data(), shape=shapes, ratio=st.sampled_from([0, 0.1, 0.5, 0.9]))
@few
def test_dropout(ref, dtype, train_flg, inverted, data, shape, ratio):
    rng = np.random.default_rng(data.draw(ref.seeds))
    x, dout = ref.normal(rng, shape, dtype), ref.normal(rng, shape, dtype)
    layer = Dropout(ratio, inverted=inverted, rng=rng)
    results = layer.forward(x, train_flg), layer.backward(dout)
    mask = torch.tensor(layer.mask) if train_flg else 1
    scale = 1 - ratio if not train_flg else 1
    if inverted:
        scale /= 1 - ratio
    assert_all_close(ref, results, in_torch(lambda x: x * mask * scale, dout, x), dtype)


@FLOATS
def test_a_small_network(ref, dtype):
    # One after the other, each layer meets the memory order that the others leave behind.
    rng = np.random.default_rng(0)
    x, t = ref.normal(rng, (6, 2, 9, 9), dtype), ref.frozen(rng.integers(0, 5, 6))
    sizes = [(4, 2, 3, 3), 4, 4, 4, (3, 4, 2, 2), 3, (27, 5), 5]
    parameters = [ref.normal(rng, size, dtype) for size in sizes]
    W1, b1, gamma, beta, W2, b2, W3, b3 = parameters
    first, norm = Convolution(W1, b1, 1, 1), BatchNormalization(gamma, beta)
    second, dropout, last = Convolution(W2, b2), Dropout(rng=rng), Affine(W3, b3)
    layers = [first, norm, Relu(), Pooling(3, 3, 2, 1)]
    layers += [second, Pooling(2, 2, 1), Sigmoid(), dropout, last]
    y = x
    for layer in layers:
        y = layer.forward(y)
    loss_layer = SoftmaxWithLoss()
    loss, dout = loss_layer.forward(y, t), loss_layer.backward()
    for layer in reversed(layers):
        dout = layer.backward(dout)

    def network(x, W1, b1, gamma, beta, W2, b2, W3, b3):
        y = F.conv2d(x, W1, b1, padding=1)
        y = F.relu(F.batch_norm(y, None, None, gamma, beta, training=True, eps=1e-6))
        y = F.conv2d(F.max_pool2d(y, 3, 2, 1), W2, b2)
        y = torch.sigmoid(F.max_pool2d(y, 2, 1)) * torch.tensor(dropout.mask)
        return F.cross_entropy(F.linear(y.flatten(1), W3.T, b3), torch.tensor(t))

    results = [loss, dout, first.dW, first.db, norm.dgamma, norm.dbeta, second.dW, second.db]
    results += [last.dW, last.db]
    expected = in_torch(network, dtype(1), x, *parameters)
    # What is subtracted in batch normalization takes the first bias with it: ∂L/∂b is rounding.
    scales = [0, 0, 0, np.abs(first.dW).max(), 0, 0, 0, 0, 0, 0]
    for result, reference, scale in zip(results, expected, scales, strict=True):
        assert_all_close(ref, [result], [reference], dtype, scale)
