"""Checks of arguments, each of which raises one clear error that names the argument."""

import math
from collections.abc import Sequence
from functools import cache
from numbers import Real

import numpy as np

from common.support.errors import NonFiniteError

__all__ = [
    "as_floating",
    "check_bias",
    "check_finite",
    "check_labels",
    "check_number",
    "check_rng",
    "check_sequence",
    "check_shape",
    "check_size",
    "check_window",
    "labels_as_rows",
]


def check_size(name: str, size: int, least: int = 1) -> None:
    """Check that `size` is an integer of at least `least`; `name` names it in the ValueError."""
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < least:
        expected = "a positive integer" if least == 1 else f"an integer of at least {least}"
        raise ValueError(f"{name} must be {expected}, got {size!r}")


def check_number(
    name: str, value: float, low: float, high: float = math.inf, *, inclusive: bool = False
) -> float:
    """Return `value` as a float if it is from `low` to `high`; `high` counts if `inclusive`."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not (low <= value < high or (inclusive and value == high)):
        limits = f"between {low} and {high}" if inclusive else f"at least {low} and below {high}"
        raise ValueError(f"{name} must be {limits}, got {value}")
    return float(value)


def check_sequence(name: str, value: Sequence) -> None:
    """Check that `value` is a list, a tuple or an array."""
    if not isinstance(value, Sequence | np.ndarray) or isinstance(value, str):
        raise TypeError(f"{name} must be a list or a tuple, got {value!r}")


def check_rng(rng: np.random.Generator | None) -> None:
    """Check that `rng` is a generator of random numbers, or None."""
    if rng is not None and not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"rng must be a numpy.random.Generator, such as numpy.random.default_rng(0), or None, "
            f"got {rng!r}"
        )


def check_window(filter_size: int, stride: int, pad: int, *, name: str = "the filter size") -> None:
    """Check that a window is at least 1 pixel wide, a stride at least 1, a padding at least 0."""
    for what, value, least in ((name, filter_size, 1), ("stride", stride, 1), ("pad", pad, 0)):
        check_size(what, value, least)


def check_shape(
    name: str, array: np.ndarray, shape: tuple[int, ...], *, leading: bool = False
) -> None:
    """Raise a ValueError if `array` has another shape; with `leading`, more axes may go before."""
    if array.shape != shape:
        if not leading:
            raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
        if array.shape[array.ndim - len(shape) :] != shape or array.ndim < len(shape):
            expected = ", ".join(map(str, ("...", *shape)))
            raise ValueError(f"{name} must have shape ({expected}), got {array.shape}")


def check_bias(b: np.ndarray | float, units: int) -> None:
    """Raise a ValueError if `b` is neither one number for each of `units`, nor one for all."""
    shape = b.shape if isinstance(b, np.ndarray) else np.shape(b)
    if shape and shape != (units,):
        raise ValueError(f"b must have shape ({units},), got {shape}")


def as_floating(name: str, values: np.ndarray) -> np.ndarray:
    """Return `values` as an array of real or complex floating-point numbers.

    Integers and booleans become float64: as integers they would wrap round or be truncated.

    Raises
    ------
    TypeError
        If `values` holds something else, or is a masked array, whose mask would be lost.
    """
    if type(values) is np.ndarray and values.dtype.kind in "fc":
        return values
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; fill in its masked elements first")
    values = np.asarray(values)
    if values.dtype.kind not in "fcbiu":
        raise TypeError(f"{name} must hold numbers, got {values.dtype}")
    return values if values.dtype.kind in "fc" else values.astype(np.float64)


def check_finite(name: str, array: np.ndarray) -> None:
    """Raise a NonFiniteError that says where, if `array` holds NaN or infinity."""
    if not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))
        index = tuple(int(i) for i in bad[0])
        raise NonFiniteError(
            f"{name} holds {len(bad)} NaN or infinite values, the first at index {index}"
        )


def check_labels(t: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Check that `t` holds labels for scores or probabilities of shape (N, K), and return it.

    Parameters
    ----------
    t : ndarray
        Integer labels between 0 and K − 1, of shape (N,) or (N, 1), or a matrix of shape (N, K)
        whose rows are probabilities, such as one-hot rows. For N = 1 a single label or row will do.
    shape : (N, K)
        Batch size and number of classes.

    Returns
    -------
    ndarray, shape (N,) or (N, K)

    Raises
    ------
    TypeError
        If labels aren't integers, or rows don't hold real numbers.
    ValueError
        If the batch is empty, the shapes don't match, a label is out of range or a row isn't a
        probability distribution; a NonFiniteError if `t` holds NaN or infinity.
    """
    if len(shape) != 2:
        raise ValueError(f"scores or probabilities must have shape (N, K), got {shape}")
    n, classes = shape
    if n == 0:
        raise ValueError("the batch is empty: expected at least one row")
    if type(t) is not np.ndarray:
        if isinstance(t, np.ma.MaskedArray):
            raise TypeError("t is a masked array; fill in its masked elements first")
        t = np.asarray(t)
    if t.dtype.kind not in "biuf":
        raise TypeError(f"labels t must be integers or rows of probabilities, got {t.dtype}")
    if t.dtype.kind == "f":
        check_finite("t", t)
    if n == 1 and (t.ndim == 0 or t.shape == (classes,) != (1,)):
        t = t[np.newaxis]
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
    elif t.min() < 0 or np.abs(t.sum(axis=1) - 1).max() > 1e-3:
        good = (t >= 0).all(axis=1) & (np.abs(t.sum(axis=1) - 1) <= 1e-3)
        row = int(good.argmin())
        raise ValueError(f"rows of one-hot t must be ≥ 0 and sum to 1; row {row} is {t[row]}")
    return t


def labels_as_rows(t: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return labels as rows of probabilities, in the shape and dtype of `scores`.

    An integer label becomes a one-hot row. Rows that sum to 1 only within rounding are divided by
    their sum. Arguments and errors are those of `check_labels`, with scores of shape (N, K).

    Examples
    --------
    >>> labels_as_rows(np.array([2, 0]), np.zeros((2, 3)))
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    t = check_labels(t, scores.shape)
    dtype = scores.real.dtype
    if t.ndim == 1:
        return _one_hot_rows(scores.shape[1], dtype)[t]
    t = t.astype(dtype, copy=False)
    return t / t.sum(axis=1, keepdims=True)


@cache
def _one_hot_rows(classes, dtype):
    return np.eye(classes, dtype=dtype)
