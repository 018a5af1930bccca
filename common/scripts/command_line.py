"""What the scripts' command lines share: argument types, options, clear errors."""

import argparse
import inspect
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from common.support.errors import DivergenceWarning, NonFiniteError
from dataset.errors import DatasetError


class CommandError(Exception):
    """A command can't be carried out as it was given; the message says why, to its user."""


def run(main: Callable[[], int | None]) -> None:
    """Call a script's `main` and exit: 0, or 1 with a line on stderr, or 130 after Ctrl-C.

    SIGTERM stops a script as Ctrl-C does, so that it can save what it has. Only errors that the
    user of a command can do something about are cut to a line. The others keep their traceback,
    which is what a reader who changes the code needs.
    """
    warnings.formatwarning = _format_warning
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # not every terminal can show x₀² or ×
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        code = main()
    except (
        CommandError,
        DatasetError,
        DivergenceWarning,
        NonFiniteError,
        OSError,
        MemoryError,
    ) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("\nstopped by Ctrl-C", file=sys.stderr)
        code = 130
    sys.exit(code)


_format_in_full = warnings.formatwarning


def _format_warning(message, category, filename, lineno, line=None):
    if issubclass(category, UserWarning):
        return f"warning: {message}\n"
    return _format_in_full(message, category, filename, lineno, line)


def script_parser(
    description: str,
    *,
    output: str | None = None,
    seed: int | None = None,
    data: bool = False,
    threads: int | None = None,
) -> argparse.ArgumentParser:
    """Return a parser that shows defaults, with the options that many scripts have.

    Parameters
    ----------
    description : str
        The script's docstring.
    output : str, optional
        Default folder of ``--output``; with it come ``--output`` and ``--show``.
    seed : int, optional
        Default of ``--seed``.
    data : bool
        Whether there is a ``--data``, for the source of `dataset.mnist.load_mnist`.
    threads : int, optional
        Default of ``--threads``, for `common.support.threads.limit_threads`.
    """
    parser = argparse.ArgumentParser(
        description=inspect.cleandoc(description),
        formatter_class=_HelpFormatter,
    )
    if seed is not None:
        parser.add_argument(
            "--seed", type=natural, default=seed, help="start of the random numbers"
        )
    if output is not None:
        parser.add_argument(
            "--output", type=Path, default=Path(output), metavar="DIR", help="folder for results"
        )
        parser.add_argument("--show", action="store_true", help="open the plots in a window too")
    if data:
        parser.add_argument(
            "--data",
            choices=("auto", "full", "sample"),
            default="auto",
            help="all of MNIST, the 5,000 digits of this repository, or the first that can be had",
        )
    if threads is not None:
        parser.add_argument(
            "--threads", type=positive_int, default=threads, help="threads per matrix product"
        )
    return parser


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    def _get_help_string(self, action):
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def peak_memory() -> float | None:
    """Return the largest memory that this process has used so far, in MiB; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB elsewhere


def positive_int(text: str) -> int:
    """Parse an integer of at least 1."""
    return _number(int, text, "an integer from 1 to 2³¹ − 1", lambda value: 1 <= value < 2**31)


def natural(text: str) -> int:
    """Parse an integer of at least 0."""
    return _number(int, text, "an integer of at least 0", lambda value: value >= 0)


def positive_float(text: str) -> float:
    """Parse a finite number above 0."""
    return _number(float, text, "a finite number above 0", lambda value: 0 < value < float("inf"))


def _number(kind, text, expected, is_valid):
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not is_valid(value):
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text}")
    return value


def output_folder(path: Path) -> Path:
    """Make the folder `path` if need be, and check that it can be written, before work begins.

    Raises
    ------
    CommandError
        If it can't.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        why = "it is a file" if path.is_file() else error.strerror
        raise CommandError(
            f"the output folder {path} can't be written ({why}); choose another one with --output"
        ) from error
    return path
