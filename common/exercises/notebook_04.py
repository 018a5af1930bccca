"""Checks for the exercises of notebook 04, the computational graph."""

from collections.abc import Callable, Mapping
from numbers import Real

import numpy as np

from common.exercises.verdict import checked, expect, same

__all__ = ["dearer_apples", "div", "forward_and_back", "gradient", "sub"]


def _pair(got, count, what):
    expect(
        isinstance(got, tuple | list) and len(got) == count,
        f"{what} must return {count} values, separated by commas; got {got!r}",
    )
    return got


@checked("each apple adds 1.1 times its price, so two of them, 5 dearer, add 2.2 · 5")
def dearer_apples(growth: float) -> None:
    """Check what the total grows by if each of two apples gets 5 dearer.

    Parameters
    ----------
    growth : float
    """
    slips = {
        2.2: "this is the growth for a price that is 1 higher; this one is 5 higher.",
        5.5: "there are two apples.",
        10.0: "the tax is on top.",
        726.0: "this is the new total; asked is by how much it grew.",
    }
    hint = "the derivative tells the growth for a price that is 1 higher; this one is 5 higher."
    if isinstance(growth, Real):
        hint = next((text for slip, text in slips.items() if np.isclose(growth, slip)), hint)
    same(growth, 11.0, "the growth of the total", hint)


def _check_node(kind, operation, derivatives, hints):
    """Check a node of two inputs, on random numbers."""
    rng = np.random.default_rng()
    for _ in range(5):
        x, y = rng.uniform(0.5, 3, 2) * rng.choice([-1, 1], 2)
        dout = rng.uniform(1.5, 3)
        node = kind()
        at = f"for x = {x:.4g}, y = {y:.4g}"
        same(node.forward(x, y), operation(x, y), f"forward {at}", "return the node's output.")
        dx, dy = _pair(node.backward(dout), 2, "backward")
        for got, local, name, hint in zip((dx, dy), derivatives(x, y), "xy", hints, strict=True):
            if isinstance(got, Real) and np.isclose(got, local):
                hint = "this is the local derivative; what came back (dout) is missing."
            same(got, dout * local, f"d{name}, {at} and dout = {dout:.4g},", hint)
    first, second = kind(), kind()
    x, y = rng.uniform(1, 3, 2)
    first.forward(x, y)
    second.forward(3 * x, 5 * y)
    expected = derivatives(x, y)
    for got, local, name in zip(first.backward(1.0), expected, "xy", strict=True):
        hint = "remember the inputs in self, so that each node has its own."
        same(got, local, f"d{name} of the first of two nodes", hint)


@checked("a minus node hands dout on to x, and −dout to y")
def sub(kind: type) -> None:
    """Check a node for z = x − y.

    Parameters
    ----------
    kind : class
        With ``forward(x, y)``, and ``backward(dout)``, which returns the derivatives by x and y.
    """
    _check_node(
        kind,
        lambda x, y: x - y,
        lambda x, y: (1.0, -1.0),
        ("if x grows by 1, so does z.", "what does z do if y grows by 1?"),
    )


@checked("dout / y goes to x, and −dout · x / y² to y")
def div(kind: type) -> None:
    """Check a node for z = x / y.

    Parameters
    ----------
    kind : class
        With ``forward(x, y)``, and ``backward(dout)``, which returns the derivatives by x and y.
    """
    _check_node(
        kind,
        lambda x, y: x / y,
        lambda x, y: (1 / y, -x / y**2),
        (
            "with y held fast, z is x times a constant. Which one?",
            "z is x times 1/y, and section 6 has the derivative of 1/y. Mind the sign.",
        ),
    )


@checked("y was used twice, and you added what came back")
def forward_and_back(function: Callable) -> None:
    """Check f = (x + y) · (y + z) and its derivatives.

    Parameters
    ----------
    function : callable
        From x, y and z to f and the tuple of its three derivatives.
    """
    rng = np.random.default_rng()
    for _ in range(5):
        x, y, z = rng.uniform(1, 5, 3)
        at = f"at x = {x:.4g}, y = {y:.4g}, z = {z:.4g}"
        f, derivatives = _pair(function(x, y, z), 2, "the function")
        dx, dy, dz = _pair(derivatives, 3, "the second value of the function")
        same(f, (x + y) * (y + z), f"f {at}")
        same(dx, y + z, f"df/dx {at}", "a product hands back dout times the other input.")
        hint = "check which output of which backward belongs to y."
        if np.isclose(float(dy), x + y) or np.isclose(float(dy), y + z):
            hint = "y has two edges. What happens to what comes back along both?"
        same(dy, x + 2 * y + z, f"df/dy {at}", hint)
        same(dz, x + y, f"df/dz {at}", "a product hands back dout times the other input.")


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
    """Return the derivatives by carrying a tangent of each input forward: another way to them."""
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


@checked("this is reverse-mode differentiation of any graph of sums and products")
def gradient(function: Callable) -> None:
    """Check backpropagation through any graph of sums and products.

    Parameters
    ----------
    function : callable
        From a list of steps and a dict of values to a dict of derivatives.
    """
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
        got = function(list(steps), handed)
        expect(handed == values, f"{what}: values was changed. Work on a copy: dict(values).")
        expect(isinstance(got, Mapping), f"{what}: expected a dict, got {type(got).__name__}")
        for name, expected in _derivatives(steps, values).items():
            expect(name in got, f"{what}: the derivative by {name} is missing")
            uses = sum(step[2:].count(name) for step in steps)
            hint = "walk through the steps in reverse; the last output's own derivative is 1."
            if uses > 1:
                hint = f"{name} is used {uses} times. Is what comes back added, or overwritten?"
            elif any(step[2] == step[3] for step in steps):
                hint = "a step may use one name for both of its inputs."
            elif "random" in what:
                hint = "an output that several steps use gets a sum too, before it is handed on."
            signs = {"add": "+", "mul": "×"}
            program = "; ".join(f"{out} = {x} {signs[k]} {y}" for out, k, x, y in steps)
            same(got[name], expected, f"{what} ({program}): the derivative by {name}", hint)
