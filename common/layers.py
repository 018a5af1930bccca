"""Layers of a computational graph: each knows how to go forward, and how to go backward.

``forward`` computes a layer's output and remembers what its derivative will need; ``backward`` is
given ∂L/∂output (`dout`) and returns ∂L/∂input, by the chain rule. On the way it leaves the
gradients of the layer's own parameters in ``dW`` and ``db``. A batch runs along axis 0.

No layer writes into an array that it was given. ``from common.layers import *`` also binds ``np``.
"""

import math

import numpy as np

from common.functions import check_labels, sigmoid

__all__ = ["Affine", "Relu", "Sigmoid", "SoftmaxWithLoss", "np"]


def _require_forward(layer, remembered):
    if remembered is None:
        raise RuntimeError(f"{type(layer).__name__}.backward needs a forward pass before it")


class Relu:
    """Rectified linear unit: y = max(0, x), ∂L/∂x = ∂L/∂y where x > 0, else 0.

    (The book's version overwrites the array that its caller passes to ``backward``.)
    """

    def __init__(self):
        self.out = None

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return max(0, `x`) in the shape of `x`."""
        self.out = np.maximum(x, 0)
        return self.out

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Return ∂L/∂x from `dout` = ∂L/∂y, both in the shape of x."""
        _require_forward(self, self.out)
        return dout * (self.out > 0)  # y > 0 where x > 0


class Sigmoid:
    """Logistic function: y = 1 / (1 + exp(−x)), ∂L/∂x = ∂L/∂y · y (1 − y)."""

    def __init__(self):
        self.out = None

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return σ(`x`) in the shape of `x`."""
        self.out = sigmoid(x)
        return self.out

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Return ∂L/∂x from `dout` = ∂L/∂y, both in the shape of x."""
        _require_forward(self, self.out)
        return dout * (self.out * (1 - self.out))


class Affine:
    """Fully connected layer: Y = X W + b.

    ∂L/∂X = ∂L/∂Y Wᵀ, ∂L/∂W = Xᵀ ∂L/∂Y, ∂L/∂b = Σₙ (∂L/∂Y)ₙ.

    Parameters
    ----------
    W : ndarray, shape (D, M)
    b : ndarray, shape (M,)
    input_gradient : bool
        Whether ``backward`` computes ∂L/∂X. A network's first layer has no use for it: nobody asks
        how the loss depends on the pixels, and it would cost as much as ∂L/∂W.

    Attributes
    ----------
    W, b : ndarray
        The parameters; they may be reassigned at any time.
    dW, db : ndarray
        Their gradients, after ``backward``.
    """

    def __init__(self, W: np.ndarray, b: np.ndarray, *, input_gradient: bool = True):
        self.W = W
        self.b = b
        self.dW = None
        self.db = None
        self.input_gradient = input_gradient
        self._x = None
        self._x_shape = None

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return X W + b, of shape (N, M), for `x` of shape (N, ...) with D numbers a row."""
        rows = x if x.ndim == 2 else x.reshape(len(x), math.prod(x.shape[1:]))
        if x.ndim < 2 or rows.shape[1] != len(self.W):
            raise ValueError(
                f"Affine expects {len(self.W)} numbers a row, got x of shape {x.shape}"
            )
        self._x_shape = x.shape
        self._x = rows
        out = rows @ self.W
        out += self.b
        return out

    def backward(self, dout: np.ndarray) -> np.ndarray | None:
        """Return ∂L/∂X in the shape of x (None without `input_gradient`); set ``dW`` and ``db``.

        Parameters
        ----------
        dout : ndarray, shape (N, M)
            ∂L/∂Y.
        """
        _require_forward(self, self._x)
        self.dW = self._x.T @ dout
        self.db = dout.sum(axis=0)
        if not self.input_gradient:
            return None
        return (dout @ self.W.T).reshape(self._x_shape)


class SoftmaxWithLoss:
    """Softmax and mean cross-entropy in one layer: L = −1/N Σₙ log yₙ[tₙ], y = softmax(x).

    Together the two have the simple derivative ∂L/∂x = (y − t) / N, with t as one-hot rows. The
    loss is taken from the scores, log y = x − log Σ exp x, and stays exact where y rounds to 0.

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
        check_labels(t, x.shape)
        if t.ndim == 2:
            t = t.astype(x.dtype, copy=False)  # float64 labels mustn't turn a float32 network round
        y = x - x.max(axis=1, keepdims=True)
        score = y[np.arange(len(t)), t] if t.ndim == 1 else (t * y).sum(axis=1)
        np.exp(y, out=y)
        total = y.sum(axis=1)
        y /= total[:, np.newaxis]
        self.y = y
        self.t = t
        self.loss = (np.log(total) - score).sum() / len(t)
        return self.loss

    def backward(self, dout: float = 1.0) -> np.ndarray:
        """Return ∂L/∂x · `dout`, of shape (N, K)."""
        _require_forward(self, self.y)
        n = len(self.t)
        if self.t.ndim == 2:
            return (self.y - self.t) * (dout / n)
        dx = self.y * (dout / n)
        dx[np.arange(n), self.t] -= dout / n
        return dx
