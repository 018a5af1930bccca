"""Checks of arguments, each of which raises one clear error that names the argument."""

import math
from collections.abc import Sequence
from numbers import Real

import numpy as np

__all__ = ["check_number", "check_rng", "check_sequence", "check_size"]


def check_size(name: str, size: int) -> None:
    """Check that `size` is an integer of at least 1; `name` names it in the ValueError."""
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise ValueError(f"{name} must be positive integers, got {size!r}")


def check_number(name: str, value: float, low: float, high: float = math.inf) -> float:
    """Return `value` as a float if it is at least `low` and below `high`."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not low <= value < high:
        raise ValueError(f"{name} must be at least {low} and below {high}, got {value}")
    return float(value)


def check_sequence(name: str, value: Sequence) -> None:
    """Check that `value` is a list, a tuple or an array."""
    if not isinstance(value, Sequence | np.ndarray) or isinstance(value, str):
        raise TypeError(f"{name} must be a list or a tuple, got {value!r}")


def check_rng(rng: np.random.Generator | None) -> None:
    """Check that `rng` is a generator of random numbers, or None."""
    if rng is not None and not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"rng must be a numpy.random.Generator, such as numpy.random.default_rng(0), or None, "
            f"got {rng!r}"
        )
