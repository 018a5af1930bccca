"""Compiled functions: what happens when one is called.

The arguments are checked and converted, the program that fits their lengths is run, and shared
variables are given their new values. An error tells which operation failed, and where it was made.
"""

from types import SimpleNamespace

import numpy as np

from common.symbolic.agreement import assume_agreement
from common.symbolic.errors import described
from common.symbolic.graph import Variable, ancestors, made_here
from common.symbolic.program import Program
from common.symbolic.rewrite import rewrite, share_logsumexp
from common.symbolic.shared import Shared
from common.symbolic.values import as_value

__all__ = ["Compiled", "Function"]


class Compiled:
    """Programs for one set of expressions: one for lengths that agree, one for all others.

    Parameters
    ----------
    variables : list of Variable
        The inputs, all of them leaves.
    outputs : list of Variable
    updates : list of (Shared, Variable)
        Shared variables and their new values.

    Attributes
    ----------
    shared : list of Shared
        Those whose values are needed: arguments of the programs, after the inputs.
    rewritten : list of Variable
        Outputs and new values, as the first program computes them.
    program : Program
        For lengths that agree.
    conditions : list of str
        Which ones must, as Python expressions.
    agree : callable
        From all arguments' values to whether they do.
    """

    def __init__(
        self,
        variables: list[Variable],
        outputs: list[Variable],
        updates: list[tuple[Shared, Variable]],
    ):
        self.outputs, self.updates = outputs, updates
        self._everything = everything = [*outputs, *(new for _, new in updates)]
        self.shared = [v for v in ancestors(everything) if isinstance(v, Shared)]
        self.arguments = [*variables, *self.shared]

        with made_here():
            try:
                agreed, leaves, groups = assume_agreement(everything)
            except (ValueError, TypeError):  # the lengths can only fit by broadcasting
                agreed, leaves, groups = everything, {}, []
            self.rewritten = _simplified(agreed)
        leaf = [leaves.get(v, v) for v in self.arguments]
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
            self._careful = Program(self.arguments, _simplified(self._everything))
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
        self._types = [
            (v.dtype, v.ndim, any(isinstance(n, int) for n in v.lengths)) for v in variables
        ]
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
