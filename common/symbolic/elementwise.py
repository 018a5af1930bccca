"""Operations that work entry by entry: a table of program, dtype and derivatives.

A derivative is a function of g = ∂L/∂y, of the result y, and of the inputs. Where broadcasting has
spread an input out, its gradient is summed back to the input's shape.
"""

from collections.abc import Callable

import numpy as np

from common.symbolic.graph import Constant
from common.symbolic.operation import Operation, broadcast, floating_dtype, result_dtype
from common.symbolic.reduction import sum_to
from common.symbolic.shape import Cast

__all__ = ["ELEMENTWISE", "Elementwise", "is_call", "op"]


# NumPy 2.0's ** makes a square of float32 numbers float32 also where the 2 is a float64.
PROGRAMS = {"pow": "np.power({0}, {1})"}


class Elementwise(Operation):
    """An operation on entries, with NumPy's broadcasting.

    Parameters
    ----------
    name : str
        One that no other operation has.
    template : str
        How it is written in Python, with {0}, {1} for the inputs: its program, too, unless
        `PROGRAMS` has another.
    dtype : callable
        From the inputs to the dtype of the output.
    *derivatives : callable or None
        For each input, from g, y and all inputs to ∂L/∂input; None for 0. Without any the
        operation has no derivative at all.

    Attributes
    ----------
    is_call : bool
        Whether the program is a call, and not operators, which need parentheses around them.
    takes_out : bool
        Whether the function that is called can be told where to write.

    Examples
    --------
    A new operation, the hyperbola 1 / x:

    >>> hyperbola = Elementwise("hyperbola", "1 / {0}", floating_dtype, lambda g, y, x: -g * y * y)
    >>> import common.symbolic.tensor as T
    >>> x = T.dscalar("x")
    >>> T.grad(hyperbola(x), x).eval({x: 2.0})
    array(-0.25)
    """

    def __init__(self, name: str, template: str, dtype: Callable, *derivatives: Callable | None):
        self.name = name
        self.template = template
        self.program = PROGRAMS.get(name, template)
        self.dtype = dtype
        self.derivatives = derivatives
        self.n_inputs = 1 + max(i for i in range(3) if f"{{{i}}}" in template)
        self.smooth = bool(derivatives)
        self.is_call = is_call(self.program)
        self.takes_out = self.is_call and _takes_out(self.program.partition("(")[0])
        # Functions make NumPy's numbers of Python's, operators don't.
        self._on_plain_numbers = not self.is_call and "np." not in self.program

    def __call__(self, *inputs):
        if len(inputs) != self.n_inputs:
            raise TypeError(f"{self.name} takes {self.n_inputs} inputs, got {len(inputs)}")
        out = super().__call__(*inputs)
        if self._on_plain_numbers and all(x.weak for x in out.inputs):
            out.weak = True
            if out.dtype.kind == "f":
                out.dtype = np.dtype(np.float64)  # whatever floatX is
            return out
        cast = self._casts(out)
        if cast is None:
            return out
        return super().__call__(
            *(Cast(cast)(x) if x.dtype.kind in "bui" else x for x in out.inputs)
        )

    def _casts(self, out):
        """Return the dtype that whole numbers must have for NumPy to agree with `out`, or None."""
        kinds = {x.dtype.kind for x in out.inputs}
        if self.dtype is floating_dtype and not kinds & set("fc"):
            return out.dtype
        if self.dtype is result_dtype and out.dtype.kind == "b":
            return np.dtype(np.int8)  # so that True + True is 2, as a sum is
        if self.name == "pow" and ("b" in kinds or all(x.weak for x in out.inputs)):
            return out.dtype
        return None

    def output_type(self, *inputs):
        return self.dtype(*inputs), broadcast(self.name, *inputs)

    def derivative(self, i, out, g, *inputs):
        rule = self.derivatives[i]
        partial = None if rule is None else rule(g, out, *inputs)
        return None if partial is None else sum_to(partial, inputs[i])

    def code(self, *args):
        return self.program.format(*args)


def is_call(program: str) -> bool:
    """Return whether all of a program is one call, such as np.maximum({0}, 0)."""
    name, parenthesis, rest = program.partition("(")
    if not parenthesis or not name.replace(".", "").isidentifier():
        return False
    depth = 1
    for i, character in enumerate(rest):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return i == len(rest) - 1
    return False


def _takes_out(function):
    module, _, name = function.rpartition(".")
    return isinstance(getattr(np, name, None), np.ufunc) if module else function == "sigmoid"


def boolean(*inputs):
    """Return the dtype of comparisons."""
    return np.dtype(bool)


def chosen(condition, *inputs):
    """Return the dtype of a choice."""
    return result_dtype(*inputs)


def compared(*inputs):
    """Return the dtype of the larger or smaller one: truths stay truths, unlike in arithmetic."""
    return result_dtype(*inputs)


def real(x):
    """Return the dtype of a magnitude."""
    return np.empty(0, result_dtype(x)).real.dtype


def op(name, *inputs):
    """Return the variable that the operation of this name makes of `inputs`."""
    return ELEMENTWISE[name](*inputs)


def share(g, first, second, wins):
    """Return g where `first` wins over `second`, half of it where they are equal, 0 elsewhere."""
    return op(
        "switch", op("eq", first, second), 0.5 * g, op("switch", op(wins, first, second), g, 0)
    )


def power_by_base(a, b):
    """Return ∂aᵇ/∂a = b aᵇ⁻¹, also where b = 0 and aᵇ⁻¹ is infinite; None for 0."""
    if isinstance(b, Constant) and b.ndim == 0:
        return b * a ** (b - 1) if b.value != 0 else None
    return b * a ** op("switch", op("eq", b, 0), 1, b - 1)


def power_by_exponent(y, a):
    """Return ∂aᵇ/∂b = aᵇ log a, or 0 where a isn't positive: there it has no derivative."""
    positive = op("gt", a, 0)
    return op("switch", positive, y * op("log", op("switch", positive, a, 1)), 0)


def times(g, factor):
    """Return g · factor; None if factor is."""
    return None if factor is None else g * factor


def arithmetic():
    """Yield + − * / and their kin."""
    yield "add", "{0} + {1}", result_dtype, lambda g, y, a, b: g, lambda g, y, a, b: g
    yield "sub", "{0} - {1}", result_dtype, lambda g, y, a, b: g, lambda g, y, a, b: -g
    yield "mul", "{0} * {1}", result_dtype, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a
    yield (
        *("true_div", "{0} / {1}", floating_dtype),
        *(lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b),
    )
    yield "int_div", "{0} // {1}", result_dtype
    yield "mod", "{0} % {1}", result_dtype, lambda g, y, a, b: g, lambda g, y, a, b: -g * (a // b)
    yield (
        *("pow", "{0} ** {1}", result_dtype),
        lambda g, y, a, b: times(g, power_by_base(a, b)),
        lambda g, y, a, b: g * power_by_exponent(y, a),
    )
    yield "neg", "-{0}", result_dtype, lambda g, y, x: -g
    yield "abs", "np.abs({0})", real, lambda g, y, x: g * op("sgn", x)
    yield "sgn", "np.sign({0})", result_dtype
    yield "sqr", "np.square({0})", result_dtype, lambda g, y, x: g * (2 * x)
    yield "sqrt", "np.sqrt({0})", floating_dtype, lambda g, y, x: g / (2 * y)
    yield "floor", "np.floor({0})", floating_dtype
    yield "ceil", "np.ceil({0})", floating_dtype


def transcendental():
    """Yield exponentials, logarithms, and functions of angles in radians."""
    yield "exp", "np.exp({0})", floating_dtype, lambda g, y, x: g * y
    yield "expm1", "np.expm1({0})", floating_dtype, lambda g, y, x: g * op("exp", x)
    yield "log", "np.log({0})", floating_dtype, lambda g, y, x: g / x
    yield "log1p", "np.log1p({0})", floating_dtype, lambda g, y, x: g / (1 + x)
    yield "log2", "np.log2({0})", floating_dtype, lambda g, y, x: g / (x * np.log(2).item())
    yield "log10", "np.log10({0})", floating_dtype, lambda g, y, x: g / (x * np.log(10).item())
    yield "sin", "np.sin({0})", floating_dtype, lambda g, y, x: g * op("cos", x)
    yield "cos", "np.cos({0})", floating_dtype, lambda g, y, x: -g * op("sin", x)
    yield "tan", "np.tan({0})", floating_dtype, lambda g, y, x: g * (1 + op("sqr", y))
    yield "tanh", "np.tanh({0})", floating_dtype, lambda g, y, x: g * (1 - op("sqr", y))


def activations():
    """Yield what networks put between their matrix products."""
    # y − y² and not y (1 − y): 1 − sigmoid is rewritten as a second sigmoid, and there is no need.
    yield "sigmoid", "sigmoid({0})", floating_dtype, lambda g, y, x: g * (y - op("sqr", y))
    yield "softplus", "np.logaddexp({0}, 0)", floating_dtype, lambda g, y, x: g * op("sigmoid", x)
    yield "relu", "np.maximum({0}, 0)", result_dtype, lambda g, y, x: g * op("gt", y, 0)


def choices():
    """Yield comparisons, and what chooses between its inputs."""
    symbols = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "neq": "!="}
    for name, symbol in symbols.items():
        yield name, f"{{0}} {symbol} {{1}}", boolean
    yield "and_", "np.logical_and({0}, {1})", boolean
    yield "or_", "np.logical_or({0}, {1})", boolean
    yield "not_", "np.logical_not({0})", boolean
    yield (
        *("maximum", "np.maximum({0}, {1})", compared),
        *(lambda g, y, a, b: share(g, a, b, "gt"), lambda g, y, a, b: share(g, b, a, "gt")),
    )
    yield (
        *("minimum", "np.minimum({0}, {1})", compared),
        *(lambda g, y, a, b: share(g, a, b, "lt"), lambda g, y, a, b: share(g, b, a, "lt")),
    )
    yield (
        *("switch", "np.where({0}, {1}, {2})", chosen, None),
        *(lambda g, y, c, a, b: op("switch", c, g, 0), lambda g, y, c, a, b: op("switch", c, 0, g)),
    )


ELEMENTWISE = {
    row[0]: Elementwise(*row)
    for rows in (arithmetic, transcendental, activations, choices)
    for row in rows()
}
