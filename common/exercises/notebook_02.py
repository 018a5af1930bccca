"""Checks for the exercises of notebook 02, gradients and descent."""

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

__all__ = [
    "descend",
    "descend_safely",
    "gradient",
    "gradient_on_paper",
    "largest_learning_rate",
    "slope_towards",
]


def _quadratic(curvatures, minimum):
    return lambda x: float(np.sum(curvatures * (x - minimum) ** 2) / 2)


def _away(rng, low, high, size):
    """Return numbers with an absolute value between low and high, and random signs."""
    return rng.uniform(low, high, size) * rng.choice([-1, 1], size)


def _end(function, f, start, *args):
    """Return where the reader's path ends; the array where it starts must stay as it was."""
    x = start.copy()
    end = as_numbers(returned(function(f, x, *args)), "the end of the path", "return x alone.")
    shapes = f"must have shape {start.shape}, got {end.shape}"
    expect(end.shape == start.shape, f"the end of the path {shapes}. Hint: return x alone.")
    expect(
        np.allclose(x, start, rtol=0, atol=1e-9),
        "the caller's x was changed. Hint: x -= … writes into the array; start from x.copy().",
    )
    return end


@exercise("∂f/∂x₀ = 2 x₀ x₁ = 4 and ∂f/∂x₁ = x₀² + 3 = 7.", kind="", rtol=1e-5, atol=0, paper=True)
def gradient_on_paper(rng):
    """Check the gradient of x₀² x₁ + 3 x₁ at (2, 1), two numbers."""
    hint = "differentiate with respect to one variable, and keep the other fixed; give two numbers."
    swapped = "the two are right, but in the wrong order: ∂f/∂x₀ comes first."
    yield Case((), [4.0, 7.0], "the gradient", hint, [([7, 4], swapped)])


@exercise(
    "the curvatures are 6 and 1, and the larger one sets the limit, 2/6.",
    kind="",
    rtol=0.011,
    atol=0,
    paper=True,
)
def largest_learning_rate(rng):
    """Check the limit of the learning rate for 3 x₀² + ½ x₁², a number, to 1 %."""
    slips = [
        (2 / 3, "λ₀ is the second derivative of 3 x₀², not its coefficient."),
        (2, "this is the limit for x₁ alone, but x₀ must not diverge either."),
        (1 / 6, "at 1/λ one step reaches the minimum; the limit of convergence is larger."),
    ]
    hint = "find both curvatures; which of them sets the limit 2/λ? Two digits are enough."
    yield Case((), 1 / 3, "the limit", hint, slips)


@exercise(
    "it is the gradient's dot product with the direction, scaled to length 1.", rtol=0, atol=5e-3
)
def slope_towards(rng):
    """Check a function (f, x, direction) ↦ ∇f(x) · direction / |direction|, to two decimals."""
    # All slopes along the axes are above 0: up in the first direction, down in the second.
    for signs in ([1, 1], [-1, -1, -1], [1, -1, 1, 1, -1]):
        size, slope = len(signs), 0.0
        while abs(slope) < 0.1:  # a slope near 0 would hide a wrong sign
            curvatures, minimum = rng.uniform(0.5, 2, size), rng.uniform(-2, 2, size)
            x = minimum + rng.uniform(0.5, 2, size)
            direction = rng.uniform(0.3, 1, size) * signs
            direction *= rng.uniform(2, 4) / np.linalg.norm(direction)
            scaled = curvatures * (x - minimum) @ direction
            slope = scaled / np.linalg.norm(direction)
        slips = [
            (scaled, "twice the length gives twice the slope: divide the direction by its length."),
            (-slope, "the slope is negative where f falls: ∇f · u has the right sign."),
        ]
        what = f"the slope of a function of {size} variables (to two decimals)"
        args = (_quadratic(curvatures, minimum), x, direction)
        yield Case(args, slope, what, "∇f · u, where u has length 1.", slips)


@checked(
    "each element was moved by h to both sides and restored: two values of f per element.",
    "function",
)
def gradient(function):
    """Check a function (f, x, h) ↦ ∇f(x) in the shape of x, by central differences."""
    rng = np.random.default_rng()
    for shape in ((3,), (1,), (2, 3), (2, 2, 2)):
        weights, powers = rng.uniform(1, 2, (2, *shape))
        x, h = rng.uniform(0.5, 1.5, shape), rng.uniform(2e-4, 5e-4)
        seen = [x.copy()]

        def f(x, weights=weights, powers=powers, seen=seen):
            expect(
                np.shape(x) == weights.shape,
                f"f was called with an argument of shape {np.shape(x)}, but it takes all elements "
                f"at once, as an array of shape {weights.shape}.",
            )
            seen.append(x.copy())
            return float(np.sum(weights * x**2) + np.sum(powers * x) ** 3 / 10)

        point, what = x.copy(), f"for x of shape {shape}"
        values = returned(function(f, point, h))
        expect(
            np.allclose(point, x, rtol=0, atol=1e-9),
            f"x is no longer what it was, {what}. "
            "Hint: restore each element before you move the next one.",
        )
        hint = "move one element by +h and by −h, and keep all others where they are."
        widths = np.stack([np.max(seen, axis=0) - x, x - np.min(seen, axis=0)])
        expect(
            bool(np.all(widths > 0)),
            f"not all elements were moved to both sides, {what}. Hint: {hint}",
        )
        expect(
            np.allclose(widths, h, rtol=1e-6),
            f"with h = {h:.3g} an element was moved by {widths.max():.3g}. Hint: use the h that "
            "your function is given.",
        )
        expected = 2 * weights * x + 3 * np.sum(powers * x) ** 2 / 10 * powers
        slips = [
            (2 * expected, "all elements are twice too large: the points are 2h apart."),
            (-expected, "look at the sign: f(x + h) − f(x − h)."),
        ]
        same(values, expected, f"the gradient {what}", hint, 1e-5, 1e-6, slips=slips)


@checked("x ← x − η ∇f(x), as often as asked, on a copy of the caller's x.", "function")
def descend(function):
    """Check a function (f, x, lr, steps) ↦ the end of gradient descent."""
    rng = np.random.default_rng()
    for size in (1, 2, 4):
        # Each partial derivative depends on all coordinates, which must therefore move together.
        hessian, minimum = np.diag(rng.uniform(0.5, 2, size)) + 0.5, rng.uniform(-2, 2, size)
        start = minimum + _away(rng, 1, 2, size)
        lr, steps = rng.uniform(0.1, 0.3), int(rng.integers(4, 8))

        def f(x, hessian=hessian, minimum=minimum):
            return float((x - minimum) @ hessian @ (x - minimum) / 2)

        def after(k, lr=lr, hessian=hessian, minimum=minimum, start=start):
            factor = np.eye(len(start)) - lr * hessian
            return minimum + np.linalg.matrix_power(factor, k) @ (start - minimum)

        in_turn = start.copy()
        for i in list(range(size)) * steps:
            in_turn[i] -= lr * hessian[i] @ (in_turn - minimum)
        once = start - steps * lr * hessian @ (start - minimum)
        slips = [
            (after(steps, -lr), "this goes uphill; the gradient points to where f grows."),
            (once, "compute the gradient anew at each step."),
        ]
        if size > 1:
            together = "compute the whole gradient before you change the first element."
            slips.append((in_turn, together))
        for k in (1, steps - 1, steps + 1):
            slips.append((after(k), f"this is x after {k} of {steps} steps; count the steps."))
        end = _end(function, f, start, lr, steps)
        what = f"the end of {steps} steps with learning rate {lr:.3f}"
        same(end, after(steps), what, "x − lr · ∇f(x), at each step.", 1e-5, 1e-6, slips=slips)


def _backtrack(f, slope, x, steps, *, first=1.0, least=0.5, keep=False, once=False):
    """Return the end of backtracking descent, and how near f came to half of the promise."""
    lr, nearest = first, 1.0
    for _ in range(steps):
        g, lr = slope(x), lr if keep else first
        while True:
            fraction = (f(x) - f(x - lr * g)) / (lr * g @ g)
            nearest = min(nearest, abs(fraction - least))
            if fraction >= least:
                break
            lr /= 2
            if once:
                break
        x = x - lr * g
    return x, nearest


def _bowls(rng):
    """Yield functions, their gradients, a start, and how many steps to take."""
    for k in (1, 2, 4, 0, -1):  # the last two tell whether a step starts with η = 1
        for fraction in (0.51, 0.49):
            # A step of η makes f fall by the fraction 1 − η λ / 2 of the promise, where λ is the
            # curvature along the gradient. This λ makes that `fraction`, for η = 2⁻ᵏ.
            start, curvatures = _away(rng, 1, 2, 2), np.array([1.0, 0.3])
            g = curvatures * start
            curvatures = curvatures * 2 * (1 - fraction) * 2**k * (g @ g) / (curvatures @ g**2)
            yield _quadratic(curvatures, 0.0), lambda x, c=curvatures: c * x, start, 1
    near = 0.0
    while near < 0.01:  # no decision may depend on the accuracy of a numerical gradient
        m, start = rng.uniform(-1, 1, 2), _away(rng, 6, 8, 2)

        def f(x, m=m):  # steep slopes, and a floor of curvature ½
            return float(np.sum(np.sinh((x - m) / 2) ** 2))

        bowl = f, lambda x, m=m: np.sinh(x - m) / 2, start, 5
        near = _backtrack(*bowl)[1]
    yield bowl


@checked("each step found its own learning rate, and you had none to choose.", "function")
def descend_safely(function):
    """Check a function (f, x, steps) ↦ the end of gradient descent with backtracking."""
    variants = (
        ({"keep": True}, "is η 1 again at the start of each step?"),
        ({"once": True}, "halve η as long as f falls by less than half of the promise."),
        ({"first": 0.5}, "each step starts with η = 1."),
        ({"first": 2.0}, "each step starts with η = 1."),
        ({"least": 0.0}, "f must fall by half of the promise η |∇f|², not only a little."),
    )
    for f, slope, start, steps in _bowls(np.random.default_rng()):
        left = 10_000

        def limited(x, f=f):
            nonlocal left
            left -= 1
            if left < 0:
                raise Wrong(
                    "your function computed f 10,000 times and still hasn't returned. Hint: does "
                    "the loop always end? Where f can't fall any more, ask for ≤, not <."
                )
            return f(x)

        slips = [(_backtrack(f, slope, start, steps, **how)[0], hint) for how, hint in variants]
        hint = "start with η = 1, and halve it while f falls by less than half of the promise."
        what = f"the end of {steps} step{'s' if steps > 1 else ''} from {start.round(3).tolist()}"
        expected, _ = _backtrack(f, slope, start, steps)
        same(_end(function, limited, start, steps), expected, what, hint, 1e-3, 1e-3, slips=slips)
