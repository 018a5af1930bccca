"""Random numbers in expressions: seeded streams, which advance with each call of a function.

Each draw has a shared variable that counts the calls by its default update. The numbers depend on
seed, stream and count alone, so that a pickled program continues where it was.
"""

import numpy as np

from common.symbolic import arrays
from common.symbolic.elementwise import cast
from common.symbolic.graph import Operation, Variable, as_variable, checked_dtype, shared


class Draw(
    Operation, name="draw", fields=("method", "dtype", "stream", "n_sizes", "names"), n_values=0
):
    """Random numbers of one stream, by a method of NumPy's generators.

    Inputs are the number of the call, the sizes of `n_sizes` axes, and the method's arguments, by
    their `names`. The results of multinomial and permuted have one axis more, the last axis of the
    last argument.
    """

    def infer(self, call, *inputs):
        last = inputs[-1].dims[-1:] if self.method in ("multinomial", "permuted") else ()
        return self.dtype, arrays.alloc(0, *inputs[: self.n_sizes]).dims + last

    def code(self, call, *inputs):
        size = "".join(f"{n}, " for n in inputs[: self.n_sizes])
        values = zip(self.names, inputs[self.n_sizes :], strict=True)
        given = "".join(f", {name}={x}" for name, x in values)
        return f"draw({self.method!r}, np.{self.dtype}, {self.stream}, {call}, ({size}){given})"


class RandomStreams:
    """A source of random variables.

    Each call of one of its methods makes a new, independent stream. `size` is a shape, of numbers
    or variables; without one it is that of the parameters. Theano's seeds give other numbers.

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
        self.state_updates = []
        self.seed(seed)

    def seed(self, seed=None):
        """Restart all streams with another seed."""
        if seed is not None and (not isinstance(seed, int | np.integer) or seed < 0):
            raise TypeError(f"seed must be an integer of 0 or more, got {seed!r}")
        start = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
        self._first_call = np.int64(start >> 22 << 20)  # 42 bits from the seed, 20 for calls
        for counter, _ in self.state_updates:
            counter.set_value(self._first_call)

    def updates(self):
        """Return the pairs of shared variables and their updates."""
        return list(self.state_updates)

    def _draw(self, method, size, ndim, dtype, **given):
        given = {name: as_variable(x) for name, x in given.items() if x is not None}
        if size is None:
            size = max(given.values(), key=lambda x: x.ndim).shape
        sizes = arrays.sizes_of(size, ndim)
        counter = shared(self._first_call)
        counter.default_update = counter + np.int64(1)
        stream = len(self.state_updates)
        self.state_updates.append((counter, counter.default_update))
        draw = Draw(method, checked_dtype(dtype), stream, len(sizes), tuple(given))
        return draw(counter, *sizes, *given.values())

    def uniform(self, size=None, low=0.0, high=1.0, ndim=None, dtype="floatX") -> Variable:
        """Return numbers that are uniformly distributed from `low` to `high`."""
        return self._draw("uniform", size, ndim, dtype, low=low, high=high)

    def normal(self, size=None, avg=0.0, std=1.0, ndim=None, dtype="floatX") -> Variable:
        """Return normally distributed numbers with mean `avg` and standard deviation `std`."""
        return self._draw("normal", size, ndim, dtype, loc=avg, scale=std)

    def binomial(self, size=None, n=1, p=0.5, ndim=None, dtype="int64", prob=None) -> Variable:
        """Return how many of `n` trials succeed, each with probability `p`."""
        return self._draw("binomial", size, ndim, dtype, n=n, p=p if prob is None else prob)

    def random_integers(self, size=None, low=0, high=1, ndim=None, dtype="int64") -> Variable:
        """Return integers from `low` to `high`, both included."""
        return self._draw("integers", size, ndim, dtype, low=low, high=high, endpoint=True)

    def choice(self, size=None, a=2, replace=True, p=None, ndim=None, dtype="int64") -> Variable:
        """Return elements of `a`, or integers below it, with probabilities `p`."""
        return self._draw("choice", size or (), ndim, dtype, a=a, replace=bool(replace), p=p)

    def permutation(self, size=None, n=1, ndim=None, dtype="int64") -> Variable:
        """Return permutations of 0, …, n − 1 along the last axis, one per element of `size`."""
        return self._draw("permuted", size or (), ndim, dtype, x=arrays.arange(n))

    def multinomial(self, size=None, n=1, pvals=(0.5, 0.5), ndim=None, dtype="int64") -> Variable:
        """Return how often each outcome occurs in `n` trials, with the probabilities `pvals`."""
        pvals = cast(pvals, "float64")
        pvals = pvals / arrays.sum(pvals, -1, keepdims=True)  # so that the sum is 1 in float64
        size = pvals.shape[:-1] if size is None else size
        return self._draw("multinomial", size, ndim, dtype, n=n, pvals=pvals)

    def shuffle_row_elements(self, x) -> Variable:
        """Return the matrix or vector `x`, with the elements of each row in random order."""
        x = as_variable(x)
        order = self.permutation(x.shape[:-1], x.shape[-1])
        return x[order] if x.ndim == 1 else x[arrays.arange(x.shape[0])[:, None], order]
