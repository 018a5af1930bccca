"""Matrix products and transposition."""

import numpy as np

from common.symbolic.graph import Variable, as_variable
from common.symbolic.operation import Operation, readable_shape, result_dtype

__all__ = ["Dot", "Outer", "Transpose", "dot", "transpose"]


class Dot(Operation):
    """The product of matrices, vectors, or both: Σₖ a[..., k] b[k, ...]."""

    name = "dot"

    def output_type(self, a, b):
        if not (1 <= a.ndim <= 2 and 1 <= b.ndim <= 2):
            raise TypeError(
                f"dot takes vectors and matrices, got {a!r} with {a.ndim} axes and {b!r} with "
                f"{b.ndim}"
            )
        inner = a.lengths[-1], b.lengths[0]
        if all(isinstance(n, int) for n in inner) and inner[0] != inner[1]:
            raise ValueError(
                f"dot: the last axis of {a!r} {readable_shape(a.lengths)} must be as long as the "
                f"first one of {b!r} {readable_shape(b.lengths)}"
            )
        return result_dtype(a, b), (*a.lengths[:-1], *b.lengths[1:])

    def derivative(self, i, out, g, a, b):
        if (a.ndim, b.ndim) == (1, 1):
            return g * (b if i == 0 else a)
        if i == 0:
            return Outer()(g, b) if b.ndim == 1 else Dot()(g, transpose(b))
        return Outer()(a, g) if a.ndim == 1 else Dot()(transpose(a), g)

    def code(self, a, b):
        return f"{a} @ {b}"


class Outer(Operation):
    """The outer product of two vectors: a[i] b[j]."""

    name = "outer"

    def output_type(self, a, b):
        for x in (a, b):
            if x.ndim != 1:
                raise TypeError(f"outer takes two vectors, got {x!r} with {x.ndim} axes")
        return result_dtype(a, b), (*a.lengths, *b.lengths)

    def derivative(self, i, out, g, a, b):
        return Dot()(g, b) if i == 0 else Dot()(a, g)

    def code(self, a, b):
        return f"np.multiply.outer({a}, {b})"


class Transpose(Operation):
    """Axes in another order.

    Parameters
    ----------
    order : tuple of int
        For each axis of the result, which one of the input it is.
    """

    name = "transpose"
    view = True

    def __init__(self, order: tuple[int, ...]):
        self.order = order
        self.settings = (order,)

    def output_type(self, x):
        return x.dtype, tuple(x.lengths[a] for a in self.order)

    def derivative(self, i, out, g, x):
        return Transpose(tuple(int(a) for a in np.argsort(self.order)))(g)

    def code(self, x):
        if self.order == tuple(reversed(range(len(self.order)))):
            return f"{x}.T"
        return f"{x}.transpose({', '.join(map(str, self.order))})"


def dot(a, b) -> Variable:
    """Return the product of two vectors or matrices; a number scales.

    Raises
    ------
    TypeError
        If one has more than two axes.
    ValueError
        If lengths that are known beforehand don't fit.
    """
    a, b = as_variable(a), as_variable(b)
    return a * b if 0 in (a.ndim, b.ndim) else Dot()(a, b)


def transpose(x, axes=None) -> Variable:
    """Return `x` with its axes in another order, by default reversed.

    Raises
    ------
    ValueError
        If `axes` doesn't name each axis of `x` once.
    """
    x = as_variable(x)
    order = range(x.ndim)[::-1] if axes is None else [a % x.ndim if x.ndim else a for a in axes]
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"transpose: axes must name each of the {x.ndim} axes once, got {axes}")
    return x if list(order) == list(range(x.ndim)) else Transpose(tuple(order))(x)
