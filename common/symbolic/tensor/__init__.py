"""What a user types: variables, and functions of variables. ``import common.symbolic.tensor as T``.

Variables: ``scalar vector matrix row col tensor3 tensor4``, with a prefix for the dtype: b w i l
for integers of 8, 16, 32, 64 bits, f d for floats of 32, 64, c z for complex numbers of 64, 128.
Without one it is ``config.floatX``. In the plural several at once: ``x, y = T.dscalars("x", "y")``
or ``T.dscalars("xy")``. An axis of size 1 of a row or col broadcasts; other axes never do.
"""

from common.symbolic.arrays import (
    Print,
    addbroadcast,
    all,
    alloc,
    any,
    arange,
    argmax,
    argmin,
    concatenate,
    dimshuffle,
    eye,
    fill,
    flatten,
    join,
    max,
    mean,
    min,
    ones,
    ones_like,
    prod,
    repeat,
    reshape,
    shape,
    shape_padaxis,
    shape_padleft,
    shape_padright,
    size,
    stack,
    stacklists,
    std,
    sum,
    tile,
    transpose,
    var,
    zeros,
    zeros_like,
)
from common.symbolic.config import config
from common.symbolic.elementwise import (
    abs,
    add,
    and_,
    arccos,
    arcsin,
    arctan,
    cast,
    ceil,
    clip,
    cos,
    cosh,
    eq,
    exp,
    expm1,
    floor,
    ge,
    gt,
    int_div,
    inv,
    invert,
    isinf,
    isnan,
    le,
    log,
    log1p,
    log2,
    log10,
    lt,
    maximum,
    minimum,
    mod,
    mul,
    neg,
    neq,
    or_,
    pow,
    round,
    sgn,
    sin,
    sinh,
    sqr,
    sqrt,
    sub,
    switch,
    tan,
    tanh,
    true_div,
    xor,
)
from common.symbolic.gradient import grad, hessian, jacobian
from common.symbolic.graph import Constant as TensorConstant
from common.symbolic.graph import Input, Variable, checked_dtype, shared
from common.symbolic.graph import Shared as TensorSharedVariable
from common.symbolic.graph import as_variable as as_tensor_variable
from common.symbolic.graph import as_variable as constant
from common.symbolic.indexing import diag, inc_subtensor, nonzero, set_subtensor, take
from common.symbolic.products import batched_dot, dot, outer, tensordot
from common.symbolic.tensor import nnet, shared_randomstreams, signal

abs_ = abs
bitwise_and, bitwise_or, bitwise_xor, bitwise_not = and_, or_, xor, invert
square, sign, reciprocal, power, not_equal, where = sqr, sgn, inv, pow, neq, switch
TensorVariable = Variable


class TensorType:
    """A kind of variable: dtype and broadcastable axes. Call it to make one.

    Parameters
    ----------
    dtype : str or None
        None or "floatX" for ``config.floatX`` at the time of the call.
    broadcastable : sequence of bool
        For each axis, whether it has size 1, and so broadcasts.

    Examples
    --------
    >>> TensorType("float64", (False, False))("x").type
    TensorType(float64, matrix)
    """

    def __init__(self, dtype, broadcastable, name=None):
        self._dtype = None if dtype in (None, "floatX") else checked_dtype(dtype)
        self.broadcastable = tuple([bool(b) for b in broadcastable])

    @property
    def dtype(self) -> str:
        """The name of the dtype."""
        return self._dtype or config.floatX

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.broadcastable)

    def __call__(self, name: str | None = None, dtype=None) -> Input:
        """Return a new variable of this kind."""
        if name is not None and not isinstance(name, str):
            raise TypeError(f"the name of a variable must be a string, got {name!r}")
        return Input(dtype or self.dtype, [1 if b else None for b in self.broadcastable], name)

    def several(self, *names) -> list[Input]:
        """Return several variables, given their names, a string of letters, or their number."""
        if len(names) == 1 and isinstance(names[0], int):
            return [self() for _ in range(names[0])]
        if len(names) == 1 and isinstance(names[0], str):
            names = names[0]
        return [self(name) for name in names]

    def __eq__(self, other):
        if not isinstance(other, TensorType):
            return NotImplemented
        return (self.dtype, self.broadcastable) == (other.dtype, other.broadcastable)

    def __hash__(self):
        return hash((self.dtype, self.broadcastable))

    def __repr__(self):
        return f"TensorType({self.dtype}, {_NAMES.get(self.broadcastable, self.broadcastable)})"


def tensor(dtype="floatX", broadcastable=(), name=None) -> Input:
    """Return a variable of this dtype and these axes."""
    return TensorType(dtype, broadcastable)(name)


def scalar_from_tensor(x) -> Variable:
    """Return `x`."""
    return x


tensor_from_scalar = scalar_from_tensor

_NAMES = {
    (): "scalar",
    (False,): "vector",
    (False, False): "matrix",
    (True, False): "row",
    (False, True): "col",
    (False,) * 3: "tensor3",
    (False,) * 4: "tensor4",
}

scalar = TensorType(None, ())
vector = TensorType(None, (False,))
matrix = TensorType(None, (False, False))
row = TensorType(None, (True, False))
col = TensorType(None, (False, True))
tensor3 = TensorType(None, (False,) * 3)
tensor4 = TensorType(None, (False,) * 4)
scalars = scalar.several
vectors = vector.several
matrices = matrix.several
rows = row.several
cols = col.several
tensor3s = tensor3.several
tensor4s = tensor4.several

bscalar = TensorType("int8", ())
bvector = TensorType("int8", (False,))
bmatrix = TensorType("int8", (False, False))
brow = TensorType("int8", (True, False))
bcol = TensorType("int8", (False, True))
btensor3 = TensorType("int8", (False,) * 3)
btensor4 = TensorType("int8", (False,) * 4)
bscalars = bscalar.several
bvectors = bvector.several
bmatrices = bmatrix.several
brows = brow.several
bcols = bcol.several
btensor3s = btensor3.several
btensor4s = btensor4.several

wscalar = TensorType("int16", ())
wvector = TensorType("int16", (False,))
wmatrix = TensorType("int16", (False, False))
wrow = TensorType("int16", (True, False))
wcol = TensorType("int16", (False, True))
wtensor3 = TensorType("int16", (False,) * 3)
wtensor4 = TensorType("int16", (False,) * 4)
wscalars = wscalar.several
wvectors = wvector.several
wmatrices = wmatrix.several
wrows = wrow.several
wcols = wcol.several
wtensor3s = wtensor3.several
wtensor4s = wtensor4.several

iscalar = TensorType("int32", ())
ivector = TensorType("int32", (False,))
imatrix = TensorType("int32", (False, False))
irow = TensorType("int32", (True, False))
icol = TensorType("int32", (False, True))
itensor3 = TensorType("int32", (False,) * 3)
itensor4 = TensorType("int32", (False,) * 4)
iscalars = iscalar.several
ivectors = ivector.several
imatrices = imatrix.several
irows = irow.several
icols = icol.several
itensor3s = itensor3.several
itensor4s = itensor4.several

lscalar = TensorType("int64", ())
lvector = TensorType("int64", (False,))
lmatrix = TensorType("int64", (False, False))
lrow = TensorType("int64", (True, False))
lcol = TensorType("int64", (False, True))
ltensor3 = TensorType("int64", (False,) * 3)
ltensor4 = TensorType("int64", (False,) * 4)
lscalars = lscalar.several
lvectors = lvector.several
lmatrices = lmatrix.several
lrows = lrow.several
lcols = lcol.several
ltensor3s = ltensor3.several
ltensor4s = ltensor4.several

fscalar = TensorType("float32", ())
fvector = TensorType("float32", (False,))
fmatrix = TensorType("float32", (False, False))
frow = TensorType("float32", (True, False))
fcol = TensorType("float32", (False, True))
ftensor3 = TensorType("float32", (False,) * 3)
ftensor4 = TensorType("float32", (False,) * 4)
fscalars = fscalar.several
fvectors = fvector.several
fmatrices = fmatrix.several
frows = frow.several
fcols = fcol.several
ftensor3s = ftensor3.several
ftensor4s = ftensor4.several

dscalar = TensorType("float64", ())
dvector = TensorType("float64", (False,))
dmatrix = TensorType("float64", (False, False))
drow = TensorType("float64", (True, False))
dcol = TensorType("float64", (False, True))
dtensor3 = TensorType("float64", (False,) * 3)
dtensor4 = TensorType("float64", (False,) * 4)
dscalars = dscalar.several
dvectors = dvector.several
dmatrices = dmatrix.several
drows = drow.several
dcols = dcol.several
dtensor3s = dtensor3.several
dtensor4s = dtensor4.several

cscalar = TensorType("complex64", ())
cvector = TensorType("complex64", (False,))
cmatrix = TensorType("complex64", (False, False))
crow = TensorType("complex64", (True, False))
ccol = TensorType("complex64", (False, True))
ctensor3 = TensorType("complex64", (False,) * 3)
ctensor4 = TensorType("complex64", (False,) * 4)
cscalars = cscalar.several
cvectors = cvector.several
cmatrices = cmatrix.several
crows = crow.several
ccols = ccol.several
ctensor3s = ctensor3.several
ctensor4s = ctensor4.several

zscalar = TensorType("complex128", ())
zvector = TensorType("complex128", (False,))
zmatrix = TensorType("complex128", (False, False))
zrow = TensorType("complex128", (True, False))
zcol = TensorType("complex128", (False, True))
ztensor3 = TensorType("complex128", (False,) * 3)
ztensor4 = TensorType("complex128", (False,) * 4)
zscalars = zscalar.several
zvectors = zvector.several
zmatrices = zmatrix.several
zrows = zrow.several
zcols = zcol.several
ztensor3s = ztensor3.several
ztensor4s = ztensor4.several


def __getattr__(name):
    absent = (
        *("slinalg", "nlinalg", "fft", "sort", "argsort", "extra_ops", "opt", "basic", "elemwise"),
        *("cumsum", "identity_like", "patternbroadcast", "unbroadcast"),
        *("trace", "tri", "tril", "triu", "swapaxes", "squeeze"),
        *("exp2", "trunc", "arctan2", "arcsinh", "arccosh", "arctanh"),
    )
    if name in absent:
        raise NotImplementedError(f"tensor.{name} isn't part of this small Theano")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
