"""The features of an image, and how they are stored: what the metrics read instead of images."""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import tensorflow as tf

from components.features import load_extractor
from components.features.options import FeatureOptions
from components.images.batches import ImageBatch
from components.progress import FEATURES, counted

_VECTOR_TYPE = np.dtype("<f4")


class ImageFeatures(NamedTuple):
    """What the metrics need of one image.

    Attributes:
        key: sorts the images of a source; unique within it.
        label: the class of the image, or the one asked of the sampler; empty without one.
        flat: whether all pixels are of one color.
        digest: SHA-256 of the pixels.
        vector: float32 [d].
    """

    key: bytes
    label: str
    flat: bool
    digest: bytes
    vector: np.ndarray


class ExtractFeatures(beam.DoFn):
    """An ImageBatch to (source, ImageFeatures), one an image."""

    def __init__(self, features: FeatureOptions) -> None:
        self._features = features

    def setup(self) -> None:
        """Loads the feature space, once a worker."""
        self._extract = load_extractor(self._features)

    def process(self, batch: ImageBatch) -> Iterator[tuple[str, ImageFeatures]]:
        """Yields the features of each image of the batch."""
        with counted(FEATURES, len(batch.images)):
            vectors = self._extract(batch.images)
        for key, label, image, vector in zip(
            batch.keys, batch.labels, batch.images, vectors, strict=True
        ):
            yield (
                batch.source,
                ImageFeatures(
                    key,
                    label,
                    flat=bool((image == image[0, 0]).all()),
                    digest=hashlib.sha256(image.tobytes()).digest(),
                    vector=vector,
                ),
            )


def serialize(features: ImageFeatures) -> bytes:
    """Makes a tf.Example of the features."""
    values = {
        "key": features.key,
        "label": features.label.encode(),
        "digest": features.digest,
        "vector": features.vector.astype(_VECTOR_TYPE).tobytes(),
    }
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in values.items()
    }
    feature["flat"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[features.flat]))
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def parse(record: bytes) -> ImageFeatures:
    """Reads what `serialize` made."""
    feature = tf.train.Example.FromString(record).features.feature
    key, label, digest, vector = (
        feature[name].bytes_list.value[0] for name in ("key", "label", "digest", "vector")
    )
    return ImageFeatures(
        key,
        label.decode(),
        bool(feature["flat"].int64_list.value[0]),
        digest,
        np.frombuffer(vector, _VECTOR_TYPE),
    )
