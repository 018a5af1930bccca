import ast
import itertools
import math
import operator
from types import SimpleNamespace

import numpy as np
import pytest

import common.symbolic.tensor as T
from common.symbolic import function, runtime, shared
from common.symbolic.elementwise import Elementwise

ALONE = {k: v for k, v in runtime.NAMESPACE.items() if k != "__builtins__"}
# NumPy by the names of common.symbolic.tensor, so that one lambda does for both.
N = SimpleNamespace(
    exp=np.exp,
    tanh=np.tanh,
    sqr=np.square,
    maximum=np.maximum,
    switch=np.where,
    dot=np.dot,
    abs=np.abs,
    arange=np.arange,
    cast=np.asarray,
    concatenate=np.concatenate,
)


def check(make, *values, **options):
    """Check that `make(T, …)` on variables computes what `make(N, …)` does on their values."""
    values = [np.asarray(v) for v in values]
    variables = [
        T.TensorType(a.dtype, (False,) * a.ndim)("abcdefgh"[k]) for k, a in enumerate(values)
    ]
    made = make(T, *variables)
    f = function(variables, made, on_unused_input="ignore", **options)
    with np.errstate(all="ignore"):
        results, expected = f(*values), make(N, *values)
    one = not isinstance(made, list)
    for result, value in zip(
        [results] if one else results, [expected] if one else expected, strict=True
    ):
        np.testing.assert_allclose(result, value, rtol=1e-12, err_msg=f.source)
    return f


def run_alone(f, *values):
    """Run the printed program by itself."""
    space = dict(ALONE)
    exec(f.source, space)
    return space["program"](*values)


# What the program looks like.


def test_source_runs_by_itself():
    x, w, b = T.dmatrix("x"), T.dmatrix("w"), T.dvector("b")
    labels = T.lvector("labels")
    p = T.nnet.softmax(T.dot(T.nnet.sigmoid(x), w) + b)
    cost = -T.mean(T.log(p)[T.arange(labels.shape[0]), labels]) + 0.1 * (w**2).sum()
    f = function([x, w, b, labels], [cost, p, *T.grad(cost, [w, b, x])])
    rng = np.random.default_rng(0)
    values = (
        rng.standard_normal((4, 3)),
        rng.standard_normal((3, 2)),
        rng.standard_normal(2),
        np.array([0, 1, 1, 0]),
    )
    for result, expected in zip(run_alone(f, *values), f(*values), strict=True):
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: [T.nnet.softmax(x), T.nnet.log_softmax(x), T.nnet.relu(x), T.nnet.softplus(x)],
        lambda x: [x[::-1, 1:], x[0], x[None], x[..., 0], x.reshape((-1,)), x.flatten(), x.T],
        lambda x: [x.sum(axis=0), x.mean(), x.max(axis=1), x.argmax(), x.var(axis=0), x.shape],
        lambda x: [T.grad(x[0].sum() ** 2 + x[1:].max(), x), T.outer(x[0], x[1])],
        lambda x: [T.cast(x, "float32"), T.cast(x > 0, "int8"), T.zeros_like(x), T.ones_like(x)],
        lambda x: [T.concatenate([x, x[:1]]), T.clip(x, -0.5, 0.5), T.switch(x > 0, x, 1)],
        lambda x: [x * np.float32(0.5), x + np.int64(2), x**-2.0, x // 0.5, x % 2, abs(x), -x],
        lambda x: [
            x[T.arange(x.shape[0]), T.argmin(x, axis=1)],
            T.grad(T.log(T.nnet.softmax(x))[0, 1], x),
        ],
        lambda x: [T.minimum(x, np.inf), x[np.array([2, 0])], T.log(x * np.nan)],
    ],
)
def test_source_of_every_kind_of_operation_runs_by_itself(make):
    x = T.dmatrix("x")
    f = function([x], make(x))
    value = np.random.default_rng(0).standard_normal((3, 4))
    for result, expected in zip(run_alone(f, value), f(value), strict=True):
        np.testing.assert_array_equal(result, expected)


def test_source_is_one_function_of_plain_statements():
    x, w = T.dmatrix("x"), shared(np.ones((3, 2)), name="w")
    cost = (T.tanh(T.dot(x, w)) ** 2).sum()
    f = function([x], cost, updates={w: w - 0.1 * T.grad(cost, w)})
    program = ast.parse(f.source).body[-1]
    assert isinstance(program, ast.FunctionDef)
    assert [a.arg for a in program.args.args] == ["x", "w"]
    kinds = {type(s) for s in program.body}
    assert kinds <= {ast.Assert, ast.Assign, ast.AugAssign, ast.Expr, ast.Return}


def test_names_of_the_user_appear():
    x = T.dmatrix("images")
    h = T.exp(x)
    h.name = "hidden"
    cost = (h**2).sum()
    cost.name = "loss"
    w = shared(2.0, name="scale")
    f = function([x], [cost * w, *T.grad(cost * w, [x])])
    lines = f.source.splitlines()
    assert any(line.startswith("def program(images, scale)") for line in lines)
    assert any(line.strip().startswith("hidden = np.exp(images)") for line in lines)
    assert any("dimages" in line for line in lines)
    assert any(line.strip().startswith("loss = ") for line in lines)


def test_comments_tell_the_formula_of_what_has_a_name():
    x, y = T.dscalars("x", "y")
    z = (x + 2 * y) ** 2
    z.name = "z"
    f = function([x, y], [z, *T.grad(z, [x, y])])
    comments = [line.split("#", 1)[1] for line in f.source.splitlines() if "#" in line]
    assert any("∂z/∂x" in c or "∂z/∂y" in c for c in comments)
    assert any("z =" in c for c in comments)


def test_work_is_done_once_and_only_if_it_is_needed():
    x, y = T.dmatrices("x", "y")
    unneeded = (T.zeros_like(T.dot(x, y)) + 1) * 0
    outputs = [T.exp(x) + 1, T.exp(x) - 1, T.exp(x * 1), unneeded + T.exp(x) * T.exp(x)]
    source = function([x, y], outputs).source
    assert source.count("np.exp(x)") == 1
    assert "t2" not in function([x], T.tanh(T.exp(x) * 2 + 1)).source  # all in one array


# Names that Python or the program has, or that want to be run.

CANARY = "canary"


NAMES = [
    *("x; import os", "x\nimport os", "x\r\n    raise SystemExit", f"x\n    np.{CANARY} = 1\n"),
    *(f"np.{CANARY} = 1", f"1); np.{CANARY} = (1", f"x # \n    np.{CANARY} = 1  #"),
    *(f"x\u2028np.{CANARY} = 1", f"x\x0cnp.{CANARY} = 1", f"x\x85    np.{CANARY} = 1"),
    *(f"x\x00np.{CANARY} = 1", f'"""\nnp.{CANARY} = 1\n"""'),
    *(f"' + str(setattr(np, '{CANARY}', 1)) + '", f"{{setattr(np, '{CANARY}', 1)}}"),
    *("{0}{1}%s%(x)s\\N{DIGIT ONE}", f"__import__('pathlib').Path('{CANARY}').touch()"),
    *(f"∂cost/∂x\n    np.{CANARY} = 1", f"∂/∂np.{CANARY} = 1", "∂cost/∂", "∂cost/∂x"),
    *("back\\slash", "trailing\\", "quote'", 'double"quote', "# comment", "x, y", "*args", "x=1"),
    *("lambda", "class", "None", "True", "match", "print", "np", "program", "self", "sigmoid"),
    *("softmax", "sum_to", "put", "__builtins__", "__import__", "__debug__", "t", "t1", "t2"),
    *("x1", "constant", "constant1", "result", "result2", "dx", "", " ", "_", "__", "1", "1x"),
    *("x: int", "x" * 5000, "ｎｐ", "𝐧𝐩", "ⅰ", "ﬁ", "ª", "µ", "é", "e\u0301", "名前", "🐍"),
    *("x🐍y", "\u202ex", "\ud800"),  # Python reads full-width ｎｐ as np
]


@pytest.fixture
def canary(monkeypatch, tmp_path):
    """Fails the test if a name was run: as Python it would set an attribute or make a file."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not hasattr(np, CANARY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("canary")
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_hostile_names_neither_run_nor_break_anything(name):
    x, y = T.dvector(name), T.dvector(name)
    w = shared(np.array([2.0, 3.0]), name=name)
    c = T.constant(np.arange(2.0), name=name)
    number = T.constant(5.0, name=name)
    h = T.exp(x * y)
    h.name = name
    k = T.nnet.sigmoid(h * w + T.sum(c) * 3) * number
    k.name = name
    cost = (k[::-1] ** 2).sum() + T.nnet.softmax(x)[0]
    cost.name = name
    gx, gy, gw = T.grad(cost, [x, y, w])
    f = function([x, y], [cost, h, k, gx, gy, gw, x.T, c], updates={w: w - 0.5 * gw}, name=name)
    values = np.array([0.1, -0.2]), np.array([0.3, 0.4])
    results = f(*values)

    h_value = np.exp(values[0] * values[1])
    s = 1 / (1 + np.exp(-(h_value * [2, 3] + 3)))
    np.testing.assert_allclose(results[1], h_value)
    np.testing.assert_allclose(results[2], 5 * s)
    np.testing.assert_allclose(results[5], 2 * 5 * s * 5 * s * (1 - s) * h_value)
    np.testing.assert_allclose(results[6], values[0])
    np.testing.assert_array_equal(results[7], [0, 1])
    np.testing.assert_allclose(w.get_value(), [2, 3] - 0.5 * results[5])
    ast.parse(f.source)
    program = ast.parse(f.source).body[-1]
    plain = (ast.Assert, ast.Assign, ast.AugAssign, ast.Expr, ast.Return)
    assert all(isinstance(s, plain) for s in program.body)
    exec(f.source, dict(ALONE))
    with pytest.raises(TypeError):
        f("a", "b")
    with pytest.raises(ValueError, match="sizes of axes differ"):
        f(np.ones(3), np.ones(2))


@pytest.mark.usefixtures("canary")
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_hostile_names_stay_apart_from_generated_ones(name):
    xs = [T.dscalar(name) for _ in range(4)]
    steps = [T.exp(x) for x in xs]
    for step in steps[::2]:
        step.name = name
    total = sum(step * 10**k for k, step in enumerate(steps))
    f = function(xs, [total, *xs, *steps])
    values = [0.1, 0.2, 0.3, 0.4]
    expected = [sum(math.exp(v) * 10**k for k, v in enumerate(values)), *values, *np.exp(values)]
    np.testing.assert_allclose(f(*values), expected)


def test_names_of_the_user_are_kept_where_python_allows_them():
    x = T.dvector("μ")
    h = T.exp(x)
    h.name = "名前"
    f = function([x], [h, h.sum()])
    assert "def program(μ)" in f.source
    assert "名前 = np.exp(μ)" in f.source


@pytest.mark.parametrize("name", [3, b"x", ["x"], T.dscalar])
def test_name_must_be_a_string(name):
    with pytest.raises(TypeError, match="name"):
        T.dscalar(name)


# Values that want to be run, too.


class EvilText:
    def text(self):
        return f"setattr(np, '{CANARY}', 1)"

    __repr__ = __str__ = text

    def __format__(self, spec):
        return f"setattr(np, '{CANARY}', 1)"


class EvilInt(EvilText, int):
    pass


class EvilFloat(EvilText, float):
    pass


class EvilComplex(EvilText, complex):
    pass


class EvilArray(EvilText, np.ndarray):
    def item(self, *args):
        return EvilInt(3)

    def __getitem__(self, key):
        return EvilInt(3)


class EvilIndex(EvilText):
    def __index__(self):
        return 1


class EvilName(EvilText, str):
    __slots__ = ()

    def __str__(self):
        return f"setattr(np, '{CANARY}', 1)"

    def split(self, *args):
        return [f"x\n    np.{CANARY} = 1\n"]

    def strip(self, *args):
        return self

    def isidentifier(self):
        return True


def evil_array(values):
    return np.asarray(values).view(EvilArray)


@pytest.mark.usefixtures("canary")
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda v: v * EvilInt(3), [3, 6, 9]),
        (lambda v: v + EvilFloat(0.5), [1.5, 2.5, 3.5]),
        (lambda v: v * EvilComplex(1j), [1j, 2j, 3j]),
        (lambda v: v ** EvilInt(-1), [1, 1 / 2, 1 / 3]),
        (lambda v: v - evil_array(2), [-1, 0, 1]),
        (lambda v: v.sum() - evil_array([2, 3]), [4, 3]),
        (lambda v: T.constant(evil_array(3.0)) * v, [3, 6, 9]),
        (lambda v: v * T.constant(EvilFloat("inf")), [np.inf] * 3),
        (lambda v: v[EvilInt(1)], 2),
        (lambda v: v[EvilIndex() : EvilInt(3) : EvilInt(1)], [2, 3]),
        (lambda v: v[evil_array([2, 0])], [3, 1]),
        (lambda v: v.sum(axis=EvilInt(0)), 6),
        (lambda v: v.reshape((EvilInt(3), EvilInt(1))), [[1], [2], [3]]),
        (lambda v: v.reshape((EvilInt(-1),)), [1, 2, 3]),
        (lambda v: T.arange(EvilInt(1), EvilInt(3)) * v[:2], [1, 4]),
        (lambda v: T.concatenate([v, v], axis=EvilInt(0)), [1, 2, 3] * 2),
        (lambda v: v.reshape((1, 3)).transpose(EvilInt(1), EvilInt(0)), [[1], [2], [3]]),
        (lambda v: v.flatten(EvilInt(1)), [1, 2, 3]),
        (lambda v: T.switch(v > EvilInt(1), EvilFloat(1.0), EvilInt(0)), [0, 1, 1]),
        (lambda v: T.clip(v, EvilFloat(1.5), EvilInt(2)), [1.5, 2, 2]),
        (lambda v: T.argmax(v, axis=EvilInt(-1)), 2),
        (lambda v: T.grad(v[EvilInt(1)] * EvilFloat(2.0), v), [0, 2, 0]),
    ],
)
def test_values_of_hostile_types_are_taken_for_what_they_are(make, expected):
    v = T.dvector("v")
    y = make(v)
    f = function([v], y, on_unused_input="ignore")
    np.testing.assert_allclose(f([1, 2, 3]), expected)
    assert CANARY not in f.source


@pytest.mark.usefixtures("canary")
def test_arguments_and_shared_values_of_hostile_types():
    v, w = T.dvector("v"), shared(evil_array([1.0, 2.0]), name="w")
    w.set_value(evil_array([2.0, 3.0]))
    f = function([v], v * w, updates={w: w + EvilFloat(1.0)})
    result = f(evil_array([1.0, 2.0]))
    assert type(result) is np.ndarray
    assert type(w.get_value(borrow=True)) is np.ndarray
    np.testing.assert_array_equal(result, [2, 6])
    np.testing.assert_array_equal(w.get_value(), [3, 4])


@pytest.mark.usefixtures("canary")
def test_name_of_a_hostile_type():
    v = T.dvector(EvilName("v"))
    h = T.exp(v)
    h.name = EvilName("h")
    f = function([v], [h, h * 2])
    np.testing.assert_allclose(f([0.0])[1], [2])
    exec(f.source, dict(ALONE))


SPECIAL = [
    lambda a, c: a * c,
    lambda a, c: c - a,
    lambda a, c: a + c,
    lambda a, c: (a - c) * 2 + 1,
]


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, -0.0, 5e-324, 1e-5, -1.5, 1e22])
@pytest.mark.parametrize("kind", [float, np.float64, np.array, T.constant])
def test_special_numbers_as_constants(number, kind):
    x, v = T.dscalar("x"), T.dvector("v")
    with np.errstate(invalid="ignore"):
        for make in SPECIAL:
            expected = make(np.array([1.0, 0.5]), number)
            constant = kind(number)
            np.testing.assert_array_equal(function([v], make(v, constant))([1.0, 0.5]), expected)
            np.testing.assert_array_equal(function([x], make(x, constant))(0.5), expected[1])


@pytest.mark.parametrize(
    ("kind", "value", "first", "second"),
    [("bscalar", 0, 100, 2), ("dscalar", 1e-10, 1e308, 100.0), ("fscalar", 1e-10, 1e38, 100.0)],
)
def test_constants_that_overflow_together_are_not_joined(kind, value, first, second):
    x = getattr(T, kind)("x")
    result = function([x], x * first * second)(value)
    np.testing.assert_allclose(result, value * first * second, rtol=1e-6)


def test_signed_zero_of_a_constant_stays():
    x = T.dscalar("x")
    assert math.copysign(1, function([x], x * -0.0)(1.0)) == -1
    assert math.copysign(1, function([x], x * 0.0)(1.0)) == 1
    values = function([x], [T.constant(-0.0) * x, T.constant(0.0) * x])(1.0)
    assert [math.copysign(1, v) for v in values] == [-1, 1]


# Precedence: the text of one operation inside of another's.

BINARY = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<": operator.lt,
    ">=": operator.ge,
}
UNARY = {"neg": operator.neg, "abs": abs}


@pytest.mark.parametrize("outer", BINARY)
@pytest.mark.parametrize("kind", ["scalars", "vectors", "numbers"])
def test_operators_within_operators(outer, kind):
    o = BINARY[outer]
    truths = "<", ">="
    for inner, i in BINARY.items():
        if outer in ("+", "-") and inner in truths:
            continue  # a difference of truths is an error in NumPy, a sum of them isn't 2
        if kind == "numbers":  # constants, written out in the text
            for b, c in itertools.product([1.5, -1.5], [3.0, -3.0]):
                check(lambda n, u, i=i, b=b, c=c: o(i(u, b), c), 2.5)
                check(lambda n, u, i=i, b=b, c=c: o(b, i(u, c)), 2.5)
                check(lambda n, u, i=i, b=b, c=c: o(i(b, u), i(u, c)), 2.5)
        else:
            values = [2.5, -1.5, 3.0] if kind == "scalars" else np.array([[2.5], [-1.5], [3.0]])
            check(lambda n, u, v, w, i=i: o(i(u, v), w), *values)
            check(lambda n, u, v, w, i=i: o(u, i(v, w)), *values)
            check(lambda n, u, v, w, i=i: o(i(u, v), i(v, w)), *values)


@pytest.mark.parametrize("outer", UNARY)
@pytest.mark.parametrize("inner", BINARY)
def test_signs_and_operators(outer, inner):
    o, i = UNARY[outer], BINARY[inner]
    numbers = inner not in ("<", ">=")
    for a, b in [(2.5, 1.5), (2.5, -1.0), (-2.0, 3.0)]:
        if numbers:
            check(lambda n, u, v: o(i(u, v)), a, b)
            check(lambda n, u, v: o(o(i(u, v))), a, b)
        check(lambda n, u, v: i(o(u), v), a, b)
        check(lambda n, u, v: i(u, o(v)), a, b)
        check(lambda n, u, v: i(o(u), o(v)), a, b)
        check(lambda n, u, b=b: i(o(u), b), a)
        check(lambda n, u, b=b: i(b, o(u)), a)


@pytest.mark.parametrize(
    "make",
    [
        lambda n, x: (-2.0) ** x,
        lambda n, x: -(2.0**x),
        lambda n, x: (-x) ** 2,
        lambda n, x: 2 ** (x**2),
        lambda n, x: -1 - -x * -1,
        lambda n, x: x * (-1 - 2j) ** 2,
        lambda n, x: 1 - (x < 4) * 1.0,
    ],
)
def test_signs_and_powers_of_numbers(make):
    check(make, 3.0)
    check(make, np.array([3.0, 2.0]))


@pytest.mark.parametrize(
    "make",
    [
        lambda n, x, a, b: x / n.dot(a, b),
        lambda n, x, a, b: n.dot(a, b) ** x,
        lambda n, x, a, b: x % n.dot(a, b),
        lambda n, x, a, b: n.dot(a, b)[None] + x,
        lambda n, x, a, b: -n.dot(a, b) * x,
        lambda n, x, a, b: n.dot(-a, b) * n.dot(b, b) * x,
        lambda n, x, a, b: (x < n.dot(a, b)) * 2.0,
    ],
)
def test_product_of_vectors_within_operators(make):
    check(make, 2.5, np.array([1.0, 2.0]), np.array([0.5, 1.0]))


def test_sizes_within_operators():
    def make(n, x):
        r, c = x.shape[0], x.shape[1]
        return [
            *(r - (c - 1), r**c, (r + c) * 2, -r, 7 // (r - c + 2), 2.0 / (r * c), r * (c - r)),
            *(x[(r - c) ** 2, r - 1] / (r + c), x[: r - 1, -c + 1 :], x.reshape((r * c, 1))),
            *(n.arange(r + 1) * (c - r), (x.sum(axis=0) - r) / (c + 1)),
        ]

    check(make, np.arange(6.0).reshape(2, 3))


def test_sizes_give_the_dtype_that_was_told():
    v, i = T.dvector("v"), T.iscalar("i")
    n = v.shape[0]
    outputs = [n * 2, n / 2, n // 2, n % 2, -n, n**2, n < 2, n * 2.5, n * i, T.exp(n)]
    results = function([v, i], outputs)(np.ones(3), 2)
    assert [r.dtype for r in results] == [y.dtype for y in outputs]


@pytest.mark.parametrize(
    "inner",
    [
        lambda n, x, y: x < y,
        lambda n, x, y: (x + 1).T,
        lambda n, x, y: x[::-1],
        lambda n, x, y: -x,
        lambda n, x, y: (x < y) + 1.0,
        lambda n, x, y: n.cast(x, "float32"),
        lambda n, x, y: n.dot(x, y),
    ],
)
@pytest.mark.parametrize(
    "outer",
    [
        lambda n, z: z.T + 1.0,
        lambda n, z: z[0] * 2.0,
        lambda n, z: z[:, None, 1] * 2.0,
        lambda n, z: z.sum(axis=0) * 2.0,
        lambda n, z: z.sum() ** 2.0,
        lambda n, z: z.max(axis=1) * 2.0,
        lambda n, z: z.reshape((-1,)) * 2.0,
        lambda n, z: z.shape[1] * 2.0 - z,
        lambda n, z: n.dot(z.T, z * 1.0),
        lambda n, z: n.exp(-(z * 1.0)),
        lambda n, z: n.switch(z > 0, z, 2.0),
        lambda n, z: n.concatenate([z * 1.0, z[:1] * 1.0]),
        lambda n, z: 3.0 ** (z * 1.0),
    ],
)
def test_what_is_written_where_it_is_used(outer, inner):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3, 3)), rng.standard_normal((3, 3))
    variables = T.dmatrices("x", "y")
    result = function(variables, outer(T, inner(T, *variables)), on_unused_input="ignore")(x, y)
    np.testing.assert_allclose(result, outer(N, inner(N, x, y)), rtol=1e-6)


# Memory that is used again.

FIRST = [
    lambda n, x, y: n.exp(x),
    lambda n, x, y: x * y,
    lambda n, x, y: n.dot(x, y),
]
VIEWS = {
    "itself": lambda n, t: t,
    "transposed": lambda n, t: t.T,
    "reversed": lambda n, t: t[::-1],
    "row": lambda n, t: t[1],
    "column": lambda n, t: t[:, 1:2],
    "part": lambda n, t: t[1:],
    "entry": lambda n, t: t[1, 2],
    "reshaped": lambda n, t: t.reshape((9,)),
    "with a new axis": lambda n, t: t[None],
    "cast": lambda n, t: n.cast(t, "float64"),
    "view of a view": lambda n, t: t.T[1:].reshape((-1,)),
    "transposed twice": lambda n, t: t.T.T,
}
OVERWRITE = [
    lambda n, t: n.tanh(t),
    lambda n, t: -t,
    lambda n, t: t + 1.0,
    lambda n, t: 2.0 - t,
    lambda n, t: t * t,
    lambda n, t: t - t.T,
    lambda n, t: t / (1.0 + n.sqr(t)),
]
COMBINE = [
    lambda n, new, view: [new, view],
    lambda n, new, view: [new.sum() + view.sum() * 2.0],
    lambda n, new, view: [view * 1.0, new, view],
    lambda n, new, view: [(view * 2.0).sum() - new],
]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("overwrite", range(len(OVERWRITE)))
def test_views_outlive_what_would_overwrite_their_array(view, overwrite):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3, 3)), rng.standard_normal((3, 3))
    for first, combine in itertools.product(FIRST, COMBINE):

        def make(n, x, y, first=first, combine=combine):
            t = first(n, x, y)
            seen = VIEWS[view](n, t)
            return combine(n, OVERWRITE[overwrite](n, t), seen)

        check(make, x, y)


@pytest.mark.parametrize(
    "make",
    [
        lambda n, x: n.exp(x) + n.exp(x).T,
        lambda n, x: n.exp(x) - n.exp(x)[::-1],
        lambda n, x: n.dot(n.exp(x), n.exp(x)),
        lambda n, x: n.dot(n.exp(x), n.exp(x).T),
        lambda n, x: n.exp(x) * n.exp(x),
        lambda n, x: (n.exp(x) * n.exp(x)) / n.exp(x),
        lambda n, x: n.switch(n.exp(x) > 1, n.exp(x), n.exp(x).T),
        lambda n, x: n.maximum(n.exp(x), n.exp(x).T),
        lambda n, x: n.exp(x) - n.exp(x)[0],
        lambda n, x: n.exp(x) / n.exp(x).sum(),
        lambda n, x: n.exp(x) * (n.exp(x) > n.exp(x).T),
        lambda n, x: n.concatenate([n.exp(x), n.exp(x)[::-1]]),
        lambda n, x: n.exp(x) + n.exp(x)[1, 1],
        lambda n, x: 1.0 - n.exp(x) * (1.0 - n.exp(x)),
        lambda n, x: x - x.T,
        lambda n, x: (x.T + x) * x,
    ],
)
def test_an_array_read_twice_by_one_operation(make):
    x = np.random.default_rng(0).standard_normal((3, 3))
    for outputs in (make, lambda n, x: [make(n, x) * 2.0, x], lambda n, x: [n.exp(x), make(n, x)]):
        check(outputs, x)


def test_long_chain_in_one_array():
    def make(n, x, y):
        t = n.exp(x)
        for k in range(20):
            t = n.tanh(t * y + float(k)) - t
        return [t, t.T, t[0]]

    rng = np.random.default_rng(0)
    check(make, rng.standard_normal((4, 3)), rng.standard_normal((4, 3)))


@pytest.mark.parametrize("name", [None, "h"])
def test_gradient_over_an_array_and_its_row(name):
    y = T.dmatrix("y")
    h = y + y[0]
    h.name = name
    f = function([y], T.grad((h**2).sum(), y))
    np.testing.assert_array_equal(f(np.ones((2, 2))), [[12, 12], [4, 4]])


@pytest.mark.parametrize("named", list(itertools.product([False, True], repeat=3)))
def test_names_do_not_change_values(named):
    x, y = T.dmatrices("x", "y")
    parts = [T.exp(x), T.exp(x) * y, T.tanh(T.exp(x) * y)]
    for part, name, has in zip(parts, ["h", "x", "t1"], named, strict=True):
        part.name = name if has else None
    cost = (parts[2] ** 2).sum() + (parts[1] * parts[0].T).sum()
    f = function([x, y], [cost, parts[1], *T.grad(cost, [x, y])])
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 3)), rng.standard_normal((3, 3))
    h = np.exp(a)
    k = h * b
    g_k = 2 * np.tanh(k) * (1 - np.tanh(k) ** 2) + h.T
    g_h = k.T + g_k * b
    results = f(a, b)
    np.testing.assert_allclose(results[0], (np.tanh(k) ** 2).sum() + (k * h.T).sum())
    for result, expected in zip(results[1:], [k, g_h * h, g_k * h], strict=True):
        np.testing.assert_allclose(result, expected)


def test_float32_and_float64_arrays_do_not_share():
    x = T.fmatrix("x")
    t = T.exp(x)
    f = function([x], [T.cast(t, "float64") * 2, t + 1, T.cast(t * 2, "int32")])
    results = f(np.zeros((2, 2), np.float32))
    assert [r.dtype for r in results] == ["float64", "float32", "int32"]
    assert [r[0, 0] for r in results] == [2, 2, 2]


def test_comparison_does_not_overwrite_numbers():
    x = T.dmatrix("x")
    t = T.exp(x)
    f = function([x], [T.switch(t > 1, t, 0), T.cast(t > 1, "float64") * 3])
    results = f(np.array([[0.0, 1.0]]))
    np.testing.assert_allclose(results[0], [[0, np.e]])
    np.testing.assert_array_equal(results[1], [[0, 3]])


@pytest.mark.parametrize(
    "make",
    [
        lambda w, x: w - x * w.T,
        lambda w, x: w * (w > x),
        lambda w, x: w - w[::-1] * 2 + x,
        lambda w, x: w + w[0] - x,
        lambda w, x: (w + x) * w.T,
        lambda w, x: w.reshape((9,)).reshape((3, 3)) - w + x,
        lambda w, x: w - x[1, 1] * w[1, 1],
        lambda w, x: x - w,
        lambda w, x: x.T * w - w.T,
        lambda w, x: w / (w.T * w.T + 1) + x,
    ],
)
def test_updates_in_place_that_read_views_of_themselves(make):
    rng = np.random.default_rng(0)
    start, value = rng.standard_normal((3, 3)), rng.standard_normal((3, 3))
    x, w = T.dmatrix("x"), shared(start, name="w")
    f = function([x], w.sum(), updates={w: make(w, x)})
    expected = start
    for _ in range(3):
        np.testing.assert_allclose(f(value), expected.sum())
        expected = make(expected, value)
        np.testing.assert_allclose(w.get_value(), expected)


def test_an_array_of_which_only_the_shape_is_needed_is_overwritten():
    x, w = T.dmatrices("x", "w")
    t = T.dot(x, w)
    f = function([x, w], [(t + 1.0) * 2.0, T.grad(T.dot(x, w)[0, 0] ** 2, x), t[0, 0]])
    g = function([x, w], [T.exp(t + 1.0), T.zeros_like(t)])
    assert "t1 += 1.0" in g.source
    a = np.arange(4.0).reshape(2, 2)
    first, zeros = g(a, a)
    np.testing.assert_allclose(first, np.exp(a @ a + 1))
    np.testing.assert_array_equal(zeros, np.zeros((2, 2)))
    np.testing.assert_allclose(f(a, a)[0], (a @ a + 1) * 2)
    np.testing.assert_allclose(f(a, a)[2], (a @ a)[0, 0])


def test_results_share_memory_with_nothing():
    x, w = T.dmatrix("x"), shared(np.ones((2, 2)), name="w")
    t = T.exp(x)
    f = function([x], [x, x.T, t, t, t.T, t[0], w, w[:1], T.grad((x * w).sum(), x)])
    value = np.zeros((2, 2))
    arrays = [value, w.get_value(borrow=True), *f(value)]
    assert not any(itertools.starmap(np.shares_memory, itertools.combinations(arrays, 2)))


# Operations that a reader adds.


@pytest.mark.parametrize(
    ("template", "with_numpy"),
    [
        ("{0} / (1 + np.abs({0}))", lambda x: x / (1 + np.abs(x))),
        ("np.exp(-{0}) + np.sin({0})", lambda x: np.exp(-x) + np.sin(x)),
        ("(1 + {0}) * (2 + {0})", lambda x: (1 + x) * (2 + x)),
        ("np.sinc({0})", np.sinc),
        ("np.heaviside({0}, 0.5)", lambda x: np.heaviside(x, 0.5)),
    ],
)
def test_a_new_operation_may_be_any_expression(template, with_numpy):
    new = Elementwise("new", template, "float")
    s, v = T.dscalar("s"), T.dvector("v")
    f = function([s, v], [2 / new(s), new(2 * v), 3 - new(v + 1) ** 2])
    values = np.array([-1.5, 0.25, 2.0])
    expected = [2 / with_numpy(1.25), with_numpy(2 * values), 3 - with_numpy(values + 1) ** 2]
    for result, right in zip(f(1.25, values), expected, strict=True):
        np.testing.assert_allclose(result, right, rtol=1e-14)


def test_the_program_of_a_new_operation_must_name_its_inputs():
    with pytest.raises(ValueError, match=r"its first input \{0\}, got 'x \+ 1'"):
        Elementwise("new", "x + 1", "float")
