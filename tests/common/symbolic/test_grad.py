"""The gradient walk: what is asked for, what is connected, how much is derived."""

import re
from pathlib import Path

import numpy as np
import pytest

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic import Adjoints, DisconnectedInputError, debugprint, function, pp, shared


def place(variable):
    file, line = variable.made_at
    return re.escape(f"{file}:{line}")


def derived_by(work):
    """Return the result of `work`, and the number of variables that it makes, plus 1."""
    before = T.scalar().serial
    result = work()
    return result, T.scalar().serial - before


x, y = T.dscalars("x", "y")
v, w = T.dvectors("v", "w")
m = T.dmatrix("m")
i, iv, b8 = T.lscalar("i"), T.lvector("iv"), T.bscalar("b8")
fv, c128 = T.fvector("fv"), T.zscalar("c128")
M = np.array([[1.0, 2.0], [3.0, 4.0]])
AT = {x: 3.0, y: 2.0, v: [1.0, 2.0], w: [0.5, -1.0], m: M, i: 2, iv: [1, 2], b8: 1}
AT[fv] = np.ones(3, "f")


def value(expressions):
    """Return the values of one expression or several at the point `AT`."""
    return function(list(AT), expressions, on_unused_input="ignore")(*AT.values())


def check(gradients, wrt, expected):
    """Check form, dtype, shape and value."""
    assert isinstance(gradients, type(wrt) if isinstance(wrt, list | tuple) else T.Variable)
    if not isinstance(wrt, list | tuple):
        gradients, wrt, expected = [gradients], [wrt], [expected]
    for g, variable, result, e in zip(
        gradients, wrt, value(list(gradients)), expected, strict=True
    ):
        dtype = variable.dtype if variable.kind == "f" else "float64"
        assert (g.ndim, g.dtype, result.dtype) == (variable.ndim, dtype, dtype)
        assert result.shape == np.shape(e)
        np.testing.assert_allclose(result, e, rtol=1e-13)


# Intermediate variables.
P = x * y
H = x * 2
K = H**2  # ∂(K H)/∂H counts the path through K, too
A, B = x + 1, x + 1  # equal, but two variables
L = T.log(T.exp(x))  # its stable form is x
Q = 2 * L
ROW, TURNED, WHOLE = m[0], m.T, m[:]
S, C, ONE = shared(3.0), T.constant(2.0), T.constant(1.0)
G = T.grad((v**2).sum(), v)
PROBABILITIES = np.exp([1, 2]) / np.exp([1, 2]).sum()
SOFTMAX = T.nnet.softmax(v)
CURVATURE = np.diag(PROBABILITIES) - np.outer(PROBABILITIES, PROBABILITIES)

GRADIENTS = [
    *((x**2 * y, w, e) for w, e in ((x, 12), ([x, y], [12, 9]), ((y, x), [9, 12]))),
    *((x**2 * y, w, e) for w, e in (([x, y, x], [12, 9, 12]), ([], []), ((), []))),
    (x, x, 1),
    (P, P, 1),
    (P, [P, x], [1, 2]),
    (x * S * C, [S, C], [6, 9]),
    (T.log(ONE + T.exp(x * 0)), ONE, 0.5),
    *((K * H, w, e) for w, e in ((H, 108), (K, 6), ([x, H], [216, 108]), ([H, K], [108, 6]))),
    *((K * H, w, e) for w, e in (((K, x), [6, 216]), ([x, H, K], [216, 108, 6]))),
    (A * B, [A, B, x], [4, 4, 8]),
    (A * A, A, 8),
    (A + A * B, [A, B], [5, 4]),
    (L * x, [L, x], [3, 6]),
    (Q * x, [Q, x], [3, 12]),
    (-T.log(SOFTMAX)[0], [SOFTMAX, v], [[-1 / PROBABILITIES[0], 0], PROBABILITIES - [1, 0]]),
    (
        *((ROW**2).sum() + (TURNED**3).sum(), [ROW, TURNED, m]),
        [2 * M[0], 3 * M.T**2, 3 * M**2 + [[2, 4], [0, 0]]],
    ),
    ((T.sqr(WHOLE) + m).sum(), [WHOLE, m], [2 * M, 2 * M + 1]),
    (sum(x * k for k in range(50)) + x * x + T.exp(x * 0) * x, x, 49 * 25 + 6 + 1),
    # Twice in one operation
    *((c, x, e) for c, e in ((x * x, 6), (x / x, 0), (x - x, 0), (T.maximum(x, x), 1))),
    (T.switch(x > 0, x, x), x, 1),
    (T.dot(v, v), v, [2, 4]),
    (T.concatenate([v, v]).sum(), v, [2, 2]),
    # Of float32, and with respect to integers as if they were real
    (fv.sum() * x, [fv, x], [[3, 3, 3], 3]),
    (i * x, i, 3),
    (i**2 * x, i, 0),  # i² is an integer
    ((i * 1.0) ** 2 * x, i, 12),
    (i / 2 * x, i, 1.5),
    (T.exp(i * 0), i, 0),
    (x**i, i, 9 * np.log(3)),
    (b8 * x, b8, 3),
    (T.mean(iv), iv, [0.5, 0.5]),
    ((iv * x).sum(), iv, [3, 3]),
    # Of gradients, and with respect to them
    ((T.grad((v**3).sum(), v) ** 2).sum(), v, [36, 288]),
    ((G**2).sum(), G, [4, 8]),
    ((T.grad(T.log(T.exp(v).sum()), v) * w).sum(), v, CURVATURE @ AT[w]),
]


@pytest.mark.parametrize(("cost", "wrt", "expected"), GRADIENTS)
def test_gradients_jointly_and_in_turn(cost, wrt, expected):
    check(T.grad(cost, wrt), wrt, expected)
    adjoints = Adjoints(cost)
    if isinstance(wrt, list | tuple):
        for variable, e in [*zip(wrt, expected, strict=True)] * 2:
            check(adjoints.grad(variable), variable, e)
        assert derived_by(lambda: [adjoints.grad(variable) for variable in wrt])[1] == 1


def test_gradients_are_named_after_cost_and_variable():
    h = T.exp(x)
    h.name = "h"
    cost = h**2 * y
    assert T.grad(cost, h).name == "∂cost/∂h"
    cost.name = "loss"
    assert T.grad(cost, x).name == "∂loss/∂x"
    assert (x.name, y.name, h.name) == ("x", "y", "h")


def test_derivatives_of_derivatives():
    g = x**5
    for number in (5 * 81, 20 * 27, 60 * 9, 120 * 3, 120):
        g = T.grad(g, x)
        assert value(g) == number
    # The last one is a constant, of which no x is left or all derivatives are zero.
    assert value(T.grad(g, x, disconnected_inputs="ignore")) == 0


def test_jacobian_and_hessian():
    a, b = T.constant(np.array([1.0, 2.0, 3.0]), name="a"), T.constant([0.5, 0.25, 4.0], name="b")
    rows, columns = T.jacobian(a * a * b, [a, b])
    np.testing.assert_array_equal(rows.eval(), np.diag([1.0, 1.0, 24.0]))
    np.testing.assert_array_equal(columns.eval(), np.diag([1.0, 4.0, 9.0]))
    np.testing.assert_array_equal(T.jacobian((a * b).sum(), a).eval(), [0.5, 0.25, 4.0])
    assert isinstance(T.jacobian(a * b, (a, b)), tuple)
    h = T.hessian((a**2 * b).sum() + a[0] * a[1], a)
    np.testing.assert_array_equal(h.eval(), [[1, 1, 0], [1, 0.5, 0], [0, 0, 8]])
    of_x, of_y = T.jacobian(T.stack([x**2, x * y]), [x, y])
    np.testing.assert_array_equal(value([of_x, of_y]), [[6, 2], [0, 3]])
    with pytest.raises(DisconnectedInputError, match="w"):
        T.jacobian(T.stack([x**2, x * y]), [x, w])
    with pytest.raises(NotImplementedError, match="known"):
        T.jacobian(v**2, v)
    with pytest.raises(TypeError, match="2 axes"):
        T.hessian((m**2).sum(), m)


# What not to differentiate through.


@pytest.mark.parametrize(
    ("cost", "wrt", "constant", "expected"),
    [
        (x * y * x, y, [x], 9),
        (K * x, x, [y], 108),
        *((K * x, x, constant, 36) for constant in ([K], (K,), {K}, K)),
        (K * (x * 2) ** 2, x, [K], 36 * 24),  # an equal variable isn't stopped
        (H**2 + H, x, [H**2], 26),  # nor is another one that isn't part of the cost
        (H**2 + x, x, [H], 1),
        (K * x, x, [T.exp(y)], 108),
        (H**2 + x, [x, H], [H], [1, 12]),
        (x**2, x, [x], 6),
        (Q * x, x, [Q], 6),
        (theano.gradient.disconnected_grad(K) * x, x, [], 36),
        (theano.gradient.zero_grad(K) * x, x, [], 36),
        (theano.gradient.zero_grad(K), x, [], 0),
    ],
)
def test_consider_constant(cost, wrt, constant, expected):
    check(T.grad(cost, wrt, consider_constant=constant), wrt, expected)
    check(Adjoints(cost, constant).grad(wrt), wrt, expected)


@pytest.mark.parametrize(
    ("cost", "constant"),
    [(K * y, [K]), (K, [K]), (theano.gradient.disconnected_grad(K) * y, None)],
)
def test_consider_constant_leaves_nothing(cost, constant):
    with pytest.raises(DisconnectedInputError, match="x"):
        T.grad(cost, x, consider_constant=constant)
    assert value(T.grad(cost, x, constant, disconnected_inputs="ignore")) == 0


# What the cost doesn't depend on.


def test_disconnected_variable_and_cost_are_named_with_their_places():
    lonely, cost = T.dvector("lonely"), x**2
    cost.name = "loss"
    assert issubclass(DisconnectedInputError, ValueError)
    message = f"loss.*{place(cost)}.*lonely.*{place(lonely)}"
    with pytest.raises(DisconnectedInputError, match=message):
        T.grad(cost, [x, lonely])


@pytest.mark.parametrize(
    "ask", [lambda: T.grad(x**2, [x, v], [], "warn"), lambda: Adjoints(x**2).grad([x, v], "warn")]
)
def test_disconnected_variable_can_be_warned_of(ask):
    with pytest.warns(UserWarning, match="v") as caught:
        grads = ask()
    assert [w.filename for w in caught] == [__file__]
    check(grads, [x, v], [6, [0, 0]])


@pytest.mark.parametrize("variable", [y, v, m, fv, iv])
def test_ignored_disconnected_variable_gives_zeros(variable):
    g = T.grad(x**2, variable, disconnected_inputs="ignore")
    check(g, variable, np.zeros(np.shape(AT[variable])))


def test_derivative_with_respect_to_an_integer_has_floatX(monkeypatch):
    monkeypatch.setattr(theano.config, "floatX", "float32")
    assert value(T.grad(x, i, disconnected_inputs="ignore")).dtype == "float32"


@pytest.mark.parametrize(
    ("cost", "variable"),
    [
        *((v.shape[0] * x, v), (x / v.shape[0], v), (m.shape.sum() * x, m), (v[i], i)),
        *(((T.zeros_like(v) + x).sum(), v), ((T.ones_like(m) * x).sum(), m), (v[:i].sum(), i)),
        *(((T.arange(i) * x).sum(), i), ((T.arange(v.shape[0]) * x).sum(), v)),
        *((v[iv].sum(), iv), (v.reshape((i, 1)).sum(), i)),
    ],
)
def test_shapes_and_indices_do_not_connect(cost, variable):
    with pytest.raises(DisconnectedInputError):
        T.grad(cost, variable)


@pytest.mark.parametrize(
    "cost",
    [
        *(((v > 0) * x).sum(), (T.eq(v, x) * x).sum(), (T.and_(v > 0, v < x) * x).sum()),
        *(T.floor(v).sum() * x, T.sgn(v).sum() * x, (v // 2).sum() * x, T.argmax(v) * x),
        *((T.cast(v, "int64") * x).sum(), T.switch(v > 0, x, y).sum(), T.switch(v, x, y).sum()),
        (v > 0).sum(),
    ],
)
def test_comparisons_and_roundings_connect_with_a_derivative_of_zero(cost):
    check(T.grad(cost, v), v, [0, 0])


# What is refused.


@pytest.mark.parametrize(
    ("cost", "variable"),
    [(abs(x * 1j), x), (abs(c128 * x) * x, x), (T.sqr(abs(T.exp(1j * v).sum())) + v.sum() + x, v)],
)
def test_complex_numbers_on_the_way_are_refused(cost, variable):
    with pytest.raises(TypeError, match=f"complex.*{Path(__file__).name}"):
        T.grad(cost, variable)


def test_a_cost_with_axes_is_named_with_its_place():
    cost = T.exp(m)
    cost.name = "loss"
    with pytest.raises(TypeError, match=f"sum or mean.*2 axes.*loss.*{place(cost)}"):
        T.grad(cost, m)


@pytest.mark.parametrize(
    ("cost", "wrt", "message"),
    [
        *((cost, x, "cost") for cost in (None, 3.0, "x", np.ones(()), [x], x * 1j)),
        *((x**2, wrt, "wrt") for wrt in (None, 3.0, "x", [x, 3.0], [None], np.ones(2), [[x]])),
        (abs(c128), c128, "complex"),
        (v, v, "1 axes"),
    ],
)
def test_cost_must_be_a_real_scalar_and_wrt_variables(cost, wrt, message):
    with pytest.raises(TypeError, match=message):
        T.grad(cost, wrt)


def test_bad_option_for_disconnected_inputs():
    with pytest.raises(ValueError, match=r"disconnected_inputs must be 'raise'.* got 'error'"):
        T.grad(x**2, x, disconnected_inputs="error")


@pytest.mark.parametrize("scores", [5.0, x, T.zvector("z")])
def test_softmax_takes_arrays_of_real_numbers(scores):
    for softmax in (T.nnet.softmax, T.nnet.log_softmax):
        with pytest.raises(TypeError, match="softmax takes vectors, matrices, … of real numbers"):
            softmax(scores)


# How much is derived.


def test_adjoints_kept_derive_no_more_than_one_joint_call():
    rng = np.random.default_rng(0)
    weights = [shared(rng.standard_normal((5, 5)), name=f"W{layer}") for layer in range(4)]
    biases = [shared(rng.standard_normal(5), name=f"b{layer}") for layer in range(4)]
    h, parameters = m, [*weights, *biases]
    for weight, bias in zip(weights, biases, strict=True):
        h = T.nnet.sigmoid(T.dot(h, weight) + bias)
    cost = -T.mean(T.log(T.nnet.softmax(h))[T.arange(iv.shape[0]), iv])
    adjoints = Adjoints(cost)
    grads, joint = derived_by(lambda: T.grad(cost, parameters))
    kept_grads, kept = derived_by(lambda: [adjoints.grad(p) for p in parameters])
    alone, separate = derived_by(lambda: [T.grad(cost, p) for p in parameters])
    again, derived = derived_by(lambda: [adjoints.grad(p) for p in parameters[::-1]][::-1])
    assert derived == 1
    assert all(g is h for g, h in zip(again, kept_grads, strict=True))
    assert kept <= 1.3 * joint
    assert separate >= 3 * joint
    fs = [function([m, iv], [cost, *gs]) for gs in (grads, kept_grads, alone)]
    assert len({f.source.count("\n") for f in fs}) == 1


def test_work_grows_with_the_number_of_nested_stable_forms_not_with_its_square():
    def derived(n):
        h = start = T.sin(x)
        for _ in range(n):
            h = T.log(T.nnet.sigmoid(h))
        return derived_by(lambda: T.grad(h, start))[1]

    assert derived(400) <= 2.2 * derived(200)


@pytest.mark.parametrize("n", [300, 33_000])
def test_work_grows_with_the_length_of_an_expression_not_with_the_number_of_paths(n):
    h = x
    for _ in range(n):
        h = (h + h) / 2 + x  # of two times as many paths
    g, derived = derived_by(lambda: T.grad(h, x))
    assert derived <= 3.1 * n
    assert function([x], [h, g])(0.5) == [0.5 * (n + 1), n + 1]
    assert len(pp(h)) < 10_000
    assert debugprint(h, depth=3, file="str").count("\n") < 10
