"""Compiled functions: from expressions to something that can be called.

`function` puts givens in place, adds default updates, and checks that the inputs are what the
outputs need. A `Function` has the expressions rewritten and a program generated; a call converts
the arguments, runs the program, and replaces the values of shared variables that have updates.
"""

import copy
import linecache
import threading
import warnings
from collections.abc import Mapping, Sequence
from itertools import repeat
from operator import attrgetter
from types import SimpleNamespace

import numpy as np

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
    """An input of a function with a default value, a name, or a state.

    Parameters
    ----------
    variable : Variable
    value : array_like, optional
        The value when a call doesn't give one.
    name : str, optional
        For keyword arguments; by default the variable's.
    update : Variable, optional
        The value for the next call, computed in each call. ``f[variable]`` returns it.
    allow_downcast : bool, optional
        Whether precision may be lost: float64 to float32, floats to integers.
    """

    def __init__(
        self, variable, value=None, name=None, update=None, allow_downcast=None, **ignored
    ):
        self.variable = variable
        self.value = value
        self.name = name or getattr(variable, "name", None)
        self.update = update
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
        The arguments. Also variables that others are computed from: the argument then takes the
        place of what would have been computed.
    outputs : Variable, list or dict of Variable, or None
        A call returns an array, a list or a dict of arrays, or None.
    mode, accept_inplace, rebuild_strict, profile
        Accepted for Theano's sake; they have no effect.
    updates : dict, or list of pairs
        New values of shared variables. All are computed from the old values, as the outputs are.
    givens : dict, or list of pairs
        Variables, and what to put in their place, all at once.
    no_default_updates : bool, or list of Shared
        Which shared variables not to replace by their `default_update`.
    name : str, optional
        For error messages.
    allow_input_downcast : bool
        Whether the arguments may lose precision, float64 to float32 for example.
    on_unused_input : {"raise", "warn", "ignore"}
        What to do about an input that no output needs.

    Raises
    ------
    MissingInputError, UnusedInputError
        If outputs need a variable that isn't an input, or an input isn't needed; ValueErrors.
    TypeError
        If one of the arguments isn't what it should be, or types don't fit.
    ValueError
        If a variable is there twice.

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
    ins = [_prepared(given, allow_input_downcast) for given in inputs]
    for given in ins:
        if sum(other.variable is given.variable for other in ins) > 1:
            raise ValueError(f"inputs have {given.variable!r} twice")
    outputs, returns = _listed(outputs)
    replace = _pairs("givens", givens, Variable)
    new = _pairs("updates", updates, Shared)
    for given in ins:
        if given.state is not None:
            replace[given.variable] = given.state
            new[given.state] = _as_type_of(given.state, given.update, "the update of")
    new = {s: _named_after(s, value) for s, value in new.items()}

    written = [*outputs, *new.values()]
    results = substitute(written, replace)
    while no_default_updates is not True:  # those of random streams, and of what these depend on
        more = {
            s: _as_type_of(s, s.default_update, "the default update of")
            for s in ancestors(results)
            if isinstance(s, Shared) and s.default_update is not None
            if s not in new and s not in (no_default_updates or ())
        }
        if not more:
            break
        new |= more
        results += substitute(list(more.values()), replace)
    results = substitute(results, {i.variable: i.leaf for i in ins if i.leaf is not i.variable})
    order = ancestors(results)
    _check_all_used(ins, set(order), written, on_unused_input)
    _check_none_missing(ins, order)
    n = len(outputs)
    return Function(ins, results[:n], list(zip(new, results[n:], strict=True)), returns, name)


class Function:
    """A compiled function. Made by `function`; call it.

    Attributes
    ----------
    name : str or None
    source : str
        The NumPy program.
    inputs : list of Variable
    shared : list of Shared
        What the program reads besides its inputs.
    outputs : list of Variable
        The expressions that the program computes, rewritten.

    Notes
    -----
    A function can be called from several threads. All that it computes is computed in new arrays.
    With updates, calls of all functions that have any go one after the other; the values of its
    shared variables are replaced in one step, all of them or, if the call is interrupted by Ctrl-C
    or fails, none.
    """

    _updating = threading.RLock()  # held from reading shared variables until they are updated

    def __init__(self, ins, outputs, updates, returns, name):
        self._made_from = ins, outputs, updates, returns, name
        self._ins = [i for i in ins if i.state is None]
        self._returns = returns
        self._n_outputs = len(outputs)
        self.name = name
        self._title = name or "the function"
        self.inputs = [i.variable for i in self._ins]
        everything = [*outputs, *(new for _, new in updates)]
        order = ancestors(everything)
        self.shared = [v for v in order if isinstance(v, Shared)]
        self._states = {i.variable: i.state for i in ins if i.state is not None}
        self._states |= {s: s for s in self.shared}
        self._updated = [s for s, _ in updates]
        with made_here():
            rewritten = rewrite(everything)
        self.outputs = rewritten[: len(outputs)]
        leaves = [i.leaf for i in self._ins]
        self.program = Program([*leaves, *self.shared], rewritten, order)
        # An array of this dtype and number of axes is taken as it is; not where a size is known.
        self._exact = [
            (np.dtype(v.dtype), None if any(isinstance(n, int) for n in v.dims) else v.ndim)
            for v in leaves
        ]

    @property
    def source(self) -> str:
        """The NumPy program."""
        return self.program.source

    @property
    def leaves(self) -> dict[Variable, Variable]:
        """What stands in `outputs` for each input and each shared variable."""
        return dict(zip([*self.inputs, *self.shared], self.program.inputs, strict=True))

    @property
    def maker(self):
        """Where Theano's tutorials look for the rewritten graph: ``f.maker.fgraph.outputs``."""
        nodes = [v for v in ancestors(self.outputs) if v.operation is not None]
        graph = {"inputs": self.inputs, "outputs": self.outputs, "toposort": lambda: nodes}
        return SimpleNamespace(fgraph=SimpleNamespace(**graph))

    def __repr__(self):
        return f"<function {self.name or ''}({', '.join(map(repr, self.inputs))})>"

    def __reduce__(self):
        return Function, self._made_from  # it is compiled again

    def __getitem__(self, variable):
        """Return the value of an input with an update, or of a shared variable."""
        for v, state in self._states.items():
            if v is variable or (isinstance(variable, str) and v.name == variable):
                return state.get_value()
        raise KeyError(f"{self!r} has no state called {variable!r}")

    def __call__(self, *args, **kwargs):
        """Compute the outputs, and carry out the updates.

        Raises
        ------
        TypeError
            If arguments are missing or too many, or one isn't what its variable takes.
        ValueError
            If shapes don't fit.
        """
        if kwargs or len(args) != len(self._ins):
            args = self._bound(args, kwargs)
        values = []
        for i, (value, (dtype, ndim)) in enumerate(zip(args, self._exact, strict=True)):
            exact = type(value) is np.ndarray and value.dtype is dtype and value.ndim == ndim
            values.append(value if exact else self._converted(self._ins[i], value))
        if self._updated:
            with self._updating:
                results = self._run(values)
                new = [np.asarray(r) for r in results[self._n_outputs :]]
                self._check_ones(new)
                # One step for Python, so that neither Ctrl-C nor a thread comes between.
                list(map(setattr, self._updated, repeat("_value"), new))
        else:
            results = self._run(values)
        if self._returns == "one":
            return np.asarray(results[0])
        if self._returns == "none":
            return None
        arrays = [np.asarray(r) for r in results[: self._n_outputs]]
        return arrays if self._returns == "list" else dict(zip(self._returns, arrays, strict=True))

    def _bound(self, args, kwargs):
        """Return the values of all inputs, which are given by place, by name, or by default."""
        rest = self._ins[len(args) :]
        takes = f"{self._title} takes {len(self._ins)} inputs ({', '.join(map(repr, self.inputs))})"
        unknown = [repr(name) for name in kwargs if name not in [i.name for i in rest]]
        if len(args) > len(self._ins) or unknown:
            raise TypeError(f"{takes}, got {', '.join([f'{len(args)} by place', *unknown])}")
        values = [*args, *(kwargs.get(i.name, i.value) for i in rest)]
        missing = [repr(v) for v, value in zip(self.inputs, values, strict=True) if value is None]
        if missing:
            raise TypeError(f"{takes}; {', '.join(missing)} missing")
        return values

    def _converted(self, given, value):
        v, title = given.leaf, f"{self._title}, input {given.leaf!r}"
        try:
            return as_value(title, value, v.dtype, v.dims, given.downcast)
        except TypeError as error:
            raise TypeError(f"{error} ({described(given.variable)})") from error.__cause__

    def _check_ones(self, new):
        for s, value in zip(self._updated, new, strict=True):
            for axis, n in enumerate(s.dims):
                if n == 1 != value.shape[axis]:
                    raise ValueError(
                        f"the update of {s!r} has shape {value.shape}, but its axis {axis} must "
                        "have size 1"
                    )

    def _run(self, values):
        try:
            # The values of all shared variables are read in one step, too.
            return self.program.run(*values, *map(attrgetter("_value"), self.shared))
        except Exception as error:
            explained = self._explained(error)
            if explained is None:
                raise
            raise explained from (None if isinstance(error, AssertionError) else error)

    def _explained(self, error):
        """Return an error that tells which operation failed and where it was made, or None."""
        traceback = error.__traceback__
        while traceback and traceback.tb_frame.f_code is not self.program.run.__code__:
            traceback = traceback.tb_next
        variable = self.program.variable_at(traceback.tb_lineno) if traceback else None
        kind = next((k for k in _EXPLAINED if isinstance(error, k)), None)
        if variable is None or kind is None:
            return None
        frame, problem = traceback.tb_frame, str(error)
        if kind is AssertionError:
            line = linecache.getline(frame.f_code.co_filename, traceback.tb_lineno)
            sides = line.strip().removeprefix("assert ").split(" == ")
            texts = [side.rpartition(".shape[")[0] for side in sides]
            kind, problem = ValueError, f"{line.strip()}: {_SIZES_DIFFER}"
        else:
            texts = [self.program.text(x) for x in variable.inputs]
        shapes = " and ".join(_with_shape(text, frame) for text in texts if text)
        return kind(
            f"{self._title}: {variable.operation.name} failed for {shapes}: {problem}; "
            f"it computes {described(variable)}: {formula(variable):.100}"
        )


_SIZES_DIFFER = (
    "the sizes of axes differ. An axis whose size isn't known when a function is compiled doesn't "
    "broadcast; declare it as 1 with T.row, T.col, dimshuffle or T.addbroadcast"
)
_EXPLAINED = (
    *(FloatingPointError, OverflowError, ZeroDivisionError, MemoryError),
    *(IndexError, ValueError, TypeError, AssertionError),
)


def _with_shape(text, frame):
    """Return the text of an argument with the shape that it had when a program failed."""
    try:
        return f"{text} of shape {np.shape(eval(text, frame.f_globals, frame.f_locals))}"
    except Exception:  # what failed is the argument itself
        return text


def _prepared(given, downcast):
    """Return an input of a new function, with the leaf that stands for it, and its state."""
    given = copy.copy(given) if isinstance(given, In) else In(given)
    v = given.variable
    if not isinstance(v, Variable):
        raise TypeError(f"inputs must be variables, got {v!r}")
    if isinstance(v, Shared):
        raise TypeError(
            f"the shared variable {v!r} can't be an input: it has a value already; givens can put "
            "another variable in its place"
        )
    if isinstance(v, Constant):
        raise TypeError(f"the constant {v!r} can't be an input")
    given.downcast = downcast if given.downcast is None else given.downcast
    given.leaf = v
    if v.operation is not None:
        given.leaf = Input(v.dtype, [n if isinstance(n, int) else None for n in v.dims], v.name)
    given.state = None
    if given.update is not None:
        value = as_value(f"the value of {v!r}", given.value, v.dtype, v.dims)
        given.state = shared(value, given.name, broadcastable=v.broadcastable)
    return given


def _listed(outputs):
    """Return the outputs in a list, and what a call returns: "one", "none", a "list", or keys."""
    if isinstance(outputs, Mapping):
        return [as_variable(o) for o in outputs.values()], list(outputs)
    if isinstance(outputs, list | tuple):
        return [as_variable(o) for o in outputs], "list"
    return ([], "none") if outputs is None else ([as_variable(outputs)], "one")


def _pairs(name, pairs, kind):
    """Return `givens` or `updates` as a dict, whose values have the types of its keys."""
    result = {}
    what = "the update of" if kind is Shared else "what is given for"
    for pair in pairs.items() if isinstance(pairs, Mapping) else pairs or ():
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"{name} must be a dict or a list of pairs, got {pair!r} in it")
        old, new = pair
        if not isinstance(old, kind):
            kinds = "shared variables" if kind is Shared else "variables"
            raise TypeError(f"{name} must be of {kinds}, got {old!r}")
        if old in result:
            raise ValueError(f"{name} have {old!r} twice")
        result[old] = _as_type_of(old, new, what)
    return result


def _as_type_of(old, new, what):
    """Return `new` in the dtype of `old`, which it must fit into."""
    new = as_variable(new)
    if new.ndim != old.ndim:
        raise TypeError(
            f"{what} {old!r} must have {old.ndim} axes, got {new.ndim}: {described(new)}"
        )
    if isinstance(new, Constant) and new.ndim == 0:
        value = new.value.item() if new.weak else new.value
        return Constant(as_value(f"{what} {old!r}", value, old.dtype, ()), new.name)
    for axis, (n, m) in enumerate(zip(old.dims, new.dims, strict=True)):
        if n == 1 and isinstance(m, int) and m != 1:
            raise TypeError(f"{what} {old!r} must have size 1 along axis {axis}, got {m}")
    if not np.can_cast(new.dtype, old.dtype, "safe"):
        raise TypeError(
            f"{what} {old!r} must be {old.dtype}, got {new.dtype}: {described(new)}; cast it with "
            f"T.cast(…, '{old.dtype}')"
        )
    return cast(new, old.dtype)


def _named_after(s, new):
    """Return the update of `s` as a variable with a name, for the program to be readable."""
    if s.name is None or new.name is not None or new.operation is None:
        return new
    named = rebuilt(new, new.inputs)
    named.name = f"new {s.name}"
    return named


def _check_all_used(ins, used, written, on_unused_input):
    unused = [i.variable for i in ins if i.state is None and i.leaf not in used]
    if not unused or on_unused_input == "ignore":
        return
    # What only the cost of a gradient needs is used as well, as x is in the derivative of 3 x.
    mentioned = set(ancestors([cost_of[v] for v in ancestors(written) if v in cost_of]))
    for v in unused:
        if v not in mentioned:
            message = (
                f"the outputs don't need the input {described(v)}; "
                "on_unused_input='ignore' allows that"
            )
            if on_unused_input == "raise":
                raise UnusedInputError(message)
            warnings.warn(message, stacklevel=3)


def _check_none_missing(ins, order):
    known = {i.leaf for i in ins}
    for v in order:
        if isinstance(v, Input) and v not in known:
            users = (f"is needed for {described(u)}" for u in order if v in u.inputs)
            raise MissingInputError(
                f"inputs lack {described(v)}, which {next(users, 'is an output')}"
            )
