from contextlib import nullcontext

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.dataset import held_out_dataset
from trainer.fit.held_out_loss import HeldOutLoss, interval


class Model(keras.Model):
    """Trains nothing; the loss of an image is its pixel times a factor, one for each step."""

    def __init__(self, factors):
        super().__init__()
        self.factors = tf.constant(factors, tf.float32)
        self.done = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False)
        self.built = True
        self.compile(optimizer="sgd")

    def train_step(self, data):
        self.done.assign_add(1)
        return {"loss": tf.constant(1.0)}

    def held_out_losses(self, data):
        return self.factors[self.done - 1] * data[:, 0, 0, 0], None


class Board:
    """Keeps what is written; counts steps after the callback under test, as TensorBoardLog does."""

    def __init__(self, start_step):
        self.step, self.written = start_step, {}
        self.mean_loss = None

    def untimed(self):
        return nullcontext()

    def write(self, name, value, step):
        self.written[step] = (name, value)


def measure(
    factors, *, every=1, since=0, zero_loss=99.0, start_step=0, images=(1.0, 2.0, 6.0), trained=None
):
    """The callback, what it wrote and what it reported in a training of one step per factor."""
    x1 = tf.reshape(tf.constant(images), (-1, 1, 1, 1))
    board, lines = Board(start_step), []
    board.mean_loss = trained
    batches = tf.data.Dataset.from_tensor_slices(x1).batch(2)
    held_out = HeldOutLoss(batches, board, every, since, zero_loss, "train less", lines.append)

    def count(batch, logs):
        board.step += 1

    after = keras.callbacks.LambdaCallback(on_train_batch_end=count)
    data = tf.data.Dataset.from_tensors(tf.zeros([1, 1])).repeat()
    Model(factors).fit(data, steps_per_epoch=len(factors), verbose=0, callbacks=[held_out, after])
    return held_out, board.written, lines


def test_the_mean_over_all_images_is_written_at_its_step_and_at_the_end():
    held_out, written, _ = measure([1.0, 2.0, 3.0, 4.0, 5.0], every=2)
    assert written == {
        2: ("held_out_loss", 6.0), 4: ("held_out_loss", 12.0), 5: ("held_out_loss", 15.0)
    }  # fmt: skip
    assert held_out.loss == 15.0


def test_the_loss_of_a_training_that_had_ended_is_measured_and_not_written():
    held_out, written, _ = measure([1.0])
    held_out.loss, before = None, dict(written)
    held_out.measure_restored(Model([2.0]))
    assert (held_out.loss, written) == (6.0, before)


def test_a_resumed_training_measures_at_the_same_steps():
    _, written, _ = measure([1.0, 1.0, 1.0], every=2, start_step=5)
    assert list(written) == [6, 8]


def test_a_loss_that_rises_and_stays_above_its_least_is_reported_once():
    _, _, lines = measure([2.0, 1.0, 1.5, 1.6, 1.0, 1.7, 1.8], start_step=10)
    (line,) = lines
    assert line.startswith(
        "the loss of held-out images has risen from 3.0000 at step 12 to 4.8000 at step 14: "
    )
    assert line.endswith(": train less")


@pytest.mark.parametrize(
    ("factors", "trained", "loss"), [([0.1, 0.8, 0.9, 1.5], None, 2.7), ([0.1] * 3, 2.5, 2.5)]
)
def test_a_loss_above_that_of_predicting_0_is_reported_as_divergence(factors, trained, loss):
    (line,) = measure(factors, zero_loss=2.0, trained=trained)[2]
    assert line.startswith(f"the loss is {loss} at step ")
    assert line.endswith(": the training diverges; lower train.learning_rate")


def test_of_trained_weights_only_a_late_rise_is_reported():
    factors = [1.0, 1.5, 1.6, 1.2, 1.1]
    assert measure(factors)[2]
    assert measure([*factors, 0.9, 0.95], since=5)[2] == []
    (line,) = measure(factors, since=4)[2]
    assert "from 3.0000 at step 1 to 3.3000 at step 5: " in line


@pytest.mark.parametrize("factors", [[2.0, 1.0, 1.5, 0.9, 1.5, 0.8], [1.0, 1.01, 1.015, 1.01]])
def test_a_single_rise_or_a_small_one_is_not_reported(factors):
    assert measure(factors)[2] == []


@pytest.mark.parametrize(
    ("steps", "grid_every", "expected"),
    [(100, 500, 25), (1_000, 500, 50), (1_560, 500, 78), (50_000, 500, 500), (1_000, 10, 10)],
)
def test_also_a_short_training_measures_often_enough_to_see_a_rise(steps, grid_every, expected):
    assert interval(steps, grid_every) == expected


def test_without_images_nothing_is_measured():
    board = Board(0)
    held_out = HeldOutLoss(None, board, 1, 0, 2.0, "", print)
    data = tf.data.Dataset.from_tensors(tf.zeros([1, 1]))
    Model([1.0]).fit(data, verbose=0, callbacks=[held_out])
    assert (held_out.loss, board.written) == (None, {})


def test_the_first_images_of_a_split_are_read_with_their_labels(tmp_path):
    file = str(tmp_path / "records.gz")
    with tf.io.TFRecordWriter(file, "GZIP") as writer:
        for number in range(5):
            writer.write(str(number))

    def preprocess(serialized):
        numbers = tf.strings.to_number(serialized)
        names = tf.where(numbers < 2, "small", "large")
        return {"image": numbers[:, None, None, None], "label": names}

    batches = list(held_out_dataset([file], preprocess, 2, 3, ["large", "small"]))
    np.testing.assert_array_equal(
        np.concatenate([batch["x1"][:, 0, 0, 0] for batch in batches]), [0, 1, 2]
    )
    assert [batch["label"].numpy().tolist() for batch in batches] == [[1, 1], [0]]
