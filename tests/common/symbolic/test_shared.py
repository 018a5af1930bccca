import copy
import pickle

import numpy as np
import pytest

import common.symbolic.tensor as T
from common.symbolic import function, shared

equal, close = np.testing.assert_array_equal, np.testing.assert_allclose

# The value.


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        *((0, "int64"), (0.0, "float64"), (True, "bool"), (1j, "complex128")),
        *(((1, 2.5), "float64"), (np.float32(1), "float32"), (np.zeros((0, 3)), "float64")),
        (np.zeros((2, 3, 4), np.int8), "int8"),
    ],
)
def test_value_decides_dtype_and_axes(value, dtype):
    w = shared(value, name="w")
    assert (w.dtype, w.ndim, w.name) == (dtype, np.ndim(value), "w")
    assert type(w.get_value()) is np.ndarray
    assert w.get_value().dtype == dtype
    equal(w.get_value(), value)


@pytest.mark.parametrize(
    "value",
    ["a", None, object(), ["a"], [None], 2**70, {}, [[1.0], [2.0, 3.0]], T.dscalar("weight")],
)
def test_value_must_be_numbers(value):
    with pytest.raises(TypeError, match="weight" if isinstance(value, T.Variable) else None):
        shared(value)
    w = shared(np.zeros(2))
    with pytest.raises(TypeError):
        w.set_value(value)


@pytest.mark.parametrize(
    ("number", "dtype"),
    [
        *((2**7 - 1, "int8"), (-(2**7), "int8"), (2**7, "int16"), (2**15, "int32")),
        *((2**31, "int64"), (-(2**63), "int64"), (2**63, "uint64"), (2**64 - 1, "uint64")),
        *((True, "bool"), (0.5, "float64"), (1j, "complex128"), (np.int64(1), "int64")),
    ],
)
def test_dtypes_of_numbers(number, dtype):
    assert T.constant(number).dtype == dtype
    equal(T.constant(number).eval(), number)
    with pytest.raises(TypeError, match="64 bits"):
        T.constant(2**64)


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
    close(x.flatten(outdim=2).eval({x: value}), value.reshape(2, 12))
    close(x.norm(2).eval({x: value}), np.sqrt((value**2).sum()))


def test_lists_with_variables_are_stacked():
    x, w = T.dscalar("x"), shared(np.arange(3.0))
    y = T.as_tensor_variable([[x, 1], (2.0, w[2])])
    equal(y.eval({x: 5.0}), [[5, 1], [2, 2]])
    assert T.sum([x, w[1], 3]).eval({x: 5.0}) == 9
    for wrong in ([x, "a"], [x, None], [[1.0], [2.0, 3.0]]):
        with pytest.raises(TypeError, match="expected a variable, a number or an array"):
            T.as_tensor_variable(wrong)


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


@pytest.mark.parametrize("borrow", [False, True])
@pytest.mark.parametrize("read_only", [False, True])
def test_updates_never_write_into_an_array_that_was_given_or_returned(borrow, read_only):
    mine, other, x = np.zeros((3, 3)), np.zeros((3, 3)), T.dmatrix("x")
    mine.flags.writeable = other.flags.writeable = not read_only
    w = shared(mine, borrow=borrow)
    step = function([x], w, updates={w: w - 0.1 * x})
    returned = [step(np.ones((3, 3))), w.get_value(), w.get_value(borrow=True)]
    copies = [a.copy() for a in returned]
    step(np.ones((3, 3)))
    close(w.get_value(), np.full((3, 3), -0.2))
    w.set_value(other, borrow=True)
    step(np.ones((3, 3)))
    equal(mine, np.zeros((3, 3)))
    equal(other, np.zeros((3, 3)))
    for array, before in zip(returned, copies, strict=True):
        equal(array, before)


# Setting it.


def test_strict_and_broadcastable():
    w = shared(np.zeros((1, 2)), strict=True, broadcastable=(False, False))
    assert w.broadcastable == (False, False)
    assert shared(np.zeros((1, 2))).broadcastable == (True, False)
    with pytest.raises(TypeError, match="float64"):
        w.set_value(np.zeros((1, 2), np.float32))
    w.set_value(np.ones((3, 2)))
    for axes in ((True, False), (False,)):
        with pytest.raises(TypeError, match="shape"):
            shared(np.zeros((2, 3)), broadcastable=axes)


def test_functions_work_with_other_sizes():
    x, w = T.dvector("x"), shared(np.ones(2), name="w")
    f = function([x], [(w * x).sum(), T.grad((w**2 * x).sum(), w)], updates={w: w + 1})
    assert f([1, 2])[0] == 3
    w.set_value(np.ones(3))
    total, gradient = f([1, 2, 3])
    assert total == 6
    equal(gradient, [2, 4, 6])
    grow = function([], w.shape[0], updates={w: T.concatenate([w, w])})
    assert [int(grow()) for _ in range(3)] == [3, 6, 12]
    equal(w.get_value(), np.full(24, 2))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_updates_itself(copied):
    w = shared(1.0, name="w")
    w.default_update = w * 2
    w.tag.twice, w.decay = w * 2, 0.5  # notes of the user's
    w2, v2 = copied([w, T.exp(w)])
    function([], v2)()
    assert (w.get_value(), w2.get_value(), w2.decay) == (1, 2, 0.5)
    assert w2.tag.twice.eval() == 4


# Updates.


def test_update_keeps_the_dtype():
    w, n = shared(np.ones(2, np.float32), name="weight"), shared(np.int8(1))
    f = function([], [w, n], updates={w: w * 0.5 + 1, n: n + 1})
    f()
    assert [r.dtype for r in f()] == ["float32", "int8"]
    assert [r.dtype for r in (w.get_value(), n.get_value())] == ["float32", "int8"]
    assert (w.get_value()[0], n.get_value()) == (1.75, 3)
    assert type(n.get_value(borrow=True)) is np.ndarray
    x = T.dvector("x")
    with pytest.raises(TypeError, match=r"weight.*float32.*float64.*cast"):
        function([x], [], updates={w: w - x})
    function([x], [], updates={w: T.cast(w - x, "float32")})([1, 2])
    equal(w.get_value(), np.float32([0.75, -0.25]))


@pytest.mark.parametrize(
    ("updates", "error"),
    [
        (lambda w: {w: T.dvector("v")}, TypeError),
        (lambda w: {w: w.sum()}, TypeError),
        (lambda w: {T.dmatrix("x"): w}, TypeError),
        (lambda w: {w * 2: w}, TypeError),
        (lambda w: {"w": w}, TypeError),
        (lambda w: [w, w], TypeError),
        (lambda w: [(w, w, w)], TypeError),
        (lambda w: [(w, w + 1), (w, w + 2)], ValueError),
    ],
)
def test_updates_are_checked_when_the_function_is_made(updates, error):
    w = shared(np.ones((2, 2)), name="w")
    with pytest.raises(error):
        function([], [], updates=updates(w))
    equal(w.get_value(), np.ones((2, 2)))
    function([], [], updates={w: w > 2})()  # False and True are numbers
    equal(w.get_value(), np.zeros((2, 2)))
