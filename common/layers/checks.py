"""What every layer checks: that forward comes before backward, and that shapes fit.

NumPy would broadcast many a wrong shape, and so compute a gradient of something else.
"""

import numpy as np


def require_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise a ValueError if `array`, called `name`, has another shape than `shape`."""
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")


def require_tangent(name: str, tangent: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise a ValueError if the last axes of `tangent`, called `name`, haven't that `shape`."""
    if tangent.shape[-len(shape) :] != shape:
        raise ValueError(
            f"{name} must have shape (..., {', '.join(map(str, shape))}), got {tangent.shape}"
        )


def require_bias(b: np.ndarray | float, units: int) -> None:
    """Raise a ValueError if `b` is neither one number for each of `units`, nor one for all."""
    shape = b.shape if isinstance(b, np.ndarray) else np.shape(b)
    if shape and shape != (units,):
        raise ValueError(f"b must have shape ({units},), got {shape}")


def require_forward(layer: object, remembered: object, method: str = "backward") -> None:
    """Raise a RuntimeError if `layer` has not `remembered` anything from a forward pass."""
    if remembered is None:
        raise RuntimeError(f"{type(layer).__name__}.{method} needs a forward pass before it")


def wrong_dout(layer: object, dout: np.ndarray, out_shape: tuple[int, ...] | None) -> Exception:
    """Return the error for a `dout` whose shape isn't that of the last forward pass's output.

    That is a RuntimeError if there was no forward pass, which a layer tells by an `out_shape` of
    None, else a ValueError.
    """
    if out_shape is None:
        return RuntimeError(f"{type(layer).__name__}.backward needs a forward pass before it")
    return ValueError(f"dout must have shape {out_shape}, got {dout.shape}")
