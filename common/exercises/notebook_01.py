"""Checks for the exercises of notebook 01, the numerical derivative."""

import numpy as np

from common.exercises.verdict import Case, as_numbers, call, checked, exercise, expect, same

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


@exercise(
    "the derivative of x³ is 3 x², which is 12 at x = 2.", kind="", rtol=1e-5, atol=0, paper=True
)
def slope_of_the_cube(rng):
    """Check the slope of x³ at x = 2, a number."""
    slips = [
        (8, "this is the value of x³ at 2; its slope there is asked for."),
        (6, "the derivative of x³ has x² in it, not x."),
        (4, "the exponent becomes a factor."),
    ]
    yield Case((), 12.0, "the slope", "the derivative of xⁿ is n xⁿ⁻¹.", slips)


@exercise("it uses x and x − h, and its error −½ h f''(x) is as large as the forward one.")
def backward_difference(rng):
    """Check a function (f, x, h) ↦ (f(x) − f(x − h)) / h."""
    for _ in range(5):
        f, _, x = _polynomial(3, rng)
        h = rng.uniform(0.1, 0.5)
        forward, expected = (f(x + h) - f(x)) / h, (f(x) - f(x - h)) / h
        slips = [
            (forward, "this is the forward difference; use f(x − h)."),
            ((forward + expected) / 2, "this is the central difference; use x and x − h."),
            (-expected, "the sign is wrong: if f grows, the slope must be positive."),
        ]
        what = f"the difference at x = {x:.3f} with h = {h:.3f}"
        hint = "the change of f from x − h to x, divided by the distance between the two."
        yield Case((f, x, h), expected, what, hint, slips)


@exercise("half the step divides the error by 2ᵖ, so the order is log₂ of the ratio.")
def order(rng):
    """Check a function (error at h, error at h / 2) ↦ p, where the error is c hᵖ."""
    for p in (1, 2, 4):
        c, h = rng.uniform(0.1, 5), rng.uniform(0.01, 0.5)
        slips = [
            (-p, "the sign is wrong: an error that falls with h has an order above 0."),
            (2.0**p, "this is the ratio of the two errors, 2ᵖ; p is asked for."),
            (p * np.log(2), "this is p · log 2; which base must the logarithm have?"),
        ]
        what = f"the order where the errors are {c:.3g} h^{p}"
        errors = (c * h**p, c * (h / 2) ** p)
        yield Case(errors, p, what, "what is the ratio of c hᵖ to c (h/2)ᵖ?", slips)


@exercise("f'(x) cancels, and (f(x + h) − 2 f(x) + f(x − h)) / h² remains: of order 2.")
def second_difference(rng):
    """Check a function (f, x, h) ↦ (f(x + h) − 2 f(x) + f(x − h)) / h²."""
    for _ in range(5):
        f, _, x = _polynomial(4, rng)
        h = rng.uniform(0.05, 0.2)
        expected = (f(x + h) - 2 * f(x) + f(x - h)) / h**2
        slips = [
            (expected * h, "this is too small by a factor of h: f''(x) is multiplied by h²."),
            (expected / 2, "this is half of f''(x): each of the two series has ½ h² f''(x)."),
            (-expected, "the sign is wrong: for x² the result must be positive."),
        ]
        what = f"the second difference at x = {x:.3f} with h = {h:.3f}"
        hint = "solve f(x + h) + f(x − h) ≈ 2 f(x) + h² f''(x), and use the h that is given."
        yield Case((f, x, h), expected, what, hint, slips)


@checked("h² and ε/h² are equal at h = ε^(1/4), about 1e-4: larger than for the first derivative.")
def step_for_the_second_derivative(h):
    """Check a step for the second derivative: ε^(1/4), or not more than five times off."""
    numbers = as_numbers(h, "the step")
    expect(numbers.size == 1, "the step must be one number.")
    h = float(numbers.reshape(()))
    expect(h > 0, f"the step must be above 0, got {h:g}.")
    best = np.finfo(np.float64).eps ** 0.25
    x = np.linspace(0.5, 1.5, 101)  # at a single point the error may be small by luck
    error = np.abs((np.sin(x + h) - 2 * np.sin(x) + np.sin(x - h)) / h**2 + np.sin(x)).max()
    measured = f"with h = {h:.0e} the second derivative of sin has errors up to {error:.0e}"
    hint = "Hint: for which h is h² equal to ε/h²? Within a factor of 5 is accurate enough."
    expect(h > best / 5, f"too small: {measured}, from rounding. {hint}")
    expect(h < best * 5, f"too large: {measured}, from truncation. {hint}")


@checked(
    "(4 C(h/2) − C(h)) / 3 is of order 4: half the step, a sixteenth of the error.", "function"
)
def fourth_order_difference(difference):
    """Check a function (f, x, h) ↦ f'(x) of order 4: any formula exact up to degree 4."""
    rng = np.random.default_rng()
    for degree in (1, 2, 4):
        f, coefficients, x = _polynomial(degree, rng)
        h = rng.uniform(0.3, 0.6)
        slope, hint, slips = coefficients[1], "the result can be f'(x) only if a + b = 1.", ()
        if degree > 2:
            hint, cubic = "the terms in h² cancel if a/4 + b = 0.", coefficients[3] * h**2
            slips = [
                (slope + cubic, "this has the error of C(h) alone, h²/6 f'''(x); use C(h/2) too."),
                (slope + cubic / 4, "this has the error of C(h/2) alone; use C(h) too."),
            ]
        what = f"the slope of a polynomial of degree {degree}"
        same(call(difference, f, x, h), slope, what, hint, slips=slips)
    # All derivatives of exp at 0 are 1, so that no term of the error is 0 by chance.
    results = [call(difference, np.exp, 0.0, h) for h in (0.4, 0.2)]
    errors = np.abs(as_numbers(results, "the results") - 1)
    expect(
        errors[1] < 0.7 * errors[0] / 8,
        f"exp at 0: with h = 0.4 the error is {errors[0]:.1e}, with h = 0.2 it is {errors[1]:.1e}, "
        "but it should be about 16 times smaller. Hint: is h used wherever it should be?",
    )
