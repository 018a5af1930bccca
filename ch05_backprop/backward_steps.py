"""The backward pass through the bill's graph, one edge at a time.

Each figure highlights one edge and shows the chain rule on it: the upstream gradient (the
derivative of the total with respect to the node's output), the node's local gradient, and their
product.
"""

from typing import NamedTuple

from matplotlib.figure import Figure

import common.symbolic.tensor as T
from ch05_backprop.graph_by_hand import AddLayer, MulLayer
from common import symbolic as theano
from common.scripts.command_line import output_folder, run, script_parser
from common.scripts.plot import ORANGE, save_figure

__all__ = ["STEPS", "Edge", "backward_edges", "draw_step"]

PRICES = {"apple price": 100.0, "apples": 2.0, "orange price": 150.0, "oranges": 3.0, "tax": 1.1}
STEPS = 10  # figures: the forward pass, the start with 1, and one for each of eight edges
DRAWN = (8, 6, 7, 4, 5, 0, 1, 2, 3)  # the drawing's numbers of its edges, in the backward order


class Edge(NamedTuple):
    """An edge of the graph: where it comes from, the node it enters, and what flows on it."""

    source: str
    node: str
    value: float
    upstream: float
    local: float

    @property
    def gradient(self) -> float:
        """Derivative of the total with respect to the edge's value: the chain rule."""
        return self.upstream * self.local


def backward_edges() -> list[Edge]:
    """Return the eight edges between inputs and nodes, in the order of the backward pass."""
    fruit, sums, tax = [MulLayer(), MulLayer()], AddLayer(), MulLayer()
    values = list(PRICES.values())
    amounts = [fruit[0].forward(*values[:2]), fruit[1].forward(*values[2:4])]
    before_tax = sums.forward(*amounts)
    tax.forward(before_tax, values[4])

    edges = []

    def backward(name, layer, upstream, inputs):
        # The local gradients are what the layer passes on if the upstream gradient is 1.
        for (source, value), local in zip(inputs, layer.backward(1.0), strict=True):
            edges.append(Edge(source, name, value, upstream, local))
        return layer.backward(upstream)

    dbefore_tax, _ = backward("tax ×", tax, 1.0, [("+", before_tax), ("tax", values[4])])
    names = ("apples ×", "oranges ×")
    damounts = backward("+", sums, dbefore_tax, zip(names, amounts, strict=True))
    inputs = list(PRICES.items())
    for n, (name, layer) in enumerate(zip(names, fruit, strict=True)):
        backward(name, layer, damounts[n], inputs[2 * n : 2 * n + 2])
    return edges


def draw_step(step: int) -> Figure:
    """Draw the bill as a graph, with the gradients up to this step, whose edge is orange.

    Parameters
    ----------
    step : int
        0 for the forward pass alone, 1 for the gradient at the total, and from 2 on the edges.

    Returns
    -------
    matplotlib.figure.Figure
    """
    variables = T.dscalars(*PRICES)
    apple_price, apples, orange_price, oranges, tax = variables
    total = (apple_price * apples + orange_price * oranges) * tax
    total.name = "total"
    values = dict(zip(variables, PRICES.values(), strict=True))
    figure = theano.draw(total, values=values, title=_caption(step))
    [ax] = figure.axes
    for n, drawn in enumerate(DRAWN, 1):
        [arrow] = (p for p in ax.patches if p.get_gid().startswith(f"edge-{drawn}-"))
        _, gradient = (t for t in ax.texts if t.get_gid().startswith(f"edge-{drawn}-"))
        gradient.set_visible(n <= step)
        if n == step:
            arrow.set(color=ORANGE, linewidth=3)
    return figure


def _caption(step):
    if step == 0:
        return "forward pass: values flow from left to right"
    if step == 1:
        return "d total / d total = 1"
    edge = backward_edges()[step - 2]
    return f"upstream {edge.upstream:g} × local {edge.local:g} = {edge.gradient:g}"


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    args = script_parser(__doc__, output="output/backward_steps").parse_args(argv)
    output_folder(args.output)
    for step in range(STEPS):
        save_figure(draw_step(step), args.output / f"step_{step}.png")


if __name__ == "__main__":
    run(main)
