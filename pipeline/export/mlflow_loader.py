"""How MLflow loads an exported model: a copy of this file is in it, so it imports nothing of ours.

MLflow calls `_load_pyfunc` with the folder of the SavedModel.
"""

import json
import re
from pathlib import Path

import pandas as pd
import tensorflow as tf

CHECK = re.compile(r"assertion failed: \[([^\n]*)\]")  # of the model, with its parts in brackets
ROW = re.compile(r"\brow (\d+)")


class ServedModel:
    """What `serving_default` of a SavedModel answers, as tables."""

    def __init__(self, folder: str) -> None:
        """Loads the SavedModel in a folder."""
        self._model = tf.saved_model.load(folder)  # its signatures do not keep its weights
        self._signature = self._model.signatures["serving_default"]
        _, self._inputs = self._signature.structured_input_signature
        about = json.loads(Path(folder, "assets.extra", "iadb.json").read_text("utf-8"))
        self._at_once: int = about["limits"]["images"]

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
        if "label" in self._inputs:
            rows = rows.assign(label=rows["label"].fillna(""))
        size = self._at_once
        starts = range(0, max(1, len(rows)), size)
        parts = [self._predict(rows.iloc[first : first + size], first) for first in starts]
        return pd.concat(parts, ignore_index=True)

    def _predict(self, rows: pd.DataFrame, first: int) -> pd.DataFrame:
        tensors = {
            name: tf.constant(list(rows[name]), spec.dtype) for name, spec in self._inputs.items()
        }
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
