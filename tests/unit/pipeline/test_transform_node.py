"""The Transform of the pipeline, on examples whose images cannot be decoded."""

from pathlib import Path

import pytest
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.transform.executor import Executor
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts

from pipeline.config.pipeline_config import load
from pipeline.config.sections import BeamConfig
from pipeline.graph import Locations, create_pipeline
from pipeline.schema import read_schema
from trainer import examples
from trainer.preprocessing import VOCABULARY

LABELS = ["cat", "cat", "dog", "cat", "dog", "bird"]


def write_examples(folder):
    """Writes the splits with examples that say of each image where it was decoded."""
    schema = text_format.Parse(read_schema(None), schema_pb2.Schema())
    artifact = standard_artifacts.Examples()
    artifact.uri, artifact.split_names = str(folder), '["train", "eval"]'
    examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(artifact, "tfrecords_gzip")
    for split in (examples.TRAIN, examples.EVAL):
        path = folder / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz"
        path.parent.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for label in LABELS:
                writer.write(example(schema, label).SerializeToString())
    return artifact


def example(schema, label):
    row = tf.train.Example()
    for feature in schema.feature:
        value = row.features.feature[feature.name]
        if feature.type == schema_pb2.BYTES:
            value.bytes_list.value.append(b"no PNG")
        elif feature.type == schema_pb2.INT:
            value.int64_list.value.append(1)
        else:
            value.float_list.value.append(1)
    row.features.feature[examples.LABEL].bytes_list.value[:] = [label.encode()]
    return row


def transform(folder, conditional):
    """Runs the node; returns the folder of its graph."""
    config = load("digits", overrides=["data.folder=/x", f"model.conditional={conditional}"])
    pipeline = create_pipeline(config, Locations("a", "c", "s", "l"), read_schema(None))
    (node,) = (each for each in pipeline.components if each.id == "Transform")
    schema = standard_artifacts.Schema()
    schema.uri = str(folder / "schema")
    Path(schema.uri).mkdir()
    Path(schema.uri, "schema.pbtxt").write_text(read_schema(None))
    outputs = {key: channel.type() for key, channel in node.outputs.items()}
    for key, artifact in outputs.items():
        artifact.uri = str(folder / key)
        Path(artifact.uri).mkdir()
    context = Executor.Context(
        beam_pipeline_args=BeamConfig().arguments("Transform"), tmp_dir=str(folder)
    )
    Executor(context).Do(
        {"examples": [write_examples(folder / "examples")], "schema": [schema]},
        {key: [artifact] for key, artifact in outputs.items()},
        node.exec_properties,
    )
    return outputs["transform_graph"].uri


@pytest.mark.parametrize("conditional", [False, True])
def test_the_graph_and_the_vocabulary_of_labels_are_made_without_decoding_an_image(
    tmp_path, conditional
):
    graph = tft.TFTransformOutput(transform(tmp_path, conditional))
    if conditional:
        assert sorted(graph.vocabulary_by_name(VOCABULARY)) == [b"bird", b"cat", b"dog"]
    layer = graph.transform_features_layer()
    with pytest.raises(tf.errors.InvalidArgumentError):
        layer({name: tf.constant([["no PNG"]]) for name in (examples.IMAGE, examples.LABEL)})
