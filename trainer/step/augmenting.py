"""Augments the images of a training; the network sees how (trainer/networks/augmentations.py).

Of the pipeline of Karras et al., "Elucidating the Design Space of Diffusion-Based Generative
Models" (2022, appendix F.2), these are the transforms of the plane that keep the shape of things,
each in a few degrees. What comes into view at an edge is the reflection of the image.
"""

import math

import tensorflow as tf

from trainer.networks.augmentations import LEVELS, describe

SHIFT = 1 / 16  # of a side, for each degree
ZOOM = 2**0.25  # factor
ROTATION = math.radians(15)


def draw_augmentations(seed: tf.Tensor, count: int, flip: bool, share: float) -> tf.Tensor:
    """Draws how to augment images.

    Args:
        seed: int64 [2].
        count: number of images.
        flip: whether half of the images are mirrored.
        share: of the images for each of the other transforms, 0 to 1.

    Returns:
        Codes as in trainer/networks/augmentations.py, int64 [count].
    """
    codes, unit = tf.zeros([count], tf.int64), 1
    drawn = tf.random.stateless_uniform([len(LEVELS), count], seed)
    for row, (transform, levels) in enumerate(LEVELS.items()):
        applied = share if transform != "mirrored" else 0.5 * flip
        if applied:
            # A number below the share is uniform there, so it also chooses the level.
            level = 1 + tf.cast(drawn[row] / applied * (levels - 1), tf.int64)
            level = tf.minimum(level, levels - 1)
            codes += unit * tf.where(drawn[row] < applied, level, 0)
        unit *= levels
    return codes


def augment(images: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
    """Augments images, float32 [N, H, W, C], by codes as `draw_augmentations` returns them."""
    degrees = describe(codes)
    mirrored = degrees[:, 0] > 0
    images = tf.where(mirrored[:, None, None, None], tf.reverse(images, axis=[2]), images)
    moved = tf.reduce_any(degrees[:, 1:] != 0)
    return tf.cond(moved, lambda: _transform(images, degrees), lambda: images)


def _transform(images: tf.Tensor, degrees: tf.Tensor) -> tf.Tensor:
    sides = tf.shape(images)[1:3]
    transformed = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=_to_input(degrees, *tf.unstack(tf.cast(sides, tf.float32))),
        output_shape=sides,
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
    return tf.ensure_shape(transformed, images.shape)


def _to_input(degrees: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The maps from places in the output to those in the input, float32 [N, 8], as the op takes."""
    _, right, down, zoom, rotation = tf.unstack(degrees, axis=1)
    scale, angle = ZOOM**-zoom, ROTATION * rotation
    cos, sin = scale * tf.cos(angle), scale * tf.sin(angle)
    # Around the center of the input, which the shift moves.
    x, y = (width - 1) / 2, (height - 1) / 2
    from_x, from_y = x + width * SHIFT * right, y + height * SHIFT * down
    at_x = x - cos * from_x - sin * from_y
    at_y = y + sin * from_x - cos * from_y
    none = tf.zeros_like(cos)
    return tf.stack([cos, sin, at_x, -sin, cos, at_y, none, none], axis=1)
