"""What is saved when a training is told to stop while its step fails."""

import os
import signal

import pytest
import tensorflow as tf

from trainer import train
from trainer.options import TrainOptions


class Saving:
    """Stands for Checkpoints."""

    step, saved = 0, 0

    def save(self):
        self.saved += 1


class Failing:
    """A model whose step swallows SIGTERM, as C++ does, and then fails or goes on."""

    def __init__(self, error):
        self._error = error

    def fit(self, *_, **__):
        with pytest.raises(SystemExit):
            os.kill(os.getpid(), signal.SIGTERM)
        if self._error:
            raise self._error


@pytest.mark.parametrize(
    ("error", "workers", "saved"),
    [
        (None, True, 1),
        (tf.errors.UnavailableError(None, None, "the other worker left"), True, 0),
        (tf.errors.UnavailableError(None, None, "a remote disk"), False, 1),
    ],
)
def test_a_step_that_failed_with_another_worker_is_not_saved(monkeypatch, error, workers, saved):
    monkeypatch.setattr(train, "has_several_workers", lambda _: workers)
    monkeypatch.setattr(train, "_batches", lambda *_: None)
    checkpoints, strategy = Saving(), tf.distribute.get_strategy()
    with pytest.raises(SystemExit):
        train._fit(Failing(error), None, strategy, TrainOptions(), checkpoints, [])
    assert checkpoints.saved == saved
