"""Checks for the exercises of notebook 08, joint and separate gradients."""

import inspect
import sys
from collections import Counter
from collections.abc import Callable

import numpy as np

import common.symbolic.tensor as T
from common import symbolic as theano
from common.exercises.verdict import Wrong, checked, expect, returned, same, several
from common.symbolic.graph import Variable, ancestors

__all__ = ["adjoints_by_hand", "count_paths", "gradients_of", "number_of_calls"]


@checked("each adjoint is made of those before it.", "function")
def adjoints_by_hand(answer: Callable) -> None:
    """Check the adjoints for c = a + b, d = a c, L = c d².

    Parameters
    ----------
    answer : callable
        From a and b to the adjoints of d, c, a and b.
    """
    a, b = np.random.default_rng().uniform(1, 2, 2)
    got = several(returned(answer(float(a), float(b))), 4, "the adjoints of d, c, a and b")
    c = a + b
    d = a * c
    d_bar = 2 * c * d
    c_bar = d**2 + a * d_bar
    hints = {
        "d": (d_bar, "L = c d²; differentiate with respect to d, with c fixed."),
        "c": (c_bar, "c goes into L and into d; add both contributions."),
        "a": (c_bar + c * d_bar, "a goes into c and into d; add both contributions."),
        "b": (c_bar, "b goes into c only."),
    }
    for number, (name, (expected, hint)) in zip(got, hints.items(), strict=True):
        same(number, expected, f"the adjoint of {name} at a = {a:.3f}, b = {b:.3f}", hint)


@checked("and it took hardly any calls to count them.", "function")
def number_of_calls(answer: Callable) -> None:
    """Check a function that counts the calls that a recursion without a table makes.

    Parameters
    ----------
    answer : callable
        From n to the number of calls that fibonacci(n) leads to, itself among them.
    """
    expected = [1, 1]
    while len(expected) <= 200:
        expected.append(1 + expected[-1] + expected[-2])
    hint = "fibonacci(n) is one call, and leads to all those of fibonacci(n − 1) and of …"
    for n in (0, 1, 2, 3, 10):
        same(returned(answer(n)), expected[n], f"the number of calls for n = {n}", hint)
    expect(
        _calls_made(lambda: answer(20)).total() < 2000,
        "right for small n, but your function calls as often as it counts: for n = 200 that would "
        "take longer than the universe is old. Hint: keep the counts for the two n before",
    )
    for n in [*sorted(np.random.default_rng().integers(30, 200, 3).tolist()), 200]:
        got = answer(n)
        what = f"the number of calls for n = {n}"
        same(got, expected[n], what, "Python's integers are exact, however large.")
        expect(
            got == expected[n],
            f"{what} isn't exact: expected {expected[n]}, got {got}. Hint: Python's whole numbers "
            "are exact, real numbers have 16 digits",
        )


def _calls_made(run):
    """Return how often each Python function is called by `run`, by its code."""
    calls = Counter()

    def count(frame, event, argument):
        if event == "call":
            calls[frame.f_code] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(before)
    return calls


class _Watched:
    """Something with inputs, which are counted when they are looked at."""

    looks = 0
    most = 20_000

    def __init__(self, name, *inputs):
        self.name = name
        self._inputs = inputs
        self.operation = None

    @property
    def inputs(self):
        _Watched.looks += 1
        if _Watched.looks > _Watched.most:
            raise Wrong(
                "right for small graphs, but your function walks along every path; for 2⁶⁰ that "
                "takes too long. Hint: count for each variable once, inputs first, and keep the "
                "counts; ancestors lists the variables in that order"
            )
        return self._inputs

    def __repr__(self):
        return self.name


def _count(leaf, v, known):
    if v not in known:
        known[v] = 1 if v is leaf else sum(_count(leaf, x, known) for x in v._inputs)
    return known[v]


def _random_graph(rng):
    leaves = [_Watched(name) for name in "xyz"]
    nodes = list(leaves)
    for i in range(6):
        chosen = rng.integers(max(0, len(nodes) - 4), len(nodes), rng.integers(1, 4))
        nodes.append(_Watched(f"v{i + 1}", *(nodes[k] for k in chosen)))
    return nodes[-1], leaves


@checked("2⁶⁰ paths are counted in sixty steps.", "function")
def count_paths(answer: Callable) -> None:
    """Check a function that counts the paths from a variable to a leaf.

    Parameters
    ----------
    answer : callable
        From a variable and a leaf to the number of paths.
    """
    _Watched.looks = 0
    rng = np.random.default_rng()
    x, y = _Watched("x"), _Watched("y")
    twice = _Watched("h", x, x)
    small = [
        (x, x, "from x to itself", "no step is a path too."),
        (_Watched("s", x, y), x, "from x + y to x", ""),
        (twice, x, "from x + x to x", "an input that is there twice gives two paths."),
        (_Watched("s", twice, x), x, "from (x + x) + x to x", "paths of different lengths count."),
        (twice, y, "from x + x to y", "y isn't there, so there is no path."),
    ]
    for result, leaf, where, hint in small:
        same(returned(answer(result, leaf)), _count(leaf, result, {}), f"paths {where}", hint)
    for _ in range(5):
        result, leaves = _random_graph(rng)
        for leaf in leaves:
            what = f"paths from {result} to {leaf} in a random graph: " + ", ".join(
                f"{v}{list(v._inputs)}" for v in ancestors([result]) if v._inputs
            )
            same(answer(result, leaf), _count(leaf, result, {}), what)

    _Watched.looks = 0
    h = x
    for i in range(60):
        h = _Watched(f"h{i + 1}", h, h)
    same(answer(h, x), 2.0**60, "paths through 60 doublings")


STEPS = 16
_FORBIDDEN = [inspect.unwrap(f).__code__ for f in (T.grad, theano.Adjoints.__init__)]


@checked("each adjoint is derived once, for all variables together.", "function")
def gradients_of(answer: Callable) -> None:
    """Check a function that derives an expression by several variables.

    Parameters
    ----------
    answer : callable
        From an expression and a list of variables to the list of derivatives.
    """
    rng = np.random.default_rng()
    x, y, z = T.dscalars("x", "y", "z")
    p = x * y
    cases = [
        (x + y, [x, y], "x + y", "check what you begin with: the adjoint of the cost is 1."),
        (x * x, [x], "x x", "x goes in twice, so two contributions arrive: add them."),
        (p * (p + y), [x, y], "x y (x y + y)", "what goes into several operations gets a sum."),
        (T.exp(p) - z * T.exp(-y), [z, y, x], "exp(x y) − z exp(−y)", ""),
        (p * (p + y), [p, x], "x y (x y + y), with x y in wrt", "keep all adjoints."),
    ]
    at = {v: float(rng.uniform(0.5, 1.5)) for v in (x, y, z)}
    for cost, wrt, text, hint in cases:
        result = []
        calls = _calls_made(lambda: result.append(answer(cost, wrt)))  # noqa: B023 - called here
        expect(
            not any(calls[code] for code in _FORBIDDEN),
            "your function calls T.grad. Hint: write it yourself, from v.operation.derivative.",
        )
        got = returned(result[0])
        _is_list_of_expressions(got, wrt)
        for g, e, v in zip(got, T.grad(cost, wrt), wrt, strict=True):
            name = "x y" if v is p else repr(v)
            same(
                _value(g, at),
                _value(e, at),
                f"the derivative of {text} with respect to {name}",
                hint,
            )

    factors = [T.dscalar(f"c{i}") for i in range(1, STEPS + 1)]
    for wrt, what in (
        ([x], "the chain rule follows every path"),
        ([x, *factors], "each variable of wrt begins anew"),
    ):
        steps = 10 if len(wrt) == 1 else STEPS
        h = x
        for c in factors[:steps]:
            h = h * c + h
        got = answer(h, wrt)
        count, most = len(ancestors(got)), 14 * steps + 20
        expect(
            count <= most,
            f"right, but the derivative of {steps} steps h ← c h + h by {len(wrt)} variable(s) is "
            f"made of {count} variables; with a table fewer than {most} will do. It seems that "
            f"{what}. Hint: one table of adjoints, filled in the reversed order of ancestors",
        )
        values = {x: 1.0} | {c: float(rng.uniform(0.1, 0.5)) for c in factors[:steps]}
        for g, v in zip(got, wrt, strict=True):
            factor = values[x] if v is x else 1 + values[v]
            expected = np.prod([1 + values[c] for c in factors[:steps]]) / factor
            same(_value(g, values), expected, f"the derivative of {steps} steps h ← c h + h by {v}")


def _is_list_of_expressions(got, wrt):
    expect(
        isinstance(got, (list, tuple)) and len(got) == len(wrt),
        f"a list of {len(wrt)} derivatives must be returned, one for each of wrt",
    )
    for g in got:
        expect(
            isinstance(g, Variable),
            f"derivatives must be expressions, got {type(g).__name__}",
        )


def _value(expression, values):
    return theano.function(list(values), expression, on_unused_input="ignore")(*values.values())
