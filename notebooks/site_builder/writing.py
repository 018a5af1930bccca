"""The pages on disk. A list of the files that were written tells the next build what is its own."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from common.scripts.command_line import CommandError, output_folder
from common.support.files import write_atomically

__all__ = ["LIST", "check_folder", "write_site"]

LIST = "site-files.txt"


def check_folder(folder: Path) -> None:
    """Raise a CommandError unless `folder` is new, empty, or one that `write_site` has filled."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / LIST).is_file():
        raise CommandError(
            f"{folder} holds something other than a site of this command; "
            "choose another folder with --output"
        )
    output_folder(folder)


def write_site(files: Mapping[str, bytes], folder: Path) -> None:
    """Write `files`, named by their paths in `folder`, and delete what the build before left.

    What no build has written stays as it is. Each file is whole at any moment; after a build that
    was interrupted some pages are old, until the next one.

    Raises
    ------
    CommandError
        If the folder can't be written, or holds other things than a site.
    OSError
        If writing fails.
    """
    check_folder(folder)
    before = _own_files(folder)
    for name in files:
        if name not in before and (folder / name).exists():
            raise CommandError(
                f"{folder / name} was not written by this command, which would replace it; "
                "move it, or choose another folder with --output"
            )
    _write_list(folder, before | files.keys())  # should this build be interrupted
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, data)
    for name in before - files.keys():
        _delete(folder, name)
    _write_list(folder, files.keys())


def _own_files(folder):
    """Return the names on the list of the build before, but for any that lead out of the folder."""
    with suppress(FileNotFoundError):
        names = (folder / LIST).read_text(encoding="utf-8").splitlines()
        inside = folder.resolve()
        return {name for name in names if (folder / name).resolve().is_relative_to(inside)}
    return set()


def _write_list(folder, names):
    write_atomically(folder / LIST, "".join(f"{name}\n" for name in sorted(names)).encode())


def _delete(folder, name):
    """Delete a file, and the folders around it that are empty without it."""
    path = folder / name
    path.unlink(missing_ok=True)
    for parent in path.relative_to(folder).parents:
        if parent != Path():
            with suppress(OSError):  # it isn't empty
                (folder / parent).rmdir()
