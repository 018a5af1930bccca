"""Painting a drawing, when all has its place."""

import io

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path

from common.scripts.plot import BLACK, BLUE, GREEN, RED
from common.symbolic.drawing.parts import (
    HEAD_LENGTH,
    HEAD_WIDTH,
    LABEL_GAP,
    LINE_GAP,
    NAME_GAP,
    NAME_SIZE,
    RADIUS,
    SHAPE_SIZE,
    SYMBOL_SIZE,
    VALUE_SIZE,
    clean,
    line_height,
    text_width,
)

__all__ = ["FORMATS", "as_file", "painted"]

TITLE_SIZE = 12
MARGIN = 0.15  # around everything
GREY, LINE = "#595959", "#444444"
FORWARD, BACKWARD = BLACK, RED
BOXES = {  # colour of the border, its width, and colour of the inside
    "input": (BLUE, 1.2, "#E6F1F8"),
    "shared": (GREEN, 2.2, "#E3F4EE"),
    "constant": ("#999999", 0.8, "#F4F4F4"),
    "operation": (BLACK, 1.2, "white"),
}
FORMATS = {".png": {"Software": None}, ".svg": {"Date": None}}  # and what to leave out of the file


class _Drawing(Figure):
    def _repr_png_(self):  # notebooks show it without pyplot, too
        return as_file(self, ".png")


def painted(nodes, edges, size, title, cost):
    """Return the figure."""
    title = clean(title or "")
    legend = _legend(nodes, edges, cost)
    ends = [0.0]
    for kind, text in legend:
        ends.append(ends[-1] + text_width(text, VALUE_SIZE) + (0.75 if kind == "dotted" else 0.35))
    content = max(size[0], ends[-1], text_width(title, TITLE_SIZE, weight="bold"))
    width = content + 2 * MARGIN
    top = MARGIN + 1.7 * line_height(TITLE_SIZE) * bool(title)
    height = top + size[1] + 0.4 * bool(legend) + MARGIN

    figure = _Drawing(figsize=(width, height), facecolor="white", layout="none")
    graph, around = (
        figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), aspect="equal", label=name)
        for name in ("graph", "title and legend")
    )
    for ax in (graph, around):
        ax.set_axis_off()
    if title:
        _write(around, width / 2, MARGIN, title, TITLE_SIZE, va="top", weight="bold")
    for node in dict.fromkeys(node for edge in edges for node in edge.course):
        node.x += (width - size[0]) / 2
        node.y += top
        _paint_node(graph, node)
    for edge in edges:
        _paint_edge(graph, edge)
    for (kind, text), start in zip(legend, ends, strict=False):
        _paint_sample(around, kind, text, MARGIN + start, height - MARGIN - 0.12)
    return figure


def _legend(nodes, edges, cost):
    """Return what must be explained: kinds of samples, and texts."""
    legend = []
    if edges[0].label is not None:
        legend.append(("forward", "forward: value"))
        if any(edge.label.derivative for edge in edges):
            legend.append(("backward", f"backward: ∂{cost}/∂…"))
        if any(node.derivative for node in nodes):
            legend.append(("backward", "Σ: sum of what comes back"))
    kinds = [kind for kind in ("input", "shared") if any(node.kind == kind for node in nodes)]
    if "shared" in kinds:
        legend += [(kind, kind) for kind in kinds]
    if any(edge.dotted for edge in edges):
        legend.append(("dotted", "no derivative comes back"))
    return legend


def _paint_sample(ax, kind, text, x, y):
    width = text_width(text, VALUE_SIZE)
    if kind == "dotted":
        _paint_line(ax, [(x, y), (x + 0.35, y)], [Path.MOVETO, Path.LINETO], dotted=True)
        x += 0.42
    elif kind in BOXES:
        _paint_box(ax, kind, x - 0.04, y - 0.1, width + 0.12, 0.2)
        x += 0.02
    colour = {"forward": FORWARD, "backward": BACKWARD}.get(kind, BLACK)
    _write(ax, x, y, text, VALUE_SIZE, ha="left", color=colour)


def _write(ax, x, y, text, size, **style):
    # Names are no formulas: a $ is a dollar.
    style = {"ha": "center", "va": "center", "color": BLACK} | style
    ax.text(x, y, text, size=size, zorder=3, parse_math=False, usetex=False, **style)


def _paint_node(ax, node):
    if node.kind == "bend":
        return
    if node.kind == "label":
        _write(ax, node.x, node.y - LABEL_GAP, node.above, VALUE_SIZE, va="bottom", color=FORWARD)
        if node.derivative:
            y = node.y + LABEL_GAP
            _write(ax, node.x, y, node.derivative, VALUE_SIZE, va="top", color=BACKWARD)
        return
    if node.kind == "output":
        if node.text:
            _write(ax, node.x + 0.03, node.y, node.text, NAME_SIZE, weight="bold")
        return
    if _is_round(node):
        border, line_width, inside = BOXES[node.kind]
        ax.add_patch(Circle((node.x, node.y), node.half, fc=inside, ec=border, lw=line_width))
    else:
        corner = node.x - node.box / 2, node.y - node.half
        _paint_box(ax, node.kind, *corner, node.box, 2 * node.half)
    size = SYMBOL_SIZE if node.kind == "operation" else NAME_SIZE
    if node.text == "·":
        size *= 1.8
    _write(ax, node.x, node.y, node.text, size)
    if node.above:
        _write(ax, node.x, node.y - node.half - NAME_GAP, node.above, NAME_SIZE, va="bottom")
    y = node.y + node.half + LINE_GAP
    if node.derivative:
        _write(ax, node.x, y, node.derivative, VALUE_SIZE, va="top", color=BACKWARD)
        y += line_height(VALUE_SIZE) + LINE_GAP
    if node.shape:
        _write(ax, node.x, y, node.shape, SHAPE_SIZE, va="top", color=GREY)


def _is_round(node):
    return node.kind == "operation" and node.box <= 2 * RADIUS and node.half <= RADIUS


def _paint_box(ax, kind, x, y, width, height):
    border, line_width, inside = BOXES[kind]
    corners = "round,pad=0,rounding_size=0.09" if kind == "operation" else "square,pad=0"
    ax.add_patch(
        FancyBboxPatch((x, y), width, height, boxstyle=corners, fc=inside, ec=border, lw=line_width)
    )


def _paint_edge(ax, edge):
    first, *between, last = edge.course
    points = [(first.x + first.box / 2, first.y), (first.x + first.room, first.y)]
    codes = [Path.MOVETO, Path.LINETO]
    tip = last.x - _edge_of(last, edge.port), last.y + edge.port
    base = tip[0] - HEAD_LENGTH, tip[1]
    stops = [(node.x - node.room, node.x + node.room, node.y) for node in between]
    stops.append((last.x - last.room - HEAD_LENGTH, *base))
    for begin, end, y in stops:
        x0, y0 = points[-1]
        middle = (x0 + begin) / 2
        points += [(middle, y0), (middle, y), (begin, y), (end, y)]
        codes += [Path.CURVE4] * 3 + [Path.LINETO]
    _paint_line(ax, points, codes, edge.dotted)
    sides = [(base[0], base[1] + side * HEAD_WIDTH / 2) for side in (-1, 1)]
    ax.add_patch(Polygon([tip, *sides], fc=LINE, ec="none", zorder=2))


def _edge_of(node, port):
    """Return how far left of its middle a node ends at the height `port`."""
    if node.kind == "output":
        return node.width / 2
    return (node.half**2 - port**2) ** 0.5 if _is_round(node) else node.box / 2


def _paint_line(ax, points, codes, dotted):
    style = {"ls": (0, (1, 2)), "capstyle": "round"} if dotted else {"capstyle": "butt"}
    ax.add_patch(PathPatch(Path(points, codes), fc="none", ec=LINE, lw=1.1, zorder=0, **style))


def as_file(figure, suffix):
    """Return a figure as the bytes of a file with this suffix."""
    image = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "drawing"}):  # so that the same drawing is the same file
        figure.savefig(image, format=suffix[1:], dpi="figure", metadata=FORMATS[suffix])
    return image.getvalue()
