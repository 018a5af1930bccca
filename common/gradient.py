"""Numerical differentiation: derivatives and gradients by finite differences.

The derivative is the limit f'(x) = lim (f(x + h) − f(x)) / h for h → 0. A computer can't take the
limit. A large step `h` leaves a **truncation error**, because f is not a straight line; a small `h`
leaves a **rounding error**, because two nearly equal numbers are subtracted. `best_step` returns
the `h` at which the two balance, and ``ch04_numerical_gradient/step_size.py`` plots both.
"""

import operator
from collections.abc import Callable, Iterable
from copy import copy

import numpy as np

__all__ = [
    "best_step",
    "central_difference",
    "forward_difference",
    "np",
    "numerical_gradient",
    "numerical_gradient_2d",
    "numerical_gradient_forward",
]


def forward_difference(f: Callable, x: float, h: float = 1e-8) -> float:
    """Return (f(x + h) − f(x)) / h, whose truncation error is about ½ h |f''(x)|.

    Parameters
    ----------
    f : callable
        A function of one number, or an elementwise function of an array.
    x : float or ndarray
        Where the derivative is taken.
    h : float
        Step, in the units of `x`.
    """
    return (copy(f(x + h)) - f(x)) / h  # a copy, in case f reuses its output array


def central_difference(f: Callable, x: float, h: float = 1e-4) -> float:
    """Return (f(x + h) − f(x − h)) / 2h, whose truncation error is about ⅙ h² |f'''(x)|.

    Parameters
    ----------
    f : callable
        A function of one number, or an elementwise function of an array.
    x : float or ndarray
        Where the derivative is taken.
    h : float
        Step, in the units of `x`.

    Examples
    --------
    >>> round(central_difference(lambda x: 0.01 * x**2 + 0.1 * x, 5.0), 9)
    0.2
    """
    return (copy(f(x + h)) - f(x - h)) / (2 * h)


def best_step(order: int, dtype=np.float64) -> float:
    """Return the step `h` at which truncation and rounding errors balance, for x and f near 1.

    A finite difference of order p has a truncation error ~ hᵖ and a rounding error ~ ε/h, where ε
    is the machine epsilon of `dtype`. Their sum is smallest near h = ε^(1/(p+1)), where it is
    ~ ε^(p/(p+1)). (Press et al., *Numerical Recipes*, section 5.7.)

    Parameters
    ----------
    order : int
        1 for the forward difference, 2 for the central difference.
    dtype : dtype
        The floating-point type that f is computed in.

    Examples
    --------
    >>> f"{best_step(1):.1e}, {best_step(2):.1e}, {best_step(2, np.float32):.1e}"
    '1.5e-08, 6.1e-06, 4.9e-03'
    """
    return float(np.finfo(dtype).eps ** (1 / (order + 1)))


def check_step(h: float) -> None:
    """Raise a ValueError if `h` isn't a finite number above 0."""
    if not 0 < h < np.inf:
        raise ValueError(f"the step h must be a number above 0, got {h}")


def as_number(value, name: str = "f") -> float:
    """Return `value`, which the function `name` returned, as a Python scalar.

    An array could be x itself, or a buffer that the next call of the function overwrites.

    Raises
    ------
    TypeError
        If `value` isn't a real number.
    ValueError
        If it is an array of several elements, or of none.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        kind = array.dtype if isinstance(value, np.ndarray | np.generic) else type(value).__name__
        raise TypeError(f"{name} must return a real number, got {kind}")
    if array.size != 1:
        raise ValueError(f"{name} must return a single number, got an array of shape {array.shape}")
    return array.item()


def numerical_gradient(
    f: Callable[[np.ndarray], float],
    x: np.ndarray,
    h: float = 1e-4,
    *,
    entries: Iterable[int] | None = None,
    progress: Callable[[], object] | None = None,
) -> np.ndarray:
    """Return the gradient of `f` at `x` by central differences: two evaluations per element.

    ∂f/∂xᵢ ≈ (f(x + h eᵢ) − f(x − h eᵢ)) / 2h, where eᵢ is 1 at element i and 0 elsewhere.

    Each element of `x` is changed in place and then restored, because `f` may be the loss of a
    network that reads its parameters and ignores its argument. `x` is left bit for bit as it was,
    also if `f` raises an exception or Ctrl-C interrupts it.

    Parameters
    ----------
    f : callable
        Takes `x` and returns a single number.
    x : ndarray of floating-point numbers, of any shape
        Where the gradient is taken. It must be writable.
    h : float
        Step; the default is the book's. In float32, finite differences lose half of the digits:
        prefer float64, or else pass ``best_step(2, np.float32)``.
    entries : iterable of int, optional
        Flat indices of the elements to differentiate with respect to; the result is NaN at the
        others. All elements by default.
    progress : callable, optional
        Called without arguments after each element.

    Returns
    -------
    ndarray
        With the shape and dtype of `x`.

    Raises
    ------
    TypeError
        If `x` isn't an array of floating-point numbers (integers would truncate x + h, and the
        gradient would be 0), or `f` doesn't return a real number.
    ValueError
        If `x` is read-only, `h` isn't above 0, an index in `entries` is out of range, or `f`
        returns an array of several elements.

    Examples
    --------
    >>> numerical_gradient(lambda x: np.sum(x**2), np.array([3.0, 4.0])).round(6)
    array([6., 8.])
    """
    return _difference_quotients(f, x, h, entries, progress, central=True)


def numerical_gradient_forward(
    f: Callable[[np.ndarray], float],
    x: np.ndarray,
    h: float | None = None,
    *,
    f_x: float | None = None,
    entries: Iterable[int] | None = None,
    progress: Callable[[], object] | None = None,
) -> np.ndarray:
    """Return the gradient of `f` at `x` by forward differences: one evaluation per element.

    ∂f/∂xᵢ ≈ (f(x + h eᵢ) − f(x)) / h takes half the time of `numerical_gradient`, and is far less
    accurate. `x` is changed in place and left bit for bit as it was.

    Parameters
    ----------
    f : callable
        Takes `x` and returns a single number.
    x : ndarray of floating-point numbers, of any shape
        Where the gradient is taken. It must be writable.
    h : float, optional
        Step; by default ``best_step(1, x.dtype)``.
    f_x : float, optional
        The value f(x), if it is known already.
    entries : iterable of int, optional
        Flat indices of the elements to differentiate with respect to; the result is NaN at the
        others. All elements by default.
    progress : callable, optional
        Called without arguments after each element.

    Returns
    -------
    ndarray
        With the shape and dtype of `x`.

    Raises
    ------
    TypeError
        If `x` isn't an array of floating-point numbers, or `f` doesn't return a real number.
    ValueError
        If `x` is read-only, `h` isn't above 0, an index in `entries` is out of range, or `f`
        returns an array of several elements.
    """
    return _difference_quotients(f, x, h, entries, progress, central=False, f_x=f_x)


def _difference_quotients(f, x, h, entries, progress, *, central, f_x=None):
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        kind = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise TypeError(f"x must be an array of floating-point numbers, got {kind}")
    if not x.flags.writeable:
        raise ValueError(
            "x must be writable, since its elements are changed in place; got a read-only array"
        )
    if h is None:
        h = best_step(2 if central else 1, x.dtype)
    check_step(h)

    original = x.copy()
    gradient = np.full_like(x, np.nan)
    indices = np.ndindex(x.shape) if entries is None else _multi_indices(entries, x.shape)
    try:
        if not central:
            f_x = as_number(f(x) if f_x is None else f_x)
        for index in indices:
            value = original[index]
            x[index] = value + h
            f_plus = as_number(f(x))
            if central:
                x[index] = value - h
                gradient[index] = (f_plus - as_number(f(x))) / (2 * h)
            else:
                gradient[index] = (f_plus - f_x) / h
            x[index] = value
            if progress is not None:
                progress()
    finally:
        x[...] = original
    return gradient


def _multi_indices(entries, shape):
    entries = [operator.index(entry) for entry in entries]
    # A 0-d array has one element, whose index is ().
    return [np.unravel_index(entry, shape or (1,))[: len(shape)] for entry in entries]


def numerical_gradient_2d(f: Callable[[np.ndarray], float], X: np.ndarray) -> np.ndarray:
    """Return the gradient of `f` at each row of `X`, by central differences.

    Parameters
    ----------
    f : callable
        Takes an array of shape (D,) and returns a single number.
    X : ndarray of floating-point numbers, shape (N, D) or (D,)
        One point per row, or a single point.

    Returns
    -------
    ndarray
        With the shape of `X`: row n is the gradient at X[n].

    Raises
    ------
    TypeError
        If `X` doesn't hold floating-point numbers, or `f` doesn't return a real number.
    ValueError
        If `X` has another shape or is read-only, or `f` returns an array of several elements.
    """
    X = np.asarray(X)
    if X.ndim == 1:
        return numerical_gradient(f, X)
    if X.ndim != 2:
        raise ValueError(f"X must have shape (N, D) or (D,), got {X.shape}")
    gradients = np.empty_like(X)
    for n, row in enumerate(X):
        gradients[n] = numerical_gradient(f, row)
    return gradients
