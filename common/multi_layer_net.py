"""A fully connected network of any depth."""

import os
import sys
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from common.gradient import numerical_gradient
from common.layers import *  # noqa: F403
from common.layers import __all__ as names_of_layers
from common.networks.layer_network import LayerNetwork, activation_layer
from common.support.checks import check_sequence, check_size

# A star import binds what that of the book's module does, since readers' own code relies on it.
__all__ = ["MultiLayerNet", "OrderedDict", "numerical_gradient", "os", "sys"]
__all__ += names_of_layers


class MultiLayerNet(LayerNetwork):
    """Affine layers with an activation between them, and softmax with loss at the end.

    Parameters
    ----------
    input_size : int
        Numbers per example.
    hidden_size_list : sequence of int
        Units of each hidden layer.
    output_size : int
        Classes.
    activation : {"relu", "sigmoid"} or class
        A layer class, such as one of your own, is instantiated for each hidden layer.
    weight_init_std : float or str
        Standard deviation of the initial weights, or ``"relu"`` (He) or ``"sigmoid"`` (Xavier) to
        suit the number of inputs; see `common.networks.weight_initialization`.
    weight_decay_lambda : float
        Strength λ of weight decay, which adds ½ λ Σ W² to the loss.
    rng : numpy.random.Generator, optional
        Source of the initial weights; NumPy's global state without one.
    dtype : floating-point dtype
        Of parameters and arithmetic.

    Examples
    --------
    >>> network = MultiLayerNet(784, [100, 50], 10)
    >>> list(network.layers)
    ['Affine1', 'Activation_function1', 'Affine2', 'Activation_function2', 'Affine3']
    >>> network.params["W2"].shape
    (100, 50)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size_list: Sequence[int],
        output_size: int,
        activation: str | type = "relu",
        weight_init_std: float | str = "relu",
        weight_decay_lambda: float = 0,
        *,
        rng: np.random.Generator | None = None,
        dtype=np.float64,
    ):
        check_size("input_size", input_size)
        check_sequence("hidden_size_list", hidden_size_list)
        for size in hidden_size_list:
            check_size("each size in hidden_size_list", size)
        check_size("output_size", output_size)
        super().__init__(
            (input_size,), weight_decay_lambda=weight_decay_lambda, rng=rng, dtype=dtype
        )
        self.hidden_size_list = list(hidden_size_list)
        self.hidden_layer_num = len(self.hidden_size_list)
        self.output_size = output_size
        activation_layer(activation)  # refuses a wrong name even if there is no hidden layer
        for size in hidden_size_list:
            self._add_hidden_layer(size, activation, weight_init_std)
        self.add_affine(output_size, weight_init_std)

    def _add_hidden_layer(self, size, activation, weight_init_std):
        self.add_affine(size, weight_init_std)
        self.add(activation_layer(activation), "Activation_function")
