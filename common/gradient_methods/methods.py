"""The methods by name, each with the number of forward passes that it needs."""

from collections.abc import Callable
from dataclasses import dataclass

from common.gradient_methods.complex_numbers import complex_step
from common.gradient_methods.finite_differences import central_differences, forward_differences
from common.gradient_methods.forward import batched_forward_mode, forward_mode
from common.gradient_methods.perturbation import random_directions
from common.gradient_methods.reverse import reverse_mode
from common.gradient_methods.structured import structured_differences

__all__ = ["METHODS", "Method"]


@dataclass(frozen=True)
class Method:
    """One way to compute the gradient.

    Attributes
    ----------
    name : str
        For command lines.
    title : str
        For tables and plots.
    function : callable
        Takes a network, a mini-batch and its labels, and returns the gradient.
    formula : str
        The number of passes, with P for the number of weights.
    passes : callable
        The same as a function of P; for `random_directions`, the passes per direction.
    kind : str
        What its passes are.
    takes : frozenset of str
        Which of the options ``entries``, ``progress`` and ``directions`` the function has.
    """

    name: str
    title: str
    function: Callable
    formula: str
    passes: Callable[[int], int]
    kind: str = "passes"
    takes: frozenset[str] = frozenset()


_BY_WEIGHT = frozenset({"entries", "progress"})

METHODS = {
    method.name: method
    for method in (
        Method(
            "central",
            "central differences",
            central_differences,
            "2 P",
            lambda P: 2 * P,
            takes=_BY_WEIGHT,
        ),
        Method(
            "forward",
            "forward differences",
            forward_differences,
            "P + 1",
            lambda P: P + 1,
            takes=_BY_WEIGHT,
        ),
        Method(
            "complex",
            "complex step",
            complex_step,
            "P",
            lambda P: P,
            "complex passes",
            _BY_WEIGHT,
        ),
        Method(
            "structured",
            "structured differences",
            structured_differences,
            "2 P",
            lambda P: 2 * P,
            "passes of one column",
            frozenset({"progress"}),
        ),
        Method(
            "forward-mode",
            "forward mode",
            forward_mode,
            "P + 1",
            lambda P: P + 1,
            takes=_BY_WEIGHT,
        ),
        Method(
            "batched",
            "batched forward mode",
            batched_forward_mode,
            "P + 1",
            lambda P: P + 1,
            "passes in batches",
            _BY_WEIGHT,
        ),
        Method(
            "random",
            "random directions",
            random_directions,
            "2 per direction",
            lambda P: 2,
            takes=frozenset({"progress", "directions"}),
        ),
        Method("reverse", "reverse mode", reverse_mode, "2", lambda P: 2),
    )
}
