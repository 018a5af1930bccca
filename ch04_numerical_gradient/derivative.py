"""The derivative of a function of one variable is the slope of its tangent.

Takes the derivative of f(x) = 0.01 x² + 0.1 x at two points by a central difference, compares it
with the one that calculus gives, f'(x) = 0.02 x + 0.1, and draws both tangents.
"""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np

from common.gradient import central_difference
from common.scripts.command_line import output_folder, run, script_parser
from common.scripts.plot import BLACK, BLUE, ORANGE, plot_style, save_figure

POINTS = (5.0, 10.0)


def parabola(x):
    """Return f(x) = 0.01 x² + 0.1 x."""
    return 0.01 * x**2 + 0.1 * x


def parabola_derivative(x):
    """Return f'(x) = 0.02 x + 0.1, by calculus."""
    return 0.02 * x + 0.1


def tangent(f: Callable, x: float) -> Callable:
    """Return the tangent of `f` at `x`, the line t ↦ f(x) + f'(x) (t − x), as a function.

    Examples
    --------
    >>> line = tangent(lambda x: x**2, 3.0)
    >>> round(line(4.0), 6)
    15.0
    """
    slope = central_difference(f, x)
    return lambda t: f(x) + slope * (t - x)


def draw():
    """Return a figure of the parabola with its tangents at `POINTS`."""
    with plot_style():
        fig, ax = plt.subplots()
        x = np.linspace(0, 20, 200)
        ax.plot(x, parabola(x), color=BLACK, label="f(x) = 0.01 x² + 0.1 x")
        for point, color in zip(POINTS, (BLUE, ORANGE), strict=True):
            slope = central_difference(parabola, point)
            label = f"tangent at x = {point:g}, slope {slope:.3f}"
            ax.plot(x, tangent(parabola, point)(x), "--", color=color, label=label)
            ax.plot(point, parabola(point), "o", color=color, ms=8)
        ax.set_xlabel("x")
        ax.set_ylabel("f(x)")
        ax.set_title("A parabola and its tangents")
        ax.legend()
    return fig


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    args = script_parser(__doc__, output="output/ch04_numerical_gradient").parse_args(argv)
    output_folder(args.output)

    print(f"{'x':>5}  {'central difference':>20}  {'calculus':>10}  {'error':>8}")
    for x in POINTS:
        numerical, exact = central_difference(parabola, x), parabola_derivative(x)
        print(f"{x:>5}  {numerical:>20.15f}  {exact:>10}  {abs(numerical - exact):>8.1e}")
    save_figure(draw(), args.output / "derivative.png", show=args.show)


if __name__ == "__main__":
    run(main)
