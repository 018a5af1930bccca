"""Activations: ReLU and sigmoid, one number in, one number out."""

import numpy as np

from common.functions import relu, sigmoid
from common.layers.checks import require_forward, require_tangent, wrong_dout


class Relu:
    """Rectified linear unit: y = max(0, x), ∂L/∂x = ∂L/∂y where x > 0, else 0.

    (The book's version overwrites the array that its caller passes to ``backward``.)
    """

    def __init__(self):
        self.out = None
        self._out_shape = None

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return max(0, `x`) in the shape of `x`."""
        self.out = np.maximum(x, 0) if x.dtype.kind != "c" else relu(x)
        self._out_shape = x.shape
        return self.out

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Return ∂L/∂x from `dout` = ∂L/∂y, both in the shape of x."""
        if dout.shape != self._out_shape:
            raise wrong_dout(self, dout, self._out_shape)
        dx = (self.out.real > 0).astype(dout.dtype)  # y > 0 where x > 0
        dx *= dout
        return dx

    def jvp(self, dx: np.ndarray) -> np.ndarray:
        """Return the tangent of y from that of x, both of shape (..., *shape of x)."""
        require_forward(self, self._out_shape, "jvp")
        require_tangent("dx", dx, self._out_shape)
        return dx * (self.out.real > 0)


class Sigmoid:
    """Logistic function: y = 1 / (1 + exp(−x)), ∂L/∂x = ∂L/∂y · y (1 − y)."""

    def __init__(self):
        self.out = None
        self._out_shape = None

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return σ(`x`) in the shape of `x`."""
        self.out = sigmoid(x)
        self._out_shape = x.shape
        return self.out

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Return ∂L/∂x from `dout` = ∂L/∂y, both in the shape of x."""
        if dout.shape != self._out_shape:
            raise wrong_dout(self, dout, self._out_shape)
        return dout * (self.out * (1 - self.out))

    def jvp(self, dx: np.ndarray) -> np.ndarray:
        """Return the tangent of y from that of x, both of shape (..., *shape of x)."""
        require_forward(self, self._out_shape, "jvp")
        require_tangent("dx", dx, self._out_shape)
        return dx * (self.out * (1 - self.out))
