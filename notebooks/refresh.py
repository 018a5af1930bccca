"""Run the notebooks and write them with fresh outputs, or check that their outputs still hold.

    python notebooks/refresh.py            run all, and write those whose outputs have changed
    python notebooks/refresh.py 05 06      the same for notebooks 05 and 06, and their solutions
    python notebooks/refresh.py --renew    renew the outputs too that vary from run to run
    python notebooks/refresh.py --check    write nothing; say what is wrong, exit 1 if anything is

Each notebook runs in its own folder, in a fresh kernel of this Python, without the network and
without all of MNIST. Of its outputs only those are replaced that have changed: what the eye doesn't
see in a picture doesn't count, nor does any output of a cell with the tag "varies". What depends on
the machine or on the moment is taken out of the metadata. Ctrl-C leaves whole files.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from nbformat import NotebookNode
from tqdm import tqdm

from common.scripts.command_line import CommandError, positive_int, run, script_parser
from notebooks.refreshing.comparison import merge
from notebooks.refreshing.form import NotebookError, read, write
from notebooks.refreshing.kernels import run_all
from notebooks.refreshing.problems import Problem, problems

HERE = Path(__file__).resolve().parent


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script with the arguments `argv`, by default those of the command line."""
    args = parse(argv)
    data = {path: path.read_bytes() for path in find(args.names)}
    found: dict[Path, list[Problem]] = {path: [] for path in data}
    committed = {}
    for path in data:
        try:
            committed[path] = read(path)
        except NotebookError as error:
            found[path].append(Problem(*error.args))

    def finished(path, result, seconds):
        tqdm.write(f"{_label(path)}: {seconds:.0f} s")
        if args.check:
            found[path] += check(committed[path], result)
        else:
            found[path] += update(path, data[path], committed[path], result, renew=args.renew)

    run_all(committed, jobs=args.jobs, timeout=args.timeout, finished=finished)
    return report(found, check=args.check)


def check(committed: NotebookNode, result: NotebookNode | NotebookError) -> list[Problem]:
    """Return what is wrong with a notebook, or with the `result` of a new run of it."""
    found = problems(committed)
    if isinstance(result, NotebookError):
        return [*found, Problem(*result.args)]
    merged, differences = merge(committed, result)
    changed = "its output isn't what it is now\n"
    found += [Problem(n, changed + what) for n, what in differences.items()]
    return found + problems(merged)


def update(
    path: Path,
    data: bytes,
    committed: NotebookNode,
    result: NotebookNode | NotebookError,
    *,
    renew: bool,
) -> list[Problem]:
    """Write what has changed to `path`, which held `data`; return what stands against that."""
    if isinstance(result, NotebookError):
        return [Problem(*result.args)]
    merged, differences = merge(committed, result, renew=renew)
    if found := problems(merged):
        return found
    if merged != committed:
        if path.read_bytes() != data:
            return [Problem(0, "it was changed while it ran: run it again")]
        write(path, merged)
        tqdm.write(f"wrote {_label(path)}{_cells(differences)}")
    return []


def report(found: Mapping[Path, Sequence[Problem]], *, check: bool) -> int:
    """Print what was found, one line for all cells with the same problem; return the exit code."""
    lines = []
    for path, all_of in found.items():
        cells = {}
        for cell, what in sorted(set(all_of)):
            cells.setdefault(what, []).append(cell)
        lines += [f"{_label(path)}{_cells(numbers)}: {what}" for what, numbers in cells.items()]
    for line in lines:
        print(line)
    total = f"{len(found)} notebook{'s' * (len(found) > 1)}"
    if lines:
        print(f"{len(lines)} problem{'s' * (len(lines) > 1)} in {total}")
    else:
        print(f"{total}: {'outputs hold' if check else 'up to date'}")
    return 1 if lines else 0


def find(names: Sequence[str]) -> list[Path]:
    """Return the notebooks that `names` mean: numbers, beginnings of names, or files.

    Without names all notebooks and solutions.

    Raises
    ------
    CommandError
        If a name means none.
    """
    known = [*sorted(HERE.glob("*.ipynb")), *sorted(HERE.glob("solutions/*.ipynb"))]
    if not names:
        return known
    chosen = []
    for name in names:
        path = Path(name)
        start = f"{int(name):02}_" if name.isdecimal() else name
        if path.suffix == ".ipynb" and path.is_file():
            matches = [path.resolve()]
        else:
            matches = [path for path in known if path.name.startswith(start)]
        if not matches:
            stems = dict.fromkeys(path.stem for path in known)
            raise CommandError(f"{name} is no notebook; there are {', '.join(stems)}")
        chosen += matches
    return list(dict.fromkeys(chosen))


def _label(path):
    return path.relative_to(HERE).as_posix() if path.is_relative_to(HERE) else str(path)


def _cells(numbers):
    numbers = [str(n) for n in numbers if n]
    return f", cell{'s' * (len(numbers) > 1)} {', '.join(numbers)}" if numbers else ""


def parse(argv: Sequence[str] | None = None):
    """Parse the arguments."""
    parser = script_parser(__doc__)
    parser.add_argument("names", nargs="*", help="numbers or files of notebooks (default: all)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="write nothing; exit 1 if need be")
    what.add_argument("--renew", action="store_true", help="renew varying outputs, too")
    parser.add_argument("--jobs", type=positive_int, default=2, help="notebooks that run at a time")
    parser.add_argument(
        "--timeout", type=positive_int, default=120, help="seconds that a cell may take"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    run(main)
