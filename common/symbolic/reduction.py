"""Sums, which make axes disappear, and the way back, which spreads entries out again.

Each is the other's derivative: if y = x₁ + x₂ + …, every xᵢ is handed ∂L/∂y; if x is handed to
many places, ∂L/∂x is the sum of what comes back from them. Broadcasting is the second case.
"""

import numpy as np

from common.symbolic.graph import Variable
from common.symbolic.operation import Operation

__all__ = [
    "Count",
    "Expand",
    "Reduction",
    "Spread",
    "Squeeze",
    "Sum",
    "SumTo",
    "all_axes",
    "expand",
    "spread",
    "sum_to",
]


def all_axes(name: str, x: Variable, axis) -> tuple[int, ...]:
    """Return `axis` (a number, several or None for all) as a sorted tuple of axes of `x`.

    Raises
    ------
    ValueError, TypeError
        If `x` has no such axis, or `axis` isn't a whole number.
    """
    if axis is None:
        return tuple(range(x.ndim))
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    for a in axes:
        if not isinstance(a, (int, np.integer)) or isinstance(a, bool):
            raise TypeError(f"{name}: axis must be a whole number, several or None, got {a!r}")
        if not -x.ndim <= a < x.ndim:
            raise ValueError(f"{name}: {x!r} has {x.ndim} axes, so it has no axis {a}")
    result = sorted(int(a) % x.ndim for a in axes)
    if len(set(result)) < len(result):
        raise ValueError(f"{name}: an axis is named twice, got axis {axis}")
    return tuple(result)


class Reduction(Operation):
    """Base of operations that turn the entries along some axes into one number.

    Parameters
    ----------
    axes : tuple of int
    keepdims : bool
        Whether the axes stay, with length 1.
    """

    def __init__(self, axes: tuple[int, ...], keepdims: bool = False):
        self.axes = axes
        self.keepdims = bool(keepdims)
        self.settings = (self.axes, self.keepdims)

    def lengths(self, x):
        """Return the lengths of the output."""
        if self.keepdims:
            return tuple(1 if a in self.axes else n for a, n in enumerate(x.lengths))
        return tuple(n for a, n in enumerate(x.lengths) if a not in self.axes)

    def again(self, y):
        """Return `y`, of the output's shape, with axes of length 1 where they disappeared."""
        return y if self.keepdims else expand(y, self.axes)

    def call(self, x, method):
        """Return the program that calls a method of the array `x`."""
        axis = self.axes[0] if len(self.axes) == 1 else self.axes
        keepdims = ", keepdims=True" if self.keepdims else ""
        return f"{x}.{method}(axis={axis}{keepdims})"


class Sum(Reduction):
    """Σ over some axes."""

    name = "sum"

    def output_type(self, x):
        return np.empty(0, x.dtype).sum().dtype, self.lengths(x)

    def derivative(self, i, out, g, x):
        return spread(self.again(g), x)

    def code(self, x):
        return self.call(x, "sum")


class Count(Reduction):
    """How many entries there are along some axes: what a mean divides by."""

    name = "count"
    smooth = False
    weak = True

    def output_type(self, x):
        return np.dtype(np.int64), ()

    def connected(self, i):
        return False

    def code(self, x):
        return "(" + " * ".join(f"{x}.shape[{a}]" for a in self.axes) + ")"


class Expand(Operation):
    """Axes of length 1, put in at some places."""

    name = "expand"
    view = True

    def __init__(self, axes: tuple[int, ...]):
        self.axes = axes
        self.settings = (axes,)

    def output_type(self, x):
        lengths = list(x.lengths)
        for a in self.axes:
            lengths.insert(a, 1)
        return x.dtype, tuple(lengths)

    def derivative(self, i, out, g, x):
        return Squeeze(self.axes)(g)

    def code(self, x):
        parts = ["None" if a in self.axes else ":" for a in range(max(self.axes) + 1)]
        return f"{x}[{', '.join(parts)}]"


class Squeeze(Operation):
    """Without some axes of length 1."""

    name = "squeeze"
    view = True

    def __init__(self, axes: tuple[int, ...]):
        self.axes = axes
        self.settings = (axes,)

    def output_type(self, x):
        return x.dtype, tuple(n for a, n in enumerate(x.lengths) if a not in self.axes)

    def derivative(self, i, out, g, x):
        return Expand(self.axes)(g)

    def code(self, x):
        return f"{x}.squeeze({self.axes[0] if len(self.axes) == 1 else self.axes})"


def expand(x: Variable, axes: tuple[int, ...]) -> Variable:
    """Return `x` with axes of length 1 at the places `axes` of the result."""
    return Expand(axes)(x) if axes else x


class Spread(Operation):
    """The first input, broadcast to the shape of the second."""

    name = "spread"
    view = True

    def output_type(self, g, x):
        return g.dtype, x.lengths

    def connected(self, i):
        return i == 0

    def derivative(self, i, out, g, small, x):
        return sum_to(g, small)

    def code(self, g, x):
        return f"np.broadcast_to({g}, {x}.shape)"


class SumTo(Operation):
    """The first input, summed over the axes that broadcasting gave it beyond the second's."""

    name = "sum_to"
    view = True

    def output_type(self, g, x):
        return g.dtype, x.lengths

    def connected(self, i):
        return i == 0

    def derivative(self, i, out, g, large, x):
        return spread(g, large)

    def code(self, g, x):
        return f"sum_to({g}, {x}.shape)"


def spread(g: Variable, x: Variable) -> Variable:
    """Return `g` in the shape of `x`, which it can be broadcast to."""
    return g if g.lengths == x.lengths else Spread()(g, x)


def sum_to(g: Variable, x: Variable) -> Variable:
    """Return `g` in the shape of `x`, which was broadcast to that of `g`, or to a part of it."""
    return g if g.lengths == x.lengths else SumTo()(g, x)
