"""Scripts as Theano's first tutorials teach them; only the lines of their imports differ."""

import numpy as np
import pytest

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic import function, pp

equal, close = np.testing.assert_array_equal, np.testing.assert_allclose

LOGISTIC = [[0.5, 0.73105858], [0.26894142, 0.11920292]]
MATRICES = [[[1, 1], [1, 1]], [[0, 1], [2, 3]]]
DIFFERENCES = [[[1, 0], [-1, -2]], [[1, 0], [1, 2]], [[1, 0], [1, 4]]]
SQUASHED, RECTIFIED = [[-0.5, 0.75], [0.3, 1]], [[2 * np.expm1(-1), 3], [-0.1, 3]]
EXPRESSIONS = [
    ("lscalar", lambda x: x * 2, [3], 6),
    ("row matrix", lambda r, m: r + m, [[[1, 2]], [[0, 0], [1, 1]]], [[1, 2], [2, 3]]),
    ("vector", lambda a: a + a**10, [[0, 1, 2]], [0, 2, 1026]),
    ("vector vector", lambda a, b: a**2 + b**2 + 2 * a * b, [[1, 2], [4, 5]], [25, 49]),
    ("dmatrix", lambda x: 1 / (1 + T.exp(-x)), [[[0, 1], [-1, -2]]], LOGISTIC),
    ("dmatrix", lambda x: (1 + T.tanh(x / 2)) / 2, [[[0, 1], [-1, -2]]], LOGISTIC),
    ("dmatrix dmatrix", lambda a, b: [a - b, abs(a - b), (a - b) ** 2], MATRICES, DIFFERENCES),
    ("scalar scalar row", lambda a, b, r: T.switch(T.lt(a, b), r.max(), 0), [0, 1, [[2, 3]]], 3),
    ("scalar scalar row", lambda a, b, r: T.switch(T.lt(a, b), r.max(), 0), [1, 0, [[2, 3]]], 0),
    ("vector", lambda x: [T.nnet.softsign(x), T.nnet.hard_sigmoid(x)], [[-1, 3]], SQUASHED),
    ("vector", lambda x: [T.nnet.elu(x, 2), T.nnet.relu(x, 0.1)], [[-1, 3]], RECTIFIED),
    ("dvector", lambda x: T.grad(T.grad((x**3).sum(), x)[1], x), [[4, 5]], [0, 30]),
]


@pytest.mark.parametrize(("kinds", "make", "values", "expected"), EXPRESSIONS)
def test_expressions(kinds, make, values, expected):
    inputs = [getattr(T, kind)() for kind in kinds.split()]
    f = function(inputs, make(*inputs))
    for given in (values, [np.array(v, x.dtype) for v, x in zip(values, inputs, strict=True)]):
        results = f(*given)
        close(results, expected, atol=1e-8)
        for result in results if isinstance(results, list) else [results]:
            assert (type(result), result.dtype) == (np.ndarray, inputs[0].dtype)


# The package.


def test_names_of_the_package():
    x = T.dscalar("x")
    assert x.type == T.dscalar
    assert repr(x.type) == repr(T.dscalar) == "TensorType(float64, scalar)"
    assert theano.pp(x * 2) == theano.printing.pp(x * 2) == "(x * 2)"
    assert theano.tensor is T
    assert T.config is theano.config
    assert theano.grad is T.grad
    assert theano.printing.debugprint is theano.debugprint
    assert (repr(x), str(x), repr(T.exp(x))) == ("x", "x", "exp")
    assert repr(function([x], x * 2, name="double")) == "<function double(x)>"
    assert "x" in [text.get_text() for text in theano.draw(x * 2).axes[0].texts]


KINDS = {"scalar": (), "vector": (False,), "matrix": (False, False), "row": (True, False)}
KINDS |= {"col": (False, True), "tensor3": (False,) * 3, "tensor4": (False,) * 4}
PREFIXES = {"": "float64", "b": "int8", "w": "int16", "i": "int32", "l": "int64"}
PREFIXES |= {"f": "float32", "d": "float64", "c": "complex64", "z": "complex128"}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_constructors_of_variables(prefix):
    for kind, axes in KINDS.items():
        x = getattr(T, prefix + kind)("x")
        assert (x.name, x.dtype, x.broadcastable) == ("x", PREFIXES[prefix], axes)
        assert x.type == getattr(T, prefix + kind) == T.TensorType(x.dtype, axes)
        plural = getattr(T, prefix + ("matrices" if kind == "matrix" else kind + "s"))
        assert [(v.name, v.type) for v in plural("ab")] == [("a", x.type), ("b", x.type)]
        assert [v.name for v in plural(3)] == [None] * 3
        assert [v.name for v in plural("left", "right")] == ["left", "right"]


def test_constructors_follow_floatX():
    theano.config.floatX = "float32"
    assert T.vector().dtype == T.matrix(dtype="floatX").dtype == "float32"
    assert T.vector("v", dtype="float64").dtype == T.dvector().dtype == "float64"
    for float64 in ("float64", "f8", float, np.float64, np.dtype("float64")):
        assert T.tensor(float64).dtype == T.cast(2, float64).dtype == "float64"
    for default in ("floatX", None):
        assert T.tensor(default).dtype == T.cast(2, default).dtype == "float32"
    with pytest.raises(ValueError, match="floatX"):
        theano.config.floatX = "float16"
    with pytest.raises(AttributeError, match="flaotX"):
        theano.config.flaotX = "float32"


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("given", [(), (0,), (1, 1), (None, 2, True)])
def test_variances_count_degrees_of_freedom(given, dtype):
    m, at = T.matrix("m", dtype), np.array([[1, 5, 2], [7, 0, 4]], dtype)
    named = dict(zip(("axis", "ddof", "keepdims"), given, strict=False))
    expected = np.var(at, **named)
    for y in (m.var(*given), T.var(m, **named), T.sqr(m.std(*given)), T.std(m, **named) ** 2):
        result = y.eval({m: at})
        assert result.dtype == y.dtype == expected.dtype
        close(result, expected, rtol=1e-6)


def test_parameters_have_the_names_and_order_of_theano():
    x, t = T.dvector("x"), T.dtensor3("t")
    f = function([x, theano.In(t, "images", np.ones((1, 2, 3)))], [x.sum(), t.sum()])
    assert [f([1, 2])[1], f([1, 2], images=np.ones((2, 2, 2)))[1]] == [6, 8]
    for y in (T.clip(x, a_min=0, a_max=2), x.clip(a_min=0, a_max=2)):
        equal(y.eval({x: [-1, 1, 3]}), [0, 1, 2])
    equal(T.concatenate(tensor_list=[x, x], axis=0).eval({x: [1, 2]}), [1, 2, 1, 2])
    for y in (T.flatten(t, outdim=2), t.flatten(outdim=2), T.flatten(t, 2), t.flatten(ndim=2)):
        assert y.eval({t: np.ones((2, 3, 4))}).shape == (2, 12)


def test_norms():
    v, at = T.dvector("v"), [3.0, -4.0]
    close([v.norm(L).eval({v: at}) for L in (1, 2, T.constant(2), -1)], [7, 5, 5, 12 / 7])
    for L in (0, 0.0, np.inf, -np.inf):
        with pytest.raises(ValueError, match="L must be finite and not 0, got"):
            v.norm(L)


def test_copies_of_a_function():
    state, new_state, inc = theano.shared(0), theano.shared(10, name="new"), T.iscalar("inc")
    accumulator = theano.function([inc], state * 2, updates=[(state, state + inc)], name="add")
    other = accumulator.copy(swap={state: new_state}, name="other")
    assert [int(other(100)), int(other(1)), int(accumulator(5))] == [20, 220, 0]
    assert [int(new_state.get_value()), int(state.get_value())] == [111, 5]
    assert repr(other) == "<function other(inc)>"
    null = accumulator.copy(delete_updates=True)
    assert [int(f(5)) for f in (null, null, accumulator.copy(), null)] == [10, 10, 10, 20]
    for wrong in ({state: 1}, {state: inc}, {state: theano.shared(1.5)}, {inc: state}, 3):
        for f in (accumulator, theano.function([], state)):
            with pytest.raises(TypeError, match="swap"):
                f.copy(swap=wrong)


def test_the_graph_of_a_function():
    x = T.dscalar("x")
    f = theano.function([x], T.grad(x**2, x))
    [optimized] = f.outputs
    assert f.maker.fgraph.outputs == f.maker.fgraph.toposort() == [optimized]
    assert optimized.eval({x: 4}) == f(4) == 8
    assert pp(optimized) == "(2 * x)"
