"""The numbers of a drawing, as texts: values that flow forward, derivatives that flow backward."""

import re
from collections import Counter
from collections.abc import Mapping

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

__all__ = ["flow_of", "is_plain"]


def flow_of(outputs, leaves, values, wrt):
    """Return what flows through a graph, as pairs of texts, which are empty where nothing is known.

    Of (v, i), the edge that is input i of v, these are its value and derivative; (None, i) is the
    edge to output i. Of a variable they are the sum of several edges' derivatives, and its shape.
    `leaves` has the leaf that stands in the graph for an input.
    """
    order = ancestors(outputs)
    value, derivative, total = {}, {}, {}
    if values is not None:
        value, derivative, total = _computed(outputs, order, leaves, values, wrt)
    elif wrt is not None:
        raise ValueError("wrt tells which derivatives to draw, and those need values")
    value |= {v: v.value for v in order if is_plain(v)}
    uses = Counter(v.inputs[i] for v, i in derivative)
    sums = {v: f"Σ {readable(total[v])}" for v, n in uses.items() if n > 1}
    shapes = {v: value[v].shape if v in value else v.dims for v in order}
    edges = {(v, i): x for v in order for i, x in enumerate(v.inputs)}
    edges |= {(None, i): v for i, v in enumerate(outputs)}
    derivative[None, 0] = total.get(outputs[0])
    flow = {v: (sums.get(v, ""), str(shape) if shape else "") for v, shape in shapes.items()}
    for edge, x in edges.items():
        flow[edge] = readable(value.get(x)), readable(derivative.get(edge))
    return flow


def _computed(outputs, order, leaves, values, wrt):
    """Return three dicts: values, derivatives of edges, and derivatives of variables."""
    if not isinstance(values, Mapping):
        raise TypeError(f"values must be a dict of variables and their values, got {values!r}")
    inputs = {v for v in (*order, *leaves) if isinstance(leaves.get(v, v), Input)}
    for v in values:
        if isinstance(v, Variable) and v not in inputs:
            raise ValueError(f"values have {described(v)}, which is no input of what is drawn")
    given = {leaves.get(v, v): value for v, value in values.items()}

    real = len(outputs) == 1 and outputs[0].ndim == 0 and outputs[0].kind == "f"
    if wrt is None:
        wrt = [v for v in order if v.operation is None and v.kind == "f" and not is_plain(v)]
        if not real or any(v.kind == "c" for v in order):
            wrt = []
    elif not real:
        raise ValueError(f"derivatives are drawn of one real number, not of {outputs!r}")
    wrt = [leaves.get(v, v) for v in ([wrt] if isinstance(wrt, Variable) else wrt)]
    for v in wrt:
        if not isinstance(v, Variable) or v.kind != "f":
            raise TypeError(f"wrt must be real variables, got {v!r}")
        if v not in order:
            raise DisconnectedInputError(f"what is drawn doesn't depend on {described(v)}")

    edges = [(v, i) for v in order for i in range(len(v.inputs)) if v.operation.connected(i)]
    paths = dict.fromkeys(wrt)
    for v, i in edges:
        if v.kind == "f" and v.inputs[i] in paths:
            paths[v] = None
    walk = Walk(outputs[0], outputs[0].name)
    total = {v: g for v in paths if (g := walk.adjoint(v)) is not None}
    edges = [(v, i) for v, i in edges if v in paths and v.inputs[i] in total]
    contribution = {edge: walk.contributions.get(edge, Constant(0)) for edge in edges}
    asked = [*order, *contribution.values(), *total.values()]
    compute = function(list(given), asked, on_unused_input="ignore", name="draw")
    with np.errstate(all="ignore"):  # the drawing shows where something is infinite
        results = iter(compute(*given.values()))
    return [{key: next(results) for key in keys} for keys in (order, contribution, total)]


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
