"""Settings, under the names that Theano gave them."""

__all__ = ["config"]

# What other flags of Theano say doesn't matter here; programs that set them still run.
_IGNORED = {
    "mode": "FAST_RUN",
    "optimizer": "fast_run",
    "linker": "py",
    "device": "cpu",
    "cast_policy": "custom",
    "exception_verbosity": "low",
    "compute_test_value": "off",
    "openmp": False,
    "allow_gc": True,
    "profile": False,
    "warn_float64": "ignore",
    "on_unused_input": "raise",
}


class Config:
    """Settings, as attributes.

    Attributes
    ----------
    floatX : {"float64", "float32"}
        The dtype of ``T.vector()`` and the other constructors without a prefix, of Python floats
        beside integers, and of gradients with respect to integers.

    Notes
    -----
    Other flags of Theano, such as ``mode`` and ``compute_test_value``, can be set and read, but
    have no effect. A name that Theano doesn't know raises AttributeError.
    """

    def __init__(self):
        super().__setattr__("floatX", "float64")
        for name, value in _IGNORED.items():
            super().__setattr__(name, value)

    def __setattr__(self, name, value):
        if name == "floatX":
            if str(value) not in ("float32", "float64"):
                raise ValueError(f"floatX must be 'float32' or 'float64', got {value!r}")
            value = str(value)
        elif name not in _IGNORED:
            raise AttributeError(f"there is no setting {name!r}; the one with an effect is floatX")
        super().__setattr__(name, value)


config = Config()
