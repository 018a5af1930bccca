import numpy as np
import pytest

import common.symbolic.tensor as T
from common.symbolic import function, shared

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
        ([[1.0, 2.0]], "float64", 2),
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
    np.testing.assert_array_equal(w.get_value(), value)


@pytest.mark.parametrize(
    "value", ["a", None, object(), ["a"], [None], 2**70, np.array([1.0], dtype=object), {}]
)
def test_value_must_be_numbers(value):
    with pytest.raises(TypeError):
        shared(value)


def test_ragged_value_is_refused():
    with pytest.raises((TypeError, ValueError)):
        shared([[1.0], [2.0, 3.0]])


def test_variable_is_not_a_value():
    with pytest.raises(TypeError, match="weight"):
        shared(T.dscalar("weight"))
    with pytest.raises(TypeError):
        shared(1.0).set_value(T.dscalar())


def test_shared_variables_can_be_used_in_expressions():
    w = shared(np.array([1.0, 2.0]))
    np.testing.assert_array_equal((w * 2 + w[0]).eval(), [3, 5])
    assert function([], w.sum())() == 3
    assert function([], w.shape)().tolist() == [2]


@pytest.mark.parametrize("borrow", [False, True])
def test_shared_keeps_an_array_only_if_it_borrows(borrow):
    mine = np.zeros(3)
    w = shared(mine, borrow=borrow)
    mine[0] = 1
    assert w.get_value()[0] == (1 if borrow else 0)


@pytest.mark.parametrize("borrow", [False, True])
def test_set_value_keeps_an_array_only_if_it_borrows(borrow):
    mine = np.zeros(3)
    w = shared(np.ones(2))
    w.set_value(mine, borrow=borrow)
    mine[0] = 1
    assert w.get_value()[0] == (1 if borrow else 0)


@pytest.mark.parametrize("borrow", [False, True])
def test_get_value_gives_the_array_itself_only_if_it_borrows(borrow):
    w = shared(np.zeros(3))
    w.get_value(borrow=borrow)[0] = 1
    assert w.get_value()[0] == (1 if borrow else 0)


def test_default_is_not_to_borrow():
    mine = np.zeros(3)
    w = shared(mine)
    w.set_value(mine)
    for array in (mine, w.get_value()):
        assert not np.shares_memory(array, w.get_value(borrow=True))


def test_borrowed_value_can_be_changed_and_set_again():
    w = shared(np.zeros(3))
    value = w.get_value(borrow=True)
    value += 1
    w.set_value(value, borrow=True)
    np.testing.assert_array_equal((w * 2).eval(), [2, 2, 2])


@pytest.mark.parametrize("how", ["shared", "set_value"])
def test_read_only_array_is_never_written_though_it_was_lent(how):
    mine = np.zeros((2, 2))
    mine.flags.writeable = False
    if how == "shared":
        w = shared(mine, borrow=True)
    else:
        w = shared(np.ones((2, 2)))
        w.set_value(mine, borrow=True)
    function([], [], updates={w: w + 1})()
    np.testing.assert_array_equal(w.get_value(), np.ones((2, 2)))
    np.testing.assert_array_equal(mine, np.zeros((2, 2)))


def test_array_that_was_not_lent_is_never_written():
    mine, other = np.zeros((2, 2)), np.zeros((2, 2))
    w = shared(mine)
    add = function([], [], updates={w: w + 1})
    add()
    w.set_value(other)
    add()
    np.testing.assert_array_equal(mine, np.zeros((2, 2)))
    np.testing.assert_array_equal(other, np.zeros((2, 2)))


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
    ids=["strided", "backwards", "Fortran", "byte-swapped", "spread out", "masked"],
)
def test_updates_of_lent_arrays_of_any_layout(lent):
    before = np.array(lent, dtype=np.float64)
    w = shared(lent, borrow=True)
    f = function([], w, updates={w: w * 2 + 1})
    np.testing.assert_array_equal(f(), before)
    np.testing.assert_array_equal(f(), before * 2 + 1)
    np.testing.assert_array_equal(w.get_value(), (before * 2 + 1) * 2 + 1)
    assert w.get_value().dtype == np.float64


def test_gradient_step_on_a_byte_swapped_value():
    w = shared(np.arange(3.0).astype(">f8"))
    cost = (w**2).sum()
    f = function([], cost, updates={w: w - 0.5 * T.grad(cost, w)})
    assert f() == 5
    assert f() == 0


# Setting it.


@pytest.mark.parametrize(
    ("first", "value"),
    [
        (np.zeros(2), 1.0),
        (np.zeros(2), np.zeros((2, 2))),
        (0.0, [1.0]),
        (np.zeros(2, np.float32), np.zeros(2)),
        (np.zeros(2, np.float32), np.zeros(2, np.int64)),
        (0, 1.5),
        (0, 1.0),
        (np.int8(0), 128),
        (np.uint8(0), -1),
        (0.0, 1j),
        (0.0, "1"),
        (0.0, None),
        (np.zeros(2), ["a", "b"]),
    ],
)
def test_set_value_of_another_kind_is_refused(first, value):
    w = shared(first, name="weight")
    with pytest.raises(TypeError, match="weight"):
        w.set_value(value)
    np.testing.assert_array_equal(w.get_value(), first)


@pytest.mark.parametrize(
    ("first", "value"),
    [
        (0.0, 1),
        (np.float32(0), 0.1),
        (np.zeros(2, np.float32), [0.1, 0.2]),
        (np.zeros(2), np.ones(2, np.float32)),
        (np.zeros(2), np.ones(2, np.int64)),
        (0, True),
        (np.int8(0), 127),
        (np.uint8(0), 255),
        (np.zeros(2), np.ones(5)),
        (np.zeros((2, 3)), np.ones((0, 1))),
    ],
)
def test_set_value_keeps_the_dtype(first, value):
    w = shared(first)
    w.set_value(value)
    assert w.get_value().dtype == np.asarray(first).dtype
    np.testing.assert_array_equal(w.get_value(), np.asarray(value, np.asarray(first).dtype))


def test_functions_go_on_with_other_lengths():
    x, w = T.dvector("x"), shared(np.ones(2), name="w")
    f = function([x], [(w * x).sum(), T.grad((w**2 * x).sum(), w)], updates={w: w + 1})
    assert f([1, 2])[0] == 3
    w.set_value(np.ones(3))
    total, gradient = f([1, 2, 3])
    assert total == 6
    np.testing.assert_array_equal(gradient, [2, 4, 6])
    np.testing.assert_array_equal(w.get_value(), [2, 2, 2])


# Updates: all read the old values.

VIEWS = {
    "itself": (lambda w: w, lambda w: w),
    "plus one": (lambda w: w + 1, lambda w: w + 1),
    "doubled": (lambda w: w + w, lambda w: w + w),
    "less itself": (lambda w: w - w, lambda w: w - w),
    "number less it": (lambda w: 3 - w, lambda w: 3 - w),
    "negative": (lambda w: -w, lambda w: -w),
    "product with itself": (lambda w: T.dot(w, w), lambda w: w @ w),
    "transposed": (lambda w: w.T, lambda w: w.T),
    "less its transpose": (lambda w: w - w.T, lambda w: w - w.T),
    "transpose less it": (lambda w: w.T - w, lambda w: w.T - w),
    "transpose plus one": (lambda w: w.T + 1, lambda w: w.T + 1),
    "reversed": (lambda w: w[::-1], lambda w: w[::-1]),
    "less it reversed": (lambda w: w - w[::-1], lambda w: w - w[::-1]),
    "times its first row": (lambda w: w * w[0], lambda w: w * w[0]),
    "less its first column": (lambda w: w - w[:, 0][:, None], lambda w: w - w[:, 0][:, None]),
    "times an entry": (lambda w: w * w[1, 1], lambda w: w * w[1, 1]),
    "by its sum": (lambda w: w / (1 + T.sqr(w).sum()), lambda w: w / (1 + (w**2).sum())),
    "less a function of it": (lambda w: w - T.exp(-w * w), lambda w: w - np.exp(-w * w)),
    "clipped": (lambda w: T.clip(w, -1, 0.5), lambda w: np.clip(w, -1, 0.5)),
    "where positive": (lambda w: T.switch(w > 0, w, w.T), lambda w: np.where(w > 0, w, w.T)),
    "times whether positive": (lambda w: w * (w.T > 0), lambda w: w * (w.T > 0)),
    "shuffled": (lambda w: w[np.array([2, 0, 1])], lambda w: w[[2, 0, 1]]),
    "reshaped": (lambda w: w.reshape((9,)).reshape((3, 3)).T, lambda w: w.T),
    "less it reshaped": (
        lambda w: w - w.T.reshape((9,)).reshape((3, 3)),
        lambda w: w - w.T.copy(),
    ),
    "joined": (lambda w: T.concatenate([w[1:], w[:1]]), lambda w: np.roll(w, -1, axis=0)),
    "zeros": (lambda w: T.zeros_like(w), lambda w: 0 * w),
    "twice the way round": (lambda w: (w.T + 1).T - w.T, lambda w: (w.T + 1).T - w.T),
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("outputs", ["none", "old", "new", "new and old", "views"])
def test_update_reads_the_old_value_also_through_views(name, outputs):
    symbolic, with_numpy = VIEWS[name]
    [w] = matrices("w")
    new = symbolic(w)
    chosen = {
        "none": [],
        "old": [w],
        "new": [new],
        "new and old": [new, w, new],
        "views": [w.T, new.T, w[0]],
    }[outputs]
    f = function([], chosen, updates={w: new})
    for _ in range(3):
        old = w.get_value()
        results = f()
        expected = with_numpy(old)
        np.testing.assert_allclose(w.get_value(), expected, atol=1e-12)
        of_outputs = {
            "none": [],
            "old": [old],
            "new": [expected],
            "new and old": [expected, old, expected],
            "views": [old.T, expected.T, old[0]],
        }[outputs]
        for result, value in zip(results, of_outputs, strict=True):
            np.testing.assert_allclose(result, value, atol=1e-12)
            result[...] = 77
        np.testing.assert_allclose(w.get_value(), expected, atol=1e-12)


PAIRS = {
    "swap": lambda a, b: (b, a),
    "sum and difference": lambda a, b: (a + b, a - b),
    "difference and sum": lambda a, b: (a - b, a + b),
    "the second reads the first": lambda a, b: (a + 1, b + a),
    "the first reads the second": lambda a, b: (a * b, b + 1),
    "the second gets the first": lambda a, b: (a + 1, a),
    "the first gets the second": lambda a, b: (b, b + 1),
    "both the same": lambda a, b: (a + b, a + b),
    "both the first": lambda a, b: (a, a),
    "swap of transposes": lambda a, b: (b.T, a.T),
    "swap of rows": lambda a, b: (b[::-1], a[::-1]),
    "by a view of the other": lambda a, b: (a + b.T, b - a.T),
    "apart": lambda a, b: (a + 1, b * 2),
    "scaled by sums": lambda a, b: (a / (1 + (b * b).sum()), b / (1 + (a * a).sum())),
    "Fibonacci": lambda a, b: (b, a + b),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("with_outputs", [False, True])
@pytest.mark.parametrize("order", [1, -1])
def test_updates_of_two_variables_read_old_values(name, with_outputs, order):
    a, b = matrices("a", "b")
    new = PAIRS[name](a, b)
    outputs = [a, *new, a * b, b] if with_outputs else []
    f = function([], outputs, updates=[(a, new[0]), (b, new[1])][::order])
    for _ in range(3):
        old = a.get_value(), b.get_value()
        results = f()
        expected = PAIRS[name](*old)
        np.testing.assert_allclose(a.get_value(), expected[0])
        np.testing.assert_allclose(b.get_value(), expected[1])
        assert not np.shares_memory(a.get_value(borrow=True), b.get_value(borrow=True))
        if with_outputs:
            values = [old[0], *expected, old[0] * old[1], old[1]]
            for result, value in zip(results, values, strict=True):
                np.testing.assert_allclose(result, value)


def test_updates_in_a_ring():
    ws = [shared(np.full(2, float(i))) for i in range(5)]
    f = function([], [], updates=list(zip(ws, [*ws[1:], ws[0]], strict=True)))
    f()
    f()
    assert [w.get_value()[0] for w in ws] == [2, 3, 4, 0, 1]


def test_update_by_an_argument_does_not_keep_the_caller_s_array():
    x, w = T.dmatrix("x"), shared(np.zeros((2, 2)))
    put = function([x], [], updates={w: x})
    add = function([], [], updates={w: w + 1})
    for view in (np.ones((2, 2)), np.ones((2, 4))[:, ::2], np.ones((2, 2)).T):
        put(view)
        add()
        np.testing.assert_array_equal(view, np.ones((2, 2)))
        np.testing.assert_array_equal(w.get_value(), np.full((2, 2), 2))


def test_update_by_a_constant_can_be_repeated():
    w = shared(np.zeros(3))
    reset = function([], [], updates={w: np.arange(3.0)})
    add = function([], [], updates={w: w + 1})
    for _ in range(2):
        reset()
        add()
        np.testing.assert_array_equal(w.get_value(), [1, 2, 3])


def test_update_by_an_output_does_not_share_it_with_the_caller():
    x, w = T.dmatrix("x"), shared(np.zeros((2, 2)))
    y = T.exp(x)
    f = function([x], [y, y.T], updates={w: y})
    for result in f(np.zeros((2, 2))):
        result[...] = 77
    np.testing.assert_array_equal(w.get_value(), np.ones((2, 2)))
    for result in f(np.zeros((2, 2))):
        np.testing.assert_array_equal(result, np.ones((2, 2)))


@pytest.mark.parametrize(
    ("first", "new"),
    [
        (0, 5),
        (0.0, 5),
        (0.0, 2.5),
        (np.float32(0), 2.5),
        (np.float32(0), 1),
        (np.int8(0), 100),
        (np.int8(0), -100),
        (0, True),
        (False, True),
        (np.uint8(0), 200),
    ],
)
def test_update_to_a_python_number(first, new):
    w = shared(first)
    function([], [], updates={w: new})()
    assert w.get_value().dtype == np.asarray(first).dtype
    assert w.get_value() == new


@pytest.mark.parametrize(
    ("first", "new"),
    [(0, 1.5), (0, 1.0), (0.0, 1j), (False, 1), (0.0, "1"), (0.0, None), (0.0, [1.0])],
)
def test_update_to_a_number_of_another_kind_is_refused(first, new):
    w = shared(first)
    with pytest.raises(TypeError):
        function([], [], updates={w: new})


@pytest.mark.parametrize(
    ("first", "new"),
    [
        (np.int8(0), 300),
        (np.float32(0), 1e300),
    ],
)
def test_update_to_a_number_out_of_range_is_refused(first, new):
    w = shared(first, name="w")
    with np.errstate(all="ignore"), pytest.raises((TypeError, OverflowError)):
        function([], [], updates={w: new})()
    assert w.get_value() == 0


def test_update_keeps_the_dtype():
    w, n = shared(np.ones(2, np.float32)), shared(np.int8(1))
    f = function([], [w, n], updates={w: w * 0.5 + 1, n: n + 1})
    f()
    results = f()
    assert [r.dtype for r in results] == ["float32", "int8"]
    assert (w.get_value().dtype, n.get_value().dtype) == ("float32", "int8")
    np.testing.assert_array_equal(w.get_value(), np.float32([1.75, 1.75]))
    assert n.get_value() == 3


def test_float64_update_of_float32_is_refused_with_a_hint():
    w = shared(np.ones(2, np.float32), name="weight")
    x = T.dvector("x")
    with pytest.raises(TypeError, match=r"weight.*float32.*float64.*cast"):
        function([x], [], updates={w: w - x})
    function([x], [], updates={w: T.cast(w - x, "float32")})([1, 2])
    np.testing.assert_array_equal(w.get_value(), [0, -1])
    assert w.get_value().dtype == np.float32


@pytest.mark.parametrize(
    ("updates", "error"),
    [
        (lambda w: {w: T.dvector("v")}, TypeError),
        (lambda w: {w: w.sum()}, TypeError),
        (lambda w: {w: w > 0}, None),  # False and True are numbers
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
    if error is None:
        function([], [], updates=updates(w))
    else:
        with pytest.raises(error):
            function([], [], updates=updates(w))
    np.testing.assert_array_equal(w.get_value(), np.ones((2, 2)))


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
    np.testing.assert_array_equal(double(), [2, 4])
    np.testing.assert_array_equal(add([1, 1]), [2, 4])
    np.testing.assert_array_equal(double(), [6, 10])
    np.testing.assert_array_equal(w.get_value(), [6, 10])


def test_updates_do_not_change_what_get_value_returned_before():
    w = shared(np.zeros((300, 300)))
    add = function([], w, updates={w: w + 1})
    before = w.get_value()
    returned = add()
    between = w.get_value()
    add()
    np.testing.assert_array_equal(before, np.zeros((300, 300)))
    np.testing.assert_array_equal(returned, np.zeros((300, 300)))
    np.testing.assert_array_equal(between, np.ones((300, 300)))
    assert w.get_value()[0, 0] == 2


def test_updates_never_write_into_a_lent_array():
    mine, x = np.zeros((3, 3)), T.dmatrix("x")
    w = shared(mine, borrow=True)
    step = function([x], [], updates={w: w - 0.1 * x})
    step(np.ones((3, 3)))
    lent_out = w.get_value(borrow=True)
    step(np.ones((3, 3)))
    np.testing.assert_array_equal(mine, np.zeros((3, 3)))
    np.testing.assert_allclose(lent_out, np.full((3, 3), -0.1))
    np.testing.assert_allclose(w.get_value(), np.full((3, 3), -0.2))


def test_value_is_writable_after_any_update():
    x, w = T.dmatrix("x"), shared(np.zeros((2, 2)))
    for new in (x, x.T, T.zeros_like(x), w[::-1], w + 1, w, T.grad(x.sum(), x)):
        function([x], [], updates={w: new}, on_unused_input="ignore")(np.ones((2, 2)))
        w.get_value(borrow=True)[0, 0] = 5
        assert w.get_value()[0, 0] == 5


def test_number_stays_an_array():
    w = shared(1.0)
    f = function([], w, updates={w: w * 2})
    for _ in range(2):
        f()
        assert type(w.get_value()) is np.ndarray
        assert type(w.get_value(borrow=True)) is np.ndarray
        assert w.get_value().shape == ()


def test_lengths_may_change_by_updates():
    w = shared(np.ones(2))
    grow = function([], w.shape[0], updates={w: T.concatenate([w, w])})
    assert [int(grow()) for _ in range(4)] == [2, 4, 8, 16]
    np.testing.assert_array_equal(w.get_value(), np.ones(32))


def test_failing_update_can_be_tried_again():
    x, w = T.dvector("x"), shared(np.ones(3), name="w")
    f = function([x], [], updates={w: w * x})
    with pytest.raises(ValueError, match="w"):
        f(np.ones(2))
    np.testing.assert_array_equal(w.get_value(), np.ones(3))
    f([2, 3, 4])
    np.testing.assert_array_equal(w.get_value(), [2, 3, 4])


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
        cost_value, gradient_value = step(data, target)
        np.testing.assert_allclose(cost_value, (error**2).mean())
        np.testing.assert_allclose(gradient_value, g_hand)
        v_hand = 0.9 * v_hand - 0.1 * g_hand
        w_hand = w_hand + v_hand
        np.testing.assert_allclose(v.get_value(), v_hand)
        np.testing.assert_allclose(w.get_value(), w_hand)
