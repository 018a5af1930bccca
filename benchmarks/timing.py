"""What the benchmarks share: medians of functions that are called in turns, and the libraries."""

import time
from collections.abc import Callable, Mapping

import numpy as np
from threadpoolctl import threadpool_info

__all__ = ["describe_libraries", "medians"]


def medians(functions: Mapping[str, Callable], repeats: int, in_a_row: int = 1) -> dict[str, float]:
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
    """
    seconds = {name: [] for name in functions}
    for function in functions.values():
        function()  # the first call pays for what is loaded and allocated once
    for start_of_row in range(0, repeats, in_a_row):
        for name, function in functions.items():
            if in_a_row > 1:
                function()
            for _ in range(min(in_a_row, repeats - start_of_row)):
                start = time.perf_counter()
                function()
                seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(s)) for name, s in seconds.items()}


def describe_libraries() -> str:
    """Return the versions of NumPy and of the thread pools that are loaded, and their threads."""
    pools = (
        f"{pool['internal_api']} {pool['version'] or ''} on {pool['num_threads']} threads"
        for pool in threadpool_info()
    )
    return f"NumPy {np.__version__}, " + ", ".join(" ".join(pool.split()) for pool in pools)
