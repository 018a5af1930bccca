"""Draw ``lena_gray.png``, a gray image of our own for the listings that apply filters.

    python -m dataset.make_picture

A face with a hat before a window: straight edges, round ones, gradients and textures.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PICTURE = Path(__file__).resolve().parent / "lena_gray.png"
SIZE = 256


def draw_picture() -> NDArray[np.uint8]:
    """Return the image, shape (256, 256)."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE

    def ellipse(cx: float, cy: float, rx: float, ry: float) -> NDArray[np.bool_]:
        return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1

    image = 0.75 - 0.25 * y  # a wall, darker below
    window = (x > 0.06) & (x < 0.42) & (y > 0.08) & (y < 0.6)
    image[window] = 0.95 - 0.3 * x[window]
    image[window & ((abs(x - 0.24) < 0.012) | (abs(y - 0.34) < 0.012))] = 0.25
    shutter = (x > 0.84) & (y < 0.75)
    image[shutter] = 0.5 + 0.2 * np.sign(np.sin(90 * y[shutter]))  # horizontal stripes
    coat = ellipse(0.58, 1.08, 0.36, 0.32)
    image[coat] = 0.3 + 0.12 * np.sign(np.sin(120 * x[coat]))  # vertical stripes
    image[(abs(x - 0.58) < 0.07) & (y > 0.6) & (y < 0.82)] = 0.5  # neck
    face = ellipse(0.58, 0.5, 0.17, 0.23)
    image[face] = 0.92 - 1.2 * (x[face] - 0.45)  # light from the left
    image[ellipse(0.58, 0.3, 0.3, 0.055)] = 0.15  # brim
    crown = ellipse(0.58, 0.28, 0.18, 0.2) & (y < 0.28)
    image[crown] = 0.3 + 0.15 * np.sin(150 * (x + y)[crown])  # diagonal weave
    for eye in (0.51, 0.65):
        image[ellipse(eye, 0.47, 0.032, 0.016)] = 0.1
    image[(abs(x - 0.58 - 0.1 * (y - 0.5)) < 0.008) & (y > 0.48) & (y < 0.58)] = 0.35  # nose
    image[ellipse(0.58, 0.64, 0.06, 0.014)] = 0.2  # mouth
    return np.rint(255 * image.clip(0, 1)).astype(np.uint8)


if __name__ == "__main__":
    Image.fromarray(draw_picture()).save(PICTURE, optimize=True)
