"""Everything in an evaluation that needs models and images: features to compare, and pictures."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import apache_beam as beam

from components.images.batches import DecodeRecords
from components.images.features import ExtractFeatures, ReadFeatures, WriteFeatures
from components.images.records import ReadExamples, read_twice, scattered_key
from components.images.take_first import TakeFirst
from components.images.write_grid import WriteGrid
from components.progress import FEATURES, SAMPLED, expect
from components.real_features.artifact import SEARCH, file_pattern
from components.sample_evaluator import names, sources
from components.sample_evaluator.describe_pairs import describe_pairs, expect_pairs
from components.sample_evaluator.measure.nearest import FindNearest
from components.sample_evaluator.measure.seed_distance import WriteSeedDistances
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.pictures.nearest_pairs import WriteNearestPairs
from components.sample_evaluator.pictures.trajectories import WriteTrajectories
from components.sample_evaluator.pictures.worst_samples import WriteWorstSamples
from components.sample_evaluator.samples.draw import (
    DrawSamples,
    batch_seeds,
    draw_noise,
)
from components.sample_evaluator.samples.sampler import load_sampler
from trainer import examples
from trainer.source.options import Source

KNOWN = "known"
_SPLITS = {
    sources.TRAIN: examples.TRAIN,
    sources.REAL: examples.EVAL,
    sources.HOLDOUT: examples.HOLDOUT,
}


class RealImages(NamedTuple):
    """The real images.

    Attributes:
        examples: folders of their examples by split: train, eval, and holdout if there is one;
            source_eval if a model translates sources that are not paired with images.
        features: folder that `real_features.executor.write_features` wrote.
        transform_graph: URI of the TransformGraph artifact.
    """

    examples: Mapping[str, list[str]]
    features: str
    transform_graph: str


def describe(
    pipeline: beam.Pipeline,
    real: RealImages,
    models: Mapping[str, str],
    stored: Mapping[str, str],
    options: EvaluateOptions,
    shape: tuple[int, int, int],
    output: str,
    compared: str,
    translating: Mapping[str, Source] = MappingProxyType({}),
    student: bool = False,
) -> None:
    """Draws the samples; writes the features of all images to be compared, and the pictures.

    As many samples are drawn as there are held-out images. A conditional model draws each sample
    with the label of one held-out image, so that classes occur in the proportions of the data. A
    model that translates draws each from the source of one or, of sources that are not paired, from
    one of these; if they are paired, it also draws one from the source of each image of
    data.holdout to be compared.

    Args:
        pipeline: empty; it is not run.
        real: the real images.
        models: folders of sampler SavedModels by source (candidate, baseline).
        stored: folders of examples by source, in place of the samples of a model.
        options: samples, features, seed.
        shape: H, W, C of the images.
        output: folder for the pictures.
        compared: folder for the features, which `ReadFeatures` reads; those of the training images
            that kinds are learned from are in its folder KNOWN.
        translating: what the sources are of those models that translate.
        student: whether the candidate is a student, which is compared with the baseline seed by
            seed.
    """
    features = {
        source: pipeline
        | f"Features[{split}]" >> ReadFeatures(file_pattern(real.features, split))
        | f"Source[{source}]" >> beam.Map(lambda image, name: image._replace(source=name), source)
        for source, split in _SPLITS.items()
        if split in real.examples
    }
    held_out = features[sources.REAL]
    keyed_labels = (
        held_out
        | "KeyedLabels" >> beam.Map(lambda image: (image.key, image.label))
        | "Gather" >> beam.combiners.ToList()
        | "Sort" >> beam.Map(sorted)
    )
    labels = (
        keyed_labels
        | "Labels" >> beam.Map(lambda found: [label for _, label in found])
        | "ExpectSamples"
        >> beam.Map(_expect_samples, len(models), shape, translating.get(sources.CANDIDATE))
    )
    seeds = (
        labels
        | "Seeds" >> beam.FlatMap(batch_seeds, options.seed, options.batch_size)
        | "SpreadSeeds" >> beam.Reshuffle()
    )
    judged = {
        source: seeds | f"Sample[{source}]" >> beam.ParDo(DrawSamples(source, model, shape))
        for source, model in models.items()
        if source not in translating
    }
    translations = describe_pairs(
        pipeline,
        real.examples,
        real.transform_graph,
        keyed_labels,
        {source: models[source] for source in translating},
        options,
        shape,
        output,
        features.get(sources.HOLDOUT),
    )
    judged |= translations.results
    for source, folder in stored.items():
        judged[source] = _read_images(pipeline, source, folder, real.transform_graph, options)
    noise = seeds | "Noise" >> beam.Map(draw_noise, sources.NOISE, shape)
    drawn = (
        [*judged.values(), noise, *translations.beside]
        | "Batches" >> beam.Flatten()
        | "Extract" >> beam.ParDo(ExtractFeatures(options.features, list(judged)))
    )
    samples = drawn | "Judged" >> beam.Filter(lambda image, names: image.source in names, [*judged])
    queries = [held_out, samples] | "Queries" >> beam.Flatten()
    training = pipeline | "Search" >> ReadFeatures(file_pattern(real.features, SEARCH))
    nearest = training | FindNearest(queries)
    # They are few (TRAINING_IMAGES), and need not be read twice.
    floor = (features[sources.TRAIN], features[sources.TRAIN]) | "Floor" >> TakeFirst(
        options.samples, key=lambda image: image.key, limit=labels | "Count" >> beam.Map(len)
    )
    written = {
        "queries": nearest | "Measured" >> beam.Keys(),
        sources.TRAIN: floor,
        f"{KNOWN}/{sources.TRAIN}": features[sources.TRAIN],
        sources.NOISE: drawn
        | "Rest" >> beam.Filter(lambda image, names: image.source not in names, [*judged]),
    }
    if sources.HOLDOUT in features:
        written[sources.HOLDOUT] = features[sources.HOLDOUT]
    # One by one: an in-process runner would keep a flattened collection in memory.
    for name, part in written.items():
        _ = part | f"Write[{name}]" >> WriteFeatures(f"{compared}/{name}")
    if sources.CANDIDATE in judged:
        # Who made the images of a folder is not known.
        mark = load_sampler(models[sources.CANDIDATE]).mark if sources.CANDIDATE in models else ""
        _write_sample_pictures(pipeline, judged[sources.CANDIDATE], nearest, real, output, mark)
    both = {sources.CANDIDATE, sources.BASELINE}
    # Images of seeds alone are in other batches than those of sources.
    if student and models.keys() == both and len(both & translating.keys()) != 1:
        _ = judged | WriteSeedDistances(output)
    if sources.CANDIDATE in models:
        _write_model_pictures(pipeline, labels, models, real, options.seed, output)


def _expect_samples(
    labels: list[str], nb_model: int, shape: tuple[int, int, int], source: Source | None
) -> list[str]:
    """Passes the labels on; each is that of a sample of every model, and of an image of noise."""
    expect(SAMPLED, nb_model * len(labels))
    expect(FEATURES, (nb_model + 1) * len(labels))
    if source:
        expect_pairs(len(labels), shape, source)
    return labels


def _read_images(
    pipeline: beam.Pipeline,
    source: str,
    folder: str,
    transform_graph: str,
    options: EvaluateOptions,
) -> beam.PCollection:
    """Stored images as ImageBatches of a source, as many as samples are requested."""
    size = options.batch_size
    return (
        read_twice(pipeline, source, [folder])
        | f"FirstStored[{source}]" >> TakeFirst(options.samples, key=scattered_key, work=FEATURES)
        | f"BatchStored[{source}]" >> beam.BatchElements(min_batch_size=size, max_batch_size=size)
        | f"DecodeStored[{source}]"
        >> beam.ParDo(DecodeRecords(source, transform_graph, scattered_key))
    )


def _write_sample_pictures(
    pipeline: beam.Pipeline,
    samples: beam.PCollection,
    nearest: beam.PCollection,
    real: RealImages,
    output: str,
    mark: str,
) -> None:
    training = pipeline | "TrainingExamples" >> ReadExamples(real.examples[examples.TRAIN])
    _ = samples | WriteGrid(sources.CANDIDATE, f"{output}/{names.SAMPLES_PNG}", mark)
    _ = (samples, nearest, training) | WriteNearestPairs(
        real.transform_graph, f"{output}/{names.NEAREST_PAIRS_PNG}", mark
    )
    _ = (samples, nearest) | WriteWorstSamples(f"{output}/{names.WORST_SAMPLES_PNG}", mark)


def _write_model_pictures(
    pipeline: beam.Pipeline,
    labels: beam.PCollection,
    models: Mapping[str, str],
    real: RealImages,
    seed: int,
    output: str,
) -> None:
    _ = labels | "Trajectories" >> beam.ParDo(
        WriteTrajectories(models[sources.CANDIDATE], seed, f"{output}/{names.TRAJECTORIES_PNG}")
    )
