import numpy as np
import pytest

from ch04_numerical_gradient.two_layer_net import TwoLayerNet as SigmoidNet
from ch05_backprop.two_layer_net import TwoLayerNet as ReluNet
from common.gradient_methods import random_directions
from common.networks import Network

NETS = pytest.mark.parametrize("net", [SigmoidNet, ReluNet], ids=["ch04", "ch05"])


class LinearLoss(Network):
    """A loss Σ slope · w, whose derivatives don't depend on where it is taken."""

    def __init__(self, slopes, dtype=np.float64):
        super().__init__(1, dtype)
        self.slopes = {key: np.array(slope, dtype) for key, slope in slopes.items()}
        self.params = {key: np.full_like(slope, 0.5) for key, slope in self.slopes.items()}

    def predict(self, x):
        return np.zeros((len(x), 1), self.dtype)

    def loss(self, x, t):
        return sum(np.sum(self.slopes[key] * param) for key, param in self.params.items())

    def gradient(self, x, t):
        return self.slopes


ONE = np.zeros((1, 1)), np.array([0])


def problem(net, seed=0, sizes=(3, 3, 2), n=5):
    rng = np.random.default_rng(seed)
    network = net(*sizes, weight_init_std=0.7, rng=rng)
    return network, rng.random((n, sizes[0])), rng.integers(0, sizes[2], n)


def flat(grads):
    return np.concatenate([g.ravel() for g in grads.values()])


def estimates(network, x, t, number, directions, seed=0):
    """Return as many independent estimates of the gradient, one a row."""
    rng = np.random.default_rng(seed)
    return np.array(
        [
            flat(random_directions(network, x, t, directions=directions, rng=rng))
            for _ in range(number)
        ]
    )


def assert_unbiased(sample, exact):
    """Within 5 standard errors, which are known: √((‖g‖² − gᵢ²) / number)."""
    standard_errors = np.sqrt((np.sum(exact**2) - exact**2) / len(sample))
    assert np.all(np.abs(sample.mean(axis=0) - exact) < 5 * standard_errors + 1e-9)


def assert_of_the_expected_error(sample, exact, directions):
    """Of (P − 1) ‖g‖² / directions, within 5 of the sample's standard errors."""
    squares = np.sum((sample - exact) ** 2, axis=1)
    expected = (exact.size - 1) * np.sum(exact**2) / directions
    tolerance = 5 * squares.std() / np.sqrt(len(squares))
    assert abs(squares.mean() - expected) < tolerance < 0.25 * expected


@NETS
def test_the_estimate_is_right_on_average(net):
    network, x, t = problem(net)
    exact = flat(network.gradient(x, t))
    sample = estimates(network, x, t, 2000, 1)
    assert_unbiased(sample, exact)
    # enough directions to tell the largest derivatives from 0, and from twice their value
    assert np.abs(sample.mean(axis=0) - exact).max() < 0.5 * np.abs(exact).max()


@NETS
@pytest.mark.parametrize("sizes", [(1, 1, 2), (2, 2, 3), (6, 4, 3)])
@pytest.mark.parametrize(("directions", "number"), [(1, 1500), (3, 700), (10, 400)])
def test_the_mean_square_of_the_error_is_p_minus_1_over_the_directions(
    net, sizes, directions, number
):
    network, x, t = problem(net, 1, sizes)
    exact = flat(network.gradient(x, t))
    assert np.abs(exact).max() > 1e-3
    assert_of_the_expected_error(
        estimates(network, x, t, number, directions, seed=directions), exact, directions
    )


@pytest.mark.parametrize("p", [2, 5, 40])
@pytest.mark.parametrize("directions", [1, 4])
def test_mean_and_error_of_a_linear_loss(p, directions):
    slopes = np.random.default_rng(p).normal(size=p)
    network = LinearLoss({"a": slopes[: p // 2], "b": slopes[p // 2 :, np.newaxis]})
    sample = estimates(network, *ONE, 6000, directions)
    assert_unbiased(sample, slopes)
    if p > 2:  # with two weights and one direction the error is always the same
        assert_of_the_expected_error(sample, slopes, directions)


def test_of_two_weights_each_gets_its_derivative_plus_or_minus_the_other():
    sample = estimates(LinearLoss({"w": [3.0, 5.0]}), *ONE, 50, 1)
    assert {tuple(row) for row in sample.round(6).tolist()} == {(8.0, 8.0), (-2.0, 2.0)}


@pytest.mark.parametrize("directions", [1, 2, 7])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_the_derivative_by_an_only_weight_is_exact(directions, shape):
    network = LinearLoss({"w": np.full(shape, -2.5)})
    for row in estimates(network, *ONE, 5, directions):
        np.testing.assert_allclose(row, [-2.5], rtol=1e-10)


@NETS
def test_each_direction_moves_all_weights_by_h_to_both_sides(net, monkeypatch):
    network, x, t = problem(net)
    before = {key: param.copy() for key, param in network.params.items()}
    objective, steps = network.objective, []

    def recorded(*batch):
        steps.append(flat({key: network.params[key] - before[key] for key in before}))
        return objective(*batch)

    monkeypatch.setattr(network, "objective", recorded)
    random_directions(network, x, t, 0.125, directions=20, rng=np.random.default_rng(0))
    steps = np.array(steps)
    np.testing.assert_allclose(np.abs(steps), 0.125, rtol=1e-12)
    np.testing.assert_allclose(steps[::2], -steps[1::2], rtol=1e-12)
    up = steps[::2] > 0
    assert up.any(axis=0).all()  # every weight went up and down,
    assert not up.all(axis=0).any()
    assert len({row.tobytes() for row in up}) == 20  # and no direction came twice


def test_the_coins_are_fair_and_thrown_for_each_weight_by_itself():
    slopes = 2.0 ** np.arange(8)
    network = LinearLoss({"a": slopes[:3], "b": slopes[3:].reshape(5, 1)})
    up = estimates(network, *ONE, 4000, 1)
    signs = np.sign(up)  # those of Δ, or all of them turned round
    together = signs.T @ signs / len(signs)
    five_errors = 5 / np.sqrt(len(signs))
    np.testing.assert_allclose(together - np.eye(8), 0, atol=five_errors)
    drawn = []

    class Recorded(LinearLoss):
        def loss(self, x, t):
            drawn.append(flat(self.params) - 0.5)
            return super().loss(x, t)

    estimates(Recorded({"w": slopes}), *ONE, 4000, 1)
    np.testing.assert_allclose(np.sign(drawn[::2]).mean(axis=0), 0, atol=five_errors)


@NETS
def test_the_estimate_is_the_mean_of_those_of_its_directions(net):
    network, x, t = problem(net)
    rng, again = np.random.default_rng(3), np.random.default_rng(3)
    together = random_directions(network, x, t, directions=6, rng=rng)
    one_by_one = [flat(random_directions(network, x, t, rng=again)) for _ in range(6)]
    np.testing.assert_allclose(flat(together), np.mean(one_by_one, axis=0), rtol=1e-12, atol=1e-14)


@NETS
def test_the_same_rng_gives_the_same_estimate_and_another_gives_another(net):
    network, x, t = problem(net)

    def estimate(seed):
        return flat(random_directions(network, x, t, directions=2, rng=np.random.default_rng(seed)))

    assert estimate(7).tobytes() == estimate(7).tobytes()
    assert estimate(7).tobytes() != estimate(8).tobytes()


@NETS
def test_a_given_rng_leaves_numpys_global_random_numbers_alone(net):
    network, x, t = problem(net)
    np.random.seed(1)
    random_directions(network, x, t, rng=np.random.default_rng(0))
    after = np.random.random()
    np.random.seed(1)
    assert np.random.random() == after


@NETS
def test_without_rng_numpys_global_random_numbers_are_used(net):
    network, x, t = problem(net)
    sample = []
    for seed in (4, 4, 5):
        np.random.seed(seed)
        sample.append(flat(random_directions(network, x, t, directions=3)).tobytes())
    assert sample[0] == sample[1] != sample[2]


def test_float32_estimates_are_float32_and_near_those_of_float64():
    network, x, t = problem(ReluNet)
    single = ReluNet(3, 3, 2, dtype=np.float32)
    for key, param in single.params.items():
        param[...] = network.params[key]
    results = [
        random_directions(n, x, t, 1e-2, directions=5, rng=np.random.default_rng(0))
        for n in (single, network)
    ]
    assert {g.dtype for g in results[0].values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(flat(results[0]), flat(results[1]), atol=1e-3)


@pytest.mark.parametrize("directions", [0, -1])
def test_directions_must_be_at_least_1(directions):
    with pytest.raises(ValueError, match=f"directions must be positive integers, got {directions}"):
        random_directions(*problem(ReluNet), directions=directions)
