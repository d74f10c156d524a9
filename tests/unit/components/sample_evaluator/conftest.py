"""The transform graph that reads images."""

import functools

import apache_beam as beam
import pytest
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from evaluator_data import BEAM_ARGS, SHAPE
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from trainer import preprocessing


@pytest.fixture(scope="session")
def transform_graph(tmp_path_factory):
    """URI of a transform graph of the project's own preprocessing_fn, for images of SHAPE."""
    folder = str(tmp_path_factory.mktemp("transform_graph"))
    metadata = dataset_metadata.DatasetMetadata(
        schema_utils.schema_from_feature_spec(
            {name: tf.io.FixedLenFeature([1], tf.string) for name in ("image", "label")}
        )
    )
    preprocess = functools.partial(
        preprocessing.preprocessing_fn, custom_config={"resolution": SHAPE[0], "channels": SHAPE[2]}
    )
    with (
        beam.Pipeline(argv=BEAM_ARGS) as pipeline,
        tft_beam.Context(temp_dir=str(tmp_path_factory.mktemp("tft"))),
    ):
        raw = (pipeline | beam.Create([]), metadata)
        _ = raw | tft_beam.AnalyzeDataset(preprocess) | tft_beam.WriteTransformFn(folder)
        _ = metadata | tft_beam.WriteMetadata(f"{folder}/metadata", pipeline)
    return folder
