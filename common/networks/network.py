"""What all networks share: accuracy, the numerical gradient, and their parameters on disk.

A network is a function of its input and of its parameters. Training changes the parameters, so they
are in one dict, ``params``, and `gradient` returns a dict with the same keys.
"""

import cmath
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
from tqdm import tqdm

from common.gradient import numerical_gradient
from common.layers.base import Layer
from common.networks.parameters import LayerParameters, Owners
from common.networks.weight_initialization import initial_weights
from common.support.checks import as_floating, check_finite, check_labels, check_size
from common.support.errors import DivergenceWarning, NonFiniteError, warn_caller
from common.support.files import load_arrays, save_arrays
from common.support.random_state import random_state, set_random_state

__all__ = ["Network", "affine_params"]


class Network(ABC):
    """Base of all networks: a subclass brings ``params``, `predict`, `loss` and `gradient`.

    A network of layers also has ``layers``, and calls `synchronize` in its constructor and at the
    start of `predict`. Then ``network.params["W1"] = new``, ``network.layers["Affine1"].W = new``
    and ``network.layers["Affine1"] = layer`` all take effect at the next call.

    Use a network from one thread at a time, since its layers remember their last forward pass.
    `common.training.DataParallel` gives each thread layers of its own.

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
    layers : dict of str to layer
        In the order in which the input passes through them; empty in a network without layers.
    rng : numpy.random.Generator or None
        Source of the random numbers of training; None is NumPy's global state.
    evaluation_batch : int
        Examples that `accuracy` evaluates at once, unless it is told otherwise. 60,000 images at
        once would take 376 MB in float64, and many times as much in a convolutional network.

    Warns
    -----
    DivergenceWarning
        If the parameters are so large that a loss or a prediction isn't finite. The NaN is
        returned, so that a comparison with other networks goes on.
    """

    params: dict[str, np.ndarray]
    layers: dict[str, object]
    rng = None
    evaluation_batch = 1000

    def __init__(self, input_size: int, dtype=np.float64):
        self.input_size = input_size
        self.dtype = np.dtype(dtype)
        if self.dtype.kind != "f":
            raise TypeError(f"dtype must be a floating-point type, got {self.dtype}")
        self.params = {}
        self.layers = {}
        self._parameters = LayerParameters(self.dtype)
        self._start = None  # inside of `unchanged`: buffers and random states before it
        self._drawn = None  # and, once that is known, those states that a pass changes
        self._warned = False

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
        """Return what `gradient` is the gradient of: the loss, as it is computed in training."""
        return self.loss(x, t)

    def synchronize(self) -> None:
        """Hand on what was replaced in ``params`` or in ``layers`` since the last call.

        Raises
        ------
        ValueError
            If a parameter was replaced in both, ``params`` has a key that belongs to no layer, or
            a layer has two keys.
        """
        if self.layers:
            self._parameters.synchronize(self.params, self.layers)

    def param_owners(self) -> Owners:
        """Return the layer and the name of its attribute for each key of ``params``.

        For example, ``{"W1": (affine, "W"), "b1": (affine, "b")}``.
        """
        self.synchronize()
        return dict(self._parameters.owners)

    def layer_gradients(self) -> dict[str, np.ndarray]:
        """Return the gradients that the last backward pass stored, with the keys of ``params``."""
        return self._parameters.gradients()

    @property
    def buffers(self) -> dict[str, np.ndarray]:
        """What training changes besides ``params``: running_mean1, running_var1 and so on."""
        self.synchronize()
        return {key: getattr(layer, name) for key, layer, name in self._parameters.buffers}

    def _set_buffers(self, buffers):
        for key, layer, name in self._parameters.buffers:
            setattr(layer, name, buffers[key])

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Undo, on leaving, what passes in training change: buffers and random state.

        Inside, `objective` sees the same random numbers, and so the same dropout masks, each time.
        """
        if self._start is not None:  # this is inside of another one, which will undo it
            yield
            return
        start = self._training_state(self.rng)
        try:
            try:
                self._start, self._drawn, self._warned = start, None, False
                yield
            finally:
                self._undo(start)
                self._start = None
        finally:  # once more, in case that Ctrl-C has struck while it was undone
            self._undo(start)
            self._start = None

    def _training_state(self, *rngs):
        """Return buffers and random states: of the layers, and of other `rngs`."""
        self.synchronize()
        drawing = [*rngs, *(getattr(layer, "rng", None) for layer in self._parameters.random)]
        different = {id(rng): rng for rng in drawing}.values()
        return self.buffers, [(rng, random_state(rng)) for rng in different]

    def _undo(self, state):
        buffers, random_states = state
        self._set_buffers(buffers)
        for rng, random in random_states:
            set_random_state(rng, random)

    def numerical_gradient(
        self, x: np.ndarray, t: np.ndarray, h: float = 1e-4, *, progress: bool = False
    ) -> dict[str, np.ndarray]:
        """Return ∂objective/∂params by central differences: two forward passes per parameter.

        ``params``, buffers and random state are left bit for bit as they were, also if Ctrl-C
        strikes in the middle. Dropout masks are the same in all passes.

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
        self.synchronize()
        for key, param in self.params.items():
            if getattr(param, "dtype", np.dtype(object)).kind != "f":
                raise TypeError(f"{key} must be an array of floating-point numbers, got {param!r}")
        with (
            tqdm(
                total=sum(param.size for param in self.params.values()),
                desc="numerical gradient",
                unit=" weights",
                leave=False,
                disable=None if progress else True,
            ) as bar,
            self.unchanged(),
        ):
            return {
                key: numerical_gradient(
                    lambda _: self.objective(x, t), param, h, progress=bar.update
                )
                for key, param in self.params.items()
            }

    def accuracy(self, x: np.ndarray, t: np.ndarray, batch_size: int | None = None) -> float:
        """Return the fraction of examples whose largest prediction is at their label, 0 to 1.

        Parameters
        ----------
        x : ndarray, shape (N, ...)
        t : ndarray
            Integer labels of shape (N,), or one-hot rows of shape (N, K).
        batch_size : int, optional
            Examples that are evaluated at once; by default `evaluation_batch`.
        """
        batch_size = self.evaluation_batch if batch_size is None else batch_size
        check_size("batch_size", batch_size)
        x = as_floating("x", x) if np.ndim(x) == 0 else x
        self._check_shape(np.shape(x))
        if np.ndim(t) == 0 or len(t) != len(x):
            got = len(t) if np.ndim(t) else "a single number"
            raise ValueError(f"t must hold one label for each of the {len(x)} rows, got {got}")
        batches = [slice(start, start + batch_size) for start in range(0, len(x), batch_size)]
        try:
            y = np.concatenate([self.predict(x[batch]) for batch in batches])
        except NonFiniteError:
            check_finite("x", as_floating("x", x))  # tells where in all of x, not in a batch
            raise
        if not np.isfinite(y).all():
            self._warn_of_divergence("a prediction isn't finite")
        t = check_labels(t, y.shape)
        labels = t if t.ndim == 1 else t.argmax(axis=1)
        return np.count_nonzero(y.argmax(axis=1) == labels) / len(x)

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
        self.synchronize()
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
            If `x` isn't a batch of at least one example of `input_size` numbers; a NonFiniteError
            if it, or a buffer, holds NaN or infinity.
        TypeError
            If `x` doesn't hold real numbers.
        """
        if type(x) is not np.ndarray or x.dtype.kind != "f":
            x = as_floating("x", x)
            if x.dtype.kind == "c":
                raise TypeError(f"x must hold real numbers, got {x.dtype}")
        if x.shape[1:] != (self.input_size,) or len(x) == 0:
            self._check_shape(x.shape)
        if not self._data_is_checked():
            check_finite("x", x)
        for key, layer, name in self._parameters.buffers:
            check_finite(f"the buffer {key}", getattr(layer, name))
        return x if x.dtype == self.dtype else x.astype(self.dtype)

    def _data_is_checked(self):
        """Return whether the first layer refuses NaN and infinity, which takes it less time."""
        first = next(iter(self.layers.values()), None)
        return isinstance(first, Layer) and not first.input_gradient

    def _check_shape(self, shape):
        if len(shape) < 2 or math.prod(shape[1:]) != self.input_size:
            one = "; a single example is x[np.newaxis]" if shape == (self.input_size,) else ""
            raise ValueError(f"x must be a batch of shape (N, {self.input_size}), got {shape}{one}")
        if shape[0] == 0:
            raise ValueError("the batch is empty: expected at least one example")

    def check_loss(self, loss: float) -> float:
        """Return `loss`, and warn if it isn't finite, since then the parameters have diverged."""
        if not cmath.isfinite(loss):
            self._warn_of_divergence(f"the loss is {loss}")
        return loss

    def _warn_of_divergence(self, what):
        """Warn once per `unchanged`, at the line outside of `common` that called this network."""
        if self._start is not None and self._warned:
            return
        self._warned = True
        for key, param in self.params.items():
            if not np.isfinite(param).all():
                why = f"{key} holds NaN or infinity"
                break
        else:
            key = max(self.params, key=lambda key: np.abs(self.params[key]).max(initial=0))
            why = f"the largest element of {key} is {np.abs(self.params[key]).max():.1e}"
        advice = "a smaller learning rate or smaller initial weights may help"
        warn_caller(f"{what}: {why}; {advice}", DivergenceWarning, of=self)


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
        check_size("each layer size", size)
    params = {}
    for layer, shape in enumerate(pairwise(sizes), start=1):
        params[f"W{layer}"] = initial_weights(shape, shape[0], weight_init_std, rng, dtype)
        params[f"b{layer}"] = np.zeros(shape[1], dtype)
    return params
