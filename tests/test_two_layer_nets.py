"""What the networks of both chapters promise alike."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from ch04_numerical_gradient.two_layer_net import TwoLayerNet as SigmoidNet
from ch05_backprop.symbolic_two_layer_net import TwoLayerNet as SymbolicNet
from ch05_backprop.symbolic_two_layer_net import derived
from ch05_backprop.two_layer_net import TwoLayerNet as ReluNet
from common import layers
from common.functions import relu, sigmoid, softmax
from common.gradient import best_step
from common.support.errors import NonFiniteError

pytestmark = pytest.mark.parametrize(
    "net", [SigmoidNet, ReluNet, SymbolicNet], ids=["ch04", "ch05", "symbolic"]
)

INPUTS, HIDDEN, CLASSES = 12, 6, 4
KEYS = ["W1", "b1", "W2", "b2"]


def new_network(net, seed=0, std=0.5, **options):
    rng = np.random.default_rng(seed)
    network = net(INPUTS, HIDDEN, CLASSES, weight_init_std=std, rng=rng, **options)
    for key in ("b1", "b2"):
        network.params[key] += rng.normal(size=network.params[key].shape)
    return network


def mini_batch(n=7, seed=1):
    """Return images and labels that nobody may write to."""
    rng = np.random.default_rng(seed)
    x, t = rng.random((n, INPUTS)), rng.integers(0, CLASSES, n)
    x.setflags(write=False)
    t.setflags(write=False)
    return x, t


def formula_loss(net, params, x, t):
    """The same network once more, as a formula that autograd can differentiate."""
    u = anp.dot(x, params["W1"]) + params["b1"]
    z = 1 / (1 + anp.exp(-u)) if net is SigmoidNet else anp.where(u > 0, u, 0.0)
    scores = anp.dot(z, params["W2"]) + params["b2"]
    log_sum = anp.log(anp.sum(anp.exp(scores), axis=1))
    return anp.mean(log_sum - scores[np.arange(len(t)), t])


def assert_gradients_close(actual, expected, tolerance):
    assert list(actual) == list(expected) == KEYS
    for key in KEYS:
        scale = np.abs(expected[key]).max()
        np.testing.assert_allclose(
            actual[key], expected[key], rtol=0, atol=tolerance * scale, err_msg=key
        )


def as_bytes(network):
    return {key: param.tobytes() for key, param in network.params.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_dtypes(net, dtype):
    network = net(INPUTS, HIDDEN, CLASSES, dtype=dtype)
    x, t = mini_batch()
    shapes = {"W1": (12, 6), "b1": (6,), "W2": (6, 4), "b2": (4,)}
    for arrays in (network.params, network.gradient(x, t), network.numerical_gradient(x, t)):
        assert {key: array.shape for key, array in arrays.items()} == shapes
        assert {array.dtype for array in arrays.values()} == {np.dtype(dtype)}
    assert network.predict(x).shape == (7, CLASSES)
    assert network.predict(x).dtype == dtype
    assert np.ndim(network.loss(x, t)) == 0


@pytest.mark.parametrize(
    "dtype",
    [np.uint8, np.float32, np.int64, np.float64],
)
def test_gradients_of_a_float32_network_are_float32_with_one_hot_labels(net, dtype):
    x, t = mini_batch()
    grads = new_network(net, dtype=np.float32).gradient(x, np.eye(4, dtype=dtype)[t])
    assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}


def test_loss_and_gradient_agree_with_autograd(net):
    for seed in range(5):
        network, (x, t) = new_network(net, seed), mini_batch(seed=seed + 100)
        expected = formula_loss(net, network.params, x, t)
        assert network.loss(x, t) == pytest.approx(float(expected), rel=1e-12)
        reference = grad(lambda params, x=x, t=t: formula_loss(net, params, x, t))(network.params)
        assert_gradients_close(network.gradient(x, t), reference, 1e-10)


def test_gradient_agrees_with_the_numerical_gradient(net):
    network, (x, t) = new_network(net), mini_batch()
    u = x @ network.params["W1"] + network.params["b1"]
    assert np.abs(u).min() > 1e-3  # or steps of 1e-4 would cross ReLU's kink
    assert_gradients_close(network.gradient(x, t), network.numerical_gradient(x, t), 3e-8)


def test_numerical_gradient_uses_the_step_it_is_given(net):
    network, (x, t) = new_network(net), mini_batch()
    for h in (0.5, 2.0**-10):
        losses = []
        for sign in (1, -1):
            moved = new_network(net)
            moved.params["b2"][1] += sign * h
            losses.append(moved.loss(x, t))
        expected = (losses[0] - losses[1]) / (2 * h)
        assert network.numerical_gradient(x, t, h)["b2"][1] == pytest.approx(expected, rel=1e-12)


def test_float32_agrees_with_float64(net):
    x, t = mini_batch()
    single, double = new_network(net, dtype=np.float32), new_network(net)
    single.set_state({key: p.astype(np.float32) for key, p in double.params.items()})
    np.testing.assert_allclose(single.predict(x), double.predict(x), rtol=1e-5, atol=1e-6)
    assert float(single.loss(x, t)) == pytest.approx(float(double.loss(x, t)), rel=1e-6)
    assert_gradients_close(single.gradient(x, t), double.gradient(x, t), 1e-5)
    h = best_step(2, np.float32)
    assert_gradients_close(single.numerical_gradient(x, t, h), double.gradient(x, t), 2e-2)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_one_hot_rows_and_labels_are_the_same(net, dtype):
    network, (x, t) = new_network(net), mini_batch()
    one_hot = np.eye(CLASSES, dtype=dtype)[t]
    assert network.loss(x, one_hot) == pytest.approx(float(network.loss(x, t)), rel=1e-14)
    assert network.accuracy(x, one_hot) == network.accuracy(x, t)
    assert_gradients_close(network.gradient(x, one_hot), network.gradient(x, t), 1e-14)
    assert_gradients_close(
        network.numerical_gradient(x, one_hot), network.numerical_gradient(x, t), 1e-9
    )


@pytest.mark.parametrize("shape", [(1, 3, 4), (3, 4), (3, 2, 2)])
def test_images_are_flattened(net, shape):
    network, (x, t) = new_network(net), mini_batch()
    images = x.reshape(-1, *shape)
    assert np.array_equal(network.predict(images), network.predict(x))
    assert network.loss(images, t) == network.loss(x, t)
    assert network.accuracy(images, t) == network.accuracy(x, t)
    for method in ("gradient", "numerical_gradient"):
        assert_gradients_close(
            getattr(network, method)(images, t), getattr(network, method)(x, t), 0
        )


def test_lists_are_accepted(net):
    network, (x, t) = new_network(net), mini_batch()
    assert network.loss(x.tolist(), t.tolist()) == network.loss(x, t)
    assert network.accuracy(x.tolist(), t.tolist()) == network.accuracy(x, t)
    assert_gradients_close(network.gradient(x.tolist(), t.tolist()), network.gradient(x, t), 0)


@pytest.mark.parametrize("key", KEYS)
def test_a_replaced_parameter_is_used_everywhere(net, key):
    x, t = mini_batch()
    changed, replaced = new_network(net), new_network(net)
    replaced.gradient(x, t)
    changed.params[key] *= -0.5
    replaced.params[key] = replaced.params[key] * -0.5
    assert np.array_equal(replaced.predict(x), changed.predict(x))
    assert not np.array_equal(replaced.predict(x), new_network(net).predict(x))
    for method in ("gradient", "numerical_gradient"):
        assert_gradients_close(getattr(replaced, method)(x, t), getattr(changed, method)(x, t), 0)


def test_a_gradient_is_not_overwritten_by_the_next(net):
    network = new_network(net)
    first = network.gradient(*mini_batch())
    kept = {key: g.copy() for key, g in first.items()}
    network.gradient(*mini_batch(seed=5))
    assert all(np.array_equal(first[key], kept[key]) for key in KEYS)


def test_gradient_does_not_depend_on_what_was_computed_before(net):
    network, (x, t) = new_network(net), mini_batch()
    expected = new_network(net).gradient(x, t)
    network.predict(mini_batch(3, seed=9)[0])
    network.accuracy(*mini_batch(9, seed=8))
    assert_gradients_close(network.gradient(x, t), expected, 0)


def test_predictions_are_probabilities_or_scores_of_the_same_classes(net):
    network, (x, t) = new_network(net), mini_batch()
    y = network.predict(x)
    if net is not SigmoidNet:
        y = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-14)
    assert network.loss(x, t) == pytest.approx(-np.log(y[np.arange(7), t]).mean(), rel=1e-13)


def test_accuracy_counts_the_largest_predictions(net):
    network, (x, t) = new_network(net), mini_batch(50)
    expected = np.mean(network.predict(x).argmax(axis=1) == t)
    for batch_size in (1, 7, 50, 1000):
        assert network.accuracy(x, t, batch_size) == pytest.approx(expected, abs=1e-15)


def test_initial_weights_can_be_repeated(net):
    def weights(rng=None, **options):
        return net(INPUTS, HIDDEN, CLASSES, rng=rng, **options).params

    np.random.seed(0)
    first = weights()
    second = weights()
    np.random.seed(0)
    again = weights()
    for key in ("W1", "W2"):
        assert np.array_equal(again[key], first[key])
        assert not np.array_equal(second[key], first[key])
        assert np.array_equal(
            weights(np.random.default_rng(3))[key], weights(np.random.default_rng(3))[key]
        )
        assert np.array_equal(
            weights(np.random.default_rng(3), dtype=np.float32)[key],
            weights(np.random.default_rng(3))[key].astype(np.float32),
        )


def test_weights_from_rng_leave_the_global_state_alone(net):
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    net(INPUTS, HIDDEN, CLASSES, rng=np.random.default_rng(0))
    assert np.random.random() == expected


def test_initial_weights_have_the_standard_deviation_of_the_book(net):
    params = net(784, 50, 10, rng=np.random.default_rng(0)).params
    assert params["W1"].std() == pytest.approx(0.01, rel=0.02)
    assert not params["b1"].any()
    assert not params["b2"].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("one_hot", [False, True])
def test_loss_and_gradient_are_exactly_the_loss_and_the_gradient(net, dtype, one_hot):
    network, (x, t) = new_network(net, dtype=dtype), mini_batch()
    t = np.eye(CLASSES, dtype=dtype)[t] if one_hot else t
    expected = network.loss(x, t), network.gradient(x, t)
    loss, grads = network.loss_and_gradient(x, t)
    assert np.ndim(loss) == 0
    # The symbolic network's loss alone comes from its layers, so its last digits may differ.
    digits = 4 * float(np.finfo(dtype).eps) if net is SymbolicNet else 0
    assert loss == pytest.approx(expected[0], rel=digits, abs=0)
    assert list(grads) == KEYS
    for key, gradient in grads.items():
        assert gradient.dtype == dtype
        np.testing.assert_array_equal(gradient, expected[1][key], err_msg=key)


def test_the_loss_with_the_gradient_is_the_loss_for_one_hot_labels_of_another_dtype(net):
    network, (x, t) = new_network(net, dtype=np.float32), mini_batch()
    one_hot = np.eye(CLASSES, dtype=np.float64)[t]
    loss = network.loss_and_gradient(x, one_hot)[0]
    assert loss == pytest.approx(network.loss(x, one_hot), rel=1e-6)


def test_loss_and_gradient_go_forward_and_backward_once(net, monkeypatch):
    if net is SymbolicNet:
        source = derived().source
        assert source.count(" @ ") == 5  # two forward, three backward
        return
    passes = []

    def count(layer, method):
        original = getattr(layer, method)

        def counting(self, *args):
            passes.append((layer.__name__, method))
            return original(self, *args)

        monkeypatch.setattr(layer, method, counting)

    for layer in (layers.Affine, layers.SoftmaxWithLoss):
        count(layer, "forward")
        count(layer, "backward")
    new_network(net).loss_and_gradient(*mini_batch())
    assert passes == [
        ("Affine", "forward"),
        ("Affine", "forward"),
        ("SoftmaxWithLoss", "forward"),
        ("SoftmaxWithLoss", "backward"),
        ("Affine", "backward"),
        ("Affine", "backward"),
    ]


def test_the_activation_is_the_function_that_the_network_uses(net):
    network, (x, _) = new_network(net), mini_batch()
    params = network.params
    z = network.activation(x @ params["W1"] + params["b1"])
    scores = z @ params["W2"] + params["b2"]
    y = softmax(scores) if net is SigmoidNet else scores
    np.testing.assert_array_equal(network.predict(x), y)
    assert net.activation is (sigmoid if net is SigmoidNet else relu)


def test_the_activation_goes_entry_by_entry_and_leaves_its_argument(net):
    before = np.random.default_rng(0).normal(size=(3, 4))
    kept = before.copy()
    activation = new_network(net).activation
    np.testing.assert_array_equal(activation(before)[1], activation(before[1]))
    np.testing.assert_array_equal(before, kept)


def test_no_input_gradient_is_computed_for_the_first_layer(net, monkeypatch):
    if net is SymbolicNet:
        assert "W1.T" not in derived().source
        return
    original, returned = layers.Affine.backward, []

    def backward(self, dout):
        returned.append(original(self, dout))
        return returned[-1]

    monkeypatch.setattr(layers.Affine, "backward", backward)
    new_network(net).gradient(*mini_batch())
    assert [None if dx is None else dx.shape for dx in returned] == [(7, HIDDEN), None]


def test_parameters_survive_a_file(net, tmp_path):
    saved, loaded = new_network(net, 0), new_network(net, 1)
    saved.save_params(tmp_path / "params.npz")
    loaded.load_params(tmp_path / "params.npz")
    x, t = mini_batch()
    assert as_bytes(loaded) == as_bytes(saved)
    assert np.array_equal(loaded.predict(x), saved.predict(x))
    assert_gradients_close(loaded.gradient(x, t), saved.gradient(x, t), 0)


def test_parameters_of_a_wider_network_are_refused(net, tmp_path):
    net(INPUTS, HIDDEN + 1, CLASSES).save_params(tmp_path / "params.npz")
    network = new_network(net)
    before = as_bytes(network)
    with pytest.raises(ValueError, match=r"W1 in .*shape \(12, 7\).*shape \(12, 6\)"):
        network.load_params(tmp_path / "params.npz")
    assert as_bytes(network) == before


def call(network, method, x, t):
    return network.predict(x) if method == "predict" else getattr(network, method)(x, t)


WITH_LABELS = pytest.mark.parametrize(
    "method", ["loss", "gradient", "loss_and_gradient", "numerical_gradient", "accuracy"]
)
EVERY = pytest.mark.parametrize(
    "method",
    ["predict", "loss", "gradient", "loss_and_gradient", "numerical_gradient", "accuracy"],
)


@EVERY
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((7, 11)), ValueError, r"x must be .*\(N, 12\), got \(7, 11\)"),
        (np.zeros((7, 1, 3, 3)), ValueError, r"x must be .*\(N, 12\), got \(7, 1, 3, 3\)"),
        (np.zeros(7), ValueError, r"x must be .*\(N, 12\), got \(7,\)"),
        (np.zeros((7, 12), complex), TypeError, "x must hold real numbers, got complex128"),
    ],
)
def test_bad_inputs_are_refused(net, method, x, error, message):
    with pytest.raises(error, match=message):
        call(new_network(net), method, x, mini_batch()[1])


@EVERY
def test_an_empty_batch_is_refused(net, method):
    with pytest.raises(ValueError, match="the batch is empty"):
        call(new_network(net), method, np.zeros((0, INPUTS)), np.zeros(0, int))


@WITH_LABELS
@pytest.mark.parametrize(
    ("t", "error", "message"),
    [
        ([0, 1, 2, 3, 4, 0, 0], ValueError, "labels t must lie between 0 and 3, got 4"),
        ([0, 1, 2, 3, -1, 0, 0], ValueError, "labels t must lie between 0 and 3, got -1"),
        ([0.0] * 7, TypeError, "labels t must be integers, got float64"),
        ([0] * 6, ValueError, r"\b7\b.* 6$"),
        ([0] * 8, ValueError, r"\b7\b.* 8$"),
        (np.eye(7), ValueError, r"\(7, 4\), got \(7, 7\)"),
        (np.zeros((7, 4)), ValueError, "sum to 1"),
    ],
)
def test_bad_labels_are_refused(net, method, t, error, message):
    network = new_network(net)
    before = as_bytes(network)
    with pytest.raises(error, match=message):
        call(network, method, mini_batch()[0], np.array(t))
    assert as_bytes(network) == before


@WITH_LABELS
def test_nan_in_x_is_named(net, method):
    x, t = mini_batch()
    x = x.copy()
    x[2, 5] = x[6, 0] = np.nan
    with pytest.raises(NonFiniteError, match=r"x holds 2 NaN .* at index \(2, 5\)"):
        call(new_network(net), method, x, t)


@WITH_LABELS
@pytest.mark.parametrize("key", KEYS)
def test_nan_in_a_parameter_is_named(net, method, key):
    network = new_network(net)
    network.params[key].flat[-1] = np.nan
    before = as_bytes(network)
    with pytest.raises(NonFiniteError, match=f": {key} holds NaN"):
        call(network, method, *mini_batch())
    assert as_bytes(network) == before


@WITH_LABELS
def test_nan_in_one_hot_labels_is_refused(net, method):
    x, t = mini_batch()
    one_hot = np.eye(CLASSES)[t]
    one_hot[3] = np.nan
    with pytest.raises(ValueError, match="one-hot t"):
        call(new_network(net), method, x, one_hot)


def test_a_sure_and_right_network_has_loss_0_with_labels_of_either_kind(net):
    network, (x, _) = new_network(net), mini_batch()
    network.params["b2"][:] = [-2000, 0, -2000, -2000]
    t = np.ones(len(x), int)
    assert network.loss(x, t) == 0
    assert network.loss(x, np.eye(CLASSES)[t]) == 0


def test_numerical_gradient_leaves_parameters_bit_for_bit(net):
    network, (x, t) = new_network(net), mini_batch()
    network.params["W1"][0, :4] = [-0.0, 5e-324, -1e-310, 1 / 3]
    before, arrays = as_bytes(network), dict(network.params)
    network.numerical_gradient(x, t)
    assert as_bytes(network) == before
    assert all(network.params[key] is array for key, array in arrays.items())


@pytest.mark.parametrize("error", [KeyboardInterrupt, ArithmeticError])
@pytest.mark.parametrize("calls_before", [0, 1, 50, 180, 211])
def test_numerical_gradient_restores_parameters_when_interrupted(net, error, calls_before):
    network, (x, t) = new_network(net), mini_batch()
    before, loss, calls = as_bytes(network), network.loss, []

    def interrupted(x, t):
        calls.append(1)
        if len(calls) > calls_before:
            raise error
        return loss(x, t)

    network.loss = interrupted
    with pytest.raises(error):
        network.numerical_gradient(x, t)
    assert len(calls) == calls_before + 1
    assert as_bytes(network) == before


def test_numerical_gradient_costs_two_losses_for_each_parameter(net):
    network, (x, t) = new_network(net), mini_batch()
    loss, calls = network.loss, []
    network.loss = lambda x, t: calls.append(1) or loss(x, t)
    network.numerical_gradient(x, t)
    assert len(calls) == 2 * (12 * 6 + 6 + 6 * 4 + 4)


def test_progress_bar_may_be_asked_for_where_there_is_no_terminal(net, capsys):
    new_network(net).numerical_gradient(*mini_batch(), progress=True)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize("sizes", [(0, 3, 2), (4, -3, 2), (4, 3.0, 2), (4, 3, None)])
def test_sizes_that_are_no_positive_integers_are_refused(net, sizes):
    with pytest.raises(ValueError, match="layer sizes must be positive integers"):
        net(*sizes)


def test_a_dtype_that_is_no_float_is_refused(net):
    with pytest.raises(TypeError, match="floating-point type, got int64"):
        net(4, 3, 2, dtype=np.int64)
