"""Decodes the image files of a request, in the graph of the exported model, as ingest does."""

import tensorflow as tf

from trainer.source.fitting import as_source
from trainer.source.options import MAX_PIXELS, Source
from trainer.source.orientation import ENTRIES, EXIF, EXIF_BYTES

MAX_SCANS = 100  # of a JPEG: one of 31 bytes may take as long as a whole image

JPEG = b"\xff\xd8\xff"
# With the begin of the header: decoders skip unknown chunks before it, which could state any size.
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
SCAN = b"\xff\xda\x00"  # the begin of a scan, which its data cannot contain
# EXIF orientations that swap height and width, and that then mirror columns or rows.
TURNED, MIRRORED_X, MIRRORED_Y = (5, 6, 7, 8), (2, 3, 6, 7), (3, 4, 7, 8)


def read_sources(files: tf.Tensor, shape: tuple[int, int, int], source: Source) -> tf.Tensor:
    """Decodes and orients images, and makes sources of them (trainer/source/fitting.py).

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
    source_shape = [*shape[:2], source.channels(shape[2])]

    def read(row: tf.Tensor, file: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        rgba, problem = _decode(file)
        pixels, why_not = as_source(rgba, shape, source)
        problem = tf.where(problem == "", why_not, problem)
        return row, problem, tf.ensure_shape(pixels, source_shape)

    # The only way in a graph to go on after a file that an op cannot decode: its row is left out.
    rows = tf.data.Dataset.from_tensor_slices(files).enumerate()
    decoded = rows.map(read).ignore_errors()  # one at a time, for the memory they take
    last = (tf.constant(-1, tf.int64), tf.constant(""), tf.zeros(source_shape, tf.uint8))
    count = tf.size(files, tf.int64)
    read_all = decoded.concatenate(tf.data.Dataset.from_tensors(last)).batch(count + 1)
    found, problems, pixels = (each[:-1] for each in read_all.get_single_element())
    damaged = tf.fill([count], "damaged or truncated")
    reasons = tf.tensor_scatter_nd_update(damaged, found[:, None], problems)
    bad = tf.where(reasons != "")[:, 0][:1]
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
    is_jpeg, is_png = (tf.strings.substr(file, 0, len(begin)) == begin for begin in (JPEG, PNG))
    count = tf.case(
        [(is_jpeg, lambda: _count_jpeg(file)), (is_png, lambda: _count_png(file))],
        default=lambda: tf.constant(0, tf.int64),
    )
    scans = tf.size(tf.strings.split(file, SCAN)) - 1
    problem = tf.case(
        [
            (~is_jpeg & ~is_png, lambda: tf.constant("neither a PNG nor a JPEG file")),
            (count > MAX_PIXELS, lambda: tf.constant(f"more than {MAX_PIXELS:,} pixels")),
            (is_jpeg & (scans > MAX_SCANS), lambda: tf.constant(f"more than {MAX_SCANS} scans")),
        ],
        default=lambda: tf.constant(""),
    )
    pixels = tf.case(
        [(problem != "", lambda: tf.zeros([1, 1, 4], tf.uint8)), (is_png, lambda: _read_png(file))],
        default=lambda: _read_jpeg(file),
    )
    return tf.ensure_shape(pixels, [None, None, 4]), problem


def _count_jpeg(file: tf.Tensor) -> tf.Tensor:
    """The number of pixels by the header of a JPEG, int64 []."""
    return tf.reduce_prod(tf.image.extract_jpeg_shape(file, tf.int64)[:2])


def _count_png(file: tf.Tensor) -> tf.Tensor:
    """The number of pixels by the header of a PNG, int64 []."""
    digits = tf.cast(tf.io.decode_raw(tf.strings.substr(file, 16, 8), tf.uint8), tf.int64)
    return tf.reduce_prod(tf.reduce_sum(tf.reshape(digits, [2, 4]) * [2**24, 2**16, 2**8, 1], 1))


def _read_png(file: tf.Tensor) -> tf.Tensor:
    pixels = tf.io.decode_png(file, 4)
    # With fewer than 8 bits, TensorFlow adds an alpha channel whose opaque pixels have 1, 3 or 15.
    depth = tf.cast(tf.io.decode_raw(tf.strings.substr(file, 24, 1), tf.uint8)[0], tf.int32)
    is_opaque = tf.cast(pixels[..., 3:], tf.int32) == tf.bitwise.left_shift(1, depth) - 1
    opacity = tf.where(is_opaque, tf.constant(255, tf.uint8), pixels[..., 3:])
    return tf.concat([pixels[..., :3], opacity], 2)


def _read_jpeg(file: tf.Tensor) -> tf.Tensor:
    """The pixels of a JPEG, oriented as its EXIF states."""
    pixels = tf.io.decode_jpeg(file, 3, dct_method="INTEGER_ACCURATE")  # as ingest decodes
    orientation = _orientation(file)
    for orientations, apply in (
        (TURNED, lambda x: tf.transpose(x, [1, 0, 2])),
        (MIRRORED_X, lambda x: tf.reverse(x, [1])),
        (MIRRORED_Y, lambda x: tf.reverse(x, [0])),
    ):
        applies = tf.reduce_any(orientation == tf.constant(orientations))
        pixels = tf.cond(applies, lambda x=pixels, f=apply: f(x), lambda x=pixels: x)
    return tf.pad(pixels, [[0, 0], [0, 0], [0, 1]], constant_values=255)


def _orientation(file: tf.Tensor) -> tf.Tensor:
    """The EXIF orientation of a JPEG, int32 [], as `orientation.found_by_search` finds it."""
    head = tf.strings.substr(file, 0, EXIF_BYTES)
    after_exif = tf.strings.reduce_join(tf.strings.split(head, EXIF, 1)[1:])
    values = [tf.strings.split(after_exif, entry, 1)[1:] for entry in ENTRIES]
    found = tf.cast(
        tf.io.decode_raw(tf.strings.substr(tf.concat(values, 0), 0, 1), tf.uint8), tf.int32
    )
    return tf.concat([found[(found >= 1) & (found <= 8)], [1]], 0)[0]
