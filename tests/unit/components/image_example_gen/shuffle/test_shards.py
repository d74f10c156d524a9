import apache_beam as beam
import pytest
import tensorflow as tf
from apache_beam.testing.util import assert_that, equal_to
from tfx.components.util import tfxio_utils
from tfx.types import standard_artifacts

from components.image_example_gen.options import ImageOptions
from components.image_example_gen.shuffle.shards import (
    part_size,
    shard_count,
    shard_groups,
    write_records,
)
from trainer import examples


@pytest.mark.parametrize(
    ("files", "resolution", "shards"), [(1, 64, 1), (1000, 64, 1), (1001, 64, 2), (22, 1024, 2)]
)
def test_a_shard_is_bounded_in_images_and_in_bytes(files, resolution, shards):
    assert shard_count(files, ImageOptions(resolution=resolution)) == shards


@pytest.mark.parametrize(
    ("files", "resolution", "expected"),
    [(1, 64, 64), (6_400, 64, 100), (10**6, 64, 1000), (10**6, 1024, 21)],
)
def test_a_part_is_a_share_of_the_files_and_at_most_as_large_as_a_shard(
    files, resolution, expected
):
    assert part_size(files, ImageOptions(resolution=resolution)) == expected


def test_tfx_reads_the_shards_and_an_empty_one_among_them(tmp_path):
    artifact = standard_artifacts.Examples()
    artifact.uri, artifact.split_names = str(tmp_path), '["eval"]'
    (tmp_path / "Split-eval").mkdir()
    for shard, records in enumerate([[], [tf.train.Example().SerializeToString()] * 3]):
        name = f"Split-eval/data_tfrecord-{shard:05}-of-00002.gz"
        write_records(str(tmp_path / name), records, str(tmp_path))
    files = sorted(map(str, (tmp_path / "Split-eval").iterdir()))
    assert len(list(tf.data.TFRecordDataset(files, "GZIP"))) == 3
    tfxio = tfxio_utils.get_split_tfxio([artifact], examples.EVAL, ["test"])
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        rows = (
            pipeline
            | tfxio.BeamSource()
            | beam.Map(lambda batch: batch.num_rows)
            | beam.CombineGlobally(sum)
        )
        assert_that(rows, equal_to([3]))


@pytest.mark.parametrize("shards", [1, 5, 64, 65, 1000])
def test_the_groups_of_shards_are_few_and_complete(shards):
    groups = shard_groups(shards)
    assert [shard for group in groups for shard in range(*group)] == list(range(shards))
    assert len(groups) <= 64
