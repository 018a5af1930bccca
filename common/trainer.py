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

from common.optimizer import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSprop
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
    best_row,
    check_columns,
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
OPTIMIZERS = {
    kind.__name__.lower(): kind for kind in (SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam, AdamW)
}


class Trainer:
    """Train a network on mini-batches, epoch by epoch.

    Parameters
    ----------
    network : object
        Anything with ``params`` (a dict of arrays), ``loss(x, t)``, ``gradient(x, t)`` and
        ``accuracy(x, t)``, like `common.networks.network.Network`.
    x_train, t_train, x_test, t_test : ndarray
        Examples and labels to train on, and to measure the accuracy on. Early stopping and the best
        parameters look at the accuracy on ``x_test``: if you use them, let it be a validation set,
        and keep another one for the final test.
    epochs : int
        How often to go through the training examples.
    mini_batch_size : int
        Examples in a mini-batch.
    optimizer : str or object
        ``"SGD"``, ``"Momentum"``, ``"Nesterov"``, ``"AdaGrad"``, ``"RMSprop"``, ``"Adam"`` or
        ``"AdamW"``, in any case, or an optimizer: of `common.optimizer`, or anything with
        ``update(params, grads)`` and ``lr``. What the latter remembers isn't part of a checkpoint,
        unless it has ``state()`` and ``set_state(state)`` like those.
    optimizer_param : mapping
        What to make it with, if it is given by name; by default ``{"lr": 0.01}``.
    evaluate_sample_num_per_epoch : int, optional
        How many of the training and of the test examples, the first ones, to measure the accuracy
        on after an epoch. All by default.
    verbose : bool
        Whether to print a line after each epoch, and to show a progress bar with the time left
        (where there is a terminal).
    shuffle : bool
        Whether each epoch goes through all examples once, in a new random order. Otherwise each
        mini-batch is drawn from all examples, as in the book, and one may come up twice.
    schedule : callable, optional
        From the share of the training that is done, 0 to 1, to a factor for the learning rate; see
        `common.training.schedules`.
    patience : int, optional
        Stop early when the test accuracy hasn't risen for so many epochs.
    keep_best : bool
        Whether to leave the network with the parameters of the epoch with the highest test accuracy
        (the first one of several), in place of the last ones.
    checkpoint : path, optional
        File to write all of the state to, every ten seconds and when training ends or is stopped.
    rng : numpy.random.Generator, optional
        Source of the mini-batches; NumPy's global state without one.

    Attributes
    ----------
    history : list of dict
        For each epoch: epoch, iteration (mini-batches so far), seconds (of training, without the
        measurement), loss (mean over its mini-batches), lr, train_acc, test_acc (0 to 1).

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
            raise TypeError(f"schedule must be a function of the share done, got {schedule!r}")
        self.network = network
        self.epochs = epochs
        self.optimizer = make_optimizer(optimizer, optimizer_param)
        self.evaluate_sample_num_per_epoch = evaluate_sample_num_per_epoch
        self.verbose = verbose
        self.keep_best = keep_best
        self.checkpoint = checkpoint
        self.batches = MiniBatches(len(self.x_train), mini_batch_size, shuffle, rng)
        self.iter_per_epoch = self.batches.per_epoch
        self._best = BestParameters(restore=keep_best)
        around = [] if schedule is None else [LearningRate(schedule, self.optimizer)]
        around += [self.batches, Evaluation(self._row, self.iter_per_epoch, diverged=True)]
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
        training = self.training
        if training.finished:
            training.extend(self.epochs * self.iter_per_epoch)
        try:
            with training:
                for _ in training.steps():
                    self._update()
        except DivergenceWarning as error:
            message = f"training stopped in iteration {training.step:,}: {error}"
            warn_caller(message, DivergenceWarning, of=self)
            self._report(diverged=True)
        else:
            self._report(diverged=False)

    def train_step(self) -> None:
        """Take one step, and measure the accuracies if it ends an epoch; `train` goes on later."""
        self.training.before_step()
        self._update()
        self.training.after_step()

    def _update(self):
        start = time.perf_counter()
        batch = self.batches.draw(self.training.step)
        loss, grads = self._loss_and_gradient(self.x_train[batch], self.t_train[batch])
        self.optimizer.update(self.network.params, grads)
        self.training.record(loss=loss)
        self.batches.seconds += time.perf_counter() - start

    def _loss_and_gradient(self, x, t):
        try:
            if hasattr(self.network, "loss_and_gradient"):
                loss, grads = self.network.loss_and_gradient(x, t)
            else:
                loss, grads = self.network.loss(x, t), self.network.gradient(x, t)
            if not math.isfinite(loss):
                raise DivergenceWarning(f"the loss is {loss}; a smaller learning rate may help")
            return loss, grads
        except (DivergenceWarning, NonFiniteError) as error:
            self.training.record(loss=math.nan)
            raise self._diverged(error) from None

    def _accuracy(self, x, t):
        n = self.evaluate_sample_num_per_epoch
        try:
            return float(self.network.accuracy(x[:n], t[:n]))
        except NonFiniteError as error:
            error = self._diverged(error)
            if not isinstance(error, DivergenceWarning):
                raise
            warnings.warn(error, stacklevel=1)  # which ends the training
            return math.nan  # that of a network that is known to have diverged

    def _diverged(self, error):
        """Return `error`, or a DivergenceWarning if it is due to the network, not the examples."""
        if isinstance(error, DivergenceWarning) or self.training.is_finite():
            return error
        return DivergenceWarning(f"{error}; a smaller learning rate may help")

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

    def _report(self, *, diverged):
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
        """Write the state after the last whole mini-batch to `path`.

        Raises
        ------
        OSError
            If it can't be written.
        """
        if not self.training.return_to_snapshot:
            self.training.take_snapshot()
        save_checkpoint(path, self.training.snapshot)

    def load_checkpoint(self, path: str | Path | None = None) -> list[str]:
        """Go on from a checkpoint, bit for bit as the trainer that wrote it would have.

        This one must have been made in the same way, with the same examples; `epochs` may be
        larger, and the learning rate another one. Return the settings that have changed.

        Raises
        ------
        ValueError
            If the file is no checkpoint of such a trainer; nothing is changed then.
        OSError
            If it can't be read.
        """
        path = self.checkpoint if path is None else path
        if path is None:
            raise ValueError("there is no checkpoint to load: path and checkpoint are both None")
        return self.training.resume(path)

    @property
    def train_loss_list(self) -> list[float]:
        """The loss of each mini-batch, before the step that it leads to."""
        return self.training.losses

    history = property(lambda self: self.training.history)

    @property
    def train_acc_list(self) -> list[float]:
        """Accuracy on training examples after each epoch."""
        return [row["train_acc"] for row in self.history]

    @property
    def test_acc_list(self) -> list[float]:
        """Accuracy on test examples after each epoch."""
        return [row["test_acc"] for row in self.history]

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the highest test accuracy, the first one of several."""
        row = best_row(self.history)
        return None if row is None else row + 1

    @property
    def best_params(self) -> dict[str, np.ndarray]:
        """The network's parameters after that epoch, and running averages if it has any."""
        return self._best.best

    # The book's names.
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
        order = state["order"]
        if order.dtype.kind != "i" or sorted(order.tolist()) != list(range(len(self.order))):
            raise ValueError("the order of the examples is no permutation of them")
        if len(training.losses) != training.step:
            raise ValueError(f"there are {len(training.losses)} losses of {training.step} steps")
        check_columns(training.history, ("iteration", *COLUMNS))
        self.order, self.seconds = order, float(state["seconds"])


def _examples(kind, x, t):
    x, t = np.asarray(x), np.asarray(t)
    if x.ndim == 0 or t.ndim == 0 or len(x) != len(t) or len(x) == 0:
        raise ValueError(
            f"x_{kind} and t_{kind} must have the same length of at least 1, got shapes {x.shape} "
            f"and {t.shape}"
        )
    return x, t


def make_optimizer(optimizer: Any, param: Mapping[str, Any] | None = None) -> Any:
    """Return an optimizer by its name, made with `param`; one that is given itself is returned.

    Raises
    ------
    ValueError, TypeError
        If there is none of that name, it doesn't take `param`, or what is given is no optimizer.

    Examples
    --------
    >>> make_optimizer("ADAM", {"lr": 0.001}).lr
    0.001
    """
    if not isinstance(optimizer, str):
        is_class = isinstance(optimizer, type)  # Adam in place of Adam()
        if is_class or not (hasattr(optimizer, "update") and hasattr(optimizer, "lr")):
            raise TypeError(
                "optimizer must be a name, or an object with update(params, grads) and lr, "
                f"got {optimizer!r}"
            )
        if param is not None:
            raise ValueError("optimizer_param needs the name of an optimizer, got an optimizer")
        return optimizer
    if optimizer.lower() not in OPTIMIZERS:
        names = ", ".join(kind.__name__ for kind in OPTIMIZERS.values())
        raise ValueError(f"optimizer must be one of {names}, got {optimizer!r}")
    return OPTIMIZERS[optimizer.lower()](**({"lr": 0.01} if param is None else param))
