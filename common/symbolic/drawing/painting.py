"""Paint a drawing whose nodes and edges have been placed, as a figure or the bytes of a file."""

import io
import re
import textwrap

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path
from PIL import Image

from common.scripts.plot import BLACK, BLUE, GREEN, RED
from common.symbolic.drawing.layout import LINE, RADIUS, SMALL, cut, text_width

__all__ = ["FORMATS", "painted"]

MARGIN = 0.15  # inches, around everything
GREY = "#595959"
BOXES = {  # colour of the border, its width, colour of the inside, and radius of the corners
    "input": (BLUE, 1.2, "#E6F1F8", 0.02),
    "shared": (GREEN, 2.2, "#E3F4EE", 0.02),
    "constant": ("#999999", 0.8, "#F4F4F4", 0.02),
    "operation": (BLACK, 1.2, "white", RADIUS),
    "link": (GREY, 1.2, GREY, 0.09),
}
FORMATS = (".png", ".svg")


class _Drawing(Figure):
    """A figure that says in words what it shows."""

    about = ""

    def __repr__(self):
        return self.about

    def as_file(self, suffix):
        """Return the bytes of a file with this suffix: the same for the same drawing."""
        file = io.BytesIO()
        if suffix == ".png":  # with twice the resolution, and a palette of colours
            self.savefig(file, format="png", dpi=2 * self.dpi)
            image, file = Image.open(file).convert("RGB").quantize(64), io.BytesIO()
            image.save(file, "PNG", optimize=True)
            return file.getvalue()
        with mpl.rc_context({"svg.hashsalt": "drawing", "svg.fonttype": "none"}):
            self.savefig(file, format="svg", metadata={"Date": None, "Title": self.about})
        # The SVG takes the width of the page, up to its own.
        size = f'width="100%" style="max-width: {self.get_figwidth():.2f}in" role="img" '
        absolute = r'width="[\d.]+pt" height="[\d.]+pt" '
        return re.sub(absolute, size, file.getvalue().decode(), count=1).encode()


def painted(rows, size, title, cost):
    """Return the figure: heading, legend, and all nodes and edges."""
    edges = [edge for row in rows for edge in row]
    width, title = max(size[0], 2.6), cut(title or "", 300)
    per_letter = text_width(title, 12, "bold") / len(title) if title else 1
    heading = textwrap.wrap(title, int(width / per_letter))
    legend = _legend(edges, cost)
    widths = [text_width(words, 12, "bold") for words in heading]
    width = max([width, *widths, *(text_width(text, SMALL) for text, _ in legend)])
    figure = _Drawing(facecolor="white", layout="none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()

    left = {"ha": "left", "va": "top"}
    top = -MARGIN - 0.26 * len(heading)
    words = "\n".join(heading)
    _write(ax, 0, top + MARGIN, words, 12, weight="bold", gid="title", **left)
    x, bottom = width, size[1] + 0.05
    for i, (text, color) in enumerate(legend):
        room = text_width(text, SMALL)
        if x + room > width:
            x, bottom = 0.0, bottom + LINE
        _write(ax, x, bottom, text, SMALL, color, gid=f"legend-{i}", **left)
        x += room + 0.2
    bottom += MARGIN + LINE * bool(legend)
    nodes = dict.fromkeys(node for edge in edges for node in (edge.source, edge.target))
    names = {node: f"node-{i}" for i, node in enumerate(nodes)}
    for i, edge in enumerate(edges):
        name = f"edge-{i}-from-{names[edge.source]}-to-{names[edge.target]}"
        _paint_edge(ax, edge, name)
        if edge.label:
            names[edge.label] = name
    for node, name in names.items():
        _paint_node(ax, node, name)
    figure.set_size_inches(width + 2 * MARGIN, bottom - top)
    ax.set(xlim=(-MARGIN, width + MARGIN), ylim=(bottom, top))
    return figure


def _legend(edges, cost):
    """Return the lines that explain what is drawn, each with its colour."""
    nodes = [node for edge in edges for node in (edge.source, edge.target)]
    kinds = {node.kind for node in nodes}
    legend = {
        "above an edge: its value": (BLACK, any(edge.label for edge in edges)),
        f"below: ∂{cost}/∂value": (RED, any(e.label.derivative for e in edges if e.label)),
        "Σ: sum over the edges of a variable": (RED, any(node.derivative for node in nodes)),
        "green box: shared variable": (GREEN, "shared" in kinds),
        "dotted: no derivative": (GREY, any(edge.dotted for edge in edges)),
        "1, 2: order of operands": (GREY, any(edge.mark for edge in edges)),
        "dark: goes on in a later row": (GREY, "link" in kinds),
    }
    return [(text, color) for text, (color, needed) in legend.items() if needed]


def _write(ax, x, y, text, size, color=BLACK, **style):
    # Names aren't TeX formulas: a $ is a dollar sign.
    style = {"ha": "center", "va": "center", "parse_math": False, "usetex": False} | style
    if text:
        ax.text(x, y, text, size=size, color=color, zorder=3, **style)


def _paint_node(ax, node, name):
    x, y = node.x, node.y
    if node.kind in BOXES:
        border, line_width, inside, rounding = BOXES[node.kind]
        corner, shape = (x - node.box / 2, y - node.half), f"round,pad=0,rounding_size={rounding}"
        if node.box == 2 * node.half:
            shape = "circle,pad=0"
        style = {"fc": inside, "ec": border, "lw": line_width, "boxstyle": shape, "gid": name}
        ax.add_patch(FancyBboxPatch(corner, node.box, 2 * node.half, **style))
    color, above, below = "white" if node.kind == "link" else BLACK, y - node.half, y + node.half
    _write(ax, x, y, node.text, node.size, color, gid=f"{name}-text")
    _write(ax, x, above - 0.02, node.above, SMALL, va="bottom", gid=f"{name}-above")
    _write(ax, x, below + 0.02, node.derivative, SMALL, RED, va="top", gid=f"{name}-derivative")
    below += LINE * bool(node.derivative)
    _write(ax, x, below + 0.02, node.shape, SMALL - 1, GREY, va="top", gid=f"{name}-shape")


def _paint_edge(ax, edge, name):
    first, *between, last = edge.course
    beyond = max(abs(edge.port) - last.half + RADIUS, 0)  # where the corner is round
    tip = last.x - last.box / 2 + RADIUS - (RADIUS**2 - beyond**2) ** 0.5
    y = last.y + edge.port
    points = [(first.x + first.box / 2, first.y), (first.right, first.y)]
    stops = [(node.left, node.right, node.y) for node in between]
    for begin, end, height in [*stops, (last.left, tip, y)]:
        x0, y0 = points[-1]
        middle = (x0 + begin) / 2
        points += [(middle, y0), (middle, height), (begin, height), (end, height)]
    codes = [Path.MOVETO, Path.LINETO, *[*[Path.CURVE4] * 3, Path.LINETO] * (len(stops) + 1)]
    path, ls = Path(points, codes), ":" if edge.dotted else "-"
    style = {"arrowstyle": "-|>,head_length=6.5,head_width=2.8", "mutation_scale": 1, "zorder": 0}
    style |= {"color": "#444444", "lw": 1.1, "capstyle": "butt", "shrinkA": 0, "shrinkB": 0}
    ax.add_patch(FancyArrowPatch(path=path, ls=ls, gid=name, **style))
    if edge.dotted:  # the outline of its head is dotted as well
        ax.add_patch(FancyArrowPatch((tip - 0.1, y), (tip, y), gid=f"{name}-head", **style))
    ground = {"fc": "white", "ec": "none", "pad": 0.8}
    _write(ax, tip - 0.16, y, edge.mark, 7, GREY, bbox=ground, gid=f"{name}-mark")
