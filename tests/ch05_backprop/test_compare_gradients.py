import contextlib
import csv
import dataclasses
import io
import os
import re
import subprocess
import sys
import tracemalloc
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

import ch05_backprop.compare_gradients as script
from ch05_backprop.compare_gradients import Measurement, draw_batch, main, measure
from ch05_backprop.methods import METHODS
from ch05_backprop.two_layer_net import TwoLayerNet
from common.scripts.command_line import CommandError
from dataset.mnist import load_mnist

ROOT = Path(__file__).parents[2]
TINY = ["--hidden-size", "2", "--batch-size", "4", "--input-size", "6", "--output-size", "3"]
TINY += ["--directions", "3"]
P = 6 * 2 + 2 + 2 * 3 + 3
COLUMNS = ["method", "weights", "passes", "seconds", "estimate"]
COLUMNS += ["largest_error", "mean_error", "mebibytes"]
TABLE = ["compare_gradients.csv", "compare_gradients.png"]
COSTS = ["cost_against_width.csv", "cost_against_width.png"]
ERRORS = ["error_against_step.csv", "error_against_step.png"]
BY_WEIGHT = {"central", "forward", "complex", "forward-mode", "batched"}
SMALL = {
    "WIDTHS": (3, 100, 150),
    "STEPS": {name: np.array([1e-2, 1e-5]) for name in ("central", "forward", "complex")},
    "MOST_REPEATS": 3,
    "WEIGHTS_OF_AN_ESTIMATE": 5,
    "WEIGHTS_OF_A_WIDTH": 3,
}


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    for name, value in SMALL.items():
        monkeypatch.setattr(script, name, value)
    yield
    tracemalloc.stop()


@pytest.fixture
def _no_pictures(monkeypatch):
    for name in ("draw_times", "draw_errors", "draw_costs", "save_figure"):
        monkeypatch.setattr(script, name, lambda *_, **__: None)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """One run of all methods: its folder, and what it printed."""
    folder, out = tmp_path_factory.mktemp("everything"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
        for name, value in SMALL.items():
            patch.setattr(script, name, value)
        main([*TINY, "--output", str(folder)])
    return folder, out.getvalue()


@pytest.fixture
def network():
    return TwoLayerNet(6, 3, 4, rng=np.random.default_rng(0), weight_init_std=1.0)


@pytest.fixture
def batch():
    rng = np.random.default_rng(1)
    return rng.random((5, 6)), rng.integers(0, 4, 5)


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def table(out):
    """Return the lines of the table by the title of their method, in order."""
    _, _, rows = out.partition("\nmethod ")
    titles = {method.title for method in METHODS.values()}
    lines = {line[:22].rstrip(): line for line in rows.splitlines()}
    return {title: line for title, line in lines.items() if title in titles}


def titles(methods):
    return [METHODS[name].title for name in methods]


def rng():
    return np.random.default_rng(2)


def clock(monkeypatch, tick):
    """Let every look at the clock find it `tick` seconds later."""
    now = iter(np.arange(1_000_000) * tick)
    monkeypatch.setattr(script, "time", SimpleNamespace(perf_counter=lambda: float(next(now))))


# The table


def test_by_default_all_methods_are_measured_and_shown_in_order(everything):
    folder, out = everything
    assert [row["method"] for row in read(folder / TABLE[0])] == list(METHODS)
    assert list(table(out)) == titles(METHODS)


def test_the_order_of_work_has_every_method_once():
    assert sorted(script.ORDER) == sorted(METHODS)


@pytest.mark.usefixtures("_no_pictures")
@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (["reverse"], ["reverse"]),
        (["reverse", "central", "structured"], ["central", "structured", "reverse"]),
        (["random", "random"], ["random"]),
    ],
)
def test_the_methods_that_are_named_are_measured_once_each(tmp_path, capsys, named, expected):
    main([*named, *TINY, "--output", str(tmp_path)])
    assert [row["method"] for row in read(tmp_path / TABLE[0])] == expected
    assert list(table(capsys.readouterr().out)) == titles(expected)
    costs = read(tmp_path / COSTS[0])
    assert [(row["method"], int(row["hidden_size"])) for row in costs] == [
        (name, width) for width in SMALL["WIDTHS"] for name in expected
    ]


def test_the_table_shows_what_the_csv_holds(everything):
    folder, out = everything
    rows = read(folder / TABLE[0])
    assert list(rows[0]) == COLUMNS
    central = float(rows[0]["seconds"])
    for row, line in zip(rows, table(out).values(), strict=True):
        method, passes = METHODS[row["method"]], f"{int(row['passes']):,}"
        assert int(row["weights"]) == P
        assert row["estimate"] == "False"
        words = f"{passes} {method.kind}"
        words += "" if passes == method.formula else f" ({method.formula})"
        factor = central / float(row["seconds"])
        faster = f"{factor:,.0f}" if factor >= 10 else f"{factor:.1f}"
        errors = (f"{float(row[name]):.1e}" for name in ("largest_error", "mean_error"))
        memory = f"{float(row['mebibytes']):.1f} MiB"
        seconds = f"{float(row['seconds']):.6f}"
        cells = [method.title, words, seconds, faster, *errors, memory]
        assert re.split(r" {2,}", line) == cells


def test_the_lines_of_the_table_are_as_long_as_its_header(everything):
    _, out = everything
    (header,) = (line for line in out.splitlines() if line.startswith("method "))
    assert {len(line) for line in table(out).values()} == {len(header)}


def test_the_first_line_tells_the_network_and_its_gradient(everything):
    _, out = everything
    assert re.match(
        rf"the gradient of a 6-2-3 network on a batch of 4: P = {P} weights, "
        r"largest entry 0\.\d+\n",
        out,
    )


def measurement(name, seconds, *, passes=2, estimate=False):
    return Measurement(METHODS[name], passes, seconds, estimate, 1e-9, 1e-10, 0.5)


def test_the_speed_up_is_that_over_central_differences():
    rows = [("central", 40.0), ("forward", 20.0), ("structured", 4.5), ("reverse", 1e-3)]
    assert script.speed_ups([measurement(*row) for row in rows]) == ["1.0", "2.0", "8.9", "40,000"]


def test_without_central_differences_nobody_knows_the_speed_up():
    rows = [measurement("forward", 20.0), measurement("reverse", 1e-3)]
    assert script.speed_ups(rows) == ["–", "–"]


def test_the_ratio_stands_beside_that_of_theory(capsys):
    script.print_ratio(
        measurement("central", 44.0, passes=40_000), measurement("reverse", 2e-3), 1e-3
    )
    assert capsys.readouterr().out == (
        "\ncentral differences : reverse mode = 22,000 : 1\n"
        "in theory 20,000 : 1 (+10.0%): 40,000 passes of 1.00 ms, "
        "against one gradient of 2.00 ms\n"
    )


@pytest.mark.usefixtures("_no_pictures")
@pytest.mark.parametrize(
    ("named", "shown"),
    [
        (["central", "reverse"], True),
        (["central", "structured"], False),
        (["reverse", "forward"], False),
    ],
)
def test_the_ratio_is_shown_if_both_its_sides_are_measured(tmp_path, capsys, named, shown):
    main([*named, *TINY, "--output", str(tmp_path)])
    out = capsys.readouterr().out
    assert ("central differences : reverse mode = " in out) == shown
    assert ("in theory " in out) == shown
    assert (f": {2 * P} passes of " in out) == shown


# Measuring


@pytest.mark.parametrize("sizes", [(1, 1, 2), (6, 3, 4), (12, 30, 5)])
@pytest.mark.parametrize("name", METHODS)
def test_the_passes_are_those_of_the_formula(name, sizes):
    inputs, hidden, classes = sizes
    weights = inputs * hidden + hidden + hidden * classes + classes
    x, t = rng().random((3, inputs)), rng().integers(0, classes, 3)
    m = measure(METHODS[name], TwoLayerNet(*sizes, rng=rng()), x, t, rng(), weights=4, directions=5)
    assert (
        m.passes
        == {
            "central": 2 * weights,
            "forward": weights + 1,
            "complex": weights,
            "structured": 2 * weights,
            "forward-mode": weights + 1,
            "batched": weights + 1,
            "random": 2 * 5,
            "reverse": 2,
            "symbolic": 2,
        }[name]
    )


@pytest.mark.parametrize("name", ["central", "complex", "random"])
def test_the_reported_passes_are_made(network, batch, monkeypatch, name):
    passes, loss = [], TwoLayerNet.loss
    with monkeypatch.context() as patch:
        patch.setattr(TwoLayerNet, "loss", lambda self, x, t: passes.append(1) or loss(self, x, t))
        options = {"directions": 5, "rng": rng()} if name == "random" else {}
        METHODS[name].function(network, *batch, **options)
    assert len(passes) == measure(METHODS[name], network, *batch, rng(), directions=5).passes


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("reverse", 0, 0),
        ("complex", 0, 1e-15),
        ("forward-mode", 0, 1e-15),
        ("batched", 0, 1e-15),
        ("central", 1e-12, 1e-8),
        ("structured", 1e-12, 1e-8),
        ("forward", 1e-10, 1e-6),
        ("random", 1e-3, 10),
    ],
)
def test_the_error_is_that_against_reverse_mode(network, batch, name, least, most):
    m = measure(METHODS[name], network, *batch, rng())
    assert least <= m.largest_error <= most
    assert least / 100 <= m.mean_error <= m.largest_error


@pytest.mark.parametrize("name", METHODS)
def test_an_estimate_is_reckoned_from_some_weights_of_methods_that_go_by_weight(
    network, batch, monkeypatch, name
):
    clock(monkeypatch, 1)
    total = 6 * 3 + 3 + 3 * 4 + 4
    m = measure(METHODS[name], network, *batch, rng(), weights=10)
    assert m.estimate == (name in BY_WEIGHT)
    assert m.seconds == pytest.approx(total / 10 if name in BY_WEIGHT else 1)


@pytest.mark.parametrize(("weights", "estimate"), [(36, True), (37, False), (38, False)])
def test_what_is_timed_on_all_weights_is_no_estimate(
    network, batch, monkeypatch, weights, estimate
):
    clock(monkeypatch, 1)
    m = measure(METHODS["central"], network, *batch, rng(), weights=weights)
    assert m.estimate == estimate
    assert m.seconds == pytest.approx(37 / min(weights, 37))


def counted(name):
    """Return a method that keeps the options of each call of its method, and where it does."""
    calls, method = [], METHODS[name]

    def function(*args, **options):
        calls.append(options)
        return method.function(*args, **options)

    return dataclasses.replace(method, function=function), calls


@pytest.mark.parametrize(("tick", "repeats"), [(1, 1), (0.2, 3), (0, 7)])
def test_short_methods_are_repeated_after_a_call_that_is_not_timed(
    network, batch, monkeypatch, tick, repeats
):
    monkeypatch.setattr(script, "MOST_REPEATS", 7)
    clock(monkeypatch, tick)
    method, calls = counted("reverse")
    m = measure(method, network, *batch, rng(), repeat_for=0.5)
    assert len(calls) == 1 + repeats
    assert m.seconds == pytest.approx(tick)


def test_an_estimate_times_as_many_weights_as_asked(network, batch):
    method, calls = counted("central")
    measure(method, network, *batch, rng(), weights=10)
    timed = calls[-1]["entries"]
    assert sum(len(indices) for indices in timed.values()) == 10
    method, calls = counted("central")
    measure(method, network, *batch, rng())
    assert calls[-1]["entries"] is None


def test_memory_is_that_of_the_largest_arrays(network, batch):
    def function(network, x, t):
        np.empty(2**20)
        return network.gradient(x, t)

    m = measure(dataclasses.replace(METHODS["reverse"], function=function), network, *batch, rng())
    assert 8 <= m.mebibytes < 9
    assert not tracemalloc.is_tracing()


def test_differences_are_those_of_all_entries_that_are_known():
    a = {"W": np.array([[1.0, 2.0], [3.0, np.nan]]), "b": np.array([5.0])}
    b = {"W": np.array([[1.0, 2.5], [2.0, 3.0]]), "b": np.array([7.0])}
    np.testing.assert_array_equal(script.differences(a, b), [0, 0.5, 1, 2])


@pytest.mark.usefixtures("_no_pictures")
def test_quick_marks_its_estimates_on_the_terminal_and_in_the_csv(tmp_path, capsys):
    main(["--quick", *TINY, "--output", str(tmp_path)])
    rows = read(tmp_path / TABLE[0])
    assert {row["method"] for row in rows if row["estimate"] == "True"} == BY_WEIGHT
    assert {row["method"] for row in rows if row["estimate"] == "False"} == set(METHODS) - BY_WEIGHT
    for row, line in zip(rows, table(capsys.readouterr().out).values(), strict=True):
        mark = "≈ " if row["method"] in BY_WEIGHT else "  "
        assert f"{mark}{float(row['seconds']):.6f}" in line
        assert ("≈" in line) == (row["method"] in BY_WEIGHT)


@pytest.mark.usefixtures("_no_pictures")
def test_quick_has_nothing_to_estimate_where_there_are_few_weights(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(script, "WEIGHTS_OF_AN_ESTIMATE", P)
    main(["--quick", "central", "batched", *TINY, "--output", str(tmp_path)])
    assert [row["estimate"] for row in read(tmp_path / TABLE[0])] == ["False", "False"]
    assert "≈" not in capsys.readouterr().out


# What is written


def test_the_tables_and_pictures_are_written_and_named(everything):
    folder, out = everything
    assert names(folder) == sorted(TABLE + ERRORS + COSTS)
    for name in names(folder):
        assert out.count(f"wrote {folder / name}\n") == 1
        if name.endswith(".png"):
            assert plt.imread(folder / name).std() > 0


def test_the_error_table_has_every_step_of_every_difference(everything):
    folder, _ = everything
    rows = read(folder / ERRORS[0])
    assert list(rows[0]) == ["method", "h", "relative_error"]
    assert [(row["method"], float(row["h"])) for row in rows] == [
        (name, h) for name in ("central", "forward", "complex") for h in (1e-2, 1e-5)
    ]
    assert all(np.isfinite(float(row["relative_error"])) for row in rows)


def test_the_cost_table_has_every_width_of_every_method(everything):
    folder, _ = everything
    rows = read(folder / COSTS[0])
    assert list(rows[0]) == ["method", "hidden_size", "seconds"]
    assert [(row["method"], int(row["hidden_size"])) for row in rows] == [
        (name, width) for width in SMALL["WIDTHS"] for name in METHODS
    ]
    assert all(float(row["seconds"]) > 0 for row in rows)


def test_without_differences_there_is_no_error_chart(tmp_path):
    main(["reverse", "structured", "random", *TINY, "--output", str(tmp_path)])
    assert names(tmp_path) == sorted(TABLE + COSTS)


def test_a_second_run_replaces_the_files_of_the_first(tmp_path):
    for seed, methods in enumerate((["forward", "reverse"], ["complex"])):
        main([*methods, *TINY, "--seed", str(seed), "--output", str(tmp_path)])
        assert names(tmp_path) == sorted(TABLE + ERRORS + COSTS)
        assert [row["method"] for row in read(tmp_path / TABLE[0])] == methods
    for name in (ERRORS[0], COSTS[0]):
        assert {row["method"] for row in read(tmp_path / name)} == {"complex"}


def test_the_error_of_a_smaller_step_is_smaller_until_rounding_wins(network, batch, monkeypatch):
    monkeypatch.setattr(script, "STEPS", {"central": [1e-3, 1e-4, 1e-13], "complex": [1e-2, 1e-20]})
    methods = [METHODS[name] for name in ("central", "complex", "reverse")]
    rows = script.errors_against_step(methods, network, *batch, rng())
    assert [(row["method"], row["h"]) for row in rows] == [
        ("central", 1e-3),
        ("central", 1e-4),
        ("central", 1e-13),
        ("complex", 1e-2),
        ("complex", 1e-20),
    ]
    large, small, tiny, complex_large, complex_tiny = (row["relative_error"] for row in rows)
    assert 0.5e-2 < small / large < 2e-2  # of order h²
    assert tiny > 1e-5
    assert 1e-8 < complex_large < 1e-2
    assert complex_tiny < 1e-14


@pytest.mark.usefixtures("_no_pictures")
def test_a_gradient_of_nothing_but_0_has_no_relative_error(tmp_path):
    main(["central", *TINY, "--output-size", "1", "--output", str(tmp_path)])
    assert (tmp_path / TABLE[0]).exists()


# The batch


def sizes(inputs, classes, batch_size=20):
    return Namespace(input_size=inputs, output_size=classes, batch_size=batch_size)


def test_digits_are_drawn_for_a_network_of_their_size():
    x, t = draw_batch(sizes(784, 10), rng())
    assert (x.shape, x.dtype, t.shape) == ((20, 784), np.float64, (20,))
    (x_train, t_train), _ = load_mnist(source="sample")
    digits = {(image.tobytes(), label) for image, label in zip(x_train, t_train, strict=True)}
    drawn = {(i.astype(x_train.dtype).tobytes(), k) for i, k in zip(x, t, strict=True)}
    assert drawn <= digits
    assert len(drawn) > 15


@pytest.mark.parametrize(("inputs", "classes"), [(784, 3), (400, 10), (500, 7)])
def test_other_sizes_get_random_numbers_as_sparse_as_digits(monkeypatch, inputs, classes):
    monkeypatch.setattr(script, "load_mnist", lambda **_: pytest.fail("digits were loaded"))
    x, t = draw_batch(sizes(inputs, classes, 100), rng())
    assert (x.shape, x.dtype, t.shape) == ((100, inputs), np.float64, (100,))
    assert np.mean(x != 0) == pytest.approx(0.2, abs=0.02)
    assert 0 <= x.min() < x.max() < 1
    assert set(t) == set(range(classes))


@pytest.mark.parametrize(("inputs", "classes"), [(784, 10), (6, 3)])
def test_the_same_seed_draws_the_same_batch_and_another_seed_another(inputs, classes):
    first, again, other = (
        draw_batch(sizes(inputs, classes), np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


@pytest.mark.usefixtures("_no_pictures")
def test_the_script_measures_on_digits_by_default(tmp_path, capsys):
    options = ["--hidden-size", "2", "--batch-size", "4"]
    main(["central", "reverse", "--quick", *options, "--output", str(tmp_path)])
    weights = 784 * 2 + 2 + 2 * 10 + 10
    assert f"784-2-10 network on a batch of 4: P = {weights:,} " in capsys.readouterr().out
    passes = [int(row["passes"]) for row in read(tmp_path / TABLE[0])]
    assert passes == [2 * weights, 2]


# Ctrl-C


def interrupt(monkeypatch, name, call):
    """Let Ctrl-C strike in the `call`-th call of a method."""
    calls, method = [], METHODS[name]

    def function(*args, **options):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return method.function(*args, **options)

    monkeypatch.setitem(METHODS, name, dataclasses.replace(method, function=function))


@pytest.mark.usefixtures("_no_pictures")
@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("name", ["reverse", "structured", "complex"])
def test_ctrl_c_in_a_method_leaves_what_is_finished(tmp_path, capsys, monkeypatch, name, call):
    interrupt(monkeypatch, name, call)
    with pytest.raises(KeyboardInterrupt):
        main([*TINY, "--output", str(tmp_path)])
    earlier = script.ORDER[: script.ORDER.index(name)]
    finished = [method for method in METHODS if method in earlier]
    out = capsys.readouterr().out
    assert list(table(out)) == titles(finished)
    assert ("speed-up" in out) == bool(finished)
    assert names(tmp_path) == (TABLE[:1] if finished else [])
    if finished:
        assert [row["method"] for row in read(tmp_path / TABLE[0])] == finished
    assert not tracemalloc.is_tracing()


def test_ctrl_c_leaves_a_chart_of_what_is_finished(tmp_path, monkeypatch):
    interrupt(monkeypatch, "central", 1)
    with pytest.raises(KeyboardInterrupt):
        main(["central", "batched", "reverse", *TINY, "--output", str(tmp_path)])
    assert names(tmp_path) == TABLE
    assert plt.imread(tmp_path / TABLE[1]).std() > 0


@pytest.mark.usefixtures("_no_pictures")
@pytest.mark.parametrize("stage", ["errors_against_step", "costs_against_width"])
def test_ctrl_c_after_the_table_leaves_the_table(tmp_path, capsys, monkeypatch, stage):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(script, stage, stop)
    with pytest.raises(KeyboardInterrupt):
        main(["forward", "reverse", *TINY, "--output", str(tmp_path)])
    assert list(table(capsys.readouterr().out)) == titles(["forward", "reverse"])
    errors = [] if stage == "errors_against_step" else ERRORS[:1]
    assert names(tmp_path) == sorted(TABLE[:1] + errors)


# The command line


def test_an_unknown_method_is_refused_with_a_list_of_those_there_are(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["reverse", "backwards", *TINY, "--output", str(tmp_path / "out")])
    assert caught.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.endswith(f"there is no method 'backwards'; there are {', '.join(METHODS)}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "option", ["--hidden-size", "--batch-size", "--input-size", "--output-size", "--directions"]
)
def test_sizes_below_1_are_refused(tmp_path, capsys, option):
    with pytest.raises(SystemExit) as caught:
        main([*TINY, option, "0", "--output", str(tmp_path / "out")])
    assert caught.value.code == 2
    assert option in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_output_is_refused_before_anything_is_measured(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(script, "measure", lambda *_, **__: pytest.fail("it was measured"))
    (tmp_path / "taken").write_text("content")
    with pytest.raises(CommandError, match=r"taken can't be written \(it is a file\)"):
        main([*TINY, "--output", str(tmp_path / "taken")])


def test_a_read_only_output_is_refused_before_anything_is_measured(
    open_folder, read_only, monkeypatch
):
    monkeypatch.setattr(script, "measure", lambda *_, **__: pytest.fail("it was measured"))
    with read_only(open_folder), pytest.raises(CommandError, match="Permission denied"):
        main([*TINY, "--output", str(open_folder)])


def test_the_script_runs_from_a_shell(tmp_path):
    command = [sys.executable, ROOT / "ch05_backprop" / "compare_gradients.py", "--quick", *TINY]
    command += ["structured", "reverse", "--output", "out"]
    environment = {**os.environ, "PYTHONUTF8": "1"}
    process = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    assert process.stderr == ""
    assert process.returncode == 0
    assert list(table(process.stdout)) == titles(["structured", "reverse"])
    assert names(tmp_path / "out") == sorted(TABLE + COSTS)


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_ctrl_c_in_a_terminal_prints_the_table_of_what_is_finished(tmp_path):
    # The signal comes during the central differences, however fast the machine is.
    program = f"""
import dataclasses, runpy, signal, sys
from ch05_backprop.methods import METHODS

def function(network, x, t, *, entries, progress):
    def interrupt():
        progress()
        signal.raise_signal(signal.SIGINT)

    return method.function(network, x, t, entries=entries, progress=interrupt)

# A shell's background jobs ignore SIGINT, and so would what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
method = METHODS["central"]
METHODS["central"] = dataclasses.replace(method, function=function)
sys.argv = ["compare_gradients.py", "central", "reverse", "--output", {str(tmp_path)!r}]
runpy.run_module("ch05_backprop.compare_gradients", run_name="__main__")
"""
    process = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert process.returncode == 130
    assert process.stderr == "\nstopped by Ctrl-C\n"
    assert list(table(process.stdout)) == ["reverse mode"]
    assert names(tmp_path) == TABLE
