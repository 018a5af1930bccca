"""Formulas that overflow as they are written, and are rewritten in stable forms.

The right values are known in closed form: log σ(x) = −log(1 + exp(−x)) is NumPy's logaddexp.
"""

import re
from functools import partial

import numpy as np
import pytest

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic.codegen import Program
from common.symbolic.elementwise import Elementwise

nnet = T.nnet
FLOATS = ["float32", "float64"]
POINTS = np.array([-1000.0, -40.0, -1.5, 0.0, 0.7, 1.5, 40.0, 1000.0])
TOLERANCE = {"float32": 1e-6, "float64": 1e-13}


def sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


# Functions with their derivatives.
SIGMOID = sigmoid, lambda x: sigmoid(x) * sigmoid(-x)
LOG_SIGMOID = lambda x: -np.logaddexp(0, -x), lambda x: sigmoid(-x)
SOFTPLUS = lambda x: np.logaddexp(0, x), sigmoid
TANH = np.tanh, lambda x: 1 - np.tanh(x) ** 2
IDENTITY = lambda x: x, np.ones_like
LOG2, LOG10 = float(np.log(2)), float(np.log(10))

# The same value, written in another way.
SAME = {
    "y": lambda y: y,
    "y + 0": lambda y: y + 0,
    "0.0 + y": lambda y: 0.0 + y,
    "y - 0": lambda y: y - 0,
    "y + zeros": lambda y: y + T.zeros_like(y),
    "y * 1": lambda y: y * 1,
    "ones * y": lambda y: T.ones_like(y) * y,
    "y / 1": lambda y: y / 1,
    "y ** 1": lambda y: y**1.0,
    "-(-y)": lambda y: T.neg(-y),
    "-1 * -y": lambda y: -1 * -y,
    "copy": lambda y: y.copy(),
    "turned": lambda y: y.T.T,
    "several": lambda y: -(1 * -((y + T.zeros(y.shape)) ** 1)) / T.constant(1.0),
}

# Formulas as people write them, with identities between their parts, and what they are. Those that
# are bounded lose no more than digits, or warn: their values are right even as they are written.
OVERFLOWING = {
    "log(sigmoid(x))": (lambda x, same: T.log(same(nnet.sigmoid(same(x)))), LOG_SIGMOID),
    "log(1 - sigmoid(-x))": (lambda x, same: T.log(same(1 - same(nnet.sigmoid(-x)))), LOG_SIGMOID),
    "log(1 / (1 + exp(-x)))": (lambda x, same: T.log(same(1 / same(1 + T.exp(-x)))), LOG_SIGMOID),
    "log(1 - 1 / (1 + exp(x)))": (lambda x, same: T.log(1 - 1 / same(1 + T.exp(x))), LOG_SIGMOID),
    "log(1 + exp(x))": (lambda x, same: T.log(same(1 + same(T.exp(x)))), SOFTPLUS),
    "log(exp(x) + 1)": (lambda x, same: T.log(same(T.exp(x)) + 1.0), SOFTPLUS),
    "log1p(exp(x))": (lambda x, same: T.log1p(same(T.exp(x))), SOFTPLUS),
    "log(exp(x))": (lambda x, same: T.log(same(T.exp(same(x)))), IDENTITY),
    "log2(1 + exp(x))": (lambda x, same: LOG2 * T.log2(same(1 + T.exp(x))), SOFTPLUS),
    "log10(sigmoid(x))": (lambda x, same: LOG10 * T.log10(same(nnet.sigmoid(x))), LOG_SIGMOID),
    "log(-sigmoid(-x) + 1)": (lambda x, same: T.log(-same(nnet.sigmoid(-x)) + 1), LOG_SIGMOID),
    "log(-(sigmoid(-x) - 1))": (lambda x, same: T.log(-same(nnet.sigmoid(-x) - 1)), LOG_SIGMOID),
    "exp(x) / (1 + exp(x))": (lambda x, same: same(T.exp(x)) / same(1 + T.exp(same(x))), SIGMOID),
}
BOUNDED = {
    "1 - sigmoid(-x)": (lambda x, same: 1 - same(nnet.sigmoid(-x)), SIGMOID),
    "-sigmoid(-x) + 1": (lambda x, same: -same(nnet.sigmoid(-x)) + 1, SIGMOID),
    "-(sigmoid(-x) - 1)": (lambda x, same: -same(nnet.sigmoid(-x) - 1), SIGMOID),
    "1 / (1 + exp(-x))": (lambda x, same: 1 / same(1 + T.exp(-x)), SIGMOID),
    "1.0 / (exp(-x) + 1)": (lambda x, same: 1.0 / (same(T.exp(-x)) + 1), SIGMOID),
    "inv(1 + exp(-x))": (lambda x, same: T.inv(same(1 + T.exp(-x))), SIGMOID),
    "(1 + exp(-x)) ** -1": (lambda x, same: same(1 + T.exp(-x)) ** -1, SIGMOID),
    "sigmoid(x)": (lambda x, same: nnet.sigmoid(same(x)), SIGMOID),
    "softplus(x)": (lambda x, same: nnet.softplus(same(x)), SOFTPLUS),
    "tanh(x)": (lambda x, same: T.tanh(same(x)), TANH),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", [*OVERFLOWING, *BOUNDED])
def test_value_and_gradient_far_from_0(name, dtype):
    make, (value, derivative) = (OVERFLOWING | BOUNDED)[name]
    formula = partial(make, same=SAME["y"])
    x, number = T.TensorType(dtype, [False])("x"), T.TensorType(dtype, [])("number")
    y = formula(x)
    result, gradient = theano.function([x], [y, T.grad(y.sum(), x)])(POINTS.astype(dtype))
    f = theano.function([number], [formula(number), T.grad(formula(number), number)])
    np.testing.assert_array_equal([f(p) for p in POINTS], np.stack([result, gradient], axis=1))
    constant = formula(T.constant(POINTS.astype(dtype))).eval()
    np.testing.assert_allclose(constant, result, rtol=TOLERANCE[dtype])
    if name in OVERFLOWING:  # else the rewrite isn't what is tested
        with np.errstate(all="ignore"):
            assert not np.isfinite(Program([x], [y]).run(POINTS.astype(dtype))).all()
    assert result.dtype == gradient.dtype == dtype
    np.testing.assert_allclose(result, value(POINTS), rtol=TOLERANCE[dtype], atol=1e-40)
    np.testing.assert_allclose(gradient, derivative(POINTS), rtol=1e-6, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("how", SAME)
@pytest.mark.parametrize("name", [*OVERFLOWING, *BOUNDED])
def test_values_and_gradients_are_stable_in_spite_of_identities(name, how):
    formula, (value, derivative) = (OVERFLOWING | BOUNDED)[name]
    x = T.dvector("x")
    y = formula(x, SAME[how])
    result, gradient = theano.function([x], [y, T.grad(y.sum(), x)])(POINTS)
    np.testing.assert_allclose(result, value(POINTS), rtol=1e-13, atol=1e-40)
    np.testing.assert_allclose(gradient, derivative(POINTS), rtol=1e-6, atol=1e-13)
    small = POINTS < 0
    np.testing.assert_allclose(gradient[small], derivative(POINTS)[small], rtol=1e-6, atol=1e-40)


def log_softmax(x):
    return x - np.logaddexp.reduce(x, axis=-1, keepdims=True)


SCORES = np.array(
    [[1000.0, -1000.0, 0.0], [-1000.0, 1000.0, 40.0], [0.0, 40.0, -40.0], [0.0, 0.0, 0.0]]
)
N = len(SCORES)
LABELS = np.array([1, 0, 2, 1])
ONE_HOT = np.eye(3)[LABELS]
PARTLY = np.array([[0.0, 0.25, 1.0], [1.0, 0.5, 0.0], [0.5, 0.5, 1.0], [0.0, 1.0, 0.25]])


def by_hand(p, t):
    return (-t * T.log(p) - (1 - t) * T.log(1 - p)).sum()


# Losses as people write them: of the scores, of what that gives, and targets.
LOSSES = {
    "mean": (nnet.softmax, lambda p, t: -N * T.mean(T.log(p)[T.arange(t.shape[0]), t]), LABELS),
    "log of picked": (nnet.softmax, lambda p, t: -T.log(p[T.arange(N), t]).sum(), LABELS),
    "of labels": (nnet.softmax, lambda p, t: nnet.categorical_crossentropy(p, t).sum(), LABELS),
    "of one-hot": (nnet.softmax, lambda p, t: nnet.categorical_crossentropy(p, t).sum(), ONE_HOT),
    "log": (nnet.softmax, lambda p, t: -(t * T.log(p)).sum(), ONE_HOT),
    "log2": (nnet.softmax, lambda p, t: -LOG2 * (t * T.log2(p)).sum(), ONE_HOT),
    "log10": (nnet.softmax, lambda p, t: -LOG10 * (t * T.log10(p)).sum(), ONE_HOT),
    "log_softmax": (nnet.log_softmax, lambda log_p, t: -(t * log_p).sum(), ONE_HOT),
    "binary": (nnet.sigmoid, lambda p, t: nnet.binary_crossentropy(p, t).sum(), PARTLY),
    "by hand": (lambda x: 1 / (1 + T.exp(-x)), by_hand, PARTLY),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_derivatives_far_from_0(ref, name, dtype):
    activation, loss, targets = LOSSES[name]
    x = T.TensorType(dtype, [False, False])("x")
    t = T.TensorType("int64" if targets is LABELS else dtype, [False] * targets.ndim)("t")
    cost = loss(activation(x), t)
    first, direction = T.grad(cost, x), np.random.default_rng(0).normal(size=SCORES.shape)
    second = T.grad(T.sum(direction.astype(dtype) * first), x)
    f = theano.function([x, t], [cost, first, second], on_unused_input="ignore")
    results = f(SCORES.astype(dtype), targets.astype(t.dtype))
    assert {result.dtype.name for result in results} == {dtype}
    if targets is PARTLY:
        log_p, log_q = (LOG_SIGMOID[0](z) for z in (SCORES, -SCORES))
        p, value = sigmoid(SCORES), -PARTLY * log_p - (1 - PARTLY) * log_q
        curvature = p * sigmoid(-SCORES) * direction
    else:
        p, value = ref.softmax(SCORES), -ONE_HOT * log_softmax(SCORES)
        curvature = p * (direction - (direction * p).sum(axis=1, keepdims=True))
    expected = value.sum(), p - (PARTLY if targets is PARTLY else ONE_HOT), curvature
    for result, e in zip(results, expected, strict=True):
        ref.assert_close(result, e, TOLERANCE[dtype], scale=1)


def softmax_by_hand(z, same):
    return same(T.exp(z)) / same(T.sum(same(T.exp(same(z))), axis=1, keepdims=True))


@pytest.mark.parametrize("how", SAME)
@pytest.mark.parametrize("softmax", [lambda z, same: nnet.softmax(z), softmax_by_hand])
def test_log_softmax_is_stable_in_spite_of_identities(softmax, how):
    x, same = T.dmatrix("x"), SAME[how]
    y = T.log(same(softmax(same(x), same)))
    value, gradient = theano.function([x], [y, T.grad(T.sum(ONE_HOT * y), x)])(SCORES)
    np.testing.assert_allclose(value, log_softmax(SCORES))
    np.testing.assert_allclose(gradient, ONE_HOT - np.exp(log_softmax(SCORES)), atol=1e-15)


def test_long_expressions_that_are_written_twice_are_equal():
    def written(x):
        for _ in range(200):
            x = T.sin(x) + x
        return T.exp(1000 * x)

    x = T.dscalar("x")
    y = written(x) / (1 + written(x))
    f = theano.function([x], [y, T.grad(y, x)])
    assert f(1.0) == [1, 0]


def test_variables_to_differentiate_with_respect_to_stay_apart():
    """Stable forms see neither through them, nor do equal ones become one."""
    x, log2 = T.dscalar("x"), np.log(2)
    p, q = nnet.sigmoid(x) + 0, nnet.sigmoid(x) + 0
    y, z, a, b = T.log(nnet.sigmoid(x)), T.log(nnet.sigmoid(x)), 2 * x, 2 * x
    for cost, wrt, expected in (
        (T.log(p) * q, [p, q, x], [1, -log2, (1 - log2) / 4]),
        (y * z * y, [y, z, x], [2 * log2**2, log2**2, 1.5 * log2**2]),
        (T.log(nnet.sigmoid(a)) + 3 * T.log(nnet.sigmoid(b)), [a, b, x], [0.5, 1.5, 4]),
    ):
        gradients = theano.function([x], T.grad(cost, wrt))(0.0)
        np.testing.assert_allclose(gradients, expected, rtol=1e-14)
    h = T.sin(x) * 800
    for y in (T.log(nnet.sigmoid(h)), T.log(nnet.sigmoid(h + 0)) + 0):
        assert theano.function([x], T.grad(y, [y, h, x]))(-np.pi / 2)[:2] == [1, 1]


def test_second_derivatives_with_respect_to_what_is_stable_or_computed_from_it():
    x = T.dscalar("x")
    soft, log = T.log(1 + T.exp(x)), T.log(nnet.sigmoid(x))
    for y in (soft, 2 * soft, log, log * x):
        gradients = T.grad(y**3, [y, x])
        second = T.grad(gradients[0], y), T.grad(gradients[1], y), T.grad(gradients[0], x)
        expected = 6 * y, 6 * y * T.grad(y, x), 6 * y * T.grad(y, x)
        values = theano.function([x], [*second, *expected])(3.0)
        np.testing.assert_allclose(values[:3], values[3:], rtol=1e-13)
    y = T.stack([soft, log])
    assert (T.hessian(T.sum(y**3), y).eval({x: 800.0}) == [[4800, 0], [0, 0]]).all()


def test_a_function_of_the_users_own_called_exp_is_another():
    x, exp = T.dvector("x"), Elementwise("exp", "np.exp(np.minimum({0}, 0))", "float")
    y = exp(x)
    values = theano.function([x], [T.log(T.sum(y)), y / T.sum(y)])([1.0, 2.0])
    np.testing.assert_allclose(np.hstack(values), [np.log(2), 0.5, 0.5])


def test_a_largest_element_that_is_kept_is_found_in_what_it_is_the_largest_of():
    x = T.dvector("x")
    largest = T.max(T.log(nnet.sigmoid(x)))
    gradients = T.grad(largest, [largest, x])
    for values in np.linspace(-3, 3, 100).reshape(25, 4):
        _, g = Program([x], gradients).run(values)
        np.testing.assert_allclose(g, [0, 0, 0, 1 / (1 + np.exp(values[-1]))])


def test_gradient_of_a_stable_form_that_is_written_twice():
    x = T.dscalar("x")
    twice = T.log(nnet.sigmoid(x)) + T.log(nnet.sigmoid(x))
    assert T.grad(twice, x).eval({x: -800.0}) == 2


def test_what_is_found_only_when_the_rest_is_rewritten():
    x, i = T.dvector("x"), T.lscalar("i")
    p = nnet.sigmoid(x)
    assert T.log(theano.gradient.disconnected_grad(p)).eval({x: [-800.0]}) == -800
    assert T.log(nnet.softmax(SCORES)[0][i]).eval({i: 1}) == -2000
    for _ in range(2000):  # more than Python's stack holds
        p = p[::-1]
    assert T.log(p).eval({x: [-800.0]}) == -800


def test_an_error_names_the_line_of_what_was_rewritten():
    x = T.dvector("x")
    y = T.log(nnet.sigmoid(x).reshape((2, 2)))
    file, line = y.made_at
    f = theano.function([x], y)
    with pytest.raises(ValueError, match=re.escape(f"made at {file}:{line}: ")):
        f([1, 2, 3])


def test_integers_overflow_as_they_are_written():
    b, x = T.bvector("b"), T.dvector("x")
    f = theano.function([b, x], [-b + x, x - -b])
    np.testing.assert_array_equal(f(np.array([-128], np.int8), [0.0]), [[-128], [128]])


# What only looks like a stable form: two exponentials that aren't equal, sums of other axes, and
# complex numbers: the logarithm of exp z isn't z where the imaginary part exceeds π.
POINT, MATRIX, COMPLEX = 1.0, np.array([[0.1, 0.2], [0.3, -0.5]]), np.array([1 + 5j, 2 - 4j])
LOOKALIKES = [
    (lambda m, x: m.exp(x) / (1 + m.exp(2 * x)), POINT),
    (lambda m, x: m.exp(x) / (2 + m.exp(x)), POINT),
    (lambda m, x: m.log(2 + x), POINT),
    (lambda m, x: 1 - 2 / (1 + m.exp(-x)), POINT),
    (lambda m, x: (1 + m.exp(x)) ** -2.0, POINT),
    (lambda m, x: m.exp(m.stack([x, x])) / m.sum(m.exp(m.stack([x, x, x]))), POINT),
    (lambda m, x: m.exp(x) / m.sum(m.exp(x), axis=1), MATRIX),
    (lambda m, x: m.exp(x) / m.sum(m.exp(x), axis=0, keepdims=True).T, MATRIX),
    (lambda m, x: m.exp(x).T / m.sum(m.exp(x), axis=0), MATRIX),
    (lambda m, x: m.exp(x[0]) / m.sum(m.exp(x), axis=1, keepdims=True), MATRIX),
    (lambda m, z: m.log(m.exp(z)), COMPLEX),
    (lambda m, z: m.log(1 + m.exp(z)), COMPLEX),
    (lambda m, z: 1 / (1 + m.exp(z)), COMPLEX),
    (lambda m, z: m.exp(z) / m.sum(m.exp(z)), COMPLEX),
    (lambda m, z: m.log(m.sum(m.exp(z))), COMPLEX),
]


@pytest.mark.parametrize(("make", "at"), LOOKALIKES)
def test_formulas_that_only_look_like_stable_forms_stay(make, at):
    x = T.TensorType(np.asarray(at).dtype.name, [False] * np.ndim(at))("x")
    np.testing.assert_allclose(make(T, x).eval({x: at}), make(np, at))
    np.testing.assert_allclose(make(T, T.constant(at)).eval(), make(np, at))


def test_the_variables_of_users_keep_their_names():
    x = T.dvector("x")
    first, second = x + 1, x + 1
    second.name = "second"
    theano.function([x], [first, second])
    assert first.name is None


def test_a_python_number_in_place_of_a_product():
    assert (T.constant(np.float64(-1)) * 3.0).eval() == -3


def test_constants_that_overflow_alike_are_not_equal():
    """Both exponentials are folded to [inf, 1], but they aren't those of one vector: no softmax."""
    a, b = T.exp(np.array([1000.0, 0.0])), T.exp(np.array([2000.0, 0.0]))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal((a / T.sum(b)).eval(), [np.nan, 0])
        np.testing.assert_array_equal((a / T.sum(a)).eval(), [1, 0])


@pytest.mark.parametrize("operation", ["add", "sub", "mul", "true_div", "pow"])
def test_the_logarithm_of_moved_elements_of_what_was_broadcast(operation):
    m, v, s = T.dmatrix(), T.dvector(), T.dscalar()
    values = {m: np.array([[5.0, 6, 7], [8, 9, 10]]), v: np.array([1.5, 2, 3]), s: 0.5}
    moves = [lambda x: x[0], lambda x: x[..., ::-1], lambda x: x.T, lambda x: x.reshape((-1,))]
    for a, b in ((m, v), (m, s), (v, s), (m, v.dimshuffle("x", 0)), (m, 1 + s)):
        expected = getattr(T, operation)(a, b).eval({x: values[x] for x in (m, v, s)})
        for move in moves:
            result = T.log(move(getattr(T, operation)(a, b)))
            given = {x: values[x] for x in (m, v, s)}
            np.testing.assert_allclose(result.eval(given), np.log(move(expected)))


@np.errstate(divide="ignore")
def test_softmax_and_its_kin_along_an_axis_without_elements():
    m, nothing = T.dmatrix("m"), np.zeros((2, 0))
    powers = T.exp(m)
    for y in (nnet.softmax(m), nnet.log_softmax(m), powers / T.sum(powers, axis=1, keepdims=True)):
        assert y.eval({m: nothing}).shape == (2, 0)
    total = T.log(T.sum(powers, axis=1))
    np.testing.assert_array_equal(total.eval({m: nothing}), [-np.inf, -np.inf])
    assert T.grad(T.sum(total), m).eval({m: nothing}).shape == (2, 0)
