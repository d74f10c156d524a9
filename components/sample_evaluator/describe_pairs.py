"""The part of an evaluation that a model needs which translates: results for held-out images."""

from collections.abc import Mapping
from typing import NamedTuple

import apache_beam as beam

from components.images.records import ReadExamples, read_twice
from components.metrics import AT_HOLDOUT
from components.progress import FEATURES, SAMPLED, expect
from components.sample_evaluator import names, sources
from components.sample_evaluator.measure.answers import MeasureAnswers
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.pictures.pairs import WritePairs, write_answers
from components.sample_evaluator.samples.sampler import load_sampler
from components.sample_evaluator.samples.translations import (
    AnswerSeveral,
    CompareAnswers,
    SeedHeldOut,
    SeedSources,
    ShowSources,
    Translate,
    nb_answer,
    nb_answered,
)
from trainer import examples
from trainer.source.options import Source


class Translations(NamedTuple):
    """What a pipeline draws from the sources of held-out images, as ImageBatches.

    Attributes:
        results: of each model, by its name among the sources of images.
        beside: what the results of the candidate are compared with, and the results of all models
            for the sources of data.holdout.
    """

    results: dict[str, beam.PCollection]
    beside: list[beam.PCollection]


def describe_pairs(
    pipeline: beam.Pipeline,
    folders: Mapping[str, list[str]],
    transform_graph: str,
    keyed_labels: beam.PCollection,
    models: Mapping[str, str],
    options: EvaluateOptions,
    shape: tuple[int, int, int],
    output: str,
    holdout: beam.PCollection | None = None,
) -> Translations:
    """Draws the results of models that translate; of a candidate, also writes the pictures.

    Args:
        pipeline: is not run.
        folders: of the examples by split: eval, holdout if there is one, and source_eval of
            unpaired sources.
        transform_graph: URI of the TransformGraph artifact.
        keyed_labels: one list, the keys of the held-out images to compare with, sorted, and their
            labels.
        models: folders of SavedModels that translate, by source of images.
        options: features, seed.
        shape: H, W, C of the images.
        output: folder for the pictures.
        holdout: ImageFeatures of the images of data.holdout to compare with.
    """
    if not models:
        return Translations({}, [])
    unpaired = folders.get(examples.SOURCE_EVAL)
    if unpaired:
        labels = keyed_labels | "LabelsOfResults" >> beam.Map(lambda found: [v for _, v in found])
        records = read_twice(pipeline, "Sources", unpaired)
        seeded = records | "SeedSources" >> SeedSources(labels, options.seed)
    else:
        keys = keyed_labels | "Keys" >> beam.Map(lambda found: [key for key, _ in found])
        records = pipeline | "HeldOutRecords" >> ReadExamples(folders[examples.EVAL])
        seeded = records | "SeedHeldOut" >> SeedHeldOut(keys, options.seed)
    data = {"transform_graph": transform_graph, "paired": not unpaired}
    size = options.batch_size
    batches = seeded | "Translated" >> beam.BatchElements(min_batch_size=size, max_batch_size=size)
    results = {
        name: batches | f"Translate[{name}]" >> beam.ParDo(Translate(name, model, **data))
        for name, model in models.items()
    }
    beside = []
    if holdout is not None and not unpaired:
        records = pipeline | "HoldoutRecords" >> ReadExamples(folders[examples.HOLDOUT])
        beside += _translate_holdout(records, holdout, transform_graph, models, options)
    candidate = models.get(sources.CANDIDATE)
    if candidate is None:
        return Translations(results, beside)
    _ = (results[sources.CANDIDATE], seeded) | "WritePairs" >> WritePairs(
        candidate, path=f"{output}/{names.PAIRS_PNG}", **data
    )
    end = options.seed + nb_answered(shape)
    answers = (
        seeded
        | "FirstSources" >> beam.Filter(lambda pair: pair[0] < end)
        | "GatherSources" >> beam.combiners.ToList()
        | "Answer" >> beam.ParDo(AnswerSeveral(candidate, **data))
    )
    _ = answers | "ShowAnswers" >> beam.Map(
        write_answers, f"{output}/{names.ANSWERS_PNG}", load_sampler(candidate).mark
    )
    _ = answers | "MeasureAnswers" >> beam.ParDo(MeasureAnswers(options.features, output))
    beside += [
        batches | "ShowSources" >> beam.ParDo(ShowSources(sources.SOURCE, candidate, **data)),
        answers | "CompareAnswers" >> beam.ParDo(CompareAnswers(candidate, **data)),
    ]
    return Translations(results, beside)


def _translate_holdout(
    records: beam.PCollection,
    features: beam.PCollection,
    transform_graph: str,
    models: Mapping[str, str],
    options: EvaluateOptions,
) -> list[beam.PCollection]:
    """Results for the sources of data.holdout, and these sources, as sources with AT_HOLDOUT.

    The images of data.holdout may show something else than those that are held out of the data, so
    that they can only be compared with results for their own sources.
    """
    shown = [sources.SOURCE] if sources.CANDIDATE in models else []
    keys = (
        features
        | "HoldoutKey" >> beam.Map(lambda image: image.key)
        | "GatherHoldout" >> beam.combiners.ToList()
        | "SortHoldout" >> beam.Map(sorted)
        | "ExpectHoldout" >> beam.Map(_expect_holdout, len(models), len(shown))
    )
    size = options.batch_size
    batches = (
        records
        | "SeedHoldout" >> SeedHeldOut(keys, options.seed)
        | "HoldoutBatches" >> beam.BatchElements(min_batch_size=size, max_batch_size=size)
    )
    drawn: dict[str, beam.DoFn] = {
        name: Translate(f"{name}{AT_HOLDOUT}", model, transform_graph)
        for name, model in models.items()
    }
    for name in shown:
        drawn[name] = ShowSources(f"{name}{AT_HOLDOUT}", models[sources.CANDIDATE], transform_graph)
    return [batches | f"AtHoldout[{name}]" >> beam.ParDo(each) for name, each in drawn.items()]


def _expect_holdout(keys: list[bytes], nb_model: int, nb_shown: int) -> list[bytes]:
    expect(SAMPLED, nb_model * len(keys))
    expect(FEATURES, (nb_model + nb_shown) * len(keys))
    return keys


def expect_pairs(held_out: int, shape: tuple[int, int, int], source: Source) -> None:
    """Adds the work on what stands beside the results of a candidate to the totals."""
    answered, answers = min(held_out, nb_answered(shape)), nb_answer(source.draws_noise)
    expect(SAMPLED, answers * answered)
    compared = (source.paired and answered > 1) + (source.paired or answers > 1) + (answers > 1)
    expect(FEATURES, held_out + compared * answered)
