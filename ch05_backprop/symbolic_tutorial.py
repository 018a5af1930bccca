"""The first pages of Theano's tutorial, with common.symbolic in place of Theano.

An expression is built from variables that have no value yet. A function is compiled from it. A
derivative is another expression. The script prints

    f(3) = 6 for f(x) = 2 x
    z(16.3, 12.1) = 28.4 for z = (x + y)
    of matrices:
    [[11. 22.]
     [33. 44.]]
    logistic of 0, 1, -1: [0.5    0.7311 0.2689]
    three at once: difference 1, absolute difference 1, squared difference 1
    default values: 33 + 1 = 34, 33 + 2 = 35
    givens: c = 2 gives 2 (10 c) + 5 = 45
    z = (x + 2 y)² at (1, 2): dz/dx = 10, dz/dy = 20
    derivative of x² at 4: 8, as a formula (2 * x)
    b x for b = [1 2 3 4 5]: [ 2  4  6  8 10]
    b x for b = [10 11 12]: [20 22 24]
    a counter: 0 1 2
    Σ (x − c)²: 55.0000, c becomes 1.5000
    Σ (x − c)²: 21.2500, c becomes 2.2500
    Σ (x − c)²: 12.8125, c becomes 2.6250
"""

import numpy as np

import common.symbolic.tensor as T
from common import symbolic as theano
from common.scripts.command_line import run, script_parser


def functions():
    """Compile functions from expressions."""
    x = T.lscalar("x")
    f = theano.function([x], x * 2)
    print(f"f(3) = {f(3)} for f(x) = 2 x")

    x, y = T.dscalars("x", "y")
    z = x + y
    print(f"z(16.3, 12.1) = {z.eval({x: 16.3, y: 12.1}):.1f} for z = {theano.pp(z)}")

    a, b = T.dmatrices("a", "b")
    add = theano.function([a, b], a + b)
    print("of matrices:")
    print(add([[1, 2], [3, 4]], [[10, 20], [30, 40]]))

    x = T.dvector("x")
    logistic = theano.function([x], 1 / (1 + T.exp(-x)))
    with np.printoptions(precision=4):
        print("logistic of 0, 1, -1:", logistic([0, 1, -1]))


def inputs():
    """Show several outputs, default values, and `givens`: one expression in place of another."""
    a, b = T.dscalars("a", "b")
    diff = a - b
    f = theano.function([a, b], [diff, abs(diff), diff**2])
    d, absolute, squared = f(3, 2)
    print(
        f"three at once: difference {d:g}, absolute difference {absolute:g}, "
        f"squared difference {squared:g}"
    )

    x, y = T.dscalars("x", "y")
    f = theano.function([x, theano.In(y, value=1)], x + y)
    print(f"default values: 33 + 1 = {f(33):g}, 33 + 2 = {f(33, 2):g}")

    x, y, c = T.lscalars("x", "y", "c")
    f = theano.function([c], x * 2 + y, givens=[(x, c * 10), (y, 5)])
    print(f"givens: c = 2 gives 2 (10 c) + 5 = {f(2)}")


def derivatives():
    """Differentiate expressions: a derivative is another expression."""
    x, y = T.dscalars("x", "y")
    z = (x + 2 * y) ** 2
    f = theano.function([x, y], T.grad(z, [x, y]))
    dx, dy = f(1, 2)
    print(f"z = (x + 2 y)² at (1, 2): dz/dx = {dx:g}, dz/dy = {dy:g}")

    f = theano.function([x], T.grad(x**2, x))
    print(f"derivative of x² at 4: {f(4):g}, as a formula {theano.pp(f.outputs[0])}")


def shared_variables():
    """Show values that are kept from call to call, and that a function can update."""
    b = theano.shared(np.array([1, 2, 3, 4, 5]))
    x = T.lscalar("x")
    f = theano.function([x], b * x)
    print(f"b x for b = {b.get_value()}: {f(2)}")
    b.set_value([10, 11, 12])
    print(f"b x for b = {b.get_value()}: {f(2)}")

    c = theano.shared(0)
    count = theano.function([], c, updates={c: c + 1})
    print("a counter:", count(), count(), count())


def descent():
    """Let c converge to the mean of x: each call is a step of gradient descent."""
    x = T.dvector("x")
    c = theano.shared(0.0)
    loss = T.sum((x - c) ** 2)
    gc = T.grad(loss, c)
    step = theano.function([x], loss, updates={c: c - 0.05 * gc})
    for _ in range(3):
        before = step([1, 2, 3, 4, 5])
        print(f"Σ (x − c)²: {before:.4f}, c becomes {c.get_value():.4f}")


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    script_parser(__doc__).parse_args(argv)
    functions()
    inputs()
    derivatives()
    shared_variables()
    descent()


if __name__ == "__main__":
    run(main)
