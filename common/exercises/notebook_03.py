"""Checks for the exercises of notebook 03, learning with a numerical gradient."""

import numpy as np

from common.exercises.verdict import Case, checked, exercise, expect, returned, same
from common.functions import softmax, softmax_loss

__all__ = ["count_parameters", "days", "descend", "my_loss", "my_softmax", "score_gradient"]


@exercise("two weight matrices, and a bias for each hidden unit and each class.", rtol=1e-12)
def count_parameters(rng):
    """Check a count of the parameters of a two-layer network, from its three sizes."""
    for _ in range(5):
        D, H, K = (int(size) for size in rng.integers(2, 900, 3))
        weights = D * H + H * K
        yield Case(
            (D, H, K),
            weights + H + K,
            f"the count for {D}-{H}-{K}",
            "each layer has a weight matrix; what else is added?",
            [
                (weights, "these are the weights; each hidden unit and class also has a bias."),
                (weights + H, "the biases of the output layer are missing."),
                (weights + K, "the biases of the hidden layer are missing."),
                (weights + D + H, "each output of a layer has a bias, not each input."),
            ],
        )


@exercise("probabilities in each row, whatever the scores.")
def my_softmax(rng):
    """Check a softmax of the rows of an array."""
    X = rng.normal(size=(4, 5)) * 3
    cases = [
        (
            X,
            "random scores",
            "each row by itself: sums along axis=1, and keepdims=True so that they fit the rows.",
        ),
        *(
            (
                X + shift,
                f"scores near {shift:g}",
                "only the differences of scores count: what can you subtract from a row first?",
            )
            for shift in (1000.0, -1000.0)
        ),
        (
            # A maximum over the whole array would leave nothing of the other rows.
            X + np.array([[0.0], [1000.0], [-1000.0], [2000.0]]),
            "rows that lie far apart",
            "subtract the largest score of each row, not of the whole array.",
        ),
    ]
    # What is subtracted must be the row's maximum: its mean, minimum or any column is too small.
    for columns in ((0, 1), (1, 0), (2, 4), (4, 2)):
        wide = X.copy()
        wide[:, columns] = [1000.0, -1000.0]
        text = "rows that hold both 1,000 and −1,000"
        cases.append((wide, text, "after the subtraction no score of a row may be above 0."))
    for scores, text, hint in cases:
        yield Case((scores,), softmax(scores), f"softmax of {text}", hint)


@exercise("the loss of the scores, accurate even where a probability is rounded to 0.")
def my_loss(rng):
    """Check a mean cross-entropy that is computed from scores and integer labels."""
    X, t = rng.normal(size=(6, 4)) * 2, rng.integers(0, 4, 6)
    loss = softmax_loss(X, t)
    yield Case(
        (X, t),
        loss,
        "the loss of random scores",
        "log Σ exp(s) − s[t] of each row, and the mean of that.",
        [
            (len(X) * loss, "this is the sum over the examples; the loss is their mean."),
            (-loss, "look at the sign."),
            (loss / np.log(2), "take the natural logarithm."),
        ],
    )
    for order in ([0, 1], [1, 0]):
        X = np.array([[0.0, 1000.0, -1000.0], [1000.0, 0.0, -1000.0]]) + rng.normal(size=(2, 3))
        yield Case(
            (X[:, [*order, 2]], np.array([order[0], order[0]])),
            softmax_loss(X[:, [*order, 2]], np.array([order[0], order[0]])),
            "the loss of scores 1,000 apart",
            "never take the logarithm of a probability; subtract the largest score of each row, "
            "and write the logarithm of the quotient as a difference.",
        )


@exercise("probability minus one-hot label, divided by the batch size.", rtol=1e-12, atol=1e-14)
def score_gradient(rng):
    """Check the derivative of the mean cross-entropy with respect to the scores, to 12 digits."""
    X, t = rng.normal(size=(5, 4)) * 2, rng.integers(0, 4, 5)
    p, n = softmax(X), len(t)
    each = p.copy()
    each[np.arange(n), t] -= 1
    sign = "look at the sign: a larger score of the right class makes the loss smaller."
    right = "the element of the right class is another: look at the printed numbers."
    yield Case(
        (X, t),
        each / n,
        "the gradient with respect to the scores",
        "compare the gradient with softmax: where do they differ, and by how much?",
        [
            (each, "right for each example; but the loss of a batch is a mean."),
            (-each, sign),
            (-each / n, sign),
            (p, right),
            (p / n, right),
            (each / each.size, "the mean is over the N examples, not over all elements."),
        ],
    )


@exercise("two passes per parameter, 86,400 seconds per day.")
def days(rng):
    """Check the days that training by central differences takes."""
    for _ in range(3):
        P, steps = int(rng.integers(1000, 100_000)), int(rng.integers(10, 20_000))
        seconds = float(rng.uniform(1e-5, 1e-3))
        expected = 2 * P * seconds * steps / 86_400
        yield Case(
            (P, seconds, steps),
            expected,
            f"the days for P = {P:,} and {steps:,} steps",
            "count the passes of one gradient first.",
            [
                (expected / 2, "how many passes does a central difference take per parameter?"),
                (expected * 86_400, "these are seconds; a day has 86,400."),
                (expected * 24, "these are hours."),
                (expected / steps, "this is for one step."),
            ],
        )


@checked("a training loop that works for any loss of any parameters.", "function")
def descend(answer):
    """Check gradient descent by finite differences on a dict of parameters."""
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
                    "nothing has moved; numerical_gradient moves the elements of the array that it "
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
