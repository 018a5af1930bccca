"""The two-layer network a third time: only its loss is written down, the gradient is derived.

Chapter 4 asks the loss once for each weight. Chapter 5 writes a backward pass, layer by layer. Here
the loss is an expression of common.symbolic. T.grad makes the expression of its gradient, and
theano.function writes both down as a NumPy program. The script prints that program, which nobody
wrote, compares its gradient with that of the layers, and times both.
"""

import time

import numpy as np

import common.symbolic.tensor as T
from ch05_backprop.two_layer_net import TwoLayerNet as LayerNet
from common import symbolic as theano
from common.command_line import run, script_parser
from common.functions import check_labels, relu
from common.network import Network, affine_params
from common.units import readable_time
from dataset.mnist import load_mnist

REPEATS = 200


class TwoLayerNet(Network):
    """The network of chapter 5, with a gradient that is derived.

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

        x, W1, W2 = (T.matrix(name, dtype=self.dtype) for name in ("x", "W1", "W2"))
        b1, b2 = (T.vector(name, dtype=self.dtype) for name in ("b1", "b2"))
        hidden = T.nnet.relu(T.dot(x, W1) + b1)
        scores = T.dot(hidden, W2) + b2
        log_p = T.log(T.nnet.softmax(scores))

        labels, one_hot = T.lvector("t"), T.matrix("t", dtype=self.dtype)
        loss_of_labels = -T.mean(log_p[T.arange(labels.shape[0]), labels])
        loss_of_one_hot = -T.mean(T.sum(one_hot * log_p, axis=1))
        for name, variable in {
            "hidden": hidden,
            "scores": scores,
            "loss": loss_of_labels,
            "loss_of_one_hot": loss_of_one_hot,
        }.items():
            variable.name = name

        self._variables = {"x": x, "W1": W1, "b1": b1, "W2": W2, "b2": b2}
        self._losses = {1: (labels, loss_of_labels), 2: (one_hot, loss_of_one_hot)}
        self._scores = theano.function(list(self._variables.values()), scores)
        self._functions = {}

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the score of each class: shape (N, output_size) for `x` of shape (N, ...).

        Softmax would turn scores into probabilities; the largest stays the largest.

        Raises
        ------
        ValueError, TypeError
            If `x` isn't a batch for this network.
        """
        x = self.check_input(x)
        return self._scores(x.reshape(len(x), -1), *self.params.values())

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
        [loss] = self._call("loss", x, t)
        return loss

    def gradient(self, x: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
        """Return ∂L/∂params by the derived program.

        Arguments and errors are those of `loss`; the result has the keys and shapes of ``params``.
        """
        return self.loss_and_gradient(x, t)[1]

    def loss_and_gradient(
        self, x: np.ndarray, t: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Return what `loss` and `gradient` return: the derived program computes both."""
        loss, *grads = self._call("gradient", x, t)
        return loss, dict(zip(("W1", "b1", "W2", "b2"), grads, strict=True))

    def compiled(self, what: str, label_axes: int = 1) -> theano.Function:
        """Return the function that computes the loss, or the loss and its gradient.

        Parameters
        ----------
        what : {"loss", "gradient"}
        label_axes : {1, 2}
            1 for integer labels, 2 for one-hot rows.
        """
        if (what, label_axes) not in self._functions:
            x, *params = self._variables.values()
            t, loss = self._losses[label_axes]
            outputs = [loss] if what == "loss" else [loss, *T.grad(loss, params)]
            self._functions[what, label_axes] = theano.function([x, t, *params], outputs, name=what)
        return self._functions[what, label_axes]

    def _call(self, what, x, t):
        x = self.check_input(x)
        t = check_labels(np.asarray(t), (len(x), self.params["b2"].size))
        t = t.astype(np.int64 if t.ndim == 1 else self.dtype, copy=False)
        params = (self.params[key] for key in ("W1", "b1", "W2", "b2"))
        loss, *grads = self.compiled(what, t.ndim)(x.reshape(len(x), -1), t, *params)
        return self.check_loss(loss.item(), x), *grads


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    parser = script_parser(__doc__, seed=0)
    args = parser.parse_args(argv)
    (x, t), _ = load_mnist(source="sample")
    x, t = x[:100].astype(np.float64), t[:100]

    start = time.perf_counter()
    network = TwoLayerNet(784, 50, 10, rng=np.random.default_rng(args.seed))
    grads = network.gradient(x, t)
    seconds = time.perf_counter() - start
    print(network.compiled("gradient").source)
    print(f"From the definition to the first gradient: {readable_time(seconds)}.")

    layers = LayerNet(784, 50, 10)
    layers.params = network.params
    expected = layers.gradient(x, t)
    difference = max(np.abs(grads[key] - expected[key]).max() for key in expected)
    print(f"Largest difference from the layers' gradient: {difference:.1e}.")

    times = {network: [], layers: []}
    for _ in range(REPEATS):
        for net, seconds in times.items():
            start = time.perf_counter()
            net.gradient(x, t)
            seconds.append(time.perf_counter() - start)
    ours, theirs = (readable_time(np.median(seconds)) for seconds in times.values())
    print(f"One gradient (median of {REPEATS}): derived {ours}, layers {theirs}.")


if __name__ == "__main__":
    run(main)
