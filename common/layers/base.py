"""What all layers share, so that a layer's own code is its mathematics.

`Layer` wraps the methods ``forward``, ``backward`` and ``jvp`` of its subclasses. Around each call
it checks dtypes and shapes (NumPy would broadcast many a wrong one), and arranges the array as the
formulas need it, an image as a row of pixels, for example.
"""

import cmath
from functools import wraps
from inspect import signature

import numpy as np

from common.support.checks import as_floating, check_finite, check_shape

__all__ = ["Layer"]


class Layer:
    """Base of the layers: a differentiable function, perhaps with parameters.

    A subclass defines ``forward(x)`` or ``forward(x, train_flg=True)``, and ``backward(dout)``,
    which is given the upstream gradient ∂L/∂output and returns ∂L/∂x. On the way ``backward``
    stores the gradient of each parameter in an attribute, that of ``W`` in ``dW``. ``jvp(dx)``, a
    Jacobian-vector product for forward-mode automatic differentiation, is optional.

    Integers become float64; floating-point numbers keep their dtype. A layer may keep its input
    until the next forward pass: don't change it in place before ``backward``. A layer never depends
    on an array that it returned, which is yours to change. Since it remembers its last forward
    pass, two threads must not use one layer at once.

    Wrong input is a ValueError or a TypeError, and leaves the layer as it was; ``backward`` or
    ``jvp`` before the first ``forward`` is a RuntimeError.

    Attributes
    ----------
    param_names : sequence of str, or None
        Names of the parameters; None means those of W, b, gamma and beta that the layer has.
    buffer_names : sequence of str
        Names of arrays that a forward pass in training updates, such as running averages.
    input_gradient : bool
        Whether ``backward`` computes ∂L/∂x. If not, x is data, and ``forward`` refuses NaN in it.
    analytic : bool
        Whether the formulas hold for complex numbers too. Otherwise those raise a TypeError.
    x_shape, out_shape : tuple of int, or None
        Shapes of input and output in the last forward pass.
    """

    param_names = None
    buffer_names = ()
    input_gradient = True
    analytic = True
    x_shape = None
    out_shape = None

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        for name, wrap in (("forward", _forward), ("backward", _backward), ("jvp", _jvp)):
            if name in vars(cls):
                setattr(cls, name, wrap(vars(cls)[name]))

    def prepare(self, x: np.ndarray) -> np.ndarray:
        """Return `x` in the arrangement of the formulas, or raise a ValueError if it can't fit."""
        return x

    def arrange(self, array: np.ndarray) -> np.ndarray:
        """Return an array of the output's shape in the arrangement of the formulas."""
        return array

    def restore(self, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return the formulas' output, or ∂L/∂x, arranged as x, which has that `shape`, was."""
        return array


def _forward(forward):
    @wraps(forward)
    def checked(self, x, *args, **kwargs):
        if type(x) is not np.ndarray or x.dtype.kind != "f":
            x = as_floating("x", x)
            if x.dtype.kind == "c" and not self.analytic:
                raise TypeError(f"{type(self).__name__} needs real numbers, got {x.dtype}")
        prepared = self.prepare(x)
        if self.input_gradient:
            out = forward(self, prepared, *args, **kwargs)
        else:
            before = vars(self).copy()
            with np.errstate(invalid="ignore"):
                out = forward(self, prepared, *args, **kwargs)
            if not _looks_finite(x, out) and not np.isfinite(x).all():
                self.__dict__ = before
                check_finite("x", x)
        self._is_arranged = prepared is not x
        if self._is_arranged:
            out = self.restore(out, x.shape)
        self.x_shape, self.out_shape, self._prepared_shape = x.shape, np.shape(out), prepared.shape
        return out

    return checked


def _looks_finite(x, out):
    # NaN or infinity in x makes NaN or infinity of what it leads to, and of the sum: the smaller
    # of the two arrays tells, which takes a tenth of the time (4 % of a gradient).
    with np.errstate(invalid="ignore", over="ignore"):
        return cmath.isfinite((x if x.size < out.size else out).sum())


def _backward(backward):
    @wraps(backward)
    def checked(self, dout=1.0):
        if type(dout) is not np.ndarray or dout.dtype.kind != "f":
            dout = as_floating("dout", dout)
        if dout.shape != self.out_shape:
            _require_forward(self, "backward")
            raise ValueError(f"dout must have shape {self.out_shape}, got {dout.shape}")
        if not self._is_arranged:
            return backward(self, dout)
        dx = backward(self, self.arrange(dout))
        return None if dx is None else self.restore(dx, self.x_shape).reshape(self.x_shape)

    return checked


def _require_forward(layer, method):
    if layer.out_shape is None:
        raise RuntimeError(f"{type(layer).__name__}.{method} needs a forward pass before it")


def _jvp(jvp):
    arguments = signature(jvp)

    @wraps(jvp)
    def checked(self, dx, *args, **kwargs):
        _require_forward(self, "jvp")
        names = self.param_names or ("W", "b", "gamma", "beta")
        shapes = {f"d{n}": np.shape(getattr(self, n)) for n in names if hasattr(self, n)}
        tangents = arguments.bind(self, dx, *args, **kwargs).arguments
        del tangents["self"]
        shapes["dx"] = self._prepared_shape
        for name, tangent in tangents.items():
            if tangent is not None:
                tangents[name] = as_floating(name, tangent)
                check_shape(name, tangents[name], shapes[name], leading=True)
        return jvp(self, **tangents)

    return checked
