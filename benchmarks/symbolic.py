"""common.symbolic beside layers written by hand, PyTensor, JAX and autograd.

building: the gradients of a network of four layers by its eight parameters, as expressions, asked
for in one call and one by one. No value is computed.

first: from the definition of the 784-50-10 network to its first gradient: making variables,
deriving, compiling and calling. In a new process with an empty cache of compiled code, in a new
process with a full one, and again in the same process. To import a library isn't counted.

compiled: one call of the gradient of the 784-50-10 network, when all that can be prepared is. Its
five matrix products alone are the least that it can take.

chain: an expression of a thousand and more operations, one after the other, and its derivative:
microseconds per operation to build, derive, compile and evaluate it. JAX derives what it builds at
once, autograd has but one stage. A peer that fails is said to; "deep stack" is PyTensor with
Python's limit to calls within calls lifted.

training: gradient descent on MNIST, in float32, by a function with updates and by layers, with the
same weights at first and the same mini-batches, and an evaluation an epoch.

Without names all parts are run, some minutes. Prints medians, in brackets their ratios to ours.
Each part has processes of its own: libraries take their number of threads when they start.
"""

import importlib
import math
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

import common.symbolic.tensor as T
from benchmarks.peers import PEERS, Unavailable, build, environment, versions
from benchmarks.timing import WARM_UP, describe_libraries, medians
from benchmarks.training import Clock, Training, train_ours
from benchmarks.two_layer_gradient import DTYPES, TOLERANCE, check_agreement, products_alone
from ch05_backprop.two_layer_net import TwoLayerNet
from common import symbolic as theano
from common.scripts.command_line import (
    CommandError,
    positive_float,
    positive_int,
    run,
    script_parser,
)
from common.scripts.units import readable_time
from common.support.threads import available_cores
from dataset.mnist import load_mnist

OURS, LAYERS, PRODUCTS, PYTENSOR = "ours", "layers by hand", "five products", "PyTensor"
PARAMS = ("W1", "b1", "W2", "b2")
SIZES_OF_FOUR_LAYERS = (16, 12, 10, 8, 5)  # of the graph only the number of layers matters
MOST_OPERATIONS_OF_PEERS = 10_000
STAGES = ("build", "derive", "compile", "evaluate")

Times = dict[str, dict[str, float]]  # by column and row of a table, in seconds


class Library(NamedTuple):
    """What a definition of a network needs of a library, under the names that Theano gave it."""

    tensor: ModuleType
    shared: Callable
    function: Callable
    grad: Callable
    relu: Callable
    sigmoid: Callable
    softmax: Callable


def library(name: str) -> Library:
    """Return the library called `name`.

    Parameters
    ----------
    name : {"ours", "PyTensor"}

    Raises
    ------
    Unavailable
        If it isn't installed.
    """
    if name == OURS:
        functions = theano.shared, theano.function, T.grad
        return Library(T, *functions, T.nnet.relu, T.nnet.sigmoid, T.nnet.softmax)
    modules = "pytensor", "pytensor.tensor", "pytensor.tensor.special"
    pytensor, pt, special = (imported(name, module) for module in modules)
    return Library(
        pt,
        *(pytensor.shared, pytensor.function, pytensor.grad),
        lambda a: pt.maximum(a, 0),
        pt.sigmoid,
        lambda a: special.softmax(a, axis=-1),
    )


def imported(name: str, module: str) -> ModuleType:
    """Return a module of the library called `name`, or raise Unavailable."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Unavailable(f"{name} isn't installed ({error})") from error


class FailedError(CommandError):
    """A process gave no result; the message says why."""


def in_new_process(
    function: Callable, *args, threads: int, cache: Path, limit: float | None = None
):
    """Return what `function` returns, from a new process that ends with it.

    Parameters
    ----------
    function : callable
        Of this module.
    *args
        Of the function.
    threads : int
        Of all libraries.
    cache : Path
        Folder for what is compiled.
    limit : float, optional
        Seconds after which the process is ended.

    Raises
    ------
    FailedError
        If it took longer than `limit`, or the process crashed.
    Exception
        What the function raised.
    """
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, function, args))
    before = dict(os.environ)
    os.environ.update(environment(threads, cache))
    try:
        process.start()
    finally:
        os.environ.clear()
        os.environ.update(before)
    sender.close()  # the new process has its own, and the pipe ends with that
    try:
        if not receiver.poll(limit):
            raise FailedError(f"over {limit:g} s")
        result, error = receiver.recv()
        process.join(10)  # time to put away what it has compiled
    except EOFError:
        process.join()
        code = process.exitcode
        why = signal.Signals(-code).name if code < 0 else f"ended with exit code {code}"
        raise FailedError(why) from None
    finally:
        process.kill()
        process.join()
    if error is not None:
        raise error
    return result


def _answer(sender, function, args):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits is told, and ends this
    try:
        answer = function(*args), None
    except Exception as error:
        error.add_note(f"In the process that raised it:\n{traceback.format_exc()}")
        answer = None, error
    sender.send(answer)


# Deriving.


def four_layers(lib: Library):
    """Return the loss of three sigmoid layers and a softmax layer, and its eight parameters."""
    T = lib.tensor
    x, t = T.fmatrix("x"), T.lvector("t")
    weights, biases, h = [], [], x
    for i, (n_in, n_out) in enumerate(pairwise(SIZES_OF_FOUR_LAYERS), 1):
        weights.append(lib.shared(np.zeros((n_in, n_out), np.float32), name=f"W{i}"))
        biases.append(lib.shared(np.zeros(n_out, np.float32), name=f"b{i}"))
        activation = lib.softmax if i == len(SIZES_OF_FOUR_LAYERS) - 1 else lib.sigmoid
        h = activation(T.dot(h, weights[-1]) + biases[-1])
    return mean_negative_log_likelihood(T, h, t), weights + biases


def mean_negative_log_likelihood(T, p, t):
    """Return −mean log p[i, tᵢ], from probabilities and integer labels."""
    return -T.mean(T.log(p)[T.arange(t.shape[0]), t])


def measure_building(repeats: int, seconds: float) -> tuple[Times, dict[str, str]]:
    """Return the times of deriving, and why what can't be had can't.

    Parameters
    ----------
    repeats : int
        Calls of each, at most.
    seconds : float
        For the calls of each.
    """
    functions, reasons = {}, {}
    for name in (OURS, PYTENSOR):
        try:
            lib = library(name)
        except Unavailable as error:
            reasons[name] = str(error)
            continue
        cost, params = four_layers(lib)
        functions["one grad for all", name] = lambda lib=lib, c=cost, ps=params: lib.grad(c, ps)
        functions["one for each", name] = lambda lib=lib, c=cost, ps=params: [
            lib.grad(c, p) for p in ps
        ]
    cost, params = four_layers(library(OURS))

    def each_of_one_adjoints():
        adjoints = theano.Adjoints(cost)
        return [adjoints.grad(p) for p in params]

    functions["one for each", f"{OURS}, with Adjoints"] = each_of_one_adjoints
    times = medians(functions, repeats, repeats, seconds=seconds, warm_up=WARM_UP)
    return _by_column(times), reasons


def _by_column(times):
    columns = {}
    for (column, row), seconds in times.items():
        columns.setdefault(column, {})[row] = seconds
    return columns


def building(args, new_process: Callable) -> None:
    """Print what deriving takes."""
    times, reasons = new_process(measure_building, args.repeats, args.seconds)
    print_times("gradients w.r.t. 8 parameters", times)
    joint, separate = times.values()
    print(
        "one for each : one for all = "
        + ", ".join(f"{separate[name] / joint[name]:.1f} ({name})" for name in joint)
    )
    print_reasons(reasons)


# The first gradient.


def two_layers(lib: Library, params: Mapping[str, np.ndarray]):
    """Return the 784-50-10 network: x, t, its class scores, the loss, and shared parameters."""
    T = lib.tensor
    x, t = T.matrix("x", dtype=params["W1"].dtype), T.lvector("t")
    shared = W1, b1, W2, b2 = [lib.shared(params[key], name=key) for key in PARAMS]
    scores = T.dot(lib.relu(T.dot(x, W1) + b1), W2) + b2
    loss = mean_negative_log_likelihood(T, lib.softmax(scores), t)
    return x, t, scores, loss, shared


def compiled_gradient(lib: Library, params: Mapping[str, np.ndarray]) -> Callable:
    """Return a function of x and t that computes the loss and its gradients, as a list."""
    x, t, _, loss, shared = two_layers(lib, params)
    return lib.function([x, t], [loss, *lib.grad(loss, shared)])


def network_and_digits(dtype, batch_size: int = 100):
    """Return the network of layers, with random weights, and digits with their labels."""
    network = TwoLayerNet(784, 50, 10, rng=np.random.default_rng(0), dtype=dtype)
    (x, t), _ = load_mnist(source="sample")
    return network, x[:batch_size].astype(dtype), t[:batch_size].astype(np.int64)


def measure_first(name: str) -> list[float]:
    """Return the seconds to the first gradient by `library(name)`, and to the same once more."""
    network, x, t = network_and_digits("float64")
    lib, seconds = library(name), []
    for _ in range(2):
        start = time.perf_counter()
        loss, *grads = compiled_gradient(lib, network.params)(x, t)
        seconds.append(time.perf_counter() - start)
        grads = dict(zip(PARAMS, grads, strict=True))
        check_agreement(name, (loss, grads), network.loss_and_gradient(x, t), TOLERANCE["float64"])
    return seconds


def first(args, new_process: Callable) -> None:
    """Print the time from the definition to the first gradient."""
    times, reasons = {"empty cache": {}, "full cache": {}, "same process": {}}, {}
    for name in (OURS, PYTENSOR):
        try:
            empty = new_process(measure_first, name)
            full = new_process(measure_first, name)
        except Unavailable as error:
            reasons[name] = str(error)
            continue
        seconds = empty[0], full[0], full[1]
        for column, s in zip(times.values(), seconds, strict=True):
            column[name] = s
    print_times("first gradient, float64", times)
    print_reasons(reasons)


# The compiled gradient.


def measure_compiled(threads: int, repeats: int, seconds: float) -> tuple[Times, dict[str, str]]:
    """Return the times of one gradient by dtype, and why what can't be had can't.

    Parameters
    ----------
    threads : int
        That this process's libraries were started with.
    repeats, seconds
        As `measure_building` takes them.
    """
    times, reasons = {}, {}
    for dtype in DTYPES:
        functions, missing = gradients_that_agree(dtype, threads)
        times[dtype] = medians(functions, repeats, repeats, seconds=seconds, warm_up=WARM_UP)
        reasons |= missing
    return times, reasons


def gradients_that_agree(dtype: str, threads: int) -> tuple[dict[str, Callable], dict[str, str]]:
    """Return functions that compute one gradient, and why what can't be had can't.

    Raises
    ------
    AssertionError
        If their results differ.
    """
    network, x, t = network_and_digits(dtype)
    gradient = compiled_gradient(library(OURS), network.params)
    functions = {
        PRODUCTS: products_alone(network, x, np.random.default_rng(0)),
        LAYERS: lambda: network.gradient(x, t),
        OURS: lambda: gradient(x, t),
    }
    expected = network.loss_and_gradient(x, t)
    loss, *grads = gradient(x, t)
    results = {OURS: (loss, dict(zip(PARAMS, grads, strict=True)))}
    reasons = {}
    for name in (name for name in PEERS if name.startswith(PYTENSOR)):
        try:
            functions[name], _ = build(name, network.params, x, t, threads)
        except Unavailable as error:
            reasons[name] = str(error)
        else:
            results[name] = functions[name]()
    for name, result in results.items():
        check_agreement(name, result, expected, TOLERANCE[dtype])
    return functions, reasons


def compiled(args, new_process: Callable) -> None:
    """Print the time of one gradient."""
    times, reasons = new_process(measure_compiled, args.threads, args.repeats, args.seconds)
    print_times("one gradient, batch of 100", times)
    print_reasons(reasons)


# Chains.


def sines(sin: Callable, x, operations: int):
    """Return sin(… sin(x) · 1.00001 …) · 1.00001: so many operations, of two kinds in turn."""
    for i in range(operations):
        x = x * 1.00001 if i % 2 else sin(x)
    return x


def expected_of_sines(x: float, operations: int) -> tuple[float, float]:
    """Return the value of `sines`, and its derivative by the chain rule."""
    derivative = 1.0
    for i in range(operations):
        derivative *= 1.00001 if i % 2 else math.cos(x)
        x = x * 1.00001 if i % 2 else math.sin(x)
    return x, derivative


# Each of these yields a stage that it has finished, and what that made; in the end (value,
# derivative). What a library does in one stage counts as the later one.


def graph_chain(name: str, operations: int, **options) -> Iterator[tuple[str, object]]:
    """Run a chain by a library that builds, derives and compiles expressions."""
    lib = library(name)
    yield "import", lib
    x = lib.tensor.dscalar("x")
    y = sines(lib.tensor.sin, x, operations)
    yield "build", y
    dy = lib.grad(y, x)
    yield "derive", dy
    f = lib.function([x], [y, dy], **options)
    f(0.5)  # Numba compiles when it is called first
    yield "compile", f
    yield "evaluate", f(0.5)


def our_chain(operations: int) -> Iterator[tuple[str, object]]:
    """Run a chain by common.symbolic."""
    yield from graph_chain(OURS, operations)


def pytensor_chain(operations: int) -> Iterator[tuple[str, object]]:
    """Run a chain by PyTensor as it is."""
    yield from graph_chain(PYTENSOR, operations)


def deep_pytensor_chain(operations: int) -> Iterator[tuple[str, object]]:
    """Run a chain by PyTensor with no limit to calls within calls.

    Compiled to C. Numba, which is its default, took several times as long to compile the chain.
    """
    sys.setrecursionlimit(10**6)
    yield from graph_chain(PYTENSOR, operations, mode="CVM")


def jax_chain(operations: int) -> Iterator[tuple[str, object]]:
    """Run a chain by JAX, which builds and derives in one go."""
    jax, jnp = imported("JAX", "jax"), imported("JAX", "jax.numpy")
    jax.config.update("jax_enable_x64", True)
    x = jnp.float64(0.5)
    yield "import", jax
    f = jax.jit(jax.value_and_grad(lambda x: sines(jnp.sin, x, operations))).lower(x)
    yield "derive", f
    f = f.compile()
    jax.block_until_ready(f(x))
    yield "compile", f
    yield "evaluate", jax.block_until_ready(f(x))


def autograd_chain(operations: int) -> Iterator[tuple[str, object]]:
    """Run a chain by HIPS autograd, which has no stages: each call does all."""
    autograd, anp = imported("autograd", "autograd"), imported("autograd", "autograd.numpy")
    yield "import", autograd
    f = autograd.value_and_grad(lambda x: sines(anp.sin, x, operations))
    yield "evaluate", f(0.5)


CHAINS = {
    OURS: our_chain,
    PYTENSOR: pytensor_chain,
    "PyTensor (C), deep stack": deep_pytensor_chain,
    "JAX": jax_chain,
    "autograd": autograd_chain,
}


def measure_chain(
    name: str, operations: int, repeats: int, seconds: float
) -> tuple[dict[str, float], str | None]:
    """Return the medians of a chain's stages in seconds, and what has failed, or None.

    Parameters
    ----------
    name : str
        Of `CHAINS`.
    operations : int
    repeats : int
        Runs of the whole chain, at most.
    seconds : float
        After which no run begins.
    """
    runs, end = [], None
    while not runs or (len(runs) < repeats and time.perf_counter() < end):
        runs.append({})
        stages = iter(CHAINS[name](operations))
        while True:
            start = time.perf_counter()
            try:
                stage, made = next(stages)
            except StopIteration:
                break
            except Unavailable:
                raise
            except Exception as error:
                failed = next(s for s in STAGES if s not in runs[-1])
                return runs[-1], f"{type(error).__name__} in {failed}"
            if stage != "import":
                runs[-1][stage] = time.perf_counter() - start
        expected = expected_of_sines(0.5, operations)
        np.testing.assert_allclose([float(v) for v in made], expected, rtol=1e-9, err_msg=name)
        end = end or time.perf_counter() + seconds
    return {stage: float(np.median([r[stage] for r in runs])) for stage in runs[0]}, None


def chain(args, new_process: Callable) -> None:
    """Print the time of each stage of a chain, per operation."""
    reasons = {}
    for i, operations in enumerate(args.operations):
        print("\n" * (i > 0), end="")
        heading = f"chain of {operations:,}, µs each"
        print(f"{heading:<30}" + "".join(f"  {stage:>9}" for stage in (*STAGES, "in all")))
        ours = None
        for name in CHAINS if operations <= MOST_OPERATIONS_OF_PEERS else [OURS]:
            limit = None if name == OURS else args.limit
            call = measure_chain, name, operations, args.repeats, args.seconds
            try:
                seconds, failure = new_process(*call, limit=limit)
            except Unavailable as error:
                reasons[name] = str(error)
                continue
            except FailedError as error:
                seconds, failure = {}, str(error)
            if failure is not None and name == OURS:
                raise FailedError(f"a chain of {operations:,} operations of ours: {failure}")
            each = {stage: s / operations * 1e6 for stage, s in seconds.items()}
            total = sum(each.values())
            ours = ours or total
            line = "".join(f"  {f'{each[s]:.2f}' if s in each else '':>9}" for s in STAGES)
            end = f"  {total:>9.2f} ({total / ours:.2f})" if failure is None else f"  {failure}"
            print(f"{name:<30}{line if failure is None else line.rstrip()}{end}", flush=True)
    print_reasons(reasons)


# Training.


def train_symbolic(params, train, test, batches, epoch, learning_rate) -> Training:
    """Train by a function with updates; arguments are those of `train_ours`.

    The clock runs while it is derived and compiled, too.
    """
    (x_train, t_train), (x_test, t_test) = train, test

    clock = Clock()
    x, t, scores, loss, shared = two_layers(library(OURS), params)
    grads = T.grad(loss, shared)
    updates = [(p, p - learning_rate * g) for p, g in zip(shared, grads, strict=True)]
    step = theano.function([x, t], loss, updates=updates)
    predict = theano.function([x], T.argmax(scores, axis=1))

    def accuracy(x, t, part=TwoLayerNet.evaluation_batch):
        starts = range(0, len(x), part)
        return sum((predict(x[i : i + part]) == t[i : i + part]).sum() for i in starts) / len(x)

    for i, batch in enumerate(batches, 1):
        step(x_train[batch], t_train[batch])

        if i % epoch == 0 or i == len(batches):
            with clock.evaluation():
                train_acc = accuracy(x_train, t_train)
                test_acc = accuracy(x_test, t_test)
    return clock.stop(train_acc, test_acc)


TRAININGS = {OURS: train_symbolic, LAYERS: train_ours}


def measure_training(train, test, seed: int, iterations: int, runs: int) -> dict[str, Training]:
    """Return the medians of training runs, which take turns.

    Parameters
    ----------
    train, test : (x, t)
    seed : int
        Of weights and mini-batches.
    iterations : int
        Mini-batches, of 100 digits.
    runs : int
        Of each.
    """
    train, test = ((x, t.astype(np.int64)) for x, t in (train, test))
    rng = np.random.default_rng(seed)
    params = TwoLayerNet(784, 50, 10, rng=rng, dtype=np.float32).params
    # Drawn beforehand, so that both see the same digits and neither is timed drawing them.
    batches = rng.integers(len(train[0]), size=(iterations, 100))
    epoch = max(1, len(train[0]) // 100)
    results = {name: [] for name in TRAININGS}
    for _ in range(runs):
        for name, train_with in TRAININGS.items():
            results[name].append(train_with(params, train, test, batches, epoch, 0.1))
    return {name: Training(*np.median(r, axis=0)) for name, r in results.items()}


def training(args, new_process: Callable) -> None:
    """Print what training takes, and the accuracies that it comes to."""
    train, test = load_mnist(source=args.data)
    results = new_process(measure_training, train, test, args.seed, args.iterations, args.trainings)
    times = {
        "in all": {name: r.total for name, r in results.items()},
        "a step": {name: r.steps / args.iterations for name, r in results.items()},
        "evaluation": {name: r.evaluation for name, r in results.items()},
    }
    print_times(f"{args.iterations:,} iterations", times)
    print(
        f"on {len(train[0]):,} digits; test accuracy "
        + ", ".join(f"{r.test_acc:.4f} ({name})" for name, r in results.items())
    )


def print_times(heading: str, times: Times) -> None:
    """Print a table of times with their ratios to ours.

    Parameters
    ----------
    heading : str
    times : dict of str to dict of str to float
        By column and row, in seconds.
    """
    print(f"{heading:<30}" + "".join(f"  {column:>19}" for column in times))
    for row in dict.fromkeys(row for column in times.values() for row in column):
        cells = (_with_ratio(column.get(row), column[OURS]) for column in times.values())
        print(f"{row:<30}" + "".join(f"  {cell:>19}" for cell in cells))


def print_reasons(reasons: Mapping[str, str]) -> None:
    """Print why each of the libraries that are missing is."""
    for reason in dict.fromkeys(reasons.values()):
        print(f"– {reason}")


def _with_ratio(seconds, ours):
    if seconds is None:
        return "–"
    ratio = seconds / ours
    return f"{readable_time(seconds)} ({ratio:,.{0 if ratio >= 100 else 2}f})"


def describe_process() -> str:
    """Return a line on the libraries of the process that it is called in."""
    return f"{describe_libraries()}; {versions()}"


PARTS = {
    "building": building,  # compiles nothing, so that the next one finds an empty cache
    "first": first,
    "compiled": compiled,
    "chain": chain,
    "training": training,
}


def arguments(argv: Sequence[str] | None):
    """Parse the command line `argv`."""
    # As many as NumPy's BLAS has by default: the machine's cores, or what the environment says.
    parser = script_parser(__doc__, seed=0, data=True, threads=available_cores())
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"what to measure, of {', '.join(PARTS)} (default: all)",
    )
    add = parser.add_argument
    add("--repeats", type=positive_int, default=2000, help="calls of each, at most")
    add("--seconds", type=positive_float, default=1.0, help="time for the calls of each")
    operations = f"in a chain; peers are spared those of more than {MOST_OPERATIONS_OF_PEERS:,}"
    default = [1000, 10_000, 100_000]
    add("--operations", type=positive_int, nargs="+", default=default, help=operations)
    add("--limit", type=positive_float, default=15.0, help="seconds for a peer's chain and import")
    add("--iterations", type=positive_int, default=10_000, help="mini-batches to train on")
    add("--trainings", type=positive_int, default=3, help="training runs of each")
    args = parser.parse_args(argv)
    for name in args.parts:
        if name not in PARTS:
            parser.error(f"there is no part {name!r}; there are {', '.join(PARTS)}")
    return args


def main(argv=None):
    """Run the benchmark with the arguments `argv`, by default those of the command line."""
    args = arguments(argv)
    with tempfile.TemporaryDirectory() as cache:
        new_process = partial(in_new_process, threads=args.threads, cache=Path(cache))
        print(new_process(describe_process))
        for name, part in PARTS.items():
            if not args.parts or name in args.parts:
                print(flush=True)
                part(args, new_process)


if __name__ == "__main__":
    run(main)
