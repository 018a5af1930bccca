"""Optimizers: seven ways to turn a gradient into a step.

All have ``update(params, grads)``, which changes the arrays of the dict `params` in place, given a
dict `grads` with their gradients. What an optimizer remembers from step to step (velocities, sums
of squares) starts at 0 with its first update. p is a parameter, g its gradient, η the learning
rate.

The conventions are the book's. ``torch.optim`` differs in three:

- Momentum, Nesterov: the velocity of PyTorch is v ← μ v + g, and the step −η v. That is the same
  until η changes; then the book's velocity keeps the old η for a while, PyTorch's does not.
- Adam: PyTorch adds ε to the root of the bias-corrected v, the book to that of v itself.
- ε is 1e-7 in the book; in PyTorch 1e-10 for AdaGrad, 1e-8 for RMSprop and Adam. Both add it
  outside the root.

``from common.optimizer import *`` also binds ``np``.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from common.support.checks import check_number

__all__ = ["SGD", "AdaGrad", "Adam", "AdamW", "Momentum", "Nesterov", "RMSprop", "np"]

EPSILON = 1e-7  # added to the root of a sum of squares, so that nothing is divided by 0


class Optimizer(ABC):
    """Base of all optimizers: a subclass says how one parameter takes a step.

    Parameters
    ----------
    lr : float
        Learning rate η.

    Attributes
    ----------
    lr : float
        The learning rate; it may be changed between updates.
    iter : int
        Updates so far.
    """

    MEMORIES: tuple[str, ...] = ()  # attributes that hold an array for each parameter

    def __init__(self, lr: float):
        self.lr = check_number("lr", lr, 0)
        self.iter = 0
        for name in self.MEMORIES:
            setattr(self, name, {})

    def update(self, params: dict[str, np.ndarray], grads: dict[str, np.ndarray]) -> None:
        """Take one step: change each array of `params` in place.

        Parameters
        ----------
        params : dict of str to ndarray
            A Python scalar, which can't be changed in place, is replaced in the dict.
        grads : dict of str to ndarray
            ∂L/∂params, in the same shapes, or one number for all elements. It isn't changed. Keys
            that `params` doesn't have are ignored, so that a subset of a network's parameters can
            be updated.

        Raises
        ------
        ValueError
            If a gradient is missing or has another shape; nothing is changed then.
        TypeError
            If a parameter is neither a number nor an array of floating-point numbers; nor then.
        """
        if missing := params.keys() - grads.keys():
            raise ValueError(f"grads lacks {', '.join(sorted(missing))} of params")
        for key, p in params.items():
            if np.shape(grads[key]) not in {np.shape(p), ()}:
                raise ValueError(
                    f"the gradient of {key} must have shape {np.shape(p)}, "
                    f"got {np.shape(grads[key])}"
                )
            if p.dtype.kind not in "fc" if isinstance(p, np.ndarray) else not isinstance(p, Real):
                raise TypeError(f"{key} must be an array of floating-point numbers, got {p!r}")
        self.iter += 1
        for key, value in params.items():
            p = value if isinstance(value, np.ndarray) else np.array(value, dtype=np.float64)
            self._step(key, p, np.asarray(grads[key]))
            if p is not value:
                params[key] = p.item()

    @abstractmethod
    def _step(self, key, p, g):
        """Change the array `p`, the parameter named `key`, in place, given its gradient `g`."""

    def state(self) -> dict[str, np.ndarray]:
        """Return all that is remembered, in one flat dict of arrays. They are no copies."""
        arrays = {
            f"{name}/{key}": array
            for name in self.MEMORIES
            for key, array in getattr(self, name).items()
        }
        return {"iter": np.array(self.iter), "lr": np.array(self.lr), **arrays}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state` of an optimizer of the same kind.

        Raises
        ------
        ValueError
            If it is that of another kind; nothing is changed then.
        """
        names = {key.partition("/")[0] for key in state}
        expected = {"iter", "lr", *self.MEMORIES}
        if names != expected and not (names == {"iter", "lr"} and state["iter"] == 0):
            kind = type(self).__name__
            article = "an" if kind[0] == "A" else "a"
            raise ValueError(f"this isn't the state of {article} {kind}: {', '.join(state)}")
        self.iter, self.lr = int(state["iter"]), float(state["lr"])
        for name in self.MEMORIES:
            prefix = f"{name}/"
            memory = {k.removeprefix(prefix): a for k, a in state.items() if k.startswith(prefix)}
            setattr(self, name, {key: array.copy() for key, array in memory.items()})


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
        Momentum coefficient μ, from 0 to 1: how much of the velocity a step keeps.
    """

    MEMORIES = ("v",)

    def __init__(self, lr: float = 0.01, momentum: float = 0.9):
        super().__init__(lr)
        self.momentum = check_number("momentum", momentum, 0, 1, inclusive=True)

    def _step(self, key, p, g):
        v = _remembered(self.v, key, p)
        v *= self.momentum
        v -= self.lr * g
        p += v


class Nesterov(Momentum):
    """Nesterov's accelerated gradient: v ← μ v − η g, then p ← p + μ v − η g.

    The form of Bengio et al., arXiv:1212.0901, equations 6 and 7: p is the point that the velocity
    is about to reach, so that the gradient is taken there, one step ahead of `Momentum`.

    Parameters
    ----------
    lr : float
        Learning rate η.
    momentum : float
        Momentum coefficient μ, from 0 to 1.
    """

    def _step(self, key, p, g):
        v = _remembered(self.v, key, p)
        v *= self.momentum
        v -= self.lr * g
        p += self.momentum * v - self.lr * g


class AdaGrad(Optimizer):
    """AdaGrad: h ← h + g², then p ← p − η g / (√h + ε).

    Parameters that were moved much get smaller steps. (Duchi, Hazan & Singer 2011, JMLR 12.)

    Parameters
    ----------
    lr : float
        Learning rate η.
    epsilon : float
        The number ε.
    """

    MEMORIES = ("h",)

    def __init__(self, lr: float = 0.01, *, epsilon: float = EPSILON):
        super().__init__(lr)
        self.epsilon = check_number("epsilon", epsilon, 0)

    def _step(self, key, p, g):
        h = _remembered(self.h, key, p)
        h += g * g
        p -= self.lr * g / (np.sqrt(h) + self.epsilon)


class RMSprop(Optimizer):
    """RMSprop: h ← ρ h + (1 − ρ) g², then p ← p − η g / (√h + ε).

    AdaGrad with a memory that fades, so that the steps don't shrink to nothing. (Tieleman & Hinton
    2012, lecture 6.5 of *Neural Networks for Machine Learning*.)

    Parameters
    ----------
    lr : float
        Learning rate η.
    decay_rate : float
        Decay rate ρ of the mean square, from 0 to 1.
    epsilon : float
        The number ε.
    """

    MEMORIES = ("h",)

    def __init__(self, lr: float = 0.01, decay_rate: float = 0.99, *, epsilon: float = EPSILON):
        super().__init__(lr)
        self.decay_rate = check_number("decay_rate", decay_rate, 0, 1, inclusive=True)
        self.epsilon = check_number("epsilon", epsilon, 0)

    def _step(self, key, p, g):
        h = _remembered(self.h, key, p)
        h *= self.decay_rate
        h += (1 - self.decay_rate) * g * g
        p -= self.lr * g / (np.sqrt(h) + self.epsilon)


class Adam(Optimizer):
    """Adam: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², then p ← p − η' m / (√v + ε).

    η' = η √(1 − β₂ᵗ) / (1 − β₁ᵗ) at step t corrects m and v for starting at 0. This is the form at
    the end of section 2 of Kingma & Ba, arXiv:1412.6980, which adds ε to the root of the
    uncorrected v. Their Algorithm 1, and PyTorch, add it to that of the corrected one:
    p ← p − η / (1 − β₁ᵗ) · m / (√(v / (1 − β₂ᵗ)) + ε).

    Parameters
    ----------
    lr : float
        Learning rate η.
    beta1, beta2 : float
        Decay rates of the mean gradient and of the mean square, at least 0 and below 1.
    epsilon : float
        The number ε.
    """

    MEMORIES = ("m", "v")

    def __init__(
        self,
        lr: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        *,
        epsilon: float = EPSILON,
    ):
        super().__init__(lr)
        self.beta1 = check_number("beta1", beta1, 0, 1)
        self.beta2 = check_number("beta2", beta2, 0, 1)
        self.epsilon = check_number("epsilon", epsilon, 0)

    def _step(self, key, p, g):
        m, v = self._moments(key, p, g)
        lr_t = self.lr * math.sqrt(1 - self.beta2**self.iter) / (1 - self.beta1**self.iter)
        p -= lr_t * m / (np.sqrt(v) + self.epsilon)

    def _moments(self, key, p, g):
        m, v = _remembered(self.m, key, p), _remembered(self.v, key, p)
        m += (1 - self.beta1) * (g - m)
        v += (1 - self.beta2) * (g * g - v)
        return m, v


class AdamW(Adam):
    """Adam with decoupled weight decay: p ← p − η (m̂ / (√v̂ + ε) + λ p).

    m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) are the bias-corrected means of `Adam`. The decay isn't
    part of the gradient, so that it isn't divided by √v̂: all parameters decay alike. (Loshchilov &
    Hutter, arXiv:1711.05101.) The book doesn't have it; the conventions and defaults are PyTorch's.

    Parameters
    ----------
    lr : float
        Learning rate η.
    beta1, beta2 : float
        Decay rates of the mean gradient and of the mean square, at least 0 and below 1.
    weight_decay : float
        Strength λ of the decay. All parameters decay, biases too.
    epsilon : float
        The number ε.
    """

    def __init__(
        self,
        lr: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        weight_decay: float = 0.01,
        *,
        epsilon: float = 1e-8,
    ):
        super().__init__(lr, beta1, beta2, epsilon=epsilon)
        self.weight_decay = check_number("weight_decay", weight_decay, 0)

    def _step(self, key, p, g):
        m, v = self._moments(key, p, g)
        m_hat, v_hat = m / (1 - self.beta1**self.iter), v / (1 - self.beta2**self.iter)
        p -= self.lr * (m_hat / (np.sqrt(v_hat) + self.epsilon) + self.weight_decay * p)


OPTIMIZERS = {
    kind.__name__.lower(): kind for kind in (SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam, AdamW)
}


def make_optimizer(optimizer: Any, param: Mapping[str, Any] | None = None) -> Any:
    """Return an optimizer by its name, made with `param`; one that is given itself is returned.

    Raises
    ------
    ValueError, TypeError
        If there is none of that name, it doesn't take `param`, or what is given is no optimizer.

    Examples
    --------
    >>> make_optimizer("ADAM", {"lr": 0.001}).lr
    0.001
    """
    if not isinstance(optimizer, str):
        is_class = isinstance(optimizer, type)  # Adam in place of Adam()
        if is_class or not (hasattr(optimizer, "update") and hasattr(optimizer, "lr")):
            raise TypeError(
                "optimizer must be a name, or an object with update(params, grads) and lr, "
                f"got {optimizer!r}"
            )
        if param is not None:
            raise ValueError("optimizer_param needs the name of an optimizer, got an optimizer")
        return optimizer
    if optimizer.lower() not in OPTIMIZERS:
        names = ", ".join(kind.__name__ for kind in OPTIMIZERS.values())
        raise ValueError(f"optimizer must be one of {names}, got {optimizer!r}")
    return OPTIMIZERS[optimizer.lower()](**({"lr": 0.01} if param is None else param))
