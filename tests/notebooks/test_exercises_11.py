"""The checks of notebook 11 accept right answers, and say what is wrong with wrong ones."""

import math

import numpy as np
import pytest

from common.exercises import notebook_11 as check
from common.layers import Convolution


def output_size(size, filter_size, stride, pad):
    return (size + 2 * pad - filter_size) // stride + 1


def convolve_with(image, weights, stride, pad):
    image = np.pad(image, pad)
    (h, w), (fh, fw) = image.shape, weights.shape
    out = np.empty(((h - fh) // stride + 1, (w - fw) // stride + 1))
    for i, j in np.ndindex(out.shape):
        window = image[stride * i : stride * i + fh, stride * j : stride * j + fw]
        out[i, j] = np.sum(window * weights)
    return out


def convolve_by_layer(image, weights, stride, pad):
    layer = Convolution(weights[None, None], np.zeros(1), stride, pad)
    return layer.forward(image[None, None])[0, 0].tolist()


def convolve_by_windows(image, weights, stride, pad):
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(image, pad), weights.shape)
    return np.einsum("ijuv,uv", windows[::stride, ::stride], weights)


def filter_gradient(x, dout, stride):
    (oh, ow), (h, w) = dout.shape, x.shape
    out = np.zeros((h - stride * (oh - 1), w - stride * (ow - 1)))
    for i, j in np.ndindex(oh, ow):
        top, left = stride * i, stride * j
        out += dout[i, j] * x[top : top + out.shape[0], left : left + out.shape[1]]
    return out


def filter_gradient_dilated(x, dout, stride):
    dilated = np.zeros([stride * (n - 1) + 1 for n in dout.shape])
    dilated[::stride, ::stride] = dout
    return convolve_with(x, dilated, 1, 0)


def filter_gradient_by_layer(x, dout, stride):
    size = [n - stride * (o - 1) for n, o in zip(x.shape, dout.shape, strict=True)]
    layer = Convolution(np.zeros((1, 1, *size)), np.zeros(1), stride)
    layer.forward(x[None, None])
    layer.backward(dout[None, None])
    return layer.dW[0, 0].astype(np.longdouble)


class LeakyReLU:
    def __init__(self, a=0.01):
        self.a = a

    def forward(self, x):
        self.positive = x > 0
        return np.where(self.positive, x, self.a * x)

    def backward(self, dout):
        return np.where(self.positive, dout, self.a * dout)


class LeakyByMaximum(LeakyReLU):
    def forward(self, x):
        super().forward(x)
        return np.maximum(x, self.a * x).tolist()


class LeakyBySlope(LeakyReLU):
    def forward(self, x):
        self.slope = self.a + (1 - self.a) * (x >= 0)
        return x * self.slope

    def backward(self, dout):
        return dout * self.slope


class AveragePooling:
    def __init__(self, size):
        self.size = size

    def forward(self, x):
        n, c, h, w = x.shape
        s = self.size
        return x.reshape(n, c, h // s, s, w // s, s).mean(axis=(3, 5))

    def backward(self, dout):
        return dout.repeat(self.size, axis=2).repeat(self.size, axis=3) / self.size**2


class PoolingBySlices(AveragePooling):
    def forward(self, x):
        s = self.size
        return sum(x[:, :, i::s, j::s] for i, j in np.ndindex(s, s)) / s**2


class PoolingByKron(AveragePooling):
    def backward(self, dout):
        return np.kron(dout, np.full((1, 1, self.size, self.size), self.size**-2)).tolist()


RIGHT = {
    "output_size": [
        output_size,
        lambda h, f, s, p: np.floor((h + 2 * p - f) / s + 1),
        lambda h, f, s, p: len(range(0, h + 2 * p - f + 1, s)),
    ],
    "corner": [np.array([[1, -1], [-1, 1]]), [[-1.0, 1.0], [1.0, -1.0]], ((1, -1), (-1, 1))],
    "convolve_with": [convolve_with, convolve_by_layer, convolve_by_windows],
    "filter_gradient": [filter_gradient, filter_gradient_dilated, filter_gradient_by_layer],
    "leaky_relu": [LeakyReLU, LeakyByMaximum, LeakyBySlope],
    "average_pooling": [AveragePooling, PoolingBySlices, PoolingByKron],
}


@pytest.mark.parametrize(("name", "answer"), [(n, a) for n, every in RIGHT.items() for a in every])
def test_right(name, answer):
    for _ in range(3):
        verdict = getattr(check, name)(answer)
        assert verdict, verdict.message


def changed(layer, forward=None, backward=None):
    """Return a subclass whose results are changed by the functions given."""

    class Changed(layer):
        pass

    for name, change in (("forward", forward), ("backward", backward)):
        if change:
            method = getattr(layer, name)

            def new(self, array, change=change, method=method):
                return change(self, method(self, array), array)

            setattr(Changed, name, new)
    return Changed


def in_place(self, result, array):
    array *= 0
    return result


class NoBackward(AveragePooling):
    forward = AveragePooling.forward

    def backward(self, dout):
        return ...


def pools(forward=None, backward=None):
    return changed(AveragePooling, forward, backward)


def leaks(forward=None, backward=None):
    return changed(LeakyReLU, forward, backward)


def careless(image, weights, stride, pad):
    out = convolve_with(image, weights, stride, pad)
    image *= 0
    return out


WRONG = {
    "output_size": [
        (lambda h, f, s, p: (h + 2 * p - f) / s + 1, "// rounds down"),
        (lambda h, f, s, p: math.ceil((h + 2 * p - f) / s) + 1, "where each window starts"),
        (lambda h, f, s, p: (h + p - f) // s + 1, "padding is on both sides"),
        (lambda h, f, s, p: (h + 2 * p - f) // s, "where each window starts"),
        (lambda h, f: h - f + 1, "your code raised TypeError"),
    ],
    "corner": [
        ([[-1, 1], [-1, 1]], "whose rows are all equal"),
        ([[-1, -1], [1, 1]], "whose columns are all equal"),
        ([[0, 0], [0, 0]], "must be 1, not 0"),
        ([[2, -2], [-2, 2]], "must be 1, not 2"),
        ([1, -1, -1, 1], "must have shape (2, 2), got (4,)"),
    ],
    "convolve_with": [
        (lambda i, w, s, p: convolve_with(i, w, s, 0), "zeros stand on all four sides"),
        (lambda i, w, s, p: convolve_with(i, w, 1, p), "starts at (2i, 2j)"),
        (lambda i, w, s, p: convolve_with(i, w[::-1, ::-1], s, p), "isn't rotated"),
        (lambda i, w, s, p: convolve_with(i, w.T, s, p), "the output for image"),
        (lambda i, w, s, p: convolve_with(np.pad(i, p, mode="edge"), w, s, 0), "np.pad(image"),
        (careless, "start from a copy"),
    ],
    "filter_gradient": [
        (lambda x, d, s: filter_gradient(x, d, s)[::-1, ::-1], "meets pixel"),
        (lambda x, d, s: filter_gradient(x, d, s) / d.size, "a sum, not a mean"),
        (lambda x, d, s: x[: len(d), : len(d.T)] * d, "must have shape"),
        (lambda x, d, s: convolve_with(x, d, 1, 0), "must have shape"),
        (lambda x, d, s: filter_gradient(x, d[::-1, ::-1], s), "meets pixel"),
    ],
    "leaky_relu": [
        (leaks(lambda self, y, x: np.maximum(x, 0)), "else a x"),
        (leaks(lambda self, y, x: np.where(x > 0, x, self.a)), "else a x"),
        (leaks(None, lambda self, dx, d: np.where(self.positive, d, 0)), "the derivative a, not 0"),
        (leaks(None, lambda self, dx, d: np.where(d > 0, d, self.a * d)), "on x, not on dout"),
        (leaks(None, lambda self, dx, d: dx / d), "multiply by the upstream gradient"),
        (leaks(None, lambda self, dx, d: d), "a elsewhere"),
        (leaks(in_place), "changes the array"),
        (leaks(None, in_place), "changes the array"),
        (leaks(None, lambda self, dx, d: None), "is there a return"),
        (changed(LeakyReLU, lambda self, y, x: np.where(x > 0, x, 0.01 * x)), "else a x"),
    ],
    "average_pooling": [
        (pools(lambda self, y, x: y * self.size**2), "a square of 2 × 2 neighbouring pixels"),
        (pools(lambda self, y, x: y.transpose(0, 1, 3, 2)), "must have shape"),
        (pools(None, lambda self, dx, d: dx * self.size**2), "the mean of its 4 pixels grow"),
        (pools(None, lambda self, dx, d: d / self.size**2), "must have shape"),
        (pools(None, lambda self, dx, d: None), "is there a return"),
        (pools(in_place), "changes the array"),
        (NoBackward, "backward isn't filled in yet"),
    ],
}


@pytest.mark.parametrize(
    ("name", "answer", "hint"), [(n, *w) for n, ws in WRONG.items() for w in ws]
)
def test_wrong(name, answer, hint):
    verdict = getattr(check, name)(answer)
    assert not verdict
    assert hint in verdict.message
