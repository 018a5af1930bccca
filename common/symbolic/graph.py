"""The graph: variables, and the operations that made them.

An expression is data. A variable knows the operation that computes it and the variables that the
operation takes; these know theirs, and so on down to the leaves: inputs, constants and shared
variables. Nothing is computed here.

Shapes are known in part. The size of an axis is an integer where it is known when the variable is
made, else a `Dim`, a symbolic dimension. As in Theano, only an axis of known size 1 broadcasts.
"""

import itertools
import sys
import threading
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

from common.symbolic.config import config

# All dtypes there are, and their kinds: boolean, signed and unsigned integer, float, complex.
KINDS = {"bool": "b", "float32": "f", "float64": "f", "complex64": "c", "complex128": "c"}
KINDS |= {f"int{n}": "i" for n in (8, 16, 32, 64)} | {f"uint{n}": "u" for n in (8, 16, 32, 64)}

_serials = itertools.count()


class DisconnectedInputError(ValueError):
    """A gradient was asked for with respect to a variable that the cost doesn't depend on."""


class MissingInputError(ValueError):
    """A function's outputs need a variable that isn't among its inputs."""


class UnusedInputError(ValueError):
    """A function has an input that its outputs don't need."""


class Dim:
    """The size of an axis that isn't known yet. The same object means the same size.

    `of_leaf` tells whether it is that of an input or shared variable, known when a call begins.
    """

    __slots__ = ("of_leaf",)

    def __init__(self, of_leaf=False):
        self.of_leaf = of_leaf

    def __repr__(self):
        return "?"


class Operation:
    """Base of all operations.

    A new kind needs `name`, `infer`, `code` and `vjp`, and `parameters` if it has any. For an
    elementwise function there is a shorter way, `common.symbolic.elementwise.Elementwise`.

    Attributes
    ----------
    name : str
    parameters : tuple of hashable
        Such as the axes of a sum. Operations of one name with equal parameters do the same.
    view : bool
        Whether the result may be a view of the first input, which shares its memory.
    differentiable : bool
        Whether it has a derivative other than 0 (comparison and rounding have none).
    selects : bool
        Whether it passes on some elements of its inputs and ignores others. A derivative of those
        that are ignored must not count, even where it is infinite.
    """

    name = ""
    parameters: tuple = ()
    view = False
    differentiable = True
    selects = False

    @property
    def key(self):
        """What distinguishes it from other operations."""
        return (self.name, self.parameters)

    def __call__(self, *inputs) -> "Variable":
        """Return the variable that this operation computes from `inputs`."""
        inputs = tuple([as_variable(x) for x in inputs])
        dtype, dims = self.infer(*inputs)
        return Variable(self, inputs, dtype, dims)

    def infer(self, *inputs: "Variable") -> tuple[str, tuple]:
        """Return dtype and shape of the output, or raise what is wrong with the inputs."""
        raise NotImplementedError

    def connected(self, i: int) -> bool:
        """Return whether the output depends on the values of input `i`, not only on its shape."""
        return True

    def vjp(self, i: int, out: "Variable", g: "Variable", *inputs: "Variable"):
        """Return the vector-Jacobian product: ∂cost/∂inputs[i], given `g` = ∂cost/∂out.

        None stands for 0. It is written with operations, so that it can be differentiated again.
        """
        raise NotImplementedError

    def code(self, *args: str) -> str:
        """Return the NumPy expression that computes it; `args` are the texts of its inputs."""
        raise NotImplementedError

    def __repr__(self):
        return self.name


class Variable:
    """A number or array that has no value yet: what an operation will compute from its inputs.

    Its operators, and methods such as `sum`, are those of NumPy's arrays; they are attached in
    `common.symbolic.operators`, when there are operations.

    Attributes
    ----------
    operation : Operation or None
        What computes it; None for a leaf.
    inputs : tuple of Variable
        What the operation takes.
    dtype : str
        "float64", "int32", …
    dims : tuple of int or Dim
        The shape as far as it is known.
    name : str or None
    made_at : (str, int)
        File and line of the code outside of this package that made it.
    serial : int
        Larger for a variable that was made later.
    """

    __slots__ = (
        *("operation", "inputs", "dtype", "dims", "name", "made_at", "serial"),
        *("_tag", "__weakref__"),
    )
    __array_ufunc__ = None  # ndarray + Variable calls Variable.__radd__
    __hash__ = object.__hash__

    def __init__(self, operation, inputs, dtype: str, dims, name=None, made_at=None):
        self.operation = operation
        self.inputs = inputs
        self.dtype = dtype
        self.dims = dims
        self.name = name
        self.made_at = made_at or users_place()
        self.serial = next(_serials)

    @property
    def kind(self) -> str:
        """The kind of dtype: b(oolean), i(nteger), u(nsigned), f(loat), c(omplex)."""
        return KINDS[self.dtype]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.dims)

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        """For each axis, whether its size is known to be 1."""
        return tuple([n == 1 for n in self.dims])

    @property
    def type(self) -> "TensorType":
        """Its dtype and broadcastable axes."""
        return TensorType(self.dtype, self.broadcastable)

    @property
    def tag(self) -> SimpleNamespace:
        """A place for the user's own notes, such as ``x.tag.test_value``."""
        if not hasattr(self, "_tag"):
            self._tag = SimpleNamespace()
        return self._tag

    def eval(self, inputs=None) -> np.ndarray:
        """Return the value, given those of the inputs: ``z.eval({x: 1, y: 2})``."""
        from common.symbolic.function import function

        inputs = inputs or {}
        return function(list(inputs), self, on_unused_input="ignore")(*inputs.values())

    def __repr__(self):
        return self.name or (self.operation.name if self.operation else f"<{self.dtype} variable>")

    def __iter__(self):
        if not self.dims or not isinstance(self.dims[0], int):
            raise TypeError(f"{self!r} can't be iterated: its first axis has no known size")
        return (self[i] for i in range(self.dims[0]))

    def __bool__(self):
        if getattr(self.operation, "is_comparison", False):
            raise TypeError(
                f"the comparison {self!r} has no value yet, so it is neither true nor false; "
                "choose with switch of common.symbolic.tensor"
            )
        return True  # so that `if W:` tells a variable from None

    # Copies and pickles hold a flat list of records: a deep graph would overflow Python's stack.

    def __reduce_ex__(self, protocol):
        if self.operation is None:
            slots = super().__reduce_ex__(2)[2][1]
            # What may refer to the variable itself is set when there is one.
            late = {n: slots.pop(n) for n in ("_tag", "default_update") if n in slots}
            return _from_slots, (type(self), slots), (None, late)
        order = ancestors([self])
        place = {v: i for i, v in enumerate(order)}
        records = [
            (v.operation, [place[x] for x in v.inputs], v.name, v.made_at) if v.operation else v
            for v in order
        ]
        return _from_records, (records,)


class Input(Variable):
    """A leaf whose value is an argument of a function. Made by a `TensorType`."""

    __slots__ = ()

    def __init__(self, dtype, dims: Sequence, name: str | None = None):
        dims = tuple([Dim(of_leaf=True) if n is None else n for n in dims])
        super().__init__(None, (), checked_dtype(dtype), dims, name)


class Constant(Variable):
    """A leaf with a value that never changes.

    Attributes
    ----------
    value : ndarray
        A copy of what was given, read-only.
    weak : bool
        Whether it is a Python number, which takes the dtype of floats that it meets.
    """

    __slots__ = ("value", "weak")

    def __init__(self, value, name: str | None = None, *, dtype=None, weak=False):
        self.value = np.array(value)
        self.value.setflags(write=False)
        self.weak = weak
        super().__init__(None, (), checked_dtype(dtype or self.value.dtype), self.value.shape, name)

    def __repr__(self):
        text = np.array2string(self.value, threshold=6, edgeitems=2)
        return self.name or " ".join(text.split())


class Shared(Variable):
    """A leaf with a value that functions can read and update. Made by `shared`.

    An axis whose first value has size 1 has size 1 for good, and can broadcast.

    Attributes
    ----------
    default_update : Variable or None
        What each function that uses the variable replaces its value by, unless its `updates` or
        `no_default_updates` say otherwise.
    """

    __slots__ = ("_value", "default_update", "strict")

    def __init__(self, value: np.ndarray, name: str | None = None, strict=False, ones=None):
        ones = [n == 1 for n in value.shape] if ones is None else ones
        dims = tuple([1 if one else Dim(of_leaf=True) for one in ones])
        super().__init__(None, (), checked_dtype(value.dtype), dims, name)
        self._value = value
        self.strict = strict
        self.default_update = None

    def __repr__(self):
        return self.name or f"<shared {self.dtype} variable>"

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> np.ndarray:
        """Return the value: a copy, or, if `borrow`, the array itself, which updates replace."""
        return self._value if borrow else self._value.copy()

    def set_value(self, value, borrow: bool = False) -> None:
        """Replace the value.

        Parameters
        ----------
        value : array_like
            Sizes of axes may change, but one of size 1 stays 1.
        borrow : bool
            Whether an array of the right dtype is kept, and not copied. Updates replace it; they
            never write into it.

        Raises
        ------
        TypeError
            If the number of axes is another one, an axis of size 1 gets another size, or the dtype
            can't hold the value.
        """
        array = as_value(f"the value of {self!r}", value, self.dtype, self.dims, strict=self.strict)
        self._value = array if borrow and array is value else array.copy()


def shared(value, name=None, strict=False, borrow=False, broadcastable=None, **ignored) -> "Shared":
    """Return a shared variable that starts with `value`, and keeps its dtype and number of axes.

    Parameters
    ----------
    value : array_like of numbers
    strict : bool
        Whether `set_value` refuses arrays of another dtype that could be converted.
    borrow : bool
        Whether an array is kept and not copied. Updates replace it, and never write into it.
    broadcastable : sequence of bool, optional
        For each axis, whether its size stays 1; by default, whether it is 1.
    **ignored
        Other options of Theano, which have no effect.

    Raises
    ------
    TypeError
        If `value` isn't made of numbers.

    Examples
    --------
    >>> counter = shared(0, name="counter")
    >>> counter.get_value()
    array(0)
    """
    if isinstance(value, Variable):
        raise TypeError(f"a shared variable starts with a value, got the variable {value!r}")
    array = _numbers("a shared variable starts with a number or an array of numbers", value)
    array = array if borrow and array is value else array.copy()
    return Shared(array, name, strict, broadcastable)


# Names of kinds of variables, and which of their axes have size 1.
AXES = {
    "scalar": (),
    "vector": (False,),
    "matrix": (False, False),
    "row": (True, False),
    "col": (False, True),
    "tensor3": (False,) * 3,
    "tensor4": (False,) * 4,
}


class TensorType:
    """A kind of variable: dtype and broadcastable axes. Call it to make one.

    Parameters
    ----------
    dtype : str or None
        None or "floatX" for ``config.floatX`` at the time of the call.
    broadcastable : sequence of bool
        For each axis, whether it has size 1, and so broadcasts.

    Examples
    --------
    >>> TensorType("float64", (False, False))("x").type
    TensorType(float64, matrix)
    """

    def __init__(self, dtype, broadcastable, name=None):
        self._dtype = None if dtype in (None, "floatX") else checked_dtype(dtype)
        self.broadcastable = tuple([bool(b) for b in broadcastable])

    @property
    def dtype(self) -> str:
        """The name of the dtype."""
        return self._dtype or config.floatX

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.broadcastable)

    def __call__(self, name: str | None = None, dtype=None) -> Input:
        """Return a new variable of this kind."""
        if name is not None and not isinstance(name, str):
            raise TypeError(f"the name of a variable must be a string, got {name!r}")
        return Input(dtype or self.dtype, [1 if b else None for b in self.broadcastable], name)

    def several(self, *names) -> list[Input]:
        """Return several variables, given their names, a string of letters, or their number."""
        if len(names) == 1:
            names = [None] * names[0] if isinstance(names[0], int) else names[0]
        return [self(name) for name in names]

    def __eq__(self, other):
        return isinstance(other, TensorType) and repr(self) == repr(other)

    def __hash__(self):
        return hash(repr(self))

    def __repr__(self):
        names = {axes: name for name, axes in AXES.items()}
        return f"TensorType({self.dtype}, {names.get(self.broadcastable, self.broadcastable)})"


# Values


def checked_dtype(dtype) -> str:
    """Return the name of a dtype; "floatX" is that of the configuration.

    Raises
    ------
    TypeError
        If it is no dtype of numbers, or has 16 or more than 64 bits of precision.
    """
    if type(dtype) is str and dtype in KINDS:
        return dtype
    try:
        name = config.floatX if type(dtype) is str and dtype == "floatX" else np.dtype(dtype).name
    except TypeError as error:
        raise TypeError(f"expected a dtype of numbers, got {dtype!r}") from error
    if name == "float16":
        raise TypeError("float16 isn't supported: its sums overflow at 65,504; use float32")
    if name not in KINDS:
        raise TypeError(f"expected one of the dtypes {', '.join(KINDS)}, got {name}")
    return name


def as_variable(value, name: str | None = None) -> Variable:
    """Return `value` itself if it is a variable, else a constant of it.

    A list that has variables in it is stacked along a new first axis.

    Raises
    ------
    TypeError
        If it is neither a number nor an array of numbers.
    """
    if isinstance(value, Variable):
        return value
    if type(value) in (int, float, complex):
        return Constant(value, name, dtype=_dtype_of_number(value), weak=True)
    if isinstance(value, list | tuple) and _has_variable(value):
        from common.symbolic.arrays import stack

        return stack([as_variable(part) for part in value])
    return Constant(_numbers("expected a variable, a number or an array of numbers", value), name)


def _has_variable(part):
    return isinstance(part, Variable) or (
        isinstance(part, list | tuple) and any(map(_has_variable, part))
    )


def _dtype_of_number(value):
    if type(value) is not int:
        return config.floatX if type(value) is float else "complex128"
    for dtype, bits in (("int8", 7), ("int16", 15), ("int32", 31), ("int64", 63)):
        if -(1 << bits) <= value < 1 << bits:
            return dtype
    if 0 <= value < 1 << 64:
        return "uint64"
    raise TypeError(f"an integer must fit into 64 bits, got {value}")


def _numbers(message, value):
    """Return `value` as an array of numbers, or raise a TypeError."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # lists of different lengths
        raise TypeError(f"{message}, got {value!r:.80}") from error
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{message}, got {value!r:.80}")
    return array


def as_value(name: str, value, dtype: str, dims, downcast=False, strict=False) -> np.ndarray:
    """Return `value` as an array that a variable can take, itself if it fits.

    Arrays are converted only to a dtype that holds all that theirs can. Python numbers, lists and
    NumPy scalars go into any dtype that holds their values, floats into float32 too. With
    `downcast` precision may be lost; with `strict` no array of another dtype is accepted.

    Raises
    ------
    TypeError
        If it has another number of axes, another size where one is known, or its dtype doesn't
        fit. The message calls it `name`.
    """
    array = _numbers(f"{name}: expected numbers of {dtype}", value)
    if array.ndim != len(dims):
        raise TypeError(f"{name}: expected {len(dims)} axes, got shape {array.shape}")
    for axis, (n, size) in enumerate(zip(dims, array.shape, strict=True)):
        if isinstance(n, int) and n != size:
            raise TypeError(f"{name}: axis {axis} must have size {n}, got shape {array.shape}")
    if array.dtype == dtype:
        return array.astype(dtype, copy=False)  # in native byte order
    if isinstance(value, np.ndarray):
        fits = not strict and np.can_cast(array.dtype, dtype, "safe")
    else:
        fits = _holds(dtype, array)
    if not fits and not (downcast and array.dtype.kind != "c"):
        given = f"an array of {array.dtype}" if isinstance(value, np.ndarray) else f"{value!r:.80}"
        raise TypeError(
            f"{name}: expected {dtype}, got {given}, which {dtype} can't hold without loss; "
            f"convert it with np.asarray(…, '{dtype}')"
        )
    return array.astype(dtype)


def _holds(dtype, array):
    """Return whether `dtype` holds integers unchanged, and finite floats as finite ones."""
    if array.dtype.kind in "fc" and not np.can_cast(array.dtype, dtype, "same_kind"):
        return False
    with np.errstate(all="ignore"):
        converted = array.astype(dtype)
    if KINDS[dtype] in "fc":
        return bool(np.isfinite(converted[np.isfinite(array)]).all())
    return dtype != "bool" and np.array_equal(converted, array)


def readable_shape(dims) -> str:
    """Return a shape as text, with a question mark for each unknown size."""
    return str(tuple(dims))


# Walks


def ancestors(outputs: Iterable[Variable], known: Container = ()) -> list[Variable]:
    """Return all variables that `outputs` depend on, themselves included, in topological order.

    Inputs come before what is computed from them; the walk doesn't go beyond those that are
    `known`. It keeps its own stack, since Python's would overflow on a chain of a thousand
    operations.
    """
    order, seen = [], set()
    stack = list(outputs)[::-1]
    while stack:
        variable = stack.pop()
        if variable is None:  # all inputs of the next one are in `order`
            order.append(stack.pop())
        elif variable not in seen and variable not in known:
            seen.add(variable)
            stack += (variable, None, *variable.inputs[::-1])
    return order


def rebuilt(variable: Variable, inputs: tuple[Variable, ...]) -> Variable:
    """Return what the operation of `variable` computes from other inputs of the same dtypes."""
    operation = variable.operation
    dtype, dims = operation.infer(*inputs)
    return Variable(operation, inputs, dtype, dims, variable.name, variable.made_at)


def _from_slots(kind, slots):
    leaf = object.__new__(kind)
    for name, value in slots.items():
        setattr(leaf, name, value)
    if kind is Constant:
        leaf.value.setflags(write=False)
    leaf.serial = next(_serials)
    return leaf


def _from_records(records):
    made = []
    for record in records:
        if not isinstance(record, Variable):
            operation, places, *notes = record
            inputs = tuple([made[i] for i in places])
            record = Variable(operation, inputs, *operation.infer(*inputs), *notes)
        made.append(record)
    return made[-1]


def count_variables() -> int:
    """Return a serial number above those of all variables so far, and below those to come."""
    return next(_serials)


# Places: where a variable was made


_place = threading.local()
_PACKAGE = __name__.rpartition(".")[0] + "."


@contextmanager
def made_here() -> Iterator[None]:
    """Record the user's current line for all variables that are made within this context."""
    before = getattr(_place, "known", None)
    _place.known = users_place()
    try:
        yield
    finally:
        _place.known = before


def users_place() -> tuple[str, int]:
    """Return file and line of the code outside of this package that is running."""
    known = getattr(_place, "known", None)
    if known is not None:
        return known
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_inside(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def _is_inside(module):
    return module.startswith(_PACKAGE) or module == "contextlib"


def described(variable: Variable) -> str:
    """Return how an error names a variable: name, operation, and where it was made."""
    file, line = variable.made_at
    what = f" ({variable.operation.name})" if variable.operation and variable.name else ""
    return f"{variable!r}{what}, made at {file}:{line}"
