"""Settings, under the names that Theano gave them."""

from types import SimpleNamespace


class Config(SimpleNamespace):
    """Settings, as attributes. Only `floatX` has an effect; unknown names raise AttributeError.

    Attributes
    ----------
    floatX : {"float64", "float32"}
        The dtype of ``T.vector()`` and the other constructors without a prefix, of Python floats
        except beside an array of floats, and of quotients of integers.
    """

    def __setattr__(self, name, value):
        if name == "floatX" and str(value) not in ("float32", "float64"):
            raise ValueError(f"floatX must be 'float32' or 'float64', got {value!r}")
        if name not in vars(self):
            raise AttributeError(f"there is no setting {name!r}; the one with an effect is floatX")
        super().__setattr__(name, str(value) if name == "floatX" else value)


# fmt: off
config = Config(
    floatX="float64", mode="FAST_RUN", optimizer="fast_run", linker="py", device="cpu",
    cast_policy="custom", exception_verbosity="low", compute_test_value="off",
    on_unused_input="raise", warn_float64="ignore", openmp=False, allow_gc=True, profile=False,
)
# fmt: on
