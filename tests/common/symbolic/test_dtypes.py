"""One dtype rule, Theano's: what a variable declares is what the compiled program returns."""

import itertools

import numpy as np
import pytest

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic.elementwise import ELEMENTWISE, Elementwise
from common.symbolic.graph import Variable

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


RULE = {
    "bool": "eq(ivector(), 1); eq(ivector(), 1) + eq(ivector(), 1)",
    "int8": "switch(bvector(), 1, 0)",
    "int16": "bvector() + 300",
    "int64": "ivector() + 2**40; constant(2) * 3; imatrix().sum(); imatrix().sum(axis=[]); "
    "arange(iscalar(), iscalar(), iscalar()); dmatrix().shape[0]; fmatrix().argmax()",
    "float32": "fvector() * 0.1; fvector() * 100_000; exp(bvector()); exp(wvector()); "
    "fmatrix().mean(); arange(fscalar())",
    "float64": "ivector() * 0.5; fvector() + ivector(); exp(ivector()); exp(2); imatrix().mean(); "
    "fmatrix().mean(dtype='float64')",
    "floatX": "bvector() * 0.5; exp(2.0); ivector() / ivector(); matrix(dtype='floatX')",
}


@pytest.mark.parametrize("floatX", ["float32", "float64"])
@pytest.mark.parametrize(
    ("text", "expected"), [(t, dtype) for dtype, texts in RULE.items() for t in texts.split("; ")]
)
def test_the_rule(text, expected, floatX):
    T.config.floatX = floatX
    dtype = eval(text, dict(vars(T))).dtype
    assert type(dtype) is str  # so that dtype.startswith("int") works
    assert dtype == (floatX if expected == "floatX" else expected)


def test_small_integers_neither_overflow_nor_lose_accuracy():
    x, b, i = T.dscalar("x"), T.bscalar("b"), T.ivector("i")
    assert (b + 300).eval({b: 1}) == 301
    assert (i + 2**40).eval({i: [1]}) == 2**40 + 1
    assert T.grad(2**x, x).eval({x: 0.0}) == np.log(2)
    assert T.grad(b**x, x).eval({x: 0.0, b: 100}) == np.log(100)


def test_float16_and_unknown_kinds_are_refused():
    for make in (T.matrix, lambda dtype: T.cast(2, dtype), lambda dtype: T.zeros((3,), dtype)):
        with pytest.raises(TypeError, match="float16 isn't supported"):
            make(dtype="float16")
    with pytest.raises(TypeError, match="float16 isn't supported"):
        theano.shared(np.ones(3, "float16"))
    with pytest.raises(ValueError, match="kind must be None, 'float' or 'bool', got 'int'"):
        Elementwise("new", "{0}", "int")
