import pytest

from ch05_backprop.graph_by_hand import AddLayer, MulLayer
from common.exercises import notebook_04 as check


@pytest.mark.parametrize(
    ("growth", "hint"),
    [
        (2.2, "this one is 5 higher"),
        (10, "the tax is still missing"),
        (5.5, "two apples"),
        (726, "new total"),
        ("much", "must be numbers"),
    ],
)
def test_dearer_apples_says_what_was_forgotten(growth, hint):
    verdict = check.dearer_apples(growth)
    assert not verdict
    assert hint in verdict.message


def node(forward, backward):
    return type("Node", (), {"forward": forward, "backward": backward})


def remember(self, x, y):
    self.x, self.y = x, y
    return x / y


def remember_in_class(self, x, y):
    type(self).x, type(self).y = x, y
    return x / y


def right_way_back(self, d):
    return d / self.y, -d * self.x / self.y**2


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (node(lambda s, x, y: x - y, lambda s, d: (d, d)), "what does z do if y grows"),
        (node(lambda s, x, y: y - x, lambda s, d: (-d, d)), "forward for x ="),
        (node(lambda s, x, y: x - y, lambda s, d: (d, -1.0)), "the upstream gradient is missing"),
        (node(lambda s, x, y: x - y, lambda s, d: d), "must be 2 values"),
        (node(lambda s, x, y: x - y, lambda s, d: print(end="")), "is there a return"),
    ],
)
def test_wrong_minus_nodes(answer, part):
    verdict = check.sub(answer)
    assert not verdict
    assert part in verdict.message


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (node(remember, lambda s, d: (d / s.y, d * s.x / s.y**2)), "Mind the sign"),
        (node(remember, lambda s, d: (d * s.y, -d * s.x / s.y**2)), "times a constant"),
        (node(remember, lambda s, d: (1 / s.y, -s.x / s.y**2)), "the upstream gradient is missing"),
        (node(remember_in_class, right_way_back), "remember the inputs in self"),
        (node(lambda s, x, y: x / y, right_way_back), "AttributeError"),
    ],
)
def test_wrong_division_nodes(answer, part):
    verdict = check.div(answer)
    assert not verdict
    assert part in verdict.message


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda x, y, z: ((x + y) * (y + z), (y + z, y + z, x + y)), "y has two edges"),
        (lambda x, y, z: ((x + y) * (y + z), (x + y, x + 2 * y + z, y + z)), "df/dx at"),
        (lambda x, y, z: (x + y) * (y + z), "must be 2 values"),
        (lambda x, y, z: ((x + y) * y + z, (0, 0, 0)), "f at x ="),
    ],
)
def test_wrong_ways_once_forward_and_back(answer, part):
    verdict = check.forward_and_back(answer)
    assert not verdict
    assert part in verdict.message


def test_forward_and_back_of_other_make_is_right():
    def by_formula(x, y, z):
        return [(x + y) * (y + z), [y + z, x + 2 * y + z, x + y]]

    assert check.forward_and_back(by_formula)


def walk(
    steps,
    values,
    *,
    overwrite=False,
    in_place=False,
    used_only=False,
    forward_order=False,
):
    """Return the gradient, with the mistake asked for."""
    value = values if in_place else dict(values)
    operations = {"add": AddLayer, "mul": MulLayer}
    nodes = [operations[step[1]]() for step in steps]
    for step_node, (out, _, a, b) in zip(nodes, steps, strict=True):
        value[out] = step_node.forward(value[a], value[b])
    derivative = {steps[-1][0]: 1.0}
    order = list(zip(nodes, steps, strict=True))
    for step_node, (out, _, *inputs) in order if forward_order else reversed(order):
        for name, d in zip(inputs, step_node.backward(derivative.get(out, 0.0)), strict=True):
            derivative[name] = d if overwrite else derivative.get(name, 0.0) + d
    return derivative if used_only else {name: derivative.get(name, 0.0) for name in value}


def test_a_walk_with_nodes_is_right():
    assert check.gradient(walk)


@pytest.mark.parametrize(
    ("mistake", "part"),
    [
        ("overwrite", "added, or overwritten"),
        ("in_place", "values was changed"),
        ("used_only", "with respect to c is missing"),
        ("forward_order", "in reverse"),
    ],
)
def test_wrong_walks(mistake, part):
    verdict = check.gradient(lambda steps, values: walk(steps, values, **{mistake: True}))
    assert not verdict
    assert part in verdict.message
