"""Checks for the exercises of notebook 05, layers and backpropagation."""

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from common.exercises.verdict import Wrong, call, checked, expect, returned, same, several
from common.functions import softmax

__all__ = [
    "leaky_relu",
    "linear",
    "shapes",
    "softmax_cross_entropy",
    "squared_loss",
    "tanh",
    "trained",
    "two_layer_net",
]
SHAPES = ((6,), (4, 3), (2, 3, 2))  # of what layers that work elementwise are tried on
MEAN = "the 1/N of the mean is missing."


class Part(NamedTuple):
    """An array that a layer computes: what is expected, a hint, and known wrong results."""

    expected: Any
    hint: str = ""
    slips: Sequence = ()


class LayerCase(NamedTuple):
    """Arguments of a layer, its output, and its gradients: dx is returned, others are attributes.

    `dout` is a tuple, which is empty for a last layer.
    """

    init: tuple
    inputs: tuple
    out: Part
    dout: tuple
    grads: Mapping[str, Part]


def layer_exercise(praise: str) -> Callable:
    """Make a check of a class of layers from the cases that a generator function yields."""

    def decorate(cases):
        @functools.wraps(cases)
        def check(kind):
            for case in cases(np.random.default_rng()):
                _check_layer(kind, case)

        del check.__wrapped__  # the check takes the class, its cases take a random generator
        return checked(praise, "class")(check)

    return decorate


def _check_layer(kind, case):
    init, inputs, dout = given = copy.deepcopy((case.init, case.inputs, case.dout))
    of = f"for x of shape {np.shape(inputs[0])}"

    def untouched():
        for now, before in zip(sum(given, ()), (*case.init, *case.inputs, *case.dout), strict=True):
            message = "your code changes an array that it was given. Hint: return a new array."
            expect(np.array_equal(now, before), message)

    layer = kind(*init)
    out = returned(layer.forward(*inputs))
    untouched()
    same(out, case.out.expected, f"the output {of}", case.out.hint, slips=case.out.slips)
    dx = returned(layer.backward(*dout))
    untouched()
    for name, part in case.grads.items():
        got = dx if name == "dx" else getattr(layer, name, None)
        stored = f"{name} {of} is missing. Hint: backward stores it as self.{name}."
        expect(got is not None, stored)
        same(got, part.expected, f"{name} {of}", part.hint, slips=part.slips)
    layer.forward(*inputs)
    kind(*init).forward(inputs[0] + 1, *inputs[1:])
    hint = "remember in self what the backward pass needs, so that each layer has its own."
    again = returned(layer.backward(*dout))
    same(again, case.grads["dx"].expected, "dx of the first of two layers", hint)
    for name in case.grads.keys() - {"dx"}:
        hint = "a backward pass replaces the gradient of the one before, and doesn't add to it."
        got, expected = getattr(layer, name), case.grads[name].expected
        same(got, expected, f"{name} after a second backward pass", hint)


@checked("a gradient has the shape of the array with respect to which it is taken.")
def shapes(answer):
    """Check the shapes of dW, db and dx, for x of shape (64, 30) and W of shape (30, 7)."""
    rules = (
        ("dW", (30, 7), "it has the shape of W"),
        ("db", (7,), "there is one bias per unit, and W has one column per unit"),
        ("dx", (64, 30), "it has the shape of x; each of its 64 rows must fit the rows of W"),
    )
    for got, (name, shape, hint) in zip(several(answer, 3, "shapes"), rules, strict=True):
        try:
            got = tuple(int(size) for size in got)
        except (TypeError, ValueError):
            example = "such as (2, 3) or (4,)"
            raise Wrong(f"the shape of {name} must be a tuple of integers, {example}.") from None
        expect(got == shape, f"{name} doesn't have the shape {got}. Hint: {hint}.")


def _elementwise(rng, function, derivative, slips, hint, out_hint, init=()):
    """Yield cases of a layer that works elementwise; `slips` is a function of x and dout."""
    for shape in SHAPES:
        x, dout = rng.normal(size=shape), rng.uniform(1.5, 3, shape)
        x.flat[0], x.flat[1] = -abs(x.flat[0]) - 0.1, abs(x.flat[1]) + 0.1
        local = derivative(x)
        known = [(local, "this is the local gradient; the upstream gradient dout is missing.")]
        dx = Part(dout * local, hint, known + slips(x, dout))
        yield LayerCase(init, (x,), Part(function(x), out_hint), (dout,), {"dx": dx})


@layer_exercise("backpropagation can now pass through your own activation function.")
def tanh(rng):
    """Yield cases of a layer for y = tanh(x)."""

    def slips(x, dout):
        y = np.tanh(x)
        return [
            (dout * (1 - x**2), "1 − y² is a formula in the output y, not in the input."),
            (dout * y * (1 - y), "y (1 − y) belongs to the sigmoid."),
            (dout * (1 - y), "the output is squared: 1 − y²."),
        ]

    hint = "the local gradient is 1 − y², with y the output of forward."
    out_hint = "np.tanh computes it."
    return _elementwise(rng, np.tanh, lambda x: 1 - np.tanh(x) ** 2, slips, hint, out_hint)


@layer_exercise("negative inputs have the same slope in the forward and in the backward pass.")
def leaky_relu(rng):
    """Yield cases of a layer for y = x where x > 0 and slope · x elsewhere, with two slopes."""
    for slope in (0.1, float(rng.uniform(0.2, 0.5))):

        def local(x, slope=slope):
            return np.where(x > 0, 1.0, slope)

        def slips(x, dout, local=local):
            fixed = dout * np.where(x > 0, 1, 0.1)
            sign = "the sign of x decides, not that of dout, so forward must remember it."
            return [
                (dout * (x > 0), "where x < 0 the slope isn't 0."),
                (fixed, "use the slope that the layer was created with: self.slope."),
                (dout * local(dout), sign),
            ]

        hint = "the local gradient is 1 where x > 0, and the slope elsewhere."
        out_hint = "x where x > 0, and self.slope · x elsewhere."
        yield from _elementwise(rng, lambda x: x * local(x), local, slips, hint, out_hint, (slope,))


@layer_exercise("you derived the gradients of an affine layer with transposed weights.")
def linear(rng):
    """Yield cases of a layer for Y = X Wᵀ + b."""
    for n, d, m in ((5, 3, 4), (4, 4, 4), (1, 2, 3)):
        x, W, b, dout = (rng.normal(size=shape) for shape in ((n, d), (m, d), m, (n, m)))
        dW = dout.T @ x
        mean = "a sum, not a mean: the loss has put 1/N into dout already."
        hint = "dW[m, d] is the sum over n of dout[n, m] · X[n, d], and has the shape of W."
        slips = [(dW / n, mean), (dW.T, "this is transposed: dW has the shape of W.")]
        units = "each bias is used once per row: add dout over the rows."
        grads = {
            "dx": Part(dout @ W, "dx[n, d] is the sum over m of dout[n, m] · W[m, d]."),
            "dW": Part(dW, hint, slips),
            "db": Part(dout.sum(axis=0), units, [(dout.mean(axis=0), mean)]),
        }
        out = Part(x @ W.T + b, "Y = X Wᵀ + b.", [(x @ W.T, "the bias is missing.")])
        yield LayerCase((W, b), (x,), out, (dout,), grads)


@layer_exercise("(x − t) / N: output minus target, as for softmax with cross-entropy.")
def squared_loss(rng):
    """Yield cases of a last layer for L = 1/(2N) Σ (x − t)²."""
    for shape in ((6, 3), (1, 4), (1, 1)):
        x, t = rng.normal(size=(2, *shape))
        n, total = len(x), np.sum((x - t) ** 2)
        rows = "N is the number of rows, not of elements."
        hint = "one number: the sum over all n and k, divided by 2N."
        losses = [
            (total / n, "the 1/2 is missing."),
            (total / 2, "divide by the number of rows, too."),
            (total / (2 * x.size), rows),
        ]
        slips = [
            (x - t, MEAN),
            ((t - x) / n, "the sign: does L grow if x grows and is above t?"),
            *(((x - t) * c / n, "the 2 of the square and the 1/2 cancel.") for c in (2, 0.5)),
            ((x - t) / x.size, rows),
        ]
        dx = Part((x - t) / n, "differentiate the square with respect to x.", slips)
        yield LayerCase((), (x, t), Part(total / (2 * n), hint, losses), (), {"dx": dx})


@layer_exercise("probabilities minus labels, divided by the batch size, whatever the labels.")
def softmax_cross_entropy(rng):
    """Yield cases of a last layer for L = −1/N Σ t log softmax(x)."""
    far = np.array([[0.0, 1000.0, -1000.0], [1000.0, 0.0, -1000.0]])
    for x in (2 * rng.normal(size=(5, 4)), rng.normal(size=(1, 3)), far):
        n, p = len(x), softmax(x)
        t = np.eye(x.shape[1])[[0, 0]] if x is far else softmax(rng.normal(size=x.shape))
        top = x.max(axis=1, keepdims=True)
        log_p = x - top - np.log(np.exp(x - top).sum(axis=1, keepdims=True))
        loss = -np.sum(t * log_p) / n
        hint = "log y is x − log Σ exp(x), after subtracting the largest logit of each row from x."
        losses = [
            (n * loss, MEAN),
            (-loss, "look at the sign."),
            (loss / x.shape[1], "N is the number of rows, not of elements."),
        ]
        best = np.eye(x.shape[1])[t.argmax(axis=1)]
        slips = [
            (p - t, MEAN),
            ((t - p) / n, "look at the sign."),
            ((p - t) / x.size, "N is the number of rows, not of elements."),
            ((p - best) / n, "a label may spread its probability over several classes."),
            (p / n, "subtract the labels from the probabilities."),
        ]
        dx = Part((p - t) / n, "repeat the derivation of section 5 with t[n, k].", slips)
        yield LayerCase((), (x, t), Part(loss, hint, losses), (), {"dx": dx})


@checked("a network of your own, with the gradients of chapter 5's.", "class")
def two_layer_net(kind, reference):
    """Check a two-layer network of own layers against the class `reference` of chapter 5."""
    rng = np.random.default_rng()
    for rows, (D, H, K) in ((7, (5, 4, 3)), (1, (3, 6, 4))):
        sizes = {"W1": (H, D), "b1": (H,), "W2": (K, H), "b2": (K,)}
        params = {name: rng.normal(size=shape) for name, shape in sizes.items()}
        # A mini-batch needn't contain the last class.
        x, t, ours = rng.normal(size=(rows, D)), rng.integers(0, K - 1, rows), reference(D, H, K)
        t[0] = K - 2
        network = kind(params)
        for hint in (
            "Linear, LeakyRelu, Linear: forward in this order.",
            "after a training step the layers must use the new parameters, so give them the very "
            "arrays of params and no copies.",
        ):
            for name, param in params.items():
                ours.params[name][...] = param.T
            _compare(network, ours, x, t, hint)
            for param in params.values():  # what a training step does
                param -= 0.1 * rng.normal(size=param.shape)
        leaky = kind(params, 0.3)
        z = x @ params["W1"].T + params["b1"]
        scores = np.where(z > 0, z, 0.3 * z) @ params["W2"].T + params["b2"]
        hint = "give the slope to your LeakyRelu."
        same(call(leaky.predict, x), scores, "the logits with slope 0.3", hint)
        got = call(leaky.gradient, x, t)["W1"]
        dz = (softmax(scores) - np.eye(K)[t]) / rows @ params["W2"] * np.where(z > 0, 1, 0.3)
        same(got, dz.T @ x, "the gradient with respect to W1, slope 0.3", hint)


def _compare(network, ours, x, t, hint):
    logits = ours.predict(x)
    slips = [(softmax(logits), "predict returns logits; softmax belongs to the last layer.")]
    same(call(network.predict, x), logits, "the logits", hint, slips=slips)
    mean = [(len(t) * ours.loss(x, t), MEAN)]
    text = "encode t as one-hot rows, and let your last layer compute the loss of the logits."
    same(call(network.loss, x, t), ours.loss(x, t), "the loss", text, slips=mean)
    grads, right = call(network.gradient, x, t), ours.gradient(x, t)
    what = "gradient must return a dict with the keys W1, b1, W2 and b2"
    expect(isinstance(grads, Mapping), f"{what}, got {type(grads).__name__}.")
    for name in ("W2", "b2", "W1", "b1"):  # an error in one spoils all that come after it
        expect(name in grads, f"{what}; {name} is missing.")
        expected = right[name].T
        hint = "start from backward of the last layer, which the forward pass must precede."
        if name[1] == "1":
            hint = "the gradient from the second Linear passes through LeakyRelu first."
        slips = [(len(t) * expected, MEAN), (-expected, "look at the sign.")]
        same(grads[name], expected, f"the gradient with respect to {name}", hint, slips=slips)


@checked("your own layers, network and training classify digits that they have never seen.")
def trained(network, digits=None):
    """Check that a trained network classifies at least 90 % of the test digits correctly."""
    if isinstance(network, type) or not callable(getattr(network, "predict", None)):
        raise Wrong("my_network must be the trained network itself, with its method predict.")
    images, labels = digits
    scores = np.asarray(call(network.predict, images))
    shape = (len(images), 10)
    expect(scores.shape == shape, f"predict must return shape {shape}, got {scores.shape}.")
    accuracy = np.mean(scores.argmax(axis=1) == labels)
    hint = "more steps, or a learning rate of 0.1 to 0.5, should help."
    if accuracy < 0.3:
        hint = (
            "that is near chance level. Does each step subtract the gradient from the parameters, "
            "with -=, so that the layers see it? A new array in params doesn't reach them."
        )
    message = f"the accuracy on the test digits is {accuracy:.3f}; 0.9 is asked for. Hint: {hint}"
    expect(accuracy >= 0.9, message)
