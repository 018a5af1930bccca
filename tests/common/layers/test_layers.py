import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from hypothesis import given, settings
from hypothesis import strategies as st

from common.functions import cross_entropy_error, softmax, softmax_loss
from common.gradient import numerical_gradient
from common.layers import Affine, Relu, Sigmoid, SoftmaxWithLoss

few = settings(max_examples=40, deadline=None, database=None)
seeds = st.integers(0, 2**32 - 1)
FLOATS = pytest.mark.parametrize("dtype", [np.float32, np.float64])
AUTOGRAD_TOLERANCE = {np.float32: 1e-4, np.float64: 1e-10}


def frozen(values, dtype=None):
    """An array that raises ValueError if someone writes to it."""
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


def normal(rng, shape, dtype=np.float64):
    return frozen(rng.normal(size=shape), dtype)


def away_from_0(rng, shape, dtype=np.float64):
    x = rng.normal(size=shape)
    return frozen(x + np.copysign(0.05, x), dtype)


def central_differences(f, x, h=1e-4):
    """∂f/∂x with an error of order h⁴, entry by entry."""
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):

        def moved(step, index=index):
            y = np.array(x)
            y[index] += step
            return f(y)

        gradient[index] = (8 * (moved(h) - moved(-h)) - moved(2 * h) + moved(-2 * h)) / (12 * h)
    return gradient


def assert_close(actual, expected, tolerance):
    """Relative to the largest entry, since small ones may be differences of large ones."""
    scale = np.abs(expected).max(initial=1e-30)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
affine_shapes = st.lists(st.integers(1, 4), min_size=2, max_size=4).map(tuple)


@st.composite
def affine_problems(draw):
    """Return x of rank 2 to 4, W, b, and dout."""
    rng, shape = np.random.default_rng(draw(seeds)), draw(affine_shapes)
    inputs, outputs = int(np.prod(shape[1:])), draw(st.integers(1, 4))
    return tuple(
        rng.normal(size=s) for s in (shape, (inputs, outputs), (outputs,), (shape[0], outputs))
    )


@given(affine_problems())
@few
def test_affine_agrees_with_central_differences(problem):
    x, W, b, dout = map(frozen, problem)

    def objective(x, W, b):
        return np.sum(dout * Affine(W, b).forward(x))

    affine = Affine(W, b)
    affine.forward(x)
    dx = affine.backward(dout)
    assert dx.shape == x.shape
    assert_close(dx, central_differences(lambda x: objective(x, W, b), x), 1e-6)
    assert_close(affine.dW, central_differences(lambda W: objective(x, W, b), W), 1e-6)
    assert_close(affine.db, central_differences(lambda b: objective(x, W, b), b), 1e-6)


@FLOATS
@given(problem=affine_problems())
@few
def test_affine_agrees_with_autograd(dtype, problem):
    x, W, b, dout = (frozen(array, dtype) for array in problem)

    def objective(x, W, b):
        return anp.sum(dout * (anp.reshape(x, (len(x), -1)) @ W + b))

    affine = Affine(W, b)
    y = affine.forward(x)
    results = [affine.backward(dout), affine.dW, affine.db]
    expected = grad(objective, (0, 1, 2))(*(a.astype(np.float64) for a in (x, W, b)))
    assert [r.dtype for r in (y, *results)] == [dtype] * 4
    for result, reference in zip(results, expected, strict=True):
        assert result.shape == reference.shape
        assert_close(result, reference, AUTOGRAD_TOLERANCE[dtype])


@given(affine_problems())
@few
def test_affine_without_input_gradient_gives_the_same_parameter_gradients(problem):
    x, W, b, dout = map(frozen, problem)
    with_it, without = Affine(W, b), Affine(W, b, input_gradient=False)
    assert np.array_equal(with_it.forward(x), without.forward(x))
    assert with_it.backward(dout) is not None
    assert without.backward(dout) is None
    assert np.array_equal(with_it.dW, without.dW)
    assert np.array_equal(with_it.db, without.db)


def test_affine_by_hand():
    affine = Affine(frozen([[1.0, 2.0], [3.0, 4.0]]), frozen([10.0, 20.0]))
    assert affine.forward(frozen([[1.0, 1.0], [2.0, 0.0]])).tolist() == [[14, 26], [12, 24]]
    assert affine.backward(frozen([[1.0, 0.0], [0.0, 1.0]])).tolist() == [[1, 3], [2, 4]]
    assert affine.dW.tolist() == [[1, 2], [1, 0]]
    assert affine.db.tolist() == [1, 1]


def test_affine_uses_parameters_that_were_reassigned():
    rng = np.random.default_rng(0)
    x, dout = normal(rng, (3, 4)), normal(rng, (3, 2))
    affine = Affine(normal(rng, (4, 2)), normal(rng, 2))
    affine.forward(x)
    affine.W, affine.b = normal(rng, (4, 2)), normal(rng, 2)
    np.testing.assert_allclose(affine.forward(x), x @ affine.W + affine.b, rtol=1e-14)
    np.testing.assert_allclose(affine.backward(dout), dout @ affine.W.T, rtol=1e-14)


@pytest.mark.parametrize("shape", [(3, 5), (3, 3), (3, 2, 3), (4,), (3, 1, 2, 3)])
def test_affine_refuses_rows_of_the_wrong_width(shape):
    with pytest.raises(ValueError, match="expects 4 numbers a row, got x of shape") as error:
        Affine(np.zeros((4, 2)), np.zeros(2)).forward(np.zeros(shape))
    assert str(shape) in str(error.value)


def test_affine_remembers_its_last_good_input_when_it_refuses_another():
    affine = Affine(np.ones((4, 2)), np.zeros(2))
    affine.forward(np.ones((3, 4)))
    with pytest.raises(ValueError, match="numbers a row"):
        affine.forward(np.ones((3, 5)))
    assert affine.backward(np.ones((3, 2))).shape == (3, 4)


ACTIVATIONS = pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (Relu, lambda x: anp.where(x > 0, x, 0.0)),
        (Sigmoid, lambda x: 1 / (1 + anp.exp(-x))),
    ],
    ids=["Relu", "Sigmoid"],
)


@ACTIVATIONS
@given(shape=shapes, seed=seeds)
@few
def test_activations_agree_with_central_differences(layer, formula, shape, seed):
    rng = np.random.default_rng(seed)
    x, dout = away_from_0(rng, shape), normal(rng, shape)
    instance = layer()
    np.testing.assert_allclose(instance.forward(x), formula(x), rtol=1e-14)
    expected = central_differences(lambda x: np.sum(dout * layer().forward(x)), x)
    assert_close(instance.backward(dout), expected, 1e-6)


@FLOATS
@ACTIVATIONS
@given(shape=shapes, seed=seeds)
@few
def test_activations_agree_with_autograd(layer, formula, dtype, shape, seed):
    rng = np.random.default_rng(seed)
    x, dout = away_from_0(rng, shape, dtype), normal(rng, shape, dtype)
    instance = layer()
    y = instance.forward(x)
    dx = instance.backward(dout)
    assert y.dtype == dx.dtype == dtype
    assert y.shape == dx.shape == shape
    expected = grad(lambda x: anp.sum(dout * formula(x)))(x.astype(np.float64))
    assert_close(dx, expected, AUTOGRAD_TOLERANCE[dtype])


def test_relu_gives_0_at_its_kink():
    relu = Relu()
    assert relu.forward(frozen([-0.0, 0.0, 1e-300])).tolist() == [0, 0, 1e-300]
    assert relu.backward(frozen([1.0, 1.0, 1.0])).tolist() == [0, 0, 1]


@FLOATS
def test_sigmoid_is_silent_far_out(dtype):
    sigmoid = Sigmoid()
    assert sigmoid.forward(frozen([-1000, 1000], dtype)).tolist() == [0, 1]
    assert sigmoid.backward(frozen([1, 1], dtype)).tolist() == [0, 0]


@st.composite
def classifications(draw):
    """Return scores and integer labels."""
    rng = np.random.default_rng(draw(seeds))
    n, classes = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    scale = draw(st.sampled_from([0.1, 1.0, 3.0]))
    return scale * rng.normal(size=(n, classes)), rng.integers(0, classes, n)


LABELS = pytest.mark.parametrize("one_hot", [False, True], ids=["labels", "one_hot"])


def as_given(t, classes, one_hot, dtype=np.float64):
    return frozen(np.eye(classes, dtype=dtype)[t] if one_hot else t)


@LABELS
@given(problem=classifications(), dout=st.floats(-2, 2))
@few
def test_softmax_with_loss_agrees_with_central_differences(one_hot, problem, dout):
    x, t = frozen(problem[0]), as_given(problem[1], problem[0].shape[1], one_hot)
    layer = SoftmaxWithLoss()
    layer.forward(x, t)
    expected = dout * central_differences(lambda x: SoftmaxWithLoss().forward(x, t), x)
    np.testing.assert_allclose(layer.backward(dout), expected, rtol=1e-6, atol=1e-10)


@FLOATS
@LABELS
@given(problem=classifications())
@few
def test_softmax_with_loss_agrees_with_autograd(one_hot, dtype, problem):
    x = frozen(problem[0], dtype)
    t = as_given(problem[1], x.shape[1], one_hot, dtype)
    weights = np.eye(x.shape[1])[problem[1]]

    def objective(x):
        return -anp.sum(weights * anp.log(anp.exp(x).T / anp.sum(anp.exp(x), axis=1)).T) / len(x)

    layer = SoftmaxWithLoss()
    loss = layer.forward(x, t)
    dx = layer.backward()
    assert dx.dtype == layer.y.dtype == dtype
    expected = objective(x.astype(np.float64))
    tolerance = AUTOGRAD_TOLERANCE[dtype]
    assert float(loss) == pytest.approx(float(expected), rel=tolerance, abs=tolerance)
    assert layer.loss == loss
    reference = grad(objective)(x.astype(np.float64))
    np.testing.assert_allclose(dx, reference, rtol=0, atol=tolerance)
    np.testing.assert_allclose(layer.y.sum(axis=1), 1, rtol=1e-6)


def test_softmax_with_loss_of_soft_labels():
    x, t = np.zeros((1, 2)), frozen([[0.25, 0.75]])
    layer = SoftmaxWithLoss()
    assert layer.forward(x, t) == pytest.approx(np.log(2), rel=1e-15)
    np.testing.assert_allclose(layer.backward(), [[0.25, -0.25]], rtol=1e-14)


@FLOATS
@LABELS
def test_softmax_with_loss_is_exact_where_softmax_rounds_to_0(one_hot, dtype):
    layer = SoftmaxWithLoss()
    t = as_given(np.array([0, 0]), 2, one_hot, dtype)
    assert layer.forward(frozen([[-1000, 1000], [1000, -1000]], dtype), t) == 1000
    assert layer.backward().tolist() == [[-0.5, 0.5], [0, 0]]


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64, np.float64])
def test_float32_scores_give_a_float32_gradient_whatever_the_one_hot_dtype(dtype):
    layer = SoftmaxWithLoss()
    layer.forward(np.zeros((2, 2), np.float32), np.eye(2, dtype=dtype))
    assert layer.backward().dtype == np.float32


BAD_LABELS = {
    "too large": ([0, 3], ValueError, "between 0 and 2, got 3"),
    "negative": ([0, -1], ValueError, "between 0 and 2, got -1"),
    "floats": ([0.0, 1.0], TypeError, "integers, got float64"),
    "wrong length": ([0, 1, 2], ValueError, "each of the 2 rows, got 3"),
    "wrong classes": (np.eye(2), ValueError, r"\(2, 3\), got \(2, 2\)"),
    "no distribution": (np.zeros((2, 3)), ValueError, "sum to 1"),
}


@pytest.mark.parametrize("bad", BAD_LABELS)
def test_softmax_with_loss_refuses_bad_labels(bad):
    t, error, message = BAD_LABELS[bad]
    with pytest.raises(error, match=message):
        SoftmaxWithLoss().forward(np.zeros((2, 3)), np.array(t))


@pytest.mark.parametrize("t", [np.zeros(0, int), np.zeros((0, 3))])
def test_softmax_with_loss_refuses_an_empty_batch(t):
    with pytest.raises(ValueError, match="batch is empty"):
        SoftmaxWithLoss().forward(np.zeros((0, 3)), t)


@pytest.mark.parametrize("x", [np.zeros(3), np.zeros((2, 3, 1))])
def test_softmax_with_loss_names_scores_of_the_wrong_rank(x):
    with pytest.raises(ValueError, match=r"\(3,\)|\(2, 3, 1\)"):
        SoftmaxWithLoss().forward(x, np.array([0, 1]))


NEW_LAYERS = {
    "Relu": (Relu, ()),
    "Sigmoid": (Sigmoid, ()),
    "Affine": (lambda: Affine(np.eye(3)[:, :2], np.zeros(2)), ()),
    "SoftmaxWithLoss": (SoftmaxWithLoss, (frozen([0, 1]),)),
}
EACH = pytest.mark.parametrize("name", NEW_LAYERS)


@EACH
def test_backward_before_forward_is_an_error(name):
    with pytest.raises(RuntimeError, match=rf"{name}\.backward needs a forward pass"):
        NEW_LAYERS[name][0]().backward(np.ones((2, 2)))


@EACH
def test_backward_follows_the_last_forward(name):
    new, labels = NEW_LAYERS[name]
    rng = np.random.default_rng(0)
    first, last = away_from_0(rng, (2, 3)), away_from_0(rng, (2, 3))
    dout = 1.5 if labels else normal(rng, (2, 2) if name == "Affine" else (2, 3))
    twice, once = new(), new()
    twice.forward(first, *labels)
    twice.forward(last, *labels)
    once.forward(last, *labels)
    assert np.array_equal(twice.backward(dout), once.backward(dout))
    if name == "Affine":
        assert np.array_equal(twice.dW, last.T @ dout)


@EACH
def test_backward_twice_gives_the_same_twice(name):
    new, labels = NEW_LAYERS[name]
    layer = new()
    layer.forward(away_from_0(np.random.default_rng(0), (2, 3)), *labels)
    dout = 1.0 if labels else np.ones((2, 2) if name == "Affine" else (2, 3))
    assert np.array_equal(layer.backward(dout), layer.backward(dout))


@EACH
def test_what_forward_and_backward_return_is_not_an_argument(name):
    new, labels = NEW_LAYERS[name]
    x = np.abs(np.random.default_rng(0).normal(size=(2, 3)))
    dout = 1.0 if labels else np.ones((2, 2) if name == "Affine" else (2, 3))
    layer = new()
    assert not np.shares_memory(layer.forward(x, *labels), x)
    assert not np.shares_memory(layer.backward(dout), dout)


def test_the_gradient_of_labels_that_are_off_a_sum_of_1_is_that_of_the_loss():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 3))
    t = rng.dirichlet(np.ones(3), size=4) * rng.uniform(0.9995, 1.0005, (4, 1))
    layer = SoftmaxWithLoss()
    assert layer.forward(x, t) == pytest.approx(cross_entropy_error(softmax(x), t), rel=1e-13)
    assert layer.forward(x, t) == pytest.approx(softmax_loss(x, t), rel=1e-13)
    numerical = numerical_gradient(lambda x: SoftmaxWithLoss().forward(x, t), x.copy(), 1e-5)
    np.testing.assert_allclose(layer.backward(), numerical, atol=1e-10)
