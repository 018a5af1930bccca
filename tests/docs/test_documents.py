"""The front page, the map and the metadata: what they name exists, and what they show runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "docs/map.md", "docs/index.md"]


def targets(path):
    """The files that a document links to, apart from the reference, which the site builds."""
    found = re.findall(r"\]\((?!https?:|api/|#)([^)#\s]+)", path.read_text("utf-8"))
    return {(path.parent / target).resolve() for target in found}


@pytest.mark.parametrize("name", [*DOCUMENTS, "ch05_backprop/README.md"])
def test_all_that_is_linked_to_exists(name):
    found = targets(ROOT / name)
    assert found
    assert [target for target in found if not target.exists()] == []


def test_the_map_has_every_section_and_every_lesson():
    text = (ROOT / "docs/map.md").read_text("utf-8")
    named = set()
    for chapter, a, b in re.findall(r"^\| (\d)\.(\d)(?:\.\d)?(?:–\d\.(\d))?", text, re.MULTILINE):
        named |= {(int(chapter), n) for n in range(int(a), int(b or a) + 1)}
    last = {3: 6, 4: 5, 5: 7, 6: 5, 7: 7, 8: 5}
    assert named == {(chapter, n + 1) for chapter in last for n in range(last[chapter])}
    lessons = {p for p in ROOT.glob("ch0*/**/*.py") if p.name != "__init__.py"}
    helpers = {"methods.py", "gradient_charts.py", "few_digits.py"}
    missing = lessons.union(ROOT.glob("notebooks/*.ipynb")) - targets(ROOT / "docs/map.md")
    assert {p.name for p in missing} <= helpers


def test_the_lines_of_the_readme_run_as_printed():
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[1]
    command = [sys.executable, "-W", "error", "-c", code]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    assert run.returncode == 0, run.stderr
    times = re.search(r"numerical (\S+) s, backpropagation (\S+) ms", run.stdout)
    assert float(times[1]) > 0 < float(times[2])
    assert 0 < float(run.stdout.split()[-1]) < 1e-3


def test_the_readme_repeats_what_was_measured():
    table = (ROOT / "ch05_backprop/images/compare_gradients.csv").read_text("utf-8")
    seconds = dict(re.findall(r"^(\w+),\d+,\d+,([^,]+)", table, re.MULTILINE))
    text = (ROOT / "README.md").read_text("utf-8")
    assert f"{float(seconds['central']):.2f} s here" in text
    assert f"{1e6 * float(seconds['reverse']):.0f} µs" in text


@pytest.mark.parametrize(
    ("schema", "name"),
    [("github-workflows", ".github/workflows/tests.yml"), ("citation-file-format", "CITATION.cff")],
)
def test_metadata_is_valid(schema, name):
    pytest.importorskip("check_jsonschema")
    command = ["-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", name]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)
