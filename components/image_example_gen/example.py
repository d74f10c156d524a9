"""Builds the tf.Example of a decoded image and assigns its split."""

import hashlib
import io
import re

import numpy as np
import tensorflow as tf
from PIL import Image

from components.image_example_gen.files import ImageFile
from components.image_example_gen.image_decode import DecodedImage
from components.image_example_gen.options import ImageOptions
from trainer import examples


def to_example(
    file: ImageFile, image: DecodedImage, sha256: str, group: str, before: DecodedImage | None
) -> bytes:
    """Serializes the example of an image; equal arguments give equal bytes.

    Args:
        file: that it was decoded from.
        image: decoded.
        sha256: the `pixel_hash` of its pixels.
        group: the split key.
        before: what a model is to translate to the image, if there is that.
    """
    example = image_example(
        image.pixels,
        sha256,
        label=file.class_label,
        path=file.path,
        group=group,
        span=file.span,
        source=(image.source_width, image.source_height, file.size),
    )
    if before:
        feature = example.features.feature
        feature[examples.SOURCE].CopyFrom(_bytes(_to_png(before.pixels)))
        feature[examples.SOURCE_MEAN].CopyFrom(_float(before.pixels.mean()))
        feature[examples.SOURCE_STDDEV].CopyFrom(_float(before.pixels.std()))
    return example.SerializeToString(deterministic=True)


def pixel_hash(pixels: np.ndarray) -> str:
    """Returns the SHA-256 of pixels, as 64 hexadecimal digits."""
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def image_example(
    pixels: np.ndarray,
    sha256: str,
    *,
    label: str,
    path: str,
    group: str | None = None,
    span: int = 0,
    source: tuple[int, int, int] = (0, 0, 0),
) -> tf.train.Example:
    """Builds the example of one image (trainer/examples.py).

    Args:
        pixels: uint8 [H, W, C].
        sha256: their `pixel_hash`.
        label: name of its class; may be empty.
        path: where it is from.
        group: the split key; by default the hash.
        span: number of the span of the file.
        source: width, height and bytes of the file; zeros for an image that was not read from one.
    """
    width, height, size = source
    features = {
        examples.IMAGE: _bytes(_to_png(pixels)),
        examples.LABEL: _bytes(label.encode()),
        examples.PATH: _bytes(path.encode()),
        examples.SHA256: _bytes(sha256.encode()),
        examples.GROUP: _bytes((sha256 if group is None else group).encode()),
        examples.SPAN: _int64(span),
        examples.SOURCE_WIDTH: _int64(width),
        examples.SOURCE_HEIGHT: _int64(height),
        examples.SOURCE_BYTES: _int64(size),
        examples.MEAN: _float(pixels.mean()),
        examples.STDDEV: _float(pixels.std()),
    }
    return tf.train.Example(features=tf.train.Features(feature=features))


def captured_group(path: str, options: ImageOptions) -> str | None:
    """Returns the split key that group_pattern captures from a path; None where it has none."""
    match = re.search(options.group_pattern, path) if options.group_pattern else None
    return (match and match.group(1)) or None


def path_of(example: bytes) -> str:
    """Returns where the image of a serialized example is from."""
    return (
        tf.train.Example.FromString(example)
        .features.feature[examples.PATH]
        .bytes_list.value[0]
        .decode()
    )


def with_group(example: bytes, group: str) -> bytes:
    """Returns a serialized example with another split key."""
    parsed = tf.train.Example.FromString(example)
    parsed.features.feature[examples.GROUP].bytes_list.value[:] = [group.encode()]
    return parsed.SerializeToString(deterministic=True)


def split_of(group: str, eval_percent: int, salt: str = "") -> str:
    """Returns the split of a group, by hash, so that new groups do not affect earlier ones.

    Splits with different salts are independent.
    """
    digest = hashlib.sha256((salt + group).encode()).digest()
    bucket = int.from_bytes(digest) % 100
    return examples.EVAL if bucket < eval_percent else examples.TRAIN


def _to_png(pixels: np.ndarray) -> bytes:
    png = io.BytesIO()
    # The default compression level takes no more time here than level 1.
    Image.fromarray(pixels.squeeze(axis=2) if pixels.shape[2] == 1 else pixels).save(png, "PNG")
    return png.getvalue()


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _int64(value: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def _float(value: float) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
