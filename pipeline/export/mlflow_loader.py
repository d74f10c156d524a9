"""How MLflow loads an exported model: a copy of this file is in it, so it imports nothing of ours.

MLflow calls `_load_pyfunc` with the folder of the SavedModel.
"""

import json
from pathlib import Path

import pandas as pd
import tensorflow as tf

SHOWN = 10  # classes in an error


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
            MlflowException: a label is unknown; the message names the classes.
        """
        if self._labels:
            rows = rows.assign(label=self._known(rows["label"]))
        size = self._at_once or max(1, len(rows))
        parts = [rows.iloc[first : first + size] for first in range(0, len(rows), size)]
        return pd.concat([*map(self._predict, parts or [rows])], ignore_index=True)

    def _known(self, labels: pd.Series) -> pd.Series:
        labels = labels.fillna("")
        unknown = labels[~labels.isin(["", *self._labels])]
        if unknown.empty:
            return labels
        # A server of MLflow answers others with "unexpected error".
        from mlflow.exceptions import MlflowException

        more = len(self._labels) - SHOWN
        known = ", ".join(self._labels[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
        raise MlflowException.invalid_parameter_value(
            f"label {unknown.iloc[0]!r}: unknown; known: {known}; empty for any"
        )

    def _predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        _, inputs = self._signature.structured_input_signature
        tensors = {name: tf.constant(list(rows[name]), spec.dtype) for name, spec in inputs.items()}
        outputs = self._signature(**tensors)
        return pd.DataFrame({name: output.numpy() for name, output in outputs.items()})


def _load_pyfunc(folder: str) -> ServedModel:
    return ServedModel(folder)
