"""Layers of a computational graph: each knows how to go forward, and how to go backward.

``forward`` computes a layer's output and remembers what its derivative will need; ``backward`` is
given ∂L/∂output (`dout`) and returns ∂L/∂input, by the chain rule, at the input of the last forward
pass. On the way it leaves the gradients of the layer's own parameters in ``dW`` and ``db``
(``dgamma`` and ``dbeta``). A batch runs along axis 0.

``jvp`` of the fully connected layers is the third way through: it is given how fast the input and
the parameters move (their tangents), and returns how fast the output does, a Jacobian-vector
product. `common.gradient_methods.forward_mode` is made of it.

No layer writes into an array that it was given, and none changes the dtype of what flows through
it. ``from common.layers import *`` also binds ``np``.
"""

import numpy as np

from common.layers.activation import Relu, Sigmoid
from common.layers.affine import Affine
from common.layers.batch_normalization import BatchNormalization
from common.layers.convolution import Convolution
from common.layers.dropout import Dropout
from common.layers.loss import SoftmaxWithLoss
from common.layers.pooling import Pooling

__all__ = [
    "Affine",
    "BatchNormalization",
    "Convolution",
    "Dropout",
    "Pooling",
    "Relu",
    "Sigmoid",
    "SoftmaxWithLoss",
    "np",
]
