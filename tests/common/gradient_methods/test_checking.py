"""The gradient check: right networks, wrong ones, and those that it can't judge."""

import math

import numpy as np
import pytest

from ch04_numerical_gradient.two_layer_net import TwoLayerNet as SigmoidNet
from ch05_backprop.two_layer_net import TwoLayerNet as ReluNet
from common import layers
from common.gradient_methods.checking import (
    GradientReport,
    ParameterReport,
    gradient_check,
    ridders_derivative,
)
from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net_extend import MultiLayerNetExtend
from tests.helpers import as_bytes

NETS = pytest.mark.parametrize("net", [SigmoidNet, ReluNet], ids=["ch04", "ch05"])
AGREE, CAN_T, WRONG = "agree", "can't be judged", "DO NOT AGREE"


def problem(net, seed=0, sizes=(20, 7, 4), n=5, std=0.5, **options):
    """Return a network, and a mini-batch for it."""
    rng = np.random.default_rng(seed)
    network = net(*sizes, weight_init_std=std, rng=rng, **options)
    return network, rng.random((n, sizes[0])), rng.integers(0, sizes[2], n)


def flat(arrays):
    return np.concatenate([array.ravel() for array in arrays.values()])


def by_name(report):
    return {parameter.name: parameter for parameter in report.parameters}


def wrong_ones(report):
    wrong = {p.name for p in report.parameters if p.largest >= report.tolerance}
    lines = str(report).splitlines()
    assert wrong == {line.split()[0] for line in lines if "WRONG" in line}
    assert lines[-1].startswith(f"The gradients {report.verdict} (")
    assert report.passed == (report.verdict == AGREE)
    assert (report.verdict == WRONG) == bool(wrong)
    return wrong


def alter_gradient(network, alter):
    """Let `alter` change the dict that network.gradient returns."""
    right = type(network).gradient

    def gradient(x, t):
        grads = {key: np.array(g) for key, g in right(network, x, t).items()}
        alter(grads)
        return grads

    network.gradient = gradient


def scale_element(network, key, index, factor):
    alter_gradient(network, lambda grads: grads[key].__setitem__(index, factor * grads[key][index]))


# Right networks


@NETS
@pytest.mark.parametrize("seed", range(3))
def test_both_chapters_networks_pass(net, seed):
    network, x, t = problem(net, seed)
    for labels in (t, np.eye(4)[t]):
        report = gradient_check(network, x, labels)
        assert report.verdict == AGREE
        assert wrong_ones(report) == set()
        for p in report.parameters:
            assert p.largest < 1e-7
            assert (p.compared, p.undecided, p.size) == (p.total, 0, network.params[p.name].size)
        assert "(179 of 179 weights compared, tolerance 1e-05)" in str(report)
        assert "Fewer" not in str(report)


@NETS
def test_a_network_of_the_books_size_passes_on_a_random_sample_and_says_how_large_it_is(net):
    network, x, t = problem(net, sizes=(784, 50, 10), n=3, std=0.01)
    report = gradient_check(network, x, t, max_entries=49, rng=np.random.default_rng(0))
    assert report.passed
    assert [p.size for p in report.parameters] == [49, 49, 49, 10]
    assert [p.total for p in report.parameters] == [39200, 50, 500, 10]
    assert str(report).endswith("agree (157 of 39,760 weights compared, tolerance 1e-05).")


class OneWeight:
    """A network with one parameter, which is a weight of another network."""

    def __init__(self, network, key, index, factor=1.0):
        self.network, self.key, self.part = network, key, slice(index, index + 1)
        self.params = {"w": network.params[key].reshape(-1)[self.part]}
        self.loss, self.factor = network.loss, factor

    def gradient(self, x, t):
        return {"w": self.factor * self.network.gradient(x, t)[self.key].reshape(-1)[self.part]}


@pytest.mark.parametrize("std", [0.01, 0.03, 0.1, 0.3, 1.0])
def test_right_weights_are_never_called_wrong_and_wrong_ones_never_right(std):
    verdicts = {1.0: [], 1.01: []}
    for seed in range(6):
        rng = np.random.default_rng(seed)
        network = MultiLayerNet(6, [10] * (1 + seed), 4, weight_init_std=std, rng=rng)
        x, t = rng.normal(size=(1 + seed % 5, 6)), rng.integers(0, 4, 1 + seed % 5)
        for key, grad in network.gradient(x, t).items():
            order = np.argsort(np.abs(grad).ravel())
            order = order[np.count_nonzero(grad == 0) :]  # without those that are 0
            for index in {*order[:1], *order[-1:], *order[len(order) // 2 :][:1]}:
                for factor, found in verdicts.items():
                    report = gradient_check(OneWeight(network, key, index, factor), x, t)
                    found.append(report.verdict)
    assert WRONG not in verdicts[1.0]
    assert AGREE not in verdicts[1.01]
    decided = np.mean([verdict == AGREE for verdict in verdicts[1.0]])
    assert decided > {0.01: 0.4, 0.03: 0.7, 1.0: 0.7}.get(std, 0.95)
    assert verdicts[1.01].count(WRONG) > 0.9 * verdicts[1.0].count(AGREE)


@pytest.mark.parametrize(
    ("seed", "depth", "key", "index"), [(4, 5, "b2", 4), (43, 5, "b3", 4), (65, 6, "b2", 0)]
)
def test_finite_differences_that_are_wrong_at_more_than_one_point(seed, depth, key, index):
    rng = np.random.default_rng(seed)
    network = MultiLayerNet(6, [10] * depth, 4, weight_init_std=0.01, rng=rng)
    x, t = rng.normal(size=(3, 6)), rng.integers(0, 4, 3)
    assert gradient_check(OneWeight(network, key, index), x, t).verdict != WRONG


def test_several_kinks_closer_than_any_step():
    network = MultiLayerNet(6, [10] * 5, 4, weight_init_std=0.01, rng=np.random.default_rng(0))
    x, t = np.random.default_rng(1).random((2, 6)), np.array([0, 1])
    report = gradient_check(network, x, t, max_entries=20)
    assert report.verdict == CAN_T
    assert "undecided)" in str(report)
    assert "Fewer than 90% of" in str(report)


@pytest.mark.parametrize("bias", [0.0, 1e-9, -1e-9])
def test_units_at_their_kinks_are_compared_beside_them(bias):
    """Blank images and biases of 0, as a new network has them, put every unit exactly at 0."""
    network, x, t = problem(ReluNet)
    network.params["b1"] += bias
    x[:2] = 0
    report = gradient_check(network, x, t)
    assert wrong_ones(report) == set()
    assert by_name(report)["b1"].compared == 7
    for index in range(7):
        scale_element(network, "b1", index, 1.01)
        found = by_name(gradient_check(network, x, t, max_entries=7))["b1"]
        assert found.largest > 1e-3 or not network.gradient(x, t)["b1"][index]


def test_a_network_that_is_right_and_too_sure_of_it_is_not_called_wrong():
    for scale in (1, 10, 30, 100):
        network, x, t = problem(ReluNet, sizes=(4, 3, 4))
        network.params["b2"][:] = [scale, 0, 0, 0]
        report = gradient_check(network, x, np.zeros_like(t))
        assert wrong_ones(report) == set()
        assert report.verdict == (AGREE if scale <= 10 else CAN_T)


def test_batch_normalization_and_dropout_with_biases_that_have_no_effect():
    rng = np.random.default_rng(0)
    network = MultiLayerNetExtend(
        6, [5], 3, "sigmoid", use_batchnorm=True, use_dropout=True, dropout_ration=0.3, rng=rng
    )
    before = as_bytes(network.state())
    report = gradient_check(network, rng.normal(size=(8, 6)), rng.integers(0, 3, 8))
    assert report.verdict == AGREE
    b1 = by_name(report)["b1"]
    assert (b1.compared, b1.undecided) == (0, 0)
    assert math.isnan(b1.largest)
    assert "Fewer than 90% of b1 could be compared." in str(report)
    assert as_bytes(network.state()) == before


# Wrong ones


def half_of_db(self, dout, original=layers.Affine.backward):
    dx = original(self, dout)
    self.db = 0.5 * self.db
    return dx


def forgets_the_transpose(self, dout, original=layers.Affine.backward):
    dx = original(self, dout)
    return None if dx is None else dx[:, ::-1]


def without_the_mean(self, dout=1.0, original=layers.SoftmaxWithLoss.backward):
    return original(self, dout) * len(self.t)


@pytest.mark.parametrize(
    ("net", "layer", "backward", "wrong"),
    [
        (ReluNet, layers.Relu, lambda self, dout: dout, {"W1", "b1"}),
        (SigmoidNet, layers.Sigmoid, lambda self, dout: dout * self.out, {"W1", "b1"}),
        (ReluNet, layers.Affine, half_of_db, {"b1", "b2"}),
        (SigmoidNet, layers.Affine, half_of_db, {"b1", "b2"}),
        (ReluNet, layers.Affine, forgets_the_transpose, {"W1", "b1"}),
        (ReluNet, layers.SoftmaxWithLoss, without_the_mean, {"W1", "b1", "W2", "b2"}),
    ],
)
@pytest.mark.parametrize("std", [0.01, 0.5])
def test_a_broken_layer_is_found(monkeypatch, net, layer, backward, wrong, std):
    monkeypatch.setattr(layer, "backward", backward)
    report = gradient_check(*problem(net, std=std))
    assert wrong_ones(report) == wrong
    assert report.verdict == WRONG


@NETS
@pytest.mark.parametrize("factor", [-1, 0, 2, 1 + 1e-4])
@pytest.mark.parametrize(("key", "index"), [("W1", (11, 3)), ("b1", (2,)), ("W2", (6, 0))])
def test_a_single_wrong_element_is_found_where_it_is(net, factor, key, index):
    network, x, t = problem(net)
    network.params["b1"] += 0.5  # so that every hidden unit is on
    right = network.gradient(x, t)[key][index]
    scale_element(network, key, index, factor)
    report = gradient_check(network, x, t)
    found = by_name(report)[key]
    assert wrong_ones(report) == {key}
    assert found.index == index
    assert found.backprop == pytest.approx(factor * right, abs=1e-15)
    assert found.numerical == pytest.approx(right, rel=1e-7)
    assert found.largest == pytest.approx(abs(factor - 1) / (1 + abs(factor)), rel=1e-3)
    assert found.compared == found.size


def test_of_several_wrong_elements_the_one_with_the_largest_relative_difference_is_named():
    network, x, t = problem(SigmoidNet)
    right = np.abs(network.gradient(x, t)["W1"])
    small, large = (np.unravel_index(i, right.shape) for i in (right.argmin(), right.argmax()))

    def alter(grads):
        grads["W1"][small] *= 3
        grads["W1"][large] *= 1.5

    alter_gradient(network, alter)
    found = by_name(gradient_check(network, x, t))["W1"]
    assert found.index == small
    assert found.largest == pytest.approx(0.5, rel=1e-6)  # |3 − 1| / (3 + 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_wrong(value):
    network, x, t = problem(SigmoidNet)
    alter_gradient(network, lambda grads: grads["W2"].__setitem__((1, 2), value))
    report = gradient_check(network, x, t)
    assert wrong_ones(report) == {"W2"}
    assert by_name(report)["W2"].index == (1, 2)
    assert by_name(report)["W2"].largest == np.inf


def test_the_tolerance_decides():
    network, x, t = problem(SigmoidNet)
    alter_gradient(network, lambda grads: grads["b2"].__imul__(1 + 1e-4))
    assert gradient_check(network, x, t, tolerance=1e-3).passed
    assert wrong_ones(gradient_check(network, x, t, tolerance=1e-5)) == {"b2"}


# Losses of a reader's own


class Own:
    """No `Network`: a loss f(w), and a gradient that may be wrong."""

    def __init__(self, f, gradient, at=(0.0,)):
        self.f, self.right, self.params = f, gradient, {"w": np.array(at)}

    def loss(self, x, t):
        return self.f(self.params["w"])

    def gradient(self, x, t):
        return {"w": np.array(self.right(self.params["w"]) if callable(self.right) else self.right)}


class Cubic:
    """L = Σ (x w³ + c − t)²; loss and gradient are always the same arrays."""

    def __init__(self, factor=1.0):
        self.factor = factor  # of the gradient with respect to w
        self.params = {"w": np.array([[0.5], [-1.5]]), "c": np.array(0.25)}
        self.value, self.grads = np.empty(()), {key: p.copy() for key, p in self.params.items()}

    def loss(self, x, t):
        self.value[...] = np.sum((x @ self.params["w"] ** 3 + self.params["c"] - t) ** 2)
        return self.value

    def gradient(self, x, t):
        w, c = self.params["w"], self.params["c"]
        residual = 2 * (x @ w**3 + c - t)
        self.grads["w"][...] = self.factor * (x.T @ residual * 3 * w**2)
        self.grads["c"][...] = residual.sum()
        return self.grads


def test_a_network_of_the_readers_own_can_be_checked():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(6, 2)), rng.normal(size=(6, 1))
    assert gradient_check(Cubic(), x, t).passed
    assert wrong_ones(gradient_check(Cubic(1.1), x, t)) == {"w"}


def two_slopes(w):
    return 0.3 * w[0] + 2 * max(0.0, w[0] - 1 / 72)


@pytest.mark.parametrize(
    ("network", "verdict", "compared"),
    [
        # however small the loss is
        (Own(lambda w: 1e-10 * np.exp(w[0] - w[1]), [1e-10, -1e-10], (0.5, 0.5)), AGREE, 2),
        (Own(lambda w: 1e-10 * np.exp(w[0] - w[1]), [-1e-10, 1e-10], (0.5, 0.5)), WRONG, 2),
        (Own(lambda w: 2 + 5e-8 * np.sin(w[0]), [5e-8]), AGREE, 1),
        (Own(lambda w: 2 + 5e-8 * np.sin(w[0]), [9e-8]), WRONG, 1),
        (Own(lambda w: 2 + np.sin(w[0]) + 5e-8 * w[1], [1, 9e-8], (0.0, 0.0)), WRONG, 2),
        (Own(lambda w: 2 + np.sin(w[0]) + 5e-8 * w[1], [1.0, 0.0], (0.0, 0.0)), WRONG, 2),
        (Own(lambda w: 2 + np.sin(w[0]), [1, 5e-8], (0.0, 0.0)), WRONG, 2),
        # what is 0 in both is equal, but if everything is 0 there is nothing to compare
        (Own(lambda w: 2 + np.sin(w[0]), [1.0, 0.0], (0.0, 0.0)), AGREE, 2),
        (Own(lambda w: 2.0, [0.0, 0.0], (0.0, 0.0)), CAN_T, 0),
        (Own(lambda w: 0.0, [0.0, 0.0], (0.0, 0.0)), CAN_T, 0),
        (Own(lambda w: 2 + 1e-30 * w[0], [1e-30]), CAN_T, 0),
        (Own(lambda w: 1e12 + 1e-3 * w[0], [1e-3, 0], (0.0, 0.0)), CAN_T, 0),
        # 0 to rounding, as in front of a batch normalization, and too large for that
        (Own(lambda w: 2 + w[0] + 5e-13 * w[1], [1, 5e-13], (0.0, 0.0)), AGREE, 1),
        (Own(lambda w: 2 + w[0] + 5e-12 * w[1], [1, 5e-12], (0.0, 0.0)), CAN_T, 1),
        # 0.3 w + 2 max(0, w − 1/72): steps of 1/16, 1/32 and 1/64 cross the kink, 1/128 doesn't.
        # Beside the kink D(h) = 0.3, across it D(h) = 1.3 − d / h. At d = (2/9) / 16 = 1/72 the
        # first extrapolations of two rows coincide, and both are wrong.
        (Own(two_slopes, [0.3]), AGREE, 1),
        (Own(two_slopes, [0.3 * (1 + 1e-4)]), WRONG, 1),
        (Own(two_slopes, [1.3]), WRONG, 1),
        (Own(two_slopes, [2.3]), WRONG, 1),
        (Own(two_slopes, [0.0]), WRONG, 1),
        # beyond 1/16 it isn't defined, and beyond 1/32 no number
        (Own(lambda w: math.inf if abs(w[0]) > 0.05 else np.exp(w[0]), np.exp), AGREE, 1),
        (Own(lambda w: math.nan if w[0] > 0.02 else np.exp(w[0]), np.exp), AGREE, 1),
    ],
)
def test_losses_of_a_readers_own(network, verdict, compared):
    report = gradient_check(network, None, None)
    assert report.verdict == verdict, str(report)
    assert report.parameters[0].compared == compared
    wrong_ones(report)


def test_a_loss_too_rough_to_judge_by_decides_nothing():
    network, x, t = problem(SigmoidNet)
    loss = network.loss
    network.loss = lambda x, t: loss(x, t) + 1e10  # rounded to 2e-6
    report = gradient_check(network, x, t)
    assert wrong_ones(report) == set()
    assert report.verdict == CAN_T
    assert sum(p.undecided for p in report.parameters) > 0.5 * 179


@pytest.mark.parametrize(
    ("compared", "undecided", "largest", "verdict"),
    [
        ([9, 10], [1.0, 0.0], [0.0, 0.0], AGREE),
        ([8, 10], [2, 0], [0.0, 0.0], CAN_T),
        ([0, 10], [0, 0], [math.nan, 0.0], AGREE),
        ([0, 0], [0, 0], [math.nan, math.nan], CAN_T),
        ([8, 10], [2, 0], [0.0, 1e-3], WRONG),
        ([8, 10], [2, 0], [0.0, 1e-5], WRONG),
    ],
)
def test_the_verdict(compared, undecided, largest, verdict):
    report = GradientReport(
        tuple(
            ParameterReport(name, largest[n], (n,), 0.0, 0.0, compared[n], undecided[n], 10, 30)
            for n, name in enumerate(["W", "b"])
        ),
        1e-5,
    )
    assert report.verdict == verdict
    wrong_ones(report)
    assert f"({sum(compared)} of 60 weights compared" in str(report)
    few = "W, b" if compared == [0, 0] else "W"
    assert (f"Fewer than 90% of {few} could be compared." in str(report)) == (compared[0] < 9)


# What is looked at, and what is left


def chosen(rng):
    """Find by its index which element is compared when only one is."""
    network, x, t = problem(SigmoidNet)
    return by_name(gradient_check(network, x, t, max_entries=1, rng=rng))["W1"].index


def test_the_choice_of_elements_can_be_repeated():
    by_rng = [chosen(np.random.default_rng(seed)) for seed in (*range(8), *range(8))]
    assert by_rng[:8] == by_rng[8:]
    assert len(set(by_rng)) > 3
    by_seed = []
    for seed in (0, 1, 2, 0, 1, 2):
        np.random.seed(seed)
        by_seed.append(chosen(None))
    assert by_seed[:3] == by_seed[3:]
    assert len(set(by_seed)) == 3


def test_elements_beyond_max_entries_are_not_looked_at():
    network, x, t = problem(SigmoidNet)
    loss, moved = network.loss, []
    before = flat(network.params)

    def recorded(x, t):
        moved.extend(np.flatnonzero(flat(network.params) != before))
        return loss(x, t)

    network.loss = recorded
    for max_entries, number in ((6, 6 + 6 + 6 + 4), (None, 179)):
        moved.clear()
        gradient_check(network, x, t, max_entries=max_entries)
        assert len(set(moved)) == number
        assert len(moved) < 8 * number  # usually three steps to both sides are enough


def with_loss(network, change):
    loss = network.loss
    network.loss = lambda x, t: change(loss(x, t))


def with_random_loss(network):
    rng, loss = np.random.default_rng(0), network.loss
    network.loss = lambda x, t: loss(x * (rng.random(x.shape) < 0.5), t)


def with_random_loss_in_a_buffer(network):
    rng, buffer = np.random.default_rng(0), np.empty(())
    network.loss = lambda x, t: np.add(rng.random(), 1, out=buffer)


def with_float32_parameter(network):
    network.params["b2"] = network.params["b2"].astype(np.float32)


BAD = {
    "float32 parameter": (with_float32_parameter, {}, TypeError, "float64, b2 is float32"),
    "float32 loss": (lambda n: with_loss(n, np.float32), {}, TypeError, "the loss is float32"),
    "random loss": (with_random_loss, {}, ValueError, "loss differs from call to call"),
    "buffer": (with_random_loss_in_a_buffer, {}, ValueError, "loss differs from call to call"),
    "nan": (lambda n: with_loss(n, lambda _: math.nan), {}, ValueError, "must be finite, got nan"),
    "array": (
        lambda n: with_loss(n, lambda _: np.ones(3)),
        {},
        ValueError,
        "loss .* single number",
    ),
    "no b1": (
        lambda n: alter_gradient(n, lambda grads: grads.pop("b1")),
        *({}, ValueError, r"shapes of params, .*'b1': \(7,\).*, got {'W1': \(20, 7\), 'W2'"),
    ),
    "extra": (
        lambda n: alter_gradient(n, lambda grads: grads.update(extra=np.zeros(2))),
        *({}, ValueError, r"got .*'extra': \(2,\)"),
    ),
    "shape": (
        lambda n: alter_gradient(n, lambda grads: grads.update(b1=grads["b1"][np.newaxis])),
        *({}, ValueError, r"got .*'b1': \(1, 7\)"),
    ),
    "tolerance 0": (lambda n: None, {"tolerance": 0}, ValueError, "tolerance must be .* got 0"),
    "tolerance 1": (lambda n: None, {"tolerance": 1}, ValueError, "tolerance must be .* got 1"),
    "no entries": (lambda n: None, {"max_entries": 0}, ValueError, "max_entries must be .* got 0"),
    "half": (lambda n: None, {"max_entries": 1.5}, ValueError, "max_entries must be .* got 1.5"),
    "seed": (lambda n: None, {"rng": 1}, TypeError, "rng must be a numpy.random.Generator"),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_can_not_be_checked_is_refused(bad):
    change, options, error, message = BAD[bad]
    network, x, t = problem(SigmoidNet)
    change(network)
    before = as_bytes(network.params)
    with pytest.raises(error, match=message):
        gradient_check(network, x, t, **options)
    assert as_bytes(network.params) == before


@NETS
def test_parameters_are_left_bit_for_bit_as_they_were(net):
    network, x, t = problem(net)
    network.params["W1"][0, :3] = [-0.0, 5e-324, 1 / 3]
    network.params["W2"] = np.asfortranarray(network.params["W2"])
    before, arrays = as_bytes(network.params), dict(network.params)
    for factor in (1, 2):
        scale_element(network, "W2", (1, 2), factor)
        gradient_check(network, x, t)
        assert as_bytes(network.params) == before
        assert all(network.params[key] is array for key, array in arrays.items())


@pytest.mark.parametrize("error", [KeyboardInterrupt, ArithmeticError])
@pytest.mark.parametrize(
    ("where", "at"), [("loss", n) for n in (1, 4, 40, 400)] + [("gradient", 1)] + [("gradient", 5)]
)
def test_nothing_is_left_behind_when_it_is_interrupted(monkeypatch, error, where, at):
    rng = np.random.default_rng(0)
    network = MultiLayerNetExtend(6, [5, 4], 3, use_batchnorm=True, use_dropout=True, rng=rng)
    x, t = rng.normal(size=(8, 6)), rng.integers(0, 3, 8)
    scale_element(network, "W2", slice(None), 2.0)  # so that it has to look at neighbours too
    before, state, calls = as_bytes(network.state()), rng.bit_generator.state, []
    original = getattr(network, where)

    def interrupted(*arguments, **options):
        calls.append(1)
        result = original(*arguments, **options)
        if len(calls) == at:
            raise error
        return result

    monkeypatch.setattr(network, where, interrupted)
    with pytest.raises(error):
        gradient_check(network, x, t)
    assert as_bytes(network.state()) == before
    assert rng.bit_generator.state == state


# Ridders' method


def sech2(x):
    return 1 / math.cosh(x) ** 2


@pytest.mark.parametrize(
    ("f", "derivative", "x"),
    [
        (math.exp, math.exp, 1.0),
        (math.exp, math.exp, -3.0),
        (math.sin, math.cos, 0.3),
        (math.sin, math.cos, 100.0),
        (math.tanh, sech2, 0.2),
        (lambda x: x**3, lambda x: 3 * x**2, 2.0),
        (lambda x: 1e-10 * math.exp(x), lambda x: 1e-10 * math.exp(x), 0.5),
        (lambda x: 1e-20 * math.sin(x), lambda x: 1e-20 * math.cos(x), 0.5),
    ],
)
@pytest.mark.parametrize("tolerance", [1e-5, 1e-7, 1e-9])
def test_ridders_derivative_is_as_accurate_as_was_asked(f, derivative, x, tolerance):
    calls = []
    result, error = ridders_derivative(lambda x: calls.append(x) or f(x), x, tolerance)
    assert abs(result - derivative(x)) <= error <= 2 * tolerance * abs(result)
    assert len(calls) <= (8 if tolerance == 1e-5 else 12)


@pytest.mark.parametrize("f", [math.exp, math.sin, math.tanh, lambda x: 2 + 1e-6 * math.sin(x)])
@pytest.mark.parametrize("x", np.linspace(-2, 2, 9))
def test_the_true_error_is_below_the_estimated_one(f, x):
    exact = {math.exp: math.exp, math.sin: math.cos, math.tanh: sech2}
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
    x, expected = side * distance, 0.3 + (math.cos(distance) if side > 0 else 0)
    result, error = ridders_derivative(lambda x: max(math.sin(x), 0.0) + 0.3 * x, x)
    assert abs(result - expected) <= error
    assert result == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0, -2.3, 1e10])
def test_a_constant_has_derivative_0(value):
    result, error = ridders_derivative(lambda _: value, 0.7)
    assert result == 0
    assert error <= 1e-13 * abs(value)


def test_ridders_derivative_of_an_f_that_reuses_its_output():
    buffer = np.empty(())
    result, _ = ridders_derivative(lambda x: np.exp(x, out=buffer), 1.0)
    assert result == pytest.approx(math.e, rel=1e-7)
