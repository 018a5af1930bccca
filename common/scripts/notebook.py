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
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from IPython import get_ipython
from IPython.display import HTML, Markdown
from matplotlib.figure import Figure
from PIL import Image

from common.scripts.plot import as_png


def show_source(thing: Callable) -> Markdown:
    """Return the source of a function or class of the library, to be shown highlighted."""
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
        The argument's name, and its values in the order of the slider: ``lr=(0.01, 0.1, 0.3)``.

    Raises
    ------
    TypeError
        If not exactly one argument's values are given.
    ValueError
        If `draw` has no docstring.
    """
    if len(values) != 1:
        raise TypeError(f"slider takes the values of one argument, got {list(values) or 'none'}")
    if not (about := (inspect.getdoc(draw) or "").partition("\n")[0]):
        raise ValueError(f"draw must have a docstring that describes the figure, got {draw!r}")
    [(name, options)] = values.items()
    labels = [f"{name} = {v:g}" if isinstance(v, float) else f"{name} = {v}" for v in options]
    start = range(len(options))[len(options) // 2 if default is None else default]
    frames = [_svg(draw(**{name: value})) for value in options]
    # Frames have most of their text in common, so that together they compress to a tenth.
    packed = base64.b64encode(gzip.compress(json.dumps(frames).encode(), mtime=0)).decode()
    data = json.dumps({"labels": labels, "start": start, "about": about, "packed": packed})
    ident = "player-" + hashlib.sha256(f"{labels} {about}".encode()).hexdigest()[:12]
    first = "data:image/svg+xml;base64," + base64.b64encode(frames[start].encode()).decode()
    alt = escape(f"{about} {labels[start]}")
    image = f'<img src="{first}" alt="{alt}" style="display: block; max-width: 100%">'
    script = Path(__file__).with_name("player.js").read_text("utf-8").strip()
    call = f'<script>\n{script}("{ident}", {data});\n</script>'
    return HTML(f'<div id="{ident}" class="player">{image}</div>\n{call}')


def _svg(figure):
    """Return a figure as SVG that is the same every time, and close it."""
    with io.StringIO() as file, mpl.rc_context({"svg.hashsalt": "figure"}):
        figure.savefig(file, format="svg", facecolor="white", metadata={"Date": None})
        _, start, rest = file.getvalue().partition("<svg")
    plt.close(figure)
    return start + re.sub(r"(\d\.\d{3})\d+", r"\1", rest)


def _png(figure):
    """Return a figure as PNG with two pixels per point of the screen, and its size there."""
    data = as_png(figure, dpi=2 * figure.dpi, facecolor="white")
    width, height = Image.open(io.BytesIO(data)).size
    return data, {"width": width // 2, "height": height // 2}


if get_ipython() is not None:
    plt.draw_if_interactive()  # loads Jupyter's backend, which sets a formatter of its own
    get_ipython().display_formatter.formatters["image/png"].for_type(Figure, _png)
