"""The ladder of common.ladder, and its last rung, which this chapter adds: the symbolic graph."""

from functools import cache

import numpy as np

from ch05_backprop.symbolic_two_layer_net import TwoLayerNet
from common.ladder.rungs import RUNGS as LADDER
from common.ladder.rungs import Rung
from common.network import Network

__all__ = ["RUNGS", "symbolic_graph"]


def symbolic_graph(network: Network, x: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
    """Return ∂L/∂params by a program that was derived from the loss, on the network's parameters.

    The first call for a network of this size derives it.

    Parameters
    ----------
    network : TwoLayerNet
        Of this chapter: with ReLU.
    x, t : ndarray
        A mini-batch, as ``network.gradient`` takes it.
    """
    sizes = (*network.params["W1"].shape, network.params["b2"].size)
    twin = _derived(sizes, network.dtype.name)
    twin.params = network.params
    return twin.gradient(x, t)


@cache
def _derived(sizes, dtype):
    return TwoLayerNet(*sizes, rng=np.random.default_rng(0), dtype=dtype)


RUNGS = LADDER | {
    "symbolic": Rung("symbolic", "symbolic graph", symbolic_graph, "2", lambda P: 2),
}
