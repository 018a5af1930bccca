"""Checks for the exercises of notebook 06, gradient checking and gradient methods."""

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
    "relu_affine_with_tangent",
    "spoil",
    "wrong_entries",
]


@exercise("2 P passes against 2: the ratio is P itself, a count that no machine changes.")
def ratio_of_passes(rng):
    """Check how many times the passes of reverse mode central differences take."""
    for _ in range(5):
        D, H, K = (int(size) for size in rng.integers(2, 900, 3))
        weights = D * H + H * K
        P = weights + H + K
        yield Case(
            (D, H, K),
            P,
            f"the ratio for {D}-{H}-{K}",
            "count the weights and biases of both layers, then divide the passes.",
            [
                (2 * P, "these are the passes of central differences; reverse mode takes 2."),
                (weights, "biases are parameters too."),
                (P / 2, "central differences take two passes per parameter."),
                (P + 1, "a central difference doesn't need the loss at the point itself."),
            ],
        )


@exercise(
    "relative where the numbers are large, and calm where they are nearly 0.", rtol=1e-9, atol=0
)
def relative_difference(rng):
    """Check a relative difference that works elementwise, with a floor of 1e-8."""
    # No number is near the floor, and some are relative to less than 1e-3.
    signs, powers = rng.choice((-1, 1), (3, 4)), 10.0 ** rng.integers(-5, 4, (3, 4))
    a = rng.uniform(0.5, 2, (3, 4)) * signs * powers
    b = a * rng.uniform(-2, 2, (3, 4))
    apart, total = np.abs(a - b), np.abs(a) + np.abs(b)
    yield Case(
        (a, b),
        apart / total,
        "the relative difference",
        "|a − b| over |a| + |b|, elementwise; np.maximum works elementwise, np.max doesn't.",
        [
            ((a - b) / total, "a difference has no sign here: take its absolute value."),
            (apart / np.maximum(1e-8, np.abs(a + b)), "|a| + |b| isn't |a + b|."),
            (apart / np.maximum(np.abs(a), np.abs(b)), "divide by the sum of |a| and |b|."),
            (apart / np.abs(a), "divide by both: |a| + |b|."),
            (apart / np.abs(b), "divide by both: |a| + |b|."),
            (2 * apart / total, "divide by |a| + |b|, not by their mean."),
            (apart / (total + 1e-8), "the floor is a maximum; nothing is added to |a| + |b|."),
            (apart, "this is the absolute difference."),
        ],
    )
    a, b = np.array([0.0, 1e-12, 3e-10]), np.array([0.0, 0.0, -1e-10])
    hint = "the denominator must be no less than 1e-8."
    added = np.abs(a - b) / (np.abs(a) + np.abs(b) + 1e-8)
    slips = [(added, "the floor is a maximum; nothing is added to |a| + |b|.")]
    yield Case(
        (a, b), np.abs(a - b) / 1e-8, "the relative difference of numbers near 0", hint, slips
    )


@checked("all digits, from a step along the imaginary axis.", "function")
def derivative(answer):
    """Check a derivative by the complex step: exact to rounding."""
    rng = np.random.default_rng()
    for _ in range(5):
        a, w = rng.uniform(0.5, 2.0), rng.uniform(-1.0, 1.0)
        asked = []

        def f(w, a=a, asked=asked):
            asked.append(w)
            return np.exp(a * w) * np.cos(w) + w**3

        exact = np.exp(a * w) * (a * np.cos(w) - np.sin(w)) + 3 * w**2
        got = returned(answer(f, w))
        if np.iscomplexobj(got):
            hint = "the result is complex; only its imaginary part, over h, is wanted."
            raise Wrong(f"the derivative must be a real number. Hint: {hint}")
        hint = "evaluate f at w + 1j * h; where is the derivative in the result?"
        if np.shape(got) == () and np.isclose(got, exact, rtol=1e-4, atol=1e-6):
            hint = "nearly: a difference, or too large an h. The complex step can take h = 1e-20."
        same(got, exact, "the derivative", hint, rtol=1e-13, atol=1e-13)
        expect(
            any(np.iscomplexobj(point) for point in asked),
            "right, but f was never asked at a complex number: take the complex step.",
        )


@exercise("value and tangent side by side: that is forward mode.")
def relu_affine_with_tangent(rng):
    """Check y = relu(x W + b), and its tangent for the tangents dW and db of W and b."""
    x, W, dW = (rng.normal(size=shape) for shape in ((6, 4), (4, 5), (4, 5)))
    b, db = rng.normal(size=5), rng.normal(size=5)
    before, moved = x @ W + b, x @ dW + db
    on = before > 0
    yield Case(
        (x, W, b, dW, db),
        (np.maximum(before, 0), moved * on),
        ("y", "the tangent of y"),
        (
            "relu of x W + b.",
            "how fast does x W + b change? And which of these changes does ReLU let pass?",
        ),
        (
            [(before, "this is x W + b; ReLU is missing.")],
            [
                (moved, "this is how fast x W + b changes; ReLU stops it where x W + b < 0."),
                ((x @ dW) * on, "b changes too."),
                (
                    np.maximum(moved, 0),
                    "ReLU depends on the sign of x W + b, not on the sign of the tangent.",
                ),
            ],
        ),
    )


class _LossThatForgetsTheMean(SoftmaxWithLoss):
    def backward(self, dout=1.0):
        return super().backward(dout) * len(self.t)


class _AffineThatAveragesItsBias(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout.mean(axis=0)
        return dx


class _ReluThatLetsAllThrough(Relu):
    def backward(self, dout):
        return dout


_GUILTY = {"A": "Affine2", "B": "last_layer", "C": "Relu1"}
_HINTS = {
    "A": "start at the loss. How many parameters are wrong, and whose is the first of them?",
    "B": "every parameter is wrong. Divide one gradient by the other: by which factor? "
    "What comes before all of them in the backward pass?",
    "C": "start at the loss. Which parameters are still right, and what lies between them and "
    "those that are wrong? Look for a numerical gradient that is 0, and ask why it is.",
}


def spoil(network, suspect: str) -> None:
    """Put a layer with a wrong pass backward into a two-layer network of chapter 5.

    Parameters
    ----------
    network : TwoLayerNet
        Changed in place.
    suspect : {"A", "B", "C"}
        Which mistake.
    """
    if suspect not in _GUILTY:
        raise ValueError(f"suspect must be A, B or C, got {suspect!r}")
    if suspect == "A":
        affine = network.layers["Affine2"]
        network.layers["Affine2"] = _AffineThatAveragesItsBias(affine.W, affine.b)
    elif suspect == "B":
        network.last_layer = _LossThatForgetsTheMean()
    else:
        network.layers["Relu1"] = _ReluThatLetsAllThrough()


@checked("all three found, by where the first wrong parameter is and by how it is wrong.")
def guilty(answer):
    """Check who is guilty in the three networks of `spoil`."""
    expect(
        isinstance(answer, Mapping) and answer.keys() == _GUILTY.keys(),
        'expected a dict with the keys "A", "B" and "C".',
    )
    if all(name is Ellipsis or name is None for name in answer.values()):
        raise NotFilledIn
    layers = ("Affine1", "Relu1", "Affine2", "last_layer")
    for suspect, layer in _GUILTY.items():
        got = answer[suspect]
        expect(got is not Ellipsis and got is not None, f"suspect {suspect} is still missing.")
        expect(got in layers, f"suspect {suspect}: {got!r} is none of {', '.join(layers)}.")
        expect(got == layer, f"suspect {suspect}: it isn't {got}. Hint: {_HINTS[suspect]}")


@checked("each wrong entry found, none accused that is right, and x as it was.", "function")
def wrong_entries(answer):
    """Check a gradient check: which entries of a claimed gradient are wrong, and no others.

    Each kind of claim is there at three scales of f: what is small or large must be told by a
    relative difference.
    """
    rng = np.random.default_rng()
    trials = (((3, 4), 1, True), ((2, 3, 2), 1e3, True), ((8,), 1e-6, True), ((2, 5), 1, False))
    for shape, scale, spoilt in trials:
        f, x, gradient, constant = _smooth_function(rng, shape, scale)
        claimed, wrong = _claims(rng, gradient, constant, scale, spoilt)
        before = x.copy()
        got = _indices(returned(answer(f, x, claimed.copy())), shape)
        _compare_indices(got, wrong, claimed, gradient)
        if not np.array_equal(x, before):
            raise Wrong(
                "the entries are right, but x isn't what it was. Hint: x[index] += h and a later "
                "x[index] -= h both round; keep the old number, and put it back."
            )


def _smooth_function(rng, shape, scale):
    """Return f, a point x, ∇f(x), and where f is constant: there the gradient is 0.

    Elsewhere it is between 0.2 and 1 times `scale`. Of f's own derivatives the second is large
    against it, which betrays forward differences, and the third isn't: a central difference with
    h from 1e-7 to 1e-3 is right to 1e-6.
    """
    x = rng.normal(size=shape)
    a, b, k = (rng.uniform(low, high, shape) for low, high in ((0.5, 1), (3, 4), (-0.5, 0.5)))
    constant = np.zeros(shape, dtype=bool)
    constant.flat[rng.choice(x.size, 2, replace=False)] = True
    moves = np.where(constant, 0.0, 1.0)
    k *= moves
    wanted = rng.uniform(0.2, 1, shape) * rng.choice((-1, 1), shape)
    slope = wanted - a * np.cos(x) + k * np.sin(np.sum(k * x))
    c = x - slope / b

    def f(x):
        if np.shape(x) != shape:
            raise ValueError(f"f is a function of an array of shape {shape}, got {np.shape(x)}")
        parts = moves * (a * np.sin(x) + b * (x - c) ** 2 / 2)
        return scale * (20 + np.sum(parts) + np.cos(np.sum(k * x)))

    return f, x, scale * moves * wanted, constant


def _claims(rng, gradient, constant, scale, spoilt):
    """Return a gradient that is wrong at some entries, and the set of their indices."""
    claimed, wrong = gradient.copy(), set()
    moving = [tuple(map(int, index)) for index in rng.permutation(np.argwhere(~constant))]
    first, second = (tuple(map(int, index)) for index in rng.permutation(np.argwhere(constant)))
    claimed[first] = 1e-14  # 0 to rounding: the floor is what lets it pass
    for index, factor in zip(moving[:2], (1 + 1.5e-5, 1 - 1e-6), strict=True):
        claimed[index] *= factor  # relative differences of 7.5e-6 and 5e-7: still right
    if spoilt:
        for index, factor in zip(moving[2:5], (-1, 2, 1 + 1e-4), strict=True):
            claimed[index] *= factor
            wrong.add(index)
        claimed[second] = 0.3 * scale
        wrong.add(second)
    return claimed, wrong


def _indices(got, shape):
    """Return a set of tuples of int, whatever kind of iterable of indices `got` is."""
    example = ", ".join("0" * len(shape)) + "," * (len(shape) == 1)
    hint = f" Hint: for x of shape {shape} an index looks like ({example})."
    if isinstance(got, np.ndarray) and got.dtype == bool:
        raise Wrong("expected indices, got an array of True and False. Hint: np.argwhere.")
    if not isinstance(got, Iterable):
        raise Wrong(f"expected a set of indices, got {type(got).__name__}.{hint}")
    indices = set()
    for item in got:
        index = (item,) if isinstance(item, int | np.integer) else item
        try:
            index = tuple(operator.index(i) for i in index)
        except TypeError:
            raise Wrong(f"{item!r} is no index.{hint}") from None
        if len(index) != len(shape):
            raise Wrong(f"{item!r} is no index of x, which has {len(shape)} axes.{hint}")
        if not all(0 <= i < size for i, size in zip(index, shape, strict=True)):
            raise Wrong(f"{item!r} lies outside of x.{hint}")
        indices.add(index)
    return indices


def _compare_indices(got, wrong, claimed, gradient):
    for index in sorted(wrong - got):
        what = (
            f"the entry at {list(index)} is wrong and isn't in your answer: claimed "
            f"{claimed[index]:.6g}, expected {gradient[index]:.6g}."
        )
        hint = "its relative difference is |a − b| over |a| + |b|; the tolerance is 1e-5."
        if not got:
            hint = "for each index, compare the claim with a central difference of f."
        elif len(got) == 1:
            hint = "you found one; does your function stop at the first?"
        raise Wrong(f"{what} Hint: {hint}")
    for index in sorted(got - wrong):
        apart = abs(claimed[index] - gradient[index])
        relative = apart / max(1e-8, abs(claimed[index]) + abs(gradient[index]))
        hint = "how accurate is your derivative? Take a central difference, with h = 1e-4."
        if gradient[index] == 0:
            hint = "where both are 0 to rounding nothing is relative: divide by 1e-8 at least."
        elif apart:
            hint += " Or does your difference differ from part 2's, |a − b| over |a| + |b|?"
        raise Wrong(
            f"the entry at {list(index)} is right and is in your answer: claimed "
            f"{claimed[index]:.6g}, and its relative difference is {relative:.1g}. Hint: {hint}"
        )
