"""Kinds of variables: a dtype and the axes, of which some may have length 1 for certain."""

from functools import cache

import numpy as np

from common.symbolic.config import config
from common.symbolic.graph import Input, Variable

__all__ = ["TensorType", "known_type", "type_of"]

NAMES = {
    (): "scalar",
    (False,): "vector",
    (False, False): "matrix",
    (True, False): "row",
    (False, True): "col",
    (False,) * 3: "tensor3",
    (False,) * 4: "tensor4",
}


class TensorType:
    """A kind of variables. Call it to make one.

    Parameters
    ----------
    dtype : dtype, str or None
        None for ``config.floatX`` at the time of the call.
    broadcastable : sequence of bool
        For each axis, whether its length is 1.

    Examples
    --------
    >>> TensorType("float64", (False, False))("x").type
    TensorType(float64, matrix)
    """

    def __init__(self, dtype, broadcastable):
        self._dtype = None if dtype is None else np.dtype(dtype)
        self.broadcastable = tuple(bool(b) for b in broadcastable)

    @property
    def dtype(self) -> str:
        """The dtype's name."""
        return config.floatX if self._dtype is None else self._dtype.name

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.broadcastable)

    def __call__(self, name: str | None = None, dtype=None) -> Input:
        """Return a new variable of this kind."""
        if name is not None and not isinstance(name, str):
            raise TypeError(f"the name of a variable must be a string, got {name!r}")
        lengths = [1 if b else None for b in self.broadcastable]
        return Input(dtype or self.dtype, lengths, name)

    def __eq__(self, other):
        if not isinstance(other, TensorType):
            return NotImplemented
        return (self.dtype, self.broadcastable) == (other.dtype, other.broadcastable)

    def __hash__(self):
        return hash((self.dtype, self.broadcastable))

    def __repr__(self):
        return f"TensorType({self.dtype}, {NAMES.get(self.broadcastable, self.broadcastable)})"


@cache
def known_type(dtype: str | None, broadcastable: tuple[bool, ...]) -> TensorType:
    """Return the one TensorType of this description."""
    return TensorType(dtype, broadcastable)


def type_of(variable: Variable) -> TensorType:
    """Return what kind of variable it is."""
    return known_type(variable.dtype.name, tuple(n == 1 for n in variable.lengths))


Variable.type = property(type_of)
