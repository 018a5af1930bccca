"""What can be seen of the notebooks without running them; refresh.py --check runs them."""

import importlib
import re
from functools import cache
from urllib.parse import unquote

import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from notebooks import refresh
from notebooks.refreshing import form
from notebooks.refreshing.problems import problems

LARGEST_FOLDER = 15_000_000  # bytes, of all notebooks
LONGEST_PROGRAM = 20  # lines that aren't blank: what a reader takes in at a glance

FOLDER = refresh.HERE
ROOT = FOLDER.parent
NOTEBOOKS = sorted([*FOLDER.glob("*.ipynb"), *FOLDER.glob("solutions/*.ipynb")])
SERIES = [path for path in NOTEBOOKS if path.parent == FOLDER and path.name[:2].isdecimal()]


def name_of(path):
    return path.relative_to(FOLDER).as_posix()


each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
each_of_the_series = pytest.mark.parametrize("path", SERIES, ids=name_of)


@cache
def read(path):
    return form.read(path)


def programs(path):
    """The cells of code with something in them, by their numbers, counted from 1 with all cells."""
    return {n: cell for n, cell in enumerate(read(path).cells, 1) if form.is_program(cell)}


def markdown(path):
    """The text of a notebook or of a Markdown file, without programs and formulas."""
    if path.suffix == ".ipynb":
        text = "\n\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")
    else:
        text = path.read_text("utf-8")
    return re.sub(r"^( *)(```|~~~).*?^ *\2[`~]*$", "", text, flags=re.MULTILINE | re.DOTALL)


def headings(path):
    return re.findall(r"^#{1,6} +(.*?) *#*$", markdown(path), re.MULTILINE)


def plain(heading):
    """A heading as it is shown: of links and code only the text."""
    return re.sub(r"[`*]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading))


def anchors(path):
    """The names of headings: Jupyter keeps capitals and punctuation, GitHub's Markdown doesn't."""
    shown = [plain(heading) for heading in headings(path)]
    if path.suffix == ".ipynb":
        return {text.replace(" ", "-") for text in shown}
    found = [re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in shown]
    repeated = [f"{name}-{found[:n].count(name)}" for n, name in enumerate(found)]
    return {*found, *repeated, *re.findall(r'<a (?:id|name)="([^"]+)"', markdown(path))}


def links(path):
    text = re.sub(r"(`+).*?\1|\$\$.*?\$\$|\$[^$\n]+\$", "code", markdown(path), flags=re.DOTALL)
    found = re.findall(r"\]\(\s*<?([^)\s>]+)", text)
    found += re.findall(r"^\[[^]]+\]:\s*(\S+)", text, re.MULTILINE)
    return found + re.findall(r"""<(?:img|a)\b[^>]*?(?:src|href)=["']([^"']+)""", text)


def broken_links(path):
    for link in links(path):
        if re.match(r"[a-z][a-z0-9+.-]*:|//", link):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists():
            yield f"{link}: there is no such file"
        elif not target.is_relative_to(ROOT):
            yield f"{link}: it leads out of the repository"
        elif anchor and target.suffix in (".md", ".ipynb") and anchor not in anchors(target):
            yield f"{link}: there is no such heading"


def number(path):
    return int(path.name[:2])


# The notebooks


def test_the_series_is_complete():
    assert [number(path) for path in SERIES] == list(range(12))


@each_notebook
def test_it_is_a_valid_notebook_run_from_top_to_bottom_without_errors(path):
    assert [f"cell {cell}: {what}" for cell, what in problems(read(path))] == []


@each_notebook
def test_its_cells_have_names_of_their_own(path):
    names = [cell.id for cell in read(path).cells]
    assert len(set(names)) == len(names)


def test_the_folder_is_small_enough_to_clone():
    size = sum(path.stat().st_size for path in NOTEBOOKS)
    assert size <= LARGEST_FOLDER


@each_notebook
def test_its_programs_are_short(path):
    lengths = {
        f"cell {n}": sum(bool(line.strip()) for line in cell.source.splitlines())
        for n, cell in programs(path).items()
    }
    assert {n: length for n, length in lengths.items() if length > LONGEST_PROGRAM} == {}


@each_notebook
def test_a_slider_has_a_picture_for_those_without_a_kernel(path):
    without = [
        f"cell {n}"
        for n, cell in programs(path).items()
        if re.search(r"^slider\(", cell.source, re.MULTILINE)
        and not any(form.PICTURE in output.get("data", {}) for output in cell.outputs)
    ]
    assert without == []


@each_notebook
def test_its_links_lead_somewhere(path):
    assert list(broken_links(path)) == []


@each_of_the_series
def test_it_begins_with_its_title(path):
    first = read(path).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith(f"# {path.name[:2]} · ")


@each_of_the_series
def test_exercises_have_checks_and_solutions(path):
    if "Exercises" not in headings(path):
        return
    name = f"notebook_{path.name[:2]}"
    assert (ROOT / "common" / "exercises" / f"{name}.py").exists()
    assert (FOLDER / "solutions" / path.name).exists()
    wanted = f"from common.exercises import {name} as check"
    for notebook in (path, FOLDER / "solutions" / path.name):
        assert any(wanted in cell.source for cell in programs(notebook).values())


@pytest.mark.parametrize("path", sorted(set(NOTEBOOKS) - set(SERIES)), ids=name_of)
def test_a_solution_has_its_notebook(path):
    assert FOLDER / path.name in SERIES


def verdicts(path):
    """The saved outputs of checks, by the names of these."""
    calls = {}
    for cell in programs(path).values():
        name = re.search(r"^check\.(\w+)\(.*\)\Z", cell.source, re.MULTILINE)
        if name and cell.outputs:
            calls[name[1]] = cell.outputs[-1].data["text/plain"]
    return calls


@each_of_the_series
def test_each_check_is_asked_by_the_notebook_and_says_right_of_the_solution(path):
    check = importlib.import_module(f"common.exercises.notebook_{path.name[:2]}")
    names = set(check.__all__) - {"spoil"}
    asked, solved = verdicts(path), verdicts(FOLDER / "solutions" / path.name)
    assert asked.keys() == names
    assert solved.keys() >= names - {"share_right"}  # which notebook 00 solves itself
    assert all(said.startswith("right: ") for said in solved.values())
    asked.pop("share_right", None)
    assert set(asked.values()) == {"not yet: nothing is filled in yet"}


@each_of_the_series
def test_its_last_cell_leads_to_the_next_one(path):
    following = [other for other in SERIES if number(other) == number(path) + 1]
    last = read(path).cells[-1].source
    for other in following:
        assert f"Next: [{headings(other)[0]}]({other.name})" in last
    if number(path) == 11:
        assert "Next: [" not in last


# The tests' own tools


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("[a](b.md) and ![c](d.png 'title')", ["b.md", "d.png"]),
        ("`[a](b.md)` $f[i](x)$ $$g[j](y)$$", []),
        ("```python\n[a](b.md)\n```\n[c](d.md)", ["d.md"]),
        ('<img alt="x" src="a.png"> <a href="b.md#c">', ["a.png", "b.md#c"]),
        ("[a]\n\n[a]: b.md", ["b.md"]),
    ],
)
def test_links_are_found(tmp_path, source, expected):
    path = tmp_path / "a.md"
    path.write_text(source, "utf-8")
    assert sorted(links(path)) == sorted(expected)


def test_broken_links_are_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / "a.md"
    path.write_text(
        "# `One` and 2, *too*\n\n## Same\n\n## Same\n\n"
        "[](#one-and-2-too) [](a.md#same-1) [](#three) [](b.md) "
        "[](https://example.org) [](../) [](a.md#One)",
        "utf-8",
    )
    assert [found.partition(":")[0] for found in broken_links(path)] == [
        "#three",
        "b.md",
        "../",
        "a.md#One",
    ]


def test_anchors_of_notebooks_are_jupyters(tmp_path):
    cell = new_markdown_cell("## 2. The `loss`, again\n\ntext")
    form.write(tmp_path / "a.ipynb", new_notebook(cells=[cell]))
    assert anchors(tmp_path / "a.ipynb") == {"2.-The-loss,-again"}
