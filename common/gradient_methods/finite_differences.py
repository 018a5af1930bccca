"""Finite differences: change one weight slightly and measure how the loss changes."""

from collections.abc import Callable
from functools import partial

import numpy as np

from common.gradient import as_number, numerical_gradient, numerical_gradient_forward
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
    """Return ∂L/∂w ≈ (L(w + h) − L(w − h)) / 2h: two forward passes per weight.

    The truncation error is ⅙ h² |∂³L/∂w³|, the rounding error about ε |L| / 2h. (This is
    ``network.numerical_gradient``, which always differentiates with respect to all weights.)

    Parameters
    ----------
    network : Network
        Its parameters are changed in place and left bit for bit as they were.
    x : ndarray, shape (N, ...)
    t : ndarray
        Integer labels of shape (N,), or one-hot rows of shape (N, K).
    h : float
        Step.
    entries : mapping of str to iterable of int, optional
        Flat indices of the weights to differentiate with respect to, by parameter; the result is
        NaN at the others. All weights by default.
    progress : callable, optional
        Called without arguments after each weight.

    Returns
    -------
    dict of str to ndarray
        With the keys, shapes and dtype of ``network.params``.

    Raises
    ------
    ValueError
        If `h` isn't above 0, `entries` names a weight that doesn't exist, or `x` or `t` doesn't fit
        the network.
    TypeError
        If `x` or `t` has the wrong dtype.
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
    """Return ∂L/∂w ≈ (L(w + h) − L(w)) / h: one forward pass per weight, and one more.

    This takes half the time of central differences. The truncation error is ½ h |∂²L/∂w²|, the
    rounding error about ε |L| / h.

    Parameters
    ----------
    network : Network
        Its parameters are changed in place and left bit for bit as they were.
    x : ndarray, shape (N, ...)
    t : ndarray
        Integer labels of shape (N,), or one-hot rows of shape (N, K).
    h : float, optional
        Step; by default √ε, 1.5e-8 in float64, where the two errors balance at about 1e-8.
    entries : mapping of str to iterable of int, optional
        Flat indices of the weights to differentiate with respect to, by parameter; the result is
        NaN at the others. All weights by default.
    progress : callable, optional
        Called without arguments after each weight.

    Returns
    -------
    dict of str to ndarray
        With the keys, shapes and dtype of ``network.params``.

    Raises
    ------
    ValueError
        If `h` isn't above 0, `entries` names a weight that doesn't exist, or `x` or `t` doesn't fit
        the network.
    TypeError
        If `x` or `t` has the wrong dtype.
    """
    method = partial(numerical_gradient_forward, f_x=as_number(network.objective(x, t), "loss"))
    return _by_weight(method, network, x, t, h, entries, progress)


def _by_weight(method, network, x, t, h, entries, progress):
    network.synchronize()
    x = network.check_input(x)
    with network.unchanged():
        return {
            key: method(
                # The parameter is changed in place, and so the network's loss is a function of it.
                lambda _: network.objective(x, t),
                network.params[key],
                h,
                entries=indices,
                progress=progress,
            )
            for key, indices in chosen(network.params, entries)
        }
