"""The part of an evaluation that a model needs which translates: results for held-out images."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from components.features import Extractor
from components.images.image_set import Images
from components.metrics import AT_HOLDOUT
from components.progress import FEATURES, SAMPLED, expect
from components.sample_evaluator import names, sources
from components.sample_evaluator.measure.pairs import measure_answers
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.pictures import write_answers, write_pairs
from components.sample_evaluator.samples.sampler import LoadedSampler
from components.sample_evaluator.samples.translations import (
    Sources,
    answer_several,
    compare_answers,
    nb_answer,
    nb_answered,
    show_sources,
    translate,
)
from trainer.source.options import Source


class Translations(NamedTuple):
    """What models make of the sources of held-out images.

    Attributes:
        results: of each model, by its name among the sources of images.
        beside: what the results of the candidate are compared with, and the results of all models
            for the sources of data.holdout, with such names; drawn one by one, when asked for.
        answers: how much several answers of the candidate to a source differ, for metrics.json;
            None where there are none.
    """

    results: dict[str, Images]
    beside: Iterator[tuple[str, Images]]
    answers: dict[str, Any] | None = None


def describe_pairs(
    samplers: Mapping[str, LoadedSampler],
    given: Sources,
    holdout: Sources | None,
    options: EvaluateOptions,
    extract: Extractor,
    output: str,
) -> Translations:
    """Draws the results of models that translate; of a candidate, also writes the pictures.

    Args:
        samplers: models that translate, by their names among the sources of images.
        given: a source for each held-out image.
        holdout: those of the images of data.holdout, if there are any that are paired.
        options: features, seed.
        extract: of the feature space of the metrics.
        output: folder for the pictures.
    """
    seed, size = options.seed, options.batch_size
    candidate = samplers.get(sources.CANDIDATE)
    if candidate:
        _expect_beside(given, candidate.source)
    if holdout:
        expect(SAMPLED, len(samplers) * len(holdout))
        expect(FEATURES, (len(samplers) + bool(candidate)) * len(holdout))
    results = {name: translate(sampler, given, seed, size) for name, sampler in samplers.items()}
    beside = _at_holdout(samplers, holdout, seed, size) if holdout else iter(())
    if not candidate:
        return Translations(results, beside)
    first = given[: nb_answered(given.pictures.shape[1:])]
    answers = answer_several(candidate, first, seed)
    mark = candidate.mark
    write_pairs(results[sources.CANDIDATE], given, f"{output}/{names.PAIRS_PNG}", mark)
    write_answers(answers, first, f"{output}/{names.ANSWERS_PNG}", mark)
    shown = show_sources(candidate, given, seed, size)
    compared = {sources.SOURCE: shown, **compare_answers(candidate, first, answers, seed)}
    measured = measure_answers(answers, first.images, extract)
    return Translations(results, itertools.chain(compared.items(), beside), measured)


def _at_holdout(
    samplers: Mapping[str, LoadedSampler], given: Sources, seed: int, size: int
) -> Iterator[tuple[str, Images]]:
    """Results for the sources of data.holdout and these sources, with names with AT_HOLDOUT.

    The images of data.holdout may show something else than those that are held out of the data, so
    that they can only be compared with results for their own sources.
    """
    for name, sampler in samplers.items():
        yield f"{name}{AT_HOLDOUT}", translate(sampler, given, seed, size)
    if candidate := samplers.get(sources.CANDIDATE):
        yield f"{sources.SOURCE}{AT_HOLDOUT}", show_sources(candidate, given, seed, size)


def _expect_beside(given: Sources, source: Source) -> None:
    """Adds the work on what stands beside the results of a candidate to the totals."""
    answered = min(len(given), nb_answered(given.pictures.shape[1:]))
    answers = nb_answer(source.draws_noise)
    expect(SAMPLED, answers * answered)
    compared = (source.paired and answered > 1) + (source.paired or answers > 1) + (answers > 1)
    expect(FEATURES, len(given) + compared * answered)
