"""What the training scripts share: options, the folder of results, the learning curve.

The loop itself stands in the chapters' ``train_neuralnet.py``:

    with training_run(args, network, rng, train=(x_train, t_train), test=(x_test, t_test)) as run:
        for step in run.steps():
            ...
            run.record(seconds=seconds, batch=(x_batch, t_batch))

However the loop ends — done, Ctrl-C, a loss that is no longer finite — the history, the parameters
and the learning curve are written, and ``--resume`` goes on, bit for bit as if the run had never
stopped.
"""

import argparse
import csv
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from common.networks import Network
from common.scripts.command_line import (
    CommandError,
    output_folder,
    positive_float,
    positive_int,
    script_parser,
)
from common.scripts.plot import learning_curve, save_figure
from common.support.errors import DivergenceWarning
from common.support.files import remove_leftovers, save_arrays, write_csv
from common.support.threads import limit_threads
from common.training import Callback, Checkpoint, Evaluation, Progress, Table, Training

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

CHECKPOINT = "checkpoint.npz"
HISTORY, CURVE = "history.csv", "learning_curve.png"
COLUMNS = {"iteration": "9d", "seconds": "10.6f", "train_acc": "9.4f", "test_acc": "8.4f"}


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
    results_folder(args.output, resume=args.resume)
    return args


def read_history(folder: Path) -> dict[str, list[float]]:
    """Return the columns of the ``history.csv`` that a run left in `folder`.

    Raises
    ------
    CommandError
        If there is none, or it is something else.
    """
    path, names = folder / HISTORY, ("loss", *COLUMNS)
    try:
        with path.open(newline="") as file:
            rows = [{name: float(row[name]) for name in names} for row in csv.DictReader(file)]
    except OSError as error:
        raise CommandError(f"{folder} holds no run to draw: {error}") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise CommandError(f"{path} isn't the history of a training run") from error
    finite = [row for row in rows if np.isfinite(list(row.values())).all()]  # until it diverged
    if not finite:
        raise CommandError(f"{path} is empty")
    return {name: [row[name] for row in finite] for name in names}


def results_folder(folder: Path, *, resume: bool) -> Path:
    """Make the output folder of a training ready, or say why it can't be used.

    Raises
    ------
    CommandError
        If it can't be written, or there is no run to `resume`.
    """
    if resume and not (folder / CHECKPOINT).exists():
        raise CommandError(f"there is no run to resume: {folder / CHECKPOINT} doesn't exist")
    return output_folder(folder)


@contextmanager
def only_run_in(folder: Path) -> Iterator[None]:
    """Keep other runs out of `folder` meanwhile (on Windows they aren't noticed).

    Raises
    ------
    CommandError
        If another run is writing there, or a file can't be written.
    """
    with ExitStack() as lock:
        if fcntl is not None:
            handle = os.open(folder, os.O_RDONLY)
            lock.callback(os.close, handle)  # which unlocks it
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                advice = "wait for it, or choose another --output"
                raise CommandError(f"another run is writing to {folder}; {advice}") from None
            except OSError:  # a network drive without locks
                pass
        try:
            yield
        except OSError as error:
            saved = (folder / CHECKPOINT).exists()
            advice = "--resume goes on" if saved else "start this run again"
            raise CommandError(f"{error}; when that is solved, {advice}") from error


def begin(training: Training, folder: Path, *, resume: bool) -> None:
    """Resume the training from its checkpoint in `folder`, or mention an earlier run there.

    Raises
    ------
    CommandError
        If the checkpoint can't be resumed from.
    """
    if not resume:
        if (folder / CHECKPOINT).exists():
            print(f"{folder} holds an earlier run, which this one will replace")
        return
    try:
        changed = training.resume(folder / CHECKPOINT)
    except ValueError as error:
        raise CommandError(f"can't resume: {error}") from error
    print(f"resuming after iteration {training.step:,}")
    for setting in changed:
        print(f"--{setting}: results may differ from those of an uninterrupted run")
    if training.step >= training.last_step:
        print(f"all {training.step:,} iterations are done; ask for more of them to go on")


@contextmanager
def training_run(
    args: argparse.Namespace,
    network: Network,
    rng: np.random.Generator,
    *,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
) -> Iterator[Training]:
    """Surround the loop of a ``train_neuralnet.py``.

    Its steps are to ``record(seconds=…, batch=…)`` what the gradient took, and the mini-batch.

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

    def measure(training):
        return {
            "iteration": training.step,
            "seconds": training.values["seconds"],
            "loss": float(network.loss(*training.values["batch"])),
            "train_acc": network.accuracy(*train),
            "test_acc": network.accuracy(*test),
        }

    names = ("gradient", "batch_size", "learning_rate", "seed", "threads")
    settings = {name.replace("_", "-"): getattr(args, name) for name in names}
    training = Training(
        network,
        args.iterations,
        rng=rng,
        callbacks=[
            Evaluation(measure, args.log_every or max(1, args.iterations // 20), first=True),
            Table(COLUMNS),
            Progress(),
            Checkpoint(args.output / CHECKPOINT),
            Results(args.output, show=args.show, beside=args.beside),
        ],
        settings=settings | {"data": f"{len(train[0]):,} digits"},
    )
    with limit_threads(args.threads), only_run_in(args.output):
        begin(training, args.output, resume=args.resume)
        with training:
            yield training


class Results(Callback):
    """Write what a training leaves in its folder: parameters, history, learning curve.

    Nothing is written if no step was done; a training that is resumed with all its steps done
    writes what is missing, or older than its checkpoint.

    Parameters
    ----------
    folder : path
    show : bool
        Whether to open the plots in a window too.
    title : str, optional
        Of the learning curve.
    beside : (str, mapping), optional
        Name and history of another run, to be drawn too.
    plots : mapping of str to function
        Further files, and what draws each figure.
    """

    def __init__(
        self,
        folder: Path,
        *,
        show: bool = False,
        title: str = "Learning curve: loss of the mini-batch, accuracy on all digits",
        beside: tuple[str, Mapping[str, Sequence[float]]] | None = None,
        plots: Mapping[str, Callable] | None = None,
    ):
        self.folder, self.show = folder, show
        self.title, self.beside = title, beside
        self.plots = plots or {}

    def begin(self, training: Training) -> None:
        """Remove what a run that was killed has left."""
        for name in ("params.npz", HISTORY, CURVE, *self.plots):
            remove_leftovers(self.folder / name)
        self._started = time.monotonic()

    def end(self, training: Training, error: BaseException | None) -> None:
        """Write the files, and say how to go on."""
        kept, history = training.snapshot_step, training.history
        if kept == 0:
            print("stopped before the first iteration was finished: there is nothing to keep")
            return
        if isinstance(error, DivergenceWarning):  # draw the network that is written
            training.return_to_snapshot = True
            training.set_network_state(training.snapshot["network"])
        for path in list(self._write(training)):  # printing fails if what reads it has ended
            print(f"wrote {path}")
        done, seconds = kept - training.first_step, time.monotonic() - self._started
        print(f"{done:,} iteration{'' if done == 1 else 's'} in {seconds:.1f} s")
        if history and not history[-1]["loss"] <= 2 * history[0]["loss"]:
            print("the loss has grown: try a smaller --learning-rate")
        if isinstance(error, DivergenceWarning):
            print(f"diverged in iteration {training.step:,}")
        elif error is not None:
            print(f"stopped after iteration {kept:,}; --resume goes on from there")

    def _write(self, training):
        """Write each file that is due, and yield its path."""
        history = training.history
        drawn = [row for row in history if np.isfinite(list(row.values())).all()]
        columns = {name: [row[name] for row in drawn] for name in (drawn or [{}])[0]}

        def draw(make):
            return lambda path: save_figure(make(), path, show=self.show, quiet=True)

        writers = {"params.npz": lambda path: save_arrays(path, training.snapshot["network"])}
        if history:
            writers[HISTORY] = lambda path: write_csv(path, history)
        if drawn:
            writers[CURVE] = draw(lambda: learning_curve(columns, self.title, beside=self.beside))
        for name in {HISTORY, CURVE} - writers.keys():  # of an earlier run
            (self.folder / name).unlink(missing_ok=True)
        writers |= {name: draw(make) for name, make in self.plots.items()}
        for name, write in writers.items():
            path = self.folder / name
            if training.snapshot_step > training.first_step or self._is_outdated(path):
                write(path)
                yield path

    def _is_outdated(self, path):
        checkpoint = self.folder / CHECKPOINT
        return not path.exists() or path.stat().st_mtime_ns < checkpoint.stat().st_mtime_ns
