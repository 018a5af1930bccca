"""The weights to differentiate with respect to: all, or some, to try a slow method on a part."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

__all__ = ["Entries", "chosen", "count", "random_entries", "unknown_gradient"]

Entries = Mapping[str, Iterable[int]]  # flat indices, by parameter


def chosen(
    params: Mapping[str, np.ndarray], entries: Entries | None
) -> list[tuple[str, Sequence[int]]]:
    """Return each key of `params` with the flat indices of its chosen weights: by default all.

    Raises
    ------
    ValueError
        If `entries` names a parameter that doesn't exist, or an index beyond its size.
    """
    for key in entries or ():
        if key not in params:
            raise ValueError(f"entries names {key!r}; the parameters are {', '.join(params)}")
    if entries is None:
        return [(key, range(param.size)) for key, param in params.items()]
    result = []
    for key, param in params.items():
        indices = [int(i) for i in entries.get(key, ())]
        if indices and not 0 <= min(indices) <= max(indices) < param.size:
            raise ValueError(f"entries of {key} must lie between 0 and {param.size - 1}")
        result.append((key, indices))
    return result


def count(params: Mapping[str, np.ndarray]) -> int:
    """Return the number of weights, the P of all formulas."""
    return sum(param.size for param in params.values())


def random_entries(
    params: Mapping[str, np.ndarray], number: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return the flat indices of `number` weights, or of all if there are fewer.

    They are drawn at random without replacement; each weight is equally likely.
    """
    total = count(params)
    drawn = np.sort(rng.choice(total, min(number, total), replace=False))
    entries, start = {}, 0
    for key, param in params.items():
        here = drawn[(start <= drawn) & (drawn < start + param.size)]
        entries[key] = here - start
        start += param.size
    return entries


def unknown_gradient(params: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return a gradient with the keys, shapes and dtypes of `params`, NaN everywhere."""
    return {key: np.full(param.shape, np.nan, param.dtype) for key, param in params.items()}
