"""A Beam transform that samples the new images and describes them."""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf

from components.drift_gate.sample import SCALARS, SOURCE_SCALARS, DescribedImage, Sample
from components.features import load_extractor
from components.features.options import FeatureOptions
from components.images.records import scattered_key
from components.images.take_first import TakeFirst
from components.progress import FEATURES, counted
from trainer import examples

BATCH_SIZE = 256  # images


class WriteSample(beam.PTransform):
    """Writes a Sample of the images of later spans; writes nothing without images."""

    def __init__(self, after: int, size: int, features: FeatureOptions, uri: str) -> None:
        """Describes the sample.

        Args:
            after: images of this span and of earlier ones are ignored.
            size: maximum number of images.
            features: the feature space.
            uri: of the file.
        """
        super().__init__()
        self._after = after
        self._size = size
        self._features = features
        self._uri = uri

    @beam.typehints.no_annotations  # Beam checks those of single collections only
    def expand(self, readings: tuple[beam.PCollection, beam.PCollection]) -> beam.PCollection:
        """From the serialized tf.Examples, read twice, to the file written."""
        first, again = (
            records | f"New[{i}]" >> beam.Filter(_is_of_later_span, self._after)
            for i, records in enumerate(readings)
        )
        return (
            (first, again)
            | TakeFirst(self._size, key=scattered_key)
            | beam.BatchElements(min_batch_size=BATCH_SIZE, max_batch_size=BATCH_SIZE)
            | "Describe" >> beam.ParDo(DescribeRecords(self._features))
            | "Gather" >> beam.combiners.ToList()
            | "Write" >> beam.Map(_write, self._features.identity, self._uri)
        )


class DescribeRecords(beam.DoFn):
    """A list of serialized examples to their DescribedImages."""

    def __init__(self, features: FeatureOptions) -> None:
        self._features = features

    def setup(self) -> None:
        """Loads the feature space, once per worker."""
        self._extract = load_extractor(self._features)

    def process(self, records: list[bytes]) -> Iterator[DescribedImage]:
        """Yields the numbers of each image."""
        parsed = [tf.train.Example.FromString(record).features.feature for record in records]
        images, names = _decode(parsed, examples.IMAGE), SCALARS
        with counted(FEATURES, len(images)):
            vectors = self._extract(images)
            if examples.SOURCE in parsed[0]:
                names = SCALARS + SOURCE_SCALARS
                sources = self._extract(_decode(parsed, examples.SOURCE))
                vectors = np.concatenate([vectors, sources], axis=1)
        for record, feature, image, vector in zip(records, parsed, images, vectors, strict=True):
            scalars = tuple(_number(feature[name]) for name in names)
            yield DescribedImage(scattered_key(record), scalars, image.shape, vector)


def _decode(parsed: list[Any], name: str) -> np.ndarray:
    pngs = [feature[name].bytes_list.value[0] for feature in parsed]
    return np.stack([tf.io.decode_png(png).numpy() for png in pngs])


def _is_of_later_span(record: bytes, after: int) -> bool:
    feature = tf.train.Example.FromString(record).features.feature
    return all(span > after for span in feature[examples.SPAN].int64_list.value)


def _number(feature: tf.train.Feature) -> float:
    (number,) = feature.int64_list.value or feature.float_list.value
    return float(number)


def _write(images: list[DescribedImage], features: str, uri: str) -> None:
    if images:
        Sample.of(features, images).save(uri)
