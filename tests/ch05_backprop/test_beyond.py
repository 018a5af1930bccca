"""The scripts beyond chapter 5, run small, and the effects that they are there to show."""

import csv
import re

import numpy as np
import pytest

from ch05_backprop.beyond import (
    batch_normalization,
    compare_optimizers,
    optimizer_paths,
    regularization,
    train_network,
    weight_initialization,
)
from common.optimizer import SGD
from common.scripts.command_line import CommandError
from common.support.errors import DivergenceWarning
from common.trainer import Trainer

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("script", "options"),
    [
        (optimizer_paths, ["--steps", "3"]),
        (compare_optimizers, ["--epochs", "1", "--batch-size", "1000"]),
        (weight_initialization, []),
        (regularization, ["--seeds", "1", "--epochs", "1"]),
        (batch_normalization, ["--epochs", "1"]),
    ],
)
def test_a_script_prints_a_table_and_draws_a_picture(script, options, tmp_path, capsys):
    script.main([*options, "--output", str(tmp_path)])
    name = script.__name__.rpartition(".")[2]
    assert (tmp_path / f"{name}.png").read_bytes().startswith(PNG)
    out = capsys.readouterr().out
    assert f"wrote {tmp_path / name}.png" in out
    assert len(out.splitlines()) >= 5
    assert "nan" not in out.lower()


def test_gradient_descent_walks_as_its_closed_form_says():
    # Each step multiplies x by 1 − η/10 and y by 1 − 2η.
    path = optimizer_paths.walk(SGD(lr=0.95), 30)
    steps = np.arange(31)
    np.testing.assert_allclose(path[:, 0], -7 * (1 - 0.095) ** steps, rtol=1e-12)
    np.testing.assert_allclose(path[:, 1], 2 * (1 - 1.9) ** steps, rtol=1e-12)


def test_the_valley_and_its_gradient_agree():
    x, y, h = -3.0, 0.7, 1e-6
    grads = optimizer_paths.valley_gradient(x, y)
    f = optimizer_paths.valley
    assert grads["x"] == pytest.approx((f(x + h, y) - f(x - h, y)) / (2 * h), rel=1e-6)
    assert grads["y"] == pytest.approx((f(x, y + h) - f(x, y - h)) / (2 * h), rel=1e-6)


def test_every_optimizer_ends_lower_in_the_valley_than_it_began():
    for kind, param in optimizer_paths.OPTIMIZERS:
        path = optimizer_paths.walk(kind(**param), 30)
        assert optimizer_paths.valley(*path[-1]) < 0.5 * optimizer_paths.valley(*path[0])


def spread(case):
    layers = weight_initialization.activations(*case, np.random.default_rng(1))
    return [float(values.std()) for values in layers]


def test_he_keeps_the_spread_through_relus_where_xavier_and_small_weights_lose_it():
    he, xavier, small = (spread(("relu", rule)) for rule in ("he", "xavier", 0.01))
    assert 0.5 < he[-1] / he[0] < 2
    assert xavier[-1] / xavier[0] < 0.6  # (1/√2)⁴ is 0.25, the mean of ReLU's output adds some
    assert small[-1] / small[0] < 1e-3


def test_too_large_weights_saturate_sigmoids_and_too_small_ones_make_them_all_alike():
    layers = weight_initialization.activations("sigmoid", 1.0, np.random.default_rng(1))
    assert np.mean((layers[-1] < 0.05) | (layers[-1] > 0.95)) > 0.6
    layers = weight_initialization.activations("sigmoid", 0.01, np.random.default_rng(1))
    assert np.mean(np.abs(layers[-1] - 0.5) < 0.05) > 0.99
    layers = weight_initialization.activations("sigmoid", "xavier", np.random.default_rng(1))
    assert np.mean(np.abs(layers[-1] - 0.5) < 0.05) < 0.5


def measured(name, seeds):
    options, training = regularization.EXPERIMENTS[name]
    return np.array(
        [
            [
                regularization.measure(regularization.train(chosen, training, seed))
                for seed in range(seeds)
            ]
            for chosen in ({}, options)
        ]
    ).transpose(0, 2, 1)


def test_weight_decay_keeps_weights_small_and_a_network_from_learning_by_heart():
    (train, test, loss, square), (train_wd, test_wd, loss_wd, square_wd) = measured(
        "weight decay", seeds=3
    )
    assert train.min() > 0.99  # without it, 300 digits are learned by heart
    assert (square_wd < 0.7 * square).all()
    assert (loss_wd < 0.9 * loss).all()
    assert (train_wd - test_wd).mean() < (train - test).mean()


def test_dropout_makes_a_network_read_more_new_digits():
    (train, test, *_), (train_dropout, test_dropout, *_) = measured("dropout", seeds=5)
    assert train.min() > 0.99
    assert test_dropout.mean() > test.mean()
    assert (train_dropout - test_dropout).mean() < (train - test).mean()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("std", [0.3, 0.03, 0.01])
def test_batch_normalization_learns_from_initial_weights_that_nothing_else_learns_from(std, seed):
    without = batch_normalization.train(False, std, seed, epochs=20).train_acc_list
    assert not without or without[-1] < 0.5
    assert batch_normalization.train(True, std, seed, epochs=20).train_acc_list[-1] > 0.8


SMALL = ["--data", "sample", "--epochs", "1", "--batch-size", "1000", "--evaluate", "200"]


@pytest.mark.parametrize("network", train_network.NETWORKS)
def test_a_network_is_trained_and_looked_at(network, tmp_path, capsys):
    train_network.main([network, *SMALL, "--output", str(tmp_path)])
    out = capsys.readouterr().out
    assert float(re.search(r"test accuracy (0\.\d+) after \d+ s", out)[1]) > 0.05
    names = {path.name for path in (tmp_path / network).iterdir()}
    pictures = {"learning_curve.png", "weights.png", "misread.png"}
    assert names == pictures | {"checkpoint.npz", "params.npz", "history.csv"}
    with (tmp_path / network / "history.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["epoch"] == "1"
    assert row["iteration"] == "4"


def test_a_second_run_says_that_it_replaces_the_first(tmp_path, capsys):
    arguments = ["multi-layer", *SMALL, "--output", str(tmp_path)]
    train_network.main(arguments)
    capsys.readouterr()
    train_network.main(arguments)
    assert "holds an earlier run, which this one will replace" in capsys.readouterr().out


def test_an_interrupted_run_keeps_what_it_did_and_goes_on(tmp_path, capsys, monkeypatch):
    arguments = ["multi-layer", *SMALL, "--epochs", "2", "--output"]
    train_network.main([*arguments, str(tmp_path / "whole")])

    step = Trainer._update

    def interrupted(self):
        if self.iteration == 6:
            raise KeyboardInterrupt
        step(self)

    monkeypatch.setattr("common.training.loop.SNAPSHOT_FRACTION", np.inf)
    monkeypatch.setattr(Trainer, "_update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_network.main([*arguments, str(tmp_path / "parts")])
    out = capsys.readouterr().out
    assert "stopped after iteration 6; --resume goes on from there" in out
    assert (tmp_path / "parts" / "multi-layer" / "history.csv").exists()

    monkeypatch.setattr(Trainer, "_update", step)
    train_network.main([*arguments, str(tmp_path / "parts"), "--resume"])
    assert "resuming after iteration 6" in capsys.readouterr().out
    params = [tmp_path / name / "multi-layer" / "params.npz" for name in ("whole", "parts")]
    with np.load(params[0]) as whole, np.load(params[1]) as parts:
        for key in whole:
            np.testing.assert_array_equal(whole[key], parts[key])


def test_a_training_that_diverges_is_an_error_and_keeps_its_history(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("common.training.loop.SNAPSHOT_FRACTION", np.inf)
    options = ["multi-layer", *SMALL, "--epochs", "3", "--output", str(tmp_path)]
    with pytest.raises(DivergenceWarning, match="training stopped in iteration"):
        train_network.main([*options, "--learning-rate", "1e15"])
    assert re.search(r"diverged in iteration \d", capsys.readouterr().out)
    with np.load(tmp_path / "multi-layer" / "params.npz") as params:
        assert all(np.isfinite(array).all() for array in params.values())


def test_there_must_be_a_run_to_resume(tmp_path):
    with pytest.raises(CommandError, match="there is no run to resume"):
        train_network.main(["simple", *SMALL, "--output", str(tmp_path), "--resume"])


def test_another_run_cannot_be_resumed(tmp_path):
    arguments = ["multi-layer", *SMALL, "--output", str(tmp_path)]
    train_network.main(arguments)
    with pytest.raises(CommandError, match=r"mini_batch_size is 1000, not 500"):
        train_network.main([*arguments, "--batch-size", "500", "--resume"])
