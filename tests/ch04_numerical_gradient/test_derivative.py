import matplotlib.pyplot as plt
import numpy as np
import pytest

from ch04_numerical_gradient.derivative import (
    draw,
    main,
    parabola,
    parabola_derivative,
    tangent,
)
from common.gradient import central_difference


@pytest.mark.parametrize(("x", "expected"), [(5.0, 0.2), (10.0, 0.3), (0.0, 0.1), (-5.0, 0.0)])
def test_the_derivative_of_the_parabola(x, expected):
    assert parabola_derivative(x) == pytest.approx(expected, abs=1e-15)
    assert central_difference(parabola, x) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("x", "expected"), [(0.0, 0.0), (5.0, 0.75), (10.0, 2.0), (20.0, 6.0)])
def test_the_values_of_the_parabola(x, expected):
    assert parabola(x) == pytest.approx(expected)


@pytest.mark.parametrize("x", [5.0, 10.0])
def test_a_tangent_touches_the_parabola_and_lies_below_it(x):
    line = tangent(parabola, x)
    assert line(x) == parabola(x)
    assert line(x + 1) - line(x) == pytest.approx(parabola_derivative(x))
    others = x + np.array([-5.0, -1.0, 1.0, 5.0])
    np.testing.assert_allclose(parabola(others) - line(others), 0.01 * (others - x) ** 2, atol=1e-9)


def test_the_drawing_shows_function_and_tangents():
    (ax,) = draw().axes
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[1:] == ["tangent at x = 5, slope 0.200", "tangent at x = 10, slope 0.300"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "f(x)")


def test_the_script_prints_both_derivatives_and_writes_the_picture(tmp_path, capsys):
    main(["--output", str(tmp_path / "new")])
    _header, *rows, last = capsys.readouterr().out.splitlines()
    numbers = [[float(word) for word in row.split()] for row in rows]
    assert [row[0] for row in numbers] == [5.0, 10.0]
    assert [row[1] for row in numbers] == pytest.approx([0.2, 0.3], abs=1e-10)
    assert [row[2] for row in numbers] == pytest.approx([0.2, 0.3], abs=1e-15)
    for row in numbers:
        assert row[3] == pytest.approx(abs(row[1] - row[2]), rel=0.1)
    path = tmp_path / "new" / "derivative.png"
    assert last == f"wrote {path}"
    assert plt.imread(path).std() > 0
