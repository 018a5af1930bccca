"""Answers to the exercises of notebook 08, right and wrong, and what the checks say of them."""

from functools import cache

import numpy as np
import pytest

import common.symbolic.tensor as T
from common import symbolic as theano
from common.exercises import notebook_08 as check
from common.symbolic.graph import ancestors


def adjoints(a, b):
    c = a + b
    d = a * c
    dd = c * 2 * d
    dc = d**2 + dd * a
    return dd, dc, dc + dd * c, dc


def calls(n, before=1, now=1):
    for _ in range(n - 1):
        before, now = now, 1 + now + before
    return now


@cache
def calls_memoized(n):
    return 1 if n < 2 else 1 + calls_memoized(n - 1) + calls_memoized(n - 2)


def calls_slowly(n):
    return 1 if n < 2 else 1 + calls_slowly(n - 1) + calls_slowly(n - 2)


def fibonacci(n):
    before, now = 0, 1
    for _ in range(n):
        before, now = now, before + now
    return before


def paths(result, leaf, inputs=lambda v: v.inputs, itself=1):
    found = {}
    for v in ancestors([result]):
        found[v] = itself if v is leaf else sum(found[x] for x in inputs(v))
    return found[result]


def paths_memoized(result, leaf):
    @cache
    def count(v):
        return 1 if v is leaf else sum(map(count, v.inputs))

    return count(result)


def paths_pushed_down(result, leaf):
    found = dict.fromkeys(ancestors([result]), 0) | {result: 1}
    for v in reversed(list(found)):
        for x in v.inputs:
            found[x] += found[v]
    return found.get(leaf, 0)


def paths_slowly(result, leaf):
    return 1 if result is leaf else sum(paths_slowly(x, leaf) for x in result.inputs)


def gradients(cost, wrt, *, add=True, start=1.0, container=list):
    adjoint = {cost: T.as_tensor_variable(start)}
    for v in reversed(ancestors([cost])):
        for i, x in enumerate(v.inputs):
            g = v.operation.vjp(i, v, adjoint[v], *v.inputs)
            adjoint[x] = adjoint[x] + g if add and x in adjoint else g
    return container(adjoint[x] for x in wrt)


def gradients_pulled(cost, wrt):
    users = {}
    for v in ancestors([cost]):
        for i, x in enumerate(v.inputs):
            users.setdefault(x, []).append((v, i))

    @cache
    def adjoint(x):
        g = [v.operation.vjp(i, v, adjoint(v), *v.inputs) for v, i in users.get(x, ())]
        return sum(g[1:], g[0]) if g else T.as_tensor_variable(1.0)

    return [adjoint(x) for x in wrt]


def gradients_by_paths(cost, wrt):
    def back(v, g):
        if v in wrt:
            found[v] = found[v] + g if v in found else g
        for i, x in enumerate(v.inputs):
            back(x, v.operation.vjp(i, v, g, *v.inputs))

    found = {}
    back(cost, T.as_tensor_variable(1.0))
    return [found[x] for x in wrt]


RIGHT = {
    check.adjoints_by_hand: [
        adjoints,
        lambda a, b: list(adjoints(a, b)),
        lambda a, b: np.array(adjoints(a, b)),
        lambda a, b: [np.float32(v) for v in adjoints(np.float64(a), np.float64(b))],
    ],
    check.number_of_calls: [calls, calls_memoized, lambda n: 2 * fibonacci(n + 1) - 1],
    check.count_paths: [paths, paths_memoized, paths_pushed_down],
    check.gradients_of: [
        gradients,
        gradients_pulled,
        lambda cost, wrt: gradients(cost, wrt, container=tuple),
        lambda cost, wrt: [1.0 * g for g in gradients(cost, wrt)],
    ],
}

WRONG = {
    check.adjoints_by_hand: [
        (lambda a, b: (0, *adjoints(a, b)[1:]), "the adjoint of d"),
        (lambda a, b: (2 * a * (a + b), *adjoints(a, b)[1:]), "c is a factor"),
        (lambda a, b: (adjoints(a, b)[0], (a * (a + b)) ** 2, 0, 0), "the contribution of L"),
        (lambda a, b: (*adjoints(a, b)[:2], adjoints(a, b)[1], 0), "the contribution of c"),
        (lambda a, b: (*adjoints(a, b)[:3], 0), "b is used in c only"),
        (lambda a, b: adjoints(a, b)[::-1], "the adjoint of d"),
        (lambda a, b: adjoints(a, b)[:3], "must be 4 values"),
        (lambda a, b: (*adjoints(a, b)[:3], "4"), "must be numbers"),
    ],
    check.number_of_calls: [
        (calls_slowly, "keep the counts"),
        (fibonacci, "is one call"),
        (lambda n: calls(n) - 1, "is one call"),
        (lambda n: 2 * n - 1 if n else 1, "n = 10"),
        (lambda n: float(calls(n)), "isn't exact"),
        (lambda n: calls(n, np.float64(1), np.float64(1)), "isn't exact"),
    ],
    check.count_paths: [
        (paths_slowly, "inputs first"),
        (lambda result, leaf: paths(result, leaf, lambda v: set(v.inputs)), "occurs twice"),
        (lambda result, leaf: ancestors([result]).count(leaf), "occurs twice"),
        (lambda result, leaf: paths(result, leaf, itself=2), "without a step"),
        (lambda result, leaf: 0 if result is leaf else paths(result, leaf), "without a step"),
        (lambda result, leaf: result.inputs.count(leaf) or int(result is leaf), "of all lengths"),
        (lambda result, leaf: 1, "occurs twice"),
    ],
    check.gradients_of: [
        (gradients_by_paths, "follows every path"),
        (lambda cost, wrt: [gradients(cost, [x])[0] for x in wrt], "starts anew"),
        (lambda cost, wrt: gradients(cost, wrt, add=False), "add them"),
        (lambda cost, wrt: gradients(cost, wrt, start=0.0), "what you begin with"),
        (lambda cost, wrt: gradients(cost, wrt)[::-1], "keep the order"),
        (lambda cost, wrt: gradients(cost, wrt)[0], "a list of 2"),
        (lambda cost, wrt: [1.0 for _ in wrt], "must be expressions"),
        (T.grad, "calls T.grad"),
        (lambda cost, wrt: [T.grad(cost, x) for x in wrt], "calls T.grad"),
        (lambda cost, wrt: theano.Adjoints(cost).grad(wrt), "calls T.grad"),
    ],
}


@pytest.mark.parametrize(("exercise", "answer"), [(c, a) for c, row in RIGHT.items() for a in row])
def test_right_answers_are_accepted(exercise, answer):
    for _ in range(3):
        assert exercise(answer), exercise(answer).message


@pytest.mark.parametrize(
    ("exercise", "answer", "part"), [(c, a, p) for c, row in WRONG.items() for a, p in row]
)
def test_wrong_answers_are_refused_with_a_hint(exercise, answer, part):
    for _ in range(3):
        verdict = exercise(answer)
        assert not verdict
        assert part in verdict.message
