"""Limits on BLAS threads, and that nothing but `limit_threads` sets one."""

import os
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_info

from common.support import threads
from common.support.threads import available_cores, limit_threads


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


BLAS = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
needs_a_limit = pytest.mark.skipif(
    "openblas" not in BLAS and "mkl" not in BLAS, reason=f"{BLAS} may have no limit"
)


@needs_a_limit
def test_the_limit_holds_from_the_call_on_and_is_lifted_on_leaving():
    with limit_threads(2):
        assert set(blas_threads()) == {2}
        limit = limit_threads(1)
        assert set(blas_threads()) == {1}
        with pytest.raises(ZeroDivisionError), limit:
            _ = 1 / 0
        assert set(blas_threads()) == {2}


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "2", None])
def test_the_number_must_be_a_positive_integer(number):
    with pytest.raises(ValueError, match="threads must be a positive integer, got"):
        limit_threads(number)


def test_a_blas_without_a_limit_is_left_as_it_is(monkeypatch):
    nothing = ThreadpoolController.__new__(ThreadpoolController)
    nothing.lib_controllers = []
    monkeypatch.setattr(threads, "_controller", lambda: nothing)
    before = blas_threads()
    with limit_threads(1):
        assert np.eye(2) @ np.eye(2) is not None
    assert blas_threads() == before


def test_available_cores(monkeypatch):
    assert 1 <= available_cores() <= os.cpu_count()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 5}, raising=False)
    assert available_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert available_cores() == os.cpu_count()


@needs_a_limit
def test_importing_common_changes_no_number_of_threads():
    program = """
import pkgutil, numpy
from threadpoolctl import threadpool_info, threadpool_limits
threadpool_limits(3, user_api="blas")
before = threadpool_info()
import common
for module in pkgutil.walk_packages(common.__path__, "common."):
    __import__(module.name)
after = [pool for pool in threadpool_info() if pool["filepath"] == before[0]["filepath"]]
assert after == before[:1] and after[0]["num_threads"] == 3, (before, after)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=600)
