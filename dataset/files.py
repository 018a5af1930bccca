"""The files of MNIST and Fashion-MNIST: where they are, what they must hold, and how to read them.

Both sets have four gzipped files of the same names in IDX format: a header (16 bytes before images,
8 before labels), then one unsigned byte per pixel or label in C order.
"""

import gzip
import hashlib
import os
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset.errors import DatasetError
from dataset.staging import remove_leftovers

HERE = Path(__file__).resolve().parent
SIDE = 28
CLASSES = 10

SAMPLE = HERE / "sample.npz"
ARRAYS = ("x_train", "t_train", "x_test", "t_test")
# Of the bytes of the sample's four arrays, one after the other.
SAMPLE_SHA256 = "a7267c1f321dae573cd71ee902fb1e7da90a8a627ca37ad7adc49ae31638a6cc"

# x_train (N, 28, 28), t_train (N,), x_test, t_test: uint8, not writable.
Arrays = list[NDArray[np.uint8]]
Split = tuple[NDArray, NDArray]


@dataclass(frozen=True)
class File:
    """One gzipped file. `packed_size` is in bytes, of the file as its authors published it.

    `size` (bytes) and `sha256` are those of the unpacked content, which decides: a distribution may
    have compressed it again.
    """

    name: str
    packed_size: int
    sha256: str
    size: int

    def read(self, path: Path) -> bytes | None:
        """Return the unpacked content, or None if the file at `path` is missing or not this one."""
        try:
            with gzip.open(path) as file:
                # One byte more than expected, but never what a gzip bomb would unpack to.
                content = file.read(self.size + 1)
        except (FileNotFoundError, NotADirectoryError, gzip.BadGzipFile, EOFError, zlib.error):
            return None
        return content if hashlib.sha256(content).hexdigest() == self.sha256 else None


@dataclass(frozen=True)
class ImageSet:
    """A data set: training images, training labels, test images, test labels.

    The environment variables ``{variable}_DIR`` and ``{variable}_MIRRORS`` replace the default
    cache folder and servers. `advice` completes "Set …_DIR to a folder that holds the files, or".
    """

    title: str
    variable: str
    default_folder: Path
    default_mirrors: tuple[str, ...]
    advice: str
    files: tuple[File, ...]

    def folder(self) -> Path:
        """Return the cache folder, absolute; it need not exist."""
        named = os.environ.get(f"{self.variable}_DIR")
        try:
            return Path(named).expanduser().absolute() if named else self.default_folder
        except (RuntimeError, OSError) as error:
            what = f"{self.variable}_DIR names {named}, which is no folder: {error}"
            raise DatasetError(f"{what} {self.remedy()}", what) from error

    def mirrors(self) -> list[str]:
        """Return the addresses to download from, each once and with a slash at its end."""
        named = re.split(r"[\s,]+", os.environ.get(f"{self.variable}_MIRRORS", ""))
        urls = list(filter(None, named)) or self.default_mirrors
        return list(dict.fromkeys(url.rstrip("/") + "/" for url in urls))

    def remedy(self, kind: str = "that holds") -> str:
        """Return a sentence that says how else to get the data."""
        names = ", ".join(file.name for file in self.files)
        return f"Set {self.variable}_DIR to a folder {kind} {names}; or {self.advice}."


def _files(*described: tuple[int, str]) -> tuple[File, ...]:
    kinds = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    sizes = (16 + 60_000 * SIDE**2, 8 + 60_000, 16 + 10_000 * SIDE**2, 8 + 10_000)
    rows = zip(kinds, sizes, described, strict=True)
    return tuple(File(f"{kind}-ubyte.gz", *row, size) for kind, size, row in rows)


MNIST = ImageSet(
    "MNIST",
    "MNIST",
    HERE / "cache",
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    'use the digits of this repository: source="sample" (--data sample on a command line)',
    _files(
        (9_912_422, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        (28_881, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        (1_648_877, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        (4_542, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ),
)

FASHION_MNIST = ImageSet(
    "Fashion-MNIST",
    "FASHION_MNIST",
    HERE / "cache" / "fashion",
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    "install the package dataset-fashion-mnist of Debian or Ubuntu and set FASHION_MNIST_DIR to "
    "/usr/share/datasets/fashion-mnist",
    _files(
        (26_421_880, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
        (29_515, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
        (4_422_102, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
        (5_148, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
    ),
)


def read_full(image_set: ImageSet) -> Arrays:
    """Read the four files, after downloading those that are missing or damaged."""
    folder = image_set.folder()
    remove_leftovers(folder)
    try:
        contents = [file.read(folder / file.name) for file in image_set.files]
    except OSError as error:
        what = f"cannot read {error.filename or folder}: {error.strerror or error}"
        raise DatasetError(f"{what}. Make it readable. {image_set.remedy()}", what) from error
    wanted = [file for file, content in zip(image_set.files, contents, strict=True) if not content]
    if wanted:
        # The names are the same, so a download would replace one set by the other.
        other = FASHION_MNIST if image_set is MNIST else MNIST
        if any(file.read(folder / file.name) for file in other.files):
            what = f"{folder} holds {other.title}, not {image_set.title}"
            raise DatasetError(f"{what}; set {image_set.variable}_DIR to another folder", what)
        # Only the first run needs this module and the libraries behind it.
        from dataset.download import download

        arrived = download(image_set, wanted, folder)
        contents = [content or arrived.pop(0) for content in contents]
    layouts = [(16, (-1, SIDE, SIDE)), (8, (-1,))] * 2
    return [
        np.frombuffer(content, np.uint8, offset=offset).reshape(shape)
        for content, (offset, shape) in zip(contents, layouts, strict=True)
    ]


def read_sample() -> Arrays:
    """Read the 4,000 + 1,000 digits that are part of this repository."""
    try:
        with SAMPLE.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = [archive[name] for name in ARRAYS]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"cannot read {SAMPLE}: {error}; get it back with git") from error
    if sample_sha256(arrays) != SAMPLE_SHA256:
        raise DatasetError(
            f"{SAMPLE} is not the sample that belongs to this version of the code; "
            "get it back with git, or make it anew with dataset/make_sample.py"
        )
    return arrays


def sample_sha256(arrays: Arrays) -> str:
    """Return the SHA-256 of the arrays' bytes, one array after the other."""
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def prepare(
    arrays: Arrays, normalize: bool, flatten: bool, one_hot_label: bool
) -> tuple[Split, Split]:
    """Return new, writable arrays; the parameters are those of `dataset.mnist.load_mnist`."""

    def split(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Split:
        x = images.reshape((-1, SIDE * SIDE) if flatten else (-1, 1, SIDE, SIDE))
        x = x.astype(np.float32 if normalize else np.uint8)
        if normalize:
            x /= 255
        t = np.eye(CLASSES, dtype=np.float32)[labels] if one_hot_label else labels.astype(np.int64)
        return x, t

    return split(*arrays[:2]), split(*arrays[2:])
