"""A drawing of an expression: its computational graph, and the numbers that flow through it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from common.scripts.plot import plot_style
from common.support.files import write_atomically
from common.symbolic.drawing.layout import lay_out
from common.symbolic.drawing.nodes import cut, graph_of, uses
from common.symbolic.drawing.numbers import given_values, numbers_of
from common.symbolic.drawing.painting import FORMATS, as_file, painted
from common.symbolic.function import Function
from common.symbolic.graph import Shared, Variable, ancestors, as_variable

__all__ = ["draw"]


def draw(
    expression: Variable | Sequence[Variable] | Function,
    path: str | Path | None = None,
    *,
    values: Mapping[Variable, object] | None = None,
    wrt: Variable | Sequence[Variable] | None = None,
    title: str | None = None,
    most_nodes: int = 150,
) -> Figure:
    """Draw an expression as a computational graph, which is read from left to right.

    Square boxes are inputs, shared variables and constants; circles and round boxes are operations,
    with the name of what they make above and its shape below (numbers have none). Inputs enter an
    operation from top to bottom in their order, except where that doesn't matter. Along a dotted
    edge no derivative comes back: what goes along it is a shape, an index or a condition.

    Parameters
    ----------
    expression : Variable, list of Variable, or Function
        Of a function the outputs are drawn, rewritten as it computes them.
    path : path, optional
        Where to write the drawing; ``.png`` or ``.svg``.
    values : mapping of Variable to array_like, optional
        Values of the inputs. Above each edge stands then the value that goes along it: a number, up
        to three entries, or the smallest and the largest. If the expression is one real number,
        below the edge stands the derivative that comes back along it (again of up to three entries,
        or the range). If something comes back along several edges of a variable, the sum stands
        below its box: it is the derivative by this variable.
    wrt : Variable or list of Variable, optional
        Show derivatives only on the way to these. By default that is all inputs, shared variables
        and constants with a name, of real numbers.
    title : str, optional
    most_nodes : int
        A larger graph isn't drawn.

    Returns
    -------
    matplotlib.figure.Figure
        Unknown to ``matplotlib.pyplot``, so there is nothing to close.

    Raises
    ------
    ValueError
        If the graph is too large, an input lacks a value, a value is of a variable that isn't an
        input of the graph, there are derivatives to follow but no values or no real number, or the
        path has another suffix.
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
    outputs, stand_in = drawn_outputs(expression)
    times = uses(outputs, most_nodes)
    if values is not None:
        given = given_values(ancestors(outputs), stand_in, values)
        numbers = numbers_of(outputs, stand_in, given, wrt)
    elif wrt is None:
        numbers = None
    else:
        raise ValueError("wrt tells which derivatives to draw, and those need values")
    shared = {leaf for v, leaf in stand_in.items() if isinstance(v, Shared)}
    with plot_style():
        nodes, edges = graph_of(outputs, times, shared, numbers)
        size = lay_out(nodes, edges)
        cost = outputs[0].name if len(outputs) == 1 else None
        figure = painted(nodes, edges, size, title, cut(cost or "cost"))
        if path is not None:
            write_atomically(path, as_file(figure, Path(path).suffix.lower()))
    return figure


def drawn_outputs(expression):
    """Return what to draw, and which leaf of it stands for each argument of a function."""
    if not isinstance(expression, Function):
        if isinstance(expression, Variable):
            expression = [expression]
        if not isinstance(expression, (list, tuple)):
            raise TypeError(
                "expression must be a variable, a list of variables or a function, "
                f"got {expression!r}"
            )
        outputs = [as_variable(v) for v in expression]
        if not outputs:
            raise ValueError("there is nothing to draw: the list of expressions is empty")
        return outputs, {}
    if not expression.outputs:
        raise ValueError(f"there is nothing to draw: {expression!r} has no outputs")
    return expression.outputs, expression.leaves
