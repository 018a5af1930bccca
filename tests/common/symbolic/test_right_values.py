"""Values that other libraries, or earlier versions of this one, got wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic import pp
from common.symbolic.elementwise import ELEMENTWISE
from common.symbolic.tensor.nnet import log_softmax

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
BIG = np.array([1000.0, 0.0])


def value(expression, *pairs):
    return expression.eval(dict(pairs))


# A branch that isn't chosen doesn't reach the gradient, nor does a derivative that is infinite
# where the next one is 0: a function, where its derivative is taken, and what it is.

UNCHOSEN = [
    (lambda x: T.switch(T.neq(x, 0), x**2 / x, 3 * x), 0, 3),
    (lambda x: T.switch(x < 100, T.switch(x > 0, T.exp(T.exp(x)), x), 2 * x), 1000, 2),
    (lambda x: T.switch(x < 7, -x, 1 - (x - T.log(x))), 0, -1),
    (lambda x: sum(T.switch(x < 7, x, z) + 0 * z for z in [T.log(x)]), 0, 1),
    (lambda x: T.where(T.gt(x, 0), x ** (-0.5), x), 0, 1),
    (lambda x: T.maximum(x, T.log(x - 5) - 99), 5, 1),
    (lambda x: T.minimum(x, 99 - T.log(x - 5)), 5, 1),
    (lambda x: T.clip(T.exp(x), 0, 10) + x, 1000, 1),
    (lambda x: T.nnet.relu(T.log(x)), 0, 0),
    (lambda x: T.sqrt(T.nnet.relu(x)), -1, 0),
    (lambda x: T.floor(T.sqrt(x)) * 3 + x, 0, 1),
    (lambda x: T.sgn(T.log(x)), 0, 0),
    (lambda x: T.sqrt(x**2) ** 2, 0, 0),
    (lambda x: ((x**2) ** 0.5) ** 2, 0, 0),
    (lambda x: ((x * x) ** (x + 0.5)) ** 2, 0, 0),
]
OF_SCALARS = [
    (lambda x: T.stack([x, T.log(x)])[0], 0, 1),
    (lambda x: T.concatenate([T.stack([x]), T.stack([T.sqrt(x)])])[:1].sum(), 0, 1),
    (lambda x: T.max(T.stack([x, T.log(x)])), 0, 1),
    (lambda x: T.sum(T.switch([0, 0], T.exp(x) * np.array([-1.0, 2.0]), 3)), 1000, 0),
    (lambda x: T.nnet.relu(T.stack([T.log(x), x]).sum()), 0, 0),
    (lambda x: sum(T.switch(x < 7, x, T.dot(z, 1 / z)) for z in [T.stack([x, x])]), 0, 1),
    (lambda x: sum(T.switch(x < 7, x, T.dot(1 / z, z)) for z in [T.stack([x, x])]), 0, 1),
]


@pytest.mark.parametrize(("make", "at", "expected"), UNCHOSEN + OF_SCALARS)
def test_branch_that_is_not_chosen(make, at, expected):
    x, v = T.dscalar("x"), T.dvector("v")
    assert value(T.grad(make(x), x), (x, at)) == expected
    if (make, at, expected) in UNCHOSEN:
        g = value(T.grad(T.sum(make(v)[:1]), v), (v, [at, 3.0]))
        np.testing.assert_array_equal(g, [expected, 0])


SPECIAL = [0.0, 1.0, -1.0, 1000.0, -1000.0, np.inf, -np.inf, np.nan]
UNARY = [f for f in ELEMENTWISE.values() if f.differentiable and f.n_inputs == 1]
BINARY = [f for f in ELEMENTWISE.values() if f.differentiable and f.n_inputs == 2]
many = settings(max_examples=200, deadline=None, database=None, derandomize=True)


@given(st.lists(st.sampled_from(UNARY), min_size=1, max_size=3), st.sampled_from(BINARY))
@many
def test_any_branch_that_is_not_chosen(chain, binary):
    """First and second derivatives, wherever the branch is infinite or not a number."""
    x, w = T.dvectors("x", "w")
    y = x
    for f in chain:
        y = f(y)
    cost = T.sum(T.switch(w > 9, binary(y, w), 3 * w) * w)
    gradients = T.grad(cost, [x, w])
    second = T.grad(T.sum(gradients[0] + gradients[1]), [x, w])
    f = theano.function([x, w], [*gradients, *second])
    at = np.array([*SPECIAL, *SPECIAL])
    v = np.repeat([0.0, 2.0], len(SPECIAL))
    for result, expected in zip(f(at, v), (0, 6 * v, 0, 6), strict=True):
        np.testing.assert_array_equal(result, expected)


PRODUCTS = {
    "dot": T.dot,
    "dot of transposes": lambda X, W: T.dot(W.T, X.T).T,
    "dot with a vector": lambda X, W: T.dot(X, W[:, 0])[:, None],
    "dot with itself": lambda X, W: T.dot(X[:, :1] * W[0, 0], X[1:2]),
    "batched_dot": lambda X, W: T.batched_dot(X, T.stack([W, W + 1, W - 1])),
    "outer": lambda X, W: T.outer(X[:, 0], W[0]),
    "tensordot": lambda X, W: T.tensordot(X, W, 1),
    "prod": lambda X, W: T.prod(X, axis=1, keepdims=True) * W[0, 0],
    "softmax": lambda X, W: T.nnet.softmax(T.dot(X, W)),
    "log_softmax": lambda X, W: T.nnet.log_softmax(T.dot(X, W)),
    "logsumexp": lambda X, W: T.log(T.sum(T.exp(T.dot(X, W)), axis=1, keepdims=True)),
    "norm": lambda X, W: T.sqrt(T.sum(T.dot(X, W) ** 2, axis=1, keepdims=True)),
    "dot of exp": lambda X, W: T.dot(T.exp(X), W),
    "layers": lambda X, W: T.dot(T.tanh(T.dot(T.exp(X), W)), W.T),
    "maximum": lambda X, W: T.max(T.dot(X, W), axis=1, keepdims=True),
}
ROWS = {
    "switch": lambda y, bad: T.switch(bad[:, None], 0, y),
    "slice": lambda y, bad: y[1:],
    "rows": lambda y, bad: y[[2, 1, 1]],
    "mask": lambda y, bad: y[~bad],
    "set_subtensor": lambda y, bad: T.set_subtensor(y[0], 0),
    "elements": lambda y, bad: T.stack([y[1, 0], y[2, -1]]),
    "labels": lambda y, bad: y[1:][T.arange(2), [0, 0]],
    "softmax of the first": lambda y, bad: log_softmax(y[::-1])[T.arange(2), [0, 0]],
    "softmax of n": lambda y, bad: log_softmax(y[::-1])[T.arange(T.sum(~bad)), [0, 0]],
    "softmax of a part": lambda y, bad: log_softmax(y[::-1])[T.arange(bad[1:].shape[0]), [0, 0]],
    "softmax": lambda y, bad: T.log(T.nnet.softmax(y))[T.arange(1, 3), [0, 0]],
}


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("name", PRODUCTS)
def test_rows_that_are_not_chosen(name, rows):
    """What row 0 is makes no difference to the gradients, even if it is infinite."""
    X, W, bad = T.dmatrix("X"), T.dmatrix("W"), T.TensorType("bool", [False])("bad")
    y = ROWS[rows](PRODUCTS[name](X, W), bad)
    gradients = T.grad(T.sum(y * y), [X, W])
    for g in gradients[:2]:
        gradients += T.grad(T.sum(T.sin(g)), [X, W], disconnected_inputs="ignore")
    f = theano.function([X, W, bad], gradients, on_unused_input="ignore")
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 2)), rng.normal(size=(2, 2))
    expected = f(x, w, [True, False, False])
    for row in ([np.inf, 1], [-np.inf, np.inf], [np.nan, 0], [1000, -1000]):
        x[0] = row
        for result, e in zip(f(x, w, [True, False, False]), expected, strict=True):
            np.testing.assert_array_equal(result, e)


def test_rows_of_a_mask_that_are_not_chosen_keep_the_dtype():
    W, mask = T.fmatrix("W"), T.TensorType("bool", [False, False])("mask")
    f = theano.function([W, mask], T.grad(T.sum(T.dot(mask, W)[1:]), W))
    result = f(np.ones((2, 3), "f"), [[True, True], [True, False], [True, False]])
    assert result.dtype == "float32"
    np.testing.assert_array_equal(result, [[2, 2, 2], [0, 0, 0]])


@pytest.mark.parametrize(
    ("make", "labels", "ignored"),
    [
        (lambda b: T.nnet.log_softmax(T.dot(T.exp(b), np.eye(2))), [1, 2], np.s_[0, 0]),
        (lambda b: T.log(T.sum(T.exp(T.exp(b)), axis=1)), [1, 0], np.s_[0, :, 0]),
    ],
)
def test_labels_of_a_batch_may_ignore_slices(make, labels, ignored):
    batch, t = T.dtensor3("batch"), T.lvector("t")
    picked = make(batch)[T.arange(t.shape[0]), t]
    f = theano.function([batch, t], T.grad(T.sum(picked**2), batch))
    at = np.random.default_rng(0).normal(size=(2, 3, 2))
    expected = f(at, labels)
    at[ignored] = 1000
    np.testing.assert_array_equal(f(at, labels), expected)


def test_an_ordinary_network_needs_no_guard():
    """ReLU and labels ignore single elements, and sums have no factor that may be infinite."""
    (X, W, V), b, t = T.dmatrices("X", "W", "V"), T.dvector("b"), T.lvector("t")
    z = T.dot(T.tanh(X), W)
    for join in (lambda a, b: T.concatenate([a, b], axis=1), lambda a, b: T.stack([a, b])):
        grads = T.grad(T.sum(join(z, T.exp(T.dot(X, V))) ** 2), [X, W, V])
        assert "zero_or" not in theano.function([X, W, V], grads).source
    for h in (T.nnet.relu(z + b), T.tanh(z + b), T.nnet.relu(b - z)):
        log_p = T.log(T.nnet.softmax(T.dot(h, V)))
        for rows in (T.arange(t.shape[0]), T.arange(log_p.shape[0])):
            grads = T.grad(-T.mean(log_p[rows, t]), [X, W, V])
            assert "zero_or" not in theano.function([X, W, V, b, t], grads).source
            assert "zero_or" not in pp(grads[0]) or "b - " in pp(h)  # of −1, until it is compiled


def test_second_derivative_where_the_first_one_is_0():
    x = T.dscalar("x")
    y = (T.sqrt(x) - 1) ** 2
    for cost in (y, T.switch(x > 0, y, x)):
        np.testing.assert_allclose(value(T.grad(T.grad(cost, x), x), (x, 1.0)), 0.5)


# Stable forms, written by hand and seen through what only moves elements.


def total(x, axis=None, keepdims=False):
    return T.sum(T.exp(x), axis=axis, keepdims=keepdims)


EXTREME = np.array([BIG, -BIG])
LOG2 = np.log(2)
# Probabilities as people write them, and their logarithms.
PROBABILITIES = {
    "vector": (lambda m: T.exp(m[0]) / total(m[0]), [0, -1000]),
    "keepdims": (lambda m: T.exp(m) / total(m, 1, True), [[0, -1000], [-1000, 0]]),
    "new axis": (lambda m: T.exp(m) / total(m, 1)[:, None], [[0, -1000], [-1000, 0]]),
    "columns": (lambda m: T.exp(m) / total(m, 0), [[0, -LOG2], [-2000, -LOG2]]),
    "all": (lambda m: T.exp(m).T / total(m), [[0, -2000], [-1000, -1000]]),
    "column": (lambda m: T.exp(m[0])[:, None] / total(m[0]), [[0], [-1000]]),
    "transposed": (lambda m: (T.exp(m).T / total(m, 1)).T, [[0, -1000], [-1000, 0]]),
    "of the transpose": (lambda m: T.exp(m).T / T.sum(T.exp(m).T, 0), [[0, -1000], [-1000, 0]]),
    "above the transpose": (lambda m: T.exp(m).T / total(m.T, 0), [[0, -1000], [-1000, 0]]),
    "below the transpose": (lambda m: T.exp(m.T) / total(m, 1), [[0, -1000], [-1000, 0]]),
}


@pytest.mark.parametrize("name", PROBABILITIES)
def test_hand_written_probabilities(name):
    make, logarithm = PROBABILITIES[name]
    m = T.dmatrix("m")
    np.testing.assert_allclose(value(make(m), (m, EXTREME)), np.exp(logarithm), rtol=1e-15)
    for log, unit in ((T.log, 1), (T.log2, LOG2), (T.log10, np.log(10))):
        y = value(log(make(m)), (m, EXTREME))
        np.testing.assert_allclose(y, np.divide(logarithm, unit), rtol=1e-15)


def test_hand_written_logarithm_of_a_sum_of_exponentials():
    m = T.dmatrix("m")
    for axes, expected in (((), 1000), ((1,), BIG), ((0, True), [[1000, LOG2]])):
        y = T.log(total(m, *axes))
        np.testing.assert_array_equal(value(y, (m, EXTREME)), expected)
        assert value(T.grad(T.sum(y), m), (m, EXTREME))[0, 0] == 1
        y2, y10 = T.log2(total(m, *axes)), T.log10(total(m, *axes))
        np.testing.assert_allclose(value(y2, (m, EXTREME)) * LOG2, expected, rtol=1e-15)
        slope = value(T.grad(T.sum(y10), m), (m, EXTREME))[0, 0]
        np.testing.assert_allclose(slope, 1 / np.log(10))


def test_what_a_stable_form_replaces_is_not_computed_for_its_shape():
    m = T.dmatrix("m")
    for y in (T.log2(total(m, 1)), T.exp(m).T / total(m.T, 0)):
        assert "exp(m)" not in theano.function([m], [y, T.grad(T.sum(y), m)]).source.replace(
            "logsumexp(m", ""
        )


MOVES = {
    "element": lambda p: p[0],
    "reshape": lambda p: p.reshape((-1, 1)),
    "flatten": lambda p: p.flatten(),
    "transpose": lambda p: p.T,
    "dimshuffle": lambda p: p.dimshuffle("x", 0, 1),
    "rows": lambda p: p[[0, 0]],
    "step": lambda p: p[:, ::-1],
    "cast": lambda p: T.cast(p, "float32"),
    "column": lambda p: p[:, :1],
    "broadcast": lambda p: T.fill(T.zeros((3, p.shape[1])), T.addbroadcast(p, 0)),
}


@pytest.mark.parametrize("how", MOVES)
def test_stable_forms_are_seen_through_moves(how):
    m, move = T.dmatrix("m"), MOVES[how]
    at = np.array([[-800.0, 0.0]])
    shifted = at - np.log(np.exp(at).sum())
    moved = move(m).eval({m: shifted})
    np.testing.assert_allclose(value(T.log(move(T.nnet.softmax(m))), (m, at)), moved, rtol=1e-6)
    expected = move(m).eval({m: -np.logaddexp(0, -at)})
    np.testing.assert_allclose(value(T.log(move(T.nnet.sigmoid(m))), (m, at)), expected, rtol=1e-6)
    negative = value(T.log(1 - move(T.nnet.sigmoid(m))), (m, -at))
    np.testing.assert_allclose(negative, expected, rtol=1e-6)
    g = value(T.grad(T.sum(T.log(move(T.nnet.sigmoid(m)))), m), (m, at))
    assert np.isfinite(g).all()
    assert (g[0, 0] > 0.9) or how == "step" or g[0, 0] == 0


def test_probabilities_beside_their_cross_entropy():
    m, t = T.fmatrix("m"), T.lvector("t")
    p = T.nnet.softmax(m)
    f = theano.function([m, t], [p, -T.mean(T.log(p)[T.arange(t.shape[0]), t])])
    probabilities, cost = f(np.array([[0, 1e7, 1e7, 1e7, 1e7]], "f"), [1])
    np.testing.assert_allclose(probabilities, [[0, 0.25, 0.25, 0.25, 0.25]], atol=1e-7)
    np.testing.assert_allclose(cost, np.log(4), rtol=1e-6)


# Integers and booleans.


def test_bitwise_on_integers_and_logical_on_booleans():
    i, j = T.lscalars("i", "j")
    at = {i: 6, j: 3}
    assert [e.eval(at) for e in (i & j, i | j, i ^ j)] == [2, 7, 5]
    assert (~i).eval({i: 5}) == -6
    b = theano.shared(True)
    results = [e.eval() for e in (b & False, b | False, b ^ True, ~b, b + b)]
    assert results == [False, True, False, False, True]


# Broadcasting: only of axes that are known to have size 1.


def test_unknown_axes_do_not_broadcast():
    x, y = T.dmatrix("x"), T.dmatrix("y")
    for outputs in (x + y, T.grad(T.sum(x * y), [x, y]), T.fill(y, x), (x + y).shape[0]):
        f = theano.function([x, y], outputs)
        f(np.ones((2, 3)), np.ones((2, 3)))
        with pytest.raises(ValueError, match=r"x of shape \(1, 3\) and y of shape \(2, 3\)"):
            f(np.ones((1, 3)), np.ones((2, 3)))
    formula = r"x - \(sum\(x, axis=1\) / count\(x, axis=1\)\)$"
    with pytest.raises(ValueError, match=formula):
        value(x - x.mean(axis=1), (x, np.ones((2, 3))))  # keepdims is missing


def test_a_choice_that_is_known_has_the_shape_of_both():
    r, m = T.drow("r"), T.dmatrix("m")
    at = (r, np.ones((1, 3))), (m, np.zeros((2, 3)))
    for y in (T.switch(True, r, m), T.switch(False, m, r), T.fill(m, r)):
        np.testing.assert_array_equal(value(y, *at), np.ones((2, 3)))


GUARDED = {
    "array of one number": lambda m, x, n: T.zeros_like(x) + x[:n],
    "factors of 1": lambda m, x, n: x * T.ones_like(x[:n]),
    "new array": lambda m, x, n: T.zeros((n,)) + x,
    "product": lambda m, x, n: m[0] * x[:n],
    "filled": lambda m, x, n: T.fill(m[0][:3], x[:n]),
    "choice": lambda m, x, n: T.switch(True, x[:n], m[0][:3]),
    "alloc": lambda m, x, n: T.alloc(x[:n], 2, 3),
    "set_subtensor": lambda m, x, n: T.set_subtensor(m[0], x[:n]),
    "inc_subtensor": lambda m, x, n: T.inc_subtensor(m[:, :3], m[:, :n]),
    "batch": lambda m, x, n: T.batched_dot(m[None][[0, 0, 0]], m.T[None][T.zeros_like(x[:n], int)]),
}


@pytest.mark.parametrize("name", GUARDED)
def test_an_axis_that_is_only_sometimes_1_does_not_broadcast(name):
    m, x, n = T.dmatrix("m"), T.dvector("x"), T.lscalar("n")
    y = GUARDED[name](m, x, n)
    dx = T.grad(T.sum(y), x, disconnected_inputs="ignore")
    f = theano.function([m, x, n], [y, dx], on_unused_input="ignore")
    at = np.eye(2, 3), np.array([1.0, 2, 3])
    assert f(*at, 3)[1].shape == (3,)
    with pytest.raises(ValueError, match="sizes of axes differ"):
        f(*at, 1)


def test_axes_can_be_added_to_a_number_and_to_a_size():
    assert value(T.constant(5.0).dimshuffle("x", "x")) == [[5]]
    assert value(T.argmax(5)) == 0
    np.testing.assert_array_equal(value(T.tile(5, 2)), [5, 5])
    m = T.dmatrix("m")
    n = m.shape[0]
    for y in (n[None], n.dimshuffle("x"), T.tile(n, 2)[:1], T.concatenate([n[None], [1]])[:1]):
        np.testing.assert_array_equal(value(y, (m, np.ones((2, 3)))), [2])


def test_a_python_number_has_no_shape_for_others():
    x = T.dscalar("x")
    g = T.grad(T.sum(x.reshape((1,)) ** 2), x)
    assert theano.function([x], [2.0 * x, g])(3.0) == [6, 6]
