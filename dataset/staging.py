"""A private folder for files that are being written, which no run leaves behind for good."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: what a killed process leaves behind stays there
    fcntl = None

PREFIX = ".dataset-unfinished-"


@contextmanager
def staging_folder(folder: Path) -> Iterator[Path]:
    """Provide a new folder inside an existing one; remove it and what is still in it at the end.

    Write a file there and move it out when it is complete: inside one file system a move either
    happens or doesn't. `OSError` if `folder` cannot be written to.
    """
    remove_leftovers(folder)
    unlocked = Path(tempfile.mkdtemp(dir=folder))
    lock = os.open(unlocked, os.O_RDONLY) if fcntl else None
    # A network file system without locks fails here, and again where a leftover would be removed.
    with suppress(OSError, AttributeError):
        fcntl.flock(lock, fcntl.LOCK_EX)
    path = unlocked.rename(unlocked.with_name(PREFIX + unlocked.name))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def remove_leftovers(folder: Path) -> None:
    """Remove the staging folders of processes that were killed, and of no others."""
    leftovers: list[Path] = []
    with suppress(OSError):  # not every folder can be listed
        leftovers = list(folder.glob(PREFIX + "*")) if fcntl else []
    for path in leftovers:
        with suppress(OSError):
            lock = os.open(path, os.O_RDONLY)
            try:
                # The system releases the lock of a process that ends, however it ends.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
            finally:
                os.close(lock)
