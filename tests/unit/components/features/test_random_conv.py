"""The feature space `random_conv`: stable, and useful for images unlike photographs."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from components.features import load_extractor
from components.features.options import FeatureOptions
from components.features.random_conv import DIMENSION, make_weights
from components.metrics.kid import kid

# The first and last of the kernels and of the projection.
GOLDEN = [0.480114222, 0.0255389605, 0.00971505698, 0.00162659003]


def as_bytes(values):
    return np.rint(values).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def extract():
    return load_extractor(FeatureOptions(name="random_conv"))


@pytest.fixture(scope="module")
def halves():
    """Images and labels of the digits, in two random halves."""
    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.images))
    images, labels = as_bytes(found.images[order] / 16 * 255)[..., None], found.target[order]
    return (images[::2], labels[::2]), (images[1::2], labels[1::2])


@pytest.fixture(scope="module")
def real(extract, halves):
    (images, _), _ = halves
    return extract(images)


def test_the_weights_are_those_of_every_machine_and_version():
    kernels, projection = make_weights()
    assert [kernel.shape for kernel in kernels] == [
        (3, 3, 3, 16),
        (3, 3, 16, 32),
        (3, 3, 32, 64),
        (3, 3, 64, 128),
    ]
    found = [kernels[0].flat[0], kernels[-1].flat[-1], projection.flat[0], projection.flat[-1]]
    np.testing.assert_allclose(found, GOLDEN, rtol=1e-6)


def test_digits_of_a_class_are_near_each_other(extract, halves, real):
    (_, labels), (images, other_labels) = halves
    nearest = KNeighborsClassifier(1).fit(real, labels)
    assert nearest.score(extract(images), other_labels) >= 0.97


def test_no_dimension_is_dead(real):
    assert real.shape[1] == DIMENSION
    assert real.std(axis=0).min() > 0.1 * real.std(axis=0).max()


@pytest.mark.parametrize(
    "degrade",
    [
        lambda images, level: (
            images + 16 * level * np.random.default_rng(0).normal(size=images.shape)
        ),
        lambda images, level: gaussian_filter(
            images.astype(float), (0, 0.4 * level, 0.4 * level, 0)
        ),
    ],
    ids=["noise", "blur"],
)
def test_stronger_faults_have_larger_distances(extract, halves, real, degrade):
    _, (images, _) = halves
    distances = [kid(real, extract(as_bytes(degrade(images, level)))) for level in range(4)]
    assert distances == sorted(distances)
    assert distances[1] > 10 * abs(distances[0])


def test_missing_classes_are_seen(extract, halves, real):
    _, (images, labels) = halves
    vectors = extract(images)
    assert kid(real, vectors[labels < 7]) > 10 * abs(kid(real, vectors))
