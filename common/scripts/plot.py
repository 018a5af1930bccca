"""One look for all pictures: readable in print, and by the colour-blind."""

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.figure import Figure
from PIL import Image

from common.support.files import write_atomically

# Okabe & Ito's palette, whose colours stay apart in every common kind of colour blindness.
BLUE, ORANGE, GREEN, PURPLE, SKY, RED, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#000000",
)

STYLE = {
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, PURPLE, SKY, RED, BLACK]),
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "large",
    "figure.dpi": 110,
    "figure.figsize": (7.0, 4.4),
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "grid.color": "#DDDDDD",
    "legend.frameon": False,
    "lines.linewidth": 2,
}


def plot_style() -> AbstractContextManager:
    """Return a context in which figures are made in this project's style."""
    # This loads the backend. Jupyter's turns interactive mode on as it is loaded: inside of the
    # context, that would end with it, and later figures of the same notebook wouldn't be shown.
    plt.draw_if_interactive()
    return mpl.rc_context(STYLE)


def as_png(fig: Figure, **options) -> bytes:
    """Return `fig` as PNG with a palette of 256 colours, a third as large as with all of them.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
    **options
        Of ``Figure.savefig``, such as ``dpi``.
    """
    fig.savefig(file := io.BytesIO(), format="png", **options)
    image = Image.open(file).convert("RGB")
    # The default method, median cut, would change the colours of thin lines visibly; without
    # k-means, this one would tint the gray of the grid.
    image = image.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1)
    image.save(file := io.BytesIO(), "PNG", optimize=True)
    return file.getvalue()


def save_figure(fig: Figure, path: str | Path, *, show: bool = False, quiet: bool = False) -> None:
    """Write `fig` to `path` as PNG, atomically, and print where it is, unless `quiet`.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        A figure of ``matplotlib.pyplot``; it is closed afterwards.
    path : path
    show : bool
        Whether to open a window too, where there is a display.
    """
    write_atomically(path, as_png(fig))
    if not quiet:
        print(f"wrote {path}")
    if show:
        if fig.canvas.required_interactive_framework is None:
            print("there is no display to show it on")
        else:
            plt.show()
    plt.close(fig)


def learning_curve(
    history: Mapping[str, Sequence[float]],
    title: str = "Learning curve: loss of the mini-batch, accuracy on all digits",
    *,
    beside: tuple[str, Mapping[str, Sequence[float]]] | None = None,
) -> Figure:
    """Draw loss and accuracy against the iteration.

    Parameters
    ----------
    history : mapping
        Columns of equal length: ``iteration``, ``loss`` (nats), ``train_acc`` and ``test_acc``
        (0 to 1).
    title : str
        What the curves are.
    beside : (str, mapping), optional
        Name and history of another run, drawn as wide bands behind this one.
    """
    with plot_style():
        fig, (above, below) = plt.subplots(
            2, 1, sharex=True, figsize=(7.0, 5.6), height_ratios=(1, 2)
        )
        iteration = history["iteration"]
        above.plot(iteration, history["loss"], color=BLACK, marker=".")
        above.set_ylabel("loss (nats)")
        runs = [history] if beside is None else [history, beside[1]]
        above.set_ylim(0, 1.1 * max(max(run["loss"]) for run in runs) or 1)
        above.set_title(title)
        below.plot(iteration, history["train_acc"], marker="o", ms=4, label="training digits")
        label = f"test digits ({history['test_acc'][-1]:.3f} at iteration {iteration[-1]:,})"
        below.plot(iteration, history["test_acc"], "--", marker="s", ms=4, label=label)
        if beside is not None:
            name, other = beside
            band = {"lw": 8, "alpha": 0.3, "zorder": 0}
            above.plot(other["iteration"], other["loss"], color=BLACK, **band)
            below.plot(other["iteration"], other["train_acc"], color=BLUE, **band)
            name = name.encode("utf-8", "replace").decode()  # a folder's name may be any bytes
            name = name if len(name) <= 30 else f"…{name[-29:]}"
            name = name.replace("$", r"\$")  # else matplotlib takes it for the start of a formula
            label = f"wide bands: {name} (test {other['test_acc'][-1]:.3f})"
            below.plot(other["iteration"], other["test_acc"], color=ORANGE, label=label, **band)
        below.set_xlabel("iteration (mini-batches seen)")
        below.set_ylabel("accuracy")
        lowest = min(min(*run["train_acc"], *run["test_acc"]) for run in runs)
        below.set_ylim(0.9 if lowest > 0.9 else 0, 1)  # close up where all the curve is high
        below.set_xlim(left=0)
        below.xaxis.get_major_locator().set_params(integer=True)
        below.legend()
    return fig
