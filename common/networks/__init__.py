"""Networks: what all share, a chain of layers, initial weights, and the convolutional networks.

`network` has the interface that every network offers, `layer_network` the loop over a chain of
layers, `weight_initialization` the standard deviation of the initial weights, and `convolutional`
the networks of the book's chapters 7 and 8. The fully connected ones of chapter 6 are in
`common.multi_layer_net` and `common.multi_layer_net_extend`, where the book has them.
"""

from common.networks.convolutional import DeepConvNet, SimpleConvNet
from common.networks.layer_network import LayerNetwork
from common.networks.network import Network, affine_params
from common.networks.weight_initialization import initial_std, initial_weights

__all__ = [
    "DeepConvNet",
    "LayerNetwork",
    "Network",
    "SimpleConvNet",
    "affine_params",
    "initial_std",
    "initial_weights",
]
