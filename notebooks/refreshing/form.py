"""The form that notebooks are kept in: without what depends on the machine or on the moment."""

import copy
import json
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.validator import iter_validate

from common.support.files import write_atomically

__all__ = [
    "METADATA",
    "PICTURE",
    "WIDGET",
    "NotebookError",
    "is_program",
    "normal_form",
    "parse",
    "parts",
    "read",
    "write",
]

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
PICTURE = "image/png"
WIDGET = "application/vnd.jupyter.widget-view+json"


class NotebookError(Exception):
    """A notebook can't be read or run: in which cell, counting from 1 (0 is all of it), and why."""


def read(path: Path) -> NotebookNode:
    """Return the notebook that `path` holds.

    Raises
    ------
    NotebookError
        If it holds no valid notebook.
    """
    return parse(path.read_bytes())


def parse(data: bytes) -> NotebookNode:
    """Return the notebook that the bytes of a file hold; errors are those of `read`."""
    try:
        notebook = nbformat.v4.reads(data.decode())
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise NotebookError(0, f"it is no notebook: {error}") from error
    for error in iter_validate(notebook):
        raise NotebookError(0, f"it is no valid notebook: {str(error).splitlines()[0]}")
    return notebook


def write(path: Path, notebook: NotebookNode) -> None:
    """Write `notebook` to `path` atomically."""
    write_atomically(path, (nbformat.v4.writes(notebook) + "\n").encode())


def is_program(cell: NotebookNode) -> bool:
    """Tell whether a cell has something to run."""
    return cell.cell_type == "code" and bool(cell.source.strip())


def parts(output: NotebookNode) -> dict[str, str]:
    """Return the parts of an output as text, by the stream's name or the media type."""
    if output.output_type == "stream":
        return {output.name: output.text}
    if output.output_type == "error":
        return {"error": f"{output.ename}: {output.evalue}"}
    return {
        kind: part if isinstance(part, str) else json.dumps(part, sort_keys=True)
        for kind, part in output.data.items()
    }


def normal_form(notebook: NotebookNode) -> NotebookNode:
    """Return a copy as it is kept: with the same metadata as all, its programs numbered 1 to n."""
    notebook = copy.deepcopy(notebook)
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat_minor = max(5, notebook.nbformat_minor)  # since 4.5 cells have ids
    count = 0
    for place, cell in enumerate(notebook.cells):
        cell.setdefault("id", f"cell-{place:02}")
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            count += is_program(cell)
            cell.execution_count = count if is_program(cell) else None
            cell.outputs = _kept_outputs(cell) if is_program(cell) else []
    return notebook


def _kept_outputs(cell):
    """Keep a slider's picture, not its widget, and join what was printed piecemeal."""
    kept = []
    for output in cell.outputs:
        if WIDGET in output.get("data", {}):
            continue
        if output.output_type == "execute_result":
            output.execution_count = cell.execution_count
        if output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    for output in kept:
        if output.output_type == "stream":
            output.text = "\n".join(map(_last_written, output.text.split("\n")))
    return kept


def _last_written(line):
    """Return what a terminal shows of a line: a carriage return goes back to its start."""
    return line.rstrip("\r").rpartition("\r")[2]
