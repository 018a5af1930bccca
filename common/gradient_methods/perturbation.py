"""Random directions: all weights move at once, so that the price doesn't depend on their number."""

from collections.abc import Callable

import numpy as np

from common.gradient import check_step
from common.networks import Network
from common.support.checks import check_size

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

    Each Δ holds ±1 for every weight, thrown like a coin (simultaneous perturbation; Spall 1992,
    IEEE Transactions on Automatic Control 37, pp. 332-341). The slope along Δ is Σⱼ gⱼ Δⱼ, so the
    estimate of gᵢ is gᵢ + Σ over j ≠ i of gⱼ Δⱼ Δᵢ: right on average, and buried under the other
    weights. Its variance is ‖g‖² − gᵢ², over `directions`, and the mean of ‖estimate − g‖² is

        (P − 1) ‖g‖² / directions.

    To be off by a tenth takes 100 (P − 1) directions. What is saved on passes is lost on noise.

    Parameters
    ----------
    network : Network
    x : ndarray, shape (N, ...)
    t : ndarray
        Integer labels of shape (N,), or one-hot rows of shape (N, K).
    h : float
        Step of each weight.
    directions : int
        How many directions to take the mean of.
    rng : numpy.random.Generator, optional
        Source of the directions; NumPy's global state without one.
    progress : callable, optional
        Called after each direction, without arguments.

    Raises
    ------
    ValueError
        If `h` isn't above 0, or `directions` is below 1.
    TypeError
        If `directions` isn't a whole number.
    """
    check_step(h)
    check_size("directions", directions)
    x = network.check_input(x)
    source = np.random if rng is None else rng
    original = {key: param.copy() for key, param in network.params.items()}
    grads = {key: np.zeros_like(param) for key, param in network.params.items()}

    def loss_at(step, delta):
        for key, param in network.params.items():
            np.multiply(delta[key], step, out=param)
            param += original[key]
        return network.objective(x, t)

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
