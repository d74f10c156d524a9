"""What a person watches while a model trains: a progress bar, TensorBoard scalars, sample grids."""

import time
from collections import deque

import keras
import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from trainer import preprocessing
from trainer.grid import image_grid

RATE_STEPS = 100  # the rate shown is that of so many last steps
LINE_SECONDS = 15  # between two lines of progress where the output is no terminal


class ProgressBar(keras.callbacks.Callback):
    """Shows steps, images/s, loss and time left: a bar on a terminal, elsewhere a line at times.

    Args:
        steps: at the end of the training.
        start_step: steps done before, when a training is resumed.
        batch_size: images a step, over all replicas.
    """

    def __init__(self, steps: int, start_step: int, batch_size: int) -> None:
        super().__init__()
        self.steps, self.start_step, self.batch_size = steps, start_step, batch_size
        self.console = Console(highlight=False)

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Starts the bar."""
        self._printed = time.monotonic()
        self._ends: deque[float] = deque(maxlen=RATE_STEPS + 1)  # of the last steps
        self._bar = Progress(
            TextColumn("  training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(
                "steps · {task.fields[rate]:,.0f} images/s · loss {task.fields[loss]:.4f} ·"
            ),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task(
            "", total=self.steps, completed=self.start_step, rate=0.0, loss=float("nan")
        )
        self._bar.start()

    def on_train_batch_end(self, batch: int, logs: dict) -> None:
        """Moves the bar."""
        now = time.monotonic()
        self._ends.append(now)
        step, loss = self.start_step + batch + 1, float(logs["loss"])
        if len(self._ends) == 1:  # the first step compiles: it tells nothing of the rate
            return
        rate = (len(self._ends) - 1) * self.batch_size / (now - self._ends[0])
        self._bar.update(self._task, completed=step, rate=rate, loss=loss)
        if not self.console.is_terminal and now - self._printed >= LINE_SECONDS:
            self._printed = now
            left = (self.steps - step) * self.batch_size / rate
            self.console.print(
                f"  training  {step:,}/{self.steps:,} steps · {rate:,.0f} images/s · "
                f"loss {loss:.4f} · {left:.0f} s left",
                soft_wrap=True,
            )

    def on_train_end(self, logs: dict | None = None) -> None:
        """Takes the bar away."""
        self._bar.stop()


class TensorBoardLog(keras.callbacks.Callback):
    """Writes loss, images/s and learning rate, and a grid of samples from fixed noise.

    Args:
        folder: of the event files.
        start_step: steps done before, when a training is resumed.
        batch_size: images a step, over all replicas.
        log_every: steps between two points.
        grid_every: steps between two grids.
        x0: the fixed noise of the grid, float32 [N, H, W, C].
        nb_step: solver steps of the grid.
    """

    def __init__(
        self,
        folder: str,
        *,
        start_step: int,
        batch_size: int,
        log_every: int,
        grid_every: int,
        x0: tf.Tensor,
        nb_step: int,
    ) -> None:
        super().__init__()
        self.step, self.batch_size = start_step, batch_size
        self.log_every, self.grid_every = log_every, grid_every
        self.x0, self.nb_step = x0, nb_step
        self.writer = tf.summary.create_file_writer(folder)
        self.mean_loss: float | None = None
        self._losses: list[float] = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Starts the clock."""
        self._since = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict) -> None:
        """Writes a point or a grid when it is time."""
        self.step += 1
        self._losses.append(float(logs["loss"]))
        if self.step % self.log_every == 0:
            self._write_point()
        if self.step % self.grid_every == 0:
            self._write_grid()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Writes what is left."""
        if self._losses:
            self._write_point()
        self._write_grid()
        self.writer.close()

    def _write_point(self) -> None:
        now = time.monotonic()
        self.mean_loss = sum(self._losses) / len(self._losses)
        rate = len(self._losses) * self.batch_size / (now - self._since)
        with self.writer.as_default(self.step):
            tf.summary.scalar("loss", self.mean_loss)
            tf.summary.scalar("images_per_second", rate)
            tf.summary.scalar("learning_rate", self.model.optimizer.learning_rate)
        self._losses, self._since = [], now

    def _write_grid(self) -> None:
        x1, _ = self.model.sample_iadb(self.x0, self.nb_step)
        with self.writer.as_default(self.step):
            tf.summary.image("samples", image_grid(preprocessing.to_uint8(x1).numpy())[None])
