"""Code generation: from an expression to a straight-line NumPy program.

One statement for each operation, in topological order. An array that isn't needed any more is
overwritten where the next operation can (buffer reuse). A variable keeps the name that the user
gave it. No text of the user's is executed: names are reduced to identifiers, and constants other
than plain numbers are handed to the program as data.

NumPy would broadcast any axis of size 1. Where two axes must have the same size and the shapes
alone don't prove it, the program asserts it: for axes of arguments at its beginning, for others in
front of the statement.
"""

import itertools
import keyword
import linecache
import re
import unicodedata
import weakref
from collections.abc import Sequence

import numpy as np

from common.symbolic.elementwise import Elementwise
from common.symbolic.graph import Constant, Variable, ancestors
from common.symbolic.printing import formula, without_parentheses
from common.symbolic.runtime import NAMESPACE

__all__ = ["Program"]

AUGMENTED = {"add": "+=", "sub": "-=", "mul": "*=", "true_div": "/="}
COMMUTATIVE = ("add", "mul")
# Functions with an argument out=, for operators.
FUNCTIONS = {
    "add": "np.add",
    "sub": "np.subtract",
    "mul": "np.multiply",
    "true_div": "np.true_divide",
    "int_div": "np.floor_divide",
    "mod": "np.remainder",
    "neg": "np.negative",
    "and_": "np.bitwise_and",
    "or_": "np.bitwise_or",
    "lt": "np.less",
    "le": "np.less_equal",
    "gt": "np.greater",
    "ge": "np.greater_equal",
    "eq": "np.equal",
    "neq": "np.not_equal",
}
MOST_INLINED = 4  # operations
COMMENT_COLUMN = 40
LONGEST_COMMENT = 60
LONGEST_CONSTANT = 12  # elements of a constant array that is written out

_numbers = itertools.count(1)


class Program:
    """A straight-line program.

    Parameters
    ----------
    inputs : sequence of Variable
        Leaves, in the order of the arguments.
    outputs : sequence of Variable
    checked : sequence of Variable, optional
        Expressions whose shapes are checked as well, by assertions on the inputs.

    Attributes
    ----------
    run : callable
        The program. From the values of the inputs it returns those of the outputs, in a tuple.
        They share memory with nothing else.
    """

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        checked: Sequence[Variable] = (),
    ):
        self.inputs = inputs
        order = ancestors(outputs)
        self._inlined = _inlined(order, outputs)
        self._owner = _owners(order)
        self._taken = set(NAMESPACE) | {"program"}
        self._counters = {}
        self._data = {}
        self._names = {x: self._new_name(x.name, "x") for x in inputs}
        statements = [x for x in order if x.operation is not None and x not in self._inlined]
        self._over = self._reused(statements, [self._owner[x] for x in outputs])
        self._texts = dict(self._names)
        sizes = _Sizes(inputs, checked or order)
        self._lines = [(f"assert {self._condition(c)}", x) for c, x in sizes.of_inputs]
        for x in order:
            if x.operation is None:
                if isinstance(x, Constant):
                    self._texts[x] = self._constant(x)
                continue
            checks = [
                f"assert {self._texts[a]}.shape[{i}] == {self._texts[b]}.shape[{j}]"
                if b is not None
                else f"assert {self._texts[a]}.shape[{i}] == {j}"
                for (a, i), (b, j) in sizes.unproven(x)
            ]
            self._lines += [(check, x) for check in checks]
            if x in self._inlined:
                self._texts[x] = self._expression(x)
            else:
                self._lines.append((self._statement(x), x))
        self._return(outputs)
        self.run = self._compile()

    @property
    def source(self) -> str:
        """The program, with comments that name what a statement computes."""
        lines = [*(_definition(*pair) for pair in self._data.items()), self._head()]
        for code, x in self._lines:
            comment = "" if code.startswith("assert ") else self._comment(x)
            if comment in ("", code):
                lines.append(f"    {code}")
            else:
                lines.append(f"    {code:<{COMMENT_COLUMN}}  # {comment}")
        return "\n".join(lines) + "\n"

    def variable_at(self, line: int) -> Variable | None:
        """Return what the program computes in a line, of which the first is 1; None if nothing."""
        return self._lines[line - 2][1] if 2 <= line < len(self._lines) + 2 else None

    def text(self, x: Variable) -> str:
        """Return how the program refers to `x`: by name, or, if it is inlined, as an expression."""
        return self._texts[x]

    # Statements

    def _head(self):
        return f"def program({', '.join(self._names[x] for x in self.inputs)}):"

    def _expression(self, x):
        code = x.operation.code(*self._arguments(x))
        is_operator = isinstance(x.operation, Elementwise) and not _called(code)
        return f"({code})" if is_operator or x.operation.name == "dot" else code

    def _arguments(self, x):
        """Return the texts of the inputs, constants of the dtype of others as plain numbers."""
        plain = isinstance(x.operation, Elementwise) and any(
            y.dtype == x.dtype and not isinstance(y, Constant) for y in x.inputs
        )
        texts = []
        for y in x.inputs:
            bare = plain and isinstance(y, Constant) and y.ndim == 0 and y.dtype == x.dtype
            bare = bare and y.name is None and y.kind in "if"
            text = _number(y.value.item()) if bare else self._texts[y]
            is_size = isinstance(x.operation, Elementwise) and y.operation is not None
            # NumPy's shapes hold Python integers; in arithmetic they must be of int64.
            is_size = is_size and y.operation.name == "size"
            texts.append(f"np.int64({text})" if is_size else text)
        return texts

    def _statement(self, x):
        args, operation, over = self._arguments(x), x.operation, self._over.get(x)
        if over is None or (x.name and _identifier(x.name)):
            name = self._new_name(x.name)
        else:
            name = self._names[over]
        self._names[x] = self._texts[x] = name
        if over is None:
            return f"{name} = {without_parentheses(operation.code(*args))}"
        buffer = self._names[over]
        if name == buffer and operation.name in AUGMENTED:
            for k in (0, 1) if operation.name in COMMUTATIVE else (0,):
                if x.inputs[k] is over:
                    other = without_parentheses(args[1 - k])
                    return f"{name} {AUGMENTED[operation.name]} {other}"
        if operation.name in FUNCTIONS:
            bare = ", ".join(map(without_parentheses, args))
            call = f"{FUNCTIONS[operation.name]}({bare}, out={buffer})"
        else:
            call = f"{operation.code(*args)[:-1]}, out={buffer})"
        return call if name == buffer else f"{name} = {call}"

    def _return(self, outputs):
        """Return the outputs; what isn't a new array of the program's own is copied."""
        texts, returned = [], set()
        for x in outputs:
            if self._owner[x] is not x or x.operation is None or x in returned:
                name = self._new_name("result")
                self._lines.append((f"{name} = np.array({self._texts[x]})", x))
            else:
                name = self._texts[x]
            returned.add(x)
            texts.append(name)
        self._lines.append((f"return ({', '.join(texts)}{',' if len(texts) == 1 else ''})", None))

    def _condition(self, places):
        parts = [
            str(place) if isinstance(place, int) else f"{self._names[place[0]]}.shape[{place[1]}]"
            for place in places
        ]
        return " == ".join(parts)

    def _comment(self, x):
        if x is None or x.name is None:
            return ""
        name = "".join(c if c.isprintable() else " " for c in x.name)
        what = "".join(c if c.isprintable() else " " for c in formula(x))
        text = name if name.startswith("∂") else f"{name} = {what}"
        return text if len(text) <= LONGEST_COMMENT else name[:LONGEST_COMMENT]

    def _compile(self):
        file = f"<compiled program {next(_numbers)}>"
        source = "\n".join([self._head(), *(f"    {code}" for code, _ in self._lines)]) + "\n"
        space = NAMESPACE | self._data
        exec(compile(source, file, "exec", optimize=0), space)  # with assert, whatever python -O
        run = space.pop("program")
        # Tracebacks can then show the line.
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        weakref.finalize(run, linecache.cache.pop, file, None)
        return run

    # Buffer reuse

    def _reused(self, statements, needed):
        """Return, for variables that can be written into an input's memory, that input.

        An input's memory is free if this is the last statement that reads it, no view of it is
        needed, and it has the right dtype and shape.
        """
        reads = {x: self._memory_read(x) for x in statements}
        left = {}
        for memory in [*(m for x in statements for m in reads[x]), *needed]:
            left[memory] = left.get(memory, 0) + 1
        result = {}
        for x in statements:
            for y in x.inputs:
                mine = y.operation is not None and y not in self._inlined
                if mine and left.get(y) == reads[x].count(y) == x.inputs.count(y) and _fits(x, y):
                    result[x] = y
                    break
            for memory in reads[x]:
                left[memory] -= 1
        return result

    def _memory_read(self, x):
        result, stack = [], list(x.inputs)
        while stack:
            y = stack.pop()
            if y in self._inlined:
                stack.extend(y.inputs)
            else:
                result.append(self._owner[y])
        return result

    # Names and constants

    def _new_name(self, name, otherwise="t"):
        """Return an identifier that isn't taken yet, as near to `name` as can be."""
        base = None if name is None else _identifier(name)
        identifier = base
        if base is None or base in self._taken:
            base = base or otherwise
            counter = self._counters.setdefault(base, itertools.count(1 + (base != otherwise)))
            identifier = next(n for n in (f"{base}{i}" for i in counter) if n not in self._taken)
        self._taken.add(identifier)
        return identifier

    def _constant(self, x):
        if x.ndim == 0 and x.name is None and x.kind != "c":
            text = _number(x.value.item())
            if x.weak:
                return f"({text})" if text.startswith("-") else text
            return f"np.{_numpy_name(x.dtype)}({text})"
        name = self._new_name(x.name, "constant")
        self._data[name] = x.value.item() if x.weak else x.value[()]
        return name


class _Sizes:
    """Which axes must have the same size: a partition by union and find.

    Attributes
    ----------
    of_inputs : list of (list, Variable)
        Places of which all sizes must be equal, each (input, axis) or an integer, and an operation
        that needs it.
    """

    def __init__(self, inputs, order):
        place = {n: (x, i) for x in inputs for i, n in enumerate(x.dims) if not isinstance(n, int)}
        self._parent = {}
        groups, self._pairs = [], {}
        for x in order:
            pairs = list(_same_sizes(x))
            if not pairs:
                continue
            self._pairs[x] = pairs
            for (_, _, n), (_, _, m) in pairs:
                if all(isinstance(d, int) or d in place for d in (n, m)) and self.join(n, m):
                    groups.append((n, m, x))
        self.of_inputs = [
            ([n if isinstance(n, int) else place[n] for n in (n, m)], x) for n, m, x in groups
        ]

    def find(self, n):
        """Return the representative of the sizes that are equal to `n`."""
        self._parent.setdefault(n, n)
        while self._parent[n] != n:
            self._parent[n] = self._parent[self._parent[n]]
            n = self._parent[n]
        return n

    def join(self, n, m):
        """Record that two sizes are equal; return whether that is new."""
        n, m = self.find(n), self.find(m)
        if n == m:
            return False
        if isinstance(n, int):
            n, m = m, n
        self._parent[n] = m
        return True

    def unproven(self, x):
        """Yield pairs of places whose sizes must be equal for `x`, and aren't known to be yet."""
        for (a, i, n), (b, j, m) in self._pairs.get(x, ()):
            if self.join(n, m):
                if isinstance(n, int):
                    yield (b, j), (None, n)
                elif isinstance(m, int):
                    yield (a, i), (None, m)
                else:
                    yield (a, i), (b, j)


def _same_sizes(x):
    """Yield pairs of (input, axis, size) that must be equal and that NumPy might broadcast."""
    if isinstance(x.operation, Elementwise):
        if x.ndim and len(x.inputs) > 1:
            yield from _aligned(x.inputs)
    elif x.operation is not None and x.operation.name == "index" and len(x.inputs) > 2:
        kinds = [part[0] for part in x.operation.pattern if "input" not in part]
        if set(kinds) <= {"array", "scalar", "int", "new", "slice"}:
            yield from _aligned([y for y in x.inputs[1:] if y.ndim])


def _aligned(inputs):
    for back in range(1, max((y.ndim for y in inputs), default=0) + 1):
        axes = [(y, y.ndim - back, y.dims[-back]) for y in inputs if y.ndim >= back]
        wide = [axis for axis in axes if axis[2] != 1]
        for other in wide[1:]:
            if other[2] != wide[0][2]:
                yield wide[0], other


def _inlined(order, outputs):
    """Return what is written where it is used, and not as a statement of its own.

    That is what has no name, is used once, and costs next to nothing: views, scalars, comparisons.
    """
    times = {}
    for x in [*outputs, *(x for v in order for x in v.inputs)]:
        times[x] = times.get(x, 0) + 1
    last = set(outputs)
    result, length = set(), {}
    for x in order:
        if x.operation is None or x.name is not None or times.get(x, 0) != 1 or x in last:
            continue
        cheap = x.operation.view or x.ndim == 0 or x.dtype == "bool"
        size = 1 + sum(length.get(y, 0) for y in x.inputs)
        if cheap and size <= MOST_INLINED and x.operation.name != "print":
            result.add(x)
            length[x] = size
    return result


def _owners(order):
    """Return for each variable the one whose memory it may share; itself, if none."""
    owner = {}
    for x in order:
        owner[x] = owner[x.inputs[0]] if x.operation is not None and x.operation.view else x
    return owner


def _fits(x, y):
    """Return whether `x` can be written into the memory of its input `y`."""
    operation = x.operation
    return (
        isinstance(operation, Elementwise)
        and (operation.name in FUNCTIONS or _takes_out(operation.program))
        and y.ndim > 0
        and y.dtype == x.dtype
        and y.ndim == x.ndim
        and all(n != 1 or m == 1 for n, m in zip(y.dims, x.dims, strict=True))
    )


def _takes_out(program):
    function = program.partition("(")[0]
    if not _called(program):
        return False
    return function == "sigmoid" or isinstance(getattr(np, function[3:], None), np.ufunc)


def _called(code):
    """Return whether all of an expression is one call, such as np.maximum(x, 0)."""
    name, parenthesis, rest = code.partition("(")
    if not parenthesis or not name.replace(".", "").isidentifier():
        return False
    depth = 1
    for i, character in enumerate(rest):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return i == len(rest) - 1
    return False


def _number(value):
    if isinstance(value, bool | int) or np.isfinite(value):
        return repr(value)
    return "np.nan" if value != value else "np.inf" if value > 0 else "-np.inf"


def _numpy_name(dtype):
    return "bool_" if dtype == "bool" else dtype


def _definition(name, value):
    """Return a line that defines a constant, or, if it is long, a comment about it."""
    array = np.asarray(value)
    if array.size <= LONGEST_CONSTANT and array.dtype.kind in "biuf" and np.isfinite(array).all():
        return f"{name} = np.array({array.tolist()!r}, np.{_numpy_name(array.dtype.name)})"
    return f"# {name}: a constant array of {array.dtype}, shape {array.shape}"


def _identifier(name):
    """Return `name` reduced to a Python identifier; None if nothing is left."""
    adjoint = re.fullmatch(r"∂.*/∂(.+)", name, re.DOTALL)
    name = f"d{adjoint[1]}" if adjoint else name
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", name)).strip("_")
    return name if name.isidentifier() and not keyword.iskeyword(name) else None
