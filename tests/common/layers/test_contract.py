import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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

few = settings(max_examples=15, deadline=None, database=None)
FLOATS = pytest.mark.parametrize("dtype", [np.float32, np.float64])
N = 4  # images or rows, unless a test says otherwise


class Case:
    """A layer, a shape of x without its batch axis, and what else its forward pass takes."""

    def __init__(self, new, shape, *arguments, parameters=None, labels=None):
        self.new, self.shape, self.arguments, self.labels = new, shape, arguments, labels
        self.parameters = parameters or {}

    def layer(self, rng, dtype=np.float64, order="C"):
        parameters = {
            name: frozen(rng.normal(size=shape), dtype, order)
            for name, shape in self.parameters.items()
        }
        return self.new(**parameters)

    def x(self, rng, n=N, dtype=np.float64):
        return frozen(rng.normal(size=(n, *self.shape)), dtype)

    def forward(self, layer, x):
        labels = () if self.labels is None else (frozen(self.labels[: len(x)]),)
        return layer.forward(x, *self.arguments, *labels)

    def dout(self, rng, y, dtype=np.float64):
        return frozen(rng.normal(size=np.shape(y)), dtype)

    def results(self, layer, x, dout=None, seed=1):
        """Y, ∂L/∂X and the gradients of all parameters, which are None where there are none."""
        if isinstance(layer, Dropout):
            layer.rng = np.random.default_rng(seed)
        y = self.forward(layer, x)
        if dout is None:
            dout = self.dout(np.random.default_rng(seed), y, x.dtype)
        return [y, layer.backward(dout), *(getattr(layer, f"d{name}") for name in self.parameters)]


def frozen(values, dtype=None, order="K"):
    array = np.array(values, dtype=dtype, order=order)
    array.setflags(write=False)
    return array


def batch_normalization(gamma, beta):
    rng = np.random.default_rng(5)
    mean = frozen(rng.normal(size=len(gamma)), gamma.dtype)
    return BatchNormalization(gamma, beta, 0.9, mean, frozen(np.exp(mean)))


def first_convolution(W, b):
    return Convolution(W, b, 2, 1, input_gradient=False)


AFFINE = {"W": (24, 3), "b": 3}
FILTERS = {"W": (3, 2, 3, 2), "b": 3}
FEATURES = {"gamma": 2, "beta": 2}
IMAGE = (2, 4, 3)
CASES = {
    "Affine of rows": Case(Affine, (24,), parameters=AFFINE),
    "Affine of images": Case(Affine, IMAGE, parameters=AFFINE),
    "Affine, first": Case(
        lambda W, b: Affine(W, b, input_gradient=False), IMAGE, parameters=AFFINE
    ),
    "Relu": Case(Relu, IMAGE),
    "Sigmoid": Case(Sigmoid, IMAGE),
    "Convolution": Case(lambda W, b: Convolution(W, b, 1, 1), IMAGE, parameters=FILTERS),
    "Convolution, stride": Case(lambda W, b: Convolution(W, b, 2), IMAGE, parameters=FILTERS),
    "Convolution, first": Case(first_convolution, IMAGE, parameters=FILTERS),
    "Convolution 1 × 1": Case(
        Convolution, IMAGE, parameters={"W": (3, 2, 1, 1), "b": 3}
    ),  # where a window is all that there is of a pixel, and need not be copied
    "Pooling": Case(lambda: Pooling(2, 2, 2), IMAGE),
    "Pooling, overlap and pad": Case(lambda: Pooling(3, 2, 1, 1), IMAGE),
    "Pooling 1 × 1": Case(lambda: Pooling(1, 1, 1), IMAGE),
    "BatchNormalization of rows": Case(batch_normalization, (2,), parameters=FEATURES),
    "BatchNormalization of images": Case(batch_normalization, IMAGE, parameters=FEATURES),
    "BatchNormalization of rows in use": Case(
        batch_normalization, (2,), False, parameters=FEATURES
    ),
    "BatchNormalization of images in use": Case(
        batch_normalization, IMAGE, False, parameters=FEATURES
    ),
    "Dropout": Case(Dropout, IMAGE),
    "Dropout in use": Case(Dropout, IMAGE, False),
    "Dropout, inverted": Case(lambda: Dropout(inverted=True), IMAGE),
    "Dropout, inverted, in use": Case(lambda: Dropout(inverted=True), IMAGE, False),
    "Dropout of nothing": Case(lambda: Dropout(0), IMAGE),
    "SoftmaxWithLoss": Case(SoftmaxWithLoss, (3,), labels=np.array([2, 0, 1, 2, 1])),
    "SoftmaxWithLoss, one-hot": Case(SoftmaxWithLoss, (3,), labels=np.eye(3)[[2, 0, 1, 2, 1]]),
}
NEEDS_NUMBERS = {
    "BatchNormalization of rows",
    "BatchNormalization of images",
    "SoftmaxWithLoss",
    "SoftmaxWithLoss, one-hot",
}


def each(names):
    return pytest.mark.parametrize("case", [CASES[name] for name in names], ids=list(names))


EACH = each(CASES)
WITH_PARAMETERS = each([name for name in CASES if CASES[name].parameters])


def assert_equal(results, expected):
    for result, reference in zip(results, expected, strict=True):
        assert (result is None) == (reference is None)
        if result is not None:
            assert np.array_equal(result, reference)


def assert_close(results, expected, tolerance=1e-12):
    for result, reference in zip(results, expected, strict=True):
        assert (result is None) == (reference is None)
        if result is not None:
            np.testing.assert_allclose(result, reference, rtol=tolerance, atol=tolerance)


# --- memory -------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("n", [1, N])
def test_read_only_arrays_are_enough(case, n):
    rng = np.random.default_rng(0)
    layer = case.layer(rng)
    for _ in range(2):
        y = case.forward(layer, case.x(rng, n))
        layer.backward(case.dout(rng, y))


@EACH
def test_nothing_that_comes_out_is_what_went_in(case):
    rng = np.random.default_rng(0)
    layer, x = case.layer(rng), frozen(np.abs(case.x(rng)))
    y = case.forward(layer, x)
    dout = case.dout(rng, y)
    dx = layer.backward(dout)
    gradients = [getattr(layer, f"d{name}") for name in case.parameters]
    given = [x, dout, *(getattr(layer, name) for name in case.parameters)]
    for result in (y, dx, *gradients):
        if result is not None and np.ndim(result):
            assert result.flags.writeable
            assert not any(np.shares_memory(result, array) for array in given)


@EACH
def test_what_came_out_is_not_overwritten_later(case):
    rng = np.random.default_rng(0)
    layer = case.layer(rng)
    first = case.results(layer, case.x(rng), seed=1)
    copies = [None if a is None else np.array(a) for a in first]
    case.results(layer, case.x(rng), seed=2)
    assert_equal(first, copies)


# --- dtypes -------------------------------------------------------------------------------------


@FLOATS
@EACH
def test_dtype_is_kept(case, dtype):
    rng = np.random.default_rng(0)
    layer = case.layer(rng, dtype)
    for _ in range(2):
        results = case.results(layer, case.x(rng, dtype=dtype))
        assert {r.dtype for r in results if r is not None} == {np.dtype(dtype)}
        if isinstance(layer, BatchNormalization):
            assert layer.running_mean.dtype == layer.running_var.dtype == dtype


@FLOATS
def test_running_averages_that_nobody_gave_have_the_dtype_of_gamma(dtype):
    layer = BatchNormalization(np.ones(2, dtype), np.zeros(2, dtype))
    for train_flg in (False, True, False):
        assert layer.forward(np.ones((3, 2), dtype), train_flg).dtype == dtype
        assert layer.running_mean.dtype == layer.running_var.dtype == dtype


@EACH
def test_float32_is_float64_rounded(case):
    x = case.x(np.random.default_rng(0), dtype=np.float32)
    single, double = (case.layer(np.random.default_rng(1), t) for t in (np.float32, np.float64))
    assert_close(case.results(single, x), case.results(double, x.astype(np.float64)), 2e-5)


# --- the order of calls -------------------------------------------------------------------------


@EACH
def test_backward_follows_the_last_forward(case):
    rng = np.random.default_rng(0)
    once, twice = (case.layer(np.random.default_rng(1)) for _ in range(2))
    x = case.x(rng)
    case.results(twice, case.x(rng, n=3, dtype=np.float32))
    case.forward(twice, case.x(rng, n=5))
    assert_equal(case.results(twice, x), case.results(once, x))


@EACH
def test_backward_twice_gives_the_same_twice(case):
    rng = np.random.default_rng(0)
    layer = case.layer(rng)
    y = case.forward(layer, case.x(rng))
    dout = case.dout(rng, y)
    results = [
        [layer.backward(dout), *(getattr(layer, f"d{name}") for name in case.parameters)]
        for _ in range(2)
    ]
    assert_equal(*results)


@EACH
def test_backward_before_forward_is_one_error_that_names_the_layer(case):
    layer = case.layer(np.random.default_rng(0))
    with pytest.raises(RuntimeError, match=rf"^{type(layer).__name__}\.backward needs a forward"):
        layer.backward(1.0 if case.labels is not None else np.ones((N, 2, 2, 2)))


WRONG = {
    "Affine of rows": np.zeros((2, 5)),
    "Convolution": np.zeros((2, 3, 4, 3)),
    "Pooling": np.zeros((2, 2, 1, 1)),
    "Pooling, overlap and pad": np.zeros((2, 2, 0, 1)),
    "BatchNormalization of rows": np.zeros((2, 5)),
    "BatchNormalization of images in use": np.zeros((2, 5, 2, 2)),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_input_that_is_refused_leaves_the_last_one_in_place(name):
    case, rng = CASES[name], np.random.default_rng(0)
    layer = case.layer(rng)
    y = case.forward(layer, case.x(rng))
    dout = case.dout(rng, y)
    expected = layer.backward(dout)
    with pytest.raises(ValueError, match=r"\d"):
        case.forward(layer, WRONG[name])
    assert np.array_equal(layer.backward(dout), expected)


@WITH_PARAMETERS
def test_parameters_that_were_reassigned_are_used(case):
    rng = np.random.default_rng(0)
    reassigned, new = case.layer(rng), case.layer(np.random.default_rng(1))
    x = case.x(rng)
    case.results(reassigned, x)
    if isinstance(new, BatchNormalization):  # whose averages are no parameters
        reassigned.running_mean, reassigned.running_var = new.running_mean, new.running_var
    for name in case.parameters:
        setattr(reassigned, name, getattr(new, name))
    assert_equal(case.results(reassigned, x), case.results(new, x))


@WITH_PARAMETERS
def test_parameters_that_were_changed_in_place_are_used(case):
    rng = np.random.default_rng(0)
    layer, x = case.layer(rng), case.x(rng)
    changed = {name: np.array(getattr(layer, name)) for name in case.parameters}
    for name, value in changed.items():
        setattr(layer, name, value)
    before = case.results(layer, x)
    for value in changed.values():
        value *= -2  # as optimizers do
    fresh = case.new(**changed)
    if isinstance(fresh, BatchNormalization):
        fresh.running_mean, fresh.running_var = layer.running_mean, layer.running_var
    after = case.results(layer, x)
    assert_equal(after, case.results(fresh, x))
    assert not np.array_equal(before[0], after[0])


# --- batches ------------------------------------------------------------------------------------


@EACH
def test_a_batch_of_one(case):
    rng = np.random.default_rng(0)
    x = case.x(rng, n=1)
    results = case.results(case.layer(rng), x)
    assert np.shape(results[0])[:1] in ((1,), ())
    assert results[1] is None or results[1].shape == x.shape
    assert all(np.isfinite(r).all() for r in results if r is not None)


@each([name for name in CASES if name not in NEEDS_NUMBERS])
def test_a_batch_of_none(case):
    layer, rng = case.layer(np.random.default_rng(0)), np.random.default_rng(0)
    shape_of_one = case.forward(layer, case.x(rng, n=1)).shape[1:]
    x = case.x(rng, n=0)
    y, dx, *gradients = case.results(layer, x)
    assert y.shape == (0, *shape_of_one)
    assert dx is None or dx.shape == x.shape
    for name, gradient in zip(case.parameters, gradients, strict=True):
        assert np.array_equal(gradient, np.zeros(getattr(layer, name).shape))


@each(sorted(NEEDS_NUMBERS))
def test_where_a_batch_of_none_has_no_answer_it_is_an_error(case):
    rng = np.random.default_rng(0)
    layer = case.layer(rng)
    with pytest.raises(ValueError, match="the batch is empty"):
        case.forward(layer, case.x(rng, n=0))


# --- memory order -------------------------------------------------------------------------------


def reordered(array, layout):
    """The same numbers in another order in memory, read-only."""
    if array.ndim == 0:
        return array
    if layout == "Fortran":
        return frozen(array, order="F")
    if layout == "channels last":
        return np.moveaxis(frozen(np.moveaxis(array, 1, -1), order="C"), -1, 1)
    if layout == "backwards":
        return frozen(array[::-1, ..., ::-1], order="C")[::-1, ..., ::-1]
    with_gaps = np.full([2 * size for size in array.shape], np.nan, array.dtype)
    view = with_gaps[(slice(None, None, 2),) * array.ndim]
    view[...] = array
    view.setflags(write=False)
    return view


LAYOUTS = st.sampled_from(["Fortran", "channels last", "backwards", "gaps"])


@FLOATS
@EACH
@given(of_x=LAYOUTS, of_dout=LAYOUTS, of_parameters=st.sampled_from(["Fortran", "gaps"]))
@few
def test_memory_order_changes_nothing_but_rounding(case, dtype, of_x, of_dout, of_parameters):
    rng = np.random.default_rng(0)
    layer, other = (case.layer(np.random.default_rng(1), dtype) for _ in range(2))
    for name in case.parameters:
        setattr(other, name, reordered(getattr(layer, name), of_parameters))
    x = case.x(rng, dtype=dtype)
    dout = case.dout(rng, case.results(layer, x)[0], dtype)
    results = case.results(other, reordered(x, of_x), reordered(dout, of_dout))
    expected = case.results(case.layer(np.random.default_rng(1), dtype), x, dout)
    assert_close(results, expected, 1e-12 if dtype == np.float64 else 2e-5)


@EACH
def test_arrays_may_repeat_themselves_in_memory(case):
    rng = np.random.default_rng(0)
    layer, other = (case.layer(np.random.default_rng(1)) for _ in range(2))
    x = np.broadcast_to(case.x(rng, n=1), (N, *case.shape))
    dout = np.broadcast_to(np.float64(0.5), np.shape(case.forward(layer, x)))
    results = case.results(case.layer(np.random.default_rng(1)), x, dout)
    expected = case.results(other, frozen(x, order="C"), frozen(dout, order="C"))
    assert_close(results, expected)


# --- errors -------------------------------------------------------------------------------------


def affine(shape):
    return Affine(np.zeros((4, 2)), np.zeros(2)).forward(np.zeros(shape))


def convolve(shape, filters=(3, 2, 3, 4), stride=1, pad=0):
    return Convolution(np.zeros(filters), np.zeros(3), stride, pad).forward(np.zeros(shape))


def pool(shape, *arguments):
    return Pooling(*arguments).forward(np.zeros(shape))


def normalize(shape, **options):
    return BatchNormalization(np.ones(3), np.zeros(3), **options).forward(np.zeros(shape))


IMAGES = (2, 2, 5, 5)
STRIDE = "stride must be a whole number of at least 1, got "
PAD = "pad must be a whole number of at least 0, got "
ERRORS = {
    "Affine, rank": (affine, ((4,),), r"expects 4 numbers a row, got x of shape \(4,\)"),
    "Affine, width": (affine, ((3, 2, 3),), r"expects 4 numbers a row, got x .* \(3, 2, 3\)"),
    "Convolution, rank 3": (convolve, ((2, 5, 5),), r"\(N, C, H, W\), got \(2, 5, 5\)"),
    "Convolution, rank 2": (convolve, ((2, 25),), r"\(N, C, H, W\), got \(2, 25\)"),
    "Convolution, channels": (convolve, ((2, 3, 5, 5),), r"of 2 channels, got x .* \(2, 3, 5, 5\)"),
    "Convolution, rank of W": (convolve, (IMAGES, (3, 2, 3)), r"W .* \(FN, .*, got \(3, 2, 3\)"),
    "Convolution, too low": (convolve, ((2, 2, 2, 5),), "of 3 pixels is larger .* 2 pixels"),
    "Convolution, too narrow": (convolve, ((2, 2, 5, 3),), "of 4 pixels is larger .* 3 pixels"),
    "Convolution, empty and too low": (convolve, ((0, 2, 2, 5),), "3 pixels is larger .* 2 pixels"),
    "Convolution, still too low": (
        convolve,
        ((2, 2, 5, 1), (3, 2, 3, 4), 1, 1),
        "4 pixels is larger .* 1 pixels and a padding of 1",
    ),
    "Convolution, stride 0": (convolve, (IMAGES, (3, 2, 3, 4), 0), f"{STRIDE}0"),
    "Convolution, stride 1.0": (convolve, (IMAGES, (3, 2, 3, 4), 1.0), f"{STRIDE}1.0"),
    "Convolution, stride pair": (convolve, (IMAGES, (3, 2, 3, 4), (1, 1)), STRIDE + r"\(1, 1\)"),
    "Convolution, pad -1": (convolve, (IMAGES, (3, 2, 3, 4), 1, -1), f"{PAD}-1"),
    "Convolution, pad 0.5": (convolve, (IMAGES, (3, 2, 3, 4), 1, 0.5), f"{PAD}0.5"),
    "Convolution, pad 'same'": (convolve, (IMAGES, (3, 2, 3, 4), 1, "same"), f"{PAD}same"),
    "Convolution, pad None": (convolve, (IMAGES, (3, 2, 3, 4), 1, None), f"{PAD}None"),
    "Convolution, pad NaN": (convolve, (IMAGES, (3, 2, 3, 4), 1, math.nan), f"{PAD}nan"),
    "Pooling, rank": (pool, ((2, 5, 5), 2, 2), r"\(N, C, H, W\), got \(2, 5, 5\)"),
    "Pooling, too low": (pool, ((2, 2, 1, 5), 2, 2), "of 2 pixels is larger .* 1 pixels"),
    "Pooling, too narrow": (pool, ((2, 2, 5, 1), 2, 2), "of 2 pixels is larger .* 1 pixels"),
    "Pooling, stride 0": (pool, (IMAGES, 2, 2, 0), f"{STRIDE}0"),
    "Pooling, pad -1": (pool, (IMAGES, 2, 2, 1, -1), f"{PAD}-1"),
    "Pooling, pad 0.5": (pool, (IMAGES, 2, 2, 1, 0.5), f"{PAD}0.5"),
    "Pooling, pad of the window": (pool, (IMAGES, 2, 2, 1, 2), "pad .* window of 2 × 2, got 2"),
    "Pooling, pad of its width": (pool, (IMAGES, 3, 2, 1, 2), "pad .* window of 3 × 2, got 2"),
    "Pooling, window 0": (pool, (IMAGES, 0, 2), "must be a whole number of at least 1, got 0"),
    "Pooling, window 2.5": (pool, (IMAGES, 2, 2.5), "whole number of at least 1, got 2.5"),
    "BatchNormalization, width": (normalize, ((4, 2),), r"expects 3 features.* got \(4, 2\)"),
    "BatchNormalization, channels": (
        normalize,
        ((4, 2, 3, 3),),
        r"expects 3 features: shape \(N, 3\) or \(N, 3, H, W\), got \(4, 2, 3, 3\)",
    ),
    "BatchNormalization, rank 1": (normalize, ((3,),), r"got \(3,\)"),
    "BatchNormalization, rank 3": (normalize, ((4, 3, 3),), r"got \(4, 3, 3\)"),
    **{
        f"Dropout, ratio {ratio}": (
            Dropout,
            (ratio,),
            f"dropout_ratio must be at least 0 and below 1, got {ratio}",
        )
        for ratio in (-0.1, 1, 1.5, math.nan, math.inf)
    },
    **{
        f"BatchNormalization, momentum {momentum}": (
            lambda m=momentum: normalize((4, 3), momentum=m),
            (),
            f"momentum must lie between 0 and 1, got {momentum}",
        )
        for momentum in (-0.1, 1.1, math.nan)
    },
    "SoftmaxWithLoss, rank": (
        lambda: SoftmaxWithLoss().forward(np.zeros(3), np.array([0])),
        (),
        r"\(3,\)",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_a_wrong_input_is_one_clear_error(name):
    call, arguments, message = ERRORS[name]
    with pytest.raises(ValueError, match=message) as error:
        call(*arguments)
    assert error.value.__cause__ is None
    assert error.value.__context__ is None


@pytest.mark.parametrize(("sizes", "name"), [((0, 2), "pool_h"), ((2, 2.5), "pool_w")], ids=str)
def test_pooling_names_the_side_of_the_window_that_is_wrong(sizes, name):
    with pytest.raises(ValueError, match=name):
        Pooling(*sizes)


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize(
    "new",
    [lambda b: Affine(np.zeros((4, 3)), b), lambda b: Convolution(np.zeros((3, 1, 2, 2)), b)],
    ids=["Affine", "Convolution"],
)
def test_a_bias_must_have_an_entry_for_each_output(new, size):
    layer = new(np.zeros(size))
    with pytest.raises(ValueError, match=rf"b .*\({size},\)"):
        layer.forward(np.zeros((1, 1, 2, 2)))


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("name", ["beta", "running_mean", "running_var"])
def test_batch_normalization_wants_parameters_of_one_length(name, size):
    values = {"gamma": np.ones(3), "beta": np.zeros(3), name: np.ones(size)}
    with pytest.raises(ValueError, match=rf"{name} .*\({size},\)"):
        BatchNormalization(**values).forward(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("Convolution", (N, 3, 3, 4)),  # the output's is (4, 3, 4, 4)
        ("Convolution", (N, 3, 9, 9)),
        ("Convolution, stride", (N, 3, 2, 1)),
        ("Pooling", (N, 2, 1, 1)),
        ("Pooling", (1, 1, 2, 1)),
        ("Relu", (1, 1, 1, 3)),
        ("Sigmoid", (5, *[1] * 4)),
        ("Dropout", (1, 3)),
        ("Dropout in use", (7, 7)),
        ("BatchNormalization of rows", (2, 2, 2, 1)),
        ("BatchNormalization of rows in use", (1, 2)),
    ],
)
def test_a_dout_that_is_no_derivative_of_the_output_is_refused(name, shape):
    case, rng = CASES[name], np.random.default_rng(0)
    layer = case.layer(rng)
    case.forward(layer, case.x(rng))
    with pytest.raises(ValueError, match="dout"):
        layer.backward(np.zeros(shape))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_bias_may_be_one_number_for_all(dtype):
    rng = np.random.default_rng(0)
    for layer, W, x in (
        (Affine, (3, 2), (4, 3)),
        (Convolution, (2, 1, 2, 2), (4, 1, 3, 3)),
    ):
        W, x = rng.normal(size=W).astype(dtype), rng.normal(size=x).astype(dtype)
        one, each = layer(W, 0.5), layer(W, np.full(2, 0.5, dtype))
        y = one.forward(x)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, each.forward(x))
        np.testing.assert_array_equal(one.backward(y), each.backward(y))
        np.testing.assert_array_equal(one.db, each.db)


def test_softmax_with_loss_of_whole_numbers():
    layer = SoftmaxWithLoss()
    assert layer.forward(np.array([[3, 3]]), np.array([0])) == pytest.approx(math.log(2))
    assert layer.backward().tolist() == [[-0.5, 0.5]]


@pytest.mark.parametrize(
    "one_hot",
    [
        False,
        True,
    ],
)
def test_softmax_with_loss_of_a_class_that_is_ruled_out(one_hot):
    layer, t = SoftmaxWithLoss(), np.eye(3)[[0]] if one_hot else np.array([0])
    assert layer.forward(np.array([[1.0, 1.0, -np.inf]]), t) == pytest.approx(math.log(2))
    assert layer.backward().tolist() == [[-0.5, 0.5, 0]]


# --- the namespace ------------------------------------------------------------------------------


def test_star_import_binds_np_and_the_layers_and_nothing_else():
    namespace = {}
    exec("from common.layers import *", namespace)
    layers = {Affine, BatchNormalization, Convolution, Dropout, Pooling, Relu, Sigmoid}
    layers |= {SoftmaxWithLoss}
    expected = {layer.__name__: layer for layer in layers} | {"np": np}
    del namespace["__builtins__"]
    assert namespace == expected
