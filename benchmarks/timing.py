"""What the benchmarks share: medians of functions that are called in turns, and the libraries."""

import time
from collections.abc import Callable, Mapping

import numpy as np
from threadpoolctl import threadpool_info

__all__ = ["describe_libraries", "medians"]


def medians(functions: Mapping[str, Callable], repeats: int) -> dict[str, float]:
    """Return the median time of each function in seconds, calling them in turns."""
    seconds = {name: np.empty(repeats) for name in functions}
    for function in functions.values():
        function()  # the first call pays for what is loaded and allocated once
    for i in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name][i] = time.perf_counter() - start
    return {name: float(np.median(s)) for name, s in seconds.items()}


def describe_libraries() -> str:
    """Return the versions of NumPy and of the thread pools that are loaded, and their threads."""
    pools = (
        f"{pool['internal_api']} {pool['version'] or ''} on {pool['num_threads']} threads"
        for pool in threadpool_info()
    )
    return f"NumPy {np.__version__}, " + ", ".join(" ".join(pool.split()) for pool in pools)
