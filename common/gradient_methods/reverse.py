"""Reverse-mode automatic differentiation, which is backpropagation."""

import numpy as np

from common.networks import Network

__all__ = ["reverse_mode"]


def reverse_mode(network: Network, x: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
    """Return ∂L/∂params by one forward and one backward pass: ``network.gradient``.

    The chain rule is a product of Jacobian matrices, ∂L/∂y · ∂y/∂z · ∂z/∂w. Forward mode multiplies
    from the right, starting with ∂z/∂w, which has one column per weight. Reverse mode multiplies
    from the left, starting with ∂L/∂y, which is a single row because there is one loss. A row times
    a matrix is a row, so no array of the backward pass is larger than its counterpart in the
    forward pass. A fully connected layer has one matrix product in a forward pass and two in a
    backward pass (the first layer one), so the cost is that of two to three forward passes, whether
    there are ten weights or ten million. In return, reverse mode needs memory: every layer keeps
    what its local gradient depends on until the backward pass has reached it.

    Parameters
    ----------
    network : Network
    x : ndarray, shape (N, ...)
    t : ndarray
        Integer labels of shape (N,), or one-hot rows of shape (N, K).

    Returns
    -------
    dict of str to ndarray
        With the keys, shapes and dtype of ``network.params``.

    Raises
    ------
    ValueError, TypeError
        If `x` or `t` doesn't fit the network.
    """
    return network.gradient(x, t)
