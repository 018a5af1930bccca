"""Painting a drawing, when all has its place."""

import io
import re

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path
from PIL import Image

from common.scripts.plot import BLACK, BLUE, GREEN, RED
from common.symbolic.drawing.layout import (
    HEAD,
    NAME,
    RADIUS,
    SHAPE,
    SYMBOL,
    VALUE,
    cut,
    line,
    text_width,
)

__all__ = ["FORMATS", "painted"]

TITLE = 12  # points
MARGIN = 0.15  # inches, around everything
GREY, LINE = "#595959", "#444444"
BOXES = {  # colour of the border, its width, and colour of the inside
    "input": (BLUE, 1.2, "#E6F1F8"),
    "shared": (GREEN, 2.2, "#E3F4EE"),
    "constant": ("#999999", 0.8, "#F4F4F4"),
    "operation": (BLACK, 1.2, "white"),
    "link": (GREY, 1.2, GREY),
}
FORMATS = (".png", ".svg")


class _Drawing(Figure):
    """A figure that Jupyter shows without pyplot, and that says in words what it shows."""

    about = ""

    def __repr__(self):
        return self.about

    def _repr_png_(self):
        width, height = self.get_size_inches() * self.dpi
        return self.as_file(".png"), {"width": round(width), "height": round(height)}

    def as_file(self, suffix):
        """Return the bytes of a file with this suffix: the same for the same drawing."""
        file = io.BytesIO()
        if suffix == ".png":  # with two pixels per point of the screen, and a palette
            self.savefig(file, format="png", dpi=2 * self.dpi)
            image, file = Image.open(file).convert("RGB").quantize(64), io.BytesIO()
            image.save(file, "PNG", optimize=True)
            return file.getvalue()
        with mpl.rc_context({"svg.hashsalt": "drawing", "svg.fonttype": "none"}):
            self.savefig(file, format="svg", metadata={"Date": None, "Title": self.about})
        # It takes the width that there is, up to its own.
        size = f'width="100%" style="max-width: {self.get_figwidth():.2f}in" role="img" '
        absolute = r'width="[\d.]+pt" height="[\d.]+pt" '
        return re.sub(absolute, size, file.getvalue().decode(), count=1).encode()


def painted(rows, size, title, cost):
    """Return the figure."""
    edges = [edge for row in rows for edge in row]
    width = max(size[0], 2.6)
    words = [(word, BLACK) for word in cut(title or "", 300).split()]
    heading = _flowed(words, width, TITLE, 0.06, weight="bold")
    legend = _flowed(_legend(edges, cost), width, VALUE, 0.2)
    top = MARGIN + line(TITLE) * len(heading) + 0.05 * bool(heading)
    bottom = top + size[1] + 0.2 * bool(legend)
    height = bottom + line(VALUE) * len(legend) + MARGIN
    figure = _Drawing(figsize=(width + 2 * MARGIN, height), facecolor="white", layout="none")
    limits = {"xlim": (-MARGIN, width + MARGIN), "ylim": (height, 0)}
    ax = figure.add_axes((0, 0, 1, 1), aspect="equal", **limits)
    ax.set_axis_off()
    left = {"ha": "left", "va": "top"}
    for i, parts in enumerate(heading):
        words, y = " ".join(word for _, word, _ in parts), MARGIN + line(TITLE) * i
        _write(ax, 0, y, words, TITLE, weight="bold", gid=f"title-{i}", **left)
    for i, parts in enumerate(legend):
        for j, (x, text, color) in enumerate(parts):
            y = bottom + line(VALUE) * i
            _write(ax, x, y, text, VALUE, color, gid=f"legend-{i}-{j}", **left)
    if legend:
        ax.plot([0, width], [bottom - 0.08] * 2, color="#CCCCCC", lw=0.8)
    nodes = dict.fromkeys(node for edge in edges for node in (edge.source, edge.target))
    names = {node: f"node-{i}" for i, node in enumerate(nodes)}
    for i, edge in enumerate(edges):
        name = f"edge-{i}-from-{names[edge.source]}-to-{names[edge.target]}"
        _paint_edge(ax, edge, name, top)
        if edge.label:
            names[edge.label] = name
    for node, name in names.items():
        _paint_node(ax, node, name, node.y + top)
    return figure


def _legend(edges, cost):
    """Return what must be explained, with its colour."""
    nodes = [node for edge in edges for node in (edge.source, edge.target)]
    kinds = {node.kind for node in nodes}
    legend = {
        "above an edge: its value": (BLACK, edges[0].label),
        f"below: ∂{cost}/∂value": (RED, any(e.label and e.label.derivative for e in edges)),
        "Σ: sum over the edges of a variable": (RED, any(node.derivative for node in nodes)),
        "blue box: input": (BLUE, {"input", "shared"} <= kinds),
        "green box: shared variable": (GREEN, "shared" in kinds),
        "dotted: no derivative": (GREY, any(edge.dotted for edge in edges)),
        "1, 2: order of operands": (GREY, any(edge.mark for edge in edges)),
        "dark: goes on in a later row": (GREY, "link" in kinds),
    }
    return [(text, color) for text, (color, needed) in legend.items() if needed]


def _flowed(parts, width, size, gap, **style):
    """Return lines of (x, text, colour), each at most as wide as `width`."""
    lines, x = [], width
    for text, color in parts:
        room = text_width(text, size, **style)
        if x + room > width:
            lines.append([])
            x = 0.0
        lines[-1].append((x, text, color))
        x += room + gap
    return lines


def _write(ax, x, y, text, size, color=BLACK, **style):
    # Names are no formulas: a $ is a dollar.
    style = {"ha": "center", "va": "center", "parse_math": False, "usetex": False} | style
    if text:
        ax.text(x, y, text, size=size, color=color, zorder=3, **style)


def _paint_node(ax, node, name, y):
    x, below = node.x, y + node.half + 0.02
    size = NAME if node.text else VALUE
    _write(ax, x, y - node.half - 0.02, node.above, size, va="bottom", gid=f"{name}-above")
    _write(ax, x, below, node.derivative, VALUE, RED, va="top", gid=f"{name}-derivative")
    text, shape = {"gid": f"{name}-text"}, {"gid": f"{name}-shape"}
    if node.kind in BOXES:
        _paint_box(ax, node, name, y)
    if node.kind == "output":
        _write(ax, x + 0.03, y, node.text, NAME, weight="bold", **text)
    elif node.kind == "operation":
        _write(ax, x, y, node.text, 1.8 * SYMBOL if node.text == "·" else SYMBOL, **text)
        below += line(VALUE, node.derivative)
        _write(ax, x, below, node.shape, SHAPE, GREY, va="top", **shape)
    elif node.kind != "label":
        color = "white" if node.kind == "link" else BLACK
        _write(ax, x, y - line(SHAPE, node.shape) / 2, node.text, NAME, color, **text)
        _write(ax, x, y + line(NAME) / 2, node.shape, SHAPE, GREY, **shape)


def _is_round(node):
    return node.kind == "operation" and max(node.box, 2 * node.half) <= 2 * RADIUS


def _paint_box(ax, node, name, y):
    border, line_width, inside = BOXES[node.kind]
    style = {"fc": inside, "ec": border, "lw": line_width, "gid": name}
    if _is_round(node):
        ax.add_patch(Circle((node.x, y), RADIUS, **style))
    else:
        corner = node.x - node.box / 2, y - node.half
        rounding = 0.09 if node.kind in ("operation", "link") else 0.02
        shape = f"round,pad=0,rounding_size={rounding}"
        ax.add_patch(FancyBboxPatch(corner, node.box, 2 * node.half, boxstyle=shape, **style))


def _paint_edge(ax, edge, name, top):
    first, *between, last = edge.course
    points = [(first.x + first.box / 2, first.y), (first.x + first.room, first.y)]
    codes = [Path.MOVETO, Path.LINETO]
    reach = (RADIUS**2 - edge.port**2) ** 0.5 if _is_round(last) else last.box / 2
    tip = np.array([last.x - reach, last.y + edge.port])
    stops = [(node.x - node.room, node.x + node.room, node.y) for node in between]
    for begin, end, y in [*stops, (last.x - last.room - edge.head, tip[0] - HEAD, tip[1])]:
        x0, y0 = points[-1]
        middle = (x0 + begin) / 2
        points += [(middle, y0), (middle, y), (begin, y), (end, y)]
        codes += [Path.CURVE4] * 3 + [Path.LINETO]
    style = {"ls": (0, (1, 2)), "capstyle": "round"} if edge.dotted else {"capstyle": "butt"}
    down, head = (0, top), [(0, 0), (-HEAD, -0.043), (-HEAD, 0.043)]
    path = Path(np.array(points) + down, codes)
    ax.add_patch(PathPatch(path, fc="none", ec=LINE, lw=1.1, zorder=0, gid=name, **style))
    ax.add_patch(Polygon(tip + down + head, fc=LINE, ec="none", zorder=2, gid=f"{name}-head"))
    ground = {"fc": "white", "ec": "none", "pad": 0.8}
    x, y = tip + down - (HEAD + 0.06, 0)
    _write(ax, x, y, edge.mark, 7, GREY, bbox=ground, gid=f"{name}-mark")
