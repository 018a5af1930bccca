"""Checkpoints: all that a run needs to go on as if it had never stopped.

That is more than the parameters: what the optimizer remembers, how far the run is, and the state of
the random numbers, which decides on every mini-batch to come. A checkpoint is one ``.npz`` file of
arrays, one of which is the rest as JSON. Nothing is unpickled.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from common.support.files import load_arrays, save_arrays

__all__ = ["load_checkpoint", "save_checkpoint"]


def save_checkpoint(path: str | Path, about: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a checkpoint, atomically.

    Parameters
    ----------
    path : path
    about : mapping
        Numbers, text, lists and dicts of them, and small arrays, which are read back as lists.
    arrays : mapping of str to ndarray
        None may be called ``about``.

    Raises
    ------
    OSError
        If `path` can't be written.
    """
    text = json.dumps(about, default=lambda array: array.tolist())
    save_arrays(path, {**arrays, "about": np.array(text)})


def load_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read `about` and `arrays` of `save_checkpoint`.

    Raises
    ------
    ValueError
        If the file is damaged or is no checkpoint.
    OSError
        If it can't be read.
    """
    arrays = load_arrays(path)
    if "about" not in arrays:
        raise ValueError(f"{path} holds arrays only, it is no checkpoint")
    try:
        about = json.loads(str(arrays.pop("about")))
    except ValueError as error:
        raise ValueError(f"{path} is no checkpoint: {error}") from error
    if not isinstance(about, dict):
        raise ValueError(f"{path} is no checkpoint: it tells nothing about its run")
    return about, arrays
