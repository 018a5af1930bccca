"""The nodes and edges of a drawing, and their places.

This is a layered layout (Sugiyama, Tagawa and Toda, "Methods for visual understanding of
hierarchical system structures", 1981). The layer of an operation is the length of the longest path
to it; layers fill rows as words fill lines. Each layer of a row is a column. The label of an edge
is laid out like a node, in a column between two layers, so that no edge runs through it.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

from common.symbolic.drawing.numbers import is_plain, readable
from common.symbolic.graph import Constant, Shared, ancestors

__all__ = ["LINE", "RADIUS", "SMALL", "cut", "lay_out", "text_width"]

# Lengths are in inches, sizes of type in points.
RADIUS = 0.17  # of an operation's circle
SMALL, LINE = 9, 0.155  # of texts above and below: font size, height of a line
BETWEEN, PORT, ROW_GAP = 0.1, 0.16, 0.25  # between nodes of a column, arrowheads, and rows
SWEEPS = 24

_NAMES = "add sub mul true_div int_div mod pow abs sqr sqrt inv lt le gt ge eq neq invert"
_SIGNS = "+ − × ÷ // % ^ |x| x² √ 1/x < ≤ > ≥ = ≠ not"
SYMBOLS = dict(zip(_NAMES.split(), _SIGNS.split(), strict=True))
SYMBOLS |= {"and_": "and", "or_": "or", "sigmoid": "σ", "sum": "Σ", "logsumexp": "log Σ exp"}
COMMUTATIVE = ("add", "mul", "maximum", "minimum", "eq", "neq", "and_", "or_", "xor")


@dataclass(eq=False)
class Node:
    """What takes up space: a box, the end of an arrow, the label of an edge, or a bend in one.

    `kind` is "input", "shared", "constant", "operation", "output", "link" (to another row), "label"
    or "bend". Above it stands the name of a result or an edge's value, below it a derivative and a
    shape. (`x`, `y`) is its centre, from the upper left corner. `half` is half the height of its
    box, `box` the width. With its texts it extends by `up` above the centre and by `down` below it,
    and is `width` wide. `left` and `right` are the ends of its column, where edges are level.
    """

    kind: str
    column: int
    text: str = ""
    above: str = ""
    derivative: str = ""
    shape: str = ""
    n_inputs: int = 1
    x = y = left = right = 0.0

    def __post_init__(self):
        sizes = {"label": (SMALL, 0, 0), "bend": (SMALL, 0, 0), "operation": (12, RADIUS, 0.16)}
        self.size, self.half, around = sizes.get(self.kind, (10, 0.14, 0.16))
        self.box = text_width(self.text, self.size) + around * bool(self.text)
        if self.kind == "operation":
            self.box = max(2 * RADIUS, self.box)
            self.half = max(RADIUS, PORT * (self.n_inputs - 1) / 2 + 0.06)
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
    port: float = 0.0
    mark: str = ""
    dotted: bool = False

    def __post_init__(self):
        self.source, self.target = self.course[0], self.course[-1]
        self.label = self.course[1] if self.course[1].kind == "label" else None


def lay_out(outputs, flow, width):
    """Return the edges of each row, with all nodes placed, and the size of the drawing."""
    text_width.cache_clear()  # since the font may have changed
    graph = _Graph(outputs, flow)
    starts, end = [1], 1 + max(graph.layer.values(), default=1)
    for layer in range(2, end):
        if _place(graph.row(starts[-1], layer + 1, {}), 0.0)[0] > width:
            starts.append(layer)
    links = {}
    rows = [graph.row(start, stop, links) for start, stop in pairwise([*starts, end])]
    sources = {edge.source for edges in rows for edge in edges}
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
        self.layer, self.users = {}, defaultdict(list)
        for v in self.order:
            if v.operation is not None:
                self.layer[v] = 1 + max((self.layer.get(x, 0) for x in v.inputs), default=0)
            for x in v.inputs:
                self.users[x].append(v)
        for v in reversed(self.layer):  # in a later layer, if that doesn't make edges longer
            if v not in outputs and sum(x in self.layer for x in v.inputs) <= len(self.users[v]):
                self.layer[v] = min(self.layer[user] for user in self.users[v]) - 1

    def row(self, start, stop, links):
        """Return the edges of a row of layers. `links` are the names of those to other rows."""
        nodes, edges, values = {}, [], self.flow.value
        step = 2 if values else 1  # columns per layer

        def connect(x, target, derivative=None, **options):
            if is_plain(x):  # a constant stands beside each of its users, so it connects none
                source = self.node(x, target.column - 1)
            elif x not in nodes and x in self.layer:
                source = nodes[x] = Node("link", 0, links.get(x, ""))
            else:
                source = nodes[x] = nodes.get(x) or self.node(x, 0)
            course = [Node("bend", c) for c in range(source.column, target.column + 1)]
            if values and not is_plain(x) and target.kind != "link":
                texts = readable(values[x]), readable(derivative)
                course[1] = Node("label", source.column + 1, "", *texts)
            course[0], course[-1] = source, target
            edges.append(Edge(course, **options))

        for v in (v for v in self.order if start <= self.layer.get(v, 0) < stop):
            node, n = self.node(v, step * (self.layer[v] - start + 1)), len(v.inputs)
            ordered = n > 1 and v.operation.name not in COMMUTATIVE
            for i, x in enumerate(v.inputs):
                options = {"dotted": not v.operation.connected(i)}
                if ordered:
                    options |= {"port": PORT * (i - (n - 1) / 2), "mark": str(i + 1)}
                connect(x, node, self.flow.contribution.get((v, i)), **options)
            nodes[v] = node
            if any(self.layer[user] >= stop for user in self.users[v]):
                name = links.setdefault(v, cut(v.name or f"({1 + sum(not u.name for u in links)})"))
                connect(v, Node("link", node.column + step, name))
        for i, v in enumerate(self.outputs):
            if start <= self.layer.get(v, 1) < stop:
                name = v.name or f"output {i}" * (len(self.outputs) > 1)
                column = step * (self.layer.get(v, 0) - start + 2)
                connect(v, Node("output", column, cut(name)), self.flow.total.get(v))
        return edges

    def node(self, v, column):
        """Return the node of a variable."""
        flow = self.flow
        dims = flow.value[v].shape if flow.value else v.dims
        several = sum(user.inputs[i] is v for user, i in flow.contribution) > 1
        derivative = f"Σ {readable(flow.total[v])}" if several else ""
        shape = str(dims) if dims else ""
        if v.operation is not None:  # the name of an output stands at the end of its arrow
            name = "" if v in self.outputs else cut(v.name or "")
            return Node("operation", column, _symbol(v), name, derivative, shape, len(v.inputs))
        kinds = {Constant: "constant", Shared: "shared"}
        text = readable(v.value) if is_plain(v) else cut(v.name or f"<{v.dtype}>")
        return Node(kinds.get(type(v), "input"), column, text, "", derivative, shape)


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
    """Return a text in one line of at most `longest` characters that the font has."""
    families = FontProperties().get_family()
    fonts = [get_font(findfont(FontProperties(family=[name]))) for name in families]
    text = " ".join(text.split())
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(c if any(f.get_char_index(ord(c)) for f in fonts) else "□" for c in text)


@cache
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
        c = edge.target.column
        heads[c] = max(heads[c], 0.23 if edge.mark else 0.1)
        for a, b in pairwise(edge.course):
            steep = abs(b.y + edge.port * (b is edge.target) - a.y)
            gaps[b.column] = max(gaps[b.column], 0.06 + min(0.3 * steep, 0.5))
    right = 0.0
    for gap, head, column in zip(gaps, heads, columns, strict=True):
        left = right + gap
        right = left + head + max(node.width for node in column)
        for node in column:
            node.left, node.right, node.x = left, right, (left + head + right) / 2
            if node.kind == "constant":  # near its user
                node.x = right - node.width / 2
            elif node.kind == "output" or (node.kind == "link" and node.column):
                node.x = left + head + node.width / 2
    return right, max(node.y + node.down for node in nodes)


def _choose_heights(columns, edges):
    """Order the nodes of each column, and give them heights.

    Sweeps over the columns move each node to the mean height of its neighbours in the column
    before, which also gives an order with few crossings. The last sweeps go to the right, so that
    an operation stands in the middle of its inputs.
    """
    before, after = defaultdict(list), defaultdict(list)
    for edge in edges:
        for a, b in pairwise(edge.course):
            before[b].append((a, 0))
            after[a].append((b, edge.port * (b is edge.target)))
    fewest, best = np.inf, columns
    for sweep in range(SWEEPS):
        finding = sweep < SWEEPS / 2  # an order, which the other sweeps keep
        leftwards = finding and sweep % 2 == 0
        columns = columns if finding else best
        for column in reversed(columns) if leftwards else columns:
            near, far = (after, before) if leftwards else (before, after)
            wish, weight = {}, {}
            for node in column:
                ends = near[node] or far[node]
                wish[node] = sum(other.y + port for other, port in ends) / len(ends)
                level = len(ends) == 1 and len(after[ends[0][0]]) == 1  # an edge to keep level
                weight[node] = 0.01 if node.kind == "constant" else 10 if level else 1
            if finding:
                column.sort(key=wish.get)
            _spread(column, wish, weight)
        if finding and (count := _crossings(edges)) < fewest:
            fewest, best = count, [list(column) for column in columns]
    for node in before:  # in the order of operands if it matters, else from above
        arriving = [edge for edge in edges if edge.target is node]
        arriving.sort(key=lambda edge: 0 if edge.mark else edge.course[-2].y)
        for i, edge in enumerate(arriving):
            edge.port = PORT * (i - (len(arriving) - 1) / 2)


def _spread(column, wish, weight):
    """Give the nodes of a column the heights nearest to `wish` at which they don't overlap.

    This is isotonic regression: nodes that would overlap move as one block.
    """
    starts = np.cumsum([0, *(a.down + BETWEEN + b.up for a, b in pairwise(column))])
    blocks = []  # of each: weight, weighted height, number of nodes
    for node, start in zip(column, starts, strict=True):
        block = np.array([weight[node], weight[node] * (wish[node] - start), 1])
        while blocks and blocks[-1][1] / blocks[-1][0] > block[1] / block[0]:
            block += blocks.pop()
        blocks.append(block)
    heights = np.repeat([b[1] / b[0] for b in blocks], [int(b[2]) for b in blocks])
    for node, height in zip(column, (starts + heights).tolist(), strict=True):
        node.y = height


def _crossings(edges):
    """Return how many pairs of edges cross between columns."""
    ends = defaultdict(list)
    for edge in edges:
        for a, b in pairwise(edge.course):
            ends[a.column].append((a.y, b.y + edge.port * (b is edge.target)))
    pairs = [np.array(segments).T for segments in ends.values()]
    return sum(np.sum((p[:, None] < p - 1e-6) & (q[:, None] > q + 1e-6)) for p, q in pairs)
