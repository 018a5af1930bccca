"""How modules are imported, and that every script can be started from anywhere.

Which package may import which is written down in pyproject.toml, for import-linter.
"""

import ast
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHAPTERS = ("ch04_numerical_gradient", "ch05_backprop")
PACKAGES = ("common", "dataset", *CHAPTERS)
FILES = [
    path.relative_to(ROOT) for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))
]
IDS = [path.as_posix() for path in FILES]
SCRIPTS = [
    path
    for path in FILES
    if path.parts[0] in CHAPTERS and "__main__" in (ROOT / path).read_text("utf-8")
]


@cache
def tree(path):
    return ast.parse((ROOT / path).read_text("utf-8"))


def imported_modules(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import fails in a file that is run"
            yield node.module


def imported_packages(path):
    return {name.split(".")[0] for name in imported_modules(path)}


def test_the_source_files_were_found():
    assert {path.parts[0] for path in FILES} == set(PACKAGES)
    assert Path("ch05_backprop/train_neuralnet.py") in SCRIPTS
    assert len(SCRIPTS) >= 10


SYMBOLIC = [p for p in FILES if p.parts[:2] == ("common", "symbolic")]


@pytest.mark.parametrize("path", [p for p in SYMBOLIC if "drawing" not in p.parts], ids=str)
def test_the_symbolic_graph_stands_alone_on_numpy(path):
    modules = set(imported_modules(path))
    own = {name for name in modules if name.split(".")[:2] == ["common", "symbolic"]}
    others = {name.split(".")[0] for name in modules - own}
    assert others <= {*sys.stdlib_module_names, "numpy"}
    assert "common.symbolic.drawing" not in own  # which draws with matplotlib


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_packages_are_imported_by_their_full_names(path):
    """``import two_layer_net`` would work in the chapter's folder, and nowhere else."""
    siblings = {file.stem for file in (ROOT / path).parent.glob("*.py")} - {"__init__"}
    assert not imported_packages(path) & (siblings - set(sys.stdlib_module_names))


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_nothing_edits_the_import_path(path):
    attributes = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)]
    assert not [
        node.lineno
        for node in attributes
        if node.attr == "path" and isinstance(node.value, ast.Name) and node.value.id == "sys"
    ]
    assert not {"site", "pkgutil"} & imported_packages(path)
    names = [
        alias.name
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.module == "sys"
        for alias in node.names
    ]
    assert "path" not in names


@pytest.mark.parametrize("path", SCRIPTS, ids=str)
def test_no_script_hides_a_module_of_the_standard_library(path):
    """Python puts a script's folder first in its path."""
    assert path.stem not in sys.stdlib_module_names


def help_of(*command, cwd):
    process = subprocess.run(
        [sys.executable, *command, "--help"],
        cwd=cwd,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    name = f"python {' '.join(map(str, command))} (in {cwd})"
    assert process.returncode == 0, f"{name}:\n{process.stderr}"
    assert process.stdout.startswith("usage: "), name
    assert process.stderr == "", name
    return process.stdout


def assert_help(commands):
    """Start the commands, two at a time, and check that the help shows the module's docstring."""
    with ThreadPoolExecutor(2) as pool:
        jobs = [(path, pool.submit(help_of, *words, cwd=cwd)) for path, words, cwd in commands]
    for path, job in jobs:
        assert ast.get_docstring(tree(path)).splitlines()[0] in job.result()


def test_scripts_run_from_another_folder(tmp_path):
    assert_help([(path, [ROOT / path], tmp_path) for path in SCRIPTS])


def test_scripts_run_in_their_own_folder():
    assert_help([(path, [path.name], ROOT / path.parent) for path in SCRIPTS])


def test_scripts_run_as_modules():
    paths = [
        Path("ch04_numerical_gradient/gradient_descent.py"),
        Path("ch04_numerical_gradient/train_neuralnet.py"),
        Path("ch05_backprop/train_neuralnet.py"),
    ]
    modules = [(path, ".".join(path.with_suffix("").parts)) for path in paths]
    assert_help([(path, ["-m", module], ROOT) for path, module in modules])
