import math

import numpy as np
import pytest

from common.networks import initial_std, initial_weights

SHAPE = (300, 400)


@pytest.mark.parametrize(
    ("words", "variance"),
    [(["relu", "he", "ReLU", "He", "HE"], 2), (["sigmoid", "xavier", "Sigmoid", "XAVIER"], 1)],
)
def test_the_rules_of_he_and_xavier(words, variance):
    for word in words:
        for fan_in in (1, 2, 50, 784):
            expected = math.sqrt(variance / fan_in)
            assert initial_std(word, fan_in) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("value", [0, 0.01, 1, 1e-4, np.float32(0.5), np.float64(2), np.int64(3)])
def test_a_number_stands_for_itself(value):
    std = initial_std(value, 784)
    assert std == value
    assert type(std) is float


@pytest.mark.parametrize(
    "value", [-0.01, -math.inf, math.inf, math.nan, "tanh", "", "0.01", "He ", None, [0.1], {}]
)
def test_other_words_and_numbers_are_refused(value):
    with pytest.raises(
        ValueError, match=r"^weight_init_std must be a number of at least 0, 'relu'"
    ):
        initial_std(value, 784)


@pytest.mark.parametrize(
    ("rule", "std"),
    [(0.01, 0.01), ("relu", math.sqrt(2 / 50)), ("xavier", math.sqrt(1 / 50)), (3, 3)],
)
def test_weights_are_normal_with_that_standard_deviation(rule, std):
    weights = initial_weights(SHAPE, 50, rule, np.random.default_rng(0)).ravel() / std
    n = weights.size
    assert abs(weights.mean()) < 4 / math.sqrt(n)
    assert abs(weights.std() - 1) < 4 / math.sqrt(2 * n)
    for quantile, fraction in ((-2, 0.02275), (-1, 0.15866), (0, 0.5), (1, 0.84134), (2, 0.97725)):
        assert abs((weights < quantile).mean() - fraction) < 4 * math.sqrt(
            fraction * (1 - fraction) / n
        )


def test_the_fan_in_and_not_the_shape_decides():
    few = initial_weights(SHAPE, 2, "he", np.random.default_rng(0))
    many = initial_weights(SHAPE, 200, "he", np.random.default_rng(0))
    np.testing.assert_allclose(few, 10 * many, rtol=1e-14)


def test_a_standard_deviation_of_0_gives_zeros():
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


@pytest.mark.parametrize("with_rng", [True, False])
def test_the_seed_decides(with_rng):
    def two(seed):
        np.random.seed(seed)
        rng = np.random.default_rng(seed) if with_rng else None
        return [initial_weights((3, 4), 3, "he", rng) for _ in range(2)]

    first, second = two(0)
    again, _ = two(0)
    assert np.array_equal(first, again)
    assert (first != second).all()
    assert (first != two(1)[0]).all()


def test_with_rng_numpys_global_state_is_left_alone():
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    initial_weights((3, 4), 3, "he", np.random.default_rng(0))
    assert np.random.random() == expected
