"""Builds the tf.Example of a decoded image and assigns its split."""

import hashlib
import io
import re
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from PIL import Image

from components.image_example_gen.decode import DecodedImage
from components.image_example_gen.files import ImageFile
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.report import OMITTED
from components.image_example_gen.spans import ImageSource
from trainer import examples


@dataclass(frozen=True)
class Row:
    """A serialized example with the hash of its pixels, in hexadecimal, and its split.

    The split of an older image that older_share excludes is OMITTED.
    """

    sha256: str
    split: str
    example: bytes


def to_row(
    file: ImageFile,
    image: DecodedImage,
    source: ImageSource,
    options: ImageOptions,
    split_salt: str = "",
    before: DecodedImage | None = None,
) -> Row:
    """Builds the row of one image; equal files, images and options give equal bytes.

    `before` is what a model is to translate to the image, if there is that.
    """
    sha256 = hashlib.sha256(image.pixels.tobytes()).hexdigest()
    group = split_group(file.path_in_span, sha256, options)
    features = {
        examples.IMAGE: _bytes(_to_png(image.pixels)),
        examples.LABEL: _bytes(file.class_label.encode()),
        examples.PATH: _bytes(file.path.encode()),
        examples.SHA256: _bytes(sha256.encode()),
        examples.GROUP: _bytes(group.encode()),
        examples.SPAN: _int64(file.span),
        examples.SOURCE_WIDTH: _int64(image.source_width),
        examples.SOURCE_HEIGHT: _int64(image.source_height),
        examples.SOURCE_BYTES: _int64(file.size),
        examples.MEAN: _float(image.pixels.mean()),
        examples.STDDEV: _float(image.pixels.std()),
    }
    if before:
        features |= {
            examples.SOURCE: _bytes(_to_png(before.pixels)),
            examples.SOURCE_MEAN: _float(before.pixels.mean()),
            examples.SOURCE_STDDEV: _float(before.pixels.std()),
        }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return Row(
        sha256,
        choose_split(group, file.span, source, options, split_salt),
        example.SerializeToString(deterministic=True),
    )


def split_group(path: str, sha256: str, options: ImageOptions) -> str:
    """Returns the split key: the capture of group_pattern, or else the hash of the pixels."""
    return _captured(path, options) or sha256


def matches_group(path: str, options: ImageOptions) -> bool:
    """Whether group_pattern captures the split key from a path."""
    return bool(_captured(path, options))


def with_group(example: bytes, group: str) -> bytes:
    """Returns a serialized example with another split key; the same bytes if it has that one."""
    parsed = tf.train.Example.FromString(example)
    found = parsed.features.feature[examples.GROUP].bytes_list.value
    if found[0] == group.encode():
        return example
    found[0] = group.encode()
    return parsed.SerializeToString(deterministic=True)


def split_of(group: str, eval_percent: int, salt: str = "") -> str:
    """Returns the split of a group, by hash, so that new groups do not affect earlier ones.

    Splits with different salts are independent.
    """
    bucket = int(hashlib.sha256((salt + group).encode()).hexdigest(), 16) % 100
    return examples.EVAL if bucket < eval_percent else examples.TRAIN


def is_taken(group: str, share: float) -> bool:
    """Whether a group is in a share of all groups, by a hash independent of the split."""
    return int(hashlib.sha256(f"older:{group}".encode()).hexdigest(), 16) < share * 2**256


def choose_split(
    group: str, span: int, source: ImageSource, options: ImageOptions, salt: str = ""
) -> str:
    """Returns the split of an image, by its group and span; OMITTED if older_share excludes it."""
    if source.split is not None:
        return source.split
    if span < source.window[-1].number and not is_taken(group, options.older_share):
        return OMITTED
    return split_of(group, options.eval_percent, salt)


def _captured(path: str, options: ImageOptions) -> str | None:
    match = re.search(options.group_pattern, path) if options.group_pattern else None
    return match and match.group(1)


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
