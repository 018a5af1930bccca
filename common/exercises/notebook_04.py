"""Checks for the exercises of notebook 04, the computational graph."""

from collections.abc import Mapping

import numpy as np

from common.exercises.verdict import Case, checked, exercise, expect, returned, same, several

__all__ = ["dearer_apples", "div", "forward_and_back", "gradient", "sub"]


@exercise(
    "each apple adds 1.1 times its price, so two of them, 5 more expensive, add 2.2 · 5.",
    kind="",
    paper=True,
)
def dearer_apples(rng):
    """Check how much the total grows if each of two apples costs 5 more, a number."""
    yield Case(
        (),
        11.0,
        "the growth of the total",
        "the derivative is the growth for a price that is 1 higher; this one is 5 higher.",
        [
            (2.2, "this is the growth for a price that is 1 higher; this one is 5 higher."),
            (5.5, "there are two apples."),
            (10.0, "the tax is still missing."),
            (726.0, "this is the new total; how much it grew is asked for."),
        ],
    )


def _check_node(kind, operation, derivatives, hints):
    """Check a node of two inputs, on random numbers."""
    rng = np.random.default_rng()
    for _ in range(5):
        x, y = rng.uniform(0.5, 3, 2) * rng.choice([-1, 1], 2)
        dout = rng.uniform(1.5, 3)
        node = kind()
        at = f"for x = {x:.4g}, y = {y:.4g}"
        out = returned(node.forward(x, y))
        same(out, operation(x, y), f"the output of forward {at}", "return the node's output.")
        got = several(returned(node.backward(dout)), 2, "what backward returns")
        for part, local, name, hint in zip(got, derivatives(x, y), "xy", hints, strict=True):
            slips = [(local, "this is the local derivative; the upstream gradient is missing.")]
            what = f"d{name} {at} and dout = {dout:.4g}"
            same(part, dout * local, what, hint, slips=slips)
    first, second = kind(), kind()
    x, y = rng.uniform(1, 3, 2)
    first.forward(x, y)
    second.forward(3 * x, 5 * y)
    got = several(returned(first.backward(1.0)), 2, "what backward returns")
    for part, local, name in zip(got, derivatives(x, y), "xy", strict=True):
        hint = "remember the inputs in self, so that each node has its own."
        same(part, local, f"d{name} of the first of two nodes", hint)


@checked("a minus node passes dout on to x, and −dout to y.", "class")
def sub(kind):
    """Check a node for z = x − y, with ``forward(x, y)`` and ``backward(dout)``."""
    hints = ("if x grows by 1, so does z.", "what does z do if y grows by 1?")
    _check_node(kind, lambda x, y: x - y, lambda x, y: (1.0, -1.0), hints)


@checked("dout / y goes to x, and −dout · x / y² to y.", "class")
def div(kind):
    """Check a node for z = x / y, with ``forward(x, y)`` and ``backward(dout)``."""
    hints = (
        "with y fixed, z is x times a constant. Which one?",
        "z is x times 1/y, and section 6 has the derivative of 1/y. Mind the sign.",
    )
    _check_node(kind, lambda x, y: x / y, lambda x, y: (1 / y, -x / y**2), hints)


@checked("y is used twice, and you added both contributions.", "function")
def forward_and_back(function):
    """Check a function (x, y, z) ↦ f, (df/dx, df/dy, df/dz) for f = (x + y) · (y + z)."""
    rng = np.random.default_rng()
    for _ in range(5):
        x, y, z = (float(v) for v in rng.uniform(1, 5, 3))
        at = f"at x = {x:.4g}, y = {y:.4g}, z = {z:.4g}"
        f, derivatives = several(returned(function(x, y, z)), 2, "the result")
        dx, dy, dz = several(derivatives, 3, "the second value of the result")
        same(f, (x + y) * (y + z), f"f {at}", "the product of the two sums.")
        hint = "a product passes on dout times the other input."
        twice = "y has two edges. What happens to the contributions of both?"
        same(dx, y + z, f"df/dx {at}", hint)
        same(
            dy,
            x + 2 * y + z,
            f"df/dy {at}",
            "check which output of which backward belongs to y.",
            slips=[(x + y, twice), (y + z, twice)],
        )
        same(dz, x + y, f"df/dz {at}", hint)


def _random_graph(rng):
    """Return steps that use values several times, and values of their inputs."""
    values = {f"x{i}": float(rng.uniform(0.5, 1.5)) for i in range(4)}
    names = [*values][:3]  # x3 is never used
    steps = []
    for i in range(6):
        # The last name, so that every step matters, and any other: often one that was used before.
        left, right = names[-1], str(rng.choice(names))
        steps.append((f"s{i}", str(rng.choice(["add", "mul"])), left, right))
        names.append(f"s{i}")
    return steps, values


def _forward(steps, values):
    values = dict(values)
    for out, operation, a, b in steps:
        values[out] = values[a] + values[b] if operation == "add" else values[a] * values[b]
    return values[steps[-1][0]]


def _derivatives(steps, values):
    """Return the derivatives by forward mode, independently of what is checked."""
    result = {}
    for name in values:
        value, tangent = dict(values), {other: float(other == name) for other in values}
        for out, operation, a, b in steps:
            if operation == "add":
                value[out], tangent[out] = value[a] + value[b], tangent[a] + tangent[b]
            else:
                value[out] = value[a] * value[b]
                tangent[out] = tangent[a] * value[b] + value[a] * tangent[b]
        result[name] = tangent[steps[-1][0]]
    return result


@checked("this is reverse-mode differentiation of any graph of sums and products.", "function")
def gradient(function):
    """Check a function from a list of steps and a dict of values to a dict of derivatives."""
    rng = np.random.default_rng()
    a, b, c = (float(v) for v in rng.uniform(1, 3, 3))
    cases = [
        ([("z", "mul", "a", "b")], {"a": a, "b": b}, "one product"),
        ([("z", "add", "a", "b")], {"a": a, "b": b}, "one sum"),
        (
            [("s", "add", "a", "b"), ("z", "mul", "s", "c")],
            {"a": a, "b": b, "c": c},
            "a sum, then a product",
        ),
        ([("z", "mul", "a", "a")], {"a": a}, "a product of a value with itself"),
        (
            [("u", "mul", "a", "b"), ("z", "add", "u", "a")],
            {"a": a, "b": b},
            "a value that two steps use",
        ),
        ([("z", "mul", "a", "b")], {"a": a, "b": b, "c": c}, "an input that no step uses"),
        *[(*_random_graph(rng), "a random graph of six steps") for _ in range(5)],
    ]
    for steps, values, what in cases:
        handed = dict(values)
        got = returned(function(list(steps), handed))
        expect(handed == values, f"{what}: values was changed. Work on a copy: dict(values).")
        expect(isinstance(got, Mapping), f"{what}: expected a dict, got {type(got).__name__}")
        for name, expected in _derivatives(steps, values).items():
            expect(name in got, f"{what}: the derivative with respect to {name} is missing")
            uses = sum(step[2:].count(name) for step in steps)
            hint = "walk through the steps in reverse; the last output's own derivative is 1."
            if uses > 1:
                hint = f"{name} is used {uses} times. Are its contributions added, or overwritten?"
            elif any(step[2] == step[3] for step in steps):
                hint = "a step may use one name for both of its inputs."
            elif "random" in what:
                hint = "an output that several steps use gets a sum too, before it is passed on."
            signs = {"add": "+", "mul": "×"}
            program = "; ".join(f"{out} = {x} {signs[k]} {y}" for out, k, x, y in steps)
            what_is_it = f"{what} ({program}): the derivative with respect to {name}"
            same(got[name], expected, what_is_it, hint, rtol=1e-12, atol=1e-12)
