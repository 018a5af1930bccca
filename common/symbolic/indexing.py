"""x[…] with slices, integers, integer arrays and masks; its VJP; and replacing a part of x."""

import operator

import numpy as np

from common.symbolic import arrays
from common.symbolic import elementwise as ew
from common.symbolic.graph import Constant, Dim, Operation, Variable, as_variable

ALL = (None, None, None)  # the bounds of the slice [:]


class Index(Operation, name="index", fields=("pattern",), moves=True, selects=True):
    """x[…], a part of the first input.

    Parameters
    ----------
    pattern : tuple
        What stands between the brackets, part by part: None, an ellipsis, an integer, the three
        bounds of a slice, or what kind of index a further input is: "scalar", "array", "mask", or
        "rows" for an array 0, 1, 2, … A bound of a slice can be an input as well. The inputs from
        number `first` on are those.
    """

    template = "{0}[{index}]"
    n_values = first = 1

    @property
    def view(self):
        """Whether the result is a view: not if an array or a mask is among the indices."""
        return not {"array", "mask", "rows"} & set(self.pattern)

    def infer(self, x, *inputs):
        dims, axes, places = [], iter(x.dims), []
        mask_ndims = iter([v.ndim for v in inputs if v.kind == "b"])
        for place, part in enumerate(self.pattern):
            if part is None:
                dims.append(1)
            elif isinstance(part, tuple):
                dims.append(_sliced(next(axes), part))
            elif part is not Ellipsis:
                places.append((place, len(dims)))
                for _ in range(next(mask_ndims) if part == "mask" else 1):
                    next(axes)
        dims += axes
        index_arrays = [Nonzero(0)(v) if v.kind == "b" else v for v in inputs if v.ndim]
        if index_arrays:  # an integer beside an array counts as an array
            (first, start), (last, _) = places[0], places[-1]
            start = start if last - first == len(places) - 1 else 0
            dims[start:start] = ew.broadcast(self.name, *index_arrays)
        return x.dtype, tuple(dims)

    def vjp(self, i, out, g, x, *inputs):
        return Put(self.pattern)(g, x, *inputs)

    def code(self, *args):
        inputs = iter(args[self.first :])

        def text(part):
            if isinstance(part, tuple):
                bounds = ["" if bound is None else text(bound) for bound in part]
                return ":".join(bounds if bounds[2] else bounds[:2])
            if isinstance(part, str):
                return next(inputs)
            return "..." if part is Ellipsis else str(part)

        return self.template.format(*args, op=self, index=", ".join(map(text, self.pattern)))


class Put(Index, name="put", first=2, shape_only=1, view=False, moves=False, selects=False):
    """Zeros in the shape of the second input, with the first one added at […]."""

    template = "put({0}, {1}.shape, np.index_exp[{index}])"

    def infer(self, g, x, *inputs):
        return g.dtype, x.dims

    def vjp(self, i, out, gg, g, x, *inputs):
        return Index(self.pattern)(gg, *inputs)


class SetAt(Index, fields=("pattern", "name"), first=2, n_values=2, view=False, moves=False):
    """The first input with the second one at […], or, if it is inc_subtensor, added there."""

    template = "{op.name}({0}, np.index_exp[{index}], {1})"
    infer = Operation.infer

    def vjp(self, i, out, g, x, y, *inputs):
        if i == 1:
            return Index(self.pattern)(g, *inputs)
        return g if self.name == "inc_subtensor" else self(g, 0, *inputs)


def index(x: Variable, key) -> Variable:
    """Return x[key].

    Raises
    ------
    IndexError
        If `key` has more parts than `x` has axes.
    TypeError
        If a part isn't a slice, an integer, an array of integers or booleans, None or an ellipsis.
    """
    pattern, inputs = _parsed(x, key if isinstance(key, tuple) else (key,))
    if isinstance(x.operation, arrays.Shape) and len(pattern) == 1 and not inputs:
        [part], n = pattern, len(x.inputs)
        if isinstance(part, int):
            if not -n <= part < n:
                raise IndexError(f"{x!r} has {n} elements, so it has no element {part}")
            return x.inputs[part]
        sizes = x.inputs[slice(*part)] if part else ()
        if sizes:
            return arrays.Shape()(*sizes) if part[2] is None else arrays.stack(sizes)
    if all(part in (None, ALL) for part in pattern):
        new = [k for k, part in enumerate(pattern) if part is None]
        # x[:] isn't x, but a part of it, which set_subtensor can replace.
        return arrays.expand(x, new) if new else arrays.Dimshuffle(tuple(range(x.ndim)), x.ndim)(x)
    return Index(pattern)(x, *inputs)


def _parsed(x, key):
    """Return the pattern of x[key], its ellipsis replaced, and the inputs that are indices."""
    inputs = []

    def parsed(part):
        if part is None or part is Ellipsis:
            return part
        if isinstance(part, slice):
            bounds = (part.start, part.stop, part.step)
            bounds = [b if isinstance(b, Variable | None) else operator.index(b) for b in bounds]
            return tuple(map(parsed, bounds))
        if isinstance(part, list) and not part:
            part = np.zeros(0, np.int64)
        part = as_variable(part)
        if part.kind not in "biu" or (part.kind == "b" and part.ndim == 0):
            raise TypeError(f"an index must be integers or a mask, got {part!r} of {part.dtype}")
        if isinstance(part, Constant) and part.ndim == 0:
            return int(part.value)
        inputs.append(part)
        if isinstance(part.operation, arrays.Arange) and len(part.inputs) == 1:
            return "rows"
        return "mask" if part.kind == "b" else "array" if part.ndim else "scalar"

    pattern = [parsed(part) for part in key]
    n_axes = sum(part not in (None, Ellipsis) for part in pattern)
    n_axes += sum(v.ndim - 1 for v in inputs if v.kind == "b")
    if n_axes > x.ndim:
        raise IndexError(f"{x!r} has {x.ndim} axes, but is indexed by {n_axes}")
    if pattern.count(Ellipsis) > 1:
        raise IndexError("an index can have only one ellipsis")
    if Ellipsis in pattern:  # one that stands for no axes stays where it separates arrays
        at, separates = pattern.index(Ellipsis), any(v.ndim for v in inputs)
        pattern[at : at + 1] = [ALL] * (x.ndim - n_axes) or [Ellipsis] * separates
    return tuple(pattern), inputs


def _sliced(n, bounds):
    """Return how many of `n` elements a slice takes."""
    if bounds in (ALL, (None, None, -1)):
        return n
    return len(range(n)[slice(*bounds)]) if isinstance(n, int) and "scalar" not in bounds else Dim()


def set_subtensor(x, y) -> Variable:
    """Return the array that `x` is a part of, with that part replaced by `y`.

    If an index is repeated, it is undefined which of its values is kept.
    """
    return _subtensor("set_subtensor", x, y)


def inc_subtensor(x, y) -> Variable:
    """Return the array that `x` is a part of, with `y` added to that part."""
    return _subtensor("inc_subtensor", x, y)


def _subtensor(name, x, y):
    operation, y = getattr(x, "operation", None), as_variable(y)
    if type(operation) is arrays.ShapeOf:  # x is a part of a shape, y.shape[i]
        array, pattern, inputs = arrays.shape(x.inputs[0]), (operation.axis,), ()
    elif type(operation) is Index:
        (array, *inputs), pattern = x.inputs, operation.pattern
    elif isinstance(operation, arrays.Dimshuffle) and operation.kept == [*range(operation.ndim)]:
        [array], inputs = x.inputs, ()  # x is y[:], y[None] or the like
        pattern = tuple(None if a == "x" else ALL for a in operation.pattern) or (Ellipsis,)
    else:
        raise TypeError(f"{name}: the first argument must be an indexed variable, x[…], got {x!r}")
    if np.result_type(array.dtype, y.operand if y.weak else y.dtype) != array.dtype:
        raise TypeError(f"{name}: {y!r} of {y.dtype} doesn't fit into {x!r} of {array.dtype}")
    return SetAt(pattern, name)(array, y if y.weak else ew.cast(y, array.dtype), *inputs)


class Nonzero(Operation, name="nonzero", template="np.nonzero({0})[{op.axis}]", fields=("axis",)):
    """Indices of the nonzero elements along one axis."""

    def infer(self, x):
        return "int64", (Dim(),)


def nonzero(x) -> tuple[Variable, ...]:
    """Return, for each axis, a vector of indices of the nonzero elements."""
    x = as_variable(x)
    return tuple(Nonzero(axis)(x) for axis in range(x.ndim))


def take(x, indices, axis=None) -> Variable:
    """Return the elements of `x` at `indices` along `axis`; by default of `x` flattened."""
    x = arrays.flatten(x) if axis is None else as_variable(x)
    return arrays.at(x, *arrays.as_axes("take", x, axis), indices)


def diag(x) -> Variable:
    """Return the diagonal of a matrix, or the matrix with the diagonal `x`."""
    x = as_variable(x)
    if x.ndim == 1:
        return ew.switch(arrays.eye(x.shape[0], dtype="bool"), x, ew.cast(0, x.dtype))
    if x.ndim != 2:
        raise TypeError(f"diag takes a vector or a matrix, got {x!r} with {x.ndim} axes")
    places = arrays.arange(ew.minimum(*x.shape))
    return x[places, places]
