"""Optimizers: six ways to turn a gradient into a step.

All have ``update(params, grads)``, which changes the arrays of the dict `params` in place, given a
dict `grads` of the same keys. What an optimizer remembers from step to step (velocities, sums of
squares) starts at 0 with its first update. p is a parameter, g its gradient, η the learning rate.

``from common.optimizer import *`` also binds ``np``.
"""

import math
from abc import ABC, abstractmethod

import numpy as np

__all__ = ["SGD", "AdaGrad", "Adam", "Momentum", "Nesterov", "RMSprop", "np"]

EPSILON = 1e-7  # added to the root of a sum of squares, so that nothing is divided by 0


class Optimizer(ABC):
    """Base of all optimizers: a subclass says how one parameter takes a step.

    Parameters
    ----------
    lr : float
        Learning rate η.

    Attributes
    ----------
    iter : int
        Updates so far.
    """

    def __init__(self, lr: float):
        self.lr = _checked("lr", lr, 0, np.inf)
        self.iter = 0

    def update(self, params: dict[str, np.ndarray], grads: dict[str, np.ndarray]) -> None:
        """Take one step: change each array of `params` in place.

        Parameters
        ----------
        params : dict of str to ndarray
        grads : dict of str to ndarray
            ∂L/∂params, with the same keys and shapes. It isn't changed.

        Raises
        ------
        ValueError
            If the keys or shapes differ; nothing is changed then.
        """
        if params.keys() != grads.keys():
            differ = ", ".join(sorted(params.keys() ^ grads.keys()))
            raise ValueError(f"params and grads must have the same keys, they differ in {differ}")
        for key in params:
            if np.shape(grads[key]) != params[key].shape:
                raise ValueError(
                    f"{key} has shape {params[key].shape}, its gradient {np.shape(grads[key])}"
                )
        self.iter += 1
        for key in params:
            self._step(key, params[key], grads[key])

    @abstractmethod
    def _step(self, key, p, g):
        """Change the array `p`, the parameter named `key`, in place, given its gradient `g`."""


def _checked(name, value, low, high):
    if not low <= value < high:
        raise ValueError(f"{name} must be at least {low} and below {high}, got {value}")
    return value


def _remembered(memory, key, p):
    if key not in memory:
        memory[key] = np.zeros_like(p)
    return memory[key]


class SGD(Optimizer):
    """Stochastic gradient descent: p ← p − η g.

    Examples
    --------
    >>> params = {"W": np.array([1.0, 2.0])}
    >>> SGD(lr=0.1).update(params, {"W": np.array([1.0, -1.0])})
    >>> params["W"]
    array([0.9, 2.1])
    """

    def __init__(self, lr: float = 0.01):
        super().__init__(lr)

    def _step(self, key, p, g):
        p -= self.lr * g


class Momentum(Optimizer):
    """SGD with momentum: v ← μ v − η g, then p ← p + v.

    The velocity v adds up gradients that agree and cancels those that alternate.

    Parameters
    ----------
    lr : float
        Learning rate η.
    momentum : float
        Share μ of the velocity that is kept from step to step.
    """

    def __init__(self, lr: float = 0.01, momentum: float = 0.9):
        super().__init__(lr)
        self.momentum = _checked("momentum", momentum, 0, 1)
        self.v = {}

    def _step(self, key, p, g):
        v = _remembered(self.v, key, p)
        v *= self.momentum
        v -= self.lr * g
        p += v


class Nesterov(Momentum):
    """Nesterov's accelerated gradient: v ← μ v − η g, then p ← p + μ v − η g.

    The form of Bengio et al., arXiv:1212.0901, equations 6 and 7: p is the point that the velocity
    is about to reach, so that the gradient is taken there, one step ahead of `Momentum`.
    Parameters are those of `Momentum`.
    """

    def _step(self, key, p, g):
        v = _remembered(self.v, key, p)
        step = self.lr * g
        v *= self.momentum
        v -= step
        p += self.momentum * v
        p -= step


class AdaGrad(Optimizer):
    """AdaGrad: h ← h + g², then p ← p − η g / (√h + 1e-7).

    Parameters that were moved much get smaller steps. (Duchi, Hazan & Singer 2011, JMLR 12.)
    """

    def __init__(self, lr: float = 0.01):
        super().__init__(lr)
        self.h = {}

    def _step(self, key, p, g):
        h = _remembered(self.h, key, p)
        h += g * g
        p -= self.lr * g / (np.sqrt(h) + EPSILON)


class RMSprop(Optimizer):
    """RMSprop: h ← ρ h + (1 − ρ) g², then p ← p − η g / (√h + 1e-7).

    AdaGrad with a memory that fades, so that the steps don't shrink to nothing. (Tieleman & Hinton
    2012, lecture 6.5 of *Neural Networks for Machine Learning*.)

    Parameters
    ----------
    lr : float
        Learning rate η.
    decay_rate : float
        Share ρ of the mean square that is kept from step to step.
    """

    def __init__(self, lr: float = 0.01, decay_rate: float = 0.99):
        super().__init__(lr)
        self.decay_rate = _checked("decay_rate", decay_rate, 0, 1)
        self.h = {}

    def _step(self, key, p, g):
        h = _remembered(self.h, key, p)
        h *= self.decay_rate
        h += (1 - self.decay_rate) * g * g
        p -= self.lr * g / (np.sqrt(h) + EPSILON)


class Adam(Optimizer):
    """Adam: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², then p ← p − η' m / (√v + 1e-7).

    η' = η √(1 − β₂ᵗ) / (1 − β₁ᵗ) at step t corrects m and v for starting at 0. This is the form at
    the end of section 2 of Kingma & Ba, arXiv:1412.6980, which adds the 1e-7 to the root of the
    uncorrected v.

    Parameters
    ----------
    lr : float
        Learning rate η.
    beta1, beta2 : float
        Shares of the mean gradient and of the mean square that are kept from step to step.
    """

    def __init__(self, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999):
        super().__init__(lr)
        self.beta1 = _checked("beta1", beta1, 0, 1)
        self.beta2 = _checked("beta2", beta2, 0, 1)
        self.m = {}
        self.v = {}

    def _step(self, key, p, g):
        m, v = _remembered(self.m, key, p), _remembered(self.v, key, p)
        m += (1 - self.beta1) * (g - m)
        v += (1 - self.beta2) * (g * g - v)
        lr_t = self.lr * math.sqrt(1 - self.beta2**self.iter) / (1 - self.beta1**self.iter)
        p -= lr_t * m / (np.sqrt(v) + EPSILON)
