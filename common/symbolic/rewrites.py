"""Rewrites: the same value, computed more accurately and with less work.

One walk in topological order. Each variable is made again from its rewritten inputs, unless

- an equal one is there already: common-subexpression elimination;
- a rule knows a stable form: softmax, its logarithm and the like, which overflow as written;
- a rule knows something simpler;
- all its inputs are constants: constant folding. A folded constant remembers what it was computed
  from, so that log(sigmoid(-800)) is still found.

A rule takes an operation, its inputs, and `see`, which tells what an input is made by. It returns a
variable or None. What it returns is rewritten in turn.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from common.symbolic import arrays, runtime
from common.symbolic import elementwise as ew
from common.symbolic.elementwise import Elementwise
from common.symbolic.graph import Constant, Variable, ancestors, count_variables, rebuilt
from common.symbolic.products import LogSoftmax, LogSumExp, Softmax

__all__ = ["rewrite", "stabilized", "substitute"]


def _name(x):
    return None if x.operation is None else x.operation.name


def _is(x, number):
    return isinstance(x, Constant) and x.ndim == 0 and x.value == number


def _is_scalar(x):
    return isinstance(x, Constant) and x.ndim == 0


def _both_orders(a, b):
    return (a, b), (b, a)


def _equal(a, b, most=50):
    """Return whether two expressions are the same. False if that takes more than `most` steps."""
    stack = [(a, b)]
    while stack and most:
        a, b = stack.pop()
        most -= 1
        if a is b:
            continue
        if isinstance(a, Constant) and isinstance(b, Constant):
            same = a.dtype == b.dtype and a.weak == b.weak and np.array_equal(a.value, b.value)
            if not same:
                return False
            continue
        if a.operation is None or b.operation is None or a.operation.key != b.operation.key:
            return False
        stack.extend(zip(a.inputs, b.inputs, strict=True))
    return not stack


# Stable forms. They are found through operations that only move elements.

_MOVES = {"index", "dimshuffle", "reshape", "reshape_like", "broadcast", "copy", "cast"}


def _through(x, see):
    """Return what `x` shows elements of, and the operations between, the last one first."""
    moves = []
    while True:
        x = see(x)
        is_cast = _name(x) == "cast"
        if _name(x) not in _MOVES or (is_cast and (x.kind, x.inputs[0].kind) != ("f", "f")):
            return x, moves
        moves.append(x)
        x = x.inputs[0]


def _moved(x, moves):
    for move in reversed(moves):
        x = move.operation(x, *move.inputs[1:])
    return x


def _log(operation, see, x):
    base, moves = _through(x, see)
    name = _name(base)
    if name == "softmax":
        return _moved(LogSoftmax(base.operation.axes)(*base.inputs), moves)
    if name == "sigmoid":
        return _moved(-ew.softplus(-base.inputs[0]), moves)  # log σ(x) = −log(1 + exp(−x))
    if name == "exp":
        return _moved(base.inputs[0], moves)
    if name == "sum":
        inner, inner_moves = _through(base.inputs[0], see)
        if _name(inner) == "exp":
            scores = _moved(inner.inputs[0], inner_moves)
            return _moved(LogSumExp(base.operation.axes)(scores), moves)
    if name == "add":
        for one, other in _both_orders(*base.inputs):
            if _is(one, 1):
                return _moved(ew.log1p(other), moves)
    if name == "sub" and _is(base.inputs[0], 1):
        return _moved(ew.log1p(-base.inputs[1]), moves)
    return None


def _log1p(operation, see, x):
    base, moves = _through(x, see)
    if _name(base) == "exp":
        return _moved(ew.softplus(base.inputs[0]), moves)  # log(1 + exp x)
    if _name(base) == "neg":
        inner, inner_moves = _through(base.inputs[0], see)
        if _name(inner) == "sigmoid":
            return _moved(_moved(-ew.softplus(inner.inputs[0]), inner_moves), moves)
    return None


def _one_minus(operation, see, a, b):
    base, moves = _through(b, see)
    if _is(a, 1) and _name(base) == "sigmoid":
        return _moved(ew.sigmoid(-base.inputs[0]), moves)  # 1 − σ(x) = σ(−x)
    return None


def _quotient(operation, see, a, b):
    below, moves = _through(b, see)
    if _name(below) == "add":
        for one, other in _both_orders(*below.inputs):
            if _is(one, 1):
                base, inner_moves = _through(other, see)
                if _name(base) != "exp":
                    continue
                scores = _moved(base.inputs[0], inner_moves)
                if _is(a, 1):
                    return _moved(ew.sigmoid(-scores), moves)  # 1 / (1 + exp z) = σ(−z)
                if not moves and _equal(see(a), see(other)):
                    return ew.sigmoid(scores)  # exp z / (1 + exp z) = σ(z)
    above, moves = _through(a, see)
    if _name(above) == "exp":
        total = _normalizer(b, see, a.ndim)
        if total is not None and _equal(see(total.inputs[0]), see(a)):
            return Softmax(total.operation.axes)(_moved(above.inputs[0], moves))
    return None


def _normalizer(b, see, ndim):
    """Return the sum that `b` is, if its axes stand where they were before summing; else None."""
    labels = list(range(ndim - b.ndim, ndim))
    b = see(b)
    while _name(b) in ("dimshuffle", "broadcast"):
        [x, *_] = b.inputs
        if _name(b) == "broadcast":
            labels = labels[b.ndim - x.ndim :]
        else:
            pattern = b.operation.pattern
            labels = [labels[pattern.index(a)] if a in pattern else None for a in range(x.ndim)]
        b = see(x)
    if _name(b) != "sum" or b.inputs[0].ndim != ndim:
        return None
    rest = [a for a in range(ndim) if a not in b.operation.axes]
    return b if labels == rest else None


def _inverse(operation, see, a, b=None):
    if a.kind == "f" and (b is None or _is(b, -1)):
        return _quotient(operation, see, Constant(1.0, dtype=a.dtype), a)
    return None


STABLE = {
    "log": _log,
    "log1p": _log1p,
    "sub": _one_minus,
    "true_div": _quotient,
    "inv": _inverse,
    "pow": _inverse,
}


# Arithmetic that needn't be done


def _add(operation, see, a, b):
    for one, other in _both_orders(a, b):
        if _is(one, 0):
            return other
        if _name(one) == "neg":
            return ew.sub(other, one.inputs[0])
    return None


def _sub(operation, see, a, b):
    if _is(b, 0):
        return a
    return ew.add(a, b.inputs[0]) if _name(b) == "neg" else None


def _mul(operation, see, a, b):
    for one, other in _both_orders(a, b):
        if _is(one, 1):
            return other
        if _is(one, -1) and other.kind != "b":
            return ew.neg(other)
        if _is_scalar(one) and _name(other) == "mul":
            for factor, rest in _both_orders(*other.inputs):
                if _is_scalar(factor) and _is_ordinary(one, factor):
                    return ew.mul(rest, ew.mul(factor, one))  # c (d x) = (c d) x
    return None


def _is_ordinary(*factors):
    """Return whether a product of floats neither overflows nor vanishes."""
    product = math.prod(float(f.value) for f in factors if f.kind == "f")
    return all(f.kind == "f" for f in factors) and 1e-30 < abs(product) < 1e30


def _true_div(operation, see, a, b):
    if _is(b, 1):
        return a
    return ew.neg(ew.true_div(a.inputs[0], b)) if _name(a) == "neg" else None


def _pow(operation, see, a, b):
    if _is(b, 1):
        return a
    return ew.sqr(a) if _is(b, 2) and a.kind != "b" else None


def _neg(operation, see, x):
    if _name(x) == "neg":
        return x.inputs[0]
    return ew.sub(*x.inputs[::-1]) if _name(x) == "sub" else None


def _zero_or_product(operation, see, g, f):
    ordinary = isinstance(f, Constant) and np.isfinite(f.value).all()
    nonzero = isinstance(g, Constant) and g.value.all()
    return ew.mul(g, f) if ordinary or nonzero else None


def _switch(operation, see, condition, a, b):
    if _is_scalar(condition):
        chosen, dims = (a if condition.value else b), ew.broadcast("switch", a, b)
        if all(n != 1 or m == 1 for n, m in zip(chosen.dims, dims, strict=False)):
            return chosen
    return None


_FILLERS = ("broadcast", "dimshuffle", "alloc")


def _number_in(x):
    """Return the scalar that `x` is filled with; None if it isn't filled."""
    start = x
    while _name(x) in _FILLERS:
        x = x.inputs[0]
    if isinstance(x, Constant) and x.value.size == 1:
        x = Constant(x.value.reshape(()), dtype=x.dtype) if x.ndim and not x.name else x
    return x if x.ndim == 0 and x is not start else None


def _unfilled(operation, see, *inputs):
    """Use a scalar in place of an array filled with it, where another input has the full shape."""
    dims = ew.broadcast(operation.name, *inputs)
    for i, x in enumerate(inputs):
        number = _number_in(x) if x.ndim else None
        if number is None:
            continue
        others = [y for j, y in enumerate(inputs) if j != i and y.ndim == len(dims)]
        wide = [all(n != 1 or m == 1 for n, m in zip(y.dims, dims, strict=True)) for y in others]
        if any(wide):
            return operation(*inputs[:i], number, *inputs[i + 1 :])
        if len(inputs) == 1 and _name(x) == "broadcast":
            return arrays.broadcast_like(operation(number), x.inputs[1])
    return None


# Shapes


def _dimshuffle(operation, see, x):
    if _name(x) == "dimshuffle":
        inner = x.operation.pattern
        return arrays.dimshuffle(
            x.inputs[0], ["x" if a == "x" else inner[a] for a in operation.pattern]
        )
    return None


def _shape_source(x):
    """Return a variable of the same shape that is computed earlier: as early as can be."""
    while x.operation is not None:
        earlier = next((y for y in x.inputs if y.dims == x.dims), None)
        if earlier is None or not isinstance(x.operation, Elementwise | ew.Cast):
            return x
        x = earlier
    return x


def _broadcast(operation, see, g, x):
    if g.dims == x.dims:
        return g
    number, source = _number_in(g) if g.ndim else None, _shape_source(x)
    if number is not None or source is not x:
        return arrays.BroadcastLike()(g if number is None else number, source)
    return None


def _reshape_like(operation, see, g, x):
    if g.dims == x.dims:
        return g
    source = _shape_source(x)
    return None if source is x else operation(g, source)


def _put(operation, see, g, x, *inputs):
    number, source = _number_in(g) if g.ndim else None, _shape_source(x)
    if number is not None or source is not x:
        return operation(g if number is None else number, source, *inputs)
    return None


def _size(operation, see, x):
    n = x.dims[operation.axis]
    if isinstance(n, int):
        return Constant(np.int64(n))
    found = None
    while x.operation is not None:  # of what is computed earlier and has an axis of this size
        y = next((y for y in x.inputs if n in y.dims), None)
        if y is None:
            break
        found = x = y
    return None if found is None else arrays.ShapeOf(found.dims.index(n))(found)


def _shape(operation, see, x):
    source = _shape_source(x)
    return None if source is x else operation(source)


def _count(operation, see, x):
    sizes = [x.dims[a] for a in operation.axes]
    if all(isinstance(n, int) for n in sizes):
        return Constant(np.prod(sizes).astype(operation.dtype))
    source = _shape_source(x)
    return None if source is x else operation(source)


def _reshape(operation, see, x, *sizes):
    return x if x.ndim == len(sizes) == 1 and _is(sizes[0], -1) else None


def _same(operation, see, x):
    return x


SIMPLER = {
    "add": _add,
    "broadcast": _broadcast,
    "cast": _same,  # only a cast to the dtype it has: other results are dropped
    "copy": _same,
    "count": _count,
    "dimshuffle": _dimshuffle,
    "disconnected_grad": _same,
    "mul": _mul,
    "neg": _neg,
    "pow": _pow,
    "put": _put,
    "reshape": _reshape,
    "reshape_like": _reshape_like,
    "shape": _shape,
    "size": _size,
    "sub": _sub,
    "switch": _switch,
    "true_div": _true_div,
    "zero_grad": _same,
    "zero_or_product": _zero_or_product,
}


def _as_rewritten(x):
    """Return what a variable is made by, also if it was folded into a constant."""
    return x.source if isinstance(x, Constant) and x.source is not None else x


class _Rewriter:
    """One walk.

    Parameters
    ----------
    rules : sequence of mapping
        From names of operations to rules, those that come first first.
    """

    def __init__(self, *rules: Mapping):
        self.rules = rules
        self.merged = {}  # from operation and inputs to the variable that they make
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
            result = self.by_rule(x, inputs)
            result = _folded(x, inputs) if result is None else result
            if result is None:
                unchanged = all(a is b for a, b in zip(inputs, x.inputs, strict=True))
                result = x if unchanged else rebuilt(x, inputs)
            self.merged[key] = result
        is_new = result.serial > self.began and result.operation is not None
        if result.name is None and is_new:
            result.name = x.name  # what was there before belongs to the user
        return result

    def by_rule(self, x, inputs):
        """Return what the first rule that applies has found, rewritten; None if none applies."""
        for rules in self.rules:
            rule = rules.get(x.operation.name)
            before = count_variables()
            found = None if rule is None else rule(x.operation, _as_rewritten, *inputs)
            if _fits(found, x):
                return self._rewritten(found, before, x.made_at)
        if isinstance(x.operation, Elementwise) and any(
            _name(y) in _FILLERS or isinstance(y, Constant) for y in inputs
        ):
            before = count_variables()
            found = _unfilled(x.operation, _as_rewritten, *inputs)
            if _fits(found, x):
                return self._rewritten(found, before, x.made_at)
        return None

    def _rewritten(self, found, before, made_at):
        """Rewrite the few variables that a rule made, which are younger than `before`."""
        new, stack = [], [found]
        while stack:
            x = stack.pop()
            if x.serial > before:
                new.append(x)
                stack.extend(x.inputs)
        image = {}
        for x in sorted(set(new), key=lambda x: x.serial):
            inputs = tuple([image.get(y, y) for y in x.inputs])
            x.made_at = made_at
            image[x] = self.leaf(x) if x.operation is None else self.made_again(x, inputs)
        return image.get(found, found)


def _fits(found, x):
    return (
        found is not None
        and (found.dtype, found.ndim) == (x.dtype, x.ndim)
        and not (isinstance(found, Constant) and found.weak)
    )


def rewrite(outputs: Sequence[Variable]) -> list[Variable]:
    """Return `outputs` rewritten: without repetition, stable and simple."""
    rewriter, new = _Rewriter(STABLE, SIMPLER), {}
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
        rule = STABLE.get(x.operation.name)
        before = count_variables() if rule else 0
        found = rule(x.operation, see, *inputs) if rule else None
        while _fits(found, x):
            image[x] = found
            again = STABLE.get(_name(found))  # log(1 + exp x) takes two steps
            found = again(found.operation, see, *found.inputs) if again else None
        if x in image and x in keep and image[x].serial < before:
            del image[x]
        if x not in image and any(a is not b for a, b in zip(inputs, x.inputs, strict=True)):
            image[x] = rebuilt(x, inputs)
        if x in keep:
            hidden.add(image.get(x, x))
        if x in image and image[x].name is None and image[x].serial > before > 0:
            image[x].name = x.name
    return image


def _folded(x, inputs):
    """Return the constant that an operation on constants gives, or None."""
    if not inputs or not all(isinstance(y, Constant) and not y.name for y in inputs):
        return None
    if x.operation.name in ("print", "draw"):
        return None
    size = arrays.size_of(x)
    if (size is None and x.operation.name in ("arange", "alloc")) or (size or 0) > 1000:
        return None
    names = [f"x{i}" for i in range(len(inputs))]
    values = {n: y.value.item() if y.weak else y.value for n, y in zip(names, inputs, strict=True)}
    try:
        with np.errstate(all="ignore"):
            value = eval(x.operation.code(*names), runtime.NAMESPACE | values)
    except (ArithmeticError, ValueError, TypeError, IndexError):
        return None  # the function will fail where it computes it, and say so
    source = rebuilt(x, tuple(_as_rewritten(y) for y in inputs))
    return Constant(np.asarray(value, x.dtype), source=source)


def substitute(outputs: Sequence[Variable], replace: Mapping[Variable, Variable]) -> list[Variable]:
    """Return `outputs` with the variables that are keys of `replace` replaced by its values."""
    if not replace:
        return list(outputs)
    new = dict(replace)
    for x in ancestors(outputs):
        if x not in new:
            inputs = tuple([new[y] for y in x.inputs])
            same = all(a is b for a, b in zip(inputs, x.inputs, strict=True))
            new[x] = x if same else _again(x, inputs)
    return [new[x] for x in outputs]


def _again(x, inputs):
    """Return `x` with other inputs, which may have other dtypes or shapes."""
    result = x.operation(*inputs)
    result.name, result.made_at = x.name, x.made_at
    return result
