"""What a whole training step costs as the network or the mini-batch grows.

A step draws a mini-batch, gathers its digits, computes loss and gradient, and updates the weights.
It is measured against the hidden units, for batches of 100, and against the batch size, for 50
hidden units. Beside it stand the five matrix products of its gradient alone, and what their number
of multiply-adds predicts if the largest step is right. Where the step is far above that, Python's
and NumPy's fixed overhead dominates; where it comes down to it, arithmetic dominates.

Prints the times and the slopes of their upper parts, and writes a table (CSV) and a chart (PNG) to
--output.
"""

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

from benchmarks.timing import describe_libraries, medians, time_tick
from benchmarks.two_layer_gradient import products_alone
from ch05_backprop.two_layer_net import TwoLayerNet
from common.optimizer import SGD
from common.scripts.command_line import (
    output_folder,
    positive_float,
    positive_int,
    run,
    script_parser,
)
from common.scripts.plot import BLACK, BLUE, ORANGE, plot_style, save_figure
from common.scripts.units import readable_time
from common.support.files import write_csv
from common.support.threads import available_cores, limit_threads
from dataset.mnist import load_mnist

PIXELS, CLASSES = 784, 10
HIDDEN_SIZES = (10, 20, 50, 100, 200, 500, 1000, 2000)
BATCH_SIZES = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)
LEARNING_RATE = 0.01  # small enough for batches of one digit
FOLLOWS = 1.5  # a step follows the count where it takes at most this many times what is predicted
UPPER = 4  # sizes that a slope is fitted to


class Step(NamedTuple):
    """One size: seconds of a step and of its products alone, and the products' multiply-adds."""

    batch: int
    hidden: int
    step: float
    products: float
    multiply_adds: int


def multiply_adds(batch_size: int, hidden_size: int) -> int:
    """Return the multiply-adds of the five products of one gradient.

    Two of them are of N × 784 × H, three of N × H × 10.
    """
    return batch_size * hidden_size * (2 * PIXELS + 3 * CLASSES)


def measure(batch_size, hidden_size, dtype, data, repeats, seconds) -> Step:
    """Return the Step of one size; `repeats` and `seconds` are those of `medians`."""
    x_train, t_train = data
    rng = np.random.default_rng(0)
    network = TwoLayerNet(PIXELS, hidden_size, CLASSES, rng=rng, dtype=dtype)
    optimizer = SGD(LEARNING_RATE)

    def step():
        batch = rng.integers(len(x_train), size=batch_size)
        loss, grads = network.loss_and_gradient(x_train[batch], t_train[batch])
        optimizer.update(network.params, grads)
        return loss

    x = x_train[rng.integers(len(x_train), size=batch_size)]
    functions = {"step": step, "products": products_alone(network, x, rng)}
    times = medians(functions, repeats, in_a_row=20, seconds=seconds)
    count = multiply_adds(batch_size, hidden_size)
    return Step(batch_size, hidden_size, times["step"], times["products"], count)


def predicted(steps: list[Step]) -> np.ndarray:
    """Return the seconds that the multiply-adds predict, scaled to the largest step."""
    counts = np.array([step.multiply_adds for step in steps])
    return counts * (steps[-1].step / counts[-1])


def first_that_follows(steps: list[Step]) -> int:
    """Return the index of the size from which on all steps follow the count."""
    follows = np.array([step.step for step in steps]) <= FOLLOWS * predicted(steps)
    return len(follows) - int(np.argmin(follows[::-1])) if not follows.all() else 0


def slope(sizes, values) -> float:
    """Return the exponent p of values ∝ sizesᵖ, fitted to the largest sizes."""
    return float(np.polyfit(np.log(sizes[-UPPER:]), np.log(values[-UPPER:]), 1)[0])


def report(name: str, sizes, steps: list[Step]) -> str:
    """Return a table of one series, and its slopes."""
    lines = [
        f"{name:>8}  {'step':>8}  {'products':>8}  {'ratio':>5}  {'predicted':>9}  {'ratio':>5}"
    ]
    for size, step, by_count in zip(sizes, steps, predicted(steps), strict=True):
        lines.append(
            f"{size:>8,}  {readable_time(step.step):>8}  {readable_time(step.products):>8}  "
            f"{step.step / step.products:>5.2f}  {readable_time(by_count):>9}  "
            f"{step.step / by_count:>5.1f}"
        )
    columns = ("step", "products", "multiply_adds")
    slopes = (slope(sizes, [getattr(step, column) for step in steps]) for column in columns)
    upper = f"from {sizes[-UPPER]:,} on the exponents are"
    lines.append("{}: step {:.2f}, products {:.2f}, count {:.2f}".format(upper, *slopes))
    return "\n".join(lines)


def draw(series, title: str):
    """Return a chart with a panel for each of `series`: (label, sizes, steps)."""
    with plot_style():
        fig, axes = plt.subplots(len(series), 1, figsize=(7.0, 9.0))
        for ax, (label, sizes, steps) in zip(axes, series, strict=True):
            measured = [step.step for step in steps]
            ax.loglog(sizes, measured, "o-", color=BLUE, label="whole training step", zorder=3)
            ax.loglog(
                sizes,
                [step.products for step in steps],
                "s--",
                color=ORANGE,
                ms=5,
                label="its five matrix products alone",
            )
            ax.loglog(
                sizes,
                predicted(steps),
                ":",
                color=BLACK,
                label="predicted from their multiply-adds and the largest step",
            )
            ax.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=45)
            ax.minorticks_off()
            ax.yaxis.set_major_formatter(time_tick)
            ax.set_xlabel(label)
            ax.set_ylabel("time")
            first = first_that_follows(steps)
            if first == 0:
                continue
            border = np.sqrt(sizes[first - 1] * sizes[first])
            ax.set_xlim(sizes[0] / 1.5, sizes[-1] * 1.5)
            ax.axvspan(sizes[0] / 1.5, border, color="#EEEEEE", zorder=0)
            ax.text(0.03, 0.96, "fixed overhead dominates", transform=ax.transAxes, va="top")
        handles, labels = axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center")
        fig.suptitle(title)
    return fig


def main(argv=None):
    """Run the benchmark with the arguments `argv`, by default those of the command line."""
    parser = script_parser(
        __doc__, output="output/training_step", data=True, threads=available_cores()
    )
    add = parser.add_argument
    add("--dtype", choices=("float32", "float64"), default="float32", help="of all arithmetic")
    add("--repeats", type=positive_int, default=2000, help="steps of each size, at most")
    add("--seconds", type=positive_float, default=1.0, help="time for the steps of each size")
    args = parser.parse_args(argv)
    limit_threads(args.threads)
    output_folder(args.output)

    (x_train, t_train), _ = load_mnist(source=args.data)
    x_train = x_train.astype(args.dtype, copy=False)

    def measured(batch_size, hidden_size):
        data = x_train, t_train
        return measure(batch_size, hidden_size, args.dtype, data, args.repeats, args.seconds)

    by_hidden = [measured(100, hidden_size) for hidden_size in HIDDEN_SIZES]
    by_batch = [measured(batch_size, 50) for batch_size in BATCH_SIZES]

    print(f"{describe_libraries()}; {args.dtype}, drawn from {len(x_train):,} digits\n")
    print("batches of 100 digits, against the hidden units")
    print(report("hidden", HIDDEN_SIZES, by_hidden), end="\n\n")
    print("50 hidden units, against the digits in the batch")
    print(report("batch", BATCH_SIZES, by_batch), end="\n\n")

    path = args.output / "training_step.csv"
    write_csv(path, [{"dtype": args.dtype, **step._asdict()} for step in by_hidden + by_batch])
    print(f"wrote {path}")
    series = (
        ("hidden units (batch of 100 digits)", HIDDEN_SIZES, by_hidden),
        ("digits in the batch (50 hidden units)", BATCH_SIZES, by_batch),
    )
    title = f"One training step of the 784-hidden-10 network, {args.dtype}"
    save_figure(draw(series, title), args.output / "training_step.png", show=args.show)


if __name__ == "__main__":
    run(main)
