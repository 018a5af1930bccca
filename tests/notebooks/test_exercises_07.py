"""Answers to the exercises of notebook 07, right and wrong, and what the checks say of them."""

import numpy as np
import pytest

import common.symbolic.tensor as T
from common import symbolic as theano
from common.exercises import notebook_07 as check
from common.symbolic.elementwise import Elementwise


def line(start=0.0, sign=1, total=T.mean, both=True, vector=T.dvector, hand=False, pairs=False):
    def step(rate):
        x, t = vector("x"), vector("t")
        w, b = theano.shared(start, "w"), theano.shared(start, "b")
        error = w * x + b - t
        loss = total(error**2)
        dw, db = (2 * T.mean(error * x), 2 * T.mean(error)) if hand else T.grad(loss, [w, b])
        updates = [(w, w - sign * rate * dw), (b, b - sign * rate * db)][: 1 + both]
        updates = updates if pairs else dict(updates)
        return theano.function([x, t], [loss] if pairs else loss, updates=updates), w, b

    return step


def newton(new):
    def step(loss, c):
        first = T.grad(loss, c)
        return theano.function([], loss, updates={c: new(c, first, T.grad(first, c))})

    return step


def softsign(
    rule=lambda g, y, x: g * (1 - abs(y)) ** 2,
    code="{0} / (1 + np.abs({0}))",
    dtype="float",
):
    return Elementwise("softsign", code, dtype, *([rule] if rule else []))


local = Elementwise("local", "1 / (1 + np.abs({0})) ** 2", "float")  # without a VJP


class Softsign(Elementwise):
    def __init__(self):
        code, vjp = "{0} / (1 + np.abs({0}))", lambda g, y, x: g / T.sqr(1 + abs(x))
        super().__init__("mine", code, "float", vjp)


RIGHT = {
    check.second_derivative: [
        lambda y, x: T.grad(T.grad(y, x), x),
        lambda y, x: T.grad(T.grad(y, [x])[0], [x]),
        lambda y, x: T.grad(T.grad(2 * y, x), x) / 2,
        lambda y, x: theano.Adjoints(theano.Adjoints(y).grad(x)).grad(x),
    ],
    check.line_step: [
        line(),
        line(hand=True),
        line(pairs=True),
        line(total=lambda e: T.sum(e) / e.shape[0]),
        lambda rate: list(line()(rate)),
    ],
    check.newton_step: [
        newton(lambda c, first, second: c - first / second),
        newton(lambda c, first, second: (c * second - first) / second),
        lambda loss, c: theano.function(
            [], outputs=[loss], updates=[(c, c - T.grad(loss, c) / T.grad(T.grad(loss, c), c))]
        ),
    ],
    check.softsign: [
        softsign(),
        softsign(lambda g, y, x: g / (1 + abs(x)) ** 2),
        softsign(lambda g, y, x: g * T.sqr(1 - abs(y)), "{0} * (1 / (np.abs({0}) + 1))"),
        Softsign,
        Softsign(),
    ],
}

WRONG = {
    check.second_derivative: [
        (lambda y, x: T.grad(y, x), "this is the first derivative"),
        (lambda y, x: T.grad(y, x) ** 2, "the square of the first"),
        (lambda y, x: -T.grad(T.grad(y, x), x), "differentiate that"),
        (lambda y, x: T.grad(T.grad(T.grad(y, x), x), x), "differentiate that"),
        (lambda y, x: T.grad(T.grad(y, x), x)(1.0), "your code raised TypeError"),
        (lambda y, x: 12.0, "must be an expression, got float"),
        (lambda y, x: T.grad(y), "your code raised TypeError"),
    ],
    check.line_step: [
        (line(sign=-1), "look at the sign"),
        (line(total=T.sum), "the mean over the points"),
        (line(total=lambda e: T.mean(e) / 2), "the loss that call 1 returns"),
        (line(both=False), "b hasn't changed"),
        (line(start=1.0), "w before the first step"),
        (line(start=0), "write theano.shared(0.0)"),
        (lambda rate: line()(2 * rate), "the learning rate times the derivative"),
        (lambda rate: line()(rate)[0], "must be 3 values"),
        (lambda rate: (line()(rate)[0], 0.0, 0.0), "w must be a shared variable, got float"),
        (lambda rate: (np.dot, *line()(rate)[1:]), "step must be a compiled function"),
    ],
    check.newton_step: [
        (newton(lambda c, first, second: c + first / second), "the sign"),
        (newton(lambda c, first, second: c - second / first), "the other way round"),
        (newton(lambda c, first, second: c - 0.1 * first), "L′/L″"),
        (newton(lambda c, first, second: c - 0.1 * first / second), "L′/L″"),
        (lambda loss, c: theano.function([], loss), "c hasn't changed"),
        (lambda loss, c: theano.function([], T.grad(loss, c)), "the loss of the old c"),
        (lambda loss, c: loss, "must be a compiled function"),
    ],
    check.softsign: [
        (softsign(lambda g, y, x: (1 - abs(y)) ** 2), "the chain rule"),
        (softsign(lambda g, y, x: g * (1 - abs(y))), "1 / (1 + |x|)²"),
        (softsign(lambda g, y, x: g / (1 + x) ** 2), "both sides of 0"),
        (softsign(lambda g, y, x: g * (1 - np.float64(0.5)) ** 2), "1 / (1 + |x|)²"),
        (softsign(None), "lambda g, y, x"),
        (softsign(lambda g, y, x: g * local(x)), "differentiated again"),
        (softsign(code="np.tanh({0})"), "x / (1 + |x|)"),
        (softsign(code="np.trunc(4 * {0} / (1 + np.abs({0}))) / 4"), "x / (1 + |x|)"),
        (np.tanh, "must be an operation"),
        (lambda x: x / (1 + abs(x)), "must be an operation, got function"),
        (T.tanh, "x / (1 + |x|)"),
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
