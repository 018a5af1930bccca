"""Both chapters' train_neuralnet.py, on real digits."""

import csv
import os
import re
import signal
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
from common.optimizer import SGD
from common.scripts.command_line import CommandError, run
from common.support.errors import DivergenceWarning
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


def interrupt_midway(monkeypatch, iteration):
    """Make the optimizer change W1, and then be interrupted, in the given iteration."""
    update, calls = SGD.update, []

    def interrupted(self, params, grads):
        calls.append(1)
        if len(calls) == iteration:
            params["W1"] -= self.lr * grads["W1"]
            raise KeyboardInterrupt
        update(self, params, grads)

    monkeypatch.setattr(SGD, "update", interrupted)


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


def test_both_gradients_train_alike(chapter, tmp_path):
    sizes = ("--hidden-size", 3, "--batch-size", 5, "--iterations", 2)
    params = {
        name: train(chapter, tmp_path / name, *sizes, "--gradient", name)
        for name in ("numerical", "backprop")
    }
    assert params["numerical"]["W1"].dtype == np.float64
    assert params["backprop"]["W1"].dtype == np.float32
    for key, value in params["numerical"].items():
        np.testing.assert_allclose(params["backprop"][key], value, rtol=0, atol=1e-6)
        # and there is something to agree on: two steps move some entries by more than that
    assert np.abs(params["numerical"]["b2"]).max() > 1e-3


def test_structured_differences_train_in_float64_and_as_backpropagation_does(chapter, tmp_path):
    options = ("--hidden-size", 3, "--iterations", 8, "--log-every", 2, "--learning-rate", 0.5)
    params = {
        name: train(chapter, tmp_path / name, *options, "--gradient", name)
        for name in ("structured", "backprop")
    }
    assert {param.dtype for param in params["structured"].values()} == {np.dtype(np.float64)}
    assert {param.dtype for param in params["backprop"].values()} == {np.dtype(np.float32)}
    structured, backprop = (history(tmp_path / name) for name in params)
    for column in ("iteration", "train_acc", "test_acc"):
        assert [row[column] for row in structured] == [row[column] for row in backprop]
    losses = [[row["loss"] for row in rows] for rows in (structured, backprop)]
    np.testing.assert_allclose(*losses, rtol=0, atol=1e-4)
    assert len(structured) == 5
    assert np.ptp(losses) > 1e-2  # there is something to agree on
    for key, value in params["structured"].items():
        np.testing.assert_allclose(params["backprop"][key], value, rtol=0, atol=1e-5, err_msg=key)


def test_a_structured_run_that_is_stopped_resumes_bit_for_bit(chapter, tmp_path, monkeypatch):
    options = ("--gradient", "structured", "--iterations", 4)
    expected = train(chapter, tmp_path / "whole", *options)
    folder = tmp_path / "interrupted"
    with monkeypatch.context() as patch:
        interrupt_midway(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            train(chapter, folder, *options)
    assert [row["iteration"] for row in history(folder)] == [1, 2]
    assert_same_params(train(chapter, folder, *options, "--resume"), expected)


def test_a_run_stands_beside_one_with_another_gradient(chapter, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, *beside in (("backprop",), ("structured", "--beside", "backprop")):
        train(chapter, Path(name), "--iterations", 2, "--gradient", name, *beside)
        assert names(tmp_path / name) == FILES
    assert plt.imread(tmp_path / "structured" / "learning_curve.png").std() > 0
    assert capsys.readouterr().err == ""


def test_a_folder_without_a_run_is_refused_before_the_data_are_loaded(
    chapter, tmp_path, monkeypatch
):
    monkeypatch.setattr(chapter, "load_mnist", lambda **_: pytest.fail("data were loaded"))
    message = exit_code(partial(train, chapter, tmp_path / "out", "--beside", tmp_path))
    assert message.startswith(f"error: {tmp_path} holds no run to draw: ")
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("module", "gradient", "iterations"),
    [
        (module, gradient, iterations)
        for module in CHAPTERS.values()
        for gradient, iterations in (("numerical", 3), ("structured", 2000), ("backprop", 10_000))
    ],
)
def test_each_gradient_has_its_number_of_iterations(
    module, gradient, iterations, tmp_path, monkeypatch
):
    class Begun(Exception):
        """Raised in the place of training."""

    def begin(args, *_, **__):
        assert args.iterations == iterations
        raise Begun

    monkeypatch.setattr(module, "TrainingRun", begin)
    with pytest.raises(Begun):
        train(module, tmp_path, "--gradient", gradient)


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


def test_an_interrupted_run_keeps_the_last_whole_iteration(chapter, tmp_path, monkeypatch):
    expected = train(chapter, tmp_path / "short", "--iterations", 3)
    folder = tmp_path / "interrupted"
    interrupt_midway(monkeypatch, 4)
    main = partial(train, chapter, folder, "--iterations", 6)
    assert exit_code(main) == 130
    assert names(folder) == FILES
    assert_same_params(load_arrays(folder / "params.npz"), expected)
    assert [row["iteration"] for row in history(folder)] == [1, 2, 3]
    assert plt.imread(folder / "learning_curve.png").std() > 0


@pytest.mark.parametrize("iteration", [2, 6])
def test_a_resumed_run_ends_bit_for_bit_like_an_uninterrupted_one(
    chapter, tmp_path, monkeypatch, iteration
):
    expected = train(chapter, tmp_path / "whole", "--iterations", 6)
    folder = tmp_path / "interrupted"
    with monkeypatch.context() as patch:
        interrupt_midway(patch, iteration)
        with pytest.raises(KeyboardInterrupt):
            train(chapter, folder, "--iterations", 6)
    resumed = train(chapter, folder, "--iterations", 6, "--resume")
    assert_same_params(resumed, expected)

    def without_seconds(rows):
        return [{name: row[name] for name in row if name != "seconds"} for row in rows]

    assert without_seconds(history(folder)) == without_seconds(history(tmp_path / "whole"))


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

    with monkeypatch.context() as patch:
        patch.setattr(chapter.TwoLayerNet, "loss", interrupted_loss)
        with pytest.raises(KeyboardInterrupt):
            train(chapter, folder, *options)
    assert [row["iteration"] for row in history(folder)] == [1]
    assert_same_params(train(chapter, folder, *options, "--resume"), expected)


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_ctrl_c_in_a_terminal_keeps_what_was_done(tmp_path):
    command = [sys.executable, "ch05_backprop/train_neuralnet.py", *SMALL, "--output", tmp_path]
    command += ["--iterations", "10000000", "--log-every", "1"]
    # A shell's background jobs ignore SIGINT, and so would what they start.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    signal.signal(signal.SIGINT, handler)
    try:
        for line in process.stdout:
            if line.split()[0] == "3":
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert err == "\nstopped by Ctrl-C\n"
    assert "--resume goes on from there" in out
    assert names(tmp_path) == FILES
    done = history(tmp_path)[-1]["iteration"]
    assert done >= 2
    assert f"stopped after iteration {done:.0f};" in out


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX pipes")
def test_a_closed_pipe_keeps_what_was_done(tmp_path):
    command = [sys.executable, "ch05_backprop/train_neuralnet.py", *SMALL, "--output", tmp_path]
    command += ["--iterations", "1000", "--log-every", "1"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        for line in process.stdout:
            if line.split()[0] == "3":
                break
        process.stdout.close()  # as `| head -5` does
        process.stderr.read()
        process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert names(tmp_path) == FILES


# Settings that can't work


def test_another_hidden_size_cannot_resume(chapter, tmp_path):
    train(chapter, tmp_path, "--iterations", 2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CommandError, match=r"W1 in .*\(784, 5\).*\(784, 7\)"):
        train(chapter, tmp_path, "--resume", "--iterations", 4, "--hidden-size", 7)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("first", "second"), [(ch04, ch05), (ch05, ch04)])
def test_the_other_chapters_run_cannot_be_resumed(tmp_path, first, second):
    train(first, tmp_path, "--iterations", 2)
    with pytest.raises(CommandError, match=r"can't resume: .* is a run of ch0\d"):
        train(second, tmp_path, "--iterations", 4, "--resume")


@pytest.mark.parametrize(
    ("module", "rate", "done"),
    [
        (ch04, "1e6", []),
        # ReLUs die of such a rate, and the loss stays finite until float32 overflows.
        (ch05, "1e10", [1]),
    ],
)
def test_too_large_a_learning_rate_is_named(tmp_path, capsys, module, rate, done):
    options = ("--learning-rate", rate, "--iterations", 20)
    sizes = ("--batch-size", 100, "--hidden-size", 50)
    message = exit_code(partial(train, module, tmp_path, *options, *sizes))
    assert re.fullmatch(
        r"error: the loss is (nan|inf): .*; a smaller learning rate or .* may help", message
    )
    assert names(tmp_path) == (FILES if done else [])
    if done:
        assert [row["iteration"] for row in history(tmp_path)] == done
        params = load_arrays(tmp_path / "params.npz")
        assert all(np.isfinite(param).all() for param in params.values())


def test_a_loss_that_overflows_later_keeps_the_history_so_far(chapter, tmp_path, monkeypatch):
    update, calls = SGD.update, []

    def diverge(self, params, grads):
        update(self, params, grads)
        calls.append(1)
        if len(calls) == 3:
            params["W2"][0, 0] = np.nan

    monkeypatch.setattr(SGD, "update", diverge)
    with pytest.raises(DivergenceWarning, match=r"W2 holds NaN .* learning rate"):
        train(chapter, tmp_path, "--iterations", 5)
    assert [row["iteration"] for row in history(tmp_path)] == [1, 2]
    assert np.isfinite(load_arrays(tmp_path / "params.npz")["W2"]).all()


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
