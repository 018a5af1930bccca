import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.layers import Pooling

few = settings(max_examples=60, deadline=None, database=None)


def run(p):
    layer = Pooling(*p.arguments)
    return layer.forward(p.x), layer.backward(p.dout)


@given(data=st.data())
@few
def test_agrees_with_loops(ref, data):
    p = data.draw(ref.poolings())
    y, dx = run(p)
    expected_y, expected_dx = ref.pooling_by_loops(p)
    assert np.array_equal(y, expected_y)
    ref.assert_close(dx, expected_dx, 1e-14, scale=1)


@given(data=st.data())
@few
def test_the_first_of_several_maxima_gets_the_gradient(ref, data):
    p = data.draw(ref.poolings(ref.few_integers))
    y, dx = run(p)
    expected_y, expected_dx = ref.pooling_by_loops(p)
    assert np.array_equal(y, expected_y)
    ref.assert_close(dx, expected_dx, 1e-14, scale=1)


@given(data=st.data())
@few
def test_all_of_the_gradient_arrives(ref, data):
    p = data.draw(ref.poolings(ref.few_integers))
    dx = run(p)[1]
    per_image = dx.sum(axis=(2, 3)), p.dout.sum(axis=(2, 3))
    np.testing.assert_allclose(*per_image, rtol=0, atol=1e-12)


def test_ties_by_hand(ref):
    layer = Pooling(2, 2, stride=1)
    assert layer.forward(ref.frozen(np.zeros((1, 1, 3, 3)))).tolist() == [[[[0, 0], [0, 0]]]]
    dx = layer.backward(ref.frozen([[[[1.0, 2.0], [3.0, 4.0]]]]))
    assert dx.tolist() == [[[[1, 2, 0], [3, 4, 0], [0, 0, 0]]]]


def test_a_pixel_that_is_the_maximum_of_several_windows_gets_the_sum(ref):
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 1, 1] = 1
    layer = Pooling(2, 2, stride=1)
    assert layer.forward(ref.frozen(x)).tolist() == [[[[1, 1], [1, 1]]]]
    dx = layer.backward(ref.frozen([[[[1.0, 2.0], [3.0, 4.0]]]]))
    assert dx.tolist() == [[[[0, 0, 0], [0, 10, 0], [0, 0, 0]]]]


def test_both_zeros_are_the_same_maximum(ref):
    layer = Pooling(1, 2, stride=2)
    layer.forward(ref.frozen([[[[-0.0, 0.0, 0.0, -0.0]]]]))
    assert layer.backward(ref.frozen([[[[1.0, 2.0]]]])).tolist() == [[[[1, 0, 2, 0]]]]


def test_the_default_stride_is_2(ref):
    assert Pooling(2, 2).forward(np.zeros((1, 1, 6, 8))).shape == (1, 1, 3, 4)
    assert Pooling(3, 3).forward(np.zeros((1, 1, 6, 8))).shape == (1, 1, 2, 3)


def test_negative_pixels_win_against_padding(ref):
    x = ref.frozen([[[[-1.0, -2.0], [-3.0, -4.0]]]])
    layer = Pooling(2, 2, stride=2, pad=1)
    assert np.array_equal(layer.forward(x), x)
    assert layer.backward(ref.frozen(np.ones((1, 1, 2, 2)))).tolist() == [[[[1, 1], [1, 1]]]]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float16, np.float32])
def test_every_kind_of_number_keeps_its_dtype(dtype):
    x = np.arange(9).reshape(1, 1, 3, 3).astype(dtype)
    y = Pooling(2, 2, stride=2, pad=1).forward(x)
    assert y.dtype == dtype
    assert y.tolist() == [[[[0, 2], [6, 8]]]]


def test_masks_can_be_padded():
    x = np.array([[[[False, True], [False, False]]]])
    assert Pooling(2, 2, pad=1).forward(x).tolist() == [[[[False, True], [False, False]]]]


@pytest.mark.parametrize("pad", [0, 1])
def test_nan_stays_nan_and_does_not_spread(ref, pad):
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    for place in ((0, 0), (1, 1), (0, 1)):
        x[(0, 0, *place)] = np.nan
        y = Pooling(2, 2, stride=2).forward(ref.frozen(x))
        assert np.isnan(y[0, 0]).tolist() == [[True, False], [False, False]]
    everywhere = Pooling(3, 3, stride=1, pad=pad).forward(ref.frozen(np.full((1, 1, 4, 4), np.nan)))
    assert np.isnan(everywhere).all()


def test_minus_infinity_without_padding(ref):
    layer = Pooling(2, 2)
    assert layer.forward(ref.frozen(np.full((1, 1, 2, 2), -np.inf))).tolist() == [[[[-np.inf]]]]
    assert layer.backward(ref.frozen([[[[3.0]]]])).tolist() == [[[[3, 0], [0, 0]]]]


@pytest.mark.parametrize(
    "lowest", [np.float64(-np.inf), np.uint8(0), np.int16(-(2**15))], ids=["float", "uint8", "int"]
)
def test_padding_is_never_the_maximum(ref, lowest):
    layer = Pooling(2, 2, stride=2, pad=1)
    layer.forward(ref.frozen(np.full((1, 1, 2, 2), lowest)))
    dx = layer.backward(ref.frozen([[[[1.0, 2.0], [3.0, 4.0]]]]))
    assert dx.tolist() == [[[[1, 2], [3, 4]]]]


@pytest.mark.parametrize(
    "pad",
    [0, 1],
)
def test_channels_that_lie_last_in_memory_stay_there(ref, pad):
    x = ref.normal(np.random.default_rng(0), (2, 4, 4, 3)).transpose(0, 3, 1, 2)
    y = Pooling(2, 2, pad=pad).forward(x)
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
