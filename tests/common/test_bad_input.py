"""Bad input of layers, functions, tools and optimizers: one clear error that names the argument."""

import math
import re

import numpy as np
import pytest

from common.functions import (
    cross_entropy_error,
    relu,
    relu_grad,
    sigmoid,
    sigmoid_grad,
    softmax,
    softmax_loss,
    sum_squared_error,
)
from common.layers import (
    Affine,
    BatchNormalization,
    Convolution,
    Dropout,
    Pooling,
    Relu,
    Sigmoid,
    SoftmaxWithLoss,
)
from common.optimizer import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSprop
from common.support.checks import check_rng, check_sequence
from common.support.errors import NonFiniteError
from common.util import col2im, conv_output_size, im2col, shuffle_dataset, smooth_curve

nan, inf = math.nan, math.inf
V, T = ValueError, TypeError


def affine(shape, W=(4, 2), b=2):
    Affine(np.zeros(W), np.zeros(b)).forward(np.zeros(shape))


def convolve(shape=(2, 2, 5, 5), W=(3, 2, 3, 4), b=3, pad=0):
    Convolution(np.zeros(W), np.zeros(b), 1, pad).forward(np.zeros(shape))


def pool(shape, *arguments):
    Pooling(*arguments).forward(np.zeros(shape))


def normalize(shape=(4, 3), gamma=3, beta=3, mean=3, var=3):
    averages = np.zeros(mean), np.ones(var)
    BatchNormalization(np.ones(gamma), np.zeros(beta), 0.9, *averages).forward(np.zeros(shape))


def window(stride, pad=0):
    """Both kinds of layers that have a window."""
    new = [lambda *arguments: Convolution(np.zeros((1, 1, 2, 2)), 0, *arguments)]
    return [(f, (stride, pad)) for f in (*new, lambda *arguments: Pooling(2, 2, *arguments))]


# Callable, arguments, error and words, which stand in the message one after the other.
LAYERS = [
    (affine, ((4,),), V, "x must have 4 numbers per example … (N, 4), got (4,)"),
    (affine, ((3, 2, 3),), V, "x must have 4 numbers per example … got (3, 2, 3)"),
    (affine, ((1, 4), (4,), ()), V, "W must have shape (D, M), got (4,)"),
    (affine, ((1, 4), (4, 2, 3), (2, 3)), V, "W must have shape (D, M), got (4, 2, 3)"),
    (affine, ((1, 4), (4, 2), (1,)), V, "b must have shape (2,), got (1,)"),
    (affine, ((1, 4), (4, 2), (1, 2)), V, "b must have shape (2,), got (1, 2)"),
    (convolve, ((2, 5, 5),), V, "images must have shape (N, C, H, W), got (2, 5, 5)"),
    (convolve, ((2, 3, 5, 5),), V, "x must have 2 channels, as W has … (2, 3, 5, 5)"),
    (convolve, ((2, 2, 5, 5), (3, 2, 3)), V, "W must have shape (FN, … got (3, 2, 3)"),
    (convolve, ((2, 2, 5, 5), (3, 2, 3, 4), 1), V, "b must have shape (3,), got (1,)"),
    (convolve, ((2, 2, 5, 5), (3, 2, 3, 4), 4), V, "b must have shape (3,), got (4,)"),
    (convolve, ((2, 2, 2, 5),), V, "window of 3 pixels is larger than the image: 2 pixels"),
    (convolve, ((0, 2, 5, 3),), V, "window of 4 pixels is larger than the image: 3 pixels"),
    (convolve, ((2, 2, 5, 1), (3, 2, 3, 4), 3, 1), V, "1 pixels and a padding of 1 on each side"),
    (pool, ((2, 5, 5), 2, 2), V, "images must have shape (N, C, H, W), got (2, 5, 5)"),
    (pool, ((2, 2, 1, 5), 2, 2), V, "window of 2 pixels is larger than the image: 1 pixels"),
    (pool, ((2, 2, 5, 1), 2, 2), V, "window of 2 pixels is larger than the image: 1 pixels"),
    (Pooling, (2, 2, 1, 2), V, "pad must be smaller than the window … 2 × 2, got 2"),
    (Pooling, (3, 2, 1, 2), V, "pad must be smaller than the window … 3 × 2, got 2"),
    (Pooling, (0, 2), V, "pool_h must be a positive integer, got 0"),
    (Pooling, (2, 2.5), V, "pool_w must be a positive integer, got 2.5"),
    (normalize, ((4, 2),), V, "gamma must have shape (2,), got (3,)"),
    (normalize, ((4, 2, 3, 3),), V, "gamma must have shape (2,), got (3,)"),
    (normalize, ((3,),), V, "x must have shape (N, D) or (N, C, H, W), got (3,)"),
    (normalize, ((4, 3, 3),), V, "x must have shape (N, D) or (N, C, H, W), got (4, 3, 3)"),
    (normalize, ((4, 3), 3, 1), V, "beta must have shape (3,), got (1,)"),
    (normalize, ((4, 3), 3, 3, 2), V, "running_mean must have shape (3,), got (2,)"),
    (normalize, ((4, 3), 3, 3, 3, 1), V, "running_var must have shape (3,), got (1,)"),
    (BatchNormalization, (1, 0, "0.9"), T, "momentum must be a number, got '0.9'"),
    (Dropout, ([0.5],), T, "dropout_ratio must be a number, got [0.5]"),
    (lambda: Dropout(rng=5), (), T, "rng must be a numpy.random.Generator"),
    (Relu().forward, ([None],), T, "x must hold numbers, got object"),
    (Relu().forward, ([1j],), T, "Relu needs real numbers, got complex128"),
    (Sigmoid().forward, ([1j],), T, "Sigmoid needs real numbers, got complex128"),
    (Pooling(1, 1).forward, ([[[[1j]]]],), T, "Pooling needs real numbers, got complex128"),
]
for value in (0, -1, 1.0, True, None, (1, 1)):
    words = f"stride must be a positive integer, got {value!r}"
    LAYERS += [(*call, V, words) for call in window(value)]
for value in (-1, 0.5, "same", None, nan):
    words = f"pad must be an integer of at least 0, got {value!r}"
    LAYERS += [(*call, V, words) for call in window(1, value)]
for value in (-0.1, 1.1, nan, inf):
    words = f"must be between 0 and 1, got {value}"
    LAYERS.append((BatchNormalization, (1, 0, value), V, f"momentum {words}"))
    LAYERS.append((Dropout, (value,), V, f"dropout_ratio {words}"))


def loss_layer(x, t):
    SoftmaxWithLoss().forward(x, t)


ROWS = np.eye(3)[[0, 1, 2, 0]]
LABELS = [  # for scores of shape (4, 3)
    ([0, 1, 3, 2], V, "labels t must lie between 0 and 2, got 3"),
    ([0, 1, -1, 2], V, "labels t must lie between 0 and 2, got -1"),
    (np.array([0, 1, -1, 2], np.int8), V, "labels t must lie between 0 and 2, got -1"),
    (np.array([0, 1, 2**63, 2], np.uint64), V, "labels t must lie between 0 and 2, got 9223"),
    ([0, 1, 2], V, "t must hold one label for each of the 4 rows, got 3"),
    ([0, 1, 2, 0, 1], V, "t must hold one label for each of the 4 rows, got 5"),
    (1, V, "labels of shape (4,) or one-hot of shape (4, 3), got ()"),
    (np.eye(4), V, "one-hot of shape (4, 3), got (4, 4)"),
    ([[0, 1]] * 4, V, "labels of shape (4,) or one-hot of shape (4, 3), got (4, 2)"),
    ([[0, 1, 2, 0]], V, "got (1, 4)"),
    (np.zeros((4, 3, 1)), V, "got (4, 3, 1)"),
    (np.zeros((4, 3)), V, "rows of one-hot t must be ≥ 0 and sum to 1; row 0 is"),
    (np.zeros((4, 3), np.uint8), V, "sum to 1; row 0 is"),
    ([[1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]], V, "sum to 1; row 1 is"),
    ([[1, 0, 0], [1, 0, 0], [2, -1, 0], [1, 0, 0]], V, "≥ 0 and sum to 1; row 2 is"),
    (np.full((4, 3), 0.3329), V, "sum to 1; row 0"),  # by 1.3e-3
    ([0.0, 1.0, 2.0, 0.0], T, "labels t must be integers, got float64"),
    ([True, False, True, True], T, "labels t must be integers, got bool"),
    (list("abcd"), T, "labels t must be integers or rows of probabilities, got <U1"),
    ([0, 1, None, 2], T, "labels t must be integers or rows of probabilities, got object"),
    (ROWS * 1j, T, "labels t must be integers or rows of probabilities, got complex128"),
    (np.ma.masked_equal([0, 1, 2, 0], 2), T, "t is a masked array; fill in its masked elements"),
    (np.where(ROWS == 1, nan, 0), NonFiniteError, "t holds 4 NaN … the first at index (0, 0)"),
    ([0.0, inf, 1.0, 2.0], NonFiniteError, "t holds 1 NaN or infinite values … index (1,)"),
]
SCORES = [
    (np.zeros((0, 3)), np.zeros(0, int), V, "the batch is empty: expected at least one row"),
    (np.zeros((0, 3)), np.zeros((0, 3)), V, "the batch is empty"),
    (np.full(3, 1 / 3), 1.0, T, "labels t must be integers, got float64"),
    (np.full(3, 1 / 3), [0, 1], V, "one label for each of the 1 rows, got 2"),
    (np.full((4, 3, 1), 1 / 3), [0] * 4, V, "must have shape (N, K) … got (4, 3, 1)"),
]
LOSSES = []
for loss in (cross_entropy_error, softmax_loss, loss_layer):
    LOSSES += [(loss, (np.full((4, 3), 1 / 3), t), *rest) for t, *rest in LABELS]
    LOSSES += [(loss, (x, t), *rest) for x, t, *rest in SCORES]

FUNCTIONS = [
    (sum_squared_error, (np.zeros((2, 3)), np.zeros(3)), V, "same shape, got (2, 3) and (3,)"),
    (cross_entropy_error, (["a"], 0), T, "y must hold numbers, got <U1"),
    (softmax_loss, (["a"], 0), T, "X must hold numbers, got <U1"),
]
for function in (sigmoid, sigmoid_grad, relu, relu_grad):
    name = function.__name__ if function is not sigmoid_grad else "sigmoid"
    FUNCTIONS.append((function, ([1j],), T, f"{name} needs real numbers, got complex128"))
for function in (sigmoid, relu, relu_grad, softmax):
    masked = np.ma.masked_equal([1.0, 2.0], 2)
    FUNCTIONS.append((function, (masked,), T, "x is a masked array; fill in its masked elements"))
    FUNCTIONS.append((function, (["1"],), T, "x must hold numbers, got <U1"))

TOOLS = [
    (im2col, (np.zeros((28, 28)), 3, 3), V, "shape (N, C, H, W), got (28, 28)"),
    (col2im, (np.eye(4), (1, 3, 3), 2, 2), V, "input_shape … (N, C, H, W), got (1, 3, 3)"),
    (shuffle_dataset, (np.zeros((3, 2)), np.zeros(4)), V, "the same length, got 3 and 4"),
    (check_rng, (5,), T, "rng must be a numpy.random.Generator … or None, got 5"),
    (check_rng, (np.random.RandomState(0),), T, "rng must be a numpy.random.Generator"),
    (check_sequence, ("sizes", 5), T, "sizes must be a list or a tuple, got 5"),
    (check_sequence, ("sizes", "ab"), T, "sizes must be a list or a tuple, got 'ab'"),
]
for shape in ((3, 4), (4, 3), (16,), (1, 2, 2, 4)):
    words = f"col must have shape (4, 4) for these images, got {shape}"
    TOOLS.append((col2im, (np.zeros(shape), (1, 1, 3, 3), 2, 2), V, words))
for shape in ((), (3, 2), (1, 20)):
    words = f"x must be a curve of shape (N,), got shape {shape}"
    TOOLS.append((smooth_curve, (np.zeros(shape),), V, words))
for (size, *arguments), words in (  # size of image and window, stride and pad
    ((5, 0), "filter size must be a positive integer, got 0"),
    ((5, 2.0), "filter size must be a positive integer, got 2.0"),
    ((5, 2, 0), "stride must be a positive integer, got 0"),
    ((5, 2, None), "stride must be a positive integer, got None"),
    ((5, 2, 1, -1), "pad must be an integer of at least 0, got -1"),
    ((5, 2, 1, 0.5), "pad must be an integer of at least 0, got 0.5"),
    ((5, 6), "6 pixels is larger than the image: 5 pixels and a padding of 0"),
    ((5, 10, 1, 2), "10 pixels is larger than the image: 5 pixels and a padding of 2"),
):
    wide, high = (arguments[0], 1), (1, arguments[0])
    TOOLS.append((conv_output_size, (size, *arguments), V, words))
    TOOLS.append((im2col, (np.zeros((1, 1, size, 20)), *wide, *arguments[1:]), V, words))
    TOOLS.append((im2col, (np.zeros((1, 1, 20, size)), *high, *arguments[1:]), V, words))
    TOOLS.append((col2im, (np.eye(4), (1, 1, size, 20), *wide, *arguments[1:]), V, words))


def update(params, grads):
    SGD().update(params, grads)


def option(new, name, value):
    new(**{name: value})


ones, both = np.ones(2), {"W": np.ones(2), "b": np.ones(2)}
OPTIMIZERS = [
    (SGD, ("fast",), T, "lr must be a number, got 'fast'"),
    (SGD, (None,), T, "lr must be a number, got None"),
    (option, (SGD, "epsilon", 1), T, "epsilon"),
    (update, (both, {}), V, "grads lacks W, b of params"),
    (update, (both, {"W": ones, "c": ones}), V, "grads lacks b of params"),
    (update, ({"b": 1.0}, {"b": ones}), V, "gradient of b must have shape (), got (2,)"),
    (update, ({"b": np.array([1, 2])}, {"b": ones}), T, "b must be an array of floating-point"),
    (update, ({"b": [1.0]}, {"b": [1.0]}), T, "b must be an array of … numbers, got [1.0]"),
]
for shape in ((1,), (3,), (2, 1), (1, 2, 3)):
    words = f"the gradient of W must have shape (2, 3), got {shape}"
    OPTIMIZERS.append((update, ({"W": np.ones((2, 3))}, {"W": np.ones(shape)}), V, words))
ALL, ROOTS = (
    (SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam, AdamW),
    (AdaGrad, RMSprop, Adam, AdamW),
)
for name, optimizers, limits, values in (
    ("lr", ALL, "at least 0 and below inf", (-1e-8, nan, inf, -inf)),
    ("epsilon", ROOTS, "at least 0 and below inf", (-1e-8, nan, inf)),
    ("weight_decay", (AdamW,), "at least 0 and below inf", (-0.1, nan, inf)),
    ("momentum", (Momentum, Nesterov), "between 0 and 1", (-0.1, 1.5, nan)),
    ("decay_rate", (RMSprop,), "between 0 and 1", (-0.1, 1.5, nan)),
    ("beta1", (Adam, AdamW), "at least 0 and below 1", (-0.1, 1, 1.5, nan)),
    ("beta2", (Adam, AdamW), "at least 0 and below 1", (-0.1, 1, 1.5, nan)),
):
    for new in optimizers:
        for value in values:
            words = f"{name} must be {limits}, got {value}"
            OPTIMIZERS.append((option, (new, name, value), V, words))


EVERY = [*LAYERS, *LOSSES, *FUNCTIONS, *TOOLS, *OPTIMIZERS]


@pytest.mark.parametrize(
    ("call", "arguments", "error", "words"), EVERY, ids=[row[-1][:60] for row in EVERY]
)
def test_bad_input_is_one_clear_error(call, arguments, error, words):
    message = ".*".join(map(re.escape, words.split(" … ")))
    with pytest.raises(error, match=message) as caught:
        call(*arguments)
    assert type(caught.value) is error
    assert caught.value.__cause__ is caught.value.__context__ is None
