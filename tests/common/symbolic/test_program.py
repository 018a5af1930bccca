import ast
import itertools
import operator

import numpy as np
import pytest

import common.symbolic.tensor as T
from common.symbolic import debugprint, function, pp, printing, runtime, shared
from common.symbolic.elementwise import Elementwise
from common.symbolic.graph import Constant, Operation, Shared, ancestors

ALONE = {k: v for k, v in runtime.NAMESPACE.items() if k != "__builtins__"}
PLAIN = (ast.Assert, ast.Assign, ast.AugAssign, ast.Expr, ast.Return)


def node_by_node(inputs, outputs, values):
    """Evaluate each operation by itself, in a new array of the dtype that it declares."""
    known = dict(zip(inputs, values, strict=True))
    for v in ancestors(outputs):
        if isinstance(v, Constant):
            known[v] = v.value.item() if v.weak else v.value
        elif isinstance(v, Shared):
            known[v] = v.get_value()
        elif v.operation is not None:
            args = {f"arg{i}": known[x] for i, x in enumerate(v.inputs)}
            value = eval(v.operation.code(*args), runtime.NAMESPACE | args)
            known[v] = np.array(value, v.dtype)[()]
    return [known[v] for v in outputs]


def check(inputs, outputs, *values):
    """Check values, dtypes and memory of a function, and that its source runs by itself."""
    values = [np.array(value, x.dtype) for x, value in zip(inputs, values, strict=True)]
    before = [value.copy() for value in values]
    f = function(inputs, outputs, on_unused_input="ignore")
    with np.errstate(all="ignore"):
        results, expected = f(*values), node_by_node(inputs, outputs, values)
        space = dict(ALONE)
        exec(f.source, space)
        by_itself = space["program"](*values, *(s.get_value() for s in f.shared))
    for result, right, x, again in zip(results, expected, outputs, by_itself, strict=True):
        np.testing.assert_allclose(result, right, rtol=1e-7, atol=1e-12, err_msg=f.source)
        np.testing.assert_array_equal(result, again)
        assert result.dtype == x.dtype, f.source
    for value, old in zip(values, before, strict=True):
        np.testing.assert_array_equal(value, old, err_msg=f.source)
    for a, b in itertools.combinations([*values, *results], 2):
        assert not np.may_share_memory(a, b), f.source
    program = ast.parse(f.source).body[-1]
    assert all(isinstance(statement, PLAIN) for statement in program.body)
    return f


# Precedence: the text of one operation within that of another.

BINARY = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv),
    *(operator.mod, operator.pow, operator.lt, operator.ge),
]


@pytest.mark.parametrize("inner", BINARY)
@pytest.mark.parametrize("kind", ["scalars", "vectors", "numbers"])
def test_operators_within_operators(inner, kind):
    a, b, c = T.dvectors("a", "b", "c") if kind == "vectors" else T.dscalars("a", "b", "c")
    values = [2.5, -1.5, 3.0] if kind != "vectors" else [[2.5], [-1.5], [3.0]]
    parts = (a, b, c) if kind != "numbers" else (-1.5, a, np.float64(-3.0))
    outputs = [inner(-parts[0], parts[1]), inner(parts[1], -parts[2]), abs(inner(-parts[0], -b))]
    for outer in BINARY:
        if outer is operator.sub and inner in (operator.lt, operator.ge):
            continue  # a difference of booleans is an error in NumPy
        outputs += [
            outer(inner(*parts[:2]), parts[2]),
            outer(parts[0], inner(*parts[1:])),
            outer(inner(*parts[:2]), inner(*parts[1:])),
            outer(-inner(*parts[:2]) if inner not in (operator.lt, operator.ge) else a, parts[2]),
        ]
    for output in outputs:
        check([a, b, c], [output], *values)


def test_dot_and_sizes_within_operators():
    x, u, v, i = T.dmatrix("x"), T.dvector("u"), T.dvector("v"), T.iscalar("i")
    r, c = x.shape
    outputs = [
        *(2 / T.dot(u, v), T.dot(u, v) ** 2, -T.dot(u, v) * 3 % T.dot(v, v), T.dot(u, v)[None] + 1),
        *(r - (c - 1), r**c, (r + c) * 2, -r, 7 // (r - c + 2), 2.0 / (r * c), r * (c - r)),
        *(x[(r - c) ** 2, r - 1] / (r + c), x[: r - 1, -c + 1 :], x.reshape((r * c, 1))),
        *(T.arange(r + 1) * (c - r), (x.sum(axis=0) - r) / (c + 1), r % 2, r < 2, r * 2.5, r * i),
        *(T.exp(r), T.switch(i, i, r), T.cast(r, "int8") + r, r / 2),
    ]
    for output in outputs:
        check([x, u, v, i], [output], np.arange(6.0).reshape(2, 3), [1, 2], [0.5, 1], 2)


# What the program looks like: an example of each form.

x, w, b, small = T.dmatrix("x"), T.dmatrix("w"), T.dvector("b"), T.fmatrix("small")


def named(variable, name):
    variable.name = name
    return variable


@pytest.mark.parametrize(
    ("output", "lines"),
    [
        (T.exp(x) + x, ["t1 = np.exp(x)", "t1 += x"]),
        (2 * (T.exp(x) - 1), ["t1 = np.exp(x)", "t1 -= 1", "t1 *= 2"]),
        (1 - T.exp(x), ["t1 = np.exp(x)", "np.subtract(1, t1, out=t1)"]),
        (-T.exp(x), ["t1 = np.exp(x)", "np.negative(t1, out=t1)"]),
        (T.nnet.sigmoid(x * 2), ["t1 = x * 2", "sigmoid(t1, out=t1)"]),
        (named(x * 2, "h") + 1, ["h = x * 2", "h += 1"]),
        (named(T.exp(x) + 1, "h"), ["t1 = np.exp(x)", "h = np.add(t1, 1, out=t1)"]),
        (T.dot(x.T, x * (x > 0)), ["t1 = x * (x > 0)", "t2 = x.T @ t1"]),
        (T.switch(x > 0, x, -x), ["t1 = -x", "t2 = np.where(x > 0, x, t1)"]),
        (x.sum() / x.shape[0], ["t1 = x.sum() / np.int64(x.shape[0])"]),
        (x[1:], ["t1 = x[1:]", "result = np.array(t1)"]),
        (T.exp(x[:, :]), ["t1 = np.exp(x)"]),
        ((x**2 + T.exp(x)).shape[1:], ["t1 = np.array([x.shape[1]])"]),
        (
            T.zeros_like(x),
            ["t1 = np.broadcast_to(np.float64(0.0), x.shape)", "result = np.array(t1)"],
        ),
        (x * -np.inf, ["t1 = x * -np.inf"]),
        (small * np.float32(0.5), ["t1 = small * 0.5"]),
        (small * np.float64(0.5), ["t1 = small * np.float64(0.5)"]),
        (
            T.cast(T.exp(small), "float64") * 2,
            ["t1 = np.exp(small)", "t2 = np.asarray(t1, np.float64) * 2"],
        ),
        (T.dot(x, w) + b, ["assert w.shape[1] == b.shape[0]", "t1 = x @ w", "t1 += b"]),
        (
            T.zeros_like(T.dot(x, w)) + T.exp(T.dot(x, w) + b)[0],  # of the first only the shape
            [
                *("assert w.shape[1] == b.shape[0]", "t1 = x @ w", "t1 += b", "np.exp(t1, out=t1)"),
                "t2 = np.broadcast_to(np.float64(0.0), t1.shape) + t1[0]",
            ],
        ),
    ],
)
def test_forms_of_statements(output, lines):
    source = function([x, w, b, small], output, on_unused_input="ignore").source
    found = [line.partition("  #")[0].strip() for line in source.splitlines()[1:-1]]
    assert found == lines


def test_names_and_formulas_of_the_user_appear():
    images, scale = T.dmatrix("images"), shared(2.0, name="scale")
    hidden = named(T.exp(images), "hidden")
    loss = named((hidden**2).sum(), "loss")
    mu = T.dvector("μ")
    h = named(T.exp(mu), "名前")
    f = function([images, mu], [loss * scale, *T.grad(loss * scale, [hidden]), h, h.sum()])
    lines = [line.split(maxsplit=1) for line in f.source.splitlines()]
    assert lines[0] == ["def", "program(images, μ, scale):"]
    assert ["hidden", f"{'= np.exp(images)':<33}  # hidden = exp(images)"] in lines
    assert "名前 = np.exp(μ)" in f.source
    assert "dhidden = " in f.source
    assert "# ∂cost/∂hidden" in f.source
    assert "# loss = sum(sqr(hidden))" in f.source


def test_shapes_that_depend_on_values_are_taken_before_these_are_overwritten():
    x = T.dvector("x")
    t = T.exp(x)
    for make in (T.zeros_like, lambda part: part.shape[0] * 2, lambda part: T.grad(part.sum(), x)):
        check([x], [-t, make(x[: T.argmax(t)])], [1.0, 2.0, 5.0, 3.0])


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
    """Fail the test if a name was executed: as Python it would set an attribute or make a file."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not hasattr(np, CANARY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("canary")
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_hostile_names_neither_run_nor_break_anything(name):
    x, y, c = T.dvector(name), T.dvector(name), T.constant(np.arange(2.0), name=name)
    w, number = shared(np.array([2.0, 3.0]), name=name), T.constant(5.0, name=name)
    h = named(T.exp(x * y), name)
    k = named(T.nnet.sigmoid(h * w + T.sum(c) * 3) * number, name)
    cost = named((k[::-1] ** 2).sum() + T.nnet.softmax(x)[0], name)
    gx, gy, gw = T.grad(cost, [x, y, w])
    values = np.array([0.1, -0.2]), np.array([0.3, 0.4])
    check([x, y], [cost, h, k, gx, gy, gw, x.T, c, number], *values)
    assert debugprint(cost, file="str").startswith("add [A]")
    assert isinstance(pp(cost) + repr(x) + repr(h), str)
    f = function([x, y], gw, updates={w: w - 0.5 * gw}, name=name)
    assert isinstance(repr(f), str)
    np.testing.assert_allclose([2, 3] - 0.5 * f(*values), w.get_value())
    with pytest.raises(TypeError):
        f("a", "b")
    with pytest.raises(ValueError, match="sizes of axes differ"):
        f(np.ones(3), np.ones(2))


# Values and names whose types have hostile methods.


class EvilText:
    def text(self, *args):
        return f"setattr(np, '{CANARY}', 1)"

    __repr__ = __str__ = __format__ = text


EvilInt, EvilFloat, EvilComplex = (
    type(f"Evil{kind.__name__}", (EvilText, kind), {}) for kind in (int, float, complex)
)


class EvilArray(EvilText, np.ndarray):
    def item(self, *args):
        return EvilInt(3)

    __getitem__ = item


class EvilName(EvilText, str):
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
        (lambda v: v - evil_array(2), [-1, 0, 1]),
        (lambda v: v.sum() - evil_array([2, 3]), [4, 3]),
        (lambda v: T.constant(evil_array(3.0)) * v, [3, 6, 9]),
        (lambda v: v * T.constant(EvilFloat("inf")), [np.inf] * 3),
        (lambda v: v[EvilInt(1) : EvilInt(3) : EvilInt(1)], [2, 3]),
        (lambda v: v[EvilInt(1)], 2),
        (lambda v: v[evil_array([2, 0])], [3, 1]),
        (lambda v: v.sum(axis=EvilInt(0)), 6),
        (lambda v: v.reshape((EvilInt(-1), EvilInt(1))), [[1], [2], [3]]),
        (lambda v: T.arange(EvilInt(1), EvilInt(3)) * v[:2], [1, 4]),
        (lambda v: T.concatenate([v, v], axis=EvilInt(0)), [1, 2, 3] * 2),
        (lambda v: v.reshape((1, 3)).transpose(EvilInt(1), EvilInt(0)), [[1], [2], [3]]),
        (lambda v: T.switch(v > EvilInt(1), EvilFloat(1.0), EvilInt(0)), [0, 1, 1]),
        (lambda v: shared(evil_array([2.0, 3.0, 4.0]), name=EvilName("w")) * v, [2, 6, 12]),
        (lambda v: named(T.exp(v), EvilName("h")) * 2, 2 * np.exp([1, 2, 3])),
    ],
)
def test_values_and_names_of_hostile_types_are_taken_for_what_they_are(make, expected):
    v = T.dvector(EvilName("v"))
    f = function([v], make(v), on_unused_input="ignore")
    result = f(evil_array([1.0, 2.0, 3.0]))
    assert type(result) is np.ndarray
    np.testing.assert_allclose(result, expected)
    assert all(CANARY not in line.partition("#")[0] for line in f.source.splitlines())


# Constants.


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, -0.0, 5e-324, 1e-5, -1.5, 1e22])
@pytest.mark.parametrize("kind", [float, np.float64, np.array, T.constant])
def test_special_numbers_as_constants(number, kind):
    x, v = T.dscalar("x"), T.dvector("v")
    for make in (operator.mul, operator.sub, operator.add, lambda a, c: c - a):
        for variable, value in ((x, np.float64(0.5)), (v, np.array([1.0, 0.5]))):
            with np.errstate(invalid="ignore"):
                expected = make(value, number)
                result = function([variable], make(variable, kind(number)))(value)
            np.testing.assert_array_equal(result, expected)
            np.testing.assert_array_equal(np.signbit(result), np.signbit(expected))


@pytest.mark.parametrize(
    ("kind", "value", "first", "second"),
    [("bscalar", 0, 100, 2), ("dscalar", 1e-10, 1e308, 100.0), ("fscalar", 1e-10, 1e38, 100.0)],
)
def test_constants_that_overflow_together_are_not_joined(kind, value, first, second):
    x = getattr(T, kind)("x")
    result = function([x], x * first * second)(value)
    np.testing.assert_allclose(result, value * first * second, rtol=1e-6)


# Operations that a reader adds.


TEMPLATES = [
    *("{0} / (1 + np.abs({0}))", "np.exp(-{0}) + np.sin({0})", "np.exp(-{0})", "np.sinc({0})"),
    *("(1 + {0}) * (2 + {0})", "np.heaviside({0}, 0.5)", "np.exp({0}.real)"),
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_operation_may_be_any_expression(template):
    new, power = Elementwise("new", template, "float"), Elementwise("power", "{0} ** {1}", "float")
    s, v = T.dscalar("s"), T.dvector("v")
    outputs = [2 / new(s + 1), new(2 * v), 3 - new(v + 1) ** 2, new(s) ** new(v)]
    powers = [power(np.float64(-2.0), s), power(-2.0, s), power(s, -2.0), -power(s, s)]
    check([s, v], outputs + powers, 2.0, [-1.5, 0.25, 2.0])


class Product(Operation, name="product", template="np.matmul({0}, {1})"):
    """The matrix product, as a reader may write it."""

    def infer(self, a, b):
        return a.dtype, (a.dims[0], b.dims[1])


def test_only_elementwise_operations_write_into_an_input():
    a, b = T.dmatrices("a", "b")
    check([a, b], [Product()(T.exp(a), b)], np.ones((2, 3)), np.ones((3, 4)))


@pytest.mark.parametrize("name", ["copy", "dimshuffle", "zero_or_product", "sum", "relu", "print"])
def test_a_new_operation_may_have_the_name_of_another(name):
    new = Elementwise(name, "2 * {0}", None, lambda g, y, x: 2 * g)
    x, y = T.dvectors("x", "y")
    check([x], [T.log(new(T.exp(x))), T.grad(T.sum(new(x) ** 2), x)], [1.0, 2.0])
    for name, template in (("switch", "{0} + 3 * {1}"), ("mul", "{0} - {1}")):
        check([x, y], [Elementwise(name, template, None)(x, T.exp(y))], [1.0, 2.0], [3.0, 4.0])


def test_two_new_operations_may_have_the_same_name():
    class Twice(Operation, name="scaled", template="2 * {0}"):
        """The input times 2."""

    class Thrice(Operation, name="scaled", template="3 * {0}"):
        """The input times 3."""

    x = T.dscalar("x")
    assert function([x], [Twice()(x), Thrice()(x)])(1.0) == [2, 3]


def test_what_is_printed_is_printed_when_it_is_computed_and_as_it_is(capsys):
    x = T.dscalar("x")
    shown = printing.Print("constant")(2.0), T.log(printing.Print("p")(T.nnet.sigmoid(x)))
    f = function([x], shown)
    assert not capsys.readouterr().out
    f(0.0)
    assert sorted(capsys.readouterr().out.split("\n")) == [
        "",
        "constant __str__ = 2.0",
        "p __str__ = 0.5",
    ]
