"""The front page, the map and the metadata: what they name exists, and what they show runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def targets(path):
    text = path.read_text("utf-8")
    return [t.partition("#")[0] for t in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text)]


@pytest.mark.parametrize(
    "name",
    ["README.md", "CONTRIBUTING.md", "docs/map.md", "docs/index.md", "ch05_backprop/README.md"],
)
def test_all_that_is_linked_to_exists(name):
    path = ROOT / name
    found = [target for target in targets(path) if target and not target.startswith("api/")]
    assert found
    assert [target for target in found if not (path.parent / target).exists()] == []


def test_the_map_has_every_section_and_every_lesson():
    text = (ROOT / "docs/map.md").read_text("utf-8")
    rows = re.findall(r"^\| ([3-8]\.\d)(?:\.\d)?(?:–(\d\.\d))?", text, re.MULTILINE)
    sections = {
        f"{c}.{n}"
        for c, last in zip("345678", (6, 5, 7, 5, 7, 5), strict=True)
        for n in range(1, last + 1)
    }
    named = {f"{a[:2]}{n}" for a, b in rows for n in range(int(a[2]), int((b or a)[2]) + 1)}
    assert named == sections
    linked = {(ROOT / "docs" / target).resolve() for target in targets(ROOT / "docs/map.md")}
    lessons = [p for p in ROOT.glob("ch0*/**/*.py") if p.name != "__init__.py"]
    helpers = {"methods.py", "gradient_charts.py", "few_digits.py"}
    assert {p.name for p in lessons if p not in linked} <= helpers
    assert set(ROOT.glob("notebooks/*.ipynb")) <= linked


def test_the_lines_of_the_readme_run_as_printed():
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[1]
    command = [sys.executable, "-W", "error", "-c", code]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    assert run.returncode == 0, run.stderr
    seconds, milliseconds = re.search(
        r"numerical (\S+) s, backpropagation (\S+) ms", run.stdout
    ).groups()
    assert float(seconds) > float(milliseconds) / 1000 > 0
    assert 0 < float(run.stdout.split()[-1]) < 1e-3


def test_the_readme_repeats_what_was_measured():
    table = (ROOT / "ch05_backprop/images/compare_gradients.csv").read_text("utf-8")
    central = float(re.search(r"^central,\d+,\d+,([^,]+)", table, re.MULTILINE)[1])
    reverse = float(re.search(r"^reverse,\d+,\d+,([^,]+)", table, re.MULTILINE)[1])
    text = (ROOT / "README.md").read_text("utf-8")
    assert f"{central:.2f} s here" in text
    assert f"{1e6 * reverse:.0f} µs" in text


@pytest.mark.parametrize(
    ("schema", "name"),
    [("github-workflows", ".github/workflows/tests.yml"), ("citation-file-format", "CITATION.cff")],
)
def test_metadata_is_valid(schema, name):
    pytest.importorskip("check_jsonschema")
    command = ["-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", name]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)
