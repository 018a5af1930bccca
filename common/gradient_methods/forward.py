"""Forward-mode automatic differentiation: derivatives carried along from a weight to the loss.

Each number of the forward pass gets a **tangent**, its derivative with respect to one of the
weights. Every layer turns the tangent of its input into that of its output (``jvp``, a
**Jacobian-vector product**), and the tangent of the loss is the derivative asked for. It is exact,
but it takes one pass per weight.
"""

from collections.abc import Callable, Mapping

import numpy as np

from common.gradient_methods.selection import Entries, chosen, unknown_gradient
from common.layers import Affine
from common.networks import Network

__all__ = ["batched_forward_mode", "directional_derivative", "forward_mode"]

BATCH_BYTES = 2**20  # of the tangents of one layer, so that they stay in the processor's cache


def directional_derivative(
    network: Network, x: np.ndarray, t: np.ndarray, direction: Mapping[str, np.ndarray]
) -> float:
    """Return the derivative of the loss along `direction`, Σ ∂L/∂w · dw, by one forward pass.

    Parameters
    ----------
    network : Network
        A chain of layers: with ``layers`` and ``last_layer``.
    x : ndarray, shape (N, ...)
    t : ndarray
        Integer labels of shape (N,), or one-hot rows of shape (N, K).
    direction : mapping of str to ndarray
        The tangents dw of parameters, in their shapes; 0 for parameters that are missing.

    Raises
    ------
    TypeError
        If the network isn't a chain of layers, or one of them has no ``jvp``.
    ValueError
        If `direction` names a parameter that doesn't exist, or has another shape, or `x` or `t`
        doesn't fit the network.
    """
    owners = _forward(network, x, t)
    direction = {key: np.asarray(tangent) for key, tangent in direction.items()}
    for key, tangent in direction.items():
        if key not in network.params:
            raise ValueError(f"direction names {key!r}; there are {', '.join(network.params)}")
        if tangent.shape != network.params[key].shape:
            raise ValueError(
                f"the direction of {key} must have shape {network.params[key].shape}, "
                f"got {tangent.shape}"
            )
    decay = sum(np.sum(_weight_decay(network, key) * dw) for key, dw in direction.items())
    return float(_push(network, owners, direction) + decay)


def forward_mode(
    network: Network,
    x: np.ndarray,
    t: np.ndarray,
    *,
    entries: Entries | None = None,
    progress: Callable[[], object] | None = None,
) -> dict[str, np.ndarray]:
    """Return ∂L/∂w, the tangent of the loss if that of w is 1: one Jacobian-vector pass per weight.

    Parameters
    ----------
    network : Network
        A chain of layers: with ``layers`` and ``last_layer``.
    x : ndarray, shape (N, ...)
    t : ndarray
        Integer labels of shape (N,), or one-hot rows of shape (N, K).
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
    TypeError
        If the network isn't a chain of layers, or one of them has no ``jvp``.
    ValueError
        If `entries` names a weight that doesn't exist, or `x` or `t` doesn't fit the network.
    """
    owners = _forward(network, x, t)
    grads = unknown_gradient(network.params)
    for key, indices in chosen(network.params, entries):
        tangent = np.zeros_like(network.params[key])
        for index in indices:
            tangent.flat[index] = 1
            grads[key].flat[index] = _push(network, owners, {key: tangent})
            tangent.flat[index] = 0
            if progress is not None:
                progress()
        grads[key] += _weight_decay(network, key)
    return grads


def batched_forward_mode(
    network: Network,
    x: np.ndarray,
    t: np.ndarray,
    *,
    entries: Entries | None = None,
    progress: Callable[[int], object] | None = None,
) -> dict[str, np.ndarray]:
    """Return what `forward_mode` returns, with the tangents of many weights in one pass.

    The tangents of an affine layer's weights start at its output. With respect to W[i, j], unit j
    of example n has the tangent x[n, i], and all other units have 0; with respect to b[j], unit j
    has 1. That saves each tangent its largest product.

    Parameters
    ----------
    network : Network
        A chain of layers: with ``layers`` and ``last_layer``.
    x : ndarray, shape (N, ...)
    t : ndarray
        Integer labels of shape (N,), or one-hot rows of shape (N, K).
    entries : mapping of str to iterable of int, optional
        Flat indices of the weights to differentiate with respect to, by parameter; the result is
        NaN at the others. All weights by default.
    progress : callable, optional
        Called with the number of weights that were finished since the last call.

    Returns
    -------
    dict of str to ndarray
        With the keys, shapes and dtype of ``network.params``.

    Raises
    ------
    TypeError
        If the network isn't a chain of layers, or one of them has no ``jvp``.
    ValueError
        If `entries` names a weight that doesn't exist, or `x` or `t` doesn't fit the network.
    """
    owners = _forward(network, x, t)
    grads = unknown_gradient(network.params)
    layers = list(network.layers.values())
    for key, indices in chosen(network.params, entries):
        param, (layer, attribute) = network.params[key], owners[key]
        affine = type(layer) is Affine
        size = len(layer.x) * layer.W.shape[1] if affine else param.size
        at_a_time = max(1, BATCH_BYTES // (size * param.itemsize))
        for start in range(0, len(indices), at_a_time):
            batch = np.asarray(indices[start : start + at_a_time])
            if affine:
                tangent = np.zeros((len(batch), len(layer.x), layer.W.shape[1]), param.dtype)
                source, unit = np.divmod(batch, layer.W.shape[1])
                speed = layer.x.T[source] if attribute == "W" else 1
                tangent[np.arange(len(batch)), :, unit] = speed
                slopes = _push(network, owners, {}, tangent, layers[layers.index(layer) + 1 :])
            else:
                units = np.zeros((len(batch), param.size), param.dtype)
                units[np.arange(len(batch)), batch] = 1
                slopes = _push(network, owners, {key: units.reshape(-1, *param.shape)})
            grads[key].flat[batch] = slopes
            if progress is not None:
                progress(len(batch))
        grads[key] += _weight_decay(network, key)
    return grads


def _forward(network, x, t):
    """Run the forward pass, which all tangents belong to, and return the owners of ``params``."""
    if not getattr(network, "layers", None) or not hasattr(network, "last_layer"):
        raise TypeError(
            "forward mode needs a network made of layers, with attributes layers and last_layer; "
            f"got a {type(network).__module__}.{type(network).__name__}"
        )
    for layer in network.layers.values():
        if not hasattr(layer, "jvp"):
            raise TypeError(f"the layer {type(layer).__name__} has no jvp for forward mode")
    network.loss(x, t)
    return network.param_owners()


def _weight_decay(network, key):
    """Return λ W, the derivative of the penalty ½ λ Σ W² with respect to the weights W; else 0."""
    strength = getattr(network, "weight_decay_lambda", 0)
    return strength * network.params[key] if strength and key.startswith("W") else 0


def _push(network, owners, direction, tangent=None, layers=None):
    """Return the tangent of the loss, given those of parameters and of the input of `layers`.

    A tangent of None stands for zeros. By default `layers` are all layers.
    """
    own = {}
    for key, dw in direction.items():
        layer, name = owners[key]
        own.setdefault(layer, {})[f"d{name}"] = dw
    for layer in network.layers.values() if layers is None else layers:
        if tangent is not None or layer in own:
            tangent = layer.jvp(tangent, **own.get(layer, {}))
    return 0.0 if tangent is None else network.last_layer.jvp(tangent)
