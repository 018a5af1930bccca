"""The PyTorch programs in the notebooks' text print what stands below them."""

import contextlib
import io
import re
from pathlib import Path

import nbformat
import pytest

SERIES = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
BRIDGE = re.compile(r"^```python\n(import torch\n.*?)^```\n+(?:^```text\n(.*?)^```$)?", re.M | re.S)


def programs():
    """Yield each fenced program that starts with ``import torch``, and the output below it."""
    for path in SERIES:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                for n, (code, output) in enumerate(BRIDGE.findall(cell.source)):
                    yield pytest.param(code, output, id=f"{path.stem}-{cell.id}-{n}")


@pytest.mark.parametrize(("code", "output"), programs())
def test_a_torch_program_prints_what_the_notebook_says(code, output, monkeypatch):
    torch = pytest.importorskip("torch")
    assert output, "a block of its output, ```text, must follow the program"
    monkeypatch.chdir(SERIES[0].parent)
    torch.manual_seed(0)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "<bridge>", "exec"), {"__name__": "__main__"})
    assert printed.getvalue() == output
