"""The VJP of every operation: first and second derivatives, along random directions.

Shapes and dtypes are drawn. Values and derivatives are compared with HIPS autograd, and in float64
with central differences.
"""

import itertools
from functools import partial, reduce
from operator import mul

import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic.elementwise import ELEMENTWISE
from common.symbolic.graph import ancestors

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=10, deadline=None, database=None, derandomize=True)
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


def variable(value, known=True):
    return T.TensorType(value.dtype, [known and n == 1 for n in value.shape])()


def check(ref, rng, symbolic, numpy, values, known=True):
    """Compare value, gradient and second derivative along a direction with all references."""
    xs = [variable(v, known) for v in values]
    y, n = symbolic(*xs), len(xs)
    doubles = [v.astype(np.float64) for v in values]
    expected = numpy(*doubles)
    weight, *directions = (rng.normal(size=np.shape(a)) for a in (expected, *values))
    cost = T.sum(weight * y)
    first = T.grad(cost, xs, disconnected_inputs="ignore")
    along = sum(T.sum(d * g) for d, g in zip(directions, first, strict=True))
    second = T.grad(along, xs, disconnected_inputs="ignore")
    f = theano.function(xs, [cost, along, y, *first, *second], on_unused_input="ignore")
    result, *derivatives = f(*values)[2:]
    assert [r.dtype for r in (result, *derivatives)] == [y.dtype, *(x.dtype for x in [*xs, *xs])]
    double = all(v.dtype == np.float64 for v in values)
    ref.assert_close(result, expected, 1e-12 if double else 1e-5, scale=1)

    gradients = ref.autograd_gradients(lambda *xs: anp.sum(weight * numpy(*xs)))
    slope = ref.autograd_gradients(
        lambda *xs: sum(anp.sum(d * g) for d, g in zip(directions, gradients(*xs), strict=True))
    )
    for a, e in zip(derivatives, [*gradients(*doubles), *slope(*doubles)], strict=True):
        ref.assert_close(a, e, 1e-9 if double else 1e-4, scale=1)
    for order, gs in enumerate((derivatives[:n], derivatives[n:]) if double else ()):
        products = [g * d for g, d in zip(gs, directions, strict=True)]
        scale = 1 + sum(np.abs(p).sum() for p in products)
        difference = ref.central_difference(
            lambda *xs, order=order: f(*xs)[order], values, directions, h=3e-4
        )
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
LOGIC = {"and_", "or_", "xor", "invert"}
NAMES = [name for name, f in ELEMENTWISE.items() if f.kind != "bool" and name not in LOGIC]


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), seed=seeds)
@few
def test_elementwise(ref, name, data, seed):
    operation, rng = ELEMENTWISE[name], np.random.default_rng(seed)
    shapes = data.draw(broadcast(operation.n_inputs))
    values = DOMAINS.get(name, real)(rng, *shapes)
    names = [f"x{i}" for i in range(len(values))]
    program = {"int_div": "np.floor_divide({0}, {1})", "switch": "switch({0}, {1}, {2})"}.get(
        name, operation.template
    )
    code = f"lambda {', '.join(names)}: {program.format(*names)}"
    values = [v.astype(rng.choice(DTYPES)) for v in values]
    check(ref, rng, operation, eval(code, {"np": anp, **vars(ref.NUMPY)}), values)


# Other operations. A row has a name, shapes, a domain, and an expression in m: this library or
# autograd's NumPy, with what has another name or signature there.


OF_ANY_SHAPE = [
    ("numbers", between(0.5, 2), lambda m, x: 2.5 - 3 * x / 4 + 2 / x + 2**x),
    ("x % 1", distinct, lambda m, x: x % 1),
    *((f"x ** {n}", between(-2, -0.5), lambda m, x, n=n: x**n) for n in (0, 1, 2, 3, -1, -2)),
    *((f"x ** {n}", between(0.5, 2), lambda m, x, n=n: x**n) for n in (0.5, -1.5, np.array(2.5))),
    ("clip", distinct, lambda m, x: m.clip(x, -0.2, 0.3) * x),
    ("where", distinct, lambda m, x: m.where(x > 0, x**3, -1)),
    ("flatten", real, lambda m, x: x.flatten() ** 2),
    (".T", real, lambda m, x: x.T**2),
    ("copy", real, lambda m, x: m.copy(x) ** 2),
    ("fill", real, lambda m, x: m.fill(x, m.sum(x) ** 2)),
]
DOTS = [*itertools.product(("", "k", "nk"), ("", "k", "km"))]
DOTS += [("nkm", word) for word in ("", "m", "mk", "nmk")]
OF_SOME_SHAPES = [
    *((f"dot {a} {b}", (a, b), real, lambda m, a, b: m.dot(a, b)) for a, b in DOTS),
    ("a @ b", ("nk", "km"), real, lambda m, a, b: a @ b),
    ("outer", ("n", "m"), real, lambda m, a, b: m.outer(a, b)),
    ("tensordot", ("nk", "mk"), real, lambda m, a, b: m.tensordot(a, b, [[1], [1]])),
    ("tensordot 2", ("nkm", "kmn"), real, lambda m, a, b: m.tensordot(a, b, 2)),
    ("batched_dot", ("bnk", "bkm"), real, lambda m, a, b: m.batched_dot(a, b)),
    ("x @ x.T", ["nk"], real, lambda m, x: x @ x.T),
    ("repeat", ["nk"], real, lambda m, x: m.repeat(x, 2) ** 2),
    ("dimshuffle", ["nk"], real, lambda m, x: x.T[:, None] ** 2),
    ("transpose", ["nkm"], real, lambda m, x: m.transpose(x, (2, 0, 1)) ** 2),
    ("concatenate", ["nk"], real, lambda m, x: m.concatenate([x, x[::-1] ** 2], axis=-1)),
    ("stack", ["nk"], real, lambda m, x: m.stack([x, x**2], axis=1)),
    ("nonzero", ["nk"], distinct, lambda m, x: x[m.nonzero(x > 0)] ** 2),
    ("mask", ["nk"], distinct, lambda m, x: x[x > 0] ** 2),
    ("diag of a vector", ["n"], real, lambda m, x: m.diag(x) ** 2),
    ("alloc", [""], real, lambda m, x: m.alloc(x, 2, 3) ** 2),
]
NOT_EMPTY = [
    ("stack scalars", ["n"], real, lambda m, x: m.stack([x[0] ** 2, 2 * x[-1]])),
    ("addbroadcast", ["n"], real, lambda m, x: m.addbroadcast(x[:1], 0) * x),
    ("reshape", ["nkm"], real, lambda m, x: x.reshape((x.shape[1], -1)) ** 2),
    (
        *("reshape and broadcast", ["nk"], real),
        lambda m, x: m.reshape(x, (x.shape[0], 1, -1)) * m.reshape(x, (1, -1, x.shape[1])),
    ),
    ("tile", ["nk"], real, lambda m, x: m.tile(x, (2, 1)) ** 2),
    ("diag", ["nn"], real, lambda m, x: m.diag(x) ** 2),
    ("softmax", ["nk"], real, lambda m, x: m.softmax(x)),
    ("softmax of a vector", ["n"], real, lambda m, x: m.softmax(x)),
    ("log softmax", ["nkm"], real, lambda m, x: m.log(m.softmax(x))),
    ("logsumexp", ["nk"], real, lambda m, x: m.log(m.sum(m.exp(x), axis=0))),
    (
        *("labels", ["nk"], between(0.1, 0.9)),
        lambda m, p: m.log(p)[m.arange(p.shape[0]), m.arange(p.shape[0]) % p.shape[1]],
    ),
]
TABLE = [(name, ONE, *rest) for name, *rest in OF_ANY_SHAPE]
TABLE += [(name, shaped(*words, least=0), *rest) for name, words, *rest in OF_SOME_SHAPES]
TABLE += [(name, shaped(*words), *rest) for name, words, *rest in NOT_EMPTY]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
@given(data=st.data(), seed=seeds)
@few
def test_arrays(ref, row, data, seed):
    _, shapes, domain, f = row
    rng = np.random.default_rng(seed)
    values = [v.astype(rng.choice(DTYPES)) for v in domain(rng, *data.draw(shapes))]
    check(ref, rng, partial(f, ref.SYMBOLIC), partial(f, ref.NUMPY), values, rng.random() < 0.5)


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


@pytest.mark.parametrize("name", ["argmax", "argmin", "all", "any"])
@given(data=st.data(), keepdims=st.booleans(), seed=seeds)
@settings(few, max_examples=30)
def test_reductions_without_a_derivative(name, data, keepdims, seed):
    shape = data.draw(WITH_AXES)
    axis = an_axis(data, len(shape))
    x = np.random.default_rng(seed).integers(-1, 2, shape).astype(float)  # with equals
    v = variable(x)
    y = getattr(T, name)(v, axis, keepdims=keepdims)
    result, gradient = theano.function([v], [y, T.grad(T.sum(0.5 * y), v)])(x)
    numpy = getattr(np, name)
    if name.startswith("arg") and isinstance(axis, tuple):  # NumPy takes one or all
        last = np.moveaxis(x, axis, range(-len(axis), 0))
        expected = numpy(last.reshape(*last.shape[: -len(axis)], -1), axis=-1)
        expected = np.expand_dims(expected, axis) if keepdims else expected
    else:
        expected = numpy(x, axis=axis, keepdims=keepdims)
    assert result.dtype == expected.dtype == y.dtype
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(gradient, np.zeros(shape))


@given(n=st.integers(1, 4), seed=seeds)
@settings(few, max_examples=50)
def test_product_at_zeros(ref, n, seed):
    """None, one or several in a row; to the third order by the derivatives of the gradient."""

    def numpy(x):
        one = np.ones(len(x))
        others = ([x[:, j] for j in range(n) if j != i] for i in range(n))
        return anp.stack([reduce(mul, columns, one) for columns in others], axis=1)

    rng = np.random.default_rng(seed)
    values = [rng.normal(size=(3, n)) * rng.integers(0, 2, (3, n))]
    check(ref, rng, lambda x: T.grad(T.sum(T.prod(x, axis=1)), x), numpy, values)


def test_empty_rows():
    x = T.dtensor3("x")
    results = [T.flatten(x, 2), T.prod(x, axis=(1, 2)), T.grad(T.prod(x), x), x.size]
    f = theano.function([x], results)
    assert [r.shape for r in f(np.ones((0, 3, 4)))] == [(0, 12), (0,), (0, 3, 4), ()]


def test_gradient_of_a_long_product(ref):
    """In an array of n², or for the second derivative n³ elements, it wouldn't fit into memory."""
    x, n = T.dvector("x"), 3000
    at, d = np.random.default_rng(0).uniform([[0.99], [-1]], [[1.01], [1]], (2, n))
    g = T.grad(T.prod(x), x)
    first, second = theano.function([x], [g, T.grad(T.sum(d * g), x)])(at)
    ref.assert_close(first, at.prod() / at, 1e-12)
    ref.assert_close(second, first * ((d / at).sum() - d / at), 1e-12)


@pytest.mark.parametrize("axis", [(0, 0), (1, -1), 2, -3, True, 0.5], ids=str)
def test_axes_that_are_not_there_or_named_twice(axis):
    with pytest.raises((TypeError, ValueError), match=r"sum.* axis|axis.* `sum"):
        T.sum(T.dmatrix(), axis=axis)


# Indices.

INDICES = [
    *(np.s_[0], np.s_[-1], np.s_[1:], np.s_[:-1], np.s_[::-1], np.s_[2:0:-1], np.s_[9:]),
    *(np.s_[::2, 1::2], np.s_[-3:-1, ::-2, 1:], np.s_[...], np.s_[:, 1], np.s_[1, 2, 0]),
    *(np.s_[None], np.s_[:, None, 1], np.s_[..., 0], np.s_[0, ..., None], np.s_[..., None]),
    *(np.s_[[0, 2]], np.s_[[0, 2, 0]], np.s_[[-1, 2]], np.s_[[[0, 1], [2, 0]]], np.s_[:, []]),
    *(np.s_[[0, 1, 0], [1, 3, 1]], np.s_[[0, 1], [[1], [1]]], np.s_[:, [0, 0, 3]]),
    *(np.s_[..., [1, 1, 0]], np.s_[::-1, [3, 0]], np.s_[[2, 2], ::2], np.s_[[0], None, [1]]),
    # An array and a number, or two arrays, with a slice between them: their axes come first.
    *(np.s_[[0, 1], :, [1, 0]], np.s_[0, :, [1, 0]], np.s_[[2, 0], :, 1], np.s_[:, 0, [1, 1]]),
    *(np.s_[0, [1, 1]], np.s_[:, None, [0, 0], 1], np.s_[:, 1, None, [0, 0]]),
    *(np.s_[[[0, 1], [2, -1]], 1], np.s_[:, [[0, 3, 3]], [[1], [0]]], np.s_[..., [[1]]]),
    np.s_[:, [0, 1, 1], ..., [1, 1, 0]],  # where the ellipsis separates two arrays
]


@pytest.mark.parametrize("dtype", [None, "int8"], ids=["constant", "variable"])
@pytest.mark.parametrize("key", INDICES, ids=str)
def test_indices(ref, key, dtype):
    def part(p):
        if isinstance(p, slice):
            return slice(part(p.start), part(p.stop), part(p.step))
        return p if p in (None, ...) or not dtype else theano.shared(np.array(p, dtype))

    parts = tuple(map(part, key)) if isinstance(key, tuple) else part(key)
    rng = np.random.default_rng(0)
    check(  # the sine so that there is a second derivative, the sum so that gradients add up
        *(ref, rng),
        lambda x: T.sin(x[parts]) * T.sum(x**2),
        lambda x: anp.sin(x[key]) * anp.sum(x**2),
        [rng.normal(size=(3, 4, 2))],
    )


@pytest.mark.parametrize("key", [*INDICES, (), np.s_[:, :], np.s_[..., None, :]], ids=str)
def test_replacing_a_part(ref, key):
    rng, numbers = np.random.default_rng(0), np.arange(24).reshape(3, 4, 2)
    places = np.eye(24)[:, numbers[key].ravel()]  # a row per element of x, a column per one of y
    times = places.sum(axis=1).reshape(3, 4, 2)
    cases = [(T.inc_subtensor, 1)]
    if times.max() == 1:  # else it isn't defined which value stays
        cases.append((T.set_subtensor, 1 - times))
    for replace, kept in cases:
        check(
            *(ref, rng),
            lambda x, y, replace=replace: replace(T.sin(x)[key], y**2),
            lambda x, y, kept=kept: (
                anp.sin(x) * kept + anp.reshape(places @ anp.ravel(y**2), x.shape)
            ),
            real(rng, (3, 4, 2), numbers[key].shape),
            known=False,
        )


def test_all_of_a_number_and_of_an_array():
    s = T.dscalar("s")
    results = [T.set_subtensor(s[...], 3.0), T.inc_subtensor(s[()], 3.0), s.size]
    assert theano.function([s], results)(1.0) == [3, 4, 1]
    m, v = T.dmatrix("m"), T.dvector("v")
    replaced = T.set_subtensor(m[:, :], v).eval({m: np.ones((2, 3)), v: [7, 8, 9]})
    np.testing.assert_array_equal(replaced, [[7, 8, 9]] * 2)


def test_gradient_of_many_joined_parts():
    """It grows with their number, not with its square."""

    def n_variables(n):
        xs = T.dvectors(n)
        return len(ancestors(T.grad(T.sum(T.concatenate(xs) ** 2), xs)))

    assert n_variables(40) - n_variables(20) == n_variables(60) - n_variables(40)


def test_parts_of_a_shape():
    x, n = T.dtensor3("x"), T.lscalar("n")
    parts = [x.shape[1], x.shape[-1], *x.shape[:2], x.shape[1:n].sum(), x.shape[n:].sum()]
    parts += [x.shape[2][None], T.argmax(x.shape[1])]
    assert T.zeros(T.drow().shape[:]).broadcastable == (True, False)
    parts += [x.shape[9:], x.shape[None, 1:][0], T.stack([n, n + 1])[[1, 0]]]
    parts += [T.set_subtensor(x.shape[1], n + 3)]
    results = theano.function([x, n], parts)(np.zeros((2, 3, 4)), 2)
    expected = [3, 4, 2, 3, 3, 4, [4], 0, [], [3, 4], [3, 2], [2, 5, 4]]
    assert [r.tolist() for r in results] == expected


def test_parts_of_what_was_stacked():
    v, m = T.dvector("v"), T.dmatrix("m")
    a, b = T.stack([v[2], v[0], T.sum(v)]), T.stack([m.shape[1], m.shape[0]])
    parts = [a[1], a[-1], a[::-1], b[0], T.inc_subtensor(a[1], 10), T.set_subtensor(a[:2], 0)]
    parts += [T.set_subtensor(b[0], 9), T.jacobian(a, v)[2]]
    results = theano.function([v, m], parts)([1.0, 2, 3], np.zeros((4, 5)))
    expected = [1, 6, [6, 1, 3], 5, [3, 11, 6], [0, 0, 6], [9, 4], [1, 1, 1]]
    assert [r.tolist() for r in results] == expected
    assert m.reshape(T.stack([1, m.size])).broadcastable == (True, False)


BAD = {
    "has 2 axes": lambda x: x[0, 0, 0],
    "has no element 3": lambda x: x.shape[3],
    "only one ellipsis": lambda x: x[..., ...],
    "must be integers or a mask": lambda x: x[0.5],
    "must be integers or a mask, got True": lambda x: x[True],
    "doesn't fit into": lambda x: T.set_subtensor(x[0].astype("float32")[0], T.dscalar()),
    "1.5 of float64 doesn't fit into": lambda x: T.set_subtensor(x.astype("int32")[0], 1.5),
    "can't be broadcast to each other": lambda x: x + np.ones(3) + np.ones(4),
    "x has 2 axes, more than row, 1": lambda x: T.fill(T.dvector("row"), x),
    "must be an indexed variable": lambda x: T.inc_subtensor(x, 1),
    "must be an indexed variable, .* got count": lambda x: T.set_subtensor(x.size, 1),
    "axis 3 is out of bounds": lambda x: T.shape_padaxis(x, 3),
    "axis 5 is out of bounds": lambda x: T.stack([x, x], axis=5),
    "tensordot: axis 2 is out of bounds": lambda x: T.tensordot(x, x, [[2], [0]]),
    "tensordot: axes must be as many": lambda x: T.tensordot(x, x, [[0, 1], [0]]),
    "tensordot: axes must lie between 0 and 2, got 3": lambda x: T.tensordot(x, x, 3),
    "tensordot: axes must lie between 0 and 2, got -1": lambda x: T.tensordot(x, x, -1),
    r"batched_dot takes .* got x \(\?, \?\) and row \(\?,\)": lambda x: T.batched_dot(
        x, T.dvector("row")
    ),
    "repeat: repeats must be integers, got .* 1 axes": lambda x: T.repeat(x, [1, 2]),
    "repeat: repeats must be integers, got 2.5": lambda x: T.repeat(x, 2.5),
    "tile: reps must be integers, got 2.5": lambda x: T.tile(x, (1, 2.5)),
    r"same number of axes.*x \(\?, \?\), row \(\?,\)": lambda x: T.join(0, x, T.dvector("row")),
    r"all but axis 1.*\(1, 2\)": lambda x: T.join(1, np.ones((3, 2)), np.ones((1, 2))),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_indices_and_axes(message):
    with pytest.raises((IndexError, TypeError, ValueError), match=message):
        BAD[message](T.dmatrix("x"))


@pytest.mark.parametrize("args", [(5,), (0,), (-2,), (2, 7), (1, 8, 3), (5, 0, -2)], ids=str)
def test_arange(args):
    by_numbers = theano.function([], T.arange(*args))()
    numbers = [T.lscalar() for _ in args]
    by_variables = theano.function(numbers, T.arange(*numbers))(*args)
    np.testing.assert_array_equal(by_numbers, np.arange(*args))
    np.testing.assert_array_equal(by_variables, np.arange(*args))


# What has no derivative, or one by convention.


# Equal elements share the gradient, so it is halfway between the derivatives of both sides.
SPECIAL_POINTS = [
    (lambda x: T.maximum(x[0], x[1]), [2, 2], [0.5, 0.5]),
    (lambda x: T.maximum(x, 0).sum(), [0, 1, -1], [0.5, 1, 0]),
    (lambda x: T.minimum(x[0], x[1]), [2, 2], [0.5, 0.5]),
    (lambda x: T.minimum(x[0], x).sum(), [2, 2, 1, 3], [2.5, 0.5, 1, 0]),
    (lambda x: x.max(), [1, 3, 2, 3], [0, 0.5, 0, 0.5]),
    (lambda x: x.max(), [1, 1, 1], [1 / 3, 1 / 3, 1 / 3]),
    (lambda x: x.reshape((2, 2)).max(axis=0).sum(), [1, 2, 1, 3], [0.5, 0, 0.5, 1]),
    (lambda x: x.min(), [1, 3, 1], [0.5, 0, 0.5]),
    (lambda x: x.clip(-1, 2).sum(), [-1, 2, 0.5, 5], [0.5, 0.5, 1, 0]),
    (lambda x: abs(x).sum(), [0, -1, 1], [0, -1, 1]),
    (lambda x: T.nnet.relu(x).sum(), [0, -1, 1], [0, 0, 1]),
    (lambda x: x[0] ** x[1], [0, 0], [0, 0]),
    (lambda x: x[0] ** x[1], [0, 1], [1, 0]),
    (lambda x: x[0] ** x[1], [0, 2], [0, 0]),
    (lambda x: x[0] ** x[1], [-2, 3], [12, 0]),
    (lambda x: (x**0).sum(), [0, 1], [0, 0]),
    (lambda x: (x**1).sum(), [0, 1], [1, 1]),
]


@pytest.mark.parametrize(("make", "at", "expected"), SPECIAL_POINTS)
def test_gradients_at_special_points(make, at, expected):
    x = T.dvector()
    np.testing.assert_allclose(T.grad(make(x), x).eval({x: at}), expected, rtol=1e-15)
