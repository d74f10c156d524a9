"""The loss of held-out images while a network trains, and a warning when it rises."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from trainer.common.progress import phase
from trainer.fit.callbacks import TensorBoardLog

RISE = 1.02  # times the least loss, beyond which it has risen
PATIENCE = 2  # measurements in a row
MEASUREMENTS = 20  # of a training, or one at each grid of samples if that is more
LEAST_STEPS = 25  # between measurements, unless grids are closer


def interval(steps: int, grid_every: int) -> int:
    """Returns the steps between measurements of a training with so many steps and grids."""
    return min(grid_every, max(steps // MEASUREMENTS, LEAST_STEPS))


class HeldOutLoss(keras.callbacks.Callback):
    """Measures `IADBModel.held_out_losses` on the same images again and again.

    The loss is that of the network that draws samples. While it falls, the network learns what all
    images have in common; when it rises, the network begins to learn its training images by heart.
    That of a student is its distance to its teacher.

    Args:
        images: batches as `IADBModel.fit` takes them; None measures nothing.
        board: writes the loss as the scalar `held_out_loss`, at the step where it is.
        every: steps between measurements; one more follows at the end.
        since: the first step at which a loss counts as risen. Trained weights first become worse
            while the learning rate is high, and better again as it falls.
        zero_loss: the largest loss of a network that predicts 0. A training with a larger one, on
            these or on its own images, has diverged.
        advice: what it means that the loss has risen, and what helps.
        report: is called once, with a line for a person, when the training has diverged or else the
            loss has risen.

    Attributes:
        loss: the last one measured; None before the first.
    """

    def __init__(
        self,
        images: tf.data.Dataset | None,
        board: TensorBoardLog,
        every: int,
        since: int,
        zero_loss: float,
        advice: str,
        report: Callable[[str], None],
    ) -> None:
        super().__init__()
        self.loss: float | None = None
        self._images, self._board, self._every, self._report = images, board, every, report
        self._since, self._zero_loss, self._advice = since, zero_loss, advice
        self._least, self._least_step = np.inf, 0
        self._risen = self._beyond = 0  # measurements in a row
        self._has_reported = False

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Makes the function that measures a batch."""
        self._losses = tf.function(
            lambda batch: self.model.held_out_losses(batch)[0], autograph=False
        )

    def on_train_batch_end(self, batch: int, logs: dict) -> None:
        """Measures the loss if that is due."""
        if (self._board.step + 1) % self._every == 0:  # this callback comes before the board
            self._measure(self._board.step + 1)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Measures the loss a last time."""
        if self._board.step % self._every:
            self._measure(self._board.step)

    def measure_restored(self, model: keras.Model) -> None:
        """Measures the loss of a model whose training had ended before."""
        self.set_model(model)
        self.on_train_begin()
        if self._images is not None:
            self.loss = self._mean()

    def _mean(self) -> float:
        with phase("measuring the loss of held-out images"):
            return float(np.mean(np.concatenate([self._losses(b) for b in self._images])))

    def _measure(self, step: int) -> None:
        if self._images is None:
            return
        with self._board.untimed():
            self.loss = self._mean()
        self._board.write("held_out_loss", self.loss, step)
        if self.loss < self._least:
            self._least, self._least_step = self.loss, step
        worst = max(self.loss, self._board.mean_loss or 0.0)
        self._beyond = self._beyond + 1 if worst > self._zero_loss else 0
        risen = step >= self._since and self.loss > RISE * self._least
        self._risen = self._risen + 1 if risen else 0
        if self._has_reported or max(self._beyond, self._risen) < PATIENCE:
            return
        self._has_reported = True
        if self._beyond:
            self._report(
                f"the loss is {worst:.4g} at step {step:,}, more than that of a network that "
                "predicts 0: the training diverges; lower train.learning_rate"
            )
            return
        self._report(
            f"the loss of held-out images has risen from {self._least:.4f} at step "
            f"{self._least_step:,} to {self.loss:.4f} at step {step:,}: {self._advice}"
        )
