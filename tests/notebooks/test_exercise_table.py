"""The command that prints what the checks of several notebooks say."""

import nbformat
import pytest

from common.exercises.__main__ import main

CELLS = [
    "from common.exercises import notebook_00 as check",
    "check.fraction_right(0.25)",
    "1 / 0",
    "answer = ...\ncheck.fraction_right(answer)",
    "check.fraction_right(1 / 0)",
]


@pytest.fixture
def notebook(tmp_path):
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    path = tmp_path / "a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@pytest.mark.filterwarnings("ignore")  # of Jupyter about its own
def test_a_notebook_is_run_and_left_as_it_is(notebook, capsys):
    before = notebook.read_bytes()
    assert main([str(notebook)]) == 1
    said, *lines = capsys.readouterr().out.splitlines()
    assert said.startswith(f"{notebook}: ")
    assert [line.split()[0] for line in lines] == ["fraction_right"] * 3
    assert "nothing is filled in yet" in lines[1]
    assert lines[2].split(maxsplit=1)[1] == "error    ZeroDivisionError: division by zero"
    assert notebook.read_bytes() == before


def test_saved_outputs_are_read_and_what_is_no_notebook_is_named(notebook, tmp_path, capsys):
    saved = nbformat.read(notebook, as_version=4)
    saved.cells = saved.cells[1:2]
    said = {"text/plain": "right: the share."}
    saved.cells[0].outputs = [nbformat.v4.new_output("execute_result", said)]
    nbformat.write(saved, notebook)
    assert main(["--saved", str(notebook)]) == 0
    assert capsys.readouterr().out.split() == [
        f"{notebook}:",
        *["1", "of", "1", "right", "fraction_right", "right"],
    ]
    assert main(["--saved", str(tmp_path / "no.ipynb")]) == 1
    assert f"{tmp_path / 'no.ipynb'}: FileNotFoundError" in capsys.readouterr().out
