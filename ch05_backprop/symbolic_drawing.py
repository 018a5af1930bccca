"""Draw computational graphs, with the values that flow forward and the derivatives that flow back.

The value that flows along an edge stands above it, the derivative of the result with respect to
that value below it, in another colour. The script draws the apples and oranges of graph_by_hand.py,
the loss of a two-layer network with five examples, and the same loss as the compiled function
computes it, in its stable form. Each drawing is written to --output as PNG and, for enlarging it,
as SVG.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import common.symbolic.tensor as T
from common import symbolic as theano
from common.scripts.command_line import output_folder, run, script_parser


def apples_and_oranges(path=None) -> Figure:
    """Draw the bill for two apples and three oranges, with tax, and its derivatives."""
    apple, apples, orange, oranges, tax = T.dscalars("apple", "apples", "orange", "oranges", "tax")
    total = (apple * apples + orange * oranges) * tax
    total.name = "total"
    values = {apple: 100, apples: 2, orange: 150, oranges: 3, tax: 1.1}
    return theano.draw(total, path, values=values, title="Two apples and three oranges")


def two_layer_loss(seed: int = 0):
    """Return the loss of a small two-layer network, and values for its input and labels."""
    rng = np.random.default_rng(seed)
    W1, b1, W2, b2 = (
        theano.shared(rng.normal(size=shape), name)
        for name, shape in (("W1", (4, 3)), ("b1", (3,)), ("W2", (3, 2)), ("b2", (2,)))
    )
    x, t = T.dmatrix("x"), T.lvector("t")
    hidden = T.nnet.relu(T.dot(x, W1) + b1)
    hidden.name = "hidden"
    p = T.nnet.softmax(T.dot(hidden, W2) + b2)
    p.name = "p"
    loss = -T.mean(T.log(p)[T.arange(t.shape[0]), t])
    loss.name = "loss"
    return loss, {x: rng.normal(size=(5, 4)), t: rng.integers(0, 2, 5)}


def two_layer_net(path=None) -> Figure:
    """Draw the loss of a two-layer network as it is written down."""
    loss, values = two_layer_loss()
    return theano.draw(
        loss, path, values=values, title="A two-layer network, as it is written down"
    )


def two_layer_net_rewritten(path=None) -> Figure:
    """Draw the loss of a two-layer network as the compiled function computes it."""
    loss, values = two_layer_loss()
    compiled = theano.function(list(values), loss)
    title = "The same graph after rewriting: log and softmax have become one operation"
    return theano.draw(compiled, path, values=values, title=title)


def show(path) -> None:
    """Open the drawing at `path` in a window, if there is a display."""
    image = plt.imread(path)
    fig = plt.figure(figsize=(image.shape[1] / 150, image.shape[0] / 150))
    if fig.canvas.required_interactive_framework is None:
        print("there is no display to show it on")
    else:
        fig.figimage(image, resize=True)
        plt.show()
    plt.close(fig)


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    parser = script_parser(__doc__, output="output/symbolic_drawing")
    args = parser.parse_args(argv)
    output_folder(args.output)
    for picture in (apples_and_oranges, two_layer_net, two_layer_net_rewritten):
        for suffix in (".png", ".svg"):
            path = args.output / f"{picture.__name__}{suffix}"
            picture(path)
            print(f"wrote {path}")
        if args.show:
            show(path.with_suffix(".png"))


if __name__ == "__main__":
    run(main)
