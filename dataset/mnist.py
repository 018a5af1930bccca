"""Load MNIST, 70,000 handwritten digits with their labels, as NumPy arrays.

>>> from dataset.mnist import load_mnist
>>> (x_train, t_train), (x_test, t_test) = load_mnist(source="sample")
>>> x_train.shape, t_train[:10]
((4000, 784), array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))

``python -m dataset.mnist`` fetches and checks the files, and with ``--show`` draws some digits.
"""

import argparse
import hashlib
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset.errors import DatasetError, SampleDataWarning
from dataset.files import (
    SAMPLE_FOLDER,
    SAMPLE_SHA256,
    SHA256,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    cache_folder,
    is_intact,
)
from dataset.idx import read_idx, to_idx

SOURCES = ("auto", "full", "sample")
SIDE = 28
CLASSES = 10

Split = tuple[NDArray, NDArray]


def load_mnist(
    normalize: bool = True,
    flatten: bool = True,
    one_hot_label: bool = False,
    *,
    source: str = "auto",
) -> tuple[Split, Split]:
    """Load the training and test digits.

    Parameters
    ----------
    normalize : bool
        Give pixels as float32 from 0 (paper) to 1 (ink); else as uint8 from 0 to 255.
    flatten : bool
        Give each image as a row of 784 pixels; else as ``(1, 28, 28)``: channel, row, column.
    one_hot_label : bool
        Give each label as a row of ten numbers, 1 at the digit's place and 0 elsewhere; else as the
        digit itself.
    source : {"auto", "full", "sample"}
        ``"full"``: 60,000 + 10,000 digits from the cache folder, which is filled from the mirrors
        when it isn't yet. ``"sample"``: 4,000 + 1,000 digits that are part of this repository and
        need no network. ``"auto"``: the full set, and where it can't be had the sample, with a
        warning.

    Returns
    -------
    (x_train, t_train), (x_test, t_test) : tuple of tuples of ndarray
        Images ``(N, 784)`` or ``(N, 1, 28, 28)``; labels int64 ``(N,)`` or float32 ``(N, 10)``.
        Labels are not kept as the bytes of the file, since arithmetic on uint8 wraps round at 256
        without a word: ``t * 100`` would be wrong from the digit 3 on. All arrays are new and may
        be written to.

    Raises
    ------
    ValueError
        If `source` is none of the three.
    DatasetError
        If the full set was asked for and can't be had, or a file is not as it should be.

    Warns
    -----
    SampleDataWarning
        If `source` is ``"auto"`` and the sample had to be used.

    Notes
    -----
    Environment variables: ``MNIST_DIR`` names the cache folder, ``MNIST_MIRRORS`` the servers. The
    sample's test digits come from the original *training* set: don't test a network with them that
    was trained on the full set.
    """
    folder, obstacle = find_files(source)
    if obstacle is not None:
        warnings.warn(_stand_in_note(obstacle), SampleDataWarning, stacklevel=2)
    return _load(folder, normalize, flatten, one_hot_label)


def find_files(source: str = "auto") -> tuple[Path, DatasetError | None]:
    """Make sure that the four files are there, fetching them if need be.

    Parameters
    ----------
    source : {"auto", "full", "sample"}
        See `load_mnist`.

    Returns
    -------
    folder : Path
        Where the files are.
    obstacle : DatasetError or None
        With ``"auto"``, why the folder is the sample's and not that of the full set.

    Raises
    ------
    ValueError
        If `source` is none of the three.
    DatasetError
        If it is ``"full"`` and a file can't be had.
    """
    if source not in SOURCES:
        raise ValueError(f"source must be one of {', '.join(map(repr, SOURCES))}, got {source!r}")
    if source == "sample":
        return SAMPLE_FOLDER, None
    try:
        return _full_folder(), None
    except DatasetError as error:
        if source == "full":
            raise
        return SAMPLE_FOLDER, error


def _full_folder() -> Path:
    folder = cache_folder()
    wanted = [name for name in SHA256 if not is_intact(folder / name)]
    if wanted:
        # Only the first run needs this module and the libraries behind it.
        from dataset.download import download

        download(wanted, folder)
    return folder


def _stand_in_note(obstacle: DatasetError) -> str:
    return (
        f"the full MNIST set can't be had ({obstacle.reason}), so 4,000 + 1,000 digits from this "
        "repository are used in its place: expect a test accuracy of about 0.93 rather than 0.97 "
        'from the two-layer network. source="sample" (--data sample on a command line) chooses '
        'them without the wait, "full" tells all that was tried.'
    )


def _load(folder: Path, normalize: bool, flatten: bool, one_hot_label: bool) -> tuple[Split, Split]:
    def prepare(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Split:
        x = images.reshape((-1, SIDE * SIDE) if flatten else (-1, 1, SIDE, SIDE))
        if normalize:
            x = x.astype(np.float32)
            x /= 255
        t = np.eye(CLASSES, dtype=np.float32)[labels] if one_hot_label else labels.astype(np.int64)
        return x, t

    return (
        prepare(*_read_split(folder, TRAIN_IMAGES, TRAIN_LABELS)),
        prepare(*_read_split(folder, TEST_IMAGES, TEST_LABELS)),
    )


def _read_split(folder: Path, images_name: str, labels_name: str) -> Split:
    images = _read_file(folder / images_name)
    labels = _read_file(folder / labels_name)
    if images.shape[1:] != (SIDE, SIDE):
        raise DatasetError(
            f"{folder / images_name} holds an array of shape {images.shape}, "
            f"not images of {SIDE} x {SIDE} pixels; put the original in its place"
        )
    if labels.shape != (len(images),):
        raise DatasetError(
            f"{folder / labels_name} holds labels of shape {labels.shape}, but {images_name} "
            f"{len(images):,} images; put the originals of both in their place"
        )
    if labels.max(initial=0) >= CLASSES:
        raise DatasetError(
            f"{folder / labels_name} holds the label {labels.max()}, where digits go from 0 to 9; "
            "put the original in its place"
        )
    return images, labels


def _read_file(path: Path) -> NDArray[np.uint8]:
    array = read_idx(path)
    # The originals were compared before; the sample is compared here, after being unpacked.
    is_sample = path.parent == SAMPLE_FOLDER
    if is_sample and hashlib.sha256(to_idx(array)).hexdigest() != SAMPLE_SHA256[path.name]:
        raise DatasetError(
            f"{path} is not the sample that belongs to this version of the code; "
            "get it back with git, or make it anew with dataset/make_sample.py"
        )
    return array


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: fetch the files, check them, and say what is there.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        The exit code: 0, or 1 after an error, or 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        _report(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except DatasetError as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataset.mnist",
        description="Fetch and check the MNIST digits, and say what is there.",
        epilog="MNIST_DIR names the folder for the original files (default: dataset/cache), "
        "MNIST_MIRRORS the servers to fetch them from.",
    )
    parser.add_argument(
        "--data",
        choices=SOURCES,
        default="auto",
        help="full: the 70,000 original digits; sample: the 5,000 of this repository; "
        "auto: full if it can be had, else sample (default: %(default)s)",
    )
    parser.add_argument("--show", action="store_true", help="draw the first digits as a PNG")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("output/dataset"),
        metavar="DIR",
        help="folder for the PNG (default: %(default)s)",
    )
    return parser


def _report(options: argparse.Namespace) -> None:
    folder, obstacle = find_files(options.data)
    if obstacle is not None:
        print("warning:", _stand_in_note(obstacle), file=sys.stderr)
    (x_train, t_train), (x_test, t_test) = _load(folder, True, True, False)
    kind = "sample" if folder == SAMPLE_FOLDER else "full"
    print(f"source: {kind}")
    for name in SHA256:
        path = folder / name
        print(f"  {path}  {path.stat().st_size:,} bytes  ok")
    for name, array in (
        ("x_train", x_train),
        ("t_train", t_train),
        ("x_test", x_test),
        ("t_test", t_test),
    ):
        print(f"{name:8}{array.dtype!s:8} {array.shape}")
    if options.show:
        path = options.output / f"digits-{kind}.png"
        _draw(path, x_train.reshape(-1, SIDE, SIDE), t_train, f"MNIST, {kind} set")
        print(f"drawing: {path}")


def _draw(path: Path, images: NDArray, labels: NDArray, title: str) -> None:
    # Only those who want a picture wait for matplotlib.
    from dataset.draw import draw_digits

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_digits(path, images, labels, title)
    except OSError as error:
        raise DatasetError(
            f"cannot write {path}: {error.strerror or error}; choose another folder with --output"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
