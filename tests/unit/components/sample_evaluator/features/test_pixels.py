"""The feature space `pixels`."""

import typing

import numpy as np
import pytest

from components.sample_evaluator.features import load_extractor
from components.sample_evaluator.metrics import CATALOG
from components.sample_evaluator.options import FeatureName, MetricName
from trainer import preprocessing


def test_pixels_are_the_values_that_the_model_sees():
    images = np.arange(256, dtype=np.uint8).reshape(2, 8, 4, 4)
    vectors = load_extractor("pixels")(images)
    assert vectors.shape == (2, 128)
    assert vectors.dtype == np.float32
    assert vectors.min() == -1
    assert vectors.max() == 1
    expected = preprocessing.to_float(images).numpy().reshape(2, -1)
    np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-6)


def test_an_unknown_feature_space_is_an_error():
    with pytest.raises(KeyError, match="inception"):
        load_extractor("inception")


def test_the_options_offer_what_there_is():
    assert all(load_extractor(name) for name in typing.get_args(FeatureName))
    assert set(typing.get_args(MetricName)) == set(CATALOG)
