"""The methods of common.gradient_methods, and this chapter's own: the symbolic graph."""

import numpy as np

from ch05_backprop.symbolic_two_layer_net import derived_loss_and_gradient
from common.gradient_methods.methods import METHODS as NUMERIC_METHODS
from common.gradient_methods.methods import Method
from common.networks import Network

__all__ = ["METHODS", "symbolic_graph"]


def symbolic_graph(network: Network, x: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
    """Return ∂L/∂params of this chapter's two-layer network by a program derived from the loss."""
    return derived_loss_and_gradient(network, x, t)[1]


METHODS = NUMERIC_METHODS | {
    "symbolic": Method("symbolic", "symbolic graph", symbolic_graph, "2", lambda P: 2),
}
