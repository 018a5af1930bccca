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

equal = np.testing.assert_array_equal


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


@pytest.mark.parametrize("inputs", [T.dscalar("x"), In(T.dscalar("x")), None, 3, {T.dscalar("x")}])
def test_inputs_must_be_a_list_or_tuple(inputs):
    rejects(TypeError, "inputs", function, inputs, 1)
    x, y = T.dscalars("x", "y")
    assert function((x, y), x - y)(5, 2) == function([x, y], x - y)(5, 2) == 3


@pytest.mark.parametrize("entry", [3, "x", None, np.ones(2), T.dscalar])
def test_inputs_must_be_variables(entry):
    rejects(TypeError, "inputs", function, [entry], 1)


def test_constants_and_shared_variables_are_no_inputs():
    c, w, x = T.constant(3.0), shared(1.0, name="weight"), T.dscalar("width")
    rejects(TypeError, "constant", function, [c], c * 2)
    rejects(TypeError, ["weight", "givens"], function, [w], w * 2)
    rejects(ValueError, ["width", "twice"], function, [x, x], x)
    rejects(ValueError, ["width", "twice"], function, [x, In(x, value=2)], x)


def test_missing_input_is_named_with_its_place_and_what_needs_it():
    x, place = T.dvector("width"), here()
    y, place_of_exp = T.exp(x), here()
    rejects(MissingInputError, ["width", place, "exp", place_of_exp], function, [], y)
    rejects(ValueError, ["width", place, "output"], function, [], x)
    w = shared(np.zeros(3))
    rejects(MissingInputError, "width", function, [], [], updates={w: w + x})


def test_unused_input_is_named_with_its_place_warned_of_or_ignored():
    x = T.dscalar("x")
    y, place = T.dscalar("width"), here()
    parts = ["width", place, "on_unused_input"]
    rejects(UnusedInputError, parts, function, [x, y], x)
    rejects(ValueError, parts, function, [x, y], x, on_unused_input="raise")
    with pytest.warns(UserWarning, match="width") as caught:
        f = function([x, y], x, on_unused_input="warn")
    assert caught[0].filename == __file__
    g = function([x, y], x, on_unused_input="ignore")
    assert f(1, 2) == g(1, 2) == 1
    rejects(TypeError, "width", g, 1)
    for option in ("error", None, True, "RAISE"):
        rejects(ValueError, "on_unused_input", function, [x], x, on_unused_input=option)


def test_input_that_does_not_matter_in_the_end_is_used():
    x, v, w = T.dscalar("x"), T.dvector("v"), shared(1.0)
    equal(function([v], T.zeros_like(v))([1, 2]), [0, 0])
    for cost, derivative in ((3 * x, 3), (x**1, 1), (T.floor(x), 0), (x * w, 1)):
        assert function([x], T.grad(cost, x))(5) == derivative
    function([x], [], updates={w: w * x})(3)
    assert w.get_value() == 3


def test_intermediates_can_be_inputs():
    x = T.dvector("x")
    h = x * 2
    h.name = "hidden"
    k = h + 1
    y = T.exp(x)
    equal(function([h], k)([1, 2]), [2, 3])
    equal(function([x], k)([1, 2]), [3, 5])
    equal(function([x, h], k + x)([10, 20], [1, 2]), [12, 23])
    equal(function([x, h, k], x + 10 * h + 100 * k)([1], [2], [3]), [321])
    equal(function([y], y)([1, 2]), [1, 2])
    rejects(UnusedInputError, "x", function, [x, h], k)
    rejects(TypeError, "hidden", function([h], k), 1.0)


def three_inputs():
    x, y, z = T.dscalars("x", "y", "z")
    return function([x, In(y, value=2), In(z, value=3, name="depth")], x + 10 * y + 100 * z)


def test_arguments_by_place_default_and_name():
    f = three_inputs()
    assert [f(1), f(1, 5), f(1, 5, 7), f(x=1)] == [321, 351, 751, 321]
    assert f(depth=4, x=1) == f(1, depth=4) == 421
    x, v = T.dscalar("x"), T.dvector("v")
    assert function([In(x, value=0)], x + 1)() == 1
    default = np.array([1.0, 2.0])
    result = function([In(v, value=default)], [v, v * 2])()
    result[0][...] = result[1][...] = 7
    equal(default, [1.0, 2.0])


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "; x missing"),
        ((1, 2, 3, 4), {}, ["3 inputs", "4"]),
        ((1,), {"x": 1}, "1 by place, 'x'"),
        ((1,), {"w": 1}, "'w'"),
        ((1,), {"z": 1}, "'z'"),  # its name for keywords is another
        ((), {"y": 1}, "; x missing"),
    ],
)
def test_wrong_arguments(args, kwargs, message):
    rejects(TypeError, message, three_inputs(), *args, **kwargs)


def test_wrong_arguments_name_the_function():
    x, unnamed = T.dscalar("x"), T.dscalar()
    f = function([x], x, name="predict")
    for call in (f, lambda: f(1, 2), lambda: f(w=1), lambda: f("a"), lambda: f([1.0])):
        rejects(TypeError, "predict", call)
    assert "predict" in repr(f)
    rejects(TypeError, "x", function([unnamed], unnamed * 2), x=2)


def test_input_with_an_update_keeps_its_state():
    x, total = T.dscalar("x"), T.dscalar("total")
    f = function([x, In(total, value=10, update=total + x)], total * 2)
    assert [float(f(1)), float(f(5)), float(f(0))] == [20, 22, 32]
    assert f[total] == f["total"] == 16
    rejects(KeyError, "other", lambda: f["other"])


# Values.


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("dvector", [1.0, [[1.0]], ["1", "2"], np.array([1.0, 2.0], dtype=object)]),
        ("dvector", [np.array([1.0, 2.0], dtype=complex), np.zeros(2, dtype="i4,f4")]),
        ("dscalar", [[1.0], "1", None, object(), {}, 1j, 2**70, np.datetime64("2020-01-01")]),
        ("dmatrix", [[1.0], [[1.0], [2.0, 3.0]]]),
        ("fvector", [np.ones(2), np.ones(2, dtype=np.int64), [0.5, -1e39]]),
        ("fscalar", [np.array(1.0), 1e300]),
        ("lvector", [np.ones(2), [1.0, 2.0]]),
        ("lscalar", [1.0, 1.5]),
        ("iscalar", [2**31, -(2**31) - 1]),
        ("bscalar", [128, -129]),
        ("bvector", [[1, 128]]),
        ("ivector", [np.ones(2, dtype=np.int64)]),
        ("drow", [np.ones((2, 3)), np.ones((0, 3)), np.ones(3)]),
        ("dcol", [np.ones((2, 3))]),
    ],
)
def test_value_that_does_not_fit_is_refused(kind, values):
    x, place = getattr(T, kind)("width"), here()
    f = function([x], x * 2, name="predict")
    for value in values:
        rejects(TypeError, ["predict", "width", place], f, value)


def test_variables_are_not_values():
    x, y = T.dscalars("x", "y")
    v = T.dvector("v")
    rejects(TypeError, ["x", "y"], function([x], x * 2), y)
    rejects(TypeError, "v", function([v], v * 2), [x, y])


@pytest.mark.parametrize(
    ("kind", "values", "dtype"),
    [
        ("fscalar", [0.1, 3, float("inf"), np.float16(0.5), np.float64(1)], "float32"),
        ("fvector", [[0.1, 2], (1, 2), np.ones(2, dtype=np.int16)], "float32"),
        ("dscalar", [np.float32(0.1), True], "float64"),
        ("dvector", [np.ones(2, dtype=np.int64), range(3)], "float64"),
        ("bscalar", [127, -128, True], "int8"),
        ("lscalar", [np.int32(5), 2**62], "int64"),
        ("zscalar", [1.5], "complex128"),
        ("cscalar", [1j], "complex64"),
        ("drow", [[[1, 2, 3]]], "float64"),
        ("dcol", [[[1], [2]]], "float64"),
    ],
)
def test_value_that_fits_is_converted(kind, values, dtype):
    x = getattr(T, kind)("x")
    f = function([x], x + 0)
    for value in values:
        assert f(value).dtype == dtype
        equal(f(value), np.asarray(value, dtype))


def test_downcast_where_it_is_allowed():
    v, i, x = T.fvector("v"), T.lscalar("i"), T.fscalar("x")
    result = function([v, i], [v + 0, i + 0], allow_input_downcast=True)(np.array([0.1, 0.2]), 3.7)
    assert [r.dtype for r in result] == ["float32", "int64"]
    equal(result[0], np.array([0.1, 0.2], np.float32))
    assert result[1] == 3
    equal(function([In(v, allow_downcast=True)], v + 0)(np.ones(2)), [1, 1])
    f = function([x], x + 0, allow_input_downcast=True)
    for value in (1j, "1", [1.0], None):
        rejects(TypeError, "x", f, value)


def layouts():
    base = np.random.default_rng(0).standard_normal((4, 6))
    read_only = base.copy()
    read_only.flags.writeable = False
    yield "strided", base[::2, ::3]
    yield "backwards", base[::-1, ::-1]
    yield "Fortran-ordered", np.asfortranarray(base)
    yield "transposed", base.T
    yield "byte-swapped and strided", base.astype(">f8")[:, ::2]
    yield "read-only", read_only
    yield "broadcast", np.broadcast_to(base[0], (3, 6))
    yield "a part of records", np.rec.fromarrays([base, base], names="a,b")["a"]
    yield "a masked array", np.ma.array(base, mask=base > 100)


@pytest.mark.parametrize("value", [pytest.param(v, id=name) for name, v in layouts()])
def test_layout_of_an_input_does_not_matter(value):
    x = T.dmatrix("x")
    y = T.nnet.softmax(x * 2) + x.sum(axis=0)
    f = function([x], [y, x, x.T, x.reshape((-1,)), T.grad((y**2).sum(), x)])
    plain = np.array(value, dtype=np.float64, order="C")
    before = np.array(value)
    for result, expected in zip(f(value), f(plain), strict=True):
        assert type(result) is np.ndarray
        assert result.dtype.isnative
        assert result.flags.writeable
        np.testing.assert_allclose(result, expected, rtol=1e-12)
    equal(value, before)


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
    equal(results[-1], np.zeros(shape[1]))


# Outputs.


def test_one_output_a_list_a_dict_or_none():
    x = T.dscalar("x")
    assert isinstance(function([x], x)(1), np.ndarray)
    assert isinstance(function([x], [x])(1), list)
    assert function([x], (x, x * 2))(1) == [1, 2]
    assert function([x], {"one": x, "two": x * 2})(1) == {"one": 1, "two": 2}
    assert function([x], [], on_unused_input="ignore")(1) == function([], [])() == []
    assert function([])() is function([], None)() is None
    y = x + 1
    assert function([x], [y * 2, x, y, y, x])(1) == [4, 1, 2, 2, 1]


CONSTANTS = [3, 2.5, True, 1j, np.float64(2.5), np.arange(3.0), np.float32(2.5), np.int64(2)]


@pytest.mark.parametrize("constant", CONSTANTS)
def test_outputs_may_be_constants(constant):
    x = T.dscalar("x")
    f = function([x], [x, constant])
    for _ in range(2):
        _, result = f(1)
        assert type(result) is np.ndarray
        equal(result, constant)
        result[...] = 0


@pytest.mark.parametrize("outputs", ["x", ["x"], [None], object(), [[1, "a"]]])
def test_outputs_must_be_variables_or_numbers(outputs):
    rejects((TypeError, ValueError), "", function, [], outputs)


def test_scalars_are_returned_as_arrays_of_their_dtype():
    x, i = T.fvector("x"), T.ivector("i")
    outputs = [x.sum(), x[0], x.mean(), x.max(), T.exp(x)[1], i[0], x.shape[0], i.sum() > 2, x[0]]
    results = function([x, i], outputs)(np.ones(3, np.float32), np.ones(3, np.int32))
    for result, variable in zip(results, outputs, strict=True):
        assert type(result) is np.ndarray
        assert (result.shape, result.dtype) == ((), variable.dtype)
        assert result.flags.writeable


# Returned arrays belong to the caller.

M, V, W = T.dmatrix("m"), T.dvector("v"), shared(np.arange(6.0).reshape(2, 3), name="w")
H, C = T.exp(M), T.constant(np.arange(4.0))
ALIASES = (
    "M; M.T; M.T.T; M.reshape((3, 2)); M.flatten(); M[::-1]; M[0]; M[0, 1]; M[:, 1:]; M[...]; "
    "M[:, None, :]; T.cast(M, 'float64'); M.shape; V; V + T.zeros_like(M); T.zeros_like(M); "
    "T.ones_like(M); W; W.T; W[1]; C; C[1:]; T.constant(2.0); H; H.T; H.reshape((-1,)); H[0]; "
    "T.maximum(M, M); T.concatenate([M]); T.sum(M[0, 0]); M * 1; M + 0; T.neg(-M); "
    "T.grad(M.sum(), M); T.grad((M.T * 2).sum(), M); T.grad(M[0].sum(), M); "
    "T.switch(M > -100, M, 0); T.clip(M, -100, 100)"
)


@pytest.mark.parametrize("expression", ALIASES.split("; "))
@pytest.mark.parametrize("others", ["none", "itself", "input and shared", "what it is made of"])
def test_writing_into_outputs_changes_nothing_else(expression, others):
    y = eval(expression)
    outputs = {
        "none": y,
        "itself": [y, y],
        "input and shared": [M, W, y],
        "what it is made of": [y, *y.inputs, T.sum(y)],
    }[others]
    f = function([M, V], outputs, on_unused_input="ignore")
    rng = np.random.default_rng(0)
    m, v = rng.standard_normal((2, 3)), rng.standard_normal(3)
    m_before, v_before, w_before = m.copy(), v.copy(), W.get_value()

    def call():
        results = f(m, v)
        return results if isinstance(results, list) else [results]

    first = call()
    copies = [r.copy() for r in first]
    for i, result in enumerate(first):
        result[...] = 77
        for j, other in enumerate(first):
            assert i == j or not np.shares_memory(result, other)
        for mine in (m, v, W.get_value(borrow=True)):
            assert not np.shares_memory(result, mine)
    for before, now in ((m_before, m), (v_before, v), (w_before, W.get_value())):
        equal(now, before)
    for again, expected, result in zip(call(), copies, first, strict=True):
        equal(again, expected)
        equal(result, np.full_like(result, 77))


def test_eval_returns_an_array_of_one_s_own():
    for expression in (C, C[1:], W, W.T):
        result = expression.eval()
        expected = result.copy()
        result[...] = 77
        equal(expression.eval(), expected)


# Inputs are never written.

STEPS = [
    lambda T, a, b: T.exp(T.minimum(a, 2)),
    lambda T, a, b: -a,
    lambda T, a, b: a * 2,
    lambda T, a, b: a + b,
    lambda T, a, b: a - b,
    lambda T, a, b: b * a.T,
    lambda T, a, b: a / (1 + T.sqr(b)),
    lambda T, a, b: a.T,
    lambda T, a, b: a[::-1],
    lambda T, a, b: a.reshape((9,)).reshape((3, 3)),
    lambda T, a, b: a - a[0],
    lambda T, a, b: a + b[:, 0][:, None],
    lambda T, a, b: T.dot(a, b),
    lambda T, a, b: T.switch(a < b, a, b),
    lambda T, a, b: T.maximum(a, b),
    lambda T, a, b: T.cast(a, "float64"),
    lambda T, a, b: a - a.mean(axis=1, keepdims=True),
    lambda T, a, b: T.zeros_like(a) + b,
    lambda T, a, b: T.concatenate([a[1:], b[:1]]),
]
programs = st.lists(
    st.tuples(st.integers(0, len(STEPS) - 1), st.integers(0, 20), st.integers(0, 20)),
    min_size=1,
    max_size=8,
)


def follow(module, program, first):
    values = list(first)
    for step, a, b in program:
        # Near to the end of the list, so that chains grow long.
        a, b = values[-1 - a % min(len(values), 3)], values[b % len(values)]
        values.append(STEPS[step](module, a, b))
    return values


@settings(max_examples=150, deadline=None)
@given(programs, st.sets(st.integers(0, 9), max_size=2), st.integers(0, 3), st.integers(0, 99))
def test_inputs_are_never_written_and_outputs_are_numpy_s(ref, program, returned, updated, seed):
    rng = np.random.default_rng(seed)
    x, y = T.dmatrices("x", "y")
    w = shared(rng.standard_normal((3, 3)), name="w")
    variables = follow(T, program, [x, y, w])
    chosen = sorted({len(variables) - 1, *(i % len(variables) for i in returned)})

    def new(w, last):
        return [w - 0.1 * last, last, w + w.T, last * w][updated]

    outputs, updates = [variables[i] for i in chosen], {w: new(w, variables[-1])}
    f = function([x, y], outputs, updates=updates, on_unused_input="ignore")
    values = [rng.standard_normal((3, 3)), rng.standard_normal((3, 3))]
    copies = [v.copy() for v in values]
    for value in values:
        value.flags.writeable = False
    for _ in range(2):
        old = w.get_value()
        with np.errstate(over="ignore"):
            expected = follow(ref.N, program, [*values, old])
            results = f(*values)
        for i, result in zip(chosen, results, strict=True):
            np.testing.assert_allclose(result, expected[i], rtol=1e-9, atol=1e-12)
            assert not any(np.shares_memory(result, v) for v in values)
        np.testing.assert_allclose(w.get_value(), new(old, expected[-1]), rtol=1e-9, atol=1e-12)
    for value, copy in zip(values, copies, strict=True):
        equal(value, copy)


# Givens.


@pytest.mark.parametrize("as_pairs", [dict, list, tuple])
def test_givens_as_dict_or_pairs(as_pairs):
    x, y, c = T.dscalars("x", "y", "c")
    assert function([c], x * 2 + y, givens=as_pairs([(x, c * 10), (y, 5)]))(2) == 45


def test_givens_are_put_in_all_at_once():
    x, y, z = T.dscalars("x", "y", "z")
    assert function([x, y], 10 * x + y, givens={x: y, y: x})(1, 2) == 21
    assert function([y, z], x + 100 * y, givens={x: y + 1, y: z})(5, 7) == 706
    assert function([x], x * x, givens={x: x + 1})(2) == 9


def test_givens_of_intermediates_and_outputs():
    x, k = T.dscalars("x", "k")
    h = T.exp(x)
    assert function([x, k], h * 2 + x, givens={h: k + x})(1, 10) == 23
    assert function([k], [h, h + 1], givens={h: k})(3) == [3, 4]
    rejects(UnusedInputError, "x", function, [x, k], h * 2, givens={h: k})


def test_givens_and_shared_variables():
    w, x, v, i = shared(1.0, name="w"), T.dscalar("x"), T.dvector("v"), T.lscalar("i")
    f = function([x], w * 2, updates={w: w + 1}, givens={w: x})
    assert f(10) == 20
    assert w.get_value() == 11
    data = shared(np.arange(6.0))
    batch = function([i], v.sum(), givens={v: data[i * 2 : (i + 1) * 2]})
    assert [float(batch(k)) for k in range(3)] == [1, 5, 9]
    assert function([], v.sum(), givens={v: np.arange(4.0)})() == 6
    assert function([i], x / 2, givens={x: i})(3) == 1.5  # of a smaller dtype


@pytest.mark.parametrize(
    ("givens", "message"),
    [
        ({T.dscalar("x"): T.dvector("v")}, ["x", "v"]),
        ({T.fscalar("x"): T.dscalar("v")}, ["x", "v", "float32", "float64", here(), "cast"]),
        ({T.lscalar("x"): T.dscalar("v")}, ["x", "v"]),
        ({T.lscalar("x"): 1.5}, "x"),
        ({T.dscalar("x"): 1j}, "x"),
        ({T.dscalar("x"): "1"}, "1"),
        ({T.drow("x"): np.ones((2, 3))}, ["x", "size 1"]),
        ({3: T.dscalar("x")}, "3"),
        ([T.dscalar("x")], "givens"),
        ([(T.dscalar("x"), 1, 2)], "givens"),
    ],
)
def test_givens_of_wrong_types(givens, message):
    rejects(TypeError, message, function, [], T.dscalar(), givens=givens)


def test_givens_have_a_variable_once():
    x = T.dscalar("width")
    rejects(ValueError, "width", function, [], x, givens=[(x, 1), (x, 2)])


# Shapes that don't fit, and other errors while a function runs.


@pytest.mark.parametrize(
    ("make", "shapes", "operation"),
    [
        (lambda x, y: x + y, [(2, 3), (2, 4)], "add"),
        (lambda x, y: T.exp(x) * T.exp(y), [(2, 3), (4, 3)], "mul"),
        (lambda x, y: T.dot(x, y), [(2, 3), (4, 3)], "dot"),
        (lambda x, y: T.concatenate([x, y]), [(2, 3), (2, 4)], "concatenate"),
        (lambda x, y: T.switch(x > 0, x, y), [(2, 3), (2, 4)], "switch"),
        (lambda x, y: T.nnet.sigmoid(x) - y, [(2, 3), (3, 2)], "sub"),
    ],
)
def test_shape_error_names_function_operation_shapes_and_place(make, shapes, operation):
    x, y = T.dmatrices("x", "y")
    f = function([x, y], make(x, y), name="predict")
    for _ in range(2):
        parts = ["predict", operation, Path(__file__).name, *map(re.escape, map(str, shapes))]
        rejects(ValueError, parts, f, *map(np.ones, shapes))
        assert f(np.ones((3, 3)), np.ones((3, 3))).ndim == 2  # it still works


def test_errors_name_arguments_and_the_line_of_the_user():
    x, y, v, i = T.dmatrix("x"), T.dmatrix("y"), T.dvector("v"), T.lscalar("i")
    w = shared(np.ones((3, 2)), name="weights")
    f = function([x, y], T.dot(x.T, y))
    parts = [r"x\.T of shape \(3, 2\)", r"y of shape \(4, 3\)"]
    rejects(ValueError, parts, f, np.ones((2, 3)), np.ones((4, 3)))
    z, place = v[i] * 2, here()
    rejects(IndexError, [place, "out of bounds"], function([v, i], z), np.ones(3), 5)
    z, place = T.exp(v).reshape((2, 2)) + 1, here()
    rejects(ValueError, [place, r"\b3\b"], function([v], z), np.ones(3))
    cost = (T.dot(x, w) ** 2).sum()
    parts = ["dot", "weights", Path(__file__).name]
    rejects(ValueError, parts, function([x], T.grad(cost, w)), np.ones((4, 5)))


def test_sizes_known_beforehand_are_checked_when_the_expression_is_made():
    c = T.constant(np.ones((2, 3)))
    rejects(ValueError, [r"\(2, 3\)", r"\(4,\)"], lambda: c + np.ones(4))
    rejects(ValueError, r"\(2, 3\)", T.dot, c, np.ones((4, 2)))


@pytest.mark.parametrize(
    "second",
    [
        lambda b, v, i: T.exp(b) + T.exp(v),
        lambda b, v, i: b - T.exp(T.exp(b) + v),
        lambda b, v, i: b + v[i],
        lambda b, v, i: b + v[:i],
        lambda b, v, i: b * v.reshape((3,)),
        lambda b, v, i: T.concatenate([b, v])[: i + 3].reshape((5,)) / 0 + b,
    ],
)
def test_failing_call_leaves_shared_variables_as_they_were(second):
    u, v, i = T.dvector("u"), T.dvector("v"), T.lscalar("i")
    a, b = shared(np.zeros(3), name="a"), shared(np.ones(3), name="b")
    # From the product it's known that b has 3 elements.
    f = function([u, v, i], b * u.reshape((3,)) + i, updates=[(a, a + 1), (b, second(b, v, i))])
    with pytest.raises((ValueError, IndexError)):
        f(np.ones(3), np.ones(2), 2)
    with pytest.raises(TypeError):
        f(np.ones(3), 1.0, 2)
    equal(b.get_value(), np.ones(3))
    equal(a.get_value(), np.zeros(3))


def test_floating_point_error_leaves_shared_variables_as_they_were():
    v, w = T.dvector("v"), shared(np.ones(3), name="w")
    f = function([v], [], updates={w: w / v})
    with np.errstate(all="raise"):
        rejects(FloatingPointError, "true_div", f, np.zeros(3))
    equal(w.get_value(), np.ones(3))


def test_update_that_would_break_an_axis_of_size_1_is_refused():
    w, x = shared(np.ones((1, 3)), name="w"), T.dmatrix("x")
    f = function([x], [], updates={w: x})
    rejects(ValueError, ["w", "size 1"], f, np.ones((2, 3)))
    f(np.full((1, 3), 2.0))
    equal(w.get_value(), np.full((1, 3), 2.0))


# A fresh interpreter: NumPy imports some of its own modules when they are needed first.


@pytest.mark.parametrize(
    ("expression", "value"),
    [("v.max()", "4.0"), ("T.outer(v, v)[2, 1]", "8.0"), ("T.nnet.softmax(v * 0).sum()", "1.0")],
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


def test_eval_with_and_without_values():
    x, y = T.dscalars("x", "y")
    z = x * 2 + y
    assert z.eval({x: 3, y: 4}) == 10
    assert T.constant(3).eval() == 3
    assert (shared(2.0) * 3).eval() == 6
    assert (x * 2).eval({x: 3, y: 1}) == 6
    rejects(MissingInputError, "y", z.eval, {x: 1})
    rejects(TypeError, "x", z.eval, {x: [1.0], y: 1})
