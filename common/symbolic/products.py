"""Products that sum: matrix products and their kin; and softmax, which divides by a sum.

Their VJPs multiply the adjoint g by a value f that other elements share. If f is infinite or NaN
because of elements that a later choice ignores, g is 0 there, and the product must be 0, too. So
they can be asked for a `guarded` VJP, which makes it so.
"""

import math

import numpy as np

from common.symbolic import arrays
from common.symbolic import elementwise as ew
from common.symbolic.arrays import ArrayOperation
from common.symbolic.graph import Operation, Variable, as_variable, readable_shape

__all__ = ["Dot", "LogSoftmax", "LogSumExp", "Softmax", "batched_dot", "dot", "outer", "tensordot"]


def _product(f, g, guarded):
    """Return f g, or, if it is guarded, 0 where g is 0 even if f is infinite there."""
    return ew.zero_or_product(g, f) if guarded else f * g


class Dot(ArrayOperation):
    """The product of matrices, vectors, or both, Σₖ a[…, k] b[k, …]; of two batches, one by one.

    Parameters
    ----------
    guarded : bool
        Whether terms count as 0 where a slice a[…, k] is 0, even if b[k, …] is infinite.
    """

    name = "dot"
    fields = ("guarded",)

    @property
    def selects(self):
        return self.guarded

    def infer(self, a, b):
        if (a.ndim, b.ndim) not in ((1, 1), (1, 2), (2, 1), (2, 2), (3, 3)):
            raise TypeError(
                f"dot takes vectors and matrices, got {a!r} with {a.ndim} axes and {b!r} with "
                f"{b.ndim}"
            )
        n, m = a.dims[-1], b.dims[-2:][0]
        if isinstance(n, int) and isinstance(m, int) and n != m:
            raise ValueError(
                f"dot: the last axis of {a!r} {readable_shape(a.dims)} must have the size of the "
                f"first axis of {b!r} {readable_shape(b.dims)}"
            )
        dims = (*a.dims[:-1], *b.dims[1:][-1:])
        return np.result_type(a.dtype, b.dtype).name, dims

    def vjp(self, i, out, g, a, b, guarded=False):
        """Return g bᵀ or aᵀ g."""
        if self.guarded:  # then the terms with infinite factors have been ignored
            guarded, b = True, ew.switch(ew.infinite(b), 0, b)
        if i == 0 and b.ndim == 1:
            return _product(b, arrays.shape_padright(g), guarded)
        if i == 1 and a.ndim == 1:
            return _product(arrays.shape_padright(a, g.ndim), g, guarded)
        if i == 0:
            return Dot(guarded)(g, _turned(b))
        return _turned(Dot(True)(_turned(g), a)) if guarded else Dot(False)(_turned(a), g)

    def code(self, a, b):
        return f"zero_or_dot({a}, {b})" if self.guarded else f"{a} @ {b}"


def _turned(x):
    """Return the transpose of a matrix or of each in a batch; a vector as it is."""
    return x if x.ndim == 1 else arrays.transpose(x, [*range(x.ndim - 2), -1, -2])


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
    if max(a.ndim, b.ndim) > 2:
        return tensordot(a, b, [[a.ndim - 1], [max(b.ndim - 2, 0)]])
    return Dot(False)(a, b)


def outer(a, b) -> Variable:
    """Return the product of each element of `a` with each one of `b`, a matrix."""
    return arrays.expand(arrays.flatten(a), (1,)) * arrays.expand(arrays.flatten(b), (0,))


def batched_dot(a, b) -> Variable:
    """Return the products of a[i] and b[i], for all i."""
    a, b = as_variable(a), as_variable(b)
    left = arrays.shape_padaxis(a, 1) if a.ndim == 2 else a
    right = arrays.shape_padright(b) if b.ndim == 2 else b
    kept = [0] + [1] * (a.ndim > 2) + [2] * (b.ndim > 2)
    return arrays.dimshuffle(Dot(False)(left, right), kept)


def tensordot(a, b, axes=2) -> Variable:
    """Return the product of `a` and `b`, summed over pairs of axes.

    Parameters
    ----------
    axes : int, or two lists of int
        The last axes of `a` and the first ones of `b`, or which axes of `a` and of `b`.
    """
    a, b = as_variable(a), as_variable(b)
    if isinstance(axes, int):
        axes = range(a.ndim - axes, a.ndim), range(axes)
    of_a, of_b = ([k] if isinstance(k, int) else list(k) for k in axes)
    of_a, of_b = [k % a.ndim for k in of_a], [k % b.ndim for k in of_b]
    rest_a = [k for k in range(a.ndim) if k not in of_a]
    rest_b = [k for k in range(b.ndim) if k not in of_b]
    rows, inner, columns = (
        [arrays.ShapeOf(k)(x) for k in axes] for x, axes in ((a, rest_a), (a, of_a), (b, rest_b))
    )
    n, k, m = (math.prod(sizes, start=as_variable(np.int64(1))) for sizes in (rows, inner, columns))
    left = arrays.reshape(arrays.transpose(a, [*rest_a, *of_a]), [n, k])
    right = arrays.reshape(arrays.transpose(b, [*of_b, *rest_b]), [k, m])
    return arrays.reshape(Dot(False)(left, right), rows + columns)


class Softmax(ArrayOperation):
    """exp(xₖ) / Σⱼ exp(xⱼ), where the sum goes over `axes`."""

    name = "softmax"
    template = "{op.name}({0}, {op.axes})"
    fields = ("axes",)

    def infer(self, x):
        if x.ndim == 0 or x.kind != "f":
            raise TypeError(f"{self.name} takes arrays of real numbers, got {x!r} of {x.dtype}")
        return x.dtype, x.dims

    def vjp(self, i, y, g, x, guarded=False):
        """Return y (g − Σ g y)."""
        mean = arrays.sum(_product(y, g, guarded), self.axes, keepdims=True)
        return _product(y, g - mean, guarded)


class LogSoftmax(Softmax):
    """xₖ − log Σⱼ exp(xⱼ): the logarithm of the softmax, accurate also where that is 0."""

    name = "log_softmax"

    def vjp(self, i, y, g, x, guarded=False):
        """Return g − exp(y) Σ g."""
        return g - _product(ew.exp(y), arrays.sum(g, self.axes, keepdims=True), guarded)


class LogSumExp(Softmax):
    """log Σₖ exp(xₖ), without overflow."""

    name = "logsumexp"

    def infer(self, x):
        dtype, dims = super().infer(x)
        return dtype, tuple(n for a, n in enumerate(dims) if a not in self.axes)

    def vjp(self, i, out, g, x, guarded=False):
        """Return g softmax(x)."""
        return _product(Softmax(self.axes)(x), arrays.expand(g, self.axes), guarded)


def along_axis(operation, x, axis=-1) -> Variable:
    """Return `operation` of the softmax family along `axis`; integers become floats."""
    x = as_variable(x)
    x = x if x.kind in "fc" else ew.cast(x, "floatX")
    if x.ndim == 0:
        raise TypeError(f"{operation.name} takes vectors, matrices, …, got the scalar {x!r}")
    return operation(arrays.as_axes(operation.name, x, axis))(x)


def ignores_slices(operation: Operation, x: Variable) -> bool:
    """Return whether `operation` may ignore whole rows or columns of its input `x`.

    All operations that select may, but for two: ReLU chooses by the sign of each element, and
    picking a label from each row of a softmax needs the whole row, by way of its sum.
    """
    if operation.name == "index" and isinstance(x.operation, Softmax):
        return operation.pattern != ("rows", "array")
    return operation.selects and operation.name != "relu"
