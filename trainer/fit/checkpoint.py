"""Checkpoints: the full state of a training, from which a killed process resumes.

Noise, alpha and the order of the data depend only on the seed and the step, so the state consists
of the variables of network, average, guide and optimizer, and the number of steps. A checkpoint
also records which model the training started from.
"""

import contextlib
import json
import math
import time
from collections.abc import Callable

import keras
import tensorflow as tf
from absl import logging

from trainer.fit import checkpoint_files
from trainer.iadb import IADBModel


class TrainingDivergedError(RuntimeError):
    """The loss or a weight is not finite; the last valid checkpoint is kept."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: lower train.learning_rate, of a student distill.learning_rate (`iadb distill "
            "--learning-rate`)"
        )


class _Origin(tf.train.experimental.PythonState):
    """The model that a training started from, as part of its checkpoints."""

    value: str | None = None

    def serialize(self) -> str:
        return json.dumps(self.value)

    def deserialize(self, text: bytes) -> None:
        self.value = json.loads(text)


class Checkpoints:
    """Writes and restores the state of a compiled model.

    Args:
        folder: the folder of the checkpoints.
        model: compiled; the variables of its optimizer are built here.
        keep: number of checkpoints to keep.
    """

    def __init__(self, folder: str, model: IADBModel, keep: int) -> None:
        self.model = model
        if not model.optimizer.built:
            model.optimizer.build(model.network.trainable_variables)
        self._origin = _Origin()
        self._checkpoint = tf.train.Checkpoint(
            network=[v.value for v in model.network.variables],
            average=[v.value for v in model.ema_network.variables] if model.ema_network else [],
            guide=[v.value for v in _guide(model)],
            step=model.step.value,
            optimizer=[v.value for v in model.optimizer.variables],
            origin=self._origin,
        )
        self._folder, self._keep = folder, keep
        self._stored: int | None = None  # the step that this process saved or restored last
        self._damaged: set[int] = set()  # steps

    @property
    def step(self) -> int:
        """Number of steps that the model has been trained for."""
        # A replicated variable does not convert to a number itself.
        return int(self.model.step.value.numpy())

    @property
    def warm_started_from(self) -> str | None:
        """The model that the training started from; None for random weights."""
        return self._origin.value

    @warm_started_from.setter
    def warm_started_from(self, model: str | None) -> None:
        self._origin.value = model

    def restore(self, report: Callable[[str], None] = logging.warning) -> bool:
        """Restores the newest undamaged checkpoint.

        Args:
            report: receives one line about each damaged checkpoint.

        Returns:
            False if there is no undamaged checkpoint; nothing is changed then.
        """
        for step in reversed(checkpoint_files.list_steps(self._folder)):
            path = checkpoint_files.path(self._folder, step)
            damage = _find_damage(path)
            if damage is None:
                self._checkpoint.read(path).assert_consumed()
                self._stored = step
                return True
            self._damaged.add(step)
            report(f"the checkpoint {path} is damaged ({damage}); trying the previous one")
        return False

    def save(self) -> None:
        """Writes a checkpoint, and then removes older ones and what killed writes left.

        Does nothing if this step was saved or restored: a write in its place could be cut off.
        Checkpoints of later steps stay until the training has passed them, since a fault of the
        storage may have made them unreadable for a while.

        Raises:
            TrainingDivergedError: a weight is not finite; the checkpoints are unchanged.
        """
        weights = self.model.network.trainable_variables
        if not all(tf.reduce_all(tf.math.is_finite(weight.value)) for weight in weights):
            raise TrainingDivergedError(f"a weight is not finite after step {self.step}")
        if self.step == self._stored:
            return
        try:
            self._checkpoint.write(checkpoint_files.path(self._folder, self.step))
            checkpoint_files.sync(self._folder, self.step)
        except Exception:  # the disk may be full, and would stay so
            with contextlib.suppress(Exception):  # the storage may be gone
                complete = {*checkpoint_files.list_steps(self._folder)} - {self.step}
                checkpoint_files.remove_others(self._folder, kept=complete)
            raise
        self._stored = self.step
        self._damaged.discard(self.step)
        steps = checkpoint_files.list_steps(self._folder)
        valid = [step for step in steps if step <= self.step and step not in self._damaged]
        later = {step for step in steps if step > self.step}
        checkpoint_files.remove_others(self._folder, kept={*valid[-self._keep :], *later})


def _guide(model: IADBModel) -> list[keras.Variable]:
    return [*model.guide.network.variables, model.guide.ready] if model.guide else []


def _find_damage(path: str) -> str | None:
    """Reads a whole checkpoint with its checksums; returns the error if it is damaged."""
    try:
        reader = tf.compat.v1.train.NewCheckpointReader(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    # TensorFlow raises its own errors as well as Python's, depending on the damage.
    except Exception as error:
        return str(error).partition("\n")[0][:200]
    return None


class RaiseOnDivergence(keras.callbacks.Callback):
    """Stops a training whose loss is not finite.

    The loss is that of the global batch, so every worker stops at the same step.

    Raises from `fit`:
        TrainingDivergedError: the loss is not finite.
    """

    def on_train_batch_end(self, batch: int, logs: dict) -> None:
        """Checks the loss."""
        if not math.isfinite(logs["loss"]):
            step = int(self.model.step.value.numpy())
            raise TrainingDivergedError(f"the loss is {logs['loss']} at step {step}")


class SaveCheckpoints(keras.callbacks.Callback):
    """Saves a checkpoint during `fit` whenever one is due by time or steps, and at the end.

    Args:
        checkpoints: where to save.
        every_seconds: seconds between checkpoints.
        every_steps: steps between checkpoints.

    Raises from `fit`:
        TrainingDivergedError: a weight is not finite.
    """

    def __init__(
        self, checkpoints: Checkpoints, every_seconds: float, every_steps: float = math.inf
    ) -> None:
        super().__init__()
        self.checkpoints = checkpoints
        self.every_seconds, self.every_steps = every_seconds, every_steps

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Starts counting."""
        self._start_counting()

    def _start_counting(self) -> None:
        self._saved_at = time.monotonic()
        self._steps = 0  # since the last checkpoint

    def on_train_batch_end(self, batch: int, logs: dict) -> None:
        """Saves if a checkpoint is due."""
        self._steps += 1
        seconds = time.monotonic() - self._saved_at
        if seconds >= self.every_seconds or self._steps >= self.every_steps:
            self.checkpoints.save()
            self._start_counting()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Saves the final state."""
        self.checkpoints.save()
