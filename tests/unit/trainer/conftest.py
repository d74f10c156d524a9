"""Transform's graph, made as by the Transform component, and a quicker TensorFlow."""

import functools

import apache_beam as beam
import pytest
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from tests import small_network as small
from tests.quick_tensorflow import quicken
from trainer import preprocessing

quicken()


@pytest.fixture(scope="module")
def small_network():
    """Trains a small network in place of the U-Net, whose traces take seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.build.build_unet", small.build_unet)
        patch.setattr("trainer.student.build.build_unet", small.build_unet)
        yield


@pytest.fixture(scope="module")
def transform_graph(tmp_path_factory):
    """Makes the graph for images, 2x2, with these labels, once; returns its URI. Read-only."""
    png = tf.io.encode_png(tf.zeros([2, 2, 1], tf.uint8)).numpy()
    metadata = dataset_metadata.DatasetMetadata(
        schema_utils.schema_from_feature_spec(
            {name: tf.io.FixedLenFeature([1], tf.string) for name in ("image", "label")}
        )
    )

    @functools.cache
    def make(labels, conditional):
        folder = str(tmp_path_factory.mktemp("graph"))
        config = {"resolution": 2, "channels": 1, "conditional": conditional}
        preprocess = functools.partial(preprocessing.preprocessing_fn, custom_config=config)
        rows = [{"image": [png], "label": [label.encode()]} for label in labels]
        with (
            beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline,
            tft_beam.Context(temp_dir=str(tmp_path_factory.mktemp("tft"))),
        ):
            raw = (pipeline | beam.Create(rows), metadata)
            _ = raw | tft_beam.AnalyzeDataset(preprocess) | tft_beam.WriteTransformFn(folder)
            _ = metadata | tft_beam.WriteMetadata(f"{folder}/metadata", pipeline)
        return folder

    return make
