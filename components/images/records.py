"""Stored examples as serialized tf.Examples, and their keys."""

import glob
import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence

import apache_beam as beam
import tensorflow as tf
from apache_beam.io.filesystems import FileSystems

from trainer.records import key_of, scatter

BUFFER_BYTES = 2**20  # of a file, read at a time
BATCH = 64  # records of a file in memory at a time


def example_key(record: bytes) -> bytes:
    """The key of a serialized example: SHA-256 of its pixels, and its path, since pixels repeat."""
    return key_of(tf.train.Example.FromString(record).features.feature)


def scattered_key(record: bytes) -> bytes:
    """A key of a serialized example that does not sort examples with equal pixels together.

    The first ones by this key are a fair choice also of images that repeat.
    """
    return scatter(example_key(record))


class ReadExamples(beam.PTransform):
    """Reads the serialized examples in the TFRecord files of several folders.

    Workers share the files among them. Beam's own transforms take more steps, as if the files could
    be split, and with few records the steps decide how long a pipeline takes.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        super().__init__()
        self._folders = folders

    def expand(self, root: beam.Pipeline) -> beam.PCollection:
        """From a pipeline to serialized tf.Examples."""
        pairs = [(path, None) for path in _files_in(self._folders)]
        # Grouped, each path is at one of the workers.
        files = root | beam.Create(pairs, reshuffle=False) | beam.GroupByKey()
        return files | "Read" >> beam.FlatMapTuple(lambda path, _: _read(path))


def read_examples(folders: Sequence[str]) -> Iterator[bytes]:
    """Reads the serialized examples in the TFRecord files of several folders, in no set order."""
    return read_records(_files_in(folders))


def read_records(paths: Iterable[str]) -> Iterator[bytes]:
    """Reads the records of TFRecord files; those whose names end with .gz are gzipped."""
    return itertools.chain.from_iterable(map(_read, paths))


def find_examples(folders: Sequence[str], keys: Collection[bytes]) -> dict[bytes, bytes]:
    """Finds the serialized examples with some keys, by key; reads no further than to the last."""
    wanted, found = set(keys), {}
    for record in read_examples(folders):
        if len(found) == len(wanted):
            break
        if (key := example_key(record)) in wanted:
            found[key] = record
    return found


def _files_in(folders: Sequence[str]) -> list[str]:
    return [path for folder in folders for path in find_files(f"{glob.escape(folder)}/*")]


def find_files(pattern: str) -> list[str]:
    """Lists the files whose paths match a pattern, in any of Beam's file systems."""
    [found] = FileSystems.match([pattern])
    return [file.path for file in found.metadata_list]


def read_twice(
    pipeline: beam.Pipeline, label: str, folders: Sequence[str]
) -> tuple[beam.PCollection, beam.PCollection]:
    """Reads the serialized examples in several folders, and again, as `TakeFirst` needs them.

    Args:
        pipeline: the pipeline.
        label: of the transforms; unique in the pipeline.
        folders: as of ReadExamples.
    """
    # Of files that were shared once, an in-process runner would keep the second reading in memory.
    records = ReadExamples(folders)
    first = pipeline | f"Read[{label}]" >> records
    again = pipeline | f"ReadAgain[{label}]" >> records
    return first, again


def _read(path: str) -> Iterator[bytes]:
    """Yields the records of a file.

    Raises:
        ValueError: the file is damaged or cannot be read; the message names it.
    """
    compression = "GZIP" if path.endswith(".gz") else ""
    records = tf.data.TFRecordDataset(path, compression, buffer_size=BUFFER_BYTES)
    try:
        for batch in records.batch(BATCH).as_numpy_iterator():
            yield from batch.tolist()
    except tf.errors.OpError as error:
        raise ValueError(f"{path}: {error.message}") from error
