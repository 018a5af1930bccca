"""Training by mini-batches: what stands around ``gradient`` and ``update``, for any network.

A Trainer repeats: take a mini-batch, ask the network for its gradient, let the optimizer take a
step. After each epoch (as many mini-batches as it takes to see all examples once) it measures the
accuracy. All else, such as schedules, checkpoints or a second run that goes on where the first was
stopped, is there if you ask for it.
"""

import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from common.optimizer import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSprop
from common.support.checks import check_number, check_rng, check_size
from common.support.errors import DivergenceWarning, NonFiniteError
from common.support.random_state import random_state, set_random_state
from common.training.checkpoint import load_checkpoint, save_checkpoint

# A star import binds what that of the book's module does, since readers' own code relies on it.
__all__ = ["SGD", "AdaGrad", "Adam", "Momentum", "Nesterov", "RMSprop"]
__all__ += ["Trainer", "make_optimizer", "np", "os", "sys"]

SECONDS_BETWEEN_SNAPSHOTS = 1.0
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
        File to write all of the state to, after each epoch and when training is stopped.
    rng : numpy.random.Generator, optional
        Source of the mini-batches; NumPy's global state without one.

    Attributes
    ----------
    train_loss_list : list of float
        The loss of each mini-batch, before the step that it leads to.
    train_acc_list, test_acc_list : list of float
        Accuracy after each epoch, 0 to 1.
    history : list of dict
        For each epoch: epoch, iteration (mini-batches so far), seconds (of training, without the
        measurement), loss (mean over its mini-batches), lr, train_acc, test_acc.
    iteration : int
        Mini-batches so far.
    best_epoch : int or None
        The epoch with the highest test accuracy.
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
        rng: np.random.Generator | None = None,
    ):
        for name, value in (
            ("epochs", epochs),
            ("mini_batch_size", mini_batch_size),
            ("evaluate_sample_num_per_epoch", evaluate_sample_num_per_epoch),
            ("patience", patience),
        ):
            if value is not None:
                check_size(name, value)
        for kind, x, t in (("train", x_train, t_train), ("test", x_test, t_test)):
            if len(x) != len(t) or len(x) == 0:
                raise ValueError(
                    f"x_{kind} and t_{kind} must have the same length of at least 1, got {len(x)} "
                    f"and {len(t)}"
                )
        check_rng(rng)
        if schedule is not None:
            if not callable(schedule):
                raise TypeError(f"schedule must be a function of the share done, got {schedule!r}")
            check_number("schedule must give a factor: schedule(0)", schedule(0.0), 0)
        self.network = network
        self.x_train, self.t_train = x_train, t_train
        self.x_test, self.t_test = x_test, t_test
        self.epochs = epochs
        self.mini_batch_size = mini_batch_size
        self.optimizer = make_optimizer(optimizer, optimizer_param)
        self.evaluate_sample_num_per_epoch = evaluate_sample_num_per_epoch
        self.verbose = verbose
        self.shuffle = shuffle
        self.schedule = schedule
        self.patience = patience
        self.keep_best = keep_best
        self.checkpoint = checkpoint
        self.rng = rng

        self.iter_per_epoch = -(-len(x_train) // mini_batch_size)
        if shuffle and mini_batch_size > 1 and len(x_train) % mini_batch_size == 1 < len(x_train):
            self.iter_per_epoch -= 1  # batch normalization can't train on a lone last example
        self.base_lr = self.optimizer.lr
        self.iteration = 0
        self.train_loss_list = []
        self.history = []
        self.best_epoch = None
        self.best_params = {}
        self._order = np.arange(len(x_train))
        self._seconds = 0.0
        self._snapshot = None

    @property
    def train_acc_list(self) -> list[float]:
        """Accuracy on training examples after each epoch."""
        return [row["train_acc"] for row in self.history]

    @property
    def test_acc_list(self) -> list[float]:
        """Accuracy on test examples after each epoch."""
        return [row["test_acc"] for row in self.history]

    def train(self) -> None:
        """Train until all epochs are done, or `patience` runs out.

        Whatever stops it on the way, such as Ctrl-C or a loss that is no longer finite, leaves
        network, optimizer and trainer as they were after one of the last mini-batches (of about the
        last second), and then `train` goes on from there.

        Raises
        ------
        NonFiniteError
            If a loss, or a prediction after an epoch, isn't finite.
        """
        last = self.epochs * self.iter_per_epoch
        if self.keep_best and self.best_epoch is not None:
            # The network may hold the best parameters; training goes on from the last ones.
            _set_network_state(self.network, _without_prefix("network", self._snapshot[1]))
        self._take_snapshot()
        with (
            tqdm(
                total=last,
                initial=self.iteration,
                unit="batch",
                desc="training",
                disable=None if self.verbose else True,
            ) as bar,
            # A run that diverges ends in one clear error; NumPy's warnings on the way only hide it.
            np.errstate(over="ignore", invalid="ignore"),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("error", DivergenceWarning)
            if self.verbose and self.iteration < last:
                tqdm.write("epoch     seconds     loss  train_acc  test_acc")
            unproven = None  # a snapshot of parameters whose loss nobody knows yet
            try:
                while self.iteration < last and not self._out_of_patience():
                    self._train_step()
                    if unproven is not None:
                        self._snapshot, unproven = unproven, None
                    bar.update()
                    if self.iteration % self.iter_per_epoch == 0:
                        self._end_epoch()
                        self._take_snapshot()
                        self.save_checkpoint()
                    elif time.monotonic() - self._snapshot_at > SECONDS_BETWEEN_SNAPSHOTS:
                        proven = self._snapshot
                        self._take_snapshot()
                        self._snapshot, unproven = proven, self._snapshot
            except BaseException as error:
                diverged = isinstance(error, DivergenceWarning | NonFiniteError)
                if unproven is not None and not diverged:
                    self._snapshot = unproven
                self._set_state(*self._snapshot)
                self.save_checkpoint()
                if isinstance(error, DivergenceWarning):
                    raise NonFiniteError(str(error)) from None
                raise
        self._finish()

    def _train_step(self):
        start = time.perf_counter()
        position = self.iteration % self.iter_per_epoch
        if self.shuffle:
            if position == 0:
                self._order = self._random().permutation(len(self.x_train))
            batch = self._order[position * self.mini_batch_size :][: self.mini_batch_size]
        else:
            batch = self._random().choice(len(self.x_train), self.mini_batch_size)
        x_batch, t_batch = self.x_train[batch], self.t_train[batch]

        if hasattr(self.network, "loss_and_gradient"):
            loss, grads = self.network.loss_and_gradient(x_batch, t_batch)
        else:
            loss = self.network.loss(x_batch, t_batch)
            grads = self.network.gradient(x_batch, t_batch)
        if not math.isfinite(loss):
            raise NonFiniteError(f"the loss is {loss} (is the learning rate too large?)")
        if self.schedule is not None:
            done = self.iteration / (self.epochs * self.iter_per_epoch)
            self.optimizer.lr = self.base_lr * float(self.schedule(done))
        self.optimizer.update(self.network.params, grads)

        self.train_loss_list.append(float(loss))
        self.iteration += 1
        self._seconds += time.perf_counter() - start

    def _random(self):
        return np.random if self.rng is None else self.rng

    def _end_epoch(self):
        n = self.evaluate_sample_num_per_epoch
        row = {
            "epoch": self.iteration // self.iter_per_epoch,
            "iteration": self.iteration,
            "seconds": self._seconds,
            "loss": float(np.mean(self.train_loss_list[-self.iter_per_epoch :])),
            "lr": self.optimizer.lr,
            "train_acc": float(self.network.accuracy(self.x_train[:n], self.t_train[:n])),
            "test_acc": float(self.network.accuracy(self.x_test[:n], self.t_test[:n])),
        }
        self._seconds = 0.0
        self.history.append(row)
        if self.best_epoch is None or row["test_acc"] > self._best_accuracy():
            self.best_epoch = row["epoch"]
            self.best_params = _copies(_network_state(self.network))
        if self.verbose:
            tqdm.write(
                f"{row['epoch']:>5}  {row['seconds']:>10.1f}  {row['loss']:>7.4f}  "
                f"{row['train_acc']:>9.4f}  {row['test_acc']:>8.4f}"
            )

    def _best_accuracy(self):
        return self.history[self.best_epoch - 1]["test_acc"]

    def _out_of_patience(self):
        if self.patience is None or self.best_epoch is None:
            return False
        return self.iteration // self.iter_per_epoch - self.best_epoch >= self.patience

    def _finish(self):
        if self.keep_best:
            _set_network_state(self.network, self.best_params)
        if not self.verbose:
            return
        if self._out_of_patience():
            print(f"stopped early: the best test accuracy was that of epoch {self.best_epoch}")
        if self.keep_best:
            print(f"kept the parameters of epoch {self.best_epoch}")
        if self.keep_best or self.evaluate_sample_num_per_epoch is not None:
            accuracy = self.network.accuracy(self.x_test, self.t_test)
            print(f"accuracy on all {len(self.x_test):,} test examples: {accuracy:.4f}")

    def save_checkpoint(self, path: str | Path | None = None) -> None:
        """Write the state of the last snapshot to `path`, by default `checkpoint`, if there is one.

        That is the state after an epoch, or where training was stopped.

        Raises
        ------
        OSError
            If it can't be written.
        """
        path = self.checkpoint if path is None else path
        if path is None:
            return
        if self._snapshot is None:
            self._take_snapshot()
        save_checkpoint(path, *self._snapshot)

    def load_checkpoint(self, path: str | Path | None = None) -> None:
        """Take the state from a checkpoint, so that `train` goes on bit for bit as it would have.

        The trainer must have been made as the one that wrote it, with the same examples; `epochs`
        may be larger.

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
        about, arrays = load_checkpoint(path)
        if about.get("settings") != self._settings():
            raise ValueError(
                f"{path} is the checkpoint of another run: {about.get('settings')}, "
                f"and this one is {self._settings()}"
            )
        self._take_snapshot()
        try:
            self._check_state(about, arrays)
            self._set_state(about, arrays)
        except (KeyError, TypeError, ValueError) as error:
            self._set_state(*self._snapshot)
            raise ValueError(f"{path} can't be resumed from: {error}") from error
        self._take_snapshot()

    def _check_state(self, about, arrays):
        """Raise an error if the parts of a checkpoint contradict each other."""
        iteration, history, best = about["iteration"], about["history"], about["best_epoch"]
        shapes = {key: p.shape for key, p in self.network.params.items()}
        memories = _without_prefix("optimizer", arrays)
        sound = (
            isinstance(iteration, int)
            and len(history) == iteration // self.iter_per_epoch
            and best in ({row["epoch"] for row in history} or {None})
            and arrays["losses"].shape == (iteration,)
            and np.array_equal(np.sort(arrays["order"]), np.arange(len(self.x_train)))
            and all(
                array.shape == shapes.get(key.partition("/")[2])
                for key, array in memories.items()
                if "/" in key
            )
        )
        if not sound:
            raise ValueError("its parts contradict each other")

    def _settings(self):
        return {
            "network": type(self.network).__qualname__,
            "optimizer": type(self.optimizer).__name__,
            "mini_batch_size": self.mini_batch_size,
            "shuffle": self.shuffle,
            "examples": len(self.x_train),
        }

    def _take_snapshot(self):
        about = {
            "settings": self._settings(),
            "iteration": self.iteration,
            "base_lr": self.base_lr,
            "seconds": self._seconds,
            "history": list(self.history),
            "best_epoch": self.best_epoch,
            "random": random_state(self.rng),
            "network_random": random_state(getattr(self.network, "rng", None)),
        }
        arrays = {
            **_prefixed("network", _network_state(self.network)),
            **_prefixed("optimizer", _optimizer_state(self.optimizer)),
            **_prefixed("best", self.best_params),
            "order": self._order,
            "losses": np.array(self.train_loss_list),
        }
        self._snapshot = about, _copies(arrays)
        self._snapshot_at = time.monotonic()

    def _set_state(self, about, arrays):
        _set_network_state(self.network, _without_prefix("network", arrays))
        _set_optimizer_state(self.optimizer, _without_prefix("optimizer", arrays))
        self.best_params = _without_prefix("best", arrays)
        self._order = arrays["order"]
        self.train_loss_list = arrays["losses"].tolist()
        self.iteration = about["iteration"]
        self.base_lr = about["base_lr"]
        self._seconds = about["seconds"]
        self.history = list(about["history"])
        self.best_epoch = about["best_epoch"]
        set_random_state(getattr(self.network, "rng", None), about["network_random"])
        set_random_state(self.rng, about["random"])


def make_optimizer(optimizer: Any, param: Mapping[str, Any] | None = None) -> Any:
    """Return an optimizer by its name, in any case; one that is given itself is returned.

    Parameters
    ----------
    optimizer : str or object
    param : mapping
        What to make it with; by default ``{"lr": 0.01}``.

    Raises
    ------
    ValueError
        If there is none of that name, or `param` comes with an optimizer that is made already.
    TypeError
        If `optimizer` is neither a name nor has ``update`` and ``lr``, or if `param` holds what
        this optimizer doesn't take.

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


def _network_state(network):
    return network.state() if hasattr(network, "state") else network.params


def _set_network_state(network, state):
    if hasattr(network, "set_state"):
        network.set_state(state)
    else:
        shapes = ({key: p.shape for key, p in arrays.items()} for arrays in (state, network.params))
        if next(shapes) != next(shapes):
            raise ValueError("its parameters have other names or shapes than this network's")
        for key, param in network.params.items():
            param[...] = state[key]


def _optimizer_state(optimizer):
    return optimizer.state() if hasattr(optimizer, "state") else {"lr": np.array(optimizer.lr)}


def _set_optimizer_state(optimizer, state):
    if hasattr(optimizer, "set_state"):
        optimizer.set_state(state)
    else:
        optimizer.lr = float(state["lr"])


def _copies(arrays):
    return {key: array.copy() for key, array in arrays.items()}


def _prefixed(prefix, arrays):
    return {f"{prefix}/{key}": array for key, array in arrays.items()}


def _without_prefix(prefix, arrays):
    prefix = f"{prefix}/"
    return {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}
