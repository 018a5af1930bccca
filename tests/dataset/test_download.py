import errno
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

import dataset
from dataset import download
from dataset.errors import DatasetError
from dataset.files import MNIST, read_full
from dataset.mnist import load_mnist
from dataset.staging import PREFIX, staging_folder
from tests.dataset.conftest import NAMES, contents_of, reply

ROOT = Path(dataset.__file__).resolve().parents[1]


def fail():
    with pytest.raises(DatasetError) as caught:
        load_mnist(source="full")
    return str(caught.value)


def status(code):
    return lambda server, handler, packed: reply(handler, b"no", code=code)


def redirect_loop(server, handler, packed):
    reply(handler, b"", code=302, Location=handler.path)


def redirect_with_endless_body(server, handler, packed):
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.end_headers()
    endless(server, handler)


def endless(server, handler, packed=b""):
    if handler.command == "GET" and packed:
        handler.send_response(200)
        handler.end_headers()
    while not server.released.is_set():
        handler.wfile.write(bytes(65536))


def page(server, handler, packed):
    reply(handler, b"<html>Please log in</html>", Content_Type="text/html")


def cut(server, handler, packed):
    reply(handler, packed[: len(packed) // 2], length=len(packed))


def cut_without_a_word(server, handler, packed):
    reply(handler, packed[: len(packed) // 2])


def altered(server, handler, packed):
    reply(handler, packed[:-9] + bytes([packed[-9] ^ 1]) + packed[-8:])


def another_file(server, handler, packed):
    reply(handler, gzip.compress(bytes(20), mtime=0))


def wrong_length(server, handler, packed):
    reply(handler, packed, length=10)


def hang(server, handler, packed):
    server.released.wait(30)


def hang_in_body(server, handler, packed):
    reply(handler, packed[:100], length=len(packed))
    server.released.wait(30)


def trickle(server, handler, pieces):
    for piece in pieces:
        handler.wfile.write(piece)
        if server.released.wait(0.02):
            return


def trickle_in_headers(server, handler, packed):
    trickle(server, handler, [b"HTTP/1.1 200 OK\r\n"] + [b"X-A: b\r\n"] * 500)


def trickle_in_one_header(server, handler, packed):
    trickle(server, handler, [b"HTTP/1.1 200 OK\r\nX-A: "] + [b"b"] * 1000)


def trickle_in_body(server, handler, packed):
    handler.send_response(200)
    handler.end_headers()
    trickle(server, handler, [packed[i : i + 1] for i in range(len(packed))])


def bomb_by_encoding(server, handler, packed):
    reply(handler, gzip.compress(bytes(5_000_000)), Content_Encoding="gzip")


def bomb(server, handler, packed):
    reply(handler, gzip.compress(bytes(5_000_000)))


def long_bomb_by_encoding(server, handler, packed):
    reply(handler, gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")


FAULTS = {  # what a mirror does: the reason that is printed
    status(403): "HTTP 403 Forbidden",
    status(404): "HTTP 404 Not Found",
    status(429): "HTTP 429 Too Many Requests",
    status(500): "HTTP 500 Internal Server Error",
    redirect_loop: "more than 5 redirects",
    redirect_with_endless_body: "more than 5 redirects",
    page: "26 bytes .*SHA-256",
    cut: "IncompleteRead|SHA-256",
    cut_without_a_word: "SHA-256",
    altered: "SHA-256",
    another_file: "SHA-256",
    wrong_length: "10 bytes .*SHA-256",
    hang: "no answer within 0.7 s",
    hang_in_body: "too slow",
    trickle_in_headers: "no answer within 0.7 s",
    trickle_in_one_header: "no answer within 0.7 s",
    trickle_in_body: "too slow, 0.0 kB/s over 1 s",
    endless: "sent more than",
    bomb: "SHA-256",
    bomb_by_encoding: "SHA-256",
    long_bomb_by_encoding: "sent more than",
}


@pytest.fixture
def short_limits(monkeypatch):
    monkeypatch.setattr(download, "ANSWER_SECONDS", 0.7)
    monkeypatch.setattr(download, "PERIOD_SECONDS", 0.7)
    monkeypatch.setattr(download, "POLL_SECONDS", 0.02)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__.strip("<>"))
def test_a_bad_mirror_gives_way_to_the_next(
    fault, cache, small, mirrors, use, short_limits, monkeypatch, capfd
):
    use(mirrors.add(small, fault), mirrors.add(small))
    written = []
    transfer = download._transfer

    def spy(url, output, file):
        try:
            transfer(url, output, file)
        finally:
            written.append(output.tell() / file.packed_size)

    monkeypatch.setattr(download, "_transfer", spy)
    start = time.monotonic()
    load_mnist(source="full")
    assert time.monotonic() - start < 10, "waited until the server gave up"
    assert contents_of(cache) == small
    assert set(mirrors.gets(0)) == {NAMES[0]}, "asked again for the other files"
    assert mirrors.gets(1) == NAMES
    assert max(written) <= 1.25
    out, err = capfd.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith(f"http://127.0.0.1:{mirrors._server.server_port}/0/{NAMES[0]}: ")
    assert_matches(FAULTS[fault], line)


def assert_matches(pattern, text):
    with pytest.raises(AssertionError, match=pattern):
        raise AssertionError(text)


def moved(server, handler, packed):
    if handler.path.startswith("/0"):
        reply(handler, b"", code=301, Location=handler.path.replace("/0", "/1"))
    else:
        reply(handler, packed)


HARMLESS = {
    "plain": lambda server, handler, packed: reply(handler, packed),
    "redirect": moved,
    # Some servers call the file itself an encoding.
    "labelled": lambda server, handler, packed: reply(handler, packed, Content_Encoding="gzip"),
    "recompressed": lambda server, handler, packed: reply(
        handler, gzip.compress(gzip.decompress(packed), 1, mtime=7)
    ),
}


@pytest.mark.parametrize("behaviour", HARMLESS)
def test_a_good_mirror(behaviour, cache, small, mirrors, use, capfd):
    use(mirrors.add(small, HARMLESS[behaviour]))
    mirrors.add(small)
    (x_train, t_train), (x_test, _) = load_mnist(normalize=False, source="full")
    images = gzip.decompress(small[NAMES[0]])[16:]
    assert x_train.tobytes() == images
    assert t_train.tolist() == [*range(10)] * 2
    assert x_test.shape == (10, 784)
    unpacked = {name: gzip.decompress(packed) for name, packed in contents_of(cache).items()}
    assert unpacked == {name: gzip.decompress(packed) for name, packed in small.items()}
    assert mirrors.gets(0) == NAMES
    assert capfd.readouterr() == ("", "")
    load_mnist(source="auto")
    assert mirrors.gets(0) == NAMES, "downloaded again"


def test_the_name_of_a_server_has_a_limit_that_requests_does_not_have(
    monkeypatch, small, short_limits
):
    forever = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: forever.wait(30))
    start = time.monotonic()
    message = fail()
    took = time.monotonic() - start
    forever.set()
    assert "no answer within 0.7 s" in message
    assert took < 10


def test_a_mirror_that_failed_is_asked_again_if_the_others_fail(cache, small, mirrors, use):
    """The first lacks one file, the second has only that one."""
    use(
        mirrors.add(small | {NAMES[0]: b"no"}),
        mirrors.add(dict.fromkeys(NAMES, b"no") | {NAMES[0]: small[NAMES[0]]}),
    )
    load_mnist(source="full")
    assert contents_of(cache) == small
    assert mirrors.gets(0) == NAMES
    assert mirrors.gets(1) == NAMES[:2]


def test_when_all_fail_each_is_listed_with_its_reason(cache, small, mirrors, use):
    urls = [mirrors.add(small, script) for script in (status(403), page)]
    urls += ["http://127.0.0.1:9/", "nonsense/"]
    use(*urls)
    lines = fail().splitlines()
    assert lines[0] == f"{cache / NAMES[0]} is missing, and no mirror delivered a good one:"
    patterns = ["^HTTP 403 Forbidden;$", "SHA-256", "refused", "nonsense"]
    for line, url, pattern in zip(lines[1:5], urls, patterns, strict=True):
        assert_matches(pattern, line.removeprefix(f"  {url} - "))
        assert len(line) < 180
    for part in ("MNIST_DIR", 'source="sample"', *NAMES):
        assert part in lines[-1]
    assert list(cache.iterdir()) == []


def fill(cache, small, **replaced):
    cache.mkdir(parents=True, exist_ok=True)
    for name, packed in small.items():
        (cache / name).write_bytes(packed)


@pytest.mark.parametrize("bad", [b"damaged", None])
def test_only_what_is_bad_is_replaced_and_only_by_a_good_one(bad, cache, small, mirrors, use):
    fill(cache, small)
    path = cache / NAMES[2]
    path.unlink() if bad is None else path.write_bytes(bad)
    before = contents_of(cache)
    use(mirrors.add(small, altered))
    assert f"{path} is {'missing' if bad is None else 'damaged'}, and no mirror" in fail()
    assert contents_of(cache) == before
    use(mirrors.add(small))
    load_mnist(source="full")
    assert contents_of(cache) == small
    assert mirrors.gets(1) == [NAMES[2]]


@pytest.mark.parametrize("kind", ["file", "below a file", "loop", "no home", "folder for a file"])
def test_a_cache_folder_that_is_none(kind, cache, small, mirrors, use, monkeypatch):
    use(mirrors.add(small))
    if kind == "folder for a file":
        (cache / NAMES[0]).mkdir(parents=True)
    elif kind == "loop":
        cache.symlink_to(cache)
    else:
        cache.write_text("in the way")
    folder = {"below a file": str(cache / "below"), "no home": "~nobody-of-this-name/x"}.get(
        kind, str(cache)
    )
    monkeypatch.setenv("MNIST_DIR", folder)
    message = fail()
    assert folder in message
    assert "Set MNIST_DIR to a folder" in message
    assert mirrors.asked == []
    with pytest.warns(UserWarning, match="4,000"):
        load_mnist()


def test_a_read_only_cache(open_folder, read_only, small, mirrors, use, monkeypatch):
    use(mirrors.add(small))
    monkeypatch.setenv("MNIST_DIR", str(open_folder))
    fill(open_folder, small)
    with read_only(open_folder):
        assert load_mnist(source="full")[0][0].shape == (20, 784)
    (open_folder / NAMES[3]).write_bytes(b"damaged")
    with read_only(open_folder):
        message = fail()
    assert f"cannot write {open_folder / NAMES[3]}: Permission denied" in message
    assert "Set MNIST_DIR" in message
    assert mirrors.asked == []


def test_a_full_disk(tmp_path, small, mirrors, use, monkeypatch):
    """On a file system with room for half of the first file."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "none", str(tmp_path)]
    if (
        sys.platform != "linux"
        or subprocess.run(mount, check=False, capture_output=True).returncode
    ):
        pytest.skip("needs the right to mount a small file system")
    try:
        monkeypatch.setenv("MNIST_DIR", str(tmp_path / "cache"))
        use(mirrors.add(small), mirrors.add(small))
        message = fail()
        assert f"{tmp_path / 'cache' / NAMES[0]}: {os.strerror(errno.ENOSPC)}. " in message
        assert "Free 1 MB there" in message
        assert mirrors.gets(1) == [], "asked another mirror about our disk"
        assert list((tmp_path / "cache").iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_others_may_read_what_was_downloaded(cache, small, mirrors, use):
    use(mirrors.add(small))
    before = os.umask(0o022)
    try:
        load_mnist(source="full")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in cache.iterdir()} == {0o644}


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("http://a http://b/", ["http://a/", "http://b/"]),
        ("http://a/x/,http://b,\n http://a/x", ["http://a/x/", "http://b/"]),
        ("", list(MNIST.default_mirrors)),
        (" , ", list(MNIST.default_mirrors)),
    ],
)
def test_mirrors(monkeypatch, named, expected):
    monkeypatch.setenv("MNIST_MIRRORS", named)
    assert MNIST.mirrors() == expected


def test_cache_folder(monkeypatch, tmp_path):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for named, expected in (
        ("~/digits", tmp_path / "digits"),
        ("here", tmp_path / "here"),
        ("", ROOT / "dataset" / "cache"),
    ):
        monkeypatch.setenv("MNIST_DIR", named)
        assert MNIST.folder() == expected


# --- two processes, and those that are stopped ---

# A shell that starts the tests in the background has them ignore Ctrl-C.
CHILD = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from dataset.files import MNIST, File
from dataset.mnist import main
vars(MNIST)["files"] = tuple(File(*row) for row in json.loads(sys.argv[1]))
sys.exit(main(["--data", "full"]))
"""


@pytest.fixture
def start():
    def start(url):
        rows = json.dumps([astuple(file) for file in MNIST.files])
        return subprocess.Popen(
            [sys.executable, "-c", CHILD, rows],
            env=os.environ | {"MNIST_MIRRORS": url},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def test_two_processes_at_once(cache, small, mirrors, start):
    both = threading.Barrier(2)

    def meet(server, handler, packed):
        if handler.path.endswith(NAMES[0]):
            both.wait(30)
        reply(handler, packed)

    url = mirrors.add(small, meet)
    running = [start(url) for _ in range(2)]
    errors = [process.communicate(timeout=60)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    assert mirrors.gets(0).count(NAMES[0]) == 2
    assert contents_of(cache) == small


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals and locks")
@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_a_stopped_download_leaves_nothing_for_good(how, cache, small, mirrors, use, start):
    midway = threading.Event()

    def half(server, handler, packed):
        reply(handler, packed[:8192], length=len(packed))
        midway.set()
        server.released.wait(30)

    process = start(mirrors.add(small, half))
    assert midway.wait(30)
    # Another process neither disturbs the first nor removes what it is writing.
    use(mirrors.add(small))
    load_mnist(source="full")
    (unfinished,) = cache.glob(PREFIX + "*")
    process.send_signal(getattr(signal, how))
    out, err = process.communicate(timeout=30)
    if how == "SIGINT":
        assert (process.returncode, out, err) == (130, "", "interrupted\n")
        assert not unfinished.exists()
    else:
        assert unfinished.exists()
        load_mnist(source="full")
    assert contents_of(cache) == small


def test_a_staging_folder_ends_with_its_block(tmp_path):
    with staging_folder(tmp_path) as one, staging_folder(tmp_path) as other:
        (one / "file").write_text("whole")
        (one / "file").replace(tmp_path / "file")
        (other / "half").write_text("ha")
        assert one != other
    assert contents_of(tmp_path) == {"file": b"whole"}


def test_the_originals(full_mnist_dir, cache, mirrors, use, monkeypatch):
    originals = {name: (full_mnist_dir / name).read_bytes() for name in NAMES}
    monkeypatch.setenv("MNIST_DIR", str(cache))
    use(mirrors.add(originals, cut), mirrors.add(originals))
    (x_train, t_train), (x_test, t_test) = load_mnist(normalize=False, source="full")
    assert contents_of(cache) == originals
    assert x_train.shape == (60000, 784)
    assert x_test.shape == (10000, 784)
    np.testing.assert_array_equal(t_train[:5], [5, 0, 4, 1, 9])
    np.testing.assert_array_equal(t_test[:5], [7, 2, 1, 0, 4])


def test_a_bomb_in_the_cache_is_not_unpacked(cache, small):
    fill(cache, small)
    (cache / NAMES[1]).write_bytes(gzip.compress(bytes(50_000_000)))
    sizes = []
    read = gzip.GzipFile.read
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gzip.GzipFile, "read", lambda *a: sizes.append(len(c := read(*a))) or c)
        with pytest.raises(DatasetError, match="damaged"):
            read_full(MNIST)
    assert max(sizes) < 100_000
