"""Stored examples as serialized tf.Examples, and their keys."""

import hashlib
from collections.abc import Sequence

import apache_beam as beam
import tensorflow as tf

from trainer import examples


def example_key(record: bytes) -> bytes:
    """The key of a serialized example: SHA-256 of its pixels, and its path, since pixels repeat."""
    feature = tf.train.Example.FromString(record).features.feature
    return b" ".join(feature[name].bytes_list.value[0] for name in (examples.SHA256, examples.PATH))


def scattered_key(record: bytes) -> bytes:
    """A key of a serialized example that does not sort examples with equal pixels together.

    The first ones by this key are a fair choice also of images that repeat.
    """
    return hashlib.sha256(example_key(record)).hexdigest().encode()


class ReadExamples(beam.PTransform):
    """Reads the serialized examples in the TFRecord files of several folders."""

    def __init__(self, folders: Sequence[str]) -> None:
        super().__init__()
        self._folders = folders

    def expand(self, root: beam.Pipeline) -> beam.PCollection:
        """From a pipeline to serialized tf.Examples."""
        # Names of files are shuffled. Flatten would join the folders too, but an in-process runner
        # keeps in memory what it flattens.
        return (
            root
            | beam.Create([f"{folder}/*" for folder in self._folders])
            | beam.io.ReadAllFromTFRecord()
        )


def read_twice(
    pipeline: beam.Pipeline, label: str, folders: Sequence[str]
) -> tuple[beam.PCollection, beam.PCollection]:
    """Reads the serialized examples in several folders, and again, as `TakeFirst` needs them.

    Args:
        pipeline: the pipeline.
        label: of the transforms; unique in the pipeline.
        folders: as of ReadExamples.
    """
    first = pipeline | f"Read[{label}]" >> ReadExamples(folders)
    again = pipeline | f"ReadAgain[{label}]" >> ReadExamples(folders)
    return first, again
