"""What is wrong with a notebook, as far as it can be seen without running it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nbformat import NotebookNode

from notebooks.refreshing.form import METADATA, PICTURE, WIDGET, is_program, parts

__all__ = ["LARGEST_OUTPUTS", "Problem", "problems"]

LARGEST_OUTPUTS = 200_000  # bytes, of one cell

# Paths that exist on one machine only. What is a part of a longer path or of a URL doesn't count.
_ROOT = re.escape(str(Path(__file__).resolve().parents[2]))
MACHINE_PATH = re.compile(
    rf"""(?: (?<![\w./:~-]) | file:// )
         (?: {_ROOT}(?![\w-]) / | /(?:home|Users|root|tmp|private|var/folders)/
           | [A-Za-z]:[\\/]+Users\b )
         [^\s"'<>)`]*
       | \bsite-packages\b | \bipykernel_\d+""",
    re.VERBOSE,
)


class Problem(NamedTuple):
    """What is wrong, and in which cell: they count from 1, those of text too; 0 is all of it."""

    cell: int
    what: str


def problems(notebook: NotebookNode) -> list[Problem]:
    """Return what is wrong with a notebook as it is."""
    found = [
        Problem(0, f"its metadata isn't what refresh.py writes: {key}")
        for key in sorted({*notebook.metadata, *METADATA})
        if notebook.metadata.get(key) != METADATA.get(key)
    ]
    place = 0
    for n, cell in enumerate(notebook.cells, 1):
        place += is_program(cell)
        found += [Problem(n, what) for what in _problems_of(cell, place)]
    return found


def _problems_of(cell, place) -> Iterator[str]:
    """Yield what is wrong with a cell, which is the program number `place` if it is one."""
    if unwanted := sorted(cell.metadata.keys() - {"tags"}):
        yield f"its metadata holds {', '.join(unwanted)}"
    texts = [cell.source]
    if cell.cell_type == "code":
        if not is_program(cell):
            if cell.outputs:
                yield "it is empty, but has outputs"
        elif cell.execution_count is None:
            yield "it was never run"
        elif cell.execution_count != place:
            yield f"it was run out of order: In [{cell.execution_count}], expected In [{place}]"
        size = 0
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"it raised {output.ename}: {output.evalue}"
            if WIDGET in output.get("data", {}):
                yield "its outputs hold a widget"
            size += sum(len(part.encode()) for part in parts(output).values())
            texts += [part for kind, part in parts(output).items() if kind != PICTURE]
        if size > LARGEST_OUTPUTS:
            yield f"its outputs have {size:,} bytes, at most {LARGEST_OUTPUTS:,} are allowed"
    for path in dict.fromkeys(match[0] for text in texts for match in MACHINE_PATH.finditer(text)):
        yield f"it holds a path of one machine: {path}"
