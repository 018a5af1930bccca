import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.quiver import Quiver

from ch04_numerical_gradient.gradient_field import draw, main, sum_of_squares
from common.gradient import numerical_gradient, numerical_gradient_2d

POINTS = [((3.0, 4.0), (6.0, 8.0)), ((0.0, 2.0), (0.0, 4.0)), ((3.0, 0.0), (6.0, 0.0))]


@pytest.mark.parametrize(("point", "expected"), POINTS)
def test_the_gradient_of_the_sum_of_squares(point, expected):
    gradient = numerical_gradient(sum_of_squares, np.array(point))
    np.testing.assert_allclose(gradient, expected, atol=1e-8)


def test_the_gradient_at_many_points_is_that_at_each():
    points = np.array([point for point, _ in POINTS])
    np.testing.assert_allclose(numerical_gradient_2d(sum_of_squares, points), 2 * points, atol=1e-8)


def test_the_arrows_point_downhill_and_reach_no_other_point():
    (ax,) = draw().axes
    (arrows,) = (child for child in ax.get_children() if isinstance(child, Quiver))
    directions = np.stack([arrows.U, arrows.V], axis=1)
    np.testing.assert_allclose(directions, -2 * arrows.XY, atol=1e-8)
    spacing = np.diff(np.unique(arrows.X))[0]
    assert np.hypot(*directions.T).max() / arrows.scale < np.sqrt(2) * spacing + 1e-6


def test_the_script_prints_the_gradients_and_writes_the_picture(tmp_path, capsys):
    main(["--output", str(tmp_path)])
    *lines, last = capsys.readouterr().out.splitlines()
    pattern = r"gradient at \((.+), (.+)\): \((.+), (.+)\)"
    numbers = [tuple(map(float, re.fullmatch(pattern, line).groups())) for line in lines]
    assert numbers == [(*point, *gradient) for point, gradient in POINTS]
    assert last == f"wrote {tmp_path / 'gradient_field.png'}"
    assert plt.imread(tmp_path / "gradient_field.png").std() > 0
