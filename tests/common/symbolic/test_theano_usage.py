"""Scripts as Theano's first tutorials teach them; only the lines of their imports differ."""

from itertools import pairwise

import numpy as np
import pytest

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic import In, function, pp, shared

# The values that the design promises.


def test_twice_an_integer():
    x = T.lscalar()
    result = function([x], x * 2)(3)
    assert result == 6
    assert result.dtype == np.int64


def test_givens_put_expressions_and_numbers_in_place_of_variables():
    x, y, c = T.dscalars("x", "y", "c")
    assert function([c], x * 2 + y, givens=[(x, c * 10), (y, 5)])(2) == 45


def test_gradients_of_a_square():
    x, y = T.dscalars("x", "y")
    z = (x + 2 * y) ** 2
    assert function([x, y], T.grad(z, y))(1, 2) == 20
    assert function([x, y], T.grad(z, x))(1, 2) == 10


def test_shared_variable_takes_another_length():
    x = T.lscalar("x")
    b = shared(np.array([1, 2, 3, 4, 5]))
    f = function([x], b * x)
    np.testing.assert_array_equal(f(2), [2, 4, 6, 8, 10])
    b.set_value([10, 11, 12])
    np.testing.assert_array_equal(f(2), [20, 22, 24])


def test_counter_returns_what_it_was_before_the_update():
    c = shared(0)
    count = function([], c, updates={c: c + 1})
    assert [int(count()) for _ in range(4)] == [0, 1, 2, 3]
    assert c.get_value() == 4


def test_gradient_descent_on_one_number():
    x = T.dvector("x")
    c = shared(0.0, name="c")
    y = T.sum((x - c) ** 2)
    gc = T.grad(y, c)
    step = function([x], y, updates={c: c - 0.05 * gc})
    for cost, after in [(55, 1.5), (21.25, 2.25), (12.8125, 2.625)]:
        assert step([1, 2, 3, 4, 5]) == cost
        assert c.get_value() == after


# Baby steps.


def test_adding_two_scalars():
    x = T.dscalar("x")
    y = T.dscalar("y")
    z = x + y
    f = function([x, y], z)
    assert f(2, 3) == 5.0
    assert isinstance(f(2, 3), np.ndarray)
    assert f(2, 3).dtype == np.float64
    assert np.allclose(f(16.3, 12.1), 28.4)
    assert np.allclose(z.eval({x: 16.3, y: 12.1}), 28.4)
    assert pp(z) == "(x + y)"


def test_the_type_of_a_variable_can_be_looked_at():
    x = T.dscalar("x")
    assert x.type == T.dscalar
    assert repr(x.type) == repr(T.dscalar) == "TensorType(float64, scalar)"
    assert (x.name, str(x.dtype), x.ndim) == ("x", "float64", 0)


def test_the_type_of_a_variable_is_its_constructor():
    assert T.dscalar("x").type == T.dscalar


def test_drawing_is_there_and_nothing_else_that_is_not():
    x = T.dscalar("x")
    assert "x" in [text.get_text() for text in theano.draw(x * 2).axes[0].texts]
    with pytest.raises(AttributeError, match="sketch"):
        _ = theano.sketch


def test_adding_two_matrices():
    x = T.dmatrix("x")
    y = T.dmatrix("y")
    f = function([x, y], x + y)
    expected = [[11.0, 22.0], [33.0, 44.0]]
    np.testing.assert_array_equal(f([[1, 2], [3, 4]], [[10, 20], [30, 40]]), expected)
    arrays = np.array([[1, 2], [3, 4]]), np.array([[10, 20], [30, 40]])
    np.testing.assert_array_equal(f(*arrays), expected)


def test_a_polynomial_of_vectors():
    a = T.vector()
    b = T.vector()
    f = function([a, b], a**2 + b**2 + 2 * a * b)
    np.testing.assert_array_equal(f([1, 2], [4, 5]), [25.0, 49.0])
    np.testing.assert_array_equal(function([a], a + a**10)([0, 1, 2]), [0.0, 2.0, 1026.0])


def test_variables_are_made_by_their_kind_or_in_the_plural():
    x, y = T.dmatrices("x", "y")
    assert (x.name, y.name, x.ndim, str(x.dtype)) == ("x", "y", 2, "float64")
    assert [v.ndim for v in T.fvectors(3)] == [1, 1, 1]
    assert str(T.iscalar("i").dtype) == "int32"
    assert str(T.scalar("s", dtype="float32").dtype) == "float32"


# More examples.

LOGISTIC = np.array([[0.5, 0.73105858], [0.26894142, 0.11920292]])


def test_logistic_function_both_ways():
    x = T.dmatrix("x")
    s = 1 / (1 + T.exp(-x))
    s2 = (1 + T.tanh(x / 2)) / 2
    for expression in (s, s2):
        np.testing.assert_allclose(
            function([x], expression)([[0, 1], [-1, -2]]), LOGISTIC, atol=1e-8
        )


def test_several_outputs_at_once():
    a, b = T.dmatrices("a", "b")
    diff = a - b
    f = function([a, b], [diff, abs(diff), diff**2])
    result = f([[1, 1], [1, 1]], [[0, 1], [2, 3]])
    assert isinstance(result, list)
    np.testing.assert_array_equal(result[0], [[1.0, 0.0], [-1.0, -2.0]])
    np.testing.assert_array_equal(result[1], [[1.0, 0.0], [1.0, 2.0]])
    np.testing.assert_array_equal(result[2], [[1.0, 0.0], [1.0, 4.0]])


def test_default_value_of_an_input():
    x, y = T.dscalars("x", "y")
    f = function([x, In(y, value=1)], x + y)
    assert f(33) == 34
    assert f(33, 2) == 35


def test_keyword_arguments_and_a_name_for_them():
    x, y, w = T.dscalars("x", "y", "w")
    f = function([x, In(y, value=1), In(w, value=2, name="w_by_name")], (x + y) * w)
    assert f(33) == 68
    assert f(33, 2) == 70
    assert f(33, 0, 1) == 33
    assert f(33, w_by_name=1) == 34
    assert f(33, w_by_name=1, y=0) == 33
    assert f(y=0, x=33) == 66


def test_accumulator():
    state = theano.shared(0)
    inc = T.iscalar("inc")
    accumulator = theano.function([inc], state, updates=[(state, state + inc)])
    assert state.get_value() == 0
    assert accumulator(1) == 0
    assert state.get_value() == 1
    assert accumulator(300) == 1
    assert state.get_value() == 301

    state.set_value(-1)
    assert accumulator(3) == -1
    assert state.get_value() == 2

    decrementor = theano.function([inc], state, updates=[(state, state - inc)])
    assert decrementor(2) == 2
    assert state.get_value() == 0


def test_givens_can_leave_a_shared_variable_out():
    state = theano.shared(0)
    inc = T.iscalar("inc")
    foo = T.scalar(dtype=state.dtype)
    skip_shared = theano.function([inc, foo], state * 2 + inc, givens=[(state, foo)])
    assert skip_shared(1, 3) == 7
    assert state.get_value() == 0


def test_logistic_regression_by_updates():
    rng = np.random.default_rng(0)
    n, feats = 100, 20
    data = rng.standard_normal((n, feats)), rng.integers(size=n, low=0, high=2)

    x = T.dmatrix("x")
    y = T.dvector("y")
    w = theano.shared(rng.standard_normal(feats), name="w")
    b = theano.shared(0.0, name="b")
    first_w = w.get_value()

    p_1 = 1 / (1 + T.exp(-T.dot(x, w) - b))
    prediction = p_1 > 0.5
    xent = -y * T.log(p_1) - (1 - y) * T.log(1 - p_1)
    cost = xent.mean() + 0.01 * (w**2).sum()
    gw, gb = T.grad(cost, [w, b])
    train = theano.function(
        inputs=[x, y],
        outputs=[prediction, cost],
        updates=((w, w - 0.1 * gw), (b, b - 0.1 * gb)),
    )
    predict = theano.function(inputs=[x], outputs=prediction)
    costs = [train(*data)[1] for _ in range(200)]

    assert all(later < earlier for earlier, later in pairwise(costs))
    np.testing.assert_array_equal(predict(data[0]), train(*data)[0])
    assert np.mean(predict(data[0]) == data[1]) > 0.7

    # The same by hand.
    hand_w, hand_b = first_w, 0.0
    for _ in range(201):
        error = 1 / (1 + np.exp(-data[0] @ hand_w - hand_b)) - data[1]
        hand_w = hand_w - 0.1 * (data[0].T @ error / n + 0.02 * hand_w)
        hand_b = hand_b - 0.1 * error.mean()
    np.testing.assert_allclose(w.get_value(), hand_w, rtol=1e-9)
    np.testing.assert_allclose(b.get_value(), hand_b, rtol=1e-9)


def test_mini_batches_of_shared_data_by_givens():
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((3, 5))
    labels = rng.integers(0, 3, 60)
    images = centres[labels] + 0.3 * rng.standard_normal((60, 5))
    train_x = theano.shared(np.asarray(images, dtype=theano.config.floatX), borrow=True)
    train_y = T.cast(theano.shared(np.asarray(labels, dtype=theano.config.floatX)), "int32")

    index = T.lscalar()
    x = T.matrix("x")
    y = T.ivector("y")
    W = theano.shared(value=np.zeros((5, 3), dtype=theano.config.floatX), name="W", borrow=True)
    b = theano.shared(value=np.zeros((3,), dtype=theano.config.floatX), name="b", borrow=True)
    p_y_given_x = T.nnet.softmax(T.dot(x, W) + b)
    y_pred = T.argmax(p_y_given_x, axis=1)
    cost = -T.mean(T.log(p_y_given_x)[T.arange(y.shape[0]), y])
    errors = T.mean(T.neq(y_pred, y))
    g_W = T.grad(cost=cost, wrt=W)
    g_b = T.grad(cost=cost, wrt=b)
    batch_size = 20
    givens = {
        x: train_x[index * batch_size : (index + 1) * batch_size],
        y: train_y[index * batch_size : (index + 1) * batch_size],
    }
    train_model = theano.function(
        inputs=[index],
        outputs=cost,
        updates=[(W, W - 0.5 * g_W), (b, b - 0.5 * g_b)],
        givens=givens,
    )
    test_model = theano.function(inputs=[index], outputs=errors, givens=givens)

    assert train_model(0) == pytest.approx(np.log(3))
    for _ in range(30):
        for i in range(3):
            last = train_model(i)
    assert last < 0.2
    assert np.mean([test_model(i) for i in range(3)]) < 0.1


def test_training_in_float32_stays_in_float32(monkeypatch):
    monkeypatch.setattr(theano.config, "floatX", "float32")
    x = T.matrix("x")
    w = theano.shared(np.ones((3, 2), dtype=theano.config.floatX), name="w")
    cost = T.nnet.sigmoid(T.dot(x, w)).sum() * 0.5
    train = function([x], cost, updates=[(w, w - 0.1 * T.grad(cost, w))])
    assert train(np.ones((4, 3), dtype=np.float32)).dtype == np.float32
    assert w.get_value().dtype == np.float32


# Derivatives.


def test_derivative_of_a_square():
    x = T.dscalar("x")
    y = x**2
    gy = T.grad(y, x)
    f = theano.function([x], gy)
    assert f(4) == 8.0
    assert np.allclose(f(94.2), 188.4)
    assert "x" in pp(gy)
    [optimized] = f.maker.fgraph.outputs
    assert optimized.eval({x: 4}) == 8.0
    assert "**" not in pp(optimized)
    assert len(pp(optimized)) <= len("(2.0 * x)") + 2


def test_derivative_of_the_logistic_function():
    x = T.dmatrix("x")
    s = T.sum(1 / (1 + T.exp(-x)))
    dlogistic = function([x], T.grad(s, x))
    expected = [[0.25, 0.19661193], [0.19661193, 0.10499359]]
    np.testing.assert_allclose(dlogistic([[0, 1], [-1, -2]]), expected, atol=1e-8)


def test_second_derivatives_entry_by_entry():
    x = T.dvector("x")
    gy = T.grad((x**3).sum(), x)
    hessian = function([x], [T.grad(gy[i], x) for i in range(2)])
    np.testing.assert_array_equal(hessian([4, 5]), [[24.0, 0.0], [0.0, 30.0]])


# Conditions, shapes, printing.


def test_switch_chooses_by_a_comparison():
    a, b = T.scalars("a", "b")
    x, y = T.matrices("x", "y")
    f = theano.function([a, b, x, y], T.switch(T.lt(a, b), T.mean(x), T.mean(y)))
    big1, big2 = np.ones((10, 10)), np.full((10, 10), 2.0)
    assert f(0.0, 1.0, big1, big2) == 1.0
    assert f(1.0, 0.0, big1, big2) == 2.0


def test_row_is_broadcast_over_a_matrix():
    r = T.row()
    m = T.matrix()
    f = theano.function([r, m], r + m)
    np.testing.assert_array_equal(f([[1, 2, 3]], [[0, 0, 0], [1, 1, 1]]), [[1, 2, 3], [2, 3, 4]])


def test_names_of_theano_that_first_scripts_use():
    x = T.dscalar("x")
    assert theano.pp(x * 2) == theano.printing.pp(x * 2) == "(x * 2)"
    assert "mul" in theano.printing.debugprint(x * 2, file="str")
    assert theano.tensor is T
    assert T.config is theano.config
    assert theano.grad is T.grad
    assert T.as_tensor_variable([1.0, 2.0]).eval().tolist() == [1.0, 2.0]
    assert T.constant(3).eval() == 3
