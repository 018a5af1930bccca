"""Softmax, its logarithm, and what both rest on: log Σ exp, along the last axis."""

from common.symbolic.elementwise import op
from common.symbolic.graph import Variable
from common.symbolic.operation import Operation, floating_dtype
from common.symbolic.reduction import Sum, expand
from common.symbolic.shape import cast

__all__ = ["LogSoftmax", "LogSumExp", "Softmax", "minus_logsumexp"]


class _AlongTheLastAxis(Operation):
    def __call__(self, x):
        x = super().__call__(x).inputs[0]  # which checks x
        return super().__call__(x if x.dtype.kind == "f" else cast(x, floating_dtype(x)))

    def check(self, x):
        """Raise TypeError if `x` has no axis, or isn't real."""
        if x.ndim == 0 or x.dtype.kind == "c":
            raise TypeError(f"{self.name} takes real vectors, rows of a matrix, …, got {x!r}")


class LogSumExp(_AlongTheLastAxis):
    """log Σₖ exp(xₖ) over the last axis, without overflow: the largest xₖ is taken out first."""

    name = "logsumexp"

    def output_type(self, x):
        self.check(x)
        return floating_dtype(x), x.lengths[:-1]

    def derivative(self, i, out, g, x):
        return expand(g, (x.ndim - 1,)) * Softmax()(x)

    def code(self, x):
        return f"logsumexp({x})"


class Softmax(_AlongTheLastAxis):
    """exp(xₖ) / Σⱼ exp(xⱼ) along the last axis."""

    name = "softmax"

    def output_type(self, x):
        self.check(x)
        return floating_dtype(x), x.lengths

    def derivative(self, i, y, g, x):
        return y * (g - Sum((x.ndim - 1,), True)(g * y))

    def code(self, x):
        return f"softmax({x})"


class LogSoftmax(_AlongTheLastAxis):
    """xₖ − log Σⱼ exp(xⱼ) along the last axis: the logarithm of softmax, exact where that is 0."""

    name = "log_softmax"

    def output_type(self, x):
        self.check(x)
        return floating_dtype(x), x.lengths

    def derivative(self, i, y, g, x):
        return g - op("exp", y) * Sum((x.ndim - 1,), True)(g)

    def code(self, x):
        return f"log_softmax({x})"


def minus_logsumexp(x: Variable) -> Variable:
    """Return x − log Σ exp x, which is log softmax(x), so that others can share log Σ exp x."""
    return x - expand(LogSumExp()(x), (x.ndim - 1,))
