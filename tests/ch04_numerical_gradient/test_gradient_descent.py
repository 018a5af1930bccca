import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from ch04_numerical_gradient.gradient_descent import START, draw, gradient_descent, main, valley
from ch04_numerical_gradient.gradient_field import sum_of_squares


def descend(lr, **options):
    return gradient_descent(sum_of_squares, np.array(START), lr, **options)


def test_a_good_learning_rate_reaches_the_minimum():
    x, path = descend(0.1)
    np.testing.assert_allclose(x, 0, atol=1e-8)
    # Each step multiplies x by 1 − 2 η.
    np.testing.assert_allclose(path, np.outer(0.8 ** np.arange(101), START), atol=1e-8)


def test_too_large_a_learning_rate_diverges():
    x, path = descend(10.0)
    assert np.abs(x).max() > 1e10
    heights = [sum_of_squares(point) for point in path[:8]]
    assert heights == sorted(heights)


def test_too_small_a_learning_rate_gets_nowhere():
    x, _ = descend(1e-10)
    np.testing.assert_allclose(x, START, atol=1e-7)
    assert np.all(x != START)


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_the_path_leads_from_the_start_to_the_end(steps):
    x, path = descend(0.1, step_num=steps)
    assert path.shape == (steps + 1, 2)
    np.testing.assert_array_equal(path[0], START)
    np.testing.assert_array_equal(path[-1], x)


def test_the_start_is_not_changed():
    start = np.array(START)
    x, path = gradient_descent(sum_of_squares, start, 0.1, 3)
    np.testing.assert_array_equal(start, START)
    assert not np.shares_memory(x, start)
    assert not np.shares_memory(path, start)


def test_any_number_of_dimensions():
    x, path = gradient_descent(sum_of_squares, np.full(5, 2.0), 0.5, 1)
    np.testing.assert_allclose(x, np.zeros(5), atol=1e-8)
    assert path.shape == (2, 5)


def test_a_start_of_integers_is_refused():
    with pytest.raises(TypeError, match="floating-point"):
        gradient_descent(sum_of_squares, np.array([-3, 4]))


@pytest.mark.parametrize(("x", "expected"), [((0.0, 0.0), 0), ((-3.0, 4.0), 16.9), ((10, 0), 10)])
def test_the_valley(x, expected):
    assert valley(np.array(x)) == pytest.approx(expected)


def test_the_panels_say_what_happens():
    titles = [ax.get_title() for ax in draw().axes]
    assert [re.match(r"learning rate (\S+)\nf (\w+) from 16\.9", t).groups() for t in titles] == [
        ("0.01", "falls"),
        ("0.1", "falls"),
        ("0.9", "falls"),
        ("1.02", "rises"),
    ]


def test_the_script_prints_the_end_points_and_writes_the_picture(tmp_path, capsys):
    main(["--output", str(tmp_path)])
    _title, *lines, last = capsys.readouterr().out.splitlines()
    pattern = r"  learning rate (\S+) +ends at \( ?(\S+), +(\S+)\), f = (\S+)"
    rows = [tuple(map(float, re.fullmatch(pattern, line).groups())) for line in lines]
    assert [row[0] for row in rows] == [1e-10, 0.01, 0.1, 10]
    for rate, *end, height in rows:
        np.testing.assert_allclose(end, descend(rate)[0], rtol=1e-3)
        assert height == pytest.approx(end[0] ** 2 + end[1] ** 2, rel=0.01)
    assert last == f"wrote {tmp_path / 'gradient_descent.png'}"
    assert plt.imread(tmp_path / "gradient_descent.png").std() > 0
