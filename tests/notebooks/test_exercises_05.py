"""The checks of notebook 05: right layers pass, wrong ones are told where they are wrong."""

import numpy as np
import pytest

from ch05_backprop.two_layer_net import TwoLayerNet
from common.exercises import notebook_05 as check
from common.functions import softmax, softmax_loss

SHAPES = ((30, 7), (7,), (64, 30))


def layer(forward, backward, *names):
    """Return a class of layers with the parameters `names`, whose backward sees x and t."""

    def init(self, *values):
        vars(self).update(zip(names or ("slope",), values, strict=False))

    def remember(self, *inputs):
        self.inputs = inputs
        return forward(self, *inputs)

    def backward_of(self, *dout):
        return backward(self, *self.inputs, *dout)

    methods = {"__init__": init, "forward": remember, "backward": backward_of}
    return type("Layer", (), methods)


def tanh(backward, forward=lambda s, x: np.tanh(x)):
    return layer(forward, backward)


def in_place(s, x, d):
    d *= 1 - np.tanh(x) ** 2
    return d


class Shared:
    def forward(self, x):
        type(self).out = np.tanh(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out**2)


def leaky(backward, forward=lambda s, x: np.where(x > 0, x, s.slope * x)):
    return layer(forward, backward)


def leaky_in_place(s, x):
    x[x < 0] *= s.slope
    return x


def linear(
    dW=lambda x, d: d.T @ x,
    db=lambda d: d.sum(axis=0),
    dx=lambda W, d: d @ W,
    y=lambda x, W, b: x @ W.T + b,
):
    def backward(s, x, d):
        s.dW, s.db = dW(x, d), db(d)
        return dx(s.W, d)

    return layer(lambda s, x: y(x, s.W, s.b), backward, "W", "b")


class Adding(linear()):
    """Its gradients are those of all backward passes together."""

    def backward(self, dout):
        before = vars(self).get("dW", 0), vars(self).get("db", 0)
        dx = super().backward(dout)
        self.dW, self.db = self.dW + before[0], self.db + before[1]
        return dx


def squared(
    loss=lambda x, t: np.sum((x - t) ** 2) / (2 * len(x)), dx=lambda x, t: (x - t) / len(x)
):
    return layer(lambda s, x, t: loss(x, t), lambda s, x, t: dx(x, t))


def entropy(loss=softmax_loss, dx=lambda x, t: (softmax(x) - t) / len(x)):
    return layer(lambda s, x, t: loss(x, t), lambda s, x, t: dx(x, t))


class Net:
    """A right network, in formulas and not in layers, and mistakes to choose from."""

    def __init__(self, params, slope=0.0, *, factor=1, names="W1 b1 W2 b2", **mistakes):
        self.params, self.slope, self.factor, self.names = params, slope, factor, names
        self.mistakes = mistakes
        if "copies" in mistakes:
            self.params = {name: param.copy() for name, param in params.items()}

    def forward(self, x):
        W1, b1, W2, b2 = self.params.values()
        z = x @ W1.T + b1
        h = np.where(z > 0, z, self.slope * z)
        return z, h, h @ W2.T + b2

    def predict(self, x):
        scores = self.forward(x)[2]
        return softmax(scores) if "softmax" in self.mistakes else scores

    def loss(self, x, t):
        return softmax_loss(self.forward(x)[2], t) * self.mistakes.get("loss", 1)

    def gradient(self, x, t):
        z, h, scores = self.forward(x)
        classes = t.max() + 1 if "largest label" in self.mistakes else scores.shape[1]
        d = (softmax(scores) - np.eye(classes)[t]) / len(t) * self.factor
        d *= len(t) if "sum" in self.mistakes else 1
        dh = d @ self.params["W2"]
        if "through" not in self.mistakes:
            dh = np.where(z > 0, dh, self.slope * dh)
        grads = {"W1": dh.T @ x, "b1": dh.sum(axis=0), "W2": d.T @ h, "b2": d.sum(axis=0)}
        if "values" in self.mistakes:
            return list(grads.values())
        return {name: grads[name] for name in self.names.split()}


RIGHT = {
    "shapes": [SHAPES, list(map(list, SHAPES)), tuple(map(np.array, SHAPES))],
    "tanh": [
        tanh(lambda s, x, d: d / np.cosh(x) ** 2),
        tanh(lambda s, x, d: d - d * np.tanh(x) ** 2),
        layer(lambda s, x: 1 - 2 / (1 + np.exp(2 * x)), lambda s, x, d: d * (1 - np.tanh(x) ** 2)),
    ],
    "leaky_relu": [
        leaky(lambda s, x, d: np.where(x > 0, d, s.slope * d)),
        leaky(lambda s, x, d: d * (s.slope + (1 - s.slope) * (x > 0))),
        leaky(
            lambda s, x, d: d * (x > 0) + d * (x <= 0) * s.slope,
            lambda s, x: np.maximum(x, s.slope * x),
        ),
    ],
    "linear": [
        linear(),
        linear(dW=lambda x, d: (x.T @ d).T, db=lambda d: np.ones(len(d)) @ d),
        linear(dW=lambda x, d: np.einsum("nm,nd->md", d, x), db=lambda d: list(d.sum(axis=0))),
    ],
    "squared_loss": [
        squared(),
        squared(lambda x, t: 0.5 * np.mean(np.sum((x - t) ** 2, axis=1))),
        squared(dx=lambda x, t: x / len(t) - t / len(t)),
    ],
    "softmax_cross_entropy": [
        entropy(),
        entropy(dx=lambda x, t: softmax(x - 5) / len(x) - t / len(t)),
        entropy(
            lambda x, t: float(softmax_loss(x + 1, t)),
            lambda x, t: ((softmax(x) - t) / len(x)).tolist(),
        ),
    ],
}


@pytest.mark.parametrize(
    ("name", "answer"), [(name, answer) for name in RIGHT for answer in RIGHT[name]]
)
def test_right_answers_pass(name, answer):
    verdict = getattr(check, name)(answer)
    assert verdict, verdict


WRONG = {
    "shapes": [
        (((64, 7), (7,), (64, 30)), "it has the shape of W"),
        (((30, 7), (64,), (64, 30)), "one bias per unit"),
        (((30, 7), (7,), (30, 64)), "it has the shape of x"),
        (((30, 7), 7, (64, 30)), "must be a tuple of integers"),
        ((30, 7), "must be 3 values"),
    ],
    "tanh": [
        (tanh(lambda s, x, d: d * (1 - x**2)), "in the output y"),
        (tanh(lambda s, x, d: d * np.tanh(x) * (1 - np.tanh(x))), "belongs to the sigmoid"),
        (tanh(lambda s, x, d: 1 - np.tanh(x) ** 2), "the upstream gradient dout is missing"),
        (tanh(lambda s, x, d: d * (1 - np.tanh(x))), "is squared"),
        (tanh(in_place), "changes an array"),
        (tanh(lambda s, x, d: print(end="")), "is there a return"),
        (Shared, "remember in self"),
        (tanh(None, lambda s, x: np.sinh(x)), "the output for x of shape"),
        (tanh(lambda s, x, d: s.out), "AttributeError"),
    ],
    "leaky_relu": [
        (leaky(lambda s, x, d: d * (x > 0)), "the slope isn't 0"),
        (leaky(lambda s, x, d: np.where(x > 0, d, 0.1 * d)), "self.slope"),
        (leaky(lambda s, x, d: np.where(d > 0, d, s.slope * d)), "not that of dout"),
        (leaky(None, leaky_in_place), "changes an array"),
        (leaky(None, lambda s, x: np.maximum(x, 0)), "self.slope · x elsewhere"),
    ],
    "linear": [
        (linear(dW=lambda x, d: x.T @ d), "the shape of W"),
        (linear(dW=lambda x, d: d.T @ x / len(x)), "a sum, not a mean"),
        (linear(db=lambda d: d.mean(axis=0)), "a sum, not a mean"),
        (linear(db=lambda d: d), "used once per row"),
        (linear(db=lambda d: None), "db for x of shape (5, 3) is missing"),
        (linear(dx=lambda W, d: 2 * d @ W), "the sum over m"),
        (linear(db=lambda d: None), "stores it as self.db"),
        (linear(y=lambda x, W, b: x @ W.T), "the bias is missing"),
        (Adding, "after a second backward pass"),
    ],
    "squared_loss": [
        (squared(lambda x, t: np.sum((x - t) ** 2) / 2), "number of rows"),
        (squared(lambda x, t: np.mean((x - t) ** 2) / 2), "not of elements"),
        (squared(lambda x, t: np.sum((x - t) ** 2) / len(x)), "1/2 is missing"),
        (squared(lambda x, t: np.sum((x - t) ** 2, axis=1) / 2), "one number: the sum"),
        (squared(dx=lambda x, t: (x - t) / (2 * len(x))), "cancel"),
        (squared(dx=lambda x, t: x - t), "1/N of the mean is missing"),
        (squared(dx=lambda x, t: (t - x) / len(x)), "the sign"),
        (squared(dx=lambda x, t: 2 * (x - t) / len(x)), "cancel"),
    ],
    "softmax_cross_entropy": [
        (entropy(lambda x, t: len(x) * softmax_loss(x, t)), "1/N of the mean is missing"),
        (entropy(lambda x, t: -softmax_loss(x, t)), "sign"),
        (entropy(lambda x, t: -np.sum(t * np.log(softmax(x))) / len(x)), "subtracting the largest"),
        (entropy(dx=lambda x, t: softmax(x) - t), "1/N of the mean is missing"),
        (entropy(dx=lambda x, t: (t - softmax(x)) / len(x)), "sign"),
        (
            entropy(dx=lambda x, t: (softmax(x) - np.eye(x.shape[1])[t.argmax(1)]) / len(x)),
            "several classes",
        ),
    ],
}


@pytest.mark.parametrize(
    ("name", "answer", "part"), [(name, *answer) for name in WRONG for answer in WRONG[name]]
)
def test_wrong_answers_get_help(name, answer, part):
    for _ in range(3):
        verdict = getattr(check, name)(answer)
        assert not verdict
        assert part in verdict.message


def network(predict=Net.predict, **mistakes):
    """Return a class of networks that make these mistakes."""

    def init(self, params, slope=0.0):
        Net.__init__(self, params, **{"slope": slope} | mistakes)

    return type("Mine", (Net,), {"__init__": init, "predict": predict})


def test_right_networks_pass():
    in_lists = network(lambda self, x: Net.predict(self, x).tolist())
    for answer in (Net, in_lists, network(names="b2 W2 b1 W1")):
        verdict = check.two_layer_net(answer, TwoLayerNet)
        assert verdict, verdict


@pytest.mark.parametrize(
    ("mistakes", "part"),
    [
        ({"copies": True}, "the very arrays of params"),
        ({"softmax": True}, "predict returns logits"),
        ({"largest label": True}, "could not be broadcast"),
        ({"loss": 2}, "the loss"),
        ({"sum": True}, "1/N of the mean is missing"),
        ({"factor": -1}, "sign"),
        ({"names": "W1 W2 b1"}, "b2 is missing"),
        ({"values": True}, "got list"),
        ({"through": True}, "passes through LeakyRelu"),
        ({"slope": 0.0}, "the logits with slope 0.3"),
    ],
)
def test_wrong_networks_get_help(mistakes, part):
    for _ in range(10):
        verdict = check.two_layer_net(network(**mistakes), TwoLayerNet)
        assert not verdict
        assert part in verdict.message


class Predicts:
    def __init__(self, scores):
        self.predict = lambda x: scores


def test_only_a_trained_network_is_a_trained_one():
    labels = np.arange(100) % 10
    digits, sure = (np.zeros((100, 784)), labels), np.eye(10)[labels]
    for scores in (sure, sure.tolist(), softmax(sure).astype(np.float32)):
        assert check.trained(Predicts(scores), digits=digits)
    half = np.where(np.arange(100)[:, np.newaxis] < 60, sure, np.eye(10)[(labels + 1) % 10])
    for answer, part in (
        (0.95, "with its method predict"),
        (Net, "with its method predict"),
        (Predicts(labels), "must return shape (100, 10)"),
        (Predicts(-sure), "chance level"),
        (Predicts(np.ones((100, 10))), "chance level"),
        (Predicts(half), "0.600; 0.9 is asked for"),
    ):
        verdict = check.trained(answer, digits=digits)
        assert not verdict
        assert part in verdict.message
