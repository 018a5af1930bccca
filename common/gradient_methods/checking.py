"""Gradient checking: backpropagation against differences of the loss.

A backward pass is easy to get wrong and still learns a little. So compare it with a derivative that
knows nothing of layers: differences of the loss itself. They need care in two places.

*Rounding.* The loss is near 2, so float64 rounds it to 4e-16, and a central difference with the
book's h = 1e-4 is off by some 1e-12: too much for an entry of 1e-8. A larger step rounds less but
truncates more. Extrapolation has it both ways: the central difference is D(h) = f' + c h² + O(h⁴),
so (4 D(h/2) − D(h)) / 3 = f' + O(h⁴), and so on with h/4, h/8, … This is Ridders' method (Advances
in Engineering Software 4, 1982; Press et al., *Numerical Recipes*, section 5.7).

*Kinks.* ReLU has no derivative at 0. If a step carries some unit's input across 0, differences see
two slopes and give their mean, which is nobody's error. Such an entry betrays itself: D(h) and
D(h/2) don't agree as those of a smooth function would. So h is halved until both steps stay on one
side of the kink, and of all estimates the one with the smallest estimated error counts. An entry
that seems to be wrong is looked at again from closer up. What little is too close to a kink to be
told from it is counted as undecided, not as wrong.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

__all__ = ["GradientReport", "ParameterReport", "gradient_check", "ridders_derivative"]

FIRST_STEP, CLOSE_STEP, CLOSEST_STEP = 2.0**-4, 2.0**-12, 2.0**-20
ORDERS = 3  # the tableau's columns: errors of order h⁴, h⁶ and h⁸
EPSILON = float(np.finfo(np.float64).eps)
TOLERANCE = 1e-5  # the relative difference that a right gradient stays below
SMALLEST_SCALE = 1e-8  # differences are relative to |a| + |b|, but to no less than this
NEGLIGIBLE = 1e-9  # an entry that both gradients find smaller than this is 0 to rounding


@dataclass(frozen=True)
class ParameterReport:
    """How the two gradients of one parameter compare.

    Attributes
    ----------
    name : str
    largest : float
        The largest relative difference |a − b| / max(1e-8, |a| + |b|).
    index : tuple of int
        The entry where it is.
    backprop, numerical : float
        Both gradients there.
    compared : int
        Entries that were compared: those where either gradient is at least 1e-9.
    undecided : int
        Entries that seem to differ, but by no more than the estimated error of the differences.
    size : int
        Entries that were looked at: neither compared nor undecided are those that are 0 to
        rounding.
    """

    name: str
    largest: float
    index: tuple[int, ...]
    backprop: float
    numerical: float
    compared: int
    undecided: int
    size: int


@dataclass(frozen=True)
class GradientReport:
    """The result of `gradient_check`; ``print`` it for a table.

    Attributes
    ----------
    parameters : tuple of ParameterReport
    tolerance : float
    """

    parameters: tuple[ParameterReport, ...]
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether every parameter's largest relative difference is below the tolerance.

        Where more than 1 % of a parameter's entries are undecided, nothing has been shown.
        """
        return all(p.largest < self.tolerance and not _unclear(p) for p in self.parameters)

    def __str__(self) -> str:
        width = max(len("parameter"), *(len(parameter.name) for parameter in self.parameters))
        lines = [
            f"{'parameter':<{width}}  {'entries compared':>18}  {'largest rel. diff.':>18}  "
            f"{'at':<10}  {'backprop':>14}  {'numerical':>14}"
        ]
        for p in self.parameters:
            at = "[" + ", ".join(map(str, p.index)) + "]"
            compared = f"{p.compared:,} of {p.size:,}"
            verdict = "" if p.largest < self.tolerance else "  WRONG"
            if p.undecided:
                verdict += f"  ({p.undecided:,} undecided)"
            lines.append(
                f"{p.name:<{width}}  {compared:>18}  {p.largest:>18.1e}  "
                f"{at:<10}  {p.backprop:>14.6e}  {p.numerical:>14.6e}{verdict}"
            )
        if self.passed:
            verdict = "agree"
        elif all(p.largest < self.tolerance for p in self.parameters):
            verdict = "can't be judged: too many entries lie at a kink"
        else:
            verdict = "DO NOT AGREE"
        lines.append(f"The gradients {verdict} (tolerance {self.tolerance:g}).")
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
    """Compare a network's ``gradient`` with differences of its ``loss``.

    Parameters
    ----------
    network : object
        Anything with ``params`` (a dict of float64 arrays), ``loss(x, t)`` and ``gradient(x, t)``.
        The loss must not be random; a `common.networks.Network` has an ``objective`` for that,
        which takes the place of its loss. ``params`` is left bit for bit as it was.
    x, t : ndarray
        A mini-batch; a few examples are enough, and quicker than many.
    tolerance : float
        The relative difference |a − b| / max(1e-8, |a| + |b|) that must not be reached.
    max_entries : int, optional
        Look at no more entries of each parameter than this, chosen at random. All by default.
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
        If a parameter or the loss isn't float64: in float32, differences have too few digits.
    ValueError
        If the gradient's keys or shapes aren't those of ``params``, or if the loss is random or not
        finite.
    """
    for key, param in network.params.items():
        if param.dtype != np.float64:
            raise TypeError(f"checking needs float64 parameters, {key} is {param.dtype}")
    if max_entries is not None and max_entries < 1:
        raise ValueError(f"max_entries must be at least 1, got {max_entries}")
    objective = getattr(network, "objective", network.loss)
    loss = objective(x, t)
    if np.asarray(loss).dtype != np.float64:
        raise TypeError(f"checking needs a loss in float64, got {np.asarray(loss).dtype}")
    if not np.isfinite(loss):
        raise ValueError(f"the loss must be finite, got {loss}")
    if loss != objective(x, t):
        raise ValueError("the loss differs from call to call: switch off what is random, dropout?")

    with network.unchanged() if hasattr(network, "unchanged") else nullcontext():
        gradient = network.gradient(x, t)
    if gradient.keys() != network.params.keys():
        raise ValueError(
            f"gradient has the keys {', '.join(gradient)}, params {', '.join(network.params)}"
        )
    entries = {
        key: _choose_entries(param.size, max_entries, rng) for key, param in network.params.items()
    }
    with tqdm(
        total=sum(map(len, entries.values())),
        desc="gradient check",
        unit=" weights",
        leave=False,
        disable=None if progress else True,
    ) as bar:
        reports = []
        for key, param in network.params.items():
            if np.shape(gradient[key]) != param.shape:
                raise ValueError(
                    f"the gradient of {key} has shape {np.shape(gradient[key])}, "
                    f"{key} itself {param.shape}"
                )
            reports.append(
                _check_parameter(
                    key,
                    param,
                    np.asarray(gradient[key]).ravel()[entries[key]],
                    entries[key],
                    lambda: objective(x, t),
                    tolerance,
                    bar.update,
                )
            )
    return GradientReport(tuple(reports), tolerance)


def _unclear(parameter):
    return parameter.undecided > 0.01 * (parameter.undecided + parameter.compared)


def _choose_entries(size, max_entries, rng):
    if max_entries is None or size <= max_entries:
        return np.arange(size)
    source = np.random if rng is None else rng
    return np.sort(source.choice(size, max_entries, replace=False))


def _check_parameter(name, param, backprop, entries, loss, tolerance, progress):
    """Return the ParameterReport of the flat indices `entries`, whose gradient is `backprop`."""
    numerical, error = np.empty(len(entries)), np.empty(len(entries))
    original = param.copy()

    def loss_with_entry_at(value):
        param[index] = value
        return loss()

    try:
        for n, entry in enumerate(entries):
            index = np.unravel_index(entry, param.shape)
            value = original[index]
            numerical[n], error[n] = ridders_derivative(loss_with_entry_at, value, 0.01 * tolerance)
            if _relative_difference(backprop[n], numerical[n]) >= tolerance:
                numerical[n], error[n] = _second_look(
                    loss_with_entry_at, value, numerical[n], error[n]
                )
            param[index] = value
            progress()
    finally:
        param[...] = original

    relative = _relative_difference(backprop, numerical)
    negligible = np.maximum(np.abs(backprop), np.abs(numerical)) < NEGLIGIBLE
    undecided = ~negligible & (relative >= tolerance) & (np.abs(backprop - numerical) <= error)
    relative[negligible | undecided] = 0
    worst = int(relative.argmax())
    return ParameterReport(
        name=name,
        largest=float(relative[worst]),
        index=tuple(int(i) for i in np.unravel_index(entries[worst], param.shape)),
        backprop=float(backprop[worst]),
        numerical=float(numerical[worst]),
        compared=int(np.count_nonzero(~negligible & ~undecided)),
        undecided=int(np.count_nonzero(undecided)),
        size=len(entries),
    )


def _relative_difference(a, b):
    with np.errstate(invalid="ignore"):
        relative = np.abs(a - b) / np.maximum(SMALLEST_SCALE, np.abs(a) + np.abs(b))
    return np.where(np.isfinite(a), relative, np.inf)  # NaN would compare as if it were right


def ridders_derivative(
    f: Callable[[float], float], x: float, tolerance: float = 1e-7, first_step: float = FIRST_STEP
) -> tuple[float, float]:
    """Return f'(x) and its estimated error, by central differences extrapolated to h = 0.

    Parameters
    ----------
    f : callable
        From a float to a float; smooth near `x`, though perhaps not as near as the first step.
    x : float
    tolerance : float
        The step is halved until the estimated error is below `tolerance` · max(1e-8, 2 |f'|), or a
        smaller step could only add rounding; the best estimate so far is returned.
    first_step : float
        The largest step that is tried, in the units of `x`.

    Returns
    -------
    derivative, error : float

    Examples
    --------
    >>> derivative, error = ridders_derivative(np.exp, 1.0)
    >>> round(derivative - np.e, 11), error < 1e-7
    (0.0, True)
    >>> round(ridders_derivative(lambda x: max(x, 0.0), 1e-3)[0], 9)  # a kink between the steps
    1.0
    """
    step = first_step
    f_plus, f_minus = f(x + step), f(x - step)
    row = [(f_plus - f_minus) / (2 * step)]  # row[k] has an error of order h²ᵏ⁺²
    best, smallest_error = row[0], np.inf
    rounding = EPSILON * max(abs(f_plus), abs(f_minus))
    while rounding / step < smallest_error:
        step /= 2
        above, row = row, [(f(x + step) - f(x - step)) / (2 * step)]
        for k, coarser in enumerate(above[:ORDERS], start=1):
            finer = row[-1]
            row.append(finer + (finer - coarser) / (4**k - 1))
            error = max(abs(row[-1] - finer), abs(row[-1] - coarser)) + rounding / step
            if error < smallest_error:
                best, smallest_error = row[-1], error
        if smallest_error <= tolerance * max(SMALLEST_SCALE, 2 * abs(best)):
            break
    return float(best), float(smallest_error)


def _second_look(f, x, derivative, error):
    """Return derivative and error of an entry that seems to be wrong, as seen from closer up.

    Steps across a kink can agree with each other by chance. And around a kink at `x` itself they
    agree at every h, on the mean of both slopes.
    """
    closer, its_error = ridders_derivative(f, x, first_step=CLOSE_STEP)
    if abs(closer - derivative) > error + its_error:
        derivative, error = closer, its_error
    h = CLOSEST_STEP
    jump_of_slope = abs(f(x + h) - 2 * f(x) + f(x - h)) / h
    rounding = 8 * EPSILON * abs(f(x)) / h
    return derivative, error + (jump_of_slope if jump_of_slope > rounding else 0.0)
