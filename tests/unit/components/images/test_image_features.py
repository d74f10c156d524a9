"""Features of images: computed, written and read without a loss."""

import math

import numpy as np
import pytest

from components.features import load_extractor
from components.features.options import SEARCH_SPACE, FeatureOptions
from components.features.pixels import pixels
from components.images.batches import ImageBatch
from components.images.features import ExtractFeatures, ImageFeatures, parse, serialize
from components.metrics.image_statistics import ImageStatistics, statistics_of

PIXELS = FeatureOptions(name="pixels")


def extract(batch, searched=(), features=PIXELS):
    extraction = ExtractFeatures(features, searched)
    extraction.setup()
    return list(extraction.process(batch))


def test_each_image_gets_its_features():
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), np.uint8)
    batch = ImageBatch("real", [b"a", b"b"], ["zero", ""], images)
    found = extract(batch)
    assert [features.source for features in found] == ["real", "real"]
    assert [features.key for features in found] == [b"a", b"b"]
    assert [features.label for features in found] == ["zero", ""]
    assert not any(features.flat for features in found)
    np.testing.assert_array_equal([features.vector for features in found], pixels(images))
    for name, expected in statistics_of(images)._asdict().items():
        statistics = [getattr(features.statistics, name) for features in found]
        np.testing.assert_array_equal(statistics, expected)


def test_images_of_the_sources_named_are_described_as_they_are_and_mirrored_for_the_search():
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), np.uint8)
    batch = ImageBatch("real", [b"a", b"b"], ["", ""], images)
    found = extract(batch, ["real"])
    search = load_extractor(SEARCH_SPACE)
    np.testing.assert_array_equal([features.views[0] for features in found], search(images))
    mirrored = search(images[:, :, ::-1])
    np.testing.assert_array_equal([features.views[-1] for features in found], mirrored)
    np.testing.assert_array_equal([features.vector for features in found], pixels(images))
    assert all(features.views.size == 0 for features in extract(batch, ["candidate"]))


def test_in_the_search_space_the_vector_of_an_image_is_its_first_view():
    images = np.random.default_rng(0).integers(0, 256, (70, 8, 8, 1), np.uint8)
    batch = ImageBatch("real", [b"a"] * 70, [""] * 70, images)
    vectors = [found.vector for found in extract(batch, features=SEARCH_SPACE)]
    for found in (extract(batch, ["real"]), extract(batch, ["real"], SEARCH_SPACE)):
        np.testing.assert_array_equal([features.views[0] for features in found], vectors)
    np.testing.assert_array_equal([features.vector for features in found], vectors)


@pytest.mark.parametrize(("color", "flat"), [((0, 0, 0), True), ((255, 0, 7), True)])
def test_an_image_of_one_color_is_flat(color, flat):
    image = np.full((1, 4, 4, 3), color, np.uint8)
    striped = image.copy()
    striped[0, 1, 2, 1] ^= 1
    [features] = extract(ImageBatch("real", [b"a"], [""], image))
    [other] = extract(ImageBatch("real", [b"a"], [""], striped))
    assert features.flat == flat
    assert not other.flat
    assert features.digest != other.digest


@pytest.mark.parametrize(("label", "distance"), [("", 1 / 3), ("größe 1", math.nan)])
def test_features_are_read_as_they_were_written(label, distance):
    vector = np.random.default_rng(0).standard_normal(5).astype(np.float32)
    views = np.random.default_rng(1).standard_normal((2, 3)).astype(np.float32)
    features = ImageFeatures(
        "real",
        b"key\0",
        label,
        flat=True,
        digest=bytes(range(32)),
        vector=vector,
        distance=distance,
        views=views,
        mirrored=True,
        statistics=ImageStatistics(vector[:4], vector[1:3], vector[:0]),
    )
    found = parse(serialize(features))
    assert found[:5] == features[:5]
    assert found.mirrored
    np.testing.assert_array_equal(found.views, views)
    for read, written in zip(found.statistics, features.statistics, strict=True):
        np.testing.assert_array_equal(read, written)
    np.testing.assert_array_equal(found.distance, distance)
    np.testing.assert_array_equal(found.vector, vector)
    assert found.vector.dtype == np.float32
