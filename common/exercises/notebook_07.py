"""Checks for the exercises of notebook 07, the symbolic graph."""

from collections.abc import Callable

import numpy as np

import common.symbolic.tensor as T
from common import symbolic as theano
from common.exercises.verdict import Wrong, checked, expect, returned, same, several
from common.symbolic import Function
from common.symbolic.elementwise import ELEMENTWISE, Elementwise
from common.symbolic.graph import Operation, Shared, Variable

__all__ = ["line_step", "newton_step", "second_derivative", "softsign"]


def _is_function(what, got):
    expect(
        isinstance(got, Function),
        f"{what} must be a compiled function, got {type(got).__name__}. Hint: theano.function",
    )


@checked("it is the second derivative, made by differentiating a derivative.", "function")
def second_derivative(answer: Callable) -> None:
    """Check a function that returns the second derivative of an expression.

    Parameters
    ----------
    answer : callable
        From variables y and x to the variable ∂²y/∂x².
    """
    rng = np.random.default_rng()
    a, at = rng.uniform(1, 2, 2)
    x = T.dscalar("x")
    cases = [
        (a * x**4, "a x⁴", 12 * a * at**2),
        (T.sin(a * x), "sin(a x)", -(a**2) * np.sin(a * at)),
        (T.exp(a * x), "exp(a x)", a**2 * np.exp(a * at)),
    ]
    for y, text, expected in cases:
        got = returned(answer(y, x))
        expect(
            isinstance(got, Variable),
            f"the second derivative must be an expression, got {type(got).__name__}",
        )
        hint = "the derivative that T.grad returns is an expression too; differentiate that."
        what = f"the second derivative of {text} at x = {at:.3f}, a = {a:.3f}"
        same(got.eval({x: at}), expected, what, hint)


@checked("each call returns the loss and moves w and b a step downhill.", "function")
def line_step(answer: Callable) -> None:
    """Check a function that compiles a training step for a line.

    Parameters
    ----------
    answer : callable
        From a learning rate to the compiled step, w and b.
    """
    rng = np.random.default_rng()
    rate = rng.uniform(0.01, 0.1)
    try:
        result = returned(answer(rate))
    except TypeError as error:
        if "int" in str(error):
            raise Wrong(
                f"your code raised TypeError: {error}. Hint: theano.shared(0) holds an integer, "
                "which can't take fractional steps; write theano.shared(0.0)."
            ) from error
        raise
    step, w, b = several(result, 3, "the result (step, w, b)")
    _is_function("step", step)
    for name, s in (("w", w), ("b", b)):
        expect(
            isinstance(s, Shared),
            f"{name} must be a shared variable, got {type(s).__name__}. Hint: theano.shared(0.0)",
        )
        same(s.get_value(), 0, f"{name} before the first step")

    x = rng.normal(size=7)
    t = rng.uniform(1, 2) * x + rng.uniform(1, 2) + 0.1 * rng.normal(size=7)
    w_now = b_now = 0.0
    for i in (1, 2):
        error = w_now * x + b_now - t
        what = f"the loss that call {i} returns"
        same(step(x, t), np.mean(error**2), what, "the mean over the points, with the old w and b.")
        w_now -= rate * 2 * np.mean(error * x)
        b_now -= rate * 2 * np.mean(error)
        for name, s, now in (("w", w, w_now), ("b", b, b_now)):
            hint = (
                f"the update of {name} is {name} minus the learning rate times the derivative of "
                f"the loss with respect to {name}."
            )
            same(s.get_value(), now, f"{name} after call {i}", hint)


@checked(
    "the second derivative sets the length of the step: no learning rate is needed.", "function"
)
def newton_step(answer: Callable) -> None:
    """Check a function that compiles a step of Newton's method.

    Parameters
    ----------
    answer : callable
        From an expression and a shared variable to the compiled step, which takes no inputs.
    """
    rng = np.random.default_rng()
    a, start = rng.uniform(1, 2, 2)
    c = theano.shared(start, "c")
    step = returned(answer(T.exp(c) - a * c, c))
    _is_function("newton_step's result", step)
    now = start
    for i in (1, 2, 3):
        what = f"the loss that call {i} returns, L = exp(c) − a c with a = {a:.3f}"
        same(step(), np.exp(now) - a * now, what, "return the loss of the old c.")
        now -= (np.exp(now) - a) / np.exp(now)
        hint = "c becomes c − L′/L″; look at the sign, and at which derivative is below."
        same(c.get_value(), now, f"c after call {i}", hint)


@checked("its value, its derivative, and the derivative of that agree with central differences.")
def softsign(answer: Operation) -> None:
    """Check an operation: y = x / (1 + |x|), with its derivative.

    Parameters
    ----------
    answer : Operation
    """
    if isinstance(answer, type):
        answer = answer()  # a subclass, of which an operation is made
    expect(
        isinstance(answer, Operation),
        f"softsign must be an operation, got {type(answer).__name__}. Hint: Elementwise(…)",
    )
    expect(
        answer.name not in ELEMENTWISE,
        f"the name {answer.name!r} is taken, and operations of one name count as the same",
    )
    expect(
        not isinstance(answer, Elementwise) or len(answer.vjps) == 1,
        "softsign needs one vector-Jacobian product, for its one input. Hint: the last argument of "
        "Elementwise, lambda g, y, x: …",
    )
    rng = np.random.default_rng()
    at = rng.uniform(0.3, 2, 6) * np.array([1, -1, 1, -1, 1, -1])
    x = T.dvector("x")

    y = answer(x)
    expected = at / (1 + np.abs(at))
    same(y.eval({x: at}), expected, f"softsign({at[0]:.3f}, {at[1]:.3f}, …)", "x / (1 + |x|).")

    whole = T.lvector("x")
    halves = answer(whole)
    hint = "the dtype must be floating_dtype: integers give fractions, too."
    expect(
        halves.kind == "f",
        f"softsign of integers must be real numbers, got {halves.dtype}. Hint: {hint}",
    )
    same(halves.eval({whole: [1, -3]}), [0.5, -0.75], "softsign of 1 and −3", hint)

    def central(f, h=1e-5):
        return (f(at + h) - f(at - h)) / (2 * h)

    dy = T.grad(T.sum(y), x)
    slope = theano.function([x], dy, on_unused_input="ignore")
    numerical = central(lambda p: p / (1 + np.abs(p)))
    sides = f"at x = {at[0]:.3f}, {at[1]:.3f}, …, against central differences"
    hint = "it is 1 / (1 + |x|)², the same on both sides of 0."
    same(slope(at), numerical, f"the derivative {sides}", hint, rtol=1e-5)

    factor = rng.uniform(2, 3)
    scaled = T.grad(T.sum(factor * y), x)
    got = theano.function([x], scaled, on_unused_input="ignore")(at)
    hint = "g is the derivative of the cost by the result; the chain rule multiplies by it."
    what = f"the derivative of {factor:.3f} · softsign(x) {sides}"
    same(got, factor * numerical, what, hint, rtol=1e-5)

    hint = "the rule must be made of g, y and x alone, so that it can be differentiated again."
    twice = theano.function([x], T.grad(T.sum(dy), x), on_unused_input="ignore")
    same(twice(at), central(slope), f"the second derivative {sides}", hint, rtol=1e-4)
