"""The pooling layer: a smaller image, of the largest value in each window."""

import numpy as np

from common.layers.checks import wrong_dout
from common.util import check_window, conv_output_size, image_shape


class Pooling:
    """Max pooling: Yₙc(i, j) = max over u < pool_h, v < pool_w of Xₙc(S i + u, S j + v).

    The gradient goes to the place where the maximum was found, the first one if there are several;
    all others have no influence on the output.

    Parameters
    ----------
    pool_h, pool_w : int
        Height and width of the window.
    stride : int
        Pixels from one window to the next.
    pad : int
        Pixels around the image, on each side, that are never the maximum. It must be smaller than
        the window. (The book pads with zeros, which are larger than negative pixels.)

    Examples
    --------
    >>> x = np.array([[1.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0]]).reshape(1, 1, 2, 4)
    >>> pooling = Pooling(2, 2, stride=2)
    >>> pooling.forward(x)[0, 0]
    array([[2., 3.]])
    >>> pooling.backward(np.array([[[[10.0, 20.0]]]]))[0, 0]
    array([[ 0., 10.,  0.,  0.],
           [ 0.,  0.,  0., 20.]])
    """

    def __init__(self, pool_h: int, pool_w: int, stride: int = 2, pad: int = 0):
        check_window(pool_h, stride, pad, name="pool_h")
        check_window(pool_w, stride, pad, name="pool_w")
        if pad >= min(pool_h, pool_w):
            raise ValueError(
                f"pad must be smaller than the window of {pool_h} × {pool_w}, got {pad}: "
                "a window must not see padding only"
            )
        self.pool_h = pool_h
        self.pool_w = pool_w
        self.stride = stride
        self.pad = pad
        self._padded = None
        self._out = None
        self._out_shape = None

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return Y, of shape (N, C, out_h, out_w), for `x` of shape (N, C, H, W).

        ``out_h`` and ``out_w`` are those of `common.util.conv_output_size`.

        Raises
        ------
        ValueError
            If `x` has another shape, or is smaller than the window.
        """
        n, channels, height, width = image_shape(x)
        p = self.pad
        for size, window in ((height, self.pool_h), (width, self.pool_w)):
            conv_output_size(size, window, self.stride, p)  # raises where no window fits
        if p:
            shape = (n, channels, height + 2 * p, width + 2 * p)
            padded = np.full_like(x, _lowest(x.dtype), shape=shape)
            padded[:, :, p : p + height, p : p + width] = x
            x = padded
        self._padded = x

        first, *others = self._places()
        out = x[first].copy(order="K")
        for place in others:
            if x.dtype.kind == "c":  # of equals the first, whatever their imaginary parts
                np.copyto(out, x[place], where=x[place].real > out.real)
            else:
                np.maximum(out, x[place], out=out)
        self._out = out
        self._out_shape = out.shape
        return out

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Return ∂L/∂X in the shape of x, from `dout` = ∂L/∂Y, of shape (N, C, out_h, out_w)."""
        if dout.shape != self._out_shape:
            raise wrong_dout(self, dout, self._out_shape)
        x, out = self._padded, self._out
        p, (height, width) = self.pad, x.shape[2:]
        inside = np.zeros((height, width), dtype=bool)
        inside[p : height - p, p : width - p] = True  # a pixel may be as low as the padding
        in_order_of_x = np.empty_like(out, dtype=dout.dtype)  # two orders in one product are slow
        in_order_of_x[...] = dout
        dx = np.zeros_like(x, dtype=dout.dtype)
        not_found = np.ones_like(out, dtype=bool)
        for place in self._places():
            here = x[place] == out
            here &= not_found
            if p:
                here &= inside[place[2:]]
            not_found ^= here
            if self.stride >= max(self.pool_h, self.pool_w):  # no pixel lies in two windows
                np.multiply(in_order_of_x, here, out=dx[place])
            else:
                dx[place] += in_order_of_x * here
        return dx[:, :, p : height - p, p : width - p]

    def _places(self):
        """Yield, for each pixel (u, v) of the window, where all windows have it in the image."""
        _, _, height, width = self._padded.shape
        s = self.stride
        out_h = conv_output_size(height, self.pool_h, s)
        out_w = conv_output_size(width, self.pool_w, s)
        for u in range(self.pool_h):
            for v in range(self.pool_w):
                yield np.s_[:, :, u : u + s * out_h : s, v : v + s * out_w : s]


def _lowest(dtype):
    if dtype.kind in "fc":
        return -np.inf
    return False if dtype.kind == "b" else np.iinfo(dtype).min
