"""The one setting: the dtype of variables whose constructor names none."""

__all__ = ["config"]


class _Config:
    """Settings, as attributes.

    Attributes
    ----------
    floatX : str
        "float64" or "float32": dtype of ``T.vector()`` and its like, and of fractions of integers.
    """

    def __init__(self):
        self._floatX = "float64"

    @property
    def floatX(self) -> str:
        return self._floatX

    @floatX.setter
    def floatX(self, dtype: str):
        if str(dtype) not in ("float32", "float64"):
            raise ValueError(f"floatX must be 'float32' or 'float64', got {dtype!r}")
        self._floatX = str(dtype)

    def __setattr__(self, name, value):
        if name not in ("floatX", "_floatX"):
            raise AttributeError(f"there is no setting {name!r}, only floatX")
        super().__setattr__(name, value)


config = _Config()
