"""Draw an expression as a computational graph, with the values and derivatives that flow in it.

`numbers` computes values and derivatives, `layout` places nodes and edges, `painting` paints them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from common.scripts.plot import plot_style
from common.support.files import write_atomically
from common.symbolic.drawing.layout import cut, lay_out
from common.symbolic.drawing.numbers import flow_of
from common.symbolic.drawing.painting import painted
from common.symbolic.function import Function
from common.symbolic.graph import Variable, ancestors, as_variable
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
    with the name of its result above and the shape below; its operands arrive in their order, the
    first one at the top. A graph that is too wide goes on in further rows, with dark boxes where a
    result leaves one row and enters another. No derivative flows along a dotted edge, which carries
    a shape, an index or a condition.

    Parameters
    ----------
    expression : Variable, list of Variable, or Function
        Of a function the outputs are drawn, rewritten as it computes them.
    path : path, optional
        File for the drawing, ``.png`` or ``.svg``.
    values : mapping of Variable to array_like, optional
        Values of the inputs. Above each edge then stands its value: a number, up to three elements,
        or the smallest and the largest. If the expression is a real scalar, its derivative with
        respect to the value stands below; where a variable has several edges, the sum of these, the
        variable's own derivative, stands below its box.
    wrt : Variable or list of Variable, optional
        Show derivatives only on the paths to these. By default that is all inputs, shared variables
        and constants with a name, of real numbers.
    title : str, optional
    width : float
        Width of a row of the graph in inches, where a single operation doesn't need more.
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
        If the graph is too large or empty, an input has no value, or a value belongs to no input;
        if `wrt` is given without values, or for an expression that isn't a real scalar; or if
        `width` or `path` aren't valid.
    TypeError
        If the expression isn't made of variables, or a value doesn't fit its variable.
    OSError
        If the file can't be written.

    Examples
    --------
    >>> import common.symbolic.tensor as T
    >>> x, y = T.dscalars("x", "y")
    >>> draw(x * y + y, values={x: 3, y: 2})
    Computational graph: result = (x * y) + y
    """
    suffix = ".png" if path is None else Path(path).suffix.lower()
    if suffix not in (".png", ".svg"):
        raise ValueError(f"a drawing is written as .png or .svg, got the path {str(path)!r}")
    if not width > 0:
        raise ValueError(f"width must be a positive number of inches, got {width!r}")
    outputs = getattr(expression, "outputs", expression)
    outputs = [outputs] if isinstance(outputs, Variable) else outputs
    if not isinstance(outputs, (list, tuple)):
        raise TypeError(
            f"expression must be a variable, a list of variables or a function, got {expression!r}"
        )
    if not outputs:
        raise ValueError(f"there is nothing to draw: {expression!r} has no outputs")
    outputs = [as_variable(v) for v in outputs]
    if (count := len(ancestors(outputs))) > most_nodes:
        raise ValueError(
            f"the graph has {count} nodes, more than can be read ({most_nodes}, most_nodes): draw "
            "a part of it, what one of its variables is made from"
        )
    flow = flow_of(outputs, getattr(expression, "leaves", {}), values, wrt)
    about = cut("; ".join(f"{v.name or 'result'} = {formula(v)}" for v in outputs), 10_000)
    with plot_style():
        figure = painted(lay_out(outputs, flow, width), title, cut(outputs[0].name or "cost"))
        figure.about = f"Computational graph: {about}"
        if path is not None:
            write_atomically(path, figure.as_file(suffix))
    return figure
