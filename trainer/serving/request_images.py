"""The images of a request as sources, in the graph of the exported model.

A user has what is to be undone: a small picture, a gray one, one with a hole. So a request is not
degraded once more, except where every image may be sent: it is reduced for a model that enlarges,
and its colors are removed for one that adds them. A model of pairs takes it as it is.
"""

import functools

import tensorflow as tf

from trainer.source import degrade
from trainer.source.options import MAX_PIXELS, Source
from trainer.source.orientation import ENTRIES, EXIF, EXIF_BYTES

MAX_SCANS = 100  # of a JPEG: one of 31 bytes may take as long as a whole image

JPEG = b"\xff\xd8\xff"
# With the begin of the header: decoders skip unknown chunks before it, which could state any size.
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
SCAN = b"\xff\xda\x00"  # the begin of a scan, which its data cannot contain
# EXIF orientations that swap height and width, and that then mirror columns or rows.
TURNED, MIRRORED_X, MIRRORED_Y = (5, 6, 7, 8), (2, 3, 6, 7), (3, 4, 7, 8)
NO_HOLE = "nothing to fill: make the pixels of the hole transparent"
NARROW_HOLE = "the hole is narrower than half a pixel of the model: make it wider"


def read_sources(files: tf.Tensor, shape: tuple[int, int, int], source: Source) -> tf.Tensor:
    """Decodes, orients, fits and resizes images as ingest does, and makes sources of them.

    Args:
        files: string [N], PNG or JPEG.
        shape: (H, W, C) of the images of the model.
        source: what its sources are.

    Returns:
        uint8 [N, H, W, S].

    Raises:
        tf.errors.InvalidArgumentError: a file is neither PNG nor JPEG, damaged, larger than
            MAX_PIXELS, has more than MAX_SCANS, or has no hole where one is needed; the message
            names the first such row.
    """
    height, width, channels = shape
    source_shape = [height, width, source.channels(channels)]

    def read(row: tf.Tensor, file: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        rgba, problem = _decode(file)
        pixels, hole_problem = _to_source(rgba, shape, source)
        problem = tf.where(tf.strings.length(problem) > 0, problem, hole_problem)
        return row, problem, tf.ensure_shape(pixels, source_shape)

    # The only way in a graph to go on after a file that an op cannot decode: its row is left out.
    rows = tf.data.Dataset.from_tensor_slices(files).enumerate()
    decoded = rows.map(read).ignore_errors()  # one at a time, for the memory they take
    last = tf.data.Dataset.from_tensors(
        (tf.constant(-1, tf.int64), tf.constant(""), tf.zeros(source_shape, tf.uint8))
    )
    count = tf.size(files, tf.int64)
    found, problems, pixels = decoded.concatenate(last).batch(count + 1).get_single_element()
    found, problems, pixels = found[:-1], problems[:-1], pixels[:-1]
    reasons = tf.tensor_scatter_nd_update(
        tf.fill([count], "damaged or truncated"), found[:, None], problems
    )
    bad = tf.where(tf.strings.length(reasons) > 0)[:, 0][:1]
    message = tf.strings.join(
        ["image_bytes, row ", tf.strings.as_string(bad), ": ", tf.gather(reasons, bad)]
    )
    with tf.control_dependencies([tf.debugging.Assert(tf.size(bad) == 0, [message])]):
        return tf.ensure_shape(pixels, [None, *source_shape])


def _decode(file: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The pixels of a file, uint8 [h, w, 4], and what is wrong with it, empty for nothing.

    Raises:
        tf.errors.InvalidArgumentError: the file is damaged.
    """
    is_jpeg = tf.strings.substr(file, 0, len(JPEG)) == JPEG
    is_png = tf.strings.substr(file, 0, len(PNG)) == PNG
    count = tf.case(
        [(is_jpeg, lambda: _count_jpeg(file)), (is_png, lambda: _count_png(file))],
        default=lambda: tf.constant(0, tf.int64),
    )
    scans = tf.size(tf.strings.split(file, SCAN)) - 1
    limits = [
        (~is_jpeg & ~is_png, "neither a PNG nor a JPEG file"),
        (count > MAX_PIXELS, f"more than {MAX_PIXELS:,} pixels"),
        (is_jpeg & (scans > MAX_SCANS), f"more than {MAX_SCANS} scans"),
    ]
    problem = tf.constant("")
    for exceeded, text in reversed(limits):
        problem = tf.where(exceeded, text, problem)
    good = tf.strings.length(problem) == 0
    pixels = tf.case(
        [
            (good & is_jpeg, lambda: _decode_jpeg(file)),
            (good & is_png, lambda: _decode_png(file)),
        ],
        default=lambda: tf.zeros([1, 1, 4], tf.uint8),
    )
    return tf.ensure_shape(pixels, [None, None, 4]), problem


def _count_jpeg(file: tf.Tensor) -> tf.Tensor:
    """The number of pixels by the header of a JPEG, int64 []."""
    return tf.reduce_prod(tf.image.extract_jpeg_shape(file, tf.int64)[:2])


def _count_png(file: tf.Tensor) -> tf.Tensor:
    """The number of pixels by the header of a PNG, int64 []."""
    digits = tf.cast(tf.io.decode_raw(tf.strings.substr(file, 16, 8), tf.uint8), tf.int64)
    return tf.reduce_prod(tf.reduce_sum(tf.reshape(digits, [2, 4]) * [2**24, 2**16, 2**8, 1], 1))


def _decode_png(file: tf.Tensor) -> tf.Tensor:
    """The pixels of a PNG, uint8 [h, w, 4]."""
    pixels = tf.io.decode_png(file, 4)
    # With fewer than 8 bits, TensorFlow adds an alpha channel whose opaque pixels have 1, 3 or 15.
    depth = tf.cast(tf.io.decode_raw(tf.strings.substr(file, 24, 1), tf.uint8)[0], tf.int32)
    is_opaque = tf.cast(pixels[..., 3:], tf.int32) == tf.bitwise.left_shift(1, depth) - 1
    opacity = tf.where(is_opaque, tf.constant(255, tf.uint8), pixels[..., 3:])
    return tf.concat([pixels[..., :3], opacity], 2)


def _decode_jpeg(file: tf.Tensor) -> tf.Tensor:
    """The pixels of a JPEG, oriented as its EXIF states, uint8 [h, w, 4]."""
    pixels = tf.io.decode_jpeg(file, 3, dct_method="INTEGER_ACCURATE")  # as ingest decodes
    orientation = _orientation(file)

    def applies(orientations: tuple[int, ...]) -> tf.Tensor:
        return tf.reduce_any(orientation == tf.constant(orientations))

    pixels = tf.cond(applies(TURNED), lambda: tf.transpose(pixels, [1, 0, 2]), lambda: pixels)
    pixels = tf.cond(applies(MIRRORED_X), lambda: tf.reverse(pixels, [1]), lambda: pixels)
    pixels = tf.cond(applies(MIRRORED_Y), lambda: tf.reverse(pixels, [0]), lambda: pixels)
    opaque = tf.fill(tf.shape(pixels)[:2], tf.constant(255, tf.uint8))
    return tf.concat([pixels, opaque[..., None]], 2)


def _orientation(file: tf.Tensor) -> tf.Tensor:
    """The EXIF orientation of a JPEG, int32 [], as `orientation.found_by_search` finds it."""
    head = tf.io.decode_raw(tf.strings.substr(file, 0, EXIF_BYTES), tf.uint8)
    after_exif = _after(head, EXIF)
    found = tf.concat([_after(after_exif, entry)[:1] for entry in ENTRIES], 0)
    found = tf.cast(found, tf.int32)
    return tf.concat([found[(found >= 1) & (found <= 8)], [1]], 0)[0]


def _after(values: tf.Tensor, pattern: bytes) -> tf.Tensor:
    """What follows the first occurrence of a pattern in bytes, uint8 [n]; nothing without one."""
    starts = tf.maximum(tf.size(values) - len(pattern) + 1, 0)
    hits = tf.reduce_all([values[i : starts + i] == byte for i, byte in enumerate(pattern)], 0)
    first = tf.concat([tf.where(hits)[:1, 0] + len(pattern), [tf.size(values, tf.int64)]], 0)[0]
    return values[first:]


def _to_source(
    rgba: tf.Tensor, shape: tuple[int, int, int], source: Source
) -> tuple[tf.Tensor, tf.Tensor]:
    """A source, uint8 [H, W, S], of an image, uint8 [h, w, 4]; and what is wrong with it."""
    height, width, channels = shape
    kind, amount = source.degradation or (None, 0)
    shrink = int(amount) if kind == "downscale" else 1
    below = [int(source.background[i : i + 2], 16) for i in (1, 3, 5)]
    fit = _crop if source.fit == "crop" else functools.partial(_pad, background=below)
    colors, opacity = fit(rgba, height // shrink, width // shrink)
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
        problem = tf.where(tf.reduce_any(hole), "", _why_no_hole(rgba, shape, source))
    return pixels[0], problem


def _why_no_hole(rgba: tf.Tensor, shape: tuple[int, int, int], source: Source) -> tf.Tensor:
    """Why an image, uint8 [h, w, 4], has no hole as a source."""
    is_clear = rgba[..., 3] < 128
    if source.fit == "crop":
        corner, sides = _middle(rgba, *shape[:2])
        (top, left), (bottom, right) = (
            tf.unstack(tf.cast(edges, tf.int32)) for edges in (corner, tf.math.ceil(corner + sides))
        )
        is_clear = is_clear[top:bottom, left:right]
    return tf.where(tf.reduce_any(is_clear), NARROW_HOLE, NO_HOLE)


def _crop(image: tf.Tensor, height: int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Resizes the part of an image that is kept of it; as `_resize`."""
    return _resize(image, height, width, *_middle(image, height, width))


def _middle(image: tf.Tensor, height: int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Corner and sides, as of `_resize`, of the largest part in the middle that has the aspect."""
    rows, columns = tf.unstack(tf.cast(tf.shape(image)[:2], tf.float64))
    down = tf.minimum(rows, columns * height / width)
    across = tf.minimum(columns, rows * width / height)
    corner = tf.stack([(rows - down) // 2, (columns - across) // 2])
    return corner, tf.stack([down, across])


def _pad(
    image: tf.Tensor, height: int, width: int, background: list[int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Resizes an image to fit, with bars in the background color; as `_resize`."""
    rows, columns = tf.unstack(tf.cast(tf.shape(image)[:2], tf.float64))
    down = tf.cast(tf.clip_by_value(tf.round(width * rows / columns), 1, height), tf.int32)
    across = tf.cast(tf.clip_by_value(tf.round(height * columns / rows), 1, width), tf.int32)
    whole = tf.stack([rows, columns])
    colors, opacity = _resize(image, down, across, tf.zeros_like(whole), whole)
    top, left = (height - down) // 2, (width - across) // 2
    bars = [[top, height - down - top], [left, width - across - left], [0, 0]]
    inside = tf.pad(tf.ones_like(opacity), bars)
    colors = tf.pad(colors, bars) + (1.0 - inside) * tf.constant(background, tf.float32)
    opacity = tf.pad(opacity, bars, constant_values=1.0)
    return tf.ensure_shape(colors, [height, width, 3]), tf.ensure_shape(opacity, [height, width, 1])


def _resize(
    rgba: tf.Tensor,
    height: int | tf.Tensor,
    width: int | tf.Tensor,
    corner: tf.Tensor,
    sides: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Resizes a part of an image so that hidden colors do not bleed into visible ones.

    Args:
        rgba: uint8 [h, w, 4].
        height: of the result.
        width: of the result.
        corner: top and left of the part, float64 [2], in pixels and fractions of them.
        sides: height and width of the part, float64 [2].

    Returns:
        Colors, float32 [height, width, 3], 0 to 255, and opacity, float32 [height, width, 1].
    """
    opacity = tf.cast(rgba[..., 3:], tf.float32) / 255.0
    weighted = tf.concat([tf.cast(rgba[..., :3], tf.float32) * opacity, opacity], -1)
    # What tf.image.resize calls, which takes whole images.
    size = tf.stack([height, width])
    scale = tf.cast(size, tf.float64) / sides
    resized = tf.raw_ops.ScaleAndTranslate(
        images=weighted[None],
        size=size,
        scale=tf.cast(scale, tf.float32),
        translation=tf.cast(-corner * scale, tf.float32),
        kernel_type="keyscubic",
        antialias=True,
    )[0]
    opacity = tf.maximum(resized[..., 3:], 0.0)
    colors = tf.math.divide_no_nan(resized[..., :3], opacity)
    return colors, tf.minimum(opacity, 1.0)
