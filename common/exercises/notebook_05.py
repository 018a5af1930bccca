"""Checks for the exercises of notebook 05, layers and backpropagation."""

from collections.abc import Mapping

import numpy as np

from common.exercises.verdict import Wrong, checked, expect, returned, same, several
from common.layers import Affine, Relu, Sigmoid, SoftmaxWithLoss

__all__ = ["leaky_relu", "loss_and_gradient", "scale", "shapes", "squared_loss", "tanh"]


def _untouched(array, before, what):
    expect(
        np.array_equal(array, before),
        f"your code writes into {what}, which belongs to the caller. Hint: make a new array.",
    )


@checked("a gradient has the shape of what it is the gradient of.")
def shapes(answer):
    """Check the shapes of dW, db and dx, for x of shape (64, 30) and W of shape (30, 7)."""
    rules = (
        ("dW", (30, 7), "it has the shape of W"),
        ("db", (7,), "there is one bias for each unit, and W has a column for each unit"),
        ("dx", (64, 30), "it has the shape of x; each of its 64 rows must fit the rows of W"),
    )
    for got, (name, shape, hint) in zip(several(answer, 3, "shapes"), rules, strict=True):
        try:
            got = tuple(int(size) for size in got)
        except (TypeError, ValueError):
            raise Wrong(
                f"the shape of {name} must be a tuple of integers, such as (2, 3) or (4,)."
            ) from None
        expect(got == shape, f"{name} doesn't have the shape {got}. Hint: {hint}.")


def _check_activation(make, function, derivative, slips, hint):
    """Check a layer that works elementwise.

    Parameters
    ----------
    make : callable
        Returns a new layer.
    function, derivative : callable
        Of the input.
    slips : callable
        Of x and dout; returns pairs of a known wrong dx and its hint.
    hint : str
    """
    rng = np.random.default_rng()
    for shape in ((6,), (4, 3), (2, 3, 2)):
        x, dout = rng.normal(size=shape), rng.uniform(1.5, 3, shape)
        x.flat[0], x.flat[1] = -abs(x.flat[0]) - 0.1, abs(x.flat[1]) + 0.1
        given, upstream = x.copy(), dout.copy()
        layer = make()
        y = returned(layer.forward(given))
        _untouched(given, x, "x")
        same(y, function(x), f"the output for x of shape {shape}")
        dx = returned(layer.backward(upstream))
        _untouched(upstream, dout, "dout")
        _untouched(given, x, "x")
        local = derivative(x)
        known = [(local, "this is the local derivative; the upstream gradient dout is missing.")]
        same(dx, dout * local, f"dx for x of shape {shape}", hint, slips=[*known, *slips(x, dout)])
    layer = make()
    layer.forward(x)
    make().forward(x + 1)
    hint = "remember in self what the backward pass needs, so that each layer has its own."
    same(layer.backward(dout), dout * local, "dx of the first of two layers", hint)


@checked("you have added an activation that backpropagation can go through.", "class")
def tanh(kind):
    """Check a layer for y = tanh(x), with ``forward(x)`` and ``backward(dout)``."""

    def slips(x, dout):
        y = np.tanh(x)
        return [
            (dout * (1 - x**2), "1 − y² is of the output, not of the input."),
            (dout * y * (1 - y), "y (1 − y) belongs to the sigmoid."),
            (dout * (1 - y), "the output is squared: 1 − y²."),
        ]

    hint = "the local derivative is 1 − y², with y the output of forward."
    _check_activation(kind, np.tanh, lambda x: 1 - np.tanh(x) ** 2, slips, hint)


@checked("negative inputs pass with the same slope, forward and backward.", "class")
def leaky_relu(kind):
    """Check a layer for y = x where x > 0 and slope · x elsewhere, made with a slope."""
    for slope in (0.1, float(np.random.default_rng().uniform(0.2, 0.5))):

        def slips(x, dout, slope=slope):
            sign = "the sign of x decides, not that of dout. So forward must remember it."
            return [
                (dout * (x > 0), "where x < 0 the slope isn't 0."),
                (
                    dout * np.where(x > 0, 1, 0.1),
                    "use the slope that the layer was made with: self.slope.",
                ),
                (np.where(dout > 0, dout, slope * dout), sign),
            ]

        _check_activation(
            lambda slope=slope: kind(slope),
            lambda x, slope=slope: np.where(x > 0, x, slope * x),
            lambda x, slope=slope: np.where(x > 0, 1.0, slope),
            slips,
            "the local derivative is 1 where x > 0, and the slope elsewhere.",
        )


@checked("each factor is used once per example, so its gradient is a sum over the batch.", "class")
def scale(kind):
    """Check a layer for Y = X · g, made with g, which keeps the gradient of g in ``dg``."""
    rng = np.random.default_rng()
    for rows, columns in ((5, 3), (4, 4), (1, 2)):
        x, dout = rng.normal(size=(2, rows, columns))
        g = rng.uniform(1.5, 3, columns)
        given = {"x": x.copy(), "dout": dout.copy(), "g": g.copy()}
        layer = kind(given["g"])
        of = f"for x of shape {x.shape}"
        y = returned(layer.forward(given["x"]))
        same(y, x * g, f"the output {of}", "Y[n, d] = X[n, d] · g[d].")
        dx = returned(layer.backward(given["dout"]))
        for name, before in (("x", x), ("dout", dout), ("g", g)):
            _untouched(given[name], before, name)
        same(dx, dout * g, f"dx {of}", "X[n, d] changes only Y[n, d]; at which rate?")
        dg = layer.dg
        hint = "dg[d] is the sum over n of dout[n, d] times the derivative of Y[n, d] by g[d]."
        if np.shape(dg) == x.shape and rows > 1:
            hint = "g has one element per column, and all rows use it. Add their contributions."
        slips = [
            ((dout * x).mean(axis=0), "a sum, not a mean: the loss has put 1/N into dout already."),
            (dout.sum(axis=0), "g[d] changes Y[n, d] at the rate X[n, d], not 1."),
        ]
        same(dg, (dout * x).sum(axis=0), f"dg {of}", hint, slips=slips)


@checked("(x − t) / N: output minus target, as for softmax with cross-entropy.", "class")
def squared_loss(kind):
    """Check a last layer for L = 1/(2N) Σ (x − t)², ``forward(x, t)`` and ``backward()``."""
    rng = np.random.default_rng()
    for shape in ((6, 3), (1, 4), (1, 1)):
        x, t = rng.normal(size=(2, *shape))
        given = {"x": x.copy(), "t": t.copy()}
        n, total = len(x), np.sum((x - t) ** 2)
        layer = kind()
        loss = returned(layer.forward(given["x"], given["t"]))
        slips = [
            (total / n, "the 1/2 is missing."),
            (total / 2, "divide by the number of rows, too."),
            (total / (2 * x.size), "N is the number of rows, not of elements."),
        ]
        same(loss, total / (2 * n), f"the loss for x of shape {shape}", slips=slips)
        dx = returned(layer.backward())
        for name, before in (("x", x), ("t", t)):
            _untouched(given[name], before, name)
        slips = [
            (x - t, "the 1/N of the mean is missing."),
            ((t - x) / n, "the sign: does L grow if x grows and is above t?"),
            (2 * (x - t) / n, "the 2 of the square and the 1/2 in front cancel."),
            ((x - t) / x.size, "N is the number of rows, not of elements."),
        ]
        same(dx, (x - t) / n, f"dx for x of shape {shape}", slips=slips)


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


@checked(
    "you have built a network of your own, and the gradients of all six parameters are right.",
    "function",
)
def loss_and_gradient(function):
    """Check a function (params, x, t) ↦ loss, gradients of a network of three affine layers."""
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

        given = x.copy(), t.copy()
        loss, grads = several(returned(function(params, *given)), 2, "the loss and the gradients")
        _untouched(given[0], x, "x")
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
            expect(name in grads, f"the gradient with respect to {name} is missing")
            hint = {
                "3": "start from backward of the loss.",
                "2": "the gradient from Affine3 goes through Relu first.",
                "1": "the gradient from Affine2 goes through Sigmoid first.",
            }[name[1]]
            slips = [(rows * right[name], "it is N times too large.")]
            what = f"the gradient with respect to {name}"
            same(grads[name], right[name], what, hint, slips=slips)
