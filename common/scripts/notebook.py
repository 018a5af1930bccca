"""What the notebooks share: source that is shown, and figures with a slider."""

import base64
import gzip
import hashlib
import inspect
import io
import json
import re
import textwrap
from collections.abc import Callable, Sequence
from html import escape
from importlib.resources import files

import matplotlib as mpl
import matplotlib.pyplot as plt
from IPython import get_ipython
from IPython.display import HTML, Markdown
from matplotlib.figure import Figure
from PIL import Image

__all__ = ["show_source", "slider"]


def show_source(thing: Callable) -> Markdown:
    """Return the source of a function or class of the library, to be shown highlighted.

    Examples
    --------
    >>> from common.functions import identity_function
    >>> show_source(identity_function).data.splitlines()[1]
    'def identity_function(x):'
    """
    return Markdown(f"```python\n{textwrap.dedent(inspect.getsource(thing))}```")


def slider(draw: Callable[..., Figure], *, default: int | None = None, **values: Sequence) -> HTML:
    """Return a figure with a slider that needs no kernel: every frame is drawn now.

    Where scripts don't run, as on GitHub, the figure for the default value remains.

    Parameters
    ----------
    draw : callable
        Takes one keyword argument and returns a figure of ``matplotlib.pyplot``, which is closed.
        The first line of its docstring describes the figure to readers who don't see it.
    default : int, optional
        Index of the value that is shown first, by default the middle one.
    **values : sequence
        The argument's name, and its values in the order of the slider.

    Raises
    ------
    TypeError
        If not exactly one argument's values are given.

    Examples
    --------
    ::

        slider(draw_path, lr=(0.01, 0.1, 0.3))
    """
    if len(values) != 1:
        raise TypeError(f"slider takes the values of one argument, got {list(values) or 'none'}")
    [(name, options)] = values.items()
    frames = [_picture(draw(**{name: value})) for value in options]
    start = range(len(options))[len(options) // 2 if default is None else default]
    labels = [f"{name} = {v:g}" if isinstance(v, float) else f"{name} = {v}" for v in options]
    about = (inspect.getdoc(draw) or "Figure.").splitlines()[0]
    # Frames have most of their text in common, so that together they compress to a tenth.
    packed = base64.b64encode(gzip.compress(json.dumps(frames).encode(), mtime=0)).decode()
    data = json.dumps({"labels": labels, "start": start, "about": about, "packed": packed})
    ident = "player-" + hashlib.sha256(f"{labels} {about}".encode()).hexdigest()[:12]
    script = files("common.scripts").joinpath("player.js").read_text("utf-8").strip()
    first = frames[start]
    if first.startswith("<"):
        first = f"data:image/svg+xml;base64,{base64.b64encode(first.encode()).decode()}"
    alt = escape(f"{about} {labels[start]}")
    image = f'<img src="{first}" alt="{alt}" style="display: block; max-width: 100%">'
    return HTML(
        f'<div id="{ident}" class="player">{image}</div>\n'
        f'<script>\n{script}("{ident}", {data});\n</script>'
    )


def _png(figure, dpi):
    """Return a figure as PNG with a palette, a third of the size of one with all colours."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi, facecolor="white")
    image, file = Image.open(file).convert("RGB").quantize(128), io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue(), image.size


def _plot(figure):
    """Return a plot for a notebook: all of the figure, with two pixels per point of the screen."""
    png, (width, height) = _png(figure, 2 * figure.dpi)
    return png, {"width": width // 2, "height": height // 2}


def _picture(figure):
    """Return a figure as SVG, or as the data URI of a PNG if it holds an image, and close it."""
    if any(ax.images for ax in figure.axes):
        png, _ = _png(figure, 130)
        picture = "data:image/png;base64," + base64.b64encode(png).decode()
    else:
        file = io.BytesIO()
        with mpl.rc_context({"svg.hashsalt": "figure"}):
            figure.savefig(file, format="svg", facecolor="white", metadata={"Date": None})
        picture = re.sub(r"(\d\.\d{3})\d+", r"\1", file.getvalue().decode())
        picture = picture[picture.index("<svg") :]
    plt.close(figure)
    return picture


if get_ipython() is not None:
    plt.draw_if_interactive()  # loads Jupyter's backend, which sets a formatter of its own
    get_ipython().display_formatter.formatters["image/png"].for_type(Figure, _plot)
