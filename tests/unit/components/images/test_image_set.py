"""Images are described, and what was described is written and read without a loss."""

import dataclasses

import numpy as np
import pytest

from components.features import load_extractor
from components.features.options import SEARCH_SPACE
from components.features.pixels import pixels
from components.images.described import read_blocks, read_image_set, write_image_set
from components.images.image_set import Images, ImageSet, describe, join
from components.metrics.image_statistics import statistics_of
from components.metrics.pair_scores import PairScores
from trainer.records import DamagedExamplesError


@pytest.fixture(scope="module")
def search():
    return load_extractor(SEARCH_SPACE)


def draw(count=2, **fields):
    """Images whose keys are not in their order."""
    images = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 1), np.uint8)
    keys = [b"%03d" % (count - number) for number in range(count)]
    return Images(keys, ["größe 1", ""] * (count // 2), images, **fields)


def assert_same(found, expected):
    for field in dataclasses.fields(ImageSet):
        np.testing.assert_equal(getattr(found, field.name), getattr(expected, field.name))


def test_each_image_is_described():
    images = draw()
    found = describe(images, pixels)
    assert (found.keys, found.labels) == (images.keys, images.labels)
    np.testing.assert_array_equal(found.vectors, pixels(images.pixels))
    assert not found.flat.any()
    assert found.views.size == 0
    for one, other in zip(found.statistics, statistics_of(images.pixels), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not any(each.size for each in describe(images, pixels, statistics=False).statistics)


def test_for_the_search_images_are_described_as_they_are_and_mirrored(search):
    images = draw(70)
    found = describe(images, pixels, search)
    np.testing.assert_array_equal(found.vectors, pixels(images.pixels))
    np.testing.assert_array_equal(found.views[:, 0], search(images.pixels))
    np.testing.assert_array_equal(found.views[:, -1], search(images.pixels[:, :, ::-1]))
    same = describe(images, search, search)
    np.testing.assert_array_equal(same.views, found.views)
    np.testing.assert_array_equal(same.vectors, found.views[:, 0])


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 0, 7)])
def test_an_image_of_one_color_is_flat(color):
    image = np.full((4, 4, 3), color, np.uint8)
    striped = image.copy()
    striped[1, 2, 1] ^= 1
    found = describe(Images([b"a", b"b"], ["", ""], np.stack([image, striped])), pixels)
    assert found.flat.tolist() == [True, False]
    assert found.digests[0] != found.digests[1]


def test_parts_are_joined_and_sorted_by_key():
    scores = PairScores(*np.random.default_rng(0).random((3, 6, 1), np.float32))
    images = draw(6, scores=scores)
    whole = describe(images, pixels)
    parts = [whole.take(slice(4)), whole.take(slice(4, 6))]
    found = join(parts)
    assert found.keys == sorted(images.keys)
    assert_same(found, whole.take(np.arange(6)[::-1]))
    assert_same(join(parts[::-1]), found)


def test_what_was_described_is_read_as_it_was_written(search, tmp_path):
    found = describe(draw(), pixels, search)
    digests = np.array([bytes(range(1, 33)), bytes(range(31, -1, -1))], "S32")
    found = dataclasses.replace(found, digests=digests)
    without = describe(draw(), pixels, statistics=False)
    for number, images in enumerate((found, without)):
        write_image_set(f"{tmp_path}/features/{number}.npz", images)
    for read, written in zip(read_blocks(f"{tmp_path}/features"), (found, without), strict=True):
        assert_same(read, written)
        assert read.vectors.dtype == np.float32


@pytest.mark.parametrize("left", [0, 1000, -10])
def test_a_damaged_description_is_named(tmp_path, left):
    path = tmp_path / "eval.npz"
    write_image_set(str(path), describe(draw(), pixels))
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(DamagedExamplesError, match=f"{path} is damaged: remove {tmp_path}, "):
        read_image_set(str(path))
