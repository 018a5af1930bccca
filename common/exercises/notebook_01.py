"""Checks for the exercises of notebook 01, the numerical derivative."""

from collections.abc import Callable

import numpy as np

from common.exercises.verdict import checked, expect, returned, same

__all__ = [
    "backward_difference",
    "fourth_order_difference",
    "order",
    "second_difference",
    "slope_of_the_cube",
    "step_for_the_second_derivative",
]


def _polynomial(degree, rng):
    """Return a random polynomial in (t − x) about a random x, its coefficients, and x."""
    x = rng.uniform(-2, 2)
    coefficients = rng.uniform(0.5, 2, degree + 1) * rng.choice([-1, 1], degree + 1)
    return (lambda t: sum(c * (t - x) ** k for k, c in enumerate(coefficients))), coefficients, x


def _expect_order(order, difference):
    """Expect the error for exp at 0, all of whose derivatives are 1 there, to fall with h."""
    error, error_half = (abs(float(difference(np.exp, 0.0, h)) - 1) for h in (0.4, 0.2))
    expect(
        error_half < 0.7 * error / 2 ** (order - 1),
        f"exp at 0: with h = 0.4 the error is {error:.1e}, with h = 0.2 it is {error_half:.1e}, "
        f"but it should be about {2**order} times less. Hint: is h used wherever it should be?",
    )


@checked("the derivative of x³ is 3 x², which is 12 at x = 2.")
def slope_of_the_cube(answer: float) -> None:
    """Check the slope of x³ at x = 2.

    Parameters
    ----------
    answer : float
    """
    expect(answer != 8, "8 is the value of x³ at 2. Hint: its slope there is asked for.")
    same(answer, 12.0, "the slope", "the derivative of xⁿ is n xⁿ⁻¹.", rtol=1e-5)


@checked("it looks behind, at x and x − h, and so errs by −½ h f''(x): as much as the forward one.")
def backward_difference(difference: Callable) -> None:
    """Check a backward difference.

    Parameters
    ----------
    difference : callable
        (f, x, h) ↦ (f(x) − f(x − h)) / h.
    """
    rng = np.random.default_rng()
    for _ in range(5):
        f, _, x = _polynomial(3, rng)
        h = rng.uniform(0.1, 0.5)
        expected = (f(x) - f(x - h)) / h
        got = np.asarray(returned(difference(f, x, h)), dtype=float)
        expect(
            not np.isclose(got, (f(x + h) - f(x)) / h),
            "this is the forward difference. Hint: the second point lies at x − h.",
        )
        expect(
            not np.isclose(got, (f(x + h) - f(x - h)) / (2 * h)),
            "this is the central difference. Hint: the points are x and x − h.",
        )
        expect(
            not np.isclose(got, -expected),
            "the sign is wrong. Hint: if f grows, the slope must come out above 0.",
        )
        what = f"the difference at x = {x:.3f} with h = {h:.3f}"
        same(got, expected, what, "the change of f from x − h to x, by the distance of the two.")


@checked("half the step divides the error by 2ᵖ, so the order is log₂ of the ratio.")
def order(function: Callable) -> None:
    """Check a function that finds the order of a method from two errors.

    Parameters
    ----------
    function : callable
        (error at h, error at h / 2) ↦ p, where the error is c hᵖ.
    """
    rng = np.random.default_rng()
    for p in (1, 2, 4):
        c, h = rng.uniform(0.1, 5), rng.uniform(0.01, 0.5)
        got = np.asarray(returned(function(c * h**p, c * (h / 2) ** p)), dtype=float)
        expect(
            not np.isclose(got, -p),
            "the sign is wrong. Hint: an error that falls with h has an order above 0.",
        )
        expect(
            not np.isclose(got, 2.0**p),
            f"{2**p} is the ratio of the two errors. Hint: it is 2ᵖ, and p is asked for.",
        )
        expect(
            not np.isclose(got, p * np.log(2)),
            "this is p · log 2. Hint: which base has the logarithm to have, for halves?",
        )
        what = f"the order where the errors are {c:.3g} h^{p}"
        same(got, float(p), what, "what is the ratio of c hᵖ to c (h/2)ᵖ?")


@checked("f'(x) cancels, and (f(x + h) − 2 f(x) + f(x − h)) / h² remains: of order 2.")
def second_difference(difference: Callable) -> None:
    """Check a central difference for the second derivative.

    Parameters
    ----------
    difference : callable
        (f, x, h) ↦ f''(x).
    """
    rng = np.random.default_rng()
    for _ in range(5):
        # Exact on a cubic: the error of the three-point formula is h²/12 f''''(x).
        f, coefficients, x = _polynomial(3, rng)
        h = rng.uniform(0.05, 0.2)
        got, expected = np.asarray(returned(difference(f, x, h)), dtype=float), 2 * coefficients[2]
        expect(
            not np.isclose(got, expected * h),
            "this is too small by a factor of h. Hint: f''(x) stands beside h², not h.",
        )
        expect(
            not np.isclose(got, expected / 2),
            "this is half of f''(x). Hint: the series are two, and each has ½ h² f''(x).",
        )
        what = f"f'' of a cubic at x = {x:.3f} with h = {h:.3f}"
        same(got, expected, what, "solve f(x + h) + f(x − h) ≈ 2 f(x) + h² f''(x).")
    _expect_order(2, difference)


@checked("h² and ε/h² are alike at h = ε^(1/4), about 1e-4: larger than for the first derivative.")
def step_for_the_second_derivative(h: float) -> None:
    """Check a step for the second derivative: ε^(1/4), or not more than five times off.

    Parameters
    ----------
    h : float
    """
    h = float(h)
    expect(h > 0, f"a step must be above 0, got {h:g}")
    best = np.finfo(np.float64).eps ** 0.25
    x = np.linspace(0.5, 1.5, 101)  # at a single point the error may be small by luck
    error = np.abs((np.sin(x + h) - 2 * np.sin(x) + np.sin(x - h)) / h**2 + np.sin(x)).max()
    measured = f"with h = {h:.0e} the second derivative of sin errs by up to {error:.0e}"
    hint = "Hint: for which h is h² equal to ε/h²?"
    expect(h > best / 5, f"too small: {measured}, by rounding. {hint}")
    expect(h < best * 5, f"too large: {measured}, by truncation. {hint}")


@checked("(4 C(h/2) − C(h)) / 3 is of order 4: half the step, a sixteenth of the error.")
def fourth_order_difference(difference: Callable) -> None:
    """Check a difference of order 4, by Richardson's extrapolation or by any formula of that order.

    Parameters
    ----------
    difference : callable
        (f, x, h) ↦ f'(x), exact for polynomials up to degree 4.
    """
    rng = np.random.default_rng()
    for degree in (1, 2, 4):
        f, coefficients, x = _polynomial(degree, rng)
        h = rng.uniform(0.3, 0.6)
        got = np.asarray(returned(difference(f, x, h)), dtype=float)
        slope = coefficients[1]
        if degree > 2:
            expect(
                not np.isclose(got, slope + coefficients[3] * h**2),
                "this errs by h²/6 f'''(x), as C(h) alone does. Hint: C(h/2) has a part in it.",
            )
            expect(
                not np.isclose(got, slope + coefficients[3] * h**2 / 4),
                "this errs by h²/24 f'''(x), as C(h/2) alone does. Hint: C(h) has a part in it.",
            )
        hint = (
            "the result can be f'(x) only if a + b = 1."
            if degree < 3
            else "the terms in h² cancel if a/4 + b = 0."
        )
        same(got, slope, f"the slope of a polynomial of degree {degree}", hint)

    _expect_order(4, difference)
