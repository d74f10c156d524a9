"""Decodes the real images, computes their features and writes them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx import types
from tfx.types import artifact_utils

from components.beam_executor import BeamExecutor
from components.features import check_available
from components.features.options import SEARCH_SPACE, FeatureOptions
from components.images.batches import DecodeRecords
from components.images.described import DescribeImages, WriteImageSets
from components.images.records import example_key, read_twice
from components.parameters import complete
from components.progress import FEATURES, Expect
from components.real_features import names
from components.real_features.artifact import (
    SEARCH,
    TRAINING_IMAGES,
    file_prefix,
    split_folders,
)
from components.real_features.options import RealFeaturesOptions
from components.real_features.take_first import TakeFirst
from components.real_features.write_grid import WriteGrid
from trainer import examples
from trainer.records import count_records


class Executor(BeamExecutor):
    """Executor of RealFeatures."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the features of all splits.

        Raises:
            FeatureError: the weights of the feature space are missing or not the pinned ones.
            ParameterError: `samples` is out of range.
        """
        options = complete(
            RealFeaturesOptions,
            json.loads(exec_properties["options"]),
            samples=exec_properties["samples"],
        )
        check_available(options.features)
        transform_graph = artifact_utils.get_single_uri(input_dict["transform_graph"])
        output = artifact_utils.get_single_uri(output_dict[names.FEATURES])
        folders = split_folders(input_dict["examples"])
        write_features(self._make_beam_pipeline(), folders, options, transform_graph, output)


def write_features(
    pipeline: beam.Pipeline,
    folders: Mapping[str, Sequence[str]],
    options: RealFeaturesOptions,
    transform_graph: str,
    output: str,
) -> None:
    """Writes the features of real images and a grid of held-out ones.

    Of unpaired sources nothing is written, but if fewer are held out than images, only as many
    images are compared, since there is one result for each source.

    Workers share the files of the examples among them: each is read, decoded and described at one
    place, since an in-process runner keeps in memory whatever it shuffles.

    Args:
        pipeline: empty; it is run.
        folders: of the examples by split: train, eval, and holdout if there is one; source_train
            and source_eval of unpaired sources.
        options: number of held-out images, feature space.
        transform_graph: URI of the TransformGraph artifact.
        output: folder for the features.
    """
    compared = options.samples
    if unpaired := folders.get(examples.SOURCE_EVAL):
        compared = min(compared, _count(unpaired))
    with pipeline:
        for split, uris in folders.items():
            if split in (examples.SOURCE_TRAIN, examples.SOURCE_EVAL):
                continue
            count = max(compared, TRAINING_IMAGES if split == examples.TRAIN else 0)
            first, again = read_twice(pipeline, split, uris)
            if split == examples.TRAIN:
                first |= "ExpectAll" >> beam.ParDo(Expect(FEATURES))
            batches = (
                (first, again)
                | f"First[{split}]" >> TakeFirst(count, key=example_key, work=FEATURES)
                | f"Decode[{split}]" >> _Decode(options.batch_size, transform_graph)
            )
            if split == examples.EVAL:
                _ = batches | WriteGrid(f"{output}/{names.REAL_PNG}")
            _ = batches | f"Describe[{split}]" >> _Describe(options.features, output, split)
            if split == examples.TRAIN:
                # Decoded again: the first images are known only after all have been read.
                _ = (
                    again
                    | "DecodeAll" >> _Decode(options.batch_size, transform_graph)
                    | "DescribeAll" >> _Describe(SEARCH_SPACE, output, SEARCH, statistics=False)
                )


def _count(folders: Sequence[str]) -> int:
    patterns = [f"{folder}/*" for folder in folders]
    return count_records([path for each in patterns for path in tf.io.gfile.glob(each)])


class _Decode(beam.PTransform):
    """From serialized tf.Examples to batches of Images."""

    def __init__(self, batch_size: int, transform_graph: str) -> None:
        super().__init__()
        self._batch_size = batch_size
        self._transform_graph = transform_graph

    def expand(self, records: beam.PCollection) -> beam.PCollection:
        size = self._batch_size
        return (
            records
            | beam.BatchElements(min_batch_size=size, max_batch_size=size)
            | "Decode" >> beam.ParDo(DecodeRecords(self._transform_graph))
        )


class _Describe(beam.PTransform):
    """Describes batches of Images in files; held-out images with their views."""

    def __init__(
        self, features: FeatureOptions, output: str, part: str, *, statistics: bool = True
    ) -> None:
        super().__init__()
        searched = part == examples.EVAL
        self._describe = DescribeImages(features, searched=searched, statistics=statistics)
        self._prefix = file_prefix(output, part)

    def expand(self, batches: beam.PCollection) -> beam.PCollection:
        return (
            batches
            | "Features" >> beam.ParDo(self._describe)
            | "Write" >> WriteImageSets(self._prefix)
        )
