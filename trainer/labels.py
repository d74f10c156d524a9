"""Labels of images, and the class ids that a conditional network knows them by."""

from collections.abc import Sequence

import tensorflow as tf

from trainer.common import exit_codes
from trainer.common.text import list_some

NO_LABEL = ""  # of an image that lies in no folder, and what samples of any class are asked for by


class TooFewClassesError(ValueError):
    """Images whose labels leave a conditional model nothing to tell apart."""

    exit_code = exit_codes.DATA


class LabelEncoder(tf.Module):
    """Encodes labels as class ids, by a table that lies in the graph and is saved with it.

    Args:
        names: of the classes; the id of a class is its position here. NO_LABEL has the id after
            the last.
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
        """Class ids, int64 [N], of labels, string [N].

        Raises:
            tf.errors.InvalidArgumentError: a label is no name of a class; the message lists some.
        """
        ids = self._table.lookup(label)
        unknown = tf.boolean_mask(label, ids < 0)
        message = f"unknown label; there are {self._allowed}; an empty one stands for none; got"
        tf.debugging.Assert(tf.equal(tf.size(unknown), 0), [message, unknown])
        return ids
