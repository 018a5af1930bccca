"""Checks for the exercises of notebook 04, the computational graph."""

from collections.abc import Mapping

import numpy as np

from common.exercises.verdict import Case, checked, exercise, expect, returned, same, several

__all__ = ["div", "forward_and_backward", "gradient", "higher_price", "sub"]


@exercise(
    "the derivative is 1.1 per apple, so for two apples that each cost 5 more it is 2.2 · 5.",
    kind="",
    paper=True,
)
def higher_price(rng):
    """Check by how much the total grows if each of two apples costs 5 more, a number."""
    hint = "the derivative is the growth for a price that is 1 higher; this one is 5 higher."
    slips = [
        (5.5, "there are two apples."),
        (10.0, "the tax is still missing."),
        (726.0, "this is the new total; its growth is asked for."),
    ]
    yield Case((), 11.0, "the growth of the total", hint, slips)


def _check_node(kind, operation, local_gradients, hints):
    """Check a node of two inputs on random numbers, while another node of its class is in use."""
    rng = np.random.default_rng()
    for _ in range(5):
        x, y = rng.uniform(0.5, 3, 2) * rng.choice([-1, 1], 2)
        dout = rng.uniform(1.5, 3)
        node, other = kind(), kind()
        at = f"for x = {x:.4g}, y = {y:.4g}"
        out = returned(node.forward(x, y))
        same(out, operation(x, y), f"the output of forward {at}", "return the node's output.")
        other.forward(3 * x, 5 * y)
        got = several(returned(node.backward(dout)), 2, "the result of backward")
        locals_ = zip(local_gradients(x, y), local_gradients(3 * x, 5 * y), strict=True)
        for part, (local, others), name, hint in zip(got, locals_, "xy", hints, strict=True):
            slips = [
                (local, "this is the local gradient; multiply it by the upstream gradient dout."),
                (dout * others, "store the inputs in self, so that each node has its own."),
            ]
            same(part, dout * local, f"d{name} {at} and dout = {dout:.4g}", hint, slips=slips)


@checked("a subtraction node passes dout on to x, and −dout to y.", "class")
def sub(kind):
    """Check a node for z = x − y, with ``forward(x, y)`` and ``backward(dout)``."""
    hints = ("if x grows by 1, so does z.", "what does z do if y grows by 1?")
    _check_node(kind, lambda x, y: x - y, lambda x, y: (1.0, -1.0), hints)


@checked("dout / y goes to x, and −dout · x / y² to y.", "class")
def div(kind):
    """Check a node for z = x / y, with ``forward(x, y)`` and ``backward(dout)``."""
    hints = (
        "with y fixed, z is x times a constant. Which one?",
        "z is x times 1/y, and section 7 has the derivative of 1/y. Check the sign.",
    )
    _check_node(kind, lambda x, y: x / y, lambda x, y: (1 / y, -x / y**2), hints)


@exercise("y is used twice, and you added both contributions.")
def forward_and_backward(rng):
    """Check a function (x, y, z) ↦ f, df/dx, df/dy, df/dz for f = (x + y) · (y + z)."""
    product = "a product passes on dout times its other input."
    twice = "y has two edges. How do their contributions combine?"
    hints = ("the product of the two sums.", product, "which outputs of backward belong to y?")
    for _ in range(5):
        x, y, z = (float(v) for v in rng.uniform(1, 5, 3))
        at = f"at x = {x:.4g}, y = {y:.4g}, z = {z:.4g}"
        yield Case(
            (x, y, z),
            ((x + y) * (y + z), y + z, x + 2 * y + z, x + y),
            tuple(f"{name} {at}" for name in ("f", "df/dx", "df/dy", "df/dz")),
            (*hints, product),
            ((), (), [(x + y, twice), (y + z, twice)], ()),
        )


def _random_graph(rng):
    """Return steps that use values several times, and values of their inputs."""
    values = {f"x{i}": float(rng.uniform(0.5, 1.5)) for i in range(4)}
    names, steps = ["x0", "x1", "x2"], []  # x3 is never used
    for i in range(6):
        # The last name, so that every step matters, and any other: often one that was used before.
        step = (f"s{i}", str(rng.choice(["add", "mul"])), names[-1], str(rng.choice(names)))
        steps.append(step)
        names.append(step[0])
    return steps, values


def _derivative(steps, values, name):
    """Compute a derivative with a complex step, independently of what is checked."""
    values = {**values, name: values[name] + 1e-30j}
    for out, operation, a, b in steps:
        values[out] = values[a] + values[b] if operation == "add" else values[a] * values[b]
    return np.imag(values[steps[-1][0]]) / 1e-30


@checked(
    "it works for all graphs of sums and products. To go through the steps once, in reverse, is "
    "reverse-mode automatic differentiation.",
    "function",
)
def gradient(function):
    """Check a function from a list of steps and a dict of values to a dict of derivatives."""
    rng = np.random.default_rng()
    a, b, c = (float(v) for v in rng.uniform(1, 3, 3))
    product = ("z", "mul", "a", "b")
    cases = [
        ([product], {"a": a, "b": b}, "one product"),
        ([("z", "add", "a", "b")], {"a": a, "b": b}, "one sum"),
        ([("s", "add", "a", "b"), ("z", "mul", "s", "c")], {"a": a, "b": b, "c": c}, "two steps"),
        ([("z", "mul", "a", "a")], {"a": a}, "a product of a value with itself"),
        ([("u", *product[1:]), ("z", "add", "u", "a")], {"a": a, "b": b}, "a value used twice"),
        ([product], {"a": a, "b": b, "c": c}, "an input that no step uses"),
        # Of degree 5, so that central differences aren't exact, as they are for squares.
        (
            [("u", "mul", "a", "a"), ("v", "mul", "u", "a"), ("z", "mul", "u", "v")],
            {"a": a},
            "a fifth power",
        ),
        *[(*_random_graph(rng), "a random graph of six steps") for _ in range(5)],
    ]
    for steps, values, what in cases:
        given = dict(values)
        got = returned(function(list(steps), given))
        expect(given == values, f"{what}: values was changed. Work on a copy: dict(values).")
        expect(isinstance(got, Mapping), f"{what}: expected a dict, got {type(got).__name__}.")
        for name in values:
            expect(name in got, f"{what}: the derivative with respect to {name} is missing.")
            uses = sum(step[2:].count(name) for step in steps)
            hint = "go through the steps in reverse; the derivative of the last output is 1."
            if uses > 1:
                hint = f"{name} is used {uses} times. Are its contributions added, or overwritten?"
            elif "random" in what:
                hint = "add the contributions to the output of a step too, before you pass it on."
            signs = {"add": "+", "mul": "×"}
            program = "; ".join(f"{out} = {x} {signs[k]} {y}" for out, k, x, y in steps)
            what_is_it = f"{what} ({program}): the derivative with respect to {name}"
            expected = _derivative(steps, values, name)
            same(got[name], expected, what_is_it, hint, rtol=1e-12, atol=1e-12)
