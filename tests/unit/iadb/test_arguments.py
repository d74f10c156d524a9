"""The files of the requests for images that a model translates."""

import numpy as np
import pytest

from iadb import arguments
from iadb.arguments import requests_of

SHAPE = (8, 8, 3)


def images(count):
    return np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), np.uint8)


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (4, [4]), (9, [4, 4, 1])])
def test_a_request_has_as_many_images_as_the_model_takes(count, sizes):
    assert [len(files) for files in requests_of(images(count), SHAPE, most=4)] == sizes


def test_a_request_of_large_images_has_fewer(monkeypatch):
    one, *_ = [file for files in requests_of(images(1), SHAPE, most=1) for file in files]
    monkeypatch.setattr(arguments, "REQUEST_BYTES", 2 * len(one) + 100)
    assert [len(files) for files in requests_of(images(5), SHAPE, most=4)] == [2, 2, 1]
    monkeypatch.setattr(arguments, "REQUEST_BYTES", 1)
    assert [len(files) for files in requests_of(images(2), SHAPE, most=4)] == [1, 1]


def test_a_file_is_read_when_its_request_is_made(tmp_path):
    requests = requests_of([*images(2), tmp_path / "none.png"], SHAPE, most=2)
    assert len(next(requests)) == 2
    with pytest.raises(FileNotFoundError):
        next(requests)
