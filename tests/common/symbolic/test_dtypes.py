"""One dtype rule, Theano's: what a variable declares is what the compiled program returns."""

import itertools
from functools import partial

import numpy as np
import pytest

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic.elementwise import ELEMENTWISE, Elementwise
from common.symbolic.graph import Input, Variable, ancestors

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "float32", "float64", "complex64"]
NUMBERS = [2, 300, -1, 0.5, 2**40]


def variables(dtypes, ndim):
    return [T.TensorType(dtype, (False,) * ndim)() for dtype in dtypes]


@pytest.mark.parametrize("floatX", ["float32", "float64"])
@pytest.mark.parametrize("name", [n for n, f in ELEMENTWISE.items() if f.n_inputs < 3])
def test_operations_return_the_dtype_that_they_declare(name, floatX):
    T.config.floatX = floatX
    few = [dtype for dtype in DTYPES if dtype not in ("int16", "complex64")]
    both = [*variables(few, 0), *variables(few, 1), *NUMBERS], [*variables(few, 1), *NUMBERS]
    one = [[*variables(DTYPES, 0), *variables(DTYPES, 1), *NUMBERS]]
    for operands in itertools.product(*(one if ELEMENTWISE[name].n_inputs == 1 else both)):
        if name == "pow" and -1 in operands:
            continue  # integers have no such powers
        try:
            expression = ELEMENTWISE[name](*operands)
        except TypeError:  # as of −x of booleans
            continue
        values = {x: np.ones((2,) * x.ndim, x.dtype) for x in operands if isinstance(x, Variable)}
        with np.errstate(all="ignore"):
            assert expression.eval(values).dtype.name == expression.dtype


# Expressions by their dtype. One or two numbers stand for every operation that takes them.
RULE = {
    "bool": "eq(ivector(), 1); eq(ivector(), 1) + eq(ivector(), 1); eq(2, 0.5); "
    "diag(tensor('bool', [False]))",
    "int8": "bvector() + 1; switch(bvector(), 1, 0); switch(fvector(), 1, 0); switch(2, 1, 0); "
    "constant(2); fill(dvector(), 2); flatten(2); Print()(2); repeat(2, 2); diag(bvector())",
    "uint8": "diag(tensor('uint8', [False]))",
    "int16": "bvector() + 300; switch(fvector(), bvector(), 300); stack([bscalar(), 300])",
    "int32": "switch(lvector(), ivector(), 3)",
    "int64": "switch(lvector(), ivector(), constant(3, dtype='int64')); "
    "ivector() + 2**40; constant(2) * 3; -constant(2); maximum(1, 2); stack([1, 2]); "
    "imatrix().sum(); imatrix().sum(axis=[]); arange(iscalar(), iscalar(), iscalar()); arange(2); "
    "dmatrix().shape[0]; fmatrix().argmax()",
    "uint64": "abs(constant(2**63)); tensor('uint8', [False]).sum()",
    "float32": "constant(3, dtype='float32'); constant([1, 2.5], dtype='float32'); "
    "fvector() * constant(0.1); fvector() * 0.1; fvector() * 100_000; exp(bvector()); "
    "exp(wvector()); fmatrix().mean(); arange(fscalar()); arange(0, fscalar(), 0.5); "
    "outer(2, fvector()); stack([fscalar(), 0.1, 2**40])",
    "float64": "ivector() * 0.5; ivector() / 0.5; fvector() + ivector(); exp(ivector()); "
    "imatrix().mean(); fmatrix().mean(dtype='float64'); arange(0, iscalar(), 0.5); "
    "stack([iscalar(), 0.5]); dvector() * 0.1; fvector() * constant(0.1, dtype='float64')",
    "floatX": "bvector() * 0.5; bvector() / 0.5; ivector() / ivector(); ivector() / 2; exp(2.0); "
    "exp(2); floor(2); inv(2); constant(1) / 2; constant(100_000) * 0.5; 0.5 - constant(100_000); "
    "constant(2) ** 0.5; constant(7) // 0.5; maximum(100_000, 0.5); "
    "switch(bvector(), 100_000, 0.5); switch(fvector(), 1, 0.5); "
    "nnet.hard_sigmoid(2); nnet.elu(2); nnet.softmax(ivector()); "
    "stack([100_000, 0.5]); arange(0, 1, 0.1); arange(0, bscalar(), 0.5); matrix(dtype='floatX'); "
    "fill(dvector(), 0.5); repeat(0.5, 2); outer(2, 0.5); take(0.5, constant([0]))",
    "complex64": "fvector() * 1j",
    "complex128": "ivector() * 1j; constant(2) * 1j; 0.5 + constant(1j)",
}


@pytest.mark.parametrize("floatX", ["float32", "float64"])
@pytest.mark.parametrize(
    ("text", "expected"), [(t, dtype) for dtype, texts in RULE.items() for t in texts.split("; ")]
)
def test_the_rule(text, expected, floatX):
    T.config.floatX = floatX
    expression = eval(text, dict(vars(T)))
    assert type(expression.dtype) is str  # so that dtype.startswith("int") works
    assert expression.dtype == (floatX if expected == "floatX" else expected)
    inputs = [v for v in ancestors([expression]) if isinstance(v, Input)]
    assert (
        expression.eval({v: np.ones((2,) * v.ndim, v.dtype) for v in inputs}).dtype
        == expression.dtype
    )


def test_small_integers_neither_overflow_nor_lose_accuracy():
    x, b, i = T.dscalar("x"), T.bscalar("b"), T.ivector("i")
    assert (b + 300).eval({b: 1}) == 301
    assert (i + 2**40).eval({i: [1]}) == 2**40 + 1
    assert T.cast(300, "int8").eval() == 44  # modulo 2⁸, as NumPy casts arrays
    constant = T.constant([1, 2.5], name="c", dtype="int64")
    assert (type(constant), constant.name) == (T.TensorConstant, "c")
    np.testing.assert_array_equal(constant.eval(), [1, 2])
    assert T.grad(2**x, x).eval({x: 0.0}) == np.log(2)
    assert T.grad(b**x, x).eval({x: 0.0, b: 100}) == np.log(100)


def test_dtypes_kinds_and_templates_that_are_refused():
    for make in (T.matrix, partial(T.cast, 2), partial(T.zeros, (3,)), partial(T.constant, 1)):
        for dtype in ("float16", "flaot"):
            with pytest.raises(TypeError, match=r"float16 isn't supported|got 'flaot'"):
                make(dtype=dtype)
    for x in (1j, T.zscalar()):
        with pytest.raises(TypeError, match="is complex, so it can't be cast to float32"):
            T.cast(x, "float32")
    with pytest.raises(TypeError, match="float16 isn't supported"):
        theano.shared(np.ones(3, "float16"))
    with pytest.raises(ValueError, match="kind must be None, 'float' or 'bool', got 'int'"):
        Elementwise("new", "{0}", "int")
    with pytest.raises(ValueError, match=r"its first input \{0\}, got 'x \+ 1'"):
        Elementwise("new", "x + 1", "float")
