"""The two-layer network a third time: only its loss is written down, the gradient is derived.

Chapter 4 evaluates the loss twice per weight. Chapter 5 writes a backward pass, layer by layer.
Here the loss is an expression of common.symbolic, T.grad derives the expression of its gradient,
and theano.function compiles both to a NumPy program. The script prints this program, compares its
gradient with that of the layers, and times both.
"""

import time
from functools import cache

import numpy as np

import common.symbolic.tensor as T
from ch05_backprop.two_layer_net import TwoLayerNet as LayerNet
from common import symbolic as theano
from common.layers import Affine, Relu
from common.networks import Network
from common.scripts.command_line import run, script_parser
from common.scripts.units import readable_time
from common.support.checks import check_finite, check_labels, labels_as_rows
from common.support.threads import limit_threads
from dataset.mnist import load_mnist

REPEATS = 200


@cache
def derived(dtype: str = "float64", label_axes: int = 1) -> theano.Function:
    """Return the function that computes the loss of a two-layer network, and its gradient.

    Parameters
    ----------
    dtype : str
        The dtype of the parameters and of all arithmetic.
    label_axes : {1, 2}
        Number of axes of the labels: 1 for integers, 2 for one-hot rows.

    Returns
    -------
    Function
        It takes x (N, inputs), t (N,) or (N, classes), W1, b1, W2 and b2, and returns the loss in
        nats, ∂L/∂W1, ∂L/∂b1, ∂L/∂W2 and ∂L/∂b2.
    """
    x, W1, W2 = (T.matrix(name, dtype=dtype) for name in ("x", "W1", "W2"))
    b1, b2 = (T.vector(name, dtype=dtype) for name in ("b1", "b2"))
    hidden = T.nnet.relu(T.dot(x, W1) + b1)
    scores = T.dot(hidden, W2) + b2
    log_p = T.log(T.nnet.softmax(scores))
    if label_axes == 1:
        t = T.lvector("t")
        loss = -T.mean(log_p[T.arange(t.shape[0]), t])
    else:
        t = T.matrix("t", dtype=dtype)
        loss = -T.mean(T.sum(t * log_p, axis=1))
    hidden.name, scores.name, loss.name = "hidden", "scores", "loss"

    params = [W1, b1, W2, b2]
    return theano.function([x, t, *params], [loss, *T.grad(loss, params)], name="derived")


def derived_loss_and_gradient(
    network: Network, x: np.ndarray, t: np.ndarray
) -> tuple[float, dict[str, np.ndarray]]:
    """Return the loss and ∂L/∂params of a network with the parameters of `TwoLayerNet`.

    Parameters
    ----------
    network : TwoLayerNet, of this file or of layers
    x : ndarray, shape (N, ...)
    t : ndarray
        Integer labels of shape (N,), or one-hot rows of shape (N, output_size).

    Raises
    ------
    ValueError, TypeError
        If `x` or `t` doesn't fit the network, or holds NaN or infinity, or the network has other
        layers than affine, ReLU and affine.
    """
    network.synchronize()
    if [type(layer) for layer in network.layers.values()] != [Affine, Relu, Affine]:
        raise TypeError(
            "the gradient was derived for the layers Affine, Relu and Affine, the network has "
            + ", ".join(type(layer).__name__ for layer in network.layers.values())
        )
    params = {key: network.params[key] for key in ("W1", "b1", "W2", "b2")}
    x = network.check_input(x)
    check_finite("x", x)
    shape = len(x), params["b2"].size
    t = check_labels(t, shape)
    t = t.astype(np.int64) if t.ndim == 1 else labels_as_rows(t, np.empty(shape, x.dtype))
    program = derived(network.dtype.name, t.ndim)
    loss, *grads = program(x.reshape(len(x), -1), t, *params.values())
    return loss.item(), dict(zip(params, grads, strict=True))


class TwoLayerNet(LayerNet):
    """The network of chapter 5 with a derived gradient; the layers still predict.

    Parameters and attributes are those of the network of layers.
    """

    def gradient(self, x: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
        """Return ∂L/∂params by the derived program."""
        return self.loss_and_gradient(x, t)[1]

    def loss_and_gradient(
        self, x: np.ndarray, t: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Return the loss, equal to that of the layers up to rounding, and the gradient."""
        loss, grads = derived_loss_and_gradient(self, x, t)
        return self.check_loss(loss), grads


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    parser = script_parser(__doc__, seed=0, threads=1)
    args = parser.parse_args(argv)
    limit_threads(args.threads)
    (x, t), _ = load_mnist(source="sample")
    x, t = x[:100].astype(np.float64), t[:100]
    network = TwoLayerNet(784, 50, 10, rng=np.random.default_rng(args.seed))

    start = time.perf_counter()
    grads = network.gradient(x, t)
    seconds = time.perf_counter() - start
    print(derived().source)
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
