"""What stands beside the results of a model that translates."""

from collections.abc import Iterator, Mapping
from typing import Any

from components.features import Extractor
from components.images.image_set import Images
from components.metrics import AT_HOLDOUT
from components.progress import SAMPLED, expect
from components.sample_evaluator import sources
from components.sample_evaluator.evaluation import Evaluation
from components.sample_evaluator.measure.pairs import measure_answers
from components.sample_evaluator.pictures import write_answers, write_pairs
from components.sample_evaluator.samples.sampler import LoadedSampler
from components.sample_evaluator.samples.translations import (
    Sources,
    answer_several,
    compare_answers,
    nb_answered,
    show_sources,
    translate,
)


def draw_beside(
    evaluation: Evaluation,
    candidate: LoadedSampler,
    given: Sources,
    results: Images,
    extract: Extractor,
) -> tuple[dict[str, Images], dict[str, Any] | None]:
    """Draws several answers to the first sources, and writes the pictures.

    Args:
        evaluation: what is evaluated.
        candidate: translates.
        given: a source for each held-out image.
        results: of the candidate.
        extract: of the feature space of the metrics.

    Returns:
        What the results are compared with, by its name among the sources of images, and from
        `measure_answers` how much several answers to a source differ.
    """
    options, output = evaluation.options, evaluation.output
    first = given[: nb_answered(given.pictures.shape[1:])]
    answers = answer_several(candidate, first, options.seed)
    write_pairs(results, given, output, candidate.mark)
    write_answers(answers, first, output, candidate.mark)
    shown = show_sources(candidate, given, options.seed, options.batch_size)
    compared = compare_answers(candidate, first, answers, options.seed)
    measured = measure_answers(answers, first.images, extract)
    return {sources.SOURCE: shown, **compared}, measured


def draw_at_holdout(
    samplers: Mapping[str, LoadedSampler], given: Sources, seed: int, size: int
) -> Iterator[tuple[str, Images]]:
    """Results for the sources of data.holdout and these sources, with names with AT_HOLDOUT.

    The images of data.holdout may show something else than those that are held out of the data, so
    that they can only be compared with results for their own sources.
    """
    for name, sampler in samplers.items():
        expect(SAMPLED, len(given))
        yield f"{name}{AT_HOLDOUT}", translate(sampler, given, seed, size)
    if candidate := samplers.get(sources.CANDIDATE):
        yield f"{sources.SOURCE}{AT_HOLDOUT}", show_sources(candidate, given, seed, size)
