"""Whether two pictures look the same, though their files differ."""

import base64
import io

from PIL import Image, ImageChops

__all__ = ["look_the_same"]

SIDE = 6  # pixels
TOLERANCE = 18  # of 255


def look_the_same(a: str, b: str) -> bool:
    """Compare two PNGs in base64 by the mean colours of small squares.

    Means hardly move with a line that is drawn half a pixel further, as by another version of
    FreeType or another last digit; a letter or a marker that is another one moves them much more.
    A damaged picture looks like none.
    """
    try:
        first, second = _pixels(a), _pixels(b)
    except (ValueError, OSError, SyntaxError):  # SyntaxError is what Pillow raises on broken PNGs
        return False
    if first.size != second.size:
        return False
    apart = ImageChops.difference(first.reduce(SIDE), second.reduce(SIDE))
    return max(largest for _, largest in apart.getextrema()) <= TOLERANCE


def _pixels(encoded):
    """Return the picture as it looks on white paper, without transparency."""
    picture = Image.open(io.BytesIO(base64.b64decode(encoded)), formats=["PNG"]).convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(paper, picture).convert("RGB")
