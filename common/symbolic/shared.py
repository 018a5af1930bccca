"""Shared variables: leaves whose values stay from call to call, and that functions can update."""

import numpy as np

from common.symbolic.graph import Length, Variable
from common.symbolic.values import as_value

__all__ = ["Shared", "shared"]


class Shared(Variable):
    """A leaf with a value that functions can read and update. Made by `shared`."""

    __slots__ = ("_value",)

    def __init__(self, value: np.ndarray, name: str | None = None):
        super().__init__(None, (), value.dtype, tuple(Length.new() for _ in value.shape), name)
        self._value = value

    def __repr__(self):
        return self.name or f"<shared {self.dtype} variable>"

    def get_value(self, borrow: bool = False) -> np.ndarray:
        """Return the value: a copy, or, if `borrow`, the array itself, which updates replace."""
        return self._value if borrow else self._value.copy()

    def set_value(self, value, borrow: bool = False) -> None:
        """Replace the value. Its lengths may be others.

        Parameters
        ----------
        value : array_like
        borrow : bool
            Whether an array that fits is kept and not copied. Updates replace it, and never write
            into it.

        Raises
        ------
        TypeError
            If the number of axes is another one, or the dtype can't hold the value.
        """
        array = as_value(f"the value of {self!r}", value, self.dtype, self.ndim)
        self._value = _own(array, value, borrow)


def _own(array, given, borrow):
    return array if borrow and array is given else array.copy()


def shared(value, name: str | None = None, borrow: bool = False) -> Shared:
    """Return a shared variable that starts with `value`, and keeps its dtype and number of axes.

    Parameters
    ----------
    value : array_like of numbers
    name : str, optional
    borrow : bool
        Whether an array is kept and not copied. Updates replace it, and never write into it.

    Raises
    ------
    TypeError
        If `value` isn't numbers.

    Examples
    --------
    >>> counter = shared(0, name="counter")
    >>> counter.get_value()
    array(0)
    """
    if isinstance(value, Variable):
        raise TypeError(f"a shared variable starts with a value, got the variable {value!r}")
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise TypeError(
            f"a shared variable starts with a number or an array of numbers, got {value!r}"
        )
    return Shared(_own(array, value, borrow), name)
