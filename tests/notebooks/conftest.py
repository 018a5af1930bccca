"""What tests of several notebooks share."""

import json
from functools import cache
from pathlib import Path

import pytest

SOLUTIONS = Path(__file__).parents[2] / "notebooks" / "solutions"


@pytest.fixture(scope="session")
def answers_of():
    """From the name of a notebook to the names that the cells of its solutions leave behind."""

    @cache
    def answers_of(notebook):
        names = {}
        cells = json.loads((SOLUTIONS / notebook).read_text(encoding="utf-8"))["cells"]
        for cell in cells:
            if cell["cell_type"] == "code":
                exec("".join(cell["source"]), names)
        return names

    return answers_of
