"""One gradient of the two-layer network, beside its matrix products and beside other libraries.

Backpropagation through x W1 + b1, ReLU, z W2 + b2 and softmax takes five matrix products: x W1 and
z W2 forward, zᵀ d2, d2 W2ᵀ and xᵀ d1 backward. What `TwoLayerNet.gradient` takes beyond those five
is its overhead. Beside it stand PyTorch, torch.compile, JAX, PyTensor, MyGrad and HIPS autograd, as
far as they are installed, with the same weights and digits, after a check that all agree.

Prints medians, their ratios to the five products and to ours, and the time to the first result,
compilation and all. They are timed in turns in one process; libraries take their number of threads
when they start, so each number of threads has a process of its own. With --sweep, also over batch
sizes and numbers of hidden units. Writes a table (CSV) and charts (PNG) to --output.
"""

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullLocator
from tqdm import tqdm

from benchmarks.peers import PEERS, Unavailable, build, environment, versions
from benchmarks.timing import WARM_UP, describe_libraries, medians, time_tick
from ch05_backprop.two_layer_net import TwoLayerNet
from common.scripts.command_line import (
    CommandError,
    output_folder,
    positive_float,
    positive_int,
    run,
    script_parser,
)
from common.scripts.plot import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    plot_style,
    save_figure,
)
from common.scripts.units import readable_time
from common.support.files import write_csv
from dataset.mnist import load_mnist

PRODUCTS, OURS = "five products", "ours"
METHODS = (PRODUCTS, OURS, *PEERS)
DTYPES = ("float64", "float32")
BATCH_SIZES = (1, 10, 100, 1000, 10_000)
HIDDEN_SIZES = (50, 200, 500, 1000, 2000)
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}  # of the largest entry
LINES = {  # colour, marker and dashes in charts
    PRODUCTS: (BLACK, "", "--"),
    OURS: (BLUE, "o", "-"),
    "PyTorch": (ORANGE, "s", "-"),
    "PyTorch compiled": (RED, "D", "-"),
    "JAX": (GREEN, "^", "-"),
    "PyTensor (Numba)": (PURPLE, "v", "-"),
    "PyTensor (C)": (PURPLE, "v", ":"),
    "MyGrad": (SKY, "P", "-"),
    "autograd": ("#777777", "X", "-"),
}


class Size(NamedTuple):
    """Digits in the batch, and hidden units."""

    batch: int
    hidden: int


class Cell(NamedTuple):
    """What is measured together: threads, dtype and size."""

    threads: int
    dtype: str
    size: Size


class Measurement(NamedTuple):
    """The median time of one gradient, and the time to the very first one, in seconds."""

    median: float
    first: float | None


def five_products(x, W1, z, W2, d1, d2):
    """Multiply what one gradient multiplies, and nothing else."""
    return x @ W1, z @ W2, z.T @ d2, d2 @ W2.T, x.T @ d1


def products_alone(network, x, rng):
    """Return a function that calls `five_products` for `network` on matrices that lie ready."""
    W1, W2 = network.params["W1"], network.params["W2"]
    z = np.maximum(x @ W1, 0)
    d2 = rng.standard_normal((len(x), W2.shape[1])).astype(x.dtype)
    d1 = d2 @ W2.T
    return lambda: five_products(x, W1, z, W2, d1, d2)


def measure(
    cell: Cell, repeats: int, seconds: float
) -> tuple[dict[str, Measurement], dict[str, str]]:
    """Measure all that can be had here.

    Parameters
    ----------
    cell : Cell
    repeats : int
        Calls of each, at most.
    seconds : float
        Time for each, see `medians`.

    Returns
    -------
    measurements : dict of str to Measurement
    reasons : dict of str to str
        For what can't be had, why.
    """
    rng = np.random.default_rng(0)
    network = TwoLayerNet(784, cell.size.hidden, 10, rng=rng, dtype=cell.dtype)
    x, t = _digits(network, cell.size.batch)
    expected = network.loss(x, t), network.gradient(x, t)
    functions = {
        PRODUCTS: products_alone(network, x, rng),
        OURS: lambda: network.gradient(x, t),
    }
    first, reasons = dict.fromkeys(functions), {}
    for name in PEERS:
        try:
            functions[name], first[name] = build(name, network.params, x, t, cell.threads)
        except Unavailable as error:
            reasons[name] = str(error)
        else:
            check_agreement(name, functions[name](), expected, TOLERANCE[cell.dtype])
    times = medians(functions, repeats, repeats, seconds=seconds, warm_up=WARM_UP)
    return {name: Measurement(times[name], first[name]) for name in functions}, reasons


def _digits(network, batch_size):
    (x, t), _ = load_mnist(source="sample")
    # Where a hidden unit's input is 0 but for rounding, libraries may disagree on ReLU's derivative
    # without any of them being wrong.
    clear = np.abs(x.astype(np.float64) @ network.params["W1"]).min(axis=1) > 1e-6
    batch = np.resize(np.flatnonzero(clear), batch_size)  # from the start again if there are few
    return x[batch].astype(network.dtype), t[batch]


def check_agreement(name, result, expected, tolerance):
    """Raise an AssertionError if a peer's loss and gradient aren't ours."""
    loss, grads = result
    expected_loss, expected_grads = expected
    np.testing.assert_allclose(np.asarray(loss), expected_loss, rtol=tolerance, err_msg=name)
    assert grads.keys() == expected_grads.keys(), name
    for key, grad in expected_grads.items():
        actual = np.asarray(grads[key])
        assert actual.dtype == grad.dtype, f"{name} gives {key} in {actual.dtype}"
        atol = tolerance * np.abs(grad).max()
        np.testing.assert_allclose(actual, grad, rtol=0, atol=atol, err_msg=f"{name}, {key}")


@contextmanager
def process_with(threads: int):
    """Return, as a context, a pool of one new process whose libraries work on `threads` threads."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as cache:
        os.environ.update(environment(threads, Path(cache)))
        try:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                yield pool
        except BrokenProcessPool as error:
            raise CommandError(
                f"the process on {threads} threads was ended from outside, perhaps since memory "
                "ran out"
            ) from error
        finally:
            os.environ.clear()
            os.environ.update(before)


def describe_process() -> str:
    """Return a line on the libraries of the process that it is called in."""
    return f"{describe_libraries()}; {versions()}"


def table(results, sizes: Sequence[Size], heading: str) -> str:
    """Return a table of times, with the ratio to ours, for one number of threads and dtype."""
    header = "".join(f"  {label:>18}" for label in _labels(sizes))
    lines = [f"{heading:<18}{header}"]
    for name in METHODS:
        cells = (_with_ratio(results[size].get(name), results[size][OURS]) for size in sizes)
        lines.append(f"{name:<18}" + "".join(f"  {cell:>18}" for cell in cells))
    return "\n".join(lines)


def _labels(sizes):
    if len({size.batch for size in sizes}) == 1:
        return [f"hidden {size.hidden:,}" for size in sizes]
    return [f"batch {size.batch:,}" for size in sizes]


def _with_ratio(measurement, ours):
    if measurement is None:
        return "–"
    return f"{readable_time(measurement.median)} ({measurement.median / ours.median:5.2f})"


def detailed_table(results: dict[str, dict[str, Measurement]], heading: str) -> str:
    """Return a table of one size, for one number of threads, with a part for each dtype."""
    parts = "".join(f"  {dtype:^39}" for dtype in results)
    columns = f"  {'median':>9} {'× products':>11} {'× ours':>7} {'first':>9}" * len(results)
    lines = [f"{heading:<18}{parts}", f"{'':<18}{columns}"]
    for name in METHODS:
        cells = (_details(measurements, name) for measurements in results.values())
        lines.append(f"{name:<18}" + "".join(cells))
    return "\n".join(line.rstrip() for line in lines)


def _details(measurements, name):
    if name not in measurements:
        return f"  {'–':>9} {'–':>11} {'–':>7} {'–':>9}"
    median, first = measurements[name]
    to_products, to_ours = (median / measurements[other].median for other in (PRODUCTS, OURS))
    first = "" if first is None else readable_time(first)
    return f"  {readable_time(median):>9} {to_products:>11.2f} {to_ours:>7.2f} {first:>9}"


def draw_one_size(results: dict[Cell, dict[str, Measurement]]):
    """Return a chart of bars: a row for each number of threads, a column for each dtype."""
    threads = list(dict.fromkeys(cell.threads for cell in results))
    size = next(iter(results)).size
    names = _from_fastest_to_slowest(list(results.values()))
    with plot_style():
        height = 0.9 + (0.7 + 0.33 * len(names)) * len(threads)
        fig, axes = plt.subplots(
            len(threads), 2, figsize=(7.0, height), sharex=True, sharey=True, squeeze=False
        )
        for ax, (count, dtype) in zip(axes.ravel(), product(threads, DTYPES), strict=True):
            measurements = results[Cell(count, dtype, size)]
            floor = measurements[PRODUCTS].median
            for position, name in enumerate(names):
                if name not in measurements:
                    continue
                median = measurements[name].median
                ax.barh(position, median * 1e6, color=BLUE if name == OURS else "#BBBBBB")
                label = f" {readable_time(median)} = {median / floor:.1f} ×"
                ax.text(median * 1e6, position, label, va="center", fontsize=9)
            ax.axvline(floor * 1e6, color=BLACK, ls="--", lw=1.5)
            ax.set_title(f"{dtype}, {_threads(count)}", fontsize=11)
            ax.grid(axis="y", visible=False)
        axes[0, 0].set_yticks(range(len(names)), names)
        axes[0, 0].invert_yaxis()
        slowest = max(m[name].median for m in results.values() for name in names if name in m)
        axes[0, 0].set_xlim(0, slowest * 1e6 * 1.4)  # with room for the label
        for ax in axes[-1]:
            ax.set_xlabel("time of one gradient (µs)")
        fig.suptitle(
            f"One gradient of the 784-{size.hidden}-10 network, batch of {size.batch:,}\n"
            "(dashed: its matrix products alone; × is a multiple of that)"
        )
    return fig


def _from_fastest_to_slowest(panels):
    """Return the methods that any panel has, in one order for all of them."""

    def mean_ratio(name):
        return np.mean([m[name].median / m[OURS].median for m in panels if name in m])

    return sorted((name for name in METHODS[1:] if any(name in m for m in panels)), key=mean_ratio)


def draw_sweep(results: dict[Cell, dict[str, Measurement]], threads: int, sizes: Sequence[Size]):
    """Return a chart of times, and of their ratios to ours, with a column for each dtype."""
    by_batch = len({size.hidden for size in sizes}) == 1
    numbers = [size.batch if by_batch else size.hidden for size in sizes]
    with plot_style():
        fig, axes = plt.subplots(
            2, 2, figsize=(7.0, 8.5), sharex=True, sharey="row", height_ratios=(2, 3)
        )
        for (above, below), dtype in zip(axes.T, DTYPES, strict=True):
            cells = [results[Cell(threads, dtype, size)] for size in sizes]
            ours = np.array([cell[OURS].median for cell in cells])
            for name, (color, marker, dashes) in LINES.items():
                if not any(name in cell for cell in cells):
                    continue
                times = [cell[name].median if name in cell else np.nan for cell in cells]
                look = {"color": color, "marker": marker, "ls": dashes, "ms": 5, "label": name}
                look |= {"lw": 3, "zorder": 3} if name == OURS else {"lw": 1.5}
                above.plot(numbers, times, **look)
                below.plot(numbers, times / ours, **look)
            above.set_title(dtype)
            below.set_xlabel(
                "digits in the batch (50 hidden units)"
                if by_batch
                else "hidden units (batch of 100 digits)"
            )
        for ax in axes.ravel():
            ax.set_xscale("log")
            ax.set_yscale("log")
            ax.set_xticks(numbers, [f"{number:,}" for number in numbers], rotation=45)
            ax.xaxis.set_minor_locator(NullLocator())
        axes[0, 0].yaxis.set_major_formatter(time_tick)
        axes[0, 0].yaxis.set_minor_locator(NullLocator())
        axes[0, 0].set_ylabel("time of one gradient")
        below = axes[1, 0]
        below.yaxis.set_major_locator(LogLocator(base=2))
        below.yaxis.set_minor_locator(NullLocator())
        below.yaxis.set_major_formatter(lambda value, _: f"{value:g} ×")
        below.set_ylabel("time as a multiple of ours")
        handles, labels = below.get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=3)
        network = "784-50-10" if by_batch else "784-hidden-10"
        fig.suptitle(f"One gradient of the {network} network, {_threads(threads)}")
    return fig


def _threads(count):
    return f"{count} thread" + ("" if count == 1 else "s")


def warn_if_disturbed(by_threads: Sequence[dict[str, Measurement]]) -> None:
    """Print a note if the products take much longer on some number of threads than on another."""
    times = [measurements[PRODUCTS].median for measurements in by_threads]
    if max(times) > 3 * min(times):
        print(
            "note: the products differ more than threefold between numbers of threads. Another "
            "program may be busy:\na product on several cores waits for the last of them."
        )


def _csv_rows(results):
    for cell, measurements in results.items():
        for name, (median, first) in measurements.items():
            yield {
                "threads": cell.threads,
                "dtype": cell.dtype,
                "batch": cell.size.batch,
                "hidden": cell.size.hidden,
                "method": name,
                "seconds": median,
                "ratio_to_products": median / measurements[PRODUCTS].median,
                "ratio_to_ours": median / measurements[OURS].median,
                "seconds_to_first_result": "" if first is None else first,
            }


def main(argv=None):
    """Run the benchmark with the arguments `argv`, by default those of the command line."""
    parser = script_parser(__doc__, output="output/two_layer_gradient")
    add = parser.add_argument
    add("--hidden-size", type=positive_int, default=50, help="hidden units")
    add("--batch-size", type=positive_int, default=100, help="digits in the batch")
    add("--threads", type=positive_int, nargs="+", default=[1, 2], help="numbers of threads")
    add("--sweep", action="store_true", help="also measure other batch sizes and hidden sizes")
    add("--repeats", type=positive_int, default=2000, help="calls of each, at most")
    add("--seconds", type=positive_float, default=0.3, help="time for the calls of each")
    args = parser.parse_args(argv)
    output_folder(args.output)

    chosen = Size(args.batch_size, args.hidden_size)
    by_batch = [Size(n, 50) for n in BATCH_SIZES]
    by_hidden = [Size(100, n) for n in HIDDEN_SIZES]
    sizes = list(dict.fromkeys([chosen, *by_batch, *by_hidden] if args.sweep else [chosen]))
    args.threads = list(dict.fromkeys(args.threads))
    results, reasons = {}, {}
    print(f"784-{chosen.hidden}-10, batch of {chosen.batch}; in brackets the ratio to ours\n")
    for threads in args.threads:
        with process_with(threads) as process:
            cells = [Cell(threads, dtype, size) for size, dtype in product(sizes, DTYPES)]
            for cell in tqdm(cells, _threads(threads), leave=False, unit="cell", disable=None):
                job = process.submit(measure, cell, args.repeats, args.seconds)
                results[cell], missing = job.result()
                reasons |= missing
            print(process.submit(describe_process).result(), end="\n\n")
        of_chosen = {dtype: results[Cell(threads, dtype, chosen)] for dtype in DTYPES}
        print(detailed_table(of_chosen, _threads(threads)), end="\n\n")
        for dtype in DTYPES if args.sweep else ():
            of_dtype = {size: results[Cell(threads, dtype, size)] for size in sizes}
            heading = f"{dtype}, {_threads(threads)}"
            print(table(of_dtype, by_batch, heading), end="\n\n")
            print(table(of_dtype, by_hidden, heading), end="\n\n")
    for reason in reasons.values():
        print(f"– {reason}")
    warn_if_disturbed([results[Cell(threads, DTYPES[0], chosen)] for threads in args.threads])

    write_csv(args.output / "two_layer_gradient.csv", list(_csv_rows(results)))
    print(f"wrote {args.output / 'two_layer_gradient.csv'}")
    of_chosen = {cell: m for cell, m in results.items() if cell.size == chosen}
    save_figure(draw_one_size(of_chosen), args.output / "two_layer_gradient.png", show=args.show)
    for threads in args.threads if args.sweep else ():
        for name, sizes in (("batch", by_batch), ("hidden", by_hidden)):
            path = args.output / f"sweep_{name}_{threads}.png"
            save_figure(draw_sweep(results, threads, sizes), path, show=args.show)


if __name__ == "__main__":
    run(main)
