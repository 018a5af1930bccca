"""The checks of notebook 10 accept right answers, and say what is wrong with wrong ones."""

import math
from functools import partial

import numpy as np
import pytest

from common.exercises import notebook_10 as check
from common.layers import BatchNormalization


def log_uniform(low, high, rng):
    return 10 ** rng.uniform(np.log10(low), np.log10(high))


def split(x, t, fraction, rng, count=round):
    order, n = rng.permutation(len(x)), int(count(fraction * len(x)))
    return (x[order[n:]], t[order[n:]]), (x[order[:n]], t[order[:n]])


def split_by_choice(x, t, fraction, rng):
    val = rng.choice(len(x), int(np.rint(fraction * len(x))), replace=False)
    rest = np.setdiff1d(np.arange(len(x)), val)
    return [[x[rest], t[rest]], [x[val], t[val]]]


def inverted_dropout(x, r, rng):
    mask = rng.random(x.shape) >= r
    return x * mask / (1 - r), mask


def dropout_of_numbers(x, r, rng):
    mask = rng.binomial(1, 1 - r, x.shape)
    return [x * mask / (1 - r), mask.astype(np.float32)]


def sigma(x):
    return np.sqrt(x.var(axis=0) + 1e-6)


def normalized(x, s=None):
    return (x - x.mean(axis=0)) / (sigma(x) if s is None else s)


def batch_norm(g, x, gamma, s=sigma):
    x_hat = normalized(x, s(x))
    dgamma, dbeta = (g * x_hat).sum(axis=0), g.sum(axis=0)
    return gamma / s(x) * (g - dbeta / len(x) - x_hat * dgamma / len(x)), dgamma, dbeta


def batch_norm_by_layer(g, x, gamma):
    layer = BatchNormalization(gamma, np.zeros_like(gamma))
    layer.forward(x)
    return [layer.backward(g), layer.dgamma, layer.dbeta]


def batch_norm_by_steps(g, x, gamma):
    n, c, s = len(x), x - x.mean(axis=0), sigma(x)
    dv = -(gamma * g * c).sum(axis=0) / (2 * s**3)
    dc = gamma * g / s + 2 * c * dv / n
    return dc - dc.sum(axis=0) / n, np.einsum("ij,ij->j", g, c / s), np.ones(n) @ g


RIGHT = {
    "log_uniform": [
        log_uniform,
        lambda low, high, rng: math.exp(rng.uniform(math.log(low), math.log(high))),
        lambda low, high, rng: low * (high / low) ** rng.random(1),
    ],
    "leaky_std": [
        lambda n, a: np.sqrt(2 / (n * (1 + a**2))),
        lambda n, a: math.sqrt(2 / n / (1 + a * a)),
        lambda n, a: np.array((n * (1 + a**2) / 2) ** -0.5),
    ],
    "split": [split, split_by_choice, partial(split, count=lambda n: n + 0.5)],
    "inverted_dropout": [
        inverted_dropout,
        dropout_of_numbers,
        lambda x, r, rng: (lambda m: (np.where(m, x / (1 - r), 0), m))(rng.random(x.shape) < 1 - r),
    ],
    "batch_norm_backward": [batch_norm, batch_norm_by_layer, batch_norm_by_steps],
}


@pytest.mark.parametrize(("name", "answer"), [(n, a) for n, every in RIGHT.items() for a in every])
def test_right(name, answer):
    for _ in range(5):
        verdict = getattr(check, name)(answer)
        assert verdict, verdict.message


def first_ones(x, t, fraction, rng):
    n = round(fraction * len(x))
    return (x[n:], t[n:]), (x[:n], t[:n])


def torn(x, t, fraction, rng):
    (x_train, _), (x_val, _) = split(x, t, fraction, rng)
    (_, t_train), (_, t_val) = split(x, t, fraction, rng)
    return (x_train, t_train), (x_val, t_val)


def overlapping(x, t, fraction, rng):
    n = round(fraction * len(x))
    val, train = rng.integers(len(x), size=n), rng.permutation(len(x))[n:]
    return (x[train], t[train]), (x[val], t[val])


def shuffled_in_place(x, t, fraction, rng):
    order = rng.permutation(len(x))
    x[:], t[:] = x[order], t[order]
    return first_ones(x, t, fraction, rng)


def every_third(x, t, fraction, rng):
    chosen = np.arange(len(x)) * round(fraction * len(x)) // len(x)
    val = np.append(np.diff(chosen), 1) > 0
    return (x[~val], t[~val]), (x[val], t[val])


def by_kind(x, t, fraction, rng):
    (x_train, t_train), (x_val, t_val) = split(x, t, fraction, rng)
    return (x_train, x_val), (t_train, t_val)


def too_few(x, t, fraction, rng):
    (x_train, t_train), val = split(x, t, fraction, rng)
    return (x_train[:-1], t_train[:-1]), val


def masked(draw, scale=True):
    """Return dropout with the mask that `draw` makes of x, r and rng."""

    def answer(x, r, rng):
        mask = np.ones(x.shape) * draw(x, r, rng)
        return x * mask / (1 - r if scale else 1), mask

    return answer


def exactly(x, r, rng):
    mask = np.arange(x.size) >= round(r * x.size)
    return rng.permutation(mask).reshape(x.shape)


def exactly_in_each_row(x, r, rng):
    return np.argsort(rng.random(x.shape), axis=1) >= round(r * x.shape[1])


def direct(g, x, gamma):
    return gamma * g / sigma(x), (g * normalized(x)).sum(axis=0), g.sum(axis=0)


def no_path_through_s(g, x, gamma):
    dx, *rest = direct(g, x, gamma)
    return dx - dx.mean(axis=0), *rest


def changed(**parts):
    """Return batch_norm with some of dx, dgamma, dbeta computed otherwise."""

    def answer(g, x, gamma):
        dx, dgamma, dbeta = batch_norm(g, x, gamma)
        right = {"dx": dx, "dgamma": dgamma, "dbeta": dbeta}
        return tuple(parts[n](g, x, gamma) if n in parts else right[n] for n in right)

    return answer


def no_path_through_mu(g, x, gamma):
    dx, *others = batch_norm(g, x, gamma)
    return dx + (gamma * g).mean(axis=0) / sigma(x), *others


def sums_in_dx(g, x, gamma):
    dx, dgamma, dbeta = batch_norm(g, x, gamma)
    return dx - gamma / sigma(x) * (dbeta + normalized(x) * dgamma) * (1 - 1 / len(x))


def changes_x(g, x, gamma):
    result = batch_norm(g, x, gamma)
    x -= x.mean(axis=0)
    return result


def seeded(answer, seed=None):
    return lambda *args: answer(*args[:-1], np.random.default_rng(seed))


WRONG = {
    "log_uniform": [
        (lambda low, high, rng: rng.uniform(low, high), "draw the exponent uniformly"),
        (lambda low, high, rng: rng.uniform(np.log10(low), np.log10(high)), "10 ** exponent"),
        (lambda low, high, rng: np.exp(rng.uniform(np.log10(low), np.log10(high))), "exponent"),
        (lambda *a: log_uniform(*a) * np.ones(3), "return one number"),
        (lambda low, high, rng: low * 10.0 ** rng.integers(3), "isn't limited to integers"),
        (seeded(log_uniform, 0), "draws anew"),
        (seeded(log_uniform), "the same seed"),
    ],
    "leaky_std": [
        (lambda n, a: np.sqrt(2 / n), "it changes nothing"),
        (lambda n, a: np.sqrt(1 / n), "He's rule must come out"),
        (lambda n, a: np.sqrt(2 / (n * (1 + a))), "the other half"),
        (lambda n, a: np.sqrt(2 / n) * (1 - a) + a / np.sqrt(n), "the other half"),
        (lambda n, a: 2 / (n * (1 + a**2)), "this is the variance"),
        (lambda n, a: np.sqrt(2 / (n * (1 + a)) ** 2), "He's rule"),
    ],
    "split": [
        (first_ones, "sorted by class"),
        (torn, "the same permutation"),
        (overlapping, "twice"),
        (lambda *a: split(*a)[::-1], "are for validation"),
        (shuffled_in_place, "changes the array"),
        (every_third, "different seeds"),
        (seeded(split, 0), "different seeds"),
        (seeded(split), "the same seed"),
        (by_kind, "a pair is"),
        (lambda x, t, fraction, rng: split(t, x, fraction, rng), "a pair is"),
        (too_few, "before rounding"),
        (lambda x, t, fraction, rng: x, "2 values"),
        (partial(split, count=int), "nearest integer"),
        (partial(split, count=math.floor), "nearest integer"),
    ],
    "inverted_dropout": [
        (masked(lambda x, r, rng: rng.random(x.shape) < r), "is set to 0"),
        (masked(lambda x, r, rng: rng.random(x.shape) >= r, scale=False), "divide what is kept"),
        (masked(lambda x, r, rng: (rng.random(x.shape) >= r) / (1 - r)), "without the scale"),
        (masked(lambda x, r, rng: rng.random(x.shape[1]) >= r), "all rows"),
        (masked(lambda x, r, rng: rng.random((len(x), 1)) >= r), "all columns"),
        (masked(exactly), "independently"),
        (masked(exactly_in_each_row), "independently"),
        (lambda x, r, rng: (x, rng.random(x.shape[1]) >= r), "a mask of its own"),
        (lambda *a: inverted_dropout(*a)[::-1], "in this order"),
        (seeded(inverted_dropout), "the same seed"),
        (seeded(inverted_dropout, 0), "different seeds"),
        (lambda x, r, rng: x, "2 values"),
    ],
    "batch_norm_backward": [
        (direct, "μ and s depend on x"),
        (no_path_through_s, "the path through s is missing"),
        (no_path_through_mu, "the path through μ is missing"),
        (changed(dx=sums_in_dx), "sums, not means"),
        (partial(batch_norm, s=lambda x: np.sqrt(x.var(axis=0) + 1e-5)), "is it 1e-6"),
        (partial(batch_norm, s=lambda x: np.sqrt(x.var(axis=0, ddof=1) + 1e-6)), "N − 1"),
        (partial(batch_norm, s=lambda x: x.std(axis=0)), "under the root"),
        (partial(batch_norm, s=lambda x: x.std(axis=0) + 1e-6), "under the root"),
        (lambda g, x, gamma: batch_norm(g, x, np.ones_like(gamma)), "by γ first"),
        (lambda *a: batch_norm(*a)[::-1], "∂L/∂x must have shape"),
        (lambda *a: [batch_norm(*a)[i] for i in (0, 2, 1)], "are swapped"),
        (changes_x, "changes the array"),
        (changed(dgamma=lambda g, x, gamma: (g * normalized(x)).mean(axis=0)), "is a sum"),
        (changed(dbeta=lambda g, x, gamma: g.mean(axis=0)), "is a sum"),
        (changed(dgamma=lambda g, x, gamma: (g * x).sum(axis=0)), "not x"),
    ],
}


@pytest.mark.parametrize(
    ("name", "answer", "hint"), [(n, *w) for n, ws in WRONG.items() for w in ws]
)
def test_wrong(name, answer, hint):
    for _ in range(3):
        verdict = getattr(check, name)(answer)
        assert not verdict
        assert hint in verdict.message
