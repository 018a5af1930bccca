"""The spaces within a formula, as TeX sets them.

MathML's operators have spaces of their own, by a dictionary that doesn't know what stands beside
them: "= − 1", "| x |" and "a / b" fall apart, and "log x" grows together. TeX's rules are in the
TeXbook's chapter 18.
"""

from xml.etree.ElementTree import Element

__all__ = ["space_as_tex"]

THIN = "0.167em"  # three eighteenths, TeX's thin space
_ROWS = {"math", "mrow", "mtd", "msqrt", "mstyle"}
_SCRIPTS = {"msub", "msup", "msubsup", "munder", "mover", "munderover"}
_LETTERS = set("|/∂∇∞…′″‴⁗")  # operators in MathML, letters to TeX
_SIGNS = set("+−±∓")
_CLOSING = set(")]}⟩⌋⌉")


def space_as_tex(tree: Element) -> None:
    """Set the spaces around the operators of a formula, a ``<math>`` element, in place."""
    for row in [element for element in tree.iter() if element.tag in _ROWS]:
        atoms = [_nucleus(child) for child in row if child.tag != "mspace"]
        bars = 0
        for before, atom, after in zip([None, *atoms], atoms, [*atoms[1:], None], strict=False):
            text = atom.text or ""
            if _is_name(atom):
                atom.tag = "mo"
                _space(atom, THIN if _is_term(before) else "0", THIN if _is_term(after) else "0")
            elif atom.tag != "mo" or "fence" in atom.attrib:
                continue
            elif text in _LETTERS or len(row) == 1:  # {,} is a letter to TeX, too
                _space(atom, "0", "0")
                bars += text == "|"
            elif text in _SIGNS:
                opened = before is not None and before.text == "|" and bars % 2 == 1
                if opened or not _is_term(before):
                    atom.set("form", "prefix")


def _nucleus(element):
    """Return what an element with indices or limits is without them."""
    return _nucleus(element[0]) if element.tag in _SCRIPTS else element


def _is_name(atom):
    """Return whether an atom is the name of a function: of more letters than one, and no text."""
    text = atom.text or ""
    return atom.tag in ("mi", "mo") and len(text) > 1 and text.isalpha()


def _is_term(atom):
    """Return whether an atom is, or ends, what an operator could stand behind."""
    if atom is None:
        return False
    if atom.tag != "mo" or _is_name(atom):
        return True
    return (atom.text or "") in _LETTERS | _CLOSING


def _space(atom, before, after):
    atom.set("lspace", before)
    atom.set("rspace", after)
