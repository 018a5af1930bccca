"""Checks for the exercises of notebook 03, learning with a numerical gradient."""

from collections.abc import Callable

import numpy as np

from common.exercises.verdict import checked, expect, returned, same
from common.functions import softmax, softmax_loss

__all__ = ["count_parameters", "days", "descend", "my_loss", "my_softmax", "score_gradient"]


@checked("two matrices of weights, and a bias for each unit and each class.")
def count_parameters(answer: Callable[[int, int, int], int]) -> None:
    """Check a count of the parameters of a two-layer network, from its three sizes."""
    for _ in range(5):
        D, H, K = (int(size) for size in np.random.default_rng().integers(2, 900, 3))
        got = returned(answer(D, H, K))
        without_biases = D * H + H * K
        hint = "each layer has a matrix of weights; what else is added?"
        if got == without_biases:
            hint = "these are the weights; each hidden unit and each class also has a bias."
        same(got, without_biases + H + K, f"the count for {D}-{H}-{K}", hint)


@checked("probabilities in each row, whatever the scores.")
def my_softmax(answer: Callable[[np.ndarray], np.ndarray]) -> None:
    """Check a softmax of the rows of an array."""
    rng = np.random.default_rng()
    X = rng.normal(size=(4, 5)) * 3
    before = X.copy()
    with np.errstate(all="ignore"):
        got = returned(answer(X))
        expect(np.array_equal(X, before), "your code changes X; work on a new array.")
        same(
            got,
            softmax(X),
            "softmax of random scores",
            "each row by itself: sums along axis=1, and keepdims=True so that they fit the rows.",
        )
        for shift in (1000.0, -1000.0):
            same(
                answer(X + shift),
                softmax(X),
                f"softmax of scores near {shift:g}",
                "only the differences of the scores count: what can you subtract from a row first?",
            )
        # A maximum over the whole array would leave nothing of the other rows.
        apart = X + np.array([[0.0], [1000.0], [-1000.0], [2000.0]])
        same(
            answer(apart),
            softmax(X),
            "softmax of rows that lie far apart",
            "subtract the largest score of each row, not of the whole array.",
        )


@checked("the loss of the scores, exact even where a probability is rounded to 0.")
def my_loss(answer: Callable[[np.ndarray, np.ndarray], float]) -> None:
    """Check a mean cross-entropy that is computed from scores and integer labels."""
    rng = np.random.default_rng()
    X, t = rng.normal(size=(6, 4)) * 2, rng.integers(0, 4, 6)
    with np.errstate(all="ignore"):
        got, expected = returned(answer(X, t)), softmax_loss(X, t)
        same_number = np.shape(got) == ()
        hint = "log Σ exp(s) − s[t] of each row, and the mean of that."
        if same_number and np.isclose(got, len(X) * expected):
            hint = "this is the sum over the examples; the loss is their mean."
        elif same_number and np.isclose(got, -expected):
            hint = "look at the sign."
        same(got, expected, "the loss of random scores", hint)
        X = np.array([[0.0, 1000.0], [1000.0, 0.0]]) + rng.normal(size=(2, 2))
        t = np.array([0, 0])
        same(
            answer(X, t),
            softmax_loss(X, t),
            "the loss of scores 1,000 apart",
            "never take the logarithm of a probability; subtract the largest score of each row, "
            "and write the logarithm of the quotient as a difference.",
        )


@checked("probability minus truth, over the number of examples. Chapter 5 will need it.")
def score_gradient(answer: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
    """Check the derivative of the mean cross-entropy by the scores."""
    rng = np.random.default_rng()
    X, t = rng.normal(size=(5, 4)) * 2, rng.integers(0, 4, 5)
    before = X.copy()
    got = returned(answer(X, t))
    expect(np.array_equal(X, before), "your code changes X; work on a new array.")
    expected = softmax(X)
    expected[np.arange(len(t)), t] -= 1
    expected /= len(t)
    hint = "compare the gradient with softmax: where do they differ, and by how much?"
    if np.shape(got) == expected.shape:
        if np.allclose(got, expected * len(t)):
            hint = "right for each example; but the loss of a batch is a mean."
        elif np.allclose(got, -expected) or np.allclose(got, -expected * len(t)):
            hint = "look at the sign: a larger score of the right class makes the loss smaller."
        elif np.allclose(got, softmax(X) / len(t)) or np.allclose(got, softmax(X)):
            hint = "the entry of the right class is another: look at the printed numbers."
    same(got, expected, "the gradient by the scores", hint)


@checked("two passes a parameter, 86,400 seconds a day.")
def days(answer: Callable[[int, float, int], float]) -> None:
    """Check the days that training by central differences takes."""
    rng = np.random.default_rng()
    P, steps = int(rng.integers(1000, 100_000)), int(rng.integers(10, 20_000))
    seconds_a_pass = float(rng.uniform(1e-5, 1e-3))
    expected = 2 * P * seconds_a_pass * steps / 86_400
    got = returned(answer(P, seconds_a_pass, steps))
    hint = "count the passes of one gradient first."
    if np.shape(got) == () and isinstance(got, (int, float, np.number)):
        if np.isclose(got, expected / 2):
            hint = "how many passes does a central difference take for each parameter?"
        elif np.isclose(got, expected * 86_400):
            hint = "these are seconds; a day has 86,400."
    same(got, expected, f"the days for P = {P:,} and {steps:,} steps", hint)


@checked("a training loop that works for any loss of any parameters.")
def descend(answer: Callable[[Callable, dict, float, int], dict]) -> None:
    """Check gradient descent by differences on a dict of parameters."""
    rng = np.random.default_rng()
    target, scale = rng.normal(size=(2, 3)), rng.uniform(0.5, 2.0)

    def loss(params):
        both = params["W"] * params["b"]
        return scale * np.sum((params["W"] - target) ** 2) + np.sum(both**2)

    start = {"W": rng.normal(size=(2, 3)), "b": rng.normal(size=3)}
    for steps, learning_rate in ((0, 0.1), (1, 0.05), (3, 0.02)):
        given = {key: param.copy() for key, param in start.items()}
        got = returned(answer(loss, given, learning_rate, steps))
        expect(
            all(np.array_equal(given[key], start[key]) for key in start),
            "your code changes the arrays that it was given; start from copies of them.",
        )
        expect(
            isinstance(got, dict) and got.keys() == start.keys(),
            f"expected a dict with the keys W and b, got {_what(got)}.",
        )
        expected = _descended(start, target, scale, learning_rate, steps)
        up = _descended(start, target, scale, -learning_rate, steps)
        for key in start:
            hint = "compute the gradients of all parameters first, then move all of them."
            if steps and np.allclose(got[key], up[key], rtol=1e-4):
                hint = "this walks uphill: look at the sign."
            elif steps and np.array_equal(got[key], start[key]):
                hint = (
                    "nothing has moved; numerical_gradient moves the entries of the array that it "
                    "is given, so the loss must see that same array, and your copy of the dict too."
                )
            what = f"params[{key!r}] after {steps} steps"
            same(got[key], expected[key], what, hint, rtol=1e-4, atol=1e-6)


def _descended(start, target, scale, learning_rate, steps):
    W, b = start["W"], start["b"]
    for _ in range(steps):
        dW = 2 * scale * (W - target) + 2 * W * b**2
        db = np.sum(2 * W**2 * b, axis=0)
        W, b = W - learning_rate * dW, b - learning_rate * db
    return {"W": W, "b": b}


def _what(got):
    return f"the keys {', '.join(map(str, got))}" if isinstance(got, dict) else type(got).__name__
