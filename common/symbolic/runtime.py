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


def inc_subtensor(x, index, y):
    """Return a copy of `x` with `y` added at `index`, as often as an element is named."""
    return _add(np.array(x), index, y)


def put(y, shape, index):
    """Return zeros of `shape` with `y` added at `index`."""
    return _add(np.zeros(shape, np.asarray(y).dtype), index, y)


def _add(x, index, y):
    if any(isinstance(part, np.ndarray) and part.dtype != bool for part in index):
        np.add.at(x, index, y)
    else:
        x[index] += y  # ten times as fast
    return x


def set_subtensor(x, index, y):
    """Return a copy of `x` with `y` at `index`."""
    x = np.array(x)
    x[index] = y
    return x


def draw(kind, dtype, seed, call, size, *parameters):
    """Return random numbers: always the same for one `seed` (a pair) and number of the `call`.

    The generator is Philox, which is counter-based: `call` goes into its counter.
    """
    bits = np.random.Philox(key=np.array(seed, np.uint64), counter=[0, 0, int(call), 0])
    rng = np.random.Generator(bits)
    if kind == "permutation":
        [n] = parameters
        rows = int(np.prod(size, dtype=int))
        drawn = np.array([rng.permutation(int(n)) for _ in range(rows)]).reshape(*size, int(n))
    elif kind == "multinomial":
        n, pvals = parameters
        pvals = np.asarray(pvals, np.float64)
        drawn = rng.multinomial(int(n), pvals / pvals.sum(-1, keepdims=True), size)
    elif kind == "choice":
        a, replace, p = parameters
        drawn = rng.choice(a if np.ndim(a) else int(a), size, bool(replace), p)
    else:
        drawn = getattr(rng, kind)(*parameters, size=size)
    return np.asarray(drawn, dtype)


def show(x, message):
    """Print `message` and the value of `x`, and return `x`."""
    print(message, "__str__ =", x)
    return x


# What programs can use: nothing else. NumPy imports parts of itself late, which needs __import__.
_FUNCTIONS = (
    *(sigmoid, zero_or_product, zero_or_dot, softmax, log_softmax, logsumexp),
    *(put, set_subtensor, inc_subtensor, draw, show),
)
NAMESPACE = {
    "np": np,
    "__builtins__": {"__import__": __import__, "AssertionError": AssertionError},
} | {f.__name__: f for f in _FUNCTIONS}
