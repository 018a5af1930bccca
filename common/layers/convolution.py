"""The convolution layer: one small filter looks at every place of an image.

It is computed as a matrix product: what each window shows of the image becomes a row of a matrix
(`common.util.im2col`), each filter a column of another. Two choices make it fast. *Channels last*:
in the order (N, H, W, C) each row of a window is contiguous in memory. Layers take and return
images as (N, C, H, W), so the output is a view with its axes swapped. *Blocks*: a filter of 5 × 5
pixels makes the matrix of all windows 25 times as large as the images. So it is built for a few
images at a time, which stay in the processor's cache, and built again for the backward pass.
"""

import numpy as np

from common.layers.base import Layer
from common.support.checks import check_bias, check_window
from common.util import (
    as_columns,
    as_filters,
    as_rows,
    channels_last,
    channels_second,
    conv_output_shape,
    im2col,
    rotated,
    windows_by_blocks,
)


class Convolution(Layer):
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
    W, b, dW, db : ndarray
        The parameters, which may be reassigned at any time, and their gradients.
    x : ndarray, shape (N, C, H, W)
        The input of the last forward pass.

    Examples
    --------
    >>> edges = Convolution(np.array([[[[-1.0, 1.0]]]]), np.zeros(1))  # a step from left to right
    >>> image = np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0]])
    >>> edges.forward(image.reshape(1, 1, 2, 4))[0, 0]
    array([[0., 1., 0.],
           [1., 0., 0.]])
    """

    param_names = ("W", "b")

    dW = db = x = None

    def __init__(self, W: np.ndarray, b: np.ndarray, stride=1, pad=0, *, input_gradient=True):
        check_window(1, stride, pad)
        self.W, self.b = W, b
        self.stride, self.pad = stride, pad
        self.input_gradient = input_gradient

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return Y, of shape (N, FN, out_h, out_w), for `x` of shape (N, C, H, W)."""
        self.x = x
        W = np.vstack([as_columns(self.W), np.broadcast_to(self.b, len(self.W))])
        size = conv_output_shape(x.shape, self.W.shape[2:], self.stride, self.pad)
        out = np.empty((len(x), *size, len(self.W)), np.result_type(x, W))
        for images, windows in self._windows_of_input(out.dtype):
            np.matmul(windows, W, out=out[images])
        return channels_second(out)

    def backward(self, dout: np.ndarray) -> np.ndarray | None:
        """Return ∂L/∂X from `dout` = ∂L/∂Y (None without `input_gradient`); set ``dW``, ``db``.

        ∂L/∂b_f sums ∂L/∂Y_f over all windows. With D as ∂L/∂Y, and i = (p + P − u)/S,
        j = (q + P − v)/S where these are integers (elsewhere D counts as 0):

        ∂L/∂Xₙc(p, q) = Σ_f Σ_u Σ_v Dₙf(i, j) · W_fc(u, v),
        ∂L/∂W_fc(u, v) = Σₙ Σ_p Σ_q Dₙf(i, j) · Xₙc(p, q).

        Both need, at each pixel (p, q), the D of all windows that show it. That again is what a
        window shows, now of D with S − 1 zeros between its elements, and with the filters rotated
        by 180°.
        """
        dout = np.ascontiguousarray(channels_last(dout))
        if not self.input_gradient:
            self.dW, self.db = self._filter_gradient(dout)
            return None
        self.db = dout.sum(axis=0).sum(axis=(0, 1))  # in two steps, since long sums round more
        x, W = np.ascontiguousarray(channels_last(self.x)), as_columns(rotated(self.W))
        dx, dW = np.empty(x.shape, np.result_type(dout, W)), np.zeros(W.shape, dout.dtype)
        for images, windows in self._windows_of_output(dout):
            np.matmul(windows, W, out=dx[images])
            dW += as_rows(windows).T @ as_rows(x[images])
        self.dW = np.ascontiguousarray(rotated(as_filters(dW, *self.W.shape[2:])))
        return channels_second(dx)

    @property
    def col(self) -> np.ndarray:
        """What each window of x shows, as `common.util.im2col` has it; computed on request."""
        return im2col(self.x, *self.W.shape[2:], self.stride, self.pad)

    @property
    def col_W(self) -> np.ndarray:
        """The filters as columns of shape (C · FH · FW, FN), for `col`; computed on request."""
        return self.W.reshape(len(self.W), -1).T

    def prepare(self, x):
        """Return `x`, if images, filters and biases fit each other."""
        if np.ndim(self.W) != 4:
            raise ValueError(f"W must have shape (FN, C, FH, FW), got {np.shape(self.W)}")
        check_bias(self.b, len(self.W))
        conv_output_shape(x.shape, self.W.shape[2:], self.stride, self.pad)
        if x.shape[1] != self.W.shape[1]:
            raise ValueError(
                f"x must have {self.W.shape[1]} channels, as W has, got x of shape {x.shape}"
            )
        return x

    def _filter_gradient(self, dout):
        """Return ∂L/∂W and ∂L/∂b by the windows of X, smaller than those of D in a first layer."""
        filters, channels, filter_h, filter_w = self.W.shape
        dW = np.zeros((filter_h * filter_w * channels + 1, filters), np.result_type(self.x, dout))
        for images, windows in self._windows_of_input(dW.dtype):
            # One product per image finds its windows in the cache: saves 4 % in SimpleConvNet.
            of_image = windows.reshape(len(windows), -1, len(dW)).transpose(0, 2, 1)
            dW += (of_image @ dout[images].reshape(len(windows), -1, filters)).sum(axis=0)
        return np.ascontiguousarray(as_filters(dW[:-1], filter_h, filter_w)), dW[-1].copy()

    def _windows_of_input(self, dtype):
        """Yield images and windows with a 1 at the end, which multiplies b: saves 5 %."""
        height, width = self.x.shape[2:]
        p = self.pad
        return windows_by_blocks(
            channels_last(self.x),
            frame=(height + 2 * p, width + 2 * p),
            place=np.s_[p : p + height, p : p + width],
            window=self.W.shape[2:],
            step=self.stride,
            dtype=dtype,
            ones=True,
        )

    def _windows_of_output(self, dout):
        _, out_h, out_w, _ = dout.shape
        height, width = self.x.shape[2:]
        p, s = self.pad, self.stride
        top, left = self.W.shape[2] - 1, self.W.shape[3] - 1
        return windows_by_blocks(
            dout,
            frame=(height + 2 * p + top, width + 2 * p + left),
            place=np.s_[top : top + s * out_h : s, left : left + s * out_w : s],
            crop=np.s_[p : p + height + top, p : p + width + left],
            window=self.W.shape[2:],
            dtype=dout.dtype,
        )
