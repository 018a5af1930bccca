"""The ladder of common.ladder, and its last rung, which this chapter adds: the symbolic graph."""

import numpy as np

from ch05_backprop.symbolic_two_layer_net import derived_loss_and_gradient
from common.ladder.rungs import RUNGS as LADDER
from common.ladder.rungs import Rung
from common.network import Network

__all__ = ["RUNGS", "symbolic_graph"]


def symbolic_graph(network: Network, x: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
    """Return ∂L/∂params of this chapter's two-layer network by a program derived from the loss."""
    return derived_loss_and_gradient(network, x, t)[1]


RUNGS = LADDER | {
    "symbolic": Rung("symbolic", "symbolic graph", symbolic_graph, "2", lambda P: 2),
}
