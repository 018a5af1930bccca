"""Forty seconds against one millisecond: every way to the same gradient, side by side.

One two-layer network and one mini-batch of digits, in float64. Each method of
common.gradient_methods computes the gradient of the loss; the table tells how many passes through
the network it took, how long, how many times as fast as the book's central differences it was, how
far it is from reverse mode (backpropagation), and the memory of its arrays. Without names all
methods are measured, in full: a minute or two, most of it the complex step. With --quick the
methods that go weight by weight are timed on some weights, drawn at random, and what they would
take for all is marked as an estimate.

Writes the table (CSV) and three charts (PNG) to --output: the times, the error of differences
against the step h, and the cost against the number of hidden units. Ctrl-C leaves what is finished.
"""

import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from ch05_backprop.gradient_charts import draw_costs, draw_errors, draw_times
from ch05_backprop.methods import METHODS
from ch05_backprop.two_layer_net import TwoLayerNet
from common.gradient_methods.methods import Method
from common.gradient_methods.selection import count, random_entries
from common.scripts.command_line import output_folder, positive_int, run, script_parser
from common.scripts.plot import save_figure
from common.scripts.units import readable_time
from common.support.files import write_csv
from common.support.threads import limit_threads
from dataset.mnist import load_mnist

# The fast ones first, so that Ctrl-C in a long one finds a table worth printing.
ORDER = (
    "reverse",
    "symbolic",
    "structured",
    "random",
    "batched",
    "forward-mode",
    "forward",
    "central",
    "complex",
)
WEIGHTS_OF_AN_ESTIMATE = 300
WEIGHTS_OF_A_WIDTH = 40
WEIGHTS_OF_AN_ERROR = 200
REPEAT_FOR = 0.5  # seconds
REPEAT_A_WIDTH_FOR = 0.1
MOST_REPEATS = 200
STEPS = {  # of the differences whose error is drawn, h
    "central": np.logspace(-1, -14, 27),
    "forward": np.logspace(-1, -14, 27),
    "complex": np.logspace(-1, -20, 20),
}
WIDTHS = (10, 30, 100, 300, 1000)


@dataclass(frozen=True)
class Measurement:
    """What a method took, and what it gave.

    Attributes
    ----------
    method : Method
    passes : int
        Through the network, for all weights.
    seconds : float
        For all weights.
    estimate : bool
        Whether `seconds` was reckoned from some of the weights.
    largest_error, mean_error : float
        Of |difference from reverse mode| over the weights that were asked about.
    mebibytes : float
        Most memory that arrays took meanwhile.
    """

    method: Method
    passes: int
    seconds: float
    estimate: bool
    largest_error: float
    mean_error: float
    mebibytes: float


def measure(
    method: Method,
    network: TwoLayerNet,
    x: np.ndarray,
    t: np.ndarray,
    rng: np.random.Generator,
    *,
    weights: int | None = None,
    directions: int = 100,
    repeat_for: float = REPEAT_FOR,
) -> Measurement:
    """Measure one method, with a progress bar if it takes long.

    Parameters
    ----------
    method : Method
    network, x, t
        The network, its input and the labels.
    rng : numpy.random.Generator
        Source of random directions, and of the weights of an estimate.
    weights : int, optional
        How many weights to time, if the method goes weight by weight. All by default.
    directions : int
        How many directions to take the mean of, if the method takes random ones.
    repeat_for : float
        Seconds. What takes less is repeated, and the median is taken.
    """
    total = count(network.params)
    estimate = weights is not None and weights < total and "entries" in method.takes
    asked = weights if estimate else total

    def gradient(entries, directions, bar):
        options = {"progress": bar.update} if "progress" in method.takes else {}
        if "entries" in method.takes:
            options["entries"] = entries
        if "directions" in method.takes:
            options |= {"directions": directions, "rng": rng}
        return method.function(network, x, t, **options)

    few = random_entries(network.params, 30, rng)
    with tqdm(disable=True) as silent:
        tracemalloc.start()
        try:
            gradient(few, 1, silent)  # not timed: the first call pays for what is set up once
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    entries = random_entries(network.params, asked, rng) if estimate else None
    steps = directions if "directions" in method.takes else asked
    seconds = []
    while not seconds or (sum(seconds) < repeat_for and len(seconds) < MOST_REPEATS):
        with tqdm(total=steps, desc=method.title, leave=False, disable=None) as bar:
            start = time.perf_counter()
            grads = gradient(entries, directions, bar)
            seconds.append(time.perf_counter() - start)

    errors = differences(grads, network.gradient(x, t))
    return Measurement(
        method,
        method.passes(total) * (directions if "directions" in method.takes else 1),
        float(np.median(seconds)) * total / asked,
        estimate,
        float(errors.max()),
        float(errors.mean()),
        peak / 2**20,
    )


def differences(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> np.ndarray:
    """Return |a − b| of all entries of two gradients that are known, as one array."""
    errors = np.concatenate([np.abs(a[key] - b[key]).ravel() for key in a])
    return errors[~np.isnan(errors)]


def print_table(measurements: Sequence[Measurement]) -> None:
    """Print `measurements` in the order of METHODS."""
    print(
        f"\n{'method':<22}  {'passes':<36}  {'seconds':>13}  {'speed-up':>9}  "
        f"{'largest error':>13}  {'mean error':>10}  {'memory':>8}"
    )
    for m, faster in zip(measurements, speed_ups(measurements), strict=True):
        passes = f"{m.passes:,} {m.method.kind}"
        passes += f" ({m.method.formula})" if str(m.passes) != m.method.formula else ""
        seconds = f"{'≈ ' if m.estimate else ''}{m.seconds:.6f}"
        print(
            f"{m.method.title:<22}  {passes:<36}  {seconds:>13}  {faster:>9}  "
            f"{m.largest_error:>13.1e}  {m.mean_error:>10.1e}  {m.mebibytes:>4.1f} MiB"
        )


def speed_ups(measurements: Sequence[Measurement]) -> list[str]:
    """Return how many times as fast as central differences each was; "–" if nobody knows."""
    central = next((m.seconds for m in measurements if m.method.name == "central"), None)
    if central is None:
        return ["–"] * len(measurements)
    factors = [central / m.seconds for m in measurements]
    return [f"{factor:,.0f}" if factor >= 10 else f"{factor:.1f}" for factor in factors]


def print_ratio(central: Measurement, reverse: Measurement, seconds_a_pass: float) -> None:
    """Print the measured ratio of central differences to reverse mode, and the one of theory."""
    measured = central.seconds / reverse.seconds
    theory = central.passes * seconds_a_pass / reverse.seconds
    print(f"\ncentral differences : reverse mode = {measured:,.0f} : 1")
    print(
        f"in theory {theory:,.0f} : 1 ({measured / theory - 1:+.1%}): {central.passes:,} passes of "
        f"{readable_time(seconds_a_pass)}, against one gradient of {readable_time(reverse.seconds)}"
    )


def measure_pass(network: TwoLayerNet, x: np.ndarray, t: np.ndarray) -> float:
    """Return the median time of one evaluation of the loss, in seconds."""
    seconds = []
    for _ in range(MOST_REPEATS):
        start = time.perf_counter()
        network.loss(x, t)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def errors_against_step(
    methods: Sequence[Method],
    network: TwoLayerNet,
    x: np.ndarray,
    t: np.ndarray,
    rng: np.random.Generator,
) -> list[dict]:
    """Return rows of method, h and the median of |error / gradient| over some weights.

    They are drawn from those whose gradient isn't 0, as it is by a pixel that is always blank.
    """
    exact = network.gradient(x, t)
    entries = {
        key: indices[exact[key].ravel()[indices] != 0]
        for key, indices in random_entries(network.params, WEIGHTS_OF_AN_ERROR, rng).items()
    }
    gradient = np.concatenate([exact[key].ravel()[indices] for key, indices in entries.items()])
    if gradient.size == 0:
        return []
    todo = [(method, h) for method in methods if method.name in STEPS for h in STEPS[method.name]]
    rows = []
    for method, h in tqdm(todo, desc="error against h", leave=False, disable=None):
        grads = method.function(network, x, t, h, entries=entries)
        error = np.median(differences(grads, exact) / np.abs(gradient))
        rows.append({"method": method.name, "h": float(h), "relative_error": float(error)})
    return rows


def costs_against_width(methods: Sequence[Method], args, x: np.ndarray, t: np.ndarray, rng) -> list:
    """Return rows of method, hidden units and seconds, estimated from some weights."""
    rows = []
    todo = [(method, width) for width in WIDTHS for method in methods]
    for method, width in tqdm(todo, desc="cost against width", leave=False, disable=None):
        network = TwoLayerNet(args.input_size, width, args.output_size, rng=rng)
        m = measure(
            method,
            network,
            x,
            t,
            rng,
            weights=WEIGHTS_OF_A_WIDTH,
            directions=args.directions,
            repeat_for=REPEAT_A_WIDTH_FOR,
        )
        rows.append({"method": method.name, "hidden_size": width, "seconds": m.seconds})
    return rows


def draw_batch(args, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a mini-batch of digits; if sizes don't fit digits, of random numbers as sparse."""
    if (args.input_size, args.output_size) == (784, 10):
        (x_train, t_train), _ = load_mnist(source="sample")
        batch = rng.choice(len(x_train), args.batch_size)
        return x_train[batch].astype(np.float64), t_train[batch]
    shape = (args.batch_size, args.input_size)
    x = rng.random(shape) * (rng.random(shape) < 0.2)
    return x, rng.integers(0, args.output_size, args.batch_size)


def arguments(argv: Sequence[str] | None):
    """Parse the command line `argv`, and make the output folder ready."""
    parser = script_parser(__doc__, output="output/compare_gradients", seed=0, threads=1)
    parser.add_argument(
        "methods",
        nargs="*",
        metavar="METHOD",
        help=f"what to measure, of {', '.join(METHODS)} (default: all)",
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="time some weights, and estimate from them")
    add("--hidden-size", type=positive_int, default=50, help="hidden units")
    add("--batch-size", type=positive_int, default=100, help="digits in the batch")
    add("--input-size", type=positive_int, default=784, help="numbers in an example")
    add("--output-size", type=positive_int, default=10, help="classes")
    add("--directions", type=positive_int, default=100, help="of the method random")
    args = parser.parse_args(argv)
    for name in args.methods:
        if name not in METHODS:
            parser.error(f"there is no method {name!r}; there are {', '.join(METHODS)}")
    output_folder(args.output)
    return args


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    args = arguments(argv)
    limit_threads(args.threads)
    rng = np.random.default_rng(args.seed)
    network = TwoLayerNet(args.input_size, args.hidden_size, args.output_size, rng=rng)
    x, t = draw_batch(args, rng)
    sizes = f"{args.input_size}-{args.hidden_size}-{args.output_size}"
    largest = max(np.abs(grad).max() for grad in network.gradient(x, t).values())
    print(
        f"the gradient of a {sizes} network on a batch of {args.batch_size}: "
        f"P = {count(network.params):,} weights, largest entry {largest:.2g}"
    )

    methods = [
        method for name, method in METHODS.items() if not args.methods or name in args.methods
    ]
    finished = {}
    try:
        for method in sorted(methods, key=lambda method: ORDER.index(method.name)):
            finished[method.name] = measure(
                method,
                network,
                x,
                t,
                rng,
                weights=WEIGHTS_OF_AN_ESTIMATE if args.quick else None,
                directions=args.directions,
            )
            print(f"{method.title}: {readable_time(finished[method.name].seconds)}")
            if method.name == "central":
                seconds_a_pass = measure_pass(network, x, t)
    finally:  # also after Ctrl-C
        measurements = [finished[method.name] for method in methods if method.name in finished]
        if measurements:
            print_table(measurements)
            save_measurements(measurements, network, sizes, args)
    if {"central", "reverse"} <= finished.keys():
        print_ratio(finished["central"], finished["reverse"], seconds_a_pass)

    errors = errors_against_step(methods, network, x, t, rng)
    if errors:
        save_table(errors, args.output / "error_against_step.csv")
        save_figure(draw_errors(errors), args.output / "error_against_step.png", show=args.show)
    costs = costs_against_width(methods, args, x, t, rng)
    save_table(costs, args.output / "cost_against_width.csv")
    save_figure(draw_costs(costs), args.output / "cost_against_width.png", show=args.show)


def save_measurements(measurements, network, sizes, args):
    """Write the table and the chart of times to --output."""
    rows = [
        {
            "method": m.method.name,
            "weights": count(network.params),
            "passes": m.passes,
            "seconds": m.seconds,
            "estimate": m.estimate,
            "largest_error": m.largest_error,
            "mean_error": m.mean_error,
            "mebibytes": m.mebibytes,
        }
        for m in measurements
    ]
    save_table(rows, args.output / "compare_gradients.csv")
    title = f"One gradient of a {sizes} network, batch of {args.batch_size}"
    times = [(m.method, m.passes, m.seconds, m.estimate) for m in measurements]
    save_figure(draw_times(times, title), args.output / "compare_gradients.png", show=args.show)


def save_table(rows, path):
    """Write `rows` as CSV, and say so."""
    write_csv(path, rows)
    print(f"wrote {path}")


if __name__ == "__main__":
    run(main)
