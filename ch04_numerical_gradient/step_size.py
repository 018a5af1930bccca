"""How small should h be? The error of a difference against its step.

From right to left h shrinks, and with it the truncation error: like h for the forward difference,
like h² for the central one. Then rounding takes over: f(x + h) and f(x − h) agree in ever more
digits, what is left of their difference is noise, and dividing by h makes it larger, like ε/h. The
best h lies where the two meet, and depends on the method and on the precision, float64 or float32.
"""

import matplotlib.pyplot as plt
import numpy as np

from common.gradient import best_step, central_difference, forward_difference
from common.scripts.command_line import output_folder, run, script_parser
from common.scripts.plot import BLACK, BLUE, ORANGE, plot_style, save_figure

X = 1.0  # where the derivative of sin is taken; it is cos(1) there
METHODS = (("forward", forward_difference, 1, ORANGE), ("central", central_difference, 2, BLUE))
STEPS = np.logspace(-16, 0, 129)


def errors(difference, dtype) -> np.ndarray:
    """Return |difference − cos(1)| / cos(1) for each of `STEPS`, computed in `dtype`.

    Parameters
    ----------
    difference : callable
        `forward_difference` or `central_difference`.
    dtype : floating-point dtype
    """
    x, steps = dtype(X), STEPS.astype(dtype)
    return np.abs(difference(np.sin, x, steps).astype(np.float64) - np.cos(X)) / np.cos(X)


def draw():
    """Return a figure of the relative error against h, in float64 and in float32."""
    with plot_style():
        fig, axes = plt.subplots(2, 1, sharex=True, sharey=True, figsize=(7.0, 8.0))
        for ax, dtype in zip(axes, (np.float64, np.float32), strict=True):
            for name, difference, order, color in METHODS:
                error = errors(difference, dtype)
                # An error of exactly 0, by luck, has no place on a logarithmic scale.
                error[error == 0] = np.nan
                ax.loglog(STEPS, error, color=color, lw=1.5, label=f"{name} difference")
                ax.axvline(best_step(order, dtype), color=color, ls=":")
            ax.axvline(1e-4, color="#777777", lw=1, ls="--")
            ax.set_title(f"{np.dtype(dtype).name}, ε = {np.finfo(dtype).eps:.1e}")
            ax.set_ylabel("relative error")
        axes[1].set_xlabel("step h")
        axes[0].set_ylim(1e-13, 10)
        axes[0].plot([], [], ":", color=BLACK, label="best h in theory, ε^(1/2) and ε^(1/3)")
        axes[0].plot([], [], "--", color="#777777", lw=1, label="the book's h = 1e-4")
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        fig.suptitle("Error of the numerical derivative of sin at x = 1")
    return fig


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    args = script_parser(__doc__, output="output/ch04_numerical_gradient").parse_args(argv)
    output_folder(args.output)

    print("relative error of the derivative of sin at x = 1")
    print(
        f"{'dtype':<8}  {'method':<8}  {'best h, theory':>14}  {'h with least error':>18}", end=""
    )
    print(f"  {'least error':>11}  {'error at 1e-4':>13}")
    for dtype in (np.float64, np.float32):
        for name, difference, order, _ in METHODS:
            error = errors(difference, dtype)
            best = error.argmin()
            at_1e4 = error[np.abs(STEPS - 1e-4).argmin()]
            print(f"{np.dtype(dtype).name:<8}  {name:<8}  {best_step(order, dtype):>14.0e}", end="")
            print(f"  {STEPS[best]:>18.0e}  {error[best]:>11.0e}  {at_1e4:>13.0e}")
    save_figure(draw(), args.output / "step_size.png", show=args.show)


if __name__ == "__main__":
    run(main)
