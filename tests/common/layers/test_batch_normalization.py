import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.layers import BatchNormalization

few = settings(max_examples=60, deadline=None, database=None)
SHAPES = pytest.mark.parametrize("shape", [(50, 3), (10, 3, 4, 5)], ids=["2-D", "4-D"])


def per_feature(x, values):
    """`values` as an array that broadcasts against x along its axis 1."""
    return np.reshape(values, (-1,) + (1,) * (x.ndim - 2))


def axes(x):
    return (0, *range(2, x.ndim))


@SHAPES
def test_output_has_mean_beta_and_standard_deviation_gamma(ref, shape):
    rng = np.random.default_rng(0)
    x = ref.frozen(rng.normal(5, 3, shape))
    gamma, beta = ref.frozen([0.5, 1.0, 7.0]), ref.frozen([-4.0, 0.0, 100.0])
    y = BatchNormalization(gamma, beta).forward(x)
    np.testing.assert_allclose(y.mean(axis=axes(y)), beta, rtol=0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=axes(y)), gamma, rtol=1e-6)


@given(data=st.data())
@few
def test_agrees_with_the_formula(ref, data):
    p = data.draw(ref.batch_normalizations())
    layer = BatchNormalization(p.gamma, p.beta, p.momentum, p.running_mean, p.running_var)

    def formula(mean, variance):
        std = np.sqrt(per_feature(p.x, variance) + 1e-6)
        normalized = (p.x - per_feature(p.x, mean)) / std
        return per_feature(p.x, p.gamma) * normalized + per_feature(p.x, p.beta)

    expected = formula(p.running_mean, p.running_var)
    ref.assert_close(layer.forward(p.x, False), expected, 1e-12, scale=1)
    mean, variance = p.x.mean(axis=axes(p.x)), p.x.var(axis=axes(p.x))
    # A feature without variance is a rounding error, divided by 1e-3.
    ref.assert_close(layer.forward(p.x), formula(mean, variance), 1e-10, scale=1)


@given(data=st.data())
@few
def test_images_are_rows_of_pixels(ref, data):
    p = data.draw(ref.batch_normalizations())
    images, rows = (BatchNormalization(p.gamma, p.beta) for _ in range(2))

    def as_rows(x):
        return np.moveaxis(x, 1, -1).reshape(-1, len(p.gamma))

    y, dx = images.forward(p.x), images.backward(p.dout)
    assert np.array_equal(as_rows(y), rows.forward(as_rows(p.x)))
    assert np.array_equal(as_rows(dx), rows.backward(as_rows(p.dout)))
    assert np.array_equal(images.dgamma, rows.dgamma)
    assert np.array_equal(images.running_var, rows.running_var)


@SHAPES
@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
def test_running_averages_follow_their_formula(ref, shape, momentum):
    rng = np.random.default_rng(0)
    layer = BatchNormalization(np.ones(3), np.zeros(3), momentum)
    mean, variance = np.zeros(3), np.ones(3)
    for step in range(5):
        x = ref.frozen(rng.normal(step, 1 + step, shape))
        layer.forward(x)
        mean = momentum * mean + (1 - momentum) * x.mean(axis=axes(x))
        variance = momentum * variance + (1 - momentum) * x.var(axis=axes(x))
        np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-12)
        np.testing.assert_allclose(layer.running_var, variance, rtol=1e-12)


def test_the_default_momentum_is_that_of_the_book():
    layer = BatchNormalization(np.ones(1), np.zeros(1))
    layer.forward(np.array([[1.0], [3.0]]))
    assert layer.running_mean == pytest.approx(0.2, rel=1e-14)
    assert layer.running_var == pytest.approx(1.0, rel=1e-14)


def test_running_averages_start_where_they_are_told_and_are_not_written_to(ref):
    mean, variance = ref.frozen([1.0, 2.0]), ref.frozen([3.0, 4.0])
    layer = BatchNormalization(np.ones(2), np.zeros(2), 0.5, mean, variance)
    x = ref.frozen([[1.0, 2.0], [1.0, 2.0]])
    np.testing.assert_allclose(layer.forward(x, train_flg=False), 0, atol=1e-15)
    layer.forward(x)
    assert layer.running_mean.tolist() == [1, 2]
    assert layer.running_var.tolist() == [1.5, 2]
    assert (mean.tolist(), variance.tolist()) == ([1, 2], [3, 4])


@SHAPES
def test_in_use_an_example_does_not_depend_on_the_others(ref, shape):
    rng = np.random.default_rng(0)
    layer = BatchNormalization(ref.normal(rng, 3), ref.normal(rng, 3))
    for _ in range(3):
        layer.forward(ref.normal(rng, shape))
    mean, variance = layer.running_mean.copy(), layer.running_var.copy()
    x, dout = ref.normal(rng, shape), ref.normal(rng, shape)
    y, dx = layer.forward(x, train_flg=False), layer.backward(dout)
    one_y, one_dx = layer.forward(x[3:4], train_flg=False), layer.backward(dout[3:4])
    np.testing.assert_allclose(one_y, y[3:4], rtol=1e-13)
    np.testing.assert_allclose(one_dx, dx[3:4], rtol=1e-13)
    assert np.array_equal(layer.running_mean, mean)
    assert np.array_equal(layer.running_var, variance)


@SHAPES
def test_without_training_it_leaves_its_input_as_it_is(ref, shape):
    x = ref.normal(np.random.default_rng(0), shape)
    y = BatchNormalization(np.ones(3), np.zeros(3)).forward(x, train_flg=False)
    np.testing.assert_allclose(y, x, rtol=1e-6, atol=0)


def test_averages_of_many_steps_give_in_use_what_training_gave(ref):
    x = ref.normal(np.random.default_rng(0), (20, 3))
    layer = BatchNormalization(np.ones(3), np.zeros(3))
    for _ in range(400):
        in_training = layer.forward(x)
    np.testing.assert_allclose(layer.forward(x, train_flg=False), in_training, rtol=1e-10)


def test_a_batch_of_one(ref):
    gamma, beta = ref.frozen([2.0, 3.0]), ref.frozen([-1.0, 5.0])
    layer = BatchNormalization(gamma, beta, 0.5)
    assert layer.forward(ref.frozen([[7.0, -8.0]])).tolist() == [[-1, 5]]
    assert layer.backward(ref.frozen([[1.0, 2.0]])).tolist() == [[0, 0]]
    assert layer.dgamma.tolist() == [0, 0]
    assert layer.dbeta.tolist() == [1, 2]
    assert layer.running_mean.tolist() == [3.5, -4]
    assert layer.running_var.tolist() == [0.5, 0.5]


def test_one_image_is_normalized_over_its_pixels(ref):
    x = ref.frozen([[[[1.0, 3.0]], [[-10.0, -30.0]]]])
    y = BatchNormalization(np.ones(2), np.zeros(2)).forward(x)
    np.testing.assert_allclose(y, [[[[-1, 1]], [[1, -1]]]], rtol=1e-6)


@pytest.mark.parametrize("shape", [(4, 2), (3, 2, 2, 2)], ids=["2-D", "4-D"])
def test_a_constant_feature_is_not_divided_by_0(ref, shape):
    x = np.random.default_rng(0).normal(size=shape)
    x[:, 1] = 0.1
    beta = ref.frozen([0.0, 5.0])
    layer = BatchNormalization(np.ones(2), beta)
    y = layer.forward(ref.frozen(x))
    np.testing.assert_allclose(y[:, 1], 5, rtol=1e-12)
    assert np.isfinite(layer.backward(np.ones(shape))).all()


def test_backward_follows_the_mode_of_the_last_forward(ref):
    rng = np.random.default_rng(0)
    x, dout = ref.normal(rng, (6, 2)), ref.normal(rng, (6, 2))
    layer = BatchNormalization(np.ones(2), np.zeros(2))
    layer.forward(x)
    in_training = layer.backward(dout)
    np.testing.assert_allclose(in_training.sum(axis=0), 0, atol=1e-13)  # μ takes the sum away
    untrained = BatchNormalization(np.ones(2), np.zeros(2))
    untrained.forward(x)
    untrained.running_mean, untrained.running_var = np.zeros(2), np.full(2, 4.0)
    untrained.forward(x, train_flg=False)
    np.testing.assert_allclose(untrained.backward(dout), dout / 2, rtol=1e-6)


def test_float32_mean_of_many_pixels(ref):
    x = ref.frozen(np.random.default_rng(0).normal(100, 1, (100, 4, 28, 28)), np.float32)
    layer = BatchNormalization(np.ones(4, np.float32), np.zeros(4, np.float32))
    y = layer.forward(x)
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3), dtype=np.float64), 0, atol=1e-5)
