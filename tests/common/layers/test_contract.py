"""What every layer promises."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import functions
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
from common.networks.parameters import param_names
from common.support.errors import NonFiniteError
from tests.common.layers.problems import CASES, STRATEGIES, Scale
from tests.helpers import FLOATS, assert_close, central_differences, few, frozen, normal, slope


def each(choose=lambda case: True):
    chosen = {name: case for name, case in CASES.items() if choose(case)}
    return pytest.mark.parametrize("case", chosen.values(), ids=chosen)


def uses_the_batch(case):
    """Whether it is batch normalization in training."""
    return isinstance(case.layer(), BatchNormalization) and case.arguments == (True,)


EACH = each()
WITH_PARAMETERS = each(lambda case: case.parameters)


def assert_equal(results, expected, close=None):
    for result, reference in zip(results, expected, strict=True):
        assert (result is None) == (reference is None)
        if reference is not None and close is None:
            assert np.array_equal(result, reference, equal_nan=True)
        elif reference is not None:
            assert_close(result, reference, close, scale=1.0)


def restore_buffers(case, layer):
    for name in layer.buffer_names:
        setattr(layer, name, getattr(case.layer(), name))


def reordered(array, layout):
    """The same numbers in another order in memory, read-only; "repeated": the first, N times."""
    if array.ndim == 0:
        return array
    if layout == "repeated":
        return np.broadcast_to(array[:1], array.shape)
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


# --- derivatives --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STRATEGIES)
@given(data=st.data())
@few
def test_backward_agrees_with_central_differences(name, data):
    p = data.draw(STRATEGIES[name])

    layer = p.layer()
    p.forward(layer)
    dx = layer.backward(p.dout)
    expected = central_differences(lambda x: np.sum(p.dout * p.forward(p.layer(), x)), p.x)
    assert_close(dx, expected, 1e-6, p.scale)
    for key, value in p.parameters.items():

        def objective(value, key=key):
            return np.sum(p.dout * p.forward(p.new(**p.parameters | {key: value})))

        expected = central_differences(objective, value)
        assert_close(getattr(layer, f"d{key}"), expected, 1e-6, p.scale)


@pytest.mark.parametrize("name", ["Scale", "Affine", "Relu", "Sigmoid", "SoftmaxWithLoss"])
@given(data=st.data())
@few
def test_jvp_agrees_with_central_differences(name, data):
    p = data.draw(STRATEGIES[name])
    layer = p.layer()
    p.forward(layer)
    lead = data.draw(st.lists(st.integers(1, 3), max_size=2).map(tuple))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    shapes = {"x": layer.prepare(p.x).shape} | {k: a.shape for k, a in p.parameters.items()}
    moving = data.draw(st.sets(st.sampled_from(sorted(shapes)), min_size=1))
    tangents = {f"d{key}": normal(rng, (*lead, *shapes[key])) for key in moving}
    result = layer.jvp(**{"dx": None} | tangents)
    assert np.shape(result) == (*lead, *np.shape(p.dout))
    for index in np.ndindex(lead):

        def moved(step, index=index):
            def along(key, value):
                if key not in moving:
                    return value
                return value + step * tangents[f"d{key}"][index].reshape(value.shape)

            parameters = {key: along(key, value) for key, value in p.parameters.items()}
            return p.forward(p.new(**parameters), along("x", p.x))

        assert_close(result[index], slope(moved), 1e-6, p.scale)


def test_jvp_of_affine_takes_one_tangent_together_with_many_and_none_for_zeros():
    p = CASES["Affine of rows"]
    layer, rng = p.layer(), np.random.default_rng(0)
    p.forward(layer)
    many, one = normal(rng, (5, 4, 24)), normal(rng, (24, 3))
    assert_close(layer.jvp(many, one), np.stack([layer.jvp(dx, one) for dx in many]))
    assert layer.jvp(None) is layer.jvp(None, None, None) is None
    with pytest.raises(TypeError):
        layer.jvp(None, one, None, None)


def test_jvp_of_affine_with_one_bias_for_all_units():
    layer = Affine(np.ones((2, 3)), np.array(0.5))
    layer.forward(np.ones((4, 2)))
    both = layer.jvp(None, db=np.array([1.0, 2.0]))
    assert np.array_equal(both, np.broadcast_to([[[1.0]], [[2.0]]], (2, 4, 3)))


FORMULAS = {  # The other layers have a file of their own.
    "Affine": lambda x, W, b: x.reshape(len(x), -1) @ W + b,
    "Relu": lambda x: np.where(x > 0, x, 0),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("name", FORMULAS)
@given(data=st.data())
@few
def test_forward_is_the_formula(name, data):
    p = data.draw(STRATEGIES[name])
    layer = p.layer()
    assert_close(p.forward(layer), FORMULAS[name](p.x, *p.parameters.values()))
    assert layer.x_shape == p.x.shape
    if name == "Affine":
        assert layer.original_x_shape == p.x.shape
        assert np.array_equal(layer.x, p.x.reshape(len(p.x), -1))


def test_activations_far_out_and_at_0():
    x = frozen([-1000, -0.0, 0.0, 1e-300, 1000, np.inf])
    for layer, values, slopes in (
        (Relu(), [0, 0, 0, 1e-300, 1000, np.inf], [0, 0, 0, 1, 1, 1]),
        (Sigmoid(), [0, 0.5, 0.5, 0.5, 1, 1], [0, 0.25, 0.25, 0.25, 0, 0]),
    ):
        assert layer.forward(x).tolist() == values
        assert layer.backward(np.ones(6)).tolist() == layer.jvp(np.ones(6)).tolist() == slopes
        if isinstance(layer, Relu):
            assert np.array_equal(layer.mask, x <= 0)  # as the book has it
        assert layer.forward(0.0) == values[1]  # a number is an array without axes
        assert layer.backward(2.0) == 2 * slopes[1]


# --- memory -------------------------------------------------------------------------------------


@EACH
def test_nothing_that_comes_out_is_what_went_in(case):
    p = replace(case, x=frozen(np.abs(case.x)))  # which ReLU leaves as it is
    layer = p.layer()
    given = [p.x, p.dout, *p.parameters.values(), *p.tangents.values()]
    for result in p.run(layer):
        if np.ndim(result):
            assert result.flags.writeable
            assert not any(np.shares_memory(result, array) for array in given)


def spoil(arrays):
    for array in arrays:
        if isinstance(array, np.ndarray):
            array[...] = 7


@EACH
@pytest.mark.parametrize("layout", ["Fortran", "channels last"])  # whose views look like copies
def test_what_a_layer_returned_may_be_changed_in_place(case, layout):
    p = replace(case, x=reordered(case.x, layout))
    expected, layer = p.run(), p.layer()
    spoil([p.forward(layer)])
    for _ in range(2):
        spoil(getattr(layer, name, None) for name in ("y", "arg_max", "col"))
        results = p.backward(layer)
        assert_equal(results, expected[1:])
        spoil(results)
    restore_buffers(case, layer)
    assert_equal(p.run(layer), expected)


@EACH
def test_what_came_out_is_not_overwritten_later(case):
    layer = case.layer()
    first = case.run(layer)
    copies = [None if result is None else np.array(result) for result in first]
    case.with_batch(4).run(layer)
    assert_equal(first, copies)


@each(lambda case: not isinstance(case.layer(), Affine | Convolution | Scale))
def test_only_where_a_layer_says_so_it_keeps_its_input(case):
    arguments = tuple(np.array(a) if isinstance(a, np.ndarray) else a for a in case.arguments)
    p = replace(case, x=np.array(case.x), arguments=arguments)
    expected, layer = case.run(), p.layer()
    p.forward(layer)
    spoil([p.x, *arguments])
    assert_equal(case.backward(layer), expected[1:])


# --- dtypes -------------------------------------------------------------------------------------


@FLOATS
@EACH
def test_dtype_is_kept(case, dtype):
    p = case.as_type(dtype)
    layer = p.layer()
    for _ in range(2):
        assert {result.dtype for result in p.run(layer) if result is not None} == {np.dtype(dtype)}
        assert {getattr(layer, name).dtype for name in layer.buffer_names} <= {np.dtype(dtype)}


@EACH
def test_float32_is_float64_rounded(case):
    single = case.as_type(np.float32)
    assert_equal(single.run(), single.as_type(np.float64).run(), close=2e-5)


@EACH
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool])
def test_integers_become_float64(case, dtype):
    p = replace(case, x=frozen(np.arange(case.x.size).reshape(case.x.shape) % 7, dtype))
    dout = frozen(np.arange(case.dout.size).reshape(case.dout.shape) % 2, dtype)
    expected = replace(p, x=frozen(p.x, np.float64))
    for x in (p.x, p.x.tolist()):
        layer, other = p.layer(), p.layer()
        results = [p.forward(layer, x), *p.backward(layer, dout)]
        references = [expected.forward(other), *p.backward(other, frozen(dout, np.float64))]
        assert {result.dtype for result in results if result is not None} == {np.dtype(np.float64)}
        assert_equal(results, references)


@WITH_PARAMETERS
def test_parameters_may_be_integers_or_one_number_for_all(case):
    shapes = {name: np.shape(value) for name, value in case.parameters.items()}
    integers = {n: np.arange(np.prod(s, dtype=int)).reshape(s) % 5 for n, s in shapes.items()}
    floats = {name: frozen(value, np.float64) for name, value in integers.items()}
    assert_equal(replace(case, parameters=integers).run(), replace(case, parameters=floats).run())
    one = {name: 0.5 for name, s in shapes.items() if len(s) == 1}
    many = {name: np.full(shapes[name], 0.5) for name in one}
    results = []
    for parameters in (one, many):
        p = replace(case, parameters=case.parameters | parameters)
        layer = p.layer()
        y_and_dx = [p.forward(layer), layer.backward(p.dout)]
        results.append([*y_and_dx, *(getattr(layer, f"d{name}") for name in shapes)])
    assert_equal(*results)


# --- the order of calls -------------------------------------------------------------------------


@EACH
def test_backward_follows_the_last_forward(case):
    layer = case.layer()
    case.as_type(np.float32).with_batch(3).run(layer)
    case.with_batch(4).forward(layer)
    restore_buffers(case, layer)
    assert_equal(case.run(layer), case.run())


@EACH
@pytest.mark.parametrize("method", ["backward", "jvp"])
def test_a_pass_before_the_first_forward_is_one_error_that_names_the_layer(case, method):
    layer = case.layer()
    if hasattr(layer, method):
        message = rf"^{type(layer).__name__}\.{method} needs a forward pass before it"
        with pytest.raises(RuntimeError, match=message):
            getattr(layer, method)(case.dout)


@WITH_PARAMETERS
@pytest.mark.parametrize("in_place", [True, False])
def test_parameters_that_were_changed_are_used(case, in_place):
    own = {name: np.array(value) for name, value in case.parameters.items()}
    changed = {name: frozen(-2 * value) for name, value in case.parameters.items()}
    layer = case.new(**own)
    before = case.run(layer)
    for name, value in own.items():
        if in_place:
            value *= -2  # as optimizers do
        else:
            setattr(layer, name, changed[name])
    restore_buffers(case, layer)
    after = case.run(layer)
    assert_equal(after, case.run(case.new(**changed)))
    assert not np.array_equal(before[0], after[0])


@each(lambda case: not case.layer().input_gradient)
def test_without_input_gradient_the_others_are_the_same(case):
    layer = case.layer()
    layer.input_gradient = True
    y, dx, *gradients = case.run(layer)
    results = case.run()
    assert results[1] is None
    assert dx.shape == case.x.shape
    assert_equal([results[0], *results[2:]], [y, *gradients], close=1e-12)


# --- batches ------------------------------------------------------------------------------------


@EACH
def test_a_batch_of_one(case):
    p = case.with_batch(1)
    if uses_the_batch(case) and p.x.ndim == 2:
        with pytest.raises(ValueError, match="more than one value per feature in training, got 1"):
            p.run()
        return
    y, dx, *_ = p.run()
    assert np.shape(y)[:1] in ((1,), ())
    assert dx is None or dx.shape == p.x.shape
    if np.ndim(y) and not uses_the_batch(case) and not isinstance(case.layer(), Dropout):
        assert_close(case.layer().forward(case.x[2:3], *case.arguments), case.run()[0][2:3])


@EACH
def test_a_batch_of_none(case):
    p = case.with_batch(0)
    if uses_the_batch(case) or isinstance(case.layer(), SoftmaxWithLoss):
        with pytest.raises(ValueError, match=r"the batch is empty|more than one value per feature"):
            p.forward(p.layer())
        return
    y, dx, *rest = p.run()
    assert y.shape == (0, *case.run()[0].shape[1:])
    assert dx is None or dx.shape == p.x.shape
    for parameter, gradient in zip(p.parameters.values(), rest, strict=False):
        assert np.array_equal(gradient, np.zeros(parameter.shape))


# --- memory order -------------------------------------------------------------------------------


LAYOUTS = st.sampled_from(["Fortran", "channels last", "backwards", "gaps", "repeated"])


@EACH
@given(of_x=LAYOUTS, of_dout=LAYOUTS, of_parameters=st.sampled_from(["Fortran", "gaps"]))
@settings(few, max_examples=20)
def test_memory_order_changes_nothing_but_rounding(case, of_x, of_dout, of_parameters):
    parameters = {name: reordered(a, of_parameters) for name, a in case.parameters.items()}
    x, dout = reordered(case.x, of_x), reordered(case.dout, of_dout)
    p, layer = replace(case, x=x, parameters=parameters), case.layer()
    in_order = replace(case, x=frozen(x, order="C"))
    expected = [in_order.forward(layer), *case.backward(layer, frozen(dout, order="C"))]
    layer = p.layer()
    assert_equal([p.forward(layer), *case.backward(layer, dout)], expected, close=1e-12)


# --- errors -------------------------------------------------------------------------------------

WRONG_SHAPES = {
    Affine: [(4, 5), (4,), (3, 2, 3), ()],
    Convolution: [(2, 3, 4, 3), (2, 4, 3), (4, 2, 0, 0)],
    Pooling: [(2, 4, 3), (4, 2, 0, 0)],
    BatchNormalization: [(4, 5), (4, 5, 2, 2), (2,), (4, 2, 2)],
    SoftmaxWithLoss: [(5, 3), (4, 3, 1), (3,), (0, 3)],
}


def assert_unchanged(layer, before):
    assert vars(layer).keys() == before.keys()
    assert all(vars(layer)[name] is value for name, value in before.items())


@EACH
def test_a_refused_input_changes_nothing(case):
    layer = case.layer()
    expected = case.run(layer)
    wrong = [(ValueError, np.zeros(shape)) for shape in WRONG_SHAPES.get(type(layer), [])]
    wrong += [(TypeError, np.ma.masked_array(case.x)), (TypeError, case.x.astype(str))]
    if isinstance(layer, Relu | Sigmoid | Pooling):
        wrong.append((TypeError, case.x.astype(complex)))
    if not layer.input_gradient:
        for bad in (np.nan, np.inf):
            x = np.array(case.x)  # whose sum is NaN, without a warning
            x.flat[x.size // 4], x.flat[x.size // 2] = bad, -bad
            wrong.append((NonFiniteError, x))
    wrong = [(error, x, *case.arguments) for error, x in wrong]
    if isinstance(layer, SoftmaxWithLoss):
        wrong.append((ValueError, case.x, [0, 1, 2, 3]))
    for layer_now in (case.layer(), layer):  # one that never had a forward pass, too
        before = dict(vars(layer_now))
        for error, *arguments in wrong:
            with pytest.raises(error) as caught:
                layer_now.forward(*arguments)
            assert caught.value.__cause__ is caught.value.__context__ is None
            assert_unchanged(layer_now, before)
    assert_equal(case.backward(layer), expected[1:])


@EACH
def test_a_dout_that_is_no_derivative_of_the_output_is_refused(case):
    layer, shape = case.layer(), case.dout.shape
    expected = case.run(layer)
    before = dict(vars(layer))
    shapes = {(1, *shape), (*shape, 1), (*shape[:-1], 99), shape[1:], shape[::-1]}
    for wrong in (shapes | {(1,) * len(shape)}) - {shape}:
        with pytest.raises(ValueError, match=r"^dout must have shape"):
            layer.backward(np.zeros(wrong))
    for wrong in (np.ma.masked_array(case.dout), case.dout.astype(str)):
        with pytest.raises(TypeError, match=r"^dout"):
            layer.backward(wrong)
    assert_unchanged(layer, before)
    assert_equal(case.backward(layer), expected[1:])


@each(lambda case: hasattr(case.layer(), "jvp"))
def test_tangents_of_the_wrong_shape_are_refused(case):
    layer = case.layer()
    case.forward(layer)
    for name, tangents in case.tangents.items():
        for wrong in (tangents[0, 0], tangents[..., :1], tangents[:, :1]):
            with pytest.raises(ValueError, match=rf"^{name} must have shape \(\.\.\., "):
                layer.jvp(**{"dx": None, name: wrong})


def test_the_names_of_parameters():
    for case in CASES.values():
        assert param_names(case.layer()) == tuple(case.parameters)
    assert param_names(Layer()) == param_names(object()) == ()
    own = {"param_names": ["slope"], "W": 1}
    assert param_names(type("Own", (), own)()) == ("slope",)


def test_a_star_import_binds_what_that_of_the_books_module_does():
    namespace = {}
    exec("from common.layers import *", namespace)
    own = {type(case.layer()).__name__ for case in CASES.values()} - {"Scale"} | {"Layer"}
    assert namespace.keys() - {"__builtins__"} == {*own, *functions.__all__, "im2col", "col2im"}
