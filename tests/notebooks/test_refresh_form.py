"""The form that notebooks are kept in, and what is found wrong with one."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from notebooks import refresh
from notebooks.refreshing.form import METADATA, WIDGET, NotebookError, normal_form, read
from notebooks.refreshing.problems import problems


def ran(*outputs):
    """A notebook of a program for each of the `outputs`, all of which have been run in order."""
    cells = [
        new_code_cell("a", execution_count=n, outputs=[output] if output else [])
        for n, output in enumerate(outputs, 1)
    ]
    return new_notebook(cells=cells, metadata=METADATA)


def printed(text):
    return new_output("stream", text=text)


def shown(kind, data):
    return new_output("display_data", {kind: data})


# The form


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"cells": 3, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "\xff"],
)
def test_what_is_no_notebook_is_refused(tmp_path, content):
    path = tmp_path / "a.ipynb"
    path.write_text(content, "latin-1")
    with pytest.raises(NotebookError) as error:
        read(path)
    cell, what = error.value.args
    assert cell == 0
    assert what.startswith(("it is no notebook: ", "it is no valid notebook: "))


def test_what_is_the_machines_or_the_moments_is_taken_out():
    made = ran(printed("1\n"), None, new_output("execute_result", {"text/plain": "2"}))
    made.metadata = nbformat.from_dict({"kernelspec": {"name": "mine"}, "widgets": {}})
    made.cells[0].metadata = nbformat.from_dict(
        {"execution": {"iopub.status.busy": "2020"}, "tags": ["varies"]}
    )
    made.cells[1].source = ""
    made.cells[1].outputs = [printed("of what was here")]
    for cell in made.cells:
        cell.execution_count += 7
    before = str(made)
    kept = normal_form(made)
    assert kept.metadata == METADATA
    assert [dict(cell.metadata) for cell in kept.cells] == [{"tags": ["varies"]}, {}, {}]
    assert [cell.execution_count for cell in kept.cells] == [1, None, 2]
    assert kept.cells[1].outputs == []
    assert kept.cells[2].outputs[0].execution_count == 2
    assert problems(kept) == []
    assert str(made) == before


def test_what_was_printed_piecemeal_is_joined_as_a_terminal_shows_it():
    made = ran(printed("a\n"))
    made.cells[0].outputs += [
        printed("1 %\r2 %\rdone\n"),
        new_output("stream", name="stderr", text="w"),
    ]
    assert [output.text for output in normal_form(made).cells[0].outputs] == ["a\ndone\n", "w"]


def test_a_widget_is_removed_and_its_picture_stays():
    picture = shown("image/png", "")
    made = ran(picture)
    made.cells[0].outputs.append(shown(WIDGET, {"model_id": "a"}))
    assert [problem.what for problem in problems(made)] == ["its outputs hold a widget"]
    assert normal_form(made).cells[0].outputs == [picture]


def test_cells_without_ids_get_some():
    old = ran(None, None)
    old.nbformat_minor = 4
    for cell in old.cells:
        del cell["id"]
    kept = normal_form(old)
    nbformat.validate(kept)
    assert [cell.id for cell in kept.cells] == ["cell-00", "cell-01"]


# What is wrong


def test_a_sound_notebook_has_no_problems():
    made = ran(printed("see https://example.org/home/x and ../tmp/y and a/b\n"), None)
    made.cells.append(new_markdown_cell("Text, [a link](../common/layers/), 1/tmp/2."))
    assert problems(made) == []


@pytest.mark.parametrize(
    "path",
    [
        "/home/me/x.py",
        "/Users/me/x.py",
        "/root/.cache",
        "/tmp/ipykernel_12/3.py:1:",
        "lib/python3.11/site-packages/numpy",
        "file:///tmp/x",
        r"C:\Users\me",
        str(refresh.HERE / "x"),
    ],
)
def test_paths_of_one_machine_are_found_in_text_programs_and_outputs(path):
    made = ran(None, printed(f"wrote {path}\n"), shown("text/html", f'<a href="{path}">'))
    made.cells[0].source = f"open('{path}')"
    made.cells.append(new_markdown_cell(f"See `{path}`."))
    found = problems(made)
    assert [problem.cell for problem in found] == [1, 2, 3, 4]
    assert all("a path of one machine: " in problem.what for problem in found)


def test_letters_of_a_picture_are_no_path():
    assert problems(ran(shown("image/png", "/tmp/AAAA"))) == []


def test_metadata_order_errors_and_sizes_are_checked():
    made = ran(None, new_output("error", ename="KeyError", evalue="'x'"), None, printed("x"))
    made.metadata["widgets"] = {}
    made.cells[0].metadata["collapsed"] = True
    made.cells[0].execution_count = 7
    made.cells[2].execution_count = None
    made.cells[3].source = ""
    made.cells.append(ran(shown("text/html", "é" * 100_001)).cells[0])
    made.cells[4].execution_count = 4
    assert problems(made) == [
        (0, "its metadata isn't what refresh.py writes: widgets"),
        (1, "its metadata holds collapsed"),
        (1, "it was run out of order: In [7], expected In [1]"),
        (2, "it raised KeyError: 'x'"),
        (3, "it was never run"),
        (4, "it is empty, but has outputs"),
        (5, "its outputs have 200,002 bytes, at most 200,000 are allowed"),
    ]
