"""The pooling layer: a smaller image, of the largest value in each window."""

import numpy as np

from common.layers.base import Layer
from common.support.checks import check_window
from common.util import conv_output_shape, in_memory_order_of, window_pixels


class Pooling(Layer):
    """Max pooling: Yₙc(i, j) = max over u < pool_h, v < pool_w of Xₙc(S i + u, S j + v).

    The gradient goes to the pixel where the maximum was found, the first one if there are several;
    the others have no influence on the output. As everywhere in NumPy, NaN counts as the largest.

    Parameters
    ----------
    pool_h, pool_w : int
        Height and width of the window, in pixels.
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

    param_names = ()
    analytic = False
    _largest = None

    def __init__(self, pool_h: int, pool_w: int, stride: int = 2, pad: int = 0):
        check_window(pool_h, stride, pad, name="pool_h")
        check_window(pool_w, stride, pad, name="pool_w")
        if pad >= min(pool_h, pool_w):
            raise ValueError(f"pad must be smaller than the window, {pool_h} × {pool_w}, got {pad}")
        self.pool_h, self.pool_w = pool_h, pool_w
        self.stride, self.pad = stride, pad

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return Y, of shape (N, C, out_h, out_w), for `x` of shape (N, C, H, W)."""
        self._x = x
        pixels = list(self._pixels(self._padded(x, -np.inf)))
        out, *others = (pixel.copy(order="K") for pixel in pixels)  # in order: saves 3 %
        self._largest = np.zeros_like(out, dtype=np.min_scalar_type(len(others)))
        for number, pixel in enumerate(others, start=1):
            larger = (pixel > out) * self._largest.dtype.type(number)
            np.maximum(self._largest, larger, out=self._largest)
            np.maximum(out, pixel, out=out)
        if np.isnan(out.max(initial=0)):
            self._largest = np.argmax(pixels, axis=0)
        return out

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Return ∂L/∂X in the shape of x, from `dout` = ∂L/∂Y, of shape (N, C, out_h, out_w)."""
        dout = in_memory_order_of(self._largest, dout)
        dx = self._padded(np.zeros_like(self._x, dtype=dout.dtype), 0)
        for number, pixel in enumerate(self._pixels(dx)):
            found_here = self._largest == number
            if self.stride >= max(self.pool_h, self.pool_w):  # disjoint windows: saves 4 %
                np.multiply(dout, found_here, out=pixel)
            else:
                pixel += dout * found_here
        _, _, height, width = self._x.shape
        return dx[:, :, self.pad : self.pad + height, self.pad : self.pad + width]

    @property
    def arg_max(self) -> np.ndarray | None:
        """Where each maximum was found, u · pool_w + v, of shape (N · out_h · out_w · C,)."""
        return None if self._largest is None else self._largest.transpose(0, 2, 3, 1).flatten()

    def prepare(self, x):
        """Return `x`, if it is a batch of images no smaller than the window."""
        conv_output_shape(x.shape, (self.pool_h, self.pool_w), self.stride, self.pad)
        return x

    def _padded(self, x, value):
        if self.pad == 0:
            return x
        p, (n, channels, height, width) = self.pad, x.shape
        padded = np.full_like(x, value, shape=(n, channels, height + 2 * p, width + 2 * p))
        padded[:, :, p : p + height, p : p + width] = x
        return padded

    def _pixels(self, images):
        return window_pixels(images, self.pool_h, self.pool_w, self.stride)
