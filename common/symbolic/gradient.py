"""The gradient of an expression, as an expression: reverse-mode automatic differentiation.

The adjoint of a variable v is ∂cost/∂v. That of the cost is 1. That of any other variable is the
sum of one contribution per operation that uses it: the operation's vector-Jacobian product (VJP)
with the adjoint of its output. The graph is walked in reverse topological order, so an adjoint is
complete before it is used, and is derived once however many paths lead through it: dynamic
programming with one table entry per variable.
"""

import warnings
import weakref
from collections.abc import Sequence

from common.symbolic import arrays
from common.symbolic import elementwise as ew
from common.symbolic.elementwise import Elementwise
from common.symbolic.graph import (
    Constant,
    DisconnectedInputError,
    Variable,
    ancestors,
    described,
    made_here,
    users_place,
)
from common.symbolic.products import Dot, Softmax, ignores_slices
from common.symbolic.rewrites import stabilized

__all__ = ["Adjoints", "Walk", "disconnected_grad", "grad", "hessian", "jacobian", "zero_grad"]

# Which cost a variable is a gradient of: an input that only the cost needs counts as used.
cost_of = weakref.WeakKeyDictionary()

ZERO = object()  # the adjoint of what is connected to the cost only by derivatives that are 0


def grad(
    cost: Variable,
    wrt: Variable | Sequence[Variable],
    consider_constant: Sequence[Variable] = (),
    disconnected_inputs: str = "raise",
    add_names: bool = True,
    known_grads=None,
    return_disconnected: str = "zero",
    null_gradients: str = "raise",
):
    """Return ∂cost/∂wrt, an expression.

    Parameters
    ----------
    cost : Variable
        A scalar.
    wrt : Variable, or list or tuple of them
        Inputs, shared variables, or what was computed from them. All in one call share the work.
    consider_constant : list of Variable
        What not to differentiate through.
    disconnected_inputs : {"raise", "warn", "ignore"}
        What to do if the cost doesn't depend on a variable of `wrt`. The gradient is then 0.
    add_names, return_disconnected, null_gradients
        Accepted for Theano's sake; they have no effect.

    Returns
    -------
    Variable, or list or tuple as `wrt` is one
        Each in the shape of the variable, and in its dtype; of floatX with respect to integers.

    Raises
    ------
    TypeError
        If the cost isn't a scalar, or depends on a variable through complex numbers.
    DisconnectedInputError
        If the cost doesn't depend on a variable of `wrt`; a ValueError.

    Examples
    --------
    >>> import common.symbolic.tensor as T
    >>> x, y = T.dscalars("x", "y")
    >>> T.grad((x + 2 * y) ** 2, y).eval({x: 1, y: 2})
    array(20.)
    """
    if known_grads:
        raise NotImplementedError("grad: known_grads isn't part of this small Theano")
    return Adjoints(cost, consider_constant).grad(wrt, disconnected_inputs)


class Adjoints:
    """The adjoints of one cost, derived when they are asked for, and kept.

    Asking for gradients one at a time then takes no more work than asking for all at once. `grad`
    starts anew each time, as Theano does.

    Parameters
    ----------
    cost, consider_constant
        As `grad` takes them.

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
                f"cost must be a scalar, but it has {cost.ndim} axes; take its sum or mean: "
                f"{described(cost)}"
            )
        if cost.kind == "c":
            raise TypeError(f"cost must be real, got {cost.dtype}: {described(cost)}")
        self.cost = cost
        self.constant = _variables("consider_constant", consider_constant or ())
        self._asked = {}
        self._begin()

    def grad(self, wrt: Variable | Sequence[Variable], disconnected_inputs: str = "raise"):
        """Return ∂cost/∂wrt; parameters, result and errors are those of `grad`."""
        if disconnected_inputs not in ("raise", "warn", "ignore"):
            raise ValueError(
                "disconnected_inputs must be 'raise', 'warn' or 'ignore', "
                f"got {disconnected_inputs!r}"
            )
        variables = _variables("wrt", wrt)
        new = [v for v in variables if v.operation is not None and v not in self._asked]
        if new:
            self._asked |= dict.fromkeys(new)
            self._begin()
        with made_here():
            images = [self._image.get(v, v) for v in variables]
            self._walk.derive(images)
            grads = []
            for v, image in zip(variables, images, strict=True):
                g = self._walk.adjoint(image)
                grads.append(self._disconnected(v, disconnected_inputs) if g is None else g)
                cost_of[grads[-1]] = self.cost
        return _like_asked(wrt, grads)

    def _begin(self):
        """Start a walk from stable forms, in which all that was asked for can still be found."""
        keep = [*self._asked, *(v for v in self.constant if v.operation is not None)]
        with made_here():
            self._image = stabilized([self.cost, *keep], keep)
        constant = {self._image.get(v, v) for v in self.constant}
        self._walk = Walk(self._image.get(self.cost, self.cost), self.cost.name, constant)

    def _disconnected(self, x, disconnected_inputs):
        message = f"the cost {described(self.cost)}, doesn't depend on {described(x)}"
        if disconnected_inputs == "raise":
            raise DisconnectedInputError(message)
        if disconnected_inputs == "warn":
            warnings.warn_explicit(message, UserWarning, *users_place())
        return _zeros(x)


class Walk:
    """The backward pass through one expression.

    Parameters
    ----------
    cost : Variable
        A scalar.
    called : str, optional
        What to call the cost in the names of adjoints.
    constant : set of Variable
        What not to differentiate through.

    Attributes
    ----------
    contributions : dict of (Variable, int) to Variable
        What a variable contributed to the adjoint of its input i, unless that is 0.
    """

    def __init__(self, cost: Variable, called: str | None = None, constant=frozenset()):
        self._called = called or "cost"
        order = ancestors([cost])
        self._place = {v: i for i, v in enumerate(order)}
        self._users = {v: [] for v in order}
        for v in order:
            if v.operation is not None and v not in constant:
                for i, x in enumerate(v.inputs):
                    if v.operation.connected(i):
                        self._users[x].append((v, i))
        self._adjoint = {cost: Constant(1.0, dtype=cost.dtype) if cost.kind == "f" else ZERO}
        self._masked = set()  # variables of which some elements may be ignored
        self._sliced = set()  # those of which whole rows or columns may be
        self.contributions = {}

    def adjoint(self, v: Variable) -> Variable | None:
        """Return ∂cost/∂v; None if the cost doesn't depend on v."""
        self.derive([v])
        g = self._adjoint.get(v)
        return _zeros(v) if g is ZERO else g

    def derive(self, variables: Sequence[Variable]) -> None:
        """Complete the table for `variables` and all that lies between them and the cost."""
        needed, stack = set(), [v for v in variables if v in self._users]
        while stack:
            v = stack.pop()
            if v not in needed and v not in self._adjoint:
                needed.add(v)
                stack.extend([user for user, _ in self._users[v]])
        for v in sorted(needed, key=self._place.__getitem__, reverse=True):
            total = None
            for user, i in self._users[v]:
                if user in self._adjoint:
                    g = self._contribution(user, i)
                    if g is not ZERO:
                        self.contributions[user, i] = g
                        total = g if total in (None, ZERO) else ew.add(total, g)
                    elif total is None:
                        total = ZERO
            if total is None:
                continue
            if total is not ZERO and v.name and not total.name and total.operation:
                total.name = f"∂{self._called}/∂{v.name}"
            self._adjoint[v] = total

    def _contribution(self, user, i):
        """Return what `user` contributes to the adjoint of its input `i`: the VJP.

        Where a choice ignored an element its adjoint is 0, and must stay 0 even if the next local
        derivative is infinite.
        """
        g, x, operation = self._adjoint[user], user.inputs[i], user.operation
        for v in (user, x):
            if v.kind == "c":
                raise TypeError(f"complex numbers can't be differentiated through: {described(v)}")
        if g is ZERO or user.kind != "f" or not operation.differentiable:
            return ZERO
        sums = isinstance(operation, Dot | Softmax)  # so it ignores none or all of a row or column
        if user in self._sliced or ignores_slices(operation, x):
            self._sliced.add(x)
        masked = user in self._masked
        if x in self._sliced or operation.selects or (masked and not sums):
            self._masked.add(x)
        unbounded = isinstance(operation, Elementwise) and not operation.bounded
        guarded = unbounded and (masked or _may_be_infinite(user, i))
        if guarded and _may_be_zero(g):
            local = operation.vjp(i, user, Constant(1.0, dtype=g.dtype), *user.inputs)
            result = None if local is None else ew.zero_or_product(g, local)
        else:
            guard = {"guarded": True} if sums and user in self._sliced else {}
            result = operation.vjp(i, user, g, *user.inputs, **guard)
        if result is None:
            return ZERO
        result = arrays.sum_to(result, x)  # x may have been broadcast, or converted
        return ew.cast(result, x.dtype) if x.kind == "f" else result


def _may_be_infinite(user, i):
    """Return whether a root or power, at a finite value, can have an infinite derivative."""
    if user.operation.name == "pow" and i == 0 and isinstance(user.inputs[1], Constant):
        return bool((user.inputs[1].value < 1).any())
    return user.operation.name in ("sqrt", "pow")


def _may_be_zero(g):
    while g.operation is not None and g.operation.name in ("broadcast", "cast", "dimshuffle"):
        g = g.inputs[0]
    return not (isinstance(g, Constant) and g.value.all())


def _zeros(x):
    return arrays.zeros_like(x, x.dtype if x.kind == "f" else "floatX")


def _variables(name, values):
    """Return one variable or several as a list, or raise TypeError."""
    values = list(values) if isinstance(values, (list, tuple, set, frozenset)) else [values]
    for value in values:
        if not isinstance(value, Variable):
            raise TypeError(f"{name} must be variables, got {value!r}")
    return values


def _like_asked(wrt, results):
    """Return one result, a tuple or a list, whichever `wrt` is."""
    if isinstance(wrt, Variable):
        return results[0]
    return tuple(results) if isinstance(wrt, tuple) else results


def jacobian(expression, wrt, consider_constant=(), disconnected_inputs="raise"):
    """Return the Jacobian of a vector of known length, with one row per element.

    Parameters
    ----------
    expression : Variable
        A scalar or a vector. Its length must be known when it is defined, since each element is
        differentiated by itself; Theano used scan here.
    wrt : Variable, or list or tuple of them
    consider_constant, disconnected_inputs
        As `grad` takes them.
    """
    if expression.ndim > 1 or (expression.ndim and not isinstance(expression.dims[0], int)):
        raise NotImplementedError(
            "jacobian: expression must be a scalar or a vector whose length is known, such as a "
            "stack of scalars or x[:3] of a constant length; a loop over an unknown length would "
            "need scan, which isn't part of this small Theano"
        )
    variables = _variables("wrt", wrt)
    if expression.ndim == 0:
        return grad(expression, wrt, consider_constant, disconnected_inputs)
    rows = [grad(row, variables, consider_constant, disconnected_inputs) for row in expression]
    return _like_asked(wrt, [arrays.stack(list(grads)) for grads in zip(*rows, strict=True)])


def hessian(cost, wrt, consider_constant=(), disconnected_inputs="raise"):
    """Return the matrix of second derivatives of a scalar with respect to a vector.

    The length of the vector must be known when it is defined, as for `jacobian`.
    """
    variables = _variables("wrt", wrt)
    for v in variables:
        if v.ndim != 1:
            raise TypeError(f"hessian: wrt must be vectors, got {v!r} with {v.ndim} axes")
    grads = grad(cost, variables, consider_constant, disconnected_inputs)
    rows = [
        jacobian(g, v, consider_constant, "ignore") for g, v in zip(grads, variables, strict=True)
    ]
    return _like_asked(wrt, rows)


class _Stopped(arrays.Copy):
    """The input; no derivative passes."""

    name = "disconnected_grad"

    def connected(self, i):
        return False


class _Zeroed(arrays.Copy):
    """The input; a derivative of 0 passes."""

    name = "zero_grad"
    differentiable = False


def disconnected_grad(x: Variable) -> Variable:
    """Return `x`, for a gradient not to be differentiated through."""
    return _Stopped()(x)


def zero_grad(x: Variable) -> Variable:
    """Return `x`, with a derivative of 0."""
    return _Zeroed()(x)
