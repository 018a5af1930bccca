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
import types
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from common.symbolic.config import config

__all__ = [
    "KINDS",
    "Constant",
    "Dim",
    "DisconnectedInputError",
    "Input",
    "MissingInputError",
    "Operation",
    "Shared",
    "UnusedInputError",
    "Variable",
    "ancestors",
    "as_value",
    "as_variable",
    "checked_dtype",
    "count_variables",
    "described",
    "made_here",
    "readable_shape",
    "rebuilt",
    "shared",
    "users_place",
]

# All dtypes there are, and their kinds: boolean, signed and unsigned integer, float, complex.
KINDS = {"bool": "b", "float32": "f", "float64": "f", "complex64": "c", "complex128": "c"}
KINDS |= {f"int{n}": "i" for n in (8, 16, 32, 64)} | {f"uint{n}": "u" for n in (8, 16, 32, 64)}


class DisconnectedInputError(ValueError):
    """A gradient was asked for with respect to a variable that the cost doesn't depend on."""


class MissingInputError(ValueError):
    """A function's outputs need a variable that isn't among its inputs."""


class UnusedInputError(ValueError):
    """A function has an input that its outputs don't need."""


class Dim:
    """The size of an axis that isn't known yet. The same object means the same size."""

    __slots__ = ()

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


_serials = itertools.count()


def count_variables() -> int:
    """Return a serial number above those of all variables so far, and below those to come."""
    return next(_serials)


class Variable:
    """A number or array that has no value yet: what an operation will compute from its inputs.

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
        "__weakref__",
        "_tag",
        "dims",
        "dtype",
        "inputs",
        "made_at",
        "name",
        "operation",
        "serial",
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

    # What is known without computing.

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
        return tuple(n == 1 for n in self.dims)

    @property
    def type(self):
        """The TensorType: dtype and broadcastable axes."""
        from common.symbolic.tensor import TensorType

        return TensorType(self.dtype, self.broadcastable)

    @property
    def tag(self) -> types.SimpleNamespace:
        """A place for the user's own notes, such as ``x.tag.test_value``."""
        try:
            return self._tag
        except AttributeError:
            self._tag = types.SimpleNamespace()
            return self._tag

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

    # Operators. A comparison with == compares identity, as everywhere in Python; see T.eq.

    def __add__(self, other):
        return elementwise.add(self, other)

    def __radd__(self, other):
        return elementwise.add(other, self)

    def __sub__(self, other):
        return elementwise.sub(self, other)

    def __rsub__(self, other):
        return elementwise.sub(other, self)

    def __mul__(self, other):
        return elementwise.mul(self, other)

    def __rmul__(self, other):
        return elementwise.mul(other, self)

    def __truediv__(self, other):
        return elementwise.true_div(self, other)

    def __rtruediv__(self, other):
        return elementwise.true_div(other, self)

    def __floordiv__(self, other):
        return elementwise.int_div(self, other)

    def __rfloordiv__(self, other):
        return elementwise.int_div(other, self)

    def __mod__(self, other):
        return elementwise.mod(self, other)

    def __rmod__(self, other):
        return elementwise.mod(other, self)

    def __pow__(self, other):
        return elementwise.pow(self, other)

    def __rpow__(self, other):
        return elementwise.pow(other, self)

    def __and__(self, other):
        return elementwise.and_(self, other)

    def __rand__(self, other):
        return elementwise.and_(other, self)

    def __or__(self, other):
        return elementwise.or_(self, other)

    def __ror__(self, other):
        return elementwise.or_(other, self)

    def __xor__(self, other):
        return elementwise.xor(self, other)

    def __rxor__(self, other):
        return elementwise.xor(other, self)

    def __matmul__(self, other):
        return products.dot(self, other)

    def __rmatmul__(self, other):
        return products.dot(other, self)

    def __lt__(self, other):
        return elementwise.lt(self, other)

    def __le__(self, other):
        return elementwise.le(self, other)

    def __gt__(self, other):
        return elementwise.gt(self, other)

    def __ge__(self, other):
        return elementwise.ge(self, other)

    def __neg__(self):
        return elementwise.neg(self)

    def __pos__(self):
        return self

    def __abs__(self):
        return elementwise.abs(self)

    def __invert__(self):
        return elementwise.invert(self)

    def __getitem__(self, key):
        return indexing.index(self, key)

    # Methods, as on arrays.

    @property
    def T(self):
        """The transpose: all axes in reverse order."""
        return arrays.transpose(self)

    @property
    def shape(self):
        """The shape, as a vector of int64."""
        return arrays.shape(self)

    @property
    def size(self):
        """The number of elements, an int64 scalar."""
        return arrays.prod(arrays.shape(self))

    def sum(self, axis=None, dtype=None, keepdims=False):
        """Return the sum over `axis`: an integer, several, or None for all."""
        return arrays.sum(self, axis, dtype, keepdims)

    def prod(self, axis=None, dtype=None, keepdims=False):
        """Return the product over `axis`."""
        return arrays.prod(self, axis, dtype, keepdims)

    def mean(self, axis=None, dtype=None, keepdims=False):
        """Return the mean over `axis`."""
        return arrays.mean(self, axis, dtype, keepdims)

    def var(self, axis=None, keepdims=False):
        """Return the variance over `axis`, Σ (xᵢ − mean)² / N."""
        return arrays.var(self, axis, keepdims)

    def std(self, axis=None, keepdims=False):
        """Return the standard deviation over `axis`."""
        return arrays.std(self, axis, keepdims)

    def max(self, axis=None, keepdims=False):
        """Return the largest element over `axis`."""
        return arrays.max(self, axis, keepdims)

    def min(self, axis=None, keepdims=False):
        """Return the smallest element over `axis`."""
        return arrays.min(self, axis, keepdims)

    def argmax(self, axis=None, keepdims=False):
        """Return the index of the largest element along `axis`."""
        return arrays.argmax(self, axis, keepdims)

    def argmin(self, axis=None, keepdims=False):
        """Return the index of the smallest element along `axis`."""
        return arrays.argmin(self, axis, keepdims)

    def all(self, axis=None, keepdims=False):
        """Return whether all elements over `axis` are nonzero."""
        return arrays.all(self, axis, keepdims)

    def any(self, axis=None, keepdims=False):
        """Return whether any element over `axis` is nonzero."""
        return arrays.any(self, axis, keepdims)

    def norm(self, L, axis=None, keepdims=False):
        """Return the L-norm (Σ |x|ᴸ)^(1/L) over `axis`."""
        return arrays.sum(abs(self) ** L, axis, keepdims=keepdims) ** (1.0 / L)

    def dot(self, other):
        """Return the matrix product with `other`."""
        return products.dot(self, other)

    def astype(self, dtype):
        """Return the same numbers in another dtype."""
        return elementwise.cast(self, dtype)

    def clip(self, low, high):
        """Return the elements limited to the range from `low` to `high`."""
        return elementwise.clip(self, low, high)

    def round(self):
        """Return the nearest integers; halves go to the even one."""
        return elementwise.round(self)

    def copy(self, name=None):
        """Return a variable of the same value, with a name of its own."""
        result = arrays.Copy()(self)
        result.name = name
        return result

    def reshape(self, *shape, ndim=None):
        """Return the elements in another shape; one size may be −1."""
        return arrays.reshape(self, shape[0] if len(shape) == 1 else shape, ndim)

    def flatten(self, ndim=1, *, outdim=None):
        """Return the elements with `ndim` axes, of which all but the last stay as they are."""
        return arrays.flatten(self, ndim if outdim is None else outdim)

    def ravel(self):
        """Return the elements as a vector."""
        return arrays.flatten(self)

    def transpose(self, *axes):
        """Return the axes in another order, by default in reverse."""
        if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
            [axes] = axes
        return arrays.transpose(self, axes or None)

    def dimshuffle(self, *pattern):
        """Return the axes in the order of `pattern`, with a new one of size 1 for each 'x'."""
        one = len(pattern) == 1 and isinstance(pattern[0], (tuple, list))
        return arrays.dimshuffle(self, pattern[0] if one else pattern)

    def repeat(self, repeats, axis=None):
        """Return each element `repeats` times along `axis`."""
        return arrays.repeat(self, repeats, axis)

    def nonzero(self):
        """Return, per axis, a vector of indices of the nonzero elements."""
        return indexing.nonzero(self)

    def diagonal(self):
        """Return the diagonal of a matrix."""
        return indexing.diag(self)

    def take(self, indices, axis=None):
        """Return the elements at `indices` along `axis`."""
        return indexing.take(self, indices, axis)

    def eval(self, inputs=None) -> np.ndarray:
        """Return the value, given those of the inputs: ``z.eval({x: 1, y: 2})``."""
        from common.symbolic.function import function

        inputs = inputs or {}
        return function(list(inputs), self, on_unused_input="ignore")(*inputs.values())

    # Copies: a flat list of records, so that a deep graph doesn't overflow Python's stack.

    def __reduce_ex__(self, protocol):
        order = ancestors([self])
        place = {v: i for i, v in enumerate(order)}
        records = [
            v
            if v.operation is None
            else (v.operation, [place[x] for x in v.inputs], v.dtype, v.name, v.made_at)
            for v in order
        ]
        return _from_records, (records,)

    def __copy__(self):
        return self.copy(self.name)


class Input(Variable):
    """A leaf whose value is an argument of a function.

    Parameters
    ----------
    dtype : str
    dims : sequence of int, Dim or None
        None for an axis of any size.
    name : str, optional
    """

    __slots__ = ()

    def __init__(self, dtype, dims: Sequence, name: str | None = None):
        dims = tuple(Dim() if n is None else n for n in dims)
        super().__init__(None, (), checked_dtype(dtype), dims, name)

    def __reduce_ex__(self, protocol):
        sizes = [n if isinstance(n, int) else None for n in self.dims]
        return Input, (self.dtype, sizes, self.name), *_notes(self)

    def __setstate__(self, state):
        self._tag = state


class Constant(Variable):
    """A leaf with a value that never changes.

    Attributes
    ----------
    value : ndarray
        A copy of what was given, read-only.
    weak : bool
        Whether it is a Python number, which takes the dtype of floats that it meets.
    source : Variable or None
        The expression that was folded into this constant.
    """

    __slots__ = ("source", "value", "weak")

    def __init__(self, value, name: str | None = None, *, dtype=None, weak=False, source=None):
        self.value = np.array(value)
        self.value.flags.writeable = False
        self.weak = weak
        self.source = source
        super().__init__(None, (), checked_dtype(dtype or self.value.dtype), self.value.shape, name)

    def __repr__(self):
        return self.name or np.array2string(self.value, threshold=6, edgeitems=2)

    def __reduce_ex__(self, protocol):
        return _constant, (self.value, self.name, self.dtype, self.weak), *_notes(self)

    def __setstate__(self, state):
        self._tag = state


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

    def __init__(self, value: np.ndarray, name: str | None = None, strict=False, dims=None):
        dims = dims or tuple(1 if n == 1 else Dim() for n in value.shape)
        super().__init__(None, (), checked_dtype(value.dtype), dims, name)
        self._value = value
        self.strict = strict
        self.default_update = None

    def __repr__(self):
        return self.name or f"<shared {self.dtype} variable>"

    @property
    def container(self):
        """The variable itself: programs for Theano read ``s.container.value``."""
        return self

    @property
    def value(self):
        """The value; the same as ``get_value()``."""
        return self.get_value()

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

    def __reduce_ex__(self, protocol):
        sizes = tuple(n == 1 for n in self.dims)
        state = (self.default_update, getattr(self, "_tag", None))
        return _shared, (self._value, self.name, self.strict, sizes), state

    def __setstate__(self, state):
        self.default_update, tag = state
        if tag is not None:
            self._tag = tag


def shared(value, name: str | None = None, strict: bool = False, borrow: bool = False, **ignored):
    """Return a shared variable that starts with `value`, and keeps its dtype and number of axes.

    Parameters
    ----------
    value : array_like of numbers
    name : str, optional
    strict : bool
        Whether `set_value` refuses arrays of another dtype that could be converted.
    borrow : bool
        Whether an array is kept and not copied. Updates replace it, and never write into it.
    **ignored
        ``broadcastable=`` makes axes of size 1 ordinary where it is False; other options of Theano
        have no effect.

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
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise TypeError(
            f"a shared variable starts with a number or an array of numbers, got {value!r:.80}"
        )
    array = array if borrow and array is value else array.copy()
    broadcastable = ignored.get("broadcastable")
    dims = None
    if broadcastable is not None:
        dims = tuple(1 if b else Dim() for b in broadcastable)
    return Shared(array, name, strict, dims)


def _notes(leaf):
    return (leaf._tag,) if hasattr(leaf, "_tag") else ()


def _constant(value, name, dtype, weak):
    return Constant(value, name, dtype=dtype, weak=weak)


def _shared(value, name, strict, ones):
    return Shared(value, name, strict, tuple(1 if one else Dim() for one in ones))


def _from_records(records):
    made = []
    for record in records:
        if isinstance(record, Variable):
            made.append(record)
        else:
            operation, places, dtype, name, made_at = record
            inputs = tuple([made[i] for i in places])
            made.append(Variable(operation, inputs, dtype, operation.infer(*inputs)[1], name))
            made[-1].made_at = made_at
    return made[-1]


def rebuilt(variable: Variable, inputs: tuple[Variable, ...]) -> Variable:
    """Return what the operation of `variable` computes from other inputs of the same dtypes."""
    operation = variable.operation
    dtype, dims = operation.infer(*inputs)
    return Variable(operation, inputs, dtype, dims, variable.name, variable.made_at)


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
    if isinstance(value, (list, tuple)) and value and any(map(_has_variable, value)):
        return arrays.stack([as_variable(part) for part in value])
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"expected a variable, a number or an array of numbers, got {value!r:.80}")
    return Constant(array, name)


def _has_variable(part):
    while isinstance(part, (list, tuple)) and part:
        part = part[0]
    return isinstance(part, Variable)


def _dtype_of_number(value):
    if type(value) is float:
        return config.floatX
    if type(value) is complex:
        return "complex128"
    for dtype in ("int8", "int16", "int32", "int64", "uint64"):
        if np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
            return dtype
    raise TypeError(f"an integer must fit into 64 bits, got {value}")


def as_value(name: str, value, dtype: str, dims, downcast=False, strict=False) -> np.ndarray:
    """Return `value` as an array that a variable can take, itself if it fits.

    Arrays are converted only to a dtype that holds all that theirs can. Python numbers, lists and
    NumPy scalars go into any dtype that holds their values, floats into float32 too.

    Parameters
    ----------
    name : str
        What an error calls the value.
    value : array_like
    dtype : str
    dims : sequence of int or Dim
        The shape, as far as it is known.
    downcast : bool
        Whether precision may be lost: float64 to float32, floats to integers.
    strict : bool
        Whether only an array of this dtype is accepted.

    Raises
    ------
    TypeError
        If it has another number of axes, another size where one is known, or its dtype doesn't fit.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name}: expected an array of {dtype}, got {value!r:.80}") from error
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name}: expected numbers of {dtype}, got {_shown(value)}")
    if array.ndim != len(dims):
        raise TypeError(
            f"{name}: expected {_axes(len(dims))}, got {_axes(array.ndim)}, shape {array.shape}"
        )
    for axis, (n, size) in enumerate(zip(dims, array.shape, strict=True)):
        if isinstance(n, int) and n != size:
            raise TypeError(f"{name}: axis {axis} must have size {n}, got shape {array.shape}")
    if array.dtype == dtype:
        return array.astype(dtype, copy=False)  # in native byte order
    if not strict or not isinstance(value, np.ndarray):
        if np.can_cast(array.dtype, dtype, "safe") or (downcast and array.dtype.kind != "c"):
            return array.astype(dtype)
        fixed = isinstance(value, np.ndarray) or array.dtype.name not in KINDS
        if not fixed and (np.can_cast(array.dtype, dtype, "same_kind") or KINDS[dtype] == "u"):
            with np.errstate(all="ignore"):
                converted = array.astype(dtype)
            if _holds(converted, array):
                return converted
    raise TypeError(
        f"{name}: expected {dtype}, got {_shown(value)}, which {dtype} can't hold without loss; "
        f"convert it with np.asarray(…, '{dtype}')"
    )


def _holds(converted, array):
    """Return whether integers are unchanged, and finite floats are still finite."""
    if converted.dtype.kind in "fc":
        return bool(np.isfinite(converted[np.isfinite(array)]).all())
    return array.dtype.kind in "bui" and np.array_equal(converted, array)


def _axes(ndim):
    return "a scalar" if ndim == 0 else "1 axis" if ndim == 1 else f"{ndim} axes"


def _shown(value):
    if isinstance(value, (np.ndarray, np.generic)):
        return f"an array of {value.dtype}" if np.ndim(value) else f"{value!r}"
    return f"{value!r:.80}"


def readable_shape(dims) -> str:
    """Return a shape as text, with a question mark for each unknown size."""
    inner = ", ".join(str(n) if isinstance(n, int) else "?" for n in dims)
    return f"({inner},)" if len(dims) == 1 else f"({inner})"


def ancestors(outputs: Iterable[Variable]) -> list[Variable]:
    """Return all variables that `outputs` depend on, themselves included, in topological order.

    Inputs come before what is computed from them. The walk keeps its own stack, since Python's
    would overflow on a chain of a thousand operations.
    """
    order, done = [], set()
    stack = list(outputs)[::-1]
    while stack:
        variable = stack[-1]
        missing = [x for x in variable.inputs if x not in done]
        if missing and variable not in done:
            stack += missing[::-1]
        else:
            stack.pop()
            if variable not in done:
                done.add(variable)
                order.append(variable)
    return order


class _Place(threading.local):
    known = None


_place = _Place()
_PACKAGE = __name__.rpartition(".")[0] + "."


@contextmanager
def made_here() -> Iterator[None]:
    """Record the user's current line for all variables that are made within this context."""
    before = _place.known
    _place.known = users_place()
    try:
        yield
    finally:
        _place.known = before


def users_place() -> tuple[str, int]:
    """Return file and line of the code outside of this package that is running."""
    if _place.known is not None:
        return _place.known
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_inside(frame):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def _is_inside(frame):
    name = frame.f_globals.get("__name__", "")
    return name.startswith(_PACKAGE) or name == "contextlib"


def described(variable: Variable) -> str:
    """Return how an error names a variable: name, operation, and where it was made."""
    file, line = variable.made_at
    what = f" ({variable.operation.name})" if variable.operation and variable.name else ""
    return f"{variable!r}{what}, made at {file}:{line}"


# The operators above need the operations, and these need variables. So they are imported last.
from common.symbolic import arrays, elementwise, indexing, products  # noqa: E402
