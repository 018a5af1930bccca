"""Which arrays of a straight-line program may be overwritten, and by what.

An array may be written over where an operation reads it for the last time, if nothing else, such as
a transpose, looks into its memory, and if it has the shape and dtype of what is to be written.
"""

from collections.abc import Callable, Sequence

from common.symbolic.elementwise import Elementwise
from common.symbolic.graph import Variable

__all__ = ["IN_PLACE", "overwrites", "owners"]

# Operators that have a form that writes where it is told.
IN_PLACE = {
    "add": "np.add",
    "sub": "np.subtract",
    "mul": "np.multiply",
    "true_div": "np.true_divide",
    "int_div": "np.floor_divide",
    "mod": "np.remainder",
    "neg": "np.negative",
    "lt": "np.less",
    "le": "np.less_equal",
    "gt": "np.greater",
    "ge": "np.greater_equal",
    "eq": "np.equal",
    "neq": "np.not_equal",
}


def owners(order: Sequence[Variable]) -> dict[Variable, Variable]:
    """Return for each variable the one whose memory it may be looking into; itself, if none.

    Parameters
    ----------
    order : sequence of Variable
        In an order in which inputs come first.
    """
    owner = {}
    for v in order:
        owner[v] = owner[v.inputs[0]] if v.operation is not None and v.operation.view else v
    return owner


def overwrites(
    statements: Sequence[Variable],
    reads: Callable[[Variable], Sequence[Variable]],
    also_needed: Sequence[Variable],
) -> dict[Variable, Variable]:
    """Return, for variables that can be written over one of their inputs, that input.

    Parameters
    ----------
    statements : sequence of Variable
        What is computed, in this order.
    reads : callable
        From a statement to the variables whose memory it reads, as often as it does.
    also_needed : sequence of Variable
        Whose memory is needed after that, as often as it is.
    """
    left = {}
    for x in [*(x for v in statements for x in reads(v)), *also_needed]:
        left[x] = left.get(x, 0) + 1
    result = {}
    for v in statements:
        now = reads(v)
        for x in v.inputs:
            if x.operation is not None and left.get(x) == v.inputs.count(x) and _fits(v, x):
                result[v] = x
                break
        for x in now:
            left[x] -= 1
    return result


def _fits(v, x):
    if v.operation.name == "add_at":
        return x is v.inputs[0] and x.dtype == v.dtype and x.ndim > 0
    return (
        isinstance(v.operation, Elementwise)
        and (v.operation.takes_out or v.operation.name in IN_PLACE)
        and x.ndim > 0
        and x.lengths == v.lengths
        and x.dtype == v.dtype
    )
