import numpy as np
import pytest
import tensorflow as tf

from trainer.light.noise import noise_from_seeds
from trainer.serving import sampler

EXTREMES = [0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, -1, -(2**31), -(2**63)]


def agree(seeds, shape):
    draw = tf.function(sampler.noise_from_seeds)
    expected = draw(tf.constant(seeds, tf.int64), shape).numpy()
    found = noise_from_seeds(np.array(seeds, np.int64), shape)
    assert (found.shape, found.dtype) == (expected.shape, np.float32)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_noise_of_thousands_of_seeds_is_that_of_tensorflow():
    rng = np.random.default_rng(0)
    agree([*range(3000), *rng.integers(-(2**63), 2**63 - 1, 3000)], (8, 8, 1))


@pytest.mark.parametrize("shape", [(1,), (2, 1), (3,), (5, 1, 1), (5, 7, 3), (64, 64, 3)])
def test_of_any_size_and_for_the_largest_and_smallest_seeds(shape):
    agree(EXTREMES, shape)


def test_no_seed_gives_no_noise():
    assert noise_from_seeds(np.zeros(0, np.int64), (8, 8, 1)).shape == (0, 8, 8, 1)


def test_the_noise_is_normal():
    noise = noise_from_seeds(np.arange(100), (100, 100))
    assert abs(noise.mean()) < 3e-3 and abs(noise.std() - 1) < 3e-3
    assert len(np.unique(noise)) > 0.9 * noise.size
