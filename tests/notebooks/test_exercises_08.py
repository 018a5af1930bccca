from functools import cache

import pytest

import common.symbolic.tensor as T
from common.exercises import notebook_08 as check
from common.symbolic.graph import ancestors


def adjoints_by_hand(a, b):
    c = a + b
    d = a * c
    dd = c * 2 * d
    dc = d**2 + dd * a
    return dd, dc, dc + dd * c, dc


def number_of_calls(n):
    before, now = 1, 1
    for _ in range(n - 1):
        before, now = now, 1 + now + before
    return now


@cache
def number_of_calls_kept(n):
    return 1 if n < 2 else 1 + number_of_calls_kept(n - 1) + number_of_calls_kept(n - 2)


def number_of_calls_slowly(n):
    return 1 if n < 2 else 1 + number_of_calls_slowly(n - 1) + number_of_calls_slowly(n - 2)


def fibonacci(n):
    before, now = 0, 1
    for _ in range(n):
        before, now = now, before + now
    return before


def count_paths(result, leaf):
    paths = {}
    for v in ancestors([result]):
        paths[v] = 1 if v is leaf else sum(paths[x] for x in v.inputs)
    return paths[result]


def count_paths_kept(result, leaf):
    @cache
    def paths(v):
        return 1 if v is leaf else sum(map(paths, v.inputs))

    return paths(result)


def count_paths_slowly(result, leaf):
    return 1 if result is leaf else sum(count_paths_slowly(x, leaf) for x in result.inputs)


def count_different_inputs(result, leaf):
    return 1 if result is leaf else sum(count_different_inputs(x, leaf) for x in set(result.inputs))


def gradients_of(cost, wrt, *, add=True, start=1.0):
    adjoint = {cost: T.as_tensor_variable(start)}
    for v in reversed(ancestors([cost])):
        for i, x in enumerate(v.inputs):
            share = v.operation.vjp(i, v, adjoint[v], *v.inputs)
            adjoint[x] = adjoint[x] + share if add and x in adjoint else share
    return [adjoint[x] for x in wrt]


def gradients_by_paths(cost, wrt):
    def back(v, g):
        if any(v is x for x in wrt):
            found[v] = found[v] + g if v in found else g
        for i, x in enumerate(v.inputs):
            back(x, v.operation.vjp(i, v, g, *v.inputs))

    found = {}
    back(cost, T.as_tensor_variable(1.0))
    return [found[x] for x in wrt]


def test_solutions_are_right():
    for verdict in (
        check.adjoints_by_hand(adjoints_by_hand),
        check.number_of_calls(number_of_calls),
        check.number_of_calls(number_of_calls_kept),
        check.number_of_calls(lambda n: 2 * fibonacci(n + 1) - 1),
        check.count_paths(count_paths),
        check.count_paths(count_paths_kept),
        check.gradients_of(gradients_of),
    ):
        assert verdict, verdict.message


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda a, b: (0, *adjoints_by_hand(a, b)[1:]), "the adjoint of d"),
        (lambda a, b: (adjoints_by_hand(a, b)[0], (a * (a + b)) ** 2, 0, 0), "c goes into L and"),
        (lambda a, b: (*adjoints_by_hand(a, b)[:2], adjoints_by_hand(a, b)[1], 0), "a goes into c"),
        (lambda a, b: adjoints_by_hand(a, b)[:3], "must be 4 values"),
    ],
)
def test_adjoints_by_hand_says_what_is_wrong(answer, part):
    verdict = check.adjoints_by_hand(answer)
    assert not verdict
    assert part in verdict.message


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (number_of_calls_slowly, "keep the counts"),
        (fibonacci, "is one call"),
        (lambda n: number_of_calls(n) - 1, "is one call"),
        (lambda n: float(number_of_calls(n)), "isn't exact"),
    ],
)
def test_number_of_calls_says_what_is_wrong(answer, part):
    verdict = check.number_of_calls(answer)
    assert not verdict
    assert part in verdict.message


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (count_paths_slowly, "inputs first"),
        (count_different_inputs, "there twice"),
        (lambda result, leaf: ancestors([result]).count(leaf), "there twice"),
        (lambda result, leaf: 0 if result is leaf else count_paths(result, leaf), "no step"),
    ],
)
def test_count_paths_says_what_is_wrong(answer, part):
    verdict = check.count_paths(answer)
    assert not verdict
    assert part in verdict.message


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (gradients_by_paths, "follows every path"),
        (
            lambda cost, wrt: [gradients_of(cost, [x])[0] for x in wrt],
            "begins anew",
        ),
        (lambda cost, wrt: gradients_of(cost, wrt, add=False), "add them"),
        (lambda cost, wrt: gradients_of(cost, wrt, start=0.0), "what you begin with"),
        (lambda cost, wrt: gradients_of(cost, wrt)[0], "a list of 2"),
        (lambda cost, wrt: [1.0 for _ in wrt], "must be expressions"),
    ],
)
def test_gradients_of_says_what_is_wrong(answer, part):
    verdict = check.gradients_of(answer)
    assert not verdict
    assert part in verdict.message
