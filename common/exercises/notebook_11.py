"""Checks for the exercises of notebook 11, convolution."""

import numpy as np

from common.exercises.verdict import Case, as_numbers, call, checked, exercise, expect, same
from common.gradient import numerical_gradient
from common.layers import Convolution
from common.util import conv_output_size

__all__ = [
    "average_pooling",
    "convolve_with",
    "corner",
    "filter_gradient",
    "leaky_relu",
    "output_size",
]


@exercise("that is ⌊(H + 2P − F) / S⌋ + 1.")
def output_size(rng):
    """Check a function (size, filter_size, stride, pad) that counts the windows in a row."""
    for _ in range(100):
        filter_size, stride, pad = (int(n) for n in rng.integers((1, 1, 0), (8, 5, 4)))
        size = filter_size + int(rng.integers(0, 30))
        args = {"size": size, "filter_size": filter_size, "stride": stride, "pad": pad}
        fraction = (size + 2 * pad - filter_size) / stride + 1
        yield Case(
            tuple(args.values()),
            conv_output_size(*args.values()),
            f"the output size for {', '.join(f'{name}={n}' for name, n in args.items())}",
            "write down where each window starts, for a small image; padding is on both sides.",
            [(fraction, "a window that reaches beyond the edge doesn't count; // rounds down.")],
        )


@checked("it responds to corners only: straight strokes and blank paper give 0.")
def corner(answer):
    """Check a filter of 2 × 2 that is blind to rows and columns; its largest weight is 1."""
    weights = as_numbers(answer, "the filter")
    expect(weights.shape == (2, 2), f"the filter must have shape (2, 2), got {weights.shape}.")
    line = np.random.default_rng().normal(size=6)
    for kind, image in (
        ("rows are all equal", np.tile(line, (6, 1))),
        ("columns are all equal", np.tile(line[:, np.newaxis], (1, 6))),
    ):
        same(
            _convolved(image, weights),
            np.zeros((5, 5)),
            f"the response to an image whose {kind}",
            "what must hold for the weights of a column, and for those of a row, so that they "
            "cancel?",
        )
    largest = weights.max()
    expect(
        bool(np.isclose(largest, 1)),
        f"the largest weight must be 1, not {largest:.6g}. Hint: a filter of zeros detects "
        "nothing, and a multiple of a good filter is a good filter.",
    )


@exercise("padding and stride work, and the sizes are those of the formula.")
def convolve_with(rng):
    """Check a function (image, weights, stride, pad) that convolves one image."""
    for stride, pad, hint in (
        (1, 0, "this is convolve of section 2: no padding, stride 1."),
        (1, 2, "zeros stand on all four sides: np.pad(image, pad)."),
        (2, 0, "with a stride of 2, the window of output (i, j) starts at (2i, 2j)."),
        (3, 1, "pad first; then the window of output (i, j) starts at (stride · i, stride · j)."),
    ):
        image = rng.normal(size=rng.choice(np.arange(6, 11), 2, replace=False))
        weights = rng.normal(size=rng.choice(np.arange(2, 5), 2, replace=False))
        rotated = _convolved(image, weights[::-1, ::-1], stride, pad)
        yield Case(
            (image, weights, stride, pad),
            _convolved(image, weights, stride, pad),
            f"the output for image {image.shape}, weights {weights.shape}, stride {stride}, "
            f"pad {pad}",
            hint,
            [(rotated, "the kernel isn't rotated: weight (u, v) meets pixel (i + u, j + v).")],
        )


@exercise("each weight sums the upstream gradient times the pixels that it met.")
def filter_gradient(rng):
    """Check a function (x, dout, stride) that returns the gradient of the filter."""
    for stride in (1, 2, 3):
        size, out = rng.permutation(np.arange(2, 6)).reshape(2, 2)  # all sizes differ
        x = rng.normal(size=stride * (out - 1) + size)
        dout = rng.normal(size=out)
        # y is linear in the weights, so differences are exact with any step.
        expected = numerical_gradient(
            lambda w, x=x, dout=dout, stride=stride: np.sum(_convolved(x, w, stride) * dout),
            np.zeros(size),
            h=0.5,
        )
        hint = (
            "In output (i, j), weight (u, v) meets pixel (stride · i + u, stride · j + v). Add up "
            "dout times that pixel over all i and j."
        )
        yield Case(
            (x, dout, stride),
            expected,
            f"the gradient with respect to the weights, for x {x.shape}, dout {dout.shape}, "
            f"stride {stride}",
            hint,
            [(expected / dout.size, f"a sum, not a mean. {hint}")],
        )


@checked("forward and backward agree with the formula, for arrays of any shape.", "class")
def leaky_relu(answer):
    """Check a class LeakyReLU(a) with ``forward`` and ``backward``."""
    rng = np.random.default_rng()
    for shape in ((5, 8), (60,), (2, 3, 4, 5)):
        a = rng.uniform(0.05, 0.4)
        x, dout = rng.uniform(0.1, 2, (2, *shape)) * rng.choice([-1, 1], (2, *shape))
        for layer, slope in ((answer(a), a), (answer(), 0.01)):
            of = f"for a = {slope:.3g} and x {shape}"
            y = call(layer.forward, x)
            same(y, np.where(x > 0, x, slope * x), f"forward {of}", "x where x > 0, else a x.")
            other = np.where(dout > 0, dout, slope * dout)
            right = np.where(x > 0, dout, slope * dout)
            slips = [
                (other, "the condition is on x, not on dout: forward must store what it needs."),
                (np.where(x > 0, dout, 0), "negative inputs have the derivative a, not 0."),
                (right / np.where(dout == 0, 1, dout), "multiply by the upstream gradient."),
            ]
            what, hint = f"backward {of}", "the derivative is 1 where x > 0 and a elsewhere."
            same(call(layer.backward, dout), right, what, hint, slips=slips)


@checked("forward is the mean, and backward distributes the gradient equally.", "class")
def average_pooling(answer):
    """Check a class with ``forward`` and ``backward``: average pooling by windows of `size`."""
    rng = np.random.default_rng()
    for size in (2, 3, 1):
        n, channels, rows, columns = rng.permutation(np.arange(2, 6)).tolist()
        x = rng.normal(size=(n, channels, size * rows, size * columns))
        layer, of = answer(size), f"for size {size} and x {x.shape}"
        windows = x.reshape(n, channels, rows, size, columns, size)
        hint = f"each element is the mean of a square of {size} × {size} neighbouring pixels."
        same(call(layer.forward, x), windows.mean(axis=(3, 5)), f"forward {of}", hint)
        dout = rng.normal(size=(n, channels, rows, columns))
        expected = np.repeat(np.repeat(dout, size, axis=2), size, axis=3) / size**2
        hint = f"if one pixel grows by 1, by how much does the mean of its {size**2} pixels grow?"
        same(call(layer.backward, dout), expected, f"backward {of}", hint)


def _convolved(image, weights, stride=1, pad=0):
    layer = Convolution(weights[np.newaxis, np.newaxis], np.zeros(1), stride, pad)
    return layer.forward(image[np.newaxis, np.newaxis])[0, 0]
