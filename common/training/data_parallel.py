"""Data parallelism: each worker computes the gradient of its part of a mini-batch.

The loss of a mini-batch is a mean over examples, and so is its gradient, which can be computed in
parts: worker i gets Nᵢ of the N examples, and Σ Nᵢ/N · (gradient of part i) is that of the whole.

The workers are threads: NumPy releases Python's global lock (the GIL) while it computes. A matrix
product can use several threads by itself, but activation functions, pooling and all other
elementwise operations use one. Workers share out those too.
"""

import math
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from copy import deepcopy
from itertools import pairwise

import numpy as np

from common.networks import Network
from common.support.checks import check_size
from common.support.errors import NonFiniteError
from common.support.random_state import set_random_state
from common.support.threads import available_cores, limit_threads

__all__ = ["DataParallel"]


class DataParallel:
    """A network that splits each mini-batch among threads, and averages their gradients.

    It has the interface of the network, whose parameters and attributes are its own. Each call
    gives every worker a copy of the layers and one BLAS thread. `loss_and_gradient`, `gradient`,
    `objective`, `predict` and `accuracy` work in parallel; everything else is passed on to the
    network, which also computes mini-batches of fewer than four examples.

    Without dropout and batch normalization, results equal those of the network to rounding. With
    dropout, each worker draws masks of its own, seeded from the random numbers of the network, so
    that they depend on the seed and the number of workers. With batch normalization, each worker
    normalizes its part, of at least two examples, by the mean and variance of that part, and the
    running averages become the mean of the workers'.

    Parameters
    ----------
    network : Network
    workers : int, optional
        Number of threads; by default as many as there are cores for this process.

    Examples
    --------
    >>> from common.multi_layer_net import MultiLayerNet
    >>> network = MultiLayerNet(4, [3], 2, rng=np.random.default_rng(0))
    >>> x, t = np.eye(4), np.array([0, 1, 0, 1])
    >>> with DataParallel(network, workers=2) as parallel:
    ...     grads = parallel.gradient(x, t)
    >>> all(np.allclose(grads[key], grad) for key, grad in network.gradient(x, t).items())
    True
    """

    __slots__ = ("_last", "_pool", "network", "workers")

    def __init__(self, network: Network, workers: int | None = None):
        if not isinstance(network, Network):
            raise TypeError(f"network must be a Network, got {network!r}")
        workers = available_cores() if workers is None else workers
        check_size("workers", workers)
        self.network = network
        self.workers = workers
        self._last = []  # the copies of the last call
        self._pool = None

    def __getattr__(self, name):
        return getattr(self.network, name)

    def __setattr__(self, name, value):
        object.__setattr__(self if name in self.__slots__ else self.network, name, value)

    def __reduce__(self):  # for copy and pickle: threads can't be copied
        return DataParallel, (self.network, self.workers)

    def __enter__(self) -> "DataParallel":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def close(self) -> None:
        """Wait for the threads and end them; a later call starts new ones."""
        pool, self._pool, self._last = self._pool, None, []
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def loss_and_gradient(
        self, x: np.ndarray, t: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Return the loss in training and its gradient; arguments and errors are the network's."""

        def weighted(worker, weight, x, t):
            loss, grads = worker.loss_and_gradient(x, t)
            values = {None: loss, **grads, **worker.buffers}
            return {key: weight * value for key, value in values.items()}

        parts = self._run(weighted, x, t)
        if not parts:
            return self.network.loss_and_gradient(x, t)
        total, *others = parts
        for part in others:
            for key, value in part.items():
                total[key] += value
        self.network._set_buffers({key: total.pop(key) for key in self.network.buffers})
        return total.pop(None), total

    def gradient(self, x: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
        """Return the gradient of the loss in training."""
        return self.loss_and_gradient(x, t)[1]

    def objective(self, x: np.ndarray, t: np.ndarray) -> float:
        """Return the loss in training, with the same random numbers whenever it is called."""
        with self.network.unchanged():
            for rng, state in self.network._start[1]:
                set_random_state(rng, state)
            parts = self._run(lambda worker, weight, x, t: weight * worker.objective(x, t), x, t)
            return sum(parts) if parts else self.network.objective(x, t)

    def predict(self, x: np.ndarray, *args, **kwargs) -> np.ndarray:
        """Return the score of each class: shape (N, K)."""
        if args or kwargs:  # such as train_flg
            return self.network.predict(x, *args, **kwargs)
        parts = self._run(lambda worker, weight, x: worker.predict(x), x)
        return np.concatenate(parts) if parts else self.network.predict(x)

    accuracy = Network.accuracy
    numerical_gradient = Network.numerical_gradient

    def _run(self, compute, x, *t):
        """Return what ``compute(worker, weight, x, *t)`` returns for each part of the mini-batch.

        The weight of a part is its fraction of the examples. The list is empty if the network has
        to compute the whole: of few examples, if the workers would draw from the same random
        numbers, and if one refused its part, so that the error is about the whole.
        """
        network = self.network
        network.synchronize()
        n = len(x) if np.ndim(x) else 0
        count = min(self.workers, n // 2)
        shares_random = any(not hasattr(layer, "rng") for layer in network._parameters.random)
        if count < 2 or shares_random or any(np.shape(array)[:1] != (n,) for array in t):
            return []
        ends = [n * i // count for i in range(count + 1)]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.workers)
        before = network._training_state()
        try:
            with limit_threads(1):
                calls = []
                for worker, (start, stop) in zip(self._copies(count), pairwise(ends), strict=True):
                    part = [array[start:stop] for array in (x, *t)]
                    task = copy_context().run, compute, worker, (stop - start) / n, *part
                    calls.append(self._pool.submit(*task))
                wait(calls)
                return [call.result() for call in calls]
        except BaseException as error:
            network._undo(before)
            if isinstance(error, TypeError | ValueError):
                return []
            self.close()  # after Ctrl-C workers may still be busy
            raise

    def _copies(self, count):
        """Return `count` copies of the network, whose layers share all arrays but the buffers."""
        network = self.network
        owners = [network.params, *(getattr(x, "__dict__", {}) for x in network.layers.values())]
        arrays = [a for owner in owners for a in owner.values() if isinstance(a, np.ndarray)]
        copies = [deepcopy(network, {id(a): a for a in arrays}) for _ in range(count)]
        for worker in copies:
            worker._set_buffers({key: np.array(value) for key, value in network.buffers.items()})
            worker.check_loss = _require_finite
        for key, layer in network.layers.items():
            if hasattr(layer, "rng"):  # seeds depend only on the network's random numbers
                source = np.random if layer.rng is None else layer.rng
                new = isinstance(source, np.random.Generator)
                make = np.random.default_rng if new else np.random.RandomState
                for worker in copies:
                    worker.layers[key].rng = make(np.frombuffer(source.bytes(16), np.uint32))
        # What the last copies remember is freed bit by bit, as it is replaced: freed at once, its
        # memory would return to the system and be fetched from there again (10 % of the time).
        for worker, last in zip(copies, self._last, strict=False):
            for key in worker.layers.keys() & last.layers.keys():
                now, before = (getattr(x.layers[key], "__dict__", {}) for x in (worker, last))
                now.update({name: value for name, value in before.items() if name not in now})
        self._last = copies
        return copies


def _require_finite(loss):
    if not math.isfinite(loss):
        raise NonFiniteError(f"the loss is {loss}")
    return loss
