import math

import numpy as np
import pytest

from common.exercises import notebook_01 as check
from common.gradient import best_step, central_difference, forward_difference


def five_points(f, x, h=1e-2):
    return (f(x - 2 * h) - 8 * f(x - h) + 8 * f(x + h) - f(x + 2 * h)) / (12 * h)


def richardson(f, x, h):
    once, half = (central_difference(f, x, step) for step in (h, h / 2))
    return half + (half - once) / 3


def combination(a, b):
    return lambda f, x, h: a * central_difference(f, x, h / 2) + b * central_difference(f, x, h)


def sum_of_three(f, x, h):
    return f(x + h) - 2 * f(x) + f(x - h)


def no_return(f, x, h):
    (f(x) - f(x - h)) / h


def second_by_twice_the_first(f, x, h):
    return central_difference(lambda t: central_difference(f, t, h / 2), x, h / 2)


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        ("slope_of_the_cube", 12),
        ("slope_of_the_cube", np.float64(12)),
        ("slope_of_the_cube", central_difference(lambda x: x**3, 2.0)),
        ("backward_difference", lambda f, x, h=1e-8: forward_difference(f, x, -h)),
        ("backward_difference", lambda f, x, h: -f(x - h) / h + f(x) / h),
        ("order", lambda a, b: np.log(a / b) / np.log(2)),
        ("order", lambda a, b: round(math.log2(a) - math.log2(b))),
        ("order", lambda a, b: float(np.emath.logn(2, a / b))),
        ("backward_difference", lambda f, x, h: np.float64(f(x) - f(x - h)) / np.float64(h)),
        ("second_difference", lambda f, x, h: (f(x + h) + f(x - h)) / h**2 - 2 * f(x) / h**2),
        ("second_difference", lambda f, x, h: ((f(x + h) - f(x)) / h - (f(x) - f(x - h)) / h) / h),
        ("second_difference", second_by_twice_the_first),
        ("step_for_the_second_derivative", 1e-4),
        ("step_for_the_second_derivative", 3e-4),
        ("step_for_the_second_derivative", [np.finfo(float).eps ** 0.25]),
        ("fourth_order_difference", five_points),
        ("fourth_order_difference", richardson),
        ("fourth_order_difference", lambda f, x, h: richardson(f, x, 2 * h)),
    ],
)
def test_other_right_answers_are_right_too(exercise, answer):
    verdict = getattr(check, exercise)(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("exercise", "answer", "message"),
    [
        ("slope_of_the_cube", 8, "its slope there is asked for"),
        ("slope_of_the_cube", 6, "has x² in it"),
        ("slope_of_the_cube", 4, "the exponent becomes a factor"),
        ("slope_of_the_cube", 0, "isn't 0"),
        ("slope_of_the_cube", "twelve", "must be numbers"),
        ("backward_difference", forward_difference, "this is the forward difference"),
        ("backward_difference", central_difference, "this is the central difference"),
        ("backward_difference", lambda f, x, h: (f(x - h) - f(x)) / h, "sign is wrong"),
        ("backward_difference", lambda f, x, h: f(x) - f(x - h), "by the distance"),
        ("backward_difference", lambda f, x, h: forward_difference(f, x, -1e-8), "by the distance"),
        ("backward_difference", lambda f, x: 0.0, "raised TypeError"),
        ("backward_difference", no_return, "is there a return"),
        ("order", lambda a, b: a / b, "p is asked for"),
        ("order", lambda a, b: np.log2(b / a), "sign is wrong"),
        ("order", lambda a, b: np.log(a / b), "which base"),
        ("order", lambda a, b: np.log10(a / b), "ratio of c hᵖ"),
        ("order", lambda a, b: a / b / 2, "ratio of c hᵖ"),
        ("second_difference", lambda f, x, h: (f(x + h) - f(x - h)) / (2 * h), "solve f(x + h)"),
        ("second_difference", lambda f, x, h: sum_of_three(f, x, h) / h, "factor of h"),
        ("second_difference", lambda f, x, h: sum_of_three(f, x, h) / (2 * h**2), "half of f''"),
        ("second_difference", lambda f, x, h: -sum_of_three(f, x, h) / h**2, "sign is wrong"),
        (
            "second_difference",
            lambda f, x, h: second_by_twice_the_first(f, x, 2e-3),
            "the h that is given",
        ),
        ("step_for_the_second_derivative", 1e-8, "too small"),
        ("step_for_the_second_derivative", best_step(2), "too small"),
        ("step_for_the_second_derivative", 1e-3, "too large"),
        ("step_for_the_second_derivative", math.nan, "above 0"),
        ("step_for_the_second_derivative", -1e-4, "above 0"),
        ("fourth_order_difference", central_difference, "the error of C(h) alone"),
        ("fourth_order_difference", combination(1, 0), "the error of C(h/2) alone"),
        ("fourth_order_difference", combination(4, -1), "a + b = 1"),
        ("fourth_order_difference", combination(1 / 2, 1 / 2), "a/4 + b = 0"),
        ("fourth_order_difference", lambda f, x, h: five_points(f, x, 1e-3), "is h used"),
    ],
)
def test_a_wrong_answer_is_told_where_it_is_wrong(exercise, answer, message):
    verdict = getattr(check, exercise)(answer)
    assert not verdict
    assert message in verdict.message
