"""Files that are either whole or not there at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary name to write under, and move the file into place at the end.

    A program that is stopped halfway, or two that write the same file at once, then never leave a
    half-written file under the final name.

    Parameters
    ----------
    path : Path
        The final name. Its folder must exist. A file of that name is replaced.

    Yields
    ------
    Path
        The name to write under, in the same folder: only within one file system is a move a single
        step that either happens or doesn't.

    Raises
    ------
    OSError
        If the file cannot be moved into place.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
