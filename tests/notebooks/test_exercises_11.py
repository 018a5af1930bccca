import numpy as np
import pytest

from common.exercises import notebook_11 as check
from common.layers import Convolution


def output_size(size, filter_size, stride, pad):
    return (size + 2 * pad - filter_size) // stride + 1


def convolve_with(image, weights, stride, pad):
    image = np.pad(image, pad)
    (height, width), (filter_h, filter_w) = image.shape, weights.shape
    out = np.empty(((height - filter_h) // stride + 1, (width - filter_w) // stride + 1))
    for i, j in np.ndindex(out.shape):
        top, left = stride * i, stride * j
        out[i, j] = np.sum(image[top : top + filter_h, left : left + filter_w] * weights)
    return out


def filter_gradient(x, dout):
    return convolve_with(x, dout, 1, 0)


class AveragePooling:
    def __init__(self, size):
        self.size = size

    def forward(self, x):
        n, c, h, w = x.shape
        s = self.size
        return x.reshape(n, c, h // s, s, w // s, s).mean(axis=(3, 5))

    def backward(self, dout):
        return dout.repeat(self.size, axis=2).repeat(self.size, axis=3) / self.size**2


RIGHT = {
    "output_size": [output_size, lambda h, f, s, p: np.floor((h + 2 * p - f) / s + 1)],
    "corner": [np.array([[1, -1], [-1, 1]]), [[-1.0, 1.0], [1.0, -1.0]]],
    "convolve_with": [
        convolve_with,
        lambda image, weights, stride, pad: Convolution(
            weights[None, None], np.zeros(1), stride, pad
        ).forward(image[None, None])[0, 0],
    ],
    "filter_gradient": [filter_gradient],
    "average_pooling": [AveragePooling],
}


@pytest.mark.parametrize(
    ("name", "answer"), [(name, answer) for name, answers in RIGHT.items() for answer in answers]
)
def test_right_answers_pass(name, answer):
    verdict = getattr(check, name)(answer)
    assert verdict, verdict.message


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda h, f, s, p: (h + 2 * p - f) / s + 1, "must be an integer"),
        (lambda h, f, s, p: (h + p - f) // s + 1, "padding is on both sides"),
        (lambda h, f, s, p: (h + 2 * p - f) // s, "where each window starts"),
        (lambda h, f: h - f + 1, "your code raised TypeError"),
    ],
)
def test_wrong_output_sizes(answer, part):
    verdict = check.output_size(answer)
    assert not verdict
    assert part in verdict.message


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        ([[-1, 1], [-1, 1]], "whose rows are all alike"),
        ([[-1, -1], [1, 1]], "whose columns are all alike"),
        ([[0, 0], [0, 0]], "must be 1, not 0"),
        ([[2, -2], [-2, 2]], "must be 1, not 2"),
        ([1, -1, -1, 1], "must have shape (2, 2), got (4,)"),
    ],
)
def test_wrong_filters(answer, part):
    verdict = check.corner(answer)
    assert not verdict
    assert part in verdict.message


def without_padding(image, weights, stride, pad):
    return convolve_with(image, weights, stride, 0)


def without_stride(image, weights, stride, pad):
    return convolve_with(image, weights, 1, pad)


def turned(image, weights, stride, pad):
    return convolve_with(image, weights[::-1, ::-1], stride, pad)


def careless(image, weights, stride, pad):
    out = convolve_with(image, weights, stride, pad)
    image *= 0
    return out


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (without_padding, "zeros stand on all four sides"),
        (without_stride, "starts at (2i, 2j)"),
        (turned, "the output for an image"),
        (careless, "start from a copy"),
    ],
)
def test_wrong_convolutions(answer, part):
    verdict = check.convolve_with(answer)
    assert not verdict
    assert part in verdict.message


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda x, dout: filter_gradient(x, dout)[::-1, ::-1], "weight (u, v) meets pixel"),
        (lambda x, dout: filter_gradient(x, dout) / dout.size, "weight (u, v) meets pixel"),
        (lambda x, dout: x[: dout.shape[0], : dout.shape[1]] * dout, "must have shape"),
    ],
)
def test_wrong_filter_gradients(answer, part):
    verdict = check.filter_gradient(answer)
    assert not verdict
    assert part in verdict.message


class SumForward(AveragePooling):
    def forward(self, x):
        return super().forward(x) * self.size**2


class FullBackward(AveragePooling):
    def backward(self, dout):
        return super().backward(dout) * self.size**2


class NoBackward(AveragePooling):
    forward = AveragePooling.forward

    def backward(self, dout):
        return ...


class NoReturn(AveragePooling):
    def backward(self, dout):
        super().backward(dout)


class SmallBackward(AveragePooling):
    def backward(self, dout):
        return dout / self.size**2


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (SumForward, "each number is the mean of 2 × 2 pixels"),
        (FullBackward, "by how much does the mean of its 4 pixels grow"),
        (NoBackward, "backward isn't filled in yet"),
        (NoReturn, "is there a return"),
        (SmallBackward, "must have shape"),
    ],
)
def test_wrong_pooling(answer, part):
    verdict = check.average_pooling(answer)
    assert not verdict
    assert part in verdict.message
