import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import strategies as st

seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="session")
def ref():
    """Give this module: helpers, strategies and slow references that the tests beside it share."""
    return sys.modules[__name__]


def frozen(values, dtype=None):
    """An array that raises ValueError if someone writes to it."""
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


def normal(rng, shape, dtype=np.float64):
    return frozen(rng.normal(size=shape), dtype)


def distinct(rng, shape, dtype=np.float64):
    """Numbers at least 0.1 from each other and 0.025 from 0: no pooling ties, no ReLU kinks."""
    n = int(np.prod(shape))
    return frozen((0.1 * (rng.permutation(n) - n // 2) + 0.025).reshape(shape), dtype)


def central_differences(f, x, h=1e-4):
    """∂f/∂x with an error of order h⁴, entry by entry."""
    gradient = np.empty(x.shape)
    y = np.array(x)
    for index in np.ndindex(x.shape):
        values = []
        for step in (h, -h, 2 * h, -2 * h):
            y[index] = x[index] + step
            values.append(f(y))
        y[index] = x[index]
        gradient[index] = (8 * (values[0] - values[1]) - values[2] + values[3]) / (12 * h)
    return gradient


def assert_close(actual, expected, tolerance, scale=0.0):
    """Relative to the largest entry, or to `scale` if that is larger, and of the same shape."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    scale = max(scale, np.abs(expected).max(initial=1e-30))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


@st.composite
def affines(draw):
    rng = np.random.default_rng(draw(seeds))
    shape = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5).map(tuple))
    inputs, outputs = int(np.prod(shape[1:])), draw(st.integers(1, 4))
    return SimpleNamespace(
        x=normal(rng, shape),
        W=normal(rng, (inputs, outputs)),
        b=normal(rng, outputs),
        dout=normal(rng, (shape[0], outputs)),
    )


@st.composite
def convolutions(draw):
    """All strides, paddings and filters, on images just large enough or up to 4 pixels larger."""
    rng = np.random.default_rng(draw(seeds))
    n, channels, filters, stride = (draw(st.integers(1, 3)) for _ in range(4))
    filter_h, filter_w = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    pad = draw(st.integers(0, 3))
    height, width = (
        max(1, size - 2 * pad) + draw(st.integers(0, 4)) for size in (filter_h, filter_w)
    )
    return convolution(
        rng, (n, channels, height, width), (filters, filter_h, filter_w), stride, pad
    )


def convolution(rng, shape, window, stride, pad):
    n, channels, height, width = shape
    filters, filter_h, filter_w = window
    out_h = len(starts(height, filter_h, stride, pad))
    out_w = len(starts(width, filter_w, stride, pad))
    return SimpleNamespace(
        x=normal(rng, shape),
        W=normal(rng, (filters, channels, filter_h, filter_w)),
        b=normal(rng, filters),
        dout=normal(rng, (n, filters, out_h, out_w)),
        stride=stride,
        pad=pad,
    )


@st.composite
def poolings(draw, values=distinct):
    """Overlapping windows, windows with gaps between them, and every padding that is allowed."""
    rng = np.random.default_rng(draw(seeds))
    n, channels = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    pool_h, pool_w, stride = (draw(st.integers(1, 4)) for _ in range(3))
    pad = draw(st.integers(0, min(pool_h, pool_w) - 1))
    height, width = (max(1, size - 2 * pad) + draw(st.integers(0, 4)) for size in (pool_h, pool_w))
    out_h = len(starts(height, pool_h, stride, pad))
    out_w = len(starts(width, pool_w, stride, pad))
    return SimpleNamespace(
        x=values(rng, (n, channels, height, width)),
        dout=normal(rng, (n, channels, out_h, out_w)),
        arguments=(pool_h, pool_w, stride, pad),
    )


def few_integers(rng, shape):
    return frozen(rng.integers(-1, 2, shape), np.float64)


@st.composite
def batch_normalizations(draw, smallest=1):
    """Rows or images, with at least `smallest` numbers for each feature."""
    rng = np.random.default_rng(draw(seeds))
    n, features = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    image = draw(st.sampled_from([(), (1, 1), (1, 3), (3, 2)]))
    while n * int(np.prod(image)) < smallest:
        n += 1
    shape = (n, features, *image)
    scale = draw(st.sampled_from([1.0, 10.0]))
    return SimpleNamespace(
        x=frozen(scale * distinct(rng, shape) + rng.normal()),
        gamma=normal(rng, features),
        beta=normal(rng, features),
        running_mean=normal(rng, features),
        running_var=frozen(rng.uniform(0.2, 3, features)),
        momentum=draw(st.sampled_from([0.0, 0.3, 0.9, 1.0])),
        dout=normal(rng, shape),
    )


@st.composite
def classifications(draw):
    rng = np.random.default_rng(draw(seeds))
    n, classes = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    scale = draw(st.sampled_from([0.1, 1.0, 3.0]))
    return SimpleNamespace(
        x=frozen(scale * rng.normal(size=(n, classes))), t=frozen(rng.integers(0, classes, n))
    )


def starts(size, window, stride, pad):
    """Where the windows begin, in pixels of the image: all that end inside of its padding."""
    return [p for p in range(-pad, size + pad, stride) if p + window <= size + pad]


def convolution_by_loops(problem):
    """Y, ∂L/∂X, ∂L/∂W and ∂L/∂b from the definition, one product at a time."""
    x, W, b, dout = problem.x, problem.W, problem.b, problem.dout
    n, _, height, width = x.shape
    tops = starts(height, W.shape[2], problem.stride, problem.pad)
    lefts = starts(width, W.shape[3], problem.stride, problem.pad)
    y, dx = np.zeros((n, len(W), len(tops), len(lefts))), np.zeros(x.shape)
    dW, db = np.zeros(W.shape), np.zeros(b.shape)
    for m, f, i, j in np.ndindex(y.shape):
        y[m, f, i, j] = b[f]
        db[f] += dout[m, f, i, j]
        for c, u, v in np.ndindex(W.shape[1:]):
            p, q = tops[i] + u, lefts[j] + v
            if 0 <= p < height and 0 <= q < width:
                y[m, f, i, j] += x[m, c, p, q] * W[f, c, u, v]
                dx[m, c, p, q] += dout[m, f, i, j] * W[f, c, u, v]
                dW[f, c, u, v] += dout[m, f, i, j] * x[m, c, p, q]
    return y, dx, dW, db


def pooling_by_loops(problem):
    """Y and ∂L/∂X from the definition; the first of several maxima has all the influence."""
    x, (pool_h, pool_w, stride, pad) = problem.x, problem.arguments
    n, channels, height, width = x.shape
    tops, lefts = starts(height, pool_h, stride, pad), starts(width, pool_w, stride, pad)
    y, dx = np.empty((n, channels, len(tops), len(lefts))), np.zeros(x.shape)
    for m, c, i, j in np.ndindex(y.shape):
        pixels = [
            (m, c, p, q)
            for p in range(max(0, tops[i]), min(height, tops[i] + pool_h))
            for q in range(max(0, lefts[j]), min(width, lefts[j] + pool_w))
        ]
        first = max(pixels, key=lambda pixel: x[pixel])
        y[m, c, i, j] = x[first]
        dx[first] += problem.dout[m, c, i, j]
    return y, dx
