"""Small tools: windows of an image as rows of a matrix, a smoothed curve, a shuffled data set.

A convolution looks at an image through a small window. im2col ("image to columns") writes what each
window shows into a row of a matrix; convolution is then one matrix product with the filters.
"""

from collections.abc import Iterator

import numpy as np

from common.support.checks import check_window

BLOCK_BYTES = 2**20  # of the windows that `windows_by_blocks` yields at a time

__all__ = ["col2im", "conv_output_size", "im2col", "np", "shuffle_dataset", "smooth_curve"]


def conv_output_size(input_size: int, filter_size: int, stride: int = 1, pad: int = 0) -> int:
    """Return how many windows fit side by side: ⌊(H + 2P − FH) / S⌋ + 1.

    Where the last step would reach beyond the edge, the pixels left over aren't looked at.

    Parameters
    ----------
    input_size : int
        Height or width H of the image, in pixels.
    filter_size : int
        That of the window, FH.
    stride : int
        Pixels S from one window to the next.
    pad : int
        Zeros P that are put around the image, on each side.

    Raises
    ------
    ValueError
        If `filter_size` or `stride` is below 1, `pad` below 0, or the window larger than the image
        and its padding.

    Examples
    --------
    >>> conv_output_size(28, 5)
    24
    >>> conv_output_size(28, 3, stride=2, pad=1)
    14
    """
    check_window(filter_size, stride, pad)
    if input_size + 2 * pad < filter_size:
        raise ValueError(
            f"a window of {filter_size} pixels is larger than the image: "
            f"{input_size} pixels and a padding of {pad} on each side"
        )
    return int((input_size + 2 * pad - filter_size) // stride + 1)


def conv_output_shape(
    shape: tuple[int, int, int, int], window: tuple[int, int], stride: int, pad: int
) -> tuple[int, int]:
    """Return out_h and out_w: how many windows fit into images of `shape` (N, C, H, W).

    Raises a ValueError if that isn't the shape of images, or the window doesn't fit.
    """
    if len(shape) != 4:
        raise ValueError(f"images must have shape (N, C, H, W), got {tuple(shape)}")
    out_h, out_w = (
        conv_output_size(size, part, stride, pad)
        for size, part in zip(shape[2:], window, strict=True)
    )
    return out_h, out_w


def im2col(
    input_data: np.ndarray, filter_h: int, filter_w: int, stride: int = 1, pad: int = 0
) -> np.ndarray:
    """Return what each window shows of a batch of images, a window in each row.

    Parameters
    ----------
    input_data : ndarray, shape (N, C, H, W)
    filter_h, filter_w : int
        Height and width of the window.
    stride, pad : int
        See `conv_output_size`.

    Returns
    -------
    ndarray, shape (N · out_h · out_w, C · filter_h · filter_w)
        Row by row and image by image; within a row channel by channel. In the dtype of
        `input_data`, so that uint8 pixels stay uint8 (the book's are always float64).

    Examples
    --------
    >>> im2col(np.arange(9).reshape(1, 1, 3, 3), 2, 2)
    array([[0, 1, 3, 4],
           [1, 2, 4, 5],
           [3, 4, 6, 7],
           [4, 5, 7, 8]])
    """
    out_h, out_w = conv_output_shape(input_data.shape, (filter_h, filter_w), stride, pad)
    n, channels = input_data.shape[:2]
    padded = np.pad(input_data, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    views = np.lib.stride_tricks.sliding_window_view(padded, (filter_h, filter_w), axis=(2, 3))
    rows = views[:, :, ::stride, ::stride].transpose(0, 2, 3, 1, 4, 5)
    return rows.copy().reshape(n * out_h * out_w, channels * filter_h * filter_w)


def col2im(
    col: np.ndarray,
    input_shape: tuple[int, int, int, int],
    filter_h: int,
    filter_w: int,
    stride: int = 1,
    pad: int = 0,
) -> np.ndarray:
    """Add up the rows of `col` where `im2col` took them from: its transpose, not its inverse.

    A pixel that several windows show gets the sum of its entries, as the chain rule wants of an
    input that is used several times.

    Parameters
    ----------
    col : ndarray, shape (N · out_h · out_w, C · filter_h · filter_w)
    input_shape : (N, C, H, W)
        Shape of the images.
    filter_h, filter_w, stride, pad : int
        As for `im2col`.

    Returns
    -------
    ndarray, shape (N, C, H, W)
        In the dtype of `col`.

    Examples
    --------
    >>> ones = np.ones((4, 4))
    >>> col2im(ones, (1, 1, 3, 3), 2, 2)[0, 0]  # how many windows show each pixel
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    if len(input_shape) != 4:
        raise ValueError(f"input_shape must be (N, C, H, W), got {tuple(input_shape)}")
    n, channels, height, width = input_shape
    out_h, out_w = conv_output_shape(input_shape, (filter_h, filter_w), stride, pad)
    expected = (n * out_h * out_w, channels * filter_h * filter_w)
    if col.shape != expected:
        raise ValueError(f"col must have shape {expected} for these images, got {col.shape}")
    pixels = col.reshape(n, out_h, out_w, channels, filter_h * filter_w).transpose(4, 0, 3, 1, 2)
    padded = np.zeros((n, channels, height + 2 * pad, width + 2 * pad), col.dtype)
    for view, values in zip(window_pixels(padded, filter_h, filter_w, stride), pixels, strict=True):
        view += values
    return padded[:, :, pad : pad + height, pad : pad + width]


def window_pixels(images: np.ndarray, height: int, width: int, stride: int) -> Iterator[np.ndarray]:
    """Yield, for each pixel of a window, where all windows have it in the images.

    Parameters
    ----------
    images : ndarray, shape (N, C, H, W)
    height, width : int
        Size of the window, in pixels.
    stride : int
        Pixels from one window to the next.

    Yields
    ------
    ndarray, shape (N, C, out_h, out_w)
        A view, first for the pixels of the window's upper row.
    """
    out_h, out_w = conv_output_shape(images.shape, (height, width), stride, pad=0)
    for u in range(height):
        for v in range(width):
            yield images[:, :, u:, v:][:, :, : stride * out_h : stride, : stride * out_w : stride]


def windows_by_blocks(
    x: np.ndarray,
    *,
    frame: tuple[int, int],
    place: tuple[slice, slice],
    window: tuple[int, int],
    dtype: np.dtype,
    crop: tuple[slice, slice] = np.s_[:, :],
    step: int = 1,
    ones: bool = False,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield some images at a time, and what each window shows of them: `im2col` by blocks.

    A block of windows is small enough to stay in the processor's cache, and is used at once.

    Parameters
    ----------
    x : ndarray, shape (N, H, W, C)
        Images, channels last.
    frame : (int, int)
        Height and width of a frame of zeros that each image is put into,
    place : (slice, slice)
        and where, its rows and columns.
    window : (int, int)
        Height FH and width FW of the window,
    step : int
        which goes over the frame in steps of so many pixels.
    crop : (slice, slice)
        The part of the frame that it goes over; all of it by default.
    dtype : dtype
        Of the windows.
    ones : bool
        Whether a 1 follows what each window shows, the factor of a bias in a matrix product.

    Yields
    ------
    images : slice
        Which of the images.
    windows : ndarray, shape (images, out_h, out_w, FH · FW · C), or one more with `ones`
        What each window shows. The array is used again for the next images.
    """
    n, channels = len(x), x.shape[-1]
    if n == 0:
        return
    item_bytes = np.dtype(dtype).itemsize

    def frames(count):
        padded = np.zeros((count, *frame, channels), dtype)
        views = np.lib.stride_tricks.sliding_window_view(
            padded[:, crop[0], crop[1]], window, axis=(1, 2)
        )
        return padded[:, place[0], place[1]], views[:, ::step, ::step].transpose(0, 1, 2, 4, 5, 3)

    _, of_one = frames(1)
    count = min(n, max(1, BLOCK_BYTES // max(1, of_one.size * item_bytes)))
    interior, views = frames(count)
    _, out_h, out_w, *_ = views.shape
    length = window[0] * window[1] * channels
    if channels < window[1]:  # then the longest runs of memory are the rows of the output
        rows = np.ones((count, length + ones, out_h, out_w), dtype).transpose(0, 2, 3, 1)
    else:
        rows = np.ones((count, out_h, out_w, length + ones), dtype)
    windows = rows[..., :length].reshape(views.shape)  # a view, so that the ones stay
    for start in range(0, n, count):
        m = min(count, n - start)
        images = slice(start, start + m)
        interior[:m] = x[images]
        windows[:m] = views[:m]
        yield images, rows[:m]


def channels_last(x):
    """Return images (N, C, H, W) as (N, H, W, C), without a copy."""
    return x.transpose(0, 2, 3, 1)


def channels_second(x):
    """Return images (N, H, W, C) as (N, C, H, W), without a copy."""
    return x.transpose(0, 3, 1, 2)


def as_rows(windows):
    """Return an array whose last axis is that of a matrix, as this matrix."""
    return windows.reshape(-1, windows.shape[-1])


def as_columns(W):
    """Return filters (FN, C, FH, FW) as the columns of a matrix (FH · FW · C, FN)."""
    return W.transpose(2, 3, 1, 0).reshape(-1, len(W))


def as_filters(columns, filter_h, filter_w):
    """Return the columns of a matrix (FH · FW · C, FN) as filters (FN, C, FH, FW)."""
    columns = columns.reshape(filter_h, filter_w, -1, columns.shape[1])
    return columns.transpose(3, 2, 0, 1)


def rotated(W):
    """Return filters (FN, C, FH, FW) as (C, FN, FH, FW), rotated by 180°; its own inverse."""
    return W[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)


def in_memory_order_of(like: np.ndarray, array: np.ndarray) -> np.ndarray:
    """Return a copy of `array` whose axes lie in memory as those of `like` do.

    NumPy is several times as slow at combining arrays whose axes are ordered differently.
    """
    copy = np.empty_like(like, dtype=array.dtype)
    copy[...] = array
    return copy


def smooth_curve(x: np.ndarray) -> np.ndarray:
    """Return a noisy curve smoothed by a moving average with the Kaiser window (β = 2, 11 points).

    The curve is continued by its mirror image at both ends, so that the result isn't drawn towards
    0 there and has as many points as `x`. (The book repeats the last point of the curve in the
    mirror image at its right end, so that the last five points differ a little.)

    Parameters
    ----------
    x : array_like, shape (N,)
        Such as the losses of all iterations.

    Returns
    -------
    ndarray, shape (N,)

    Examples
    --------
    >>> smooth_curve([1.0, 1.0, 1.0])
    array([1., 1., 1.])
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 1:
        raise ValueError(f"x must be a curve of shape (N,), got shape {x.shape}")
    if len(x) < 2:
        return x.copy()
    window = np.kaiser(11, 2)
    mirrored = np.pad(x, len(window) // 2, mode="reflect")
    return np.convolve(mirrored, window / window.sum(), mode="valid")


def shuffle_dataset(
    x: np.ndarray, t: np.ndarray, *, rng: np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return examples and labels in a new random order, the same for both.

    Parameters
    ----------
    x : ndarray, shape (N, ...)
    t : ndarray, shape (N,) or (N, K)
    rng : numpy.random.Generator, optional
        Source of the order; NumPy's global state without one.

    Returns
    -------
    x, t : ndarray
        Copies.
    """
    if len(x) != len(t):
        raise ValueError(f"x and t must have the same length, got {len(x)} and {len(t)}")
    order = (np.random if rng is None else rng).permutation(len(x))
    return x[order], t[order]
