"""The nodes and edges of a drawing, and their places.

This is a layered layout (Sugiyama, Tagawa and Toda, "Methods for visual understanding of
hierarchical system structures", 1981). The layer of an operation is the length of the longest path
to it; layers fill rows as words fill lines. Each layer of a row is a column. The label of an edge
is laid out like a node, in a column between two layers, so that no edge runs through it.
"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from common.symbolic.drawing.numbers import is_plain, readable
from common.symbolic.graph import Constant, Shared, ancestors

__all__ = ["LINE", "RADIUS", "SMALL", "cut", "lay_out", "text_width"]

# Lengths are in inches, sizes of type in points.
RADIUS = 0.17  # of an operation's circle
SMALL, LINE = 9, 0.155  # of texts above and below: font size, height of a line
BETWEEN, PORT, ROW_GAP = 0.1, 0.16, 0.25  # between nodes of a column, arrowheads, and rows
SWEEPS = 12

_NAMES = "add sub mul true_div int_div mod pow abs sqr sqrt inv lt le gt ge eq neq invert"
_SIGNS = "+ − × ÷ // % ^ |x| x² √ 1/x < ≤ > ≥ = ≠ not"
SYMBOLS = dict(zip(_NAMES.split(), _SIGNS.split(), strict=True))
SYMBOLS |= {"and_": "and", "or_": "or", "sigmoid": "σ", "sum": "Σ", "logsumexp": "log Σ exp"}
COMMUTATIVE = ("add", "mul", "maximum", "minimum", "eq", "neq", "and_", "or_", "xor")


@dataclass(eq=False)
class Node:
    """What takes up room: a box, the end of an arrow, or a bend in one, which may have a label.

    `kind` is "input", "shared", "constant", "operation", "output", "link" (to another row) or
    "bend". Above it stands the name of a result or an edge's value, below it a derivative and a
    shape. `x` and `y` are its middle, from the upper left corner; `half` and `box` half the height
    and the width of its box, `up`, `down` and `width` those with the texts; `left` and `right` the
    ends of its column, where edges are level.
    """

    kind: str
    column: int
    text: str = ""
    above: str = ""
    derivative: str = ""
    shape: str = ""
    half: float = 0.14
    x = y = left = right = 0.0

    def __post_init__(self):
        self.size = 12 if self.kind == "operation" else 10
        self.box = text_width(self.text, self.size) + 0.16 * bool(self.text)
        if self.kind == "operation":
            self.box = max(2 * RADIUS, self.box)
        texts = (self.above, self.derivative, self.shape)
        self.width = max(self.box, *(text_width(text, SMALL) + 0.08 for text in texts))
        self.up = self.half + LINE * bool(self.above) + 0.02
        self.down = self.half + LINE * (bool(self.derivative) + bool(self.shape)) + 0.02


@dataclass(eq=False)
class Edge:
    """An edge: the nodes that it goes through, one per column.

    It ends `port` below the centre of the last one. `mark` is the number of the operand, if the
    order matters.
    """

    course: list
    dotted: bool = False
    port: float = 0.0
    mark: str = ""

    def steps(self):
        """Return each node with the next one, and how far below its middle that is entered."""
        ports = [*[0.0] * (len(self.course) - 2), self.port]
        return [(*nodes, port) for nodes, port in zip(pairwise(self.course), ports, strict=True)]


def lay_out(outputs, flow, width):
    """Return the edges of each row, nodes having their places, and the size of the drawing."""
    graph, links = _Graph(outputs, flow), {}
    rows = [graph.row(start, stop, links) for start, stop in pairwise(graph.starts(width))]
    sources = {edge.course[0] for edges in rows for edge in edges}
    boxes = [node for node in sources if node.kind in ("input", "shared", "link")]
    for node in boxes:
        node.box = max(other.box for other in boxes)
        node.width = max(other.width for other in boxes)
    right, bottom = 0.0, -ROW_GAP
    for edges in rows:
        row_width, bottom = _place(edges, bottom + ROW_GAP)
        right = max(right, row_width)
    return rows, (right, bottom)


class _Graph:
    """What is drawn, with the layer of each operation, from 1."""

    def __init__(self, outputs, flow):
        self.outputs, self.flow, self.order = outputs, flow, ancestors(outputs)
        self.step = 2 if flow.value else 1  # columns per layer: one is for the labels of edges
        self.layer, self.users = {}, defaultdict(list)
        for v in self.order:
            if v.operation is not None:
                self.layer[v] = 1 + max((self.layer.get(x, 0) for x in v.inputs), default=0)
            for x in v.inputs:
                self.users[x].append(v)
        for v in reversed(self.layer):  # in a later layer, if that doesn't make edges longer
            if v not in outputs and sum(x in self.layer for x in v.inputs) <= len(self.users[v]):
                self.layer[v] = min(self.layer[user] for user in self.users[v]) - 1

    def starts(self, width):
        """Return the first layer of each row, and where the last row ends."""
        end = 1 + max(self.layer.values(), default=1)
        edges = self.row(1, end, {})
        _place(edges, 0.0)
        right = sorted({node.right for edge in edges for node in edge.course})[:: self.step]
        starts = [1]
        for layer in range(2, end):
            if right[0] + right[layer] - right[starts[-1] - 1] + 0.5 > width:
                starts.append(layer)
        return [*starts, end]

    def row(self, start, stop, links):
        """Return the edges of a row of layers. `links` are the names of those to other rows."""
        nodes, edges, values = {}, [], self.flow.value

        def connect(x, target, derivative=None, **options):
            plain = is_plain(x)  # It stands beside each of its users, and is no path between them.
            if x in self.layer and x not in nodes:
                nodes[x] = Node("link", 0, links[x])
            elif plain or x not in nodes:
                nodes[x] = self.node(x, target.column - 1 if plain else 0)
            first = nodes[x].column + 1
            bends = [Node("bend", column, half=0) for column in range(first, target.column)]
            if values and not plain and target.kind != "link":
                label = readable(values[x]), readable(derivative)
                bends[0] = Node("bend", first, "", *label, half=0)
            edges.append(Edge([nodes[x], *bends, target], **options))

        for v in (v for v in self.order if start <= self.layer.get(v, 0) < stop):
            node, n = self.node(v, self.step * (self.layer[v] - start + 1)), len(v.inputs)
            ordered = n > 1 and v.operation.name not in COMMUTATIVE
            for i, x in enumerate(v.inputs):
                options = {"dotted": not v.operation.connected(i)}
                if ordered:
                    options |= {"port": PORT * (i - (n - 1) / 2), "mark": str(i + 1)}
                connect(x, node, self.flow.contribution.get((v, i)), **options)
            nodes[v] = node
            if any(self.layer[user] >= stop for user in self.users[v]):
                links[v] = cut(v.name or "")
                if not v.name or list(links.values()).count(links[v]) > 1:
                    links[v] = f"{links[v]} ({len(links)})".strip()
                connect(v, Node("link", node.column + self.step, links[v]))
        for i, v in enumerate(self.outputs):
            if start <= self.layer.get(v, 1) < stop:
                name = v.name or f"output {i}" * (len(self.outputs) > 1)
                column = self.step * (self.layer.get(v, 0) - start + 2)
                connect(v, Node("output", column, cut(name)), self.flow.total.get(v))
        return edges

    def node(self, v, column):
        """Return the node of a variable."""
        flow = self.flow
        dims = flow.value[v].shape if flow.value else v.dims
        several = sum(user.inputs[i] is v for user, i in flow.contribution) > 1
        below = (f"Σ {readable(flow.total[v])}" if several else "", str(dims) if dims else "")
        if v.operation is not None:
            name = "" if v in self.outputs else cut(v.name or "")  # else it's beside the arrow
            half = max(RADIUS, PORT * (len(v.inputs) - 1) / 2 + 0.06)
            return Node("operation", column, _symbol(v), name, *below, half)
        kinds = {Constant: "constant", Shared: "shared"}
        text = readable(v.value) if is_plain(v) else cut(v.name or f"<{v.dtype}>")
        return Node(kinds.get(type(v), "input"), column, text, "", *below)


def _symbol(v):
    operation = v.operation
    text = SYMBOLS.get(operation.name, operation.name.replace("_", " "))
    axes = getattr(operation, "axes", ())
    if operation.name == "cast":
        return f"to {v.dtype}"
    if operation.name in ("index", "dimshuffle"):  # as NumPy writes them: [1:, ·], .T
        return operation.code("", *["·"] * (len(v.inputs) - 1))
    if 0 < len(axes) < v.inputs[0].ndim and "softmax" not in operation.name:
        return f"{text} axis {', '.join(map(str, axes))}"
    return text


def cut(text, longest=28):
    """Return a text as one line of what can be printed, with at most `longest` characters."""
    text = "".join(c if c.isprintable() else "□" for c in " ".join(text.split()))
    return text if len(text) <= longest else text[: longest - 1] + "…"


def text_width(text, size, weight="normal"):
    """Return how wide a text is, in inches."""
    font = FontProperties(size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(text, font, False)[0] / 72 if text else 0.0


def _place(edges, top):
    """Give the nodes of a row their places, and edges their ports; return its width and bottom."""
    nodes = dict.fromkeys(node for edge in edges for node in edge.course)
    columns = [[] for _ in range(1 + max(node.column for node in nodes))]
    for node in nodes:
        columns[node.column].append(node)
    _choose_heights(columns, edges)
    up = top - min(node.y - node.up for node in nodes)
    for node in nodes:
        node.y += up

    gaps, heads = np.zeros((2, len(columns)))  # an arrowhead, with its mark, is part of a column
    for edge in edges:
        c = edge.course[-1].column
        heads[c] = max(heads[c], 0.23 if edge.mark else 0.1)
        for a, b, port in edge.steps():
            steep = abs(b.y + port - a.y)
            gaps[b.column] = max(gaps[b.column], 0.06 + min(0.3 * steep, 0.5))
    right = 0.0
    for gap, head, column in zip(gaps, heads, columns, strict=True):
        left = right + gap
        right = left + head + max(node.width for node in column)
        for node in column:
            node.left, node.right, node.x = left, right, (left + head + right) / 2
    return right, max(node.y + node.down for node in nodes)


def _choose_heights(columns, edges):
    """Order the nodes of each column, and give them heights.

    Sweeps over the columns move each node to the middle of its neighbours in the column before.
    The order that makes edges shortest is kept: in it few of them cross. The last sweeps go to the
    right, so that an operation stands in the middle of its inputs.
    """
    before, after = defaultdict(list), defaultdict(list)
    for edge in edges:
        for a, b, port in edge.steps():
            before[b].append((a, 0))
            after[a].append((b, port))

    def sweep(columns, near, far, order=None):
        for column in columns:
            wish = {}
            for node in column:
                ends = near[node] or far[node]
                wish[node] = sum(other.y + port for other, port in ends) / len(ends)
            column.sort(key=(order or wish).get)
            _spread(column, wish)

    shortest = np.inf
    for i in range(SWEEPS):
        sweep(*(columns, before, after) if i % 2 else (columns[::-1], after, before))
        length = sum(abs(b.y + port - a.y) for edge in edges for a, b, port in edge.steps())
        if length < shortest:
            shortest, order = length, {node: node.y for column in columns for node in column}
    for _ in range(SWEEPS):
        sweep(columns, before, after, order)
    for column in columns[1:]:  # from above, or in the order that matters
        for node in column:
            arriving = [edge for edge in edges if edge.course[-1] is node]
            arriving.sort(key=lambda edge: 0 if edge.mark else edge.course[-2].y)
            for i, edge in enumerate(arriving):
                edge.port = PORT * (i - (len(arriving) - 1) / 2)


def _spread(column, wish):
    """Give nodes the heights nearest to their wishes at which they keep apart.

    This is isotonic regression: nodes that would overlap move as one block.
    """
    starts = [*accumulate((a.down + BETWEEN + b.up for a, b in pairwise(column)), initial=0)]
    blocks = []  # the mean of what is wished for the height of the first node, and how many wish
    for node, start in zip(column, starts, strict=True):
        mean, n = wish[node] - start, 1
        while blocks and blocks[-1][0] > mean:
            other, m = blocks.pop()
            mean, n = (mean * n + other * m) / (n + m), n + m
        blocks.append((mean, n))
    first = [mean for mean, n in blocks for _ in range(n)]
    for node, start, height in zip(column, starts, first, strict=True):
        node.y = start + height
