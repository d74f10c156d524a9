"""Stored examples as uint8 images."""

from collections.abc import Callable, Iterable, Iterator

import apache_beam as beam
import numpy as np
import tensorflow as tf

from components.images.image_set import Images, row_blocks
from components.images.records import example_key
from components.sharing import shared
from trainer import examples, preprocessing
from trainer.records import load_preprocessor

Decoder = Callable[[list[bytes]], tf.Tensor]


class DecodeRecords(beam.DoFn):
    """A list of serialized examples to Images, by Transform's graph."""

    def __init__(self, transform_graph: str) -> None:
        """Describes the images; `transform_graph` is the URI of the TransformGraph artifact."""
        self._transform_graph = transform_graph

    def setup(self) -> None:
        """Loads the graph, once per process."""
        self._decode = load_decoder(self._transform_graph)

    def process(self, records: list[bytes]) -> Iterator[Images]:
        """Yields one Images."""
        yield decode_images(records, self._decode)


def decode_images(records: list[bytes], decode: Decoder) -> Images:
    """Decodes serialized examples, at least one, in their order; `decode` as of `load_decoder`."""
    keys = [example_key(record) for record in records]
    return Images(keys, labels_of(records), decode(records).numpy())


def decode_in_blocks(records: list[bytes], decode: Decoder, size: int) -> np.ndarray:
    """Decodes serialized examples, at least one, so many at a time, to uint8 [N, H, W, C]."""
    return np.concatenate([decode(part).numpy() for _, part in row_blocks(records, size)])


def labels_of(records: Iterable[bytes]) -> list[str]:
    """The labels of serialized examples."""
    features = (tf.train.Example.FromString(record).features.feature for record in records)
    return [feature[examples.LABEL].bytes_list.value[0].decode() for feature in features]


@shared
def load_source_decoder(transform_graph: str) -> Decoder:
    """As `load_decoder`, but to the sources of the images, uint8 [N, H, W, S]."""
    return _decoder(transform_graph, examples.SOURCE)


@shared
def load_decoder(transform_graph: str) -> Decoder:
    """Returns a function from serialized examples to uint8 [N, H, W, C]; it is traced once."""
    return _decoder(transform_graph, examples.IMAGE)


def _decoder(transform_graph: str, name: str) -> Decoder:
    preprocess = load_preprocessor(transform_graph)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def decode(records: tf.Tensor) -> tf.Tensor:
        return preprocessing.to_uint8(preprocess(records)[name])

    return decode
