"""Compiled functions: from expressions to something that can be called.

`function` puts givens in place, adds default updates, and checks the inputs. A `Function` has the
expressions rewritten and a program generated; a call converts the arguments, runs the program, and
replaces the values of shared variables that have updates.
"""

import copy
import threading
import traceback
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from itertools import repeat
from operator import attrgetter
from types import SimpleNamespace

import numpy as np

from common.symbolic.arrays import AddBroadcast, addbroadcast
from common.symbolic.codegen import Program
from common.symbolic.elementwise import cast
from common.symbolic.gradient import cost_of
from common.symbolic.graph import (
    Constant,
    Input,
    MissingInputError,
    Shared,
    UnusedInputError,
    Variable,
    ancestors,
    as_value,
    as_variable,
    described,
    made_here,
    rebuilt,
    shared,
)
from common.symbolic.printing import formula
from common.symbolic.rewrites import rewrite, substitute


class In:
    """An input of a function with a default value, a name for keyword arguments, or an update.

    Parameters
    ----------
    variable : Variable
    name : str, optional
        For keyword arguments; by default the variable's.
    value : array_like, optional
        The default value, if a call doesn't give one. With an update, the initial value.
    update : Variable, optional
        Makes the input a state, which isn't an argument: each call computes its value for the next
        one. ``f[variable]`` returns it.
    allow_downcast : bool, optional
        Whether precision may be lost: float64 to float32, floats to integers.
    """

    def __init__(self, variable, name=None, value=None, update=None, allow_downcast=None, **rest):
        self.variable, self.value, self.update = variable, value, update
        self.name = name or getattr(variable, "name", None)
        self.downcast = allow_downcast


def Out(variable, borrow=False):
    """Return `variable`: an output of a function. `borrow` has no effect."""
    return variable


def function(
    inputs: Sequence[Variable | In],
    outputs: Variable | Sequence[Variable] | Mapping[str, Variable] | None = None,
    mode=None,
    updates: Mapping[Shared, Variable] | Sequence[tuple[Shared, Variable]] = (),
    givens: Mapping[Variable, Variable] | Sequence[tuple[Variable, Variable]] = (),
    no_default_updates: bool | Sequence[Shared] = False,
    accept_inplace: bool = False,
    name: str | None = None,
    rebuild_strict: bool = True,
    allow_input_downcast: bool = False,
    profile=None,
    on_unused_input: str = "raise",
) -> "Function":
    """Return a function that computes `outputs` from `inputs`.

    Parameters
    ----------
    inputs : list of Variable or In
        The arguments. One for an intermediate takes the place of what would have been computed.
    outputs : Variable, list or dict of Variable, or None
        A call returns an array, a list or a dict of arrays, or None.
    mode, accept_inplace, rebuild_strict, profile
        Accepted for Theano's sake; they have no effect.
    updates : dict, or list of pairs
        New values of shared variables, computed, like the outputs, from the old ones.
    givens : dict, or list of pairs
        Variables, and what to put in their place, all at once.
    no_default_updates : bool, or list of Shared
        Shared variables whose `default_update` is left out; True for all.
    name : str, optional
        For error messages.
    allow_input_downcast : bool
        Whether the arguments may lose precision, float64 to float32 for example.
    on_unused_input : {"raise", "warn", "ignore"}
        What to do about an input that no output needs.

    Raises
    ------
    ValueError
        If outputs need a variable that isn't an input (MissingInputError), an input isn't needed
        (UnusedInputError), or a variable is there twice.
    TypeError
        If an argument isn't what it should be, or types don't fit.

    Examples
    --------
    >>> import common.symbolic.tensor as T
    >>> x = T.lscalar("x")
    >>> f = function([x], x * 2)
    >>> f(3)
    array(6)
    >>> print(f.source)
    def program(x):
        t1 = x * 2
        return (t1,)
    <BLANKLINE>
    """
    if on_unused_input not in ("raise", "warn", "ignore"):
        raise ValueError(
            f"on_unused_input must be 'raise', 'warn' or 'ignore', got {on_unused_input!r}"
        )
    if isinstance(mode, Mapping | list | tuple):
        raise TypeError("mode must be a name such as 'FAST_RUN'; give updates as updates=…")
    if not isinstance(inputs, list | tuple):
        raise TypeError(f"inputs must be a list of variables, got {inputs!r}")
    ins = [copy.copy(i) if isinstance(i, In) else In(i) for i in inputs]
    no_value = "variables without a value (givens can replace constants and shared variables)"
    _pairs("inputs", [(i.variable, i) for i in ins], (Variable, Input), no_value)
    givens = _pairs("givens", givens, (Variable, Input, Constant, Shared), "variables")
    givens = {v: _fitted(f"what is given for {v!r}", v, new) for v, new in givens.items()}
    updates = {s: _update(s, new) for s, new in _pairs("updates", updates).items()}
    for i in ins:
        v = i.leaf = i.variable  # `leaf` is the variable that the program takes for the input
        i.downcast = allow_input_downcast if i.downcast is None else i.downcast
        if i.update is not None:
            value = as_value(f"the value of {v!r}", i.value, v.dtype, v.dims)
            i.leaf = shared(value, i.name, broadcastable=v.broadcastable)
            updates[i.leaf] = _update(i.leaf, i.update)
        elif v.operation is not None:
            i.leaf = Input(v.dtype, [n if isinstance(n, int) else None for n in v.dims], v.name)

    returns = "list" if isinstance(outputs, list | tuple) else "one"
    if isinstance(outputs, Mapping):
        returns, outputs = list(outputs), outputs.values()
    elif returns == "one":
        outputs = [] if outputs is None else [outputs]
    outputs = [cast(o, o.dtype) for o in map(as_variable, outputs)]  # Python numbers, too
    written = [*outputs, *updates.values()]
    results = substitute(written, givens)
    needed = [] if no_default_updates is True else ancestors(results)
    for s in needed:  # the list grows, since a default update may need variables with one
        default = getattr(s, "default_update", None)
        if default is not None and s not in updates and s not in (no_default_updates or ()):
            updates[s] = _update(s, default)
            results += substitute([updates[s]], givens)
            needed += ancestors(results[-1:])
    results = substitute(results, {i.variable: i.leaf for i in ins if i.leaf is not i.variable})
    _check_inputs(ins, ancestors(results), written, on_unused_input)
    return Function(ins, results, list(updates), returns, name)


class Function:
    """A compiled function. Made by `function`; call it.

    Attributes
    ----------
    name : str or None
    inputs : list of Variable
    shared : list of Shared
        The shared variables that the program reads.
    outputs : list of Variable
        The expressions that the program computes, rewritten.
    leaves : dict of Variable to Variable
        The leaf in `outputs` that stands for each input and each shared variable.

    Notes
    -----
    A function can be called from several threads: it computes in new arrays. Calls of functions
    with updates go one after the other; the values of shared variables are replaced in one step,
    all of them or, if the call is interrupted by Ctrl-C or fails, none.
    """

    _updating = threading.RLock()  # held while shared variables are read, until they are updated

    def __init__(self, ins, results, updated, returns, name):
        # `results` are the outputs, and after them the new values of the variables in `updated`.
        self._made_from = ins, results, updated, returns, name
        self._ins = [i for i in ins if i.update is None]
        self._updated, self._returns = updated, returns
        self._lock = self._updating if updated else nullcontext()
        self.name, self._title = name, name or "the function"
        self.inputs = [i.variable for i in self._ins]
        self._titles = [f"{self._title}, input {described(v)}" for v in self.inputs]
        order = ancestors(results)
        self.shared = [v for v in order if isinstance(v, Shared)]
        self.leaves = {i.variable: i.leaf for i in ins} | {s: s for s in self.shared}
        with made_here():
            rewritten = rewrite(results)
        self.outputs = rewritten[: len(results) - len(updated)]
        self.program = Program([*(i.leaf for i in self._ins), *self.shared], rewritten, order)

    @property
    def source(self) -> str:
        """The NumPy program."""
        return self.program.source

    @property
    def maker(self):
        """The rewritten graph, where Theano has it: ``f.maker.fgraph.outputs``."""
        nodes = [v for v in ancestors(self.outputs) if v.operation is not None]
        graph = {"inputs": self.inputs, "outputs": self.outputs, "toposort": lambda: nodes}
        return SimpleNamespace(fgraph=SimpleNamespace(**graph))

    def __repr__(self):
        return f"<function {self.name or ''}({', '.join(map(repr, self.inputs))})>"

    def __reduce__(self):
        return Function, self._made_from  # a copy is compiled again

    def copy(self, share_memory=False, swap=None, delete_updates=False, name=None, profile=None):
        """Return a function with other shared variables (`swap`: old to new), or without updates.

        The copy is called `name`. `share_memory` and `profile` have no effect. A TypeError is
        raised if a new variable hasn't the type of the old one.
        """
        ins, results, updated, returns, _ = self._made_from
        swap = _pairs("swap", swap)
        for s, new in swap.items():
            if not isinstance(new, Shared) or new.type != s.type:
                raise TypeError(f"swap must replace {s!r} by another shared {s.type}, got {new!r}")
        updated = [] if delete_updates else [swap.get(s, s) for s in updated]
        _pairs("swap", [(s, s) for s in updated])  # none is there twice
        results = substitute(results, swap)[: len(self.outputs) + len(updated)]
        return Function(ins, results, updated, returns, name)

    def __getitem__(self, variable):
        """Return the value of an input with an update, or of a shared variable."""
        for v, leaf in self.leaves.items():
            if isinstance(leaf, Shared) and variable in (v, v.name or v):
                return leaf.get_value()
        raise KeyError(f"{self!r} has no state called {variable!r}")

    def __call__(self, *args, **kwargs):
        """Compute and return the outputs, and carry out the updates.

        Raises TypeError for arguments that don't fit their variables, ValueError for shapes that
        don't fit each other.
        """
        if kwargs or len(args) != len(self._ins):
            args = self._bound(args, kwargs)
        values = [
            as_value(title, value, i.leaf.dtype, i.leaf.dims, i.downcast)
            for title, value, i in zip(self._titles, args, self._ins, strict=True)
        ]
        with self._lock:
            try:
                # The values of all shared variables are read in one step.
                results = self.program.run(*values, *map(attrgetter("_value"), self.shared))
            except _EXPLAINED as error:
                raise self._explained(error) from error
            arrays = list(map(np.asarray, results))
            outputs, new = arrays[: len(self.outputs)], arrays[len(self.outputs) :]
            # And replaced in one step, so that neither Ctrl-C nor a thread comes between.
            list(map(setattr, self._updated, repeat("_value"), new))
        if self._returns == "one":
            return outputs[0] if outputs else None
        if self._returns == "list":
            return outputs
        return dict(zip(self._returns, outputs, strict=True))

    def _bound(self, args, kwargs):
        """Return the values of all inputs, given by position, by name, or by default."""
        rest = self._ins[len(args) :]
        values = [kwargs.get(i.name, i.value) for i in rest]
        missing = [repr(i.variable) for i, value in zip(rest, values, strict=True) if value is None]
        if missing or len(args) > len(self._ins) or kwargs.keys() - {i.name for i in rest}:
            raise TypeError(
                f"{self._title} takes {len(self._ins)} inputs ({', '.join(map(repr, self.inputs))})"
                f", got {', '.join([f'{len(args)} by position', *map(repr, kwargs)])}"
                f"; {', '.join(missing) or 'none'} missing"
            )
        return [*args, *values]

    def _explained(self, error):
        """Return an error that names the failed operation, its inputs' shapes, and its place."""
        kind = next(k for k in _EXPLAINED if isinstance(error, k))
        code, steps = self.program.run.__code__, traceback.walk_tb(error.__traceback__)
        frame, line = next((f, n) for f, n in steps if f.f_code is code)
        statement, variable, _ = self.program.lines[line - 1]
        texts, problem = map(self.program.texts.get, variable.inputs), str(error)
        if kind is AssertionError:  # a shape guard
            kind, guard = ValueError, statement.strip()
            sides = guard.removeprefix("assert ").split(" == ")
            texts = [side.rpartition(".shape[")[0] for side in sides]
            hint = (
                "The axis must have size 1, as T.addbroadcast declares, or as that of the row, "
                "column or shared variable in whose place it stands"
            )
            if not isinstance(variable.operation, AddBroadcast):
                hint = (
                    "An axis whose size isn't known when a function is compiled doesn't broadcast; "
                    "declare it as 1 with T.row, T.col, dimshuffle or T.addbroadcast"
                )
            problem = f"{guard}: the sizes of axes differ. {hint}"
        shapes = " and ".join(_with_shape(text, frame) for text in texts if text)
        return kind(
            f"{self._title}: {variable.operation.name} failed for {shapes}: {problem}; "
            f"it computes {described(variable)}: {formula(variable):.100}"
        )


_EXPLAINED = (FloatingPointError, OverflowError, ZeroDivisionError, MemoryError, IndexError)
_EXPLAINED += (ValueError, TypeError, AssertionError)


def _with_shape(text, frame):
    """Return the text of an argument with the shape that it had when a program failed."""
    try:
        return f"{text} of shape {np.shape(eval(text, frame.f_globals, frame.f_locals))}"
    except Exception:  # it is the argument itself that can't be computed
        return text


def _pairs(name, pairs, kinds=(Shared,), expected="shared variables"):
    """Return an argument as a dict, whose keys are variables of some kinds."""
    result, pairs = {}, pairs.items() if isinstance(pairs, Mapping) else pairs or ()
    is_list = isinstance(pairs, Iterable) and not isinstance(pairs, Variable)
    for pair in pairs if is_list else [pairs]:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"{name} must be a dict or a list of pairs, got {pair!r} in it")
        variable, value = pair
        if type(variable) not in kinds:
            raise TypeError(f"{name} must be of {expected}, got {variable!r}")
        if variable in result:
            raise ValueError(f"{name} have {variable!r} twice")
        result[variable] = value
    return result


def _fitted(what, old, new):
    """Return `new` with dtype and broadcastable axes of `old`, or raise TypeError."""
    new = as_variable(new)
    if isinstance(new, Constant):
        return Constant(as_value(what, new.operand, old.dtype, old.dims), new.name)
    sizes = enumerate(zip(old.dims, new.dims, strict=False))
    narrowed = [axis for axis, (n, m) in sizes if n == 1 != m]
    grows = any(isinstance(new.dims[axis], int) for axis in narrowed)
    if new.ndim != old.ndim or grows or not np.can_cast(new.dtype, old.dtype, "safe"):
        raise TypeError(
            f"{what} must be {old.dtype} of shape {old.dims}, got {new.dtype} of "
            f"shape {new.dims}: {described(new)}; T.cast converts dtypes"
        )
    new = cast(new, old.dtype)
    return addbroadcast(new, *narrowed) if narrowed else new


def _update(s, new):
    """Return the update of `s` with a name, which makes the program readable."""
    new = _fitted(f"the update of {s!r}", s, new)
    if s.name is None or new.name is not None or new.operation is None:
        return new
    named = rebuilt(new, new.inputs)
    named.name = f"new {s.name}"
    return named


def _check_inputs(ins, order, written, on_unused_input):
    """Check that `ins` are the inputs in `order`; those of costs of gradients are used as well."""
    needed, given = set(order), {i.leaf for i in ins}
    for v in order:
        if isinstance(v, Input) and v not in given:
            users = (f"is needed for {described(u)}" for u in order if v in u.inputs)
            raise MissingInputError(
                f"inputs lack {described(v)}, which {next(users, 'is an output')}"
            )
    unused = [i.variable for i in ins if i.update is None and i.leaf not in needed]
    if unused and on_unused_input != "ignore":
        # An input that only the cost of a gradient needs is used, as x for the derivative of 3 x.
        needed = set(ancestors([cost_of[v] for v in ancestors(written) if v in cost_of]))
        for v in [v for v in unused if v not in needed]:
            message = f"the outputs don't need the input {described(v)}"
            if on_unused_input == "raise":
                raise UnusedInputError(f"{message}; on_unused_input='ignore' allows that")
            warnings.warn(message, stacklevel=3)
