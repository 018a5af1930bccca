"""Paint a drawing whose nodes and edges have been placed, as a figure or the bytes of a file."""

import io
import re
import textwrap

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from common.scripts.plot import BLACK, BLUE, GREEN, RED, as_png
from common.symbolic.drawing.layout import LINE, PORT, RADIUS, SMALL, cut, text_width

__all__ = ["painted"]

MARGIN = 0.15  # inches, around everything
GREY = "#595959"
BOXES = {  # colour of the border, its width, colour of the inside, and radius of the corners
    "input": (BLUE, 1.2, "#E6F1F8", 0.02),
    "shared": (GREEN, 2.2, "#E3F4EE", 0.02),
    "constant": ("#999999", 0.8, "#F4F4F4", 0.02),
    "operation": (BLACK, 1.2, "white", RADIUS),
    "link": (GREY, 1.2, GREY, 0.09),
}


class _Drawing(Figure):
    """A figure that says in words what it shows."""

    about = ""

    def __repr__(self):
        return self.about

    def as_file(self, suffix):
        """Return the bytes of a file with this suffix: the same for the same drawing."""
        if suffix == ".png":
            return as_png(self, dpi=2 * self.dpi)
        with mpl.rc_context({"svg.hashsalt": "drawing", "svg.fonttype": "none"}):
            metadata = {"Date": None, "Title": self.about}
            self.savefig(file := io.BytesIO(), format="svg", metadata=metadata)
        # It takes the width that there is, up to its own.
        size = f'width="100%" style="max-width: {self.get_figwidth():.2f}in" role="img" '
        absolute = r'width="[\d.]+pt" height="[\d.]+pt" '
        return re.sub(absolute, size, file.getvalue().decode(), count=1).encode()


def painted(rows, size, title, cost):
    """Return the figure of a graph that is laid out, with a title above and a legend below."""
    nodes = [node for row in rows for column in row for node in column if node.kind != "bend"]
    edges = {edge: node for node in nodes for edge in node.edges}
    legend = _legend(edges, nodes, cost)
    heading = textwrap.wrap(cut(title or "", 300), int(9.5 * max(size[0], 2.6)))
    widths = [text_width(words, 12, "bold") for words in heading]
    width = max([size[0], 2.6, *widths, *(text_width(text, SMALL) for text, _ in legend)])
    figure = _Drawing(facecolor="white", layout="none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()

    left = {"ha": "left", "va": "top"}
    top = -MARGIN - 0.26 * len(heading)
    _write(ax, 0, top + MARGIN, "\n".join(heading), 12, weight="bold", gid="title", **left)
    x, bottom = width, size[1] + 0.05
    for i, (text, color) in enumerate(legend):
        room = text_width(text, SMALL)
        if x + room > width:
            x, bottom = 0.0, bottom + LINE
        _write(ax, x, bottom, text, SMALL, color, gid=f"legend-{i}", **left)
        x += room + 0.2
    bottom += MARGIN + LINE * bool(legend)
    names = {node: f"node-{i}" for i, node in enumerate(nodes)}
    for i, (edge, node) in enumerate(edges.items()):
        source = names[edge.course[0]] if edge.course else f"constant-{i}"
        _paint_edge(ax, edge, node, source, f"edge-{i}-from-{source}-to-{names[node]}")
    for node, name in names.items():
        _paint_node(ax, node, name)
    figure.set_size_inches(width + 2 * MARGIN, bottom - top)
    ax.set(xlim=(-MARGIN, width + MARGIN), ylim=(bottom, top))
    return figure


def _legend(edges, nodes, cost):
    """Return what must be explained, with its colour."""
    kinds = {node.kind for node in nodes}
    legend = (
        (any(edge.value and edge.course for edge in edges), "above an edge: its value", BLACK),
        (any(edge.derivative for edge in edges), f"below: ∂{cost}/∂value", RED),
        (any(node.derivative for node in nodes), "Σ: sum over the edges of a variable", RED),
        ("shared" in kinds, "green box: shared variable", GREEN),
        (any(edge.dotted for edge in edges), "dotted: no derivative", GREY),
        (any(edge.mark for edge in edges), "1, 2: order of operands", GREY),
        ("link" in kinds, "dark: goes on in a later row", GREY),
    )
    return [(text, color) for needed, text, color in legend if needed]


def _write(ax, x, y, text, size, color=BLACK, ha="center", va="center", **style):
    style |= {"ha": ha, "va": va, "size": size, "color": color}
    if text:  # Names aren't TeX formulas: a $ is a dollar sign.
        ax.text(x, y, text, parse_math=False, usetex=False, **style)


def _write_label(ax, x, y, above, below, name, half=0.0):
    """Write what stands above and below an edge, or a box that is twice `half` high."""
    _write(ax, x, y - half - 0.02, above, SMALL, va="bottom", gid=f"{name}-above")
    _write(ax, x, y + half + 0.02, below, SMALL, RED, va="top", gid=f"{name}-derivative")


def _paint_node(ax, node, name):
    x, y, half = node.x, node.y, node.half
    if node.kind in BOXES:
        border, line_width, inside, rounding = BOXES[node.kind]
        circle = node.box == 2 * half
        shape = "circle,pad=0" if circle else f"round,pad=0,rounding_size={rounding}"
        style = {"fc": inside, "ec": border, "lw": line_width, "boxstyle": shape, "gid": name}
        ax.add_patch(FancyBboxPatch((x - node.box / 2, y - half), node.box, 2 * half, **style))
    color = "white" if node.kind == "link" else BLACK
    _write(ax, x, y, node.text, node.size, color, gid=f"{name}-text")
    _write_label(ax, x, y, node.above, node.derivative, name, half)
    below = y + half + LINE * bool(node.derivative) + 0.02
    _write(ax, x, below, node.shape, SMALL - 1, GREY, va="top", gid=f"{name}-shape")


def _paint_edge(ax, edge, node, source, name):
    left, turn, begin, _ = node.ends
    middle, port = (left + turn) / 2, node.y + edge.place * node.pitch
    y = node.y + edge.place * PORT
    beyond = max(abs(y - node.y) - node.half + RADIUS, 0)  # where the corner is round
    tip = node.x - node.box / 2 + RADIUS - (RADIUS**2 - beyond**2) ** 0.5
    level = [(bend.ends[0], bend.ends[-1], bend.y) for bend in edge.course]
    level += [(left, turn, port), (begin - (0.23 if edge.mark else 0.1), tip, y)]
    if edge.course:
        start = edge.course[0].x + edge.course[0].box / 2
        _write_label(ax, middle, port, edge.value, edge.derivative, name)
    else:
        start = middle + text_width(edge.value, SMALL) / 2 + 0.04
        border, line_width, inside, _ = BOXES["constant"]
        box = {"fc": inside, "ec": border, "lw": line_width, "pad": 3.5}
        _write(ax, middle, port, edge.value, SMALL, bbox=box, gid=f"{source}-text")
    points = [(start, level[0][2]), level[0][1:]]
    for start, stop, height in level[1:]:
        x0, y0 = points[-1]
        half = (x0 + start) / 2
        points += [(half, y0), (half, height), (start, height), (stop, height)]
    codes = [Path.MOVETO, Path.LINETO, *[*[Path.CURVE4] * 3, Path.LINETO] * (len(level) - 1)]
    style = {"arrowstyle": "-|>,head_length=6.5,head_width=2.8", "capstyle": "butt"}
    style |= {"color": "#444444", "lw": 1.1}
    ls = ":" if edge.dotted else "-"
    ax.add_patch(FancyArrowPatch(path=Path(points, codes), ls=ls, gid=name, **style))
    if edge.dotted:  # the outline of its head is dotted as well
        head = Path([(tip - 0.1, y), (tip, y)])
        ax.add_patch(FancyArrowPatch(path=head, gid=f"{name}-head", **style))
    ground = {"fc": "white", "ec": "none", "pad": 0.8}
    _write(ax, tip - 0.16, y, edge.mark, 7, GREY, bbox=ground, gid=f"{name}-mark")
