"""Rewrites: the same value, computed more accurately and with less work.

`rewrite` walks through the graph in topological order. Each variable is made again from its
rewritten inputs, unless

- an equal one is there already: common-subexpression elimination;
- there is a stable form: softmax, its logarithm and the like overflow as they are written;
- there is a cheaper form;
- all its inputs are constants: constant folding. A folded constant keeps the expression that it was
  computed from, so that log(sigmoid(-800)) is still found.

Rules of elementwise operations are equations; others are functions that return a variable or None.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from common.symbolic import arrays, runtime
from common.symbolic import elementwise as ew
from common.symbolic.elementwise import Elementwise
from common.symbolic.graph import Constant, Input, Variable, ancestors, count_variables, rebuilt
from common.symbolic.products import LogSoftmax, LogSumExp, Softmax

__all__ = ["SHAPE_ONLY", "rewrite", "stabilized", "substitute"]


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


def _by_equation(table, x, inputs, look):
    """Return the right side of the first equation whose left side `x` matches, or None."""
    for left, right in table.get(x.operation, ()):
        found = {}
        matches = _match_inputs(left, inputs, look, found)
        if matches and all(y.dtype == x.dtype for y in found.values()):
            return _filled_in(right, found)
    return None


def _match_inputs(pattern, inputs, look, found):
    orders = (inputs, inputs[::-1]) if pattern.operation in (ew.add, ew.mul) else (inputs,)
    for order in orders:
        if all(_matches(p, x, look, found) for p, x in zip(pattern.inputs, order, strict=True)):
            return True
    return False


def _matches(pattern, x, look, found):
    """Return whether `x` is what a pattern describes; `found` gets what its variables stand for."""
    if isinstance(pattern, Constant):
        return _is(x, pattern.value)
    if pattern.operation is None:
        return _equal(found.setdefault(pattern, x), x)
    y, moved = look(x)
    if y.operation is not pattern.operation:
        return False
    inputs = [z if isinstance(z, Constant) and z.ndim == 0 else moved(z) for z in y.inputs]
    return _match_inputs(pattern, inputs, look, found)


def _filled_in(right, found):
    if right.operation is None:
        return found.get(right, right)
    return right.operation(*[_filled_in(x, found) for x in right.inputs])


def _name(x):
    return None if x.operation is None else x.operation.name


def _is(x, number):
    return isinstance(x, Constant) and x.ndim == 0 and x.value == number


def _unfolded(x):
    """Return the expression that a constant was folded from, or `x` itself."""
    return x.source if isinstance(x, Constant) and x.source is not None else x


def _equal(a, b, most=50):
    """Return whether two expressions are the same; False if that takes over `most` comparisons."""
    pairs = [(a, b)]
    for a, b in pairs:
        a, b = _unfolded(a), _unfolded(b)
        if a is b:
            continue
        if isinstance(a, Constant) and isinstance(b, Constant):
            if a.dtype != b.dtype or a.weak != b.weak or not np.array_equal(a.value, b.value):
                return False
        elif not a.inputs or not b.inputs or a.operation.key != b.operation.key:
            return False
        pairs += zip(a.inputs, b.inputs, strict=True)
        if len(pairs) > most:
            return False
    return True


# Stable forms are found through operations that only move elements. `see` tells what an input is
# computed by.

MOVES = {"index", "dimshuffle", "reshape", "reshape_like", "broadcast", "copy", "cast"}


def _through(see, x):
    """Return what `x` shows elements of, and a function that moves elements in the same way."""
    moves = []
    while True:
        x = see(x)
        is_cast = _name(x) == "cast"
        if _name(x) not in MOVES or (is_cast and (x.kind, x.inputs[0].kind) != ("f", "f")):
            break
        moves.insert(0, x)
        x = x.inputs[0]

    def moved(y):
        for move in moves:
            y = move.operation(y, *move.inputs[1:])
        return y

    return x, moved


def _as_it_is(x):
    return x, lambda y: y


def _stable(x, inputs, see):
    """Return the stable form of what the operation of `x` computes from `inputs`, or None."""
    if x.kind != "f" or x.operation is None:
        return None
    rule = ALONG_AXES.get(x.operation.name)
    found = _by_equation(STABLE, x, inputs, partial(_through, see))
    if found is None and rule is not None:
        found = rule(see, *inputs)
    return found if _fits(found, x) else None


def _fits(found, x):
    return (
        found is not None
        and (found.dtype, found.ndim) == (x.dtype, x.ndim)
        and not (isinstance(found, Constant) and found.weak)
    )


def _log(see, x):
    """Return the logarithm of a softmax or of a sum of exponentials."""
    y, moved = _through(see, x)
    if _name(y) == "softmax":
        return moved(LogSoftmax(y.operation.axes)(*y.inputs))
    if _name(y) == "sum":
        power, moved_inside = _through(see, y.inputs[0])
        if _name(power) == "exp":
            return moved(LogSumExp(y.operation.axes)(moved_inside(power.inputs[0])))
    return None


def _softmax(see, a, b):
    """Return exp(z) / Σ exp(z) as a softmax."""
    order, turned = list(range(a.ndim)), see(a)
    if _name(turned) == "dimshuffle" and set(turned.operation.pattern) == set(order):
        found = _softmax_turned(see, turned.inputs[0], b, turned.operation.pattern)
        if found is not None:
            return found
    return _softmax_turned(see, a, b, order)


def _softmax_turned(see, a, b, order):
    """Return a / b, with the axes of `a` in another order, as a softmax of them in that order."""
    power, moved = _through(see, a)
    total = _sum_beside(see, b, order)
    if _name(power) == "exp" and total is not None and _equal(total.inputs[0], a):
        return arrays.dimshuffle(Softmax(total.operation.axes)(moved(power.inputs[0])), order)
    return None


def _sum_beside(see, b, order):
    """Return the sum that `b` is, if its axes stand in `order` where they were; else None."""
    ndim = len(order)
    axes = list(order[ndim - b.ndim :])
    b = see(b)
    while _name(b) in ("dimshuffle", "broadcast"):
        [x, *_] = b.inputs
        if _name(b) == "broadcast":
            axes = axes[b.ndim - x.ndim :]
        else:
            pattern = b.operation.pattern
            axes = [axes[pattern.index(a)] if a in pattern else None for a in range(x.ndim)]
        b = see(x)
    if _name(b) != "sum" or b.inputs[0].ndim != ndim:
        return None
    return b if axes == [a for a in range(ndim) if a not in b.operation.axes] else None


ALONG_AXES = {"log": _log, "true_div": _softmax}


# Cheaper forms that aren't equations: choices, shapes, and arrays that are filled with one scalar.


def _mul(operation, a, b):
    """Return c (d y) as (c d) y, of constant scalars whose product is neither huge nor tiny."""
    for c, x in ((a, b), (b, a)):
        for d, y in (x.inputs, x.inputs[::-1]) if _name(x) == "mul" else ():
            known = [isinstance(k, Constant) and k.ndim == 0 and k.kind == "f" for k in (c, d)]
            if all(known) and 1e-30 < abs(float(c.value) * float(d.value)) < 1e30:
                return ew.mul(y, ew.mul(d, c))
    return None


def _zero_or_product(operation, g, f):
    finite = isinstance(f, Constant) and np.isfinite(f.value).all()
    nonzero = isinstance(g, Constant) and g.value.all()
    return ew.mul(g, f) if finite or nonzero else None


def _switch(operation, condition, a, b):
    if isinstance(condition, Constant) and condition.ndim == 0:
        chosen, other = (a, b) if condition.value else (b, a)
        return chosen if _covers(chosen, other) else None
    return None


FILLERS = ("broadcast", "dimshuffle", "alloc")
SHAPE_ONLY = {"broadcast": 1, "reshape_like": 1, "put": 1, "size": 0, "count": 0}


def _scalar_in(x):
    """Return the scalar that the array `x` is filled with, else None."""
    start = x
    while _name(x) in FILLERS:
        x = x.inputs[0]
    if isinstance(x, Constant) and x.ndim and x.value.size == 1 and not x.name:
        x = Constant(x.value.reshape(()), dtype=x.dtype)
    return x if x.ndim == 0 and x is not start else None


def _unfilled(operation, *inputs):
    """Use a scalar in place of an array filled with it, where another input has the full shape."""
    for i, x in enumerate(inputs):
        scalar = _scalar_in(x)
        if scalar is None:
            continue
        rest = inputs[:i] + inputs[i + 1 :]
        if any(all(_covers(y, z) for z in inputs) for y in rest):
            return operation(*inputs[:i], scalar, *inputs[i + 1 :])
        if len(inputs) == 1 and _name(x) == "broadcast":
            return arrays.broadcast_like(operation(scalar), x.inputs[1])
    return None


def _covers(y, x):
    """Return whether `x` may be left out beside `y`, which has the shape of both.

    Sizes of leaves are compared when a call begins; others must be known to be equal.
    """
    return x.ndim <= y.ndim and all(
        n in (1, m) or (m != 1 and _is_known_early(n) and _is_known_early(m))
        for n, m in zip(x.dims[::-1], y.dims[::-1], strict=False)
    )


def _is_known_early(n):
    return isinstance(n, int) or n.of_leaf


def _put(operation, g, x, *inputs):
    scalar = _scalar_in(g)
    return None if scalar is None else operation(scalar, x, *inputs)


def _reshape_like(operation, g, x):
    return g if g.dims == x.dims else None


def _broadcast(operation, g, x):
    return g if g.dims == x.dims else _put(operation, g, x)


def _size(operation, x):
    n = x.dims[operation.axis]
    if isinstance(n, int):
        return Constant(np.int64(n))
    start = x
    while earlier := [y for y in x.inputs if n in y.dims]:
        x = earlier[0]
    return None if x is start else arrays.ShapeOf(x.dims.index(n))(x)


def _dimshuffle(operation, x):
    if _name(x) != "dimshuffle":
        return None
    inner = x.operation.pattern
    pattern = ["x" if a == "x" else inner[a] for a in operation.pattern]
    return arrays.dimshuffle(x.inputs[0], pattern)


def _itself(operation, x):
    return x


RULES = {
    "broadcast": _broadcast,
    "cast": _itself,  # only a cast to the dtype that it has: other results don't fit
    "copy": _itself,
    "dimshuffle": _dimshuffle,
    "disconnected_grad": _itself,
    "mul": _mul,
    "put": _put,
    "reshape_like": _reshape_like,
    "size": _size,
    "switch": _switch,
    "zero_grad": _itself,
    "zero_or_product": _zero_or_product,
}


class _Rewriter:
    """One walk.

    Attributes
    ----------
    merged : dict
        From an operation and its inputs to the one variable that stands for them.
    same_shape : dict
        From a variable to the earliest one that it is computed from and that has its shape.
    """

    def __init__(self):
        self.merged, self.same_shape = {}, {}
        self.began = count_variables()

    def leaf(self, x):
        """Return the one constant of this value, or another leaf itself."""
        if not isinstance(x, Constant) or x.value.size > 16 or x.name:
            return x
        key = (x.dtype, x.weak, x.value.shape, x.value.dtype, x.value.tobytes())
        return self.merged.setdefault(key, x)

    def made_again(self, x, inputs):
        """Return what stands for `x`, now that its inputs are `inputs`."""
        key = (x.operation.key, *inputs)
        result = self.merged.get(key)
        if result is None:
            before = count_variables()
            result = self.by_rule(x, inputs)
            if result is not None:
                result = self.rewritten(result, before, x.made_at)
            else:
                result = _folded(x, inputs)
            if result is None:
                unchanged = all(a is b for a, b in zip(inputs, x.inputs, strict=True))
                result = x if unchanged else rebuilt(x, inputs)
            self.merged[key] = result
            for y in result.inputs if result.dims else ():
                if y.dims == result.dims:
                    self.same_shape[result] = self.same_shape.get(y, y)
                    break
        if result.name is None and result.operation and result.serial > self.began:
            result.name = x.name  # what was there before belongs to the user
        return result

    def by_rule(self, x, inputs):
        """Return what the first rule that applies finds; None if none applies."""
        operation = x.operation
        found = _stable(x, inputs, _unfolded)
        if found is not None:
            return found
        if operation.name in SHAPE_ONLY:
            i = SHAPE_ONLY[operation.name]
            source = self.same_shape.get(inputs[i])
            if source is not None:
                return operation(*inputs[:i], source, *inputs[i + 1 :])
        found = _by_equation(CHEAPER, x, inputs, _as_it_is)
        if found is None and operation.name in RULES:
            found = RULES[operation.name](operation, *inputs)
        if _fits(found, x):
            return found
        if x.ndim and isinstance(operation, Elementwise):
            found = _unfilled(operation, *inputs)
        return found if _fits(found, x) else None

    def rewritten(self, x, before, made_at):
        """Return `x`, made by a rule, with all of it rewritten that is younger than `before`."""
        if x.serial < before:
            return x
        if x.operation is None:
            return self.leaf(x)
        x.made_at = made_at
        return self.made_again(x, tuple([self.rewritten(y, before, made_at) for y in x.inputs]))


def rewrite(outputs: Sequence[Variable]) -> list[Variable]:
    """Return `outputs` rewritten: without repetition, stable and cheap."""
    rewriter, new = _Rewriter(), {}
    for x in ancestors(outputs):
        if x.operation is None:
            new[x] = rewriter.leaf(x)
        else:
            new[x] = rewriter.made_again(x, tuple([new[y] for y in x.inputs]))
    return [new[x] for x in outputs]


def stabilized(outputs: Sequence[Variable], keep: Sequence[Variable]) -> dict[Variable, Variable]:
    """Return what stands for the variables that stable forms change, and nothing else.

    Gradients are derived from these: that of log softmax has no division by 0. What stands for a
    variable of `keep` stands for it alone and wherever it was used, so that a gradient with respect
    to it can be derived.
    """
    image, keep, hidden = {}, set(keep), set()

    def see(x):
        return Constant(0) if x in hidden else x

    for x in ancestors(outputs):
        if x.operation is None:
            continue
        inputs = tuple([image.get(y, y) for y in x.inputs])
        unchanged = all(a is b for a, b in zip(inputs, x.inputs, strict=True))
        before = count_variables() if x.operation in STABLE else 0
        found = new = x if unchanged else rebuilt(x, inputs)
        while found is not None:  # log(1 + exp x) takes two steps
            new, found = found, _stable(found, found.inputs, see)
        if x in keep and new.serial < before:
            new = x if unchanged else rebuilt(x, inputs)
        if x in keep:
            hidden.add(new)
        if new is not x:
            image[x] = new
            if new.name is None and new.serial > before > 0:
                new.name = x.name
    return image


def _folded(x, inputs):
    """Return the constant that an operation on constants gives, or None."""
    if not inputs or not all(isinstance(y, Constant) and not y.name for y in inputs):
        return None
    size = math.prod(x.dims) if all(isinstance(n, int) for n in x.dims) else None
    if x.operation.name in ("print", "draw") or (size is None and x.operation.name in UNBOUNDED):
        return None
    if size is not None and size > 1000:
        return None
    names = [f"x{i}" for i in range(len(inputs))]
    values = {n: y.value.item() if y.weak else y.value for n, y in zip(names, inputs, strict=True)}
    try:
        with np.errstate(all="ignore"):
            value = eval(x.operation.code(*names), runtime.NAMESPACE | values)
    except (ArithmeticError, ValueError, TypeError, IndexError):
        return None  # the function will fail where it computes it, and say so
    source = rebuilt(x, tuple(map(_unfolded, inputs)))
    return Constant(np.asarray(value, x.dtype), source=source)


UNBOUNDED = ("arange", "alloc")


def substitute(outputs: Sequence[Variable], replace: Mapping[Variable, Variable]) -> list[Variable]:
    """Return `outputs` with the variables that are keys of `replace` replaced by its values."""
    if not replace:
        return list(outputs)
    new = dict(replace)
    for x in ancestors(outputs):
        if x not in new:
            inputs = tuple([new[y] for y in x.inputs])
            unchanged = all(a is b for a, b in zip(inputs, x.inputs, strict=True))
            new[x] = x if unchanged else rebuilt(x, inputs)
    return [new[x] for x in outputs]
