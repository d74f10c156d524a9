"""Stored examples: serialized tf.Examples, and the key of each."""

from collections.abc import Sequence

import apache_beam as beam
import tensorflow as tf

from trainer import examples


def example_key(record: bytes) -> bytes:
    """A serialized example's key: SHA-256 of its pixels, then its path, since pixels may repeat."""
    feature = tf.train.Example.FromString(record).features.feature
    return b" ".join(feature[name].bytes_list.value[0] for name in (examples.SHA256, examples.PATH))


class ReadExamples(beam.PTransform):
    """The serialized examples in several folders, files of TFRecords."""

    def __init__(self, folders: Sequence[str]) -> None:
        super().__init__()
        self._folders = folders

    def expand(self, root: beam.Pipeline) -> beam.PCollection:
        """Applied to a pipeline."""
        return [
            root | f"Folder[{i}]" >> beam.io.ReadFromTFRecord(f"{folder}/*")
            for i, folder in enumerate(self._folders)
        ] | beam.Flatten()
