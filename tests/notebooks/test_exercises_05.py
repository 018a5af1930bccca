import numpy as np
import pytest

from common.exercises import notebook_05 as check
from common.layers import Affine, Relu, Sigmoid, SoftmaxWithLoss


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (((64, 7), (7,), (64, 30)), "it has the shape of W"),
        (((30, 7), (64,), (64, 30)), "one bias for each unit"),
        (((30, 7), (7,), (30, 64)), "it has the shape of x"),
        (((30, 7), 7, (64, 30)), "must be a tuple of integers"),
        ((30, 7), "must be 3 values"),
    ],
)
def test_wrong_shapes(answer, part):
    verdict = check.shapes(answer)
    assert not verdict
    assert part in verdict.message


def layer(forward, backward, init=lambda self, parameter=None: None):
    return type("Layer", (), {"__init__": init, "forward": forward, "backward": backward})


def tanh_forward(self, x):
    self.x, self.out = x, np.tanh(x)
    return self.out


def tanh_forward_shared(self, x):
    type(self).out = np.tanh(x)
    return self.out


def tanh_backward(self, dout):
    return dout * (1 - self.out**2)


def tanh_backward_in_place(self, dout):
    dout *= 1 - self.out**2
    return dout


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (layer(tanh_forward, lambda s, d: d * (1 - s.x**2)), "of the output"),
        (layer(tanh_forward, lambda s, d: d * s.out * (1 - s.out)), "belongs to the sigmoid"),
        (layer(tanh_forward, lambda s, d: 1 - s.out**2), "the upstream gradient dout is missing"),
        (layer(tanh_forward, tanh_backward_in_place), "writes into dout"),
        (layer(tanh_forward, lambda s, d: print(end="")), "is there a return"),
        (layer(tanh_forward_shared, tanh_backward), "remember in self"),
        (layer(lambda s, x: np.sinh(x), tanh_backward), "the output for x of shape"),
        (layer(lambda s, x: np.tanh(x), tanh_backward), "AttributeError"),
    ],
)
def test_wrong_tanh(answer, part):
    verdict = check.tanh(answer)
    assert not verdict
    assert part in verdict.message


def keep_slope(self, slope=0.1):
    self.slope = slope


def leaky_forward(self, x):
    self.positive = x > 0
    return np.where(x > 0, x, self.slope * x)


def leaky_forward_in_place(self, x):
    self.positive = x > 0
    x[x < 0] *= self.slope
    return x


def leaky_backward(self, dout):
    return np.where(self.positive, dout, self.slope * dout)


@pytest.mark.parametrize(
    ("forward", "backward", "part"),
    [
        (leaky_forward, lambda s, d: d * s.positive, "the slope isn't 0"),
        (leaky_forward, lambda s, d: np.where(s.positive, d, 0.1 * d), "self.slope"),
        (leaky_forward, lambda s, d: np.where(d > 0, d, s.slope * d), "not that of dout"),
        (leaky_forward_in_place, leaky_backward, "writes into x"),
        (lambda s, x: np.maximum(x, 0), leaky_backward, "the output for x"),
    ],
)
def test_wrong_leaky_relu(forward, backward, part):
    verdict = check.leaky_relu(layer(forward, backward, keep_slope))
    assert not verdict
    assert part in verdict.message


def test_leaky_relu_as_a_maximum_is_right():
    def forward(self, x):
        self.x = x
        return np.maximum(x, self.slope * x)

    def backward(self, dout):
        return dout * (self.slope + (1 - self.slope) * (self.x > 0))

    assert check.leaky_relu(layer(forward, backward, keep_slope))


def scale_layer(dg, dx=lambda self, dout: dout * self.g):
    def init(self, g):
        self.g, self.dg = g, None

    def forward(self, x):
        self.x = x
        return x * self.g

    def backward(self, dout):
        self.dg = dg(self, dout)
        return dx(self, dout)

    return layer(forward, backward, init)


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (scale_layer(lambda s, d: d * s.x), "all rows use it"),
        (scale_layer(lambda s, d: (d * s.x).mean(axis=0)), "a sum, not a mean"),
        (scale_layer(lambda s, d: d.sum(axis=0)), "at the rate X[n, d], not 1"),
        (scale_layer(lambda s, d: (d * s.x).sum(axis=1)), "dg for x of shape"),
        (scale_layer(lambda s, d: None), "dg for x of shape (5, 3) is missing"),
        (scale_layer(lambda s, d: (d * s.x).sum(axis=0), lambda s, d: d * s.x), "dx for x"),
    ],
)
def test_wrong_scale(answer, part):
    verdict = check.scale(answer)
    assert not verdict
    assert part in verdict.message


def squared(loss, dx):
    def forward(self, x, t):
        self.x, self.t = x, t
        return loss(x, t)

    return layer(forward, lambda self: dx(self.x, self.t))


def right_loss(x, t):
    return np.sum((x - t) ** 2) / (2 * len(x))


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (squared(lambda x, t: np.sum((x - t) ** 2) / 2, lambda x, t: x - t), "number of rows"),
        (squared(lambda x, t: np.mean((x - t) ** 2) / 2, None), "not of elements"),
        (squared(lambda x, t: np.sum((x - t) ** 2) / len(x), None), "1/2 is missing"),
        (squared(right_loss, lambda x, t: x - t), "1/N of the mean is missing"),
        (squared(right_loss, lambda x, t: (t - x) / len(x)), "the sign"),
        (squared(right_loss, lambda x, t: 2 * (x - t) / len(x)), "cancel"),
    ],
)
def test_wrong_squared_loss(answer, part):
    verdict = check.squared_loss(answer)
    assert not verdict
    assert part in verdict.message


def network(params, x, t, *, skip=None, first=Sigmoid, factor=1, without=()):
    """Return loss and gradients, with the mistakes asked for."""
    affine = {i: Affine(params[f"W{i}"], params[f"b{i}"]) for i in (1, 2, 3)}
    chain = [affine[1], first(), affine[2], Relu(), affine[3]]
    last = SoftmaxWithLoss()
    for step in chain:
        x = step.forward(x)
    loss = last.forward(x, t)
    dout = last.backward() * (len(t) if factor == "N" else factor)
    for step in reversed(chain):
        if not (skip and isinstance(step, skip)):
            dout = step.backward(dout)
    grads = {f"W{i}": layer.dW for i, layer in affine.items()}
    grads |= {f"b{i}": layer.db for i, layer in affine.items()}
    return loss, {name: grad for name, grad in grads.items() if name not in without}


@pytest.mark.parametrize(
    ("mistake", "part"),
    [
        ({"skip": Sigmoid}, "through Sigmoid first"),
        ({"first": Relu}, "the loss: expected"),
        ({"factor": "N"}, "N times too large"),
        ({"factor": -1}, "the gradient with respect to W3"),
        ({"without": ("b2",)}, "the gradient with respect to b2 is missing"),
    ],
)
def test_wrong_networks(mistake, part):
    verdict = check.loss_and_gradient(lambda params, x, t: network(params, x, t, **mistake))
    assert not verdict
    assert part in verdict.message


def test_a_network_without_its_gradients_is_told_so():
    verdict = check.loss_and_gradient(lambda params, x, t: network(params, x, t)[0])
    assert not verdict
    assert "must be 2 values" in verdict.message
