"""The last layer: softmax and cross-entropy in one."""

import math

import numpy as np

from common.layers.base import Layer
from common.support.checks import labels_as_rows


class SoftmaxWithLoss(Layer):
    """Softmax and mean cross-entropy in one layer: L = −1/N Σₙ Σₖ tₙₖ log yₙₖ, y = softmax(x).

    Together the two have the simple derivative ∂L/∂x = (y − t) / N, where the rows of t are one-hot
    or probabilities. The loss is computed from the scores, log y = x − log Σ exp x, and stays
    accurate where y rounds to 0.

    Attributes
    ----------
    t : ndarray, shape (N, K)
        The labels as rows of probabilities, after ``forward``.
    loss : float
        What ``forward`` returned.
    """

    param_names = ()
    t = loss = _y = None

    def forward(self, x: np.ndarray, t: np.ndarray) -> float:
        """Return the loss in nats of scores (logits) `x` of shape (N, K), or (K,) for one example.

        The labels `t` are integers of shape (N,), or one-hot rows of shape (N, K). A ValueError or
        TypeError is raised if they don't match the scores, or are no labels.
        """
        self.t = t = labels_as_rows(t, x)
        x = np.array(x, order="F")  # NumPy reduces columns faster than short rows: saves 10 %
        x -= x.max(axis=1, keepdims=True)  # changes nothing but keeps exp from overflowing
        exp_x = np.exp(x)
        total = exp_x.sum(axis=1, keepdims=True)
        self._y = exp_x / total
        self.loss = np.vdot(t, np.log(total) - x) / len(t)
        if math.isnan(self.loss.real):  # 0 · ∞: a class of probability 0 has a score of −∞
            self.loss = np.vdot(t[t > 0], (np.log(total) - x)[t > 0]) / len(t)
        return self.loss

    def backward(self, dout: float = 1.0) -> np.ndarray:
        """Return ∂L/∂x · `dout`, in the shape of x."""
        return (self._y - self.t) * (float(dout) / len(self.t))

    def jvp(self, dx: np.ndarray) -> np.ndarray:
        """Return the tangent of L, Σ (y − t) dx / N, from that of x, of shape (..., N, K)."""
        return np.einsum("...nk,nk->...", dx, (self._y - self.t) / len(self.t))

    @property
    def y(self) -> np.ndarray | None:
        """The probabilities softmax(x) in the shape of x, after ``forward``; a copy."""
        return None if self._y is None else self._y.reshape(self.x_shape).copy()

    def prepare(self, x):
        """Return scores as a batch, a single example as a batch of one."""
        if x.ndim not in (1, 2):
            raise ValueError(f"scores must have shape (N, K) or (K,), got {x.shape}")
        return x[np.newaxis] if x.ndim == 1 else x
