import math

import numpy as np
import pytest

from common.optimizer import SGD, AdaGrad, Adam, Momentum, Nesterov, RMSprop

ALL = [SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam]
EACH = pytest.mark.parametrize("optimizer", ALL)
TINY = 1e-7


def sgd(p, gradients, lr):
    for g in gradients:
        p = p - lr * g
    return p


def momentum(p, gradients, lr, momentum):
    v = 0.0
    for g in gradients:
        v = momentum * v - lr * g
        p = p + v
    return p


def nesterov_of_arxiv_1212_0901(p, gradients, lr, momentum):
    v = 0.0
    for g in gradients:  # equation 7; v is the velocity before its update
        p = p + momentum * momentum * v - (1 + momentum) * lr * g
        v = momentum * v - lr * g
    return p


def adagrad(p, gradients, lr):
    squares = []
    for g in gradients:
        squares.append(g * g)
        p = p - lr * g / (math.sqrt(math.fsum(squares)) + TINY)
    return p


def rmsprop(p, gradients, lr, decay_rate):
    mean_square = 0.0
    for g in gradients:
        mean_square = decay_rate * mean_square + (1 - decay_rate) * g**2
        p = p - lr * g / (math.sqrt(mean_square) + TINY)
    return p


def adam(p, gradients, lr, beta1, beta2):
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        lr_t = lr * math.sqrt(1 - beta2**t) / (1 - beta1**t)
        p = p - lr_t * m / (math.sqrt(v) + TINY)
    return p


@pytest.mark.parametrize(
    ("optimizer", "formula", "defaults", "others"),
    [
        (SGD, sgd, {"lr": 0.01}, {"lr": 0.3}),
        (Momentum, momentum, {"lr": 0.01, "momentum": 0.9}, {"lr": 0.2, "momentum": 0.5}),
        (
            Nesterov,
            nesterov_of_arxiv_1212_0901,
            {"lr": 0.01, "momentum": 0.9},
            {"lr": 0.2, "momentum": 0.5},
        ),
        (AdaGrad, adagrad, {"lr": 0.01}, {"lr": 1.5}),
        (RMSprop, rmsprop, {"lr": 0.01, "decay_rate": 0.99}, {"lr": 0.1, "decay_rate": 0.5}),
        (
            Adam,
            adam,
            {"lr": 0.001, "beta1": 0.9, "beta2": 0.999},
            {"lr": 0.05, "beta1": 0.6, "beta2": 0.8},
        ),
    ],
)
@pytest.mark.parametrize("use_defaults", [True, False])
def test_a_hundred_steps_follow_the_formula(optimizer, formula, defaults, others, use_defaults):
    rng = np.random.default_rng(0)
    start = {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    gradients = [{k: rng.normal(size=p.shape) for k, p in start.items()} for _ in range(100)]
    params = {key: p.copy() for key, p in start.items()}
    instance = optimizer() if use_defaults else optimizer(**others)
    for grads in gradients:
        instance.update(params, grads)

    for key, p in start.items():
        for index in np.ndindex(p.shape):
            series = [float(grads[key][index]) for grads in gradients]
            expected = formula(float(p[index]), series, **(defaults if use_defaults else others))
            assert params[key][index] == pytest.approx(expected, rel=1e-12, abs=1e-12)


@EACH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parameters_change_in_place_and_gradients_do_not_change(optimizer, dtype):
    W, g = np.ones((2, 2), dtype), np.full((2, 2), 0.5, dtype)
    g.setflags(write=False)
    params, instance = {"W": W}, optimizer()
    for _ in range(3):
        instance.update(params, {"W": g})
    assert params["W"] is W
    assert W.dtype == dtype
    assert (W < 1).all()


@EACH
def test_memory_has_the_dtype_of_the_parameters(optimizer):
    instance = optimizer(lr=np.float64(0.1))
    instance.update({"W": np.ones(3, np.float32)}, {"W": np.ones(3, np.float32)})
    memories = [m for m in vars(instance).values() if isinstance(m, dict)]
    assert [m["W"].dtype for m in memories] == [np.float32] * len(memories)


@EACH
def test_a_gradient_of_0_moves_nothing_at_first(optimizer):
    params = {"W": np.array([1.0, -2.0])}
    optimizer().update(params, {"W": np.zeros(2)})
    assert params["W"].tolist() == [1, -2]


@EACH
@pytest.mark.parametrize("keys", [["W"], ["W", "b", "c"], ["W", "c"], []])
def test_keys_that_differ_are_refused_before_anything_changes(optimizer, keys):
    params = {"W": np.ones(2), "b": np.ones(2)}
    with pytest.raises(ValueError, match=r"same keys.*\b[bc]\b"):
        optimizer().update(params, {key: np.ones(2) for key in keys})
    assert params["W"].tolist() == params["b"].tolist() == [1, 1]


@pytest.mark.parametrize("optimizer", ALL)
def test_a_refused_update_leaves_no_trace_in_the_optimizer(optimizer):
    tried, fresh = optimizer(), optimizer()
    with pytest.raises(ValueError, match="same keys"):
        tried.update({"W": np.ones(2)}, {"b": np.ones(2)})
    results = []
    for instance in (tried, fresh):
        params = {"W": np.ones(2)}
        for gradient in (1.0, -0.5):
            instance.update(params, {"W": np.full(2, gradient)})
        results.append(params["W"].tolist())
    assert results[0] == results[1]


@EACH
@pytest.mark.parametrize("lr", [-0.01, np.nan, np.inf, -np.inf])
def test_bad_learning_rates_are_refused(optimizer, lr):
    with pytest.raises(ValueError, match=rf"lr must be .*got {lr}"):
        optimizer(lr=lr)


@pytest.mark.parametrize(
    ("optimizer", "name"),
    [
        (Momentum, "momentum"),
        (Nesterov, "momentum"),
        (RMSprop, "decay_rate"),
        (Adam, "beta1"),
        (Adam, "beta2"),
    ],
)
@pytest.mark.parametrize("value", [-0.1, 1, 1.5, np.nan])
def test_bad_shares_are_refused(optimizer, name, value):
    with pytest.raises(ValueError, match=rf"{name} must be .*got {value}"):
        optimizer(**{name: value})


@pytest.mark.parametrize(
    ("instance", "steps"),
    [
        (SGD(0.95), 200),
        (Momentum(0.1), 300),
        (Nesterov(0.1), 300),
        (AdaGrad(1.5), 300),
        (RMSprop(0.05), 600),
        (Adam(0.3), 300),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_descends_the_books_long_valley(instance, steps):
    params = {"x": np.array(-7.0), "y": np.array(2.0)}
    for _ in range(steps):
        instance.update(params, {"x": params["x"] / 10, "y": 2 * params["y"]})
    assert params["x"] ** 2 / 20 + params["y"] ** 2 < 1e-3  # from 6.45


def test_nesterov_takes_the_gradient_at_the_look_ahead_point():
    """Bengio's form holds p + μ v of the form in which the gradient is taken ahead."""
    lr, mu = 0.05, 0.8

    def gradient(p):
        return np.array([p[0] / 10, 2 * p[1] + np.sin(p[0])])

    position, velocity = np.array([-7.0, 2.0]), np.zeros(2)
    params, optimizer = {"p": position.copy()}, Nesterov(lr, mu)
    for _ in range(100):
        velocity = mu * velocity - lr * gradient(position + mu * velocity)
        position = position + velocity
        optimizer.update(params, {"p": gradient(params["p"])})
        np.testing.assert_allclose(params["p"], position + mu * velocity, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("optimizer", [Momentum, Nesterov])
def test_without_momentum_it_is_plain_descent(optimizer):
    params, plain = {"W": np.array([1.0, 2.0])}, {"W": np.array([1.0, 2.0])}
    accelerated, sgd = optimizer(0.1, 0.0), SGD(0.1)
    for g in np.random.default_rng(0).normal(size=(10, 2)):
        accelerated.update(params, {"W": g})
        sgd.update(plain, {"W": g})
    np.testing.assert_allclose(params["W"], plain["W"], rtol=1e-14)
