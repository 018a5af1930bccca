"""Products that sum: matrix products and their kin; and softmax, which divides by a sum."""

import builtins

import numpy as np

from common.symbolic import arrays
from common.symbolic import elementwise as ew
from common.symbolic.graph import Operation, Variable, as_variable, readable_shape

__all__ = ["Dot", "LogSoftmax", "LogSumExp", "Softmax", "batched_dot", "dot", "outer", "tensordot"]


class Dot(Operation):
    """The product of matrices, vectors, or both, Σₖ a[…, k] b[k, …]; of two batches, one by one."""

    name = "dot"

    def infer(self, a, b):
        batches = (a.ndim, b.ndim) == (3, 3)
        if not batches and not (1 <= a.ndim <= 2 and 1 <= b.ndim <= 2):
            raise TypeError(
                f"dot takes vectors and matrices, got {a!r} with {a.ndim} axes and {b!r} with "
                f"{b.ndim}"
            )
        inner = a.dims[-1], b.dims[-2 if batches else 0]
        if builtins.all(isinstance(n, int) for n in inner) and inner[0] != inner[1]:
            raise ValueError(
                f"dot: the last axis of {a!r} {readable_shape(a.dims)} must have the size of the "
                f"first axis of {b!r} {readable_shape(b.dims)}"
            )
        dims = (*a.dims[:-1], b.dims[-1]) if batches else (*a.dims[:-1], *b.dims[1:])
        return np.result_type(a.dtype, b.dtype).name, dims

    def vjp(self, i, out, g, a, b):
        """Return g bᵀ or aᵀ g."""
        if a.ndim == 3:
            turned = arrays.swapaxes(b if i == 0 else a, 1, 2)
            return Dot()(g, turned) if i == 0 else Dot()(turned, g)
        if (a.ndim, b.ndim) == (1, 1):
            return g * (b if i == 0 else a)
        if i == 0:
            return Outer()(g, b) if b.ndim == 1 else Dot()(g, b.T)
        return Outer()(a, g) if a.ndim == 1 else Dot()(a.T, g)

    def code(self, a, b):
        return f"{a} @ {b}"


class Outer(Operation):
    """The outer product of two vectors, a[i] b[j]."""

    name = "outer"

    def infer(self, a, b):
        return np.result_type(a.dtype, b.dtype).name, (*a.dims, *b.dims)

    def vjp(self, i, out, g, a, b):
        """Return g b or a g."""
        return Dot()(g, b) if i == 0 else Dot()(a, g)

    def code(self, a, b):
        return f"np.multiply.outer({a}, {b})"


def dot(a, b) -> Variable:
    """Return the product of vectors or matrices; a scalar scales.

    Of arrays with more axes the last one of `a` is summed with the last but one of `b`.

    Raises
    ------
    ValueError
        If known sizes don't fit.
    """
    a, b = as_variable(a), as_variable(b)
    if 0 in (a.ndim, b.ndim):
        return a * b
    if builtins.max(a.ndim, b.ndim) > 2:
        return tensordot(a, b, [[a.ndim - 1], [builtins.max(b.ndim - 2, 0)]])
    return Dot()(a, b)


def outer(a, b) -> Variable:
    """Return the product of each element of `a` with each one of `b`, a matrix."""
    a, b = (arrays.flatten(x) if as_variable(x).ndim != 1 else as_variable(x) for x in (a, b))
    return Outer()(a, b)


def batched_dot(a, b) -> Variable:
    """Return the products of a[i] and b[i], for all i."""
    a, b = as_variable(a), as_variable(b)
    left = arrays.shape_padaxis(a, 1) if a.ndim == 2 else a
    right = arrays.shape_padright(b) if b.ndim == 2 else b
    result = Dot()(left, right)
    drop = {1} if a.ndim == 2 else set()
    drop |= {2} if b.ndim == 2 else set()
    return arrays.dimshuffle(result, [k for k in range(3) if k not in drop])


def tensordot(a, b, axes=2) -> Variable:
    """Return the product of `a` and `b`, summed over pairs of axes.

    Parameters
    ----------
    axes : int, or two lists of int
        The last axes of `a` and the first ones of `b`, or which axes of `a` and of `b`.
    """
    a, b = as_variable(a), as_variable(b)
    if isinstance(axes, int):
        axes = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    of_a, of_b = ([k] if isinstance(k, int) else list(k) for k in axes)
    of_a, of_b = [k % a.ndim for k in of_a], [k % b.ndim for k in of_b]
    rest_a = [k for k in range(a.ndim) if k not in of_a]
    rest_b = [k for k in range(b.ndim) if k not in of_b]
    sizes = [arrays.ShapeOf(k)(a) for k in rest_a] + [arrays.ShapeOf(k)(b) for k in rest_b]
    inner = as_variable(np.int64(1))
    for k in of_a:
        inner = inner * arrays.ShapeOf(k)(a)
    left = arrays.reshape(arrays.transpose(a, [*rest_a, *of_a]), [-1, inner])
    right = arrays.reshape(arrays.transpose(b, [*of_b, *rest_b]), [inner, -1])
    return arrays.reshape(Dot()(left, right), sizes)


class _AlongAxes(Operation):
    """Base of the softmax family.

    Parameters
    ----------
    axes : tuple of int
        Along which exponentials are summed.
    """

    def __init__(self, axes: tuple[int, ...]):
        self.axes = axes
        self.parameters = (axes,)

    def infer(self, x):
        if x.ndim == 0 or x.kind != "f":
            raise TypeError(f"{self.name} takes arrays of real numbers, got {x!r} of {x.dtype}")
        return x.dtype, x.dims

    def code(self, x):
        return f"{self.name}({x}, {self.axes})"


class Softmax(_AlongAxes):
    """exp(xₖ) / Σⱼ exp(xⱼ)."""

    name = "softmax"

    def vjp(self, i, y, g, x):
        """Return y (g − Σ g y)."""
        return y * (g - arrays.sum(g * y, self.axes, keepdims=True))


class LogSoftmax(_AlongAxes):
    """xₖ − log Σⱼ exp(xⱼ): the logarithm of the softmax, accurate also where that is 0."""

    name = "log_softmax"

    def vjp(self, i, y, g, x):
        """Return g − exp(y) Σ g."""
        return g - ew.exp(y) * arrays.sum(g, self.axes, keepdims=True)


class LogSumExp(_AlongAxes):
    """log Σₖ exp(xₖ), without overflow."""

    name = "logsumexp"

    def infer(self, x):
        dtype, dims = super().infer(x)
        return dtype, tuple(n for a, n in enumerate(dims) if a not in self.axes)

    def vjp(self, i, out, g, x):
        """Return g softmax(x)."""
        return arrays.expand(g, self.axes) * Softmax(self.axes)(x)


def along_axis(operation, x, axis=-1) -> Variable:
    """Return `operation` of the softmax family along `axis`; integers become floats."""
    x = as_variable(x)
    x = x if x.kind in "fc" else ew.cast(x, "floatX")
    if x.ndim == 0:
        raise TypeError(f"{operation.name} takes vectors, matrices, …, got the scalar {x!r}")
    return operation(arrays.as_axes(operation.name, x, axis))(x)
