"""The few functions that compiled programs call besides NumPy's. They take arrays and scalars."""

import numpy as np


def sigmoid(x, out=None):
    """Return 1 / (1 + exp(−x)), in `out` if that is given; it may be `x`."""
    with np.errstate(over="ignore"):  # 1 / ∞ is right
        return np.true_divide(1, 1 + np.exp(-x), out=out)


def zero_or_product(g, f):
    """Return g f, but 0 where g is 0, even if f is infinite or NaN there."""
    return g * np.where(g == 0, g, f)


def zero_or_dot(g, f):
    """Return g @ f without the terms where all of g is 0, even if f is infinite there."""
    used = g.any(axis=-2) if g.ndim > 1 else g != 0
    return g @ (f if used.all() else np.where(used[..., None], f, f.dtype.type(0)))


def product_before(x):
    """Return y₀ = 1, yₖ₊₁ = xₖ yₖ along the last axis."""
    y = np.ones_like(x)
    np.cumprod(x[..., :-1], axis=-1, out=y[..., 1:])
    return y


def recurrence(x, b):
    """Return y₀ = 0, yₖ₊₁ = xₖ yₖ + bₖ along the last axis, where xₖ · 0 is 0 even if xₖ = ∞."""
    y = np.zeros_like(b)
    for k in range(b.shape[-1] - 1):
        y[..., k + 1] = zero_or_product(y[..., k], x[..., k]) + b[..., k]
    return y


def softmax(x, axes):
    """Return exp(xₖ) / Σⱼ exp(xⱼ), where the sum goes over `axes`."""
    x = np.asfortranarray(x)  # since NumPy is slow at reducing a short last axis
    y = np.exp(x - x.max(axis=axes, keepdims=True, initial=-np.inf))
    y /= y.sum(axis=axes, keepdims=True)
    return y


def log_softmax(x, axes):
    """Return xₖ − log Σⱼ exp(xⱼ), where the sum goes over `axes`."""
    x = np.asfortranarray(x)
    y = x - x.max(axis=axes, keepdims=True, initial=-np.inf)
    y -= np.log(np.exp(y).sum(axis=axes, keepdims=True))
    return y


def logsumexp(x, axes):
    """Return log Σₖ exp(xₖ) over `axes`, without overflow."""
    x = np.asfortranarray(x)
    largest = x.max(axis=axes, keepdims=True, initial=-np.inf)
    largest = np.where(np.isfinite(largest), largest, 0)
    return largest.squeeze(axes) + np.log(np.exp(x - largest).sum(axis=axes))


def inc_subtensor(x, index, y):
    """Return a copy of `x` with `y` added at `index`, once per occurrence of an index."""
    return _add(np.array(x), index, y)


def put(y, shape, index):
    """Return zeros of `shape` with `y` added at `index`, the VJP of x[index]."""
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


def draw(method, dtype, stream, call, size, **given):
    """Return random numbers: always the same for one number of the stream and one of the call.

    They come from Philox, a counter-based generator: `call` is a part of its counter.
    """
    bits = np.random.Philox(key=stream, counter=[0, 0, int(call), 0])
    rng = np.random.Generator(bits)
    if method == "permuted":
        rows = np.broadcast_to(given["x"], size + given["x"].shape)
        return rng.permuted(rows, axis=-1).astype(dtype)
    return np.asarray(getattr(rng, method)(size=size, **given), dtype)


def show(x, message):
    """Print `message` and the value of `x`, and return `x`."""
    print(message, "__str__ =", x)
    return x


# All that programs can use. NumPy imports parts of itself when it needs them, by __import__.
NAMESPACE = {
    "np": np,
    "__builtins__": {"__import__": __import__, "AssertionError": AssertionError},
} | {name: f for name, f in globals().items() if callable(f) and not name.startswith("_")}
