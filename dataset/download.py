"""Fetch the original files from mirrors, of which any may be dead, slow or wrong.

Each file is checked by its SHA-256 under a temporary name before it is moved into place, which
pooch does for us. What this module adds is the choice of the mirror, and errors that help.
"""

import os
import queue
import re
import tempfile
import textwrap
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pooch
import requests
from tqdm import tqdm

from dataset.errors import DatasetError
from dataset.files import SHA256, is_intact

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# Seconds until a mirror has to have given its first answer, and between two pieces of a file.
ANSWER_SECONDS = 5.0
READ_SECONDS = 10.0
CHUNK_BYTES = 65536
# A server may otherwise unpack the file on the way, and its SHA-256 would be another.
HEADERS = {"Accept-Encoding": "identity"}


def mirror_urls() -> list[str]:
    """Return the addresses to fetch from, the first choice first.

    Returns
    -------
    list of str
        Those in the environment variable ``MNIST_MIRRORS``, separated by spaces or commas, else
        `MIRRORS`. Each ends in a slash and comes once.
    """
    named = [url for url in re.split(r"[\s,]+", os.environ.get("MNIST_MIRRORS", "")) if url]
    return list(dict.fromkeys(url.rstrip("/") + "/" for url in named or MIRRORS))


def download(names: Iterable[str], folder: Path) -> None:
    """Fetch files into a folder.

    Parameters
    ----------
    names : iterable of str
        Which of the four files. Those of them that are there and damaged are replaced once a good
        one has arrived.
    folder : Path
        Where to; made if need be.

    Raises
    ------
    DatasetError
        If the folder cannot be written, or no mirror delivers one of the files.
    """
    names = list(names)
    _check_writable(folder, names)
    mirrors = mirror_urls()
    alive: set[str] = set()
    with _quiet_pooch():
        for name in names:
            mirrors = _fetch(folder / name, mirrors, alive)


def _fetch(path: Path, mirrors: list[str], alive: set[str]) -> list[str]:
    """Fetch one file and return the mirrors in the order in which to ask them for the next."""
    failures: dict[str, str] = {}
    for mirror in mirrors:
        problem = None if mirror in alive else _silence(mirror + path.name)
        if problem is None:
            alive.add(mirror)
            problem = _retrieve(mirror + path.name, path)
        if problem is None:
            # One that failed is asked again only when all the others fail as well.
            return [good for good in mirrors if good not in failures] + list(failures)
        failures[mirror] = problem
    raise _no_mirror(path, failures)


def _silence(url: str) -> str | None:
    """Return why a server does not answer, or None if it does, be it with an error.

    The timeout of requests counts anew for each of a server's addresses, and the look-up of its
    name is outside of it. Behind a firewall that drops packets this adds up to a minute: hence the
    thread, which is left to itself when the time is over.
    """
    outcome: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            requests.head(url, headers=HEADERS, timeout=ANSWER_SECONDS).close()
        except Exception as error:  # whatever it is, it belongs in our report, not on the screen
            outcome.put(_in_brief(error))
        else:
            outcome.put(None)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return outcome.get(timeout=ANSWER_SECONDS)
    except queue.Empty:
        return f"no answer within {ANSWER_SECONDS:g} s"


def _retrieve(url: str, path: Path) -> str | None:
    """Fetch one file from one mirror; return what is wrong with the mirror, or None."""
    try:
        pooch.retrieve(
            url,
            known_hash=f"sha256:{SHA256[path.name]}",
            fname=path.name,
            path=path.parent,
            downloader=_save,
        )
    except requests.RequestException as error:
        return _in_brief(error)
    except ValueError:
        return "sent another file (SHA-256 differs): altered, cut, or a web page in its place"
    except OSError as error:
        # On Windows a second process that stores the same file can be in the way.
        if not is_intact(path):
            raise _not_writable(path.parent, [path.name], error) from error
    return None


def _save(url: str, output_file: str, _pooch: Any) -> None:
    # pooch has made this file readable for its owner only, but a class may share the folder.
    # Without it the downloader makes the file anew, with the permissions that files have here.
    Path(output_file).unlink()
    name = url.rpartition("/")[2]
    # The downloader corrects the total, yet takes a bar with none for no bar.
    with tqdm(
        total=1, desc=name, unit="B", unit_scale=True, leave=False, disable=None
    ) as progressbar:
        fetch = pooch.HTTPDownloader(
            progressbar=progressbar,
            chunk_size=CHUNK_BYTES,
            timeout=(ANSWER_SECONDS, READ_SECONDS),
            headers=HEADERS,
        )
        fetch(url, output_file, None)


@contextmanager
def _quiet_pooch() -> Iterator[None]:
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


def _check_writable(folder: Path, names: list[str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _not_writable(folder, names, error) from error


def _in_brief(error: BaseException) -> str:
    if isinstance(error, requests.HTTPError):
        return f"HTTP {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    # The libraries wrap the operating system's word, such as "Connection refused", several times.
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return textwrap.shorten(text, 120, placeholder=" …").rstrip(".")


def _not_writable(folder: Path, names: list[str], error: OSError) -> DatasetError:
    why = error.strerror or str(error)
    states = "; ".join(f"{name} is {_state(folder / name)}" for name in names)
    return DatasetError(
        f"cannot write to the cache folder {folder}: {why}. It has to be written to, because "
        f"{states}. {_remedy('that can be written to, or that holds')}",
        reason=f"the cache folder {folder} cannot be written to: {why}",
    )


def _no_mirror(path: Path, failures: dict[str, str]) -> DatasetError:
    tried = ";\n".join(f"  {mirror} - {problem}" for mirror, problem in failures.items())
    return DatasetError(
        f"{path} is {_state(path)}, and no mirror delivered a good one:\n{tried}.\n{_remedy()}",
        reason=f"no mirror delivered {path.name}: {'; '.join(dict.fromkeys(failures.values()))}",
    )


def _state(path: Path) -> str:
    return "damaged" if path.exists() else "missing"


def _remedy(kind: str = "that holds") -> str:
    return (
        f"Set MNIST_DIR to a folder {kind} {', '.join(SHA256)}; "
        'or use the digits of this repository: source="sample" (--data sample on a command line).'
    )
