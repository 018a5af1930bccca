"""Checks for the exercises of notebook 09, optimizers."""

from collections.abc import Callable

import numpy as np

from common.exercises.verdict import Case, checked, exercise, expect, returned, same

__all__ = [
    "amsgrad",
    "first_step",
    "largest_rate",
    "momentum_step",
    "own_optimizer",
    "race",
]

EPSILON = 1e-7
START, STEPS, HEIGHT = (-7.0, 2.0), 25, 1e-4  # of the race


@exercise("SGD's factor in direction i is 1 − η aᵢ; the steepest direction decides.")
def largest_rate(rng):
    """Check a function of the curvatures that returns the learning rate where SGD diverges."""
    several = rng.uniform(0.1, 5, size=rng.integers(5, 8))
    several[2] = rng.uniform(6, 9)  # the largest is neither the first nor the last
    for a in (np.array([0.1, 2.0]), several):
        hint = "a step turns pᵢ into (1 − η aᵢ) pᵢ. For which η is every factor between −1 and 1?"
        slips = [
            (rate, f"{message} {hint}")
            for rate, message in (
                (2 / a.min(), "the flattest direction isn't the first to diverge."),
                (2 / (a.min() + a.max()), "this is the best learning rate, not the largest."),
                (1 / a.max(), "SGD still converges beyond this one, with oscillation."),
            )
        ]
        what = f"the learning rate for a = {np.round(a, 3).tolist()}"
        yield Case((a,), 2 / a.max(), what, hint, slips)


@exercise("μ times the old velocity, minus η times the gradient, moves the parameter.")
def momentum_step(rng):
    """Check a function (p, v, g, lr, mu) that returns the new p and the new v."""
    for shape in ((4,), (2, 3)):
        p, v, g = rng.normal(size=(3, *shape))
        lr, mu = rng.uniform(0.05, 0.5), rng.uniform(0.3, 0.95)
        new = mu * v - lr * g
        sign = "v ← μ v − η g: the gradient is subtracted, since it points uphill."
        pytorch = "in this notebook v contains the learning rate, which PyTorch's velocity doesn't."
        yield Case(
            (p, v, g, lr, mu),
            (p + new, new),
            ("the new parameter", "the new velocity"),
            ("p ← p + v, with the new velocity.", "v ← μ v − η g: μ multiplies the old velocity."),
            (
                [
                    (new, "the two are swapped: the new parameter comes first."),
                    (p - new, "v contains the minus sign already: p ← p + v."),
                    (p + v, "p moves by the new velocity, not by the old one."),
                    (p + mu * v + lr * g, sign),
                    (p - lr * (mu * v + g), pytorch),
                ],
                [(mu * v + lr * g, sign), (v - lr * g, "μ multiplies the old velocity.")],
            ),
        )


@exercise(
    "0.1 g / √(0.001 g²) = 3.16: without bias correction the first step is three times as long.",
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
            (1, "this is the length with the bias correction."),
            (100, "v is under a root."),
            (np.sqrt(0.001) / 0.1, "m is divided by √v, not the reverse."),
            (-np.sqrt(10), "a length is positive."),
        ],
    )


@checked("five updates of three parameters agree with AMSGrad's formulas.", "class")
def amsgrad(answer: type) -> None:
    """Check a class AMSGrad(lr, beta1, beta2) with update(params, grads)."""
    rng = np.random.default_rng()
    lr, beta1, beta2 = rng.uniform(0.05, 0.5), rng.uniform(0.5, 0.9), rng.uniform(0.5, 0.9)
    answer(lr=lr, beta1=beta1, beta2=beta2).update(_params(rng), _grads(rng))  # leaves no trace
    optimizer, params = answer(lr=lr, beta1=beta1, beta2=beta2), _params(rng)
    memory = {key: np.zeros((3, *p.shape)) for key, p in params.items()}
    expected = {key: p.copy() for key, p in params.items()}
    hint = (
        "after one update m = (1 − β₁) g, and u = v = (1 − β₂) g². Is there a bias correction, or "
        "a memory that another optimizer of the class has filled?"
    )
    for step in range(1, 6):
        grads = {key: g * 4.0 ** (2 - step) for key, g in _grads(rng).items()}  # v falls in the end
        _update(optimizer, params, grads)
        for key, p in params.items():
            (m, v, u), g = memory[key], grads[key]
            m[...] = beta1 * m + (1 - beta1) * g
            v[...] = beta2 * v + (1 - beta2) * g * g
            u[...] = np.maximum(u, v)
            expected[key] -= lr * m / (np.sqrt(u) + EPSILON)
            what = f"params[{key!r}] after {step} update{'s' if step > 1 else ''}"
            same(p, expected[key], what, hint, rtol=1e-5, atol=1e-7)
        hint = (
            "the first update is right. Are m, v and u kept from update to update, separately for "
            "each key, and is u the largest v so far, elementwise?"
        )


@checked("below 1e-4 in time: no SGD is as fast here.", "function")
def race(answer: Callable) -> None:
    """Check a function that returns an optimizer: it must reach the valley's floor in time."""
    optimizer = returned(answer())
    kind = type(optimizer).__name__
    if isinstance(optimizer, type):
        kind = f"the class {optimizer.__name__}: call it"
    expect(
        not isinstance(optimizer, type) and callable(getattr(optimizer, "update", None)),
        f"return an optimizer, such as SGD(lr=0.9), got {kind}.",
    )
    expect(
        answer() is not optimizer,
        "a second call returns the same optimizer, with its memories of the first path. Hint: "
        "create a new one in the function.",
    )
    _walk(optimizer, np.zeros(2), "")
    # The same valley elsewhere: an optimizer that doesn't follow the gradient misses its floor.
    rng = np.random.default_rng()
    for _ in range(2):
        minimum = rng.uniform(3, 9, 2) * rng.choice([-1, 1], 2)
        _walk(answer(), minimum, "it must follow the gradient: with the whole valley shifted, ")


def _walk(optimizer, minimum, where):
    """Expect that the walk ends below HEIGHT in a valley with this minimum."""
    params = {name: np.array([p + m]) for name, p, m in zip("xy", START, minimum, strict=True)}
    for _ in range(STEPS):
        x, y = (params[name] - m for name, m in zip("xy", minimum, strict=True))
        optimizer.update(params, {"x": x / 10, "y": 2 * y})
    x, y = (float((params[name] - m)[0]) for name, m in zip("xy", minimum, strict=True))
    height = x**2 / 20 + y**2
    hint = "along the valley it is too slow, or overshot the minimum: look at x step by step."
    if abs(y) > abs(x) or not np.isfinite(height):
        hint = "it still oscillates across the valley: a smaller learning rate, or less momentum."
    expect(
        height < HEIGHT,
        f"{where}after {STEPS} steps the height is {height:.2g} at ({x:.3g}, {y:.3g}) from the "
        f"minimum; it must be below {HEIGHT:g}. Hint: {hint}",
    )


@checked("it descends, in place, and every object has its own memories: let it enter.", "class")
def own_optimizer(answer: type) -> None:
    """Check a class with update(params, grads) and lr that minimizes quadratic functions."""
    rng = np.random.default_rng()
    expect(hasattr(answer(lr=0.1), "lr"), "an optimizer must store its learning rate as self.lr.")
    paths = []
    params, series = _params(rng), [_grads(rng) for _ in range(5)]
    for _ in range(2):
        optimizer, moved = answer(lr=0.1), {key: p.copy() for key, p in params.items()}
        for grads in series:
            _update(optimizer, moved, grads)
        paths.append(np.concatenate([p.ravel() for p in moved.values()]))
    expect(
        np.array_equal(*paths, equal_nan=True),
        "two optimizers of your class take different steps for the same gradients. Hint: memories "
        "belong to the object, so create them in __init__; random numbers need a fixed seed.",
    )
    sgd = np.concatenate([(p - 0.1 * sum(g[k] for g in series)).ravel() for k, p in params.items()])
    expect(not np.allclose(paths[0], sgd), "these are the steps of SGD, which takes part already.")
    for _ in range(2):
        start, minimum = _params(rng), _grads(rng)
        curvature = {key: rng.uniform(1, 20, p.shape) for key, p in start.items()}
        rates = 10.0 ** np.arange(-4, 1.1, 0.5)
        left = [_left(answer(lr=lr), start, minimum, curvature) for lr in rates]
        expect(
            min(left) < 0.05,
            f"after 200 steps, at the best of learning rates from {rates[0]:g} to {rates[-1]:g}, "
            f"{min(left):.2g} of the height of a quadratic function is left; it must be below "
            "0.05. Hint: look at a function of one parameter, step by step. Is the sign right?",
        )


def _left(optimizer, start, minimum, curvature):
    """Return the fraction of the height of Σ a (p − minimum)² / 2 that 200 steps leave."""
    params = {key: p.copy() for key, p in start.items()}

    def height():
        return sum(np.sum(curvature[k] * (p - minimum[k]) ** 2) for k, p in params.items())

    before = height()
    for _ in range(200):
        optimizer.update(params, {k: curvature[k] * (p - minimum[k]) for k, p in params.items()})
    return np.nan_to_num(height() / before, nan=np.inf)


def _params(rng):
    return {"W": rng.normal(size=(2, 3)), "b": rng.normal(size=3), "gamma": rng.normal(size=1)}


def _grads(rng):
    """Return gradients none of which is near 0, where rounding and ε would count."""
    return {
        key: rng.choice([-1.0, 1.0], size=p.shape) * rng.uniform(0.5, 2, size=p.shape)
        for key, p in _params(rng).items()
    }


def _update(optimizer, params, grads):
    """Let `optimizer` take a step, and expect that it keeps to what update promises."""
    arrays, before = dict(params), {key: p.copy() for key, p in params.items()}
    given = {key: g.copy() for key, g in grads.items()}
    optimizer.update(params, grads)
    for key, array in arrays.items():
        expect(
            params.get(key) is array,
            f"params[{key!r}] is a new array after the update, or is gone. Hint: change the array "
            "that is there, with -= in place of = … − ….",
        )
        same(grads[key], given[key], f"grads[{key!r}], which update must leave unchanged")
    expect(
        not all(np.array_equal(params[key], before[key]) for key in params),
        "update left all parameters unchanged. Hint: it must change the arrays of params in "
        "place, not a copy, and needn't return anything.",
    )
