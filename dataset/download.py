"""Download files from mirrors, any of which may be dead, slow or wrong.

pooch stores a file under a temporary name and moves it when it is complete. This module adds what
makes a bad mirror cheap: limits of time and size, the next mirror, and errors that help.
"""

import errno
import http.client
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

import pooch
import requests
from tqdm import tqdm

from dataset.errors import DatasetError
from dataset.files import File, ImageSet
from dataset.staging import staging_folder

# Seconds until the headers of the answer must be complete, redirects included.
ANSWER_SECONDS = 5.0
# Bytes per second below which a mirror is given up, and the seconds over which they are averaged.
MINIMUM_SPEED = 20_000
PERIOD_SECONDS = 10.0
# A distribution may have compressed a file a little worse than its authors did.
SIZE_LIMIT = 1.25
REDIRECTS = 5
CHUNK_BYTES = 4096
POLL_SECONDS = 0.1


class _MirrorFailure(Exception):
    """A mirror did not deliver the file; the message says why, in a few words."""


def download(image_set: ImageSet, files: list[File], folder: Path) -> list[bytes]:
    """Download files into a folder, and return what they hold once unpacked.

    A damaged file is replaced once a good one has arrived. `DatasetError` if the folder cannot be
    written, or if no mirror delivers one of the files.
    """
    mirrors = image_set.mirrors()
    contents: list[bytes] = []
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with staging_folder(folder) as staging:
            for file in files:
                content, mirrors = _try_mirrors(image_set, file, mirrors, folder, staging)
                contents.append(content)
    except OSError as error:
        raise _not_writable(image_set, files[len(contents) :], folder, error) from error
    finally:
        logger.setLevel(level)
    return contents


def _try_mirrors(
    image_set: ImageSet, file: File, mirrors: list[str], folder: Path, staging: Path
) -> tuple[bytes, list[str]]:
    """Return a file's content, and the mirrors in the order in which to ask them for the next."""
    failures: dict[str, str] = {}
    for mirror in mirrors:
        if failures:
            failed, reason = list(failures.items())[-1]
            print(f"{failed}{file.name}: {reason}; trying {mirror}", file=sys.stderr)
        try:
            content = _retrieve(mirror + file.name, file, folder / file.name, staging)
        except _MirrorFailure as failure:
            failures[mirror] = str(failure)
        else:
            # One that failed is asked again only when all the others fail as well.
            return content, [good for good in mirrors if good not in failures] + list(failures)
    path = folder / file.name
    tried = ";\n".join(f"  {mirror} - {reason}" for mirror, reason in failures.items())
    raise DatasetError(
        f"{path} is {'damaged' if path.exists() else 'missing'}, and no mirror delivered a good "
        f"one:\n{tried}.\n{image_set.remedy()}",
        f"no mirror delivered {file.name}: {'; '.join(dict.fromkeys(failures.values()))}",
    )


def _retrieve(url: str, file: File, final: Path, staging: Path) -> bytes:
    contents: list[bytes] = []

    def save(url: str, output_file: str, _pooch: object) -> None:
        path = Path(output_file)
        # pooch has made it readable for its owner only, but a class may share the folder.
        path.unlink()
        with path.open("wb") as output:
            _transfer(url, output, file)
        content = file.read(path)
        if content is None:
            size = path.stat().st_size
            raise _MirrorFailure(f"sent {size:,} bytes that are not the file (SHA-256 differs)")
        contents.append(content)

    # No hash for pooch: it would compare that of the compressed bytes.
    arrived = Path(pooch.retrieve(url, None, fname=file.name, path=staging, downloader=save))
    try:
        arrived.replace(final)
    except OSError:
        # On Windows a second process that stores the same file can be in the way.
        if file.read(final) is None:
            raise
    return contents[0]


def _transfer(url: str, output: BinaryIO, file: File) -> None:
    """Copy what a server sends into a file, within the limits of time and size.

    The timeout of requests is that of a single read, and the look-up of a server's name has none.
    So a thread does the work while this one keeps the time. A thread that is late is left to
    itself, and writes nothing more.
    """
    reader = _Reader(url, output, int(SIZE_LIMIT * file.packed_size))
    bar = tqdm(None, file.name, file.packed_size, False, unit="B", unit_scale=True, disable=None)
    try:
        with bar:
            reader.start()
            _watch(reader, bar)
    finally:
        reader.abandoned = True
    if reader.error is not None:
        raise reader.error


def _watch(reader: "_Reader", bar: tqdm) -> None:
    answered = False
    since, before = time.monotonic(), 0
    while True:
        reader.join(POLL_SECONDS)
        if not reader.is_alive():
            return
        bar.update(reader.received - bar.n)
        seconds = time.monotonic() - since
        if not answered:
            if reader.answered:
                answered, since = True, time.monotonic()
            elif seconds > ANSWER_SECONDS:
                raise _MirrorFailure(f"no answer within {ANSWER_SECONDS:g} s")
        elif seconds > PERIOD_SECONDS:
            speed = (reader.received - before) / seconds
            if speed < MINIMUM_SPEED:
                raise _MirrorFailure(f"too slow, {speed / 1000:.1f} kB/s over {seconds:.0f} s")
            since, before = time.monotonic(), reader.received


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Have no redirect followed: requests would read all of its body, however long it is."""


class _Reader(threading.Thread):
    """Reads one file from a server; another thread sees how far it is."""

    def __init__(self, url: str, output: BinaryIO, limit: int) -> None:
        super().__init__(daemon=True)
        self.url, self.output, self.limit = url, output, limit
        self.answered = self.abandoned = False
        self.received = 0
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with self._answer() as response:
                self.answered = True
                self._copy(response)
        except _MirrorFailure as failure:
            self.error = failure
        except Exception as error:  # whatever it is, it belongs in our report
            self.error = _MirrorFailure(_in_brief(error))

    def _answer(self) -> requests.Response:
        url, session = self.url, _Session()
        # A server must neither compress the file again nor unpack it on the way.
        session.headers["Accept-Encoding"] = "identity"
        for _ in range(REDIRECTS + 1):
            # This timeout only ends threads that are late; `_watch` sets the limits.
            response = session.get(url, stream=True, timeout=2 * PERIOD_SECONDS)
            if response.status_code == 200:
                return response
            response.close()
            if not response.is_redirect:
                code = response.status_code
                raise _MirrorFailure(f"HTTP {code} {http.client.responses.get(code, '')}".strip())
            url = urljoin(url, response.headers["location"])
        raise _MirrorFailure(f"more than {REDIRECTS} redirects")

    def _copy(self, response: requests.Response) -> None:
        # As it was sent: not even a Content-Encoding is undone, which could be a gzip bomb.
        while piece := response.raw.read(CHUNK_BYTES, decode_content=False):
            if self.abandoned:
                return
            if self.received + len(piece) > self.limit:
                raise _MirrorFailure(f"sent more than the {self.limit:,} bytes it may have")
            try:
                self.output.write(piece)
            except OSError as error:  # of our own disk, not of the mirror
                self.error = error
                return
            self.received += len(piece)


def _in_brief(error: BaseException) -> str:
    # The libraries wrap the operating system's word, such as "Connection refused", several times.
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return textwrap.shorten(text, 120, placeholder=" …").rstrip(".")


def _not_writable(
    image_set: ImageSet, files: list[File], folder: Path, error: OSError
) -> DatasetError:
    what = f"cannot write {folder / files[0].name}: {error.strerror or error}"
    room = ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        megabytes = SIZE_LIMIT * sum(file.packed_size for file in files) / 1e6
        room = f"Free {max(1, round(megabytes))} MB there and try again. "
    missing = ", ".join(file.name for file in files)
    remedy = image_set.remedy("that can be written to, or that holds")
    return DatasetError(f"{what}. Still missing or damaged: {missing}. {room}{remedy}", what)
