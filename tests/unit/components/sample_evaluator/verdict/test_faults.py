"""Faults of samples that are seen without a metric."""

from components.sample_evaluator import sources
from components.sample_evaluator.measure.results import SourceResult
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.verdict.faults import image_problems, sample_problems


def test_without_real_images_that_is_the_reason_and_not_a_division_by_zero():
    results = {
        sources.REAL: SourceResult(images=0),
        sources.TRAIN: SourceResult(images=0),
        sources.CANDIDATE: SourceResult(images=5, distinct_images=5, flat_images=1),
    }
    assert not [*sample_problems(results)]
    assert [*image_problems(results, EvaluateOptions())] == [
        "0 held-out images are too few: at least 20 are required"
    ]
