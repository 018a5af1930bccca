"""The operators and methods of variables: functions of the files above, as on NumPy's arrays.

A comparison with == compares identity, as everywhere in Python; `eq` compares elements.
"""

from functools import wraps

from common.symbolic import arrays, indexing, products
from common.symbolic import elementwise as ew
from common.symbolic.graph import Variable

BINARY = {
    "add": ew.add,
    "sub": ew.sub,
    "mul": ew.mul,
    "truediv": ew.true_div,
    "floordiv": ew.int_div,
    "mod": ew.mod,
    "pow": ew.pow,
    "and": ew.and_,
    "or": ew.or_,
    "xor": ew.xor,
    "matmul": products.dot,
}
METHODS = {
    arrays: "sum prod mean var std max min argmax argmin all any repeat",
    ew: "clip round",
    indexing: "nonzero take",
    products: "dot",
}
RENAMED = {
    "__getitem__": indexing.index,
    "astype": ew.cast,
    "diagonal": indexing.diag,
    "ravel": arrays.flatten,
}


def _method(function):
    @wraps(function, updated=())
    def method(self, *args, **kwargs):
        return function(self, *args, **kwargs)

    return method


def _reflected(function):
    return lambda self, other: function(other, self)


for name, function in BINARY.items():
    setattr(Variable, f"__{name}__", _method(function))
    setattr(Variable, f"__r{name}__", _reflected(function))
for name in ("lt", "le", "gt", "ge", "neg", "abs", "invert"):
    setattr(Variable, f"__{name}__", _method(getattr(ew, name)))
for module, names in METHODS.items():
    for name in names.split():
        setattr(Variable, name, _method(getattr(module, name)))
for name, function in RENAMED.items():
    setattr(Variable, name, _method(function))
for name in ("shape", "size"):
    setattr(Variable, name, property(getattr(arrays, name)))
Variable.T = property(arrays.transpose)
Variable.__pos__ = lambda self: self


# Methods that take axes or sizes one by one as well as in a list.


def reshape(self, *shape, ndim=None):
    """Return the elements in another shape; one size may be −1."""
    return arrays.reshape(self, *_listed(shape), ndim)


def transpose(self, *axes):
    """Return the axes in another order, by default in reverse."""
    return arrays.transpose(self, *_listed(axes)) if axes else self.T


def dimshuffle(self, *pattern):
    """Return the axes in the order of `pattern`, with a new one of size 1 for each 'x'."""
    return arrays.dimshuffle(self, *_listed(pattern))


def flatten(self, ndim=1, *, outdim=None):
    """Return the elements with `ndim` axes, of which all but the last stay as they are."""
    return arrays.flatten(self, ndim if outdim is None else outdim)


def norm(self, L, axis=None, keepdims=False):
    """Return the L-norm (Σ |x|ᴸ)^(1/L) over `axis`."""
    return arrays.sum(abs(self) ** L, axis, keepdims=keepdims) ** (1.0 / L)


def copy(self, name=None):
    """Return a variable of the same value, with a name of its own."""
    result = arrays.Copy()(self)
    result.name = name
    return result


def _listed(arguments):
    is_list = len(arguments) == 1 and not isinstance(arguments[0], int | str)
    return arguments if is_list else (arguments,)


for function in (reshape, transpose, dimshuffle, flatten, norm, copy):
    setattr(Variable, function.__name__, function)
