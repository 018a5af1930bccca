"""Whether a new run says the same as the committed outputs, and what is kept of both."""

from collections.abc import Sequence
from itertools import zip_longest

from nbformat import NotebookNode

from notebooks.refreshing.form import PICTURE, is_program, normal_form, parts
from notebooks.refreshing.pictures import look_the_same

__all__ = ["VARIES", "difference", "merge"]

VARIES = "varies"  # the tag of cells that can't print the same twice, such as times
SHOWN_LINES = 3


def merge(
    committed: NotebookNode, executed: NotebookNode, *, renew: bool = False
) -> tuple[NotebookNode, dict[int, str]]:
    """Take the outputs of a new run where they say something else, and keep the others.

    Parameters
    ----------
    committed, executed : NotebookNode
    renew : bool
        Whether to take the new outputs of cells that vary, too.

    Returns
    -------
    notebook : NotebookNode
        In normal form.
    differences : dict of str
        What has changed, by the number of the cell. Cells that had never been run aren't in it.
    """
    merged, fresh = normal_form(committed), normal_form(executed)
    differences = {}
    for n, (cell, new) in enumerate(zip(merged.cells, fresh.cells, strict=True), 1):
        if not is_program(cell):
            continue
        varies = VARIES in cell.metadata.get("tags", ())
        if committed.cells[n - 1].execution_count is None or (varies and renew):
            cell.outputs = new.outputs
        elif changed := difference(cell.outputs, new.outputs, varies=varies):
            cell.outputs = new.outputs
            differences[n] = changed
    return merged, differences


def difference(
    committed: Sequence[NotebookNode], now: Sequence[NotebookNode], *, varies: bool = False
) -> str | None:
    """Return where the outputs `now` part from the `committed` ones; None if they say the same.

    Parameters
    ----------
    committed, now : sequence of outputs
        In normal form.
    varies : bool
        Whether nothing but the kinds of output is to be compared.
    """
    old, new = _described(committed), _described(now)
    if varies and [kind for kind, _ in old] == [kind for kind, _ in new]:
        return None
    for (kind, before), (other, after) in zip_longest(old, new, fillvalue=("(nothing)", "")):
        if kind != other:
            return _contrast([kind, *_text(kind, before)], [other, *_text(other, after)])
        if PICTURE in kind:
            if before != after and not look_the_same(before, after):
                return "    the picture looks different"
        elif before.splitlines() != after.splitlines():
            return _contrast(before.splitlines(), after.splitlines())
    return None


def _described(outputs):
    """Return the parts of all outputs as pairs: of which kind, and the text or encoded picture."""
    return [
        (f"({output.output_type}, {kind}{output.get('metadata') or ''})", part)
        for output in outputs
        for kind, part in sorted(parts(output).items())
    ]


def _text(kind, part):
    return [] if PICTURE in kind else part.splitlines()


def _contrast(committed, now):
    """Show both texts from where they part."""
    pairs = enumerate(zip_longest(committed, now))
    first = next(place for place, (a, b) in pairs if a != b)
    return "\n".join([*_few("committed:", committed[first:]), *_few("now:", now[first:])])


def _few(title, lines):
    shown = [line[:100] for line in lines[:SHOWN_LINES]] or ["(nothing)"]
    if len(lines) > SHOWN_LINES:
        shown.append(f"… {len(lines) - SHOWN_LINES} more")
    titles = [title, *[""] * len(shown)]
    return [f"    {a:<10} {b}".rstrip() for a, b in zip(titles, shown, strict=False)]
