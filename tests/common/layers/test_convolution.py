import itertools
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.layers import Convolution, convolution

few = settings(max_examples=60, deadline=None, database=None)
STRIDE = pytest.mark.parametrize("stride", [1, 2, 3])
PAD = pytest.mark.parametrize("pad", [0, 1, 2, 3])
FILTER = pytest.mark.parametrize("size", [(1, 1), (1, 3), (2, 2), (3, 3), (4, 3)], ids=str)


def run(p, dtype=np.float64, **options):
    """Y, ∂L/∂X, ∂L/∂W and ∂L/∂b."""
    layer = Convolution(p.W.astype(dtype), p.b.astype(dtype), p.stride, p.pad, **options)
    y = layer.forward(p.x.astype(dtype))
    return y, layer.backward(p.dout.astype(dtype)), layer.dW, layer.db


@STRIDE
@PAD
@FILTER
def test_every_stride_pad_and_filter_agrees_with_loops(ref, stride, pad, size):
    rng = np.random.default_rng(0)
    p = ref.convolution(rng, (2, 2, 7, 6), (2, *size), stride, pad)
    for result, expected in zip(run(p), ref.convolution_by_loops(p), strict=True):
        ref.assert_close(result, expected, 1e-13)


@given(data=st.data())
@few
def test_agrees_with_loops(ref, data):
    p = data.draw(ref.convolutions())
    for result, expected in zip(run(p), ref.convolution_by_loops(p), strict=True):
        ref.assert_close(result, expected, 1e-12)


@given(data=st.data())
@few
def test_without_input_gradient_the_parameter_gradients_are_the_same(ref, data):
    p = data.draw(ref.convolutions())
    y, dx, dW, db = run(p)
    y_without, no_dx, dW_without, db_without = run(p, input_gradient=False)
    assert dx is not None
    assert no_dx is None
    assert np.array_equal(y, y_without)
    assert np.array_equal(db, db_without)
    ref.assert_close(dW_without, dW, 1e-12)


@pytest.mark.parametrize("input_gradient", [True, False])
@given(data=st.data(), block_bytes=st.integers(0, 20_000))
@few
def test_blocks_change_nothing_but_rounding(ref, input_gradient, data, block_bytes):
    p = data.draw(ref.convolutions())
    p.x, p.dout = (np.concatenate([a, 2 * a, -a, a]) for a in (p.x, p.dout))
    whole = run(p, input_gradient=input_gradient)
    with mock.patch.object(convolution, "BLOCK_BYTES", block_bytes):
        in_blocks = run(p, input_gradient=input_gradient)
    for result, expected in zip(in_blocks, whole, strict=True):
        if expected is not None:
            ref.assert_close(result, expected, 1e-12)


@pytest.mark.parametrize(
    ("images", "lengths"), [(1, [1] * 7), (2, [2, 2, 2, 1]), (3, [3, 3, 1]), (7, [7]), (99, [7])]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_block_holds_as_many_images_as_its_bytes_allow(ref, monkeypatch, images, lengths, dtype):
    # With padding that keeps the size and as many filters as channels, the windows of X and of
    # ∂L/∂Y are equally large, so that forward and both forms of backward have the same blocks.
    p = ref.convolution(np.random.default_rng(0), (7, 2, 5, 6), (2, 3, 3), 1, 1)
    seen = []
    original = convolution.windows_by_blocks

    def spied(*arguments, **options):
        for block, windows in original(*arguments, **options):
            seen.append(len(windows))
            assert windows.dtype == dtype
            yield block, windows

    monkeypatch.setattr(convolution, "windows_by_blocks", spied)
    bytes_of_one = (5 * 6) * (3 * 3 * 2) * np.dtype(dtype).itemsize
    monkeypatch.setattr(convolution, "BLOCK_BYTES", images * bytes_of_one)
    results = run(p, dtype)
    run(p, dtype, input_gradient=False)
    assert seen == lengths * 4
    for result, expected in zip(results, ref.convolution_by_loops(p), strict=True):
        ref.assert_close(result, expected, 1e-5 if dtype == np.float32 else 1e-13)


def test_more_images_than_fit_into_one_block_of_the_real_size(ref):
    p = ref.convolution(np.random.default_rng(0), (100, 1, 28, 28), (3, 5, 5), 1, 2)
    assert 2 * convolution.BLOCK_BYTES < 100 * 28 * 28 * 25 * 8
    y, dx, dW, db = run(p)
    for start in (0, 40, 99):
        part = slice(start, start + 1)
        one = Convolution(p.W, p.b, pad=2)
        ref.assert_close(y[part], one.forward(p.x[part]), 1e-12)
        ref.assert_close(dx[part], one.backward(p.dout[part]), 1e-12)
    padded = np.pad(p.x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    expected = [
        np.einsum("ncij,nfij->fc", padded[:, :, u : u + 28, v : v + 28], p.dout)
        for u, v in np.ndindex(5, 5)
    ]
    ref.assert_close(dW, np.moveaxis(np.reshape(expected, (5, 5, 3, 1)), (0, 1), (2, 3)), 1e-12)
    ref.assert_close(db, p.dout.sum(axis=(0, 2, 3)), 1e-12)


def test_an_image_says_nothing_about_its_neighbours(ref, monkeypatch):
    p = ref.convolution(np.random.default_rng(0), (5, 2, 4, 4), (2, 3, 3), 1, 1)
    x, dout = np.array(p.x), np.array(p.dout)
    x[2], dout[2] = np.nan, np.nan
    for block_bytes in (1, 2**20):
        monkeypatch.setattr(convolution, "BLOCK_BYTES", block_bytes)
        layer = Convolution(p.W, p.b, 1, 1)
        assert np.isnan(layer.forward(x)).any(axis=(1, 2, 3)).tolist() == [0, 0, 1, 0, 0]
        assert np.isnan(layer.backward(dout)).any(axis=(1, 2, 3)).tolist() == [0, 0, 1, 0, 0]


def test_pixels_that_no_window_reaches_have_no_gradient(ref):
    p = ref.convolution(np.random.default_rng(0), (1, 1, 6, 7), (1, 2, 2), 3, 0)
    dx = run(p)[1][0, 0]
    assert ((dx != 0) == np.outer([1, 1, 0, 1, 1, 0], [1, 1, 0, 1, 1, 0, 0])).all()


def test_padding_may_be_larger_than_the_filter_and_the_image(ref):
    p = ref.convolution(np.random.default_rng(0), (1, 1, 1, 1), (1, 1, 1), 1, 3)
    y, dx, dW, db = run(p)
    only_bias = np.full((7, 7), p.b[0])
    only_bias[3, 3] += p.x.item() * p.W.item()
    np.testing.assert_allclose(y[0, 0], only_bias, rtol=1e-15)
    assert dx.item() == p.dout[0, 0, 3, 3] * p.W.item()
    assert dW.item() == p.dout[0, 0, 3, 3] * p.x.item()
    assert db.item() == pytest.approx(p.dout.sum(), rel=1e-14)


def test_a_filter_as_large_as_the_image_is_an_affine_layer(ref):
    p = ref.convolution(np.random.default_rng(0), (3, 2, 4, 5), (6, 4, 5), 1, 0)
    y, dx, dW, _ = run(p)
    dout = p.dout[:, :, 0, 0]
    ref.assert_close(y[:, :, 0, 0], p.x.reshape(3, -1) @ p.W.reshape(6, -1).T + p.b, 1e-13)
    ref.assert_close(dx, (dout @ p.W.reshape(6, -1)).reshape(p.x.shape), 1e-13)
    ref.assert_close(dW, (dout.T @ p.x.reshape(3, -1)).reshape(p.W.shape), 1e-13)


def test_by_hand(ref):
    W = ref.frozen([[[[1.0, 2.0], [3.0, 4.0]]]])  # not turned: a cross-correlation
    layer = Convolution(W, ref.frozen([10.0]))
    x = ref.frozen([[[[1.0, 0.0, 2.0], [0.0, 0.0, 1.0]]]])
    assert layer.forward(x).tolist() == [[[[11, 18]]]]
    assert layer.backward(ref.frozen([[[[1.0, -1.0]]]])).tolist() == [[[[1, 1, -2], [3, 1, -4]]]]
    assert layer.dW.tolist() == [[[[1, -2], [0, -1]]]]
    assert layer.db.tolist() == [0]


def test_whole_numbers_are_accepted_whatever_their_type(ref):
    p = ref.convolution(np.random.default_rng(0), (1, 1, 5, 5), (1, 3, 3), 2, 1)
    expected = Convolution(p.W, p.b, 2, 1).forward(p.x)
    assert np.array_equal(Convolution(p.W, p.b, np.int64(2), np.uint8(1)).forward(p.x), expected)


def test_the_output_has_its_channels_last_in_memory(ref):
    p = ref.convolution(np.random.default_rng(0), (2, 3, 5, 5), (4, 3, 3), 1, 1)
    y, dx, dW, _ = run(p)
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
    assert dx.transpose(0, 2, 3, 1).flags.c_contiguous
    assert dW.flags.c_contiguous


@pytest.mark.parametrize("images", [np.uint8, np.int64])
def test_images_of_whole_numbers(ref, images):
    p = ref.convolution(np.random.default_rng(0), (2, 2, 5, 5), (3, 3, 3), 1, 1)
    p.x = np.random.default_rng(0).integers(0, 256, p.x.shape)
    layer = Convolution(p.W, p.b, 1, 1)
    y = layer.forward(p.x.astype(images))
    results = y, layer.backward(p.dout), layer.dW, layer.db
    for result, expected in zip(results, ref.convolution_by_loops(p), strict=True):
        ref.assert_close(result, expected, 1e-12)


def test_filters_of_whole_numbers_may_have_a_bias_that_is_not(ref):
    layer = Convolution(np.ones((1, 1, 1, 1), int), ref.frozen([0.5]))
    assert layer.forward(np.ones((1, 1, 1, 2), int)).tolist() == [[[[1.5, 1.5]]]]


@pytest.fixture(params=[True, False], ids=["input gradient", "no input gradient"])
def gradients_of_many_pixels(request):
    """Where float32 sums over 78,400 windows should both be 7840."""
    W, b = np.ones((4, 1, 1, 1), np.float32), np.zeros(4, np.float32)
    layer = Convolution(W, b, input_gradient=request.param)
    layer.forward(np.ones((100, 1, 28, 28), np.float32))
    layer.backward(np.full((100, 4, 28, 28), 0.1, np.float32))
    return layer


def test_float32_filter_gradient_of_many_pixels(ref, gradients_of_many_pixels):
    ref.assert_close(gradients_of_many_pixels.dW.ravel(), np.full(4, 7840.0), 1e-4)


def test_float32_bias_gradient_of_many_pixels(ref, gradients_of_many_pixels):
    ref.assert_close(gradients_of_many_pixels.db, np.full(4, 7840.0), 1e-4)


def test_pairs_of_strides_and_pads_leave_the_size_that_the_formula_says(ref):
    for (h, w), (fh, fw), s, p in itertools.product(
        [(5, 8), (6, 6)], [(1, 4), (3, 2)], [1, 2, 3, 9], [0, 2, 5]
    ):
        layer = Convolution(np.zeros((2, 1, fh, fw)), np.zeros(2), s, p)
        expected = ((h + 2 * p - fh) // s + 1, (w + 2 * p - fw) // s + 1)
        assert layer.forward(np.zeros((3, 1, h, w))).shape == (3, 2, *expected)
        assert layer.backward(np.zeros((3, 2, *expected))).shape == (3, 1, h, w)
