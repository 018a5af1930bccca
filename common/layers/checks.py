"""What every layer checks: that forward comes before backward, and that shapes fit.

NumPy would broadcast many a wrong shape, and so compute a gradient of something else.
"""

import numpy as np


def require_forward(layer: object, remembered: object) -> None:
    """Raise a RuntimeError if `layer` has not `remembered` anything from a forward pass."""
    if remembered is None:
        raise RuntimeError(f"{type(layer).__name__}.backward needs a forward pass before it")


def require_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise a ValueError if `array`, called `name`, has another shape than `shape`."""
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")


def require_bias(b: np.ndarray | float, units: int) -> None:
    """Raise a ValueError if `b` is neither one number for each of `units`, nor one for all."""
    if np.ndim(b):
        require_shape("b", b, (units,))
