import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import dataset
from dataset import download, files
from dataset.errors import DatasetError
from dataset.mnist import find_files, load_mnist

ROOT = Path(dataset.__file__).resolve().parents[1]
NAMES = list(files.SHA256)


def contents_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fail():
    with pytest.raises(DatasetError) as caught:
        find_files("full")
    return str(caught.value)


def test_all_four_files_arrive(cache, small_mnist, mirrors, use, capfd):
    use(mirrors.good(small_mnist))
    assert find_files("full") == (cache, None)
    assert contents_of(cache) == small_mnist
    assert mirrors.gets(0) == NAMES
    assert capfd.readouterr() == ("", "")


def test_a_mirror_is_tried_out_once(small_mnist, mirrors, use):
    use(mirrors.good(small_mnist))
    find_files("full")
    assert mirrors.heads(0) == 1


def test_what_is_in_the_cache_is_not_fetched(cache, small_mnist, mirrors, use):
    use(mirrors.good(small_mnist))
    cache.mkdir()
    for name in NAMES[1:]:
        (cache / name).write_bytes(small_mnist[name])
    find_files("full")
    assert mirrors.gets(0) == NAMES[:1]
    find_files("auto")
    assert mirrors.gets(0) == NAMES[:1]


@pytest.mark.parametrize("bad", ["altered", "cut", "page", "403", "404", "500"])
def test_a_bad_mirror_is_followed_by_the_next(bad, cache, small_mnist, mirrors, use):
    if bad.isdigit():
        first = mirrors.status(int(bad))
    elif bad == "page":
        first = mirrors.page()
    else:
        first = getattr(mirrors, bad)(small_mnist)
    use(first, mirrors.good(small_mnist))
    find_files("full")
    assert contents_of(cache) == small_mnist
    assert mirrors.gets(0) == NAMES[:1], "asked again for the other files"
    assert mirrors.gets(1) == NAMES


@pytest.mark.parametrize("after_head", [False, True])
def test_a_silent_mirror_is_followed_by_the_next(
    after_head, cache, small_mnist, mirrors, use, short_limits
):
    use(mirrors.silent(after_head=after_head), mirrors.good(small_mnist))
    start = time.monotonic()
    find_files("full")
    assert time.monotonic() - start < 10, "waited until the server gave up, after 30 s"
    assert contents_of(cache) == small_mnist
    assert mirrors.heads(0) == 1
    assert mirrors.gets(0) == (NAMES[:1] if after_head else [])


def test_the_first_answer_has_a_limit_that_requests_does_not_have(monkeypatch, short_limits):
    # The look-up of a name is outside of the timeout of requests.
    forever = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: forever.wait(30))
    start = time.monotonic()
    message = fail()
    took = time.monotonic() - start
    forever.set()
    assert "no answer within 0.3 s" in message
    assert took < 10


def test_a_mirror_that_failed_is_asked_again_if_the_others_fail(cache, small_mnist, mirrors, use):
    """The first lacks one file, the second has only that one."""
    without = {name: small_mnist[name] for name in NAMES[1:]} | {NAMES[0]: b"no"}
    only = dict.fromkeys(NAMES[1:], b"no") | {NAMES[0]: small_mnist[NAMES[0]]}
    use(mirrors.good(without), mirrors.good(only))
    find_files("full")
    assert contents_of(cache) == small_mnist
    assert mirrors.gets(0) == NAMES
    assert mirrors.gets(1) == NAMES[:2]


def test_when_all_fail_each_is_listed_with_its_reason(
    cache, small_mnist, mirrors, use, short_limits
):
    urls = [
        mirrors.status(403),
        mirrors.page(),
        mirrors.cut(small_mnist),
        mirrors.silent(),
        "http://127.0.0.1:9/",
        "nonsense/",
    ]
    use(*urls)
    lines = fail().splitlines()
    assert lines[0] == f"{cache / NAMES[0]} is missing, and no mirror delivered a good one:"
    reasons = [line.removeprefix(f"  {url} - ") for url, line in zip(urls, lines[1:], strict=False)]
    assert reasons[0] == "HTTP 403 Forbidden;"
    assert "SHA-256" in reasons[1]
    assert "more expected" in reasons[2] or "SHA-256" in reasons[2]
    assert reasons[3].startswith("no answer")
    assert "refused" in reasons[4]
    assert "nonsense" in reasons[5]
    assert max(map(len, reasons)) < 140
    for part in ("MNIST_DIR", 'source="sample"', *NAMES):
        assert part in lines[-1]
    assert list(cache.iterdir()) == []


def test_no_network_takes_no_file_away(cache, small_mnist):
    cache.mkdir()
    for name in NAMES[1:]:
        (cache / name).write_bytes(small_mnist[name])
    assert NAMES[0] in fail()
    assert sorted(contents_of(cache)) == sorted(NAMES[1:])


def test_a_damaged_file_is_replaced(cache, small_mnist, mirrors, use):
    use(mirrors.good(small_mnist))
    cache.mkdir()
    for name in NAMES:
        (cache / name).write_bytes(small_mnist[name])
    (cache / NAMES[2]).write_bytes(small_mnist[NAMES[2]][:-1])
    find_files("full")
    assert contents_of(cache) == small_mnist
    assert mirrors.gets(0) == [NAMES[2]]


def test_a_damaged_file_stays_until_a_good_one_is_there(cache, small_mnist, mirrors, use):
    use(mirrors.altered(small_mnist))
    cache.mkdir()
    (cache / NAMES[0]).write_bytes(b"damaged")
    message = fail()
    assert f"{cache / NAMES[0]} is damaged, and no mirror" in message
    assert contents_of(cache) == {NAMES[0]: b"damaged"}


@pytest.mark.parametrize("below", [False, True])
def test_a_file_in_place_of_the_cache_folder(below, cache, small_mnist, mirrors, use, monkeypatch):
    use(mirrors.good(small_mnist))
    cache.write_text("in the way")
    folder = cache / "below" if below else cache
    monkeypatch.setenv("MNIST_DIR", str(folder))
    message = fail()
    assert f"cannot write to the cache folder {folder}: " in message
    assert "MNIST_DIR" in message
    assert mirrors.asked == []


def test_a_folder_in_place_of_a_file(cache, small_mnist, mirrors, use):
    use(mirrors.good(small_mnist))
    (cache / NAMES[0]).mkdir(parents=True)
    assert f"cannot read {cache / NAMES[0]}" in fail()


def test_a_read_only_cache(open_folder, read_only, small_mnist, mirrors, use, monkeypatch):
    use(mirrors.good(small_mnist))
    monkeypatch.setenv("MNIST_DIR", str(open_folder))
    (open_folder / NAMES[3]).write_bytes(b"damaged")
    with read_only(open_folder):
        message = fail()
    assert f"cannot write to the cache folder {open_folder}: Permission denied" in message
    assert f"{NAMES[0]} is missing" in message
    assert f"{NAMES[3]} is damaged" in message
    assert "MNIST_DIR" in message
    assert mirrors.asked == []


def test_a_read_only_cache_that_is_complete(open_folder, read_only, small_mnist, monkeypatch):
    monkeypatch.setenv("MNIST_DIR", str(open_folder))
    for name, content in small_mnist.items():
        (open_folder / name).write_bytes(content)
    with read_only(open_folder):
        (x_train, _), (x_test, _) = load_mnist(source="full")
    assert len(x_train) == 20
    assert len(x_test) == 10


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_others_may_read_what_was_fetched(cache, small_mnist, mirrors, use):
    use(mirrors.good(small_mnist))
    before = os.umask(0o022)
    try:
        find_files("full")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in cache.iterdir()} == {0o644}


def test_the_sample_is_never_overwritten(monkeypatch, small_mnist, mirrors, use):
    use(mirrors.good(small_mnist))
    monkeypatch.setenv("MNIST_DIR", str(files.SAMPLE_FOLDER))
    assert "holds the sample" in fail()
    assert mirrors.asked == []


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("http://a http://b/", ["http://a/", "http://b/"]),
        ("http://a/x/,http://b,\n http://a/x", ["http://a/x/", "http://b/"]),
        ("", list(download.MIRRORS)),
        (" , ", list(download.MIRRORS)),
    ],
)
def test_mirror_urls(monkeypatch, named, expected):
    monkeypatch.setenv("MNIST_MIRRORS", named)
    assert download.mirror_urls() == expected


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("MNIST_DIR", "~/digits")
    assert files.cache_folder() == tmp_path / "digits"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MNIST_DIR", "here")
    assert files.cache_folder() == tmp_path / "here"
    for unset in (
        lambda: monkeypatch.setenv("MNIST_DIR", ""),
        lambda: monkeypatch.delenv("MNIST_DIR"),
    ):
        unset()
        assert files.cache_folder() == ROOT / "dataset" / "cache"


FETCH = """
import json, sys
from dataset import files, mnist
files.SHA256.update(json.loads(sys.argv[1]))
mnist.find_files("full")
"""


def test_two_processes_at_once(cache, small_mnist, mirrors):
    both = threading.Barrier(2)

    def get(handler, name):
        content = small_mnist[name]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:30])
        if name == NAMES[0]:
            both.wait(30)
        handler.wfile.write(content[30:])

    environment = os.environ | {"MNIST_MIRRORS": mirrors.add(get)}
    command = [sys.executable, "-c", FETCH, json.dumps(files.SHA256)]
    running = [
        subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=60)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    assert mirrors.gets(0).count(NAMES[0]) == 2
    assert contents_of(cache) == small_mnist


# A shell that starts the tests in the background has them ignore Ctrl-C.
MAIN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from dataset.mnist import main
sys.exit(main([]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a single process")
def test_ctrl_c_leaves_nothing_behind(cache, mirrors):
    midway = threading.Event()

    def get(handler, name):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.write(bytes(500_000))
        midway.set()
        mirrors.released.wait(30)

    environment = os.environ | {"MNIST_MIRRORS": mirrors.add(get)}
    with subprocess.Popen(
        [sys.executable, "-c", MAIN],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert midway.wait(30)
        while not any(path.stat().st_size for path in cache.iterdir()):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (out, err) == ("", "interrupted\n")
    assert list(cache.iterdir()) == []


def test_the_originals(full_mnist_dir, cache, mirrors, use):
    contents = {name: (full_mnist_dir / name).read_bytes() for name in NAMES}
    use(mirrors.cut(contents), mirrors.good(contents))
    (x_train, t_train), (x_test, t_test) = load_mnist(normalize=False, source="full")
    assert contents_of(cache) == contents
    assert x_train.shape == (60000, 784)
    assert x_test.shape == (10000, 784)
    np.testing.assert_array_equal(t_train[:5], [5, 0, 4, 1, 9])
    np.testing.assert_array_equal(t_test[:5], [7, 2, 1, 0, 4])
