"""What the grids of a training show."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.dataset import TrainingData
from trainer.fit.sample_grid import SampleGrid, make_grid
from trainer.source.options import Source

SHAPE = (4, 4, 1)


class Drawn:
    """A model whose sample is the mean of noise and source."""

    def transport(self, x0, nb_step, label=None, source=None):
        return x0 if source is None else (x0 + source[..., :1]) / 2


@pytest.fixture
def files(tmp_path):
    """Ten records; record i contains i."""
    path = str(tmp_path / "records.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for number in range(10):
            writer.write(str(number).encode())
    return [path]


def preprocess(serialized):
    """Images of number / 10, and sources of its negative with a mask of 1."""
    numbers = tf.strings.to_number(serialized) / 10
    image = tf.broadcast_to(numbers[:, None, None, None], [tf.shape(numbers)[0], *SHAPE])
    label = tf.fill(tf.shape(numbers), "cat")
    return {"image": image, "label": label, "source": tf.concat([-image, 0 * image + 1], -1)}


def test_unpaired_sources_are_shown_without_an_image(files):
    source = Source(degrade=None, use="map", paired=False)
    data = TrainingData(
        files, preprocess, SHAPE, held_out=files[:], source=source, held_out_sources=files
    )
    grid = make_grid(data)
    np.testing.assert_allclose(grid.before[:, 0, 0, 0], np.arange(8) / 10, atol=1e-6)
    assert grid.after is None
    rows = grid.draw(Drawn(), 1)
    assert rows.shape[0] > 3 * rows.shape[1]  # eight rows of two


def test_without_sources_samples_are_of_fixed_noise_and_all_labels(files):
    grid = make_grid(TrainingData(files, preprocess, SHAPE, labels=["cat", "dog"]))
    assert grid.at_once == 64
    assert grid.x0.shape == (64, *SHAPE)
    assert grid.label.numpy().tolist() == [0, 1] * 32
    assert grid.before is None


@pytest.mark.parametrize("at_once", [1, 3, 64])
def test_as_many_samples_are_drawn_at_a_time_as_a_batch_has(files, at_once):
    drawn = []

    class Counted(Drawn):
        def transport(self, x0, nb_step, label=None, source=None):
            drawn.append((len(x0), len(label)))
            return super().transport(x0, nb_step)

    data = TrainingData(files, preprocess, SHAPE, labels=["cat", "dog"])
    grid = make_grid(data, at_once)
    np.testing.assert_array_equal(grid.draw(Counted(), 1), make_grid(data).draw(Drawn(), 1))
    assert max(drawn) == (at_once, at_once)
    assert sum(count for count, _ in drawn) == 64


@pytest.mark.parametrize("use", ["condition", "map"])
def test_with_sources_the_first_held_out_images_are_shown_beside_them(files, use):
    source = Source(degrade="mask box", use=use)
    grid = make_grid(TrainingData([], preprocess, SHAPE, held_out=files, source=source))
    numbers = np.arange(8) / 10
    np.testing.assert_allclose(grid.before[:, 0, 0, 0], -numbers, atol=1e-6)
    np.testing.assert_allclose(grid.after[:, 0, 0, 0], numbers, atol=1e-6)
    if use == "condition":
        assert grid.source.shape == (8, 4, 4, 2)
        assert np.std(grid.x0) > 0.5
    else:
        assert grid.source is None
        np.testing.assert_array_equal(grid.x0, grid.before)


def test_without_held_out_images_those_of_the_training_are_shown(files):
    grid = make_grid(TrainingData(files, preprocess, SHAPE, source=Source(degrade="mask box")))
    assert len(grid.after) == 8


def test_the_result_of_a_source_whose_class_is_unknown_is_drawn_without_a_label(files):
    source = Source(degrade="mask box")
    data = TrainingData([], preprocess, SHAPE, files, labels=["dog", "fox"], source=source)
    grid = make_grid(data)
    assert grid.label.numpy().tolist() == [2] * 8


def test_a_grid_of_translations_has_rows_of_source_result_and_image():
    ones = tf.ones([2, 64, 64, 1])
    grid = SampleGrid(-ones, None, tf.concat([ones, ones], -1), ones, -ones)
    picture = grid.draw(Drawn(), 2)
    assert picture.shape == (2 * 68 + 4, 3 * 68 + 4, 1)
    np.testing.assert_array_equal(picture[36, [36, 104, 172], 0], [255, 128, 0])
    assert grid.draw(Drawn(), 2, count=1).shape == (68 + 4, 3 * 68 + 4, 1)


def test_classes_that_come_in_turn_have_columns():
    grid = SampleGrid(tf.zeros([6, 64, 64, 1]), tf.range(6, dtype=tf.int64) % 3, classes=3)
    assert grid.draw(Drawn(), 2).shape == (2 * 68 + 4, 3 * 68 + 4, 1)
    alone = SampleGrid(tf.zeros([4, 64, 64, 1]), classes=4)
    assert alone.draw(Drawn(), 2).shape == (2 * 68 + 4, 2 * 68 + 4, 1)
