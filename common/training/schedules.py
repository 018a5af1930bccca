"""Learning-rate schedules: a large step while there is far to go, a small one to arrive.

A schedule is a function from the fraction of the training that is done, 0 to 1, to a factor for the
learning rate.
"""

import math
from collections.abc import Callable, Sequence

__all__ = ["cosine", "step_decay"]

Schedule = Callable[[float], float]


def cosine(warm_up: float = 0.0, end: float = 0.0) -> Schedule:
    """Return a schedule that falls from 1 to `end` along half a cosine.

    ½ (1 + cos π s) (1 − end) + end, where s goes from 0 to 1 after the warm-up (Loshchilov &
    Hutter, arXiv:1608.03983, without restarts).

    Parameters
    ----------
    warm_up : float
        Fraction of the training in which the factor first rises from 0 to 1 along a line.
    end : float
        The last factor.

    Examples
    --------
    >>> schedule = cosine(warm_up=0.1)
    >>> [round(schedule(done), 3) for done in (0.05, 0.1, 0.55, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if not 0 <= warm_up < 1:
        raise ValueError(f"warm_up must be at least 0 and below 1, got {warm_up}")
    if not 0 <= end <= 1:
        raise ValueError(f"end must lie between 0 and 1, got {end}")

    def schedule(done):
        if done < warm_up:
            return done / warm_up
        s = (done - warm_up) / (1 - warm_up)
        return 0.5 * (1 + math.cos(math.pi * s)) * (1 - end) + end

    return schedule


def step_decay(at: Sequence[float] = (0.5, 0.75), factor: float = 0.1) -> Schedule:
    """Return a schedule that starts at 1 and is multiplied by `factor` at each fraction in `at`.

    Examples
    --------
    >>> schedule = step_decay()
    >>> [round(schedule(done), 3) for done in (0.0, 0.5, 0.9)]
    [1.0, 0.1, 0.01]
    """
    at = tuple(at)
    if not all(0 <= fraction <= 1 for fraction in at):
        raise ValueError(f"at must hold fractions between 0 and 1, got {at}")
    if not 0 < factor <= 1:
        raise ValueError(f"factor must be above 0 and at most 1, got {factor}")
    return lambda done: factor ** sum(bool(done >= fraction) for fraction in at)
