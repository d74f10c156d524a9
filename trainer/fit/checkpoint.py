"""The full state of a training on disk: what a killed process goes on from.

Noise, alpha and the order of the data depend on the seed and the step alone, so the variables of
network, average and optimizer, and the number of steps, are the whole state. What a training
started from goes with it, for the record.
"""

import json
import math
import time
from collections.abc import Callable

import keras
import tensorflow as tf
from absl import logging

from trainer.iadb import IADBModel


class TrainingDivergedError(RuntimeError):
    """The loss or a weight is not finite; the last good checkpoint is kept."""


class _Origin(tf.train.experimental.PythonState):
    """What a training started from, as a part of its checkpoints."""

    value: str | None = None

    def serialize(self) -> str:
        return json.dumps(self.value)

    def deserialize(self, text: bytes) -> None:
        self.value = json.loads(text)


class Checkpoints:
    """Writes and restores the state of a compiled model.

    Args:
        folder: where the checkpoints lie; the newest `keep` stay.
        model: compiled; its optimizer's variables are built here.
        keep: checkpoints kept.
    """

    def __init__(self, folder: str, model: IADBModel, keep: int) -> None:
        self.model = model
        if not model.optimizer.built:
            model.optimizer.build(model.network.trainable_variables)
        self._origin = _Origin()
        self._checkpoint = tf.train.Checkpoint(
            network=[v.value for v in model.network.variables],
            average=[v.value for v in model.ema_network.variables] if model.ema_network else [],
            step=model.step.value,
            optimizer=[v.value for v in model.optimizer.variables],
            origin=self._origin,
        )
        # Made when it is first asked for; several workers have to make their variables together,
        # also where one of them finds no checkpoint to restore.
        _ = self._checkpoint.save_counter
        self._manager = tf.train.CheckpointManager(self._checkpoint, folder, max_to_keep=keep)

    @property
    def step(self) -> int:
        """Steps that the model has been trained for."""
        # A replicated variable is no number of its own.
        return int(self.model.step.value.numpy())

    @property
    def warm_started_from(self) -> str | None:
        """The model that the training started from; None where from random weights."""
        return self._origin.value

    @warm_started_from.setter
    def warm_started_from(self, model: str | None) -> None:
        self._origin.value = model

    def restore(self, say: Callable[[str], None] = logging.warning) -> bool:
        """Restores the newest checkpoint that can be read whole.

        Args:
            say: told, in a line, about each checkpoint that cannot be read.

        Returns:
            False where there is no checkpoint that can be read; nothing was changed then.
        """
        for path in reversed(self._manager.checkpoints):
            damage = _find_damage(path)
            if damage is None:
                self._checkpoint.restore(path).assert_consumed()
                return True
            say(f"the checkpoint {path} is damaged ({damage}); going back to the one before")
        return False

    def save(self) -> None:
        """Writes a checkpoint; the one before stays valid until this one is complete.

        Raises:
            TrainingDivergedError: a weight is not finite; the checkpoints stay as they are.
        """
        weights = self.model.network.trainable_variables
        if not all(tf.reduce_all(tf.math.is_finite(weight.value)) for weight in weights):
            raise TrainingDivergedError(f"a weight is not finite after step {self.step}")
        self._manager.save(checkpoint_number=self.step)


def _find_damage(path: str) -> str | None:
    """Reads a checkpoint to its end, checksums included; returns what is wrong with it."""
    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    # TensorFlow raises errors of its own as well as Python's, by what is damaged.
    except Exception as error:
        return str(error).partition("\n")[0][:200]
    return None


class RaiseOnDivergence(keras.callbacks.Callback):
    """Stops a training whose loss is not finite.

    The loss is that of the global batch, so that every worker stops at the same step.

    Raises, out of `fit`:
        TrainingDivergedError: the loss is not finite.
    """

    def on_train_batch_end(self, batch: int, logs: dict) -> None:
        """Looks at the loss."""
        if not math.isfinite(logs["loss"]):
            step = int(self.model.step.value.numpy())
            raise TrainingDivergedError(f"the loss is {logs['loss']} at step {step}")


class SaveCheckpoints(keras.callbacks.Callback):
    """Saves while `fit` runs, when the time or the steps are due, and at its end.

    Args:
        checkpoints: to save.
        every_seconds: since the last checkpoint.
        every_steps: since the last checkpoint.

    Raises, out of `fit`:
        TrainingDivergedError: a weight is not finite.
    """

    def __init__(
        self, checkpoints: Checkpoints, every_seconds: float, every_steps: float = math.inf
    ) -> None:
        super().__init__()
        self.checkpoints = checkpoints
        self.every_seconds, self.every_steps = every_seconds, every_steps

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Starts to count."""
        self._start_to_count()

    def _start_to_count(self) -> None:
        self._saved_at = time.monotonic()
        self._steps = 0  # since the last checkpoint

    def on_train_batch_end(self, batch: int, logs: dict) -> None:
        """Saves when it is due."""
        self._steps += 1
        seconds = time.monotonic() - self._saved_at
        if seconds >= self.every_seconds or self._steps >= self.every_steps:
            self.checkpoints.save()
            self._start_to_count()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Saves the final state."""
        self.checkpoints.save()
