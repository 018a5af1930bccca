import math

import numpy as np
import pytest

from common.optimizer import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSprop

ALL = [SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam, AdamW]
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


def adagrad(p, gradients, lr, epsilon=TINY):
    squares = []
    for g in gradients:
        squares.append(g * g)
        p = p - lr * g / (math.sqrt(math.fsum(squares)) + epsilon)
    return p


def rmsprop(p, gradients, lr, decay_rate, epsilon=TINY):
    mean_square = 0.0
    for g in gradients:
        mean_square = decay_rate * mean_square + (1 - decay_rate) * g**2
        p = p - lr * g / (math.sqrt(mean_square) + epsilon)
    return p


def adam(p, gradients, lr, beta1, beta2, epsilon=TINY):
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        lr_t = lr * math.sqrt(1 - beta2**t) / (1 - beta1**t)
        p = p - lr_t * m / (math.sqrt(v) + epsilon)
    return p


def adamw_of_arxiv_1711_05101(p, gradients, lr, beta1, beta2, weight_decay, epsilon=1e-8):
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):  # algorithm 2, with λ in units of the learning rate
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        p = p - lr * (m_hat / (math.sqrt(v_hat) + epsilon) + weight_decay * p)
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
        (
            AdamW,
            adamw_of_arxiv_1711_05101,
            {"lr": 0.001, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.01},
            {"lr": 0.05, "beta1": 0.6, "beta2": 0.8, "weight_decay": 0.7},
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
    options = {"weight_decay": 0} if optimizer is AdamW else {}
    optimizer(**options).update(params, {"W": np.zeros(2)})
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
        (AdamW, "beta1"),
        (AdamW, "beta2"),
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
        (AdamW(0.3, weight_decay=0), 300),
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


# What differs between the book and PyTorch


def velocity_without_lr(p, gradients, lrs, momentum, *, nesterov):
    v = 0.0
    for g, lr in zip(gradients, lrs, strict=True):
        v = momentum * v + g
        p = p - lr * (g + momentum * v if nesterov else v)
    return p


def velocity_with_lr(p, gradients, lrs, momentum, *, nesterov):
    v = 0.0
    for g, lr in zip(gradients, lrs, strict=True):
        v = momentum * v - lr * g
        p = p + (momentum * v - lr * g if nesterov else v)
    return p


@pytest.mark.parametrize("optimizer", [Momentum, Nesterov])
@pytest.mark.parametrize("pytorch", [False, True])
def test_where_the_learning_rate_goes_matters_once_it_changes(optimizer, pytorch):
    options = {"pytorch": True} if pytorch else {}
    gradients, lrs = np.random.default_rng(0).normal(size=40), [0.1] * 20 + [0.001] * 20
    params, instance = {"W": np.array([1.0])}, optimizer(0.1, 0.8, **options)
    for g, lr in zip(gradients, lrs, strict=True):
        instance.lr = lr
        instance.update(params, {"W": np.array([g])})
    results = {
        True: velocity_without_lr(1.0, gradients, lrs, 0.8, nesterov=optimizer is Nesterov),
        False: velocity_with_lr(1.0, gradients, lrs, 0.8, nesterov=optimizer is Nesterov),
    }
    assert params["W"][0] == pytest.approx(results[pytorch], rel=1e-12)
    assert abs(results[True] - results[False]) > 1e-3


@pytest.mark.parametrize("optimizer", [Momentum, Nesterov])
def test_as_long_as_it_does_not_change_both_velocities_take_the_same_steps(optimizer):
    book, pytorch = {"W": np.array([1.0, -3.0])}, {"W": np.array([1.0, -3.0])}
    first, second = optimizer(0.1, 0.8), optimizer(0.1, 0.8, pytorch=True)
    for g in np.random.default_rng(0).normal(size=(50, 2)):
        first.update(book, {"W": g})
        second.update(pytorch, {"W": g})
    np.testing.assert_allclose(book["W"], pytorch["W"], rtol=1e-12)


def adam_algorithm_1(p, gradients, lr, beta1, beta2, epsilon):
    return adamw_of_arxiv_1711_05101(p, gradients, lr, beta1, beta2, 0.0, epsilon)


@pytest.mark.parametrize(
    ("optimizer", "options", "formula", "settings"),
    [
        (AdaGrad, {}, adagrad, {"lr": 0.1}),
        (RMSprop, {}, rmsprop, {"lr": 0.1, "decay_rate": 0.8}),
        (Adam, {}, adam, {"lr": 0.1, "beta1": 0.7, "beta2": 0.8}),
        (Adam, {"pytorch": True}, adam_algorithm_1, {"lr": 0.1, "beta1": 0.7, "beta2": 0.8}),
        (
            AdamW,
            {},
            adamw_of_arxiv_1711_05101,
            {"lr": 0.1, "beta1": 0.7, "beta2": 0.8, "weight_decay": 0.5},
        ),
    ],
    ids=["AdaGrad", "RMSprop", "Adam", "Adam-pytorch", "AdamW"],
)
def test_epsilon_stands_where_the_formula_has_it(optimizer, options, formula, settings):
    gradients, params = np.random.default_rng(0).normal(size=30), {"W": np.array([2.0])}
    instance = optimizer(**settings, **options, epsilon=0.3)
    for g in gradients:
        instance.update(params, {"W": np.array([g])})
    expected = formula(2.0, gradients.tolist(), **settings, epsilon=0.3)
    assert params["W"][0] == pytest.approx(expected, rel=1e-12)
    assert abs(expected - formula(2.0, gradients.tolist(), **settings, epsilon=0.2)) > 1e-4


def test_without_decay_adamw_is_adam_as_pytorch_has_it():
    decoupled, plain = {"W": np.array([1.0, 2.0])}, {"W": np.array([1.0, 2.0])}
    adamw, adam = AdamW(0.1, weight_decay=0), Adam(0.1, epsilon=1e-8, pytorch=True)
    for g in np.random.default_rng(0).normal(size=(10, 2)):
        adamw.update(decoupled, {"W": g})
        adam.update(plain, {"W": g})
    assert decoupled["W"].tolist() == plain["W"].tolist()


def test_the_decay_of_adamw_does_not_depend_on_the_size_of_the_gradient():
    params = {"small": np.array([3.0]), "large": np.array([3.0]), "none": np.array([3.0])}
    optimizer = AdamW(lr=0.1, weight_decay=0.2, epsilon=0)
    with np.errstate(invalid="ignore"):  # 0 / 0 for the last
        optimizer.update(
            params,
            {"small": np.array([1e-9]), "large": np.array([1e9]), "none": np.array([0.0])},
        )
    assert params["small"][0] == pytest.approx(3 * 0.98 - 0.1, rel=1e-12)
    assert params["large"][0] == pytest.approx(3 * 0.98 - 0.1, rel=1e-12)
    assert np.isnan(params["none"][0])  # this is what epsilon is for
    params = {"none": np.array([3.0])}
    AdamW(lr=0.1, weight_decay=0.2).update(params, {"none": np.array([0.0])})
    assert params["none"][0] == pytest.approx(3 * 0.98, rel=1e-15)


@pytest.mark.parametrize("optimizer", [AdaGrad, RMSprop, Adam, AdamW])
@pytest.mark.parametrize("value", [-1e-8, np.nan, np.inf])
def test_bad_epsilons_are_refused(optimizer, value):
    with pytest.raises(ValueError, match=rf"epsilon must be .*got {value}"):
        optimizer(epsilon=value)


@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf])
def test_bad_weight_decays_are_refused(value):
    with pytest.raises(ValueError, match=rf"weight_decay must be .*got {value}"):
        AdamW(weight_decay=value)


@pytest.mark.parametrize("optimizer", [SGD, Momentum, Nesterov])
def test_options_that_an_optimizer_does_not_have_are_refused(optimizer):
    with pytest.raises(TypeError, match="epsilon"):
        optimizer(epsilon=1e-8)


# What may stand in params and grads


START = {"x": -7.0, "y": 2.0}


def down_the_valley(optimizer, params, steps=20):
    for _ in range(steps):
        optimizer.update(params, {"x": params["x"] / 10, "y": 2 * params["y"]})
    return params


@EACH
@pytest.mark.parametrize("kind", [float, np.float64])
def test_plain_numbers_take_the_same_steps_as_arrays(optimizer, kind):
    numbers = {key: kind(value) for key, value in START.items()}
    down_the_valley(optimizer(0.1), numbers)
    arrays = down_the_valley(optimizer(0.1), {k: np.array(v) for k, v in START.items()})
    assert all(type(number) is float for number in numbers.values())
    assert numbers == {key: array.item() for key, array in arrays.items()}
    assert numbers != START


@EACH
def test_integers_are_numbers_too(optimizer):
    integers = down_the_valley(optimizer(0.1), {"x": -7, "y": 2})
    assert integers == down_the_valley(optimizer(0.1), dict(START))


@EACH
def test_numbers_and_arrays_may_stand_side_by_side(optimizer):
    W = np.array([1.0, 2.0])
    params = {"b": 0.5, "W": W, "c": np.array(3.0)}
    optimizer(0.1).update(params, {"b": 1.0, "W": np.array([1.0, -1.0]), "c": np.float64(1)})
    assert list(params) == ["b", "W", "c"]
    assert params["W"] is W
    assert params["b"] < 0.5
    assert params["c"].shape == ()
    assert params["c"] < 3


@EACH
def test_float32_parameters_stay_float32_whatever_the_gradient(optimizer):
    params, instance = {"W": np.ones(3, np.float32)}, optimizer(lr=np.float64(0.1))
    for _ in range(3):
        instance.update(params, {"W": np.full(3, 0.5, np.float64)})
    assert params["W"].dtype == np.float32
    arrays = {k: a for k, a in instance.state().items() if k not in ("iter", "lr")}
    assert {a.dtype for a in arrays.values()} <= {np.dtype(np.float32)}


@EACH
def test_parameters_may_be_views_in_any_order_of_memory(optimizer):
    rng = np.random.default_rng(0)
    whole, g = rng.normal(size=(6, 4)), rng.normal(size=(4, 3))
    view, copy = whole.T[:, ::2], whole.T[:, ::2].copy()
    untouched = whole[1::2].copy()
    one, other = optimizer(0.1), optimizer(0.1)
    for _ in range(3):
        one.update({"W": view}, {"W": g})
        other.update({"W": copy}, {"W": g})
    np.testing.assert_allclose(view, copy, rtol=1e-14)
    assert np.array_equal(whole[1::2], untouched)


@EACH
def test_empty_arrays_and_no_parameters_at_all_are_fine(optimizer):
    instance = optimizer()
    instance.update({}, {})
    instance.update({"W": np.empty((0, 3))}, {"W": np.empty((0, 3))})
    assert instance.iter == 2


@EACH
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1), (1, 2, 3)])
def test_shapes_that_differ_are_refused_before_anything_changes(optimizer, shape):
    params, instance = {"a": np.ones(2), "W": np.ones((2, 3)), "n": 1.0}, optimizer()
    with pytest.raises(ValueError, match=r"W has shape \(2, 3\), its gradient \("):
        instance.update(params, {"a": np.ones(2), "W": np.ones(shape), "n": 1.0})
    assert params["a"].tolist() == [1, 1]
    assert params["n"] == 1
    assert instance.iter == 0
    assert list(instance.state()) == ["iter", "lr"]


@EACH
def test_the_gradient_of_half_the_square_may_be_the_parameter_itself(optimizer):
    options = {"weight_decay": 0.5} if optimizer is AdamW else {}
    shared, apart = np.array([1.0, -2.0]), np.array([1.0, -2.0])
    one, other = optimizer(0.1, **options), optimizer(0.1, **options)
    for _ in range(3):
        one.update({"W": shared}, {"W": shared})
        other.update({"W": apart}, {"W": apart.copy()})
    assert shared.tolist() == apart.tolist()


@pytest.mark.parametrize("b", [np.array([1, 2]), [1.0, 2.0]], ids=["integers", "list"])
def test_parameters_that_cannot_take_a_step_are_refused_before_anything_changes(b):
    params, instance = {"W": np.ones(2), "b": b}, SGD(0.1)
    with pytest.raises((TypeError, ValueError)):
        instance.update(params, {"W": np.ones(2), "b": np.ones(2)})
    assert params["W"].tolist() == [1, 1]
    assert instance.iter == 0


# What state and set_state do


def gradients_for(params, count, seed=0):
    rng = np.random.default_rng(seed)
    return [{key: rng.normal(size=np.shape(p)) for key, p in params.items()} for _ in range(count)]


def fresh_params():
    return {"W": np.arange(6.0).reshape(2, 3), "b": np.array(0.5)}


OPTIONS = {
    "SGD": lambda: SGD(0.1),
    "Momentum": lambda: Momentum(0.1, 0.8),
    "Momentum-pytorch": lambda: Momentum(0.1, 0.8, pytorch=True),
    "Nesterov": lambda: Nesterov(0.1, 0.8),
    "Nesterov-pytorch": lambda: Nesterov(0.1, 0.8, pytorch=True),
    "AdaGrad": lambda: AdaGrad(0.1),
    "RMSprop": lambda: RMSprop(0.1),
    "Adam": lambda: Adam(0.1),
    "Adam-pytorch": lambda: Adam(0.1, pytorch=True),
    "AdamW": lambda: AdamW(0.1, weight_decay=0.1),
}


@pytest.mark.parametrize("make", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("stop", [0, 1, 7])
def test_a_fresh_optimizer_goes_on_bit_for_bit(make, stop):
    params = fresh_params()
    gradients = gradients_for(params, 15)
    first = make()
    for grads in gradients[:stop]:
        first.update(params, grads)
    first.lr = 0.03
    resumed = {key: p.copy() for key, p in params.items()}
    second = make()
    second.set_state({key: array.copy() for key, array in first.state().items()})
    for grads in gradients[stop:]:
        first.update(params, grads)
        second.update(resumed, grads)
    assert {k: p.tobytes() for k, p in params.items()} == {
        k: p.tobytes() for k, p in resumed.items()
    }
    assert second.iter == first.iter == 15
    assert second.lr == 0.03


@EACH
def test_set_state_copies(optimizer):
    params = fresh_params()
    first, second = optimizer(), optimizer()
    first.update(params, gradients_for(params, 1)[0])
    state = {key: array.copy() for key, array in first.state().items()}
    second.set_state(state)
    for array in state.values():
        array[...] = 77
    expected, actual = first.state(), second.state()
    assert expected.keys() == actual.keys()
    assert all(np.array_equal(actual[key], array) for key, array in expected.items())


@EACH
def test_going_on_leaves_the_other_optimizer_alone(optimizer):
    params = fresh_params()
    first, second = optimizer(), optimizer()
    gradients = gradients_for(params, 2)
    first.update(params, gradients[0])
    second.set_state(first.state())
    before = {key: array.copy() for key, array in first.state().items()}
    second.update(params, gradients[1])
    assert all(np.array_equal(array, before[key]) for key, array in first.state().items())


@EACH
def test_a_state_is_flat_arrays_of_numbers_without_objects(optimizer):
    params = fresh_params()
    instance = optimizer()
    instance.update(params, gradients_for(params, 1)[0])
    state = instance.state()
    assert all(isinstance(a, np.ndarray) and a.dtype.kind in "fi" for a in state.values())
    names = {f"{name}/{key}" for name in optimizer.MEMORIES for key in params}
    assert set(state) == {"iter", "lr"} | names


def test_keys_with_slashes_come_back():
    params = {"block/1/W": np.ones(2), "W": np.ones(3)}
    first, second = Adam(), Adam()
    first.update(params, {"block/1/W": np.ones(2), "W": np.ones(3)})
    second.set_state(first.state())
    assert second.m.keys() == second.v.keys() == params.keys()


@pytest.mark.parametrize(
    ("optimizer", "other"), [(a, b) for a in ALL for b in ALL if a.MEMORIES != b.MEMORIES]
)
def test_the_state_of_another_kind_is_refused_and_changes_nothing(optimizer, other):
    params = fresh_params()
    mine, foreign = optimizer(0.1), other(0.2)
    for grads in gradients_for(params, 3):
        mine.update(params, grads)
        foreign.update(params, grads)
    foreign.update(params, grads)
    before = {key: array.copy() for key, array in mine.state().items()}
    with pytest.raises(ValueError, match=f"isn't the state of an? {optimizer.__name__}: iter, lr"):
        mine.set_state(foreign.state())
    after = mine.state()
    assert before.keys() == after.keys()
    assert all(np.array_equal(after[key], array) for key, array in before.items())


@EACH
@pytest.mark.parametrize("missing", ["iter", "lr"])
def test_a_state_without_iter_or_lr_is_refused(optimizer, missing):
    state = optimizer().state()
    del state[missing]
    with pytest.raises(ValueError, match="isn't the state"):
        optimizer().set_state(state)


def test_a_state_with_an_lr_that_is_no_number_changes_nothing():
    optimizer = SGD(0.1)
    with pytest.raises((TypeError, ValueError)):
        optimizer.set_state({"iter": np.array(5), "lr": np.array("fast")})
    assert optimizer.iter == 0
