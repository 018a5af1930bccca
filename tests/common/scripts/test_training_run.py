"""A toy network whose "training" draws random numbers shows what surrounds a script's loop."""

import csv
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from common.networks import Network
from common.scripts import training_run
from common.scripts.command_line import CommandError
from common.scripts.training_run import (
    only_run_in,
    training_arguments,
)
from common.support.errors import DivergenceWarning
from common.support.files import load_arrays

FILES = ["checkpoint.npz", "history.csv", "learning_curve.png", "params.npz"]
ROW = re.compile(r" *(\d+)  +(\d+\.\d{6})  +(\d\.\d{4})  +(\d\.\d{4})")


@pytest.fixture(autouse=True)
def _snapshots_always(monkeypatch):
    monkeypatch.setattr("common.training.loop.SNAPSHOT_FRACTION", np.inf)


class Toy(Network):
    """The params "b" count the iterations, so that loss and accuracies tell which one it is."""

    def __init__(self, width=3):
        super().__init__(input_size=1)
        self.params = {"W": np.zeros((width, 2)), "b": np.zeros(1)}

    def predict(self, x):
        raise AssertionError("a training run has no need of predictions")

    def gradient(self, x, t):
        raise AssertionError("a training run leaves gradients to the loop")

    def loss(self, x, t):
        return np.float32(t[0] / self.params["b"][0])

    def accuracy(self, x, t, batch_size=1000):
        return x[0] + self.params["b"][0] / 1000


COLUMNS = ("iteration", "seconds", "loss", "train_acc", "test_acc")
ITERATIONS = {"fast": 6, "slow": 2000}
TRAIN, TEST = (np.full(8, 0.5), np.zeros(8)), (np.full(4, 0.25), np.zeros(4))


def arguments(output, *options):
    argv = ["--output", str(output), *map(str, options)]
    return training_arguments(argv, "Train it.", iterations=ITERATIONS, output="never-used")


def train(output, *options, midway=lambda i: None, after_step=lambda i: None, width=3):
    """Run a loop like the chapters'; `midway` is called between the updates of W and of b."""
    args = arguments(output, *options)
    network, rng = Toy(width), np.random.default_rng(args.seed)
    with training_run.training_run(args, network, rng, train=TRAIN, test=TEST) as run:
        for i in run.steps():
            network.params["W"] += rng.standard_normal(network.params["W"].shape)
            midway(i)
            network.params["b"] += 1
            run.record(seconds=0.25 * i, batch=(np.zeros(1), np.array([2])))
            after_step(i)
    return network


def stop_at(iteration, error=KeyboardInterrupt):
    def hook(i):
        if i == iteration:
            raise error

    return hook


def interrupted(output, *options, error=KeyboardInterrupt, **hooks):
    with pytest.raises(error):
        train(output, *options, **hooks)


def history(output):
    with (output / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def logged(output):
    return [int(row["iteration"]) for row in history(output)]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_same_params(a, b):
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


# What a run leaves behind


def test_a_run_leaves_a_table_and_four_files(tmp_path, capsys):
    network = train(tmp_path, "--log-every", 2)
    assert sorted(contents(tmp_path)) == FILES
    assert_same_params(load_arrays(tmp_path / "params.npz"), network.params)
    assert plt.imread(tmp_path / "learning_curve.png").std() > 0
    out = capsys.readouterr().out
    for name in ("params.npz", "history.csv", "learning_curve.png"):
        assert f"wrote {tmp_path / name}" in out
    assert "stopped" not in out
    header, *lines = out.splitlines()
    assert header.split() == ["iteration", "seconds", "train_acc", "test_acc"]
    rows = [match.groups() for match in map(ROW.fullmatch, lines) if match]
    assert rows == [
        ("1", "0.250000", "0.5010", "0.2510"),
        ("2", "0.500000", "0.5020", "0.2520"),
        ("4", "1.000000", "0.5040", "0.2540"),
        ("6", "1.500000", "0.5060", "0.2560"),
    ]
    assert {len(line) for line in lines if ROW.fullmatch(line)} == {len(header)}
    assert tuple(history(tmp_path)[0]) == COLUMNS
    assert [[float(row[name]) for name in COLUMNS] for row in history(tmp_path)] == [
        [i, 0.25 * i, float(np.float32(2 / i)), 0.5 + i / 1000, 0.25 + i / 1000]
        for i in (1, 2, 4, 6)
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--iterations", 1), [1]),
        (("--iterations", 5), [1, 2, 3, 4, 5]),
        (("--iterations", 45), [1, *range(2, 45, 2), 45]),
        (("--iterations", 7, "--log-every", 3), [1, 3, 6, 7]),
        (("--iterations", 7, "--log-every", 100), [1, 7]),
    ],
)
def test_the_first_the_last_and_every_nth_iteration_are_logged(tmp_path, options, expected):
    train(tmp_path, *options)
    assert logged(tmp_path) == expected


# Interruptions: what stops a run, when, and what is left then


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, DivergenceWarning, KeyError])
@pytest.mark.parametrize(
    ("hook", "iteration", "done"),
    [("midway", 1, 0), ("midway", 4, 3), ("after_step", 4, 3), ("midway", 6, 5)],
)
def test_a_run_that_is_stopped_keeps_its_whole_iterations_and_goes_on(
    tmp_path, capsys, error, hook, iteration, done
):
    expected = train(tmp_path / "whole")
    folder = tmp_path / "stopped"
    capsys.readouterr()
    interrupted(folder, error=error, **{hook: stop_at(iteration, error)})
    out = capsys.readouterr().out
    if not done:
        assert contents(folder) == {}
        assert "nothing to keep" in out
        assert "--resume" not in out
        return
    assert sorted(contents(folder)) == FILES
    short = train(tmp_path / "short", "--iterations", done)
    assert_same_params(load_arrays(folder / "params.npz"), short.params)
    assert logged(folder) == list(range(1, done + 1))
    if error is DivergenceWarning:
        assert f"diverged in iteration {done + 1}" in out
        assert "--resume" not in out
    else:
        assert f"stopped after iteration {done}; --resume goes on from there" in out
    capsys.readouterr()
    network = train(folder, "--resume")
    out = capsys.readouterr().out
    assert out.startswith(f"resuming after iteration {done}\n")
    assert f"{6 - done} iteration{'s' if done < 5 else ''} in" in out
    lines = [match for match in map(ROW.fullmatch, out.splitlines()) if match]
    assert [int(match[1]) for match in lines] == [1, 2, 3, 4, 5, 6]
    assert_same_params(network.params, expected.params)
    assert_same_params(load_arrays(folder / "params.npz"), expected.params)
    assert history(folder) == history(tmp_path / "whole")


@pytest.mark.parametrize("error", [KeyboardInterrupt, DivergenceWarning])
def test_a_run_stopped_in_its_first_iteration_keeps_the_files_of_an_earlier_one(
    tmp_path, capsys, error
):
    train(tmp_path)
    before = contents(tmp_path)
    capsys.readouterr()
    interrupted(tmp_path, "--seed", 1, error=error, midway=stop_at(1, error))
    assert contents(tmp_path) == before
    out = capsys.readouterr().out
    assert f"{tmp_path} holds an earlier run, which this one will replace" in out
    assert "nothing to keep" in out


def test_a_loss_that_has_grown_is_pointed_out(tmp_path, capsys, monkeypatch):
    train(tmp_path / "falls")
    assert "learning-rate" not in capsys.readouterr().out
    monkeypatch.setattr(Toy, "loss", lambda self, x, t: self.params["b"][0])
    train(tmp_path / "grows")
    assert "the loss has grown: try a smaller --learning-rate" in capsys.readouterr().out


def test_a_finished_run_goes_on_when_iterations_are_raised(tmp_path):
    expected = train(tmp_path / "whole", "--iterations", 9)
    train(tmp_path / "parts", "--iterations", 4)
    network = train(tmp_path / "parts", "--resume", "--iterations", 9)
    assert_same_params(network.params, expected.params)
    assert logged(tmp_path / "parts") == list(range(1, 10))


@pytest.mark.parametrize("iterations", [6, 4])
def test_resuming_a_finished_run_says_so_and_changes_nothing(tmp_path, capsys, iterations):
    train(tmp_path)
    before = contents(tmp_path)
    capsys.readouterr()
    train(tmp_path, "--resume", "--iterations", iterations, midway=pytest.fail)
    assert "all 6 iterations are done; ask for more of them to go on" in capsys.readouterr().out
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", FILES[1:])
@pytest.mark.parametrize("fault", ["missing", "older"])
def test_a_finished_run_that_lacks_a_file_is_completed_when_it_is_resumed(tmp_path, name, fault):
    train(tmp_path)
    whole, path = contents(tmp_path), tmp_path / name
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes(b"of an earlier run")
        os.utime(path, (1e9, 1e9))
    train(tmp_path, "--resume", midway=pytest.fail)
    assert contents(tmp_path) == whole


@pytest.mark.parametrize("name", FILES)
def test_a_full_disk_is_named_and_the_run_can_be_completed(tmp_path, monkeypatch, capsys, name):
    expected = train(tmp_path / "whole")
    folder = tmp_path / "full"
    train(folder, "--iterations", 3)
    before, write = contents(folder), Path.write_bytes

    def no_space(self, data):
        if name in self.name:
            with self.open("wb") as file:
                file.write(data[:10])
            raise OSError(28, "No space left on device")
        return write(self, data)

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", no_space)
        with pytest.raises((OSError, CommandError), match=rf"No space left.*{name}"):
            train(folder, "--resume")
    assert "goes on" not in capsys.readouterr().out
    assert contents(folder)[name] == before[name]
    assert sorted(contents(folder)) == FILES
    train(folder, "--resume")
    assert_same_params(load_arrays(folder / "params.npz"), expected.params)
    assert history(folder) == history(tmp_path / "whole")
    assert contents(folder)["learning_curve.png"] != before["learning_curve.png"]


def test_what_a_killed_run_has_left_is_removed_by_the_next(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    for name in FILES:
        (tmp_path / f".{name}.{process.pid}.{uuid.uuid4().hex}").write_bytes(b"half")
    train(tmp_path)
    assert sorted(contents(tmp_path)) == FILES


@pytest.mark.skipif(training_run.fcntl is None, reason="no locks on Windows")
def test_a_second_run_into_one_folder_is_told(tmp_path):
    train(tmp_path)
    before = contents(tmp_path)
    with only_run_in(tmp_path):
        for options in ((), ("--resume", "--iterations", 9)):
            with pytest.raises(CommandError, match=f"another run is writing to {tmp_path}; wait"):
                train(tmp_path, *options, midway=pytest.fail)
    assert contents(tmp_path) == before
    train(tmp_path, "--resume", "--iterations", 9)


@pytest.mark.parametrize(
    ("option", "old", "new"),
    [
        ("--learning-rate", "0.1", "0.01"),
        ("--batch-size", "100", "10"),
        ("--gradient", "fast", "slow"),
        ("--seed", "0", "1"),
        ("--threads", "1", "2"),
        ("--data", "8 digits", None),
    ],
)
def test_a_changed_setting_is_noted(tmp_path, capsys, monkeypatch, option, old, new):
    train(tmp_path)
    if new is None:
        monkeypatch.setitem(globals(), "TRAIN", TEST)
    capsys.readouterr()
    options = (option, new) if new else ()
    train(tmp_path, "--resume", "--iterations", 7, *options)
    note = f"\n{option} was {old}, is now {new or '4 digits'}: results may differ"
    out = capsys.readouterr().out
    assert note in out
    assert out.count(" was ") == 1


# What can't be resumed


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_without_a_checkpoint_there_is_nothing_to_resume(tmp_path, folder):
    with pytest.raises(CommandError, match=r"no run to resume: .*checkpoint\.npz doesn't exist"):
        arguments(tmp_path / folder, "--resume")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_refused_and_no_file_changed(tmp_path):
    train(tmp_path)
    (tmp_path / "checkpoint.npz").write_bytes((tmp_path / "params.npz").read_bytes())
    before = contents(tmp_path)
    with pytest.raises(CommandError, match=r"can't resume: .*checkpoint\.npz"):
        train(tmp_path, "--resume", "--iterations", 9)
    assert contents(tmp_path) == before


def test_a_checkpoint_of_another_network_is_refused_with_both_shapes(tmp_path):
    train(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(CommandError, match=r"can't resume: .*W in .*\(3, 2\).*\(5, 2\)"):
        train(tmp_path, "--resume", "--iterations", 9, width=5)
    assert contents(tmp_path) == before


# Another run beside this one


HEADER = ",".join(COLUMNS)


def learning_curves(monkeypatch):
    """Collect what is drawn."""
    drawn, draw = [], training_run.learning_curve

    def collect(history, title, beside):
        drawn.append((history, beside))
        return draw(history, title, beside=beside)

    monkeypatch.setattr(training_run, "learning_curve", collect)
    return drawn


def numbers(output):
    rows = history(output)
    return {name: [float(row[name]) for row in rows] for name in COLUMNS}


@pytest.fixture
def _short_paths(tmp_path, monkeypatch):
    """The name of the other run stands in the legend, where little has room."""
    monkeypatch.chdir(tmp_path)


def leave_history(folder, content):
    folder.mkdir()
    (folder / "history.csv").write_bytes(content)


@pytest.mark.usefixtures("_short_paths")
def test_a_run_is_drawn_beside_another_or_the_one_that_it_replaces(monkeypatch):
    train(Path("$_$"), "--iterations", 4)
    expected, drawn = numbers(Path("$_$")), learning_curves(monkeypatch)
    for folder in (Path("both"), Path("$_$")):
        train(folder, "--beside", Path("$_$"))
        mine, (name, other) = drawn.pop()
        assert mine == numbers(folder)
        assert (name, other) == ("$_$", expected)
        assert sorted(contents(folder)) == FILES
    train(Path("alone"))
    alone, both = (contents(Path(run))["learning_curve.png"] for run in ("alone", "both"))
    assert both != alone


@pytest.mark.parametrize("folder", ["nowhere", "file"])
def test_a_folder_without_a_run_cannot_stand_beside(tmp_path, folder):
    (tmp_path / "file").write_text(HEADER)
    with pytest.raises(CommandError, match=rf"{folder} holds no run to draw: .*$"):
        train(tmp_path / "out", "--beside", tmp_path / folder, midway=pytest.fail)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (HEADER.encode(), "is empty"),
        (b"a,b\n1,2\n", "isn't the history of a training run"),
        (f"{HEADER}\n1,2\n".encode(), "isn't the history of a training run"),
        (b"\xff\xfe,\n\x80\n", "isn't the history of a training run"),
        pytest.param(b"a" * 140_000, "isn't the history of a training run"),
        (f"{HEADER}\n1,2,nan,0.5,0.5\n".encode(), "is empty"),
    ],
    ids=["empty", "header", "other", "short", "binary", "line", "diverged"],
)
def test_what_is_no_history_cannot_stand_beside(tmp_path, content, message):
    leave_history(tmp_path / "other", content)
    with pytest.raises(CommandError, match=rf"history\.csv {message}") as caught:
        train(tmp_path / "out", "--beside", tmp_path / "other", "--iterations", 1)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


# The command line


def test_the_defaults_are_those_of_the_book(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    args = training_arguments([], "Train it.", iterations=ITERATIONS, output="results")
    assert vars(args) == {
        "seed": 0,
        "output": Path("results"),
        "show": False,
        "gradient": "fast",
        "iterations": 6,
        "batch_size": 100,
        "learning_rate": 0.1,
        "hidden_size": 50,
        "data": "auto",
        "log_every": None,
        "resume": False,
        "threads": 1,
        "beside": None,
    }
    assert (tmp_path / "results").is_dir()


def test_the_number_of_iterations_depends_on_the_gradient_unless_it_is_given(tmp_path, capsys):
    assert arguments(tmp_path, "--gradient", "slow").iterations == 2000
    assert arguments(tmp_path, "--iterations", 3, "--gradient", "slow").iterations == 3
    with pytest.raises(SystemExit, match="0"):
        arguments(tmp_path, "--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "--gradient {fast,slow} how the gradient is computed (default: fast)" in text
    assert "mini-batches to train on (default: 6 with fast, 2,000 with slow)" in text


@pytest.mark.parametrize(
    "options",
    [
        ("--iterations", "0"),
        ("--batch-size", "0"),
        ("--hidden-size", "-3"),
        ("--learning-rate", "nan"),
        ("--learning-rate", "0"),
        ("--log-every", "0"),
        ("--seed", "-1"),
        ("--gradient", "magic"),
        ("--data", "more"),
        ("--iteratoins", "3"),
    ],
)
def test_a_bad_option_is_named_before_a_folder_is_made(tmp_path, capsys, options):
    with pytest.raises(SystemExit) as caught:
        arguments(tmp_path / "out", *options)
    assert caught.value.code == 2
    assert options[0] in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()
