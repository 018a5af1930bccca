import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dataset import idx
from dataset.errors import DatasetError
from dataset.idx import read_idx, to_idx, write_idx

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def header(*sizes, kind=0x08, zeros=b"\0\0"):
    return zeros + bytes([kind, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some-images.gz"


@given(array=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0)))
def test_what_was_written_is_read(array, tmp_path_factory):
    path = tmp_path_factory.mktemp("idx") / "array.gz"
    write_idx(path, array)
    read = read_idx(path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array, strict=True)


def test_layout_is_that_of_the_format():
    content = to_idx(np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8))
    assert content == bytes.fromhex("00000802 00000002 00000003 010203040506")


def test_layout_does_not_depend_on_memory_order():
    assert to_idx(np.asfortranarray(IMAGES)) == to_idx(IMAGES)
    assert to_idx(IMAGES[:, ::-1]) == to_idx(IMAGES[:, ::-1].copy())


def test_result_is_writable(path):
    write_idx(path, IMAGES)
    read_idx(path)[0] = 7


def test_a_name_as_str_will_do(path):
    write_idx(str(path), IMAGES)
    np.testing.assert_array_equal(read_idx(str(path)), IMAGES)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "nothing"),
        (b"\0\0\x08", "it starts with 00 00 08"),
        (header(1, zeros=b"\1\0") + b"x", "it starts with 01 00"),
        (header(1, kind=0x0D) + b"xxxx", "0x0d found"),
        (header() + b"x", "0 found"),
        (b"\0\0\x08\x41" + 65 * struct.pack(">I", 1) + b"x", "65 found"),
        (header(2, 3)[:-1], "within its header of 12 bytes"),
        (header(2, 3) + b"12345", "6 bytes of data expected, 5 found"),
        (header(2, 3) + b"1234567", "more data than the 6 bytes"),
        (header(2**31, 2**31, 2**31), "can hold"),
    ],
)
def test_malformed_content_is_refused(path, content, said):
    path.write_bytes(gzip.compress(content))
    with pytest.raises(DatasetError) as caught:
        read_idx(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_bytes_after_the_promised_ones_are_not_unpacked(path, monkeypatch):
    path.write_bytes(gzip.compress(header(3) + bytes(50_000_000)))
    unpacked = 0
    read = gzip.GzipFile.read

    def counting(self, size=-1):
        nonlocal unpacked
        result = read(self, size)
        unpacked += len(result)
        return result

    monkeypatch.setattr(gzip.GzipFile, "read", counting)
    with pytest.raises(DatasetError, match="more data"):
        read_idx(path)
    assert unpacked < 100


@pytest.mark.parametrize("kept", [0, 5, 20, -9, -4, -1])
def test_a_cut_gzip_file_is_refused(path, kept):
    write_idx(path, IMAGES)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DatasetError, match=r"some-images\.gz"):
        read_idx(path)


@pytest.mark.parametrize("place", [-1, -6, 15])
def test_an_altered_gzip_file_is_refused(path, place):
    write_idx(path, IMAGES)
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"some-images\.gz"):
        read_idx(path)


@pytest.mark.parametrize("content", [b"<html>403</html>", to_idx(IMAGES)])
def test_what_is_not_gzip_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="no gzip file"):
        read_idx(path)


def test_bytes_after_the_gzip_data_are_refused(path):
    write_idx(path, IMAGES)
    path.write_bytes(path.read_bytes() + b"and more")
    with pytest.raises(DatasetError, match="cut, altered"):
        read_idx(path)


def test_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"cannot read .*nothing\.gz"):
        read_idx(tmp_path / "nothing.gz")
    with pytest.raises(DatasetError, match="cannot read"):
        read_idx(tmp_path)


@pytest.mark.parametrize(
    ("array", "error"),
    [
        (IMAGES.astype(np.int64), TypeError),
        (IMAGES.astype(bool), TypeError),
        ([1, 2, 3], TypeError),
        (np.uint8(3), TypeError),
        (np.array(3, dtype=np.uint8), ValueError),
        (np.broadcast_to(np.uint8(0), (0, 2**32)), ValueError),
    ],
)
def test_what_does_not_fit_the_format_is_not_written(path, array, error):
    with pytest.raises(error, match="array must"):
        write_idx(path, array)
    assert list(path.parent.iterdir()) == []


@given(st.binary(max_size=200))
def test_the_same_array_gives_the_same_file(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("idx")
    array = np.frombuffer(content, dtype=np.uint8)
    write_idx(folder / "one.gz", array)
    write_idx(folder / "another-name.gz", array)
    first = (folder / "one.gz").read_bytes()
    assert first == (folder / "another-name.gz").read_bytes()
    # RFC 1952: no optional fields, so no name; and no time.
    assert first[3] == 0
    assert first[4:8] == bytes(4)


def test_a_failure_leaves_the_old_file_and_no_other(path, monkeypatch):
    write_idx(path, IMAGES)

    class Full(gzip.GzipFile):
        def write(self, data):
            super().write(data[:5])
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(idx.gzip, "GzipFile", Full)
    with pytest.raises(OSError, match="No space"):
        write_idx(path, IMAGES + 1)
    monkeypatch.undo()
    np.testing.assert_array_equal(read_idx(path), IMAGES)
    assert list(path.parent.iterdir()) == [path]
