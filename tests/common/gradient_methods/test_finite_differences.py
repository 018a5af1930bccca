import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ch04_numerical_gradient.two_layer_net import TwoLayerNet as SigmoidNet
from ch05_backprop.two_layer_net import TwoLayerNet as ReluNet
from common.gradient import best_step
from common.gradient_methods import (
    central_differences,
    forward_differences,
    structured,
    structured_differences,
)
from dataset.mnist import load_mnist

few = settings(max_examples=60, deadline=None, database=None)
NETS = pytest.mark.parametrize("net", [SigmoidNet, ReluNet], ids=["ch04", "ch05"])
KEYS = ["W1", "b1", "W2", "b2"]
INPUTS = {
    "dense": lambda rng, shape: rng.random(shape),
    "negative": lambda rng, shape: rng.normal(size=shape),
    "sparse": lambda rng, shape: rng.random(shape) * (rng.random(shape) < 0.2),
    "blank": lambda rng, shape: np.zeros(shape),
    "some blank": lambda rng, shape: (
        rng.normal(size=shape) * (rng.random((len(rng.random(shape)), 1)) < 0.5)
    ),
    "pixels": lambda rng, shape: rng.integers(0, 3, shape).astype(np.uint8),
}
LABELS = {
    "labels": lambda rng, n, classes: rng.integers(0, classes, n),
    "bytes": lambda rng, n, classes: rng.integers(0, classes, n).astype(np.uint8),
    "one-hot": lambda rng, n, classes: np.eye(classes)[rng.integers(0, classes, n)],
    "one-hot bools": lambda rng, n, classes: np.eye(classes, dtype=bool)[
        rng.integers(0, classes, n)
    ],
    "soft": lambda rng, n, classes: rng.dirichlet(np.ones(classes), n),
}


def problem(
    net, seed=0, sizes=(6, 5, 4), n=7, inputs="negative", labels="labels", biases=0.5, **options
):
    """Return a network, and a mini-batch for it that nobody may write to."""
    rng = np.random.default_rng(seed)
    network = net(*sizes, weight_init_std=0.7, rng=rng, **options)
    for key in ("b1", "b2"):
        network.params[key] += (biases * rng.normal(size=network.params[key].shape)).astype(
            network.dtype
        )
    x = INPUTS[inputs](rng, (n, sizes[0]))
    t = LABELS[labels](rng, n, sizes[2])
    x.setflags(write=False)
    t.setflags(write=False)
    return network, x, t


@st.composite
def problems(draw, net):
    sizes = draw(st.integers(1, 7)), draw(st.integers(1, 6)), draw(st.integers(1, 5))
    return problem(
        net,
        draw(st.integers(0, 2**32 - 1)),
        sizes,
        draw(st.integers(1, 9)),
        draw(st.sampled_from(list(INPUTS))),
        draw(st.sampled_from(list(LABELS))),
        biases=draw(st.sampled_from([0.0, 0.5])),
    )


def assert_close(actual, expected, tolerance):
    assert list(actual) == list(expected) == KEYS
    for key in KEYS:
        assert actual[key].shape == expected[key].shape
        np.testing.assert_allclose(actual[key], expected[key], rtol=0, atol=tolerance, err_msg=key)


def flat(grads):
    return np.concatenate([grads[key].ravel() for key in KEYS])


@NETS
@given(data=st.data(), h=st.sampled_from([1e-3, 1e-4, 1e-5]))
@few
def test_structured_and_central_differences_agree_in_every_weight(net, data, h):
    network, x, t = data.draw(problems(net))
    expected = central_differences(network, x, t, h)
    assert_close(structured_differences(network, x, t, h), expected, 1e-9)


def test_they_agree_where_units_cross_the_kink_of_the_relu_within_h():
    crossings = 0
    for seed in range(40):
        network, x, t = problem(ReluNet, seed)
        rng, params, h = np.random.default_rng(seed), network.params, 10.0 ** -(3 + seed % 3)
        for unit in range(5):  # of some example each unit is within h of its kink
            example = rng.integers(len(x))
            offset = rng.uniform(-h, h) * rng.choice([1, 0.01, 0])
            params["b1"][unit] = offset - x[example] @ params["W1"][:, unit]
        before = x @ params["W1"] + params["b1"]
        crossings += np.count_nonzero((before - h < 0) & (before + h > 0))
        central = central_differences(network, x, t, h)
        assert_close(structured_differences(network, x, t, h), central, 1e-9)
        # and the difference quotient across a kink isn't the gradient
        assert np.abs(flat(central) - flat(network.gradient(x, t))).max() > 1e-3
    assert crossings >= 200


@pytest.mark.parametrize("sign", [1, -1])
def test_they_agree_where_only_the_largest_inputs_reach_the_kink(sign):
    h = 1e-4
    for seed in range(20):
        network, _, t = problem(ReluNet, seed, n=1)
        x = sign * np.random.default_rng(seed).uniform(0, 5, (1, 6))
        before = np.random.default_rng(seed).uniform(-5 * h, 5 * h, 5)
        network.params["b1"][:] = before - x[0] @ network.params["W1"]
        central = central_differences(network, x, t, h)
        assert_close(structured_differences(network, x, t, h), central, 1e-9)


@NETS
def test_they_agree_on_units_that_are_exactly_at_0(net):
    network, x, t = problem(net, inputs="blank", biases=0.0)
    central = central_differences(network, x, t)
    assert_close(structured_differences(network, x, t), central, 1e-9)
    assert np.count_nonzero(central["b1"]) == 5
    assert not central["W1"].any()


@NETS
def test_they_agree_on_digits_in_every_weight(net):
    (x, t), _ = load_mnist(source="sample")
    x, t = x[:20], t[:20]
    network = net(784, 5, 10, weight_init_std=0.1, rng=np.random.default_rng(0))
    central = central_differences(network, x, t)
    assert_close(structured_differences(network, x, t), central, 1e-9)
    assert np.count_nonzero(central["W1"]) > 1000


@NETS
def test_central_differences_are_the_networks_numerical_gradient_bit_for_bit(net):
    network, x, t = problem(net)
    expected = network.numerical_gradient(x, t, 1e-3)
    result = central_differences(network, x, t, 1e-3)
    assert {k: g.tobytes() for k, g in result.items()} == {
        k: g.tobytes() for k, g in expected.items()
    }


@NETS
def test_structured_differences_take_images(net):
    network, x, t = problem(net)
    expected = structured_differences(network, x, t)
    assert_close(structured_differences(network, x.reshape(7, 1, 2, 3), t), expected, 1e-15)


def test_structured_differences_take_any_activation_that_works_entry_by_entry():
    class TanhNet(SigmoidNet):
        activation = staticmethod(np.tanh)

    network, x, t = problem(TanhNet)
    assert_close(structured_differences(network, x, t), central_differences(network, x, t), 1e-9)


@NETS
@pytest.mark.parametrize("inputs", ["negative", "some blank", "blank"])
@pytest.mark.parametrize("size", [1, 40])
def test_structured_differences_by_several_blocks(net, monkeypatch, inputs, size):
    network, x, t = problem(net, n=23, inputs=inputs, labels="soft")
    in_one = structured_differences(network, x, t)
    softmax, lengths = structured.softmax, []
    monkeypatch.setattr(structured, "BLOCK_SIZE", size)
    monkeypatch.setattr(structured, "softmax", lambda s: lengths.append(len(s)) or softmax(s))
    result = structured_differences(network, x, t)
    assert len(lengths) > 1
    assert sum(lengths) == 23
    if size == 1:
        assert set(lengths) == {1}
    assert_close(result, in_one, 1e-10)
    assert_close(result, central_differences(network, x, t), 1e-9)


@NETS
def test_structured_differences_of_one_example_are_what_it_adds_to_the_mean(net):
    network, x, t = problem(net)
    each = [structured_differences(network, x[n : n + 1], t[n : n + 1]) for n in range(7)]
    mean = {key: np.mean([grads[key] for grads in each], axis=0) for key in KEYS}
    assert_close(structured_differences(network, x, t), mean, 1e-10)


def gradient_at(network, x, t, key, index, step):
    """Return ∂L/∂w, by backpropagation, where that weight w has moved by `step`."""
    weights = network.params[key].reshape(-1)
    before = weights[index]
    weights[index] = before + step
    slope = network.gradient(x, t)[key].flat[index]
    weights[index] = before
    return slope


def higher_derivatives(network, x, t, delta=1e-3):
    """Return ∂²L/∂w² and ∂³L/∂w³ of every weight, from backpropagation at w ± δ."""
    second, third = [], []
    for key in KEYS:
        for index in range(network.params[key].size):
            up, here, down = (
                gradient_at(network, x, t, key, index, step) for step in (delta, 0, -delta)
            )
            second.append((up - down) / (2 * delta))
            third.append((up - 2 * here + down) / delta**2)
    return np.array(second), np.array(third)


def slopes_of_errors(method, network, x, t, steps, important):
    exact = flat(network.gradient(x, t))
    errors = np.array([flat(method(network, x, t, h)) - exact for h in steps])[:, important]
    return errors, np.diff(np.log(np.abs(errors)), axis=0) / np.diff(np.log(steps))[:, None]


@pytest.mark.parametrize("seed", range(3))
def test_forward_differences_are_off_by_half_h_times_the_second_derivative(seed):
    network, x, t = problem(SigmoidNet, seed)
    second, _ = higher_derivatives(network, x, t)
    important = np.abs(second) > 0.1 * np.abs(second).max()
    assert np.count_nonzero(important) >= 10
    steps = np.array([1e-3, 1e-4, 1e-5])
    errors, slopes = slopes_of_errors(forward_differences, network, x, t, steps, important)
    np.testing.assert_allclose(slopes, 1, atol=0.02)
    np.testing.assert_allclose(errors[1] / steps[1], second[important] / 2, rtol=0.01)


@pytest.mark.parametrize("method", [central_differences, structured_differences])
@pytest.mark.parametrize("seed", range(3))
def test_central_differences_are_off_by_a_sixth_of_h_squared_times_the_third(method, seed):
    network, x, t = problem(SigmoidNet, seed)
    _, third = higher_derivatives(network, x, t)
    important = np.abs(third) > 0.1 * np.abs(third).max()
    assert np.count_nonzero(important) >= 8
    steps = np.array([1e-2, 3e-3, 1e-3])
    errors, slopes = slopes_of_errors(method, network, x, t, steps, important)
    np.testing.assert_allclose(slopes, 2, atol=0.03)
    np.testing.assert_allclose(errors[-1] / steps[-1] ** 2, third[important] / 6, rtol=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_errors_at_the_best_steps_are_those_of_the_ladders_table(seed):
    network, x, t = problem(SigmoidNet, seed)
    exact = flat(network.gradient(x, t))

    def largest_error(method, *h):
        return np.abs(flat(method(network, x, t, *h)) - exact).max()

    assert 1e-9 < largest_error(forward_differences) < 1e-7
    for method in (central_differences, structured_differences):
        assert 1e-13 < largest_error(method, best_step(2)) < 3e-10
        assert largest_error(method) < 1e-8


def test_the_default_step_of_forward_differences_is_the_best_one_for_the_dtype():
    for dtype in (np.float32, np.float64):
        network, x, t = problem(SigmoidNet, dtype=dtype)
        by_default = flat(forward_differences(network, x, t))
        given_h = flat(forward_differences(network, x, t, best_step(1, dtype)))
        assert by_default.tobytes() == given_h.tobytes()
