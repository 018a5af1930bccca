"""Forty seconds against one millisecond: the same gradient, numerically and by backpropagation.

Both gradients of the same two-layer network, on the same mini-batch, in float64. The numerical one
moves each parameter up and down and looks at the loss: two passes for each parameter.
Backpropagation takes one pass forward and one backward, however many parameters there are. Prints
the times, their ratio and the largest difference, and writes them to --output as a table (CSV) and
a chart (PNG).
"""

import time
from dataclasses import asdict, dataclass

import matplotlib.pyplot as plt
import numpy as np

from ch05_backprop.two_layer_net import TwoLayerNet
from common.command_line import output_folder, positive_int, run, script_parser
from common.files import write_csv
from common.plot import BLUE, ORANGE, plot_style, save_figure
from dataset.mnist import load_mnist

REPEATS = 200  # of backpropagation, whose time is the median


@dataclass(frozen=True)
class Measurement:
    """One way to get the gradient: its name, passes through the network, and time in seconds."""

    method: str
    passes: int
    seconds: float


def measure_numerical(network, x, t):
    """Return the Measurement of the numerical gradient, and the gradient."""
    weights = sum(param.size for param in network.params.values())
    start = time.perf_counter()
    grads = network.numerical_gradient(x, t, progress=True)
    return Measurement("numerical", 2 * weights, time.perf_counter() - start), grads


def measure_backprop(network, x, t):
    """Return the Measurement of backpropagation, and the gradient."""
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        grads = network.gradient(x, t)
        seconds.append(time.perf_counter() - start)
    return Measurement("backpropagation", 2, float(np.median(seconds))), grads


def differences(a, b):
    """Return |a − b| of all entries of two dicts of gradients, as one array."""
    return np.concatenate([np.abs(a[key] - b[key]).ravel() for key in a])


def draw(measurements, title):
    """Return a chart of the times, in seconds on a logarithmic scale."""
    with plot_style():
        fig, ax = plt.subplots(figsize=(7.0, 2.8))
        names = [m.method for m in measurements]
        seconds = [m.seconds for m in measurements]
        # Points: a logarithmic axis has no 0 for bars to start from.
        ax.scatter(seconds, names, s=120, color=[ORANGE, BLUE])
        for m in measurements:
            label = f"{_readable(m.seconds)}, {m.passes:,} passes"
            offset = {"xytext": (12, 0), "textcoords": "offset points"}
            ax.annotate(label, (m.seconds, m.method), va="center", **offset)
        ax.set_xscale("log")
        ax.set_xlim(min(seconds) / 10, max(seconds) * 1000)
        ax.margins(y=0.5)
        ax.set_xlabel("time for one gradient (seconds, logarithmic scale)")
        ax.invert_yaxis()
        ax.set_title(title)
    return fig


def _readable(seconds):
    for unit, name in ((1, "s"), (1e-3, "ms")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds / 1e-6:.3g} µs"


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    parser = script_parser(__doc__, output="output/compare_gradients", seed=0)
    parser.add_argument("--hidden-size", type=positive_int, default=50, help="hidden units")
    parser.add_argument("--batch-size", type=positive_int, default=100, help="digits in the batch")
    args = parser.parse_args(argv)
    output_folder(args.output)

    rng = np.random.default_rng(args.seed)
    network = TwoLayerNet(784, args.hidden_size, 10, rng=rng, dtype=np.float64)
    (x_train, t_train), _ = load_mnist(source="sample")
    batch = rng.choice(len(x_train), args.batch_size)
    x, t = x_train[batch].astype(network.dtype), t_train[batch]

    backprop, by_backprop = measure_backprop(network, x, t)
    print(f"one gradient of a 784-{args.hidden_size}-10 network, batch of {args.batch_size}:\n")
    print(f"{'method':<16}  {'passes':>8}  {'seconds':>12}")
    print(f"{backprop.method:<16}  {backprop.passes:>8,}  {backprop.seconds:>12.6f}")
    numerical, by_differences = measure_numerical(network, x, t)
    print(f"{numerical.method:<16}  {numerical.passes:>8,}  {numerical.seconds:>12.6f}\n")

    ratio = numerical.seconds / backprop.seconds
    difference = differences(by_differences, by_backprop)
    print(f"ratio               {ratio:,.0f} to 1")
    print(f"median difference   {np.median(difference):.1e}")
    print(f"largest difference  {difference.max():.1e}")
    print("(a step that crosses a ReLU's kink is off; gradient_check.py tells that from an error)")

    rows = [asdict(row) for row in (numerical, backprop)]
    write_csv(args.output / "compare_gradients.csv", rows)
    print(f"wrote {args.output / 'compare_gradients.csv'}")
    title = f"The same gradient, {ratio:,.0f} times as fast"
    save_figure(
        draw((numerical, backprop), title), args.output / "compare_gradients.png", show=args.show
    )


if __name__ == "__main__":
    run(main)
