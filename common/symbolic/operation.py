"""What an operation is: its NumPy program, its derivative and its type, side by side."""

from collections.abc import Hashable
from functools import cached_property

import numpy as np

from common.symbolic.config import config
from common.symbolic.graph import Constant, Length, Shape, Variable, as_variable

__all__ = ["Operation", "broadcast", "floating_dtype", "readable_shape", "result_dtype"]


class Operation:
    """Base of all operations.

    A new one needs `name`, `output_type`, `code` and `derivative`; `settings`, if it has any. The
    derivative is written with operations, so that it can be derived again.

    Attributes
    ----------
    name : str
        What people call it; no other operation may have it.
    settings : tuple of hashable
        Such as the axes of a sum. Operations of one name with equal settings do the same.
    smooth : bool
        Whether it has a derivative other than 0 (a comparison hasn't, nor has a rounding).
    view : bool
        Whether the result may share memory with the first input.
    weak : bool
        Whether the result is a plain Python number.
    shaped_by_value : bool
        Whether the lengths of the output depend on values of the inputs.
    """

    name = ""
    settings: tuple[Hashable, ...] = ()
    smooth = True
    view = False
    weak = False
    shaped_by_value = False

    @cached_property
    def key(self) -> Hashable:
        """What tells it from other operations."""
        return (self.name, *self.settings)

    def __call__(self, *inputs) -> Variable:
        """Return the variable that this operation makes of `inputs`."""
        inputs = tuple(map(as_variable, inputs))
        dtype, lengths = self.output_type(*inputs)
        return Variable(self, inputs, dtype, lengths, weak=self.weak)

    def output_type(self, *inputs: Variable) -> tuple[np.dtype, Shape]:
        """Return dtype and lengths of the output, or raise what is wrong with the inputs."""
        raise NotImplementedError

    def connected(self, i: int) -> bool:
        """Return whether a derivative comes back to input `i`: not to a shape, index or condition.

        Of an operation that isn't smooth, a derivative of 0 comes back.
        """
        return True

    def derivative(self, i: int, out: Variable, g: Variable, *inputs: Variable) -> Variable | None:
        """Return ∂L/∂inputs[i] (None for 0), from `g` = ∂L/∂out."""
        raise NotImplementedError

    def code(self, *args: str) -> str:
        """Return the NumPy expression that computes it; `args` are the names of its inputs."""
        raise NotImplementedError

    def __repr__(self):
        return self.name


def result_dtype(*inputs: Variable) -> np.dtype:
    """Return the dtype of an arithmetic result, by NumPy's rules; plain numbers adapt."""
    return np.result_type(*(_example(v) if v.weak else v.dtype for v in inputs))


def _example(weak):
    # NumPy looks at the type of a plain number, and whether it fits.
    return weak.value.item() if isinstance(weak, Constant) else weak.dtype.type(1).item()


def floating_dtype(*inputs: Variable) -> np.dtype:
    """Return the dtype of an arithmetic result that is a fraction even for integers."""
    dtype = result_dtype(*inputs)
    return dtype if dtype.kind in "fc" else np.dtype(config.floatX)


def broadcast(name: str, *inputs: Variable) -> Shape:
    """Return the lengths of inputs that are broadcast to each other by the operation `name`.

    Raises
    ------
    ValueError
        If lengths that are known beforehand don't allow it.
    """
    ndim = max(v.ndim for v in inputs)
    shapes = [(1,) * (ndim - v.ndim) + v.lengths for v in inputs]
    return tuple(_broadcast_axis(name, inputs, lengths) for lengths in zip(*shapes, strict=True))


def _broadcast_axis(name, inputs, lengths):
    first = lengths[0]
    if all(n == first for n in lengths):
        return first
    numbers = {n for n in lengths if isinstance(n, int)} - {1}
    if len(numbers) > 1:
        shapes = " and ".join(f"{v!r} {readable_shape(v.lengths)}" for v in inputs)
        raise ValueError(f"{name}: shapes that can't be broadcast to each other: {shapes}")
    if numbers:
        return numbers.pop()
    return Length(frozenset().union(*(n.parts for n in lengths if isinstance(n, Length))))


def readable_shape(lengths: Shape) -> str:
    """Return a shape as people write it, with a question mark for what isn't known yet."""
    inner = ", ".join(str(n) if isinstance(n, int) else "?" for n in lengths)
    return f"({inner},)" if len(lengths) == 1 else f"({inner})"
