"""Checks for the exercises of notebook 07, the symbolic graph."""

import numpy as np

import common.symbolic.tensor as T
from common import symbolic as theano
from common.exercises.verdict import Wrong, checked, expect, returned, same, several
from common.symbolic.elementwise import Elementwise

__all__ = ["line_step", "newton_step", "second_derivative", "softsign"]

KINDS = {
    theano.Variable: "an expression. Hint: T.grad returns one",
    theano.Function: "a compiled function. Hint: theano.function makes one",
    theano.Shared: "a shared variable. Hint: theano.shared(0.0)",
    Elementwise: "an operation. Hint: Elementwise(…), as for gaussian",
}


def _expect_kind(what, got, kind):
    name, _, hint = KINDS[kind].partition(".")
    expect(isinstance(got, kind), f"{what} must be {name}, got {type(got).__name__}.{hint}.")


def _single(got):
    """Return `got`, or its element if it is a list of one: functions and T.grad may return one."""
    return got[0] if isinstance(got, list | tuple) and len(got) == 1 else got


def _value(expression, x, at):
    return theano.function([x], expression, on_unused_input="ignore")(at)


@checked("it is the second derivative: the gradient of a gradient.", "function")
def second_derivative(answer):
    """Check a function from variables y and x to the variable ∂²y/∂x²."""
    a, at = np.random.default_rng().uniform(1.2, 2, 2)
    x = T.dscalar("x")
    for text, y, first, second in (
        ("a x⁴", a * x**4, 4 * a * at**3, 12 * a * at**2),
        ("sin(a x)", T.sin(a * x), a * np.cos(a * at), -(a**2) * np.sin(a * at)),
        ("exp(a x)", T.exp(a * x), a * np.exp(a * at), a**2 * np.exp(a * at)),
    ):
        got = _single(returned(answer(y, x)))
        _expect_kind("the second derivative", got, theano.Variable)
        slips = [
            (first, "this is the first derivative. It is an expression; differentiate it again."),
            (first**2, "this is the square of the first derivative, not the second derivative."),
        ]
        what = f"the second derivative of {text} at x = {at:.3f}, a = {a:.3f}"
        hint = "T.grad returns an expression; differentiate that."
        same(_value(got, x, at), second, what, hint, slips=slips)


@checked("each call returns the loss, and w and b take a step of gradient descent.", "function")
def line_step(answer):
    """Check a function from a learning rate to a compiled training step of a line, w and b."""
    rng = np.random.default_rng()
    rate = rng.uniform(0.01, 0.1)
    try:
        step, w, b = several(returned(answer(rate)), 3, "the result (step, w, b)")
    except TypeError as error:
        if "int" not in str(error):
            raise
        hint = "Hint: theano.shared(0) holds an integer; write theano.shared(0.0)."
        raise Wrong(f"your code raised TypeError: {error}. {hint}") from error
    _expect_kind("step", step, theano.Function)
    for name, s in (("w", w), ("b", b)):
        _expect_kind(name, s, theano.Shared)
        same(s.get_value(), 0, f"{name} before the first step")
    x = rng.normal(1, 1, size=7)
    t = rng.uniform(1, 2) * x + rng.uniform(1, 2) + 0.1 * rng.normal(size=7)
    now = {w: 0.0, b: 0.0}
    for call in (1, 2):
        error = now[w] * x + now[b] - t
        slips = [(np.sum(error**2), "the loss is the mean over the points, not their sum.")]
        what = f"the loss that call {call} returns"
        got, hint = _single(step(x, t)), "it is that of the old w and b."
        same(got, np.mean(error**2), what, hint, slips=slips)
        for name, s, factor in (("w", w, x), ("b", b, 1)):
            change = rate * 2 * np.mean(error * factor)
            slips = [
                (now[s] + change, "look at the sign: this step increases the loss."),
                (now[s], f"{name} hasn't changed; give it an update."),
            ]
            now[s] -= change
            hint = f"subtract the learning rate times the derivative with respect to {name}."
            same(s.get_value(), now[s], f"{name} after call {call}", hint, slips=slips)


@checked("the second derivative sets the length of the step: no learning rate.", "function")
def newton_step(answer):
    """Check a function from an expression and a shared variable to a compiled Newton step."""
    a, now = np.random.default_rng().uniform(1.2, 2, 2)
    c = theano.shared(now, "c")
    step = returned(answer(T.exp(c) - a * c, c))
    _expect_kind("the result", step, theano.Function)
    for call in (1, 2, 3):
        what = f"the loss that call {call} returns, L = exp(c) − a c with a = {a:.3f}"
        same(_single(step()), np.exp(now) - a * now, what, "return the loss of the old c.")
        first, second = np.exp(now) - a, np.exp(now)
        slips = [
            (now + first / second, "look at the sign."),
            (now - second / first, "L′ is divided by L″, not the other way round."),
            (now, "c hasn't changed; give its new value in updates."),
        ]
        now -= first / second
        same(c.get_value(), now, f"c after call {call}", "c becomes c − L′/L″.", slips=slips)


@checked("its value, its derivative and its second derivative agree with central differences.")
def softsign(answer):
    """Check an operation y = x / (1 + |x|) with its VJP: an Elementwise, or a subclass of it."""
    answer = answer() if isinstance(answer, type) else answer
    _expect_kind("softsign", answer, Elementwise)
    rng = np.random.default_rng()
    at = rng.uniform(0.3, 2, 6) * np.array([1, -1, 1, -1, 1, -1])
    x, factor = T.dvector("x"), rng.uniform(2, 3)
    y, where = answer(x), f"at x = {at[0]:.3f}, {at[1]:.3f}, …"

    def central(f, h=1e-5):
        return (f(at + h) - f(at - h)) / (2 * h)

    same(_value(y, x, at), at / (1 + np.abs(at)), f"softsign {where}", "the code is x / (1 + |x|).")
    first = T.grad(T.sum(y), x)
    slope = central(lambda p: p / (1 + np.abs(p)))
    no_vjp = "without a VJP the derivative is 0; give it as the last argument, lambda g, y, x: …"
    hint = "it is 1 / (1 + |x|)², the same on both sides of 0."
    what = f"the derivative {where}"
    same(_value(first, x, at), slope, what, hint, rtol=1e-5, slips=[(0 * at, no_vjp)])
    scaled = _value(T.grad(T.sum(factor * y), x), x, at)
    hint = "g is the upstream gradient; the chain rule multiplies by it."
    what = f"the derivative of {factor:.3f} · softsign(x) {where}"
    same(scaled, factor * slope, what, hint, rtol=1e-5)
    second = _value(T.grad(T.sum(first), x), x, at)
    hint = "make the VJP of g, y and x alone, so that it can be differentiated again."
    numerical = central(lambda p: _value(first, x, p))
    same(second, numerical, f"the second derivative {where}", hint, rtol=1e-4)
