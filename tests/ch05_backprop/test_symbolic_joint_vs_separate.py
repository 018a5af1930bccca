import contextlib
import csv
import gc
import io
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

import ch05_backprop.symbolic_joint_vs_separate as script
import common.symbolic.tensor as T
from ch05_backprop.symbolic_joint_vs_separate import WAYS, build, main, measure
from common.scripts.command_line import CommandError
from common.scripts.units import readable_time

ROOT = Path(__file__).parents[2]
DEPTHS = (1, 2, 3, 5)
FILES = ["symbolic_joint_vs_separate.csv", "symbolic_joint_vs_separate.png"]
COLUMNS = ["layers", "way", "variables", "runs"]
COLUMNS += ["median_seconds", "mean_seconds", "standard_deviation"]
TIMES = r"mean (\d+\.\d{6}) s \(standard deviation (\d+\.\d{6})\)"
SIZES = [script.FULL_SIZE, script.SMALL_SIZE]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(script, "DEPTHS", DEPTHS)


@pytest.fixture
def _no_pictures(monkeypatch):
    for name in ("draw", "save_figure"):
        monkeypatch.setattr(script, name, lambda *_, **__: None)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """One run of all: its folder, and what it printed."""
    folder, out = tmp_path_factory.mktemp("everything"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
        patch.setattr(script, "DEPTHS", DEPTHS)
        patch.setattr(script, "FIT_FROM", 2)
        ticks = np.random.default_rng(0).lognormal(-7, 1, 1000).cumsum()
        clock(patch, ticks)  # else a busy machine decides what is compared
        main(["--runs", "2", "--output", str(folder)])
    return folder, out.getvalue()


def read(folder):
    with (folder / FILES[0]).open(newline="") as file:
        return list(csv.DictReader(file))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def line(out, start):
    """Return the one line that begins with `start`."""
    (found,) = (text for text in out.splitlines() if text.startswith(start))
    return found


def table(out):
    """Return the numbers of layers that the table has a line for."""
    return [int(number) for number in re.findall(r"^ +(\d+) .* : 1$", out, re.MULTILINE)]


def variables_made(way, sizes):
    network = build(sizes)
    before = T.scalar().serial
    WAYS[way](network)
    return T.scalar().serial - before - 1


def deep(layers):
    return (script.WIDTH,) * (layers + 1)


def row(layers, seconds, variables, way="joint"):
    return {"layers": layers, "way": way, "variables": variables, "median_seconds": seconds}


def rows_of(layers, seconds, variables):
    """Return rows of all ways, which are alike."""
    return [
        row(*each, way) for each in zip(layers, seconds, variables, strict=True) for way in WAYS
    ]


# What is printed and written


def test_the_methods_are_printed_with_mean_and_standard_deviation(everything):
    _, out = everything
    for start in ("Efficient Method", "Inefficient Method", "Adjoints Method"):
        assert re.fullmatch(rf"{start} .* {TIMES}", line(out, start))


def test_the_ratio_is_that_of_the_means_and_stands_beside_theanos(everything):
    _, out = everything
    quick, slow, cached = (
        float(re.search(TIMES, line(out, f"{start} Method"))[1])
        for start in ("Efficient", "Inefficient", "Adjoints")
    )
    printed = r" = (\d+\.\d) : 1 \(medians \d+\.\d : 1\)"
    ours = re.fullmatch(rf"Inefficient : Efficient{printed}", line(out, "Inefficient :"))
    assert float(ours[1]) == pytest.approx(slow / quick, rel=0.02, abs=0.06)
    ours = re.fullmatch(rf" *Adjoints : Efficient{printed}", line(out, "   Adjoints :"))
    assert float(ours[1]) == pytest.approx(cached / quick, rel=0.02, abs=0.06)
    assert line(out, "   published for Theano") == (
        "   published for Theano = 5.0 : 1 (0.305081 s (0.026024) : 0.061056 s (0.013217))"
    )


def test_the_first_line_names_the_network_and_its_parameters(everything):
    _, out = everything
    assert out.startswith(
        "the gradients with respect to w, w2, w3, w4, b, b2, b3, b4 of a 16384-5000-3000-512-40 "
        "network; runs each way: 2\n"
    )


def test_the_programs_are_equally_long_unless_nothing_merges_them(everything):
    _, out = everything
    _, _, text = out.partition("the compiled gradients of a 64-50-30-20-10 network")
    found = re.findall(r"^(one .*?)  +(\d+) lines, median \d\S* \S+$", text, re.MULTILINE)
    assert [name for name, _ in found] == [
        "one T.grad for all",
        "one T.grad for each",
        "one for each, not merged",
    ]
    at_once, each, not_merged = (int(number) for _, number in found)
    assert at_once == each < not_merged / 3


def test_the_csv_has_every_way_of_every_depth(everything):
    folder, _ = everything
    rows = read(folder)
    assert list(rows[0]) == COLUMNS
    found = [(int(row["layers"]), row["way"]) for row in rows]
    assert found == [(depth, way) for depth in DEPTHS for way in WAYS]
    assert {row["runs"] for row in rows} == {"2"}
    for row in rows:
        assert float(row["mean_seconds"]) == pytest.approx(float(row["median_seconds"]))  # of two
        assert 0 <= float(row["standard_deviation"]) < float(row["mean_seconds"])


def test_the_table_shows_what_the_csv_holds(everything):
    folder, out = everything
    rows = read(folder)
    for depth in DEPTHS:
        ways = {row["way"]: row for row in rows if int(row["layers"]) == depth}
        seconds = {way: float(row["median_seconds"]) for way, row in ways.items()}
        cells = [str(depth)]
        for way, row in ways.items():
            cells += [f"{int(row['variables']):,}", readable_time(seconds[way])]
        cells.append(f"{seconds['separate'] / seconds['joint']:.1f} : 1")
        assert re.split(r" {2,}", line(out, f"{depth:>6} ").strip()) == cells


def test_the_table_is_aligned_with_its_header(everything):
    _, out = everything
    lines = [line(out, f"{depth:>6} ") for depth in DEPTHS]
    assert {len(text) for text in lines} == {len(line(out, "layers"))}


def test_the_growth_is_printed_for_every_way(everything):
    _, out = everything
    for title in script.TITLES.values():
        (growth,) = re.findall(rf"^{title} +(\S.*?)  +∝ L\^-?\d\.\d\d$", out, re.MULTILINE)
        assert re.fullmatch(
            r"\d+ L² \+ .*" if "grad for each" in title else r"\d+ L \+ \d+", growth
        )


def test_the_files_are_written_and_named(everything):
    folder, out = everything
    assert names(folder) == FILES
    for name in FILES:
        assert out.count(f"wrote {folder / name}\n") == 1
    assert plt.imread(folder / FILES[1]).std() > 0


@pytest.mark.usefixtures("_no_pictures")
def test_a_second_run_replaces_the_table_of_the_first(tmp_path):
    for runs in ("2", "1"):
        main(["--runs", runs, "--output", str(tmp_path)])
        assert names(tmp_path) == FILES[:1]
        assert {row["runs"] for row in read(tmp_path)} == {runs}


@pytest.mark.usefixtures("_no_pictures")
def test_one_run_has_no_deviation(tmp_path, capsys):
    main(["--runs", "1", "--output", str(tmp_path)])
    out = capsys.readouterr().out
    assert line(out, "Efficient Method").endswith(" s (standard deviation 0.000000)")
    assert {float(row["standard_deviation"]) for row in read(tmp_path)} == {0}


# What is derived


def test_the_network_of_full_size_has_the_parameters_of_theanos_example():
    params = build(script.FULL_SIZE).params
    assert [(param.name, *param.get_value(borrow=True).shape) for param in params] == [
        ("w", 16384, 5000),
        ("w2", 5000, 3000),
        ("w3", 3000, 512),
        ("w4", 512, 40),
        ("b", 5000),
        ("b2", 3000),
        ("b3", 512),
        ("b4", 40),
    ]


@pytest.fixture(scope="module")
def small():
    """A small network with weights, a batch, and its gradients by way and kind of program."""
    rng = np.random.default_rng(0)
    network = build((6, 5, 4, 3))
    for param in network.params:
        shape = param.get_value(borrow=True).shape
        param.set_value(rng.normal(0, 1, shape).astype(np.float32))
    x, t = rng.random((7, 6), dtype=np.float32), rng.integers(0, 3, 7)
    programs = {way: script.compiled(network, f(network)) for way, f in WAYS.items()}
    programs["not merged"] = script.unmerged(network, script.separate(network))
    sources = {way: source for way, (source, _) in programs.items()}
    return network, x, t, sources, {way: f(x, t) for way, (_, f) in programs.items()}


def test_the_gradients_are_those_by_hand(small):
    network, x, t, _, grads = small
    *weights, b, b2, b3 = (p.get_value().astype(np.float64) for p in network.params)
    inputs, h = [], x.astype(np.float64)
    for w, bias in zip(weights, (b, b2, b3), strict=True):
        inputs.append(h)
        z = h @ w + bias
        h = 1 / (1 + np.exp(-z))
    dz = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    dz[np.arange(len(t)), t] -= 1
    dz /= len(t)
    expected = []
    for w, h in zip(reversed(weights), reversed(inputs), strict=True):
        expected.append((h.T @ dz, dz.sum(axis=0)))
        dz = (dz @ w.T) * h * (1 - h)
    by_weight, by_bias = zip(*reversed(expected), strict=True)
    for grad, by_hand in zip(grads["joint"], by_weight + by_bias, strict=True):
        np.testing.assert_allclose(grad, by_hand, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("way", ["separate", "cached"])
def test_function_makes_one_program_of_all_ways(small, way):
    _, _, _, sources, grads = small
    assert script.lines(sources[way]) == script.lines(sources["joint"])
    for one, other in zip(grads[way], grads["joint"], strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_program_that_isnt_merged_is_longer_and_computes_the_same(small):
    _, _, _, sources, grads = small
    assert script.lines(sources["not merged"]) > 2 * script.lines(sources["joint"])
    for one, other in zip(grads["not merged"], grads["joint"], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("sizes", SIZES)
def test_separate_calls_derive_again_what_one_call_or_one_adjoints_keeps(sizes):
    made = {way: variables_made(way, sizes) for way in WAYS}
    assert made["separate"] >= 3 * made["joint"]
    assert made["cached"] <= 1.3 * made["joint"]


@pytest.mark.parametrize(("way", "degree"), [("joint", 1), ("cached", 1), ("separate", 2)])
def test_the_variables_made_grow_with_the_layers_or_with_their_square(way, degree):
    made = [variables_made(way, deep(layers)) for layers in (2, 4, 6, 8, 10)]
    assert (np.diff(made, degree) > 0).all()
    assert (np.diff(made, degree + 1) == 0).all()


def test_the_variables_of_the_csv_are_those_of_the_gradients(everything):
    folder, _ = everything
    variables = {(int(r["layers"]), r["way"]): int(r["variables"]) for r in read(folder)}
    for depth in DEPTHS:
        assert variables[depth, "cached"] == variables[depth, "joint"]
    assert variables[5, "separate"] > 3 * variables[5, "joint"]


# Measuring


def clock(monkeypatch, times):
    """Let every look at the clock find the next of these times."""
    now = iter(times)
    monkeypatch.setattr(script, "time", SimpleNamespace(perf_counter=lambda: float(next(now))))


def test_functions_take_turns_after_a_call_that_is_not_timed(monkeypatch):
    clock(monkeypatch, np.arange(100) * 0.5)
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = measure(functions, 3, "title")
    assert "".join(calls) == "ab" * 4
    for name in functions:
        np.testing.assert_array_equal(seconds[name], [0.5] * 3)


@pytest.mark.parametrize(("at_most", "rounds"), [(0, 1), (9, 3), (10, 4), (1000, 5)])
def test_no_round_begins_when_the_time_is_over(monkeypatch, at_most, rounds):
    clock(monkeypatch, range(100))  # which a round looks at three times
    assert len(measure({"f": int}, 5, "title", at_most)["f"]) == rounds


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_rests_while_it_is_timed_and_is_then_as_before(enabled):
    before, seen = gc.isenabled(), []
    try:
        (gc.enable if enabled else gc.disable)()
        measure({"f": lambda: seen.append(gc.isenabled())}, 2, "title")
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()
    assert seen == [False] * 3


def test_the_garbage_collector_is_back_after_ctrl_c():
    assert gc.isenabled()
    with pytest.raises(KeyboardInterrupt):
        measure({"f": stop}, 2, "title")
    assert gc.isenabled()


@pytest.mark.parametrize("power", [1, 2, 0.5])
def test_the_slope_is_that_of_the_deep_networks(power):
    layers = [1, 2, 16, 32, 64]
    rows = [row(n, 3e-4 * n**power if n >= 16 else 1.0, 0) for n in layers]
    assert script.slope(rows, "joint") == pytest.approx(power)


@pytest.mark.parametrize("layers", [[1, 2, 4, 8], [1, 2, 16], [64]])
def test_a_slope_needs_two_deep_networks(layers):
    assert script.slope([row(n, 1.0, 0) for n in layers], "joint") is None


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ([33, 48, 78, 138], "15 L + 18"),
        ([52, 113, 277, 773], "7 L² + 40 L + 5"),
        ([1, 5, 25, 113], "2 L² − 2 L + 1"),
        ([4, 8, 16, 32], "4 L"),
        ([33, 48, 78, 139], None),
        ([33, 48, 78], None),
    ],
)
def test_the_law_is_a_polynomial_that_fits_all_depths(variables, expected):
    rows = [row(n, 1.0, v) for n, v in zip((1, 2, 4, 8), variables, strict=False)]
    assert script.law(rows, "joint") == expected


@pytest.mark.parametrize("depths", [(1,), (1, 2), (1, 2, 4, 8, 16, 32, 64)])
def test_the_chart_has_a_point_for_every_depth_and_way(depths):
    seconds = [1e-3 * n for n in depths]  # 1 ms: a power of ten, and thus the edge of an axis
    fig = script.draw(rows_of(depths, seconds, [1] * len(depths)))
    fig.canvas.draw()
    (ax,) = fig.axes
    lines = {text.get_label(): text for text in ax.get_lines()}
    for title in script.TITLES.values():
        (found,) = (lines[label] for label in lines if label.startswith(title))
        np.testing.assert_array_equal(found.get_xdata(), depths)
        np.testing.assert_allclose(found.get_ydata(), seconds)
        assert (": slope 1.0" in found.get_label()) == (len(depths) == 7)
    low, high = ax.get_ylim()
    assert low < min(seconds) <= max(seconds) < high


# Ctrl-C


def stop(*_):
    raise KeyboardInterrupt


def interrupt(monkeypatch, way, layers):
    """Let Ctrl-C strike when a way is to derive the gradients of a network of so many layers."""
    original = WAYS[way]

    def interrupting(network):
        return stop() if len(network.params) == 2 * layers else original(network)

    monkeypatch.setitem(script.WAYS, way, interrupting)


@pytest.mark.usefixtures("_no_pictures")
@pytest.mark.parametrize(("way", "depth"), [("joint", 1), ("separate", 3), ("cached", 5)])
def test_ctrl_c_leaves_the_depths_that_are_finished(tmp_path, capsys, monkeypatch, way, depth):
    interrupt(monkeypatch, way, depth)
    with pytest.raises(KeyboardInterrupt):
        main(["--runs", "1", "--output", str(tmp_path)])
    finished = [n for n in DEPTHS if n < depth]
    assert names(tmp_path) == (FILES[:1] if finished else [])
    if finished:
        expected = [(str(n), each) for n in finished for each in WAYS]
        assert [(row["layers"], row["way"]) for row in read(tmp_path)] == expected
    out = capsys.readouterr().out
    assert table(out) == finished
    assert ("with L layers" in out) == bool(finished)
    assert "Inefficient Method" in out


def test_ctrl_c_leaves_a_chart_of_what_is_finished(tmp_path, monkeypatch):
    interrupt(monkeypatch, "separate", 2)
    with pytest.raises(KeyboardInterrupt):
        main(["--runs", "1", "--output", str(tmp_path)])
    assert names(tmp_path) == FILES
    assert plt.imread(tmp_path / FILES[1]).std() > 0


@pytest.mark.parametrize(
    ("stage", "printed"), [("compare_at_full_size", False), ("compare_compiled", True)]
)
def test_ctrl_c_before_the_table_leaves_what_is_printed(
    tmp_path, capsys, monkeypatch, stage, printed
):
    monkeypatch.setattr(script, stage, stop)
    with pytest.raises(KeyboardInterrupt):
        main(["--runs", "1", "--output", str(tmp_path)])
    assert ("Inefficient Method" in capsys.readouterr().out) == printed
    assert names(tmp_path) == []


# The command line


def test_a_file_in_the_place_of_the_output_is_refused_before_anything_is_measured(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(script, "measure", lambda *_: pytest.fail("it was measured"))
    (tmp_path / "taken").write_text("content")
    with pytest.raises(CommandError, match=r"taken can't be written \(it is a file\)"):
        main(["--output", str(tmp_path / "taken")])


@pytest.mark.parametrize("runs", ["0", "-1", "1.5", "many"])
def test_runs_below_1_are_refused(tmp_path, capsys, runs):
    with pytest.raises(SystemExit) as caught:
        main(["--runs", runs, "--output", str(tmp_path / "out")])
    assert caught.value.code == 2
    assert "--runs: expected an integer from 1 to" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_script_says_in_a_line_that_its_output_cant_be_written(tmp_path):
    (tmp_path / "taken").write_text("content")
    command = [sys.executable, ROOT / "ch05_backprop" / "symbolic_joint_vs_separate.py"]
    process = subprocess.run(
        [*command, "--output", "taken"], cwd=tmp_path, capture_output=True, text=True
    )
    assert process.returncode == 1
    assert process.stdout == ""
    assert re.fullmatch(r"error: the output folder taken can't be written .*\n", process.stderr)
