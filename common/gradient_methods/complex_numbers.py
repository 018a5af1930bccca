"""The complex step: a derivative without a difference, and so without its rounding error.

The method needs a loss that is an analytic function of the weights. Most layers are: their formulas
hold for complex numbers as they stand. ReLU, the sigmoid and max pooling are written for real
numbers, because they ask which of two numbers is larger. Their versions for complex numbers, which
decide by the real part, are in this module.
"""

from collections.abc import Callable
from copy import deepcopy

import numpy as np

from common.functions import relu, sigmoid
from common.gradient import check_step
from common.gradient_methods.selection import Entries, chosen, unknown_gradient
from common.layers import Pooling, Relu, Sigmoid
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
    """Return ∂L/∂w = Im L(w + i h) / h: one forward pass in complex numbers per weight.

    The imaginary part of the Taylor series L(w + i h) = L + i h L' − ½ h² L'' − … is h times the
    derivative, with a truncation error of ⅙ h² |L'''|. Nothing is subtracted, so there is no
    rounding error to fear, and h can be so small that the truncation error vanishes. (Squire &
    Trapp 1998, SIAM Review 40, pp. 110-112.)

    A complex product takes four real ones, and a pass about four times as long as a real one.

    Parameters
    ----------
    network : Network
        It is copied, and stays as it is. Layers of your own must accept complex numbers.
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
        If `x` or `t` has the wrong dtype, or a layer doesn't accept complex numbers.
    """
    check_step(h)
    network.synchronize()
    todo, grads = chosen(network.params, entries), unknown_gradient(network.params)
    x = network.check_input(x)
    network = _complex_copy(network)
    with network.unchanged():
        for key, indices in todo:
            weights, grad = network.params[key].reshape(-1), grads[key].reshape(-1)
            for index in indices:
                real = weights[index]
                weights[index] = real + 1j * h
                with np.errstate(invalid="ignore"):  # NaN in a parameter: the loss warns of it
                    grad[index] = network.objective(x, t).imag / h
                weights[index] = real
                if progress is not None:
                    progress()
    return grads


def _complex_copy(network):
    memo = {}  # of deepcopy: it holds all that was copied, also layers within layers
    network = deepcopy(network, memo)
    for copied in list(memo.values()):
        if type(copied) in COMPLEX_LAYERS:
            copied.__class__ = COMPLEX_LAYERS[type(copied)]
    if getattr(network, "activation", None) in COMPLEX_FUNCTIONS:
        network.activation = COMPLEX_FUNCTIONS[network.activation]
    for key, param in network.params.items():
        network.params[key] = param.astype(np.result_type(param, 1j), order="C")
    return network


def _relu(x):
    return np.where(x.real <= 0, x.dtype.type(0), x)


def _sigmoid(x):
    z = np.exp(np.where(x.real >= 0, -x, x))
    return np.where(x.real >= 0, 1, z) / (1 + z)


class _Relu(Relu):
    analytic = True

    def forward(self, x):
        return _relu(x)


class _Sigmoid(Sigmoid):
    analytic = True

    def forward(self, x):
        return _sigmoid(x)


class _Pooling(Pooling):
    analytic = True

    def forward(self, x):
        first, *others = self._pixels(self._padded(x, -np.inf))
        out = first.copy()
        for pixel in others:  # of equal real parts the first one counts
            np.copyto(out, pixel, where=(pixel.real > out.real) | np.isnan(pixel))
        return out


COMPLEX_FUNCTIONS = {relu: _relu, sigmoid: _sigmoid}
COMPLEX_LAYERS = {Relu: _Relu, Sigmoid: _Sigmoid, Pooling: _Pooling}
