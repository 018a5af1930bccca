"""The state of random numbers: what decides on every number that is still to be drawn."""

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["random_state", "set_random_state"]


def random_state(rng: np.random.Generator | None) -> dict[str, Any]:
    """Return the state of `rng`, or of NumPy's global random numbers if it is None.

    NumPy's older generators, ``numpy.random.RandomState``, will do too.
    """
    rng = np.random if rng is None else rng
    return rng.get_state(legacy=False) if hasattr(rng, "get_state") else rng.bit_generator.state


def set_random_state(rng: np.random.Generator | None, state: Mapping[str, Any]) -> None:
    """Let `rng` (None: NumPy's global random numbers) go on from a `state` of `random_state`.

    Raises
    ------
    ValueError, TypeError, KeyError
        If the state belongs to another kind of generator, or is none.
    """
    rng = np.random if rng is None else rng
    if hasattr(rng, "set_state"):
        rng.set_state(state)
    else:
        rng.bit_generator.state = state
