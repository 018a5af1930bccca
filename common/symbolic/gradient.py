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
from functools import reduce

from common.symbolic import arrays
from common.symbolic import elementwise as ew
from common.symbolic.absent import absent_from
from common.symbolic.graph import (
    Constant,
    DisconnectedInputError,
    Variable,
    ancestors,
    described,
    made_here,
    users_place,
)
from common.symbolic.indexing import Index
from common.symbolic.products import Dot, Softmax
from common.symbolic.rewrites import replaced, stabilized

__all__ = ["Adjoints", "Walk", "disconnected_grad", "grad", "hessian", "jacobian", "zero_grad"]

__getattr__ = absent_from(__name__)

# Which cost a variable is a gradient of: an input that only the cost needs counts as used.
cost_of = weakref.WeakKeyDictionary()


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
        Inputs, shared variables, or variables computed from them. Several in one call share the
        work.
    consider_constant : list of Variable
        Variables not to differentiate through.
    disconnected_inputs : {"raise", "warn", "ignore"}
        What to do if the cost doesn't depend on a variable of `wrt`. Unless an error is raised, its
        gradient is 0.
    add_names, return_disconnected, null_gradients
        Accepted for Theano's sake; they have no effect.

    Returns
    -------
    Variable, or a list or tuple if `wrt` is one
        Each has the shape and dtype of its variable; that of integers is float32 or float64.

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
    """The adjoints of one cost, each derived when it is first needed, and kept.

    ``Adjoints(cost).grad(x)`` is ``grad(cost, x)``, and takes the same parameters. Asking it for
    gradients one at a time takes no more work than asking `grad` for all at once.
    """

    def __init__(self, cost: Variable, consider_constant: Sequence[Variable] = ()):
        if not isinstance(cost, Variable):
            raise TypeError(f"cost must be a variable, got {cost!r}")
        if cost.ndim or cost.kind == "c":
            raise TypeError(
                "cost must be a real scalar, such as a sum or mean, but it has "
                f"{cost.ndim} axes of {cost.dtype}: {described(cost)}"
            )
        self.cost = cost
        self.constant = _variables("consider_constant", consider_constant or ())
        self._kept, self._walk = set(), None

    def grad(self, wrt: Variable | Sequence[Variable], disconnected_inputs: str = "raise"):
        """Return ∂cost/∂wrt; parameters, result and errors are those of `grad`."""
        if disconnected_inputs not in ("raise", "warn", "ignore"):
            raise ValueError(
                "disconnected_inputs must be 'raise', 'warn' or 'ignore', "
                f"got {disconnected_inputs!r}"
            )
        variables, grads = _variables("wrt", wrt), []
        kept = {v for v in (*variables, *self.constant) if v.operation or isinstance(v, Constant)}
        with made_here():
            if self._walk is None or not kept <= self._kept:
                # Walk through a stable form of the cost in which `kept` can still be found.
                self._kept |= kept
                self._image = image = stabilized([self.cost], self._kept)
                constant = {image.get(v, v) for v in self.constant}
                self._walk = Walk(image[self.cost], self.cost.name, constant)
                # Gradients have `kept` in them, to be derived with respect to it once more, and the
                # other variables as they were written: max compares its result with its input.
                self._written = {}
                if any(image.get(v, v) is not v for v in self._kept):
                    for v, new in image.items():
                        self._written.setdefault(new, v)
            for v in variables:
                g = self._walk.adjoint(self._image.get(v, v))
                if g is None:
                    message = f"the cost {described(self.cost)}, doesn't depend on {described(v)}"
                    if disconnected_inputs == "raise":
                        raise DisconnectedInputError(message)
                    if disconnected_inputs == "warn":
                        warnings.warn_explicit(message, UserWarning, *users_place())
                    g = _zeros(v)
                if self._written:
                    [g] = replaced([g], self._written)
                cost_of[g] = self.cost
                grads.append(g)
        return _like_asked(wrt, grads)


# What an operation may ignore of an input, as a switch ignores a branch. The adjoint is 0 there and
# must stay 0 even if the next local derivative is infinite: the VJPs that follow are guarded.
NOTHING, ELEMENTS, SLICES = range(3)


class Walk:
    """The backward pass through one expression, whose adjoints are named after `called`.

    Attributes
    ----------
    contributions : dict of (Variable, int) to Variable
        What a variable contributed to the adjoint of its input i, unless that is 0.
    """

    def __init__(self, cost: Variable, called: str | None = None, constant=frozenset()):
        self._called = called or "cost"
        self._users = {v: [] for v in ancestors([cost])}
        for v in self._users:
            if v not in constant:
                for i, x in enumerate(v.inputs):
                    if v.operation.connected(i):
                        self._users[x].append((v, i))
        # An adjoint of None stands for 0: all derivatives on the paths to the cost are 0.
        self._adjoint = {cost: Constant(1.0, dtype=cost.dtype) if cost.kind == "f" else None}
        self._ignored = dict.fromkeys(self._users, NOTHING)
        self.contributions = {}

    def adjoint(self, v: Variable) -> Variable | None:
        """Return ∂cost/∂v; None if the cost doesn't depend on v."""
        needed, stack = set(), [v] if v in self._users else []
        while stack:
            x = stack.pop()
            if x not in needed and x not in self._adjoint:
                needed.add(x)
                stack.extend([user for user, _ in self._users[x]])
        # In reverse topological order: a variable is made after its inputs.
        for x in sorted(needed, key=lambda x: x.serial, reverse=True):
            self._add_up(x)
        g = self._adjoint.get(v)
        return _zeros(v) if g is None and v in self._adjoint else g

    def _add_up(self, x):
        """Sum the contributions to the adjoint of `x`, unless the cost doesn't depend on it."""
        edges = [edge for edge in self._users[x] if edge[0] in self._adjoint]
        found = {edge: g for edge in edges if (g := self._contribution(*edge)) is not None}
        self.contributions |= found
        if edges:
            self._adjoint[x] = total = reduce(ew.add, found.values()) if found else None
            if found and x.name and not total.name and total.operation:
                total.name = f"∂{self._called}/∂{x.name}"

    def _contribution(self, user, i):
        """Return what `user` contributes to the adjoint of its input `i`, the VJP; None for 0."""
        g, x, operation = self._adjoint[user], user.inputs[i], user.operation
        for v in (user, x):
            if v.kind == "c":
                raise TypeError(f"complex numbers can't be differentiated through: {described(v)}")
        if g is None or user.kind != "f" or not operation.differentiable:
            return None
        ignored = self._ignored[user]
        if isinstance(operation, Dot | Softmax) and ignored == ELEMENTS:
            ignored = NOTHING  # since the rest of a row needs all of it
        self._ignored[x] = max(self._ignored[x], ignored, _ignored_by(user, x))
        vjp = operation.guarded_vjp if ignored else operation.vjp
        result = vjp(i, user, g, *user.inputs)
        if result is None:
            return None
        result = arrays.sum_to(result, x)  # x may have been broadcast, or converted
        return ew.cast(result, x.dtype) if x.kind == "f" else result


def _ignored_by(user, x):
    """Return what `user` may ignore of its input `x`: nothing, single elements, or slices.

    ReLU ignores single elements, and so does picking one label from each row of a softmax. A vector
    of labels that is an input has a label for each row.
    """
    operation = user.operation
    if not operation.selects:
        return NOTHING
    rows = isinstance(x.operation, Softmax) and (x.inputs[0].ndim, x.operation.axes) == (2, (1,))
    if rows and type(operation) is Index and operation.pattern == ("rows", "array"):
        n, labels = user.inputs[1].dims[0], user.inputs[2]
        if n == x.dims[0] or (n == labels.dims[-1] and getattr(n, "of_leaf", False)):
            return ELEMENTS
    return ELEMENTS if operation is ew.relu else SLICES


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
    """Return one result if `wrt` is one variable, else a tuple or list as `wrt` is."""
    if isinstance(wrt, Variable):
        return results[0]
    return tuple(results) if isinstance(wrt, tuple) else results


def jacobian(expression, wrt, consider_constant=(), disconnected_inputs="raise"):
    """Return the Jacobian of a vector, with one row per element; parameters are those of `grad`.

    Each element is differentiated by itself, so the length of the vector must be known when it is
    defined. (Theano used scan here.)
    """
    if expression.ndim == 0:
        return grad(expression, wrt, consider_constant, disconnected_inputs)
    if expression.ndim > 1 or not isinstance(expression.dims[0], int):
        raise NotImplementedError(
            "jacobian: expression must be a scalar or a vector whose length is known, such as a "
            "stack of scalars or x[:3] of a constant length; a loop over an unknown length would "
            "need scan, which isn't part of this small Theano"
        )
    variables = _variables("wrt", wrt)
    # An element may depend on fewer variables than all of them together.
    grad(arrays.sum(expression), variables, consider_constant, disconnected_inputs)
    stacked = isinstance(expression.operation, arrays.MakeVector)
    rows = [
        grad(y, variables, consider_constant, "ignore")
        for y in (expression.inputs if stacked else expression)
    ]
    return _like_asked(wrt, [arrays.stack(list(grads)) for grads in zip(*rows, strict=True)])


def hessian(cost, wrt, consider_constant=(), disconnected_inputs="raise"):
    """Return the matrix of second derivatives with respect to a vector, or each of several.

    The length of a vector must be known when it is defined, as for `jacobian`.
    """
    variables = _variables("wrt", wrt)
    for v in variables:
        if v.ndim != 1:
            raise TypeError(f"hessian: wrt must be vectors, got {v!r} with {v.ndim} axes")
    grads = grad(cost, variables, consider_constant, disconnected_inputs)
    pairs = zip(grads, variables, strict=True)
    return _like_asked(wrt, [jacobian(g, v, consider_constant, "ignore") for g, v in pairs])


class ZeroGrad(arrays.Copy, name="zero_grad", differentiable=False):
    """The input, with a derivative of 0."""


class DisconnectedGrad(arrays.Copy, name="disconnected_grad", n_values=0):
    """The input, for a gradient not to be differentiated through."""


zero_grad, disconnected_grad = ZeroGrad(), DisconnectedGrad()
