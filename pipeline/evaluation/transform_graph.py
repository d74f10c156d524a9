"""The graph that Transform makes of the project's preprocessing, without a pipeline."""

import functools
import tempfile

import apache_beam as beam
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from trainer import examples, preprocessing


def write_transform_graph(
    pipeline: beam.Pipeline, resolution: int, channels: int, folder: str
) -> None:
    """Writes what the TransformGraph artifact of an unconditional model holds.

    Args:
        pipeline: empty; it is run.
        resolution: side of the images, in pixels.
        channels: 1 or 3.
        folder: to write to.
    """
    text = tf.io.FixedLenFeature([1], tf.string)
    metadata = dataset_metadata.DatasetMetadata(
        schema_utils.schema_from_feature_spec({examples.IMAGE: text, examples.LABEL: text})
    )
    preprocess = functools.partial(
        preprocessing.preprocessing_fn,
        custom_config={"resolution": resolution, "channels": channels},
    )
    with tempfile.TemporaryDirectory() as temporary, pipeline, tft_beam.Context(temporary):
        raw = (pipeline | beam.Create([]), metadata)  # nothing is learned from the images
        _ = raw | tft_beam.AnalyzeDataset(preprocess) | tft_beam.WriteTransformFn(folder)
        _ = metadata | tft_beam.WriteMetadata(f"{folder}/metadata", pipeline)
