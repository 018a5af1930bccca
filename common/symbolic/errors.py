"""What can be wrong with a graph, by the names that Theano gave them."""

from common.symbolic.graph import Variable

__all__ = ["DisconnectedInputError", "MissingInputError", "UnusedInputError", "described"]


class DisconnectedInputError(ValueError):
    """A derivative was asked by a variable that the cost doesn't depend on."""


class MissingInputError(ValueError):
    """A function's outputs need a variable that isn't among its inputs."""


class UnusedInputError(ValueError):
    """A function has an input that its outputs don't need."""


def described(variable: Variable) -> str:
    """Return how an error speaks of a variable: by name, operation, and where it was made."""
    file, line = variable.made_at
    what = f" ({variable.operation.name})" if variable.operation and variable.name else ""
    return f"{variable!r}{what}, made at {file}:{line}"
