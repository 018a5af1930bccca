"""What a check of an exercise says: right, or wrong and where."""

import copy
import dis
import functools
import html
import inspect
import sysconfig
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

__all__ = [
    "Case",
    "NotFilledIn",
    "Verdict",
    "Wrong",
    "as_numbers",
    "call",
    "checked",
    "exercise",
    "expect",
    "returned",
    "same",
    "several",
]

T = TypeVar("T")
LIBRARIES = (
    *(str(Path(file).parents[1]) for file in (__file__, np.__file__)),
    sysconfig.get_path("stdlib"),
)


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


def checked(praise: str, kind: str = "") -> Callable:
    """Decorate a check: it returns a Verdict, whatever the reader's answer does.

    The check itself raises `Wrong` where the answer is wrong, and returns nothing if it is right.
    It isn't called with an answer that isn't there yet: None, ``...``, a function whose body is
    ``...``, or a class with such a method. An error in the reader's code is reported with the
    reader's line; a line of the check or of a library is never shown.

    Parameters
    ----------
    praise : str
        The message if the answer is right: what the reader has shown.
    kind : {"", "function", "class"}
        What the answer must be; an empty string accepts anything.
    """

    def decorate(check):
        @functools.wraps(check)
        def checking(*answers, **options):
            try:
                for answer in answers:
                    _expect_answer(answer)
                    _expect_kind(answer, kind)
                with np.errstate(all="ignore"):  # what overflows is told by its result
                    check(*answers, **options)
            except Wrong as wrong:
                return Verdict(False, str(wrong))
            except Exception as error:
                what = f"{type(error).__name__}: {error}"
                return Verdict(False, f"your code raised {what}{_line_of(error)}")
            return Verdict(True, praise)

        return checking

    return decorate


def exercise(praise: str, *, kind: str = "function", rtol=1e-6, atol=1e-9, paper=False) -> Callable:
    """Make a check of the cases that a generator function yields.

    Parameters
    ----------
    praise : str
        The message if the answer is right.
    kind : {"function", ""}
        Whether the answer is a function, which is called with each case's arguments, or the
        value itself.
    rtol, atol : float
        Accuracy that is asked for, as in `numpy.isclose`.
    paper : bool
        Whether the answer comes from pencil and paper: messages give hints and never the answer.

    Returns
    -------
    callable
        Decorator of a generator function that takes a random generator and yields `Case`.
    """

    def decorate(cases):
        @functools.wraps(cases)
        def check(answer):
            for case in cases(np.random.default_rng()):
                got = call(answer, *case.args) if kind == "function" else answer
                options = {"rtol": rtol, "atol": atol, "paper": paper}
                if isinstance(case.what, tuple):
                    slips = case.slips or ((),) * len(case.what)
                    hints = case.hint or ("",) * len(case.what)
                    parts = several(got, len(case.what), "the answer")
                    rows = zip(parts, case.expected, case.what, hints, slips, strict=True)
                    for part, expected, what, hint, slip in rows:
                        same(part, expected, what, hint, slips=slip, **options)
                else:
                    same(got, case.expected, case.what, case.hint, slips=case.slips, **options)

        del check.__wrapped__  # the check takes the answer, its cases take a random generator
        return checked(praise, kind)(check)

    return decorate


class Case(NamedTuple):
    """One case of an exercise: the arguments, and what must be returned for them.

    Attributes
    ----------
    args : tuple
        Arguments of the reader's function.
    expected : array_like, or a tuple of them
    what : str, or a tuple of them
        What the expected numbers are. A tuple asks for as many returned values.
    hint : str, or a tuple of them
    slips : sequence of (array_like, str), or a tuple of such sequences
        Known wrong results, each with its own hint.
    """

    args: tuple
    expected: Any
    what: Any
    hint: Any = ""
    slips: Any = ()


def call(function: Callable, *args):
    """Call the reader's function with copies of `args`, which it must not change.

    Returns
    -------
    object
        What the function returned.

    Raises
    ------
    Wrong
        If it returned nothing, or changed an array that it was given.
    """
    given = copy.deepcopy(args)
    result = returned(function(*given))
    for number, (before, after) in enumerate(zip(args, given, strict=True), start=1):
        if isinstance(before, np.ndarray) and not np.array_equal(before, after, equal_nan=True):
            raise Wrong(
                f"your function changes the array that it is given as argument {number}. "
                "Hint: make a new array, with * in place of *=, or start from a copy."
            )
    return result


def several(got, count: int, what: str) -> list:
    """Return the `count` values that `got` holds, whether in a tuple, a list or an array.

    Raises
    ------
    Wrong
        If it doesn't hold as many, or one of them is still to be filled in.
    """
    if not isinstance(got, tuple | list) and not (isinstance(got, np.ndarray) and got.ndim):
        raise Wrong(f"{what} must be {count} values, separated by commas; got {_kind_of(got)}.")
    if len(got) != count:
        raise Wrong(f"{what} must be {count} values, separated by commas; got {len(got)}.")
    for number, value in enumerate(got, start=1):
        if value is Ellipsis or value is None:
            raise Wrong(f"{what}: value {number} of {count} is still missing.")
    return list(got)


def _line_of(error):
    """Return the last line of the reader's code that an error passed through, or nothing."""
    steps = traceback.extract_tb(error.__traceback__)
    own = [step for step in steps if not step.filename.startswith(LIBRARIES)]
    if not own:
        return ""
    return f" (line {own[-1].lineno}: {own[-1].line})".replace(": )", ")")


def _expect_kind(answer, kind):
    if kind == "function" and (inspect.isclass(answer) or not callable(answer)):
        raise Wrong(f"the answer must be a function, got {_kind_of(answer)}.")
    if kind == "class" and not inspect.isclass(answer):
        hint = ""
        if not callable(answer) and hasattr(answer, "__dict__"):
            hint = f" Hint: give the class itself, without calling it: {type(answer).__name__}."
        raise Wrong(f"the answer must be a class, got {_kind_of(answer)}.{hint}")


def _kind_of(value):
    if inspect.isclass(value):
        return f"the class {value.__name__}"
    if inspect.isfunction(value):
        return "a function"
    if isinstance(value, bool | int | float | complex | str | np.number):
        return repr(value.item() if isinstance(value, np.generic) else value)
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


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


def same(
    got,
    expected,
    what: str,
    hint: str = "",
    rtol: float = 1e-6,
    atol: float = 1e-9,
    *,
    slips=(),
    paper: bool = False,
) -> None:
    """Raise `Wrong` unless `got` has the shape and the numbers of `expected`.

    The message gives the first element that differs, with enough digits to see the difference,
    and a hint. If only the last digits differ it says how many are asked for.

    Parameters
    ----------
    got : array_like
        The reader's.
    expected : array_like
    what : str
        What these numbers are, such as "the gradient with respect to W".
    hint : str
    rtol, atol : float
        Accuracy that is asked for, as in `numpy.isclose`.
    slips : sequence of (array_like, str)
        Known wrong results, each with the hint that takes the place of `hint`.
    paper : bool
        Whether to accept one number in brackets, and to keep the expected number secret.
    """
    numbers, expected = as_numbers(got, what, hint), np.asarray(expected, dtype=float)
    if paper and numbers.size == expected.size == 1:
        numbers = numbers.reshape(expected.shape)
    if numbers.shape != expected.shape:
        shapes = f"must have shape {expected.shape}, got {numbers.shape}"
        if not expected.shape:
            shapes = f"must be one number, got an array of shape {numbers.shape}"
        raise Wrong(f"{what} {shapes}.{_hint(hint)}")
    wrong = ~np.isclose(numbers, expected, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return
    for slip, its_hint in slips:
        slip = np.asarray(slip, dtype=float)
        if slip.shape == numbers.shape and np.allclose(numbers, slip, rtol=max(rtol, 1e-6)):
            hint = its_hint
            break
    else:
        if rtol < 1e-9 and np.allclose(numbers, expected, rtol=1e-4, atol=1e-6):
            raise Wrong(
                f"{what} is nearly right, but {-round(np.log10(rtol))} correct digits are asked "
                f"for, which neither finite differences nor float32 can give.{_hint(hint)}"
            )
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = f" at {list(first)}" if first else ""
    count = f" ({wrong.sum()} of {wrong.size} elements differ)" if expected.ndim else ""
    want, have = _digits(float(expected[first]), float(numbers[first]))
    if paper:
        raise Wrong(f"{what}{place} isn't {have}.{_hint(hint)}")
    raise Wrong(f"{what}{place}: expected {want}, got {have}{count}.{_hint(hint)}")


def as_numbers(got, what: str, hint: str = "") -> np.ndarray:
    """Return `got` as an array of float64, or raise `Wrong` if it doesn't consist of numbers."""
    if got is None or got is Ellipsis:
        raise Wrong(f"{what} is missing: your code returned {got!r}.{_hint(hint)}")
    if isinstance(got, tuple | list) and any(part is Ellipsis or part is None for part in got):
        raise Wrong(f"{what}: not all values are filled in yet.")
    try:
        array = np.asarray(got)
        if array.dtype.kind not in "biufO":
            raise TypeError
        return np.asarray(array, dtype=float)
    except (TypeError, ValueError):
        raise Wrong(f"{what} must be numbers, got {_kind_of(got)}.{_hint(hint)}") from None


def _hint(hint):
    return f" Hint: {hint}" if hint else ""


def _digits(expected, got):
    """Return two numbers as text, with enough digits that the texts differ."""
    if all(abs(x) < 1e15 and x == int(x) for x in (expected, got) if np.isfinite(x)):
        texts = [f"{x:,.0f}" for x in (expected, got)]
        if texts[0] != texts[1]:
            return texts
    for digits in range(6, 18):
        texts = [f"{x:.{digits}g}" for x in (expected, got)]
        if texts[0] != texts[1] and (digits > 8 or abs(expected - got) > 1e-5 * abs(expected)):
            break
    return texts
