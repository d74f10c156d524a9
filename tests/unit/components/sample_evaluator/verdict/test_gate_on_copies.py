"""Copies of training images are refused mirrored or slightly shifted as well; new images are not.

They are searched in one space, whatever the metrics compare.
"""

import functools

import numpy as np
import pytest
from described_once import DescribedOnce
from drawn_shapes import draw_shapes, mirrored, shifted
from planted_models import read_digits
from whole_evaluations import Evaluator

from benchmarks.gate.verdicts import describe_noise, judge
from components.features.options import FeatureOptions
from components.sample_evaluator import sources
from components.sample_evaluator.measure.results import MEMORIZED_SHARE, MIRRORED_SHARE
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.verdict.checks import missed

SEEDS = 2  # `make gate` tries more
TRAINING, HELD_OUT = 300, 260  # images
FEW = 130  # of each source but TRAIN, where they are copies
SETS = {
    "digits": lambda: read_digits().pixels[: TRAINING + 3 * HELD_OUT],
    "shapes": lambda: draw_shapes(TRAINING + 2 * HELD_OUT),
    "symmetric shapes": lambda: draw_shapes(TRAINING + 2 * HELD_OUT, symmetric=True),
}

describe = DescribedOnce()


@functools.cache
def described(name, space):
    """The features of the images of a set, and of noise."""
    images, features = SETS[name](), FeatureOptions(name=space)
    noise = describe_noise(features, HELD_OUT, images.shape[1:])
    return describe(features, images), noise


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("digits", "pixels"),
        ("digits", "random_conv"),
        ("shapes", "random_conv"),
        ("symmetric shapes", "random_conv"),
    ],
)
def test_new_images_are_not_refused(name, space):
    images, noise = described(name, space)
    options = EvaluateOptions(features=FeatureOptions(name=space), max_memorized=0.1)
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(len(images))
        ends = {
            sources.TRAIN: order[:TRAINING],
            sources.REAL: order[TRAINING : TRAINING + HELD_OUT],
            sources.CANDIDATE: order[TRAINING + HELD_OUT : TRAINING + 2 * HELD_OUT],
        }
        shown = {source: images.take(rows) for source, rows in ends.items()}
        verdict = judge(shown | {sources.NOISE: noise}, options).verdict
        assert verdict.blessed, (seed, verdict.reasons)


def half(images, others):
    """Every second image of each."""
    rows = np.arange(len(images))[:, None, None, None]
    return np.where(rows % 2, images, others)


# In pixels, half of the images that are shifted by (1, 1) would not be found.
PIXELS = EvaluateOptions(features=FeatureOptions(name="pixels"))


@pytest.fixture(scope="module")
def stock():
    parts = np.split(draw_shapes(TRAINING + 2 * FEW), [TRAINING, TRAINING + FEW])
    return dict(zip((sources.TRAIN, sources.REAL, sources.BASELINE), parts, strict=True))


@pytest.fixture(scope="module")
def shown(stock):
    """The features of the stock and of noise, by source."""
    found = {source: describe(PIXELS.features, images) for source, images in stock.items()}
    shape = stock[sources.REAL].shape[1:]
    return found | {sources.NOISE: describe_noise(PIXELS.features, FEW, shape)}


def judge_copies(stock, shown, change):
    copies = describe(PIXELS.features, change(stock[sources.TRAIN][:FEW]))
    return judge(shown | {sources.CANDIDATE: copies}, PIXELS)


def half_mirrored(images):
    return half(mirrored(images), images)


@pytest.mark.parametrize(
    ("change", "share", "mirrored_share"),
    [
        pytest.param(mirrored, 1, 1, id="mirrored"),
        pytest.param(half_mirrored, 1, 0.5, id="half mirrored"),
        pytest.param(
            lambda images: half(shifted(images, 0, 1), shifted(images, 1, 1)),
            0.9,
            0,
            id="shifted",
        ),
        pytest.param(
            lambda images: shifted(mirrored(images), 1, -1), 0.8, 1, id="mirrored and shifted"
        ),
    ],
)
def test_copies_are_refused(stock, shown, change, share, mirrored_share):
    judged = judge_copies(stock, shown, change)
    assert not judged.verdict.blessed
    assert MEMORIZED_SHARE in missed(judged.verdict.checks)
    found = judged.results[sources.CANDIDATE].metrics
    assert share <= found[MEMORIZED_SHARE].value <= 1
    # Of a shifted disc near the middle, the mirrored image may be as near.
    assert found[MIRRORED_SHARE].value == pytest.approx(mirrored_share, abs=0.15)
    named = any("copies of training images" in reason for reason in judged.verdict.reasons)
    assert named == (mirrored_share == 1)


@pytest.mark.slow
def test_a_whole_evaluation_finds_the_same_copies(stock, shown, tmp_path):
    stock = {source: images[:FEW] for source, images in stock.items()}
    shown = {source: images.take(slice(FEW)) for source, images in shown.items()}
    evaluator = Evaluator(stock, PIXELS, tmp_path)
    verdict = evaluator.judge("copies", half_mirrored(stock[sources.TRAIN]))
    judged = judge_copies(stock, shown, half_mirrored)
    assert verdict.reasons == judged.verdict.reasons
    assert [each[:4] for each in verdict.checks] == [each[:4] for each in judged.verdict.checks]
    found = evaluator.summary("copies")["memorization"][sources.CANDIDATE]
    assert found["share"] == 1
    assert found["distance_ratio"] == 0
    expected = judged.results[sources.CANDIDATE].metrics[MIRRORED_SHARE].value
    assert found["mirrored_share"] == expected == pytest.approx(0.5, abs=0.15)
