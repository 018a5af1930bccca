import math

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import elementwise_grad
from hypothesis import given, settings
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

FLOATS = pytest.mark.parametrize("dtype", [np.float32, np.float64])
LOSSES = pytest.mark.parametrize("loss", [cross_entropy_error, softmax_loss])
few = settings(max_examples=50, deadline=None, database=None)


def frozen(values, dtype=None):
    """An array that raises ValueError if someone writes to it."""
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


def some_scores(shape=(4, 3), dtype=np.float64, seed=0):
    return frozen(np.random.default_rng(seed).normal(size=shape) * 3, dtype)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "functions",
            "identity_function step_function sigmoid sigmoid_grad relu relu_grad softmax "
            "sum_squared_error cross_entropy_error softmax_loss",
        ),
        ("gradient", "numerical_gradient numerical_gradient_2d"),
        ("layers", "Relu Sigmoid Affine SoftmaxWithLoss"),
        ("optimizer", "SGD Momentum Nesterov AdaGrad RMSprop Adam"),
    ],
)
def test_star_import_binds_np_and_the_names_of_the_book(module, names):
    namespace = {}
    exec(f"from common.{module} import *", namespace)
    assert namespace["np"] is np
    assert set(names.split()) <= namespace.keys()


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


@given(st.floats(-1e4, 1e4))
@few
def test_sigmoid_of_minus_x_is_one_minus_sigmoid(x):
    assert float(sigmoid(-x)) == pytest.approx(1 - float(sigmoid(x)), abs=2e-16)


@FLOATS
def test_sigmoid_is_exact_and_silent_far_out(dtype):
    y = sigmoid(frozen([-1000, 0, 1000, -np.inf, np.inf], dtype))
    assert y.tolist() == [0, 0.5, 1, 0, 1]
    assert np.isnan(sigmoid(frozen([np.nan], dtype)))


@pytest.mark.parametrize(("dtype", "x"), [(np.float32, -80), (np.float64, -700)])
def test_sigmoid_keeps_its_relative_precision_at_small_values(dtype, x):
    eps = float(np.finfo(dtype).eps)
    assert float(sigmoid(np.array([x], dtype))[0]) == pytest.approx(math.exp(x), rel=4 * eps)


@FLOATS
def test_softmax_is_exact_and_silent_far_out(dtype):
    assert softmax(frozen([-1000, 1000], dtype)).tolist() == [0, 1]
    assert softmax(frozen([[1000, 1000], [-1000, -1000]], dtype)).tolist() == [[0.5, 0.5]] * 2


@FLOATS
def test_softmax_loss_is_exact_where_softmax_rounds_to_0(dtype):
    scores = frozen([[-1000, 1000], [1000, -1000]], dtype)
    assert softmax_loss(scores, frozen([0, 0])) == 1000  # the mean of 2000 and 0
    assert softmax_loss(scores, frozen([[1, 0], [1, 0]])) == 1000


@FLOATS
def test_cross_entropy_error_is_infinite_and_silent_at_probability_0(dtype):
    y = frozen([[0, 1], [0.5, 0.5]], dtype)
    assert cross_entropy_error(y, frozen([0, 0])) == np.inf
    assert cross_entropy_error(y, frozen([1, 0])) == pytest.approx(math.log(2) / 2)


def test_one_hot_cross_entropy_error_is_infinite_at_probability_0():
    assert cross_entropy_error(frozen([0.5, 0.5, 0.0]), frozen([0, 0, 1])) == np.inf


def test_one_hot_cross_entropy_error_ignores_probability_0_of_a_class_without_weight():
    assert cross_entropy_error(frozen([[1.0, 0.0]]), frozen([[1, 0]])) == 0
    assert cross_entropy_error(frozen([0.5, 0.5, 0.0]), frozen([0, 1, 0])) == math.log(2)


@FLOATS
@pytest.mark.parametrize("shape", [(3,), (4, 3)])
@pytest.mark.parametrize("function", [sigmoid, sigmoid_grad, relu, relu_grad, softmax])
def test_shape_and_dtype_are_kept(function, shape, dtype):
    y = function(some_scores(shape, dtype))
    assert y.shape == shape
    assert y.dtype == dtype


@FLOATS
@LOSSES
def test_losses_keep_the_dtype(loss, dtype):
    y = softmax(some_scores(dtype=dtype))
    assert loss(y, frozen([0, 1, 2, 0])).dtype == dtype
    assert loss(y, np.eye(3, dtype=dtype)[[0, 1, 2, 0]]).dtype == dtype
    assert sum_squared_error(y, y[::-1]).dtype == dtype


def test_relu_and_its_derivative_by_hand():
    x = frozen([[-2.0, -0.0, 0.0], [1e-300, 3.0, np.inf]])
    assert relu(x).tolist() == [[0, 0, 0], [1e-300, 3, np.inf]]
    assert relu_grad(x).tolist() == [[0, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize(("function", "derivative"), [(sigmoid, sigmoid_grad), (relu, relu_grad)])
@given(x=st.floats(0.01, 20), negative=st.booleans())
@few
def test_derivatives_agree_with_central_differences(function, derivative, x, negative):
    x, h = -x if negative else x, 1e-5
    slope = (function(x + h) - function(x - h)) / (2 * h)
    assert float(derivative(np.float64(x))) == pytest.approx(float(slope), rel=1e-6, abs=1e-10)


@pytest.mark.parametrize(
    ("derivative", "function"),
    [
        (sigmoid_grad, lambda x: 1 / (1 + anp.exp(-x))),
        (relu_grad, lambda x: anp.where(x > 0, x, 0.0)),
    ],
)
def test_derivatives_agree_with_autograd(derivative, function):
    x = some_scores((20, 5))
    np.testing.assert_allclose(derivative(x), elementwise_grad(function)(x), rtol=1e-12)


@given(arrays(np.float64, array_shapes(max_dims=3, max_side=5), elements=st.floats(-50, 50)))
@few
def test_softmax_is_the_formula_along_the_last_axis(x):
    expected = np.empty_like(x)
    for index in np.ndindex(x.shape):
        expected[index] = math.exp(x[index]) / math.fsum(map(math.exp, x[index[:-1]]))
    np.testing.assert_allclose(softmax(x), expected, rtol=1e-12)


def test_softmax_does_not_change_when_all_scores_move():
    x = some_scores()
    np.testing.assert_allclose(softmax(x + 300), softmax(x), rtol=1e-12)


BOOK_Y = [0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0]
BOOK_T = [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]


def test_sum_squared_error_by_hand():
    assert sum_squared_error(frozen(BOOK_Y), frozen(BOOK_T)) == pytest.approx(0.0975)
    assert sum_squared_error(frozen([[1.0, 2.0], [3.0, 4.0]]), np.zeros((2, 2))) == 15


def test_sum_squared_error_refuses_to_broadcast():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3,\)"):
        sum_squared_error(np.zeros((2, 3)), np.zeros(3))


def test_cross_entropy_error_by_hand():
    y = frozen([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    assert cross_entropy_error(y, frozen([1, 1])) == pytest.approx(
        (math.log(4) + math.log(1.25)) / 2, rel=1e-15
    )


@LOSSES
def test_losses_of_soft_labels_are_the_weighted_mean_over_classes(loss):
    y = softmax(some_scores((1, 3)))
    scores = np.log(y)
    weights = frozen([[0.2, 0.3, 0.5]])
    by_class = [-math.log(y[0, k]) for k in range(3)]
    assert loss(y if loss is cross_entropy_error else scores, weights) == pytest.approx(
        float(weights[0] @ by_class), rel=1e-14
    )


@given(
    arrays(np.float64, array_shapes(min_dims=2, max_dims=2), elements=st.floats(-30, 30)),
    st.integers(0, 2**32 - 1),
)
@few
def test_softmax_loss_is_the_cross_entropy_of_softmax(X, seed):
    t = np.random.default_rng(seed).integers(0, X.shape[1], len(X))
    np.testing.assert_allclose(
        softmax_loss(X, t), cross_entropy_error(softmax(X), t), rtol=1e-9, atol=1e-12
    )


@LOSSES
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.uint64, np.float32, bool])
def test_one_hot_rows_and_integer_labels_give_the_same_loss(loss, dtype):
    y, t = softmax(some_scores()), np.array([2, 0, 1, 1])
    labels = frozen(t, dtype if np.dtype(dtype).kind in "iu" else int)
    assert loss(y, frozen(np.eye(3)[t], dtype)) == pytest.approx(float(loss(y, labels)), rel=1e-15)


@LOSSES
def test_a_single_row_may_be_1d(loss):
    y = softmax(some_scores((3,)))
    assert loss(y, 2) == loss(y[np.newaxis], np.array([2]))
    assert loss(y, frozen([0, 0, 1])) == pytest.approx(float(loss(y, 2)), rel=1e-15)


BAD_LABELS = {
    "too large": ([0, 1, 3, 2], ValueError, "between 0 and 2, got 3"),
    "negative": ([0, 1, -1, 2], ValueError, "between 0 and 2, got -1"),
    "floats": ([0.0, 1.0, 2.0, 0.0], TypeError, "integers, got float64"),
    "booleans": ([True, False, True, True], TypeError, "integers, got bool"),
    "text": (["a", "b", "c", "d"], TypeError, "integers, got <U1"),
    "too few": ([0, 1, 2], ValueError, "each of the 4 rows, got 3"),
    "too many": ([0, 1, 2, 0, 1], ValueError, "each of the 4 rows, got 5"),
    "too many classes": (np.eye(4), ValueError, r"\(4, 3\), got \(4, 4\)"),
    "too few classes": (np.eye(4)[:, :2], ValueError, r"\(4, 3\), got \(4, 2\)"),
    "two columns": ([[0, 1]] * 4, ValueError, r"\(4,\) or one-hot .* got \(4, 2\)"),
    "rank 3": (np.zeros((4, 3, 1)), ValueError, r"got \(4, 3, 1\)"),
    "rows of zeros": (np.zeros((4, 3)), ValueError, "sum to 1"),
    "integer rows of zeros": (np.zeros((4, 3), np.uint8), ValueError, "sum to 1"),
    "two hot": ([[1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]], ValueError, "sum to 1"),
    "negative weight": ([[2, -1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]], ValueError, "≥ 0"),
}


@LOSSES
@pytest.mark.parametrize("bad", BAD_LABELS)
def test_bad_labels_are_refused(loss, bad):
    t, error, message = BAD_LABELS[bad]
    with pytest.raises(error, match=message):
        loss(softmax(some_scores()), frozen(t))


@LOSSES
def test_nan_in_one_hot_labels_is_refused(loss):
    t = np.eye(3)[[0, 1, 2, 0]]
    t[1] = np.nan
    with pytest.raises(ValueError, match="one-hot t"):
        loss(softmax(some_scores()), t)


@LOSSES
@pytest.mark.parametrize("t", [np.zeros(0, int), np.zeros((0, 3))])
def test_an_empty_batch_is_refused(loss, t):
    with pytest.raises(ValueError, match="batch is empty"):
        loss(np.zeros((0, 3)), t)


@LOSSES
def test_a_float_label_of_a_single_row_is_refused(loss):
    with pytest.raises(TypeError, match="integers, got float64"):
        loss(softmax(some_scores((3,))), 1.0)


def test_all_lists_every_public_function():
    public = {n for n, f in vars(functions).items() if callable(f) and n[0] != "_"}
    assert public - {"check_labels"} <= set(functions.__all__)
