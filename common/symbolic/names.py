"""Names in a program: what the user called a variable, as far as Python allows, and constants.

Nothing that comes from the user gets into a program as it is: names are cut down to identifiers,
plain numbers are written out anew, and all other constants are handed over as data.
"""

import itertools
import keyword
import re
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np

from common.symbolic.graph import Constant, Variable
from common.symbolic.runtime import SPACE

__all__ = ["Names"]

LONGEST_CONSTANT = 12  # entries of a constant array that is written out


class Names:
    """Names of variables in a program: what the user called them, as far as Python allows.

    Parameters
    ----------
    order : sequence of Variable
        All variables of the program.
    inputs, statements : sequence of Variable
        Its arguments, and what has a line of its own.
    over : mapping of Variable to Variable
        What is written over what.

    Attributes
    ----------
    data : dict of str to ndarray or number
        The constants that aren't written out.
    """

    def __init__(
        self,
        order: Sequence[Variable],
        inputs: Sequence[Variable],
        statements: Sequence[Variable],
        over: Mapping[Variable, Variable],
    ):
        self.taken = set(SPACE) | {"program"}
        self.data = {}
        self._numbers = {}
        self.names = {v: self.new(v.name, "x") for v in inputs}
        for v in order:
            if isinstance(v, Constant):
                self.names[v] = self._constant(v)

        # A new array without a name is called after the first variable in it that has one. What is
        # written over an array goes by the array's name, unless it has a name of its own: a = f(b),
        # where b is overwritten. x[…] += g leaves no room for that, so what is before takes it.
        after = {x: v for v, x in over.items()}
        to_come = {}
        for v in reversed(statements):
            named = v.name is not None and _identifier(v.name) is not None
            to_come[v] = v if named else to_come.get(after.get(v))
        called_after = {}
        for v in statements:
            x, called = over.get(v), to_come[v]
            if x is not None:
                before_add_at = v in after and after[v].operation.name == "add_at"
                if v.operation.name == "add_at" or not (called is v or before_add_at):
                    called = called_after[x]
            called_after[v] = called
            if x is not None and called is called_after[x]:
                self.names[v] = self.names[x]
            else:
                self.names[v] = self.new(None if called is None else called.name)

    def __getitem__(self, variable):
        return self.names[variable]

    def definitions(self) -> list[str]:
        """Return a line for each constant of `data`: a definition, or a comment if it is long."""
        return [_written(name, value) for name, value in self.data.items()]

    def new(self, name: str | None, otherwise: str = "t") -> str:
        """Return an identifier that isn't taken, as near to `name` as can be."""
        base = None if name is None else _identifier(name)
        identifier = base
        if base is None or base in self.taken:
            base = base or otherwise
            numbers = self._numbers.setdefault(base, itertools.count(1 if base == otherwise else 2))
            identifier = next(n for n in (f"{base}{i}" for i in numbers) if n not in self.taken)
        self.taken.add(identifier)
        return identifier

    def _constant(self, v):
        value = v.value.item() if v.weak else v.value[()]
        if v.ndim == 0 and v.name is None and v.dtype.kind != "c":
            number = v.value.item()
            text = repr(number) if np.isfinite(number) else f"np.{abs(number)}"
            text = f"-{text}" if number == -np.inf else text
            if not v.weak:
                return f"np.{_dtype(v.dtype)}({text})"
            return f"({text})" if text.startswith("-") else text
        name = self.new(v.name, "constant")
        self.data[name] = value
        return name


def _dtype(dtype):
    return "bool_" if dtype.kind == "b" else dtype.name


def _written(name, value):
    """Return a line that defines a constant, or, if it is long, a comment about it."""
    array = np.asarray(value)
    if array.size <= LONGEST_CONSTANT and array.dtype.kind in "biuf" and np.isfinite(array).all():
        return f"{name} = np.array({array.tolist()!r}, np.{_dtype(array.dtype)})"
    return f"# {name}: a constant array of {array.dtype}, shape {array.shape}"


def _identifier(name):
    """Return `name` cut down to a Python identifier; None if nothing is left."""
    adjoint = re.fullmatch(r"∂.*/∂(.+)", name, re.DOTALL)
    name = f"d{adjoint[1]}" if adjoint else name
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", name)).strip("_")
    return name if name.isidentifier() and not keyword.iskeyword(name) else None
