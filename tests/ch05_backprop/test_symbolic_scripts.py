"""The scripts on the symbolic graph: what they print, and that what they teach is so."""

import inspect
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest

from ch05_backprop import (
    graph_by_hand,
    symbolic_drawing,
    symbolic_mlp,
    symbolic_tutorial,
    symbolic_two_layer_net,
)
from ch05_backprop import symbolic_logistic_regression as logistic
from common.functions import softmax
from common.support.files import load_arrays
from common.symbolic import Function
from common.training import loop
from tests.helpers import as_bytes

FILES = {"checkpoint.npz", "history.csv", "learning_curve.png", "params.npz"}
SMALL = ["--data", "sample", "--epochs", "2", "--batch-size", "500"]


def test_the_tutorial_prints_what_its_docstring_says(capsys):
    symbolic_tutorial.main([])
    _, _, promised = inspect.getdoc(symbolic_tutorial).partition("The script prints\n\n")
    printed = capsys.readouterr().out.rstrip("\n").splitlines()
    assert printed == inspect.cleandoc(promised).splitlines()
    assert len(printed) > 15


def test_the_two_layer_network_prints_a_program_that_agrees_with_the_layers(capsys):
    symbolic_two_layer_net.main([])
    out = capsys.readouterr().out
    assert "dW2 = hidden.T @ dscores                  # ∂loss/∂W2" in out
    difference = float(re.search(r"layers' gradient: (\S+)\.\n", out)[1])
    assert difference < 1e-16


def test_the_program_is_derived_once_and_takes_the_parameters_as_they_are():
    network = symbolic_two_layer_net.TwoLayerNet(6, 3, 4)
    x, t = np.ones((5, 6)), np.zeros(5, int)
    before = network.gradient(x, t)["b2"].copy()
    programs = symbolic_two_layer_net.derived.cache_info().misses
    network.params = {key: param + 1.0 for key, param in network.params.items()}
    assert not np.allclose(network.gradient(x, t)["b2"], before)
    assert symbolic_two_layer_net.derived.cache_info().misses == programs


@pytest.fixture
def digits():
    rng = np.random.default_rng(0)
    return rng.random((30, 12)), rng.integers(0, 10, 30)


def test_a_step_of_logistic_regression_is_that_of_the_formula(digits):
    x, t = digits
    model = logistic.LogisticRegression(x, t, learning_rate=0.3, weight_decay=0.1)
    W, b = np.random.default_rng(1).normal(size=(12, 10)), np.linspace(-1, 1, 10)
    model.W.set_value(W)
    model.b.set_value(b)
    rows = np.array([3, 29, 7, 7])

    loss = model.step(rows)
    p = softmax(x[rows] @ W + b)
    assert loss == pytest.approx(-np.log(p[np.arange(4), t[rows]]).mean(), rel=1e-13)
    d = (p - np.eye(10)[t[rows]]) / 4
    dW = x[rows].T @ d + 0.1 * W
    np.testing.assert_allclose(model.W.get_value(), W - 0.3 * dW, rtol=1e-12)
    np.testing.assert_allclose(model.b.get_value(), b - 0.3 * d.sum(axis=0), rtol=1e-12)


def test_training_leaves_the_digits_alone(digits):
    x, t = digits
    kept = x.copy()
    model = logistic.LogisticRegression(x, t, learning_rate=0.3)
    model.step(np.arange(30))
    np.testing.assert_array_equal(x, kept)


def test_accuracy_counts_right_answers(digits):
    x, t = digits
    model = logistic.LogisticRegression(x, t, learning_rate=0.3)
    model.b.set_value(np.eye(10)[4])
    assert model.accuracy(x, t.astype(np.int64)) == pytest.approx(np.mean(t == 4))


def test_logistic_regression_learns_digits(tmp_path, capsys):
    logistic.main([*SMALL, "--source", "--output", str(tmp_path)])
    out = capsys.readouterr().out
    assert "new_W = np.subtract(W, dW, out=dW)" in out
    rows = [line.split() for line in out.splitlines() if re.match(r" +\d", line)]
    assert [row[0] for row in rows] == ["1", "2"]
    assert float(rows[1][2]) < float(rows[0][2]) < np.log(10)
    assert float(rows[1][4]) > 0.7
    assert {path.name for path in tmp_path.iterdir()} == {
        *FILES,
        "symbolic_logistic_regression.png",
    }
    for path in tmp_path.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("script", [logistic, symbolic_mlp])
def test_a_run_that_is_stopped_and_resumed_ends_as_one_that_was_not(script, tmp_path, monkeypatch):
    script.main([*SMALL, "--output", str(tmp_path / "whole")])
    monkeypatch.setattr(loop, "SNAPSHOT_FRACTION", 1e9)
    original, calls = Function.__call__, []

    def interrupting(self, *args):
        calls.append(self.name)
        if len(calls) == 13:
            raise KeyboardInterrupt
        return original(self, *args)

    monkeypatch.setattr(Function, "__call__", interrupting)
    with pytest.raises(KeyboardInterrupt):
        script.main([*SMALL, "--output", str(tmp_path / "stopped")])
    assert load_arrays(tmp_path / "stopped" / "params.npz")
    script.main([*SMALL, "--output", str(tmp_path / "stopped"), "--resume"])
    whole, stopped = (load_arrays(tmp_path / n / "params.npz") for n in ("whole", "stopped"))
    assert as_bytes(whole) == as_bytes(stopped)


def test_the_parameters_of_another_model_are_refused_and_change_nothing(digits):
    x, t = digits
    model = logistic.LogisticRegression(x, t, learning_rate=0.3)
    before = as_bytes(model.state())
    for wrong in ({"W": np.ones((12, 10))}, {"W": np.ones((12, 9)), "b": np.ones(10)}):
        with pytest.raises(ValueError, match=r"the file holds .* this model has"):
            model.set_state(wrong, "the file")
        assert as_bytes(model.state()) == before
    model.set_state({"W": np.ones((12, 10)), "b": np.zeros(10)})
    assert model.W.get_value().sum() == 120


def test_the_gradient_of_the_multilayer_perceptron_is_that_of_layers(digits):
    x, t = digits
    rng = np.random.default_rng(0)
    model = symbolic_mlp.MultilayerPerceptron(
        x, t, hidden_size=7, learning_rate=0.5, l2=0.01, rng=rng
    )
    before, rows = model.state(), np.array([3, 29, 7, 7])
    loss = model.step(rows)
    hidden = np.tanh(x[rows] @ before["W1"] + before["b1"])
    p = softmax(hidden @ before["W2"] + before["b2"])
    assert loss == pytest.approx(-np.log(p[np.arange(4), t[rows]]).mean(), rel=1e-13)
    dscores = (p - np.eye(10)[t[rows]]) / 4
    dhidden = dscores @ before["W2"].T * (1 - hidden**2)
    grads = {
        "W1": x[rows].T @ dhidden + 0.02 * before["W1"],
        "b1": dhidden.sum(axis=0),
        "W2": hidden.T @ dscores + 0.02 * before["W2"],
        "b2": dscores.sum(axis=0),
    }
    for name, value in model.state().items():
        np.testing.assert_allclose(value, before[name] - 0.5 * grads[name], rtol=1e-11, atol=1e-14)


def test_the_multilayer_perceptron_stops_early_and_keeps_its_best(tmp_path, capsys):
    options = ["--data", "sample", "--epochs", "30", "--patience", "2", "--learning-rate", "0.5"]
    symbolic_mlp.main([*options, "--output", str(tmp_path)])
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if re.match(r" +\d", line)]
    accuracies = [float(row[4]) for row in rows]
    assert len(rows) < 30
    assert int(np.argmax(accuracies)) == len(rows) - 3
    assert "stopped early" in out
    assert float(out.split()[-1]) > 0.85


def test_drawings_are_written_as_png_and_svg(tmp_path, capsys):
    symbolic_drawing.main(["--output", str(tmp_path), "--show"])
    names = ("apples_and_oranges", "two_layer_net", "two_layer_net_rewritten")
    for name in names:
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert ElementTree.parse(tmp_path / f"{name}.svg").getroot().tag.endswith("svg")
    out = capsys.readouterr().out
    assert out.count("wrote ") == 6
    assert out.count("no display") == 3
    assert plt.get_fignums() == []


def test_the_drawn_bill_is_that_of_the_graph_by_hand():
    total, derivatives = graph_by_hand.bill(100, 2, 150, 3, 1.1)
    texts = [text.get_text() for text in symbolic_drawing.apples_and_oranges().axes[0].texts]
    for number in (total, *derivatives.values()):
        assert f"{number:.4g}" in texts


def test_the_drawn_network_is_rewritten_when_it_is_compiled():
    def texts(picture):
        return {text.get_text() for text in picture().axes[0].texts}

    assert {"log", "softmax"} <= texts(symbolic_drawing.two_layer_net)
    rewritten = texts(symbolic_drawing.two_layer_net_rewritten)
    assert "log softmax" in rewritten
    assert not {"log", "softmax"} & rewritten


def test_the_derived_program_does_no_more_than_one_written_by_hand():
    source = symbolic_two_layer_net.derived().source
    lines = [line for line in source.splitlines() if not line.startswith(("#", "    assert "))]
    assert len(lines) <= 25


def test_the_readme_shows_the_program_that_is_derived():
    readme = Path(symbolic_two_layer_net.__file__).with_name("README.md").read_text("utf-8")
    source = symbolic_two_layer_net.derived().source
    assert f"```text\n{source}```" in readme
