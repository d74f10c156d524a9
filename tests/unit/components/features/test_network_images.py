"""The input of networks: RGB, resized without aliasing, in batches of one size."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.features.digest import FeatureError
from components.features.network import make_extractor, resize, to_rgb


def random_images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def pillow(channel, height, width):
    image = Image.fromarray(channel.astype(np.float32), mode="F")
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("shape", [(8, 8), (32, 48), (100, 61)])
def test_resizing_is_pillows_bicubic_up_and_down(shape):
    images = random_images(2, *shape, 3)
    resized = resize(images, 30, 20)
    assert resized.dtype == np.float32
    for image, ours in zip(images, resized, strict=True):
        expected = np.stack([pillow(image[..., c], 30, 20) for c in range(3)], -1)
        np.testing.assert_allclose(ours, expected, atol=2e-3)


def test_shrinking_does_not_alias():
    stripes = np.zeros((1, 64, 64, 1), np.uint8)
    stripes[:, :, ::2] = 255
    assert np.abs(resize(stripes, 16, 16)[:, :, 2:-2] - 127.5).max() < 1


def test_images_of_the_right_size_stay_as_they_are():
    images = random_images(2, 16, 16, 3)
    np.testing.assert_array_equal(resize(images, 16, 16), images)


def test_gray_is_repeated():
    gray = random_images(2, 4, 5, 1)
    np.testing.assert_array_equal(to_rgb(gray), np.concatenate([gray] * 3, -1))


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 4, 4, 2), np.uint8), np.zeros((4, 4, 3), np.uint8), np.zeros((1, 4, 4, 3))],
)
def test_other_arrays_than_images_are_rejected(images):
    with pytest.raises(FeatureError, match=r"must be uint8 \[N, H, W, 1 or 3\]"):
        to_rgb(images)


@pytest.mark.parametrize("allowed", [True, False])
def test_tf32_is_off_while_features_are_computed(allowed):
    switches = tf.config.experimental
    before, seen = switches.tensor_float_32_execution_enabled(), []

    def network(batch):
        seen.append(switches.tensor_float_32_execution_enabled())
        return batch.reshape(len(batch), -1)

    switches.enable_tensor_float_32_execution(allowed)
    try:
        make_extractor("x", np.asarray, network)(random_images(2, 4, 4, 3))
        assert (seen, switches.tensor_float_32_execution_enabled()) == ([False], allowed)
    finally:
        switches.enable_tensor_float_32_execution(before)


def test_tf32_is_off_in_every_thread_that_computes_features():
    switches = tf.config.experimental
    before, seen = switches.tensor_float_32_execution_enabled(), []

    def network(batch):
        time.sleep(0.001)
        seen.append(switches.tensor_float_32_execution_enabled())
        return batch.reshape(len(batch), -1)

    extract = make_extractor("x", np.asarray, network)
    switches.enable_tensor_float_32_execution(True)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(extract, random_images(20, 1, 4, 4, 3)))
        assert (set(seen), switches.tensor_float_32_execution_enabled()) == ({False}, True)
    finally:
        switches.enable_tensor_float_32_execution(before)


def test_the_network_sees_batches_of_one_size_and_each_image_once():
    seen = []

    def network(batch):
        seen.append(len(batch))
        return batch.reshape(len(batch), -1)

    images = random_images(11, 2, 2, 3)
    vectors = make_extractor("x", np.asarray, network, batch_size=4)(images)
    assert seen == [4, 4, 4]
    np.testing.assert_array_equal(vectors, images.reshape(11, -1))
    assert vectors.dtype == np.float32


@pytest.mark.parametrize("network", [lambda batch: batch, lambda batch: np.zeros((1, 7))])
def test_anything_but_a_vector_per_image_is_rejected(network):
    extract = make_extractor("onnx:x", np.asarray, network, batch_size=2)
    with pytest.raises(FeatureError, match=r"onnx:x returns an array of shape .* one vector"):
        extract(random_images(2, 4, 4, 3))


def test_a_network_that_fails_is_reported_in_one_line():
    def network(batch):
        raise RuntimeError("no\nno")

    with pytest.raises(FeatureError, match=r"x does not run on images \(4, 4, 3\): no$"):
        make_extractor("x", np.asarray, network)(random_images(2, 4, 4, 3))
