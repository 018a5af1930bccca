"""Rewrites: the same value, computed more accurately and with less work.

`rewrite`, for compiling, makes each variable again from its rewritten inputs, unless

- an equal one is there already: common-subexpression elimination;
- there is a stable form: softmax, its logarithm and the like overflow as they are written;
- there is a cheaper form;
- all its inputs are constants: constant folding.

`stabilized` puts in place only the stable forms that `rewrite` finds, and leaves the rest as it was
written. Gradients are derived from that.

Rules of elementwise operations are equations; others are functions that return a variable or None.
"""

import math
from collections.abc import Mapping, Sequence, Set
from itertools import permutations

import numpy as np

from common.symbolic import arrays, runtime
from common.symbolic import elementwise as ew
from common.symbolic.elementwise import Elementwise
from common.symbolic.graph import Constant, Input, Variable, ancestors, rebuilt
from common.symbolic.indexing import Put
from common.symbolic.products import LogSoftmax, LogSumExp, Softmax

LARGEST = 1000  # elements of a constant that is folded, or compared with others


def _table(*equations):
    """Return lists of equations by the operation of their left side."""
    table = {}
    for left, right in equations:
        table.setdefault(left.operation, []).append((left, right))
    return table


# Equations: what the left side matches is replaced by the right side. They are tried in this order,
# and the inputs of + and * in both orders. Constants stand first, since they fail soonest.

X, Y = Input("float64", (), "x"), Input("float64", (), "y")

STABLE = _table(
    (ew.log(ew.exp(X)), X),
    (ew.log(ew.sigmoid(X)), -ew.softplus(-X)),
    (ew.log(1 + ew.exp(X)), ew.softplus(X)),
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
UNSTABLE = {ew.exp, ew.sigmoid, ew.log, ew.log2, ew.log10}  # each left side has one of these
CHEAPER = _table(
    (0 + X, X),
    (X - 0, X),
    (-Y + X, X - Y),
    (X - -Y, X + Y),
    (1 * X, X),
    (X / 1, X),
    (-1 * X, -X),
    (X**1, X),
    (X**2, ew.sqr(X)),
    (ew.neg(-X), X),
    (-(X - Y), Y - X),
)


def _by_equation(table, x, folded=None):
    """Return the right side of the first equation whose left side `x` matches, or None."""
    for left, right in table.get(x.operation, ()):
        found = {}
        if _matches(left, x, folded, found) and all(
            y.weak or y.dtype == x.dtype for y in found.values()
        ):
            return _filled_in(right, found)
    return None


def _matches(pattern, x, folded, found):
    """Return whether `x` is what a pattern describes; `found` gets what its variables stand for.

    What only moves elements is looked through, unless `folded` is None.
    """
    if isinstance(pattern, Constant):
        return isinstance(x, Constant) and x.ndim == 0 and x.value == pattern.value
    if pattern.operation is None:
        return _equal(found.setdefault(pattern, x), x)
    inputs = x.inputs
    if x.operation is not pattern.operation:
        y, moves = (x, ()) if folded is None else _through(folded, x)
        if y.operation is not pattern.operation:
            return False
        moving = [z for z in y.inputs if z.ndim or not isinstance(z, Constant)]
        if any(z.broadcastable != y.broadcastable for z in moving):
            return False  # what is broadcast doesn't move as the result does
        inputs = [_moved(z, moves) if z in moving else z for z in y.inputs]
    for order in (inputs, inputs[::-1]) if pattern.operation in (ew.add, ew.mul) else (inputs,):
        for p, z in zip(pattern.inputs, order, strict=True):
            if not _matches(p, z, folded, found):
                break
        else:
            return True
    return False


def _filled_in(right, found):
    if right.operation is None:
        return found[right]
    return right.operation(*[_filled_in(x, found) for x in right.inputs])


def _equal(a, b):
    """Return whether two expressions are the same. Only what was moved isn't merged already."""
    pairs = [(a, b)]
    for a, b in pairs:
        if a is not b:
            if _value(a) != _value(b) or len(a.inputs) != len(b.inputs):
                return False
            pairs += zip(a.inputs, b.inputs, strict=True)
    return True


def _value(x):
    """Return a key that is equal for variables that are equal if their inputs are."""
    if x.operation is not None:
        return x.operation.key
    if isinstance(x, Constant) and x.value.size <= LARGEST and not x.name:
        return (x.dtype, x.weak, x.value.shape, x.value.dtype, x.value.tobytes())
    return x


def _is_sum(x):
    return isinstance(x.operation, arrays.Reduction) and x.operation.name == "sum"


# Stable forms are found through operations that only move elements, and in constants, of which
# `folded` tells what they were computed from.


def _through(folded, x):
    """Return the variable whose elements `x` shows, and the moves between, the last one first."""
    moves, x = [], folded.get(x, x)
    while getattr(x.operation, "moves", False) and x.kind == x.inputs[0].kind:
        moves.append(x)
        x = folded.get(x.inputs[0], x.inputs[0])
    return x, moves


def _moved(x, moves):
    """Return `x` with its elements moved by the operations of `moves`."""
    for move in reversed(moves):
        x = move.operation(x, *move.inputs[1:])
    return x


def _stable(folded, x):
    """Return the stable form of `x`, or None."""
    if x.operation in (ew.log2, ew.log10):
        found = _stable(folded, ew.log(*x.inputs))
        return found if found is None else found / math.log(2 if x.operation is ew.log2 else 10)
    if x.operation not in STABLE or x.kind != "f":
        return None
    found = _by_equation(STABLE, x, folded)
    if found is None and x.operation in (ew.log, ew.true_div):
        found = (_log if x.operation is ew.log else _softmax)(folded, *x.inputs)
    return found


def _log(folded, x):
    """Return the logarithm of a softmax or of a sum of exponentials."""
    y, moves = _through(folded, x)
    if type(y.operation) is Softmax:
        return _moved(LogSoftmax(y.operation.axes)(*y.inputs), moves)
    z = _exponent(folded, y.inputs[0]) if _is_sum(y) else None
    return None if z is None else _moved(LogSumExp(y.operation.axes)(z), moves)


def _exponent(folded, x):
    """Return z if `x` is exp(z), else None."""
    power, moves = _through(folded, x)
    return _moved(power.inputs[0], moves) if power.operation is ew.exp else None


def _softmax(folded, a, b):
    """Return exp(z) / Σ exp(z) as a softmax, if a sum contains what is divided by it."""
    total, pattern = _turned(folded, b)
    if not _is_sum(total) or b.ndim > a.ndim:
        return None
    z, summed = _exponent(folded, a), _exponent(folded, total.inputs[0])
    if z is None or summed is None:
        return None
    axes = total.operation.axes
    rest = [k for k in range(summed.ndim) if k not in axes]
    places = dict(enumerate(pattern, start=a.ndim - b.ndim))
    order = {k: rest[n] for k, n in places.items() if n != "x"}  # which axes of z are not summed
    for new in permutations([k for k in range(a.ndim) if k not in order], len(axes)):
        where = order | dict(zip(new, axes, strict=True))
        beside = arrays.dimshuffle(summed, [where.get(k, "x") for k in range(a.ndim)])
        (x, of_x), (y, of_y) = _turned(folded, beside), _turned(folded, z)
        if of_x == of_y and _equal(x, y):
            return Softmax(new)(z)
    return None


def _turned(folded, x):
    """Return what `x` is a dimshuffle of, and which of its axes each axis of `x` is."""
    pattern, x = list(range(x.ndim)), folded.get(x, x)
    while isinstance(x.operation, arrays.Dimshuffle):
        pattern = ["x" if a == "x" else x.operation.pattern[a] for a in pattern]
        x = folded.get(x.inputs[0], x.inputs[0])
    return x, pattern


# Cheaper forms that aren't equations


def _scalar_in(x):
    """Return the scalar that the array `x` is filled with, else None."""
    start = x
    while type(x.operation) in (arrays.BroadcastLike, arrays.Dimshuffle, arrays.Alloc):
        x = x.inputs[0]
    if isinstance(x, Constant) and x.ndim and x.value.size == 1 and not x.name:
        x = Constant(x.value.reshape(()), dtype=x.dtype)
    return x if x.ndim == 0 and x is not start else None


def _unfilled(x):
    """Use a scalar in place of an array filled with it, where another input has its shape."""
    inputs = x.inputs
    for i, y in enumerate(inputs if x.ndim and isinstance(x.operation, Elementwise) else ()):
        scalar = _scalar_in(y)
        if scalar is None:
            continue
        if any(_covers(z, y) for z in inputs[:i] + inputs[i + 1 :]):
            return x.operation(*inputs[:i], scalar, *inputs[i + 1 :])
        if len(inputs) == 1 and type(y.operation) is arrays.BroadcastLike:
            return arrays.broadcast_like(x.operation(scalar), y.inputs[1])
    return None


def _covers(y, x):
    """Return whether broadcasting `x` to `y` gives the shape of `y`, as far as the program knows.

    Sizes of leaves are compared when a call begins; others must be known to be equal.
    """
    return x.ndim <= y.ndim and all(
        n in (1, m) or (m != 1 and getattr(n, "of_leaf", True) and getattr(m, "of_leaf", True))
        for n, m in zip(x.dims[::-1], y.dims[::-1], strict=False)
    )


def _cheaper(x, folded):
    """Return the cheaper form of `x`, or None."""
    kind, inputs = type(x.operation), x.inputs
    if kind is arrays.Copy:
        return inputs[0]
    if kind is arrays.Dimshuffle:
        start, pattern = _turned({}, x)
        turned = arrays.dimshuffle(start, pattern)
        return None if start is inputs[0] and turned is not start else turned
    if x.operation is ew.zero_or_product:
        g, f = [y.value if isinstance(y, Constant) else None for y in inputs]
        finite, nonzero = f is not None and np.isfinite(f).all(), g is not None and g.all()
        return ew.mul(*inputs) if finite or nonzero else None
    if kind in (arrays.BroadcastLike, Put):
        scalar = _scalar_in(inputs[0])
        return None if scalar is None else x.operation(scalar, *inputs[1:])
    return _by_equation(CHEAPER, x, folded)


def _folded(x):
    """Return the constant that an operation on constants gives, or None."""
    if not x.inputs or not all(isinstance(y, Constant) and not y.name for y in x.inputs):
        return None
    size = math.prod([n if isinstance(n, int) else math.inf for n in x.dims])
    if not size <= LARGEST or isinstance(x.operation, arrays.Print):
        return None
    values = {f"x{i}": y.operand for i, y in enumerate(x.inputs)}
    try:
        with np.errstate(all="ignore"):
            value = eval(x.operation.code(*values), runtime.NAMESPACE | values)
    except (ArithmeticError, ValueError, TypeError, IndexError):
        return None  # the function will fail where it computes it, and say so
    return Constant(np.asarray(value, x.dtype))


class _Rewriter:
    """The walk of `rewrite`. No rule sees what a variable of `keep` is computed from."""

    def __init__(self, order, keep=()):
        self.new = {}  # what stands for a variable
        self.merged = {}  # the first of equal variables
        self.stable = {}  # the stable form of a variable that has one
        self.first = {}  # the first variable of a shape, or with an axis of a size
        self.folded = {}  # what constants were computed from
        self.users, self.keep = set(order), keep
        self.walk(order)

    def walk(self, order, made_at=None):
        """Find what stands for the variables in `order`, made at another place if that is given."""
        for x in order:
            x.made_at = made_at or x.made_at
            key = x if x in self.keep else (_value(x), *[self.new[y] for y in x.inputs])
            same = self.merged.setdefault(key, x)
            if same is x:
                result = self.rewritten(x)
                if x in self.keep:
                    result = Input(x.dtype, x.dims)
                self.new[x] = self.new[result] = result
                for n in () if result.weak else (result.dims, *result.dims):
                    self.first.setdefault(n, result)
            elif same in self.stable:
                self.stable[x] = self.stable[same]
            self.new[x] = result = self.new[same]
            if result.name is None and result.operation and result not in self.users:
                result.name = x.name

    def rewritten(self, x):
        """Return what the first rule that applies makes of `x`; itself if none applies."""
        new = _with_inputs(x, self.new)
        if new.operation is None:
            return new
        for rule in (self.stable_form, self.measured_first, self.cheaper, _unfilled):
            found = rule(new)
            if found is None or found.weak or (found.dtype, found.ndim) != (new.dtype, new.ndim):
                continue
            self.walk(ancestors([found], self.new), x.made_at)
            if rule == self.stable_form or found in self.stable:
                self.stable[x] = self.new[found]
            return self.new[found]
        constant = _folded(new)
        if constant is None:
            return new
        self.folded[constant] = new
        return constant

    def stable_form(self, x):
        """Return the stable form of `x`, or None."""
        found = _stable(self.folded, x)
        if found is not None:  # what it replaces shouldn't be computed for its shape alone
            for n in (x.dims, *x.dims):
                if self.first.get(n) in x.inputs:
                    del self.first[n]
        return found

    def cheaper(self, x):
        """Return the cheaper form of `x`, or None. Constants may hide a stable one: −(−σ(c))."""
        constant = all(isinstance(y, Constant) for y in x.inputs)
        return _cheaper(x, self.folded if constant else None)

    def measured_first(self, x):
        """Return `x` with a shape taken from the first variable that has it, or None."""
        i = x.operation.shape_only
        if i is None:
            return None
        y = x.inputs[i]
        if type(x.operation) is not arrays.ShapeOf:
            first = self.first.get(y.dims, y)
            return None if first is y else x.operation(*x.inputs[:i], first, *x.inputs[i + 1 :])
        n = y.dims[x.operation.axis]
        if isinstance(n, int):
            return Constant(np.int64(n))
        first = self.first.get(n, y)
        return None if first is y else arrays.ShapeOf(first.dims.index(n))(first)


def rewrite(outputs: Sequence[Variable]) -> list[Variable]:
    """Return `outputs` rewritten: without repetition, stable and cheap."""
    new = _Rewriter(ancestors(outputs)).new
    return [new[x] for x in outputs]


def stabilized(outputs: Sequence[Variable], keep: Set[Variable]) -> dict[Variable, Variable]:
    """Return what stands for the variables that `outputs` are computed from, in stable forms.

    Gradients are derived from these: that of log softmax has no division by 0. What stands for a
    variable of `keep` stands for it alone and wherever it was used, so that a gradient with respect
    to it can be derived.
    """
    order = ancestors(outputs)
    if UNSTABLE.isdisjoint([x.operation for x in order]):
        return {x: x for x in order}
    rewriter = _Rewriter(order, keep)
    image, written = {}, {}  # what stands for a variable, and for what is made of it by rewriting
    for x in order:
        form = rewriter.stable.get(x)
        if form is None:
            image[x] = _with_inputs(x, image)
        else:
            [form] = replaced([form], written)
            image[x] = form.copy(x.name) if x in keep else form
        written.setdefault(rewriter.new[x], image[x])
    return image


def substitute(outputs: Sequence[Variable], replace: Mapping[Variable, Variable]) -> list[Variable]:
    """Return `outputs` with the variables that are keys of `replace` replaced by its values."""
    return replaced(outputs, dict(replace)) if replace else list(outputs)


def replaced(outputs: Sequence[Variable], new: dict[Variable, Variable]) -> list[Variable]:
    """Return what `substitute` does, and keep in `new` what stands for the variables between."""
    for x in ancestors(outputs, new):
        new[x] = _with_inputs(x, new)
    return [new[x] for x in outputs]


def _with_inputs(x, new):
    """Return what the operation of `x` makes of its `new` inputs; `x` itself if they are old."""
    inputs = tuple([new[y] for y in x.inputs])
    return x if inputs == x.inputs else rebuilt(x, inputs)
