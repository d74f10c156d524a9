"""The features of an image, and the files that hold them: what the metrics read, not images."""

import hashlib
import math
from collections.abc import Collection, Iterator
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import tensorflow as tf

from components.features import load_extractor
from components.features.options import SEARCH_SPACE, FeatureOptions
from components.images.batches import ImageBatch
from components.images.records import ReadRecords, find_files
from components.images.views import search_views
from components.metrics.image_statistics import ImageStatistics, statistics_of
from components.metrics.pair_scores import PairScores
from components.progress import FEATURES, counted
from components.sharing import shared

shared_extractor = shared(load_extractor)
_VECTOR_TYPE, _DISTANCE_TYPE = np.dtype("<f4"), np.dtype("<f8")
VIEWED = 64  # images whose views are in memory at a time
NO_VIEWS = np.empty((1, 0), _VECTOR_TYPE)
NO_STATISTICS = ImageStatistics(*(np.empty(0, _VECTOR_TYPE) for _ in ImageStatistics._fields))
NO_SCORES = PairScores(*(np.empty(0, _VECTOR_TYPE) for _ in PairScores._fields))


class ImageFeatures(NamedTuple):
    """What the metrics need to know about one image.

    Attributes:
        source: of the image, as in its ImageBatch.
        key: sorts the images of a source; unique within it.
        label: the class of the image, or the one requested from the sampler; may be empty.
        flat: whether all pixels have the same color.
        digest: SHA-256 of the pixels.
        vector: float32 [d], in the feature space of the metrics.
        distance: from the nearest of `views` to the nearest training image, in SEARCH_SPACE; NaN if
            not searched for.
        views: float32 [V, D], the vectors of the image's `views.search_views` in SEARCH_SPACE: the
            image itself first, its mirror image last; D is 0 unless a nearest training image is to
            be found.
        mirrored: whether the mirror image is nearest.
        statistics: of the pixels, without the first dimension.
        scores: of a pair, without the first dimension.
    """

    source: str
    key: bytes
    label: str
    flat: bool
    digest: bytes
    vector: np.ndarray
    distance: float = math.nan
    views: np.ndarray = NO_VIEWS
    mirrored: bool = False
    statistics: ImageStatistics = NO_STATISTICS
    scores: PairScores = NO_SCORES


class ExtractFeatures(beam.DoFn):
    """An ImageBatch to the ImageFeatures of each image."""

    def __init__(
        self, features: FeatureOptions, searched: Collection[str] = (), *, statistics: bool = True
    ) -> None:
        """Describes the features.

        Args:
            features: the feature space.
            searched: sources whose images get `views` as well.
            statistics: whether to compute the statistics of the pixels.
        """
        self._features = features
        self._statistics = statistics
        self._searched = searched

    def setup(self) -> None:
        """Loads the feature spaces, once per process."""
        self._extract = shared_extractor(self._features)
        if self._searched:
            self._extract_views = shared_extractor(SEARCH_SPACE)

    def process(self, batch: ImageBatch) -> Iterator[ImageFeatures]:
        """Yields the features of each image of the batch."""
        with counted(FEATURES, len(batch.images)):
            searched = batch.source in self._searched
            views = self._views(batch.images) if searched else [NO_VIEWS] * len(batch.images)
            if searched and self._features == SEARCH_SPACE:
                vectors = [seen[0] for seen in views]
            else:
                vectors = self._extract(batch.images)
            statistics = [NO_STATISTICS] * len(vectors)
            if self._statistics:
                columns = zip(*statistics_of(batch.images), strict=True)
                statistics = list(map(ImageStatistics._make, columns))
            scores = [NO_SCORES] * len(vectors)
            if batch.scores:
                scores = list(map(PairScores._make, zip(*batch.scores, strict=True)))
        rows = (batch.keys, batch.labels, batch.images, vectors, views, statistics, scores)
        for key, label, image, vector, seen, numbers, score in zip(*rows, strict=True):
            yield ImageFeatures(
                batch.source,
                key,
                label,
                flat=bool((image == image[0, 0]).all()),
                digest=hashlib.sha256(image.tobytes()).digest(),
                vector=vector,
                views=seen,
                statistics=numbers,
                scores=score,
            )

    def _views(self, images: np.ndarray) -> list[np.ndarray]:
        """The vectors of the views of each image."""
        found = []
        for start in range(0, len(images), VIEWED):
            views = search_views(images[start : start + VIEWED])
            vectors = self._extract_views(np.concatenate(views))
            found += list(vectors.reshape(len(views), len(views[0]), -1).swapaxes(0, 1))
        return found


class WriteFeatures(beam.PTransform):
    """Writes ImageFeatures as tf.Examples into TFRecord files.

    They are not compressed: of a compressed file, Beam has 16 MiB in memory, and what is in them.
    """

    def __init__(self, prefix: str) -> None:
        """Describes the files.

        Args:
            prefix: the path of each file starts with it.
        """
        super().__init__()
        self._prefix = prefix

    def expand(self, features: beam.PCollection) -> beam.PCollection:
        """From ImageFeatures to the files written."""
        return (
            features
            | "Serialize" >> beam.Map(serialize)
            | "Write" >> beam.io.WriteToTFRecord(self._prefix)
        )


class ReadFeatures(beam.PTransform):
    """Reads the ImageFeatures in all files that match a pattern; there must be one."""

    def __init__(self, pattern: str) -> None:
        super().__init__()
        self._pattern = pattern

    def expand(self, root: beam.Pipeline) -> beam.PCollection:
        """From a pipeline to ImageFeatures."""
        paths = find_files(self._pattern)
        if not paths:
            raise FileNotFoundError(f"no features of images: {self._pattern}")
        return root | ReadRecords(paths) | "Parse" >> beam.Map(parse)


def serialize(features: ImageFeatures) -> bytes:
    """Serializes the features as a tf.Example."""
    values = {
        "source": features.source.encode(),
        "key": features.key,
        "label": features.label.encode(),
        "digest": features.digest,
        "vector": features.vector.astype(_VECTOR_TYPE).tobytes(),
        "views": features.views.astype(_VECTOR_TYPE).tobytes(),
        "distance": _DISTANCE_TYPE.type(features.distance).tobytes(),
        **{
            name: values.astype(_VECTOR_TYPE).tobytes()
            for name, values in features.statistics._asdict().items()
        },
        **{
            name: values.astype(_VECTOR_TYPE).tobytes()
            for name, values in features.scores._asdict().items()
            if values.size
        },
    }
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in values.items()
    }
    numbers = {
        "flat": features.flat,
        "mirrored": features.mirrored,
        "nb_view": len(features.views),
    }
    for name, value in numbers.items():
        feature[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def parse(record: bytes) -> ImageFeatures:
    """Reads what `serialize` returned."""
    feature = tf.train.Example.FromString(record).features.feature

    def value(name: str) -> bytes:
        return feature[name].bytes_list.value[0]

    def floats(name: str) -> np.ndarray:
        return np.frombuffer(value(name), _VECTOR_TYPE)

    return ImageFeatures(
        value("source").decode(),
        value("key"),
        value("label").decode(),
        bool(feature["flat"].int64_list.value[0]),
        value("digest"),
        floats("vector"),
        float(np.frombuffer(value("distance"), _DISTANCE_TYPE)[0]),
        floats("views").reshape(feature["nb_view"].int64_list.value[0], -1),
        bool(feature["mirrored"].int64_list.value[0]),
        ImageStatistics(*map(floats, ImageStatistics._fields)),
        PairScores(*map(floats, PairScores._fields)) if "psnr" in feature else NO_SCORES,
    )
