"""LaTeX formulas as MathML, which browsers show without a script."""

import re
from xml.etree import ElementTree

from common.scripts.command_line import CommandError
from notebooks.site_builder.math_spacing import space_as_tex

__all__ = ["FormulaError", "check_installed", "mathml"]

_CHILDREN = {
    "mfrac": 2,
    "mroot": 2,
    "msub": 2,
    "msup": 2,
    "munder": 2,
    "mover": 2,
    "msubsup": 3,
    "munderover": 3,
}
_PRIMES = set("′″‴⁗")
_WITH_LIMITS = {"∑", "∏", "lim", "max", "min", "sup", "inf", "argmax", "argmin"}


class FormulaError(Exception):
    """A formula can't be converted; the message says why."""


def check_installed() -> None:
    """Raise a CommandError that says what to install if latex2mathml isn't there."""
    try:
        import latex2mathml.converter  # noqa: F401
    except ImportError as error:
        raise CommandError(
            "formulas need the library latex2mathml, which the site extra brings: "
            'pip install -e ".[site]"'
        ) from error


def mathml(latex: str, *, display: bool = False) -> str:
    """Return a formula as a ``<math>`` element.

    Parameters
    ----------
    latex : str
        The formula without its dollar signs.
    display : bool
        Whether it stands in a line of its own.

    Raises
    ------
    FormulaError
        If latex2mathml refuses the formula, or lets a part of it through unconverted.
    """
    from latex2mathml.converter import convert

    try:
        result = convert(_in_its_dialect(latex), display="block" if display else "inline")
    except Exception as error:  # its own errors have no base, and IndexError and others come too
        raise FormulaError(str(error) or type(error).__name__) from error
    tree = _parsed(result)
    _check(tree)
    _lower_primes(tree)
    _move_limits(tree)
    space_as_tex(tree)
    return ElementTree.tostring(tree, encoding="unicode", short_empty_elements=False)


def _in_its_dialect(latex):
    """Return the formula in words that latex2mathml understands as LaTeX does."""
    # It knows aligned equations only under the name of split, which looks the same.
    latex = re.sub(r"\\(begin|end)\{aligned\}", r"\\\1{split}", latex.strip())
    # It sets one upright letter in italics.
    return re.sub(r"\\mathrm\{([A-Za-z])\}", r"\\text{\1}", latex)


def _parsed(result):
    try:
        tree = ElementTree.fromstring(result)
    except ElementTree.ParseError as error:
        raise FormulaError("a stray & or <, or an unknown environment") from error
    for element in tree.iter():  # in a page of HTML, <math> needs no namespace
        element.tag = element.tag.partition("}")[2]
    return tree


def _check(tree):
    """Look for what latex2mathml doesn't understand and doesn't report."""
    for element in tree.iter():
        text = element.text or ""
        if element.tag == "mi" and text.startswith("\\") and len(text) > 1:
            raise FormulaError(f"{text} is unknown")
        if element.tag == "mi" and text in ("{", "}"):
            raise FormulaError(f"a {text} too many")
        if len(element) != _CHILDREN.get(element.tag, len(element)):
            raise FormulaError("an argument is missing")


def _lower_primes(tree):
    """Put primes beside their letters: a raised sign, raised again, would float above them."""
    for element in tree.iter("msup"):
        prime = element[1]
        if prime.tag == "mi" and prime.text in _PRIMES:
            element.tag = "mrow"
            prime.tag = "mo"
            prime.attrib = {"lspace": "0", "rspace": "0"}


def _move_limits(tree):
    """Let limits stand below and above where there is room for them, else beside, as in TeX."""
    for tag, moved in (("msub", "munder"), ("msubsup", "munderover")):
        for element in list(tree.iter(tag)):
            if element[0].tag == "mo" and element[0].text in _WITH_LIMITS:
                element.tag = moved
                element[0].set("movablelimits", "true")
