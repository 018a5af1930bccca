"""Checkpoints: all that a training needs to go on as if it had never stopped.

That is more than the parameters: what the optimizer remembers, how far the training is, and the
state of the random numbers, which decides on every mini-batch to come. A checkpoint is one ``.npz``
file of arrays, one of which is the rest as JSON; its checksums tell if it was damaged. Nothing is
unpickled.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from common.support.files import load_arrays, save_arrays

__all__ = ["load_checkpoint", "save_checkpoint"]

FORMAT = 3  # the first two were those of versions with two training loops


def save_checkpoint(path: str | Path, state: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the named parts of `state`, dicts of arrays, numbers, text and lists, atomically."""
    arrays, about = {}, {"format": FORMAT}
    for part, values in state.items():
        about[part] = {k: v for k, v in values.items() if not isinstance(v, np.ndarray)}
        arrays |= {f"{part}/{k}": v for k, v in values.items() if isinstance(v, np.ndarray)}
    text = json.dumps(about, default=lambda array: array.tolist())
    save_arrays(path, {**arrays, "about": np.array(text)})


def load_checkpoint(path: str | Path) -> dict[str, dict[str, Any]]:
    """Return the `state` of `save_checkpoint`.

    Raises
    ------
    ValueError
        If the file is damaged, is no checkpoint, or was written by another version.
    OSError
        If it can't be read.
    """
    arrays = load_arrays(path)
    if "about" not in arrays:
        raise ValueError(f"{path} holds arrays only, it is no checkpoint")
    try:
        about = json.loads(str(arrays.pop("about")))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no checkpoint: {error}") from error
    version = about.pop("format", "1 or 2") if isinstance(about, dict) else "unknown"
    if version != FORMAT:
        raise ValueError(
            f"{path} is a checkpoint of format {version}, this version reads format {FORMAT}: "
            "resume with the version that wrote it, or start anew"
        )
    if not all(isinstance(values, dict) for values in about.values()):
        raise ValueError(f"{path} is no checkpoint: its parts are no dicts")
    for name, array in arrays.items():
        part, _, key = name.partition("/")
        about.setdefault(part, {})[key] = array
    return about
