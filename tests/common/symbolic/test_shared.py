import numpy as np
import pytest

import common.symbolic.tensor as T
from common.symbolic import function, shared

equal, close = np.testing.assert_array_equal, np.testing.assert_allclose
rng = np.random.default_rng


def matrices(*names):
    numbers = rng(0)
    return [shared(numbers.standard_normal((3, 3)), name=n) for n in names]


# The value.


@pytest.mark.parametrize(
    ("value", "dtype", "ndim"),
    [
        (0, "int64", 0),
        (0.0, "float64", 0),
        (True, "bool", 0),
        (1j, "complex128", 0),
        ([1, 2], "int64", 1),
        ((1, 2.5), "float64", 1),
        (np.float32(1), "float32", 0),
        (np.zeros((2, 3, 4), np.int8), "int8", 3),
        (np.zeros((0, 3)), "float64", 2),
    ],
)
def test_value_decides_dtype_and_axes(value, dtype, ndim):
    w = shared(value, name="w")
    assert (w.dtype, w.ndim, w.name) == (dtype, ndim, "w")
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


def test_shared_variables_can_be_used_in_expressions():
    w = shared(np.array([1.0, 2.0]))
    equal((w * 2 + w[0]).eval(), [3, 5])
    assert function([], w.sum())() == 3
    assert function([], w.shape)().tolist() == [2]


@pytest.mark.parametrize("borrow", [False, True])
def test_arrays_are_shared_only_if_they_are_borrowed(borrow):
    first, second = np.zeros(3), np.zeros(3)
    w = shared(first, borrow=borrow)
    first[0] = 1
    assert w.get_value()[0] == borrow
    w.set_value(second, borrow=borrow)
    second[0] = 1
    assert w.get_value()[0] == borrow
    w.get_value(borrow=borrow)[1] = 1
    assert w.get_value()[1] == borrow
    value = w.get_value(borrow=True)
    value += 1
    w.set_value(value, borrow=True)
    equal((w * 2).eval(), 2 * value)


def test_default_is_not_to_borrow():
    mine = np.zeros(3)
    w = shared(mine)
    w.set_value(mine)
    for array in (mine, w.get_value()):
        assert not np.shares_memory(array, w.get_value(borrow=True))


@pytest.mark.parametrize("lend", [lambda a: shared(a, borrow=True), lambda a: shared(a)])
@pytest.mark.parametrize("read_only", [False, True])
def test_updates_never_write_into_an_array_that_was_given_or_returned(lend, read_only):
    mine, other, x = np.zeros((3, 3)), np.zeros((3, 3)), T.dmatrix("x")
    mine.flags.writeable = other.flags.writeable = not read_only
    w = lend(mine)
    step = function([x], w, updates={w: w - 0.1 * x})
    returned = [step(np.ones((3, 3))), w.get_value(), w.get_value(borrow=True)]
    copies = [a.copy() for a in returned]
    step(np.ones((3, 3)))
    close(w.get_value(), np.full((3, 3), -0.2))
    w.set_value(other, borrow=True)
    step(np.ones((3, 3)))
    equal(mine, np.zeros((3, 3)))
    equal(other, np.zeros((3, 3)))
    for array, copy in zip(returned, copies, strict=True):
        equal(array, copy)


@pytest.mark.parametrize(
    "lent",
    [
        np.arange(24.0).reshape(4, 6)[::2, ::3],
        np.arange(4.0).reshape(2, 2)[::-1],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(4.0).astype(">f8").reshape(2, 2),
        np.broadcast_to(np.arange(2.0), (2, 2)),
        np.ma.array(np.arange(4.0).reshape(2, 2)),
    ],
    ids=["strided", "backwards", "Fortran", "byte-swapped", "broadcast", "masked"],
)
def test_updates_of_lent_arrays_of_any_layout(lent):
    before = np.array(lent, dtype=np.float64)
    w = shared(lent, borrow=True)
    cost = (w**2).sum()
    f = function([], [w, T.grad(cost, w)], updates={w: w * 2 + 1})
    for _ in range(2):
        for result, expected in zip(f(), [before, 2 * before], strict=True):
            equal(result, expected)
        before = before * 2 + 1
        equal(w.get_value(), before)
    assert w.get_value().dtype == np.float64


# Setting it.


@pytest.mark.parametrize(
    ("first", "values"),
    [
        (np.zeros(2), [1.0, np.zeros((2, 2)), ["a", "b"]]),
        (0.0, [[1.0], 1j, "1", None]),
        (np.zeros(2, np.float32), [np.zeros(2), np.zeros(2, np.int64)]),
        (0, [1.5, 1.0]),
        (np.int8(0), [128]),
        (np.uint8(0), [-1]),
        (np.zeros((1, 2)), [np.zeros((2, 2))]),  # which broadcasts as long as its size is 1
    ],
)
def test_set_value_of_another_kind_is_refused(first, values):
    w = shared(first, name="weight")
    for value in values:
        with pytest.raises(TypeError, match="weight"):
            w.set_value(value)
    equal(w.get_value(), first)


@pytest.mark.parametrize(
    ("first", "values"),
    [
        (0.0, [1]),
        (np.float32(0), [0.1]),
        (np.zeros(2, np.float32), [[0.1, 0.2]]),
        (np.zeros(2), [np.ones(2, np.float32), np.ones(2, np.int64), np.ones(5)]),
        (0, [True]),
        (np.int8(0), [127]),
        (np.uint8(0), [255]),
        (np.zeros((2, 3)), [np.ones((0, 1))]),
    ],
)
def test_set_value_keeps_the_dtype(first, values):
    w = shared(first)
    for value in values:
        w.set_value(value)
        assert w.get_value().dtype == np.asarray(first).dtype
        equal(w.get_value(), np.asarray(value, np.asarray(first).dtype))


def test_strict_and_broadcastable():
    w = shared(np.zeros((1, 2)), strict=True, broadcastable=(False, False))
    assert w.broadcastable == (False, False)
    assert shared(np.zeros((1, 2))).broadcastable == (True, False)
    with pytest.raises(TypeError, match="float64"):
        w.set_value(np.zeros((1, 2), np.float32))
    w.set_value(np.ones((3, 2)))


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


# Updates: all read the old values.

NEW_VALUES = [
    lambda T, w: w,
    lambda T, w: w + 1,
    lambda T, w: w - w,
    lambda T, w: 3 - w,
    lambda T, w: -w,
    lambda T, w: T.dot(w, w),
    lambda T, w: w.T,
    lambda T, w: w - w.T,
    lambda T, w: w.T - w,
    lambda T, w: w[::-1],
    lambda T, w: w - w[::-1],
    lambda T, w: w * w[0],
    lambda T, w: w - w[:, 0][:, None],
    lambda T, w: w * w[1, 1],
    lambda T, w: w / (1 + T.sqr(w).sum()),
    lambda T, w: w - T.exp(-w * w),
    lambda T, w: T.clip(w, -1, 0.5),
    lambda T, w: T.switch(w > 0, w, w.T),
    lambda T, w: w * (w.T > 0),
    lambda T, w: w[np.array([2, 0, 1])],
    lambda T, w: w.reshape((9,)).reshape((3, 3)).T,
    lambda T, w: w - w.T.reshape((9,)).reshape((3, 3)),
    lambda T, w: T.concatenate([w[1:], w[:1]]),
    lambda T, w: T.zeros_like(w),
    lambda T, w: (w.T + 1).T - w.T,
]
OUTPUTS = {
    "none": lambda w, new: [],
    "old": lambda w, new: [w],
    "new and old": lambda w, new: [new, w, new],
    "views": lambda w, new: [w.T, new.T, w[0]],
}


@pytest.mark.parametrize("new", NEW_VALUES)
@pytest.mark.parametrize("outputs", OUTPUTS.values(), ids=OUTPUTS)
def test_update_reads_the_old_value_also_through_views(ref, new, outputs):
    [w] = matrices("w")
    f = function([], outputs(w, new(T, w)), updates={w: new(T, w)})
    for _ in range(3):
        old = w.get_value()
        results, expected = f(), new(ref.N, old)
        for result, value in zip(results, outputs(old, expected), strict=True):
            close(result, value, atol=1e-12)
            result[...] = 77
        close(w.get_value(), expected, atol=1e-12)


PAIRS = [
    lambda a, b: (b, a),
    lambda a, b: (a + b, a - b),
    lambda a, b: (a - b, a + b),
    lambda a, b: (a + 1, b + a),
    lambda a, b: (a * b, b + 1),
    lambda a, b: (a + 1, a),
    lambda a, b: (b, b + 1),
    lambda a, b: (a + b, a + b),
    lambda a, b: (a, a),
    lambda a, b: (b.T, a.T),
    lambda a, b: (b[::-1], a[::-1]),
    lambda a, b: (a + b.T, b - a.T),
    lambda a, b: (a / (1 + (b * b).sum()), b / (1 + (a * a).sum())),
]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("with_outputs", [False, True])
@pytest.mark.parametrize("order", [1, -1])
def test_updates_of_two_variables_read_old_values(pair, with_outputs, order):
    a, b = matrices("a", "b")
    new = pair(a, b)
    outputs = [a, *new, a * b, b] if with_outputs else []
    f = function([], outputs, updates=[(a, new[0]), (b, new[1])][::order])
    for _ in range(3):
        old = a.get_value(), b.get_value()
        results, expected = f(), pair(*old)
        close(a.get_value(), expected[0])
        close(b.get_value(), expected[1])
        assert not np.shares_memory(a.get_value(borrow=True), b.get_value(borrow=True))
        values = [old[0], *expected, old[0] * old[1], old[1]] if with_outputs else []
        for result, value in zip(results, values, strict=True):
            close(result, value)


def test_updates_in_a_ring():
    ws = [shared(np.full(2, float(i))) for i in range(5)]
    f = function([], [], updates=list(zip(ws, [*ws[1:], ws[0]], strict=True)))
    f()
    f()
    assert [w.get_value()[0] for w in ws] == [2, 3, 4, 0, 1]


def test_values_after_an_update_belong_to_the_shared_variable():
    x, w = T.dmatrix("x"), shared(np.zeros((2, 2)))
    add = function([], [], updates={w: w + 1})
    news = [x, x.T, T.zeros_like(x), w[::-1], w, T.grad(x.sum(), x), np.ones((2, 2)), T.exp(x)]
    for new in news:
        put = function([x], [x, new, w], updates={w: new}, on_unused_input="ignore")
        for given in (np.ones((2, 2)), np.ones((2, 4))[:, ::2], np.ones((2, 2)).T):
            for result in put(given):
                result[...] = 77
            before = w.get_value()
            add()
            equal(w.get_value(), before + 1)
            assert before.max() < 77
            w.get_value(borrow=True)[0, 0] = 5
            assert w.get_value()[0, 0] == 5
            equal(given, np.ones((2, 2)))


@pytest.mark.parametrize(
    ("first", "values"),
    [
        (0, [5, True]),
        (0.0, [5, 2.5]),
        (np.float32(0), [2.5, 1]),
        (np.int8(0), [100, -100]),
        (False, [True]),
        (np.uint8(0), [200]),
    ],
)
def test_update_to_a_python_number(first, values):
    w = shared(first)
    for new in values:
        function([], [], updates={w: new})()
        assert w.get_value().dtype == np.asarray(first).dtype
        assert w.get_value() == new


@pytest.mark.parametrize(
    ("first", "values"),
    [
        (0, [1.5, 1.0]),
        (0.0, [1j, "1", None, [1.0]]),
        (False, [1]),
        (np.int8(0), [300]),
        (np.float32(0), [1e300]),
    ],
)
def test_update_to_a_number_of_another_kind_or_out_of_range_is_refused(first, values):
    w = shared(first)
    for new in values:
        with pytest.raises(TypeError):
            function([], [], updates={w: new})
    assert w.get_value() == 0


def test_update_keeps_the_dtype():
    w, n = shared(np.ones(2, np.float32), name="weight"), shared(np.int8(1))
    f = function([], [w, n], updates={w: w * 0.5 + 1, n: n + 1})
    f()
    assert [r.dtype for r in f()] == ["float32", "int8"]
    assert (w.get_value().dtype, n.get_value().dtype) == ("float32", "int8")
    equal(w.get_value(), np.float32([1.75, 1.75]))
    assert n.get_value() == 3
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


@pytest.mark.parametrize("kind", [dict, list, tuple])
def test_updates_as_dict_or_pairs(kind):
    a, b = shared(1.0), shared(2.0)
    function([], [], updates=kind([(a, b), (b, a)]))()
    assert (a.get_value(), b.get_value()) == (2, 1)


def test_two_functions_share_a_variable():
    x, w = T.dvector("x"), shared(np.zeros(2))
    add = function([x], w, updates={w: w + x})
    double = function([], w * 2, updates={w: w * 2})
    add([1, 2])
    equal(double(), [2, 4])
    equal(add([1, 1]), [2, 4])
    equal(double(), [6, 10])
    equal(w.get_value(), [6, 10])


def test_failing_update_can_be_tried_again():
    x, w = T.dvector("x"), shared(np.ones(3), name="w")
    f = function([x], [], updates={w: w * x})
    with pytest.raises(ValueError, match="w"):
        f(np.ones(2))
    equal(w.get_value(), np.ones(3))
    f([2, 3, 4])
    equal(w.get_value(), [2, 3, 4])


def test_momentum_and_weight_by_hand():
    """Two variables for each parameter, as an optimizer has them, beside NumPy."""
    numbers = rng(3)
    x, t = T.dmatrix("x"), T.dmatrix("t")
    start = numbers.standard_normal((4, 2))
    w, v = shared(start, name="w"), shared(np.zeros((4, 2)), name="v")
    cost = ((T.dot(x, w) - t) ** 2).mean()
    gradient = T.grad(cost, w)
    v_new = 0.9 * v - 0.1 * gradient
    step = function([x, t], [cost, gradient], updates=[(v, v_new), (w, w + v_new)])
    w_hand, v_hand = start.copy(), np.zeros((4, 2))
    for _ in range(5):
        data, target = numbers.standard_normal((6, 4)), numbers.standard_normal((6, 2))
        error = data @ w_hand - target
        g_hand = 2 * data.T @ error / error.size
        v_hand = 0.9 * v_hand - 0.1 * g_hand
        w_hand = w_hand + v_hand
        results = [*step(data, target), v.get_value(), w.get_value()]
        for result, hand in zip(results, [(error**2).mean(), g_hand, v_hand, w_hand], strict=True):
            close(result, hand)
