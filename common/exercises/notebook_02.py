"""Checks for the exercises of notebook 02, gradients and descent."""

from collections.abc import Callable

import numpy as np

from common.exercises.verdict import Wrong, checked, expect, returned, same

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


@checked("∂f/∂x₀ = 2 x₀ x₁ = 4 and ∂f/∂x₁ = x₀² + 3 = 7.")
def gradient_on_paper(answer) -> None:
    """Check the gradient of x₀² x₁ + 3 x₁ at (2, 1).

    Parameters
    ----------
    answer : array_like, shape (2,)
    """
    numbers = np.asarray(answer, dtype=float)
    expect(
        numbers.shape != (2,) or not np.allclose(numbers, [7, 4]),
        "the two are right, but in the wrong order. Hint: ∂f/∂x₀ comes first.",
    )
    hint = "derive by one of them, and take the other for a fixed number."
    same(numbers, [4.0, 7.0], "the gradient", hint, rtol=1e-5)


@checked("the curvatures are 6 and 1, and the larger one sets the limit, 2/6.")
def largest_learning_rate(answer: float) -> None:
    """Check the limit of the learning rate for 3 x₀² + ½ x₁².

    Parameters
    ----------
    answer : float
    """
    got = np.asarray(answer, dtype=float)
    expect(
        not np.allclose(got, 2 / 3, rtol=0.01),
        "2/3 would be right if λ₀ were 3. Hint: λ₀ is the second derivative of 3 x₀².",
    )
    expect(
        not np.allclose(got, 2, rtol=0.01),
        "2 is the limit for x₁ alone. Hint: x₀ must not run away either.",
    )
    hint = "find both curvatures; which of them sets the limit 2/λ?"
    same(got, 1 / 3, "the limit", hint, rtol=0.011)


@checked("it is the gradient's dot product with the direction, made to have length 1.")
def slope_towards(function: Callable) -> None:
    """Check the slope of a function in a direction.

    Parameters
    ----------
    function : callable
        (f, x, direction) ↦ ∇f(x) · direction / |direction|.
    """
    rng = np.random.default_rng()
    # All slopes along the axes are above 0: up in the first direction, down in the second.
    for signs in ([1, 1], [-1, -1, -1], [1, -1, 1, 1, -1]):
        size = len(signs)
        f, curvatures, minimum = _bowl(rng, size)
        x = minimum + rng.uniform(0.5, 2, size)
        direction = rng.uniform(0.3, 1, size) * signs
        direction *= rng.uniform(2, 4) / np.linalg.norm(direction)
        plain = curvatures * (x - minimum) @ direction
        expected = plain / np.linalg.norm(direction)

        before = direction.copy()
        got = _numbers(function(f, x, direction), "one number")
        expect(
            np.array_equal(direction, before),
            "the caller's direction was changed. Hint: direction /= … writes into it.",
        )
        expect(
            got.shape != () or not np.isclose(got, plain, rtol=1e-4),
            "twice the length gives twice the slope. Hint: divide the direction by its length.",
        )
        what = f"the slope of a function of {size} numbers"
        same(got, expected, what, "∇f · u, where u has length 1.", rtol=1e-4, atol=1e-5)


@checked("each entry moved to both sides and put back: two values of f for each.")
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
        values = _numbers(function(f, point), "an array")
        expect(
            np.allclose(point, x, rtol=0, atol=1e-9),
            f"x is no longer what it was, for x of shape {shape}. "
            "Hint: put each entry back before the next one is moved.",
        )
        if values.shape == shape:
            expect(
                not np.allclose(values, 2 * expected, rtol=1e-3),
                "all entries are twice as large as they should be. Hint: the points are 2h apart.",
            )
        hint = "move one entry by +h and by −h, all others staying where they are."
        expect(
            bool(np.all(lowest < x) and np.all(x < highest)),
            f"not all entries were moved to both sides, for x of shape {shape}. Hint: {hint}",
        )
        same(values, expected, f"the gradient for x of shape {shape}", hint, rtol=1e-6, atol=1e-6)


@checked("x ← x − η ∇f(x), as often as asked, on a copy of the caller's x.")
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


@checked("it finds the minimum of flat and of steep bowls alike, and no rate had to be chosen.")
def descend_safely(function: Callable) -> None:
    """Check gradient descent with backtracking.

    Parameters
    ----------
    function : callable
        (f, x, steps) ↦ where the walk ends.
    """
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
