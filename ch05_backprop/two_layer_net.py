"""The network of chapter 4, rebuilt from layers, so that its gradient is one pass backward."""

import numpy as np

from common.functions import relu
from common.layers import Affine, Relu, SoftmaxWithLoss
from common.networks import Network, affine_params


class TwoLayerNet(Network):
    """Affine, ReLU, affine, and softmax with loss.

    Parameters
    ----------
    input_size, hidden_size, output_size : int
        Numbers an example, hidden units, classes.
    weight_init_std : float
        Standard deviation of the initial weights, drawn from a normal distribution.
    rng : numpy.random.Generator, optional
        Source of the initial weights; NumPy's global state without one.
    dtype : floating-point dtype
        Of the parameters and of all arithmetic.

    Attributes
    ----------
    params : dict of str to ndarray
        W1 (input_size, hidden_size), b1 (hidden_size,), W2 (hidden_size, output_size) and
        b2 (output_size,).
    layers : dict of str to layer
        Affine1, Relu1 and Affine2, in the order in which the input passes through them.
    last_layer : SoftmaxWithLoss
    activation : function
        The hidden layer's, from an array to an array.
    """

    activation = staticmethod(relu)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        weight_init_std: float = 0.01,
        *,
        rng: np.random.Generator | None = None,
        dtype=np.float64,
    ):
        super().__init__(input_size, dtype)
        sizes = (input_size, hidden_size, output_size)
        self.params = affine_params(sizes, weight_init_std, rng, dtype)
        self.layers = {
            "Affine1": Affine(self.params["W1"], self.params["b1"], input_gradient=False),
            "Relu1": Relu(),
            "Affine2": Affine(self.params["W2"], self.params["b2"]),
        }
        self.last_layer = SoftmaxWithLoss()
        self.synchronize()

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the score of each class: shape (N, output_size) for `x` of shape (N, ...).

        Softmax would turn scores into probabilities; the largest stays the largest.

        Raises
        ------
        ValueError, TypeError
            If `x` isn't a batch for this network.
        """
        self.synchronize()  # a parameter or a layer may have been replaced
        x = self.check_input(x)
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def loss(self, x: np.ndarray, t: np.ndarray) -> float:
        """Return the mean cross-entropy over the batch, in nats.

        Parameters
        ----------
        x : ndarray, shape (N, ...)
        t : ndarray
            Integer labels of shape (N,), or one-hot rows of shape (N, output_size).

        Raises
        ------
        ValueError, TypeError
            If `x` or `t` doesn't fit the network, or the loss isn't finite.
        """
        return self.check_loss(self.last_layer.forward(self.predict(x), t))

    def gradient(self, x: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
        """Return ∂L/∂params by backpropagation: one pass forward, one pass backward.

        Arguments and errors are those of `loss`; the result has the keys and shapes of ``params``.
        """
        self.loss(x, t)

        dout = self.last_layer.backward()
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)

        return self.layer_gradients()

    def loss_and_gradient(
        self, x: np.ndarray, t: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Return what `loss` and `gradient` return: the gradient's pass forward has the loss."""
        grads = self.gradient(x, t)
        return self.last_layer.loss, grads
