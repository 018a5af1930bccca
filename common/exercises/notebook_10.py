"""Checks for the exercises of notebook 10, training well."""

from collections.abc import Callable

import numpy as np

from common.exercises.verdict import Case, checked, exercise, expect, returned, same, several
from common.layers import BatchNormalization

__all__ = ["batch_norm_backward", "inverted_dropout", "leaky_std", "log_uniform", "split"]

SIGMAS = 6  # how far a right answer's random numbers may be from their mean


@checked("each power of ten comes up equally often.", "function")
def log_uniform(answer: Callable) -> None:
    """Check a function that draws one log-uniform number.

    Parameters
    ----------
    answer : callable
        Of low, high and rng; returns a number.
    """
    rng = np.random.default_rng()
    first, decades, draws = float(rng.uniform(-6, -1)), int(rng.integers(3, 6)), 3000
    low, high = 10**first, 10 ** (first + decades)
    values = [returned(answer(low, high, rng)) for _ in range(draws)]
    expect(
        all(np.shape(value) == () for value in values),
        f"return one number, got shape {np.shape(values[0])}.",
    )
    values = np.array(values, dtype=float)
    outside = values[~((values >= low * (1 - 1e-9)) & (values <= high * (1 + 1e-9)))]
    hint = "Hint: draw an exponent between log10(low) and log10(high), and return 10 ** exponent."
    expect(
        outside.size == 0,
        f"a draw is {outside[:1].sum():.4g}, which isn't between {low:.4g} and {high:.4g}. {hint}",
    )
    expect(
        len(np.unique(values)) > draws // 2,
        f"{draws} draws give only {len(np.unique(values))} different numbers. The exponent need "
        "not be whole, and each call must draw anew, from the rng that is given.",
    )
    _expect_drawn_from_rng(lambda given: answer(low, high, given))
    exponents = np.clip((np.log10(values) - first) / decades, 0, 1)
    shares = np.histogram(exponents, bins=2 * decades, range=(0, 1))[0] / draws
    expected = 1 / (2 * decades)
    allowed = SIGMAS * np.sqrt(expected * (1 - expected) / draws)
    for i, share in enumerate(shares):
        start, end = (10 ** (first + (i + k) / 2) for k in (0, 1))
        expect(
            abs(share - expected) < allowed,
            f"between {start:.3g} and {end:.3g} lie {share:.1%} of the draws, expected about "
            f"{expected:.1%}. Hint: draw the exponent uniformly, not the number.",
        )


@exercise("√(2 / (n (1 + a²))): He's for a = 0, and LeCun's 1/√n for a = 1, where nothing is lost.")
def leaky_std(rng):
    """Check a function (n, a) of the inputs and the negative slope that returns a weight's std."""
    n = int(rng.integers(50, 800))
    square = (
        "one half of the mean square passes whole; of the other half each number is times a, "
        "so its square is times …"
    )
    for a, hint in (
        (0.0, "a = 0 is ReLU, and He's values."),
        (1.0, "a = 1 lets everything through: nothing is lost, and the variance is 1/n."),
        (float(rng.uniform(0.1, 0.9)), square),
    ):
        variance = 2 / (n * (1 + a * a))
        slips = [(variance, "this is the variance; its root is the standard deviation.")]
        what = f"the standard deviation for n = {n}, a = {a:.3g}"
        yield Case((n, a), np.sqrt(variance), what, hint, slips)


@checked("each example is in one of the two sets, with its label, in random order.", "function")
def split(answer: Callable) -> None:
    """Check a function that splits examples into training and validation sets.

    Parameters
    ----------
    answer : callable
        Of x, t, share and rng; returns (x_train, t_train), (x_val, t_val).
    """
    rng = np.random.default_rng()
    size = int(rng.integers(200, 400))
    share = (int(rng.integers(size // 10, size // 3)) + 0.7) / size  # so that int isn't round
    x = np.arange(size)[:, np.newaxis] * np.array([1.0, 10.0, 100.0])
    t = np.arange(size)
    given = x.copy(), t.copy()
    result = returned(answer(*given, share, rng))
    try:
        (x_train, t_train), (x_val, t_val) = result
    except (TypeError, ValueError):
        expect(False, "return two pairs: `return (x_train, t_train), (x_val, t_val)`.")
    expect(
        np.array_equal(given[0], x) and np.array_equal(given[1], t),
        "x or t was changed: rng.shuffle works in place; index with rng.permutation(len(x)).",
    )
    x_train, t_train, x_val, t_val = map(np.asarray, (x_train, t_train, x_val, t_val))
    count = round(share * size)
    for name, images, labels, expected in (
        ("train", x_train, t_train, size - count),
        ("val", x_val, t_val, count),
    ):
        expect(
            images.ndim == 2 and labels.ndim == 1,
            f"x_{name} has shape {images.shape} and t_{name} {labels.shape}, expected "
            f"{(expected, 3)} and {(expected,)}: examples and labels of one set make a pair.",
        )
        rounding = " Hint: round to the nearest integer; int and // round down."
        off = len(images) - expected
        expect(
            off == 0,
            f"x_{name} has {len(images)} examples of {size}, expected {expected} for share = "
            f"{share:.4f} of validation, {share * size:.1f} before rounding."
            + (rounding if abs(off) == 1 and len(x_train) + len(x_val) == size else ""),
        )
        same(images, x[labels], f"x_{name}", "x and t must be indexed by the same permutation.")
    both = np.concatenate([t_train, t_val])
    twice = len(both) - len(np.unique(both))
    expect(
        twice == 0,
        f"{twice} examples come up twice. Hint: a permutation holds each index once; "
        "rng.choice and rng.integers may draw one again.",
    )
    expect(len(both) == size, f"{size - len(both)} of {size} examples are in neither of the sets.")
    chosen = np.sort(t_val)
    expect(
        chosen[-1] - chosen[0] >= len(chosen),
        "the validation examples stand side by side in the data: a file that is sorted by class "
        "would give a set of few classes. Hint: choose at random.",
    )

    def chosen_with(given):
        return np.sort(answer(x.copy(), t.copy(), share, given)[1][1])

    expect(
        not np.array_equal(chosen, chosen_with(rng)),
        "a second call chose the same examples for validation: draw them from the rng.",
    )
    _expect_drawn_from_rng(chosen_with)


@checked("the mean over all masks is X itself, so nothing is left to do at inference.", "function")
def inverted_dropout(answer: Callable) -> None:
    """Check a function that returns Y = X M / (1 − r) and the mask M.

    Parameters
    ----------
    answer : callable
        Of x, r and rng; returns y and the mask.
    """
    rng = np.random.default_rng()
    r = float(rng.uniform(0.2, 0.4))
    x = rng.uniform(1, 2, size=(60, 80))
    given = x.copy()
    result = returned(answer(given, r, rng))
    expect(
        isinstance(result, tuple | list) and len(result) == 2,
        "return two things: Y and the mask, as in `return y, mask`.",
    )
    y, mask = result
    expect(np.array_equal(given, x), "x was changed: make a new array, with * in place of *=.")
    mask = np.asarray(mask)
    expect(
        mask.shape == x.shape,
        f"the mask has shape {mask.shape}, x {x.shape}: each number has a mask of its own. Are Y "
        "and the mask returned in this order?",
    )
    expect(
        set(np.unique(mask).tolist()) <= {0, 1},
        "the mask must hold true and false (1 and 0) alone; the scale isn't part of it. Are Y and "
        "the mask returned in this order?",
    )
    for alike, name in ((mask == mask[:1], "rows"), (mask == mask[:, :1], "columns")):
        expect(not alike.all(), f"all {name} have the same mask: each number needs its own.")
    kept = float(np.mean(mask))
    expect(
        abs(kept - (1 - r)) < SIGMAS * np.sqrt(r * (1 - r) / x.size),
        f"the mask keeps a fraction of {kept:.3f}, expected about {1 - r:.3f} for r = {r:.3f}. "
        "Hint: r is the probability that a number is switched off.",
    )
    hint = "what is kept is divided by the probability that it is kept."
    same(y, x * mask / (1 - r), "Y", hint)

    def mask_with(given):
        return np.asarray(answer(x.copy(), r, given)[1])

    expect(
        not np.array_equal(mask, mask_with(rng)),
        "a second call gave the same mask: draw it from the rng that is given.",
    )
    masks = [mask, *(mask_with(rng) for _ in range(7))]
    counts = (
        ("mask", [m.sum() for m in masks]),
        ("row of a mask", mask.sum(axis=1)),
        ("column of a mask", mask.sum(axis=0)),
    )
    for where, kept in counts:
        expect(
            len(set(np.asarray(kept).tolist())) > 1,
            f"each {where} keeps exactly {kept[0]:.0f} numbers. Hint: each number is switched off "
            "with probability r, independently of the others, so that the count varies.",
        )
    _expect_drawn_from_rng(mask_with)


def _expect_drawn_from_rng(draw):
    """Expect the same of two generators in the same state."""
    first, second = (draw(np.random.default_rng(0)) for _ in range(2))
    expect(
        np.array_equal(first, second),
        "two generators that begin with the same seed must lead to the same draws: draw from the "
        "rng that is given, and from nothing else.",
    )


@checked("all three gradients agree with the layer's.", "function")
def batch_norm_backward(answer: Callable) -> None:
    """Check a function that returns the gradients of batch normalization.

    Parameters
    ----------
    answer : callable
        Of g, x and gamma; returns ∂L/∂x, ∂L/∂γ and ∂L/∂β.
    """
    rng = np.random.default_rng()
    n, features = int(rng.integers(5, 9)), 3
    spread = np.array([0.003, *rng.uniform(1, 3, features - 1)])  # in the first one 1e-6 counts
    standard = rng.normal(size=(n, features))
    standard = (standard - standard.mean(axis=0)) / standard.std(axis=0)
    x = rng.uniform(-5, 5, features) + spread * standard
    g, gamma = rng.normal(size=(n, features)), rng.uniform(0.5, 2, features)
    layer = BatchNormalization(gamma, np.zeros(features))
    layer.forward(x)
    dx = layer.backward(g)
    given = g.copy(), x.copy(), gamma.copy()
    result = several(returned(answer(*given)), 3, "the result (∂L/∂x, ∂L/∂γ, ∂L/∂β)")
    for name, array, before in zip("gxγ", given, (g, x, gamma), strict=True):
        expect(np.array_equal(array, before), f"{name} was changed: make new arrays.")
    order = "the order is ∂L/∂x, ∂L/∂γ, ∂L/∂β; these two are swapped."
    slips = [
        (layer.dgamma, order),
        (layer.dbeta / n, "a sum over the batch, not a mean: 1/N is in g already."),
    ]
    hint = "β is added to each row: sum over the batch. It is the last of the three results."
    same(result[2], layer.dbeta, "∂L/∂β", hint, slips=slips)
    with_epsilon = "x̂ is divided by σ = √(variance + 1e-6): is the 1e-6 under the root?"
    outside = (g * standard).sum(axis=0) * x.std(axis=0) / (x.std(axis=0) + 1e-6)
    slips = [
        ((g * standard).sum(axis=0), with_epsilon),
        (outside, with_epsilon),
        (layer.dbeta, order),
        (layer.dgamma / n, "a sum over the batch, not a mean: 1/N is in g already."),
        ((g * x).sum(axis=0), "γ multiplies x̂, not x."),
    ]
    hint = "γ multiplies x̂, not x: sum g x̂ over the batch."
    same(result[1], layer.dgamma, "∂L/∂γ", hint, slips=slips)
    straight = gamma * g / np.sqrt(x.var(axis=0) + 1e-6)
    slips = [
        (straight, "only the direct path is there. μ and σ depend on x too."),
        (straight - straight.mean(axis=0), "the path through σ is missing."),
        (dx / gamma, "the upstream gradient is multiplied by γ first: ĝ = γ g."),
    ]
    hint = (
        "three terms: the direct path, minus what goes through μ, minus what goes through σ. "
        "Means are over the batch, axis 0, ĝ = γ g, and the result is divided by σ."
    )
    same(result[0], dx, "∂L/∂x", hint, rtol=1e-5, atol=1e-7, slips=slips)
