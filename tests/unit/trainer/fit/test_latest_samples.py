import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.clock import Clock
from trainer.common import xmp
from trainer.fit import latest_samples
from trainer.fit.latest_samples import EVERY_SECONDS, FIRST_SECONDS, SAMPLES, LatestSamples

STEP = 10.0  # seconds


class Board:
    """Stands for TensorBoardLog: its grids are white, and what it draws by time is black."""

    def __init__(self, clock, seconds):
        self.grid, self.drawn = None, []
        self._clock, self._seconds = clock, seconds

    def write_grid(self):
        self.grid = np.full((8, 8, 1), 255, np.uint8)

    def draw(self, count):
        self._clock.now += self._seconds
        self.drawn.append((self._clock.now - self._seconds, count))
        return np.zeros((4, 4, 3), np.uint8)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(latest_samples, "time", clock)
    return clock


def train(file, clock, steps, *, seconds=1.0, grids=()):
    """Takes steps of STEP seconds; returns when samples were drawn by time, and the lines."""
    board, lines = Board(clock, seconds), []
    latest = LatestSamples(str(file), board, lines.append)
    begun = clock.now
    for step in range(1, steps + 1):
        clock.now += STEP
        if step in grids:
            board.write_grid()
        latest.on_train_batch_end(step)
    board.write_grid()
    latest.on_train_end()
    assert all(count == SAMPLES for _, count in board.drawn)
    return [when - begun for when, _ in board.drawn], lines


def color(file):
    return np.asarray(Image.open(file)).max()


def test_the_first_samples_are_drawn_half_a_minute_after_the_first_step(tmp_path, clock):
    drawn, _ = train(tmp_path / "latest.png", clock, 4)
    assert drawn == [STEP + FIRST_SECONDS]


def test_samples_are_drawn_every_two_minutes(tmp_path, clock):
    drawn, _ = train(tmp_path / "latest.png", clock, 40)
    assert np.diff(drawn) == pytest.approx([121] * 3, abs=STEP)


def test_samples_that_take_long_are_drawn_less_often(tmp_path, clock):
    drawn, _ = train(tmp_path / "latest.png", clock, 1000, seconds=20.0)
    assert 0.01 < (len(drawn) - 2) * 20.0 / (1000 * STEP) < 0.02


def test_the_time_in_which_drawing_is_traced_does_not_postpone_the_second_samples(tmp_path, clock):
    drawn, _ = train(tmp_path / "latest.png", clock, 40, seconds=20.0)
    assert np.diff(drawn) == pytest.approx([20.0 + EVERY_SECONDS], abs=STEP)


def test_a_grid_of_tensorboard_postpones_the_next_samples(tmp_path, clock):
    drawn, _ = train(tmp_path / "latest.png", clock, 30, grids=range(3, 31, 10))
    assert drawn == []


def test_a_grid_does_not_bring_forward_samples_that_take_long(tmp_path, clock):
    without, _ = train(tmp_path / "latest.png", clock, 1000, seconds=60.0)
    drawn, _ = train(tmp_path / "latest.png", clock, 1000, seconds=60.0, grids=range(50, 1000, 50))
    assert len(drawn) <= len(without)


def test_the_last_grid_is_what_remains(tmp_path, clock):
    file = tmp_path / "latest.png"
    train(file, clock, 6)
    assert color(file) == 255
    assert list(tmp_path.iterdir()) == [file]


def test_the_file_says_that_a_model_made_it(tmp_path, clock):
    train(tmp_path / "latest.png", clock, 6)
    with Image.open(tmp_path / "latest.png") as image:
        assert xmp.SOURCE_TYPE.encode() in image.info["xmp"]


def test_a_person_is_told_once_where_the_samples_are(tmp_path, clock):
    file = tmp_path / "latest.png"
    assert train(file, clock, 60)[1] == [f"samples so far: {file}"]


def test_the_training_goes_on_where_no_picture_can_be_written(tmp_path, clock):
    file = tmp_path / "missing" / "latest.png"
    drawn, lines = train(file, clock, 60)
    assert len(drawn) == 1
    assert lines == [f"samples cannot be written to {file}: No such file or directory"]


def test_the_file_may_lie_in_an_object_store(clock):
    train(
        "ram://bucket/latest.png", clock, 2
    )  # written once: a file in memory would be appended to
    with tf.io.gfile.GFile("ram://bucket/latest.png", "rb") as file:
        assert tf.io.decode_png(file.read()).shape == (8, 8, 1)


def test_a_link_in_its_place_is_replaced_and_not_followed(tmp_path, clock):
    other = tmp_path / "other"
    other.write_text("mine")
    file = tmp_path / "latest.png"
    file.symlink_to(other)
    train(file, clock, 6)
    assert other.read_text() == "mine"
    assert not file.is_symlink()
