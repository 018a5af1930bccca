"""The table of rules: for each operation, when something better means the same.

A rule gets the operation and its inputs, which have been rewritten already, and returns what to put
there, or None. What a rule returns is rewritten in turn. A result whose dtype or number of axes
isn't that of the operation is dropped, so that a rule needn't look.
"""

import math

from common.symbolic.elementwise import op
from common.symbolic.graph import Constant, Variable
from common.symbolic.indexing import AddAt, Index, Scatter
from common.symbolic.reduction import Spread, Sum
from common.symbolic.shape import ShapeOf
from common.symbolic.softmax import minus_logsumexp

__all__ = ["RULES", "made_by"]


def made_by(variable: Variable, name: str) -> bool:
    """Return whether `variable` is made by the operation `name`."""
    return variable.operation is not None and variable.operation.name == name


def _is(variable, number):
    return isinstance(variable, Constant) and variable.ndim == 0 and variable.value == number


def _is_number(variable):
    return isinstance(variable, Constant) and variable.ndim == 0


def _is_ordinary(*factors):
    """Return whether a product of floats neither overflows nor vanishes."""
    product = math.prod(float(factor.value) for factor in factors)
    return all(f.dtype.kind == "f" for f in factors) and 1e-30 < abs(product) < 1e30


def _both_ways(a, b):
    return (a, b), (b, a)


# Numerically stable forms: the left-hand sides overflow, or lose all digits, where x is large.


def _log(operation, x):
    if made_by(x, "softmax"):
        return minus_logsumexp(x.inputs[0])  # log softmax(x) = x − log Σ exp x
    if made_by(x, "index") and made_by(x.inputs[0], "softmax"):
        p, *inputs = x.inputs
        return x.operation(minus_logsumexp(p.inputs[0]), *inputs)
    if made_by(x, "sigmoid"):
        return -op("softplus", -x.inputs[0])  # log σ(x) = −log(1 + exp(−x))
    if made_by(x, "exp"):
        return x.inputs[0]
    if made_by(x, "add"):
        for one, other in _both_ways(*x.inputs):
            if _is(one, 1):
                return op("log1p", other)
    if made_by(x, "sub") and _is(x.inputs[0], 1):
        return op("log1p", -x.inputs[1])
    return None


def _log1p(operation, x):
    return op("softplus", x.inputs[0]) if made_by(x, "exp") else None  # log(1 + exp x)


def _one_minus(operation, a, b):
    # 1 − σ(x) = σ(−x)
    return op("sigmoid", -b.inputs[0]) if _is(a, 1) and made_by(b, "sigmoid") else None


def _one_over(operation, a, b):
    # 1 / (1 + exp z) = σ(−z)
    if _is(a, 1) and made_by(b, "add"):
        for one, other in _both_ways(*b.inputs):
            if _is(one, 1) and made_by(other, "exp"):
                return op("sigmoid", -other.inputs[0])
    return None


# Arithmetic that needn't be done.


def _add(operation, a, b):
    for one, other in _both_ways(a, b):
        if _is(one, 0):
            return other
        if made_by(one, "scatter") and one.lengths == other.lengths and one.operation.once:
            g, _, *inputs = one.inputs
            return AddAt(one.operation.pattern, once=True)(other, g, *inputs)
        if made_by(one, "neg"):
            return op("sub", other, one.inputs[0])
    return None


def _sub(operation, a, b):
    if _is(b, 0):
        return a
    return op("add", a, b.inputs[0]) if made_by(b, "neg") else _one_minus(operation, a, b)


def _mul(operation, a, b):
    for one, other in _both_ways(a, b):
        if _is(one, 1):
            return other
        if _is(one, -1):
            return op("neg", other)
        if _is_number(one) and made_by(other, "mul"):
            for factor, rest in _both_ways(*other.inputs):
                if _is_number(factor) and _is_ordinary(one, factor):
                    return op("mul", rest, op("mul", factor, one))  # c (d x) = (c d) x
        number = _number_within(one) if one.ndim else None
        if number is not None and other.lengths == operation.output_type(a, b)[1]:
            return op("mul", other, number)
    return None


def _true_div(operation, a, b):
    if _is(b, 1):
        return a
    if made_by(a, "neg"):
        return op("neg", op("true_div", a.inputs[0], b))
    return _one_over(operation, a, b)


def _pow(operation, a, b):
    if _is(b, 1):
        return a
    return op("sqr", a) if _is(b, 2) else None


def _neg(operation, x):
    if made_by(x, "neg"):
        return x.inputs[0]
    if made_by(x, "sub"):
        return op("sub", *x.inputs[::-1])
    if made_by(x, "spread") and x.inputs[0].ndim == 0:
        return Spread()(op("neg", x.inputs[0]), x.inputs[1])
    return None


def _number_within(x):
    """Return the number that `x` is filled with, if it is one that was spread out; else None."""
    while made_by(x, "spread") or made_by(x, "expand"):
        x = x.inputs[0]
    if x.ndim == 0:
        return x
    one_entry = isinstance(x, Constant) and x.value.size == 1
    return Constant(x.value.reshape(())) if one_entry else None


# Shapes that fit already.


def _spread(operation, g, x):
    if g.lengths == x.lengths:
        return g
    number = _number_within(g)
    return Spread()(number, x) if number is not None and number is not g else None


def _sum_to(operation, g, x):
    if g.lengths == x.lengths:
        return g
    extra = g.ndim - x.ndim
    pairs = list(zip(g.lengths[extra:], x.lengths, strict=True))
    if not all(n == m or m == 1 for n, m in pairs):
        return None
    axes = tuple(extra + a for a, (n, m) in enumerate(pairs) if n != m)
    total = Sum(axes, True)(g) if axes else g
    return Sum(tuple(range(extra)))(total) if extra else total


def _length(operation, x):
    n = x.lengths[operation.axis]
    if isinstance(n, int):
        return Constant(n, weak=True)
    if _counts(x) and made_by(x.inputs[1], "length"):
        return x.inputs[1]
    for other in x.inputs:  # what is as long for certain, and needn't be computed
        if n in other.lengths:
            return ShapeOf(other.lengths.index(n))(other)
    return None


def _count(operation, x):
    lengths = [ShapeOf(axis)(x) for axis in operation.axes]
    return math.prod(lengths[1:], start=lengths[0])


def _transpose(operation, x):
    if made_by(x, "transpose"):
        order = [x.operation.order[a] for a in operation.order]
        if order == sorted(order):
            return x.inputs[0]
    return None


def _cast(operation, x):
    return x if not x.weak else None  # only what has the dtype already gets past the check


# Indices that count 0, 1, 2, …, as the rows in the mean log-likelihood p[arange(n), t].


def _counts(x):
    return made_by(x, "arange") and _is(x.inputs[0], 0) and _is(x.inputs[2], 1)


def _names_all(pattern, x, inputs):
    """Return whether x[…] is x[0, 1, 2, …] up to the last row."""
    return pattern == (("array",),) and _counts(inputs[0]) and inputs[0].lengths[0] == x.lengths[0]


def _counts_rows(operation, inputs):
    """Return whether the rows count up, so that no place is named twice: a thing to remember."""
    by_rows = operation.pattern[:1] == (("array",),) and not operation.once
    if not by_rows or not _counts(inputs[0]):
        return False
    arrays = [x for x in inputs if x.ndim]
    return all(x.lengths == inputs[0].lengths for x in arrays)  # rows that are not broadcast


def _index(operation, x, *inputs):
    pattern = operation.pattern
    if _names_all(pattern, x, inputs):
        return x
    if _counts_rows(operation, inputs):
        return Index(pattern, once=True)(x, *inputs)
    if pattern == (("array",), ("array",)) and made_by(x, "sub"):
        # (a − b[:, None])[rows, t] = a[rows, t] − b[rows]: no difference of whole matrices
        a, b = x.inputs
        column = made_by(b, "expand") and b.operation.axes == (1,) and b.ndim == 2
        if column and a.lengths == x.lengths and b.lengths[0] == x.lengths[0]:
            return operation(a, *inputs) - Index((("array",),))(b.inputs[0], inputs[0])
    return None


def _scatter(operation, g, x, *inputs):
    if _names_all(operation.pattern, x, inputs) and g.lengths == x.lengths:
        return g
    if _counts_rows(operation, inputs):
        return Scatter(operation.pattern, once=True)(g, x, *inputs)
    number = _number_within(g) if g.ndim else None
    return None if number is None else operation(number, x, *inputs)


RULES = {
    "add": _add,
    "cast": _cast,
    "count": _count,
    "index": _index,
    "kept": lambda operation, x: x,
    "length": _length,
    "log": _log,
    "log1p": _log1p,
    "log_softmax": lambda operation, x: minus_logsumexp(x),
    "mul": _mul,
    "neg": _neg,
    "pow": _pow,
    "scatter": _scatter,
    "spread": _spread,
    "sub": _sub,
    "sum_to": _sum_to,
    "transpose": _transpose,
    "true_div": _true_div,
}
