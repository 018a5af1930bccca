from types import MappingProxyType

import numpy as np
import pytest

from ch05_backprop.graph_by_hand import AddLayer, MulLayer
from common.exercises import notebook_04 as check


def node(forward, backward):
    return type("Node", (), {"forward": forward, "backward": backward})


def sub(backward, forward=lambda s, x, y: x - y):
    return node(forward, backward)


def div(backward, forward=None):
    def store(self, x, y):
        self.x, self.y = x, y
        return x / y

    return node(forward or store, backward)


def store_in_class(self, x, y):
    type(self).x, type(self).y = x, y
    return x / y


def div_backward(self, d):
    return d / self.y, -d * self.x / self.y**2


def store_output(self, x, y):
    self.y, self.out = y, x / y
    return self.out


def backpropagate(
    steps, values, *, overwrite=False, in_place=False, used_only=False, forward_order=False
):
    """Return the gradient, with the mistake asked for."""
    value = values if in_place else dict(values)
    nodes = [{"add": AddLayer, "mul": MulLayer}[step[1]]() for step in steps]
    for step_node, (out, _, a, b) in zip(nodes, steps, strict=True):
        value[out] = step_node.forward(value[a], value[b])
    derivative = {steps[-1][0]: 1.0}
    order = list(zip(nodes, steps, strict=True))
    for step_node, (out, _, *inputs) in order if forward_order else reversed(order):
        for name, d in zip(inputs, step_node.backward(derivative.get(out, 0.0)), strict=True):
            derivative[name] = d if overwrite else derivative.get(name, 0.0) + d
    return derivative if used_only else {name: derivative.get(name, 0.0) for name in value}


def with_mistake(**mistake):
    return lambda steps, values: backpropagate(steps, values, **mistake)


def forward_mode(steps, values):
    def tangent(of):
        v = {name: np.array([x, name == of]) for name, x in values.items()}
        for out, operation, a, b in steps:
            product = np.array([v[a][0] * v[b][0], v[a][0] * v[b][1] + v[a][1] * v[b][0]])
            v[out] = v[a] + v[b] if operation == "add" else product
        return v[steps[-1][0]][1]

    return {name: tangent(name) for name in values}


def f(x, y, z, dx=None, dy=None, dz=None):
    """Return the value and the derivatives, those that are given in place of the right ones."""
    right = y + z, x + 2 * y + z, x + y
    given = (dx, dy, dz)
    return (x + y) * (y + z), *(r if g is None else g for r, g in zip(right, given, strict=True))


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        ("higher_price", [11]),
        ("higher_price", np.float32(11)),
        ("higher_price", 5 * 2 * 1.1),
        ("sub", sub(lambda s, d: [d, -d])),
        ("sub", sub(lambda s, d: np.array([d, -d]))),
        ("sub", sub(lambda s, d: (d, 0 - d), lambda s, x, y: -y + x)),
        ("div", div(div_backward)),
        ("div", div(lambda s, d: (d / s.y, -d / s.y * s.out), store_output)),
        ("div", div(lambda s, d: [d * s.y**-1, -d * s.x * s.y**-2])),
        ("forward_and_backward", f),
        ("forward_and_backward", lambda x, y, z: list(f(x, y, z, dy=(x + y) + (y + z)))),
        ("forward_and_backward", lambda *inputs: np.array(f(*inputs))),
        ("gradient", backpropagate),
        ("gradient", lambda s, v: MappingProxyType(backpropagate(s, v))),
        ("gradient", forward_mode),
    ],
)
def test_other_right_answers_are_right_too(exercise, answer):
    verdict = getattr(check, exercise)(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("exercise", "answer", "message"),
    [
        ("higher_price", 2.2, "this one is 5 higher"),
        ("higher_price", 10, "the tax is still missing"),
        ("higher_price", 5.5, "two apples"),
        ("higher_price", 726, "new total"),
        ("higher_price", "much", "must be numbers"),
        ("sub", sub(lambda s, d: (d, d)), "what does z do if y grows"),
        ("sub", sub(lambda s, d: (-d, d), lambda s, x, y: y - x), "forward for x ="),
        ("sub", sub(lambda s, d: (d, -1.0)), "multiply it by the upstream gradient"),
        ("sub", sub(lambda s, d: d), "must be 2 values"),
        ("sub", sub(lambda s, d: print(end="")), "is there a return"),
        ("div", div(lambda s, d: (d / s.y, d * s.x / s.y**2)), "Check the sign"),
        ("div", div(lambda s, d: (d * s.y, -d * s.x / s.y**2)), "times a constant"),
        ("div", div(lambda s, d: (1 / s.y, -s.x / s.y**2)), "multiply it by the upstream gradient"),
        ("div", div(div_backward, store_in_class), "store the inputs in self"),
        ("div", div(div_backward, lambda s, x, y: x / y), "AttributeError"),
        ("forward_and_backward", lambda x, y, z: f(x, y, z, dy=y + z), "y has two edges"),
        ("forward_and_backward", lambda x, y, z: f(x, y, z, dy=x + y), "y has two edges"),
        ("forward_and_backward", lambda x, y, z: f(x, y, z, dx=x + y), "df/dx at"),
        (
            "forward_and_backward",
            lambda x, y, z: f(x, y, z)[:3],
            "must be 4 values, separated by commas; got 3",
        ),
        ("forward_and_backward", lambda x, y, z: ((x + y) * y + z, 0, 0, 0), "f at x ="),
        ("gradient", with_mistake(overwrite=True), "added, or overwritten"),
        ("gradient", with_mistake(in_place=True), "values was changed"),
        ("gradient", with_mistake(used_only=True), "with respect to c is missing"),
        ("gradient", with_mistake(forward_order=True), "in reverse"),
        ("gradient", lambda steps, values: [1.0] * len(values), "expected a dict, got list"),
    ],
)
def test_a_wrong_answer_is_told_where_it_is_wrong(exercise, answer, message):
    verdict = getattr(check, exercise)(answer)
    assert not verdict
    assert message in verdict.message
