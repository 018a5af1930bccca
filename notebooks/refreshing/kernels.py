"""Running notebooks, each in a kernel of its own that doesn't outlive it."""

import asyncio
import copy
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from tqdm import tqdm

from notebooks.refreshing.form import NotebookError, is_program

__all__ = ["execute", "run_all"]


def run_all(
    notebooks: Mapping[Path, NotebookNode],
    *,
    jobs: int,
    timeout: int,
    finished: Callable[[Path, NotebookNode | NotebookError, float], None],
) -> None:
    """Run notebooks in the folders that they are in.

    However this ends, no kernel is left behind.

    Parameters
    ----------
    notebooks : mapping
        By their paths. They aren't changed.
    jobs : int
        How many run at a time.
    timeout : int
        Seconds for each cell.
    finished : callable
        Is called when a notebook is done: with its path, the notebook with new outputs or the
        error that ended it, and the seconds that it took.
    """
    free = asyncio.Semaphore(jobs)
    cells = sum(is_program(cell) for notebook in notebooks.values() for cell in notebook.cells)
    with (
        kernel_environment() as environment,
        tqdm(total=cells, unit="cell", leave=False, disable=None) as bar,
        # Its exit cancels what still runs, and waits until that has ended its kernels.
        asyncio.Runner(loop_factory=_Loop) as runner,
    ):

        async def run_one(path, notebook):
            async with free:
                start = time.perf_counter()
                try:
                    result = await execute(
                        notebook, path.parent, environment, timeout=timeout, on_cell=bar.update
                    )
                except NotebookError as error:
                    result = error
                finished(path, result, time.perf_counter() - start)

        async def run_each():
            await asyncio.gather(*(run_one(*item) for item in notebooks.items()))

        runner.run(run_each())


class _Loop(asyncio.SelectorEventLoop):
    def add_signal_handler(self, *_):
        """Leave Ctrl-C and SIGTERM to Python: nbclient's handlers would let the program go on."""
        raise NotImplementedError


async def execute(
    notebook: NotebookNode,
    folder: Path,
    environment: Mapping[str, str],
    *,
    timeout: int,
    on_cell: Callable[[], None],
) -> NotebookNode:
    """Return a copy of the notebook with the outputs of a new run.

    Raises
    ------
    NotebookError
        If a cell raises an error or takes too long, or if the kernel dies.
    """
    current = 0

    def begin_cell(cell_index, **_):
        nonlocal current
        current = cell_index + 1
        on_cell()

    # Without folders of its own there is one kernel to find, that of this very Python.
    kernels = KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True)
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=kernels)
    client = NotebookClient(
        copy.deepcopy(notebook),
        km=manager,
        timeout=timeout,
        iopub_timeout=60,  # of outputs that a busy machine hands over late
        force_raise_errors=True,
        shutdown_kernel="immediate",
        on_cell_execute=begin_cell,
    )
    try:
        await manager.start_kernel(
            cwd=str(folder),
            env=dict(environment),
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
        return await client.async_execute(cleanup_kc=True)
    except CellExecutionError as error:
        what = f"it raised {error.ename}: {error.evalue}".rstrip(": ") + _line_of(error)
    except CellTimeoutError:
        what = f"it took more than {timeout} s (--timeout)"
    except DeadKernelError:
        if asyncio.current_task().cancelling():  # which nbclient takes for the kernel's death
            raise asyncio.CancelledError from None
        what = "its kernel died"
    finally:
        if await manager.is_alive():  # if nbclient was stopped before it took charge
            await manager.shutdown_kernel(now=True)
    raise NotebookError(current, what)


def _line_of(error):
    """Return the line of the cell that an error came through, by IPython's arrow beside it."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", error.traceback)
    match = re.search(r"^Cell In\[.*?^-+> *\d+ ([^\n]*)", text, re.MULTILINE | re.DOTALL)
    return f"\n    at: {match[1].strip()}" if match else ""


@contextmanager
def kernel_environment() -> Iterator[dict[str, str]]:
    """Give the environment of the kernels: no network, no whole MNIST, no settings of IPython.

    Matrix products run on one thread, so that kernels side by side don't wait for each other, and
    no last digit depends on the number of cores.
    """
    threads = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    closed = "http://127.0.0.1:9/"  # a port that nothing listens to: refused at once
    with tempfile.TemporaryDirectory() as folder:
        yield (
            dict(os.environ)
            | dict.fromkeys(threads, "1")
            | {
                "http_proxy": closed,
                "https_proxy": closed,
                "no_proxy": "127.0.0.1,localhost",
                "MNIST_MIRRORS": closed,
                "MNIST_DIR": str(Path(folder, "mnist")),
                "IPYTHONDIR": str(Path(folder, "ipython")),
                "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            }
        )
