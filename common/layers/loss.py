"""The last layer: softmax and cross-entropy in one."""

import numpy as np

from common.functions import _floating, check_labels
from common.layers.checks import require_forward, require_tangent


class SoftmaxWithLoss:
    """Softmax and mean cross-entropy in one layer: L = −1/N Σₙ log yₙ[tₙ], y = softmax(x).

    Together the two have the simple derivative ∂L/∂x = (y − t) / N, with t as one-hot rows. (In
    full it is y Σ t − t, as the sum of a row may be off 1 by rounding.) The loss is taken from the
    scores, log y = x − log Σ exp x, and stays exact where y rounds to 0.

    Attributes
    ----------
    y : ndarray, shape (N, K)
        The probabilities softmax(x), after ``forward``.
    t : ndarray
        The labels that ``forward`` was given.
    loss : float
        The loss that ``forward`` returned.
    """

    def __init__(self):
        self.y = None
        self.t = None
        self.loss = None
        self._rows = None

    def forward(self, x: np.ndarray, t: np.ndarray) -> float:
        """Return the loss, a number in nats.

        Parameters
        ----------
        x : ndarray, shape (N, K)
            Scores.
        t : ndarray
            Integer labels of shape (N,), or one-hot rows of shape (N, K).

        Raises
        ------
        ValueError, TypeError
            If `t` doesn't fit `x`; see `common.functions.check_labels`.
        """
        if x.dtype.kind not in "fc":
            x = _floating(x)
        t = check_labels(t, x.shape)
        if t.ndim == 2:
            t = t.astype(x.real.dtype, copy=False)  # float64 mustn't turn a float32 network round
        self._rows = np.arange(len(t))
        y = x.T.copy()  # a row for each class: NumPy is slow at reducing a short last axis
        y -= y.max(axis=0)
        # A class that t gives no weight contributes nothing, even where its score is −inf.
        score = y[t, self._rows] if t.ndim == 1 else (t.T * np.where(t.T > 0, y, 0)).sum(axis=0)
        np.exp(y, out=y)
        total = y.sum(axis=0)
        y /= total
        self.y = y.T
        self.t = t
        log_total = np.log(total)
        if t.ndim == 2:
            log_total *= t.sum(axis=1)
        self.loss = (log_total - score).sum() / len(t)
        return self.loss

    def backward(self, dout: float = 1.0) -> np.ndarray:
        """Return ∂L/∂x · `dout`, of shape (N, K)."""
        require_forward(self, self.y)
        n = len(self.t)
        if self.t.ndim == 2:
            return (self.y * self.t.sum(axis=1, keepdims=True) - self.t) * (dout / n)
        dx = self.y * (dout / n)
        dx[self._rows, self.t] -= dout / n
        return dx

    def jvp(self, dx: np.ndarray) -> np.ndarray:
        """Return the tangent of L, Σ (y − t) dx / N, from that of x, of shape (..., N, K).

        Returns
        -------
        ndarray of the shape of the leading axes
            A number if there are none.
        """
        require_forward(self, self.y, "jvp")
        require_tangent("dx", dx, self.y.shape)
        return np.einsum("...nk,nk->...", dx, self.backward())
