"""The graph: variables, and the operations that made them.

An expression is data. A variable knows the operation that makes it and the variables that go in;
those know theirs, and so on down to the leaves, which are inputs, constants and shared variables.
Nothing is computed here.
"""

import itertools
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from common.symbolic.operation import Operation

__all__ = [
    "Constant",
    "Input",
    "Length",
    "Shape",
    "Variable",
    "ancestors",
    "as_variable",
    "count_variables",
    "made_here",
    "users_place",
    "with_inputs",
]


@dataclass(frozen=True)
class Length:
    """The length of an axis that isn't known yet. Two that are equal are equal in every call.

    Attributes
    ----------
    parts : frozenset of int
        One number for the axis of a leaf; several where axes were broadcast to each other.
    """

    parts: frozenset[int]

    _numbers = itertools.count()

    @classmethod
    def new(cls) -> "Length":
        """Return a length that may differ from all others."""
        return cls(frozenset({next(cls._numbers)}))


Shape = tuple[int | Length, ...]

_serials = itertools.count()


def count_variables() -> int:
    """Return a serial number above those of all variables so far, and below those to come."""
    return next(_serials)


class Variable:
    """A number or array that isn't known yet: what an operation will make of its inputs.

    Attributes
    ----------
    operation : Operation or None
        What makes it; None for a leaf.
    inputs : tuple of Variable
        What goes into the operation.
    dtype : numpy.dtype
    lengths : tuple of int or Length
        The shape: an int for each axis whose length is known beforehand (1 for the rows of a row
        vector), else a Length.
    name : str or None
    weak : bool
        Whether it is a plain Python number, which takes the dtype of the array that it meets.
    made_at : (str, int)
        File and line of the code, outside of this package, that made it.
    serial : int
        Larger for what was made later.
    """

    __slots__ = (
        "__weakref__",
        "dtype",
        "inputs",
        "lengths",
        "made_at",
        "name",
        "operation",
        "serial",
        "weak",
    )
    __array_ufunc__ = None  # so that ndarray + Variable asks Variable.__radd__
    __hash__ = object.__hash__

    def __init__(
        self,
        operation: "Operation | None",
        inputs: tuple["Variable", ...],
        dtype: np.dtype,
        lengths: Shape,
        name: str | None = None,
        *,
        weak: bool = False,
        made_at: tuple[str, int] | None = None,
    ):
        self.operation = operation
        self.inputs = inputs
        self.dtype = dtype
        self.lengths = lengths
        self.name = name
        self.weak = weak
        self.made_at = made_at or users_place()
        self.serial = next(_serials)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.lengths)

    def __repr__(self):
        return self.name or (self.operation.name if self.operation else f"<{self.dtype} variable>")

    def __bool__(self):
        raise TypeError(
            f"{self!r} has no value yet, so it is neither true nor false; compare with eq, lt, … "
            "of common.symbolic.tensor, and choose with its switch"
        )

    def __iter__(self):
        if not self.lengths or not isinstance(self.lengths[0], int):
            raise TypeError(f"{self!r} can't be iterated: how long it is isn't known yet")
        return (self[i] for i in range(self.lengths[0]))


class Input(Variable):
    """A leaf whose value a function is called with.

    Parameters
    ----------
    dtype : dtype
    lengths : sequence of int, Length or None
        None for an axis of any length.
    name : str, optional
    """

    __slots__ = ()

    def __init__(self, dtype, lengths: Sequence[int | Length | None], name: str | None = None):
        lengths = tuple(Length.new() if n is None else n for n in lengths)
        super().__init__(None, (), np.dtype(dtype), lengths, name)


class Constant(Variable):
    """A leaf with a value that never changes.

    Attributes
    ----------
    value : ndarray
        A copy of what was given, read-only.
    """

    __slots__ = ("value",)

    def __init__(self, value, name: str | None = None, *, weak: bool = False):
        value = np.array(value)
        value.flags.writeable = False
        super().__init__(None, (), value.dtype, value.shape, name, weak=weak)
        self.value = value

    def __repr__(self):
        return self.name or np.array2string(self.value, threshold=6, edgeitems=2)


def with_inputs(variable: Variable, inputs: tuple[Variable, ...]) -> Variable:
    """Return what the operation of `variable` makes of other inputs."""
    alike = not variable.operation.shaped_by_value and all(
        new.lengths == old.lengths and new.dtype == old.dtype and new.weak == old.weak
        for new, old in zip(inputs, variable.inputs, strict=True)
    )
    if not alike:
        result = variable.operation(*inputs)
        result.name, result.made_at = variable.name, variable.made_at
        return result
    return Variable(
        variable.operation,
        inputs,
        variable.dtype,
        variable.lengths,
        variable.name,
        weak=variable.weak,
        made_at=variable.made_at,
    )


def as_variable(value, name: str | None = None) -> Variable:
    """Return `value` itself if it is a variable, else a constant of it.

    Raises
    ------
    TypeError
        If it is neither a number nor an array of numbers.
    """
    if isinstance(value, Variable):
        return value
    if isinstance(value, (list, tuple)) and any(isinstance(part, Variable) for part in value):
        raise TypeError(
            f"expected a variable, a number or an array of numbers, got a {type(value).__name__} "
            "with variables in it; join vectors with concatenate"
        )
    weak = type(value) in (bool, int, float, complex)
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"expected a variable, a number or an array of numbers, got {value!r}")
    return Constant(array, name, weak=weak)


def ancestors(outputs: Iterable[Variable]) -> list[Variable]:
    """Return all that `outputs` are made from, themselves included, what is needed first first.

    The walk keeps its own stack: Python's would overflow on a chain of a thousand operations.
    """
    order, done = [], set()
    stack = list(outputs)[::-1]
    while stack:
        variable = stack[-1]
        missing = [x for x in variable.inputs if x not in done]
        if missing and variable not in done:
            stack += missing[::-1]
        else:
            stack.pop()
            if variable not in done:
                done.add(variable)
                order.append(variable)
    return order


class _Place(threading.local):
    known = None


_place = _Place()
_PACKAGE = __name__.rpartition(".")[0] + "."


@contextmanager
def made_here() -> Iterator[None]:
    """Let all variables that are made within be made where the user's code is now."""
    before = _place.known
    _place.known = users_place()
    try:
        yield
    finally:
        _place.known = before


def users_place() -> tuple[str, int]:
    """Return file and line of the code, outside of this package, that is running."""
    if _place.known is not None:
        return _place.known
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_inside(frame):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def _is_inside(frame):
    name = frame.f_globals.get("__name__", "")
    return name.startswith(_PACKAGE) or name == "contextlib"
