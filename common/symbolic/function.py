"""Functions: expressions that were compiled, and can be called with values."""

import warnings
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import numpy as np

from common.symbolic.agreement import assume_agreement
from common.symbolic.errors import MissingInputError, UnusedInputError, described
from common.symbolic.graph import Constant, Input, Length, Variable, ancestors, as_variable
from common.symbolic.program import Program
from common.symbolic.rewrite import rewrite, share_logsumexp, substitute
from common.symbolic.shape import cast
from common.symbolic.shared import Shared
from common.symbolic.values import as_value

__all__ = ["Function", "In", "function"]


class In:
    """An input of a function, with a default value, or a name for keyword arguments.

    Parameters
    ----------
    variable : Variable
    value : array_like, optional
        What it is when a call doesn't tell.
    name : str, optional
        For keyword arguments; by default the variable's.
    """

    def __init__(self, variable: Variable, value=None, name: str | None = None):
        self.variable = variable
        self.name = name or getattr(variable, "name", None)
        self.value = value


def function(
    inputs: Sequence[Variable | In],
    outputs: Variable | Sequence[Variable] | None = None,
    updates: Mapping[Shared, Variable] | Sequence[tuple[Shared, Variable]] = (),
    givens: Mapping[Variable, Variable] | Sequence[tuple[Variable, Variable]] = (),
    on_unused_input: str = "raise",
    name: str | None = None,
    allow_input_downcast: bool = False,
) -> "Function":
    """Return a function that computes `outputs` from `inputs`.

    Parameters
    ----------
    inputs : list of Variable or In
        What it is called with. Also variables that others are computed from: the call's value then
        takes the place of what would have been computed.
    outputs : Variable, list of Variable, or None
        A call returns an array, a list of arrays, or None.
    updates : dict, or list of pairs
        New values of shared variables. All are computed from the old ones, and from the same as the
        outputs, and take their place when all is done.
    givens : dict, or list of pairs
        Variables, and what to put in their place, all at once.
    on_unused_input : {"raise", "warn", "ignore"}
        What to do about an input that isn't needed.
    name : str, optional
        For error messages.
    allow_input_downcast : bool
        Whether a call's values may lose digits, float64 to float32 say.

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
    if isinstance(inputs, (Variable, In)) or not isinstance(inputs, Sequence):
        raise TypeError(f"inputs must be a list of variables, got {inputs!r}")
    inputs = [i if isinstance(i, In) else In(i) for i in inputs]
    single = outputs is not None and not isinstance(outputs, (list, tuple))
    outputs_list = [] if outputs is None else [outputs] if single else list(outputs)
    outputs_list = [as_variable(o) for o in outputs_list]
    updates = _update_pairs(updates)

    everything = [*outputs_list, *(new for _, new in updates)]
    everything = substitute(everything, _given(givens))
    variables, everything = _leaves(_checked(inputs), everything)
    _check_use(inputs, variables, everything, on_unused_input)

    n = len(outputs_list)
    new_values = zip((s for s, _ in updates), everything[n:], strict=True)
    compiled = _Compiled(variables, everything[:n], list(new_values))
    returns = "none" if outputs is None else "one" if single else "list"
    return Function(inputs, variables, compiled, returns, name, allow_input_downcast)


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
        if variables.count(v) > 1:
            raise ValueError(f"inputs have {v!r} twice")
    return variables


def _update_pairs(updates):
    pairs = _pairs("updates", updates)
    result, seen = [], set()
    for s, new in pairs:
        if not isinstance(s, Shared):
            raise TypeError(f"updates must be of shared variables, got {s!r}")
        if s in seen:
            raise ValueError(f"updates have {s!r} twice")
        seen.add(s)
        new = _as_type_of(s, as_variable(new), "the update of")
        result.append((s, _named(new, s.name and f"new {s.name}")))
    return result


def _given(givens):
    replace = {}
    for old, new in _pairs("givens", givens):
        if not isinstance(old, Variable):
            raise TypeError(f"givens must be of variables, got {old!r}")
        if old in replace:
            raise ValueError(f"givens have {old!r} twice")
        replace[old] = _named(_as_type_of(old, as_variable(new), "what is given for"), old.name)
    return replace


def _named(variable, name):
    """Return a variable called `name`, unless `variable` has a name, with the same value."""
    if name is None or variable.name is not None or variable.operation is None:
        return variable
    named = variable.operation(*variable.inputs)
    named.name, named.made_at = name, variable.made_at
    return named


def _pairs(name, pairs):
    pairs = list(pairs.items() if isinstance(pairs, Mapping) else pairs)
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"{name} must be a dict or a list of pairs, got {pair!r} in it")
    return pairs


def _as_type_of(old, new, what):
    if new.ndim != old.ndim:
        raise TypeError(
            f"{what} {old!r} must have {old.ndim} axes, got {new.ndim}: {described(new)}"
        )
    fits = new.weak or np.can_cast(new.dtype, old.dtype, "safe")
    if not fits or (new.weak and not np.can_cast(new.dtype, old.dtype, "same_kind")):
        raise TypeError(
            f"{what} {old!r} must be {old.dtype}, got {new.dtype}: {described(new)}; cast it with "
            f"T.cast(…, '{old.dtype}')"
        )
    return cast(new, old.dtype)


def _leaves(variables, everything):
    """Return the inputs as leaves: one takes the place of an input that is computed."""
    leaves = {}
    for v in variables:
        if v.operation is not None:
            lengths = [None if isinstance(n, Length) else n for n in v.lengths]
            leaves[v] = Input(v.dtype, lengths, v.name)
            leaves[v].made_at = v.made_at
    return [leaves.get(v, v) for v in variables], substitute(everything, leaves)


def _check_use(inputs, variables, everything, on_unused_input):
    used = set(ancestors(everything))
    for given, v in zip(inputs, variables, strict=True):
        if v not in used and on_unused_input != "ignore":
            message = (
                f"the outputs don't need the input {described(given.variable)}; "
                "on_unused_input='ignore' allows that"
            )
            if on_unused_input == "raise":
                raise UnusedInputError(message)
            warnings.warn(message, stacklevel=3)
    for v in used - set(variables):
        if isinstance(v, Input):
            message = f"inputs lack {described(v)}"
            for user in ancestors(everything):
                if v in user.inputs:
                    raise MissingInputError(f"{message}, which is needed for {described(user)}")
            raise MissingInputError(f"{message}, which is an output")


class _Compiled:
    """Programs for one set of expressions: one for lengths that agree, one for all others."""

    def __init__(self, variables, outputs, updates):
        self.variables, self.outputs, self.updates = variables, outputs, updates
        everything = [*outputs, *(new for _, new in updates)]
        self.shared = [v for v in ancestors(everything) if isinstance(v, Shared)]
        self.arguments = [*variables, *self.shared]

        agreed, leaves, groups = assume_agreement(everything)
        leaf = [leaves.get(v, v) for v in self.arguments]
        self.rewritten = _simplified(agreed)
        self.program = Program(leaf, self.rewritten)
        names = dict(zip(self.arguments, map(self.program.name, leaf), strict=True))
        conditions = [
            " == ".join(str(m) if isinstance(m, int) else f"{names[m[0]]}.shape[{m[1]}]" for m in g)
            for g in groups
        ]
        self.conditions = conditions
        check = f"lambda {', '.join(names.values())}: {' and '.join(conditions) or True}"
        self.agree = eval(check, {"__builtins__": {}})
        self._careful = None

    def program_for(self, values):
        """Return the program that can be run on these values of the arguments."""
        if self.agree(*values):
            return self.program
        if self._careful is None:
            everything = [*self.outputs, *(new for _, new in self.updates)]
            self._careful = Program(self.arguments, _simplified(everything))
        return self._careful


def _simplified(outputs):
    outputs = rewrite(outputs)
    shared = share_logsumexp(outputs)
    return outputs if shared == outputs else rewrite(shared)


class Function:
    """A compiled function. Made by `function`; call it.

    Attributes
    ----------
    name : str or None
    source : str
        The NumPy program, for arguments whose lengths agree as its first lines tell. Broadcasting
        where they don't takes another program, which is derived when it is needed first.
    inputs : list of Variable
    outputs : list of Variable
        The expressions that the program computes, rewritten.
    """

    def __init__(self, inputs, variables, compiled, returns, name, downcast):
        self.inputs = [i.variable for i in inputs]
        self.name = name
        self._inputs = inputs
        self._compiled = compiled
        self._returns = returns
        self._downcast = downcast
        self._types = [(v.dtype, v.ndim, 1 in v.lengths) for v in variables]
        self._variables = variables

    @property
    def source(self) -> str:
        """The NumPy program."""
        where = "".join(f"# where {c}\n" for c in self._compiled.conditions)
        return where + self._compiled.program.source

    @property
    def outputs(self) -> list[Variable]:
        """The expressions that the program computes, rewritten."""
        return self._compiled.rewritten[: len(self._compiled.outputs)]

    @property
    def leaves(self) -> dict[Variable, Variable]:
        """What stands in `outputs` for each input, and for each shared variable."""
        arguments = [*self.inputs, *self._compiled.shared]
        return dict(zip(arguments, self._compiled.program.inputs, strict=True))

    @property
    def conditions(self) -> list[str]:
        """Which lengths must agree for `source` and `outputs` to hold, as Python expressions."""
        return self._compiled.conditions

    def agrees(self, *values: np.ndarray) -> bool:
        """Return whether arrays, in the order of `leaves`, have lengths that agree so."""
        return self._compiled.agree(*values)

    @property
    def maker(self):
        """Where Theano's tutorials look for the rewritten outputs: ``f.maker.fgraph.outputs``."""
        return SimpleNamespace(fgraph=SimpleNamespace(inputs=self.inputs, outputs=self.outputs))

    def __repr__(self):
        return f"<function {self.name or ''}({', '.join(map(repr, self.inputs))})>"

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
        for a, (dtype, ndim, fixed) in zip(args, self._types, strict=True):
            if type(a) is np.ndarray and a.dtype is dtype and a.ndim == ndim and not fixed:
                values.append(a)
            else:
                values.append(self._value(len(values), a))
        compiled = self._compiled
        values += [s._value for s in compiled.shared]
        program = compiled.program_for(values)
        try:
            results = program.run(*values)
        except Exception as error:
            explained = self._explained(error, program)
            if explained is None:
                raise
            raise explained from error

        n_outputs = len(compiled.outputs)
        for (s, _), value in zip(compiled.updates, results[n_outputs:], strict=True):
            s._value = np.asarray(value)
        if self._returns == "one":
            return np.asarray(results[0])
        if self._returns == "none":
            return None
        return [np.asarray(r) for r in results[:n_outputs]]

    def _bound(self, args, kwargs):
        names = [i.name for i in self._inputs]
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
        for i, given in enumerate(self._inputs):
            if i not in values:
                if given.value is None:
                    missing.append(repr(given.variable))
                values[i] = given.value
        if missing:
            raise TypeError(f"{title} takes the inputs {listed}; {', '.join(missing)} missing")
        return [values[i] for i in range(len(names))]

    def _value(self, i, given):
        variable = self._variables[i]
        title = f"{self.name or 'the function'}, input {described(self.inputs[i])}"
        if isinstance(given, Variable):
            raise TypeError(f"{title}: expected a value, got the variable {given!r}")
        array = as_value(title, given, variable.dtype, variable.ndim, self._downcast)
        for axis, n in enumerate(variable.lengths):
            if isinstance(n, int) and array.shape[axis] != n:
                raise TypeError(
                    f"{title}: axis {axis} must be of length {n}, got shape {array.shape}"
                )
        return array

    def _explained(self, error, program):
        """Return an error that tells which operation failed and where it was made; None if none."""
        if type(error) not in (ValueError, TypeError, IndexError, ZeroDivisionError, MemoryError):
            return None
        frame, line = None, None
        traceback = error.__traceback__
        while traceback is not None:
            if traceback.tb_frame.f_code is program.run.__code__:
                frame, line = traceback.tb_frame, traceback.tb_lineno
            traceback = traceback.tb_next
        variable = None if frame is None else program.variable_at(line)
        if variable is None:
            return None
        variable, parts = _failed(variable, program, frame)
        return type(error)(
            f"{self.name or 'the function'}: {variable.operation.name} of {', '.join(parts)} "
            f"failed: {error}; it computes {described(variable)}"
        )


def _failed(variable, program, frame):
    """Return which part of the line that computes `variable` failed, and its inputs' shapes."""
    parts = []
    for x in variable.inputs:
        text = program.text(x)
        try:
            parts.append(f"{text} {np.shape(eval(text, frame.f_globals, frame.f_locals))}")
        except Exception:
            return _failed(x, program, frame)
    return variable, parts


def evaluate(variable: Variable, inputs: Mapping[Variable, object] | None = None) -> np.ndarray:
    """Return the value of an expression, for values of its inputs."""
    inputs = inputs or {}
    return function(list(inputs), variable, on_unused_input="ignore")(*inputs.values())


Variable.eval = evaluate
