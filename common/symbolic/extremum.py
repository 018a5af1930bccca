"""The largest and the smallest entry, and where they are."""

import numpy as np

from common.symbolic.elementwise import op
from common.symbolic.reduction import Reduction, Sum
from common.symbolic.shape import cast

__all__ = ["ArgExtremum", "Extremum"]


class Extremum(Reduction):
    """The largest or smallest entry over some axes. Equals share the gradient.

    Parameters
    ----------
    name : {"max", "min"}
    axes, keepdims
        As in Reduction.
    """

    def __init__(self, name: str, axes: tuple[int, ...], keepdims: bool = False):
        super().__init__(axes, keepdims)
        self.name = name

    def output_type(self, x):
        return x.dtype, self.lengths(x)

    def derivative(self, i, out, g, x):
        found = op("eq", x, self.again(out))
        return self.again(g) * found / Sum(self.axes, True)(cast(found, g.dtype))

    def code(self, x):
        return self.call(x, self.name)


class ArgExtremum(Reduction):
    """Where the largest or smallest entry is along an axis; the first one of equals.

    Parameters
    ----------
    name : {"argmax", "argmin"}
    axes, keepdims
        As in Reduction, but there must be one axis.
    """

    smooth = False

    def __init__(self, name: str, axes: tuple[int, ...], keepdims: bool = False):
        super().__init__(axes, keepdims)
        self.name = name

    def output_type(self, x):
        return np.dtype(np.int64), self.lengths(x)

    def code(self, x):
        return self.call(x, self.name)
