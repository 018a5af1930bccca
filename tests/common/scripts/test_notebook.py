import base64
import gzip
import json
import re

import matplotlib.pyplot as plt
import pytest

from common.functions import softmax
from common.layers import Relu
from common.scripts.notebook import show_source, slider


def draw(h):
    """Draw h as a title & nothing else.

    And no more.
    """
    fig, ax = plt.subplots(figsize=(2, 2))
    ax.set_title(f"h = {h}")
    return fig


def test_the_source_shown_is_that_which_runs_without_indentation():
    assert show_source(softmax).data.startswith("```python\ndef softmax(x: np.ndarray)")
    assert show_source(Relu.backward).data.startswith("```python\ndef backward(self, dout")


@pytest.mark.parametrize(("default", "start"), [(None, 1), (0, 0), (2, 2), (-1, 2)])
def test_a_slider_has_a_frame_for_each_value_and_one_that_needs_no_script(default, start):
    shown = slider(draw, default=default, h=(0.5, 1.0, 20.0)).data
    assert shown == slider(draw, default=default, h=(0.5, 1.0, 20.0)).data
    assert plt.get_fignums() == []
    data = json.loads(re.search(r'"player-\w+", (\{.*\})\);', shown)[1])
    frames = json.loads(gzip.decompress(base64.b64decode(data["packed"])))
    assert len({*frames}) == 3
    assert (data["labels"], data["start"]) == (["h = 0.5", "h = 1", "h = 20"], start)
    image = re.search(
        r'class="player"><img src="data:image/svg\+xml;base64,(.*?)" alt="(.*?)"', shown
    )
    assert base64.b64decode(image[1]).decode() == frames[start]
    assert image[2] == f"Draw h as a title &amp; nothing else. {data['labels'][start]}"


@pytest.mark.parametrize(
    ("draw", "options", "error", "message"),
    [
        (draw, {}, TypeError, "the values of one argument, got none"),
        (draw, {"h": [1], "lr": [2]}, TypeError, r"the values of one argument, got \['h', 'lr'\]"),
        (draw, {"h": range(3), "default": 3}, IndexError, "out of range"),
        (draw, {"h": range(3), "default": -4}, IndexError, "out of range"),
        (lambda h: plt.figure(), {"h": [1]}, ValueError, "draw must have a docstring"),
    ],
)
def test_what_a_slider_cannot_show_is_refused_before_anything_is_drawn(
    draw, options, error, message
):
    with pytest.raises(error, match=message):
        slider(draw, **options)
    assert plt.get_fignums() == []
