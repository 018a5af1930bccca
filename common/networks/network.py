"""What all networks share: accuracy, the numerical gradient, and their parameters on disk.

A network is a function of its input and of its parameters. Training moves the parameters, so they
stand in one dict, ``params``, that `gradient` answers with a dict of the same keys.
"""

import cmath
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from pathlib import Path

import numpy as np
from tqdm import tqdm

from common.functions import check_labels
from common.gradient import numerical_gradient
from common.networks.weight_initialization import initial_weights
from common.support.checks import check_size
from common.support.errors import NonFiniteError
from common.support.files import load_arrays, save_arrays

__all__ = ["Network", "affine_params"]


class Network(ABC):
    """Base of all networks: a subclass brings ``params``, `predict`, `loss` and `gradient`.

    Parameters
    ----------
    input_size : int
        Numbers in one example, 784 for a digit of 28 × 28 pixels.
    dtype : floating-point dtype
        Of parameters and arithmetic: float64 to check derivatives, float32 for speed.

    Attributes
    ----------
    params : dict of str to ndarray
        The parameters. Optimizers change the arrays in place; an array may also be replaced.
    evaluation_batch : int
        Examples that `accuracy` evaluates at once, unless it is told otherwise. 60,000 images in
        one go would take 376 MB in float64, and many times as much in a convolutional network.
    """

    params: dict[str, np.ndarray]
    evaluation_batch = 1000

    def __init__(self, input_size: int, dtype=np.float64):
        self.input_size = input_size
        self.dtype = np.dtype(dtype)
        if self.dtype.kind != "f":
            raise TypeError(f"dtype must be a floating-point type, got {self.dtype}")

    @abstractmethod
    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return a row of K numbers, one for each class, for each example: shape (N, K)."""

    @abstractmethod
    def loss(self, x: np.ndarray, t: np.ndarray) -> float:
        """Return the mean loss over a mini-batch."""

    @abstractmethod
    def gradient(self, x: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
        """Return ∂objective/∂params, with the keys of ``params``, by backpropagation."""

    def loss_and_gradient(
        self, x: np.ndarray, t: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Return the loss and what `gradient` returns."""
        grads = self.gradient(x, t)
        return self.loss(x, t), grads

    def objective(self, x: np.ndarray, t: np.ndarray) -> float:
        """Return what `gradient` is the gradient of, the same whenever it is called.

        That is the loss, but where a network is random in training.
        """
        return self.loss(x, t)

    def unchanged(self) -> AbstractContextManager:
        """Return a context that undoes, on leaving, what a pass in training changes by itself.

        Parameters don't change by themselves, so here that is nothing.
        """
        return nullcontext()

    @property
    def buffers(self) -> dict[str, np.ndarray]:
        """What training changes besides ``params``, such as running averages. Here nothing."""
        return {}

    def _set_buffers(self, buffers):
        assert not buffers, "a network with buffers must say how to set them"

    def numerical_gradient(
        self, x: np.ndarray, t: np.ndarray, h: float = 1e-4, *, progress: bool = False
    ) -> dict[str, np.ndarray]:
        """Return ∂objective/∂params by central differences: two forward passes a parameter.

        ``params`` is left bit for bit as it was, also if Ctrl-C strikes in the middle.

        Parameters
        ----------
        x : ndarray, shape (N, ...)
        t : ndarray
            Integer labels of shape (N,), or one-hot rows of shape (N, K).
        h : float
            Step of the difference, see `common.gradient.best_step`.
        progress : bool
            Whether to show a progress bar with the time left (where there is a terminal).

        Returns
        -------
        dict of str to ndarray
            With the keys, shapes and dtype of ``params``.
        """
        x = self.check_input(x)

        def loss_of_params(_):  # numerical_gradient moves the entries of self.params in place
            return self.objective(x, t)

        with tqdm(
            total=sum(param.size for param in self.params.values()),
            desc="numerical gradient",
            unit=" weights",
            leave=False,
            disable=None if progress else True,
        ) as bar:
            return {
                key: numerical_gradient(loss_of_params, param, h, progress=bar.update)
                for key, param in self.params.items()
            }

    def accuracy(self, x: np.ndarray, t: np.ndarray, batch_size: int | None = None) -> float:
        """Return the share of examples whose largest prediction is at their label, 0 to 1.

        Parameters
        ----------
        x : ndarray, shape (N, ...)
        t : ndarray
            Integer labels of shape (N,), or one-hot rows of shape (N, K).
        batch_size : int, optional
            Examples that are evaluated at once; by default `evaluation_batch`.
        """
        batch_size = self.evaluation_batch if batch_size is None else batch_size
        x, t = np.asarray(x), np.asarray(t)
        self._check_shape(x)
        length = len(t) if t.ndim else "a single number"
        if length != len(x):
            raise ValueError(f"t must hold one label for each of the {len(x)} rows, got {length}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        correct = 0
        for start in range(0, len(x), batch_size):
            chunk = slice(start, start + batch_size)
            y = self.predict(x[chunk])
            if start == 0:
                t = check_labels(t, (len(x), y.shape[1]))
            if not np.isfinite(y).all():
                self._not_finite("a prediction isn't finite", x)
            labels = t[chunk] if t.ndim == 1 else t[chunk].argmax(axis=1)
            correct += np.count_nonzero(y.argmax(axis=1) == labels)
        return correct / len(x)

    def save_params(self, file_name: str | Path = "params.npz") -> None:
        """Write ``params``, and `buffers` if there are any, to a NumPy ``.npz`` file."""
        save_arrays(file_name, self.state())

    def load_params(self, file_name: str | Path = "params.npz") -> None:
        """Read ``params`` from a file of `save_params`, into the arrays that are there.

        Raises
        ------
        ValueError
            If the file is no ``.npz``, or holds the parameters of another network; ``params`` is
            then as it was.
        OSError
            If it can't be read.
        """
        self.set_state(load_arrays(file_name), source=str(file_name))

    def state(self) -> dict[str, np.ndarray]:
        """Return ``params`` and `buffers` in one dict: all that training changes. No copies."""
        return self.params | self.buffers

    def set_state(self, new: dict[str, np.ndarray], source: str = "the given dict") -> None:
        """Copy the values of `new` into what `state` returns; `source` names them in an error."""
        state = self.state()
        if new.keys() != state.keys():
            raise ValueError(
                f"{source} holds the parameters {', '.join(new)}; "
                f"this network has {', '.join(state)}"
            )
        for key, array in state.items():
            if new[key].shape != array.shape or new[key].dtype.kind != "f":
                raise ValueError(
                    f"{key} in {source} has shape {new[key].shape} and dtype {new[key].dtype}; "
                    f"this network's has shape {array.shape} and dtype {array.dtype}"
                )
        for key, param in self.params.items():
            param[...] = new[key]
        self._set_buffers({key: new[key].astype(b.dtype) for key, b in self.buffers.items()})

    def check_input(self, x: np.ndarray) -> np.ndarray:
        """Return `x` as an array of the network's dtype, or say what is wrong with it.

        Raises
        ------
        ValueError
            If `x` isn't a batch of at least one example of `input_size` numbers.
        TypeError
            If `x` doesn't hold real numbers.
        """
        x = np.asarray(x)
        self._check_shape(x)
        if x.dtype == self.dtype:
            return x
        if x.dtype.kind not in "fiub":
            raise TypeError(f"x must hold real numbers, got {x.dtype}")
        return x.astype(self.dtype)

    def _check_shape(self, x):
        if x.ndim < 2 or x.size != len(x) * self.input_size:
            one = "; a single example is x[np.newaxis]" if x.shape == (self.input_size,) else ""
            raise ValueError(
                f"x must be a batch of shape (N, {self.input_size}), got {x.shape}{one}"
            )
        if len(x) == 0:
            raise ValueError("the batch is empty: expected at least one example")

    def check_loss(self, loss: float, x: np.ndarray) -> float:
        """Return `loss` if it is finite; otherwise raise a NonFiniteError that says why not."""
        if not cmath.isfinite(loss):
            self._not_finite(f"the loss is {loss}", x)
        return loss

    def _not_finite(self, what: str, x: np.ndarray) -> None:
        raise NonFiniteError(self._why_not_finite(what, x))

    def _why_not_finite(self, what: str, x: np.ndarray) -> str:
        bad = np.argwhere(~np.isfinite(x))
        if len(bad):
            index = tuple(int(i) for i in bad[0])
            return f"{what}: x holds {len(bad)} NaN or infinite values, the first at index {index}"
        for key, param in self.params.items():
            if not np.isfinite(param).all():
                return f"{what}: {key} holds NaN or infinity (is the learning rate too large?)"
        return f"{what}: the parameters have grown too large (is the learning rate too large?)"


def affine_params(
    sizes: Sequence[int], weight_init_std: float | str, rng: np.random.Generator | None, dtype
) -> dict[str, np.ndarray]:
    """Return initial parameters for a chain of affine layers: W1, b1, W2, b2 and so on.

    Parameters
    ----------
    sizes : sequence of int
        Width of the input and of each layer, such as (784, 50, 10).
    weight_init_std : float or str
        Standard deviation of the normal distribution that the weights are drawn from, or a rule for
        it: see `common.networks.weight_initialization`. Biases are 0.
    rng : numpy.random.Generator, optional
        Source of the weights. Without one, NumPy's global state, which ``np.random.seed`` sets.
    dtype : floating-point dtype

    Returns
    -------
    dict of str to ndarray
        W1 of shape (sizes[0], sizes[1]), b1 of shape (sizes[1],), and so on.
    """
    for size in sizes:
        check_size("layer sizes", size)
    params = {}
    for layer, shape in enumerate(pairwise(sizes), start=1):
        params[f"W{layer}"] = initial_weights(shape, shape[0], weight_init_std, rng, dtype)
        params[f"b{layer}"] = np.zeros(shape[1], dtype)
    return params
