"""Heights of the nodes of a drawing: edges should be short and level."""

from collections import Counter
from itertools import pairwise

import numpy as np

from common.symbolic.drawing.parts import BETWEEN

__all__ = ["apart", "choose_heights"]

STEPS = 400  # more change nothing that can be seen


def choose_heights(columns, edges):
    """Give all nodes a height, so that edges are short and level, those through bends above all.

    That is to make Σ w |difference of heights| of all segments small, where neighbours in a column
    are at least a gap apart: a linear program, whose solutions have few slopes. It is solved by the
    alternating direction method of multipliers (Boyd and others, 2011, chapter 6): in turn, heights
    that fit best to given differences, and differences that fit best to given heights.
    """
    nodes = [node for column in columns for node in column]
    number = {node: i for i, node in enumerate(nodes)}
    leaving = Counter(edge.source for edge in edges)
    arriving = Counter(edge.target for edge in edges)
    segments, weights, pairs, gaps = [], [], [], []
    for edge in edges:
        main = 0.25 if edge.dotted else 4 if edge.source.kind == "operation" else 1
        for a, b in pairwise(edge.course):
            # A slope looks natural where edges part or meet, and nowhere else.
            meet = (a is edge.source and leaving[a] > 1) or (b is edge.target and arriving[b] > 1)
            segments.append((number[a], number[b]))
            weights.append(main * (1 if meet else 4))
    for column in columns:
        for a, b in pairwise(column):
            pairs.append((number[a], number[b]))
            gaps.append(a.down + BETWEEN + b.up)

    n, n_segments = len(nodes), len(segments)
    one, other = np.array(segments + pairs).T
    weights, gaps = 0.05 * np.array(weights), np.array(gaps)
    matrix = 1e-6 * np.eye(n)
    np.add.at(matrix, (one, one), 1)
    np.add.at(matrix, (other, other), 1)
    np.add.at(matrix, (one, other), -1)
    np.add.at(matrix, (other, one), -1)
    inverse = np.linalg.inv(matrix)
    wish, error = np.zeros(len(one)), np.zeros(len(one))
    for _ in range(STEPS):
        pull = wish - error
        y = inverse @ (np.bincount(other, pull, n) - np.bincount(one, pull, n))
        error += y[other] - y[one]
        slope = error[:n_segments]
        # 0.98: of equally good solutions, take the one whose slopes are evenly small.
        wish[:n_segments] = 0.98 * np.sign(slope) * np.maximum(np.abs(slope) - weights, 0)
        wish[n_segments:] = np.maximum(error[n_segments:], gaps)
        error -= wish

    for column in columns:
        gaps = [a.down + BETWEEN + b.up for a, b in pairwise(column)]
        places = apart(y[[number[node] for node in column]], gaps)
        for node, place in zip(column, places, strict=True):
            node.y = place
    _straighten(columns, edges)
    top = min(node.y - node.up for node in nodes)
    for node in nodes:
        node.y -= top


def _straighten(columns, edges):
    """Let edges through bends go level for as long as there is room."""
    beside = {}
    for column in columns:
        beside |= {b: [a, None] for a, b in zip([None, *column], column, strict=False)}
        for a, b in pairwise(column):
            beside[a][1] = b
    for edge in 3 * edges:  # one gives way to others
        run, low, high = [], -np.inf, np.inf
        for node in [*edge.course[1:-1], None]:
            if node is not None:
                above, below = beside[node]
                lowest = above.y + above.down + BETWEEN + node.up if above else -np.inf
                highest = below.y - below.up - BETWEEN - node.down if below else np.inf
                if max(low, lowest) <= min(high, highest):
                    run.append(node)
                    low, high = max(low, lowest), min(high, highest)
                    continue
            middle = sorted(n.y for n in run)[len(run) // 2] if run else 0
            for n in run:
                n.y = min(max(middle, low), high)
            if node is not None:
                run, low, high = [node], lowest, highest


def apart(wishes, gaps):
    """Return places at least `gaps` apart, and as near to `wishes` as can be in squares.

    Less the gaps before them, places must not fall: isotonic regression, which pools neighbours
    that do.
    """
    before = np.cumsum([0, *gaps])
    pools = []  # sum and number of members
    for wish in wishes - before:
        pools.append((wish, 1))
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            (s1, n1), (s2, n2) = pools[-2:]
            pools[-2:] = [(s1 + s2, n1 + n2)]
    return before + [s / n for s, n in pools for _ in range(n)]
