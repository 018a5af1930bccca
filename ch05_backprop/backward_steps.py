"""The backward pass through the bill's graph, one edge at a time.

Each figure highlights one edge and shows the chain rule on it: the upstream gradient (the
derivative of the total with respect to the node's output), the node's local gradient, and their
product.
"""

from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from ch05_backprop.graph_by_hand import AddLayer, MulLayer
from common.scripts.command_line import output_folder, run, script_parser
from common.scripts.plot import BLACK, BLUE, GREEN, ORANGE, plot_style, save_figure

__all__ = ["STEPS", "Edge", "backward_edges", "draw_step"]

PRICES = {"apple price": 100.0, "apples": 2.0, "orange price": 150.0, "oranges": 3.0, "tax": 1.1}
PLACES = {  # of inputs and nodes, in the figure's own units
    "apple price": (0, 8),
    "apples": (0, 6),
    "orange price": (0, 4),
    "oranges": (0, 2),
    "tax": (0, 0),
    "apples ×": (1.8, 7),
    "oranges ×": (1.8, 3),
    "+": (3.2, 5),
    "tax ×": (4.6, 4),
    "total": (6, 4),
}
STEPS = 10  # figures: the forward pass, the start with 1, and one for each of eight edges


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
    """Draw the bill as a graph: forward values in black, gradients in blue, this step in orange.

    Parameters
    ----------
    step : int
        0 for the forward pass alone, 1 for the gradient at the total, and from 2 on the edges.

    Returns
    -------
    matplotlib.figure.Figure
    """
    edges = backward_edges()
    total = PRICES["tax"] * edges[0].value
    last = Edge("tax ×", "total", total, 1.0, 1.0)
    with plot_style():
        fig, ax = plt.subplots(figsize=(7, 5.6))
        ax.set(xlim=(-0.75, 6.5), ylim=(-0.7, 9.8))
        ax.set_axis_off()
        for n, edge in enumerate([last, *edges], 1):
            (x0, y0), (x1, y1) = PLACES[edge.source], PLACES[edge.node]
            color = ORANGE if n == step else BLUE if n < step else "#999999"
            ax.plot([x0, x1], [y0, y1], color=color, lw=5 if n == step else 1.5, zorder=0)
            start = 0.52 if edge.source in PRICES else 0.5  # beside the input's box
            place = (x0 + start * (x1 - x0), y0 + start * (y1 - y0))
            white = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.85}
            below = {"textcoords": "offset points", "ha": "center", "bbox": white, "fontsize": 11}
            ax.annotate(f"{edge.value:g}", place, (0, 5), va="bottom", **below)
            if n <= step:
                text = f"{edge.gradient:g}"
                ax.annotate(text, place, (0, -5), va="top", color=BLUE, weight="bold", **below)
        for name, place in PLACES.items():
            box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": BLACK}
            if name not in PRICES and name != "total":
                box |= {"boxstyle": "circle,pad=0.3", "edgecolor": GREEN, "linewidth": 2}
            ax.text(*place, name.split()[-1] if "×" in name else name, ha="center", bbox=box)
        ax.text(3, 9.2, _caption(step, [last, *edges]), ha="center", fontsize=13)
    return fig


def _caption(step, edges):
    if step == 0:
        return "forward pass: values flow from left to right"
    edge = edges[step - 1]
    if step == 1:
        return "d total / d total = 1"
    return f"upstream {edge.upstream:g} × local {edge.local:g} = {edge.gradient:g}"


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    args = script_parser(__doc__, output="output/backward_steps").parse_args(argv)
    output_folder(args.output)
    for step in range(STEPS):
        save_figure(draw_step(step), args.output / f"step_{step}.png")


if __name__ == "__main__":
    run(main)
