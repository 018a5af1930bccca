"""Batch normalization: each feature gets mean 0 and variance 1, measured over the mini-batch."""

import numpy as np

from common.layers.base import Layer
from common.support.checks import check_number, check_shape

EPSILON = 1e-6  # under the square root, so that a constant feature is not divided by 0


class BatchNormalization(Layer):
    """Batch normalization (Ioffe & Szegedy, arXiv:1502.03167): Y = γ X̂ + β, X̂ = (X − μ) / σ.

    In training μ and σ² are the mean and the variance of each feature over the mini-batch, σ² with
    1e-6 added to it, and running averages of both are kept: R ← m R + (1 − m) · (value now). At
    inference the running averages take their place, so that an example's output does not depend on
    the other examples of its batch.

    With Ĝ = γ ∂L/∂Y, and the mean taken over the batch, ∂L/∂X = (Ĝ − mean Ĝ − X̂ mean(Ĝ X̂)) / σ in
    training; what is subtracted comes from μ and σ, which depend on X too. At inference
    ∂L/∂X = Ĝ / σ.

    A feature is a column of a 2-D input, and a channel of images (N, C, H, W): then mean and
    variance are over all images and all their pixels. (The book treats each pixel as a feature of
    its own, so that a filter would be normalized differently at every position. Its running
    averages start at 0; here the variance starts at 1, so that a layer that was never trained
    leaves its input as it is.)

    Parameters
    ----------
    gamma, beta : ndarray, shape (D,) or (C,), or number
        Scale γ and shift β of each feature, or of all.
    momentum : float
        Coefficient m of the running averages, from 0 to 1.
    running_mean, running_var : ndarray, optional
        Running averages to start from, of shape (D,) or (C,).

    Attributes
    ----------
    gamma, beta, dgamma, dbeta : ndarray
        The parameters, which may be reassigned at any time, and their gradients.
    running_mean, running_var : ndarray
        The averages so far. The variance is that of the batch itself (divided by N, not N − 1).

    Examples
    --------
    >>> layer = BatchNormalization(np.ones(2), np.zeros(2))
    >>> layer.forward(np.array([[1.0, 100.0], [3.0, 300.0]])).round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    """

    param_names = ("gamma", "beta")
    buffer_names = ("running_mean", "running_var")
    dgamma = dbeta = None

    def __init__(
        self,
        gamma: np.ndarray,
        beta: np.ndarray,
        momentum: float = 0.9,
        running_mean: np.ndarray | None = None,
        running_var: np.ndarray | None = None,
    ):
        self.gamma, self.beta = gamma, beta
        self.momentum = check_number("momentum", momentum, 0, 1, inclusive=True)
        self.running_mean = np.zeros_like(gamma) if running_mean is None else running_mean
        self.running_var = np.ones_like(gamma) if running_var is None else running_var

    def forward(self, x: np.ndarray, train_flg: bool = True) -> np.ndarray:
        """Return Y in the shape of `x`, (N, D) or (N, C, H, W).

        With `train_flg`, statistics are those of the mini-batch, and the running averages are
        updated. Raises a ValueError if there are then fewer than two values per feature.
        """
        mean, variance = self.running_mean, self.running_var
        if train_flg:
            mean, variance = mean_and_variance(x)
            m = self.momentum
            self.running_mean = m * self.running_mean + (1 - m) * mean
            self.running_var = m * self.running_var + (1 - m) * variance
        self._training = train_flg
        self._std = np.sqrt(variance + EPSILON)
        self._normalized = (x - mean) / self._std
        return self.gamma * self._normalized + self.beta

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Return ∂L/∂X in the shape of x, from `dout` = ∂L/∂Y; set ``dgamma`` and ``dbeta``."""
        self.dbeta = dout.sum(axis=0)
        self.dgamma = (dout * self._normalized).sum(axis=0)
        if not self._training:
            return self.gamma / self._std * dout
        n = len(dout)
        return self.gamma / self._std * (dout - self.dbeta / n - self._normalized * self.dgamma / n)

    def prepare(self, x):
        """Return `x` with one column per feature, if the parameters have the same features."""
        if x.ndim not in (2, 4):
            raise ValueError(f"x must have shape (N, D) or (N, C, H, W), got {x.shape}")
        for name in (*self.param_names, *self.buffer_names):
            if np.ndim(getattr(self, name)):
                check_shape(name, np.asarray(getattr(self, name)), (x.shape[1],))
        return self.arrange(x)

    def arrange(self, array):
        """Return one column per feature."""
        if array.ndim == 2:
            return array
        return array.transpose(0, 2, 3, 1).reshape(-1, array.shape[1])

    def restore(self, array, shape):
        """Return the columns as channels again."""
        if len(shape) == 2:
            return array
        n, channels, height, width = shape
        return array.reshape(n, height, width, channels).transpose(0, 3, 1, 2)


def mean_and_variance(x):
    """Return mean and variance of the columns of `x`; a ValueError if there is a single row."""
    if len(x) < 2:
        raise ValueError(
            f"batch normalization needs more than one value per feature in training, got {len(x)}"
        )
    mean = x.mean(axis=0)
    mean = mean + (x - mean).mean(axis=0)  # what the rounding of a long sum left of the mean
    return mean, np.square(x - mean).mean(axis=0)
