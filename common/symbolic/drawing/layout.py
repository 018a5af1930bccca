"""The nodes and edges of a drawing, and their places.

This is a layered layout (Sugiyama, Tagawa and Toda, "Methods for visual understanding of
hierarchical system structures", 1981). The layer of an operation is the length of the longest path
from it to an output. Each layer is a column, and columns fill rows as words fill lines.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from statistics import fmean

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from common.symbolic.drawing.numbers import is_plain
from common.symbolic.graph import Constant, Shared, Variable, ancestors

__all__ = ["LINE", "PORT", "RADIUS", "SMALL", "cut", "lay_out", "text_width"]

# Lengths are in inches, sizes of type in points.
RADIUS = 0.17  # of an operation's circle
SMALL, LINE = 9, 0.155  # of texts above and below: font size, height of a line
HEIGHT, BETWEEN, ROW_GAP = 0.3, 0.12, 0.25  # of a box or label; between these, and between rows
PORT = 0.16  # between arrowheads
SWEEPS = 12

_NAMES = "add sub mul true_div int_div mod pow abs sqr sqrt inv lt le gt ge eq neq invert"
_SIGNS = "+ − × ÷ // % ^ |x| x² √ 1/x < ≤ > ≥ = ≠ not"
SYMBOLS = dict(zip(_NAMES.split(), _SIGNS.split(), strict=True))
SYMBOLS |= {"and_": "and", "or_": "or", "sigmoid": "σ", "sum": "Σ", "logsumexp": "log Σ exp"}
COMMUTATIVE = ("add", "mul", "maximum", "minimum", "eq", "neq", "and_", "or_", "xor")


@dataclass(eq=False)
class Edge:
    """An edge that arrives at a node, with its label: a value, and below it a derivative.

    `mark` is the number of the operand, if the order matters, and `place` its place among the edges
    that arrive, 0 in the middle. `course` are the nodes that it comes through: where it starts, and
    a bend in each column that it passes; for a constant without name there are none, since a box
    around the label is its start.
    """

    source: Variable
    value: str = ""
    derivative: str = ""
    dotted: bool = False
    mark: str = ""
    course = ()


@dataclass(eq=False)
class Node:
    """A box, the end of an arrow, or a bend in an edge.

    `kind` is "input", "shared", "constant", "operation", "output", "link" (to another row) or
    "bend". Above it stands the name of a result, below it a derivative and a shape. `edges` are
    those that arrive, with labels `pitch` apart. `x` and `y` are its middle, from the upper left
    corner; `half` and `box` half the height and the width of its box, `up`, `down` and `width`
    those with all texts. `row` and `column` are numbered from 0, and `ends` are the ends of the
    column's parts, from left to right. `before` and `after` are its neighbours in the columns
    beside, with the places where edges arrive at these.
    """

    kind: str
    text: str = ""
    above: str = ""
    derivative: str = ""
    shape: str = ""
    edges: Sequence[Edge] = ()
    row = column = y = 0

    def __post_init__(self):
        self.before, self.after = [], []
        n, operation = len(self.edges), self.kind == "operation"
        for i, edge in enumerate(self.edges):
            edge.place = i - (n - 1) / 2
        self.size = 12 if operation else 10
        self.box = text_width(self.text, self.size) + 0.16 * bool(self.text)
        self.half = HEIGHT / 2 if self.kind != "bend" else 0.0
        if operation:
            self.box = max(2 * RADIUS, self.box)
            self.half = max(RADIUS, PORT * (n - 1) / 2 + 0.06)
        texts = (self.above, self.derivative, self.shape)
        self.width = max(self.box, *(text_width(text, SMALL) for text in texts))
        label = HEIGHT if any(edge.value for edge in self.edges) else 0.0
        self.pitch = label + BETWEEN if label else PORT
        labels = (self.pitch * (n - 1) + label) / 2
        self.up = max(self.half + LINE * bool(self.above), labels)
        self.down = max(self.half + LINE * (bool(self.derivative) + bool(self.shape)), labels)


def lay_out(outputs, flow, width):
    """Return the nodes of a drawing, with their edges and places."""
    rows = _rows(outputs, flow, width)
    sources = [node for row in rows for node in row[0]]
    widest = max((node.width for node in sources), default=0)
    for node in sources:
        node.box = node.width = widest
    top = 0.0
    for row in rows:
        _choose_heights(row, top)
        right = 0.0
        for column in row:
            _, *ends = accumulate(_widths(column), initial=right)
            right = ends[-1]
            for node in column:
                node.x, node.ends = (ends[-2] + right) / 2, ends
        top = max(node.y + node.down for column in row for node in column) + ROW_GAP
    return [node for row in rows for column in row for node in column]


def _wrapped(nodes, width):
    """Return rows of columns: an empty one, layers of operations to fill `width`, an empty one."""
    distance = defaultdict(int)  # the length of the longest path to an output
    for v in reversed(nodes):
        for x in v.inputs:
            distance[x] = max(distance[x], distance[v] + 1)
    rows, room = [[[]]], width
    by_layer = sorted(nodes, key=lambda v: -distance[v])
    for _, layer in groupby(by_layer, lambda v: distance[v]):
        column = [nodes[v] for v in layer]
        needed = sum(_widths(column))
        if needed > room and len(rows[-1]) > 1:
            rows.append([[]])
            room = width
        for node in column:
            node.row, node.column = len(rows) - 1, len(rows[-1])
        rows[-1].append(column)
        room -= needed
    return [[*row, []] for row in rows]


def _rows(outputs, flow, width):
    """Return the rows. What goes on in a later row ends in a link, and begins there with one."""
    nodes = {v: _node(v, flow, outputs) for v in ancestors(outputs)}
    operations = {v: node for v, node in nodes.items() if v.operation is not None}
    leaves = [nodes[v].width for v in nodes if v not in operations and not is_plain(v)]
    rows = _wrapped(operations, width - max(leaves, default=0) - 0.5)  # left for a link
    ends, links = [], {}
    for v, node in sorted(operations.items(), key=lambda item: (item[1].row, item[1].column)):
        if any(v in user.inputs and nodes[user].row > node.row for user in operations):
            name = cut(v.name or "")
            unique = name and name not in links.values()
            links[v] = name if unique else f"{name} ({len(links) + 1})".strip()
            ends.append(Node("link", links[v], edges=[Edge(v)]))
    for i, v in enumerate(outputs):
        name = cut(v.name or f"output {i}" * (len(outputs) > 1))
        ends.append(Node("output", name, edges=[Edge(v, *flow[None, i])]))
    for end in ends:
        last = nodes[end.edges[0].source]
        rows[last.row][last.column + 1].append(end)

    for i, row in enumerate(rows):
        starts = {v: node for v, node in operations.items() if node.row == i}
        for c, node in [(c, node) for c, column in enumerate(row) for node in column]:
            for edge in node.edges:
                x = edge.source
                if is_plain(x):
                    continue
                if x not in starts:
                    starts[x] = Node("link", links[x]) if x in links else _node(x, flow, outputs)
                    row[0].append(starts[x])
                edge.course = [starts[x]]
                for column in row[starts[x].column + 1 : c]:
                    edge.course.append(Node("bend"))
                    column.append(edge.course[-1])
                for a, b in pairwise([*edge.course, node]):
                    a.after.append((b, edge.place))
                    b.before.append((a, 0.0))
    return rows


def _node(v, flow, outputs):
    """Return the node of an operation or a leaf."""
    kinds = {Constant: "constant", Shared: "shared"}
    if v.operation is None:
        text = cut(v.name or f"<{v.dtype}>")
        return Node(kinds.get(type(v), "input"), text, "", *flow[v])
    ordered = len(v.inputs) > 1 and v.operation.name not in COMMUTATIVE
    edges = [
        Edge(x, *flow[v, i], not v.operation.connected(i), str(i + 1) * ordered)
        for i, x in enumerate(v.inputs)
    ]
    name = "" if v in outputs else cut(v.name or "")  # else it's beside the arrow
    return Node("operation", _symbol(v), name, *flow[v], edges)


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
    return text_to_path.get_text_width_height_descent(text, font, False)[0] / 72


def _widths(column):
    """Return the widths of a column's parts: a gap, labels, arrowheads, and boxes."""
    edges = [edge for node in column for edge in node.edges]
    texts = [text for edge in edges for text in (edge.value, edge.derivative) if text]
    labels = max((text_width(text, SMALL) + 0.12 for text in texts), default=0)
    meet = any(edge.value and edge.place for edge in edges)
    heads = 0.1 * bool(edges) + 0.13 * any(edge.mark for edge in edges) + 0.16 * meet
    gap = min(0.12 + 0.02 * len(edges), 0.5) * bool(edges)
    return gap, labels, heads, max((node.width for node in column), default=0)


def _choose_heights(columns, top):
    """Order the nodes of each column, and give them heights below `top`.

    Each sweep orders the columns, from the left or from the right, as their neighbours stand. In
    that order the nodes of the first column are packed, and all others move to the middle of those
    where their edges start. The heights that make edges shortest are kept: then few edges cross.
    """
    found = []
    for i in range(SWEEPS):
        for column in columns[::-1] if i % 2 else columns:
            _move(column, "after" if i % 2 else "before", reorder=True)
        for node in columns[0]:
            node.y = 0.0
        for column in columns:
            _move(column, "before")
        nodes = [node for column in columns for node in column]
        steps = [b.y + place * b.pitch - a.y for a in nodes for b, place in a.after]
        found.append((sum(map(abs, steps)), i, {node: node.y for node in nodes}))
    _, _, best = min(found)
    top -= min(y - node.up for node, y in best.items())
    for column in columns:
        column.sort(key=best.get)
        for node in column:
            node.y = best[node] + top


def _move(column, side, reorder=False):
    """Move nodes to the middle of their neighbours, or as near as they can be and keep apart.

    This is isotonic regression: nodes that would overlap move as one block.
    """
    wish = {}
    for node in column:
        heights = [other.y + place * other.pitch for other, place in getattr(node, side)]
        wish[node] = fmean(heights) if heights else node.y
    if reorder:
        column.sort(key=wish.get)
    starts = [*accumulate((a.down + BETWEEN + b.up for a, b in pairwise(column)), initial=0)]
    blocks = []  # what its nodes wish for the height of the first node
    for node, start in zip(column, starts, strict=False):
        block = [wish[node] - start]
        while blocks and fmean(blocks[-1]) > fmean(block):
            block = blocks.pop() + block
        blocks.append(block)
    first = [fmean(block) for block in blocks for _ in block]
    for node, start, height in zip(column, starts, first, strict=False):
        node.y = start + height
