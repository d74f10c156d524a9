"""Callbacks of a training: progress, TensorBoard scalars, sample grids, the end by a signal."""

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import keras
import numpy as np
import tensorflow as tf

from trainer.common.progress import TRAINING, Report, phase, report
from trainer.common.signals import raise_lost_stop
from trainer.fit.sample_grid import SampleGrid

REPORT_SECONDS = 0.2
FLUSH_SECONDS = 10  # between writes to an event file; a killed process loses no more


class ReportProgress(keras.callbacks.Callback):
    """Reports steps and loss (trainer/common/progress.py), at most every REPORT_SECONDS.

    Args:
        steps: total number of steps.
        start_step: number of steps already done, for a resumed training.
    """

    def __init__(self, steps: int, start_step: int) -> None:
        super().__init__()
        self._steps, self._step = steps, start_step
        self._reported = 0
        self._when: float | None = None  # time of the last report; None before the first step
        self._phases = ExitStack()

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Reports that the first step has begun, which reads data and compiles."""
        self._phases.enter_context(phase("compiling the first step"))

    def on_train_batch_end(self, batch: int, logs: dict) -> None:
        """Reports the steps since the last report, if that is some time ago."""
        self._step += 1
        now = time.monotonic()
        if self._when is None:
            self._phases.close()
            self._phases.enter_context(phase(TRAINING))
            report(Report(TRAINING, expected=self._steps, unit="steps"))
        elif now - self._when < REPORT_SECONDS and self._step < self._steps:
            return
        self._when = now
        note = f"loss {float(logs['loss']):.4f}"
        done = self._step - self._reported
        report(Report(TRAINING, done=done, unit="steps", note=note))
        self._reported = self._step

    def on_train_end(self, logs: dict | None = None) -> None:
        """Reports that the training has ended."""
        self._phases.close()


class RaiseLostStop(keras.callbacks.Callback):
    """Stops a training after a Ctrl-C or SIGTERM whose exception a library swallowed.

    Raises from `fit`:
        KeyboardInterrupt, SystemExit: as `signals.raise_lost_stop`.
    """

    def on_train_batch_end(self, batch: int, logs: dict) -> None:
        """Raises what was lost during the step."""
        raise_lost_stop()


class TensorBoardLog(keras.callbacks.Callback):
    """Writes scalars of the training, and grids of samples.

    A point is written every `log_every` steps and at the end of an epoch. It is the mean over the
    steps since the previous point, of those that Keras runs at once the last: `loss`,
    `gradient_norm` if `train_step` logs it, and `loss_by_alpha/0.0-0.1` to `0.9-1.0`. Each point
    also has `images_per_second`, without the time of compilation and grids, and the `learning_rate`
    of the next step.

    The model is an IADBModel. Its metric `loss_by_alpha` is read and reset when a point is written;
    a part of [0, 1] without images since the previous point gets no point.

    Args:
        folder: folder of the event files.
        start_step: number of steps already done, for a resumed training.
        batch_size: images per step, over all replicas.
        log_every: steps between points.
        grid_every: steps between grids.
        samples: what the samples are drawn from.
        nb_step: number of solver steps for the grid.

    Attributes:
        mean_loss: loss of the last point; None before the first.
        grid: the last grid, uint8 [height, width, C]; None before the first.
    """

    def __init__(
        self,
        folder: str,
        *,
        start_step: int,
        batch_size: int,
        log_every: int,
        grid_every: int,
        samples: SampleGrid,
        nb_step: int,
    ) -> None:
        super().__init__()
        self.step, self.batch_size = start_step, batch_size
        self.log_every, self.grid_every = log_every, grid_every
        self.samples, self.nb_step = samples, nb_step
        self._folder = folder
        self.writer: tf.summary.SummaryWriter | None = None  # while there is a training
        self.mean_loss: float | None = None
        self.grid: np.ndarray | None = None
        self._drawn = -1  # the step of the last grid
        self._logs: list[dict] = []  # of the steps since the previous point
        self._timed_steps = 0  # how many of them the rate counts
        self._since: float | None = None  # None until the first step has compiled
        self._batch = -1  # the last one of the epoch

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Opens an event file, and forgets what an earlier training has not written."""
        self._logs, self._timed_steps, self._since = [], 0, None
        self.writer = tf.summary.create_file_writer(self._folder, flush_millis=FLUSH_SECONDS * 1000)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Keras counts batches anew in each epoch."""
        self._batch = -1

    def on_train_batch_end(self, batch: int, logs: dict) -> None:
        """Writes a point or a grid if one is due; a batch may end several steps at once."""
        # The last batch of an epoch may end fewer steps than Keras counts.
        batch = min(batch, ((self.params or {}).get("steps") or math.inf) - 1)
        before, steps = self.step, batch - self._batch
        self._batch = batch
        self.step += steps
        self._logs.append(logs)
        if self._since is None:
            self._since = time.monotonic()
        else:
            self._timed_steps += steps
        if self.step // self.log_every > before // self.log_every:
            self._write_point()
        if self.step // self.grid_every > before // self.grid_every:
            self._write_grid()

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Writes a point before an evaluation replaces the losses by alpha."""
        if self._logs:
            self._write_point()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Writes a point before the next epoch forgets the losses by alpha."""
        if self._logs:
            self._write_point()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Writes the last grid, unless the last step had one."""
        if self._drawn != self.step:
            self._write_grid()
        self.writer.close()
        self.writer = None

    @contextmanager
    def untimed(self) -> Iterator[None]:
        """Leaves the time of the block out of `images_per_second`."""
        started = time.monotonic()
        yield
        if self._since is not None:
            self._since += time.monotonic() - started

    def draw(self, count: int | None = None) -> np.ndarray:
        """Draws all or the first samples, arranged as a grid, uint8 [height, width, C]."""
        with self.untimed(), phase("drawing samples"):
            return self.samples.draw(self.model, self.nb_step, count)

    def write(self, name: str, value: float, step: int) -> None:
        """Writes a scalar beside the points."""
        with self.writer.as_default(step):
            tf.summary.scalar(name, value)

    def _write_point(self) -> None:
        self.mean_loss = self._mean("loss")
        now = time.monotonic()  # after reading the loss, so the device has finished
        with self.writer.as_default(self.step):
            tf.summary.scalar("loss", self.mean_loss)
            if "gradient_norm" in self._logs[-1]:
                tf.summary.scalar("gradient_norm", self._mean("gradient_norm"))
            self._write_bins(self.model.loss_by_alpha.result().numpy())
            self.model.loss_by_alpha.reset_state()
            if self._timed_steps:
                rate = self._timed_steps * self.batch_size / (now - self._since)
                tf.summary.scalar("images_per_second", rate)
            tf.summary.scalar("learning_rate", self.model.optimizer.learning_rate)
        self._logs, self._timed_steps, self._since = [], 0, now

    def _mean(self, key: str) -> float:
        """Returns the mean of a log over the steps."""
        return float(np.mean([np.float64(log[key]) for log in self._logs]))

    def _write_bins(self, losses: np.ndarray) -> None:
        edges = np.linspace(0.0, 1.0, len(losses) + 1)
        for low, high, loss in zip(edges[:-1], edges[1:], losses, strict=True):
            if not np.isnan(loss):
                tf.summary.scalar(f"loss_by_alpha/{low:.1f}-{high:.1f}", loss)

    def _write_grid(self) -> None:
        self.grid, self._drawn = self.draw(), self.step
        with self.writer.as_default(self.step):
            tf.summary.image("samples", self.grid[None])
