import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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

H = 1e-20
few = settings(max_examples=60, deadline=None, database=None)
seeds = st.integers(0, 2**32 - 1)
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
# What is easy to get wrong: both zeros, tiny numbers, and where exp comes near its limits.
numbers = st.one_of(
    st.sampled_from([0.0, -0.0, 1e-300, -1e-300, 700.0, -700.0]),
    st.floats(-700, 700),
    st.floats(-3, 3),
)
LABELS = pytest.mark.parametrize("labels", ["labels", "one-hot", "soft"])


def frozen(values, dtype=None):
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


def normal(rng, shape):
    return frozen(rng.normal(size=shape))


def new_labels(rng, n, classes, labels):
    t = rng.integers(0, classes, n)
    if labels == "one-hot":
        return frozen(np.eye(classes)[t])
    return frozen(rng.dirichlet(np.ones(classes), n) if labels == "soft" else t)


def moved(x, direction):
    return frozen(x + 1j * H * direction)


def derivative(y):
    return np.imag(y) / H


def assert_close(actual, expected, tolerance=1e-12, scale=0.0):
    """Relative to the largest entry, or to `scale` if that is larger, and of the same shape."""
    assert np.shape(actual) == np.shape(expected)
    scale = max(scale, np.abs(expected).max(initial=1e-300))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


def check_layer(new, x, dout, *arguments, rng, scale=0.0, **parameters):
    """Compare the derivative along a direction by the complex step with that by backward.

    Σ dout · Im f(x + i h v, w + i h u) / h = Σ dx · v + Σ dw · u
    """
    layer = new(**parameters)
    real = layer.forward(x, *arguments)
    dx = layer.backward(dout)
    by_name = {"x": (x, dx)} | {
        name: (value, getattr(layer, f"d{name}")) for name, value in parameters.items()
    }
    directions = {name: rng.normal(size=value.shape) for name, (value, _) in by_name.items()}
    if isinstance(layer, Pooling | Relu | Sigmoid | Dropout | SoftmaxWithLoss):
        together = [set(by_name)]
    else:  # each by itself while the others stay real in value, and all at once
        together = [{name} for name in by_name] + [set(by_name)]
    for names in together:
        values = {
            name: moved(value, directions[name] * (name in names))
            for name, (value, _) in by_name.items()
        }
        complex_x = values.pop("x")
        y = new(**values).forward(complex_x, *arguments)
        assert np.iscomplexobj(y)
        assert np.shape(y) == np.shape(real)
        assert_close(np.real(y), real, 1e-13)
        parts = [(directions[name] * by_name[name][1]).ravel() for name in names]
        size = max(scale, *(np.abs(part).sum() for part in parts))
        slope = np.sum(dout * derivative(y))
        assert_close(slope, sum(part.sum() for part in parts), scale=size)


# Layers


@given(seed=seeds, n=st.integers(1, 5), d=st.integers(1, 5), m=st.integers(1, 5))
@few
def test_affine(seed, n, d, m):
    rng = np.random.default_rng(seed)
    parameters = {"W": normal(rng, (d, m)), "b": normal(rng, m)}
    check_layer(Affine, normal(rng, (n, d)), normal(rng, (n, m)), rng=rng, **parameters)


def test_affine_of_images():
    rng = np.random.default_rng(0)
    parameters = {"W": normal(rng, (12, 3)), "b": normal(rng, 3)}
    check_layer(Affine, normal(rng, (2, 3, 2, 2)), normal(rng, (2, 3)), rng=rng, **parameters)


@pytest.mark.parametrize("layer", [Relu, Sigmoid])
@given(seed=seeds, shape=shapes, scale=st.sampled_from([0.1, 1, 30, 300]))
@few
def test_activations(layer, seed, shape, scale):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * scale * (rng.random(shape) < 0.8)  # and exact zeros
    check_layer(layer, frozen(x), normal(rng, shape), rng=rng, scale=1.0)


def slope_of_sigmoid(x):
    """Without the difference 1 − y, of which backward loses digits where y is near 1."""
    z = np.exp(-np.abs(x))
    return z / (1 + z) ** 2


@pytest.mark.parametrize(("layer", "slope"), [(Relu, relu_grad), (Sigmoid, slope_of_sigmoid)])
@given(x=st.lists(numbers, min_size=1, max_size=8))
@few
def test_activations_entry_by_entry(layer, slope, x):
    x = frozen(x)
    layer = layer()
    real = layer.forward(x)
    dx = layer.backward(np.ones(x.shape))
    y = layer.forward(moved(x, 1))
    # 1e-304, the slope of a sigmoid at ±700, times h is too small a number for float64
    np.testing.assert_allclose(derivative(y), slope(x), rtol=1e-12, atol=1e-290)
    np.testing.assert_allclose(derivative(y), dx, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(np.real(y), real, rtol=1e-13, atol=0)


@pytest.mark.parametrize(("layer", "slope"), [(Relu, 0.0), (Sigmoid, 0.25)])
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_activations_at_exactly_0(layer, slope, zero):
    y = layer().forward(moved([zero, zero], np.array([1.0, -2.0])))
    assert derivative(y).tolist() == [slope, -2 * slope]


@st.composite
def convolutions(draw):
    rng = np.random.default_rng(draw(seeds))
    n, channels, filters, stride = (draw(st.integers(1, 3)) for _ in range(4))
    filter_h, filter_w, pad = (
        draw(st.integers(1, 3)),
        draw(st.integers(1, 3)),
        draw(st.integers(0, 2)),
    )
    height, width = (
        max(1, size - 2 * pad) + draw(st.integers(0, 4)) for size in (filter_h, filter_w)
    )
    x, W = (
        normal(rng, (n, channels, height, width)),
        normal(rng, (filters, channels, filter_h, filter_w)),
    )
    return rng, x, W, normal(rng, filters), stride, pad


@given(convolutions())
@few
def test_convolution(problem):
    rng, x, W, b, stride, pad = problem

    def new(W, b):
        return Convolution(W, b, stride, pad)

    dout = normal(rng, new(W, b).forward(x).shape)
    check_layer(new, x, dout, rng=rng, W=W, b=b)


def distinct(rng, shape):
    """Numbers at least 0.1 from each other and 0.025 from 0: no pooling ties."""
    n = int(np.prod(shape))
    return frozen((0.1 * (rng.permutation(n) - n // 2) + 0.025).reshape(shape))


@st.composite
def poolings(draw, values):
    rng = np.random.default_rng(draw(seeds))
    n, channels = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    pool_h, pool_w, stride = (draw(st.integers(1, 4)) for _ in range(3))
    pad = draw(st.integers(0, min(pool_h, pool_w) - 1))
    height, width = (max(1, size - 2 * pad) + draw(st.integers(0, 4)) for size in (pool_h, pool_w))
    return rng, values(rng, (n, channels, height, width)), (pool_h, pool_w, stride, pad)


@given(poolings(distinct))
@few
def test_pooling(problem):
    rng, x, arguments = problem

    def new():
        return Pooling(*arguments)

    check_layer(new, x, normal(rng, new().forward(x).shape), rng=rng)


def test_of_equal_pixels_the_first_is_the_maximum_in_complex_numbers_too():
    pooling = Pooling(1, 2, stride=2)
    y = pooling.forward(moved([[[[1.0, 1.0]]]], np.array([[[[0.0, 1.0]]]])))
    assert derivative(y).tolist() == [[[[0.0]]]]


@given(poolings(lambda rng, shape: frozen(rng.integers(-1, 2, shape), np.float64)))
@few
def test_pooling_with_ties(problem):
    rng, x, arguments = problem

    def new():
        return Pooling(*arguments)

    check_layer(new, x, normal(rng, new().forward(x).shape), rng=rng)


@given(poolings(lambda rng, shape: frozen(np.maximum(rng.integers(-9, 3, shape), 0.0))))
@few
def test_pooling_with_ties_of_units_that_are_off(problem):
    rng, x, arguments = problem
    direction = rng.normal(size=x.shape) * (x > 0)  # what a ReLU before it lets pass
    x = frozen(x + 1e-3 * (x > 0) * rng.random(x.shape))  # no ties but those at 0
    pooling = Pooling(*arguments)
    dout = normal(rng, pooling.forward(x).shape)
    dx = pooling.backward(dout)
    y = pooling.forward(moved(x, direction))
    assert_close(np.sum(dout * derivative(y)), np.sum(dx * direction), scale=1.0)


@pytest.mark.parametrize("train_flg", [True, False], ids=["train", "eval"])
@given(
    seed=seeds,
    n=st.integers(2, 6),
    features=st.integers(1, 3),
    image=st.sampled_from([(), (1, 1), (3, 2)]),
)
@few
def test_batch_normalization(train_flg, seed, n, features, image):
    rng = np.random.default_rng(seed)
    shape = (n, features, *image)
    statistics = normal(rng, features), frozen(rng.uniform(0.2, 3, features))

    def new(gamma, beta):
        return BatchNormalization(
            gamma, beta, running_mean=statistics[0], running_var=statistics[1]
        )

    check_layer(
        new,
        distinct(rng, shape),
        normal(rng, shape),
        train_flg,
        rng=rng,
        scale=1.0,  # what mean and variance take from the derivative may leave little of it
        gamma=normal(rng, features),
        beta=normal(rng, features),
    )


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("train_flg", [True, False], ids=["train", "eval"])
@given(seed=seeds, shape=shapes, ratio=st.sampled_from([0.0, 0.3, 0.9]))
@few
def test_dropout(inverted, train_flg, seed, shape, ratio):
    rng = np.random.default_rng(seed)

    def new():
        return Dropout(ratio, inverted=inverted, rng=np.random.default_rng(1))

    check_layer(new, normal(rng, shape), normal(rng, shape), train_flg, rng=rng)


@LABELS
@given(
    seed=seeds,
    n=st.integers(1, 6),
    classes=st.integers(1, 6),
    scale=st.sampled_from([0.1, 1, 30, 1000]),
)
@few
def test_softmax_with_loss(labels, seed, n, classes, scale):
    rng = np.random.default_rng(seed)
    x, t = frozen(scale * rng.normal(size=(n, classes))), new_labels(rng, n, classes, labels)
    direction = rng.normal(size=x.shape)
    layer = SoftmaxWithLoss()
    real = layer.forward(x, t)
    dx = layer.backward()
    y = layer.forward(moved(x, direction), t)
    np.testing.assert_allclose(y.real, real, rtol=1e-13, atol=1e-13)
    assert_close(derivative(y), np.sum(dx * direction), scale=1.0)
    assert_close(layer.y.real, softmax(x), scale=1.0)


@LABELS
def test_softmax_with_loss_where_scores_are_equal_and_large(labels):
    rng = np.random.default_rng(0)
    x, t = frozen([[700.0, 700.0, -700.0], [0.0, 0.0, 0.0]]), new_labels(rng, 2, 3, labels)
    direction = rng.normal(size=x.shape)
    layer = SoftmaxWithLoss()
    layer.forward(x, t)
    dx = layer.backward()
    assert_close(
        derivative(layer.forward(moved(x, direction), t)), np.sum(dx * direction), scale=1.0
    )


NEW_LAYERS = {
    "Affine": lambda dtype: Affine(np.ones((3, 2), dtype), np.ones(2, dtype)),
    "Relu": lambda dtype: Relu(),
    "Sigmoid": lambda dtype: Sigmoid(),
    "Convolution": lambda dtype: Convolution(np.ones((1, 3, 1, 1), dtype), np.ones(1, dtype)),
    "Pooling": lambda dtype: Pooling(2, 2, pad=1),
    "BatchNormalization": lambda dtype: BatchNormalization(np.ones(3, dtype), np.ones(3, dtype)),
    "Dropout": lambda dtype: Dropout(0.5, rng=np.random.default_rng(0)),
}


@pytest.mark.parametrize("name", NEW_LAYERS)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_layers_keep_a_complex_dtype_and_their_input(name, dtype):
    rng = np.random.default_rng(0)
    shape = (4, 3, 2, 2) if name in ("Convolution", "Pooling") else (4, 3)
    x = frozen(rng.normal(size=shape) + 1j * rng.normal(size=shape), dtype)
    before = x.tobytes()
    y = NEW_LAYERS[name](dtype).forward(x)
    assert y.dtype == dtype
    assert x.tobytes() == before
    assert not np.shares_memory(x, y)


@LABELS
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_losses_keep_a_complex_dtype_and_their_input(labels, dtype):
    rng = np.random.default_rng(0)
    x = frozen(rng.normal(size=(4, 3)) + 1j * rng.normal(size=(4, 3)), dtype)
    t = new_labels(rng, 4, 3, labels)
    layer = SoftmaxWithLoss()
    assert layer.forward(x, t).dtype == dtype
    assert layer.y.dtype == dtype
    assert softmax(x).dtype == sigmoid(x).dtype == relu(x).dtype == dtype


# Functions


def test_all_functions_but_the_step_are_tried_here():
    assert set(functions.__all__) - {"np", "step_function"} == {
        "cross_entropy_error",
        "identity_function",
        "relu",
        "relu_grad",
        "sigmoid",
        "sigmoid_grad",
        "softmax",
        "softmax_loss",
        "sum_squared_error",
    }


def second_derivative_of_sigmoid(x):
    return sigmoid_grad(x) * (1 - 2 * sigmoid(x))


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (identity_function, np.ones_like),
        (relu, relu_grad),
        (relu_grad, np.zeros_like),
        (sigmoid, sigmoid_grad),
        (sigmoid_grad, second_derivative_of_sigmoid),
    ],
)
@given(x=st.lists(numbers, min_size=1, max_size=8), seed=seeds)
@few
def test_functions_of_each_number(function, slope, x, seed):
    x = frozen(x)
    direction = np.random.default_rng(seed).normal(size=x.shape)
    y = function(moved(x, direction))
    assert y.shape == x.shape
    assert y.dtype == np.complex128
    expected = slope(x) * direction
    # σ(1 − σ) is a difference of numbers near 1 where σ is near 1
    np.testing.assert_allclose(derivative(y), expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(y.real, function(x), rtol=1e-13, atol=1e-16)


@given(seed=seeds, shape=shapes, scale=st.sampled_from([0.1, 1, 30, 1000]))
@few
def test_softmax(seed, shape, scale):
    rng = np.random.default_rng(seed)
    x, direction = scale * rng.normal(size=shape), rng.normal(size=shape)
    y = softmax(x)
    result = softmax(moved(x, direction))
    expected = y * (direction - np.sum(y * direction, axis=-1, keepdims=True))
    assert_close(derivative(result), expected, scale=1.0)
    assert_close(result.real, y, scale=1.0)


@LABELS
@given(seed=seeds, n=st.integers(1, 5), classes=st.integers(1, 5), scale=st.sampled_from([1, 300]))
@few
def test_softmax_loss(labels, seed, n, classes, scale):
    rng = np.random.default_rng(seed)
    x, t = scale * rng.normal(size=(n, classes)), new_labels(rng, n, classes, labels)
    direction = rng.normal(size=x.shape)
    rows = np.eye(classes)[t] if t.ndim == 1 else t
    result = softmax_loss(moved(x, direction), t)
    assert_close(derivative(result), np.sum((softmax(x) - rows) * direction) / n, scale=1.0)
    np.testing.assert_allclose(result.real, softmax_loss(x, t), rtol=1e-13, atol=1e-13)


@LABELS
@given(seed=seeds, n=st.integers(1, 5), classes=st.integers(1, 5))
@few
def test_cross_entropy_error(labels, seed, n, classes):
    rng = np.random.default_rng(seed)
    y, t = rng.dirichlet(np.full(classes, 3.0), n), new_labels(rng, n, classes, labels)
    direction = rng.normal(size=y.shape)
    rows = np.eye(classes)[t] if t.ndim == 1 else t
    result = cross_entropy_error(moved(y, direction), t)
    parts = -rows / y * direction / n
    assert_close(derivative(result), parts.sum(), scale=np.abs(parts).sum())
    np.testing.assert_allclose(result.real, cross_entropy_error(y, t), rtol=1e-12, atol=1e-14)


def test_cross_entropy_error_of_classes_without_weight():
    y = moved([[0.0, 1.0], [0.5, 0.5]], np.array([[3.0, 2.0], [1.0, 5.0]]))
    for t in (np.array([1, 0]), np.array([[0.0, 1.0], [1.0, 0.0]])):
        assert derivative(cross_entropy_error(y, t)) == pytest.approx(-(2 + 1 / 0.5) / 2)


@given(seed=seeds, shape=shapes)
@few
def test_sum_squared_error(seed, shape):
    rng = np.random.default_rng(seed)
    y, t, direction, of_t = rng.normal(size=(4, *shape))
    result = sum_squared_error(moved(y, direction), moved(t, of_t))
    parts = (y - t) * (direction - of_t)
    assert_close(derivative(result), parts.sum(), scale=np.abs(parts).sum())
    np.testing.assert_allclose(result.real, sum_squared_error(y, t), rtol=1e-13)


@pytest.mark.parametrize("x", [np.inf, -np.inf])
@pytest.mark.parametrize(
    "function",
    [
        pytest.param(relu),
        sigmoid,
    ],
)
def test_infinity_is_as_good_as_in_real_numbers(function, x):
    assert function(np.array([x + 0j])).tolist() == function(np.array([x])).tolist()
