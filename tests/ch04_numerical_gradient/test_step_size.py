import matplotlib.pyplot as plt
import numpy as np
import pytest

from ch04_numerical_gradient.step_size import METHODS, STEPS, draw, errors, main
from common.gradient import best_step, central_difference, forward_difference

DTYPES = (np.float64, np.float32)


def decades(a, b):
    return abs(np.log10(a / b))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("difference", "order"), [(m[1], m[2]) for m in METHODS])
def test_the_least_error_is_near_the_best_step_in_theory(difference, order, dtype):
    least = STEPS[errors(difference, dtype).argmin()]
    assert decades(least, best_step(order, dtype)) < 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_best_central_difference_is_better_than_the_best_forward_one(dtype):
    central, forward = (errors(d, dtype).min() for d in (central_difference, forward_difference))
    assert central < forward / 5


def test_float64_is_better_than_float32():
    for _, difference, _, _ in METHODS:
        assert errors(difference, np.float64).min() < errors(difference, np.float32).min() / 1000


@pytest.mark.parametrize(("difference", "order"), [(m[1], m[2]) for m in METHODS])
def test_the_truncation_error_falls_with_the_power_of_the_step(difference, order):
    error = errors(difference, np.float64)
    large = (STEPS >= 1e-3) & (STEPS <= 1e-1)
    slope, _ = np.polyfit(np.log10(STEPS[large]), np.log10(error[large]), 1)
    assert slope == pytest.approx(order, abs=0.05)


@pytest.mark.parametrize("difference", [m[1] for m in METHODS])
def test_the_rounding_error_grows_as_the_step_shrinks(difference):
    error = errors(difference, np.float64)
    small = (STEPS >= 1e-14) & (STEPS <= 1e-9)
    slope, _ = np.polyfit(np.log10(STEPS[small]), np.log10(error[small] + 1e-300), 1)
    assert slope == pytest.approx(-1, abs=0.2)


def test_a_step_that_is_rounded_away_gives_a_derivative_of_zero():
    assert errors(central_difference, np.float32)[0] == 1


def test_the_drawing_has_both_precisions_and_a_legend():
    fig = draw()
    assert [ax.get_title().split(",")[0] for ax in fig.axes] == ["float64", "float32"]
    assert fig.axes[-1].get_xlabel() == "step h"
    (legend,) = fig.legends
    assert [text.get_text() for text in legend.get_texts()][:2] == [
        "forward difference",
        "central difference",
    ]


def test_the_script_prints_a_table_and_writes_the_picture(tmp_path, capsys):
    main(["--output", str(tmp_path)])
    _title, _header, *lines, last = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines]
    assert [row[:2] for row in rows] == [
        ["float64", "forward"],
        ["float64", "central"],
        ["float32", "forward"],
        ["float32", "central"],
    ]
    for _, _, theory, least_at, least, at_1e4 in rows:
        assert decades(float(theory), float(least_at)) < 1
        assert float(least) <= float(at_1e4)
    assert last == f"wrote {tmp_path / 'step_size.png'}"
    assert plt.imread(tmp_path / "step_size.png").std() > 0
