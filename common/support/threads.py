"""How many threads NumPy's matrix products (its BLAS library) use.

By default a product uses all cores, and on several cores it ends when the last of them does. On an
idle machine that saves time for large matrices only; if another process keeps one core busy, small
products take many times as long on two threads as on one.
"""

import os
from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController

from common.support.checks import check_size

__all__ = ["available_cores", "limit_threads"]


def limit_threads(threads: int) -> AbstractContextManager:
    """Let each matrix product use at most so many threads, from this call on.

    As a context, ``with limit_threads(1): ...``, it restores the number of before on leaving. A
    BLAS library without such a limit, such as Accelerate on macOS, is left as it is.
    """
    check_size("threads", threads)
    return _controller().limit(limits=threads, user_api="blas")


@cache
def _controller():
    # Finding the libraries takes about 20 times as long as setting a limit.
    return ThreadpoolController()


def available_cores() -> int:
    """Return how many of the machine's cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
