"""Every layer, and a network of all of them, against PyTorch."""

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
from tests.common.layers.problems import STRATEGIES, few_integers, poolings
from tests.helpers import FLOATS, assert_close, few, frozen, normal

torch = pytest.importorskip("torch")
F = torch.nn.functional

TOLERANCE = {np.float32: 1e-4, np.float64: 1e-10}


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Threads that wait for each other take far longer than arrays as small as these."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def max_pool(layer, x):
    window, stride, pad = (layer.pool_h, layer.pool_w), layer.stride, layer.pad
    if pad <= min(window) / 2:  # all that torch allows
        return F.max_pool2d(x, window, stride, pad)
    return F.max_pool2d(F.pad(x, [pad] * 4, value=-np.inf), window, stride)


def batch_norm(layer, x, gamma, beta, train_flg):
    mean, var = torch.tensor(layer.running_mean), torch.tensor(layer.running_var)
    y = F.batch_norm(x, mean, var, gamma, beta, train_flg, 1 - layer.momentum, 1e-6)
    layer.averages = mean.numpy(), var.numpy()
    return y


# Each with the layer as it was before its forward pass; but Dropout's mask is that of the pass.
THEIRS = {
    "Affine": lambda layer, x, W, b: F.linear(x.flatten(1), W.T, b),
    "Relu": lambda layer, x: torch.relu(x),
    "Sigmoid": lambda layer, x: torch.sigmoid(x),
    "Convolution": lambda layer, x, W, b: F.conv2d(x, W, b, layer.stride, layer.pad),
    "Pooling": max_pool,
    "Pooling, ties": max_pool,
    "BatchNormalization, training": batch_norm,
    "BatchNormalization, inference": batch_norm,
    "Dropout": lambda layer, x, train_flg: x * torch.tensor(np.asarray(layer.mask)),
    "SoftmaxWithLoss": lambda layer, x, t: F.cross_entropy(x, torch.tensor(t)),
}
OURS = STRATEGIES | {"Pooling, ties": poolings(few_integers)}


def in_torch(function, dout, *arrays):
    """The output, and the gradients with respect to all `arrays`."""
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    y = function(*tensors)
    y.backward(torch.tensor(dout))
    return [y.detach().numpy(), *(tensor.grad.numpy() for tensor in tensors)]


@FLOATS
@pytest.mark.parametrize("name", THEIRS)
@given(data=st.data())
@settings(few, max_examples=60)
def test_each_layer(name, dtype, data):
    p = data.draw(OURS[name]).as_type(dtype)
    t = tuple(a.astype(dtype) if np.ndim(a) == 2 else a for a in p.arguments)
    layer, fresh = p.layer(), p.layer()
    results = [p.forward(layer), layer.backward(p.dout)]
    results += [getattr(layer, f"d{key}") for key in p.parameters]
    fresh.mask = getattr(layer, "mask", None)
    expected = in_torch(
        lambda *tensors: THEIRS[name](fresh, *tensors, *t), p.dout, p.x, *p.parameters.values()
    )
    for result, reference in zip(results, expected, strict=True):
        assert result.dtype == reference.dtype == dtype
        assert_close(result, reference, TOLERANCE[dtype], p.scale)
    if layer.buffer_names:
        mean, var = fresh.averages
        assert_close(layer.running_mean, mean, TOLERANCE[dtype])
        if p.arguments[0]:  # torch keeps an average of the variance divided by N − 1
            n, kept = p.x.size // p.x.shape[1], fresh.momentum * fresh.running_var
            var = kept + (var - kept) * (n - 1) / n
        assert_close(layer.running_var, var, TOLERANCE[dtype])


@FLOATS
def test_a_small_network(dtype):
    # One after the other, each layer meets the memory order that the others leave behind.
    rng = np.random.default_rng(0)
    x, t = normal(rng, (6, 2, 9, 9), dtype), frozen(rng.integers(0, 5, 6))
    sizes = [(4, 2, 3, 3), 4, 4, 4, (3, 4, 2, 2), 3, (27, 5), 5]
    parameters = [normal(rng, size, dtype) for size in sizes]
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
    # What is subtracted in batch normalization takes the first bias with it: ∂L/∂b is rounding.
    scales = [0, 0, 0, np.abs(first.dW).max(), 0, 0, 0, 0, 0, 0]
    expected = in_torch(network, dtype(1), x, *parameters)
    for result, reference, scale in zip(results, expected, scales, strict=True):
        assert result.dtype == reference.dtype == dtype
        assert_close(result, reference, TOLERANCE[dtype], scale)
