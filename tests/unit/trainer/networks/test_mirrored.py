"""How a network sees which images are mirrored."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.iadb import IADBModel
from trainer.networks.mirrored import decode_mirrored, encode_mirrored
from trainer.networks.unet import SinusoidalEmbedding, build_unet
from trainer.options import ModelOptions

SHAPE = (4, 4, 1)


def test_what_is_encoded_is_decoded_again():
    alpha, mirrored = np.float32([0, 0, 0.25, 1, 1]), np.array([True, False, True, True, False])
    read_alpha, read_mirrored = decode_mirrored(encode_mirrored(alpha, mirrored))
    np.testing.assert_allclose(read_alpha, alpha)
    np.testing.assert_array_equal(read_mirrored, mirrored)


def test_an_alpha_of_no_mirrored_image_stays_as_it_is():
    alpha = np.float32([-1e-6, 0.0, 1 / 3, 1.0, 1.0 + 1e-6])
    read, mirrored = decode_mirrored(alpha)
    np.testing.assert_array_equal(read, alpha)
    assert not np.any(mirrored)


@pytest.mark.parametrize("dim", [4, 5])
def test_the_embedding_of_a_mirrored_image_is_the_opposite(dim):
    alpha = np.float32([0.0, 0.3, 1.0])
    embed = SinusoidalEmbedding(dim, 1000.0)
    plain = embed(alpha)
    mirrored = embed(encode_mirrored(alpha, np.array([True, True, False])))
    np.testing.assert_allclose(mirrored[:2], -plain[:2], atol=1e-3)
    np.testing.assert_array_equal(mirrored[2], plain[2])


@pytest.mark.parametrize("prediction", ["difference", "gaussian"])
def test_samples_are_not_mirrored_though_half_of_the_training_images_are(prediction):
    """Of one image, whose left half is black; without the flag, half of them would be."""
    keras.utils.set_random_seed(0)
    options = ModelOptions(
        channels=(16,), attention=(False,), blocks=1, norm_groups=4, prediction=prediction
    )
    model = IADBModel(build_unet(options, SHAPE), solver="midpoint", nb_step=8)
    model.compile(optimizer=keras.optimizers.Adam(3e-3))
    image = np.ones((64, *SHAPE), "float32")
    image[:, :, :2] = -1.0
    mirrored = np.arange(64) % 2 == 0
    image[mirrored] = image[mirrored, :, ::-1]
    batch = {"x1": image, "mirrored": mirrored}
    model.fit(tf.data.Dataset.from_tensors(batch).repeat(), steps_per_epoch=150, verbose=0)
    samples = model.predict(np.random.default_rng(0).normal(size=(64, *SHAPE)), verbose=0)
    left, right = samples[:, :, :2].mean((1, 2, 3)), samples[:, :, 2:].mean((1, 2, 3))
    assert np.mean(left < right) > 0.95
