"""What every layer checks: that forward comes before backward."""


def require_forward(layer: object, remembered: object) -> None:
    """Raise a RuntimeError if `layer` has not `remembered` anything from a forward pass."""
    if remembered is None:
        raise RuntimeError(f"{type(layer).__name__}.backward needs a forward pass before it")
