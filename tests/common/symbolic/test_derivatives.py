"""Each operation's value, gradient and second derivative: a row of a table for each.

All are compared with NumPy, with central differences in float64, and with HIPS autograd.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic.elementwise import ELEMENTWISE

few = settings(max_examples=8, deadline=None, database=None, derandomize=True)
many = settings(few, max_examples=120)
seeds = st.integers(0, 2**32 - 1)
lengths = st.integers(1, 3)


def shaped(*axes):
    """Return a strategy of shapes, given as letters: a letter has one length wherever it stands."""
    letters = sorted(set("".join(axes)))
    return st.tuples(*(lengths for _ in letters)).map(
        lambda ns: [tuple(dict(zip(letters, ns, strict=True))[a] for a in word) for word in axes]
    )


def broadcast(n):
    """Return a strategy of `n` shapes of up to three axes that can be broadcast to each other."""
    shapes = mutually_broadcastable_shapes(num_shapes=n, max_dims=3, max_side=3)
    return shapes.map(lambda drawn: drawn.input_shapes)


ONE = array_shapes(min_dims=0, max_dims=3, max_side=3).map(lambda shape: [shape])
WITH_AXES = array_shapes(min_dims=1, max_dims=3, max_side=3).map(lambda shape: [shape])
TWO, THREE = broadcast(2), broadcast(3)


def real(rng, *shapes):
    return [rng.normal(size=shape) for shape in shapes]


def positive(rng, *shapes):
    return [rng.uniform(0.5, 3, shape) for shape in shapes]


def nonzero(rng, *shapes):
    return [rng.uniform(0.5, 2, shape) * rng.choice([-1, 1], shape) for shape in shapes]


def angles(rng, *shapes):
    return [rng.uniform(-1.2, 1.2, shape) for shape in shapes]


def probabilities(rng, *shapes):
    return [rng.uniform(0.1, 0.9, shape) for shape in shapes]


def distinct(rng, *shapes):
    """Numbers at least 0.1 from each other and 0.025 from whole ones: no ties, kinks or jumps."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    numbers = 0.1 * (rng.permutation(sum(sizes)) - sum(sizes) // 2) + 0.025
    parts = np.split(numbers, np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def near_one(rng, *shapes):
    """Numbers by which 2.5, or less by whole numbers, isn't divisible: jumps are 0.3 away."""
    return [rng.uniform(0.95, 1.05, shape) * rng.choice([-1, 1], shape) for shape in shapes]


def not_multiples(rng, dividend, divisor):
    return [rng.integers(-3, 3, dividend) + 0.5, *near_one(rng, divisor)]


class Row(NamedTuple):
    name: str  # that of ELEMENTWISE, if it is one of those
    shapes: st.SearchStrategy
    domain: Callable
    symbolic: Callable
    numpy: Callable  # for autograd.numpy


def row(name, shapes, domain, symbolic, numpy=None):
    """Return a row of the table. Without `numpy` the same text means the same to autograd."""
    return Row(name, shapes, domain, symbolic, numpy or symbolic)


def softmax(x):
    e = anp.exp(x - anp.max(x, axis=-1, keepdims=True))
    return e / anp.sum(e, axis=-1, keepdims=True)


def log_softmax(x):
    x = x - anp.max(x, axis=-1, keepdims=True)
    return x - anp.log(anp.sum(anp.exp(x), axis=-1, keepdims=True))


ARITHMETIC = [
    row("add", TWO, real, lambda a, b: a + b),
    row("sub", TWO, real, lambda a, b: a - b),
    row("mul", TWO, real, lambda a, b: a * b),
    row("true_div", TWO, nonzero, lambda a, b: a / b),
    row("int_div", TWO, not_multiples, lambda a, b: a // b, anp.floor_divide),
    row("mod", TWO, not_multiples, lambda a, b: a % b),
    row("pow", TWO, positive, lambda a, b: a**b),
    row("neg", ONE, real, lambda x: -x),
    row("abs", ONE, nonzero, abs, anp.abs),
    row("sgn", ONE, nonzero, T.sgn, anp.sign),
    row("sqr", ONE, real, T.sqr, anp.square),
    row("sqrt", ONE, positive, T.sqrt, anp.sqrt),
    row("floor", ONE, distinct, T.floor, anp.floor),
    row("ceil", ONE, distinct, T.ceil, anp.ceil),
    row("number + x", ONE, real, lambda x: 2 + x),
    row("number - x", ONE, real, lambda x: 2.5 - x),
    row("number * x", ONE, real, lambda x: -3 * x),
    row("number / x", ONE, nonzero, lambda x: 2 / x),
    row("number // x", ONE, near_one, lambda x: 2.5 // x, lambda x: anp.floor_divide(2.5, x)),
    row("number % x", ONE, near_one, lambda x: 2.5 % x, lambda x: anp.mod(2.5, x)),
    row("number ** x", ONE, real, lambda x: 2**x),
    row("x - number", ONE, real, lambda x: x - 1),
    row("x / number", ONE, real, lambda x: x / 3),
    row("x % number", ONE, distinct, lambda x: x % 1),
    *(
        row(f"x ** {n}", ONE, nonzero, lambda x, n=n: x**n)
        for n in (0, 1, 2, 3, 4, -1, -2, np.array(2.0))
    ),
    *(row(f"x ** {n}", ONE, positive, lambda x, n=n: x**n) for n in (0.5, -1.5, np.array(2.5))),
]
TRANSCENDENTAL = [
    row("exp", ONE, real, T.exp, anp.exp),
    row("expm1", ONE, real, T.expm1, anp.expm1),
    row("log", ONE, positive, T.log, anp.log),
    row("log1p", ONE, positive, T.log1p, anp.log1p),
    row("log2", ONE, positive, T.log2, anp.log2),
    row("log10", ONE, positive, T.log10, anp.log10),
    row("sin", ONE, real, T.sin, anp.sin),
    row("cos", ONE, real, T.cos, anp.cos),
    row("tan", ONE, angles, T.tan, anp.tan),
    row("tanh", ONE, real, T.tanh, anp.tanh),
]
CHOICES = [
    row("maximum", TWO, distinct, T.maximum, anp.maximum),
    row("minimum", TWO, distinct, T.minimum, anp.minimum),
    row(
        *("switch", THREE, distinct),
        lambda c, a, b: T.switch(c > 0, a, b),
        lambda c, a, b: (c > 0) * a + (c <= 0) * b,  # autograd's where doesn't broadcast
    ),
    row(
        *("switch to a number", ONE, distinct),
        lambda x: T.switch(x > 0, x**3, -1),
        lambda x: anp.where(x > 0, x**3, -1),
    ),
    row(
        *("clip", THREE, distinct, T.clip),
        lambda x, low, high: anp.minimum(anp.maximum(x, low), high),
    ),
    row(
        *("clip to numbers", ONE, distinct),
        lambda x: x.clip(-0.2, 0.3) * x,
        lambda x: anp.clip(x, -0.2, 0.3) * x,
    ),
]
LINEAR = [
    *(
        row(f"dot {a or '()'} {b or '()'}", shaped(a, b), real, T.dot, anp.dot)
        for a, b in (
            *(("k", "k"), ("k", "km"), ("nk", "k"), ("nk", "km")),
            *(("", "k"), ("nk", ""), ("", ""), ("", "nkm"), ("nkm", "")),
        )
    ),
    row("x @ y", shaped("nk", "km"), real, lambda a, b: a @ b),
    row("x.dot", shaped("nk", "k"), real, lambda a, b: a.dot(b), anp.dot),
    row("x @ x.T", shaped("nk"), real, lambda x: x @ x.T),
    row("x @ x", shaped("k"), real, lambda x: x @ x),
    row("outer", shaped("n", "m"), real, T.outer, anp.outer),
]
SHAPES = [
    row("reshape to one axis", ONE, real, lambda x: x.reshape((-1,))),
    row("reshape by lengths", shaped("nkm"), real, lambda x: x.reshape((x.shape[1], -1))),
    row("reshape adds axes", shaped("n"), real, lambda x: x.reshape((1, x.shape[0], 1))),
    row("reshape to a number", shaped(""), real, lambda x: x.reshape(())),
    row(
        *("reshape to a shape", shaped("nk", "kn"), real),
        lambda x, y: T.reshape(x, y.shape) * y,
        lambda x, y: anp.reshape(x, y.shape) * y,
    ),
    row("flatten", ONE, real, lambda x: x.flatten(), lambda x: x.reshape((-1,))),
    row(
        *("flatten to two axes", shaped("nkm"), real, lambda x: T.flatten(x, 2)),
        lambda x: anp.reshape(x, (x.shape[0], -1)),
    ),
    row(".T", ONE, real, lambda x: x.T),
    row("transpose", ONE, real, T.transpose, anp.transpose),
    row(
        *("transpose 2 0 1", shaped("nkm"), real, lambda x: x.transpose(2, 0, 1)),
        lambda x: anp.transpose(x, (2, 0, 1)),
    ),
    row("transpose to and fro", shaped("nkm"), real, lambda x: x.transpose((1, 0, 2)).T.T),
    *(
        row(
            *(f"concatenate {' '.join(words)} axis {axis}", shaped(*words), real),
            lambda *xs, axis=axis: T.concatenate(xs, axis),
            lambda *xs, axis=axis: anp.concatenate(xs, axis),
        )
        for words, axis in (
            *((("n",), 0), (("n", "m"), 0), (("n", "m", "n"), -1)),
            *((("nk", "mk"), 0), (("kn", "km", "kl"), 1), (("kmn", "kln"), -2)),
        )
    ),
    row(
        *("concatenate x x", shaped("nk"), real, lambda x: T.concatenate([x, x**2, x])),
        lambda x: anp.concatenate([x, x**2, x]),
    ),
    row("cast", ONE, real, lambda x: T.cast(x, "float64"), lambda x: x),
]
NETWORKS = [
    row("sigmoid", ONE, real, T.nnet.sigmoid, lambda x: 1 / (1 + anp.exp(-x))),
    row("softplus", ONE, real, T.nnet.softplus, lambda x: anp.log(1 + anp.exp(x))),
    row("relu", ONE, distinct, T.nnet.relu, lambda x: anp.maximum(x, 0)),
    row(
        *("relu with a slope", TWO, distinct, T.nnet.relu),
        lambda x, a: (x > 0) * x + (x <= 0) * a * x,
    ),
    row(
        *("relu with the slope 0.1", ONE, distinct, lambda x: T.nnet.relu(x, 0.1)),
        lambda x: anp.where(x > 0, x, 0.1 * x),
    ),
    row("softmax", WITH_AXES, real, T.nnet.softmax, softmax),
    row("log_softmax", WITH_AXES, real, T.nnet.log_softmax, log_softmax),
    row("log of softmax", WITH_AXES, real, lambda x: T.log(T.nnet.softmax(x)), log_softmax),
    row(
        *("binary_crossentropy", TWO, probabilities, T.nnet.binary_crossentropy),
        lambda y, t: -t * anp.log(y) - (1 - t) * anp.log(1 - y),
    ),
    row(
        *("categorical_crossentropy", shaped("nk", "nk"), probabilities),
        T.nnet.categorical_crossentropy,
        lambda y, t: -anp.sum(t * anp.log(y), axis=1),
    ),
    row(
        *("categorical_crossentropy 3-d", shaped("nkm", "nkm"), probabilities),
        T.nnet.categorical_crossentropy,
        lambda y, t: -anp.sum(t * anp.log(y), axis=-1),
    ),
    row(
        *("categorical_crossentropy of labels", shaped("nk"), probabilities),
        lambda y: T.nnet.categorical_crossentropy(y, T.arange(y.shape[0]) % y.shape[1]),
        lambda y: -anp.log(y[np.arange(len(y)), np.arange(len(y)) % y.shape[1]]),
    ),
]
TABLE = [*ARITHMETIC, *TRANSCENDENTAL, *CHOICES, *LINEAR, *SHAPES, *NETWORKS]


def variable(rng, value):
    """Return a variable for `value`. Of some axes of length 1 it doesn't know that they are."""
    known = [n == 1 and rng.random() < 0.5 for n in value.shape]
    return T.TensorType(value.dtype, known)()


def weighted_sum(weights, ys):
    return sum(anp.sum(w * y) for w, y in zip(weights, ys, strict=True))


def assert_lengths(variables, arrays):
    """Compare what is known of lengths: numbers, and which of them are equal."""
    known = {}
    for x, array in zip(variables, arrays, strict=True):
        assert x.ndim == array.ndim
        for length, n in zip(x.lengths, array.shape, strict=True):
            assert (length if isinstance(length, int) else known.setdefault(length, n)) == n


def check(ref, rng, symbolic, numpy, values):
    """Compare value, gradient and second derivative of an operation with all references."""
    xs = [variable(rng, value) for value in values]
    y = symbolic(*xs)
    expected = numpy(*values)
    weight, *seconds = (rng.normal(size=np.shape(a)) for a in (expected, *values))
    w, *rs = (variable(rng, a) for a in (weight, *seconds))
    gradients = T.grad(T.sum(w * y), xs, disconnected_inputs="ignore")
    along = sum(T.sum(r * g) for r, g in zip(rs, gradients, strict=True))
    again = T.grad(along, xs, disconnected_inputs="ignore")
    for x, g, gg in zip(xs, gradients, again, strict=True):
        assert g.dtype == gg.dtype == x.dtype
        assert g.ndim == gg.ndim == x.ndim
    outputs = [y, *gradients, *again]
    f = theano.function([*xs, w, *rs], outputs, on_unused_input="ignore")

    def value(*xs):
        return np.sum(weight * f(*xs, weight, *seconds)[0])

    def gradient_along(*xs):
        gradients = f(*xs, weight, *seconds)[1 : len(values) + 1]
        return sum(np.sum(r * g) for r, g in zip(seconds, gradients, strict=True))

    result, *results = f(*values, weight, *seconds)
    ref.assert_close(result, expected, 1e-13)
    first, second = results[: len(values)], results[len(values) :]
    assert all(g.dtype == x.dtype for g, x in zip(results, [*values, *values], strict=True))
    assert_lengths([*xs, *outputs], [*values, result, *results])

    gradients = ref.autograd_gradients(lambda *xs: anp.sum(weight * numpy(*xs)))
    along = ref.autograd_gradients(
        lambda *xs: sum(anp.sum(r * g) for r, g in zip(seconds, gradients(*xs), strict=True))
    )
    for g, e in zip(results, [*gradients(*values), *along(*values)], strict=True):
        ref.assert_close(g, e, 1e-10, scale=1)

    direction = [rng.uniform(-1, 1, np.shape(x)) for x in values]
    for derivatives, number in ((first, value), (second, gradient_along)):
        products = [g * d for g, d in zip(derivatives, direction, strict=True)]
        scale = 1 + sum(np.abs(p).sum() for p in products)
        difference = ref.central_difference(number, values, direction)
        ref.assert_close(sum(p.sum() for p in products), difference, 1e-6, scale)


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
@given(data=st.data(), seed=seeds)
@few
def test_value_and_derivatives(ref, row, data, seed):
    rng = np.random.default_rng(seed)
    values = row.domain(rng, *data.draw(row.shapes))
    check(ref, rng, row.symbolic, row.numpy, values)


# Sums and extrema, over every choice of axes.

REDUCTIONS = {
    "sum": (T.sum, anp.sum, real),
    "mean": (T.mean, anp.mean, real),
    "var": (T.var, anp.var, real),
    "std": (T.std, anp.std, real),
    "max": (T.max, anp.max, distinct),
    "min": (T.min, anp.min, distinct),
}


def choices_of_axes(ndim):
    numbers = range(-ndim, ndim)
    several = (c for n in range(1, ndim + 1) for c in itertools.combinations(range(ndim), n))
    return [None, *numbers, *several]


@pytest.mark.parametrize("keepdims", [False, True], ids=["", "keepdims"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1), (2, 3, 2)], ids=str)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_over_all_axes(ref, name, shape, keepdims):
    symbolic, numpy, domain = REDUCTIONS[name]
    rng = np.random.default_rng(0)
    for axis in choices_of_axes(len(shape)):
        if name == "std" and np.var(np.ones(shape) * rng.random(shape), axis=axis).min() == 0:
            continue  # one number's deviation is 0, where the square root has no derivative
        check(
            *(ref, rng),
            lambda x, axis=axis: symbolic(x, axis=axis, keepdims=keepdims),
            lambda x, axis=axis: numpy(x, axis=axis, keepdims=keepdims),
            domain(rng, shape),
        )


@pytest.mark.parametrize("axis", [(0, 0), (1, -1)], ids=str)
def test_axes_named_twice_are_an_error_as_in_numpy(axis):
    with pytest.raises(ValueError, match="twice"):
        T.sum(T.dmatrix(), axis=axis)


@pytest.mark.parametrize("name", [*REDUCTIONS, "argmax", "argmin"])
def test_reductions_are_methods_too(name):
    x = np.random.default_rng(0).normal(size=(3, 4))
    v = T.dmatrix()
    y = getattr(v, name)(axis=1)
    np.testing.assert_allclose(theano.function([v], y)(x), getattr(x, name)(axis=1), rtol=1e-14)


@pytest.mark.parametrize("keepdims", [False, True], ids=["", "keepdims"])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 2)], ids=str)
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_arg_extrema_over_all_axes(name, shape, keepdims):
    x = np.random.default_rng(0).integers(0, 3, shape).astype(float)  # with equals
    for axis in range(-len(shape), len(shape)):
        v = variable(np.random.default_rng(0), x)
        y = getattr(T, name)(v, axis=axis, keepdims=keepdims)
        dv = T.grad(T.sum(0.5 * y), v)
        result, gradient = theano.function([v], [y, dv])(x)
        expected = getattr(np, name)(x, axis=axis, keepdims=keepdims)
        np.testing.assert_array_equal(result, expected)
        np.testing.assert_array_equal(gradient, np.zeros(shape))


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_arg_extrema_without_an_axis_count_through_all_entries(name):
    x = np.random.default_rng(0).normal(size=(2, 3))
    v = T.dmatrix()
    assert theano.function([v], getattr(T, name)(v))(x) == getattr(np, name)(x)


# Indices.

INDICES = [
    *(np.s_[0], np.s_[-1], np.s_[1:], np.s_[:-1], np.s_[::-1], np.s_[2:0:-1], np.s_[9:]),
    *(np.s_[::2, 1::2], np.s_[-3:-1, ::-2, 1:], np.s_[...], np.s_[:, 1], np.s_[1, 2, 0]),
    *(np.s_[None], np.s_[:, None, 1], np.s_[..., 0], np.s_[0, ..., None], np.s_[..., None]),
    *(np.s_[[0, 2]], np.s_[[0, 2, 0]], np.s_[[-1, 2]], np.s_[[[0, 1], [2, 0]]]),
    *(np.s_[[0, 1, 0], [1, 3, 1]], np.s_[[0, 1], [[1], [1]]], np.s_[:, [0, 0, 3]]),
    *(np.s_[..., [1, 1, 0]], np.s_[::-1, [3, 0]], np.s_[[2, 2], ::2], np.s_[[0], None, [1]]),
    # An array and a number, or two arrays, with a slice between them: their axes come first.
    *(np.s_[[0, 1], :, [1, 0]], np.s_[0, :, [1, 0]], np.s_[[2, 0], :, 1], np.s_[:, 0, [1, 1]]),
    *(np.s_[0, [1, 1]], np.s_[:, None, [0, 0], 1], np.s_[:, 1, None, [0, 0]]),
]


def symbolic_key(key, kinds):
    """Return `key` with what `kinds` gives another dtype than None made a shared variable."""

    def part(p):
        if isinstance(p, slice):
            return slice(part(p.start), part(p.stop), part(p.step))
        if p is None or p is Ellipsis:
            return p
        dtype = next(kinds)
        return p if dtype is None else theano.shared(np.array(p, dtype))

    return tuple(map(part, key)) if isinstance(key, tuple) else part(key)


def check_index(ref, rng, shape, key, kinds):
    variables = symbolic_key(key, kinds)

    def part(x):  # autograd can't index a number
        return x[key] if shape else anp.reshape(x, np.zeros(())[key].shape)

    check(  # the sine so that there is a second derivative, the sum so that gradients add up
        *(ref, rng),
        lambda x: T.sin(x[variables]) * T.sum(x**2),
        lambda x: anp.sin(part(x)) * anp.sum(x**2),
        [rng.normal(size=shape)],
    )


@pytest.mark.parametrize("dtype", [None, "int64", "int8"], ids=["constant", "int64", "int8"])
@pytest.mark.parametrize("key", INDICES, ids=str)
def test_indices(ref, key, dtype):
    check_index(ref, np.random.default_rng(0), (3, 4, 2), key, itertools.repeat(dtype))


@st.composite
def keys(draw, shape):
    """Return an index of an array of this shape: numbers, slices, arrays, None, an ellipsis."""
    n = draw(st.integers(0, len(shape)))
    first = draw(st.integers(0, n))
    ellipsis = draw(st.booleans())
    lengths = [*shape[:first], *shape[len(shape) - n + first :]] if ellipsis else shape[:n]
    common = draw(st.sampled_from([(2,), (3,), (1,), (2, 3)]))
    parts = []
    for length in lengths:
        array_shape = common[draw(st.integers(0, len(common) - 1)) :]
        array_shape = tuple(draw(st.sampled_from([1, m])) for m in array_shape)
        numbers = st.integers(-length, length - 1)
        size = int(np.prod(array_shape))
        arrays = st.lists(numbers, min_size=size, max_size=size).map(
            lambda ns, s=array_shape: np.reshape(ns, s)
        )
        parts.append(draw(st.one_of(st.slices(length), numbers, arrays)))
    if ellipsis:
        parts.insert(first, ...)
    for _ in range(draw(st.integers(0, 2))):
        parts.insert(draw(st.integers(0, len(parts))), None)
    return tuple(parts)


@given(data=st.data(), seed=seeds)
@many
def test_random_indices(ref, data, seed):
    rng = np.random.default_rng(seed)
    [shape] = data.draw(ONE)
    key = data.draw(keys(shape))
    kinds = (rng.choice([None, "int64", "int32", "int8"]) for _ in itertools.count())
    check_index(ref, rng, shape, key, kinds)


@pytest.mark.parametrize("key", [None, ..., (None, ..., None), ()], ids=str)
def test_indices_of_a_number(ref, key):
    check_index(ref, np.random.default_rng(0), (), key, iter(()))


def test_ellipsis_without_axes_separates_arrays():
    """As in NumPy, which puts the axes of separated arrays first."""
    x, rows, columns = np.zeros((2, 3, 4)), np.array([0, 1, 1]), np.array([1, 2, 0])
    v = T.dtensor3()
    result = theano.function([v], v[:, rows, ..., columns])(x)
    assert result.shape == x[:, rows, ..., columns].shape == (3, 2)


ROWS_BY_ARANGE = {
    "a label for each row": lambda p, t: p[T.arange(t.shape[0]), t],
    "counted by p": lambda p, t: p[T.arange(p.shape[0]), t],
    "of the last axis too": lambda p, t: p[T.arange(t.shape[0]), t][::2],
}


@pytest.mark.parametrize("repeated", [[0, 1, 0], [2, 2, 2]], ids=str)
@pytest.mark.parametrize("name", ROWS_BY_ARANGE)
def test_one_entry_of_each_row(ref, name, repeated):
    index = ROWS_BY_ARANGE[name]
    labels = theano.shared(np.array(repeated))
    rows = np.arange(3)
    check(
        *(ref, np.random.default_rng(0)),
        lambda p: T.sin(index(p, labels)),
        lambda p: anp.sin(p[rows, np.array(repeated)][:: 2 if "axis" in name else 1]),
        [np.random.default_rng(0).normal(size=(3, 4))],
    )


@pytest.mark.parametrize(
    ("n", "labels"), [(1, [0, 0]), (3, [[0, 1, 2], [0, 1, 2]])], ids=["one row", "two labels each"]
)
def test_places_named_twice_beside_an_arange(ref, n, labels):
    t = theano.shared(np.array(labels))
    check(
        *(ref, np.random.default_rng(0)),
        lambda p: T.sin(p[T.arange(p.shape[0]), t]),
        lambda p: anp.sin(p[np.arange(n), np.array(labels)]),
        [np.random.default_rng(0).normal(size=(n, 3))],
    )


@pytest.mark.parametrize("stop", [0, 2, 3])
def test_arange_as_index_takes_the_first_ones(ref, stop):
    n = theano.shared(stop)
    check(
        *(ref, np.random.default_rng(0)),
        lambda x: T.sin(x[T.arange(n)]),
        lambda x: anp.sin(x[np.arange(stop)]),
        [np.random.default_rng(0).normal(size=3)],
    )


def test_arange_below_a_negative_number_takes_nothing():
    x, n = T.dvector(), T.lscalar()
    assert theano.function([x, n], x[T.arange(n)])(np.ones(3), -1).shape == (0,)


def test_arange_beyond_the_end_is_an_error():
    x, n = T.dvector(), T.lscalar()
    with pytest.raises(IndexError, match="out of bounds"):
        theano.function([x, n], x[T.arange(n)])(np.ones(3), 5)


@pytest.mark.parametrize("args", [(5,), (0,), (-2,), (2, 7), (1, 8, 3), (5, 0, -2)], ids=str)
def test_arange(args):
    by_numbers = theano.function([], T.arange(*args))()
    numbers = [T.lscalar() for _ in args]
    by_variables = theano.function(numbers, T.arange(*numbers))(*args)
    np.testing.assert_array_equal(by_numbers, np.arange(*args))
    np.testing.assert_array_equal(by_variables, np.arange(*args))


# What has no derivative, or none of one kind.

COMPARISONS = {
    "lt": (T.lt, np.less),
    "le": (T.le, np.less_equal),
    "gt": (T.gt, np.greater),
    "ge": (T.ge, np.greater_equal),
    "eq": (T.eq, np.equal),
    "neq": (T.neq, np.not_equal),
    "and_": (T.and_, np.logical_and),
    "or_": (T.or_, np.logical_or),
}


@pytest.mark.parametrize("shapes", [((9,), (9,)), ((3, 1), (4,)), ((), (2,))], ids=str)
@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons(name, shapes):
    symbolic, numpy = COMPARISONS[name]
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 3, shape).astype(float) for shape in shapes)
    x, y = variable(rng, a), variable(rng, b)
    z = symbolic(x, y)
    dx = T.grad(T.sum(z * (x + y)), x)  # the truth is a constant factor
    result, gradient = theano.function([x, y], [z, dx])(a, b)
    expected = numpy(a, b)
    assert result.dtype == bool
    np.testing.assert_array_equal(result, expected)
    spread = expected.sum(axis=tuple(range(expected.ndim - a.ndim)))
    kept = tuple(axis for axis, n in enumerate(a.shape) if n == 1)
    np.testing.assert_array_equal(gradient, spread.sum(axis=kept, keepdims=True))


def test_not():
    x = T.dvector()
    f = theano.function([x], [T.invert(x > 0), ~(x > 0)])
    for result in f([-1.0, 0.0, 2.0]):
        np.testing.assert_array_equal(result, [True, True, False])


def test_each_elementwise_operation_is_tested_above():
    """An operation with a derivative that is added needs a row in the table, under its name."""
    rows = {row.name for row in TABLE}
    smooth = {name for name, operation in ELEMENTWISE.items() if operation.smooth}
    assert smooth - rows == set()
    assert set(ELEMENTWISE) - rows - set(COMPARISONS) == {"not_"}


@pytest.mark.parametrize("row", [r for r in TABLE if r.name in ELEMENTWISE], ids=lambda r: r.name)
def test_rows_are_made_by_the_operation_of_their_name(row):
    operation = ELEMENTWISE[row.name]
    assert row.symbolic(*T.dscalars(operation.n_inputs)).operation is operation


CONSTANTS = {
    "zeros_like": (lambda x: T.zeros_like(x) + 0 * x, np.zeros_like),
    "ones_like": (lambda x: T.ones_like(x) + 0 * x, np.ones_like),
    "floor": (T.floor, np.floor),
    "cast to int": (lambda x: T.cast(x, "int32"), lambda x: x.astype(np.int32)),
    "shape": (lambda x: x.shape[0] + 0 * x, lambda x: x.shape[0] + 0 * x),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_have_a_gradient_of_0(name):
    symbolic, numpy = CONSTANTS[name]
    x = np.random.default_rng(0).normal(5, 9, (2, 3))
    v = T.dmatrix()
    y = symbolic(v)
    result, gradient = theano.function([v], [y, T.grad(T.sum(0.5 * y), v)])(x)
    np.testing.assert_array_equal(result, numpy(x))
    np.testing.assert_array_equal(gradient, np.zeros((2, 3)))
    assert gradient.dtype == np.float64


@pytest.mark.parametrize(
    "constant", [T.zeros_like, T.ones_like, lambda x: T.arange(x.shape[0]), lambda x: x.shape]
)
def test_costs_are_disconnected_from_what_gives_only_its_shape(constant):
    x = T.dvector()
    with pytest.raises(theano.DisconnectedInputError):
        T.grad(T.sum(0.5 * constant(x)), x)


# Ties: central differences halve between the derivatives of both sides.

TIES = {
    "maximum": (lambda x: T.maximum(x[0], x[1]), [2.0, 2.0]),
    "maximum with a number": (lambda x: T.maximum(x, 0).sum(), [0.0, 1.0, -1.0]),
    "minimum": (lambda x: T.minimum(x[0], x[1]), [2.0, 2.0]),
    "minimum that spreads": (lambda x: T.minimum(x[0], x).sum(), [2.0, 2.0, 1.0, 3.0]),
    "max": (lambda x: x.max(), [1.0, 3.0, 2.0, 3.0]),
    "min": (lambda x: x.min(), [1.0, 3.0, 1.0]),
    "max over an axis": (lambda x: x.reshape((2, 2)).max(axis=0).sum(), [1.0, 2, 1, 3]),
    "clip": (lambda x: x.clip(-1, 2).sum(), [-1.0, 2.0, 0.5, 5.0]),
    "abs": (lambda x: abs(x).sum(), [0.0, -1.0, 1.0]),
}


@pytest.mark.parametrize("name", TIES)
def test_ties_agree_with_central_differences(ref, name):
    symbolic, x = TIES[name]
    x = np.array(x)
    v = T.dvector()
    cost = symbolic(v)
    cost, gradient = theano.function([v], cost), theano.function([v], T.grad(cost, v))
    differences = [ref.central_difference(cost, [x], [e]) for e in np.eye(len(x))]
    ref.assert_close(gradient(x), differences, 1e-10)


@pytest.mark.parametrize("extremum", [T.max, T.min], ids=["max", "min"])
def test_several_equals_share_the_gradient(extremum):
    x = T.dmatrix()
    gradient = theano.function([x], T.grad(extremum(x, axis=1).sum(), x))
    expected = [[1 / 3, 1 / 3, 1 / 3], [1, 0, 0]]
    sign = 1 if extremum is T.max else -1
    np.testing.assert_allclose(gradient(sign * np.array([[1.0, 1, 1], [3, 1, 2]])), expected)


SPECIAL_POINTS = {
    "0 ** 0 by the base": (lambda a, b: a**b, (0, 0), (0, 0)),
    "0 ** 1": (lambda a, b: a**b, (0, 1), (1, 0)),
    "0 ** 2": (lambda a, b: a**b, (0, 2), (0, 0)),
    "(-2) ** 3": (lambda a, b: a**b, (-2, 3), (12, 0)),
    "0 ** number 0": (lambda a, b: a**0 + b, (0, 0), (0, 1)),
    "0 ** number 1": (lambda a, b: a**1 + b, (0, 0), (1, 1)),
    "relu of 0": (lambda a, b: T.nnet.relu(a) + b, (0, 0), (0, 1)),
    "relu with a slope of 0": (lambda a, b: T.nnet.relu(a, 0.1) + b, (0, 0), (0.1, 1)),
}


@pytest.mark.parametrize("name", SPECIAL_POINTS)
def test_gradients_at_special_points(name):
    symbolic, point, expected = SPECIAL_POINTS[name]
    a, b = T.dscalars("a", "b")
    gradient = theano.function([a, b], T.grad(symbolic(a, b), [a, b]), on_unused_input="ignore")
    np.testing.assert_array_equal(gradient(*point), expected)


# Arrays without entries.


@pytest.mark.parametrize("row", [r for r in TABLE if r.shapes in (ONE, TWO)], ids=lambda r: r.name)
def test_arrays_without_entries(ref, row):
    rng = np.random.default_rng(0)
    shapes = [(2, 0)] if row.shapes is ONE else [(2, 0), (2, 1)]
    check(ref, rng, row.symbolic, row.numpy, row.domain(rng, *shapes))
