"""The affine layer: every output is a weighted sum of all inputs."""

import math

import numpy as np

from common.layers.base import Layer
from common.support.checks import check_bias


class Affine(Layer):
    """Fully connected layer: Y = X W + b.

    ∂L/∂X = ∂L/∂Y Wᵀ, ∂L/∂W = Xᵀ ∂L/∂Y, ∂L/∂b = Σₙ (∂L/∂Y)ₙ.

    Parameters
    ----------
    W : ndarray, shape (D, M)
    b : ndarray, shape (M,), or number
        A single number is the same bias for all units.
    input_gradient : bool
        Whether ``backward`` computes ∂L/∂X. A network's first layer has no use for it, and it takes
        as long as ∂L/∂W.

    Attributes
    ----------
    W, b, dW, db : ndarray
        The parameters, which may be reassigned at any time, and their gradients.
    x : ndarray, shape (N, D)
        The input of the last forward pass, one example per row.
    """

    param_names = ("W", "b")
    dW = db = x = None

    def __init__(self, W: np.ndarray, b: np.ndarray, *, input_gradient: bool = True):
        self.W, self.b = W, b
        self.input_gradient = input_gradient

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return X W + b, of shape (N, M), for `x` of shape (N, ...) with D numbers per example."""
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: np.ndarray) -> np.ndarray | None:
        """Return ∂L/∂X in the shape of x, from `dout` = ∂L/∂Y, of shape (N, M).

        Set ``dW`` and ``db``. Without `input_gradient`, return None.
        """
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T if self.input_gradient else None

    def jvp(
        self, dx: np.ndarray | None, dW: np.ndarray | None = None, db: np.ndarray | None = None
    ) -> np.ndarray | None:
        """Return the tangent of Y, dX W + X dW + db, from those of X, W and b.

        (Not ∂L/∂W: here dW is the direction in which W moves.) Their shapes are (..., N, D),
        (..., D, M) and (..., M), that of the result is (..., N, M), where leading axes count
        tangents that are pushed forward together. None is a tangent of zeros, also as the result.
        """
        terms = []
        if dx is not None:
            terms.append(dx @ self.W)
        if dW is not None:
            terms.append(self.x @ dW)
        if db is not None:
            one_row = db.reshape(*db.shape[: db.ndim - np.ndim(self.b)], 1, -1)
            terms.append(one_row + np.zeros((len(self.x), self.W.shape[1]), db.dtype))
        return sum(terms[1:], start=terms[0]) if terms else None

    @property
    def original_x_shape(self) -> tuple[int, ...] | None:
        """The shape of x before each example became a row, as the book calls it."""
        return self.x_shape

    def prepare(self, x):
        """Return `x` with one row per example, if it has D numbers each, and `b` fits W."""
        if np.ndim(self.W) != 2:
            raise ValueError(f"W must have shape (D, M), got {np.shape(self.W)}")
        if x.shape[1:] == self.W.shape[:1] and np.shape(self.b) == self.W.shape[1:]:
            return x
        if x.ndim < 2 or math.prod(x.shape[1:]) != len(self.W):
            raise ValueError(
                f"x must have {len(self.W)} numbers per example, as W has rows: shape "
                f"(N, {len(self.W)}), got {x.shape}"
            )
        check_bias(self.b, self.W.shape[1])
        return x.reshape(len(x), len(self.W))
