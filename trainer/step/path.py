"""The path between x0 and x1, and the random numbers that say where on it a network is asked."""

from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from trainer.rows import per_row


@dataclass(frozen=True)
class LinearPath:
    """The straight way from x0 to x1, along which the paper blends.

        x_alpha = (1 - alpha) x0 + alpha x1,   dx/dalpha = x1 - x0

    Attributes:
        noise: share of noise that is blended into the x0 of pairs, 0 to 1.
    """

    noise: float = 0.0

    def begin(self, x0: tf.Tensor | None, noise: tf.Tensor) -> tf.Tensor:
        """Returns where a path begins, float32 [N, ...]: in noise, or in the x0 of pairs."""
        return noise if x0 is None else blend_noise(x0, noise, self.noise)

    def at(self, alpha: tf.Tensor, x0: tf.Tensor, x1: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns x_alpha and the slope there, float32 [N, ...], for alphas, float32 [N]."""
        a = per_row(alpha, x1)
        return (1.0 - a) * x0 + a * x1, x1 - x0


def blend_noise(x0: tf.Tensor, noise: tf.Tensor, share: float) -> tf.Tensor:
    """Returns (1 - share) x0 + share noise, for the x0 of pairs."""
    return (1.0 - share) * x0 + share * noise if share else x0


def part_of_source(x0: tf.Tensor, share: float) -> tf.Tensor:
    """Returns the x0 of pairs from what `blend_noise` returned; the noise stays in it."""
    return x0 / (1.0 - share) if share else x0


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

    def rows(self, part: slice) -> "Draws":
        """Those for a part of the batch."""
        return Draws(*(None if each is None else each[part] for each in self))


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


def draw_for(x1: tf.Tensor, seed: int) -> Draws:
    """Draws what a measurement on x1, float32 [N, ...], needs, from the seed and x1 alone.

    Alphas are spread evenly over [0, 1], one in each of N equal parts; no label is dropped.
    """
    content = tf.reduce_sum(tf.cast(tf.bitcast(x1, tf.int32), tf.int64))
    drawn = draw(tf.stack([tf.constant(seed, tf.int64), content]), tf.shape(x1), 0.0)
    count = tf.shape(x1)[0]
    parts = tf.cast(tf.range(count), tf.float32)
    return drawn._replace(alpha=(parts + drawn.alpha) / tf.cast(count, tf.float32))


def noise_from_seeds(seeds: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Draws the x0 of seeds, Gaussian noise, float32 [N, *shape], from int64 [N] seeds.

    It is the same on all devices, and wherever an image is drawn from a seed or trained on.
    """
    return tf.map_fn(
        lambda seed: tf.random.stateless_normal(shape, tf.stack([seed, 0]), alg="philox"),
        seeds,
        fn_output_signature=tf.TensorSpec(shape, tf.float32),
    )
