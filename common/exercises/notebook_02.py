"""Checks for the exercises of notebook 02, gradients and descent."""

from collections.abc import Callable

import numpy as np

from common.exercises.verdict import (
    Case,
    Wrong,
    as_numbers,
    call,
    checked,
    exercise,
    expect,
    returned,
    same,
)

__all__ = [
    "descend",
    "descend_safely",
    "gradient",
    "gradient_on_paper",
    "largest_learning_rate",
    "slope_towards",
]


def _bowl(rng, shape, budget=1_000_000):
    """Return a random bowl Σ λ (x − m)² / 2, its curvatures λ, and its minimum m."""
    curvatures, minimum = rng.uniform(0.5, 2, shape), rng.uniform(-2, 2, shape)
    return _quadratic(curvatures, minimum, budget), curvatures, minimum


def _quadratic(curvatures, minimum, budget):
    return _limited(lambda x: float(np.sum(curvatures * (x - minimum) ** 2) / 2), budget)


def _limited(function, budget):
    calls = 0

    def f(x):
        nonlocal calls
        calls += 1
        if calls > budget:
            raise Wrong(
                f"f was asked for {budget:,} values, and no end. Hint: does the loop always end? "
                "Where f can't fall any more, ask for ≤, not <."
            )
        return function(x)

    return f


def _cosh(minimum):
    """Return Σ (cosh(x − m) − 1) / 2: steep slopes, and a floor of curvature ½."""
    return lambda x: float(np.sum(np.sinh((x - minimum) / 2) ** 2))


def _numbers(result, what):
    try:
        return np.asarray(returned(result), dtype=float)
    except (TypeError, ValueError):
        kind = type(result).__name__
        raise Wrong(f"your function must return {what}, and nothing else; got {kind}") from None


@exercise("∂f/∂x₀ = 2 x₀ x₁ = 4 and ∂f/∂x₁ = x₀² + 3 = 7.", kind="", rtol=1e-5, atol=0, paper=True)
def gradient_on_paper(rng):
    """Check the gradient of x₀² x₁ + 3 x₁ at (2, 1), two numbers."""
    yield Case(
        (),
        [4.0, 7.0],
        "the gradient",
        "differentiate with respect to one of them, and hold the other fixed; give two numbers.",
        [([7, 4], "the two are right, but in the wrong order: ∂f/∂x₀ comes first.")],
    )


@exercise(
    "the curvatures are 6 and 1, and the larger one sets the limit, 2/6.",
    kind="",
    rtol=0.011,
    atol=0,
    paper=True,
)
def largest_learning_rate(rng):
    """Check the limit of the learning rate for 3 x₀² + ½ x₁², a number, to 1 %."""
    yield Case(
        (),
        1 / 3,
        "the limit",
        "find both curvatures; which of them sets the limit 2/λ? Two digits are enough.",
        [
            (2 / 3, "λ₀ is the second derivative of 3 x₀², not its coefficient."),
            (2, "this is the limit for x₁ alone, but x₀ must not diverge either."),
            (1 / 6, "at 1/λ one step reaches the minimum; the limit of convergence is larger."),
        ],
    )


@exercise(
    "it is the gradient's dot product with the direction, scaled to length 1.", rtol=0, atol=5e-3
)
def slope_towards(rng):
    """Check a function (f, x, direction) ↦ ∇f(x) · direction / |direction|, to two decimals."""
    # All slopes along the axes are above 0: up in the first direction, down in the second.
    for signs in ([1, 1], [-1, -1, -1], [1, -1, 1, 1, -1]):
        size, slope = len(signs), 0.0
        while abs(slope) < 0.1:  # a slope near 0 would hide a wrong sign
            f, curvatures, minimum = _bowl(rng, size)
            x = minimum + rng.uniform(0.5, 2, size)
            direction = rng.uniform(0.3, 1, size) * signs
            direction *= rng.uniform(2, 4) / np.linalg.norm(direction)
            plain = curvatures * (x - minimum) @ direction
            slope = plain / np.linalg.norm(direction)
        yield Case(
            (f, x, direction),
            slope,
            f"the slope of a function of {size} numbers (to two decimals)",
            "∇f · u, where u has length 1.",
            [
                (plain, "twice the length gives twice the slope: divide the direction by it."),
                (-slope, "the slope is negative where f falls: ∇f · u has the sign."),
            ],
        )


@checked(
    "each element moved by h to both sides and put back: two values of f for each.", "function"
)
def gradient(function: Callable) -> None:
    """Check a numerical gradient by central differences.

    Parameters
    ----------
    function : callable
        (f, x) ↦ ∇f(x), in the shape of x.
    """
    rng = np.random.default_rng()
    for shape in ((3,), (1,), (2, 3), (2, 2, 2)):
        weights, x = rng.uniform(1, 2, shape), rng.uniform(0.5, 1.5, shape)
        powers = rng.uniform(1, 2, shape)

        lowest, highest = x.copy(), x.copy()

        def f(x, weights=weights, powers=powers, lowest=lowest, highest=highest):
            np.minimum(lowest, x, out=lowest)
            np.maximum(highest, x, out=highest)
            return float(np.sum(weights * x**2) + np.sum(powers * x) ** 3 / 10)

        expected = 2 * weights * x + 3 * np.sum(powers * x) ** 2 / 10 * powers
        point = x.copy()
        h = rng.uniform(2e-4, 5e-4)
        values = _numbers(function(f, point, h), "an array")
        expect(
            np.allclose(point, x, rtol=0, atol=1e-9),
            f"x is no longer what it was, for x of shape {shape}. "
            "Hint: put each element back before the next one is moved.",
        )
        if values.shape == shape:
            expect(
                not np.allclose(values, 2 * expected, rtol=1e-3),
                "all elements are twice as large as they should be. Hint: the points are 2h apart.",
            )
        hint = "move one element by +h and by −h, all others staying where they are."
        expect(
            bool(np.all(lowest < x) and np.all(x < highest)),
            f"not all elements were moved to both sides, for x of shape {shape}. Hint: {hint}",
        )
        widths = np.stack([highest - x, x - lowest])
        expect(
            np.allclose(widths, h, rtol=1e-6),
            f"with h = {h:.3g} an element was moved by {widths.max():.3g}. Hint: use the h that "
            "your function is given.",
        )
        same(values, expected, f"the gradient for x of shape {shape}", hint, rtol=1e-5, atol=1e-6)


@checked("x ← x − η ∇f(x), as often as asked, on a copy of the caller's x.", "function")
def descend(function: Callable) -> None:
    """Check gradient descent with a fixed learning rate.

    Parameters
    ----------
    function : callable
        (f, x, lr, steps) ↦ where the walk ends.
    """
    rng = np.random.default_rng()
    for size in (1, 2, 4):
        f, curvatures, minimum = _bowl(rng, size)
        start = minimum + rng.uniform(1, 2, size) * rng.choice([-1, 1], size)
        lr, steps = rng.uniform(0.1, 0.3), int(rng.integers(4, 8))

        def after(k, lr=lr, curvatures=curvatures, minimum=minimum, start=start):
            return minimum + (1 - lr * curvatures) ** k * (start - minimum)

        x = start.copy()
        place = _numbers(function(f, x, lr, steps), "the place where the walk ends")
        expect(
            np.allclose(x, start, rtol=0, atol=1e-9),
            "the caller's x was changed. Hint: x -= … writes into the array; walk on x.copy().",
        )
        if place.shape == start.shape:
            uphill = minimum + (1 + lr * curvatures) ** steps * (start - minimum)
            expect(
                not np.allclose(place, uphill, rtol=1e-4),
                "this walks uphill. Hint: the gradient points to where f grows.",
            )
            for k in (1, steps - 1, steps + 1):
                expect(
                    not np.allclose(place, after(k), rtol=1e-6, atol=1e-6),
                    f"this is the place after {k} of {steps} steps. Hint: count the steps.",
                )
        what = f"the end of {steps} steps with learning rate {lr:.3f}"
        same(place, after(steps), what, "x − lr · ∇f(x), at each step.", rtol=1e-5, atol=1e-6)


@checked(
    "it finds the minimum of flat and of steep bowls alike, and no rate had to be chosen.",
    "function",
)
def descend_safely(function: Callable) -> None:
    """Check gradient descent with backtracking.

    Parameters
    ----------
    function : callable
        (f, x, steps) ↦ where the walk ends.
    """
    _expect_half(function)
    # So few steps that none gets to f = 0: there no step makes f fall, however small η becomes.
    rng, steps = np.random.default_rng(), 30
    # Of the steep bowls one has a curvature just below 2 · 2¹¹: there η = 2⁻¹¹ makes f fall by
    # next to nothing, at each step.
    for steepness in (1.0, 30.0, 1.999 * 2**11):
        curvatures = steepness * np.array([1.0, rng.uniform(0.25, 0.5)])
        minimum = rng.uniform(-1, 1, 2)
        start = minimum + rng.uniform(1, 2, 2) * rng.choice([-1, 1], 2)
        bowl = f"in a bowl with curvatures {curvatures[0]:.4g} and {curvatures[1]:.4g}"
        _expect_minimum(
            function, _quadratic(curvatures, minimum, 100_000), start, steps, bowl, 0.05
        )
    minimum = rng.uniform(-1, 1, 2)
    start = minimum + rng.uniform(6, 8, 2) * rng.choice([-1, 1], 2)
    bowl = "in a bowl that is steep at first and then flat"
    _expect_minimum(function, _limited(_cosh(minimum), 100_000), start, steps, bowl, 1e-6)


def _expect_half(function):
    """Expect that a step is taken if f falls by half of the promise, and not if it falls by less.

    A step of η = 2⁻ᵏ makes f fall by the fraction 1 − η λ / 2 of the promise, where λ is the
    curvature along the gradient. One λ makes that 0.51, the other 0.49.
    """
    rng = np.random.default_rng()
    for k in (1, 2, 4):
        for fraction in (0.51, 0.49):
            start, shape = rng.uniform(1, 2, 2) * rng.choice([-1, 1], 2), np.array([1.0, 0.3])
            g = shape * start
            scale = 2 * (1 - fraction) * 2**k / (np.sum(shape * g**2) / np.sum(g**2))
            f, g = _quadratic(scale * shape, 0.0, 100_000), scale * g
            with np.errstate(all="ignore"):
                place = as_numbers(call(function, f, start, 1), "the place after one step")
            eta = 2.0**-k if fraction > 0.5 else 2.0 ** -(k + 1)
            expect(place.shape == (2,), f"the end must have shape (2,), got {place.shape}.")
            taken = float((start - place)[0] / g[0])
            expect(
                np.allclose(place, start - eta * g, rtol=1e-3, atol=1e-3),
                f"a step with η = {2.0**-k:g} makes f fall by {fraction:.0%} of what the slope "
                f"promises; your function took η = {taken:.4g}. Hint: is η 1 at the start of each "
                "step, and is it halved as long as f would fall by less than half of the promise?",
            )


def _expect_minimum(function, f, start, steps, bowl, remainder):
    x = start.copy()
    with np.errstate(all="ignore"):  # a walk that runs away overflows; it's told so below
        place = _numbers(function(f, x, steps), "the place where the walk ends")
        expect(
            np.allclose(x, start, rtol=0, atol=1e-9),
            "the caller's x was changed. Hint: x -= … writes into the array; walk on x.copy().",
        )
        expect(place.shape == (2,), f"the end must have the shape of x, (2,), got {place.shape}")
        first, last = f(start), f(place)
    expect(
        last <= first,
        f"{bowl} f rises from {first:.3g} to {last:.3g}. Hint: halve η before the step is "
        "taken, as long as f would fall too little.",
    )
    expect(
        last < remainder * first,
        f"{bowl} f falls from {first:.3g} to {last:.3g} only, in {steps} steps. Hint: is η 1 "
        "at the start of each step, and does the step need half of the promised fall, no less "
        "and no more?",
    )
