"""The charts of compare_gradients.py: times, errors against the step, costs against the width."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ch05_backprop.methods import METHODS
from common.gradient_methods.methods import Method
from common.scripts.plot import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, plot_style
from common.scripts.units import readable_time

__all__ = ["draw_costs", "draw_errors", "draw_times", "slope"]

FIT_FROM = 100  # hidden units; below, what a call costs by itself hides the slope
LINES = {  # colour and marker
    "central": (ORANGE, "o"),
    "forward": (RED, "s"),
    "complex": (PURPLE, "^"),
    "structured": (GREEN, "D"),
    "forward-mode": (BLACK, "v"),
    "batched": ("#777777", "P"),
    "random": (SKY, "X"),
    "reverse": (BLUE, "*"),
    "symbolic": ("#994F00", "h"),
}


def draw_times(rows: Sequence[tuple[Method, int, float, bool]], title: str) -> Figure:
    """Draw the time of each method, on a logarithmic scale.

    Parameters
    ----------
    rows : sequence of (method, passes, seconds, estimate)
        `estimate` tells whether the time was estimated from a part.
    title : str
    """
    with plot_style():
        fig, ax = plt.subplots(figsize=(7.0, 1.3 + 0.42 * len(rows)))
        times = [seconds for _, _, seconds, _ in rows]
        for position, (method, passes, seconds, estimate) in enumerate(rows):
            # Points: a logarithmic axis has no 0 for bars to start from.
            ax.scatter(seconds, position, s=120, color=LINES[method.name][0])
            label = f"{'≈ ' if estimate else ''}{readable_time(seconds)}, {passes:,} {method.kind}"
            offset = {"xytext": (12, 0), "textcoords": "offset points"}
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            ax.annotate(label, (seconds, position), va="center", bbox=box, size=10, **offset)
        ax.set_yticks(range(len(rows)), [row[0].title for row in rows])
        ax.set_xscale("log")
        ax.set_xlim(min(times) / 5, max(times) * 1e7)
        ax.margins(y=0.1)
        ax.set_xlabel("time for one gradient (seconds, logarithmic scale)")
        ax.invert_yaxis()
        ax.set_title(title)
    return fig


def draw_errors(rows: Sequence[dict]) -> Figure:
    """Draw the relative error of differences and complex step against the step h.

    Parameters
    ----------
    rows : sequence of dict
        Each with ``method``, ``h`` and ``relative_error``.
    """
    with plot_style():
        fig, ax = plt.subplots()
        for name in dict.fromkeys(row["method"] for row in rows):
            h = np.array([row["h"] for row in rows if row["method"] == name])
            error = np.array([row["relative_error"] for row in rows if row["method"] == name])
            colour, marker = LINES[name]
            ax.loglog(h, error, marker, ls="-", ms=5, color=colour, label=METHODS[name].title)
        ax.axhline(np.finfo(float).eps, color=BLACK, lw=1, ls=":")
        ax.annotate(
            "ε, float64's precision",
            (ax.get_xlim()[0], np.finfo(float).eps),
            xytext=(4, 4),
            textcoords="offset points",
        )
        ax.set_xlabel("step h of a weight")
        ax.set_ylabel("relative error (median of some weights)")
        ax.set_title("Relative error of the gradient against the step size")
        ax.legend()
    return fig


def draw_costs(rows: Sequence[dict]) -> Figure:
    """Draw the time of each method against the number of hidden units, with the slope fitted.

    Parameters
    ----------
    rows : sequence of dict
        Each with ``method``, ``hidden_size`` and ``seconds``.
    """
    with plot_style():
        fig, ax = plt.subplots(figsize=(7.0, 6.6))
        for name in dict.fromkeys(row["method"] for row in rows):
            width = np.array([row["hidden_size"] for row in rows if row["method"] == name])
            seconds = np.array([row["seconds"] for row in rows if row["method"] == name])
            colour, marker = LINES[name]
            label = f"{METHODS[name].title}: slope {slope(width, seconds):.1f}"
            ax.loglog(width, seconds, marker, ls="-", ms=6, color=colour, label=label)
        ax.set_xticks(sorted({row["hidden_size"] for row in rows}))
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.xaxis.set_minor_locator(plt.NullLocator())
        ax.set_xlabel("hidden units (the weights grow with them)")
        ax.set_ylabel("time for one gradient (seconds)")
        ax.set_title(f"Time for one gradient (slopes fitted from {FIT_FROM} units on)")
        fig.legend(loc="outside lower center", ncols=2)
    return fig


def slope(width: np.ndarray, seconds: np.ndarray) -> float:
    """Return the exponent k of the power law seconds ∝ widthᵏ that fits best from FIT_FROM on."""
    wide = width >= FIT_FROM
    return float(np.polyfit(np.log(width[wide]), np.log(seconds[wide]), 1)[0])
