"""The derivative along a direction that names some of the parameters, or none, or wrong ones."""

import numpy as np
import pytest

from ch05_backprop.two_layer_net import TwoLayerNet
from common.gradient_methods.forward import directional_derivative
from tests.helpers import FLOATS, as_bytes, assert_close, frozen, normal


def problem(dtype=np.float64):
    rng = np.random.default_rng(0)
    network = TwoLayerNet(4, 3, 2, weight_init_std=0.7, rng=rng, dtype=dtype)
    return network, normal(rng, (5, 4)), frozen(rng.integers(0, 2, 5))


@FLOATS
@pytest.mark.parametrize("keys", [["W1"], ["b1", "W2"], ["W1", "b1", "W2", "b2"], []], ids=str)
def test_parameters_that_are_missing_do_not_move(dtype, keys):
    network, x, t = problem(dtype)
    rng, before = np.random.default_rng(1), as_bytes(network.params)
    direction = {key: normal(rng, network.params[key].shape, dtype) for key in keys}
    result = directional_derivative(network, x, t, direction)
    assert type(result) is float
    grads = network.gradient(x, t)
    expected = sum(float(np.sum(grads[key] * dw)) for key, dw in direction.items())
    assert_close(result, expected, 100 * np.finfo(dtype).eps, scale=1)
    assert as_bytes(network.params) == before


@pytest.mark.parametrize(
    ("direction", "message"),
    [
        ({"W3": np.ones((4, 3))}, "direction names 'W3'; there are W1, b1, W2, b2"),
        ({"W1": np.ones((3, 4))}, r"direction of W1 must have shape \(4, 3\), got \(3, 4\)"),
        ({"b1": 1.0}, r"direction of b1 must have shape \(3,\), got \(\)"),
        ({"W2": np.ones((1, 3, 2))}, r"direction of W2 must have shape \(3, 2\), got \(1, 3, 2\)"),
    ],
)
def test_a_direction_that_does_not_fit_is_refused(direction, message):
    with pytest.raises(ValueError, match=message):
        directional_derivative(*problem(), direction)
