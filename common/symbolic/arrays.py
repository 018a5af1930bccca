"""Operations on whole arrays: axes, shapes, broadcasting, reductions, joining, counting.

Their derivatives come in pairs. A sum sends one adjoint to many elements, so its VJP broadcasts;
broadcasting uses one element many times, so its VJP sums.
"""

import builtins
import operator

import numpy as np

from common.symbolic import elementwise as ew
from common.symbolic.graph import (
    KINDS,
    Constant,
    Dim,
    Variable,
    as_variable,
    checked_dtype,
    readable_shape,
)
from common.symbolic.graph import Operation as ArrayOperation


def as_axes(name: str, x: Variable, axis) -> tuple[int, ...]:
    """Return `axis` (an integer, several, or None for all) as a sorted tuple of axes of `x`.

    Raises
    ------
    ValueError, TypeError
        If `x` has no such axis, an axis is named twice, or `axis` isn't an integer.
    """
    if axis is None:
        return tuple(range(x.ndim))
    axis = axis.value if isinstance(axis, Constant) else axis
    axis = axis.tolist() if isinstance(axis, np.ndarray) else axis
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    for a in axes:
        if not isinstance(a, int | np.integer) or isinstance(a, bool):
            raise TypeError(f"{name}: axis must be an integer, several, or None, got {a!r}")
        if not -x.ndim <= a < x.ndim:
            raise ValueError(f"{name}: {x!r} has {x.ndim} axes, so it has no axis {a}")
    result = sorted({int(a) % x.ndim for a in axes})
    if len(result) < len(axes):
        raise ValueError(f"{name}: an axis is named twice in {axis}")
    return tuple(result)


def _axis_text(axes):
    return str(axes[0] if len(axes) == 1 else axes)


# Axes


class Dimshuffle(ArrayOperation):
    """Axes in another order, with new ones of size 1, and without some of size 1.

    Parameters
    ----------
    pattern : tuple of int or "x"
        For each axis of the result: which axis of the input it is, or "x" for a new one. An axis of
        the input that isn't named must have size 1.
    ndim : int
        The number of axes of the input.
    """

    name = "dimshuffle"
    view = True
    fields = ("pattern", "ndim")

    def infer(self, x):
        return x.dtype, tuple([1 if a == "x" else x.dims[a] for a in self.pattern])

    def vjp(self, i, out, g, x):
        """Return g with its axes put back."""
        place = {a: k for k, a in enumerate(self.pattern)}
        return dimshuffle(g, [place.get(a, "x") for a in range(x.ndim)])

    def code(self, x):
        kept = [a for a in self.pattern if a != "x"]
        dropped = tuple(a for a in range(self.ndim) if a not in kept)
        if dropped:
            x = f"{x}.squeeze({_axis_text(dropped)})"
        order = [sorted(kept).index(a) for a in kept]
        if order != sorted(order):
            reverse = order == sorted(order)[::-1]
            x = f"{x}.T" if reverse else f"{x}.transpose({', '.join(map(str, order))})"
        if "x" in self.pattern:
            parts = ", ".join("None" if a == "x" else ":" for a in self.pattern)
            x = f"{x}[{parts.rstrip(', :')}]"
        return x


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
    if len(set(named)) < len(named) or not set(named) <= set(range(x.ndim)):
        raise ValueError(f"dimshuffle: {pattern} doesn't fit {x!r}, which has {x.ndim} axes")
    for a in range(x.ndim):
        if a not in named and x.dims[a] != 1:
            raise ValueError(
                f"dimshuffle: axis {a} of {x!r} {readable_shape(x.dims)} can't be dropped, since "
                "its size isn't known to be 1"
            )
    if pattern == tuple(range(x.ndim)):
        return x
    return Dimshuffle(pattern, x.ndim)(ew.cast(x, x.dtype))  # a Python number has no axes


def transpose(x, axes=None) -> Variable:
    """Return `x` with its axes in another order, by default reversed."""
    x = as_variable(x)
    order = range(x.ndim)[::-1] if axes is None else [a % x.ndim if x.ndim else a for a in axes]
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"transpose: axes must name each of the {x.ndim} axes once, got {axes}")
    return dimshuffle(x, order)


def expand(x: Variable, axes: tuple[int, ...]) -> Variable:
    """Return `x` with axes of size 1 at the places `axes` of the result."""
    rest = iter(range(x.ndim))
    return dimshuffle(x, ["x" if a in axes else next(rest) for a in range(x.ndim + len(axes))])


def shape_padleft(x, n_ones: int = 1) -> Variable:
    """Return `x` with `n_ones` axes of size 1 in front."""
    return expand(as_variable(x), tuple(range(n_ones)))


def shape_padright(x, n_ones: int = 1) -> Variable:
    """Return `x` with `n_ones` axes of size 1 behind."""
    x = as_variable(x)
    return expand(x, tuple(range(x.ndim, x.ndim + n_ones)))


def shape_padaxis(x, axis: int) -> Variable:
    """Return `x` with an axis of size 1 at `axis`."""
    x = as_variable(x)
    return expand(x, (axis % (x.ndim + 1),))


class Copy(ArrayOperation):
    """The same value as a variable of its own."""

    name = "copy"
    template = "{0}"
    view = True


class Print(ArrayOperation):
    """The input; when it is computed, its value is printed after `message`."""

    name = "print"
    template = "show({0}, {op.message!a})"
    fields = ("message",)

    def __init__(self, message: str = "", attrs=("__str__",)):
        super().__init__(str(message))


# Shapes


class ShapeOf(ArrayOperation):
    """The size of one axis, int64."""

    name = "size"
    template = "{0}.shape[{op.axis}]"
    fields = ("axis",)
    n_values = 0
    differentiable = False

    def infer(self, x):
        return "int64", ()


class Count(ShapeOf):
    """The number of elements along some axes, which a mean divides by."""

    name = "count"
    fields = ("axes", "dtype")

    def infer(self, x):
        return self.dtype, ()

    def code(self, x):
        return f"np.{self.dtype}({' * '.join(f'{x}.shape[{a}]' for a in self.axes)})"


def shape(x) -> Variable:
    """Return the shape of `x`, a vector of int64."""
    x = as_variable(x)
    sizes = [ShapeOf(a)(x) for a in range(x.ndim)]
    return stack(sizes) if sizes else Constant(np.zeros(0, np.int64))


def size(x) -> Variable:
    """Return the number of elements of `x`, int64."""
    return prod(shape(x))


class _OfShape(ArrayOperation):
    """Base of what takes a value, and the size of each axis of the result."""

    n_values = 1

    def infer(self, x, *sizes):
        for n in sizes:
            if n.kind not in "iu" or n.ndim:
                raise TypeError(f"{self.name}: sizes must be integers, got {n!r} of {n.dtype}")
        return x.dtype, tuple([_dim_of(n) for n in sizes])


class Reshape(_OfShape):
    """The elements of the first input in another shape; a size of −1 fits."""

    name = "reshape"
    view = True

    def vjp(self, i, out, g, x, *sizes):
        """Return g in the shape of x."""
        return ReshapeLike()(g, x)

    def code(self, x, *sizes):
        return f"np.reshape({x}, ({', '.join(sizes)}{',' if len(sizes) == 1 else ''}))"


class Alloc(_OfShape):
    """A new array of some shape, filled with the first input."""

    name = "alloc"

    def code(self, value, *sizes):
        return f"np.array(np.broadcast_to({value}, ({', '.join(sizes)},)))"


class ReshapeLike(ArrayOperation):
    """The elements of the first input in the shape of the second."""

    name = "reshape_like"
    template = "{0}.reshape({1}.shape)"
    view = True
    n_values = 1

    def infer(self, g, x):
        return g.dtype, x.dims

    def vjp(self, i, out, gg, g, x):
        """Return gg in the shape of g."""
        return ReshapeLike()(gg, g)


class BroadcastLike(ReshapeLike):
    """The first input, broadcast to the shape of the second."""

    name = "broadcast"
    template = "np.broadcast_to({0}, {1}.shape)"

    def vjp(self, i, out, gg, g, x):
        """Return gg, which the gradient walk sums to the shape of g."""
        return gg


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
    return [as_variable(n) for n in (shape if isinstance(shape, tuple | list) else (shape,))]


def reshape(x, shape, ndim=None) -> Variable:
    """Return the elements of `x` in another shape, of numbers or variables; one may be −1."""
    return Reshape()(x, *sizes_of(shape, ndim))


def flatten(x, ndim=1) -> Variable:
    """Return the elements of `x` with `ndim` axes, of which all but the last stay as they are."""
    x = as_variable(x)
    if ndim == x.ndim:
        return x
    if not 1 <= ndim <= builtins.max(x.ndim, 1):
        raise ValueError(f"flatten: ndim must lie between 1 and {x.ndim}, got {ndim}")
    return reshape(x, [*(ShapeOf(a)(x) for a in range(ndim - 1)), -1])


def addbroadcast(x, *axes) -> Variable:
    """Declare that axes have size 1, so that they broadcast; a call where they don't fails."""
    x = as_variable(x)
    axes = as_axes("addbroadcast", x, axes)
    return reshape(x, [1 if a in axes else ShapeOf(a)(x) for a in range(x.ndim)])


def broadcast_like(g: Variable, x: Variable) -> Variable:
    """Return `g` in the shape of `x`, which it can be broadcast to."""
    return g if g.dims == x.dims else BroadcastLike()(g, x)


def sum_to(g: Variable, x: Variable) -> Variable:
    """Return `g` summed over the axes that broadcasting added to `x`, or made larger than 1."""
    if g.dims == x.dims:
        return g
    extra = g.ndim - x.ndim
    wide = tuple(a for a, n in enumerate(x.dims) if n == 1 and g.dims[a + extra] != 1)
    axes = (*range(extra), *(a + extra for a in wide))
    return expand(Reduction("sum", axes)(g), wide) if axes else g


def alloc(value, *shape) -> Variable:
    """Return an array of `shape` that is filled with `value`."""
    sizes = sizes_of(shape[0] if len(shape) == 1 else shape)
    value = as_variable(value)
    if value.ndim:
        return fill(alloc(ew.cast(0, value.dtype), *shape), value)
    return Alloc()(ew.cast(value, value.dtype), *sizes) if sizes else value


def zeros(shape, dtype=None) -> Variable:
    """Return zeros of `shape`, of numbers or variables, by default of floatX."""
    return alloc(ew.cast(0, dtype or "floatX"), shape)


def ones(shape, dtype=None) -> Variable:
    """Return ones of `shape`, of numbers or variables, by default of floatX."""
    return alloc(ew.cast(1, dtype or "floatX"), shape)


def fill(x, value) -> Variable:
    """Return an array of the shape of `x`, filled with `value`, which broadcasts to it."""
    x, value = as_variable(x), as_variable(value)
    if value.ndim > x.ndim:
        raise ValueError(f"fill: {value!r} has {value.ndim} axes, more than {x!r}, {x.ndim}")
    axes = zip(value.dims[::-1], x.dims[::-1], strict=False)
    if builtins.all(n in (1, m) for n, m in axes):
        return broadcast_like(value, x)
    return ew.cast(ew.switch(True, value, x), value.dtype)  # of unknown sizes, which are checked


def zeros_like(x, dtype=None) -> Variable:
    """Return zeros in the shape of `x`, and in its dtype unless another is asked for."""
    return fill(x, ew.cast(0, dtype or as_variable(x).dtype))


def ones_like(x, dtype=None) -> Variable:
    """Return ones in the shape of `x`, and in its dtype unless another is asked for."""
    return fill(x, ew.cast(1, dtype or as_variable(x).dtype))


def eye(n, m=None, k=0, dtype=None) -> Variable:
    """Return ones on the diagonal `k` of a matrix of n rows and m columns, zeros elsewhere."""
    rows, columns = arange(n), arange(n if m is None else m)
    found = ew.eq(expand(rows, (1,)) + k, expand(columns, (0,)))
    return ew.cast(found, dtype or "floatX")


# Reductions: they combine the elements along some axes, which disappear.


def _of_input(dtype):
    return dtype


def _accumulator(dtype):
    return {"b": "int64", "i": "int64", "u": "uint64"}.get(KINDS[dtype], dtype)


def _to_largest(g, y, x, axes):
    """Return g at the largest element, 0 elsewhere. Equal ones share it."""
    found = ew.eq(x, y)
    count = ew.cast(sum(found, axes, keepdims=True), g.dtype)
    return ew.switch(found, g / count, 0)


# For each the dtype of the result, given that of the input; and the VJP, a function of g, of the
# result (both with axes of size 1 where it was reduced), of the input and the axes; None for 0.
REDUCTIONS = {
    "sum": (_accumulator, lambda g, y, x, axes: broadcast_like(g, x)),
    "prod": (_accumulator, lambda g, y, x, axes: ew.zero_or_product(g, ProdOfOthers(*axes)(x))),
    "max": (_of_input, _to_largest),
    "min": (_of_input, _to_largest),
    "argmax": (lambda dtype: "int64", None),
    "argmin": (lambda dtype: "int64", None),
    "all": (lambda dtype: "bool", None),
    "any": (lambda dtype: "bool", None),
}


class Reduction(ArrayOperation):
    """One of the reductions above, over some axes. Some take one axis only: prod, argmax, argmin.

    Parameters
    ----------
    name : str
    axes : tuple of int
    """

    fields = ("name", "axes")

    def __init__(self, name: str, axes: tuple[int, ...]):
        super().__init__(name, axes)
        self.selects = name in ("max", "min")
        self.differentiable = REDUCTIONS[name][1] is not None

    def infer(self, x):
        out_dtype, _ = REDUCTIONS[self.name]
        self._over_all = len(self.axes) == x.ndim
        return out_dtype(x.dtype), tuple(n for a, n in enumerate(x.dims) if a not in self.axes)

    def vjp(self, i, out, g, x):
        """Return what the table tells."""
        _, rule = REDUCTIONS[self.name]
        return rule(expand(g, self.axes), expand(out, self.axes), x, self.axes)

    def code(self, x):
        """Return the call of the method of this name."""
        return f"{x}.{self.name}({'' if self._over_all else f'axis={_axis_text(self.axes)}'})"


class ProdOfOthers(ArrayOperation):
    """For each element the product of the others along an axis, right wherever some are 0."""

    name = "prod_of_others"
    template = "prod_of_others({0}, {op.axis})"
    fields = ("axis",)

    def vjp(self, i, out, g, x):
        """Return for element j Σᵢ gᵢ Π xₖ, over i ≠ j and k ≠ i, j: a matrix of i and j."""
        a = self.axis
        g, rows = expand(g, (a + 1,)), expand(x, (a,))
        places = arange(ShapeOf(a)(x))
        after = tuple(range(1, x.ndim - a))
        diagonal = ew.eq(expand(places, (1, *(k + 1 for k in after))), expand(places, after))
        without_both = ProdOfOthers(a + 1)(ew.switch(diagonal, 1, rows))
        return sum(ew.switch(diagonal, 0, ew.zero_or_product(g, without_both)), a)


def _reduced(name, x, axis, keepdims, dtype=None):
    x = as_variable(x)
    x = x if dtype is None else ew.cast(x, dtype)
    axes = as_axes(name, x, axis)
    result = x if axes else ew.cast(x, REDUCTIONS[name][0](x.dtype))
    for group in [(a,) for a in axes[::-1]] if name == "prod" else [axes] if axes else []:
        result = Reduction(name, group)(result)
    result = result if dtype is None else ew.cast(result, dtype)
    return expand(result, axes) if keepdims else result


def sum(x, axis=None, dtype=None, keepdims=False) -> Variable:
    """Return the sum over `axis`: an integer, several, or None for all."""
    return _reduced("sum", x, axis, keepdims, dtype)


def prod(x, axis=None, dtype=None, keepdims=False) -> Variable:
    """Return the product over `axis`."""
    return _reduced("prod", x, axis, keepdims, dtype)


def max(x, axis=None, keepdims=False) -> Variable:
    """Return the largest element over `axis`. Equal ones share the gradient."""
    return _reduced("max", x, axis, keepdims)


def min(x, axis=None, keepdims=False) -> Variable:
    """Return the smallest element over `axis`. Equal ones share the gradient."""
    return _reduced("min", x, axis, keepdims)


def all(x, axis=None, keepdims=False) -> Variable:
    """Return whether all elements over `axis` are nonzero."""
    return _reduced("all", x, axis, keepdims)


def any(x, axis=None, keepdims=False) -> Variable:
    """Return whether any element over `axis` is nonzero."""
    return _reduced("any", x, axis, keepdims)


def argmax(x, axis=None, keepdims=False) -> Variable:
    """Return the index of the largest element along `axis`; along several, as if flattened."""
    return _arg("argmax", x, axis, keepdims)


def argmin(x, axis=None, keepdims=False) -> Variable:
    """Return the index of the smallest element along `axis`; along several, as if flattened."""
    return _arg("argmin", x, axis, keepdims)


def _arg(name, x, axis, keepdims):
    x = as_variable(x)
    axes = as_axes(name, x, axis)
    rest = [a for a in range(x.ndim) if a not in axes]
    together = transpose(x, [*rest, *axes])
    together = flatten(together, len(rest) + 1) if axes else shape_padright(x)
    result = Reduction(name, (len(rest),))(together)
    return expand(result, axes) if keepdims else result


def mean(x, axis=None, dtype=None, keepdims=False) -> Variable:
    """Return the mean over `axis`; of integers it is float64."""
    x = as_variable(x)
    axes = as_axes("mean", x, axis)
    x = ew.cast(x, dtype or (x.dtype if x.kind in "fc" else "float64"))
    real = "float32" if x.dtype in ("float32", "complex64") else "float64"
    result = Reduction("sum", axes)(x) / Count(axes, real)(x) if axes else x
    return expand(result, axes) if keepdims else result


def var(x, axis=None, keepdims=False) -> Variable:
    """Return the variance over `axis`: of N numbers, Σ (xᵢ − mean)² / N."""
    x = as_variable(x)
    return mean(ew.sqr(x - mean(x, axis, keepdims=True)), axis, keepdims=keepdims)


def std(x, axis=None, keepdims=False) -> Variable:
    """Return the standard deviation over `axis`, √var."""
    return ew.sqrt(var(x, axis, keepdims))


# Joining and counting


class Join(ArrayOperation):
    """Arrays one after the other along an axis."""

    name = "concatenate"
    fields = ("axis",)
    selects = True  # as far as each input is concerned: a part of g may be 0

    def infer(self, *xs):
        dims = []
        for axis, sizes in enumerate(zip(*(x.dims for x in xs), strict=True)):
            known = [n for n in sizes if isinstance(n, int)]
            if axis == self.axis:
                dims.append(builtins.sum(known) if len(known) == len(sizes) else Dim())
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
        return ReshapeLike()(at(g, self.axis, slice(start, start + sizes[i])), xs[i])

    def code(self, *xs):
        return f"np.concatenate([{', '.join(xs)}], axis={self.axis})"


class MakeVector(ArrayOperation):
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


def concatenate(tensors, axis=0) -> Variable:
    """Return the arrays of a list one after the other along `axis`."""
    if not isinstance(tensors, list | tuple) or not tensors:
        raise TypeError(f"concatenate takes a list of arrays, got {tensors!r}")
    xs = [as_variable(x) for x in tensors]
    if len({x.ndim for x in xs}) > 1:
        shown = ", ".join(f"{x!r} {x.ndim}" for x in xs)
        raise ValueError(f"concatenate: arrays must have the same number of axes, got {shown}")
    return Join(*as_axes("concatenate", xs[0], axis))(*xs)


def join(axis, *tensors) -> Variable:
    """Return the arrays one after the other along `axis`."""
    return concatenate(list(tensors), axis)


def stack(*tensors, axis=0) -> Variable:
    """Return the arrays along a new axis: ``stack([a, b], axis=0)``."""
    if len(tensors) in (1, 2) and isinstance(tensors[0], list | tuple):
        tensors, axis = tensors[0], tensors[1] if len(tensors) == 2 else axis
    if not tensors:
        raise TypeError("stack takes a list of arrays, got none")
    xs = [as_variable(x) for x in tensors]
    dtype = np.result_type(*(x.dtype for x in xs)).name
    if builtins.all(x.ndim == 0 for x in xs):
        return MakeVector()(*(ew.cast(x, dtype) for x in xs))
    return concatenate([shape_padaxis(x, axis) for x in xs], axis)


def stacklists(tensors) -> Variable:
    """Return nested lists of variables as one array."""
    if isinstance(tensors, list | tuple):
        return stack([stacklists(x) for x in tensors])
    return as_variable(tensors)


class Arange(ArrayOperation):
    """start, start + step, … below stop."""

    name = "arange"
    fields = ("dtype",)
    n_values = 0
    differentiable = False

    def infer(self, start, stop, step):
        for n in (start, stop, step):
            if n.ndim:
                raise TypeError(f"arange takes scalars, got {n!r} with {n.ndim} axes")
        whole = counts_from_zero(start, step) and stop.kind in "iu"
        return self.dtype, (_dim_of(stop) if whole else Dim(),)

    def code(self, start, stop, step):
        first = "" if (start, step) == ("0", "1") else f"{start}, "
        second = "" if step == "1" else f", {step}"
        dtype = "" if self.dtype == "int64" else f", dtype=np.{self.dtype}"
        return f"np.arange({first}{stop}{second}{dtype})"


def counts_from_zero(start, step):
    """Return whether these are the constants 0 and 1."""
    known = isinstance(start, Constant) and isinstance(step, Constant)
    return known and (start.value, step.value) == (0, 1)


def arange(start, stop=None, step=1, dtype=None) -> Variable:
    """Return start, start + step, … below stop; with one argument 0, 1, … below it."""
    start, stop = (0, start) if stop is None else (start, stop)
    numbers = [as_variable(n) for n in (start, stop, step)]
    strong = [n.dtype for n in numbers if not ew.is_weak(n)]
    weak = ["float64" if n.kind == "f" else "int64" for n in numbers]
    natural = np.result_type(*(strong or weak))
    dtype = dtype or ("int64" if natural.kind in "biu" else natural.name)
    return Arange(checked_dtype(dtype))(*numbers)


def at(x: Variable, axis: int, key) -> Variable:
    """Return x[key] along `axis`."""
    return x[(slice(None),) * axis + (key,)]


def repeat(x, repeats, axis=None) -> Variable:
    """Return each element of `x` `repeats` times along `axis`; by default of `x` flattened."""
    x = flatten(x) if axis is None else as_variable(x)
    [axis] = as_axes("repeat", x, 0 if axis is None else axis)
    return at(x, axis, arange(ShapeOf(axis)(x) * repeats) // repeats)


def tile(x, reps) -> Variable:
    """Return `x` repeated as a whole, as often as `reps` tells for each axis."""
    reps = list(reps) if isinstance(reps, list | tuple) else [reps]
    x = as_variable(x)
    x = shape_padleft(x, builtins.max(0, len(reps) - x.ndim))
    for axis, n in enumerate(reps, start=x.ndim - len(reps)):
        x = at(x, axis, arange(ShapeOf(axis)(x) * n) % ShapeOf(axis)(x))
    return x
