"""A training loop that can be stopped at any moment, and resumed bit for bit.

The loop itself is written where it is read:

    with Training(network, 10_000, optimizer=optimizer, rng=rng, callbacks=[...]) as training:
        for step in training.steps():
            batch = rng.choice(len(x_train), 100)
            loss, grads = network.loss_and_gradient(x_train[batch], t_train[batch])
            optimizer.update(network.params, grads)
            training.record(loss=loss)

Everything around the steps is a `Callback`: to measure, to print, to save, to stop early.
"""

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from common.support.errors import DivergenceWarning
from common.support.random_state import random_state, set_random_state
from common.training.checkpoint import load_checkpoint

__all__ = ["Callback", "Training"]

SECONDS_BETWEEN_SNAPSHOTS = 1.0
State = dict[str, dict[str, Any]]


class Callback:
    """Something to be done around the steps of a `Training`; by default, nothing."""

    def begin(self, training: "Training") -> None:
        """Before the first step, or the first one after a resume."""

    def before_step(self, training: "Training") -> None:
        """Before each step."""

    def after_step(self, training: "Training") -> None:
        """After each step, with `training.step` counting it."""

    def end(self, training: "Training", error: BaseException | None) -> None:
        """After the last step, or after the `error` that stopped the training."""

    def state(self) -> dict[str, Any]:
        """Return what a resumed training needs of this callback: arrays, numbers and text."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""


class Training:
    """The steps of a training loop, and what they leave behind.

    If the loop is left by an exception, such as KeyboardInterrupt, everything returns to the end of
    a whole step, at most a second (or one step) ago. A DivergenceWarning becomes such an exception,
    but changes nothing: history and parameters stay as they are.

    Parameters
    ----------
    network : object
        What is trained, with ``state()`` and ``set_state(state)``, or with a dict ``params``.
    last_step : int
        The number of steps.
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
    step : int
        How many steps are done.
    first_step : int
        How many were done when this training began, or was resumed.
    values : dict
        What `record` was given last.
    losses : list of float
        Every recorded loss.
    history : list of dict
        A row for each evaluation.
    stop_reason : str
        Why no more steps are to be done; empty while there is no reason.
    """

    def __init__(
        self,
        network: Any,
        last_step: int,
        *,
        optimizer: Any = None,
        rng: np.random.Generator | None = None,
        callbacks: Sequence[Callback] = (),
        kind: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ):
        self.network, self.last_step = network, last_step
        self.optimizer, self.rng = optimizer, rng
        self.callbacks = list(callbacks)
        model = type(getattr(network, "network", network))  # of DataParallel, what it trains
        self.kind = {"network": f"{model.__module__}.{model.__qualname__}", **(kind or {})}
        self.settings = dict(settings or {})
        self.step = self.first_step = 0
        self.values, self.losses, self.history = {}, [], []
        self.stop_reason = ""
        self.snapshot = None

    def __enter__(self) -> "Training":
        self.stop_reason, self.first_step = "", self.step
        with ExitStack() as quiet:
            # A training that diverges ends in one error; NumPy's warnings only hide it.
            quiet.enter_context(np.errstate(over="ignore", invalid="ignore"))
            quiet.enter_context(warnings.catch_warnings())
            warnings.simplefilter("error", DivergenceWarning)
            for callback in self.callbacks:
                callback.begin(self)
            self.take_snapshot()
            self._quiet = quiet.pop_all()
        return self

    def steps(self) -> Iterator[int]:
        """Yield the numbers of the steps to do, counted from 1."""
        while self.step < self.last_step and not self.stop_reason:
            for callback in self.callbacks:
                callback.before_step(self)
            yield self.step + 1
            self.step += 1
            for callback in self.callbacks:
                callback.after_step(self)
            if time.monotonic() - self._snapshot_at > SECONDS_BETWEEN_SNAPSHOTS:
                self.take_snapshot()

    def record(self, **values: Any) -> None:
        """Tell the callbacks about this step; a ``loss`` is added to `losses`."""
        self.values = values
        if "loss" in values:
            self.losses.append(float(values["loss"]))

    def __exit__(self, kind, error, traceback) -> None:
        with self._quiet:
            if error is None:
                self.take_snapshot()
            elif not isinstance(error, DivergenceWarning):
                self.set_state(self.snapshot)
            for callback in self.callbacks:
                callback.end(self, error)

    def take_snapshot(self) -> None:
        """Remember the state between two steps, to return to it, or to save it."""
        self.snapshot = self.state()
        self._snapshot_at = time.monotonic()

    def state(self) -> State:
        """Return a copy of all that decides on the steps to come, in named parts."""
        state = {
            "training": {
                "kind": self.kind,
                "settings": self.settings,
                "step": self.step,
                "losses": np.array(self.losses),
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

    def set_state(self, state: State, source: str = "the state") -> None:
        """Go on from a `state`; but the optimizer's learning rate stays what it is.

        Raises
        ------
        ValueError
            If it is that of another kind of training; `source` names it, and nothing changes.
        """
        before = self.state()
        try:
            self._set_state(state, source)
        except (AttributeError, IndexError, KeyError, OverflowError, TypeError) as error:
            self._set_state(before, source)
            raise ValueError(f"{source} contradicts itself or is damaged: {error!r}") from error
        except BaseException:
            self._set_state(before, source)
            raise

    def _set_state(self, state, source):
        about = state["training"]
        if about["kind"] != self.kind:
            raise ValueError(f"{source} is of another training, {about['kind']}, not {self.kind}")
        step, history, losses = about["step"], about["history"], about["losses"].tolist()
        if type(step) is not int or step < 0 or len(losses) > step or not _is_history(history):
            raise ValueError(f"{source} contradicts itself or is damaged")
        _set_arrays_of(self.network, state["network"], source)
        if hasattr(self.optimizer, "set_state"):
            lr = self.optimizer.lr
            self._check_memories(state["optimizer"], source)
            self.optimizer.set_state(state["optimizer"])
            self.optimizer.lr = lr
        for callback in self.callbacks:
            callback.set_state(state[type(callback).__name__])
        for rng, random in zip(self._generators(), about["random"], strict=True):
            set_random_state(rng, random)
        self.step, self.history, self.losses = step, list(history), losses

    def _check_memories(self, memories, source):
        shapes = {key: np.shape(array) for key, array in _arrays_of(self.network).items()}
        for key, array in memories.items():
            if "/" in key and np.shape(array) != shapes.get(key.partition("/")[2]):
                raise ValueError(f"{source} contradicts itself: {key} fits no parameter")

    def resume(self, path: str | Path) -> list[str]:
        """Go on from the checkpoint at `path`, and return what settings have changed since.

        Raises
        ------
        ValueError
            If it is damaged, of an older version, or of another training; nothing changes.
        OSError
            If it can't be read.
        """
        state = load_checkpoint(path)
        self.set_state(state, source=str(path))
        old = state["training"].get("settings", {})
        self.first_step = self.step
        return [
            f"{name} was {old.get(name)}, is now {new}"
            for name, new in self.settings.items()
            if new != old.get(name)
        ]

    def _generators(self):
        """Return each source of random numbers once; None is NumPy's global one."""
        layers = getattr(self.network, "layers", {}).values()
        sources = [self.rng, getattr(self.network, "rng", self.rng)]
        sources += [layer.rng for layer in layers if hasattr(layer, "rng")]
        return list({id(rng): rng for rng in sources}.values())


def _is_history(history):
    return isinstance(history, list) and all(
        isinstance(row, dict)
        and row.keys() == history[0].keys()
        and all(type(value) in (int, float) for value in row.values())
        for row in history
    )


def _arrays_of(network):
    return network.state() if hasattr(network, "state") else network.params


def _set_arrays_of(network, new, source):
    if hasattr(network, "set_state"):
        network.set_state(new, source=source)
        return
    shapes = ({key: np.shape(array) for key, array in a.items()} for a in (new, network.params))
    if next(shapes) != next(shapes):
        raise ValueError(f"{source} holds parameters of other names or shapes than the network's")
    for key, param in network.params.items():
        param[...] = new[key]
