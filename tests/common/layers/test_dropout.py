"""What is particular to dropout: its random numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.layers import Dropout
from common.support.random_state import random_state
from tests.helpers import few, normal, seeds

ONES = np.ones((20, 20))


@given(seeds, st.lists(st.integers(0, 4), max_size=4).map(tuple), st.floats(0, 1))
@few
def test_agrees_with_its_formula(seed, shape, ratio):
    rng = np.random.default_rng(seed)
    x, dout = normal(rng, shape), normal(rng, shape)
    layer = Dropout(ratio, rng=np.random.default_rng(seed))
    y = layer.forward(x)
    assert layer.mask.dtype == bool
    assert np.array_equal(layer.mask, np.random.default_rng(seed).random(shape) >= ratio)
    assert np.array_equal(y, np.where(layer.mask, x, 0))
    assert np.array_equal(layer.backward(dout), np.where(layer.mask, dout, 0))
    assert np.array_equal(layer.forward(x, train_flg=False), x * (1 - ratio))
    assert layer.mask == 1 - ratio
    assert np.array_equal(layer.backward(dout), dout * (1 - ratio))


@pytest.mark.parametrize("ratio", [0, 0.1, 0.5, 0.9, 1])
def test_a_share_of_1_minus_the_ratio_is_kept_as_inference_assumes(ratio):
    layer = Dropout(ratio, rng=np.random.default_rng(0))
    y = layer.forward(np.ones((200, 1000)))
    five_sigma = 5 * np.sqrt(ratio * (1 - ratio) / y.size)
    assert y.mean() == pytest.approx(1 - ratio, abs=five_sigma)
    assert np.array_equal(y != 0, layer.mask)
    for axis in (0, 1):  # units are dropped one by one, not row by row
        assert 0 in (ratio, 1 - ratio) or y.mean(axis=axis).std() < 0.1


def test_the_default_ratio_is_a_half():
    assert Dropout().forward(np.ones(3), train_flg=False).tolist() == [0.5] * 3
    assert Dropout(np.array(0.2)).dropout_ratio == 0.2


def test_without_rng_the_global_state_makes_it_repeatable():
    np.random.seed(3)
    first, second = Dropout().forward(ONES), Dropout().forward(ONES)
    np.random.seed(3)
    assert np.array_equal(Dropout().forward(ONES), first)
    assert not np.array_equal(first, second)


def test_a_generator_takes_the_place_of_the_global_state_and_may_be_shared():
    before, rng = repr(random_state(None)), np.random.default_rng(0)
    a, b = Dropout(rng=rng), Dropout(rng=rng)
    first = a.forward(ONES)
    assert not np.array_equal(first, b.forward(ONES))
    assert np.array_equal(first, Dropout(rng=np.random.default_rng(0)).forward(ONES))
    assert repr(random_state(None)) == before


def test_inference_takes_no_random_numbers():
    rng, before = np.random.default_rng(0), repr(random_state(None))
    Dropout(rng=rng).forward(ONES, train_flg=False)
    Dropout().forward(ONES, train_flg=False)
    assert rng.random() == np.random.default_rng(0).random()
    assert repr(random_state(None)) == before


def test_each_forward_pass_in_training_draws_a_new_mask():
    layer = Dropout(rng=np.random.default_rng(0))
    first, second = layer.forward(ONES), layer.forward(ONES)
    assert not np.array_equal(first, second)
    assert np.array_equal(layer.backward(ONES), second)
