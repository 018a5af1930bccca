import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from common import util
from common.support.random_state import random_state
from common.util import col2im, conv_output_size, im2col, shuffle_dataset, smooth_curve
from tests.helpers import assert_close, few, frozen, seeds, starts


@st.composite
def window_problems(draw):
    """Return images of integers, and the arguments of im2col."""
    rng = np.random.default_rng(draw(seeds))
    n, channels = draw(st.integers(0, 3)), draw(st.integers(1, 3))
    filter_h, filter_w = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    stride, pad = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    size = (max(1, s - 2 * pad) + draw(st.integers(0, 4)) for s in (filter_h, filter_w))
    return frozen(rng.integers(1, 100, (n, channels, *size))), (filter_h, filter_w, stride, pad)


def windows_by_loops(shape, filter_h, filter_w, stride, pad):
    """For each row and column of the matrix, which pixel it shows; None in the padding."""
    n, channels, height, width = shape
    return [
        [
            (m, c, top + u, left + v) if 0 <= top + u < height and 0 <= left + v < width else None
            for c in range(channels)
            for u in range(filter_h)
            for v in range(filter_w)
        ]
        for m in range(n)
        for top in starts(height, filter_h, stride, pad)
        for left in starts(width, filter_w, stride, pad)
    ]


@given(window_problems(), seeds)
@few
def test_im2col_and_col2im_agree_with_loops(problem, seed):
    x, arguments = problem
    pixels = windows_by_loops(x.shape, *arguments)
    col = im2col(x, *arguments)
    assert col.shape == (len(pixels), x.shape[1] * arguments[0] * arguments[1])
    assert col.tolist() == [[0 if p is None else x[p] for p in row] for row in pixels]
    col = frozen(np.random.default_rng(seed).integers(-50, 50, col.shape))
    expected = np.zeros(x.shape, col.dtype)
    for values, row in zip(col, pixels, strict=True):
        for value, pixel in zip(values, row, strict=True):
            if pixel is not None:
                expected[pixel] += value
    assert np.array_equal(col2im(col, x.shape, *arguments), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_im2col_and_col2im_keep_the_dtype(dtype):
    x = frozen(np.arange(32).reshape(1, 2, 4, 4), dtype)
    col = im2col(x, 3, 3, 1, 1)
    assert col.dtype == col2im(col, x.shape, 3, 3, 1, 1).dtype == dtype


@pytest.mark.parametrize("size", [(2, 2), (1, 1), (1, 3), (4, 4)], ids=str)
def test_what_im2col_and_col2im_return_is_the_callers_own(size):
    shape = (2, 3, 4, 4)
    x = frozen(np.arange(np.prod(shape)).reshape(shape))
    col = im2col(x, *size)
    assert col.flags.c_contiguous
    before, image = col.copy(), col2im(col, shape, *size)
    assert not any(np.shares_memory(a, b) for a, b in ((col, x), (image, col)))
    col[-1, 0] += 1
    before[-1, 0] += 1
    assert np.array_equal(col, before)  # no element is there twice


def test_memory_order_does_not_matter():
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).transpose(0, 3, 1, 2)
    col = im2col(x, 3, 2, 2, 1)
    assert np.array_equal(col, im2col(np.ascontiguousarray(x), 3, 2, 2, 1))
    image = col2im(np.asfortranarray(col), x.shape, 3, 2, 2, 1)
    assert np.array_equal(image, col2im(col, x.shape, 3, 2, 2, 1))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 6), st.integers(0, 6))
@settings(few, max_examples=200)
def test_conv_output_size_counts_the_windows(size, window, stride, pad):
    assume(window <= size + 2 * pad)
    for kind in (int, np.uint8, np.int64):
        result = conv_output_size(*map(kind, (size, window, stride, pad)))
        assert result == len(starts(size, window, stride, pad))
        assert type(result) is int


# smooth_curve


@given(st.integers(0, 40), seeds)
@few
def test_smooth_curve_is_the_mean_weighted_with_the_kaiser_window(length, seed):
    x = frozen(np.random.default_rng(seed).normal(size=length))
    weights = np.i0(2 * np.sqrt(1 - (np.arange(-5, 6) / 5) ** 2))  # I₀(β √(1 − (k/5)²))

    def mirrored(i):
        period = max(1, 2 * (length - 1))
        i = abs(i) % period
        return x[min(i, period - i)]

    expected = [
        sum(w * mirrored(i + k - 5) for k, w in enumerate(weights)) / weights.sum()
        for i in range(length)
    ]
    curve = smooth_curve(x)
    assert_close(curve, np.array(expected), scale=1)
    assert curve.dtype == np.float64
    assert curve.flags.writeable
    assert not np.shares_memory(curve, x)


@pytest.mark.parametrize("x", [[3, 1, 2], (3.0, 1.0, 2.0), np.array([3, 1, 2], np.float32)])
def test_smooth_curve_takes_all_kinds_of_curves(x):
    assert smooth_curve(x).dtype == np.float64
    assert_close(smooth_curve(x), smooth_curve(np.array([3.0, 1.0, 2.0])))


# shuffle_dataset


@given(
    st.integers(0, 30),
    st.sampled_from([(), (1,), (2,), (1, 2, 2)]),
    st.sampled_from([(), (3,)]),
    seeds,
)
@few
def test_shuffle_dataset_keeps_examples_and_labels_together(n, of_one, of_label, seed):
    numbers = np.arange(n)
    x = frozen(np.broadcast_to(numbers.reshape(n, *[1] * len(of_one)), (n, *of_one)), np.float32)
    t = frozen(np.broadcast_to(numbers.reshape(n, *[1] * len(of_label)), (n, *of_label)), np.int64)
    new_x, new_t = shuffle_dataset(x, t, rng=np.random.default_rng(seed))
    assert (new_x.shape, new_t.shape) == (x.shape, t.shape)
    assert (new_x.dtype, new_t.dtype) == (x.dtype, t.dtype)
    order = new_x.reshape(n, math.prod(of_one))[:, 0]
    assert np.array_equal(new_x, np.broadcast_to(order.reshape(n, *[1] * len(of_one)), x.shape))
    assert np.array_equal(new_t.reshape(n, math.prod(of_label))[:, 0], order)
    assert np.array_equal(np.sort(order), numbers)
    for new, old in ((new_x, x), (new_t, t)):
        assert new.flags.writeable
        assert not np.shares_memory(new, old)


def test_shuffle_dataset_gives_every_order():
    orders = {
        tuple(shuffle_dataset(np.arange(3), np.arange(3), rng=np.random.default_rng(seed))[1])
        for seed in range(60)
    }
    assert len(orders) == 6


def test_shuffle_dataset_follows_the_global_seed_or_its_generator():
    x = np.arange(50)
    np.random.seed(3)
    first, second = (shuffle_dataset(x, x)[0] for _ in range(2))
    np.random.seed(3)
    assert np.array_equal(shuffle_dataset(x, x)[0], first)
    assert not np.array_equal(first, second)
    before = repr(random_state(None))
    first, second = (shuffle_dataset(x, x, rng=np.random.default_rng(0))[0] for _ in range(2))
    assert np.array_equal(first, second)
    assert repr(random_state(None)) == before


def test_a_star_import_binds_np_too():
    assert {"np", "im2col", "col2im", "smooth_curve", "shuffle_dataset"} < set(util.__all__)
    assert all(hasattr(util, name) for name in util.__all__)
