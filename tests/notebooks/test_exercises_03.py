"""The checks of notebook 03: right answers pass, wrong ones are told where they are wrong."""

import numpy as np
import pytest

from common.exercises import notebook_03 as check
from common.functions import softmax, softmax_loss
from common.gradient import numerical_gradient


def stable_softmax(X):
    growth = np.exp(X - X.max(axis=1, keepdims=True))
    return growth / growth.sum(axis=1, keepdims=True)


def stable_loss(X, t):
    shifted = X - X.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(t)), t])


def descend(loss, params, learning_rate, steps, *, sign=-1, copy=True, at_once=True, other=False):
    params = {name: param.copy() if copy else param for name, param in params.items()}
    seen = {name: param.copy() for name, param in params.items()} if other else params

    def gradient(name):
        return numerical_gradient(lambda _: loss(seen), params[name])

    for _ in range(steps):
        grads = {name: gradient(name) for name in params}
        for name in params:
            params[name] += sign * learning_rate * (grads[name] if at_once else gradient(name))
    return params


def one_hot(X, t):
    return np.eye(X.shape[1])[t]


def by_logaddexp(X, t):
    return float(np.mean(np.logaddexp.reduce(X, axis=1) - X[range(len(t)), t]))


RIGHT = {
    "count_parameters": [
        lambda D, H, K: (D + 1) * H + (H + 1) * K,
        lambda D, H, K: np.float64(D * H + H + H * K + K),
        lambda D, H, K: sum(np.zeros(size).size for size in ((D, H), H, (H, K), K)),
    ],
    "my_softmax": [
        stable_softmax,
        lambda X: np.exp(X - np.logaddexp.reduce(X, axis=1)[:, None]),
        lambda X: [stable_softmax(row[None])[0].tolist() for row in X],
    ],
    "my_loss": [stable_loss, by_logaddexp, lambda X, t: np.array(softmax_loss(X, one_hot(X, t)))],
    "score_gradient": [
        lambda X, t: (softmax(X) - one_hot(X, t)) / len(t),
        lambda X, t: (stable_softmax(X) / len(X) - one_hot(X, t) / len(X)).tolist(),
        lambda X, t: np.stack([softmax(s) - np.eye(4)[k] for s, k in zip(X, t, strict=True)]) / 5,
    ],
    "days": [
        lambda P, seconds, steps: 2 * P * seconds * steps / 86_400,
        lambda P, seconds, steps: np.float64(P * seconds * steps / (12 * 60 * 60)),
        lambda P, seconds, steps: steps / (86_400 / (P * 2 * seconds)),
    ],
    "descend": [
        descend,
        lambda *a: {k: v.tolist() for k, v in descend(*a).items()},
        lambda *a: dict(reversed(descend(*a).items())),
    ],
}

WRONG = [
    ("count_parameters", lambda D, H, K: D * H + H * K, "also has a bias"),
    ("count_parameters", lambda D, H, K: D + H + K, "matrix"),
    ("count_parameters", lambda D, H, K: D * H + H + H * K, "output layer"),
    ("count_parameters", lambda D, H, K: D * H + K + H * K, "hidden layer"),
    ("count_parameters", lambda D, H, K: D * (H + 1) + H * (K + 1), "not each input"),
    ("my_softmax", lambda X: np.exp(X) / np.exp(X).sum(axis=1, keepdims=True), "near 1000"),
    ("my_softmax", lambda X: np.exp(X - X.max()) / np.exp(X - X.max()).sum(), "axis=1"),
    ("my_softmax", lambda X: stable_softmax(X.T).T, "axis=1"),
    ("my_softmax", lambda X: stable_softmax(X)[0], "must have shape (4, 5)"),
    (
        "my_softmax",
        lambda X: np.exp(X - X.max()) / np.exp(X - X.max()).sum(axis=1, keepdims=True),
        "not of the whole array",
    ),
    ("my_loss", lambda X, t: -np.mean(np.log(softmax(X)[np.arange(len(t)), t])), "1,000 apart"),
    ("my_loss", lambda X, t: len(t) * stable_loss(X, t), "mean"),
    ("my_loss", lambda X, t: -stable_loss(X, t), "sign"),
    ("my_loss", lambda X, t: stable_loss(X, t) / np.log(2), "natural"),
    ("my_loss", lambda X, t: -np.mean(one_hot(X, t) * np.log(softmax(X))), "not over all elements"),
    ("my_loss", lambda X, t: np.mean(1 - softmax(X)[np.arange(len(t)), t]), "log Σ exp(s)"),
    ("score_gradient", lambda X, t: softmax(X) - one_hot(X, t), "mean"),
    ("score_gradient", lambda X, t: (one_hot(X, t) - softmax(X)) / len(t), "sign"),
    ("score_gradient", lambda X, t: softmax(X) / len(t), "correct class"),
    ("score_gradient", lambda X, t: (softmax(X) - one_hot(X, t)) / X.size, "not over all"),
    ("score_gradient", lambda X, t: softmax(X) - 1, "where do they differ"),
    ("days", lambda P, seconds, steps: P * seconds * steps / 86_400, "central difference"),
    ("days", lambda P, seconds, steps: 2 * P * seconds * steps, "86,400"),
    ("days", lambda P, seconds, steps: 2 * P * seconds * steps / 3600, "hours"),
    ("days", lambda P, seconds, steps: 2 * P * seconds / 86_400, "one step"),
    ("days", lambda P, seconds, steps: (P + 1) * seconds * steps / 86_400, "count the passes"),
    ("descend", lambda *a: descend(*a, sign=1), "uphill"),
    ("descend", lambda *a: descend(*a, copy=False), "copies"),
    ("descend", lambda *a: descend(*a, at_once=False), "first"),
    ("descend", lambda *a: descend(*a, other=True), "nothing has moved"),
    ("descend", lambda *a: descend(*a)["W"], "dict"),
    ("descend", lambda f, p, lr, n: descend(f, p, lr, n + 1), "after 0 steps"),
]


@pytest.mark.parametrize(("name", "answer"), [(n, answer) for n in RIGHT for answer in RIGHT[n]])
def test_right_answers_pass(name, answer):
    for _ in range(3):
        verdict = getattr(check, name)(answer)
        assert verdict, verdict


@pytest.mark.parametrize(("name", "answer", "help_"), WRONG)
def test_wrong_answers_get_help(name, answer, help_):
    for _ in range(3):
        verdict = getattr(check, name)(answer)
        assert not verdict
        assert help_ in verdict.message
