"""What can be seen of the notebooks without running them; nbval runs them and compares outputs."""

import importlib
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import nbformat
import pytest

LARGEST_OUTPUTS = {"player": 600_000, "": 400_000}  # bytes, of a cell with a slider and without
LARGEST_FOLDER = 15_000_000  # bytes, of all notebooks
LONGEST_PROGRAM = 20  # lines that aren't blank: what a reader takes in at a glance
SHORTEST_ALT = 20  # characters that describe a plot

ROOT = Path(__file__).parents[2]
SERIES = sorted(ROOT.glob("notebooks/*.ipynb"))
SOLUTIONS = sorted(ROOT.glob("notebooks/solutions/*.ipynb"))
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

MACHINE_PATH = re.compile(
    rf"{re.escape(str(ROOT))}/|(?<![\w./:~-])/(home|Users|root|tmp|private|var/folders)/"
    r"|[A-Za-z]:[\\/]+Users\b|file://|\bsite-packages\b|\bipykernel_\d"
)


each_notebook = pytest.mark.parametrize(
    "path", [*SERIES, *SOLUTIONS], ids=lambda path: f"{path.parent.name}/{path.stem}"
)
each_of_the_series = pytest.mark.parametrize("path", SERIES, ids=lambda path: path.stem)


@cache
def read(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def programs(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code" and cell.source.strip()]


def outputs(cell):
    """All outputs of a cell as (kind, text)."""
    for output in cell.get("outputs", ()):
        kind = output.get("name", output.output_type)
        yield from output.get("data", {kind: output.get("text", "")}).items()


def test_the_series_is_complete():
    assert [int(path.name[:2]) for path in SERIES] == list(range(12))
    assert {path.name for path in SOLUTIONS} <= {path.name for path in SERIES}
    assert sum(path.stat().st_size for path in [*SERIES, *SOLUTIONS]) <= LARGEST_FOLDER


@each_notebook
def test_it_was_run_from_top_to_bottom_and_depends_on_no_machine(path):
    cells = programs(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not {"error", "stderr"} & {kind for cell in cells for kind, _ in outputs(cell)}
    assert read(path).metadata == {"kernelspec": KERNEL}, "refresh it as CONTRIBUTING.md says"
    names = [cell.id for cell in read(path).cells]
    assert len(set(names)) == len(names)
    for cell in read(path).cells:
        assert cell.metadata.keys() <= {"tags", "jupyter", "mystnb"}
        texts = [str(text) for kind, text in outputs(cell) if kind != "image/png"]
        assert not any(MACHINE_PATH.search(text) for text in [cell.source, *texts])


@each_notebook
def test_its_cells_and_their_outputs_are_short(path):
    for cell in programs(path):
        assert sum(bool(line.strip()) for line in cell.source.splitlines()) <= LONGEST_PROGRAM
        text = "".join(str(text) for _, text in outputs(cell))
        kind = "player" if 'class="player"' in text else ""
        assert len(text.encode()) <= LARGEST_OUTPUTS[kind], cell.source


@each_notebook
def test_each_plot_is_described_to_readers_who_do_not_see_it(path):
    for cell in programs(path):
        if "image/png" in dict(outputs(cell)):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) >= SHORTEST_ALT, cell.source


@each_of_the_series
def test_it_begins_with_its_title_and_ends_with_the_next_one(path):
    cells = read(path).cells
    assert cells[0].source.startswith(f"# {path.name[:2]} · ")
    following = SERIES[SERIES.index(path) + 1 :]
    for other in following[:1]:
        title = read(other).cells[0].source.partition("\n")[0].removeprefix("# ")
        assert f"Next: [{title}]({other.name})" in cells[-1].source
    assert bool(following) == ("Next: [" in cells[-1].source)


def verdicts(path):
    """The saved outputs of checks, by the names of these."""
    calls = {}
    for cell in programs(path):
        name = re.search(r"^check\.(\w+)\(.*\)\Z", cell.source, re.MULTILINE)
        if name and cell.outputs:
            calls[name[1]] = cell.outputs[-1].data["text/plain"]
    return calls


@each_of_the_series
def test_each_check_is_asked_by_the_notebook_and_says_right_of_the_solution(path):
    check = importlib.import_module(f"common.exercises.notebook_{path.name[:2]}")
    names = set(check.__all__) - {"spoil"}
    asked, solved = verdicts(path), verdicts(path.parent / "solutions" / path.name)
    assert asked.keys() == names
    assert solved.keys() >= names - {"fraction_right"}  # which notebook 00 solves itself
    assert all(said.startswith("right: ") for said in solved.values())
    asked.pop("fraction_right", None)
    assert set(asked.values()) == {"not yet: nothing is filled in yet"}


@pytest.mark.parametrize(("printed", "code"), [("0.667\n", 0), ("0.668\n", 1)])
def test_a_changed_number_fails_the_check_that_ci_makes(tmp_path, printed, code):
    cell = nbformat.v4.new_code_cell("print(round(2 / 3, 3))", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=printed)]
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": KERNEL})
    nbformat.write(notebook, tmp_path / "a.ipynb")
    options = ["-q", "--nbval", f"--nbval-sanitize-with={ROOT}/tests/notebooks/sanitize.cfg"]
    options += ["--nbval-kernel-startup-timeout=600", "-n0", f"--rootdir={tmp_path}"]
    options += ["-p", "no:cacheprovider", "-p", "no:randomly"]
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, *options, "a.ipynb"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == code
