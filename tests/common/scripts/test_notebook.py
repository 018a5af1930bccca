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
    """Draw h as a title & nothing else."""
    fig, ax = plt.subplots(figsize=(2, 2))
    ax.set_title(f"h = {h}")
    return fig


def shade(h):
    fig, ax = plt.subplots(figsize=(1, 1))
    ax.imshow([[h]], vmin=0, vmax=1)
    return fig


def data(shown):
    found = json.loads(re.search(r'"player-\w+", (\{.*\})\);', shown.data)[1])
    return found | {"frames": json.loads(gzip.decompress(base64.b64decode(found["packed"])))}


def test_the_source_shown_is_that_which_runs():
    assert show_source(softmax).data.startswith("```python\ndef softmax(x: np.ndarray)")


def test_a_method_is_shown_without_its_indentation():
    assert show_source(Relu.backward).data.startswith("```python\ndef backward(self, dout")


def test_a_slider_has_a_frame_for_each_value_and_shows_the_middle_one():
    found = data(slider(draw, h=(0.5, 1.0, 20.0)))
    assert found["labels"] == ["h = 0.5", "h = 1", "h = 20"]
    assert found["start"] == 1
    assert len({*found["frames"]}) == 3
    assert all(frame.startswith("<svg") for frame in found["frames"])
    assert plt.get_fignums() == []


@pytest.mark.parametrize(("default", "start"), [(0, 0), (2, 2), (-1, 2)])
def test_the_first_figure_is_there_without_scripts(default, start):
    shown = slider(draw, default=default, h=range(3)).data
    image = re.match(r'<div [^>]*><img src="([^"]*)" alt="([^"]*)"', shown)
    kind, encoded = image[1].split(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(encoded).decode() == data(slider(draw, h=range(3)))["frames"][start]
    assert image[2] == f"Draw h as a title &amp; nothing else. h = {start}"


def test_images_are_png():
    frames = data(slider(shade, h=(0.0, 1.0)))["frames"]
    assert frames[0] != frames[1]
    assert base64.b64decode(frames[0].partition(",")[2]).startswith(b"\x89PNG")


def test_the_same_figure_gives_the_same_output():
    assert slider(draw, h=range(3)).data == slider(draw, h=range(3)).data


@pytest.mark.parametrize("values", [{}, {"h": [1], "lr": [2]}])
def test_a_slider_has_one_argument(values):
    with pytest.raises(TypeError, match="the values of one argument"):
        slider(draw, **values)


@pytest.mark.parametrize("default", [3, -4])
def test_the_default_is_one_of_the_values(default):
    with pytest.raises(IndexError):
        slider(draw, default=default, h=range(3))
