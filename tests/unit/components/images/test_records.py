import pytest
import tensorflow as tf

from components.images.records import (
    count_examples,
    example_key,
    find_examples,
    read_examples,
    scattered_key,
)
from trainer.records import DamagedExamplesError


def serialize(pixels, path):
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in (("sha256", pixels), ("path", path))
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


# In the order of their keys; of equal pixels, there are three images each.
RECORDS = [serialize(b"%02d" % (i // 3), b"%02d.png" % i) for i in range(90)]


@pytest.fixture
def folder(tmp_path):
    """Three files with ranges of hashes, in each of which equal images are in another order."""
    for number in range(3):
        write(tmp_path / f"{number}-of-3.gz", RECORDS[30 * number : 30 * (number + 1)][::-1])
    return str(tmp_path)


def write(path, records):
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in records:
            writer.write(record)


def test_all_examples_are_read_in_the_order_of_their_keys(folder):
    assert list(read_examples(folder)) == RECORDS == sorted(RECORDS, key=example_key)
    assert count_examples(folder) == len(RECORDS)


def test_a_file_may_have_no_examples(folder):
    write(f"{folder}/1-of-3.gz", [])
    assert list(read_examples(folder)) == RECORDS[:30] + RECORDS[60:]
    assert count_examples(folder) == 60


@pytest.mark.parametrize("read", [count_examples, lambda folder: list(read_examples(folder))])
def test_a_damaged_file_is_named(tmp_path, read):
    path = tmp_path / "artifact" / "Split-train" / "0.gz"
    path.parent.mkdir(parents=True)
    write(path, RECORDS)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DamagedExamplesError, match=f"{path} is damaged: remove .*/artifact, "):
        read(str(path.parent))


def test_examples_are_found_by_key_wherever_they_are(folder, tmp_path):
    keys = [example_key(record) for record in RECORDS]
    assert len(set(keys)) == len(RECORDS)  # though pixels repeat
    assert find_examples(folder, [keys[i] for i in (80, 3, 3)]) == {
        keys[i]: RECORDS[i] for i in (3, 80)
    }
    assert not find_examples(folder, [])
    (tmp_path / "2-of-3.gz").write_bytes(b"damaged")
    assert len(find_examples(folder, keys[:20])) == 20  # reads no further


def test_scattered_keys_mix_images_that_repeat():
    records = [serialize(b"%d" % pixels, b"%d.png" % i) for pixels in range(5) for i in range(400)]
    scattered, by_pixels = (sorted(records, key=key)[:100] for key in (scattered_key, example_key))
    assert len({example_key(record).split()[0] for record in scattered}) == 5
    assert len({example_key(record).split()[0] for record in by_pixels}) == 1
