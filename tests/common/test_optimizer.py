"""What every optimizer promises."""

import math
from typing import NamedTuple

import numpy as np
import pytest

from common import optimizer
from common.optimizer import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSprop
from tests.helpers import FLOATS, as_bytes, assert_close, frozen

TINY = 1e-7

# The update rules, with the learning rate and the gradient of each step.


def sgd(p, steps):
    for lr, g in steps:
        p = p - lr * g
    return p


def momentum(p, steps, momentum=0.9):
    v = 0.0
    for lr, g in steps:
        v = momentum * v - lr * g
        p = p + v
    return p


def nesterov_of_arxiv_1212_0901(p, steps, momentum=0.9):
    v = 0.0
    for lr, g in steps:  # equation 7; v is the velocity before its update
        p = p + momentum * momentum * v - (1 + momentum) * lr * g
        v = momentum * v - lr * g
    return p


def adagrad(p, steps, epsilon=TINY):
    for n, (lr, g) in enumerate(steps, start=1):
        h = sum(g * g for _, g in steps[:n])
        p = p - lr * g / (np.sqrt(h) + epsilon)
    return p


def rmsprop(p, steps, decay_rate=0.99, epsilon=TINY):
    mean_square = 0.0
    for lr, g in steps:
        mean_square = decay_rate * mean_square + (1 - decay_rate) * g**2
        p = p - lr * g / (np.sqrt(mean_square) + epsilon)
    return p


def adam(p, steps, beta1=0.9, beta2=0.999, epsilon=TINY):
    m = v = 0.0
    for t, (lr, g) in enumerate(steps, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        lr_t = lr * math.sqrt(1 - beta2**t) / (1 - beta1**t)
        p = p - lr_t * m / (np.sqrt(v) + epsilon)
    return p


def adamw_of_arxiv_1711_05101(p, steps, beta1=0.9, beta2=0.999, weight_decay=0.01, epsilon=1e-8):
    m = v = 0.0
    for t, (lr, g) in enumerate(steps, start=1):  # algorithm 2, λ in units of the learning rate
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        p = p - lr * (m_hat / (np.sqrt(v_hat) + epsilon) + weight_decay * p)
    return p


class Kind(NamedTuple):
    new: type
    formula: callable
    lr: float  # the default
    memories: tuple
    options: tuple


KINDS = [
    Kind(SGD, sgd, 0.01, (), ({},)),
    Kind(Momentum, momentum, 0.01, ("v",), ({"momentum": 0.5}, {"momentum": 0}, {"momentum": 1})),
    Kind(
        Nesterov,
        nesterov_of_arxiv_1212_0901,
        0.01,
        ("v",),
        ({"momentum": 0.5}, {"momentum": 0}, {"momentum": 1}),
    ),
    Kind(AdaGrad, adagrad, 0.01, ("h",), ({"epsilon": 0.3},)),
    Kind(RMSprop, rmsprop, 0.01, ("h",), ({"decay_rate": 0.5, "epsilon": 0.3}, {"decay_rate": 1})),
    Kind(Adam, adam, 0.001, ("m", "v"), ({"beta1": 0.6, "beta2": 0.8, "epsilon": 0.3},)),
    Kind(
        AdamW,
        adamw_of_arxiv_1711_05101,
        0.001,
        ("m", "v"),
        ({"beta1": 0.6, "beta2": 0.8, "weight_decay": 0.7, "epsilon": 0.3}, {"weight_decay": 0}),
    ),
]
EACH = pytest.mark.parametrize("new", [kind.new for kind in KINDS])


@pytest.mark.parametrize(
    ("kind", "options"),
    [(kind, options) for kind in KINDS for options in ({}, *kind.options)],
    ids=lambda value: value.new.__name__ if isinstance(value, Kind) else str(value),
)
def test_a_hundred_steps_follow_the_formula_also_where_the_learning_rate_changes(kind, options):
    rng = np.random.default_rng(0)
    start = {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    params, instance = {key: p.copy() for key, p in start.items()}, kind.new(**options)
    assert instance.lr == kind.lr
    steps = {key: [] for key in params}
    for lr in [kind.lr] * 40 + [0.2] * 30 + [0.03] * 30:
        instance.lr = lr
        grads = {key: rng.normal(size=p.shape) for key, p in start.items()}
        grads["b"][1] = 0  # which must not be divided by 0
        instance.update(params, grads)
        for key, g in grads.items():
            steps[key].append((lr, g))
    assert instance.iter == 100
    for key, p in start.items():
        assert_close(params[key], kind.formula(p, steps[key], **options))


# What may stand in params and grads


@EACH
@FLOATS
def test_parameters_change_in_place_and_keep_their_dtype_whatever_the_gradients(new, dtype):
    W, g = np.ones((2, 2), dtype), frozen(np.full((2, 2), 0.5))
    params, instance = {"W": W}, new(lr=np.float64(0.1))
    for _ in range(3):
        instance.update(params, {"W": g})
    assert params["W"] is W
    assert W.dtype == dtype
    assert (W < 1).all()
    memories = [m["W"].dtype for m in vars(instance).values() if isinstance(m, dict)]
    assert memories == [dtype] * len(new.MEMORIES)


def down_the_valley(instance, params):
    for _ in range(20):
        instance.update(params, {"x": params["x"] / 10, "y": 2 * params["y"]})
    return params


@EACH
@pytest.mark.parametrize("kind", [int, float, np.float64])
def test_python_scalars_take_the_same_steps_as_arrays(new, kind):
    start = {"x": -7.0, "y": 2.0}
    numbers = down_the_valley(new(0.1), {key: kind(value) for key, value in start.items()})
    arrays = down_the_valley(new(0.1), {key: np.array(value) for key, value in start.items()})
    assert all(type(number) is float for number in numbers.values())
    assert numbers == {key: array.item() for key, array in arrays.items()} != start


@EACH
@pytest.mark.parametrize("g", [0.5, 1, np.float64(2), np.array(-0.5)], ids=repr)
def test_one_number_may_be_the_gradient_of_all_elements(new, g):
    one, many = ({"W": np.array([[1.0, 2.0]]), "b": 3.0, "c": np.array(4.0)} for _ in range(2))
    first, second = new(0.1), new(0.1)
    for _ in range(3):
        first.update(one, dict.fromkeys(one, g))
        second.update(many, {key: np.full(np.shape(p), float(g)) for key, p in many.items()})
    assert list(one) == ["W", "b", "c"]
    assert np.array_equal(one.pop("W"), many.pop("W"))
    assert one == many


@EACH
def test_gradients_that_no_parameter_has_are_ignored(new):
    some, only = ({"W": np.ones(2)} for _ in range(2))
    first, second = new(0.1), new(0.1)
    for _ in range(3):
        first.update(some, {"b": "no gradient", "W": np.array([1.0, -1.0]), "c": np.ones(5)})
        second.update(only, {"W": np.array([1.0, -1.0])})
    assert some.keys() == {"W"}
    assert as_bytes(some | first.state()) == as_bytes(only | second.state())


@EACH
def test_parameters_may_be_views_in_any_order_of_memory(new):
    rng = np.random.default_rng(0)
    whole, g = rng.normal(size=(6, 4)), rng.normal(size=(4, 3))
    view, copy, untouched = whole.T[:, ::2], whole.T[:, ::2].copy(), whole[1::2].copy()
    one, other = new(0.1), new(0.1)
    for _ in range(3):
        one.update({"W": view}, {"W": g})
        other.update({"W": copy}, {"W": g})
    assert_close(view, copy)
    assert np.array_equal(whole[1::2], untouched)


@EACH
def test_the_gradient_of_half_the_square_may_be_the_parameter_itself(new):
    options = {"weight_decay": 0.5} if new is AdamW else {}
    shared, apart = np.array([1.0, -2.0]), np.array([1.0, -2.0])
    one, other = new(0.1, **options), new(0.1, **options)
    for _ in range(3):
        one.update({"W": shared}, {"W": shared})
        other.update({"W": apart}, {"W": apart.copy()})
    assert shared.tolist() == apart.tolist()


@EACH
def test_empty_arrays_and_no_parameters_at_all_are_fine(new):
    instance = new()
    instance.update({}, {})
    instance.update({"W": np.empty((0, 3))}, {"W": np.empty((0, 3))})
    assert instance.iter == 2


@EACH
@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize(
    "bad",
    [
        ({"W": np.ones(2), "b": np.ones(2)}, {"W": np.ones(2)}),
        ({"W": np.ones(2), "b": np.ones(2)}, {"W": np.ones(2), "b": np.ones(3)}),
        ({"W": np.ones(2), "b": 1.0}, {"W": np.ones(2), "b": np.ones(1)}),
        ({"W": np.ones(2), "b": np.ones(2, int)}, {"W": np.ones(2), "b": np.ones(2)}),
        ({"W": np.ones(2), "b": [1.0, 1.0]}, {"W": np.ones(2), "b": np.ones(2)}),
    ],
    ids=["missing", "shape", "shape of a scalar", "integers", "list"],
)
def test_a_refused_update_changes_nothing(new, steps, bad):
    instance = new(0.1)
    for _ in range(steps):
        instance.update({"W": np.ones(2)}, {"W": np.ones(2)})
    params, before = bad[0], as_bytes(instance.state())
    with pytest.raises((ValueError, TypeError), match=r"\bb\b"):
        instance.update(*bad)
    assert all(np.array_equal(p, np.ones(np.shape(p))) for p in params.values())
    assert as_bytes(instance.state()) == before


# What state and set_state do


def trained(new, steps, **options):
    """An optimizer after some steps, the parameters, and a function that takes more steps."""
    params, instance = (
        {"W": np.arange(6.0).reshape(2, 3), "block/1/b": np.array(0.5)},
        new(**options),
    )

    def go_on(instance, params, steps):
        for seed in steps:
            rng = np.random.default_rng(seed)
            instance.update(params, {key: rng.normal(size=p.shape) for key, p in params.items()})

    go_on(instance, params, range(steps))
    return instance, params, go_on


@EACH
@pytest.mark.parametrize("stop", [0, 1, 7])
def test_a_fresh_optimizer_goes_on_bit_for_bit_from_copies(new, stop):
    first, params, go_on = trained(new, stop, lr=0.1)
    first.lr = 0.03
    resumed, second = {key: p.copy() for key, p in params.items()}, new()
    state = first.state()
    assert all(isinstance(a, np.ndarray) and a.dtype.kind in "fi" for a in state.values())
    memories = [f"{name}/{key}" for name in new.MEMORIES for key in params] if stop else []
    assert list(state) == ["iter", "lr", *memories]
    before = as_bytes(state)
    copies = {key: array.copy() for key, array in state.items()}
    second.set_state(copies)
    for array in copies.values():
        array[...] = 77
    go_on(second, resumed, range(stop, 15))
    assert as_bytes(first.state()) == before
    go_on(first, params, range(stop, 15))
    assert as_bytes(params | first.state()) == as_bytes(resumed | second.state())
    assert (second.iter, second.lr) == (15, 0.03)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.new.__name__)
def test_another_state_is_refused_and_changes_nothing(kind):
    assert kind.memories == kind.new.MEMORIES
    instance = trained(kind.new, 3)[0]
    good = instance.state()
    others = [trained(k.new, 4)[0].state() for k in KINDS if k.memories != kind.memories]
    others += [{k: a for k, a in good.items() if k != missing} for missing in ("iter", "lr")]
    others.append(good | {"more/W": np.ones(2)})
    before = as_bytes(good)
    for state in others:
        with pytest.raises(ValueError, match=rf"isn't the state of an? {kind.new.__name__}: "):
            instance.set_state(state)
    with pytest.raises((TypeError, ValueError)):
        instance.set_state(good | {"iter": np.array(9), "lr": np.array("fast")})
    assert as_bytes(instance.state()) == before


def test_a_star_import_binds_np_and_the_optimizers():
    assert set(optimizer.__all__) == {"np", *(kind.new.__name__ for kind in KINDS)}
