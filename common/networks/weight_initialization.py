"""Initial weights: not too small, not too large, and never all the same.

Weights that are all equal stay equal, since each gets the same gradient. Random ones differ, but
how large should they be? Each unit sums n inputs, so its spread is √n times that of the weights:
with too large weights activations grow from layer to layer, with too small ones they die away.

*Xavier* (Glorot & Bengio 2010, AISTATS): a standard deviation of √(1/n) keeps the spread, for
activations that are nearly linear around 0, such as sigmoid and tanh. *He* (He et al.,
arXiv:1502.01852): √(2/n), since ReLU sets half of its inputs to 0.
"""

import math
from collections.abc import Sequence
from numbers import Real

import numpy as np

__all__ = ["initial_std", "initial_weights"]


def initial_std(weight_init_std: float | str, fan_in: int) -> float:
    """Return the standard deviation of initial weights.

    Parameters
    ----------
    weight_init_std : float or str
        The number itself, or ``"relu"`` or ``"he"`` for √(2/n), or ``"sigmoid"`` or ``"xavier"``
        for √(1/n), in any case.
    fan_in : int
        Inputs n of a unit.

    Raises
    ------
    ValueError
        If it is another word, or a number below 0 or not finite.

    Examples
    --------
    >>> initial_std("he", 50), initial_std("xavier", 100), initial_std(0.01, 784)
    (0.2, 0.1, 0.01)
    """
    match str(weight_init_std).lower():
        case "relu" | "he":
            return math.sqrt(2 / fan_in)
        case "sigmoid" | "xavier":
            return math.sqrt(1 / fan_in)
    if not isinstance(weight_init_std, Real) or not 0 <= weight_init_std < math.inf:
        raise ValueError(
            "weight_init_std must be a number of at least 0, 'relu' ('he') or 'sigmoid' "
            f"('xavier'), got {weight_init_std!r}"
        )
    return float(weight_init_std)


def initial_weights(
    shape: Sequence[int],
    fan_in: int,
    weight_init_std: float | str,
    rng: np.random.Generator | None = None,
    dtype=np.float64,
) -> np.ndarray:
    """Return weights of the given `shape`, drawn from a normal distribution of mean 0.

    Parameters
    ----------
    shape : sequence of int
    fan_in, weight_init_std
        See `initial_std`.
    rng : numpy.random.Generator, optional
        Source of the weights; NumPy's global state without one.
    dtype : floating-point dtype
    """
    source = np.random if rng is None else rng
    weights = initial_std(weight_init_std, fan_in) * source.standard_normal(shape)
    return weights.astype(dtype, copy=False)
