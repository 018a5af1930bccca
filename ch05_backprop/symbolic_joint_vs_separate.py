"""Derive eight gradients in one call or in eight: what reverse mode saves by keeping its adjoints.

The gradient of the loss with respect to the weights of a layer is computed from the adjoints of all
layers above it. One call of T.grad for all parameters derives each adjoint once: dynamic
programming. Separate calls of T.grad begin at the loss every time, and derive the same again.

The script measures both on Theano's example, a 16384-5000-3000-512-40 network (three sigmoid
layers, softmax, mean negative log-likelihood), beside the times published for Theano, and on
networks of 1 to 64 layers. The time of the joint call grows in proportion to the number of layers,
the time of separate calls as its square. If you need the gradients one at a time, there are two
remedies: theano.Adjoints keeps from call to call what it has derived, and theano.function merges
what was derived twice, so that the compiled programs are the same.

Derivation makes expressions from expressions. It computes no value and reads no weight, so its time
depends on the number of layers and not on their sizes.

The table (CSV) and the chart (PNG) of the times against the number of layers are written to
--output. Ctrl-C keeps what is finished. A run takes about twenty seconds.
"""

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

import common.symbolic.tensor as T
from common import symbolic as theano
from common.scripts.command_line import output_folder, positive_int, run, script_parser
from common.scripts.plot import BLACK, BLUE, ORANGE, RED, plot_style, save_figure
from common.scripts.units import readable_time
from common.support.files import write_csv
from common.support.threads import limit_threads
from common.symbolic.codegen import Program
from common.symbolic.graph import Variable, ancestors

THEANO = {"joint": (0.061056, 0.013217), "separate": (0.305081, 0.026024)}  # mean, sd in seconds
FULL_SIZE = (16384, 5000, 3000, 512, 40)
SMALL_SIZE = (64, 50, 30, 20, 10)  # the same structure, but quick to run
SMALL_BATCH = 32
DEPTHS = (1, 2, 4, 8, 16, 32, 64)  # layers
WIDTH = 10
SECONDS_A_DEPTH = 5.0
FIT_FROM = 16  # layers; below, what a call costs by itself hides the slope


@dataclass(frozen=True)
class Network:
    """The expressions of a network.

    Attributes
    ----------
    x : Variable, shape (N, inputs)
    t : Variable, shape (N,)
        Integer labels.
    cost : Variable
        Mean negative log-likelihood, in nats.
    params : list of Variable
        The weights of all layers, then the biases of all.
    """

    x: Variable
    t: Variable
    cost: Variable
    params: list[Variable]


def build(sizes: Sequence[int]) -> Network:
    """Return a network of sigmoid layers with softmax on top.

    Parameters
    ----------
    sizes : sequence of int
        Numbers in an example, units of each layer, classes.
    """
    x, t = T.fmatrix("x"), T.lvector("t")
    weights, biases, h = [], [], x
    for i, (n_in, n_out) in enumerate(pairwise(sizes), start=1):
        number = "" if i == 1 else i
        # Zeros that nobody looks at take no memory, not even 16384 × 5000 of them.
        zeros = np.zeros((n_in, n_out), np.float32), np.zeros(n_out, np.float32)
        weights.append(theano.shared(zeros[0], name=f"w{number}", borrow=True))
        biases.append(theano.shared(zeros[1], name=f"b{number}", borrow=True))
        activation = T.nnet.softmax if i == len(sizes) - 1 else T.nnet.sigmoid
        h = activation(T.dot(h, weights[-1]) + biases[-1])
    cost = -T.mean(T.log(h)[T.arange(t.shape[0]), t])
    return Network(x, t, cost, weights + biases)


def joint(network: Network) -> list[Variable]:
    """Return the gradients of all parameters, derived in one call."""
    return T.grad(network.cost, network.params)


def separate(network: Network) -> list[Variable]:
    """Return the gradients of all parameters, each derived in a call of its own."""
    return [T.grad(network.cost, param) for param in network.params]


def cached(network: Network) -> list[Variable]:
    """Return the gradients of all parameters, derived one at a time by one `Adjoints`."""
    adjoints = theano.Adjoints(network.cost)
    return [adjoints.grad(param) for param in network.params]


WAYS = {"joint": joint, "separate": separate, "cached": cached}
TITLES = {
    "joint": "one T.grad for all",
    "separate": "one T.grad for each",
    "cached": "each from one Adjoints",
}
NOT_MERGED = "one for each, not merged"


def measure(
    functions: Mapping[str, Callable], runs: int, title: str, at_most: float = math.inf
) -> dict[str, np.ndarray]:
    """Return the seconds of each run of each function, which take turns, with a progress bar.

    Parameters
    ----------
    functions : mapping of str to callable
    runs : int
        Number of runs of each.
    title : str
        Title of the progress bar.
    at_most : float
        Seconds after which no further round of runs begins. There is at least one.
    """
    seconds = {name: [] for name in functions}
    bar = tqdm(total=runs, desc=title, leave=False, disable=None)
    with bar, _no_garbage_collection():
        for function in functions.values():
            function()  # not timed: the first call includes what is set up once
        end = time.perf_counter() + at_most
        for _ in range(runs):
            for name, function in functions.items():
                start = time.perf_counter()
                result = function()
                seconds[name].append(time.perf_counter() - start)
                del result  # only now, so that freeing it is timed in no run
            bar.update()
            if time.perf_counter() >= end:
                break
    return {name: np.array(s) for name, s in seconds.items()}


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Disable garbage collection, as timeit does: it would add to the time of an arbitrary run."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def measure_ways(network: Network, runs: int, title: str, at_most: float = math.inf):
    """Return what `measure` returns for the three ways to derive the gradients of `network`."""
    # `way` is bound as a default, else all would call the last one.
    functions = {name: lambda way=way: way(network) for name, way in WAYS.items()}
    return measure(functions, runs, title, at_most)


def mean_and_deviation(seconds: np.ndarray) -> str:
    """Return the mean and standard deviation, as text."""
    return f"mean {seconds.mean():.6f} s (standard deviation {seconds.std():.6f})"


def compare_at_full_size(runs: int) -> None:
    """Print the times to derive the gradients of Theano's example, beside Theano's times."""
    network = build(FULL_SIZE)
    names = ", ".join(map(repr, network.params))
    sizes = "-".join(map(str, FULL_SIZE))
    print(f"the gradients with respect to {names} of a {sizes} network; runs each way: {runs}")
    seconds = measure_ways(network, runs, "full size")
    for start, way in zip(("Efficient", "Inefficient", "Adjoints"), WAYS, strict=True):
        method = f"{start} Method"
        print(f"{method:<18}  {TITLES[way]:<22}  {mean_and_deviation(seconds[way])}")
    print(f"Inefficient : Efficient = {ratios(seconds, 'separate')}")
    (slow, slow_sd), (quick, quick_sd) = THEANO["separate"], THEANO["joint"]
    print(
        f"   published for Theano = {slow / quick:.1f} : 1 "
        f"({slow:.6f} s ({slow_sd:.6f}) : {quick:.6f} s ({quick_sd:.6f}))"
    )
    print(f"   Adjoints : Efficient = {ratios(seconds, 'cached')}")


def ratios(seconds: Mapping[str, np.ndarray], way: str) -> str:
    """Return the ratio of a way's time to that of the joint call, by two kinds of average."""
    mean, median = (f(seconds[way]) / f(seconds["joint"]) for f in (np.mean, np.median))
    return f"{mean:.1f} : 1 (medians {median:.1f} : 1)"


def compare_compiled(runs: int) -> None:
    """Print the length and the time of the compiled programs, for each way to derive gradients."""
    network = build(SMALL_SIZE)
    rng = np.random.default_rng(0)
    for param in network.params:
        shape = param.get_value(borrow=True).shape
        param.set_value(rng.normal(0, 0.1, shape).astype(np.float32))
    x = rng.random((SMALL_BATCH, SMALL_SIZE[0]), dtype=np.float32)
    t = rng.integers(0, SMALL_SIZE[-1], SMALL_BATCH)

    programs = {
        TITLES["joint"]: compiled(network, joint(network)),
        TITLES["separate"]: compiled(network, separate(network)),
        NOT_MERGED: unmerged(network, separate(network)),
    }
    calls = {name: lambda f=f: f(x, t) for name, (_, f) in programs.items()}
    # The long program would empty the processor's caches for the next one, so it runs alone.
    long = {NOT_MERGED: calls.pop(NOT_MERGED)}
    seconds = measure(calls, runs, "compiled") | measure(long, runs, "not merged")
    sizes = "-".join(map(str, SMALL_SIZE))
    print(f"\nthe compiled gradients of a {sizes} network, run on a batch of {SMALL_BATCH}")
    for name, (source, _) in programs.items():
        median = readable_time(np.median(seconds[name]))
        print(f"{name:<24}  {lines(source):>4} lines, median {median}")


def compiled(network: Network, grads: Sequence[Variable]) -> tuple[str, Callable]:
    """Return the program for `grads`, merged and simplified, and a function of x and t."""
    f = theano.function([network.x, network.t], grads)
    return f.source, f


def unmerged(network: Network, grads: Sequence[Variable]) -> tuple[str, Callable]:
    """Return the program for `grads` as they were derived, and a function of x and t."""
    program = Program([network.x, network.t, *network.params], grads)
    values = [param.get_value(borrow=True) for param in network.params]
    return program.source, lambda x, t: program.run(x, t, *values)


def lines(source: str) -> int:
    """Return the number of lines of a program, comments and checks of shapes aside."""
    return sum(not line.lstrip().startswith(("#", "assert ")) for line in source.splitlines())


def measure_depth(depth: int, runs: int) -> list[dict]:
    """Return a row for each way to derive the gradients of a network of `depth` layers.

    Its ``variables`` are those that the gradients are made of, the network's own among them.
    """
    network = build([WIDTH] * (depth + 1))
    layers = "1 layer" if depth == 1 else f"{depth} layers"
    return [
        {
            "layers": depth,
            "way": name,
            "variables": len(ancestors(WAYS[name](network))),
            "runs": len(s),
            "median_seconds": float(np.median(s)),
            "mean_seconds": float(s.mean()),
            "standard_deviation": float(s.std()),
        }
        for name, s in measure_ways(network, runs, layers, SECONDS_A_DEPTH).items()
    ]


def print_header() -> None:
    """Print the heading of the table of depths."""
    ways = "".join(f"  {title:>22}" for title in TITLES.values())
    units = f"  {'variables':>11}  {'median':>9}" * len(TITLES)
    print("\nvariables in the expressions of all gradients, and median time to derive them")
    print(f"{'':>6}{ways}\n{'layers':>6}{units}  each : all")


def print_depth(rows: Sequence[dict]) -> None:
    """Print the line of the table of depths that the `rows` of one depth make."""
    median = {row["way"]: row["median_seconds"] for row in rows}
    cells = (f"  {row['variables']:>11,}  {readable_time(median[row['way']]):>9}" for row in rows)
    ratio = f"{median['separate'] / median['joint']:.1f} : 1"
    print(f"{rows[0]['layers']:>6}{''.join(cells)}  {ratio:>10}")


def column(rows: Sequence[dict], way: str, key: str) -> np.ndarray:
    """Return `key` of the rows of one way."""
    return np.array([row[key] for row in rows if row["way"] == way])


def slope(rows: Sequence[dict], way: str) -> float | None:
    """Return the exponent k of the power law seconds ∝ layersᵏ that fits best from FIT_FROM on.

    None if there are fewer than two depths to fit it to.
    """
    layers, seconds = column(rows, way, "layers"), column(rows, way, "median_seconds")
    deep = layers >= FIT_FROM
    if deep.sum() < 2:
        return None
    return float(np.polyfit(np.log(layers[deep]), np.log(seconds[deep]), 1)[0])


def law(rows: Sequence[dict], way: str) -> str | None:
    """Return the number of variables as a polynomial in the number of layers L, of degree 2.

    None unless it is one exactly, and there are more depths than the three that fix it.
    """
    layers, variables = column(rows, way, "layers"), column(rows, way, "variables")
    if len(layers) < 4:
        return None
    coefficients = np.polyfit(layers, variables, 2).round().astype(int)
    if (np.polyval(coefficients, layers) != variables).any():
        return None
    terms = zip(coefficients, ("L²", "L", ""), strict=True)
    text = " + ".join(f"{c} {power}".strip() for c, power in terms if c)
    return text.replace("+ -", "− ")


def print_growth(rows: Sequence[dict]) -> None:
    """Print how variables and time grow with the number of layers."""
    print(f"\n{'with L layers':<22}  {'variables':<16}  time from L = {FIT_FROM} on")
    for way, title in TITLES.items():
        k = slope(rows, way)
        power = "–" if k is None else f"∝ L^{k:.2f}"
        print(f"{title:<22}  {law(rows, way) or '–':<16}  {power}")


def draw(rows: Sequence[dict]) -> Figure:
    """Draw the time of each method against the number of layers, with guides of slope 1 and 2.

    Parameters
    ----------
    rows : sequence of dict
        Those of `measure_depth`.
    """
    looks = {  # cached lies over joint: a ring around its point
        "separate": {"color": ORANGE, "marker": "s", "ms": 6},
        "joint": {"color": BLUE, "marker": "o", "ms": 5},
        "cached": {"color": RED, "marker": "o", "ms": 11, "mfc": "none", "ls": "none"},
    }
    with plot_style():
        fig, ax = plt.subplots()
        for way, look in looks.items():
            layers, seconds = column(rows, way, "layers"), column(rows, way, "median_seconds")
            k = slope(rows, way)
            label = TITLES[way] + ("" if k is None else f": slope {k:.1f}")
            ax.loglog(layers, seconds, label=label, **look)
            if way != "cached":
                _guide(ax, layers, seconds, power=2 if way == "separate" else 1)
                place = {"xytext": (10, 0), "textcoords": "offset points", "va": "center"}
                ax.annotate(readable_time(seconds[-1]), (layers[-1], seconds[-1]), **place)
        powers = np.log10([row["median_seconds"] for row in rows])
        ax.set_ylim(10.0 ** np.floor(powers.min() - 0.05), 10.0 ** np.ceil(powers.max() + 0.05))
        ax.set_xticks(column(rows, "joint", "layers"))
        ax.xaxis.set_major_formatter("{x:.0f}")
        ax.xaxis.set_minor_locator(plt.NullLocator())
        ax.yaxis.set_major_formatter(_time_tick)
        ax.yaxis.set_minor_formatter(plt.NullFormatter())
        ax.set_xlabel("layers (two parameters each)")
        ax.set_ylabel("time to derive all gradients")
        ax.set_title("Time to derive all gradients of a network")
        ax.legend()
    return fig


def _guide(ax, layers, seconds, power):
    """Draw a line of slope `power` that ends where the curve does."""
    some = layers >= layers[-1] / 8
    layers, guide = layers[some], seconds[-1] * (layers[some] / layers[-1]) ** power
    ax.loglog(layers, guide, color=BLACK, lw=1, ls=":")
    if len(layers) > 2:
        text = "∝ layers²" if power == 2 else "∝ layers"
        ax.annotate(text, (layers[1], guide[1]), xytext=(8, -14), textcoords="offset points")


def _time_tick(seconds, position):
    number, unit = readable_time(seconds).split()
    return f"{float(number):g} {unit}"


def arguments(argv: Sequence[str] | None):
    """Parse the command line `argv`, and make the output folder ready."""
    parser = script_parser(__doc__, output="output/symbolic_joint_vs_separate", threads=1)
    runs = f"how often to measure each; deep networks as often as fits in {SECONDS_A_DEPTH:g} s"
    parser.add_argument("--runs", type=positive_int, default=100, help=runs)
    args = parser.parse_args(argv)
    limit_threads(args.threads)
    output_folder(args.output)
    return args


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    args = arguments(argv)
    compare_at_full_size(args.runs)
    compare_compiled(args.runs)

    print_header()
    rows = []
    try:
        for depth in DEPTHS:
            finished = measure_depth(depth, args.runs)
            rows += finished
            print_depth(finished)
    finally:  # also after Ctrl-C
        if rows:
            path = args.output / "symbolic_joint_vs_separate.csv"
            write_csv(path, rows)
            print(f"wrote {path}")
            save_figure(draw(rows), path.with_suffix(".png"), show=args.show)
            print_growth(rows)


if __name__ == "__main__":
    run(main)
