"""Operations on whole arrays: axes, shapes, broadcasting, reductions, joining, counting.

Their derivatives come in pairs. A sum sends one adjoint to many elements, so its VJP broadcasts;
broadcasting uses one element many times, so its VJP sums.
"""

import builtins
import operator
import weakref
from itertools import accumulate, zip_longest

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
    return tuple(sorted(normalize_axis_tuple(axes.tolist(), x.ndim, f"{name} of {x!r}")))


def _axis_text(axes):
    return str(axes[0] if len(axes) == 1 else axes)


# Axes


class Dimshuffle(Operation, name="dimshuffle", fields=("pattern", "ndim"), view=True, moves=True):
    """The `ndim` axes of the input, in the order of a `pattern` as `dimshuffle` takes it."""

    def infer(self, x):
        return x.dtype, tuple([1 if a == "x" else x.dims[a] for a in self.pattern])

    def vjp(self, i, out, g, x):
        place = {a: k for k, a in enumerate(self.pattern)}
        return dimshuffle(g, [place.get(a, "x") for a in range(x.ndim)])

    @property
    def kept(self):
        """The axes of the input that the output has, in its order."""
        return [a for a in self.pattern if a != "x"]

    def code(self, x):
        kept = self.kept
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
    """Return `x` with its axes in the order of `pattern`, and a new one of size 1 for each "x".

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
    return Dimshuffle(pattern, x.ndim)(x)


def transpose(x, axes=None) -> Variable:
    """Return `x` with its axes in another order, by default reversed."""
    x = as_variable(x)
    axes = normalize_axis_tuple(range(x.ndim)[::-1] if axes is None else axes, x.ndim, "transpose")
    if len(axes) < x.ndim:
        raise ValueError(f"transpose: axes must name each of the {x.ndim} axes once, got {axes}")
    return dimshuffle(x, axes)


def expand(x, axes) -> Variable:
    """Return `x` with axes of size 1 at the places `axes` of the result."""
    x = as_variable(x)
    axes = normalize_axis_tuple(axes, x.ndim + len(axes))
    rest = iter(range(x.ndim))
    return dimshuffle(x, ["x" if a in axes else next(rest) for a in range(x.ndim + len(axes))])


def shape_padleft(x, n_ones: int = 1) -> Variable:
    """Return `x` with `n_ones` axes of size 1 in front."""
    return expand(x, range(n_ones))


def shape_padright(x, n_ones: int = 1) -> Variable:
    """Return `x` with `n_ones` axes of size 1 behind."""
    return expand(x, range(-n_ones, 0))


def shape_padaxis(x, axis: int) -> Variable:
    """Return `x` with an axis of size 1 at `axis`."""
    return expand(x, [axis])


class Copy(Operation, name="copy", template="{0}", view=True, moves=True):
    """The same value as a variable of its own."""


class AddBroadcast(Copy, name="addbroadcast", fields=("axes",)):
    """The same value, whose `axes` have size 1, which the program asserts."""

    def infer(self, x):
        if builtins.any(isinstance(x.dims[a], int) and x.dims[a] != 1 for a in self.axes):
            raise ValueError(f"addbroadcast: axes {self.axes} of {x!r} {x.dims} must have size 1")
        return x.dtype, tuple([1 if a in self.axes else n for a, n in enumerate(x.dims)])


class Print(Copy, name="print", template="show({0}, {op.message!a})", fields=("message",)):
    """The input; when it is computed, its value is printed after `message`."""

    moves = False

    def __init__(self, message: str = "", attrs=("__str__",)):
        super().__init__(str(message))


# Shapes


class ShapeOf(Operation, name="size", template="{0}.shape[{op.axis}]", fields=("axis",)):
    """The size of one axis, int64."""

    dtype, n_values, shape_only = "int64", 0, 0

    def infer(self, x):
        return self.dtype, ()


class Count(ShapeOf, name="count", fields=("axes", "dtype")):
    """The number of elements along some axes."""

    def code(self, x):
        return f"np.{self.dtype}({' * '.join(f'{x}.shape[{a}]' for a in self.axes) or 1})"


def shape(x) -> Variable:
    """Return the shape of `x`, a vector of int64."""
    x = as_variable(x)
    sizes = [ShapeOf(a)(x) for a in range(x.ndim)]
    return Shape()(*sizes) if sizes else Constant(np.zeros(0, np.int64))


def size(x) -> Variable:
    """Return the number of elements of `x`, int64."""
    x = as_variable(x)
    return Count(tuple(range(x.ndim)), "int64")(x)


class BroadcastLike(Operation, name="broadcast", template="np.broadcast_to({0}, {1}.shape)"):
    """The first input, broadcast to the shape of the second."""

    view = moves = True
    n_values = shape_only = 1

    def infer(self, x, like):
        return x.dtype, like.dims


class ReshapeLike(BroadcastLike, name="reshape_like", template="{0}.reshape({1}.shape)"):
    """The elements of the first input in the shape of the second."""

    def vjp(self, i, out, g, x, *rest):
        return ReshapeLike()(g, x)


class Alloc(Operation, name="alloc", template="np.full(({1}), {0})", n_values=1):
    """A new array of a shape given by the other inputs, filled with the first one."""

    def infer(self, x, *sizes):
        for n in sizes:
            if n.kind not in "iu" or n.ndim:
                raise TypeError(f"{self.name}: sizes must be integers, got {n!r} of {n.dtype}")
        return x.dtype, tuple([_dim_of(n) for n in sizes])

    def code(self, x, *sizes):
        return self.template.format(x, ", ".join(sizes) + "," * (len(sizes) == 1))


class Reshape(Alloc, name="reshape", template="np.reshape({0}, ({1}))", view=True, moves=True):
    """The elements of the first input in a shape given by the other inputs; a size of −1 fits."""

    vjp = ReshapeLike.vjp


def _dim_of(n: Variable):
    """Return the size of an axis, as far as it is known, whose value is the scalar `n`."""
    while isinstance(n.operation, ew.Cast):
        [n] = n.inputs
    if isinstance(n, Constant):
        return int(n.value) if n.value >= 0 else Dim()
    return n.inputs[0].dims[n.operation.axis] if type(n.operation) is ShapeOf else Dim()


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


def flatten(x, ndim=1, outdim=None) -> Variable:
    """Return the elements of `x` with `ndim` axes, of which all but the last stay as they are.

    `outdim` is an older name for `ndim`.
    """
    x, ndim = as_variable(x), ndim if outdim is None else outdim
    if ndim == x.ndim:
        return x
    if not 1 <= ndim <= builtins.max(x.ndim, 1):
        raise ValueError(f"flatten: ndim must lie between 1 and {x.ndim}, got {ndim}")
    if ndim == 1:
        return reshape(x, -1)
    last = Count(tuple(range(ndim - 1, x.ndim)), "int64")(x)  # −1 is undefined beside a size of 0
    return reshape(x, [*(ShapeOf(a)(x) for a in range(ndim - 1)), last])


def addbroadcast(x, *axes) -> Variable:
    """Declare that axes have size 1, so that they broadcast; a call with another size fails."""
    x = as_variable(x)
    return AddBroadcast(as_axes("addbroadcast", x, axes))(x)


def broadcast_like(g: Variable, x: Variable) -> Variable:
    """Return `g` broadcast to the shape of `x`."""
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
    return Alloc()(value, *sizes) if sizes else value


def zeros(shape, dtype=None) -> Variable:
    """Return zeros of `shape`, of numbers or variables, by default of floatX."""
    return alloc(ew.cast(0, dtype), shape)


def ones(shape, dtype=None) -> Variable:
    """Return ones of `shape`, of numbers or variables, by default of floatX."""
    return alloc(ew.cast(1, dtype), shape)


def fill(x, value) -> Variable:
    """Return an array of the shape of `x`, filled with `value`, which broadcasts to it."""
    x, value = as_variable(x), as_variable(value)
    if value.ndim > x.ndim:
        raise ValueError(f"fill: {value!r} has {value.ndim} axes, more than {x!r}, {x.ndim}")
    axes = zip(value.dims[::-1], x.dims[::-1], strict=False)
    if builtins.all(n in (1, m) for n, m in axes):
        return broadcast_like(value, x)
    return ew.cast(ew.switch(True, value, x), value.dtype)  # the program checks the sizes


def zeros_like(x, dtype=None) -> Variable:
    """Return zeros in the shape of `x`, and in its dtype unless another is asked for."""
    return fill(x, ew.cast(0, dtype or as_variable(x).dtype))


def ones_like(x, dtype=None) -> Variable:
    """Return ones in the shape of `x`, and in its dtype unless another is asked for."""
    return fill(x, ew.cast(1, dtype or as_variable(x).dtype))


def eye(n, m=None, k=0, dtype=None) -> Variable:
    """Return ones on the diagonal `k` of a matrix of n rows and m columns, zeros elsewhere."""
    rows, columns = arange(n), arange(n if m is None else m)
    return ew.cast(ew.eq(expand(rows, (1,)) + k, columns), dtype)


# Reductions: they combine the elements along some axes, and drop these axes.


class Recurrence(Operation, name="recurrence", template="recurrence({0}, {1})"):
    """y₀ = 0, yₖ₊₁ = xₖ yₖ + bₖ along the last axis."""

    def vjp(self, i, y, g, x, *b):
        """Return hₖ yₖ for x, hₖ for b, where hₖ = ∂cost/∂yₖ₊₁.

        The hₖ are a recurrence too, from the end: the last one is 0, and hₖ₋₁ = xₖ hₖ + gₖ.
        """
        h = Recurrence()(x[..., ::-1], g[..., ::-1])[..., ::-1]
        return h if i == 1 else ew.zero_or_product(h, y)


class ProductBefore(Recurrence, name="product_before", template="product_before({0})"):
    """y₀ = 1, yₖ₊₁ = xₖ yₖ along the last axis: for each element the product of those before it."""


class Reduction(Operation, fields=("name", "axes")):
    """NumPy's method of this name, over some axes; for prod, argmax and argmin over the last."""

    @property
    def selects(self):
        """Whether it ignores elements: all but the largest or smallest."""
        return self.name in ("max", "min")

    def infer(self, x):
        self._over_all = len(self.axes) == x.ndim
        dims = tuple([n for a, n in enumerate(x.dims) if a not in self.axes])
        return ew.dtype_of(f"{{0}}.{self.name}()", (x.dtype,)), dims

    def vjp(self, i, out, g, x):
        """Return the VJP of sum, prod, max or min. Others give integers or booleans.

        A factor gets g times the product of those before it and those after it. Equal elements that
        are the largest or smallest share g.
        """
        g = expand(g, self.axes)
        if self.name == "sum":
            return broadcast_like(g, x)
        if self.name == "prod":
            after = ProductBefore()(x[..., ::-1])[..., ::-1]
            return ew.zero_or_product(g, ProductBefore()(x) * after)
        found = ew.eq(x, expand(out, self.axes))
        count = ew.cast(sum(found, self.axes, keepdims=True), g.dtype)
        return ew.switch(found, g / count, 0)

    def code(self, x):
        return f"{x}.{self.name}({'' if self._over_all else f'axis={_axis_text(self.axes)}'})"


def _reduced(name, x, axis, keepdims, dtype=None):
    """Return a reduction over any axes; for prod, argmax and argmin, flattened into one axis."""
    x = as_variable(x)
    x = ew.cast(x, dtype or x.dtype)
    axes = as_axes(name, x, axis)
    if name in ("prod", "argmax", "argmin"):
        rest = [a for a in range(x.ndim) if a not in axes]
        together = transpose(x, [*rest, *axes])
        together = flatten(together, len(rest) + 1) if axes else shape_padright(x)
        result = Reduction(name, (len(rest),))(together)
    else:
        result = Reduction(name, axes)(x) if axes else x
    result = ew.cast(result, dtype or Reduction(name, axes).infer(x)[0])
    return expand(result, axes) if keepdims else result


def sum(x, axis=None, dtype=None, keepdims=False) -> Variable:
    """Return the sum over `axis`: an integer, several, or None for all."""
    return _reduced("sum", x, axis, keepdims, dtype)


def prod(x, axis=None, dtype=None, keepdims=False) -> Variable:
    """Return the product over `axis`."""
    return _reduced("prod", x, axis, keepdims, dtype)


def _reducer(name, result):
    """Return a function of `x`, `axis` and `keepdims`."""

    def reducer(x, axis=None, keepdims=False) -> Variable:
        return _reduced(name, x, axis, keepdims)

    reducer.__name__ = reducer.__qualname__ = name
    reducer.__doc__ = f"Return {result}"
    return reducer


max = _reducer("max", "the largest element over `axis`. Equal ones share the gradient.")
min = _reducer("min", "the smallest element over `axis`. Equal ones share the gradient.")
all = _reducer("all", "whether all elements over `axis` are nonzero.")
any = _reducer("any", "whether any element over `axis` is nonzero.")
argmax = _reducer("argmax", "the index of the largest element over `axis`, as if flattened.")
argmin = _reducer("argmin", "the index of the smallest element over `axis`, as if flattened.")


def mean(x, axis=None, dtype=None, keepdims=False) -> Variable:
    """Return the mean over `axis`; of integers it is float64."""
    x = as_variable(x)
    axes = as_axes("mean", x, axis)
    x = ew.cast(x, dtype or (x.dtype if x.kind in "fc" else "float64"))
    real = "float32" if x.dtype in ("float32", "complex64") else "float64"
    result = Reduction("sum", axes)(x) / Count(axes, real)(x) if axes else x
    return expand(result, axes) if keepdims else result


def var(x, axis=None, ddof=0, keepdims=False) -> Variable:
    """Return the variance over `axis`: of N numbers, Σ (xᵢ − mean)² / (N − ddof)."""
    x = as_variable(x)
    result = mean(ew.sqr(x - mean(x, axis, keepdims=True)), axis, keepdims=keepdims)
    if not ddof:
        return result
    n = Count(as_axes("var", x, axis), result.dtype)(x)
    return result * (n / (n - ddof))


def std(x, axis=None, ddof=0, keepdims=False) -> Variable:
    """Return the standard deviation over `axis`, √var."""
    return ew.sqrt(var(x, axis, ddof, keepdims))


# Joining and counting

# For each concatenation, where its parts start and where the last one stops. They are kept, since
# adding up the sizes before each part anew would take quadratic time.
_starts = weakref.WeakKeyDictionary()


class Join(Operation, name="concatenate", fields=("axis",)):
    """Arrays one after the other along an axis."""

    template = "np.concatenate([{all}], axis={op.axis})"

    def infer(self, *xs):
        dims = []
        for axis, sizes in enumerate(zip_longest(*(x.dims for x in xs))):
            known = [n for n in sizes if isinstance(n, int)]
            if None in sizes or (axis != self.axis and len(set(known)) > 1):
                shown = ", ".join(f"{x!r} {x.dims}" for x in xs)
                raise ValueError(
                    "concatenate: arrays must have the same number of axes, and the same sizes "
                    f"along all but axis {self.axis}, got {shown}"
                )
            total = builtins.sum(known) if len(known) == len(xs) else Dim()
            dims.append(total if axis == self.axis else [*known, *sizes][0])
        return ew.common_dtype(xs), tuple(dims)

    def vjp(self, i, out, g, *xs):
        if out not in _starts:
            sizes = [ShapeOf(self.axis)(x) for x in xs]
            _starts[out] = list(accumulate(sizes, initial=as_variable(np.int64(0))))
        start, stop = _starts[out][i : i + 2]
        return ReshapeLike()(at(g, self.axis, slice(start, stop)), xs[i])


class MakeVector(Operation, name="stack", template="np.array([{all}])"):
    """A vector of scalars of one dtype."""

    def infer(self, *xs):
        return xs[0].dtype, (len(xs),)

    def vjp(self, i, out, g, *xs):
        return g[i]


class Shape(MakeVector):
    """The sizes of successive axes of one array."""


def concatenate(tensor_list, axis=0) -> Variable:
    """Return the arrays of a list one after the other along `axis`."""
    if not isinstance(tensor_list, list | tuple) or not tensor_list:
        raise TypeError(f"concatenate takes a list of arrays, got {tensor_list!r}")
    xs = [as_variable(x) for x in tensor_list]
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
    if builtins.all(x.ndim == 0 for x in xs):
        dtype = ew.common_dtype(xs)
        return MakeVector()(*(ew.cast(x, dtype) for x in xs))
    return concatenate([shape_padaxis(x, axis) for x in xs], axis)


stacklists = as_variable  # of nested lists


class Arange(Operation, name="arange", fields=("dtype",), n_values=0):
    """0, 1, … below the input; or start, start + step, … below stop, of three inputs."""

    def infer(self, *numbers):
        for n in numbers:
            if n.ndim:
                raise TypeError(f"arange takes scalars, got {n!r} with {n.ndim} axes")
        counts = len(numbers) == 1 and numbers[0].kind in "iu"
        return self.dtype, (_dim_of(numbers[0]) if counts else Dim(),)

    def code(self, *numbers):
        dtype = [] if self.dtype == "int64" else [f"dtype=np.{self.dtype}"]
        return f"np.arange({', '.join([*numbers, *dtype])})"


def arange(start, stop=None, step=1, dtype=None) -> Variable:
    """Return start, start + step, … below stop; with one argument 0, 1, … below it."""
    start, stop = (0, start) if stop is None else (start, stop)
    numbers = [stop] if (start, step) == (0, 1) else [start, stop, step]
    numbers = [as_variable(n) for n in numbers]
    is_float = builtins.any(n.kind in "fc" for n in numbers)
    dtype = dtype or (ew.common_dtype(numbers) if is_float else "int64")
    return Arange(checked_dtype(dtype))(*numbers)


def at(x: Variable, axis: int, key) -> Variable:
    """Return x[key] along `axis`."""
    return x[(slice(None),) * axis + (key,)]


def _times(name, n):
    """Return a number of repetitions as a variable, or raise TypeError if it can't be one."""
    n = as_variable(n)
    if n.ndim or n.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {n!r} of {n.dtype} with {n.ndim} axes")
    return n


def repeat(x, repeats, axis=None) -> Variable:
    """Return each element of `x` `repeats` times along `axis`; by default of `x` flattened."""
    x = flatten(x) if axis is None else as_variable(x)
    [axis], repeats = as_axes("repeat", x, axis), _times("repeat: repeats", repeats)
    return at(x, axis, arange(ShapeOf(axis)(x) * repeats) // repeats)


def tile(x, reps) -> Variable:
    """Return `x` as a whole repeated `reps` times along each axis."""
    reps = reps if isinstance(reps, list | tuple) else [reps]
    x, reps = as_variable(x), [_times("tile: reps", n) for n in reps]
    x = shape_padleft(x, builtins.max(0, len(reps) - x.ndim))
    for axis, n in enumerate(reps, start=x.ndim - len(reps)):
        x = at(x, axis, arange(ShapeOf(axis)(x) * n) % ShapeOf(axis)(x))
    return x
