"""The checks of notebook 09 accept right answers, and say what is wrong with wrong ones."""

import numpy as np
import pytest

from common.exercises import notebook_09 as check
from common.optimizer import SGD, AdaGrad, Adam, Momentum, RMSprop


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


def sign_sgd(direction):
    return type("Mine", (SignSGD,), {"direction": lambda self, g: direction(g)})


def assigning(update):
    return type("Mine", (SignSGD,), {"update": update})


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


def amsgrad(enlarge):
    return type("Mine", (AMSGrad,), {"enlarge": lambda self, u, v: enlarge(u, v)})


class ByLists(AMSGrad):
    def update(self, params, grads):
        for key in params:
            history = self.memories.setdefault(key, [])
            history.append(grads[key].copy())
            m, v, u = np.zeros((3, *grads[key].shape))
            for g in history:
                m, v = (b * a + (1 - b) * x for b, a, x in self.moments(m, v, g))
                u = np.where(v > u, v, u)
            params[key][...] -= self.lr * m / (u**0.5 + 1e-7)

    def moments(self, m, v, g):
        return (self.beta1, m, g), (self.beta2, v, g * g)


class HeavyBall(SignSGD):
    def __init__(self, lr=0.01):
        self.lr, self.v = lr, {}

    def update(self, params, grads):
        for key, p in params.items():
            self.v[key] = 0.5 * self.v.get(key, 0) + grads[key]
            p -= self.lr * self.v[key]


def racer():
    return Momentum(lr=1.3, momentum=0.4)


USED = racer()
RIGHT = {
    "largest_rate": [
        lambda a: 2 / max(a),
        lambda a: [2 / a.max()][0],
        lambda a: min(2 / x for x in a),
    ],
    "momentum_step": [
        momentum_step,
        lambda p, v, g, lr, mu: [p + mu * v - lr * g, mu * v - lr * g],
        lambda p, v, g, lr, mu: np.array([p + (mu * v - lr * g), -(lr * g - mu * v)]),
    ],
    "first_step": [np.sqrt(10), 3.16, [3.1623]],
    "amsgrad": [AMSGrad, ByLists, amsgrad(lambda u, v: u.__iadd__(np.clip(v - u, 0, None)))],
    "race": [racer, lambda: RMSprop(lr=0.3), lambda: AdaGrad(lr=4)],
    "own_optimizer": [SignSGD, HeavyBall, AMSGrad, Adam, sign_sgd(np.tanh)],
}


@pytest.mark.parametrize(("name", "answer"), [(n, a) for n, every in RIGHT.items() for a in every])
def test_right(name, answer):
    for _ in range(5):
        verdict = getattr(check, name)(answer)
        assert verdict, verdict.message


def step_in_place(p, v, g, lr, mu):
    v *= mu
    v -= lr * g
    p += v
    return p, v


def new_arrays(self, params, grads):
    for key in params:
        params[key] = params[key] - self.lr * np.sign(grads[key])


def returns(self, params, grads):
    return {key: p - self.lr * np.sign(grads[key]) for key, p in params.items()}


def copies(self, params, grads):
    for key, p in params.items():
        p = p - self.lr * np.sign(grads[key])


def zeros(self, params, grads):
    for p in params.values():
        p[...] = 0


def shrinks(self, params, grads):
    for p in params.values():
        p *= 0.5


class Forgets(AMSGrad):
    def update(self, params, grads):
        self.memories = {}
        super().update(params, grads)


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


class WithoutRate:
    update = SignSGD.update
    direction = SignSGD.direction

    def __init__(self, lr=0.01):
        self.rate = lr


class OneMemory(SignSGD):
    m = 0

    def update(self, params, grads):
        for key, p in params.items():
            self.m = 0.9 * self.m + grads[key]
            p -= self.lr * self.m


WRONG = {
    "largest_rate": [
        (lambda a: 2 / min(a), "every factor"),
        (lambda a: 1 / max(a), "with oscillation"),
        (lambda a: 2 / (min(a) + max(a)), "the best learning rate"),
        (lambda a: 2 / a[-1], "every factor"),
        (lambda a: 2 / sum(a), "every factor"),
        (lambda a: 2 / a, "must be one number"),
    ],
    "momentum_step": [
        (lambda p, v, g, lr, mu: (p + mu * v + lr * g, mu * v + lr * g), "is subtracted"),
        (lambda p, v, g, lr, mu: (p - mu * v + lr * g, mu * v - lr * g), "minus sign"),
        (lambda p, v, g, lr, mu: (p - lr * (mu * v + g), mu * v + g), "PyTorch's velocity"),
        (lambda *a: momentum_step(*a)[::-1], "are swapped"),
        (lambda p, v, g, lr, mu: (p + v, mu * v - lr * g), "not by the old one"),
        (step_in_place, "changes the array"),
        (lambda p, v, g, lr, mu: p - lr * g, "must be 2 values"),
    ],
    "first_step": [
        (1.0, "with the bias correction"),
        (100, "v is under a root"),
        (0.316, "not the reverse"),
        (-3.162, "a length is positive"),
        ([3.16, 1.0], "one number"),
    ],
    "amsgrad": [
        (Forgets, "kept from update to update"),
        (amsgrad(lambda u, v: u.__setitem__(..., max(u.max(), v.max()))), "after 1 update"),
        (amsgrad(lambda u, v: u.__setitem__(..., v)), "the largest v so far"),
        (Shared, "another optimizer of the class"),
        (Corrected, "a bias correction"),
    ],
    "race": [
        (lambda: SGD(lr=0.95), "after 25 steps"),
        (lambda: SGD(lr=0.5), "too slow"),
        (lambda: SGD(lr=1.5), "oscillates across"),
        (lambda: 3, "return an optimizer"),
        (lambda: Momentum, "the class Momentum: call it"),
        (lambda: USED, "the same optimizer"),
        (lambda: assigning(zeros)(), "must follow the gradient"),
        (lambda: Adam(lr=1e-3), "too slow"),
    ],
    "own_optimizer": [
        (assigning(zeros), "unchanged"),
        (assigning(shrinks), "must be below 0.05"),
        (sign_sgd(lambda g: -np.sign(g)), "Is the sign right"),
        (sign_sgd(lambda g: g), "these are the steps of SGD"),
        (SGD, "these are the steps of SGD"),
        (sign_sgd(lambda g: np.sign(g, out=g)), "must leave unchanged"),
        (sign_sgd(lambda g: np.random.normal(size=g.shape)), "different steps"),
        (assigning(new_arrays), "is a new array"),
        (assigning(copies), "not a copy"),
        (assigning(returns), "needn't return"),
        (Shared, "different steps"),
        (WithoutRate, "as self.lr"),
        (OneMemory, "your code raised ValueError"),
        (SignSGD(), "give the class itself"),
    ],
}


@pytest.mark.parametrize(
    ("name", "answer", "hint"), [(n, *w) for n, ws in WRONG.items() for w in ws]
)
def test_wrong(name, answer, hint):
    verdict = getattr(check, name)(answer)
    assert not verdict
    assert hint in verdict.message
