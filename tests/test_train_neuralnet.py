"""Both chapters' train_neuralnet.py, on real digits."""

import csv
import os
import re
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import ch04_numerical_gradient.train_neuralnet as ch04
import ch05_backprop.train_neuralnet as ch05
from common.scripts.command_line import CommandError, run
from common.support.files import load_arrays
from dataset.errors import DatasetError, SampleDataWarning
from dataset.mnist import load_mnist

ROOT = Path(__file__).parents[1]
FILES = ["checkpoint.npz", "history.csv", "learning_curve.png", "params.npz"]
SMALL = ("--data", "sample", "--hidden-size", "5", "--batch-size", "10", "--gradient", "backprop")

CHAPTERS = {"ch04": ch04, "ch05": ch05}


@pytest.fixture(params=CHAPTERS)
def chapter(request):
    return CHAPTERS[request.param]


@pytest.fixture(autouse=True)
def _restore_format(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)


def train(chapter, output, *options):
    chapter.main([*SMALL, "--output", str(output), *map(str, options)])
    return load_arrays(output / "params.npz")


def exit_code(main):
    with pytest.raises(SystemExit) as caught:
        run(main)
    return caught.value.code


def history(output):
    with (output / "history.csv").open(newline="") as file:
        return [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_same_params(a, b):
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


# What a run prints and leaves behind


def test_a_run_prints_a_table_and_writes_its_results(chapter, tmp_path, capsys):
    train(chapter, tmp_path, "--iterations", 4, "--log-every", 2)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "4,000 training digits, 1,000 test digits"
    assert lines[1].split() == ["iteration", "seconds", "train_acc", "test_acc"]
    numbers = [re.fullmatch(r" *(\d+) +\d+\.\d{6} +(0\.\d{4}) +(0\.\d{4})", s) for s in lines[2:5]]
    assert [int(match[1]) for match in numbers] == [1, 2, 4]
    assert any(line.startswith("4 iterations in") for line in lines[5:])
    assert err == ""

    assert names(tmp_path) == FILES
    rows = history(tmp_path)
    assert list(rows[0]) == ["iteration", "seconds", "loss", "train_acc", "test_acc"]
    for row, match in zip(rows, numbers, strict=True):
        assert row["iteration"] == int(match[1])
        assert f"{row['train_acc']:.4f} {row['test_acc']:.4f}" == f"{match[2]} {match[3]}"
        assert row["seconds"] > 0
    assert plt.imread(tmp_path / "learning_curve.png").std() > 0


def test_the_parameters_have_the_accuracy_of_the_last_row(chapter, tmp_path):
    train(chapter, tmp_path, "--iterations", 30, "--learning-rate", 0.5)
    network = chapter.TwoLayerNet(784, 5, 10, dtype=np.float32)
    network.load_params(tmp_path / "params.npz")
    (x_train, t_train), (x_test, t_test) = load_mnist(source="sample")
    last = history(tmp_path)[-1]
    assert last["iteration"] == 30
    assert network.accuracy(x_train, t_train) == last["train_acc"]
    assert network.accuracy(x_test, t_test) == last["test_acc"]


def test_the_loss_falls(chapter, tmp_path):
    train(chapter, tmp_path, "--iterations", 600, "--batch-size", 100, "--hidden-size", 20)
    rows = history(tmp_path)
    assert rows[-1]["loss"] < 0.95 * rows[0]["loss"]
    assert rows[-1]["test_acc"] > rows[0]["test_acc"] + 0.1


def test_the_same_seed_gives_the_same_run_and_another_seed_another(chapter, tmp_path):
    first, again, other = (
        train(chapter, tmp_path / str(n), "--iterations", 3, "--seed", seed)
        for n, seed in enumerate((3, 3, 4))
    )
    assert_same_params(first, again)
    assert not np.array_equal(first["W1"], other["W1"])


@pytest.mark.parametrize("slow", ["numerical", "structured"])
def test_all_gradients_train_alike(chapter, tmp_path, slow):
    sizes = ("--hidden-size", 3, "--batch-size", 5, "--iterations", 2)
    params = {
        name: train(chapter, tmp_path / name, *sizes, "--gradient", name)
        for name in (slow, "backprop")
    }
    assert params[slow]["W1"].dtype == np.float64
    assert params["backprop"]["W1"].dtype == np.float32
    for key, value in params[slow].items():
        np.testing.assert_allclose(params["backprop"][key], value, rtol=0, atol=1e-6)
        # and there is something to agree on: two steps move some entries by more than that
    assert np.abs(params[slow]["b2"]).max() > 1e-3


def test_a_folder_without_a_run_is_refused_before_the_data_are_loaded(
    chapter, tmp_path, monkeypatch
):
    monkeypatch.setattr(chapter, "load_mnist", lambda **_: pytest.fail("data were loaded"))
    message = exit_code(partial(train, chapter, tmp_path / "out", "--beside", tmp_path))
    assert message.startswith(f"error: {tmp_path} holds no run to draw: ")
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("module", "gradient", "iterations", "folder"),
    [
        (
            ch04,
            "numerical",
            "3 with numerical, 2,000 with structured, 10,000 with backprop",
            "output/ch04_numerical_gradient",
        ),
        (
            ch05,
            "backprop",
            "10,000 with backprop, 2,000 with structured, 3 with numerical",
            "output/ch05_backprop",
        ),
    ],
)
def test_the_defaults_are_shown_by_help(module, gradient, iterations, folder, capsys):
    with pytest.raises(SystemExit) as caught:
        module.main(["--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in (
        f"how the gradient is computed (default: {gradient})",
        f"mini-batches to train on (default: {iterations})",
        "digits in a mini-batch (default: 100)",
        "of gradient descent (default: 0.1)",
        "hidden units (default: 50)",
        "(default: auto)",
        f"(default: {folder})",
        "start of the random numbers (default: 0)",
    ):
        assert words in text


# Interruption


def test_an_interrupted_numerical_gradient_resumes_bit_for_bit(chapter, tmp_path, monkeypatch):
    options = ("--gradient", "numerical", "--hidden-size", 1, "--batch-size", 2, "--iterations", 2)
    expected = train(chapter, tmp_path / "whole", *options)
    folder = tmp_path / "interrupted"
    passes, loss = [], chapter.TwoLayerNet.loss

    def interrupted_loss(self, x, t):
        passes.append(1)
        if len(passes) == 2 * 805 + 301:  # in the second iteration, while a weight is moved
            raise KeyboardInterrupt
        return loss(self, x, t)

    monkeypatch.setattr("common.training.loop.SNAPSHOT_FRACTION", np.inf)
    with monkeypatch.context() as patch:
        patch.setattr(chapter.TwoLayerNet, "loss", interrupted_loss)
        with pytest.raises(KeyboardInterrupt):
            train(chapter, folder, *options)
    assert [row["iteration"] for row in history(folder)] == [1]
    assert_same_params(train(chapter, folder, *options, "--resume"), expected)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX pipes")
def test_a_closed_pipe_keeps_what_was_done(tmp_path):
    command = [sys.executable, "ch05_backprop/train_neuralnet.py", *SMALL, "--output", tmp_path]
    command += ["--iterations", "1000", "--log-every", "1"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        for line in process.stdout:
            if line.split()[0] == "30":
                break
        process.stdout.close()  # as `| head -5` does
        process.stderr.read()
        process.wait(timeout=600)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert names(tmp_path) == FILES


# Settings that can't work


@pytest.mark.parametrize(("first", "second"), [(ch04, ch05), (ch05, ch04)])
def test_the_other_chapters_run_cannot_be_resumed(tmp_path, first, second):
    train(first, tmp_path, "--iterations", 2)
    with pytest.raises(CommandError, match=r"can't resume: .*: .*network is ch0\d"):
        train(second, tmp_path, "--iterations", 4, "--resume")


@pytest.mark.parametrize(("module", "rate", "step"), [(ch04, "1e6", 1), (ch05, "1e10", 2)])
def test_too_large_a_learning_rate_is_named(tmp_path, capsys, monkeypatch, module, rate, step):
    monkeypatch.setattr("common.training.loop.SNAPSHOT_FRACTION", np.inf)
    options = ("--learning-rate", rate, "--iterations", 20)
    sizes = ("--batch-size", 100, "--hidden-size", 50)
    message = exit_code(partial(train, module, tmp_path, *options, *sizes))
    assert re.fullmatch(
        r"error: the loss is (nan|inf): .*; a smaller learning rate or .* may help", message
    )
    out = capsys.readouterr().out
    if step == 1:
        assert names(tmp_path) == []
        assert "nothing to keep" in out
    else:
        # ReLUs die of such a rate, and the loss stays finite until float32 overflows.
        assert names(tmp_path) == FILES
        assert re.search(r"diverged in iteration \d\n", out)


def test_a_file_in_the_place_of_the_output_is_refused_before_the_data_are_loaded(
    chapter, tmp_path, monkeypatch
):
    monkeypatch.setattr(chapter, "load_mnist", lambda **_: pytest.fail("data were loaded"))
    (tmp_path / "taken").write_text("content")
    with pytest.raises(CommandError, match="taken"):
        train(chapter, tmp_path / "taken")


def test_a_read_only_output_is_refused_before_the_data_are_loaded(
    chapter, open_folder, read_only, monkeypatch
):
    monkeypatch.setattr(chapter, "load_mnist", lambda **_: pytest.fail("data were loaded"))
    with read_only(open_folder), pytest.raises(CommandError, match="Permission denied"):
        train(chapter, open_folder)


# Data


def test_without_the_full_set_data_full_says_what_was_tried(chapter, tmp_path):
    main = partial(train, chapter, tmp_path / "out", "--data", "full")
    with pytest.raises(DatasetError) as caught:
        main()
    assert "http://127.0.0.1:9/" in str(caught.value)
    assert "MNIST_DIR" in str(caught.value)
    assert names(tmp_path / "out") == []
    assert exit_code(main) == f"error: {caught.value}"


def test_without_the_full_set_data_auto_warns_once_and_takes_the_sample(chapter, tmp_path):
    with pytest.warns(SampleDataWarning) as caught:
        train(chapter, tmp_path / "out", "--data", "auto", "--iterations", 1)
    (warning,) = caught
    text = str(warning.message)
    assert "refused" in text
    assert "4,000 + 1,000 digits from this repository are used" in text
    assert names(tmp_path / "out") == FILES


def test_the_warning_is_one_line_on_stderr(tmp_path):
    command = [sys.executable, ROOT / "ch05_backprop" / "train_neuralnet.py", *SMALL]
    command += ["--data", "auto", "--iterations", "1", "--output", "out"]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 0
    (line,) = process.stderr.splitlines()
    assert line.startswith("warning: the full MNIST set can't be had")
    assert names(tmp_path / "out") == FILES


# What is learned


def test_chapter_5_learns_the_sample_with_its_default_settings(tmp_path):
    ch05.main(["--data", "sample", "--output", str(tmp_path)])
    rows = history(tmp_path)
    assert len(rows) == 21
    assert rows[-1]["iteration"] == 10_000
    assert rows[-1]["test_acc"] >= 0.90


@pytest.mark.parametrize(
    ("module", "options", "accuracy"),
    [(ch05, (), 0.965), (ch04, ("--gradient", "backprop", "--iterations", "10000"), 0.94)],
)
@pytest.mark.usefixtures("full_mnist_dir")
def test_a_network_learns_the_full_set(module, options, accuracy, tmp_path, capsys):
    module.main(["--data", "full", "--output", str(tmp_path), *options])
    assert "60,000 training digits, 10,000 test digits" in capsys.readouterr().out
    assert history(tmp_path)[-1]["test_acc"] >= accuracy
