"""The decision boundary of a small network, as training moves it.

Two classes of points lie on two arms of a spiral, which no straight line separates. A network with
two inputs and 30 hidden units learns them by gradient descent; the figures show which class it
predicts at each place of the plane.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ch05_backprop.two_layer_net import TwoLayerNet
from common.scripts.command_line import output_folder, run, script_parser
from common.scripts.plot import BLACK, BLUE, ORANGE, plot_style, save_figure

__all__ = ["ITERATIONS", "draw", "spiral", "train"]

ITERATIONS = (0, 10, 30, 100, 300, 1000, 3000)
GRID = np.linspace(-1.2, 1.2, 61)
LEARNING_RATE = 1.0


def spiral(points: int = 60, *, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return points on two arms of a spiral, and which arm each is on.

    Parameters
    ----------
    points : int
        How many on each arm.
    rng : numpy.random.Generator

    Returns
    -------
    x : numpy.ndarray
        float64, of shape (2 · points, 2); coordinates from −1.2 to 1.2.
    t : numpy.ndarray
        int64, of shape (2 · points,): 0 or 1.
    """
    radius = np.linspace(0.1, 1, points)
    angle = 7 * radius + np.array([[0], [np.pi]])  # the second arm is the first, turned by 180°
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(-1, 2)
    return x + rng.normal(0, 0.02, x.shape), np.repeat([0, 1], points)


def train(x: np.ndarray, t: np.ndarray, iterations: Sequence[int], *, rng) -> dict:
    """Train a network on all points at each step, and look at it at some iterations.

    Parameters
    ----------
    x : numpy.ndarray
        Of shape (N, 2).
    t : numpy.ndarray
        Of shape (N,): 0 or 1.
    iterations : sequence of int
        When to look, in increasing order.
    rng : numpy.random.Generator

    Returns
    -------
    dict of int to (numpy.ndarray, float)
        By iteration: the score of class 1 minus that of class 0 at each place of the grid, and
        the accuracy on the points.
    """
    network = TwoLayerNet(2, 30, 2, weight_init_std=0.5, rng=rng)
    plane = np.stack(np.meshgrid(GRID, GRID), axis=-1).reshape(-1, 2)
    seen = {}
    for i in range(iterations[-1] + 1):
        if i in iterations:
            scores = network.predict(plane)
            margin = (scores[:, 1] - scores[:, 0]).reshape(len(GRID), len(GRID))
            seen[i] = margin, network.accuracy(x, t)
        for name, gradient in network.gradient(x, t).items():
            network.params[name] -= LEARNING_RATE * gradient
    return seen


def draw(x: np.ndarray, t: np.ndarray, margin: np.ndarray, accuracy: float) -> Figure:
    """Draw the points, and the regions in which the network predicts either class.

    Parameters
    ----------
    x, t : numpy.ndarray
        The points and their classes.
    margin, accuracy
        What `train` returns for one iteration.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with plot_style():
        fig, ax = plt.subplots(figsize=(5, 5))
        ax.contourf(GRID, GRID, margin, [-np.inf, 0, np.inf], colors=[BLUE, ORANGE], alpha=0.25)
        if margin.min() < 0 < margin.max():
            ax.contour(GRID, GRID, margin, [0], colors=BLACK, linewidths=1.5)
        for arm, color, marker in ((0, BLUE, "o"), (1, ORANGE, "s")):
            ax.plot(*x[t == arm].T, marker, color=color, mec="white", ms=6, label=f"class {arm}")
        ax.set(xlabel="x₀", ylabel="x₁", aspect="equal", title=f"accuracy {accuracy:.2f}")
        ax.grid(visible=False)
        ax.legend(loc="upper right", frameon=True)
    return fig


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    args = script_parser(__doc__, output="output/decision_boundary").parse_args(argv)
    output_folder(args.output)
    rng = np.random.default_rng(0)
    x, t = spiral(rng=rng)
    print("iteration  accuracy")
    for iteration, (margin, accuracy) in train(x, t, ITERATIONS, rng=rng).items():
        print(f"{iteration:>9}  {accuracy:.3f}")
        path = args.output / f"iteration_{iteration}.png"
        save_figure(draw(x, t, margin, accuracy), path)


if __name__ == "__main__":
    run(main)
