"""Differences: move one weight a little, and look at how the loss changes. Weight by weight."""

from collections.abc import Callable
from functools import partial

import numpy as np

from common.gradient import numerical_gradient, numerical_gradient_forward
from common.gradient_methods.selection import Entries, chosen
from common.networks import Network

__all__ = ["central_differences", "forward_differences"]


def central_differences(
    network: Network,
    x: np.ndarray,
    t: np.ndarray,
    h: float = 1e-4,
    *,
    entries: Entries | None = None,
    progress: Callable[[], object] | None = None,
) -> dict[str, np.ndarray]:
    """Return ∂L/∂w ≈ (L(w + h) − L(w − h)) / 2h: two passes for each weight.

    Truncation leaves an error of ⅙ h² |∂³L/∂w³|, rounding one of about ε |L| / 2h. (This is
    ``network.numerical_gradient``, which can't be asked for a part.)

    Parameters
    ----------
    network : Network
    x : ndarray, shape (N, ...)
    t : ndarray
        Integer labels of shape (N,), or one-hot rows of shape (N, K).
    h : float
        Step.
    entries : mapping of str to iterable of int, optional
        Flat indices of the weights to ask about; the others come out as NaN. All by default.
    progress : callable, optional
        Called after each weight, without arguments.

    Returns
    -------
    dict of str to ndarray
        With the keys, shapes and dtype of ``network.params``.
    """
    return _by_weight(numerical_gradient, network, x, t, h, entries, progress)


def forward_differences(
    network: Network,
    x: np.ndarray,
    t: np.ndarray,
    h: float | None = None,
    *,
    entries: Entries | None = None,
    progress: Callable[[], object] | None = None,
) -> dict[str, np.ndarray]:
    """Return ∂L/∂w ≈ (L(w + h) − L(w)) / h: one pass for each weight, and one.

    Half the price of `central_differences`, for an error of ½ h |∂²L/∂w²| and of rounding, about
    ε |L| / h. By default h is √ε, 1.5e-8 in float64, where the two balance; both are then of the
    order of 1e-8. Otherwise as there.
    """
    method = partial(numerical_gradient_forward, f_x=network.objective(network.check_input(x), t))
    return _by_weight(method, network, x, t, h, entries, progress)


def _by_weight(method, network, x, t, h, entries, progress):
    x = network.check_input(x)

    def loss_of_params(_):  # the method moves the entries of network.params in place
        return network.objective(x, t)

    return {
        key: method(loss_of_params, network.params[key], h, entries=indices, progress=progress)
        for key, indices in chosen(network.params, entries)
    }
