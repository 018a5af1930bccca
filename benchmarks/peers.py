"""The gradient of the two-layer network in other libraries, each as its fastest documented use.

All compute what `TwoLayerNet.gradient` does: x W1 + b1, ReLU, z W2 + b2, and the mean of softmax
cross-entropy with integer labels, forward and backward. `build` makes one of `PEERS` ready.

A peer is asked for what its users would ask for: no conversion to NumPy is in the measured call,
and whatever can be prepared (tensors, arrays on a device, compiled functions) lies ready. Where a
library offers several ways to the same gradient, this file holds the one that was fastest here;
comments name the others.
"""

import importlib
import importlib.metadata
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["PEERS", "Unavailable", "build", "environment", "versions"]

# What a peer returns: the loss, and the gradients by name. np.asarray takes all of them.
Gradient = Callable[[], tuple[object, dict[str, object]]]


class Unavailable(Exception):
    """A peer can't be had here; the message says why."""


def pytorch(params: Mapping[str, np.ndarray], x, t, threads: int) -> Gradient:
    """Return the gradient in PyTorch's eager mode.

    On plain tensors: ``torch.nn.Linear`` and ``torch.optim``'s bookkeeping would add to it.
    """
    import torch

    torch.set_num_threads(threads)
    loss_of = _pytorch_loss(x, t)
    weights = {key: torch.tensor(param, requires_grad=True) for key, param in params.items()}

    def gradient():
        for weight in weights.values():
            weight.grad = None  # what zero_grad(set_to_none=True) does
        loss = loss_of(*weights.values())
        loss.backward()
        return loss.detach(), {key: weight.grad for key, weight in weights.items()}

    return gradient


def pytorch_compiled(params: Mapping[str, np.ndarray], x, t, threads: int) -> Gradient:
    """Return the gradient by ``torch.compile``.

    Loss and gradient are compiled as one function. To compile only the loss, and call ``backward``
    on what it returns, took longer than eager mode.
    """
    import torch

    torch.set_num_threads(threads)
    torch.compiler.reset()  # a second batch size would be compiled for all sizes, and be slower
    weights = {key: torch.tensor(param) for key, param in params.items()}
    grad_and_value = torch.func.grad_and_value(_pytorch_loss(x, t), argnums=(0, 1, 2, 3))
    compiled = torch.compile(lambda *weights: grad_and_value(*weights), dynamic=False)

    def gradient():
        grads, loss = compiled(*weights.values())
        return loss, dict(zip(weights, grads, strict=True))

    return gradient


def _pytorch_loss(x, t):
    import torch

    x, t = torch.tensor(x), torch.tensor(t)

    def loss(W1, b1, W2, b2):
        scores = torch.addmm(b2, torch.addmm(b1, x, W1).relu(), W2)
        return torch.nn.functional.cross_entropy(scores, t)

    return loss


def jax(params: Mapping[str, np.ndarray], x, t, threads: int) -> Gradient:
    """Return the gradient by JAX: ``value_and_grad``, compiled by ``jit``.

    JAX takes the number of threads from the environment when it starts, see `environment`.
    """
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", x.dtype == np.float64)
    # Our caller waits for each result. Handing the work to another thread would only add to that.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    weights = {key: jnp.array(param) for key, param in params.items()}
    x, t = jnp.array(x), jnp.array(t)

    def loss(weights, x, t):
        z = jax.nn.relu(x @ weights["W1"] + weights["b1"])
        scores = z @ weights["W2"] + weights["b2"]
        score = jnp.take_along_axis(scores, t[:, np.newaxis], axis=1)[:, 0]
        return (jax.nn.logsumexp(scores, axis=1) - score).mean()

    compiled = jax.jit(jax.value_and_grad(loss))
    return lambda: jax.block_until_ready(compiled(weights, x, t))


def autograd(params: Mapping[str, np.ndarray], x, t, threads: int) -> Gradient:
    """Return the gradient by HIPS autograd, on as many threads as NumPy's BLAS."""
    import autograd
    import autograd.numpy as anp

    rows = np.arange(len(t))

    def loss(W1, b1, W2, b2):
        a = anp.dot(x, W1) + b1
        z = a * (a > 0)  # the derivative of anp.maximum shares it out among equals: much slower
        scores = anp.dot(z, W2) + b2
        scores = scores - anp.max(scores, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(scores), axis=1)) - scores[rows, t])

    value_and_grad = autograd.value_and_grad(loss, argnum=(0, 1, 2, 3))

    def gradient():
        value, grads = value_and_grad(*params.values())
        return value, dict(zip(params, grads, strict=True))

    return gradient


def mygrad(params: Mapping[str, np.ndarray], x, t, threads: int) -> Gradient:
    """Return the gradient by MyGrad, on as many threads as NumPy's BLAS."""
    import mygrad
    from mygrad.nnet.activations import relu
    from mygrad.nnet.losses import softmax_crossentropy

    weights = {key: mygrad.tensor(param) for key, param in params.items()}
    W1, b1, W2, b2 = weights.values()

    def gradient():
        with mygrad.mem_guard_off:  # as its documentation recommends for speed
            loss = softmax_crossentropy(relu(x @ W1 + b1) @ W2 + b2, t)
            loss.backward()
        return loss.data, {key: weight.grad for key, weight in weights.items()}

    return gradient


def pytensor_numba(params: Mapping[str, np.ndarray], x, t, threads: int) -> Gradient:
    """Return the gradient by PyTensor, compiled by Numba, which is its default.

    The faster one on small batches. It copies the transposed matrix of a product, which is the
    larger part of its time on large ones.
    """
    return _pytensor(params, x, t, "NUMBA")


def pytensor_c(params: Mapping[str, np.ndarray], x, t, threads: int) -> Gradient:
    """Return the gradient by PyTensor, compiled to C: the faster one on large batches."""
    import pytensor

    if not pytensor.config.cxx:
        raise Unavailable("PyTensor (C) needs a C++ compiler")
    with warnings.catch_warnings():
        # Without a BLAS library that it can link to, it calls NumPy's, which is no slower here.
        warnings.filterwarnings("ignore", "PyTensor could not link to a BLAS", UserWarning)
        return _pytensor(params, x, t, "CVM")


def _pytensor(params, x, t, mode):
    import pytensor
    import pytensor.tensor as pt

    weights = {key: pytensor.shared(param, name=key) for key, param in params.items()}
    W1, b1, W2, b2 = weights.values()
    x, t = pytensor.shared(x), pytensor.shared(t)
    scores = pt.dot(pt.maximum(pt.dot(x, W1) + b1, 0), W2) + b2
    score = scores[pt.arange(scores.shape[0]), t]
    loss = (pt.logsumexp(scores, axis=1) - score).mean()
    outputs = [loss, *pytensor.grad(loss, list(weights.values()))]
    outputs = [pytensor.Out(output, borrow=True) for output in outputs]  # saves a copy of each
    compiled = pytensor.function([], outputs, mode=mode)

    def gradient():
        loss, *grads = compiled()
        return loss, dict(zip(weights, grads, strict=True))

    return gradient


class Peer(NamedTuple):
    """A library: the distribution to install, the module to import, and how to use it."""

    distribution: str
    module: str
    make: Callable[..., Gradient]


PEERS = {
    "PyTorch": Peer("torch", "torch", pytorch),
    "PyTorch compiled": Peer("torch", "torch", pytorch_compiled),
    "JAX": Peer("jax", "jax", jax),
    "PyTensor (Numba)": Peer("pytensor", "pytensor.tensor", pytensor_numba),
    "PyTensor (C)": Peer("pytensor", "pytensor.tensor", pytensor_c),
    "MyGrad": Peer("mygrad", "mygrad", mygrad),
    "autograd": Peer("autograd", "autograd.numpy", autograd),
}


def build(
    name: str, params: Mapping[str, np.ndarray], x: np.ndarray, t: np.ndarray, threads: int
) -> tuple[Gradient, float]:
    """Make a peer ready and call it once.

    Parameters
    ----------
    name : str
        A key of `PEERS`.
    params : mapping of str to ndarray
        W1, b1, W2 and b2, in this order.
    x : ndarray, shape (N, D)
        In the dtype of the parameters.
    t : ndarray of int, shape (N,)
    threads : int
        For libraries that can be told; the others go by `environment`.

    Returns
    -------
    gradient : callable
        Without arguments; it computes the loss and the gradients from the parameters anew, and
        returns when they are there.
    seconds : float
        To the first result: preparing, compiling and the first call, but not the import.

    Raises
    ------
    Unavailable
        If the library isn't installed, or doesn't work here.
    """
    peer = PEERS[name]
    try:
        importlib.import_module(peer.module)
    except ImportError as error:
        raise Unavailable(f"{name} isn't installed ({error})") from error
    start = time.perf_counter()
    try:
        gradient = peer.make(params, x, t, threads)
        gradient()
    except Unavailable:
        raise
    except Exception as error:  # a compiler that is missing, a processor that isn't supported, …
        first_line = str(error).strip().partition("\n")[0]
        raise Unavailable(f"{name} fails here: {type(error).__name__}: {first_line}") from error
    return gradient, time.perf_counter() - start


def environment(threads: int, cache: Path) -> dict[str, str]:
    """Return the variables that have all libraries work on `threads` threads.

    They must be set before Python starts.

    Parameters
    ----------
    threads : int
    cache : Path
        Folder for what is compiled. An empty one shows what the first result takes on a machine
        that has never compiled this network.
    """
    count = str(threads)
    return {
        "OPENBLAS_NUM_THREADS": count,
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "NUMBA_NUM_THREADS": count,
        # For XLA. Its flags --xla_cpu_multi_thread_eigen and intra_op_parallelism_threads leave
        # matrix products on all cores; this sets the size of the pool itself.
        "NPROC": count,
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "torch"),
        "PYTENSOR_FLAGS": f"base_compiledir={cache / 'pytensor'}",
    }


def versions() -> str:
    """Return the libraries that are installed, with their versions."""
    found = []
    for distribution in dict.fromkeys(peer.distribution for peer in PEERS.values()):
        try:
            found.append(f"{distribution} {importlib.metadata.version(distribution)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found) or "no other library"
