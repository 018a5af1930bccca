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


def of_one_gradient(loss, params, learning_rate, steps):
    first = descend(loss, params, learning_rate, 1) if steps else params
    return {name: param + steps * (first[name] - param) for name, param in params.items()}


def of_W_and_b(loss, params, learning_rate, steps):
    end = descend(loss, params, learning_rate, steps)
    return {"W": end["W"], "b": end["b"]}


def into_the_dict(loss, params, learning_rate, steps):
    params.update(descend(loss, params, learning_rate, steps))
    return params


def less_in_whole_columns(X, t):
    y = softmax(X)
    y[:, t] -= 1
    return y / len(t)


def less_the_largest_of_all(X, t):
    shifted = X - X.max()
    return np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(t)), t])


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
        lambda X: stable_softmax(X.astype(np.float32)),
    ],
    "my_loss": [
        stable_loss,
        by_logaddexp,
        lambda X, t: np.array(softmax_loss(X, one_hot(X, t))),
        lambda X, t: stable_loss(X.astype(np.float32), t),
    ],
    "score_gradient": [
        lambda X, t: (softmax(X) - one_hot(X, t)) / len(t),
        lambda X, t: (stable_softmax(X) / len(X) - one_hot(X, t) / len(X)).tolist(),
        lambda X, t: [(softmax(s) - np.eye(len(s))[k]) / len(X) for s, k in zip(X, t, strict=True)],
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
    ("count_parameters", lambda D, H, K: D * H + H * K + 2, "bias of its own"),
    ("count_parameters", lambda D, H, K: D * H + H * K + D + H + K, "the inputs have none"),
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
    ("my_loss", less_the_largest_of_all, "of each row, not of the whole array"),
    ("my_loss", lambda X, t: stable_loss(X, t) - np.mean(X.max(axis=1)), "from s[t] as well"),
    ("score_gradient", lambda X, t: softmax(X) - one_hot(X, t), "mean"),
    ("score_gradient", less_in_whole_columns, "whole columns"),
    ("score_gradient", lambda X, t: (softmax(X) - t[:, None]) / len(t), "one-hot rows"),
    ("score_gradient", lambda X, t: (softmax(X) - one_hot(X, t)) / 5, "expected"),
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
    ("descend", lambda *a: descend(*a, copy=False), "copy both"),
    ("descend", lambda *a: descend(*a, at_once=False), "first"),
    ("descend", lambda *a: descend(*a, other=True), "nothing has moved"),
    ("descend", lambda f, p, lr, n: descend(f, p, lr, max(n - 1, 0)), "after 1 step "),
    ("descend", of_one_gradient, "anew at each step"),
    ("descend", of_W_and_b, "KeyError"),
    ("descend", into_the_dict, "copy both"),
    ("descend", lambda loss, p, lr, n: numerical_gradient(loss, p["W"]), "called with ndarray"),
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
