"""Forward mode: the derivative travels with the values, from the weight to the loss.

To each number of the pass forward belongs a tangent, how fast it moves while one weight moves with
speed 1. The layers know how to push tangents on (``jvp``, a Jacobian-vector product), and at the
end the tangent of the loss is the derivative by that weight. Exact, but one pass for each weight.
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
    """Return the derivative of the loss along `direction`: Σ ∂L/∂w · dw, by one forward pass.

    Parameters
    ----------
    network : Network
        A chain of layers: with ``layers`` and ``last_layer``.
    x : ndarray, shape (N, ...)
    t : ndarray
        Integer labels of shape (N,), or one-hot rows of shape (N, K).
    direction : mapping of str to ndarray
        The tangents dw of parameters, in their shapes; those that are missing don't move.

    Raises
    ------
    TypeError
        If the network isn't such a chain, or one of its layers has no ``jvp``.
    ValueError
        If `direction` names a parameter that there is not, or has another shape.
    """
    direction = {key: np.asarray(tangent) for key, tangent in direction.items()}
    for key, tangent in direction.items():
        if key not in network.params:
            raise ValueError(f"direction names {key!r}; there are {', '.join(network.params)}")
        if tangent.shape != network.params[key].shape:
            raise ValueError(
                f"the direction of {key} must have shape {network.params[key].shape}, "
                f"got {tangent.shape}"
            )
    _forward(network, x, t)
    decay = sum(np.sum(_weight_decay(network, key) * dw) for key, dw in direction.items())
    return float(_push(network, direction) + decay)


def forward_mode(
    network: Network,
    x: np.ndarray,
    t: np.ndarray,
    *,
    entries: Entries | None = None,
    progress: Callable[[], object] | None = None,
) -> dict[str, np.ndarray]:
    """Return ∂L/∂w, the tangent of the loss while w moves with speed 1: one pass for each weight.

    Parameters are those of `common.gradient_methods.central_differences`, errors those of
    `directional_derivative`.
    """
    _forward(network, x, t)
    grads = unknown_gradient(network.params)
    for key, indices in chosen(network.params, entries):
        tangent = np.zeros_like(network.params[key])
        for index in indices:
            tangent.flat[index] = 1
            grads[key].flat[index] = _push(network, {key: tangent})
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
    """Return what `forward_mode` returns, with the tangents of many weights pushed at a time.

    And they start where they begin to differ from 0, at the output of the weight's own layer: while
    W[i, j] moves with speed 1, unit j of example n moves with speed x[n, i], and no other unit
    moves; while b[j] does, unit j moves with speed 1. That spares each its largest product.

    Parameters are those of `forward_mode`, but that `progress` is called with the number of weights
    that are done since the last call.
    """
    _forward(network, x, t)
    grads = unknown_gradient(network.params)
    todo = dict(chosen(network.params, entries))
    for position, layer, keys in _layers(network):
        for attribute, key in keys.items():
            units = layer.W.shape[1]
            at_a_time = max(1, BATCH_BYTES // (len(layer.x) * units * layer.W.itemsize))
            for start in range(0, len(todo[key]), at_a_time):
                batch = np.asarray(todo[key][start : start + at_a_time])
                source, unit = np.divmod(batch, units)
                dout = np.zeros((len(batch), len(layer.x), units), layer.W.dtype)
                speed = layer.x.T[source] if attribute == "W" else 1
                dout[np.arange(len(batch)), :, unit] = speed
                grads[key].flat[batch] = _push(network, {}, dout, position + 1)
                if progress is not None:
                    progress(len(batch))
            grads[key] += _weight_decay(network, key)
    return grads


def _forward(network, x, t):
    """Go forward, so that all layers remember the values that the tangents belong to."""
    if not hasattr(network, "layers") or not hasattr(network, "last_layer"):
        raise TypeError(
            "forward mode needs a network made of layers, with attributes layers and last_layer; "
            f"got a {type(network).__module__}.{type(network).__name__}"
        )
    for layer in network.layers.values():
        if not hasattr(layer, "jvp"):
            raise TypeError(f"the layer {type(layer).__name__} has no jvp for forward mode")
    network.loss(x, t)


def _weight_decay(network, key):
    """Return λ W, what the penalty ½ λ Σ W² adds to the derivative by the weights W; else 0."""
    strength = getattr(network, "weight_decay_lambda", 0)
    return strength * network.params[key] if strength and key.startswith("W") else 0


def _layers(network):
    """Yield position, layer, and which of ``params`` its attributes are: W1 and b1 of the first."""
    number = 0
    for position, layer in enumerate(network.layers.values()):
        if isinstance(layer, Affine):
            number += 1
            yield position, layer, {"W": f"W{number}", "b": f"b{number}"}
        else:
            yield position, layer, {}


def _push(network, direction, dout=None, first=0):
    """Push tangents from the input of the layer at position `first` to the loss.

    As long as `dout` is None nothing moves yet.
    """
    for position, layer, keys in _layers(network):
        if position < first:
            continue
        if keys:
            dout = layer.jvp(dout, *(direction.get(key) for key in keys.values()))
        elif dout is not None:
            dout = layer.jvp(dout)
    return 0.0 if dout is None else network.last_layer.jvp(dout)
