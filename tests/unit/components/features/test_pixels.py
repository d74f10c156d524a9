"""The feature space `pixels`."""

import numpy as np

from components.features import load_extractor
from components.features.options import FeatureOptions
from trainer import preprocessing


def test_pixels_are_the_values_that_the_model_sees():
    images = np.arange(256, dtype=np.uint8).reshape(2, 8, 4, 4)
    vectors = load_extractor(FeatureOptions(name="pixels"))(images)
    assert vectors.shape == (2, 128)
    assert vectors.dtype == np.float32
    assert vectors.min() == -1
    assert vectors.max() == 1
    expected = preprocessing.to_float(images).numpy().reshape(2, -1)
    np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-6)
