import base64
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

pytest.importorskip("latex2mathml")

from notebooks.site_builder.markdown import Markdown
from notebooks.site_builder.notebook import notebook_html

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><style>* {fill: red}</style></svg>'


def cells(*cells):
    return notebook_html(nbformat.writes(new_notebook(cells=list(cells))), Markdown())


def code(*outputs, source="1"):
    return new_code_cell(source, outputs=list(outputs))


def shown(**data):
    data = {name.replace("_", "/", 1): value for name, value in data.items()}
    return new_output("display_data", data=data)


def test_cells_and_text_outputs_are_kept():
    page = cells(
        new_markdown_cell("# Title"),
        code(
            new_output("stream", name="stdout", text="a <b"),
            new_output("stream", name="stdout", text=">\n"),
            new_output("execute_result", data={"text/plain": "\x1b[31m42\x1b[0m"}),
            source="print('a')",
        ),
        new_code_cell(""),
    )
    assert '<h1 id="title">' in page
    assert '<span class="nb">print</span>' in page
    assert "<pre>a &lt;b&gt;</pre>" in page
    assert "<pre>42</pre>" in page
    assert page.count('class="input"') == 1


def test_a_progress_bar_is_its_last_state():
    page = cells(code(new_output("stream", name="stderr", text="0 %\r50 %\r100 %\r\ndone\n")))
    assert "<pre>100 %\ndone</pre>" in page


def test_errors_are_shown_without_colours():
    error = new_output("error", ename="E", evalue="v", traceback=["\x1b[0;31mE\x1b[0m: <v>"])
    assert "<pre>E: &lt;v&gt;</pre>" in cells(code(error))


def test_pictures_are_embedded_and_described():
    page = cells(
        new_markdown_cell("## Slopes & more"),
        code(shown(image_png=PNG, text_plain="<Figure>"), source='ax.set_title(f"Down: {x}")'),
        code(new_output("display_data", data={"image/svg+xml": SVG})),
        code(shown(image_png=PNG), source='ax.set(xlabel="x", title=f"h = {h}")'),
        code(shown(image_png=PNG), source='a.set(title="Left"); b.set(title="Right")'),
        code(shown(image_png=PNG), source='ax.set(title="Downhill")'),
    )
    assert page.count(f"data:image/png;base64,{PNG}") == 4
    assert f"data:image/svg+xml;base64,{base64.b64encode(SVG.encode()).decode()}" in page
    assert "fill: red" not in page
    assert "Figure" not in page
    assert re.findall('alt="(.*?)"', page) == [
        "Picture drawn by the code above in “Slopes &amp; more”: Down",
        "Picture drawn by the code above in “Slopes &amp; more”",
        "Picture drawn by the code above in “Slopes &amp; more”",
        "Picture drawn by the code above in “Slopes &amp; more”",
        "Picture drawn by the code above in “Slopes &amp; more”: Downhill",
    ]


def test_html_outputs_lose_their_styles_and_those_with_scripts_are_text():
    page = cells(
        code(shown(text_html="<style>pre {color: red}</style><b>bold</b>", text_plain="plain")),
        code(shown(text_html="<script>1</script>", text_plain="instead")),
    )
    assert "<b>bold</b>" in page
    assert "style>" not in page
    assert "plain" not in page
    assert "script" not in page
    assert "instead" in page


def test_a_widget_is_left_out_and_the_picture_beside_it_kept():
    widget = new_output(
        "display_data",
        data={"application/vnd.jupyter.widget-view+json": {}, "text/plain": "VBox()"},
    )
    page = cells(code(shown(image_png=PNG), widget))
    assert PNG in page
    assert "VBox" not in page
    assert 'class="output"' not in cells(code(widget))


def test_latex_and_markdown_outputs():
    page = cells(code(shown(text_latex="$x$")), code(shown(text_markdown="*y*")))
    assert "<math" in page
    assert "<em>y</em>" in page
