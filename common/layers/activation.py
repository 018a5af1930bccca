"""Activations: ReLU and sigmoid, one number in, one number out."""

import numpy as np

from common.functions import sigmoid
from common.layers.checks import require_forward, require_shape


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
        require_forward(self, self.out)
        require_shape("dout", dout, self.out.shape)
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
        require_forward(self, self.out)
        require_shape("dout", dout, self.out.shape)
        return dout * (self.out * (1 - self.out))
