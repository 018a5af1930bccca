"""All checks of exercises: on the solutions, and on cells that nobody has filled in yet.

What each check says of wrong answers, and of right ones that look different, is in the files of the
single notebooks.
"""

import ast
import importlib
import re
from pathlib import Path

import nbformat
import pytest

from common.exercises.verdict import Verdict

NOTEBOOKS = sorted(Path(__file__).parents[2].glob("notebooks/[0-9][0-9]_*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name[:2])


def module_of(path):
    return importlib.import_module(f"common.exercises.notebook_{path.name[:2]}")


def checks_of(path):
    """The names of a notebook's checks."""
    return set(module_of(path).__all__) - {"spoil"}  # which makes what a check then asks about


def verdicts(path):
    """Run a notebook's programs, but for varying ones; return the verdicts by the check's name."""
    names, found = {}, {}
    for cell in nbformat.read(path, 4).cells:
        tags = cell.metadata.get("tags", ())
        if cell.cell_type != "code" or not cell.source or "nbval-ignore-output" in tags:
            continue
        *body, last = ast.parse(cell.source).body
        if not isinstance(last, ast.Expr):
            body.append(last)
        exec(compile(ast.Module(body, []), str(path), "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), str(path), "eval"), names)
            if isinstance(value, Verdict):
                found[re.search(r"check\.(\w+)", cell.source)[1]] = value
    return found


@each_notebook
def test_each_check_finds_the_solution_right(path):
    said = verdicts(path.parent / "solutions" / path.name)
    assert said.keys() == checks_of(path) - {"fraction_right"}  # which notebook 00 solves itself
    assert all(said.values()), said


def unwritten(*arguments): ...


def unwritten_with_return(*arguments):
    return ...


@pytest.mark.parametrize(
    ("check", "name"),
    [(module_of(path), name) for path in NOTEBOOKS for name in sorted(checks_of(path))],
    ids=lambda value: value if isinstance(value, str) else value.__name__[-2:],
)
@pytest.mark.parametrize("answer", [None, ..., unwritten, unwritten_with_return])
def test_each_check_knows_that_nothing_is_filled_in(check, name, answer):
    verdict = getattr(check, name)(answer)
    assert not verdict
    assert verdict.message == "nothing is filled in yet"
