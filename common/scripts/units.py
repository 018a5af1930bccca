"""Numbers with units, for people."""

__all__ = ["readable_time"]


def readable_time(seconds: float) -> str:
    """Return a time with three digits in the unit that suits it, s, ms or µs.

    Examples
    --------
    >>> readable_time(42.27), readable_time(0.001019), readable_time(2.5e-05)
    ('42.3 s', '1.02 ms', '25.0 µs')
    """
    for unit, name in ((1, "s"), (1e-3, "ms")):
        if seconds >= 0.9995 * unit:
            return f"{_three_digits(seconds / unit)} {name}"
    return f"{_three_digits(seconds / 1e-6)} µs"


def _three_digits(number):
    if number == 0:
        return "0"
    return f"{number:.0f}" if number >= 999.5 else f"{number:#.3g}".rstrip(".")
