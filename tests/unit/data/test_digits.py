import os
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from data.digits import write
from data.errors import DataError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("digits")
    assert write(path) == 1797
    return path


def test_every_digit_is_a_gray_png_in_the_folder_of_its_class(folder):
    digits = load_digits()
    counts = Counter(path.parent.name for path in folder.rglob("*.png"))
    assert counts == Counter(str(label) for label in digits.target)
    for index in (0, 7, 1796):
        with Image.open(folder / f"{digits.target[index]}/{index:04d}.png") as image:
            assert (image.mode, image.size) == ("L", (8, 8))
            expected = [[round(v * 255 / 16) for v in row] for row in digits.images[index]]
            assert np.asarray(image).tolist() == expected


def test_the_values_range_from_black_to_white(folder):
    values = {int(v) for path in folder.glob("0/*.png") for v in np.unique(Image.open(path))}
    assert min(values) == 0
    assert max(values) == 255


def test_a_complete_folder_is_not_touched_and_an_incomplete_one_is_completed(folder):
    paths = sorted(folder.rglob("*.png"))
    for path in paths:
        os.utime(path, (1, 1))
    before = paths[3].read_bytes()
    paths[3].unlink()
    assert write(folder) == 1797
    assert paths[3].read_bytes() == before
    assert sorted(folder.rglob("*")) == sorted({*paths, *(path.parent for path in paths)})
    assert [path for path in paths if path.stat().st_mtime != 1] == [paths[3]]


def test_a_source_is_rejected(tmp_path):
    with pytest.raises(DataError, match="digits takes no source"):
        write(tmp_path, "somewhere")
