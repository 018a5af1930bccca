"""Elementwise operations: a table with NumPy code, kind of dtype and derivatives in each row.

A row ends with one vector-Jacobian product (VJP) per input: a function of the upstream gradient
g = ∂cost/∂y, of the result y, and of all inputs. None stands for 0. Where an input was broadcast,
the gradient walk sums the VJP to the input's shape, so no row needs to.

The dtype rule is Theano's:

- arrays combine as NumPy's do: int8 and int32 give int32, int32 and float32 give float64;
- a Python float has floatX, a Python integer the smallest signed dtype that holds it (uint64 from
  2⁶³ on); beside floats such an integer takes their dtype, and so does a Python float beside an
  array of floats;
- an integer that is computed from Python integers alone is int64;
- functions such as exp give float32 for booleans and for integers of 8 and 16 bits, float64 for
  larger integers; those of Python integers, and a quotient or softmax of integers, have floatX;
- `sum` and `prod` of integers are int64 (unsigned: uint64), `mean` float64; float16 is refused.
"""

import math
import re
from functools import cache
from itertools import zip_longest

import numpy as np

from common.symbolic.graph import KINDS, Constant, Operation, Variable, as_variable, checked_dtype
from common.symbolic.runtime import NAMESPACE


class Elementwise(Operation):
    """A function of elements, with broadcasting of axes of known size 1.

    Parameters
    ----------
    name : str
    template : str
        The NumPy expression, with {0}, {1}, … for the inputs.
    kind : {None, "float", "bool"}
        The dtype of the result. None: the one that NumPy gives it. "float": the same, after
        integers are converted to floats. "bool": that of a comparison.
    *vjps : callable or None
        For each input a function of g, y and all inputs that returns the VJP; None for 0. Without
        any, the derivative is 0.
    selects : bool
        Whether it picks one of its inputs, as `switch` does. Its VJPs must then be right even where
        an input is infinite.

    Raises
    ------
    ValueError
        If `template` names no input, or `kind` is none of these.

    Examples
    --------
    A new operation, the hyperbola 1 / x:

    >>> import common.symbolic.tensor as T
    >>> hyperbola = Elementwise("hyperbola", "1 / {0}", "float", lambda g, y, x: -g * y * y)
    >>> x = T.dscalar("x")
    >>> T.grad(hyperbola(x), x).eval({x: 2.0})
    array(-0.25)
    """

    fields = ("name", "template", "kind", "vjps", "selects")

    def __init__(self, name: str, template: str, kind: str | None, *vjps, selects: bool = False):
        super().__init__(name, template, kind, vjps, selects)
        self.n_inputs = len(set(re.findall(r"\{\d\}", template)))
        self.differentiable = bool(vjps)
        if not self.n_inputs:
            raise ValueError(f"template must name its first input {{0}}, got {template!r}")
        if kind not in (None, "float", "bool"):
            raise ValueError(f"kind must be None, 'float' or 'bool', got {kind!r}")

    def converted(self, *inputs):
        """Return the inputs in dtypes for which NumPy's result has the dtype of the rule."""
        if len(inputs) != self.n_inputs:
            raise TypeError(f"{self.name} takes {self.n_inputs} inputs, got {len(inputs)}")
        if self.kind == "float" and not any(x.kind in "fc" for x in inputs):
            one_array = len(inputs) == 1 and not inputs[0].weak
            dtype = np.result_type(inputs[0].dtype, "float32") if one_array else "floatX"
            return [cast(x, dtype) for x in inputs]
        if self is switch:  # whose dtype doesn't depend on that of the condition
            inputs = cast(inputs[0], "bool"), *inputs[1:]
        return settled(inputs)

    def infer(self, *inputs):
        dtypes = tuple([type(x.operand) if x.weak else x.dtype for x in inputs])
        try:
            dtype = dtype_of(self.template, dtypes)
        except TypeError as error:
            given = ", ".join(f"{x!r} of {x.dtype}" for x in inputs)
            raise TypeError(f"{self.name} isn't defined for {given}: {error}") from error
        return dtype, broadcast(self.name, *inputs)

    def vjp(self, i, out, g, *inputs):
        """Return ∂cost/∂inputs[i] in the shape of `out`."""
        rule = self.vjps[i]
        return None if rule is None else rule(g, out, *inputs)

    def guarded_vjp(self, i, out, g, *inputs):
        """Return g times the local derivative, which is the VJP of 1."""
        if self.selects:
            return self.vjp(i, out, g, *inputs)
        one = Constant(1.0, dtype=g.dtype)
        local = self.vjp(i, out, one, *inputs)
        if local is one:
            return g
        return None if local is None else zero_or_product(g, local)

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        if ELEMENTWISE.get(self.name) is not self:
            raise TypeError(
                f"the operation {self.name!r} is defined outside of common.symbolic, so what uses "
                "it can't be pickled; save the values of the shared variables instead"
            )
        return self.name  # which pickle finds in this module


def settled(operands):
    """Return `operands` with the Python numbers among them in the dtypes that the rule gives them.

    A number stays as it is where NumPy gives the result the same dtype anyway.
    """
    arrays = [x.dtype for x in operands if not x.weak]
    floats = [x for x in operands if x.kind in "fc"]
    if not all(x.weak for x in floats):
        return operands

    def in_own_dtype(number):
        dtype = "int64" if number.kind == "i" and not arrays else number.dtype
        by_numpy, by_rule = (np.result_type(x, *arrays) for x in (number.operand, dtype))
        return number if arrays and by_numpy == by_rule else cast(number, dtype)

    # An integer beside a Python float takes the dtype of that.
    numbers = floats or [x for x in operands if x.weak]
    return [in_own_dtype(x) if x in numbers else x for x in operands]


def common_dtype(operands) -> str:
    """Return the dtype that the rule gives to several variables together."""
    seen = [x.operand if x.weak else x.dtype for x in settled(operands)]
    return np.result_type(*seen).name


@cache
def dtype_of(template, dtypes):
    """Return the dtype that NumPy gives the result; a type in `dtypes` is that of a number."""
    names = {f"x{i}": np.ones(1, d) if type(d) is str else d(1) for i, d in enumerate(dtypes)}
    with np.errstate(all="ignore"):
        return checked_dtype(eval(template.format(*names), NAMESPACE | names).dtype)


def broadcast(name, *inputs):
    """Return the shape to which `inputs` are broadcast; the program guards sizes not known yet."""
    dims = inputs[0].dims
    if all(x.dims == dims for x in inputs):
        return dims
    result = []
    for sizes in zip_longest(*[x.dims[::-1] for x in inputs], fillvalue=1):
        known = {n for n in sizes if isinstance(n, int)} - {1}
        if len(known) > 1:
            shown = " and ".join(f"{x!r} {x.dims}" for x in inputs)
            raise ValueError(f"{name}: these shapes can't be broadcast to each other: {shown}")
        unknown = [n for n in sizes if not isinstance(n, int)]
        result.append([*known, *unknown, 1][0])
    return tuple(result[::-1])


class Cast(Operation, name="cast", view=True, moves=True, fields=("dtype",)):
    """The same numbers in another dtype."""

    template = "np.asarray({0}, np.{op.dtype})"

    def infer(self, x):
        return self.dtype, x.dims


def cast(x, dtype) -> Variable:
    """Return `x` in another dtype, as NumPy has them; None and "floatX" are the configuration's.

    Raises
    ------
    TypeError
        If there is no such dtype of numbers, or `x` is complex and the dtype isn't.
    """
    x, dtype = as_variable(x), checked_dtype(dtype)
    if x.kind == "c" and KINDS[dtype] != "c":
        raise TypeError(f"cast: {x!r} is complex, so it can't be cast to {dtype}")
    if x.weak:
        return Constant(x.value, x.name, dtype=dtype)
    return x if x.dtype == dtype else Cast(dtype)(x)


def clip(x, a_min, a_max) -> Variable:
    """Return the elements of `x`, limited to the range from `a_min` to `a_max`."""
    return minimum(maximum(x, a_min), a_max)


def _unless_0(g, f):
    """Return g f, but 0 where g is 0, even if f is infinite there, as the derivative of √0 is."""
    return g * f if isinstance(g, Constant) and g.value.all() else zero_or_product(g, f)


def _pow_base(g, y, a, b):
    """Return g b aᵇ⁻¹, but 0 where b = 0, even if aᵇ⁻¹ is infinite there."""
    if isinstance(b, Constant) and b.ndim == 0:
        n = b.operand
        if n == 0:
            return None
        f = n * a ** (n - 1)
        return g * f if n >= 1 else _unless_0(g, f)
    return _unless_0(g, b * a ** switch(eq(b, 0), 1, b - 1))


def _pow_exponent(g, y, a, b):
    """Return g y log a, but 0 where a isn't positive and log a doesn't exist."""
    return g * zero_or_product(log(switch(gt(a, 0), cast(a, y.dtype), 1)), y)


def _to_chosen(g, one, other, is_chosen):
    """Return g where `one` is chosen before `other`, g / 2 where they are equal, 0 elsewhere."""
    return switch(eq(one, other), 0.5 * g, switch(is_chosen(one, other), g, 0))


# fmt: off
# Arithmetic

add = Elementwise("add", "{0} + {1}", None, lambda g, y, a, b: g, lambda g, y, a, b: g)
sub = Elementwise("sub", "{0} - {1}", None, lambda g, y, a, b: g, lambda g, y, a, b: -g)
mul = Elementwise("mul", "{0} * {1}", None, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)
true_div = Elementwise("true_div", "{0} / {1}", "float",
    lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b)
int_div = Elementwise("int_div", "{0} // {1}", None)
mod = Elementwise("mod", "{0} % {1}", None, lambda g, y, a, b: g, lambda g, y, a, b: -g * (a // b))
pow = Elementwise("pow", "np.power({0}, {1})", None, _pow_base, _pow_exponent)
neg = Elementwise("neg", "-{0}", None, lambda g, y, x: -g)
abs = Elementwise("abs", "np.abs({0})", None, lambda g, y, x: g * sgn(x))
sgn = Elementwise("sgn", "np.sign({0})", None)
inv = Elementwise("inv", "1 / {0}", "float", lambda g, y, x: -g * sqr(y))
sqr = Elementwise("sqr", "np.square({0})", None, lambda g, y, x: g * (2 * x))
sqrt = Elementwise("sqrt", "np.sqrt({0})", "float", lambda g, y, x: _unless_0(g, 0.5 / y))
floor = Elementwise("floor", "np.floor({0})", "float")
ceil = Elementwise("ceil", "np.ceil({0})", "float")
round = Elementwise("round", "np.rint({0})", "float")

# Exponentials, logarithms, and functions of angles in radians

exp = Elementwise("exp", "np.exp({0})", "float", lambda g, y, x: g * y)
expm1 = Elementwise("expm1", "np.expm1({0})", "float", lambda g, y, x: g * exp(x))
log = Elementwise("log", "np.log({0})", "float", lambda g, y, x: g / x)
log1p = Elementwise("log1p", "np.log1p({0})", "float", lambda g, y, x: g / (1 + x))
log2 = Elementwise("log2", "np.log2({0})", "float", lambda g, y, x: g / (x * math.log(2)))
log10 = Elementwise("log10", "np.log10({0})", "float", lambda g, y, x: g / (x * math.log(10)))
sin = Elementwise("sin", "np.sin({0})", "float", lambda g, y, x: g * cos(x))
cos = Elementwise("cos", "np.cos({0})", "float", lambda g, y, x: -g * sin(x))
tan = Elementwise("tan", "np.tan({0})", "float", lambda g, y, x: g * (1 + sqr(y)))
arcsin = Elementwise("arcsin", "np.arcsin({0})", "float", lambda g, y, x: g / sqrt(1 - sqr(x)))
arccos = Elementwise("arccos", "np.arccos({0})", "float", lambda g, y, x: -g / sqrt(1 - sqr(x)))
arctan = Elementwise("arctan", "np.arctan({0})", "float", lambda g, y, x: g / (1 + sqr(x)))
sinh = Elementwise("sinh", "np.sinh({0})", "float", lambda g, y, x: g * cosh(x))
cosh = Elementwise("cosh", "np.cosh({0})", "float", lambda g, y, x: g * sinh(x))
tanh = Elementwise("tanh", "np.tanh({0})", "float", lambda g, y, x: g * (1 - sqr(y)))

# Activation functions. The derivative of the sigmoid is y − y², since a factor 1 − y would be
# rewritten as a second sigmoid.

sigmoid = Elementwise("sigmoid", "sigmoid({0})", "float", lambda g, y, x: g * (y - sqr(y)))
softplus = Elementwise("softplus", "np.logaddexp({0}, 0)", "float", lambda g, y, x: g * sigmoid(x))
relu = Elementwise("relu", "np.maximum({0}, 0)", None,
    lambda g, y, x: switch(gt(y, 0), g, 0), selects=True)

# Comparisons and logic. On integers & | ^ ~ are bitwise.

lt = Elementwise("lt", "{0} < {1}", "bool")
le = Elementwise("le", "{0} <= {1}", "bool")
gt = Elementwise("gt", "{0} > {1}", "bool")
ge = Elementwise("ge", "{0} >= {1}", "bool")
eq = Elementwise("eq", "{0} == {1}", "bool")
neq = Elementwise("neq", "{0} != {1}", "bool")
isnan = Elementwise("isnan", "np.isnan({0})", "bool")
isinf = Elementwise("isinf", "np.isinf({0})", "bool")
isfinite = Elementwise("isfinite", "np.isfinite({0})", "bool")
and_ = Elementwise("and_", "{0} & {1}", None)
or_ = Elementwise("or_", "{0} | {1}", None)
xor = Elementwise("xor", "{0} ^ {1}", None)
invert = Elementwise("invert", "~{0}", None)

# Choices. Where two elements are equal, maximum and minimum give each half of the gradient.

maximum = Elementwise("maximum", "np.maximum({0}, {1})", None,
    lambda g, y, a, b: _to_chosen(g, a, b, gt), lambda g, y, a, b: _to_chosen(g, b, a, gt),
    selects=True)
minimum = Elementwise("minimum", "np.minimum({0}, {1})", None,
    lambda g, y, a, b: _to_chosen(g, a, b, lt), lambda g, y, a, b: _to_chosen(g, b, a, lt),
    selects=True)
switch = Elementwise("switch", "np.where({0}, {1}, {2})", None, None,
    lambda g, y, c, a, b: switch(c, g, 0), lambda g, y, c, a, b: switch(c, 0, g), selects=True)

# g f, but 0 where g is 0, even if the local derivative f is infinite there; where it is, the
# derivative with respect to g is 0 as well. G is the upstream gradient of this product.
zero_or_product = Elementwise("zero_or_product", "zero_or_product({0}, {1})", None,
    lambda G, y, g, f: zero_or_product(G, switch(neq(g, 0) | isfinite(f), f, 0)),
    lambda G, y, g, f: zero_or_product(G, g), selects=True)
# fmt: on

ELEMENTWISE = {f.name: f for f in list(globals().values()) if isinstance(f, Elementwise)}
