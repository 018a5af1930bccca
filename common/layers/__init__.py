"""Layers of a computational graph, each with a forward and a backward pass.

``forward`` computes a layer's output and stores what its derivative will need. ``backward`` is
given the upstream gradient ∂L/∂output, `dout`, multiplies it by the local gradient, and returns
∂L/∂input: a vector-Jacobian product (VJP), evaluated at the input of the last forward pass. It also
stores the gradients of the layer's own parameters, in ``dW`` and ``db`` (``dgamma`` and ``dbeta``).
A batch runs along axis 0. No layer writes into an array that it was given.

``jvp`` of the fully connected layers goes the other way: given the tangents of the input and of the
parameters, it returns the tangent of the output, a Jacobian-vector product (JVP).
`common.gradient_methods.forward_mode` is made of it.

`Layer` is the base class of all, and of those that you write. ``from common.layers import *`` also
binds what that of the book's module does: ``np``, all of `common.functions`, im2col and col2im.
"""

from common import functions
from common.functions import *  # noqa: F403
from common.layers.activation import Relu, Sigmoid
from common.layers.affine import Affine
from common.layers.base import Layer
from common.layers.batch_normalization import BatchNormalization
from common.layers.convolution import Convolution
from common.layers.dropout import Dropout
from common.layers.loss import SoftmaxWithLoss
from common.layers.pooling import Pooling
from common.util import col2im, im2col

__all__ = ["Affine", "BatchNormalization", "Convolution", "Dropout", "Layer", "Pooling"]
__all__ += ["Relu", "Sigmoid", "SoftmaxWithLoss", "col2im", "im2col", *functions.__all__]
