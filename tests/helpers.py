"""What many tests share: arrays that nobody may write to, comparisons and finite differences."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

FLOATS = pytest.mark.parametrize("dtype", [np.float32, np.float64])
few = settings(max_examples=40)
seeds = st.integers(0, 2**32 - 1)


def frozen(values, dtype=None, order="K"):
    """A copy of `values` as an array that raises a ValueError if someone writes to it."""
    array = np.array(values, dtype=dtype, order=order)
    array.setflags(write=False)
    return array


def normal(rng, shape, dtype=np.float64):
    return frozen(rng.normal(size=shape), dtype)


def distinct(rng, shape, dtype=np.float64):
    """Numbers at least 0.1 from each other and 0.025 from 0: no pooling ties, no ReLU kinks."""
    n = int(np.prod(shape))
    return frozen((0.1 * (rng.permutation(n) - n // 2) + 0.025).reshape(shape), dtype)


def new_labels(rng, n, classes, kind):
    """Labels of a `kind`: "labels", "one-hot" or "soft"."""
    t = rng.integers(0, classes, n)
    if kind == "one-hot":
        return frozen(np.eye(classes)[t])
    return frozen(rng.dirichlet(np.ones(classes), n) if kind == "soft" else t)


def assert_close(actual, expected, tolerance=1e-12, scale=0.0):
    """Of one shape, and close relative to the largest element, or to `scale` if that is larger.

    Mappings are compared key by key. Small elements may be differences of large ones.
    """
    if isinstance(expected, Mapping):
        assert list(actual) == list(expected)
        for key, value in expected.items():
            assert_close(actual[key], value, tolerance, scale)
        return
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    scale = max(scale, np.abs(expected).max(initial=1e-300))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


def as_bytes(arrays):
    """All that makes up the arrays of a mapping, to be compared bit for bit."""
    return {key: (array.dtype, array.shape, array.tobytes()) for key, array in arrays.items()}


def slope(f, h=1e-4):
    """The derivative of f at 0 by finite differences, with an error of order h⁴."""
    return (8 * (f(h) - f(-h)) - f(2 * h) + f(-2 * h)) / (12 * h)


def central_differences(f, x, h=1e-4):
    """∂f/∂x, element by element, with an error of order h⁴."""
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        y = np.array(x)

        def moved(step, y=y, index=index):
            y[index] = x[index] + step
            return f(y)

        gradient[index] = slope(moved, h)
    return gradient


def starts(size, window, stride, pad):
    """Where the windows begin, in pixels of the image: all that end inside of its padding."""
    return [p for p in range(-pad, size + pad, stride) if p + window <= size + pad]
