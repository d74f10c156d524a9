import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.iadb import IADBModel
from trainer.networks.mlp import build_mlp


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_the_output_is_shaped_as_the_points_and_depends_on_alpha(dim):
    network = build_mlp(dim, width=16, depth=2)
    x = tf.random.stateless_normal([3, dim], [0, 0])
    early, late = (network([x, tf.fill([3], alpha)]) for alpha in (0.1, 0.9))
    assert early.shape == (3, dim)
    assert np.abs(early - late).max() > 1e-3


def test_width_and_depth_determine_the_number_of_parameters():
    # Hidden layers: 2 coordinates and 8 values of alpha to 8, then 8 to 8 twice; output: 8 to 2.
    assert build_mlp(2, width=8, depth=3).count_params() == 11 * 8 + 2 * 9 * 8 + 9 * 2


def test_noise_is_mapped_to_a_density_of_two_clusters():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x1 = rng.normal(0, 0.1, (4096, 2)) + np.where(rng.random((4096, 1)) < 0.25, -2.0, 2.0)
    model = IADBModel(build_mlp(2, width=64, depth=2), rank=2)
    model.compile(optimizer=keras.optimizers.Adam(5e-3))
    model.fit(tf.data.Dataset.from_tensor_slices(np.float32(x1)).batch(256), epochs=20, verbose=0)
    samples, _ = model.sample_iadb(tf.random.stateless_normal([1000, 2], [0, 1]), nb_step=32)
    below = np.mean(samples, 1) < 0
    assert np.mean(below) == pytest.approx(0.25, abs=0.08)
    np.testing.assert_allclose(np.mean(samples[below], 0), (-2.0, -2.0), atol=0.3)
    np.testing.assert_allclose(np.mean(samples[~below], 0), (2.0, 2.0), atol=0.3)
