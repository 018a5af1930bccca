import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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

WIDTH = T.dscalar("width")
BAD_INPUTS = [
    *((inputs, TypeError, "inputs must be a list") for inputs in (WIDTH, None, 3, {WIDTH})),
    *(([v], TypeError, "inputs must be of var") for v in (3, "x", None, np.ones(2), T.dscalar)),
    ([T.constant(3.0)], TypeError, "constant"),
    ([shared(1.0, name="weight")], TypeError, ["weight", "givens"]),
    ([WIDTH, WIDTH], ValueError, ["width", "twice"]),
    ([WIDTH, In(WIDTH, value=2)], ValueError, ["width", "twice"]),
]


@pytest.mark.parametrize(("inputs", "error", "message"), BAD_INPUTS)
def test_inputs_must_be_a_list_of_different_variables_without_a_value(inputs, error, message):
    rejects(error, message, function, inputs, 1)
    x, y = T.dscalars("x", "y")
    assert function((x, y), x - y)(5, 2) == function([x, y], x - y)(5, 2) == 3


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
    rejects(TypeError, "updates", function, [], [], {shared(1.0): 2})


def test_input_that_does_not_matter_in_the_end_is_used():
    x, v, w = T.dscalar("x"), T.dvector("v"), shared(1.0)
    equal(function([v], T.zeros_like(v))([1, 2]), [0, 0])
    for cost, derivative in ((3 * x, 3), (x**1, 1), (T.floor(x), 0), (x * w, 1)):
        assert function([x], T.grad(cost, x))(5) == derivative
        assert function([x], 2 * T.grad(cost, x))(5) == 2 * derivative
    function([x], [], updates={w: w * x})(3)
    assert w.get_value() == 3


def test_intermediates_can_be_inputs():
    x, z = T.dvectors("x", "z")
    h = x * 2
    h.name = "hidden"
    k = h + 1
    equal(function([h], k)([1, 2]), [2, 3])
    equal(function([h], T.grad((h**3).sum(), h))([1, 2]), [3, 12])
    equal(function([x, h], k + x)([10, 20], [1, 2]), [12, 23])
    equal(function([x, h, k], x + 10 * h + 100 * k)([1], [2], [3]), [321])
    equal(function([k], k)([1, 2]), [1, 2])
    equal(function([h], z, givens={z: k})([1, 2]), [2, 3])
    rejects(UnusedInputError, "x", function, [x, h], k)
    rejects(TypeError, "hidden", function([h], k), 1.0)
    square = x.reshape((2, 2))
    rejects(TypeError, r"size 2|\(2, 2\)", function([square], square * 2), np.ones((2, 3)))


def three_inputs():
    x, y, z = T.dscalars("x", "y", "z")
    ins = [x, In(y, value=2), In(z, value=3, name="depth")]
    return function(ins, x + 10 * y + 100 * z, name="predict")


def test_arguments_by_position_default_and_name():
    f = three_inputs()
    assert [f(1), f(1, 5), f(1, 5, 7), f(x=1)] == [321, 351, 751, 321]
    assert f(depth=4, x=1) == f(1, depth=4) == 421
    assert "predict" in repr(f)
    v, default = T.dvector("v"), np.array([1.0, 2.0])
    result = function([In(v, value=default)], [v, v * 2])()
    result[0][...] = result[1][...] = 7
    equal(default, [1.0, 2.0])


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "; x missing"),
        ((1, 2, 3, 4), {}, ["3 inputs", "4"]),
        ((1,), {"x": 1}, "1 by position, 'x'"),
        ((1,), {"w": 1}, "'w'"),
        ((1,), {"z": 1}, "'z'"),  # its name for keywords is another
        ((), {"y": 1}, "; x missing"),
        (("a",), {}, "input x"),
        ((1, [1.0]), {}, "input y"),
    ],
)
def test_wrong_arguments(args, kwargs, message):
    rejects(TypeError, ["predict", *np.atleast_1d(message)], three_inputs(), *args, **kwargs)
    unnamed = T.dscalar()
    rejects(TypeError, "x", function([unnamed], unnamed * 2), x=2)


def test_input_with_an_update_keeps_its_state():
    x, total, w, start = T.dscalar("x"), T.dscalar("total"), shared(3.0, name="w"), np.array(10.0)
    f = function([x, In(total, value=start, update=total + x)], total * 2 + 0 * w)
    g = function([x, In(total, value=start, update=x)], x)
    start[...] = 99
    assert [float(f(1)), float(f(5)), float(f(0)), float(g(2))] == [20, 22, 32, 2]
    assert [float(state) for state in (f[total], f["total"], f[w], g[total])] == [16, 16, 3, 2]
    rejects(KeyError, "other", lambda: f["other"])


# Values.


BOOL, BYTE = T.TensorType("bool", []), T.TensorType("uint8", [])
REFUSED = [
    (T.dvector, [1.0, [[1.0]], ["1", "2"], np.array([1.0, 2.0], dtype=object), np.zeros((2, 2))]),
    (T.dvector, [np.array([1.0, 2.0], dtype=complex), np.zeros(2, dtype="i4,f4"), [WIDTH] * 2]),
    (T.dscalar, [[1.0], "1", None, object(), {}, 1j, 2**70, np.datetime64("2020-01-01"), WIDTH]),
    (T.dmatrix, [[1.0], [[1.0], [2.0, 3.0]]]),
    (T.fvector, [np.ones(2), np.ones(2, dtype=np.int64), [0.5, -1e39]]),
    (T.fscalar, [np.array(1.0), 1e300]),
    (T.lvector, [np.ones(2), [1.0, 2.0]]),
    (T.lscalar, [1.0, 1.5]),
    (T.iscalar, [2**31, -(2**31) - 1]),
    (T.bscalar, [128, 300]),
    (T.bvector, [[1, 128], [-129, 1]]),
    (T.ivector, [np.ones(2, dtype=np.int64)]),
    (BYTE, [-1, 256]),
    (BOOL, [1]),
    (T.drow, [np.ones((2, 3)), np.ones((0, 3)), np.ones(3)]),
    (T.dcol, [np.ones((2, 3))]),
]
TAKEN = [
    (T.fscalar, [0.1, 3, 2**24 + 1, float("inf"), np.float16(0.5), np.float64(1)]),
    (T.fvector, [[0.1, 2], (1, 2), np.ones(2, dtype=np.int16)]),
    (T.dscalar, [np.float32(0.1), True, 1, 2.5]),
    (T.dvector, [np.ones(5, dtype=np.int64), np.ones(2, dtype=np.float32), range(3)]),
    (T.bscalar, [127, -128, True]),
    (T.lscalar, [np.int32(5), 2**62]),
    (T.zscalar, [1.5]),
    (T.cscalar, [1j]),
    (BYTE, [255]),
    (BOOL, [True]),
    (T.drow, [[[1, 2, 3]], np.ones((1, 0))]),
    (T.dcol, [[[1], [2]]]),
]


def input_and_shared(kind):
    x, place = kind("x"), here()
    first = np.zeros(np.where(x.broadcastable, 1, 2), x.dtype)
    return function([x], x, name="predict"), place, shared(first, name="weight")


@pytest.mark.parametrize(("kind", "values"), REFUSED)
def test_value_that_does_not_fit_is_refused(kind, values):
    f, place, w = input_and_shared(kind)
    for value in values:
        rejects(TypeError, ["predict", "input x", place], f, value)
        rejects(TypeError, "weight", w.set_value, value)
        if w.ndim == 0 and value is not WIDTH:
            message = "update of weight|must fit into 64 bits|expected a variable"
            rejects(TypeError, message, function, [], [], updates={w: value})
    equal(w.get_value(), np.zeros_like(w.get_value()))


@pytest.mark.parametrize(("kind", "values"), TAKEN)
def test_value_that_fits_is_converted(kind, values):
    f, _, w = input_and_shared(kind)
    for value in values:
        w.set_value(value)
        results = [f(value), w.get_value()]
        if w.ndim == 0 and not isinstance(value, np.generic):
            function([], [], updates={w: value})()
            results.append(w.get_value())
        for result in results:
            assert result.dtype == w.dtype
            equal(result, np.asarray(value, w.dtype))


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


BASE = np.random.default_rng(0).standard_normal((4, 6))
LAYOUTS = {
    "strided": BASE[::2, ::3],
    "backwards": BASE[::-1, ::-1],
    "Fortran-ordered": np.asfortranarray(BASE),
    "byte-swapped and strided": BASE.astype(">f8")[:, ::2],
    "read-only and broadcast": np.broadcast_to(BASE[0], (3, 6)),
    "a part of records": np.rec.fromarrays([BASE, BASE], names="a,b")["a"],
    "a masked array": np.ma.array(BASE, mask=BASE > 100),
}


@pytest.mark.parametrize("value", LAYOUTS.values(), ids=LAYOUTS)
def test_layout_of_inputs_and_borrowed_arrays_does_not_matter(value):
    def outputs(x):
        y = T.nnet.softmax(x * 2) + x.sum(axis=0)
        return [y, x, x.T, x.reshape((-1,)), T.grad((y**2).sum(), x)]

    x, w, before = T.dmatrix("x"), shared(value, borrow=True), np.array(value)
    f, g = function([x], outputs(x)), function([], outputs(w), updates={w: w * 2 + 1})
    plain = np.array(value, dtype=np.float64, order="C")
    for results, at in ((f(value), plain), (g(), plain), (g(), plain * 2 + 1)):
        for result, expected in zip(results, f(at), strict=True):
            assert type(result) is np.ndarray
            assert result.dtype.isnative
            assert result.flags.writeable
            np.testing.assert_allclose(result, expected, rtol=1e-12)
    assert w.get_value().dtype == np.float64
    equal(value, before)


# Outputs.


def test_one_output_a_list_a_dict_or_none():
    x, constants = T.dscalar("x"), [3, 2.5, True, 1j, np.arange(3.0), np.float32(2.5)]
    assert isinstance(function([x], x)(1), np.ndarray)
    assert isinstance(function([x], [x])(1), list)
    assert function([x], (x, x * 2))(1) == [1, 2]
    assert function([x], {"one": x, "two": x * 2})(1) == {"one": 1, "two": 2}
    assert function([x], [], on_unused_input="ignore")(1) == function([], [])() == []
    assert function([])() is function([], None)() is None
    assert function([], {})() == {}
    y = x + 1
    assert function([x], [y * 2, x, y, y, x])(1) == [4, 1, 2, 2, 1]
    for _ in range(2):
        results = function([], constants)()
        for result, constant in zip(results, constants, strict=True):
            equal(result, constant)
            assert result.dtype == T.constant(constant).dtype
            result[...] = 0


# Returned arrays belong to the caller.

M, V, W = T.dmatrix("m"), T.dvector("v"), shared(np.arange(6.0).reshape(2, 3), name="w")
H, C = T.exp(M), T.constant(np.arange(4.0))
ALIASES = (
    "M; M.T; M.T.T; M.reshape((3, 2)); M.flatten(); M[::-1]; M[0]; M[0, 1]; M[:, 1:]; M[...]; "
    "M[:, None, :]; T.cast(M, 'float64'); M.shape; V; V + T.zeros_like(M); T.zeros_like(M); "
    "T.ones_like(M); W; W.T; W[1]; C; C[1:]; T.constant(2.0); H; H.T; H.reshape((-1,)); H[0]; "
    "T.maximum(M, M); T.concatenate([M]); T.sum(M[0, 0]); M * 1; M + 0; T.neg(-M); "
    "T.grad(M.sum(), M); T.grad((M.T * 2).sum(), M); T.grad(M[0].sum(), M); "
    "T.Print('h')(H) + H; T.set_subtensor(M[0], 1); T.inc_subtensor(M[0], 1); "
    "T.switch(M > -100, M, 0); T.clip(M, -100, 100); T.Print('m')(M); T.Print('h')(H)"
)


@pytest.mark.parametrize("expression", ALIASES.split("; "))
@pytest.mark.parametrize("others", ["none", "itself", "input and shared", "what it is made of"])
def test_writing_into_outputs_changes_nothing_else(expression, others):
    y = eval(expression)
    outputs = {
        "none": [y],
        "itself": [y, y],
        "input and shared": [M, W, y],
        "what it is made of": [y, *y.inputs, T.sum(y)],
    }[others]
    s = shared(np.zeros((2,) * y.ndim, y.dtype), broadcastable=[False] * y.ndim)
    f = function([M, V], outputs, updates={s: y}, on_unused_input="ignore")
    rng = np.random.default_rng(0)
    mine = m, v, _ = rng.standard_normal((2, 3)), rng.standard_normal(3), W.get_value(borrow=True)
    before = [array.copy() for array in mine]
    first = [*f(m, v), s.get_value(borrow=True)]
    copies = [r.copy() for r in first]
    for i, result in enumerate(first):
        result[...] = 77
        assert not any(np.shares_memory(result, other) for other in [*mine, *first[:i]])
    for array, value in zip([*mine, *f(m, v), s.get_value()], [*before, *copies], strict=True):
        equal(array, value)
    for result in first:
        equal(result, np.full_like(result, 77))


def test_eval_with_and_without_values():
    x, y = T.dscalars("x", "y")
    z = x * 2 + y
    assert z.eval({x: 3, y: 4}) == 10
    assert (x * 2).eval({x: 3, y: 1}) == 6
    rejects(MissingInputError, "y", z.eval, {x: 1})
    rejects(TypeError, "x", z.eval, {x: [1.0], y: 1})


# Givens.


def test_givens_are_put_in_all_at_once():
    x, y, z = T.dscalars("x", "y", "z")
    for kind in (dict, list, tuple):
        assert function([z], x * 2 + y, givens=kind([(x, z * 10), (y, 5)]))(2) == 45
    assert function([x, y], 10 * x + y, givens={x: y, y: x})(1, 2) == 21
    assert function([y, z], x + 100 * y, givens={x: y + 1, y: z})(5, 7) == 706
    assert function([x], x * x, givens={x: x + 1})(2) == 9


def test_givens_of_intermediates_constants_and_shared_variables():
    x, k, v, i = T.dscalar("x"), T.dscalar("k"), T.dvector("v"), T.lscalar("i")
    h, w, c = T.exp(x), shared(1.0, name="w"), T.constant(2.0)
    assert function([x, k], h * 2 + x, givens={h: k + x})(1, 10) == 23
    assert function([k], [h, h + 1], givens={h: k})(3) == [3, 4]
    rejects(UnusedInputError, "x", function, [x, k], h * 2, givens={h: k})
    assert function([x], c * x, givens={c: 3.0})(2) == 6
    assert function([i], x / 2, givens={x: i})(3) == 1.5  # of a smaller dtype
    f = function([x], w * 2, updates={w: w + 1}, givens={w: x})
    assert f(10) == 20
    assert w.get_value() == 11
    data = shared(np.arange(6.0))
    batch = function([i], v.sum(), givens={v: data[i * 2 : (i + 1) * 2]})
    assert [float(batch(k)) for k in range(3)] == [1, 5, 9]
    assert function([], v.sum(), givens={v: np.arange(4.0)})() == 6
    row, m, n = T.drow("row"), T.dmatrix("m"), T.dmatrix("n")
    f = function([m, n], row + n, givens={row: m})
    equal(f(np.ones((1, 3)), np.ones((2, 3))), np.full((2, 3), 2))
    for shape in ((2, 3), (0, 3)):
        rejects(ValueError, "m of shape .*assert m.shape.0. == 1", f, *map(np.ones, [shape] * 2))


@pytest.mark.parametrize(
    ("givens", "message"),
    [
        ({T.dscalar("x"): T.dvector("v")}, ["x", "v", re.escape("(?,)")]),
        ({T.fscalar("x"): T.dscalar("v")}, ["x", "v", "float32", "float64", here(), "cast"]),
        ({T.lscalar("x"): 1.5}, "x"),
        ({T.dscalar("x"): "1"}, "1"),
        ({T.drow("x"): np.ones((2, 3))}, ["x", r"size 1|\(1, \?\)"]),
        ({T.drow("x"): T.dvector("v").reshape((2, 3))}, ["x", r"\(1, \?\)", r"\(2, 3\)"]),
        ({3: T.dscalar("x")}, "3"),
        (shared(1.0, "w"), "givens must be a dict or a list of pairs, got w"),
        ([T.dscalar("x")], "givens"),
        (3, "givens"),
        ([(T.dscalar("x"), 1, 2)], "givens"),
    ],
)
def test_givens_of_wrong_types(givens, message):
    rejects(TypeError, message, function, [], T.dscalar(), givens=givens)
    rejects(ValueError, "width", function, [], WIDTH, givens=[(WIDTH, 1), (WIDTH, 2)])


# Shapes that don't fit, and other errors during a call.

W32 = shared(np.ones((3, 2)), name="weights")
FAILING = [
    (lambda x, y: x * y, [(2, 1), (2, 4)], "assert x.shape[1] == y.shape[1]: the sizes of axes"),
    (lambda x, y: T.exp(x) - T.exp(y), [(2, 3), (4, 3)], "sub failed for"),
    (lambda x, y: T.dot(x, y), [(2, 3), (4, 3)], "dot failed for x of shape (2, 3) and y"),
    (lambda x, y: T.dot(x[1:].T, y), [(3, 2), (4, 3)], "x[1:].T of shape (2, 2) and y of"),
    (lambda x, y: T.concatenate([x, y]), [(2, 3), (2, 4)], "concatenate failed for x of shape"),
    (lambda x, y: T.switch(x > 0, x, y), [(2, 3), (2, 4)], "y of shape (2, 4)"),
    (lambda x, y: T.tensordot(x, y * 2, 2), [(2, 3), (3, 2)], "x.shape[0] == y.shape[0]"),
    (lambda x, y: T.grad((T.dot(x + y, W32) ** 2).sum(), W32), [(4, 5)] * 2, "weights of shape"),
    (lambda x, y: T.exp(x[0]).reshape((2, 2)) + y, [(3, 3), (2, 2)], "size 3"),
    (lambda x, y: x[y.shape[0]] * 2, [(3, 3), (5, 5)], "out of bounds"),
]


@pytest.mark.parametrize(("make", "shapes", "part"), FAILING)
def test_error_names_function_operation_shapes_and_place(make, shapes, part):
    x, y = T.dmatrices("x", "y")
    f = function([x, y], make(x, y), name="predict", on_unused_input="ignore")
    place = f"made at {__file__}:{make.__code__.co_firstlineno}"
    for _ in range(2):
        parts = map(re.escape, ["predict: ", place, part])
        error = IndexError if "bounds" in part else ValueError
        rejects(error, parts, f, *map(np.ones, shapes))


def test_sizes_known_beforehand_are_checked_when_the_expression_is_made():
    for make, shape in ((T.add, (4,)), (T.dot, (4, 2))):
        parts = map(re.escape, ["(2, 3)", str(shape)])
        rejects(ValueError, parts, make, T.constant(np.ones((2, 3))), np.ones(shape))
    rejects(ValueError, r"\(2, 3\) must have size 1", T.addbroadcast, np.ones((2, 3)), 0)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (lambda b, v, i: T.exp(b) + T.exp(v), "add failed for .*sizes of axes differ"),
        (lambda b, v, i: b + v[i], "add failed for .*v.i.: index 2 is out of bounds"),
        (lambda b, v, i: b + v[: i + 1], "add failed for .*sizes of axes differ"),
        (lambda b, v, i: b * v.reshape((3,)), "mul failed for .*size 2"),
        (lambda b, v, i: T.concatenate([b[0], v]).reshape((6,))[None, :3], "size 5"),
        (lambda b, v, i: b / (v.sum() - 2), "true_div failed for"),
        (
            lambda b, v, i: T.ones((4 - v.shape[0], 3)),
            "addbroadcast failed for .* of shape .2, 3.: assert .* must have size 1,.* new b",
        ),
    ],
)
def test_failing_call_changes_nothing_and_can_be_tried_again(second, message):
    u, v, i = T.dvector("u"), T.dvector("v"), T.lscalar("i")
    a, b = shared(np.zeros(3), name="a"), shared(np.ones((1, 3)), name="b")
    # From the product it's known that b has 3 elements.
    f = function([u, v, i], b * u.reshape((3,)) + i, updates=[(a, a + 1), (b, second(b, v, i))])
    errors = ValueError, IndexError, FloatingPointError
    with np.errstate(all="raise"):
        rejects(errors, message, f, np.ones(3), np.ones(2), 2)
    rejects(TypeError, "input v", f, np.ones(3), 1.0, 2)
    equal(b.get_value(), np.ones((1, 3)))
    equal(a.get_value(), np.zeros(3))
    f(np.ones(3), np.ones(3), 2)
    equal(a.get_value(), np.ones(3))


# A fresh interpreter: NumPy imports some of its modules only when they are first needed.


@pytest.mark.parametrize(
    "expression", ["v.max() + 4", "T.outer(v, v)[2, 1]", "8 * T.exp(v * 0)[0]"]
)
def test_first_thing_in_a_fresh_interpreter(expression):
    script = "import common.symbolic.tensor as T; v = T.dvector(); "
    script += f"print(({expression}).eval({{v: [1.0, 2.0, 4.0]}}))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, "8.0"), run.stderr[-500:]
