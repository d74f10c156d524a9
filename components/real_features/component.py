"""RealFeatures: features of the real images that evaluations compare samples with."""

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import apache_beam as beam
from tfx.dsl.component.experimental.annotations import (
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    Parameter,
)
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, TransformGraph
from tfx.utils import io_utils

from components.features import Extractor, check_available
from components.features.options import SEARCH_SPACE
from components.images.described import shared_extractor, write_image_set
from components.images.image_set import ImageSet, describe, join
from components.images.records import (
    Decoder,
    count_examples,
    decode_images,
    decode_in_blocks,
    list_shards,
    load_decoder,
    read_examples,
    read_shard,
)
from components.metrics.kinds import MAX_TRAINING
from components.parameters import complete
from components.progress import FEATURES, expect
from components.real_features import names
from components.real_features.artifact import (
    ImageFeatures,
    search_folder,
    split_file,
    split_folders,
)
from components.real_features.options import RealFeaturesOptions
from trainer.common.image_grid import GRID_SIDE, grid_png
from trainer.examples import EVAL, HOLDOUT, SOURCE_EVAL, TRAIN

# Training images in the feature space of the metrics: at least the first so many by key, if there
# are, and as many as held-out images are compared. Metrics need no more, and networks may be slow.
TRAINING_IMAGES = MAX_TRAINING


@component(use_beam=True)
def RealFeatures(
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    features: OutputArtifact[ImageFeatures],
    options: Parameter[str],
    samples: Parameter[int],
    source_hash: Parameter[str],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Computes the features of the training images and of the held-out images to compare with.

    As a separate node it is cached while data and feature space are the same, however many models
    are judged.

    Args:
        examples: Examples with the splits train and eval (trainer/examples.py).
        transform_graph: the TransformGraph that decodes their images.
        features: files of described images, in the feature space and, for the search of copies, of
            all training images in random_conv; and a grid of held-out images.
        options: JSON of RealFeaturesOptions without `samples`.
        samples: maximum number of held-out images, and of training images if it is above 5,000.
        source_hash: of the code; not read: a new one computes the features again.
        beam_pipeline: for the training images.

    Raises:
        DamagedExamplesError: a file of the examples is damaged.
        FeatureError: the weights of the feature space are missing or not the pinned ones.
        ParameterError: `samples` is out of range.
    """
    chosen = complete(RealFeaturesOptions, json.loads(options), samples=samples)
    check_available(chosen.features)
    folders = split_folders(examples)
    write_features(beam_pipeline, folders, chosen, transform_graph.uri, features.uri)


def write_features(
    pipeline: beam.Pipeline,
    folders: Mapping[str, str],
    options: RealFeaturesOptions,
    transform_graph: str,
    output: str,
) -> None:
    """Writes the features of real images and a grid of held-out ones.

    Of unpaired sources nothing is written, but if fewer are held out than images, only as many
    images are compared, since there is one result for each source.

    Args:
        pipeline: empty; it is run on the training images, of which there may be many.
        folders: of the examples by split: train, eval, and holdout if there is one; source_train
            and source_eval of unpaired sources.
        options: number of held-out images, batch size, feature space.
        transform_graph: URI of the TransformGraph artifact.
        output: folder for the features.
    """
    compared, size = options.samples, options.batch_size
    if unpaired := folders.get(SOURCE_EVAL):
        compared = min(compared, count_examples(unpaired))
    most = {TRAIN: max(compared, TRAINING_IMAGES), EVAL: compared, HOLDOUT: compared}
    stored = {split: count_examples(folders[split]) for split in most if split in folders}
    counts = {split: min(count, most[split]) for split, count in stored.items()}
    expect(FEATURES, stored[TRAIN] + sum(counts.values()))
    decode = load_decoder(transform_graph)
    extract, extract_views = shared_extractor(options.features), shared_extractor(SEARCH_SPACE)
    for split, count in counts.items():
        first = itertools.islice(read_examples(folders[split]), count)
        views = extract_views if split == EVAL else None
        found = _describe(first, decode, size, extract, views)
        write_image_set(split_file(output, split), found)
    shown = itertools.islice(read_examples(folders[EVAL]), min(counts[EVAL], GRID_SIDE**2))
    grid = grid_png(decode_in_blocks(list(shown), decode, size))
    io_utils.write_bytes_file(f"{output}/{names.REAL_PNG}", grid)
    with pipeline:
        _ = (
            pipeline
            | beam.Create(list_shards(folders[TRAIN]))
            | beam.Reshuffle()  # otherwise one worker would describe all of them
            | beam.ParDo(_DescribeShard(transform_graph, size, search_folder(output)))
        )


class _DescribeShard(beam.DoFn):
    """Writes a file of the training images of a shard, in SEARCH_SPACE."""

    def __init__(self, transform_graph: str, size: int, output: str) -> None:
        self._transform_graph, self._size, self._output = transform_graph, size, output

    def setup(self) -> None:
        self._decode = load_decoder(self._transform_graph)
        self._extract = shared_extractor(SEARCH_SPACE)

    def process(self, path: str) -> None:
        records = read_shard(path)
        if records:  # all images of a range of keys may be held out
            found = _describe(
                iter(records), self._decode, self._size, self._extract, statistics=False
            )
            write_image_set(f"{self._output}/{PurePosixPath(path).stem}.npz", found)


def _describe(
    records: Iterator[bytes],
    decode: Decoder,
    size: int,
    extract: Extractor,
    extract_views: Extractor | None = None,
    *,
    statistics: bool = True,
) -> ImageSet:
    """Decodes and describes examples, at least one, so many at a time; see `describe`."""
    parts = []
    while batch := list(itertools.islice(records, size)):
        images = decode_images(batch, decode)
        parts.append(describe(images, extract, extract_views, statistics=statistics))
    return join(parts)
