"""The library, used as chapters 4 to 8 of *Deep Learning from Scratch* teach to use it."""

import importlib
import os
import sys
import textwrap
import warnings
from collections import OrderedDict
from functools import cache

import numpy as np
import pytest

from common.gradient import numerical_gradient
from common.layers import Affine, Convolution, Pooling, Relu, SoftmaxWithLoss
from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net_extend import MultiLayerNetExtend
from common.networks import SimpleConvNet
from common.optimizer import SGD, AdaGrad, Adam, Momentum, Nesterov, RMSprop
from common.support.errors import DivergenceWarning
from common.support.files import load_arrays, save_arrays
from common.trainer import Trainer
from common.util import shuffle_dataset, smooth_curve
from dataset.mnist import load_mnist


@cache
def digits(n_train=1000, n_test=200, flatten=True, one_hot_label=False):
    """Return x_train, t_train, x_test, t_test: the sample's first digits, not to be changed."""
    train, test = load_mnist(flatten=flatten, one_hot_label=one_hot_label, source="sample")
    arrays = [a[:n] for pair, n in ((train, n_train), (test, n_test)) for a in pair]
    for array in arrays:
        array.setflags(write=False)
    return arrays


# Star imports


def run(program):
    """Run a program in a namespace of its own, and return the names that it leaves behind."""
    namespace = {}
    exec(textwrap.dedent(program), namespace)
    del namespace["__builtins__"]
    return namespace


FUNCTIONS = (
    "np identity_function step_function sigmoid sigmoid_grad relu relu_grad softmax "
    "sum_squared_error cross_entropy_error softmax_loss "
)
LAYERS = FUNCTIONS + (
    "im2col col2im Relu Sigmoid Affine SoftmaxWithLoss Dropout BatchNormalization Convolution "
    "Pooling "
)
NETWORKS = LAYERS + "sys os OrderedDict numerical_gradient "
OPTIMIZERS = "np SGD Momentum Nesterov AdaGrad RMSprop Adam "
BOOKS_NAMES = {
    "functions": FUNCTIONS,
    "gradient": "np numerical_gradient numerical_gradient_2d",
    "layers": LAYERS,
    "multi_layer_net": NETWORKS + "MultiLayerNet",
    "multi_layer_net_extend": NETWORKS + "MultiLayerNetExtend",
    "optimizer": OPTIMIZERS,
    "trainer": OPTIMIZERS + "sys os Trainer",
    "util": "np smooth_curve shuffle_dataset conv_output_size im2col col2im",
}


@pytest.mark.parametrize("name", BOOKS_NAMES)
def test_a_star_import_binds_what_that_of_the_books_module_binds(name):
    module = importlib.import_module(f"common.{name}")
    names = run(f"from common.{name} import *")
    assert set(BOOKS_NAMES[name].split()) <= set(names) == set(module.__all__)
    assert len(module.__all__) == len(names)
    for key, module in (("np", np), ("os", os), ("sys", sys), ("OrderedDict", OrderedDict)):
        assert names.get(key, module) is module


def test_star_imports_of_several_modules_do_not_hide_each_other():
    names = run(
        """
        from common.functions import *
        from common.layers import *
        from common.optimizer import *
        from common.gradient import *
        from common.util import *

        np.random.seed(0)
        x, t = np.random.rand(6, 4), np.array([0, 1, 2, 0, 1, 2])
        params = {"W": 0.1 * np.random.randn(4, 3), "b": np.zeros(3)}
        affine, last = Affine(params["W"], params["b"]), SoftmaxWithLoss()

        def loss(_):
            return last.forward(affine.forward(x), t)

        before = loss(None)
        expected = cross_entropy_error(softmax(x @ params["W"] + params["b"]), t)
        optimizer = Momentum(lr=0.5)
        for _ in range(20):
            numerical = {key: numerical_gradient(loss, params[key]) for key in params}
            loss(None)
            affine.backward(last.backward())
            largest = max(
                np.abs(affine.dW - numerical["W"]).max(), np.abs(affine.db - numerical["b"]).max()
            )
            optimizer.update(params, {"W": affine.dW, "b": affine.db})
        after = loss(None)
        """
    )
    assert names["before"] == pytest.approx(names["expected"], rel=1e-12)
    assert names["largest"] < 1e-8
    assert names["after"] < 0.8 * names["before"]


# Optimizers, chapter 6


BOOKS_OPTIMIZERS = {
    "SGD": lambda: SGD(lr=0.95),
    "Momentum": lambda: Momentum(lr=0.1),
    "Nesterov": lambda: Nesterov(lr=0.1),
    "AdaGrad": lambda: AdaGrad(lr=1.5),
    "RMSprop": lambda: RMSprop(lr=0.1),
    "Adam": lambda: Adam(lr=0.3),
}


def height(x, y):
    return x**2 / 20 + y**2


def slope(x, y):
    return x / 10, 2 * y


@pytest.mark.parametrize("name", BOOKS_OPTIMIZERS)
@pytest.mark.parametrize("container", [dict, OrderedDict])
def test_optimizers_walk_down_a_valley_of_plain_numbers(name, container):
    """The gradients stand in one dict that is filled anew at each step."""
    params = container(x=-7.0, y=2.0)
    grads = container(x=0, y=0)
    instance, path = BOOKS_OPTIMIZERS[name](), []
    for _ in range(30):
        path.append((params["x"], params["y"]))
        grads["x"], grads["y"] = slope(*path[-1])
        instance.update(params, grads)
    assert path[0] == (-7.0, 2.0)
    assert len(set(path)) == 30  # each a number of its own, not 30 views of the last one
    assert all(type(coordinate) is float for point in path for coordinate in point)
    assert height(*path[-1]) < 0.5 * height(*path[0])


def test_plain_sgd_zigzags_across_the_valley_where_momentum_does_not():
    signs = {}
    for name in ("SGD", "AdaGrad"):
        params, instance, ys = {"x": -7.0, "y": 2.0}, BOOKS_OPTIMIZERS[name](), []
        for _ in range(20):
            ys.append(params["y"])
            instance.update(params, dict(zip("xy", slope(**params), strict=True)))
        signs[name] = np.count_nonzero(np.diff(np.sign(ys)))
    assert signs["SGD"] == 19
    assert signs["AdaGrad"] <= 3


def test_optimizers_side_by_side_on_digits():
    x, t, _, _ = digits()
    np.random.seed(0)
    optimizers = {"SGD": SGD(), "Momentum": Momentum(), "AdaGrad": AdaGrad(), "Adam": Adam()}
    networks = {name: MultiLayerNet(784, [30, 30, 30], 10) for name in optimizers}
    losses = {name: [] for name in optimizers}
    for _ in range(80):
        mask = np.random.choice(len(x), 64)
        for name, instance in optimizers.items():
            network = networks[name]
            instance.update(network.params, network.gradient(x[mask], t[mask]))
            losses[name].append(network.loss(x[mask], t[mask]))
    for name, curve in losses.items():
        smooth = smooth_curve(curve)
        assert smooth.shape == (80,)
        assert smooth[-1] < (0.95 if name == "SGD" else 0.6) * smooth[0], name
        assert np.std(np.diff(smooth)) < np.std(np.diff(curve))
    assert smooth_curve(np.array(losses["SGD"])).tolist() == smooth_curve(losses["SGD"]).tolist()
    assert np.mean(losses["SGD"][-10:]) > max(
        np.mean(losses[name][-10:]) for name in ("Momentum", "AdaGrad", "Adam")
    )


@pytest.mark.parametrize("std", [0.01, "sigmoid", "relu"])
def test_initial_values_side_by_side(std):
    x, t, _, _ = digits()
    np.random.seed(0)
    network = MultiLayerNet(
        input_size=784, hidden_size_list=[50, 50, 50, 50], output_size=10, weight_init_std=std
    )
    losses, instance = [], SGD(lr=0.1)
    for _ in range(60):
        mask = np.random.choice(len(x), 64)
        grads = network.gradient(x[mask], t[mask])
        instance.update(network.params, grads)
        losses.append(network.loss(x[mask], t[mask]))
    if std == 0.01:
        assert losses[-1] > 2.2  # too small a start: nothing comes through
    else:
        assert losses[-1] < 1.8


# Regularization and batch normalization


CONFIGURATIONS = {
    "weight decay": lambda: MultiLayerNet(784, [50, 50], 10, weight_decay_lambda=0.1),
    "dropout": lambda: MultiLayerNetExtend(784, [50, 50], 10, use_dropout=True, dropout_ration=0.2),
    "batch norm": lambda: MultiLayerNetExtend(
        input_size=784,
        hidden_size_list=[50, 50],
        output_size=10,
        activation="relu",
        weight_init_std=0.05,
        use_batchnorm=True,
    ),
    "all": lambda: MultiLayerNetExtend(784, [50, 50], 10, "relu", "relu", 0.01, True, 0.2, True),
}


def by_hand(make, seed):
    x, t, _, _ = digits(n_train=300)
    np.random.seed(seed)
    network, instance = make(), SGD(lr=0.1)
    for _ in range(12):
        mask = np.random.choice(len(x), 100)
        instance.update(network.params, network.gradient(x[mask], t[mask]))
    return network


def by_trainer(make, seed):
    np.random.seed(seed)
    network = make()
    trainer = Trainer(
        network,
        *digits(n_train=300),
        epochs=4,
        mini_batch_size=100,
        optimizer="sgd",
        optimizer_param={"lr": 0.1},
        verbose=False,
    )
    trainer.train()
    assert len(trainer.train_acc_list) == len(trainer.test_acc_list) == 4
    assert len(trainer.train_loss_list) == 12
    return network


@pytest.mark.parametrize("make", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_numpys_global_seed_makes_a_run_repeatable(make):
    for train in (by_hand, by_trainer):
        one, same, other = (train(make, seed).state() for seed in (0, 0, 1))
        assert all(np.array_equal(one[key], array) for key, array in same.items())
        assert not np.array_equal(one["W1"], other["W1"])


@pytest.mark.parametrize("kind", ["weight decay", "all"])
def test_a_trainer_takes_the_steps_that_one_would_take_by_hand(kind):
    """Without shuffle it draws mini-batches as the book does, and so the same random numbers."""
    x, t, x_test, t_test = digits(n_train=300)
    make = CONFIGURATIONS[kind]
    np.random.seed(3)
    network, instance, losses, accuracies = make(), Momentum(lr=0.05), [], []
    for iteration in range(6):
        mask = np.random.choice(300, 100)
        loss, grads = network.loss_and_gradient(x[mask], t[mask])
        instance.update(network.params, grads)
        losses.append(loss)
        if iteration % 3 == 2:
            accuracies.append(network.accuracy(x_test, t_test))
    np.random.seed(3)
    trainer = Trainer(make(), x, t, x_test, t_test, 2, 100, "Momentum", {"lr": 0.05}, verbose=False)
    trainer.train()
    assert trainer.train_loss_list == losses
    assert trainer.test_acc_list == accuracies
    assert all(np.array_equal(trainer.network.params[k], p) for k, p in network.params.items())


def with_or_without(weight_init_std, use_batchnorm):
    return MultiLayerNetExtend(
        784, [100] * 5, 10, weight_init_std=weight_init_std, use_batchnorm=use_batchnorm
    )


@pytest.mark.parametrize("weight_init_std", np.logspace(0, -4, num=5))
def test_batch_normalization_bears_any_initial_values(weight_init_std):
    """1000 digits, two epochs of small steps; without it, weights that begin at 1 are too large."""
    x, t, _, _ = digits()
    np.random.seed(0)
    networks = {used: with_or_without(weight_init_std, used) for used in (True, False)}
    instance = {used: SGD(lr=0.01) for used in networks}
    # The loop goes on with the network that diverges; NumPy and the network only warn.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(20):
            mask = np.random.choice(len(x), 100)
            for used, network in networks.items():
                instance[used].update(network.params, network.gradient(x[mask], t[mask]))
        accuracy = {used: network.accuracy(x, t) for used, network in networks.items()}
    diverged = [str(w.message) for w in caught if w.category is DivergenceWarning]
    if weight_init_std == 1:
        assert "a smaller learning rate or smaller initial weights may help" in diverged[0]
        assert accuracy[False] == np.mean(t == 0)  # the first of ten scores that are all NaN
    else:
        assert not caught
    assert np.isfinite(networks[True].loss(x, t))


def test_a_network_that_diverges_ends_its_training_with_one_warning_and_a_search_goes_on():
    np.random.seed(0)
    results = {}
    for weight_init_std in (1.0, 0.1):
        network = with_or_without(weight_init_std, False)
        trainer = Trainer(network, *digits(), 2, 100, "sgd", {"lr": 0.01}, verbose=False)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            trainer.train()
        results[weight_init_std] = trainer.test_acc_list[-1]
        assert np.isnan(trainer.train_loss_list[-1]) == bool(caught) == (weight_init_std == 1)
        for warning in caught:
            assert "smaller initial weights may help" in str(warning.message)
            assert warning.filename == __file__
        assert len(caught) <= 1
    assert all(0 <= accuracy <= 1 for accuracy in results.values())


def test_a_search_for_hyper_parameters():
    x, t, _, _ = digits(500)
    found = []
    for seed in (0, 0):
        np.random.seed(seed)
        x_shuffled, t_shuffled = shuffle_dataset(x, t)
        x_val, t_val = x_shuffled[:100], t_shuffled[:100]
        x_train, t_train = x_shuffled[100:], t_shuffled[100:]
        results = {}
        for _ in range(6):
            weight_decay = 10 ** np.random.uniform(-8, -4)
            lr = 10 ** np.random.uniform(-6, -1)
            network = MultiLayerNet(784, [30, 30], 10, weight_decay_lambda=weight_decay)
            trainer = Trainer(
                network,
                x_train,
                t_train,
                x_val,
                t_val,
                epochs=5,
                mini_batch_size=50,
                optimizer="sgd",
                optimizer_param={"lr": lr},
                verbose=False,
            )
            trainer.train()
            results[lr, weight_decay] = trainer.test_acc_list
        found.append(results)
    assert found[0] == found[1]
    best = max(found[0], key=lambda setting: found[0][setting][-1])
    assert best[0] > 1e-3
    assert found[0][best][-1] > 0.3


# Convolutional networks, chapters 7 and 8


class ReadersConvNet:
    """Written by a reader: layers by name in an OrderedDict, run forward and backward by hand."""

    def __init__(self, filters=4, hidden=20):
        self.params = {
            "W1": 0.1 * np.random.randn(filters, 1, 5, 5),
            "b1": np.zeros(filters),
            "W2": 0.05 * np.random.randn(filters * 12 * 12, hidden),
            "b2": np.zeros(hidden),
            "W3": 0.1 * np.random.randn(hidden, 10),
            "b3": np.zeros(10),
        }
        p = self.params
        self.layers = OrderedDict()
        self.layers["Conv1"] = Convolution(p["W1"], p["b1"], 1, 0)
        self.layers["Relu1"] = Relu()
        self.layers["Pool1"] = Pooling(pool_h=2, pool_w=2, stride=2)
        self.layers["Affine1"] = Affine(p["W2"], p["b2"])
        self.layers["Relu2"] = Relu()
        self.layers["Affine2"] = Affine(p["W3"], p["b3"])
        self.last_layer = SoftmaxWithLoss()

    def weighted(self):
        return zip((1, 2, 3), ("Conv1", "Affine1", "Affine2"), strict=True)

    def predict(self, x):
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def loss(self, x, t):
        return self.last_layer.forward(self.predict(x), t)

    def accuracy(self, x, t, batch_size=100):
        starts = range(0, len(x), batch_size)
        right = [
            (self.predict(x[i : i + batch_size]).argmax(axis=1) == t[i : i + batch_size]).sum()
            for i in starts
        ]
        return sum(right) / len(x)

    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.last_layer.backward(1)
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)
        grads = {}
        for number, name in self.weighted():
            grads[f"W{number}"] = self.layers[name].dW
            grads[f"b{number}"] = self.layers[name].db
        return grads

    def load(self, path):
        """Put new arrays in the place of the old ones, in ``params`` and in the layers."""
        for key, array in load_arrays(path).items():
            self.params[key] = array
        self.layers["Conv1"].W = self.params["W1"]
        self.layers["Conv1"].b = self.params["b1"]
        for number, name in self.weighted():
            self.layers[name].W = self.params[f"W{number}"]
            self.layers[name].b = self.params[f"b{number}"]


def readers_trainer(network, epochs=1, **options):
    data = digits(100, 50, flatten=False)
    assert data[0].shape == (100, 1, 28, 28)
    return Trainer(
        network,
        *data,
        epochs=epochs,
        mini_batch_size=20,
        optimizer="Adam",
        optimizer_param={"lr": 0.005},
        evaluate_sample_num_per_epoch=50,
        **options,
    )


def test_a_readers_convolutional_network_is_trained(capsys):
    np.random.seed(0)
    network = ReadersConvNet()
    x, t, _, _ = digits(100, 50, flatten=False)
    before = network.loss(x, t)
    trainer = readers_trainer(network)
    trainer.train()
    assert len(trainer.train_loss_list) == 5
    assert network.loss(x, t) < before
    assert network.accuracy(x[:50], t[:50]) == trainer.train_acc_list[-1]
    out = capsys.readouterr().out.splitlines()
    assert out[-1].startswith("accuracy on all 50 test examples: ")


def test_a_readers_convolutional_network_is_saved_loaded_and_trained_further(tmp_path):
    np.random.seed(0)
    network = ReadersConvNet()
    readers_trainer(network, verbose=False).train()
    save_arrays(tmp_path / "params.npz", network.params)
    loaded = ReadersConvNet()
    loaded.load(tmp_path / "params.npz")
    x, t, _, _ = digits(100, 50, flatten=False)
    assert np.array_equal(loaded.predict(x), network.predict(x))
    before = loaded.loss(x, t)
    readers_trainer(loaded, epochs=5, verbose=False).train()
    assert loaded.loss(x, t) < 0.5 * before


def test_the_gradient_of_a_readers_convolutional_network_is_right():
    np.random.seed(0)
    network = ReadersConvNet(filters=1, hidden=3)
    network.params["b1"] += 0.1  # or blank paper would put the filters at the kink of ReLU
    x, t, _, _ = digits(100, 50, flatten=False)
    x = x[:2].astype(np.float64)
    grads = network.gradient(x, t[:2])
    grads = {key: g.copy() for key, g in grads.items()}
    for key, param in network.params.items():
        numerical = numerical_gradient(lambda _: network.loss(x, t[:2]), param)
        assert np.abs(grads[key] - numerical).mean() < 1e-7, key


def test_our_convolutional_network_agrees_with_the_readers():
    np.random.seed(0)
    theirs = ReadersConvNet()
    ours = SimpleConvNet(
        input_dim=(1, 28, 28),
        conv_param={"filter_num": 4, "filter_size": 5, "pad": 0, "stride": 1},
        hidden_size=20,
        output_size=10,
        weight_init_std=0.01,
    )
    ours.set_state(theirs.params)
    x, t, _, _ = digits(100, 50, flatten=False)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-10, atol=1e-12)
    expected = theirs.gradient(x, t)
    assert ours.gradient(x, t).keys() == expected.keys()
    for key, g in ours.gradient(x, t).items():
        np.testing.assert_allclose(g, expected[key], rtol=1e-9, atol=1e-12)
    # and a layer's parameters are those in params, whoever puts them there
    ours.params["W1"] = np.zeros_like(ours.params["W1"])
    ours.layers["Conv1"].W = ours.params["W1"]
    assert len({row.tobytes() for row in ours.predict(x)}) == 1


def test_the_gradient_check_of_a_small_convolutional_network():
    np.random.seed(0)
    network = SimpleConvNet(
        input_dim=(1, 10, 10),
        conv_param={"filter_num": 4, "filter_size": 3, "pad": 0, "stride": 1},
        hidden_size=10,
        output_size=10,
        weight_init_std=0.01,
    )
    x, t = np.random.rand(100).reshape((1, 1, 10, 10)), np.array([1]).reshape(1, 1)
    numerical, backprop = network.numerical_gradient(x, t), network.gradient(x, t)
    for key in numerical:
        assert np.abs(backprop[key] - numerical[key]).mean() < 1e-8, key
    assert network.loss(x, t) == network.loss(x, np.array([1]))


def test_a_convolutional_network_is_trained_and_its_parameters_are_saved(tmp_path):
    np.random.seed(0)
    network = SimpleConvNet(
        (1, 28, 28), {"filter_num": 4, "filter_size": 5, "pad": 0, "stride": 1}, 20, 10, 0.05
    )
    readers_trainer(network, epochs=4, verbose=False).train()
    network.save_params(tmp_path / "params.npz")
    again = SimpleConvNet(
        (1, 28, 28), {"filter_num": 4, "filter_size": 5, "pad": 0, "stride": 1}, 20, 10, 0.05
    )
    again.load_params(tmp_path / "params.npz")
    x, t, _, _ = digits(100, 50, flatten=False)
    assert again.accuracy(x, t) == network.accuracy(x, t) > 0.5
    assert again.params["W1"].shape == (4, 1, 5, 5)  # what is drawn of the filters


def test_half_precision():
    np.random.seed(0)
    network = MultiLayerNet(784, [50], 10)
    Trainer(network, *digits(), 5, 100, "adam", {"lr": 0.005}, verbose=False).train()
    _, _, x, t = digits()
    before, scores = network.accuracy(x, t), network.predict(x)
    for key, param in network.params.items():
        network.params[key][...] = param.astype(np.float16)
        assert network.params[key].dtype == np.float64
    half = x.astype(np.float16)
    assert abs(network.accuracy(half, t) - before) <= 0.01
    np.testing.assert_allclose(network.predict(half), scores, atol=0.05)
    assert not np.array_equal(network.predict(half), scores)


def test_misclassified_digits_are_found_batch_by_batch():
    np.random.seed(0)
    network = MultiLayerNetExtend(784, [50], 10, use_dropout=True, use_batchnorm=True)
    trainer = Trainer(network, *digits(), 5, 100, "adam", {"lr": 0.005}, verbose=False)
    trainer.train()
    _, _, x, t = digits()
    classified = np.concatenate(
        [network.predict(x[i : i + 64], train_flg=False).argmax(axis=1) for i in range(0, 200, 64)]
    )
    assert np.mean(classified == t) == network.accuracy(x, t) == trainer.test_acc_list[-1]
