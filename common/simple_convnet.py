"""The convolutional network of the book's chapter 7: one convolution, two affine layers."""

from collections.abc import Mapping, Sequence

import numpy as np

from common.layer_network import LayerNetwork
from common.layers import Relu

__all__ = ["SimpleConvNet"]


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
        Standard deviation of the initial weights, or a rule for it: see `common.initial_values`.
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
        super().__init__(input_dim, rng=rng, dtype=dtype)
        conv_param = conv_param or {"filter_num": 30, "filter_size": 5, "pad": 0, "stride": 1}
        self.add_convolution(**conv_param, weight_init_std=weight_init_std)
        self.add(Relu())
        self.add_pooling(2, stride=2)
        self.add_affine(hidden_size, weight_init_std)
        self.add(Relu())
        self.add_affine(output_size, weight_init_std)
