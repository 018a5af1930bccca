"""What surrounds the text of a page, and the style sheet of all."""

import html
from pathlib import Path

from pygments.formatters import HtmlFormatter

__all__ = ["page_html", "style_sheet"]

STYLE = "default"  # of Pygments: dark enough on a light ground


def page_html(page, body: str, links: dict[str, tuple[str, str]]) -> str:
    """Return a whole page.

    Parameters
    ----------
    page : Page
        Whose title and place it is.
    body : str
        Its text, with links that lead somewhere.
    links : dict
        "Previous", "Next", "Exercises" or "Solutions", with the link and the title of each.
    """
    up = "../" * page.target.count("/")
    is_contents = page.target == "index.html"
    is_titled = is_contents or page.title.removesuffix("/") == page.source
    source = "" if is_titled else f' <span class="path">{html.escape(page.source)}</span>'
    current = ' aria-current="page"' if is_contents else ""
    top = f'<a href="{up}index.html"{current}>Contents</a>{source}'
    for word in ("Exercises", "Solutions"):
        if word in links:
            top += f' <a href="{links[word][0]}">{word}</a>'
    around = "".join(
        f'<a class="{word.lower()}" rel="{word[:4].lower()}" href="{links[word][0]}">'
        f"<span>{word}</span> {html.escape(links[word][1])}</a>\n"
        for word in ("Previous", "Next")
        if word in links
    )
    footer = (
        f'<footer><nav aria-label="Previous and next">\n{around}</nav></footer>\n' if around else ""
    )
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(page.title)}</title>
<link rel="stylesheet" href="{up}style.css">
</head>
<body>
<a class="skip" href="#page-text">Skip to the text</a>
<header><nav aria-label="Site">{top}</nav></header>
<main id="page-text">
{body}</main>
{footer}</body>
</html>
"""


def style_sheet() -> str:
    """Return the style sheet of all pages."""
    colours = HtmlFormatter(style=STYLE).get_style_defs(".highlight")
    lines = [line for line in colours.splitlines() if line.startswith(".highlight .")]
    own = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    return "\n".join([own, *lines]) + "\n"
