"""Load MNIST, 70,000 handwritten digits with their labels, as NumPy arrays.

>>> from dataset.mnist import load_mnist
>>> (x_train, t_train), (x_test, t_test) = load_mnist(source="sample")
>>> x_train.shape, t_train[:10]
((4000, 784), array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))

``python -m dataset.mnist`` downloads and checks the files, and with ``--show`` draws some digits.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from dataset.errors import DatasetError, SampleDataWarning
from dataset.files import (
    ARRAYS,
    FASHION_MNIST,
    MNIST,
    SAMPLE,
    Arrays,
    Split,
    prepare,
    read_full,
    read_sample,
)
from dataset.staging import staging_folder

SOURCES = ("auto", "full", "sample")


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
        on first use. ``"sample"``: 4,000 + 1,000 digits that are part of this repository and need
        no network. ``"auto"``: the full set, and where it can't be had the sample, with a warning.

    Returns
    -------
    (x_train, t_train), (x_test, t_test) : tuple of tuples of ndarray
        Images ``(N, 784)`` or ``(N, 1, 28, 28)``; labels int64 ``(N,)`` or float32 ``(N, 10)``.
        Labels are not kept as the bytes of the file, since arithmetic on uint8 wraps around at 256
        without a warning: ``t * 100`` would be wrong from the digit 3 on. All arrays are new and
        may be written to.

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
    arrays, obstacle = _read(source)
    if obstacle is not None:
        warnings.warn(_stand_in_note(obstacle), SampleDataWarning, stacklevel=2)
    return prepare(arrays, normalize, flatten, one_hot_label)


def _read(source: str) -> tuple[Arrays, DatasetError | None]:
    """Return the arrays and, if the sample stands in for the full set, why."""
    if source not in SOURCES:
        raise ValueError(f"source must be one of {', '.join(map(repr, SOURCES))}, got {source!r}")
    if source == "sample":
        return read_sample(), None
    try:
        return read_full(MNIST), None
    except DatasetError as error:
        if source == "full":
            raise
        return read_sample(), error


def _stand_in_note(obstacle: DatasetError) -> str:
    return (
        f"the full MNIST set can't be had ({obstacle.reason}), so 4,000 + 1,000 digits from this "
        "repository are used in its place: expect a test accuracy of about 0.93 rather than 0.97 "
        'from the two-layer network. source="sample" (--data sample on a command line) chooses '
        'them without the wait, "full" lists all that was tried.'
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; `arguments` are the process's by default."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # for a folder whose name is not UTF-8
    try:
        _report(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except DatasetError as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    except BrokenPipeError:  # nobody reads on, as in "| head -1"
        # Python would otherwise try again to write what is left, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataset.mnist",
        description="Download and check the MNIST digits, and say what is there.",
        epilog="MNIST_DIR names the folder for the original files (default: dataset/cache), "
        "MNIST_MIRRORS the servers to download them from; FASHION_MNIST_DIR (default: "
        "dataset/cache/fashion) and FASHION_MNIST_MIRRORS those of Fashion-MNIST.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    which = parser.add_mutually_exclusive_group()
    data = "full: the 70,000 original digits; sample: the 5,000 of this repository; auto: full if "
    which.add_argument("--data", choices=SOURCES, default="auto", help=data + "possible, or sample")
    which.add_argument("--fashion", action="store_true", help="Fashion-MNIST instead of MNIST")
    parser.add_argument("--show", action="store_true", help="draw the first images as a PNG")
    out = Path("output/dataset")
    parser.add_argument("--output", type=Path, default=out, metavar="DIR", help="the PNG's folder")
    return parser


def _report(options: argparse.Namespace) -> None:
    image_set = FASHION_MNIST if options.fashion else MNIST
    arrays, obstacle = (read_full(image_set), None) if options.fashion else _read(options.data)
    if obstacle is not None:
        print("warning:", _stand_in_note(obstacle), file=sys.stderr)
    is_sample = obstacle is not None or options.data == "sample"
    source = "sample" if is_sample else "full"
    paths = [SAMPLE] if is_sample else [image_set.folder() / file.name for file in image_set.files]
    print(f"{image_set.title}, source: {source}")
    for path in paths:
        print(f"  {path}  {path.stat().st_size:,} bytes  ok")
    for name, array in zip(ARRAYS, sum(prepare(arrays, True, True, False), ()), strict=True):
        print(f"{name:8}{array.dtype!s:8} {array.shape}")
    if options.show:
        path = options.output / f"{'fashion' if options.fashion else 'digits'}-{source}.png"
        try:
            _draw(path, arrays, f"{image_set.title}, {source} set")
        except OSError as error:
            what = f"cannot write {path}: {error.strerror or error}"
            raise DatasetError(f"{what}; choose another folder with --output") from error
        print(f"drawing: {path}")


def _draw(path: Path, arrays: Arrays, title: str) -> None:
    # Only those who want an image wait for matplotlib. Without pyplot there is no window.
    from matplotlib.figure import Figure

    images, labels = arrays[:2]
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    figure.suptitle(f"{title}: the first of {len(images):,} training images and their labels")
    grid = figure.subplots(5, 10)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, image, label in zip(grid.flat, images, labels, strict=False):
        axes.set_title(label, fontsize=13, pad=2, color="tab:blue")
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
    path.parent.mkdir(parents=True, exist_ok=True)
    with staging_folder(path.parent) as staging:
        figure.savefig(staging / path.name, dpi=150)
        (staging / path.name).replace(path)


if __name__ == "__main__":
    sys.exit(main())
