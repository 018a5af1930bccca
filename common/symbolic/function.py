"""From expressions to a function: what stands for what, and whether all is there."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from common.symbolic.compiled import Compiled, Function
from common.symbolic.errors import MissingInputError, UnusedInputError, described
from common.symbolic.graph import Constant, Input, Length, Variable, ancestors, as_variable
from common.symbolic.rewrite import substitute
from common.symbolic.shape import cast
from common.symbolic.shared import Shared
from common.symbolic.values import as_value

__all__ = ["In", "function"]


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
) -> Function:
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
    compiled = Compiled(variables, everything[:n], list(new_values))
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
    if isinstance(new, Constant) and new.weak:
        return Constant(as_value(f"{what} {old!r}", new.value.item(), old.dtype, 0))
    if not np.can_cast(new.dtype, old.dtype, "same_kind" if new.weak else "safe"):
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
    order = ancestors(everything)
    used = set(order)
    for given, v in zip(inputs, variables, strict=True):
        if v not in used and on_unused_input != "ignore":
            message = (
                f"the outputs don't need the input {described(given.variable)}; "
                "on_unused_input='ignore' allows that"
            )
            if on_unused_input == "raise":
                raise UnusedInputError(message)
            warnings.warn(message, stacklevel=3)
    for v in order:
        if isinstance(v, Input) and v not in variables:
            message = f"inputs lack {described(v)}"
            for user in order:
                if v in user.inputs:
                    raise MissingInputError(f"{message}, which is needed for {described(user)}")
            raise MissingInputError(f"{message}, which is an output")


def evaluate(variable: Variable, inputs: Mapping[Variable, object] | None = None) -> np.ndarray:
    """Return the value of an expression, for values of its inputs."""
    inputs = inputs or {}
    return function(list(inputs), variable, on_unused_input="ignore")(*inputs.values())


Variable.eval = evaluate
