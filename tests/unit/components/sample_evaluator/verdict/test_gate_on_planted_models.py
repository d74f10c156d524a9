"""The verdict on models with known faults, for several choices of images."""

import pytest
from beam_verdicts import Evaluator
from planted_models import RIGHT, plant
from quick_verdicts import extract_views, judge, with_noise

from components.features import load_extractor
from components.features.options import FeatureOptions
from components.sample_evaluator import sources
from components.sample_evaluator.options import EvaluateOptions
from pipeline.config import load

FEW, MANY = 5, 20  # seeds
DIGITS = load("digits").evaluate
OPTIONS = {
    "preset digits": DIGITS,
    "defaults": EvaluateOptions(features=FeatureOptions(name="random_conv")),
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((name, seeds), id=f"{name}, {seeds} seeds", marks=marks)
        for name in OPTIONS
        for seeds, marks in ((FEW, ()), (MANY, pytest.mark.slow))
    ],
)
def verdicts(request):
    """Verdicts by model, one per seed."""
    name, seeds = request.param
    options = OPTIONS[name]
    extract = load_extractor(options.features)
    found = {name: [] for name in RIGHT}
    for seed in range(seeds):
        stock, models = plant(seed)
        stock = with_noise(stock)
        vectors = {source: extract(pixels) for source, pixels in stock.items()}
        seen = {source: extract_views(pixels) for source, pixels in stock.items()}
        for name, pixels in models.items():
            shown = stock | {sources.CANDIDATE: pixels}
            described = vectors | {sources.CANDIDATE: extract(pixels)}
            views = seen | {sources.CANDIDATE: extract_views(pixels)}
            found[name].append(judge(shown, described, options, views))
    return found


@pytest.mark.parametrize("model", RIGHT)
def test_the_verdict_is_wrong_in_one_seed_at_most(verdicts, model):
    wrong = sum(verdict.blessed != RIGHT[model] for verdict in verdicts[model])
    assert wrong <= 1


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("slightly worse", "is worse than the baseline's"),
        ("collapsed", "coverage"),
        ("memorizing", "closer to a training image"),
    ],
)
def test_the_reason_is_the_fault(verdicts, model, reason):
    seeds = len(verdicts[model])
    named = sum(reason in " ".join(verdict.reasons) for verdict in verdicts[model])
    assert seeds - named <= max(1, seeds // 10)


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory):
    return Evaluator(plant(0)[0], DIGITS, tmp_path_factory.mktemp("evaluator"))


@pytest.mark.parametrize("model", ["better", "slightly worse"])
def test_a_whole_evaluation_says_the_same(evaluator, model):
    stock, models = plant(0)
    shown = with_noise(stock) | {sources.CANDIDATE: models[model]}
    extract = load_extractor(DIGITS.features)
    vectors = {source: extract(pixels) for source, pixels in shown.items()}
    seen = {source: extract_views(pixels) for source, pixels in shown.items()}
    assert evaluator.judge(model, models[model]) == judge(shown, vectors, DIGITS, seen)
