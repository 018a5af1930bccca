"""The few functions that derived programs call beside NumPy's. They take arrays and numbers."""

import numpy as np

__all__ = [
    "SPACE",
    "add_at",
    "log_softmax",
    "logsumexp",
    "put",
    "scatter",
    "sigmoid",
    "softmax",
    "sum_to",
]


def sigmoid(x, out=None):
    """Return 1 / (1 + exp(−x)) without overflow, in `out` if that is given; it may be `x`."""
    z = np.abs(x)
    z = np.exp(-z)
    top = np.where(np.greater_equal(x, 0), z.dtype.type(1), z)
    z = z + 1
    return np.true_divide(top, z, out=out)


def softmax(x):
    """Return exp(xₖ) / Σⱼ exp(xⱼ) along the last axis."""
    y = _last_axis_first(x)
    y -= y.max(axis=0)
    np.exp(y, out=y)
    y /= y.sum(axis=0)
    return np.moveaxis(y, 0, -1)


def logsumexp(x):
    """Return log Σₖ exp(xₖ) over the last axis."""
    y = _last_axis_first(x)
    largest = y.max(axis=0)
    y -= largest
    np.exp(y, out=y)
    return largest + np.log(y.sum(axis=0))


def log_softmax(x):
    """Return xₖ − log Σⱼ exp(xⱼ) along the last axis."""
    y = _last_axis_first(x)
    y -= y.max(axis=0)
    y -= np.log(np.exp(y).sum(axis=0))
    return np.moveaxis(y, 0, -1)


def _last_axis_first(x):
    """Return a copy: NumPy is slow at reducing a short last axis."""
    return (x.T if x.ndim == 2 else np.moveaxis(x, -1, 0)).copy()


def sum_to(g, shape):
    """Return `g` summed over the axes that broadcasting from `shape` added to it."""
    if g.shape == shape:
        return g
    extra = g.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        a + extra for a, n in enumerate(shape) if n == 1 and g.shape[a + extra] != 1
    )
    return g.sum(axis=axes).reshape(shape)


def put(g, shape, index):
    """Return zeros of `shape` with `g` at `index`, which must not name a place twice."""
    result = np.zeros(shape, np.asarray(g).dtype)
    result[index] = g
    return result


def scatter(g, shape, index):
    """Return zeros of `shape` with `g` added in at `index`, as often as a place is named."""
    result = np.zeros(shape, np.asarray(g).dtype)
    np.add.at(result, index, g)
    return result


def add_at(x, index, g):
    """Return a copy of `x` with `g` added at `index`, which must not name a place twice."""
    x = np.array(x)
    x[index] += g
    return x


# What programs see, and all that they see. Of the builtins only what NumPy needs to import parts of
# itself late.
SPACE = {"np": np, "__builtins__": {"__import__": __import__}} | {
    f.__name__: f for f in (add_at, log_softmax, logsumexp, put, scatter, sigmoid, softmax, sum_to)
}
