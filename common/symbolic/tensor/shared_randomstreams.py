"""Random numbers in expressions: streams that are seeded, and advance at each call of a function.

Each draw has a shared variable that counts the calls, with a default update of one more. The
numbers are a function of seed, stream and count, so that functions stay pure, updates stay all or
none, and a pickled program continues where it was.
"""

import itertools

import numpy as np

from common.symbolic import arrays
from common.symbolic.graph import Dim, Operation, Variable, as_variable, checked_dtype, shared


class Draw(Operation):
    """Random numbers of one stream.

    Inputs are the number of the call, the sizes of `n_sizes` axes, and the parameters of the
    distribution. One draw has `extra` axes itself, such as a permutation.
    """

    name = "draw"
    differentiable = False

    def __init__(self, kind, dtype, seed, n_sizes, extra):
        self.parameters = (kind, dtype, seed, n_sizes, extra)

    def infer(self, call, *inputs):
        _, dtype, _, n_sizes, extra = self.parameters
        filled = arrays.alloc(0, *inputs[:n_sizes])
        return dtype, (*filled.dims, *[Dim() for _ in range(extra)])

    def connected(self, i):
        return False

    def code(self, call, *inputs):
        kind, dtype, seed, n_sizes, _ = self.parameters
        size = f"({''.join(f'{n}, ' for n in inputs[:n_sizes])})"
        head = [repr(kind), f"np.{dtype}", repr(seed), call, size]
        return f"draw({', '.join([*head, *inputs[n_sizes:]])})"


class RandomStreams:
    """A source of random variables.

    Each call of one of its methods makes a new, independent stream. `size` is a shape, of numbers
    or variables; without one it is that of the parameters. The numbers differ from those that
    Theano draws with the same seed.

    Parameters
    ----------
    seed : int, optional
        Equal seeds give equal numbers; without one they differ in each run.

    Examples
    --------
    >>> from common import symbolic as theano
    >>> u = RandomStreams(seed=1).uniform((2,))
    >>> f = theano.function([], u)
    >>> bool((f() == f()).any())
    False
    """

    def __init__(self, seed=None):
        self.streams = itertools.count()
        self.state_updates = []
        self.seed(seed)

    def seed(self, seed=None):
        """Begin anew with another seed: all streams made so far restart."""
        if seed is not None and (not isinstance(seed, int | np.integer) or seed < 0):
            raise TypeError(f"seed must be an integer of 0 or more, got {seed!r}")
        self._seed = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
        for i, (counter, _) in enumerate(self.state_updates):
            start = np.random.SeedSequence([self._seed, i]).generate_state(1, np.uint32)[0]
            counter.set_value(np.int64(start) << 20)

    def updates(self):
        """Return the pairs of shared variables and their updates."""
        return list(self.state_updates)

    def _draw(self, kind, dtype, size, ndim, *parameters, extra=0):
        parameters = [as_variable(p) for p in parameters]
        if size is None:
            largest = max(parameters, key=lambda p: p.ndim)
            size = largest.shape if largest.ndim and not extra else ()
        sizes = arrays.sizes_of(size, ndim)
        counter = shared(np.int64(0))
        counter.default_update = counter + np.int64(1)
        self.state_updates.append((counter, counter.default_update))
        stream = self._seed, next(self.streams)
        operation = Draw(kind, checked_dtype(dtype), stream, len(sizes), extra)
        result = operation(counter, *sizes, *parameters)
        result.tag.rng = counter
        return result

    def uniform(self, size=None, low=0.0, high=1.0, ndim=None, dtype="floatX") -> Variable:
        """Return numbers between `low` and `high`."""
        return self._draw("uniform", dtype, size, ndim, low, high)

    def normal(self, size=None, avg=0.0, std=1.0, ndim=None, dtype="floatX") -> Variable:
        """Return normally distributed numbers."""
        return self._draw("normal", dtype, size, ndim, avg, std)

    def binomial(self, size=None, n=1, p=0.5, ndim=None, dtype="int64", prob=None) -> Variable:
        """Return how many of `n` tries succeed, each with probability `p`."""
        return self._draw("binomial", dtype, size, ndim, n, p if prob is None else prob)

    def random_integers(self, size=None, low=0, high=1, ndim=None, dtype="int64") -> Variable:
        """Return integers from `low` to `high`, both included."""
        return self._draw("integers", dtype, size, ndim, low, as_variable(high) + 1)

    def choice(self, size=None, a=2, replace=True, p=None, ndim=None, dtype="int64") -> Variable:
        """Return elements of `a`, or integers below it, with probabilities `p`."""
        a = as_variable(a)
        if p is None:
            n = arrays.size(a) if a.ndim else a
            p = arrays.ones((n,)) / n
        return self._draw("choice", dtype, size or (), ndim, a, bool(replace), p)

    def permutation(self, size=None, n=1, ndim=None, dtype="int64") -> Variable:
        """Return permutations of 0, …, n − 1 along the last axis, one per element of `size`."""
        return self._draw("permutation", dtype, size, ndim, n, extra=1)

    def multinomial(self, size=None, n=1, pvals=(0.5, 0.5), ndim=None, dtype="int64") -> Variable:
        """Return how often each outcome occurs in `n` tries, with the probabilities `pvals`."""
        pvals = as_variable(pvals)
        size = list(pvals.shape[:-1]) if size is None and pvals.ndim > 1 else size
        return self._draw("multinomial", dtype, size, ndim, n, pvals, extra=1)

    def shuffle_row_elements(self, x) -> Variable:
        """Return the matrix or vector `x`, with the elements of each row in random order."""
        x = as_variable(x)
        order = self.permutation(list(x.shape[:-1]) if x.ndim > 1 else (), x.shape[-1])
        return x[order] if x.ndim == 1 else x[arrays.arange(x.shape[0])[:, None], order]
