"""The graph: variables, and the operations that made them.

An expression is data. A variable knows the operation that computes it and the variables that the
operation takes; these know theirs, and so on down to the leaves: inputs, constants and shared
variables. Nothing is computed here.

Shapes may be known in part. The size of an axis is an integer if it is known when the variable is
made, else a `Dim`, a symbolic dimension. As in Theano, only an axis of known size 1 broadcasts.
"""

import itertools
import sys
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cached_property
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
    """A symbolic dimension: an unknown size of an axis. The same object means the same size.

    `of_leaf` tells whether an input or shared variable has it, so that a call begins by knowing it.
    """

    def __init__(self, of_leaf=False):
        self.of_leaf = of_leaf

    def __repr__(self):
        return "?"


class Operation:
    """Base of all operations.

    A new kind needs a `name`, and a `template` or `code`. Unless it says otherwise, the result has
    dtype and shape of the first input, and the VJP is the adjoint itself, which the gradient walk
    sums where the input was broadcast. Attributes can be given in the line of the class:
    ``class Copy(Operation, name="copy", template="{0}", view=True)``. For an elementwise function
    there is a shorter way, `common.symbolic.elementwise.Elementwise`.

    Attributes
    ----------
    name : str
    fields : tuple of str
        Names of its parameters, which are hashable, such as the axes of a sum.
    template : str
        The NumPy expression, with {0}, {1}, … or {all} for the inputs and {op} for the operation.
    n_values : int or None
        How many inputs, from the first, the result depends on by their values. The others give
        only a shape or an index, and no derivative passes to them. None for all.
    shape_only : int or None
        Which input counts only by its shape, so that its values needn't be computed.
    moves : bool
        Whether the result has elements of the first input, perhaps at other places.
    view : bool
        Whether the result may be a view of the first input, which shares its memory.
    differentiable : bool
        Whether it has a derivative other than 0 (comparison and rounding have none).
    selects : bool
        Whether it ignores elements of its inputs, whose derivatives, even infinite ones, don't
        count.
    """

    name = template = ""
    fields = parameters = ()
    n_values = shape_only = None
    view = moves = selects = False
    differentiable = True

    def __init_subclass__(cls, **attributes):
        for name, value in attributes.items():
            setattr(cls, name, value)

    def __init__(self, *parameters):
        self.parameters = parameters
        for field, value in zip(self.fields, parameters, strict=True):
            setattr(self, field, value)

    @property
    def key(self):
        """What it has in common with operations that do the same."""
        return (type(self), self.parameters)

    def __call__(self, *inputs) -> "Variable":
        """Return the variable that this operation computes from `inputs`."""
        inputs = tuple(self.converted(*[as_variable(x) for x in inputs]))
        return Variable(self, inputs, *self.infer(*inputs))

    def converted(self, *inputs: "Variable"):
        """Return the inputs as the operation takes them.

        A Python number is converted to an array if it is the first input and the result depends on
        its value. Sizes, bounds and indices may stay Python numbers.
        """
        first, *rest = inputs
        if first.weak and self.connected(0):
            first = Constant(first.value, first.name, dtype=first.dtype)
        return first, *rest

    def infer(self, *inputs: "Variable") -> tuple[str, tuple]:
        """Return dtype and shape of the output, or raise what is wrong with the inputs."""
        return inputs[0].dtype, inputs[0].dims

    def connected(self, i: int) -> bool:
        """Return whether the output depends on the values of input `i`, not only on its shape."""
        return self.n_values is None or i < self.n_values

    def vjp(self, i: int, out: "Variable", g: "Variable", *inputs: "Variable"):
        """Return the vector-Jacobian product: ∂cost/∂inputs[i], given `g` = ∂cost/∂out.

        None stands for 0. It is written with operations, so that it can be differentiated again.
        """
        return g

    def guarded_vjp(self, i: int, out: "Variable", g: "Variable", *inputs: "Variable"):
        """Return the VJP, but 0 where g is 0, even if the local derivative is infinite there."""
        return self.vjp(i, out, g, *inputs)

    def code(self, *args: str) -> str:
        """Return the NumPy expression that computes it; `args` are the texts of its inputs."""
        return self.template.format(*args, op=self, all=", ".join(args))

    def __repr__(self):
        return self.name


class Variable:
    """A number or array that has no value yet: what an operation will compute from its inputs.

    Its operators, and methods such as `sum`, are those of NumPy's arrays; they are attached in
    `common.symbolic.operators`, when there are operations.

    Attributes
    ----------
    operation : Operation or None
        What computes it from `inputs`, a tuple of variables; None for a leaf.
    dtype, kind : str
        "float64", "int32", …, and the first letter of boolean, integer, unsigned, float, complex.
    dims : tuple of int or Dim
        The shape as far as it is known, of `ndim` axes.
    name : str or None
    made_at : (str, int)
        File and line of the code outside of this package that made it.
    serial : int
        Larger for a variable that was made later.
    weak : bool
        Whether it is a Python number, which takes the dtype of an array of floats beside it.
    """

    __array_ufunc__ = None  # ndarray + Variable calls Variable.__radd__
    weak = False

    def __init__(self, operation, inputs, dtype: str, dims, name=None, made_at=None):
        self.operation = operation
        self.inputs = inputs
        self.dtype, self.kind = dtype, KINDS[dtype]
        self.dims, self.ndim = dims, len(dims)
        self.name = name
        self.made_at = made_at or users_place()
        self.serial = next(_serials)

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        """For each axis, whether its size is known to be 1."""
        return tuple([n == 1 for n in self.dims])

    @property
    def type(self) -> "TensorType":
        """Its dtype and broadcastable axes."""
        return TensorType(self.dtype, self.broadcastable)

    @cached_property
    def tag(self) -> SimpleNamespace:
        """A place for the user's own notes, such as ``x.tag.test_value``."""
        return SimpleNamespace()

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
        return map(self.__getitem__, range(self.dims[0]))

    def __bool__(self):
        if self.kind == "b" and self.operation is not None:
            raise TypeError(
                f"the condition {self!r} has no value yet, so it is neither true nor false; "
                "choose with switch of common.symbolic.tensor"
            )
        return True  # so that `if W:` tells a variable from None

    def __reduce_ex__(self, protocol):
        """Copy and pickle a flat list of records: a deep graph would overflow Python's stack."""
        if self.operation is None:
            return super().__reduce_ex__(protocol)
        order = ancestors([self])
        place = {v: i for i, v in enumerate(order)}
        records = [
            (v.operation or v, [place[x] for x in v.inputs], v.dtype, v.dims, v.name, v.made_at)
            for v in order
        ]
        return _from_records, (records,)

    def __setstate__(self, state):
        vars(self).update(state, serial=next(_serials))


class Input(Variable):
    """A leaf whose value is an argument of a function. Made by a `TensorType`."""

    def __init__(self, dtype, dims: Sequence, name: str | None = None):
        dims = tuple([Dim(of_leaf=True) if n is None else n for n in dims])
        super().__init__(None, (), checked_dtype(dtype), dims, name)


class Constant(Variable):
    """A leaf whose `value` never changes: a read-only copy of the array that was given."""

    def __init__(self, value, name: str | None = None, *, dtype=None, weak=False):
        self.value = np.array(value, None if weak else dtype)
        self.value.setflags(write=False)
        self.operand = self.value.item() if weak else self.value  # as NumPy should take it
        self.weak = weak
        super().__init__(None, (), checked_dtype(dtype or self.value.dtype), self.value.shape, name)

    def __repr__(self):
        text = np.array2string(self.value, threshold=6, edgeitems=2)
        return self.name or " ".join(text.split())


class Shared(Variable):
    """A leaf with a value that functions can read and update: ``theano.shared(…)``.

    It keeps its dtype and number of axes. An axis of size 1 keeps this size, so it can broadcast.

    Parameters
    ----------
    value : array_like of numbers
        The first value. Anything else raises a TypeError.
    strict : bool
        Whether `set_value` refuses arrays of another dtype that could be converted.
    borrow : bool
        Whether to keep the array itself, not a copy. Updates replace it and never write into it.
    broadcastable : sequence of bool, optional
        For each axis, whether its size stays 1; by default, whether it is 1.
    **ignored
        Other options of Theano, which have no effect.

    Attributes
    ----------
    default_update : Variable or None
        The update in each function that uses the variable, unless the function's `updates` or
        `no_default_updates` say otherwise.
    """

    def __init__(self, value, name=None, strict=False, borrow=False, broadcastable=None, **ignored):
        array = _numbers("a shared variable starts with a number or an array of numbers", value)
        if not isinstance(name, str | None):
            raise TypeError(f"the name of a shared variable must be a string, got {name!r}")
        ones = [n == 1 for n in array.shape] if broadcastable is None else broadcastable
        dims = tuple([1 if one else Dim(of_leaf=True) for one in ones])
        super().__init__(None, (), checked_dtype(array.dtype), dims, name)
        self.strict, self.default_update = strict, None
        self.set_value(value, borrow)

    def __repr__(self):
        return self.name or f"<shared {self.dtype} variable>"

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> np.ndarray:
        """Return the value: a copy, or, if `borrow`, the array itself, which updates replace."""
        return self._value if borrow else self._value.copy()

    def set_value(self, value, borrow: bool = False) -> None:
        """Replace the value; if `borrow`, by the array `value` itself, if it has the right dtype.

        A TypeError is raised if axes or dtype don't fit, by the rules of `as_value`.
        """
        array = as_value(f"the value of {self!r}", value, self.dtype, self.dims, strict=self.strict)
        self._value = array if borrow and array is value else array.copy()


shared = Shared

# Names of types of variables, and which of their axes have size 1.
AXES = {"scalar": (), "vector": (False,), "matrix": (False,) * 2, "row": (True, False)}
AXES |= {"col": (False, True), "tensor3": (False,) * 3, "tensor4": (False,) * 4}


class TensorType:
    """A type of variable: dtype and broadcastable axes. Call it to make a variable.

    Parameters
    ----------
    dtype : str or None
        None or "floatX" for ``config.floatX`` at the time of the call.
    broadcastable : sequence of bool
        For each axis, whether it has size 1.

    Examples
    --------
    >>> TensorType("float64", (False, False))("x").type
    TensorType(float64, matrix)
    """

    def __init__(self, dtype, broadcastable, name=None):
        self.dtype = "floatX" if _is_floatX(dtype) else checked_dtype(dtype)
        self.broadcastable = tuple(map(bool, broadcastable))
        self.ndim = len(self.broadcastable)

    def __call__(self, name: str | None = None, dtype=None) -> Input:
        """Return a new variable of this type."""
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
        axes = names.get(self.broadcastable, self.broadcastable)
        return f"TensorType({checked_dtype(self.dtype)}, {axes})"


# Values


def _is_floatX(dtype):
    return dtype is None or (isinstance(dtype, str) and dtype == "floatX")


def checked_dtype(dtype) -> str:
    """Return the name of a dtype of numbers, floatX for None or "floatX", or raise TypeError."""
    if isinstance(dtype, str) and dtype in KINDS:  # first, since it nearly always is one
        return dtype
    if _is_floatX(dtype):
        return config.floatX
    with suppress(TypeError):
        name = np.dtype(dtype).name
        if name in KINDS:
            return name
    raise TypeError(
        f"expected one of the dtypes {', '.join(KINDS)}, got {dtype!r}; float16 isn't supported, "
        "since its sums overflow at 65,504"
    )


def as_variable(value, name: str | None = None) -> Variable:
    """Return a variable as it is, numbers as a constant, and a list with variables stacked.

    Anything else raises a TypeError.
    """
    if isinstance(value, Variable):
        return value
    if type(value) in (int, float, complex):
        return Constant(value, name, dtype=_dtype_of_number(value), weak=True)
    if _has_variable(value):
        from common.symbolic.arrays import stack

        return stack([as_variable(part) for part in value])
    return Constant(_numbers("expected a variable, a number or an array of numbers", value), name)


def _has_variable(value):
    if isinstance(value, list | tuple):
        return any(map(_has_variable, value))
    return isinstance(value, Variable)


def _dtype_of_number(value):
    if type(value) is not int:
        return config.floatX if type(value) is float else "complex128"
    for dtype in ("int8", "int16", "int32", "int64", "uint64"):
        if np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
            return dtype
    raise TypeError(f"an integer must fit into 64 bits, got {value}")


def _numbers(message, value):
    """Return `value` as an array of numbers, or raise a TypeError."""
    with suppress(ValueError):  # lists of different lengths
        array = np.asarray(value)
        if array.dtype.kind in "biufc":
            return array
    raise TypeError(f"{message}, got {value!r:.80}")


def as_value(name: str, value, dtype: str, dims, downcast=False, strict=False) -> np.ndarray:
    """Return `value` as an array of `dtype`: the same array if it has that dtype.

    An array is converted only to a dtype that holds all values of its own; if `strict`, not even
    then. Python numbers, lists and NumPy scalars are converted if integers stay the same and finite
    floats stay finite. With `downcast`, real numbers are converted to any dtype.

    Raises
    ------
    TypeError
        If `value` can't be converted, or its shape doesn't fit `dims`. The message begins with
        `name`.
    """
    array = _numbers(f"{name}: expected numbers of {dtype}", value)
    sizes = zip(dims, array.shape, strict=False)
    if array.ndim != len(dims) or any(isinstance(n, int) and n != m for n, m in sizes):
        raise TypeError(f"{name}: expected an array of shape {dims}, got {array.shape}")
    if array.dtype == dtype:
        return array
    if isinstance(value, np.ndarray):
        fits = not strict and np.can_cast(array.dtype, dtype)
    elif KINDS[dtype] in "iu":
        fits = array.dtype.kind in "biu" and np.array_equal(array.astype(dtype), array)
    else:
        with np.errstate(over="ignore"):
            fits = np.can_cast(array.dtype, dtype, "same_kind") and np.array_equal(
                np.isfinite(array.astype(dtype)), np.isfinite(array)
            )
    if not fits and not (downcast and array.dtype.kind != "c"):
        given = f"an array of {array.dtype}" if isinstance(value, np.ndarray) else f"{value!r:.80}"
        raise TypeError(
            f"{name}: expected {dtype}, got {given}, which {dtype} can't hold without loss; "
            f"convert it with np.asarray(…, '{dtype}')"
        )
    return array.astype(dtype)


# Walks


def ancestors(outputs: Iterable[Variable], known: Container = ()) -> list[Variable]:
    """Return all variables that `outputs` depend on, themselves included, in topological order.

    Inputs come before what is computed from them; those that are `known` are left out. The walk
    keeps its own stack, since Python's would overflow on a chain of a thousand operations.
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
    """Return `variable` made again by its operation, from other inputs of the same dtypes."""
    operation = variable.operation
    return Variable(operation, inputs, *operation.infer(*inputs), variable.name, variable.made_at)


def _from_records(records):
    """Return the variable that was pickled."""
    made = []
    for what, places, *others in records:
        inputs = tuple([made[i] for i in places])
        made.append(what if isinstance(what, Variable) else Variable(what, inputs, *others))
    return made[-1]


# Places: where a variable was made

_place = ContextVar("place", default=None)
_INSIDE = (__name__.rpartition(".")[0] + ".", "contextlib")


@contextmanager
def made_here() -> Iterator[None]:
    """Record the user's current line for all variables that are made within this context."""
    before = _place.set(users_place())
    try:
        yield
    finally:
        _place.reset(before)


def users_place() -> tuple[str, int]:
    """Return file and line of the code outside of this package that is running."""
    if known := _place.get():
        return known
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_INSIDE):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def described(variable: Variable) -> str:
    """Return how an error names a variable: name, operation, and where it was made."""
    file, line = variable.made_at
    what = f" ({variable.operation.name})" if variable.operation and variable.name else ""
    return f"{variable!r}{what}, made at {file}:{line}"
