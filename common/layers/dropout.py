"""Dropout: in training, units are switched off at random, so that none can rely on another."""

import numpy as np

from common.layers.base import Layer
from common.support.checks import check_number, check_rng


class Dropout(Layer):
    """Dropout (Srivastava et al. 2014, JMLR 15): each element is set to 0 with probability r.

    In training Y = X · M, where M is 0 with probability r, else 1, drawn anew for each forward
    pass. At inference nothing is random: Y = (1 − r) X, the mean of what Y is in training. (Current
    libraries use inverted dropout: they divide by 1 − r in training, and leave X as it is at
    inference.)

    Parameters
    ----------
    dropout_ratio : float
        The probability r, from 0 to 1.
    rng : numpy.random.Generator, optional
        Source of the masks; NumPy's global state without one.

    Attributes
    ----------
    mask : ndarray of bool, or float
        What X was multiplied by in the last forward pass: M in training, 1 − r at inference.
    """

    param_names = ()

    def __init__(self, dropout_ratio: float = 0.5, *, rng: np.random.Generator | None = None):
        self.dropout_ratio = check_number("dropout_ratio", dropout_ratio, 0, 1, inclusive=True)
        check_rng(rng)
        self.rng = rng
        self.mask = None

    def forward(self, x: np.ndarray, train_flg: bool = True) -> np.ndarray:
        """Return Y in the shape of `x`; `train_flg` tells training from inference."""
        if train_flg:
            random = np.random.random if self.rng is None else self.rng.random
            self.mask = random(x.shape) >= self.dropout_ratio
        else:
            self.mask = 1 - self.dropout_ratio
        return x * self.mask

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Return ∂L/∂X from `dout` = ∂L/∂Y, both in the shape of x."""
        return dout * self.mask
