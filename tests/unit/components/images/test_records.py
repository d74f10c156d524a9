import apache_beam as beam
import pytest
import tensorflow as tf
from apache_beam.testing.util import assert_that, equal_to

from components.images.features import ReadFeatures
from components.images.records import ReadExamples, read_twice
from components.images.take_first import TakeFirst

ARGS = ["--runner=FnApiRunner"]
RECORDS = [f"record {i}".encode() for i in range(200)]


def write(path, records):
    compression = "GZIP" if path.suffix == ".gz" else ""
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in records:
            writer.write(record)


def test_all_records_of_the_folders_are_read_gzipped_or_not(tmp_path):
    write(tmp_path / "a[1]" / "0", RECORDS[:90])
    write(tmp_path / "a[1]" / "1.gz", RECORDS[90:150])
    write(tmp_path / "b" / "0.gz", RECORDS[150:])
    folders = [str(tmp_path / name) for name in ("a[1]", "b", "missing")]
    with beam.Pipeline(argv=ARGS) as pipeline:
        assert_that(pipeline | ReadExamples(folders), equal_to(RECORDS))
        first, again = read_twice(pipeline, "Twice", folders[:1])
        assert_that(first, equal_to(RECORDS[:150]), "First")
        assert_that(again, equal_to(RECORDS[:150]), "Again")


def test_a_folder_without_records_is_empty(tmp_path):
    write(tmp_path / "empty" / "0.gz", [])
    folders = [str(tmp_path / name) for name in ("empty", "missing")]
    with beam.Pipeline(argv=ARGS) as pipeline:
        assert_that(pipeline | ReadExamples(folders), equal_to([]))


def test_records_that_are_read_twice_are_not_kept(tmp_path, kept_bytes):
    write(tmp_path / "data" / "0.gz", [record * 100 for record in RECORDS])

    def count():
        with beam.Pipeline(argv=ARGS) as pipeline:
            records = read_twice(pipeline, "Twice", [str(tmp_path / "data")])
            first = records | TakeFirst(3, lambda record: record[:10])
            _ = first | "Sizes" >> beam.Map(len) | beam.combiners.Count.Globally()

    assert kept_bytes(count) < 100 * len(RECORDS)  # a tenth of them


@pytest.mark.parametrize("name", ["damaged", "damaged.gz"])
def test_a_damaged_file_is_named(tmp_path, name):
    path = tmp_path / "data" / name
    write(path, RECORDS)
    path.write_bytes(path.read_bytes()[:-10])
    pipeline = beam.Pipeline(argv=ARGS)
    _ = pipeline | ReadExamples([str(path.parent)])
    with pytest.raises(ValueError, match=f"{path}: "):
        pipeline.run()


def test_features_that_are_missing_are_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}/eval-"):
        _ = beam.Pipeline(argv=ARGS) | ReadFeatures(f"{tmp_path}/eval-*")
