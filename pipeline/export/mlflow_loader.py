"""How MLflow loads an exported model: a copy of this file is in it, so it imports nothing of ours.

MLflow calls `_load_pyfunc` with the folder of the SavedModel.
"""

import json
import re
from pathlib import Path

import pandas as pd
import tensorflow as tf

SHOWN = 10  # classes in an error
CHECK = re.compile(r"assertion failed: \[([^\n]*)\]")  # of the model, with its parts in brackets
ROW = re.compile(r"\brow (\d+)")


class ServedModel:
    """What `serving_default` of a SavedModel answers, as tables."""

    def __init__(self, folder: str) -> None:
        """Loads the SavedModel in a folder."""
        self._model = tf.saved_model.load(folder)  # its signatures do not keep its weights
        self._signature = self._model.signatures["serving_default"]
        about = json.loads(Path(folder, "assets.extra", "iadb.json").read_text("utf-8"))
        self._at_once = about["limits"]["images"] if about.get("limits") else None
        self._labels: list[str] = about.get("labels") or []

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Makes an image for each row.

        Args:
            rows: a column for each input of the signature; no label stands for any class.

        Returns:
            The column `image_bytes`, PNG files.

        Raises:
            MlflowException: a label is unknown, and the message names the classes; or a file is no
                image, and it says which.
        """
        if self._labels:
            rows = rows.assign(label=self._known(rows["label"]))
        size = self._at_once or max(1, len(rows))
        starts = range(0, max(1, len(rows)), size)
        parts = [self._predict(rows.iloc[first : first + size], first) for first in starts]
        return pd.concat(parts, ignore_index=True)

    def _known(self, labels: pd.Series) -> pd.Series:
        labels = labels.fillna("")
        unknown = labels[~labels.isin(["", *self._labels])]
        if unknown.empty:
            return labels
        more = len(self._labels) - SHOWN
        known = ", ".join(self._labels[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
        raise _refused(f"label {unknown.iloc[0]!r}: unknown; known: {known}; empty for any")

    def _predict(self, rows: pd.DataFrame, first: int) -> pd.DataFrame:
        _, inputs = self._signature.structured_input_signature
        tensors = {name: tf.constant(list(rows[name]), spec.dtype) for name, spec in inputs.items()}
        try:
            outputs = self._signature(**tensors)
        except tf.errors.InvalidArgumentError as error:
            found = CHECK.search(error.message)
            if not found:
                raise
            parts = found[1].partition("] [Condition ")[0]  # as in trainer/serving/stored_model.py
            said = ROW.sub(lambda row: f"row {first + int(row[1])}", parts.replace("] [", " "))
            raise _refused(said) from None
        return pd.DataFrame({name: output.numpy() for name, output in outputs.items()})


def _refused(message: str) -> Exception:
    # A server of MLflow answers other exceptions with "unexpected error".
    from mlflow.exceptions import MlflowException

    return MlflowException.invalid_parameter_value(message)


def _load_pyfunc(folder: str) -> ServedModel:
    return ServedModel(folder)
