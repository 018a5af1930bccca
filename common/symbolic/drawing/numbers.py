"""The numbers of a drawing: values that flow forward, derivatives that flow backward."""

import re
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
    """What flows through a graph, as arrays; all is empty without values."""

    value: dict  # of each variable
    contribution: dict  # of (variable, i): the term of its input number i's derivative
    total: dict  # of each variable on a path to `wrt`: its derivative


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

    paths = dict.fromkeys(_differentiated(outputs, order, leaves, wrt))
    for v in order:
        used = [x for i, x in enumerate(v.inputs) if v.operation.connected(i)]
        if v.kind == "f" and any(x in paths for x in used):
            paths[v] = None
    walk = Walk(outputs[0], outputs[0].name) if paths else None
    total = {v: g for v in paths if (g := walk.adjoint(v)) is not None}
    edges = [(v, i) for v in paths for i, x in enumerate(v.inputs) if x in total]
    connected = [(v, i) for v, i in edges if v.operation.connected(i)]
    contribution = {edge: walk.contributions.get(edge, Constant(0)) for edge in connected}
    asked = [*order, *contribution.values(), *total.values()]
    compute = function(list(given), asked, on_unused_input="ignore", name="draw")
    with np.errstate(all="ignore"):  # the drawing shows where something is infinite
        results = iter(compute(*given.values()))
    return Flow(*({key: next(results) for key in keys} for keys in (order, contribution, total)))


def _differentiated(outputs, order, leaves, wrt):
    """Return what to differentiate with respect to."""
    differentiable = len(outputs) == 1 and outputs[0].ndim == 0 and outputs[0].kind == "f"
    if wrt is None:
        if not differentiable or any(v.kind == "c" for v in order):
            return []
        return [v for v in order if v.operation is None and v.kind == "f" and not is_plain(v)]
    if not differentiable:
        raise ValueError(f"derivatives are drawn of one real number, not of {outputs!r}")
    wrt = [leaves.get(v, v) for v in ([wrt] if isinstance(wrt, Variable) else wrt)]
    for v in wrt:
        if not isinstance(v, Variable) or v.kind != "f":
            raise TypeError(f"wrt must be real variables, got {v!r}")
        if v not in order:
            raise DisconnectedInputError(f"what is drawn doesn't depend on {described(v)}")
    return wrt


def is_plain(v):
    """Return whether a variable is a constant that shows its value, having no name."""
    return isinstance(v, Constant) and not v.name


def readable(value):
    """Return an array as text: a number, up to three elements, or the smallest and the largest."""
    if value is None or value.size == 0:
        return "" if value is None else "empty"
    if value.ndim == 0:
        return _number(value[()], 4)
    text = f"[{', '.join(_number(x, 3) for x in value.flat[:3])}]"
    if value.size <= 3 and (len(text) <= 16 or value.dtype.kind in "bc"):
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
    return re.sub(r"e\+?(-?)0*", r"e\1", text).replace("-", "−")
