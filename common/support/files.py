"""Files that are whole or not there: written under a temporary name, then moved into place."""

import csv
import glob
import io
import os
import re
import tempfile
import time
import tokenize
import uuid
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

# What NumPy and zipfile raise, one or another, on files that are no sound .npz.
DAMAGED = (
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    OverflowError,
    MemoryError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def write_atomically(path: str | Path, data: bytes) -> None:
    """Write `data` to `path`; a reader sees the old file or the new one, never a part of it.

    Raises
    ------
    OSError
        If the folder doesn't exist, can't be written or has no space; `path` is then as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):  # a full disk is reported without the name of the file
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise


def check_writable(path: str | Path) -> None:
    """Raise the OSError, if any, that writing the file `path` would end in."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, a file was expected")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OSError(error.errno, f"can't write here: {error.strerror}", str(path)) from error


def remove_leftovers(path: str | Path) -> None:
    """Remove the temporary files of `path` that were left by processes which were killed."""
    path = Path(path)
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*"):
        made_by = re.fullmatch(r".*\.(\d+)\.[0-9a-f]{32}", temporary.name)
        if made_by and not _is_running(int(made_by[1]), temporary):
            temporary.unlink(missing_ok=True)


def _is_running(pid, file):
    if os.name == "nt":  # there, os.kill would end the process
        return time.time() - file.stat().st_mtime < 3600
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it runs, and is somebody else's
        pass
    return True


def save_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays to `path` as NumPy's ``.npz``, atomically.

    Raises
    ------
    TypeError
        If an array holds Python objects, which would have to be pickled.
    ValueError
        If an array is called ``file`` or ``allow_pickle``.
    OSError
        If `path` can't be written.
    """
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise TypeError(f"{name} holds Python objects: only numbers and text can be saved")
        if name in ("file", "allow_pickle"):
            raise ValueError(f"an array can't be called {name}: numpy.savez means its own argument")
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def write_csv(path: str | Path, rows: Sequence[Mapping]) -> None:
    """Write `rows`, all with the same keys, to `path` as a CSV table with a header, atomically.

    Raises
    ------
    ValueError
        If there are no rows, or their keys differ.
    OSError
        If `path` can't be written.
    """
    if not rows:
        raise ValueError("a table needs at least one row")
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


def load_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Read the arrays of an ``.npz`` file. Nothing is unpickled.

    Raises
    ------
    ValueError
        If the file is damaged or isn't an ``.npz`` of plain arrays.
    OSError
        If it can't be read.
    """
    with Path(path).open("rb") as file:
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except DAMAGED as error:
            raise ValueError(
                f"{path} is no .npz file of plain arrays, or is damaged (pickled files are "
                f"refused, since unpickling can run any code): {error}"
            ) from error
