"""What Theano has and this package hasn't: asking for it says so, and what to take instead."""

ABSENT = {
    "a Python loop can build the graph": "scan scan_module map reduce foldl foldr",
    "switch chooses, and computes both": "ifelse",
    "common.layers has convolution and pooling":
        "conv conv2d conv3d abstract_conv pool downsample neighbours bn",
    "common.symbolic.elementwise.Elementwise makes new elementwise operations":
        "Op Apply OpFromGraph gof as_op elemwise erf erfc erfinv gamma gammaln psi arccosh arcsinh "
        "arctan2 arctanh exp2 trunc",
    "use draw": "pydotprint d3viz",
    "it is grad((y * v).sum(), x)": "Lop",
    "it is grad((left * v).sum(), u), where left = grad((y * u).sum(), x)": "Rop",
    "common.gradient_methods compares gradients with finite differences": "verify_grad",
    "there is one mode": "Mode MonitorMode NanGuardMode DebugMode debugmode nanguardmode opt Param",
    "NumPy has most of it, outside of the graph":
        "sandbox gpuarray sparse typed_list slinalg nlinalg fft sort argsort extra_ops basic "
        "split roll squeeze swapaxes cumsum cumprod identity_like patternbroadcast "
        "unbroadcast trace tri tril triu ctc grad_clip grad_scale real imag conj angle",
}  # fmt: skip


def absent_from(module: str):
    """Return a module's ``__getattr__``, which Python calls for names that aren't in it.

    It raises NotImplementedError for names of Theano's, AttributeError for others.
    """

    def __getattr__(name):
        for hint, names in ABSENT.items():
            if name in names.split():
                raise NotImplementedError(f"{name} isn't part of this small Theano: {hint}")
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return __getattr__
