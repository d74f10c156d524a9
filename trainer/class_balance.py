"""How often the images of each class are trained on: those of small classes again and again."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from trainer import examples
from trainer.labels import LabelEncoder
from trainer.options import MAX_REPEATS
from trainer.records import read_records

_ROWS = 1024  # records that are counted or repeated at once
_GOLDEN = (5**0.5 - 1) / 2  # multiples of it modulo 1 lie evenly in [0, 1)


class ClassBalance:
    """Repeats records, so that a class of n images is seen in proportion to n^(1 - balance).

    An epoch has each image of the largest class once, and no image more than MAX_REPEATS times. If
    those of a class are due 1.5 times, half of them are there twice and the others once, and take
    turns over the epochs. All epochs have the same length. Images without a label are a class.

    Args:
        files: gzipped TFRecord files of the train split; all are read once.
        labels: names of the classes.
        balance: from 0, classes as large as they are, to 1, all equally large; 0.5 is the square
            root of Mahajan et al. (arXiv 1805.00932, section 2.2).
    """

    def __init__(self, files: Sequence[str], labels: Sequence[str], balance: float) -> None:
        self._encode = LabelEncoder(labels)
        counts = np.zeros(len(labels) + 1, np.int64)
        for records in read_records(files).batch(_ROWS):
            counts += np.bincount(self._classes(records), minlength=len(counts))
        repeats = (counts.max() / np.maximum(counts, 1)) ** balance
        self._counts = counts
        self._due = np.rint(counts * np.minimum(repeats, MAX_REPEATS)).astype(np.int64)

    @property
    def nb_example(self) -> int:
        """Records in an epoch."""
        return int(self._due.sum())

    def repeat(self, records: tf.data.Dataset, epoch: tf.Tensor) -> tf.data.Dataset:
        """Returns the records of an epoch, copies of one after another.

        Args:
            records: serialized tf.Examples, string [], of all files.
            epoch: its number, int64 [].
        """
        start = tf.cast(epoch, tf.float64) * _GOLDEN
        offsets = tf.cast((start - tf.floor(start)) * self._counts, tf.int64)

        def repeat_rows(seen: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            ids = self._classes(rows)
            # Rows of one class are side by side in this order, without a column for each class.
            order = tf.argsort(ids, stable=True)
            place = tf.math.invert_permutation(order)
            first_place = tf.searchsorted(tf.gather(ids, order), ids)
            rank = tf.cast(place - first_place, tf.int64)
            index = tf.gather(seen, ids) + rank
            due, counts, first = (
                tf.gather(each, ids) for each in (self._due, self._counts, offsets)
            )
            copies = ((index + 1) * due + first) // counts - (index * due + first) // counts
            classes = tf.cast(ids, tf.int32)
            found = tf.math.bincount(classes, minlength=len(self._counts), dtype=tf.int64)
            return seen + found, tf.repeat(rows, copies)

        none_seen = tf.zeros(len(self._counts), tf.int64)
        return records.batch(_ROWS).scan(none_seen, repeat_rows).unbatch()

    def _classes(self, records: tf.Tensor) -> tf.Tensor:
        """Class ids, int64 [N], of serialized tf.Examples, string [N]."""
        spec = {examples.LABEL: tf.io.FixedLenFeature([], tf.string, "")}
        return self._encode(tf.io.parse_example(records, spec)[examples.LABEL])
