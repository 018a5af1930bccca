"""What a check of an exercise says: right, or wrong and where."""

import dis
import functools
import html
import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

__all__ = ["NotFilledIn", "Verdict", "Wrong", "checked", "expect", "returned", "same"]

T = TypeVar("T")
LIBRARIES = tuple(str(Path(file).parents[1]) for file in (__file__, np.__file__))


class Wrong(Exception):
    """An answer is wrong; the message says where, and gives a hint."""


class NotFilledIn(Wrong):
    """There is no answer yet."""

    def __init__(self, message: str = "nothing is filled in yet"):
        super().__init__(message)


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes
    ----------
    right : bool
    message : str
    """

    right: bool
    message: str

    def __bool__(self):
        return self.right

    def __repr__(self):
        return f"{'right' if self.right else 'not yet'}: {self.message}"

    def _repr_html_(self):
        # Dark enough to be read on white paper, and light enough on black (contrast above 4.5).
        colour, word = ("#008060", "right") if self.right else ("#C65000", "not yet")
        text = html.escape(self.message).replace("\n", "<br>")
        return f'<span style="color: {colour}; font-weight: bold">{word}:</span> {text}'


def checked(praise: str) -> Callable:
    """Decorate a check: it returns a Verdict, whatever the reader's answer does.

    The check itself raises `Wrong` where the answer is wrong, and returns nothing if it is right.
    It isn't called with an answer that isn't there yet: None, ``...``, a function whose body is
    ``...``, or a class with such a method. An error that the answer raises is told with its line.

    Parameters
    ----------
    praise : str
        The message if all is right: what the reader has shown.
    """

    def decorate(check):
        @functools.wraps(check)
        def checking(*answers, **options):
            try:
                for answer in answers:
                    _expect_answer(answer)
                check(*answers, **options)
            except Wrong as wrong:
                return Verdict(False, str(wrong))
            except Exception as error:
                what = f"{type(error).__name__}: {error}"
                return Verdict(False, f"your code raised {what} ({_line_of(error)})")
            return Verdict(True, praise)

        return checking

    return decorate


def _line_of(error):
    """Return where in the reader's code an error comes from, were it raised in a library's."""
    steps = traceback.extract_tb(error.__traceback__)
    last = [step for step in steps if not step.filename.startswith(LIBRARIES)] or steps
    return f"line {last[-1].lineno}: {last[-1].line}".removesuffix(": ")


def _expect_answer(answer):
    if answer is None or answer is Ellipsis or _is_empty(answer):
        raise NotFilledIn
    if inspect.isclass(answer):
        methods = {
            name: method
            for name, method in vars(answer).items()
            if inspect.isfunction(method) and not name.startswith("__")
        }
        empty = [name for name, method in methods.items() if _is_empty(method)]
        if empty and len(empty) == len(methods):
            raise NotFilledIn
        if empty:
            verb = "isn't" if len(empty) == 1 else "aren't"
            raise NotFilledIn(f"{' and '.join(empty)} {verb} filled in yet")


def _is_empty(function):
    """Tell whether the body of a function is ``...``, ``return ...`` or ``return None``."""
    bodies = map(_instructions, (lambda: None, lambda: ...))
    return inspect.isfunction(function) and _instructions(function) in bodies


def _instructions(function):
    steps = dis.get_instructions(function)
    return [(step.opname, step.argval) for step in steps if step.opname != "NOP"]


def returned(result: T) -> T:
    """Return what the reader's function returned, or raise `Wrong` if that is nothing."""
    if result is None or result is Ellipsis:
        raise Wrong(f"your function returned {result!r}: is there a return at its end?")
    return result


def expect(condition: bool, message: str) -> None:
    """Raise `Wrong` with `message` unless the condition holds."""
    if not condition:
        raise Wrong(message)


def same(got, expected, what: str, hint: str = "", rtol: float = 1e-6, atol: float = 1e-9) -> None:
    """Raise `Wrong` unless `got` has the shape and the numbers of `expected`.

    The message gives the first entry that differs, what was expected there and what came, and the
    hint.

    Parameters
    ----------
    got : array_like
        The reader's.
    expected : array_like
    what : str
        What these numbers are, such as "the gradient by W".
    hint : str
    rtol, atol : float
        As of `numpy.isclose`.
    """
    hint = f" Hint: {hint}" if hint else ""
    if got is None or got is Ellipsis:
        raise Wrong(f"{what} is missing: your code returned {got!r}.{hint}")
    try:
        numbers = np.asarray(got, dtype=float)
    except (TypeError, ValueError):
        raise Wrong(f"{what} must be numbers, got {type(got).__name__}.{hint}") from None
    expected = np.asarray(expected, dtype=float)
    if numbers.shape != expected.shape:
        raise Wrong(f"{what} must have shape {expected.shape}, got {numbers.shape}.{hint}")
    wrong = ~np.isclose(numbers, expected, rtol=rtol, atol=atol, equal_nan=True)
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        place = f" at {list(first)}" if first else ""
        count = f" ({wrong.sum()} of {wrong.size} entries differ)" if expected.ndim else ""
        raise Wrong(
            f"{what}{place}: expected {expected[first]:.6g}, got {numbers[first]:.6g}{count}.{hint}"
        )
