import math

import numpy as np
import pytest

from ch04_numerical_gradient.two_layer_net import TwoLayerNet as SigmoidNet
from ch05_backprop.two_layer_net import TwoLayerNet as ReluNet
from common import layers
from common.gradient_methods.checking import gradient_check, ridders_derivative

NETS = pytest.mark.parametrize("net", [SigmoidNet, ReluNet], ids=["ch04", "ch05"])
SIZES = (20, 7, 4)


def problem(net, seed=0, sizes=SIZES, n=5, std=0.5, **options):
    """Return a network, and a mini-batch for it."""
    rng = np.random.default_rng(seed)
    network = net(*sizes, weight_init_std=std, rng=rng, **options)
    return network, rng.random((n, sizes[0])), rng.integers(0, sizes[2], n)


def by_name(report):
    return {parameter.name: parameter for parameter in report.parameters}


def wrong_ones(report):
    return {line.split()[0] for line in str(report).splitlines() if "WRONG" in line}


@NETS
@pytest.mark.parametrize("seed", range(5))
def test_both_chapters_networks_pass(net, seed):
    report = gradient_check(*problem(net, seed))
    assert report.passed
    assert wrong_ones(report) == set()
    assert "The gradients agree" in str(report)
    assert {p.name: p.size for p in report.parameters} == {"W1": 140, "b1": 7, "W2": 28, "b2": 4}
    for parameter in report.parameters:
        assert parameter.largest < 1e-7
        assert parameter.undecided == 0
        assert parameter.compared > 0.3 * parameter.size


@NETS
def test_one_hot_labels_pass(net):
    network, x, t = problem(net)
    assert gradient_check(network, x, np.eye(SIZES[2])[t]).passed


@NETS
def test_a_network_of_the_books_size_passes_on_a_random_sample(net):
    network, x, t = problem(net, sizes=(784, 50, 10), n=3, std=0.01)
    report = gradient_check(network, x, t, max_entries=200, rng=np.random.default_rng(0))
    assert report.passed
    assert [p.size for p in report.parameters] == [200, 50, 200, 10]


def relu_that_passes_everything(self, dout):
    return dout


def sigmoid_without_one_minus_y(self, dout):
    return dout * self.out


original_affine_backward = layers.Affine.backward


def affine_with_half_of_db(self, dout):
    dx = original_affine_backward(self, dout)
    self.db = 0.5 * self.db
    return dx


def affine_that_forgets_the_transpose(self, dout):
    dx = original_affine_backward(self, dout)
    return None if dx is None else dx[:, ::-1]


original_loss_backward = layers.SoftmaxWithLoss.backward


def loss_without_the_mean(self, dout=1.0):
    return original_loss_backward(self, dout) * len(self.t)


@pytest.mark.parametrize(
    ("net", "layer", "backward", "wrong"),
    [
        (ReluNet, layers.Relu, relu_that_passes_everything, {"W1", "b1"}),
        (SigmoidNet, layers.Sigmoid, sigmoid_without_one_minus_y, {"W1", "b1"}),
        (ReluNet, layers.Affine, affine_with_half_of_db, {"b1", "b2"}),
        (SigmoidNet, layers.Affine, affine_with_half_of_db, {"b1", "b2"}),
        (ReluNet, layers.Affine, affine_that_forgets_the_transpose, {"W1", "b1"}),
        (ReluNet, layers.SoftmaxWithLoss, loss_without_the_mean, {"W1", "b1", "W2", "b2"}),
    ],
)
def test_a_broken_layer_is_found(monkeypatch, net, layer, backward, wrong):
    monkeypatch.setattr(layer, "backward", backward)
    report = gradient_check(*problem(net))
    assert not report.passed
    assert wrong_ones(report) == wrong
    assert {p.name for p in report.parameters if p.largest > 1e-5} == wrong
    assert "DO NOT AGREE" in str(report)


def with_altered_gradient(network, alter):
    """Let `alter` change the dict that network.gradient returns."""
    right = network.gradient

    def gradient(x, t):
        grads = {key: g.copy() for key, g in right(x, t).items()}
        alter(grads)
        return grads

    network.gradient = gradient


@NETS
@pytest.mark.parametrize("factor", [-1, 0, 2, 1 + 1e-4])
@pytest.mark.parametrize(("key", "index"), [("W1", (11, 3)), ("b1", (2,)), ("W2", (6, 0))])
def test_a_single_wrong_entry_is_found_where_it_is(net, factor, key, index):
    network, x, t = problem(net)
    network.params["b1"] += 0.5  # so that every hidden unit is at work
    right = network.gradient(x, t)[key][index]

    def alter(grads):
        grads[key][index] *= factor

    with_altered_gradient(network, alter)
    report = gradient_check(network, x, t)
    found = by_name(report)[key]
    assert not report.passed
    assert wrong_ones(report) == {key}
    assert found.index == index
    assert found.backprop == pytest.approx(factor * right, abs=1e-15)
    assert found.numerical == pytest.approx(right, rel=1e-7)
    assert found.largest == pytest.approx(abs(factor - 1) / (1 + abs(factor)), rel=1e-3)


def test_of_several_wrong_entries_the_one_with_the_worst_relative_difference_is_named():
    network, x, t = problem(SigmoidNet)
    right = network.gradient(x, t)["W1"]
    small = np.unravel_index(np.abs(right).argmin(), right.shape)
    large = np.unravel_index(np.abs(right).argmax(), right.shape)

    def alter(grads):
        grads["W1"][small] *= 3
        grads["W1"][large] *= 1.5

    with_altered_gradient(network, alter)
    worst = by_name(gradient_check(network, x, t))["W1"]
    assert worst.index == small
    assert worst.largest == pytest.approx(0.5, rel=1e-6)  # |3 − 1| / (3 + 1)


def test_a_loss_too_rough_to_judge_by_decides_nothing():
    network, x, t = problem(SigmoidNet)
    loss = network.loss
    network.loss = lambda x, t: loss(x, t) + 1e10  # rounded to 2e-6
    report = gradient_check(network, x, t)
    assert sum(p.undecided for p in report.parameters) > 0.5 * sum(
        p.size for p in report.parameters
    )
    assert not report.passed
    assert "undecided" in str(report)
    assert wrong_ones(report) == set()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_does_not_pass(value):
    network, x, t = problem(SigmoidNet)
    with_altered_gradient(network, lambda grads: grads["W2"].__setitem__((1, 2), value))
    report = gradient_check(network, x, t)
    assert not report.passed
    assert wrong_ones(report) == {"W2"}
    assert by_name(report)["W2"].index == (1, 2)
    assert by_name(report)["W2"].largest == np.inf


def test_the_tolerance_decides():
    network, x, t = problem(SigmoidNet)
    with_altered_gradient(network, lambda grads: grads["b2"].__imul__(1 + 1e-4))
    assert gradient_check(network, x, t, tolerance=1e-3).passed
    assert not gradient_check(network, x, t, tolerance=1e-5).passed


def test_a_float32_network_is_refused():
    with pytest.raises(TypeError, match="float64 parameters, W1 is float32"):
        gradient_check(*problem(ReluNet, dtype=np.float32))


def test_a_random_loss_is_refused():
    network, x, t = problem(SigmoidNet)
    rng, loss = np.random.default_rng(0), network.loss
    network.loss = lambda x, t: loss(x * (rng.random(x.shape) < 0.5), t)
    with pytest.raises(ValueError, match="loss differs from call to call"):
        gradient_check(network, x, t)


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (lambda grads: grads.pop("b1"), "keys W1, W2, b2, params W1, b1, W2, b2"),
        (lambda grads: grads.update(extra=np.zeros(2)), "keys W1, b1, W2, b2, extra, params"),
        (
            lambda grads: grads.update(b1=grads["b1"][np.newaxis]),
            r"gradient of b1 has shape \(1, 7\), b1 itself \(7,\)",
        ),
    ],
)
def test_gradients_that_do_not_fit_the_parameters_are_refused(alter, message):
    network, x, t = problem(SigmoidNet)
    with_altered_gradient(network, alter)
    with pytest.raises(ValueError, match=message):
        gradient_check(network, x, t)


def as_bytes(network):
    return {key: param.tobytes() for key, param in network.params.items()}


@NETS
def test_parameters_are_left_bit_for_bit_as_they_were(net):
    network, x, t = problem(net)
    network.params["W1"][0, :3] = [-0.0, 5e-324, 1 / 3]
    before, arrays = as_bytes(network), dict(network.params)
    gradient_check(network, x, t)
    assert as_bytes(network) == before
    assert all(network.params[key] is array for key, array in arrays.items())


@NETS
@pytest.mark.parametrize("error", [KeyboardInterrupt, ArithmeticError])
@pytest.mark.parametrize("calls_before", [3, 50, 700])
def test_parameters_are_restored_when_the_loss_raises(net, error, calls_before):
    network, x, t = problem(net)
    before, loss, calls = as_bytes(network), network.loss, []

    def interrupted(x, t):
        calls.append(1)
        if len(calls) > calls_before:
            raise error
        return loss(x, t)

    network.loss = interrupted
    with pytest.raises(error):
        gradient_check(network, x, t)
    assert as_bytes(network) == before


class ReadersOwnNetwork:
    """No `Network`: L = Σ (x w³ + c − t)²."""

    def __init__(self):
        self.params = {"w": np.array([[0.5], [-1.5]]), "c": np.array(0.25)}

    def loss(self, x, t):
        return float(np.sum((x @ self.params["w"] ** 3 + self.params["c"] - t) ** 2))

    def gradient(self, x, t):
        w, c = self.params["w"], self.params["c"]
        residual = 2 * (x @ w**3 + c - t)
        return {"w": x.T @ residual * 3 * w**2, "c": residual.sum()}


def test_a_readers_own_network_can_be_checked():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(6, 2)), rng.normal(size=(6, 1))
    network = ReadersOwnNetwork()
    assert gradient_check(network, x, t).passed
    with_altered_gradient(network, lambda grads: grads.update(c=1.1 * grads["c"]))
    assert wrong_ones(gradient_check(network, x, t)) == {"c"}


def entries_of_w1(rng):
    """Find by its index which entry is compared when only one is."""
    network, x, t = problem(SigmoidNet)
    return by_name(gradient_check(network, x, t, max_entries=1, rng=rng))["W1"].index


def test_the_choice_of_entries_can_be_repeated():
    chosen = [entries_of_w1(np.random.default_rng(seed)) for seed in range(8)]
    assert chosen == [entries_of_w1(np.random.default_rng(seed)) for seed in range(8)]
    assert len(set(chosen)) > 3


def test_without_rng_numpys_global_seed_decides():
    chosen = []
    for seed in (0, 1, 2, 0, 1, 2):
        np.random.seed(seed)
        chosen.append(entries_of_w1(None))
    assert chosen[:3] == chosen[3:]
    assert len(set(chosen)) == 3


def test_entries_beyond_max_entries_are_not_looked_at():
    network, x, t = problem(SigmoidNet)
    loss, calls = network.loss, []
    network.loss = lambda x, t: calls.append(1) or loss(x, t)
    gradient_check(network, x, t, max_entries=2)
    few_calls = len(calls)
    gradient_check(network, x, t)
    assert few_calls * 5 < len(calls) - few_calls


def test_a_hidden_unit_exactly_at_its_kink_is_not_called_wrong():
    """Black images and biases of 0, as a new network has them, put every unit exactly at 0."""
    network, x, t = problem(ReluNet)
    x[0] = 0
    assert wrong_ones(gradient_check(network, x, t)) == set()


@pytest.mark.parametrize(
    ("f", "derivative", "x"),
    [
        (math.exp, math.exp, 1.0),
        (math.exp, math.exp, -3.0),
        (math.sin, math.cos, 0.3),
        (math.sin, math.cos, 100.0),
        (math.tanh, lambda x: 1 / math.cosh(x) ** 2, 0.2),
        (lambda x: x**3, lambda x: 3 * x**2, 2.0),
        (lambda x: 1e-10 * math.exp(x), lambda x: 1e-10 * math.exp(x), 0.5),
        (lambda x: 1e-20 * math.sin(x), lambda x: 1e-20 * math.cos(x), 0.5),
    ],
)
@pytest.mark.parametrize("tolerance", [1e-5, 1e-7, 1e-9])
def test_ridders_derivative_is_as_exact_as_was_asked(f, derivative, x, tolerance):
    result, error = ridders_derivative(f, x, tolerance)
    allowed = tolerance * max(1e-8, 2 * abs(derivative(x)))
    assert abs(result - derivative(x)) <= allowed
    assert error <= allowed * 1.01


@pytest.mark.parametrize("f", [math.exp, math.sin, math.tanh, lambda x: 2 + 1e-6 * math.sin(x)])
@pytest.mark.parametrize("x", np.linspace(-2, 2, 9))
def test_the_true_error_is_below_the_estimated_one(f, x):
    exact = {math.exp: math.exp, math.sin: math.cos, math.tanh: lambda x: 1 / math.cosh(x) ** 2}
    derivative = exact.get(f, lambda x: 1e-6 * math.cos(x))(x)
    result, error = ridders_derivative(f, x)
    assert abs(result - derivative) <= error


def test_a_small_slope_on_a_large_value_keeps_its_digits():
    """Central differences with h = 1e-4 leave only five of them here."""
    result, _ = ridders_derivative(lambda x: 2 + 1e-7 * math.sin(x), 0.4)
    assert result == pytest.approx(1e-7 * math.cos(0.4), rel=1e-6)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("distance", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
def test_kinks_are_avoided(distance, side):
    def f(x):
        return max(math.sin(x), 0.0) + 0.3 * x

    x = side * distance
    result, error = ridders_derivative(f, x)
    expected = 0.3 + (math.cos(x) if side > 0 else 0)
    assert abs(result - expected) <= error
    assert result == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0, -2.3, 1e10])
def test_a_constant_has_derivative_0(value):
    result, error = ridders_derivative(lambda _: value, 0.7)
    assert result == 0
    assert error <= 1e-13 * abs(value)


@pytest.mark.parametrize("f", [math.exp, math.sin, math.tanh])
def test_extrapolation_needs_few_evaluations_and_stops_when_it_may(f):
    def evaluations(tolerance):
        calls = []
        ridders_derivative(lambda x: calls.append(x) or f(x), 0.6, tolerance)
        return len(calls)

    assert evaluations(1e-3) < evaluations(1e-9) <= 10


class KinkAhead:
    """L = 0.3 w + 2 max(0, w − 1/72): steps of 1/16, 1/32 and 1/64 cross the kink, 1/128 doesn't.

    Beside the kink D(h) = 0.3, across it D(h) = 1.3 − d / h. At d = (2/9) / 16 = 1/72 the first
    extrapolations of two rows coincide, (4 D(h/8) − D(h/4)) / 3 = (4 D(h/4) − D(h/2)) / 3, and both
    are wrong.
    """

    def __init__(self, gradient=0.3):
        self.params = {"w": np.zeros(1)}
        self._gradient = np.array([gradient])

    def loss(self, x, t):
        (w,) = self.params["w"]
        return 0.3 * w + 2 * max(0.0, w - 1 / 72)

    def gradient(self, x, t):
        return {"w": self._gradient}


def test_differences_that_agree_by_chance_across_a_kink_are_seen_through():
    assert ridders_derivative(lambda w: 0.3 * w + 2 * max(0.0, w - 1 / 72), 0.0)[0] != (
        pytest.approx(0.3, rel=1e-3)
    )
    report = gradient_check(KinkAhead(), None, None)
    assert report.passed
    assert report.parameters[0].numerical == pytest.approx(0.3, rel=1e-9)


@pytest.mark.parametrize("wrong", [0.3 * (1 + 1e-4), 0.6, 2.3, 0.0])
def test_a_wrong_gradient_near_a_kink_is_still_wrong(wrong):
    assert not gradient_check(KinkAhead(wrong), None, None).passed
