"""What a user types: variables, and functions of variables. ``import common.symbolic.tensor as T``.

Variables: ``scalar vector matrix row col tensor3 tensor4``, with a prefix for the dtype: b w i l
for integers of 8, 16, 32, 64 bits, f d for floats of 32, 64, c z for complex numbers of 64, 128.
Without one it is ``config.floatX``. In the plural several at once: ``x, y = T.dscalars("x", "y")``.
In an expression + − * / ** and NumPy's indexing, broadcasting and methods work as on arrays.
"""

from common.symbolic import nnet
from common.symbolic.config import config
from common.symbolic.elementwise import ELEMENTWISE
from common.symbolic.gradient import grad
from common.symbolic.graph import Variable, as_variable
from common.symbolic.linear import Outer, dot, transpose
from common.symbolic.operators import (
    arg_max,
    arg_min,
    clip,
    flatten,
    maximum_over,
    mean,
    minimum_over,
    std,
    sum_over,
    var,
)
from common.symbolic.reduction import spread
from common.symbolic.shape import arange, cast, join, reshape, shape
from common.symbolic.shared import shared
from common.symbolic.tensor_type import NAMES, TensorType, known_type

PREFIXES = {
    "b": "int8",
    "w": "int16",
    "i": "int32",
    "l": "int64",
    "f": "float32",
    "d": "float64",
    "c": "complex64",
    "z": "complex128",
    "": None,
}


def _several(kind):
    def several(*names):
        if len(names) == 1 and isinstance(names[0], int):
            return [kind() for _ in range(names[0])]
        return [kind(name) for name in names]

    several.__doc__ = "Return several variables, by their names or their number."
    return several


def _constructors():
    for prefix, dtype in PREFIXES.items():
        for broadcastable, name in NAMES.items():
            kind = known_type(dtype, broadcastable)
            yield f"{prefix}{name}", kind
            yield f"{prefix}{'matrices' if name == 'matrix' else f'{name}s'}", _several(kind)


def zeros_like(x, dtype=None) -> Variable:
    """Return zeros in the shape of `x`, and in its dtype unless another is asked for."""
    return _filled(0, x, dtype)


def ones_like(x, dtype=None) -> Variable:
    """Return ones in the shape of `x`, and in its dtype unless another is asked for."""
    return _filled(1, x, dtype)


def _filled(number, x, dtype):
    x = as_variable(x)
    return spread(cast(number, dtype or x.dtype), x)


VARIABLES = dict(_constructors())

FUNCTIONS = {
    "TensorType": TensorType,
    "abs_": ELEMENTWISE["abs"],
    "arange": arange,
    "argmax": arg_max,
    "argmin": arg_min,
    "as_tensor_variable": as_variable,
    "cast": cast,
    "clip": clip,
    "concatenate": join,
    "config": config,
    "constant": as_variable,
    "dot": dot,
    "flatten": flatten,
    "grad": grad,
    "invert": ELEMENTWISE["not_"],
    "max": maximum_over,
    "mean": mean,
    "min": minimum_over,
    "nnet": nnet,
    "ones_like": ones_like,
    "outer": Outer(),
    "reshape": reshape,
    "shape": shape,
    "shared": shared,
    "std": std,
    "sum": sum_over,
    "transpose": transpose,
    "var": var,
    "where": ELEMENTWISE["switch"],
    "zeros_like": zeros_like,
    # Activations are found in nnet.
    **{n: f for n, f in ELEMENTWISE.items() if n not in ("sigmoid", "softplus", "relu", "not_")},
}

globals().update(VARIABLES | FUNCTIONS)
__all__ = sorted(VARIABLES | FUNCTIONS)
