import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.training.schedules import cosine, step_decay

fractions = st.floats(0, 1)


@given(warm_up=st.floats(0, 0.99), end=fractions, done=fractions)
def test_cosine_rises_along_a_line_and_falls_along_half_a_cosine(warm_up, end, done):
    factor = cosine(warm_up, end)(done)
    if done < warm_up:
        expected = done / warm_up
    else:
        angle = math.pi * (done - warm_up) / (1 - warm_up)
        expected = end + (1 - end) * (1 + math.cos(angle)) / 2
    assert factor == pytest.approx(expected, abs=1e-14)


def test_cosine_begins_at_1_or_at_0_with_a_warm_up_and_stops_at_its_end():
    assert [cosine()(done) for done in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0], abs=1e-15)
    assert [cosine(0.2, 0.1)(done) for done in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx(
        [0, 0.5, 1, 0.55, 0.1]
    )


@given(at=st.lists(fractions), factor=st.floats(0.01, 1), done=fractions)
def test_step_decay_multiplies_once_for_each_fraction_that_is_past(at, factor, done):
    expected = 1.0
    for fraction in at:
        if done >= fraction:
            expected *= factor
    for given_as in (at, np.array(at), iter(at)):
        assert step_decay(given_as, factor)(done) == pytest.approx(expected, rel=1e-12)


def test_step_decay_by_default_and_after_its_list_is_changed():
    at = [0.5, 0.75]
    for schedule in (step_decay(), step_decay(at)):
        at[0] = 0.0
        factors = [schedule(done) for done in (0, 0.4999, 0.5, 0.7499, 0.75, 1)]
        assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01], rel=1e-15)
        at[0] = 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        *((lambda v=v: cosine(v), "warm_up must be at least 0 and") for v in (-0.1, 1, math.nan)),
        *((lambda v=v: cosine(end=v), "end must lie between 0 and") for v in (-0.1, 2, math.nan)),
        *((lambda v=v: step_decay([v]), "at must hold fractions") for v in (-0.1, 2, math.nan)),
        *((lambda v=v: step_decay(factor=v), "factor must be above 0") for v in (0, 2, math.nan)),
    ],
)
def test_what_is_out_of_bounds_is_refused(make, message):
    with pytest.raises(ValueError, match=f"{message}.* got"):
        make()
