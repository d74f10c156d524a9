"""The StatisticsGen of the pipeline: what its statistics find, and what it keeps in memory."""

import hashlib

import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.statistics_gen.executor import Executor
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts

from pipeline.config.pipeline_config import load
from pipeline.config.sections import BeamConfig
from pipeline.graph import Locations, create_pipeline
from pipeline.schema import read_schema
from trainer import examples

KNOWN_LABELS = "string_domain { value: 'cat' value: 'dog' }"


def write_examples(folder, count, distinct, label):
    """Writes a split of small examples, of which so many have different pixels."""
    schema = text_format.Parse(read_schema(None), schema_pb2.Schema())
    artifact = standard_artifacts.Examples()
    artifact.uri, artifact.split_names = str(folder), '["train"]'
    examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(artifact, "tfrecords_gzip")
    path = folder / "Split-train" / "data_tfrecord-00000-of-00001.gz"
    path.parent.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for number in range(count):
            sha256 = hashlib.sha256(b"%d" % (number % distinct)).hexdigest().encode()
            texts = {
                examples.IMAGE: b"no PNG",
                examples.LABEL: label,
                examples.PATH: b"%d.png" % number,
                examples.SHA256: sha256,
                examples.GROUP: sha256,
            }
            row = tf.train.Example()
            for feature in schema.feature:
                value = row.features.feature[feature.name]
                if feature.type == schema_pb2.BYTES:
                    value.bytes_list.value.append(texts[feature.name])
                elif feature.type == schema_pb2.INT:
                    value.int64_list.value.append(1)
                else:
                    value.float_list.value.append(1)
            writer.write(row.SerializeToString())
    return artifact


def run(folder, count, distinct=10**9, label=b"cat"):
    """Runs the node; returns the statistics of the split."""
    artifact = write_examples(folder / "examples", count, distinct, label)
    config = load("digits", overrides=["data.folder=/x"])
    pipeline = create_pipeline(config, Locations("a", "c", "s", "l"), read_schema(None))
    (node,) = (each for each in pipeline.components if each.id == "StatisticsGen")
    schema, statistics = standard_artifacts.Schema(), standard_artifacts.ExampleStatistics()
    schema.uri, statistics.uri = str(folder / "schema"), str(folder / "statistics")
    (folder / "schema").mkdir()
    (folder / "schema" / "schema.pbtxt").write_text(read_schema(None))
    context = Executor.Context(
        beam_pipeline_args=BeamConfig().arguments("StatisticsGen"), tmp_dir=str(folder)
    )
    Executor(context).Do(
        {"examples": [artifact], "schema": [schema]},
        {"statistics": [statistics]},
        node.exec_properties,
    )
    return tfdv.load_stats_binary(f"{statistics.uri}/Split-train/FeatureStats.pb")


@pytest.mark.parametrize(
    ("count", "distinct", "label", "found"),
    [
        (30, 30, b"cat", set()),
        (9, 9, b"cat", {"dataset", examples.SHA256}),
        (300, 9, b"cat", {examples.SHA256}),
        (30, 30, b"bird", {examples.LABEL}),
    ],
    ids=["good", "few", "repeated", "other label"],
)
def test_data_that_are_images_and_still_wrong_are_anomalies(
    tmp_path, count, distinct, label, found
):
    schema = text_format.Parse(read_schema(None), schema_pb2.Schema())
    (labels,) = (each for each in schema.feature if each.name == examples.LABEL)
    text_format.Merge(KNOWN_LABELS, labels)
    anomalies = tfdv.validate_statistics(run(tmp_path, count, distinct, label), schema)
    names = set(anomalies.anomaly_info)
    if anomalies.HasField("dataset_anomaly_info"):
        names.add("dataset")
    assert names == found


@pytest.mark.slow
def test_the_memory_does_not_grow_with_the_paths_and_hashes(tmp_path, kept_bytes):
    few, many = (
        kept_bytes(lambda count=count: run(tmp_path / str(count), count)) for count in (2000, 8000)
    )
    assert (many - few) / 6000 < 100  # exact counts take 230 bytes per image
