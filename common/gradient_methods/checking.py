"""Gradient checking: backpropagation compared with finite differences of the loss.

A network with a wrong backward pass often still learns a little, so the mistake is easy to miss. A
**gradient check** compares backpropagation with derivatives that need no backward pass: finite
differences of the loss. Two things limit what they can tell.

*Rounding.* The loss is near 2, so float64 rounds it to 4e-16, and a central difference with the
book's h = 1e-4 has an error of about 1e-12: too much for a gradient element of 1e-8. A larger step
reduces the rounding error but increases the truncation error. **Richardson extrapolation** reduces
both: a central difference is D(h) = f' + c h² + O(h⁴), so (4 D(h/2) − D(h)) / 3 = f' + O(h⁴), and
so on with h/4, h/8, … This is Ridders' method (Advances in Engineering Software 4, 1982; Press et
al., *Numerical Recipes*, section 5.7), which also estimates its own error.

*Kinks.* ReLU isn't differentiable at 0. If some unit's input changes its sign between w − h and
w + h, a central difference mixes the slopes on both sides of the kink, although backpropagation is
right. Smaller steps help until rounding takes over. So where the two gradients don't agree at w,
they are compared at neighbouring points w ± δ too, with steps smaller than δ: there a kink near w
is left behind, but a wrong backward pass is wrong there as well.
"""

import math
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from common.gradient import as_number
from common.support.checks import check_rng, check_size

__all__ = ["GradientReport", "ParameterReport", "gradient_check", "ridders_derivative"]

FIRST_STEP = 2.0**-4
SHIFTS = [sign * 2.0**-k for k in (12, 16, 8, 20, 10, 14, 18) for sign in (1, -1)]
ORDERS = 3  # of extrapolation: errors of order h⁴, h⁶ and h⁸
EPSILON = float(np.finfo(np.float64).eps)
TOLERANCE = 1e-5  # the relative difference that a right gradient stays below
ENOUGH = 0.9  # of a parameter's elements
NEGLIGIBLE = 1e-12  # of the largest element: what rounding in backpropagation may leave of a 0


@dataclass(frozen=True)
class ParameterReport:
    """How the two gradients of one parameter compare.

    Attributes
    ----------
    name : str
    largest : float
        The largest relative difference |a − b| / (|a| + |b|); NaN if nothing was compared.
    index : tuple of int
        The element where it is.
    backprop, numerical : float
        Both gradients there.
    compared, undecided : int
        Elements that are right or wrong, and elements that can't be judged, because of rounding or
        a kink. Elements that are neither are 0 to rounding: too small for finite differences, and
        below 1e-12 times the largest gradient element of the network.
    size, total : int
        Elements that were looked at, and all elements of the parameter.
    """

    name: str
    largest: float
    index: tuple[int, ...]
    backprop: float
    numerical: float
    compared: int
    undecided: int
    size: int
    total: int


@dataclass(frozen=True)
class GradientReport:
    """The result of `gradient_check`, a ParameterReport per parameter; ``print`` it for a table."""

    parameters: tuple[ParameterReport, ...]
    tolerance: float

    @property
    def verdict(self) -> str:
        """What was found: "agree", "DO NOT AGREE" or "can't be judged".

        The last if nothing was compared, or a parameter has more than 10 % undecided elements.
        """
        if any(p.largest >= self.tolerance for p in self.parameters):
            return "DO NOT AGREE"
        clear = all(p.size - p.undecided >= ENOUGH * p.size for p in self.parameters)
        return "agree" if clear and any(p.compared for p in self.parameters) else "can't be judged"

    @property
    def passed(self) -> bool:
        """Whether the gradients agree."""
        return self.verdict == "agree"

    def __str__(self) -> str:
        width = max(len(name) for name in ("parameter", *(p.name for p in self.parameters)))
        lines = [f"{'parameter':<{width}}   elements compared  largest rel. diff.  at          "]
        lines[0] += "      backprop       numerical"
        for p in self.parameters:
            remark = "  WRONG" if p.largest >= self.tolerance else ""
            remark += f"  ({p.undecided:,} undecided)" if p.undecided else ""
            lines.append(
                f"{p.name:<{width}}  {f'{p.compared:,} of {p.size:,}':>18}  {p.largest:>18.1e}  "
                f"{list(p.index)!s:<10}  {p.backprop:>14.6e}  {p.numerical:>14.6e}{remark}"
            )
        if few := [p.name for p in self.parameters if p.compared < ENOUGH * p.size]:
            lines.append(f"Fewer than {ENOUGH:.0%} of {', '.join(few)} could be compared.")
        compared = sum(p.compared for p in self.parameters)
        total = sum(p.total for p in self.parameters)
        lines.append(
            f"The gradients {self.verdict} "
            f"({compared:,} of {total:,} weights compared, tolerance {self.tolerance:g})."
        )
        return "\n".join(lines)


def gradient_check(
    network,
    x: np.ndarray,
    t: np.ndarray,
    *,
    tolerance: float = TOLERANCE,
    max_entries: int | None = None,
    rng: np.random.Generator | None = None,
    progress: bool = False,
) -> GradientReport:
    """Compare a network's ``gradient`` with finite differences of its ``loss``.

    An element is right if both agree, and the estimated error of the finite differences is below
    the tolerance too. It is wrong if they differ by more than a hundred times that error, at the
    weight itself and at neighbouring points. An element that is exactly 0 in backpropagation (the
    weight of a blank pixel, or of a unit that is off) is right if the loss doesn't change, to an
    accuracy of `tolerance` times the largest gradient element of the network.

    Parameters
    ----------
    network : object
        Anything with ``params`` (a dict of float64 arrays), ``loss(x, t)`` and ``gradient(x, t)``.
        The loss must not be random; a `common.networks.Network` has an ``objective`` for that,
        which takes the place of its loss. The parameters are left bit for bit as they were, also
        if Ctrl-C interrupts the check.
    x, t : ndarray
        A mini-batch; a few examples are enough, and faster than many.
    tolerance : float
        The relative difference |a − b| / (|a| + |b|) that right elements stay below; under 1.
    max_entries : int, optional
        Look at no more elements of each parameter than this, chosen at random. All by default.
    rng : numpy.random.Generator, optional
        Chooses them; NumPy's global state without one.
    progress : bool
        Whether to show a progress bar (where there is a terminal).

    Returns
    -------
    GradientReport
        For each parameter the largest relative difference and where it is.

    Raises
    ------
    TypeError
        If a parameter or the loss isn't float64: float32 has too few digits for differences.
    ValueError
        If the gradient doesn't fit ``params``, the loss is random or not finite, or an argument is
        out of range.
    """
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance must be between 0 and 1, got {tolerance}")
    if max_entries is not None:
        check_size("max_entries", max_entries)
    check_rng(rng)
    check = _Check(network, x, t, tolerance)
    chosen = {}
    for key, param in network.params.items():
        chosen[key] = np.arange(param.size)
        if max_entries is not None and max_entries < param.size:
            draw = (np.random if rng is None else rng).choice
            chosen[key] = np.sort(draw(param.size, max_entries, replace=False))
    total, hidden = sum(map(len, chosen.values())), None if progress else True
    with tqdm(
        desc="gradient check", total=total, unit=" weights", leave=False, disable=hidden
    ) as bar:
        reports = [check.parameter(key, entries, bar.update) for key, entries in chosen.items()]
    return GradientReport(tuple(reports), tolerance)


class _Check:
    """A network, a mini-batch, and the gradient by backpropagation."""

    def __init__(self, network, x, t, tolerance):
        self.network, self.x, self.t, self.tolerance = network, x, t, tolerance
        self.objective = getattr(network, "objective", network.loss)
        self.unchanged = getattr(network, "unchanged", nullcontext)
        loss = np.array(self.objective(x, t))
        for key, array in {**network.params, "the loss": loss}.items():
            if array.dtype != np.float64:
                raise TypeError(f"gradient_check needs float64, {key} is {array.dtype}")
        if not np.isfinite(self.loss()):
            raise ValueError(f"the loss must be finite, got {loss}")
        if loss != self.loss():
            raise ValueError("the loss differs from call to call: is there dropout to switch off?")
        self.backprop = {key: np.array(grad) for key, grad in self.gradient().items()}
        self.largest = max(np.abs(grad).max(initial=0) for grad in [0.0, *self.backprop.values()])

    def loss(self):
        return as_number(self.objective(self.x, self.t), "loss")

    def gradient(self):
        with self.unchanged():
            grads = self.network.gradient(self.x, self.t)
        both = self.network.params, grads
        expected, got = ({key: np.shape(a) for key, a in arrays.items()} for arrays in both)
        if got != expected:
            raise ValueError(f"gradient must have the shapes of params, {expected}, got {got}")
        return grads

    def parameter(self, key, entries, progress):
        """Return the ParameterReport of the flat indices `entries`."""
        param = self.network.params[key]
        original, counts, worst = param.copy(), Counter(), (math.nan, (), math.nan, math.nan)
        try:
            for entry in entries:
                index = tuple(map(int, np.unravel_index(entry, param.shape)))
                verdict, relative, backprop, numerical = self.element(key, index)
                param[index] = original[index]
                counts[verdict] += 1
                if verdict == "compared" and not relative <= worst[0]:
                    worst = relative, index, backprop, numerical
                progress()
        finally:
            param[...] = original
        counted = counts["compared"], counts["undecided"], len(entries), param.size
        return ParameterReport(key, *worst, *counted)

    def element(self, key, index):
        """Return "compared", "undecided" or "negligible", relative difference, and gradients."""
        param, backprop = self.network.params[key], float(self.backprop[key][index])
        value, lead, wrong = float(param[index]), 0, None

        def loss_at(moved):
            param[index] = moved
            return self.loss()

        for shift in (0.0, *SHIFTS):
            step = abs(shift) / 2 or FIRST_STEP
            with self.unchanged():
                found = _ridders(loss_at, value + shift, 0.01 * self.tolerance, step)
            numerical, error, rounding = found
            if shift:
                param[index] = value + shift
                backprop = float(np.asarray(self.gradient()[key])[index])
            elif not math.isfinite(backprop):
                return "compared", math.inf, backprop, numerical
            difference, scale = abs(backprop - numerical), abs(backprop) + abs(numerical)
            relative = difference / scale if difference else 0.0
            result = relative, backprop, numerical
            if relative < self.tolerance and error < self.tolerance * scale:
                lead += 1
            # The error is the smallest of many estimates: around a kink it can be far too small.
            elif relative >= self.tolerance and difference > max(100 * error, rounding):
                lead, wrong = lead - 1, wrong or result
            elif not shift and difference <= rounding:
                if backprop == 0 and rounding <= self.tolerance * self.largest:
                    return "compared", 0.0, 0.0, 0.0
                if abs(backprop) <= NEGLIGIBLE * self.largest:
                    return "negligible", *result
            if lead == 1:
                return "compared", *result
            if lead == -4:
                return "compared", *wrong
        return "undecided", *result


def ridders_derivative(
    f: Callable[[float], float], x: float, tolerance: float = 1e-7, first_step: float = FIRST_STEP
) -> tuple[float, float]:
    """Return f'(x) and its estimated error, by central differences extrapolated to h = 0.

    Parameters
    ----------
    f : callable
        Takes a float and returns one; smooth near `x`, though perhaps not as far as the first step.
    x : float
    tolerance : float
        The step is halved until the estimated error is below `tolerance` · 2 |f'|, or until smaller
        steps could only add rounding error; the best estimate so far is returned.
    first_step : float
        The largest step that is tried, in the units of `x`.

    Returns
    -------
    derivative, error : float

    Examples
    --------
    >>> derivative, error = ridders_derivative(np.exp, 1.0)
    >>> round(derivative - np.e, 11), error < 1e-6
    (0.0, True)
    >>> round(ridders_derivative(lambda x: max(x, 0.0), 1e-3)[0], 9)  # a kink between the steps
    1.0
    """
    return _ridders(f, x, tolerance, first_step)[:2]


def _ridders(f, x, tolerance, step):
    """Return f'(x), its estimated error, and a bound of the rounding error if f is a loss."""
    row, size, best, smallest_error = [], 0.0, math.nan, math.inf
    while EPSILON * size / step < smallest_error:
        f_plus, f_minus = as_number(f(x + step)), as_number(f(x - step))
        size = max((abs(f_plus) + abs(f_minus)) / 2, size)
        above, row = row, [(f_plus - f_minus) / (2 * step)]  # row[k] has an error of order h²ᵏ⁺²
        for k, coarser in enumerate(above[:ORDERS], start=1):
            finer = row[-1]
            row.append(finer + (finer - coarser) / (4**k - 1))
            error = max(abs(row[-1] - finer), abs(row[-1] - coarser)) + EPSILON * size / step
            if error < smallest_error:
                best, smallest_error = row[-1], error
        if smallest_error <= tolerance * 2 * abs(best):
            break
        step /= 2
    # A small loss log Σ exp is computed by way of numbers near 1, and rounded as they are.
    return best, smallest_error, 16 * EPSILON * max(1.0, size) / step
