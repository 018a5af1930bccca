"""How a file or a folder becomes a page, with links that are still those of the source."""

import html
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from pygments.lexers import get_lexer_for_filename
from pygments.util import ClassNotFound

from notebooks.site_builder.markdown import Markdown, highlighted
from notebooks.site_builder.notebook import notebook_html

__all__ = ["Page", "make_page"]

_HIDDEN = frozenset({"__pycache__", "output", "cache"})


@dataclass
class Page:
    """A page of the site.

    Attributes
    ----------
    source : str
        What it was made from: a path in the repository, with slashes.
    folder : str
        Where in the repository its links start from.
    target : str
        Its own path in the site.
    title : str
        Plain text.
    body : str
        HTML, with links that are those of the source.
    headings : list of tuple
        Level, anchor and plain text.
    problems : list of str
        What of the source can't be shown.
    has_links : bool
        False for source code, where nobody has to look for them.
    anchors : set of str
        All ids that a link can name.
    """

    source: str
    folder: str
    target: str
    title: str
    body: str
    headings: list = field(default_factory=list)
    problems: list = field(default_factory=list)
    has_links: bool = True
    anchors: set = field(init=False)

    def __post_init__(self):
        self.anchors = set(map(html.unescape, re.findall(r'<[^>]*\bid="([^"]+)"', self.body)))


def make_page(root: Path, source: str) -> Page:
    """Return the page of the file or folder `source` of the repository in the folder `root`.

    A Markdown file or a notebook is shown as what it is, a folder as a list of its files, and any
    other file as highlighted text with line numbers.
    """
    path = root / source
    if path.is_dir():
        return _list_of_files(path, source)
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix in (".md", ".ipynb"):
        return _document(text, source)
    return _code(text, source)


def _document(text, source):
    markdown = Markdown()
    problems = []
    if source.endswith(".md"):
        body = markdown(text)
    else:
        try:
            body = notebook_html(text, markdown)
        except ValueError as error:
            problems.append(str(error))
            body = ""
    titles = [title for level, _, title in markdown.headings if level == 1]
    name = PurePosixPath(source)
    return Page(
        source=source,
        folder=str(name.parent),
        target=str(name.with_suffix(".html")),
        title=titles[0] if titles else source,
        body=body,
        headings=markdown.headings,
        problems=problems + markdown.problems,
    )


def _code(text, source):
    try:
        language = get_lexer_for_filename(source).aliases[0]
    except (ClassNotFound, IndexError):
        language = "text"
    code = highlighted(text, language, lines=True)
    return Page(
        source=source,
        folder=str(PurePosixPath(source).parent),
        target=f"{source}.html",
        title=source,
        body=f'<h1>{html.escape(source)}</h1>\n<div class="lines">{code}</div>\n',
        has_links=False,
    )


def _list_of_files(path, source):
    items = []
    for file in sorted(path.iterdir()):
        if not file.name.startswith(".") and file.name not in _HIDDEN:
            name = file.name + "/" * file.is_dir()
            items.append(f'<li><a href="{quote(name)}">{html.escape(name)}</a></li>\n')
    return Page(
        source=source,
        folder=source,
        target=f"{source}/index.html",
        title=f"{source}/",
        body=f"<h1>{html.escape(source)}/</h1>\n<ul>\n{''.join(items)}</ul>\n",
    )
