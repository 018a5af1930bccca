import numpy as np
import pytest

from common.scripts.figures import draw_misread_digits, draw_weights, weight_images


def pictures(fig):
    return [ax.images[0].get_array() for ax in fig.get_axes() if ax.images]


def test_weights_of_an_affine_layer_become_an_image_for_each_unit():
    W = np.arange(36.0).reshape(9, 4)
    images = weight_images(W)
    assert images.shape == (4, 3, 3)
    np.testing.assert_array_equal(images[1], W[:, 1].reshape(3, 3))


def test_of_filters_the_first_channel_is_shown():
    W = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(weight_images(W), W[:, 0])


@pytest.mark.parametrize("shape", [(10, 4), (9,), (3, 3, 3)])
def test_weights_that_are_no_images_are_refused(shape):
    with pytest.raises(ValueError, match="square image, got shape"):
        weight_images(np.zeros(shape))


@pytest.mark.parametrize(("filters", "most", "drawn"), [(7, 30, 7), (16, 30, 16), (40, 30, 30)])
def test_weights_are_drawn_before_and_after_with_a_scale_that_is_symmetric(filters, most, drawn):
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=(2, filters, 1, 5, 5))
    fig = draw_weights(before, after, most)
    axes = [ax for ax in fig.get_axes() if ax.images]
    assert len(axes) == 2 * drawn
    np.testing.assert_array_equal(axes[0].images[0].get_array(), before[0, 0])
    np.testing.assert_array_equal(axes[drawn].images[0].get_array(), after[0, 0])
    low, high = axes[0].images[0].get_clim()
    assert -low == high == np.abs(before[:most]).max()


def test_misread_digits_are_drawn_the_most_confident_first():
    x = np.random.default_rng(0).random((5, 784))
    t = np.array([0, 1, 2, 3, 4])
    scores = np.zeros((5, 10))
    scores[0, 0] = scores[1, 1] = 9.0  # right
    scores[2, 7], scores[3, 8], scores[4, 9] = 1.0, 5.0, 3.0
    fig = draw_misread_digits(x, t, scores)
    titles = [ax.get_title() for ax in fig.get_axes() if ax.images]
    assert [title.splitlines()[0] for title in titles] == ["3 as 8", "4 as 9", "2 as 7"]
    np.testing.assert_array_equal(pictures(fig)[0], x[3].reshape(28, 28))
    assert titles[0].endswith(f"{np.exp(5) / (np.exp(5) + 9):.0%}")
    assert "3 of 5 digits misclassified" in fig.get_suptitle()


def test_at_most_as_many_misread_digits_are_drawn_as_wanted():
    scores = np.tile(np.arange(10.0), (50, 1))
    fig = draw_misread_digits(np.zeros((50, 1, 28, 28)), np.zeros(50, int), scores, most=12)
    assert len(pictures(fig)) == 12
    assert "50 of 50 digits misclassified, the 12 most confident" in fig.get_suptitle()


def test_a_network_without_fault_gets_an_empty_figure():
    fig = draw_misread_digits(np.zeros((3, 784)), np.arange(3), np.eye(10)[:3])
    assert pictures(fig) == []
    assert "0 of 3 digits misclassified" in fig.get_suptitle()
