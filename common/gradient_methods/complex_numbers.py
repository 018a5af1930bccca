"""The complex step: a derivative without a difference, and so without rounding's ruin."""

from collections.abc import Callable
from copy import deepcopy

import numpy as np

from common.gradient import check_step
from common.gradient_methods.selection import Entries, chosen, unknown_gradient
from common.networks import Network

__all__ = ["complex_step"]


def complex_step(
    network: Network,
    x: np.ndarray,
    t: np.ndarray,
    h: float = 1e-20,
    *,
    entries: Entries | None = None,
    progress: Callable[[], object] | None = None,
) -> dict[str, np.ndarray]:
    """Return ∂L/∂w = Im L(w + i h) / h: one pass in complex numbers for each weight.

    The Taylor series L(w + i h) = L + i h L' − ½ h² L'' − … has the derivative alone in its
    imaginary part, up to h² L'''/6. Nothing is subtracted, so nothing is lost, and h may be so
    small that the h² term is beyond the last digit. It takes a loss that is analytic in its
    weights, where max(0, x) asks only for the sign of the real part. (Squire & Trapp 1998, SIAM
    Review 40, pp. 110-112.)

    A complex product is four real ones, and a pass here takes about as many times as long.

    Parameters are those of `central_differences`.

    Raises
    ------
    ValueError
        If `h` isn't above 0.
    """
    check_step(h)
    todo = chosen(network.params, entries)
    grads = unknown_gradient(network.params)
    x = network.check_input(x)
    network = deepcopy(network)  # the caller's stays real, whatever happens
    for key, param in network.params.items():
        network.params[key] = param.astype(np.result_type(param, 1j), order="C")
    for key, indices in todo:
        weights, grad = network.params[key].reshape(-1), grads[key].reshape(-1)
        for index in indices:
            real = weights[index]
            weights[index] = real + 1j * h
            with np.errstate(invalid="ignore"):  # check_loss says what is wrong, and better
                grad[index] = network.objective(x, t).imag / h
            weights[index] = real
            if progress is not None:
                progress()
    return grads
