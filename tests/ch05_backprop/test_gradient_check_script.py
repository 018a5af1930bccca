"""The script; the check itself is tested in tests/common."""

import re
import warnings

import numpy as np
import pytest

import common.layers
from ch05_backprop.gradient_check import main
from common.scripts.command_line import run

SMALL = ["--hidden-size", "3", "--batch-size", "3"]


@pytest.fixture(autouse=True)
def _restore_format(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)


def exit_code(argv):
    with pytest.raises(SystemExit) as caught:
        run(lambda: main(argv))
    return caught.value.code


def wrong_parameters(out):
    return {line.split()[0] for line in out.splitlines() if "WRONG" in line}


@pytest.mark.parametrize("seed", [0, 1])
def test_right_layers_pass(capsys, seed):
    assert exit_code([*SMALL, "--seed", str(seed)]) == 0
    out, err = capsys.readouterr()
    header, *rows, verdict = out.splitlines()
    assert header.startswith("parameter")
    assert [row.split()[0] for row in rows] == ["W1", "b1", "W2", "b2"]
    assert [int(re.search(r"of ([\d,]+)", row)[1].replace(",", "")) for row in rows] == [
        784 * 3,
        3,
        3 * 10,
        10,
    ]
    assert verdict.startswith("The gradients agree (2,395 of 2,395 weights compared")
    assert wrong_parameters(out) == set()
    assert err == ""


def relu_that_passes_all(monkeypatch):
    monkeypatch.setattr(common.layers.Relu, "backward", lambda self, dout: dout)


def affine_without_the_sum_over_the_batch(monkeypatch):
    backward = common.layers.Affine.backward

    def broken(self, dout):
        dx = backward(self, dout)
        self.db = dout[0].copy()
        return dx

    monkeypatch.setattr(common.layers.Affine, "backward", broken)


def loss_without_the_mean_over_the_batch(monkeypatch):
    backward = common.layers.SoftmaxWithLoss.backward
    monkeypatch.setattr(
        common.layers.SoftmaxWithLoss, "backward", lambda self: backward(self, len(self.t))
    )


def one_wrong_entry(monkeypatch):
    backward = common.layers.Affine.backward

    def broken(self, dout):
        dx = backward(self, dout)
        if self.dW.shape == (3, 10):
            self.dW[1, 4] *= 1.001
        return dx

    monkeypatch.setattr(common.layers.Affine, "backward", broken)


@pytest.mark.parametrize(
    ("defect", "wrong"),
    [
        (relu_that_passes_all, {"W1", "b1"}),
        (affine_without_the_sum_over_the_batch, {"b1", "b2"}),
        (loss_without_the_mean_over_the_batch, {"W1", "b1", "W2", "b2"}),
        (one_wrong_entry, {"W2"}),
    ],
)
def test_a_wrong_layer_is_found_and_fails_the_command(capsys, monkeypatch, defect, wrong):
    defect(monkeypatch)
    assert exit_code(SMALL) == 1
    out = capsys.readouterr().out
    assert wrong_parameters(out) == wrong
    assert "DO NOT AGREE" in out


def test_the_wrong_entry_is_named(capsys, monkeypatch):
    one_wrong_entry(monkeypatch)
    exit_code(SMALL)
    (row,) = (line for line in capsys.readouterr().out.splitlines() if "WRONG" in line)
    assert "[1, 4]" in row
    backprop, numerical = map(float, row.removesuffix("  WRONG").split()[-2:])
    assert backprop / numerical == pytest.approx(1.001, rel=1e-5)


def test_a_gradient_of_nan_fails(capsys, monkeypatch):
    backward = common.layers.Relu.backward
    monkeypatch.setattr(common.layers.Relu, "backward", lambda self, d: backward(self, d) * np.nan)
    assert exit_code(SMALL) == 1
    assert wrong_parameters(capsys.readouterr().out) == {"W1", "b1"}
