"""First and second derivatives of operations, along random directions, by central differences."""

import numpy as np
import pytest

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic.elementwise import ELEMENTWISE

SMOOTH = [name for name, op in ELEMENTWISE.items() if op.differentiable and name != "switch"]
ARRAYS = {
    "sum": lambda x: x.sum(axis=1),
    "mean": lambda x: x.mean(axis=0, keepdims=True),
    "prod": lambda x: x.prod(axis=1),
    "max": lambda x: x.max(axis=1),
    "min": lambda x: x.min(axis=0),
    "var": lambda x: x.var(axis=1),
    "dot": lambda x: T.dot(x, x.T),
    "outer": lambda x: T.outer(x[0], x[1]),
    "tensordot": lambda x: T.tensordot(x, x, [[0, 1], [0, 1]]),
    "batched_dot": lambda x: T.batched_dot(x, x * x),
    "softmax": T.nnet.softmax,
    "log_softmax": T.nnet.log_softmax,
    "logsumexp": lambda x: T.log(T.sum(T.exp(x), axis=0)),
    "broadcast": lambda x: x[:, 0][:, None] * x + x[0],
    "index": lambda x: x[[0, 0, 1], [1, 1, 2]],
    "mask": lambda x: x[x > 1.3],
    "set_subtensor": lambda x: T.set_subtensor(x[1:, ::2], x[0, 0] ** 2),
    "inc_subtensor": lambda x: T.inc_subtensor(x[[0, 0]], x[[1, 0]]),
    "join": lambda x: T.concatenate([x, x[::-1] ** 2], axis=1),
    "reshape": lambda x: x.reshape((-1, 2)) ** 2,
    "repeat": lambda x: T.repeat(x, 2, axis=1),
    "tile": lambda x: T.tile(x, (2, 1)),
    "diag": lambda x: T.diag(x),
}


def check(cost, inputs, values, rng):
    for order in (1, 2):
        grads = T.grad(cost, inputs, disconnected_inputs="ignore")
        f = theano.function(inputs, [cost, *grads], on_unused_input="ignore")
        along = [rng.normal(size=v.shape) for v in values]
        h = 1e-4
        ends = [
            f(*(v + s * h * d for v, d in zip(values, along, strict=True)))[0]
            for s in (1, -1, 2, -2)
        ]
        slope = sum((g * d).sum() for g, d in zip(f(*values)[1:], along, strict=True))
        expected = (8 * (ends[0] - ends[1]) - ends[2] + ends[3]) / (12 * h)
        np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-5, err_msg=f"order {order}")
        weights = [rng.normal(size=v.shape) for v in values]
        cost = sum(T.sum(g * w) for g, w in zip(grads, weights, strict=True))


@pytest.mark.parametrize("name", SMOOTH)
def test_elementwise(name):
    operation, rng = ELEMENTWISE[name], np.random.default_rng(0)
    low, high = {"arccosh": (1.2, 3)}.get(name, (0.2, 0.9))
    shapes = [(2, 3), (1, 3)][: operation.n_inputs]
    values = [rng.uniform(low, high, shape) for shape in shapes]
    inputs = [T.dmatrix(), T.drow()][: operation.n_inputs]
    check(T.sum(operation(*inputs) * rng.normal(size=(2, 3))), inputs, values, rng)


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name):
    rng, x = np.random.default_rng(1), T.dmatrix()
    check(T.sum(T.sin(ARRAYS[name](x))), [x], [rng.uniform(1, 2, (2, 4))], rng)
