import contextlib
import gc
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common.support.files import (
    check_writable,
    load_arrays,
    remove_leftovers,
    save_arrays,
    write_atomically,
    write_csv,
)
from tests.helpers import as_bytes


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", [Path, str])
def test_a_file_is_written_and_replaced_whole(tmp_path, kind):
    path = tmp_path / "a.txt"
    for content in (b"a long first content", b"short", b""):
        write_atomically(kind(path), content)
        assert path.read_bytes() == content
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_failure_midway_leaves_the_old_content_and_nothing_else(
    tmp_path, monkeypatch, old, error
):
    path = tmp_path / "a.txt"
    if old is not None:
        path.write_bytes(old)

    def write_half(self, data):
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise error

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(type(error)):
        write_atomically(path, b"new content")
    assert names(tmp_path) == ([] if old is None else ["a.txt"])
    assert old is None or path.read_bytes() == old


def test_what_cannot_be_written_is_named_and_leaves_no_temporary_file(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OSError, match=r"a\.txt"):
        write_atomically(tmp_path / "a.txt", b"content")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_atomically(tmp_path / "nowhere" / "a.txt", b"content")
    assert names(tmp_path) == ["a.txt"]


def test_a_read_only_folder_keeps_the_old_file(open_folder, read_only):
    path = open_folder / "a.txt"
    path.write_bytes(b"old")
    with read_only(open_folder), pytest.raises(PermissionError):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(open_folder) == ["a.txt"]


def test_temporary_files_of_processes_that_have_ended_are_removed_and_no_others(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    left = f".a.txt.{process.pid}.{'0' * 32}"
    others = [
        f".a.txt.{os.getpid()}.{'0' * 32}",
        f".a.txt.{os.getppid()}.{'0' * 32}",
        f".b.txt.{process.pid}.{'0' * 32}",
        f".a.txt.{process.pid}.backup",
        "a.txt",
    ]
    for name in (left, *others):
        (tmp_path / name).write_bytes(b"content")
    remove_leftovers(tmp_path / "a.txt")
    assert names(tmp_path) == sorted(others)


def test_whether_a_file_can_be_written_is_told_by_name_and_leaves_nothing(tmp_path):
    check_writable(tmp_path / "a.txt")
    assert names(tmp_path) == []
    for bad in (tmp_path, tmp_path / "nowhere" / "a.txt"):
        with pytest.raises(OSError, match=bad.name):
            check_writable(bad)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "a.txt", b"content")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == mode


def test_arrays_come_back_bit_for_bit_whatever_the_suffix(tmp_path):
    arrays = {
        "W1": np.array([[1.5, np.nan, -0.0], [np.inf, 5e-324, 1 / 3]]),
        "single": np.array([1 / 3], np.float32),
        "labels": np.arange(3),
        "empty": np.zeros((0, 4)),
        "about": np.array('{"rng": "MT19937 ∂"}'),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    }
    save_arrays(tmp_path / "params.data", arrays)
    assert names(tmp_path) == ["params.data"]
    loaded = load_arrays(tmp_path / "params.data")
    assert list(loaded) == list(arrays)
    assert as_bytes(loaded) == as_bytes(arrays)


def test_a_table_is_written_with_a_header(tmp_path):
    write_csv(tmp_path / "a.csv", [{"step": 1, "loss": 0.5}, {"step": 2, "loss": "a, b"}])
    assert (tmp_path / "a.csv").read_bytes() == b'step,loss\n1,0.5\n2,"a, b"\n'


@pytest.mark.parametrize(
    ("write", "data", "error", "words"),
    [
        (save_arrays, {"W1": np.ones(2), "W2": np.array([{}])}, TypeError, "W2 holds Python obj"),
        (save_arrays, {"file": np.ones(2)}, ValueError, "can't be called file"),
        (save_arrays, {"allow_pickle": np.ones(2)}, ValueError, "can't be called allow_pickle"),
        (write_csv, [], ValueError, "at least one row"),
        (write_csv, [{"a": 1}, {"a": 1, "b": 2}], ValueError, "'b'"),
    ],
)
def test_what_cannot_be_saved_is_refused_before_anything_is_written(
    tmp_path, write, data, error, words
):
    with pytest.raises(error, match=words):
        write(tmp_path / "a", data)
    assert names(tmp_path) == []


class Bomb:
    """Unpickling this would create the file that it names."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def npz(save=np.savez, **arrays):
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


WHOLE = npz(W=np.arange(100.0))
BAD_FILES = {
    "empty": b"",
    "text": b"W1,b1\n0.5,0.1\n",
    "npy": npy(np.ones(3)),
    "pickle": pickle.dumps({"W1": np.ones(3)}),
    "npy of objects": npy(np.array([{}])),
    "npz of objects": npz(W=np.array([{}])),
    "cut to a half": WHOLE[: len(WHOLE) // 2],
    "last byte missing": WHOLE[:-1],
    "one byte changed": WHOLE[:300] + bytes([WHOLE[300] ^ 1]) + WHOLE[301:],
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_files_that_are_no_npz_of_plain_arrays_are_refused_by_name_and_closed(
    tmp_path, monkeypatch, name
):
    unclosed = []
    monkeypatch.setattr(sys, "unraisablehook", lambda _: unclosed.append(name))
    path = tmp_path / "params.npz"
    path.write_bytes(BAD_FILES[name])
    with contextlib.suppress(ValueError):
        load_arrays(path)
    gc.collect()
    assert unclosed == []
    with pytest.raises(ValueError, match=r"params\.npz is no \.npz file .* or is damaged"):
        load_arrays(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damage_to_any_byte_is_noticed_or_harmless(tmp_path, save):
    path, whole = tmp_path / "params.npz", npz(save, W=np.arange(6.0))
    refused = 0
    for n in range(len(whole)):
        path.write_bytes(whole[:n] + bytes([whole[n] ^ 0xFF]) + whole[n + 1 :])
        try:
            arrays = load_arrays(path)
        except (ValueError, OSError):
            refused += 1
        else:  # a byte of a date, for instance, or of the array's name
            assert all(np.array_equal(array, np.arange(6.0)) for array in arrays.values())
    assert refused > len(whole) / 2


@pytest.mark.parametrize("wrap", [pickle.dumps, lambda bomb: npz(W=np.array([bomb]))])
def test_nothing_is_unpickled(tmp_path, wrap):
    (tmp_path / "bomb.npz").write_bytes(wrap(Bomb(tmp_path / "it ran")))
    with pytest.raises(ValueError, match="pickled files are refused"):
        load_arrays(tmp_path / "bomb.npz")
    assert not (tmp_path / "it ran").exists()


def test_a_missing_file_or_a_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.npz"):
        load_arrays(tmp_path / "nothing.npz")
    with pytest.raises(OSError, match=tmp_path.name):
        load_arrays(tmp_path)
