"""Kinds of answers that a check must not accept, refuse, or answer with the wrong message."""

import math
import re
from functools import partial

import numpy as np
import pytest

from ch05_backprop.graph_by_hand import bill
from common.exercises import (
    notebook_00,
    notebook_01,
    notebook_02,
    notebook_03,
    notebook_04,
    notebook_05,
    notebook_06,
    notebook_09,
)
from common.functions import softmax, softmax_loss
from common.gradient import numerical_gradient, numerical_gradient_forward
from common.optimizer import Adam

PAPER = [
    (notebook_01.slope_of_the_cube, 12.0, [6, 8, 4, 0, -12]),
    (notebook_02.gradient_on_paper, (4.0, 7.0), [(7, 4), (4, 4), (2, 7), (0, 0), (-4, -7)]),
    (notebook_02.largest_learning_rate, 1 / 3, [2 / 3, 2, 1 / 6, 1, 0.3]),
    (notebook_04.higher_price, 11.0, [2.2, 5.5, 10, 726, 715]),
    (notebook_09.first_step, math.sqrt(10), [1, 100, 0.316, -3.16, 0.1]),
]


@pytest.mark.parametrize(("check", "answer", "wrong"), PAPER)
def test_pencil_and_paper(check, answer, wrong):
    shapes = [answer, np.array(answer), np.float64(answer) if np.isscalar(answer) else list(answer)]
    if np.isscalar(answer):
        shapes += [[answer], (answer,), np.array([answer])]
    for form in shapes:
        assert check(form), form
    for number in wrong:
        verdict = check(number)
        assert not verdict
        assert "Hint: " in verdict.message
        assert "expected" not in verdict.message
        for part in np.ravel(answer):
            if part not in np.ravel(number):
                assert not re.search(rf"(?<![\d.]){part:.3g}(?![\d.])", verdict.message)
    for text in ("twelve", "12", {}, object()):
        assert "must be numbers" in check(text).message


def softmax_less(subtract):
    def my_softmax(X):
        growth = np.exp(X - subtract(X)[:, np.newaxis])
        return growth / growth.sum(axis=1, keepdims=True)

    return my_softmax


@pytest.mark.parametrize(
    ("less", "right"),
    [
        (lambda X: X.max(axis=1), True),
        (lambda X: X.max(axis=1) + 1, True),
        (lambda X: np.sort(X, axis=1)[:, -1], True),
        (lambda X: X.mean(axis=1), False),
        (lambda X: X.min(axis=1), False),
        (lambda X: X[:, 0], False),
        (lambda X: X[:, -1], False),
        (lambda X: np.median(X, axis=1), False),
    ],
)
def test_softmax_must_subtract_the_maximum(less, right):
    assert bool(notebook_03.my_softmax(softmax_less(less))) == right


def differences(steps, values, h=1e-5):
    def result(values):
        values = dict(values)
        for out, operation, a, b in steps:
            values[out] = values[a] + values[b] if operation == "add" else values[a] * values[b]
        return values[out]

    def moved(name, h):
        return result({**values, name: values[name] + h})

    return {name: (moved(name, h) - moved(name, -h)) / (2 * h) for name in values}


@pytest.mark.parametrize("h", [1e-3, 1e-4, 1e-5, 1e-6])
def test_finite_differences_are_told_from_derivatives(h):
    for _ in range(5):
        verdict = notebook_03.score_gradient(
            lambda X, t: numerical_gradient(lambda X: softmax_loss(X, t), X, h)
        )
        assert "12 correct digits are asked for" in verdict.message
        assert not notebook_04.gradient(partial(differences, h=h))
    for _ in range(20):
        assert notebook_03.score_gradient(
            lambda X, t: (softmax(X) - np.eye(X.shape[1])[t]) / len(t)
        )


@pytest.mark.parametrize("h", [1e-3, 1e-4, 1e-5])
def test_finite_differences_are_refused_whatever_the_random_programs_are(h, monkeypatch):
    line = [("s", "add", "x0", "x1")], {"x0": 1.0, "x1": 0.5}  # differences are exact here
    monkeypatch.setattr(notebook_04, "_random_graph", lambda rng: line)
    assert not notebook_04.gradient(partial(differences, h=h))


def backtrack(f, x, steps, fraction):
    for _ in range(steps):
        g, lr = numerical_gradient(f, x), 1.0
        while lr > 1e-12 and f(x - lr * g) > f(x) - fraction * lr * np.sum(g**2):
            lr /= 2
        x = x - lr * g
    return x


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.4, 0.45, 0.55, 0.75])
def test_half_of_the_promise_is_half(fraction):
    assert "promise" in notebook_02.descend_safely(partial(backtrack, fraction=fraction)).message
    assert notebook_02.descend_safely(partial(backtrack, fraction=0.5))


def test_the_step_that_is_given_must_be_used():
    assert notebook_02.gradient(numerical_gradient)
    verdict = notebook_02.gradient(lambda f, x, h: numerical_gradient(f, x, 1e-4))
    assert "use the h" in verdict.message


def test_a_forward_difference_is_accurate_enough_for_a_slope_every_time():
    def slope(f, x, direction):
        return numerical_gradient_forward(f, x) @ direction / np.linalg.norm(direction)

    assert all(notebook_02.slope_towards(slope) for _ in range(100))


@pytest.mark.parametrize("container", [tuple, list, np.array])
def test_any_sequence_does_for_several_values(container):
    def node(backward):
        return type(
            "Node",
            (),
            {"forward": lambda self, x, y: x - y, "backward": lambda self, d: backward(d)},
        )

    assert notebook_04.sub(node(lambda d: container([d, -d])))
    assert notebook_05.shapes([list(s) for s in ((30, 7), (7,), (64, 30))])


class Sub:
    def forward(self, x, y):
        return x - y

    def backward(self, dout):
        return dout, -dout


@pytest.mark.parametrize(
    ("check", "answer", "part"),
    [
        (notebook_00.ink, 3, "must be a function, got 3"),
        (notebook_00.ink, Sub, "must be a function, got the class Sub"),
        (notebook_00.ink, lambda image: "much", "must be numbers, got 'much'"),
        (notebook_00.ink, lambda: 0, "your code raised TypeError"),
        (notebook_01.backward_difference, 0.5, "must be a function, got 0.5"),
        (notebook_02.gradient_on_paper, (..., 7), "not all values are filled in"),
        (notebook_04.sub, Sub(), "must be a class, got a Sub. Hint: give the class itself"),
        (notebook_04.sub, 7, "must be a class, got 7"),
        (notebook_05.shapes, (..., (7,), (64, 30)), "value 1 of 3 is still missing"),
        (notebook_05.shapes, ("a", "b", "c"), "must be a tuple of integers"),
        (notebook_09.own_optimizer, Adam(), "must be a class, got an Adam"),
        (notebook_01.step_for_the_second_derivative, "small", "must be numbers"),
    ],
)
def test_no_line_of_a_check_is_shown(check, answer, part):
    verdict = check(answer)
    assert not verdict
    assert part in verdict.message
    assert "(line" not in verdict.message


def test_a_difference_in_late_digits_is_printed():
    verdict = notebook_01.slope_of_the_cube(12.001)
    assert "12.001" in verdict.message
    message = notebook_06.ratio_of_passes(lambda D, H, K: (D + 1) * H + (H + 1) * K + 2).message
    want, got = re.search(r"expected ([\d,]+), got ([\d,]+)\.", message).groups()
    assert int(got.replace(",", "")) - int(want.replace(",", "")) == 2
    message = notebook_00.ink(lambda image: image.mean() * (1 + 1e-5)).message
    want, got = re.search(r"expected ([\d.]+), got ([\d.]+)\. ", message).groups()
    assert want != got


class MeanSquare:
    def forward(self, x, t):
        self.d = x - t
        return np.sum(self.d**2) / (2 * len(x))

    def backward(self):
        return self.d / self.d.size


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        (notebook_00.fraction_right, lambda g, t: 100 * np.mean(g == t), "percentage"),
        (notebook_00.fraction_right, lambda g, t: np.mean(g != t), "wrong guesses"),
        (notebook_05.squared_loss, MeanSquare, "N is the number of rows, not of elements"),
        (
            notebook_06.relative_difference,
            lambda a, b: np.abs(a - b) / np.maximum(1e-8, np.abs(a + b)),
            "isn't |a + b|",
        ),
        (
            notebook_06.relative_difference,
            lambda a, b: np.abs(a - b) / (np.abs(a) + np.abs(b) + 1e-8),
            "the floor is a maximum",
        ),
    ],
)
def test_the_hint_names_the_slip(check, answer, hint):
    for _ in range(5):
        assert hint in check(answer).message


def test_the_bill_agrees_with_its_check():
    _, derivatives = bill(100, 2, 150, 3, 1.1)
    assert notebook_04.higher_price(5 * derivatives["apple_price"])
