"""Small files in the place of the originals, and a server on loopback in the place of mirrors."""

import gzip
import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

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
        files.append(File(name, len(packed[name]), len(content), sha256))
    monkeypatch.setitem(vars(image_set), "files", tuple(files))
    return packed


@pytest.fixture
def small(monkeypatch):
    """The four files of a small MNIST by name."""
    return put_small_files(monkeypatch, MNIST, 0)


@pytest.fixture
def small_fashion(monkeypatch):
    return put_small_files(monkeypatch, FASHION_MNIST, 1)


def contents_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def reply(handler, body, *, code=200, length=None, **headers):
    handler.send_response(code)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


class MirrorServer:
    """One server that plays any number of mirrors, good ones and bad ones."""

    def __init__(self):
        self.scripts = []
        self.asked = []
        self.released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def add(self, files, script=None):
        """Add a mirror and return its address; `script(server, handler, packed)` answers."""
        self.scripts.append((files, script or (lambda _, handler, packed: reply(handler, packed))))
        return f"http://127.0.0.1:{self._server.server_port}/{len(self.scripts) - 1}/"

    def gets(self, mirror):
        return [name for number, name in self.asked if number == mirror]

    def _handler(self):
        mirrors = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                _, number, name = self.path.split("/")
                mirrors.asked.append((int(number), name))
                files, script = mirrors.scripts[int(number)]
                script(mirrors, self, files[name])

            def log_message(self, *_):
                pass

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        """Say nothing of clients that went away: some are meant to."""


@pytest.fixture
def mirrors():
    server = MirrorServer()
    yield server
    server.close()


@pytest.fixture
def use(monkeypatch):
    """Name the mirrors to use."""
    return lambda *urls: monkeypatch.setenv("MNIST_MIRRORS", " ".join(urls))
