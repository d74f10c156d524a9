"""The mark in x0: what is set is found, other noise is not taken for it."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.light.mark import Mark, middle, read_mark
from trainer.light.noise import noise_from_seeds
from trainer.ode import noise

SHAPES = [(8, 8, 1), (8, 8, 3), (6, 10, 3), (5, 7, 1), (4, 4, 3)]
SEEDS = np.array([0, 1, 2**40, -5])
MARK = Mark(key=20261127)


def spectrum(x0):
    return np.fft.fft2(x0, axes=(1, 2))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_coefficients_of_one_channel_are_those_of_the_key_and_all_others_stay(shape):
    x0, marked = (noise_from_seeds(SEEDS, shape, mark) for mark in (None, MARK))
    assert (marked.shape, marked.dtype) == (x0.shape, np.float32)
    where, values = MARK.coefficients(shape[:2])
    channel = middle(shape[2])
    np.testing.assert_allclose(
        spectrum(marked)[:, where, channel],
        np.broadcast_to(values[where], (4, where.sum())),
        atol=1e-4,
    )
    np.testing.assert_allclose(spectrum(marked - x0)[:, ~where], 0, atol=1e-4)
    others = [each for each in range(shape[2]) if each != channel]
    np.testing.assert_array_equal(marked[..., others], x0[..., others])


@pytest.mark.parametrize("shape", [*SHAPES, (64, 64, 3)])
def test_marked_noise_is_that_of_tensorflow(shape):
    draw = tf.function(noise.noise_from_seeds)
    expected = draw(tf.constant(SEEDS), shape, MARK).numpy()
    np.testing.assert_allclose(noise_from_seeds(SEEDS, shape, MARK), expected, atol=2e-6)


def test_no_seed_gives_no_marked_noise():
    empty = np.zeros(0, np.int64)
    assert noise_from_seeds(empty, (8, 8, 1), MARK).shape == (0, 8, 8, 1)
    assert noise.noise_from_seeds(tf.constant(empty), (8, 8, 1), MARK).shape == (0, 8, 8, 1)
    assert MARK.p_values(np.zeros((0, 8, 8, 1), np.float32)).shape == (0,)


@pytest.mark.parametrize("shape", SHAPES)
def test_marked_noise_is_found_also_if_weaker_and_noisy(shape):
    marked = noise_from_seeds(np.arange(200), shape, MARK)
    blurred = 0.5 * marked + 0.2 * noise_from_seeds(np.arange(200, 400), shape)
    assert np.all(MARK.p_values(marked) < 1e-6)
    assert np.mean(MARK.p_values(blurred) <= 0.01) > 0.9
    assert np.all(MARK.p_values(-marked) > 0.99)


@pytest.mark.parametrize("shape", SHAPES)
def test_of_noise_without_the_mark_one_in_a_hundred_is_taken_for_it(shape):
    p = MARK.p_values(noise_from_seeds(np.arange(4000), shape))
    for rate in (0.01, 0.1, 0.5, 0.9):
        assert np.mean(p <= rate) == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / 4000))


def test_whatever_an_image_is_one_key_in_a_hundred_agrees_with_it():
    image = np.linspace(-1, 3, 64, dtype=np.float32).reshape(1, 8, 8, 1) ** 3
    p = np.concatenate([Mark(key=key).p_values(image) for key in range(2000)])
    for rate in (0.01, 0.1, 0.5):
        assert np.mean(p <= rate) == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / 2000))


def test_an_image_without_these_coefficients_has_no_mark():
    assert MARK.p_values(np.zeros((1, 8, 8, 1), np.float32)) == 0.5


def test_the_mark_of_another_key_is_not_found():
    marked = noise_from_seeds(np.arange(100), (8, 8, 1), Mark(key=2))
    assert np.all(Mark(key=1).p_values(marked) > 0.01)


def test_the_metadata_of_a_model_hold_its_mark_if_it_has_one():
    assert read_mark({"mark": MARK.model_dump()}) == MARK
    assert read_mark({"nb_step": 4}) is None
