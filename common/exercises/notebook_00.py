"""Checks for the exercises of notebook 00, start here."""

import numpy as np

from common.exercises.verdict import Case, exercise

__all__ = ["fraction_right", "ink", "ink_by_digit"]


@exercise("that is the accuracy: correct predictions divided by all predictions.")
def fraction_right(rng):
    """Check a function of (guesses, labels) that returns the fraction of correct guesses."""
    for count in (10, 37, 1000):
        labels = rng.integers(0, 10, size=count)
        correct = rng.random(count) < rng.uniform(0.2, 0.8)
        correct[:2] = True, False  # at least one of each
        right, fraction = int(correct.sum()), correct.mean()
        slips = [
            (right, "this is how many are right; divide it by the number of guesses."),
            (100 * fraction, "this is a percentage; a fraction is at most 1."),
            (1 - fraction, "this is the fraction of wrong guesses."),
            (right / 10, "divide by the number of guesses, not by the number of digits."),
        ]
        what = f"the fraction right ({right} of {count} guesses)"
        hint = "return one number: how many guesses equal their labels, divided by all guesses."
        args = (np.where(correct, labels, (labels + 1) % 10), labels)
        yield Case(args, fraction, what, hint, slips)


@exercise("the mean of all pixels, whatever the shape of the image.")
def ink(rng):
    """Check a function of an image that returns the mean of its pixels."""
    for shape in ((784,), (28, 28), (1, 5, 3)):
        image = rng.random(shape) ** 3  # skewed: the mean isn't the median
        slips = [
            (image.sum(), "this is the sum; divide it by the number of pixels."),
            (image.sum() / 784, "not every image has 784 pixels: image.size counts them."),
            (np.median(image), "this is the median."),
        ]
        hint = "the mean goes over all elements of the array; the result is one number."
        yield Case((image,), image.mean(), f"the ink of an image of shape {shape}", hint, slips)


@exercise("ten means, one per digit.")
def ink_by_digit(rng):
    """Check a function of (images, labels) that returns the mean pixel of each digit's images."""
    labels = rng.permutation(np.repeat(np.arange(10), rng.integers(1, 9, size=10)))
    images = rng.random((len(labels), 784)) * rng.uniform(0.2, 1, size=10)[labels, np.newaxis]
    sums = np.array([images[labels == digit].sum() for digit in range(10)])
    counts = np.bincount(labels)
    slips = [
        (sums / images.size, "divide by how many images of d there are, not by all images."),
        (sums / counts, "this is the ink per image; divide by the number of pixels too."),
    ]
    hint = "element d is the mean over images[labels == d]."
    yield Case((images, labels), sums / counts / 784, "the ink by digit", hint, slips)
