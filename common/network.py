"""What all networks share: accuracy, the numerical gradient, and their parameters on disk.

A network is a function of its input and of its parameters. Training moves the parameters, so they
stand in one dict, ``params``, that `gradient` answers with a dict of the same keys.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from tqdm import tqdm

from common.files import load_arrays, save_arrays
from common.functions import check_labels
from common.gradient import numerical_gradient

__all__ = ["Network", "NonFiniteError", "affine_params"]


class NonFiniteError(ValueError):
    """A loss or a prediction is NaN or infinite."""


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
    """

    params: dict[str, np.ndarray]

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
        """Return ∂loss/∂params, with the keys of ``params``, by backpropagation."""

    def numerical_gradient(
        self, x: np.ndarray, t: np.ndarray, h: float = 1e-4, *, progress: bool = False
    ) -> dict[str, np.ndarray]:
        """Return ∂loss/∂params by central differences: two forward passes for each parameter.

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
            return self.loss(x, t)

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

    def accuracy(self, x: np.ndarray, t: np.ndarray, batch_size: int = 1000) -> float:
        """Return the share of examples whose largest prediction is at their label, 0 to 1.

        Parameters
        ----------
        x : ndarray, shape (N, ...)
        t : ndarray
            Integer labels of shape (N,), or one-hot rows of shape (N, K).
        batch_size : int
            Examples that are evaluated at once. 60,000 images in one go would take 376 MB in
            float64.
        """
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
                check_labels(t, (len(x), y.shape[1]))
            if not np.isfinite(y).all():
                raise NonFiniteError(self._why_not_finite("a prediction isn't finite", x))
            labels = t[chunk] if t.ndim == 1 else t[chunk].argmax(axis=1)
            correct += np.count_nonzero(y.argmax(axis=1) == labels)
        return correct / len(x)

    def save_params(self, file_name: str | Path = "params.npz") -> None:
        """Write ``params`` to a NumPy ``.npz`` file."""
        save_arrays(file_name, self.params)

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
        self.set_params(load_arrays(file_name), source=str(file_name))

    def set_params(self, new: dict[str, np.ndarray], source: str = "the given dict") -> None:
        """Copy the values of `new` into ``params``; `source` names them in an error."""
        if new.keys() != self.params.keys():
            raise ValueError(
                f"{source} holds the parameters {', '.join(new)}; "
                f"this network has {', '.join(self.params)}"
            )
        for key, param in self.params.items():
            if new[key].shape != param.shape or new[key].dtype.kind != "f":
                raise ValueError(
                    f"{key} in {source} has shape {new[key].shape} and dtype {new[key].dtype}; "
                    f"this network's has shape {param.shape} and dtype {param.dtype}"
                )
        for key, param in self.params.items():
            param[...] = new[key]

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
        if x.dtype.kind not in "fiub":
            raise TypeError(f"x must hold real numbers, got {x.dtype}")
        return x.astype(self.dtype, copy=False)

    def _check_shape(self, x):
        if x.ndim < 2 or math.prod(x.shape[1:]) != self.input_size:
            one = "; a single example is x[np.newaxis]" if x.shape == (self.input_size,) else ""
            raise ValueError(
                f"x must be a batch of shape (N, {self.input_size}), got {x.shape}{one}"
            )
        if len(x) == 0:
            raise ValueError("the batch is empty: expected at least one example")

    def check_loss(self, loss: float, x: np.ndarray) -> float:
        """Return `loss` if it is finite; otherwise raise a NonFiniteError that says why not."""
        if math.isfinite(loss):
            return loss
        raise NonFiniteError(self._why_not_finite(f"the loss is {loss}", x))

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
    sizes: Sequence[int], weight_init_std: float, rng: np.random.Generator | None, dtype
) -> dict[str, np.ndarray]:
    """Return initial parameters for a chain of affine layers: W1, b1, W2, b2 and so on.

    Parameters
    ----------
    sizes : sequence of int
        Width of the input and of each layer, such as (784, 50, 10).
    weight_init_std : float
        Standard deviation of the normal distribution that the weights are drawn from. Biases are 0.
    rng : numpy.random.Generator, optional
        Source of the weights. Without one, NumPy's global state, which ``np.random.seed`` sets.
    dtype : floating-point dtype

    Returns
    -------
    dict of str to ndarray
        W1 of shape (sizes[0], sizes[1]), b1 of shape (sizes[1],), and so on.
    """
    for size in sizes:
        if not isinstance(size, int | np.integer) or size < 1:
            raise ValueError(f"layer sizes must be positive integers, got {tuple(sizes)}")
    if not 0 <= weight_init_std < np.inf:
        raise ValueError(f"weight_init_std must be a number of at least 0, got {weight_init_std}")
    source = np.random if rng is None else rng
    params = {}
    for layer, shape in enumerate(pairwise(sizes), start=1):
        params[f"W{layer}"] = (weight_init_std * source.standard_normal(shape)).astype(dtype)
        params[f"b{layer}"] = np.zeros(shape[1], dtype)
    return params
