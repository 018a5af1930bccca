"""Batch normalization: each feature gets mean 0 and variance 1, measured over the mini-batch."""

import numpy as np

from common.layers.checks import require_shape, wrong_dout

EPSILON = 1e-6  # under the square root, so that a feature that is constant is not divided by 0


class BatchNormalization:
    """Batch normalization (Ioffe & Szegedy, arXiv:1502.03167): Y = γ X̂ + β, X̂ = (X − μ) / σ.

    In training μ and σ² are the mean and the variance of each feature over the mini-batch, σ² with
    1e-6 added to it, and running averages of both are kept: R ← m R + (1 − m) · (value now). In use
    the running averages take their place, so that an example's output does not depend on the others
    beside it.

    With Ĝ = γ ∂L/∂Y, and the mean taken over the batch, ∂L/∂X = (Ĝ − mean Ĝ − X̂ mean(Ĝ X̂)) / σ in
    training; what is subtracted comes from μ and σ, which depend on X too. In use ∂L/∂X = Ĝ / σ.

    A feature is a column of a 2-D input, and a channel of images (N, C, H, W): then mean and
    variance are over all images and all their pixels. (The book takes each pixel for a feature of
    its own, so that a filter would be normalized in another way at every place. Its running
    averages start at 0; here the variance starts at 1, so that a layer that was never trained
    leaves its input as it is.)

    Parameters
    ----------
    gamma, beta : ndarray, shape (D,) or (C,)
        Scale γ and shift β of each feature.
    momentum : float
        Share m of the running averages that is kept from one forward pass to the next.
    running_mean, running_var : ndarray, optional
        Running averages to start from, of the shape of `gamma`.

    Attributes
    ----------
    gamma, beta : ndarray
        The parameters; they may be reassigned at any time.
    dgamma, dbeta : ndarray
        Their gradients, after ``backward``.
    running_mean, running_var : ndarray
        The averages so far. The variance is that of the batch itself (divided by N, not N − 1).

    Examples
    --------
    >>> layer = BatchNormalization(np.ones(2), np.zeros(2))
    >>> layer.forward(np.array([[1.0, 100.0], [3.0, 300.0]])).round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    """

    def __init__(
        self,
        gamma: np.ndarray,
        beta: np.ndarray,
        momentum: float = 0.9,
        running_mean: np.ndarray | None = None,
        running_var: np.ndarray | None = None,
    ):
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum must lie between 0 and 1, got {momentum}")
        self.gamma = gamma
        self.beta = beta
        self.momentum = float(momentum)
        self.running_mean = np.zeros_like(gamma) if running_mean is None else running_mean
        self.running_var = np.ones_like(gamma) if running_var is None else running_var
        self.dgamma = None
        self.dbeta = None
        self._normalized = None
        self._std = None
        self._batch_statistics = None
        self._out_shape = None

    def forward(self, x: np.ndarray, train_flg: bool = True) -> np.ndarray:
        """Return Y in the shape of `x`.

        Parameters
        ----------
        x : ndarray, shape (N, D) or (N, C, H, W)
        train_flg : bool
            Whether to measure the mini-batch, and take it into the running averages.

        Raises
        ------
        ValueError
            If `x` has another shape, or there is nothing to measure in training.
        """
        rows = _features_last(x, len(self.gamma))
        for name in ("beta", "running_mean", "running_var"):
            require_shape(name, getattr(self, name), self.gamma.shape)
        self._out_shape = x.shape
        if train_flg:
            if len(rows) == 0:
                raise ValueError("the batch is empty: its mean and variance can't be measured")
            mean = rows.mean(axis=0)
            centred = rows - mean
            rest = centred.mean(axis=0)  # what the rounding of a long sum left of the mean
            mean += rest
            centred -= rest
            variance = np.square(centred).mean(axis=0)
            self.running_mean = self._average(self.running_mean, mean)
            self.running_var = self._average(self.running_var, variance)
        else:
            centred = rows - self.running_mean
            variance = self.running_var
        self._std = np.sqrt(variance + EPSILON)
        self._normalized = centred
        self._normalized /= self._std
        self._batch_statistics = train_flg
        return _as_before(self.gamma * self._normalized + self.beta, x.shape)

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Return ∂L/∂X in the shape of x, from `dout` = ∂L/∂Y; set ``dgamma`` and ``dbeta``."""
        if dout.shape != self._out_shape:
            raise wrong_dout(self, dout, self._out_shape)
        rows = _features_last(dout, len(self.gamma))
        self.dbeta = rows.sum(axis=0)
        self.dgamma = (rows * self._normalized).sum(axis=0)
        scale = self.gamma / self._std
        if not self._batch_statistics:
            return _as_before(scale * rows, dout.shape)
        n = len(rows)
        dx = rows - self.dbeta / n
        dx -= self._normalized * (self.dgamma / n)
        dx *= scale
        return _as_before(dx, dout.shape)

    def _average(self, running, now):
        return self.momentum * running + (1 - self.momentum) * now


def _features_last(x, features):
    """Return `x` as a matrix with a column for each feature."""
    if x.ndim not in (2, 4) or x.shape[1] != features:
        raise ValueError(
            f"BatchNormalization expects {features} features: shape (N, {features}) or "
            f"(N, {features}, H, W), got {x.shape}"
        )
    return x if x.ndim == 2 else x.transpose(0, 2, 3, 1).reshape(-1, features)


def _as_before(rows, shape):
    if len(shape) == 2:
        return rows
    n, channels, height, width = shape
    return rows.reshape(n, height, width, channels).transpose(0, 3, 1, 2)
