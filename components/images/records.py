"""Stored examples: read in the order of their keys, found by key, and decoded to images."""

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator

import numpy as np
import tensorflow as tf
from tfx.dsl.io import fileio

from components.images.image_set import Images, row_blocks
from components.sharing import shared
from trainer import examples, preprocessing
from trainer.records import (
    count_records,
    key_of,
    load_preprocessor,
    naming_damaged,
    read_records,
    scatter,
)

Decoder = Callable[[list[bytes]], tf.Tensor]
MADE_BY = "`iadb run`"


def example_key(record: bytes) -> bytes:
    """The key of a serialized example: SHA-256 of its pixels, and its path, since pixels repeat."""
    return key_of(tf.train.Example.FromString(record).features.feature)


def scattered_key(record: bytes) -> bytes:
    """A key of a serialized example that does not sort examples with equal pixels together.

    The first ones by this key are a fair choice also of images that repeat.
    """
    return scatter(example_key(record))


def list_shards(folder: str) -> list[str]:
    """Lists the files of a split; each holds a range of keys, and the ranges ascend."""
    return [f"{folder}/{name}" for name in sorted(fileio.listdir(folder))]


def count_examples(folder: str) -> int:
    """Counts the examples of a split by reading them; raises what `read_shard` raises."""
    shards = list_shards(folder)
    with naming_damaged(shards, MADE_BY):
        return count_records(shards)


def read_shard(path: str) -> list[bytes]:
    """Reads the serialized examples of a file, in the order of their keys.

    Raises:
        DamagedExamplesError: the file is damaged.
    """
    with naming_damaged([path], MADE_BY):
        return sorted(read_records([path]).as_numpy_iterator(), key=example_key)


def read_examples(folder: str) -> Iterator[bytes]:
    """Reads the serialized examples of a split, in the order of their keys, file by file."""
    return itertools.chain.from_iterable(map(read_shard, list_shards(folder)))


def find_examples(folder: str, keys: Collection[bytes]) -> dict[bytes, bytes]:
    """Finds the serialized examples with some keys, by key; reads no further than to the last."""
    wanted, found = set(keys), {}
    for record in read_examples(folder):
        if len(found) == len(wanted):
            break
        if (key := example_key(record)) in wanted:
            found[key] = record
    return found


@shared
def load_decoder(transform_graph: str, name: str = examples.IMAGE) -> Decoder:
    """Returns a function from serialized examples to uint8 [N, H, W, C]; it is traced once.

    Args:
        transform_graph: the URI of the TransformGraph artifact.
        name: SOURCE for the sources of the images, uint8 [N, H, W, S].
    """
    preprocess = load_preprocessor(transform_graph)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def decode(records: tf.Tensor) -> tf.Tensor:
        return preprocessing.to_uint8(preprocess(records)[name])

    return decode


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
