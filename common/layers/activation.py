"""Activation functions, applied elementwise: ReLU and sigmoid."""

import numpy as np

from common.functions import sigmoid
from common.layers.base import Layer


class Relu(Layer):
    """Rectified linear unit: y = max(0, x), ∂L/∂x = ∂L/∂y where x > 0, else 0.

    (The book's version writes into the array that its caller passes to ``backward``.)

    Attributes
    ----------
    mask : ndarray of bool
        Where x ≤ 0 in the last forward pass.
    """

    param_names = ()
    analytic = False
    mask = None

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return max(0, `x`) in the shape of `x`."""
        self.mask = x <= 0
        return np.maximum(x, 0)

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Return ∂L/∂x from `dout` = ∂L/∂y, both in the shape of x."""
        return dout * ~self.mask

    def jvp(self, dx: np.ndarray) -> np.ndarray:
        """Return the tangent of y from that of x, both of shape (..., *shape of x)."""
        return dx * ~self.mask


class Sigmoid(Layer):
    """Logistic function: y = 1 / (1 + exp(−x)), ∂L/∂x = ∂L/∂y · y (1 − y).

    Attributes
    ----------
    out : ndarray
        The output y of the last forward pass.
    """

    param_names = ()
    analytic = False
    out = None

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return σ(`x`) in the shape of `x`."""
        self.out = sigmoid(x)
        return self.out.copy()  # the caller may change what it gets

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Return ∂L/∂x from `dout` = ∂L/∂y, both in the shape of x."""
        return dout * (self.out * (1 - self.out))

    def jvp(self, dx: np.ndarray) -> np.ndarray:
        """Return the tangent of y from that of x, both of shape (..., *shape of x)."""
        return dx * (self.out * (1 - self.out))
