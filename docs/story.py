"""Draw the README's figure: one gradient by both chapters' methods, measured here and as published.

The times are those that ``python ch05_backprop/compare_gradients.py`` last measured and saved.
"""

import csv
from pathlib import Path

import matplotlib.pyplot as plt

from common.scripts.plot import BLUE, ORANGE, plot_style, save_figure
from common.scripts.units import readable_time

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = (40, 0.001)  # seconds, rounded: 39.71 to 42.27, and 0.001019 to 0.001148


def main():
    """Write docs/images/story.png."""
    with (ROOT / "ch05_backprop/images/compare_gradients.csv").open(encoding="utf-8") as file:
        seconds = {next(iter(row.values())): float(row["seconds"]) for row in csv.DictReader(file)}
    measured = seconds["central"], seconds["reverse"]
    with plot_style():
        fig, ax = plt.subplots(figsize=(7, 3.1), dpi=200)
        for y, (name, (slow, fast)) in enumerate(
            (("measured\nhere", measured), ("published", PUBLISHED))
        ):
            ratio = f"about {round(slow / fast, -3):,.0f} : 1"
            ax.annotate("", (fast * 1.4, y), (slow / 1.4, y), arrowprops={"arrowstyle": "->"})
            ax.text((slow * fast) ** 0.5, y + 0.08, ratio, ha="center", va="bottom", size=14)
            for time, color in ((slow, ORANGE), (fast, BLUE)):
                ax.plot(time, y, "o", ms=14, color=color)
                text = readable_time(time).replace(".00", "").replace(".0", "")
                ax.text(time, y - 0.16, text, ha="center", va="top", size=13, weight="bold")
            ax.text(4e-6, y, name, va="center", size=13)
        for time, name, color in (
            (18, "numerical gradient", ORANGE),
            (5e-4, "backpropagation", BLUE),
        ):
            ax.text(time, 1.42, name, ha="center", color=color, size=13, weight="bold")
        ax.set(xscale="log", xlim=(3e-6, 300), ylim=(-0.5, 1.65), yticks=[])
        ax.set_xlabel("seconds for one gradient of a 784-50-10 network (logarithmic scale)")
        ax.spines["left"].set_visible(False)
    save_figure(fig, ROOT / "docs/images/story.png")


if __name__ == "__main__":
    main()
