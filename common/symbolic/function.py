"""Compiled functions: from expressions to something that can be called.

`function` puts givens in place, rewrites the expressions, and has a program generated. A call of
the `Function` checks and converts the arguments, runs the program, and replaces the values of the
shared variables that have updates.
"""

import threading
import warnings
from collections.abc import Mapping, Sequence
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
)
from common.symbolic.rewrites import rewrite, substitute

__all__ = ["Function", "In", "Out", "function"]

_updating = threading.RLock()  # held from reading shared variables until they are updated
_values_of = attrgetter("_value")


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
        self.name = name or getattr(variable, "name", None)
        self.value = value
        self.update = update
        self.downcast = allow_downcast


class Out:
    """An output of a function: the variable itself. `borrow` has no effect."""

    def __new__(cls, variable, borrow=False):
        """Return the variable."""
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
    if isinstance(inputs, Variable | In) or not isinstance(inputs, Sequence):
        raise TypeError(f"inputs must be a list of variables, got {inputs!r}")
    inputs = [i if isinstance(i, In) else In(i) for i in inputs]
    keys = list(outputs) if isinstance(outputs, Mapping) else None
    single = outputs is not None and not isinstance(outputs, list | tuple | Mapping)
    listed = [] if outputs is None else [outputs] if single else list(outputs)
    if keys is not None:
        listed = [outputs[key] for key in keys]
    listed = [as_variable(o) for o in listed]
    for s in givens if isinstance(givens, Mapping) else ():
        if not isinstance(s, Variable):
            raise TypeError(f"givens must be of variables, got {s!r}")

    updates = _update_pairs(updates)
    states = {i.variable: Shared(_state(i), i.name) for i in inputs if i.update is not None}
    updates += [(states[i.variable], i.update) for i in inputs if i.update is not None]
    replace = _given(givens) | states
    inputs = [i for i in inputs if i.update is None]
    pairs = [(s, _named_after(s, _as_type_of(s, new, "the update of"))) for s, new in updates]
    everything = substitute([*listed, *(new for _, new in pairs)], replace)
    pairs, everything = _with_defaults(pairs, everything, no_default_updates, len(listed), replace)

    variables, leaves = _leaves(_checked(inputs))
    everything = substitute(everything, leaves)
    written = [*listed, *(new for _, new in updates)]
    _check_use(inputs, variables, written, on_unused_input, everything)
    n = len(listed)
    new_values = list(zip([s for s, _ in pairs], everything[n:], strict=True))
    returns = keys if keys is not None else "none" if outputs is None else single
    return Function(
        inputs, variables, everything[:n], new_values, returns, name, allow_input_downcast, states
    )


class Function:
    """A compiled function. Made by `function`; call it.

    Attributes
    ----------
    name : str or None
    source : str
        The NumPy program.
    inputs : list of Variable
    outputs : list of Variable
        The expressions that the program computes, rewritten.

    Notes
    -----
    A function can be called from several threads. All that it computes is computed in new arrays.
    With updates, calls of all functions that have any go one after the other; the values of its
    shared variables are replaced in one step, all of them or, if the call is interrupted by Ctrl-C
    or fails, none.
    """

    def __init__(self, inputs, variables, outputs, updates, returns, name, downcast, states):
        self.inputs = [i.variable for i in inputs]
        self.name = name
        self._arguments = inputs, variables, outputs, updates, returns, name, downcast, states
        self._ins = inputs
        self._variables = variables
        self._returns = returns
        self._n_outputs = len(outputs)
        self._downcast = downcast
        self._states = states
        everything = [*outputs, *(new for _, new in updates)]
        self.shared = [v for v in ancestors(everything) if isinstance(v, Shared)]
        with made_here():
            rewritten = rewrite(everything)
        self.outputs = rewritten[: len(outputs)]
        self.program = Program([*variables, *self.shared], rewritten, ancestors(everything))
        self._set = [s for s, _ in updates]
        self._sized = [any(isinstance(n, int) for n in v.dims) for v in variables]
        self._types = [
            (np.dtype(v.dtype), v.ndim, sized)
            for v, sized in zip(variables, self._sized, strict=True)
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
        graph = SimpleNamespace(inputs=self.inputs, outputs=self.outputs)
        graph.toposort = lambda: [v for v in ancestors(self.outputs) if v.operation is not None]
        return SimpleNamespace(fgraph=graph)

    def __repr__(self):
        return f"<function {self.name or ''}({', '.join(map(repr, self.inputs))})>"

    def __reduce__(self):
        return Function, self._arguments

    def __getitem__(self, variable):
        """Return the value of an input with an update, or of a shared variable."""
        for v, state in [*self._states.items(), *((s, s) for s in self.shared)]:
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
        if kwargs or len(args) != len(self._types):
            args = self._bound(args, kwargs)
        values = []
        for a, (dtype, ndim, sized) in zip(args, self._types, strict=True):
            if type(a) is np.ndarray and a.dtype is dtype and a.ndim == ndim and not sized:
                values.append(a)
            else:
                values.append(self._value(len(values), a))
        if self._set:
            with _updating:
                results = self._run([*values, *map(_values_of, self.shared)])
                new = [np.asarray(r) for r in results[self._n_outputs :]]
                for s, value in zip(self._set, new, strict=True):
                    _check_ones(s, value)
                # One step for Python, so that neither Ctrl-C nor a thread comes between.
                list(map(Shared._value.__set__, self._set, new))
        else:
            results = self._run([*values, *map(_values_of, self.shared)])
        if self._returns is True:
            return np.asarray(results[0])
        if self._returns == "none":
            return None
        arrays = [np.asarray(r) for r in results[: self._n_outputs]]
        if isinstance(self._returns, list):
            return dict(zip(self._returns, arrays, strict=True))
        return arrays

    def _run(self, values):
        try:
            return self.program.run(*values)
        except Exception as error:
            explained = self._explained(error, values)
            if explained is None:
                raise
            raise explained from (None if isinstance(error, AssertionError) else error)

    def _bound(self, args, kwargs):
        names = [i.name for i in self._ins]
        title = self.name or "the function"
        listed = ", ".join(map(repr, self.inputs)) or "none"
        if len(args) > len(names):
            raise TypeError(f"{title} takes {len(names)} inputs ({listed}), got {len(args)}")
        values = dict(enumerate(args))
        for name, value in kwargs.items():
            if name not in names:
                raise TypeError(f"{title} has no input called {name!r}; it takes {listed}")
            if names.index(name) in values:
                raise TypeError(f"{title} got the input {name!r} twice")
            values[names.index(name)] = value
        missing = []
        for i, given in enumerate(self._ins):
            if i not in values:
                if given.value is None:
                    missing.append(repr(given.variable))
                values[i] = given.value
        if missing:
            raise TypeError(f"{title} takes the inputs {listed}; {', '.join(missing)} missing")
        return [values[i] for i in range(len(names))]

    def _value(self, i, given):
        variable = self._variables[i]
        title = f"{self.name or 'the function'}, input {self.inputs[i]!r}"
        if isinstance(given, Variable):
            raise TypeError(f"{title}: expected a value, got the variable {given!r}")
        downcast = self._ins[i].downcast
        downcast = self._downcast if downcast is None else downcast
        try:
            return as_value(title, given, variable.dtype, variable.dims, downcast)
        except (TypeError, ValueError) as error:
            place = "made at {}:{}".format(*self.inputs[i].made_at)
            raise type(error)(f"{error} ({self.inputs[i]!r} was {place})") from error.__cause__

    def _explained(self, error, values):
        """Return an error that tells which operation failed and where it was made, or None."""
        frame, line = None, None
        traceback = error.__traceback__
        while traceback is not None:
            if traceback.tb_frame.f_code is self.program.run.__code__:
                frame, line = traceback.tb_frame, traceback.tb_lineno
            traceback = traceback.tb_next
        variable = None if frame is None else self.program.variable_at(line)
        kinds = (ValueError, TypeError, IndexError, ArithmeticError, MemoryError, AssertionError)
        if variable is None or not isinstance(error, kinds):
            return None
        title = self.name or "the function"
        if isinstance(error, AssertionError):
            code = self.program._lines[line - 2][0].removeprefix("assert ")
            return ValueError(
                f"{title}: the sizes of axes differ, {code} doesn't hold for "
                f"{self._shapes(variable, code, frame)}; {variable.operation.name} needs it, "
                f"{described(variable)}. An axis whose size isn't known when a function is "
                "compiled doesn't broadcast; declare it as 1 with T.row, T.col, dimshuffle or "
                "T.addbroadcast"
            )
        parts = []
        for x in variable.inputs:
            text = self.program.text(x)
            try:
                parts.append(f"{text} {np.shape(eval(text, frame.f_globals, frame.f_locals))}")
            except Exception:
                parts.append(text)
        kind = OverflowError if isinstance(error, OverflowError) else type(error)
        return kind(
            f"{title}: {variable.operation.name} of {', '.join(parts)} "
            f"failed: {error}; it computes {described(variable)}"
        )

    def _shapes(self, variable, code, frame):
        """Return the names and shapes of the arrays that a condition is about."""
        texts = [part.rpartition(".shape[")[0] for part in code.split(" == ")]
        shown = []
        for text in filter(None, texts):
            shape = np.shape(eval(text, frame.f_globals, frame.f_locals))
            shown.append(f"{text} of shape {shape}")
        return " and ".join(shown)


def _check_ones(s, value):
    for axis, n in enumerate(s.dims):
        if n == 1 and value.shape[axis] != 1:
            raise ValueError(
                f"the update of {s!r} has shape {value.shape}, but its axis {axis} must have size 1"
            )


def _state(given):
    v = given.variable
    return as_value(f"the value of {v!r}", given.value, v.dtype, v.dims).copy()


def _checked(inputs):
    variables = [i.variable for i in inputs]
    for v in variables:
        if not isinstance(v, Variable):
            raise TypeError(f"inputs must be variables, got {v!r}")
        if isinstance(v, Shared):
            raise TypeError(
                f"the shared variable {v!r} can't be an input: it has a value already; givens can "
                "put another variable in its place"
            )
        if isinstance(v, Constant):
            raise TypeError(f"the constant {v!r} can't be an input")
    if len(set(variables)) < len(variables):
        twice = next(v for v in variables if variables.count(v) > 1)
        raise ValueError(f"inputs have {twice!r} twice")
    return variables


def _update_pairs(updates):
    result, seen = [], set()
    for s, new in _pairs("updates", updates):
        if not isinstance(s, Shared):
            raise TypeError(f"updates must be of shared variables, got {s!r}")
        if s in seen:
            raise ValueError(f"updates have {s!r} twice")
        seen.add(s)
        result.append((s, as_variable(new)))
    return result


def _with_defaults(pairs, everything, no_default_updates, n, replace):
    """Add the default updates of shared variables, as long as new ones come up."""
    pairs = list(pairs)
    seen = {s for s, _ in pairs}
    skip = set(no_default_updates) if isinstance(no_default_updates, list | tuple | set) else ()
    while no_default_updates is not True:
        new = [
            v
            for v in ancestors(everything)
            if isinstance(v, Shared)
            and v.default_update is not None
            and v not in seen
            and v not in skip
        ]
        if not new:
            break
        seen |= set(new)
        more = [_as_type_of(s, as_variable(s.default_update), "the update of") for s in new]
        pairs += list(zip(new, more, strict=True))
        everything = [*everything, *substitute(more, replace)]
    return pairs, everything


def _given(givens):
    replace = {}
    for old, new in _pairs("givens", givens):
        if not isinstance(old, Variable):
            raise TypeError(f"givens must be of variables, got {old!r}")
        if old in replace:
            raise ValueError(f"givens have {old!r} twice")
        replace[old] = _as_type_of(old, as_variable(new), "what is given for")
    return replace


def _pairs(name, pairs):
    pairs = list(pairs.items() if isinstance(pairs, Mapping) else pairs or ())
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"{name} must be a dict or a list of pairs, got {pair!r} in it")
    return pairs


def _as_type_of(old, new, what):
    new = as_variable(new)
    if new.ndim != old.ndim:
        raise TypeError(
            f"{what} {old!r} must have {old.ndim} axes, got {new.ndim}: {described(new)}"
        )
    if isinstance(new, Constant) and new.ndim == 0:
        given = new.value.item() if new.weak else new.value
        return Constant(as_value(f"{what} {old!r}", given, old.dtype, ()), new.name)
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


def _leaves(variables):
    """Return the inputs as leaves: one takes the place of an input that is computed."""
    leaves = {}
    for v in variables:
        if v.operation is not None:
            dims = [n if isinstance(n, int) else None for n in v.dims]
            leaves[v] = Input(v.dtype, dims, v.name)
            leaves[v].made_at = v.made_at
    return [leaves.get(v, v) for v in variables], leaves


def _check_use(inputs, variables, written, on_unused_input, everything):
    order = ancestors(everything)
    used = set(order)
    mentioned = None
    for given, v in zip(inputs, variables, strict=True):
        if v in used or on_unused_input == "ignore":
            continue
        mentioned = _mentioned(written) if mentioned is None else mentioned
        if given.variable in mentioned:  # as x is in the derivative of 3 x
            continue
        message = (
            f"the outputs don't need the input {described(given.variable)}; "
            "on_unused_input='ignore' allows that"
        )
        if on_unused_input == "raise":
            raise UnusedInputError(message)
        warnings.warn(message, stacklevel=3)
    known = set(variables)
    for v in order:
        if isinstance(v, Input) and v not in known:
            message = f"inputs lack {described(v)}"
            for user in order:
                if v in user.inputs:
                    raise MissingInputError(f"{message}, which is needed for {described(user)}")
            raise MissingInputError(f"{message}, which is an output")


def _mentioned(outputs):
    """Return all variables that the costs depend on which outputs are gradients of."""
    return set(ancestors([cost_of[v] for v in ancestors(outputs) if v in cost_of]))
