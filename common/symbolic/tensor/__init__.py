"""What a user types: variables, and functions of variables. ``import common.symbolic.tensor as T``.

Variables: ``scalar vector matrix row col tensor3 tensor4``, with a prefix for the dtype: b w i l
for integers of 8, 16, 32, 64 bits, f d for floats of 32, 64, c z for complex numbers of 64, 128.
Without one it is ``config.floatX``. In the plural several at once: ``x, y = T.dscalars("x", "y")``
or ``T.dscalars("xy")``. An axis of size 1 of a row or col broadcasts; other axes never do.
"""

# isort: skip_file
# fmt: off
from common.symbolic.absent import absent_from as _absent_from
from common.symbolic.arrays import (
    Print, addbroadcast, all, alloc, any, arange, argmax, argmin, concatenate, dimshuffle, eye,
    fill, flatten, join, max, mean, min, ones, ones_like, prod, repeat, reshape, shape,
    shape_padaxis, shape_padleft, shape_padright, size, stack, stacklists, std, sum, tile,
    transpose, var, zeros, zeros_like,
)
from common.symbolic.config import config
from common.symbolic.elementwise import (
    abs, add, and_, arccos, arcsin, arctan, cast, ceil, clip, cos, cosh, eq, exp, expm1, floor,
    ge, gt, int_div, inv, invert, isinf, isnan, le, log, log1p, log2, log10, lt, maximum,
    minimum, mod, mul, neg, neq, or_, pow, round, sgn, sin, sinh, sqr, sqrt, sub, switch, tan,
    tanh, true_div, xor,
)
from common.symbolic.gradient import grad, hessian, jacobian
from common.symbolic.graph import (
    AXES as _AXES, Constant as TensorConstant, Shared as TensorSharedVariable, TensorType,
    Variable, as_variable as as_tensor_variable, shared,
)
from common.symbolic.indexing import diag, inc_subtensor, nonzero, set_subtensor, take
from common.symbolic.products import batched_dot, dot, outer, tensordot
from common.symbolic.tensor import nnet, shared_randomstreams, signal
# fmt: on

abs_ = abs
bitwise_and, bitwise_or, bitwise_xor, bitwise_not = and_, or_, xor, invert
square, sign, reciprocal, power, not_equal, where = sqr, sgn, inv, pow, neq, switch
scalar_from_tensor = tensor_from_scalar = as_tensor_variable
TensorVariable = Variable

__getattr__ = _absent_from(__name__)


def tensor(dtype="floatX", broadcastable=(), name=None) -> TensorVariable:
    """Return a variable of this dtype, with an axis for each element of `broadcastable`."""
    return TensorType(dtype, broadcastable)(name)


def constant(x, name=None, dtype=None) -> TensorConstant:
    """Return a number, or an array of numbers, as a variable, in another dtype if one is given."""
    x = as_tensor_variable(x, name)
    return x if dtype is None else TensorConstant(cast(x, dtype).eval(), name)


def _types(dtype):
    return [TensorType(dtype, axes) for axes in _AXES.values()]


def _plurals(dtype):
    return [kind.several for kind in _types(dtype)]


scalar, vector, matrix, row, col, tensor3, tensor4 = _types("floatX")
bscalar, bvector, bmatrix, brow, bcol, btensor3, btensor4 = _types("int8")
wscalar, wvector, wmatrix, wrow, wcol, wtensor3, wtensor4 = _types("int16")
iscalar, ivector, imatrix, irow, icol, itensor3, itensor4 = _types("int32")
lscalar, lvector, lmatrix, lrow, lcol, ltensor3, ltensor4 = _types("int64")
fscalar, fvector, fmatrix, frow, fcol, ftensor3, ftensor4 = _types("float32")
dscalar, dvector, dmatrix, drow, dcol, dtensor3, dtensor4 = _types("float64")
cscalar, cvector, cmatrix, crow, ccol, ctensor3, ctensor4 = _types("complex64")
zscalar, zvector, zmatrix, zrow, zcol, ztensor3, ztensor4 = _types("complex128")

scalars, vectors, matrices, rows, cols, tensor3s, tensor4s = _plurals("floatX")
bscalars, bvectors, bmatrices, brows, bcols, btensor3s, btensor4s = _plurals("int8")
wscalars, wvectors, wmatrices, wrows, wcols, wtensor3s, wtensor4s = _plurals("int16")
iscalars, ivectors, imatrices, irows, icols, itensor3s, itensor4s = _plurals("int32")
lscalars, lvectors, lmatrices, lrows, lcols, ltensor3s, ltensor4s = _plurals("int64")
fscalars, fvectors, fmatrices, frows, fcols, ftensor3s, ftensor4s = _plurals("float32")
dscalars, dvectors, dmatrices, drows, dcols, dtensor3s, dtensor4s = _plurals("float64")
cscalars, cvectors, cmatrices, crows, ccols, ctensor3s, ctensor4s = _plurals("complex64")
zscalars, zvectors, zmatrices, zrows, zcols, ztensor3s, ztensor4s = _plurals("complex128")
