"""Scores of pairs are what their definitions say, on arrays whose scores are known."""

import numpy as np
import pytest

from components.metrics import PAIR_METRICS
from components.metrics.arrays import MetricError
from components.metrics.jackknife import worsening
from components.metrics.pair_scores import diversity, feature_distances, pixel_diversity, psnr

EQUAL = 10 * np.log10(12 * 255**2)  # 58.9 dB


def test_psnr_is_that_of_the_mean_squared_error_of_each_pair():
    images = np.full((3, 4, 6, 3), 100, np.uint8)
    others = images.copy()
    others[0] += 10
    others[1, 0, 0, 0] += 72  # a mean squared error of 72
    expected = [10 * np.log10(255**2 / 100), 10 * np.log10(255**2 / 72), EQUAL]
    np.testing.assert_allclose(psnr(images, others), expected)
    np.testing.assert_allclose(psnr(others, images), expected)  # no sign is lost in uint8


def test_only_the_pixels_that_count_are_compared():
    images = np.zeros((2, 4, 4, 3), np.uint8)
    others = images.copy()
    others[:, :2] = 255
    counted = np.zeros((2, 4, 4, 1), bool)
    counted[0, 2:] = counted[1, :2] = True
    np.testing.assert_allclose(psnr(images, others, counted), [EQUAL, 0], atol=1e-9)


def test_features_of_other_images_are_on_average_at_a_distance_of_one():
    rng = np.random.default_rng(0)
    real, others = 5 + 3 * rng.standard_normal((2, 2000, 8))
    assert feature_distances(real, others).mean() == pytest.approx(1, abs=0.05)
    assert (feature_distances(real, real[:7]) == np.zeros(7)).all()
    half = real + np.sqrt(0.5) * 3 * rng.standard_normal(real.shape)
    assert feature_distances(real, half).mean() == pytest.approx(0.25, abs=0.02)


def test_features_that_cannot_be_paired_are_an_error():
    real = np.random.default_rng(0).random((5, 2))
    with pytest.raises(MetricError, match="6 results cannot be paired with 5 images"):
        feature_distances(real, np.zeros((6, 2)))
    with pytest.raises(MetricError, match="have the same features"):
        feature_distances(np.ones((5, 2)), real)


def test_answers_with_nothing_in_common_are_as_diverse_as_images():
    rng = np.random.default_rng(1)
    real = rng.standard_normal((500, 6))
    assert diversity(rng.standard_normal((100, 8, 6)), real) == pytest.approx(1, abs=0.1)
    same = np.repeat(rng.standard_normal((100, 1, 6)), 8, axis=1)
    assert diversity(same, real) == pytest.approx(0, abs=1e-9)


def test_the_diversity_of_pixels_is_the_difference_of_two_answers():
    answers = np.zeros((3, 2, 4, 4, 1), np.uint8)
    assert pixel_diversity(answers) == 0
    answers[:, 1] = 200
    assert pixel_diversity(answers) == pytest.approx(200)


@pytest.mark.parametrize("name", PAIR_METRICS)
def test_a_score_that_is_better_for_nearly_every_image_is_no_worsening(name):
    metric = PAIR_METRICS[name]
    baseline = np.random.default_rng(0).random((200, 1))
    better = baseline + (0.1 if metric.larger_is_better else -0.1)
    found = worsening(metric, baseline, better, baseline)
    assert found.difference == pytest.approx(-0.1)
    assert found.margin == pytest.approx(0, abs=1e-9)  # the same images are left out of both
    with pytest.raises(MetricError, match="some pairs have no score"):
        metric.function(baseline, np.full((3, 1), np.nan))
