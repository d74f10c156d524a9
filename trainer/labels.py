"""Labels of images and their class ids in a conditional network."""

from collections.abc import Sequence

import tensorflow as tf

from trainer.common import exit_codes
from trainer.common.text import list_some

NO_LABEL = ""  # the label of an image outside any class folder; requests samples of any class


class TooFewClassesError(ValueError):
    """The images have fewer than two labels, too few for a conditional model."""

    exit_code = exit_codes.DATA
    hold = False  # another configuration would do


class LabelEncoder(tf.Module):
    """Encodes labels as class ids by a table in the graph, which is saved with it.

    Args:
        names: names of the classes; the position of a class is its id. The id of NO_LABEL is
            len(names).
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(name="labels")
        keys = tf.constant([*names, NO_LABEL])
        ids = tf.range(len(names) + 1, dtype=tf.int64)
        self._table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(keys, ids), default_value=-1
        )
        self._allowed = list_some(names)

    def __call__(self, label: tf.Tensor) -> tf.Tensor:
        """Returns the class ids, int64 [N], of labels, string [N].

        Raises:
            tf.errors.InvalidArgumentError: a label is not the name of a class; the message lists
                some of the names.
        """
        ids = self._table.lookup(label)
        unknown = tf.boolean_mask(label, ids < 0)
        message = f"unknown label; known: {self._allowed}; empty for none; got"
        tf.debugging.Assert(tf.equal(tf.size(unknown), 0), [message, unknown])
        return ids

    def encode_known(self, label: tf.Tensor) -> tf.Tensor:
        """Returns the class ids, int64 [N], of labels, string [N]; unknown ones count as none."""
        return self(tf.where(self._table.lookup(label) < 0, NO_LABEL, label))
