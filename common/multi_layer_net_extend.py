"""The fully connected network of any depth, with dropout and batch normalization."""

from collections.abc import Sequence

import numpy as np

from common.multi_layer_net import *  # noqa: F403
from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net import __all__ as names_of_multi_layer_net
from common.networks.layer_network import activation_layer

# A star import binds what that of the book's module does, since readers' own code relies on it.
__all__ = ["MultiLayerNetExtend"]
__all__ += [name for name in names_of_multi_layer_net if name != "MultiLayerNet"]


class MultiLayerNetExtend(MultiLayerNet):
    """Affine layers, each but the last followed by batch normalization, activation and dropout.

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
        Standard deviation of the initial weights, or ``"relu"`` (He) or ``"sigmoid"`` (Xavier).
    weight_decay_lambda : float
        Strength λ of weight decay, which adds ½ λ Σ W² to the loss.
    use_dropout : bool
    dropout_ration : float
        Probability that a hidden unit is switched off in training. (The book's spelling.)
    use_batchnorm : bool
    rng : numpy.random.Generator, optional
        Source of initial weights and dropout; NumPy's global state without one.
    dtype : floating-point dtype
        Of parameters and arithmetic.

    Examples
    --------
    >>> network = MultiLayerNetExtend(784, [100], 10, use_dropout=True, use_batchnorm=True)
    >>> list(network.layers)
    ['Affine1', 'BatchNorm1', 'Activation_function1', 'Dropout1', 'Affine2']
    >>> list(network.params)
    ['W1', 'b1', 'gamma1', 'beta1', 'W2', 'b2']
    """

    def __init__(
        self,
        input_size: int,
        hidden_size_list: Sequence[int],
        output_size: int,
        activation: str | type = "relu",
        weight_init_std: float | str = "relu",
        weight_decay_lambda: float = 0,
        use_dropout: bool = False,
        dropout_ration: float = 0.5,
        use_batchnorm: bool = False,
        *,
        rng: np.random.Generator | None = None,
        dtype=np.float64,
    ):
        self.use_dropout = use_dropout
        self.dropout_ration = dropout_ration
        self.use_batchnorm = use_batchnorm
        super().__init__(
            input_size,
            hidden_size_list,
            output_size,
            activation,
            weight_init_std,
            weight_decay_lambda,
            rng=rng,
            dtype=dtype,
        )

    def _add_hidden_layer(self, size, activation, weight_init_std):
        self.add_affine(size, weight_init_std)
        if self.use_batchnorm:
            self.add_batch_normalization()
        self.add(activation_layer(activation), "Activation_function")
        if self.use_dropout:
            self.add_dropout(self.dropout_ration)
