import errno
import pathlib
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.build import build_model
from trainer.fit import checkpoint_files
from trainer.fit.checkpoint import (
    Checkpoints,
    RaiseOnDivergence,
    SaveCheckpoints,
    TrainingDivergedError,
)
from trainer.fit.checkpoint_files import list_steps
from trainer.ode.options import SampleOptions
from trainer.options import ModelOptions, TrainOptions

pytestmark = pytest.mark.usefixtures("small_network")

MODEL = ModelOptions(channels=(8,), attention=(False,), blocks=1, norm_groups=4, dropout=0.1)
BATCHES = tf.data.Dataset.from_tensors(tf.zeros([2, 4, 4, 1])).repeat()


def model(precision="float32"):
    train = TrainOptions(steps=100, warmup_steps=2, guide_after=0.05, precision=precision)
    return build_model(MODEL, train, SampleOptions(), (4, 4, 1))


def fit(model, steps):
    model.fit(BATCHES, steps_per_epoch=steps, verbose=0)


def state(model):
    variables = model.network.variables + model.ema_network.variables
    variables += [*model.guide.network.variables, model.guide.ready, *model.optimizer.variables]
    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables]


@pytest.mark.parametrize("precision", ["float32", pytest.param("float16", marks=pytest.mark.slow)])
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


def test_only_the_newest_are_kept(tmp_path, copy_saved, resumed_often):
    copy_saved(1)
    checkpoints = Checkpoints(str(tmp_path), resumed_often, keep=2)
    assert checkpoints.restore()
    for _ in range(3):
        fit(resumed_often, 1)
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
    tmp_path, not_begun, resumed_often, every_seconds, every_steps, saved
):
    assert Checkpoints(str(not_begun), resumed_often, keep=1).restore()
    checkpoints = Checkpoints(str(tmp_path), resumed_often, keep=9)
    saving = SaveCheckpoints(checkpoints, every_seconds, every_steps)
    resumed_often.fit(BATCHES, steps_per_epoch=7, verbose=0, callbacks=[saving])
    assert sorted(tmp_path.glob("*.index")) == [tmp_path / f"ckpt-{step}.index" for step in saved]


def train_and_save(folder, steps, keep=3):
    """Trains for so many steps and saves after each; returns the model."""
    trained = model()
    checkpoints = Checkpoints(str(folder), trained, keep=keep)
    for _ in range(steps):
        fit(trained, 1)
        checkpoints.save()
    return trained


@pytest.fixture(scope="module")
def five_saved(tmp_path_factory):
    """A folder of the checkpoints of the first five steps of one training; read-only."""
    folder = tmp_path_factory.mktemp("saved")
    train_and_save(folder, 5, keep=5)
    return folder


@pytest.fixture
def copy_saved(five_saved, tmp_path):
    """Copies the checkpoints of some of the first five steps into tmp_path."""

    def copy(*steps):
        for step in steps:
            for path in five_saved.glob(f"ckpt-{step}.*"):
                shutil.copy(path, tmp_path)

    return copy


@pytest.fixture(scope="module")
def not_begun(tmp_path_factory):
    """A folder of a checkpoint before the first step."""
    folder = tmp_path_factory.mktemp("not_begun")
    Checkpoints(str(folder), model(), keep=1).save()
    return folder


@pytest.fixture(scope="module")
def resumed_often():
    """A model that restores one checkpoint after the other, so that its step is traced once."""
    return model()


def empty(path):
    path.write_bytes(b"")


def flip_a_byte(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("file", ["ckpt-3.index", "ckpt-3.data-00000-of-00001"])
@pytest.mark.parametrize("damage", [flip_a_byte, empty, pathlib.Path.unlink])
def test_after_any_damage_the_previous_checkpoint_is_restored(
    tmp_path, copy_saved, resumed_often, file, damage
):
    copy_saved(1, 2, 3)
    damage(tmp_path / file)
    lines = []
    restored = Checkpoints(str(tmp_path), resumed_often, keep=3)
    assert restored.restore(lines.append)
    assert restored.step == 2
    # Without its index, a checkpoint is one that was never completed.
    named = 0 if damage is pathlib.Path.unlink and file.endswith("index") else 1
    assert [f"{tmp_path}/ckpt-3 is damaged" in line for line in lines] == [True] * named


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model_check",
        'model_checkpoint_path: "ckpt-7"\nall_model_checkpoint_paths: "ckpt-7"',
        'model_checkpoint_path: "/etc/passwd"\nall_model_checkpoint_paths: "../../ckpt-1"',
    ],
    ids=["empty", "torn", "of missing checkpoints", "of other folders"],
)
def test_a_wrong_list_of_checkpoints_does_not_matter(tmp_path, copy_saved, resumed_often, text):
    copy_saved(1, 2)
    (tmp_path / "checkpoint").write_text(text)
    checkpoints = Checkpoints(str(tmp_path), resumed_often, keep=3)
    assert checkpoints.restore()
    assert checkpoints.step == 2
    fit(resumed_often, 1)
    checkpoints.save()
    assert list_steps(str(tmp_path)) == [1, 2, 3]


def test_the_next_checkpoint_removes_what_killed_writes_left(tmp_path, copy_saved, resumed_often):
    copy_saved(2)
    checkpoints = Checkpoints(str(tmp_path), resumed_often, keep=1)
    assert checkpoints.restore()
    (tmp_path / "ckpt-2_temp").mkdir()
    (tmp_path / "ckpt-2_temp" / "part-00000-of-00001.index").touch()
    (tmp_path / "ckpt-9_temp").mkdir()
    (tmp_path / "ckpt-9.data-00000-of-00001").touch()
    (tmp_path / "logs").mkdir()
    fit(resumed_often, 1)
    checkpoints.save()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "ckpt-3.data-00000-of-00001",
        "ckpt-3.index",
        "logs",
    ]


def test_a_write_that_fails_leaves_nothing_on_the_full_disk(
    tmp_path, copy_saved, resumed_often, monkeypatch
):
    copy_saved(2)
    checkpoints = Checkpoints(str(tmp_path), resumed_often, keep=2)
    assert checkpoints.restore()
    before = sorted(path.name for path in tmp_path.iterdir())
    fit(resumed_often, 1)

    def write(path):
        pathlib.Path(f"{path}_temp").mkdir()
        pathlib.Path(f"{path}_temp", "part").write_bytes(b"a part")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints._checkpoint, "write", write)
    with pytest.raises(OSError, match="No space left on device"):
        checkpoints.save()
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_checkpoint_that_is_not_on_the_disk_is_none(
    tmp_path, copy_saved, resumed_often, monkeypatch
):
    copy_saved(2)
    checkpoints = Checkpoints(str(tmp_path), resumed_often, keep=2)
    assert checkpoints.restore()
    fit(resumed_often, 1)

    def sync(folder, step):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint_files, "sync", sync)
    with pytest.raises(OSError, match="No space left on device"):
        checkpoints.save()
    assert list_steps(str(tmp_path)) == [2]


def test_a_damaged_newer_checkpoint_does_not_replace_a_valid_older_one(
    tmp_path, copy_saved, resumed_often
):
    copy_saved(3, 4, 5)
    for step in (4, 5):
        flip_a_byte(tmp_path / f"ckpt-{step}.data-00000-of-00001")
    checkpoints = Checkpoints(str(tmp_path), resumed_often, keep=1)
    assert checkpoints.restore()
    fit(resumed_often, 1)
    checkpoints.save()
    # What cannot be read now may be readable again, so it stays until it is passed.
    assert list_steps(str(tmp_path)) == [4, 5]
    fit(resumed_often, 2)
    checkpoints.save()
    assert list_steps(str(tmp_path)) == [6]


def test_a_damaged_checkpoint_that_was_passed_is_none_of_those_to_keep(
    tmp_path, copy_saved, resumed_often
):
    copy_saved(1, 2)
    flip_a_byte(tmp_path / "ckpt-2.data-00000-of-00001")
    checkpoints = Checkpoints(str(tmp_path), resumed_often, keep=2)
    assert checkpoints.restore()
    fit(resumed_often, 2)
    checkpoints.save()
    assert list_steps(str(tmp_path)) == [1, 3]


def written(path):
    """What changes when a file is written; reading it changes st_atime."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def test_a_step_that_is_on_disk_is_not_written_again(tmp_path, copy_saved, resumed_often):
    copy_saved(1)
    index = tmp_path / "ckpt-1.index"
    before = written(index)
    checkpoints = Checkpoints(str(tmp_path), resumed_often, keep=1)
    assert checkpoints.restore()
    checkpoints.save()
    assert written(index) == before


def test_checkpoints_in_a_bucket_are_found_and_removed():
    folder = "ram://checkpoints/state"
    trained = train_and_save(folder, 3, keep=2)
    assert list_steps(folder) == [2, 3]
    restored = model()
    assert Checkpoints(folder, restored, keep=2).restore()
    for a, b in zip(state(trained), state(restored), strict=True):
        np.testing.assert_array_equal(a, b)


def test_if_every_checkpoint_is_damaged_the_training_starts_anew(tmp_path, copy_saved):
    copy_saved(1)
    flip_a_byte(tmp_path / "ckpt-1.data-00000-of-00001")
    fresh = model()
    before = state(fresh)
    lines = []
    assert not Checkpoints(str(tmp_path), fresh, keep=1).restore(lines.append)
    assert len(lines) == 1
    for a, b in zip(before, state(fresh), strict=False):
        np.testing.assert_array_equal(a, b)


def test_a_loss_that_is_not_finite_stops_the_training_and_keeps_the_last_valid_state(
    tmp_path, copy_saved, resumed_often
):
    copy_saved(2)
    checkpoints = Checkpoints(str(tmp_path), resumed_often, keep=2)
    assert checkpoints.restore()
    poisoned = tf.data.Dataset.from_tensors(tf.fill([2, 4, 4, 1], float("nan"))).repeat()
    with pytest.raises(TrainingDivergedError, match="the loss is nan at step 3"):
        resumed_often.fit(
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
