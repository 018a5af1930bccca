"""Derivatives by differences: the definition of the derivative, put on a computer.

f'(x) = lim (f(x + h) − f(x)) / h for h → 0. A computer can't take the limit: too large an `h`
leaves a truncation error (the function bends), too small an `h` a rounding error (two nearly equal
numbers are subtracted). `best_step` gives the `h` where the two balance;
``ch04_numerical_gradient/step_size.py`` draws it.
"""

import operator
from collections.abc import Callable, Iterable

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
    """Return (f(x + h) − f(x)) / h, which differs from f'(x) by about ½ h |f''(x)|.

    Parameters
    ----------
    f : callable
        A function of one number, or one that works entry by entry on an array.
    x : float or ndarray
    h : float
        Step, in the units of `x`.
    """
    return (f(x + h) - f(x)) / h


def central_difference(f: Callable, x: float, h: float = 1e-4) -> float:
    """Return (f(x + h) − f(x − h)) / 2h, which differs from f'(x) by about ⅙ h² |f'''(x)|.

    Parameters are those of `forward_difference`.

    Examples
    --------
    >>> round(central_difference(lambda x: 0.01 * x**2 + 0.1 * x, 5.0), 9)
    0.2
    """
    return (f(x + h) - f(x - h)) / (2 * h)


def best_step(order: int, dtype=np.float64) -> float:
    """Return the step `h` at which truncation and rounding errors balance, for x and f near 1.

    A difference of order p has a truncation error ~ hᵖ and a rounding error ~ ε/h, where ε is the
    machine epsilon of `dtype`. Their sum is least near h = ε^(1/(p+1)), and is then ~ ε^(p/(p+1)).
    (Press et al., *Numerical Recipes*, section 5.7.)

    Parameters
    ----------
    order : int
        1 for the forward difference, 2 for the central difference.
    dtype : dtype
        Of the numbers that f is computed in.

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


def numerical_gradient(
    f: Callable[[np.ndarray], float],
    x: np.ndarray,
    h: float = 1e-4,
    *,
    entries: Iterable[int] | None = None,
    progress: Callable[[], object] | None = None,
) -> np.ndarray:
    """Return the gradient of `f` at `x` by central differences: two evaluations for each entry.

    ∂f/∂xᵢ ≈ (f(x + h eᵢ) − f(x − h eᵢ)) / 2h.

    Each entry of `x` is moved in place and moved back, since `f` may be a network's loss that reads
    its parameters instead of its argument. `x` is left bit for bit as it was, whatever `f` does:
    also if it raises, and if Ctrl-C strikes in the middle.

    Parameters
    ----------
    f : callable
        From `x` to a number.
    x : ndarray of floating-point numbers, of any shape
        Where the gradient is taken. Writable.
    h : float
        Step, the book's by default. In float32 differences lose half of the digits; work in float64
        if you can, and see `best_step` if you can't.
    entries : iterable of int, optional
        Flat indices of the entries to move; the others come out as NaN. All by default.
    progress : callable, optional
        Called after each entry, without arguments.

    Returns
    -------
    ndarray
        In the shape and dtype of `x`.

    Raises
    ------
    TypeError
        If `x` isn't an array of floating-point numbers: x + h would be cut to an integer, and the
        gradient come out as 0.
    ValueError
        If `x` is read-only, or `h` isn't above 0.

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
    """Return the gradient of `f` at `x` by forward differences: one evaluation for each entry.

    ∂f/∂xᵢ ≈ (f(x + h eᵢ) − f(x)) / h. Half the price of `numerical_gradient`, and far less exact.
    The parameters are those of `numerical_gradient`, but that `h` is by default the best one for
    the dtype of `x`, and that `f_x` is f(x), where it is known already.
    """
    return _difference_quotients(f, x, h, entries, progress, central=False, f_x=f_x)


def _difference_quotients(f, x, h, entries, progress, *, central, f_x=None):
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        kind = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise TypeError(f"x must be an array of floating-point numbers, got {kind}")
    if not x.flags.writeable:
        raise ValueError("x must be writable, since its entries are moved in place; got read-only")
    if h is None:
        h = best_step(2 if central else 1, x.dtype)
    check_step(h)

    original = x.copy()
    gradient = np.full_like(x, np.nan)
    indices = np.ndindex(x.shape) if entries is None else _multi_indices(entries, x.shape)
    try:
        if not central and f_x is None:
            f_x = f(x)
        for index in indices:
            value = original[index]
            x[index] = value + h
            f_plus = f(x)
            if central:
                x[index] = value - h
                gradient[index] = (f_plus - f(x)) / (2 * h)
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
    # A number has one entry, whose index is ().
    return [np.unravel_index(entry, shape or (1,))[: len(shape)] for entry in entries]


def numerical_gradient_2d(f: Callable[[np.ndarray], float], X: np.ndarray) -> np.ndarray:
    """Return the gradient of `f` at each row of `X`, by central differences.

    Parameters
    ----------
    f : callable
        From an array of shape (D,) to a number.
    X : ndarray, shape (N, D) or (D,)
        One point, or one point a row.

    Returns
    -------
    ndarray
        In the shape of `X`: row n is the gradient at X[n].
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
