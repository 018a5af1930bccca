import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic import Adjoints, DisconnectedInputError, debugprint, function, pp, shared
from common.symbolic.graph import count_variables


def here():
    """Return the place of the caller's line as a regular expression for messages."""
    frame = inspect.currentframe().f_back
    return re.escape(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}") + r"(?!\d)"


def value(expressions, **values):
    """Return the value of expressions of variables that are told by name."""
    one = not isinstance(expressions, (list, tuple))
    expressions = [expressions] if one else list(expressions)
    inputs = [v for v in VARIABLES if v.name in values]
    f = function(inputs, expressions, on_unused_input="ignore")
    results = f(*(values[v.name] for v in inputs))
    return results[0] if one else results


def names_all(error, *parts):
    for part in parts:
        assert re.search(part, str(error.value), re.DOTALL), (part, str(error.value))


x, y, z = T.dscalars("x", "y", "z")
v, w = T.dvectors("v", "w")
m = T.dmatrix("m")
i, iv, b8 = T.lscalar("i"), T.lvector("iv"), T.bscalar("b8")
f32, fv = T.fscalar("f32"), T.fvector("fv")
c128 = T.zscalar("c128")
VARIABLES = [x, y, z, v, w, m, i, iv, b8, f32, fv, c128]

# What is asked for, and what comes back.


def test_one_variable_a_list_or_a_tuple():
    cost = x**2 * y
    assert value(T.grad(cost, x), x=3, y=2) == 12
    assert isinstance(T.grad(cost, [x, y]), list)
    assert isinstance(T.grad(cost, (x, y)), tuple)
    assert value(T.grad(cost, [x, y]), x=3, y=2) == [12, 9]
    assert value(T.grad(cost, (y, x)), x=3, y=2) == [9, 12]
    assert T.grad(cost, []) == []
    assert T.grad(cost, ()) == ()
    assert value(T.grad(cost, [x, y, x]), x=3, y=2) == [12, 9, 12]
    g = theano.grad(cost=cost, wrt=x, consider_constant=[y], disconnected_inputs="raise")
    assert value(g, x=3, y=2) == 12


def test_derivative_by_the_cost_itself_is_one():
    cost = x * y
    g = T.grad(cost, cost)
    assert value(g) == 1
    assert value(T.grad(x, x), x=5) == 1
    assert value(T.grad(cost, [cost, x]), x=2, y=3) == [1, 3]


def test_derivative_by_shared_variables_and_constants():
    s, c = shared(3.0), T.constant(2.0)
    assert value(T.grad(x * s * c, [s, c]), x=5) == [10, 15]


@pytest.mark.parametrize(
    ("wrt", "expected"),
    [("xh", [216, 108]), ("hk", [108, 6]), ("kx", [6, 216]), ("xhk", [216, 108, 6]), ("k", [6])],
)
def test_derivatives_by_intermediates_above_each_other(wrt, expected):
    h = x * 2
    k = h**2
    variables = {"x": x, "h": h, "k": k}
    # ∂(k h)/∂h counts the way through k too: each variable is one that all others depend on.
    assert value(T.grad(k * h, [variables[n] for n in wrt]), x=3) == expected


def test_derivative_by_equal_but_distinct_intermediates():
    a = x + 1
    b = x + 1
    assert value(T.grad(a * b, a), x=3) == 4
    assert value(T.grad(a * b, [a, b, x]), x=3) == [4, 4, 8]
    assert value(T.grad(a * a, a), x=3) == 8
    assert value(T.grad(a + a * b, [a, b]), x=3) == [5, 4]


def test_derivative_by_an_intermediate_whose_stable_form_is_its_input():
    h = T.log(T.exp(x))
    assert value(T.grad(h * x, [h, x]), x=3) == [3, 6]


def test_derivative_by_intermediates_that_are_views():
    row = m[0]
    turned = m.T
    cost = (row**2).sum() + (turned**3).sum()
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    g_row, g_turned, g_m = value(T.grad(cost, [row, turned, m]), m=values)
    np.testing.assert_allclose(g_row, 2 * values[0])
    np.testing.assert_allclose(g_turned, 3 * values.T**2)
    np.testing.assert_allclose(g_m, 3 * values**2 + [[2, 4], [0, 0]])


def test_gradient_by_an_intermediate_can_be_computed_from_the_intermediate():
    h = T.exp(x)
    g = T.grad(h**3, h)
    assert function([h], g)(2) == 12


def test_gradient_has_the_shape_and_dtype_of_its_variable():
    row, col = T.drow("r"), T.dcol("c")
    cost = ((row + col) * x * fv.sum()).sum()
    grads = T.grad(cost, [row, col, x, fv])
    results = function([row, col, x, fv], grads)(
        np.ones((1, 3)), np.ones((2, 1)), 1.0, np.ones(4, np.float32)
    )
    assert [g.shape for g in results] == [(1, 3), (2, 1), (), (4,)]
    assert [g.dtype for g in results] == ["float64", "float64", "float64", "float32"]
    assert [g.ndim for g in grads] == [2, 2, 0, 1]
    assert [g.type.dtype for g in grads] == ["float64"] * 3 + ["float32"]


# Names.


def test_gradients_are_named_after_cost_and_variable():
    h = T.exp(x)
    h.name = "h"
    cost = h**2 * y
    assert T.grad(cost, h).name == "∂cost/∂h"
    cost.name = "loss"
    assert T.grad(cost, x).name == "∂loss/∂x"
    assert (x.name, y.name, h.name) == ("x", "y", "h")


# Not to derive through.

H, K = x * 2, (x * 2) ** 2
TWIN = (x * 2) ** 2


@pytest.mark.parametrize(
    ("cost", "wrt", "constant", "expected"),
    [
        (x * y * x, y, [x], 9),
        (K * x, x, [y], 108),
        (K * x, x, [K], 36),
        (K * x, x, (K,), 36),
        (K * x, x, {K}, 36),
        (K * x, x, K, 36),
        (K * TWIN, x, [K], 36 * 24),  # an equal variable isn't stopped
        (H**2 + H, x, [H**2], 26),  # nor is another one that isn't part of the cost
        (H**2 + x, x, [H], 1),
        (K * x, x, [T.exp(y)], 108),
        (H**2 + x, [x, H], [H], [1, 12]),
        (x**2, x, [x], 6),
    ],
)
def test_consider_constant(cost, wrt, constant, expected):
    assert value(T.grad(cost, wrt, consider_constant=constant), x=3, y=2) == expected


def test_consider_constant_leaves_nothing():
    for cost in (K * y, K):
        with pytest.raises(DisconnectedInputError, match="x"):
            T.grad(cost, x, consider_constant=[K])
        g = T.grad(cost, x, consider_constant=[K], disconnected_inputs="ignore")
        assert value(g, x=3, y=2) == 0


# What the cost doesn't depend on.


def test_disconnected_variable_and_cost_are_named_with_their_places():
    lonely, place = T.dvector("lonely"), here()
    cost, place_of_cost = x**2, here()
    cost.name = "loss"
    with pytest.raises(DisconnectedInputError) as error:
        T.grad(cost, [x, lonely])
    names_all(error, "lonely", place, "loss", place_of_cost)
    with pytest.raises(ValueError, match="lonely"):
        T.grad(cost, lonely, disconnected_inputs="raise")


def test_disconnected_variable_can_be_warned_of():
    with pytest.warns(UserWarning, match="v.*") as caught:
        grads = T.grad(x**2, [x, v], disconnected_inputs="warn")
    assert len(caught) == 1
    np.testing.assert_array_equal(value(grads[1], v=[1, 2]), [0, 0])


@pytest.mark.parametrize(
    "ask",
    [
        lambda: T.grad(x**2, v, disconnected_inputs="warn"),
        lambda: Adjoints(x**2).grad(v, "warn"),
    ],
    ids=["grad", "Adjoints"],
)
def test_warning_is_of_the_line_that_asked(ask):
    with pytest.warns(UserWarning, match="v") as caught:
        ask()
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("variable", "argument", "dtype"),
    [
        (y, 2.0, "float64"),
        (v, np.ones(3), "float64"),
        (m, np.ones((2, 3)), "float64"),
        (m, np.ones((0, 3)), "float64"),
        (fv, np.ones(3, np.float32), "float32"),
        (iv, np.arange(3), "float64"),
    ],
)
def test_ignored_disconnected_variable_gives_zeros(variable, argument, dtype):
    g = T.grad(x**2, variable, disconnected_inputs="ignore")
    result = value(g, **{variable.name: argument})
    assert result.dtype == g.dtype == dtype
    np.testing.assert_array_equal(result, np.zeros_like(argument, dtype=dtype))


def test_ignored_zeros_are_a_shared_variable_s_size_at_the_call():
    s = shared(np.ones(2))
    f = function([], T.grad(shared(1.0) * 2, s, disconnected_inputs="ignore"))
    assert f().shape == (2,)
    s.set_value(np.ones(5))
    assert f().shape == (5,)


@pytest.mark.parametrize(
    ("cost", "variable"),
    [
        (v.shape[0] * x, v),
        (m.shape.sum() * x, m),
        (x / v.shape[0], v),
        ((T.zeros_like(v) + x).sum(), v),
        ((T.ones_like(m) * x).sum(), m),
        ((T.arange(i) * x).sum(), i),
        ((T.arange(v.shape[0]) * x).sum(), v),
        (v[i], i),
        (v[:i].sum(), i),
        (v[iv].sum(), iv),
        (v.reshape((i, 1)).sum(), i),
    ],
)
def test_shapes_and_places_do_not_connect(cost, variable):
    with pytest.raises(DisconnectedInputError):
        T.grad(cost, variable)


@pytest.mark.parametrize(
    ("cost", "variable"),
    [
        (((v > 0) * x).sum(), v),
        ((T.eq(v, x) * x).sum(), v),
        (T.floor(v).sum() * x, v),
        (T.sgn(v).sum() * x, v),
        ((v // 2).sum() * x, v),
        ((T.cast(v, "int64") * x).sum(), v),
        (T.argmax(v) * x, v),
        ((T.and_(v > 0, v < x) * x).sum(), v),
        (T.switch(v > 0, x, y).sum(), v),
        (T.switch(v, x, y).sum(), v),
    ],
)
def test_comparisons_and_roundings_connect_with_a_derivative_of_zero(cost, variable):
    g = T.grad(cost, variable)
    result = value(g, v=[1.0, 2.0], x=3, y=2)
    assert result.dtype == "float64"
    np.testing.assert_array_equal(result, [0, 0])


# Integers and complex numbers.


@pytest.mark.parametrize(
    ("cost", "variable", "expected"),
    [
        (i * x, i, 3.0),
        (i**2 * x, i, 0.0),  # i² is an integer
        ((i * 1.0) ** 2 * x, i, 12.0),
        (i / 2 * x, i, 1.5),
        (T.exp(i * 0), i, 0.0),
        (x**i, i, 9 * np.log(3)),
        (b8 * x, b8, 3.0),
        (T.mean(iv), iv, [0.5, 0.5]),
        ((iv * x).sum(), iv, [3.0, 3.0]),
    ],
)
def test_derivative_by_an_integer_is_that_by_a_real_number(cost, variable, expected):
    g = T.grad(cost, variable)
    assert g.dtype == "float64"
    result = value(g, x=3, i=2, iv=[1, 2], b8=1)
    assert result.dtype == "float64"
    np.testing.assert_allclose(result, expected)


def test_derivative_by_an_integer_follows_float_x(monkeypatch):
    monkeypatch.setattr(theano.config, "floatX", "float32")
    g = T.grad(x, i, disconnected_inputs="ignore")
    assert value(g, i=2).dtype == "float32"


@pytest.mark.parametrize(
    "cost", [abs(x * 1j), abs(c128 * x) * x, T.sqr(abs(T.exp(1j * v).sum())) + v.sum() + x]
)
def test_complex_numbers_on_the_way_are_refused(cost):
    variable = x if "v" not in pp(cost) else v
    with pytest.raises(TypeError, match="complex") as error:
        T.grad(cost, variable)
    names_all(error, Path(__file__).name)


def test_a_cost_with_axes_is_named_with_its_place():
    cost, place = T.exp(m), here()
    cost.name = "loss"
    with pytest.raises(TypeError) as error:
        T.grad(cost, m)
    names_all(error, "loss", "2 axes", "sum or mean", place)


@pytest.mark.parametrize(
    ("cost", "wrt", "message"),
    [
        *((cost, x, "cost") for cost in (None, 3.0, "x", np.ones(()), [x], x * 1j)),
        *((x**2, wrt, "wrt") for wrt in (None, 3.0, "x", [x, 3.0], [None], np.ones(2), [[x]])),
        (abs(c128), c128, "complex"),
        (v, v, "1 axes"),
        (m.sum(keepdims=True), m, "2 axes"),
    ],
)
def test_cost_must_be_a_real_scalar_and_wrt_variables(cost, wrt, message):
    with pytest.raises(TypeError, match=message):
        T.grad(cost, wrt)


@pytest.mark.parametrize("option", ["error", None, True])
def test_bad_option_for_disconnected_inputs(option):
    with pytest.raises(ValueError, match="disconnected_inputs"):
        T.grad(x**2, x, disconnected_inputs=option)


# Gradients of gradients, and sums.


def test_jacobian_and_hessian():
    a, b = T.constant(np.array([1.0, 2.0, 3.0]), name="a"), T.constant([0.5, 0.25, 4.0], name="b")
    rows, columns = T.jacobian(a * a * b, [a, b])
    np.testing.assert_array_equal(rows.eval(), np.diag([1.0, 1.0, 24.0]))
    np.testing.assert_array_equal(columns.eval(), np.diag([1.0, 4.0, 9.0]))
    np.testing.assert_array_equal(T.jacobian((a * b).sum(), a).eval(), [0.5, 0.25, 4.0])
    assert isinstance(T.jacobian(a * b, (a, b)), tuple)
    h = T.hessian((a**2 * b).sum() + a[0] * a[1], a)
    np.testing.assert_array_equal(h.eval(), [[1, 1, 0], [1, 0.5, 0], [0, 0, 8]])
    with pytest.raises(NotImplementedError, match="known"):
        T.jacobian(v**2, v)
    with pytest.raises(TypeError, match="2 axes"):
        T.hessian((m**2).sum(), m)


def test_derivatives_of_derivatives():
    g, expected = x**5, [5 * 16, 20 * 8, 60 * 4, 120 * 2, 120]
    for number in expected:
        g = T.grad(g, x)
        assert value(g, x=2) == number
    # The last one is a constant, of which no x is left or all derivatives are zero.
    last = T.grad(g, x, disconnected_inputs="ignore")
    assert value(last, x=2) == 0


def test_gradient_in_a_cost():
    cost = (v**3).sum()
    penalty = (T.grad(cost, v) ** 2).sum()
    np.testing.assert_allclose(value(T.grad(penalty, v), v=[1.0, 2.0]), [36, 288])


def test_derivative_by_a_gradient():
    g = T.grad((v**2).sum(), v)
    np.testing.assert_allclose(value(T.grad((g**2).sum(), g), v=[1.0, 2.0]), [4, 8])


def test_hessian_times_a_vector():
    cost = T.log(T.exp(v).sum())
    product = T.grad((T.grad(cost, v) * w).sum(), v)
    at, direction = np.array([0.1, 0.5, -1.0]), np.array([1.0, 0.0, 2.0])
    p = np.exp(at) / np.exp(at).sum()
    expected = (np.diag(p) - np.outer(p, p)) @ direction
    np.testing.assert_allclose(value(product, v=at, w=direction), expected)


def test_many_uses_add_up():
    cost = sum(x * k for k in range(50)) + x * x + T.exp(x * 0) * x
    assert value(T.grad(cost, x), x=3) == 49 * 50 / 2 + 6 + 1


def test_a_variable_twice_in_one_operation():
    assert value(T.grad(x * x, x), x=3) == 6
    assert value(T.grad(x / x, x), x=3) == 0
    assert value(T.grad(x - x, x), x=3) == 0
    assert value(T.grad(T.maximum(x, x), x), x=3) == 1
    assert value(T.grad(T.switch(x > 0, x, x), x), x=3) == 1
    np.testing.assert_allclose(value(T.grad(T.dot(v, v), v), v=[1.0, 2.0]), [2, 4])
    np.testing.assert_allclose(value(T.grad(T.concatenate([v, v]).sum(), v), v=[1.0, 2]), [2, 2])


# Adjoints: one table for many questions.


def network(layers=4, width=5):
    """Return the cost of a network of sigmoid layers, its parameters and its inputs."""
    rng = np.random.default_rng(0)
    data, labels = T.dmatrix("data"), T.lvector("labels")
    parameters, h = [], data
    for layer in range(1, layers + 1):
        weight = shared(rng.standard_normal((width, width)), name=f"w{layer}")
        bias = shared(rng.standard_normal(width), name=f"b{layer}")
        parameters += [weight, bias]
        h = T.dot(h, weight) + bias
        h = T.nnet.sigmoid(h) if layer < layers else T.nnet.softmax(h)
    cost = -T.mean(T.log(h)[T.arange(labels.shape[0]), labels])
    return cost, parameters, [data, labels], (rng.standard_normal((6, width)), [0, 1, 2, 3, 4, 0])


def derived_by(work):
    before = count_variables()
    result = work()
    return result, count_variables() - before


def test_adjoints_kept_derive_no_more_than_one_joint_call():
    cost, parameters, _, _ = network()
    adjoints = Adjoints(cost)
    _, joint = derived_by(lambda: T.grad(cost, parameters))
    _, kept = derived_by(lambda: [adjoints.grad(p) for p in parameters])
    _, separate = derived_by(lambda: [T.grad(cost, p) for p in parameters])
    again, derived = derived_by(lambda: [adjoints.grad(p) for p in parameters])
    assert derived <= 2
    assert all(g is h for g, h in zip(again, adjoints.grad(parameters), strict=True))
    assert kept <= 1.3 * joint
    assert separate >= 3 * joint


@pytest.mark.parametrize("order", [1, -1])
def test_separate_calls_give_the_same_values_as_a_joint_one(order):
    cost, parameters, inputs, values = network()
    adjoints = Adjoints(cost)
    kept = [adjoints.grad(p) for p in parameters[::order]][::order]
    alone = [T.grad(cost, p) for p in parameters]
    joint = T.grad(cost, parameters)
    expected = function(inputs, joint)(*values)
    for grads in (kept, alone, Adjoints(cost).grad(parameters)):
        for result, value in zip(function(inputs, grads)(*values), expected, strict=True):
            np.testing.assert_allclose(result, value, rtol=1e-12)


def test_programs_of_separate_and_joint_gradients_are_as_long():
    cost, parameters, inputs, _ = network()
    adjoints = Adjoints(cost)
    sources = [
        function(inputs, [cost, *grads]).source
        for grads in (
            T.grad(cost, parameters),
            [T.grad(cost, p) for p in parameters],
            [adjoints.grad(p) for p in parameters],
        )
    ]
    lengths = [s.count("\n") for s in sources]
    assert lengths[0] == lengths[1] == lengths[2]


def test_adjoints_of_intermediates_and_leaves_in_turn():
    h = x * 2
    k = h**2
    adjoints = Adjoints(k * h)
    assert value(adjoints.grad(x), x=3) == 216
    assert value(adjoints.grad([h, k]), x=3) == [108, 6]
    assert value(adjoints.grad((k, x)), x=3) == [6, 216]
    assert value(adjoints.grad(x), x=3) == 216


def test_adjoints_take_the_options_of_grad():
    h = x**2
    adjoints = Adjoints(h * x, consider_constant=[h])
    assert value(adjoints.grad(x), x=3) == 9
    with pytest.raises(DisconnectedInputError):
        adjoints.grad(y)
    assert value(adjoints.grad(y, disconnected_inputs="ignore"), y=3) == 0
    with pytest.raises(TypeError):
        Adjoints(v)
    with pytest.raises(TypeError):
        adjoints.grad("x")


def test_work_grows_with_the_length_of_the_expression():
    def derived(n):
        h = x
        for _ in range(n):
            h = T.sin(h) * h
        return derived_by(lambda: T.grad(h, x))[1]

    assert derived(400) <= 2.2 * derived(200)


# Deep and wide graphs.


def test_chain_of_100_000_operations():
    n = 100_000
    h = x
    for _ in range(n):
        h = h + x
    g, derived = derived_by(lambda: T.grad(h, x))
    assert derived <= 2 * n
    f = function([x], [h, g])
    assert f(0.5) == [0.5 * (n + 1), n + 1]
    assert len(pp(h)) < 10_000
    assert debugprint(h, depth=3, file="str").count("\n") < 10


def test_deep_chain_of_functions():
    n = 5_000
    h = v
    for _ in range(n):
        h = T.sin(h)
    f = function([v], [h, T.grad(h.sum(), v)])
    at = np.array([0.3, -0.4])
    expected, slope = at, np.ones(2)
    for _ in range(n):
        expected, slope = np.sin(expected), slope * np.cos(expected)
    result, gradient = f(at)
    np.testing.assert_allclose(result, expected, rtol=1e-9)
    np.testing.assert_allclose(gradient, slope, rtol=1e-9)
    assert f.source.count("\n") <= 4 * n


def test_sum_of_20_000_terms_over_one_shared_variable():
    n = 20_000
    s = shared(2.0, name="s")
    total = 0.0
    for k in range(n):
        total = total + s * float(k)
    g = T.grad(total, s)
    assert function([], g)() == n * (n - 1) / 2


def test_shared_subexpressions_do_not_multiply():
    h = x
    for _ in range(200):  # 2²⁰⁰ paths
        h = h * 0.5 + h * 0.5
    g, derived = derived_by(lambda: T.grad(h, x))
    assert derived < 200 * 10
    assert value(g, x=3) == 1
    assert function([x], [h, g]).source.count("\n") < 200 * 10


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (lambda x: T.floor(T.sqrt(x)), 0.0),
        (lambda x: T.sgn(T.log(x)), 0.0),
        (lambda x: T.floor(T.sqrt(x)) * 3 + x, 1.0),
        (lambda x: T.switch(x < 7, x, T.sqrt(x)), 1.0),
        (lambda x: T.switch(x < 7, 2 * x, T.exp(T.log(x) * 3)), 2.0),
        (lambda x: T.sqrt(x**2) ** 2, 0.0),
    ],
    ids=["floor sqrt", "sgn log", "beside x", "not chosen", "chain not chosen", "root"],
)
def test_a_zero_gradient_stays_zero_where_the_next_derivative_is_infinite(cost, expected):
    # The chain rule would multiply 0 by an infinite local gradient, which is NaN.
    x = T.dscalar("x")
    gradient = theano.function([x], T.grad(cost(x), x), on_unused_input="ignore")
    assert gradient(0.0) == expected
