import numpy as np
import pytest

from common.exercises.verdict import Verdict, Wrong, checked, expect, returned, same


@checked("that is the mean.")
def mean(answer):
    """Check a function that takes the mean of an array."""
    x = np.array([[1.0, 2.0], [3.0, 6.0]])
    same(returned(answer(x)), x.mean(axis=0), "the mean", "add up, then divide.")


@checked("a layer.")
def layer(answer):
    """Check a class, which isn't asked anything."""
    expect(isinstance(answer, type), "expected a class")


def message(verdict):
    assert isinstance(verdict, Verdict)
    assert not verdict
    return verdict.message


def test_a_right_answer_is_praised():
    verdict = mean(lambda x: x.mean(axis=0))
    assert verdict
    assert repr(verdict) == "right: that is the mean."
    assert ">right:</span> that is the mean." in verdict._repr_html_()


def unwritten(x):
    """Return the mean."""


def marked(x):
    return ...


def of_nothing(x):
    return None


@pytest.mark.parametrize(
    "answer", [None, ..., unwritten, marked, of_nothing, lambda x: None, lambda x: ...]
)
def test_an_answer_that_is_not_there_is_told(answer):
    assert message(mean(answer)) == "nothing is filled in yet"


class Half:
    def __init__(self):
        pass

    def forward(self, x):
        return x

    def backward(self, dout): ...


class Nothing:
    factor = 3

    def __init__(self):
        self.x = None

    def forward(self, x): ...

    def backward(self, dout):
        return ...


class Whole(Half):
    def backward(self, dout):
        return dout


def test_what_is_missing_of_a_class_is_told():
    assert layer(Whole)
    assert message(layer(Half)) == "backward isn't filled in yet"
    assert message(layer(Nothing)) == "nothing is filled in yet"


def test_a_function_without_a_return_is_told():
    def forgetful(x):
        x.mean(axis=0)

    assert message(mean(forgetful)) == (
        "your function returned None: is there a return at its end?"
    )


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            lambda x: x.mean(axis=1),
            "the mean at [0]: expected 2, got 1.5 (2 of 2 elements differ). "
            "Hint: add up, then divide.",
        ),
        (lambda x: x.mean(), "the mean must have shape (2,), got (). Hint: add up, then divide."),
        (
            lambda x: "2, 4",
            "the mean must be numbers, got '2, 4'. Hint: add up, then divide.",
        ),
    ],
)
def test_a_wrong_answer_is_told_where(answer, expected):
    assert message(mean(answer)) == expected


def test_an_error_is_told_with_the_readers_line():
    def answer(x):
        rows = len(x)
        return np.reshape(x, (rows, 7))  # raised within NumPy

    assert message(mean(answer)) == (
        "your code raised ValueError: cannot reshape array of size 4 into shape (2,7) "
        f"(line {answer.__code__.co_firstlineno + 2}: return np.reshape(x, (rows, 7))"
        "  # raised within NumPy)"
    )


def test_a_verdict_shows_text_as_text():
    shown = Verdict(False, "got <b> & 'x'\nHint: …")._repr_html_()
    assert "got &lt;b&gt; &amp; &#x27;x&#x27;<br>Hint: …" in shown


def contrast(colour, paper):
    def luminance(colour):
        parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return linear @ (0.2126, 0.7152, 0.0722)

    low, high = sorted((luminance(colour), luminance(paper)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize(("paper", "enough"), [("#FFFFFF", 4.5), ("#111111", 3.0)])
def test_its_colours_can_be_read(right, paper, enough):
    html = Verdict(right, "")._repr_html_()
    assert contrast(html[html.index("#") :][:7], paper) >= enough


def test_same_takes_nan_and_infinity_for_themselves():
    same([np.nan, np.inf], [np.nan, np.inf], "numbers")
    with pytest.raises(Wrong, match=r"numbers at \[1\]: expected inf, got 1"):
        same([np.nan, 1], [np.nan, np.inf], "numbers")
    with pytest.raises(Wrong, match="numbers is missing: your code returned None"):
        same(None, 1.0, "numbers")
