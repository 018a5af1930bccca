"""The derivative of an expression, as an expression: reverse mode on the graph.

The adjoint of a variable v is ∂cost/∂v. The cost's own is 1. Any other variable's is a sum over the
operations that it goes into: each one's derivative rule turns the adjoint of what the operation
makes into a share of the adjoint of what went in. A variable's turn comes when all that it goes
into have had theirs, so each adjoint is derived once, however many paths lead through it: dynamic
programming, with the graph as its table.
"""

import warnings
from collections.abc import Sequence

from common.symbolic.elementwise import op
from common.symbolic.errors import DisconnectedInputError, described
from common.symbolic.graph import Constant, Variable, ancestors, made_here, users_place
from common.symbolic.reduction import spread
from common.symbolic.rewrite import rewrite
from common.symbolic.shape import cast

__all__ = ["Adjoints", "grad"]


def grad(
    cost: Variable,
    wrt: Variable | Sequence[Variable],
    consider_constant: Sequence[Variable] = (),
    disconnected_inputs: str = "raise",
):
    """Return ∂cost/∂wrt, an expression.

    The derivative by an integer variable is that by a real number of the same value. Operations
    whose results are integers or truths pass on a derivative of 0.

    Parameters
    ----------
    cost : Variable
        A real number (no axes).
    wrt : Variable, or list or tuple of them
        What to derive by: inputs, shared variables, or what was computed from them. All in one call
        share the work.
    consider_constant : list of Variable
        What not to derive through.
    disconnected_inputs : {"raise", "warn", "ignore"}
        What to do if the cost doesn't depend on a variable of `wrt`. The derivative is then 0.

    Returns
    -------
    Variable, or list or tuple as `wrt` is one
        Each in the shape of the variable, and in its dtype unless that is an integer's.

    Raises
    ------
    TypeError
        If the cost isn't a real number, or depends on a variable by way of complex numbers.
    DisconnectedInputError
        If the cost doesn't depend on a variable of `wrt`; a ValueError.

    Examples
    --------
    >>> import common.symbolic.tensor as T
    >>> x, y = T.dscalars("x", "y")
    >>> T.grad((x + 2 * y) ** 2, y).eval({x: 1, y: 2})
    array(20.)
    """
    return Adjoints(cost, consider_constant).grad(wrt, disconnected_inputs)


class Adjoints:
    """The adjoints of one cost, derived when they are asked for, and kept.

    Asked for many variables one by one, it derives no more than if asked for all at once. `grad`
    called many times begins anew each time, as Theano does.

    Parameters
    ----------
    cost : Variable
    consider_constant : list of Variable
        What not to derive through.

    Raises
    ------
    TypeError
        If the cost isn't a real number.

    Examples
    --------
    >>> import common.symbolic.tensor as T
    >>> x, y = T.dscalars("x", "y")
    >>> adjoints = Adjoints((x + 2 * y) ** 2)
    >>> dx, dy = adjoints.grad(x), adjoints.grad(y)
    """

    def __init__(self, cost: Variable, consider_constant: Sequence[Variable] = ()):
        if not isinstance(cost, Variable):
            raise TypeError(f"cost must be a variable, got {cost!r}")
        if cost.ndim != 0:
            raise TypeError(
                f"cost must be a number, but it has {cost.ndim} axes; take its sum or mean: "
                f"{described(cost)}"
            )
        if cost.dtype.kind != "f":
            raise TypeError(f"cost must be a real number, got {cost.dtype}: {described(cost)}")
        self.cost = cost
        self.constant = _variables("consider_constant", consider_constant)
        self._walks = {}

    def grad(self, wrt: Variable | Sequence[Variable], disconnected_inputs: str = "raise"):
        """Return ∂cost/∂wrt; parameters, result and errors are those of `grad`."""
        if disconnected_inputs not in ("raise", "warn", "ignore"):
            raise ValueError(
                "disconnected_inputs must be 'raise', 'warn' or 'ignore', "
                f"got {disconnected_inputs!r}"
            )
        variables = _variables("wrt", [wrt] if isinstance(wrt, Variable) else wrt)
        with made_here():
            walk, stand_in = self._walk(variables)
            found = walk.adjoints([stand_in.get(x, x) for x in variables])
            grads = [
                g if g is not None else self._disconnected(x, disconnected_inputs)
                for x, g in zip(variables, found, strict=True)
            ]
        if isinstance(wrt, Variable):
            return grads[0]
        return tuple(grads) if isinstance(wrt, tuple) else grads

    def _walk(self, variables):
        # Stable forms come first: the derivative of log softmax has no division by 0, that of its
        # parts has. What lies inside of the expression and is asked for must survive that.
        inside = [v for v in variables if v.operation is not None]
        kept = list(dict.fromkeys([*inside, *(v for v in self.constant if v.operation)]))
        key = frozenset(inside)
        if key not in self._walks:
            cost, *stand_ins = rewrite([self.cost, *kept], keep=kept)
            stand_in = dict(zip(kept, stand_ins, strict=True))
            constant = [stand_in.get(v, v) for v in self.constant]
            self._walks[key] = Walk(cost, self.cost.name, constant), stand_in
        return self._walks[key]

    def _disconnected(self, x, disconnected_inputs):
        message = f"the cost {described(self.cost)}, doesn't depend on {described(x)}"
        if disconnected_inputs == "raise":
            raise DisconnectedInputError(message)
        if disconnected_inputs == "warn":
            warnings.warn_explicit(message, UserWarning, *users_place())
        return _zero(x)


class Walk:
    """The way back through one expression.

    Parameters
    ----------
    cost : Variable
    called : str, optional
        What to call the cost in the names of adjoints.
    constant : sequence of Variable
        What not to go through.

    Attributes
    ----------
    shares : dict of (Variable, int) to Variable
        The share of the adjoint of input `i` of a variable that came by way of that variable.
    """

    def __init__(
        self, cost: Variable, called: str | None = None, constant: Sequence[Variable] = ()
    ):
        self.cost, self.called = cost, called or "cost"
        self.order, constant = ancestors([cost]), frozenset(constant)
        self.users = {variable: [] for variable in self.order}
        for variable in self.order:
            if variable.operation is not None and variable not in constant:
                for i, x in enumerate(variable.inputs):
                    if variable.operation.connected(i):
                        self.users[x].append((variable, i))
        self.place = {variable: i for i, variable in enumerate(self.order)}
        self.known = {cost: Constant(cost.dtype.type(1))}
        self.shares = {}

    def adjoints(self, variables: Sequence[Variable]) -> list[Variable | None]:
        """Return the adjoint of each of `variables`; None where the cost doesn't depend on it."""
        for variable in self._between(variables):
            self.known[variable] = self._adjoint(variable)
        return [self.known.get(x) for x in variables]

    def _between(self, variables):
        """Return what lies between `variables` and what is known, nearest to the cost first."""
        needed = set()
        stack = [x for x in variables if x in self.users]
        while stack:
            x = stack.pop()
            if x not in needed and x not in self.known:
                needed.add(x)
                stack.extend(user for user, _ in self.users[x])
        return sorted(needed, key=self.place.__getitem__, reverse=True)

    def _adjoint(self, x):
        total = None
        connected = False
        for user, i in self.users[x]:
            g = self.known.get(user)
            if g is None:
                continue
            connected = True
            share = self._share(user, i, g)
            if share is not None:
                total = share if total is None else op("add", total, share)
        if total is None:
            return _zero(x) if connected else None
        if x.name and total.name is None and total.operation is not None:
            total.name = f"∂{self.called}/∂{x.name}"
        return total

    def _share(self, user, i, g):
        """Return what comes back from `user` to its input `i`; None for 0."""
        for v in (user, user.inputs[i]):
            if v.dtype.kind == "c":
                raise TypeError(f"complex numbers can't be derived through: {described(v)}")
        if user.dtype.kind != "f" or not user.operation.smooth or _is_zero(g):
            return None
        x = user.inputs[i]
        share = user.operation.derivative(i, user, g, *user.inputs)
        if share is not None:
            if share.dtype != x.dtype and x.dtype.kind == "f":
                share = cast(share, x.dtype)
            self.shares[user, i] = share
        return share


def _zero(x):
    dtype = x.dtype if x.dtype.kind == "f" else "floatX"
    return spread(cast(Constant(0.0), dtype), x)


def _is_zero(g):
    while g.operation is not None and g.operation.name in ("spread", "cast"):
        g = g.inputs[0]
    return isinstance(g, Constant) and g.ndim == 0 and g.value == 0


def _variables(name, values):
    if isinstance(values, Variable):
        return [values]
    values = list(values) if isinstance(values, (list, tuple, set, frozenset)) else [values]
    for value in values:
        if not isinstance(value, Variable):
            raise TypeError(f"{name} must be variables, got {value!r}")
    return values
