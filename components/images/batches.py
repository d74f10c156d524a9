"""Stored examples as batches of uint8 images."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import apache_beam as beam
import numpy as np
import tensorflow as tf

from components.images.records import example_key
from components.metrics.pair_scores import PairScores
from components.sharing import shared
from trainer import examples, preprocessing
from trainer.records import load_preprocessor


@dataclasses.dataclass(frozen=True)
class ImageBatch:
    """Images of one source.

    Attributes:
        source: where the images come from.
        keys: sort the images of a source; unique within it.
        labels: the class of each image, or the one requested from the sampler; may be empty.
        images: uint8 [N, H, W, C].
        scores: of the images beside the held-out images that they should be; None without such.
    """

    source: str
    keys: Sequence[bytes]
    labels: Sequence[str]
    images: np.ndarray
    scores: PairScores | None = None


class DecodeRecords(beam.DoFn):
    """A list of serialized examples to an ImageBatch, by Transform's graph."""

    def __init__(
        self, source: str, transform_graph: str, key: Callable[[bytes], bytes] = example_key
    ) -> None:
        """Describes the batches.

        Args:
            source: of the images.
            transform_graph: URI of the TransformGraph artifact.
            key: returns the key of a serialized example.
        """
        self._source = source
        self._transform_graph = transform_graph
        self._key = key

    def setup(self) -> None:
        """Loads the graph, once per process."""
        self._decode = load_decoder(self._transform_graph)

    def process(self, records: list[bytes]) -> Iterator[ImageBatch]:
        """Yields one ImageBatch."""
        features = [tf.train.Example.FromString(record).features.feature for record in records]
        yield ImageBatch(
            self._source,
            [self._key(record) for record in records],
            [feature[examples.LABEL].bytes_list.value[0].decode() for feature in features],
            self._decode(records).numpy(),
        )


@shared
def load_source_decoder(transform_graph: str) -> Callable[[list[bytes]], tf.Tensor]:
    """As `load_decoder`, but to the sources of the images, uint8 [N, H, W, S]."""
    return _decoder(transform_graph, examples.SOURCE)


@shared
def load_decoder(transform_graph: str) -> Callable[[list[bytes]], tf.Tensor]:
    """Returns a function from serialized examples to uint8 [N, H, W, C]; it is traced once."""
    return _decoder(transform_graph, examples.IMAGE)


def _decoder(transform_graph: str, name: str) -> Callable[[list[bytes]], tf.Tensor]:
    preprocess = load_preprocessor(transform_graph)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def decode(records: tf.Tensor) -> tf.Tensor:
        return preprocessing.to_uint8(preprocess(records)[name])

    return decode
