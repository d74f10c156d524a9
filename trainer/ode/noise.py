"""The x0 of a seed, the same wherever an image is drawn from it or trained on."""

import tensorflow as tf

from trainer.light.mark import Mark, middle


def noise_from_seeds(
    seeds: tf.Tensor, shape: tuple[int, ...], mark: Mark | None = None
) -> tf.Tensor:
    """Draws Gaussian noise, float32 [N, *shape], from int64 [N] seeds; equal on all devices.

    Args:
        seeds: of the images.
        shape: of an image; (H, W, C) for noise with a mark.
        mark: that is set in the noise. Its rounding depends on the device.
    """
    noise = tf.map_fn(
        lambda seed: tf.random.stateless_normal(shape, tf.stack([seed, 0]), alg="philox"),
        seeds,
        fn_output_signature=tf.TensorSpec(shape, tf.float32),
    )
    return _set_mark(mark, noise, shape) if mark else noise


def _set_mark(mark: Mark, x0: tf.Tensor, shape: tuple[int, int, int]) -> tf.Tensor:
    """As Mark.set_in."""
    where, values = mark.coefficients(shape[:2])
    channel = middle(shape[2])
    spectrum = tf.signal.fft2d(tf.cast(x0[..., channel], tf.complex64))
    marked = tf.math.real(tf.signal.ifft2d(tf.where(where, values, spectrum)))
    return tf.concat([x0[..., :channel], marked[..., tf.newaxis], x0[..., channel + 1 :]], -1)
