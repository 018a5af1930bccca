"""Checks for the exercises of notebook 05, layers and backpropagation."""

from collections.abc import Callable, Mapping

import numpy as np

from common.exercises.verdict import checked, expect, same
from common.layers import Affine, Relu, Sigmoid, SoftmaxWithLoss

__all__ = ["leaky_relu", "loss_and_gradient", "scale", "shapes", "squared_loss", "tanh"]


def _untouched(array, before, what):
    expect(
        np.array_equal(array, before),
        f"your code writes into {what}, which belongs to the caller. Make a new array.",
    )


def _close(got, expected):
    """Return whether an answer has the shape and the numbers of a mistake that we know."""
    try:
        return np.shape(got) == np.shape(expected) and np.allclose(got, expected)
    except (TypeError, ValueError):
        return False


@checked("a gradient has the shape of what it is the gradient of")
def shapes(answer: tuple) -> None:
    """Check the shapes of dW, db and dx, for x of shape (64, 30) and W of shape (30, 7).

    Parameters
    ----------
    answer : tuple of three tuples
    """
    expect(
        isinstance(answer, tuple | list) and len(answer) == 3,
        f"shapes must be three tuples, such as ((1, 2), (3,), (4, 5)); got {answer!r}",
    )
    rules = (
        ("dW", (30, 7), "it has the shape of W"),
        ("db", (7,), "there is one bias for each unit, and W has a column for each unit"),
        ("dx", (64, 30), "it has the shape of x; each of its 64 rows must fit the rows of W"),
    )
    for got, (name, shape, hint) in zip(answer, rules, strict=True):
        if isinstance(got, int):
            expect(False, f"the shape of {name} must be a tuple; of one length it is ({got},)")
        expect(tuple(got) == shape, f"{name} doesn't have the shape {tuple(got)!r}. Hint: {hint}.")


def _check_activation(make, function, derivative, hints):
    """Check a layer that works entry by entry.

    Parameters
    ----------
    make : callable
        Returns a new layer.
    function, derivative : callable
        Of the input.
    hints : callable
        Of x, dout and what came as dx; returns a hint.
    """
    rng = np.random.default_rng()
    for shape in ((6,), (4, 3), (2, 3, 2)):
        x, dout = rng.normal(size=shape), rng.uniform(1.5, 3, shape)
        x.flat[0], x.flat[1] = -abs(x.flat[0]) - 0.1, abs(x.flat[1]) + 0.1
        x_before, dout_before = x.copy(), dout.copy()
        layer = make()
        y = layer.forward(x)
        _untouched(x, x_before, "x")
        hint = "forward must return the output." if y is None else ""
        same(y, function(x_before), f"the output for x of shape {shape}", hint)
        dx = layer.backward(dout)
        _untouched(dout, dout_before, "dout")
        _untouched(x, x_before, "x")
        hint = hints(x, dout, dx)
        if dx is None:
            hint = "backward must return it."
        elif _close(dx, derivative(x)):
            hint = "this is the local derivative; what came back (dout) is missing."
        same(dx, dout * derivative(x), f"dx for x of shape {shape}", hint)
    layer = make()
    layer.forward(x)
    make().forward(x + 1)
    hint = "remember in self what the way back needs, so that each layer has its own."
    same(layer.backward(dout), dout * derivative(x), "dx of the first of two layers", hint)


@checked("you have added an activation that backpropagation can go through")
def tanh(kind: type) -> None:
    """Check a layer for y = tanh(x).

    Parameters
    ----------
    kind : class
        With ``forward(x)`` and ``backward(dout)``.
    """

    def hints(x, dout, dx):
        if _close(dx, dout * (1 - x**2)):
            return "1 − y² is of the output, not of the input."
        y = np.tanh(x)
        if _close(dx, dout * y * (1 - y)):
            return "y (1 − y) belongs to the sigmoid."
        return "the local derivative is 1 − y², with y the output of forward."

    _check_activation(kind, np.tanh, lambda x: 1 - np.tanh(x) ** 2, hints)


@checked("the gate leaks, forward and backward, by the same slope")
def leaky_relu(kind: type) -> None:
    """Check a layer for y = x where x > 0, and slope · x elsewhere.

    Parameters
    ----------
    kind : class
        Made with a slope; with ``forward(x)`` and ``backward(dout)``.
    """
    for slope in (0.1, float(np.random.default_rng().uniform(0.2, 0.5))):

        def hints(x, dout, dx, slope=slope):
            if _close(dx, dout * (x > 0)):
                return "where x < 0 the slope isn't 0."
            if _close(dx, dout * np.where(x > 0, 1, 0.1)):
                return "use the slope that the layer was made with: self.slope."
            if _close(dx, np.where(dout > 0, dout, slope * dout)):
                return "the sign of x decides, not that of dout. So forward must remember it."
            return "the local derivative is 1 where x > 0, and the slope elsewhere."

        _check_activation(
            lambda slope=slope: kind(slope),
            lambda x, slope=slope: np.where(x > 0, x, slope * x),
            lambda x, slope=slope: np.where(x > 0, 1.0, slope),
            hints,
        )


@checked("each factor is used once for each example, so its gradient is a sum over the batch")
def scale(kind: type) -> None:
    """Check a layer for Y = X · g, column by column.

    Parameters
    ----------
    kind : class
        Made with g; with ``forward(x)``, ``backward(dout)`` and the attribute ``dg``.
    """
    rng = np.random.default_rng()
    for rows, columns in ((5, 3), (4, 4), (1, 2)):
        x, dout = rng.normal(size=(2, rows, columns))
        g = rng.uniform(1.5, 3, columns)
        x_before, dout_before, g_before = x.copy(), dout.copy(), g.copy()
        layer = kind(g)
        of = f"for x of shape {x.shape}"
        same(layer.forward(x), x_before * g, f"the output {of}", "Y[n, d] = X[n, d] · g[d].")
        dx = layer.backward(dout)
        for array, before, name in ((x, x_before, "x"), (dout, dout_before, "dout")):
            _untouched(array, before, name)
        _untouched(g, g_before, "g")
        hint = "X[n, d] moves only Y[n, d]; at which rate?"
        same(dx, dout * g, f"dx {of}", hint)
        dg = layer.dg
        if np.shape(dg) == x.shape and rows > 1:
            hint = "g has one entry a column, and each is used by all rows. Add what comes back."
        elif _close(dg, (dout * x).mean(axis=0)):
            hint = "a sum, not a mean: the 1/N is in dout already, put there by the loss."
        elif _close(dg, dout.sum(axis=0)):
            hint = "g[d] moves Y[n, d] at the rate X[n, d], not 1."
        else:
            hint = (
                "dg[d] is the sum over n of dout[n, d] times the rate at which g[d] moves Y[n, d]."
            )
        same(dg, (dout * x).sum(axis=0), f"dg {of}", hint)


@checked("(x − t) / N: output minus truth, as for softmax with loss")
def squared_loss(kind: type) -> None:
    """Check a last layer for L = 1/(2N) Σ (x − t)².

    Parameters
    ----------
    kind : class
        With ``forward(x, t)`` and ``backward()``.
    """
    rng = np.random.default_rng()
    for shape in ((6, 3), (1, 4), (1, 1)):
        x, t = rng.normal(size=(2, *shape))
        x_before, t_before = x.copy(), t.copy()
        n, total = len(x), np.sum((x - t) ** 2)
        layer = kind()
        loss = layer.forward(x, t)
        slips = {
            total / n: "the 1/2 is missing.",
            total / 2: "divide by the number of rows, too.",
            total / (2 * x.size): "N is the number of rows, not of entries.",
        }
        hint = next((text for slip, text in slips.items() if _close(loss, slip)), "")
        same(loss, total / (2 * n), f"the loss for x of shape {shape}", hint)
        dx = layer.backward()
        for array, before, name in ((x, x_before, "x"), (t, t_before, "t")):
            _untouched(array, before, name)
        slips = (
            (x - t, "the 1/N of the mean is missing."),
            ((t - x) / n, "the sign: does L grow if x grows and is above t?"),
            (2 * (x - t) / n, "the 2 of the square and the 1/2 in front cancel."),
        )
        hint = next((text for slip, text in slips if _close(dx, slip)), "")
        same(dx, (x - t) / n, f"dx for x of shape {shape}", hint)


def _layers(params):
    """Return the layers of the network of exercise 6, by name."""
    return {
        "Affine1": Affine(params["W1"], params["b1"]),
        "Sigmoid": Sigmoid(),
        "Affine2": Affine(params["W2"], params["b2"]),
        "Relu": Relu(),
        "Affine3": Affine(params["W3"], params["b3"]),
    }


def _loss_and_gradient(params, x, t):
    layers, last = _layers(params), SoftmaxWithLoss()
    for layer in layers.values():
        x = layer.forward(x)
    loss, dout = last.forward(x, t), last.backward()
    for layer in reversed(layers.values()):
        dout = layer.backward(dout)
    grads = {}
    for i in (1, 2, 3):
        grads[f"W{i}"], grads[f"b{i}"] = layers[f"Affine{i}"].dW, layers[f"Affine{i}"].db
    return loss, grads


@checked("you have built a network of your own, and the gradients of all six parameters are right")
def loss_and_gradient(function: Callable) -> None:
    """Check loss and gradient of a network of three affine layers.

    Parameters
    ----------
    function : callable
        From params, x and t to the loss and a dict of gradients.
    """
    rng = np.random.default_rng()
    widths = (5, 4, 6, 3)
    for rows in (7, 1):
        params = {}
        for i in (1, 2, 3):
            params[f"W{i}"] = rng.normal(size=widths[i - 1 : i + 1])
            params[f"b{i}"] = rng.normal(size=widths[i])
        x, t = rng.normal(size=(rows, widths[0])), rng.integers(0, widths[-1], rows)
        right_loss, right = _loss_and_gradient(params, x, t)
        before = {name: array.copy() for name, array in params.items()}

        answer = function(params, x, t)
        expect(
            isinstance(answer, tuple | list) and len(answer) == 2,
            f"return two values, the loss and the dict of gradients; got {type(answer).__name__}",
        )
        loss, grads = answer
        for name, array in params.items():
            _untouched(array, before[name], f"params[{name!r}]")
        hint = "Affine, Sigmoid, Affine, Relu, Affine, SoftmaxWithLoss, in this order."
        same(loss, right_loss, "the loss", hint)
        expect(
            isinstance(grads, Mapping),
            f"the second value must be a dict, got {type(grads).__name__}",
        )
        # From the last layer to the first, as an error in one spoils all that come after it.
        for name in ("W3", "b3", "W2", "b2", "W1", "b1"):
            expect(name in grads, f"the gradient by {name} is missing")
            hint = {
                "3": "start from backward of the loss.",
                "2": "what comes back from Affine3 goes through Relu first.",
                "1": "what comes back from Affine2 goes through Sigmoid first.",
            }[name[1]]
            if _close(grads[name], rows * right[name]) and rows > 1:
                hint = "it is N times too large."
            same(grads[name], right[name], f"the gradient by {name}", hint)
