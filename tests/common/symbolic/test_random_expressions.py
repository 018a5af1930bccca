"""Random expressions of 50 operations, evaluated by derived programs and by HIPS autograd.

An expression is a list of steps: an operation, and which of the earlier values it takes. So values
are shared, as in a network. All operations make numbers between −2 and 2 of such numbers.
"""

import itertools
from types import SimpleNamespace

import autograd.numpy as anp
import numpy as np
import pytest

import common.symbolic.tensor as T
from common import symbolic as theano

N_STEPS = 50
LARGEST = 40  # elements


def softmax(x):
    e = anp.exp(x)
    return e / anp.sum(e, axis=-1, keepdims=True)


REPEATED = np.array([0, -1, 0])
SYMBOLIC = SimpleNamespace(**vars(T) | vars(T.nnet), repeated=theano.shared(REPEATED))
NUMPY = SimpleNamespace(
    **vars(anp)
    | {
        "sigmoid": lambda x: 1 / (1 + anp.exp(-x)),
        "softplus": lambda x: anp.log(1 + anp.exp(x)),
        "softmax": softmax,
        "switch": lambda condition, a, b: condition * a + (1 - condition) * b,
        "sqr": anp.square,
        "repeated": REPEATED,
    }
)

# m is one of the two above.
OF_NUMBERS_AND_ARRAYS = [
    lambda m, a, b: (a + b) / 2,
    lambda m, a, b: 0.5 * (a - b),
    lambda m, a, b: a * b / 2,
    lambda m, a, b: a / (1 + b * b),
    lambda m, a, b, c: (a * b - c) / 3,
    lambda m, a, b: (1 + m.sqr(a)) ** -(b**2),
    lambda m, a, b, c: m.switch(a > 0.1, b, -c),
    lambda m, a, b: m.maximum(a, b),
    lambda m, a: 1 - m.sigmoid(a),
    lambda m, a: -m.exp(-(a**2)),
    lambda m, a: m.log(2 + m.cos(a)),
    lambda m, a: m.sqrt(1 + m.sqr(a)) - 1,
    lambda m, a: m.sin(a),
    lambda m, a: m.tanh(a),
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
    lambda m, a: m.max(a, axis=0),
    lambda m, a, b: m.sin(m.dot(a, b)),
    lambda m, a, b: a[:, None] * b[None] / 2,
    lambda m, a: a[:, None],
    lambda m, a: a.T / 2,
    lambda m, a: m.reshape(a, (-1,)),
    lambda m, a: m.max(a, axis=-1),
    lambda m, a: a[0],
    lambda m, a: a[m.repeated],
    lambda m, a: a[[0, 0]],
    lambda m, a: a[::-1] * a / 2,
    lambda m, a, b: m.concatenate([a, b]),
]


def evaluate(m, steps, xs, more=()):
    """Return the values of all steps; to that of step i, `more[i]` is added, if there is one."""
    values = list(xs)
    for (operation, places), extra in itertools.zip_longest(steps, more):
        value = operation(m, *(values[i] for i in places))
        values.append(value if extra is None else value + extra)
    return values[len(xs) :]


def random_steps(rng, xs):
    """Return steps that fit the shapes of `xs` and of what comes out of the steps before."""
    steps, values = [], list(xs)
    operations = OF_NUMBERS_AND_ARRAYS + OF_ARRAYS
    while len(steps) < N_STEPS:
        operation = operations[rng.integers(len(operations))]
        recent = rng.integers(max(0, len(values) - 10), len(values), 4)
        places = np.where(rng.random(4) < 0.7, recent, rng.integers(0, len(values), 4))
        step = operation, places[: operation.__code__.co_argcount - 1].tolist()
        if operation in OF_ARRAYS and not all(np.ndim(values[i]) for i in step[1]):
            continue
        try:
            value = evaluate(NUMPY, [step], values)[0]
        except (ValueError, IndexError, TypeError):
            continue  # it takes other shapes
        if np.size(value) <= LARGEST and np.ndim(value) <= 2:
            steps.append(step)
            values.append(value)
    return steps


def total(m, values):
    return sum(m.mean(value) for value in values) / len(values)


# Shapes of the inputs, and whether those of size 1 are known.
FLAVOURS = {
    "sizes agree": ([(), (3,), (4,), (4, 3), (3, 4), (4, 4)], False),
    "axes of size 1": ([(), (3,), (1,), (4, 3), (1, 3), (4, 1), (1, 1)], True),
}
flavours = pytest.mark.parametrize("flavour", FLAVOURS)
SEEDS = range(5)


def variables_for(xs, known=False):
    return [T.TensorType(x.dtype, [known and n == 1 for n in x.shape])() for x in xs]


def expression(flavour, seed):
    """Return random values, variables for them, and the steps of a random expression of them."""
    shapes, known = FLAVOURS[flavour]
    rng = np.random.default_rng(seed)
    xs = [rng.uniform(-2, 2, shape) for shape in shapes]
    for x in xs:
        x.flags.writeable = False
    return xs, variables_for(xs, known), random_steps(rng, xs)


def assert_all_close(ref, results, expected, tolerance=1e-10, scale=1e-3):
    for result, e in zip(results, expected, strict=True):
        ref.assert_close(result, e, tolerance, scale)


def compiled(inputs, outputs):
    return theano.function(inputs, outputs, on_unused_input="ignore")


def gradients_of(ref, steps):
    """Return a function from values of the inputs to the gradients of `total` by autograd."""
    return ref.autograd_gradients(lambda *xs: total(NUMPY, evaluate(NUMPY, steps, xs)))


@flavours
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shown", [0, 5, N_STEPS])
def test_values_and_gradients(ref, flavour, seed, shown):
    """Arrays that are needed no more may be overwritten, but not those that are shown."""
    xs, inputs, steps = expression(flavour, seed)
    chosen = [*np.random.default_rng(seed).permutation(N_STEPS)[:shown]] * 2
    values, numbers = evaluate(SYMBOLIC, steps, inputs), evaluate(NUMPY, steps, xs)
    cost = total(SYMBOLIC, values)
    gradients = T.grad(cost, inputs, disconnected_inputs="ignore")
    f = compiled(inputs, [cost, *inputs, *(values[i] for i in chosen), *gradients])
    expected = [total(NUMPY, numbers), *xs, *(numbers[i] for i in chosen)]
    expected += gradients_of(ref, steps)(*xs)
    assert_all_close(ref, f(*xs), expected)
    results = f(*xs)
    assert_all_close(ref, results, expected)  # nothing is left of the first call
    for a, b in itertools.combinations([*results, *xs], 2):
        assert not np.may_share_memory(a, b)
    assert all(result.flags.writeable for result in results)


@pytest.mark.parametrize("how_many", [15, N_STEPS])
@flavours
def test_gradients_with_respect_to_intermediate_variables(ref, flavour, how_many):
    for seed in SEEDS:
        xs, inputs, steps = expression(flavour, seed)
        values = evaluate(SYMBOLIC, steps, inputs)
        places = np.random.default_rng(seed).permutation(N_STEPS)[:how_many]
        wrt = [*inputs, *(values[i] for i in places)]
        gradients = T.grad(total(SYMBOLIC, values), wrt, disconnected_inputs="ignore")
        results = compiled(inputs, gradients)(*xs)

        def cost(*xs, steps=steps, places=places):
            more = [None] * N_STEPS
            for i, extra in zip(places, xs[-how_many:], strict=True):
                more[i] = extra
            return total(NUMPY, evaluate(NUMPY, steps, xs[:-how_many], more))

        numbers = evaluate(NUMPY, steps, xs)
        nothing = [np.zeros(np.shape(numbers[i])) for i in places]
        assert_all_close(ref, results, ref.autograd_gradients(cost)(*xs, *nothing))


@flavours
@pytest.mark.parametrize("seed", SEEDS)
def test_dtypes(ref, flavour, seed):
    """float32 stays float32, and mixed floats have the dtypes that they declare."""
    xs, _, steps = expression(flavour, seed)
    rng = np.random.default_rng(seed)
    for choices in ([np.float32], [np.float32, np.float64]):
        narrow = [x.astype(rng.choice(choices)) for x in xs]
        inputs = variables_for(narrow, FLAVOURS[flavour][1])
        values = evaluate(SYMBOLIC, steps, inputs)
        wrt = [*inputs, *values[::7]]
        gradients = T.grad(total(SYMBOLIC, values), wrt, disconnected_inputs="ignore")
        assert [g.dtype for g in gradients] == [x.dtype for x in wrt]
        outputs = [*values, *gradients]
        results = compiled(inputs, outputs)(*narrow)
        assert [result.dtype for result in results] == [y.dtype for y in outputs]
        if choices == [np.float32]:
            assert {y.dtype for y in outputs} == {"float32"}
        assert_all_close(ref, results[:N_STEPS], evaluate(NUMPY, steps, xs), 1e-5, 1)
        wide = gradients_of(ref, steps)(*xs)
        assert_all_close(ref, results[N_STEPS : N_STEPS + len(xs)], wide, 1e-2)


def test_only_equal_expressions_are_merged():
    """Also where rewriting drops variables, whose ids Python gives to later ones."""
    xs = [T.dvector() for _ in range(100)]
    products = [x * np.array([factor]) for x in xs for factor in (1.0, 5.0)]
    results = theano.function(xs, products)(*np.ones((100, 2)))
    np.testing.assert_array_equal(results, [[1.0, 1.0], [5.0, 5.0]] * 100)
