import xml.etree.ElementTree as ET
from functools import cache
from itertools import combinations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import PathPatch, Polygon

import common.symbolic.tensor as T
from common import symbolic as theano
from common.scripts.plot import BLACK, RED
from common.symbolic.drawing import draw
from common.symbolic.tensor import nnet

PNG = b"\x89PNG\r\n\x1a\n"


def fruit():
    apple, apples, orange, oranges, tax = T.dscalars("apple", "apples", "orange", "oranges", "tax")
    price = (apple * apples + orange * oranges) * tax
    price.name = "price"
    return price, {apple: 100, apples: 2, orange: 150, oranges: 3, tax: 1.1}


def network():
    rng = np.random.default_rng(0)
    x, t = T.dmatrix("x"), T.lvector("t")
    W1 = theano.shared(rng.normal(size=(4, 3)), "W1")
    b1 = theano.shared(np.zeros(3), "b1")
    W2 = theano.shared(rng.normal(size=(3, 2)), "W2")
    b2 = theano.shared(np.zeros(2), "b2")
    hidden = nnet.relu(T.dot(x, W1) + b1)
    hidden.name = "hidden"
    y = nnet.softmax(T.dot(hidden, W2) + b2)
    loss = nnet.categorical_crossentropy(y, t).mean()
    loss.name = "loss"
    return loss, {x: rng.normal(size=(5, 4)), t: np.array([0, 1, 0, 1, 1])}, [W1, b1, W2, b2]


def thicket(seed):
    rng = np.random.default_rng(seed)
    variables = leaves = T.dscalars("a", "b", "c", "d")
    for _ in range(22):
        operation = [T.add, T.sub, T.mul, T.maximum][rng.integers(4)]
        i, j = rng.integers(max(0, len(variables) - 8), len(variables), 2)
        variables = [*variables, operation(variables[i], variables[j])]
    total = sum(variables[-6:], start=0.5)
    return total, {v: 0.5 for v in leaves if v in theano.graph.ancestors([total])}


# Reading a drawing: what stands where, in inches from the upper left corner


class Edge:
    """An arrow: the names at its ends, what stands above and below it, and its course."""

    def __init__(self, patch, boxes, written):
        self.xs, self.ys = patch.get_path().vertices.T
        self.dotted = patch.get_linestyle() != "solid"
        start, tip = self.xs[0], self.xs[-1] + 0.1
        self.source = next(
            name for name, box in boxes if abs(box.x1 - start) < 1e-6 and inside(box, self.ys[0])
        )
        self.target = next(
            (name for name, b in boxes if b.x0 - 1e-6 < tip < b.x1 and inside(b, self.ys[-1])), ""
        )
        label = {BLACK: "", RED: ""}
        for text in written:
            gap = {"bottom": 0.03, "top": -0.03}.get(text.get_va())
            if gap and self._is_level_at(text.get_position()[0], text.get_position()[1] + gap):
                label[text.get_color()] = text.get_text()
        self.forward, self.backward = label.values()

    def _is_level_at(self, x, y):
        return any(
            self.xs[i] < x < self.xs[i + 1] and abs(self.ys[i] - y) + abs(self.ys[i + 1] - y) < 1e-6
            for i in range(len(self.xs) - 1)
        )

    @property
    def share(self):
        return float(self.backward.replace("−", "-"))

    def __repr__(self):
        return f"{self.source}→{self.target} {self.forward} {self.backward}"


def inside(box, y):
    return box.y0 - 1e-6 < y < box.y1 + 1e-6


def graph(figure):
    return next(ax for ax in figure.axes if ax.get_label() == "graph")


def nodes(figure):
    """Return what stands in each box or circle, and the box around that."""
    result = []
    for patch in graph(figure).patches:
        if not isinstance(patch, (PathPatch, Polygon)):
            box = patch.get_path().transformed(patch.get_patch_transform()).get_extents()
            x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
            [name] = [
                text.get_text()
                for text in graph(figure).texts
                if abs(text.get_position()[0] - x) + abs(text.get_position()[1] - y) < 1e-6
            ]
            result.append((name, box))
    return result


def edges(figure):
    boxes, written = nodes(figure), graph(figure).texts
    patches = (patch for patch in graph(figure).patches if isinstance(patch, PathPatch))
    return [Edge(patch, boxes, written) for patch in patches]


def flow(figure):
    return sorted((e.source, e.target, e.forward, e.backward) for e in edges(figure))


def texts(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def around(figure):
    return [text.get_text() for ax in figure.axes if ax is not graph(figure) for text in ax.texts]


# Values and derivatives


def test_apples_and_oranges():
    price, values = fruit()
    figure = draw(price, values=values, title="Two apples and three oranges")
    assert flow(figure) == sorted(
        [
            ("apple", "×", "100", "2.2"),
            ("apples", "×", "2", "110"),
            ("orange", "×", "150", "3.3"),
            ("oranges", "×", "3", "165"),
            ("×", "+", "200", "1.1"),
            ("×", "+", "450", "1.1"),
            ("+", "×", "650", "1.1"),
            ("tax", "×", "1.1", "650"),
            ("×", "", "715", "1"),
        ]
    )
    assert "price" in texts(figure)
    assert around(figure) == [
        "Two apples and three oranges",
        "forward: value",
        "backward: ∂price/∂…",
    ]


def test_every_edge_of_a_variable_has_its_share_and_the_sum_is_the_derivative():
    x, y = T.dscalars("x", "y")
    figure = draw(x * x * y + x * y - 3.0 * x, values={x: 5, y: 2})
    shares = [e.share for e in edges(figure) if e.source == "x"]
    assert sorted(shares) == [-3, 2, 10, 10]
    assert {"Σ 19", "Σ 30"} <= set(texts(figure))
    assert "Σ: sum of what comes back" in around(figure)


@pytest.mark.parametrize("seed", range(2))
def test_shares_add_up_to_the_adjoint(seed):
    cost, values = thicket(seed)
    figure = draw(cost, values=values)
    totals = [text[2:] for text in texts(figure) if text.startswith("Σ ")]
    for v in values:
        shares = [e.share for e in edges(figure) if e.source == v.name]
        expected = T.grad(cost, v).eval(values)
        np.testing.assert_allclose(sum(shares), expected, rtol=2e-3 * len(shares), atol=2e-2)
        assert len(shares) < 2 or f"{expected:.4g}".replace("-", "−") in totals


def test_values_are_those_of_each_call_of_a_function():
    x = T.dvector("x")
    y = T.exp(x) - 1
    f = theano.function([x], y)
    value = np.array([0.1, 0.2])
    [last] = [e for e in edges(draw(y, values={x: value})) if not e.target]
    assert last.forward == f"[{f(value)[0]:.3g}, {f(value)[1]:.3g}]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1.0, -2.0, 0.5], "[1, −2, 0.5]"),
        ([0.123456, -0.123456, 0.00123], "−0.12 … 0.12"),
        ([1.0, 2.0, 3.0, 4.5], "1 … 4.5"),
        ([7.0] * 5, "all 7"),
        ([np.nan, 1.0, 2.0, 3.0], "1 … 3, nan"),
        ([np.nan] * 4, "all nan"),
        ([np.inf] * 4, "all inf"),
        ([], "empty"),
    ],
)
def test_arrays_are_listed_if_they_are_small_else_there_is_a_range(value, text):
    x = T.dvector("x")
    assert edges(draw(x, values={x: np.array(value)}))[0].forward == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1 / 3, "0.3333"),
        (-2.5, "−2.5"),
        (12345.678, "12346"),
        (9999.99, "10000"),
        (1.5e7, "1.5e7"),
        (1e-5, "1e−5"),
        (1e-12, "1e−12"),
        (np.inf, "inf"),
        (np.nan, "nan"),
    ],
)
def test_numbers_have_four_digits(value, text):
    x = T.dscalar("x")
    assert edges(draw(x, values={x: value}))[0].forward == text


def test_integers_truths_and_complex_numbers_have_values_and_no_derivative():
    n, x, z = T.lscalar("n"), T.dvector("x"), T.zscalar("z")
    cost = (n * T.switch(x > 1, x, 0)).sum()
    figure = draw(cost, values={n: 3, x: np.arange(4.0)})
    by_name = {(e.source, e.target): e for e in edges(figure)}
    assert by_name["n", "×"].backward == ""
    assert by_name[">", "switch"].forward == "2 of 4 true"
    assert by_name[">", "switch"].backward == by_name["x", ">"].backward == ""
    assert by_name["x", "switch"].backward == "0 … 3"
    [first, _] = edges(draw(abs(z), values={z: 3 + 4j}))
    assert (first.forward, first.backward) == ("3+4j", "")


def test_a_derivative_that_is_zero_everywhere_is_shown_as_zero():
    x = T.dscalar("x")
    [first, *_] = edges(draw(T.floor(x) * x, values={x: 2.5}))
    assert (first.source, first.target, first.backward) == ("x", "floor", "0")


def test_infinite_values_are_drawn_without_a_warning():
    x = T.dscalar("x")
    figure = draw(T.log(x) * x, values={x: 0})
    assert {"−inf", "nan"} <= set(texts(figure))


def test_only_paths_to_wrt_have_derivatives():
    price, values = fruit()
    apple, *_, tax = values
    figure = draw(price, values=values, wrt=[apple, tax])
    with_derivative = {(e.source, e.backward) for e in edges(figure) if e.backward}
    assert with_derivative == {
        ("apple", "2.2"),
        ("×", "1.1"),
        ("+", "1.1"),
        ("tax", "650"),
        ("×", "1"),
    }
    assert sum(bool(e.backward) for e in edges(figure)) == 5


def test_wrt_may_be_one_variable_inside_of_the_expression():
    x = T.dscalar("x")
    inner = T.exp(x)
    figure = draw(inner * 3.0, values={x: 0}, wrt=inner)
    assert flow(figure) == [
        ("3", "×", "", ""),
        ("exp", "×", "1", "3"),
        ("x", "exp", "0", ""),
        ("×", "", "3", "1"),
    ]


def test_only_a_real_number_has_derivatives():
    x = T.dvector("x")
    figure = draw([x * 2.0], values={x: np.arange(3.0)})
    assert not any(e.backward for e in edges(figure))
    assert around(figure) == ["forward: value"]


# What is drawn


def test_without_values_shapes_are_shown_as_far_as_they_are_known():
    x, W = T.drow("x"), T.dmatrix("W")
    figure = draw(T.dot(x, W))
    assert sorted(texts(figure)) == sorted(["x", "(1, ?)", "W", "(?, ?)", "·", "(1, ?)"])
    assert not any(e.forward or e.backward for e in edges(figure))


def test_with_values_shapes_are_those_of_the_values():
    loss, values, _ = network()
    assert {"(5, 4)", "(4, 3)", "(5, 3)", "(3,)", "(5, 2)"} <= set(texts(draw(loss, values=values)))


def test_names_of_results_and_outputs_are_shown():
    loss, _, _ = network()
    assert texts(draw(loss)).count("hidden") == 1
    assert texts(draw(loss)).count("loss") == 1
    x = T.dscalar("x")
    assert {"output 0", "output 1", "x"} <= set(texts(draw([x + 1, x * 2, x])))


def test_the_rewritten_outputs_of_a_function_are_drawn():
    x = T.dscalar("x")
    f = theano.function([x], T.log(1 + T.exp(x)))
    assert [name for name, _ in nodes(draw(f))] == ["x", "softplus"]


def test_a_function_is_drawn_with_values_of_its_own_inputs():
    loss, values, [W1, *_] = network()
    drawn = draw(theano.function(list(values), loss), values=values)
    assert next(e.forward for e in edges(drawn) if not e.target) == f"{loss.eval(values):.4g}"
    assert {"input", "shared"} <= set(around(drawn))
    gradient = T.grad(loss, W1).eval(values)
    [edge] = [e for e in edges(drawn) if e.source == "W1"]
    assert edge.backward == f"{gradient.min():.2g} … {gradient.max():.2g}".replace("-", "−")


def test_values_that_a_functions_outputs_were_not_rewritten_for_are_refused():
    x, y = T.dvectors("x", "y")
    f = theano.function([x, y], (x * y).sum())
    with pytest.raises(ValueError, match=r"x.shape\[0\] == y.shape\[0\]"):
        draw(f, values={x: np.ones(3), y: np.ones(1)})


def test_a_constant_stands_beside_each_of_its_users():
    x = T.dscalar("x")
    two = T.constant(2.0)
    assert [name for name, _ in nodes(draw(x * two + two))].count("2") == 2


def test_a_named_constant_is_drawn_once_and_has_a_derivative():
    x, rate = T.dscalar("x"), T.constant(2.0, "rate")
    figure = draw(x * rate + rate, values={x: 5})
    assert [name for name, _ in nodes(figure)].count("rate") == 1
    assert "Σ 6" in texts(figure)


def test_dotted_edges_are_those_along_which_no_derivative_comes_back():
    x, i = T.dvector("x"), T.lvector("i")
    figure = draw(x[i].sum())
    assert [(e.source, e.dotted) for e in edges(figure) if e.target == "[·]"] == [
        ("x", False),
        ("i", True),
    ]
    assert "no derivative comes back" in around(figure)


def test_inputs_enter_from_top_to_bottom_where_their_order_matters():
    a, b = T.dscalars("a", "b")
    for figure in (draw(a - b), draw(b - a), draw([a - b, b - a, a / b])):
        for target in ("−", "÷"):
            box = [box for name, box in nodes(figure) if name == target]
            for one in box:
                arriving = [
                    e for e in edges(figure) if inside(one, e.ys[-1]) and e.target == target
                ]
                heights = [e.ys[-1] for e in arriving]
                assert heights == sorted(heights)


def test_odd_names_are_drawn_as_they_are(tmp_path):
    names = ["$x_$", "<b>", "^{", r"\frac", "& --> 'q'", "%"]
    y = sum(T.dscalars(*names, "a\nb", "りんご"))
    y.name = title = "$\\alpha"
    values = {v: 3.0 for v in theano.graph.ancestors([y]) if isinstance(v, theano.graph.Input)}
    draw(y, tmp_path / "a.png", values=values, title=title)
    with mpl.rc_context({"text.usetex": True}):
        figure = draw(y, tmp_path / "a.svg", values=values, title=title)
    assert {*names, "a b", "□□□", f"backward: ∂{title}/∂…"} <= set(texts(figure))
    assert texts(figure).count(title) == 2
    ET.parse(tmp_path / "a.svg")


def test_long_names_are_cut():
    assert "n" * 27 + "…" in texts(draw(T.dscalar("n" * 1000) + 1))


def test_variables_without_names_are_called_by_their_dtype():
    assert "<float32>" in texts(draw(T.fscalar() + theano.shared(2)))


# Where it is drawn


def chain(length):
    x = T.dscalar("x")
    y = x
    for _ in range(length):
        y = T.tanh(y)
    return y, {x: 1.0}


def wide():
    variables = T.dscalars(*[f"x{i}" for i in range(12)])
    return sum(variables[1:], start=variables[0]), {v: i for i, v in enumerate(variables)}


def many_inputs():
    variables = T.dvectors(*[f"x{i}" for i in range(12)])
    joined = T.concatenate(variables).reshape((3, 4))
    return joined.sum(), {v: np.ones(1) for v in variables}


def gradient():
    loss, values, [W1, *_] = network()
    return T.grad(loss, W1), values


def rewritten():
    loss, values, weights = network()
    return theano.function(list(values), [loss, *T.grad(loss, weights)]), values


def square():
    x, y = T.dscalars("x", "y")
    return (x + 2 * y) ** 2, {x: 1, y: 2}


EXPRESSIONS = {
    "fruit": fruit,
    "network": lambda: network()[:2],
    "gradient": gradient,
    "function": rewritten,
    "square": square,
    "chain": lambda: chain(10),
    "wide": wide,
    "many inputs": many_inputs,
    "leaf": lambda: chain(0),
    **{f"thicket {seed}": lambda seed=seed: thicket(seed) for seed in range(2)},
}
with_and_without_values = pytest.mark.parametrize("with_values", [False, True])
all_expressions = pytest.mark.parametrize("name", EXPRESSIONS)


@cache
def drawing(name, with_values):
    expression, values = EXPRESSIONS[name]()
    return draw(expression, values=values if with_values else None, title=name)


def overlap(a, b):
    slack = 0.5  # pixels
    return min(a.x1, b.x1) - max(a.x0, b.x0) > slack and min(a.y1, b.y1) - max(a.y0, b.y0) > slack


@all_expressions
@with_and_without_values
def test_nothing_overlaps_and_all_is_in_the_picture(name, with_values):
    figure = drawing(name, with_values)
    figure.draw_without_rendering()
    written = [(t.get_text(), t.get_window_extent()) for ax in figure.axes for t in ax.texts]
    to_pixels = graph(figure).transData
    boxes = [(text, box.transformed(to_pixels)) for text, box in nodes(figure)]
    for (one, a), (other, b) in (*combinations(written, 2), *combinations(boxes, 2)):
        assert not overlap(a, b), (one, other)
    for text, a in written:
        for other, b in boxes:
            contains = b.x0 < a.x0 and a.x1 < b.x1 and b.y0 < a.y0 and a.y1 < b.y1
            assert contains or not overlap(a, b), (text, other)
        assert figure.bbox.x0 <= a.x0, text
        assert a.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= a.y0, text
        assert a.y1 <= figure.bbox.y1, text

    for patch in graph(figure).patches:
        if isinstance(patch, PathPatch):
            [line] = patch.get_path().transformed(to_pixels).to_polygons(closed_only=False)
            xs = np.arange(line[0, 0], line[-1, 0], 0.5)
            ys = np.interp(xs, *line.T)
            for text, box in (*written, *boxes):
                above, below = ys > box.y0 + 0.5, ys < box.y1 - 0.5
                assert not (above & below & (xs > box.x0 + 1) & (xs < box.x1 - 1)).any(), text


@all_expressions
@with_and_without_values
def test_edges_go_from_left_to_right(name, with_values):
    lines = [p for p in graph(drawing(name, with_values)).patches if isinstance(p, PathPatch)]
    assert lines
    for line in lines:
        assert (np.diff(line.get_path().vertices[:, 0]) > -1e-6).all()


def test_edges_that_can_go_level_do():
    for y, values in (chain(10), wide()):
        for edge in edges(draw(y, values=values)):
            if not edge.source.startswith("x"):
                assert np.ptp(edge.ys) < 0.01


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_same_expression_gives_the_same_file(tmp_path, suffix):
    for i in range(2):
        expression, values, _ = network()
        draw(expression, tmp_path / f"{i}{suffix}", values=values)
    assert (tmp_path / f"0{suffix}").read_bytes() == (tmp_path / f"1{suffix}").read_bytes()


def test_a_larger_graph_gives_a_larger_picture():
    sizes = [draw(chain(n)[0]).get_size_inches()[0] for n in (1, 10, 40)]
    assert sizes == sorted(sizes)


# Files


def test_png_and_svg_are_written(tmp_path, capsys):
    price, values = fruit()
    figure = draw(price, tmp_path / "a.png", values=values)
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    height, width, _ = plt.imread(tmp_path / "a.png").shape
    np.testing.assert_allclose([width, height], figure.get_size_inches() * figure.dpi, atol=1)
    draw(price, str(tmp_path / "b.SVG"), values=values)
    assert ET.parse(tmp_path / "b.SVG").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.SVG"]


@pytest.mark.parametrize("path", ["a.jpg", "a", "a.png.gz"])
def test_other_formats_are_refused(tmp_path, path):
    with pytest.raises(ValueError, match=r"\.png or \.svg, got .*a"):
        draw(fruit()[0], tmp_path / path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_oserror(open_folder, read_only, tmp_path):
    price, _ = fruit()
    with pytest.raises(FileNotFoundError):
        draw(price, tmp_path / "nowhere" / "a.png")
    draw(price, tmp_path / "a.svg")  # what matplotlib reads at the first time has been read
    with read_only(open_folder), pytest.raises(PermissionError):
        draw(price, open_folder / "a.svg")
    assert list(open_folder.iterdir()) == []


def test_an_old_file_stays_if_drawing_fails(tmp_path):
    price, _ = fruit()
    (tmp_path / "a.png").write_bytes(b"old")
    with pytest.raises(ValueError, match="lack"):
        draw(price, tmp_path / "a.png", values={})
    assert (tmp_path / "a.png").read_bytes() == b"old"


def test_nothing_is_left_behind_in_pyplot_or_its_settings(tmp_path):
    before = dict(mpl.rcParams)
    draw(fruit()[0], tmp_path / "a.png")
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


def test_a_notebook_shows_the_drawing():
    assert draw(fruit()[0])._repr_png_().startswith(PNG)


def test_drawing_leaves_the_expression_as_it_is():
    loss, values, _ = network()
    before = theano.debugprint(loss, file="str")
    draw(loss, values=values)
    assert theano.debugprint(loss, file="str") == before


# Errors


def test_inputs_without_values_are_named():
    price, values = fruit()
    del values[next(iter(values))]
    with pytest.raises(ValueError, match="values lack apple, made at"):
        draw(price, values=values)
    with pytest.raises(ValueError, match=r"apple.*apples.*orange.*oranges.*tax"):
        draw(price, values={})


def test_values_must_be_of_inputs_of_the_graph():
    price, values = fruit()
    shared = theano.shared(1.0, "s")
    inner = price.inputs[0]
    for v in (T.dscalar("other"), shared, inner):
        with pytest.raises(ValueError, match=f"values have {v!r}.*no input of what is drawn"):
            draw(price * shared, values={**values, v: 1.0})
    with pytest.raises(TypeError, match="values must be of variables, got one of 'tax'"):
        draw(price, values={**values, "tax": 1.1})
    with pytest.raises(TypeError, match="values must be a dict"):
        draw(price, values=[1, 2])


@pytest.mark.parametrize("value", ["much", [1.0, 2.0], 1j, None])
def test_values_must_fit_their_variables(value):
    price, values = fruit()
    tax = list(values)[-1]
    with pytest.raises(TypeError, match=r"draw, input tax.*: expected"):
        draw(price, values=values | {tax: value})


def test_wrt_must_be_real_variables_that_the_drawn_number_depends_on():
    x, n = T.dscalar("x"), T.lscalar("n")
    y, values = x * n, {x: 1.0, n: 2}
    for wrt, error, message in (
        (n, TypeError, "wrt must be real, got int64: n"),
        ("x", TypeError, "wrt must be variables, got 'x'"),
        (T.dscalar("other"), theano.DisconnectedInputError, "doesn't depend on other"),
    ):
        with pytest.raises(error, match=message):
            draw(y, values=values, wrt=[wrt])
    with pytest.raises(ValueError, match=r"wrt .*need values"):
        draw(y, wrt=x)
    for several in ([y, y], [y > 1]):
        with pytest.raises(ValueError, match="one real number"):
            draw(several, values=values, wrt=x)


@pytest.mark.parametrize("expression", [3, None, "x", [None], {"x": 1}])
def test_only_variables_and_functions_can_be_drawn(expression):
    with pytest.raises(TypeError, match="variable"):
        draw(expression)


def test_there_must_be_something_to_draw():
    counter = theano.shared(0)
    for nothing in ([], theano.function([], updates={counter: counter + 1})):
        with pytest.raises(ValueError, match="nothing to draw"):
            draw(nothing)


def test_too_large_a_graph_is_refused_with_its_number_of_nodes():
    with pytest.raises(ValueError, match=r"5001 nodes, .*\(150, most_nodes\)"):
        draw(chain(5000)[0])
    with pytest.raises(ValueError, match="4 nodes"):
        draw(chain(3)[0], most_nodes=3)
    assert len(nodes(draw(chain(3)[0], most_nodes=4))) == 4
