"""The gradient of a function of two variables is a field of arrows that point uphill.

Takes the gradient of f(x₀, x₁) = x₀² + x₁² at some points by central differences, and draws its
negative on a grid: every arrow points downhill, across the contour lines, and is longer where the
slope is steeper.
"""

import matplotlib.pyplot as plt
import numpy as np

from common.gradient import numerical_gradient, numerical_gradient_2d
from common.scripts.command_line import output_folder, run, script_parser
from common.scripts.plot import BLACK, BLUE, plot_style, save_figure


def sum_of_squares(x: np.ndarray) -> float:
    """Return f(x) = x₀² + x₁² for `x` of shape (2,)."""
    return float(np.sum(x**2))


def draw():
    """Return a figure of the negative gradient of `sum_of_squares`, over its contour lines."""
    axis = np.arange(-2, 2.01, 0.25)
    X0, X1 = np.meshgrid(axis, axis)
    points = np.stack([X0.ravel(), X1.ravel()], axis=1)
    gradients = numerical_gradient_2d(sum_of_squares, points)

    with plot_style():
        fig, ax = plt.subplots(figsize=(7.0, 6.4))
        fine = np.linspace(-2, 2, 200)
        f = fine**2 + fine[:, np.newaxis] ** 2
        contours = ax.contour(
            fine, fine, f, levels=(0.25, 1, 2, 4, 6), colors="#999999", linewidths=1
        )
        for label in ax.clabel(contours, fmt="f = %g", fontsize=9, colors=BLACK, zorder=3):
            label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
        ax.quiver(
            points[:, 0],
            points[:, 1],
            -gradients[:, 0],
            -gradients[:, 1],
            color=BLUE,
            angles="xy",
            scale_units="xy",
            scale=16,  # an arrow is a sixteenth as long as the gradient, so that none overlap
            width=0.006,
        )
        ax.set_aspect("equal")
        ax.set_xlabel("x₀")
        ax.set_ylabel("x₁")
        ax.set_title("Negative gradient of f = x₀² + x₁²\n(arrows at 1/16 of its length)")
    return fig


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    args = script_parser(__doc__, output="output/ch04_numerical_gradient").parse_args(argv)
    output_folder(args.output)

    for point in ([3.0, 4.0], [0.0, 2.0], [3.0, 0.0]):
        gradient = numerical_gradient(sum_of_squares, np.array(point))
        print(f"gradient at ({point[0]:g}, {point[1]:g}): ({gradient[0]:.6f}, {gradient[1]:.6f})")
    save_figure(draw(), args.output / "gradient_field.png", show=args.show)


if __name__ == "__main__":
    run(main)
