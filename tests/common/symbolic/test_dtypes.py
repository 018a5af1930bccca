"""The dtype that a variable declares is that of the array which a function returns for it."""

import itertools

import numpy as np
import pytest

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic.elementwise import ELEMENTWISE

DTYPES = ["bool", "int8", "int32", "int64", "float32", "float64"]
FLOATS = ["float32", "float64"]
NUMBERS = [True, 2, 0.5]  # which take the dtype of the array that they meet
ARRAYS = [np.float64(0.5), np.array(2, "int8"), np.array([2, 1], "float32")]  # which don't
floatX = pytest.mark.parametrize("floatX", FLOATS)
ndims = pytest.mark.parametrize("ndim", [0, 1], ids=["number", "vector"])


def numpy_rule(*operands):
    """Return what NumPy makes of the operands."""
    return np.result_type(*(getattr(x, "dtype", x) for x in operands))


def arithmetic(*operands):
    dtype = numpy_rule(*operands)
    return np.dtype("int8") if dtype.kind == "b" else dtype


def fraction(*operands):
    dtype = numpy_rule(*operands)
    return dtype if dtype.kind == "f" else np.dtype(T.config.floatX)


def truth(*operands):
    return np.dtype(bool)


UNARY = {
    **{name: (ELEMENTWISE[name], arithmetic) for name in ("neg", "sgn", "sqr", "relu")},
    "abs": (abs, numpy_rule),
    "not_": (T.invert, truth),
    **{
        name: (ELEMENTWISE[name], fraction)
        for name in (
            *("sqrt", "floor", "ceil", "exp", "expm1", "log", "log1p", "log2", "log10", "sin"),
            *("cos", "tan", "tanh", "sigmoid", "softplus"),
        )
    },
}
BINARY = {
    "add": (lambda a, b: a + b, arithmetic),
    "sub": (lambda a, b: a - b, arithmetic),
    "mul": (lambda a, b: a * b, arithmetic),
    "true_div": (lambda a, b: a / b, fraction),
    "int_div": (lambda a, b: a // b, arithmetic),
    "mod": (lambda a, b: a % b, arithmetic),
    "pow": (lambda a, b: a**b, arithmetic),
    "maximum": (T.maximum, numpy_rule),
    "minimum": (T.minimum, numpy_rule),
    "lt": (lambda a, b: a < b, truth),
    "le": (lambda a, b: a <= b, truth),
    "gt": (lambda a, b: a > b, truth),
    "ge": (lambda a, b: a >= b, truth),
    "eq": (T.eq, truth),
    "neq": (T.neq, truth),
    "and_": (T.and_, truth),
    "or_": (T.or_, truth),
    "switch": (lambda a, b: T.switch(T.eq(1, 1), a, b), numpy_rule),
}
REDUCTIONS = {
    "sum": (T.sum, lambda x: np.empty(0, x.dtype).sum().dtype),
    "mean": (T.mean, fraction),
    "var": (T.var, fraction),
    "std": (T.std, fraction),
    "max": (T.max, numpy_rule),
    "min": (T.min, numpy_rule),
    "argmax": (T.argmax, lambda x: np.dtype("int64")),
    "argmin": (T.argmin, lambda x: np.dtype("int64")),
}
NETWORKS = {
    "relu": (T.nnet.relu, arithmetic),
    "relu with a slope": (lambda x: T.nnet.relu(x, 0.1), lambda x: numpy_rule(x, 0.1)),
    "softmax": (T.nnet.softmax, fraction),
    "log_softmax": (T.nnet.log_softmax, fraction),
}


def variable(dtype, ndim):
    return T.TensorType(dtype, [False] * ndim)(f"{dtype}_{ndim}")


def value_for(x):
    """Ones, of which a function can be called with all: no division by 0, no overflow."""
    return np.ones((2,) * x.ndim, x.dtype)


def assert_dtypes(outputs, inputs, expected=None):
    """Compare the dtypes that `outputs` declare with those of their values, and with `expected`."""
    declared = [y.dtype for y in outputs]
    if expected is not None:
        assert declared == list(expected)
    f = theano.function(inputs, outputs, on_unused_input="ignore")
    results = f(*map(value_for, inputs))
    assert [result.dtype for result in results] == declared


def test_each_elementwise_operation_is_in_a_table():
    assert set(ELEMENTWISE) == set(UNARY) | set(BINARY)


@floatX
@ndims
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one(name, ndim, floatX):
    T.config.floatX = floatX
    operation, rule = UNARY[name]
    inputs = [variable(dtype, ndim) for dtype in DTYPES]
    with np.errstate(divide="ignore"):
        assert_dtypes(list(map(operation, inputs)), inputs, map(rule, inputs))


@floatX
@ndims
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two(name, ndim, floatX):
    T.config.floatX = floatX
    operation, rule = BINARY[name]
    inputs = [variable(dtype, ndim) for dtype in DTYPES]
    others = [variable(dtype, 1) for dtype in DTYPES]
    pairs = list(itertools.product(inputs, others))
    assert_dtypes(
        [operation(a, b) for a, b in pairs], inputs + others, [rule(a, b) for a, b in pairs]
    )


@floatX
@ndims
@pytest.mark.parametrize("constants", [NUMBERS, ARRAYS], ids=["numbers", "arrays"])
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_a_variable_and_a_constant(name, constants, ndim, floatX):
    T.config.floatX = floatX
    operation, rule = BINARY[name]
    inputs = [variable(dtype, ndim) for dtype in DTYPES]
    pairs = list(itertools.product(inputs, constants))
    pairs += [(b, a) for a, b in pairs]
    assert_dtypes([operation(a, b) for a, b in pairs], inputs, [rule(a, b) for a, b in pairs])


@floatX
@pytest.mark.parametrize("name", [*REDUCTIONS, *NETWORKS])
def test_reductions_and_networks(name, floatX):
    T.config.floatX = floatX
    operation, rule = (REDUCTIONS | NETWORKS)[name]
    inputs = [variable(dtype, 2) for dtype in DTYPES]
    assert_dtypes(list(map(operation, inputs)), inputs, map(rule, inputs))
    if name in REDUCTIONS:
        assert_dtypes([operation(x, axis=0) for x in inputs], inputs, map(rule, inputs))


@floatX
@pytest.mark.parametrize("ndims", [(1, 1), (2, 1), (1, 2), (2, 2), (0, 1)], ids=str)
def test_dot(ndims, floatX):
    T.config.floatX = floatX
    first, second = ([variable(dtype, n) for dtype in DTYPES] for n in ndims)
    pairs = list(itertools.product(first, second))
    rule = arithmetic if 0 in ndims else numpy_rule
    assert_dtypes([T.dot(a, b) for a, b in pairs], first + second, [rule(*p) for p in pairs])


def test_outer_and_concatenate():
    inputs = [variable(dtype, 1) for dtype in DTYPES]
    pairs = list(itertools.product(inputs, inputs))
    assert_dtypes([T.outer(a, b) for a, b in pairs], inputs, [numpy_rule(*p) for p in pairs])
    assert_dtypes([T.concatenate(p) for p in pairs], inputs, [numpy_rule(*p) for p in pairs])


@floatX
def test_shapes_and_parts_keep_the_dtype(floatX):
    T.config.floatX = floatX
    inputs = [variable(dtype, 2) for dtype in DTYPES]
    operations = [
        *(lambda x: x.T, lambda x: x.flatten(), lambda x: x.reshape((4, 1)), lambda x: x[0]),
        *(lambda x: x[0, 1], lambda x: x[::2, None], lambda x: x[[0, 1, 0]], T.zeros_like),
        *(T.ones_like, lambda x: T.switch(x > 0, x, x)),
    ]
    for operation in operations:
        assert_dtypes([operation(x) for x in inputs], inputs, [x.dtype for x in inputs])


@pytest.mark.parametrize("to", DTYPES)
def test_cast(to):
    inputs = [variable(dtype, n) for dtype in DTYPES for n in (0, 1)]
    dtypes = [np.dtype(to)] * len(inputs)
    assert_dtypes([T.cast(x, to) for x in inputs], inputs, dtypes)
    assert_dtypes([x.astype(to) for x in inputs], inputs, dtypes)
    assert_dtypes([T.zeros_like(x, to) for x in inputs], inputs, dtypes)
    assert_dtypes([T.cast(number, to) for number in NUMBERS], [], dtypes[:3])


@floatX
def test_cast_to_floatX(floatX):
    T.config.floatX = floatX
    x = T.ivector()
    assert_dtypes([T.cast(x, "floatX")], [x], [np.dtype(floatX)])


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", *FLOATS])
def test_arange(dtype):
    n = variable(dtype, 0)
    assert_dtypes([T.arange(n), T.arange(n, 2 * n), T.arange(n, 3, 2), T.arange(0, n)], [n])


def test_arange_of_numbers():
    outputs = [T.arange(3), T.arange(1, 7, 2), T.arange(0.5), T.arange(0, 1.5)]
    assert_dtypes(outputs, [], map(np.dtype, ["int64", "int64", "float64", "float64"]))


# Plain numbers, and lengths, which are plain numbers too, don't turn float32 into float64.

KEEP_FLOAT32 = {
    "x * 0.5": lambda x: x * 0.5,
    "2 / x": lambda x: 2 / x,
    "x ** 2": lambda x: x**2,
    "2 ** x": lambda x: 2**x,
    "x > 0": lambda x: (x > 0) * x,
    "sum / length": lambda x: x.sum() / x.shape[0],
    "sum / (length - 1)": lambda x: x.sum() / (x.shape[0] - 1),
    "sum / half of the length": lambda x: x.sum() / (x.shape[0] / 2),
    "x * (length > 1)": lambda x: x * (x.shape[0] > 1),
    "x + length * 0.5": lambda x: x + x.shape[0] * 0.5,
    "mean": lambda x: x.mean(),
    "var": lambda x: x.var(axis=0),
    "clip": lambda x: T.clip(x, 0, 0.5),
    "switch": lambda x: T.switch(x > 0, x, 0.0),
    "maximum": lambda x: T.maximum(0, x),
    "relu": lambda x: T.nnet.relu(x, 0.1),
    "cross-entropy": lambda x: T.nnet.binary_crossentropy(x / 4, x / 8),
    "labels": lambda x: T.nnet.categorical_crossentropy(x[None] / 4, T.arange(1)),
    "1 - x": lambda x: 1.0 - T.nnet.sigmoid(x),
    "log(1 + exp)": lambda x: T.log(1.0 + T.exp(x)),
}


@floatX
@pytest.mark.parametrize("name", KEEP_FLOAT32)
def test_float32_is_kept(name, floatX):
    T.config.floatX = floatX
    x = T.fvector()
    y = KEEP_FLOAT32[name](x)
    float32 = np.dtype("float32")
    gradient = T.grad(y.sum(), x)
    second = T.grad(T.sum(gradient**2), x, disconnected_inputs="ignore")
    assert_dtypes([y, gradient, second], [x], [float32] * 3)


@floatX
def test_numbers_made_of_lengths(floatX):
    T.config.floatX = floatX
    x = T.dvector()
    n = x.shape[0]
    assert_dtypes([n, n * 2, n // 2, n % 2, -n, n > 1, T.eq(n, 2), n * 0.5, n / 2, x.shape], [x])


def test_negative_power_of_a_length_is_an_error_as_of_whole_numbers_in_numpy():
    x = T.dvector()
    with pytest.raises(ValueError, match="negative integer powers"):
        theano.function([x], x.shape[0] ** -1)(np.ones(2))


def test_comparison_with_a_number_that_does_not_fit():
    x = T.bvector()
    assert theano.function([x], x < 300)(np.ones(2, np.int8)).all()


# Gradients.


@floatX
@pytest.mark.parametrize("name", [n for n in UNARY if ELEMENTWISE[n].smooth])
def test_gradients_of_functions_of_one(name, floatX):
    T.config.floatX = floatX
    operation, _ = UNARY[name]
    for x in [variable(dtype, 1) for dtype in FLOATS]:
        assert_dtypes([T.grad(T.sum(operation(x)), x)], [x], [x.dtype])


@floatX
@pytest.mark.parametrize("name", [n for n in BINARY if ELEMENTWISE[n].smooth])
def test_gradients_of_functions_of_two(name, floatX):
    T.config.floatX = floatX
    operation, _ = BINARY[name]
    inputs = [variable(dtype, 1) for dtype in DTYPES]
    others = [variable(dtype, 0) for dtype in DTYPES]  # they are spread out, and summed up again
    gradients = {}
    for a, b in itertools.product(inputs, others):
        y = operation(a, b)
        if y.dtype.kind == "f":
            wrt = [x for x in (a, b) if x.dtype.kind == "f"]
            for x, g in zip(wrt, T.grad(T.sum(y), wrt), strict=True):
                gradients[a, b, x] = g
    assert_dtypes(list(gradients.values()), inputs + others, [x.dtype for *_, x in gradients])


@pytest.mark.parametrize("name", ["sum", "mean", "var", "max", "softmax", "log_softmax"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_gradients_of_reductions_and_networks(name, dtype):
    operation, _ = (REDUCTIONS | NETWORKS)[name]
    x = variable(dtype, 2)
    assert_dtypes([T.grad(T.sum(operation(x)), x)], [x], [x.dtype])


@pytest.mark.parametrize("dtype", FLOATS)
def test_gradients_of_shapes_and_parts(dtype):
    x = variable(dtype, 2)
    operations = [
        *(lambda x: x.T, lambda x: x.flatten(), lambda x: x[0], lambda x: x[[0, 1, 0]]),
        *(lambda x: T.concatenate([x, x]), lambda x: T.cast(x, "float64")),
        *(lambda x: T.cast(x, "float32"), lambda x: T.dot(x, np.ones(2)), lambda x: x @ x),
        *(lambda x: x[T.arange(x.shape[0]), T.arange(2)], lambda x: x.sum() + x[::2].sum()),
    ]
    assert_dtypes([T.grad(T.sum(f(x)), x) for f in operations], [x], [x.dtype] * len(operations))


@floatX
@pytest.mark.parametrize("dtype", ["bool", "int8", "int64"])
def test_gradients_by_whole_numbers_are_real(dtype, floatX):
    T.config.floatX = floatX
    x, y = variable(dtype, 1), T.fvector()
    costs = [T.sum(T.exp(x)), T.sum(x * y), T.sum(x / 2), T.sum(0.5 * x), T.sum(T.floor(x))]
    gradients = [T.grad(cost, x) for cost in costs]
    assert {g.dtype.kind for g in gradients} == {"f"}
    assert_dtypes(gradients, [x, y])


def test_derivative_by_a_whole_number_is_that_by_a_real_one():
    x = T.ivector()
    gradient = theano.function([x], T.grad(T.sum(T.exp(x) + x * 0.5), x))
    np.testing.assert_allclose(gradient([0, 1, 2]), np.exp([0, 1, 2]) + 0.5)


@floatX
def test_constructors_without_a_dtype_take_floatX(floatX):
    T.config.floatX = floatX
    assert T.vector().dtype == T.matrix().dtype == floatX
    assert T.dvector().dtype == "float64"
    assert T.fvector().dtype == "float32"


def test_floatX_is_reset_between_tests():
    assert T.config.floatX == "float64"
