"""Everything in an evaluation that needs models and images: what to compare, and pictures."""

import heapq
import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

from components.features import Extractor
from components.features.options import SEARCH_SPACE
from components.images.described import read_blocks, read_image_set, shared_extractor
from components.images.image_set import Images, ImageSet, describe, join, row_blocks
from components.images.records import (
    decode_in_blocks,
    labels_of,
    load_decoder,
    read_examples,
    scattered_key,
)
from components.progress import FEATURES, SAMPLED, expect
from components.real_features.artifact import search_folder, split_file
from components.sample_evaluator import pictures, sources
from components.sample_evaluator.describe_pairs import draw_at_holdout, draw_beside
from components.sample_evaluator.evaluation import Evaluation, RealImages, StoredImages
from components.sample_evaluator.measure.nearest import find_nearest
from components.sample_evaluator.measure.pairs import seed_distances
from components.sample_evaluator.samples.draw import draw_images, draw_noise
from components.sample_evaluator.samples.sampler import LoadedSampler
from components.sample_evaluator.samples.translations import Sources, read_sources, translate
from trainer import examples

_SEARCHED = (sources.REAL, sources.CANDIDATE, sources.BASELINE)
_SPLITS = {
    sources.TRAIN: examples.TRAIN,
    sources.REAL: examples.EVAL,
    sources.HOLDOUT: examples.HOLDOUT,
}


class Described(NamedTuple):
    """All images of an evaluation, described.

    Attributes:
        sets: by source; of the training images, as many as there are held-out ones.
        training: those that kinds are learned from.
        answers: from `measure_answers`, of a candidate that translates.
        seed_distance: from `seed_distances`, of a student.
    """

    sets: dict[str, ImageSet]
    training: ImageSet
    answers: dict[str, Any] | None
    seed_distance: dict[str, Any] | None


def describe_images(evaluation: Evaluation, samplers: Mapping[str, LoadedSampler]) -> Described:
    """Draws the samples; describes all images to be compared, and writes the pictures.

    As many samples are drawn as there are held-out images. A conditional model draws each sample
    with the label of one held-out image, so that classes occur in the proportions of the data. A
    model that translates draws each from the source of one or, of sources that are not paired, from
    one of these; if they are paired, it also draws one from the source of each image of
    data.holdout to be compared.

    Args:
        evaluation: what is evaluated.
        samplers: of those models that can be sampled, by source (candidate, baseline).
    """
    real, options = evaluation.real, evaluation.options
    seed, size = options.seed, options.batch_size
    extract, extract_views = shared_extractor(options.features), shared_extractor(SEARCH_SPACE)
    sets = _read_real(real)
    training = sets.pop(sources.TRAIN)
    labels = sets[sources.REAL].labels
    count = len(labels)
    expect(SAMPLED, len(samplers) * count)
    expect(FEATURES, (len(samplers) + 1) * count)
    sampler = samplers.get(sources.CANDIDATE)
    translating = {name: each for name, each in samplers.items() if each.source}
    given, holdout = _read_sources(real, sets, size) if translating else (None, None)

    def draw(name: str) -> Images | None:
        if isinstance(model := evaluation.compared.get(name), StoredImages):
            return _read_stored(model.examples, evaluation)
        if name in translating:
            return translate(translating[name], given, seed, size)
        if name in samplers:
            return draw_images(samplers[name], labels, seed, size, evaluation.shape)
        return None

    seed_distance, answers, beside = None, None, {}
    if candidate := draw(sources.CANDIDATE):
        sets[sources.CANDIDATE] = _describe(candidate, size, extract, extract_views)
    if baseline := draw(sources.BASELINE):
        sets[sources.BASELINE] = _describe(baseline, size, extract, extract_views)
        if sampler and sampler.teacher and sources.BASELINE in samplers:
            seed_distance = seed_distances(candidate.pixels, baseline.pixels, size)
    del baseline  # as large as the candidate, whose pixels alone are shown
    noise = draw_noise(labels, seed, size, evaluation.shape)
    sets[sources.NOISE] = join(describe(part, extract) for part in noise)
    if sources.CANDIDATE in translating:
        beside, answers = draw_beside(evaluation, sampler, given, candidate, extract)
    at_holdout = draw_at_holdout(translating, holdout, seed, size) if holdout else ()
    for name, images in itertools.chain(beside.items(), at_holdout):
        expect(FEATURES, len(images))
        sets[name] = _describe(images, size, extract)
    queries = {name: sets[name] for name in _SEARCHED if name in sets}
    blocks = read_blocks(search_folder(real.features))
    sets |= find_nearest(queries, blocks)
    sets[sources.TRAIN] = training.take(slice(min(options.samples, count)))
    if candidate:
        _write_pictures(evaluation, candidate, sets[sources.CANDIDATE], sampler)
        if sampler:
            pictures.write_trajectories(sampler, seed, labels, evaluation.output)
    return Described(sets, training, answers, seed_distance)


def _read_real(real: RealImages) -> dict[str, ImageSet]:
    """The described real images by source."""
    return {
        source: read_image_set(split_file(real.features, split))
        for source, split in _SPLITS.items()
        if split in real.examples
    }


def _read_sources(
    real: RealImages, sets: Mapping[str, ImageSet], size: int
) -> tuple[Sources, Sources | None]:
    """What is translated: a source for each held-out image, and for each image of data.holdout."""
    decode = load_decoder(real.transform_graph)
    if unpaired := real.examples.get(examples.SOURCE_EVAL):
        return read_sources(unpaired, sets[sources.REAL], decode, None, size), None
    decode_source = load_decoder(real.transform_graph, examples.SOURCE)
    found = [
        read_sources(real.examples[_SPLITS[name]], sets[name], decode, decode_source, size)
        if name in sets
        else None
        for name in (sources.REAL, sources.HOLDOUT)
    ]
    return found[0], found[1]


def _read_stored(folder: str, evaluation: Evaluation) -> Images:
    """Stored images, as many as samples are requested."""
    options, decode = evaluation.options, load_decoder(evaluation.real.transform_graph)
    records = heapq.nsmallest(options.samples, read_examples(folder), key=scattered_key)
    expect(FEATURES, len(records))
    keys = [scattered_key(record) for record in records]
    pixels = decode_in_blocks(records, decode, options.batch_size)
    return Images(keys, labels_of(records), pixels)


def _describe(images: Images, size: int, *extractors: Extractor) -> ImageSet:
    return join(describe(part, *extractors) for _, part in row_blocks(images, size))


def _write_pictures(
    evaluation: Evaluation, candidate: Images, found: ImageSet, sampler: LoadedSampler | None
) -> None:
    """Writes the pictures of the images that are judged."""
    output, real = evaluation.output, evaluation.real
    mark = sampler.mark if sampler else ""  # who made the images of a folder is not known
    decode = load_decoder(real.transform_graph)
    training = real.examples[examples.TRAIN]
    pictures.write_samples(candidate, output, mark)
    pictures.write_nearest_pairs(candidate, found, training, decode, output, mark)
    pictures.write_worst_samples(candidate, found, output, mark)
