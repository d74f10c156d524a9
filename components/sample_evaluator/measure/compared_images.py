"""The images that are compared, in files: the way from sampling to the metrics."""

import apache_beam as beam
from apache_beam import coders

from components.images.features import ImageFeatures, parse, serialize
from components.sample_evaluator.measure.nearest import ImageId, Nearest

# Explicit coders: Beam's own choice for such tuples would be pickles.
_FEATURES = coders.TupleCoder((coders.StrUtf8Coder(), coders.BytesCoder()))
_NEAREST = coders.TupleCoder(
    (coders.StrUtf8Coder(), coders.BytesCoder(), coders.FloatCoder(), coders.BytesCoder())
)


class WriteCompared(beam.PTransform):
    """Writes (source, ImageFeatures) pairs into a folder."""

    def __init__(self, folder: str, name: str) -> None:
        """Describes the files.

        Args:
            folder: of them.
            name: of this collection, unlike those of others in the folder.
        """
        super().__init__()
        self._prefix = f"{folder}/features-{name}"

    def expand(self, features: beam.PCollection) -> beam.PCollection:
        """From the pairs to the files written."""
        return (
            features
            | "Serialize" >> beam.MapTuple(_serialize)
            | "Write" >> beam.io.WriteToTFRecord(self._prefix, _FEATURES)
        )


class ReadCompared(beam.PTransform):
    """The pairs of all that WriteCompared wrote into a folder."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._pattern = f"{folder}/features-*"

    def expand(self, root: beam.Pipeline) -> beam.PCollection:
        """Applied to a pipeline."""
        return (
            root
            | beam.io.ReadFromTFRecord(self._pattern, _FEATURES)
            | "Parse" >> beam.MapTuple(_parse)
        )


class WriteNearest(beam.PTransform):
    """Writes the ((source, key), Nearest) pairs that FindNearest found into a folder."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._prefix = f"{folder}/nearest"

    def expand(self, nearest: beam.PCollection) -> beam.PCollection:
        """From the pairs to the files written."""
        return (
            nearest
            | "Flat" >> beam.MapTuple(lambda image, found: (*image, *found))
            | "Write" >> beam.io.WriteToTFRecord(self._prefix, _NEAREST)
        )


class ReadNearest(beam.PTransform):
    """The pairs that WriteNearest wrote into a folder."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._pattern = f"{folder}/nearest-*"

    def expand(self, root: beam.Pipeline) -> beam.PCollection:
        """Applied to a pipeline."""
        return (
            root
            | beam.io.ReadFromTFRecord(self._pattern, _NEAREST)
            | "Pairs" >> beam.MapTuple(_pair)
        )


def _serialize(source: str, features: ImageFeatures) -> tuple[str, bytes]:
    return source, serialize(features)


def _parse(source: str, record: bytes) -> tuple[str, ImageFeatures]:
    return source, parse(record)


def _pair(source: str, key: bytes, distance: float, nearest: bytes) -> tuple[ImageId, Nearest]:
    return (source, key), Nearest(distance, nearest)
