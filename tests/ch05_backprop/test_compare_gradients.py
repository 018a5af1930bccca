import csv
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from ch05_backprop.compare_gradients import (
    REPEATS,
    Measurement,
    differences,
    draw,
    main,
    measure_backprop,
    measure_numerical,
)
from ch05_backprop.two_layer_net import TwoLayerNet

SMALL = ["--hidden-size", "2", "--batch-size", "4"]
PARAMETERS = 784 * 2 + 2 + 2 * 10 + 10


@pytest.fixture
def network():
    return TwoLayerNet(6, 3, 4, rng=np.random.default_rng(0), weight_init_std=1.0)


@pytest.fixture
def batch():
    rng = np.random.default_rng(1)
    return rng.random((5, 6)), rng.integers(0, 4, 5)


def test_the_script_prints_and_writes_the_same_figures(tmp_path, capsys):
    main([*SMALL, "--output", str(tmp_path)])
    out = capsys.readouterr().out
    with (tmp_path / "compare_gradients.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [tuple(row) for row in rows] == [("method", "passes", "seconds")] * 2
    assert [(row["method"], int(row["passes"])) for row in rows] == [
        ("numerical", 2 * PARAMETERS),
        ("backpropagation", 2),
    ]
    seconds = {row["method"]: float(row["seconds"]) for row in rows}
    for row in rows:
        line = rf"^{row['method']} +{int(row['passes']):,} +{seconds[row['method']]:.6f}$"
        assert re.search(line, out, re.MULTILINE), line
    ratio = seconds["numerical"] / seconds["backpropagation"]
    assert re.search(rf"^ratio +{ratio:,.0f} to 1$", out, re.MULTILINE)
    assert re.search(r"^largest difference  \d\.\de-\d\d", out, re.MULTILINE)
    assert "784-2-10 network, batch of 4" in out
    assert plt.imread(tmp_path / "compare_gradients.png").std() > 0
    assert sorted(p.name for p in tmp_path.glob("compare*")) == [
        "compare_gradients.csv",
        "compare_gradients.png",
    ]


def test_both_measurements_give_the_same_gradient(network, batch):
    numerical, by_differences = measure_numerical(network, *batch)
    backprop, by_backprop = measure_backprop(network, *batch)
    assert differences(by_differences, by_backprop).max() < 1e-6
    assert max(np.abs(grad).max() for grad in by_backprop.values()) > 1e-2
    assert (numerical.method, numerical.passes) == ("numerical", 2 * (6 * 3 + 3 + 3 * 4 + 4))
    assert (backprop.method, backprop.passes) == ("backpropagation", 2)
    assert numerical.seconds > 0
    assert backprop.seconds > 0


def test_the_numerical_gradient_takes_the_passes_that_are_reported(network, batch, monkeypatch):
    passes, loss = [], TwoLayerNet.loss
    monkeypatch.setattr(
        TwoLayerNet, "loss", lambda self, x, t: passes.append(1) or loss(self, x, t)
    )
    measurement, _ = measure_numerical(network, *batch)
    assert len(passes) == measurement.passes


def test_backpropagation_is_repeated(network, batch, monkeypatch):
    calls, gradient = [], TwoLayerNet.gradient
    monkeypatch.setattr(
        TwoLayerNet, "gradient", lambda self, x, t: calls.append(1) or gradient(self, x, t)
    )
    measure_backprop(network, *batch)
    assert len(calls) == REPEATS


@pytest.mark.parametrize("stop", [1, 2, 40, 74])
def test_ctrl_c_in_the_numerical_gradient_leaves_the_parameters(network, batch, monkeypatch, stop):
    before = {key: param.copy() for key, param in network.params.items()}
    passes, loss = [], TwoLayerNet.loss

    def interrupted(self, x, t):
        passes.append(1)
        if len(passes) == stop:
            raise KeyboardInterrupt
        return loss(self, x, t)

    monkeypatch.setattr(TwoLayerNet, "loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        measure_numerical(network, *batch)
    for key, param in network.params.items():
        np.testing.assert_array_equal(param, before[key], err_msg=key)


def test_differences_are_those_of_all_entries():
    a = {"W": np.array([[1.0, 2.0], [3.0, 4.0]]), "b": np.array([5.0])}
    b = {"W": np.array([[1.0, 2.5], [3.0, 3.0]]), "b": np.array([7.0])}
    np.testing.assert_array_equal(differences(a, b), [0, 0.5, 0, 1, 2])


@pytest.mark.parametrize(
    ("seconds", "text"), [(42.27, "42.3 s"), (0.001019, "1.02 ms"), (2.5e-05, "25 µs")]
)
def test_the_chart_labels_its_points_with_readable_units(seconds, text):
    fig = draw([Measurement("slow", 79_520, 60.0), Measurement("fast", 2, seconds)], "A title")
    (ax,) = fig.axes
    assert [label.get_text() for label in ax.texts] == ["60 s, 79,520 passes", f"{text}, 2 passes"]
    assert "seconds" in ax.get_xlabel()
    (points,) = ax.collections
    assert [x for x, _ in points.get_offsets()] == [60.0, seconds]
