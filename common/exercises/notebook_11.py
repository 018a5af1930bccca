"""Checks for the exercises of notebook 11, convolution."""

import numpy as np

from common.exercises.verdict import (
    Case,
    Wrong,
    as_numbers,
    checked,
    exercise,
    expect,
    returned,
    same,
)
from common.gradient import numerical_gradient
from common.layers import Convolution
from common.util import conv_output_size

__all__ = ["average_pooling", "convolve_with", "corner", "filter_gradient", "output_size"]


@checked("that is ⌊(H + 2P − F) / S⌋ + 1.", "function")
def output_size(answer):
    """Check a function of (size, filter_size, stride, pad) that counts the windows in a row."""
    rng = np.random.default_rng()
    for _ in range(100):
        filter_size, stride, pad = (int(n) for n in rng.integers((1, 1, 0), (8, 5, 4)))
        size = filter_size + int(rng.integers(0, 30))
        got = returned(answer(size, filter_size, stride, pad))
        expected = conv_output_size(size, filter_size, stride, pad)
        what = (
            f"the output size for size={size}, filter_size={filter_size}, stride={stride}, "
            f"pad={pad}"
        )
        if isinstance(got, float) and got != expected and int(got) == expected:
            raise Wrong(
                f"{what} must be an integer: expected {expected}, got {got:.6g}. Hint: a last "
                "step that reaches beyond the edge isn't taken; // divides and rounds down."
            )
        same(
            got,
            expected,
            what,
            "write down where each window starts, for a small image; padding is on both sides.",
        )


@checked("a filter that answers to corners only: straight strokes and plain paper give 0.")
def corner(answer):
    """Check a filter of 2 × 2 that is blind to rows and columns; its largest weight is 1."""
    weights = as_numbers(answer, "the filter")
    expect(weights.shape == (2, 2), f"the filter must have shape (2, 2), got {weights.shape}")
    rng = np.random.default_rng()
    line = rng.normal(size=6)
    for kind, image in (
        ("rows are all alike", np.tile(line, (6, 1))),
        ("columns are all alike", np.tile(line[:, np.newaxis], (1, 6))),
    ):
        same(
            _convolved(image, weights),
            np.zeros((5, 5)),
            f"the response to an image whose {kind}",
            "what must hold between the weights of a row, and between those of a column, so that "
            "they cancel?",
        )
    largest = weights.max()
    expect(
        bool(np.isclose(largest, 1)),
        f"the largest weight: it must be 1, not {largest:.6g}. Hint: a filter of zeros alone sees "
        "nothing; any number times a good filter is a good filter, too.",
    )


@exercise("padding and stride are in, with the sizes that the formula gives.")
def convolve_with(rng):
    """Check a function of (image, weights, stride, pad) that convolves one image."""
    hints = (
        (1, 0, "this is convolve of section 2: no padding, stride 1."),
        (1, 2, "with padding, zeros stand on all four sides: np.pad(image, pad)."),
        (2, 0, "with a stride of 2, output (i, j) looks at the window that starts at (2i, 2j)."),
        (3, 1, "pad first; then the window of output (i, j) starts at (stride · i, stride · j)."),
    )
    for stride, pad, hint in hints:
        image = rng.normal(size=rng.choice(np.arange(6, 11), 2, replace=False))
        weights = rng.normal(size=rng.choice(np.arange(2, 5), 2, replace=False))
        turned = _convolved(image, weights[::-1, ::-1], stride, pad)
        yield Case(
            (image, weights, stride, pad),
            _convolved(image, weights, stride, pad),
            f"the output for an image {image.shape}, weights {weights.shape}, stride {stride}, "
            f"pad {pad}",
            hint,
            [(turned, "the filter isn't turned here: weight (u, v) meets pixel (i + u, j + v).")],
        )


@exercise("the gradient of the filter is the image convolved with the gradient of the output.")
def filter_gradient(rng):
    """Check a function of (x, dout) that returns the gradient of the filter."""
    for _ in range(5):
        height, width = rng.choice(np.arange(6, 10), 2, replace=False)
        filter_h, filter_w = rng.choice(np.arange(2, 5), 2, replace=False)
        x = rng.normal(size=(height, width))
        dout = rng.normal(size=(height - filter_h + 1, width - filter_w + 1))
        # y is linear in the weights, so that differences are exact with any step.
        expected = numerical_gradient(
            lambda weights, x=x, dout=dout: np.sum(_convolved(x, weights) * dout),
            np.zeros((filter_h, filter_w)),
            h=0.5,
        )
        hint = (
            "weight (u, v) meets pixel (i + u, j + v) in output (i, j); add up "
            "dout[i, j] · x[i + u, j + v] over all i and j."
        )
        what = f"the gradient with respect to the weights, for x {x.shape} and dout {dout.shape}"
        slips = [(expected / dout.size, f"a sum, not a mean. {hint}")]
        yield Case((x, dout), expected, what, hint, slips)


@checked(
    "forward is the mean, and backward distributes the gradient equally: a usable layer.", "class"
)
def average_pooling(answer):
    """Check a class with ``forward`` and ``backward``: average pooling by windows of `size`."""
    rng = np.random.default_rng()
    for size in (2, 3, 1):
        n, channels, rows, columns = rng.permutation(np.arange(2, 6)).tolist()
        x = rng.normal(size=(n, channels, size * rows, size * columns))
        before = x.copy()
        layer = answer(size)
        y = returned(layer.forward(x))
        windows = before.reshape(n, channels, rows, size, columns, size)
        of = f"of size {size} for x {x.shape}"
        same(
            y,
            windows.mean(axis=(3, 5)),
            f"the output of forward {of}",
            f"each number is the mean of {size} × {size} pixels that lie beside each other.",
        )
        dout = rng.normal(size=(n, channels, rows, columns))
        dout_before = dout.copy()
        got = returned(layer.backward(dout))
        expected = np.repeat(np.repeat(dout, size, axis=2), size, axis=3) / size**2
        same(
            got,
            expected,
            f"what backward returns {of}",
            f"if one pixel grows by 1, by how much does the mean of its {size * size} pixels grow?",
        )
        expect(
            np.array_equal(x, before) and np.array_equal(dout, dout_before),
            "your layer changes the arrays that it is given; work on a copy",
        )


def _convolved(image, weights, stride=1, pad=0):
    layer = Convolution(weights[np.newaxis, np.newaxis], np.zeros(1), stride, pad)
    return layer.forward(image[np.newaxis, np.newaxis])[0, 0]
