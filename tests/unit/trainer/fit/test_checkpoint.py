import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.fit.checkpoint import (
    Checkpoints,
    RaiseOnDivergence,
    SaveCheckpoints,
    TrainingDivergedError,
)
from trainer.options import ModelOptions, SampleOptions, TrainOptions
from trainer.train import build_model

pytestmark = pytest.mark.usefixtures("small_network")

MODEL = ModelOptions(channels=(8,), attention=(False,), blocks=1, norm_groups=4, dropout=0.1)
BATCHES = tf.data.Dataset.from_tensors(tf.zeros([2, 4, 4, 1])).repeat()


def model(precision="float32"):
    train = TrainOptions(steps=100, warmup_steps=2, precision=precision)
    return build_model(MODEL, train, SampleOptions(), resolution=4, channels=1)


def fit(model, steps):
    model.fit(BATCHES, steps_per_epoch=steps, verbose=0)


def state(model):
    variables = model.network.variables + model.ema_network.variables + model.optimizer.variables
    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables]


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_restored_training_reaches_the_weights_of_an_uninterrupted_one(tmp_path, precision):
    first = model(precision)
    fit(first, 3)
    Checkpoints(str(tmp_path), first, keep=2).save()
    fit(first, 4)

    second = model(precision)
    checkpoints = Checkpoints(str(tmp_path), second, keep=2)
    assert checkpoints.restore()
    assert checkpoints.step == 3
    fit(second, 4)
    for a, b in zip(state(first), state(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_empty_folder_restores_nothing(tmp_path):
    assert not Checkpoints(str(tmp_path), model(), keep=2).restore()


def test_only_the_newest_are_kept(tmp_path):
    trained = model()
    checkpoints = Checkpoints(str(tmp_path), trained, keep=2)
    for _ in range(4):
        fit(trained, 1)
        checkpoints.save()
    assert sorted(path.name for path in tmp_path.glob("*.index")) == [
        "ckpt-3.index",
        "ckpt-4.index",
    ]


@pytest.mark.parametrize(
    ("every_seconds", "every_steps", "saved"),
    [(1000, float("inf"), [7]), (1000, 2.5, [3, 6, 7]), (0, 1000, [1, 2, 3, 4, 5, 6, 7])],
)
def test_checkpoints_are_written_when_due_by_time_or_steps_and_at_the_end(
    tmp_path, every_seconds, every_steps, saved
):
    trained = model()
    checkpoints = Checkpoints(str(tmp_path), trained, keep=9)
    saving = SaveCheckpoints(checkpoints, every_seconds, every_steps)
    trained.fit(BATCHES, steps_per_epoch=7, verbose=0, callbacks=[saving])
    assert sorted(tmp_path.glob("*.index")) == [tmp_path / f"ckpt-{step}.index" for step in saved]


def test_a_damaged_checkpoint_is_reported_and_the_previous_one_restored(tmp_path):
    trained = model()
    checkpoints = Checkpoints(str(tmp_path), trained, keep=3)
    for _ in range(3):
        fit(trained, 1)
        checkpoints.save()
    flip_a_byte(tmp_path / "ckpt-3.data-00000-of-00001")
    (tmp_path / "ckpt-2.index").unlink()
    lines = []
    restored = Checkpoints(str(tmp_path), model(), keep=3)
    assert restored.restore(lines.append)
    assert restored.step == 1
    assert [name for line in lines for name in ("ckpt-3", "ckpt-2") if name in line] == [
        "ckpt-3",
        "ckpt-2",
    ]


def test_if_every_checkpoint_is_damaged_the_training_starts_anew(tmp_path):
    trained = model()
    checkpoints = Checkpoints(str(tmp_path), trained, keep=1)
    fit(trained, 1)
    checkpoints.save()
    flip_a_byte(tmp_path / "ckpt-1.data-00000-of-00001")
    fresh = model()
    before = state(fresh)
    lines = []
    assert not Checkpoints(str(tmp_path), fresh, keep=1).restore(lines.append)
    assert len(lines) == 1
    for a, b in zip(before, state(fresh), strict=False):
        np.testing.assert_array_equal(a, b)


def flip_a_byte(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def test_a_loss_that_is_not_finite_stops_the_training_and_keeps_the_last_valid_state(tmp_path):
    trained = model()
    checkpoints = Checkpoints(str(tmp_path), trained, keep=2)
    fit(trained, 2)
    checkpoints.save()
    poisoned = tf.data.Dataset.from_tensors(tf.fill([2, 4, 4, 1], float("nan"))).repeat()
    with pytest.raises(TrainingDivergedError, match="the loss is nan at step 3"):
        trained.fit(
            poisoned,
            steps_per_epoch=5,
            verbose=0,
            callbacks=[RaiseOnDivergence(), SaveCheckpoints(checkpoints, every_seconds=0)],
        )
    with pytest.raises(TrainingDivergedError, match="a weight is not finite"):
        checkpoints.save()
    restored = Checkpoints(str(tmp_path), model(), keep=2)
    assert restored.restore()
    assert restored.step == 2
