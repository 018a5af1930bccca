import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from common.util import col2im, conv_output_size, im2col, shuffle_dataset, smooth_curve

few = settings(max_examples=60, deadline=None, database=None)
seeds = st.integers(0, 2**32 - 1)
DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])


def frozen(values, dtype=None):
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


def starts(size, window, stride, pad):
    return [p for p in range(-pad, size + pad, stride) if p + window <= size + pad]


@st.composite
def window_problems(draw):
    """Return whole-numbered images, and the arguments of im2col."""
    rng = np.random.default_rng(draw(seeds))
    n, channels = draw(st.integers(0, 3)), draw(st.integers(1, 3))
    filter_h, filter_w = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    stride, pad = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    size = (max(1, s - 2 * pad) + draw(st.integers(0, 4)) for s in (filter_h, filter_w))
    x = frozen(rng.integers(1, 100, (n, channels, *size)))
    return x, (filter_h, filter_w, stride, pad)


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


@given(window_problems())
@few
def test_im2col_agrees_with_loops(problem):
    x, arguments = problem
    pixels = windows_by_loops(x.shape, *arguments)
    col = im2col(x, *arguments)
    assert col.shape == (len(pixels), x.shape[1] * arguments[0] * arguments[1])
    assert col.tolist() == [[0 if p is None else x[p] for p in row] for row in pixels]


@given(window_problems(), seeds)
@few
def test_col2im_agrees_with_loops(problem, seed):
    x, arguments = problem
    pixels = windows_by_loops(x.shape, *arguments)
    width = x.shape[1] * arguments[0] * arguments[1]
    col = frozen(np.random.default_rng(seed).integers(-50, 50, (len(pixels), width)))
    expected = np.zeros(x.shape, col.dtype)
    for values, row in zip(col, pixels, strict=True):
        for value, pixel in zip(values, row, strict=True):
            if pixel is not None:
                expected[pixel] += value
    assert np.array_equal(col2im(col, x.shape, *arguments), expected)


@given(window_problems(), seeds)
@few
def test_col2im_is_the_transpose_of_im2col(problem, seed):
    x, arguments = problem
    col = im2col(x, *arguments)
    c = np.random.default_rng(seed).integers(-50, 50, col.shape)
    assert np.sum(col * c) == np.sum(x * col2im(c, x.shape, *arguments))


@given(window_problems())
@few
def test_col2im_of_im2col_counts_the_windows_that_show_a_pixel(problem):
    x, arguments = problem
    count = np.zeros(x.shape, int)
    for row in windows_by_loops(x.shape, *arguments):
        for pixel in filter(None, row):
            count[pixel] += 1
    assert np.array_equal(col2im(im2col(x, *arguments), x.shape, *arguments), x * count)


def test_im2col_columns_run_over_channels_then_rows_then_columns_of_the_window():
    # Digits: channel, row, column.
    x = np.array([[[[100 * c + 10 * i + j for j in range(4)] for i in range(3)] for c in (0, 1)]])
    col = im2col(frozen(x), 2, 3)
    assert col[0].tolist() == [0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112]
    assert col[1].tolist() == [1, 2, 3, 11, 12, 13, 101, 102, 103, 111, 112, 113]
    assert col[2].tolist() == [10, 11, 12, 20, 21, 22, 110, 111, 112, 120, 121, 122]
    assert len(col) == 4


def test_im2col_times_filters_is_a_convolution():
    rng = np.random.default_rng(0)
    x, W = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(4, 3, 2, 3))
    y = (im2col(x, 2, 3) @ W.reshape(4, -1).T).reshape(2, 4, 4, 4).transpose(0, 3, 1, 2)
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 3), axis=(2, 3))
    np.testing.assert_allclose(y, np.einsum("ncijuv,fcuv->nfij", windows, W), rtol=0, atol=1e-12)


@DTYPES
def test_im2col_and_col2im_keep_the_dtype(dtype):
    x = frozen(np.arange(32).reshape(1, 2, 4, 4), dtype)
    col = im2col(x, 3, 3, 1, 1)
    assert col.dtype == col2im(col, x.shape, 3, 3, 1, 1).dtype == dtype


WINDOWS = pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((2, 2, 4, 4), (2, 2)),
        ((1, 1, 4, 4), (1, 1)),
        ((2, 3, 4, 4), (4, 4)),
        ((1, 1, 1, 5), (1, 3)),
    ],
)


@WINDOWS
def test_the_rows_of_im2col_are_the_callers_own(shape, size):
    x = np.arange(np.prod(shape)).reshape(shape)
    col = im2col(frozen(x), *size)
    assert col.flags.c_contiguous
    assert not np.shares_memory(col, x)
    before = col.copy()
    col[-1, 0] += 1
    before[-1, 0] += 1
    assert np.array_equal(col, before)


def test_memory_order_does_not_matter():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 6, 3)).transpose(0, 3, 1, 2)
    col = im2col(x, 3, 2, 2, 1)
    assert np.array_equal(col, im2col(np.ascontiguousarray(x), 3, 2, 2, 1))
    image = col2im(np.asfortranarray(col), x.shape, 3, 2, 2, 1)
    assert np.array_equal(image, col2im(col, x.shape, 3, 2, 2, 1))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 6), st.integers(0, 6))
@settings(few, max_examples=200)
def test_conv_output_size_counts_the_windows(size, window, stride, pad):
    assume(window <= size + 2 * pad)
    result = conv_output_size(size, window, stride, pad)
    assert result == len(starts(size, window, stride, pad))
    assert type(result) is int


def test_conv_output_size_accepts_integers_of_numpy():
    result = conv_output_size(np.int64(28), np.uint8(5), np.int32(2), np.uint8(1))
    assert (result, type(result)) == (13, int)


BAD_WINDOWS = {
    "filter 0": ((5, 0), "filter size must be a whole number of at least 1, got 0"),
    "filter 2.0": ((5, 2.0), "filter size must be a whole number of at least 1, got 2.0"),
    "stride 0": ((5, 2, 0), "stride must be a whole number of at least 1, got 0"),
    "stride -1": ((5, 2, -1), "stride must be a whole number of at least 1, got -1"),
    "stride 1.5": ((5, 2, 1.5), "stride must be a whole number of at least 1, got 1.5"),
    "stride None": ((5, 2, None), "stride must be a whole number of at least 1, got None"),
    "pad -1": ((5, 2, 1, -1), "pad must be a whole number of at least 0, got -1"),
    "pad 0.5": ((5, 2, 1, 0.5), "pad must be a whole number of at least 0, got 0.5"),
    "too large": ((5, 6), "6 pixels is larger than the image: 5 pixels and a padding of 0"),
    "too large for pad": ((5, 10, 1, 2), "10 pixels is larger .*: 5 pixels and a padding of 2"),
}


@pytest.mark.parametrize("name", BAD_WINDOWS)
def test_a_window_that_does_not_fit_is_one_clear_error(name):
    (size, window, *rest), message = BAD_WINDOWS[name]
    for call in (
        lambda: conv_output_size(size, window, *rest),
        lambda: im2col(np.zeros((1, 1, size, 20)), window, 1, *rest),
        lambda: im2col(np.zeros((1, 1, 20, size)), 1, window, *rest),
        lambda: col2im(np.zeros((4, 4)), (1, 1, size, 20), window, 1, *rest),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_im2col_wants_images():
    with pytest.raises(ValueError, match=r"shape \(N, C, H, W\), got \(28, 28\)"):
        im2col(np.zeros((28, 28)), 3, 3)


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (16,), (1, 2, 2, 4)])
def test_col2im_wants_the_matrix_that_im2col_gives(shape):
    with pytest.raises(ValueError, match=r"col must have shape \(4, 4\)") as error:
        col2im(np.zeros(shape), (1, 1, 3, 3), 2, 2)
    assert str(shape) in str(error.value)


def test_col2im_wants_the_shape_of_images():
    with pytest.raises(ValueError, match=r"\(N, C, H, W\), got \(1, 3, 3\)"):
        col2im(np.zeros((4, 4)), (1, 3, 3), 2, 2)


# --- smooth_curve -------------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(31))
def test_smooth_curve_keeps_the_length_and_a_constant(length):
    curve = smooth_curve(frozen(np.full(length, 0.3)))
    assert curve.shape == (length,)
    np.testing.assert_allclose(curve, 0.3, rtol=1e-14)


@pytest.mark.parametrize("length", range(2, 11))
def test_smooth_curve_of_a_few_points_stays_between_them(length):
    x = frozen(np.random.default_rng(0).normal(size=length))
    curve = smooth_curve(x)
    assert x.min() < curve.min() <= curve.max() < x.max()


def test_smooth_curve_leaves_the_interior_of_a_line():
    x = frozen(np.linspace(-3, 8, 40))
    np.testing.assert_allclose(smooth_curve(x)[5:-5], x[5:-5], rtol=1e-12)


@given(st.integers(11, 40), seeds)
@few
def test_smooth_curve_is_the_mean_weighted_with_the_kaiser_window(length, seed):
    x = frozen(np.random.default_rng(seed).normal(size=length))
    weights = np.i0(2 * np.sqrt(1 - (np.arange(-5, 6) / 5) ** 2))  # I₀(β √(1 − (k/5)²))

    def mirrored(i):
        i = abs(i)
        return x[i if i < length else 2 * (length - 1) - i]

    expected = [
        sum(w * mirrored(i + k - 5) for k, w in enumerate(weights)) / weights.sum()
        for i in range(length)
    ]
    np.testing.assert_allclose(smooth_curve(x), expected, rtol=0, atol=1e-13)


def test_smooth_curve_is_linear():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 30))
    np.testing.assert_allclose(
        smooth_curve(2 * x - y), 2 * smooth_curve(x) - smooth_curve(y), rtol=0, atol=1e-13
    )


def test_smooth_curve_reduces_the_variance_of_noise():
    x = np.random.default_rng(0).normal(size=3000)
    weights = np.kaiser(11, 2) / np.kaiser(11, 2).sum()
    assert smooth_curve(x).var() == pytest.approx((weights**2).sum() * x.var(), rel=0.1)
    assert (weights**2).sum() < 0.15


@pytest.mark.parametrize("x", [[3, 1, 2], (3.0, 1.0, 2.0), np.array([3, 1, 2], np.float32)])
def test_smooth_curve_takes_all_kinds_of_curves(x):
    curve = smooth_curve(x)
    assert curve.dtype == np.float64
    np.testing.assert_allclose(curve, smooth_curve(np.array([3.0, 1.0, 2.0])), rtol=1e-14)


@pytest.mark.parametrize("length", [0, 1, 2, 20])
def test_smooth_curve_gives_a_new_array(length):
    x = frozen(np.ones(length))
    curve = smooth_curve(x)
    assert curve.flags.writeable
    assert not np.shares_memory(curve, x)


@pytest.mark.parametrize("shape", [(), (3, 2), (1, 20), (2, 2, 2)])
def test_smooth_curve_wants_a_curve(shape):
    with pytest.raises(ValueError, match=r"x must be a curve of shape \(N,\), got shape") as error:
        smooth_curve(np.zeros(shape))
    assert str(error.value).endswith(str(shape))


# --- shuffle_dataset ----------------------------------------------------------------------------


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


def test_shuffle_dataset_shuffles():
    orders = {
        tuple(shuffle_dataset(np.arange(3), np.arange(3), rng=np.random.default_rng(seed))[1])
        for seed in range(60)
    }
    assert len(orders) == 6


def test_shuffle_dataset_follows_the_global_seed():
    x = np.arange(50)
    np.random.seed(3)
    first, _ = shuffle_dataset(x, x)
    second, _ = shuffle_dataset(x, x)
    np.random.seed(3)
    assert np.array_equal(shuffle_dataset(x, x)[0], first)
    assert not np.array_equal(first, second)


def test_shuffle_dataset_with_a_generator_leaves_the_global_state_alone():
    x = np.arange(50)
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    first, second = (shuffle_dataset(x, x, rng=np.random.default_rng(0))[0] for _ in range(2))
    assert np.random.random() == expected
    assert np.array_equal(first, second)


def test_shuffle_dataset_wants_a_label_for_each_example():
    with pytest.raises(ValueError, match=r"x and t must have the same length, got 3 and 4"):
        shuffle_dataset(np.zeros((3, 2)), np.zeros(4))
