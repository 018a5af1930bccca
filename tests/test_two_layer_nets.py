"""The two-layer networks of both chapters: their formulas, and how often they go back and forth.

What they have in common with all networks is tested in common/networks.
"""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from ch05_backprop.symbolic_two_layer_net import derived
from common import layers
from common.functions import relu, sigmoid, softmax
from tests.common.networks.examples import CLASSES, OF_CHAPTERS, batch, build
from tests.helpers import assert_close, frozen

pytestmark = pytest.mark.parametrize("kind", OF_CHAPTERS)


def formula_loss(params, kind, x, t):
    """The same network once more, as a formula that autograd can differentiate."""
    u = anp.dot(x, params["W1"]) + params["b1"]
    z = 1 / (1 + anp.exp(-u)) if kind == "chapter 4" else anp.where(u > 0, u, 0.0)
    scores = anp.dot(z, params["W2"]) + params["b2"]
    log_sum = anp.log(anp.sum(anp.exp(scores), axis=1))
    return anp.mean(log_sum - scores[np.arange(len(t)), t])


@pytest.mark.parametrize("n", [1, 7])
def test_loss_and_gradient_agree_with_autograd(kind, n):
    network = build(kind)
    x, t = batch(network, n)
    loss, grads = network.loss_and_gradient(x, t)
    assert network.loss(x, t) == pytest.approx(formula_loss(network.params, kind, x, t), rel=1e-13)
    assert loss == pytest.approx(network.loss(x, t), rel=1e-15)
    assert_close(grads, grad(formula_loss)(network.params, kind, x, t))
    assert list(grads) == ["W1", "b1", "W2", "b2"]


def test_the_activation_is_the_function_that_the_network_uses(kind):
    network = build(kind)
    x, _ = batch(network)
    params = network.params
    u = frozen(x @ params["W1"] + params["b1"])
    scores = network.activation(u) @ params["W2"] + params["b2"]
    y = softmax(scores) if kind == "chapter 4" else scores
    np.testing.assert_array_equal(network.predict(x), y)
    np.testing.assert_array_equal(network.activation(u)[1], network.activation(u[1]))
    assert network.activation is (sigmoid if kind == "chapter 4" else relu)


def test_loss_and_gradient_go_forward_and_backward_once(kind, monkeypatch):
    if kind == "symbolic":
        source = derived().source
        assert source.count(" @ ") == 5  # two forward, three backward
        assert "W1.T" not in source  # which the gradient of the input would need
        return
    passes, returned = [], []

    def count(layer, method):
        original = getattr(layer, method)

        def counting(self, *args):
            passes.append((layer.__name__, method))
            result = original(self, *args)
            if passes[-1] == ("Affine", "backward"):
                returned.append(result)
            return result

        monkeypatch.setattr(layer, method, counting)

    for layer in (layers.Affine, layers.SoftmaxWithLoss):
        count(layer, "forward")
        count(layer, "backward")
    network = build(kind)
    network.loss_and_gradient(*batch(network))
    assert passes == [
        ("Affine", "forward"),
        ("Affine", "forward"),
        ("SoftmaxWithLoss", "forward"),
        ("SoftmaxWithLoss", "backward"),
        ("Affine", "backward"),
        ("Affine", "backward"),
    ]
    assert [None if dx is None else dx.shape for dx in returned] == [(5, 5), None]


def test_a_certain_and_right_network_has_loss_0_with_labels_of_either_kind(kind):
    network = build(kind)
    x, _ = batch(network)
    network.params["b2"][:] = [-2000, 0, -2000]
    t = np.ones(len(x), int)
    assert network.loss(x, t) == network.loss(x, np.eye(CLASSES)[t]) == 0


def test_a_layer_may_be_replaced_unless_the_gradient_was_derived_for_the_old_one(kind):
    if kind == "chapter 4":
        pytest.skip("has no layers")
    network = build(kind)
    x, t = batch(network)
    network.layers["Relu1"] = layers.Sigmoid()
    if kind == "symbolic":
        with pytest.raises(TypeError, match="was derived for the layers Affine, Relu and Affine, "):
            network.gradient(x, t)
    else:
        assert_close(network.gradient(x, t), network.numerical_gradient(x, t), 1e-6)
