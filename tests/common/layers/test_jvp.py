import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ch04_numerical_gradient.two_layer_net import TwoLayerNet as SigmoidNet
from ch05_backprop.two_layer_net import TwoLayerNet as ReluNet
from common.gradient_methods.forward import directional_derivative
from common.layers import Affine, Relu, Sigmoid, SoftmaxWithLoss
from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net_extend import MultiLayerNetExtend

H = 1e-20
few = settings(max_examples=60, deadline=None, database=None)
seeds = st.integers(0, 2**32 - 1)
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
leading_axes = st.lists(st.integers(1, 3), max_size=2).map(tuple)
ACTIVATIONS = pytest.mark.parametrize("layer", [Relu, Sigmoid])
LABELS = pytest.mark.parametrize("labels", ["labels", "one-hot", "soft"])
FLOATS = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def frozen(values, dtype=None):
    """An array that raises ValueError if someone writes to it."""
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


def normal(rng, shape, dtype=None):
    return frozen(rng.normal(size=shape), dtype)


def new_labels(rng, n, classes, labels):
    t = rng.integers(0, classes, n)
    if labels == "one-hot":
        return frozen(np.eye(classes)[t])
    return frozen(rng.dirichlet(np.ones(classes), n) if labels == "soft" else t)


def assert_close(actual, expected, tolerance=1e-12, scale=0.0):
    """Relative to the largest entry, or to `scale` if that is larger, and of the same shape."""
    assert np.shape(actual) == np.shape(expected)
    scale = max(scale, np.abs(expected).max(initial=1e-30))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


@st.composite
def affines(draw):
    """Return a layer that has gone forward, its input, and tangents of x, W and b or None."""
    rng = np.random.default_rng(draw(seeds))
    n, d, m = (draw(st.integers(1, 4)) for _ in range(3))
    layer = Affine(normal(rng, (d, m)), normal(rng, m))
    x = normal(rng, (n, d))
    layer.forward(x)
    lead = draw(leading_axes)
    tangents = [
        normal(rng, (*lead, *shape)) if draw(st.booleans()) else None
        for shape in ((n, d), (d, m), (m,))
    ]
    if all(tangent is None for tangent in tangents):
        lead = ()
    return rng, layer, x, lead, tangents


def or_0(tangent, shape):
    return np.zeros(shape) if tangent is None else tangent


@given(affines())
@few
def test_affine_agrees_with_the_complex_step(problem):
    _, layer, x, lead, (dx, dW, db) = problem
    result = layer.jvp(dx, dW, db)
    if dx is dW is db is None:
        assert result is None
        return
    assert result.shape == (*lead, len(x), layer.W.shape[1])
    for index in np.ndindex(lead):
        values = [
            value + 1j * H * (0 if tangent is None else tangent[index])
            for value, tangent in ((x, dx), (layer.W, dW), (layer.b, db))
        ]
        expected = Affine(*values[1:]).forward(values[0]).imag / H
        assert_close(result[index], expected, scale=1.0)


@given(affines())
@few
def test_affine_is_the_transpose_of_its_backward(problem):
    rng, layer, x, lead, (dx, dW, db) = problem
    dout = normal(rng, (len(x), layer.W.shape[1]))
    by_x = layer.backward(dout)
    result = or_0(layer.jvp(dx, dW, db), dout.shape)
    for index in np.ndindex(lead):
        parts = [
            (grad * tangent[index]).ravel()
            for grad, tangent in ((by_x, dx), (layer.dW, dW), (layer.db, db))
            if tangent is not None
        ]
        expected = sum(part.sum() for part in parts)
        scale = sum(np.abs(part).sum() for part in parts)
        assert_close(np.sum(dout * result[index]), expected, scale=max(scale, 1.0))


def test_affine_by_hand():
    layer = Affine(frozen([[1.0, 2.0], [3.0, 4.0]]), frozen([10.0, 20.0]))
    layer.forward(frozen([[1.0, 1.0], [2.0, 0.0]]))
    dx, dW, db = (
        frozen([[1.0, 0.0], [0.0, 1.0]]),
        frozen([[1.0, 0.0], [0.0, 0.0]]),
        frozen([5, 7.0]),
    )
    assert layer.jvp(dx).tolist() == [[1, 2], [3, 4]]
    assert layer.jvp(None, dW).tolist() == [[1, 0], [2, 0]]
    assert layer.jvp(None, None, db).tolist() == [[5, 7], [5, 7]]
    assert layer.jvp(dx, dW, db).tolist() == [[7, 9], [10, 11]]
    assert layer.jvp(None) is None


def test_affine_takes_one_tangent_together_with_many():
    rng = np.random.default_rng(0)
    layer = Affine(normal(rng, (3, 2)), normal(rng, 2))
    layer.forward(normal(rng, (4, 3)))
    many, one, of_b = normal(rng, (5, 4, 3)), normal(rng, (3, 2)), normal(rng, 2)
    expected = np.stack([layer.jvp(dx, one, of_b) for dx in many])
    assert_close(layer.jvp(many, one, of_b), expected)


def test_affine_of_images_takes_tangents_of_its_rows():
    rng = np.random.default_rng(0)
    x, dx = normal(rng, (2, 3, 2, 2)), normal(rng, (2, 12))
    layer = Affine(normal(rng, (12, 3)), normal(rng, 3))
    layer.forward(x)
    expected = layer.forward(x + 1j * H * dx.reshape(x.shape)).imag / H
    layer.forward(x)
    assert_close(layer.jvp(dx), expected)


def test_a_single_bias_for_all_units_does_not_disturb():
    layer = Affine(np.array([[2.0, 3.0]]), 5.0)
    layer.forward(np.ones((1, 1)))
    assert layer.jvp(np.ones((1, 1))).tolist() == [[2.0, 3.0]]


def activation_input(rng, shape, layer):
    return frozen(rng.normal(size=shape) * (rng.random(shape) < 0.7))  # and exact zeros


@ACTIVATIONS
@given(seed=seeds, shape=shapes, lead=leading_axes)
@few
def test_activations_agree_with_the_complex_step(layer, seed, shape, lead):
    rng = np.random.default_rng(seed)
    x, dx = activation_input(rng, shape, layer), normal(rng, (*lead, *shape))
    instance = layer()
    instance.forward(x)
    result = instance.jvp(dx)
    assert result.shape == (*lead, *shape)
    for index in np.ndindex(lead):
        expected = layer().forward(x + 1j * H * dx[index]).imag / H
        assert_close(result[index], expected)


@ACTIVATIONS
@given(seed=seeds, shape=shapes)
@few
def test_activations_are_their_own_transpose(layer, seed, shape):
    rng = np.random.default_rng(seed)
    x, dx, dout = activation_input(rng, shape, layer), normal(rng, shape), normal(rng, shape)
    instance = layer()
    instance.forward(x)
    forward, backward = dout * instance.jvp(dx), instance.backward(dout) * dx
    assert_close(forward, backward)
    assert forward.sum() == pytest.approx(backward.sum(), rel=1e-12, abs=1e-14)


def test_activations_at_exactly_0():
    for layer, slope in ((Relu(), 0.0), (Sigmoid(), 0.25)):
        layer.forward(frozen([0.0, -0.0]))
        assert layer.jvp(frozen([1.0, -2.0])).tolist() == [slope, -2 * slope]


@LABELS
@given(seed=seeds, n=st.integers(1, 5), classes=st.integers(1, 5), lead=leading_axes)
@few
def test_softmax_with_loss_agrees_with_the_complex_step_and_backward(
    labels, seed, n, classes, lead
):
    rng = np.random.default_rng(seed)
    x, dx = normal(rng, (n, classes)), normal(rng, (*lead, n, classes))
    t = new_labels(rng, n, classes, labels)
    layer = SoftmaxWithLoss()
    layer.forward(x, t)
    result = layer.jvp(dx)
    assert np.shape(result) == lead
    by_x = layer.backward()
    for index in np.ndindex(lead):
        expected = SoftmaxWithLoss().forward(x + 1j * H * dx[index], t).imag / H
        assert_close(result[index], expected, scale=1.0)
        assert_close(result[index], np.sum(by_x * dx[index]), scale=1.0)


# What all promise

NEW_LAYERS = {
    "Affine": lambda dtype: Affine(np.eye(3, dtype=dtype), np.zeros(3, dtype)),
    "Relu": lambda dtype: Relu(),
    "Sigmoid": lambda dtype: Sigmoid(),
    "SoftmaxWithLoss": lambda dtype: SoftmaxWithLoss(),
}


def gone_forward(name, dtype=np.float64):
    layer = NEW_LAYERS[name](dtype)
    x = normal(np.random.default_rng(0), (2, 3), dtype)
    layer.forward(x, *([np.array([0, 2])] if name == "SoftmaxWithLoss" else []))
    return layer


@pytest.mark.parametrize(
    "name",
    [pytest.param(name) if name == "SoftmaxWithLoss" else name for name in NEW_LAYERS],
)
def test_jvp_before_forward_is_an_error(name):
    with pytest.raises(RuntimeError, match=rf"{name}\.jvp needs a forward pass"):
        NEW_LAYERS[name](np.float64).jvp(np.ones((2, 3)))


@FLOATS
@pytest.mark.parametrize("name", NEW_LAYERS)
@pytest.mark.parametrize("lead", [(), (4,)])
def test_jvp_keeps_the_dtype(name, dtype, lead):
    layer = gone_forward(name, dtype)
    assert layer.jvp(np.ones((*lead, 2, 3), dtype)).dtype == dtype
    if name == "Affine":
        dW, db = np.ones((*lead, 3, 3), dtype), np.ones((*lead, 3), dtype)
        assert layer.jvp(None, dW, db).dtype == dtype
        assert layer.jvp(None, dW).dtype == layer.jvp(None, None, db).dtype == dtype


@pytest.mark.parametrize("name", NEW_LAYERS)
def test_jvp_twice_gives_the_same_twice_and_leaves_backward_alone(name):
    layer, untouched = gone_forward(name), gone_forward(name)
    dx = frozen(np.ones((2, 3)))
    assert np.array_equal(layer.jvp(dx), layer.jvp(dx))
    dout = 1.0 if name == "SoftmaxWithLoss" else np.ones((2, 3))
    assert np.array_equal(layer.backward(dout), untouched.backward(dout))


@pytest.mark.parametrize("name", NEW_LAYERS)
def test_jvp_follows_the_last_forward(name):
    layer, fresh = gone_forward(name), NEW_LAYERS[name](np.float64)
    labels = [np.array([0, 2])] if name == "SoftmaxWithLoss" else []
    x = normal(np.random.default_rng(9), (2, 3))
    for each in (layer, fresh):
        each.forward(x, *labels)
    tangents = (None, np.ones((3, 3))) if name == "Affine" else (np.ones((2, 3)) * [1, 2, 3],)
    assert np.array_equal(layer.jvp(*tangents), fresh.jvp(*tangents))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("Affine", (1, 3)),
        ("Relu", (3,)),
        ("Relu", (1, 3)),
        ("Sigmoid", (3,)),
        ("SoftmaxWithLoss", (1, 3)),
    ],
)
def test_tangents_of_the_wrong_shape_are_refused(name, shape):
    with pytest.raises(ValueError, match="shape"):
        gone_forward(name).jvp(np.ones(shape))


@pytest.mark.parametrize(
    ("dW", "db"),
    [
        pytest.param(np.ones((3, 1)), None),
        pytest.param(None, np.ones(1)),
        (np.ones((2, 3)), None),
        (None, np.ones(4)),
    ],
)
def test_tangents_of_parameters_of_the_wrong_shape_are_refused(dW, db):
    with pytest.raises(ValueError, match=r"shape|size|dimension"):
        gone_forward("Affine").jvp(None, dW, db)


# directional_derivative


@st.composite
def problems(draw):
    rng = np.random.default_rng(draw(seeds))
    inputs, classes, n = draw(st.integers(1, 6)), draw(st.integers(2, 5)), draw(st.integers(1, 7))
    network = MultiLayerNet(
        inputs,
        draw(st.lists(st.integers(1, 5), max_size=3)),
        classes,
        draw(st.sampled_from(["relu", "sigmoid"])),
        rng=rng,
    )
    for key, param in network.params.items():
        if key.startswith("b"):
            param += 0.5 * rng.normal(size=param.shape)
    direction = {
        key: normal(rng, param.shape)
        for key, param in network.params.items()
        if draw(st.booleans())
    }
    x = normal(rng, (n, inputs))
    labels = draw(st.sampled_from(["labels", "one-hot", "soft"]))
    return network, x, new_labels(rng, n, classes, labels), direction


@given(problems())
@few
def test_the_directional_derivative_is_the_gradient_times_the_direction(problem):
    network, x, t, direction = problem
    before = {key: param.tobytes() for key, param in network.params.items()}
    result = directional_derivative(network, x, t, direction)
    assert type(result) is float
    grads = network.gradient(x, t)
    parts = [grads[key] * tangent for key, tangent in direction.items()]
    scale = sum(np.abs(part).sum() for part in parts)
    assert_close(result, sum(part.sum() for part in parts), scale=max(scale, 1e-3))
    assert {key: param.tobytes() for key, param in network.params.items()} == before


@given(problems(), st.floats(-3, 3), st.floats(-3, 3))
@few
def test_the_directional_derivative_is_linear_in_the_direction(problem, a, b):
    network, x, t, direction = problem
    rng = np.random.default_rng(0)
    other = {key: rng.normal(size=param.shape) for key, param in network.params.items()}
    mixed = {key: b * tangent + a * direction.get(key, 0) for key, tangent in other.items()}
    values = [directional_derivative(network, x, t, d) for d in (direction, other, mixed)]
    assert_close(values[2], a * values[0] + b * values[1], scale=10.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_directional_derivative_on_chapter_5s_network(dtype):
    rng = np.random.default_rng(0)
    network = ReluNet(4, 3, 2, weight_init_std=0.7, rng=rng, dtype=dtype)
    x, t = rng.random((5, 4)), rng.integers(0, 2, 5)
    direction = {key: normal(rng, param.shape, dtype) for key, param in network.params.items()}
    expected = sum(np.sum(g * direction[key]) for key, g in network.gradient(x, t).items())
    result = directional_derivative(network, x, t, direction)
    assert result == pytest.approx(float(expected), rel=100 * float(np.finfo(dtype).eps))


def test_along_no_direction_nothing_changes():
    network = ReluNet(4, 3, 2)
    assert directional_derivative(network, np.ones((5, 4)), np.zeros(5, int), {}) == 0.0


@pytest.mark.parametrize(
    ("direction", "message"),
    [
        ({"W3": np.ones((4, 3))}, "direction names 'W3'; there are W1, b1, W2, b2"),
        ({"W1": np.ones((3, 4))}, r"direction of W1 must have shape \(4, 3\), got \(3, 4\)"),
        ({"b1": 1.0}, r"direction of b1 must have shape \(3,\), got \(\)"),
        ({"W2": np.ones((1, 3, 2))}, r"direction of W2 must have shape \(3, 2\), got \(1, 3, 2\)"),
    ],
)
def test_a_direction_that_does_not_fit_is_refused(direction, message):
    with pytest.raises(ValueError, match=message):
        directional_derivative(ReluNet(4, 3, 2), np.ones((5, 4)), np.zeros(5, int), direction)


def test_a_direction_may_be_a_list_or_is_refused_with_its_name():
    network = ReluNet(1, 1, 2)
    try:
        directional_derivative(network, np.ones((1, 1)), np.array([0]), {"b2": [1.0, 0.0]})
    except TypeError as error:
        if "b2" not in str(error):
            raise


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (SigmoidNet(4, 3, 2), r"layers and last_layer; got a ch04.*TwoLayerNet"),
        (MultiLayerNetExtend(4, [3], 2, use_batchnorm=True), "BatchNormalization has no jvp"),
        (MultiLayerNetExtend(4, [3], 2, use_dropout=True), "Dropout has no jvp"),
    ],
)
def test_networks_that_forward_mode_cannot_go_through(network, message):
    with pytest.raises(TypeError, match=message):
        directional_derivative(network, np.ones((5, 4)), np.zeros(5, int), {})
