"""Results are scored beside their images and their sources."""

import numpy as np
import pytest
import tensorflow as tf

from components.sample_evaluator.measure.pairs import score_pairs, ssim
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
