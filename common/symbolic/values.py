"""What a variable takes for a value: which arrays and numbers are converted, and which are not."""

import numpy as np

__all__ = ["as_value"]


def as_value(name: str, value, dtype: np.dtype, ndim: int, downcast: bool = False) -> np.ndarray:
    """Return `value` as an array for a variable, itself if it fits.

    Arrays are converted only to a dtype that holds all that theirs can. Python's numbers and lists
    have no size of their own: they go into any dtype that holds them, floats into float32 too.

    Parameters
    ----------
    name : str
        What an error calls the value.
    value : array_like
    dtype : numpy.dtype
    ndim : int
    downcast : bool
        Whether digits may be lost: float64 to float32, floats to integers.

    Raises
    ------
    TypeError
        If it has another number of axes, or its dtype doesn't fit.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name}: expected an array of {dtype}, got {value!r:.80}") from error
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name}: expected numbers of {dtype}, got {_shown(value)}")
    if array.ndim != ndim:
        raise TypeError(
            f"{name}: expected {_axes(ndim)}, got {_axes(array.ndim)}, shape {array.shape}"
        )
    if array.dtype == dtype:
        return array.astype(dtype, copy=False)  # native byte order
    sized = isinstance(value, (np.ndarray, np.generic))
    if np.can_cast(array.dtype, dtype, "safe"):
        return array.astype(dtype)
    if downcast and array.dtype.kind != "c":
        return array.astype(dtype)
    if not sized and (np.can_cast(array.dtype, dtype, "same_kind") or dtype.kind == "u"):
        with np.errstate(all="ignore"):
            converted = array.astype(dtype)
        if _holds(converted, array):
            return converted
    raise TypeError(
        f"{name}: expected {dtype}, got {_shown(value)}, which {dtype} can't hold without loss; "
        f"convert it with np.asarray(…, '{dtype}')"
    )


def _holds(converted, array):
    """Return whether whole numbers are the same still, and fractions are finite still."""
    if converted.dtype.kind in "fc":
        return bool(np.isfinite(converted[np.isfinite(array)]).all())
    return array.dtype.kind in "bui" and np.array_equal(converted, array)


def _axes(ndim):
    return "a number" if ndim == 0 else "1 axis" if ndim == 1 else f"{ndim} axes"


def _shown(value):
    if isinstance(value, (np.ndarray, np.generic)):
        return f"an array of {value.dtype}" if np.ndim(value) else f"{value!r}"
    return f"{value!r:.80}"
