"""One dtype rule, Theano's: what a variable declares is what the compiled program returns."""

import itertools

import numpy as np
import pytest

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic.elementwise import ELEMENTWISE

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "float32", "float64", "complex64"]
OPERANDS = ["bool", "int8", "int32", "int64", "uint8", "float32", "float64"]
NUMBERS = [2, 300, -1, 0.5, 2**40]


def variable(dtype, ndim):
    return T.TensorType(dtype, (False,) * ndim)()


def check(name, operands, inputs):
    """Compare declared and returned dtype, unless there is none, as of −x of booleans."""
    try:
        expression = ELEMENTWISE[name](*operands)
    except TypeError:
        return
    values = [np.ones((2,) * x.ndim, x.dtype) for x in inputs]
    with np.errstate(all="ignore"):
        result = theano.function(inputs, expression, on_unused_input="ignore")(*values)
    assert result.dtype.name == expression.dtype


@pytest.mark.parametrize("floatX", ["float32", "float64"])
@pytest.mark.parametrize("name", [n for n, f in ELEMENTWISE.items() if f.n_inputs < 3])
def test_operations_return_the_dtype_that_they_declare(name, floatX):
    T.config.floatX = floatX
    n = ELEMENTWISE[name].n_inputs
    for dtypes in itertools.product(DTYPES if n == 1 else OPERANDS, repeat=n):
        for ndim in (0, 1):
            inputs = [variable(dtypes[0], ndim), *(variable(d, 1) for d in dtypes[1:])]
            check(name, inputs, inputs)


@pytest.mark.parametrize("floatX", ["float32", "float64"])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "true_div", "maximum", "lt", "pow"])
def test_python_numbers_return_the_dtype_that_they_declare(name, floatX):
    T.config.floatX = floatX
    for dtype, number, ndim in itertools.product(OPERANDS, NUMBERS, (0, 1)):
        x = variable(dtype, ndim)
        if name != "pow" or number in (2, 0.5):
            check(name, (x, number), [x])
            check(name, (number, x), [x])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: T.bvector() + 300, "int16"),
        (lambda: T.ivector() + 2**40, "int64"),
        (lambda: T.fvector() * 0.1, "float32"),
        (lambda: T.fvector() * 100_000, "float32"),
        (lambda: T.ivector() * 0.5, "float64"),
        (lambda: T.fvector() + T.ivector(), "float64"),
        (lambda: T.exp(T.bvector()), "float32"),
        (lambda: T.exp(T.wvector()), "float32"),
        (lambda: T.exp(T.ivector()), "float64"),
        (lambda: T.ivector() / T.ivector(), "float64"),
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
    ],
)
def test_the_rule(make, expected):
    assert make().dtype == expected


def test_reals_of_integers_do_not_depend_on_floatX():
    T.config.floatX = "float32"
    assert T.exp(T.ivector()).dtype == "float64"
    assert T.exp(T.bvector()).dtype == "float32"
    assert (T.ivector() / T.ivector()).dtype == "float32"
    assert (T.bvector() * 0.5).dtype == "float32"
    assert T.grad(T.sum(T.ivector("i") * T.fvector("f")[0]), [T.fvector()], [], "ignore")[0].dtype


def test_overflowing_literals_give_right_values():
    b, i = T.bvector("b"), T.ivector("i")
    assert (b + 300).eval({b: [1]}) == 301
    assert (i + 2**40).eval({i: [1]}) == 2**40 + 1


def test_float16_is_refused():
    for make in (lambda: T.TensorType("float16", ())(), lambda: T.cast(T.dscalar(), "float16")):
        with pytest.raises(TypeError, match="float16 isn't supported"):
            make()
    with pytest.raises(TypeError, match="float16"):
        theano.shared(np.ones(3, "float16"))


def test_dtype_is_a_string():
    x = T.ivector()
    assert x.dtype.startswith("int")
    assert "a" + x.dtype == "aint32"
    assert {"int32": 1}[x.dtype] == 1
    assert T.matrix(dtype="floatX").dtype == "float64"


def test_derivatives_by_way_of_small_integers_are_accurate():
    x, b = T.dscalar("x"), T.bscalar("b")
    assert T.grad(2**x, x).eval({x: 0.0}) == np.log(2)
    assert T.grad(b**x, x).eval({x: 0.0, b: 100}) == np.log(100)
