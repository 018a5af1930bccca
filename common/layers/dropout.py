"""Dropout: in training, units are switched off at random, so that none can rely on another."""

import numpy as np

from common.layers.checks import wrong_dout
from common.support.checks import check_number


class Dropout:
    """Dropout (Srivastava et al. 2014, JMLR 15): each number is set to 0 with probability r.

    In training Y = X · M, where M is 0 with probability r, else 1, drawn anew for each forward
    pass. In use nothing is random: Y = (1 − r) X, which is what Y was on average. The `inverted`
    form scales in training in its place, Y = X · M / (1 − r), and leaves X as it is in use;
    libraries of today do that.

    Parameters
    ----------
    dropout_ratio : float
        The probability r, at least 0 and below 1.
    inverted : bool
        Whether to scale in training, and not in use.
    rng : numpy.random.Generator, optional
        Source of the masks; NumPy's global state without one.

    Attributes
    ----------
    mask : ndarray of bool
        Which numbers were kept, after a forward pass in training.
    """

    def __init__(
        self,
        dropout_ratio: float = 0.5,
        *,
        inverted: bool = False,
        rng: np.random.Generator | None = None,
    ):
        self.dropout_ratio = check_number("dropout_ratio", dropout_ratio, 0, 1)
        self.inverted = inverted
        self.rng = rng
        self.mask = None
        self._scale = None
        self._out_shape = None

    def forward(self, x: np.ndarray, train_flg: bool = True) -> np.ndarray:
        """Return Y in the shape of `x`; `train_flg` tells training from use."""
        self._out_shape = x.shape
        keep = 1 - self.dropout_ratio
        if not train_flg:
            self.mask = None
            self._scale = 1.0 if self.inverted else keep
            return x * self._scale
        source = np.random if self.rng is None else self.rng
        self.mask = source.random(x.shape) >= self.dropout_ratio
        self._scale = 1 / keep if self.inverted else 1.0
        return self._masked(x)

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Return ∂L/∂X from `dout` = ∂L/∂Y, scaled and masked as the last forward pass was."""
        if dout.shape != self._out_shape:
            raise wrong_dout(self, dout, self._out_shape)
        return dout * self._scale if self.mask is None else self._masked(dout)

    def _masked(self, x):
        return x * self.mask if self._scale == 1 else x * self.mask * self._scale
