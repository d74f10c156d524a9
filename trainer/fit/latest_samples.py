"""One file with samples of a network, rewritten while it trains, for a person to look at."""

import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from trainer.common import xmp
from trainer.common.image_grid import encode_png
from trainer.common.remote_path import to_path, write_atomically
from trainer.common.text import first_line
from trainer.fit.callbacks import TensorBoardLog

SAMPLES = 16  # of the grid, that are drawn by time
FIRST_SECONDS = 30  # after the first step
EVERY_SECONDS = 120  # after the last picture, at least
MAX_SHARE = 0.02  # of the time, for those drawn by time after the first


class LatestSamples(keras.callbacks.Callback):
    """Writes every grid of TensorBoard to a file, and between two of them some samples by time.

    Whatever `grid_every` is, there is a picture after half a minute and then every few minutes.

    Args:
        file: path or URI of the PNG. If it cannot be written, the training goes on without.
        board: draws the samples; this callback comes after it.
        report: is called once, with a line for a person: where the picture is, or why it is not.
    """

    def __init__(self, file: str, board: TensorBoardLog, report: Callable[[str], None]) -> None:
        super().__init__()
        self._path, self._board, self._report = to_path(file), board, report
        self._grid: np.ndarray | None = None  # the last one written
        self._due: float | None = None  # None until the first step has compiled
        self._traced = False  # drawing is, with the first samples
        self._written = self._failed = False

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Writes a new grid, or draws samples if that is due."""
        if self._failed:
            return
        begun = time.monotonic()
        if self._due is None:
            self._due = begun + FIRST_SECONDS
        if self._write_grid():
            self._due = max(self._due, begun + EVERY_SECONDS)
        elif begun >= self._due:
            self._write(self._board.draw(SAMPLES))
            now = time.monotonic()
            spent = now - begun if self._traced else 0.0  # mostly spent on tracing
            self._due = now + max(EVERY_SECONDS, spent / MAX_SHARE)
            self._traced = True

    def on_train_end(self, logs: dict | None = None) -> None:
        """Writes the last grid."""
        if not self._failed:
            self._write_grid()

    def _write_grid(self) -> bool:
        """Writes the grid of TensorBoard; returns whether it is a new one."""
        if self._board.grid is self._grid:
            return False
        self._grid = self._board.grid
        self._write(self._grid)
        return True

    def _write(self, picture: np.ndarray) -> None:
        png = encode_png(picture, xmp.packet(weights="", written_by=xmp.TRAINING))
        try:
            write_atomically(self._path, png)
        except (OSError, tf.errors.OpError) as error:
            self._failed = True
            reason = getattr(error, "strerror", None) or first_line(error)
            self._report(f"samples cannot be written to {self._path}: {reason}")
            return
        if not self._written:
            self._written = True
            self._report(f"samples so far: {self._path}")
