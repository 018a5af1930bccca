"""Train a multilayer perceptron whose gradient is derived: L2 regularization, early stopping.

The network has one hidden layer of tanh units and a softmax. Its objective, the mean cross-entropy
plus λ times the sum of the squared weights, is an expression of common.symbolic; the gradient is
derived from it, and one compiled function is a whole training step.

A part of the training digits is set aside as validation data. After each epoch the network is
evaluated on it: training stops early when the validation accuracy hasn't improved for some epochs,
and the parameters with the highest one are kept. Only at the end are the test digits used. Each
line of the table gives the mean loss of the epoch's mini-batches in nats, and the accuracy on the
digits that are trained on (train_acc) and on the validation digits (test_acc). --resume goes on
after Ctrl-C.
"""

from itertools import pairwise

import numpy as np

import common.symbolic.tensor as T
from ch05_backprop.shared_parameters import SharedParameters, model_parser, train_model
from common import symbolic as theano
from common.scripts.command_line import positive_float, positive_int, run
from common.scripts.training_run import results_folder
from common.support.threads import limit_threads
from common.training import BestParameters, EarlyStopping
from dataset.mnist import load_mnist


class MultilayerPerceptron(SharedParameters):
    """One hidden layer of tanh units, softmax, and its training step as a compiled function.

    Parameters
    ----------
    x_train : ndarray, shape (N, D)
    t_train : ndarray, shape (N,)
        Integer labels from 0 to classes − 1.
    hidden_size, classes : int
    learning_rate : float
        Step size of gradient descent.
    l2 : float
        Strength λ of L2 regularization.
    rng : numpy.random.Generator
        Source of the initial weights, uniform with Glorot's limit √(6 / (inputs + outputs)).

    Attributes
    ----------
    shared : dict of str to shared variable
        W1 (D, hidden_size), b1, W2 (hidden_size, classes), b2.
    step : Function
        Takes the indices of a mini-batch's rows, returns its mean cross-entropy in nats (without
        regularization), and updates the parameters.
    accuracy : Function
        Takes examples and their labels, and returns the fraction classified correctly.
    """

    def __init__(
        self,
        x_train: np.ndarray,
        t_train: np.ndarray,
        *,
        hidden_size: int,
        learning_rate: float,
        l2: float,
        rng: np.random.Generator,
        classes: int = 10,
    ):
        dtype = x_train.dtype
        digits = theano.shared(x_train, "digits", borrow=True)
        labels = theano.shared(t_train.astype(np.int64), "labels")
        self.shared = {}
        sizes = (x_train.shape[1], hidden_size, classes)
        for n, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
            limit = np.sqrt(6 / (inputs + outputs))
            W = rng.uniform(-limit, limit, (inputs, outputs)).astype(dtype)
            self.shared[f"W{n}"] = theano.shared(W, f"W{n}")
            self.shared[f"b{n}"] = theano.shared(np.zeros(outputs, dtype), f"b{n}")
        W1, b1, W2, b2 = self.shared.values()

        x, t, rows = T.matrix("x", dtype=dtype), T.lvector("t"), T.lvector("rows")
        p = T.nnet.softmax(T.dot(T.tanh(T.dot(x, W1) + b1), W2) + b2)
        loss = -T.mean(T.log(p)[T.arange(t.shape[0]), t])
        objective = loss + l2 * (T.sum(W1**2) + T.sum(W2**2))
        params = list(self.shared.values())
        updates = [
            (param, param - learning_rate * gradient)
            for param, gradient in zip(params, T.grad(objective, params), strict=True)
        ]
        givens = {x: digits[rows], t: labels[rows]}
        self.step = theano.function([rows], loss, updates=updates, givens=givens, name="step")
        self.accuracy = theano.function(
            [x, t], T.mean(T.eq(T.argmax(p, axis=1), t)), name="accuracy"
        )


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    parser = model_parser(
        __doc__, output="output/symbolic_mlp", epochs=100, batch_size=20, learning_rate=0.05
    )
    add = parser.add_argument
    add("--hidden-size", type=positive_int, default=100, help="hidden units")
    add("--l2", type=positive_float, default=1e-4, help="strength of L2 regularization")
    add("--patience", type=positive_int, default=5, help="epochs without improvement to wait for")
    args = parser.parse_args(argv)
    limit_threads(args.threads)
    results_folder(args.output, resume=args.resume)
    (x, t), (x_test, t_test) = load_mnist(source=args.data)
    t, t_test = t.astype(np.int64), t_test.astype(np.int64)
    first = len(x) // 6
    x_valid, t_valid, x_train, t_train = x[:first], t[:first], x[first:], t[first:]
    print(f"{len(x_train):,} training, {first:,} validation and {len(x_test):,} test digits")

    rng = np.random.default_rng(args.seed)
    model = MultilayerPerceptron(
        x_train,
        t_train,
        hidden_size=args.hidden_size,
        learning_rate=args.learning_rate,
        l2=args.l2,
        rng=rng,
    )
    training = train_model(
        model,
        args,
        rng,
        train=(x_train, t_train),
        evaluate=(x_valid, t_valid),
        callbacks=[EarlyStopping(args.patience), BestParameters(restore=True)],
    )
    if training.stop_reason:
        print(f"stopped early: {training.stop_reason}")
    test_acc = model.accuracy(x_test, t_test)
    print(f"test accuracy with the best validation accuracy's parameters: {test_acc:.4f}")


if __name__ == "__main__":
    run(main)
