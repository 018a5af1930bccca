"""What Theano has and this package hasn't: asking for it says so."""

_LOOPS = "loops (scan) aren't there; a Python loop builds the graph of a known number of steps"
_OPS = "for a new elementwise operation there is common.symbolic.elementwise.Elementwise"
_CPU = "programs run on the CPU, with NumPy's dense arrays"
_IMAGES = "for images there are the layers Convolution and Pooling of common.layers"

ABSENT = {
    "common.symbolic": {
        **dict.fromkeys(("scan", "map", "reduce", "foldl", "foldr", "scan_module"), _LOOPS),
        **dict.fromkeys(("Op", "Apply", "gof", "OpFromGraph", "Variables"), _OPS),
        **dict.fromkeys(("sandbox", "gpuarray", "sparse", "typed_list"), _CPU),
        "ifelse": "T.switch computes both branches and chooses",
    },
    "common.symbolic.tensor": dict.fromkeys(
        ("slinalg", "nlinalg", "fft", "sort", "argsort", "extra_ops", "opt", "basic", "elemwise"),
        "what is there, T holds by its name",
    ),
    "common.symbolic.tensor.nnet": {
        **dict.fromkeys(("conv2d", "conv3d", "conv", "abstract_conv", "neighbours"), _IMAGES),
        **dict.fromkeys(("bn", "batch_normalization", "ctc"), "write it with functions of T"),
    },
    "common.symbolic.tensor.signal": dict.fromkeys(("pool", "downsample", "conv"), _IMAGES),
}


def absent_from(module: str):
    """Return a module's ``__getattr__``, which Python calls for names that aren't in it.

    It raises NotImplementedError for names of Theano's, AttributeError for others.
    """

    def __getattr__(name):
        if name in ABSENT[module]:
            title = module.removeprefix("common.").replace("symbolic", "theano")
            raise NotImplementedError(
                f"{title}.{name} isn't part of this small Theano: {ABSENT[module][name]}"
            )
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return __getattr__
