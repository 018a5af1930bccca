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


def test_shared_variable_takes_another_size():
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


def test_names_of_the_package():
    x = T.dscalar("x")
    assert theano.pp(x * 2) == theano.printing.pp(x * 2) == "(x * 2)"
    assert theano.tensor is T
    assert T.config is theano.config
    assert theano.grad is T.grad
    assert T.as_tensor_variable([1.0, 2.0]).eval().tolist() == [1.0, 2.0]
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


KINDS = {
    "scalar": (),
    "vector": (False,),
    "matrix": (False, False),
    "row": (True, False),
    "col": (False, True),
    "tensor3": (False,) * 3,
    "tensor4": (False,) * 4,
}
PREFIXES = {"": "float64", "b": "int8", "w": "int16", "i": "int32", "l": "int64"}
PREFIXES |= {"f": "float32", "d": "float64", "c": "complex64", "z": "complex128"}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_constructors_of_variables(prefix):
    for kind, axes in KINDS.items():
        x = getattr(T, prefix + kind)("x")
        assert (x.name, x.dtype, x.broadcastable) == ("x", PREFIXES[prefix], axes)
        assert x.type == getattr(T, prefix + kind) == T.TensorType(x.dtype, axes)
        plural = prefix + ("matrices" if kind == "matrix" else kind + "s")
        a, b = getattr(T, plural)("ab")
        assert (a.name, b.name, a.type, b.type) == ("a", "b", x.type, x.type)
        assert [v.name for v in getattr(T, plural)(3)] == [None] * 3
        assert [v.name for v in getattr(T, plural)("left", "right")] == ["left", "right"]


def test_constructors_follow_floatX():
    theano.config.floatX = "float32"
    assert T.vector().dtype == T.matrix(dtype="floatX").dtype == "float32"
    assert T.vector("v", dtype="float64").dtype == T.dvector().dtype == "float64"
    with pytest.raises(ValueError, match="floatX"):
        theano.config.floatX = "float16"
    with pytest.raises(AttributeError, match="flaotX"):
        theano.config.flaotX = "float32"
    with pytest.raises(TypeError, match="float16"):
        T.vector(dtype="float16")


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
