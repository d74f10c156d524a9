"""What training and evaluation draw at random for a batch: noise, alphas, and labels to drop."""

from typing import NamedTuple

import tensorflow as tf


class Draws(NamedTuple):
    """Random numbers for a batch.

    Attributes:
        noise: float32 [N, ...], standard normal.
        alpha: float32 [N], 0 to 1.
        unlabeled: bool [N], whether an image is trained on without its label.
        length: float32 [N], of steps that begin at alpha; None where there are none.
    """

    noise: tf.Tensor
    alpha: tf.Tensor
    unlabeled: tf.Tensor
    length: tf.Tensor | None = None


def draw(seed: tf.Tensor, shape: tf.Tensor, label_dropout: float) -> Draws:
    """Draws what one step of a training needs.

    Args:
        seed: int64 [2], of the training and of the step.
        shape: int32 [rank], of the batch.
        label_dropout: share of the images without their label.
    """
    for_noise, for_alpha, for_labels = tf.unstack(tf.random.split(seed, num=3))
    alpha = tf.random.stateless_uniform(shape[:1], for_alpha)
    unlabeled = tf.random.stateless_uniform(shape[:1], for_labels) < label_dropout
    return Draws(tf.random.stateless_normal(shape, for_noise), alpha, unlabeled)


def blend_noise(x0: tf.Tensor, noise: tf.Tensor, share: float) -> tf.Tensor:
    """Returns (1 - share) x0 + share noise, for the x0 of pairs."""
    return (1.0 - share) * x0 + share * noise if share else x0


def part_of_source(x0: tf.Tensor, share: float) -> tf.Tensor:
    """Returns the x0 of pairs from what `blend_noise` returned; the noise stays in it."""
    return x0 / (1.0 - share) if share else x0


def draw_for(x1: tf.Tensor, seed: int) -> Draws:
    """Draws what a measurement on x1, float32 [N, ...], needs, from the seed and x1 alone.

    Alphas are spread evenly over [0, 1], one in each of N equal parts; no label is dropped.
    """
    content = tf.reduce_sum(tf.cast(tf.bitcast(x1, tf.int32), tf.int64))
    drawn = draw(tf.stack([tf.constant(seed, tf.int64), content]), tf.shape(x1), 0.0)
    count = tf.shape(x1)[0]
    parts = tf.cast(tf.range(count), tf.float32)
    return drawn._replace(alpha=(parts + drawn.alpha) / tf.cast(count, tf.float32))
