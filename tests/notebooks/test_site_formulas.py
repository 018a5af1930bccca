import builtins
import re
from xml.etree import ElementTree

import pytest

pytest.importorskip("latex2mathml")

from common.scripts.command_line import CommandError
from notebooks.site_builder.formulas import FormulaError, check_installed, mathml


def test_aligned_equations_are_a_table():
    page = mathml("\\begin{aligned} a &= b \\\\ &= c \\end{aligned}", display=True)
    assert page.count("<mtr>") == 2
    assert "&<" not in page


def test_limits_stand_below_where_there_is_room():
    for formula in ("\\lim_{h \\to 0} h", "\\left( \\sum_i x_i \\right)"):
        page = mathml(formula, display=True)
        assert "<munder>" in page
        assert 'movablelimits="true"' in page
    assert "<munderover>" in mathml("\\sum_{i=1}^n x_i")
    assert "<msub>" in mathml("x_i")


def test_a_prime_is_not_raised_twice():
    assert "<msup>" not in mathml("f'(x) + f''(x)")
    assert "<msup>" in mathml("f^2")


def test_one_upright_letter_is_upright():
    assert mathml("\\frac{\\mathrm{d} y}{\\mathrm{d}x}").count("<mtext>d</mtext>") == 2


@pytest.mark.parametrize(
    ("latex", "spaced"),
    [
        ("|a| + 1", ["0|0", "0|0", "+"]),
        ("a = -1", ["=", "prefix−"]),
        ("a - b", ["−"]),
        ("(-1, -x)", ["(", "prefix−", ",", "prefix−", ")"]),
        ("|-x| - 1", ["0|0", "prefix−", "0|0", "−"]),
        ("x_1 - (a)^2 - b", ["−", "(", ")", "−"]),
        ("\\sum_i -x", ["∑", "prefix−"]),
        ("a / b", ["0/0"]),
        ("39{,}760, 1", ["0,0", ","]),
        ("2 \\log y", ["thin log thin"]),
        ("-\\log(y)", ["prefix−", "0log0", "(", ")"]),
        ("\\max_i x_i", ["0max thin"]),
        ("\\partial L / \\partial x", ["0∂0", "0/0", "0∂0"]),
        ("\\log 0 = -\\infty", ["0log thin", "=", "prefix−", "0∞0"]),
    ],
)
def test_spaces_are_those_of_tex(latex, spaced):
    found = []
    for operator in ElementTree.fromstring(mathml(latex)).iter():
        if operator.tag.endswith("mo"):
            before, after = operator.get("lspace", ""), operator.get("rspace", "")
            before, after = before.replace("0.167em", "thin "), after.replace("0.167em", " thin")
            found.append(operator.get("form", "") + before + operator.text + after)
    assert found == spaced


@pytest.mark.parametrize(
    ("latex", "message"),
    [
        ("\\foo + x", "\\foo is unknown"),
        ("\\frac{a", "argument is missing"),
        ("a & b", "stray &"),
        ("}", "} too many"),
        ("x_{", "Missing"),
        ("\\left( x", "MissingRight"),
    ],
)
def test_formula_that_cannot_be_converted(latex, message):
    with pytest.raises(FormulaError, match=re.escape(message)):
        mathml(latex)


def test_missing_latex2mathml_names_the_extra(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("latex2mathml"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CommandError, match=re.escape('pip install -e ".[site]"')):
        check_installed()
