import errno
import gzip
import itertools
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import astuple
from http.client import responses
from pathlib import Path

import pytest

import dataset
from dataset import download
from dataset.errors import DatasetError
from dataset.files import MNIST
from dataset.mnist import load_mnist
from dataset.staging import PREFIX
from tests.dataset.conftest import NAMES, answer, contents_of, endless, fill

ROOT = Path(dataset.__file__).resolve().parents[1]


def fail():
    with pytest.raises(DatasetError) as caught:
        load_mnist(source="full")
    return str(caught.value)


def encoded(size):
    return lambda packed: gzip.compress(bytes(size))


CODES = (403, 404, 429, 500)
HEAD = b"HTTP/1.1 200 OK\r\n"
FAULTS = {  # what a mirror does, and the reason that is printed
    **{str(code): (answer(code=code), f"HTTP {code} {responses[code]}") for code in CODES},
    "redirect loop": (answer(code=302, Location="x"), "more than 5 redirects"),
    "endless redirect": (
        endless(b"HTTP/1.1 302 Found\r\nLocation: x\r\n\r\n", bytes(65536)),
        "more than 5 redirects",
    ),
    "web page": (answer(lambda _: b"<html>Please log in"), "19 bytes .*SHA-256"),
    "cut": (answer(lambda packed: packed[:9000], Content_Length=15000), "IncompleteRead|SHA-256"),
    "cut, with its length": (answer(lambda packed: packed[:9000]), "SHA-256"),
    "altered": (answer(lambda packed: packed.replace(packed[-9:-8], b"?")), "SHA-256"),
    "another file": (answer(lambda _: gzip.compress(bytes(20))), "SHA-256"),
    "wrong length": (answer(Content_Length=10), "10 bytes .*SHA-256"),
    "hang": (endless(b"", b"", 0.1), "no answer within 5 s"),
    "hang in body": (answer(lambda packed: packed[:9], hold=True, Content_Length=99), "too slow"),
    "trickle in headers": (endless(HEAD, b"X-A: b\r\n", 0.02), "no answer within 5 s"),
    "trickle in one header": (endless(HEAD + b"X-A: ", b"b", 0.02), "no answer within 5 s"),
    "trickle in body": (endless(HEAD + b"\r\n", b"b", 0.02), "too slow, 0.0 kB/s over 11 s"),
    "endless body": (endless(HEAD + b"\r\n", bytes(65536)), "sent more than"),
    "bomb": (answer(encoded(5_000_000)), "SHA-256"),
    "encoded bomb": (answer(encoded(5_000_000), Content_Encoding="gzip"), "SHA-256"),
    "long bomb": (answer(encoded(50_000_000), Content_Encoding="gzip"), "sent more than"),
}


@pytest.mark.parametrize(("script", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_bad_mirror_gives_way_to_the_next(
    script, reason, cache, small, mirrors, use, monkeypatch, capfd
):
    monkeypatch.setattr(download, "POLL_SECONDS", 0.01)
    use(bad := mirrors.add(small, script), mirrors.add(small))
    written, looks = [], itertools.count()
    transfer = download._transfer

    def spy(url, output, file):
        with monkeypatch.context() as patch:
            if url.startswith(bad) and ("no answer" in reason or "too slow" in reason):
                # A clock that advances one second per look.
                patch.setattr(download.time, "monotonic", lambda: next(looks))
                if "too slow" in reason:
                    patch.setattr(download, "ANSWER_SECONDS", math.inf)
            try:
                transfer(url, output, file)
            finally:
                written.append(output.tell() / file.packed_size)

    monkeypatch.setattr(download, "_transfer", spy)
    load_mnist(source="full")
    assert not mirrors.gave_up, "waited until the server gave up"
    if "no answer" in reason:
        assert next(looks) == 7, "gave up later, or earlier, than in the first second after five"
    assert contents_of(cache) == small
    assert set(mirrors.gets(0)) <= {NAMES[0], "x"}, "asked again for the other files"
    assert mirrors.gets(1) == NAMES
    assert max(written) <= 1.25
    out, err = capfd.readouterr()
    assert out == ""
    assert re.fullmatch(f"{bad}{NAMES[0]}: .*({reason}).*; trying .*\n", err)


def moved(server, handler, packed):
    answer(code=301, Location=handler.path.replace("/0/", "/1/"))(server, handler, b"")


HARMLESS = {
    "plain": answer(),
    "redirect": moved,
    # Some servers call the compression of the file itself an encoding.
    "labelled": answer(Content_Encoding="gzip"),
    "recompressed": answer(lambda packed: gzip.compress(gzip.decompress(packed), 1)),
}


@pytest.mark.parametrize("behaviour", HARMLESS)
def test_a_good_mirror(behaviour, cache, small, mirrors, use, capfd):
    use(mirrors.add(small, HARMLESS[behaviour]))
    mirrors.add(small)
    (x_train, t_train), (x_test, _) = load_mnist(normalize=False, source="full")
    assert x_train.tobytes() == gzip.decompress(small[NAMES[0]])[16:]
    assert t_train.tolist() == [*range(10)] * 2
    assert x_test.shape == (10, 784)
    assert mirrors.gets(0) == NAMES
    assert capfd.readouterr() == ("", "")
    (cache / "new").touch()
    assert len({path.stat().st_mode for path in cache.iterdir()}) == 1, "not as readable as others"
    assert load_mnist()[0][0].shape == (20, 784)
    assert mirrors.gets(0) == NAMES, "downloaded again"


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
    urls = [mirrors.add(small, FAULTS[fault][0]) for fault in ("403", "altered")]
    urls += ["http://127.0.0.1:9/", "nonsense/"]
    use(*urls)
    lines = fail().splitlines()
    assert lines[0] == f"{cache / NAMES[0]} is missing, and no mirror delivered a good one:"
    patterns = ["HTTP 403 Forbidden;$", ".*SHA-256", ".*refused", ".*nonsense"]
    for line, url, pattern in zip(lines[1:5], urls, patterns, strict=True):
        assert re.match(f"  {url} - {pattern}", line)
        assert len(line) < 180
    for part in ("MNIST_DIR", 'source="sample"', *NAMES):
        assert part in lines[-1]
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("bad", [b"damaged", None])
def test_only_what_is_bad_is_replaced_and_only_by_a_good_one(bad, cache, small, mirrors, use):
    fill(cache, small)
    path = cache / NAMES[2]
    path.unlink() if bad is None else path.write_bytes(bad)
    before = contents_of(cache)
    use(mirrors.add(small, FAULTS["altered"][0]))
    assert f"{path} is {'missing' if bad is None else 'damaged'}, and no mirror" in fail()
    assert contents_of(cache) == before
    use(mirrors.add(small))
    load_mnist(source="full")
    assert contents_of(cache) == small
    assert mirrors.gets(1) == [NAMES[2]]


@pytest.mark.parametrize("kind", ["file", "below a file", "loop", "no home", "folder for a file"])
def test_a_cache_folder_that_is_none(kind, cache, small, mirrors, use, monkeypatch, tmp_path):
    use(mirrors.add(small))
    if kind == "folder for a file":
        (cache / NAMES[0]).mkdir(parents=True)
    elif kind == "loop":  # not where the cache is: pytest follows the links in its own folder
        cache = tmp_path / "loop"
        cache.symlink_to(cache)
    else:
        cache.write_text("in the way")
    others = {"below a file": str(cache / "below"), "no home": "~nobody-of-this-name/x"}
    folder = others.get(kind, str(cache))
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
    if sys.platform != "linux" or subprocess.run(mount, check=False).returncode:
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


def test_environment_variables(monkeypatch, tmp_path):
    defaults = list(MNIST.default_mirrors)
    for named, urls in {
        "http://a http://b/": ["http://a/", "http://b/"],
        "http://a/x/,http://b,\n http://a/x": ["http://a/x/", "http://b/"],
        "": defaults,
        " , ": defaults,
    }.items():
        monkeypatch.setenv("MNIST_MIRRORS", named)
        assert MNIST.mirrors() == urls
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    default = ROOT / "dataset" / "cache"
    for named, folder in {"~/a": tmp_path / "a", "here": tmp_path / "here", "": default}.items():
        monkeypatch.setenv("MNIST_DIR", named)
        assert MNIST.folder() == folder


# A shell that starts the tests in the background has them ignore Ctrl-C.
CHILD = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from dataset import download
download.ANSWER_SECONDS = download.PERIOD_SECONDS = 600  # the mirror may wait for other processes
from dataset.files import MNIST, File
from dataset.mnist import main
vars(MNIST)["files"] = tuple(File(*row) for row in json.loads(sys.argv[1]))
sys.exit(main(["--data", "full"]))
"""


def start(url):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, json.dumps([astuple(file) for file in MNIST.files])],
        env=os.environ | {"MNIST_MIRRORS": url},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_at_once(cache, small, mirrors):
    both = threading.Barrier(2)

    def meet(server, handler, packed):
        if handler.path.endswith(NAMES[0]):
            both.wait(600)
        answer()(server, handler, packed)

    url = mirrors.add(small, meet)
    running = [start(url) for _ in range(2)]
    errors = [process.communicate(timeout=600)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    assert mirrors.gets(0).count(NAMES[0]) == 2
    assert contents_of(cache) == small


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals and locks")
@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_a_stopped_download_leaves_nothing_for_good(how, cache, small, mirrors, use):
    process = start(mirrors.add(small, FAULTS["hang in body"][0]))
    while not mirrors.asked:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    # Another process neither disturbs the first nor removes what it is writing.
    use(mirrors.add(small))
    load_mnist(source="full")
    (unfinished,) = cache.glob(PREFIX + "*")
    process.send_signal(getattr(signal, how))
    out, err = process.communicate(timeout=600)
    if how == "SIGINT":
        assert (process.returncode, out, err) == (130, "", "interrupted\n")
        assert not unfinished.exists()
    else:
        assert unfinished.exists()
        load_mnist(source="full")
    assert contents_of(cache) == small


def test_a_bomb_in_the_cache_is_not_unpacked(cache, small, monkeypatch):
    fill(cache, small)
    (cache / NAMES[1]).write_bytes(gzip.compress(bytes(50_000_000)))
    sizes, read = [], gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda *a: sizes.append(len(c := read(*a))) or c)
    assert f"{NAMES[1]} is damaged" in fail()
    assert max(sizes) < 100_000
