"""What stands around the steps of a `common.training.Training`, one class for each purpose."""

import time
import warnings
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

SECONDS_BETWEEN_CHECKPOINTS = 10.0
SECONDS_BETWEEN_LINES = 10.0
# tqdm creates its lock when it first prints. Ctrl-C at that moment raises an AttributeError, with
# which a script would end in place of "stopped by Ctrl-C"; so the lock is created now.
tqdm.get_lock()


class Evaluation(Callback):
    """Append ``measure(training)`` to the history after every `every` steps, and the last one.

    With `first` also after the first step, with `diverged` also when the training has diverged.
    """

    def __init__(
        self,
        measure: Callable[[Training], dict[str, float]],
        every: int,
        *,
        first: bool = False,
        diverged: bool = False,
    ):
        self.measure, self.every, self.first, self.diverged = measure, every, first, diverged

    def after_step(self, training: Training) -> None:
        """Measure if it is time."""
        step = training.step
        if step % self.every == 0 or step == training.last_step or (self.first and step == 1):
            training.history.append(self.measure(training))

    def end(self, training: Training, error: BaseException | None) -> None:
        """Measure what has diverged."""
        if self.diverged and isinstance(error, DivergenceWarning):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DivergenceWarning)
                training.history.append(self.measure(training))


class Table(Callback):
    """Print the rows of the history, `columns` giving a format for each, such as ``"8.4f"``."""

    def __init__(self, columns: Mapping[str, str]):
        self.columns, self._printed = columns, 0

    def begin(self, training: Training) -> None:
        """Print the header, and the rows of the training that is resumed."""
        self._printed = min(self._printed, len(training.history))
        if training.step < training.last_step:
            widths = {
                name: form.partition(".")[0].strip("df") for name, form in self.columns.items()
            }
            tqdm.write("  ".join(f"{name:>{width}}" for name, width in widths.items()))
            self.after_step(training)

    def after_step(self, training: Training) -> None:
        """Print new rows."""
        for row in training.history[self._printed :]:
            tqdm.write("  ".join(f"{row[name]:>{form}}" for name, form in self.columns.items()))
        self._printed = len(training.history)

    def end(self, training: Training, error: BaseException | None) -> None:
        """Print what came after the last step."""
        self.after_step(training)


class Progress(Callback):
    """Show a progress bar with the time left; without a terminal, print a line now and then."""

    _bar = None

    def begin(self, training: Training) -> None:
        """Start at the steps that are done."""
        total, done = training.last_step, training.step
        self._bar = tqdm(total=total, initial=done, desc="training", unit="step", disable=None)
        self._started = self._printed = time.monotonic()

    def after_step(self, training: Training) -> None:
        """Show one more step."""
        if self._bar is None:
            return
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
        self._bar = None


class LearningRate(Callback):
    """Multiply the optimizer's learning rate by ``schedule(fraction)``.

    The fraction of the steps that are done goes from 0 to 1; see `common.training.schedules`.
    """

    def __init__(self, schedule: Callable[[float], float], optimizer: Any):
        self.schedule, self.optimizer, self.base_lr = schedule, optimizer, optimizer.lr
        for fraction in np.linspace(0, 1, 101).tolist():  # errors now, not after an hour
            self._factor(fraction)

    def begin(self, training: Training) -> None:
        """Set the learning rate of the next step."""
        if training.step < training.last_step:
            done = (training.step - training.start) / training.length
            self.optimizer.lr = self.base_lr * self._factor(done)

    after_step = begin

    def _factor(self, done):
        name = f"schedule must give a factor: schedule({done:.4g})"
        return check_number(name, self.schedule(done), 0)


class EarlyStopping(Callback):
    """Stop when the test accuracy hasn't risen for `patience` rows of the history."""

    def __init__(self, patience: int):
        self.patience = patience

    def begin(self, training: Training) -> None:
        """Stop at once if a training is resumed that was stopped early."""
        self.after_step(training)

    def after_step(self, training: Training) -> None:
        """Stop if the best row is too far back."""
        rows = training.history[training.start_row :]
        best = best_epoch(rows)
        if best is not None and len(rows) - best >= self.patience:
            best += training.start_row
            training.stop_reason = f"the best test accuracy was that of epoch {best}"


class BestParameters(Callback):
    """Keep a copy of the network's state after the row with the highest test accuracy.

    With `restore`, the network gets it at the end; a training that goes on does so from the last
    parameters.
    """

    def __init__(self, *, restore: bool):
        self.restore = restore
        self.best, self._rows = {}, 0

    def begin(self, training: Training) -> None:
        """Wait for a new row."""
        self._rows = len(training.history)

    def after_step(self, training: Training) -> None:
        """Copy the state of the network if the newest row is the best one."""
        rows = len(training.history)
        if rows > self._rows and best_epoch(training.history) == rows:
            self.best = training.state()["network"]
        self._rows = rows

    def end(self, training: Training, error: BaseException | None) -> None:
        """Give the network its best state, unless it is about to go on."""
        if self.restore and self.best and (error is None or isinstance(error, DivergenceWarning)):
            training.return_to_snapshot = True
            training.set_network_state(self.best)

    def state(self) -> dict[str, Any]:
        """Return the best parameters."""
        return self.best

    def set_state(self, state: Mapping[str, Any], training: Training) -> None:
        """Take them from `state`."""
        self.best = dict(state)


def best_epoch(history: list[dict[str, float]]) -> int | None:
    """Return which row, counted from 1, is the first one with the highest test accuracy, if any.

    The row of a training that has diverged, with a loss of NaN, doesn't count.
    """
    rows = [number for number, row in enumerate(history, 1) if row["loss"] == row["loss"]]
    return max(rows, key=lambda number: history[number - 1]["test_acc"], default=None)


class Checkpoint(Callback):
    """Write the last snapshot to `path`, every ten seconds and when the training ends.

    Nothing is written before a step is done. The snapshots of a training that diverges are finite.
    """

    def __init__(self, path: str | Path):
        self.path, self._saved_step = Path(path), None

    def begin(self, training: Training) -> None:
        """Make sure that the file can be written, before hours of work depend on it."""
        check_writable(self.path)
        remove_leftovers(self.path)
        self._saved_at = time.monotonic()
        if self._saved_step is None:  # nothing is done yet, or the training was resumed here
            self._saved_step = training.step

    def after_step(self, training: Training) -> None:
        """Save if it is time."""
        if time.monotonic() - self._saved_at > SECONDS_BETWEEN_CHECKPOINTS:
            self.end(training)
            self._saved_at = time.monotonic()

    def end(self, training: Training, error: BaseException | None = None) -> None:
        """Save what has been done since."""
        if training.snapshot_step != self._saved_step:
            save_checkpoint(self.path, training.snapshot)
            self._saved_step = training.snapshot_step
