"""Results are scored beside their images and sources, answers and seeds beside each other."""

import numpy as np
import pytest
import tensorflow as tf

from components.features.pixels import pixels
from components.metrics.pair_scores import diversity, pixel_diversity
from components.sample_evaluator.measure.pairs import (
    measure_answers,
    score_pairs,
    seed_distances,
    ssim,
)
from trainer.source.degrade import degrade
from trainer.source.options import parse

EQUAL = 10 * np.log10(12 * 255**2)


def draw(height=16, width=12, channels=3, seed=0):
    shape = (5, height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize(
    "text", ["downscale 2", "gray", "mask box", "mask half", "mask strokes", "blur 2", "jpeg 20"]
)
def test_a_result_that_is_the_image_is_consistent_and_noise_is_not(text):
    images, noise = draw(), draw(seed=1)
    degradation = parse(text)
    sources = degrade(tf.constant(images), degradation).numpy()
    found = score_pairs(images, images, sources, degradation)
    for scores, expected in zip(found, (EQUAL, 1, EQUAL), strict=True):
        assert scores.shape == (5, 1)
        np.testing.assert_allclose(scores, expected, rtol=1e-5)
    others = score_pairs(images, noise, sources, degradation)
    assert (others.psnr < 10).all()
    assert (others.ssim < 0.5).all()
    assert (others.consistency < 30).all()


def test_what_fills_the_hole_does_not_count_for_the_consistency():
    images = draw()
    degradation = parse("mask half")
    sources = degrade(tf.constant(images), degradation).numpy()
    filled = np.where(sources[..., 3:] == 0, 0, images).astype(np.uint8)
    found = score_pairs(images, filled, sources, degradation)
    np.testing.assert_allclose(found.consistency, EQUAL, rtol=1e-5)
    assert (found.psnr < 20).all()
    sources[..., 3] = 0  # no pixel is visible: all are compared with the gray of the hole
    sources[..., :3] = 128
    assert (score_pairs(images, filled, sources, degradation).consistency < 20).all()


def test_sources_that_are_not_derived_have_no_consistency():
    images = draw()
    found = score_pairs(images, images, draw(seed=1), None)
    assert np.isnan(found.consistency).all()
    np.testing.assert_allclose(found.psnr, EQUAL, rtol=1e-5)


@pytest.mark.parametrize(("side", "window"), [(32, 11), (11, 11), (10, 9), (8, 7), (4, 3), (1, 1)])
def test_the_window_of_ssim_fits_into_small_images(side, window):
    images, others = draw(side, side + 3, 1), draw(side, side + 3, 1, seed=1)
    expected = tf.image.ssim(images, others, 255, filter_size=window).numpy()
    np.testing.assert_array_equal(ssim(images, others), expected)
    assert np.isfinite(expected).all()


def test_answers_are_compared_in_features_and_pixels_where_there_are_several():
    answers, images = np.stack([draw(seed=1), draw(seed=2)], axis=1), draw()
    found = measure_answers(answers, images, pixels)
    assert (found["sources"], found["answers"]) == (5, 2)
    vectors = np.stack([pixels(answers[:, number]) for number in range(2)], axis=1)
    assert found["diversity"] == pytest.approx(diversity(vectors, pixels(images)))
    assert found["pixel_diversity"] == pixel_diversity(answers)
    assert measure_answers(answers, images[:1].repeat(5, axis=0), pixels)["diversity"] is None
    assert measure_answers(answers, None, pixels)["diversity"] is None
    assert measure_answers(answers[:, :1], images, pixels) is None


def levels(*values):
    return np.stack([np.full([2, 2, 1], value, np.uint8) for value in values])


@pytest.mark.parametrize(("size", "others"), [(4, 120.5), (2, 117), (3, 37 / 3)])
def test_images_are_compared_with_those_of_the_same_seed_and_of_others(size, others):
    found = seed_distances(levels(10, 20, 30, 250), levels(10, 23, 30, 255), size)
    assert found["by_seed"] == [0, 3, 0, 5]
    assert (found["mean"], found["largest"]) == (2, 5)
    assert found["other_seeds"] == pytest.approx(others)
    assert "2 gray levels" in found["sentence"]
    assert "the one that the baseline draws from the same seed, at most 5" in found["sentence"]


def test_an_image_alone_in_its_batch_is_not_compared_with_its_own_seed_as_another():
    found = seed_distances(levels(20), levels(26), 4)
    assert (found["mean"], found["other_seeds"]) == (6, None)
    assert found["sentence"].endswith("from the same seed, at most 6")
