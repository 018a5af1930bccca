"""The state of random numbers: what decides on every number that is still to be drawn."""

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["random_state", "set_random_state"]


def random_state(rng: np.random.Generator | None) -> dict[str, Any]:
    """Return the state of `rng`, or of NumPy's global random numbers if it is None."""
    return np.random.get_state(legacy=False) if rng is None else rng.bit_generator.state


def set_random_state(rng: np.random.Generator | None, state: Mapping[str, Any]) -> None:
    """Let `rng` (None: NumPy's global random numbers) go on from a `state` of `random_state`.

    Raises
    ------
    ValueError, TypeError, KeyError
        If the state belongs to another kind of generator, or is none.
    """
    if rng is None:
        np.random.set_state(state)
    else:
        rng.bit_generator.state = state
