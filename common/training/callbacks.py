"""What stands around the steps of a `common.training.Training`, one class for each purpose."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from common.support.checks import check_number
from common.support.errors import DivergenceWarning
from common.support.files import check_writable, remove_leftovers
from common.training.checkpoint import save_checkpoint
from common.training.loop import Callback, Training

__all__ = [
    "BestParameters",
    "Checkpoint",
    "EarlyStopping",
    "Evaluation",
    "LearningRate",
    "Progress",
    "Table",
]

SECONDS_BETWEEN_CHECKPOINTS = 10.0
SECONDS_BETWEEN_LINES = 10.0


class Evaluation(Callback):
    """Append a row, what ``measure(training)`` returns, to the history after every `every` steps.

    And after the last step; with `first` also after the first one.
    """

    def __init__(
        self, measure: Callable[[Training], dict[str, float]], every: int, *, first: bool = False
    ):
        self.measure, self.every, self.first = measure, every, first

    def after_step(self, training: Training) -> None:
        """Measure if it is time."""
        step = training.step
        if step % self.every == 0 or step == training.last_step or (self.first and step == 1):
            training.history.append(self.measure(training))


class Table(Callback):
    """Print the rows of the history, `columns` giving a format for each, such as ``"8.4f"``."""

    def __init__(self, columns: Mapping[str, str]):
        self.columns = columns

    def begin(self, training: Training) -> None:
        """Print the header, and the rows of the training that is resumed."""
        self._printed = 0
        if training.step < training.last_step:
            tqdm.write("  ".join(f"{name:>{_width(f)}}" for name, f in self.columns.items()))
            self.after_step(training)

    def after_step(self, training: Training) -> None:
        """Print new rows."""
        for row in training.history[self._printed :]:
            tqdm.write("  ".join(f"{row[name]:>{form}}" for name, form in self.columns.items()))
        self._printed = len(training.history)


def _width(form):
    return form.partition(".")[0].strip("df")


class Progress(Callback):
    """Show a progress bar with the time left; without a terminal, print a line now and then."""

    def begin(self, training: Training) -> None:
        """Start at the steps that are done."""
        total, done = training.last_step, training.step
        self._bar = tqdm(total=total, initial=done, desc="training", unit="step", disable=None)
        self._started = self._printed = time.monotonic()

    def after_step(self, training: Training) -> None:
        """Show one more step."""
        self._bar.update()
        now = time.monotonic()
        if self._bar.disable and now - self._printed > SECONDS_BETWEEN_LINES:
            self._printed = now
            done, left = training.step - training.first_step, training.last_step - training.step
            seconds = (now - self._started) / done * left
            loss = f", loss {training.losses[-1]:.4f}" if training.losses else ""
            print(f"step {training.step:,} of {training.last_step:,}{loss}, {seconds:.0f} s left")

    def end(self, training: Training, error: BaseException | None) -> None:
        """Take the bar away."""
        self._bar.close()


class LearningRate(Callback):
    """Multiply the optimizer's learning rate by ``schedule(share)``.

    The share of the steps that are done goes from 0 to 1; see `common.training.schedules`.
    """

    def __init__(self, schedule: Callable[[float], float], optimizer: Any):
        check_number("schedule must give a factor: schedule(0)", schedule(0.0), 0)
        self.schedule, self.base_lr = schedule, optimizer.lr
        self.start = 0

    def before_step(self, training: Training) -> None:
        """Set the learning rate of this step."""
        share = (training.step - self.start) / (training.last_step - self.start)
        factor = self.schedule(share)
        check_number(f"schedule must give a factor: schedule({share:.4g})", factor, 0)
        training.optimizer.lr = self.base_lr * float(factor)


class EarlyStopping(Callback):
    """Stop when `column` of the history hasn't risen for `patience` rows."""

    def __init__(self, patience: int, column: str = "test_acc"):
        self.patience, self.column = patience, column
        self.start = 0  # rows before that belong to an earlier training

    def begin(self, training: Training) -> None:
        """Stop at once if a training is resumed that was stopped early."""
        self.after_step(training)

    def after_step(self, training: Training) -> None:
        """Stop if the best row is too far back."""
        rows = training.history[self.start :]
        best = best_row(rows, self.column)
        if best is not None and len(rows) - 1 - best >= self.patience:
            training.stop_reason = f"{self.column} was best in row {self.start + best + 1}"


class BestParameters(Callback):
    """Keep a copy of the network's state after the best row of the history.

    With `restore`, the network gets it back at the end of the training; if that goes on later, it
    does so from the last parameters.
    """

    def __init__(self, column: str = "test_acc", *, restore: bool = False):
        self.column, self.restore = column, restore
        self.best, self._rows, self._last = {}, 0, None

    def begin(self, training: Training) -> None:
        """Return from the best parameters to the last ones."""
        if self._last is not None:
            training.set_state(self._last)

    def after_step(self, training: Training) -> None:
        """Copy the state of the network if the newest row is the best one."""
        rows = len(training.history)
        if rows > self._rows and best_row(training.history, self.column) == rows - 1:
            self.best = training.state()["network"]
        self._rows = rows

    def end(self, training: Training, error: BaseException | None) -> None:
        """Give the network its best state."""
        if self.restore and self.best and error is None:
            self._last = training.snapshot
            training.set_state({**training.snapshot, "network": self.best})

    def state(self) -> dict[str, Any]:
        """Return the best parameters."""
        return {"rows": self._rows, **self.best}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take them from `state`."""
        self.best = {key: a.copy() for key, a in state.items() if isinstance(a, np.ndarray)}
        self._rows, self._last = state["rows"], None


def best_row(history: list[dict[str, float]], column: str) -> int | None:
    """Return the number of the first row with the largest value in `column`; NaN is no value."""
    values = [row[column] for row in history]
    return max(range(len(values)), key=lambda i: (values[i] == values[i], values[i]), default=None)


class Checkpoint(Callback):
    """Write the state to `path`, every ten seconds and when the training ends or is stopped.

    One that has diverged leaves its last checkpoint as it is, if it has one.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.saved_step = None

    def begin(self, training: Training) -> None:
        """Make sure that the file can be written, before hours of work depend on it."""
        check_writable(self.path)
        remove_leftovers(self.path)
        self._saved_at = time.monotonic()

    def after_step(self, training: Training) -> None:
        """Save if it is time."""
        if time.monotonic() - self._saved_at > SECONDS_BETWEEN_CHECKPOINTS:
            training.take_snapshot()
            self._save(training)

    def end(self, training: Training, error: BaseException | None) -> None:
        """Save what has been done since."""
        diverged = isinstance(error, DivergenceWarning)
        has_one = self.saved_step is not None or training.first_step > 0
        if training.step > training.first_step and not (diverged and has_one):
            if diverged:
                training.take_snapshot()
            self._save(training)

    def _save(self, training):
        save_checkpoint(self.path, training.snapshot)
        self.saved_step, self._saved_at = training.step, time.monotonic()
