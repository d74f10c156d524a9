"""How MLflow loads an exported model: a copy of this file is in it, so it imports nothing of ours.

MLflow calls `_load_pyfunc` with the folder of the SavedModel.
"""

import json
from pathlib import Path

import pandas as pd
import tensorflow as tf


class ServedModel:
    """What `serving_default` of a SavedModel answers, as tables."""

    def __init__(self, folder: str) -> None:
        """Loads the SavedModel in a folder."""
        self._model = tf.saved_model.load(folder)  # its signatures do not keep its weights
        self._signature = self._model.signatures["serving_default"]
        about = json.loads(Path(folder, "assets.extra", "iadb.json").read_text("utf-8"))
        self._at_once = about["limits"]["images"] if about.get("limits") else None

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Makes an image for each row.

        Args:
            rows: a column for each input of the signature.

        Returns:
            The column `image_bytes`, PNG files.
        """
        size = self._at_once or max(1, len(rows))
        parts = [rows.iloc[first : first + size] for first in range(0, len(rows), size)]
        return pd.concat([*map(self._predict, parts or [rows])], ignore_index=True)

    def _predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        _, inputs = self._signature.structured_input_signature
        tensors = {name: tf.constant(list(rows[name]), spec.dtype) for name, spec in inputs.items()}
        outputs = self._signature(**tensors)
        return pd.DataFrame({name: output.numpy() for name, output in outputs.items()})


def _load_pyfunc(folder: str) -> ServedModel:
    return ServedModel(folder)
