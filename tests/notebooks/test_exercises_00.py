import numpy as np
import pytest

from common.exercises import notebook_00 as check


def ink_by_digit(images, labels):
    return np.array([images[labels == digit].mean() for digit in range(10)])


RIGHT = [
    ("share_right", lambda guesses, labels: np.mean(guesses == labels)),
    ("share_right", lambda guesses, labels: sum(guesses == labels) / len(labels)),
    ("ink", np.mean),
    ("ink", lambda image: image.sum() / image.size),
    ("ink_by_digit", ink_by_digit),
    ("ink_by_digit", lambda images, labels: list(ink_by_digit(images, labels))),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_pass(name, answer):
    verdict = getattr(check, name)(answer)
    assert verdict, verdict.message


@pytest.mark.parametrize(
    ("name", "answer", "part"),
    [
        (
            "share_right",
            lambda guesses, labels: np.sum(guesses == labels),
            "divide it by the number of guesses",
        ),
        (
            "share_right",
            lambda guesses, labels: np.mean(guesses != labels),
            "the fraction of wrong guesses",
        ),
        ("share_right", lambda guesses, labels: guesses == labels, "must be one number"),
        ("ink", np.sum, "this is the sum"),
        ("ink", np.median, "the ink of an image"),
        ("ink", lambda image: image.mean(axis=-1), "the result is one number"),
        ("ink", lambda image: image.sum() / 784, "the ink of an image of shape (1, 5, 3)"),
        (
            "ink_by_digit",
            lambda images, labels: np.array(
                [images[labels == digit].sum() / images.size for digit in range(10)]
            ),
            "how many images of d there are",
        ),
        ("ink_by_digit", lambda images, labels: images.mean(axis=1), "must have shape (10,)"),
        ("ink_by_digit", lambda images: images, "your code raised TypeError"),
    ],
)
def test_wrong_answers(name, answer, part):
    verdict = getattr(check, name)(answer)
    assert not verdict
    assert part in verdict.message
