"""The convolutional networks of the book: one convolution in chapter 7, six in chapter 8."""

from collections.abc import Mapping, Sequence

import numpy as np

from common.layers import Relu
from common.networks.layer_network import LayerNetwork
from common.support.checks import check_sequence, check_size

__all__ = ["DeepConvNet", "SimpleConvNet"]


class SimpleConvNet(LayerNetwork):
    """Convolution, ReLU, pooling, affine, ReLU, affine, and softmax with loss.

    Parameters
    ----------
    input_dim : (C, H, W)
        Shape of an image.
    conv_param : mapping
        ``filter_num``, ``filter_size``, ``pad`` and ``stride`` of the convolution; by default 30
        filters of 5 × 5 pixels, no padding and stride 1.
    hidden_size, output_size : int
        Units of the hidden affine layer, and classes.
    weight_init_std : float or str
        Standard deviation of the initial weights, or a rule for it: ``"relu"`` or ``"he"``, or
        ``"sigmoid"`` or ``"xavier"``.
    rng : numpy.random.Generator, optional
        Source of the initial weights; NumPy's global state without one.
    dtype : floating-point dtype
        Of parameters and arithmetic.

    Examples
    --------
    >>> network = SimpleConvNet()
    >>> list(network.layers)
    ['Conv1', 'Relu1', 'Pool1', 'Affine1', 'Relu2', 'Affine2']
    >>> [network.params[key].shape for key in ("W1", "W2", "W3")]
    [(30, 1, 5, 5), (4320, 100), (100, 10)]
    """

    def __init__(
        self,
        input_dim: Sequence[int] = (1, 28, 28),
        conv_param: Mapping[str, int] | None = None,
        hidden_size: int = 100,
        output_size: int = 10,
        weight_init_std: float | str = 0.01,
        *,
        rng: np.random.Generator | None = None,
        dtype=np.float64,
    ):
        check_size("hidden_size", hidden_size)
        check_size("output_size", output_size)
        super().__init__(input_dim, rng=rng, dtype=dtype)
        conv_param = conv_param or {"filter_num": 30, "filter_size": 5, "pad": 0, "stride": 1}
        self.add_convolution(**conv_param, weight_init_std=weight_init_std)
        self.add(Relu())
        self.add_pooling(2, stride=2)
        self.add_affine(hidden_size, weight_init_std)
        self.add(Relu())
        self.add_affine(output_size, weight_init_std)


SIX_CONVOLUTIONS = tuple(
    {"filter_num": filter_num, "filter_size": 3, "pad": pad, "stride": 1}
    for filter_num, pad in ((16, 1), (16, 1), (32, 1), (32, 2), (64, 1), (64, 1))
)


class DeepConvNet(LayerNetwork):
    """Convolutions of 3 × 3 pixels with a pooling after every second one, then affine layers.

    conv – ReLU – conv – ReLU – pool, three times, then affine – ReLU – dropout – affine – dropout,
    and softmax with loss. Weights start with He's standard deviation.

    Parameters
    ----------
    input_dim : (C, H, W)
        Shape of an image.
    conv_params : sequence of mappings
        ``filter_num``, ``filter_size``, ``pad`` and ``stride`` of each convolution; by default
        16, 16, 32, 32, 64 and 64 filters.
    hidden_size, output_size : int
        Units of the hidden affine layer, and classes.
    dropout_ratio : float
        Probability that a number is dropped in training.
    rng : numpy.random.Generator, optional
        Source of initial weights and dropout; NumPy's global state without one.
    dtype : floating-point dtype
        Of parameters and arithmetic.

    Examples
    --------
    >>> network = DeepConvNet()
    >>> [network.params[f"W{i}"].shape for i in (1, 6, 7, 8)]
    [(16, 1, 3, 3), (64, 64, 3, 3), (1024, 50), (50, 10)]
    """

    def __init__(
        self,
        input_dim: Sequence[int] = (1, 28, 28),
        conv_params: Sequence[Mapping[str, int]] = SIX_CONVOLUTIONS,
        hidden_size: int = 50,
        output_size: int = 10,
        dropout_ratio: float = 0.5,
        *,
        rng: np.random.Generator | None = None,
        dtype=np.float64,
    ):
        check_size("hidden_size", hidden_size)
        check_size("output_size", output_size)
        super().__init__(input_dim, rng=rng, dtype=dtype)
        check_sequence("conv_params", conv_params)
        for number, conv_param in enumerate(conv_params, start=1):
            self.add_convolution(**conv_param)
            self.add(Relu())
            if number % 2 == 0:
                self.add_pooling(2, stride=2)
        self.add_affine(hidden_size)
        self.add(Relu())
        self.add_dropout(dropout_ratio)
        self.add_affine(output_size)
        self.add_dropout(dropout_ratio)
