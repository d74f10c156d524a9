"""How a network sees the augmentation of images."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.iadb import IADBModel, Sampling
from trainer.networks.augmentations import COUNT, decode, describe, encode
from trainer.networks.unet import SinusoidalEmbedding, build_unet
from trainer.options import ModelOptions

SHAPE = (4, 4, 1)


def test_what_is_encoded_is_decoded_again():
    code = np.arange(COUNT)
    for alpha in np.float32([0, 0.25, 1]):
        read_alpha, read_code = decode(encode(np.full(COUNT, alpha), code))
        np.testing.assert_allclose(read_alpha, alpha, atol=1e-4)
        np.testing.assert_array_equal(read_code, code)


def test_an_alpha_of_no_augmentation_stays_as_it_is():
    alpha = np.float32([-1e-6, 0.0, 1 / 3, 1.0, 1.0 + 1e-6])
    read, code = decode(alpha)
    np.testing.assert_array_equal(read, alpha)
    assert not np.any(code)


def test_every_code_has_degrees_of_its_own():
    degrees = np.asarray(describe(np.arange(COUNT)))
    assert len({tuple(row) for row in degrees.tolist()}) == COUNT
    assert not degrees[0].any()
    assert degrees[1].tolist() == [1, 0, 0, 0, 0]
    assert degrees.min(0).tolist() == [0, -2, -2, -1, -1]
    assert degrees.max(0).tolist() == [1, 2, 2, 1, 1]


def test_an_alpha_that_is_none_spoils_its_own_row_alone():
    alpha = np.float32([0.3, np.nan, -1e9])
    embedded = np.asarray(SinusoidalEmbedding(4, 1000.0)(alpha))
    assert np.isfinite(embedded[0]).all()
    assert np.isnan(embedded[1]).any()


@pytest.mark.parametrize("dim", [4, 5])
def test_the_embedding_of_a_mirrored_image_is_the_opposite(dim):
    alpha = np.float32([0.0, 0.3, 1.0])
    embed = SinusoidalEmbedding(dim, 1000.0)
    plain = embed(alpha)
    mirrored = embed(encode(alpha, np.array([1, 1, 0])))
    np.testing.assert_allclose(mirrored[:2], -plain[:2], atol=1e-3)
    np.testing.assert_array_equal(mirrored[2], plain[2])


def test_the_embeddings_of_all_augmentations_differ():
    embeddings = SinusoidalEmbedding(16, 1000.0)(
        encode(np.full(COUNT, 0.3, "f4"), np.arange(COUNT))
    )
    apart = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=-1)
    assert apart[~np.eye(COUNT, dtype=bool)].min() > 0.1


@pytest.mark.slow
def test_samples_are_not_mirrored_though_half_of_the_training_images_are():
    """Of one image, whose left half is black; without the flag, half of them would be.

    A network that predicts pixels reads the flag where one that predicts the difference does, and
    has to read alpha without it besides.
    """
    keras.utils.set_random_seed(0)
    options = ModelOptions(
        channels=(16,), attention=(False,), blocks=1, norm_groups=4, prediction="gaussian"
    )
    model = IADBModel(build_unet(options, SHAPE), sampling=Sampling("midpoint", nb_step=8))
    model.compile(optimizer=keras.optimizers.Adam(3e-3))
    image = np.ones((64, *SHAPE), "float32")
    image[:, :, :2] = -1.0
    mirrored = np.arange(64) % 2 == 0
    image[mirrored] = image[mirrored, :, ::-1]
    batch = {"x1": image, "augmentation": mirrored.astype("int64")}
    model.fit(tf.data.Dataset.from_tensors(batch).repeat(), steps_per_epoch=50, verbose=0)
    samples = model.predict(np.random.default_rng(0).normal(size=(64, *SHAPE)), verbose=0)
    left, right = samples[:, :, :2].mean((1, 2, 3)), samples[:, :, 2:].mean((1, 2, 3))
    assert np.mean(left < right) > 0.95
