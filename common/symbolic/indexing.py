"""x[…] by slices, numbers and integer arrays, and its derivative, which puts entries back."""

import operator

import numpy as np

from common.symbolic.graph import Length, Variable, as_variable
from common.symbolic.operation import Operation, broadcast, result_dtype
from common.symbolic.reduction import sum_to
from common.symbolic.shape import ShapeOf, ShapeVector

__all__ = ["AddAt", "Index", "Scatter", "index"]


class _Indexed(Operation):
    """Base of operations on x[…].

    Parameters
    ----------
    pattern : tuple of tuple
        What stands between the brackets, part by part: ("new",), ("ellipsis",), ("int", 3),
        ("slice", 0, None, 2), and, each for one of the other inputs, ("number",), ("array",) and
        "input" as the bound of a slice.
    once : bool
        Whether it is certain that no place is named twice.
    """

    def __init__(self, pattern: tuple, once: bool = False):
        self.pattern = pattern
        self.once = once or not any(part == ("array",) for part in pattern)
        self.settings = (pattern, self.once)

    def brackets(self, inputs):
        """Return the source of what stands between the brackets."""
        inputs = iter(inputs)
        parts = []
        for kind, *rest in self.pattern:
            if kind == "new":
                parts.append("None")
            elif kind == "ellipsis":
                parts.append("...")
            elif kind == "int":
                parts.append(str(rest[0]))
            elif kind == "slice":
                start, stop, step = (
                    "" if b is None else next(inputs) if b == "input" else str(b) for b in rest
                )
                parts.append(f"{start}:{stop}" + (f":{step}" if step else ""))
            else:
                parts.append(next(inputs))
        return ", ".join(parts) or "..."


class Index(_Indexed):
    """x[…]: a part of the first input."""

    name = "index"

    def __init__(self, pattern: tuple, once: bool = False):
        super().__init__(pattern, once)
        self.view = not any(part == ("array",) for part in pattern)

    def output_type(self, x, *inputs):
        return x.dtype, _lengths(x, self.pattern, inputs)

    def connected(self, i):
        return i == 0

    def derivative(self, i, out, g, x, *inputs):
        return Scatter(self.pattern, self.once)(g, x, *inputs)

    def code(self, x, *inputs):
        return f"{x}[{self.brackets(inputs)}]"


class Scatter(_Indexed):
    """Zeros in the shape of the second input, with the first added in at x[…]."""

    name = "scatter"

    def output_type(self, g, x, *inputs):
        return g.dtype, x.lengths

    def connected(self, i):
        return i == 0

    def derivative(self, i, out, gg, g, x, *inputs):
        return sum_to(Index(self.pattern, self.once)(gg, *inputs), g)

    def code(self, g, x, *inputs):
        put = "put" if self.once else "scatter"
        return f"{put}({g}, {x}.shape, np.index_exp[{self.brackets(inputs)}])"


class AddAt(_Indexed):
    """The first input with the second added at x[…], where no place is named twice."""

    name = "add_at"

    def output_type(self, x, g, *inputs):
        return result_dtype(x, g), x.lengths

    def connected(self, i):
        return i < 2

    def derivative(self, i, out, gg, x, g, *inputs):
        return gg if i == 0 else sum_to(Index(self.pattern, self.once)(gg, *inputs), g)

    def code(self, x, g, *inputs):
        return f"add_at({x}, np.index_exp[{self.brackets(inputs)}], {g})"


def index(x: Variable, key) -> Variable:
    """Return x[key].

    Raises
    ------
    IndexError
        If `key` has more parts than `x` has axes.
    TypeError
        If a part isn't a slice, an integer, an array of integers, None or an ellipsis.
    """
    parts = _without_ellipsis(x, key if isinstance(key, tuple) else (key,))
    if isinstance(x.operation, ShapeVector) and isinstance(parts[0], (int, np.integer)):
        [array] = x.inputs
        if not -array.ndim <= parts[0] < array.ndim:
            raise IndexError(f"{array!r} has {array.ndim} axes, so it has no shape[{parts[0]}]")
        return ShapeOf(int(parts[0]) % array.ndim)(array)

    pattern, inputs = [], []
    for part in parts:
        if part is None:
            pattern.append(("new",))
        elif part is Ellipsis:
            pattern.append(("ellipsis",))
        elif isinstance(part, slice):
            bounds = []
            for bound in (part.start, part.stop, part.step):
                if isinstance(bound, Variable):
                    inputs.append(_whole(bound))
                    bounds.append("input")
                else:
                    bounds.append(None if bound is None else operator.index(bound))
            pattern.append(("slice", *bounds))
        elif isinstance(part, (int, np.integer)) and not isinstance(part, bool):
            pattern.append(("int", int(part)))
        else:
            inputs.append(_whole(part))
            pattern.append(("array",) if inputs[-1].ndim else ("number",))
    return Index(tuple(pattern))(x, *inputs)


def _without_ellipsis(x, parts):
    n_axes = sum(part is not None and part is not Ellipsis for part in parts)
    if n_axes > x.ndim:
        raise IndexError(f"{x!r} has {x.ndim} axes, but is indexed by {n_axes}")
    at = [i for i, part in enumerate(parts) if part is Ellipsis]
    if len(at) > 1:
        raise IndexError("an index can have one ellipsis only")
    for i in at:
        # One that stands for no axes stays: NumPy takes arrays on both sides of it as separated.
        whole = (slice(None),) * (x.ndim - n_axes) or (Ellipsis,)
        return parts[:i] + whole + parts[i + 1 :]
    return parts


def _whole(part):
    variable = as_variable(part)
    if variable.dtype.kind not in "iu":
        hint = "; for a choice by a condition there is switch" if variable.dtype.kind == "b" else ""
        raise TypeError(
            f"an index must be whole numbers, got {variable!r} of {variable.dtype}{hint}"
        )
    return variable


def _lengths(x, pattern, inputs):
    lengths, inputs = iter(x.lengths), iter(inputs)
    by_array = any(part == ("array",) for part in pattern)
    result, arrays, at = [], [], []
    for place, (kind, *rest) in enumerate(pattern):
        if kind == "new":
            result.append(1)
        elif kind == "ellipsis":
            continue
        elif kind == "slice":
            result.append(_slice_length(next(lengths), rest))
            for _ in range(rest.count("input")):
                next(inputs)
        else:
            next(lengths)
            at.append((place, len(result)))  # beside an array a number is one too, NumPy says
            if kind != "int":
                arrays.append(next(inputs))
    result += list(lengths)
    if by_array:
        together = at[-1][0] - at[0][0] == len(at) - 1
        where = at[0][1] if together else 0
        result[where:where] = broadcast("index", *arrays)
    return tuple(result)


def _slice_length(length, bounds):
    if bounds == [None, None, None]:
        return length
    if isinstance(length, int) and "input" not in bounds:
        return len(range(*slice(*bounds).indices(length)))
    return Length.new()
