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


@pytest.mark.parametrize("floatX", ["float32", "float64"])
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: T.bvector() + 300, "int16"),
        (lambda: T.ivector() + 2**40, "int64"),
        (lambda: T.constant(2) * 3, "int64"),
        (lambda: T.switch(T.bvector(), 1, 0), "int8"),
        (lambda: T.fvector() * 0.1, "float32"),
        (lambda: T.fvector() * 100_000, "float32"),
        (lambda: T.bvector() * 0.5, "floatX"),
        (lambda: T.ivector() * 0.5, "float64"),
        (lambda: T.fvector() + T.ivector(), "float64"),
        (lambda: T.exp(T.bvector()), "float32"),
        (lambda: T.exp(T.wvector()), "float32"),
        (lambda: T.exp(T.ivector()), "float64"),
        (lambda: T.exp(2), "float64"),
        (lambda: T.exp(2.0), "floatX"),
        (lambda: T.ivector() / T.ivector(), "floatX"),
        (lambda: T.imatrix().sum(), "int64"),
        (lambda: T.imatrix().sum(axis=[]), "int64"),
        (lambda: T.fmatrix().mean(), "float32"),
        (lambda: T.imatrix().mean(), "float64"),
        (lambda: T.fmatrix().mean(dtype="float64"), "float64"),
        (lambda: T.arange(T.fscalar()), "float32"),
        (lambda: T.arange(T.iscalar(), T.iscalar(), T.iscalar()), "int64"),
        (lambda: T.eq(T.ivector(), 1), "bool"),
        (lambda: T.eq(T.ivector(), 1) + T.eq(T.ivector(), 1), "bool"),
        (lambda: T.dmatrix().shape[0], "int64"),
        (lambda: T.fmatrix().argmax(), "int64"),
        (lambda: T.matrix(dtype="floatX"), "floatX"),
    ],
)
def test_the_rule(make, expected, floatX):
    T.config.floatX = floatX
    assert make().dtype == (floatX if expected == "floatX" else expected)


def test_small_integers_neither_overflow_nor_lose_accuracy():
    x, b, i = T.dscalar("x"), T.bscalar("b"), T.ivector("i")
    assert (b + 300).eval({b: 1}) == 301
    assert (i + 2**40).eval({i: [1]}) == 2**40 + 1
    assert T.grad(2**x, x).eval({x: 0.0}) == np.log(2)
    assert T.grad(b**x, x).eval({x: 0.0, b: 100}) == np.log(100)


def test_float16_and_unknown_kinds_are_refused():
    for make in (lambda: T.TensorType("float16", ())(), lambda: T.cast(T.dscalar(), "float16")):
        with pytest.raises(TypeError, match="float16 isn't supported"):
            make()
    with pytest.raises(TypeError, match="float16"):
        theano.shared(np.ones(3, "float16"))
    with pytest.raises(ValueError, match="kind must be None, 'float' or 'bool', got 'int'"):
        Elementwise("new", "{0}", "int")


def test_dtype_is_a_string():
    x = T.ivector()
    assert x.dtype.startswith("int")
    assert "a" + x.dtype == "aint32"
    assert {"int32": 1}[x.dtype] == 1
