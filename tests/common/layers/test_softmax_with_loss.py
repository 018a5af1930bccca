"""What is particular to the last layer: labels of every kind, and scores that are far apart."""

import math

import numpy as np
import pytest
from hypothesis import given

from common.functions import cross_entropy_error, softmax, softmax_loss
from common.layers import SoftmaxWithLoss
from tests.common.layers.problems import STRATEGIES
from tests.helpers import FLOATS, assert_close, central_differences, few, frozen, normal

LABELS = pytest.mark.parametrize("one_hot", [False, True], ids=["labels", "one-hot"])


def as_given(t, classes, one_hot, dtype=np.float64):
    return frozen(np.eye(classes, dtype=dtype)[t] if one_hot else t)


@given(STRATEGIES["SoftmaxWithLoss"])
@few
def test_agrees_with_the_functions(p):
    layer, (t,) = p.layer(), p.arguments
    loss = p.forward(layer)
    assert_close(loss, cross_entropy_error(softmax(p.x), t), scale=1)
    assert_close(loss, softmax_loss(p.x, t), scale=1)
    assert layer.loss == loss
    assert_close(layer.y, softmax(p.x))
    rows = t if t.ndim == 2 else np.eye(p.x.shape[1])[t]
    assert_close(layer.t, rows)
    assert_close(layer.backward(), (softmax(p.x) - rows) / len(rows), scale=1)
    assert_close(layer.backward(-3), -3 * layer.backward())


@pytest.mark.parametrize(
    "t", [1, np.uint8(1), [1], [[1]], [0, 1, 0], [[0, 1, 0]], [False, True, False]]
)
@pytest.mark.parametrize("as_batch", [False, True])
def test_a_single_example(t, as_batch):
    layer, batch = SoftmaxWithLoss(), SoftmaxWithLoss()
    x = normal(np.random.default_rng(0), 3)
    loss = batch.forward(x[np.newaxis], np.array([1]))
    assert layer.forward(x[np.newaxis] if as_batch else x, t) == loss
    shape = (1, 3) if as_batch else (3,)
    assert np.array_equal(layer.y, batch.y.reshape(shape))
    assert np.array_equal(layer.backward(2.0), batch.backward(2.0).reshape(shape))
    assert layer.t.tolist() == [[0, 1, 0]]
    dx = normal(np.random.default_rng(1), (1, 3))
    assert layer.jvp(dx) == batch.jvp(dx)
    layer.t[...] = 7  # no other layer has these rows
    assert SoftmaxWithLoss().forward(x, 1) == loss


def test_the_gradient_of_labels_that_are_off_a_sum_of_1_is_that_of_the_loss():
    rng = np.random.default_rng(0)
    x = normal(rng, (4, 3))
    exact = rng.dirichlet(np.ones(3), size=4)
    t = exact * rng.uniform(0.9995, 1.0005, (4, 1))
    layer = SoftmaxWithLoss()
    assert layer.forward(x, t) == pytest.approx(cross_entropy_error(softmax(x), t), rel=1e-13)
    assert layer.forward(x, t) == pytest.approx(softmax_loss(x, t), rel=1e-13)
    assert layer.forward(x, t) == pytest.approx(softmax_loss(x, exact), rel=1e-13)
    expected = central_differences(lambda x: SoftmaxWithLoss().forward(x, t), x)
    layer.forward(x, t)
    assert_close(layer.backward(), expected, 1e-9)


@FLOATS
@LABELS
def test_it_is_exact_where_softmax_rounds_to_0(one_hot, dtype):
    layer = SoftmaxWithLoss()
    t = as_given(np.array([0, 0]), 2, one_hot, dtype)
    assert layer.forward(frozen([[-1000, 1000], [1000, -1000]], dtype), t) == 1000
    assert layer.backward().tolist() == [[-0.5, 0.5], [0, 0]]


@LABELS
def test_classes_that_are_ruled_out(one_hot):
    layer, t = SoftmaxWithLoss(), as_given(np.array([0, 1]), 3, one_hot)
    x = frozen([[1.0, 1.0, -np.inf], [-np.inf, 2.0, 2.0]])
    assert layer.forward(x, t) == pytest.approx(math.log(2))
    assert layer.backward().tolist() == [[-0.25, 0.25, 0], [0, -0.25, 0.25]]


def test_a_score_that_is_nan_makes_the_loss_nan():
    x = np.zeros((3, 2))
    x[1, 1] = np.nan
    layer = SoftmaxWithLoss()
    assert np.isnan(layer.forward(x, np.array([0, 0, 1])))
    assert np.isnan(layer.backward()).any(axis=1).tolist() == [False, True, False]


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64, np.float16, np.float64])
def test_the_dtype_is_that_of_the_scores_whatever_that_of_one_hot_labels(dtype):
    layer = SoftmaxWithLoss()
    loss = layer.forward(np.zeros((2, 2), np.float32), np.eye(2, dtype=dtype))
    assert loss.dtype == layer.y.dtype == layer.backward().dtype == np.float32
    assert loss == pytest.approx(math.log(2))
