"""Logistic regression on digits, trained by updates of shared variables.

The model is one affine layer and a softmax: p = softmax(x W + b). Its loss is written down as an
expression, its gradient is derived, and one compiled function is a whole training step: it computes
the loss and replaces W and b. The digits are shared variables too, and `givens` puts the rows of a
mini-batch in place of x, so that a call passes nothing but the indices of these rows.

Each line of the table gives, after an epoch, the seconds of its steps, the mean loss of its
mini-batches in nats, and the accuracy on all training and all test digits. Afterwards, or after
Ctrl-C, the weights are drawn, one image per class. --resume goes on.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import common.symbolic.tensor as T
from ch05_backprop.shared_parameters import SharedParameters, model_parser, train_model
from common import symbolic as theano
from common.scripts.command_line import run
from common.scripts.figures import weight_images
from common.scripts.plot import plot_style
from common.scripts.training_run import results_folder
from common.support.threads import limit_threads
from dataset.mnist import load_mnist


class LogisticRegression(SharedParameters):
    """Softmax regression, with its training step and its accuracy as compiled functions.

    Parameters
    ----------
    x_train : ndarray, shape (N, D)
    t_train : ndarray, shape (N,)
        Integer labels from 0 to classes − 1.
    learning_rate, weight_decay : float
        Step size of gradient descent; factor of ½ Σ W² in the objective.
    classes : int

    Attributes
    ----------
    W, b : shared variable
        Weights (D, classes) and biases (classes,), initially 0.
    step : Function
        Takes the indices of a mini-batch's rows, returns its mean cross-entropy in nats (without
        weight decay), and updates W and b.
    accuracy : Function
        Takes digits and their labels, and returns the fraction classified correctly.
    """

    def __init__(
        self,
        x_train: np.ndarray,
        t_train: np.ndarray,
        *,
        learning_rate: float,
        weight_decay: float = 0.0,
        classes: int = 10,
    ):
        dtype = x_train.dtype
        digits = theano.shared(x_train, "digits", borrow=True)
        labels = theano.shared(t_train.astype(np.int64), "labels")
        self.W = theano.shared(np.zeros((x_train.shape[1], classes), dtype), "W")
        self.b = theano.shared(np.zeros(classes, dtype), "b")
        self.shared = {"W": self.W, "b": self.b}

        x, t, rows = T.matrix("x", dtype=dtype), T.lvector("t"), T.lvector("rows")
        p = T.nnet.softmax(T.dot(x, self.W) + self.b)
        loss = -T.mean(T.log(p)[T.arange(t.shape[0]), t])
        loss.name = "loss"
        objective = loss + weight_decay / 2 * T.sum(self.W**2)
        dW, db = T.grad(objective, [self.W, self.b])

        self.step = theano.function(
            [rows],
            loss,
            updates=[(self.W, self.W - learning_rate * dW), (self.b, self.b - learning_rate * db)],
            givens={x: digits[rows], t: labels[rows]},
            name="step",
        )
        right = T.eq(T.argmax(p, axis=1), t)
        self.accuracy = theano.function([x, t], T.mean(right), name="accuracy")


def draw(W: np.ndarray) -> Figure:
    """Draw the weights of each class as an image; `W` has shape (pixels, classes)."""
    images = weight_images(W)
    largest = float(np.abs(images).max()) or 1.0
    with plot_style():
        fig, axes = plt.subplots(2, -(-len(images) // 2), figsize=(7.0, 3.8), squeeze=False)
        for ax in axes.flat:
            ax.axis("off")
        for digit, (ax, image) in enumerate(zip(axes.flat, images, strict=False)):
            picture = ax.imshow(image, cmap="RdBu_r", vmin=-largest, vmax=largest)
            ax.set_title(str(digit))
        bar = fig.colorbar(picture, ax=axes, shrink=0.8)
        bar.set_label("weight")
        fig.suptitle("Weights of logistic regression, one image per class")
    return fig


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    parser = model_parser(
        __doc__,
        output="output/symbolic_logistic_regression",
        epochs=10,
        batch_size=100,
        learning_rate=0.1,
    )
    parser.add_argument("--source", action="store_true", help="print the derived training step")
    args = parser.parse_args(argv)
    limit_threads(args.threads)
    results_folder(args.output, resume=args.resume)
    (x_train, t_train), (x_test, t_test) = load_mnist(source=args.data)
    print(f"{len(x_train):,} training digits, {len(x_test):,} test digits")

    model = LogisticRegression(
        x_train, t_train, learning_rate=args.learning_rate, weight_decay=1e-4
    )
    if args.source:
        print(model.step.source)
    train_model(
        model,
        args,
        np.random.default_rng(args.seed),
        train=(x_train, t_train),
        evaluate=(x_test, t_test),
        plots={"symbolic_logistic_regression.png": lambda: draw(model.W.get_value())},
    )


if __name__ == "__main__":
    run(main)
