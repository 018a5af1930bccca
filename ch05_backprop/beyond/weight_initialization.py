"""Look at the activations of a deep network for several initial weights, before any training.

Random numbers of mean 0 and variance 1 go through five layers of 100 units. With weights that are
too large, sigmoids end at 0 or 1, where their derivative is 0 and nothing is learned; with weights
that are too small, all units of the deeper layers give nearly the same output. Glorot's ("Xavier")
initial weights keep the variance through sigmoids, and He's through ReLUs.
"""

import matplotlib.pyplot as plt
import numpy as np

from common.functions import relu, sigmoid
from common.networks import initial_weights
from common.scripts.command_line import output_folder, run, script_parser
from common.scripts.plot import BLUE, plot_style, save_figure

LAYERS, UNITS, EXAMPLES = 5, 100, 1000
CASES = (  # activation, weight_init_std
    ("sigmoid", 1.0),
    ("sigmoid", 0.01),
    ("sigmoid", "xavier"),
    ("relu", 0.01),
    ("relu", "xavier"),
    ("relu", "he"),
)


def activations(activation: str, weight_init_std, rng: np.random.Generator) -> list[np.ndarray]:
    """Return what each layer puts out, an array of shape (1000, 100) for each of five layers."""
    function = {"sigmoid": sigmoid, "relu": relu}[activation]
    a = rng.standard_normal((EXAMPLES, UNITS))
    outputs = []
    for _ in range(LAYERS):
        a = function(a @ initial_weights((UNITS, UNITS), UNITS, weight_init_std, rng))
        outputs.append(a)
    return outputs


def describe(activation: str, weight_init_std) -> str:
    """Return a title such as ``sigmoid, std 0.01`` or ``relu, he``."""
    rule = weight_init_std if isinstance(weight_init_std, str) else f"std {weight_init_std:g}"
    return f"{activation}, {rule}"


def draw(outputs: dict[tuple, list[np.ndarray]]):
    """Return a figure of histograms: a row for each case, a column for each layer."""
    with plot_style():
        fig, axes = plt.subplots(len(outputs), LAYERS, figsize=(7.0, 10.0), sharex="row")
        for ax, number in zip(axes[0], range(1, LAYERS + 1), strict=True):
            ax.set_title(f"layer {number}")
        for row, (case, layers) in zip(axes, outputs.items(), strict=True):
            top = 1.0 if case[0] == "sigmoid" else max(1e-6, np.quantile(layers[0], 0.999))
            for ax, values in zip(row, layers, strict=True):
                fraction = np.full(values.size, 1 / values.size)
                clipped = np.minimum(values.ravel(), top)
                ax.hist(clipped, bins=30, range=(0, top), weights=fraction, color=BLUE)
                ax.set_ylim(0, 1)
                ax.xaxis.set_major_locator(plt.MaxNLocator(1))
                ax.tick_params(labelleft=ax is row[0])
            row[0].set_ylabel(describe(*case))
        fig.supxlabel("activation")
        fig.supylabel("fraction of all units and examples")
        fig.suptitle(f"Activations of {LAYERS} layers of {UNITS} units before training")
    return fig


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    args = script_parser(__doc__, output="output/weight_initialization", seed=0).parse_args(argv)
    output_folder(args.output)
    outputs = {case: activations(*case, np.random.default_rng(args.seed)) for case in CASES}

    print("standard deviation of the activations")
    print(f"{'initial weights':<16}  " + "  ".join(f"layer {n + 1:>2}" for n in range(LAYERS)))
    for case, layers in outputs.items():
        stds = "  ".join(f"{values.std():>8.2g}" for values in layers)
        print(f"{describe(*case):<16}  {stds}")
    save_figure(draw(outputs), args.output / "weight_initialization.png", show=args.show)


if __name__ == "__main__":
    run(main)
