"""Shapes that agree: what a function may assume, and what it must check to do so.

Broadcasting makes a program careful: x + b may be larger than x, so that its gradient by x has to
be summed to the shape of x, and x can't be overwritten. In nearly all programs the lengths simply
agree. So a function is derived twice: once under the assumption that all axes that meet are of one
length, which is checked on the inputs at each call, and, if a call ever breaks it, once without.
"""

from collections.abc import Sequence
from typing import NamedTuple

from common.symbolic.elementwise import Elementwise
from common.symbolic.graph import Input, Length, Variable, ancestors
from common.symbolic.rewrite import substitute

__all__ = ["assume_agreement"]


def assume_agreement(
    outputs: Sequence[Variable],
) -> tuple[list[Variable], dict[Variable, Variable], list[list]]:
    """Return `outputs` on leaves whose lengths agree.

    Returns
    -------
    outputs : list of Variable
    leaves : dict of Variable to Variable
        The new leaf for each old one.
    groups : list of list of int or (Variable, int)
        What that assumes: of each group, numbers and (leaf, axis), all lengths are equal.
    """
    order = ancestors(outputs)
    axes = {}  # of which leaf and axis a part of a length is
    for leaf in order:
        if leaf.operation is None:
            for axis, n in enumerate(leaf.lengths):
                if isinstance(n, Length):
                    axes[next(iter(n.parts))] = leaf, axis
    together = _Partition()
    for variable in order:
        for lengths in _meetings(variable):
            atoms = [atom for n in lengths for atom in _atoms(n)]
            if all(isinstance(atom, _Number) or atom in axes for atom in atoms):
                together.join(atoms)

    new_length, groups = {}, []
    for group in together.groups():
        numbers = [atom.n for atom in group if isinstance(atom, _Number)]
        if len(numbers) > 1:
            continue  # it can't be met
        parts = [atom for atom in group if not isinstance(atom, _Number)]
        length = numbers[0] if numbers else Length(frozenset(parts[:1]))
        new_length |= {Length(frozenset({part})): length for part in parts}
        if len(group) > 1:
            groups.append([*numbers, *(axes[part] for part in parts)])

    leaves = {}
    for leaf in order:
        if any(n in new_length for n in leaf.lengths if leaf.operation is None):
            lengths = [new_length.get(n, n) for n in leaf.lengths]
            leaves[leaf] = Input(leaf.dtype, lengths, leaf.name)
            leaves[leaf].made_at = leaf.made_at
    return substitute(outputs, leaves), leaves, groups


class _Number(NamedTuple):
    n: int


def _atoms(n):
    """Return a length as what it was broadcast from: numbers other than 1, parts of lengths."""
    if isinstance(n, int):
        return [] if n == 1 else [_Number(n)]
    return sorted(n.parts)


def _meetings(variable):
    """Yield the lengths that meet in an operation and, but for broadcasting, have to be equal."""
    operation, inputs = variable.operation, variable.inputs
    if isinstance(operation, Elementwise):
        for back in range(1, variable.ndim + 1):
            yield [x.lengths[-back] for x in inputs if x.ndim >= back]
    elif operation is None:
        return
    elif operation.name == "dot":
        yield [inputs[0].lengths[-1], inputs[1].lengths[0]]
    elif operation.name == "index" and operation.pattern[:1] == (("array",),):
        x, *holes = inputs
        if holes[0].operation is not None and holes[0].operation.name == "arange":
            yield [x.lengths[0], *(hole.lengths[0] for hole in holes if hole.ndim == 1)]


class _Partition:
    """Sets of things that belong together, by union and find."""

    def __init__(self):
        self.parent = {}

    def find(self, x):
        self.parent.setdefault(x, x)
        while self.parent[x] != x:
            self.parent[x] = self.parent[self.parent[x]]
            x = self.parent[x]
        return x

    def join(self, xs):
        for x in xs:
            self.parent[self.find(x)] = self.find(xs[0])

    def groups(self):
        groups = {}
        for x in self.parent:
            groups.setdefault(self.find(x), []).append(x)
        return groups.values()
