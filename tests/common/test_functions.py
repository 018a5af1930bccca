import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from common import functions
from common.functions import (
    cross_entropy_error,
    identity_function,
    relu,
    relu_grad,
    sigmoid,
    sigmoid_grad,
    softmax,
    softmax_loss,
    step_function,
    sum_squared_error,
)
from tests.helpers import FLOATS, assert_close, few, frozen, new_labels, seeds, slope

LOSSES = pytest.mark.parametrize("loss", [cross_entropy_error, softmax_loss])
ELEMENTWISE = [sigmoid, sigmoid_grad, relu, relu_grad, softmax]


def some_scores(shape=(4, 3), dtype=np.float64):
    return frozen(3 * np.random.default_rng(0).normal(size=shape), dtype)


@FLOATS
@pytest.mark.parametrize("shape", [(3,), (4, 3)])
@pytest.mark.parametrize("function", ELEMENTWISE)
def test_shape_and_dtype_are_kept_and_integers_become_float64(function, shape, dtype):
    y = function(some_scores(shape, dtype))
    assert y.shape == shape
    assert y.dtype == dtype
    integers = frozen(some_scores(shape), np.int64)
    assert function(integers).dtype == np.float64
    assert np.array_equal(function(integers.tolist()), function(integers.astype(float)))


@FLOATS
def test_losses_keep_the_dtype(dtype):
    y = softmax(some_scores(dtype=dtype))
    for loss in (cross_entropy_error, softmax_loss):
        for t in (frozen([0, 1, 2, 0]), np.eye(3)[[0, 1, 2, 0]]):
            assert loss(y, t).dtype == dtype
    assert sum_squared_error(y, y[::-1]).dtype == dtype


def test_identity_function_returns_its_argument():
    x = some_scores()
    assert identity_function(x) is x


@pytest.mark.parametrize(
    ("x", "expected"),
    [([-1.0, 0.0, 2.0], [0, 0, 1]), ([[0.5], [-0.5]], [[1], [0]]), ([-3, 0, 3], [0, 0, 1])],
)
def test_step_function_is_1_above_0_and_an_integer(x, expected):
    y = step_function(frozen(x))
    assert y.dtype.kind == "i"
    assert y.tolist() == expected


@given(st.floats(-700, 700))
@few
def test_sigmoid_is_the_formula(x):
    assert float(sigmoid(x)) == pytest.approx(1 / (1 + math.exp(-x)), rel=1e-14)
    assert float(sigmoid(-x)) == pytest.approx(1 - float(sigmoid(x)), abs=2e-16)


@FLOATS
def test_sigmoid_is_exact_and_silent_far_out(dtype):
    y = sigmoid(frozen([-1000, 0, 1000, -np.inf, np.inf, np.nan], dtype))
    assert y[:5].tolist() == [0, 0.5, 1, 0, 1]
    assert np.isnan(y[5])
    x = -80 if dtype == np.float32 else -700  # whose value keeps its relative precision
    expected = pytest.approx(math.exp(x), rel=4 * float(np.finfo(dtype).eps))
    assert float(sigmoid(np.array([x], dtype))[0]) == expected


def test_relu_and_its_derivative_by_hand():
    x = frozen([[-2.0, -0.0, 0.0], [1e-300, 3.0, np.inf]])
    assert relu(x).tolist() == [[0, 0, 0], [1e-300, 3, np.inf]]
    assert relu_grad(x).tolist() == [[0, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize(("function", "derivative"), [(sigmoid, sigmoid_grad), (relu, relu_grad)])
@given(x=st.floats(0.01, 20) | st.floats(-20, -0.01))
@few
def test_derivatives_agree_with_central_differences(function, derivative, x):
    expected = slope(lambda step: float(function(x + step)), 1e-3)
    assert float(derivative(x)) == pytest.approx(expected, rel=1e-6, abs=1e-10)


@given(arrays(np.float64, array_shapes(max_dims=3, max_side=5), elements=st.floats(-50, 50)))
@few
def test_softmax_is_the_formula_along_the_last_axis(x):
    expected = np.empty_like(x)
    for index in np.ndindex(x.shape):
        expected[index] = math.exp(x[index]) / math.fsum(map(math.exp, x[index[:-1]]))
    np.testing.assert_allclose(softmax(x), expected, rtol=1e-12)
    np.testing.assert_allclose(softmax(x + 300), expected, rtol=1e-12)


@FLOATS
def test_far_apart_scores_are_exact_and_silent(dtype):
    assert softmax(frozen([-1000, 1000], dtype)).tolist() == [0, 1]
    assert softmax(frozen([[1000, 1000], [-1000, -1000]], dtype)).tolist() == [[0.5, 0.5]] * 2
    scores = frozen([[-1000, 1000], [1000, -1000]], dtype)
    for t in ([0, 0], [[1, 0], [1, 0]]):
        assert softmax_loss(scores, frozen(t)) == 1000  # the mean of 2000 and 0
        assert cross_entropy_error(softmax(scores), frozen(t)) == np.inf
    rows = frozen([[-2000, -2000], [2000, 0]], dtype)  # of which each has a maximum of its own
    assert softmax_loss(rows, frozen([0, 0])) == pytest.approx(math.log(2) / 2)


def test_a_class_without_weight_costs_nothing_even_at_probability_0():
    assert cross_entropy_error(frozen([[1.0, 0.0]]), frozen([[1, 0]])) == 0
    assert cross_entropy_error(frozen([0.5, 0.5, 0.0]), frozen([0, 1, 0])) == math.log(2)
    assert cross_entropy_error(frozen([0.5, 0.5, 0.0]), frozen([0, 0, 1])) == np.inf
    assert softmax_loss(frozen([1.0, 1.0, -np.inf]), 0) == pytest.approx(math.log(2))


def test_errors_by_hand():
    y = [0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0]
    assert sum_squared_error(frozen(y), frozen([0, 0, 1] + 7 * [0])) == pytest.approx(0.0975)
    assert sum_squared_error(frozen([[1, 2], [3, 4]]), np.zeros((2, 2), np.uint8)) == 15
    y = frozen([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    expected = pytest.approx((math.log(4) + math.log(1.25)) / 2, rel=1e-15)
    assert cross_entropy_error(y, frozen([1, 1])) == expected


@LOSSES
@given(seeds, st.integers(1, 5), st.integers(1, 5), st.sampled_from(["labels", "one-hot", "soft"]))
@few
def test_losses_are_the_mean_over_rows_of_the_weighted_sum_over_classes(loss, seed, n, k, kind):
    rng = np.random.default_rng(seed)
    x, t = frozen(3 * rng.normal(size=(n, k))), new_labels(rng, n, k, kind)
    weights = t if t.ndim == 2 else np.eye(k)[t]
    log_y = [[x[i, j] - math.log(sum(map(math.exp, x[i]))) for j in range(k)] for i in range(n)]
    expected = -sum(weights[i, j] * log_y[i][j] for i, j in np.ndindex(n, k)) / n
    assert_close(loss(x if loss is softmax_loss else softmax(x), t), expected, scale=1)


@LOSSES
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.uint64, np.float32, bool])
def test_labels_of_every_dtype_and_shape_give_the_same_loss(loss, dtype):
    y, t = softmax(some_scores()), np.array([2, 0, 1, 1])
    expected = pytest.approx(float(loss(y, t)), rel=1e-15)
    assert loss(y, frozen(np.eye(3)[t], dtype)) == expected
    assert loss(y, np.eye(3, dtype=dtype)[t].tolist()) == expected
    if np.dtype(dtype).kind in "iu":
        for labels in (frozen(t, dtype), frozen(t[:, np.newaxis], dtype), t.tolist()):
            assert loss(y, labels) == expected


@LOSSES
def test_a_single_row_may_be_1d(loss):
    y = softmax(some_scores((3,)))
    for t in (2, np.uint8(2), [2], [[2]], [0, 0, 1], [[0, 0, 1]]):
        assert loss(y, t) == loss(y[np.newaxis], np.array([2]))
    assert loss(frozen([0.3]), 0) == loss(frozen([[0.3]]), [[1]]) == loss(frozen([[0.3]]), [0])


def test_all_lists_every_public_function_and_a_star_import_binds_np_too():
    public = {
        name
        for name, function in vars(functions).items()
        if getattr(function, "__module__", "") == "common.functions" and name[0] != "_"
    }
    namespace = {}
    exec("from common.functions import *", namespace)
    assert public | {"np"} == set(functions.__all__) == namespace.keys() - {"__builtins__"}
