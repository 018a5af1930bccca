"""Code generation: from an expression to a straight-line NumPy program.

There is one statement per operation, in topological order. An operation that takes next to no time
is inlined: its text stands where its result is used. If an input's array isn't needed any more, an
operation writes its result into it where it can (buffer reuse). A variable keeps the name that the
user gave it, but no text of the user's is executed: names are reduced to identifiers, and constants
are written as Python's own numbers.

NumPy would broadcast any axis of size 1. Where two axes must have the same size and that isn't
known when the function is compiled, the program asserts it: a shape guard.
"""

import itertools
import keyword
import linecache
import re
import unicodedata
import weakref
from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np

from common.symbolic.arrays import AddBroadcast, Dimshuffle, Print, ShapeOf
from common.symbolic.elementwise import Elementwise, add, mul
from common.symbolic.graph import Constant, Variable, ancestors
from common.symbolic.indexing import Index, SetAt
from common.symbolic.printing import formula, without_parentheses
from common.symbolic.products import Dot
from common.symbolic.runtime import NAMESPACE

# Operators as calls of NumPy's ufuncs, which take an argument out=, the array for the result.
AS_CALL = {
    "{0} + {1}": "np.add({0}, {1})",
    "{0} - {1}": "np.subtract({0}, {1})",
    "{0} * {1}": "np.multiply({0}, {1})",
    "{0} / {1}": "np.true_divide({0}, {1})",
    "{0} // {1}": "np.floor_divide({0}, {1})",
    "{0} % {1}": "np.remainder({0}, {1})",
    "-{0}": "np.negative({0})",
}
WITH_OUT = {"sigmoid"} | {f"np.{n}" for n, f in vars(np).items() if isinstance(f, np.ufunc)}
MOST_INLINED = 4  # operations
COMMENT_COLUMN = 44
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
        The expressions before they were rewritten: they are guarded as far as the shapes of the
        inputs tell, since a rewrite may have removed an operation that would have failed.

    Attributes
    ----------
    run : callable
        The compiled program. It takes the values of the inputs and returns those of the outputs in
        a tuple, as new arrays, none of which shares memory with another or with an input.
    lines : list of (str, Variable or None, str or None)
        The lines of the program: definitions, the head, statements. For each, the variable that it
        computes or guards, and its name if a comment is to give that.
    texts : dict of Variable to str
        How the program refers to a variable: by name, or, if it is inlined, as an expression.
    """

    def __init__(self, inputs: Sequence[Variable], outputs: Sequence[Variable], checked=()):
        order = ancestors(outputs)
        self._plan(order, outputs)
        self._taken, self._counters = {*NAMESPACE, "program"}, {}
        self.texts = {x: self._new_name(x.name, "x") for x in inputs}
        self.lines = [(f"def program({', '.join(self.texts[x] for x in inputs)}):", None, None)]
        self._data = {}
        sizes = ((n, f"{self.texts[x]}.shape[{i}]") for x in inputs for i, n in enumerate(x.dims))
        self._sizes, self._asserted = dict(sizes), set()
        for x in checked or order:
            self._guard(x, inputs_only=True)
        for x in order:
            if isinstance(x, Constant):
                self.texts[x] = self._constant(x)
            elif x.operation is not None:
                self._guard(x)
                if x in self._inlined:
                    self.texts[x] = self._expression(x)
                else:
                    self._add(self._statement(x), x, x.name)
        self._return(outputs)

        lines = [f"{line}\n" for line, *_ in self.lines]
        file, space = f"<compiled program {next(_numbers)}>", NAMESPACE | self._data
        exec(compile("".join(lines), file, "exec", optimize=0), space)  # asserts, even if python -O
        self.run = space.pop("program")
        linecache.cache[file] = (0, None, lines, file)  # so that tracebacks can show them
        weakref.finalize(self.run, linecache.cache.pop, file, None)

    @property
    def source(self) -> str:
        """The program, with comments that name what a statement computes."""
        return "".join([f"{_commented(*line)}\n" for line in self.lines])

    def _plan(self, order, outputs):
        """Find out what is inlined, which arrays a variable refers to, and what reads them last.

        A variable is inlined if it has no name, is used once, and takes next to no time: views,
        scalars, comparisons. `_memory` has the variables whose arrays must be intact to read a
        variable (several, for one that is inlined), `_last` the variable that reads such an array
        last. Inputs and constants aren't in it, since nothing is ever written into them.
        """
        times = Counter(itertools.chain(outputs, outputs, *(x.inputs for x in order)))
        self._inlined, self._memory, self._last = {}, {}, {}
        for x in order:
            operation = x.operation
            if operation is None:
                self._memory[x] = []
                continue
            only = operation.shape_only
            used = [y for i, y in enumerate(x.inputs) if i != only or y in self._inlined]
            read = [m for y in used for m in self._memory[y]]
            n_inlined = 1 + sum([self._inlined.get(y, 0) for y in x.inputs])
            cheap = operation.view or x.ndim == 0 or x.dtype == "bool"
            once = times[x] == 1 and x.name is None and not isinstance(operation, Print)
            if cheap and once and n_inlined <= MOST_INLINED:
                self._inlined[x], self._memory[x] = n_inlined, read
            else:
                self._last.update(dict.fromkeys(read, x))
                self._memory[x] = self._memory[x.inputs[0]] if operation.view else [x]
        for x in outputs:
            self._last.update(dict.fromkeys(self._memory[x], None))

    # Statements

    def _add(self, code, x, name=None):
        self.lines.append((f"    {code}", x, name))

    def _guard(self, x, inputs_only=False):
        """Assert that axes have the same size where NumPy would broadcast, unless that is known."""
        for ends in _guarded_axes(x):
            pair = frozenset([y.dims[axis] for y, axis in ends])
            known = all(isinstance(n, int) or n in self._sizes for n in pair)
            if len(pair) == 2 and (known or not inputs_only) and pair not in self._asserted:
                self._asserted.add(pair)
                self._add(f"assert {' == '.join(self._size(*end) for end in ends)}", x)

    def _size(self, x, axis):
        n = x.dims[axis]
        text = str(n) if isinstance(n, int) else self._sizes.get(n)
        return text or f"{self.texts.get(x) or self._expression(x)}.shape[{axis}]"

    def _expression(self, x):
        code, operation = x.operation.code(*self._arguments(x)), x.operation
        is_call = _as_call(operation.template) == operation.template
        return f"({code})" if isinstance(operation, Elementwise | Dot) and not is_call else code

    def _arguments(self, x):
        """Return the texts of the inputs of `x`; those of an elementwise operation in its dtype."""
        texts, operation = [self.texts[y] for y in x.inputs], x.operation
        if not isinstance(operation, Elementwise | Dimshuffle):
            return texts
        call = _as_call(operation.template)
        beside = [y.dtype for y in x.inputs if not isinstance(y, Constant)]
        for i, y in enumerate(x.inputs):
            if isinstance(y, Constant):
                # Beside an array of its dtype it can be a Python scalar, but not in -2.0 ** x.
                plain = y.ndim == 0 and y.name is None and y.dtype == x.dtype in beside
                texts[i] = (plain and call and _literal(y)) or texts[i]
            elif type(y.operation) is ShapeOf:
                # NumPy's shapes hold Python integers; as operands they must be int64.
                texts[i] = f"np.int64({texts[i]})"
        return list(map(without_parentheses, texts)) if call == operation.template else texts

    def _statement(self, x):
        """Return the statement that computes `x`, if possible in the memory of an input.

        That memory is free if `x` is the last to read it and it has the right dtype and shape. The
        statement may also read a view of it, as in t - t.T, since NumPy's functions copy what
        overlaps with their output.
        """
        args, template = self._arguments(x), x.operation.template
        call, free = _as_call(template) or "", []
        if isinstance(x.operation, Elementwise) and x.dims and call.partition("(")[0] in WITH_OUT:
            last_read = [y for y in x.inputs if self._last.get(y) is x and y.dtype == x.dtype]
            free = [self.texts[y] for y in last_read if y.broadcastable == x.broadcastable]
        is_new = not free or (x.name and _identifier(x.name))
        name = self.texts[x] = self._new_name(x.name) if is_new else free[0]
        if not free:
            return f"{name} = {x.operation.code(*args)}"
        args = list(map(without_parentheses, args))
        if x.operation in (add, mul) and name == args[1]:
            args.reverse()
        if name == args[0] and template.startswith("{0} "):
            return f"{name} {template.split()[1]}= {args[1]}"
        call = f"{call.format(*args)[:-1]}, out={free[0]})"
        return call if name == free[0] else f"{name} = {call}"

    def _return(self, outputs):
        """Add the return statement, and before it a copy of each output that isn't a new array."""
        texts = []
        for x in outputs:
            text = self.texts[x]
            if self._memory[x] != [x] or text in texts:
                text = self._new_name("result")
                self._add(f"{text} = np.array({self.texts[x]})", x)
            texts.append(text)
        self._add(f"return ({', '.join(texts)}{',' if len(texts) == 1 else ''})", None)

    # Names and constants

    def _new_name(self, name, otherwise="t"):
        """Return an identifier that isn't taken yet, made from `name` if it can be one."""
        identifier = base = _identifier(name or "")
        base = base or otherwise
        while not identifier or identifier in self._taken:
            counter = self._counters.setdefault(base, itertools.count(1 + (base != otherwise)))
            identifier = f"{base}{next(counter)}"
        self._taken.add(identifier)
        return identifier

    def _constant(self, x):
        """Return how the program refers to a constant: as a number, or by the name of an array."""
        text = _literal(x)
        if text and x.weak:
            text = f"({text})" if text.startswith("-") else text
        elif text:
            text = f"np.array({text}, np.{x.dtype})" if x.ndim else f"np.{x.dtype}({text})"
        if text and x.ndim == 0 and x.name is None:
            return text
        name = self._new_name(x.name, "constant")
        about = f"# {name}: a constant array of {x.dtype}, shape {x.value.shape}"
        self.lines.insert(len(self._data), (f"{name} = {text}" if text else about, None, None))
        self._data[name] = x.operand
        return name


def _guarded_axes(x):
    """Yield pairs of (variable, axis) that must have one size, where NumPy might broadcast."""
    inputs, operation = x.inputs, x.operation
    if isinstance(operation, AddBroadcast):
        yield from (((inputs[0], axis), (x, axis)) for axis in operation.axes)
    elif isinstance(operation, Dot) and x.ndim == 3:
        yield (inputs[0], 0), (inputs[1], 0)
    if isinstance(operation, SetAt):
        array, y, *rest = inputs
        inputs = [y, Index(operation.pattern)(array, *rest)]
    elif type(operation) is Index:
        inputs = [y for y in inputs[1:] if y.ndim]
        if any(y.kind == "b" for y in inputs):  # a mask: how many elements it selects isn't known
            return
    elif not isinstance(operation, Elementwise):
        return
    if len({y.dims for y in inputs}) < 2:
        return
    for back in range(1, max([y.ndim for y in inputs]) + 1):
        wide = [(y, y.ndim - back) for y in inputs if y.ndim >= back and y.dims[-back] != 1]
        yield from ((wide[0], other) for other in wide[1:])


@cache
def _as_call(template):
    """Return a template as the call of one function, whose arguments are inputs, or None."""
    template, argument = AS_CALL.get(template, template), r"({\d}|[\w.]+)"
    is_call = re.fullmatch(rf"[\w.]+\({argument}(, {argument})*\)", template)
    return template if is_call else None


# Text


def _commented(line, x, name):
    """Return a line of a program, with the formula of `x` as a comment if it has a name."""
    if not name:
        return line
    text = name if name.startswith("∂") else f"{name} = {formula(x)}"
    text = text if len(text) <= LONGEST_COMMENT else name[:LONGEST_COMMENT]
    text = repr(text)[1:-1]  # without line breaks
    return line if text == line.strip() else f"{line:<{COMMENT_COLUMN}}  # {text}"


def _literal(x):
    """Return the elements of a constant as Python writes numbers; None if there are too many."""
    no_infinity = x.kind != "c" or np.isfinite(x.value).all()
    if no_infinity and 0 < x.value.size <= LONGEST_CONSTANT:
        return re.sub("nan|inf", r"np.\g<0>", repr(x.value.tolist()))
    return None


def _identifier(name):
    """Return `name` reduced to a Python identifier, which is empty if nothing is left."""
    name = re.sub(r"(?s)\A∂.*/∂(?=.)", "d", name)
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", name)).strip("_")
    return name if name.isidentifier() and not keyword.iskeyword(name) else ""
