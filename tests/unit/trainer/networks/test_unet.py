import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.networks.unet import (
    PUBLISHED,
    SinusoidalEmbedding,
    _from_patches,
    _to_patches,
    build_unet,
)
from trainer.options import ModelOptions

SMALL = ModelOptions(channels=(8, 16), attention=(False, True), blocks=1, norm_groups=4)

# For tests that leave its weights as they are.
build_once = functools.cache(functools.partial(build_unet, SMALL))


def test_the_output_is_shaped_as_the_image_and_depends_on_alpha():
    network = build_once((8, 8, 3))
    x = tf.random.stateless_normal([2, 8, 8, 3], [0, 0])
    early, late = (network([x, tf.fill([2], alpha)]) for alpha in (0.1, 0.9))
    assert early.shape == (2, 8, 8, 3)
    assert np.abs(early - late).max() > 1e-3


def test_one_image_does_not_depend_on_the_others_of_its_batch():
    network = build_once((8, 8, 1))
    x = tf.random.stateless_normal([4, 8, 8, 1], [0, 0])
    together = network([x, tf.fill([4], 0.5)])
    alone = network([x[2:3], tf.fill([1], 0.5)])
    np.testing.assert_allclose(together[2:3], alone, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("sides", "patch"), [((8, 12), 1), ((16, 4), 2)])
def test_a_rectangle_is_deblended_with_the_weights_of_a_square(sides, patch):
    options = SMALL.model_copy(update={"patch": patch})
    square = build_once((8, 8, 3)) if patch == 1 else build_unet(options, (8, 8, 3))
    network = build_unet(options, (*sides, 3))
    network.set_weights(square.get_weights())
    x = tf.random.stateless_normal([2, *sides, 3], [0, 0])
    upright = network([x, tf.fill([2], 0.5)])
    assert upright.shape == x.shape
    assert np.abs(upright[0] - upright[1]).max() > 1e-3


def test_patches_keep_each_pixel_in_its_place():
    pixels = keras.Input((8, 12, 3))
    there_and_back = keras.Model(pixels, _from_patches(_to_patches(pixels, 2), 2))
    x = tf.random.stateless_normal([2, 8, 12, 3], [0, 0])
    np.testing.assert_array_equal(there_and_back(x), x)
    np.testing.assert_array_equal(
        keras.Model(pixels, _to_patches(pixels, 2))(x), tf.nn.space_to_depth(x, 2)
    )


@pytest.mark.slow
def test_a_network_of_patches_moves_what_group_normalization_hides():
    """The mean of a channel in patches; with one channel a group, nothing else could move it."""
    options = SMALL.model_copy(update={"patch": 2, "norm_groups": SMALL.channels[0]})
    network = build_unet(options, (16, 16, 3), source_channels=2)
    kernel, bias = network.get_layer("share").get_weights()
    assert not kernel.any() and not bias.any()  # so that it starts as any network
    x = tf.random.stateless_normal([2, 16, 16, 5], [0, 0])
    alpha = tf.constant([0.25, 0.5])
    before = network([x, alpha]).numpy()
    network.get_layer("share").set_weights([kernel, bias - 1.5])
    np.testing.assert_allclose(network([x, alpha]), before - 1.5 * x[..., :3], atol=1e-5)


def test_a_network_of_patches_answers_in_pixels_at_a_quarter_of_the_work():
    patched = build_unet(SMALL.model_copy(update={"patch": 2}), (16, 16, 3))
    assert patched.get_layer("conv_in").output.shape == (None, 8, 8, 8)
    # The last layer sees the neighbors of each pixel, and the image itself.
    assert patched.get_layer("conv_out").input.shape == (None, 16, 16, 16 + 3)
    x = tf.random.stateless_normal([2, 16, 16, 3], [0, 0])
    assert patched([x, tf.fill([2], 0.5)]).shape == x.shape


@pytest.mark.slow
@pytest.mark.parametrize(("patch", "precision"), [(1, "bfloat16"), (2, "float32")])
def test_a_network_that_predicts_pixels_gives_the_difference_and_can_be_cloned(patch, precision):
    options = SMALL.model_copy(update={"patch": patch, "prediction": "gaussian"})
    network = build_unet(options, (16, 8, 3), precision, nb_class=2, source_channels=1)
    x = tf.random.stateless_normal([3, 16, 8, 4], [0, 0])
    inputs = [x, tf.constant([0.0, 0.5, 1.0]), tf.constant([0, 1, 2], tf.int64)]
    difference = network(inputs)
    assert (difference.shape, difference.dtype) == ((3, 16, 8, 3), tf.float32)
    # At alpha = 0, x_alpha is the noise that is to be taken away; at 1 it is the image.
    last = network.get_layer("difference").input[0]
    mean = keras.Model(network.inputs, last)(inputs)[..., :3]
    np.testing.assert_allclose(
        difference[0], tf.cast(mean[0], tf.float32) - x[0, ..., :3], atol=1e-5
    )
    np.testing.assert_allclose(difference[2], x[2, ..., :3], atol=1e-5)
    clone = keras.models.clone_model(network)
    clone.set_weights(network.get_weights())
    np.testing.assert_allclose(clone(inputs), difference, atol=1e-6)


def test_residual_blocks_that_are_scaled_and_shifted_by_alpha_begin_as_their_shortcuts():
    network = build_unet(SMALL.model_copy(update={"time_embedding": "scale_shift"}), (8, 8, 3))
    x = tf.random.stateless_normal([2, 8, 8, 3], [0, 0])
    early, late = (network([x, tf.fill([2], alpha)]) for alpha in (0.1, 0.9))
    assert np.abs(early).max() > 1e-3
    np.testing.assert_array_equal(early, late)  # alpha acts in the blocks alone
    for layer in network.layers:
        if layer.name.endswith("_conv1"):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel + 0.01, bias])
    assert np.abs(network([x, tf.fill([2], 0.1)]) - network([x, tf.fill([2], 0.9)])).max() > 1e-3


def test_attention_adds_weights_at_its_levels():
    without = SMALL.model_copy(update={"attention": (False, False)})
    fewer = build_unet(without, (8, 8, 1)).count_params()
    assert build_once((8, 8, 1)).count_params() > fewer


def test_a_conditional_network_distinguishes_labels_from_the_start_and_learns_each_separately():
    network = build_unet(SMALL, (8, 8, 1), nb_class=3)
    differences = between_labels(network)
    assert differences[~np.eye(4, dtype=bool)].min() > 0.01
    embedding = network.get_layer("class_embedding")
    assert embedding.embeddings.shape == (3 + 1, 4 * 8)
    embedding.embeddings.assign(tf.concat([tf.zeros([3, 32]), tf.ones([1, 32])], 0))
    differences = between_labels(network)
    assert differences[:3, :3].max() < 1e-6 < 1e-3 < differences[3, :3].min()


def between_labels(network):
    """Largest differences of the outputs for each pair of four labels, [4, 4]."""
    labels = tf.range(4, dtype=tf.int64)
    outputs = network([tf.ones([4, 8, 8, 1]), tf.fill([4], 0.3), labels]).numpy()
    return np.abs(outputs[:, None] - outputs[None]).max(axis=(2, 3, 4))


@pytest.fixture(scope="module", params=["bfloat16", "float16"])
def low_precision(request):
    """A precision, and a conditional network of it."""
    return request.param, build_unet(SMALL, (8, 8, 1), request.param, nb_class=300)


def test_weights_and_output_are_float32_at_low_precision(low_precision):
    precision, network = low_precision
    assert {v.dtype for v in network.trainable_variables} == {"float32"}
    inputs = [tf.zeros([1, 8, 8, 1]), tf.zeros([1]), tf.zeros([1], tf.int64)]
    assert network(inputs).dtype == tf.float32
    assert precision in {layer.compute_dtype for layer in network.layers}
    assert keras.config.dtype_policy().name == "float32"


def test_a_conditional_network_takes_every_label_at_low_precision(low_precision):
    _, network = low_precision
    labels = tf.constant([0, 299, 300], tf.int64)  # bfloat16 cannot represent 299
    network.get_layer("class_embedding").embeddings.assign(tf.eye(301, 32) + 1.0)
    output = network([tf.zeros([3, 8, 8, 1]), tf.zeros([3]), labels])
    assert np.isfinite(output).all()


def test_alpha_is_embedded_in_float32_at_low_precision(low_precision):
    _, network = low_precision
    time = keras.Model(network.inputs[1], network.get_layer("time_sinusoids").output)
    # Equal in bfloat16 and, times 1000, in float16.
    first, second = time(tf.constant([0.75, 0.7501]))
    assert np.abs(first - second).max() > 0.01


def test_the_embedding_holds_cosines_then_sines_of_falling_frequencies():
    values = SinusoidalEmbedding(4, scale=2.0)(tf.constant([0.25]))
    np.testing.assert_allclose(
        values[0], [np.cos(0.5), np.cos(0.005), np.sin(0.5), np.sin(0.005)], rtol=1e-5
    )


def test_an_embedding_of_odd_length_ends_in_a_zero():
    values = SinusoidalEmbedding(3, scale=1.0)(tf.constant([0.25]))
    np.testing.assert_allclose(values[0], [np.cos(0.25), np.sin(0.25), 0.0], rtol=1e-5)


@pytest.mark.slow
def test_the_published_network_has_the_size_of_the_official_one():
    assert build_unet(PUBLISHED, (64, 64, 3)).count_params() == 113_673_219
