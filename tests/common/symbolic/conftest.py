import sys
import warnings
from types import SimpleNamespace

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

import common.symbolic.tensor as T
from common.symbolic import shared

# One expression in m is both of this library and of autograd's NumPy.


def softmax(x):
    e = anp.exp(x - anp.max(x, axis=-1, keepdims=True))
    return e / anp.sum(e, axis=-1, keepdims=True)


ROWS = np.array([0, -1, 0])
SYMBOLIC = SimpleNamespace(
    **vars(T) | vars(T.nnet),
    repeated=shared(ROWS),
    copy=lambda x: x.copy(),
)
NUMPY = SimpleNamespace(
    **vars(anp)
    | {
        "repeated": ROWS,
        "sqr": anp.square,
        "cast": np.asarray,
        "sigmoid": lambda x: 1 / (1 + anp.exp(-x)),
        "softplus": lambda x: anp.log(1 + anp.exp(x)),
        "softmax": softmax,
        "switch": lambda c, a, b: (c != 0) * a + (c == 0) * b,  # where doesn't broadcast
        "zero_or_product": lambda g, f: g * f,
        "copy": lambda x: x,
        "fill": lambda x, y: y + 0 * x,
        "alloc": lambda x, *shape: x * np.ones(shape),
        "addbroadcast": lambda x, axis: x,
        "batched_dot": lambda a, b: anp.einsum("bnk,bkm->bnm", a, b),
    }
)


@pytest.fixture(scope="session")
def ref():
    """Return this module: helpers and references that the tests in this folder share."""
    return sys.modules[__name__]


@pytest.fixture(autouse=True)
def _floatX():
    yield
    T.config.floatX = "float64"


def assert_close(actual, expected, tolerance, scale=0.0):
    """Check for equal shapes and errors relative to the largest element, or to a larger `scale`."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    scale = max(scale, np.abs(expected).max(initial=1e-30))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


def central_difference(f, xs, direction, h=1e-3):
    """Return the derivative of f(*xs) along `direction`, with an error of order h⁴."""
    values = [
        f(*(np.asarray(x + step * d) for x, d in zip(xs, direction, strict=True)))
        for step in (h, -h, 2 * h, -2 * h)
    ]
    return (8 * (values[0] - values[1]) - values[2] + values[3]) / (12 * h)


def autograd_gradients(f):
    """Return a function that returns the gradients of f(*xs) with respect to all xs."""

    def gradients(*xs):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Output seems independent of input")
            return autograd.grad(f, tuple(range(len(xs))))(*xs)

    return gradients
