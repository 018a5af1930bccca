"""Checks for the exercises of notebook 03, learning with a numerical gradient."""

import numpy as np

from common.exercises.verdict import Case, Wrong, checked, exercise, expect, returned, same
from common.functions import softmax, softmax_loss
from common.gradient import numerical_gradient

__all__ = ["count_parameters", "days", "descend", "my_loss", "my_softmax", "score_gradient"]


@exercise("two weight matrices, and one bias per hidden unit and per class.", rtol=1e-12)
def count_parameters(rng):
    """Yield sizes of two-layer networks, and the numbers of their parameters."""
    for D, H, K in rng.choice(np.arange(3, 900), (5, 3), replace=False).tolist():
        weights = D * H + H * K
        slips = [
            (weights, "these are the weights; each hidden unit and class also has a bias."),
            (weights + H, "the biases of the output layer are missing."),
            (weights + K, "the biases of the hidden layer are missing."),
            (weights + 2, "each unit of a layer has a bias of its own."),
            (weights + D + H + K, "each output of a layer has a bias; the inputs have none."),
            (weights + D + H, "each output of a layer has a bias, not each input."),
        ]
        hint = "each layer has a weight matrix; what else does it have?"
        yield Case((D, H, K), weights + H + K, f"the count for {D}-{H}-{K}", hint, slips)


@exercise("each row contains probabilities, whatever the logits.", rtol=1e-3)
def my_softmax(rng):
    """Yield logits, and softmax of their rows."""
    X = rng.normal(size=(4, 5)) * 3
    rows = "treat each row by itself: sum along axis=1, with keepdims=True so that shapes fit."
    cases = [(X, "random logits", rows)]
    for shift in (1000.0, -1000.0):
        hint = "only differences of logits matter: what can you subtract from a row first?"
        cases.append((X + shift, f"logits near {shift:g}", hint))
    # A maximum over the whole array would leave nothing of the other rows.
    apart = X + np.array([[0.0], [1000.0], [-1000.0], [2000.0]])
    hint = "subtract the largest logit of each row, not of the whole array."
    cases.append((apart, "rows that lie far apart", hint))
    # What is subtracted must be the row's maximum: its mean, minimum or any column is too small.
    for columns in ((0, 1), (1, 0), (2, 4), (4, 2)):
        wide = X.copy()
        wide[:, columns] = [1000.0, -1000.0]
        hint = "after the subtraction, no logit of a row may be above 0."
        cases.append((wide, "rows that contain both 1,000 and −1,000", hint))
    for logits, text, hint in cases:
        yield Case((logits,), softmax(logits), f"softmax of {text}", hint)


@exercise("the loss of the logits, accurate even where a probability is rounded to 0.", rtol=1e-3)
def my_loss(rng):
    """Yield logits and integer labels, and their mean cross-entropy."""
    X, t = rng.normal(size=(6, 4)) * 2, rng.integers(0, 4, 6)
    loss = softmax_loss(X, t)
    slips = [
        (len(X) * loss, "this is the sum over the examples; the loss is their mean."),
        (loss / X.shape[1], "the mean is over the N examples, not over all elements."),
        (-loss, "look at the sign."),
        (loss / np.log(2), "take the natural logarithm."),
        (loss - X.max(axis=1).mean(), "subtract the largest logit from s[t] as well."),
    ]
    hint = "compute log Σ exp(s) − s[t] of each row, and the mean of that."
    yield Case((X, t), loss, "the loss of random logits", hint, slips)
    hint = (
        "never take the logarithm of a probability; subtract the largest logit of each row, and "
        "write the logarithm of the quotient as a difference."
    )
    for right in (0, 1):
        X = np.array([[0.0, 1000.0, -1000.0], [1000.0, 0.0, -1000.0]]) + rng.normal(size=(2, 3))
        t = np.array([right, right])
        yield Case((X, t), softmax_loss(X, t), "the loss of logits that are 1,000 apart", hint)
    X, t = rng.normal(size=(3, 4)) + np.array([[0.0], [3000.0], [-3000.0]]), np.array([1, 0, 3])
    hint = "subtract the largest logit of each row, not of the whole array."
    yield Case((X, t), softmax_loss(X, t), "the loss of rows that lie far apart", hint)


@exercise("probabilities minus one-hot labels, divided by N.", rtol=1e-12, atol=1e-14)
def score_gradient(rng):
    """Yield logits and labels, and the gradient of the mean cross-entropy, to 12 digits."""
    sign = "look at the sign: a larger logit of the correct class makes the loss smaller."
    correct = "the element of the correct class is different: look at the printed numbers."
    columns = "X[:, t] are whole columns; row n has its correct class at X[n, t[n]]."
    number = "t contains the numbers of the classes; subtract one-hot rows."
    hint = "compare the gradient with softmax: where do they differ, and by how much?"
    for n, k in ((5, 4), (3, 6)):
        X, t = rng.normal(size=(n, k)) * 2, rng.permutation(k)[np.arange(n) % 3]
        p = softmax(X)
        each = p - np.eye(k)[t]
        slips = [
            (each, "right for each example, but the loss of a batch is a mean."),
            (each / each.size, "the mean is over the N examples, not over all elements."),
            *((wrong, sign) for wrong in (-each, -each / n)),
            *((wrong, correct) for wrong in (p, p / n)),
            ((p - np.isin(np.arange(k), t)) / n, columns),
            ((p - t[:, np.newaxis]) / n, number),
        ]
        yield Case((X, t), each / n, "the gradient with respect to the logits", hint, slips)


@exercise("two passes per parameter, 86,400 seconds per day.")
def days(rng):
    """Yield P, seconds per pass and steps, and the days that training takes."""
    for _ in range(3):
        P, steps = int(rng.integers(1000, 100_000)), int(rng.integers(10, 20_000))
        seconds = float(rng.uniform(1e-5, 1e-3))
        expected = 2 * P * seconds * steps / 86_400
        slips = [
            (expected / 2, "how many passes does a central difference take per parameter?"),
            (expected * 86_400, "these are seconds; a day has 86,400."),
            (expected * 24, "these are hours."),
            (expected / steps, "this is for one step."),
        ]
        what = f"the days for P = {P:,} and {steps:,} steps"
        hint = "count the passes of one gradient first."
        yield Case((P, seconds, steps), expected, what, hint, slips)


@checked("a training loop that works for any loss of any parameters.", "function")
def descend(answer):
    """Check gradient descent with finite differences on a dict of parameters."""
    rng = np.random.default_rng()
    target, scale = rng.normal(size=(2, 3)), rng.uniform(0.5, 2.0)

    for steps, learning_rate, keys in ((0, 0.1, "Wb"), (1, 0.05, "Wb"), (3, 0.02, "Vc")):

        def loss(params, keys=keys):
            if not isinstance(params, dict):
                raise Wrong(
                    "loss takes the dict of all parameters, but it was called with "
                    f"{type(params).__name__}. Hint: as in section 3, give numerical_gradient a "
                    "function that ignores its argument and returns loss of the dict."
                )
            W, b = (params[key] for key in keys)
            return scale * np.sum((W - target) ** 2) + np.sum((W * b) ** 2)

        start = dict(zip(keys, (rng.normal(size=(2, 3)), rng.normal(size=3)), strict=True))
        given = {key: param.copy() for key, param in start.items()}
        got = returned(answer(loss, given, learning_rate, steps))
        unchanged = all(np.array_equal(given.get(key), start[key]) for key in start)
        expect(unchanged, "your code changes what it was given, the dict or its arrays; copy both.")
        what = f"expected a dict with the keys {' and '.join(keys)}, got"
        expect(isinstance(got, dict), f"{what} {type(got).__name__}.")
        expect(got.keys() == start.keys(), f"{what} the keys {', '.join(map(str, got))}.")
        down, up = (_descended(loss, start, sign * learning_rate, steps) for sign in (1, -1))
        one = _descended(loss, start, learning_rate, 1)
        for key in start:
            hint = "compute the gradients of all parameters first, then change all of them."
            moved_not = (
                "nothing has moved: does the loop take all steps, and does the loss see the very "
                "array that numerical_gradient changes?"
            )
            once = start[key] + steps * (one[key] - start[key])
            slips = [
                (up[key], "this walks uphill: look at the sign."),
                (start[key], moved_not),
                (once, "compute the gradients anew at each step."),
            ]
            what = f"params[{key!r}] after {steps} step{'' if steps == 1 else 's'}"
            same(got[key], down[key], what, hint, 1e-4, 1e-6, slips=slips if steps else ())


def _descended(loss, params, learning_rate, steps):
    params = {key: param.copy() for key, param in params.items()}
    for _ in range(steps):
        grads = {k: numerical_gradient(lambda _: loss(params), p) for k, p in params.items()}
        for key, grad in grads.items():
            params[key] -= learning_rate * grad
    return params
