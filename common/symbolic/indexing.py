"""x[…] by slices, integers, integer arrays and masks; its derivative; parts that are replaced."""

import operator

import numpy as np

from common.symbolic import arrays
from common.symbolic import elementwise as ew
from common.symbolic.arrays import ArrayOperation
from common.symbolic.graph import Constant, Dim, Variable, as_variable

__all__ = ["Index", "Put", "SetAt", "diag", "inc_subtensor", "index", "set_subtensor", "take"]


class Index(ArrayOperation):
    """x[…], a part of the first input.

    Parameters
    ----------
    pattern : tuple of tuple
        What stands between the brackets, part by part: ("new",), ("int", 3), ("slice", 0, None, 2),
        and, each for one of the further inputs, ("scalar",), ("array",), ("mask", ndim), and
        "input" as the bound of a slice.
    unique : bool
        Whether it is certain that no element is named twice.
    """

    name = "index"
    fields = ("pattern", "unique")
    n_values = 1
    selects = True

    @property
    def view(self):
        """Whether the result is a view: not if an array or a mask is among the indices."""
        return not any(part[0] in ("array", "mask") for part in self.pattern)

    def infer(self, x, *inputs):
        return x.dtype, _dims(x, self.pattern, inputs)

    def vjp(self, i, out, g, x, *inputs):
        """Return zeros with g at […]."""
        return Put(self.pattern, self.unique)(g, x, *inputs)

    def code(self, x, *inputs):
        return f"{x}[{self.brackets(inputs)}]"

    def brackets(self, inputs):
        """Return the text of what stands between the brackets."""
        inputs = iter(inputs)
        parts = []
        for kind, *rest in self.pattern:
            if kind in ("new", "ellipsis"):
                parts.append("None" if kind == "new" else "...")
            elif kind == "int":
                parts.append(str(rest[0]))
            elif kind == "slice":
                bounds = ["" if b is None else b if b != "input" else next(inputs) for b in rest]
                parts.append(":".join(map(str, bounds[: 2 + (bounds[2] != "")])))
            else:
                parts.append(next(inputs))
        return ", ".join(parts) or "..."


class Put(Index):
    """Zeros in the shape of the second input, with the first one added at […]."""

    name = "put"
    view = False
    selects = False

    def infer(self, g, x, *inputs):
        return g.dtype, x.dims

    def vjp(self, i, out, gg, g, x, *inputs):
        """Return gg[…]."""
        return Index(self.pattern, self.unique)(gg, *inputs)

    def code(self, g, x, *inputs):
        function = "put" if self.unique else "put_add"
        return f"{function}({g}, {x}.shape, np.index_exp[{self.brackets(inputs)}])"


class SetAt(Index):
    """The first input with the second one at […], or, if it is inc_subtensor, added there."""

    fields = ("pattern", "unique", "name")
    view = False
    n_values = 2

    def infer(self, x, y, *inputs):
        if np.result_type(x.dtype, y.dtype) != x.dtype and not y.weak:
            raise TypeError(f"{self.name}: {y!r} of {y.dtype} doesn't fit into {x.dtype} of {x!r}")
        return x.dtype, x.dims

    def vjp(self, i, out, g, x, y, *inputs):
        """Return g[…] for y; for x g, without what was replaced."""
        if i == 1:
            return Index(self.pattern, self.unique)(g, *inputs)
        return g if self.name == "inc_subtensor" else self(g, 0, *inputs)

    def code(self, x, y, *inputs):
        function = "add_at" if self.name == "inc_subtensor" else "set_at"
        return f"{function}({x}, np.index_exp[{self.brackets(inputs)}], {y})"


def index(x: Variable, key) -> Variable:
    """Return x[key].

    Raises
    ------
    IndexError
        If `key` has more parts than `x` has axes.
    TypeError
        If a part isn't a slice, an integer, an array of integers or booleans, None or an ellipsis.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    if isinstance(x.operation, arrays.MakeVector) and len(parts) == 1:
        known = _known_part(x, parts[0])
        if known is not None:
            return known
    pattern, inputs = _parsed(x, parts)
    if all(part[0] not in ("array", "mask") for part in pattern):
        pattern = tuple(part for part in pattern if part != ("ellipsis",))
    if all(part in (("new",), ("slice", None, None, None)) for part in pattern):
        return arrays.expand(x, tuple(k for k, part in enumerate(pattern) if part == ("new",)))
    return Index(pattern, _unique(pattern, inputs))(x, *inputs)


def _known_part(x, part):
    """Return x[part] of scalars that were stacked, such as a shape, without indexing; or None."""
    n = len(x.inputs)
    if isinstance(part, int | np.integer) and not isinstance(part, bool):
        if not -n <= part < n:
            raise IndexError(f"{x!r} has {n} elements, so it has no element {part}")
        return x.inputs[part]
    bounds = (part.start, part.stop, part.step) if isinstance(part, slice) else [x]
    if not any(isinstance(bound, Variable) for bound in bounds):
        return arrays.stack(list(x.inputs[part])) if x.inputs[part] else None
    return None


def _parsed(x, parts):
    """Return the pattern of an index, and the variables in it."""
    pattern, inputs = [], []
    for part in _without_ellipsis(x, parts):
        if part is None or part is Ellipsis:
            pattern.append(("new",) if part is None else ("ellipsis",))
        elif isinstance(part, slice):
            bounds = []
            for bound in (part.start, part.stop, part.step):
                if isinstance(bound, Constant) and bound.ndim == 0:
                    bounds.append(operator.index(bound.value.item()))
                elif isinstance(bound, Variable):
                    inputs.append(_integers(bound))
                    bounds.append("input")
                else:
                    bounds.append(None if bound is None else operator.index(bound))
            pattern.append(("slice", *bounds))
        elif isinstance(part, int | np.integer) and not isinstance(part, bool):
            pattern.append(("int", int(part)))
        else:
            part = _integers(part)
            inputs.append(part)
            mask = part.dtype == "bool"
            pattern.append(("mask", part.ndim) if mask else ("array" if part.ndim else "scalar",))
    return tuple(pattern), inputs


def _n_axes(part):
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if getattr(part, "dtype", None) == "bool" else 1


def _without_ellipsis(x, parts):
    parts = [as_variable(p) if isinstance(p, list) else p for p in parts]
    n_axes = sum(map(_n_axes, parts))
    if n_axes > x.ndim:
        raise IndexError(f"{x!r} has {x.ndim} axes, but is indexed by {n_axes}")
    at = [i for i, part in enumerate(parts) if part is Ellipsis]
    if len(at) > 1:
        raise IndexError("an index can have only one ellipsis")
    for i in at:
        # If it stands for no axes, it still separates arrays.
        parts[i : i + 1] = [slice(None)] * (x.ndim - n_axes) or [Ellipsis]
    return parts


def _integers(part):
    x = as_variable(part)
    if x.kind not in "biu" or (x.kind == "b" and x.ndim == 0):
        raise TypeError(f"an index must be integers or a mask, got {x!r} of {x.dtype}")
    return x


def _unique(pattern, inputs):
    """Return whether no element is named twice: slices, masks, and rows 0, 1, 2, … in order."""
    if ("array",) not in pattern:
        return True
    rows = inputs[0]
    counts = isinstance(rows.operation, arrays.Arange) and arrays.counts_from_zero(
        *rows.inputs[::2]
    )
    return pattern[0] == ("array",) and counts and all(i.ndim <= 1 for i in inputs)


def _dims(x, pattern, inputs):
    """Return the shape of x[…]."""
    dims, inputs = iter(x.dims), iter(inputs)
    result, index_arrays, at = [], [], []
    for place, (kind, *rest) in enumerate(pattern):
        if kind == "new":
            result.append(1)
        elif kind == "slice":
            result.append(_slice_dim(next(dims), rest))
            for _ in range(rest.count("input")):
                next(inputs)
        elif kind != "ellipsis":
            at.append((place, len(result)))  # beside an array an integer counts as one, too
            for _ in range(rest[0] if kind == "mask" else 1):
                next(dims)
            if kind != "int":
                array = next(inputs)
                index_arrays.append((Dim(),) if kind == "mask" else array.dims)
    result += list(dims)
    if any(index_arrays):
        together = at[-1][0] - at[0][0] == len(at) - 1
        where = at[0][1] if together else 0
        ndim = max(map(len, index_arrays))
        shapes = [(1,) * (ndim - len(d)) + d for d in index_arrays]
        joint = [next((n for n in sizes if n != 1), 1) for sizes in zip(*shapes, strict=True)]
        result[where:where] = joint
    return tuple(result)


def _slice_dim(n, bounds):
    if list(bounds) in ([None, None, None], [None, None, -1]):
        return n
    if isinstance(n, int) and "input" not in bounds:
        return len(range(*slice(*bounds).indices(n)))
    return Dim()


def _subtensor(name, x, y):
    operation, y = getattr(x, "operation", None), as_variable(y)
    if isinstance(operation, arrays.ShapeOf):  # which stands for x.shape[i]
        vector, pattern, unique, inputs = x.inputs[0].shape, (("int", operation.axis),), True, ()
    elif type(operation) is Index:
        (vector, *inputs), (pattern, unique) = x.inputs, operation.parameters
    else:
        raise TypeError(f"{name}: the first argument must be an indexed variable, x[…], got {x!r}")
    y = y if y.weak else ew.cast(y, np.result_type(vector.dtype, y.dtype))
    return SetAt(pattern, unique, name)(vector, y, *inputs)


def set_subtensor(x, y) -> Variable:
    """Return the array that `x` is a part of, with that part replaced by `y`."""
    return _subtensor("set_subtensor", x, y)


def inc_subtensor(x, y) -> Variable:
    """Return the array that `x` is a part of, with `y` added to that part."""
    return _subtensor("inc_subtensor", x, y)


class Nonzero(ArrayOperation):
    """Indices of the nonzero elements along one axis."""

    name = "nonzero"
    template = "np.nonzero({0})[{op.axis}]"
    fields = ("axis",)
    differentiable = False

    def infer(self, x):
        return "int64", (Dim(),)


def nonzero(x) -> tuple[Variable, ...]:
    """Return, for each axis, a vector of indices of the nonzero elements."""
    x = as_variable(x)
    return tuple(Nonzero(axis)(x) for axis in range(x.ndim))


def take(x, indices, axis=None) -> Variable:
    """Return the elements of `x` at `indices` along `axis`; by default of `x` flattened."""
    x = arrays.flatten(x) if axis is None else as_variable(x)
    [axis] = arrays.as_axes("take", x, 0 if axis is None else axis)
    return arrays.at(x, axis, indices)


def diag(x) -> Variable:
    """Return the diagonal of a matrix, or the matrix with the diagonal `x`."""
    x = as_variable(x)
    if x.ndim == 1:
        diagonal = arrays.eye(x.shape[0], dtype="bool")
        return ew.switch(diagonal, arrays.expand(x, (0,)), 0)
    if x.ndim != 2:
        raise TypeError(f"diag takes a vector or a matrix, got {x!r} with {x.ndim} axes")
    places = arrays.arange(ew.minimum(arrays.ShapeOf(0)(x), arrays.ShapeOf(1)(x)))
    return x[places, places]
