"""x[…] by slices, integers, integer arrays and masks; its derivative; parts that are replaced."""

import operator

import numpy as np

from common.symbolic import arrays
from common.symbolic import elementwise as ew
from common.symbolic.graph import Constant, Dim, Operation, Variable, as_variable

__all__ = ["Index", "Put", "SetAt", "diag", "inc_subtensor", "index", "set_subtensor", "take"]


class _Indexed(Operation):
    """Base of operations on x[…].

    Parameters
    ----------
    pattern : tuple of tuple
        What stands between the brackets, part by part: ("new",), ("int", 3), ("slice", 0, None, 2),
        and, each for one of the further inputs, ("scalar",), ("array",), ("mask", ndim), and
        "input" as the bound of a slice.
    unique : bool
        Whether it is certain that no element is named twice.
    """

    selects = True
    first_index = 1  # of the inputs

    def __init__(self, pattern: tuple, unique: bool):
        self.pattern = pattern
        self.unique = unique
        self.parameters = (pattern, unique)

    def brackets(self, inputs):
        """Return the text of what stands between the brackets."""
        inputs = iter(inputs)
        parts = []
        for kind, *rest in self.pattern:
            if kind == "new":
                parts.append("None")
            elif kind == "int":
                parts.append(str(rest[0]))
            elif kind == "slice":
                bounds = ["" if b is None else b if b != "input" else next(inputs) for b in rest]
                start, stop, step = bounds
                parts.append(f"{start}:{stop}" + (f":{step}" if step != "" else ""))
            else:
                parts.append(next(inputs))
        return ", ".join(parts) or "..."

    def connected(self, i):
        return i < self.first_index


class Index(_Indexed):
    """x[…], a part of the first input."""

    name = "index"

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


class Put(_Indexed):
    """Zeros in the shape of the second input, with the first one added at […]."""

    name = "put"
    selects = False

    def infer(self, g, x, *inputs):
        return g.dtype, x.dims

    def connected(self, i):
        return i == 0

    def vjp(self, i, out, gg, g, x, *inputs):
        """Return gg[…]."""
        return Index(self.pattern, self.unique)(gg, *inputs)

    def code(self, g, x, *inputs):
        function = "put" if self.unique else "put_add"
        return f"{function}({g}, {x}.shape, np.index_exp[{self.brackets(inputs)}])"


class SetAt(_Indexed):
    """The first input with the second one at […], or, if `adds`, added there."""

    first_index = 2

    def __init__(self, pattern: tuple, unique: bool, adds: bool):
        super().__init__(pattern, unique)
        self.adds = adds
        self.parameters = (pattern, unique, adds)

    @property
    def name(self):
        """The name that Theano gave it."""
        return "inc_subtensor" if self.adds else "set_subtensor"

    def infer(self, x, y, *inputs):
        if np.result_type(x.dtype, y.dtype) != x.dtype and not ew._is_weak(y):
            raise TypeError(f"{self.name}: {y!r} of {y.dtype} doesn't fit into {x.dtype} of {x!r}")
        return x.dtype, x.dims

    def vjp(self, i, out, g, x, y, *inputs):
        """Return g[…] for y; for x g, without what was replaced."""
        if i == 1:
            return Index(self.pattern, self.unique)(g, *inputs)
        return g if self.adds else SetAt(self.pattern, self.unique, False)(g, 0, *inputs)

    def code(self, x, y, *inputs):
        function = "add_at" if self.adds else "set_at"
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
    if isinstance(x.operation, arrays.ShapeVector) and len(parts) == 1:
        [array], [part] = x.inputs, parts
        if isinstance(part, (int, np.integer)):
            if not -array.ndim <= part < array.ndim:
                raise IndexError(f"{array!r} has {array.ndim} axes, so it has no shape[{part}]")
            return arrays.ShapeOf(int(part) % array.ndim)(array)
        if isinstance(part, slice) and range(array.ndim)[part]:
            return arrays.stack([x[i] for i in range(array.ndim)[part]])
    of_stack = isinstance(x.operation, arrays.MakeVector) and type(parts[0]) is int
    if of_stack and len(parts) == 1 and -len(x.inputs) <= parts[0] < len(x.inputs):
        return x.inputs[parts[0]]
    pattern, inputs = _parsed(x, parts)
    if all(part in (("new",), ("slice", None, None, None)) for part in pattern):
        new = tuple(k for k, part in enumerate(pattern) if part == ("new",))
        return arrays.expand(x, new)
    return Index(pattern, _unique(x, pattern, inputs))(x, *inputs)


def _parsed(x, parts):
    """Return the pattern of an index, and the variables in it."""
    parts = _without_ellipsis(x, parts)
    pattern, inputs = [], []
    for part in parts:
        if part is None:
            pattern.append(("new",))
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
        elif isinstance(part, (int, np.integer)) and not isinstance(part, bool):
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
    if isinstance(part, (np.ndarray, Variable)) and part.dtype == "bool":
        return part.ndim
    return 1


def _without_ellipsis(x, parts):
    parts = [as_variable(p) if isinstance(p, list) else p for p in parts]
    n_axes = sum(map(_n_axes, parts))
    if n_axes > x.ndim:
        raise IndexError(f"{x!r} has {x.ndim} axes, but is indexed by {n_axes}")
    at = [i for i, part in enumerate(parts) if part is Ellipsis]
    if len(at) > 1:
        raise IndexError("an index can have only one ellipsis")
    for i in at:
        parts = parts[:i] + [slice(None)] * (x.ndim - n_axes) + parts[i + 1 :]
    return parts


def _integers(part):
    variable = as_variable(part)
    if variable.kind not in "biu" or (variable.kind == "b" and variable.ndim == 0):
        raise TypeError(
            f"an index must be integers or a mask, got {variable!r} of {variable.dtype}"
        )
    return variable


def _unique(x, pattern, inputs):
    """Return whether no element is named twice: slices, masks, and rows 0, 1, 2, … in order."""
    if not any(part == ("array",) for part in pattern):
        return True
    if pattern[0] != ("array",):
        return False
    rows = inputs[0].operation
    counts = isinstance(rows, arrays.Arange) and arrays.counts_from_zero(*inputs[0].inputs[::2])
    return counts and all(i.ndim <= 1 for i in inputs)


def _dims(x, pattern, inputs):
    dims, inputs = iter(x.dims), iter(inputs)
    result, index_arrays, at = [], [], []
    for place, (kind, *rest) in enumerate(pattern):
        if kind == "new":
            result.append(1)
        elif kind == "slice":
            result.append(_slice_dim(next(dims), rest))
            for _ in range(rest.count("input")):
                next(inputs)
        else:
            at.append((place, len(result)))  # beside an array an integer counts as one, too
            for _ in range(rest[0] if kind == "mask" else 1):
                next(dims)
            if kind == "mask":
                next(inputs)
                index_arrays.append((Dim(),))
            elif kind != "int":
                index_arrays.append(next(inputs).dims)
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
    if list(bounds) == [None, None, None] or list(bounds) == [None, None, -1]:
        return n
    if isinstance(n, int) and "input" not in bounds:
        return len(range(*slice(*bounds).indices(n)))
    return Dim()


def _subtensor(name, x, y, adds):
    operation = getattr(x, "operation", None)
    y = as_variable(y)
    if isinstance(operation, Index):
        base, *inputs = x.inputs
        y = y if ew._is_weak(y) else ew.cast(y, np.result_type(base.dtype, y.dtype))
        return SetAt(operation.pattern, operation.unique, adds)(base, y, *inputs)
    if isinstance(operation, arrays.ShapeOf):
        return _subtensor(name, Index((("int", operation.axis),), True)(x.inputs[0].shape), y, adds)
    raise TypeError(f"{name}: the first argument must be an indexed variable, x[…], got {x!r}")


def set_subtensor(x, y) -> Variable:
    """Return the array that `x` is a part of, with that part replaced by `y`."""
    return _subtensor("set_subtensor", x, y, adds=False)


def inc_subtensor(x, y) -> Variable:
    """Return the array that `x` is a part of, with `y` added to that part."""
    return _subtensor("inc_subtensor", x, y, adds=True)


class Nonzero(Operation):
    """Indices of the nonzero elements along one axis.

    Parameters
    ----------
    axis : int
    """

    name = "nonzero"
    differentiable = False

    def __init__(self, axis: int):
        self.axis = axis
        self.parameters = (axis,)

    def infer(self, x):
        return "int64", (Dim(),)

    def code(self, x):
        return f"np.nonzero({x})[{self.axis}]"


def nonzero(x) -> tuple[Variable, ...]:
    """Return, for each axis, a vector of indices of the nonzero elements."""
    x = as_variable(x)
    return tuple(Nonzero(axis)(x) for axis in range(x.ndim))


def take(x, indices, axis=None) -> Variable:
    """Return the elements of `x` at `indices` along `axis`; by default of `x` flattened."""
    x = arrays.flatten(x) if axis is None else as_variable(x)
    axis = arrays.as_axes("take", x, 0 if axis is None else axis)[0]
    return x[(slice(None),) * axis + (indices,)]


def diag(x) -> Variable:
    """Return the diagonal of a matrix, or the matrix with the diagonal `x`."""
    x = as_variable(x)
    if x.ndim == 1:
        places = arrays.arange(x.shape[0])
        where = ew.eq(arrays.expand(places, (1,)), arrays.expand(places, (0,)))
        return ew.switch(where, arrays.expand(x, (0,)), 0)
    if x.ndim != 2:
        raise TypeError(f"diag takes a vector or a matrix, got {x!r} with {x.ndim} axes")
    n = arrays.ShapeOf(0)(x), arrays.ShapeOf(1)(x)
    places = arrays.arange(ew.minimum(*n))
    return x[places, places]


def trace(x) -> Variable:
    """Return the sum of the diagonal of a matrix."""
    return arrays.sum(diag(x))
