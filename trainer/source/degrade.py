"""Derives sources from images: what a translation is to undo.

Everything is a function of the pixels alone: equal images have equal sources, on any device.
"""

import tensorflow as tf

from trainer.source.options import Degradation

HOLE = 128  # the value of masked pixels
BOX = (0.25, 0.6)  # least and greatest side of a masked box, as a fraction of the image's side
STROKES = 3  # per image
STROKE_POINTS = 4  # of each stroke, joined by straight lines
STROKE_WIDTH = (0.06, 0.14)  # as a fraction of the shorter side
MIN_STROKE = 1.5  # pixels: the width below which a stroke has gaps


def degrade(pixels: tf.Tensor, degradation: Degradation) -> tf.Tensor:
    """Derives the source of each image.

    Args:
        pixels: uint8 [N, H, W, C], with C 1 or 3; H, W and C are known.
        degradation: what is taken away. Downscaling takes an H and W that its factor divides.

    Returns:
        uint8 [N, H, W, C], or with a mask [N, H, W, C + 1], as Source describes it.
    """
    height, width = pixels.shape[1:3]
    match degradation.kind:
        case "downscale":
            factor = int(degradation.amount)
            return resize(resize(pixels, height // factor, width // factor), height, width)
        case "gray":
            return to_gray(pixels)
        case "mask":
            return with_hole(pixels, _holes(pixels, degradation.amount))
        case "blur":
            return _blur(pixels, float(degradation.amount))
        case "jpeg":
            return tf.map_fn(lambda image: _compress(image, int(degradation.amount)), pixels)
    raise ValueError(f"no degradation {degradation.kind!r}")


def resize(pixels: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Resizes images, [N, h, w, C], to uint8 [N, height, width, C], bicubic and antialiased."""
    return to_pixels(tf.image.resize(pixels, [height, width], "bicubic", antialias=True))


def to_gray(pixels: tf.Tensor) -> tf.Tensor:
    """Removes the colors of uint8 images [N, H, W, C]; the channels remain, with equal values."""
    if pixels.shape[-1] == 1:
        return pixels
    return tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(pixels))


def with_hole(pixels: tf.Tensor, hole: tf.Tensor) -> tf.Tensor:
    """Masks images, uint8 [N, H, W, C], where `hole`, bool [N, H, W, 1], is true."""
    kept = tf.where(hole, tf.constant(HOLE, tf.uint8), pixels)
    return tf.concat([kept, tf.where(hole, tf.constant(0, tf.uint8), 255)], -1)


def to_pixels(values: tf.Tensor) -> tf.Tensor:
    """Rounds floats of any shape to uint8; clips those outside 0 to 255."""
    return tf.cast(tf.round(tf.clip_by_value(values, 0.0, 255.0)), tf.uint8)


def _blur(pixels: tf.Tensor, deviation: float) -> tf.Tensor:
    """Blurs by a Gaussian whose weights are normalized within the image, so that edges stay."""
    _, height, width, _ = pixels.shape
    down, across = _gaussian(height, deviation), _gaussian(width, deviation)
    return to_pixels(tf.einsum("ij,njkc,lk->nilc", down, tf.cast(pixels, tf.float32), across))


def _gaussian(side: int, deviation: float) -> tf.Tensor:
    places = tf.range(side, dtype=tf.float32)
    weights = tf.exp(-0.5 * ((places[:, None] - places[None]) / deviation) ** 2)
    return weights / tf.reduce_sum(weights, 1, keepdims=True)


def _compress(image: tf.Tensor, quality: int) -> tf.Tensor:
    file = tf.io.encode_jpeg(image, quality=quality)
    decoded = tf.io.decode_jpeg(file, image.shape[-1], dct_method="INTEGER_ACCURATE")
    return tf.ensure_shape(decoded, image.shape)


def _holes(pixels: tf.Tensor, form: str) -> tf.Tensor:
    """Draws a hole for each image, bool [N, H, W, 1]."""
    _, height, width, channels = pixels.shape
    draw = {"box": _box, "half": _half, "strokes": _strokes}[form]
    # The sum of pixels, each times its place, differs for nearly all images that are not equal.
    places = tf.range(1, height * width * channels + 1, dtype=tf.int64)
    flat = tf.reshape(tf.cast(pixels, tf.int64), [-1, height * width * channels])
    return tf.map_fn(
        lambda content: draw(tf.stack([content, 0]), height, width),
        tf.reduce_sum(flat * places, 1),
        fn_output_signature=tf.TensorSpec([height, width, 1], tf.bool),
    )


def _box(seed: tf.Tensor, height: int, width: int) -> tf.Tensor:
    drawn = tf.random.stateless_uniform([2, 2], seed, alg="philox")
    sides = tf.constant([height, width], tf.float32)
    size = tf.round(sides * (BOX[0] + (BOX[1] - BOX[0]) * drawn[0]))
    first = tf.floor((sides - size + 1) * drawn[1])
    rows, columns = (tf.range(side, dtype=tf.float32) for side in (height, width))
    down = (rows >= first[0]) & (rows < first[0] + size[0])
    across = (columns >= first[1]) & (columns < first[1] + size[1])
    return (down[:, None] & across)[..., None]


def _half(seed: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """The left, right, upper or lower half; the larger one of an odd number of pixels is kept."""
    side = tf.random.stateless_uniform([], seed, 0, 4, tf.int32, alg="philox")
    rows, columns = tf.range(height)[:, None], tf.range(width)[None]
    down, across = tf.zeros([height, 1], tf.int32), tf.zeros([1, width], tf.int32)
    halves = [
        down + columns < width // 2,
        down + columns >= width - width // 2,
        rows + across < height // 2,
        rows + across >= height - height // 2,
    ]
    return tf.gather(tf.stack(halves), side)[..., None]


def _strokes(seed: tf.Tensor, height: int, width: int) -> tf.Tensor:
    for_points, for_widths = tf.unstack(tf.random.split(seed, num=2, alg="philox"))
    sides = tf.constant([height, width], tf.float32)
    points = sides * tf.random.stateless_uniform(
        [STROKES, STROKE_POINTS, 2], for_points, alg="philox"
    )
    widths = min(height, width) * tf.random.stateless_uniform(
        [STROKES, 1], for_widths, *STROKE_WIDTH, alg="philox"
    )
    begin, along = points[:, :-1], points[:, 1:] - points[:, :-1]
    # Of each pixel from each of the lines, [stroke, line, H, W], by the nearest point of the line.
    down = (tf.range(height, dtype=tf.float32) + 0.5 - begin[..., :1])[..., :, None]
    across = (tf.range(width, dtype=tf.float32) + 0.5 - begin[..., 1:])[..., None, :]
    product = down * along[..., :1, None] + across * along[..., 1:, None]
    length = tf.maximum(tf.reduce_sum(along**2, -1), 1e-6)[..., None, None]
    nearest = tf.clip_by_value(product / length, 0.0, 1.0)
    squares = down**2 + across**2 - nearest * (2.0 * product - nearest * length)
    radius = tf.maximum(widths, MIN_STROKE)[..., None, None] / 2
    return tf.reduce_any(squares <= radius**2, [0, 1])[..., None]
