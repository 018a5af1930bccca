"""The gradient of a tiny network: one layer, two inputs, three classes, six weights.

The loss is a function of the weights. Its gradient has their shape, and says for each weight how
the loss would change if that weight grew: an entry of 0.2 means that the loss grows by about 0.2 h
if the weight grows by h. So a step against the gradient makes the loss smaller.
"""

import numpy as np

from common.functions import cross_entropy_error, softmax
from common.gradient import numerical_gradient
from common.scripts.command_line import run, script_parser


class SimpleNet:
    """One layer without bias: y = softmax(x W).

    Parameters
    ----------
    rng : numpy.random.Generator, optional
        Source of the weights; NumPy's global state without one.

    Attributes
    ----------
    W : ndarray, shape (2, 3)
        From a standard normal distribution.
    """

    def __init__(self, rng: np.random.Generator | None = None):
        source = np.random if rng is None else rng
        self.W = source.standard_normal((2, 3))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the scores x W: shape (3,) or (N, 3) for `x` of shape (2,) or (N, 2)."""
        return x @ self.W

    def loss(self, x: np.ndarray, t: np.ndarray) -> float:
        """Return the mean cross-entropy of softmax(x W) and the labels `t`, in nats."""
        return cross_entropy_error(softmax(self.predict(x)), t)


def show_gradient_step(net: SimpleNet) -> None:
    """Print loss and gradient of `net` for one example, and the loss after a step downhill."""
    x, t = np.array([0.6, 0.9]), np.array([0, 0, 1])

    dW = numerical_gradient(lambda W: net.loss(x, t), net.W)
    print(f"weights W:\n{net.W}\n")
    print(f"scores x W:           {net.predict(x)}")
    print(f"probabilities:        {softmax(net.predict(x))}, right class {t.argmax()}")
    print(f"loss:                 {net.loss(x, t):.6f}\n")
    print(f"gradient with respect to W:\n{dW}\n")
    net.W -= 0.1 * dW
    print(f"loss after a step of learning rate 0.1: {net.loss(x, t):.6f}")


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    args = script_parser(__doc__, seed=0).parse_args(argv)
    with np.printoptions(precision=6, suppress=True):
        show_gradient_step(SimpleNet(np.random.default_rng(args.seed)))


if __name__ == "__main__":
    run(main)
