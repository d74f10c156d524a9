import contextlib
import os
import signal
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from trainer.common.progress import listening
from trainer.common.signals import stop_on_signals
from trainer.fit import callbacks
from trainer.fit.callbacks import RaiseLostStop, ReportProgress, TensorBoardLog
from trainer.fit.sample_grid import SampleGrid
from trainer.step.loss import LossByAlpha

NAN = float("nan")


class Model(keras.Model):
    """Trains nothing: logs the given values, one per step; a sample is its noise."""

    def __init__(self, logs, losses_by_alpha=None, seconds=0.0, grid_seconds=0.0):
        super().__init__()
        self.logged = {key: tf.constant(values, tf.float32) for key, values in logs.items()}
        self.loss_by_alpha, self.losses_by_alpha = LossByAlpha(), losses_by_alpha
        self.seconds, self.grid_seconds = seconds, grid_seconds
        self.done = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False)
        self.built = True
        schedule = keras.optimizers.schedules.PolynomialDecay(1.0, 10, 0.0)
        self.compile(optimizer=keras.optimizers.SGD(schedule), run_eagerly=True)

    def train_step(self, data):
        step = int(self.done)
        self.done.assign_add(1)
        time.sleep(self.seconds * (1 if step else 20))  # simulates compilation in the first step
        self.optimizer.iterations.assign_add(1)
        if self.losses_by_alpha is not None:
            losses = self.losses_by_alpha[step]
            self.loss_by_alpha.update_state(np.nan_to_num(losses), np.isfinite(losses))
        return {key: values[step] for key, values in self.logged.items()}

    @property
    def metrics(self):
        return []

    def transport(self, x0, nb_step, label=None, source=None):
        time.sleep(self.grid_seconds)
        return x0 if label is None else x0 - 0.25 * tf.cast(label, tf.float32)[:, None, None, None]


def train(folder, logs, *, start_step=0, log_every=2, grid_every=100, **kwargs):
    """Reads the events of a training: {tag: {step: value}}, with encoded images."""
    model = Model(logs, **kwargs)
    board = TensorBoardLog(
        str(folder),
        start_step=start_step,
        batch_size=32,
        log_every=log_every,
        grid_every=grid_every,
        samples=SampleGrid(tf.fill([4, 64, 64, 1], 1.0)),
        nb_step=2,
    )
    steps = len(logs["loss"])
    data = tf.data.Dataset.from_tensors(tf.zeros([32, 1])).repeat()
    model.fit(data, steps_per_epoch=steps, verbose=0, callbacks=[board])
    events = EventAccumulator(str(folder))
    events.Reload()
    return board, {
        tag: {event.step: make_ndarray(event.tensor_proto)[()] for event in events.Tensors(tag)}
        for tag in events.Tags()["tensors"]
    }


def test_points_are_means_over_the_steps_since_the_previous_point(tmp_path):
    logs = {"loss": [1.0, 3.0, 5.0, 6.0, 9.0], "gradient_norm": [0.5, 1.5, 2.0, 3.0, 7.0]}
    board, written = train(tmp_path, logs)
    assert written["loss"] == {2: 2.0, 4: 5.5, 5: 9.0}
    assert written["gradient_norm"] == {2: 1.0, 4: 2.5, 5: 7.0}
    assert written["learning_rate"] == pytest.approx({2: 0.8, 4: 0.6, 5: 0.5})
    assert board.mean_loss == 9.0


def test_a_part_of_alpha_is_averaged_over_the_steps_that_had_images_there(tmp_path):
    bins = np.full([4, 10], NAN, np.float32)
    bins[:, 0] = [1.0, NAN, 4.0, 6.0]
    bins[:, 9] = [2.0, 4.0, NAN, NAN]
    _, written = train(tmp_path, {"loss": [1.0] * 4}, losses_by_alpha=bins)
    parts = {tag: points for tag, points in written.items() if tag.startswith("loss_by_alpha")}
    assert parts == {
        "loss_by_alpha/0.0-0.1": {2: 1.0, 4: 5.0},
        "loss_by_alpha/0.9-1.0": {2: 3.0},
    }


def test_a_loss_of_nan_is_logged_as_nan(tmp_path):
    board, written = train(tmp_path, {"loss": [1.0, NAN]})
    assert np.isnan(written["loss"][2])
    assert np.isnan(board.mean_loss)


def test_only_the_loss_is_required(tmp_path):
    _, written = train(tmp_path, {"loss": [1.0] * 4})
    assert set(written) == {"loss", "images_per_second", "learning_rate", "samples"}


class Clock:
    """Stands in for the module `time`: only what sleeps takes time."""

    def __init__(self):
        self._now = 0.0

    def sleep(self, seconds):
        self._now += seconds

    def monotonic(self):
        return self._now


def test_the_rate_excludes_compilation_and_grids(tmp_path, monkeypatch):
    clock, seconds = Clock(), 0.05
    for module in (callbacks, sys.modules[__name__]):
        monkeypatch.setattr(module, "time", clock)
    _, written = train(
        tmp_path, {"loss": [1.0] * 8}, log_every=4, grid_every=2, seconds=seconds, grid_seconds=0.4
    )
    assert written["images_per_second"] == pytest.approx({4: 32 / seconds, 8: 32 / seconds})


def test_a_resumed_training_continues_at_its_step(tmp_path):
    _, written = train(tmp_path, {"loss": [1.0, 2.0, 3.0]}, start_step=5)
    assert written["loss"] == {6: 1.0, 8: 2.5}


def test_grids_show_the_samples_of_the_fixed_noise(tmp_path):
    _, written = train(tmp_path, {"loss": [1.0] * 5}, grid_every=2)
    assert list(written["samples"]) == [2, 4, 5]
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    width, height, png = make_ndarray(events.Tensors("samples")[-1].tensor_proto)
    grid = tf.io.decode_png(png).numpy()
    assert (int(width), int(height)) == (2 * 68 + 4, 2 * 68 + 4) == grid.shape[1::-1]
    assert (grid[4:68, 4:68] == 255).all()


def test_the_grid_of_the_last_step_is_drawn_once(tmp_path):
    train(tmp_path, {"loss": [1.0] * 4}, grid_every=2)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [event.step for event in events.Tensors("samples")] == [2, 4]


def test_a_grid_of_a_conditional_model_shows_its_labels(tmp_path):
    board = TensorBoardLog(
        str(tmp_path),
        start_step=0,
        batch_size=1,
        log_every=1,
        grid_every=1,
        samples=SampleGrid(tf.fill([4, 64, 64, 1], 1.0), tf.constant([0, 4, 0, 8], tf.int64)),
        nb_step=1,
    )
    board.set_model(Model({"loss": [1.0]}))
    board.on_train_begin()
    board.on_train_batch_end(0, {"loss": 1.0})
    board.writer.flush()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    grid = tf.io.decode_png(make_ndarray(events.Tensors("samples")[0].tensor_proto)[2]).numpy()
    corners = grid[[4, 4, 72, 72], [4, 72, 4, 72], 0]
    np.testing.assert_array_equal(corners, [255, 128, 255, 0])


class DeviceValue:
    """A loss that counts how often it is fetched from the device."""

    fetched = 0

    def __array__(self, dtype=None, copy=None):
        DeviceValue.fetched += 1
        return np.array(1.0, dtype)


def test_values_are_fetched_only_when_a_point_is_written(tmp_path):
    board = TensorBoardLog(
        str(tmp_path),
        start_step=0,
        batch_size=1,
        log_every=4,
        grid_every=9,
        samples=None,
        nb_step=1,
    )
    board.set_model(Model({"loss": [1.0]}))
    board.on_train_begin()
    fetched = []
    for step in range(4):
        board.on_train_batch_end(step, {"loss": DeviceValue()})
        fetched.append(DeviceValue.fetched > 0)
    assert fetched == [False, False, False, True]


def test_a_training_reports_compilation_and_every_step_with_the_loss_of_the_last():
    reports = []
    model = Model({"loss": [4.0, 3.0, 2.0, 1.0]})
    data = tf.data.Dataset.from_tensors(tf.zeros([32, 1])).repeat()
    with listening(reports.append):
        model.fit(data, steps_per_epoch=4, verbose=0, callbacks=[ReportProgress(10, 6)])
    blocks = [(change.phase, change.entered) for change in reports if change.entered]
    first, training = "compiling the first step", "training"
    assert blocks == [(first, 1), (first, -1), (training, 1), (training, -1)]
    counted = [change for change in reports if not change.entered]
    assert sum(change.expected for change in counted) == 10
    assert sum(change.done for change in counted) == 10
    assert (counted[1].done, counted[-1].note) == (7, "loss 1.0000")
    assert {change.unit for change in counted} == {"steps"}


def test_a_training_that_fails_before_its_first_step_ends_its_phase():
    reports = []
    progress = ReportProgress(10, 0)
    with listening(reports.append):
        progress.on_train_begin()
        progress.on_train_end()
    assert sum(change.entered for change in reports) == 0


def test_a_signal_that_a_library_swallowed_ends_the_training_after_the_step():
    def lose(batch, logs):
        with contextlib.suppress(BaseException):
            os.kill(os.getpid(), signal.SIGTERM)

    steps = []
    callbacks = [
        keras.callbacks.LambdaCallback(on_train_batch_begin=lose),
        RaiseLostStop(),
        keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(batch)),
    ]
    data = tf.data.Dataset.from_tensors(tf.zeros([1, 1])).repeat()
    with pytest.raises(SystemExit), stop_on_signals():
        Model({"loss": [1.0] * 3}).fit(data, steps_per_epoch=3, verbose=0, callbacks=callbacks)
    assert steps == []
