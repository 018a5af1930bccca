"""Activation and loss functions, each with its formula.

The names are those of *Deep Learning from Scratch*, chapters 3 to 5. Every function keeps the dtype
of a floating-point input, works along the last axis where it works along one, and leaves its
arguments as they were. ``from common.functions import *`` also binds ``np``.
"""

import numpy as np

from common.support.checks import as_floating, labels_as_rows

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


def _real(function, x):
    x = as_floating("x", x)
    if x.dtype.kind == "c":  # it has no order, and so no "x > 0"
        raise TypeError(f"{function} needs real numbers, got {x.dtype}")
    return x


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
    x = _real("sigmoid", x)
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, z) / (1 + z)


def sigmoid_grad(x: np.ndarray) -> np.ndarray:
    """Return dσ/dx = σ(x) (1 − σ(x)), in the shape of `x`."""
    y = sigmoid(x)
    return y * (1 - y)


def relu(x: np.ndarray) -> np.ndarray:
    """Return max(0, x), the rectified linear unit, in the shape of `x`."""
    return np.maximum(_real("relu", x), 0)


def relu_grad(x: np.ndarray) -> np.ndarray:
    """Return the derivative of `relu`: 1 where `x` > 0, else 0, in the shape and dtype of `x`.

    At the kink x = 0 the derivative doesn't exist; 0 is one of its subgradients. (The book has 1
    there.)
    """
    x = _real("relu_grad", x)
    return (x > 0).astype(x.dtype)


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
    x = as_floating("x", x)
    exp_x = np.exp(x - x.max(axis=-1, keepdims=True))
    exp_x /= exp_x.sum(axis=-1, keepdims=True)
    return exp_x


def sum_squared_error(y: np.ndarray, t: np.ndarray) -> float:
    """Return ½ Σ (y − t)² over all entries of two arrays of one shape."""
    y, t = as_floating("y", y), as_floating("t", t)
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
        If the shapes don't match, a label is out of range or no integer, or a row of `t` isn't a
        probability distribution.

    Examples
    --------
    >>> float(cross_entropy_error(np.array([0.1, 0.05, 0.6, 0.0, 0.25]), 2).round(6))
    0.510826
    """
    y = np.atleast_2d(as_floating("y", y))
    t = labels_as_rows(t, y)
    with np.errstate(divide="ignore"):  # log 0 = −∞ is the answer here, not an accident
        # A class of probability 0 in t contributes nothing, even where y is 0 (0 · log 0 = 0).
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
    X = np.atleast_2d(as_floating("X", X))
    t = labels_as_rows(t, X)
    X = X - X.max(axis=1, keepdims=True)
    log_y = X - np.log(np.exp(X).sum(axis=1, keepdims=True))
    return -np.sum(t * np.where(t > 0, log_y, 0)) / len(X)
