"""Code generation: from an expression to a straight-line NumPy program.

One statement per operation, in topological order. An operation writes into the array of an input
that isn't needed any more where it can (buffer reuse). A variable keeps the name that the user gave
it, but no text of the user's is executed: names are reduced to identifiers, and constants other
than Python scalars are handed to the program as data.

NumPy would broadcast any axis of size 1. Where two axes must have the same size and the shapes
alone don't prove it, the program asserts it: a shape guard.
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
from common.symbolic.indexing import Index, SetAt
from common.symbolic.printing import formula, without_parentheses
from common.symbolic.products import Dot
from common.symbolic.rewrites import SHAPE_ONLY
from common.symbolic.runtime import NAMESPACE

__all__ = ["Program"]

# Operators: the augmented assignment, and the function with an argument out=.
IN_PLACE = {
    "add": ("+=", "np.add"),
    "sub": ("-=", "np.subtract"),
    "mul": ("*=", "np.multiply"),
    "true_div": ("/=", "np.true_divide"),
    "int_div": ("//=", "np.floor_divide"),
    "mod": ("%=", "np.remainder"),
    "neg": (None, "np.negative"),
}
COMMUTATIVE = ("add", "mul")
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
        Variables whose operations are guarded as well, as far as the shapes of the inputs tell.

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
        owner = _owners(order)
        self._over = _reused(order, self._inlined, owner, outputs)
        self._taken, self._counters, self._data = {*NAMESPACE, "program"}, {}, {}
        self._texts = {x: self._new_name(x.name, "x") for x in inputs}
        self._lines = []

        sizes = {n: f"{self._texts[x]}.shape[{i}]" for x in inputs for i, n in enumerate(x.dims)}
        self._sizes = {n: str(n) if isinstance(n, int) else text for n, text in sizes.items()}
        self._asserted = set()
        for x in checked or order:
            self._guard(x, inputs_only=True)
        for x in order:
            if isinstance(x, Constant):
                self._texts[x] = self._constant(x)
            elif x.operation is not None:
                self._guard(x)
                if x in self._inlined:
                    self._texts[x] = self._expression(x)
                else:
                    self._lines.append((self._statement(x), x))
        self._return(outputs, owner)
        self.run = self._compile()

    @property
    def source(self) -> str:
        """The program, with comments that name what a statement computes."""
        lines = [*(_definition(*pair) for pair in self._data.items()), self._head()]
        for code, x in self._lines:
            comment = "" if code.startswith("assert ") else _comment(x)
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
        return f"def program({', '.join(self._texts[x] for x in self.inputs)}):"

    def _guard(self, x, inputs_only=False):
        """Assert that axes have the same size where NumPy would broadcast, unless that is known."""
        for (a, i), (b, j) in _must_agree(x):
            pair = frozenset((a.dims[i], b.dims[j]))
            known = all(isinstance(n, int) or n in self._sizes for n in pair)
            if len(pair) == 2 and (known or not inputs_only) and pair not in self._asserted:
                self._asserted.add(pair)
                self._lines.append((f"assert {self._size(a, i)} == {self._size(b, j)}", x))

    def _size(self, x, axis):
        n = x.dims[axis]
        text = str(n) if isinstance(n, int) else self._sizes.get(n)
        return text or f"{self._texts.get(x) or self._expression(x)}.shape[{axis}]"

    def _expression(self, x):
        code, operation = x.operation.code(*self._arguments(x)), x.operation
        is_operator = isinstance(operation, Elementwise) and not _function(operation.program)
        return f"({code})" if is_operator or operation.name == "dot" else code

    def _arguments(self, x):
        """Return the texts of the inputs, constants of the dtype of others as Python scalars."""
        texts = [self._texts[y] for y in x.inputs]
        if isinstance(x.operation, Elementwise):
            dtypes = [y.dtype for y in x.inputs if not isinstance(y, Constant)]
            for i, y in enumerate(x.inputs):
                if isinstance(y, Constant):
                    plain = y.ndim == 0 and y.dtype == x.dtype and not y.name and y.kind in "if"
                    if plain and x.dtype in dtypes:
                        texts[i] = _number(y.value.item())
                elif y.operation is not None and y.operation.name == "size":
                    # NumPy's shapes hold Python integers; in arithmetic they must be int64.
                    texts[i] = f"np.int64({texts[i]})"
        return texts

    def _statement(self, x):
        args, operation, over = self._arguments(x), x.operation, self._over.get(x)
        buffer = None if over is None else self._texts[over]
        named = x.name is not None and _identifier(x.name)
        name = self._texts[x] = self._new_name(x.name) if named or not buffer else buffer
        if buffer is None:
            return f"{name} = {without_parentheses(operation.code(*args))}"
        sign, function = IN_PLACE.get(operation.name, (None, None))
        if sign and name == buffer:
            if x.inputs[0] is over:
                return f"{name} {sign} {without_parentheses(args[1])}"
            if operation.name in COMMUTATIVE:
                return f"{name} {sign} {without_parentheses(args[0])}"
        if function:
            call = f"{function}({', '.join(map(without_parentheses, args))}, out={buffer})"
        else:
            call = f"{operation.code(*args)[:-1]}, out={buffer})"
        return call if name == buffer else f"{name} = {call}"

    def _return(self, outputs, owner):
        """Return the outputs; what isn't a new array of the program's own is copied."""
        texts, returned = [], set()
        for x in outputs:
            if owner[x] is not x or x.operation is None or x in returned:
                name = self._new_name("result")
                self._lines.append((f"{name} = np.array({self._texts[x]})", x))
            else:
                name = self._texts[x]
            returned.add(x)
            texts.append(name)
        self._lines.append((f"return ({', '.join(texts)}{',' if len(texts) == 1 else ''})", None))

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


def _must_agree(x):
    """Yield pairs of (input, axis) that must have the same size, but that NumPy may broadcast."""
    inputs = x.inputs
    if x.operation is not None and x.operation.name == "index":
        masked = "mask" in x.operation.pattern
        inputs = () if masked else [y for y in inputs[1:] if y.ndim]
    elif isinstance(x.operation, SetAt):
        array, y, *rest = inputs
        inputs = [y, Index(x.operation.pattern)(array, *rest)]
    elif isinstance(x.operation, Dot) and x.ndim == 3:
        yield (inputs[0], 0), (inputs[1], 0)
        return
    elif not isinstance(x.operation, Elementwise):
        return
    if len(inputs) < 2 or all(y.dims == inputs[0].dims for y in inputs):
        return
    for back in range(1, max(y.ndim for y in inputs) + 1):
        wide = [(y, y.ndim - back) for y in inputs if y.ndim >= back and y.dims[-back] != 1]
        yield from ((wide[0], other) for other in wide[1:])


def _inlined(order, outputs):
    """Return what is written where it is used, and not as a statement of its own.

    That is what has no name, is used once, and costs next to nothing: views, scalars, comparisons.
    """
    times = dict.fromkeys(outputs, 2)
    for x in order:
        for y in x.inputs:
            times[y] = times.get(y, 0) + 1
    length = {}
    for x in order:
        if x.operation is None or x.name is not None or times[x] != 1:
            continue
        cheap = x.operation.view or x.ndim == 0 or x.dtype == "bool"
        size = 1 + sum([length.get(y, 0) for y in x.inputs])
        if cheap and size <= MOST_INLINED and x.operation.name != "print":
            length[x] = size
    return length.keys()


# Buffer reuse


def _owners(order):
    """Return for each variable the one whose memory it may share; itself, if none."""
    owner = {}
    for x in order:
        owner[x] = owner[x.inputs[0]] if x.operation is not None and x.operation.view else x
    return owner


def _reused(order, inlined, owner, outputs):
    """Return, for variables that can be written into an input's memory, that input.

    An input's memory is free if this is the last statement that reads it, no view of it is needed
    later, and it has the right dtype and shape. The statement itself may read a view of it, as in
    t - t.T: NumPy's functions copy what overlaps with their output.
    """
    reads, left = {}, {}
    for x in order:
        if x.operation is not None and x not in inlined:
            reads[x] = [owner[y] for y in _read_by(x, inlined)]
    for memory in itertools.chain(*reads.values(), (owner[x] for x in outputs)):
        left[memory] = left.get(memory, 0) + 1
    over = {}
    for x, memories in reads.items():
        for y in x.inputs:
            if y in reads and left.get(y) == memories.count(y) and _fits(x, y):
                over[x] = y
                break
        for memory in memories:
            left[memory] -= 1
    return over


def _read_by(x, inlined):
    """Return the variables whose elements the statement of `x` reads, as often as it does."""
    result, stack = [], [x]
    while stack:
        x = stack.pop()
        shape_only = SHAPE_ONLY.get(x.operation.name)
        for i, y in enumerate(x.inputs):
            if i != shape_only:
                (stack if y in inlined else result).append(y)
    return result


def _fits(x, y):
    """Return whether `x` can be written into the memory of its input `y`."""
    return (
        isinstance(x.operation, Elementwise)
        and y.ndim == x.ndim > 0
        and y.dtype == x.dtype
        and all(n != 1 or m == 1 for n, m in zip(y.dims, x.dims, strict=True))
        and (x.operation.name in IN_PLACE or _takes_out(x.operation.program))
    )


def _function(program):
    """Return the function that a NumPy expression calls, if all of it is one call; else None."""
    call = re.fullmatch(r"([\w.]+)\([^()]*\)", program)
    return call and call[1]


def _takes_out(program):
    function = _function(program)
    ufunc = function and getattr(np, function.removeprefix("np."), None)
    return function == "sigmoid" or isinstance(ufunc, np.ufunc)


# Text


def _comment(x):
    if x is None or x.name is None:
        return ""
    name = _printable(x.name)
    text = name if name.startswith("∂") else f"{name} = {_printable(formula(x))}"
    return text if len(text) <= LONGEST_COMMENT else name[:LONGEST_COMMENT]


def _printable(text):
    return "".join(c if c.isprintable() else " " for c in text)


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
