"""A training loop that can be stopped at any moment, and resumed bit for bit.

The loop itself is written where it is read:

    with Training(network, 10_000, optimizer=optimizer, rng=rng, callbacks=[...]) as training:
        for step in training.steps():
            batch = rng.choice(len(x_train), 100)
            loss, grads = network.loss_and_gradient(x_train[batch], t_train[batch])
            training.record(loss=loss)
            optimizer.update(network.params, grads)

Everything around the steps is a `Callback`: to measure, to print, to save, to stop early.
"""

import math
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from common.support.errors import DivergenceWarning, NonFiniteError
from common.support.random_state import random_state, set_random_state
from common.training.checkpoint import load_checkpoint

__all__ = ["Callback", "Training"]

SNAPSHOT_FRACTION = 0.01  # of the time may go into copies of the state


class Callback:
    """Something to be done around the steps of a `Training`; by default, nothing."""

    def begin(self, training: "Training") -> None:
        """Before the first step, or the first one after an interruption."""

    def after_step(self, training: "Training") -> None:
        """After each step, with `training.step` counting it."""

    def end(self, training: "Training", error: BaseException | None) -> None:
        """After the last step, or after the `error` that stopped the training."""

    def state(self) -> dict[str, Any]:
        """Return what a resumed training needs of this callback: arrays, numbers and text."""
        return {}

    def set_state(self, state: Mapping[str, Any], training: "Training") -> None:
        """Go on from what `state` returned."""


class Training:
    """The steps of a training loop, and what they leave behind.

    If the loop is left by an exception, such as KeyboardInterrupt, everything returns to the last
    snapshot: the end of a whole step, at most 100 times as long ago as a snapshot takes, or one
    step. A step that is ended by ``break`` counts. A training that diverges ends in one
    DivergenceWarning, raised as an exception; parameters and history stay as they are then.

    Parameters
    ----------
    network : object
        What is trained, with ``state()`` and ``set_state(state)``, or with a dict ``params``.
    length : int
        The number of steps. If a finished training is entered again, so many more follow.
    optimizer : object, optional
        With ``state()`` and ``set_state(state)`` if it remembers anything.
    rng : numpy.random.Generator, optional
        Source of the mini-batches; NumPy's global state without one.
    callbacks : sequence of Callback
        Called in this order, each class at most once.
    kind : mapping
        What must be the same in a training that is resumed: names, numbers and text.
    settings : mapping
        What should be the same, and may differ.

    Attributes
    ----------
    step, last_step : int
        How many steps are done, and are to be done in all.
    first_step : int
        How many were done when this training began or was resumed.
    start, start_row : int
        How many steps and rows there were before the last `length` steps.
    values : dict
        What `record` was given last.
    losses : list of float
        The loss of each step, if it was recorded.
    history : list of dict
        A row of numbers for each evaluation.
    stop_reason : str
        Why no more steps are to be done; empty while there is no reason.
    finished : bool
        Whether the training came to an end, rather than being interrupted.
    snapshot : dict
        The state that was copied last.
    return_to_snapshot : bool
        Whether the next training begins there, whatever the network's state is now.
    """

    def __init__(
        self,
        network: Any,
        length: int,
        *,
        optimizer: Any = None,
        rng: np.random.Generator | None = None,
        callbacks: Sequence[Callback] = (),
        kind: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ):
        self.network, self.optimizer, self.rng = network, optimizer, rng
        self.callbacks = list(callbacks)
        model = type(getattr(network, "network", network))  # of DataParallel, what it trains
        self.kind = {"network": f"{model.__module__}.{model.__qualname__}", **(kind or {})}
        self.settings = dict(settings or {})
        self.length = length
        self.step = self.first_step = self.start = self.start_row = 0
        self.values, self.losses, self.history = {}, [], []
        self.stop_reason, self.finished, self.return_to_snapshot = "", False, False
        self._in_step, self._quiet = False, ExitStack()
        self._snapshot_at, self._snapshot_took = 0.0, math.inf

    @property
    def last_step(self) -> int:
        """How many steps are to be done in all."""
        return self.start + self.length

    def __enter__(self) -> "Training":
        self._quiet.close()  # if Ctrl-C struck just before `__exit__` could
        with ExitStack() as quiet:
            # A training that diverges ends in one error; NumPy's warnings only hide it.
            quiet.enter_context(np.errstate(over="ignore", invalid="ignore"))
            quiet.enter_context(warnings.catch_warnings())
            warnings.simplefilter("error", DivergenceWarning)
            if self.return_to_snapshot:
                self._set_state(self.snapshot)
            if self.finished:
                self.start, self.start_row, self.finished = self.step, len(self.history), False
            self.first_step, self.stop_reason, self._in_step = self.step, "", False
            for callback in self.callbacks:
                callback.begin(self)
            self.take_snapshot()
            self.return_to_snapshot = True  # also if Ctrl-C strikes again while `__exit__` does so
            self._quiet = quiet.pop_all()
        return self

    def steps(self) -> Iterator[int]:
        """Yield the numbers of the steps to do, counted from 1."""
        while self.step < self.last_step and not self.stop_reason:
            self._in_step = True
            yield self.step + 1
            self.after_step()

    def record(self, *, loss: float | None = None, **values: Any) -> None:
        """Tell the callbacks about this step; a loss that isn't finite ends the training."""
        self.values = values
        if loss is not None:
            if not math.isfinite(loss):
                raise DivergenceWarning(f"the loss is {loss}; a smaller learning rate may help")
            self.losses.append(float(loss))

    def after_step(self) -> None:
        """Count the step, and tell the callbacks."""
        self._in_step = False
        self.step += 1
        for callback in self.callbacks:
            callback.after_step(self)
        seconds = time.perf_counter() - self._snapshot_at
        if seconds * SNAPSHOT_FRACTION > self._snapshot_took and self.is_finite():
            self.take_snapshot()

    def __exit__(self, kind, error, traceback) -> None:
        with self._quiet:
            if isinstance(error, NonFiniteError) and not self.is_finite():
                error = DivergenceWarning(f"{error}; a smaller learning rate may help")
            diverged = isinstance(error, DivergenceWarning)
            if error is None:
                if self._in_step:
                    self.after_step()
                self.take_snapshot()
            elif not diverged:
                self._set_state(self.snapshot)
            else:
                self.step += self._in_step
                if self.step == 1 or self.losses:
                    self.losses[self.step - 1 :] = [math.nan]
            self.return_to_snapshot = False
            for callback in self.callbacks:
                callback.end(self, error)
        self.finished = error is None or diverged
        if diverged:
            raise error

    def take_snapshot(self) -> None:
        """Remember the state between two steps, to return to it, or to save it."""
        start = time.perf_counter()
        self.snapshot = self.state()
        self._snapshot_at = time.perf_counter()
        self._snapshot_took = self._snapshot_at - start

    @property
    def snapshot_step(self) -> int:
        """How many steps had been done when the snapshot was taken."""
        return self.snapshot["training"]["step"]

    def state(self) -> dict[str, dict[str, Any]]:
        """Return a copy of all that decides on the steps to come, in named parts."""
        names = ("kind", "settings", "step", "start", "start_row")
        state = {
            "training": {name: getattr(self, name) for name in names}
            | {
                "losses": np.array(self.losses[: self.step], dtype=np.float64),
                "history": list(self.history),
                "random": [random_state(rng) for rng in self._generators()],
            },
            "network": _arrays_of(self.network),
            "optimizer": self.optimizer.state() if hasattr(self.optimizer, "state") else {},
        }
        state |= {type(callback).__name__: callback.state() for callback in self.callbacks}
        return {
            part: {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in values.items()}
            for part, values in state.items()
        }

    def _set_state(self, state):
        about = state["training"]
        self.set_network_state(state["network"])
        if hasattr(self.optimizer, "set_state"):
            lr = self.optimizer.lr
            self.optimizer.set_state(state["optimizer"])
            self.optimizer.lr = lr
        for rng, random in zip(self._generators(), about["random"], strict=True):
            set_random_state(rng, random)
        self.step, self.start, self.start_row = about["step"], about["start"], about["start_row"]
        self.losses, self.history = about["losses"].tolist(), list(about["history"])
        for callback in self.callbacks:
            callback.set_state(state.get(type(callback).__name__, {}), self)

    def resume(self, path: str | Path) -> list[str]:
        """Go on from the checkpoint at `path`, and return what settings have changed since.

        The optimizer's learning rate stays what it is.

        Raises
        ------
        ValueError
            If it is damaged, of an older version, or of another training; nothing changes.
        OSError
            If it can't be read.
        """
        state, before = load_checkpoint(path), self.state()
        try:
            about = state["training"]
            for name, value in self.kind.items():
                if about["kind"].get(name) != value:
                    raise ValueError(f"{name} is {about['kind'].get(name)}, not {value}")
            old = about["settings"]
            changed = [name for name, new in self.settings.items() if new != old.get(name)]
            self._set_state(state)
            self.take_snapshot()
        except BaseException as error:
            self._set_state(before)
            if isinstance(error, Exception):
                what = "is damaged, or of another training"
                raise ValueError(f"{path} {what}: {error!r}") from error
            raise
        self.return_to_snapshot = self.finished = False
        return [f"{name} was {old.get(name)}, is now {self.settings[name]}" for name in changed]

    def set_network_state(self, new: Mapping[str, Any]) -> None:
        """Copy arrays into those of the network.

        Raises
        ------
        ValueError
            If they have other names or shapes; nothing is changed then.
        """
        if hasattr(self.network, "set_state"):
            self.network.set_state(new)
            return
        if _shapes(new) != _shapes(self.network.params):
            raise ValueError("the parameters have other names or shapes than the network's")
        for key, param in self.network.params.items():
            if isinstance(param, np.ndarray):
                param[...] = new[key]
            else:
                self.network.params[key] = new[key]

    def is_finite(self) -> bool:
        """Return whether parameters, and running averages if there are any, are finite."""
        return all(np.isfinite(array).all() for array in _arrays_of(self.network).values())

    def _generators(self):
        """Return each source of random numbers once; None is NumPy's global one."""
        layers = getattr(self.network, "layers", ())
        layers = layers.values() if isinstance(layers, Mapping) else layers
        layers = layers if isinstance(layers, Iterable) else ()  # perhaps a reader's number of them
        sources = [self.rng, getattr(self.network, "rng", self.rng)]
        sources += [layer.rng for layer in layers if hasattr(layer, "rng")]
        kinds = np.random.Generator | np.random.RandomState | None
        return list({id(rng): rng for rng in sources if isinstance(rng, kinds)}.values())


def _arrays_of(network):
    return network.state() if hasattr(network, "state") else network.params


def _shapes(arrays):
    return {key: (np.shape(a), np.asarray(a).dtype.kind) for key, a in arrays.items()}
