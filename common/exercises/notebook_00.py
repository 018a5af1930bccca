"""Checks for the exercises of notebook 00, start here."""

import numpy as np

from common.exercises.verdict import Case, exercise

__all__ = ["ink", "ink_by_digit", "share_right"]


@exercise("that is the accuracy: correct predictions divided by all predictions.")
def share_right(rng):
    """Check a function of (guesses, labels) that returns the fraction of correct guesses."""
    for count in (10, 37, 1000):
        labels = rng.integers(0, 10, size=count)
        right = rng.random(count) < rng.uniform(0.2, 0.8)
        right[:2] = True, False  # at least one of each
        yield Case(
            (np.where(right, labels, (labels + 1) % 10), labels),
            right.mean(),
            f"the fraction right ({right.sum()} of {count} guesses)",
            "return one number: how many guesses equal their labels, divided by all guesses.",
            [
                (right.sum(), "this is how many are right; divide it by the number of guesses."),
                (100 * right.mean(), "this is a percentage; a fraction is at most 1."),
                (1 - right.mean(), "this is the fraction of wrong guesses."),
                (right.mean() / 10 * count, "divide by the number of guesses, not by the digits."),
            ],
        )


@exercise("the mean of all pixels, whatever the shape of the image.")
def ink(rng):
    """Check a function of an image that returns the mean of its pixels."""
    for shape in ((784,), (28, 28), (1, 5, 3)):
        image = rng.random(shape) ** 3  # skewed: the mean isn't the median
        yield Case(
            (image,),
            image.mean(),
            f"the ink of an image of shape {shape}",
            "the mean goes over all elements of the array; the result is one number.",
            [
                (image.sum(), "this is the sum; divide it by the number of pixels."),
                (image.sum() / 784, "not every image has 784 pixels: image.size counts them."),
                (np.median(image), "this is the median."),
            ],
        )


@exercise("ten means, one for each digit.")
def ink_by_digit(rng):
    """Check a function of (images, labels) that returns the mean pixel of each digit's images."""
    labels = rng.permutation(np.repeat(np.arange(10), rng.integers(1, 9, size=10)))
    images = rng.random((len(labels), 784)) * rng.uniform(0.2, 1, size=10)[labels, np.newaxis]
    yield Case(
        (images, labels),
        [images[labels == digit].mean() for digit in range(10)],
        "the ink by digit",
        "element d is the mean over images[labels == d]; the digits don't occur equally often, "
        "so divide by how many images of d there are.",
    )
