"""The scripts on the symbolic graph: what they print, and that what they teach is so."""

import inspect
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest

from ch05_backprop import graph_by_hand, symbolic_drawing, symbolic_tutorial, symbolic_two_layer_net
from ch05_backprop import symbolic_logistic_regression as logistic
from common.functions import softmax
from common.symbolic import Function

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
    assert "dW1 = x.T @ dhidden                       # ∂loss/∂W1" in out
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
    name = "symbolic_logistic_regression.png"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_ctrl_c_keeps_the_weights_so_far(tmp_path, monkeypatch, capsys):
    original, calls = Function.__call__, []

    def interrupting(self, *args):
        calls.append(self.name)
        if len(calls) == 13:
            raise KeyboardInterrupt
        return original(self, *args)

    monkeypatch.setattr(Function, "__call__", interrupting)
    with pytest.raises(KeyboardInterrupt):
        logistic.main([*SMALL, "--output", str(tmp_path)])
    assert len(list(tmp_path.glob("*.png"))) == 1
    assert "    1 " in capsys.readouterr().out


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
