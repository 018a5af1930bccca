"""Training by mini-batches, epoch by epoch, for any network that has a gradient.

A Trainer repeats: take a mini-batch, ask the network for its gradient, let the optimizer take a
step. After each epoch (as many mini-batches as it takes to see all examples once) it measures the
accuracy. The loop and what surrounds it are those of `common.training`.
"""

import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.optimizer import SGD, AdaGrad, Adam, Momentum, Nesterov, RMSprop, make_optimizer
from common.support.checks import check_rng, check_size
from common.support.errors import DivergenceWarning, NonFiniteError, warn_caller
from common.training.callbacks import (
    BestParameters,
    Checkpoint,
    EarlyStopping,
    Evaluation,
    LearningRate,
    Progress,
    Table,
    best_epoch,
)
from common.training.checkpoint import save_checkpoint
from common.training.loop import Callback, Training

# A star import binds what that of the book's module does, since readers' own code relies on it.
__all__ = ["SGD", "AdaGrad", "Adam", "Momentum", "Nesterov", "RMSprop"]
__all__ += ["Trainer", "make_optimizer", "np", "os", "sys"]

COLUMNS = {
    "epoch": "5d",
    "seconds": "10.1f",
    "loss": "8.4f",
    "train_acc": "9.4f",
    "test_acc": "8.4f",
}


class Trainer:
    """Train a network on mini-batches, epoch by epoch.

    Parameters
    ----------
    network : object
        Anything with ``params`` (a dict of arrays), ``loss(x, t)``, ``gradient(x, t)`` and
        ``accuracy(x, t)``, like `common.networks.network.Network`.
    x_train, t_train, x_test, t_test : ndarray
        Examples and labels to train on, and to measure the accuracy on. With `patience` or
        `keep_best`, let ``x_test`` be a validation set, and keep another one for the final test.
    epochs : int
        How often to go through the training examples.
    mini_batch_size : int
        Examples in a mini-batch.
    optimizer : str or object
        A name, such as ``"SGD"`` or ``"adam"`` (see `common.optimizer.make_optimizer`), or anything
        with ``update(params, grads)`` and ``lr``; checkpoints hold what its ``state()`` returns.
    optimizer_param : mapping
        What to make it with, if it is given by name; by default ``{"lr": 0.01}``.
    evaluate_sample_num_per_epoch : int, optional
        Measure the accuracy on so many of the training and of the test examples, the first ones.
    verbose : bool
        Whether to print a line after each epoch, and to show a progress bar.
    shuffle : bool
        Whether each epoch goes through all examples once, in a new random order. Otherwise each
        mini-batch is drawn from all examples, as in the book, and one may come up twice.
    schedule : callable, optional
        From the fraction of the training that is done, 0 to 1, to a factor for the learning rate;
        see `common.training.schedules`.
    patience : int, optional
        Stop early when the test accuracy hasn't risen for so many epochs.
    keep_best : bool
        Whether to leave the network with the parameters of the epoch with the highest test
        accuracy, in place of the last ones.
    checkpoint : path, optional
        File to write all of the state to, every ten seconds and when training ends or is stopped.
    callbacks, settings
        See `common.training.Training`.
    rng : numpy.random.Generator, optional
        Source of the mini-batches; NumPy's global state without one.

    Attributes
    ----------
    history : list of dict
        For each epoch: epoch, iteration (mini-batches so far), seconds (of training, without the
        measurement), loss (mean over its mini-batches), lr, train_acc, test_acc (0 to 1).
    train_loss_list, train_acc_list, test_acc_list : list of float
        The loss of each mini-batch, before its step; the accuracies after each epoch.
    best_epoch : int or None
        The epoch with the highest test accuracy, the first one of several.
    best_params : dict of str to ndarray
        The network's parameters after that epoch, and running averages if it has any.

    Examples
    --------
    >>> from common.multi_layer_net import MultiLayerNet
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 2))
    >>> t = (x[:, 0] > x[:, 1]).astype(int)  # above or below the diagonal
    >>> trainer = Trainer(MultiLayerNet(2, [8], 2, rng=rng), x[:100], t[:100], x[100:], t[100:],
    ...                   mini_batch_size=10, optimizer="adam", verbose=False, rng=rng)
    >>> trainer.train()
    >>> trainer.test_acc_list[-1] > 0.9
    True
    """

    def __init__(
        self,
        network,
        x_train: np.ndarray,
        t_train: np.ndarray,
        x_test: np.ndarray,
        t_test: np.ndarray,
        epochs: int = 20,
        mini_batch_size: int = 100,
        optimizer: Any = "SGD",
        optimizer_param: Mapping[str, Any] | None = None,
        evaluate_sample_num_per_epoch: int | None = None,
        verbose: bool = True,
        *,
        shuffle: bool = False,
        schedule: Callable[[float], float] | None = None,
        patience: int | None = None,
        keep_best: bool = False,
        checkpoint: str | Path | None = None,
        callbacks: Sequence[Callback] = (),
        settings: Mapping[str, Any] | None = None,
        rng: np.random.Generator | None = None,
    ):
        if isinstance(epochs, float) and epochs.is_integer():
            epochs = int(epochs)
        for name, value in (
            ("epochs", epochs),
            ("mini_batch_size", mini_batch_size),
            ("evaluate_sample_num_per_epoch", evaluate_sample_num_per_epoch),
            ("patience", patience),
        ):
            if value is not None:
                check_size(name, value)
        self.x_train, self.t_train = _examples("train", x_train, t_train)
        self.x_test, self.t_test = _examples("test", x_test, t_test)
        check_rng(rng)
        if schedule is not None and not callable(schedule):
            raise TypeError(f"schedule must be a function of the fraction done, got {schedule!r}")
        self.network, self.epochs, self.verbose = network, epochs, verbose
        self.optimizer = make_optimizer(optimizer, optimizer_param)
        self.evaluate_sample_num_per_epoch = evaluate_sample_num_per_epoch
        self.keep_best, self.checkpoint = keep_best, checkpoint
        self.batches = MiniBatches(len(self.x_train), mini_batch_size, shuffle, rng)
        self.iter_per_epoch = self.batches.per_epoch
        self._best = BestParameters(restore=keep_best)
        around = [self.batches, Evaluation(self._row, self.iter_per_epoch, diverged=True)]
        self._rates = [] if schedule is None else [LearningRate(schedule, self.optimizer)]
        around += self._rates
        around += [Table(COLUMNS), Progress()] if verbose else []
        around += [] if patience is None else [EarlyStopping(patience)]
        around += [] if checkpoint is None else [Checkpoint(checkpoint)]
        self.training = Training(
            network,
            epochs * self.iter_per_epoch,
            optimizer=self.optimizer,
            rng=rng,
            callbacks=[*around, *callbacks, self._best],
            kind={
                "optimizer": type(self.optimizer).__name__,
                "mini_batch_size": mini_batch_size,
                "shuffle": shuffle,
                "examples": len(self.x_train),
            },
            settings=settings,
        )

    def train(self) -> None:
        """Train for `epochs` epochs, or until `patience` runs out; called again, for as many more.

        Whatever stops it on the way, such as Ctrl-C, leaves network, optimizer and trainer as they
        were after a whole mini-batch, a moment ago; then `train` goes on from there.

        Warns
        -----
        DivergenceWarning
            If a loss, or a prediction after an epoch, isn't finite. That ends the training; the
            history ends with a loss of NaN.
        """
        self.training.length = self.epochs * self.iter_per_epoch
        diverged = False
        try:
            with self.training:
                for _ in self.training.steps():
                    self._update()
        except DivergenceWarning as error:
            message = f"training stopped in iteration {self.iteration:,}: {error}"
            warn_caller(message, DivergenceWarning, of=self)
            diverged = True
        self._report(diverged)

    def train_step(self) -> None:
        """Take one step, and measure the accuracies if it ends an epoch; `train` goes on later."""
        for rate in self._rates:
            rate.begin(self.training)
        self._update()
        self.training.after_step()

    def _update(self):
        start, network = time.perf_counter(), self.network
        batch = self.batches.draw(self.iteration)
        x, t = self.x_train[batch], self.t_train[batch]
        if hasattr(network, "loss_and_gradient"):
            loss, grads = network.loss_and_gradient(x, t)
        else:
            loss, grads = network.loss(x, t), network.gradient(x, t)
        self.training.record(loss=loss)
        self.optimizer.update(network.params, grads)
        self.batches.seconds += time.perf_counter() - start

    def _accuracy(self, x, t):
        n = self.evaluate_sample_num_per_epoch
        try:
            return float(self.network.accuracy(x[:n], t[:n]))
        except NonFiniteError as error:
            if self.training.is_finite():
                raise
            warnings.warn(str(error), DivergenceWarning, stacklevel=1)  # which ends the training
            return math.nan

    def _row(self, training):
        since = training.history[-1]["iteration"] if training.history else 0
        row = {
            "epoch": len(training.history) + 1,
            "iteration": training.step,
            "seconds": self.batches.seconds,
            "loss": float(np.mean(training.losses[since:])),
            "lr": float(self.optimizer.lr),
            "train_acc": self._accuracy(self.x_train, self.t_train),
            "test_acc": self._accuracy(self.x_test, self.t_test),
        }
        self.batches.seconds = 0.0
        return row

    def _report(self, diverged):
        if not self.verbose:
            return
        if self.training.stop_reason:
            print(f"stopped early: {self.training.stop_reason}")
        if self.keep_best and self.best_epoch is not None:
            print(f"kept the parameters of epoch {self.best_epoch}")
        elif diverged:
            return
        if self.keep_best or self.evaluate_sample_num_per_epoch is not None:
            accuracy = self.network.accuracy(self.x_test, self.t_test)
            print(f"accuracy on all {len(self.x_test):,} test examples: {accuracy:.4f}")

    def save_checkpoint(self, path: str | Path) -> None:
        """Write the state after the last whole mini-batch to `path`, or raise an OSError."""
        if not self.training.return_to_snapshot:
            self.training.take_snapshot()
        save_checkpoint(path, self.training.snapshot)

    def load_checkpoint(self, path: str | Path | None = None) -> list[str]:
        """Go on from a checkpoint, bit for bit as the trainer that wrote it would have.

        This one must have been made in the same way, with the same examples; `epochs` may be
        larger, and the learning rate another one. For errors see `common.training.Training.resume`.
        Return the settings that have changed.
        """
        path = self.checkpoint if path is None else path
        if path is None:
            raise ValueError("there is no checkpoint to load: path and checkpoint are both None")
        return self.training.resume(path)

    best_epoch = property(lambda self: best_epoch(self.history))
    best_params = property(lambda self: self._best.best)
    history = property(lambda self: self.training.history)

    # The book's names.
    train_loss_list = property(lambda self: self.training.losses)
    train_acc_list = property(lambda self: [row["train_acc"] for row in self.history])
    test_acc_list = property(lambda self: [row["test_acc"] for row in self.history])
    iteration = current_iter = property(lambda self: self.training.step)
    current_epoch = property(lambda self: len(self.history))
    max_iter = property(lambda self: self.training.last_step)
    batch_size = mini_batch_size = property(lambda self: self.batches.size)
    train_size = property(lambda self: len(self.x_train))


class MiniBatches(Callback):
    """Which examples each mini-batch has."""

    def __init__(self, examples: int, size: int, shuffle: bool, rng: np.random.Generator | None):
        self.size, self.shuffle = size, shuffle
        self.random = np.random if rng is None else rng
        self.order, self.seconds = np.arange(examples), 0.0
        self.per_epoch = -(-examples // size)
        if shuffle and size > 1 and examples % size == 1 < examples:
            self.per_epoch -= 1  # batch normalization can't train on a lone last example

    def draw(self, step: int) -> np.ndarray:
        """Return the indices of the mini-batch after `step` others."""
        if not self.shuffle:
            return self.random.choice(len(self.order), self.size)
        position = step % self.per_epoch
        if position == 0:
            self.order = self.random.permutation(len(self.order))
        return self.order[position * self.size :][: self.size]

    def state(self) -> dict[str, Any]:
        """Return the order of this epoch, and the seconds of its steps so far."""
        return {"order": self.order, "seconds": self.seconds}

    def set_state(self, state: Mapping[str, Any], training: Training) -> None:
        """Go on in that order."""
        self.order, self.seconds = state["order"], float(state["seconds"])


def _examples(kind, x, t):
    x, t = np.asarray(x), np.asarray(t)
    if x.ndim == 0 or t.ndim == 0 or len(x) != len(t) or len(x) == 0:
        raise ValueError(
            f"x_{kind} and t_{kind} must have the same length of at least 1, got shapes {x.shape} "
            f"and {t.shape}"
        )
    return x, t
