"""Which pages there are, and where their links lead."""

import posixpath
import re
from itertools import pairwise
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from notebooks.site_builder.contents import contents_html
from notebooks.site_builder.layout import page_html, style_sheet
from notebooks.site_builder.links import mend_links
from notebooks.site_builder.markdown import slug
from notebooks.site_builder.pages import Page, make_page

__all__ = ["READMES", "Site"]

READMES = (
    "README.md",
    "ch04_numerical_gradient/README.md",
    "ch05_backprop/README.md",
    "ch05_backprop/beyond/README.md",
    "dataset/README.md",
    "benchmarks/README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
)
_OUTSIDE = ("http", "https", "mailto")
# Copied as they are. Whatever else a link leads to has a page that shows it as text.
_PICTURES = {".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp"}
_COPIED = _PICTURES | {".csv", ".gz", ".npz", ".pdf", ".zip"}


class Site:
    """All pages that can be made of the repository in the folder `root`.

    Attributes
    ----------
    pages : dict of str to Page
        By source.
    problems : list of str
        Links that lead nowhere and formulas that can't be converted, each after its file's name.
    """

    def __init__(self, root: Path):
        self.root = root.resolve()
        self.pages = {}
        self.problems = []
        self._queue = []  # pages whose links aren't mended yet
        self._copies = set()

    def build(self) -> dict[str, bytes]:
        """Return the files of the site by their paths in it."""
        notebooks, solutions = self._notebooks("notebooks"), self._notebooks("notebooks/solutions")
        readmes = [name for name in READMES if (self.root / name).is_file()]
        for source in (*notebooks, *solutions, *readmes):
            self._page(source)
        title = self.pages["README.md"].title if "README.md" in self.pages else "Contents"
        contents = contents_html(title, self.pages)
        self._queue.append(Page("", "", "index.html", title, contents))

        files = {"style.css": style_sheet().encode()}
        neighbours = _neighbours(notebooks) | _neighbours(solutions) | _neighbours(readmes)
        for page in self._queue:  # which grows, by the pages that links lead to
            body = self._mend(page) if page.has_links else page.body
            links = self._neighbour_links(page, neighbours.get(page.source, {}))
            files[page.target] = page_html(page, body, links).encode()
        for name in self._copies:
            files[name] = (self.root / name).read_bytes()
        return dict(sorted(files.items()))

    def _notebooks(self, folder):
        return [
            path.relative_to(self.root).as_posix()
            for path in sorted((self.root / folder).glob("*.ipynb"))
        ]

    def _neighbour_links(self, page, neighbours):
        links = {
            word: (_relative(page, self.pages[source].target), self.pages[source].title)
            for word, source in neighbours.items()
        }
        name = PurePosixPath(page.source)
        exercise = f"notebooks/{name.name}"
        solution = f"notebooks/solutions/{name.name}"
        for word, source in (("Exercises", exercise), ("Solutions", solution)):
            if name.suffix == ".ipynb" and page.source != source and source in self.pages:
                links[word] = (_relative(page, self.pages[source].target), word)
        return links

    def _page(self, source):
        """Return the page of a file or folder; it is made when it is first asked for."""
        if source not in self.pages:
            page = make_page(self.root, source)
            self.problems += [f"{source}: {problem}" for problem in page.problems]
            self.pages[source] = page
            self._queue.append(page)
        return self.pages[source]

    # Where links lead

    def _mend(self, page):
        def mend(kind, link):
            try:
                return self._mended(page, kind, link)
            except _BrokenLink as error:
                self.problems.append(f"{page.source}: {link}: {error}")
                return link

        return mend_links(
            page.body, mend, lambda text: self.problems.append(f"{page.source}: {text}")
        )

    def _mended(self, page, kind, link):
        if not link:
            raise _BrokenLink(f"the {kind} is empty")
        parts = urlsplit(link)
        if kind == "link" and parts.scheme in _OUTSIDE:
            return link
        if kind == "picture" and parts.scheme == "data":
            return link
        if parts.scheme or parts.netloc or parts.path.startswith("/"):
            raise _BrokenLink(f"a {kind} must be relative to the file that it is in")

        source = posixpath.normpath(posixpath.join(page.folder, unquote(parts.path)))
        if not parts.path:
            target, goal = page.target, page
        elif source.startswith(".."):
            raise _BrokenLink("this is outside of the repository")
        elif kind == "link" and source == "notebooks":
            target, goal = "index.html", None
        else:
            target, goal = self._goal(source, kind)
        anchor = _anchor(goal, unquote(parts.fragment)) if parts.fragment else ""
        path = _relative(page, target) if parts.path else ""
        return path + (f"#{quote(anchor)}" if anchor else "")

    def _goal(self, source, kind):
        """Return where in the site a link to `source` leads, and the page if it is one."""
        path = self.root / source
        if not path.exists():
            raise _BrokenLink("there is no such file")
        if path.is_dir() and (path / "README.md").is_file():
            source = posixpath.normpath(posixpath.join(source, "README.md"))
            path = self.root / source
        if kind == "picture" and path.suffix not in _PICTURES:
            raise _BrokenLink("this is no picture")
        if path.suffix in _COPIED:
            self._copies.add(source)
            return source, None
        page = self._page(source)
        return page.target, page


class _BrokenLink(Exception):
    pass


def _anchor(page, fragment):
    """Return the id that `fragment` names, in GitHub's spelling or Jupyter's, or as #L10 a line."""
    if page is None:
        raise _BrokenLink("this has no headings to link to")
    line = re.fullmatch(r"L(\d+)(-L\d+)?", fragment)
    for anchor in (fragment, slug(fragment), f"L-{line[1]}" if line else ""):
        if anchor in page.anchors:
            return anchor
    raise _BrokenLink(f"{page.source} has no heading or line of that name")


def _neighbours(sources):
    """Return, for each of the sources, that before it and that after it, by word."""
    neighbours = {source: {} for source in sources}
    for before, after in pairwise(sources):
        neighbours[after]["Previous"] = before
        neighbours[before]["Next"] = after
    return neighbours


def _relative(page, target):
    return quote(posixpath.relpath(target, posixpath.dirname(page.target) or "."))
