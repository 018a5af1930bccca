"""What the benchmarks share: medians of functions that are called in turns, and the libraries."""

import math
import time
from collections.abc import Callable, Mapping

import numpy as np
from threadpoolctl import threadpool_info

from common.scripts.units import readable_time

__all__ = ["WARM_UP", "describe_libraries", "medians", "time_tick"]

# Seconds. OpenBLAS's threads spin for a while after their work. On two threads, what came next took
# up to three times as long as alone while they did, and as long as alone after this time.
WARM_UP = 0.1
FEWEST_CALLS = 5  # of which a median is taken, however long they last
TURNS = 3  # that they are spread over


def medians(
    functions: Mapping[str, Callable],
    repeats: int,
    in_a_row: int = 1,
    *,
    seconds: float = math.inf,
    warm_up: float = 0.0,
) -> dict[str, float]:
    """Return the median time of each function in seconds, calling them in turns.

    Parameters
    ----------
    functions : mapping of str to callable
    repeats : int
        Measured calls of each.
    in_a_row : int
        Calls of one function before it is the next one's turn. Threads of one library wait busily
        for some milliseconds after their work, on cores that another one's need; so between
        libraries take some calls in a row. The first of a row isn't measured then.
    seconds : float
        Time for the measured calls of each function. One that takes long is called less often than
        `repeats`, but not below 5 times, and gets 3 turns all the same.
    warm_up : float
        Seconds of calls that aren't measured, at the start of each row of more than one.
    """
    calls = {name: _affordable(function, repeats, seconds) for name, function in functions.items()}
    times = {name: [] for name in functions}
    while any(len(times[name]) < calls[name] for name in functions):
        for name, function in functions.items():
            row = min(in_a_row, calls[name] - len(times[name]))
            if seconds < math.inf:
                row = min(row, math.ceil(calls[name] / TURNS))
            if in_a_row > 1 and row > 0:
                _call_for(warm_up, function)
            for _ in range(row):
                start = time.perf_counter()
                function()
                times[name].append(time.perf_counter() - start)
    return {name: float(np.median(s)) for name, s in times.items()}


def _call_for(seconds, function):
    """Call `function` until so many seconds have passed, but at least once."""
    end = time.perf_counter() + seconds
    function()
    while time.perf_counter() < end:
        function()


def _affordable(function, repeats, seconds):
    function()  # the first call pays for what is loaded and allocated once
    if seconds == math.inf:
        return repeats
    start = time.perf_counter()
    function()
    took = time.perf_counter() - start
    return min(repeats, max(FEWEST_CALLS, int(seconds / took)))


def time_tick(seconds: float, position: int | None = None) -> str:
    """Return a time for the tick of an axis, such as ``10 ms``, as matplotlib's formatters do."""
    number, unit = readable_time(seconds).split()
    return f"{float(number):g} {unit}"


def describe_libraries() -> str:
    """Return the versions of NumPy and of the thread pools that are loaded, and their threads."""
    pools = (
        f"{pool['internal_api']} {pool['version'] or ''} on {pool['num_threads']} threads"
        for pool in threadpool_info()
    )
    return f"NumPy {np.__version__}, " + ", ".join(" ".join(pool.split()) for pool in pools)
