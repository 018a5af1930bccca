"""A picture of digits with their labels: the first thing to look at in any set of data."""

from pathlib import Path

from matplotlib.figure import Figure
from numpy.typing import NDArray

from dataset.atomic import written_whole

ROWS, COLUMNS = 5, 10


def draw_digits(path: Path, images: NDArray, labels: NDArray, title: str) -> None:
    """Draw the first fifty digits, each below its label, and save them as a PNG.

    Parameters
    ----------
    path : Path
        The picture, in a folder that exists. It is replaced in one step.
    images : ndarray, shape (N, H, W)
        Pixels from 0 (drawn white, like paper) to the greatest value of all (black, like ink).
    labels : ndarray of int, shape (N,)
        What the digits are.
    title : str
        The name of the set.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    count = min(len(images), ROWS * COLUMNS)
    # Without pyplot there is neither a window nor anything shared with the reader's own plots.
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    figure.suptitle(f"{title}: the first {count} of {len(images):,} training digits and labels")
    grid = figure.subplots(ROWS, COLUMNS)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, image, label in zip(grid.flat, images[:count], labels[:count], strict=False):
        axes.set_title(int(label), fontsize=13, pad=2, color="tab:blue")
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=images.max(), interpolation="nearest")
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
