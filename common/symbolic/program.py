"""Writing an expression down as a straight-line NumPy program.

A line for each operation, in an order in which what is needed stands above. An array that nothing
needs any more is overwritten where the next operation can; a name that the user gave stays a name.
No text of the user's is ever run: names are cut down to identifiers, and constants that aren't
plain numbers are handed to the program as data.
"""

import itertools
import linecache
import weakref
from collections.abc import Sequence

from common.symbolic.buffers import IN_PLACE, overwrites, owners
from common.symbolic.elementwise import Elementwise
from common.symbolic.graph import Variable, ancestors
from common.symbolic.names import Names
from common.symbolic.printing import formula, without_parentheses
from common.symbolic.runtime import SPACE

__all__ = ["Program"]

AUGMENTED = {"add": "+=", "sub": "-=", "mul": "*=", "true_div": "/="}
COMMUTATIVE = ("add", "mul")
LARGEST_INLINED = 4  # operations
COMMENT_COLUMN = 40
LONGEST_COMMENT = 60

_numbers = itertools.count(1)


class Program:
    """A straight-line program.

    Parameters
    ----------
    inputs : sequence of Variable
        Leaves, in the order of the arguments.
    outputs : sequence of Variable

    Attributes
    ----------
    inputs : sequence of Variable
    run : callable
        The program. From the arguments' values it returns those of `outputs`, in a tuple; they
        share memory with nothing else.
    """

    def __init__(self, inputs: Sequence[Variable], outputs: Sequence[Variable]):
        self.inputs = inputs
        order = ancestors(outputs)
        self._inlined = _inlined(order, outputs)
        self._owner = owners(order)
        statements = [v for v in order if v.operation is not None and v not in self._inlined]
        self._over = overwrites(statements, self._reads, [self._owner[v] for v in outputs])
        self._names = Names(order, inputs, statements, self._over)
        self._lines = [(self._statement(v), v) for v in statements]
        self._lines.append((f"return {self._results(outputs)}", None))
        self.run = self._compile()

    @property
    def source(self) -> str:
        """The program, with comments that name what a line computes."""
        lines = [*self._names.definitions(), self._head()]
        for code, v in self._lines:
            comment = self._comment(v)
            comment = "" if comment == code else comment
            lines.append(f"    {code:<{COMMENT_COLUMN}}  # {comment}" if comment else f"    {code}")
        return "\n".join(lines) + "\n"

    def variable_at(self, line: int) -> Variable | None:
        """Return what the program computes in a line, of which the first is 1; None if nothing."""
        return self._lines[line - 2][1] if 2 <= line < len(self._lines) + 2 else None

    def name(self, variable: Variable) -> str:
        """Return what the program calls a variable."""
        return self._names[variable]

    def _reads(self, v):
        """Return the variables whose memory the statement of `v` reads, as often as it does."""
        result = []
        stack = list(v.inputs)
        while stack:
            x = stack.pop()
            if x in self._inlined:
                stack.extend(x.inputs)
            else:
                result.append(self._owner[x])
        return result

    def text(self, v: Variable) -> str:
        """Return how the program refers to `v`: its name, or, if it is inlined, how it is made."""
        if v not in self._inlined:
            return self._names[v]
        code = v.operation.code(*map(self.text, v.inputs))
        return f"({code})" if _is_operator(v) else code

    def _head(self):
        return f"def program({', '.join(self._names[v] for v in self.inputs)}):"

    def _statement(self, v):
        names, operation = self._names, v.operation
        args = [self.text(x) for x in v.inputs]
        over = self._over.get(v)
        if over is None:
            return f"{names[v]} = {operation.code(*args)}"
        same = names[v] == names[over]
        if operation.name == "add_at":
            return f"{args[0]}[{operation.brackets(args[2:])}] += {args[1]}"
        if same and operation.name in AUGMENTED:
            if over is v.inputs[0]:
                return f"{names[v]} {AUGMENTED[operation.name]} {without_parentheses(args[1])}"
            if operation.name in COMMUTATIVE:
                return f"{names[v]} {AUGMENTED[operation.name]} {without_parentheses(args[0])}"
        if operation.name in IN_PLACE:
            bare = ", ".join(map(without_parentheses, args))
            call = f"{IN_PLACE[operation.name]}({bare}, out={names[over]})"
        else:
            call = f"{operation.code(*args)[:-1]}, out={names[over]})"
        return call if same else f"{names[v]} = {call}"

    def _results(self, results):
        """Return the text of what is returned, after lines that copy what isn't the caller's."""
        texts, returned = [], set()
        for v in results:
            if self._owner[v] is not v or v.operation is None or v in returned:
                name = self._names.new("result")
                self._lines.append((f"{name} = np.array({self._names[v]})", v))
            else:
                name = self._names[v]
            returned.add(v)
            texts.append(name)
        return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"

    def _comment(self, v):
        if v is None or v.name is None:
            return ""
        name = _one_line(v.name)
        text = name if name.startswith("∂") else f"{name} = {_one_line(formula(v))}"
        return text if len(text) <= LONGEST_COMMENT else name[:LONGEST_COMMENT]

    def _compile(self):
        file = f"<derived program {next(_numbers)}>"
        source = "\n".join([self._head(), *(f"    {code}" for code, _ in self._lines)]) + "\n"
        space = SPACE | self._names.data
        exec(compile(source, file, "exec"), space)
        run = space.pop("program")
        # Tracebacks then show the line.
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        weakref.finalize(run, linecache.cache.pop, file, None)
        return run


def _inlined(order, outputs):
    """Return what is written where it is used, and not on a line of its own.

    That is what has no name, is used once, and costs next to nothing: views, numbers, comparisons.
    """
    times = {}
    for x in [*outputs, *(x for v in order for x in v.inputs)]:
        times[x] = times.get(x, 0) + 1
    users = {x: v for v in order for x in v.inputs}
    inlined, length = set(), {}
    for v in order:
        if v.operation is None or v.name is not None or times[v] != 1 or v not in users:
            continue
        cheap = v.operation.view or v.weak or v.ndim == 0 or v.dtype.kind == "b"
        size = 1 + sum(length.get(x, 0) for x in v.inputs)
        if cheap and size <= LARGEST_INLINED:
            inlined.add(v)
            length[v] = size
    return inlined


def _is_operator(v):
    by_sign = isinstance(v.operation, Elementwise) and not v.operation.is_call
    return by_sign or v.operation.name == "dot"


def _one_line(text):
    """Return `text` so that it can stand in a comment: without line breaks, above all."""
    return "".join(c if c.isprintable() else " " for c in text)
