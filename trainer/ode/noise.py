"""The x0 of a seed, the same wherever an image is drawn from it or trained on."""

import tensorflow as tf


def noise_from_seeds(seeds: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Draws Gaussian noise, float32 [N, *shape], from int64 [N] seeds; equal on all devices."""
    return tf.map_fn(
        lambda seed: tf.random.stateless_normal(shape, tf.stack([seed, 0]), alg="philox"),
        seeds,
        fn_output_signature=tf.TensorSpec(shape, tf.float32),
    )
