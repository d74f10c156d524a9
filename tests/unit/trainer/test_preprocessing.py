import numpy as np
import pytest
import tensorflow as tf

from trainer import preprocessing
from trainer.source.degrade import degrade
from trainer.source.options import parse


def test_every_pixel_value_survives_the_round_trip():
    pixels = tf.cast(tf.range(256), tf.uint8)
    x = preprocessing.to_float(pixels)
    assert float(x[0]) == -1.0
    assert float(x[-1]) == 1.0
    np.testing.assert_array_equal(preprocessing.to_uint8(x), pixels)


def test_values_outside_the_range_are_clipped():
    assert preprocessing.to_uint8(tf.constant([-7.0, 7.0])).numpy().tolist() == [0, 255]


@pytest.mark.parametrize(("resolution", "sides"), [(4, (4, 4)), ([4, 6], (4, 6))])
def test_png_bytes_become_floats_and_labels_are_unchanged(resolution, sides):
    pixels = tf.reshape(tf.range(2 * 3 * sides[0] * sides[1]), [2, *sides, 3])
    pixels = tf.cast(pixels, tf.uint8)
    inputs = {
        "image": tf.stack([[tf.io.encode_png(image)] for image in pixels]),
        "label": tf.constant([["cat"], [""]]),
    }
    outputs = preprocessing.preprocessing_fn(inputs, {"resolution": resolution, "channels": 3})
    np.testing.assert_array_equal(outputs["image"], preprocessing.to_float(pixels))
    assert outputs["label"].numpy().tolist() == [b"cat", b""]


def test_a_source_is_the_degraded_image_in_the_same_range():
    pixels = tf.cast(tf.reshape(tf.range(2 * 4 * 4 * 3), [2, 4, 4, 3]), tf.uint8)
    inputs = {
        "image": tf.stack([tf.io.encode_png(image) for image in pixels]),
        "label": tf.constant(["", ""]),
    }
    config = {"resolution": 4, "channels": 3, "degrade": "mask box"}
    outputs = preprocessing.preprocessing_fn(inputs, config)
    expected = degrade(pixels, parse("mask box"))
    np.testing.assert_array_equal(preprocessing.to_uint8(outputs["source"]), expected)
    assert outputs["source"].shape == (2, 4, 4, 4)
    assert "source" not in preprocessing.preprocessing_fn(inputs, config | {"degrade": None})


def test_a_stored_source_is_decoded_like_the_image():
    images = tf.cast(tf.reshape(tf.range(2 * 2 * 4 * 6 * 3), [2, 2, 4, 6, 3]), tf.uint8)
    pngs = tf.stack([[tf.io.encode_png(each) for each in row] for row in images])
    inputs = {"image": pngs[0][:, None], "source": pngs[1][:, None], "label": tf.constant(["", ""])}
    config = {"resolution": [4, 6], "channels": 3, "paired": True}
    outputs = preprocessing.preprocessing_fn(inputs, config)
    np.testing.assert_array_equal(preprocessing.to_uint8(outputs["image"]), images[0])
    np.testing.assert_array_equal(preprocessing.to_uint8(outputs["source"]), images[1])
