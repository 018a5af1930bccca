"""A drawing of an expression: its computational graph, and the numbers that flow through it.

`numbers` computes what flows, `layout` gives everything its place, `painting` paints it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from common.scripts.plot import plot_style
from common.support.files import write_atomically
from common.symbolic.drawing.layout import cut, lay_out
from common.symbolic.drawing.numbers import flow_of, is_plain
from common.symbolic.drawing.painting import FORMATS, painted
from common.symbolic.function import Function
from common.symbolic.graph import Shared, Variable, ancestors, as_variable
from common.symbolic.printing import formula

__all__ = ["draw"]


def draw(
    expression: Variable | Sequence[Variable] | Function,
    path: str | Path | None = None,
    *,
    values: Mapping[Variable, object] | None = None,
    wrt: Variable | Sequence[Variable] | None = None,
    title: str | None = None,
    width: float = 7.0,
    most_nodes: int = 150,
) -> Figure:
    """Draw an expression as a computational graph, to be read from left to right.

    Inputs and shared variables are the boxes on the left. An operation is a circle or a round box,
    with the name of its result above it and the shape below it; where the order of two operands
    matters, they are numbered. A graph that is too wide goes on in further rows, with dark boxes
    where a result leaves one row and enters another. No derivative flows along a dotted edge, which
    carries a shape, an index or a condition.

    Parameters
    ----------
    expression : Variable, list of Variable, or Function
        Of a function the outputs are drawn, rewritten as it computes them.
    path : path, optional
        Where to write the drawing; ``.png`` or ``.svg``.
    values : mapping of Variable to array_like, optional
        Values of the inputs. Each edge then shows its value above the line: a number, up to three
        elements, or the smallest and the largest. If the expression is a real scalar, the
        derivative with respect to the value stands below the line. Where a variable has several
        edges, the sum of these derivatives, the variable's own, stands below its box.
    wrt : Variable or list of Variable, optional
        Show derivatives only on the paths to these. By default that is all inputs, shared variables
        and constants with a name, of real numbers.
    title : str, optional
    width : float
        Inches that a row of the graph may take up, as far as that can be.
    most_nodes : int
        A larger graph isn't drawn.

    Returns
    -------
    matplotlib.figure.Figure
        Unknown to ``matplotlib.pyplot``, so there is nothing to close. Its repr says in words what
        is drawn, and is the title of an SVG file.

    Raises
    ------
    ValueError
        If the graph is too large, an input lacks a value, a value is of a variable that isn't an
        input of the graph, there are derivatives to follow but no values or no real number, the
        width isn't positive, or the path has another suffix.
    TypeError
        If the expression isn't made of variables, or a value doesn't fit its variable.
    OSError
        If the file can't be written.

    Examples
    --------
    Two apples at 100, three oranges at 150, and tax: ∂price/∂tax is 650, an apple more costs 110.

    >>> import common.symbolic.tensor as T
    >>> apple, apples, orange, oranges, tax = T.dscalars(
    ...     "apple", "apples", "orange", "oranges", "tax"
    ... )
    >>> price = (apple * apples + orange * oranges) * tax
    >>> price.name = "price"
    >>> basket = {apple: 100, apples: 2, orange: 150, oranges: 3, tax: 1.1}
    >>> figure = draw(price, values=basket)
    >>> texts = [text.get_text() for text in figure.axes[0].texts]
    >>> "715" in texts, "650" in texts, "110" in texts
    (True, True, True)
    """
    if path is not None and Path(path).suffix.lower() not in FORMATS:
        raise ValueError(f"a drawing is written as .png or .svg, got the path {str(path)!r}")
    if not width > 0:
        raise ValueError(f"width must be a positive number of inches, got {width!r}")
    outputs, stand_in = _drawn(expression)
    _check_size(outputs, most_nodes)
    flow = flow_of(outputs, stand_in, values, wrt)
    shared = {leaf for v, leaf in stand_in.items() if isinstance(v, Shared)}
    about = "; ".join(f"{cut(v.name or 'result')} = {formula(v)}" for v in outputs)
    with plot_style():
        rows, size = lay_out(outputs, flow, shared, width)
        cost = outputs[0].name if len(outputs) == 1 else None
        figure = painted(rows, size, title, cut(cost or "cost"))
        about = "".join(c if c.isprintable() else " " for c in about)  # else it is no XML
        figure.about = f"Computational graph: {about}"
        if path is not None:
            write_atomically(path, figure.as_file(Path(path).suffix.lower()))
    return figure


def _drawn(expression):
    """Return what to draw, and which leaf of it stands for each argument of a function."""
    if isinstance(expression, Function):
        if not expression.outputs:
            raise ValueError(f"there is nothing to draw: {expression!r} has no outputs")
        return expression.outputs, expression.leaves
    if isinstance(expression, Variable):
        expression = [expression]
    if not isinstance(expression, (list, tuple)):
        raise TypeError(
            f"expression must be a variable, a list of variables or a function, got {expression!r}"
        )
    if not expression:
        raise ValueError("there is nothing to draw: the list of expressions is empty")
    return [as_variable(v) for v in expression], {}


def _check_size(outputs, most_nodes):
    order = ancestors(outputs)
    uses = Counter(x for user in order for x in user.inputs) + Counter(outputs)
    count = sum(uses[v] if is_plain(v) else 1 for v in order)
    if count > most_nodes:
        raise ValueError(
            f"the graph has {count} nodes, more than can be read ({most_nodes}, most_nodes): draw "
            "a part of it, what one of its variables is made from"
        )
