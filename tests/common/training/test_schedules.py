import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.training.schedules import cosine, step_decay

shares = st.floats(0, 1)
quick = settings(deadline=None)


@pytest.mark.parametrize(
    ("done", "factor"),
    [(0, 1), (0.25, (2 + math.sqrt(2)) / 4), (0.5, 0.5), (0.75, (2 - math.sqrt(2)) / 4), (1, 0)],
)
def test_cosine_at_the_quarters(done, factor):
    assert cosine()(done) == pytest.approx(factor, abs=1e-15)


@quick
@given(warm_up=st.floats(0, 0.99), end=shares, done=shares)
def test_cosine_stays_between_its_ends(warm_up, end, done):
    factor = cosine(warm_up, end)(done)
    assert 0 <= factor <= 1 + 1e-15
    if done >= warm_up:
        assert factor >= end - 1e-15


@quick
@given(warm_up=st.floats(0, 0.99), end=shares, done=st.tuples(shares, shares))
def test_cosine_rises_to_the_end_of_the_warm_up_and_falls_from_there(warm_up, end, done):
    schedule = cosine(warm_up, end)
    earlier, later = sorted(done)
    if later < warm_up:
        assert schedule(earlier) <= schedule(later)
    elif earlier >= warm_up:
        assert schedule(earlier) >= schedule(later) - 1e-15


@quick
@given(warm_up=st.floats(0.01, 0.99), end=shares)
def test_cosine_begins_at_0_is_1_after_the_warm_up_and_stops_at_its_end(warm_up, end):
    schedule = cosine(warm_up, end)
    assert schedule(0.0) == 0
    assert schedule(warm_up / 2) == pytest.approx(0.5)
    assert schedule(warm_up) == 1
    assert schedule(1.0) == pytest.approx(end, abs=1e-15)
    assert schedule((1 + warm_up) / 2) == pytest.approx((1 + end) / 2)


def test_an_end_of_1_without_a_warm_up_changes_nothing():
    assert {cosine(end=1)(done) for done in np.linspace(0, 1, 11)} == {1.0}


@pytest.mark.parametrize("warm_up", [-0.1, 1, 2, math.nan])
def test_a_bad_warm_up_is_refused(warm_up):
    with pytest.raises(ValueError, match=rf"warm_up must be at least 0 and below 1, got {warm_up}"):
        cosine(warm_up)


@pytest.mark.parametrize("end", [-0.1, 1.1, math.nan])
def test_a_bad_end_is_refused(end):
    with pytest.raises(ValueError, match=rf"end must lie between 0 and 1, got {end}"):
        cosine(end=end)


@pytest.mark.parametrize(
    ("done", "factor"),
    [(0, 1), (0.4999, 1), (0.5, 0.1), (0.7499, 0.1), (0.75, 0.01), (1, 0.01)],
)
def test_step_decay_falls_at_its_shares(done, factor):
    assert step_decay()(done) == pytest.approx(factor, rel=1e-15)


@quick
@given(at=st.lists(shares), factor=st.floats(0.01, 1), done=shares)
def test_step_decay_multiplies_once_for_each_share_that_is_past(at, factor, done):
    expected = 1.0
    for share in at:
        if done >= share:
            expected *= factor
    assert step_decay(at, factor)(done) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("at", [[], (), np.array([])])
def test_step_decay_nowhere_changes_nothing(at):
    assert step_decay(at)(1.0) == 1


def test_shares_and_factor_may_be_at_their_limits():
    schedule = step_decay([0, 1], 0.5)
    assert (schedule(0.0), schedule(0.5), schedule(1.0)) == (0.5, 0.5, 0.25)
    assert step_decay([0.5], 1)(0.9) == 1


def test_the_order_of_the_shares_does_not_matter():
    one, other = step_decay([0.2, 0.9, 0.5]), step_decay(np.array([0.5, 0.2, 0.9]))
    assert [one(done / 20) for done in range(21)] == [other(done / 20) for done in range(21)]


@pytest.mark.parametrize("at", [(-0.1,), (0.5, 1.1), (math.nan,)])
def test_shares_outside_of_0_to_1_are_refused(at):
    with pytest.raises(ValueError, match="at must hold fractions between 0 and 1, got"):
        step_decay(at)


@pytest.mark.parametrize("factor", [0, -0.5, 1.5, math.nan])
def test_a_bad_factor_is_refused(factor):
    with pytest.raises(ValueError, match=rf"factor must be above 0 and at most 1, got {factor}"):
        step_decay(factor=factor)


def test_the_shares_may_come_from_an_iterator():
    assert step_decay(iter([0.5]))(0.6) == 0.1


def test_changing_the_list_afterwards_changes_no_schedule():
    at = [0.5]
    schedule = step_decay(at)
    at[0] = 0.9
    assert schedule(0.6) == 0.1
