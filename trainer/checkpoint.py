"""The full state of a training on disk: what a killed process goes on from.

Noise, alpha and the order of the data depend on the seed and the step alone, so the variables of
network, average and optimizer, and the number of steps, are the whole state.
"""

import time

import keras
import tensorflow as tf

from trainer.iadb import IADBModel


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
        self._checkpoint = tf.train.Checkpoint(
            network=[v.value for v in model.network.variables],
            average=[v.value for v in model.ema_network.variables] if model.ema_network else [],
            step=model.step.value,
            optimizer=[v.value for v in model.optimizer.variables],
        )
        self._manager = tf.train.CheckpointManager(self._checkpoint, folder, max_to_keep=keep)

    @property
    def step(self) -> int:
        """Steps that the model has been trained for."""
        return int(self.model.step)

    def restore(self) -> bool:
        """Restores the newest checkpoint; False where there is none."""
        latest = self._manager.latest_checkpoint
        if latest:
            self._checkpoint.restore(latest).assert_consumed()
        return latest is not None

    def save(self) -> None:
        """Writes a checkpoint; the one before stays valid until this one is complete."""
        self._manager.save(checkpoint_number=self.step)


class SaveCheckpoints(keras.callbacks.Callback):
    """Saves every so many seconds while `fit` runs, and at its end."""

    def __init__(self, checkpoints: Checkpoints, every_seconds: float) -> None:
        super().__init__()
        self.checkpoints = checkpoints
        self.every_seconds = every_seconds

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Starts the clock."""
        self._saved_at = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Saves when it is time."""
        if time.monotonic() - self._saved_at >= self.every_seconds:
            self.checkpoints.save()
            self._saved_at = time.monotonic()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Saves the final state."""
        self.checkpoints.save()
