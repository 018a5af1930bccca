"""A network as a chain of layers, whatever they are: forward in order, backward in reverse.

This is the loop that every network of layers shares, written once. A subclass says which layers
there are, one line for each, from the input to the scores:

    self.add_convolution(filter_num=30, filter_size=5)
    self.add(Relu())
    self.add_pooling(2, stride=2)
    self.add_affine(100)

Each ``add_…`` knows the shape of what the layers before it put out, so that none has to be given.
"""

import cmath
import math
from collections.abc import Sequence

import numpy as np

from common.layers import (
    Affine,
    BatchNormalization,
    Convolution,
    Dropout,
    Pooling,
    Relu,
    Sigmoid,
    SoftmaxWithLoss,
)
from common.networks.network import Network
from common.networks.parameters import takes_train_flg
from common.networks.weight_initialization import initial_weights
from common.support.checks import check_number, check_rng, check_sequence, check_size
from common.support.random_state import random_state, set_random_state
from common.util import conv_output_size

__all__ = ["LayerNetwork", "activation_layer"]

SHORT_NAMES = {"Convolution": "Conv", "Pooling": "Pool", "BatchNormalization": "BatchNorm"}


class LayerNetwork(Network):
    """Base of the networks that are a chain of layers, with softmax and cross-entropy at the end.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one example, (784,) or (1, 28, 28).
    weight_decay_lambda : float
        Strength λ of weight decay: ½ λ Σ W² over all weights W (not the biases) is added to the
        loss, and so λ W to the gradient of each.
    rng : numpy.random.Generator, optional
        Source of initial weights and of dropout; NumPy's global state without one.
    dtype : floating-point dtype
        Of parameters and arithmetic.

    Attributes
    ----------
    params : dict of str to ndarray
        W1, b1, W2, b2, … of the affine and convolution layers, gamma1, beta1, … of the batch
        normalizations, each numbered from the input on.
    layers : dict of str to layer
        Conv1, Relu1, Pool1, Affine1, … in the order in which the input passes through them.
    last_layer : SoftmaxWithLoss

    Warns
    -----
    DivergenceWarning
        If the parameters are so large that a loss or a prediction isn't finite. The NaN is
        returned, so that a comparison with other networks goes on; a Trainer stops.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        *,
        weight_decay_lambda: float = 0,
        rng: np.random.Generator | None = None,
        dtype=np.float64,
    ):
        check_sequence("input_dim", input_shape)
        for size in input_shape:
            check_size("each size in input_dim", size)
        check_rng(rng)
        super().__init__(math.prod(input_shape), dtype)
        self.input_shape = tuple(input_shape)
        self.output_shape = self.input_shape
        self.weight_decay_lambda = check_number("weight_decay_lambda", weight_decay_lambda, 0)
        self.rng = rng
        self.last_layer = SoftmaxWithLoss()

    def add(self, layer, name: str | None = None) -> None:
        """Append a layer, and its parameters to ``params``.

        Parameters
        ----------
        layer : layer
        name : str, optional
            Its key in ``layers``, without the number; by default a short name of its class.
        """
        name = name or SHORT_NAMES.get(type(layer).__name__, type(layer).__name__)
        number = 1 + sum(key.rstrip("0123456789") == name for key in self.layers)
        self.layers[f"{name}{number}"] = layer
        self.synchronize()

    def add_affine(self, size: int, weight_init_std: float | str = "relu") -> None:
        """Append an affine layer of `size` units."""
        check_size("the layer size", size)
        fan_in = math.prod(self.output_shape)
        W = initial_weights((fan_in, size), fan_in, weight_init_std, self.rng, self.dtype)
        self.add(Affine(W, np.zeros(size, self.dtype), input_gradient=bool(self.layers)))
        self.output_shape = (size,)

    def add_convolution(
        self,
        filter_num: int,
        filter_size: int,
        pad: int = 0,
        stride: int = 1,
        weight_init_std: float | str = "relu",
    ) -> None:
        """Append a convolution with `filter_num` square filters of `filter_size` pixels a side."""
        check_size("filter_num", filter_num)
        check_size("filter_size", filter_size)
        self.evaluation_batch = 100
        channels, height, width = self._image_shape()
        shape = (filter_num, channels, filter_size, filter_size)
        self.output_shape = (
            filter_num,
            conv_output_size(height, filter_size, stride, pad),
            conv_output_size(width, filter_size, stride, pad),
        )
        W = initial_weights(shape, math.prod(shape[1:]), weight_init_std, self.rng, self.dtype)
        b = np.zeros(filter_num, self.dtype)
        self.add(Convolution(W, b, stride, pad, input_gradient=bool(self.layers)))

    def add_pooling(self, pool_size: int, stride: int) -> None:
        """Append a max pooling of square windows."""
        channels, height, width = self._image_shape()
        self.output_shape = (
            channels,
            conv_output_size(height, pool_size, stride),
            conv_output_size(width, pool_size, stride),
        )
        self.add(Pooling(pool_size, pool_size, stride))

    def add_batch_normalization(self) -> None:
        """Append a batch normalization of what the last layer puts out."""
        features = self.output_shape[0]
        ones, zeros = np.ones(features, self.dtype), np.zeros(features, self.dtype)
        self.add(BatchNormalization(ones, zeros))

    def add_dropout(self, dropout_ratio: float) -> None:
        """Append a dropout that draws from the network's random numbers."""
        self.add(Dropout(dropout_ratio, rng=self.rng))

    def _image_shape(self):
        if len(self.output_shape) != 3:
            raise ValueError(f"images (C, H, W) are needed here, not shape {self.output_shape}")
        return self.output_shape

    def predict(self, x: np.ndarray, train_flg: bool = False) -> np.ndarray:
        """Return the score of each class: shape (N, K).

        Parameters
        ----------
        x : ndarray, shape (N, ...)
            Examples of `input_shape`, or of as many numbers in another shape.
        train_flg : bool
            Whether dropout and batch normalization do as they do in training.

        Raises
        ------
        ValueError, TypeError
            If `x` isn't a batch for this network.
        """
        self.synchronize()
        x = self.check_input(x)
        x = x.reshape(len(x), *self.input_shape)
        for layer in self.layers.values():
            options = {"train_flg": train_flg} if takes_train_flg(layer) else {}
            x = layer.forward(x, **options)
        return x

    def loss(self, x: np.ndarray, t: np.ndarray, train_flg: bool = False) -> float:
        """Return the mean cross-entropy over the batch, in nats, and the weight decay.

        Parameters
        ----------
        x : ndarray, shape (N, ...)
        t : ndarray
            Integer labels of shape (N,), or one-hot rows of shape (N, K).
        train_flg : bool
            Whether dropout and batch normalization do as they do in training.

        Raises
        ------
        ValueError, TypeError
            If `x` or `t` doesn't fit the network, or holds NaN or infinity; nothing is changed
            then, not even the random state.
        """
        self.synchronize()
        before = None
        if train_flg and (self._parameters.buffers or self._parameters.random):
            before = self._start or self._training_state()
        try:
            loss = self.last_layer.forward(self.predict(x, train_flg), t)
        except BaseException:
            if before is not None:
                self._undo(before)
            raise
        if self.weight_decay_lambda:
            squares = sum(np.sum(self.params[key] ** 2) for key in self._weight_keys())
            loss += 0.5 * self.weight_decay_lambda * squares
        if before is not None and not cmath.isfinite(loss):
            self._set_buffers(before[0])  # what has diverged must not enter the running averages
        return self.check_loss(loss)

    def gradient(self, x: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
        """Return ∂L/∂params by backpropagation, of the loss in training.

        Arguments and errors are those of `loss`; the result has the keys and shapes of ``params``.
        """
        return self.loss_and_gradient(x, t)[1]

    def loss_and_gradient(
        self, x: np.ndarray, t: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Return the loss in training and its gradient: one forward and one backward pass."""
        loss = self.loss(x, t, train_flg=True)

        dout = self.last_layer.backward()
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)

        grads = self.layer_gradients()
        if self.weight_decay_lambda:
            for key in self._weight_keys():
                grads[key] = grads[key] + self.weight_decay_lambda * self.params[key]
        return loss, grads

    def input_gradient(self, x: np.ndarray, dout: np.ndarray) -> np.ndarray:
        """Return the derivative of the scores by the input, each score weighted by `dout`.

        With 1 for one class and 0 for the others it tells, for each pixel, how much the score of
        that class would grow if the pixel did. (The loss isn't asked.)

        Parameters
        ----------
        x : ndarray, shape (N, ...)
        dout : ndarray, shape (N, K)
            The weights of the scores.

        Returns
        -------
        ndarray
            ∂ Σ scores · dout / ∂x, in the shape of `x`.

        Raises
        ------
        ValueError, TypeError
            If `x` isn't a batch for this network, or `dout` hasn't the shape of its scores.
        """
        scores = self.predict(x)
        dout = np.asarray(dout, scores.dtype)
        if dout.shape != scores.shape:
            raise ValueError(f"dout must have the scores' shape {scores.shape}, got {dout.shape}")
        first, *_ = self.layers.values()
        asked = getattr(first, "input_gradient", True)  # training has no use for it
        try:
            if not asked:
                first.input_gradient = True
            for layer in reversed(self.layers.values()):
                dout = layer.backward(dout)
        finally:
            if not asked:
                first.input_gradient = False
        return dout.reshape(np.shape(x))

    def objective(self, x: np.ndarray, t: np.ndarray) -> float:
        """Return the loss in training, always with the same dropout, and leave no trace of it."""
        if self._start is None:
            with self.unchanged():
                return self.loss(x, t, train_flg=True)
        _, random_states = self._start
        for rng, state in random_states if self._drawn is None else self._drawn:
            set_random_state(rng, state)
        loss = self.loss(x, t, train_flg=True)
        if self._drawn is None:  # setting the others again and again would take most of the time
            self._drawn = [
                (rng, state) for rng, state in random_states if str(random_state(rng)) != str(state)
            ]
        return loss

    def _weight_keys(self):
        return [key for key, (_, name) in self._parameters.owners.items() if name == "W"]


def activation_layer(activation: str | type) -> object:
    """Return a new layer: ``"relu"``, ``"sigmoid"``, or one of a layer class such as `Relu`."""
    if isinstance(activation, type) and hasattr(activation, "forward"):
        return activation()
    layers = {"relu": Relu, "sigmoid": Sigmoid}
    if str(activation).lower() not in layers:
        raise ValueError(
            f"activation must be 'relu', 'sigmoid' or a layer class, got {activation!r}"
        )
    return layers[activation.lower()]()
