"""A network of two affine layers, written as formulas, that can learn from a numerical gradient.

z = σ(x W1 + b1), y = softmax(z W2 + b2), L = mean cross-entropy of y and the labels.
"""

import numpy as np

from common.functions import cross_entropy_error, sigmoid, softmax
from common.layers import Affine, Sigmoid, SoftmaxWithLoss
from common.networks import Network, affine_params


class TwoLayerNet(Network):
    """Input, a hidden layer of sigmoids, and a softmax over the classes.

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
    activation : function
        The hidden layer's, from an array to an array.
    """

    activation = staticmethod(sigmoid)

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

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the probability of each class: shape (N, output_size) for `x` of shape (N, ...).

        Raises
        ------
        ValueError, TypeError
            If `x` isn't a batch for this network.
        """
        W1, b1, W2, b2 = (self.params[key] for key in ("W1", "b1", "W2", "b2"))
        x = self.check_input(x)
        z = self.activation(x.reshape(len(x), -1) @ W1 + b1)
        return softmax(z @ W2 + b2)

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
        return self.check_loss(cross_entropy_error(self.predict(x), t))

    def gradient(self, x: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
        """Return ∂L/∂params by backpropagation: chapter 5, borrowed.

        The same formulas as `predict` and `loss`, as layers that can also run backward. Arguments
        and errors are those of `loss`; the result has the keys and shapes of ``params``.
        """
        return self.loss_and_gradient(x, t)[1]

    def loss_and_gradient(
        self, x: np.ndarray, t: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Return what `loss` and `gradient` return: the gradient's pass forward has the loss."""
        if self.activation is not sigmoid:
            raise TypeError("this gradient is that of the sigmoid; activation is another function")
        x = self.check_input(x)
        affine1 = Affine(self.params["W1"], self.params["b1"], input_gradient=False)
        sigmoid1 = Sigmoid()
        affine2 = Affine(self.params["W2"], self.params["b2"])
        softmax_with_loss = SoftmaxWithLoss()

        scores = affine2.forward(sigmoid1.forward(affine1.forward(x)))
        loss = self.check_loss(softmax_with_loss.forward(scores, t))

        dscores = softmax_with_loss.backward()
        affine1.backward(sigmoid1.backward(affine2.backward(dscores)))
        grads = {"W1": affine1.dW, "b1": affine1.db, "W2": affine2.dW, "b2": affine2.db}
        return loss, grads
