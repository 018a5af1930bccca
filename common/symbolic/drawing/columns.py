"""Order within the columns of a drawing: few edges should cross."""

from bisect import bisect, insort
from collections import Counter
from itertools import pairwise

__all__ = ["ordered_columns"]

SWEEPS = 24


def ordered_columns(nodes, edges):
    """Return the nodes of each column from top to bottom, with few crossings between columns."""
    columns = _columns_as_written(nodes, edges)
    # For each node its neighbours in the columns beside it, and where an edge meets them: from 0
    # at the top to 1, since inputs enter in their order where that matters.
    left = {node: [] for column in columns for node in column}
    right = {node: [] for node in left}
    n_inputs = Counter(edge.target for edge in edges)
    for edge in edges:
        for a, b in pairwise(edge.course):
            at = edge.place / n_inputs[b] if b is edge.target and edge.ordered else 0
            right[a].append((b, at))
            left[b].append((a, 0))

    best, fewest = columns, _crossings(columns, right)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        columns = _swept(columns, right if sweep % 2 == 0 else left, backwards=sweep % 2 == 0)
        columns = _switched(columns, left, right)
        crossings = _crossings(columns, right)
        if crossings < fewest:
            best, fewest = columns, crossings
    return best


def _columns_as_written(nodes, edges):
    """Return the columns in the order in which a reader of the expression meets the nodes."""
    arriving = {node: [] for node in nodes}
    for edge in edges:
        arriving[edge.target].append(edge.course[:-1])
    columns = [[] for _ in range(1 + max(node.rank for node in nodes))]
    seen, followed = set(), set()
    stack = [[node] for node in reversed(nodes) if node.kind == "output"]
    while stack:
        course = stack.pop()
        for node in reversed(course):
            if node not in seen:
                seen.add(node)
                columns[node.rank].append(node)
        if course[0] not in followed:
            followed.add(course[0])
            stack.extend(reversed(arriving[course[0]]))
    return columns


def _positions(columns):
    return {node: i for column in columns for i, node in enumerate(column)}


def _crossings(columns, right):
    position = _positions(columns)
    total = 0
    for column in columns:
        ends = []  # of the segments that begin above
        for node in column:
            own = [position[b] + at for b, at in right[node]]
            total += sum(len(ends) - bisect(ends, end) for end in own)
            for end in own:
                insort(ends, end)
    return total


def _swept(columns, beside, backwards):
    """Return the columns, each sorted by the barycentres of what `beside` tells."""
    position = _positions(columns)
    columns = list(columns)
    for rank in reversed(range(len(columns))) if backwards else range(len(columns)):
        column = columns[rank]
        place = {}
        for node in column:
            ends = [position[b] + at for b, at in beside[node]]
            place[node] = sum(ends) / len(ends) if ends else position[node]
        columns[rank] = sorted(column, key=place.__getitem__)
        position.update(_positions([columns[rank]]))
    return columns


def _switched(columns, left, right):
    """Return the columns with neighbours switched wherever that takes crossings away."""
    position = _positions(columns)
    result = []
    for column in columns:
        column = list(column)
        better = True
        while better:
            better = False
            for i, (a, b) in enumerate(pairwise(column)):
                gain = 0
                for beside in (left, right):
                    above = [position[n] + at for n, at in beside[a]]
                    below = [position[n] + at for n, at in beside[b]]
                    gain += sum((p > q) - (p < q) for p in above for q in below)
                if gain > 0:
                    column[i], column[i + 1] = b, a
                    better = True
                    break
        position.update(_positions([column]))
        result.append(column)
    return result
