import numpy as np
import pytest

import common.symbolic.tensor as T
from common import symbolic as theano
from common.exercises import notebook_07 as check
from common.symbolic.elementwise import Elementwise, floating_dtype


def line_step(rate, *, start=0.0, sign=1, total=T.mean, late=False):
    x, t = T.dvectors("x", "t")
    w, b = theano.shared(start, "w"), theano.shared(start, "b")
    loss = total((w * x + b - t) ** 2)
    dw, db = T.grad(loss, [w, b])
    updates = {w: w - sign * rate * dw}
    if not late:
        updates[b] = b - sign * rate * db
    return theano.function([x, t], loss, updates=updates), w, b


def newton_step(loss, c, sign=1):
    first = T.grad(loss, c)
    return theano.function([], loss, updates={c: c - sign * first / T.grad(first, c)})


def softsign(
    program="{0} / (1 + np.abs({0}))",
    rule=lambda g, y, x: g * (1 - abs(y)) ** 2,
    dtype=floating_dtype,
    name="softsign",
):
    return Elementwise(name, program, dtype, rule)


class Softsign(Elementwise):
    def __init__(self):
        super().__init__(
            *("softsign", "{0} / (1 + np.abs({0}))", floating_dtype),
            lambda g, y, x: g / (1 + abs(x)) ** 2,
        )


def test_solutions_are_right():
    for verdict in (
        check.second_derivative(lambda y, x: T.grad(T.grad(y, x), x)),
        check.line_step(line_step),
        check.newton_step(newton_step),
        check.softsign(softsign()),
        check.softsign(Softsign()),
        check.softsign(Softsign),
    ):
        assert verdict, verdict.message


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda y, x: T.grad(y, x), "differentiate that"),
        (lambda y, x: T.grad(y, x) ** 2, "differentiate that"),
        (lambda y, x: 12.0, "must be an expression, got float"),
        (lambda y, x: T.grad(y), "your code raised"),
    ],
)
def test_second_derivative_says_what_is_wrong(answer, part):
    verdict = check.second_derivative(answer)
    assert not verdict
    assert part in verdict.message


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda rate: line_step(rate, sign=-1), "w after call 1"),
        (lambda rate: line_step(rate, total=T.sum), "the mean over the points"),
        (lambda rate: line_step(rate, late=True), "the update of b"),
        (lambda rate: line_step(rate, start=1.0), "w before the first step"),
        (lambda rate: line_step(rate)[0], "must be 3 values"),
        (lambda rate: (lambda x, t: 0.0, *line_step(rate)[1:]), "theano.function"),
        (lambda rate: (line_step(rate)[0], 0.0, 0.0), "theano.shared"),
    ],
)
def test_line_step_says_what_is_wrong(answer, part):
    verdict = check.line_step(answer)
    assert not verdict
    assert part in verdict.message


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda loss, c: newton_step(loss, c, sign=-1), "the sign"),
        (
            lambda loss, c: theano.function([], loss, updates={c: c - 0.1 * T.grad(loss, c)}),
            "L′/L″",
        ),
        (lambda loss, c: theano.function([], loss), "c after call 1"),
        (lambda loss, c: loss, "theano.function"),
    ],
)
def test_newton_step_says_what_is_wrong(answer, part):
    verdict = check.newton_step(answer)
    assert not verdict
    assert part in verdict.message


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (softsign(rule=lambda g, y, x: (1 - abs(y)) ** 2), "the chain rule"),
        (softsign(rule=lambda g, y, x: g * (1 - abs(y))), "1 / (1 + |x|)²"),
        (softsign(rule=lambda g, y, x: g / (1 + x) ** 2), "both sides of 0"),
        (softsign("np.tanh({0})"), "x / (1 + |x|)"),
        (softsign(name="tanh"), "is taken"),
        (Elementwise("soft", "{0} / (1 + np.abs({0}))", floating_dtype), "lambda g"),
        (np.tanh, "must be an operation"),
    ],
)
def test_softsign_says_what_is_wrong(answer, part):
    verdict = check.softsign(answer)
    assert not verdict
    assert part in verdict.message
