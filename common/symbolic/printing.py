"""Expressions as text: as a formula, or with one line per variable."""

from itertools import count, product
from string import ascii_uppercase

from common.symbolic.absent import absent_from
from common.symbolic.arrays import Dimshuffle, Join, ShapeOf
from common.symbolic.arrays import Print as Print  # theano.printing.Print
from common.symbolic.elementwise import Cast, Elementwise, pow
from common.symbolic.graph import Variable, ancestors, as_variable
from common.symbolic.indexing import Index

__getattr__ = absent_from(__name__)

DEEPEST = 60  # indentation, in spaces; else a long chain would fill a square


def pp(expression, longest: int = 2000) -> str:
    """Return an expression as a formula ("pretty print"), with parentheses around each operator.

    Parameters
    ----------
    expression : Variable
    longest : int
        A part with more characters than this is replaced by "…".

    Examples
    --------
    >>> import common.symbolic.tensor as T
    >>> x, y = T.dscalars("x", "y")
    >>> pp((x + 2 * y) ** 2)
    '((x + (2 * y)) ** 2)'
    """
    expression = as_variable(expression)
    texts = {}
    for v in ancestors([expression]):
        text = repr(v) if v.operation is None else _text(v, [texts[x] for x in v.inputs])
        texts[v] = text if len(text) <= longest else "…"
    return texts[expression]


def formula(variable: Variable) -> str:
    """Return the formula of a variable, in which others that have a name stand by their names."""

    def text(v, depth):  # recursion is limited: depth is at most 4
        if v.operation is None or (v.name and v is not variable):
            return repr(v)
        return "…" if depth == 0 else _text(v, [text(x, depth - 1) for x in v.inputs])

    return without_parentheses(text(variable, 4))


def _text(v, args):
    """Return the formula of `v`, given the formulas of its inputs."""
    operation, name = v.operation, v.operation.name
    template = "{0} ** {1}" if operation is pow else operation.template
    if isinstance(operation, Elementwise) and template.startswith(("{", "-{", "~{")):  # an operator
        return f"({template.format(*args)})"
    if type(operation) in (Index, Dimshuffle, ShapeOf):
        return operation.code(*args)
    axes = (operation.axis,) if isinstance(operation, Join) else getattr(operation, "axes", ())
    last = "softmax" in name and axes == (v.ndim - 1,)
    if axes and len(axes) < v.inputs[0].ndim and not last:
        args = [*args, f"axis={','.join(map(str, axes))}"]
    if isinstance(operation, Cast):
        args = [*args, v.dtype]
    return f"{name}({', '.join(map(without_parentheses, args))})"


def without_parentheses(text):
    """Return `text` without a pair of parentheses around all of it."""
    depth = 0
    for i, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:  # the first one is closed here, if it is one
            return text[1:-1] if i == len(text) - 1 > 0 else text
    return text


def debugprint(expressions, depth: int | None = None, file=None) -> str | None:
    """Print what an expression is made from: a line per variable, indented below what it goes into.

    Each line gives the operation, a letter of the variable's own, dtype, shape, and the name. What
    has been printed before is only named again.

    Parameters
    ----------
    expressions : Variable, Function, or list of Variable
    depth : int, optional
        How many levels to print at most; by default, or if it is negative, all.
    file : file object or "str", optional
        Where to print, by default to standard output; "str" returns the text instead.

    Examples
    --------
    >>> import common.symbolic.tensor as T
    >>> x = T.dvector("x")
    >>> debugprint(T.sum(x * x))
    sum [A] float64 ()
     mul [B] float64 (?,)
      x [C] float64 (?,)
      x [C]
    """
    expressions = getattr(expressions, "outputs", expressions)
    if isinstance(expressions, Variable):
        expressions = [expressions]
    names = ("".join(name) for n in count(1) for name in product(ascii_uppercase, repeat=n))
    lines, letters = [], {}
    stack = [(as_variable(v), 0) for v in reversed(list(expressions))]
    while stack:
        v, level = stack.pop()
        if depth is not None and 0 <= depth <= level:
            continue
        about = ""
        if v not in letters:
            letters[v] = next(names)
            name = f" '{v.name}'" if v.name and v.operation else ""
            about = f" {v.dtype} {v.dims}{name}"
            stack.extend([(x, level + 1) for x in reversed(v.inputs)])
        indent = " " * min(level, DEEPEST)
        lines.append(f"{indent}{v.operation or repr(v)} [{letters[v]}]{about}")
    text = "\n".join(lines)
    if file == "str":
        return text
    print(text, file=file)
    return None
