"""Small tools: windows of an image as rows of a matrix, a smoothed curve, a shuffled data set.

A convolution looks at an image through a small window. im2col ("image to columns") writes what each
window shows into a row of a matrix; convolution is then one matrix product with the filters.
"""

import numpy as np

__all__ = ["col2im", "conv_output_size", "im2col", "shuffle_dataset", "smooth_curve"]


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


def check_window(filter_size: int, stride: int, pad: int, *, name: str = "the filter size") -> None:
    """Check that a filter is at least 1 pixel wide, a stride at least 1, a padding at least 0."""
    for what, value, least in ((name, filter_size, 1), ("stride", stride, 1), ("pad", pad, 0)):
        if not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{what} must be a whole number of at least {least}, got {value}")


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
        `input_data`.

    Examples
    --------
    >>> im2col(np.arange(9).reshape(1, 1, 3, 3), 2, 2)
    array([[0, 1, 3, 4],
           [1, 2, 4, 5],
           [3, 4, 6, 7],
           [4, 5, 7, 8]])
    """
    n, channels, height, width = image_shape(input_data)
    out_h = conv_output_size(height, filter_h, stride, pad)
    out_w = conv_output_size(width, filter_w, stride, pad)
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
    out_h = conv_output_size(height, filter_h, stride, pad)
    out_w = conv_output_size(width, filter_w, stride, pad)
    expected = (n * out_h * out_w, channels * filter_h * filter_w)
    if col.shape != expected:
        raise ValueError(f"col must have shape {expected} for these images, got {col.shape}")
    col = col.reshape(n, out_h, out_w, channels, filter_h, filter_w).transpose(0, 3, 4, 5, 1, 2)
    padded = np.zeros((n, channels, height + 2 * pad, width + 2 * pad), col.dtype)
    for y in range(filter_h):
        for x in range(filter_w):
            padded[:, :, y:, x:][:, :, : stride * out_h : stride, : stride * out_w : stride] += col[
                :, :, y, x
            ]
    return padded[:, :, pad : pad + height, pad : pad + width]


def image_shape(x: np.ndarray) -> tuple[int, int, int, int]:
    """Return the shape of a batch of images, or raise a ValueError if it isn't (N, C, H, W)."""
    if x.ndim != 4:
        raise ValueError(f"images must have shape (N, C, H, W), got {x.shape}")
    return x.shape


def smooth_curve(x: np.ndarray) -> np.ndarray:
    """Return a noisy curve smoothed by a moving average with the Kaiser window (β = 2, 11 points).

    The curve is continued by its mirror image at both ends, so that the result isn't drawn towards
    0 there and has as many points as `x`.

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
