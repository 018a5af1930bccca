"""Pictures of what a network has learned: its weights as images, and the digits it gets wrong."""

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from common.functions import softmax
from common.scripts.plot import plot_style

__all__ = ["draw_misread_digits", "draw_weights", "weight_images"]


def weight_images(W: np.ndarray) -> np.ndarray:
    """Return the weights of a first layer as images, one for each unit or filter.

    Parameters
    ----------
    W : ndarray, shape (D, M) or (FN, C, FH, FW)
        Of an affine layer whose D inputs are the pixels of a square image, or of a convolution, of
        which the first channel is shown.

    Returns
    -------
    ndarray, shape (M, √D, √D) or (FN, FH, FW)
    """
    if W.ndim == 4:
        return W[:, 0]
    side = math.isqrt(len(W))
    if W.ndim != 2 or side * side != len(W):
        raise ValueError(
            "W must be filters (FN, C, FH, FW) or weights (D, M) of D pixels of a square image, "
            f"got shape {W.shape}"
        )
    return W.T.reshape(-1, side, side)


def draw_weights(before: np.ndarray, after: np.ndarray, most: int = 30) -> Figure:
    """Draw the weights of a first layer before and after training.

    Parameters
    ----------
    before, after : ndarray
        Weights as `weight_images` takes them, of the same shape.
    most : int
        The number of units or filters to draw at most, the first ones.
    """
    columns = 10
    rows = -(-min(most, len(weight_images(before))) // columns)
    unit = "filters" if before.ndim == 4 else "units"
    with plot_style():
        fig = plt.figure(figsize=(7.0, 2 * 0.78 * rows + 1.2))
        for half, title, W in zip(
            fig.subfigures(2, 1), ("Before", "After"), (before, after), strict=True
        ):
            images = weight_images(W)
            largest = float(np.abs(images[:most]).max())
            half.suptitle(f"{title} training: {unit} 1 to {min(most, len(images))}")
            axes = half.subplots(rows, columns, squeeze=False)
            for ax in axes.flat:
                ax.set_axis_off()
            for ax, image in zip(axes.flat, images[:most], strict=False):
                shown = ax.imshow(image, cmap="RdBu_r", vmin=-largest, vmax=largest)
            bar = half.colorbar(shown, ax=axes, pad=0.02, aspect=12)
            bar.set_label("weight")
    return fig


def draw_misread_digits(x: np.ndarray, t: np.ndarray, scores: np.ndarray, most: int = 40) -> Figure:
    """Draw the digits that a network gets wrong, in order of decreasing confidence.

    Parameters
    ----------
    x : ndarray, shape (N, 784) or (N, 1, 28, 28)
        Digits.
    t : ndarray of int, shape (N,)
        Their labels.
    scores : ndarray, shape (N, 10)
        Logits of the network.
    most : int
        The number of digits to draw at most.
    """
    taken_for = scores.argmax(axis=1)
    probability = softmax(scores).max(axis=1)
    wrong = np.flatnonzero(taken_for != t)
    wrong = wrong[np.argsort(-probability[wrong], kind="stable")]
    columns = 8
    rows = max(1, -(-min(most, len(wrong)) // columns))
    with plot_style():
        fig, axes = plt.subplots(rows, columns, figsize=(7.0, 1.25 * rows + 0.8), squeeze=False)
        for ax in axes.flat:
            ax.set_axis_off()
        for ax, n in zip(axes.flat, wrong[:most], strict=False):
            ax.imshow(x[n].reshape(28, 28), cmap="gray_r")
            ax.set_title(f"{t[n]} as {taken_for[n]}\n{probability[n]:.0%}", fontsize=11, pad=3)
        shown = f", the {most} most confident" if len(wrong) > most else ""
        fig.suptitle(f"{len(wrong):,} of {len(x):,} digits misclassified{shown}")
    return fig
