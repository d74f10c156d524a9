"""The images of a request as sources, in the graph of the exported model.

A user has what is to be undone: a small picture, a gray one, one with a hole. So a request is not
degraded once more, except where every image may be sent: it is reduced for a model that enlarges,
and its colors are removed for one that adds them. A model of pairs takes it as it is.
"""

import tensorflow as tf

from trainer.source import degrade
from trainer.source.options import Source

NO_HOLE = (
    "nothing to fill: make the pixels of the hole transparent, and the hole wider than half a "
    "pixel of the model"
)


def as_source(
    rgba: tf.Tensor, shape: tuple[int, int, int], source: Source
) -> tuple[tf.Tensor, tf.Tensor]:
    """Fits and resizes an image as ingest does, and makes a source of it.

    Args:
        rgba: uint8 [h, w, 4].
        shape: (H, W, C) of the images of the model.
        source: what its sources are.

    Returns:
        uint8 [H, W, S], and what is wrong with the image, empty for nothing.
    """
    height, width, channels = shape
    kind, amount = source.degradation or (None, 0)
    shrink = int(amount) if kind == "downscale" else 1
    below = tf.constant([int(source.background[i : i + 2], 16) for i in (1, 3, 5)], tf.float32)
    if source.fit == "crop":
        colors, opacity = _crop(rgba, height // shrink, width // shrink)
    else:
        colors, opacity = _pad(rgba, height // shrink, width // shrink, below)
    problem = tf.constant("")
    if kind != "mask":
        colors = opacity * colors + (1.0 - opacity) * below
    pixels = degrade.to_pixels(colors)[None]
    if channels == 1:
        pixels = tf.image.rgb_to_grayscale(pixels)
    if kind == "downscale":
        pixels = degrade.resize(pixels, height, width)
    elif kind == "gray":
        pixels = degrade.to_gray(pixels)
    elif kind == "mask":
        hole = opacity < 0.5
        pixels = degrade.with_hole(pixels, hole[None])
        problem = tf.where(tf.reduce_any(hole), "", NO_HOLE)
    return pixels[0], problem


def _crop(rgba: tf.Tensor, height: int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Resizes the largest part in the middle that has the aspect; as `_resize`."""
    rows, columns = tf.unstack(tf.cast(tf.shape(rgba)[:2], tf.float64))
    down = tf.minimum(rows, columns * height / width)
    across = tf.minimum(columns, rows * width / height)
    corner = tf.stack([(rows - down) // 2, (columns - across) // 2])
    return _resize(rgba, tf.constant([height, width]), corner, tf.stack([down, across]))


def _pad(
    rgba: tf.Tensor, height: int, width: int, background: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Resizes an image to fit, with bars in the background color; as `_resize`."""
    whole = tf.cast(tf.shape(rgba)[:2], tf.float64)
    rows, columns = tf.unstack(whole)
    down = tf.cast(tf.clip_by_value(tf.round(width * rows / columns), 1, height), tf.int32)
    across = tf.cast(tf.clip_by_value(tf.round(height * columns / rows), 1, width), tf.int32)
    colors, opacity = _resize(rgba, tf.stack([down, across]), tf.zeros_like(whole), whole)
    top, left = (height - down) // 2, (width - across) // 2
    bars = [[top, height - down - top], [left, width - across - left], [0, 0]]
    inside = tf.pad(tf.ones_like(opacity), bars)
    colors = tf.pad(colors, bars) + (1.0 - inside) * background
    opacity = tf.pad(opacity, bars, constant_values=1.0)
    return tf.ensure_shape(colors, [height, width, 3]), tf.ensure_shape(opacity, [height, width, 1])


def _resize(
    rgba: tf.Tensor, size: tf.Tensor, corner: tf.Tensor, sides: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Resizes a part of an image so that hidden colors do not bleed into visible ones.

    Args:
        rgba: uint8 [h, w, 4].
        size: height and width of the result, int32 [2].
        corner: top and left of the part, float64 [2], in pixels and fractions of them.
        sides: height and width of the part, float64 [2].

    Returns:
        Colors, float32 [height, width, 3], 0 to 255, and opacity, float32 [height, width, 1].
    """
    opacity = tf.cast(rgba[..., 3:], tf.float32) / 255.0
    weighted = tf.concat([tf.cast(rgba[..., :3], tf.float32) * opacity, opacity], -1)
    scale = tf.cast(size, tf.float64) / sides
    resized = tf.raw_ops.ScaleAndTranslate(  # what tf.image.resize calls, which takes whole images
        images=weighted[None],
        size=size,
        scale=tf.cast(scale, tf.float32),
        translation=tf.cast(-corner * scale, tf.float32),
        kernel_type="keyscubic",
        antialias=True,
    )[0]
    opacity = tf.maximum(resized[..., 3:], 0.0)
    return tf.math.divide_no_nan(resized[..., :3], opacity), tf.minimum(opacity, 1.0)
