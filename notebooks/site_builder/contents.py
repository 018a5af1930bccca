"""The contents page: the way through the repository."""

import html
import re

__all__ = ["contents_html"]

# What a part is about, the README that goes with it, and its notebooks.
PARTS = (
    ("Start", "README.md", ("00",)),
    ("The numerical gradient", "ch04_numerical_gradient/README.md", ("01", "02", "03")),
    (
        "Backpropagation and the symbolic graph",
        "ch05_backprop/README.md",
        ("04", "05", "06", "07", "08"),
    ),
    ("Beyond: training well, convolution", "ch05_backprop/beyond/README.md", ("09", "10", "11")),
)
# What is left then, by its source.
OTHERS = (
    ("More notebooks", r"notebooks/[^/]*\.ipynb"),
    ("Solutions", r"notebooks/solutions/"),
    ("More", ""),
)


def contents_html(title: str, pages: dict) -> str:
    """Return the body of the contents page, with links by source.

    Parameters
    ----------
    title : str
        Its heading.
    pages : dict of str to Page
        What to list, by source.
    """
    left = dict(pages)
    body = f"<h1>{html.escape(title)}</h1>\n"
    for name, readme, numbers in PARTS:
        entries = ""
        if readme in left:
            entries += f"<p>{_link(left.pop(readme))}</p>\n"
        for source in _matching(left, rf"notebooks/({'|'.join(numbers)})_"):
            entries += _entry(left.pop(source), pages)
        body += _section(name, entries)
    for name, pattern in OTHERS:
        items = [_link(left.pop(source)) for source in _matching(left, pattern)]
        body += _section(name, _list(items))
    return body


def _matching(pages, pattern):
    return [source for source in pages if re.match(pattern, source)]


def _section(name, inner):
    return f'<section class="part">\n<h2>{name}</h2>\n{inner}</section>\n' if inner else ""


def _entry(page, pages):
    """Return a notebook with its sections, and its solutions beside it."""
    solution = pages.get(page.source.replace("notebooks/", "notebooks/solutions/"))
    beside = f' <a class="beside" href="{solution.source}">Solutions</a>' if solution else ""
    sections = [
        f'<a href="{page.source}#{html.escape(anchor)}">{html.escape(text)}</a>'
        for level, anchor, text in page.headings
        if level == 2
    ]
    return f"<h3>{_link(page)}{beside}</h3>\n{_list(sections, name='sections')}"


def _list(items, name=""):
    inner = "".join(f"<li>{item}</li>\n" for item in items)
    start = f'<ul class="{name}">' if name else "<ul>"
    return f"{start}\n{inner}</ul>\n" if items else ""


def _link(page):
    label = "Overview: README" if page.source == "README.md" else page.title
    return f'<a href="{page.source}">{html.escape(label)}</a>'
