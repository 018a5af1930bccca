"""What a user types between variables, + and [], and after them, .sum(), becomes operations."""

from common.symbolic.config import config
from common.symbolic.elementwise import ELEMENTWISE, op
from common.symbolic.extremum import ArgExtremum, Extremum
from common.symbolic.graph import Variable, as_variable
from common.symbolic.indexing import index
from common.symbolic.linear import dot, transpose
from common.symbolic.reduction import Count, Sum, all_axes
from common.symbolic.shape import ShapeOf, cast, reshape, shape

__all__ = [
    "arg_max",
    "arg_min",
    "clip",
    "flatten",
    "maximum_over",
    "mean",
    "minimum_over",
    "std",
    "sum_over",
    "var",
]

BINARY = {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "truediv": "true_div",
    "floordiv": "int_div",
    "mod": "mod",
    "pow": "pow",
    "and": "and_",
    "or": "or_",
}


def sum_over(x, axis=None, keepdims=False) -> Variable:
    """Return Σ x over `axis`, a number, several, or None for all."""
    x = as_variable(x)
    axes = all_axes("sum", x, axis)
    if axes or (x.ndim == 0 and not x.weak and x.dtype.kind in "bui"):
        return Sum(axes, keepdims)(x)  # also of one number: small integers become large ones
    return x


def mean(x, axis=None, keepdims=False) -> Variable:
    """Return the mean of `x` over `axis`; a fraction, also of whole numbers."""
    x = as_variable(x)
    axes = all_axes("mean", x, axis)
    x = x if x.dtype.kind in "fc" else cast(x, config.floatX)
    return Sum(axes, keepdims)(x) / Count(axes)(x) if axes else x


def var(x, axis=None, keepdims=False) -> Variable:
    """Return the variance of `x` over `axis`: of N numbers, Σ (xᵢ − mean)² / N."""
    x = as_variable(x)
    x = x if x.dtype.kind in "fc" else cast(x, config.floatX)
    return mean(op("sqr", x - mean(x, axis, keepdims=True)), axis, keepdims)


def std(x, axis=None, keepdims=False) -> Variable:
    """Return the standard deviation of `x` over `axis`, √var."""
    return op("sqrt", var(x, axis, keepdims))


def maximum_over(x, axis=None, keepdims=False) -> Variable:
    """Return the largest entry of `x` over `axis`."""
    return _extremum("max", x, axis, keepdims)


def minimum_over(x, axis=None, keepdims=False) -> Variable:
    """Return the smallest entry of `x` over `axis`."""
    return _extremum("min", x, axis, keepdims)


def _extremum(name, x, axis, keepdims):
    x = as_variable(x)
    axes = all_axes(name, x, axis)
    return Extremum(name, axes, keepdims)(x) if axes else x


def arg_max(x, axis=None, keepdims=False) -> Variable:
    """Return where the largest entry is along `axis`; without one, in `x` flattened."""
    return _where("argmax", x, axis, keepdims)


def arg_min(x, axis=None, keepdims=False) -> Variable:
    """Return where the smallest entry is along `axis`; without one, in `x` flattened."""
    return _where("argmin", x, axis, keepdims)


def _where(name, x, axis, keepdims):
    x = as_variable(x)
    if axis is None:
        if keepdims:
            raise ValueError(f"{name}: keepdims needs an axis")
        x, axis = flatten(x), 0
    axes = all_axes(name, x, axis)
    if len(axes) != 1:
        raise ValueError(f"{name} goes along one axis, got {axis}")
    return ArgExtremum(name, axes, keepdims)(x)


def clip(x, low, high) -> Variable:
    """Return `x`, but `low` where it is below, and `high` where it is above."""
    return op("minimum", op("maximum", x, low), high)


def flatten(x, ndim=1) -> Variable:
    """Return the entries of `x` in `ndim` axes, of which the first ones stay."""
    x = as_variable(x)
    if ndim == x.ndim:
        return x
    if not 1 <= ndim <= max(x.ndim, 1):
        raise ValueError(f"flatten: ndim must lie between 1 and {x.ndim}, got {ndim}")
    return reshape(x, *(ShapeOf(a)(x) for a in range(ndim - 1)), -1)


def _attach():
    for python, name in BINARY.items():
        operation = ELEMENTWISE[name]
        setattr(Variable, f"__{python}__", lambda a, b, op=operation: op(a, b))
        setattr(Variable, f"__r{python}__", lambda a, b, op=operation: op(b, a))
    for name in ("lt", "le", "gt", "ge"):
        operation = ELEMENTWISE[name]
        setattr(Variable, f"__{name}__", lambda a, b, op=operation: op(a, b))
    Variable.__neg__ = lambda x: op("neg", x)
    Variable.__pos__ = lambda x: x
    Variable.__abs__ = lambda x: op("abs", x)
    Variable.__invert__ = lambda x: op("not_", x)
    Variable.__matmul__ = dot
    Variable.__rmatmul__ = lambda a, b: dot(b, a)
    Variable.__getitem__ = index
    Variable.T = property(transpose)
    Variable.shape = property(shape)
    Variable.sum, Variable.mean, Variable.var, Variable.std = sum_over, mean, var, std
    Variable.max, Variable.min = maximum_over, minimum_over
    Variable.argmax, Variable.argmin = arg_max, arg_min
    Variable.dot, Variable.astype, Variable.clip = dot, cast, clip
    Variable.reshape, Variable.flatten = reshape, flatten
    Variable.transpose = lambda x, *axes: transpose(
        x, None if not axes else axes[0] if isinstance(axes[0], (tuple, list)) else axes
    )


_attach()
