"""Errors and warnings about numbers that are not finite."""

__all__ = ["DivergenceWarning", "NonFiniteError"]


class NonFiniteError(ValueError):
    """The input, the labels, or a buffer hold NaN or infinity."""


class DivergenceWarning(RuntimeWarning):
    """The parameters give a loss or a prediction that isn't finite: training has diverged."""
