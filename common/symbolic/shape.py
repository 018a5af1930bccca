"""Operations on dtype and shape: convert, measure, reshape, join, count up."""

import numpy as np

from common.symbolic.config import config
from common.symbolic.graph import Constant, Length, Variable, as_variable
from common.symbolic.operation import Operation, readable_shape, result_dtype

__all__ = [
    "Arange",
    "Cast",
    "Join",
    "Reshape",
    "ReshapeLike",
    "ShapeOf",
    "ShapeVector",
    "arange",
    "cast",
    "join",
    "reshape",
    "shape",
]


class Cast(Operation):
    """The same numbers in another dtype.

    Parameters
    ----------
    dtype : dtype
    """

    name = "cast"
    view = True

    def __init__(self, dtype):
        self.dtype = np.dtype(dtype)
        self.settings = (self.dtype.name,)

    def output_type(self, x):
        if x.dtype.kind == "c" and self.dtype.kind != "c":
            raise TypeError(f"cast: {x!r} is complex, so it can't be cast to {self.dtype}")
        return self.dtype, x.lengths

    def derivative(self, i, out, g, x):
        return g

    def code(self, x):
        return f"np.asarray({x}, np.{self.dtype.name})"


def cast(x, dtype) -> Variable:
    """Return `x` in another dtype, by name or as NumPy's; "floatX" is that of the configuration.

    Raises
    ------
    TypeError
        If there is no such dtype of numbers, or `x` is complex and the dtype isn't.
    """
    x = as_variable(x)
    try:
        dtype = np.dtype(config.floatX if isinstance(dtype, str) and dtype == "floatX" else dtype)
    except TypeError as error:
        raise TypeError(f"cast: expected a dtype of numbers, got {dtype!r}") from error
    if dtype.kind not in "biufc":
        raise TypeError(f"cast: expected a dtype of numbers, got {dtype}")
    return x if x.dtype == dtype and not x.weak else Cast(dtype)(x)


class ShapeOf(Operation):
    """The length of one axis, a plain number as in NumPy.

    Parameters
    ----------
    axis : int
    """

    name = "length"
    smooth = False
    weak = True

    def __init__(self, axis: int):
        self.axis = axis
        self.settings = (axis,)

    def output_type(self, x):
        return np.dtype(np.int64), ()

    def connected(self, i):
        return False

    def code(self, x):
        return f"{x}.shape[{self.axis}]"


class ShapeVector(Operation):
    """All lengths, as a vector of integers."""

    name = "shape"
    smooth = False

    def output_type(self, x):
        return np.dtype(np.int64), (x.ndim,)

    def connected(self, i):
        return False

    def code(self, x):
        return f"np.array({x}.shape, np.int64)"


def shape(x) -> Variable:
    """Return the shape of `x`: a vector of which single entries are plain numbers."""
    return ShapeVector()(x)


class Reshape(Operation):
    """The entries of the first input in the shape that the others, numbers, tell; −1 fits."""

    name = "reshape"
    view = True
    shaped_by_value = True

    def output_type(self, x, *lengths):
        for n in lengths:
            if n.dtype.kind not in "iu" or n.ndim:
                raise TypeError(f"reshape: lengths must be whole numbers, got {n!r}")
        return x.dtype, tuple(
            int(n.value) if isinstance(n, Constant) and n.value >= 0 else _length_of(n)
            for n in lengths
        )

    def connected(self, i):
        return i == 0

    def derivative(self, i, out, g, x, *lengths):
        return ReshapeLike()(g, x)

    def code(self, x, *lengths):
        return f"{x}.reshape({', '.join(lengths) or '()'})"


def _length_of(n: Variable):
    if isinstance(n.operation, ShapeOf):
        return n.inputs[0].lengths[n.operation.axis]
    return Length.new()


def reshape(x, *lengths) -> Variable:
    """Return the entries of `x` in another shape, of numbers or variables; one may be −1.

    Raises
    ------
    TypeError
        If a length isn't a whole number, or the number of axes isn't known.
    """
    if len(lengths) == 1 and isinstance(lengths[0], (tuple, list)):
        [lengths] = lengths
    elif len(lengths) == 1 and isinstance(lengths[0], Variable) and lengths[0].ndim == 1:
        lengths = tuple(lengths[0])
    return Reshape()(_array(as_variable(x)), *lengths)


def _array(x):
    return cast(x, x.dtype) if x.weak else x


class ReshapeLike(Operation):
    """The entries of the first input in the shape of the second."""

    name = "reshape_like"
    view = True

    def output_type(self, g, x):
        return g.dtype, x.lengths

    def connected(self, i):
        return i == 0

    def derivative(self, i, out, gg, g, x):
        return ReshapeLike()(gg, g)

    def code(self, g, x):
        return f"{g}.reshape({x}.shape)"


class Join(Operation):
    """Arrays one after the other along an axis.

    Parameters
    ----------
    axis : int
    """

    name = "concatenate"

    def __init__(self, axis: int):
        self.axis = axis
        self.settings = (axis,)

    def output_type(self, *arrays):
        lengths = list(zip(*(a.lengths for a in arrays), strict=True))
        for axis, along in enumerate(lengths):
            if axis != self.axis and len({n for n in along if isinstance(n, int)}) > 1:
                shapes = ", ".join(f"{a!r} {readable_shape(a.lengths)}" for a in arrays)
                raise ValueError(f"concatenate: lengths differ along axis {axis}: {shapes}")
        along = lengths[self.axis]
        whole = sum(along) if all(isinstance(n, int) for n in along) else Length.new()
        rest = [next((n for n in ns if isinstance(n, int)), ns[0]) for ns in lengths]
        return result_dtype(*arrays), (*rest[: self.axis], whole, *rest[self.axis + 1 :])

    def derivative(self, i, out, g, *arrays):
        start = sum((ShapeOf(self.axis)(a) for a in arrays[:i]), start=as_variable(0))
        stop = start + ShapeOf(self.axis)(arrays[i])
        part = g[(slice(None),) * self.axis + (slice(start, stop),)]
        return ReshapeLike()(part, arrays[i])

    def code(self, *arrays):
        return f"np.concatenate([{', '.join(arrays)}], axis={self.axis})"


def join(arrays, axis=0) -> Variable:
    """Return `arrays` one after the other along `axis`.

    Raises
    ------
    TypeError
        If `arrays` isn't a list or tuple, or is empty.
    ValueError
        If the arrays have no such axis, or don't have the same number of axes.
    """
    if not isinstance(arrays, (list, tuple)) or not arrays:
        raise TypeError(f"concatenate takes a list of arrays, got {arrays!r}")
    arrays = [as_variable(a) for a in arrays]
    ndim = arrays[0].ndim
    if any(a.ndim != ndim for a in arrays):
        dims = ", ".join(f"{a!r} {a.ndim}" for a in arrays)
        raise ValueError(f"concatenate: arrays must have equally many axes, got {dims}")
    if not -ndim <= axis < ndim:
        raise ValueError(f"concatenate: {arrays[0]!r} has {ndim} axes, so it has no axis {axis}")
    return Join(axis % ndim)(*arrays)


class Arange(Operation):
    """start, start + step, … below stop."""

    name = "arange"
    smooth = False
    shaped_by_value = True

    def output_type(self, start, stop, step):
        for n in (start, stop, step):
            if n.ndim:
                raise TypeError(f"arange takes numbers, got {n!r} with {n.ndim} axes")
        dtype = np.result_type(
            *(np.int64 if n.weak and n.dtype.kind in "bi" else n.dtype for n in (start, stop, step))
        )
        if _is(start, 0) and _is(step, 1) and dtype.kind == "i":
            return dtype, (
                max(0, int(stop.value)) if isinstance(stop, Constant) else _length_of(stop),
            )
        return dtype, (Length.new(),)

    def connected(self, i):
        return False

    def code(self, start, stop, step):
        if (start, step) == ("0", "1"):
            return f"np.arange({stop})"
        return f"np.arange({start}, {stop}, {step})"


def _is(n, number):
    return isinstance(n, Constant) and n.value == number


def arange(start, stop=None, step=1) -> Variable:
    """Return start, start + step, … below stop; with one argument 0, 1, … below it."""
    start, stop = (0, start) if stop is None else (start, stop)
    return Arange()(start, stop, step)
