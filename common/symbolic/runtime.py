"""The few functions that compiled programs call besides NumPy's. They take arrays and scalars."""

import numpy as np

__all__ = ["NAMESPACE"]


def sigmoid(x, out=None):
    """Return 1 / (1 + exp(−x)) without overflow, in `out` if that is given; it may be `x`."""
    z = np.abs(x)
    z = np.exp(-z)
    top = np.where(np.greater_equal(x, 0), z.dtype.type(1), z)
    z = z + 1
    return np.true_divide(top, z, out=out)


def zero_or_product(g, f):
    """Return g f, but 0 where g is 0, even if f is infinite or NaN there."""
    with np.errstate(invalid="ignore"):
        product = np.multiply(g, f)
    return np.where(np.equal(g, 0), product.dtype.type(0), product)


def zero_or_dot(g, f):
    """Return g @ f, without the terms of which all of g is 0, even if f is infinite there."""
    used = g.any(axis=-2) if g.ndim > 1 else g != 0
    return g @ (f if used.all() else np.where(used[..., None], f, f.dtype.type(0)))


def prod_of_others(x, axis):
    """Return, for each element, the product of the others along an axis."""
    x = np.moveaxis(x, axis, 0)
    one = np.ones_like(x[:1])
    before = np.cumprod(np.concatenate([one, x[:-1]]), axis=0)
    after = np.cumprod(np.concatenate([one, x[:0:-1]]), axis=0)[::-1]
    return np.moveaxis(before * after, 0, axis)


def _first(x, axes):
    """Return a copy with `axes` moved to the front: NumPy is slow at reducing a short last axis."""
    if x.ndim == 2 and axes == (1,):
        return x.T.copy()  # the common case, without the overhead of moveaxis
    return np.moveaxis(x, axes, range(len(axes))).copy()


def _back(y, axes):
    return y.T if y.ndim == 2 and axes == (1,) else np.moveaxis(y, range(len(axes)), axes)


def softmax(x, axes):
    """Return exp(xₖ) / Σⱼ exp(xⱼ), where the sum goes over `axes`."""
    y, front = _first(x, axes), tuple(range(len(axes)))
    y -= y.max(axis=front)
    np.exp(y, out=y)
    y /= y.sum(axis=front)
    return _back(y, axes)


def log_softmax(x, axes):
    """Return xₖ − log Σⱼ exp(xⱼ), where the sum goes over `axes`."""
    y, front = _first(x, axes), tuple(range(len(axes)))
    y -= y.max(axis=front)
    y -= np.log(np.exp(y).sum(axis=front))
    return _back(y, axes)


def logsumexp(x, axes):
    """Return log Σₖ exp(xₖ) over `axes`, without overflow."""
    y, front = _first(x, axes), tuple(range(len(axes)))
    largest = y.max(axis=front)
    y -= np.where(np.isfinite(largest), largest, 0)
    return np.where(np.isfinite(largest), largest, 0) + np.log(np.exp(y).sum(axis=front))


def put(g, shape, index):
    """Return zeros of `shape` with `g` at `index`, which names no element twice."""
    result = np.zeros(shape, np.asarray(g).dtype)
    result[index] = g
    return result


def put_add(g, shape, index):
    """Return zeros of `shape` with `g` added at `index`, as often as an element is named."""
    result = np.zeros(shape, np.asarray(g).dtype)
    np.add.at(result, index, g)
    return result


def set_at(x, index, y):
    """Return a copy of `x` with `y` at `index`."""
    x = np.array(x)
    x[index] = y
    return x


def add_at(x, index, y):
    """Return a copy of `x` with `y` added at `index`, as often as an element is named."""
    x = np.array(x)
    np.add.at(x, index, y)
    return x


def draw(method, dtype, seed, call, size, **given):
    """Return random numbers: always the same for one `seed` (a pair) and number of the `call`.

    The generator is Philox, which is counter-based: `call` goes into its counter.
    """
    bits = np.random.Philox(key=np.array(seed, np.uint64), counter=[0, 0, int(call), 0])
    rng = np.random.Generator(bits)
    if method == "permuted":
        rows = np.broadcast_to(given["x"], size + given["x"].shape)
        return rng.permuted(rows, axis=-1).astype(dtype)
    return np.asarray(getattr(rng, method)(size=size, **given), dtype)


def show(x, message):
    """Print `message` and the value of `x`, and return `x`."""
    print(message, "__str__ =", x)
    return x


# What programs can use: nothing else. NumPy imports parts of itself late, which needs __import__.
_FUNCTIONS = (
    *(sigmoid, zero_or_product, zero_or_dot, prod_of_others, softmax, log_softmax, logsumexp),
    *(put, put_add, set_at, add_at, draw, show),
)
NAMESPACE = {
    "np": np,
    "__builtins__": {"__import__": __import__, "AssertionError": AssertionError},
} | {f.__name__: f for f in _FUNCTIONS}
