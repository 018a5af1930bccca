"""Walk down a narrow valley with each optimizer, and draw the paths.

f(x, y) = x²/20 + y² is steep across the valley and almost flat along it. Gradient descent creeps
with a small learning rate, and swings from side to side with one that is large enough to get along;
momentum, and optimizers that adapt the step to each parameter, find smoother ways. The table says
where each is after so many steps, and how high above the minimum, f(0, 0) = 0.
"""

import matplotlib.pyplot as plt
import numpy as np

from common.optimizer import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, Optimizer, RMSprop
from common.scripts.command_line import output_folder, positive_int, run, script_parser
from common.scripts.plot import BLUE, RED, plot_style, save_figure

START = (-7.0, 2.0)
OPTIMIZERS = (  # with learning rates that suit each, and one that is too small
    (SGD, {"lr": 0.1}),
    (SGD, {"lr": 0.95}),
    (Momentum, {"lr": 0.1}),
    (Nesterov, {"lr": 0.1}),
    (AdaGrad, {"lr": 1.5}),
    (RMSprop, {"lr": 0.3}),
    (Adam, {"lr": 0.3}),
    (AdamW, {"lr": 0.3, "weight_decay": 0.1}),
)
LEVELS = (0.05, 0.2, 0.5, 1, 2, 3.5, 6, 9)  # contour lines of the drawing


def valley(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return f(x, y) = x²/20 + y²."""
    return x**2 / 20 + y**2


def valley_gradient(x: float, y: float) -> dict[str, float]:
    """Return ∂f/∂x = x/10 and ∂f/∂y = 2y."""
    return {"x": x / 10, "y": 2 * y}


def walk(optimizer: Optimizer, steps: int) -> np.ndarray:
    """Return the path of `optimizer` from START, of shape (steps + 1, 2)."""
    params = dict(zip("xy", START, strict=True))
    path = [START]
    for _ in range(steps):
        optimizer.update(params, valley_gradient(**params))
        path.append(tuple(params.values()))
    return np.array(path)


def draw(paths: dict[str, np.ndarray]):
    """Return a figure with a panel for each path."""
    axis_x, axis_y = np.linspace(-8, 4, 200), np.linspace(-3, 3, 200)
    with plot_style():
        fig, axes = plt.subplots(4, 2, sharex=True, sharey=True, figsize=(7.0, 9.6))
        for ax, (title, path) in zip(axes.flat, paths.items(), strict=True):
            heights = valley(*np.meshgrid(axis_x, axis_y))
            ax.contour(axis_x, axis_y, heights, levels=LEVELS, colors="#BBBBBB", linewidths=1)
            ax.plot(*path.T, "-o", color=BLUE, ms=3, lw=1.2, label="path")
            ax.plot(0, 0, "*", color=RED, ms=13, label="minimum")
            ax.set_title(title, fontsize=11)
            ax.set_xlim(axis_x[[0, -1]])
            ax.set_ylim(axis_y[[0, -1]])
        axes[0, 0].legend(loc="upper right")
        fig.supxlabel("x")
        fig.supylabel("y")
        steps = len(path) - 1
        fig.suptitle(f"{steps} steps of each optimizer on f = x²/20 + y²")
    return fig


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    parser = script_parser(__doc__, output="output/optimizer_paths")
    parser.add_argument("--steps", type=positive_int, default=30, help="steps of each optimizer")
    args = parser.parse_args(argv)
    output_folder(args.output)

    paths = {}
    print(f"{'optimizer':<10}  {'learning rate':>13}  {'x':>8}  {'y':>8}  {'f':>9}")
    for kind, param in OPTIMIZERS:
        path = walk(kind(**param), args.steps)
        x, y = path[-1]
        paths[f"{kind.__name__}, learning rate {param['lr']:g}"] = path
        print(
            f"{kind.__name__:<10}  {param['lr']:>13g}  {x:>8.4f}  {y:>8.4f}  {valley(x, y):>9.2e}"
        )
    save_figure(draw(paths), args.output / "optimizer_paths.png", show=args.show)


if __name__ == "__main__":
    run(main)
