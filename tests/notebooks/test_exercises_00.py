import numpy as np
import pytest

from common.exercises import notebook_00 as check


def of_each_digit(mean, labels):
    return np.array([mean(labels == digit) for digit in range(10)])


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("fraction_right", lambda g, t: np.mean(g == t)),
        ("fraction_right", lambda g, t: sum(g == t) / len(t)),
        ("fraction_right", lambda g, t: 1 - np.count_nonzero(g - t) / t.size),
        ("ink", np.mean),
        ("ink", lambda x: x.sum() / x.size),
        ("ink", lambda x: np.float32(np.average(x.ravel()))),
        ("ink_by_digit", lambda x, t: of_each_digit(lambda d: x[d].mean(), t)),
        ("ink_by_digit", lambda x, t: [float(x[t == d].mean()) for d in range(10)]),
        ("ink_by_digit", lambda x, t: np.bincount(t, x.mean(axis=1)) / np.bincount(t)),
    ],
)
def test_right_answers_pass(name, answer):
    verdict = getattr(check, name)(answer)
    assert verdict, verdict.message


@pytest.mark.parametrize(
    ("name", "answer", "part"),
    [
        ("fraction_right", lambda g, t: np.sum(g == t), "divide it by the number of guesses"),
        ("fraction_right", lambda g, t: np.mean(g != t), "the fraction of wrong guesses"),
        ("fraction_right", lambda g, t: 100 * np.mean(g == t), "this is a percentage"),
        ("fraction_right", lambda g, t: np.sum(g == t) / 10, "not by the number of digits"),
        ("fraction_right", lambda g, t: g == t, "must be one number"),
        ("ink", np.sum, "this is the sum"),
        ("ink", np.median, "this is the median"),
        ("ink", np.max, "the mean goes over all elements"),
        ("ink", lambda x: x.mean(axis=-1), "the result is one number"),
        ("ink", lambda x: x.sum() / 784, "not every image has 784 pixels"),
        (
            "ink_by_digit",
            lambda x, t: of_each_digit(lambda d: x[d].sum() / x.size, t),
            "not by all",
        ),
        ("ink_by_digit", lambda x, t: np.bincount(t, x.sum(axis=1)) / np.bincount(t), "per image"),
        ("ink_by_digit", lambda x, t: [x.mean()] * 10, "images[labels == d]"),
        ("ink_by_digit", lambda x, t: x.mean(axis=1), "must have shape (10,)"),
        ("ink_by_digit", lambda x: x, "your code raised TypeError"),
    ],
)
def test_wrong_answers(name, answer, part):
    for _ in range(3):
        verdict = getattr(check, name)(answer)
        assert not verdict
        assert part in verdict.message
