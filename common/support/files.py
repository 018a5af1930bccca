"""Files that are whole or not there: written under a temporary name, then moved into place."""

import csv
import io
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
    zipfile.BadZipFile,
    zlib.error,
)


def write_atomically(path: str | Path, data: bytes) -> None:
    """Write `data` to `path`; a reader sees the old file or the new one, never a part of it.

    Raises
    ------
    OSError
        If the folder doesn't exist or can't be written; `path` is then as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


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
