"""The numbers of a drawing: values that flow forward, derivatives that flow backward."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from common.symbolic.function import function
from common.symbolic.gradient import Walk
from common.symbolic.graph import (
    Constant,
    DisconnectedInputError,
    Input,
    Variable,
    ancestors,
    described,
)

__all__ = ["Flow", "flow_of", "is_plain", "readable"]


class Flow(NamedTuple):
    """What flows through a graph, in dicts of arrays, which are empty if no values are given.

    `value` has the value of each variable, `total` the derivative of the output with respect to it.
    `contribution` has, for (variable, i), what the variable adds to the `total` of its input i.
    """

    value: dict
    contribution: dict
    total: dict


def flow_of(outputs, leaves, values, wrt):
    """Return what flows through a graph. `leaves` has the leaf that stands in it for an input."""
    if values is None:
        if wrt is not None:
            raise ValueError("wrt tells which derivatives to draw, and those need values")
        return Flow({}, {}, {})
    if not isinstance(values, Mapping):
        raise TypeError(f"values must be a dict of variables and their values, got {values!r}")
    order = ancestors(outputs)
    inputs = {v for v in (*order, *leaves) if isinstance(leaves.get(v, v), Input)}
    for v in values:
        if isinstance(v, Variable) and v not in inputs:
            raise ValueError(f"values have {described(v)}, which is no input of what is drawn")
    given = {leaves.get(v, v): value for v, value in values.items()}

    paths = _differentiated(outputs, order, leaves, wrt)
    for v in order:
        used = [x for i, x in enumerate(v.inputs) if v.operation.connected(i)]
        if v.kind == "f" and any(x in paths for x in used):
            paths[v] = None
    walk = Walk(outputs[0], outputs[0].name) if paths else None
    total = {v: g for v in paths if (g := walk.adjoint(v)) is not None}
    contribution = {
        (v, i): walk.contributions.get((v, i), Constant(0))
        for v in paths
        for i, x in enumerate(v.inputs)
        if x in total and v.operation.connected(i)
    }
    asked = [*order, *contribution.values(), *total.values()]
    compute = function(list(given), asked, on_unused_input="ignore", name="draw")
    with np.errstate(all="ignore"):  # the drawing shows where something is infinite
        results = iter(compute(*given.values()))
    return Flow(*({key: next(results) for key in keys} for keys in (order, contribution, total)))


def _differentiated(outputs, order, leaves, wrt):
    """Return what to differentiate with respect to, as the keys of a dict."""
    differentiable = len(outputs) == 1 and outputs[0].ndim == 0 and outputs[0].kind == "f"
    if wrt is None:
        found = [v for v in order if v.operation is None and v.kind == "f" and not is_plain(v)]
        return dict.fromkeys(found if differentiable and all(v.kind != "c" for v in order) else ())
    if not differentiable:
        raise ValueError(f"derivatives are drawn of one real number, not of {outputs!r}")
    wrt = [leaves.get(v, v) for v in ([wrt] if isinstance(wrt, Variable) else wrt)]
    for v in wrt:
        if not isinstance(v, Variable):
            raise TypeError(f"wrt must be variables, got {v!r}")
        if v not in order:
            raise DisconnectedInputError(f"what is drawn doesn't depend on {described(v)}")
        if v.kind != "f":
            raise TypeError(f"wrt must be real, got {v.dtype}: {described(v)}")
    return dict.fromkeys(wrt)


def is_plain(v):
    """Return whether a variable is a constant that shows its value, having no name."""
    return isinstance(v, Constant) and not v.name


def readable(value):
    """Return an array as text: a number, up to three elements, or the smallest and the largest."""
    if value is None or value.size == 0:
        return "" if value is None else "empty"
    if value.ndim == 0:
        return _number(value[()], 4)
    if value.size <= 3:
        text = f"[{', '.join(_number(x, 3) for x in value.flat)}]"
        if len(text) <= 16 or value.dtype.kind not in "iuf":
            return text
    if value.dtype.kind == "b":
        return f"{np.count_nonzero(value)} of {value.size} true"
    if value.dtype.kind == "c":
        return f"|z| {readable(np.abs(value))}"
    known = value[~np.isnan(value)]
    if not known.size:
        return "all nan"
    low, high = _number(known.min(), 2), _number(known.max(), 2)
    text = f"all {low}" if low == high else f"{low} … {high}"
    return text if known.size == value.size else f"{text}, nan"


def _number(x, digits):
    if isinstance(x, np.bool_):
        return str(x)
    whole = 10**digits - 0.5 <= abs(x) < 1e6
    text = f"{x + 0.0:.0f}" if whole else f"{x + 0.0:.{digits}g}"  # + 0 makes 0 of −0
    return text.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e").replace("-", "−")
