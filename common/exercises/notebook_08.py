"""Checks for the exercises of notebook 08, joint and separate gradients."""

import inspect
import sys
from collections import Counter

import numpy as np

import common.symbolic.tensor as T
from common import symbolic as theano
from common.exercises.verdict import Case, Wrong, checked, exercise, expect, returned, same
from common.symbolic.graph import ancestors

__all__ = ["adjoints_by_hand", "count_paths", "gradients_of", "number_of_calls"]


@exercise("each adjoint is computed from those before it.")
def adjoints_by_hand(rng):
    """Check the adjoints of d, c, a and b for c = a + b, d = a c, L = c d²: (a, b) ↦ 4 numbers."""
    a, b = map(float, rng.uniform(1.2, 2, 2))
    c = a + b
    d = a * c
    d_bar = 2 * c * d
    c_bar = d**2 + a * d_bar
    a_bar = c_bar + c * d_bar
    twice = "is used by two operations; add both contributions."
    yield Case(
        (a, b),
        (d_bar, c_bar, a_bar, c_bar),
        tuple(f"the adjoint of {v} at a = {a:.3f}, b = {b:.3f}" for v in "dcab"),
        ("differentiate c d² with c fixed.", f"c {twice}", f"a {twice}", "b is used in c only."),
        (
            [(2 * d, "c is a factor of L.")],
            [(d**2, f"this is the contribution of L. But c {twice}")],
            [(c_bar, f"this is the contribution of c. But a {twice}")],
            [],
        ),
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


@checked("and counting them took hardly any calls.", "function")
def number_of_calls(answer):
    """Check a function n ↦ number of calls that fibonacci(n) leads to, itself among them."""
    expected = [1, 1]
    while len(expected) <= 200:
        expected.append(1 + expected[-1] + expected[-2])

    what = "the number of calls for n = "
    for n in (0, 1, 2, 3, 10):
        hint = "fibonacci(n) is one call, and leads to all those of n − 1 and of n − 2."
        same(returned(answer(n)), expected[n], f"{what}{n}", hint)
    expect(
        _calls_made(lambda: answer(20)).total() < 2000,
        "right for small n, but your function makes as many calls as it counts; for n = 200 they "
        "would never end. Hint: keep the counts for the two n before.",
    )
    for n in (*np.random.default_rng().integers(90, 200, 3).tolist(), 200):
        hint = (
            "Python's integers are exact; real numbers have 16 digits, NumPy's integers overflow."
        )
        same(answer(n), expected[n], f"{what}{n}", hint)
        expect(int(answer(n)) == expected[n], f"{what}{n} isn't exact. Hint: {hint}")


class _Watched:
    """Something with inputs, which counts how often they are looked at."""

    operation = None
    looks = 0

    def __init__(self, name, *inputs):
        self.name = name
        self._inputs = inputs

    @property
    def inputs(self):
        _Watched.looks += 1
        if _Watched.looks > 20_000:
            raise Wrong(
                "right for small graphs, but your function follows every path; for 2⁶⁰ paths that "
                "takes too long. Hint: count once per variable, inputs first, and keep the counts."
            )
        return self._inputs

    def __repr__(self):
        return self.name


def _paths(result, leaf, known):
    if result not in known:
        inputs = result._inputs
        known[result] = 1 if result is leaf else sum(_paths(x, leaf, known) for x in inputs)
    return known[result]


@checked("2⁶⁰ paths are counted in sixty steps.", "function")
def count_paths(answer):
    """Check a function (result, leaf) ↦ number of paths from one variable to the other."""
    _Watched.looks = 0
    x, y = _Watched("x"), _Watched("y")
    twice = _Watched("h", x, x)
    total = _Watched("s", twice, x)
    crossed = _Watched("r", total, _Watched("q", y, total, twice), x)
    for result, leaf, where, hint in (
        (x, x, "from x to itself", "there is one, without a step."),
        (_Watched("s", x, y), x, "from x + y to x", "count the steps from s to x."),
        (twice, x, "from x + x to x", "an input that occurs twice gives two paths."),
        (total, x, "from (x + x) + x to x", "paths of all lengths count."),
        (total, twice, "from (x + x) + x to x + x", "leaf needn't be an input of the graph."),
        (crossed, x, "from s + (y + s + h) + x to x, where s = h + x, h = x + x", ""),
        (crossed, twice, "from s + (y + s + h) + x to h, where s = h + x, h = x + x", ""),
        (twice, y, "from x + x to y", "y isn't there, so there is no path."),
    ):
        same(returned(answer(result, leaf)), _paths(result, leaf, {}), f"paths {where}", hint)
    _Watched.looks, h = 0, x
    for i in range(60):
        h = _Watched(f"h{i + 1}", h, h)
    same(answer(h, x), 2.0**60, "paths through 60 doublings", "use Python's integers.")


FORBIDDEN = [inspect.unwrap(f).__code__ for f in (T.grad, theano.Adjoints.__init__)]


def _derivatives(answer, cost, wrt):
    result = []
    calls = _calls_made(lambda: result.append(returned(answer(cost, wrt))))
    hint = "Hint: walk through topological_order([cost]) in reverse, with v.operation.vjp."
    expect(not any(calls[code] for code in FORBIDDEN), f"your function calls T.grad. {hint}")
    [got] = result
    expect(
        isinstance(got, list | tuple) and len(got) == len(wrt),
        f"your function must return a list of {len(wrt)} derivatives, one per variable of wrt.",
    )
    for g in got:
        kind = type(g).__name__
        expect(isinstance(g, theano.Variable), f"derivatives must be expressions, got {kind}.")
    return got


def _value(expression, values):
    return theano.function(list(values), expression, on_unused_input="ignore")(*values.values())


@checked("each adjoint is derived once, for all variables together.", "function")
def gradients_of(answer):
    """Check a function (cost, wrt) ↦ list of the derivatives of cost, without T.grad."""
    rng = np.random.default_rng()
    x, y, z = T.dscalars("x", "y", "z")
    p = x * y
    at = {v: float(rng.uniform(0.5, 1.5)) for v in (x, y, z)}
    for cost, wrt, text, hint in (
        (x + y, [x, y], "x + y", "check what you begin with: the adjoint of the cost is 1."),
        (x * x, [x], "x x", "x is used twice, so it gets two contributions; add them."),
        (p * (p + y), [x, y], "x y (x y + y)", "add the contributions of all operations."),
        (T.exp(p) - z * T.exp(-y), [z, y, x], "exp(x y) − z exp(−y)", "ask each vjp."),
        (p * (p + y), [p, x], "x y (x y + y), with x y in wrt", "keep all adjoints."),
    ):
        expected = [_value(g, at) for g in T.grad(cost, wrt)]
        rows = zip(_derivatives(answer, cost, wrt), expected, expected[::-1], wrt, strict=True)
        for g, right, other, v in rows:
            what = f"the derivative of {text} with respect to {'x y' if v is p else v!r}"
            same(_value(g, at), right, what, hint, slips=[(other, "keep the order of wrt.")])

    factors = [T.dscalar(f"c{i}") for i in range(1, 17)]
    for used, wrt, reason in (
        (factors[:10], [x], "the chain rule follows every path"),
        (factors, [x, *factors], "each variable of wrt starts anew"),
    ):
        h, values = x, {x: 1.0} | {c: float(rng.uniform(0.1, 0.5)) for c in used}
        for c in used:
            h = h * c + h
        got = _derivatives(answer, h, wrt)
        count, most = len(ancestors(got)), 14 * len(used) + 20
        expect(
            count <= most,
            f"right, but for {len(used)} steps h ← c h + h and {len(wrt)} variables in wrt the "
            f"result consists of {count} variables; with one table it is fewer than {most}. It "
            f"seems that {reason}. Hint: one table of adjoints, filled in reverse order.",
        )
        whole = np.prod([1 + values[c] for c in used])
        for g, v in zip(got, wrt, strict=True):
            expected = whole / (values[x] if v is x else 1 + values[v])
            what = f"the derivative of {len(used)} steps h ← c h + h with respect to {v}"
            same(_value(g, values), expected, what)
