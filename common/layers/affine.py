"""The affine layer: every output is a weighted sum of all inputs."""

import math

import numpy as np

from common.layers.checks import require_bias, require_forward, require_tangent, wrong_dout


class Affine:
    """Fully connected layer: Y = X W + b.

    ∂L/∂X = ∂L/∂Y Wᵀ, ∂L/∂W = Xᵀ ∂L/∂Y, ∂L/∂b = Σₙ (∂L/∂Y)ₙ.

    Parameters
    ----------
    W : ndarray, shape (D, M)
    b : ndarray, shape (M,), or number
        A single number is the same bias for all units.
    input_gradient : bool
        Whether ``backward`` computes ∂L/∂X. A network's first layer has no use for it: nobody asks
        how the loss depends on the pixels, and it would cost as much as ∂L/∂W.

    Attributes
    ----------
    W, b : ndarray
        The parameters; they may be reassigned at any time.
    dW, db : ndarray
        Their gradients, after ``backward``.
    x : ndarray, shape (N, D)
        The input of the last forward pass, an example a row.
    """

    def __init__(self, W: np.ndarray, b: np.ndarray, *, input_gradient: bool = True):
        self.W = W
        self.b = b
        self.dW = None
        self.db = None
        self.input_gradient = input_gradient
        self.x = None
        self._x_shape = None
        self._out_shape = None

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return X W + b, of shape (N, M), for `x` of shape (N, ...) with D numbers a row."""
        rows = x if x.ndim == 2 else x.reshape(len(x), math.prod(x.shape[1:]))
        if x.ndim < 2 or rows.shape[1] != len(self.W):
            raise ValueError(
                f"Affine expects {len(self.W)} numbers a row, got x of shape {x.shape}"
            )
        require_bias(self.b, self.W.shape[1])
        self._x_shape = x.shape
        self.x = rows
        out = rows @ self.W
        out += self.b
        self._out_shape = out.shape
        return out

    def backward(self, dout: np.ndarray) -> np.ndarray | None:
        """Return ∂L/∂X in the shape of x (None without `input_gradient`); set ``dW`` and ``db``.

        Parameters
        ----------
        dout : ndarray, shape (N, M)
            ∂L/∂Y.
        """
        if dout.shape != self._out_shape:
            raise wrong_dout(self, dout, self._out_shape)
        self.db = dout.sum(axis=0)
        self.dW = None  # so that the new one may take the memory of the old, which the cache holds
        # @ of a column and a row doesn't reach BLAS, and dot isn't as quick at larger products.
        self.dW = np.dot(self.x.T, dout) if len(dout) == 1 else self.x.T @ dout
        if not self.input_gradient:
            return None
        return (dout @ self.W.T).reshape(self._x_shape)

    def jvp(
        self, dx: np.ndarray | None, dW: np.ndarray | None = None, db: np.ndarray | None = None
    ) -> np.ndarray | None:
        """Return the tangent of Y, dX W + X dW + db, from those of X, W and b.

        (Not ∂L/∂W: here dW is the direction in which W moves.) None says that something doesn't
        move at all, and is what is returned if nothing does.

        Parameters
        ----------
        dx : ndarray, shape (..., N, D), or None
        dW : ndarray, shape (..., D, M), or None
        db : ndarray, shape (..., M), or None
            Leading axes count tangents that are pushed forward together.

        Returns
        -------
        ndarray, shape (..., N, M), or None
        """
        require_forward(self, self._out_shape, "jvp")
        parts = []
        if dx is not None:
            require_tangent("dx", dx, self.x.shape)
            parts.append(dx @ self.W)
        if dW is not None:
            require_tangent("dW", dW, self.W.shape)
            parts.append(self.x @ dW)
        if db is not None:
            require_tangent("db", db, self.W.shape[1:])
            parts.append(np.repeat(db[..., np.newaxis, :], len(self.x), axis=-2))
        return sum(parts[1:], start=parts[0]) if parts else None
