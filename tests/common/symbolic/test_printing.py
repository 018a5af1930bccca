import io

import numpy as np
import pytest

import common.symbolic.tensor as T
from common.symbolic import debugprint, function, pp, printing, shared

x, y = T.dscalars("x", "y")
v, m = T.dvector("v"), T.dmatrix("m")


def repeated(f, n):
    """Return f(f(…f(x))), n times."""
    h = x
    for _ in range(n):
        h = f(h)
    return h


# Formulas.


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (x, "x"),
        ((x + 2 * y) ** 2, "((x + (2 * y)) ** 2)"),
        (-x, "(-x)"),
        (1 / (1 + T.exp(-x)), "(1 / (1 + exp(-x)))"),
        (x % 2 // y, "((x % 2) // y)"),
        (T.switch(x > y, x, y), "switch(x > y, x, y)"),
        (T.dot(m, v), "dot(m, v)"),
        (m.T, "m.T"),
        (m.sum(), "sum(m)"),
        (m.sum(axis=0), "sum(m, axis=0)"),
        (m.max(axis=1), "max(m, axis=1)"),
        (m[1:, 0], "m[1:, 0]"),
        (m[:, None], "m[:, None]"),
        (m.shape[1], "m.shape[1]"),
        (T.nnet.softmax(m), "softmax(m)"),
        (T.concatenate([m, m], axis=1), "concatenate(m, m, axis=1)"),
        (T.cast(x, "float32"), "cast(x, float32)"),
        (T.constant(2.5), "2.5"),
        (m + np.eye(2), "(m + [[1. 0.] [0. 1.]])"),
        (3, "3"),
        (shared(1.0, name="w") * T.constant(3.0, name="three"), "(w * three)"),
        (T.dscalar() * 2, "(<float64 variable> * 2)"),
    ],
)
def test_formula(expression, text):
    assert pp(expression) == text


def test_formulas_of_operators_are_python_and_tell_apart_what_python_would():
    def make(x, y):
        return [
            *(x - (y - 1), (x - y) - 1, x / (y / 2), (x / y) / 2, x ** (y**2), (x**y) ** 2),
            *(-(x**2), (-x) ** 2, (x + y) * -y, x % 2 // y, -(x - y), x / (-y), (x > y) + x),
        ]

    values = {"x": 2.5, "y": 1.5}
    assert [eval(pp(e), {}, values) for e in make(x, y)] == make(**values)


def test_long_formulas_are_cut():
    power, chain = repeated(lambda h: h * h, 60), repeated(lambda h: T.sin(h) + y, 10_000)
    wide = T.concatenate([v * k for k in range(3_000)])
    for expression in (power, chain, wide):
        assert "…" in pp(expression)
        assert len(pp(expression)) < 10_000
    assert len(pp(power, longest=50)) < 200
    assert pp(chain).endswith("+ y)")
    constant = pp(v * T.constant(np.arange(10_000.0)))
    assert len(constant) < 200
    assert "..." in constant


# Graphs.


def test_debugprint_writes_a_line_for_each_variable():
    h = T.dot(m, v)
    h.name = "hidden"
    assert debugprint(T.exp(h) * T.exp(h) + T.drow("r") * 2.5, file="str").splitlines() == [
        "add [A] float64 (1, ?)",
        " mul [B] float64 (?,)",
        "  exp [C] float64 (?,)",
        "   dot [D] float64 (?,) 'hidden'",
        "    m [E] float64 (?, ?)",
        "    v [F] float64 (?,)",
        "  exp [G] float64 (?,)",
        "   dot [D]",
        " mul [H] float64 (1, ?)",
        "  r [I] float64 (1, ?)",
        "  2.5 [J] float64 ()",
    ]


def test_debugprint_and_print_write_to_standard_output_or_a_file(capsys):
    text = debugprint(x * 2, file="str")
    file = io.StringIO()
    assert debugprint(x * 2) is debugprint(x * 2, file=file) is None
    assert capsys.readouterr().out == file.getvalue() == text + "\n"
    assert printing.Print("x is")(x).eval({x: 2.0}) == 2
    assert capsys.readouterr().out.startswith("x is")


def test_debugprint_of_a_list_and_of_a_function():
    f = function([x, y], [x * y, T.exp(x)])
    lines = debugprint(f, file="str").splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == ["mul", "exp"]
    text = debugprint([T.dscalar() for _ in range(800)], file="str")
    letters = [line.rsplit("[", 1)[1].split("]")[0] for line in text.splitlines()]
    assert [letters[i] for i in (0, 1, 25, 26, 27, 701, 702)] == [*"ABZ", "AA", "AB", "ZZ", "AAA"]
    assert len(set(letters)) == 800


def test_debugprint_of_large_and_deep_expressions():
    power, chain = repeated(lambda h: h * h, 60), repeated(T.sin, 2_000)
    lines = debugprint([power, chain, v + np.arange(10_000.0)], file="str").splitlines()
    assert len(lines) == 121 + 2_001 + 3
    assert max(map(len, lines)) < 200
    assert [debugprint(chain, depth=d, file="str").count("\n") for d in (1, 2)] == [0, 1]
    for depth in (-1, 99):
        assert debugprint(power, depth=depth, file="str") == debugprint(power, file="str")
