"""Operations on whole arrays: axes, shapes, broadcasting, reductions, joining, counting.

Their derivatives come in pairs. A sum sends one adjoint to many elements, so its VJP broadcasts;
broadcasting uses one element many times, so its VJP sums.
"""

import builtins
import operator
from functools import cache

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from common.symbolic import elementwise as ew
from common.symbolic.graph import Constant, Dim, Operation, Variable, as_variable, checked_dtype


def as_axes(name: str, x: Variable, axis) -> tuple[int, ...]:
    """Return `axis` (an integer, several, or None for all) as a sorted tuple of axes of `x`."""
    axis = axis.value if isinstance(axis, Constant) else axis
    if axis is None:
        return tuple(range(x.ndim))
    axes = np.atleast_1d(axis)
    if axes.size and axes.dtype.kind not in "iu":
        raise TypeError(f"{name}: axis must be an integer, several, or None, got {axis!r}")
    try:
        return tuple(sorted(normalize_axis_tuple(axes.tolist(), x.ndim)))
    except ValueError as error:
        raise ValueError(f"{name} of {x!r}: {error}") from error


def _axis_text(axes):
    return str(axes[0] if len(axes) == 1 else axes)


# Axes


class Dimshuffle(Operation):
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
            x += ".T" if order == sorted(order)[::-1] else f".transpose{tuple(order)}"
        if "x" in self.pattern:
            parts = ", ".join("None" if a == "x" else ":" for a in self.pattern)
            x += f"[{parts.rstrip(', :')}]"
        return x


def dimshuffle(x, pattern) -> Variable:
    """Return the axes of `x` in the order of `pattern`, with a new one of size 1 for each "x".

    Raises
    ------
    ValueError
        If an axis is named twice, doesn't exist, or is left out without being known to have size 1.
    """
    x = as_variable(x)
    pattern = tuple([a if a == "x" else operator.index(a) for a in pattern])
    named = sorted([a for a in pattern if a != "x"])
    if named != [a for a in range(x.ndim) if a in named or x.dims[a] != 1]:
        raise ValueError(
            f"dimshuffle: {pattern} must name each of the {x.ndim} axes of {x!r} {x.dims} once; "
            "it may leave out those that are known to have size 1"
        )
    if pattern == tuple(range(x.ndim)):
        return x
    return Dimshuffle(pattern, x.ndim)(ew.cast(x, x.dtype))  # a Python number has no axes


def transpose(x, axes=None) -> Variable:
    """Return `x` with its axes in another order, by default reversed."""
    x = as_variable(x)
    axes = range(x.ndim)[::-1] if axes is None else axes
    axes = normalize_axis_tuple(axes, x.ndim, "transpose")
    if len(axes) < x.ndim:
        raise ValueError(f"transpose: axes must name each of the {x.ndim} axes once, got {axes}")
    return dimshuffle(x, axes)


def expand(x: Variable, axes) -> Variable:
    """Return `x` with axes of size 1 at the places `axes` of the result."""
    rest = iter(range(x.ndim))
    return dimshuffle(x, ["x" if a in axes else next(rest) for a in range(x.ndim + len(axes))])


def shape_padleft(x, n_ones: int = 1) -> Variable:
    """Return `x` with `n_ones` axes of size 1 in front."""
    return expand(as_variable(x), range(n_ones))


def shape_padright(x, n_ones: int = 1) -> Variable:
    """Return `x` with `n_ones` axes of size 1 behind."""
    x = as_variable(x)
    return expand(x, range(x.ndim, x.ndim + n_ones))


def shape_padaxis(x, axis: int) -> Variable:
    """Return `x` with an axis of size 1 at `axis`."""
    x = as_variable(x)
    return expand(x, (axis % (x.ndim + 1),))


class Copy(Operation):
    """The same value as a variable of its own."""

    name = "copy"
    template = "{0}"
    view = True


class Print(Operation):
    """The input; when it is computed, its value is printed after `message`."""

    name = "print"
    view = True
    template = "show({0}, {op.message!a})"
    fields = ("message",)

    def __init__(self, message: str = "", attrs=("__str__",)):
        super().__init__(str(message))


# Shapes


class ShapeOf(Operation):
    """The size of one axis, int64."""

    name = "size"
    template = "{0}.shape[{op.axis}]"
    fields = ("axis",)
    dtype = "int64"
    n_values = 0
    differentiable = False

    def infer(self, x):
        return self.dtype, ()


class Count(ShapeOf):
    """The number of elements along some axes, which a mean divides by."""

    name = "count"
    fields = ("axes", "dtype")

    def code(self, x):
        return f"np.{self.dtype}({' * '.join(f'{x}.shape[{a}]' for a in self.axes)})"


def shape(x) -> Variable:
    """Return the shape of `x`, a vector of int64."""
    x = as_variable(x)
    sizes = [ShapeOf(a)(x) for a in range(x.ndim)]
    return stack(sizes) if sizes else Constant(np.zeros(0, np.int64))


def is_shape(x: Variable) -> bool:
    """Return whether `x` is what `shape` returns, or successive parts of it."""
    sizes = x.inputs if isinstance(x.operation, MakeVector) else ()
    return bool(sizes) and builtins.all(
        type(n.operation) is ShapeOf
        and n.inputs == sizes[0].inputs
        and n.operation.axis == sizes[0].operation.axis + k
        for k, n in enumerate(sizes)
    )


def size(x) -> Variable:
    """Return the number of elements of `x`, int64."""
    return prod(shape(x))


class Reshape(Operation):
    """The elements of the first input in a shape given by the other inputs; a size of −1 fits."""

    name = "reshape"
    template = "np.reshape({0}, ({1}))"
    view = True
    n_values = 1

    def infer(self, x, *sizes):
        for n in sizes:
            if n.kind not in "iu" or n.ndim:
                raise TypeError(f"{self.name}: sizes must be integers, got {n!r} of {n.dtype}")
        return x.dtype, tuple([_dim_of(n) for n in sizes])

    def vjp(self, i, out, g, x, *sizes):
        """Return g in the shape of x."""
        return ReshapeLike()(g, x)

    def code(self, x, *sizes):
        return self.template.format(x, ", ".join(sizes) + "," * (len(sizes) == 1))


class Alloc(Reshape):
    """A new array of a shape given by the other inputs, filled with the first one."""

    name = "alloc"
    template = "np.full(({1}), {0})"
    view = False
    vjp = Operation.vjp


class BroadcastLike(Operation):
    """The first input, broadcast to the shape of the second."""

    name = "broadcast"
    template = "np.broadcast_to({0}, {1}.shape)"
    view = True
    n_values = 1

    def infer(self, g, x):
        return g.dtype, x.dims


class ReshapeLike(BroadcastLike):
    """The elements of the first input in the shape of the second."""

    name = "reshape_like"
    template = "{0}.reshape({1}.shape)"

    def vjp(self, i, out, gg, g, x):
        """Return gg in the shape of g."""
        return ReshapeLike()(gg, g)


def _dim_of(n: Variable):
    """Return the size of an axis that the scalar `n` tells."""
    while isinstance(n.operation, ew.Cast):
        [n] = n.inputs
    if isinstance(n, Constant):
        return int(n.value) if n.value >= 0 else Dim()
    return n.inputs[0].dims[n.operation.axis] if isinstance(n.operation, ShapeOf) else Dim()


def sizes_of(shape, ndim=None) -> list[Variable]:
    """Return a shape, given as integers, variables or a vector of either, as a list of scalars."""
    if isinstance(shape, Variable) and shape.ndim:
        n = ndim if isinstance(shape.dims[0], Dim) else shape.dims[0]
        if n is None:
            raise TypeError(f"reshape: the length of the shape {shape!r} isn't known; give ndim=")
        stacked = isinstance(shape.operation, MakeVector)
        return list(shape.inputs) if stacked else [shape[i] for i in range(n)]
    shape = shape.tolist() if isinstance(shape, np.ndarray) else shape
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
    return ew.cast(ew.eq(expand(rows, (1,)) + k, columns), dtype or "floatX")


# Reductions: they combine the elements along some axes, which disappear.


def _to_factors(g, y, x, axes):
    """Return g times the product of the others, also where some are 0."""
    [axis] = axes
    itself = shape_padright(eye(ShapeOf(axis)(x), dtype="bool"), x.ndim - axis - 1)
    return ew.zero_or_product(g, prod(ew.switch(itself, 1, expand(x, axes)), axis + 1))


def _to_largest(g, y, x, axes):
    """Return g at the largest element, 0 elsewhere. Equal ones share it."""
    found = ew.eq(x, y)
    count = ew.cast(sum(found, axes, keepdims=True), g.dtype)
    return ew.switch(found, g / count, 0)


# For each the VJP, a function of g, of the result (both with axes of size 1 where it was reduced),
# of the input and the axes; None for 0.
REDUCTIONS = {
    "sum": lambda g, y, x, axes: broadcast_like(g, x),
    "prod": _to_factors,
    "max": _to_largest,
    "min": _to_largest,
    **dict.fromkeys(("argmax", "argmin", "all", "any")),
}


@cache
def _reduced_dtype(name, dtype):
    return getattr(np.ones(1, dtype), name)().dtype.name


class Reduction(Operation):
    """One of the reductions above, over some axes; some take one only: prod, argmax, argmin."""

    fields = ("name", "axes")

    def __init__(self, name: str, axes: tuple[int, ...]):
        super().__init__(name, axes)
        self.selects = name in ("max", "min")
        self.differentiable = REDUCTIONS[name] is not None

    def infer(self, x):
        self._over_all = len(self.axes) == x.ndim
        dims = tuple([n for a, n in enumerate(x.dims) if a not in self.axes])
        return _reduced_dtype(self.name, x.dtype), dims

    def vjp(self, i, out, g, x):
        return REDUCTIONS[self.name](expand(g, self.axes), expand(out, self.axes), x, self.axes)

    def code(self, x):
        return f"{x}.{self.name}({'' if self._over_all else f'axis={_axis_text(self.axes)}'})"


def _reduced(name, x, axis, keepdims, dtype=None):
    x = as_variable(x)
    x = result = ew.cast(x, dtype or x.dtype)
    axes = as_axes(name, x, axis)
    groups = [axes] if axes else []
    if name == "prod":
        groups = [(a,) for a in axes[::-1]]
    elif name in ("argmax", "argmin"):
        rest = [a for a in range(x.ndim) if a not in axes]
        together = transpose(x, [*rest, *axes])
        result = flatten(together, len(rest) + 1) if axes else shape_padright(x)
        groups = [(len(rest),)]
    for group in groups:
        result = Reduction(name, group)(result)
    result = ew.cast(result, dtype or _reduced_dtype(name, x.dtype))
    return expand(result, axes) if keepdims else result


def sum(x, axis=None, dtype=None, keepdims=False) -> Variable:
    """Return the sum over `axis`: an integer, several, or None for all."""
    return _reduced("sum", x, axis, keepdims, dtype)


def prod(x, axis=None, dtype=None, keepdims=False) -> Variable:
    """Return the product over `axis`. Its gradient takes n² memory for n elements in a row."""
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
    return _reduced("argmax", x, axis, keepdims)


def argmin(x, axis=None, keepdims=False) -> Variable:
    """Return the index of the smallest element along `axis`; along several, as if flattened."""
    return _reduced("argmin", x, axis, keepdims)


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


class Join(Operation):
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
                continue
            if len(set(known)) > 1:
                shown = ", ".join(f"{x!r} {x.dims}" for x in xs)
                raise ValueError(f"concatenate: sizes differ along axis {axis}: {shown}")
            dims.append([*known, *sizes][0])
        return np.result_type(*(x.dtype for x in xs)).name, tuple(dims)

    def vjp(self, i, out, g, *xs):
        """Return the part of g that belongs to input `i`."""
        sizes = [ShapeOf(self.axis)(x) for x in xs[: i + 1]]
        start = builtins.sum(sizes[:i], start=as_variable(np.int64(0)))
        return ReshapeLike()(at(g, self.axis, slice(start, start + sizes[i])), xs[i])

    def code(self, *xs):
        return f"np.concatenate([{', '.join(xs)}], axis={self.axis})"


class MakeVector(Operation):
    """A vector of scalars of one dtype."""

    name = "stack"
    selects = True

    def infer(self, *xs):
        return xs[0].dtype, (len(xs),)

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
        tensors, axis = (*tensors, axis)[:2]
    if not tensors:
        raise TypeError("stack takes a list of arrays, got none")
    xs = [as_variable(x) for x in tensors]
    dtype = np.result_type(*(x.dtype for x in xs)).name
    if builtins.all(x.ndim == 0 for x in xs):
        return MakeVector()(*(ew.cast(x, dtype) for x in xs))
    return concatenate([shape_padaxis(x, axis) for x in xs], axis)


def stacklists(tensors) -> Variable:
    """Return nested lists of variables as one array."""
    return as_variable(tensors)


class Arange(Operation):
    """start, start + step, … below stop; `counts` tells whether that counts from 0."""

    name = "arange"
    fields = ("dtype", "counts")
    n_values = 0
    differentiable = False

    def infer(self, start, stop, step):
        for n in (start, stop, step):
            if n.ndim:
                raise TypeError(f"arange takes scalars, got {n!r} with {n.ndim} axes")
        return self.dtype, (_dim_of(stop) if self.counts and stop.kind in "iu" else Dim(),)

    def code(self, start, stop, step):
        numbers = stop if self.counts else ", ".join([start, stop] + [step] * (step != "1"))
        dtype = "" if self.dtype == "int64" else f", dtype=np.{self.dtype}"
        return f"np.arange({numbers}{dtype})"


def arange(start, stop=None, step=1, dtype=None) -> Variable:
    """Return start, start + step, … below stop; with one argument 0, 1, … below it."""
    start, stop = (0, start) if stop is None else (start, stop)
    numbers = [as_variable(n) for n in (start, stop, step)]
    strong = [n.dtype for n in numbers if not n.weak]
    weak = ["float64" if n.kind == "f" else "int64" for n in numbers]
    natural = np.result_type(*(strong or weak))
    dtype = dtype or ("int64" if natural.kind in "biu" else natural.name)
    return Arange(checked_dtype(dtype), (start, step) == (0, 1))(*numbers)


def at(x: Variable, axis: int, key) -> Variable:
    """Return x[key] along `axis`."""
    return x[(slice(None),) * axis + (key,)]


def repeat(x, repeats, axis=None) -> Variable:
    """Return each element of `x` `repeats` times along `axis`; by default of `x` flattened."""
    x = flatten(x) if axis is None else as_variable(x)
    [axis] = as_axes("repeat", x, axis)
    return at(x, axis, arange(ShapeOf(axis)(x) * repeats) // repeats)


def tile(x, reps) -> Variable:
    """Return `x` repeated as a whole, as often as `reps` tells for each axis."""
    reps = list(reps) if isinstance(reps, list | tuple) else [reps]
    x = as_variable(x)
    x = shape_padleft(x, builtins.max(0, len(reps) - x.ndim))
    for axis, n in enumerate(reps, start=x.ndim - len(reps)):
        x = at(x, axis, arange(ShapeOf(axis)(x) * n) % ShapeOf(axis)(x))
    return x
