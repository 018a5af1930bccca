"""Rewriting: an expression that means the same, and is smaller, quicker or more stable.

One walk from the leaves to the outputs. Each variable is made again from its rewritten inputs,
unless an equal one is there already (merging), all its inputs are constants (folding), or a rule
knows something better (common.symbolic.rules).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from common.symbolic import runtime
from common.symbolic.elementwise import op
from common.symbolic.graph import (
    Constant,
    Variable,
    ancestors,
    count_variables,
    with_inputs,
)
from common.symbolic.operation import Operation
from common.symbolic.reduction import expand
from common.symbolic.rules import RULES, made_by

__all__ = ["rewrite", "share_logsumexp", "substitute"]


def rewrite(outputs: Sequence[Variable], keep: Sequence[Variable] = ()) -> list[Variable]:
    """Return `outputs` rewritten.

    Those of `keep` can be asked for too: what comes back for them is a variable that stands in the
    other outputs wherever the kept one stood, and that no rule looks into.
    """
    rewriting = _Rewriting()
    new = {}
    keep = set(keep)
    for variable in ancestors(outputs):
        if variable.operation is None:
            new[variable] = rewriting.leaf(variable)
        else:
            inputs = tuple([new[x] for x in variable.inputs])
            new[variable] = rewriting.made_again(variable, inputs)
        if variable in keep:
            new[variable] = rewriting.kept(variable, new[variable])
    return [new[v] for v in outputs]


class Kept(Operation):
    """Its input. Rules can't see through it; the next rewriting takes it away.

    Parameters
    ----------
    number : int
        Each is another operation, so that no two are merged.
    """

    name = "kept"
    view = True

    def __init__(self, number: int):
        self.settings = (number,)

    def output_type(self, x):
        return x.dtype, x.lengths

    def derivative(self, i, out, g, x):
        return g

    def code(self, x):
        return x


class _Rewriting:
    def __init__(self):
        self.merged = {}  # from operation and inputs to the one variable that they make
        self.began = count_variables()

    def leaf(self, variable):
        """Return the one constant with the value of `variable`, or another leaf itself."""
        if not isinstance(variable, Constant) or variable.value.size > 16 or variable.name:
            return variable
        value = variable.value
        key = (value.dtype, variable.weak, value.shape, value.tobytes())
        return self.merged.setdefault(key, variable)

    def kept(self, variable, new):
        """Return what stands for `variable`, which is `new` for others, but is to be kept."""
        result = Kept(variable.serial)(new)
        result.name, result.made_at = variable.name, variable.made_at
        self.merged[result.operation.key, new] = result
        return result

    def made_again(self, variable, inputs):
        """Return what stands for `variable`, now that its inputs are `inputs`."""
        operation = variable.operation
        key = (operation.key, *inputs)
        result = self.merged.get(key)
        if result is None:
            result = _folded(variable, inputs)
        if result is None:
            result = self._by_rule(variable, inputs)
        if result is None:
            if all(a is b for a, b in zip(inputs, variable.inputs, strict=True)):
                result = variable
            else:
                result = with_inputs(variable, inputs)
        self.merged[key] = result
        if result.name is None and result.serial > self.began and result.operation is not None:
            result.name = variable.name  # what was there before belongs to the user
        return result

    def _by_rule(self, variable, inputs):
        rule = RULES.get(variable.operation.name)
        result = None if rule is None else rule(variable.operation, *inputs)
        if result is None or (result.dtype, result.ndim, result.weak) != (
            variable.dtype,
            variable.ndim,
            variable.weak,
        ):
            return None
        return self._made_by_rule(result, set(inputs), variable.made_at)

    def _made_by_rule(self, variable, known, made_at):
        """Rewrite what a rule has put between `known` variables and its result."""
        if variable in known or variable.operation is None:
            return variable
        result = self.merged.get((variable.operation.key, *variable.inputs))
        if result is None:
            variable.made_at = made_at
            inputs = tuple([self._made_by_rule(x, known, made_at) for x in variable.inputs])
            result = self.made_again(variable, inputs)
        return result


def _folded(variable, inputs):
    """Return the constant that an operation on constants gives, or None."""
    if not inputs or not all(isinstance(x, Constant) and not x.name for x in inputs):
        return None
    names = [f"x{i}" for i in range(len(inputs))]
    values = {n: x.value.item() if x.weak else x.value for n, x in zip(names, inputs, strict=True)}
    try:
        with np.errstate(all="ignore"):
            value = eval(variable.operation.code(*names), runtime.SPACE | values)
    except (ArithmeticError, ValueError, TypeError, IndexError):
        return None  # the function will fail where it computes it, and say so
    return Constant(np.asarray(value, variable.dtype), weak=variable.weak)


def substitute(outputs: Sequence[Variable], replace: Mapping[Variable, Variable]) -> list[Variable]:
    """Return `outputs` with the variables that are keys of `replace` replaced by its values."""
    if not replace:
        return list(outputs)
    new = dict(replace)
    for variable in ancestors(outputs):
        if variable not in new:
            inputs = tuple([new[x] for x in variable.inputs])
            if all(a is b for a, b in zip(inputs, variable.inputs, strict=True)):
                new[variable] = variable
            else:
                new[variable] = with_inputs(variable, inputs)
    return [new[v] for v in outputs]


def share_logsumexp(outputs: Sequence[Variable]) -> list[Variable]:
    """Return `outputs` with softmax(x) as exp(x − log Σ exp x) where log Σ exp x is needed anyway.

    A loss needs that sum, and its gradient the softmax.
    """
    order = ancestors(outputs)
    with_sum = {v.inputs[0]: v for v in order if made_by(v, "logsumexp")}
    if not with_sum:
        return list(outputs)
    replace = {}
    for v in order:
        if made_by(v, "softmax") and v.inputs[0] in with_sum:
            [x] = v.inputs
            replace[v] = op("exp", x - expand(with_sum[x], (x.ndim - 1,)))
            replace[v].name, replace[v].made_at = v.name, v.made_at
    return substitute(outputs, replace)
