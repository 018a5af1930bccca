"""Simultaneous perturbation (SPSA): all weights change at once, in random directions."""

from collections.abc import Callable

import numpy as np

from common.gradient import as_number, check_step
from common.networks import Network
from common.support.checks import check_rng, check_size

__all__ = ["random_directions"]


def random_directions(
    network: Network,
    x: np.ndarray,
    t: np.ndarray,
    h: float = 1e-4,
    *,
    directions: int = 1,
    rng: np.random.Generator | None = None,
    progress: Callable[[], object] | None = None,
) -> dict[str, np.ndarray]:
    """Return the mean over `directions` of (L(w + h Δ) − L(w − h Δ)) / 2h · Δ: two passes for each.

    This is **simultaneous perturbation** (SPSA; Spall 1992, IEEE Transactions on Automatic Control
    37, pp. 332-341). Every element of Δ is 1 or −1 with equal probability. The directional
    derivative along Δ is Σⱼ gⱼ Δⱼ, so the estimate of gᵢ is gᵢ + Σ over j ≠ i of gⱼ Δⱼ Δᵢ. It is
    unbiased, but the other weights contribute noise: its variance is ‖g‖² − gᵢ², divided by
    `directions`, and the expected value of ‖estimate − g‖² is

        (P − 1) ‖g‖² / directions.

    The cost of one direction is independent of P, but a relative error of one tenth takes
    100 (P − 1) directions.

    Parameters
    ----------
    network : Network
        Its parameters are changed in place and left bit for bit as they were.
    x : ndarray, shape (N, ...)
    t : ndarray
        Integer labels of shape (N,), or one-hot rows of shape (N, K).
    h : float
        Step of each weight.
    directions : int
        How many directions to average over.
    rng : numpy.random.Generator, optional
        Source of the directions; NumPy's global state without one.
    progress : callable, optional
        Called without arguments after each direction.

    Returns
    -------
    dict of str to ndarray
        With the keys, shapes and dtype of ``network.params``.

    Raises
    ------
    ValueError
        If `h` isn't above 0, `directions` isn't a positive integer, or `x` or `t` doesn't fit the
        network.
    TypeError
        If `rng` isn't a generator, or `x` or `t` has the wrong dtype.
    """
    check_step(h)
    check_size("directions", directions)
    check_rng(rng)
    network.synchronize()
    x = network.check_input(x)
    source = np.random if rng is None else rng
    original = {key: param.copy() for key, param in network.params.items()}
    grads = {key: np.zeros_like(param) for key, param in network.params.items()}

    def loss_at(step, delta):
        for key, param in network.params.items():
            np.multiply(delta[key], step, out=param)
            param += original[key]
        return as_number(network.objective(x, t), "loss")

    try:
        for _ in range(directions):
            delta = {
                key: np.where(source.random(param.shape) < 0.5, -1, 1)
                for key, param in original.items()
            }
            slope = (loss_at(h, delta) - loss_at(-h, delta)) / (2 * h)
            for key, grad in grads.items():
                grad += (slope / directions) * delta[key]
            if progress is not None:
                progress()
    finally:
        for key, param in network.params.items():
            param[...] = original[key]
    return grads
