import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.layers import Dropout

few = settings(max_examples=60, deadline=None, database=None)
INVERTED = pytest.mark.parametrize("inverted", [False, True], ids=["book", "inverted"])
RATIO = pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
N = 200_000


@RATIO
@INVERTED
def test_share_of_the_kept_units(ratio, inverted):
    layer = Dropout(ratio, inverted=inverted, rng=np.random.default_rng(0))
    y = layer.forward(np.ones((1000, N // 1000)))
    five_sigma = 5 * np.sqrt(ratio * (1 - ratio) / N)
    assert layer.mask.mean() == pytest.approx(1 - ratio, abs=five_sigma)
    assert np.array_equal(y != 0, layer.mask)


@RATIO
@INVERTED
def test_training_has_on_average_the_output_of_use(ratio, inverted):
    layer = Dropout(ratio, inverted=inverted, rng=np.random.default_rng(0))
    x = np.full(N, 3.0)
    in_use = layer.forward(x, train_flg=False)
    scale = 1 if inverted else 1 - ratio
    np.testing.assert_allclose(in_use, 3 * scale, rtol=1e-15)
    five_sigma = 5 * 3 * scale * np.sqrt(ratio / (1 - ratio) / N)
    assert layer.forward(x).mean() == pytest.approx(3 * scale, abs=five_sigma)


@INVERTED
@given(data=st.data(), ratio=st.floats(0, 0.99))
@few
def test_agrees_with_its_formula(ref, inverted, data, ratio):
    rng = np.random.default_rng(data.draw(ref.seeds))
    shape = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple))
    x, dout = ref.normal(rng, shape), ref.normal(rng, shape)
    layer = Dropout(ratio, inverted=inverted, rng=rng)
    factor = 1 / (1 - ratio) if inverted else 1.0
    y = layer.forward(x)
    assert layer.mask.shape == shape
    assert layer.mask.dtype == bool
    np.testing.assert_allclose(y, np.where(layer.mask, x * factor, 0), rtol=1e-15)
    np.testing.assert_allclose(
        layer.backward(dout), np.where(layer.mask, dout * factor, 0), rtol=1e-15
    )
    factor = 1.0 if inverted else 1 - ratio
    np.testing.assert_allclose(layer.forward(x, train_flg=False), x * factor, rtol=1e-15)
    np.testing.assert_allclose(layer.backward(dout), dout * factor, rtol=1e-15)


@INVERTED
def test_ratio_0_keeps_all(ref, inverted):
    x = ref.normal(np.random.default_rng(0), (3, 4))
    layer = Dropout(0, inverted=inverted)
    for train_flg in (True, False):
        assert np.array_equal(layer.forward(x, train_flg), x)
        assert np.array_equal(layer.backward(x), x)


def test_the_default_ratio_is_a_half():
    assert Dropout().forward(np.ones(3), train_flg=False).tolist() == [0.5] * 3


def test_the_global_seed_makes_it_repeatable():
    x = np.ones((20, 20))
    np.random.seed(3)
    first = Dropout().forward(x)
    second = Dropout().forward(x)
    np.random.seed(3)
    assert np.array_equal(Dropout().forward(x), first)
    assert not np.array_equal(first, second)


def test_a_generator_takes_the_place_of_the_global_state():
    x = np.ones((20, 20))
    np.random.seed(3)
    untouched = np.random.get_state()[1].copy(), np.random.get_state()[2]
    masks = [Dropout(rng=np.random.default_rng(seed)).forward(x) for seed in (0, 0, 1)]
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])
    assert np.array_equal(np.random.get_state()[1], untouched[0])
    assert np.random.get_state()[2] == untouched[1]


def test_layers_may_share_a_generator_and_differ():
    rng = np.random.default_rng(0)
    a, b = Dropout(rng=rng), Dropout(rng=rng)
    assert not np.array_equal(a.forward(np.ones((20, 20))), b.forward(np.ones((20, 20))))


def test_use_takes_no_random_numbers():
    rng = np.random.default_rng(0)
    Dropout(rng=rng).forward(np.ones((20, 20)), train_flg=False)
    assert rng.random() == np.random.default_rng(0).random()


def test_each_forward_pass_in_training_draws_a_new_mask():
    layer = Dropout(rng=np.random.default_rng(0))
    x = np.ones((20, 20))
    first, second = layer.forward(x), layer.forward(x)
    assert not np.array_equal(first, second)
    assert np.array_equal(layer.backward(x), second)


def test_units_are_dropped_one_by_one_not_row_by_row():
    mask = Dropout(rng=np.random.default_rng(0)).forward(np.ones((8, 3, 16, 16)))
    for axis in range(4):
        sums = mask.sum(axis=axis)
        assert ((sums > 0) & (sums < mask.shape[axis])).any()
