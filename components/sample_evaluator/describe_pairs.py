"""The part of an evaluation that a model needs which translates: results for held-out images."""

from collections.abc import Mapping
from typing import NamedTuple

import apache_beam as beam

from components.images.records import ReadExamples
from components.progress import FEATURES, SAMPLED, expect
from components.sample_evaluator import names, sources
from components.sample_evaluator.measure.answers import MeasureAnswers
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.pictures.pairs import WritePairs, write_answers
from components.sample_evaluator.samples.translations import (
    AnswerSeveral,
    CompareAnswers,
    SeedHeldOut,
    ShowSources,
    Translate,
    nb_answer,
    nb_answered,
)
from trainer.source.options import Source


class Translations(NamedTuple):
    """What a pipeline draws from the sources of held-out images, as ImageBatches.

    Attributes:
        results: of each model, by its name among the sources of images.
        beside: what the results of the candidate are compared with.
    """

    results: dict[str, beam.PCollection]
    beside: list[beam.PCollection]


def describe_pairs(
    pipeline: beam.Pipeline,
    held_out: list[str],
    transform_graph: str,
    keys: beam.PCollection,
    models: Mapping[str, str],
    options: EvaluateOptions,
    shape: tuple[int, int, int],
    output: str,
) -> Translations:
    """Draws the results of models that translate; of a candidate, also writes the pictures.

    Args:
        pipeline: is not run.
        held_out: folders of the held-out examples.
        transform_graph: URI of the TransformGraph artifact.
        keys: one list, the keys of the examples to take, sorted.
        models: folders of SavedModels that translate, by source of images.
        options: features, seed.
        shape: H, W, C of the images.
        output: folder for the pictures.
    """
    if not models:
        return Translations({}, [])
    seeded = (
        pipeline
        | "HeldOutRecords" >> ReadExamples(held_out)
        | "SeedHeldOut" >> SeedHeldOut(keys, options.seed)
    )
    size = options.batch_size
    batches = seeded | "Translated" >> beam.BatchElements(min_batch_size=size, max_batch_size=size)
    results = {
        name: batches | f"Translate[{name}]" >> beam.ParDo(Translate(name, model, transform_graph))
        for name, model in models.items()
    }
    candidate = models.get(sources.CANDIDATE)
    if candidate is None:
        return Translations(results, [])
    _ = (results[sources.CANDIDATE], seeded) | "WritePairs" >> WritePairs(
        candidate, transform_graph, f"{output}/{names.PAIRS_PNG}"
    )
    end = options.seed + nb_answered(shape)
    answers = (
        seeded
        | "FirstSources" >> beam.Filter(lambda pair: pair[0] < end)
        | "GatherSources" >> beam.combiners.ToList()
        | "Answer" >> beam.ParDo(AnswerSeveral(candidate, transform_graph))
    )
    _ = answers | "ShowAnswers" >> beam.Map(write_answers, f"{output}/{names.ANSWERS_PNG}")
    _ = answers | "MeasureAnswers" >> beam.ParDo(MeasureAnswers(options.features, output))
    beside = [
        batches | "ShowSources" >> beam.ParDo(ShowSources(candidate, transform_graph)),
        answers | "CompareAnswers" >> beam.ParDo(CompareAnswers(candidate, transform_graph)),
    ]
    return Translations(results, beside)


def expect_pairs(held_out: int, shape: tuple[int, int, int], source: Source) -> None:
    """Adds the work on what stands beside the results of a candidate to the totals."""
    answered, answers = min(held_out, nb_answered(shape)), nb_answer(source.draws_noise)
    expect(SAMPLED, answers * answered)
    compared = 1 + (answered > 1) + (answers > 1)
    expect(FEATURES, held_out + compared * answered)
