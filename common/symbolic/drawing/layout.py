"""The nodes and edges of a drawing, and their places.

This is a layered layout (Sugiyama, Tagawa and Toda, "Methods for visual understanding of
hierarchical system structures", 1981). Inputs form a column on the left. The layer of an operation
is the length of the longest path to it. A graph that is too wide is wrapped into rows, as text is
into lines. Within a row, barycentres give each column an order with few crossings, and least
squares give each node its height. The label of an edge is laid out like a node, in a column of its
own, so that no edge runs through it.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

from common.symbolic.drawing.numbers import is_plain, readable
from common.symbolic.graph import Constant, Shared, ancestors

__all__ = ["Edge", "Node", "cut", "lay_out", "line", "text_width"]

# Sizes of type in points, all lengths in inches.
SYMBOL, NAME, VALUE, SHAPE = 12, 10, 9, 8
RADIUS = 0.17  # of an operation's circle
HEAD = 0.1  # length of an arrowhead
BETWEEN = 0.1  # nodes of a column
ROW_GAP = 0.25
SWEEPS, STEPS = 12, 300

_NAMES = "add sub mul true_div int_div mod pow abs sqr sqrt inv dot lt le gt ge eq neq invert"
_SIGNS = "+ − × ÷ // % ^ |x| x² √ 1/x · < ≤ > ≥ = ≠ not"
SYMBOLS = dict(zip(_NAMES.split(), _SIGNS.split(), strict=True))
SYMBOLS |= {"and_": "and", "or_": "or", "sigmoid": "σ", "sum": "Σ", "logsumexp": "log Σ exp"}
COMMUTATIVE = ("add", "mul", "maximum", "minimum", "eq", "neq", "and_", "or_", "xor")


@dataclass(eq=False)
class Node:
    """What takes up room: a box, the end of an arrow, the label of an edge, or a bend in one.

    `kind` is "input", "shared", "constant", "operation", "output", "link" (to another row), "label"
    or "bend". `text` stands in the box; `above` it the name of a result, or an edge's value; below
    it a derivative, and then the shape. `half` and `box` are half the height and the width of the
    box; `up`, `down` and `width` include the texts, `room` is half the width of the column. `x` and
    `y` are the middle, from the upper left corner.
    """

    kind: str
    text: str = ""
    above: str = ""
    derivative: str = ""
    shape: str = ""
    column: int = 0
    half = box = width = room = x = y = 0.0
    up = down = 0.02


@dataclass(eq=False)
class Edge:
    """An edge, which enters `target` as its input number `place`, at `port` below its middle.

    `course` is what it goes through, one node per column, both ends included. `mark` is what its
    arrowhead is marked with.
    """

    source: Node
    target: Node
    place: int = 0
    ordered: bool = False
    dotted: bool = False
    label: Node | None = None
    course, port, mark = (), 0.0, ""

    @property
    def head(self):
        """The length of the arrowhead and its mark."""
        return HEAD + 0.13 * bool(self.mark)


def lay_out(outputs, flow, shared, width):
    """Return the edges of each row, nodes having their places, and the size of the drawing."""
    rows = _rows(outputs, flow, shared, width)
    every = [edge for edges in rows for edge in edges]
    n_inputs = Counter(edge.target for edge in every)
    for edge in every:
        between = range(edge.source.column + 1, edge.target.column)
        bends = [Node("bend", column=column) for column in between]
        if edge.label and bends:
            edge.label.column = bends[0].column
            bends[0] = edge.label
        edge.course = [edge.source, *bends, edge.target]
        for node in edge.course:
            _measure(node, n_inputs[node])
    inputs = {edge.source for edge in every if edge.source.kind in ("input", "shared", "link")}
    for size in ("box", "width"):
        largest = max((getattr(node, size) for node in inputs), default=0)
        for node in inputs:
            setattr(node, size, largest)

    right = bottom = 0.0
    for edges in rows:
        columns = _ordered_columns(edges)
        _choose_heights(columns, edges)
        right = max(right, _choose_columns(columns, edges))
        nodes = [node for column in columns for node in column]
        top = min(node.y - node.up for node in nodes)
        for node in nodes:
            node.y += bottom - top
        bottom = max(node.y + node.down for node in nodes) + ROW_GAP
    return rows, (right, bottom - ROW_GAP)


def _rows(outputs, flow, shared, width):
    """Return the edges of each row; nodes know their columns, and nothing has its place yet."""
    box = {v: _box(v, flow, shared) for v in ancestors(outputs)}
    layer = _layers(box, outputs)
    first = _wrapped(box, layer, flow, width)  # layers of rows
    step = 2 if flow.value else 1  # columns per layer
    rows, row_of, here, links = [[] for _ in first], {}, {}, {}
    for v in layer:
        row_of[v] = sum(layer[v] >= start for start in first[1:])
        box[v].column = step * (layer[v] - first[row_of[v]] + 1)
        here[v, row_of[v]] = box[v]

    def connect(x, target, row, back=None, **options):
        if is_plain(x):  # It stands beside each of its users, and is no path between them.
            source = _box(x, flow, shared)
            source.column = target.column - 1
        elif (x, row) not in here and x in layer:
            links.setdefault(x, cut(x.name or "") or f"({1 + sum(not v.name for v in links)})")
            source = here[x, row] = Node("link", links[x])
        else:
            source = here.setdefault((x, row), _box(x, flow, shared))
        edge = Edge(source, target, **options)
        if flow.value:
            value = None if is_plain(x) or target.kind == "link" else flow.value[x]
            edge.label = Node("label", above=readable(value), derivative=readable(back))
        rows[row].append(edge)

    for v in layer:
        ordered = v.operation.name not in COMMUTATIVE and len(v.inputs) > 1
        for i, x in enumerate(v.inputs):
            back, dotted = flow.contribution.get((v, i)), not v.operation.connected(i)
            connect(x, box[v], row_of[v], back, place=i, ordered=ordered, dotted=dotted)
    for i, v in enumerate(outputs):
        end = Node("output", cut(v.name) if v.name else f"output {i}" * (len(outputs) > 1))
        end.column = box[v].column + step
        connect(v, end, row_of.get(v, 0), flow.total.get(v))
        if v in layer:
            box[v].above = ""  # its name stands at the end of the arrow
    for v, name in links.items():
        connect(v, Node("link", name, column=box[v].column + step), row_of[v])
    return rows


def _layers(variables, outputs):
    """Return the layer of each operation, from 1: the length of the longest path to it."""
    layer, users = {}, defaultdict(list)
    for v in variables:
        if v.operation is not None:
            layer[v] = 1 + max((layer.get(x, 0) for x in v.inputs), default=0)
            for x in v.inputs:
                users[x].append(v)
    for v in reversed(layer):  # later, if that makes edges no longer
        if v not in outputs and sum(x in layer for x in v.inputs) <= len(users[v]):
            layer[v] = min(layer[user] for user in users[v]) - 1
    return layer


def _wrapped(box, layer, flow, width):
    """Return the first layer of each row.

    Rows are at most `width` wide, as far as that can be. Few rows are better than many, few
    variables should go on from one row to later ones, and rows should be equally wide.
    """
    n = max(layer.values(), default=1)
    (spans, labels, tails), last_use = np.zeros((3, n + 1)), Counter()
    for v, node in box.items():
        at = layer.get(v, 0)
        for x in v.inputs:
            last_use[x] = max(at, last_use[x])
        if not is_plain(v):
            _measure(node, len(v.inputs))
            spans[at] = max(spans[at], node.width)
            tails[at] = max(tails[at], text_width(node.above, NAME))
            texts = readable(flow.value.get(v)), readable(flow.total.get(v))
            labels[at] = max(labels[at], *(text_width(text, VALUE) + 0.08 for text in texts))
    reach = np.cumsum(spans + labels + 0.36)  # of the layers up to this one
    best = [(0.0, 0)]  # the cost of the layers up to this one, and where their last row begins
    for end in range(1, n + 1):
        going_on = sum(layer[v] <= end < last_use[v] for v in layer)
        choices = []
        for start in range(end):
            used = reach[0] + reach[end] - reach[start] + tails[end]
            used = (used - labels[end] * (going_on > 0)) / width
            if used <= 1 or start == end - 1:
                choices.append((best[start][0] + 2 + going_on + (1 - used) ** 2, start))
        best.append(min(choices))
    first = [best[n][1]]
    while first[0]:
        first.insert(0, best[first[0]][1])
    return [start + 1 for start in first]


def _box(v, flow, shared):
    dims = flow.value[v].shape if flow.value else v.dims
    shape = str(dims) if dims else ""
    several = sum(user.inputs[i] is v for user, i in flow.contribution) > 1
    derivative = f"Σ {readable(flow.total[v])}" if several else ""
    if v.operation is not None:
        return Node("operation", _symbol(v), cut(v.name or ""), derivative, shape)
    kind = "constant" if isinstance(v, Constant) else "input"
    kind = "shared" if v in shared or isinstance(v, Shared) else kind
    text = readable(v.value) if is_plain(v) else cut(v.name) if v.name else f"<{v.dtype}>"
    return Node(kind, text, "", derivative, shape)


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
    """Return a text as one line of what the font has, with at most `longest` characters."""
    fonts = [findfont(FontProperties(family=[name])) for name in FontProperties().get_family()]
    text = " ".join(text.split())
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    known = (any(get_font(font).get_char_index(ord(c)) for font in fonts) for c in text)
    return "".join(c if has else "□" for c, has in zip(text, known, strict=True))


def text_width(text, size, **style):
    """Return how wide a text is, in inches."""
    font = FontProperties(size=size, **style)
    return text_to_path.get_text_width_height_descent(text, font, False)[0] / 72 if text else 0


def line(size, text="x"):
    """Return the height of a line of text, 0 without a text."""
    return 1.25 * size / 72 * bool(text)


def _measure(node, n_inputs):
    """Set how much room a node takes up."""
    above, below = line(NAME, node.above), line(VALUE, node.derivative)
    node.width = max(text_width(node.above, NAME), text_width(node.derivative, VALUE)) + 0.08
    if node.kind == "bend":
        return
    if node.kind == "operation":  # whose shape stands below
        node.half = max(RADIUS, (n_inputs - 1) * _port(n_inputs) / 2 + 0.06)
        node.box = max(2 * RADIUS, text_width(node.text, SYMBOL) + 0.16)
        node.width = max(node.width, text_width(node.shape, SHAPE))
        below += line(SHAPE, node.shape)
    elif node.kind == "output":
        node.half = line(NAME) / 2
        node.box = text_width(node.text, NAME, weight="bold") + 0.06 * bool(node.text)
    elif node.kind != "label":
        node.half = (line(NAME) + line(SHAPE, node.shape)) / 2 + 0.05
        node.box = max(text_width(node.text, NAME), text_width(node.shape, SHAPE)) + 0.16
    node.width = max(node.width, node.box)
    node.up, node.down = node.half + above + 0.02, node.half + below + 0.02


def _port(n_inputs):
    return 0.2 if n_inputs == 2 else 0.11  # between arrowheads


def _ordered_columns(edges):
    """Return the nodes of each column from top to bottom, with few crossings between columns."""
    n_inputs = Counter(edge.target for edge in edges)
    nodes = dict.fromkeys(node for edge in edges for node in edge.course)
    columns = [[] for _ in range(1 + max(node.column for node in nodes))]
    for node in nodes:
        columns[node.column].append(node)
    segments = [[] for _ in columns]
    for edge in edges:
        for a, b in pairwise(edge.course):
            # The order of inputs, if it matters: from 0 at the target's top to 1.
            at = edge.place / n_inputs[b] if b is edge.target and edge.ordered else 0
            segments[a.column].append((a, b, at))

    def crossings(columns):
        place, total = {node: i for column in columns for i, node in enumerate(column)}, 0
        for segment in filter(None, segments):
            p, q = np.array([(place[a], place[b] + at) for a, b, at in segment]).T
            total += ((p[:, None] < p) & (q[:, None] > q)).sum()
        return total

    best, fewest = columns, crossings(columns)
    for sweep in range(SWEEPS):
        columns, leftwards = list(columns), sweep % 2 == 0
        for c in reversed(range(len(columns))) if leftwards else range(len(columns)):
            place = {node: i for column in columns for i, node in enumerate(column)}
            ends = {node: [] for node in columns[c]}
            for a, b, at in segments[c] if leftwards else segments[c - 1]:
                ends[a if leftwards else b].append(place[b] + at if leftwards else place[a])
            middle = {n: sum(e) / len(e) if e else place[n] for n, e in ends.items()}
            columns[c] = sorted(columns[c], key=middle.__getitem__)
        if (count := crossings(columns)) < fewest:
            best, fewest = columns, count
    return best


def _choose_heights(columns, edges):
    """Give nodes their heights and edges their ports.

    A node should stand in the middle between what enters it and between what leaves it, long edges
    should be level, and all be short: weighted least squares, with neighbours a gap apart. The
    alternating direction method of multipliers (Boyd and others, 2011) finds, in turn, heights for
    given distances of neighbours, and distances for given heights.
    """
    number = {node: i for i, node in enumerate(node for column in columns for node in column)}
    arriving, leaving, wishes = defaultdict(list), defaultdict(list), []
    for edge in edges:
        arriving[edge.target].append(edge.course[-2])
        leaving[edge.source].append(edge.course[1])
        wishes += [(0.7, a, [b]) for a, b in pairwise(edge.course)]
        wishes += [(100, a, [b]) for a, b in pairwise(edge.course[1:-1])]
    forks = {node: ends for node, ends in leaving.items() if ends[1:] or ends[0] not in arriving}
    for node, beside in [*arriving.items(), *forks.items()]:
        wishes.append((10 if len(beside) == 1 else 5, node, beside))
    A = np.zeros((len(wishes), len(number)))
    for row, (weight, node, beside) in zip(A, wishes, strict=True):
        row[number[node]] = weight
        for other in beside:
            row[number[other]] -= weight / len(beside)
    pairs = [pair for column in columns for pair in pairwise(column)]
    gaps = np.array([a.down + BETWEEN + b.up for a, b in pairs])
    G = np.zeros((len(pairs), len(number)))
    for row, (a, b) in zip(G, pairs, strict=True):
        row[[number[a], number[b]]] = -1, 1
    H = 100 * G.T  # with this factor it converges in few steps
    solve = np.linalg.inv(A.T @ A + H @ G + 1e-6 * np.eye(len(number))) @ H
    distance = error = np.zeros(len(pairs))
    for _ in range(STEPS):
        y = solve @ (distance - error)
        error = error + G @ y
        distance = np.maximum(error, gaps)
        error = error - distance
    for node, i in number.items():
        node.y = float(y[i])

    for node in arriving:
        ports = [edge for edge in edges if edge.target is node]
        ports.sort(key=lambda edge: edge.place if edge.ordered else edge.course[-2].y)
        for i, edge in enumerate(ports):
            edge.port = (i - (len(ports) - 1) / 2) * _port(len(ports))
            edge.mark = str(edge.place + 1) * (edge.ordered and len(ports) == 2)


def _choose_columns(columns, edges):
    """Give all nodes their distance from the left. Return the width of the row."""
    gaps = [0.0] + [0.06] * (len(columns) - 1)
    for edge in edges:
        for a, b in pairwise(edge.course):
            head, port = (edge.head, edge.port) if b is edge.target else (0, 0)
            least = 0.06 if edge.label else 0.12
            gap = least + head + min(0.3 * abs(b.y + port - a.y), 0.5)
            gaps[b.column] = max(gaps[b.column], gap)
    x = 0.0
    for gap, column in zip(gaps, columns, strict=True):
        room = max((node.width for node in column), default=0.0) / 2
        x += gap + room
        for node in column:
            node.x, node.room = x, room
            if node.kind in ("constant", "output") or (node.kind == "link" and node.column):
                side = 1 if node.kind == "constant" else -1  # near its user, or what makes it
                node.x, node.room = x + side * (room - node.width / 2), node.width / 2
        x += room
    return x
