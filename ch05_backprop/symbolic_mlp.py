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
from ch05_backprop.shared_parameters import SharedParameters
from common import symbolic as theano
from common.scripts.command_line import positive_float, positive_int, run, script_parser
from common.scripts.training_run import CHECKPOINT, Results, begin, only_run_in, results_folder
from common.support.threads import limit_threads
from common.training import (
    BestParameters,
    Checkpoint,
    EarlyStopping,
    Evaluation,
    Progress,
    Table,
    Training,
)
from dataset.mnist import load_mnist

COLUMNS = {"epoch": "5d", "loss": "7.4f", "train_acc": "9.4f", "test_acc": "8.4f"}


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
    parser = script_parser(__doc__, output="output/symbolic_mlp", seed=0, data=True, threads=1)
    add = parser.add_argument
    add("--epochs", type=positive_int, default=100, help="passes over the digits, at most")
    add("--batch-size", type=positive_int, default=20, help="digits in a mini-batch")
    add("--hidden-size", type=positive_int, default=100, help="hidden units")
    add("--learning-rate", type=positive_float, default=0.05, help="step size of gradient descent")
    add("--l2", type=positive_float, default=1e-4, help="strength of L2 regularization")
    add("--patience", type=positive_int, default=5, help="epochs without improvement to wait for")
    add("--resume", action="store_true", help="go on with the run that --output holds")
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
    steps_per_epoch = -(-len(x_train) // args.batch_size)

    def measure(training):
        return {
            "epoch": training.step // steps_per_epoch,
            "iteration": training.step,
            "loss": float(np.mean(training.losses[-steps_per_epoch:])),
            "train_acc": float(model.accuracy(x_train, t_train)),
            "test_acc": float(model.accuracy(x_valid, t_valid)),
        }

    training = Training(
        model,
        args.epochs * steps_per_epoch,
        rng=rng,
        callbacks=[
            Evaluation(measure, steps_per_epoch),
            Table(COLUMNS),
            Progress(),
            EarlyStopping(args.patience),
            Checkpoint(args.output / CHECKPOINT),
            Results(args.output, show=args.show, title="Mean loss of each epoch, accuracy"),
            BestParameters(restore=True),
        ],
        settings={"learning-rate": args.learning_rate, "l2": args.l2, "seed": args.seed},
    )
    with only_run_in(args.output):
        begin(training, args.output, resume=args.resume)
        with training:
            for _ in training.steps():
                rows = rng.choice(len(x_train), args.batch_size)
                training.record(loss=model.step(rows))
    if training.stop_reason:
        print(f"stopped early: {training.stop_reason}")
    test_acc = model.accuracy(x_test, t_test)
    print(f"test accuracy with the best validation accuracy's parameters: {test_acc:.4f}")


if __name__ == "__main__":
    run(main)
