"""The convolution layer: one small filter looks at every place of an image.

It is computed as a matrix product. What each window shows of the image becomes a row of a matrix
(`common.util.im2col`), each filter a column of another. Two choices make it quick:

*Channels last.* In the order (N, H, W, C) what a window shows lies in runs of memory, a run for
each of its rows, and copying a run is quick. Layers speak of images as (N, C, H, W), so the output
is a view with its axes swapped: its shape is the usual one, its memory has the channels last, and
the layers that follow keep it that way.

*Blocks.* A pixel is shown by as many windows as the filter has pixels, so the matrix of all windows
is as many times as large as the image. It is built for a few images at a time, small enough to stay
in the processor's cache, used at once, and built anew for the backward pass: that takes less time
than to fetch it from main memory, and next to no memory.
"""

from collections.abc import Iterator

import numpy as np

from common.layers.checks import require_bias, wrong_dout
from common.util import check_window, conv_output_size, image_shape

BLOCK_BYTES = 2**20  # of the matrix of windows


class Convolution:
    """Convolution of images with filters, and a bias for each filter.

    Yₙf(i, j) = b_f + Σ_c Σ_u Σ_v X̄ₙc(S i + u, S j + v) · W_fc(u, v), where X̄ is the image with P
    zeros around it, and S the stride. (Mathematics calls this a cross-correlation.)

    Parameters
    ----------
    W : ndarray, shape (FN, C, FH, FW)
        Filters.
    b : ndarray, shape (FN,), or number
        A single number is the same bias for all filters.
    stride : int
        Pixels from one window to the next.
    pad : int
        Zeros around the image, on each side.
    input_gradient : bool
        Whether ``backward`` computes ∂L/∂X, for which a network's first layer has no use.

    Attributes
    ----------
    W, b : ndarray
        The parameters; they may be reassigned at any time.
    dW, db : ndarray
        Their gradients, after ``backward``.

    Examples
    --------
    >>> edges = Convolution(np.array([[[[-1.0, 1.0]]]]), np.zeros(1))  # a step from left to right
    >>> image = np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0]])
    >>> edges.forward(image.reshape(1, 1, 2, 4))[0, 0]
    array([[0., 1., 0.],
           [1., 0., 0.]])
    """

    def __init__(
        self,
        W: np.ndarray,
        b: np.ndarray,
        stride: int = 1,
        pad: int = 0,
        *,
        input_gradient: bool = True,
    ):
        check_window(1, stride, pad)
        self.W = W
        self.b = b
        self.stride = stride
        self.pad = pad
        self.dW = None
        self.db = None
        self.input_gradient = input_gradient
        self._x = None
        self._out_shape = None

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return Y, of shape (N, FN, out_h, out_w), for `x` of shape (N, C, H, W).

        ``out_h`` and ``out_w`` are those of `common.util.conv_output_size`.

        Raises
        ------
        ValueError
            If `x` has another shape or number of channels, or the filters don't fit into it.
        """
        n, channels, height, width = image_shape(x)
        if self.W.ndim != 4:
            raise ValueError(f"W must have shape (FN, C, FH, FW), got {self.W.shape}")
        filters, filter_channels, filter_h, filter_w = self.W.shape
        require_bias(self.b, filters)
        if channels != filter_channels:
            raise ValueError(
                f"Convolution expects images of {filter_channels} channels, got x of shape "
                f"{x.shape}"
            )
        out_h = conv_output_size(height, filter_h, self.stride, self.pad)
        out_w = conv_output_size(width, filter_w, self.stride, self.pad)
        self._x = x

        W = _as_matrix(self.W)
        out = np.empty((n, out_h, out_w, filters), np.result_type(x, W, self.b))
        self._out_shape = (n, filters, out_h, out_w)
        for images, windows in self._windows_of_input(out.dtype):
            np.matmul(windows, W, out=out[images])
            out[images] += self.b
        return _channels_second(out)

    def backward(self, dout: np.ndarray) -> np.ndarray | None:
        """Return ∂L/∂X in the shape of x (None without `input_gradient`); set ``dW`` and ``db``.

        ∂L/∂b_f sums ∂L/∂Y_f over all windows. With D as ∂L/∂Y, and i = (p + P − u)/S,
        j = (q + P − v)/S where these are whole numbers (elsewhere D counts as 0):

        ∂L/∂Xₙc(p, q) = Σ_f Σ_u Σ_v Dₙf(i, j) · W_fc(u, v),
        ∂L/∂W_fc(u, v) = Σₙ Σ_p Σ_q Dₙf(i, j) · Xₙc(p, q).

        Both need, at each pixel (p, q), the D of all windows that show it. That again is what a
        window shows, now of D with S − 1 zeros between its entries, and with the filters turned by
        180°.

        Parameters
        ----------
        dout : ndarray, shape (N, FN, out_h, out_w)
            ∂L/∂Y.
        """
        if dout.shape != self._out_shape:
            raise wrong_dout(self, dout, self._out_shape)
        filters, channels, filter_h, filter_w = self.W.shape
        dout = np.ascontiguousarray(_channels_last(dout))
        self.db = dout.sum(axis=(1, 2)).sum(axis=0)  # in two steps, since long sums round more
        if not self.input_gradient:
            self.dW = self._filter_gradient(dout)
            return None

        height, width = self._x.shape[2:]
        x = np.ascontiguousarray(_channels_last(self._x))
        turned = _as_matrix(self.W[:, :, ::-1, ::-1].transpose(1, 0, 2, 3))
        dx = np.empty(x.shape, np.result_type(dout, turned))
        dW = np.zeros((filter_h * filter_w * filters, channels), np.result_type(dout, x))
        for images, windows in self._windows_of_output(dout, height, width):
            np.matmul(windows, turned, out=dx[images])
            dW += windows.reshape(-1, len(dW)).T @ x[images].reshape(-1, channels)
        dW = dW.reshape(filter_h, filter_w, filters, channels)[::-1, ::-1]
        self.dW = np.ascontiguousarray(dW.transpose(2, 3, 0, 1))
        return _channels_second(dx)

    def _filter_gradient(self, dout):
        """Return ∂L/∂W from the windows of X, which a first layer has fewer of than of D."""
        filters, channels, filter_h, filter_w = self.W.shape
        dW = np.zeros((filter_h * filter_w * channels, filters), np.result_type(self._x, dout))
        for images, windows in self._windows_of_input(dW.dtype):
            windows = windows.reshape(len(windows), -1, len(dW))  # (images, out_h · out_w, …)
            of_each = dout[images].reshape(len(windows), -1, filters)
            dW += (windows.transpose(0, 2, 1) @ of_each).sum(axis=0)
        dW = dW.reshape(filter_h, filter_w, channels, filters)
        return np.ascontiguousarray(dW.transpose(3, 2, 0, 1))

    def _windows_of_input(self, dtype):
        height, width = self._x.shape[2:]
        p, s = self.pad, self.stride
        return windows_by_blocks(
            _channels_last(self._x),
            frame=(height + 2 * p, width + 2 * p),
            place=np.s_[p : p + height, p : p + width],
            window=self.W.shape[2:],
            step=s,
            dtype=dtype,
        )

    def _windows_of_output(self, dout, height, width):
        _, out_h, out_w, _ = dout.shape
        filter_h, filter_w = self.W.shape[2:]
        p, s = self.pad, self.stride
        top, left = filter_h - 1, filter_w - 1
        return windows_by_blocks(
            dout,
            frame=(height + 2 * p + top, width + 2 * p + left),
            place=np.s_[top : top + s * out_h : s, left : left + s * out_w : s],
            crop=np.s_[p : p + height + top, p : p + width + left],
            window=(filter_h, filter_w),
            dtype=dout.dtype,
        )


def _channels_last(x):
    return x.transpose(0, 2, 3, 1)


def _channels_second(x):
    return x.transpose(0, 3, 1, 2)


def _as_matrix(W):
    """Return filters (FN, C, FH, FW) as the columns of a matrix (FH · FW · C, FN)."""
    return W.transpose(2, 3, 1, 0).reshape(-1, len(W))


def windows_by_blocks(
    x: np.ndarray,
    *,
    frame: tuple[int, int],
    place: tuple[slice, slice],
    window: tuple[int, int],
    dtype: np.dtype,
    crop: tuple[slice, slice] = np.s_[:, :],
    step: int = 1,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield some images at a time, and what the windows show of them.

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

    Yields
    ------
    images : slice
        Which of the images.
    windows : ndarray, shape (images, out_h, out_w, FH · FW · C)
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
    if channels < window[1]:  # then the longest runs of memory are the rows of the output
        _, out_h, out_w, *window_shape = views.shape
        windows = np.empty((count, *window_shape, out_h, out_w), dtype).transpose(0, 4, 5, 1, 2, 3)
    else:
        windows = np.empty(views.shape, dtype)
    row_length = window[0] * window[1] * channels
    for start in range(0, n, count):
        m = min(count, n - start)
        images = slice(start, start + m)
        interior[:m] = x[images]
        windows[:m] = views[:m]
        yield images, windows[:m].reshape(m, *windows.shape[1:3], row_length)
