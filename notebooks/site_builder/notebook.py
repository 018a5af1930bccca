"""A notebook's cells and saved outputs as HTML."""

import base64
import html
import re

import nbformat

from notebooks.site_builder.markdown import Markdown, highlighted

__all__ = ["notebook_html"]

_WIDGET = "application/vnd.jupyter.widget-view+json"
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
        notebook = nbformat.reads(text, as_version=4)
    except Exception as error:  # nbformat has many, without a common base
        raise ValueError(f"this is no notebook ({error})") from error

    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(markdown(cell.source))
        elif cell.cell_type == "code" and cell.source.strip():
            section = markdown.headings[-1][2] if markdown.headings else ""
            parts.append(f'<div class="input">{highlighted(cell.source)}</div>\n')
            parts += _outputs(cell, section, markdown)
    return "".join(parts)


def _outputs(cell, section, markdown):
    outputs = filter(None, (_output(o, cell, section, markdown) for o in _joined(cell.outputs)))
    body = "".join(outputs)
    return (
        [f'<div class="output" role="group" aria-label="Output">\n{body}</div>\n'] if body else []
    )


def _joined(outputs):
    """Join what one stream wrote in several pieces: where one ends says nothing."""
    joined = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == "stream" and last.get("name") == output.name:
            last.text += output.text
        else:
            joined.append(nbformat.from_dict(output))
    return joined


def _output(output, cell, section, markdown):
    if output.output_type == "stream":
        return _plain(output.text)
    if output.output_type == "error":
        return _plain("\n".join(output.traceback))
    data = output.data
    if _WIDGET in data:
        return ""  # it needs a kernel; the static picture stands beside it
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
    text = _ESCAPES.sub("", text)
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.rstrip("\n").split("\n")]
    text = "\n".join(lines)  # of a progress bar, only its last state is left
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
    """Say what a picture shows, by the cell's metadata or the plot's title, and where it is."""
    if "alt" in cell.metadata:
        return cell.metadata.alt
    where = f" in “{section}”" if section else ""
    titles = [title.strip(" :,;(=") for title in _TITLE.findall(cell.source)]
    # Of several titles none is that of the picture; of "h = {h}" nothing is left that says a thing.
    what = f": {titles[0]}" if len(titles) == 1 and len(titles[0]) > 3 else ""
    return f"Picture drawn by the code above{where}{what}"
