"""Decodes the real images, computes their features and writes them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils

from components.features import check_available
from components.images.batches import DecodeRecords
from components.images.features import ExtractFeatures, WriteFeatures
from components.images.records import ReadExamples, example_key
from components.images.take_first import TakeFirst
from components.images.write_grid import WriteGrid
from components.parameters import complete
from components.progress import FEATURES, Expect
from components.real_features import names
from components.real_features.artifact import FILE_SUFFIX, file_prefix, split_folders
from components.real_features.options import RealFeaturesOptions
from trainer import examples


class Executor(base_beam_executor.BaseBeamExecutor):
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

    Args:
        pipeline: empty; it is run.
        folders: of the examples by split: train, eval, and holdout if there is one.
        options: number of held-out images, feature space.
        transform_graph: URI of the TransformGraph artifact.
        output: folder for the features.
    """
    with pipeline:
        for split, uris in folders.items():
            records = pipeline | f"Read[{split}]" >> ReadExamples(uris)
            describe = DescribeImages(split, options, transform_graph, output)
            _ = records | f"Describe[{split}]" >> describe


class DescribeImages(beam.PTransform):
    """Writes the features of the images of a split; of held-out ones, at most `options.samples`."""

    def __init__(
        self, split: str, options: RealFeaturesOptions, transform_graph: str, output: str
    ) -> None:
        super().__init__()
        self._split = split
        self._options = options
        self._transform_graph = transform_graph
        self._output = output

    def expand(self, records: beam.PCollection) -> beam.PCollection:
        """From serialized tf.Examples to the files written."""
        size = self._options.batch_size
        prefix = file_prefix(self._output, self._split)
        if self._split != examples.TRAIN:
            records |= TakeFirst(self._options.samples, key=example_key)
        batches = (
            records
            | "Expect" >> beam.ParDo(Expect(FEATURES))
            | beam.Reshuffle()
            | beam.BatchElements(min_batch_size=size, max_batch_size=size)
            | "Decode" >> beam.ParDo(DecodeRecords(self._split, self._transform_graph))
        )
        if self._split == examples.EVAL:
            _ = batches | WriteGrid(self._split, f"{self._output}/{names.REAL_PNG}")
        return (
            batches
            | "Features" >> beam.ParDo(ExtractFeatures(self._options.features, [examples.EVAL]))
            | "Write" >> WriteFeatures(prefix, FILE_SUFFIX)
        )
