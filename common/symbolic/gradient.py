"""The gradient of an expression, as an expression: reverse mode on the graph.

The adjoint of a variable v is ∂cost/∂v. The adjoint of the cost is 1. That of any other variable is
the sum of one contribution for each operation that uses it: the vector-Jacobian product of the
operation with the adjoint of its output. The walk goes through the graph in reverse topological
order, so each adjoint is complete when it is used, and is derived once, however many paths lead
through it: dynamic programming, with one entry for each variable in its table.
"""

import warnings
import weakref
from collections.abc import Sequence

from common.symbolic import arrays
from common.symbolic import elementwise as ew
from common.symbolic.elementwise import Elementwise, cast, zero_or_product
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
    **unused,
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

    Returns
    -------
    Variable, or list or tuple as `wrt` is one
        Each in the shape of the variable, and in its dtype; of floatX with respect to integers.

    Raises
    ------
    TypeError
        If the cost isn't a scalar, or depends on a variable by way of complex numbers.
    DisconnectedInputError
        If the cost doesn't depend on a variable of `wrt`; a ValueError.

    Examples
    --------
    >>> import common.symbolic.tensor as T
    >>> x, y = T.dscalars("x", "y")
    >>> T.grad((x + 2 * y) ** 2, y).eval({x: 1, y: 2})
    array(20.)
    """
    if set(unused) - {"known_grads", "return_disconnected", "add_names", "null_gradients"}:
        raise TypeError(f"grad doesn't know the arguments {', '.join(unused)}")
    if unused.get("known_grads"):
        raise NotImplementedError("grad: known_grads isn't part of this small Theano")
    return Adjoints(cost, consider_constant or ()).grad(wrt, disconnected_inputs)


class Adjoints:
    """The adjoints of one cost, derived when they are asked for, and kept.

    Asked for the gradients one by one, it does no more work than if asked for all at once. `grad`
    begins anew each time, as Theano does.

    Parameters
    ----------
    cost : Variable
        A scalar.
    consider_constant : list of Variable
        What not to differentiate through.

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
        self.constant = _variables("consider_constant", consider_constant)
        self._inner = {}
        self._begin()

    def grad(self, wrt: Variable | Sequence[Variable], disconnected_inputs: str = "raise"):
        """Return ∂cost/∂wrt; parameters, result and errors are those of `grad`."""
        if disconnected_inputs not in ("raise", "warn", "ignore"):
            raise ValueError(
                "disconnected_inputs must be 'raise', 'warn' or 'ignore', "
                f"got {disconnected_inputs!r}"
            )
        variables = _variables("wrt", [wrt] if isinstance(wrt, Variable) else wrt)
        new = [v for v in variables if v.operation is not None and v not in self._inner]
        if new:
            self._inner |= dict.fromkeys(new)
            self._begin()
        with made_here():
            images = [self._image.get(v, v) for v in variables]
            self._walk.derive(images)
            grads = []
            for v, image in zip(variables, images, strict=True):
                g = self._walk.adjoint(image)
                grads.append(self._disconnected(v, disconnected_inputs) if g is None else g)
                cost_of[grads[-1]] = self.cost
        if isinstance(wrt, Variable):
            return grads[0]
        return tuple(grads) if isinstance(wrt, tuple) else grads

    def _begin(self):
        """Begin a walk: from stable forms, in which all that is asked for can still be found."""
        kept = [*self._inner, *(v for v in self.constant if v.operation is not None)]
        with made_here():
            self._image = stabilized([self.cost, *kept], kept)
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
    """The walk back through one expression.

    Parameters
    ----------
    cost : Variable
        A scalar.
    called : str, optional
        What to call the cost in the names of adjoints.
    constant : set of Variable
        What not to go through.

    Attributes
    ----------
    contributions : dict of (Variable, int) to Variable
        What a variable contributed to the adjoint of its input i, unless that is 0.
    """

    def __init__(self, cost: Variable, called: str | None = None, constant=frozenset()):
        self._called = called or "cost"
        self._order = ancestors([cost])
        self._users = {v: [] for v in self._order}
        for v in self._order:
            if v.operation is not None and v not in constant:
                for i, x in enumerate(v.inputs):
                    if v.operation.connected(i):
                        self._users[x].append((v, i))
        self._place = {v: i for i, v in enumerate(self._order)}
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
        """Return what `user` contributes to the adjoint of its input `i`."""
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
        smooth = operation.name == "pow" and i == 0 and _at_least_1(user.inputs[1])
        steep = operation.name in ("sqrt", "pow") and not smooth
        if unbounded and (masked or steep) and _may_be_zero(g):
            return self._careful(operation, i, g, user)
        guard = {"guarded": True} if sums and user in self._sliced else {}
        result = operation.vjp(i, user, g, *user.inputs, **guard)
        return ZERO if result is None else _like(result, x)

    def _careful(self, operation, i, g, user):
        """Return the VJP, but 0 where g is 0, even if the local derivative is infinite there.

        Elements that a choice ignored have an adjoint of 0. They must not count.
        """
        local = operation.vjp(i, user, Constant(1.0, dtype=g.dtype), *user.inputs)
        if local is None:
            return ZERO
        return _like(zero_or_product(g, local), user.inputs[i])


def _like(g, x):
    """Return a contribution in the shape and dtype of `x`, which may have been broadcast."""
    g = arrays.sum_to(g, x)
    return cast(g, x.dtype) if g.dtype != x.dtype and x.kind == "f" else g


def _zeros(x):
    return arrays.zeros_like(x, x.dtype if x.kind == "f" else "floatX")


def _may_be_zero(g):
    while g.operation is not None and g.operation.name in ("broadcast", "cast", "dimshuffle"):
        g = g.inputs[0]
    return not (isinstance(g, Constant) and g.value.all())


def _at_least_1(b):
    return isinstance(b, Constant) and bool((b.value >= 1).all())


def _variables(name, values):
    if isinstance(values, Variable):
        return [values]
    values = list(values) if isinstance(values, (list, tuple, set, frozenset)) else [values]
    for value in values:
        if not isinstance(value, Variable):
            raise TypeError(f"{name} must be variables, got {value!r}")
    return values


def jacobian(expression, wrt, consider_constant=(), disconnected_inputs="raise"):
    """Return the Jacobian of a vector of known length, a row for each element.

    Parameters
    ----------
    expression : Variable
        A scalar or a vector. Its length must be known when it is defined, since each element is
        differentiated by itself; Theano used scan here.
    wrt : Variable, or list or tuple of them
    """
    if expression.ndim == 0:
        rows = [expression]
    elif expression.ndim == 1 and isinstance(expression.dims[0], int):
        rows = list(expression)
    else:
        raise NotImplementedError(
            "jacobian: expression must be a scalar or a vector whose length is known, such as a "
            "stack of scalars or x[:3] of a constant length; a loop over an unknown length would "
            "need scan, which isn't part of this small Theano"
        )
    variables = _variables("wrt", [wrt] if isinstance(wrt, Variable) else wrt)
    adjoints = [
        Adjoints(row, consider_constant).grad(variables, disconnected_inputs) for row in rows
    ]
    result = [
        grads[0] if expression.ndim == 0 else arrays.stack(list(grads))
        for grads in zip(*adjoints, strict=True)
    ]
    if isinstance(wrt, Variable):
        return result[0]
    return tuple(result) if isinstance(wrt, tuple) else result


def hessian(cost, wrt, consider_constant=(), disconnected_inputs="raise"):
    """Return the matrix of second derivatives of a scalar with respect to a vector.

    The length of the vector must be known when it is defined, as for `jacobian`.
    """
    variables = _variables("wrt", [wrt] if isinstance(wrt, Variable) else wrt)
    grads = grad(cost, variables, consider_constant, disconnected_inputs)
    result = []
    for g, v in zip(grads, variables, strict=True):
        if v.ndim != 1:
            raise TypeError(f"hessian: wrt must be vectors, got {v!r} with {v.ndim} axes")
        result.append(jacobian(g, v, consider_constant, "ignore"))
    if isinstance(wrt, Variable):
        return result[0]
    return tuple(result) if isinstance(wrt, tuple) else result


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
