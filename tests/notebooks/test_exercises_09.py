"""The checks of notebook 09 accept right answers, and say what is wrong with wrong ones."""

import numpy as np
import pytest

from common.exercises import notebook_09 as check
from common.optimizer import SGD, Momentum


def momentum_step(p, v, g, lr, mu):
    v = mu * v - lr * g
    return p + v, v


class SignSGD:
    def __init__(self, lr=0.01):
        self.lr = lr

    def update(self, params, grads):
        for key, p in params.items():
            p -= self.lr * self.direction(grads[key])

    def direction(self, g):
        return np.sign(g)


class AMSGrad:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999):
        self.lr, self.beta1, self.beta2 = lr, beta1, beta2
        self.memories = {}

    def update(self, params, grads):
        for key, p in params.items():
            m, v, u = self.memories.setdefault(key, [np.zeros_like(p) for _ in range(3)])
            m += (1 - self.beta1) * (grads[key] - m)
            v += (1 - self.beta2) * (grads[key] ** 2 - v)
            self.enlarge(u, v)
            p -= self.lr * m / (np.sqrt(u) + 1e-7)

    def enlarge(self, u, v):
        np.maximum(u, v, out=u)


def racer():
    return Momentum(lr=1.3, momentum=0.4)


USED = racer()
RIGHT = [
    (check.largest_rate, lambda a: 2 / max(a)),
    (check.momentum_step, momentum_step),
    (check.first_step, np.sqrt(10)),
    (check.first_step, 3.16),
    (check.sign_sgd, SignSGD),
    (check.amsgrad, AMSGrad),
    (check.race, racer),
]


@pytest.mark.parametrize(("exercise", "answer"), RIGHT)
def test_right(exercise, answer):
    for _ in range(5):
        verdict = exercise(answer)
        assert verdict, verdict.message


def step_up(p, v, g, lr, mu):
    v = mu * v + lr * g
    return p + v, v


def step_back(p, v, g, lr, mu):
    v = mu * v - lr * g
    return p - v, v


def step_in_place(p, v, g, lr, mu):
    v *= mu
    v -= lr * g
    p += v
    return p, v


class NewArrays(SignSGD):
    def update(self, params, grads):
        for key in params:
            params[key] = params[key] - self.lr * np.sign(grads[key])


class Returns(SignSGD):
    def update(self, params, grads):
        return {key: p - self.lr * np.sign(grads[key]) for key, p in params.items()}


class Divides(SignSGD):
    def direction(self, g):
        with np.errstate(invalid="ignore"):
            return g / np.abs(g)


class NeverZero(SignSGD):
    def direction(self, g):
        return np.where(g >= 0, 1.0, -1.0)


class Uphill(SignSGD):
    def direction(self, g):
        return -np.sign(g)


class Copies(SignSGD):
    def update(self, params, grads):
        for key, p in params.items():
            p = p - self.lr * np.sign(grads[key])


class PlainSGD(SignSGD):
    def direction(self, g):
        return g


class ChangesGrads(SignSGD):
    def direction(self, g):
        return np.sign(g, out=g)


class Forgets(AMSGrad):
    def update(self, params, grads):
        self.memories = {}
        super().update(params, grads)


class OneMaximum(AMSGrad):
    def enlarge(self, u, v):
        u[...] = max(u.max(), v.max())


class NoMaximum(AMSGrad):
    def enlarge(self, u, v):
        u[...] = v


class Shared(AMSGrad):
    everybodys = {}  # noqa: RUF012 - the mistake that is tested

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999):
        super().__init__(lr, beta1, beta2)
        self.memories = self.everybodys


class Corrected(AMSGrad):
    def update(self, params, grads):
        self.memories.setdefault("t", 0)
        self.memories["t"] += 1
        lr, t = self.lr, self.memories["t"]
        self.lr = lr * np.sqrt(1 - self.beta2**t) / (1 - self.beta1**t)
        super().update(params, grads)
        self.lr = lr


@pytest.mark.parametrize(
    ("exercise", "wrong", "helpful"),
    [
        (check.largest_rate, lambda a: 2 / min(a), "every factor"),
        (check.largest_rate, lambda a: 1 / max(a), "between −1 and 1"),
        (check.largest_rate, lambda a: 2 / a[-1], "every factor"),
        (check.largest_rate, lambda a: 2 / sum(a), "every factor"),
        (check.momentum_step, step_up, "the gradient is subtracted"),
        (check.momentum_step, step_back, "minus sign"),
        (check.momentum_step, lambda *a: momentum_step(*a)[::-1], "the other way round"),
        (check.momentum_step, lambda p, v, g, lr, mu: (p + v, mu * v - lr * g), "new velocity"),
        (check.momentum_step, step_in_place, "changes the array"),
        (check.momentum_step, lambda p, v, g, lr, mu: p - lr * g, "must be 2 values"),
        (check.first_step, 1.0, "with the correction"),
        (check.first_step, 100, "v is under a root"),
        (check.first_step, [3.16, 1.0], "one number"),
        (check.sign_sgd, NewArrays, "is a new array"),
        (check.sign_sgd, Returns, "return nothing"),
        (check.sign_sgd, Divides, "where the gradient is 0"),
        (check.sign_sgd, NeverZero, "where the gradient is 0"),
        (check.sign_sgd, Uphill, "downhill"),
        (check.sign_sgd, Copies, "a copy"),
        (check.sign_sgd, PlainSGD, "isn't the gradient's"),
        (check.sign_sgd, ChangesGrads, "must leave as it is"),
        (check.amsgrad, Forgets, "kept from update to update"),
        (check.amsgrad, OneMaximum, "after 1 update"),
        (check.amsgrad, NoMaximum, "the largest v so far"),
        (check.amsgrad, Shared, "another optimizer of the class"),
        (check.amsgrad, Corrected, "a correction that doesn't belong"),
        (check.race, lambda: SGD(lr=0.95), "another coefficient than 0.9"),
        (check.race, lambda: SGD(lr=0.5), "too slow"),
        (check.race, lambda: SGD(lr=1.5), "oscillates across"),
        (check.race, lambda: 3, "return an optimizer"),
        (check.race, lambda: Momentum, "the class Momentum: call it"),
        (check.race, lambda: USED, "the same optimizer"),
    ],
)
def test_wrong(exercise, wrong, helpful):
    verdict = exercise(wrong)
    assert not verdict
    assert helpful in verdict.message
