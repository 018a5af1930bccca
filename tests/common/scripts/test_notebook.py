import base64
import io
import os

import ipywidgets
import matplotlib.image
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from common.functions import softmax
from common.layers import Relu
from common.scripts import notebook
from common.scripts.notebook import show_source, slider


class Handle:
    """In the place of what IPython's display returns."""

    def __init__(self, shown):
        self.shown = shown

    def update(self, thing):
        self.shown[-1] = thing


@pytest.fixture
def displayed(monkeypatch):
    shown = []

    def display(thing, display_id=None):
        shown.append(thing)
        return Handle(shown) if display_id else None

    monkeypatch.setattr(notebook, "display", display)
    return shown


def draw(h):
    fig, ax = plt.subplots()
    ax.set_title(f"h = {h}")
    return fig


def title(figure):
    return figure.axes[0].get_title()


def test_the_source_shown_is_that_which_runs():
    shown = show_source(softmax)
    assert shown.data.startswith("def softmax(x: np.ndarray)")
    assert shown.language == "python"


def test_a_method_is_shown_without_its_indentation():
    assert show_source(Relu.backward).data.startswith("def backward(self, dout")


def test_a_slider_shows_its_control_and_a_figure_of_the_middle_value(displayed):
    slider(draw, h=(0.5, 1.0, 20.0))
    control, figure = displayed
    assert isinstance(control, ipywidgets.SelectionSlider)
    assert [label for label, _ in control.options] == ["0.5", "1", "20"]
    assert (control.value, control.description) == (1.0, "h")
    assert title(figure) == "h = 1.0"
    assert plt.get_fignums() == []


def test_moving_it_replaces_the_figure(displayed):
    slider(draw, default=0, h=range(3))
    assert title(displayed[1]) == "h = 0"
    displayed[0].value = 2
    assert [title(figure) for figure in displayed[1:]] == ["h = 2"]
    assert plt.get_fignums() == []


@pytest.mark.parametrize("values", [{}, {"h": [1], "lr": [2]}])
def test_a_slider_has_one_argument(values):
    with pytest.raises(TypeError, match="the values of one argument"):
        slider(draw, **values)


def test_in_a_kernel_the_figure_is_one_output_that_changes():
    cells = [
        "import matplotlib.pyplot as plt\n"
        "from common.scripts.notebook import slider\n"
        "def draw(shade):\n"
        "    fig, ax = plt.subplots(figsize=(1, 1))\n"
        "    ax.imshow([[shade]], 'gray', vmin=0, vmax=1)\n"
        "    ax.set_axis_off()\n"
        "    return fig\n"
        "slider(draw, shade=(0.0, 1.0))",
        "import ipywidgets\n"
        "from ipywidgets.widgets.widget import _instances\n"
        "[control] = [w for w in _instances.values() if hasattr(w, 'options')]",
        "control.value = 0.0",
    ]
    run = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    client = NotebookClient(run, extra_arguments=["--IPKernelApp.log_level=ERROR"])
    shades = []
    backend = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}  # tests have another one
    with client.setup_kernel(env=os.environ | backend):
        for place, cell in enumerate(run.cells):
            client.execute_cell(cell, place)
            [picture] = [o.data["image/png"] for o in run.cells[0].outputs if "image/png" in o.data]
            image = matplotlib.image.imread(io.BytesIO(base64.b64decode(picture)), "png")
            shades.append(round(float(np.median(image[..., :3]))))
    assert shades == [1, 1, 0]
