"""The verdict on models whose faults are known, over the choice of images."""

import pytest
from beam_verdicts import Evaluator
from planted_models import RIGHT, plant
from quick_verdicts import judge

from components.features import load_extractor
from components.sample_evaluator import sources
from components.sample_evaluator.options import EvaluateOptions
from pipeline.config import load

SEEDS = 20
DIGITS = load("digits").evaluate
OPTIONS = {"preset digits": DIGITS, "defaults": EvaluateOptions()}


@pytest.fixture(scope="module", params=OPTIONS)
def verdicts(request):
    """Verdicts by model, one a seed."""
    options = OPTIONS[request.param]
    extract = load_extractor(options.features)
    found = {name: [] for name in RIGHT}
    for seed in range(SEEDS):
        stock, models = plant(seed)
        vectors = {source: extract(pixels) for source, pixels in stock.items()}
        for name, pixels in models.items():
            shown = stock | {sources.CANDIDATE: pixels}
            described = vectors | {sources.CANDIDATE: extract(pixels)}
            found[name].append(judge(shown, described, options))
    return found


@pytest.mark.parametrize("model", RIGHT)
def test_the_verdict_is_right_in_19_of_20_seeds(verdicts, model):
    right = sum(verdict.blessed == RIGHT[model] for verdict in verdicts[model])
    assert right >= 0.95 * SEEDS


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("slightly worse", "is worse than the baseline's"),
        ("collapsed", "kinds of images are missing"),
        ("memorizing", "closer to a training image"),
    ],
)
def test_the_reason_is_the_fault(verdicts, model, reason):
    told = sum(reason in " ".join(verdict.reasons) for verdict in verdicts[model])
    assert told >= 0.9 * SEEDS


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory):
    return Evaluator(plant(0)[0], DIGITS, tmp_path_factory.mktemp("evaluator"))


@pytest.mark.parametrize("model", ["better", "slightly worse"])
def test_a_whole_evaluation_says_the_same(evaluator, model):
    stock, models = plant(0)
    shown = stock | {sources.CANDIDATE: models[model]}
    extract = load_extractor(DIGITS.features)
    vectors = {source: extract(pixels) for source, pixels in shown.items()}
    assert evaluator.judge(model, models[model]) == judge(shown, vectors, DIGITS)
