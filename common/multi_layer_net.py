"""A fully connected network of any depth."""

from collections.abc import Sequence

import numpy as np

from common.networks.layer_network import LayerNetwork, activation_layer
from common.support.checks import check_sequence

__all__ = ["MultiLayerNet"]


class MultiLayerNet(LayerNetwork):
    """Affine layers with an activation between them, and softmax with loss at the end.

    Parameters
    ----------
    input_size : int
        Numbers an example.
    hidden_size_list : sequence of int
        Units of each hidden layer.
    output_size : int
        Classes.
    activation : {"relu", "sigmoid"}
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
    ['Affine1', 'Relu1', 'Affine2', 'Relu2', 'Affine3']
    >>> network.params["W2"].shape
    (100, 50)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size_list: Sequence[int],
        output_size: int,
        activation: str = "relu",
        weight_init_std: float | str = "relu",
        weight_decay_lambda: float = 0,
        *,
        rng: np.random.Generator | None = None,
        dtype=np.float64,
    ):
        super().__init__(
            (input_size,), weight_decay_lambda=weight_decay_lambda, rng=rng, dtype=dtype
        )
        check_sequence("hidden_size_list", hidden_size_list)
        activation_layer(activation)  # refuses a wrong name even if there is no hidden layer
        for size in hidden_size_list:
            self._add_hidden_layer(size, activation, weight_init_std)
        self.add_affine(output_size, weight_init_std)

    def _add_hidden_layer(self, size, activation, weight_init_std):
        self.add_affine(size, weight_init_std)
        self.add(activation_layer(activation))
