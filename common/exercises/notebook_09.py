"""Checks for the exercises of notebook 09, optimizers."""

from collections.abc import Callable

import numpy as np

from common.exercises.verdict import Case, Wrong, checked, exercise, expect, returned, same

__all__ = ["amsgrad", "first_step", "largest_rate", "momentum_step", "race", "sign_sgd"]

EPSILON = 1e-7
START, STEPS, HEIGHT = (-7.0, 2.0), 25, 1e-4  # of the race


@exercise("SGD's factor in direction i is 1 − η aᵢ; the steepest direction decides.")
def largest_rate(rng):
    """Check a function of the curvatures that returns the learning rate where SGD diverges."""
    several = rng.uniform(0.1, 5, size=rng.integers(5, 8))
    several[2] = rng.uniform(6, 9)  # the largest is neither the first nor the last
    for a in (np.array([0.1, 2.0]), several):
        hint = "a step turns pᵢ into (1 − η aᵢ) pᵢ. For which η is every factor between −1 and 1?"
        slips = [(2 / a.min(), f"the flattest direction isn't the one that diverges first. {hint}")]
        what = f"the learning rate for a = {np.round(a, 3).tolist()}"
        yield Case((a,), 2 / a.max(), what, hint, slips)


@exercise("the old velocity times μ, minus the gradient times η, moves the parameter.")
def momentum_step(rng):
    """Check a function (p, v, g, lr, mu) that returns the new p and the new v."""
    for shape in ((4,), (2, 3)):
        p, v, g = rng.normal(size=(3, *shape))
        lr, mu = rng.uniform(0.05, 0.5), rng.uniform(0.3, 0.95)
        new = mu * v - lr * g
        sign = "v ← μ v − η g: the gradient is subtracted, as it points uphill."
        yield Case(
            (p, v, g, lr, mu),
            (p + new, new),
            ("the new parameter", "the new velocity"),
            (
                "p ← p + v, with the new velocity.",
                "v ← μ v − η g: μ multiplies the old velocity, the gradient is subtracted.",
            ),
            (
                [
                    (new, "they are the other way round: the new parameter comes first."),
                    (p - new, "v holds the minus sign already: p ← p + v."),
                    (p + v, "p moves by the new velocity, not by the old one."),
                    (p + mu * v + lr * g, sign),
                ],
                [(mu * v + lr * g, sign), (v - lr * g, "μ multiplies the old velocity.")],
            ),
        )


@exercise(
    "0.1 g / √(0.001 g²) = 3.16: without the correction the first step is three times as long.",
    kind="",
    rtol=2e-3,
    atol=0,
    paper=True,
)
def first_step(rng):
    """Check the length of Adam's first step without bias correction, in learning rates."""
    yield Case(
        (),
        0.1 / np.sqrt(0.001),
        "the length (to three digits)",
        "in the first step m = (1 − β₁) g and v = (1 − β₂) g². What is |m| / √v? The gradient "
        "cancels.",
        [
            (1, "this is the length with the correction."),
            (100, "v is under a root."),
            (np.sqrt(0.001) / 0.1, "m is divided by √v, not the reverse."),
            (-np.sqrt(10), "a length is positive."),
        ],
    )


@checked("your optimizer takes the same steps as sign-SGD, in place, for every parameter.", "class")
def sign_sgd(answer: type) -> None:
    """Check a class SignSGD(lr) with update(params, grads)."""
    rng = np.random.default_rng()
    lr = rng.uniform(0.05, 0.5)
    optimizer = answer(lr=lr)
    params = _params(rng)
    for step in (1, 2):
        grads = _grads(rng)
        grads["b"][0] = 0.0
        expected = {key: p - lr * np.sign(grads[key]) for key, p in params.items()}
        _update(optimizer, params, grads)
        for key, p in params.items():
            what = f"params[{key!r}] after {step} update{'s' if step > 1 else ''}"
            same(p, expected[key], what, _sign_hint(p, expected[key], grads[key]))


def _sign_hint(got, expected, g):
    if np.allclose(got[g != 0], expected[g != 0]):
        return "what is done where the gradient is 0? There the sign is 0, and the parameter stays."
    return "the step is η times the sign, downhill: its length isn't the gradient's."


@checked("five updates of three parameters agree with AMSGrad's formulas.", "class")
def amsgrad(answer: type) -> None:
    """Check a class AMSGrad(lr, beta1, beta2) with update(params, grads)."""
    rng = np.random.default_rng()
    lr, beta1, beta2 = rng.uniform(0.05, 0.5), rng.uniform(0.5, 0.9), rng.uniform(0.5, 0.9)
    answer(lr=lr, beta1=beta1, beta2=beta2).update(_params(rng), _grads(rng))  # leaves no trace
    optimizer = answer(lr=lr, beta1=beta1, beta2=beta2)
    params = _params(rng)
    memory = {key: np.zeros((3, *p.shape)) for key, p in params.items()}
    expected = {key: p.copy() for key, p in params.items()}
    for step in range(1, 6):
        grads = {key: g * 4.0 ** (2 - step) for key, g in _grads(rng).items()}  # v falls in the end
        _update(optimizer, params, grads)
        for key, p in params.items():
            m, v, u = memory[key]
            g = grads[key]
            m[...] = beta1 * m + (1 - beta1) * g
            v[...] = beta2 * v + (1 - beta2) * g * g
            u[...] = np.maximum(u, v)
            expected[key] -= lr * m / (np.sqrt(u) + EPSILON)
            what = f"params[{key!r}] after {step} update{'s' if step > 1 else ''}"
            same(p, expected[key], what, _amsgrad_hint(step), rtol=1e-5, atol=1e-7)


def _amsgrad_hint(step):
    if step == 1:
        return (
            "after one update m = (1 − β₁) g, and u = v = (1 − β₂) g². Is there a correction "
            "that doesn't belong, or a memory that another optimizer of the class has filled?"
        )
    return (
        "the first update is right. Are m, v and u kept from update to update, a set for each key, "
        "and is u the largest v so far, elementwise?"
    )


@checked("below 1e-4 in time: the walk is faster than any SGD.", "function")
def race(answer: Callable) -> None:
    """Check a function that returns an optimizer: it must reach the valley's floor in time."""
    optimizer = returned(answer())
    expect(
        not isinstance(optimizer, type) and callable(getattr(optimizer, "update", None)),
        "return an optimizer, such as SGD(lr=0.9), got "
        + (
            f"the class {optimizer.__name__}: call it."
            if isinstance(optimizer, type)
            else f"{type(optimizer).__name__}."
        ),
    )
    expect(
        answer() is not optimizer,
        "a second call returns the same optimizer, with what it remembers of the first walk: make "
        "a new one within the function.",
    )
    _walk(optimizer, np.zeros(2), "")
    # The same valley elsewhere: an optimizer that doesn't follow the gradient misses its floor.
    rng = np.random.default_rng()
    for _ in range(2):
        minimum = rng.uniform(3, 9, 2) * rng.choice([-1, 1], 2)
        where = "it must follow the gradient alone: with the whole valley moved aside, "
        _walk(answer(), minimum, where)


def _walk(optimizer, minimum, where):
    """Expect that the walk ends below HEIGHT in a valley with this minimum."""
    params = {name: np.array([p + m]) for name, p, m in zip("xy", START, minimum, strict=True)}
    for _ in range(STEPS):
        x, y = (params[name] - m for name, m in zip("xy", minimum, strict=True))
        _update(optimizer, params, {"x": x / 10, "y": 2 * y}, in_place=False)
    x, y = (float((params[name] - m)[0]) for name, m in zip("xy", minimum, strict=True))
    height = x**2 / 20 + y**2
    if abs(y) > abs(x) or not np.isfinite(height):
        hint = "it still oscillates across the valley: a smaller learning rate, or less momentum."
    else:
        hint = (
            "along the valley it is too slow, or it ran past the minimum and is coming back. "
            "Momentum with another coefficient than 0.9 may help; look at x step by step."
        )
    expect(
        height < HEIGHT,
        f"{where}after {STEPS} steps the height is {height:.2g} at ({x:.3g}, {y:.3g}) from the "
        f"minimum; it must be below {HEIGHT:g}. Hint: {hint}",
    )


def _params(rng):
    return {"W": rng.normal(size=(2, 3)), "b": rng.normal(size=3), "gamma": rng.normal(size=1)}


def _grads(rng):
    """Return gradients none of which is near 0, where rounding and ε would count."""
    return {
        key: rng.choice([-1.0, 1.0], size=p.shape) * rng.uniform(0.5, 2, size=p.shape)
        for key, p in _params(rng).items()
    }


def _update(optimizer, params, grads, in_place=True):
    """Let `optimizer` take a step, and look whether it kept to what update promises."""
    arrays, before = dict(params), {key: p.copy() for key, p in params.items()}
    given = {key: g.copy() for key, g in grads.items()}
    result = optimizer.update(params, grads)
    if not in_place:
        return
    for key, array in arrays.items():
        expect(key in params, f"params[{key!r}] is gone after the update.")
        expect(
            params[key] is array,
            f"params[{key!r}] is a new array after the update: change the one that is there, "
            "with -= in place of = … − ….",
        )
        same(grads[key], given[key], f"grads[{key!r}], which update must leave as it is")
    if all(np.array_equal(params[key], before[key]) for key in params):
        expect(
            result is not None,
            "update left all parameters as they were. Does it change a copy in place of the arrays "
            "of params?",
        )
        raise Wrong(
            "update returned something and left params as they were: it must change the arrays of "
            "params in place, with -=, and return nothing."
        )
