"""The numbers of a drawing: what flows through the graph, forward and backward."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from common.symbolic.function import function
from common.symbolic.gradient import Walk
from common.symbolic.graph import (
    Constant,
    DisconnectedInputError,
    Input,
    Shared,
    Variable,
    ancestors,
    described,
)

__all__ = ["Numbers", "given_values", "is_plain", "numbers_of", "readable"]

LONGEST_VALUE = 16  # characters


@dataclass
class Numbers:
    """What flows through the graph.

    Attributes
    ----------
    value : dict of Variable to ndarray
    share : dict of (Variable, int) to ndarray
        What comes back from a variable to its input i.
    total : dict of Variable to ndarray
        The derivative by a variable.
    """

    value: dict
    share: dict
    total: dict

    @cached_property
    def comes_back(self) -> Counter:
        """Along how many edges of a variable something comes back."""
        return Counter(user.inputs[i] for user, i in self.share)


def given_values(order, stand_in, values):
    """Return the values of the graph's inputs."""
    if not isinstance(values, Mapping):
        raise TypeError(f"values must be a dict of variables and their values, got {values!r}")
    inputs = {v for v in order if isinstance(v, Input)}
    given = {}
    for v, leaf in stand_in.items():
        if isinstance(v, Shared) and leaf is not v:
            given[leaf] = v.get_value(borrow=True)
    for v, value in values.items():
        if not isinstance(v, Variable):
            raise TypeError(f"values must be of variables, got one of {v!r}")
        leaf = stand_in.get(v, v)
        if isinstance(v, Shared) or not (v in stand_in or leaf in inputs):
            raise ValueError(f"values have {described(v)}, which is no input of what is drawn")
        given[leaf] = value
    if missing := [described(v) for v in order if v in inputs and v not in given]:
        raise ValueError(f"values lack {'; '.join(missing)}")
    return given


def numbers_of(outputs, stand_in, given, wrt):
    """Return what flows through the graph of `outputs`, derivatives only on the way to `wrt`."""
    order = ancestors(outputs)
    cost = outputs[0]
    derivable = len(outputs) == 1 and cost.ndim == 0 and cost.kind == "f"
    if wrt is not None:
        if not derivable:
            raise ValueError(f"derivatives are drawn of one real number, not of {outputs!r}")
        wrt = [wrt] if isinstance(wrt, Variable) else list(wrt)
        wrt = [stand_in.get(v, v) for v in wrt]
        _check_wrt(order, wrt)
    elif derivable and not any(v.kind == "c" for v in order):
        wrt = [v for v in order if v.operation is None and not is_plain(v)]

    share, total = {}, {}
    if wrt:
        path = _leading_to(wrt, order)
        walk = Walk(cost, cost.name)
        total = {v: walk.adjoint(v) for v in path if walk.adjoint(v) is not None}
        for user in path:
            for i, x in enumerate(user.inputs):
                if x in total and user.operation.connected(i):
                    share[user, i] = walk.contributions.get((user, i), Constant(0))

    asked = [*order, *share.values(), *total.values()]
    compute = function(list(given), asked, on_unused_input="ignore", name="draw")
    with np.errstate(all="ignore"):  # the drawing shows where something is infinite
        results = compute(*given.values())
    m, n = len(order), len(order) + len(share)
    return Numbers(
        dict(zip(order, results[:m], strict=True)),
        dict(zip(share, results[m:n], strict=True)),
        dict(zip(total, results[n:], strict=True)),
    )


def _check_wrt(order, wrt):
    for v in wrt:
        if not isinstance(v, Variable):
            raise TypeError(f"wrt must be variables, got {v!r}")
        if v not in order:
            raise DisconnectedInputError(f"what is drawn doesn't depend on {described(v)}")
        if v.kind != "f":
            raise TypeError(f"wrt must be real, got {v.dtype}: {described(v)}")


def _leading_to(wrt, order):
    """Return the real variables on the paths from `wrt` on, in the order of `order`."""
    path = {}
    for v in order:
        on = v in wrt or any(x in path and v.operation.connected(i) for i, x in enumerate(v.inputs))
        if on and v.kind == "f":
            path[v] = None
    return list(path)


def is_plain(v):
    """Return whether a variable is a constant that shows its value, having no name."""
    return isinstance(v, Constant) and not v.name


def readable(value):
    """Return a number, up to three entries, or the smallest and the largest."""
    if value.ndim == 0:
        return _readable_number(value[()], 4)
    if 0 < value.size <= 3:
        text = f"[{', '.join(_readable_number(x, 3) for x in value.flat)}]"
        if len(text) <= LONGEST_VALUE or value.dtype.kind not in "iuf":
            return text
    if value.size == 0:
        return "empty"
    if value.dtype.kind == "b":
        return f"{np.count_nonzero(value)} of {value.size} true"
    if value.dtype.kind == "c":
        return f"|z| {readable(np.abs(value))}"
    known = value[~np.isnan(value)]
    if not known.size:
        return "all nan"
    ends = [_readable_number(x, 2) for x in (known.min(), known.max())]
    text = f"all {ends[0]}" if ends[0] == ends[1] else " … ".join(ends)
    return text if known.size == value.size else f"{text}, nan"


def _readable_number(x, digits):
    if isinstance(x, (bool, np.bool_)):
        return str(bool(x))
    if isinstance(x, np.complexfloating):
        return f"{x:.{digits - 1}g}".replace("-", "−")
    whole = abs(x) < 1e6 and (abs(x) >= 10**digits - 0.5 or x == int(x))
    text = f"{x:.0f}" if whole else f"{x:.{digits}g}"
    text = text.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    return "0" if text == "-0" else text.replace("-", "−")
