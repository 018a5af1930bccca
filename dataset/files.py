"""The four files of MNIST: their names, their fingerprints, and the folders they lie in."""

import hashlib
import os
from pathlib import Path

from dataset.errors import DatasetError

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"

# Of the gzipped files, as the authors published them.
SHA256 = {
    TRAIN_IMAGES: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    TRAIN_LABELS: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    TEST_IMAGES: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    TEST_LABELS: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}

# Of the sample's files once unpacked: we pack these ourselves, and two versions of zlib may pack
# the same digits differently.
SAMPLE_SHA256 = {
    TRAIN_IMAGES: "fa01c4e0e0ddb1b901673e9b19c34e207002f34b874e266b33006ed7b18f8f84",
    TRAIN_LABELS: "5dbd7686910cb66a8a6303f16940c2fae43896243c187897cd3976aab00f4817",
    TEST_IMAGES: "12a9e7e24f894be6e2e757ca9a44da720457ef446785e1828756cf0c8c83a6a0",
    TEST_LABELS: "66e4c6deb5f2a061f7d8cd5ec53025fdb9dabb08265e449acb8cf64b8cd36cac",
}

HERE = Path(__file__).resolve().parent
SAMPLE_FOLDER = HERE / "sample"
DEFAULT_CACHE = HERE / "cache"


def cache_folder() -> Path:
    """Return the folder for the original files.

    Returns
    -------
    Path
        What the environment variable ``MNIST_DIR`` names (``~`` is understood), else ``cache``
        beside this module. Absolute; it need not exist.

    Raises
    ------
    DatasetError
        If it is the folder of the sample, whose files a download would replace.
    """
    named = os.environ.get("MNIST_DIR")
    folder = Path(named).expanduser().absolute() if named else DEFAULT_CACHE
    if folder.resolve() == SAMPLE_FOLDER:
        raise DatasetError(
            f"MNIST_DIR names {SAMPLE_FOLDER}, which holds the sample and not the full set; "
            'name another folder, or use source="sample" (--data sample)',
            reason="MNIST_DIR names the folder of the sample",
        )
    return folder


def is_intact(path: Path) -> bool:
    """Tell whether a file is the original of its name.

    Parameters
    ----------
    path : Path
        A file called like one of the four.

    Returns
    -------
    bool
        False if there is no such file or its SHA-256 is another.

    Raises
    ------
    DatasetError
        If there is something of that name that cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == SHA256[path.name]
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise DatasetError(
            f"cannot read {path}: {error.strerror or error}; make it readable, "
            "or set MNIST_DIR to another folder",
            reason=f"{path} cannot be read",
        ) from error
