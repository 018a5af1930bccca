"""Downsampling isn't part of this small Theano; asking for it says so."""


def __getattr__(name):
    if name in ("pool", "downsample", "conv"):
        raise NotImplementedError(f"tensor.signal.{name} isn't part of this small Theano")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
