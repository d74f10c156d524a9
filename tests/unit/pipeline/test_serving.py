import numpy as np
import pytest
from PIL import Image

from pipeline import serving
from trainer.grid import image_grid


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
def test_a_grid_is_written_as_png_whole_or_not_at_all(tmp_path, channels):
    images = np.random.default_rng(0).integers(0, 256, (5, 80, 80, channels), np.uint8)
    serving.write_grid(images, tmp_path / "grid.png")
    written = np.array(Image.open(tmp_path / "grid.png"))
    np.testing.assert_array_equal(written, image_grid(images).squeeze())
    assert [path.name for path in tmp_path.iterdir()] == ["grid.png"]
