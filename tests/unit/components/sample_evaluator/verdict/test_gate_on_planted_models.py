"""The verdict on models with known faults, for several choices of images.

`make gate` tries more choices, sets and faults.
"""

import pytest
from described_once import DescribedOnce
from planted_models import RIGHT, plant
from whole_evaluations import Evaluator

from benchmarks.gate.verdicts import describe_noise, judge
from components.features.options import FeatureOptions
from components.sample_evaluator import sources
from components.sample_evaluator.options import EvaluateOptions
from pipeline.config.pipeline_config import load

SEEDS = 2
FEW = 130  # images of each source, for a whole evaluation
DIGITS = load("digits").evaluate
OPTIONS = {
    "preset digits": DIGITS,
    "defaults": EvaluateOptions(features=FeatureOptions(name="random_conv")),
}


@pytest.fixture(scope="module")
def describe():
    return DescribedOnce()


@pytest.fixture(scope="module", params=OPTIONS)
def verdicts(request, describe):
    """Verdicts by model, one per seed."""
    options = OPTIONS[request.param]
    found = {name: [] for name in RIGHT}
    for seed in range(SEEDS):
        stock, models = plant(seed)
        shown = described(stock, options, describe)
        for name, pixels in models.items():
            candidate = {sources.CANDIDATE: describe(options.features, pixels)}
            found[name].append(judge(shown | candidate, options).verdict)
    return found


def described(stock, options, describe):
    """The features of a stock by source, and of noise."""
    count, *shape = stock[sources.REAL].shape
    found = {source: describe(options.features, pixels) for source, pixels in stock.items()}
    return found | {sources.NOISE: describe_noise(options.features, count, shape)}


@pytest.mark.parametrize("model", RIGHT)
def test_the_verdict_is_right_in_each_seed(verdicts, model):
    assert [verdict.blessed for verdict in verdicts[model]] == [RIGHT[model]] * SEEDS


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("slightly worse", "is worse than the baseline's"),
        ("collapsed", "coverage"),
        ("memorizing", "closer to a training image"),
    ],
)
def test_the_reason_is_the_fault(verdicts, model, reason):
    assert all(reason in " ".join(verdict.reasons) for verdict in verdicts[model])


@pytest.mark.slow
def test_a_whole_evaluation_says_the_same(tmp_path, describe):
    model = "slightly worse"
    stock, models = plant(0)
    stock = {source: pixels[:FEW] for source, pixels in stock.items()}
    candidate = models[model][:FEW]
    shown = described(stock | {sources.CANDIDATE: candidate}, DIGITS, describe)
    evaluator = Evaluator(stock, DIGITS, tmp_path)
    whole, alone = evaluator.judge(model, candidate), judge(shown, DIGITS).verdict
    assert whole.reasons == alone.reasons
    assert [each[:4] for each in whole.checks] == [each[:4] for each in alone.checks]
