import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("latex2mathml")

from notebooks.site_builder.layout import style_sheet
from notebooks.site_builder.markdown import Markdown, slug


def markdown(text):
    convert = Markdown()
    result = convert(text)
    assert convert.problems == []
    return result


def test_formulas_become_mathml():
    page = markdown("The slope $f'(x)$ is\n\n$$\\frac{a}{b}$$\n\nand $$c$$ and\n$$\n- d\n= e\n$$")
    assert page.count("<math") == 4
    assert page.count('display="block"') == 3
    assert "<mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac>" in page
    assert "$" not in page


@pytest.mark.parametrize(
    "text",
    [
        "`$x$` and ``a $y$ b``",
        "```sh\necho $HOME $PATH\n$$x$$\n```",
        "    indented $x$ and $y$",
        "It costs $5 or $6, not $ 7 $",
        "\\$x\\$",
        "from $5 on: `echo $HOME`",
        "<pre>$x$</pre>",
    ],
)
def test_other_dollar_signs_stay(text):
    page = markdown(text)
    assert "<math" not in page
    assert re.sub(r"<[^>]*>", "", page).count("$") == text.count("$")


def test_markdown_marks_within_formulas_are_not_markdown():
    page = markdown(
        "$a_1 * b_1$ and $a_2 * b_2$, *not* $[x](y)$ | in a | list:\n\n- $$x\\\\y$$\n- $a<b$"
    )
    assert page.count("<em>") == 1
    assert "<a" not in page
    assert page.count("<math") == 5
    assert "<mo>&lt;</mo>" in page


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("6. The symbolic graph", "6-the-symbolic-graph"),
        ("00 · Start here", "00--start-here"),
        ("What's `f(x)`, 40 s against 1 ms?", "whats-fx-40-s-against-1-ms"),
        ("ゼロから x² a_b", "ゼロから-x-a_b"),
    ],
)
def test_anchors_are_those_of_github(heading, anchor):
    assert f'<h2 id="{anchor}">' in markdown(f"## {heading}")


def test_headings_of_the_same_name_have_anchors_of_their_own():
    assert re.findall('id="(.*?)"', markdown("# A\n\n# A\n\n# A")) == ["a", "a-1", "a-2"]


@given(st.text())
def test_any_text_is_a_page_and_its_slug_an_anchor(text):
    Markdown()(text)
    assert slug(slug(text)) == slug(text)


def test_code_is_highlighted():
    page = markdown("```python\ndef f(): pass\n```\n\n```nonsense\n<x>\n```\n\n    y < 1")
    assert '<span class="k">def</span>' in page
    assert "&lt;x&gt;" in page
    assert "y &lt; 1" in page


def test_code_has_enough_contrast():
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return parts[0] * 0.2126 + parts[1] * 0.7152 + parts[2] * 0.0722

    style = style_sheet()
    ground = luminance(re.search(r"--code: (#\w{6})", style)[1])
    colours = re.findall(r"(?<!-)\bcolor: (#\w{6})", style) + re.findall(
        r"--(?:text|quiet|link): (#\w{6})", style
    )
    assert len(colours) > 20
    for colour in colours:
        assert (ground + 0.05) / (luminance(colour) + 0.05) >= 4.5, colour
