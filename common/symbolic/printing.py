"""Expressions as text: a formula, or a list of what is made from what."""

import itertools
import sys

from common.symbolic.graph import Variable, ancestors, as_variable, readable_shape

__all__ = ["debugprint", "formula", "pp", "without_parentheses"]

LONGEST = 2000
DEEPEST = 60  # indentation, in spaces; else a long chain would fill a square
_AS_IN_PYTHON = ("index", "dimshuffle", "size")


def pp(expression, longest: int = LONGEST) -> str:
    """Return an expression as a formula, in parentheses wherever there may be doubt: pretty print.

    Parameters
    ----------
    expression : Variable
    longest : int
        A part with more characters than this is left out, and … stands for it.

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
    """Return how a variable is made from others that have names."""

    def text(v, depth):  # which is at most 4
        if v.operation is None or (v.name and v is not variable):
            return repr(v)
        return "…" if depth == 0 else _text(v, [text(x, depth - 1) for x in v.inputs])

    return without_parentheses(text(variable, 4))


def _text(v, args):
    operation = v.operation
    program = getattr(operation, "program", None)
    if program is not None and operation.name not in ("pow", "inv"):
        if program.startswith(("{", "-{", "~{")):
            return f"({program.format(*args)})"
    elif operation.name == "pow":
        return f"({args[0]} ** {args[1]})"
    if operation.name in _AS_IN_PYTHON:
        return operation.code(*args)
    axes = getattr(operation, "axes", ())
    last = (v.inputs[0].ndim - 1,) if "softmax" in operation.name else ()
    if axes and len(axes) < v.inputs[0].ndim and axes != last:
        args = [*args, f"axis={','.join(map(str, axes))}"]
    if operation.name == "cast":
        args = [*args, v.dtype]
    elif operation.name == "concatenate":
        args = [*args, f"axis={operation.axis}"]
    return f"{operation.name}({', '.join(map(without_parentheses, args))})"


def without_parentheses(text):
    """Return `text` without a pair of parentheses around all of it."""
    if not text.startswith("("):
        return text
    depth = 0
    for i, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[1:-1] if i == len(text) - 1 else text
    return text


def debugprint(expressions, depth: int | None = None, file=None) -> str | None:
    """Print what an expression is made from: a line a variable, indented below what it goes into.

    Each line gives the operation, a letter by which the variable is told from others, dtype and
    shape, and the name. What has been printed before is only named again.

    Parameters
    ----------
    expressions : Variable, Function, or list of Variable
    depth : int, optional
        How many levels to print at most.
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
    if hasattr(expressions, "outputs"):
        expressions = expressions.outputs
    if isinstance(expressions, Variable):
        expressions = [expressions]
    lines, letters = [], {}
    numbers = itertools.count()
    stack = [(as_variable(v), 0) for v in reversed(list(expressions))]
    while stack:
        v, level = stack.pop()
        if depth is not None and level >= depth:
            continue
        indent = " " * min(level, DEEPEST)
        what = v.operation.name if v.operation is not None else repr(v)
        if v in letters:
            lines.append(f"{indent}{what} [{letters[v]}]")
            continue
        letters[v] = _letters(next(numbers))
        name = f" '{v.name}'" if v.name and v.operation is not None else ""
        lines.append(f"{indent}{what} [{letters[v]}] {v.dtype} {readable_shape(v.dims)}{name}")
        stack.extend((x, level + 1) for x in reversed(v.inputs))
    text = "\n".join(lines)
    if file == "str":
        return text
    print(text, file=file or sys.stdout)
    return None


def _letters(number):
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("A") + rest) + text
    return text
