"""The command. What running a notebook gives is set here; test_refresh_kernels.py runs some."""

from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from common.scripts.command_line import CommandError
from notebooks import refresh
from notebooks.refreshing import kernels
from notebooks.refreshing.form import METADATA, NotebookError, read, write


def ran(*sources_and_texts):
    """A notebook of pairs of program and text that it is said to have printed, None for never."""
    cells = []
    for n, (source, text) in enumerate(sources_and_texts):
        cell = new_code_cell(source, id=f"c{n}")
        if source.startswith("# varies"):
            cell.metadata.tags = ["varies"]
        if text is not None:
            cell.execution_count = n + 1
            cell.outputs = [new_output("stream", text=text)] if text else []
        cells.append(cell)
    return new_notebook(cells=cells, metadata=METADATA)


def save(path, *sources_and_texts):
    write(path, ran(*sources_and_texts))
    return path


def texts(path):
    return [cell.outputs[0].text if cell.outputs else "" for cell in read(path).cells]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made = tmp_path / "notebooks"
    (made / "solutions").mkdir(parents=True)
    monkeypatch.setattr(refresh, "HERE", made)
    return made


@pytest.fixture
def prints(monkeypatch):
    """A function that says what the cells of notebooks print now, in place of a kernel."""

    def set_outputs(*now):
        async def execute(notebook, folder, environment, **_):
            made = ran(*zip([cell.source for cell in notebook.cells], now, strict=True))
            for cell, old in zip(made.cells, notebook.cells, strict=True):
                cell.metadata = old.metadata
            return made

        monkeypatch.setattr(kernels, "execute", execute)

    return set_outputs


def test_only_the_outputs_that_changed_are_replaced(folder, prints, capsys):
    path = save(folder / "01_a.ipynb", ("a", "old\n"), ("# varies\nb", "3 s\n"), ("c", ""))
    prints("new\n", "4 s\n", "")
    assert refresh.main([]) == 0
    assert "wrote 01_a.ipynb, cell 1\n" in capsys.readouterr().out
    assert texts(path) == ["new\n", "3 s\n", ""]


def test_a_second_run_writes_nothing(folder, prints):
    path = save(folder / "01_a.ipynb", ("a", "old\n"), ("b", None))
    prints("new\n", "")
    assert refresh.main([]) == 0
    before = path.stat()
    assert refresh.main([]) == 0
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert refresh.main(["--check"]) == 0


def test_a_varying_output_that_was_cleared_is_renewed(folder, prints):
    path = save(folder / "01_a.ipynb", ("# varies\na", None))
    prints("4 s\n")
    assert refresh.main([]) == 0
    assert texts(path) == ["4 s\n"]


def test_renew_takes_varying_outputs_too_and_no_others_that_hold(folder, prints, capsys):
    path = save(folder / "01_a.ipynb", ("# varies\na", "3 s\n"), ("b", "same\n"))
    prints("4 s\n", "same\n")
    assert refresh.main(["--renew"]) == 0
    assert texts(path) == ["4 s\n", "same\n"]
    with pytest.raises(SystemExit):
        refresh.main(["--renew", "--check"])
    assert "not allowed with" in capsys.readouterr().err


def test_each_notebooks_seconds_are_printed(folder, prints, capsys):
    save(folder / "01_a.ipynb", ("a", "b"))
    save(folder / "solutions" / "01_a.ipynb", ("a", "b"))
    prints("b")
    assert refresh.main(["--jobs", "1"]) == 0
    assert capsys.readouterr().out == (
        "01_a.ipynb: 0 s\nsolutions/01_a.ipynb: 0 s\n2 notebooks: up to date\n"
    )


def test_check_names_notebook_cells_and_reason_and_writes_nothing(folder, prints, capsys):
    changed = save(folder / "01_changed.ipynb", ("a", "old\n"), ("b", "same\n"))
    never = save(folder / "02_never.ipynb", ("a", None), ("b", None))
    no_json = folder / "03_no_json.ipynb"
    no_json.write_text("{")
    before = [path.read_bytes() for path in (changed, never, no_json)]
    prints("new\n", "same\n")
    assert refresh.main(["--check"]) == 1
    out = capsys.readouterr().out
    assert (
        "\n01_changed.ipynb, cell 1: its output isn't what it is now\n"
        "    committed: old\n    now:       new\n"
        "02_never.ipynb, cells 1, 2: it was never run\n"
        "03_no_json.ipynb: it is no notebook: "
    ) in out
    assert out.endswith("\n3 problems in 3 notebooks\n")
    assert [path.read_bytes() for path in (changed, never, no_json)] == before


def test_a_notebook_whose_new_outputs_are_too_large_is_not_written(folder, prints, capsys):
    path = save(folder / "01_a.ipynb", ("a", "old\n"))
    prints("x" * 200_001)
    assert refresh.main([]) == 1
    assert "01_a.ipynb, cell 1: its outputs have 200,001 bytes" in capsys.readouterr().out
    assert texts(path) == ["old\n"]


def test_a_notebook_that_fails_is_not_written_and_the_others_are(folder, monkeypatch, capsys):
    bad = save(folder / "01_bad.ipynb", ("a", "old\n"))
    good = save(folder / "02_good.ipynb", ("a", "old\n"))

    async def execute(notebook, folder, environment, **_):
        if not capsys.readouterr().out:  # it is the first to run
            raise NotebookError(1, "its kernel died")
        return ran(("a", "new\n"))

    monkeypatch.setattr(kernels, "execute", execute)
    assert refresh.main(["--jobs", "1"]) == 1
    assert "01_bad.ipynb, cell 1: its kernel died\n" in capsys.readouterr().out
    assert [texts(path) for path in (bad, good)] == [["old\n"], ["new\n"]]


def test_what_someone_saved_meanwhile_is_not_overwritten(folder, monkeypatch, capsys):
    path = save(folder / "01_a.ipynb", ("a", "old\n"))

    async def execute(*_, **__):
        path.write_bytes(b"saved in Jupyter")
        return ran(("a", "new\n"))

    monkeypatch.setattr(kernels, "execute", execute)
    assert refresh.main([]) == 1
    assert "01_a.ipynb: it was changed while it ran" in capsys.readouterr().out
    assert path.read_bytes() == b"saved in Jupyter"


@pytest.mark.parametrize("error", [KeyboardInterrupt, PermissionError("no")])
def test_a_failed_write_leaves_the_old_file(folder, prints, monkeypatch, error):
    path = save(folder / "01_a.ipynb", ("a", "old\n"))

    def write_half(self, data):
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise error

    prints("new\n")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_half)
        with pytest.raises(error if isinstance(error, type) else type(error)):
            refresh.main([])
    assert texts(path) == ["old\n"]
    assert [p.name for p in folder.iterdir() if p.is_file()] == ["01_a.ipynb"]


def test_names_are_numbers_beginnings_or_files(folder):
    names = ["01_a", "10_b", "solutions/01_a"]
    a, b, solution = (save(folder / f"{name}.ipynb") for name in names)
    assert refresh.find([]) == [a, b, solution]
    assert refresh.find(["1"]) == refresh.find(["01"]) == refresh.find(["01_a"]) == [a, solution]
    assert refresh.find(["10", str(a), "10_"]) == [b, a]
    with pytest.raises(CommandError, match="11 is no notebook; there are 01_a, 10_b"):
        refresh.find(["11"])
