import operator
from functools import partial

import numpy as np
import pytest

from ch04_numerical_gradient.gradient_descent import gradient_descent
from common.exercises import notebook_02 as check
from common.gradient import numerical_gradient, numerical_gradient_forward


def along(f, x, direction):
    """A slope without a gradient: a difference along the direction."""
    u, h = direction / np.linalg.norm(direction), 1e-5
    return (f(x + h * u) - f(x - h * u)) / (2 * h)


def towards_in_place(f, x, direction):
    direction /= np.linalg.norm(direction)
    return numerical_gradient(f, x) @ direction


def moving(f, x, h=1e-4, *, back=True, width=2.0, forward=False):
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        before = f(x)
        x[i] += h
        above = f(x)
        x[i] -= 2 * h
        gradient[i] = (above - before) / h if forward else (above - f(x)) / (width * h)
        if back:
            x[i] += h
    return gradient


def descend(f, x, lr, steps):
    for _ in range(steps):
        x = x - lr * numerical_gradient(f, x)
    return x


def one_coordinate_after_the_other(f, x, lr, steps):
    x = x.copy()
    for i in list(range(len(x))) * steps:
        x[i] -= lr * numerical_gradient(f, x)[i]
    return x


def descend_in_place(f, x, lr, steps):
    for _ in range(steps):
        x -= lr * numerical_gradient(f, x)
    return x


def descend_with_own_gradient(f, x, lr, steps):
    """The gradient moves the elements of the caller's x, and leaves rounding errors in them."""
    for _ in range(steps):
        x = x - lr * moving(f, x)
    return x


def backtrack(f, x, steps, least=0.5, *, first=1.0, below=operator.le, keep=False, once=False):
    lr = first
    for _ in range(steps):
        g = numerical_gradient(f, x)
        lr = lr if keep else first
        while not below(f(x - lr * g), f(x) - least * lr * np.sum(g**2)):
            lr /= 2
            if once:
                break
        x = x - lr * g
    return x


def backtrack_until_it_stands(f, x, steps):
    for _ in range(steps):
        g, here, lr = moving(f, x), f(x), 1.0
        if np.linalg.norm(g) < 1e-8:
            break
        while here - f(x - lr * g) < lr * (g @ g) / 2:
            lr *= 0.5
        x = x - lr * g
    return tuple(x)


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        ("gradient_on_paper", (4.0, 7.0)),
        ("gradient_on_paper", [4, 7]),
        ("largest_learning_rate", 0.333),
        ("largest_learning_rate", np.float64(1 / 3)),
        ("largest_learning_rate", [0.33]),
        ("gradient_on_paper", np.array([4, 7], dtype=np.float32)),
        ("slope_towards", along),
        ("slope_towards", lambda f, x, d: [numerical_gradient(f, x) @ (d / np.sqrt(d @ d))][0]),
        ("slope_towards", lambda f, x, d: np.cos(0) * along(f, x, 3 * d)),
        ("gradient", moving),
        ("gradient", numerical_gradient),
        ("gradient", lambda f, x, h: numerical_gradient(f, x, h).tolist()),
        ("descend", descend),
        ("descend", descend_with_own_gradient),
        ("descend", lambda f, x, lr, steps: descend_in_place(f, x.copy(), lr, steps)),
        ("descend_safely", backtrack),
        ("descend_safely", backtrack_until_it_stands),
        ("descend_safely", lambda f, x, n: backtrack(f, x.astype(np.longdouble), n).tolist()),
    ],
)
def test_other_right_answers_are_right_too(exercise, answer):
    verdict = getattr(check, exercise)(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("exercise", "answer", "message"),
    [
        ("gradient_on_paper", [7, 4], "wrong order"),
        ("gradient_on_paper", [4, 4], "keep the other fixed"),
        ("gradient_on_paper", 11, "shape (2,)"),
        ("gradient_on_paper", [2, 7], "keep the other fixed"),
        ("gradient_on_paper", [4, ...], "not all values are filled in"),
        ("largest_learning_rate", 1.0, "find both curvatures"),
        ("largest_learning_rate", -1 / 3, "find both curvatures"),
        ("largest_learning_rate", 2 / 3, "second derivative"),
        ("largest_learning_rate", 2.0, "for x₁ alone"),
        ("largest_learning_rate", 1 / 6, "one step reaches the minimum"),
        ("slope_towards", lambda f, x, d: numerical_gradient(f, x) @ d, "divide the direction"),
        ("slope_towards", lambda f, x, d: numerical_gradient(f, x), "must be one number"),
        ("slope_towards", lambda f, x, d: -along(f, x, d), "∇f · u"),
        ("slope_towards", lambda f, x, d: abs(along(f, x, d)), "∇f · u"),
        ("slope_towards", towards_in_place, "changes the array"),
        ("gradient", lambda f, x, h: moving(f, x, h, back=False), "restore each element"),
        ("gradient", lambda f, x, h: moving(f, x, h, width=1.0), "2h apart"),
        ("gradient", lambda f, x, h: moving(f, x, h, forward=True), "by +h and by −h"),
        ("gradient", numerical_gradient_forward, "moved to both sides"),
        ("gradient", lambda f, x, h: moving(f, x, h).ravel(), "must have shape (2, 3)"),
        ("gradient", lambda f, x, h: -moving(f, x, h), "look at the sign"),
        ("gradient", lambda f, x, h: [f(v + h) for v in x], "of shape (), but it takes all"),
        ("descend", gradient_descent, "return x alone"),
        ("descend", lambda *a: gradient_descent(*a)[1], "return x alone"),
        ("descend", one_coordinate_after_the_other, "the whole gradient before"),
        ("descend", lambda f, x, lr, n: x - n * lr * numerical_gradient(f, x), "anew at each step"),
        ("descend", lambda f, x, lr, n: descend(f, x, lr, n + 1), "count the steps"),
        ("descend", descend_in_place, "start from x.copy()"),
        ("descend", lambda f, x, lr, n: descend(f, x, -lr, n), "goes uphill"),
        ("descend", lambda f, x, lr, n: descend(f, x, lr, n - 1), "count the steps"),
        ("descend", lambda f, x, lr, n: descend(f, x, lr, 1), "count the steps"),
        ("descend", lambda f, x, lr, n: descend(f, x, lr / 2, n), "x − lr · ∇f(x)"),
        ("descend_safely", lambda f, x, n: descend(f, x, 1.9, n), "less than half of the promise"),
        ("descend_safely", lambda f, x, n: descend(f, x, 1e-5, n), "start with η = 1"),
        ("descend_safely", lambda f, x, n: backtrack(f, x, n + 1), "the end of 1 step "),
        ("descend_safely", partial(backtrack, once=True), "less than half of the promise"),
        ("descend_safely", partial(backtrack, keep=True), "is η 1 again at the start"),
        ("descend_safely", partial(backtrack, first=0.5), "each step starts with η = 1"),
        ("descend_safely", partial(backtrack, first=2.0), "each step starts with η = 1"),
        ("descend_safely", partial(backtrack, least=0.0), "not only a little"),
        ("descend_safely", partial(backtrack, least=1e6, below=operator.lt), "always end?"),
    ],
)
def test_a_wrong_answer_is_told_where_it_is_wrong(exercise, answer, message):
    verdict = getattr(check, exercise)(answer)
    assert not verdict
    assert message in verdict.message
