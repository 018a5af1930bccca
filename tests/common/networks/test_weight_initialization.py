import math

import numpy as np
import pytest

from common.networks import initial_std, initial_weights

SHAPE = (300, 400)


@pytest.mark.parametrize("word", ["relu", "he", "ReLU", "He", "HE"])
@pytest.mark.parametrize("fan_in", [1, 2, 50, 784])
def test_he(word, fan_in):
    assert initial_std(word, fan_in) == pytest.approx(math.sqrt(2 / fan_in), rel=1e-15)


@pytest.mark.parametrize("word", ["sigmoid", "xavier", "Sigmoid", "XAVIER"])
@pytest.mark.parametrize("fan_in", [1, 2, 100, 784])
def test_xavier(word, fan_in):
    assert initial_std(word, fan_in) == pytest.approx(1 / math.sqrt(fan_in), rel=1e-15)


@pytest.mark.parametrize("value", [0, 0.01, 1, 1e-4, np.float32(0.5), np.float64(2), np.int64(3)])
def test_a_number_stands_for_itself(value):
    std = initial_std(value, 784)
    assert std == value
    assert type(std) is float


@pytest.mark.parametrize("value", [-0.01, -math.inf, math.inf, math.nan, "tanh", "", "0.01", "He "])
def test_other_words_and_numbers_are_refused(value):
    with pytest.raises(ValueError, match=r"weight_init_std must be a number of at least 0, 'relu'"):
        initial_std(value, 784)


@pytest.mark.parametrize("value", [None, [0.1], {}])
def test_what_is_neither_word_nor_number_is_refused_by_name(value):
    with pytest.raises((TypeError, ValueError), match="weight_init_std"):
        initial_std(value, 784)


@pytest.mark.parametrize(
    ("rule", "std"),
    [(0.01, 0.01), ("relu", math.sqrt(2 / 50)), ("xavier", math.sqrt(1 / 50)), (3, 3)],
)
def test_weights_are_normal_with_that_spread(rule, std):
    weights = initial_weights(SHAPE, 50, rule, np.random.default_rng(0)).ravel() / std
    n = weights.size
    assert abs(weights.mean()) < 4 / math.sqrt(n)
    assert abs(weights.std() - 1) < 4 / math.sqrt(2 * n)
    for quantile, share in ((-2, 0.02275), (-1, 0.15866), (0, 0.5), (1, 0.84134), (2, 0.97725)):
        assert abs((weights < quantile).mean() - share) < 4 * math.sqrt(share * (1 - share) / n)


def test_the_fan_in_and_not_the_shape_decides():
    few = initial_weights(SHAPE, 2, "he", np.random.default_rng(0))
    many = initial_weights(SHAPE, 200, "he", np.random.default_rng(0))
    np.testing.assert_allclose(few, 10 * many, rtol=1e-14)


def test_a_spread_of_0_gives_zeros():
    assert not initial_weights((3, 4), 3, 0).any()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4, 5), (0, 3), [3, 4]])
def test_shape_and_dtype_are_those_asked_for(shape, dtype):
    weights = initial_weights(shape, 3, "he", np.random.default_rng(0), dtype)
    assert weights.shape == tuple(shape)
    assert weights.dtype == dtype


def test_float32_weights_are_the_float64_ones_rounded():
    double = initial_weights(SHAPE, 3, "he", np.random.default_rng(0))
    single = initial_weights(SHAPE, 3, "he", np.random.default_rng(0), np.float32)
    assert np.array_equal(double.astype(np.float32), single)


def test_the_same_seed_gives_the_same_weights_and_another_draw_others():
    rng = np.random.default_rng(5)
    first, second = (initial_weights((3, 4), 3, "he", rng) for _ in range(2))
    again = initial_weights((3, 4), 3, "he", np.random.default_rng(5))
    assert np.array_equal(first, again)
    assert (first != second).all()


def test_without_rng_numpys_global_seed_decides():
    results = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        results.append(initial_weights((3, 4), 3, "he"))
    assert np.array_equal(results[0], results[1])
    assert (results[0] != results[2]).all()


def test_with_rng_numpys_global_state_is_left_alone():
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    initial_weights((3, 4), 3, "he", np.random.default_rng(0))
    assert np.random.random() == expected
