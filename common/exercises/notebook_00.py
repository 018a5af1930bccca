"""Checks for the exercises of notebook 00, start here."""

from collections.abc import Callable

import numpy as np

from common.exercises.verdict import checked, expect, returned, same

__all__ = ["ink", "ink_by_digit", "share_right"]


@checked("that is the accuracy: right guesses over all guesses.")
def share_right(answer: Callable[[np.ndarray, np.ndarray], float]) -> None:
    """Check a function of (guesses, labels) that returns the share of guesses that are right."""
    rng = np.random.default_rng()
    for count in (10, 37, 1000):
        labels = rng.integers(0, 10, size=count)
        right = rng.random(count) < rng.uniform(0.2, 0.8)
        right[:2] = True, False  # at least one of each
        guesses = np.where(right, labels, (labels + 1) % 10)
        same(
            returned(answer(guesses, labels)),
            right.mean(),
            f"the share for {count} guesses, {right.sum()} of them right",
            "a share is at least 0 and at most 1.",
        )


@checked("the mean of all pixels, whatever the shape of the image.")
def ink(answer: Callable[[np.ndarray], float]) -> None:
    """Check a function of an image that returns the mean of its pixels."""
    rng = np.random.default_rng()
    for shape in ((784,), (28, 28), (1, 5, 3)):
        image = rng.random(shape) ** 3  # skewed: the mean isn't the median
        before = image.copy()
        got = returned(answer(image))
        if np.shape(got) == () and np.isclose(got, before.sum()):
            hint = "this is the sum; a mean is the sum divided by the number of pixels."
        else:
            hint = "the mean goes over all entries of the array; the result is one number."
        same(got, before.mean(), f"the ink of an image of shape {shape}", hint)
        expect(np.array_equal(image, before), "your function changes the image that it is given")


@checked("ten means, one for each digit.")
def ink_by_digit(answer: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
    """Check a function of (images, labels) that returns the mean pixel of each digit's images."""
    rng = np.random.default_rng()
    labels = rng.permutation(np.repeat(np.arange(10), rng.integers(1, 9, size=10)))
    images = rng.random((len(labels), 784)) * rng.uniform(0.2, 1, size=10)[labels, np.newaxis]
    expected = np.array([images[labels == digit].mean() for digit in range(10)])
    same(
        returned(answer(images.copy(), labels.copy())),
        expected,
        "the ink by digit",
        "entry d is the mean over images[labels == d]; the digits don't come up equally often, "
        "so divide by how many images of d there are.",
    )
