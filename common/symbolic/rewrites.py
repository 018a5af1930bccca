"""Rewrites: the same value, computed more accurately and with less work.

`stabilized` puts stable forms in place: softmax, its logarithm and the like overflow as they are
written. Gradients are derived from them. `rewrite`, for compiling, does so first, while constants
are still as they were written. Then it walks once more, and makes each variable again from its
rewritten inputs, unless

- an equal one is there already: common-subexpression elimination;
- there is another stable form, or a cheaper one;
- all its inputs are constants: constant folding.

Rules of elementwise operations are equations; others are functions that return a variable or None.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from common.symbolic import arrays, runtime
from common.symbolic import elementwise as ew
from common.symbolic.elementwise import Elementwise
from common.symbolic.graph import Constant, Input, Variable, ancestors, rebuilt
from common.symbolic.products import LogSoftmax, LogSumExp, Softmax

__all__ = ["SHAPE_ONLY", "rewrite", "stabilized", "substitute"]

LARGEST = 1000  # elements of constants that are computed, or compared

# Equations: what the left side matches is replaced by the right side. They are tried in this order,
# and the inputs of + and * in both orders. Constants stand first, since they fail soonest.


def _table(*equations):
    """Return lists of equations by the operation of their left side."""
    table = {}
    for left, right in equations:
        table.setdefault(left.operation, []).append((left, right))
    return table


X, Y = Input("float64", (), "x"), Input("float64", (), "y")

STABLE = _table(
    (ew.log(ew.exp(X)), X),
    (ew.log(ew.sigmoid(X)), -ew.softplus(-X)),
    (ew.log(1 + X), ew.log1p(X)),
    (ew.log(1 - X), ew.log1p(-X)),
    (ew.log1p(ew.exp(X)), ew.softplus(X)),
    (ew.log1p(-ew.sigmoid(X)), -ew.softplus(X)),
    (1 - ew.sigmoid(X), ew.sigmoid(-X)),
    (1 / (1 + ew.exp(X)), ew.sigmoid(-X)),
    (ew.inv(1 + ew.exp(X)), ew.sigmoid(-X)),
    ((1 + ew.exp(X)) ** -1, ew.sigmoid(-X)),
    (ew.exp(X) / (1 + ew.exp(X)), ew.sigmoid(X)),
)
CHEAPER = _table(
    (0 + X, X),
    (-Y + X, X - Y),
    (X - 0, X),
    (X - -Y, X + Y),
    (1 * X, X),
    (-1 * X, -X),
    (X / 1, X),
    (-X / Y, -(X / Y)),
    (X**1, X),
    (X**2, ew.sqr(X)),
    (ew.neg(-X), X),
    (-(X - Y), Y - X),
)


def _by_equation(table, x, look):
    """Return the right side of the first equation whose left side `x` matches, or None."""
    for left, right in table.get(x.operation, ()):
        found = {}
        if _matches(left, x, look, found) and all(y.dtype == x.dtype for y in found.values()):
            return _filled_in(right, found)
    return None


def _matches(pattern, x, look, found):
    """Return whether `x` is what a pattern describes; `found` gets what its variables stand for."""
    if isinstance(pattern, Constant):
        return isinstance(x, Constant) and x.ndim == 0 and x.value == pattern.value
    if pattern.operation is None:
        return _equal(found.setdefault(pattern, x), x)
    y, moved = look(x)
    if y.operation is not pattern.operation:
        return False
    inputs = []
    for z in y.inputs:
        if isinstance(z, Constant) and z.ndim == 0:
            inputs.append(z)
        elif y is x or z.broadcastable == y.broadcastable:
            inputs.append(moved(z))
        else:  # what is broadcast doesn't move as the result does
            return False
    for order in (inputs, inputs[::-1]) if y.operation in (ew.add, ew.mul) else (inputs,):
        if all(_matches(p, z, look, found) for p, z in zip(pattern.inputs, order, strict=True)):
            return True
    return False


def _filled_in(right, found):
    if right.operation is None:
        return found[right]
    return right.operation(*[_filled_in(x, found) for x in right.inputs])


def _equal(a, b, most=50):
    """Return whether two expressions are the same; False if that takes over `most` comparisons."""
    pairs = [(a, b)]
    for a, b in pairs:
        if a is not b:
            if len(pairs) > most or _value(a) != _value(b) or len(a.inputs) != len(b.inputs):
                return False
            pairs += zip(a.inputs, b.inputs, strict=True)
    return True


def _value(x):
    """Return what tells variables with the same inputs apart."""
    if x.operation is not None:
        return x.operation.key
    if isinstance(x, Constant) and x.value.size <= LARGEST and not x.name:
        return (x.dtype, x.weak, x.value.shape, x.value.dtype, x.value.tobytes())
    return x


def _name(x):
    return None if x.operation is None else x.operation.name


# Stable forms are found through operations that only move elements. Nothing can be seen of
# variables that are `hidden`.

MOVES = {"index", "dimshuffle", "reshape", "reshape_like", "broadcast", "copy", "cast"}
UNSEEN = Constant(0)


def _through(hidden, x):
    """Return what `x` shows elements of, and a function that moves elements in the same way."""
    path = []
    while _name(x) in MOVES and x not in hidden and x.kind == x.inputs[0].kind:
        path.append(x)
        x = x.inputs[0]

    def moved(y):
        for move in reversed(path):
            y = move.operation(y, *move.inputs[1:])
        return y

    return UNSEEN if x in hidden else x, moved


def _as_it_is(x):
    return x, lambda y: y


def _stable(x, hidden=()):
    """Return the stable form of `x`, or None."""
    if x.operation not in STABLE or x.kind != "f":
        return None
    found = _by_equation(STABLE, x, partial(_through, hidden))
    if found is None and x.operation.name in ALONG_AXES:
        found = ALONG_AXES[x.operation.name](hidden, *x.inputs)
    return found if found is not None and _fits(found, x) else None


def _fits(found, x):
    return (found.dtype, found.ndim) == (x.dtype, x.ndim) and not found.weak


def _log(hidden, x):
    """Return the logarithm of a softmax or of a sum of exponentials."""
    y, moved = _through(hidden, x)
    if _name(y) == "softmax":
        return moved(LogSoftmax(y.operation.axes)(*y.inputs))
    if _name(y) == "sum":
        power, moved_inside = _through(hidden, y.inputs[0])
        if _name(power) == "exp":
            return moved(LogSumExp(y.operation.axes)(moved_inside(power.inputs[0])))
    return None


def _softmax(hidden, a, b):
    """Return exp(z) / Σ exp(z) as a softmax, if each sum stands beside what it is the sum of."""
    (powers, of_a), (total, of_b) = _turned(hidden, a), _turned(hidden, b)
    exp, moved = _through(hidden, powers)
    if _name(exp) != "exp" or _name(total) != "sum":
        return None
    summed, order = _turned(hidden, total.inputs[0])
    axes = sorted(order[k] for k in total.operation.axes if order[k] != "x")
    rest = [n for k, n in enumerate(order) if k not in total.operation.axes]
    of_b = ["x"] * (a.ndim - b.ndim) + ["x" if k == "x" else rest[k] for k in of_b]
    beside = all(n == m or (n == "x" and m in axes) for n, m in zip(of_b, of_a, strict=False))
    if beside and _equal(summed, powers):
        return arrays.dimshuffle(Softmax(tuple(axes))(moved(exp.inputs[0])), of_a)
    return None


def _turned(hidden, x):
    """Return what `x` is, before its axes were turned, and which axis of it each axis of `x` is."""
    pattern = range(x.ndim)
    while _name(x) == "dimshuffle" and x not in hidden:
        pattern = ["x" if a == "x" else x.operation.pattern[a] for a in pattern]
        [x] = x.inputs
    return UNSEEN if x in hidden else x, pattern


ALONG_AXES = {"log": _log, "true_div": _softmax}


# Cheaper forms that aren't equations


def _zero_or_product(x, g, f):
    finite = isinstance(f, Constant) and np.isfinite(f.value).all()
    nonzero = isinstance(g, Constant) and g.value.all()
    return ew.mul(g, f) if finite or nonzero else None


def _dimshuffle(x, y):
    start, pattern = _turned((), x)
    return None if start is y else arrays.dimshuffle(start, pattern)


SHAPE_ONLY = {"broadcast": 1, "reshape_like": 1, "put": 1, "size": 0, "count": 0}


def _scalar_in(x):
    """Return the scalar that the array `x` is filled with, else None."""
    start = x
    while _name(x) in ("broadcast", "dimshuffle", "alloc"):
        x = x.inputs[0]
    if isinstance(x, Constant) and x.ndim and x.value.size == 1 and not x.name:
        x = Constant(x.value.reshape(()), dtype=x.dtype)
    return x if x.ndim == 0 and x is not start else None


def _unfilled(x):
    """Use a scalar in place of an array filled with it, where another input has the full shape."""
    inputs = x.inputs
    for i, y in enumerate(inputs if x.ndim and isinstance(x.operation, Elementwise) else ()):
        scalar = _scalar_in(y)
        if scalar is None:
            continue
        rest = inputs[:i] + inputs[i + 1 :]
        if any(all(_covers(y, z) for z in inputs) for y in rest):
            return x.operation(*inputs[:i], scalar, *inputs[i + 1 :])
        if len(inputs) == 1 and _name(y) == "broadcast":
            return arrays.broadcast_like(x.operation(scalar), y.inputs[1])
    return None


def _covers(y, x):
    """Return whether `x` may be left out beside `y`, which has the shape of both.

    Sizes of leaves are compared when a call begins; others must be known to be equal.
    """
    return x.ndim <= y.ndim and all(
        n in (1, m) or (m != 1 and getattr(n, "of_leaf", True) and getattr(m, "of_leaf", True))
        for n, m in zip(x.dims[::-1], y.dims[::-1], strict=False)
    )


def _put(x, g, *inputs):
    scalar = _scalar_in(g)
    return None if scalar is None else x.operation(scalar, *inputs)


RULES = {
    "broadcast": _put,
    "dimshuffle": _dimshuffle,
    "put": _put,
    "zero_or_product": _zero_or_product,
}
# They return their first input, if it has the shape and dtype of the result.
IDENTITIES = {"broadcast", "cast", "copy", "reshape", "reshape_like"}
IDENTITIES |= {"disconnected_grad", "zero_grad"}


def _cheaper(x):
    """Return the cheaper form of `x`, or None."""
    name = x.operation.name
    if name in IDENTITIES and (x.inputs[0].dtype, x.inputs[0].dims) == (x.dtype, x.dims):
        return x.inputs[0]
    if name in RULES:
        return RULES[name](x, *x.inputs)
    return _by_equation(CHEAPER, x, _as_it_is)


def _folded(x):
    """Return the constant that an operation on constants gives, or None."""
    if not x.inputs or not all(isinstance(y, Constant) and not y.name for y in x.inputs):
        return None
    size = math.prod([n if isinstance(n, int) else math.inf for n in x.dims])
    if not size <= LARGEST or x.operation.name in ("print", "draw"):
        return None
    values = {f"x{i}": y.value.item() if y.weak else y.value for i, y in enumerate(x.inputs)}
    try:
        with np.errstate(all="ignore"):
            value = eval(x.operation.code(*values), runtime.NAMESPACE | values)
    except (ArithmeticError, ValueError, TypeError, IndexError):
        return None  # the function will fail where it computes it, and say so
    return Constant(np.asarray(value, x.dtype))


class _Rewriter:
    """The walk of `rewrite`."""

    def __init__(self, outputs):
        self.new = {}  # what stands for a variable
        self.merged = {}  # what stands for an operation on inputs
        self.first = {}  # the first variable of a shape, or with an axis of a size
        order = ancestors(outputs)
        self.users = set(order)
        self.walk(order)

    def walk(self, order, made_at=None):
        """Find what stands for the variables in `order`, made at another place if that is given."""
        for x in order:
            x.made_at = made_at or x.made_at
            inputs = tuple([self.new[y] for y in x.inputs])
            key = (_value(x), *inputs)
            result = self.merged.get(key)
            if result is None:
                result = _with_inputs(x, inputs)
                found = self.by_rule(result) if x.operation else None
                if found is not None:
                    self.walk(ancestors([found], self.new), x.made_at)
                    result = self.new[found]
                self.merged[key] = result
                for n in (result.dims, *result.dims):
                    self.first.setdefault(n, result)
            if result.name is None and result.operation and result not in self.users:
                result.name = x.name
            self.new[x] = self.new[result] = result

    def by_rule(self, x):
        """Return what the first rule that applies makes of `x`; None if none applies."""
        for rule in (_stable, self.measured_first, _cheaper, _unfilled, _folded):
            found = rule(x)
            if found is not None and _fits(found, x):
                return found
        return None

    def measured_first(self, x):
        """Return `x` with a shape taken of the first variable that has it, or None."""
        if x.operation.name not in SHAPE_ONLY:
            return None
        i = SHAPE_ONLY[x.operation.name]
        y, is_size = x.inputs[i], x.operation.name == "size"
        key = y.dims[x.operation.axis] if is_size else y.dims
        first = self.first[key]
        if isinstance(key, int):
            return Constant(np.int64(key))
        if first is y:
            return None
        if is_size:
            return arrays.ShapeOf(first.dims.index(key))(first)
        return x.operation(*x.inputs[:i], first, *x.inputs[i + 1 :])


def rewrite(outputs: Sequence[Variable]) -> list[Variable]:
    """Return `outputs` rewritten: without repetition, stable and cheap."""
    image = stabilized(outputs, ())
    rewriter = _Rewriter([image[x] for x in outputs])
    return [rewriter.new[image[x]] for x in outputs]


def stabilized(outputs: Sequence[Variable], keep: Sequence[Variable]) -> dict[Variable, Variable]:
    """Return what stands for the variables that `outputs` are computed from, in stable forms.

    Gradients are derived from these: that of log softmax has no division by 0. What stands for a
    variable of `keep` stands for it alone and wherever it was used, so that a gradient with respect
    to it can be derived.
    """
    image, keep, hidden = {}, set(keep), set()
    for x in ancestors(outputs):
        new = _with_inputs(x, tuple([image[y] for y in x.inputs]))
        while (found := _stable(new, hidden)) is not None:  # log(1 + exp x) takes two steps
            fresh = ancestors([found], image)
            if fresh:
                found.name = x.name
            elif x in keep:
                break
            for y in fresh:
                y.made_at = x.made_at
            new = found
        image[x] = image[new] = new
        if x in keep:
            hidden.add(new)
    return image


def substitute(outputs: Sequence[Variable], replace: Mapping[Variable, Variable]) -> list[Variable]:
    """Return `outputs` with the variables that are keys of `replace` replaced by its values."""
    if not replace:
        return list(outputs)
    new = dict(replace)
    for x in ancestors(outputs, new):
        new[x] = _with_inputs(x, tuple([new[y] for y in x.inputs]))
    return [new[x] for x in outputs]


def _with_inputs(x, inputs):
    """Return what the operation of `x` makes of `inputs`; `x` itself if they are its own."""
    return x if inputs == x.inputs else rebuilt(x, inputs)
