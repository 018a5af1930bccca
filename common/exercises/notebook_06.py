"""Checks for the exercises of notebook 06, gradient checking and other gradient methods."""

import operator
from collections.abc import Iterable, Mapping

import numpy as np

from common.exercises.verdict import (
    Case,
    NotFilledIn,
    Wrong,
    checked,
    exercise,
    expect,
    returned,
    same,
)
from common.layers import Affine, Relu, SoftmaxWithLoss

__all__ = [
    "derivative",
    "guilty",
    "ratio_of_passes",
    "relative_difference",
    "relu_affine_jvp",
    "spoil",
    "wrong_elements",
]


@exercise("2 P passes against 2: the ratio is P, a count that is the same on every machine.")
def ratio_of_passes(rng):
    """Yield sizes, and how many times the passes of reverse mode central differences take."""
    for D, H, K in rng.integers(2, 900, (5, 3)).tolist():
        weights = D * H + H * K
        P = weights + H + K
        slips = [
            (2 * P, "these are the passes of central differences; reverse mode takes 2."),
            (weights, "biases are parameters too."),
            (P / 2, "central differences take two passes per parameter."),
            (P + 1, "a central difference doesn't need the loss at the point itself."),
        ]
        hint = "count the weights and biases of both layers, then divide the passes."
        yield Case((D, H, K), P, f"the ratio for {D}-{H}-{K}", hint, slips)


@exercise(
    "relative for large numbers, with a limit for numbers that are nearly 0.", rtol=1e-9, atol=0
)
def relative_difference(rng):
    """Yield arrays and their relative difference, elementwise with a floor of 1e-8."""
    # No number is near the floor, and some are relative to less than 1e-3.
    signs, powers = rng.choice((-1, 1), (3, 4)), 10.0 ** rng.integers(-5, 4, (3, 4))
    a = rng.uniform(0.5, 2, (3, 4)) * signs * powers
    b = a * rng.uniform(-2, 2, (3, 4))
    apart, total = np.abs(a - b), np.abs(a) + np.abs(b)
    floor = "the floor is a maximum; nothing is added to |a| + |b|."
    slips = [
        ((a - b) / total, "take the absolute value of the difference."),
        (apart / np.maximum(1e-8, np.abs(a + b)), "|a| + |b| isn't |a + b|."),
        (apart / np.maximum(np.abs(a), np.abs(b)), "divide by the sum of |a| and |b|."),
        (apart / np.abs(a), "divide by both: |a| + |b|."),
        (apart / np.abs(b), "divide by both: |a| + |b|."),
        (2 * apart / total, "divide by |a| + |b|, not by their mean."),
        (apart / (total + 1e-8), floor),
        (apart, "this is the absolute difference."),
    ]
    hint = "|a − b| over |a| + |b|, elementwise; np.maximum works elementwise, np.max doesn't."
    yield Case((a, b), apart / total, "the relative difference", hint, slips)
    a, b = np.array([0.0, 1e-12, 3e-10]), np.array([0.0, 0.0, -1e-10])
    hint = "the denominator must be no less than 1e-8."
    slips = [(np.abs(a - b) / (np.abs(a) + np.abs(b) + 1e-8), floor)]
    what = "the relative difference of numbers near 0"
    yield Case((a, b), np.abs(a - b) / 1e-8, what, hint, slips)


@checked("all digits, from a step along the imaginary axis.", "function")
def derivative(answer):
    """Check the complex step: a derivative that is accurate to 13 digits."""
    rng = np.random.default_rng()
    for a, w in rng.uniform((0.5, -1.0), (2.0, 1.0), (5, 2)):
        points = []

        def f(w, a=a, points=points):
            points.append(w)
            return np.exp(a * w) * np.cos(w) + w**3

        right = np.exp(a * w) * (a * np.cos(w) - np.sin(w)) + 3 * w**2
        got = returned(answer(f, w))
        message = "the result must be real. Hint: only its imaginary part, over h, is wanted."
        expect(not np.iscomplexobj(got), message)
        hint = "evaluate f at w + 1j * h; where is the derivative in the result?"
        if np.shape(got) == () and np.isclose(got, right, rtol=1e-4, atol=1e-6):
            hint = "this is a finite difference, or h is too large. Take h = 1e-20."
        same(got, right, "the derivative", hint, rtol=1e-13, atol=1e-13)
        message = "correct, but f was never called with a complex number: take the complex step."
        expect(any(np.iscomplexobj(point) for point in points), message)


@exercise("a value and its tangent, computed together: that is forward mode.")
def relu_affine_jvp(rng):
    """Yield arguments, y = relu(x W + b), and its tangent for the tangents dW and db."""
    x, W, dW = (rng.normal(size=shape) for shape in ((6, 4), (4, 5), (4, 5)))
    b, db = rng.normal(size=(2, 5))
    before, tangent = x @ W + b, x @ dW + db
    on = before > 0
    sign = "ReLU depends on the sign of x W + b, not on the sign of the tangent."
    slips = [
        (tangent, "this is the tangent of x W + b; ReLU blocks it where x W + b < 0."),
        ((x @ dW) * on, "b changes too."),
        (np.maximum(tangent, 0), sign),
    ]
    hint = "what is the tangent of x W + b? And which of its elements does ReLU let pass?"
    yield Case(
        (x, W, b, dW, db),
        (np.maximum(before, 0), tangent * on),
        ("y", "the tangent of y"),
        ("relu of x W + b.", hint),
        ([(before, "this is x W + b; ReLU is missing.")], slips),
    )


class _LossWithoutMean(SoftmaxWithLoss):
    def backward(self, dout=1.0):
        return super().backward(dout) * len(self.t)


class _AffineWithMeanOfBias(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout.mean(axis=0)
        return dx


class _ReluWithoutMask(Relu):
    def backward(self, dout):
        return dout


_GUILTY = {"A": "Affine2", "B": "last_layer", "C": "Relu1"}
_HINTS = {
    "A": "start at the loss. How many parameters are wrong, and whose is the first of them?",
    "B": "every parameter is wrong. Divide one gradient by the other: by which factor do they "
    "differ? What comes before all of them in the backward pass?",
    "C": "start at the loss. Which parameters are still right, and what lies between them and "
    "those that are wrong? Look for a numerical gradient that is 0, and ask why it is.",
}


def spoil(network, suspect: str) -> None:
    """Put a layer with a wrong backward pass into a two-layer network of chapter 5, in place.

    Parameters
    ----------
    network : TwoLayerNet
    suspect : {"A", "B", "C"}
        Which mistake.

    Raises
    ------
    ValueError
        If there is no such suspect.
    """
    if suspect not in _GUILTY:
        raise ValueError(f"suspect must be A, B or C, got {suspect!r}")
    if suspect == "A":
        affine = network.layers["Affine2"]
        network.layers["Affine2"] = _AffineWithMeanOfBias(affine.W, affine.b)
    elif suspect == "B":
        network.last_layer = _LossWithoutMean()
    else:
        network.layers["Relu1"] = _ReluWithoutMask()


@checked("all three found, from the first wrong parameter and from how it is wrong.")
def guilty(answer):
    """Check which layers are wrong in the three networks of `spoil`."""
    is_dict = isinstance(answer, Mapping) and answer.keys() == _GUILTY.keys()
    expect(is_dict, 'expected a dict with the keys "A", "B" and "C".')
    if all(name is Ellipsis or name is None for name in answer.values()):
        raise NotFilledIn
    layers = ("Affine1", "Relu1", "Affine2", "last_layer")
    for suspect, layer in _GUILTY.items():
        got = answer[suspect]
        expect(got is not Ellipsis and got is not None, f"suspect {suspect} is still missing.")
        expect(got in layers, f"suspect {suspect}: {got!r} isn't one of {', '.join(layers)}.")
        expect(got == layer, f"suspect {suspect}: it isn't {got}. Hint: {_HINTS[suspect]}")


@checked("you found each wrong element and no other, and left x unchanged.", "function")
def wrong_elements(answer):
    """Check a gradient check: which elements of a claimed gradient are wrong, and no others.

    Each kind of claim occurs at three scales of f, which only a relative difference can tell.
    """
    rng = np.random.default_rng()
    trials = (((3, 4), 1, True), ((2, 3, 2), 1e3, True), ((8,), 1e-6, True), ((2, 5), 1, False))
    for shape, scale, spoilt in trials:
        f, x, gradient, constant = _quadratic(rng, shape, scale)
        claimed, wrong = _claims(rng, gradient, constant, scale, spoilt)
        before = x.copy()
        _compare(_indices(returned(answer(f, x, claimed.copy())), shape), wrong, claimed, gradient)
        message = (
            "the indices are right, but x has changed. Hint: x[index] += h and a later "
            "x[index] -= h both round; keep the old number, and put it back."
        )
        expect(np.array_equal(x, before), message)


def _quadratic(rng, shape, scale):
    """Return f, a point x, ∇f(x), and where f is constant: there the gradient is 0.

    Elsewhere it is between 0.2 and 1 times `scale`. The second derivative is so large that a
    forward difference is wrong with any step: with small ones, because of rounding. The third is
    0, so central differences are accurate.
    """
    x, slope = rng.normal(size=shape), rng.uniform(0.2, 1, shape) * rng.choice((-1, 1), shape)
    constant = np.zeros(shape, dtype=bool)
    constant.flat[rng.choice(x.size, 2, replace=False)] = True
    slope[constant] = 0
    point = x.copy()

    def f(x):
        if np.shape(x) != shape:
            raise ValueError(f"f is a function of an array of shape {shape}, got {np.shape(x)}")
        step = x - point
        return scale * (20 + np.sum(slope * step + np.where(constant, 0, 1e5) * step**2))

    return f, x, scale * slope, constant


def _claims(rng, gradient, constant, scale, spoilt):
    """Return a gradient that is wrong at some elements, and the set of their indices."""
    claimed, wrong = gradient.copy(), set()
    moving = [tuple(index.tolist()) for index in rng.permutation(np.argwhere(~constant))]
    first, second = (tuple(index.tolist()) for index in rng.permutation(np.argwhere(constant)))
    claimed[first] = 1e-14  # 0 to rounding: the floor is what lets it pass
    for index, factor in zip(moving[:2], (1 + 1.5e-5, 1 - 1e-6), strict=True):
        claimed[index] *= factor  # relative differences of 7.5e-6 and 5e-7: still right
    if spoilt:
        for index, factor in zip(moving[2:5], (-1, 2, 1 + 1e-4), strict=True):
            claimed[index] *= factor
        claimed[second] = 0.3 * scale
        wrong = {*moving[2:5], second}
    return claimed, wrong


def _indices(got, shape):
    """Return a set of tuples of int, whatever kind of iterable of indices `got` is."""
    hint = f"Hint: for x of shape {shape} an index looks like {(0,) * len(shape)}."
    is_mask = isinstance(got, np.ndarray) and got.dtype == bool
    expect(not is_mask, "expected indices, got an array of True and False. Hint: np.argwhere.")
    message = f"expected a set of indices, got {type(got).__name__}. {hint}"
    expect(isinstance(got, Iterable), message)
    every, indices = set(np.ndindex(shape)), set()
    for item in got:
        try:
            index = tuple(operator.index(i) for i in np.atleast_1d(item))
        except TypeError:
            index = None
        expect(index in every, f"{item!r} isn't an index of x. {hint}")
        indices.add(index)
    return indices


def _compare(got, wrong, claimed, gradient):
    for index in sorted(got ^ wrong):
        claim, right = claimed[index], gradient[index]
        relative = abs(claim - right) / max(1e-8, abs(claim) + abs(right))
        found = "is right and is" if index in got else "is wrong and isn't"
        if index in wrong:
            hint = "its relative difference is |a − b| over |a| + |b|; the tolerance is 1e-5."
            if len(got) < 2:
                hint = "does your function stop at the first index? Compare the claim with a "
                hint += "central difference of f for each of them."
        elif right == 0:
            hint = "where both are 0 up to rounding, divide by 1e-8 at least."
        else:
            hint = "how accurate is your derivative? Take a central difference, with h = 1e-4."
            if claim != right:
                hint += " Or isn't your difference section 2's, |a − b| over |a| + |b|?"
        raise Wrong(
            f"the element at {list(index)} {found} in your answer: claimed {claim:.6g}, correct "
            f"{right:.6g}, relative difference {relative:.1g}. Hint: {hint}"
        )
