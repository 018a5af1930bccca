import posixpath
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

pytest.importorskip("latex2mathml")

from common.scripts.command_line import CommandError
from notebooks import build_site
from notebooks.site_builder.site import READMES, Site

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path):
    """A small repository."""
    files = {
        "README.md": "# All\n\n[4](ch04/README.md#two) [f](common/functions.py) ![p](ch04/p.png)",
        "ch04/README.md": "# Four\n\n## Two\n\n[up](../README.md) [table](t.csv) [l](../common/)",
        "ch04/p.png": "png",
        "ch04/t.csv": "1,2",
        "common/functions.py": "def f(x):\n    return x < 1  # $x$\n",
        "common/deeper/g.py": "g = 1\n",
    }
    for name, text in files.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for number, name in enumerate(("00_start", "01_next", "02_last")):
        text = (
            f"# {number:02} · {name}\n\n## Exercises\n\n[f](../common/functions.py#L2) $x_{number}$"
        )
        add_notebook(tmp_path / "tree", name, new_markdown_cell(text))
    add_notebook(tmp_path / "tree", "solutions/01_next", new_markdown_cell("# Solutions of 01"))
    return tmp_path / "tree"


def add_notebook(root, name, *cells):
    path = root / "notebooks" / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(new_notebook(cells=list(cells))))


def build(root):
    site = Site(root)
    files = site.build()
    assert site.problems == []
    return files


def problems(root):
    site = Site(root)
    site.build()
    return site.problems


class Elements(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.links, self.sources, self.ids, self.tags = [], [], [], []
        # Thousands of colours, which would take their time, and no links.
        self.feed(re.sub(r'</?span( class="\w+")?>', "", page.decode()))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        self.links += [attributes["href"]] if "href" in attributes else []
        self.sources += [attributes["src"]] if "src" in attributes else []
        self.ids += [attributes["id"]] if "id" in attributes else []


@cache
def elements(page):
    return Elements(page)


def assert_links_work(files):
    """Check all links as a browser would, with nothing but the files."""
    pages = {name: elements(data) for name, data in files.items() if name.endswith(".html")}
    for name, page in pages.items():
        for link in page.links + page.sources:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            assert not parts.path.startswith("/"), (name, link)
            target = name
            if parts.path:
                target = posixpath.normpath(
                    posixpath.join(posixpath.dirname(name), unquote(parts.path))
                )
            assert target in files, (name, link)
            if parts.fragment:
                assert unquote(parts.fragment) in pages[target].ids, (name, link)


def assert_loads_nothing(files):
    for name, data in files.items():
        if not name.endswith(".html"):
            continue
        page = elements(data)
        for source in page.sources:
            assert urlsplit(source).scheme in ("", "data"), (name, source[:80])
        tags = [tag for tag, _ in page.tags]
        assert not {"script", "iframe", "object", "embed", "base", "style"} & set(tags), name
        assert [a["rel"] for tag, a in page.tags if tag == "link"] == ["stylesheet"], name


def assert_formulas_are_converted(files):
    """Look for LaTeX in what a reader sees, but for code and outputs."""
    for name, data in files.items():
        if name.endswith(".html"):
            text = re.sub(r"(?s)<(pre|code)\b.*?</\1>", "", data.decode())
            text = re.sub(r"<[^>]*>", "", text)
            assert not re.findall(r"\\[A-Za-z]+|\$\$|\$[^$\n]*\$", text), name


def test_links_lead_to_pages(root):
    files = build(root)
    readme = files["README.html"].decode()
    assert 'href="ch04/README.html#two"' in readme
    assert 'href="common/functions.py.html"' in readme
    assert 'src="ch04/p.png"' in readme
    assert 'href="../common/functions.py.html#L-2"' in files["notebooks/00_start.html"].decode()
    assert files["ch04/t.csv"] == b"1,2"
    assert 'id="L-2"' in files["common/functions.py.html"].decode()
    assert "$x$" in files["common/functions.py.html"].decode()
    assert_links_work(files)
    assert_loads_nothing(files)


def test_a_folder_is_its_readme_the_contents_or_a_list(root):
    (root / "README.md").write_text("# A\n\n[a](ch04/) [b](notebooks/) [c](common)")
    files = build(root)
    for target in ("ch04/README.html", "index.html", "common/index.html"):
        assert f'href="{target}"' in files["README.html"].decode()
    listing = files["common/index.html"].decode()
    assert 'href="functions.py.html"' in listing
    assert 'href="deeper/index.html"' in listing
    assert "common/deeper/g.py.html" in files
    assert_links_work(files)


def test_previous_next_and_solutions(root):
    files = build(root)
    middle = files["notebooks/01_next.html"].decode()
    assert 'class="previous" rel="prev" href="00_start.html"' in middle
    assert 'class="next" rel="next" href="02_last.html"' in middle
    assert 'href="solutions/01_next.html">Solutions' in middle
    assert 'href="../01_next.html">Exercises' in files["notebooks/solutions/01_next.html"].decode()
    assert 'rel="prev"' not in files["notebooks/00_start.html"].decode()
    assert 'rel="next"' not in files["notebooks/02_last.html"].decode()


def test_the_contents_page_names_all(root):
    add_notebook(root, "90_more", new_markdown_cell("# More & more"))
    contents = build(root)["index.html"].decode()
    for link in ("README.html", "notebooks/solutions/01_next.html", "notebooks/90_more.html"):
        assert f'href="{link}"' in contents
    assert 'href="notebooks/00_start.html#exercises"' in contents
    assert "More &amp; more" in contents


def test_pages_are_accessible(root):
    for name, data in build(root).items():
        if name.endswith(".html"):
            page = Elements(data)
            assert ("html", {"lang": "en"}) in page.tags
            tags = [tag for tag, _ in page.tags]
            assert {"title", "main", "nav"} <= set(tags)
            assert tags.count("h1") == 1
            assert all(a.get("alt") for tag, a in page.tags if tag == "img")
            assert len(set(page.ids)) == len(page.ids)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[x](no.md)", "no.md: there is no such file"),
        ("[x]()", "the link is empty"),
        ("[x](no/)", "no/: there is no such file"),
        ("![x](no.png)", "no.png: there is no such file"),
        ("[x](ch04/README.md#three)", "ch04/README.md#three: ch04/README.md has no heading"),
        ("[x](#three)", "#three: README.md has no heading"),
        ("[x](common/functions.py#L99)", "common/functions.py#L99: common/functions.py has no"),
        ("[x](../outside.md)", "../outside.md: this is outside"),
        ("[x](/etc/passwd)", "/etc/passwd: a link must be relative"),
        ("[x](file:///etc/passwd)", "a link must be relative"),
        ("![x](https://example.org/x.png)", "a picture must be relative"),
        ("![x](common/functions.py)", "this is no picture"),
        ("<img src='no.png' alt='x'>", "no.png: there is no such file"),
        ("<script src='x.js'></script>", "<script> has no place"),
        ("<b style='background: url(x)'>b</b>", "loads something"),
        ("$\\foo$", "$\\foo$: \\foo is unknown"),
    ],
)
def test_what_leads_nowhere_is_listed(root, text, expected):
    (root / "README.md").write_text(f"# A\n\n{text}\n")
    (problem,) = problems(root)
    assert problem.startswith("README.md: ")
    assert expected in problem


def test_links_of_notebooks_and_of_pages_that_are_linked_are_checked_too(root):
    add_notebook(root, "00_start", new_markdown_cell("# A\n\n[x](no.md) [y](../common/more.md)"))
    (root / "common/more.md").write_text("# More\n\n[z](gone.py)")
    assert problems(root) == [
        "notebooks/00_start.ipynb: no.md: there is no such file",
        "common/more.md: gone.py: there is no such file",
    ]


def test_a_damaged_notebook_is_listed(root):
    (root / "notebooks/00_start.ipynb").write_text("{")
    (problem,) = problems(root)
    assert problem.startswith("notebooks/00_start.ipynb: it is no notebook")


def test_anchors_in_jupyters_spelling_work(root):
    add_notebook(root, "00_start", new_markdown_cell("# A\n\n## What's up?\n\n[x](#What's-up?)"))
    assert 'href="#whats-up"' in build(root)["notebooks/00_start.html"].decode()


def test_links_to_the_web_stay(root):
    (root / "README.md").write_text("# A\n\n<https://example.org/a?b=1&c=2#d> [m](mailto:a@b.org)")
    page = Elements(build(root)["README.html"])
    assert "https://example.org/a?b=1&c=2#d" in page.links
    assert "mailto:a@b.org" in page.links


def test_names_with_spaces_and_other_letters(root):
    (root / "ch04/a b é.py").write_text("1")
    (root / "README.md").write_text("# A\n\n[x](ch04/a%20b%20é.py)")
    assert_links_work(build(root))


def run(root, output, monkeypatch):
    monkeypatch.setattr(build_site, "ROOT", root)
    build_site.main(["--output", str(output)])


def tree(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_builds_are_the_same_wherever_they_are(root, tmp_path, monkeypatch, capsys):
    run(root, tmp_path / "site", monkeypatch)
    assert "open" in capsys.readouterr().out
    run(root, tmp_path / "other", monkeypatch)
    assert tree(tmp_path / "site") == tree(tmp_path / "other")
    assert not any(str(tmp_path).encode() in data for data in tree(tmp_path / "site").values())


def test_a_broken_link_leaves_the_old_site(root, tmp_path, monkeypatch):
    run(root, tmp_path / "site", monkeypatch)
    before = tree(tmp_path / "site")
    (root / "README.md").write_text("# A\n\n[x](no.md) [y](gone.md)")
    with pytest.raises(CommandError) as error:
        run(root, tmp_path / "site", monkeypatch)
    assert "README.md: no.md: there is no such file" in str(error.value)
    assert "README.md: gone.md" in str(error.value)
    assert tree(tmp_path / "site") == before


def test_the_repository_is_no_folder_for_its_site(root, monkeypatch):
    before = tree(root)
    with pytest.raises(CommandError, match="choose another folder"):
        run(root, root, monkeypatch)
    assert tree(root) == before


def test_help_explains(capsys):
    with pytest.raises(SystemExit, match="0"):
        build_site.main(["--help"])
    assert "leads nowhere" in capsys.readouterr().out


def test_the_repository_itself():
    site = Site(ROOT)
    files = site.build()
    assert site.problems == []
    assert set(READMES) <= site.pages.keys()
    assert_links_work(files)
    assert_loads_nothing(files)
    assert_formulas_are_converted(files)
