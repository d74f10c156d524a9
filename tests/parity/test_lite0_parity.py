"""Features of the real weights are torch's, which are in fixtures/efficientnet_lite0.npz."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from components.features import load_extractor
from components.features.options import FeatureOptions

pytestmark = pytest.mark.slow
FIXTURE = Path(__file__).with_name("fixtures") / "efficientnet_lite0.npz"
MAX_RELATIVE_ERROR = 1e-4  # max |ours - torch's| / max |torch's|


def extractor(**settings):
    return load_extractor(FeatureOptions(name="efficientnet-lite0", **settings))


@pytest.mark.parametrize("side", [96, 224])
def test_features_are_those_of_torch(side):
    colors = np.random.RandomState(0).randint(0, 256, (2, 10, 10, 3))
    images = colors.repeat(4, 1).repeat(4, 2).astype(np.uint8)
    with np.load(FIXTURE, allow_pickle=False) as expected:
        reference = expected[str(side)]
    error = np.abs(extractor(resolution=side)(images) - reference).max()
    assert error <= MAX_RELATIVE_ERROR * np.abs(reference).max()


def test_photographs_are_separated_and_their_crops_grouped():
    crops = [
        [image[top : top + 384, left : left + 384] for top, left in ((0, 0), (20, 100), (40, 250))]
        for image in load_sample_images().images
    ]
    vectors = extractor()(np.stack([crop for crops_of_one in crops for crop in crops_of_one]))
    vectors = vectors.reshape(2, 3, 1280)
    within = max(np.linalg.norm(of_one[0] - other) for of_one in vectors for other in of_one)
    between = min(np.linalg.norm(a - b) for a in vectors[0] for b in vectors[1])
    assert between > 1.5 * within


def test_a_vector_does_not_depend_on_the_batch():
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    extract = extractor()
    together = extract(images)
    alone = np.concatenate([extract(image[None]) for image in images])
    assert np.abs(alone - together).max() <= 1e-6 * np.abs(together).max()
