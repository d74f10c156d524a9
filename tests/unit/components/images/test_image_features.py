"""Features of images: computed, written and read without a loss."""

import numpy as np
import pytest

from components.features.options import FeatureOptions
from components.features.pixels import pixels
from components.images.batches import ImageBatch
from components.images.features import ExtractFeatures, ImageFeatures, parse, serialize


def extract(batch):
    extraction = ExtractFeatures(FeatureOptions(name="pixels"))
    extraction.setup()
    return list(extraction.process(batch))


def test_each_image_gets_its_features(digits):
    batch = ImageBatch("real", [b"a", b"b"], ["zero", ""], digits[:2])
    found = extract(batch)
    assert [source for source, _ in found] == ["real", "real"]
    assert [features.key for _, features in found] == [b"a", b"b"]
    assert [features.label for _, features in found] == ["zero", ""]
    assert not any(features.flat for _, features in found)
    np.testing.assert_array_equal([features.vector for _, features in found], pixels(digits[:2]))


@pytest.mark.parametrize(("color", "flat"), [((0, 0, 0), True), ((255, 0, 7), True)])
def test_an_image_of_one_color_is_flat(color, flat):
    image = np.full((1, 4, 4, 3), color, np.uint8)
    striped = image.copy()
    striped[0, 1, 2, 1] ^= 1
    [(_, features)] = extract(ImageBatch("real", [b"a"], [""], image))
    [(_, other)] = extract(ImageBatch("real", [b"a"], [""], striped))
    assert features.flat == flat
    assert not other.flat
    assert features.digest != other.digest


@pytest.mark.parametrize("label", ["", "größe 1"])
def test_features_are_read_as_they_were_written(label):
    vector = np.random.default_rng(0).standard_normal(5).astype(np.float32)
    features = ImageFeatures(b"key\0", label, True, bytes(range(32)), vector)
    found = parse(serialize(features))
    assert found[:4] == features[:4]
    np.testing.assert_array_equal(found.vector, vector)
    assert found.vector.dtype == np.float32
