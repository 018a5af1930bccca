"""Whether outputs say the same, and pictures look the same."""

import base64
import io
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pytest
from nbformat.v4 import new_output

from common.scripts.plot import plot_style
from notebooks.refreshing.comparison import difference
from notebooks.refreshing.pictures import look_the_same


def text(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def shown(encoded, **metadata):
    data = {"text/plain": "<Figure>", "image/png": encoded}
    return new_output("display_data", data, metadata=metadata)


def test_the_order_of_an_outputs_parts_makes_no_difference():
    other = new_output("display_data", {"image/png": "", "text/plain": "<Figure>"})
    assert difference([shown("")], [other]) is None


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([text("1.25\n")], [text("1.26\n")]),
        ([text("warning: a\n", "stderr")], []),
        ([text("a", "stderr")], [text("a")]),
        ([text("a")], [new_output("execute_result", {"text/plain": "a"})]),
        ([], [text("a")]),
        ([text("a\n")], [text("a\nb\n")]),
        ([shown("", width=3)], [shown("")]),
    ],
)
def test_a_difference_shows_both(a, b):
    for committed, now in ((a, b), (b, a)):
        first, *rest = difference(committed, now).splitlines()
        assert first.startswith("    committed: ")
        assert any(line.startswith("    now:       ") for line in rest)


def test_a_long_difference_begins_where_the_texts_part():
    a = "".join(f"{n}\n" for n in range(100))
    assert difference([text(a)], [text(a.replace("42", "x"))]).splitlines() == [
        "    committed: 42",
        "               43",
        "               44",
        "               … 55 more",
        "    now:       x",
        "               43",
        "               44",
        "               … 55 more",
    ]


def test_of_a_varying_output_only_the_kind_counts():
    assert difference([text("1")], [text("2")], varies=True) is None
    assert difference([text("1")], [shown("")], varies=True)
    assert difference([text("1")], [], varies=True)


# Pictures


def lines(y=(0.2, 0.9, 0.4), title="The loss falls", width=2.0):
    with plot_style():
        fig, ax = plt.subplots()
        ax.plot(y, marker="o", linewidth=width)
        ax.set_title(title)
        ax.set_xlabel("step")
    return fig


def png(fig, **options):
    image = io.BytesIO()
    fig.savefig(image, format="png", **options)
    plt.close(fig)
    return base64.b64encode(image.getvalue()).decode()


@cache
def picture():
    return png(lines())


@pytest.mark.parametrize(
    "same",
    [
        lambda: png(lines(), pil_kwargs={"compress_level": 1}),
        lambda: png(lines(y=(0.2, 0.9 + 1e-4, 0.4))),
        lambda: png(lines(width=2.1)),
    ],
    ids=["compression", "a tenth of a pixel", "a little wider"],
)
def test_pictures_that_look_the_same_are_the_same(same):
    a, b = picture(), same()
    assert a != b
    assert difference([shown(a)], [shown(b)]) is None


@pytest.mark.parametrize(
    "other",
    [
        lambda: png(lines(y=(0.2, 0.9, 0.45))),
        lambda: png(lines(title="The loss fells")),
        lambda: png(lines(width=3)),
        lambda: png(lines(), dpi=50),
        lambda: base64.b64encode(b"no picture").decode(),
        lambda: picture()[:200],
    ],
    ids=["a point", "a letter", "wider", "size", "no picture", "cut"],
)
def test_pictures_that_look_different_differ(other):
    assert difference([shown(picture())], [shown(other())]) == ("    the picture looks different")


def test_transparent_pictures_are_seen_on_white_paper():
    encoded = []
    for array in (np.zeros((5, 7, 4)), np.ones((5, 7, 3))):
        image = io.BytesIO()
        plt.imsave(image, array, format="png")
        encoded.append(base64.b64encode(image.getvalue()).decode())
    assert look_the_same(*encoded)
