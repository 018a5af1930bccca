"""The VJP of every operation: first and second derivatives, along random directions.

Shapes and dtypes are drawn. Values and derivatives are compared with HIPS autograd, and in float64
with central differences.
"""

import itertools

import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic.elementwise import ELEMENTWISE

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=10, deadline=None, database=None, derandomize=True)
many = settings(few, max_examples=100)
ONE = array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3).map(lambda shape: [shape])
DTYPES = [np.float64, np.float64, np.float32]


def broadcast(n):
    shapes = mutually_broadcastable_shapes(num_shapes=n, max_dims=3, min_side=0, max_side=3)
    return shapes.map(lambda drawn: drawn.input_shapes)


def shaped(*words, least=1):
    """Return a strategy of shapes, in letters: one letter is one size wherever it stands."""
    letters = sorted(set("".join(words)))
    return st.tuples(*(st.integers(least, 3) for _ in letters)).map(
        lambda ns: [tuple(dict(zip(letters, ns, strict=True))[a] for a in word) for word in words]
    )


def real(rng, *shapes):
    return [rng.normal(size=shape) for shape in shapes]


def between(low, high):
    return lambda rng, *shapes: [rng.uniform(low, high, shape) for shape in shapes]


def distinct(rng, *shapes):
    """Return numbers 0.1 apart and 0.025 from integers and halves: no ties, kinks or jumps."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    numbers = 0.1 * (rng.permutation(sum(sizes)) - sum(sizes) // 2) + 0.025
    parts = np.split(numbers, np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def not_multiples(rng, dividend, divisor):
    sign = rng.choice([-1, 1], divisor)
    return [rng.integers(-3, 3, dividend) + 0.5, rng.uniform(0.95, 1.05, divisor) * sign]


def with_zeros(rng, *shapes):
    return [rng.normal(size=shape) * rng.integers(0, 2, shape) for shape in shapes]


def variable(value, known=True):
    return T.TensorType(value.dtype, [known and n == 1 for n in value.shape])()


def close(ref, actual, expected, tolerance):
    for a, e in zip(actual, expected, strict=True):
        ref.assert_close(a, e, tolerance, scale=1)


def check(ref, rng, symbolic, numpy, values, known=True):
    """Compare value, gradient and second derivative along a direction with all references."""
    xs = [variable(v, known) for v in values]
    y = symbolic(*xs)
    doubles = [v.astype(np.float64) for v in values]
    expected = numpy(*doubles)
    weight, *directions = (rng.normal(size=np.shape(a)) for a in (expected, *values))
    first = T.grad(T.sum(weight * y), xs, disconnected_inputs="ignore")
    along = sum(T.sum(d * g) for d, g in zip(directions, first, strict=True))
    second = T.grad(along, xs, disconnected_inputs="ignore")
    f = theano.function(xs, [y, *first, *second], on_unused_input="ignore")
    results = f(*values)
    assert [r.dtype for r in results] == [y.dtype, *(x.dtype for x in [*xs, *xs])]
    double = all(v.dtype == np.float64 for v in values)
    ref.assert_close(results[0], expected, 1e-12 if double else 1e-5, scale=1)

    gradients = ref.autograd_gradients(lambda *xs: anp.sum(weight * numpy(*xs)))
    slope = ref.autograd_gradients(
        lambda *xs: sum(anp.sum(d * g) for d, g in zip(directions, gradients(*xs), strict=True))
    )
    close(ref, results[1:], [*gradients(*doubles), *slope(*doubles)], 1e-9 if double else 1e-4)
    if not double:
        return
    n = len(values)
    for order, gs in ((0, results[1 : n + 1]), (1, results[n + 1 :])):

        def number(*xs, order=order):
            if order == 0:
                return np.sum(weight * f(*xs)[0])
            return sum(np.sum(d * g) for d, g in zip(directions, f(*xs)[1:], strict=False))

        products = [g * d for g, d in zip(gs, directions, strict=True)]
        scale = 1 + sum(np.abs(p).sum() for p in products)
        difference = ref.central_difference(number, values, directions, h=3e-4)
        ref.assert_close(sum(p.sum() for p in products), difference, 1e-6, scale)


# Elementwise operations. autograd evaluates their own programs, with derivatives of its own.

DOMAINS = {
    **dict.fromkeys(("log", "log1p", "log2", "log10", "sqrt", "inv", "pow"), between(0.5, 3)),
    **dict.fromkeys(("arcsin", "arccos", "tan"), between(-0.9, 0.9)),
    **dict.fromkeys(("maximum", "minimum", "switch", "relu", "abs", "sgn"), distinct),
    **dict.fromkeys(("floor", "ceil", "round"), distinct),
    **dict.fromkeys(("int_div", "mod"), not_multiples),
    "true_div": between(0.5, 2),
}
SPACE = {
    "np": anp,
    "sigmoid": lambda x: 1 / (1 + anp.exp(-x)),
    "zero_or_product": lambda g, f: g * f,
    "switch": lambda c, a, b: (c != 0) * a + (c == 0) * b,  # autograd's where doesn't broadcast
}
LOGIC = {"and_", "or_", "xor", "invert"}
NAMES = [name for name, f in ELEMENTWISE.items() if not f.is_comparison and name not in LOGIC]


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), seed=seeds)
@few
def test_elementwise(ref, name, data, seed):
    operation, rng = ELEMENTWISE[name], np.random.default_rng(seed)
    shapes = data.draw(broadcast(operation.n_inputs))
    values = DOMAINS.get(name, real)(rng, *shapes)
    names = [f"x{i}" for i in range(len(values))]
    program = {"int_div": "np.floor_divide({0}, {1})", "switch": "switch({0}, {1}, {2})"}.get(
        name, operation.program
    )
    code = f"lambda {', '.join(names)}: {program.format(*names)}"
    values = [v.astype(rng.choice(DTYPES)) for v in values]
    check(ref, rng, operation, eval(code, SPACE), values)


# Other operations: name, shapes, domain, and what it is here and in autograd (if that differs).


def softmax(x):
    e = anp.exp(x - anp.max(x, axis=-1, keepdims=True))
    return e / anp.sum(e, axis=-1, keepdims=True)


def set_rows(x, y, add):
    last = np.arange(len(x)) == len(x) - 1
    return anp.where(last[:, None], x * add + y, x)


def diagonal(x):
    places = np.arange(min(x.shape))
    return x[places, places]


NUMBERS = [
    ("2 + x", real, lambda x: 2 + x),
    ("2.5 - x", real, lambda x: 2.5 - x),
    ("-3 * x", real, lambda x: -3 * x),
    ("2 / x", between(0.5, 2), lambda x: 2 / x),
    ("2 ** x", real, lambda x: 2**x),
    ("x / 3", real, lambda x: x / 3),
    ("x % 1", distinct, lambda x: x % 1),
    *((f"x ** {n}", between(-2, -0.5), lambda x, n=n: x**n) for n in (0, 1, 2, 3, -1, -2)),
    *((f"x ** {n}", between(0.5, 2), lambda x, n=n: x**n) for n in (0.5, -1.5, np.array(2.5))),
    ("clip", distinct, lambda x: T.clip(x, -0.2, 0.3) * x, lambda x: anp.clip(x, -0.2, 0.3) * x),
    ("switch", distinct, lambda x: T.switch(x > 0, x**3, -1), lambda x: anp.where(x > 0, x**3, -1)),
    ("leaky relu", distinct, lambda x: T.nnet.relu(x, 0.1), lambda x: anp.where(x > 0, x, 0.1 * x)),
    ("flatten", real, lambda x: x.flatten(), lambda x: x.reshape((-1,))),
    (".T", real, lambda x: x.T**2),
    ("copy", real, lambda x: x.copy() ** 2, lambda x: x**2),
    ("fill", real, lambda x: T.fill(x, T.sum(x) ** 2), lambda x: anp.sum(x) ** 2 + 0 * x),
]
LINEAR = [
    *((a, b, T.dot, anp.dot) for a, b in itertools.product(("", "k", "nk"), ("", "k", "km"))),
    *(("nkm", b, T.dot, anp.dot) for b in ("", "m", "mk", "nmk")),
    ("nk", "km", lambda a, b: a @ b),
    ("n", "m", T.outer, anp.outer),
    ("nk", "mk", lambda a, b: T.tensordot(a, b, [[1], [1]]), lambda a, b: a @ b.T),
    ("nkm", "kmn", lambda a, b: T.tensordot(a, b, 2), lambda a, b: anp.tensordot(a, b, 2)),
    ("bnk", "bkm", T.batched_dot, lambda a, b: anp.einsum("bnk,bkm->bnm", a, b)),
    ("bk", "bk", T.batched_dot, lambda a, b: anp.sum(a * b, axis=1)),
]
OTHERS = [
    ("x @ x.T", "nk", real, lambda x: x @ x.T),
    ("softmax", "nk", real, T.nnet.softmax, softmax),
    ("log softmax", "nk", real, lambda x: T.log(T.nnet.softmax(x)), lambda x: anp.log(softmax(x))),
    ("softmax of a vector", "n", real, T.nnet.softmax, softmax),
    (
        *("logsumexp", "nk", real, lambda x: T.log(T.sum(T.exp(x), axis=0))),
        lambda x: anp.log(anp.sum(anp.exp(x), axis=0)),
    ),
    (
        *("cross-entropy of labels", "nk", between(0.1, 0.9)),
        lambda y: T.nnet.categorical_crossentropy(y, T.arange(y.shape[0]) % y.shape[1]),
        lambda y: -anp.log(y[np.arange(len(y)), np.arange(len(y)) % y.shape[1]]),
    ),
    ("reshape", "nkm", real, lambda x: x.reshape((x.shape[1], -1)) ** 2),
    (
        *("flatten to two", "nkm", real, lambda x: T.flatten(x, 2) ** 2),
        lambda x: anp.reshape(x, (x.shape[0], -1)) ** 2,
    ),
    ("2 0 1", "nkm", real, lambda x: x.transpose((2, 0, 1)) ** 2),
    (
        *("dimshuffle", "nk", real, lambda x: x.dimshuffle(1, "x", 0) ** 2),
        lambda x: x.T[:, None] ** 2,
    ),
    ("alloc", "", real, lambda x: T.alloc(x, 2, 3) ** 2, lambda x: x**2 * np.ones((2, 3))),
    (
        *("addbroadcast", "n", real, lambda x: T.addbroadcast(x[:1], 0) * x),
        lambda x: x[:1] * x,
    ),
    (
        *("concatenate", "nk", real, lambda x: T.concatenate([x, x[::-1] ** 2], axis=-1)),
        lambda x: anp.concatenate([x, x[::-1] ** 2], axis=-1),
    ),
    (
        *("stack", "nk", real, lambda x: T.stack([x, x**2], axis=1)),
        lambda x: anp.stack([x, x**2], axis=1),
    ),
    (
        *("stack scalars", "", real, lambda x: T.stack([x**2, 2 * x])),
        lambda x: anp.array([x**2, 2 * x]),
    ),
    ("repeat", "nk", real, lambda x: T.repeat(x, 2) ** 2, lambda x: anp.repeat(x, 2) ** 2),
    ("tile", "nk", real, lambda x: T.tile(x, (2, 1)) ** 2, lambda x: anp.tile(x, (2, 1)) ** 2),
    ("diag", "nk", real, lambda x: T.diag(x) ** 2, lambda x: diagonal(x) ** 2),
    ("diag of a vector", "n", real, lambda x: T.diag(x) ** 2, lambda x: anp.diag(x) ** 2),
    ("mask", "nk", distinct, lambda x: x[x > 0] ** 2, lambda x: x[x > 0] ** 2),
    (
        *("nonzero", "nk", distinct, lambda x: x[(x > 0).nonzero()] ** 2),
        lambda x: x[np.nonzero(x > 0)] ** 2,
    ),
    (
        *("set", "nk", real, lambda x: T.set_subtensor(x[-1:], x[:1] ** 2)),
        lambda x: set_rows(x, x[:1] ** 2, 0),
    ),
    (
        *("increase", "nk", real, lambda x: T.inc_subtensor(x[-1:], x[:1] ** 2)),
        lambda x: set_rows(x, x[:1] ** 2, 1),
    ),
    (
        *("increase rows named twice", "nk", real),
        lambda x: T.inc_subtensor(x[[0, 0]], x[[-1, 0]] ** 2),
        lambda x: x + np.eye(len(x))[:, :1] * (x[-1:] ** 2 + x[:1] ** 2),
    ),
]
TABLE = [(name, ONE, *rest) for name, *rest in NUMBERS]
TABLE += [(f"{fs[0]} {a} {b}", shaped(a, b, least=0), real, *fs) for a, b, *fs in LINEAR]
TABLE += [(name, shaped(word), *rest) for name, word, *rest in OTHERS]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
@given(data=st.data(), seed=seeds)
@few
def test_arrays(ref, row, data, seed):
    _, shapes, domain, symbolic, *numpy = row
    rng = np.random.default_rng(seed)
    values = domain(rng, *data.draw(shapes))
    values = [v.astype(rng.choice(DTYPES)) for v in values]
    check(ref, rng, symbolic, [*numpy, symbolic][0], values, rng.random() < 0.5)


# Reductions, over every choice of axes.


REDUCTIONS = {
    "sum": (anp.sum, real),
    "mean": (anp.mean, real),
    "var": (anp.var, real),
    "std": (anp.std, real),
    "prod": (anp.prod, between(0.5, 2)),
    "max": (anp.max, distinct),
    "min": (anp.min, distinct),
}
WITH_AXES = array_shapes(min_dims=0, max_dims=3, max_side=3)


def an_axis(data, ndim):
    """Draw an axis, several, or None for all."""
    several = [c for n in range(1, ndim + 1) for c in itertools.combinations(range(ndim), n)]
    return data.draw(st.sampled_from([None, *range(-ndim, ndim), *several]))


@pytest.mark.parametrize("name", REDUCTIONS)
@given(data=st.data(), keepdims=st.booleans(), seed=seeds)
@settings(few, max_examples=15)
def test_reductions(ref, name, data, keepdims, seed):
    numpy, domain = REDUCTIONS[name]
    shape = data.draw(WITH_AXES)
    axis, rng = an_axis(data, len(shape)), np.random.default_rng(seed)
    [x] = domain(rng, shape)
    if name == "std" and x.var(axis=axis).min() < 1e-3:
        return  # where the square root has no derivative
    check(
        *(ref, rng),
        lambda x: getattr(x, name)(axis=axis, keepdims=keepdims),
        lambda x: numpy(x, axis=axis, keepdims=keepdims),
        [x],
        known=rng.random() < 0.5,
    )


@given(data=st.data(), keepdims=st.booleans(), seed=seeds)
@many
def test_reductions_without_a_derivative(data, keepdims, seed):
    name = data.draw(st.sampled_from(["argmax", "argmin", "all", "any"]))
    shape = data.draw(WITH_AXES)
    axis = an_axis(data, len(shape))
    if name.startswith("arg") and isinstance(axis, tuple):
        axis = None  # NumPy takes one or all
    x = np.random.default_rng(seed).integers(-1, 2, shape).astype(float)  # with equals
    v = variable(x)
    y = getattr(T, name)(v, axis, keepdims=keepdims)
    result, gradient = theano.function([v], [y, T.grad(T.sum(0.5 * y), v)])(x)
    expected = getattr(np, name)(x, axis=axis, keepdims=keepdims)
    assert result.dtype == expected.dtype == y.dtype
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(gradient, np.zeros(shape))


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_index_of_an_extremum_over_several_axes_counts_as_if_they_were_flattened(name):
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    result = getattr(T, name)(T.constant(x), axis=(0, 2)).eval()
    expected = getattr(np, name)(x.transpose(1, 0, 2).reshape(3, 8), axis=1)
    np.testing.assert_array_equal(result, expected)


@given(n=st.integers(0, 4), seed=seeds)
@many
def test_product_at_zeros(ref, n, seed):
    """None, one or several in a row; to the third order by the second one of a product's square."""

    def numpy(x):
        result = np.ones(len(x))
        for i in range(n):
            result = result * x[:, i]
        return result * (1 + result)

    rng = np.random.default_rng(seed)
    values = with_zeros(rng, (3, n))
    check(ref, rng, lambda x: T.prod(x, axis=1) * (1 + T.prod(x, axis=1)), numpy, values)


def test_third_derivative_of_a_product_at_zeros():
    x = T.dvector("x")
    gradient = T.prod(x)
    for i in (0, 2, 1):
        gradient = T.grad(gradient, x)[i]
    assert gradient.eval({x: [0.0, 0.0, 0.0, 5.0]}) == 5


@pytest.mark.parametrize("axis", [(0, 0), (1, -1)], ids=str)
def test_axes_named_twice_are_an_error_as_in_numpy(axis):
    with pytest.raises(ValueError, match="twice"):
        T.sum(T.dmatrix(), axis=axis)


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
        known=False,
    )


@pytest.mark.parametrize("dtype", [None, "int8"], ids=["constant", "variable"])
@pytest.mark.parametrize("key", INDICES, ids=str)
def test_indices(ref, key, dtype):
    check_index(ref, np.random.default_rng(0), (3, 4, 2), key, itertools.repeat(dtype))


@st.composite
def keys(draw, shape):
    """Return an index of an array of this shape: numbers, slices, arrays, None, an ellipsis."""
    n = draw(st.integers(0, len(shape)))
    first = draw(st.integers(0, n))
    ellipsis = draw(st.booleans())
    sizes = [*shape[:first], *shape[len(shape) - n + first :]] if ellipsis else shape[:n]
    common = draw(st.sampled_from([(2,), (3,), (1,), (2, 3)]))
    parts = []
    for n in sizes:
        numbers, size = st.integers(-n, n - 1), int(np.prod(common))
        arrays = st.lists(numbers, min_size=size, max_size=size)
        arrays = arrays.map(lambda ns: np.reshape(ns, common))
        parts.append(draw(st.one_of(st.slices(n), numbers, arrays)))
    if ellipsis:
        parts.insert(first, ...)
    for _ in range(draw(st.integers(0, 2))):
        parts.insert(draw(st.integers(0, len(parts))), None)
    return tuple(parts)


@given(data=st.data(), seed=seeds)
@many
def test_random_indices(ref, data, seed):
    rng, shape = np.random.default_rng(seed), data.draw(WITH_AXES)
    kinds = (rng.choice([None, "int64", "int32", "int8"]) for _ in itertools.count())
    check_index(ref, rng, shape, data.draw(keys(shape)), kinds)


@pytest.mark.parametrize("labels", [[0, 1, 0], [2, 2, 2], [[0, 1, 2], [0, 1, 2]]], ids=str)
def test_one_element_of_each_row(ref, labels):
    t, rng = theano.shared(np.array(labels)), np.random.default_rng(0)
    check(
        *(ref, rng),
        lambda p: T.sin(p[T.arange(p.shape[0]), t]),
        lambda p: anp.sin(p[np.arange(3), np.array(labels)]),
        [rng.normal(size=(3, 4))],
    )


def test_ellipsis_without_axes_separates_arrays():
    """As in NumPy, which puts the axes of separated arrays first."""
    x, rows, columns = np.zeros((2, 3, 4)), np.array([0, 1, 1]), np.array([1, 2, 0])
    v = T.dtensor3()
    result = theano.function([v], v[:, rows, ..., columns])(x)
    assert result.shape == x[:, rows, ..., columns].shape == (3, 2)


@pytest.mark.parametrize("args", [(5,), (0,), (-2,), (2, 7), (1, 8, 3), (5, 0, -2)], ids=str)
def test_arange(args):
    by_numbers = theano.function([], T.arange(*args))()
    numbers = [T.lscalar() for _ in args]
    by_variables = theano.function(numbers, T.arange(*numbers))(*args)
    np.testing.assert_array_equal(by_numbers, np.arange(*args))
    np.testing.assert_array_equal(by_variables, np.arange(*args))


# What has no derivative, or one by agreement.


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
    "minimum that broadcasts": (lambda x: T.minimum(x[0], x).sum(), [2.0, 2.0, 1.0, 3.0]),
    "max": (lambda x: x.max(), [1.0, 3.0, 2.0, 3.0]),
    "min": (lambda x: x.min(), [1.0, 3.0, 1.0]),
    "max over an axis": (lambda x: x.reshape((2, 2)).max(axis=0).sum(), [1.0, 2, 1, 3]),
    "clip": (lambda x: x.clip(-1, 2).sum(), [-1.0, 2.0, 0.5, 5.0]),
    "abs": (lambda x: abs(x).sum(), [0.0, -1.0, 1.0]),
}


@pytest.mark.parametrize("name", TIES)
def test_ties_agree_with_central_differences(ref, name):
    symbolic, x = TIES[name]
    x, v = np.array(x), T.dvector()
    cost, gradient = (theano.function([v], f) for f in (symbolic(v), T.grad(symbolic(v), v)))
    differences = [ref.central_difference(cost, [x], [e]) for e in np.eye(len(x))]
    ref.assert_close(gradient(x), differences, 1e-10)


SPECIAL_POINTS = {
    "0 ** 0 by the base": (lambda a, b: a**b, (0, 0), (0, 0)),
    "0 ** 1": (lambda a, b: a**b, (0, 1), (1, 0)),
    "0 ** 2": (lambda a, b: a**b, (0, 2), (0, 0)),
    "(-2) ** 3": (lambda a, b: a**b, (-2, 3), (12, 0)),
    "0 ** number 0": (lambda a, b: a**0 + b, (0, 0), (0, 1)),
    "0 ** number 1": (lambda a, b: a**1 + b, (0, 0), (1, 1)),
    "relu of 0": (lambda a, b: T.nnet.relu(a) + b, (0, 0), (0, 1)),
    "three equal": (lambda a, b: T.max(T.stack([a, b, a])), (1, 1), (2 / 3, 1 / 3)),
}


@pytest.mark.parametrize("name", SPECIAL_POINTS)
def test_gradients_at_special_points(name):
    symbolic, point, expected = SPECIAL_POINTS[name]
    a, b = T.dscalars("a", "b")
    gradient = theano.function([a, b], T.grad(symbolic(a, b), [a, b]), on_unused_input="ignore")
    np.testing.assert_allclose(gradient(*point), expected, rtol=1e-15)
