"""The numbers of a drawing: the values that flow forward, the derivatives that flow back."""

from collections.abc import Mapping
from typing import NamedTuple

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

__all__ = ["Flow", "flow_of", "is_plain", "readable"]


class Flow(NamedTuple):
    """What flows through a graph, as arrays; all is empty without values.

    `value` is that of each variable, `total` the derivative of the output with respect to it, and
    `contribution` of (variable, i) the term of `total` that its input number i gets from it.
    """

    value: dict
    contribution: dict
    total: dict


def flow_of(outputs, stand_in, values, wrt=None):
    """Return what flows through the graph of `outputs`.

    `stand_in` tells which leaf of the graph stands for an argument of the function that is drawn.
    """
    if values is None:
        if wrt is not None:
            raise ValueError("wrt tells which derivatives to draw, and those need values")
        return Flow({}, {}, {})
    order = ancestors(outputs)
    given = _given(order, stand_in, values)
    paths = dict.fromkeys(_checked_wrt(outputs, order, stand_in, wrt))
    for v in order:
        if v.kind == "f" and any(x in paths for i, x in enumerate(v.inputs) if _connects(v, i)):
            paths[v] = None
    walk = Walk(outputs[0], outputs[0].name) if paths else None
    total = {v: g for v in paths if (g := walk.adjoint(v)) is not None}
    edges = [
        (v, i) for v in paths for i, x in enumerate(v.inputs) if x in total and _connects(v, i)
    ]
    contribution = {edge: walk.contributions.get(edge, Constant(0)) for edge in edges}
    asked = [*order, *contribution.values(), *total.values()]
    compute = function(list(given), asked, on_unused_input="ignore", name="draw")
    with np.errstate(all="ignore"):  # the drawing shows where something is infinite
        results = iter(compute(*given.values()))
    return Flow(*({key: next(results) for key in keys} for keys in (order, contribution, total)))


def _connects(v, i):
    return v.operation.connected(i)


def _given(order, stand_in, values):
    """Return the values of the graph's inputs."""
    if not isinstance(values, Mapping):
        raise TypeError(f"values must be a dict of variables and their values, got {values!r}")
    inputs = {v for v in order if isinstance(v, Input)}
    shared = [v for v in stand_in if isinstance(v, Shared) and stand_in[v] is not v]
    given = {stand_in[v]: v.get_value(borrow=True) for v in shared}
    for v, value in values.items():
        if not isinstance(v, Variable):
            raise TypeError(f"values must be of variables, got one of {v!r}")
        if isinstance(v, Shared) or (v not in stand_in and v not in inputs):
            raise ValueError(f"values have {described(v)}, which is no input of what is drawn")
        given[stand_in.get(v, v)] = value
    if missing := [described(v) for v in order if v in inputs and v not in given]:
        raise ValueError(f"values lack {'; '.join(missing)}")
    return given


def _checked_wrt(outputs, order, stand_in, wrt):
    cost = outputs[0]
    differentiable = len(outputs) == 1 and cost.ndim == 0 and cost.kind == "f"
    if wrt is None:
        leaves = [v for v in order if v.operation is None and v.kind == "f" and not is_plain(v)]
        return leaves if differentiable and not any(v.kind == "c" for v in order) else []
    if not differentiable:
        raise ValueError(f"derivatives are drawn of one real number, not of {outputs!r}")
    wrt = [stand_in.get(v, v) for v in ([wrt] if isinstance(wrt, Variable) else wrt)]
    for v in wrt:
        if not isinstance(v, Variable):
            raise TypeError(f"wrt must be variables, got {v!r}")
        if v not in order:
            raise DisconnectedInputError(f"what is drawn doesn't depend on {described(v)}")
        if v.kind != "f":
            raise TypeError(f"wrt must be real, got {v.dtype}: {described(v)}")
    return wrt


def is_plain(v):
    """Return whether a variable is a constant that shows its value, having no name."""
    return isinstance(v, Constant) and not v.name


def readable(value):
    """Return an array as text: a number, up to three elements, or the smallest and the largest."""
    if value is None:
        return ""
    if value.ndim == 0:
        return _number(value[()], 4)
    if value.size == 0:
        return "empty"
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
    ends = [_number(x, 2) for x in (known.min(), known.max())]
    text = f"all {ends[0]}" if ends[0] == ends[1] else " … ".join(ends)
    return text if known.size == value.size else f"{text}, nan"


def _number(x, digits):
    if isinstance(x, np.bool_):
        return str(bool(x))
    if isinstance(x, np.complexfloating):
        return f"{x:.{digits - 1}g}".replace("-", "−")
    whole = abs(x) < 1e6 and (abs(x) >= 10**digits - 0.5 or x == int(x))
    text = f"{x:.0f}" if whole else f"{x:.{digits}g}"
    text = text.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    return "0" if text == "-0" else text.replace("-", "−")
