"""Small files in the place of the originals, and a server on loopback in the place of mirrors."""

import gzip
import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dataset import download
from dataset.files import FASHION_MNIST, MNIST, File

NAMES = [file.name for file in MNIST.files]


@pytest.fixture
def cache():
    """The folder that MNIST_DIR names in a test; it doesn't exist yet."""
    return Path(os.environ["MNIST_DIR"])


def put_small_files(monkeypatch, image_set, seed):
    """Have a data set consist of 20 + 10 random images; return its gzipped files by name."""
    rng = np.random.default_rng(seed)
    files, packed = [], {}
    for name, count in zip(NAMES, (20, 20, 10, 10), strict=True):
        array = np.arange(count, dtype=np.uint8) % 10
        if "images" in name:
            array = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        content = bytes(16 if "images" in name else 8) + array.tobytes()
        packed[name] = gzip.compress(content, mtime=seed)
        sha256 = hashlib.sha256(content).hexdigest()
        files.append(File(name, len(packed[name]), sha256, len(content)))
    monkeypatch.setitem(vars(image_set), "files", tuple(files))
    return packed


@pytest.fixture
def small(monkeypatch):
    """The four files of a small MNIST by name."""
    return put_small_files(monkeypatch, MNIST, 0)


@pytest.fixture
def small_fashion(monkeypatch):
    return put_small_files(monkeypatch, FASHION_MNIST, 1)


def fill(folder, packed):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in packed.items():
        (folder / name).write_bytes(content)


def contents_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def answer(change=lambda packed: packed, *, code=200, hold=False, **headers):
    """Make a mirror that sends what `change` makes of a file, and then perhaps nothing more."""

    def script(server, handler, packed):
        body = change(packed or b"")
        handler.send_response(code)
        for name, value in ({"Content_Length": len(body)} | headers).items():
            handler.send_header(name.replace("_", "-"), str(value))
        handler.end_headers()
        handler.wfile.write(body)
        if hold:
            server.gave_up = not server.released.wait(60)

    return script


def endless(start, piece, seconds=0):
    """Make a mirror that sends the same piece again and again, so many seconds apart."""

    def script(server, handler, packed):
        handler.wfile.write(start)
        while not server.released.wait(seconds):
            handler.wfile.write(piece)

    return script


class Mirrors(ThreadingHTTPServer):
    """One server that plays any number of mirrors, good ones and bad ones."""

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        self.scripts = []
        self.asked = []
        self.released = threading.Event()
        self.gave_up = False
        super().__init__(("127.0.0.1", 0), _Handler)

    def add(self, files, script=answer()):  # noqa: B008
        """Add a mirror of gzipped files by name, and return its address."""
        self.scripts.append((files, script))
        return f"http://127.0.0.1:{self.server_port}/{len(self.scripts) - 1}/"

    def gets(self, mirror):
        return [name for number, name in self.asked if number == mirror]

    def handle_error(self, request, client_address):
        """Say nothing of clients that went away: some are meant to."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        _, number, name = self.path.split("/")
        self.server.asked.append((int(number), name))
        files, script = self.server.scripts[int(number)]
        script(self.server, self, files.get(name))

    def log_message(self, *_):
        pass


@pytest.fixture
def mirrors(monkeypatch):
    # The downloader's clock stands still: no mirror is too slow because the machine is busy.
    monkeypatch.setattr(download, "time", SimpleNamespace(monotonic=lambda: 0.0))
    with Mirrors() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()


@pytest.fixture
def use(monkeypatch):
    """Name the mirrors to use."""
    return lambda *urls: monkeypatch.setenv("MNIST_MIRRORS", " ".join(urls))
