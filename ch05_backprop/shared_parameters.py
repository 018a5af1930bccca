"""Models whose parameters are shared variables, and the training of them."""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from common.scripts.command_line import positive_float, positive_int, script_parser
from common.scripts.training_run import CHECKPOINT, Results, begin, only_run_in
from common.training import Callback, Checkpoint, Evaluation, Progress, Table, Training

__all__ = ["SharedParameters", "model_parser", "train_model"]

COLUMNS = {
    "epoch": "5d",
    "seconds": "7.2f",
    "loss": "7.4f",
    "train_acc": "9.4f",
    "test_acc": "8.4f",
}


class SharedParameters:
    """Base of models whose parameters are shared variables of `common.symbolic`.

    Attributes
    ----------
    shared : dict of str to shared variable
        The parameters by name.
    step : Function
        Takes the indices of a mini-batch's rows, returns its mean cross-entropy in nats, and
        updates the parameters.
    accuracy : Function
        Takes examples (N, D) and integer labels (N,), and returns the fraction classified
        correctly.

    A subclass makes all three.
    """

    shared: dict
    step: Callable
    accuracy: Callable

    def state(self) -> dict[str, np.ndarray]:
        """Return a copy of each parameter's value."""
        return {name: variable.get_value() for name, variable in self.shared.items()}

    def set_state(self, new: Mapping[str, np.ndarray], source: str = "the given dict") -> None:
        """Give the parameters the values of a `state`; `source` names it in an error.

        Raises
        ------
        ValueError
            If its names, shapes or dtypes are others; nothing changes then.
        """
        old = self.state()
        expected, given = (
            {name: (np.shape(value), np.asarray(value).dtype.name) for name, value in s.items()}
            for s in (old, new)
        )
        if given != expected:
            raise ValueError(f"{source} holds {given}, this model has {expected}")
        for name, variable in self.shared.items():
            variable.set_value(new[name])


def model_parser(
    description: str, *, output: str, epochs: int, batch_size: int, learning_rate: float
) -> argparse.ArgumentParser:
    """Return a parser with the options that `train_model` needs, and the given defaults."""
    parser = script_parser(description, output=output, seed=0, data=True, threads=1)
    add = parser.add_argument
    add("--epochs", type=positive_int, default=epochs, help="passes over the digits, at most")
    add("--batch-size", type=positive_int, default=batch_size, help="digits in a mini-batch")
    add("--learning-rate", type=positive_float, default=learning_rate, help="of gradient descent")
    add("--resume", action="store_true", help="go on with the run that --output holds")
    return parser


def train_model(
    model: SharedParameters,
    args: argparse.Namespace,
    rng: np.random.Generator,
    *,
    train: tuple[np.ndarray, np.ndarray],
    evaluate: tuple[np.ndarray, np.ndarray],
    callbacks: Sequence[Callback] = (),
    plots: Mapping[str, Callable[[], Figure]] | None = None,
) -> Training:
    """Train by mini-batches, and write table, history, parameters and plots.

    Parameters
    ----------
    model : SharedParameters
    args : argparse.Namespace
        Of a `model_parser`.
    rng : numpy.random.Generator
        Source of the mini-batches.
    train, evaluate : (x, t)
        Examples (N, D) and labels (N,) that ``model.step`` trains on, and others on which the
        accuracy ``test_acc`` is measured after each epoch.
    callbacks : sequence of Callback
        Further ones.
    plots : mapping of str to function
        Names of further files, and what draws each figure.
    """
    steps_per_epoch = -(-len(train[0]) // args.batch_size)
    seconds = 0.0

    def measure(training):
        nonlocal seconds
        row = {
            "epoch": training.step // steps_per_epoch,
            "iteration": training.step,
            "seconds": seconds,
            "loss": float(np.mean(training.losses[-steps_per_epoch:])),
            "train_acc": float(model.accuracy(*train)),
            "test_acc": float(model.accuracy(*evaluate)),
        }
        seconds = 0.0
        return row

    title = "Mean loss of each epoch, and accuracy"
    training = Training(
        model,
        args.epochs * steps_per_epoch,
        rng=rng,
        callbacks=[
            Evaluation(measure, steps_per_epoch),
            Table(COLUMNS),
            Progress(),
            Checkpoint(args.output / CHECKPOINT),
            Results(args.output, show=args.show, title=title, plots=plots),
            *callbacks,
        ],
        settings={"learning-rate": args.learning_rate, "batch-size": args.batch_size},
    )
    with only_run_in(args.output):
        begin(training, args.output, resume=args.resume)
        with training:
            for _ in training.steps():
                rows = rng.choice(len(train[0]), args.batch_size)
                start = time.perf_counter()
                loss = model.step(rows)
                seconds += time.perf_counter() - start
                training.record(loss=loss)
    return training
