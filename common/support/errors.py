"""Errors and warnings about numbers that are not finite."""

import os
import sys
import warnings
from pathlib import Path

__all__ = ["DivergenceWarning", "NonFiniteError", "warn_caller"]

COMMON = str(Path(__file__).parents[1]) + os.sep


class NonFiniteError(ValueError):
    """The input, the labels, or a buffer hold NaN or infinity."""


class DivergenceWarning(RuntimeWarning):
    """The parameters give a loss or a prediction that isn't finite: training has diverged."""


def warn_caller(message: str, category: type[Warning], *, of: object) -> None:
    """Warn at the line that called into `common`, or into a method of the object `of`."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(COMMON) or frame.f_locals.get("self") is of
    ):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
