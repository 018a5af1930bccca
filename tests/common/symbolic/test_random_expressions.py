"""Random expressions of up to 50 operations, against HIPS autograd.

An expression is a list of steps: an operation, and which of the earlier values it takes. So values
are shared, as in a network. All operations make numbers between −2 and 2 of such numbers.
"""

import itertools

import numpy as np
import pytest

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic import Shared

N_STEPS = 50
LARGEST = 40  # elements

# m is ref.SYMBOLIC or ref.NUMPY.
OF_NUMBERS_AND_ARRAYS = [
    lambda m, a, b: (a + b) / 2,
    lambda m, a, b: 0.5 * (a - b),
    lambda m, a, b: a * b / 2,
    lambda m, a, b: a / (1 + b * b),
    lambda m, a, b, c: (a * b - c) / 3,
    lambda m, a, b: (1 + m.sqr(a)) ** -(b**2),
    lambda m, a, b, c: m.switch(a > 0.1, b, -c),
    lambda m, a, b: ((a < b) + a) / 2,
    lambda m, a, b: m.zeros_like(b) + a,
    lambda m, a, b: m.maximum(a, b),
    lambda m, a: 1 - m.sigmoid(a),
    lambda m, a: -m.exp(-(a**2)),
    lambda m, a: m.log(2 + m.cos(a)),
    lambda m, a: m.sqrt(1 + m.sqr(a)) - 1,
    lambda m, a: m.sin(abs(a) - 2.0),
    lambda m, a: m.tanh(m.copy(a)),
    lambda m, a: (a > 0.25) * (1.0 / (1.0 + m.sqr(a))),
    lambda m, a: 3.0 ** -m.sqr(a),
    lambda m, a: m.sigmoid(a),
    lambda m, a: m.log(m.sigmoid(a)) / 2,
    lambda m, a: m.softplus(a) / 2,
    lambda m, a: m.log(1 + m.exp(-a)) / 2,
]
OF_ARRAYS = [
    lambda m, a: m.mean(a),
    lambda m, a: m.softmax(a),
    lambda m, a: m.log(m.softmax(a)) / 4,
    lambda m, a: (a - m.mean(a, axis=0)) / 2,
    lambda m, a: m.tanh(m.sum(a, axis=0)),
    lambda m, a: a / (1 + m.sum(a**2, axis=-1, keepdims=True)),
    lambda m, a: a - m.exp(m.min(a, axis=0, keepdims=True) - 2),
    lambda m, a: m.max(a, axis=-1),
    lambda m, a: m.reshape(a, (-1, a.shape[0])),
    lambda m, a, b: m.sin(m.dot(a, b)),
    lambda m, a: m.sin(a.T @ a),
    lambda m, a: (a - a.T) / 2,
    lambda m, a, b: a[:, None] * b[None] / 2,
    lambda m, a: a[:, None],
    lambda m, a: a.T / 2,
    lambda m, a: m.reshape(a, (-1,)),
    lambda m, a: m.reshape(m.reshape(a, (-1,)), (3, 3)),
    lambda m, a: a[0],
    lambda m, a: a[1, 2],
    lambda m, a: a.T[0] - a[:, 1],
    lambda m, a: a[m.repeated],
    lambda m, a: a[[0, 0]],
    lambda m, a: a[::-1] * a / 2,
    lambda m, a, b: m.concatenate([a, b]),
]


def random_expression(ref, rng, inputs, xs):
    """Return steps that fit the shapes of what is there before, and what they make of both."""
    steps, values, numbers = [], [*inputs], [*xs]
    operations, n_steps = OF_NUMBERS_AND_ARRAYS + OF_ARRAYS, rng.integers(1, N_STEPS + 1)
    while len(steps) < n_steps:
        operation = operations[rng.integers(len(operations))]
        recent = rng.integers(max(0, len(values) - 10), len(values), 4)
        places = np.where(rng.random(4) < 0.7, recent, rng.integers(0, len(values), 4))
        places = places[: operation.__code__.co_argcount - 1].tolist()
        if operation in OF_ARRAYS and not all(values[i].ndim for i in places):
            continue
        try:
            number = operation(ref.NUMPY, *(numbers[i] for i in places))
        except (ValueError, IndexError, TypeError):
            continue  # it takes other shapes
        if np.size(number) <= LARGEST and np.ndim(number) <= 2:
            value = operation(ref.SYMBOLIC, *(values[i] for i in places))
            if value.broadcastable == tuple(n == 1 for n in np.shape(number)):
                steps.append((operation, places))
                values.append(value)
                numbers.append(number)
    return steps, values[len(xs) :], numbers[len(xs) :]


def total(m, values):
    return sum(m.mean(value) for value in values) / len(values)


# Shapes of the inputs, and whether those of size 1 are known.
FLAVOURS = {
    "sizes agree": ([(), (3,), (4,), (4, 3), (3, 4), (4, 4)], False),
    "axes of size 1": ([(), (3,), (1,), (4, 3), (1, 3), (4, 1), (1, 1)], True),
    "square": ([(3,), (3, 3), (3, 3)], False),
}


@pytest.mark.parametrize("dtypes", [["float64"], ["float32"], ["float32", "float64"]], ids=str)
@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("seed", range(10))
def test_random_expression(ref, flavour, dtypes, seed):
    """Values, gradients, dtypes and memory, and updates of some inputs, which read old values."""
    (shapes, known), rng = FLAVOURS[flavour], np.random.default_rng(seed)
    xs = [rng.uniform(-2, 2, shape).astype("float32").astype("float64") for shape in shapes]
    given = [x.astype(rng.choice(dtypes)) for x in xs]
    for x in given:
        x.flags.writeable = False
    kinds = [T.TensorType(x.dtype, [known and k == 1 for k in x.shape]) for x in given]
    inputs = [
        kind() if rng.random() < 0.6 else theano.shared(x, broadcastable=kind.broadcastable)
        for x, kind in zip(given, kinds, strict=True)
    ]
    steps, values, numbers = random_expression(ref, rng, inputs, xs)
    n = len(steps)
    shown, places = (rng.permutation(n)[: rng.choice([0, 5, n])].tolist() for _ in range(2))
    for k, value in enumerate(values):
        if rng.random() < 0.2 and value.operation is not None:
            value.name = rng.choice(["h", "x", "t1", f"n{k}"])
    cost, wrt = total(ref.SYMBOLIC, values), [*inputs, *(values[i] for i in places)]
    gradients = T.grad(cost, wrt, disconnected_inputs="ignore")
    assert [g.dtype for g in gradients] == [x.dtype for x in wrt]
    assert {v.dtype for v in values} <= set(dtypes)
    outputs = [cost, *inputs, *(values[i] for i in [*shown, *shown]), *gradients]
    shared = {w: x for w, x in zip(inputs, given, strict=True) if isinstance(w, Shared)}
    number_of = dict(zip([*inputs, *values], [*xs, *numbers], strict=True))
    fitting = {w: [v for v in number_of if v.type == w.type] for w in shared}
    updates = {w: variables[rng.integers(len(variables))] for w, variables in fitting.items()}

    def cost_with(*xs):
        xs, more = [*xs[: len(shapes)]], dict(zip(places, xs[len(shapes) :], strict=True))
        for k, (operation, taken) in enumerate(steps):
            xs.append(operation(ref.NUMPY, *(xs[i] for i in taken)) + more.get(k, 0))
        return total(ref.NUMPY, xs[len(shapes) :])

    nothing = [np.zeros(np.shape(numbers[i])) for i in places]
    expected = [number_of[v] for v in updates.values()]
    expected += [total(ref.NUMPY, numbers), *xs, *(numbers[i] for i in [*shown, *shown])]
    n_values = len(expected)
    expected += ref.autograd_gradients(cost_with)(*xs, *nothing)
    free = {v: x for v, x in zip(inputs, given, strict=True) if v not in shared}
    f = theano.function(list(free), outputs, updates=updates, on_unused_input="ignore")
    for _ in range(2):  # nothing is left of the first call
        for w, x in shared.items():
            w.set_value(x, borrow=True)
        results = f(*free.values())
        results = [*(w.get_value(borrow=True) for w in shared), *results]
        assert [result.dtype for result in results] == [y.dtype for y in [*shared, *outputs]]
        for k, (result, e) in enumerate(zip(results, expected, strict=True)):
            if dtypes == ["float64"]:
                ref.assert_close(result, e, 1e-10, scale=1e-3)
            else:
                ref.assert_close(result, e, *((1e-5, 1) if k < n_values else (1e-2, 1e-3)))
    for a, b in itertools.combinations([*results, *given], 2):
        assert not np.may_share_memory(a, b)
    assert all(result.flags.writeable for result in results)


def test_only_equal_expressions_are_merged():
    """Also where rewriting drops variables, whose ids Python gives to later ones."""
    xs = [T.dvector() for _ in range(100)]
    products = [x * np.array([factor]) for x in xs for factor in (1.0, 5.0)]
    results = theano.function(xs, products)(*np.ones((100, 2)))
    np.testing.assert_array_equal(results, [[1.0, 1.0], [5.0, 5.0]] * 100)
