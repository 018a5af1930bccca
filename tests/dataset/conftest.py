"""Small files in the place of MNIST, and servers on loopback in the place of its mirrors."""

import hashlib
import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from dataset import download, files
from dataset.idx import write_idx


@pytest.fixture
def cache():
    """The folder that MNIST_DIR names in a test; it doesn't exist yet."""
    return Path(os.environ["MNIST_DIR"])


@pytest.fixture
def small_mnist(monkeypatch, tmp_path) -> dict[str, bytes]:
    """Small files, by name, that take the originals' place for the length of a test."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "small"
    folder.mkdir()
    for images, labels, count in (
        (files.TRAIN_IMAGES, files.TRAIN_LABELS, 20),
        (files.TEST_IMAGES, files.TEST_LABELS, 10),
    ):
        write_idx(folder / images, rng.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        write_idx(folder / labels, np.arange(count, dtype=np.uint8) % 10)
    contents = {name: (folder / name).read_bytes() for name in files.SHA256}
    for name, content in contents.items():
        monkeypatch.setitem(files.SHA256, name, hashlib.sha256(content).hexdigest())
    return contents


@pytest.fixture
def short_limits(monkeypatch):
    monkeypatch.setattr(download, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(download, "READ_SECONDS", 0.3)


Script = Callable[[BaseHTTPRequestHandler, str], None]


class MirrorServer:
    """One server on loopback that plays any number of mirrors, good ones and bad ones."""

    def __init__(self):
        self.scripts: dict[str, tuple[Script, Script]] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def add(self, get: Script, head: Script | None = None) -> str:
        """Add a mirror and return its address; `asked` calls it by its number."""
        number = str(len(self.scripts))
        self.scripts[number] = (get, head or (lambda handler, name: reply(handler, b"")))
        return f"http://127.0.0.1:{self._server.server_port}/{number}/"

    def gets(self, mirror: int) -> list[str]:
        return [name for verb, number, name in self.asked if (verb, number) == ("GET", str(mirror))]

    def heads(self, mirror: int) -> int:
        return sum((verb, number) == ("HEAD", str(mirror)) for verb, number, _ in self.asked)

    def good(self, contents: dict[str, bytes]) -> str:
        return self.add(lambda handler, name: reply(handler, contents[name]))

    def altered(self, contents: dict[str, bytes]) -> str:
        return self.add(
            lambda handler, name: reply(handler, contents[name][:-9] + b"?" + contents[name][-8:])
        )

    def cut(self, contents: dict[str, bytes]) -> str:
        def get(handler, name):
            content = contents[name]
            reply(handler, content[: len(content) // 2], length=len(content))

        return self.add(get)

    def page(self) -> str:
        return self.add(lambda handler, name: reply(handler, b"<html>Please log in</html>"))

    def status(self, code: int) -> str:
        def answer(handler, name):
            reply(handler, b"", code=code)

        return self.add(answer, answer)

    def silent(self, *, after_head: bool = False) -> str:
        def wait(handler, name):
            self.released.wait(30)

        return self.add(wait, None if after_head else wait)

    def _handler(self):
        mirrors = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.play(0)

            def do_HEAD(self):
                self.play(1)

            def play(self, which):
                _, number, name = self.path.split("/")
                mirrors.asked.append((self.command, number, name))
                mirrors.scripts[number][which](self, name)

            def log_message(self, *_):
                pass

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        """Say nothing of clients that went away: some are meant to."""


def reply(handler, body: bytes, *, code: int = 200, length: int | None = None) -> None:
    handler.send_response(code)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def mirrors():
    server = MirrorServer()
    yield server
    server.close()


@pytest.fixture
def use(monkeypatch):
    """Name the mirrors to use."""
    return lambda *urls: monkeypatch.setenv("MNIST_MIRRORS", " ".join(urls))
