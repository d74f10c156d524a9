import numpy as np
import pytest
from PIL import Image

from pipeline import serving


def version(folder, name, complete=True):
    (folder / name).mkdir(parents=True)
    if complete:
        (folder / name / "saved_model.pb").write_bytes(b"")
    return folder / name


def test_the_newest_complete_version_is_the_latest(tmp_path):
    version(tmp_path, "9")
    newest = version(tmp_path, "10")
    version(tmp_path, "11", complete=False)
    version(tmp_path, "copy-of-12")
    assert serving.latest_model(tmp_path) == newest


@pytest.mark.parametrize("folder", ["missing", "."])
def test_without_a_version_the_error_says_what_makes_one(tmp_path, folder):
    with pytest.raises(serving.NoModelError, match="`iadb run` pushes one"):
        serving.latest_model(tmp_path / folder)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_shows_every_image_once_in_rows(tmp_path, channels):
    images = np.stack([np.full((80, 80, channels), 10 * i, np.uint8) for i in range(5)])
    serving.write_grid(images, tmp_path / "grid.png")
    grid = np.array(Image.open(tmp_path / "grid.png")).reshape(160, 240, -1)
    centers = grid[40::80, 40::80, 0]
    assert centers.tolist() == [[0, 10, 20], [30, 40, 0]]


def test_small_images_are_enlarged_by_a_whole_factor(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 1), np.uint8)
    serving.write_grid(image, tmp_path / "grid.png")
    grid = np.array(Image.open(tmp_path / "grid.png"))
    assert grid.shape == (64, 64)
    np.testing.assert_array_equal(grid[::8, ::8], image[0, :, :, 0])
