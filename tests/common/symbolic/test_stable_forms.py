"""Formulas that overflow as they are written, and are rewritten as others that don't.

What must come out is known in closed form: log σ(x) = −log(1 + exp(−x)) is NumPy's logaddexp.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic.codegen import Program

few = settings(max_examples=25, deadline=None, database=None, derandomize=True)
FLOATS = ["float32", "float64"]
POINTS = [-1000.0, -40.0, -1.5, 0.0, 1.5, 40.0, 1000.0]
TOLERANCE = {"float32": 1e-6, "float64": 1e-13}


def sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


def log_sigmoid(x):
    return -np.logaddexp(0, -x)


def ones(x):
    return np.ones_like(x)


# The formula as people write it, its value, and its derivative.
BY_ENTRY = {
    "log(sigmoid(x))": (lambda x: T.log(T.nnet.sigmoid(x)), log_sigmoid, lambda x: sigmoid(-x)),
    "log(1 - sigmoid(x))": (
        *(lambda x: T.log(1 - T.nnet.sigmoid(x)), lambda x: log_sigmoid(-x)),
        lambda x: -sigmoid(x),
    ),
    "log(1 + exp(x))": (*(lambda x: T.log(1 + T.exp(x)), lambda x: np.logaddexp(0, x), sigmoid),),
    "log(exp(x) + 1)": (lambda x: T.log(T.exp(x) + 1.0), lambda x: np.logaddexp(0, x), sigmoid),
    "log(1 + exp(-x))": (
        *(lambda x: T.log(1 + T.exp(-x)), lambda x: np.logaddexp(0, -x)),
        lambda x: -sigmoid(-x),
    ),
    "log1p(exp(x))": (lambda x: T.log1p(T.exp(x)), lambda x: np.logaddexp(0, x), sigmoid),
    "log(exp(x))": (lambda x: T.log(T.exp(x)), lambda x: x, ones),
    "log(1 / (1 + exp(-x)))": (
        *(lambda x: T.log(1 / (1 + T.exp(-x))), log_sigmoid, lambda x: sigmoid(-x)),
    ),
    "softplus(x)": (T.nnet.softplus, lambda x: np.logaddexp(0, x), sigmoid),
}
# Those lose no more than digits, or warn: their values are right even as they are written.
BOUNDED = {
    "1 - sigmoid(x)": (
        *(lambda x: 1 - T.nnet.sigmoid(x), lambda x: sigmoid(-x)),
        lambda x: -sigmoid(x) * sigmoid(-x),
    ),
    "1 / (1 + exp(-x))": (
        *(lambda x: 1 / (1 + T.exp(-x)), sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    ),
    "1 / (exp(x) + 1)": (
        *(lambda x: 1.0 / (T.exp(x) + 1), lambda x: sigmoid(-x)),
        lambda x: -sigmoid(x) * sigmoid(-x),
    ),
    "sigmoid(x)": (T.nnet.sigmoid, sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "tanh(x)": (T.tanh, np.tanh, lambda x: 1 - np.tanh(x) ** 2),
}


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def log_softmax(x):
    return x - np.logaddexp.reduce(x, axis=-1, keepdims=True)


def pick(x, labels):
    return x[np.arange(len(x)), labels]


def binary(x, t):
    """Return −t log σ(x) − (1 − t) log σ(−x)."""
    return -(t * log_sigmoid(x) + (1 - t) * log_sigmoid(-x))


SCORES = np.array(
    [[1000.0, -1000.0, 0.0], [-1000.0, 1000.0, 40.0], [0.0, 40.0, -40.0], [0.0, 0.0, 0.0]]
)
LABELS = np.array([1, 0, 2, 1])
ONE_HOT = np.eye(3)[LABELS]
PARTLY = np.array([[0.0, 0.25, 1.0], [1.0, 0.5, 0.0], [0.5, 0.5, 1.0], [0.0, 1.0, 0.25]])
N = len(SCORES)


def mean_of_log_likelihood(x, t):
    p = T.nnet.softmax(x)
    return -T.mean(T.log(p)[T.arange(t.shape[0]), t])


# The loss as people write it, its targets, its value, and its derivative by the scores.
LOSSES = {
    "mean negative log-likelihood": (
        *(mean_of_log_likelihood, LABELS),
        lambda x: -pick(log_softmax(x), LABELS).mean(),
        lambda x: (softmax(x) - ONE_HOT) / N,
    ),
    "log of the probabilities that are picked": (
        lambda x, t: -T.log(T.nnet.softmax(x)[T.arange(t.shape[0]), t]).sum(),
        LABELS,
        lambda x: -pick(log_softmax(x), LABELS).sum(),
        lambda x: softmax(x) - ONE_HOT,
    ),
    "categorical_crossentropy of labels": (
        *(lambda x, t: T.nnet.categorical_crossentropy(T.nnet.softmax(x), t).mean(), LABELS),
        lambda x: -pick(log_softmax(x), LABELS).mean(),
        lambda x: (softmax(x) - ONE_HOT) / N,
    ),
    "categorical_crossentropy of one-hot labels": (
        *(lambda x, t: T.nnet.categorical_crossentropy(T.nnet.softmax(x), t).sum(), ONE_HOT),
        lambda x: -(ONE_HOT * log_softmax(x)).sum(),
        lambda x: softmax(x) - ONE_HOT,
    ),
    "sum of log(softmax)": (
        *(lambda x, t: -(t * T.log(T.nnet.softmax(x))).sum(), ONE_HOT),
        lambda x: -(ONE_HOT * log_softmax(x)).sum(),
        lambda x: softmax(x) - ONE_HOT,
    ),
    "binary_crossentropy": (
        *(lambda x, t: T.nnet.binary_crossentropy(T.nnet.sigmoid(x), t).sum(), PARTLY),
        lambda x: binary(x, PARTLY).sum(),
        lambda x: sigmoid(x) - PARTLY,
    ),
    "binary_crossentropy by hand": (
        lambda x, t: T.mean(
            -t * T.log(1 / (1 + T.exp(-x))) - (1 - t) * T.log(1 - 1 / (1 + T.exp(-x)))
        ),
        PARTLY,
        lambda x: binary(x, PARTLY).mean(),
        lambda x: (sigmoid(x) - PARTLY) / PARTLY.size,
    ),
    "log_softmax": (
        *(lambda x, t: -(t * T.nnet.log_softmax(x)).sum(), ONE_HOT),
        lambda x: -(ONE_HOT * log_softmax(x)).sum(),
        lambda x: softmax(x) - ONE_HOT,
    ),
}


def as_written(inputs, outputs, *values):
    """Return what NumPy makes of the expressions as they are, without any rewriting."""
    with np.errstate(all="ignore"):
        return Program(inputs, outputs).run(*values)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", [*BY_ENTRY, *BOUNDED])
def test_value_and_gradient_far_from_0(name, dtype):
    formula, value, derivative = (BY_ENTRY | BOUNDED)[name]
    x, number = T.TensorType(dtype, [False])("x"), T.TensorType(dtype, [])("number")
    y = formula(x)
    points = np.array(POINTS)
    result, gradient = theano.function([x], [y, T.grad(y.sum(), x)])(points.astype(dtype))
    f = theano.function([number], [formula(number), T.grad(formula(number), number)])
    np.testing.assert_array_equal([f(p) for p in points], np.stack([result, gradient], axis=1))
    if name in BY_ENTRY and name != "softplus(x)":  # else the rewrite isn't what is tested
        assert not np.isfinite(as_written([x], [y], points.astype(dtype))[0]).all()
    assert result.dtype == gradient.dtype == dtype
    np.testing.assert_allclose(result, value(points), rtol=TOLERANCE[dtype], atol=1e-40)
    np.testing.assert_allclose(gradient, derivative(points), rtol=1e-6, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradient_far_from_0(ref, name, dtype):
    formula, targets, value, derivative = LOSSES[name]
    targets = targets if targets.dtype.kind == "i" else targets.astype(dtype)
    x = T.TensorType(dtype, [False, False])("x")
    t = T.TensorType(targets.dtype, [False] * targets.ndim)("t")
    cost = formula(x, t)
    f = theano.function([x, t], [cost, T.grad(cost, x)])
    result, gradient = f(SCORES.astype(dtype), targets)
    assert result.dtype == gradient.dtype == dtype
    ref.assert_close(result, value(SCORES), TOLERANCE[dtype])
    ref.assert_close(gradient, derivative(SCORES), TOLERANCE[dtype], scale=1)


def test_1_minus_sigmoid_keeps_its_digits():
    x = T.dscalar("x")
    y = 1 - T.nnet.sigmoid(x)
    assert as_written([x], [y], np.float64(40))[0] == 0
    np.testing.assert_allclose(theano.function([x], y)(40), np.exp(-40), rtol=1e-14)


numbers = st.floats(-8, 8, width=32)


@pytest.mark.parametrize("name", [*BY_ENTRY, *BOUNDED])
@given(points=st.lists(numbers, min_size=1, max_size=6))
@few
def test_rewriting_keeps_ordinary_values(ref, name, points):
    formula, value, derivative = (BY_ENTRY | BOUNDED)[name]
    x = T.dvector("x")
    y = formula(x)
    points = np.array(points)
    result, gradient = theano.function([x], [y, T.grad(y.sum(), x)])(points)
    ref.assert_close(result, as_written([x], [y], points)[0], 1e-12, scale=1)
    ref.assert_close(result, value(points), 1e-13, scale=1)
    ref.assert_close(gradient, derivative(points), 1e-12, scale=1)


def test_gradient_by_the_probabilities_is_that_of_the_logarithm():
    """Rewriting log(softmax(x)) takes p away, but not from who asks for the derivative by it."""
    x, t = T.dmatrix("x"), T.lvector("t")
    p = T.nnet.softmax(x)
    cost = -T.log(p)[T.arange(t.shape[0]), t].sum()
    by_p, by_x = T.grad(cost, [p, x])
    points = np.random.default_rng(0).normal(size=(4, 3))
    probabilities, by_p, by_x = theano.function([x, t], [p, by_p, by_x])(points, LABELS)
    np.testing.assert_allclose(probabilities, softmax(points), rtol=1e-13)
    np.testing.assert_allclose(by_p, -ONE_HOT / softmax(points), rtol=1e-13)
    np.testing.assert_allclose(by_x, softmax(points) - ONE_HOT, atol=1e-13)


@pytest.mark.parametrize("dtype", FLOATS)
def test_gradient_by_a_sigmoid_is_that_of_the_logarithm(dtype):
    x = T.TensorType(dtype, [False])("x")
    y = T.nnet.sigmoid(x)
    points = np.array([-3, -0.5, 0, 2], dtype)
    gradient = theano.function([x], T.grad(T.log(y).sum(), y))(points)
    np.testing.assert_allclose(gradient, 1 / sigmoid(points), rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_log_of_softmax_of_any_number_of_axes(ref, axes):
    x = T.TensorType("float64", [False] * axes)("x")
    points = np.random.default_rng(0).normal(size=(2, 4, 3)[-axes:]) * 500
    y = T.log(T.nnet.softmax(x))
    result, gradient = theano.function([x], [y, T.grad(y.sum(), x)])(points)
    ref.assert_close(result, log_softmax(points), 1e-13)
    ref.assert_close(gradient, 1 - 3 * softmax(points), 1e-12)


def test_second_derivative_far_from_0(ref):
    x, t = T.dmatrix("x"), T.lvector("t")
    gradient = T.grad(mean_of_log_likelihood(x, t), x)
    direction = np.random.default_rng(0).normal(size=SCORES.shape)
    f = theano.function([x, t], T.grad(T.sum(direction * gradient), x), on_unused_input="ignore")
    y = softmax(SCORES)
    expected = y * (direction - (direction * y).sum(axis=1, keepdims=True)) / N
    ref.assert_close(f(SCORES, LABELS), expected, 1e-13)


COMPLEX = {
    "log(exp z)": (lambda z: T.log(T.exp(z)), lambda z: np.log(np.exp(z))),
    "log(1 + exp z)": (lambda z: T.log(1 + T.exp(z)), lambda z: np.log(1 + np.exp(z))),
    "1 / (1 + exp z)": (lambda z: 1 / (1 + T.exp(z)), lambda z: 1 / (1 + np.exp(z))),
    "softmax": (lambda z: T.exp(z) / T.sum(T.exp(z)), lambda z: np.exp(z) / np.exp(z).sum()),
    "logsumexp": (lambda z: T.log(T.sum(T.exp(z))), lambda z: np.log(np.exp(z).sum())),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_numbers_are_computed_as_written(name):
    """The logarithm of exp z isn't z where the imaginary part exceeds π."""
    make, expected = COMPLEX[name]
    z, points = T.zvector("z"), np.array([1 + 5j, 2 - 4j])
    np.testing.assert_allclose(make(z).eval({z: points}), expected(points))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda x: T.exp(x) / (1 + T.exp(2 * x)), 0.0),  # two exponentials that aren't equal
        (lambda x: T.exp(x) / (2 + T.exp(x)), np.e / (2 + np.e)),
        (lambda x: T.log(2 + x), np.log(3)),
        (lambda x: 1 - 2 * T.nnet.sigmoid(x), 1 - 2 / (1 + np.exp(-1))),
        (lambda x: (1 + T.exp(x)) ** -2, (1 + np.e) ** -2),
    ],
)
def test_formulas_that_only_look_like_stable_forms_stay(make, expected):
    x = T.dscalar("x")
    expected = expected or np.e / (1 + np.e**2)
    np.testing.assert_allclose(make(x).eval({x: 1.0}), expected)
    np.testing.assert_allclose(make(T.constant(1.0)).eval(), expected)


def test_constants_that_overflow_alike_are_not_equal():
    """Both powers are folded to [inf, 1], but the quotient isn't the softmax of one vector."""
    a, b = T.exp(np.array([1000.0, 0.0])), T.exp(np.array([2000.0, 0.0]))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal((a / T.sum(b)).eval(), [np.nan, 0])
        np.testing.assert_array_equal((a / T.sum(a)).eval(), [1, 0])


def test_a_quotient_by_sums_of_other_axes_is_no_softmax():
    m, at = T.dmatrix("m"), np.array([[0.1, 0.2], [0.3, -0.5]])
    powers = np.exp(at)
    for axis, total in ((1, powers.sum(1)), (0, powers.sum(0))):
        quotient = T.exp(m) / T.sum(T.exp(m), axis=axis)
        np.testing.assert_allclose(quotient.eval({m: at}), powers / total)
