"""Feature spaces `saved_model:URI`."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_networks import features_of, pin, write_saved_model

from components.features import load_extractor
from components.features.errors import FeatureError
from components.features.network import resize

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 12, 12, 3)).astype(np.uint8)


def load(path, **settings):
    return load_extractor(pin(f"saved_model:{path}", path, **settings))


def test_a_float_input_is_resized_and_scaled_to_one(tmp_path):
    features = load(write_saved_model(tmp_path))(IMAGES)
    np.testing.assert_allclose(features, features_of(resize(IMAGES, 16, 16) / 255), rtol=1e-5)


def test_mean_and_stddev_are_of_values_in_zero_to_one(tmp_path):
    mean, stddev = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    features = load(write_saved_model(tmp_path), mean=mean, stddev=stddev)(IMAGES)
    values = (resize(IMAGES, 16, 16) / 255 - np.float32(mean)) / np.float32(stddev)
    np.testing.assert_allclose(features, features_of(values), rtol=1e-4)


def test_a_byte_input_is_rounded(tmp_path):
    features = load(write_saved_model(tmp_path, dtype=tf.uint8))(IMAGES)
    values = np.rint(resize(IMAGES, 16, 16)).clip(0, 255)
    np.testing.assert_allclose(features, features_of(values), rtol=1e-5)


def test_a_model_of_any_size_receives_the_images_unchanged_or_at_the_resolution(tmp_path):
    path = write_saved_model(tmp_path, (None, None, None, 3), tf.uint8)
    expected = features_of(IMAGES.astype(np.float32))
    np.testing.assert_allclose(load(path)(IMAGES), expected, rtol=1e-5)
    values = np.rint(resize(IMAGES, 20, 20)).clip(0, 255)
    np.testing.assert_allclose(load(path, resolution=20)(IMAGES), features_of(values), rtol=1e-5)


def test_a_fixed_batch_is_the_one_that_is_used(tmp_path):
    features = load(write_saved_model(tmp_path, (2, 16, 16, 3)))(IMAGES)
    np.testing.assert_allclose(features, features_of(resize(IMAGES, 16, 16) / 255), rtol=1e-5)


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ({"shape": (None, 16, 16, 3)}, {"resolution": 32}, "takes images 16x16, not resolution=32"),
        ({"dtype": tf.uint8}, {"mean": (0, 0, 0)}, "mean and stddev are for float32"),
        ({"dtype": tf.int32}, {}, "must be uint8 or float32"),
        ({"outputs": ("a", "b")}, {}, "takes images and returns a, b: must have one input"),
        ({"shape": (None, None, 16, 3)}, {}, "fixes one side of its images: set resolution"),
    ],
)
def test_a_model_or_settings_that_do_not_fit_are_reported(tmp_path, model, settings, message):
    path = write_saved_model(tmp_path, **model)
    with pytest.raises(FeatureError, match=message):
        load(path, **settings)


def test_a_model_of_other_images_is_reported(tmp_path):
    module = tf.Module()
    module.serve = tf.function(
        lambda images: {"y": images[:, 0, 0]},
        input_signature=[tf.TensorSpec([None, 3, 16, 16], tf.float32, "images")],
    )
    tf.saved_model.save(module, str(tmp_path), signatures=module.serve)
    with pytest.raises(FeatureError, match=r"must be images \[N, height, width, 3\]"):
        load(tmp_path)


@pytest.mark.parametrize("damage", ["garbage", "no signature"])
def test_anything_but_a_model_is_reported_in_one_line(tmp_path, damage):
    if damage == "garbage":
        (tmp_path / "saved_model.pb").write_bytes(b"\0garbage")
    else:
        tf.saved_model.save(tf.Module(), str(tmp_path))
    with pytest.raises(FeatureError, match="does not load as a SavedModel") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)
