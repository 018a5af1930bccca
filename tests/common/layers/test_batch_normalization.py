"""What is particular to batch normalization: its statistics and running averages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.layers import BatchNormalization
from tests.common.layers.problems import batch_normalizations
from tests.helpers import FLOATS, assert_close, few, frozen, normal


def axes(x):
    return (0, *range(2, x.ndim))


def per_feature(x, values):
    """`values` as an array that broadcasts against x along its axis 1."""
    return np.reshape(values, (-1,) + (1,) * (x.ndim - 2))


@given(st.booleans().flatmap(batch_normalizations))
@few
def test_agrees_with_the_formula(p):
    layer, (training,) = p.layer(), p.arguments
    mean, var, m = layer.running_mean, layer.running_var, layer.momentum
    y = p.forward(layer)
    if training:
        now = p.x.mean(axis=axes(p.x)), p.x.var(axis=axes(p.x))
        assert_close(layer.running_mean, m * mean + (1 - m) * now[0])
        assert_close(layer.running_var, m * var + (1 - m) * now[1])
        mean, var = now
    else:
        assert layer.running_mean is mean
        assert layer.running_var is var
    normalized = (p.x - per_feature(p.x, mean)) / np.sqrt(per_feature(p.x, var) + 1e-6)
    expected = per_feature(p.x, p.parameters["gamma"]) * normalized
    assert_close(y, expected + per_feature(p.x, p.parameters["beta"]), 1e-10, scale=1)


@FLOATS
def test_the_defaults(dtype):
    layer = BatchNormalization(np.ones(1, dtype), np.zeros(1, dtype))
    x = frozen([[1.0], [3.0]], dtype)
    assert_close(layer.forward(x, False), x, 1e-6)  # untrained, it leaves its input as it is
    assert layer.running_mean.dtype == layer.running_var.dtype == dtype
    layer.forward(x)
    assert layer.running_mean.dtype == layer.running_var.dtype == dtype
    assert layer.running_mean == pytest.approx(0.2, rel=1e-6)
    assert layer.running_var == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("parameters", [(1.0, 0.0), (np.float64(1), 0), (1, np.zeros(2))])
@pytest.mark.parametrize("shape", [(4, 2), (4, 2, 3, 3)])
def test_one_number_for_all_features(parameters, shape):
    x = normal(np.random.default_rng(0), shape)
    one, many = BatchNormalization(*parameters), BatchNormalization(np.ones(2), np.zeros(2))
    for train_flg in (False, True, True, False):
        assert np.array_equal(one.forward(x, train_flg), many.forward(x, train_flg))
        assert np.array_equal(one.backward(x), many.backward(x))
        assert np.array_equal(one.dgamma, many.dgamma)


def test_running_averages_start_where_they_are_told_and_are_not_written_to():
    mean, variance = frozen([1.0, 2.0]), frozen([3.0, 4.0])
    layer = BatchNormalization(np.ones(2), np.zeros(2), 0.5, mean, variance)
    x = frozen([[1.0, 2.0], [1.0, 2.0]])
    assert_close(layer.forward(x, train_flg=False), np.zeros((2, 2)), scale=1)
    layer.forward(x)
    earlier = layer.running_mean
    layer.forward(x + 1)
    assert earlier.tolist() == [1, 2]  # an array that was handed out isn't updated in place
    assert layer.running_mean.tolist() == [1.5, 2.5]
    assert layer.running_var.tolist() == [0.75, 1]


@pytest.mark.parametrize("shape", [(4, 2), (3, 2, 2, 2)], ids=["2-D", "4-D"])
def test_a_constant_feature_is_not_divided_by_0(shape):
    x = np.random.default_rng(0).normal(size=shape)
    x[:, 1] = 0.1
    layer = BatchNormalization(np.ones(2), frozen([0.0, 5.0]))
    assert_close(layer.forward(frozen(x))[:, 1], np.full_like(x[:, 1], 5))
    assert np.isfinite(layer.backward(np.ones(shape))).all()


def test_one_image_is_normalized_over_its_pixels_and_one_row_is_refused():
    layer = BatchNormalization(np.ones(2), np.zeros(2))
    y = layer.forward(frozen([[[[1.0, 3.0]], [[-10.0, -30.0]]]]))
    assert_close(y, [[[[-1, 1]], [[1, -1]]]], 1e-6)
    for shape in ((1, 2), (0, 2), (1, 2, 1, 1), (0, 2, 3, 3)):
        before = dict(vars(layer))
        with pytest.raises(ValueError, match=f"more than one value per feature .*, got {shape[0]}"):
            layer.forward(np.ones(shape))
        assert all(vars(layer)[name] is value for name, value in before.items())
        assert layer.forward(np.ones(shape), train_flg=False).shape == shape


def test_backward_follows_the_mode_of_the_last_forward():
    rng = np.random.default_rng(0)
    x, dout = normal(rng, (6, 2)), normal(rng, (6, 2))
    layer = BatchNormalization(np.ones(2), np.zeros(2))
    layer.forward(x)
    assert_close(layer.backward(dout).sum(axis=0), np.zeros(2), scale=1)  # μ takes the sum away
    layer.running_mean, layer.running_var = np.zeros(2), np.full(2, 4.0)
    layer.forward(x, train_flg=False)
    assert_close(layer.backward(dout), dout / 2, 1e-6)


def test_float32_mean_of_many_pixels():
    x = frozen(np.random.default_rng(0).normal(100, 1, (100, 4, 28, 28)), np.float32)
    layer = BatchNormalization(np.ones(4, np.float32), np.zeros(4, np.float32))
    y = layer.forward(x)
    assert_close(y.mean(axis=(0, 2, 3), dtype=np.float64), np.zeros(4), 1e-5, scale=1)
