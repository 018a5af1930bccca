import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import common.symbolic.tensor as T
from common.symbolic import In, MissingInputError, UnusedInputError, function, shared


def here():
    """Return the place of the caller's line as a regular expression for messages."""
    frame = inspect.currentframe().f_back
    return re.escape(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}") + r"(?!\d)"


def rejects(error, message, f, *args, **kwargs):
    """Check that the call fails, and that the message has all parts of `message`."""
    with pytest.raises(error) as caught:
        f(*args, **kwargs)
    for part in [message] if isinstance(message, str) else message:
        assert re.search(part, str(caught.value), re.DOTALL), (part, str(caught.value))


# Inputs.


def test_inputs_may_be_a_list_or_a_tuple():
    x, y = T.dscalars("x", "y")
    assert function((x, y), x - y)(5, 2) == function([x, y], x - y)(5, 2) == 3


@pytest.mark.parametrize("inputs", [T.dscalar("x"), In(T.dscalar("x")), None, 3, {T.dscalar("x")}])
def test_inputs_must_be_a_list(inputs):
    rejects(TypeError, "inputs", function, inputs, 1)


@pytest.mark.parametrize("entry", [3, "x", None, np.ones(2), T.dscalar])
def test_inputs_must_be_variables(entry):
    rejects(TypeError, "inputs", function, [entry], 1)


def test_constant_cannot_be_an_input():
    c = T.constant(3.0)
    rejects(TypeError, "constant", function, [c], c * 2)


def test_shared_variable_cannot_be_an_input():
    w = shared(1.0, name="weight")
    rejects(TypeError, ["weight", "givens"], function, [w], w * 2)


def test_input_cannot_be_there_twice():
    x = T.dscalar("width")
    rejects(ValueError, "width", function, [x, x], x)
    rejects(ValueError, "width", function, [x, In(x, value=2)], x)


def test_missing_input_is_named_with_its_place():
    x, place = T.dvector("width"), here()
    rejects(MissingInputError, ["width", place], function, [], T.exp(x))
    rejects(ValueError, ["width", place], function, [], x)


def test_missing_input_is_named_with_what_needs_it():
    x = T.dvector("width")
    y, place = T.exp(x), here()
    rejects(MissingInputError, ["width", "exp", place], function, [], y)


def test_missing_input_of_an_update_is_named():
    x, w = T.dscalar("width"), shared(0.0)
    rejects(MissingInputError, "width", function, [], [], updates={w: w + x})


def test_unused_input_is_named_with_its_place():
    x = T.dvector("x")
    y, place = T.dvector("width"), here()
    parts = ["width", place, "on_unused_input"]
    rejects(UnusedInputError, parts, function, [x, y], x)
    rejects(ValueError, parts, function, [x, y], x, on_unused_input="raise")


def test_unused_input_is_warned_of_where_the_function_was_made():
    x, y = T.dscalars("x", "width")
    with pytest.warns(UserWarning, match="width") as caught:
        f = function([x, y], x, on_unused_input="warn")
    assert caught[0].filename == __file__
    assert f(1, 2) == 1


def test_unused_input_can_be_ignored():
    x, y = T.dscalars("x", "y")
    f = function([x, y], x, on_unused_input="ignore")
    assert f(1, 2) == 1
    rejects(TypeError, "y", f, 1)


@pytest.mark.parametrize("option", ["error", None, True, "RAISE"])
def test_bad_option_for_unused_inputs(option):
    x = T.dscalar()
    rejects(ValueError, "on_unused_input", function, [x], x, on_unused_input=option)


def test_input_that_only_an_update_needs_is_used():
    x, w = T.dscalar("x"), shared(1.0)
    function([x], [], updates={w: w * x})(3)
    assert w.get_value() == 3


def test_input_whose_value_does_not_matter_in_the_end_is_used():
    x = T.dvector("x")
    np.testing.assert_array_equal(function([x], T.zeros_like(x))([1, 2]), [0, 0])


def test_intermediate_can_be_an_input():
    x = T.dvector("x")
    h = x * 2
    h.name = "hidden"
    y = h + 1
    np.testing.assert_array_equal(function([h], y)([1, 2]), [2, 3])
    np.testing.assert_array_equal(function([x], y)([1, 2]), [3, 5])
    np.testing.assert_array_equal(function([x, h], y + x)([10, 20], [1, 2]), [12, 23])
    rejects(UnusedInputError, "x", function, [x, h], y)
    rejects(TypeError, "hidden", function([h], y), 1.0)


def test_intermediates_one_above_the_other_can_be_inputs():
    x = T.dscalar("x")
    h = x * 2
    k = h + 1
    f = function([x, h, k], x + 10 * h + 100 * k)
    assert f(1, 2, 3) == 321


def test_output_can_be_an_input():
    x = T.dvector("x")
    y = T.exp(x)
    np.testing.assert_array_equal(function([y], y)([1, 2]), [1, 2])


# Arguments of a call.


def three_inputs():
    x, y, z = T.dscalars("x", "y", "z")
    return function([x, In(y, value=2), In(z, value=3, name="depth")], x + 10 * y + 100 * z)


def test_arguments_by_place_default_and_name():
    f = three_inputs()
    assert f(1) == 321
    assert f(1, 5) == 351
    assert f(1, 5, 7) == 751
    assert f(x=1) == 321
    assert f(depth=4, x=1) == 421
    assert f(1, depth=4) == 421


def test_default_may_be_zero_or_false_or_an_array():
    x, v = T.dscalar("x"), T.dvector("v")
    assert function([In(x, value=0)], x + 1)() == 1
    default = np.array([1.0, 2.0])
    result = function([In(v, value=default)], [v, v * 2])()
    result[0][...] = result[1][...] = 7
    np.testing.assert_array_equal(default, [1.0, 2.0])


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "x"),
        ((1, 2, 3, 4), {}, ["3 inputs", "4"]),
        ((1,), {"x": 1}, ["x", "twice"]),
        ((1,), {"w": 1}, "w"),
        ((1,), {"z": 1}, "z"),  # its name for keywords is another
        ((), {"y": 1}, "x"),
    ],
)
def test_wrong_arguments(args, kwargs, message):
    rejects(TypeError, message, three_inputs(), *args, **kwargs)


def test_wrong_arguments_name_the_function():
    x = T.dscalar("x")
    f = function([x], x, name="predict")
    for call in (f, lambda: f(1, 2), lambda: f(w=1), lambda: f("a"), lambda: f([1.0])):
        rejects(TypeError, "predict", call)
    assert "predict" in repr(f)


def test_unnamed_input_is_taken_by_place_only():
    x = T.dscalar()
    f = function([x], x * 2)
    assert f(2) == 4
    rejects(TypeError, "x", f, x=2)


# Values.


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("dvector", 1.0),
        ("dvector", [[1.0]]),
        ("dscalar", [1.0]),
        ("dmatrix", [1.0]),
        ("dscalar", "1"),
        ("dscalar", None),
        ("dscalar", object()),
        ("dscalar", {}),
        ("dscalar", 1j),
        ("dscalar", 2**70),
        ("dscalar", np.datetime64("2020-01-01")),
        ("dvector", ["1", "2"]),
        ("dvector", np.array([1.0, 2.0], dtype=object)),
        ("dvector", np.array([1.0, 2.0], dtype=complex)),
        ("dvector", np.zeros(2, dtype="i4,f4")),
        ("dmatrix", [[1.0], [2.0, 3.0]]),
        ("fvector", np.ones(2)),
        ("fvector", np.ones(2, dtype=np.int64)),
        ("fscalar", np.array(1.0)),
        ("lvector", np.ones(2)),
        ("lscalar", 1.0),
        ("lscalar", 1.5),
        ("lvector", [1.0, 2.0]),
        ("iscalar", 2**31),
        ("iscalar", -(2**31) - 1),
        ("bscalar", 128),
        ("bscalar", -129),
        ("bvector", [1, 128]),
        ("ivector", np.ones(2, dtype=np.int64)),
        ("drow", np.ones((2, 3))),
        ("dcol", np.ones((2, 3))),
        ("drow", np.ones((0, 3))),
        ("drow", np.ones(3)),
    ],
)
def test_value_that_does_not_fit_is_refused(kind, value):
    x = getattr(T, kind)("width")
    f = function([x], x * 2, name="predict")
    rejects(TypeError, ["predict", "width"], f, value)


@pytest.mark.parametrize("value", [1e300, [0.5, -1e39]])
def test_python_float_out_of_the_range_of_float32_is_refused(value):
    x = T.fvector("width") if isinstance(value, list) else T.fscalar("width")
    with np.errstate(all="ignore"):
        rejects(TypeError, "width", function([x], x * 2), value)


@pytest.mark.parametrize("value", [1.0, ["a"], np.ones(2, dtype=complex), np.ones((2, 2))])
def test_refused_value_says_where_its_variable_was_made(value):
    x, place = T.dvector("width"), here()
    rejects(TypeError, ["predict", "width", place], function([x], x * 2, name="predict"), value)


def test_variables_are_not_values():
    x, y = T.dscalars("x", "y")
    v = T.dvector("v")
    rejects(TypeError, ["x", "y"], function([x], x * 2), y)
    rejects(TypeError, "v", function([v], v * 2), [x, y])


@pytest.mark.parametrize(
    ("kind", "value", "dtype"),
    [
        ("fscalar", 0.1, "float32"),
        ("fscalar", 3, "float32"),
        ("fvector", [0.1, 2], "float32"),
        ("fvector", (1, 2), "float32"),
        ("fscalar", float("inf"), "float32"),
        ("fscalar", np.float16(0.5), "float32"),
        ("fvector", np.ones(2, dtype=np.int16), "float32"),
        ("dscalar", np.float32(0.1), "float64"),
        ("dvector", np.ones(2, dtype=np.int64), "float64"),
        ("dvector", range(3), "float64"),
        ("dscalar", True, "float64"),
        ("bscalar", 127, "int8"),
        ("bscalar", -128, "int8"),
        ("bscalar", True, "int8"),
        ("lscalar", np.int32(5), "int64"),
        ("lscalar", 2**62, "int64"),
        ("zscalar", 1.5, "complex128"),
        ("cscalar", 1j, "complex64"),
        ("drow", [[1, 2, 3]], "float64"),
        ("dcol", [[1], [2]], "float64"),
    ],
)
def test_value_that_fits_is_converted(kind, value, dtype):
    x = getattr(T, kind)("x")
    result = function([x], x + 0)(value)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, np.asarray(value, dtype))


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("fvector", np.array([0.1, 0.2]), np.array([0.1, 0.2], np.float32)),
        ("lscalar", 3.7, 3),
    ],
)
def test_downcast_where_it_is_allowed(kind, value, expected):
    x = getattr(T, kind)("x")
    result = function([x], x + 0, allow_input_downcast=True)(value)
    assert str(result.dtype) == x.type.dtype
    np.testing.assert_array_equal(result, expected)
    if np.ndim(value) or isinstance(value, (np.generic, float)):
        rejects(TypeError, "x", function([x], x + 0), value)


@pytest.mark.parametrize("value", [1j, "1", [1.0], None])
def test_downcast_still_refuses_what_is_not_a_number_of_that_kind(value):
    x = T.fscalar("x")
    rejects(TypeError, "x", function([x], x + 0, allow_input_downcast=True), value)


def layouts():
    base = np.random.default_rng(0).standard_normal((4, 6))
    read_only = base.copy()
    read_only.flags.writeable = False
    yield "strided", base[::2, ::3]
    yield "backwards", base[::-1, ::-1]
    yield "Fortran-ordered", np.asfortranarray(base)
    yield "transposed", base.T
    yield "byte-swapped", base.astype(">f8")
    yield "byte-swapped and strided", base.astype(">f8")[:, ::2]
    yield "read-only", read_only
    yield "spread out", np.broadcast_to(base[0], (3, 6))
    yield "a part of records", np.rec.fromarrays([base, base], names="a,b")["a"]
    yield "a masked array", np.ma.array(base, mask=base > 100)
    yield "one entry", base[1:2, 1:2]


@pytest.mark.parametrize("value", [pytest.param(v, id=name) for name, v in layouts()])
def test_layout_of_an_input_does_not_matter(value):
    x = T.dmatrix("x")
    y = T.nnet.softmax(x * 2) + x.sum(axis=0)
    outputs = [y, x, x.T, x.reshape((-1,)), T.grad((y**2).sum(), x)]
    f = function([x], outputs)
    plain = np.array(value, dtype=np.float64, order="C")
    before = np.array(value)
    for result, expected in zip(f(value), f(plain), strict=True):
        assert type(result) is np.ndarray
        assert result.dtype.isnative
        assert result.flags.writeable
        np.testing.assert_allclose(result, expected, rtol=1e-12)
    np.testing.assert_array_equal(value, before)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_empty_inputs(shape):
    x, y = T.dmatrices("x", "y")
    b = T.dvector("b")
    z = T.exp(x) * y + b
    f = function([x, y, b], [z, z.sum(), z.T, T.dot(z.T, x), *T.grad(z.sum(), [x, y, b])])
    e = np.zeros(shape)
    results = f(e, e, np.ones(shape[1]))
    shapes = [shape, (), shape[::-1], (shape[1], shape[1]), shape, shape, (shape[1],)]
    assert [r.shape for r in results] == shapes
    assert results[1] == 0
    np.testing.assert_array_equal(results[-1], np.zeros(shape[1]))


# Outputs.


def test_one_output_a_list_or_none():
    x = T.dscalar("x")
    assert isinstance(function([x], x)(1), np.ndarray)
    assert isinstance(function([x], [x])(1), list)
    assert function([x], (x, x * 2))(1) == [1, 2]
    assert function([x], [], on_unused_input="ignore")(1) == []
    assert function([], [])() == []
    assert function([])() is None
    assert function([], None)() is None


@pytest.mark.parametrize(
    "constant",
    [
        3,
        2.5,
        True,
        np.float64(2.5),
        np.arange(3.0),
        np.array(2),
        np.float32(2.5),
        np.int64(2),
        1j,
    ],
)
def test_outputs_may_be_constants(constant):
    f = function([], constant)
    for _ in range(2):
        result = f()
        assert type(result) is np.ndarray
        np.testing.assert_array_equal(result, constant)
        result[...] = 0


def test_constants_beside_variables_in_a_list():
    x = T.dscalar("x")
    results = function([x], [x, 3, np.ones(2), T.constant(2.5)])(1)
    assert [r.tolist() for r in results] == [1, 3, [1, 1], 2.5]


@pytest.mark.parametrize("outputs", ["x", ["x"], [None], object(), [[1, "a"]]])
def test_outputs_must_be_variables_or_numbers(outputs):
    with pytest.raises((TypeError, ValueError)):
        function([], outputs)


def test_scalars_come_back_as_arrays_of_their_dtype():
    x, i = T.fvector("x"), T.ivector("i")
    outputs = [x.sum(), x[0], x.mean(), x.max(), T.exp(x)[1], i[0], x.shape[0], i.sum() > 2, x[0]]
    results = function([x, i], outputs)(np.ones(3, np.float32), np.ones(3, np.int32))
    for result, variable in zip(results, outputs, strict=True):
        assert type(result) is np.ndarray
        assert result.shape == ()
        assert result.dtype == variable.dtype
        assert result.flags.writeable


def test_outputs_in_the_order_they_were_asked_for():
    x = T.dscalar("x")
    y = x + 1
    results = function([x], [y * 2, x, y, y, x])(1)
    assert results == [4, 1, 2, 2, 1]


# Returned arrays belong to the caller.

M, V, W = T.dmatrix("m"), T.dvector("v"), shared(np.arange(6.0).reshape(2, 3), name="w")
H = T.exp(M)
ALIASES = {
    "input": M,
    "transposed": M.T,
    "transposed twice": M.T.T,
    "reshaped": M.reshape((3, 2)),
    "flattened": M.flatten(),
    "reversed": M[::-1],
    "row": M[0],
    "entry": M[0, 1],
    "part": M[:, 1:],
    "all of it": M[...],
    "with a new axis": M[:, None, :],
    "cast": T.cast(M, "float64"),
    "vector": V,
    "vector spread": V + T.zeros_like(M),
    "zeros": T.zeros_like(M),
    "ones": T.ones_like(M),
    "shared": W,
    "shared transposed": W.T,
    "part of shared": W[1],
    "constant": T.constant(np.arange(4.0)),
    "part of a constant": T.constant(np.arange(4.0))[1:],
    "number": T.constant(2.0),
    "computed": H,
    "computed, transposed": H.T,
    "computed, reshaped": H.reshape((-1,)),
    "computed, part": H[0],
    "maximum": T.maximum(M, M),
    "one array joined": T.concatenate([M]),
    "sum over nothing": T.sum(M[0, 0]),
    "times one": M * 1,
    "plus zero": M + 0,
    "twice negative": T.neg(-M),
    "gradient of a sum": T.grad(M.sum(), M),
    "gradient of a view": T.grad((M.T * 2).sum(), M),
    "gradient of a row": T.grad(M[0].sum(), M),
    "shape": M.shape,
    "switch": T.switch(M > -100, M, 0),
    "clipped": T.clip(M, -100, 100),
}


@pytest.mark.parametrize("name", ALIASES)
@pytest.mark.parametrize("others", ["itself", "input and shared", "what it is made of"])
def test_writing_into_outputs_changes_nothing_else(name, others):
    y = ALIASES[name]
    outputs = {
        "itself": [y, y],
        "input and shared": [M, W, y],
        "what it is made of": [y, *y.inputs, T.sum(y)],
    }[others]
    f = function([M, V], outputs, on_unused_input="ignore")
    rng = np.random.default_rng(0)
    m, v = rng.standard_normal((2, 3)), rng.standard_normal(3)
    m_before, v_before, w_before = m.copy(), v.copy(), W.get_value()
    first = f(m, v)
    copies = [r.copy() for r in first]
    for i, result in enumerate(first):
        assert result.flags.writeable
        result[...] = 77
        copies[i] = copies[i], np.full_like(result, 77)
        for j, other in enumerate(first):
            assert i == j or not np.shares_memory(result, other)
        for mine in (m, v, W.get_value(borrow=True)):
            assert not np.shares_memory(result, mine)
    np.testing.assert_array_equal(m, m_before)
    np.testing.assert_array_equal(v, v_before)
    np.testing.assert_array_equal(W.get_value(), w_before)
    for again, (expected, written), result in zip(f(m, v), copies, first, strict=True):
        np.testing.assert_array_equal(again, expected)
        np.testing.assert_array_equal(result, written)


def test_single_output_is_the_caller_s_too():
    for y in ALIASES.values():
        f = function([M, V], y, on_unused_input="ignore")
        m, v = np.ones((2, 3)), np.ones(3)
        first = f(m, v)
        expected = first.copy()
        first[...] = 77
        np.testing.assert_array_equal(f(m, v), expected)
        np.testing.assert_array_equal(m, np.ones((2, 3)))
        np.testing.assert_array_equal(v, np.ones(3))


def test_eval_gives_an_array_of_one_s_own():
    c = T.constant(np.arange(3.0))
    for expression in (c, c[1:], W, W.T):
        result = expression.eval()
        expected = result.copy()
        result[...] = 77
        np.testing.assert_array_equal(expression.eval(), expected)


# Inputs are never written.

STEPS = [
    lambda a, b: T.exp(T.minimum(a, 2)),
    lambda a, b: -a,
    lambda a, b: a * 2,
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: b * a.T,
    lambda a, b: a / (1 + T.sqr(b)),
    lambda a, b: a.T,
    lambda a, b: a[::-1],
    lambda a, b: a.reshape((9,)).reshape((3, 3)),
    lambda a, b: a - a[0],
    lambda a, b: a + b[:, 0][:, None],
    lambda a, b: T.dot(a, b),
    lambda a, b: T.nnet.softmax(a),
    lambda a, b: T.switch(T.lt(a, b), a, b),
    lambda a, b: T.maximum(a, b),
    lambda a, b: T.cast(a, "float64"),
    lambda a, b: a - a.mean(axis=1, keepdims=True),
    lambda a, b: T.zeros_like(a) + b,
    lambda a, b: T.concatenate([a[1:], b[:1]]),
]
WITH_NUMPY = [
    lambda a, b: np.exp(np.minimum(a, 2)),
    lambda a, b: -a,
    lambda a, b: a * 2,
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: b * a.T,
    lambda a, b: a / (1 + b**2),
    lambda a, b: a.T,
    lambda a, b: a[::-1],
    lambda a, b: a.reshape((9,)).reshape((3, 3)),
    lambda a, b: a - a[0],
    lambda a, b: a + b[:, 0][:, None],
    lambda a, b: a @ b,
    lambda a, b: np.exp(a - a.max(1)[:, None]) / np.exp(a - a.max(1)[:, None]).sum(1)[:, None],
    lambda a, b: np.where(a < b, a, b),
    lambda a, b: np.maximum(a, b),
    lambda a, b: a,
    lambda a, b: a - a.mean(axis=1, keepdims=True),
    lambda a, b: 0 * a + b,
    lambda a, b: np.concatenate([a[1:], b[:1]]),
]
programs = st.lists(
    st.tuples(st.integers(0, len(STEPS) - 1), st.integers(0, 20), st.integers(0, 20)),
    min_size=1,
    max_size=8,
)


def follow(steps, program, first):
    values = list(first)
    for step, a, b in program:
        # Near to the end of the list, so that chains grow long.
        values.append(steps[step](values[-1 - a % min(len(values), 3)], values[b % len(values)]))
    return values


@settings(max_examples=150, deadline=None)
@given(programs, st.sets(st.integers(0, 9), max_size=2), st.integers(0, 3), st.integers(0, 99))
def test_inputs_are_never_written_and_outputs_are_numpy_s(program, returned, updated, seed):
    rng = np.random.default_rng(seed)
    x, y = T.dmatrices("x", "y")
    w = shared(rng.standard_normal((3, 3)), name="w")
    variables = follow(STEPS, program, [x, y, w])
    chosen = sorted({len(variables) - 1, *(i % len(variables) for i in returned)})
    update = [w - 0.1 * variables[-1], variables[-1], w + w.T, variables[-1] * w][updated]
    f = function(
        [x, y], [variables[i] for i in chosen], updates={w: update}, on_unused_input="ignore"
    )
    values = [rng.standard_normal((3, 3)), rng.standard_normal((3, 3))]
    for value in values:
        value.flags.writeable = False
    copies = [v.copy() for v in values]
    for _ in range(2):
        old = w.get_value()
        with np.errstate(over="ignore"):
            expected = follow(WITH_NUMPY, program, [*values, old])
            results = f(*values)
        for i, result in zip(chosen, results, strict=True):
            np.testing.assert_allclose(result, expected[i], rtol=1e-9, atol=1e-12)
            assert not any(np.shares_memory(result, v) for v in values)
        last = expected[-1]
        new = [old - 0.1 * last, last, old + old.T, last * old][updated]
        np.testing.assert_allclose(w.get_value(), new, rtol=1e-9, atol=1e-12)
    for value, copy in zip(values, copies, strict=True):
        np.testing.assert_array_equal(value, copy)


# Givens.


@pytest.mark.parametrize("as_pairs", [dict, list, tuple])
def test_givens_as_dict_or_pairs(as_pairs):
    x, y, c = T.dscalars("x", "y", "c")
    f = function([c], x * 2 + y, givens=as_pairs([(x, c * 10), (y, 5)]))
    assert f(2) == 45


def test_givens_are_put_in_all_at_once():
    x, y = T.dscalars("x", "y")
    f = function([x, y], 10 * x + y, givens={x: y, y: x})
    assert f(1, 2) == 21


def test_givens_do_not_look_into_what_other_givens_put_in():
    x, y, z = T.dscalars("x", "y", "z")
    f = function([y, z], x + 100 * y, givens={x: y + 1, y: z})
    assert f(5, 7) == 706


def test_givens_of_one_by_itself():
    x = T.dscalar("x")
    assert function([x], x * x, givens={x: x + 1})(2) == 9


def test_givens_of_an_intermediate():
    x, k = T.dscalars("x", "k")
    h = T.exp(x)
    assert function([x, k], h * 2 + x, givens={h: k + x})(1, 10) == 23
    rejects(UnusedInputError, "x", function, [x, k], h * 2, givens={h: k})
    assert function([k], h * 2, givens={h: k})(3) == 6


def test_givens_of_an_output():
    x, k = T.dscalars("x", "k")
    h = T.exp(x)
    assert function([k], [h, h + 1], givens={h: k})(3) == [3, 4]


def test_givens_of_a_shared_variable_also_in_its_update():
    w, x = shared(1.0, name="w"), T.dscalar("x")
    f = function([x], w * 2, updates={w: w + 1}, givens={w: x})
    assert f(10) == 20
    assert w.get_value() == 11


def test_givens_by_shared_variables_and_arrays():
    x = T.dvector("x")
    data = shared(np.arange(6.0))
    i = T.lscalar("i")
    batch = function([i], x.sum(), givens={x: data[i * 2 : (i + 1) * 2]})
    assert [float(batch(k)) for k in range(3)] == [1, 5, 9]
    assert function([], x.sum(), givens={x: np.arange(4.0)})() == 6


def test_givens_may_be_of_a_smaller_dtype_and_are_converted():
    x, i = T.dscalar("x"), T.iscalar("i")
    result = function([i], x / 2, givens={x: i})(3)
    assert result == 1.5


@pytest.mark.parametrize(
    ("givens", "message"),
    [
        ({T.dscalar("x"): T.dvector("v")}, ["x", "v"]),
        ({T.fscalar("x"): T.dscalar("v")}, ["x", "v", "float32", "float64"]),
        ({T.lscalar("x"): T.dscalar("v")}, ["x", "v"]),
        ({T.lscalar("x"): 1.5}, "x"),
        ({T.dscalar("x"): 1j}, "x"),
        ({T.dscalar("x"): "1"}, "1"),
        ({3: T.dscalar("x")}, "3"),
        ([T.dscalar("x")], "givens"),
        ([(T.dscalar("x"), 1, 2)], "givens"),
    ],
)
def test_givens_of_wrong_types(givens, message):
    rejects(TypeError, message, function, [], T.dscalar(), givens=givens)


def test_wrong_given_says_where_it_was_made():
    x = T.fscalar("x")
    y, place = T.dscalar("width"), here()
    rejects(TypeError, ["width", place, "cast"], function, [y], x, givens={x: y})


def test_givens_have_a_variable_once():
    x = T.dscalar("width")
    rejects(ValueError, "width", function, [], x, givens=[(x, 1), (x, 2)])


# Shapes that don't fit, and other errors while a function runs.


def test_shape_error_names_function_operation_shapes_and_place():
    x, w = T.dmatrix("x"), shared(np.ones((3, 2)), name="weights")
    y, place = T.dot(x, w), here()
    f = function([x], y + 1, name="predict")
    parts = ["predict", "dot", r"\(4, 5\)", "weights", r"\(3, 2\)", place]
    rejects(ValueError, parts, f, np.ones((4, 5)))
    assert f(np.ones((4, 3))).shape == (4, 2)


@pytest.mark.parametrize(
    ("make", "shapes", "operation"),
    [
        (lambda x, y: x + y, [(2, 3), (2, 4)], "add"),
        (lambda x, y: T.exp(x) * T.exp(y), [(2, 3), (4, 3)], "mul"),
        (lambda x, y: T.dot(x, y), [(2, 3), (4, 3)], "dot"),
        (lambda x, y: T.concatenate([x, y]), [(2, 3), (2, 4)], "concatenate"),
        (lambda x, y: T.switch(x > 0, x, y), [(2, 3), (2, 4)], "switch"),
        (lambda x, y: T.maximum(x, y), [(2, 3), (3, 2)], "maximum"),
        (lambda x, y: T.nnet.sigmoid(x) - y, [(2, 3), (3, 2)], "sub"),
    ],
)
def test_shape_errors_of_operations(make, shapes, operation):
    x, y = T.dmatrices("x", "y")
    f = function([x, y], make(x, y), name="predict")
    for wrong in (shapes, shapes):  # the second time the careful program is there already
        parts = ["predict", operation, Path(__file__).name, *map(re.escape, map(str, wrong))]
        rejects(ValueError, parts, f, *map(np.ones, wrong))
    assert f(np.ones((3, 3)), np.ones((3, 3))).ndim == 2


def test_shape_error_tells_the_shape_of_what_is_written_where_it_is_used():
    x, y = T.dmatrices("x", "y")
    f = function([x, y], T.dot(x.T, y))
    parts = [r"x\.T of shape \(3, 2\)", r"y of shape \(4, 3\)"]
    rejects(ValueError, parts, f, np.ones((2, 3)), np.ones((4, 3)))


def test_index_error_names_operation_and_place():
    v, i = T.dvector("v"), T.lscalar("i")
    y, place = v[i] * 2, here()
    rejects(IndexError, [place, "out of bounds"], function([v, i], y), np.ones(3), 5)


def test_reshape_error_names_operation_and_place():
    v = T.dvector("v")
    y, place = T.exp(v).reshape((2, 2)) + 1, here()
    rejects(ValueError, [place, r"\b3\b"], function([v], y), np.ones(3))


def test_shape_error_after_the_gradient_still_names_a_line_of_the_user():
    x, w = T.dmatrix("x"), shared(np.ones((3, 2)), name="w")
    cost = (T.dot(x, w) ** 2).sum()
    f = function([x], T.grad(cost, w))
    rejects(ValueError, ["dot", Path(__file__).name], f, np.ones((4, 5)))


def test_lengths_known_beforehand_are_checked_when_the_expression_is_made():
    c = T.constant(np.ones((2, 3)))
    rejects(ValueError, [r"\(2, 3\)", r"\(4,\)"], lambda: c + np.ones(4))
    rejects(ValueError, r"\(2, 3\)", T.dot, c, np.ones((4, 2)))


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(lambda b, v, i: T.exp(b) + T.exp(v), id="at the end"),
        pytest.param(lambda b, v, i: b - T.exp(T.exp(b) + v), id="on the way"),
        pytest.param(lambda b, v, i: b + v[i], id="index in place"),
        pytest.param(lambda b, v, i: b + v[:i], id="slice in place"),
        pytest.param(lambda b, v, i: b * v.reshape((3,)), id="reshape"),
    ],
)
def test_failing_call_leaves_shared_variables_as_they_were(second):
    u, v, i = T.dvector("u"), T.dvector("v"), T.lscalar("i")
    a, b = shared(np.zeros(3), name="a"), shared(np.ones(3), name="b")
    # From the product it's known that b has 3 entries.
    f = function([u, v, i], b * u.reshape((3,)) + i, updates=[(a, a + 1), (b, second(b, v, i))])
    with pytest.raises((ValueError, IndexError)):
        f(np.ones(3), np.ones(2), 2)
    np.testing.assert_array_equal(b.get_value(), np.ones(3))
    np.testing.assert_array_equal(a.get_value(), np.zeros(3))


def test_floating_point_error_leaves_shared_variables_as_they_were():
    v, w = T.dvector("v"), shared(np.ones(3), name="w")
    f = function([v], [], updates={w: w / v})
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        f(np.zeros(3))
    np.testing.assert_array_equal(w.get_value(), np.ones(3))


def test_refused_arguments_leave_shared_variables_as_they_were():
    x, w = T.dvector("x"), shared(np.ones(3), name="w")
    f = function([x], w.sum(), updates={w: w + x})
    for wrong in (1.0, "a", np.ones((3, 3))):
        with pytest.raises(TypeError):
            f(wrong)
    with pytest.raises(ValueError, match="add"):
        f(np.ones(2))
    np.testing.assert_array_equal(w.get_value(), np.ones(3))


def test_function_works_after_an_error():
    x, y = T.dvectors("x", "y")
    f = function([x, y], x * y + x)
    for _ in range(2):
        with pytest.raises(ValueError, match="mul"):
            f(np.ones(2), np.ones(3))
        np.testing.assert_array_equal(f(np.ones(2), np.ones(2)), [2, 2])


# Broadcasting that only shows when the function is called.


# Constants.


@pytest.mark.parametrize(
    ("make", "with_numpy"),
    [
        pytest.param(lambda v: v + np.arange(3.0), lambda v: v + np.arange(3.0), id="add"),
        pytest.param(lambda v: np.arange(3.0) * v, lambda v: np.arange(3.0) * v, id="mul"),
        pytest.param(lambda v: T.dot(v, np.arange(3.0)), lambda v: v @ np.arange(3.0), id="dot"),
        pytest.param(lambda v: v[np.array([2, 0, 0])] - v, lambda v: v[[2, 0, 0]] - v, id="index"),
        pytest.param(
            lambda v: T.grad((v**2 * np.arange(3.0)).sum(), v),
            lambda v: 2 * v * np.arange(3.0),
            id="gradient",
        ),
    ],
)
def test_constant_array_meets_a_variable(make, with_numpy):
    v = T.dvector("v")
    value = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(function([v], make(v))(value), with_numpy(value))


def test_constant_is_a_copy_of_what_was_given():
    mine = np.arange(3.0)
    f = function([], T.constant(mine))
    mine[...] = 77
    np.testing.assert_array_equal(f(), [0, 1, 2])


# A fresh interpreter: NumPy imports some of its own modules when they are needed first.


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("v.max()", "4.0"),
        ("T.outer(v, v)[2, 1]", "8.0"),
        ("v.sum()", "7.0"),
        ("T.nnet.softmax(v * 0).sum()", "1.0"),
    ],
)
def test_first_thing_in_a_fresh_interpreter(expression, value):
    script = (
        "import common.symbolic.tensor as T\n"
        "from common.symbolic import function\n"
        "v = T.dvector('v')\n"
        f"print(function([v], {expression})([1.0, 2.0, 4.0]))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, value), run.stderr[-500:]


# Eval.


def test_eval_with_and_without_values():
    x, y = T.dscalars("x", "y")
    z = x * 2 + y
    assert z.eval({x: 3, y: 4}) == 10
    assert T.constant(3).eval() == 3
    assert (shared(2.0) * 3).eval() == 6
    assert (x * 2).eval({x: 3, y: 1}) == 6
    rejects(MissingInputError, "y", z.eval, {x: 1})
    rejects(TypeError, "x", z.eval, {x: [1.0], y: 1})
