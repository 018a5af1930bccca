"""Checks for the exercises of notebook 10, training well."""

from collections.abc import Callable

import numpy as np

from common.exercises.verdict import Case, call, checked, exercise, expect, returned, same, several
from common.layers import BatchNormalization

__all__ = ["batch_norm_backward", "inverted_dropout", "leaky_std", "log_uniform", "split"]

SIGMAS = 6  # how many standard errors a right answer's random numbers may be from their mean


@checked("each order of magnitude is equally likely.", "function")
def log_uniform(answer: Callable) -> None:
    """Check a function (low, high, rng) that draws one log-uniform number."""
    rng = np.random.default_rng()
    first, decades, draws = float(rng.uniform(-6, -1)), int(rng.integers(3, 6)), 3000
    low, high = 10**first, 10 ** (first + decades)
    values = [returned(answer(low, high, rng)) for _ in range(draws)]
    shape = np.shape(values[0])
    expect(shape in {(), (1,)}, f"return one number, got an array of shape {shape}.")
    values = np.array(values, dtype=float).ravel()
    outside = values[~((values >= low * (1 - 1e-9)) & (values <= high * (1 + 1e-9)))]
    expect(
        outside.size == 0,
        f"a draw is {outside[:1].sum():.4g}, which isn't between {low:.4g} and {high:.4g}. Hint: "
        "draw an exponent between log10(low) and log10(high), and return 10 ** exponent.",
    )
    expect(
        len(np.unique(values)) > draws // 2,
        f"{draws} draws give only {len(np.unique(values))} different numbers. Hint: the exponent "
        "isn't limited to integers, and each call draws anew from the rng that is given.",
    )
    _expect_drawn_from_rng(lambda given: answer(low, high, given))
    exponents = np.clip((np.log10(values) - first) / decades, 0, 1)
    fractions = np.histogram(exponents, bins=2 * decades, range=(0, 1))[0] / draws
    expected = 1 / (2 * decades)
    for i, fraction in enumerate(fractions):
        start, end = (10 ** (first + (i + k) / 2) for k in (0, 1))
        expect(
            abs(fraction - expected) < SIGMAS * np.sqrt(expected * (1 - expected) / draws),
            f"{fraction:.1%} of the draws lie between {start:.3g} and {end:.3g}, expected about "
            f"{expected:.1%}. Hint: draw the exponent uniformly, not the number.",
        )


@exercise("√(2 / (n (1 + a²))): He's rule for a = 0, and LeCun's 1/√n for a = 1.")
def leaky_std(rng):
    """Check a function (n, a) of the inputs and the negative slope that returns a weight's std."""
    n = int(rng.integers(50, 800))
    half = "half of the mean square is multiplied by 1; what is the other half multiplied by?"
    for a, hint in (
        (0.0, "for a = 0 leaky ReLU is ReLU, and He's rule must come out."),
        (1.0, "for a = 1 it changes nothing, so the variance must be 1/n."),
        (float(rng.uniform(0.1, 0.9)), half),
    ):
        variance = 2 / (n * (1 + a * a))
        slips = [(variance, "this is the variance; its root is the standard deviation.")]
        what = f"the standard deviation for n = {n}, a = {a:.3g}"
        yield Case((n, a), np.sqrt(variance), what, hint, slips)


@checked("each example is in exactly one set, with its label, chosen at random.", "function")
def split(answer: Callable) -> None:
    """Check a function (x, t, fraction, rng): returns (x_train, t_train), (x_val, t_val)."""
    rng = np.random.default_rng()
    size = int(rng.integers(200, 400))
    fraction = (int(rng.integers(size // 10, size // 3)) + 0.7) / size  # so that int isn't round
    x = np.arange(size)[:, np.newaxis] * np.array([1.0, 10.0, 100.0])
    t = np.arange(size)
    pairs = several(call(answer, x, t, fraction, rng), 2, "the result (two pairs)")
    train, val = (several(pair, 2, "each pair (examples, labels)") for pair in pairs)
    count = round(fraction * size)
    for name, pair, expected in (("train", train, size - count), ("val", val, count)):
        images, labels = map(np.asarray, pair)
        expect(
            images.ndim == 2 and labels.ndim == 1,
            f"x_{name} has shape {images.shape} and t_{name} {labels.shape}, expected "
            f"{(expected, 3)} and {(expected,)}. Hint: a pair is the examples and labels of a set.",
        )
        off, total = len(images) - expected, len(train[0]) + len(val[0])
        rounding = " Hint: round to the nearest integer; int and // round down."
        expect(
            off == 0,
            f"x_{name} has {len(images)} of {size} examples, expected {expected}: fraction is "
            f"{fraction:.4f}, and {fraction * size:.1f} before rounding are for validation."
            + (rounding if abs(off) == 1 and total == size else ""),
        )
        same(images, x[labels], f"x_{name}", "x and t must be indexed by the same permutation.")
    both, chosen = np.concatenate([train[1], val[1]]), np.sort(val[1])
    twice = len(both) - len(np.unique(both))
    expect(
        twice == 0,
        f"{twice} examples occur twice. Hint: a permutation holds each index once; rng.choice and "
        "rng.integers may draw one again.",
    )
    expect(
        chosen[-1] - chosen[0] >= len(chosen),
        "the validation examples are consecutive: in a file that is sorted by class they would be "
        "of few classes. Hint: choose at random.",
    )

    _expect_drawn_from_rng(lambda rng: np.sort(answer(x.copy(), t.copy(), fraction, rng)[1][1]))


@checked("the mean over all masks is X itself, so nothing is left to do at inference.", "function")
def inverted_dropout(answer: Callable) -> None:
    """Check a function (x, r, rng) that returns Y = X M / (1 − r) and the mask M."""
    rng = np.random.default_rng()
    r = float(rng.uniform(0.2, 0.4))
    x = rng.uniform(1, 2, size=(60, 80))
    y, mask = map(np.asarray, several(call(answer, x, r, rng), 2, "the result (Y, mask)"))
    order = "Are Y and the mask returned in this order?"
    expect(
        mask.shape == x.shape,
        f"the mask has shape {mask.shape}, expected {x.shape}: each element has a mask of its own. "
        + order,
    )
    expect(
        set(np.unique(mask).tolist()) <= {0, 1},
        f"the mask must hold only true and false (1 and 0), without the scale. {order}",
    )
    for alike, name in ((mask == mask[:1], "rows"), (mask == mask[:, :1], "columns")):
        expect(not alike.all(), f"all {name} have the same mask: each element needs its own.")
    kept = float(np.mean(mask))
    expect(
        abs(kept - (1 - r)) < SIGMAS * np.sqrt(r * (1 - r) / x.size),
        f"the mask keeps a fraction of {kept:.3f}, expected about {1 - r:.3f} for r = {r:.3f}. "
        "Hint: r is the probability that an element is set to 0.",
    )
    same(y, x * mask / (1 - r), "Y", "divide what is kept by the probability that it is kept.")

    def mask_with(rng):
        return np.asarray(answer(x.copy(), r, rng)[1])

    _expect_drawn_from_rng(mask_with)
    masks = [mask, *(mask_with(np.random.default_rng(seed)) for seed in range(7))]
    counts = [m.sum() for m in masks], mask.sum(axis=1), mask.sum(axis=0)
    for where, kept in zip(("mask", "row of a mask", "column of a mask"), counts, strict=True):
        expect(
            len(np.unique(kept)) > 1,
            f"each {where} keeps exactly {kept[0]:.0f} elements. Hint: each element is set to 0 "
            "with probability r, independently of the others, so the number varies.",
        )


def _expect_drawn_from_rng(draw):
    """Expect the same of generators in the same state, and something else of another one."""
    first, same_seed, other_seed = (draw(np.random.default_rng(seed)) for seed in (0, 0, 1))
    hint = "Hint: draw from the rng that is given, and from nothing else."
    expect(
        np.array_equal(first, same_seed),
        f"two generators with the same seed must lead to the same draws. {hint}",
    )
    expect(
        not np.array_equal(first, other_seed),
        f"two generators with different seeds lead to the same draws. {hint}",
    )


@exercise("all three gradients agree with the layer's.", rtol=1e-5, atol=1e-7)
def batch_norm_backward(rng):
    """Check a function (g, x, gamma) that returns ∂L/∂x, ∂L/∂γ and ∂L/∂β."""
    n, features = int(rng.integers(5, 9)), 3
    scale = np.array([0.003, *rng.uniform(1, 3, features - 1)])  # in the first one 1e-6 counts
    standard = rng.normal(size=(n, features))
    standard = (standard - standard.mean(axis=0)) / standard.std(axis=0)
    x = rng.uniform(-5, 5, features) + scale * standard
    g, gamma = rng.normal(size=(n, features)), rng.uniform(0.5, 2, features)
    layer = BatchNormalization(gamma, np.zeros(features))
    layer.forward(x)
    dx, dgamma, dbeta = layer.backward(g), layer.dgamma, layer.dbeta
    epsilon = "x̂ is divided by √(variance + 1e-6): is the 1e-6 under the root?"
    other = [_gradients(g, x, gamma, x.std(axis=0) + extra) for extra in (0, 1e-6)]
    number = "is it 1e-6 that you add to the variance?"
    other += [
        _gradients(g, x, gamma, np.sqrt(x.var(axis=0) + extra)) for extra in (1e-5, 1e-7, 1e-8)
    ]
    s = np.sqrt(x.var(axis=0) + 1e-6)
    direct, x_hat = gamma * g / s, (x - x.mean(axis=0)) / s
    through_s = x_hat * (direct * x_hat).mean(axis=0)
    of_sample = _gradients(g, x, gamma, np.sqrt(x.var(axis=0, ddof=1) + 1e-6))
    divisor = "the variance is the mean of the squares: divide by N, not by N − 1."
    hints = [epsilon] * 2 + [number] * 3
    mean = "this is a mean over the batch; the gradient is a sum."
    order = "the order is ∂L/∂x, ∂L/∂γ, ∂L/∂β; these two are swapped."
    yield Case(
        (g, x, gamma),
        (dx, dgamma, dbeta),
        ("∂L/∂x", "∂L/∂γ", "∂L/∂β"),
        (
            "three terms: the direct path, minus the path through μ, minus the path through s. "
            "Means are over the batch (axis 0), and ĝ = γ g.",
            "γ multiplies x̂, not x: sum g x̂ over the batch.",
            "β is added to each row: sum g over the batch.",
        ),
        (
            [
                (direct, "only the direct path is there, but μ and s depend on x, too."),
                (direct - direct.mean(axis=0), "the path through s is missing."),
                (direct - through_s, "the path through μ is missing."),
                (direct - n * (direct.mean(axis=0) + through_s), "these are sums, not means."),
                (dx / gamma, "the upstream gradient is multiplied by γ first: ĝ = γ g."),
                (of_sample[0], divisor),
                *((wrong, hint) for (wrong, _), hint in zip(other, hints, strict=True)),
            ],
            [
                *((wrong, hint) for (_, wrong), hint in zip(other, hints, strict=True)),
                (dbeta, order),
                (dgamma / n, mean),
            ],
            [(dgamma, order), (dbeta / n, mean)],
        ),
    )


def _gradients(g, x, gamma, s):
    """Return ∂L/∂x and ∂L/∂γ where x̂ is divided by `s`."""
    x_hat, g_hat = (x - x.mean(axis=0)) / s, gamma * g
    dx = (g_hat - g_hat.mean(axis=0) - x_hat * (g_hat * x_hat).mean(axis=0)) / s
    return dx, (g * x_hat).sum(axis=0)
