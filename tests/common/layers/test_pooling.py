"""What is particular to the pooling layer: ties, padding and NaN."""

import numpy as np
import pytest
from hypothesis import given, settings

from common.layers import Pooling
from tests.common.layers.problems import few_integers, pooling_by_loops, poolings
from tests.helpers import assert_close, few, frozen, normal


@given(poolings(few_integers) | poolings())
@settings(few, max_examples=100)
def test_agrees_with_loops(p):
    layer = p.layer()
    y, dx = p.run(layer)
    expected_y, expected_dx, arg_max = pooling_by_loops(p)
    assert np.array_equal(y, expected_y)
    assert_close(dx, expected_dx, 1e-14, scale=1)
    assert np.array_equal(layer.arg_max, arg_max)


def test_by_hand():
    layer = Pooling(2, 2, stride=1)
    dout = frozen([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert layer.arg_max is None
    assert layer.forward(frozen(np.zeros((1, 1, 3, 3)))).tolist() == [[[[0, 0], [0, 0]]]]
    assert layer.backward(dout).tolist() == [[[[1, 2, 0], [3, 4, 0], [0, 0, 0]]]]
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 1, 1] = 1  # the maximum of all four windows, which gets the sum
    assert layer.forward(frozen(x)).tolist() == [[[[1, 1], [1, 1]]]]
    assert layer.backward(dout).tolist() == [[[[0, 0, 0], [0, 10, 0], [0, 0, 0]]]]
    assert layer.arg_max.tolist() == [3, 2, 1, 0]


def test_both_zeros_are_the_same_maximum():
    layer = Pooling(1, 2, stride=2)
    layer.forward(frozen([[[[-0.0, 0.0, 0.0, -0.0]]]]))
    assert layer.backward(frozen([[[[1.0, 2.0]]]])).tolist() == [[[[1, 0, 2, 0]]]]


def test_the_gradient_has_the_dtype_of_dout():
    layer = Pooling(2, 2)
    layer.forward(np.ones((1, 1, 2, 2), np.float32))
    assert layer.backward(frozen([[[[1 / 3]]]])).tolist() == [[[[1 / 3, 0], [0, 0]]]]


def test_the_default_stride_is_2():
    assert Pooling(2, 2).forward(np.zeros((1, 1, 6, 8))).shape == (1, 1, 3, 4)
    assert Pooling(3, 3).forward(np.zeros((1, 1, 6, 8))).shape == (1, 1, 2, 3)


@pytest.mark.parametrize("pad", [0, 1])
def test_a_window_of_more_pixels_than_fit_into_a_byte(pad):
    x = normal(np.random.default_rng(0), (1, 1, 34, 34))
    layer = Pooling(17, 17, 17, pad)
    layer.forward(x)
    assert np.count_nonzero(layer.backward(np.ones((1, 1, 2, 2)))) == 4
    assert layer.arg_max.max() > 255 or pad


@pytest.mark.parametrize("pad", [0, 1])
def test_nan_is_the_largest_gets_the_gradient_and_does_not_spread(pad):
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    for place in ((1, 1), (0, 1), (0, 0)):
        x[(0, 0, *place)] = np.nan
        layer = Pooling(2, 2, stride=2)
        assert np.isnan(layer.forward(frozen(x))[0, 0]).tolist() == [[True, False], [False, False]]
        dx = layer.backward(frozen([[[[10.0, 20.0], [30.0, 40.0]]]]))
        assert dx[(0, 0, *place)] == 10  # the first NaN of the window
        assert layer.arg_max.tolist() == [2 * place[0] + place[1], 3, 3, 3]
        assert dx.sum() == 100
    everywhere = Pooling(3, 3, stride=1, pad=pad).forward(frozen(np.full((1, 1, 4, 4), np.nan)))
    assert np.isnan(everywhere).all()


@pytest.mark.parametrize("lowest", [-1.0, np.uint8(0), np.int16(-(2**15))], ids=repr)
def test_padding_is_never_the_maximum(lowest):
    layer = Pooling(2, 2, stride=2, pad=1)
    x = frozen(np.full((1, 1, 2, 2), lowest))
    assert np.array_equal(layer.forward(x), x)
    dx = layer.backward(frozen([[[[1.0, 2.0], [3.0, 4.0]]]]))
    assert dx.tolist() == [[[[1, 2], [3, 4]]]]


def test_minus_infinity_may_be_the_maximum():
    layer = Pooling(2, 2)
    assert layer.forward(frozen(np.full((1, 1, 2, 2), -np.inf))).tolist() == [[[[-np.inf]]]]
    assert layer.backward(frozen([[[[3.0]]]])).tolist() == [[[[3, 0], [0, 0]]]]


@pytest.mark.parametrize("pad", [0, 1])
def test_channels_that_lie_last_in_memory_stay_there(pad):
    x = normal(np.random.default_rng(0), (2, 4, 4, 3)).transpose(0, 3, 1, 2)
    y = Pooling(2, 2, pad=pad).forward(x)
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
