import numpy as np
import pytest

import common.symbolic.tensor as T
from common.symbolic import function, pp, shared

equal, close = np.testing.assert_array_equal, np.testing.assert_allclose

# The value.

SELF_TYPED = [True, 0.5, 1j, np.int64(1), np.float32(1), (1, 2.5), np.zeros((0, 3), "i1")]
SMALLEST = [(2**7 - 1, "int8"), (-(2**7), "int8"), (2**7, "int16"), (2**15, "int32")]
SMALLEST += [(2**31, "int64"), (-(2**63), "int64"), (2**63, "uint64"), (2**64 - 1, "uint64")]


def test_values_decide_dtype_and_axes():
    made = [(T.constant(value), value, dtype) for value, dtype in SMALLEST]
    made += [(shared(value), value, "int64") for value in (0, [[1], [2]])]
    for make in (shared, T.constant):
        made += [(make(value), value, np.asarray(value).dtype) for value in SELF_TYPED]
    for x, value, dtype in made:
        assert (x.dtype, x.ndim) == (dtype, np.ndim(value))
        result = getattr(x, "get_value", x.eval)()
        assert type(result) is np.ndarray
        equal(result, value)


NO_NUMBERS = ["a", None, object(), ["a"], [None], {}, [[1.0], [2.0, 3.0]], 2**70]


@pytest.mark.parametrize(
    "make",
    [
        *(shared, T.constant, pp, lambda value: function([], [value])),
        lambda value: T.as_tensor_variable([T.dscalar(), value]),
    ],
)
def test_what_is_not_made_of_numbers_is_refused(make):
    for value in NO_NUMBERS:
        with pytest.raises(TypeError, match=r"numbers, got|fit into 64 bits"):
            make(value)
    with pytest.raises(TypeError, match="weight"):
        shared(T.dscalar("weight"))


METHODS = (
    "x.T; x.transpose(); x.transpose(2, 0, 1); x.transpose([0, 2, 1]); x.reshape(6, 4); "
    "x.reshape([4, -1]); x.ravel(); x.clip(2, 9); +x; x.take([1, 0], 1); x.repeat(2, 1); "
    "x.max(1); x[0].diagonal(); 2**-x; 7 // (1 + x); 7 % (1 + x); 2 - x"
)


def test_methods_are_those_of_numpy_and_theano():
    x, value = T.dtensor3("x"), np.arange(24.0).reshape(2, 3, 4)
    for method in METHODS.split("; "):
        close(eval(method).eval({x: value}), eval(method, {"x": value}))
    close(x.dimshuffle(0, "x", 2, 1).eval({x: value}), value.transpose(0, 2, 1)[:, None])
    close(x.dimshuffle([2, 1, 0]).eval({x: value}), value.T)
    close(x.norm(2).eval({x: value}), np.sqrt((value**2).sum()))


def test_lists_with_variables_are_stacked():
    x, w = T.dscalar("x"), shared(np.arange(3.0))
    equal(T.as_tensor_variable([[x, 1], (2.0, w[2])]).eval({x: 5.0}), [[5, 1], [2, 2]])
    assert T.sum([x, w[1], 3]).eval({x: 5.0}) == 9


@pytest.mark.parametrize("name", [3, True, b"x", ["x"], T.dscalar])
def test_name_must_be_a_string(name):
    with pytest.raises(TypeError, match="name"):
        T.dscalar(name)
    with pytest.raises(TypeError, match="name of a shared variable must be a string, got"):
        shared(np.ones(2), name)


@pytest.mark.parametrize("options", [{}, {"borrow": False}, {"borrow": True}])
def test_arrays_are_shared_only_if_they_are_borrowed(options):
    borrow = options.get("borrow", False)
    first, second = np.zeros(3), np.zeros(3)
    w = shared(first, **options)
    first[0] = 1
    assert w.get_value()[0] == borrow
    w.set_value(second, **options)
    second[0] = 1
    assert w.get_value()[0] == borrow
    w.get_value(**options)[1] = 1
    assert w.get_value()[1] == borrow
    value = w.get_value(borrow=True)
    value += 1
    w.set_value(value, borrow=True)
    equal((w * 2).eval(), 2 * value)


def test_strict_and_broadcastable():
    w = shared(np.zeros((1, 2)), strict=True, broadcastable=(False, False))
    assert w.broadcastable == (False, False)
    with pytest.raises(TypeError, match="float64"):
        w.set_value(np.zeros((1, 2), np.float32))
    w.set_value(np.ones((3, 2)))
    for axes in ((True, False), (False,)):
        with pytest.raises(TypeError, match="shape"):
            shared(np.zeros((2, 3)), broadcastable=axes)


def test_functions_work_with_other_sizes():
    x, w = T.dvector("x"), shared(np.ones(2), name="w")
    zeros = T.grad(x.sum(), w, disconnected_inputs="ignore")
    f = function([x], [(w * x).sum(), T.grad((w**2 * x).sum(), w), zeros], updates={w: w + 1})
    assert f([1, 2])[0] == 3
    w.set_value(np.ones(3))
    total, *gradients = f([1, 2, 3])
    assert total == 6
    equal(gradients, [[2, 4, 6], [0, 0, 0]])
    grow = function([], w.shape[0], updates={w: T.concatenate([w, w])})
    assert [int(grow()) for _ in range(3)] == [3, 6, 12]
    equal(w.get_value(), np.full(24, 2))


# Updates.


def test_updates_keep_the_dtype():
    x, w, n = T.dvector("x"), shared(np.ones(2, np.float32)), shared(np.int8(1))
    f = function([], [w, n], updates={w: w * 0.5 + 1, n: n + 1})
    first = [*f(), w.get_value(), n.get_value(borrow=True)]
    for result, dtype, value in zip(first, ["float32", "int8"] * 2, [1, 1, 1.5, 2], strict=True):
        assert (type(result), result.dtype) == (np.ndarray, dtype)
        equal(result, np.full_like(result, value))
    function([x], [], updates={w: T.cast(w - x, "float32"), n: n > 2})([1, 2])
    equal(w.get_value(), np.float32([0.5, -0.5]))
    assert n.get_value() == 0  # False is a number


@pytest.mark.parametrize(
    ("updates", "error", "message"),
    [
        (lambda w: {w: T.dvector("v")}, TypeError, r"update of weight must be .*\?, \?"),
        (lambda w: {w: w.sum()}, TypeError, "update of weight must be"),
        (lambda w: {w: w - T.dmatrix()}, TypeError, "weight.*float32.*float64.*cast"),
        (lambda w: {T.dmatrix("x"): w}, TypeError, "updates must be of shared variables"),
        (lambda w: {w * 2: w}, TypeError, "updates must be of shared variables"),
        (lambda w: {"w": w}, TypeError, "updates must be of shared variables"),
        (lambda w: w, TypeError, "updates must be a dict or a list of pairs, got weight"),
        (lambda w: [w, w], TypeError, "updates must be a dict or a list of pairs"),
        (lambda w: [(w, w, w)], TypeError, "updates must be a dict or a list of pairs"),
        (lambda w: [(w, w + 1), (w, w + 2)], ValueError, "updates have weight twice"),
    ],
)
def test_updates_are_checked_when_the_function_is_made(updates, error, message):
    w = shared(np.ones((2, 2), np.float32), name="weight")
    with pytest.raises(error, match=message):
        function([], [], updates=updates(w))
    equal(w.get_value(), np.ones((2, 2)))
