"""The parts of a drawing: nodes and edges, and how much room their text takes up."""

from dataclasses import dataclass, field

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

__all__ = ["Edge", "Node", "clean", "line_height", "text_width"]

# Sizes of type in points, all lengths in inches.
SYMBOL_SIZE, NAME_SIZE, VALUE_SIZE, SHAPE_SIZE = 12, 10, 9, 8
RADIUS = 0.17  # of a circle
LEAF = 0.28  # the height of a leaf's box
LABEL_GAP, NAME_GAP, LINE_GAP = 0.03, 0.03, 0.02  # to the line, above a box, below it
BETWEEN = 0.1  # nodes of a column
HEAD_LENGTH, HEAD_WIDTH = 0.1, 0.085  # of an arrow
PORT = 0.09  # between the arrowheads at a node


@dataclass(eq=False)
class Node:
    """What takes up room: a variable, the end of an arrow, the label of an edge, or a bend of one.

    Attributes
    ----------
    kind : {"input", "shared", "constant", "operation", "output", "label", "bend"}
    text : str
        What stands in it.
    above : str
        The name that stands above it, or the value above an edge.
    shape, derivative : str
        What stands below it.
    rank : int
        Its column.
    half, box : float
        Half the height of the box or circle, and its whole width.
    width, up, down : float
        How far it reaches with all its text: from side to side, and from the middle of the box.
    room : float
        How far its column reaches to each side.
    x, y : float
        The middle of the box, from the upper left corner of the drawing.
    """

    kind: str
    text: str = ""
    above: str = ""
    shape: str = ""
    derivative: str = ""
    rank: int = 0
    half: float = 0
    box: float = 0
    width: float = 0
    up: float = 0
    down: float = 0
    room: float = 0
    x: float = 0
    y: float = 0


@dataclass(eq=False)
class Edge:
    """An edge of the graph.

    Attributes
    ----------
    source, target : Node
    ordered : bool
        Whether it matters which input of the target it is.
    place : int
        Which one it is.
    dotted : bool
    label : Node or None
    course : list of Node
        What it goes through, source and target included, one for each column.
    port : float
        How far below the target's middle it arrives.
    """

    source: Node
    target: Node
    ordered: bool = False
    place: int = 0
    dotted: bool = False
    label: Node | None = None
    course: list[Node] = field(default_factory=list)
    port: float = 0


def clean(text):
    """Return a text as one line of what the font has."""
    return "".join(c if _in_font(c) else "□" for c in " ".join(text.split()))


def _in_font(character):
    fonts = [findfont(FontProperties(family=[name])) for name in FontProperties().get_family()]
    return any(get_font(font).get_char_index(ord(character)) for font in fonts)


def text_width(text, size, **style):
    """Return how wide a text is, in inches."""
    font = FontProperties(size=size, **style)
    return text_to_path.get_text_width_height_descent(text, font, False)[0] / 72 if text else 0


def line_height(size):
    """Return the height of a line of text."""
    return 1.2 * size / 72
