"""Run notebooks, and print what the checks of their exercises say.

    python -m common.exercises notebooks/05_layers_and_backpropagation.ipynb
    python -m common.exercises --saved class/*/*.ipynb

Each notebook runs in its own folder and is left as it is; a cell that raises an error doesn't stop
it. Each exercise is right, or not yet, with the first line of what the check says, or an error. The
exit code is 1 unless all are right.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from tqdm import tqdm

CHECK = re.compile(r"^check\.(\w+)\(", re.MULTILINE)


def results(notebook: nbformat.NotebookNode) -> Iterator[tuple[str, str, str]]:
    """Yield name, verdict and reason of each check that a notebook asks, from its outputs."""
    for cell in notebook.cells:
        names = CHECK.findall(cell.source) if cell.cell_type == "code" else []
        if not names:
            continue
        verdict, reason = "not run", ""
        for output in cell.outputs:
            if output.output_type == "error":
                verdict, reason = "error", f"{output.ename}: {output.evalue}"
            elif output.output_type == "execute_result":
                verdict, _, reason = output.data.get("text/plain", "").partition(": ")
        yield names[-1], verdict, reason.partition("\n")[0]


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each exercise and a sum for each notebook; return the exit code."""
    about = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m common.exercises", description=about)
    parser.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--saved", action="store_true", help="read saved outputs, run nothing")
    parser.add_argument("--timeout", type=int, default=300, help="seconds a cell may take")
    args = parser.parse_args(argv)
    all_right = True
    for path in tqdm(args.notebooks, unit="notebook", disable=None):
        try:
            notebook = nbformat.read(path, as_version=4)
            if not args.saved:
                options = dict.fromkeys(("timeout", "startup_timeout"), args.timeout)
                options["allow_errors"] = True
                resources = {"metadata": {"path": str(path.parent)}}
                NotebookClient(notebook, resources=resources, **options).execute()
        except (OSError, ValueError, TimeoutError, DeadKernelError) as error:
            tqdm.write(f"{path}: {type(error).__name__}: {error}".partition("\n")[0])
            all_right = False
            continue
        rows = list(results(notebook))
        right = sum(verdict == "right" for _, verdict, _ in rows)
        all_right &= right == len(rows)
        tqdm.write(f"{path}: {right} of {len(rows)} right")
        for name, verdict, reason in rows:
            tqdm.write(f"  {name:32} {verdict:8} {reason if verdict != 'right' else ''}".rstrip())
    return 0 if all_right else 1


if __name__ == "__main__":
    sys.exit(main())
