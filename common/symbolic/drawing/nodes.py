"""The graph of a drawing: what is to be drawn of an expression, before anything has its place."""

from common.symbolic.arrays import Reduction
from common.symbolic.drawing.numbers import is_plain, readable
from common.symbolic.drawing.parts import Edge, Node, clean
from common.symbolic.graph import Constant, Shared, ancestors, readable_shape

__all__ = ["cut", "graph_of", "uses"]

SYMBOLS = {
    "add": "+",
    "sub": "−",
    "mul": "×",
    "true_div": "÷",
    "int_div": "//",
    "mod": "%",
    "pow": "^",
    "abs": "|x|",
    "sqr": "x²",
    "sqrt": "√",
    "lt": "<",
    "le": "≤",
    "gt": ">",
    "ge": "≥",
    "eq": "=",
    "neq": "≠",
    "and_": "and",
    "or_": "or",
    "not_": "not",
    "sigmoid": "σ",
    "sum": "Σ",
    "logsumexp": "log Σ exp",
    "dot": "·",
    "transpose": "xᵀ",
}
COMMUTATIVE = ("add", "mul", "maximum", "minimum", "eq", "neq", "and_", "or_")
LONGEST_NAME = 28  # characters


def uses(outputs, most_nodes):
    """Return how many edges will leave each variable. Raise ValueError if there are many nodes."""
    order = ancestors(outputs)
    times = dict.fromkeys(order, 0)
    for v in [*(x for user in order for x in user.inputs), *outputs]:
        times[v] += 1
    count = sum(times[v] if is_plain(v) else 1 for v in order)
    if count > most_nodes:
        raise ValueError(
            f"the graph has {count} nodes, more than can be read ({most_nodes}, most_nodes): draw "
            "a part of it, what one of its variables is made from"
        )
    return times


def graph_of(outputs, times, shared, numbers):
    """Return nodes, what is needed first first, and edges of the drawing, without places."""
    nodes, edges, node_of = [], [], {}

    def edge(x, target, **options):
        # A constant without a name stands beside each of its users: it is no path between them.
        if x not in node_of or is_plain(x):
            node_of[x] = _variable_node(x, shared, numbers)
            nodes.append(node_of[x])
        edges.append(Edge(node_of[x], target, **options))
        return edges[-1]

    for v in times:
        if v.operation is None:
            continue
        node = _variable_node(v, shared, numbers)
        ordered = v.operation.name not in COMMUTATIVE
        for i, x in enumerate(v.inputs):
            dotted = not v.operation.connected(i)
            new = edge(x, node, ordered=ordered, place=i, dotted=dotted)
            if numbers is not None:
                share = numbers.share.get((v, i))
                # A constant's box tells its value.
                new.label = _label(None if is_plain(x) else numbers.value[x], share)
        node_of[v] = node
        nodes.append(node)
    for i, v in enumerate(outputs):
        end = Node("output", cut(v.name) if v.name else f"output {i}" * (len(outputs) > 1))
        new = edge(v, end)
        nodes.append(end)
        if v.operation is not None:
            new.source.above = ""  # its name stands at the end of the arrow
        if numbers is not None:
            new.label = _label(numbers.value[v], numbers.total.get(v))
    return nodes, edges


def _label(value, share):
    above, below = ("" if number is None else readable(number) for number in (value, share))
    return Node("label", above=above, derivative=below)


def _variable_node(v, shared, numbers):
    lengths = v.dims if numbers is None else numbers.value[v].shape
    shape = readable_shape(lengths) if lengths else ""
    if v.operation is None:
        kind = "shared" if v in shared or isinstance(v, Shared) else "input"
        kind = "constant" if isinstance(v, Constant) else kind
        text = readable(v.value) if is_plain(v) else cut(v.name) if v.name else f"<{v.dtype}>"
        node = Node(kind, text, shape=shape)
    else:
        node = Node("operation", _symbol(v), cut(v.name or ""), shape)
    if numbers is not None and numbers.comes_back[v] > 1:
        node.derivative = f"Σ {readable(numbers.total[v])}"
    return node


def _symbol(v):
    operation = v.operation
    text = SYMBOLS.get(operation.name, operation.name.replace("_", " "))
    if operation.name == "cast":
        return f"to {v.dtype}"
    if operation.name == "index":
        inputs = ["·"] * len(v.inputs)
        return f"[{operation.brackets(inputs)}]"
    if isinstance(operation, Reduction) and v.inputs[0].ndim > len(operation.axes):
        return f"{text} axis {', '.join(map(str, operation.axes))}"
    return text


def cut(name):
    """Return a name as one short line."""
    text = clean(name)
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"
