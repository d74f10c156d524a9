import apache_beam as beam
import pytest
import tensorflow as tf
from apache_beam.testing.util import assert_that, equal_to

from components.images.records import (
    ReadExamples,
    example_key,
    find_examples,
    read_examples,
    read_twice,
    scattered_key,
)
from components.real_features.take_first import TakeFirst

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
    assert sorted(read_examples(folders)) == sorted(RECORDS)
    with beam.Pipeline(argv=ARGS) as pipeline:
        assert_that(pipeline | ReadExamples(folders), equal_to(RECORDS))
        first, again = read_twice(pipeline, "Twice", folders[:1])
        assert_that(first, equal_to(RECORDS[:150]), "First")
        assert_that(again, equal_to(RECORDS[:150]), "Again")


def test_a_folder_without_records_is_empty(tmp_path):
    write(tmp_path / "empty" / "0.gz", [])
    folders = [str(tmp_path / name) for name in ("empty", "missing")]
    assert not list(read_examples(folders))
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
    with pytest.raises(ValueError, match=f"{path}: "):
        list(read_examples([str(path.parent)]))


def serialize(pixels, path):
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in (("sha256", pixels), ("path", path))
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def test_examples_are_found_by_key_wherever_they_are(tmp_path):
    records = [serialize(b"%d" % (i % 3), b"%d.png" % i) for i in range(90)]
    keys = [example_key(record) for record in records]
    assert len(set(keys)) == len(records)  # though pixels repeat
    write(tmp_path / "a" / "0.gz", records[:50])
    write(tmp_path / "b" / "0.gz", records[50:])
    folders = [str(tmp_path / name) for name in "ab"]
    assert find_examples(folders, [keys[i] for i in (80, 3, 3)]) == {
        keys[i]: records[i] for i in (3, 80)
    }
    assert not find_examples(folders, [])
    (tmp_path / "b" / "0.gz").write_bytes(b"damaged")
    assert len(find_examples(folders, keys[:20])) == 20  # reads no further


def test_scattered_keys_mix_images_that_repeat():
    records = [serialize(b"%d" % pixels, b"%d.png" % i) for pixels in range(5) for i in range(400)]
    scattered, by_pixels = (sorted(records, key=key)[:100] for key in (scattered_key, example_key))
    assert len({example_key(record).split()[0] for record in scattered}) == 5
    assert len({example_key(record).split()[0] for record in by_pixels}) == 1
