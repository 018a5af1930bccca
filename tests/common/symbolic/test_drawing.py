import re
import xml.etree.ElementTree as ET
from collections import namedtuple
from functools import cache
from itertools import combinations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import FancyArrowPatch

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic.drawing import draw

SVG = "{http://www.w3.org/2000/svg}"


def bill():
    apple, apples, orange, oranges, tax = T.dscalars("apple", "apples", "orange", "oranges", "tax")
    price = (apple * apples + orange * oranges) * tax
    price.name = "price"
    return price, {apple: 100, apples: 2, orange: 150, oranges: 3, tax: 1.1}


def network():
    rng = np.random.default_rng(0)
    x, t = T.dmatrix("x"), T.lvector("t")
    W1 = theano.shared(rng.normal(size=(4, 3)), "W1")
    hidden = T.nnet.relu(T.dot(x, W1) + theano.shared(np.zeros(3), "b1"))
    hidden.name = "hidden"
    y = T.nnet.softmax(T.dot(hidden, theano.shared(rng.normal(size=(3, 2)), "W2")))
    loss = T.nnet.categorical_crossentropy(y, t).mean()
    loss.name = "loss"
    return loss, {x: rng.normal(size=(5, 4)), t: np.array([0, 1, 0, 1, 1])}


def gradients():
    loss, values = network()
    return theano.function(list(values), [loss, *T.grad(loss, list(values)[:1])]), values


def thicket(seed):
    rng = np.random.default_rng(seed)
    variables = leaves = T.dscalars("a", "b", "c", "d")
    for _ in range(22):
        operation = [T.add, T.sub, T.mul, T.maximum][rng.integers(4)]
        i, j = rng.integers(max(0, len(variables) - 8), len(variables), 2)
        variables = [*variables, operation(variables[i], variables[j])]
    total = sum(variables[-6:], start=0.5)
    used = theano.graph.ancestors([total])
    return total, {v: x for v, x in zip(leaves, rng.normal(size=4), strict=True) if v in used}


def chain(length):
    x = y = T.dscalar("x")
    for _ in range(length):
        y = T.tanh(y)
    return y, {x: 1.0}


def many_inputs():
    variables = T.dvectors(*[f"x{i}" for i in range(12)])
    joined = T.concatenate(variables).reshape((3, 4))
    return joined.sum() + sum(v[0] for v in variables), {v: np.ones(1) for v in variables}


def line_of(arrow):
    """Return the points of an arrow without its head."""
    return arrow.get_path().to_polygons(closed_only=False)[0]


Edge = namedtuple("Edge", "source target value derivative mark dotted ys")


class Read:
    """What a drawing shows: the names and boxes of the nodes, the edges, and all texts."""

    def __init__(self, figure):
        [ax] = figure.axes
        written = {text.get_gid(): text.get_text() for text in ax.texts}
        self.texts = [text.get_text() for text in ax.texts]
        self.boxes, self.edges, self.name = {}, [], {}
        for patch in ax.patches:
            gid = patch.get_gid()
            if gid.startswith("node"):
                path = patch.get_path().transformed(patch.get_patch_transform())
                self.boxes[gid] = path.get_extents()
            elif not gid.endswith("-head"):
                ends, ys = re.split("-from-|-to-", gid)[1:], line_of(patch)[:, 1]
                self.name |= {end: written.get(f"{end}-text", "") for end in ends}
                parts = (f"{gid}-above", f"{gid}-derivative", f"{gid}-mark")
                texts = [written.get(part, "") for part in parts]
                self.edges.append(Edge(*ends, *texts, patch.get_linestyle() == ":", ys))

    def flow(self):
        edges = [(self.name[e.source], self.name[e.target], *e[2:4]) for e in self.edges]
        return ", ".join(sorted(" ".join(filter(None, edge)) for edge in edges))

    def into(self, node):
        return sorted((e for e in self.edges if e.target == node), key=lambda e: e.ys[-1])

    def of(self, name):
        return [e for e in self.edges if self.name[e.source] == name]

    def named(self, name):
        return [node for node, text in self.name.items() if text == name]


def read(*args, **options):
    return Read(draw(*args, **options))


def number(text):
    return float(text.replace("−", "-"))


# Values and derivatives


def test_the_bill_and_only_paths_to_wrt_have_derivatives():
    price, values = bill()
    drawn = read(price, values=values, title="Two apples and three oranges")
    assert drawn.flow() == (
        "+ × 650 1.1, apple × 100 2.2, apples × 2 110, orange × 150 3.3, oranges × 3 165, "
        "tax × 1.1 650, × + 200 1.1, × + 450 1.1, × price 715 1"
    )
    told = {"Two apples and three oranges", "above an edge: its value", "below: ∂price/∂value"}
    assert told <= set(drawn.texts)
    apple, *_, tax = values
    assert read(price, values=values, wrt=[apple, tax]).flow() == (
        "+ × 650 1.1, apple × 100 2.2, apples × 2, orange × 150, oranges × 3, "
        "tax × 1.1 650, × + 200 1.1, × + 450, × price 715 1"
    )
    x = T.dscalar("x")
    inner = T.exp(x)
    flow = read(inner * 3.0, values={x: 0}, wrt=inner).flow()
    assert flow == "3 ×, exp × 1 3, x exp 0, × 3 1"


def computed(drawn, values):
    """Compute the output of a drawing from nothing but what is drawn."""
    operations = {"+": np.add, "−": np.subtract, "×": np.multiply, "maximum": np.maximum}

    @cache
    def value(node):
        name, arriving = drawn.name[node], drawn.into(node)
        if arriving:
            inputs = [value(edge.source) for edge in arriving]
            return operations[name](*inputs) if name in operations else inputs[0]
        if name.startswith("("):  # it comes from an earlier row
            [end] = [other for other in drawn.named(name) if drawn.into(other)]
            return value(end)
        return values.get(name) or float(name)

    [end] = [node for node in drawn.name if not drawn.name[node] and node not in drawn.boxes]
    return value(end)


@pytest.mark.parametrize(("seed", "width"), [(0, 2), (1, 7), (2, 7), (3, 40)])
def test_the_expression_is_drawn_and_contributions_add_up_to_its_derivatives(seed, width):
    cost, values = thicket(seed)
    for drawn in (read(cost, width=width), read(cost, values=values, width=width)):
        by_name = {v.name: x for v, x in values.items()}
        assert computed(drawn, by_name) == pytest.approx(cost.eval(values))
    for v in values:
        contributions = [number(e.derivative) for e in drawn.of(v.name)]
        expected, n = T.grad(cost, v).eval(values), len(contributions)
        np.testing.assert_allclose(sum(contributions), expected, rtol=2e-3 * n, atol=2e-2)
        sums = [number(text[2:]) for text in drawn.texts if text.startswith("Σ ")]
        assert n < 2 or np.isclose(sums, expected, rtol=1e-3, atol=1e-6).any()


TEXTS = (
    {"[1, −2, 0.5]": [1, -2, 0.5], "−0.12 … 0.12": [0.123456, -0.123456, 0.00123]}
    | {"1 … 4.5": [1, 2, 3, 4.5], "all 7": [7] * 5, "1 … 3, nan": [np.nan, 1, 2, 3]}
    | {"all nan": [np.nan] * 4, "all inf": [np.inf] * 4, "empty": []}
    | {"0": -0.0, "0.3333": 1 / 3, "−2.5": -2.5, "12346": 12345.678, "10000": 9999.99}
    | {"1.5e7": 1.5e7, "1e−5": 1e-5, "1e−12": 1e-12, "inf": np.inf, "nan": np.nan}
)


@pytest.mark.parametrize("text", TEXTS)
def test_numbers_have_four_digits_and_arrays_a_range(text):
    value = np.array(TEXTS[text], float)
    x = T.TensorType("float64", [False] * value.ndim)("x")
    assert read(x, values={x: value}).edges[0].value == text


def test_zeros_infinities_integers_booleans_and_complex_numbers_are_drawn():
    x, n, v, z = T.dscalar("x"), T.lscalar("n"), T.dvector("v"), T.zscalar("z")
    assert "x floor 2.5 0" in read(T.floor(x) * x, values={x: 2.5}).flow()
    assert {"−inf", "nan"} <= set(read(T.log(x) * x, values={x: 0}).texts)
    drawn = read((n * T.switch(v > 1, v, 0)).sum(), values={n: 3, v: np.arange(4.0)})
    flow = drawn.flow().split(", ")
    assert {"n × 3", "> switch 2 of 4 true", "v > 0 … 3", "v switch 0 … 3 0 … 3"} <= set(flow)
    assert read(abs(z), values={z: 3 + 4j}).flow() == "z |x| 3+4j, |x| 5"


# What is drawn


def test_shapes_and_all_outputs_are_drawn_those_of_a_function_as_they_were_rewritten():
    x, row, W = T.dscalar("x"), T.drow("row"), T.dmatrix("W")
    assert {"(1, ?)", "(?, ?)"} <= set(read(T.dot(row, W)).texts)
    drawn = read([x + 1, x * 2, x])
    assert {"output 0", "output 1", "x"} <= {drawn.name[e.target] for e in drawn.edges}
    drawn = read(theano.function([x], T.log(1 + T.exp(x))))
    assert set(drawn.name.values()) == {"x", "softplus", ""}
    assert "2" in read(T.constant(2.0)).texts
    assert "n" * 27 + "…" in read(T.dscalar("n" * 1000) + 1).texts
    assert "<float32>" in read(T.fscalar() + theano.shared(2)).texts


def test_a_function_is_drawn_with_values_of_its_own_inputs():
    loss, values = network()
    compiled = theano.function(list(values), loss)
    drawn = read(compiled, values=values)
    assert f"loss {loss.eval(values):.4g} 1" in drawn.flow()
    assert {"(5, 4)", "(4, 3)", "(5, 3)", "(3,)", "(5, 2)", "hidden", "loss"} <= set(drawn.texts)
    assert "green box: shared variable" in drawn.texts
    W1 = next(v for v in compiled.shared if v.name == "W1")
    gradient = T.grad(loss, W1).eval(values)
    expected = f"{gradient.min():.2g} … {gradient.max():.2g}".replace("-", "−")
    assert [e.derivative for e in drawn.of("W1")] == [expected]
    with pytest.raises(ValueError, match=r"values have W1.*no input"):
        draw(compiled, values=values | {W1: W1.get_value()})
    x, y = T.dvectors("x", "y")
    square = x * x
    drawn = read(theano.function([square], square.sum()), values={square: [1.0, 2.0]})
    assert "Σ 3 1" in drawn.flow()
    with pytest.raises(ValueError, match=r"x.shape\[0\] == y.shape\[0\]"):
        draw(theano.function([x, y], (x * y).sum()), values={x: np.ones(3), y: np.ones(1)})


def test_constants_stand_beside_their_users_and_edges_without_derivative_are_dotted():
    x, two, rate = T.dscalar("x"), T.constant(2.0), T.constant(2.0, "rate")
    assert len(read(x * two + two).named("2")) == 2
    drawn = read(x * rate + rate, values={x: 5})  # one with a name is a variable like others
    assert len(drawn.named("rate")) == 1
    assert {"Σ 6", "Σ: sum over the edges of a variable"} <= set(drawn.texts)
    x, i = T.dvector("x"), T.lvector("i")
    drawn = read(x[i].sum())
    assert drawn.flow() == "[·] Σ, i [·], x [·], Σ"
    assert read(T.dmatrix("x").T.sum(axis=0)).flow() == ".T Σ axis 0, x .T, Σ axis 0"
    assert [e.dotted for e in (*drawn.of("x"), *drawn.of("i"))] == [False, True]
    assert "dotted: no derivative" in drawn.texts
    drawn = read(T.mean(x), values={x: [1.0, 3.0]})
    assert [(e.derivative, e.dotted) for e in drawn.of("x")] == [("[0.5, 0.5]", False), ("", True)]


def test_the_order_of_operands_is_visible_where_it_matters():
    a, b = T.dscalars("a", "b")
    for y, sign, order in ((a - b, "−", "ab"), (b - a, "−", "ba"), (b / a, "÷", "ba")):
        drawn = read([y, a + b])
        marks = [drawn.name[e.source] + e.mark for e in drawn.into(drawn.named(sign)[0])]
        assert marks == [f"{order[0]}1", f"{order[1]}2"]
        assert "1, 2: order of operands" in drawn.texts
        operands = drawn.into(drawn.named("+")[0])
        assert [(drawn.name[e.source], e.mark) for e in operands] == [("a", ""), ("b", "")]
    for y, order in ((2 * a, ["2", "a"]), (a * 2, ["a", "2"])):
        drawn = read(y)
        assert [drawn.name[e.source] for e in drawn.into(drawn.named("×")[0])] == order


def test_odd_names_are_drawn_as_they_are(tmp_path):
    names = ["$x_$", "<b>", "^{", r"\frac", "& --> 'q'", "%"]
    y = sum(T.dscalars(*names, "a\nb", "c\x01"))
    y.name = title = "$\\alpha"
    values = {v: 3.0 for v in theano.graph.ancestors([y]) if isinstance(v, theano.graph.Input)}
    with mpl.rc_context({"text.usetex": True}):
        drawn = read(y, path=tmp_path / "a.svg", values=values, title=title)
    assert {*names, "a b", "c□", f"below: ∂{title}/∂value"} <= set(drawn.texts)
    assert drawn.texts.count(title) == 2
    svg = ET.parse(tmp_path / "a.svg").getroot()
    assert {*names, title} <= {"".join(text.itertext()) for text in svg.iter(f"{SVG}text")}
    with pytest.warns(UserWarning, match="Glyph .* missing from"):  # a box stands for it
        draw(T.dscalar("りんご") + 1, path=tmp_path / "a.svg")
    assert "りんご" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_a_name_links_one_result_to_later_rows():
    x, y = T.dscalars("x", "y")
    a, b = T.exp(x), T.exp(y)
    a.name = b.name = "h"
    drawn = read(T.tanh(a) * T.tanh(b), width=1)
    assert {"h", "h (2)"} <= set(drawn.texts)


# Where it is drawn

EXPRESSIONS = {f"thicket {seed}": lambda seed=seed: thicket(seed) for seed in range(3)}
EXPRESSIONS |= {"bill": bill, "network": network, "gradients": gradients}
EXPRESSIONS |= {"chain": lambda: chain(10), "many inputs": many_inputs, "leaf": lambda: chain(0)}


def overlap(a, b):
    slack = 0.5  # pixels
    return min(a.x1, b.x1) - max(a.x0, b.x0) > slack and min(a.y1, b.y1) - max(a.y0, b.y0) > slack


@pytest.mark.parametrize("name", EXPRESSIONS)
@pytest.mark.parametrize("with_values", [False, True])
def test_nothing_overlaps_no_edge_runs_through_a_node_and_all_is_in_the_drawing(name, with_values):
    expression, values = EXPRESSIONS[name]()
    figure = draw(expression, values=values if with_values else None, title=name)
    figure.draw_without_rendering()
    [ax] = figure.axes
    drawn = Read(figure)
    written = [(t.get_gid(), t.get_window_extent()) for t in ax.texts]
    boxes = [(n, box.transformed(ax.transData)) for n, box in drawn.boxes.items()]
    for (one, a), (other, b) in (*combinations(written, 2), *combinations(boxes, 2)):
        assert not overlap(a, b), (one, other)
    for gid, a in written:
        for node, b in boxes:
            assert gid in (f"{node}-text", f"{node}-shape") or not overlap(a, b), (gid, node)
        assert figure.bbox.x0 <= a.x0 < a.x1 <= figure.bbox.x1, gid
        assert figure.bbox.y0 <= a.y0 < a.y1 <= figure.bbox.y1, gid
    for patch in ax.patches:
        if isinstance(patch, FancyArrowPatch):
            line = ax.transData.transform(line_of(patch))
            assert (np.diff(line[:, 0]) > -1e-6).all()  # from left to right
            xs = np.arange(line[0, 0], line[-1, 0], 0.5)
            ys = np.interp(xs, *line.T)
            for gid, box in (*written, *boxes):
                within = (ys > box.y0 + 0.5) & (ys < box.y1 - 0.5)
                within &= (xs > box.x0 + 1) & (xs < box.x1 - 1)
                assert gid == f"{patch.get_gid()}-mark" or not within.any(), gid
    # Inputs are equal boxes in one column.
    known = {v.name for v in theano.graph.ancestors(getattr(expression, "outputs", [expression]))}
    inputs = [n for n in drawn.boxes if drawn.name[n] in known and not drawn.into(n)]
    ends = [(drawn.boxes[node].x0, drawn.boxes[node].x1) for node in inputs]
    assert len(ends) >= len(values)
    assert np.ptp(ends, axis=0).max() < 1e-6


def test_operations_stand_between_their_inputs_and_edges_cross_only_if_they_must():
    price, values = bill()
    for drawn in (read(price), read(price, values=values)):
        middle = {node: (box.y0 + box.y1) / 2 for node, box in drawn.boxes.items()}
        for node in middle:
            inputs = [middle[edge.source] for edge in drawn.into(node)]
            assert not inputs or np.mean(inputs) == pytest.approx(middle[node], abs=0.05)
    a, b, c = T.dscalars("a", "b", "c")
    for values in (None, {a: 1, b: 2, c: 3}):
        drawn = read([b + c, a + b], values=values)
        heights = [drawn.boxes[drawn.named(name)[0]].y0 for name in "abc"]
        assert heights in (sorted(heights), sorted(heights, reverse=True))


def test_inputs_stand_close_together_in_the_order_in_which_no_edges_cross():
    x, y = T.dscalars("x", "y")
    for values in (None, {x: 1, y: 2}):
        drawn = read((x + 2 * y) ** 2, values=values)
        above, below = (drawn.boxes[drawn.named(name)[0]] for name in "xy")
        assert 0 < below.y0 - above.y1 < 0.3


def test_a_long_graph_is_wrapped_into_rows():
    sizes = {n: draw(chain(n)[0], width=5).get_size_inches() for n in (1, 4, 40)}
    assert sizes[1][0] < sizes[4][0] <= 5.5
    assert sizes[40][0] <= 5.5
    assert sizes[1][1] == sizes[4][1] < sizes[40][1]
    drawn = read(chain(40)[0], width=5)
    assert all(np.ptp(e.ys) < 0.01 for e in drawn.edges)  # they can be level, so they are
    links = [name for name in drawn.name.values() if name.startswith("(")]
    assert 2 * 10 >= len(links) == 2 * len(set(links)) >= 6
    assert "dark: goes on in a later row" in drawn.texts
    assert draw(chain(40)[0], width=60).get_figheight() < 1


# Files


def test_png_and_svg_are_written_the_same_for_the_same_expression(tmp_path):
    before = dict(mpl.rcParams)
    for name in ("a.png", "A.PNG", "b.SVG", "b.svg"):
        price, values = bill()
        figure = draw(price, str(tmp_path / name), values=values)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "A.PNG").read_bytes()
    assert (tmp_path / "b.svg").read_bytes() == (tmp_path / "b.SVG").read_bytes()
    assert len(list(tmp_path.iterdir())) == 4
    height, width, _ = plt.imread(tmp_path / "a.png").shape
    np.testing.assert_allclose([width, height], 2 * figure.get_size_inches() * figure.dpi, atol=2)
    svg = ET.parse(tmp_path / "b.svg").getroot()
    assert (svg.get("width"), svg.get("height"), svg.get("role")) == ("100%", None, "img")
    assert svg.get("style") == f"max-width: {figure.get_figwidth():.2f}in"
    shape = [float(x) for x in svg.get("viewBox").split()]
    np.testing.assert_allclose(shape, [0, 0, *(72 * figure.get_size_inches())], atol=1e-3)
    about = "Computational graph: price = ((apple * apples) + (orange * oranges)) * tax"
    assert svg.find(f"{SVG}title").text == figure.about == repr(figure) == about
    ids = [element.get("id") for element in svg.iter() if element.get("id")]
    assert len(ids) == len(set(ids)) > 20
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


def test_a_drawing_that_fails_leaves_no_file_and_the_old_one(open_folder, read_only, tmp_path):
    price, _ = bill()
    for path in ("a.jpg", "a", "a.png.gz"):
        with pytest.raises(ValueError, match=r"\.png or \.svg, got .*a"):
            draw(price, tmp_path / path)
    with pytest.raises(FileNotFoundError):
        draw(price, tmp_path / "nowhere" / "a.png")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.png").write_bytes(b"old")
    with pytest.raises(ValueError, match="lack"):
        draw(price, tmp_path / "a.png", values={})
    assert (tmp_path / "a.png").read_bytes() == b"old"
    with read_only(open_folder), pytest.raises(PermissionError):
        draw(price, open_folder / "a.svg")
    assert list(open_folder.iterdir()) == []


# Errors


X, N, SHARED = T.dscalar("x"), T.lscalar("n"), theano.shared(1.0, "s")
VALUES = {X: 1.0, N: 2}
PRODUCT = T.exp(X) * N * SHARED
WRONG = [
    ("wrt must be real variables, got n", TypeError, PRODUCT, {"wrt": N}),
    ("wrt must be real variables, got 'x'", TypeError, PRODUCT, {"wrt": ["x"]}),
    ("doesn't depend on y", theano.DisconnectedInputError, PRODUCT, {"wrt": [T.dscalar("y")]}),
    ("one real number, not of .*mul", ValueError, [X * N, X * N], {"wrt": X}),
    ("one real number, not of .*gt", ValueError, X * N > 1, {"wrt": X}),
    ("wrt .*need values", ValueError, PRODUCT, {"wrt": X, "values": None}),
    ("lack x, made at", ValueError, PRODUCT, {"values": {N: 2}}),
    ("values have s, .*no input", ValueError, PRODUCT, {"values": {**VALUES, SHARED: 1.0}}),
    ("values have exp.*no input", ValueError, T.exp(X), {"values": {X: 1.0, T.exp(X): 1.0}}),
    ("inputs must be .*variables.*, got 'x'", TypeError, PRODUCT, {"values": VALUES | {"x": 1}}),
    ("values must be a dict", TypeError, PRODUCT, {"values": [1, 2]}),
    ("draw, input x.*: expected", TypeError, PRODUCT, {"values": VALUES | {X: "much"}}),
    ("draw, input x.*: expected", TypeError, PRODUCT, {"values": VALUES | {X: [1.0, 2.0]}}),
    ("expression must be a variable, .*got 3", TypeError, 3, {}),
    ("variable", TypeError, [None], {}),
    ("nothing to draw", ValueError, [], {}),
    ("nothing to draw", ValueError, theano.function([], updates={SHARED: SHARED + 1}), {}),
    ("width must be a positive number", ValueError, X + 1, {"width": 0}),
    ("width must be a positive number", ValueError, X + 1, {"width": float("nan")}),
    (r"5001 nodes, .*\(150, most_nodes\)", ValueError, chain(5000)[0], {}),
    ("4 nodes", ValueError, chain(3)[0], {"most_nodes": 3}),
]


@pytest.mark.parametrize(("message", "error", "expression", "options"), WRONG)
def test_what_is_wrong_is_named(message, error, expression, options):
    with pytest.raises(error, match=message):
        draw(expression, **{"values": VALUES} | options)
