"""The operators and methods of variables, under the names that NumPy's arrays have for them.

Each is a function of elementwise, arrays, indexing or products. The operator == compares identity,
as for any Python object, so that variables can be keys of a dict; `eq` compares elements.
"""

import math

from common.symbolic import arrays, indexing, products
from common.symbolic import elementwise as ew
from common.symbolic.graph import Operation, Variable, as_variable


def _copy(x, name=None):
    """Return a variable with the same value and another name."""
    result = arrays.Copy()(x)
    result.name = name
    return result


def _norm(x, L, axis=None, keepdims=False):
    """Return the L-norm (Σ |x|ᴸ)^(1/L) over `axis`, or raise ValueError if L is 0 or infinite."""
    if L in (0, math.inf, -math.inf):
        raise ValueError(f"norm: L must be finite and not 0, got {L}; T.max(abs(x)) is the ∞-norm")
    return arrays.sum(abs(x) ** L, axis, keepdims=keepdims) ** (1.0 / L)


def _listed(parts):
    """Return axes or sizes that were given one by one, or in a list."""
    return parts[0] if len(parts) == 1 and not isinstance(parts[0], int | str) else parts


# fmt: off
OPERATORS = {
    "add": ew.add, "sub": ew.sub, "mul": ew.mul, "truediv": ew.true_div, "floordiv": ew.int_div,
    "mod": ew.mod, "pow": ew.pow, "and": ew.and_, "or": ew.or_, "xor": ew.xor,
    "matmul": products.dot,
}
METHODS = {
    "__lt__": ew.lt, "__le__": ew.le, "__gt__": ew.gt, "__ge__": ew.ge,
    "__neg__": ew.neg, "__pos__": as_variable, "__abs__": ew.abs, "__invert__": ew.invert,
    "sum": arrays.sum, "prod": arrays.prod, "mean": arrays.mean, "var": arrays.var,
    "std": arrays.std, "max": arrays.max, "min": arrays.min, "argmax": arrays.argmax,
    "argmin": arrays.argmin, "all": arrays.all, "any": arrays.any, "repeat": arrays.repeat,
    "__getitem__": indexing.index, "take": indexing.take, "nonzero": indexing.nonzero,
    "diagonal": indexing.diag, "dot": products.dot, "norm": _norm, "copy": _copy,
    "clip": ew.clip, "round": ew.round, "astype": ew.cast, "ravel": arrays.flatten,
    "flatten": arrays.flatten,
    "reshape": lambda x, *shape, ndim=None: arrays.reshape(x, _listed(shape), ndim),
    "transpose": lambda x, *axes: arrays.transpose(x, _listed(axes) if axes else None),
    "dimshuffle": lambda x, *pattern: arrays.dimshuffle(x, _listed(pattern)),
    "T": property(arrays.transpose), "shape": property(arrays.shape),
    "size": property(arrays.size),
}
# fmt: on


def _method(operation):
    """Return `operation` as a function, since Python makes methods of functions only."""
    return lambda *args, **kwargs: operation(*args, **kwargs)


def _reflected(function):
    return lambda y, x: function(x, y)


for name, function in OPERATORS.items():
    METHODS |= {f"__{name}__": function, f"__r{name}__": _reflected(function)}
for name, function in METHODS.items():
    setattr(Variable, name, _method(function) if isinstance(function, Operation) else function)
