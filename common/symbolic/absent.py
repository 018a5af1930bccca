"""Names that Theano has and this package hasn't: using one raises an error that says so."""

ABSENT = """
scan map reduce foldl foldr scan_module ifelse Op Apply gof OpFromGraph sandbox gpuarray sparse
typed_list Mode Param slinalg nlinalg fft sort argsort extra_ops opt basic elemwise split roll
arccosh arcsinh arctan2 arctanh exp2 trunc squeeze swapaxes cumsum cumprod identity_like
patternbroadcast unbroadcast trace tri tril triu conv2d conv3d conv abstract_conv bn ctc
neighbours pool downsample
"""


def absent_from(module: str):
    """Return a module's ``__getattr__``, which Python calls for names that aren't in it.

    It raises NotImplementedError for names of Theano's, AttributeError for others.
    """

    def __getattr__(name):
        if name in ABSENT.split():
            raise NotImplementedError(
                f"{name} isn't part of this small Theano: it has no loops (scan; a Python loop can "
                "build the graph), no convolution and pooling (see common.layers), no linear "
                "algebra, no sparse arrays, no GPU, and no operations of one's own but "
                "common.symbolic.elementwise.Elementwise"
            )
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return __getattr__
