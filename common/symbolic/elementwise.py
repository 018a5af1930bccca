"""Elementwise operations: a table with NumPy program, dtype rule and derivatives in each row.

A row's last part has one vector-Jacobian product (VJP) for each input: a function of g = ∂cost/∂y,
of the result y, and of the inputs. None stands for 0. Where an input was broadcast, the gradient
walk sums the VJP back to the input's shape, so no row needs to.

The dtype rule is Theano's:

- arrays combine as NumPy's do: int8 and int32 give int32, int32 and float32 give float64;
- a Python integer is of the smallest integer dtype that holds it, a Python float of floatX; beside
  an array of floats both take that array's dtype;
- real functions of 8 and 16 bit integers and booleans give float32, of larger ones float64; the
  quotient of integers is of floatX;
- sums and products of integers are int64 (unsigned: uint64); float16 is refused.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from common.symbolic.config import config
from common.symbolic.graph import (
    KINDS,
    Constant,
    Dim,
    Operation,
    Variable,
    as_variable,
    checked_dtype,
    readable_shape,
)
from common.symbolic.runtime import NAMESPACE

__all__ = ["ELEMENTWISE", "Cast", "Elementwise", "boolean", "floating_dtype", "result_dtype"]


@cache
def result_dtype(code: str, dtypes: tuple) -> str:
    """Return the dtype that NumPy gives the result of `code` on arrays of `dtypes`."""
    names = {f"x{i}": np.ones(1, d) if type(d) is str else d(1) for i, d in enumerate(dtypes)}
    with np.errstate(all="ignore"):
        return checked_dtype(eval(code.format(*names), NAMESPACE | names).dtype)


def floating_dtype(code: str, dtypes: tuple) -> str:
    """Return NumPy's dtype; integers have been made floats before."""
    return result_dtype(code, dtypes)


def boolean(code: str, dtypes: tuple) -> str:
    """Return the dtype of comparisons, once NumPy has agreed to compare."""
    return result_dtype(code, dtypes) and "bool"


class Elementwise(Operation):
    """A function of elements, with broadcasting of axes of known size 1.

    Parameters
    ----------
    name : str
    program : str
        The NumPy expression, with {0}, {1}, … for the inputs.
    rule : {result_dtype, floating_dtype, boolean}
        The dtype of the result: as NumPy has it, the same after integers were converted to floats,
        or bool.
    *vjps : callable or None
        For each input a function of g, y and all inputs that returns the VJP; None for 0. Without
        any, the derivative is 0.
    selects : bool
        Whether it picks one of its inputs. Its VJPs are then right even if these are infinite.

    Raises
    ------
    ValueError
        If `program` names no input.

    Examples
    --------
    A new operation, the hyperbola 1 / x:

    >>> import common.symbolic.tensor as T
    >>> hyperbola = Elementwise("hyperbola", "1 / {0}", floating_dtype, lambda g, y, x: -g * y * y)
    >>> x = T.dscalar("x")
    >>> T.grad(hyperbola(x), x).eval({x: 2.0})
    array(-0.25)
    """

    def __init__(
        self,
        name: str,
        program: str,
        rule: Callable,
        *vjps: Callable | None,
        selects: bool = False,
    ):
        self.name, self.program, self.rule, self.vjps = name, program, rule, vjps
        self.n_inputs = 1 + max((i for i in range(3) if f"{{{i}}}" in program), default=-1)
        if not self.n_inputs:
            raise ValueError(f"program must name its first input {{0}}, got {program!r}")
        self.differentiable = bool(vjps)
        self.selects = selects
        self.is_comparison = rule is boolean

    @property
    def key(self):
        """The operation itself: two operations differ even if they have the same name."""
        return self

    def __call__(self, *inputs) -> Variable:
        """Return the variable that this operation computes from `inputs`."""
        if len(inputs) != self.n_inputs:
            raise TypeError(f"{self.name} takes {self.n_inputs} inputs, got {len(inputs)}")
        inputs = [as_variable(x) for x in inputs]
        if any(is_weak(x) for x in inputs):
            first = self.name == "switch"  # a condition has no part in the dtype
            inputs[first:] = _settled(inputs[first:], self.selects)
        if self.rule is floating_dtype and not any(x.kind in "fc" for x in inputs):
            small = inputs[0].dtype in ("bool", "int8", "int16", "uint8", "uint16")
            dtype = config.floatX if len(inputs) > 1 else "float32" if small else "float64"
            inputs = [x if is_weak(x) else cast(x, dtype) for x in inputs]
        return super().__call__(*inputs)

    def infer(self, *inputs):
        dtypes = tuple([type(x.value.item()) if is_weak(x) else x.dtype for x in inputs])
        try:
            dtype = self.rule(self.program, dtypes)
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
        one = _one(g.dtype)
        local = self.vjp(i, out, one, *inputs)
        if local is one:
            return g
        return None if local is None else zero_or_product(g, local)

    def code(self, *args):
        return self.program.format(*args)

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        if ELEMENTWISE.get(self.name) is not self:
            raise TypeError(
                f"the operation {self.name!r} is defined outside of common.symbolic, so what has "
                "with it can't be pickled; save the values of the shared variables instead"
            )
        return self.name  # which pickle finds in this module


@cache
def _one(dtype):
    return Constant(1.0, dtype=dtype)


def is_weak(x: Variable) -> bool:
    """Return whether `x` is a Python number, which takes the dtype of floats that it meets."""
    return type(x) is Constant and x.weak


def _settled(operands, selects):
    """Return operands, with Python numbers given a dtype where NumPy would choose another one."""
    strong = [x.dtype for x in operands if not is_weak(x)]
    if any(KINDS[d] in "fc" for d in strong):
        return operands

    def settled(x):
        dtype, number = x.dtype, x.value.item()
        if not strong:
            dtype = "int64" if x.kind == "i" and not selects else dtype
        elif np.result_type(number, *strong) == np.result_type(dtype, *strong):
            return x
        return Constant(x.value.astype(dtype), x.name)

    return [settled(x) if is_weak(x) else x for x in operands]


def broadcast(name: str, *inputs: Variable) -> tuple:
    """Return the shape of inputs that are broadcast to each other by the operation `name`.

    An axis that isn't known to have size 1 must have the same size in all inputs. Where that can't
    be seen from the shapes alone, the compiled function checks it.

    Raises
    ------
    ValueError
        If known sizes differ, and neither is 1.
    """
    dims = inputs[0].dims
    if all(x.dims == dims for x in inputs):
        return dims
    ndim = max([x.ndim for x in inputs])
    shapes = [(1,) * (ndim - x.ndim) + x.dims for x in inputs]
    result = []
    for sizes in zip(*shapes, strict=True):
        wide = [n for n in sizes if n != 1]
        known = {n for n in wide if type(n) is not Dim}
        if len(known) > 1:
            shown = " and ".join(f"{x!r} {readable_shape(x.dims)}" for x in inputs)
            raise ValueError(f"{name}: these shapes can't be broadcast to each other: {shown}")
        result.append(known.pop() if known else wide[0] if wide else 1)
    return tuple(result)


class Cast(Operation):
    """The same numbers in another dtype."""

    name = "cast"
    view = True

    def __init__(self, dtype: str):
        self.dtype = dtype
        self.parameters = (dtype,)

    def infer(self, x):
        if x.kind == "c" and KINDS[self.dtype] != "c":
            raise TypeError(f"cast: {x!r} is complex, so it can't be cast to {self.dtype}")
        return self.dtype, x.dims

    def vjp(self, i, out, g, x):
        """Return g; the gradient walk converts it to the dtype of x."""
        return g

    def code(self, x):
        return f"np.asarray({x}, np.{'bool_' if self.dtype == 'bool' else self.dtype})"


def cast(x, dtype) -> Variable:
    """Return `x` in another dtype, by name; "floatX" is that of the configuration.

    Raises
    ------
    TypeError
        If there is no such dtype of numbers, or `x` is complex and the dtype isn't.
    """
    x, dtype = as_variable(x), checked_dtype(dtype)
    if is_weak(x):
        return Constant(np.asarray(x.value).astype(dtype), x.name)
    return x if x.dtype == dtype else Cast(dtype)(x)


def clip(x, low, high) -> Variable:
    """Return the elements of `x`, limited to the range from `low` to `high`."""
    return minimum(maximum(x, low), high)


def _unless_0(g, f):
    """Return g f, but 0 where g is 0, even if f is infinite there, as at the root of 0."""
    return g * f if isinstance(g, Constant) and g.value.all() else zero_or_product(g, f)


def _pow_base(g, a, b):
    """Return g b aᵇ⁻¹; 0 where b = 0, although aᵇ⁻¹ may be infinite there."""
    if isinstance(b, Constant) and b.ndim == 0:
        n = b.value.item() if b.weak else b.value[()]
        if n == 0:
            return None
        f = n * a ** (n - 1)
        return g * f if n >= 1 else _unless_0(g, f)
    return _unless_0(g, b * a ** switch(eq(b, 0), 1, b - 1))


def _pow_exponent(g, y, a):
    """Return g aᵇ log a; 0 where a isn't positive, since the power is no function of b there."""
    positive = gt(a, 0)
    return g * switch(positive, y * log(switch(positive, cast(a, y.dtype), 1)), 0)


def _to_winner(g, one, other, wins):
    """Return g where `one` wins over `other`, g / 2 where they are equal, 0 elsewhere."""
    return switch(eq(one, other), 0.5 * g, switch(wins(one, other), g, 0))


def infinite(f):
    """Return where `f` is infinite or NaN."""
    return isnan(f) | isinf(f)


def _unless_ignored(g, f):
    """Return f, but 0 where g is 0 and f infinite: the second derivative must ignore it, too."""
    return switch(eq(g, 0) & infinite(f), 0, f)


LN2, LN10 = np.log([2, 10]).tolist()

# fmt: off
# Arithmetic

add = Elementwise("add", "{0} + {1}", result_dtype,
                  lambda g, y, a, b: g, lambda g, y, a, b: g)
sub = Elementwise("sub", "{0} - {1}", result_dtype,
                  lambda g, y, a, b: g, lambda g, y, a, b: -g)
mul = Elementwise("mul", "{0} * {1}", result_dtype,
                  lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)
true_div = Elementwise("true_div", "{0} / {1}", floating_dtype,
                       lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b)
int_div = Elementwise("int_div", "{0} // {1}", result_dtype)
mod = Elementwise("mod", "{0} % {1}", result_dtype,
                  lambda g, y, a, b: g, lambda g, y, a, b: -g * (a // b))
pow = Elementwise("pow", "np.power({0}, {1})", result_dtype,
                  lambda g, y, a, b: _pow_base(g, a, b), lambda g, y, a, b: _pow_exponent(g, y, a))
neg = Elementwise("neg", "-{0}", result_dtype, lambda g, y, x: -g)
abs = Elementwise("abs", "np.abs({0})", result_dtype, lambda g, y, x: g * sgn(x))
sgn = Elementwise("sgn", "np.sign({0})", result_dtype)
inv = Elementwise("inv", "1 / {0}", floating_dtype, lambda g, y, x: -g * sqr(y))
sqr = Elementwise("sqr", "np.square({0})", result_dtype, lambda g, y, x: g * (2 * x))
sqrt = Elementwise("sqrt", "np.sqrt({0})", floating_dtype,
                   lambda g, y, x: _unless_0(g, 0.5 / y))
floor = Elementwise("floor", "np.floor({0})", floating_dtype)
ceil = Elementwise("ceil", "np.ceil({0})", floating_dtype)
round = Elementwise("round", "np.rint({0})", floating_dtype)

# Exponentials, logarithms, and functions of angles in radians

exp = Elementwise("exp", "np.exp({0})", floating_dtype, lambda g, y, x: g * y)
expm1 = Elementwise("expm1", "np.expm1({0})", floating_dtype, lambda g, y, x: g * exp(x))
log = Elementwise("log", "np.log({0})", floating_dtype, lambda g, y, x: g / x)
log1p = Elementwise("log1p", "np.log1p({0})", floating_dtype, lambda g, y, x: g / (1 + x))
log2 = Elementwise("log2", "np.log2({0})", floating_dtype, lambda g, y, x: g / (x * LN2))
log10 = Elementwise("log10", "np.log10({0})", floating_dtype, lambda g, y, x: g / (x * LN10))
sin = Elementwise("sin", "np.sin({0})", floating_dtype, lambda g, y, x: g * cos(x))
cos = Elementwise("cos", "np.cos({0})", floating_dtype, lambda g, y, x: -g * sin(x))
tan = Elementwise("tan", "np.tan({0})", floating_dtype, lambda g, y, x: g * (1 + sqr(y)))
arcsin = Elementwise("arcsin", "np.arcsin({0})", floating_dtype,
                     lambda g, y, x: g / sqrt(1 - sqr(x)))
arccos = Elementwise("arccos", "np.arccos({0})", floating_dtype,
                     lambda g, y, x: -g / sqrt(1 - sqr(x)))
arctan = Elementwise("arctan", "np.arctan({0})", floating_dtype, lambda g, y, x: g / (1 + sqr(x)))
sinh = Elementwise("sinh", "np.sinh({0})", floating_dtype, lambda g, y, x: g * cosh(x))
cosh = Elementwise("cosh", "np.cosh({0})", floating_dtype, lambda g, y, x: g * sinh(x))
tanh = Elementwise("tanh", "np.tanh({0})", floating_dtype, lambda g, y, x: g * (1 - sqr(y)))

# Activation functions. The derivative of the sigmoid is y − y², since a factor 1 − y would be
# rewritten as a second sigmoid.

sigmoid = Elementwise("sigmoid", "sigmoid({0})", floating_dtype, lambda g, y, x: g * (y - sqr(y)))
softplus = Elementwise("softplus", "np.logaddexp({0}, 0)", floating_dtype,
                       lambda g, y, x: g * sigmoid(x))
relu = Elementwise("relu", "np.maximum({0}, 0)", result_dtype,
                   lambda g, y, x: g * gt(y, 0), selects=True)

# Comparisons and logic. On integers & | ^ ~ work bit by bit.

lt = Elementwise("lt", "{0} < {1}", boolean)
le = Elementwise("le", "{0} <= {1}", boolean)
gt = Elementwise("gt", "{0} > {1}", boolean)
ge = Elementwise("ge", "{0} >= {1}", boolean)
eq = Elementwise("eq", "{0} == {1}", boolean)
neq = Elementwise("neq", "{0} != {1}", boolean)
isnan = Elementwise("isnan", "np.isnan({0})", boolean)
isinf = Elementwise("isinf", "np.isinf({0})", boolean)
and_ = Elementwise("and_", "{0} & {1}", result_dtype)
or_ = Elementwise("or_", "{0} | {1}", result_dtype)
xor = Elementwise("xor", "{0} ^ {1}", result_dtype)
invert = Elementwise("invert", "~{0}", result_dtype)

# Choices. Where two elements are equal, maximum and minimum give each half of the gradient.

maximum = Elementwise("maximum", "np.maximum({0}, {1})", result_dtype,
                      lambda g, y, a, b: _to_winner(g, a, b, gt),
                      lambda g, y, a, b: _to_winner(g, b, a, gt), selects=True)
minimum = Elementwise("minimum", "np.minimum({0}, {1})", result_dtype,
                      lambda g, y, a, b: _to_winner(g, a, b, lt),
                      lambda g, y, a, b: _to_winner(g, b, a, lt), selects=True)
switch = Elementwise("switch", "np.where({0}, {1}, {2})", result_dtype, None,
                     lambda g, y, c, a, b: switch(c, g, 0),
                     lambda g, y, c, a, b: switch(c, 0, g), selects=True)

# g times a local derivative f that may be infinite where g is 0: the product is 0 there.
zero_or_product = Elementwise("zero_or_product", "zero_or_product({0}, {1})", result_dtype,
                              lambda G, y, g, f: zero_or_product(G, _unless_ignored(g, f)),
                              lambda G, y, g, f: zero_or_product(G, g), selects=True)
# fmt: on

# The table, by name.
ELEMENTWISE = {f.name: f for f in list(globals().values()) if isinstance(f, Elementwise)}
