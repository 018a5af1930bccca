"""Places for the nodes of a drawing, and the course of its edges.

Variables stand in columns, what is needed first on the left (Sugiyama, Tagawa and Toda, "Methods
for visual understanding of hierarchical system structures", 1981): an operation comes in the column
after the last of its inputs; barycentres put each column in an order with few crossings; heights
are then chosen that keep edges short and level. The label of an edge is laid out like a node, in a
column of its own, so no edge can run through it.
"""

from collections import Counter
from itertools import pairwise

import numpy as np

from common.symbolic.drawing.columns import ordered_columns
from common.symbolic.drawing.heights import apart, choose_heights
from common.symbolic.drawing.parts import (
    HEAD_LENGTH,
    HEAD_WIDTH,
    LABEL_GAP,
    LEAF,
    LINE_GAP,
    NAME_GAP,
    NAME_SIZE,
    PORT,
    RADIUS,
    SHAPE_SIZE,
    SYMBOL_SIZE,
    VALUE_SIZE,
    Node,
    line_height,
    text_width,
)

__all__ = ["lay_out"]


def lay_out(nodes, edges):
    """Give every node its place, and every edge its course. Return width and height."""
    per_layer = 1 if edges[0].label is None else 2
    _choose_layers(nodes, edges)
    for node in nodes:
        node.rank *= per_layer
    for edge in edges:
        between = [Node("bend") for _ in range(edge.source.rank + 1, edge.target.rank)]
        if edge.label is not None:
            between[0] = edge.label
        for rank, node in enumerate(between, edge.source.rank + 1):
            node.rank = rank
        edge.course = [edge.source, *between, edge.target]
    n_inputs = Counter(edge.target for edge in edges)
    for node in dict.fromkeys(node for edge in edges for node in edge.course):
        _measure(node, n_inputs[node])
    columns = ordered_columns(nodes, edges)
    choose_heights(columns, edges)
    _choose_ports(nodes, edges)
    return _choose_columns(columns, edges)


def _choose_layers(nodes, edges):
    """Give each node the number of its column, counting those of nodes only."""
    arriving = {node: [] for node in nodes}
    leaving = {node: [] for node in nodes}
    for edge in edges:
        arriving[edge.target].append(edge.source)
        leaving[edge.source].append(edge.target)
    for node in nodes:
        node.rank = 1 + max((n.rank for n in arriving[node]), default=-1)
    # What is needed late may stand late, if that makes edges shorter.
    for node in reversed(nodes):
        anchored = sum(bool(arriving[n]) for n in arriving[node])
        if leaving[node] and anchored < len(leaving[node]):
            node.rank = min(n.rank for n in leaving[node]) - 1
    first = min(node.rank for node in nodes)
    for node in nodes:
        node.rank -= first


def _measure(node, n_inputs):
    """Set how much room a node takes up."""
    if node.kind == "bend":
        node.up = node.down = 0.02
        return
    if node.kind == "label":
        widths = [text_width(text, VALUE_SIZE) for text in (node.above, node.derivative)]
        node.width = max(widths) + 0.08
        node.up = LABEL_GAP + line_height(VALUE_SIZE) * bool(node.above)
        node.down = LABEL_GAP + line_height(VALUE_SIZE) * bool(node.derivative)
        return
    if node.kind == "output":
        node.width = text_width(node.text, NAME_SIZE, weight="bold") + 0.06 * bool(node.text)
        node.half = node.up = node.down = line_height(NAME_SIZE) / 2
        return
    size, half = (SYMBOL_SIZE, RADIUS) if node.kind == "operation" else (NAME_SIZE, LEAF / 2)
    node.half = max(half, (n_inputs - 1) * PORT / 2 + HEAD_WIDTH / 2 + 0.03)
    node.box = max(2 * half, text_width(node.text, size) + 0.16)
    lines = [(node.above, NAME_SIZE), (node.derivative, VALUE_SIZE), (node.shape, SHAPE_SIZE)]
    node.width = max(node.box, *(text_width(text, size) + 0.04 for text, size in lines))
    node.up = node.half + (NAME_GAP + line_height(NAME_SIZE)) * bool(node.above)
    node.down = node.half + sum(
        (LINE_GAP + line_height(size)) * bool(text) for text, size in lines[1:]
    )


def _choose_ports(nodes, edges):
    """Let edges arrive at a node near the height that they come from."""
    for node in nodes:
        arriving = [edge for edge in edges if edge.target is node]
        if not arriving:
            continue
        if not arriving[0].ordered:
            arriving.sort(key=lambda edge: (edge.course[-2].y, edge.place))
        n = len(arriving)
        reach = max(0.6 * node.half, (n - 1) * PORT / 2)
        wishes = np.array([edge.course[-2].y - node.y for edge in arriving])
        places = apart(wishes, [PORT] * (n - 1))
        for i, (edge, place) in enumerate(zip(arriving, places, strict=True)):
            edge.port = max(-reach + i * PORT, min(reach - (n - 1 - i) * PORT, place))


def _choose_columns(columns, edges):
    """Give all nodes their distance from the left. Return the size of the whole."""
    slopes = [0.0] * len(columns)  # the largest difference of heights before a column
    heads = [0.0] * len(columns)
    for edge in edges:
        for a, b in pairwise(edge.course):
            arrives = b is edge.target
            rise = abs(b.y + (edge.port if arrives else 0) - a.y)
            slopes[b.rank] = max(slopes[b.rank], rise)
            if arrives:
                heads[b.rank] = HEAD_LENGTH
    x = 0.0
    for rank, column in enumerate(columns):
        if rank:
            x += 0.06 + heads[rank] + min(0.3 * slopes[rank], 0.7)
        width = max(node.width for node in column)
        for node in column:
            node.x = x + width / 2
            node.room = width / 2
        x += width
    return x, max(node.y + node.down for column in columns for node in column)
