"""The checks of notebook 10 accept right answers, and say what is wrong with wrong ones."""

import numpy as np
import pytest

from common.exercises import notebook_10 as check


def log_uniform(low, high, rng):
    return 10 ** rng.uniform(np.log10(low), np.log10(high))


def log_uniform_with_e(low, high, rng):
    return np.exp(rng.uniform(np.log(low), np.log(high)))


def leaky_std(n, a):
    return np.sqrt(2 / (n * (1 + a**2)))


def split(x, t, share, rng):
    order = rng.permutation(len(x))
    count = round(share * len(x))
    val, train = order[:count], order[count:]
    return (x[train], t[train]), (x[val], t[val])


def split_by_choice(x, t, share, rng):
    val = rng.choice(len(x), int(np.rint(share * len(x))), replace=False)
    rest = np.setdiff1d(np.arange(len(x)), val)
    return (x[rest], t[rest]), (x[val], t[val])


def inverted_dropout(x, r, rng):
    mask = rng.random(x.shape) >= r
    return x * mask / (1 - r), mask


def dropout_of_numbers(x, r, rng):
    mask = rng.binomial(1, 1 - r, x.shape)
    return x * mask / (1 - r), mask


def batch_norm_backward(g, x, gamma):
    dgamma, dbeta = ((g * normalized(x)).sum(axis=0), g.sum(axis=0))
    dx = gamma / sigma(x) * (g - dbeta / len(x) - normalized(x) * dgamma / len(x))
    return dx, dgamma, dbeta


def sigma(x):
    return np.sqrt(x.var(axis=0) + 1e-6)


def normalized(x):
    return (x - x.mean(axis=0)) / sigma(x)


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        (check.log_uniform, log_uniform),
        (check.log_uniform, log_uniform_with_e),
        (check.leaky_std, leaky_std),
        (check.split, split),
        (check.split, split_by_choice),
        (check.inverted_dropout, inverted_dropout),
        (check.inverted_dropout, dropout_of_numbers),
        (check.batch_norm_backward, batch_norm_backward),
    ],
)
def test_right(exercise, answer):
    for _ in range(5):
        verdict = exercise(answer)
        assert verdict, verdict.message


def uniform(low, high, rng):
    return rng.uniform(low, high)


def exponent(low, high, rng):
    return rng.uniform(np.log10(low), np.log10(high))


def whole(low, high, rng):
    return low * 10.0 ** rng.integers(np.log10(high / low) + 1)


def always_alike(low, high, rng):
    return log_uniform(low, high, np.random.default_rng(0))


def other_generator(low, high, rng):
    return log_uniform(low, high, np.random.default_rng())


def many(low, high, rng):
    return log_uniform(low, high, rng) * np.ones(3)


def first_ones(x, t, share, rng):
    count = round(share * len(x))
    return (x[count:], t[count:]), (x[:count], t[:count])


def torn(x, t, share, rng):
    (x_train, _), (x_val, _) = split(x, t, share, rng)
    (_, t_train), (_, t_val) = split(x, t, share, rng)
    return (x_train, t_train), (x_val, t_val)


def overlapping(x, t, share, rng):
    count = round(share * len(x))
    val, train = rng.integers(len(x), size=count), rng.permutation(len(x))[count:]
    return (x[train], t[train]), (x[val], t[val])


def swapped(x, t, share, rng):
    return split(x, t, share, rng)[::-1]


def shuffled_in_place(x, t, share, rng):
    order = rng.permutation(len(x))
    x[:], t[:] = x[order], t[order]
    return first_ones(x, t, share, rng)


def every_third(x, t, share, rng):
    chosen = np.arange(len(x)) * round(share * len(x)) // len(x)
    val = np.append(np.diff(chosen), 1) > 0
    return (x[~val], t[~val]), (x[val], t[val])


def of_all_alike(x, t, share, rng):
    return split(x, t, share, np.random.default_rng(0))


def of_another_generator(x, t, share, rng):
    return split(x, t, share, np.random.default_rng())


def by_kind(x, t, share, rng):
    (x_train, t_train), (x_val, t_val) = split(x, t, share, rng)
    return (x_train, x_val), (t_train, t_val)


def too_few(x, t, share, rng):
    (x_train, t_train), val = split_by_choice(x, t, share, rng)
    return (x_train[:-1], t_train[:-1]), val


def keeps_too_few(x, r, rng):
    mask = rng.random(x.shape) < r
    return x * mask / (1 - r), mask


def unscaled(x, r, rng):
    mask = rng.random(x.shape) >= r
    return x * mask, mask


def scaled_mask(x, r, rng):
    mask = (rng.random(x.shape) >= r) / (1 - r)
    return x * mask, mask


def one_mask_for_all_rows(x, r, rng):
    mask = np.ones(x.shape) * (rng.random(x.shape[1]) >= r)
    return x * mask / (1 - r), mask


def one_mask_for_all_columns(x, r, rng):
    mask = np.ones(x.shape) * (rng.random((len(x), 1)) >= r)
    return x * mask / (1 - r), mask


def flat_mask(x, r, rng):
    mask = rng.random(x.shape[1]) >= r
    return x * mask / (1 - r), mask


def by_another_generator(x, r, rng):
    return inverted_dropout(x, r, np.random.default_rng())


def one_seed(x, r, rng):
    return inverted_dropout(x, r, np.random.default_rng(0))


def straight(g, x, gamma):
    return gamma * g / sigma(x), (g * normalized(x)).sum(axis=0), g.sum(axis=0)


def no_sigma(g, x, gamma):
    dx, dgamma, dbeta = straight(g, x, gamma)
    return dx - dx.mean(axis=0), dgamma, dbeta


def means(g, x, gamma):
    dx, dgamma, dbeta = batch_norm_backward(g, x, gamma)
    return dx, dgamma / len(x), dbeta / len(x)


def without_epsilon(g, x, gamma):
    sigma = x.std(axis=0)
    x_hat = (x - x.mean(axis=0)) / sigma
    dgamma, dbeta = (g * x_hat).sum(axis=0), g.sum(axis=0)
    return gamma / sigma * (g - dbeta / len(x) - x_hat * dgamma / len(x)), dgamma, dbeta


def gamma_forgotten(g, x, gamma):
    return batch_norm_backward(g, x, np.ones_like(gamma))


def in_another_order(g, x, gamma):
    return batch_norm_backward(g, x, gamma)[::-1]


def changes_x(g, x, gamma):
    result = batch_norm_backward(g, x, gamma)
    x -= x.mean(axis=0)
    return result


def x_itself(g, x, gamma):
    dx, _, dbeta = batch_norm_backward(g, x, gamma)
    return dx, (g * x).sum(axis=0), dbeta


@pytest.mark.parametrize(
    ("exercise", "wrong", "helpful"),
    [
        (check.log_uniform, uniform, "draw the exponent uniformly"),
        (check.log_uniform, exponent, "10 ** exponent"),
        (check.log_uniform, many, "return one number"),
        (check.log_uniform, whole, "need not be whole"),
        (check.log_uniform, always_alike, "draw anew"),
        (check.log_uniform, other_generator, "the same seed"),
        (check.leaky_std, lambda n, a: np.sqrt(2 / n), "nothing is lost"),
        (check.leaky_std, lambda n, a: np.sqrt(1 / n), "He's values"),
        (check.leaky_std, lambda n, a: np.sqrt(2 / (n * (1 + a))), "its square"),
        (check.split, first_ones, "sorted by class"),
        (check.split, torn, "the same permutation"),
        (check.split, overlapping, "twice"),
        (check.split, swapped, "of validation"),
        (check.split, shuffled_in_place, "was changed"),
        (check.split, every_third, "a second call"),
        (check.split, of_all_alike, "a second call"),
        (check.split, of_another_generator, "the same seed"),
        (check.split, by_kind, "make a pair"),
        (check.split, lambda x, t, share, rng: split(t, x, share, rng), "make a pair"),
        (check.split, too_few, "before rounding"),
        (check.split, lambda x, t, share, rng: x, "two pairs"),
        (check.inverted_dropout, keeps_too_few, "is switched off"),
        (check.inverted_dropout, unscaled, "divided by the probability"),
        (check.inverted_dropout, scaled_mask, "the scale isn't part of it"),
        (check.inverted_dropout, one_mask_for_all_rows, "all rows"),
        (check.inverted_dropout, one_mask_for_all_columns, "all columns"),
        (check.inverted_dropout, flat_mask, "a mask of its own"),
        (check.inverted_dropout, lambda *a: inverted_dropout(*a)[::-1], "in this order"),
        (check.inverted_dropout, by_another_generator, "the same seed"),
        (check.inverted_dropout, one_seed, "the same mask"),
        (check.inverted_dropout, lambda x, r, rng: x, "two things"),
        (check.batch_norm_backward, straight, "μ and σ depend on x too"),
        (check.batch_norm_backward, no_sigma, "the path through σ is missing"),
        (check.batch_norm_backward, without_epsilon, "is the 1e-6 under the root"),
        (check.batch_norm_backward, gamma_forgotten, "ĝ = γ g"),
        (check.batch_norm_backward, in_another_order, "the last of the three"),
        (check.batch_norm_backward, changes_x, "x was changed"),
        (check.batch_norm_backward, means, "sum over the batch"),
        (check.batch_norm_backward, x_itself, "not x"),
    ],
)
def test_wrong(exercise, wrong, helpful):
    verdict = exercise(wrong)
    assert not verdict
    assert helpful in verdict.message
