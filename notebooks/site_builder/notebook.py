"""A notebook's cells and saved outputs as HTML."""

import base64
import html
import re

from notebooks.refreshing.form import NotebookError, normal_form, parse
from notebooks.site_builder.markdown import Markdown, highlighted

__all__ = ["notebook_html"]

_PICTURES = ("image/svg+xml", "image/png", "image/jpeg")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # a terminal's colours
_TITLE = re.compile(r"""title(?:\(|=)\s*f?["']([^"'{}\\]+)""")


def notebook_html(text: str, markdown: Markdown) -> str:
    """Return the cells of a notebook, given as the text of its .ipynb file, as HTML.

    Raises
    ------
    ValueError
        If the text isn't that of a notebook.
    """
    try:
        notebook = normal_form(parse(text.encode()))  # without widgets, which need a kernel
    except NotebookError as error:
        raise ValueError(error.args[1]) from error

    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(markdown(cell.source))
        elif cell.cell_type == "code" and cell.source.strip():
            section = markdown.headings[-1][2] if markdown.headings else ""
            parts.append(f'<div class="input">{highlighted(cell.source)}</div>\n')
            parts.append(_outputs(cell, section, markdown))
    return "".join(parts)


def _outputs(cell, section, markdown):
    body = "".join(_output(output, cell, section, markdown) for output in cell.outputs)
    return f'<div class="output" role="group" aria-label="Output">\n{body}</div>\n' if body else ""


def _output(output, cell, section, markdown):
    if output.output_type == "stream":
        return _plain(output.text)
    if output.output_type == "error":
        return _plain("\n".join(output.traceback))
    data = output.data
    for kind in _PICTURES:
        if kind in data:
            return _picture(kind, data[kind], _description(cell, section))
    if "text/html" in data and "<script" not in data["text/html"]:
        # A style in an output would be one of the whole page.
        body = re.sub(r"(?s)<style\b.*?</style>", "", data["text/html"]).strip()
        return f'<div class="wide">{body}</div>\n'
    if "text/markdown" in data:
        return markdown(data["text/markdown"])
    if "text/latex" in data:
        return markdown(data["text/latex"])
    return _plain(data.get("text/plain", ""))


def _plain(text):
    text = _ESCAPES.sub("", text).rstrip("\n")
    return f"<pre>{html.escape(text, quote=False)}</pre>\n" if text.strip() else ""


def _picture(kind, content, description):
    if kind == "image/svg+xml":
        content = base64.b64encode(content.encode()).decode()
    content = "".join(content.split())
    return (
        f'<div class="wide"><img alt="{html.escape(description)}" '
        f'src="data:{kind};base64,{content}"></div>\n'
    )


def _description(cell, section):
    """Say what a picture shows, by the plot's title, and where it is."""
    where = f" in “{section}”" if section else ""
    titles = [title.strip(" :,;(=") for title in _TITLE.findall(cell.source)]
    # Of several titles none is that of the picture; of "h = {h}" nothing is left that says a thing.
    what = f": {titles[0]}" if len(titles) == 1 and len(titles[0]) > 3 else ""
    return f"Picture drawn by the code above{where}{what}"
