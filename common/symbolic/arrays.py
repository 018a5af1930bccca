"""Operations on whole arrays: shapes, axes, sums and other reductions, joining, counting.

Their derivatives come in pairs. A sum sends one adjoint to many elements, so its VJP broadcasts;
broadcasting uses one element many times, so its VJP sums.
"""

import builtins
import math
import operator

import numpy as np

from common.symbolic import elementwise as ew
from common.symbolic.graph import (
    KINDS,
    Constant,
    Dim,
    Operation,
    Variable,
    as_variable,
    checked_dtype,
    readable_shape,
)

__all__ = [
    "BroadcastLike",
    "Dimshuffle",
    "Reduction",
    "ShapeOf",
    "ShapeVector",
    "Sum",
    "broadcast_like",
    "expand",
    "same_dims",
    "sum_to",
]


def as_axes(name: str, x: Variable, axis) -> tuple[int, ...]:
    """Return `axis` (an integer, several, or None for all) as a sorted tuple of axes of `x`.

    Raises
    ------
    ValueError, TypeError
        If `x` has no such axis, an axis is named twice, or `axis` isn't an integer.
    """
    if axis is None:
        return tuple(range(x.ndim))
    axis = axis.tolist() if isinstance(axis, np.ndarray) else axis
    axis = axis.value.tolist() if isinstance(axis, Constant) else axis
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    for a in axes:
        if not isinstance(a, (int, np.integer)) or isinstance(a, bool):
            raise TypeError(f"{name}: axis must be an integer, several, or None, got {a!r}")
        if not -x.ndim <= a < x.ndim:
            raise ValueError(f"{name}: {x!r} has {x.ndim} axes, so it has no axis {a}")
    result = sorted(int(a) % x.ndim for a in axes)
    if len(set(result)) < len(result):
        raise ValueError(f"{name}: an axis is named twice in {axis}")
    return tuple(result)


def same_dims(x: Variable, y: Variable) -> bool:
    """Return whether two shapes are known to be equal."""
    return x.dims == y.dims


# Axes


class Dimshuffle(Operation):
    """Axes in another order, with new ones of size 1, and without some of size 1.

    Parameters
    ----------
    pattern : tuple of int or "x"
        For each axis of the result: which axis of the input it is, or "x" for a new one. An axis of
        the input that isn't named must have size 1.
    """

    name = "dimshuffle"
    view = True

    def __init__(self, pattern: tuple):
        self.pattern = pattern
        self.parameters = (pattern,)

    def infer(self, x):
        return x.dtype, tuple([1 if a == "x" else x.dims[a] for a in self.pattern])

    def vjp(self, i, out, g, x):
        """Return g with its axes put back."""
        place = {a: k for k, a in enumerate(self.pattern)}
        return dimshuffle(g, [place.get(a, "x") for a in range(x.ndim)])

    def dropped(self, ndim):
        """Return the axes that disappear."""
        return tuple(a for a in range(ndim) if a not in self.pattern)

    def code(self, x, ndim=None):
        kept = [a for a in self.pattern if a != "x"]
        n = builtins.max([-1, *kept] if ndim is None else [ndim - 1]) + 1
        dropped = self.dropped(n)
        if dropped:
            x = f"{x}.squeeze({dropped[0] if len(dropped) == 1 else dropped})"
        order = [sorted(kept).index(a) for a in kept]
        if order != sorted(order):
            reverse = order == sorted(order)[::-1]
            x = f"{x}.T" if reverse else f"{x}.transpose({', '.join(map(str, order))})"
        if "x" in self.pattern:
            parts = ["None" if a == "x" else ":" for a in self.pattern]
            while parts[-1] == ":":
                parts.pop()
            x = f"{x}[{', '.join(parts)}]"
        return x


class _Dimshuffle(Dimshuffle):
    """A Dimshuffle that drops axes: it needs to know how many there were."""

    def __init__(self, pattern, ndim):
        super().__init__(pattern)
        self.ndim = ndim
        self.parameters = (pattern, ndim)

    def code(self, x, ndim=None):
        return super().code(x, self.ndim)


def dimshuffle(x, pattern) -> Variable:
    """Return the axes of `x` in the order of `pattern`, with a new one of size 1 for each "x".

    Raises
    ------
    ValueError
        If an axis is named twice or doesn't exist, or one that isn't known to have size 1 is left
        out.
    """
    x = as_variable(x)
    pattern = tuple([a if a == "x" else operator.index(a) for a in pattern])
    named = [a for a in pattern if a != "x"]
    if len(set(named)) < len(named) or any_of(not 0 <= a < x.ndim for a in named):
        raise ValueError(f"dimshuffle: {pattern} doesn't fit {x!r}, which has {x.ndim} axes")
    for a in range(x.ndim):
        if a not in named and x.dims[a] != 1:
            raise ValueError(
                f"dimshuffle: axis {a} of {x!r} {readable_shape(x.dims)} can't be dropped, since "
                "its size isn't known to be 1"
            )
    if pattern == tuple(range(x.ndim)):
        return x
    complete = len(named) == x.ndim
    return (Dimshuffle(pattern) if complete else _Dimshuffle(pattern, x.ndim))(x)


any_of = builtins.any


def transpose(x, axes=None) -> Variable:
    """Return `x` with its axes in another order, by default reversed."""
    x = as_variable(x)
    order = range(x.ndim)[::-1] if axes is None else [a % x.ndim if x.ndim else a for a in axes]
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"transpose: axes must name each of the {x.ndim} axes once, got {axes}")
    return dimshuffle(x, order)


def swapaxes(x, a: int, b: int) -> Variable:
    """Return `x` with two axes exchanged."""
    order = list(range(as_variable(x).ndim))
    order[a], order[b] = order[b], order[a]
    return transpose(x, order)


def expand(x: Variable, axes: tuple[int, ...]) -> Variable:
    """Return `x` with axes of size 1 at the places `axes` of the result."""
    rest = iter(range(x.ndim))
    ndim = x.ndim + len(axes)
    return dimshuffle(x, ["x" if a in axes else next(rest) for a in range(ndim)])


def shape_padleft(x, n_ones: int = 1) -> Variable:
    """Return `x` with `n_ones` axes of size 1 in front."""
    x = as_variable(x)
    return dimshuffle(x, ["x"] * n_ones + list(range(x.ndim)))


def shape_padright(x, n_ones: int = 1) -> Variable:
    """Return `x` with `n_ones` axes of size 1 behind."""
    x = as_variable(x)
    return dimshuffle(x, list(range(x.ndim)) + ["x"] * n_ones)


def shape_padaxis(x, axis: int) -> Variable:
    """Return `x` with an axis of size 1 at `axis`."""
    x = as_variable(x)
    return expand(x, (axis % (x.ndim + 1),))


def squeeze(x) -> Variable:
    """Return `x` without the axes that are known to have size 1."""
    x = as_variable(x)
    return dimshuffle(x, [a for a in range(x.ndim) if x.dims[a] != 1])


class Specify(Operation):
    """The input, of whose axes some are declared to have size 1, or any size.

    Parameters
    ----------
    ones : tuple of (int, bool)
        Axes, and whether each has size 1.
    """

    name = "addbroadcast"
    view = True

    def __init__(self, ones: tuple):
        self.ones = ones
        self.parameters = (ones,)

    def infer(self, x):
        dims = list(x.dims)
        for a, one in self.ones:
            if one and type(dims[a]) is int and dims[a] != 1:
                raise ValueError(f"addbroadcast: axis {a} of {x!r} has size {dims[a]}, not 1")
            dims[a] = 1 if one else Dim() if dims[a] == 1 else dims[a]
        return x.dtype, tuple(dims)

    def vjp(self, i, out, g, x):
        """Return g, in the shape of x."""
        return ReshapeLike()(g, x)

    def code(self, x):
        """Return the NumPy expression, which checks that the sizes are 1."""
        return f"check_ones({x}, {tuple(a for a, one in self.ones if one)})"


def addbroadcast(x, *axes) -> Variable:
    """Declare that axes have size 1, so that they broadcast; calls check it."""
    x = as_variable(x)
    return Specify(tuple((a, True) for a in axes))(x) if axes else x


def unbroadcast(x, *axes) -> Variable:
    """Declare that axes of size 1 are axes of any size, which don't broadcast."""
    x = as_variable(x)
    return Specify(tuple((a, False) for a in axes))(x) if axes else x


def patternbroadcast(x, broadcastable) -> Variable:
    """Declare which axes have size 1."""
    return Specify(tuple(enumerate(bool(b) for b in broadcastable)))(x)


class Copy(Operation):
    """The same value as a variable of its own."""

    name = "copy"
    view = True

    def infer(self, x):
        return x.dtype, x.dims

    def vjp(self, i, out, g, x):
        return g

    def code(self, x):
        return x


class Print(Operation):
    """The input; when it is computed, its value is printed after `message`."""

    name = "print"

    def __init__(self, message: str = "", attrs=("__str__",)):
        self.message = str(message)
        self.parameters = (self.message,)

    def infer(self, x):
        return x.dtype, x.dims

    def vjp(self, i, out, g, x):
        return g

    def code(self, x):
        """Return the call that prints."""
        return f"show({x}, {self.message!a})"


# Shapes


class _FromShape(Operation):
    """Base of what depends on the shape of its inputs only."""

    differentiable = False

    def connected(self, i):
        """Return False: the values don't matter."""
        return False


class ShapeOf(_FromShape):
    """The size of one axis, int64.

    Parameters
    ----------
    axis : int
    """

    name = "size"

    def __init__(self, axis: int):
        self.axis = axis
        self.parameters = (axis,)

    def infer(self, x):
        return "int64", ()

    def code(self, x):
        return f"{x}.shape[{self.axis}]"


class ShapeVector(_FromShape):
    """The sizes of all axes, int64."""

    name = "shape"

    def infer(self, x):
        return "int64", (x.ndim,)

    def code(self, x):
        return f"np.array({x}.shape, np.int64)"


class Count(_FromShape):
    """The number of elements along some axes, which a mean divides by.

    Parameters
    ----------
    axes : tuple of int
    dtype : str
    """

    name = "count"

    def __init__(self, axes: tuple[int, ...], dtype: str):
        self.axes, self.dtype = axes, dtype
        self.parameters = (axes, dtype)

    def infer(self, x):
        return self.dtype, ()

    def code(self, x):
        return f"np.{self.dtype}({' * '.join(f'{x}.shape[{a}]' for a in self.axes)})"


def shape(x) -> Variable:
    """Return the shape of `x`, a vector of int64."""
    return ShapeVector()(x)


def size(x) -> Variable:
    """Return the number of elements of `x`, int64."""
    return prod(shape(x))


class Reshape(Operation):
    """The elements of the first input in the shape that the others, integers, give; −1 fits."""

    name = "reshape"
    view = True

    def infer(self, x, *sizes):
        for n in sizes:
            if n.kind not in "iu" or n.ndim:
                raise TypeError(f"reshape: sizes must be integers, got {n!r} of {n.dtype}")
        return x.dtype, tuple([_dim_of(n) for n in sizes])

    def connected(self, i):
        return i == 0

    def vjp(self, i, out, g, x, *sizes):
        """Return g in the shape of x."""
        return ReshapeLike()(g, x)

    def code(self, x, *sizes):
        return f"np.reshape({x}, ({', '.join(sizes)}{',' if len(sizes) == 1 else ''}))"


def _dim_of(n: Variable):
    """Return the size of an axis that the scalar `n` tells."""
    while isinstance(n.operation, ew.Cast):
        [n] = n.inputs
    if isinstance(n, Constant):
        return int(n.value) if n.value >= 0 else Dim()
    return n.inputs[0].dims[n.operation.axis] if isinstance(n.operation, ShapeOf) else Dim()


def sizes_of(shape, ndim=None) -> list[Variable]:
    """Return a shape, given as integers, variables or a vector of either, as a list of scalars.

    Raises
    ------
    TypeError
        If the number of axes can't be known.
    """
    if isinstance(shape, np.ndarray):
        shape = shape.tolist()
    if isinstance(shape, Variable) and shape.ndim == 1:
        n = ndim if isinstance(shape.dims[0], Dim) else shape.dims[0]
        if n is None:
            raise TypeError(f"reshape: the length of the shape {shape!r} isn't known; give ndim=")
        return [shape[i] for i in range(n)]
    return [as_variable(n) for n in (shape if isinstance(shape, (tuple, list)) else (shape,))]


def reshape(x, shape, ndim=None) -> Variable:
    """Return the elements of `x` in another shape, of numbers or variables; one may be −1."""
    return Reshape()(x, *sizes_of(shape, ndim))


class ReshapeLike(Operation):
    """The elements of the first input in the shape of the second."""

    name = "reshape_like"
    view = True

    def infer(self, g, x):
        return g.dtype, x.dims

    def connected(self, i):
        return i == 0

    def vjp(self, i, out, gg, g, x):
        """Return gg in the shape of g."""
        return ReshapeLike()(gg, g)

    def code(self, g, x):
        return f"{g}.reshape({x}.shape)"


def flatten(x, ndim=1) -> Variable:
    """Return the elements of `x` with `ndim` axes, of which all but the last stay as they are."""
    x = as_variable(x)
    if ndim == x.ndim:
        return x
    if not 1 <= ndim <= builtins.max(x.ndim, 1):
        raise ValueError(f"flatten: ndim must lie between 1 and {x.ndim}, got {ndim}")
    return reshape(x, [*(ShapeOf(a)(x) for a in range(ndim - 1)), -1])


# Broadcasting and its counterpart


class BroadcastLike(Operation):
    """The first input, broadcast to the shape of the second."""

    name = "broadcast"
    view = True

    def infer(self, g, x):
        return g.dtype, x.dims

    def connected(self, i):
        return i == 0

    def vjp(self, i, out, g, small, x):
        """Return g, which the gradient walk sums to the shape of the first input."""
        return g

    def code(self, g, x):
        return f"np.broadcast_to({g}, {x}.shape)"


def broadcast_like(g: Variable, x: Variable) -> Variable:
    """Return `g` in the shape of `x`, which it can be broadcast to."""
    return g if same_dims(g, x) else BroadcastLike()(g, x)


def sum_to(g: Variable, x: Variable) -> Variable:
    """Return `g` summed over the axes that broadcasting added to `x`, or made larger than 1."""
    if g.dims == x.dims:
        return g
    extra = g.ndim - x.ndim
    new = tuple(range(extra))
    wide = [a for a, n in enumerate(x.dims) if n == 1 and g.dims[a + extra] != 1]
    axes = (*new, *(a + extra for a in wide))
    return expand(Sum(axes)(g), tuple(wide)) if axes else g


class Alloc(Operation):
    """An array of the shape that the later inputs give, filled with the first one."""

    name = "alloc"

    def infer(self, value, *sizes):
        for n in sizes:
            if n.kind not in "iu" or n.ndim:
                raise TypeError(f"a size must be an integer, got {n!r} of {n.dtype}")
        return value.dtype, tuple([_dim_of(n) for n in sizes])

    def connected(self, i):
        return i == 0

    def vjp(self, i, out, g, value, *sizes):
        """Return g, which the gradient walk sums to the shape of the value."""
        return g

    def code(self, value, *sizes):
        return f"np.array(np.broadcast_to({value}, ({', '.join(sizes)},)))"


def alloc(value, *shape) -> Variable:
    """Return an array of `shape` that is filled with `value`."""
    sizes = sizes_of(shape[0] if len(shape) == 1 else shape)
    value = as_variable(value)
    if not sizes:
        return value
    return Alloc()(ew.cast(value, value.dtype), *sizes)


def zeros(shape, dtype=None) -> Variable:
    """Return zeros of `shape`, of numbers or variables, by default of floatX."""
    return alloc(ew.cast(0, dtype or "floatX"), shape)


def ones(shape, dtype=None) -> Variable:
    """Return ones of `shape`, of numbers or variables, by default of floatX."""
    return alloc(ew.cast(1, dtype or "floatX"), shape)


def zeros_like(x, dtype=None) -> Variable:
    """Return zeros in the shape of `x`, and in its dtype unless another is asked for."""
    return fill(x, ew.cast(0, dtype or as_variable(x).dtype))


def ones_like(x, dtype=None) -> Variable:
    """Return ones in the shape of `x`, and in its dtype unless another is asked for."""
    return fill(x, ew.cast(1, dtype or as_variable(x).dtype))


def fill(x, value) -> Variable:
    """Return an array of the shape of `x`, filled with `value`."""
    return broadcast_like(as_variable(value), as_variable(x))


def eye(n, m=None, k=0, dtype=None) -> Variable:
    """Return ones on the diagonal `k` of a matrix of n rows and m columns, zeros elsewhere."""
    rows, columns = arange(n), arange(n if m is None else m)
    found = ew.eq(expand(rows, (1,)) + k, expand(columns, (0,)))
    return ew.cast(found, dtype or "floatX")


def identity_like(x) -> Variable:
    """Return the identity matrix of the shape of `x`."""
    return eye(ShapeOf(0)(x), ShapeOf(1)(x), dtype=as_variable(x).dtype)


def tri(n, m=None, k=0, dtype=None) -> Variable:
    """Return ones at and below the diagonal `k`, zeros above it."""
    rows, columns = arange(n), arange(n if m is None else m)
    return ew.cast(ew.ge(expand(rows, (1,)) + k, expand(columns, (0,))), dtype or "floatX")


def tril(x, k=0) -> Variable:
    """Return the matrix `x` with zeros above the diagonal `k`."""
    return ew.switch(tri(ShapeOf(0)(x), ShapeOf(1)(x), k, "bool"), x, 0)


def triu(x, k=0) -> Variable:
    """Return the matrix `x` with zeros below the diagonal `k`."""
    return ew.switch(tri(ShapeOf(0)(x), ShapeOf(1)(x), k - 1, "bool"), 0, x)


# Reductions


class Reduction(Operation):
    """Base of operations that combine the elements along some axes, which disappear.

    Parameters
    ----------
    axes : tuple of int
    """

    def __init__(self, axes: tuple[int, ...]):
        self.axes = axes
        self.parameters = (axes,)

    def out_dtype(self, dtype: str) -> str:
        """Return the dtype of the result."""
        return dtype

    def infer(self, x):
        dims = [n for a, n in enumerate(x.dims) if a not in self.axes]
        self._over_all = not dims
        return self.out_dtype(x.dtype), tuple(dims)

    def code(self, x):
        """Return the call of the method of this name."""
        axes = self.axes[0] if len(self.axes) == 1 else self.axes
        return f"{x}.{self.name}({'' if self._over_all else f'axis={axes}'})"


def _accumulator(dtype):
    return {"b": "int64", "i": "int64", "u": "uint64"}.get(KINDS[dtype], dtype)


class Sum(Reduction):
    """Σ over some axes."""

    name = "sum"

    def out_dtype(self, dtype):
        return _accumulator(dtype)

    def vjp(self, i, out, g, x):
        """Return g for each element."""
        return broadcast_like(expand(g, self.axes), x)


class Prod(Reduction):
    """The product over some axes."""

    name = "prod"

    def out_dtype(self, dtype):
        return _accumulator(dtype)

    def vjp(self, i, out, g, x):
        """Return g times the product of the other elements, also where some are 0."""
        is_zero = ew.eq(x, 0)
        filled = ew.switch(is_zero, 1, x)
        rest = expand(Prod(self.axes)(filled), self.axes) / filled
        zeros_elsewhere = expand(Sum(self.axes)(is_zero), self.axes) - ew.cast(is_zero, "int64")
        return expand(g, self.axes) * ew.switch(ew.eq(zeros_elsewhere, 0), rest, 0)


class Max(Reduction):
    """The largest element over some axes. Equal ones share the gradient."""

    name = "max"
    selects = True

    def vjp(self, i, out, g, x):
        """Return g at the largest element, 0 elsewhere."""
        found = ew.eq(x, expand(out, self.axes))
        count = ew.cast(Sum(self.axes)(found), g.dtype)
        return ew.switch(found, expand(g / count, self.axes), 0)


class Min(Max):
    """The smallest element over some axes. Equal ones share the gradient."""

    name = "min"


class ArgMax(Reduction):
    """The index of the largest element along an axis, the first one of equals."""

    name = "argmax"
    differentiable = False

    def out_dtype(self, dtype):
        return "int64"


class ArgMin(ArgMax):
    """The index of the smallest element along an axis, the first one of equals."""

    name = "argmin"


class All(ArgMax):
    """Whether all elements over some axes are nonzero."""

    name = "all"

    def out_dtype(self, dtype):
        return "bool"


class Any(All):
    """Whether an element over some axes is nonzero."""

    name = "any"


class CumSum(Operation):
    """Σ of all elements up to each one, along an axis.

    Parameters
    ----------
    axis : int
    """

    name = "cumsum"

    def __init__(self, axis: int):
        self.axis = axis
        self.parameters = (axis,)

    def infer(self, x):
        return _accumulator(x.dtype), x.dims

    def vjp(self, i, out, g, x):
        """Return the sum of g from each element on."""
        back = (slice(None),) * self.axis + (slice(None, None, -1),)
        return CumSum(self.axis)(g[back])[back]

    def code(self, x):
        return f"{x}.cumsum(axis={self.axis})"


def _reduced(operation, x, axis, keepdims, dtype=None):
    x = as_variable(x)
    if dtype is not None:
        x = ew.cast(x, checked_dtype(dtype))
    axes = as_axes(operation.name, x, axis)
    out = operation.out_dtype(operation, x.dtype)
    result = operation(axes)(x) if axes else ew.cast(x, out)
    if dtype is not None:
        result = ew.cast(result, dtype)
    return expand(result, axes) if keepdims else result


def sum(x, axis=None, dtype=None, keepdims=False) -> Variable:
    """Return the sum over `axis`: an integer, several, or None for all."""
    return _reduced(Sum, x, axis, keepdims, dtype)


def prod(x, axis=None, dtype=None, keepdims=False) -> Variable:
    """Return the product over `axis`."""
    return _reduced(Prod, x, axis, keepdims, dtype)


def max(x, axis=None, keepdims=False) -> Variable:
    """Return the largest element over `axis`."""
    return _reduced(Max, x, axis, keepdims)


def min(x, axis=None, keepdims=False) -> Variable:
    """Return the smallest element over `axis`."""
    return _reduced(Min, x, axis, keepdims)


def all(x, axis=None, keepdims=False) -> Variable:
    """Return whether all elements over `axis` are nonzero."""
    return _reduced(All, x, axis, keepdims)


def any(x, axis=None, keepdims=False) -> Variable:
    """Return whether any element over `axis` is nonzero."""
    return _reduced(Any, x, axis, keepdims)


def argmax(x, axis=None, keepdims=False) -> Variable:
    """Return the index of the largest element along `axis`; along several, as if flattened."""
    return _arg(ArgMax, x, axis, keepdims)


def argmin(x, axis=None, keepdims=False) -> Variable:
    """Return the index of the smallest element along `axis`; along several, as if flattened."""
    return _arg(ArgMin, x, axis, keepdims)


def _arg(operation, x, axis, keepdims):
    x = as_variable(x)
    axes = as_axes(operation.name, x, axis)
    if len(axes) == 1:
        return _reduced(operation, x, axes, keepdims)
    rest = [a for a in range(x.ndim) if a not in axes]
    together = flatten(transpose(x, [*rest, *axes]), len(rest) + 1) if x.ndim else alloc(x, 1)
    result = operation((len(rest),))(together)
    return expand(result, axes) if keepdims else result


def mean(x, axis=None, dtype=None, keepdims=False) -> Variable:
    """Return the mean over `axis`; of integers it is float64."""
    x = as_variable(x)
    axes = as_axes("mean", x, axis)
    x = ew.cast(x, dtype or (x.dtype if x.kind in "fc" else "float64"))
    if not axes:
        return x
    real = "float32" if x.dtype in ("float32", "complex64") else "float64"
    result = Sum(axes)(x) / Count(axes, real)(x)
    return expand(result, axes) if keepdims else result


def var(x, axis=None, keepdims=False) -> Variable:
    """Return the variance over `axis`: of N numbers, Σ (xᵢ − mean)² / N."""
    x = as_variable(x)
    return mean(ew.sqr(x - mean(x, axis, keepdims=True)), axis, keepdims=keepdims)


def std(x, axis=None, keepdims=False) -> Variable:
    """Return the standard deviation over `axis`, √var."""
    return ew.sqrt(var(x, axis, keepdims))


def cumsum(x, axis=None) -> Variable:
    """Return the sums of all elements up to each one along `axis`; by default of `x` flattened."""
    x = flatten(x) if axis is None else as_variable(x)
    return CumSum(as_axes("cumsum", x, 0 if axis is None else axis)[0])(x)


# Joining and counting


class Join(Operation):
    """Arrays one after the other along an axis.

    Parameters
    ----------
    axis : int
    """

    name = "concatenate"
    selects = True  # as far as each input is concerned: a part of g may be 0

    def __init__(self, axis: int):
        self.axis = axis
        self.parameters = (axis,)

    def infer(self, *xs):
        dims = []
        for axis, sizes in enumerate(zip(*(x.dims for x in xs), strict=True)):
            known = [n for n in sizes if isinstance(n, int)]
            if axis == self.axis:
                whole = len(known) == len(sizes)
                dims.append(builtins.sum(known) if whole else Dim())
            elif len(set(known)) > 1:
                shown = ", ".join(f"{x!r} {readable_shape(x.dims)}" for x in xs)
                raise ValueError(f"concatenate: sizes differ along axis {axis}: {shown}")
            else:
                dims.append(known[0] if known else sizes[0])
        return np.result_type(*(x.dtype for x in xs)).name, tuple(dims)

    def vjp(self, i, out, g, *xs):
        """Return the part of g that belongs to input `i`."""
        sizes = [ShapeOf(self.axis)(x) for x in xs[: i + 1]]
        start = builtins.sum(sizes[:i], start=as_variable(np.int64(0)))
        part = g[(slice(None),) * self.axis + (slice(start, start + sizes[i]),)]
        return ReshapeLike()(part, xs[i])

    def code(self, *xs):
        return f"np.concatenate([{', '.join(xs)}], axis={self.axis})"


def concatenate(tensors, axis=0) -> Variable:
    """Return the arrays of a list one after the other along `axis`."""
    if not isinstance(tensors, (list, tuple)) or not tensors:
        raise TypeError(f"concatenate takes a list of arrays, got {tensors!r}")
    xs = [as_variable(x) for x in tensors]
    if any_of(x.ndim != xs[0].ndim for x in xs):
        shown = ", ".join(f"{x!r} {x.ndim}" for x in xs)
        raise ValueError(f"concatenate: arrays must have the same number of axes, got {shown}")
    [axis] = as_axes("concatenate", xs[0], axis)
    return Join(axis)(*xs)


def join(axis, *tensors) -> Variable:
    """Return the arrays one after the other along `axis`."""
    return concatenate(list(tensors), axis)


class MakeVector(Operation):
    """A vector of scalars."""

    name = "stack"
    selects = True

    def infer(self, *xs):
        return np.result_type(*(x.dtype for x in xs)).name, (len(xs),)

    def vjp(self, i, out, g, *xs):
        """Return element `i` of g."""
        return g[i]

    def code(self, *xs):
        return f"np.array([{', '.join(xs)}])"


def stack(*tensors, axis=0) -> Variable:
    """Return the arrays along a new axis: ``stack([a, b], axis=0)``."""
    if len(tensors) in (1, 2) and isinstance(tensors[0], (list, tuple)):
        axis = tensors[1] if len(tensors) == 2 else axis
        tensors = tensors[0]
    xs = [as_variable(x) for x in tensors]
    if not xs:
        raise TypeError("stack takes a list of arrays, got none")
    xs = [ew.cast(x, x.dtype) for x in xs]
    if builtins.all(x.ndim == 0 for x in xs):
        dtype = np.result_type(*(x.dtype for x in xs)).name
        return MakeVector()(*(ew.cast(x, dtype) for x in xs))
    return concatenate([shape_padaxis(x, axis) for x in xs], axis)


def stacklists(tensors) -> Variable:
    """Return nested lists of variables as one array."""
    if isinstance(tensors, (list, tuple)):
        return stack([stacklists(x) for x in tensors])
    return as_variable(tensors)


class Arange(Operation):
    """start, start + step, … below stop.

    Parameters
    ----------
    dtype : str
    """

    name = "arange"
    differentiable = False

    def __init__(self, dtype: str):
        self.dtype = dtype
        self.parameters = (dtype,)

    def infer(self, start, stop, step):
        for n in (start, stop, step):
            if n.ndim:
                raise TypeError(f"arange takes scalars, got {n!r} with {n.ndim} axes")
        whole = counts_from_zero(start, step) and stop.kind in "iu"
        return self.dtype, (_dim_of(stop) if whole else Dim(),)

    def connected(self, i):
        return False

    def code(self, start, stop, step):
        first = "" if (start, step) == ("0", "1") else f"{start}, "
        second = "" if step == "1" else f", {step}"
        dtype = "" if self.dtype == "int64" else f", dtype=np.{self.dtype}"
        return f"np.arange({first}{stop}{second}{dtype})"


def counts_from_zero(start, step):
    """Return whether these are the constants 0 and 1."""
    return builtins.all(
        isinstance(n, Constant) and n.value == k for n, k in ((start, 0), (step, 1))
    )


def arange(start, stop=None, step=1, dtype=None) -> Variable:
    """Return start, start + step, … below stop; with one argument 0, 1, … below it."""
    start, stop = (0, start) if stop is None else (start, stop)
    numbers = [as_variable(n) for n in (start, stop, step)]
    strong = [n.dtype for n in numbers if not ew._is_weak(n)] or [
        "float64" if n.kind == "f" else "int64" for n in numbers
    ]
    natural = np.result_type(*strong)
    if dtype is None:
        dtype = "int64" if natural.kind in "biu" else natural.name
    return Arange(checked_dtype(dtype))(*numbers)


def repeat(x, repeats, axis=None) -> Variable:
    """Return each element of `x` `repeats` times along `axis`; by default of `x` flattened."""
    from common.symbolic.indexing import take

    x = flatten(x) if axis is None else as_variable(x)
    axis = as_axes("repeat", x, 0 if axis is None else axis)[0]
    return take(x, arange(ShapeOf(axis)(x) * repeats) // repeats, axis)


def tile(x, reps) -> Variable:
    """Return `x` repeated as a whole, as often as `reps` tells for each axis."""
    from common.symbolic.indexing import take

    reps = list(reps) if isinstance(reps, (list, tuple)) else [reps]
    x = as_variable(x)
    x = shape_padleft(x, builtins.max(0, len(reps) - x.ndim))
    for axis, n in enumerate(reps, start=x.ndim - len(reps)):
        size = ShapeOf(axis)(x)
        x = take(x, arange(size * n) % size, axis)
    return x


def size_of(x: Variable) -> int | None:
    """Return the number of elements if it is known."""
    return math.prod(x.dims) if builtins.all(isinstance(n, int) for n in x.dims) else None
