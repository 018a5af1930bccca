"""Gradient descent: walk downhill, one small step against the gradient at a time.

x ← x − η ∇f(x). The learning rate η decides how it goes: too small, and the walk hardly gets
anywhere; too large, and each step lands higher on the other side than it began. Walks down
f(x₀, x₁) = x₀² + x₁² and down a narrow valley, f(x₀, x₁) = x₀²/10 + x₁², with several learning
rates, and draws the paths through the valley.
"""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np

from ch04_numerical_gradient.gradient_field import sum_of_squares
from common.gradient import numerical_gradient
from common.scripts.command_line import output_folder, run, script_parser
from common.scripts.plot import BLUE, RED, plot_style, save_figure

START = (-3.0, 4.0)
LEVELS = (0.02, 0.1, 0.3, 0.7, 1.5, 3, 6, 12, 24)  # contour lines of the drawing


def valley(x: np.ndarray) -> float:
    """Return f(x) = x₀²/10 + x₁² for `x` of shape (2,): steep across, gentle along."""
    return float(x[0] ** 2 / 10 + x[1] ** 2)


def gradient_descent(
    f: Callable[[np.ndarray], float], init_x: np.ndarray, lr: float = 0.01, step_num: int = 100
) -> tuple[np.ndarray, np.ndarray]:
    """Walk from `init_x` against the numerical gradient of `f`.

    Parameters
    ----------
    f : callable
        From an array of shape (D,) to a number.
    init_x : ndarray of floating-point numbers, shape (D,)
        Start; it isn't changed.
    lr : float
        Learning rate η.
    step_num : int
        Steps.

    Returns
    -------
    x : ndarray, shape (D,)
        Where the walk ends.
    path : ndarray, shape (step_num + 1, D)
        All points on the way, `init_x` first.

    Examples
    --------
    >>> x, path = gradient_descent(lambda x: np.sum(x**2), np.array([-3.0, 4.0]), lr=0.1)
    >>> print(x.round(12), path.shape)
    [-6.11e-10  8.15e-10] (101, 2)
    """
    x = init_x.copy()
    path = [x.copy()]
    for _ in range(step_num):
        x -= lr * numerical_gradient(f, x)
        path.append(x.copy())
    return x, np.array(path)


def draw(learning_rates=(0.01, 0.1, 0.9, 1.02), step_num=20):
    """Return a figure of `step_num` steps through the valley, one panel per learning rate."""
    axis0, axis1 = np.linspace(-4.5, 4.5, 200), np.linspace(-7, 7, 200)
    X0, X1 = np.meshgrid(axis0, axis1)
    with plot_style():
        fig, axes = plt.subplots(2, 2, sharex=True, sharey=True, figsize=(7.0, 7.6))
        for ax, lr in zip(axes.flat, learning_rates, strict=True):
            end, path = gradient_descent(valley, np.array(START), lr, step_num)
            ax.contour(X0, X1, X0**2 / 10 + X1**2, levels=LEVELS, colors="#BBBBBB", linewidths=1)
            ax.plot(*path.T, "-o", color=BLUE, ms=4, lw=1.2)
            ax.plot(0, 0, "*", color=RED, ms=14, label="minimum")
            change = "falls" if valley(end) < valley(path[0]) else "rises"
            ax.set_title(
                f"learning rate {lr:g}\nf {change} from {valley(path[0]):.3g} to {valley(end):.3g}"
            )
            ax.set_xlim(axis0[[0, -1]])
            ax.set_ylim(axis1[[0, -1]])
        axes[0, 0].legend(loc="lower right")
        fig.supxlabel("x₀")
        fig.supylabel("x₁")
        fig.suptitle(f"{step_num} steps of gradient descent on f = x₀²/10 + x₁²")
    return fig


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    args = script_parser(__doc__, output="output/ch04_numerical_gradient").parse_args(argv)
    output_folder(args.output)

    print("100 steps on x₀² + x₁² from (-3, 4), where f = 25:")
    for lr in (1e-10, 0.01, 0.1, 10.0):
        x, _ = gradient_descent(sum_of_squares, np.array(START), lr)
        print(f"  learning rate {lr:<6g} ends at ({x[0]: .3e}, {x[1]: .3e})", end="")
        print(f", f = {sum_of_squares(x):.3g}")
    save_figure(draw(), args.output / "gradient_descent.png", show=args.show)


if __name__ == "__main__":
    run(main)
