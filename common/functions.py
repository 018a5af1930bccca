"""Activation and loss functions, each with its formula.

The names are those of *Deep Learning from Scratch*, chapters 3 to 5. Every function keeps the dtype
of a floating-point input, works along the last axis where it works along one, and leaves its
arguments as they were. ``from common.functions import *`` also binds ``np``.

All but `step_function` take complex numbers too, as analytic functions of them; what decides on
a branch, such as x > 0, is the real part. `common.gradient_methods.complex_step` is why.
"""

import numpy as np

__all__ = [
    "cross_entropy_error",
    "identity_function",
    "np",
    "relu",
    "relu_grad",
    "sigmoid",
    "sigmoid_grad",
    "softmax",
    "softmax_loss",
    "step_function",
    "sum_squared_error",
]


def _floating(x):
    """Return `x` as an array of floating-point numbers: integers would wrap round or be cut."""
    x = np.asarray(x)
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


def identity_function(x):
    """Return `x` itself: the output activation of a regression."""
    return x


def step_function(x: np.ndarray) -> np.ndarray:
    """Return 1 where `x` > 0 and 0 elsewhere, as integers in the shape of `x`."""
    return np.array(np.asarray(x) > 0, dtype=int)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return the logistic function σ(x) = 1 / (1 + exp(−x)).

    For x < 0 it is evaluated as exp(x) / (1 + exp(x)), which is the same number. The book's
    ``1 / (1 + np.exp(-x))`` overflows below x ≈ −709 in float64 (−88 in float32).

    Parameters
    ----------
    x : array_like of any shape

    Returns
    -------
    ndarray
        In the shape of `x`, between 0 and 1.

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    x = _floating(x)
    magnitude = np.where(x.real >= 0, x, -x) if x.dtype.kind == "c" else np.abs(x)
    z = np.exp(-magnitude)
    return np.where(x.real >= 0, 1, z) / (1 + z)


def sigmoid_grad(x: np.ndarray) -> np.ndarray:
    """Return dσ/dx = σ(x) (1 − σ(x)), in the shape of `x`."""
    y = sigmoid(x)
    return y * (1 - y)


def relu(x: np.ndarray) -> np.ndarray:
    """Return max(0, x), the rectified linear unit, in the shape of `x`."""
    x = np.asarray(x)
    if x.dtype.kind == "c":
        return np.where(x.real <= 0, x.dtype.type(0), x)
    return np.maximum(x, 0)


def relu_grad(x: np.ndarray) -> np.ndarray:
    """Return the derivative of `relu`: 1 where `x` > 0, else 0, in the shape and dtype of `x`.

    At the kink x = 0 the derivative doesn't exist; 0 is one of its subgradients.
    """
    x = np.asarray(x)
    return (x.real > 0).astype(x.dtype)


def softmax(x: np.ndarray) -> np.ndarray:
    """Return softmax(x)ₖ = exp(xₖ) / Σⱼ exp(xⱼ) along the last axis.

    The largest score is subtracted first: that changes nothing but keeps exp from overflowing.

    Parameters
    ----------
    x : ndarray, shape (..., K)
        Scores.

    Returns
    -------
    ndarray, shape (..., K)
        Probabilities: between 0 and 1, each row with sum 1.

    Examples
    --------
    >>> softmax(np.array([0.3, 2.9, 4.0])).round(4)
    array([0.0182, 0.2452, 0.7366])
    """
    x = _floating(x)
    exp_x = np.exp(x - x.max(axis=-1, keepdims=True))
    exp_x /= exp_x.sum(axis=-1, keepdims=True)
    return exp_x


def sum_squared_error(y: np.ndarray, t: np.ndarray) -> float:
    """Return ½ Σ (y − t)² over all entries of two arrays of one shape."""
    y, t = _floating(y), _floating(t)
    if y.shape != t.shape:
        raise ValueError(f"y and t must have the same shape, got {y.shape} and {t.shape}")
    return 0.5 * np.sum((y - t) ** 2)


def cross_entropy_error(y: np.ndarray, t: np.ndarray) -> float:
    """Return the mean cross-entropy −1/N Σₙ log y[n, tₙ] of probabilities `y` and labels `t`.

    A right class of probability 0 costs infinity. The book adds 1e-7 inside the logarithm, which
    avoids the infinity but shifts every other loss too. To get the loss of a network that is very
    sure and very wrong, use `softmax_loss`, which never takes the logarithm of a rounded-off 0.

    Parameters
    ----------
    y : ndarray, shape (N, K) or (K,)
        Probabilities, as `softmax` gives them.
    t : ndarray
        Integer labels of shape (N,) or (), or one row of class probabilities (one-hot) for each row
        of `y`.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    ValueError, TypeError
        If `t` doesn't fit `y`; see `check_labels`.

    Examples
    --------
    >>> float(cross_entropy_error(np.array([0.1, 0.05, 0.6, 0.0, 0.25]), 2).round(6))
    0.510826
    """
    y, t = _floating(y), np.asarray(t)
    if y.ndim == 1:
        y, t = y[np.newaxis], t[np.newaxis]
    t = check_labels(t, y.shape)
    with np.errstate(divide="ignore"):  # log 0 = −inf is the answer here, not an accident
        if t.ndim == 1:
            return -np.mean(np.log(y[np.arange(len(y)), t]))
        # A class that t gives no weight contributes nothing, even where y is 0 (0 · log 0 = 0).
        return -np.sum(t * np.log(np.where(t > 0, y, 1))) / len(y)


def softmax_loss(X: np.ndarray, t: np.ndarray) -> float:
    """Return the mean cross-entropy of softmax(`X`), straight from the scores.

    log softmax(x)ₖ = xₖ − log Σⱼ exp(xⱼ) needs no probability, so the loss stays exact where
    softmax rounds to 0.

    Parameters
    ----------
    X : ndarray, shape (N, K) or (K,)
        Scores.
    t : ndarray
        Labels as for `cross_entropy_error`.

    Examples
    --------
    >>> float(softmax_loss(np.array([[0.0, 1000.0]]), np.array([0])))
    1000.0
    """
    X, t = _floating(X), np.asarray(t)
    if X.ndim == 1:
        X, t = X[np.newaxis], t[np.newaxis]
    t = check_labels(t, X.shape)
    shifted = X - X.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    if t.ndim == 1:
        return np.mean(log_sum - shifted[np.arange(len(X)), t])
    return np.mean(t.sum(axis=1) * log_sum - (t * np.where(t > 0, shifted, 0)).sum(axis=1))


def check_labels(t: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Check that `t` holds labels for scores or probabilities of shape (N, K), and return it.

    Parameters
    ----------
    t : ndarray
        Integer labels of shape (N,) or (N, 1) between 0 and K − 1, or a matrix of shape (N, K)
        whose rows are probabilities (one-hot, say).
    shape : (N, K)
        Batch size and number of classes.

    Returns
    -------
    ndarray
        `t`; a column of labels as shape (N,).

    Raises
    ------
    TypeError
        If 1-D labels aren't integers.
    ValueError
        If the batch is empty, the shapes don't match, a label is out of range or a row isn't a
        distribution.
    """
    if len(shape) != 2:
        raise ValueError(f"scores or probabilities must have shape (N, K), got {shape}")
    n, classes = shape
    if n == 0:
        raise ValueError("the batch is empty: expected at least one row")
    if t.ndim == 2 and t.shape == (n, 1) and classes > 1:
        t = t[:, 0]
    if t.ndim == 1:
        if t.dtype.kind not in "iu":
            raise TypeError(f"labels t must be integers, got {t.dtype}")
        if len(t) != n:
            raise ValueError(f"t must hold one label for each of the {n} rows, got {len(t)}")
        # An unsigned −1 is huge, so that a look at the largest label finds a negative one too.
        if t.astype(np.uint64).max() >= classes:
            bad = t[(t < 0) | (t >= classes)][0]
            raise ValueError(f"labels t must lie between 0 and {classes - 1}, got {bad}")
    elif t.shape != shape:
        raise ValueError(
            f"t must be labels of shape ({n},) or one-hot of shape {tuple(shape)}, got {t.shape}"
        )
    elif not (t.min() >= 0 and np.abs(t.sum(axis=1) - 1).max() <= 1e-3):  # nor for NaN
        good = (t >= 0).all(axis=1) & (np.abs(t.sum(axis=1) - 1) <= 1e-3)
        row = int(good.argmin())
        raise ValueError(f"rows of one-hot t must be ≥ 0 and sum to 1; row {row} is {t[row]}")
    return t
