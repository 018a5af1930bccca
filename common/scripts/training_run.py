"""Everything around a training loop that isn't the lesson: options, table, plot, checkpoints.

The loop itself stands in the chapters' ``train_neuralnet.py``:

    with TrainingRun(args, network, rng, train=(x_train, t_train), test=(x_test, t_test)) as run:
        for i in run.iterations():
            ...
            run.record(seconds, x_batch, t_batch)

However the loop ends — done, Ctrl-C, a loss that is no longer finite — the history, the parameters
and the learning curve are written, and ``--resume`` goes on from there, bit for bit as if the run
had never stopped.
"""

import argparse
import csv
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from tqdm import tqdm

from common.networks import Network
from common.scripts.command_line import (
    CommandError,
    output_folder,
    positive_float,
    positive_int,
    script_parser,
)
from common.scripts.plot import learning_curve, save_figure
from common.support.errors import DivergenceWarning, NonFiniteError
from common.support.files import save_arrays, write_csv
from common.support.random_state import random_state, set_random_state
from common.support.threads import limit_threads
from common.training.checkpoint import load_checkpoint, save_checkpoint

CHECKPOINT = "checkpoint.npz"
HISTORY = "history.csv"
COLUMNS = ("iteration", "seconds", "loss", "train_acc", "test_acc")
SECONDS_BETWEEN_CHECKPOINTS = 10


def training_arguments(
    argv: Sequence[str] | None,
    description: str,
    *,
    iterations: Mapping[str, int],
    output: str,
) -> argparse.Namespace:
    """Parse the command line of a ``train_neuralnet.py`` and make its output folder ready.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the running program by default.
    description : str
        The script's docstring.
    iterations : mapping of str to int
        Choices of ``--gradient``, the first one being the default, and the default of
        ``--iterations`` with each.
    output : str
        Default of ``--output``.

    Raises
    ------
    CommandError
        If the output folder can't be written or holds no run to resume, or ``--beside`` names a
        folder without a run.
    """
    parser = script_parser(description, output=output, seed=0, data=True, threads=1)
    add = parser.add_argument
    first, *_ = iterations
    add("--gradient", choices=iterations, default=first, help="how the gradient is computed")
    defaults = ", ".join(f"{number:,} with {name}" for name, number in iterations.items())
    add("--iterations", type=positive_int, help=f"mini-batches to train on (default: {defaults})")
    add("--batch-size", type=positive_int, default=100, help="digits in a mini-batch")
    add("--learning-rate", type=positive_float, default=0.1, help="of gradient descent")
    add("--hidden-size", type=positive_int, default=50, help="hidden units")
    add(
        "--log-every",
        type=positive_int,
        metavar="N",
        help="iterations from one line of the table to the next (default: a twentieth of the run)",
    )
    add("--resume", action="store_true", help="go on with the run that --output holds")
    add(
        "--beside",
        type=Path,
        metavar="DIR",
        help="draw the learning curve of the run in DIR too, to compare",
    )
    args = parser.parse_args(argv)
    if args.iterations is None:
        args.iterations = iterations[args.gradient]
    # Read now: an error mustn't wait for the end, and the run may be about to overwrite it.
    if args.beside is not None:
        args.beside = (str(args.beside), read_history(args.beside))
    if args.resume and not (args.output / CHECKPOINT).exists():
        raise CommandError(f"there is no run to resume: {args.output / CHECKPOINT} doesn't exist")
    output_folder(args.output)
    return args


def read_history(folder: Path) -> dict[str, list[float]]:
    """Return the columns of the ``history.csv`` that a run left in `folder`.

    Raises
    ------
    CommandError
        If there is none, or it is something else.
    """
    path = folder / HISTORY
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        columns = {name: [float(row[name]) for row in rows] for name in COLUMNS}
        if not np.isfinite(list(columns.values())).all():
            raise ValueError("a number isn't finite")
    except OSError as error:
        raise CommandError(f"{folder} holds no run to draw: {error}") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise CommandError(f"{path} isn't the history of a training run") from error
    if not rows:
        raise CommandError(f"{path} is empty")
    return columns


class TrainingRun:
    """The surroundings of a training loop, as a context manager.

    Parameters
    ----------
    args : argparse.Namespace
        What `training_arguments` made of the command line.
    network : Network
        Its ``params`` are what the loop trains; with ``--resume`` they are replaced.
    rng : numpy.random.Generator
        What the loop draws its mini-batches from; with ``--resume`` its state is replaced.
    train, test : (x, t)
        The digits and labels that accuracy is measured on.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        network: Network,
        rng: np.random.Generator,
        *,
        train: tuple[np.ndarray, np.ndarray],
        test: tuple[np.ndarray, np.ndarray],
    ):
        self.args = args
        self.network = network
        self.rng = rng
        self.train = train
        self.test = test
        self.log_every = args.log_every or max(1, args.iterations // 20)
        self.rows: list[dict[str, float]] = []
        self.first = 1
        self._bar = None
        self._recorded = None
        self._checkpoint = args.output / CHECKPOINT

    def __enter__(self) -> "TrainingRun":
        if self.args.resume:
            self._resume()
        elif self._checkpoint.exists():
            print(f"{self.args.output} holds an earlier run, which this one will replace")
        # A run that diverges ends in one clear error; NumPy's warnings on the way only hide it.
        self._quiet = ExitStack()
        self._quiet.enter_context(limit_threads(self.args.threads))
        self._quiet.enter_context(np.errstate(over="ignore", invalid="ignore"))
        self._quiet.enter_context(warnings.catch_warnings())
        warnings.simplefilter("error", DivergenceWarning)
        self._remember(self.first - 1)
        self._started = self._saved_at = time.monotonic()
        print("iteration     seconds  train_acc  test_acc")
        for row in self.rows:
            print(_table_row(row))
        return self

    def __exit__(self, kind, error, traceback) -> None:
        if self._bar is not None:
            self._bar.close()
        seconds = time.monotonic() - self._started
        done, new = self._state["iteration"], self._state["iteration"] - self.first + 1
        if new:  # write first: printing fails if what reads our output has ended
            self._save()
            self._write_results()
        self._quiet.close()
        print(f"{new:,} iteration{'' if new == 1 else 's'} in {seconds:.1f} s")
        if self.rows and not self.rows[-1]["loss"] <= 2 * self.rows[0]["loss"]:
            print("the loss has grown: try a smaller --learning-rate")
        if kind is not None and done == 0:
            print("stopped before the first iteration was finished: there is nothing to keep")
        elif kind is not None:
            print(f"stopped after iteration {done}; --resume goes on from there")

    def iterations(self) -> Iterator[int]:
        """Yield the iterations to do, counted from 1, behind a progress bar."""
        last = self.args.iterations
        self._bar = tqdm(
            initial=self.first - 1, total=last, desc="training", unit="it", disable=None
        )
        for i in range(self.first, last + 1):
            yield i
            self._remember(i)
            self._bar.update()
            if time.monotonic() - self._saved_at > SECONDS_BETWEEN_CHECKPOINTS:
                self._save()

    def record(self, seconds: float, x_batch: np.ndarray, t_batch: np.ndarray) -> None:
        """Take note of an iteration, and measure the accuracy if it is one of those to be shown.

        Shown are the first iteration, the last one, and every ``--log-every``-th.

        Parameters
        ----------
        seconds : float
            What this iteration's gradient took.
        x_batch, t_batch : ndarray
            Its mini-batch.
        """
        i = self._state["iteration"] + 1
        self._recorded = (i, seconds, x_batch, t_batch)
        if i == 1 or i % self.log_every == 0 or i == self.args.iterations:
            self.rows.append(self._row())
            tqdm.write(_table_row(self.rows[-1]))

    def _row(self):
        i, seconds, x_batch, t_batch = self._recorded
        loss = float(self.network.loss(x_batch, t_batch))
        accuracies = self.network.accuracy(*self.train), self.network.accuracy(*self.test)
        return dict(zip(COLUMNS, (i, seconds, loss, *accuracies), strict=True))

    def _remember(self, iteration):
        # Ctrl-C can strike between the update of one parameter and of the next. What is written
        # then is this copy: the state after a whole number of iterations.
        self._state = {
            "iteration": iteration,
            "rng": random_state(self.rng),
            "network": {key: array.copy() for key, array in self.network.state().items()},
            "recorded": self._recorded,
        }

    def _finished_rows(self):
        return [row for row in self.rows if row["iteration"] <= self._state["iteration"]]

    def _save(self):
        about = {
            "iteration": self._state["iteration"],
            "rng": self._state["rng"],
            "network": self._network_name(),
            "settings": self._settings(),
            "rows": self._finished_rows(),
        }
        save_checkpoint(self._checkpoint, about, self._state["network"])
        self._saved_at = time.monotonic()

    def _network_name(self):
        return f"{type(self.network).__module__}.{type(self.network).__qualname__}"

    def _settings(self):
        names = ("gradient", "batch_size", "learning_rate", "seed")
        settings = {name: getattr(self.args, name) for name in names}
        return settings | {"data": f"{len(self.train[0]):,} digits"}

    def _resume(self):
        try:
            about, state = load_checkpoint(self._checkpoint)
            if about["network"] != self._network_name():
                raise ValueError(
                    f"{self._checkpoint} is a run of {about['network']}, not {self._network_name()}"
                )
            self.network.set_state(state, source=str(self._checkpoint))
            set_random_state(self.rng, about["rng"])
            self.rows = about["rows"]
            self.first = about["iteration"] + 1
            old_settings = about["settings"]
        except (KeyError, TypeError, ValueError) as error:
            raise CommandError(f"can't resume: {error}") from error
        print(f"resuming after iteration {about['iteration']}")
        for name, new in self._settings().items():
            if new != old_settings.get(name):
                print(f"--{name.replace('_', '-')} was {old_settings.get(name)}, is now {new}")
        if self.first > self.args.iterations:
            print(f"all {self.first - 1} iterations are done; raise --iterations to go on")

    def _write_results(self):
        output = self.args.output
        save_arrays(output / "params.npz", self._state["network"])
        rows = self._finished_rows()
        if not rows or rows[-1]["iteration"] < self._state["iteration"]:
            rows += self._row_of_a_stop()
        write_csv(output / HISTORY, rows)
        columns = {name: [row[name] for row in rows] for name in COLUMNS}
        chart = learning_curve(columns, beside=self.args.beside)
        save_figure(chart, output / "learning_curve.png", show=self.args.show)
        print(f"wrote {output / 'params.npz'}\nwrote {output / HISTORY}")

    def _row_of_a_stop(self):
        """Return the row of the last whole iteration of a run that was stopped, if it has one."""
        self.network.set_state(self._state["network"])
        self._recorded = self._state["recorded"]
        try:
            row = self._row()
        except (DivergenceWarning, NonFiniteError):  # which is what the run was stopped by
            return []
        print(_table_row(row))
        return [row]


def _table_row(row):
    return (
        f"{row['iteration']:>9}  {row['seconds']:>10.6f}  "
        f"{row['train_acc']:>9.4f}  {row['test_acc']:>8.4f}"
    )
