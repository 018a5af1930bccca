import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text

from ch05_backprop.gradient_charts import (
    FIT_FROM,
    LINES,
    draw_costs,
    draw_errors,
    draw_times,
    slope,
)
from ch05_backprop.methods import METHODS

TIMES = {  # of the default network, about
    "central": (79_520, 40.0),
    "forward": (39_761, 20.0),
    "complex": (39_760, 90.0),
    "structured": (79_520, 0.25),
    "forward-mode": (39_761, 30.0),
    "batched": (39_761, 10.0),
    "random": (200, 0.1),
    "reverse": (2, 5e-4),
    "symbolic": (2, 5e-4),
}
WIDTHS = (10, 30, 100, 300, 1000)
DIFFERENCES = ("central", "forward", "complex")


def times(*names, estimate=False):
    return [(METHODS[name], *TIMES[name], estimate) for name in names or TIMES]


def errors(*names):
    return [
        {"method": name, "h": h, "relative_error": h**2 + 1e-16 / h}
        for name in names or DIFFERENCES
        for h in np.logspace(-1, -14, 27)
    ]


def costs(*names, power=1):
    return [
        {"method": name, "hidden_size": width, "seconds": TIMES[name][1] * (width / 50) ** power}
        for width in WIDTHS
        for name in names or TIMES
    ]


def legend(ax):
    return [text.get_text() for text in legend_texts(ax)]


def legend_texts(ax):
    found = [*ax.figure.legends, *filter(None, [ax.get_legend()])]
    return [text for one in found for text in one.get_texts()]


def assert_all_text_is_inside(fig):
    fig.canvas.draw()
    (ax,) = fig.axes
    texts = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
    texts += legend_texts(ax) or ax.get_yticklabels()
    for text in filter(Text.get_text, texts):
        box = text.get_window_extent()
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= fig.bbox.x1 and box.y1 <= fig.bbox.y1
        assert inside, f"{text.get_text()!r} at {box} of {fig.bbox.bounds}"


def test_every_rung_has_a_colour_of_its_own():
    assert LINES.keys() == METHODS.keys()
    assert len({colour for colour, _ in LINES.values()}) == len(LINES)


# Times


def test_times_are_points_labelled_with_readable_units_and_passes():
    (ax,) = draw_times(times("central", "complex", "reverse"), "A title").axes
    assert [text.get_text() for text in ax.texts] == [
        "40.0 s, 79,520 passes",
        "90.0 s, 39,760 complex passes",
        "500 µs, 2 passes",
    ]
    points = [tuple(points.get_offsets()[0]) for points in ax.collections]
    assert points == [(40.0, 0), (90.0, 1), (5e-4, 2)]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [
        "central differences",
        "complex step",
        "reverse mode",
    ]
    assert ax.get_title() == "A title"


def test_times_have_a_logarithmic_axis_in_seconds_and_the_first_rung_on_top():
    (ax,) = draw_times(times(), "A title").axes
    assert ax.get_xscale() == "log"
    assert "seconds" in ax.get_xlabel()
    assert "logarithmic" in ax.get_xlabel()
    bottom, top = ax.get_ylim()
    assert top < 0 < len(TIMES) - 1 < bottom
    left, right = ax.get_xlim()
    assert left < 5e-4 < 90.0 < right


def test_only_estimates_are_marked_as_such():
    rows = [*times("central", estimate=True), *times("reverse")]
    (ax,) = draw_times(rows, "A title").axes
    assert [text.get_text() for text in ax.texts] == ["≈ 40.0 s, 79,520 passes", "500 µs, 2 passes"]


@pytest.mark.parametrize("name", TIMES)
def test_a_chart_of_one_time_keeps_its_text_inside(name):
    assert_all_text_is_inside(draw_times(times(name, estimate=True), "One gradient"))


@pytest.mark.parametrize("size", ["784-50-10", "784-1000-10"])
def test_a_chart_of_all_times_keeps_its_text_inside(size):
    factor = 20 if "1000" in size else 1
    rows = [
        (method, passes * factor, seconds * factor**2, True)
        for method, passes, seconds, _ in times()
    ]
    assert_all_text_is_inside(draw_times(rows, f"One gradient of a {size} network, batch of 10000"))


# Errors against the step


def test_errors_are_drawn_on_two_logarithmic_axes_with_a_line_for_each_difference():
    rows = errors()
    (ax,) = draw_errors(rows).axes
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xlabel() == "step h of a weight"
    assert ax.get_ylabel().startswith("relative error")
    assert ax.get_title() != ""
    assert legend(ax) == [METHODS[name].title for name in DIFFERENCES]
    *lines, epsilon = ax.lines
    for line, name in zip(lines, DIFFERENCES, strict=True):
        mine = [row for row in rows if row["method"] == name]
        np.testing.assert_array_equal(line.get_xdata(), [row["h"] for row in mine])
        np.testing.assert_array_equal(line.get_ydata(), [row["relative_error"] for row in mine])
        assert (line.get_color(), line.get_marker()) == LINES[name]
    assert set(epsilon.get_ydata()) == {np.finfo(float).eps}
    assert [text.get_text() for text in ax.texts] == ["ε, float64's precision"]


@pytest.mark.parametrize("names", [(), *((name,) for name in DIFFERENCES)])
def test_a_chart_of_errors_keeps_its_text_inside(names):
    assert_all_text_is_inside(draw_errors(errors(*names)))


def test_an_error_of_0_is_left_out_of_the_logarithmic_chart():
    rows = errors("complex")
    for row in rows[5:]:
        row["relative_error"] = 0.0
    assert_all_text_is_inside(draw_errors(rows))


# Costs against the width


def test_costs_are_drawn_on_two_logarithmic_axes_with_a_line_for_each_method():
    (ax,) = draw_costs(costs(power=2)).axes
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert "hidden units" in ax.get_xlabel()
    assert "seconds" in ax.get_ylabel()
    assert f"from {FIT_FROM} units on" in ax.get_title()
    assert legend(ax) == [f"{METHODS[name].title}: slope 2.0" for name in TIMES]
    for line, name in zip(ax.lines, TIMES, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), WIDTHS)
        expected = [TIMES[name][1] * (width / 50) ** 2 for width in WIDTHS]
        np.testing.assert_array_equal(line.get_ydata(), expected)


def test_the_widths_are_written_out_at_the_axis():
    fig = draw_costs(costs())
    fig.canvas.draw()
    (ax,) = fig.axes
    labels = [tick.get_text() for tick in ax.get_xticklabels()]
    assert labels == ["10", "30", "100", "300", "1,000"]


@pytest.mark.parametrize("names", [(), ("reverse",)])
def test_a_chart_of_costs_keeps_its_text_inside(names):
    assert_all_text_is_inside(draw_costs(costs(*names)))


@pytest.mark.parametrize("power", [-1, 0, 0.5, 1, 2])
def test_the_slope_of_a_power_law_is_its_exponent(power):
    width = np.array(WIDTHS)
    assert slope(width, 3e-5 * width ** float(power)) == pytest.approx(power, abs=1e-12)


def test_the_slope_is_fitted_from_100_units_on():
    width = np.array([10, 99, 100, 300, 1000])
    seconds = np.array([7.0, 1e-9, *(2 * width[2:] ** 1.5)])
    assert slope(width, seconds) == pytest.approx(1.5, abs=1e-12)


def test_the_slope_of_noise_is_that_of_least_squares_in_logarithms():
    width, seconds = np.array([100, 1000, 10_000]), np.array([1.0, 100.0, 100.0])
    assert slope(width, seconds) == pytest.approx(1)


@pytest.mark.parametrize(
    "draw",
    [lambda: draw_times(times(), ""), lambda: draw_errors(errors()), lambda: draw_costs(costs())],
)
def test_the_style_of_a_chart_ends_with_it(draw):
    before = dict(plt.rcParams)
    draw()
    assert dict(plt.rcParams) == before
