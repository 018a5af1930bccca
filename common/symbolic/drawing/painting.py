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
BOXES = {
    "input": {"ec": BLUE, "fc": "#E6F1F8", "lw": 1.2},
    "shared": {"ec": GREEN, "fc": "#E3F4EE", "lw": 2.2},
    "constant": {"ec": "#999999", "fc": "#F4F4F4", "lw": 0.8},
    "operation": {"ec": BLACK, "fc": "white", "lw": 1.2},
    "link": {"ec": GREY, "fc": GREY, "lw": 1.2},
}
ROUNDING = {"operation": RADIUS, "link": 0.09}  # radius of the corners, else 0.02


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


def painted(nodes, title, cost):
    """Return the figure of a graph that is laid out, with a title above and a legend below."""
    names = {node: f"node-{i}" for i, node in enumerate(nodes)}
    edges = {edge: node for node in nodes for edge in node.edges}
    figure = _Drawing(facecolor="white", layout="none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    for i, (edge, node) in enumerate(edges.items()):
        source = names[edge.course[0]] if edge.course else f"constant-{i}"
        _paint_edge(ax, edge, node, source, f"edge-{i}-from-{source}-to-{names[node]}")
    for node, name in names.items():
        _paint_node(ax, node, name)

    kinds = {node.kind for node in nodes}
    legend = (
        ("above an edge: its value", BLACK, any(edge.value and edge.course for edge in edges)),
        (f"below: ∂{cost}/∂value", RED, any(edge.derivative for edge in edges)),
        ("Σ: sum over the edges of a variable", RED, any(node.derivative for node in nodes)),
        ("green box: shared variable", GREEN, "shared" in kinds),
        ("dotted: no derivative", GREY, any(edge.dotted for edge in edges)),
        ("1, 2: order of operands", GREY, any(edge.mark for edge in edges)),
        ("dark: goes on in a later row", GREY, "link" in kinds),
    )
    legend = {text: (color, text_width(text, SMALL)) for text, color, needed in legend if needed}
    width = max(2.6, *(node.ends[-1] for node in nodes), *(room for _, room in legend.values()))
    heading = textwrap.wrap(cut(title or "", 300), int(9.5 * width))
    width = max([width, *(text_width(line, 12, "bold") for line in heading)])
    corner = {"ha": "left", "va": "top"}
    top = -MARGIN - 0.26 * len(heading)
    _write(ax, 0, top + MARGIN, "\n".join(heading), 12, weight="bold", gid="title", **corner)
    x, bottom = width, max(node.y + node.down for node in nodes) + 0.05
    for i, (text, (color, room)) in enumerate(legend.items()):
        if x + room > width:
            x, bottom = 0.0, bottom + LINE
        _write(ax, x, bottom, text, SMALL, color, gid=f"legend-{i}", **corner)
        x += room + 0.2
    bottom += MARGIN + LINE * bool(legend)
    figure.set_size_inches(width + 2 * MARGIN, bottom - top)
    ax.set(xlim=(-MARGIN, width + MARGIN), ylim=(bottom, top))
    return figure


def _write(ax, x, y, text, size, color=BLACK, ha="center", va="center", **style):
    style |= {"ha": ha, "va": va, "size": size, "color": color}
    if text:  # Names aren't TeX formulas: a $ is a dollar sign.
        ax.text(x, y, text, parse_math=False, usetex=False, **style)


def _write_around(ax, x, y, half, name, above, derivative, shape=""):
    """Write what stands above and below an edge, or a box that is twice `half` high."""
    _write(ax, x, y - half - 0.02, above, SMALL, va="bottom", gid=f"{name}-above")
    y += half + 0.02
    _write(ax, x, y, derivative, SMALL, RED, va="top", gid=f"{name}-derivative")
    y += LINE * bool(derivative)
    _write(ax, x, y, shape, SMALL - 1, GREY, va="top", gid=f"{name}-shape")


def _paint_node(ax, node, name):
    x, y, half = node.x, node.y, node.half
    if node.kind in BOXES:
        circle, rounding = node.box == 2 * half, ROUNDING.get(node.kind, 0.02)
        shape = "circle,pad=0" if circle else f"round,pad=0,rounding_size={rounding}"
        corner, style = (x - node.box / 2, y - half), BOXES[node.kind]
        ax.add_patch(FancyBboxPatch(corner, node.box, 2 * half, shape, gid=name, **style))
    color = "white" if node.kind == "link" else BLACK
    _write(ax, x, y, node.text, node.size, color, gid=f"{name}-text")
    _write_around(ax, x, y, half, name, node.above, node.derivative, node.shape)


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
        _write_around(ax, middle, port, 0, name, edge.value, edge.derivative)
    else:
        start = middle + text_width(edge.value, SMALL) / 2 + 0.04
        box = BOXES["constant"] | {"pad": 3.5}
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
