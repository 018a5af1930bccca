"""One problem per kind of layer: the layer, what goes forward, and what comes backward."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
from hypothesis import strategies as st

from common.layers import (
    Affine,
    BatchNormalization,
    Convolution,
    Dropout,
    Layer,
    Pooling,
    Relu,
    Sigmoid,
    SoftmaxWithLoss,
)
from tests.helpers import distinct, frozen, new_labels, normal, seeds, starts


@dataclass
class Problem:
    """All arrays are read-only. `scale` is the size of the terms that may cancel in ∂L/∂x."""

    new: Callable[..., Layer]  # given the parameters; always with the same random numbers
    x: np.ndarray
    parameters: dict[str, np.ndarray] = field(default_factory=dict)
    arguments: tuple = ()  # of forward, after x: train_flg or labels
    scale: float = 1.0

    def layer(self):
        return self.new(**self.parameters)

    def forward(self, layer, x=None):
        if isinstance(layer, Dropout):
            layer.rng = np.random.default_rng(0)
        return layer.forward(self.x if x is None else x, *self.arguments)

    @cached_property
    def dout(self):
        y = self.forward(self.layer())
        return normal(np.random.default_rng(0), np.shape(y), self.x.dtype)

    @cached_property
    def tangents(self):
        """Two of x, arranged as the layer arranges it, and two of each parameter."""
        rng, layer = np.random.default_rng(1), self.layer()
        arrays = {"x": layer.prepare(self.x), **self.parameters}
        return {f"d{k}": normal(rng, (2, *np.shape(a)), self.x.dtype) for k, a in arrays.items()}

    def backward(self, layer, dout=None):
        """∂L/∂x and the gradients of all parameters, and the tangents of y if there is a jvp."""
        dx = layer.backward(self.dout if dout is None else dout)
        results = [dx, *(getattr(layer, f"d{name}") for name in self.parameters)]
        return [*results, layer.jvp(**self.tangents)] if hasattr(layer, "jvp") else results

    def run(self, layer=None):
        """y, and what `backward` returns."""
        layer = self.layer() if layer is None else layer
        return [self.forward(layer), *self.backward(layer)]

    def as_type(self, dtype):
        parameters = {name: frozen(p, dtype) for name, p in self.parameters.items()}
        return replace(self, x=frozen(self.x, dtype), parameters=parameters)

    def with_batch(self, n):
        """The same with `n` other examples."""
        x = normal(np.random.default_rng(n), (n, *self.x.shape[1:]))
        arguments = tuple(
            frozen(np.resize(a, (n, *a.shape[1:]))) if isinstance(a, np.ndarray) else a
            for a in self.arguments
        )
        return replace(self, x=x, arguments=arguments)


class Scale(Layer):
    """A layer of a reader's own: y = γ x, with a γ for each column."""

    def __init__(self, gamma):
        self.gamma = gamma

    def forward(self, x):
        self.x = x
        return self.gamma * x

    def backward(self, dout):
        self.dgamma = (dout * self.x).reshape(-1, self.x.shape[-1]).sum(axis=0)
        return self.gamma * dout

    def jvp(self, dx, dgamma=None):
        of_x = 0 if dx is None else self.gamma * dx
        if dgamma is None:
            return of_x
        ones = (1,) * (self.x.ndim - 1)
        return of_x + dgamma.reshape(*dgamma.shape[:-1], *ones, -1) * self.x


def scale(seed, shape):
    rng = np.random.default_rng(seed)
    return Problem(Scale, normal(rng, shape), {"gamma": normal(rng, shape[-1])})


def affine(seed, shape, outputs, **options):
    rng = np.random.default_rng(seed)
    parameters = {"W": normal(rng, (int(np.prod(shape[1:])), outputs)), "b": normal(rng, outputs)}
    return Problem(partial(Affine, **options), normal(rng, shape), parameters)


def activation(layer, seed, shape):
    return Problem(layer, distinct(np.random.default_rng(seed), shape))


def convolution(seed, shape, filters, stride=1, pad=0, **options):
    """`filters` are the number of filters, their height and their width."""
    rng, (n, height, width) = np.random.default_rng(seed), filters
    parameters = {"W": normal(rng, (n, shape[1], height, width)), "b": normal(rng, n)}
    new = partial(Convolution, stride=stride, pad=pad, **options)
    return Problem(new, normal(rng, shape), parameters)


def pooling(seed, shape, *arguments, values=distinct):
    return Problem(lambda: Pooling(*arguments), values(np.random.default_rng(seed), shape))


def few_integers(rng, shape):
    """With many ties."""
    return frozen(rng.integers(-1, 2, shape), np.float64)


def batch_normalization(seed, shape, train_flg, momentum=0.9, size=1.0):
    rng, features = np.random.default_rng(seed), shape[1]
    x = frozen(size * distinct(rng, shape) + rng.normal())
    mean, var = normal(rng, features), rng.uniform(0.2, 3, features)
    gamma, beta = normal(rng, features), normal(rng, features)

    def new(gamma, beta):
        dtype = np.result_type(gamma, np.float32) if np.ndim(gamma) else np.float64
        return BatchNormalization(gamma, beta, momentum, frozen(mean, dtype), frozen(var, dtype))

    # With two values per feature ∂L/∂X all but vanishes: a difference of terms of γ ∂L/∂Y / σ.
    std = np.sqrt(x.swapaxes(0, 1).reshape(features, -1).var(axis=1) + 1e-6)
    terms = 10 * np.abs(gamma / std).max() if train_flg else 1.0
    return Problem(new, x, {"gamma": gamma, "beta": beta}, (train_flg,), max(1.0, terms))


def dropout(seed, shape, ratio, train_flg):
    x = normal(np.random.default_rng(seed), shape)
    return Problem(lambda: Dropout(ratio), x, arguments=(train_flg,))


def softmax_with_loss(seed, n, classes, kind, size=1.0):
    rng = np.random.default_rng(seed)
    x = frozen(size * rng.normal(size=(n, classes)))
    return Problem(SoftmaxWithLoss, x, arguments=(new_labels(rng, n, classes, kind),))


IMAGES = (4, 2, 4, 3)
CASES = {
    "Scale": scale(0, IMAGES),
    "Affine of rows": affine(0, (4, 24), 3),
    "Affine of images": affine(0, IMAGES, 3),
    "Affine, first": affine(0, IMAGES, 3, input_gradient=False),
    "Relu": activation(Relu, 0, IMAGES),
    "Sigmoid": activation(Sigmoid, 0, IMAGES),
    "Convolution": convolution(0, IMAGES, (3, 3, 2), 1, 1),
    "Convolution, stride": convolution(0, IMAGES, (3, 3, 2), 2),
    "Convolution, first": convolution(0, IMAGES, (3, 3, 2), 2, 1, input_gradient=False),
    "Convolution 1 × 1": convolution(0, IMAGES, (3, 1, 1)),  # a window need not be copied
    "Pooling": pooling(0, IMAGES, 2, 2, 2),
    "Pooling, overlap and pad": pooling(0, IMAGES, 3, 2, 1, 1),
    "Pooling 1 × 1": pooling(0, IMAGES, 1, 1, 1),
    "BatchNormalization of rows": batch_normalization(0, (4, 2), True),
    "BatchNormalization of images": batch_normalization(0, IMAGES, True),
    "BatchNormalization of rows, inference": batch_normalization(0, (4, 2), False),
    "BatchNormalization of images, inference": batch_normalization(0, IMAGES, False),
    "Dropout": dropout(0, IMAGES, 0.5, True),
    "Dropout, inference": dropout(0, IMAGES, 0.3, False),
    "Dropout of nothing": dropout(0, IMAGES, 0, True),
    "SoftmaxWithLoss": softmax_with_loss(0, 4, 3, "labels"),
    "SoftmaxWithLoss, one-hot": softmax_with_loss(0, 4, 3, "one-hot"),
    "SoftmaxWithLoss, soft": softmax_with_loss(0, 4, 3, "soft"),
}

shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
small = st.integers(1, 3)
KINDS = st.sampled_from(["labels", "one-hot", "soft"])


def windows(draw, window, stride, pad):
    """The height and width of images just large enough for a window, or up to 4 pixels larger."""
    return tuple(max(1, size - 2 * pad) + draw(st.integers(0, 4)) for size in window)


@st.composite
def convolutions(draw):
    """All strides, paddings and sizes of filters."""
    stride, pad = draw(small), draw(st.integers(0, 3))
    window = draw(st.integers(1, 4)), draw(small)
    shape = draw(small), draw(small), *windows(draw, window, stride, pad)
    return convolution(draw(seeds), shape, (draw(small), *window), stride, pad)


@st.composite
def poolings(draw, values=distinct):
    """Windows that overlap, windows with gaps between them, and every padding that is allowed."""
    window, stride = (draw(st.integers(1, 4)), draw(st.integers(1, 4))), draw(st.integers(1, 4))
    pad = draw(st.integers(0, min(window) - 1))
    shape = draw(small), draw(st.integers(1, 2)), *windows(draw, window, stride, pad)
    return pooling(draw(seeds), shape, *window, stride, pad, values=values)


@st.composite
def batch_normalizations(draw, train_flg):
    """Rows or images; in training with at least two values per feature."""
    image = draw(st.sampled_from([(), (1, 1), (1, 3), (3, 2)]))
    n = draw(st.integers(1 if not train_flg or image not in ((), (1, 1)) else 2, 4))
    momentum, size = draw(st.sampled_from([0.0, 0.3, 0.9, 1.0])), draw(st.sampled_from([1.0, 10.0]))
    return batch_normalization(draw(seeds), (n, draw(small), *image), train_flg, momentum, size)


STRATEGIES = {
    "Scale": st.builds(scale, seeds, shapes),
    "Affine": st.builds(
        affine, seeds, st.tuples(small, small) | st.tuples(small, small, small, small), small
    ),
    "Relu": st.builds(partial(activation, Relu), seeds, shapes),
    "Sigmoid": st.builds(partial(activation, Sigmoid), seeds, shapes),
    "Convolution": convolutions(),
    "Pooling": poolings(),
    "BatchNormalization, training": batch_normalizations(True),
    "BatchNormalization, inference": batch_normalizations(False),
    "Dropout": st.builds(
        dropout, seeds, shapes, st.sampled_from([0, 0.1, 0.5, 0.9, 1]), st.booleans()
    ),
    "SoftmaxWithLoss": st.builds(
        softmax_with_loss,
        seeds,
        st.integers(1, 5),
        st.integers(1, 5),
        KINDS,
        st.sampled_from([0.1, 1.0, 3.0]),
    ),
}


def convolution_by_loops(problem):
    """Y, ∂L/∂X, ∂L/∂W and ∂L/∂b from the definition, one product at a time."""
    x, dout, W, b = problem.x, problem.dout, *problem.parameters.values()
    stride, pad = problem.new.keywords["stride"], problem.new.keywords["pad"]
    n, _, height, width = x.shape
    tops, lefts = starts(height, W.shape[2], stride, pad), starts(width, W.shape[3], stride, pad)
    y, dx = np.zeros((n, len(W), len(tops), len(lefts))), np.zeros(x.shape)
    dW, db = np.zeros(W.shape), np.zeros(b.shape)
    for m, f, i, j in np.ndindex(y.shape):
        y[m, f, i, j] = b[f]
        db[f] += dout[m, f, i, j]
        for c, u, v in np.ndindex(W.shape[1:]):
            p, q = tops[i] + u, lefts[j] + v
            if 0 <= p < height and 0 <= q < width:
                y[m, f, i, j] += x[m, c, p, q] * W[f, c, u, v]
                dx[m, c, p, q] += dout[m, f, i, j] * W[f, c, u, v]
                dW[f, c, u, v] += dout[m, f, i, j] * x[m, c, p, q]
    return y, dx, dW, db


def pooling_by_loops(problem):
    """Y, ∂L/∂X and arg_max from the definition; the first of several maxima has all influence."""
    x, layer = problem.x, problem.layer()
    n, channels, height, width = x.shape
    tops = starts(height, layer.pool_h, layer.stride, layer.pad)
    lefts = starts(width, layer.pool_w, layer.stride, layer.pad)
    y, dx = np.empty((n, channels, len(tops), len(lefts))), np.zeros(x.shape)
    where = np.empty((n, len(tops), len(lefts), channels), int)
    for m, c, i, j in np.ndindex(y.shape):
        pixels = [
            (m, c, p, q)
            for p in range(max(0, tops[i]), min(height, tops[i] + layer.pool_h))
            for q in range(max(0, lefts[j]), min(width, lefts[j] + layer.pool_w))
        ]
        first = max(pixels, key=lambda pixel: x[pixel])
        y[m, c, i, j] = x[first]
        dx[first] += problem.dout[m, c, i, j]
        where[m, i, j, c] = (first[2] - tops[i]) * layer.pool_w + first[3] - lefts[j]
    return y, dx, where.ravel()
