"""What is particular to the convolution layer: its definition, and its blocks of images."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import util
from common.layers import Convolution, convolution
from tests.common.layers.problems import convolution as problem
from tests.common.layers.problems import convolution_by_loops, convolutions
from tests.helpers import FLOATS, assert_close, few, frozen


def assert_all_close(results, expected, tolerance=1e-12):
    for result, reference in zip(results, expected, strict=True):
        assert_close(result, reference, tolerance)


@given(convolutions())
@few
def test_agrees_with_loops(p):
    assert_all_close(p.run(), convolution_by_loops(p))


@pytest.mark.parametrize("input_gradient", [True, False])
@given(p=convolutions(), block_bytes=st.integers(0, 20_000))
@few
def test_blocks_change_nothing_but_rounding(input_gradient, p, block_bytes):
    p = replace(p, x=frozen(np.concatenate([p.x, 2 * p.x, -p.x, p.x])))
    layer = p.layer()
    layer.input_gradient = input_gradient
    with mock.patch.object(util, "BLOCK_BYTES", block_bytes):
        y, dx, dW, db = p.run(layer)
    expected = p.run()
    assert (dx is not None) == input_gradient
    assert_all_close([y, dW, db], [expected[0], *expected[2:]])
    if input_gradient:
        assert_close(dx, expected[1])


@pytest.mark.parametrize(
    ("images", "lengths"), [(1, [1] * 7), (2, [2, 2, 2, 1]), (3, [3, 3, 1]), (7, [7]), (99, [7])]
)
@FLOATS
def test_a_block_holds_as_many_images_as_its_bytes_allow(monkeypatch, images, lengths, dtype):
    # With padding that keeps the size and as many filters as channels, the windows of X and of
    # ∂L/∂Y are equally large, so that forward and both forms of backward have the same blocks.
    p = problem(0, (7, 2, 5, 6), (2, 3, 3), 1, 1).as_type(dtype)
    seen, _ = [], p.dout  # which takes a forward pass
    original = convolution.windows_by_blocks

    def spied(*arguments, **options):
        for block, windows in original(*arguments, **options):
            seen.append(len(windows))
            assert windows.dtype == dtype
            yield block, windows

    monkeypatch.setattr(convolution, "windows_by_blocks", spied)
    bytes_of_one = (5 * 6) * (3 * 3 * 2) * np.dtype(dtype).itemsize
    monkeypatch.setattr(util, "BLOCK_BYTES", images * bytes_of_one)
    results, first = p.run(), p.layer()
    first.input_gradient = False
    p.run(first)
    assert seen == lengths * 4
    assert_all_close(results, convolution_by_loops(p), 1e-5 if dtype == np.float32 else 1e-13)


def test_by_hand():
    W = frozen([[[[1.0, 2.0], [3.0, 4.0]]]])  # not rotated: a cross-correlation
    layer = Convolution(W, frozen([10.0]))
    x = frozen([[[[1.0, 0.0, 2.0], [0.0, 0.0, 1.0]]]])
    assert layer.forward(x).tolist() == [[[[11, 18]]]]
    assert layer.backward(frozen([[[[1.0, -1.0]]]])).tolist() == [[[[1, 1, -2], [3, 1, -4]]]]
    assert layer.dW.tolist() == [[[[1, -2], [0, -1]]]]
    assert layer.db.tolist() == [0]
    assert layer.x is x
    assert layer.col.tolist() == [[1, 0, 0, 0], [0, 2, 0, 1]]
    assert layer.col_W.tolist() == [[1], [2], [3], [4]]
    p = problem(0, (2, 2, 5, 6), (3, 3, 2), 2, 1)
    layer = p.layer()
    y = layer.forward(p.x).transpose(0, 2, 3, 1)
    assert_close((layer.col @ layer.col_W + layer.b).reshape(y.shape), y)


def test_stride_and_pad_may_be_integers_of_numpy():
    p = problem(0, (1, 1, 5, 5), (1, 3, 3), 2, 1)
    layer = Convolution(*p.parameters.values(), np.int64(2), np.uint8(1))
    assert np.array_equal(layer.forward(p.x), p.run()[0])


def test_the_output_has_its_channels_last_in_memory():
    y, dx, dW, _ = problem(0, (2, 3, 5, 5), (4, 3, 3), 1, 1).run()
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
    assert dx.transpose(0, 2, 3, 1).flags.c_contiguous
    assert dW.flags.c_contiguous


@pytest.mark.parametrize("input_gradient", [True, False])
def test_float32_sums_over_many_pixels(input_gradient):
    W, b = np.ones((4, 1, 1, 1), np.float32), np.zeros(4, np.float32)
    layer = Convolution(W, b, input_gradient=input_gradient)
    layer.forward(np.ones((100, 1, 28, 28), np.float32))
    layer.backward(np.full((100, 4, 28, 28), 0.1, np.float32))
    assert_close(layer.dW.ravel(), np.full(4, 7840.0), 1e-4)
    assert_close(layer.db, np.full(4, 7840.0), 1e-4)
