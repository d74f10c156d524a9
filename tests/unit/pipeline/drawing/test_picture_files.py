"""Grids and animations of drawn images as files."""

import numpy as np
import pytest
from PIL import Image

from pipeline.drawing import FRAME_MS, LAST_FRAME_MS, write_gif, write_grid
from trainer.common import xmp
from trainer.common.image_grid import image_grid


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_is_written_as_png_whole_or_not_at_all(tmp_path, channels):
    images = np.random.default_rng(0).integers(0, 256, (5, 80, 80, channels), np.uint8)
    mark = xmp.packet("0123")
    write_grid(images, tmp_path / "grid.png", mark)
    with Image.open(tmp_path / "grid.png") as written:
        np.testing.assert_array_equal(np.array(written), image_grid(images).squeeze())
        assert written.info["xmp"] == mark.encode()
    assert [path.name for path in tmp_path.iterdir()] == ["grid.png"]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_gif_has_a_grid_a_state_and_holds_the_last(tmp_path, channels):
    levels = np.arange(0, 250, 50, np.uint8)
    trajectories = np.broadcast_to(levels[:, None, None, None], (4, 5, 64, 64, channels))
    write_gif(trajectories, tmp_path / "way.gif", "made by a model")
    assert [path.name for path in tmp_path.iterdir()] == ["way.gif"]
    with Image.open(tmp_path / "way.gif") as gif:
        assert (gif.format, gif.n_frames, gif.info["loop"]) == ("GIF", 5, 0)
        assert gif.info["comment"] == b"made by a model"
        durations = []
        for state in range(5):
            gif.seek(state)
            durations.append(gif.info["duration"])
            frame = np.asarray(gif.convert("RGB"))
            expected = image_grid(trajectories[:, state])
            np.testing.assert_array_equal(frame, np.broadcast_to(expected, frame.shape))
    assert durations == [FRAME_MS] * 4 + [LAST_FRAME_MS]


def test_a_gif_of_gray_images_in_color_is_exact(tmp_path):
    image = np.tile(np.arange(256, dtype=np.uint8)[:, np.newaxis, np.newaxis], (1, 256, 3))
    write_gif(image[np.newaxis, np.newaxis], tmp_path / "way.gif", "")
    with Image.open(tmp_path / "way.gif") as gif:
        frame = np.asarray(gif.convert("RGB"))
    np.testing.assert_array_equal(frame, image_grid(image[np.newaxis]))


def test_the_256_colors_of_a_gif_are_close_to_those_of_the_images(tmp_path):
    ramp = np.stack(np.meshgrid(*[np.linspace(0, 255, 64)] * 2), -1).astype(np.uint8)
    image = np.concatenate([ramp, ramp[..., :1] // 2], -1)
    write_gif(image[np.newaxis, np.newaxis], tmp_path / "way.gif", "")
    with Image.open(tmp_path / "way.gif") as gif:
        frame = np.asarray(gif.convert("RGB"), int)
    assert np.abs(frame - image_grid(image[np.newaxis])).mean() < 4
