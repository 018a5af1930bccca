"""The checks of notebook 03: right answers pass, wrong ones are told where they are wrong."""

import numpy as np
import pytest

from common.exercises import notebook_03 as check
from common.functions import softmax
from common.gradient import numerical_gradient


def stable_softmax(X):
    growth = np.exp(X - X.max(axis=1, keepdims=True))
    return growth / growth.sum(axis=1, keepdims=True)


def stable_loss(X, t):
    shifted = X - X.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(t)), t])


def descend(loss, params, learning_rate, steps, *, sign=-1, copy=True, at_once=True):
    params = {name: param.copy() if copy else param for name, param in params.items()}

    def gradient(name):
        return numerical_gradient(lambda _: loss(params), params[name])

    for _ in range(steps):
        grads = {name: gradient(name) for name in params}
        for name in params:
            params[name] += sign * learning_rate * (grads[name] if at_once else gradient(name))
    return params


def one_hot(X, t):
    return np.eye(X.shape[1])[t]


RIGHT = {
    "count_parameters": lambda D, H, K: (D + 1) * H + (H + 1) * K,
    "my_softmax": stable_softmax,
    "my_loss": stable_loss,
    "score_gradient": lambda X, t: (softmax(X) - one_hot(X, t)) / len(t),
    "days": lambda P, seconds, steps: 2 * P * seconds * steps / 86_400,
    "descend": descend,
}

WRONG = [
    ("count_parameters", lambda D, H, K: D * H + H * K, "bias"),
    ("count_parameters", lambda D, H, K: D + H + K, "matrix"),
    ("my_softmax", lambda X: np.exp(X) / np.exp(X).sum(axis=1, keepdims=True), "near 1000"),
    ("my_softmax", lambda X: np.exp(X - X.max()) / np.exp(X - X.max()).sum(), "axis=1"),
    (
        "my_softmax",
        lambda X: np.exp(X - X.max()) / np.exp(X - X.max()).sum(axis=1, keepdims=True),
        "not of the whole array",
    ),
    ("my_loss", lambda X, t: -np.mean(np.log(softmax(X)[np.arange(len(t)), t])), "1,000 apart"),
    ("my_loss", lambda X, t: len(t) * stable_loss(X, t), "mean"),
    ("my_loss", lambda X, t: -stable_loss(X, t), "sign"),
    ("score_gradient", lambda X, t: softmax(X) - one_hot(X, t), "mean"),
    ("score_gradient", lambda X, t: (one_hot(X, t) - softmax(X)) / len(t), "sign"),
    ("score_gradient", lambda X, t: softmax(X) / len(t), "right class"),
    ("days", lambda P, seconds, steps: P * seconds * steps / 86_400, "central difference"),
    ("days", lambda P, seconds, steps: 2 * P * seconds * steps, "86,400"),
    ("descend", lambda *a: descend(*a, sign=1), "uphill"),
    ("descend", lambda *a: descend(*a, copy=False), "copies"),
    ("descend", lambda *a: descend(*a, at_once=False), "first"),
    ("descend", lambda *a: descend(*a)["W"], "dict"),
]


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_pass(name):
    for _ in range(3):
        verdict = getattr(check, name)(RIGHT[name])
        assert verdict, verdict


@pytest.mark.parametrize(("name", "answer", "help_"), WRONG)
def test_wrong_answers_get_help(name, answer, help_):
    verdict = getattr(check, name)(answer)
    assert not verdict
    assert help_ in verdict.message
