"""Reverse mode: backpropagation."""

import numpy as np

from common.networks import Network

__all__ = ["reverse_mode"]


def reverse_mode(network: Network, x: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
    """Return ∂L/∂params by one pass forward and one backward: ``network.gradient``.

    The chain rule is a product of matrices, ∂L/∂y · ∂y/∂z · ∂z/∂w. Forward mode multiplies from the
    right, where ∂z/∂w has a column for each weight; reverse mode from the left, where ∂L/∂y is one
    row, since there is one loss. A row times a matrix is a row: nothing on the way back is larger
    than what was there on the way forward, and the price is that of about two passes forward,
    whether there are ten weights or ten million. What it takes in return is memory: each layer
    keeps what came in until the way back has passed it.
    """
    return network.gradient(x, t)
