"""Matrix products, and the softmax family: softmax, its logarithm, and log Σ exp."""

import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from common.symbolic import arrays
from common.symbolic import elementwise as ew
from common.symbolic.graph import Operation, Variable, as_variable


class Dot(Operation, name="dot", template="{0} @ {1}"):
    """The product of matrices, vectors, or both, Σₖ a[…, k] b[k, …]; of two batches, one by one."""

    def infer(self, a, b):
        if (a.ndim, b.ndim) not in ((1, 1), (1, 2), (2, 1), (2, 2), (3, 3)):
            raise TypeError(
                f"dot takes vectors and matrices, got {a!r} {a.dims} and {b!r} {b.dims}"
            )
        n, m = a.dims[-1], b.dims[-2:][0]
        if isinstance(n, int) and isinstance(m, int) and n != m:
            raise ValueError(f"dot: {n} columns but {m} rows: {a!r} {a.dims} and {b!r} {b.dims}")
        return ew.common_dtype((a, b)), (*a.dims[:-1], *b.dims[1:][-1:])

    def vjp(self, i, out, g, a, b):
        """Return g bᵀ or aᵀ g."""
        if i == 0:
            return b * arrays.shape_padright(g) if b.ndim == 1 else Dot()(g, _transposed(b))
        return arrays.shape_padright(a, g.ndim) * g if a.ndim == 1 else Dot()(_transposed(a), g)

    def guarded_vjp(self, i, out, g, a, b):
        """Return g bᵀ or (gᵀ a)ᵀ: a product that leaves out terms where g, its left side, is 0."""
        if i == 0 and b.ndim == 1:
            return ew.zero_or_product(arrays.shape_padright(g), b)
        if i == 1 and a.ndim == 1:
            return ew.zero_or_product(g, arrays.shape_padright(a, g.ndim))
        if i == 0:
            return ZeroOrDot()(g, _transposed(b))
        return _transposed(ZeroOrDot()(_transposed(g), a))


class ZeroOrDot(Dot, name="zero_or_dot", template="zero_or_dot({0}, {1})", selects=True):
    """The product without the terms where all of a[…, k] is 0, even if b[k, …] is infinite."""

    def guarded_vjp(self, i, out, g, a, b):
        """Return the VJP, with 0 for elements of b that aren't finite: they were left out."""
        return super().guarded_vjp(i, out, g, a, ew.switch(ew.isfinite(b), b, 0))

    vjp = guarded_vjp


def _transposed(x):
    """Return the transpose of a matrix, or of each matrix in a batch; a vector as it is."""
    return x if x.ndim == 1 else arrays.transpose(x, [*range(x.ndim - 2), -1, -2])


def dot(a, b) -> Variable:
    """Return the product of vectors or matrices; a scalar multiplies elementwise.

    For arrays with more axes it sums over the last axis of `a` and the last but one of `b`.

    Raises
    ------
    ValueError
        If known sizes don't fit.
    """
    a, b = as_variable(a), as_variable(b)
    if 0 in (a.ndim, b.ndim):
        return a * b
    if max(a.ndim, b.ndim) > 2:
        return tensordot(a, b, [[-1], [-2 if b.ndim > 1 else 0]])
    return Dot()(a, b)


def outer(a, b) -> Variable:
    """Return the matrix of products of each element of `a` with each element of `b`."""
    return arrays.shape_padright(arrays.flatten(a)) * arrays.shape_padleft(arrays.flatten(b))


def batched_dot(a, b) -> Variable:
    """Return the matrix product of a[i] and b[i] for each i."""
    a, b = as_variable(a), as_variable(b)
    if not {a.ndim, b.ndim} <= {2, 3}:
        raise TypeError(
            "batched_dot takes batches of vectors or matrices, with 2 or 3 axes, got "
            f"{a!r} {a.dims} and {b!r} {b.dims}"
        )
    left = arrays.shape_padaxis(a, 1) if a.ndim == 2 else a
    right = arrays.shape_padright(b) if b.ndim == 2 else b
    kept = [0] + [1] * (a.ndim > 2) + [2] * (b.ndim > 2)
    return arrays.dimshuffle(Dot()(left, right), kept)


def tensordot(a, b, axes=2) -> Variable:
    """Return the product of `a` and `b`, summed over pairs of axes.

    Parameters
    ----------
    axes : int, or two lists of int
        The number of last axes of `a` and first axes of `b`, or the axes of `a` and those of `b`.
    """
    a, b = as_variable(a), as_variable(b)
    if isinstance(axes, int):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ValueError(
                f"tensordot: axes must lie between 0 and {min(a.ndim, b.ndim)}, got {axes}"
            )
        axes = range(a.ndim - axes, a.ndim), range(axes)
    of_a = normalize_axis_tuple(np.ravel(axes[0]).tolist(), a.ndim, "tensordot")
    of_b = normalize_axis_tuple(np.ravel(axes[1]).tolist(), b.ndim, "tensordot")
    if len(of_a) != len(of_b):
        raise ValueError(f"tensordot: axes must be as many of a as of b, got {axes}")
    rest_a, rest_b = ([k for k in range(x.ndim) if k not in ks] for x, ks in ((a, of_a), (b, of_b)))
    a, b = arrays.transpose(a, [*rest_a, *of_a]), arrays.transpose(b, [*of_b, *rest_b])
    rows, columns = list(a.shape)[: len(rest_a)], list(b.shape)[len(of_b) :]
    # Adding two ranges makes the program assert that paired axes have the same size. Only the shape
    # of that sum is used, so it isn't computed.
    pairs = zip(list(a.shape)[len(rest_a) :], b.shape, strict=False)
    inner = [(arrays.arange(n) + arrays.arange(m)).shape[0] for n, m in pairs]
    n, k, m = (math.prod(sizes, start=np.int64(1)) for sizes in (rows, inner, columns))
    return arrays.reshape(
        Dot()(arrays.reshape(a, [n, k]), arrays.reshape(b, [k, m])), rows + columns
    )


class Softmax(Operation, name="softmax", template="{op.name}({0}, {op.axes})", fields=("axes",)):
    """exp(xₖ) / Σⱼ exp(xⱼ), where the sum goes over `axes`."""

    def vjp(self, i, y, g, x, times=ew.mul):
        """Return y (g − Σ y g). `times` multiplies a local derivative by an adjoint."""
        return times(y, g - arrays.sum(times(y, g), self.axes, keepdims=True))

    def guarded_vjp(self, *args):
        """Return the VJP, multiplied so that an adjoint of 0 gives 0."""
        return self.vjp(*args, times=lambda f, g: ew.zero_or_product(g, f))


class LogSoftmax(Softmax, name="log_softmax"):
    """xₖ − log Σⱼ exp(xⱼ): the logarithm of the softmax, accurate also where that is 0."""

    def vjp(self, i, y, g, x, times=ew.mul):
        """Return g − exp(y) Σ g."""
        return g - times(ew.exp(y), arrays.sum(g, self.axes, keepdims=True))


class LogSumExp(Softmax, name="logsumexp"):
    """log Σₖ exp(xₖ), without overflow."""

    def infer(self, x):
        return x.dtype, tuple(n for a, n in enumerate(x.dims) if a not in self.axes)

    def vjp(self, i, out, g, x, times=ew.mul):
        """Return softmax(x) g."""
        return times(Softmax(self.axes)(x), arrays.expand(g, self.axes))


def along_axis(operation, x) -> Variable:
    """Return an `operation` of the softmax family along the last axis; integers become floats."""
    x = as_variable(x)
    if x.ndim == 0 or x.kind == "c":
        raise TypeError(
            f"{operation.name} takes vectors, matrices, … of real numbers, got {x!r} with {x.ndim} "
            f"axes of {x.dtype}"
        )
    x = x if x.kind == "f" else ew.cast(x, "floatX")
    return operation((x.ndim - 1,))(x)
