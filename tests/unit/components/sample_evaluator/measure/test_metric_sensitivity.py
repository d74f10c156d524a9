"""Each metric moves the right way when real images are disturbed, in three feature spaces."""

import functools
import itertools

import numpy as np
import pytest
from planted_models import noisy, read_digits, repeated, split, without_classes
from trained_network import write_classifier

from benchmarks.gate.faults import blurred
from components.features import load_extractor
from components.features.options import FeatureOptions
from components.metrics import CATALOG
from components.metrics.image_statistics import statistics_of
from components.metrics.memorization import memorization_of, spread_of
from components.metrics.neighbors import nearest
from components.sample_evaluator.options import EvaluateOptions

HELD_OUT = 520  # images; 128 dimensions of random_conv need 512 to extrapolate the Frechet distance
OTHERS = 1277

# From no disturbance to a strong one.
NOISE = (0, 32, 64, 128)  # standard deviation in gray levels of 256
BLUR = (0.0, 0.6, 0.8, 1.2)  # sigma in pixels
MISSING = (0, 1, 3, 5)  # classes of ten
DISTINCT = (HELD_OUT, 200, 50, 10)  # images
COPIED = (0.0, 0.25, 0.5, 1.0)  # share of samples

SPACES = ("pixels", "random_conv", "trained")
DISTURBANCES = ("noise", "blur", "missing classes", "repetition")

# What a metric does not see, by disturbance, metric and feature spaces.
AMID = "blurred images are nearer to the mean, and so to real ones"
REAL = "each sample is a real image"
BLIND = {
    ("noise", "recall", SPACES): "the balls around scattered samples reach all real images",
    ("blur", "precision", ("pixels", "trained")): AMID,
    ("blur", "density", ("pixels", "trained")): AMID,
    ("missing classes", "precision", SPACES): REAL,
    ("missing classes", "density", SPACES): REAL,
    ("repetition", "precision", SPACES): REAL,
    ("repetition", "density", SPACES): REAL,
}
UNSEEN = {
    (disturbance, metric, space)
    for disturbance, metric, spaces in BLIND
    for space in spaces
}  # fmt: skip
OF_FEATURES = [name for name, metric in CATALOG.items() if metric.array == "vector"]
SEEN = sorted({*itertools.product(DISTURBANCES, OF_FEATURES, SPACES)} - UNSEEN)
STEADY = 0.1  # of its value: a metric that changes by less at the first level sees nothing there


def marked(cases):
    """Cases that end in their feature space: those of the network that is trained are slow."""
    slow = {"trained": pytest.mark.slow}
    return [pytest.param(*case, marks=slow.get(case[-1], ())) for case in cases]


@pytest.fixture(scope="module")
def images():
    return split(read_digits(), HELD_OUT, OTHERS)


@pytest.fixture(scope="module")
def extractor(images, tmp_path_factory):
    """Loads a feature space by its name in SPACES."""

    @functools.cache
    def load(space):
        if space != "trained":
            return load_extractor(FeatureOptions(name=space))
        options, accuracy = write_classifier(
            tmp_path_factory.mktemp("trained") / "net.onnx", images[1]
        )
        assert accuracy > 0.98  # it knows digits: its features mean something
        return load_extractor(options)

    return load


@pytest.fixture(scope="module")
def disturbed(images):
    """Samples by disturbance, level by level, that hold none of 217 training images."""
    stock = images[1].take(slice(OTHERS - 1060, OTHERS))
    drawn = stock.pixels[:HELD_OUT]
    return {
        "noise": [noisy(drawn, stddev) for stddev in NOISE],
        "blur": [blurred(drawn, sigma) for sigma in BLUR],
        "missing classes": [without_classes(stock, n).pixels[:HELD_OUT] for n in MISSING],
        "repetition": [repeated(drawn, n) for n in DISTINCT],
    }


@pytest.fixture(scope="module")
def features(images, extractor, disturbed):
    """The features of the held-out images, and of the samples of each level."""

    @functools.cache
    def extract(space, disturbance):
        levels = [extractor(space)(pixels) for pixels in disturbed[disturbance]]
        assert {len(level) for level in levels} == {HELD_OUT}
        return extractor(space)(images[0].pixels), levels

    return extract


def badness(metric, real, levels):
    sign = -1 if CATALOG[metric].larger_is_better else 1
    return np.array([sign * CATALOG[metric].function(real, level) for level in levels])


@pytest.mark.parametrize(("disturbance", "metric", "space"), marked(SEEN))
def test_a_metric_worsens_with_the_disturbance(features, disturbance, metric, space):
    found = badness(metric, *features(space, disturbance))
    assert (np.diff(found) >= 0).all()
    assert found[0] < found[1] < found[-1] or found[0] < found[1] == 0 == found[-1]


@pytest.mark.parametrize(("disturbance", "metric", "space"), marked(sorted(UNSEEN)))
def test_what_a_metric_does_not_see_is_known(features, disturbance, metric, space):
    real, levels = features(space, disturbance)
    before, after = badness(metric, real, levels[:2])
    assert after <= before + STEADY * abs(before)


@pytest.mark.parametrize("disturbance", ["noise", "blur"])
@pytest.mark.parametrize("metric", ["spectrum_distance", "color_distance", "layout_distance"])
def test_statistics_worsen_by_far_with_what_changes_pixels(images, disturbed, metric, disturbance):
    array = CATALOG[metric].array
    real, *levels = (
        getattr(statistics_of(pixels), array)
        for pixels in (images[0].pixels, *disturbed[disturbance])
    )
    found = badness(metric, real, levels)
    assert (np.diff(found) > 0).all()
    assert found[1] > 3 * found[0]


@pytest.mark.parametrize("space", marked((space,) for space in SPACES))
def test_precision_does_not_fall_where_classes_are_missing(features, space):
    found = -badness("precision", *features(space, "missing classes"))
    assert (found >= found[0] - 0.02).all()  # two standard errors of a share of 0.95


def copied(known, real, level):
    """The share of copies of training images."""
    distances = (nearest(features, known).distances for features in (real, level))
    return memorization_of(*distances, spread_of(real)).share


@pytest.mark.parametrize("space", marked((space,) for space in SPACES))
def test_memorization_fires_where_the_frechet_distance_improves(images, extractor, space):
    held_out, others = images
    training, drawn = others.pixels[:757], noisy(others.pixels[757:], 48)
    extract = extractor(space)
    real, known = extract(held_out.pixels), extract(training)
    levels = [
        extract(np.concatenate([training[:n], drawn[n:]]))
        for n in (round(share * HELD_OUT) for share in COPIED)
    ]
    assert (np.diff(badness("frechet_distance", real, levels)) < 0).all()
    shares = np.array([copied(known, real, level) for level in levels])
    np.testing.assert_allclose(shares, COPIED, atol=0.02)


@pytest.mark.parametrize("space", marked((space,) for space in SPACES))
@pytest.mark.parametrize("disturbance", DISTURBANCES)
def test_memorization_does_not_fire_without_copies(images, extractor, features, disturbance, space):
    known = extractor(space)(images[1].pixels[: OTHERS - 1060])
    real, levels = features(space, disturbance)
    limit = EvaluateOptions().max_memorized
    assert all(copied(known, real, level) < limit / 2 for level in levels)
