"""Markdown as HTML: with formulas, highlighted code, and the anchors that GitHub gives headings."""

import html
import re
import unicodedata

import mistune
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_by_name
from pygments.util import ClassNotFound

from notebooks.site_builder.formulas import FormulaError, mathml

__all__ = ["Markdown", "highlighted", "slug"]

_PLUGINS = ["table", "strikethrough", "task_lists", "url"]
# Dollar signs are formulas as in pandoc: none that a space follows opens one, and none that follows
# a space or stands before a digit closes one. A formula holds no ` and no empty line.
_FORMULA_BLOCK = r"^ {0,3}\$\$(?P<latex_block>(?:[^$`\n]|\n(?![ \t]*\n))+?)\$\$[ \t]*(?:\n|$)"
_FORMULA_DISPLAY = r"\$\$(?P<latex_display>[^$`]+?)\$\$"
_FORMULA_INLINE = r"\$(?![\s$])(?P<latex_inline>(?:\\[\s\S]|[^$`\\])+?)(?<!\s)\$(?![\d$])"


def slug(text: str) -> str:
    """Return the anchor that GitHub gives a heading.

    Examples
    --------
    >>> slug("3. What's a gradient?")
    '3-whats-a-gradient'
    """
    kept = (c for c in text.strip().lower() if c in " -" or _is_word(c))
    return "".join(kept).replace(" ", "-")


def _is_word(character):
    category = unicodedata.category(character)
    return category[0] in "LM" or category in ("Nd", "Pc")


def highlighted(code: str, language: str = "python", *, lines: bool = False) -> str:
    """Return code as HTML, coloured as the language asks; with ``lines``, line 3 has the id L-3."""
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False)
    return highlight(code, lexer, HtmlFormatter(linespans="L" if lines else "")).strip() + "\n"


class Markdown:
    """Converts the Markdown of one page, in one piece or, as in a notebook, in many.

    Attributes
    ----------
    headings : list of tuple
        Level, anchor and plain text of each heading so far.
    problems : list of str
        Formulas that can't be converted.
    """

    def __init__(self):
        self.headings = []
        self.problems = []
        self._seen = {}
        self._convert = mistune.create_markdown(
            renderer=_Renderer(self), plugins=[*_PLUGINS, _formulas]
        )

    def __call__(self, text: str) -> str:
        """Return `text` as HTML."""
        return self._convert(text)

    def anchor(self, text):
        """Return a heading's anchor; the second of the same name gets -1, the third -2."""
        name = slug(text)
        count = self._seen.get(name, 0)
        self._seen[name] = count + 1
        return f"{name}-{count}" if count else name

    def formula(self, latex, display):
        """Return a formula as MathML, or nothing, and a problem, if it can't be converted."""
        try:
            return mathml(latex, display=display)
        except FormulaError as error:
            self.problems.append(f"${' '.join(latex.split())}$: {error}")
            return ""


class _Renderer(mistune.HTMLRenderer):
    def __init__(self, page):
        # Where links may lead is not decided here, but for all of a page at once.
        super().__init__(escape=False, allow_harmful_protocols=True)
        self._page = page

    def heading(self, text, level, **attributes):
        plain = html.unescape(re.sub(r"<[^>]*>", "", text))
        anchor = self._page.anchor(plain)
        self._page.headings.append((level, anchor, plain))
        return f'<h{level} id="{html.escape(anchor)}">{text}</h{level}>\n'

    def block_code(self, code, info=None):
        return highlighted(code, (info or "text").split()[0])

    def image(self, text, url, title=None):
        return f'<span class="wide">{super().image(text, url, title)}</span>'

    def table(self, text):
        return f'<div class="wide"><table>\n{text}</table></div>\n'

    def block_formula(self, text):
        return f'<div class="wide formula">{self._page.formula(text, True)}</div>\n'

    def display_formula(self, text):
        return f'<span class="wide formula">{self._page.formula(text, True)}</span>'

    def inline_formula(self, text):
        return self._page.formula(text, False)


def _formulas(converter):
    """Teach a mistune converter $…$ and $$…$$ (a mistune plugin)."""

    def register(parser, kind, pattern, before):
        def parse(_, match, state):
            state.append_token({"type": f"{kind}_formula", "raw": match[f"latex_{kind}"]})
            return match.end()

        parser.register(f"{kind}_formula", pattern, parse, before=before)

    register(converter.block, "block", _FORMULA_BLOCK, "list")
    for rules in (converter.block.list_rules, converter.block.block_quote_rules):
        converter.block.insert_rule(rules, "block_formula", before="list")
    register(converter.inline, "display", _FORMULA_DISPLAY, "escape")
    register(converter.inline, "inline", _FORMULA_INLINE, "escape")
